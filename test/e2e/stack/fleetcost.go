package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A sample is what the control plane counted until some time.
type sample struct {
	at time.Time

	// Reconciles of composite resources, calls of functions and their seconds, requests to the API
	// server by verb and resource, writes to etcd.
	reconciles, calls, callSeconds, puts, opens float64
	requests                                    map[string]float64

	// callsWithin counts calls by how many seconds they took at most.
	callsWithin map[float64]float64

	// Processes by name.
	processes map[string]usage
}

// usage of a process.
type usage struct {
	CPU    float64 // Seconds.
	Memory float64 // Resident bytes.
}

// A cost is what happened between two samples.
type cost struct {
	Seconds, Reconciles, Calls, CallSeconds, Puts float64

	// Opens are how many circuit breakers opened.
	Opens float64

	Requests map[string]float64

	// CallsWithin counts calls by how many milliseconds they took at most, as text.
	CallsWithin map[string]float64

	// Processes have the CPU of the time in between, and the memory of its end.
	Processes map[string]usage
}

// since returns what happened since an earlier sample.
func (s sample) since(before sample) cost {
	c := cost{
		Seconds: s.at.Sub(before.at).Seconds(), Reconciles: s.reconciles - before.reconciles,
		Calls: s.calls - before.calls, CallSeconds: s.callSeconds - before.callSeconds, Puts: s.puts - before.puts,
		Opens: s.opens - before.opens, CallsWithin: map[string]float64{}, Requests: map[string]float64{}, Processes: map[string]usage{},
	}

	for what, n := range s.requests {
		if n -= before.requests[what]; n > 0 {
			c.Requests[what] = n
		}
	}

	for seconds, n := range s.callsWithin {
		c.CallsWithin[strconv.FormatFloat(seconds*1000, 'g', -1, 64)] = n - before.callsWithin[seconds]
	}

	for name, u := range s.processes {
		// A process that restarted has used nothing before.
		used := u.CPU - before.processes[name].CPU
		if used < 0 {
			used = u.CPU
		}

		c.Processes[name] = usage{CPU: used, Memory: u.Memory}
	}

	return c
}

// percentile returns how many seconds that part of the calls took at most: the bound of a bucket.
func (c cost) percentile(part float64) float64 {
	least := math.Inf(1)

	for bound, n := range c.CallsWithin {
		if ms, err := strconv.ParseFloat(bound, 64); err == nil && n >= part*c.Calls {
			least = min(least, ms/1000)
		}
	}

	return least
}

// sample what there is now.
func (f *fleet) sample(ctx context.Context) (sample, error) {
	s := sample{at: time.Now(), requests: map[string]float64{}, callsWithin: map[float64]float64{}}

	api, apiErr := f.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	etcd, etcdErr := scrape(ctx, f.stack.etcd(2379)+"/metrics")
	core, coreErr := scrape(ctx, "http://"+f.stack.hostPort(8080)+"/metrics")
	processes, processErr := processesOf(f.stack)

	if err := errors.Join(apiErr, etcdErr, coreErr, processErr); err != nil {
		return s, err
	}

	ofAPI, apiErr := parse(api)
	ofEtcd, etcdErr := parse(etcd)
	ofCore, coreErr := parse(core)

	if err := errors.Join(apiErr, etcdErr, coreErr); err != nil {
		return s, err
	}

	s.processes = processes

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
	counted(ofCore, "function_run_function_seconds", func(_ map[string]string, value float64) { s.callSeconds += value })
	counted(ofCore, "circuit_breaker_opens_total", func(_ map[string]string, value float64) { s.opens += value })
	buckets(ofCore, "function_run_function_seconds", func(bound, n float64) { s.callsWithin[bound] += n })

	return s, nil
}

func scrape(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}

	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rsp.Body.Close() }()

	if rsp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, rsp.Status)
	}

	return io.ReadAll(rsp.Body)
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

// ticks of a second in which the kernel counts CPU.
const ticks = 100

// processesOf returns what the stack's processes and this program's used so far, those of a name together.
func processesOf(s stack) (map[string]usage, error) {
	all := map[string]usage{}

	for _, parent := range []int{supervisorPID(s), os.Getpid()} {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		if err != nil {
			return nil, err
		}

		for _, file := range files {
			children, err := os.ReadFile(filepath.Clean(file))
			if err != nil {
				return nil, err
			}

			for pid := range strings.FieldsSeq(string(children)) {
				name, u, err := usageOf(pid)
				if err != nil {
					return nil, err
				}

				all[name] = usage{CPU: all[name].CPU + u.CPU, Memory: all[name].Memory + u.Memory}
			}
		}
	}

	return all, nil
}

// usageOf returns the name of a process, and what it used so far.
func usageOf(pid string) (string, usage, error) {
	command, commandErr := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	stat, statErr := os.ReadFile(filepath.Join("/proc", pid, "stat"))

	if err := errors.Join(commandErr, statErr); err != nil {
		return "", usage{}, err
	}

	program, _, _ := strings.Cut(string(command), "\x00")

	// After the name, in brackets: the 12th and 13th are the ticks, the 22nd is the memory, in pages.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return "", usage{}, fmt.Errorf("cannot read what process %s used", pid)
	}

	user, userErr := strconv.ParseFloat(fields[11], 64)
	system, systemErr := strconv.ParseFloat(fields[12], 64)
	pages, pagesErr := strconv.ParseFloat(fields[21], 64)

	return filepath.Base(program), usage{CPU: (user + system) / ticks, Memory: pages * float64(os.Getpagesize())}, errors.Join(userErr, systemErr, pagesErr)
}
