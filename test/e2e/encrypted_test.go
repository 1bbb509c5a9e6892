package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// storeKey is the key file of an encrypted store, as DittoFS makes one for this passphrase.
const (
	storePassphrase = "example-passphrase"
	storeKey        = `-----BEGIN DITTOFS ENCRYPTED MASTER KEY-----
ewogICJ2ZXJzaW9uIjogMSwKICAibWFzdGVyX2tleV9pZCI6ICJjNmEyZWVlMS03
YmRiLTQ1ZDctYjEwZS04NDUxNmY4MGEzM2EiLAogICJrZGYiOiB7CiAgICAiYWxn
byI6ICJhcmdvbjJpZCIsCiAgICAic2FsdCI6ICJPcWx4WnRqSDZ1aWhrQUFCaGVn
eE9BPT0iLAogICAgInRpbWUiOiAzLAogICAgIm1lbW9yeV9raWIiOiA2NTUzNiwK
ICAgICJ0aHJlYWRzIjogNAogIH0sCiAgIndyYXAiOiAiYWVzLTI1Ni1nY20iLAog
ICJub25jZSI6ICJ4RXBhZTdaZkNPZTRYdDdkIiwKICAid3JhcHBlZF9tYXN0ZXJf
a2V5IjogIk5BRnZIMndleUNGdlprN0E4N0xiV09lemdBNnd6dzRRY2Z4S0RRQ2JP
ZXRRcXJIM2Q0dVNGbXQ0Q3V2SlFWM3ciCn0=
-----END DITTOFS ENCRYPTED MASTER KEY-----
`
)

// withEncryption is withContent, and what example/encrypted-store.yaml has.
const withEncryption = withContent + `
extraEnv:
  - {name: DITTOFS_ENCRYPTION_PASSPHRASE, valueFrom: {secretKeyRef: {name: encryption, key: passphrase}}, onChange: Restart}
extraVolumes:
  - {name: store-keys, mountPath: /etc/dittofs/keys, secret: {secretName: encryption, items: [{key: store.key}]}}
`

// A bucket is one of an S3 server in the test's own process.
type bucket struct {
	backend gofakes3.Backend
	url     string
}

const bucketName = "files"

// newBucket serves one where pods reach it: at this machine's address on the node's network.
func newBucket(t *testing.T) *bucket {
	t.Helper()

	nodes, err := cluster.Clientset.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}

	var node string

	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			if a.Type == corev1.NodeInternalIP {
				node = a.Address
			}
		}
	}

	// Nothing is sent: the route to the node tells the address.
	route, err := (&net.Dialer{}).DialContext(t.Context(), "udp", net.JoinHostPort(node, "9"))
	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = route.Close() }()

	host, _, err := net.SplitHostPort(route.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}

	b := &bucket{backend: s3mem.New()}
	if err := b.backend.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}

	srv := httptest.NewUnstartedServer(gofakes3.New(b.backend).Server())
	_ = srv.Listener.Close()
	srv.Listener = listener

	srv.Start()
	t.Cleanup(srv.Close)

	b.url = srv.URL

	return b
}

// contents returns all objects, one behind the other.
func (b *bucket) contents(t *testing.T) []byte {
	t.Helper()

	list, err := b.backend.ListBucket(bucketName, nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}

	var all []byte

	for _, c := range list.Contents {
		object, err := b.backend.GetObject(bucketName, c.Key, nil)
		if err != nil {
			t.Fatal(err)
		}

		content, err := io.ReadAll(object.Contents)
		if err := errors.Join(err, object.Contents.Close()); err != nil {
			t.Fatal(err)
		}

		all = append(all, content...)
	}

	return all
}

