package contract

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// The credentials of a bucket.
const (
	s3ID  = "example-s3-id"
	s3Key = "example-s3-key"
)

// TestS3 gives the server a bucket as docs/s3.md does.
func TestS3(t *testing.T) {
	binary(t)
	t.Parallel()

	// It sees who asks, and refuses.
	asked := &atomic.Bool{}

	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), s3ID) {
			asked.Store(true)
		}

		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(bucket.Close)

	s := start(t, render(t, ask{spec: metered(t)}), t.TempDir())
	s.mustStart(t)

	status, admin := s.login(t, "admin", examplePassword)
	if status != http.StatusOK {
		t.Fatalf("login: want 200, got %d", status)
	}

	config := map[string]any{"bucket": "files", "region": "eu-central-1", "endpoint": bucket.URL, "access_key_id": s3ID, "secret_access_key": s3Key, "allow_private_endpoint": true}

	cases := map[string]struct {
		reason string
		change map[string]any
		want   int
	}{
		"Created":      {reason: "All that a bucket needs", want: http.StatusCreated},
		"Private":      {reason: "A private address must be allowed", change: map[string]any{"allow_private_endpoint": false}, want: http.StatusBadRequest},
		"WithoutIDKey": {reason: "Credentials come from nowhere else", change: map[string]any{"access_key_id": "", "secret_access_key": ""}, want: http.StatusBadRequest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(config)
			maps.Copy(changed, tc.change)

			text, err := json.Marshal(changed)
			if err != nil {
				t.Fatal(err)
			}

			body := map[string]string{"name": strings.ToLower(name), "type": "s3", "config": string(text)}

			status, answer := s.do(t, http.DefaultClient, http.MethodPost, s.port(t, v1alpha1.PortAPI), "/api/v1/store/block/remote", admin.Access, body)
			if status != tc.want {
				t.Errorf("%s\nPOST: want %d, got %d\n%s", tc.reason, tc.want, status, answer)
			}

			if bytes.Contains(answer, []byte(s3Key)) {
				t.Errorf("%s\nPOST: the answer has the secret key", tc.reason)
			}
		})
	}

	if !asked.Load() {
		t.Error("bucket: want a request with the access key ID, got none")
	}

	_, answer := s.do(t, http.DefaultClient, http.MethodGet, s.port(t, v1alpha1.PortAPI), "/api/v1/store/block/remote", admin.Access, nil)
	if !bytes.Contains(answer, []byte(s3ID)) || bytes.Contains(answer, []byte(s3Key)) {
		t.Errorf("GET: want the store without its secret key, got %s", answer)
	}
}
