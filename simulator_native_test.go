package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/typed"
	"github.com/dittofs/function-dittoserver/internal/typed/typedtest"
)

// Natively composed resources meet the API server's own server-side apply.

// Field managers of live objects.
const (
	crossplaneManager = "apiextensions.crossplane.io/composed/5f2c0d9e"
	personsManager    = "kubectl-edit"
)

// typeConverter knows the schemas of the Kubernetes API.
var typeConverter = sync.OnceValue(func() managedfields.TypeConverter {
	return applyconfigurations.NewTypeConverter(scheme.Scheme)
})

// A singleVersion is an API without other versions or defaults.
type singleVersion struct{}

func (singleVersion) Convert(_, _, _ any) error { return nil }

func (singleVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (singleVersion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (singleVersion) Default(runtime.Object) {}

func (singleVersion) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)

	return u, nil
}

func (w *world) fieldManager(kind schema.GroupVersionKind) *managedfields.FieldManager {
	v := singleVersion{}

	m, err := managedfields.NewDefaultFieldManager(typeConverter(), v, v, v, kind, kind.GroupVersion(), "", nil)
	if err != nil {
		w.failf("cannot make a field manager: %v", err)
	}

	return m
}

// serverSideApply returns what becomes of a live object, or of none, when Crossplane
// applies what is desired.
func (w *world) serverSideApply(desired, live *structpb.Struct) *structpb.Struct {
	applied := w.unstructured(desired)

	// As Crossplane does.
	applied.SetLabels(merge(applied.GetLabels(), "crossplane.io/composite", "files"))
	applied.SetAnnotations(merge(applied.GetAnnotations(), "crossplane.io/composition-resource-name", "any"))
	w.set(applied, []any{map[string]any{
		"apiVersion": "dittofs.io/v1alpha1", "kind": "DittoServer", "name": "files", "uid": "own", "controller": true, "blockOwnerDeletion": true,
	}}, "metadata", "ownerReferences")

	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(applied.GroupVersionKind())

	if live != nil {
		before = w.unstructured(live)
	}

	after, err := w.fieldManager(applied.GroupVersionKind()).Apply(before, applied, crossplaneManager, true)
	if err != nil {
		w.failf("the API server refuses what Crossplane applies: %v", err)
	}

	return w.stored(after, live)
}

// stored is what the API server makes of an object before it stores it: with defaults,
// and another generation if its spec changed.
func (w *world) stored(o runtime.Object, live *structpb.Struct) *structpb.Struct {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		w.failf("the API server stores a %T", o)
	}

	// Times are no part of a history.
	fields := u.GetManagedFields()
	for i := range fields {
		fields[i].Time = nil
	}

	u.SetManagedFields(fields)

	b, err := u.MarshalJSON()
	if err != nil {
		w.failf("cannot encode: %v", err)
	}

	next := &structpb.Struct{}
	if err := next.UnmarshalJSON(b); err != nil {
		w.failf("cannot decode: %v", err)
	}

	w.setDefaults(next)

	generation := typed.Get(live, "metadata", "generation").GetNumberValue()
	if live == nil || !proto.Equal(typed.Get(next, "spec"), typed.Get(live, "spec")) {
		generation++
	}

	typed.Set(next, structpb.NewNumberValue(generation), "metadata", "generation")

	return next
}

func (w *world) unstructured(s *structpb.Struct) *unstructured.Unstructured {
	// Through JSON, where whole numbers are whole.
	b, err := json.Marshal(s.AsMap())
	if err != nil {
		w.failf("cannot encode: %v", err)
	}

	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(b); err != nil {
		w.failf("cannot decode: %v", err)
	}

	return u
}

func (w *world) set(u *unstructured.Unstructured, v any, path ...string) {
	if err := unstructured.SetNestedField(u.Object, v, path...); err != nil {
		w.failf("cannot set %v: %v", path, err)
	}
}

func merge(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}

	m[key] = value

	return m
}

