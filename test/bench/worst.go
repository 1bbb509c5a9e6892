package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"

	"github.com/dittofs/function-dittoserver/test/pages"
)

// Worst looks for the requests that cost the function most, by kind of field, and then has one
// tenant send them, over and over, while another one's calls are measured.
type Worst struct {
	Function   string `help:"The function's binary."                          required:"" type:"existingfile"`
	Before     string `help:"Another build of the function, to compare with." type:"existingfile"`
	Definition string `help:"The XRD, for the fields there are."              required:"" type:"existingfile"`
	Example    string `help:"A DittoServer with a value of every field."      required:"" type:"existingfile"`

	Only    *regexp.Regexp `help:"Try no other inputs than these, by field and value."`
	Size    int            `default:"1000000"   help:"Bytes of the largest inputs."`
	Memory  int64          `default:"268435456" help:"Limit of the function's memory, in bytes, while one tenant calls it with the worst."`
	Callers []int          `default:"8,100"     help:"How many calls at once that tenant makes."`
	Last    time.Duration  `default:"70s"       help:"How long. Connections are made anew after a minute."`

	Page string `help:"A Markdown page to write the tables into, between the marks." type:"existingfile"`
}

// tooLong is when an answer is not waited for any more.
const tooLong = 20 * time.Second

// A cost of a call.
type cost struct {
	cpu       time.Duration
	allocated float64 // Bytes.

	// late reports whether there was no answer within tooLong.
	late bool

	// said is what the function answered.
	said string
}

// A probe is a server that is called with one request at a time, and restarted when it does not
// answer.
type probe struct {
	binary  string
	metrics string
	server  *server
	normal  []byte
}

func (p *probe) start(ctx context.Context) error {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}

	p.metrics = lis.Addr().String()
	_ = lis.Close()

	p.server, err = start(ctx, func(address, _ string) *exec.Cmd {
		return exec.Command(p.binary, "--address="+address, "--insecure", "--metrics-address="+p.metrics) //nolint:noctx // Stopped by its process.
	}, nil, p.normal)

	return err
}

func (p *probe) stop() {
	if p.server != nil {
		p.server.stop()
		p.server = nil
	}
}

// allocated is how many bytes the server has allocated so far.
func (p *probe) allocated() (float64, error) {
	rsp, err := http.Get("http://" + p.metrics + "/metrics") //nolint:noctx // Loopback.
	if err != nil {
		return 0, err
	}
	defer rsp.Body.Close() //nolint:errcheck // Only read.

	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		return 0, err
	}

	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "go_memstats_alloc_bytes_total "); ok {
			return strconv.ParseFloat(strings.TrimSpace(n), 64)
		}
	}

	return 0, errors.New("no metric of what is allocated")
}

// measure what a call costs, of so many.
func (p *probe) measure(ctx context.Context, request []byte, calls int) (cost, error) {
	if p.server == nil {
		if err := p.start(ctx); err != nil {
			return cost{}, err
		}
	}

	allocated, err1 := p.allocated()
	used, err2 := p.server.cpu()

	if err := errors.Join(err1, err2); err != nil {
		return cost{}, err
	}

	var c cost

	for range calls {
		late, cancel := context.WithTimeout(ctx, tooLong)
		b, err := p.server.call(late, request)
		c.said = said(b, err)
		c.late = late.Err() != nil

		cancel()

		if c.late || ctx.Err() != nil {
			p.stop()
			c.cpu = tooLong

			return c, ctx.Err()
		}
	}

	now, err1 := p.server.cpu()
	total, err2 := p.allocated()

	c.cpu = (now - used) / time.Duration(calls)
	c.allocated = (total - allocated) / float64(calls)

	return c, errors.Join(err1, err2)
}

// said tells what the function made of a request.
func said(b []byte, err error) string {
	if err != nil {
		return "an error of the call"
	}

	rsp := &fnv1.RunFunctionResponse{}
	if err := proto.Unmarshal(b, rsp); err != nil {
		return err.Error()
	}

	for _, r := range rsp.GetResults() {
		if r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
			return "refused: " + r.GetReason()
		}
	}

	return "taken"
}

// usual requests, which are none of the inputs.
type usual struct{ objects, native *fnv1.RunFunctionRequest }

