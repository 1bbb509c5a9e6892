// Package guards follows a whole server through single changes: its life from creation to stop,
// what waits for a person, what Kubernetes cannot change, and what somebody else has. The tests
// in internal/guard show what the guards decide in each state.
package guards

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// statefulSet is the name of the composed resource.
const statefulSet = string(manifest.StatefulSet)

// Check a function.
func Check(t *testing.T, fn simulator.Function) {
	t.Helper()

	for name, check := range map[string]func(t *testing.T, fn simulator.Function){
		"Life":           life,
		"Approval":       approval,
		"Gone":           gone,
		"MovedDatabase":  movedDatabase,
		"GoneMidway":     goneMidway,
		"NoRecord":       goneWithoutRecord,
		"TooLarge":       tooLarge,
		"GrowStorage":    growStorage,
		"ContentDropped": contentDropped,
		"OtherClass":     otherClass,
		"ClaimWebhooks":  claimsOfWebhooks,
		"Half":           half,
		"Sources":        sources,
		"GrownTwice":     grownTwice,
		"GoneClaim":      goneClaim,
		"Overridden":     overridden,
		"Smaller":        smaller,
		"ContentBack":    contentBack,
		"Lowered":        lowered,
		"GrownByHand":    grownByHand,
		"UpgradeByHand":  upgradeByHand,
		"ImageOfWebhook": imageOfWebhook,
		"FirstPassword":  firstPassword,
		"Foreign":        foreign,
		"Leftover":       leftover,
		"LostAnswer":     lostAnswer,
		"CreationCost":   creationCost,
		"TighterPolicy":  tighterPolicy,
		"HeldPastPolicy": heldPastPolicy,
		"ClassPast":      classPastPolicy,
		"RefusedPast":    refusedPastPolicy,
		"EndedPast":      endedPastPolicy,
		"Seeds":          seeds,
		"SeedsHeld":      seedsHeld,
		"SeedsAgain":     seedsAgain,
		"SeedsLost":      seedsLost,
		"SeedsRefused":   seedsRefused,
		"Kerberos":       kerberosServer,
		"KeytabGoneBad":  keytabGoneBad,
		"Kinds":          kindThatGoes,
	} {
		t.Run(name, func(t *testing.T) { check(t, fn) })
	}
}

// newNative returns a world with a native DittoServer at rest, and its Secrets.
func newNative(t *testing.T, fn simulator.Function, spec string) *simulator.World {
	t.Helper()

	w := simulator.NewServer(t, fn, simulator.Flavours[2])
	w.Create(w.Flavour.XR)
	w.Edit(protostructtest.FromYAML(t, spec))
	w.Settle()

	return w
}

// phase returns the phase of a DittoServer.
func phase(rsp *fnv1.RunFunctionResponse) string {
	return protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status", "phase").GetStringValue()
}

// claims returns the names of a StatefulSet's volume claims.
func claims(statefulSet *structpb.Struct) []string {
	var names []string
	for _, c := range protostruct.Get(statefulSet, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		names = append(names, protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue())
	}

	return names
}