// The API server's defaults, of the objects and of the items of their lists. No manager
// owns them, but of lists that are owned as a whole.
var (
	statefulSetDefaults = `{spec: {revisionHistoryLimit: 10, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain},
updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}},
template: {spec: {dnsPolicy: ClusterFirst, restartPolicy: Always, schedulerName: default-scheduler}}}}`
	serviceDefaults   = `{spec: {sessionAffinity: None, internalTrafficPolicy: Cluster, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}`
	containerDefaults = `{imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}`
	portDefaults      = `{protocol: TCP}`
	claimDefaults     = `{apiVersion: v1, kind: PersistentVolumeClaim, spec: {volumeMode: Filesystem}, status: {phase: Pending}}`
	configMapDefaults = `{configMap: {defaultMode: 420}}`
)

func (w *world) setDefaults(o *structpb.Struct) {
	items := func(s *structpb.Struct, path ...string) []*structpb.Value {
		return typed.Get(s, path...).GetListValue().GetValues()
	}

	switch typed.Get(o, "kind").GetStringValue() {
	case "StatefulSet":
		w.fill(o, statefulSetDefaults)

		for _, c := range items(o, "spec", "template", "spec", "containers") {
			w.fill(c.GetStructValue(), containerDefaults)

			for _, p := range items(c.GetStructValue(), "ports") {
				w.fill(p.GetStructValue(), portDefaults)
			}

			for _, e := range items(c.GetStructValue(), "env") {
				for ref, defaults := range map[string]string{"fieldRef": `{apiVersion: v1}`, "resourceFieldRef": `{divisor: "0"}`} {
					if from := typed.Get(e.GetStructValue(), "valueFrom", ref).GetStructValue(); from != nil {
						w.fill(from, defaults)
					}
				}
			}
		}

		for _, v := range items(o, "spec", "template", "spec", "volumes") {
			if typed.Get(v.GetStructValue(), "configMap") != nil {
				w.fill(v.GetStructValue(), configMapDefaults)
			}
		}

		for _, c := range items(o, "spec", "volumeClaimTemplates") {
			w.fill(c.GetStructValue(), claimDefaults)
		}
	case "Service":
		w.fill(o, serviceDefaults)

		for _, p := range items(o, "spec", "ports") {
			w.fill(p.GetStructValue(), portDefaults)
		}
	}
}

// fill in what an object lacks.
func (w *world) fill(o *structpb.Struct, defaults string) {
	fillFrom(o, typedtest.FromYAML(w.t, defaults))
}

func fillFrom(o, defaults *structpb.Struct) {
	for k, v := range defaults.GetFields() {
		switch has := o.GetFields()[k]; {
		case has == nil:
			typed.Set(o, proto.CloneOf(v), k)
		case v.GetStructValue() != nil:
			fillFrom(has.GetStructValue(), v.GetStructValue())
		}
	}
}

// neverDesired are fields that only the API server sets.
var neverDesired = map[string]bool{
	"revisionHistoryLimit": true, "rollingUpdate": true, "dnsPolicy": true, "restartPolicy": true, "schedulerName": true,
	"sessionAffinity": true, "internalTrafficPolicy": true, "clusterIPs": true,
	"imagePullPolicy": true, "terminationMessagePath": true, "terminationMessagePolicy": true,
	"volumeMode": true, "status": true, "defaultMode": true, "managedFields": true, "ownerReferences": true,
}

// checkDefaults checks that nothing is desired which only the API server set: with
// server-side apply it would be owned from then on. What somebody else wrote into a pod
// template is the exception: it is kept whole while nothing may move.
func (w *world) checkDefaults(desired *structpb.Struct) {
	if w.meddled {
		return
	}

	var look func(v *structpb.Value, path string)

	look = func(v *structpb.Value, path string) {
		for k, field := range v.GetStructValue().GetFields() {
			if neverDesired[k] {
				w.failf("the API server's %s.%s is desired", path, k)
			}

			look(field, path+"."+k)
		}

		for _, item := range v.GetListValue().GetValues() {
			look(item, path+"[]")
		}
	}

	look(structpb.NewStructValue(desired), "")
}

