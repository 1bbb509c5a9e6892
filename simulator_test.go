package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// A flavour is a way in and a way out: how users ask for a server, and how it is
// composed.
type flavour struct {
	name string

	// xr is the composite resource but its spec, and machinery the field of the spec
	// that Crossplane writes into.
	xr        string
	machinery string

	// input of the function.
	input string

	// native flavours compose without a provider.
	native bool
}

// Ways in.
const (
	namespacedXR = `{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, metadata: {name: files, namespace: storage, uid: own}}`

	claimedXR = `{apiVersion: dittofs.io/v1alpha1, kind: XDittoServer, metadata: {name: files-x7k2p, uid: own},
spec: {claimRef: {apiVersion: dittofs.io/v1alpha1, kind: DittoServer, namespace: storage, name: files}}}`
)

var namespacedObjects = flavour{name: "namespaced", xr: namespacedXR, machinery: "crossplane"}

// flavours are all that there are.
var flavours = []flavour{
	namespacedObjects,
	{name: "claimed", xr: claimedXR, machinery: "compositionRevisionRef"},
	{name: "native", xr: namespacedXR, machinery: "crossplane", input: "{compose: Native}", native: true},
	{name: "claimed-native", xr: claimedXR, machinery: "compositionRevisionRef", input: "{compose: Native}", native: true},
}

// A world is a control plane around one DittoServer: what the user wrote, what
// Crossplane and provider-kubernetes made of it, and the pod that runs. It does
// what they were seen doing, in any order and by halves.
type world struct {
	t       testing.TB
	fn      *Function
	rand    *rand.Rand
	flavour flavour

	// xr is the composite resource as it is stored.
	xr    *structpb.Struct
	input *structpb.Struct

	// secrets by name.
	secrets map[string]*structpb.Struct

	// objects are the composed resources by their name: Objects, or what is live.
	objects map[string]*structpb.Struct

	// leaving are composed resources that are being deleted, and that Crossplane has
	// forgotten.
	leaving map[string]*structpb.Struct

	// live Kubernetes objects by the name of their composed resource.
	live map[string]*structpb.Struct

	// refused is set while the API server refuses every StatefulSet.
	refused bool

	// failure is what Crossplane could not apply when it last tried.
	failure string

	// meddled is set while the pod template has what somebody else wrote into it.
	meddled bool

	// changes counts what users did; matched is the count when the pod template last
	// was what the function answered.
	changes, matched int

	// covers is the config.yaml that each digest covers.
	covers map[string]string

	// history tells what happened, for a failure.
	history []string

	calls int
}

func newWorld(tb testing.TB, seed uint64, f flavour) *world {
	tb.Helper()

	w := &world{
		t:       tb,
		flavour: f,
		fn:      newFunction(),
		rand:    rand.New(rand.NewPCG(seed, seed)),
		secrets: map[string]*structpb.Struct{},
		objects: map[string]*structpb.Struct{},
		leaving: map[string]*structpb.Struct{},
		live:    map[string]*structpb.Struct{},
		covers:  map[string]string{},
		matched: -1,
	}

	if f.input != "" {
		w.input = protostructtest.FromYAML(tb, f.input)
	}

	return w
}

// asked returns what a composed resource asks for.
func asked(composed *structpb.Struct) *structpb.Struct {
	if protostruct.Get(composed, "kind").GetStringValue() != "Object" {
		return composed
	}

	return protostruct.Get(composed, "spec", "forProvider", "manifest").GetStructValue()
}

func newFunction() *Function {
	return &Function{log: logging.NewNopLogger(), metrics: metrics.New(prometheus.NewRegistry()), ttl: 60e9}
}

func (w *world) didf(format string, a ...any) {
	w.history = append(w.history, fmt.Sprintf(format, a...))
}

func (w *world) failf(format string, a ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nhistory:\n  %s", fmt.Sprintf(format, a...), strings.Join(w.history, "\n  "))
}

// create the DittoServer.
func (w *world) create(xr string) {
	w.xr = protostructtest.FromYAML(w.t, xr)
	protostruct.Set(w.xr, structpb.NewNumberValue(1), "metadata", "generation")
	w.changes++
}

