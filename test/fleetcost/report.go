// Package fleetcost keeps what fleets of DittoServers cost a control plane, and reports it. The stack of the end-to-end
// tests measures it.
package fleetcost

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/dittofs/function-dittoserver/test/pages"
	"github.com/dittofs/function-dittoserver/test/peers"
)

// A Result is what a fleet cost.
type Result struct {
	Compose, TTL      string
	Servers, Replicas int

	// Complete says that nothing is left to measure.
	Complete bool

	// AtOnce is how many servers were created and not yet ready, at most.
	AtOnce int

	Creation Creation
	Rest     Cost

	// Changed is how many objects were written to at rest.
	Changed int

	Revision, Rotation, Upgrade Change

	// OthersMemory are the bytes by which Crossplane grew with Secrets of others, or 0 where that was not measured.
	OthersMemory float64
}

// A Creation tells what it took until all servers were ready.
type Creation struct {
	Progress Progress
	Cost     Cost
}

// Progress tells after how many seconds the first server, half of them and all were done.
type Progress struct{ First, Half, All float64 }

// Note how many servers are done after some time. It keeps the first time that the first, half or all are.
func (c *Progress) Note(ready, servers int, after time.Duration) {
	for _, m := range []struct {
		at     *float64
		enough bool
	}{{&c.First, ready > 0}, {&c.Half, 2*ready >= servers}, {&c.All, ready == servers}} {
		if *m.at == 0 && m.enough {
			*m.at = after.Seconds()
		}
	}
}

// ready returns for how many seconds a server was ready before all were, on average, if they became so evenly between the
// first, half and all.
func (c *Progress) ready() float64 { return (c.Half-c.First)/4 + (c.All-c.Half)*3/4 }

// A Change tells what it took until all servers were ready again, and how many restarted.
type Change struct {
	Progress Progress
	Restarts int
	Cost     Cost
}

// Results by key.
type Results map[string]Result

// Key of a fleet: what composes the servers, the function's ttl, their number, and that of the function's processes.
func Key(compose, ttl string, servers, replicas int) string {
	return fmt.Sprintf("%s/%s/%d/%d", compose, ttl, servers, replicas)
}

// Read results. A file that is not there has none.
func Read(file string) (Results, error) {
	r := Results{}

	b, err := os.ReadFile(filepath.Clean(file))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}

	return r, errors.Join(err, json.Unmarshal(b, &r))
}

// Write results to a file.
func (r Results) Write(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}

	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o600))
}

// sorted returns this function's ways first, and the smaller fleets of each.
func (r Results) sorted() []Result {
	order := []string{"object", "native", peers.GoTemplating, peers.PatchAndTransform}

	return slices.SortedFunc(maps.Values(r), func(a, b Result) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Compose), slices.Index(order, b.Compose)), cmp.Compare(len(a.TTL), len(b.TTL)), cmp.Compare(a.TTL, b.TTL), cmp.Compare(a.Servers, b.Servers), cmp.Compare(a.Replicas, b.Replicas))
	})
}

// A row of the table: a figure of each result.
type row struct {
	title string
	value func(r Result) string
}

// perHour returns a row of what happens at rest, for each server.
func perHour(title string, count func(c Cost) float64) row {
	return row{title, func(r Result) string { return fmt.Sprintf("%.1f", r.restPerHour(count)) }}
}

// perServer returns a row of what the creation of a server takes.
func perServer(title string, count func(c Cost) float64) row {
	return row{title, func(r Result) string { return fmt.Sprintf("%.1f", r.creationPerServer(count)) }}
}

// calls returns a row of how long calls of the function took.
func calls(when string, pick func(r Result) Cost) row {
	return row{when + ": ms per call as Crossplane sees it, mean and 99th percentile at most", func(r Result) string {
		c := pick(r)
		return fmt.Sprintf("%.1f, %.0f", 1000*c.CallSeconds/max(c.Calls, 1), 1000*c.percentile(0.99))
	}}
}

func reconciles(c Cost) float64 { return c.Reconciles }

func requests(c Cost) float64 {
	all := 0.0
	for _, n := range c.Requests {
		all += n
	}

	return all
}

