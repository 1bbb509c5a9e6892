package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Natively composed resources meet the API server's own server-side apply.

// Field managers of live objects.
const (
	crossplaneManager = "apiextensions.crossplane.io/composed/5f2c0d9e"
	personsManager    = "kubectl-edit"
)

// serverSideApply returns what becomes of a live object, or of none, when Crossplane
// applies what is desired.
func (w *world) serverSideApply(desired, live *structpb.Struct) *structpb.Struct {
	applied := proto.CloneOf(desired)

	// As Crossplane does.
	protostruct.Set(applied, structpb.NewStringValue("files"), "metadata", "labels", "crossplane.io/composite")
	protostruct.Set(applied, structpb.NewStringValue("any"), "metadata", "annotations", "crossplane.io/composition-resource-name")
	protostruct.Set(applied, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(mustStruct(w.t, map[string]any{
		"apiVersion": "dittofs.io/v1alpha1", "kind": "DittoServer", "name": "files", "uid": "own", "controller": true, "blockOwnerDeletion": true,
	}))}}), "metadata", "ownerReferences")

	next, err := cluster.Apply(crossplaneManager, applied, live)
	if err != nil {
		w.failf("%v", err)
	}

	return next
}

func (w *world) set(u *unstructured.Unstructured, v any, path ...string) {
	if err := unstructured.SetNestedField(u.Object, v, path...); err != nil {
		w.failf("cannot set %v: %v", path, err)
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
			asked := protostruct.Get(w.xr, "spec", k) != nil
			if neverDesired[k] && !asked {
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
		if w.refused && !proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec")) {
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
		if err != nil || len(containers) != 1 || containers[0].(map[string]any)["name"] != v1alpha1.Container {
			w.failf("the pod has other containers: %v: %v", containers, err)
		}

		containers[0].(map[string]any)["image"] = image
		w.set(u, containers, "spec", "template", "spec", "containers")
	})
}

// updateStatefulSet as a person, who owns the change.
func (w *world) updateStatefulSet(change func(u *unstructured.Unstructured)) {
	next, err := cluster.Update(personsManager, w.live["statefulset"], change)
	if err != nil {
		w.failf("%v", err)
	}

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
			switch o := protostructtest.FromYAML(t, doc); protostruct.Get(o, "kind").GetStringValue() {
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
			protostruct.Set(w.xr, structpb.NewStringValue("own"), "metadata", "uid")

			for _, s := range secrets {
				w.secrets[protostruct.Get(s, "metadata", "name").GetStringValue()] = s
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
	w.edit(protostructtest.FromYAML(t, spec))
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

		if got := manifest.ContainerImage(w.live["statefulset"]); got != "marmos91c/dittofs:v0.30.0" {
			t.Errorf("%s: the newer server goes down to %s", rollout, got)
		}

		w.edit(protostructtest.FromYAML(t, `{version: 0.30.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`))

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
	w.input = protostructtest.FromYAML(t, "{compose: Native, policy: {images: [marmos91c/dittofs]}}")

	asked := manifest.ContainerImage(w.live["statefulset"])
	container := protostruct.Get(w.live["statefulset"], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	protostruct.Set(container, structpb.NewStringValue("mirror.example.org/"+asked), "image")

	hash := manifest.TemplateHash(w.live["statefulset"])
	sts := w.stable(t).GetDesired().GetResources()["statefulset"].GetResource()

	if got := manifest.ContainerImage(sts); got != asked {
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
