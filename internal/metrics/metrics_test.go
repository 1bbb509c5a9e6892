package metrics

import (
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/report"
)

func TestObserve(t *testing.T) {
	r := prometheus.NewRegistry()
	m := New(r)

	m.Observe(&fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{
			{Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_FALSE, Reason: string(guard.ApprovalRequired)},
			{Type: report.StorageUpToDate, Status: fnv1.Status_STATUS_CONDITION_FALSE, Reason: report.ReasonFrozen},
		},
		Results: []*fnv1.Result{{Severity: fnv1.Severity_SEVERITY_WARNING, Reason: new(string(guard.ApprovalRequired))}},
	})
	m.Observe(&fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{{Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_FALSE, Reason: string(guard.SecretsNotFetched)}},
	})
	m.Observe(&fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{{Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_TRUE, Reason: string(guard.RolledOut)}},
	})
	m.Observe(&fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{{Type: report.ConfigRolledOut, Status: fnv1.Status_STATUS_CONDITION_UNKNOWN, Reason: report.ReasonNotChecked}},
		Results:    []*fnv1.Result{{Severity: fnv1.Severity_SEVERITY_FATAL, Reason: new("Invalid")}},
	})

	want := `
# HELP function_dittoserver_fatal_results_total Calls that ended with a fatal result, by its reason.
# TYPE function_dittoserver_fatal_results_total counter
function_dittoserver_fatal_results_total{reason="FatalError"} 0
function_dittoserver_fatal_results_total{reason="Invalid"} 1
function_dittoserver_fatal_results_total{reason="Panic"} 0
# HELP function_dittoserver_holds_total Calls in which a pod template had to wait, by the reason of the condition ConfigRolledOut.
# TYPE function_dittoserver_holds_total counter
function_dittoserver_holds_total{reason="ApprovalRequired"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