// edit the user's spec, as kubectl apply would: Crossplane's own fields stay.
func (w *world) edit(spec *structpb.Struct) {
	spec = proto.CloneOf(spec)
	for _, f := range []string{"claimRef", w.flavour.machinery} {
		protostruct.Set(spec, protostruct.Get(w.xr, "spec", f), f)
	}

	protostruct.Set(w.xr, structpb.NewStructValue(spec), "spec")
	w.bump()
	w.changes++
}

func (w *world) bump() {
	g := protostruct.Get(w.xr, "metadata", "generation").GetNumberValue()
	protostruct.Set(w.xr, structpb.NewNumberValue(g+1), "metadata", "generation")
}

func (w *world) setSecret(name string, data map[string]string) {
	fields := map[string]any{}
	for k, v := range data {
		fields[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}

	w.secrets[name] = mustStruct(w.t, map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": name, "namespace": "storage", "resourceVersion": strconv.Itoa(w.rand.Int())},
		"data":     fields,
	})
	w.changes++
}

// request is what Crossplane sends, with the Secrets that were required before.
func (w *world) request(required map[string]*fnv1.ResourceSelector) *fnv1.RunFunctionRequest {
	req := &fnv1.RunFunctionRequest{
		Meta:     &fnv1.RequestMeta{Tag: "tag"},
		Input:    w.input,
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: w.xr}, Resources: map[string]*fnv1.Resource{}},
	}

	for name, o := range w.objects {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: o}
	}

	for name, sel := range required {
		if req.RequiredResources == nil {
			req.RequiredResources = map[string]*fnv1.Resources{}
		}

		rs := &fnv1.Resources{}
		if s, ok := w.secrets[sel.GetMatchName()]; ok && sel.GetKind() == "Secret" && sel.GetNamespace() == "storage" {
			rs.Items = append(rs.Items, &fnv1.Resource{Resource: s})
		}

		if s := w.live["statefulset"]; s != nil && sel.GetKind() == "StatefulSet" && sel.GetMatchName() == "files" && sel.GetNamespace() == "storage" {
			rs.Items = append(rs.Items, &fnv1.Resource{Resource: s})
		}

		if sel.GetKind() == "Object" {
			for _, objects := range []map[string]*structpb.Struct{w.objects, w.leaving} {
				for _, name := range slices.Sorted(maps.Keys(objects)) {
					if hasLabels(objects[name], sel.GetMatchLabels().GetLabels()) {
						rs.Items = append(rs.Items, &fnv1.Resource{Resource: objects[name]})
					}
				}
			}
		}

		req.RequiredResources[name] = rs
	}

	return req
}

func hasLabels(o *structpb.Struct, labels map[string]string) bool {
	for k, v := range labels {
		if protostruct.Get(o, "metadata", "labels", k).GetStringValue() != v {
			return false
		}
	}

	return len(labels) > 0
}

// call the function until its requirements are stable, and check every response.
func (w *world) call() *fnv1.RunFunctionResponse {
	var required map[string]*fnv1.ResourceSelector

	for range 6 {
		req := w.request(required)

		rsp := w.overWire(req)

		w.calls++
		w.check(req, rsp)

		next := rsp.GetRequirements().GetResources()
		if cmp.Equal(required, next, protocmp.Transform()) {
			return rsp
		}

		required = next
	}

	w.failf("the requirements are never stable")

	return nil
}

// overWire has the function answer to a request as Crossplane encodes it, and returns
// what Crossplane decodes.
func (w *world) overWire(req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	in, out := &fnv1.RunFunctionRequest{}, &fnv1.RunFunctionResponse{}
	if err := codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(encoded(req))}, in); err != nil {
		w.failf("codec().Unmarshal(...): %v", err)
	}

	rsp, err := w.fn.RunFunction(w.t.Context(), in)
	if err != nil {
		w.failf("RunFunction(...): %v", err)
	}

	b, err := codec().Marshal(rsp)
	if err != nil {
		w.failf("codec().Marshal(...): %v", err)
	}

	if err := proto.Unmarshal(b.Materialize(), out); err != nil {
		w.failf("cannot decode the response: %v", err)
	}

	return out
}

