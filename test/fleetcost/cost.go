package fleetcost

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A Sample is what the control plane counted until some time.
type Sample struct {
	At time.Time

	// Answers are the calls of functions that were no error.
	Answers float64

	// Reconciles of composite resources, calls of functions and their seconds, writes to etcd, circuit breakers that
	// opened, and requests to the API server by verb and resource.
	reconciles, calls, callSeconds, puts, opens float64
	requests                                    map[string]float64

	// callsWithin counts calls by how many seconds they took at most.
	callsWithin map[float64]float64

	// Processes by name.
	Processes map[string]Usage
}

// Usage of a process.
type Usage struct {
	CPU    float64 // Seconds.
	Memory float64 // Resident bytes.
}

// A Cost is what happened between two samples.
type Cost struct {
	Seconds, Reconciles, Calls, CallSeconds, Puts float64

	// Opens are how many circuit breakers opened.
	Opens float64

	Requests map[string]float64

	// CallsWithin counts calls by how many milliseconds they took at most, as text.
	CallsWithin map[string]float64

	// Processes have the CPU of the time in between, and the memory of its end.
	Processes map[string]Usage
}

// Since returns what happened since an earlier sample.
func (s Sample) Since(before Sample) Cost {
	c := Cost{
		Seconds: s.At.Sub(before.At).Seconds(), Reconciles: s.reconciles - before.reconciles,
		Calls: s.calls - before.calls, CallSeconds: s.callSeconds - before.callSeconds, Puts: s.puts - before.puts,
		Opens: s.opens - before.opens, CallsWithin: map[string]float64{}, Requests: map[string]float64{}, Processes: map[string]Usage{},
	}

	for what, n := range s.requests {
		if n -= before.requests[what]; n > 0 {
			c.Requests[what] = n
		}
	}

	for seconds, n := range s.callsWithin {
		c.CallsWithin[strconv.FormatFloat(seconds*1000, 'g', -1, 64)] = n - before.callsWithin[seconds]
	}

	for name, u := range s.Processes {
		// A process that restarted has used nothing before.
		used := u.CPU - before.Processes[name].CPU
		if used < 0 {
			used = u.CPU
		}

		c.Processes[name] = Usage{CPU: used, Memory: u.Memory}
	}

	return c
}

// NewSample reads metrics of the API server, etcd and Crossplane, as they publish them.
func NewSample(at time.Time, processes map[string]Usage, apiServer, etcd, crossplane []byte) (Sample, error) {
	s := Sample{At: at, Processes: processes, requests: map[string]float64{}, callsWithin: map[float64]float64{}}

	ofAPI, apiErr := parse(apiServer)
	ofEtcd, etcdErr := parse(etcd)
	ofCore, coreErr := parse(crossplane)

	if err := errors.Join(apiErr, etcdErr, coreErr); err != nil {
		return s, err
	}

	counted(ofAPI, "apiserver_request_total", func(labels map[string]string, value float64) {
		if labels["verb"] != "WATCH" {
			s.requests[strings.ToLower(labels["verb"])+" "+strings.Trim(labels["resource"]+"/"+labels["subresource"], "/")] += value
		}
	})
	counted(ofEtcd, "etcd_mvcc_put_total", func(_ map[string]string, value float64) { s.puts += value })
	counted(ofCore, "controller_runtime_reconcile_total", func(labels map[string]string, value float64) {
		if labels["controller"] == "composite/dittoservers.dittofs.io" {
			s.reconciles += value
		}
	})
	counted(ofCore, "function_run_function_request_total", func(_ map[string]string, value float64) { s.calls += value })
	counted(ofCore, "function_run_function_response_total", func(labels map[string]string, value float64) {
		if labels["grpc_code"] == "OK" {
			s.Answers += value
		}
	})
	counted(ofCore, "function_run_function_seconds", func(_ map[string]string, value float64) { s.callSeconds += value })
	counted(ofCore, "circuit_breaker_opens_total", func(_ map[string]string, value float64) { s.opens += value })
	buckets(ofCore, "function_run_function_seconds", func(bound, n float64) { s.callsWithin[bound] += n })

	return s, nil
}

// percentile returns how many seconds that part of the calls took at most: the bound of a bucket. Calls that are not
// answered yet are in none.
func (c Cost) percentile(part float64) float64 {
	least, answered := math.Inf(1), c.CallsWithin["+Inf"]

	for bound, n := range c.CallsWithin {
		if ms, err := strconv.ParseFloat(bound, 64); err == nil && n >= part*answered {
			least = min(least, ms/1000)
		}
	}

	return least
}

// A scraped page is its metrics by name.
type scraped map[string]*dto.MetricFamily

func parse(page []byte) (scraped, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)

	return parser.TextToMetricFamilies(bytes.NewReader(page))
}

// buckets passes on each bucket of a histogram.
func buckets(page scraped, name string, add func(bound, n float64)) {
	for _, m := range page[name].GetMetric() {
		for _, b := range m.GetHistogram().GetBucket() {
			add(b.GetUpperBound(), float64(b.GetCumulativeCount()))
		}
	}
}

// counted passes on each value of a metric: of a histogram, the sum.
func counted(page scraped, name string, add func(labels map[string]string, value float64)) {
	for _, m := range page[name].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}

		add(labels, valueOf(m))
	}
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.GetHistogram() != nil:
		return m.GetHistogram().GetSampleSum()
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	default:
		return m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
}