// Run the search.
func (w *Worst) Run(ctx context.Context, out io.Writer) error {
	requests, err := w.usual(ctx)
	if err != nil {
		return err
	}

	all, err := inputs(requests.objects, requests.native, w.Definition, w.Example)
	if err != nil {
		return err
	}

	if w.Only != nil {
		all = slices.DeleteFunc(all, func(in input) bool { return !w.Only.MatchString(in.String()) })
	}

	normal := encodeRequest(requests.objects)

	finalists, err := w.search(ctx, all, normal)
	if err != nil {
		return err
	}

	pairs, err := w.search(ctx, together(finalists, requests.objects), normal)
	if err != nil {
		return err
	}

	table, most, err := w.final(ctx, append(finalists, pairs...), normal)
	if err != nil {
		return err
	}

	attacks := []attack{most}

	for _, in := range all {
		if in.kind == everything {
			attacks = append(attacks, attack{in.String(), in.request(3 * w.Size / 2)})
		}
	}

	neighbours, err := w.neighbours(ctx, attacks, normal)
	if err != nil {
		return err
	}

	page := machine() + ".\n\n" + table + "\n" + neighbours
	_, _ = fmt.Fprintln(out, page)

	if w.Page == "" {
		return nil
	}

	return pages.Replace(w.Page, "make worst", page)
}

// usual requests of servers that run.
func (w *Worst) usual(ctx context.Context) (*usual, error) {
	fn, err := start(ctx, (&CLI{Function: w.Function}).servers("")[function], nil, nil)
	if err != nil {
		return nil, err
	}
	defer fn.stop()

	client := fnv1.NewFunctionRunnerServiceClient(fn.conn)

	request := func(name string, input map[string]any) (*fnv1.RunFunctionRequest, error) {
		r, err := readRecording(name, input)
		if err != nil {
			return nil, err
		}

		return r.request(ctx, client, 0)
	}

	objects, err1 := request("objects", nil)
	native, err2 := request("native", map[string]any{"compose": "Native"})

	return &usual{objects, native}, errors.Join(err1, err2)
}

// searched is how large inputs are that are tried. Those that are refused for their size are less
// work than those that are just small enough.
func (w *Worst) searched() []int { return []int{w.Size / 30, w.Size / 8} }

// chosen per kind, by CPU and by memory each.
const chosen = 3

// search for the inputs of each kind that cost most.
func (w *Worst) search(ctx context.Context, all []input, normal []byte) ([]input, error) {
	type tried struct {
		input
		cost
	}

	_, _ = fmt.Fprintf(os.Stderr, "Trying %d inputs\n", len(all))

	p := &probe{binary: w.Function, normal: normal}
	defer p.stop()

	byKind := map[string][]tried{}

	for _, in := range all {
		var most cost

		for _, size := range w.searched() {
			c, err := p.measure(ctx, in.request(size), 1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", in, err)
			}

			most.cpu, most.allocated = max(most.cpu, c.cpu), max(most.allocated, c.allocated)
		}

		byKind[in.kind] = append(byKind[in.kind], tried{in, most})
	}

	var out []input

	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		seen := map[string]bool{}

		for _, by := range []func(a, b tried) int{
			func(a, b tried) int { return cmp.Compare(b.cpu, a.cpu) },
			func(a, b tried) int { return cmp.Compare(b.allocated, a.allocated) },
		} {
			slices.SortStableFunc(byKind[kind], by)

			for _, t := range byKind[kind][:min(chosen, len(byKind[kind]))] {
				if !seen[t.input.String()] {
					seen[t.input.String()] = true
					out = append(out, t.input)
				}
			}
		}
	}

	return out, nil
}

// An attack is a request that one tenant sends over and over.
type attack struct {
	name    string
	request []byte
}

// A row tells the worst of a kind.
type row struct {
	input

	size  int
	costs []cost
}