// applyNative is what Crossplane does with a desired resource that it composes itself.
func (w *world) applyNative(name string, desired *structpb.Struct) {
	if w.leaving[name] != nil {
		if name == "statefulset" {
			w.failf("%s is composed while its predecessor is being deleted", name)
		}

		w.provide(name)
	}

	live := w.live[name]
	next := w.serverSideApply(desired, live)

	if name == "statefulset" {
		if w.refused && !proto.Equal(typed.Get(next, "spec"), typed.Get(live, "spec")) {
			w.didf("apply %s: refused", name)
			w.failure = "cannot apply composed resource \"statefulset\": the API server refuses it"

			return
		}

		w.checkImmutable(next, live)
		w.checkStart(next, live)
	}

	w.live[name], w.objects[name] = next, next
}

// meddle is what people do to a live StatefulSet now and then: give it another image, or
// restart it with an annotation.
func (w *world) meddle() {
	live := w.live["statefulset"]
	if !w.flavour.native || live == nil || w.leaving["statefulset"] != nil {
		return
	}

	if w.rand.IntN(2) == 0 {
		w.didf("a person restarts the StatefulSet")
		w.updateStatefulSet(func(u *unstructured.Unstructured) {
			w.set(u, "2026-01-01T00:00:00Z", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")
		})
	} else {
		w.didf("a person sets the StatefulSet's image")
		w.setImage("registry.example.org/dittofs:v0.29.0")
	}
}

// setImage of the live StatefulSet, as kubectl set image does.
func (w *world) setImage(image string) {
	w.updateStatefulSet(func(u *unstructured.Unstructured) {
		containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		if err != nil || len(containers) != 1 || containers[0].(map[string]any)["name"] != manifest.Container {
			w.failf("the pod has other containers: %v: %v", containers, err)
		}

		containers[0].(map[string]any)["image"] = image
		w.set(u, containers, "spec", "template", "spec", "containers")
	})
}

// updateStatefulSet as a person, who owns the change.
func (w *world) updateStatefulSet(change func(u *unstructured.Unstructured)) {
	live := w.live["statefulset"]
	before, after := w.unstructured(live), w.unstructured(live)
	change(after)

	o, err := w.fieldManager(after.GroupVersionKind()).Update(before, after, personsManager)
	if err != nil {
		w.failf("the API server refuses what a person does: %v", err)
	}

	next := w.stored(o, live)
	w.live["statefulset"], w.objects["statefulset"] = next, next
	w.meddled = true
	w.changes++
}

// TestNativeExamples holds each example natively: of what the API server stored, exactly
// what was asked for is asked for again.
func TestNativeExamples(t *testing.T) {
	files, err := filepath.Glob("example/*.yaml")
	if err != nil {
		t.Fatal(err)
	}

	var secrets []*structpb.Struct

	examples := map[string]*structpb.Struct{}

	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		for doc := range strings.SplitSeq(string(b), "\n---\n") {
			switch o := typedtest.FromYAML(t, doc); typed.Get(o, "kind").GetStringValue() {
			case "Secret":
				secrets = append(secrets, o)
			case "DittoServer":
				examples[filepath.Base(file)] = o
			}
		}
	}

	if len(examples) < 5 || len(secrets) < 2 {
		t.Fatalf("there are %d examples and %d Secrets", len(examples), len(secrets))
	}

	for name, xr := range examples {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, flavours[2])
			w.xr = xr
			typed.Set(w.xr, structpb.NewStringValue("own"), "metadata", "uid")

			for _, s := range secrets {
				w.secrets[typed.Get(s, "metadata", "name").GetStringValue()] = s
			}

			before := w.stable(t).GetDesired().GetResources()
			w.covers[manifest.ConfigHash(before["statefulset"].GetResource())] = configOf(before["configmap"].GetResource())

			for _, name := range slices.Sorted(maps.Keys(before)) {
				w.applyNative(name, before[name].GetResource())
			}

			w.secrets = nil
			rsp := w.stable(t)

			if got := condition(rsp, "ConfigRolledOut"); !strings.HasPrefix(got, "FALSE/SecretsNotResolved") {
				t.Errorf("without Secrets: want a hold, got: %s", got)
			}

			for name, r := range rsp.GetDesired().GetResources() {
				if diff := cmp.Diff(before[name].GetResource(), r.GetResource(), protocmp.Transform()); diff != "" {
					t.Errorf("%s: -asked, +asked again:\n%s", name, diff)
				}
			}
		})
	}
}

