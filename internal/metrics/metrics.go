// Package metrics counts what platform teams alert on: holds and fatal results.
package metrics

import (
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/report"
)

const namespace = "function_dittoserver"

// Metrics of the function, beside those of gRPC.
type Metrics struct {
	holds *prometheus.CounterVec
	fatal *prometheus.CounterVec
}

// New returns Metrics that are registered with r.
func New(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		holds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "holds_total",
			Help:      "Calls in which a pod template had to wait, by the reason of the condition ConfigRolledOut.",
		}, []string{"reason"}),
		fatal: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "fatal_results_total",
			Help:      "Calls that ended with a fatal result, by its reason.",
		}, []string{"reason"}),
	}
	r.MustRegister(m.holds, m.fatal)

	// Begin at 0: Prometheus sees no increase in a counter that begins at 1.
	for _, reason := range []string{report.ReasonInvalid, report.ReasonFatal, report.ReasonPanic} {
		m.fatal.WithLabelValues(reason)
	}

	return m
}

// Observe counts a response.
func (m *Metrics) Observe(rsp *fnv1.RunFunctionResponse) {
	for _, c := range rsp.GetConditions() {
		// Every reconcile of a healthy server begins before its Secrets are fetched, which
		// is no hold.
		waits := c.GetType() == report.ConfigRolledOut && c.GetStatus() == fnv1.Status_STATUS_CONDITION_FALSE
		if waits && c.GetReason() != string(guard.SecretsNotFetched) {
			m.holds.WithLabelValues(c.GetReason()).Inc()
		}
	}

	for _, r := range rsp.GetResults() {
		if r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
			m.fatal.WithLabelValues(r.GetReason()).Inc()
		}
	}
}
