package guards

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// kindThatGoes checks that an object comes with its kind, and lets the rest through while the
// kind is missing. It is let go once the kind is gone: with the right to delete, the provider
// would never be done with it.
func kindThatGoes(t *testing.T, fn simulator.Function) {
	t.Helper()

	const monitor = string(manifest.Monitor)

	crd := protostructtest.FromYAML(t, `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: servicemonitors.monitoring.coreos.com},
spec: {versions: [{name: v1, served: true}]}, status: {conditions: [{type: Established, status: "True"}]}}`)

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)

			input := proto.CloneOf(w.Input)
			if input == nil {
				input = protostructtest.FromYAML(t, "{}")
			}

			protostruct.Set(input, structpb.NewStringValue("Discover"), "kinds", "ServiceMonitor")
			w.Input = input

			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Patch("{enabled: true, serviceMonitor: {enabled: true}}", "metrics")

			is := func(what, warnings string, composed bool) {
				t.Helper()

				rsp := w.Settle()
				if got := cluster.ReasonOf(rsp, report.Warnings); got != warnings {
					t.Errorf("%s: want the warnings %s, got %s", what, warnings, got)
				}

				if got := cluster.ReasonOf(rsp, report.Applied); got != report.ReasonApplied {
					t.Errorf("%s: want everything else applied, got %s", what, got)
				}

				if got := w.Composed[monitor] != nil; got != composed {
					t.Errorf("%s: want it composed %v, got %v", what, composed, got)
				}
			}

			is("no such kind", report.ReasonHasWarnings, false)

			w.Kinds = []*structpb.Struct{crd}
			is("the kind comes", report.ReasonNone, true)

			w.Kinds = nil

			if rsp := w.Call(); cluster.IsObject(w.Composed[monitor]) {
				policies := protostruct.Get(rsp.GetDesired().GetResources()[monitor].GetResource(), "spec", "managementPolicies").GetListValue().GetValues()
				if len(policies) != 1 || policies[0].GetStringValue() != "Observe" {
					t.Errorf("the kind goes: want an Object that deletes nothing, got %v", policies)
				}
			}

			is("the kind is gone", report.ReasonHasWarnings, false)

			w.Kinds = []*structpb.Struct{crd}
			is("the kind is back", report.ReasonNone, true)
		})
	}
}
