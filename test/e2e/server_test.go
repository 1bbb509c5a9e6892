package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// user is the field manager of what a test applies as a user.
const user = client.FieldOwner("e2e")

// Passwords and keys of the servers under test. They guard nothing.
const (
	jwtKey        = "example-example-example-example-example"
	adminPassword = "example-password"
)

// A server under test: a DittoServer in a namespace of its own.
type server struct {
	name, namespace string
}

// newServer creates a namespace, the Secrets jwt and admin in it, and a DittoServer
// with them and the given spec (YAML). It does not wait.
func newServer(t *testing.T, spec string) *server {
	t.Helper()

	s := newNamespace(t)
	s.apply(t, spec)

	return s
}

// newNamespace creates what newServer does but the DittoServer.
func newNamespace(t *testing.T) *server {
	t.Helper()

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	if err := cluster.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}

	s := &server{name: "files", namespace: ns.Name}

	t.Logf("namespace %s", s.namespace)
	t.Cleanup(func() { s.cleanup(t) })

	s.applySecret(t, "jwt", map[string]string{"jwt-secret": jwtKey})
	s.applySecret(t, "admin", map[string]string{"password": adminPassword})

	return s
}

// cleanup removes the DittoServer with all that it owns, and then the namespace: Objects
// cannot go in one that goes. After a failure everything stays, to be looked at.
func (s *server) cleanup(t *testing.T) {
	t.Helper()

	if t.Failed() {
		t.Logf("left as it is: namespace %s", s.namespace)

		return
	}

	s.checkOwnership(t)

	if s.remove(t, patience) {
		_ = cluster.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})
	}
}

// remove deletes the DittoServer, and reports whether it is gone in time with all that it
// owns.
func (s *server) remove(t *testing.T, within time.Duration) bool {
	t.Helper()

	ctx := context.Background()

	err := cluster.Delete(ctx, s.object(), client.PropagationPolicy(metav1.DeletePropagationForeground))
	for deadline := time.Now().Add(within); !apierrors.IsNotFound(err); err = cluster.Get(ctx, s.key(s.name), s.object()) {
		if time.Now().After(deadline) {
			t.Errorf("the DittoServer %s in namespace %s is not deleted: %v", s.name, s.namespace, err)

			return false
		}

		time.Sleep(200 * time.Millisecond)
	}

	return true
}

func (s *server) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: s.namespace, Name: name}
}

// object is an empty DittoServer with this server's name.
func (s *server) object() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(v1alpha1.Group + "/" + v1alpha1.Version)
	u.SetKind("DittoServer")
	u.SetNamespace(s.namespace)
	u.SetName(s.name)

	return u
}

// apply applies the DittoServer with this spec (YAML) as a user does: a field that this
// spec lacks is removed. It adds identity and the Composition if the spec has none.
func (s *server) apply(t *testing.T, spec string) {
	t.Helper()

	if err := s.tryApply(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
}

// tryApply returns what the API server says of the spec.
func (s *server) tryApply(ctx context.Context, spec string, opts ...client.ApplyOption) error {
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		return err
	}

	if _, ok := fields["identity"]; !ok {
		fields["identity"] = map[string]any{
			"jwt":   map[string]any{"secretRef": map[string]any{"name": "jwt"}},
			"admin": map[string]any{"passwordSecretRef": map[string]any{"name": "admin"}},
		}
	}

	// Crossplane takes any Composition of the kind else, and a test may have made another.
	if _, ok := fields["crossplane"]; !ok {
		fields["crossplane"] = map[string]any{"compositionRef": map[string]any{"name": oftenCalled}}
	}

	u := s.object()
	u.Object["spec"] = tested.spec(fields)

	return cluster.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), append(opts, user, client.ForceOwnership)...)
}

// patch patches the DittoServer with a JSON merge patch (YAML).
func (s *server) patch(t *testing.T, patch string) {
	t.Helper()

	encoded, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}

	if err := cluster.Patch(t.Context(), s.object(), client.RawPatch(types.MergePatchType, encoded)); err != nil {
		t.Fatal(err)
	}
}

// applySecret replaces the values of a Secret.
func (s *server) applySecret(t *testing.T, name string, values map[string]string) {
	t.Helper()

	// Values may be binary.
	data := map[string][]byte{}
	for k, v := range values {
		data[k] = []byte(v)
	}

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: data}

	err := cluster.Create(t.Context(), secret)
	if apierrors.IsAlreadyExists(err) {
		live := &corev1.Secret{}
		if err := cluster.Get(t.Context(), s.key(name), live); err != nil {
			t.Fatal(err)
		}

		live.Data = data
		err = cluster.Update(t.Context(), live)
	}

	if err != nil {
		t.Fatal(err)
	}
}

// dittoServer as the cluster has it: its conditions are Crossplane's to store.
type dittoServer struct {
	v1alpha1.DittoServer

	Conditions []metav1.Condition
}

