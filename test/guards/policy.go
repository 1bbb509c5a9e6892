package guards

import (
	"strings"
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

// tighterPolicy checks that a server which breaks a policy that came later runs on, and that no
// change goes through until the spec fits it.
func tighterPolicy(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Create(f.XR)
			w.Edit(protostructtest.FromYAML(t, smallSpec))
			w.Settle()

			template := func() *structpb.Value { return protostruct.Get(w.Live[statefulSet], "spec", "template") }
			ran := proto.CloneOf(template())

			input := proto.CloneOf(w.Input)
			if input == nil {
				input = protostructtest.FromYAML(t, "{}")
			}

			input.Fields["policy"] = protostructtest.FromYAML(t, "{policy: {services: {types: [ClusterIP]}}}").GetFields()["policy"]
			w.Input = input
			w.SetSecret("jwt", map[string]string{"jwt-secret": strings.Repeat("n", 32)})

			if got := cluster.ReasonOf(w.Settle(), report.SpecValid); got != report.ReasonInvalid {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonInvalid, got)
			}

			for _, n := range []manifest.Name{manifest.ConfigMap, manifest.StatefulSet, manifest.ServiceHeadless, manifest.ServiceFile, manifest.ServiceAPI} {
				if w.Live[string(n)] == nil {
					t.Errorf("f.RunFunction(...): %s is gone", n)
				}
			}

			if !proto.Equal(ran, template()) {
				t.Error("f.RunFunction(...): a change goes through that the policy refuses")
			}

			w.Patch("ClusterIP", "service", "type")

			if got := cluster.ReasonOf(w.Settle(), report.SpecValid); got != report.ReasonValid {
				t.Errorf("f.RunFunction(...): want %s, got %s", report.ReasonValid, got)
			}

			if proto.Equal(ran, template()) {
				t.Error("f.RunFunction(...): the new Secret does not count once the spec fits")
			}
		})
	}
}
