// Package main measures what a call of the function costs, next to what no function can do
// without: servers that pass bytes, that decode a request and send a ready-made answer,
// and that return the desired state. All run as processes, side by side in one run, over
// gRPC with mTLS as Crossplane calls functions.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/test/pages"
	"github.com/dittofs/function-dittoserver/test/peers"
)

// CLI of the benchmark.
type CLI struct {
	Function string `help:"The function's binary."                            required:"" type:"existingfile"`
	Before   string `help:"Another build of the function, to compare with."   type:"existingfile"`
	Floor    string `help:"The binary of the floors."                         required:"" type:"existingfile"`

	GoTemplating      string `help:"The binary of function-go-templating."       type:"existingfile"`
	PatchAndTransform string `help:"The binary of function-patch-and-transform." type:"existingfile"`

	XRs    int           `default:"1000"  help:"How many distinct composite resources there are." name:"xrs"`
	Rounds int           `default:"5"     help:"How often everything is measured, in turns."`
	Slice  time.Duration `default:"300ms" help:"How long each server is measured for each case in a round, and no less than each request once."`

	Page string `help:"A Markdown page to write the tables into, between the marks." type:"existingfile"`
	Plot string `help:"Where to write the plot (SVG)."`
}

func main() {
	commands := struct {
		Calls CLI   `cmd:"" default:"withargs" help:"Measure what a call of the function costs."`
		Worst Worst `cmd:"" help:"Look for the requests that cost most."`
	}{}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	k := kong.Parse(&commands, kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(os.Stdout, (*io.Writer)(nil)))
	k.FatalIfErrorf(k.Run())
}

// Run the benchmark.
func (c *CLI) Run(ctx context.Context, out io.Writer) error { return c.run(ctx, out) }

// Names of the servers.
const (
	function  = "function"
	before    = "function, before"
	raw       = "raw gRPC"
	readyMade = "ready-made answer"
	passOn    = "decode and return"
)

// Names of the cases that goals are about.
const (
	base         = "a running server"
	observed500  = "+ 500 observed resources of others"
	desired500   = "+ 500 desired resources of others"
	secret1M     = "+ 1 MB in a Secret that is read"
	withoutTLS   = "without TLS"
	leanBase     = "without managedFields"
	nativeServer = "composed natively"
)

// A testCase is a set of requests that differ in their composite resources.
type testCase struct {
	name     string
	requests [][]byte
	plain    bool

	// inputs are the requests with the inputs of others' functions, by the names of those that are measured.
	inputs map[string][][]byte
}

// of returns the requests to a server, or none.
func (tc testCase) of(server string) [][]byte {
	if server == peers.GoTemplating || server == peers.PatchAndTransform {
		return tc.inputs[server]
	}

	return tc.requests
}

func (c *CLI) run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // The system cleans it up.

	keys, err := newPKI(dir)
	if err != nil {
		return err
	}

	_, _ = fmt.Fprintln(os.Stderr, "Preparing requests")

	cases, answer, err := c.cases(ctx)
	if err != nil {
		return err
	}

	answerFile := filepath.Join(dir, "answer")
	if err := os.WriteFile(answerFile, answer, 0o600); err != nil {
		return err
	}

	servers := c.servers(answerFile)
	results := newResults(c, cases, len(answer))

	for round := range c.Rounds {
		_, _ = fmt.Fprintf(os.Stderr, "Round %d of %d\n", round+1, c.Rounds)

		if err := c.round(ctx, servers, cases, keys, results); err != nil {
			return err
		}
	}

	if err := results.sizes(c); err != nil {
		return err
	}

	page := results.tables()
	_, _ = fmt.Fprintln(out, page)

	if c.Plot != "" {
		if err := os.WriteFile(c.Plot, results.plot(), 0o644); err != nil {
			return err
		}
	}

	if c.Page == "" {
		return nil
	}

	return pages.Replace(c.Page, "make bench", page)
}

// servers returns the servers to measure, by name.
func (c *CLI) servers(answer string) map[string]command {
	functionAt := func(binary string) command {
		return func(address, certs string) *exec.Cmd {
			args := []string{"--address=" + address}
			if binary == c.Function || binary == c.Before {
				args = append(args, "--metrics-address=")
			}

			if certs == "" {
				args = append(args, "--insecure")
			}

			return exec.Command(binary, append(args, "--tls-certs-dir="+certs)...) //nolint:noctx // Stopped by its process.
		}
	}

	floor := func(mode string) command {
		return func(address, certs string) *exec.Cmd {
			return exec.Command(c.Floor, "--mode="+mode, "--answer="+answer, "--address="+address, "--tls-certs-dir="+certs) //nolint:noctx // As above.
		}
	}

	servers := map[string]command{function: functionAt(c.Function), raw: floor("raw"), readyMade: floor("ready-made"), passOn: floor("pass-on")}
	for name, binary := range map[string]string{before: c.Before, peers.GoTemplating: c.GoTemplating, peers.PatchAndTransform: c.PatchAndTransform} {
		if binary != "" {
			servers[name] = functionAt(binary)
		}
	}

	return servers
}