// writes are the requests that change something, but for leases.
func writes(c Cost) float64 {
	all := 0.0

	for what, n := range c.Requests {
		verb, kind, _ := strings.Cut(what, " ")
		if slices.Contains([]string{"post", "put", "patch", "apply", "delete"}, verb) && kind != "leases" && !strings.Contains(kind, "reviews") {
			all += n
		}
	}

	return all
}

// title of a result.
func (r Result) title() string {
	if r.function() != "function" {
		return fmt.Sprintf("%s, %d servers", r.Compose, r.Servers)
	}

	title := fmt.Sprintf("%s, ttl %s, %d servers", r.Compose, r.TTL, r.Servers)
	if r.Replicas > 1 {
		title += fmt.Sprintf(", %d replicas", r.Replicas)
	}

	return title
}

// function is the process of what composes the servers.
func (r Result) function() string {
	if r.Compose == "object" || r.Compose == "native" {
		return "function"
	}

	return "function-" + r.Compose
}

func (r Result) cpuShare() float64 {
	all := 0.0
	for _, name := range controlPlane() {
		all += r.Rest.Processes[name].CPU
	}

	own := r.Rest.Processes[r.function()].CPU

	return 100 * own / max(all+own, 0.01)
}

func controlPlane() []string {
	return []string{"crossplane-core", "provider", "kube-apiserver", "etcd", "kube-controller-manager"}
}

// ofChange returns the rows of a change. Some servers changed, whose reconciles count.
func ofChange(title, of string, pick func(r Result) Change, some func(r Result) int) []row {
	format := func(value func(r Result) string) func(r Result) string {
		return func(r Result) string {
			if pick(r).Progress.All == 0 {
				return "–"
			}

			return value(r)
		}
	}

	return []row{
		{title + ": s until all are ready again", format(func(r Result) string { return fmt.Sprintf("%.0f", pick(r).Progress.All) })},
		{title + ": reconciles per server" + of, format(func(r Result) string { return fmt.Sprintf("%.1f", pick(r).Cost.Reconciles/float64(some(r))) })},
		{title + ": servers that restart", format(func(r Result) string { return fmt.Sprint(pick(r).Restarts) })},
	}
}

func rows() []row {
	all := []row{
		{"creation: servers at a time, at most", func(r Result) string { return fmt.Sprint(min(r.AtOnce, r.Servers)) }},
		{"creation: s until the first, half, all are ready", func(r Result) string {
			p := r.Creation.Progress
			return fmt.Sprintf("%.0f, %.0f, %.0f", p.First, p.Half, p.All)
		}},
		{"creation: times that a circuit breaker opened", func(r Result) string { return fmt.Sprint(r.Creation.Cost.Opens) }},
		perServer("creation: reconciles per server", reconciles),
		perServer("creation: calls per server", func(c Cost) float64 { return c.Calls }),
		perServer("creation: API requests per server", requests),
		perServer("creation: of these, writes", writes),
		{"creation: API requests per server, less those of servers that were ready", func(r Result) string { return fmt.Sprintf("%.1f", r.startRequests()) }},
		calls("creation", func(r Result) Cost { return r.Creation.Cost }),
		{"at rest: minutes", func(r Result) string { return fmt.Sprintf("%.0f", r.Rest.Seconds/60) }},
		perHour("at rest: reconciles per server and hour", reconciles),
		perHour("at rest: calls per server and hour", func(c Cost) float64 { return c.Calls }),
		perHour("at rest: API requests per server and hour", requests),
		perHour("at rest: of these, writes, most of which change nothing", writes),
		{"at rest: objects that were written to", func(r Result) string { return fmt.Sprint(r.Changed) }},
		{"at rest: writes to etcd per minute, of the whole cluster", func(r Result) string { return fmt.Sprintf("%.0f", r.Rest.Puts*60/r.Rest.Seconds) }},
		{"at rest: the function's part of the control plane's CPU, %", func(r Result) string { return fmt.Sprintf("%.1f", r.cpuShare()) }},
		calls("at rest", func(r Result) Cost { return r.Rest }),
	}

	for _, name := range slices.Concat([]string{"function"}, controlPlane()) {
		of := func(r Result) Usage {
			if name == "function" {
				return r.Rest.Processes[r.function()]
			}

			return r.Rest.Processes[name]
		}

		all = append(all, row{"at rest: " + name + ": CPU in milliseconds per second, memory in MB", func(r Result) string {
			return fmt.Sprintf("%.0f, %.0f", 1000*of(r).CPU/r.Rest.Seconds, of(r).Memory/1e6)
		}})
	}

	each := func(r Result) int { return r.Servers }
	restarted := func(r Result) int { return max(1, r.Rotation.Restarts) }

	return slices.Concat(all,
		ofChange("a revision of the Composition", "", func(r Result) Change { return r.Revision }, each),
		ofChange("a rotation of each Secret, of 100 at most", " that restarts", func(r Result) Change { return r.Rotation }, restarted),
		ofChange("an upgrade of the function", "", func(r Result) Change { return r.Upgrade }, each),
		[]row{{"1,000 Secrets of 32 KiB that no server names: MB by which Crossplane grows", func(r Result) string {
			if r.OthersMemory == 0 {
				return "–"
			}

			return fmt.Sprintf("%.0f", r.OthersMemory/1e6)
		}}})
}

