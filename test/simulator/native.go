package simulator

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// NativeExamples holds each example natively: of what the API server stored, exactly
// what was asked for is asked for again.
func NativeExamples(t *testing.T, fn Function, dir string) {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
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
			w := New(t, fn, 1, Flavours[2])
			w.XR = xr
			protostruct.Set(w.XR, structpb.NewStringValue("own"), "metadata", "uid")

			for _, s := range secrets {
				w.Secrets[protostruct.Get(s, "metadata", "name").GetStringValue()] = s
			}

			_, first := w.Last()
			before := first.GetDesired().GetResources()
			w.covers[manifest.ConfigHash(before["statefulset"].GetResource())] = configOf(before["configmap"].GetResource())

			// The record has what runs once it is live.
			for range 2 {
				for _, name := range slices.Sorted(maps.Keys(before)) {
					w.applyNative(name, before[name].GetResource())
				}

				_, rsp := w.Last()
				before = rsp.GetDesired().GetResources()
			}

			w.Secrets = nil
			_, rsp := w.Last()

			if got := cluster.ReasonOf(rsp, report.ConfigRolledOut); got != string(guard.SecretsNotResolved) {
				t.Errorf("without Secrets: want %s, got %s", guard.SecretsNotResolved, got)
			}

			for name, r := range rsp.GetDesired().GetResources() {
				if diff := cmp.Diff(before[name].GetResource(), r.GetResource(), protocmp.Transform()); diff != "" {
					t.Errorf("%s: -asked, +asked again:\n%s", name, diff)
				}
			}
		})
	}
}
