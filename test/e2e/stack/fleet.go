package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/test/fleetcost"
)

// A fleet has more pods than a kubelet runs: KWOK plays the node. The pods are ready at once, so that what
// is measured is the control plane.

// fleetProcesses play the node.
func fleetProcesses(s stack) []*process {
	return []*process{{name: "kwok", args: []string{
		"kwok", "--kubeconfig=" + s.Kubeconfig(), "--config=" + s.Path("config", stagesFile), "--manage-single-node=" + nodeName, "--cidr=" + fleetPodRange, "--node-ip=127.0.0.1",
		"--server-address=" + s.hostPort(10247),
	}}}
}

// stagesFile has what KWOK does with nodes and pods.
const stagesFile = "stages.yaml"

// writeStages has KWOK make nodes and pods ready at once, as its own stages do.
func (i *installer) writeStages() error {
	if !i.fleet {
		return nil
	}

	content := &bytes.Buffer{}

	for _, stage := range []string{"node/fast/node-initialize", "node/heartbeat/node-heartbeat", "pod/fast/pod-ready", "pod/fast/pod-delete"} {
		b, err := os.ReadFile(filepath.Join(i.from.kwok.Dir, "kustomize", "stage", stage+".yaml"))
		if err != nil {
			return err
		}

		fmt.Fprintf(content, "---\n%s\n", b)
	}

	return i.Write(content.Bytes(), "config", stagesFile)
}

const fleetPodRange = "10.228.0.0/14"

// perNamespace is how many servers share a namespace, as those of a team do.
const perNamespace = 10

// measureCommand creates a fleet, measures it, and deletes it again.
type measureCommand struct {
	Servers  int           `help:"Number of DittoServers." default:"300"`
	AtOnce   int           `help:"How many of them may be created and not yet ready. With 1,000 at once, Kubernetes' allocator of Service addresses serves requests that timed out." default:"100"`
	Replicas int           `help:"Number of processes of this function, which share the calls." default:"1"`
	Rest     time.Duration `help:"How long to watch the fleet while nobody changes anything." default:"10m"`
	Within   time.Duration `help:"How long each of the other steps may take." default:"1h"`
	Compose  string        `help:"What composes the servers: object or native are this function's ways, go-templating and patch-and-transform are what others use." default:"object" enum:"object,native,go-templating,patch-and-transform"`
	Peer     string        `help:"The binary of that other function." placeholder:"FILE" type:"existingfile"`
	TTL      string        `help:"The ttl of this function's input." default:"1m"`
	Results  string        `help:"File to keep what was measured in. What it has completely is not measured again." required:""`
	Page     string        `help:"Page to write the tables to." placeholder:"FILE"`
	Plot     string        `help:"Picture to draw." placeholder:"FILE"`
}

// Kinds that a fleet consists of.
//
//nolint:gochecknoglobals // A table.
var (
	dittoServers = schema.GroupVersionResource{Group: "dittofs.io", Version: "v1alpha1", Resource: "dittoservers"}
	objects      = schema.GroupVersionResource{Group: "kubernetes.m.crossplane.io", Version: "v1alpha1", Resource: "objects"}
	functions    = schema.GroupVersionResource{Group: "pkg.crossplane.io", Version: "v1", Resource: "functions"}
	compositions = schema.GroupVersionResource{Group: "apiextensions.crossplane.io", Version: "v1", Resource: "compositions"}
	statefulSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	composed     = []schema.GroupVersionResource{statefulSets, {Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "services"}}
)

// A fleet of DittoServers on a stack.
type fleet struct {
	*measureCommand

	stack  stack
	kube   kubernetes.Interface
	client dynamic.Interface

	// first is the number of the first server.
	first int
}

