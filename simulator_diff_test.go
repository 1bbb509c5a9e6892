package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/change"
)

// What make diff says of an edit is what the world makes of it.
func TestDiffAgreesWithWorld(t *testing.T) {
	t.Parallel()

	verdicts := map[change.Verdict]int{}

	// How far the edited spec is from the first one in their list.
	distances := map[string][]int{"namespaced": {1, 3, 7}, "claimed": {1}, "native": {3}, "claimed-native": {7}}

	for _, f := range flavours {
		for i, from := range specs {
			for _, distance := range distances[f.name] {
				got := checkEdit(t, f, from, specs[(i+distance)%len(specs)])
				verdicts[got.Verdict]++
			}
		}
	}

	t.Logf("%v", verdicts)

	for _, v := range []change.Verdict{change.Unknown, change.Refused, change.Restarts, change.NoRestart, change.Starts, change.Stops, change.Held} {
		if verdicts[v] == 0 {
			t.Errorf("no edit has the verdict %q", v)
		}
	}
}

// checkEdit checks what an edit of a server at rest is said to do, and what it does once it
// is approved.
func checkEdit(t *testing.T, f flavour, from, to string) *change.Change {
	t.Helper()

	w := newWorld(t, 1, f)
	for name, values := range secretValues {
		w.setSecret(name, values[0])
	}

	w.create(f.xr)
	w.edit(protostructtest.FromYAML(t, from))
	w.didf("%s: from %s to %s", f.name, from, to)

	run := func(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		return w.fn.RunFunction(ctx, req)
	}
	before := change.Side{XR: proto.CloneOf(w.xr), Input: w.input, Run: run, Secrets: slices.Collect(maps.Values(w.secrets))}

	wasRefused := report.IsFatal(w.settle())
	was := w.live["statefulset"]

	w.edit(protostructtest.FromYAML(t, to))

	after := before
	after.XR = proto.CloneOf(w.xr)

	got, err := change.Of(t.Context(), before, after)
	if err != nil {
		w.failf("change.Of(...): %v", err)
	}

	check := func(got *change.Change) {
		rsp := w.settle()

		want := verdictOf(was, w.live["statefulset"], rsp)
		if wasRefused {
			want = change.Unknown
		}

		// What else changes without a restart is not the world's to tell.
		verdict := got.Verdict
		if verdict == change.Unchanged {
			verdict = change.NoRestart
		}

		if verdict != want {
			w.failf("change.Of(...): want %q, got %q: %v", want, got.Verdict, got.Why)
		}
	}

	check(got)

	_, value, waits := strings.Cut(messageOf(w.xr, "ConfigRolledOut"), "dittofs.io/approve=")
	if isTold := got.Approved != nil; waits != isTold && !wasRefused {
		w.failf("change.Of(...): want an approval: %t, got: %t", waits, isTold)
	}

	if got.Approved != nil {
		w.annotate("dittofs.io/approve", value)
		check(got.Approved)
	}

	return got
}

// verdictOf what happened in a world, by its StatefulSets and the last response.
func verdictOf(was, is *structpb.Struct, rsp *fnv1.RunFunctionResponse) change.Verdict {
	runs := func(s *structpb.Struct) bool { return protostruct.Get(s, "spec", "replicas").GetNumberValue() > 0 }
	isHeld := strings.HasPrefix(condition(rsp, "ConfigRolledOut"), "FALSE/") || strings.HasPrefix(condition(rsp, "StorageUpToDate"), "FALSE/") && proto.Equal(was, is)

	switch {
	case report.IsFatal(rsp):
		return change.Refused
	case runs(was) && !runs(is):
		return change.Stops
	case !runs(was) && runs(is):
		return change.Starts
	case runs(was) && !proto.Equal(protostruct.Get(was, "spec", "template"), protostruct.Get(is, "spec", "template")):
		return change.Restarts
	case isHeld:
		return change.Held
	default:
		return change.NoRestart
	}
}
