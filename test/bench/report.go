package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/template"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/test/peers"
)

// base64Text returns a Secret's value of so many bytes.
func base64Text(size int) *structpb.Value {
	return structpb.NewStringValue(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("example-"), size/8)))
}

// results of all rounds.
type results struct {
	command  string
	cases    []testCase
	answer   int
	measured map[[2]string][]measurement

	// throughput in calls per second, by server and calls in flight.
	throughput map[[2]any][]float64

	// binary sizes: as it is, and gzipped.
	binary map[string][2]int
}

func newResults(c *CLI, cases []testCase, answer int) *results {
	return &results{
		command: fmt.Sprintf("%d rounds of %s, %d distinct DittoServers", c.Rounds, c.Slice, c.XRs),
		cases:   cases, answer: answer, measured: map[[2]string][]measurement{}, throughput: map[[2]any][]float64{}, binary: map[string][2]int{},
	}
}

func (r *results) add(name, server string, m measurement) {
	key := [2]string{name, server}
	r.measured[key] = append(r.measured[key], m)
}

// of returns the median over the rounds, and whether there is any.
func of[T cmp.Ordered](r *results, name, server string, value func(m measurement) T) (T, bool) {
	var all []T
	for _, m := range r.measured[[2]string{name, server}] {
		all = append(all, value(m))
	}

	return median(all), len(all) > 0
}

func median[T cmp.Ordered](all []T) T {
	var zero T
	if len(all) == 0 {
		return zero
	}

	slices.Sort(all)

	return all[len(all)/2]
}

func (r *results) cpu(name, server string) float64 {
	d, _ := of(r, name, server, func(m measurement) time.Duration { return m.cpu })
	return d.Seconds() * 1000
}

func quantile(all []time.Duration, q float64) time.Duration {
	all = slices.Clone(all)
	slices.Sort(all)

	return all[int(q*float64(len(all)-1))]
}

// columns returns the columns of the tables: the servers that were measured.
func (r *results) columns() []string {
	return slices.DeleteFunc([]string{function, before, peers.GoTemplating, peers.PatchAndTransform, readyMade, passOn, raw}, func(s string) bool {
		return len(r.measured[[2]string{base, s}]) == 0
	})
}

// goals, as ratios within the run.
func (r *results) goals() [][4]string {
	ratio := func(what string, got, goal float64) [4]string {
		met := "yes"
		if got > goal {
			met = "no"
		}

		return [4]string{what, fmt.Sprintf("%.2f", got), fmt.Sprintf("≤ %.2f", goal), met}
	}

	peak := func(name string) float64 {
		n, _ := of(r, name, function, func(m measurement) int64 { return m.peak })
		return float64(n)
	}
	cold := func(server string) float64 {
		d, _ := of(r, base, server, func(m measurement) time.Duration { return m.coldStart })
		return d.Seconds()
	}
	mb := func(i int) float64 { return float64(r.binary[function][i]) / 1e6 }

	return [][4]string{
		ratio("CPU per call / the ready-made answer's", r.cpu(base, function)/r.cpu(base, readyMade), 0.5),
		ratio("the same, "+leanBase, r.cpu(leanBase, function)/r.cpu(leanBase, readyMade), 0.5),
		ratio("with 500 observed resources of others / raw gRPC", r.cpu(observed500, function)/r.cpu(observed500, raw), 2),
		ratio("with 500 desired resources of others / decode and return", r.cpu(desired500, function)/r.cpu(desired500, passOn), 0.15),
		ratio("with 1 MB in a Secret / raw gRPC", r.cpu(secret1M, function)/r.cpu(secret1M, raw), 3),
		ratio("peak memory, 500 observed / none", peak(observed500)/peak(base), 1.4),
		ratio("cold start / the bare gRPC server's", cold(function)/cold(raw), 1.5),
		ratio("stripped binary, MB", mb(0), 24),
		ratio("gzipped binary, MB", mb(1), 8.5),
	}
}

