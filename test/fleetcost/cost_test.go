package fleetcost

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// published metrics of all processes, with a factor of all counters.
func published(t *testing.T, factor int, after time.Duration, processes map[string]Usage) Sample {
	t.Helper()

	api := fmt.Sprintf(`# TYPE apiserver_request_total counter
apiserver_request_total{verb="APPLY",resource="objects",subresource="status",code="200"} %d
apiserver_request_total{verb="APPLY",resource="objects",subresource="status",code="409"} %d
apiserver_request_total{verb="GET",resource="",subresource="api",code="200"} %d
apiserver_request_total{verb="LIST",resource="secrets",subresource="",code="200"} 4
apiserver_request_total{verb="WATCH",resource="secrets",subresource="",code="200"} %d
`, 10*factor, factor, 2*factor, factor)
	etcd := fmt.Sprintf("# TYPE etcd_mvcc_put_total counter\netcd_mvcc_put_total %d\n", 3*factor)
	core := fmt.Sprintf(`# TYPE controller_runtime_reconcile_total counter
controller_runtime_reconcile_total{controller="composite/dittoservers.dittofs.io",result="success"} %d
controller_runtime_reconcile_total{controller="composite/dittoservers.dittofs.io",result="error"} %d
controller_runtime_reconcile_total{controller="composite/others.example.org",result="success"} 100
# TYPE function_run_function_request_total counter
function_run_function_request_total{function_name="one"} %d
# TYPE function_run_function_response_total counter
function_run_function_response_total{function_name="one",grpc_code="OK",result_severity="Normal"} %d
function_run_function_response_total{function_name="one",grpc_code="OK",result_severity="Warning"} %d
function_run_function_response_total{function_name="one",grpc_code="Unavailable",result_severity=""} %d
# TYPE function_run_function_seconds histogram
function_run_function_seconds_bucket{function_name="one",le="0.01"} %d
function_run_function_seconds_bucket{function_name="one",le="0.1"} %d
function_run_function_seconds_bucket{function_name="one",le="+Inf"} %d
function_run_function_seconds_sum{function_name="one"} %d
function_run_function_seconds_count{function_name="one"} %d
# TYPE circuit_breaker_opens_total counter
circuit_breaker_opens_total{controller="one"} %d
`, 5*factor, factor, 20*factor, 17*factor, factor, 2*factor, 15*factor, 19*factor, 20*factor, factor, 20*factor, factor)

	s, err := NewSample(time.Unix(0, 0).Add(after), processes, []byte(api), []byte(etcd), []byte(core))
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func TestSince(t *testing.T) {
	t.Parallel()

	before := published(t, 1, time.Minute, map[string]Usage{"function": {CPU: 5, Memory: 100}, "etcd": {CPU: 7, Memory: 100}})
	now := published(t, 3, 3*time.Minute, map[string]Usage{"function": {CPU: 2, Memory: 90}, "etcd": {CPU: 8, Memory: 110}})

	want := Cost{
		Seconds: 120, Reconciles: 12, Calls: 40, CallSeconds: 2, Puts: 6, Opens: 2,
		Requests:    map[string]float64{"apply objects/status": 22, "get api": 4},
		CallsWithin: map[string]float64{"10": 30, "100": 38, "+Inf": 40},
		// The function restarted.
		Processes: map[string]Usage{"function": {CPU: 2, Memory: 90}, "etcd": {CPU: 1, Memory: 110}},
	}
	if diff := cmp.Diff(want, now.Since(before)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	if got := now.Answers - before.Answers; got != 36 {
		t.Errorf("%v answers, want 36", got)
	}
}

func TestUnreadableMetrics(t *testing.T) {
	t.Parallel()

	if _, err := NewSample(time.Time{}, nil, nil, nil, []byte("{")); err == nil {
		t.Error("no error")
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()

	c := Cost{Calls: 50, CallsWithin: map[string]float64{"10": 30, "100": 38, "+Inf": 40}}

	for part, want := range map[float64]float64{0.5: 0.01, 0.75: 0.01, 0.76: 0.1, 0.95: 0.1, 0.99: math.Inf(1)} {
		if diff := cmp.Diff(want, c.percentile(part), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%v: -want, +got:\n%s", part, diff)
		}
	}
}
