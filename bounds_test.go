package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// listOf returns a list of n values.
func listOf(n int, item func(i int) any) []any {
	l := make([]any, n)
	for i := range l {
		l[i] = item(i)
	}

	return l
}

// mapOf returns a map of n entries.
func mapOf(n int, entry func(i int) (string, any)) map[string]any {
	m := make(map[string]any, n)
	for i := range n {
		key, v := entry(i)
		m[key] = v
	}

	return m
}

// A spec of a megabyte or more is refused by its size, whatever it would take of the function's
// time and memory. Nothing else is said of it: nobody looked.
func TestTooLarge(t *testing.T) {
	empty := func(int) any { return map[string]any{} }
	key := func(i int) string { return fmt.Sprintf("example.org/key-%d", i) }

	cases := map[string]struct {
		reason string
		path   []string
		value  any
		want   string
	}{
		"PullSecrets": {
			reason: "Each empty object would have three errors.",
			path:   []string{"imagePullSecrets"},
			value:  listOf(450_000, empty),
			want:   "spec.imagePullSecrets: Too many: 450000: must have at most 8000 items",
		},
		"UniquePullSecrets": {
			reason: "Good ones would be compared with each other at every call.",
			path:   []string{"imagePullSecrets"},
			value:  listOf(50_000, func(i int) any { return map[string]any{"name": fmt.Sprintf("s-%d", i)} }),
			want:   "spec.imagePullSecrets: Too many: 50000: must have at most 8000 items",
		},
		"Tolerations": {
			reason: "Each empty object is a toleration that needs an operator.",
			path:   []string{"tolerations"},
			value:  listOf(450_000, empty),
			want:   "spec.tolerations: Too many: 450000: must have at most 8000 items",
		},
		"Limits": {
			reason: "Each quantity could not be decoded, and each such error would be compared with all others.",
			path:   []string{"resources"},
			value:  map[string]any{"limits": mapOf(40_000, func(i int) (string, any) { return key(i), 1e100 })},
			want:   "spec.resources.limits: Too many: 40000: must have at most 1024 entries",
		},
		"Annotations": {
			reason: "Errors of bad keys come in a random order, and would be sorted.",
			path:   []string{"podAnnotations"},
			value:  mapOf(50_000, func(i int) (string, any) { return fmt.Sprintf("no key %d", i), "" }),
			want:   "spec.podAnnotations: Too many: 50000: must have at most 1024 entries",
		},
		"ServiceAnnotations": {
			reason: "Those of Services are judged twice.",
			path:   []string{"service", "file", "annotations"},
			value:  mapOf(50_000, func(i int) (string, any) { return fmt.Sprintf("no key %d", i), "" }),
			want:   "spec.service.file.annotations: Too many: 50000: must have at most 1024 entries",
		},
		"MatchLabelKeys": {
			reason: "Good ones would be looked for in the selector at every call.",
			path:   []string{"topologySpreadConstraints"},
			value: []any{map[string]any{
				"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": map[string]any{},
				"matchLabelKeys": listOf(40_000, func(i int) any { return key(i) }),
			}},
			want: "spec.topologySpreadConstraints[0].matchLabelKeys: Too many: 40000: must have at most 8000 items",
		},
		"Quantity": {
			reason: "A quantity of a million digits takes seconds to parse.",
			path:   []string{"resources"},
			value:  map[string]any{"limits": map[string]any{"memory": strings.Repeat("9", 1_000_000)}},
			want:   "spec.resources.limits[memory]: Too long: has 1000000 characters, and must have at most 64",
		},
		"Size": {
			reason: "So does a size.",
			path:   []string{"storage", "contentSize"},
			value:  strings.Repeat("9", 1_000_000),
			want:   "spec.storage.contentSize: Too long: has 1000000 characters, and must have at most 64",
		},
		"Nested": {
			reason: "Lists within lists are bounded as a whole.",
			path:   []string{"affinity"},
			value: map[string]any{"podAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": listOf(100, func(int) any {
				return map[string]any{"topologyKey": "zone", "namespaces": listOf(1000, func(i int) any { return fmt.Sprintf("n-%d", i) })}
			})}},
			want: "spec: Too many: 8193: must have at most 8192 values in all",
		},
		"Unknown": {
			reason: "What the schema does not have is no better.",
			path:   []string{"colour"},
			value:  strings.Repeat("blue", 250_000),
			want:   "spec.colour: Too long: has 1000000 characters, and must have at most 4096",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)

			v, err := structpb.NewValue(tc.value)
			if err != nil {
				t.Fatal(err)
			}

			protostruct.Set(w.XR, v, append([]string{"spec"}, tc.path...)...)
			w.Patch("none", "version")

			// Not as it is served: most of these do not even get past the codec.
			rsp, err := newFunction().RunFunction(t.Context(), w.Request(nil))
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff("FALSE/Invalid: "+tc.want, simulator.Condition(rsp, report.SpecValid)); diff != "" {
				t.Errorf("%s\nf.RunFunction(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A lateContext is done once somebody has asked so many times whether it is.
type lateContext struct {
	context.Context

	asked, times int
}

func (c *lateContext) Err() error {
	if c.asked++; c.asked <= c.times {
		return nil
	}

	return context.Canceled
}

// A call that is given up while it runs ends with an error, too.
func TestDoneLater(t *testing.T) {
	w := newServer(t)
	req := w.Request(w.Settle().GetRequirements().GetResources())

	never := &lateContext{Context: t.Context(), times: 100}
	if _, err := newFunction().RunFunction(never, req); err != nil {
		t.Fatal(err)
	}

	// At its beginning, once the spec is judged, before it is counted, and at its end.
	if never.asked < 4 {
		t.Errorf("f.RunFunction(...): want at least 4 looks at the context, got %d", never.asked)
	}

	for times := range never.asked {
		rsp, err := newFunction().RunFunction(&lateContext{Context: t.Context(), times: times}, req)
		if got := status.Code(err); rsp != nil || got != codes.Canceled {
			t.Errorf("f.RunFunction(...), given up after %d looks: want %s and no response, got %s and %v", times, codes.Canceled, got, rsp)
		}
	}
}

// Whoever waits for no answer gets none: half a desired state would delete the rest.
func TestDone(t *testing.T) {
	cases := map[string]struct {
		reason string
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		want   codes.Code
	}{
		"Canceled": {
			reason: "Crossplane hung up.",
			ctx:    context.WithCancel,
			want:   codes.Canceled,
		},
		"DeadlineExceeded": {
			reason: "Crossplane waits no longer.",
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 0)
			},
			want: codes.DeadlineExceeded,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newServer(t)

			ctx, cancel := tc.ctx(t.Context())
			cancel()

			rsp, err := newFunction().RunFunction(ctx, w.Request(nil))
			if got := status.Code(err); rsp != nil || got != tc.want {
				t.Errorf("%s\nf.RunFunction(...): want %s and no response, got %s and %v", tc.reason, tc.want, got, rsp)
			}
		})
	}
}