// tables returns the tables in Markdown.
func (r *results) tables() string {
	b := &strings.Builder{}
	row := func(cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	table := func(head ...string) {
		b.WriteByte('\n')
		row(head...)
		row(slices.Repeat([]string{"---"}, len(head))...)
	}

	fmt.Fprintf(b, "%s; %s. A request has %d bytes, the answer %d.\n", machine(), r.command, len(r.cases[0].requests[0]), r.answer)

	table("goal", "measured", "at most", "met")

	for _, g := range r.goals() {
		row(g[:]...)
	}

	columns := r.columns()

	fmt.Fprint(b, "\nCPU per call in ms, median (lowest to highest) of the rounds:\n")
	table(append([]string{"", "request"}, columns...)...)

	for _, tc := range r.cases {
		cells := []string{tc.name, kilobytes(len(tc.requests[0]))}

		for _, s := range columns {
			var all []time.Duration
			for _, m := range r.measured[[2]string{tc.name, s}] {
				all = append(all, m.cpu)
			}

			if len(all) == 0 {
				cells = append(cells, "–")
				continue
			}

			mid := median(all)
			cells = append(cells, fmt.Sprintf("%s (%s to %s)", milliseconds(mid), milliseconds(slices.Min(all)), milliseconds(slices.Max(all))))
		}

		row(cells...)
	}

	fmt.Fprintf(b, "\nOf %s:\n", base)
	table(append([]string{""}, columns...)...)

	each := func(what string, cell func(server string) string) {
		cells := []string{what}
		for _, s := range columns {
			cells = append(cells, cell(s))
		}

		row(cells...)
	}

	for _, q := range []float64{0.5, 0.99} {
		each(fmt.Sprintf("p%.0f, ms", q*100), func(s string) string {
			d, _ := of(r, base, s, func(m measurement) time.Duration { return quantile(m.latencies, q) })
			return milliseconds(d)
		})
	}

	for _, n := range []int{1, 8, 32} {
		each(fmt.Sprintf("calls per second, %d in flight", n), func(s string) string { return fmt.Sprintf("%.0f", median(r.throughput[[2]any{s, n}])) })
	}

	for _, name := range []string{base, observed500, secret1M} {
		each("peak memory, MB, "+name, func(s string) string {
			n, ok := of(r, name, s, func(m measurement) int64 { return m.peak })
			if !ok {
				return "–"
			}

			return fmt.Sprintf("%.0f", float64(n)/1e6)
		})
	}

	each("cold start to the first answer, ms", func(s string) string {
		d, _ := of(r, base, s, func(m measurement) time.Duration { return m.coldStart })
		return milliseconds(d)
	})
	each("binary, MB (gzipped)", func(s string) string {
		size, ok := r.binary[s]
		if !ok {
			return "as raw gRPC"
		}

		return fmt.Sprintf("%.1f (%.1f)", float64(size[0])/1e6, float64(size[1])/1e6)
	})

	return b.String()
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1000) }

func kilobytes(n int) string { return fmt.Sprintf("%.0f KB", float64(n)/1e3) }

// plot returns a chart of the CPU per call of each case and server, on a logarithmic axis.
func (r *results) plot() []byte {
	const (
		width, left, right, top, rowHeight = 780, 270, 40, 56, 26
		from, to                           = 0.05, 100.0 // ms.
	)

	x := func(ms float64) float64 {
		share := math.Log(ms/from) / math.Log(to/from)
		return left + min(max(share, 0), 1)*(width-left-right)
	}

	type dot struct {
		X     float64
		Class string
		Title string
	}

	type line struct {
		Y    int
		Name string
		Dots []dot
	}

	type tick struct {
		X     float64
		Label string
	}

	classes := map[string]string{function: "f", before: "o", peers.GoTemplating: "g", peers.PatchAndTransform: "t", readyMade: "m", passOn: "p", raw: "r"}
	data := struct {
		Width, Height, Top, Bottom, Left int
		Lines                            []line
		Ticks                            []tick
		Legend                           []dot
	}{Width: width, Top: top, Left: left, Bottom: top + rowHeight*len(r.cases)}
	data.Height = data.Bottom + 30

	for i, tc := range r.cases {
		l := line{Y: top + i*rowHeight + rowHeight/2, Name: tc.name}
		for _, s := range slices.Backward(r.columns()) {
			if len(r.measured[[2]string{tc.name, s}]) == 0 {
				continue
			}

			l.Dots = append(l.Dots, dot{X: x(r.cpu(tc.name, s)), Class: classes[s], Title: fmt.Sprintf("%s: %.2f ms", s, r.cpu(tc.name, s))})
		}

		data.Lines = append(data.Lines, l)
	}

	for _, ms := range []float64{0.1, 1, 10, 100} {
		data.Ticks = append(data.Ticks, tick{x(ms), fmt.Sprintf("%g ms", ms)})
	}

	at := 16.0
	for _, s := range r.columns() {
		data.Legend = append(data.Legend, dot{X: at, Class: classes[s], Title: s})
		at += 34 + 7*float64(len(s))
	}

	out := &bytes.Buffer{}
	if err := plotTemplate.Execute(out, data); err != nil {
		panic(err)
	}

	return out.Bytes()
}

//nolint:gochecknoglobals // A constant, as far as templates are.
var plotTemplate = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" font-family="sans-serif" font-size="12" role="img">
<title>CPU per call of the function and of its floors, in ms on a logarithmic axis</title>
<style>
text { fill: #6e7781 } line { stroke: #8b949e; stroke-opacity: .35 }
.f { fill: #1f6feb } .o { fill: #8b949e } .m { fill: #d29922 } .p { fill: #cf5b4e } .g { fill: #8250df } .t { fill: #bf3989 } .r { fill: #2da44e }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
</style>
{{range .Legend}}<circle cx="{{printf "%.1f" .X}}" cy="18" r="5" class="{{.Class}}"/><text x="{{printf "%.1f" .X}}" dx="10" y="22">{{.Title}}</text>
{{end}}{{range .Ticks}}<line x1="{{printf "%.1f" .X}}" x2="{{printf "%.1f" .X}}" y1="{{$.Top}}" y2="{{$.Bottom}}"/><text x="{{printf "%.1f" .X}}" y="{{$.Bottom}}" dy="18" text-anchor="middle">{{.Label}}</text>
{{end}}{{range .Lines}}<text x="{{$.Left}}" dx="-14" y="{{.Y}}" dy="4" text-anchor="end">{{.Name}}</text>
{{$y := .Y}}{{range .Dots}}<circle cx="{{printf "%.1f" .X}}" cy="{{$y}}" r="5" class="{{.Class}}"><title>{{.Title}}</title></circle>
{{end}}{{end}}</svg>
`))
