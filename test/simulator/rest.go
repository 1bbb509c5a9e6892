package simulator

import (
	"maps"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// rest lets the world come to rest, and checks that nothing waits in the end but for a person.
func (w *World) rest() {
	w.fault, w.Refused = fine, false
	w.Fixed = w.Fixed && w.rand.IntN(2) == 0

	// Webhooks that refuse stay where what runs is what they take: then the user takes back what
	// they refused. Those that do not answer come back.
	if w.wasAtRest != nil && w.rand.IntN(2) == 0 {
		w.takeBack()
		w.Switch("unanswered", false)

		for _, name := range slices.Sorted(maps.Keys(w.webhooks)) {
			if w.refusesAny(name, w.wasAtRest.live) {
				w.Switch(name, false)
			}
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(w.webhooks)) {
			if webhooks[name].refuses != nil && w.webhooks[name] {
				w.Switch(name, false)
			}
		}
	}

	w.Settle()

	for _, name := range slices.Sorted(maps.Keys(w.foreign)) {
		w.Vacate(name)
	}

	rsp := w.Settle()
	w.checkRest(rsp)

	// Each approval lets the server go on, once.
	for range 2 {
		value := w.Approval()
		if value == "" {
			return
		}

		w.didf("approve %s in the end", value)
		w.Annotate(v1alpha1.AnnotationApprove, value)

		rsp = w.Settle()
		w.checkRest(rsp)

		if w.Approval() == value {
			w.failf("an approval lets nothing through: %s", Condition(rsp, report.ConfigRolledOut))
		}
	}
}

// A quiet is a world at rest: what the user wrote, and what is live.
type quiet struct {
	spec    *structpb.Struct
	secrets map[string]*structpb.Struct
	live    map[string]*structpb.Struct
}

// noteRest notes what the user wrote once it is rolled out and applied.
func (w *World) noteRest(rsp *fnv1.RunFunctionResponse) {
	if w.failure != "" || !strings.HasPrefix(Condition(rsp, report.ConfigRolledOut), "TRUE/") || !strings.HasPrefix(Condition(rsp, report.Applied), "TRUE/") {
		return
	}

	// The provider may not have seen it yet.
	for name, o := range w.Composed {
		if isClaim(name) {
			continue
		}

		if w.Live[name] == nil || !w.Flavour.Native && !proto.Equal(cluster.Live(o), w.Live[name]) {
			return
		}
	}

	w.wasAtRest = &quiet{
		spec:    proto.CloneOf(protostruct.Get(w.XR, "spec").GetStructValue()),
		secrets: maps.Clone(w.Secrets),
		live:    maps.Clone(w.Live),
	}
}

// takeBack what the user changed since then.
func (w *World) takeBack() {
	w.didf("the user takes back what was changed")
	w.Secrets = maps.Clone(w.wasAtRest.secrets)
	w.Edit(w.wasAtRest.spec)
}

// refusesAny reports whether a webhook refuses one of these objects.
func (w *World) refusesAny(name string, objects map[string]*structpb.Struct) bool {
	refuses := webhooks[name].refuses
	if refuses == nil || !w.webhooks[name] {
		return false
	}

	for _, o := range objects {
		if refuses(o) != "" {
			return true
		}
	}

	return false
}

// checkRest checks that nothing waits in the end for what passes by itself.
func (w *World) checkRest(rsp *fnv1.RunFunctionResponse) {
	rollout := Condition(rsp, report.ConfigRolledOut)

	for _, r := range []guard.Reason{guard.SecretsNotFetched, guard.RolloutInProgress, guard.ConfigMapNotReady, guard.Recreating, guard.PredecessorThere} {
		if strings.HasPrefix(rollout, "FALSE/"+string(r)+":") {
			w.failf("the world is at rest and waits: %s: %s", rollout, Condition(rsp, report.Applied))
		}
	}

	if report.IsFatal(rsp) {
		return
	}

	isRolledOut := strings.HasPrefix(rollout, "TRUE/")

	w.checkGrown(rsp)
	w.checkClasses(rsp)
	w.checkAttributes()

	for name, r := range rsp.GetDesired().GetResources() {
		if isClaim(name) {
			continue
		}

		o := w.Composed[name]
		if o == nil || !w.Flavour.Native && !cluster.MayWrite(o) || w.Live[name] == nil {
			w.failf("the world is at rest and %s is not applied", name)
		}

		if protostruct.Get(r.GetResource(), "spec", "managementPolicies") != nil {
			w.failf("the world is at rest and %s is restricted", name)
		}

		if isRolledOut && r.GetReady() != fnv1.Ready_READY_TRUE {
			w.failf("the world is at rest and %s is not ready", name)
		}
	}

	// A held template may be one that is refused.
	if applied := Condition(rsp, report.Applied); isRolledOut && !strings.HasPrefix(applied, "TRUE/") {
		w.failf("the world is at rest and not applied: %s", applied)
	}
}
