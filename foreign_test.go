package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// What somebody else has stays theirs, is told, and keeps only what depends on it.
func TestForeign(t *testing.T) {
	for _, f := range simulator.Flavours {
		for name, text := range simulator.Foreign {
			t.Run(f.Name+"/"+name, func(t *testing.T) {
				w := newForeign(t, f)
				w.Occupy(name)

				theirs := proto.CloneOf(w.Live[name])
				rsp := w.Settle()

				object := protostructtest.FromYAML(t, text)
				told := protostruct.Get(object, "kind").GetStringValue() + " " + protostruct.Get(object, "metadata", "name").GetStringValue() + " (which is not this DittoServer's: remove it, or give the DittoServer another name)"

				// Natively the StatefulSet is a predecessor.
				condition, reason := "Applied", "FALSE/Foreign: "
				if f.Native && name == "statefulset" {
					condition, reason = "ConfigRolledOut", "FALSE/PredecessorThere: "
				}

				if got := simulator.Condition(rsp, condition); !strings.HasPrefix(got, reason) || !strings.Contains(got, told) {
					t.Errorf("%s: want the reason %s and %q, got: %s", condition, reason, told, got)
				}

				// The controllers write a status.
				got := proto.CloneOf(w.Live[name])
				protostruct.Set(got, nil, "status")
				protostruct.Set(theirs, nil, "status")

				if !proto.Equal(got, theirs) {
					t.Errorf("want it left alone, got: %v", w.Live[name])
				}

				if runs := w.Live["statefulset"] != nil; name != "statefulset" && runs != (name != "configmap") {
					t.Errorf("there is a StatefulSet: %t", runs)
				}

				w.Vacate(name)

				if rsp := w.Settle(); !strings.HasPrefix(simulator.Condition(rsp, "Applied"), "TRUE/") || phase(rsp) != "Running" {
					t.Errorf("once it is gone: want the server to run, got: %s, %s", phase(rsp), simulator.Condition(rsp, "Applied"))
				}
			})
		}
	}
}

// A ConfigMap that an earlier server left is taken over, and no pod starts before it holds this
// server's configuration: the world fails on that.
func TestLeftoverConfigMap(t *testing.T) {
	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := newForeign(t, f)
			w.Leave()

			rsp := w.Settle()
			if !f.Native && phase(rsp) != "Running" {
				t.Errorf("want the server to run, got: %s", simulator.Condition(rsp, "ConfigRolledOut"))
			}

			if want := "FALSE/Foreign: "; f.Native && !strings.HasPrefix(simulator.Condition(rsp, "Applied"), want) {
				t.Errorf("want %s, got: %s", want, simulator.Condition(rsp, "Applied"))
			}
		})
	}
}

// How many times Crossplane calls the function for a new server, from nothing until it is Ready
// and until nothing changes: docs/concepts.md has the numbers.
func TestCreationCost(t *testing.T) {
	// The provider asks, and the cluster does everything at once.
	want := map[string][2]int{"namespaced": {3, 4}, "claimed": {3, 4}, "native": {2, 3}, "claimed-native": {2, 3}}

	for _, f := range simulator.Flavours {
		w := newForeign(t, f)

		var got [2]int

		for i := 1; i < 10 && got[1] == 0; i++ {
			before := simulator.Encoded(w.Request(nil))
			rsp := w.Reconcile(10)

			isReady := !slices.Contains(slices.Collect(maps.Values(simulator.Ready(rsp))), false) && phase(rsp) == "Running"
			if isReady && got[0] == 0 {
				got[0] = i
			}

			for range 2 {
				for _, name := range []string{"configmap", "service-api", "service-file", "service-headless", "service-metrics", "statefulset"} {
					w.Provide(name)
				}

				w.Control()
			}

			if bytes.Equal(before, simulator.Encoded(w.Request(nil))) {
				got[1] = i
			}
		}

		if got != want[f.Name] {
			t.Errorf("%s: want Ready and rest after %v reconciles, got %v", f.Name, want[f.Name], got)
		}
	}
}

func newForeign(t *testing.T, f simulator.Flavour) *simulator.World {
	t.Helper()

	w := simulator.New(t, served(), 1, f)
	w.SetSecret("jwt", simulator.SecretValues["jwt"][0])
	w.Create(f.XR)
	w.Edit(protostructtest.FromYAML(t, "{version: 0.29.0, identity: {jwt: {secretRef: {name: jwt}}}, metrics: {enabled: true}}"))

	return w
}
