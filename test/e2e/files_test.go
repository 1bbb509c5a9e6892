package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// restClient fails soon where nobody answers.
var restClient = &http.Client{Timeout: 5 * time.Second}

// request calls the server's REST API. A status other than 2xx is an error that names it.
func (s *server) request(ctx context.Context, method, path, token string, body, answer any) error {
	xr, err := s.get(ctx)
	if err != nil {
		return err
	}

	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}

	req, err := http.NewRequestWithContext(ctx, method, "http://"+xr.Status.Endpoints.API+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}

	req.Header.Set("Content-Type", "application/json")

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	res, err := restClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()

	content, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}

	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %d: %s", method, path, res.StatusCode, strings.TrimSpace(string(content)))
	}

	if answer == nil {
		return nil
	}

	return json.Unmarshal(content, answer)
}

// login logs in as the administrator, and returns the token.
func (s *server) login(t *testing.T) string {
	t.Helper()

	var answer struct {
		Token string `json:"access_token"` //nolint:tagliatelle // The server's spelling.
	}

	eventually(t, "admin logs in", func(ctx context.Context) error {
		return s.request(ctx, http.MethodPost, "/api/v1/auth/login", "", map[string]string{"username": "admin", "password": adminPassword}, &answer)
	})

	return answer.Token
}

// share is a folder that the server exports over NFS. Its stores are on the server's
// claims.
const share = "/export"

// makeShare makes a share with stores at these paths in the server's container.
func (s *server) makeShare(t *testing.T, metadataPath, contentPath string) {
	t.Helper()

	if err := s.tryMakeShare(t, metadataPath, contentPath); err != nil {
		t.Fatal(err)
	}
}

func (s *server) tryMakeShare(t *testing.T, metadataPath, contentPath string) error {
	t.Helper()

	token := s.login(t)

	var store struct {
		ID string `json:"id"`
	}

	path := func(p string) string { return fmt.Sprintf(`{"path":%q}`, p) }

	if err := s.request(t.Context(), http.MethodPost, "/api/v1/store/metadata", token,
		map[string]string{"name": "metadata", "type": "badger", "config": path(metadataPath)}, &store); err != nil {
		return err
	}

	metadata := store.ID

	if err := s.request(t.Context(), http.MethodPost, "/api/v1/store/block/local", token,
		map[string]string{"name": "content", "type": "fs", "config": path(contentPath)}, &store); err != nil {
		return err
	}

	return s.request(t.Context(), http.MethodPost, "/api/v1/shares", token,
		map[string]string{"name": share, "metadata_store_id": metadata, "local_block_store": store.ID, "default_permission": "read-write"}, nil)
}

// nfsURL returns the URL of a file in the share, at the address that the status gives
// users.
func (s *server) nfsURL(ctx context.Context, file string) (string, error) {
	xr, err := s.get(ctx)
	if err != nil {
		return "", err
	}

	host, port, err := net.SplitHostPort(xr.Status.Endpoints.NFS)
	if err != nil {
		return "", err
	}

	options := url.Values{"version": {"3"}, "nfsport": {port}, "mountport": {port}, "uid": {"0"}, "gid": {"0"}}

	return "nfs://" + host + share + "/" + file + "?" + options.Encode(), nil
}

// writeFile writes a file to the share over NFS.
func (s *server) writeFile(t *testing.T, name, content string) {
	t.Helper()

	local := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(local, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}

	eventually(t, "write "+name, func(ctx context.Context) error {
		remote, err := s.nfsURL(ctx, name)
		if err != nil {
			return err
		}

		_, err = tool(ctx, "nfs-cp", local, remote)

		return err
	})
}

// readFile reads a file of the share over NFS.
func (s *server) readFile(ctx context.Context, name string) (string, error) {
	remote, err := s.nfsURL(ctx, name)
	if err != nil {
		return "", err
	}

	return tool(ctx, "nfs-cat", remote)
}

// expectFile waits until a file of the share has this content.
func (s *server) expectFile(t *testing.T, name, content string) {
	t.Helper()

	eventually(t, "read "+name, func(ctx context.Context) error {
		got, err := s.readFile(ctx, name)
		if err == nil && got != content {
			err = fmt.Errorf("%s holds %q, want %q", name, got, content)
		}

		return err
	})
}

// tool runs a client. A server that does not answer is an error, too.
func tool(ctx context.Context, command string, args ...string) (string, error) {
	// A machine that is busy may take this long to start kubectl.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	cmd := exec.CommandContext(ctx, command, args...)
	if libraries := os.Getenv("DEBIAN_LIBRARIES"); libraries != "" {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries)
	}

	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()+stdout.String()))
	}

	return stdout.String(), nil
}
