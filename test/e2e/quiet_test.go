package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// withComposition is withContent, composed by another Composition.
func withComposition(name string) string {
	return withContent + "crossplane: {compositionRef: {name: " + name + "}}"
}

// A server that nobody changes is left alone: not one write to it or to what describes it,
// though the function is called every few seconds.
func TestServerThatNobodyChangesIsLeftAlone(t *testing.T) {
	t.Parallel()

	s := newServer(t, withComposition(compositionWith(t, "ttl: 5s")))
	pod := s.waitRunning(t)
	versions := s.settled(t)

	throughout(t, 2*time.Minute, "nothing is written", func(ctx context.Context) error {
		return errors.Join(s.samePod(pod)(ctx), s.sameVersions(versions)(ctx))
	})

	// What is written is noticed.
	s.patch(t, `metadata: {annotations: {example.org/note: written}}`)

	if s.sameVersions(versions)(t.Context()) == nil {
		t.Error("a write goes unnoticed")
	}
}

// Crossplane writes each new revision of a Composition into the spec, which moves its
// generation. Only where the platform team asks for that does it restart servers.
func TestNewCompositionRevisionRestartsNothing(t *testing.T) {
	t.Parallel()

	name := compositionWith(t, "ttl: 5s")
	s := newServer(t, withComposition(name))
	pod := s.waitRunning(t)
	before := s.statefulSet(t).Generation

	s.newRevision(t, name, "ttl: 6s")

	throughout(t, 20*time.Second, "nothing restarts", func(ctx context.Context) error {
		set := &appsv1.StatefulSet{}
		if err := cluster.Get(ctx, s.key(s.name), set); err != nil {
			return err
		}

		if set.Generation != before {
			return fmt.Errorf("the StatefulSet went from generation %d to %d", before, set.Generation)
		}

		return errors.Join(s.samePod(pod)(ctx), s.condition("Ready=True")(ctx), s.condition("ConfigRolledOut=True")(ctx))
	})
}

// The opposite: the literal generation counts what Crossplane writes, too.
func TestNewCompositionRevisionRestartsByTheLiteralGeneration(t *testing.T) {
	t.Parallel()

	name := compositionWith(t, "{ttl: 5s, configHash: {generation: Metadata}}")
	s := newServer(t, withComposition(name))
	pod := s.waitRunning(t)

	s.newRevision(t, name, "{ttl: 6s, configHash: {generation: Metadata}}")

	s.waitOtherPod(t, pod)
}

// newRevision makes a revision of a Composition, with this input (YAML), that has reached
// the server: its spec names the revision, its generation has moved, and the function has
// answered to it.
func (s *server) newRevision(t *testing.T, name, input string) {
	t.Helper()

	before, revision, err := s.revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	u := clusterObject(t, "apiextensions.crossplane.io/v1", "Composition", name)
	fields := map[string]any{}

	pipeline, _, err := unstructured.NestedSlice(u.Object, "spec", "pipeline")
	if err = errors.Join(err, yaml.Unmarshal([]byte(input), &fields)); err != nil {
		t.Fatal(err)
	}

	maps.Copy(pipeline[0].(map[string]any)["input"].(map[string]any), fields)

	if err := unstructured.SetNestedSlice(u.Object, pipeline, "spec", "pipeline"); err != nil {
		t.Fatal(err)
	}

	if err := cluster.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the new revision reaches the server", func(ctx context.Context) error {
		if _, now, err := s.revision(ctx); err != nil || now == revision {
			return errors.Join(err, errors.New("it has the revision "+now))
		}

		composite, err := s.composite(ctx)
		if err != nil {
			return err
		}

		seen, err := seenGeneration(composite)
		if err == nil && seen <= before {
			err = fmt.Errorf("the function has not seen a generation after %d", before)
		}

		return err
	})
}

// revision returns the revision of the Composition that the DittoServer names, and the
// DittoServer's generation.
func (s *server) revision(ctx context.Context) (generation int64, revision string, err error) {
	u, err := s.composite(ctx)
	if err != nil {
		return 0, "", err
	}

	revision, _, err = unstructured.NestedString(u.Object, tested.crossplane("compositionRevisionRef", "name")...)

	return u.GetGeneration(), revision, err
}

// settled are the versions once nothing was written for a while: the last statuses come
// a little after a server is ready.
func (s *server) settled(t *testing.T) map[string]string {
	t.Helper()

	var (
		versions map[string]string
		since    time.Time
	)

	eventually(t, "writes come to an end", func(ctx context.Context) error {
		now, err := s.versions(ctx)
		if err != nil {
			return err
		}

		if !maps.Equal(versions, now) {
			versions, since = now, time.Now()
		}

		if quiet := time.Since(since); quiet < 10*time.Second {
			return fmt.Errorf("quiet for %s", quiet)
		}

		return nil
	})

	return versions
}

// sameVersions returns an error that names an object that was written since.
func (s *server) sameVersions(before map[string]string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		now, err := s.versions(ctx)
		if err != nil {
			return err
		}

		for object, version := range now {
			if before[object] != version {
				err = errors.Join(err, fmt.Errorf("%s went from version %q to %q", object, before[object], version))
			}
		}

		if len(now) != len(before) {
			err = errors.Join(err, fmt.Errorf("there are %d objects, were %d", len(now), len(before)))
		}

		return err
	}
}

// versions returns the resource versions of everything that a DittoServer is: itself,
// what is composed, and what that applies. Each write moves one, be it of metadata, spec
// or status.
func (s *server) versions(ctx context.Context) (map[string]string, error) {
	xr := s.object()
	if err := cluster.Get(ctx, s.key(s.name), xr); err != nil {
		return nil, err
	}

	composite, err := s.composite(ctx)
	if err != nil {
		return nil, err
	}

	objects, err := s.composed(ctx)
	if err != nil {
		return nil, err
	}

	everything := []unstructured.Unstructured{*xr, *composite}

	for _, o := range objects {
		live, err := applied(&o)
		if err != nil {
			return nil, err
		}

		if err := cluster.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return nil, err
		}

		everything = append(everything, o, *live)
	}

	versions := map[string]string{}
	for _, u := range everything {
		versions[u.GetKind()+" "+u.GetName()] = u.GetResourceVersion()
	}

	return versions, nil
}
