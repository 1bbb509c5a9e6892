package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// check what must hold of every response, since each may be the final one.
func (w *World) check(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
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

		metricsOff := !protostruct.Get(w.XR, "spec", "metrics", "enabled").GetBoolValue()
		if (name == "service-metrics" && metricsOff) || w.lacks(name) || (name == "statefulset" && stopped) || isClaim(name) {
			continue
		}

		w.failf("%s of a running server disappears", name)
	}

	w.checkTemplate(req, rsp)
	w.checkExisting(req, rsp)
	w.checkHold(rsp)
	w.checkRefused(req, rsp)
	w.noteInputs(rsp)
	w.noteApproval(rsp)
}

func (w *World) checkConditions(rsp *fnv1.RunFunctionResponse) {
	if err := CheckConditions(rsp); err != nil {
		w.failf("%v", err)
	}
}

// CheckConditions checks that every condition is there once, in every response.
func CheckConditions(rsp *fnv1.RunFunctionResponse) error {
	got := map[string]int{}

	for _, c := range rsp.GetConditions() {
		got[c.GetType()]++

		if c.GetMessage() == "" || c.GetReason() == "" || c.GetTarget() != fnv1.Target_TARGET_COMPOSITE_AND_CLAIM {
			return fmt.Errorf("condition %s has no message, no reason or the wrong target", c.GetType())
		}
	}

	want := map[string]int{report.SpecValid: 1, report.SecretsResolved: 1, report.ConfigRolledOut: 1, report.StorageUpToDate: 1, report.Applied: 1, report.Warnings: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("conditions: -want, +got:\n%s", diff)
	}

	return nil
}

// checkDeterminism checks, now and then, that the same request gets the same
// response, and stays the same; and that it makes no difference whether it came over the
// wire.
func (w *World) checkDeterminism(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	if w.calls%8 != 0 {
		return
	}

	before := Encoded(req)

	if again, _ := w.Function.RunFunction(w.context(), req); !bytes.Equal(Encoded(again), Encoded(rsp)) {
		w.failf("the same request gets another response: -first, +second:\n%s", cmp.Diff(rsp, again, protocmp.Transform()))
	}

	if !bytes.Equal(before, Encoded(req)) {
		w.failf("the function changes its request")
	}
}

// checkSecretBytes looks for the Secrets' values in a response, and in what the function
// logged with --debug.
func (w *World) checkSecretBytes(rsp *fnv1.RunFunctionResponse) {
	if name := w.SecretIn(Encoded(rsp)); name != "" {
		w.failf("a response holds the value of Secret %s", name)
	}

	for _, line := range w.log.Lines() {
		if name := w.SecretIn([]byte(line)); name != "" {
			w.failf("the log holds the value of Secret %s: %s", name, line)
		}
	}

	w.log.Info, w.log.Debug = nil, nil
}

// checkHold checks that a server which may not move keeps all of what it runs, so
// that a pod which restarts by itself does not take half of a change.
func (w *World) checkHold(rsp *fnv1.RunFunctionResponse) {
	holds := []guard.Reason{guard.SecretsNotFetched, guard.SecretsNotResolved, guard.StartPrevented, guard.StorageMissing, guard.ApprovalRequired, guard.RolloutInProgress}

	sts := cluster.Asked(rsp.GetDesired().GetResources()["statefulset"].GetResource())
	if sts == nil || !slices.Contains(holds, guard.Reason(cluster.ReasonOf(rsp, report.ConfigRolledOut))) {
		return
	}

	// Natively, none is composed over somebody else's.
	cm := rsp.GetDesired().GetResources()["configmap"].GetResource()
	if cm == nil {
		return
	}

	config := configOf(cluster.Asked(cm))
	if protostruct.Get(sts, "spec", "template", "metadata", "annotations", "dittofs.io/config").GetStringValue() != config {
		w.failf("a server that may not move gets another configuration than its pod template covers")
	}
}