// Run measures, and writes tables and picture of everything that was ever measured.
func (c *measureCommand) Run(s stack) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	ttl, err := time.ParseDuration(c.TTL)
	if err != nil {
		return err
	}

	if c.Rest < ttl {
		return fmt.Errorf("a rest of %s is too short to see what a ttl of %s costs", c.Rest, ttl)
	}

	if c.isPeer() && c.Replicas > 1 {
		return errors.New("the function of others has one process: leave the replicas out")
	}

	results, err := fleetcost.Read(c.Results)
	if err != nil {
		return err
	}

	was := results[c.key()]
	if was.Complete {
		if was.AtOnce != c.AtOnce {
			return fmt.Errorf("%s has such a fleet with %d servers at once: remove it to measure it again", c.Results, was.AtOnce)
		}

		return results.Report(c.Page, c.Plot)
	}

	f, err := newFleet(c, s)
	if err != nil {
		return err
	}

	return f.measure(ctx)
}

// keep what was measured beside what others measured meanwhile.
func (c *measureCommand) keep(r fleetcost.Result) error {
	results, err := fleetcost.Read(c.Results)
	if err != nil {
		return err
	}

	results[c.key()] = r

	return errors.Join(results.Write(c.Results), results.Report(c.Page, c.Plot))
}

func (c *measureCommand) key() string {
	return fleetcost.Key(c.Compose, c.TTL, c.Servers, c.Replicas)
}

func newFleet(c *measureCommand, s stack) (*fleet, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		return nil, err
	}

	// This program is no part of what is measured, and holds nothing up.
	config.QPS, config.Burst = 500, 1000
	config.Timeout = time.Minute

	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}

	client, err := dynamic.NewForConfig(config)

	return &fleet{measureCommand: c, stack: s, kube: kube, client: client}, err
}

// measure a fleet from its creation to its deletion, and keep what was measured as soon as there is a rest.
func (f *fleet) measure(ctx context.Context) (err error) {
	if supervisorPID(f.stack) == 0 || !f.stack.fleet {
		return errors.New("no stack for fleets runs: make fleet brings one up")
	}

	done, err := f.prepare(ctx)
	defer func() { err = errors.Join(err, f.remove(context.WithoutCancel(ctx)), done()) }()

	if err != nil {
		return err
	}

	r := fleetcost.Result{Compose: f.Compose, TTL: f.TTL, Servers: f.Servers, AtOnce: f.AtOnce, Replicas: f.Replicas}

	steps := []struct {
		title string
		run   func(ctx context.Context, r *fleetcost.Result) error
	}{
		{fmt.Sprintf("Creating %d servers", f.Servers), f.create},
		{"Watching them at rest", f.rest},
		{"Changing the Composition", f.revise},
		{"Rotating Secrets", f.rotate},
		{"Upgrading the function", f.upgrade},
		{"Adding Secrets of others", f.addSecrets},
	}

	for n, step := range steps {
		begin := time.Now()

		fmt.Fprintf(os.Stderr, "%s: %-50s", f.Compose, step.title)

		if err := step.run(ctx, &r); err != nil {
			// Before the servers are deleted, which takes long.
			fmt.Fprintln(os.Stderr, "failed:", err)
			return fmt.Errorf("%s: %w", step.title, err)
		}

		fmt.Fprintf(os.Stderr, "%6.0f s\n", time.Since(begin).Seconds())

		r.Complete = n == len(steps)-1

		// The next step may fail.
		if r.Rest.Seconds > 0 {
			if err := f.keep(r); err != nil {
				return err
			}
		}
	}

	return nil
}

// prepare what servers need: a node, a storage class, Secrets, and a Composition. It returns what ends what
// it started.
func (f *fleet) prepare(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }

	if err := errors.Join(f.node(ctx), ensureStorageClass(ctx, f.kube)); err != nil {
		return done, err
	}

	if err := f.secrets(ctx); err != nil {
		return done, err
	}

	if f.isPeer() {
		return f.peer(ctx)
	}

	original := "dittoservers.dittofs.io"

	if f.Compose == "native" {
		original = "native.dittoservers.dittofs.io"

		for _, file := range []string{"rbac.yaml", "composition.yaml"} {
			if err := f.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--filename=example/native/"+file); err != nil {
				return done, err
			}
		}
	}

	if err := f.copyComposition(ctx, original); err != nil {
		return done, err
	}

	return f.replicate(ctx)
}