// check what must hold of every response, since each may be the final one.
func (w *world) check(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	w.checkConditions(rsp)
	w.checkSecretBytes(rsp)
	w.checkDeterminism(req, rsp)

	for _, r := range rsp.GetResults() {
		if r.GetReason() == report.ReasonPanic {
			w.failf("the function panicked")
		}
	}

	if report.IsFatal(rsp) {
		if len(rsp.GetDesired().GetResources()) > 0 {
			w.failf("a fatal response has half of a desired state")
		}

		return
	}

	stopped := w.isStopped()

	for name := range req.GetObserved().GetResources() {
		if _, ok := rsp.GetDesired().GetResources()[name]; ok {
			continue
		}

		metricsOff := !protostruct.Get(w.xr, "spec", "metrics", "enabled").GetBoolValue()
		if (name == "service-metrics" && metricsOff) || (name == "statefulset" && stopped) {
			continue
		}

		w.failf("%s of a running server disappears", name)
	}

	w.checkTemplate(req, rsp)
	w.checkHold(rsp)
}

// checkHold checks that a server which may not move keeps all of what it runs, so
// that a pod which restarts by itself does not take half of a change.
func (w *world) checkHold(rsp *fnv1.RunFunctionResponse) {
	reason, _, _ := strings.Cut(strings.TrimPrefix(condition(rsp, "ConfigRolledOut"), "FALSE/"), ":")
	holds := []guard.Reason{guard.SecretsNotFetched, guard.SecretsNotResolved, guard.StorageMissing, guard.ApprovalRequired, guard.RolloutInProgress}

	sts := asked(rsp.GetDesired().GetResources()["statefulset"].GetResource())
	if sts == nil || !slices.Contains(holds, guard.Reason(reason)) {
		return
	}

	config := configOf(asked(rsp.GetDesired().GetResources()["configmap"].GetResource()))
	if protostruct.Get(sts, "spec", "template", "metadata", "annotations", "dittofs.io/config").GetStringValue() != config {
		w.failf("a server that may not move gets another configuration than its pod template covers")
	}
}

// checkTemplate checks that a pod template moves only for a reason, and only to a
// digest over all of its inputs, which are in place.
func (w *world) checkTemplate(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	before := asked(req.GetObserved().GetResources()["statefulset"].GetResource())
	after := asked(rsp.GetDesired().GetResources()["statefulset"].GetResource())

	if w.flavour.native {
		w.checkDefaults(after)

		if after != nil {
			after = w.serverSideApply(after, before)
		}
	}

	was, is := protostruct.Get(before, "spec", "template"), protostruct.Get(after, "spec", "template")
	if is == nil || proto.Equal(was, is) {
		return
	}

	if was != nil && w.changes == w.matched {
		w.failf("the pod template changes for nothing: %s", cmp.Diff(was, is, protocmp.Transform()))
	}

	digest := protostruct.Get(is.GetStructValue(), "metadata", "annotations", "dittofs.io/config-hash").GetStringValue()
	config := configOf(asked(rsp.GetDesired().GetResources()["configmap"].GetResource()))

	if want := w.digest(config); digest != want {
		w.failf("the digest is %s and should be %s", digest, want)
	}

	w.covers[digest] = config

	if was == nil {
		return
	}

	cm := req.GetObserved().GetResources()["configmap"].GetResource()
	live := cm
	if !w.flavour.native {
		live = protostruct.Get(cm, "status", "atProvider", "manifest").GetStructValue()
	}

	if configOf(asked(cm)) != config || configOf(live) != config {
		if digest != protostruct.Get(was.GetStructValue(), "metadata", "annotations", "dittofs.io/config-hash").GetStringValue() {
			w.failf("the pod template moves before the ConfigMap holds its configuration")
		}
	}
}

