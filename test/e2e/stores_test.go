package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// makeStore makes a store of a kind and type ("metadata", "badger") at a path of the
// server's container. It is named after them.
func (s *server) makeStore(t *testing.T, kind, storeType, path string) error {
	t.Helper()

	name := strings.ReplaceAll(kind+path, "/", "-")

	return s.request(t.Context(), http.MethodPost, "/api/v1/store/"+kind, s.login(t),
		map[string]string{"name": name, "type": storeType, "config": fmt.Sprintf(`{"path":%q}`, path)}, nil)
}

// The image declares VOLUMEs at /data/content and /data/cache. Without a claim, what is
// written there would go with the container.
func TestStoreOnAVolumeWithoutAClaimFailsAtOnce(t *testing.T) {
	t.Parallel()

	s := newServer(t, "version: "+release)
	s.waitRunning(t)

	for kind, storeType := range map[string]string{"metadata": "badger", "block/local": "fs"} {
		for _, folder := range []string{"/data/content", "/data/cache", "/srv"} {
			err := s.makeStore(t, kind, storeType, folder+"/store")
			if err == nil || !strings.Contains(err.Error(), "read-only file system") {
				t.Errorf("store %s below %s: got error %v, want it to tell of a read-only file system", kind, folder, err)
			}
		}

		if err := s.makeStore(t, kind, storeType, "/data/metadata/"+storeType); err != nil {
			t.Errorf("store %s on a claim: %v", kind, err)
		}
	}
}

func TestStoresOnClaimsSurviveTenRestarts(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)

	for i := range 10 {
		s.writeFile(t, fmt.Sprintf("%d.txt", i), fmt.Sprintf("content %d", i))
		s.restart(t, i%2 == 0)
	}

	s.expectFile(t, "first.txt", "first")

	for i := range 10 {
		s.expectFile(t, fmt.Sprintf("%d.txt", i), fmt.Sprintf("content %d", i))
	}
}

// restart deletes the server's pod. In haste, the pod has one second to end, less than
// its preStop hook takes.
func (s *server) restart(t *testing.T, inHaste bool) {
	t.Helper()

	var options []client.DeleteOption
	if inHaste {
		options = append(options, client.GracePeriodSeconds(1))
	}

	before := s.pod(t)
	if before == nil {
		t.Fatal("there is no pod")
	}

	if err := cluster.Delete(t.Context(), before, options...); err != nil {
		t.Fatal(err)
	}

	eventually(t, "a new pod is ready", func(ctx context.Context) error {
		now := &corev1.Pod{}
		if err := cluster.Get(ctx, s.key(s.name+"-0"), now); err != nil {
			return err
		}

		if now.UID == before.UID {
			return errors.New("the old pod is there")
		}

		return podReady(now)
	})
}