// copyComposition makes the fleet's Composition from another one, with another ttl. Crossplane undoes a change of
// one that is of a package.
func (f *fleet) copyComposition(ctx context.Context, original string) error {
	return f.editComposition(ctx, original, func(step map[string]any) error {
		return unstructured.SetNestedField(step, f.TTL, "input", "ttl")
	})
}

// editComposition makes the fleet's Composition from one, with each step edited.
func (f *fleet) editComposition(ctx context.Context, original string, edit func(step map[string]any) error) error {
	c, err := f.client.Resource(compositions).Get(ctx, original, metav1.GetOptions{})
	if err != nil {
		return err
	}

	spec, _, _ := unstructured.NestedMap(c.Object, "spec")
	pipeline, _, _ := unstructured.NestedSlice(spec, "pipeline")

	for _, step := range pipeline {
		if step, ok := step.(map[string]any); ok {
			if err := edit(step); err != nil {
				return err
			}
		}
	}

	spec["pipeline"] = pipeline

	return f.applyComposition(ctx, spec)
}

func (f *fleet) applyComposition(ctx context.Context, spec map[string]any) error {
	_, err := f.client.Resource(compositions).Apply(ctx, f.composition(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": compositions.GroupVersion().String(), "kind": "Composition",
		"metadata": map[string]any{"name": f.composition()}, "spec": spec,
	}}, metav1.ApplyOptions{FieldManager: "fleet", Force: true})

	return err
}

// isPeer reports whether somebody else's function composes the servers.
func (c *measureCommand) isPeer() bool { return c.Compose != "object" && c.Compose != "native" }

// secrets makes those of the servers, their namespaces and their volume claims.
func (f *fleet) secrets(ctx context.Context) error {
	for n := range f.namespaces() {
		_, err := f.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}

	if err := each(f.Servers, func(n int) error {
		return errors.Join(f.secret(ctx, f.first+n, "example"), f.claims(ctx, f.first+n))
	}); err != nil {
		return err
	}

	return f.bound(ctx)
}

// claims makes the volume claims of a server, and a volume for each, which nothing mounts. A StatefulSet takes claims of
// its names. kube-controller-manager binds one claim after the other: while servers are created, they would wait for
// that, and not for what is measured.
func (f *fleet) claims(ctx context.Context, n int) error {
	var errs []error

	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Ti")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}

	for _, claim := range claimsOf(n) {
		_, volumeErr := f.kube.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: claim},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:                      size,
				AccessModes:                   modes,
				StorageClassName:              storageClass,
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: namespaceOf(n), Name: claim},
				PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: f.stack.Path("volumes")}},
			},
		}, metav1.CreateOptions{})

		_, claimErr := f.kube.CoreV1().PersistentVolumeClaims(namespaceOf(n)).Create(ctx, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: claim},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: ptr.To(storageClass),
				VolumeName:       claim,
				AccessModes:      modes,
				Resources:        corev1.VolumeResourceRequirements{Requests: size},
			},
		}, metav1.CreateOptions{})

		for _, err := range []error{volumeErr, claimErr} {
			if !apierrors.IsAlreadyExists(err) {
				errs = append(errs, err)
			}
		}
	}

	return errors.Join(errs...)
}

// bound waits until the claims of all servers are.
func (f *fleet) bound(ctx context.Context) error {
	return f.poll(ctx, func() (bool, error) {
		all, err := f.kube.CoreV1().PersistentVolumeClaims(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return false, err
		}

		pending := slices.ContainsFunc(all.Items, func(c corev1.PersistentVolumeClaim) bool { return c.Status.Phase != corev1.ClaimBound })

		return len(all.Items) >= f.Servers*len(claimsOf(0)) && !pending, nil
	})
}

func (f *fleet) kubectl(ctx context.Context, args ...string) error {
	return run(ctx, "kubectl", append([]string{"--kubeconfig=" + f.stack.Kubeconfig()}, args...)...)
}

