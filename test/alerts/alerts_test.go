// Package alerts holds the Prometheus alerts of the examples against the function's own
// counters, minute by minute, with Prometheus' interpreter.
package alerts

import (
	"bytes"
	"cmp"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// A rule of the PrometheusRule.
type rule struct {
	Alert string         `json:"alert"`
	Expr  string         `json:"expr"`
	For   model.Duration `json:"for"`
}

// rules returns the rules of a file below example/operate, whose last object they are.
func rules(t *testing.T, file string) []rule {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("..", "..", "example", "operate", file))
	if err != nil {
		t.Fatal(err)
	}

	const separator = "\n---\n"

	b = b[bytes.LastIndex(b, []byte(separator))+len(separator):]

	var object struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}

	if err := yaml.Unmarshal(b, &object); err != nil || len(object.Spec.Groups) != 1 {
		t.Fatalf("%d groups: %v", len(object.Spec.Groups), err)
	}

	return object.Spec.Groups[0].Rules
}

// held is what the function answers while a DittoServer keeps its old configuration.
func held(reason guard.Reason) *fnv1.RunFunctionResponse {
	return &fnv1.RunFunctionResponse{Conditions: []*fnv1.Condition{{
		Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_FALSE, Reason: string(reason),
	}}}
}

// failed is an answer that ends with a fatal result.
func failed(reason string) *fnv1.RunFunctionResponse {
	return &fnv1.RunFunctionResponse{Results: []*fnv1.Result{{
		Severity: fnv1.Severity_SEVERITY_FATAL, Reason: ptr.To(reason),
	}}}
}

// A pod of the function, and what it answers at a minute: nil if it is not called.
type pod struct {
	name string

	// up reports whether it can be scraped at a minute. Nil is always.
	up func(minute int) bool

	answers func(minute int) *fnv1.RunFunctionResponse
}

func every(minutes int, rsp *fnv1.RunFunctionResponse) func(int) *fnv1.RunFunctionResponse {
	return func(minute int) *fnv1.RunFunctionResponse {
		if minute%minutes == 0 {
			return rsp
		}

		return nil
	}
}

func between(from, to int, rsp *fnv1.RunFunctionResponse) func(int) *fnv1.RunFunctionResponse {
	return func(minute int) *fnv1.RunFunctionResponse {
		if from <= minute && minute < to {
			return rsp
		}

		return nil
	}
}