// digest is the rollout digest, computed from the world by the words of the
// design.
func (w *world) digest(config string) string {
	h := sha256.New()
	frame := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}

	frame([]byte(config))

	value := func(role, secret, key string, optional bool) {
		b, err := base64.StdEncoding.DecodeString(protostruct.Get(w.secrets[secret], "data", key).GetStringValue())
		if err != nil || (len(b) == 0 && !optional) {
			w.failf("a digest is computed without Secret %s, key %s", secret, key)
		}

		if len(b) > 0 {
			frame([]byte(role))
			frame([]byte(key))
			frame(b)
		}
	}

	spec := protostruct.Get(w.xr, "spec").GetStructValue()
	if name := protostruct.Get(spec, "identity", "admin", "passwordSecretRef", "name").GetStringValue(); name != "" {
		value("admin", name, "password", false)
	}

	value("jwt", protostruct.Get(spec, "identity", "jwt", "secretRef", "name").GetStringValue(), "jwt-secret", false)

	if name := protostruct.Get(spec, "database", "postgres", "secretRef", "name").GetStringValue(); name != "" {
		for _, key := range []string{"database", "host", "password", "port", "sslmode", "user"} {
			named := key
			if k := protostruct.Get(spec, "database", "postgres", "keys", key).GetStringValue(); k != "" {
				named = k
			}

			value("postgres", name, named, key == "port" || key == "sslmode")
		}
	}

	user := spec.AsMap()
	for _, f := range []string{"crossplane", "claimRef", "compositionRevisionRef", "replicas", "rollout"} {
		delete(user, f)
	}

	b, _ := json.Marshal(user)

	switch protostruct.Get(w.input, "configHash", "generation").GetStringValue() {
	case "None":
		b = nil
	case "Metadata":
		b = []byte(strconv.Itoa(int(protostruct.Get(w.xr, "metadata", "generation").GetNumberValue())))
	}

	frame(b)

	return hex.EncodeToString(h.Sum(nil))
}

func (w *world) checkConditions(rsp *fnv1.RunFunctionResponse) {
	got := map[string]int{}

	for _, c := range rsp.GetConditions() {
		got[c.GetType()]++

		if c.GetMessage() == "" || c.GetReason() == "" || c.GetTarget() != fnv1.Target_TARGET_COMPOSITE_AND_CLAIM {
			w.failf("condition %s has no message, no reason or the wrong target", c.GetType())
		}
	}

	want := map[string]int{"SpecValid": 1, "SecretsResolved": 1, "ConfigRolledOut": 1, "StorageUpToDate": 1, "Applied": 1, "Warnings": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		w.failf("conditions: -want, +got:\n%s", diff)
	}
}

// checkDeterminism checks, now and then, that the same request gets the same
// response, and stays the same; and that it makes no difference whether it came over the
// wire.
func (w *world) checkDeterminism(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	if w.calls%8 != 0 {
		return
	}

	before := encoded(req)

	if again, _ := w.fn.RunFunction(w.t.Context(), req); !bytes.Equal(encoded(again), encoded(rsp)) {
		w.failf("the same request gets another response: -first, +second:\n%s", cmp.Diff(rsp, again, protocmp.Transform()))
	}

	if !bytes.Equal(before, encoded(req)) {
		w.failf("the function changes its request")
	}
}

// checkSecretBytes looks for the Secrets' values in a response, plain, in base64
// and in hexadecimal.
func (w *world) checkSecretBytes(rsp *fnv1.RunFunctionResponse) {
	b := encoded(rsp)

	for name, s := range w.secrets {
		for key, v := range protostruct.Get(s, "data").GetStructValue().GetFields() {
			value, err := base64.StdEncoding.DecodeString(v.GetStringValue())
			if err != nil || len(value) < 8 {
				continue
			}

			for _, form := range [][]byte{value, []byte(v.GetStringValue()), []byte(hex.EncodeToString(value))} {
				if bytes.Contains(b, form) {
					w.failf("a response holds the value of Secret %s, key %s", name, key)
				}
			}
		}
	}
}