// makeEncryptedShare makes a share whose content goes to a bucket, encrypted with the key that the
// server finds at this path.
func (s *server) makeEncryptedShare(t *testing.T, b *bucket, key string) {
	t.Helper()

	token := s.login(t)

	config, err := json.Marshal(map[string]any{
		"bucket": bucketName, "region": "eu-central-1", "endpoint": b.url, "access_key_id": "example-id", "secret_access_key": "example-key", "allow_private_endpoint": true,
		"encryption": map[string]any{"aead": "aes-256-gcm", "key": map[string]any{"kind": "local", "file": key}},
	})
	if err != nil {
		t.Fatal(err)
	}

	post := func(path string, body map[string]string) string {
		var made struct {
			ID string `json:"id"`
		}

		if err := s.request(t.Context(), http.MethodPost, "/api/v1/"+path, token, body, &made); err != nil {
			t.Fatal(err)
		}

		return made.ID
	}

	post("shares", map[string]string{
		"name":               share,
		"metadata_store_id":  post("store/metadata", map[string]string{"name": "metadata", "type": "badger", "config": fmt.Sprintf(`{"path":%q}`, metadataStore)}),
		"local_block_store":  post("store/block/local", map[string]string{"name": "cache", "type": "fs", "config": fmt.Sprintf(`{"path":%q}`, contentStore)}),
		"remote_block_store": post("store/block/remote", map[string]string{"name": "encrypted", "type": "s3", "config": string(config)}),
		"default_permission": "read-write",
	})
}

// upload has the server upload what it holds, and forget its own copies.
func (s *server) upload(t *testing.T) {
	t.Helper()

	token := s.login(t)

	for _, path := range []string{"/api/v1/system/drain-uploads", "/api/v1/shares" + share + "/blockstore/evict"} {
		eventually(t, path, func(ctx context.Context) error {
			return s.request(ctx, http.MethodPost, path, token, map[string]string{}, nil)
		})
	}
}

// A file in an encrypted store is read back after a restart, and whoever has the bucket reads
// nothing of it. A missing passphrase is reported while the server keeps running.
func TestEncryptedStore(t *testing.T) {
	t.Parallel()
	needsNode(t)

	const word = "example-plain-text "

	content := strings.Repeat(word, 3000)
	b := newBucket(t)

	s := newNamespace(t)
	s.applySecret(t, "encryption", map[string]string{"store.key": storeKey, "passphrase": storePassphrase})
	s.apply(t, withEncryption)
	pod := s.waitRunning(t)

	s.makeEncryptedShare(t, b, "/etc/dittofs/keys/store.key")
	s.writeFile(t, "plain.txt", content)
	s.upload(t)

	switch stored := b.contents(t); {
	case len(stored) < len(content)/2:
		t.Fatalf("the bucket has %d bytes of a file of %d", len(stored), len(content))
	case bytes.Contains(stored, []byte(strings.TrimSpace(word))):
		t.Error("the bucket has the file's own words")
	}

	s.expectFile(t, "plain.txt", content)

	if err := cluster.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	pod = s.waitOtherPod(t, pod)
	s.upload(t)
	s.expectFile(t, "plain.txt", content)

	// Without its passphrase the server would start, and not serve the share.
	s.applySecret(t, "encryption", map[string]string{"store.key": storeKey})
	s.call(t)
	eventually(t, "the missing passphrase is told", s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/encryption, key passphrase: is missing"))

	if err := s.samePod(pod)(t.Context()); err != nil {
		t.Error(err)
	}

	s.expectFile(t, "plain.txt", content)
}

// A variable of a Secret with onChange: Restart restarts the server, once, and one without does not.
func TestRotatedVariableRestartsWhereItSaysSo(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newNamespace(t)
	s.applySecret(t, "variables", map[string]string{"watched": "example-first", "other": "example-first"})
	s.apply(t, withContent+`
extraEnv:
  - {name: WATCHED, valueFrom: {secretKeyRef: {name: variables, key: watched}}, onChange: Restart}
  - {name: OTHER, valueFrom: {secretKeyRef: {name: variables, key: other}}}
`)
	pod := s.waitRunning(t)

	s.applySecret(t, "variables", map[string]string{"watched": "example-first", "other": "example-second"})
	s.throughoutCalls(t, "nothing restarts", s.samePod(pod))

	s.applySecret(t, "variables", map[string]string{"watched": "example-second", "other": "example-second"})
	s.call(t)
	pod = s.successor(t, pod)
	s.waitRunning(t)
	s.throughoutCalls(t, "it restarts once", s.samePod(pod))
}