// cases, and the function's answer to the first of them.
func (c *CLI) cases(ctx context.Context) ([]testCase, []byte, error) {
	fn, err := start(ctx, c.servers("")[function], nil, nil)
	if err != nil {
		return nil, nil, err
	}
	defer fn.stop()

	client := fnv1.NewFunctionRunnerServiceClient(fn.conn)

	requests := func(recorded string, input map[string]any, lean bool, n int) ([]*fnv1.RunFunctionRequest, error) {
		r, err := readRecording(recorded, input)
		if err != nil {
			return nil, err
		}

		if lean {
			for _, o := range slices.Concat([]map[string]any{r.xr}, slices.Collect(maps.Values(r.composed)), slices.Collect(maps.Values(r.secrets))) {
				withoutManagers(o)
			}
		}

		all := make([]*fnv1.RunFunctionRequest, n)
		for i := range all {
			if all[i], err = r.request(ctx, client, i); err != nil {
				return nil, err
			}
		}

		return all, nil
	}

	objects, err := requests("objects", nil, false, c.XRs)
	if err != nil {
		return nil, nil, err
	}

	// Fewer where each is large.
	some := objects[:min(len(objects), 50)]

	lean, errLean := requests("objects", nil, true, len(some))
	native, errNative := requests("native", map[string]any{"compose": "Native"}, false, len(some))

	if err := errors.Join(errLean, errNative); err != nil {
		return nil, nil, err
	}

	cases := []testCase{
		{name: base, requests: encode(objects, nil)},
		{name: withoutTLS, requests: encode(objects, nil), plain: true},
		{name: leanBase, requests: encode(lean, nil)},
		{name: nativeServer, requests: encode(native, nil)},
	}

	for _, n := range []int{50, 500} {
		cases = append(cases, testCase{name: fmt.Sprintf("+ %d observed resources of others", n), requests: encode(some, func(r *fnv1.RunFunctionRequest) {
			maps.Copy(r.GetObserved().GetResources(), foreign(n))
		})})
	}

	for _, n := range []int{50, 500} {
		cases = append(cases, testCase{name: fmt.Sprintf("+ %d desired resources of others", n), requests: encode(some, func(r *fnv1.RunFunctionRequest) {
			r.Desired = &fnv1.State{Resources: foreign(n)}
		})})
	}

	large := func(key string, size int) func(r *fnv1.RunFunctionRequest) {
		return func(r *fnv1.RunFunctionRequest) {
			data := r.GetRequiredResources()["secret/files-jwt"].GetItems()[0].GetResource().GetFields()["data"].GetStructValue()
			data.Fields[key] = base64Text(size)
		}
	}

	for _, size := range []int{1 << 10, 32 << 10} {
		cases = append(cases, testCase{name: fmt.Sprintf("+ %d KB in a Secret that is read", size>>10), requests: encode(some, large("jwt-secret", size))})
	}

	cases = append(cases,
		testCase{name: secret1M, requests: encode(some, large("jwt-secret", 1<<20))},
		testCase{name: "+ 1 MB in a key that is not", requests: encode(some, large("other", 1<<20))})

	answer, err := fn.call(ctx, cases[0].requests[0])
	if err != nil {
		return nil, nil, err
	}

	inputs, err := inputsOf(answer, some[0])
	if err != nil {
		return nil, nil, err
	}

	// Resources of others cost these functions what they cost the SDK: see decode and return.
	cases[0].inputs = map[string][][]byte{}
	for name, input := range inputs {
		cases[0].inputs[name] = encode(some, func(r *fnv1.RunFunctionRequest) { r.Input = input })
	}

	return cases, answer, nil
}

// inputsOf returns the inputs of others' functions that compose what an answer to a request does.
func inputsOf(answer []byte, req *fnv1.RunFunctionRequest) (map[string]*structpb.Struct, error) {
	rsp := &fnv1.RunFunctionResponse{}
	if err := proto.Unmarshal(answer, rsp); err != nil {
		return nil, err
	}

	composed := map[string]any{}
	for name, r := range rsp.GetDesired().GetResources() {
		o := r.GetResource().AsMap()
		composed[name] = map[string]any{"apiVersion": o["apiVersion"], "kind": o["kind"], "spec": o["spec"]}
	}

	xr := req.GetObserved().GetComposite().GetResource().AsMap()
	server := peers.Server{Namespace: fmt.Sprint(at(xr, "metadata", "namespace")), Name: fmt.Sprint(at(xr, "metadata", "name")), Composed: composed}

	inputs := map[string]*structpb.Struct{}

	for _, name := range []string{peers.GoTemplating, peers.PatchAndTransform} {
		input, err := structpb.NewStruct(peers.Input(name, server))
		if err != nil {
			return nil, err
		}

		inputs[name] = input
	}

	return inputs, nil
}