// reconcile is what Crossplane does. Of what it should apply it applies the first
// n, in random order, and then fails.
func (w *world) reconcile(n int) *fnv1.RunFunctionResponse {
	w.failure = ""
	rsp := w.call()

	if report.IsFatal(rsp) {
		w.didf("reconcile: %s", rsp.GetResults()[len(rsp.GetResults())-1].GetMessage())
		w.setConditions(rsp)

		return rsp
	}

	// Garbage collection comes first.
	for name := range w.objects {
		if _, ok := rsp.GetDesired().GetResources()[name]; !ok {
			w.didf("delete %s", name)
			protostruct.Set(w.objects[name], structpb.NewStringValue("2026-01-01T00:00:00Z"), "metadata", "deletionTimestamp")
			w.leaving[name] = w.objects[name]
			delete(w.objects, name)
		}
	}

	names := slices.Sorted(maps.Keys(rsp.GetDesired().GetResources()))
	w.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })

	if n < len(names) {
		names = names[:n]
	}

	w.didf("reconcile: apply %v: %s", names, conditionsOf(rsp))

	for _, name := range names {
		desired := proto.CloneOf(rsp.GetDesired().GetResources()[name].GetResource())

		if w.flavour.native {
			w.applyNative(name, desired)
			continue
		}

		o, ok := w.objects[name]
		if !ok {
			// The successor would have the same name. Of Services and the ConfigMap nothing
			// is immutable that differs.
			if w.leaving[name] != nil && name == "statefulset" {
				w.failf("%s is composed while its predecessor is being deleted", name)
			}

			o = desired
			protostruct.Set(o, structpb.NewStringValue("files-"+name), "metadata", "name")
			w.objects[name] = o
		}

		// A changed spec is a new generation.
		if !ok || !proto.Equal(protostruct.Get(o, "spec"), protostruct.Get(desired, "spec")) {
			protostruct.Set(o, structpb.NewNumberValue(protostruct.Get(o, "metadata", "generation").GetNumberValue()+1), "metadata", "generation")
		}

		protostruct.Set(o, protostruct.Get(desired, "spec"), "spec")
		if labels := protostruct.Get(desired, "metadata", "labels"); labels != nil {
			protostruct.Set(o, labels, "metadata", "labels")
		}
	}

	// The status is written once everything is applied.
	if len(names) == len(rsp.GetDesired().GetResources()) {
		if s := protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status"); s != nil {
			protostruct.Set(w.xr, proto.CloneOf(s), "status")
		}
		w.setConditions(rsp)
		w.matchedIfRolledOut(rsp)
		w.checkIdempotent(rsp)
	}

	return rsp
}

// checkIdempotent checks that a response which was applied gives the same response
// again: the same conditions and resources, byte for byte, and no result, which
// would be an event on every call. Two steps are only a first one: what is left
// out to be created anew comes back, and a refused template that was replaced may
// need another approval.
func (w *world) checkIdempotent(rsp *fnv1.RunFunctionResponse) {
	rollout := condition(rsp, "ConfigRolledOut")
	if strings.HasPrefix(rollout, "FALSE/Recreating") || strings.HasPrefix(rollout, "FALSE/RolloutInProgress") && strings.HasPrefix(condition(rsp, "Applied"), "FALSE/NotSynced") {
		return
	}

	// Of what Crossplane itself applied it knows more at once.
	if w.flavour.native {
		return
	}

	want := proto.CloneOf(rsp)
	want.Results = nil

	again := w.call()

	// The StatefulSet's Object is required only until Crossplane observes it.
	delete(want.GetRequirements().GetResources(), "running/statefulset")
	delete(again.GetRequirements().GetResources(), "running/statefulset")

	if !bytes.Equal(encoded(want), encoded(again)) {
		w.failf("the response fed back gives another response: -first, +second:\n%s", cmp.Diff(want, again, protocmp.Transform()))
	}
}

// matchedIfRolledOut notes that the pod template is what the user asks for.
func (w *world) matchedIfRolledOut(rsp *fnv1.RunFunctionResponse) {
	for _, c := range rsp.GetConditions() {
		if c.GetType() == "ConfigRolledOut" && c.GetStatus() == fnv1.Status_STATUS_CONDITION_TRUE && w.failure == "" {
			w.matched, w.meddled = w.changes, false
		}
	}
}

func (w *world) setConditions(rsp *fnv1.RunFunctionResponse) {
	var list []*structpb.Value

	for _, c := range rsp.GetConditions() {
		status := map[fnv1.Status]string{
			fnv1.Status_STATUS_CONDITION_TRUE:    "True",
			fnv1.Status_STATUS_CONDITION_FALSE:   "False",
			fnv1.Status_STATUS_CONDITION_UNKNOWN: "Unknown",
		}[c.GetStatus()]
		list = append(list, structpb.NewStructValue(mustStruct(w.t, map[string]any{
			"type": c.GetType(), "status": status, "reason": c.GetReason(), "message": c.GetMessage(),
		})))
	}

	if w.failure != "" {
		list = append(list, structpb.NewStructValue(mustStruct(w.t, map[string]any{
			"type": "Synced", "status": "False", "reason": "ReconcileError", "message": w.failure,
		})))
	}

	protostruct.Set(w.xr, structpb.NewListValue(&structpb.ListValue{Values: list}), "status", "conditions")
}