// A spec that is as large as it may be works: what is composed of it, asked and live, is no
// larger than a request may be.
func TestLargest(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   string
	}{
		"Values": {
			reason: "Each variable has two values, and three in managed fields.",
			spec:   "[" + strings.Repeat("{name: A#},", v1alpha1.MaxValues/2-30) + "]",
		},
		"Texts": {
			reason: "A variable may be as long as Linux takes it.",
			spec:   "[" + strings.Repeat("{name: A#, value: "+strings.Repeat("a", 125*1024)+"},", 4) + "]",
		},
	}

	for name, tc := range cases {
		// Each variable has a name of its own.
		n := 0
		spec := regexp.MustCompile("#").ReplaceAllStringFunc(tc.spec, func(string) string {
			n++
			return strconv.Itoa(n)
		})

		for _, f := range simulator.Flavours {
			// Claims make no difference.
			if f.XR != simulator.Namespaced.XR {
				continue
			}

			t.Run(name+"/"+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, served(), f)
				w.Settle()
				w.Patch(spec, "extraEnv")

				if got := simulator.Condition(w.Settle(), report.ConfigRolledOut); !strings.HasPrefix(got, "TRUE/") {
					t.Errorf("%s\nf.RunFunction(...): want ConfigRolledOut True, got: %.200s", tc.reason, got)
				}
			})
		}
	}
}
