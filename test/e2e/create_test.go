package e2e

import "testing"

// Where servers keep files, on their claims.
const (
	metadataStore = "/data/metadata/store"
	contentStore  = "/data/content/store"
)

// servingFiles is a server with a share and a file in it, first.txt.
func servingFiles(t *testing.T, spec string) *server {
	t.Helper()

	s := newServer(t, spec)
	s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	s.writeFile(t, "first.txt", "first")

	return s
}

// withContent has every claim that files need.
const withContent = `
version: ` + release + `
storage: {contentSize: 1Gi}
`

func TestCreatedServerServesFiles(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	s.expectFile(t, "first.txt", "first")

	// Crossplane wrote into the spec four times meanwhile: none of that was a change.
	if g := s.statefulSet(t).Generation; g != 1 {
		t.Errorf("the new StatefulSet has generation %d, want 1", g)
	}

	xr, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []string{"SpecValid", "SecretsResolved", "ConfigRolledOut", "StorageUpToDate", "Applied", "Ready", "Synced"} {
		if err := s.condition(c + "=True")(t.Context()); err != nil {
			t.Error(err)
		}
	}

	if n := xr.Status.ReadyReplicas; n == nil || *n != 1 {
		t.Errorf("readyReplicas: got %v, want 1", n)
	}
}