// newNative returns a world with a native DittoServer at rest, and its Secrets.
func newNative(t *testing.T, spec string) *world {
	t.Helper()

	w := newWorld(t, 1, flavours[2])
	w.setSecret("jwt", secretValues["jwt"][0])
	w.create(w.flavour.xr)
	w.edit(typedtest.FromYAML(t, spec))
	w.settle()

	return w
}

// A server that somebody upgraded by hand must not go down again to the version of the
// spec without a person.
func TestNativeUpgradeByHand(t *testing.T) {
	for _, rollout := range []string{"Automatic", "Manual"} {
		w := newNative(t, `{version: 0.29.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`)
		w.setImage("marmos91c/dittofs:v0.30.0")

		if got := condition(w.settle(), "ConfigRolledOut"); !strings.HasPrefix(got, "FALSE/ApprovalRequired") {
			t.Errorf("%s: want a hold, got: %s", rollout, got)
		}

		if got := manifest.RunningImage(w.live["statefulset"]); got != "marmos91c/dittofs:v0.30.0" {
			t.Errorf("%s: the newer server goes down to %s", rollout, got)
		}

		w.edit(typedtest.FromYAML(t, `{version: 0.30.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`))

		if rollout == "Manual" {
			w.settle()
			_, value, _ := strings.Cut(messageOf(w.xr, "ConfigRolledOut"), "dittofs.io/approve=")
			w.annotate("dittofs.io/approve", value)
		}

		if got := condition(w.settle(), "ConfigRolledOut"); !strings.HasPrefix(got, "TRUE/") {
			t.Errorf("%s: want no hold once the spec follows, got: %s", rollout, got)
		}
	}
}

// A webhook that has images come from a mirror changes what Crossplane owns. The image
// that was asked for stays the one that is asked for: nothing restarts, and the platform's
// policy is about that one.
func TestNativeImageOfWebhook(t *testing.T) {
	w := newNative(t, `{identity: {jwt: {secretRef: {name: jwt}}}}`)
	w.input = typedtest.FromYAML(t, "{compose: Native, policy: {images: [marmos91c/dittofs]}}")

	asked := manifest.RunningImage(w.live["statefulset"])
	container := typed.Get(w.live["statefulset"], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	typed.Set(container, structpb.NewStringValue("mirror.example.org/"+asked), "image")

	hash := manifest.TemplateHash(w.live["statefulset"])
	sts := w.stable(t).GetDesired().GetResources()["statefulset"].GetResource()

	if got := manifest.RunningImage(sts); got != asked {
		t.Errorf("want the image %s again, got: %s", asked, got)
	}

	if got := manifest.TemplateHash(sts); got != hash {
		t.Errorf("want the pod template %s again, got: %s", hash, got)
	}
}

// stable is the response once the requirements are.
func (w *world) stable(t *testing.T) *fnv1.RunFunctionResponse {
	t.Helper()

	rsp := &fnv1.RunFunctionResponse{}

	for range 3 {
		var err error
		if rsp, err = w.fn.RunFunction(t.Context(), w.request(rsp.GetRequirements().GetResources())); err != nil {
			t.Fatal(err)
		}
	}

	return rsp
}
