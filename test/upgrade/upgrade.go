// Package upgrade holds the function to what its releases left behind: requests as
// Crossplane sends them for DittoServers in every state, recorded with what the release
// answered. An upgrade of the function must restart no server and hold none.
package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"
)

// A Recording is a request, and what a released function answered.
type Recording struct {
	// Request as Crossplane sends it once the requirements are stable.
	Request json.RawMessage `json:"request"`

	// Rollout is the reason of the condition ConfigRolledOut.
	Rollout string `json:"rollout"`

	// Desired composed resources by name.
	Desired map[string]map[string]any `json:"desired"`
}

// A Move is a change of what is composed, on purpose: of the value at a path of a composed
// resource, below which everything may differ.
type Move struct {
	// Flavours and States in which it happens, or none for all.
	Flavours, States []string

	Resource string
	Path     []string

	// Changelog is a sentence of CHANGELOG.md that tells users of it.
	Changelog string
}

// moves are all that differs from what was recorded. Pod templates are never among them.
//
//nolint:gochecknoglobals // A table.
var moves = []Move{}

// A Function is the function to hold to the recordings.
type Function func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error)

// Check the recordings below dir, one folder for each flavour, one file for each state.
// changelog is the text of CHANGELOG.md.
func Check(t *testing.T, dir, changelog string, fn Function) {
	t.Helper()

	for _, m := range moves {
		if m.Changelog == "" || !strings.Contains(strings.Join(strings.Fields(changelog), " "), m.Changelog) {
			t.Errorf("CHANGELOG.md does not tell of what moves in %s, %v: %q", m.Resource, m.Path, m.Changelog)
		}
	}

	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings below %s: %v", dir, err)
	}

	for _, file := range files {
		flavour, state := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(flavour+"/"+state, func(t *testing.T) {
			rec, req := read(t, file)

			rsp, err := fn(req)
			if err != nil {
				t.Fatal(err)
			}

			if got := Rollout(rsp); got != rec.Rollout {
				t.Errorf("ConfigRolledOut has the reason %s, and had %s", got, rec.Rollout)
			}

			compare(t, flavour, state, rec.Desired, Desired(rsp))
		})
	}
}

// compare what a release composed with what is composed now.
func compare(t *testing.T, flavour, state string, was, is map[string]map[string]any) {
	t.Helper()

	names := slices.Collect(maps.Keys(was))
	names = slices.AppendSeq(names, maps.Keys(is))
	slices.Sort(names)

	for _, n := range slices.Compact(names) {
		if diff := cmp.Diff(template(was[n]), template(is[n])); diff != "" {
			t.Errorf("%s: the pod template moves: -was, +is:\n%s", n, diff)
		}

		for _, m := range moves {
			if m.Resource == n && m.isOf(flavour, state) {
				remove(was[n], m.Path)
				remove(is[n], m.Path)
			}
		}

		if diff := cmp.Diff(was[n], is[n]); diff != "" {
			t.Errorf("%s moves: -was, +is:\n%s", n, diff)
		}
	}
}

func (m *Move) isOf(flavour, state string) bool {
	return (len(m.Flavours) == 0 || slices.Contains(m.Flavours, flavour)) && (len(m.States) == 0 || slices.Contains(m.States, state))
}

func read(t *testing.T, file string) (Recording, *fnv1.RunFunctionRequest) {
	t.Helper()

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	rec, req := Recording{}, &fnv1.RunFunctionRequest{}
	if err := yaml.UnmarshalStrict(b, &rec); err != nil {
		t.Fatalf("%s: %v", file, err)
	}

	if err := protojson.Unmarshal(rec.Request, req); err != nil {
		t.Fatalf("%s: %v", file, err)
	}

	return rec, req
}

// Record a request and its answer as a state of a flavour below dir. One that is recorded
// stays as it is: recordings are of released behaviour, and are only ever added to.
func Record(dir, flavour, state string, req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) error {
	file := filepath.Join(dir, flavour, state+".yaml")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	request, err := protojson.Marshal(req)
	if err != nil {
		return fmt.Errorf("cannot encode the request: %w", err)
	}

	b, err := yaml.Marshal(Recording{Request: request, Rollout: Rollout(rsp), Desired: Desired(rsp)})
	if err != nil {
		return fmt.Errorf("cannot encode the recording: %w", err)
	}

	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}

	return os.WriteFile(file, b, 0o600)
}

// Rollout is the reason of the condition ConfigRolledOut.
func Rollout(rsp *fnv1.RunFunctionResponse) string {
	for _, c := range rsp.GetConditions() {
		if c.GetType() == "ConfigRolledOut" {
			return c.GetReason()
		}
	}

	return ""
}

// Desired composed resources by name.
func Desired(rsp *fnv1.RunFunctionResponse) map[string]map[string]any {
	desired := map[string]map[string]any{}
	for n, r := range rsp.GetDesired().GetResources() {
		desired[n] = r.GetResource().AsMap()
	}

	return desired
}

// template is the pod template of a composed resource, or nil if it has none.
func template(composed map[string]any) any {
	if t := at(composed, "spec", "forProvider", "manifest", "spec", "template"); t != nil {
		return t
	}

	return at(composed, "spec", "template")
}

func at(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}

		v = m[name]
	}

	return v
}

func remove(v map[string]any, path []string) {
	if parent, ok := at(v, path[:len(path)-1]...).(map[string]any); ok {
		delete(parent, path[len(path)-1])
	}
}