// node makes the one that KWOK plays.
func (f *fleet) node(ctx context.Context) error {
	plenty := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100k"), corev1.ResourceMemory: resource.MustParse("1Pi"), corev1.ResourcePods: resource.MustParse("10k"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Pi"),
	}

	_, err := f.kube.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName, corev1.LabelOSStable: "linux"}},
		Status:     corev1.NodeStatus{Allocatable: plenty, Capacity: plenty},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}

	return err
}

func namespaceOf(n int) string { return "fleet-" + strconv.Itoa(n/perNamespace) }
func serverName(n int) string  { return "server-" + strconv.Itoa(n) }

// claimsOf returns the names of a server's claims, and of the volumes that are made for them.
func claimsOf(n int) []string {
	var names []string
	for _, volume := range []string{"metadata", "controlplane", "cache"} {
		names = append(names, volume+"-"+serverName(n)+"-0")
	}

	return names
}

// each does something for each number below count, for several at once.
func each(count int, do func(n int) error) error {
	numbers, errs := make(chan int), make(chan error)

	for range parallel {
		go func() {
			var err error
			for n := range numbers {
				err = errors.Join(err, do(n))
			}
			errs <- err
		}()
	}

	for n := range count {
		numbers <- n
	}

	close(numbers)

	var err error
	for range parallel {
		err = errors.Join(err, <-errs)
	}

	return err
}

const parallel = 8

// secret applies the Secret of a server.
func (f *fleet) secret(ctx context.Context, n int, word string) error {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespaceOf(n), Name: serverName(n)}, StringData: map[string]string{"jwt-secret": strings.Repeat(word+"-", 5)}}

	_, err := f.kube.CoreV1().Secrets(s.Namespace).Create(ctx, s, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = f.kube.CoreV1().Secrets(s.Namespace).Update(ctx, s, metav1.UpdateOptions{})
	}

	return err
}

// composition is the name of the one that servers choose.
func (f *fleet) composition() string { return "fleet-" + f.Compose }

func (f *fleet) server(n int) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": dittoServers.GroupVersion().String(), "kind": "DittoServer",
		"metadata": map[string]any{"namespace": namespaceOf(n), "name": serverName(n)},
		"spec": map[string]any{
			"crossplane": map[string]any{"compositionRef": map[string]any{"name": f.composition()}},
			"identity":   map[string]any{"jwt": map[string]any{"secretRef": map[string]any{"name": serverName(n)}}},
			"service":    map[string]any{"file": map[string]any{"type": "ClusterIP"}, "api": map[string]any{"type": "ClusterIP"}},
			"storage":    map[string]any{"metadataSize": "1Gi", "controlPlaneSize": "1Gi"},
		},
	}}
}

// create the servers: more as others become ready.
func (f *fleet) create(ctx context.Context, r *fleetcost.Result) error {
	before, err := f.sample(ctx)
	if err != nil {
		return err
	}

	created := 0

	err = f.until(ctx, func(items []unstructured.Unstructured) (bool, error) {
		ready := 0
		for _, u := range items {
			if isReady(u) {
				ready++
			}
		}

		r.Creation.Progress.Note(ready, f.Servers, time.Since(before.At))

		// One that was ready may not be for a while.
		more := max(0, min(f.Servers, ready+f.AtOnce)-created)
		err := each(more, func(n int) error {
			one := f.server(f.first + created + n)
			_, err := f.client.Resource(dittoServers).Namespace(one.GetNamespace()).Create(ctx, one, metav1.CreateOptions{})

			return err
		})
		created += more

		return ready == f.Servers, err
	})
	if err != nil {
		return err
	}

	after, err := f.sample(ctx)
	r.Creation.Cost = after.Since(before)

	return err
}

// until what is asked of all servers is so.
func (f *fleet) until(ctx context.Context, isSo func(items []unstructured.Unstructured) (bool, error)) error {
	return f.poll(ctx, func() (bool, error) {
		// The API server answers from its cache.
		list, err := f.client.Resource(dittoServers).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) {
			return false, nil // The API server is busy.
		}

		if err != nil {
			return false, err
		}

		return isSo(list.Items)
	})
}

