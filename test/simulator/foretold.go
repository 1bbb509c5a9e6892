package simulator

import (
	"maps"
	"slices"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// AgreesWithDiff checks that what make diff says of an edit is what a world makes of it.
func AgreesWithDiff(t *testing.T, fn Function) {
	t.Helper()

	verdicts := map[change.Verdict]int{}

	// How far the edited spec is from the first one in their list.
	distances := map[string][]int{"namespaced": {1, 3, 7}, "claimed": {1}, "native": {3}, "claimed-native": {7}}

	for _, f := range Flavours {
		for i, from := range Specs {
			for _, distance := range distances[f.Name] {
				got := checkEdit(t, fn, f, from, Specs[(i+distance)%len(Specs)])
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
func checkEdit(t *testing.T, fn Function, f Flavour, from, to string) *change.Change {
	t.Helper()

	w := New(t, fn, 1, f)
	for name, values := range SecretValues {
		w.SetSecret(name, values[0])
	}

	w.Create(f.XR)
	w.Edit(protostructtest.FromYAML(t, from))
	w.didf("%s: from %s to %s", f.Name, from, to)

	before := change.Side{XR: proto.CloneOf(w.XR), Input: w.Input, Run: w.Function.RunFunction, Secrets: slices.Collect(maps.Values(w.Secrets))}

	wasRefused := report.IsFatal(w.Settle())
	was := w.Live["statefulset"]

	w.Edit(protostructtest.FromYAML(t, to))

	after := before
	after.XR = proto.CloneOf(w.XR)

	got, err := change.Of(t.Context(), before, after)
	if err != nil {
		w.failf("change.Of(...): %v", err)
	}

	check := func(got *change.Change) {
		rsp := w.Settle()

		want := verdictOf(was, w.Live["statefulset"], rsp)
		if wasRefused {
			want = change.Unknown
		}

		// The world does not tell what else changes without a restart.
		verdict := got.Verdict
		if verdict == change.Unchanged {
			verdict = change.NoRestart
		}

		if verdict != want {
			w.failf("change.Of(...): want %q, got %q: %v", want, got.Verdict, got.Why)
		}
	}

	check(got)

	value := w.Approval()
	if waits, isTold := value != "", got.Approved != nil; waits != isTold && !wasRefused {
		w.failf("change.Of(...): want an approval: %t, got: %t", waits, isTold)
	}

	if got.Approved != nil {
		w.Annotate(v1alpha1.AnnotationApprove, value)
		check(got.Approved)
	}

	return got
}

func isFalse(rsp *fnv1.RunFunctionResponse, typ string) bool {
	return cluster.ConditionOf(rsp, typ).GetStatus() == fnv1.Status_STATUS_CONDITION_FALSE
}

// verdictOf what happened in a world, by its StatefulSets and the last response.
func verdictOf(was, is *structpb.Struct, rsp *fnv1.RunFunctionResponse) change.Verdict {
	runs := func(s *structpb.Struct) bool { return protostruct.Get(s, "spec", "replicas").GetNumberValue() > 0 }
	isHeld := isFalse(rsp, report.ConfigRolledOut) || isFalse(rsp, report.StorageUpToDate) && proto.Equal(was, is)

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