func TestAlerts(t *testing.T) {
	never := every(1, nil)

	cases := map[string]struct {
		reason string
		pods   []pod
		// want are the alerts of three hours, by the minute at which they begin to fire.
		want map[string]int
	}{
		"Healthy": {
			reason: "Nothing is wrong.",
			pods:   []pod{{answers: every(1, &fnv1.RunFunctionResponse{})}},
		},
		"Approval": {
			reason: "A person is asked for after half an hour.",
			pods:   []pod{{answers: between(10, minutes, held(guard.ApprovalRequired))}},
			want:   map[string]int{"DittoServerWaitsForApproval": 41},
		},
		"ApprovalWithLongTTL": {
			reason: "With a TTL of 5 minutes there is a call in every ten.",
			pods:   []pod{{answers: every(5, held(guard.ApprovalRequired))}},
			want:   map[string]int{"DittoServerWaitsForApproval": 35},
		},
		"ApprovedSoon": {
			reason: "What passes within a quarter of an hour disturbs nobody.",
			pods:   []pod{{answers: between(10, 25, held(guard.ApprovalRequired))}},
		},
		"SecretMissing": {
			reason: "A hold that is none of a person's is another alert.",
			pods:   []pod{{answers: between(10, minutes, held(guard.SecretsNotResolved))}},
			want:   map[string]int{"DittoServerHeld": 41},
		},
		"Busy": {
			reason: "Now one server is edited, now another: each waits for its ConfigMap, shortly.",
			pods:   []pod{{answers: func(m int) *fnv1.RunFunctionResponse { return every(8, held(guard.ConfigMapNotReady))(min(m, 100)) }}},
		},
		"Stuck": {
			reason: "What should pass does not.",
			pods:   []pod{{answers: between(10, minutes, held(guard.ConfigMapNotReady))}},
			want:   map[string]int{"DittoServerRolloutStuck": 131},
		},
		"EveryReconcile": {
			reason: "The first call of each reconcile comes without Secrets.",
			pods:   []pod{{answers: every(1, held(guard.SecretsNotFetched))}},
		},
		"Invalid": {
			reason: "A spec stays wrong.",
			pods:   []pod{{answers: between(10, minutes, failed(report.ReasonInvalid))}},
			want:   map[string]int{"DittoServerInvalid": 40},
		},
		"OneFailure": {
			reason: "Crossplane tries again.",
			pods:   []pod{{answers: between(10, 11, failed(report.ReasonFatal))}},
		},
		"Failing": {
			reason: "It does not get better.",
			pods:   []pod{{answers: between(10, minutes, failed(report.ReasonFatal))}},
			want:   map[string]int{"DittoServerFailing": 25},
		},
		"Panics": {
			reason: "A panic at each call, with one try in two minutes.",
			pods:   []pod{{answers: every(2, failed(report.ReasonPanic))}},
			want:   map[string]int{"DittoServerFailing": 17},
		},
		"TwoPods": {
			reason: "Two replicas share the calls.",
			pods: []pod{
				{answers: every(2, held(guard.ApprovalRequired))},
				{name: "second", answers: every(3, held(guard.ApprovalRequired))},
			},
			want: map[string]int{"DittoServerWaitsForApproval": 32},
		},
		"Replaced": {
			reason: "The counters of a new pod begin anew, and the alert does not.",
			pods: []pod{
				{up: func(m int) bool { return m < 20 }, answers: between(0, 20, held(guard.ApprovalRequired))},
				{name: "second", up: func(m int) bool { return m >= 22 }, answers: between(22, minutes, held(guard.ApprovalRequired))},
			},
			want: map[string]int{"DittoServerWaitsForApproval": 31},
		},
		"Down": {
			reason: "No replica answers.",
			pods:   []pod{{up: func(m int) bool { return m < 30 }, answers: never}},
			want:   map[string]int{"FunctionDittoServerDown": 35},
		},
		"DownShortly": {
			reason: "A replica that is replaced comes back.",
			pods:   []pod{{up: func(m int) bool { return m < 30 || m >= 33 }, answers: never}},
		},
		"OneOfTwoDown": {
			reason: "The other one answers.",
			pods:   []pod{{answers: never}, {name: "second", up: func(int) bool { return false }, answers: never}},
		},
		"Gone": {
			reason: "There is nothing to scrape.",
			want:   map[string]int{"FunctionDittoServerDown": 5},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := gocmp.Diff(tc.want, firing(t, record(t, tc.pods)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\nalerts: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNearlyFull shows that a volume of a server is told before it is full, and no other one.
func TestNearlyFull(t *testing.T) {
	half := func(int) float64 { return 0.5 }

	cases := map[string]struct {
		reason string
		claim  string
		free   func(minute int) float64
		want   map[string]int
	}{
		"Half": {"There is room.", "metadata-files-0", half, nil},
		"Full": {"It fills up.", "metadata-files-0", func(m int) float64 { return 1 - float64(m)/100 }, map[string]int{"DittoServerVolumeNearlyFull": 105}},
		"Grown": {"It grows in time.", "content-files-0", func(m int) float64 {
			return map[bool]float64{true: 0.05}[m > 10 && m < 20] + map[bool]float64{true: 0.5}[m <= 10 || m >= 20]
		}, nil},
		"Another": {"It is another application's.", "data-db-0", func(int) float64 { return 0 }, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := record(t, []pod{{answers: every(1, nil)}})

			for minute := range minutes {
				for metric, v := range map[string]float64{"kubelet_volume_stats_available_bytes": tc.free(minute) * 1e10, "kubelet_volume_stats_capacity_bytes": 1e10} {
					r.append(labels.FromStrings(labels.MetricName, metric, "namespace", "storage", "persistentvolumeclaim", tc.claim), minute, v)
				}
			}

			if diff := gocmp.Diff(tc.want, firing(t, r), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\nalerts: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestEveryHold shows that there is one alert for each reason to wait, and no second one.
func TestEveryHold(t *testing.T) {
	cases := map[guard.Reason]map[string]int{
		guard.SecretsNotFetched:  {},
		guard.SecretsNotResolved: {"DittoServerHeld": 31},
		guard.StartPrevented:     {"DittoServerStartPrevented": 6},
		guard.StorageMissing:     {"DittoServerHeld": 31},
		guard.ApprovalRequired:   {"DittoServerWaitsForApproval": 31},
		guard.RolloutInProgress:  {"DittoServerRolloutStuck": 121},
		guard.ConfigMapNotReady:  {"DittoServerRolloutStuck": 121},
		guard.Recreating:         {"DittoServerRolloutStuck": 121},
		guard.PredecessorThere:   {"DittoServerRolloutStuck": 121},
		"OneOfTomorrow":          {"DittoServerRolloutStuck": 121},
	}

	for reason, want := range cases {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()

			if diff := gocmp.Diff(want, firing(t, record(t, []pod{{answers: every(1, held(reason))}}))); diff != "" {
				t.Errorf("alerts: -want, +got:\n%s", diff)
			}
		})
	}
}

// minutes of a recording.
const minutes = 180

// record lets the pods answer, and scrapes each of them once a minute.
func record(t *testing.T, pods []pod) recording {
	t.Helper()

	r := recording{}

	for _, p := range pods {
		registry := prometheus.NewPedanticRegistry()
		m := metrics.New(registry)
		name := "dittofs-function-dittoserver-" + cmp.Or(p.name, "first")

		for minute := range minutes {
			if rsp := p.answers(minute); rsp != nil {
				m.Observe(rsp)
			}

			up := p.up == nil || p.up(minute)
			r.append(labels.FromStrings(labels.MetricName, "up", "pod", name), minute, map[bool]float64{true: 1}[up])

			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}

			for _, family := range families {
				for _, metric := range family.GetMetric() {
					b := labels.NewBuilder(labels.FromStrings(labels.MetricName, family.GetName(), "pod", name))
					for _, l := range metric.GetLabel() {
						b.Set(l.GetName(), l.GetValue())
					}

					// Of what cannot be scraped Prometheus notes that it is stale.
					v := metric.GetCounter().GetValue()
					if !up {
						v = math.Float64frombits(value.StaleNaN)
					}

					r.append(b.Labels(), minute, v)
				}
			}
		}
	}

	return r
}

// firing are the alerts of a recording, with the minute at which each begins to fire.
func firing(t *testing.T, r recording) map[string]int {
	t.Helper()

	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	fires := map[string]int{}

	for _, rule := range rules(t, "monitoring.yaml") {
		// since when the alert is active, for each of what it is about.
		since := map[uint64]int{}

		for minute := range minutes {
			q, err := engine.NewInstantQuery(t.Context(), r, nil, rule.Expr, at(minute))
			if err != nil {
				t.Fatalf("%s: %v", rule.Alert, err)
			}

			v, err := q.Exec(t.Context()).Vector()
			if err != nil {
				t.Fatalf("%s: %v", rule.Alert, err)
			}

			active := map[uint64]int{}

			for _, s := range v {
				about := s.Metric.Hash()

				begin, ok := since[about]
				if !ok {
					begin = minute
				}

				active[about] = begin

				if _, ok := fires[rule.Alert]; !ok && at(minute).Sub(at(begin)) >= time.Duration(rule.For) {
					fires[rule.Alert] = minute
				}
			}

			since = active
			q.Close()
		}
	}

	return fires
}

// at is the time of a minute. Prometheus knows no time before 1970.
func at(minute int) time.Time { return time.Unix(1e9, 0).Add(time.Duration(minute) * time.Minute) }

// A recording is what Prometheus has stored, by the labels.
type recording map[string]*promql.Series

func (r recording) append(l labels.Labels, minute int, v float64) {
	if r[l.String()] == nil {
		r[l.String()] = &promql.Series{Metric: l}
	}

	s := r[l.String()]
	s.Floats = append(s.Floats, promql.FPoint{T: at(minute).UnixMilli(), F: v})
}

// Querier makes it a storage.Queryable.
func (r recording) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := &seriesSet{}

		for _, s := range r {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Metric.Get(m.Name)) }) {
				found.series = append(found.series, *s)
			}
		}

		return found
	}}, nil
}

// A seriesSet is an iterator.
type seriesSet struct {
	series []promql.Series
	next   int
}

func (s *seriesSet) Next() bool                        { s.next++; return s.next <= len(s.series) }
func (s *seriesSet) At() storage.Series                { return promql.NewStorageSeries(s.series[s.next-1]) }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