// poll until something is so: less often where there are more servers, since it costs what is measured.
func (f *fleet) poll(ctx context.Context, isSo func() (bool, error)) error {
	interval := max(2*time.Second, time.Duration(f.Servers)*10*time.Millisecond)

	err := wait.PollUntilContextTimeout(ctx, interval, f.Within, true, func(context.Context) (bool, error) { return isSo() })
	if wait.Interrupted(err) {
		return fmt.Errorf("not after %s: %w", f.Within, err)
	}

	return err
}

func isReady(u unstructured.Unstructured) bool {
	return conditionOf(u, "Ready") == string(corev1.ConditionTrue) && conditionOf(u, "Synced") == string(corev1.ConditionTrue)
}

func conditionOf(u unstructured.Unstructured, kind string) string {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range all {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			status, _ := c["status"].(string)
			return status
		}
	}

	return ""
}

// rest watches what happens while nobody changes anything.
func (f *fleet) rest(ctx context.Context, r *fleetcost.Result) error {
	// By then, nothing is left to do of the creation.
	if err := sleep(ctx, min(f.Rest, 2*time.Minute)); err != nil {
		return err
	}

	versions, err := f.versions(ctx)
	if err != nil {
		return err
	}

	before, err := f.sample(ctx)
	if err != nil {
		return err
	}

	if err := sleep(ctx, f.Rest); err != nil {
		return err
	}

	after, err := f.sample(ctx)
	if err != nil {
		return err
	}

	now, err := f.versions(ctx)
	r.Rest = after.Since(before)

	for name, version := range now {
		if versions[name] != version {
			r.Changed++
		}
	}

	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// versions of all that belongs to the fleet.
func (f *fleet) versions(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}

	for _, kind := range slices.Concat([]schema.GroupVersionResource{dittoServers, objects}, composed) {
		list, err := f.client.Resource(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}

		for _, u := range list.Items {
			if strings.HasPrefix(u.GetNamespace(), "fleet-") && u.GetName() != "kube-root-ca.crt" {
				all[kind.Resource+" "+keyOf(u)] = u.GetResourceVersion()
			}
		}
	}

	return all, nil
}

// generations of the StatefulSets: another one restarts a server.
func (f *fleet) generations(ctx context.Context) (map[string]int64, error) {
	list, err := f.client.Resource(statefulSets).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}

	all := map[string]int64{}
	for _, u := range list.Items {
		all[keyOf(u)] = u.GetGeneration()
	}

	return all, nil
}

// revise makes another revision of the Composition, which changes nothing of what it composes.
func (f *fleet) revise(ctx context.Context, r *fleetcost.Result) error {
	list, err := f.client.Resource(dittoServers).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}

	was := map[string]string{}
	for _, u := range list.Items {
		was[keyOf(u)] = revisionOf(u)
	}

	return f.change(ctx, &r.Revision, 0, func(ctx context.Context) error {
		return f.editComposition(ctx, f.composition(), func(step map[string]any) error {
			step["step"] = fmt.Sprintf("%v-%d", step["step"], time.Now().Unix())
			return nil
		})
	}, func(u unstructured.Unstructured, _ int64) bool { return revisionOf(u) != was[keyOf(u)] })
}

func keyOf(u unstructured.Unstructured) string { return u.GetNamespace() + "/" + u.GetName() }

func revisionOf(u unstructured.Unstructured) string {
	revision, _, _ := unstructured.NestedString(u.Object, "spec", "crossplane", "compositionRevisionRef", "name")
	return revision
}

// rotate the Secrets of some servers, which restart.
func (f *fleet) rotate(ctx context.Context, r *fleetcost.Result) error {
	if f.isPeer() {
		return nil // It reads none.
	}

	some := min(100, f.Servers)

	return f.change(ctx, &r.Rotation, some, func(ctx context.Context) error {
		return each(some, func(n int) error { return f.secret(ctx, n, "another") })
	}, func(u unstructured.Unstructured, restarts int64) bool {
		n, err := strconv.Atoi(strings.TrimPrefix(u.GetName(), "server-"))
		return err == nil && (restarts > 0) == (n < some)
	})
}

// Secrets of others, which are as large as those that releases of Helm are kept in.
const (
	secretsOfOthers   = 1000
	sizeOfThem        = 32 << 10
	namespaceOfOthers = "fleet-others"
)

