package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// generations returns the generations of the composed resources and the StatefulSet. They
// change with everything that is asked.
func (s *server) generations(ctx context.Context) (map[string]int64, error) {
	objects, err := s.composed(ctx)
	if err != nil {
		return nil, err
	}

	found := map[string]int64{}
	for _, o := range objects {
		found[o.GetKind()+" "+o.GetName()] = o.GetGeneration()
	}

	set := &appsv1.StatefulSet{}
	err = cluster.Get(ctx, s.key(s.name), set)
	found["StatefulSet"] = set.Generation

	return found, err
}

// sameGenerations returns no error as long as nothing else is asked than before.
func (s *server) sameGenerations(before map[string]int64) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		now, err := s.generations(ctx)
		if err == nil && !maps.Equal(before, now) {
			err = fmt.Errorf("generations: got %v, want %v", now, before)
		}

		return err
	}
}

// refusedByFunction is a spec that the XRD accepts and the function refuses.
const refusedByFunction = `
version: ` + release + `
storage: {contentSize: 1Gi}
shutdownTimeout: soon
cache: {size: lots}
database: {sqlite: {path: /tmp/controlplane.db}}
`

// A mistake in the spec of a running server is reported in full, and costs nothing: the server
// keeps running as it is until the spec is right again.
func TestInvalidSpecLeavesTheServerRunning(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	before, err := s.generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	s.apply(t, refusedByFunction)
	s.throughoutCalls(t, "the server is untouched", all(s.samePod(pod), s.sameGenerations(before)))

	wrong := []string{"spec.shutdownTimeout: Invalid value", "spec.cache.size: Invalid value", "spec.database.sqlite.path: Invalid value"}
	eventually(t, "every error is reported", s.refused(wrong...))

	s.apply(t, withContent+"shutdownTimeout: 20s\n")
	eventually(t, "the corrected spec is valid", all(s.condition("SpecValid=True"), s.condition("Synced=True")))
	s.successor(t, pod)
	s.waitRunning(t)

	if err := s.sameGenerations(before)(t.Context()); err == nil {
		t.Error("the generations do not tell a change")
	}
}

// The API server refuses what the XRD can judge before it is stored, with the field that is wrong.
func TestAPIServerRefusesWhatTheXRDForbids(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	before, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for spec, want := range map[string]string{
		"nfsPort: 8080":                       "nfsPort and apiPort must differ",
		"replicas: 2":                         "spec.replicas",
		"logging: {level: LOUD}":              "spec.logging.level",
		"adapterPorts: {nfs: 1445}":           "adapterPorts.nfs and adapterPorts.smb must differ",
		"database: {type: postgres}":          "the type postgres needs postgres.secretRef",
		"identity: {admin: {username: root}}": "spec.identity.jwt",
	} {
		err := s.tryApply(t.Context(), withContent+spec)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that says %q", spec, err, want)
		}
	}

	after, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if after.Generation != before.Generation {
		t.Errorf("a refused spec was stored: generation %d, was %d", after.Generation, before.Generation)
	}

	if err := all(s.samePod(pod), s.condition("SpecValid=True"))(t.Context()); err != nil {
		t.Error(err)
	}
}
