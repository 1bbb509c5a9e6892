package simulator

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// Histories drives the function through random histories: edits, Secrets that
// come and go, partial applies, a provider that lags. Two of three are rough: webhooks change
// and refuse what is applied, answers are lost, people delete and edit what is live. HISTORIES
// sets their number, SEED replays one.
func Histories(t *testing.T, fn Function) {
	t.Helper()

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

	for _, f := range Flavours {
		for _, seed := range seeds {
			t.Run(fmt.Sprintf("%s/SEED=%d", f.Name, seed), func(t *testing.T) {
				t.Parallel()

				w := New(t, fn, seed, f)
				w.rough = w.rand.IntN(3) > 0
				w.SetSecret("jwt", SecretValues["jwt"][0])

				// Some values count when the server first starts.
				for _, name := range []string{"admin", "db"} {
					w.SetSecret(name, SecretValues[name][w.rand.IntN(len(SecretValues[name]))])
				}

				for w.rough && w.rand.IntN(2) == 0 {
					w.toggle()
				}

				for w.rand.IntN(4) == 0 {
					w.occupy()
				}

				if w.rand.IntN(3) == 0 {
					w.LetRead()
				}

				for w.rough && w.rand.IntN(3) == 0 {
					w.leaveClaim()
				}

				w.Create(f.XR)

				first := Specs[:5]
				if w.rough {
					first = roughSpecs
				}

				w.Edit(protostructtest.FromYAML(t, first[w.rand.IntN(len(first))]))

				for range 60 {
					w.step()
					steps.Add(1)
				}

				// In the end everything comes to rest.
				w.rest()

				calls.Add(int64(w.calls))
			})
		}
	}
}

// step does one random thing.
func (w *World) step() {
	names := slices.Sorted(maps.Keys(SecretValues))

	switch n := w.rand.IntN(100); {
	case n < 25:
		w.fault = w.someFault()
		w.Reconcile(w.rand.IntN(8))
	case n < 40:
		w.fault = w.someFault()
		w.Reconcile(100)
	case n < 70:
		if objects := w.provided(); len(objects) > 0 {
			w.Provide(objects[w.rand.IntN(len(objects))], w.someFault())
		}
	case n < 73 && w.rough:
		w.trouble()
	case n < 76:
		w.Control()
	case n < 84:
		specs := Specs
		if w.rough {
			specs = append(slices.Clone(specs), roughSpecs...)
		}

		spec := specs[w.rand.IntN(len(specs))]
		w.didf("edit: %.300s", spec)
		w.Edit(protostructtest.FromYAML(w.T, spec))
	case n < 90:
		name := names[w.rand.IntN(len(names))]
		v := SecretValues[name][w.rand.IntN(len(SecretValues[name]))]
		w.didf("set Secret %s: %v", name, v)
		w.SetSecret(name, v)
	case n < 92:
		name := names[w.rand.IntN(len(names))]
		w.didf("delete Secret %s", name)
		delete(w.Secrets, name)
		w.changes++
	case n < 95:
		// Crossplane writes into spec.
		w.didf("Crossplane writes spec.%s", w.Flavour.machinery)
		protostruct.Set(w.XR, structpb.NewStringValue(strconv.Itoa(w.rand.Int())), "spec", w.Flavour.machinery, "name")
		w.Bump()
	case n < 98:
		w.approve()
	case n < 99 && w.rand.IntN(2) == 0:
		w.occupy()
	case n < 99:
		w.Refused = !w.Refused
		w.didf("the API server refuses StatefulSets: %t", w.Refused)
	default:
		w.meddle()
	}
}

// trouble is what only rough worlds have.
func (w *World) trouble() {
	switch w.rand.IntN(10) {
	case 0, 1:
		w.toggle()
	case 2, 3:
		w.deleteByHand()
	case 4:
		w.edit()
	case 5, 6:
		if w.wasAtRest != nil {
			w.takeBack()
		}
	case 7:
		w.Fixed = !w.Fixed
		w.didf("the storage class allows no expansion: %t", w.Fixed)
	case 8:
		w.handleClaim()
	default:
		w.didf("the provider starts anew")
		clear(w.dryRuns)
	}
}
