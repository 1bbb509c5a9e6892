package fleetcost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// of returns a fleet each of whose servers took that many requests to create, half of them writes. Those of leases
// are of the fleet. At rest, a server had as many reconciles in two hours.
func of(compose string, servers, replicas int, requests float64) Result {
	all := requests * float64(servers)

	return Result{
		Compose: compose, TTL: "5m", Servers: servers, AtOnce: 100, Replicas: replicas,
		Creation: Creation{Progress: Progress{First: 100, Half: 500, All: 900}, Cost: Cost{
			Seconds: 60, Reconciles: 2, Calls: 4, CallsWithin: map[string]float64{"10": 4},
			Requests: map[string]float64{"apply objects": all / 2, "get secrets": all / 2, "put leases": 5000},
		}},
		Rest: Cost{
			Seconds: 7200, Reconciles: all, Calls: 3, CallsWithin: map[string]float64{"10": 3},
			Requests:  map[string]float64{"apply objects": all, "get secrets": all, "get api": 10 * float64(servers)},
			Processes: map[string]Usage{"function": {CPU: 1}, "function-" + compose: {CPU: 3}, "etcd": {CPU: 9}},
		},
	}
}

func keyed(all ...Result) Results {
	r := Results{}

	for _, one := range all {
		if one.function() != "function" {
			one.TTL = "1m"
		}

		r[Key(one.Compose, one.TTL, one.Servers, one.Replicas)] = one
	}

	return r
}

func TestGoals(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		results Results
		want    map[string]float64
	}{
		"Nothing":          {keyed(), map[string]float64{}},
		"NoPeerOfThatSize": {keyed(of("object", 300, 1, 10), of("go-templating", 100, 1, 50)), map[string]float64{}},
		"LargestWithPeer": {
			keyed(of("object", 1000, 3, 9), of("object", 300, 1, 10), of("object", 100, 1, 20), of("go-templating", 300, 1, 50), of("go-templating", 100, 1, 20)),
			map[string]float64{
				"at rest: reconciles with ttl 5m / go-templating's, 300 servers":                                            0.2,
				"at rest: objects that were written to":                                                                     0,
				"at rest: the function's part of the control plane's CPU":                                                   0.1,
				"creation: writes per server / go-templating's":                                                             0.2,
				"creation: API requests per server, less those of servers that were ready, object, of 300 servers / of 100": 0.37,
				"at rest: API requests per server and hour, object, of 300 servers / of 100":                                0.6,
			},
		},
		"Flat": {
			keyed(of("native", 100, 1, 10), of("native", 300, 1, 11), of("native", 1000, 1, 12)),
			map[string]float64{
				"creation: API requests per server, less those of servers that were ready, native, of 300 servers / of 100":  0.44,
				"at rest: API requests per server and hour, native, of 300 servers / of 100":                                 1.07,
				"creation: API requests per server, less those of servers that were ready, native, of 1000 servers / of 100": 0.26,
				"at rest: API requests per server and hour, native, of 1000 servers / of 100":                                1.13,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := map[string]float64{}
			for _, g := range c.results.goals() {
				got[g.title] = g.got
			}

			round := cmp.Comparer(func(a, b float64) bool { return a-b < 0.01 && b-a < 0.01 })
			if diff := cmp.Diff(c.want, got, round); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestNote(t *testing.T) {
	t.Parallel()

	p := Progress{}
	for n, done := range []int{0, 1, 4, 5, 9, 10, 10} {
		p.Note(done, 10, time.Duration(n)*time.Second)
	}

	if diff := cmp.Diff(Progress{First: 1, Half: 3, All: 5}, p); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// A step that was not measured has no figure.
func TestUnmeasured(t *testing.T) {
	t.Parallel()

	measured := of("object", 100, 1, 10)
	measured.OthersMemory = 1
	change := Change{Progress: Progress{First: 1, Half: 1, All: 1}}
	measured.Revision, measured.Rotation, measured.Upgrade = change, change, change

	var missing []string

	for _, row := range rows() {
		if got := row.value(of("object", 100, 1, 10)); got == "–" {
			missing = append(missing, row.title)
		} else if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s: %s", row.title, got)
		}

		if row.value(measured) == "–" {
			t.Errorf("%s was measured", row.title)
		}
	}

	if len(missing) != 10 {
		t.Errorf("no figure for %d rows, want three of each change and one of the Secrets: %q", len(missing), missing)
	}
}

// The page and its picture are those of the results.
func TestPageIsOfTheResults(t *testing.T) {
	t.Parallel()

	docs := filepath.Join("..", "..", "docs")

	results, err := Read(filepath.Join(docs, "fleet.json"))
	if err != nil || len(results) == 0 {
		t.Fatal(len(results), err)
	}

	dir := t.TempDir()

	for name, file := range map[string]string{"page": "performance.md", "plot": "images/fleet.svg"} {
		content, err := os.ReadFile(filepath.Join(docs, file))
		if err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := results.Report(filepath.Join(dir, "page"), filepath.Join(dir, "plot")); err != nil {
		t.Fatal(err)
	}

	for name, file := range map[string]string{"page": "performance.md", "plot": "images/fleet.svg"} {
		was, wasErr := os.ReadFile(filepath.Join(docs, file))
		is, isErr := os.ReadFile(filepath.Join(dir, name))

		if wasErr != nil || isErr != nil {
			t.Fatal(wasErr, isErr)
		}

		if diff := cmp.Diff(string(was), string(is)); diff != "" {
			t.Errorf("docs/%s is not what docs/fleet.json gives: -is, +would be:\n%s", file, diff)
		}
	}
}