// A goal is a ratio within what was measured.
type goal struct {
	title     string
	got, most float64
}

// restful is the longest TTL that was measured, for a server that Crossplane tells of a rotated Secret.
const restful = "5m"

// goals of what was measured, each for the largest fleet that has both sides.
func (r Results) goals() []goal {
	var goals []goal

	all := r.sorted()
	slices.SortStableFunc(all, func(a, b Result) int { return cmp.Compare(b.Servers, a.Servers) })

	for _, own := range all {
		peer, ok := r[Key(peers.GoTemplating, "1m", own.Servers, 1)]
		if !ok || own.Compose != "object" || own.TTL != restful || own.Replicas != 1 {
			continue
		}

		goals = append(goals,
			goal{fmt.Sprintf("at rest: reconciles with ttl %s / go-templating's, %d servers", restful, own.Servers), own.restPerHour(reconciles) / peer.restPerHour(reconciles), 0.2},
			goal{"at rest: objects that were written to", float64(own.Changed), 0},
			goal{"at rest: the function's part of the control plane's CPU", own.cpuShare() / 100, 0.05},
			goal{"creation: writes per server / go-templating's", own.creationPerServer(writes) / peer.creationPerServer(writes), 1})

		break
	}

	for _, compose := range []string{"object", "native"} {
		goals = append(goals, flat(all, compose)...)
	}

	return goals
}

// flat are the goals of what a server of a larger fleet costs, beside one of the smallest that was measured.
func flat(largestFirst []Result, compose string) []goal {
	var (
		goals []goal
		first Result
	)

	for _, one := range slices.Backward(largestFirst) {
		if one.Compose != compose || one.TTL != restful || one.Replicas != 1 {
			continue
		}

		if first.Servers == 0 {
			first = one
			continue
		}

		sizes := fmt.Sprintf("%s, of %d servers / of %d", compose, one.Servers, first.Servers)
		goals = append(goals,
			goal{"creation: API requests per server, less those of servers that were ready, " + sizes, one.startRequests() / first.startRequests(), 1.1},
			goal{"at rest: API requests per server and hour, " + sizes, one.restPerHour(requests) / first.restPerHour(requests), 1.1})
	}

	return goals
}

// creationPerServer returns how much of what is counted the creation of a server takes.
func (r Result) creationPerServer(count func(c Cost) float64) float64 {
	return count(r.Creation.Cost) / float64(r.Servers)
}

// startRequests returns how many requests the start of a server takes. While others start, those that are ready cost what they
// cost at rest: the longer a creation takes, the more.
func (r Result) startRequests() float64 {
	return r.creationPerServer(requests) - r.restPerHour(requests)*r.Creation.Progress.ready()/3600
}

// restPerHour returns how much of what is counted a server at rest costs in an hour.
func (r Result) restPerHour(count func(c Cost) float64) float64 {
	return count(r.Rest) * 3600 / r.Rest.Seconds / float64(r.Servers)
}

