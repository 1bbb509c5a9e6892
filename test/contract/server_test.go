package contract

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/marmos91/dittofs/pkg/config"
	"github.com/marmos91/dittofs/pkg/controlplane/models"
	"github.com/marmos91/dittofs/pkg/controlplane/store"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// loopback is the address that the servers of these tests listen on, but for one.
const loopback = "127.0.0.1"

// A server is a process of the real server.
type server struct {
	rendering

	cmd *exec.Cmd
	log string

	// exited is closed once the process is gone.
	exited chan struct{}
}

// binary returns the path of the server that "make contract" builds, or skips the
// test.
func binary(t *testing.T) string {
	t.Helper()

	b := os.Getenv("DFS")
	if b == "" {
		t.Skip("DFS is not set: run make contract")
	}

	return b
}

// start starts the server as the StatefulSet's pod does. A folder takes the place of the root of
// its file system, and the loopback address that of all interfaces.
func start(t *testing.T, r rendering, dir string) *server {
	t.Helper()

	return startOn(t, r, dir, loopback)
}

// startOn starts a server that listens on a host.
func startOn(t *testing.T, r rendering, dir, host string) *server {
	t.Helper()

	return startWith(t, r, dir, host, func(file string) { disableAdapters(t, file) })
}

// startWith starts a server that listens on a host, once something was done, which gets the path of
// config.yaml.
func startWith(t *testing.T, r rendering, dir, host string, before func(file string)) *server {
	t.Helper()

	makeVolumes(t, r, dir)

	file := localConfig(t, r.config, dir, host)
	before(file)

	// The configuration is the only path among the arguments.
	args := make([]string, 0, len(r.container(t).Args))
	for _, arg := range r.container(t).Args {
		if filepath.IsAbs(arg) {
			arg = filepath.Join(dir, arg)
		}

		args = append(args, arg)
	}

	// It would go on in a process of its own, out of reach.
	if !slices.Contains(args, "--foreground") {
		t.Fatalf("the server leaves the foreground, which ends the container: %q", args)
	}

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()

	s := &server{rendering: r, cmd: exec.CommandContext(t.Context(), binary(t), args...), log: log.Name(), exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = log, log

	s.cmd.Env = []string{"HOME=" + dir}
	for name, value := range r.environment(t) {
		s.cmd.Env = append(s.cmd.Env, name+"="+value)
	}

	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}

	go func() {
		_ = s.cmd.Wait()

		close(s.exited)
	}()

	// The context of the test is cancelled by now, which kills what still runs.
	t.Cleanup(func() { <-s.exited })

	return s
}

// makeVolumes makes a folder for each volume of the container, with the files of Secrets.
func makeVolumes(t *testing.T, r rendering, dir string) {
	t.Helper()

	for _, m := range r.container(t).VolumeMounts {
		if err := os.MkdirAll(filepath.Join(dir, m.MountPath), 0o700); err != nil {
			t.Fatal(err)
		}

		for _, v := range r.pod.Spec.Volumes {
			if v.Name == m.Name {
				writeFiles(t, r, v, filepath.Join(dir, m.MountPath))
			}
		}
	}
}

// writeFiles writes the files of a volume into a folder.
func writeFiles(t *testing.T, r rendering, v corev1.Volume, dir string) {
	t.Helper()

	if v.Secret != nil {
		for _, item := range v.Secret.Items {
			writeSecret(t, filepath.Join(dir, item.Path), r.values[key{v.Secret.SecretName, item.Key}])
		}
	}

	if v.DownwardAPI != nil {
		for _, item := range v.DownwardAPI.Items {
			name := strings.TrimSuffix(strings.TrimPrefix(item.FieldRef.FieldPath, "metadata.annotations['"), "']")
			writeSecret(t, filepath.Join(dir, item.Path), r.pod.Annotations[name])
		}
	}
}