// encode requests, each changed.
func encode(requests []*fnv1.RunFunctionRequest, change func(r *fnv1.RunFunctionRequest)) [][]byte {
	all := make([][]byte, len(requests))

	for i, r := range requests {
		if change != nil {
			r = proto.CloneOf(r)
			change(r)
		}

		b, err := proto.Marshal(r)
		if err != nil {
			panic(err)
		}

		all[i] = b
	}

	return all
}

// round measures each server for each case, one after the other.
func (c *CLI) round(ctx context.Context, servers map[string]command, cases []testCase, keys *pki, results *results) error {
	names := slices.Sorted(maps.Keys(servers))

	for _, tc := range cases {
		pki := keys
		if tc.plain {
			pki = nil
		}

		for _, name := range names {
			requests := tc.of(name)
			if len(requests) == 0 {
				continue
			}

			// A process of its own for each case, whose peak memory is the case's.
			s, err := start(ctx, servers[name], pki, requests[0])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, tc.name, err)
			}

			m, err := c.measure(ctx, s, requests)
			s.stop()

			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, tc.name, err)
			}

			results.add(tc.name, name, m)
		}
	}

	for _, name := range names {
		for _, inFlight := range []int{1, 8, 32} {
			requests := cases[0].of(name)

			s, err := start(ctx, servers[name], keys, requests[0])
			if err != nil {
				return err
			}

			perSecond, err := c.throughput(ctx, s, requests, inFlight)
			s.stop()

			if err != nil {
				return err
			}

			results.throughput[[2]any{name, inFlight}] = append(results.throughput[[2]any{name, inFlight}], perSecond)
		}
	}

	return nil
}

// A measurement of one server in one case.
type measurement struct {
	cpu       time.Duration // Per call.
	latencies []time.Duration
	peak      int64
	coldStart time.Duration
}

// warmUp calls are not measured.
const warmUp = 20

func (c *CLI) measure(ctx context.Context, s *server, requests [][]byte) (measurement, error) {
	m := measurement{coldStart: s.started}

	for i := range warmUp {
		if _, err := s.call(ctx, requests[i%len(requests)]); err != nil {
			return m, err
		}
	}

	used, err := s.cpu()
	if err != nil {
		return m, err
	}

	// Each request once at least.
	for begin, i := time.Now(), warmUp; time.Since(begin) < c.Slice || i < warmUp+len(requests); i++ {
		called := time.Now()
		if _, err := s.call(ctx, requests[i%len(requests)]); err != nil {
			return m, err
		}

		m.latencies = append(m.latencies, time.Since(called))
	}

	now, err := s.cpu()
	if err != nil {
		return m, err
	}

	m.cpu = (now - used) / time.Duration(len(m.latencies))
	m.peak, err = s.peak()

	return m, err
}

// throughput measures calls per second with so many calls in flight.
func (c *CLI) throughput(ctx context.Context, s *server, requests [][]byte, inFlight int) (float64, error) {
	var (
		calls atomic.Int64
		wg    sync.WaitGroup
		errs  = make([]error, inFlight)
		begin = time.Now()
	)

	for i := range inFlight {
		wg.Go(func() {
			for time.Since(begin) < c.Slice && errs[i] == nil {
				_, errs[i] = s.call(ctx, requests[int(calls.Add(1))%len(requests)])
			}
		})
	}

	wg.Wait()

	return float64(calls.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}

// sizes measures the sizes of the binaries.
func (r *results) sizes(c *CLI) error {
	for name, file := range map[string]string{function: c.Function, before: c.Before, raw: c.Floor, peers.GoTemplating: c.GoTemplating, peers.PatchAndTransform: c.PatchAndTransform} {
		if file == "" {
			continue
		}

		b, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return err
		}

		zipped := &bytes.Buffer{}

		w, err := gzip.NewWriterLevel(zipped, gzip.BestCompression)
		if err != nil {
			return err
		}

		if _, err := w.Write(b); err != nil {
			return err
		}

		if err := w.Close(); err != nil {
			return err
		}

		r.binary[name] = [2]int{len(b), zipped.Len()}
	}

	return nil
}

// machine describes the machine that this runs on.
func machine() string {
	model := "an unknown CPU"

	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}

	return fmt.Sprintf("%d cores of %s, %s", runtime.NumCPU(), model, runtime.Version())
}