// provide is what provider-kubernetes does with one Object: observe the Kubernetes
// object, and apply what differs. It may die before it can tell.
func (w *world) provide(name string, dies ...bool) {
	if w.leaving[name] != nil {
		w.didf("%s: deleted", name)
		delete(w.leaving, name)
		delete(w.live, name)

		return
	}

	o, ok := w.objects[name]
	if !ok || w.flavour.native {
		return
	}

	asked := asked(o)
	live := w.live[name]

	if name == "statefulset" && w.refused && !appliedTo(asked, live) {
		w.didf("provide %s: refused", name)
		w.synced(o, false)

		// What is there is observed all the same.
		if live != nil {
			protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")
		}

		return
	}

	created := live == nil
	if created || !appliedTo(asked, live) {
		w.didf("provide %s: apply", name)
		live = w.apply(name, asked, live)
	} else {
		w.didf("provide %s: observe", name)
	}

	if len(dies) > 0 && dies[0] {
		w.didf("provide %s: dies", name)
		return
	}

	w.synced(o, true)

	// After a creation, the object is known at the next observation.
	if !created {
		protostruct.Set(o, structpb.NewStructValue(proto.CloneOf(live)), "status", "atProvider", "manifest")
	}
}

// provided are the names of the Objects that the provider works on.
func (w *world) provided() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(w.objects)), maps.Keys(w.leaving))
	slices.Sort(names)

	return slices.Compact(names)
}

func (w *world) synced(o *structpb.Struct, ok bool) {
	c := map[string]any{"type": "Synced", "status": "True", "reason": "ReconcileSuccess"}
	if !ok {
		c = map[string]any{"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "the API server refuses it"}
	}

	c["observedGeneration"] = protostruct.Get(o, "metadata", "generation").GetNumberValue()
	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(mustStruct(w.t, c))}}), "status", "conditions")
}

// apply is what the API server does with a manifest.
func (w *world) apply(name string, asked, live *structpb.Struct) *structpb.Struct {
	next := proto.CloneOf(asked)
	generation := protostruct.Get(live, "metadata", "generation").GetNumberValue() + 1
	protostruct.Set(next, structpb.NewNumberValue(generation), "metadata", "generation")
	protostruct.Set(next, protostruct.Get(live, "status"), "status")

	if name == "statefulset" {
		w.checkImmutable(asked, live)
		// A default, which the function must not take over.
		protostruct.Set(next, structpb.NewNumberValue(10), "spec", "revisionHistoryLimit")
		w.checkStart(next, live)
	}

	w.live[name] = next

	return next
}

// checkImmutable checks that the API server takes a StatefulSet.
func (w *world) checkImmutable(asked, live *structpb.Struct) {
	if live == nil {
		return
	}

	for _, f := range []string{"serviceName", "selector", "podManagementPolicy", "volumeClaimTemplates"} {
		if !proto.Equal(protostruct.Get(asked, "spec", f), protostruct.Get(live, "spec", f)) {
			w.failf("the API server refuses to change %s of a StatefulSet", f)
		}
	}

	claims := map[string]bool{"config": true, "tmp": true, "unclaimed": true}
	for _, c := range protostruct.Get(asked, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		claims[protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue()] = true
	}

	container := protostruct.Get(asked, "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	for _, m := range protostruct.Get(container, "volumeMounts").GetListValue().GetValues() {
		if v := protostruct.Get(m.GetStructValue(), "name").GetStringValue(); !claims[v] {
			w.failf("the pod mounts %s, which it has no claim for", v)
		}
	}
}

// checkStart checks that a pod which starts now finds the configuration that its
// digest covers.
func (w *world) checkStart(next, live *structpb.Struct) {
	path := []string{"spec", "template", "metadata", "annotations", "dittofs.io/config-hash"}

	digest := protostruct.Get(next, path...).GetStringValue()
	if digest == protostruct.Get(live, path...).GetStringValue() {
		return
	}

	// A pod waits for a ConfigMap that is not there.
	if cm := w.live["configmap"]; cm != nil && configOf(cm) != w.covers[digest] {
		w.failf("a pod with digest %s starts on another configuration", digest)
	}
}

// control is what the StatefulSet controller and the load balancer's do.
func (w *world) control() {
	if w.live["statefulset"] != nil {
		w.didf("the StatefulSet is rolled out")
	}

	for _, live := range w.live {
		cluster.Control(live)
	}
}