// writeSecret writes a file of a Secret, as the kubelet does: at once, and as a new one.
func writeSecret(t *testing.T, file, value string) {
	t.Helper()

	if err := os.WriteFile(file+".new", []byte(value), 0o440); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// localConfig writes a config.yaml for a server that has a folder in the place of the
// root of its file system, and a host in the place of all interfaces.
func localConfig(t *testing.T, text, dir, host string) string {
	t.Helper()

	file := writeConfig(t, filepath.Join(dir, dittofs.ConfigDir), text)

	c, err := config.Load(file)
	if err != nil {
		t.Fatalf("the server cannot load config.yaml: %v", err)
	}

	checkHosts(t, c)

	// Else the server has its database wherever it likes best.
	if !strings.HasPrefix(c.Database.SQLite.Path, "/data/") {
		t.Fatalf("the server's database is %q, which is on no volume", c.Database.SQLite.Path)
	}

	text = strings.ReplaceAll(text, "/data/", filepath.Join(dir, "data")+"/")
	text = strings.ReplaceAll(text, dittofs.SecretsDir, filepath.Join(dir, dittofs.SecretsDir))
	text = strings.ReplaceAll(text, allInterfaces, host)

	return writeConfig(t, filepath.Dir(file), text)
}

// writeConfig writes config.yaml into a folder, and returns its path.
func writeConfig(t *testing.T, dir, text string) string {
	t.Helper()

	file := filepath.Join(dir, dittofs.ConfigFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	return file
}

// disableAdapters turns the NFS and SMB listeners off: they are rows of the server's
// database, and listen on every address of the machine.
func disableAdapters(t *testing.T, file string) {
	t.Helper()

	for _, a := range adapters(t, file) {
		a.Enabled = false

		withStore(t, file, func(s *store.GORMStore) error { return s.UpdateAdapter(t.Context(), a) })
	}
}

// adapters returns those that the server has in its database, or makes there.
func adapters(t *testing.T, file string) []*models.AdapterConfig {
	t.Helper()

	var all []*models.AdapterConfig

	withStore(t, file, func(s *store.GORMStore) error {
		if _, err := s.EnsureDefaultAdapters(t.Context()); err != nil {
			return err
		}

		var err error
		all, err = s.ListAdapters(t.Context())

		return err
	})

	return all
}

// withStore opens the database that a config.yaml names.
func withStore(t *testing.T, file string, do func(s *store.GORMStore) error) {
	t.Helper()

	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}

	s, err := store.New(&c.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	if err := do(s); err != nil {
		t.Fatal(err)
	}
}

// output returns the output of the server so far.
func (s *server) output(t *testing.T) string {
	t.Helper()

	b, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// starts waits as long as the kubelet does until the startup probe succeeds. It
// reports whether that comes before the server exits.
func (s *server) starts(t *testing.T) bool {
	t.Helper()

	probe := s.container(t).StartupProbe
	deadline := time.After(time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second)

	for {
		switch status := s.probe(t, probe); {
		case status == http.StatusOK:
			return true
		case status >= 400 && status < 500:
			// A server that is only busy says 503, and one that is not there yet nothing.
			t.Fatalf("the startup probe never succeeds: the server answers %d", status)
		}

		select {
		case <-s.exited:
			return false
		case <-deadline:
			t.Fatalf("the startup probe never succeeds\n%s", s.output(t))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// mustStart waits until the server serves.
func (s *server) mustStart(t *testing.T) {
	t.Helper()

	if !s.starts(t) {
		t.Fatalf("the server exits\n%s", s.output(t))
	}
}

// probe does what the kubelet does, and returns the status. It is 0 if the server
// cannot be reached.
func (s *server) probe(t *testing.T, p *corev1.Probe) int {
	t.Helper()

	if p.TCPSocket != nil {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(loopback, strconv.Itoa(int(s.port(t, p.TCPSocket.Port.StrVal)))))
		if err != nil {
			return 0
		}

		_ = conn.Close()

		return http.StatusOK
	}

	c := &http.Client{Timeout: time.Duration(p.TimeoutSeconds) * time.Second}
	if p.HTTPGet.Scheme == corev1.URISchemeHTTPS {
		// The kubelet takes any certificate.
		c.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // As the kubelet.

		return s.get(t, c, "https", s.port(t, p.HTTPGet.Port.StrVal), p.HTTPGet.Path, "")
	}

	return s.get(t, c, "http", s.port(t, p.HTTPGet.Port.StrVal), p.HTTPGet.Path, "")
}

// get sends a request with a token, if there is one, and returns the status. It is 0 if the
// server cannot be reached.
func (s *server) get(t *testing.T, c *http.Client, scheme string, port int32, path, token string) int {
	t.Helper()

	url := fmt.Sprintf("%s://%s%s", scheme, net.JoinHostPort("localhost", strconv.Itoa(int(port))), path)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	rsp, err := c.Do(req)
	if err != nil {
		return 0
	}
	defer rsp.Body.Close()

	return rsp.StatusCode
}

// do sends a request to the server, and returns status and body.
func (s *server) do(t *testing.T, c *http.Client, method string, port int32, path, token string, body any) (int, []byte) {
	t.Helper()

	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}

	url := fmt.Sprintf("http://%s%s", net.JoinHostPort(loopback, strconv.Itoa(int(port))), path)

	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Content-Type", "application/json")

	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}

	rsp, err := c.Do(req)
	if err != nil {
		return 0, nil
	}
	defer rsp.Body.Close()

	out, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}

	return rsp.StatusCode, out
}

// tokens of the REST API.
type tokens struct {
	Access  string `json:"access_token"`  //nolint:tagliatelle // The server's spelling.
	Refresh string `json:"refresh_token"` //nolint:tagliatelle // The server's spelling.
}

// login logs in to the REST API.
func (s *server) login(t *testing.T, username, password string) (int, tokens) {
	t.Helper()

	status, body := s.do(t, http.DefaultClient, http.MethodPost, s.port(t, v1alpha1.PortAPI), "/api/v1/auth/login", "", map[string]string{"username": username, "password": password})
	got := tokens{}

	if status == http.StatusOK {
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
	}

	return status, got
}

// me asks the REST API who a token is, and returns the status.
func (s *server) me(t *testing.T, access string) int {
	t.Helper()

	status, _ := s.do(t, http.DefaultClient, http.MethodGet, s.port(t, v1alpha1.PortAPI), "/api/v1/auth/me", access, nil)

	return status
}

// refresh asks the REST API for new tokens, and returns the status.
func (s *server) refresh(t *testing.T, token string) int {
	t.Helper()

	status, _ := s.do(t, http.DefaultClient, http.MethodPost, s.port(t, v1alpha1.PortAPI), "/api/v1/auth/refresh", "", map[string]string{"refresh_token": token})

	return status
}

// stop stops the server as the kubelet does: with SIGTERM after the preStop hook,
// which is part of the grace period. It returns how long the server took.
func (s *server) stop(t *testing.T) time.Duration {
	t.Helper()

	grace := time.Duration(*s.pod.Spec.TerminationGracePeriodSeconds-s.container(t).Lifecycle.PreStop.Sleep.Seconds) * time.Second
	begin := time.Now()

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	select {
	case <-s.exited:
	case <-time.After(grace):
		t.Fatalf("the server does not exit within %s\n%s", grace, s.output(t))
	}

	return time.Since(begin)
}

var (
	portsMu sync.Mutex
	ports   = map[int32]bool{}
)

// freePort returns a port that nothing listens on, and no other test gets.
func freePort(t *testing.T) int32 {
	t.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()

	for {
		lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			t.Fatal(err)
		}

		port := int32(lis.Addr().(*net.TCPAddr).Port)
		_ = lis.Close()

		if !ports[port] {
			ports[port] = true
			return port
		}
	}
}

// metered is a spec with metrics, on free ports.
func metered(t *testing.T) map[string]any {
	t.Helper()

	return map[string]any{"apiPort": freePort(t), "metrics": map[string]any{"enabled": true, "port": freePort(t)}}
}