// checkTemplate checks that a pod template moves only for a reason, and only to a
// digest over all of its inputs, which are in place.
func (w *World) checkTemplate(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	var before *structpb.Struct
	if o := req.GetObserved().GetResources()["statefulset"].GetResource(); !cluster.IsPaused(o) {
		before = cluster.Asked(o)
	}

	composed := rsp.GetDesired().GetResources()["statefulset"].GetResource()
	after := cluster.Asked(composed)

	if w.Flavour.Native {
		w.checkDefaults(after)

		if after != nil {
			after, _ = w.applied("statefulset", after, before)
			// A webhook that is on since then changes both.
			before = w.change(proto.CloneOf(before), before)
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
	config := configOf(cluster.Asked(rsp.GetDesired().GetResources()["configmap"].GetResource()))

	if was == nil {
		w.checkFirst()
	}

	if want := w.digest(config); digest != want {
		w.failf("the digest is %s and should be %s", digest, want)
	}

	w.covers[digest] = config

	// Nobody starts a pod of a paused Object, and a pod waits for a ConfigMap that is not there.
	if cluster.IsPaused(composed) || was == nil && w.Flavour.Native && w.Live["configmap"] == nil {
		return
	}

	cm := req.GetObserved().GetResources()["configmap"].GetResource()
	if configOf(cluster.Asked(cm)) != config || configOf(cluster.Live(cm)) != config {
		if digest != protostruct.Get(was.GetStructValue(), "metadata", "annotations", "dittofs.io/config-hash").GetStringValue() {
			w.failf("the pod template moves before the ConfigMap holds its configuration")
		}
	}
}

// checkFirst checks the password that a server first starts with: later it does not count.
func (w *World) checkFirst() {
	name := protostruct.Get(w.XR, "spec", "identity", "admin", "passwordSecretRef", "name").GetStringValue()

	b, _ := base64.StdEncoding.DecodeString(protostruct.Get(w.Secrets[name], "data", "password").GetStringValue())
	if strings.HasPrefix(string(b), ":") {
		w.failf("a server first starts with a hash that has a colon in front of it")
	}
}

// digest is the rollout digest, computed from the world by the words of the
// design.
func (w *World) digest(config string) string {
	h := sha256.New()
	frame := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}

	frame([]byte(config))

	value := func(role, secret, key string, optional bool) {
		b, err := base64.StdEncoding.DecodeString(protostruct.Get(w.Secrets[secret], "data", key).GetStringValue())
		if err != nil || (len(b) == 0 && !optional) {
			w.failf("a digest is computed without Secret %s, key %s", secret, key)
		}

		if key == "host" && strings.Contains(string(b), ":") {
			w.failf("a pod would connect to a host with a port")
		}

		if strings.HasPrefix(role, "env-") && !utf8.Valid(b) {
			w.failf("a pod would have a variable that is no text")
		}

		if len(b) > 0 {
			frame([]byte(role))
			frame([]byte(key))
			frame(b)
		}
	}

	spec := protostruct.Get(w.XR, "spec").GetStructValue()
	if name := protostruct.Get(spec, "identity", "admin", "passwordSecretRef", "name").GetStringValue(); name != "" {
		value("admin", name, "password", false)
	}

	for _, e := range protostruct.Get(spec, "extraEnv").GetListValue().GetValues() {
		if e := e.GetStructValue(); protostruct.Get(e, "onChange").GetStringValue() == "Restart" {
			ref := protostruct.Get(e, "valueFrom", "secretKeyRef").GetStructValue()
			value("env-"+protostruct.Get(e, "name").GetStringValue(), protostruct.Get(ref, "name").GetStringValue(), protostruct.Get(ref, "key").GetStringValue(), false)
		}
	}

	value("jwt", protostruct.Get(spec, "identity", "jwt", "secretRef", "name").GetStringValue(), "jwt-secret", false)

	if name := protostruct.Get(spec, "database", "postgres", "secretRef", "name").GetStringValue(); name != "" {
		optional := map[string]bool{}

		for _, setting := range []string{"database", "host", "password", "port", "sslmode", "user"} {
			if protostruct.Get(spec, "database", "postgres", setting) != nil {
				continue
			}

			key := setting
			if k := protostruct.Get(spec, "database", "postgres", "keys", setting).GetStringValue(); k != "" {
				key = k
			}

			optional[key] = setting == "port" || setting == "sslmode"
		}

		for _, key := range slices.Sorted(maps.Keys(optional)) {
			value("postgres", name, key, optional[key])
		}
	}

	for _, v := range protostruct.Get(spec, "extraVolumes").GetListValue().GetValues() {
		if v := v.GetStructValue(); protostruct.Get(v, "onChange").GetStringValue() == "Restart" {
			key := protostruct.Get(protostruct.Get(v, "secret", "items").GetListValue().GetValues()[0].GetStructValue(), "key").GetStringValue()
			value("volume-"+protostruct.Get(v, "name").GetStringValue(), protostruct.Get(v, "secret", "secretName").GetStringValue(), key, false)
		}
	}

	user := spec.AsMap()
	for _, f := range []string{"crossplane", "claimRef", "compositionRevisionRef", "networkPolicy", "replicas", "rollout", "storage"} {
		delete(user, f)
	}

	// The server copies it into its database once.
	if identity, ok := user["identity"].(map[string]any); ok {
		delete(identity, "ldap")
		delete(identity, "kerberos")
	}

	// An object beside the server.
	if metrics, ok := user["metrics"].(map[string]any); ok {
		delete(metrics, "serviceMonitor")
	}

	b, _ := json.Marshal(user)

	switch protostruct.Get(w.Input, "configHash", "generation").GetStringValue() {
	case "None":
		b = nil
	case "Metadata":
		b = []byte(strconv.Itoa(int(protostruct.Get(w.XR, "metadata", "generation").GetNumberValue())))
	}

	frame(b)

	return hex.EncodeToString(h.Sum(nil))
}

// checkIdempotent checks that a response which was applied gives the same response again: the
// same conditions and resources, byte for byte, and no result, which would be an event on every
// call. Two steps are only a first one: what is left out to be recreated comes back, and a
// refused template that was replaced may need another approval. A server that startsOnClaims
// tells of them only until it was started.
func (w *World) checkIdempotent(rsp *fnv1.RunFunctionResponse, startsOnClaims bool) {
	// Crossplane forgets what it deletes, which the function looks for from then on.
	if w.leaving["statefulset"] != nil && cluster.ReasonOf(rsp, report.ConfigRolledOut) != string(guard.PredecessorThere) {
		return
	}

	rollout := guard.Reason(cluster.ReasonOf(rsp, report.ConfigRolledOut))
	if rollout == guard.Recreating || rollout == guard.RolloutInProgress && cluster.ReasonOf(rsp, report.Applied) == report.ReasonNotSynced {
		return
	}

	// An object that is let go loses the right to delete first.
	if w.lacks("servicemonitor") && rsp.GetDesired().GetResources()["servicemonitor"] != nil {
		return
	}

	// Of what Crossplane itself applied it knows more at once.
	if w.Flavour.Native {
		return
	}

	want := proto.CloneOf(rsp)
	want.Results = nil

	again := w.Call()

	// The ConfigMap notes what claims have before their StatefulSet is recreated.
	if guard.Reason(cluster.ReasonOf(again, report.ConfigRolledOut)) == guard.Recreating && w.isStopped() {
		return
	}

	if startsOnClaims {
		want.Conditions, again.Conditions = withoutWarnings(want), withoutWarnings(again)
		again.Results = nil
	}

	// The StatefulSet's Object is required only until Crossplane observes it.
	delete(want.GetRequirements().GetResources(), "running/statefulset")
	delete(again.GetRequirements().GetResources(), "running/statefulset")

	if !bytes.Equal(Encoded(want), Encoded(again)) {
		w.failf("the response fed back gives another response: -first, +second:\n%s", cmp.Diff(want, again, protocmp.Transform()))
	}
}

// withoutWarnings returns the other conditions of a response.
func withoutWarnings(rsp *fnv1.RunFunctionResponse) []*fnv1.Condition {
	return slices.DeleteFunc(slices.Clone(rsp.GetConditions()), func(c *fnv1.Condition) bool { return c.GetType() == report.Warnings })
}

// checkImmutable checks that the API server takes a StatefulSet, or returns what it says if a
// webhook changed what was asked before, or somebody else has one.
func (w *World) checkImmutable(next, live *structpb.Struct) string {
	if live == nil {
		return ""
	}

	for _, f := range []string{"serviceName", "selector", "podManagementPolicy", "volumeClaimTemplates"} {
		switch {
		case proto.Equal(protostruct.Get(next, "spec", f), protostruct.Get(live, "spec", f)):
		case w.tampered, w.foreign["statefulset"]:
			return `StatefulSet.apps "files" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden`
		default:
			w.failf("the API server refuses to change %s of a StatefulSet", f)
		}
	}

	return ""
}

// checkClaims checks that a pod has a volume or a claim for what it mounts.
func (w *World) checkClaims(next *structpb.Struct) {
	claims := map[string]bool{}
	for _, v := range protostruct.Get(next, "spec", "template", "spec", "volumes").GetListValue().GetValues() {
		claims[protostruct.Get(v.GetStructValue(), "name").GetStringValue()] = true
	}

	for _, c := range protostruct.Get(next, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		claims[protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue()] = true
	}

	for _, m := range protostruct.Get(containerOf(next), "volumeMounts").GetListValue().GetValues() {
		if v := protostruct.Get(m.GetStructValue(), "name").GetStringValue(); !claims[v] {
			w.failf("the pod mounts %s, which it has no claim for", v)
		}
	}
}

// checkStart checks that a pod which starts now finds the configuration that its
// digest covers.
func (w *World) checkStart(next, live *structpb.Struct) {
	path := []string{"spec", "template", "metadata", "annotations", "dittofs.io/config-hash"}

	digest := protostruct.Get(next, path...).GetStringValue()
	if before := protostruct.Get(live, path...).GetStringValue(); digest == before {
		return
	}

	// What was deleted by hand starts again as it was, like a pod that restarts by itself: while a
	// template waits for its ConfigMap, that is a known limit.
	if live == nil && digest == w.started {
		return
	}

	w.started = digest

	// A pod waits for a ConfigMap that is not there. One that a person made of it is theirs.
	if cm := w.Live["configmap"]; cm != nil && !isByHand(cm) && configOf(cm) != w.covers[digest] {
		w.failf("a pod with digest %s starts on another configuration", digest)
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
func (w *World) checkDefaults(desired *structpb.Struct) {
	if w.meddled || w.tampered {
		return
	}

	var look func(v *structpb.Value, path string)

	look = func(v *structpb.Value, path string) {
		for k, field := range v.GetStructValue().GetFields() {
			asked := protostruct.Get(w.XR, "spec", k) != nil
			// Files of Secrets have a mode of the function's own.
			asked = asked || k == "defaultMode" && field.GetNumberValue() == 0o440

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