func (w *world) isStopped() bool {
	s := w.live["statefulset"]
	return s == nil || protostruct.Get(s, "spec", "replicas").GetNumberValue() == 0 && protostruct.Get(s, "status", "replicas").GetNumberValue() == 0
}

// settle lets everybody work until nothing changes any more, and returns the last
// response.
func (w *world) settle() *fnv1.RunFunctionResponse {
	var last []byte

	for range 20 {
		rsp := w.reconcile(len(w.objects) + 10)

		for range 2 {
			for _, name := range w.provided() {
				w.provide(name)
			}

			w.control()
		}

		state := encoded(w.request(nil))
		if bytes.Equal(last, append(encoded(rsp), state...)) {
			return rsp
		}

		last = append(encoded(rsp), state...)
	}

	w.failf("the world never settles")

	return nil
}

// checkRest checks that nothing waits in the end for what passes by itself.
func (w *world) checkRest(rsp *fnv1.RunFunctionResponse) {
	for _, r := range []guard.Reason{guard.SecretsNotFetched, guard.RolloutInProgress, guard.ConfigMapNotReady, guard.Recreating, guard.PredecessorThere} {
		if c := condition(rsp, "ConfigRolledOut"); strings.HasPrefix(c, "FALSE/"+string(r)+":") {
			w.failf("the world is at rest and waits: %s", c)
		}
	}
}

// appliedTo says whether a live object is what was asked for.
func appliedTo(asked, live *structpb.Struct) bool {
	return live != nil && contains(structpb.NewStructValue(live), structpb.NewStructValue(asked)) &&
		contains(protostruct.Get(asked, "spec", "template"), protostruct.Get(live, "spec", "template"))
}

// contains says whether b is a part of a.
func contains(a, b *structpb.Value) bool {
	if b.GetStructValue() == nil {
		return proto.Equal(a, b)
	}

	for k, v := range b.GetStructValue().GetFields() {
		if !contains(a.GetStructValue().GetFields()[k], v) {
			return false
		}
	}

	return true
}

func configOf(o *structpb.Struct, path ...string) string {
	return protostruct.Get(o, append(slices.Clone(path), "data", "config.yaml")...).GetStringValue()
}

func conditionsOf(rsp *fnv1.RunFunctionResponse) string {
	var s []string
	for _, c := range rsp.GetConditions() {
		s = append(s, c.GetType()+"="+c.GetReason())
	}

	return strings.Join(s, " ")
}

func encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}

	return b
}

func mustStruct(tb testing.TB, m map[string]any) *structpb.Struct {
	tb.Helper()

	s, err := structpb.NewStruct(m)
	if err != nil {
		tb.Fatal(err)
	}

	return s
}