// get returns the DittoServer as it is.
func (s *server) get(ctx context.Context) (*dittoServer, error) {
	u := s.object()
	if err := cluster.Get(ctx, s.key(s.name), u); err != nil {
		return nil, err
	}

	xr := &dittoServer{}

	var err error

	xr.Conditions, err = conditionsOf(u)

	return xr, errors.Join(err, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &xr.DittoServer))
}

// conditionsOf returns the conditions of an object.
func conditionsOf(u *unstructured.Unstructured) ([]metav1.Condition, error) {
	var object struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}

	err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &object)

	return object.Status.Conditions, err
}

// condition returns a condition of the DittoServer as users read it: "Ready=True", or
// "ConfigRolledOut=False/ApprovalRequired" with its reason.
func (s *server) condition(want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		kind, state, _ := strings.Cut(want, "=")

		c := meta.FindStatusCondition(xr.Conditions, kind)
		if c == nil {
			return fmt.Errorf("no condition %s", kind)
		}

		if got := string(c.Status); state == got || state == got+"/"+c.Reason {
			return nil
		}

		return fmt.Errorf("%s=%s/%s: %s", kind, c.Status, c.Reason, c.Message)
	}
}

// message returns the message of a condition, empty if there is none.
func (s *server) message(t *testing.T, kind string) string {
	t.Helper()

	xr, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if c := meta.FindStatusCondition(xr.Conditions, kind); c != nil {
		return c.Message
	}

	return ""
}

// waitRunning waits until the DittoServer is Ready and its pod runs with the digest in
// the status. It returns the pod.
func (s *server) waitRunning(t *testing.T) *corev1.Pod {
	t.Helper()

	needsNode(t)

	pod := &corev1.Pod{}

	eventually(t, s.name+" is running", func(ctx context.Context) error {
		if err := s.condition("Ready=True")(ctx); err != nil {
			return err
		}

		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		if xr.Status.Phase != "Running" {
			return fmt.Errorf("phase %s", xr.Status.Phase)
		}

		if err := cluster.Get(ctx, s.key(s.name+"-0"), pod); err != nil {
			return err
		}

		if pod.DeletionTimestamp != nil {
			return errors.New("the pod is going")
		}

		if hash := pod.Annotations[v1alpha1.AnnotationConfigHash]; hash != xr.Status.ConfigHash {
			return fmt.Errorf("the pod has digest %s, the status %s", hash, xr.Status.ConfigHash)
		}

		return podReady(pod)
	})

	return pod
}

func podReady(pod *corev1.Pod) error {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}

	for _, c := range pod.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			return fmt.Errorf("the pod is %s: %s: %s", pod.Status.Phase, w.Reason, w.Message)
		}
	}

	return fmt.Errorf("the pod is %s", pod.Status.Phase)
}

// pod returns the pod of the server as it is, nil if there is none.
func (s *server) pod(t *testing.T) *corev1.Pod {
	t.Helper()

	pod, err := s.findPod(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return pod
}

func (s *server) findPod(ctx context.Context) (*corev1.Pod, error) {
	pod := &corev1.Pod{}

	err := cluster.Get(ctx, s.key(s.name+"-0"), pod)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // No pod is no error.
	}

	return pod, err
}

// samePod returns no error as long as the same pod runs, with the same containers.
func (s *server) samePod(pod *corev1.Pod) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		now := &corev1.Pod{}
		if err := cluster.Get(ctx, s.key(pod.Name), now); err != nil {
			return err
		}

		if now.UID != pod.UID || now.DeletionTimestamp != nil {
			return errors.New("the pod was replaced")
		}

		return restarts(now, pod)
	}
}

func restarts(now, before *corev1.Pod) error {
	for i, c := range now.Status.ContainerStatuses {
		if c.RestartCount != before.Status.ContainerStatuses[i].RestartCount {
			return errors.New("the container restarted")
		}
	}

	return nil
}

// statefulSet returns the StatefulSet of the server.
func (s *server) statefulSet(t *testing.T) *appsv1.StatefulSet {
	t.Helper()

	set := &appsv1.StatefulSet{}
	if err := cluster.Get(t.Context(), s.key(s.name), set); err != nil {
		t.Fatal(err)
	}

	return set
}

// configYAML returns the config.yaml that the server's ConfigMap holds.
func (s *server) configYAML(ctx context.Context) (string, error) {
	cm := &corev1.ConfigMap{}
	if err := cluster.Get(ctx, s.key(s.name+"-config"), cm); err != nil {
		return "", err
	}

	return cm.Data["config.yaml"], nil
}

// log returns the log of the server's container so far.
func (s *server) log(t *testing.T) string {
	t.Helper()

	stream, err := cluster.Clientset.CoreV1().Pods(s.namespace).GetLogs(s.name+"-0", &corev1.PodLogOptions{}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()

	content, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}