// final measures what was chosen, at several sizes. It returns a table of the worst of each kind, and
// the worst of all.
func (w *Worst) final(ctx context.Context, all []input, normal []byte) (string, attack, error) {
	const calls = 5

	var probes []*probe

	for _, binary := range []string{w.Function, w.Before} {
		if binary != "" {
			p := &probe{binary: binary, normal: normal}
			defer p.stop()

			probes = append(probes, p)
		}
	}

	measure := func(request []byte, calls int) ([]cost, error) {
		var costs []cost

		for i, p := range probes {
			// Those that were slow before stay slow.
			if i > 0 && calls < warmUp {
				calls = 1
			}

			c, err := p.measure(ctx, request, calls)
			if err != nil {
				return nil, err
			}

			costs = append(costs, c)
		}

		return costs, nil
	}

	if _, err := measure(normal, warmUp); err != nil {
		return "", attack{}, err
	}

	usual, err := measure(normal, 5*warmUp)
	if err != nil {
		return "", attack{}, err
	}

	worst := map[string]row{}

	for _, in := range all {
		for _, size := range append(w.searched(), w.Size/3, w.Size) {
			costs, err := measure(in.request(size), calls)
			if err != nil {
				return "", attack{}, fmt.Errorf("%s: %w", in, err)
			}

			_, _ = fmt.Fprintf(os.Stderr, "%s, %s, %s: %s\n", in.kind, in, kilobytes(size), costs)

			if r, ok := worst[in.kind]; !ok || costs[0].cpu > r.costs[0].cpu {
				worst[in.kind] = row{in, size, costs}
			}
		}
	}

	table, most := tableOf(worst, usual)

	return table, attack{most.String() + ", " + kilobytes(most.size), most.request(most.size)}, nil
}

// tableOf the worst of each kind, next to what is usual, and the worst of all.
func tableOf(worst map[string]row, usual []cost) (string, row) {
	b := &strings.Builder{}
	fmt.Fprintf(b, "A call of a running server takes %s ms of CPU, and allocates %.1f MB.\n\n", milliseconds(usual[0].cpu), usual[0].allocated/1e6)
	fmt.Fprint(b, "| what is large | the worst of it | at | CPU, ms | times the usual | allocated, MB | answer |")

	if len(usual) > 1 {
		fmt.Fprint(b, " CPU before, ms | allocated before, MB |")
	}

	fmt.Fprint(b, "\n|"+strings.Repeat(" --- |", 7+2*(len(usual)-1))+"\n")

	var most row

	for _, kind := range slices.Sorted(maps.Keys(worst)) {
		r := worst[kind]
		if len(most.costs) == 0 || r.costs[0].cpu > most.costs[0].cpu {
			most = r
		}

		c := r.costs[0]
		fmt.Fprintf(b, "| %s | `%s`: %s | %s | %s | %.1f | %.1f | %s |", kind, r.where, r.what, kilobytes(r.size), milliseconds(c.cpu), c.cpu.Seconds()/usual[0].cpu.Seconds(), c.allocated/1e6, c.said)

		for _, c := range r.costs[1:] {
			fmt.Fprintf(b, " %s |", c)
		}

		b.WriteByte('\n')
	}

	return b.String(), most
}

// String has the cost in two columns of a table.
func (c cost) String() string {
	if c.late {
		return fmt.Sprintf("> %.0f | ", tooLong.Seconds()*1000)
	}

	return fmt.Sprintf("%s | %.1f", milliseconds(c.cpu), c.allocated/1e6)
}

// neighbours returns a table of what another tenant notices of attacks.
func (w *Worst) neighbours(ctx context.Context, attacks []attack, normal []byte) (string, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // The system cleans it up.

	keys, err := newPKI(dir)
	if err != nil {
		return "", err
	}

	b := &strings.Builder{}
	fmt.Fprintf(b, "With a memory limit of %d MiB (a cgroup), for %s each:\n\n", w.Memory>>20, w.Last)
	fmt.Fprint(b, "| one tenant's requests | at once | answered per second | failed | peak memory, MiB | another tenant's calls alone: p50, p99, ms | beside them: p50, p99, ms |\n| --- | --- | --- | --- | --- | --- | --- |\n")

	for _, binary := range []string{w.Function, w.Before} {
		for _, a := range attacks {
			for _, callers := range w.Callers {
				if binary == "" {
					continue
				}

				got, err := neighbourhood{binary: binary, memory: w.Memory, callers: callers, last: w.Last}.live(ctx, keys, normal, a.request)
				if err != nil {
					return "", err
				}

				name := a.name
				if binary != w.Function {
					name = "before: " + name
				}

				row := fmt.Sprintf("| %s (%s) | %d | %s |\n", name, kilobytes(len(a.request)), callers, got)
				_, _ = fmt.Fprint(os.Stderr, row)

				b.WriteString(row)
			}
		}
	}

	return b.String(), nil
}
