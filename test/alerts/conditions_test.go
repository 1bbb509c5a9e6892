package alerts

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	yamlv3 "gopkg.in/yaml.v3" // As kube-state-metrics reads it.
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kube-state-metrics/v2/pkg/customresourcestate"
	"sigs.k8s.io/yaml"
)

// TestConditions shows which alerts a DittoServer in each state has, should it stay in it,
// by what kube-state-metrics makes of its conditions.
func TestConditions(t *testing.T) {
	want := map[string][]string{
		"running":          nil,
		"stopped":          nil,
		"paused":           nil,
		"deleting":         nil,
		"created":          nil,
		"rolling":          {"DittoServerNotReady", "DittoServerNotRolledOut"},
		"approved":         {"DittoServerNeedsApproval"},
		"stale":            nil,
		"edited":           nil,
		"unpaused":         nil,
		"overtaken":        nil,
		"approved-before":  {"DittoServerNeedsApproval"},
		"approved-refused": {"DittoServerNeedsApproval", "DittoServerNotSynced"},
		"held":             {"DittoServerNeedsApproval"},
		"frozen":           {"DittoServerStorageWaits"},
		"invalid":          {"DittoServerSpecInvalid"},
		"secret-missing":   {"DittoServerNotRolledOut"},
		"crashed":          {"DittoServerNotReady"},
		"refused":          {"DittoServerNotReady"},
		"pending":          {"DittoServerNotReady", "DittoServerNotRolledOut"},
		"unreachable":      {"DittoServerNotSynced"},
	}

	for _, flavour := range []string{"namespaced", "claimed"} {
		files, err := os.ReadDir(recorded(flavour))
		if err != nil {
			t.Fatal(err)
		}

		for _, f := range files {
			state := strings.TrimSuffix(f.Name(), ".yaml")

			want, ok := want[state]
			if !ok {
				t.Errorf("which alerts does a DittoServer in the state %s have?", state)
			}

			t.Run(flavour+"/"+state, func(t *testing.T) {
				t.Parallel()

				if diff := gocmp.Diff(want, active(t, conditions(t, server(t, flavour, state))), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("alerts: -want, +got:\n%s", diff)
				}
			})
		}
	}
}

// TestConditionsOfRunning shows the alerts of a DittoServer that runs, by one condition.
func TestConditionsOfRunning(t *testing.T) {
	cases := map[string]struct {
		reason    string
		condition map[string]any
		want      []string
	}{
		"StartPrevented": {
			"It runs until its pod restarts.",
			map[string]any{"type": "ConfigRolledOut", "status": "False", "reason": "StartPrevented"},
			[]string{"DittoServerStartPrevented"},
		},
		"HasWarnings": {
			"Nothing is wrong yet.",
			map[string]any{"type": "Warnings", "status": "True", "reason": "HasWarnings"},
			[]string{"DittoServerWarnings"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server(t, "namespaced", "running")

			all, _, _ := unstructured.NestedSlice(s.Object, "status", "conditions")
			all = slices.DeleteFunc(all, func(c any) bool { return c.(map[string]any)["type"] == tc.condition["type"] })

			if err := unstructured.SetNestedSlice(s.Object, append(all, tc.condition), "status", "conditions"); err != nil {
				t.Fatal(err)
			}

			if diff := gocmp.Diff(tc.want, active(t, conditions(t, s))); diff != "" {
				t.Errorf("%s\nalerts: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// recorded is the folder of a flavour's DittoServers in each state.
func recorded(flavour string) string {
	return filepath.Join("..", "gitops", "testdata", flavour)
}

func server(t *testing.T, flavour, state string) *unstructured.Unstructured {
	t.Helper()

	s := &unstructured.Unstructured{}
	read(t, filepath.Join(recorded(flavour), state+".yaml"), &s.Object)

	return s
}

// conditions returns what kube-state-metrics tells of a DittoServer, with the configuration
// of the example.
func conditions(t *testing.T, server *unstructured.Unstructured) recording {
	t.Helper()

	var config struct {
		Data struct {
			Config string `json:"config.yaml"`
		} `json:"data"`
	}

	read(t, filepath.Join("..", "..", "example", "operate", "kube-state-metrics.yaml"), &config)

	var metrics customresourcestate.Metrics
	if err := yamlv3.Unmarshal([]byte(config.Data.Config), &metrics); err != nil {
		t.Fatal(err)
	}

	r := recording{}

	for _, resource := range metrics.Spec.Resources {
		factory, err := customresourcestate.NewCustomResourceMetrics(resource)
		if err != nil {
			t.Fatal(err)
		}

		for _, g := range factory.MetricFamilyGenerators() {
			family := g.Generate(server)

			for _, m := range family.Metrics {
				b := labels.NewBuilder(labels.FromStrings(labels.MetricName, family.Name))
				for i, key := range m.LabelKeys {
					b.Set(key, m.LabelValues[i])
				}

				r.append(b.Labels(), 0, m.Value)
			}
		}
	}

	return r
}

// read reads the first object of a file.
func read(t *testing.T, file string, into any) {
	t.Helper()

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	b, _, _ = bytes.Cut(b, []byte("\n---\n"))

	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// active returns the alerts whose expression holds.
func active(t *testing.T, r recording) []string {
	t.Helper()

	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})

	var alerts []string

	for _, rule := range rules(t, "kube-state-metrics.yaml") {
		q, err := engine.NewInstantQuery(t.Context(), r, nil, rule.Expr, at(0))
		if err != nil {
			t.Fatalf("%s: %v", rule.Alert, err)
		}

		v, err := q.Exec(t.Context()).Vector()
		if err != nil {
			t.Fatalf("%s: %v", rule.Alert, err)
		}

		for _, s := range v {
			if s.Metric.Get("namespace") == "" || s.Metric.Get("name") == "" {
				t.Errorf("%s: %s does not name the server", rule.Alert, s.Metric)
			}

			alerts = append(alerts, rule.Alert)
		}

		q.Close()
	}

	slices.Sort(alerts)

	return alerts
}