// addSecrets that no server names: who watches the kind has them in memory.
func (f *fleet) addSecrets(ctx context.Context, r *fleetcost.Result) (err error) {
	if f.isPeer() {
		return nil // It requires none, so that Crossplane watches none.
	}

	_, err = f.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOfOthers}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}

	all := f.kube.CoreV1().Secrets(namespaceOfOthers)
	defer func() {
		err = errors.Join(err, all.DeleteCollection(context.WithoutCancel(ctx), metav1.DeleteOptions{}, metav1.ListOptions{}))
	}()

	before, err := f.sample(ctx)
	if err != nil {
		return err
	}

	if err := each(secretsOfOthers, func(n int) error {
		_, err := all.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "other-" + strconv.Itoa(n)}, Data: map[string][]byte{"example": bytes.Repeat([]byte{'x'}, sizeOfThem)},
		}, metav1.CreateOptions{})

		return err
	}); err != nil {
		return err
	}

	if err := sleep(ctx, settled); err != nil {
		return err
	}

	after, err := f.sample(ctx)
	r.OthersMemory = after.Processes["crossplane-core"].Memory - before.Processes["crossplane-core"].Memory

	return err
}

// settled is how long what follows from a change may take.
const settled = 15 * time.Second

// change something, and measure what it takes until isDone is so of every server, and all are ready. restarts are
// how many servers may restart.
func (f *fleet) change(ctx context.Context, c *fleetcost.Change, restarts int, do func(ctx context.Context) error, isDone func(u unstructured.Unstructured, restarts int64) bool) error {
	was, err := f.generations(ctx)
	if err != nil {
		return err
	}

	before, err := f.sample(ctx)
	if err != nil {
		return err
	}

	if err := do(ctx); err != nil {
		return err
	}

	var now map[string]int64

	if err := f.until(ctx, func(items []unstructured.Unstructured) (bool, error) {
		now, err = f.generations(ctx)

		done := 0
		for _, u := range items {
			if isReady(u) && isDone(u, now[keyOf(u)]-was[keyOf(u)]) {
				done++
			}
		}

		c.Progress.Note(done, f.Servers, time.Since(before.At))

		return done == f.Servers, err
	}); err != nil {
		return err
	}

	// Reconciles that made the last ones ready may go on.
	if err := sleep(ctx, settled); err != nil {
		return err
	}

	after, err := f.sample(ctx)
	c.Cost = after.Since(before)

	for key, generation := range now {
		if generation != was[key] {
			c.Restarts++
		}
	}

	if c.Restarts > restarts {
		return fmt.Errorf("%d servers restart, where %d may", c.Restarts, restarts)
	}

	return err
}

// remove the fleet.
func (f *fleet) remove(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "%s: Deleting the servers\n", f.Compose)

	err := each(f.Servers, func(n int) error {
		one := f.server(f.first + n)

		err := f.client.Resource(dittoServers).Namespace(one.GetNamespace()).Delete(ctx, one.GetName(), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}

		return err
	})
	if err != nil {
		return err
	}

	if err := f.until(ctx, func(items []unstructured.Unstructured) (bool, error) { return len(items) == 0, nil }); err != nil {
		return err
	}

	// Claims stay, and would be taken up by the next fleet.
	for _, n := range slices.Sorted(maps.Keys(f.namespaces())) {
		err = errors.Join(err,
			f.kube.CoreV1().PersistentVolumeClaims(n).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	}

	return errors.Join(err, each(f.Servers, func(n int) error {
		var errs []error

		for _, claim := range claimsOf(f.first + n) {
			if err := f.kube.CoreV1().PersistentVolumes().Delete(ctx, claim, metav1.DeleteOptions{}); !apierrors.IsNotFound(err) {
				errs = append(errs, err)
			}
		}

		return errors.Join(errs...)
	}))
}

func (f *fleet) namespaces() map[string]bool {
	all := map[string]bool{}
	for n := range f.Servers {
		all[namespaceOf(f.first+n)] = true
	}

	return all
}