// specs that a user may write, valid and not.
var specs = []string{
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, logging: {level: DEBUG}}`,
	`{version: 0.28.0, identity: {jwt: {secretRef: {name: jwt}}, admin: {passwordSecretRef: {name: admin}}}}`,
	`{version: 0.8.0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{identity: {jwt: {secretRef: {name: jwt}}}, metrics: {enabled: true}}`,
	`{identity: {jwt: {secretRef: {name: jwt}}}, rollout: Manual}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, rollout: Manual, logging: {level: WARN}}`,
	`{version: 0.29.0, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}}`,
	`{version: 0.29.0, replicas: 0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, contentSize: 1Gi}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 20Gi, contentSize: 1Gi}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 10240Mi}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, database: {sqlite: {path: /data/metadata/other.db}}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {contentSize: 1Gi}, logging: {output: /data/content/log}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, database: {postgres: {secretRef: {name: db}}}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: other}}}, smb: {enabled: true}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, service: {file: {loadBalancerClass: example.org/a}}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, nfsPort: 70000, colour: blue}`,
	`{version: 0.29.0, identity: {}}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, storage: {metadataSize: 10.00001Gi}, extraEnv: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}`,
	`{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, securityContext: {privileged: true}}`,
}

var secretValues = map[string][]map[string]string{
	"jwt": {
		{"jwt-secret": "example-a-example-a-example-a-example-a"},
		{"jwt-secret": "example-b-example-b-example-b-example-b"},
		{"jwt-secret": "example-a-example-a-example-a-example-a", "other": "example-of-an-unreferenced-key"},
		{"jwt-secret": "too-short-example"},
		{"wrong-key": "example-a-example-a-example-a-example-a"},
	},
	"other": {
		{"jwt-secret": "example-c-example-c-example-c-example-c"},
	},
	"admin": {
		{"password": "example-password"},
		{"password": "$2a$10$exampleexampleexampleexampleexampleexampleexampleexamp"},
		{"password": "$2a$10$cut-short"},
	},
	"db": {
		{"host": "db.example.org", "database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password"},
		{"host": "db.example.org", "database": "dittofs-example", "user": "dittofs-example", "password": "example-database-password", "port": "5433"},
		{"host": "db.example.org"},
	},
}

// step does one random thing.
func (w *world) step() {
	names := slices.Sorted(maps.Keys(secretValues))

	switch n := w.rand.IntN(100); {
	case n < 30:
		w.reconcile(w.rand.IntN(8))
	case n < 45:
		w.reconcile(100)
	case n < 70:
		if objects := w.provided(); len(objects) > 0 {
			w.provide(objects[w.rand.IntN(len(objects))], w.rand.IntN(5) == 0)
		}
	case n < 76:
		w.control()
	case n < 84:
		i := w.rand.IntN(len(specs))
		w.didf("edit: %s", specs[i])
		w.edit(protostructtest.FromYAML(w.t, specs[i]))
	case n < 90:
		name := names[w.rand.IntN(len(names))]
		v := secretValues[name][w.rand.IntN(len(secretValues[name]))]
		w.didf("set Secret %s: %v", name, v)
		w.setSecret(name, v)
	case n < 92:
		name := names[w.rand.IntN(len(names))]
		w.didf("delete Secret %s", name)
		delete(w.secrets, name)
		w.changes++
	case n < 95:
		// Crossplane writes into spec.
		w.didf("Crossplane writes spec.%s", w.flavour.machinery)
		protostruct.Set(w.xr, structpb.NewStringValue(strconv.Itoa(w.rand.Int())), "spec", w.flavour.machinery, "name")
		w.bump()
	case n < 98:
		w.approve()
	case n < 99:
		w.refused = !w.refused
		w.didf("the API server refuses StatefulSets: %t", w.refused)
	default:
		w.meddle()
	}
}

// approve what waits for approval, and now and then something else.
func (w *world) approve() {
	_, value, ok := strings.Cut(messageOf(w.xr, "ConfigRolledOut"), "dittofs.io/approve=")
	if !ok || w.rand.IntN(4) == 0 {
		value = strings.Repeat("0", 64)
	}

	w.didf("approve %s", value)
	protostruct.Set(w.xr, structpb.NewStringValue(value), "metadata", "annotations", "dittofs.io/approve")
	w.changes++
}

func messageOf(xr *structpb.Struct, typ string) string {
	for _, c := range protostruct.Get(xr, "status", "conditions").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "type").GetStringValue() == typ {
			return protostruct.Get(c.GetStructValue(), "message").GetStringValue()
		}
	}

	return ""
}

// TestHistories drives the function through random histories: edits, Secrets that
// come and go, partial applies, a provider that lags. HISTORIES sets their
// number, SEED replays one.
func TestHistories(t *testing.T) {
	t.Parallel()

	histories := 20
	if n, err := strconv.Atoi(os.Getenv("HISTORIES")); err == nil {
		histories = n
	}

	seeds := make([]uint64, 0, histories)
	for i := range histories {
		seeds = append(seeds, uint64(i)+1)
	}

	if seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seeds = []uint64{seed}
	}

	var steps, calls atomic.Int64

	t.Cleanup(func() {
		t.Logf("%d histories of each flavour, %d steps, %d calls", len(seeds), steps.Load(), calls.Load())
	})

	for _, f := range flavours {
		for _, seed := range seeds {
			t.Run(fmt.Sprintf("%s/SEED=%d", f.name, seed), func(t *testing.T) {
				t.Parallel()

				w := newWorld(t, seed, f)
				w.setSecret("jwt", secretValues["jwt"][0])
				w.create(f.xr)
				w.edit(protostructtest.FromYAML(t, specs[w.rand.IntN(5)]))

				for range 60 {
					w.step()
					steps.Add(1)
				}

				// In the end everything comes to rest.
				w.refused = false
				w.checkRest(w.settle())

				calls.Add(int64(w.calls))
			})
		}
	}
}
