// Package upgrade replays recorded requests against the function: those that Crossplane
// sends for DittoServers in every state that a release leaves, each with that release's
// answer. An upgrade of the function must restart no server and hold none.
//
// Recordings are of released behaviour. New ones are added; those that are there are never
// changed.
package upgrade

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// A Move is a change of what is composed, on purpose: of the value at a path of a composed
// resource, below which everything may differ.
type Move struct {
	// Flavours and States in which it happens, or none for all.
	Flavours, States []string

	// Resource is the name of a composed resource, "status" for the DittoServer's, or
	// "conditions" for its conditions by type.
	Resource string
	Path     []string

	// Changelog is a sentence of CHANGELOG.md that tells users of it.
	Changelog string
}

// moves are all that differs from what was recorded. Pod templates are never among them: one
// that moves restarts every server there is.
//
//nolint:gochecknoglobals // A table.
var moves = slices.Concat(
	[]Move{{
		States: []string{"created"}, Resource: "conditions", Path: []string{report.ConfigRolledOut},
		Changelog: "`ConfigRolledOut` of a new server is False with the reason `ConfigMapNotReady` until then.",
	}},
	[]Move{
		{Resource: "configmap", Path: append(manifest(), "metadata", "annotations", "dittofs.io/ran"), Changelog: ran},
		// Natively.
		{Resource: "configmap", Path: []string{"metadata", "annotations", "dittofs.io/ran"}, Changelog: ran},
	},
	[]Move{
		{States: []string{"grown"}, Resource: "configmap", Path: append(manifest(), "metadata", "annotations", "dittofs.io/claims"), Changelog: grows},
		{States: []string{"grown"}, Resource: "conditions", Path: []string{report.StorageUpToDate}, Changelog: grows},
		{States: []string{"grown"}, Resource: "status", Path: []string{"claims"}, Changelog: grows},
	},
	[]Move{
		{States: []string{"recreating"}, Resource: "conditions", Path: []string{report.StorageUpToDate}, Changelog: recreating},
		{States: []string{"recreating"}, Resource: "configmap", Path: []string{"metadata", "annotations", "dittofs.io/created-anew"}, Changelog: once},
	},
	newObjects("configmap", "statefulset", "service-headless", "service-file", "service-api"),
)

// Sentences on claims that grow.
const (
	grows = "the claims grow after the upgrade, without a restart"
	noted = "The StatefulSet of a stopped server is recreated with larger claims once the ConfigMap has noted what they have."
)

// Sentences on a stopped server that gets other claims.
const (
	once       = "A stopped StatefulSet whose volume claims a webhook makes otherwise than the spec asks is recreated once, and not over and over."
	recreating = "`StorageUpToDate` names the next step of a change that takes a stop, and has the reason `Recreating` while the StatefulSet is recreated."
)

// ran tells of the record of what runs.
const ran = "The ConfigMap of a server that runs gets the annotation `dittofs.io/ran`: one write per server."

// newObjects have what Objects that were made before have not.
func newObjects(names ...string) []Move {
	var moves []Move
	for _, n := range names {
		moves = append(moves, Move{
			States: []string{"created"}, Resource: n, Path: []string{"spec", "managementPolicies"},
			Changelog: "New Objects have `managementPolicies` until what they stand for is known to be the server's own.",
		}, Move{
			States: []string{"created"}, Resource: n, Path: []string{"metadata", "annotations", "crossplane.io/external-name"},
			Changelog: "New Objects have the annotation `crossplane.io/external-name` from the start",
		})
	}

	return moves
}

// stays are flavours and states in which the recorded function moved the pod template, and this
// one stays with the template that was asked last. The consequences of that move too. Each has a
// sentence of CHANGELOG.md.
//
//nolint:gochecknoglobals // A table.
var stays = map[string]string{
	"namespaced/without-labels-waits": "An edit of `spec.storage` restarts nothing",
	"namespaced/recreating":           noted,
	"claimed/recreating":              noted,
}

// A Function is the function to hold to the recordings.
type Function func(req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error)

// Check the recordings below dir, one folder for each flavour, one file for each state.
// changelog is the text of CHANGELOG.md.
func Check(t *testing.T, dir, changelog string, fn Function) {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings below %s: %v", dir, err)
	}

	met := make([]int, len(moves))

	for _, file := range files {
		flavour, state := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(flavour+"/"+state, func(t *testing.T) {
			for _, fault := range replay(t, file, flavour, state, fn, met) {
				t.Errorf("%s/%s: %s", flavour, state, fault)
			}
		})
	}

	changelog = strings.Join(strings.Fields(changelog), " ")

	for state, sentence := range stays {
		if !strings.Contains(changelog, sentence) {
			t.Errorf("CHANGELOG.md does not tell of what stays in %s: %q", state, sentence)
		}
	}

	for i, m := range moves {
		if m.Changelog == "" || !strings.Contains(changelog, m.Changelog) {
			t.Errorf("CHANGELOG.md does not tell of what moves in %s, %v: %q", m.Resource, m.Path, m.Changelog)
		}

		if m.reachesTemplate() {
			t.Errorf("a move in %s, %v reaches the pod template", m.Resource, m.Path)
		}

		if met[i] == 0 {
			t.Errorf("nothing moves in %s, %v: take it out of moves", m.Resource, m.Path)
		}
	}
}

// replay a recording, and return a line for each thing that is not as it was.
func replay(t *testing.T, file, flavour, state string, fn Function, met []int) []string {
	t.Helper()

	r, err := read(file)
	if err != nil {
		t.Fatal(err)
	}

	if _, ok := stays[flavour+"/"+state]; ok {
		if err := r.stay(fn); err != nil {
			return []string{err.Error()}
		}

		return nil
	}

	faults, err := r.check(fn, func(resource string, was, is *structpb.Struct) {
		moveOf(flavour, state, resource, was, is, met)
	})
	if err != nil {
		t.Fatal(err)
	}

	return faults
}

// moveOf takes out of a resource, as it was and as it is, what moves, and counts the moves that
// it met.
func moveOf(flavour, state, resource string, was, is *structpb.Struct, met []int) {
	for i, m := range moves {
		if m.Resource != resource || !m.isOf(flavour, state) || proto.Equal(protostruct.Get(was, m.Path...), protostruct.Get(is, m.Path...)) {
			continue
		}

		protostruct.Set(was, nil, m.Path...)
		protostruct.Set(is, nil, m.Path...)

		met[i]++
	}
}

// reachesTemplate reports whether a pod template, or a part of one, may move.
func (m *Move) reachesTemplate() bool {
	if m.Resource != statefulSet {
		return false
	}

	native := []string{"spec", "template"}

	for _, template := range [][]string{native, append(manifest(), native...)} {
		n := min(len(template), len(m.Path))
		if slices.Equal(template[:n], m.Path[:n]) {
			return true
		}
	}

	return false
}

func (m *Move) isOf(flavour, state string) bool {
	return (len(m.Flavours) == 0 || slices.Contains(m.Flavours, flavour)) && (len(m.States) == 0 || slices.Contains(m.States, state))
}