// table writes rows with a column for each result.
func table(text *strings.Builder, title string, all []Result, rows []row) {
	text.WriteString("| " + title + " |")

	for _, one := range all {
		fmt.Fprintf(text, " %s |", one.title())
	}

	text.WriteString("\n| --- |" + strings.Repeat(" --- |", len(all)) + "\n")

	for _, row := range rows {
		text.WriteString("| " + row.title + " |")

		for _, one := range all {
			text.WriteString(" " + row.value(one) + " |")
		}

		text.WriteString("\n")
	}
}

// requestRows are the requests at rest by verb and kind. Those of which each server has few share a row.
func requestRows(all []Result) []row {
	most := map[string]float64{}

	for _, r := range all {
		for what := range r.Rest.Requests {
			most[what] = max(most[what], r.restRequests(what))
		}
	}

	var rows []row

	for _, what := range slices.SortedFunc(maps.Keys(most), func(a, b string) int { return cmp.Or(cmp.Compare(most[b], most[a]), cmp.Compare(a, b)) }) {
		if most[what] >= 2 {
			rows = append(rows, row{what, func(r Result) string { return fmt.Sprintf("%.0f", r.restRequests(what)) }})
		}
	}

	return append(rows, row{"all others", func(r Result) string {
		others := 0.0

		for what := range r.Rest.Requests {
			if most[what] < 2 {
				others += r.restRequests(what)
			}
		}

		return fmt.Sprintf("%.0f", others)
	}})
}

// restRequests returns how many requests of a verb and kind there are for each server and hour.
func (r Result) restRequests(what string) float64 {
	return r.restPerHour(func(c Cost) float64 { return c.Requests[what] })
}

// Report writes the tables, and draws the picture.
func (r Results) Report(page, plot string) error {
	all := r.sorted()
	text := &strings.Builder{}

	if goals := r.goals(); len(goals) > 0 {
		text.WriteString("| goal | measured | at most | met |\n| --- | --- | --- | --- |\n")

		for _, g := range goals {
			met := "yes"
			if g.got > g.most {
				met = "no"
			}

			fmt.Fprintf(text, "| %s | %.2f | %.2f | %s |\n", g.title, g.got, g.most, met)
		}

		text.WriteString("\n")
	}

	table(text, "", all, rows())
	text.WriteString("\n")
	table(text, "requests to the API server at rest, per server and hour", all, requestRows(all))

	if page == "" {
		_, err := fmt.Fprint(os.Stdout, text)
		return err
	}

	return errors.Join(pages.Replace(page, "make fleet", text.String()), draw(plot, all))
}

// A bar of the picture.
type bar struct {
	Y, Width int
	Label    string
}

// draw what each reconciles at rest.
func draw(file string, all []Result) error {
	if file == "" {
		return nil
	}

	const height, wide = 26, 460

	most := 1.0
	for _, r := range all {
		most = max(most, r.restPerHour(reconciles))
	}

	var bars []bar
	for n, r := range all {
		bars = append(bars, bar{Y: 30 + n*height, Width: int(r.restPerHour(reconciles) / most * wide), Label: fmt.Sprintf("%s: %.0f", r.title(), r.restPerHour(reconciles))})
	}

	out := &bytes.Buffer{}
	if err := fleetPlot.Execute(out, map[string]any{"Height": 40 + len(all)*height, "Bars": bars}); err != nil {
		return err
	}

	return os.WriteFile(file, out.Bytes(), 0o644)
}

//nolint:gochecknoglobals // A template.
var fleetPlot = template.Must(template.New("fleet").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {{.Height}}" width="720" font-family="sans-serif" font-size="12" role="img">
<title>Reconciles per server and hour at rest</title>
<rect width="720" height="{{.Height}}" fill="#fff"/>
<text x="10" y="18" font-weight="bold">Reconciles per server and hour, while nobody changes anything</text>
{{range .Bars}}<rect x="10" y="{{.Y}}" width="{{.Width}}" height="16" fill="#4c78a8"/><text x="{{.Width}}" dx="16" y="{{.Y}}" dy="13">{{.Label}}</text>
{{end}}</svg>
`))
