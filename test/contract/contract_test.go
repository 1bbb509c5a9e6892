package contract

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/marmos91/dittofs/pkg/config"
	"golang.org/x/crypto/bcrypt"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// hash returns a bcrypt hash of the example password, with the version that a tool
// other than Go's writes.
func hash(t *testing.T, version string) string {
	t.Helper()

	b, err := bcrypt.GenerateFromPassword([]byte(examplePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}

	return strings.Replace(string(b), "$2a$", version, 1)
}

// TestEnvironment holds the environment of the container against what the server's
// own package reads of it.
func TestEnvironment(t *testing.T) {
	type values struct {
		JWT, PasswordHash                              string
		Host, Database, User, Password, SSLMode, Admin string
		Port, MaxOpenConns, MaxIdleConns               int
	}

	postgres := map[string]any{"database": map[string]any{"postgres": map[string]any{
		"secretRef": map[string]any{"name": "files-db"},
		"keys":      map[string]any{"database": "dbname", "user": "username"},
	}}}
	clear := map[string]any{"database": map[string]any{"postgres": map[string]any{
		"host": "db.example.org", "port": 6543, "database": "1e3", "sslmode": "require", "maxOpenConns": 50, "maxIdleConns": 10,
		"secretRef": map[string]any{"name": "files-db"}, "keys": map[string]any{"user": "username"},
	}}}
	h := hash(t, "$2a$")

	cases := map[string]struct {
		reason string
		ask    ask
		want   values
	}{
		"JWT": {
			reason: "The JWT secret signs the tokens; a clear password is no configuration",
			want:   values{JWT: exampleJWT},
		},
		"Hash": {
			reason: "A hash is the first administrator's",
			ask:    ask{secrets: map[key]string{keyPassword: h}},
			want:   values{JWT: exampleJWT, PasswordHash: h},
		},
		"Postgres": {
			reason: "Every key of the database's Secret replaces the placeholder in config.yaml",
			ask: ask{spec: postgres, secrets: map[key]string{
				{"files-db", "port"}: "6543", {"files-db", "username"}: "example-user", {"files-db", "sslmode"}: "verify-full",
			}},
			want: values{
				JWT: exampleJWT, Host: "postgres.example.org", Port: 6543, Database: "dittofs",
				User: "example-user", Password: "example-password", SSLMode: "verify-full", MaxOpenConns: 25, MaxIdleConns: 5,
			},
		},
		"PostgresInTheClear": {
			reason: "What the spec says stands in config.yaml, and the Secret says the rest",
			ask: ask{spec: clear, secrets: map[key]string{
				{"files-db", "port"}: "5434", {"files-db", "username"}: "example-user", {"files-db", "sslmode"}: "verify-full",
			}},
			want: values{
				JWT: exampleJWT, Host: "db.example.org", Port: 6543, Database: "1e3",
				User: "example-user", Password: "example-password", SSLMode: "require", MaxOpenConns: 50, MaxIdleConns: 10,
			},
		},
	}
	for name, tc := range cases {
		for _, release := range []any{version, nil} {
			t.Run(fmt.Sprintf("%s-%v", name, release), func(t *testing.T) {
				asked := tc.ask
				asked.spec = map[string]any{"version": release}
				maps.Copy(asked.spec, tc.ask.spec)

				r := render(t, asked)
				if r.secrets.State != secret.There {
					t.Fatal(r.secrets.Problems)
				}

				for name, value := range r.environment(t) {
					t.Setenv(name, value)
				}

				c, err := config.Load(writeConfig(t, t.TempDir(), r.config))
				if err != nil {
					t.Fatal(err)
				}

				pg := c.Database.Postgres
				got := values{
					JWT: c.ControlPlane.JWT.Secret, PasswordHash: c.Admin.PasswordHash,
					Host: pg.Host, Database: pg.Database, User: pg.User, Password: pg.Password,
				}

				// The server has defaults for these.
				if c.Database.Type == "postgres" {
					got.Port, got.SSLMode, got.MaxOpenConns, got.MaxIdleConns = pg.Port, pg.SSLMode, pg.MaxOpenConns, pg.MaxIdleConns
				}

				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s\nconfig.Load(...): -want, +got:\n%s", tc.reason, diff)
				}
			})
		}
	}
}

// TestAdapters holds the ports that the Services target against those that the
// server writes into its database when it first starts.
func TestAdapters(t *testing.T) {
	r := render(t, ask{spec: map[string]any{"smb": map[string]any{"enabled": true}}})
	dir := t.TempDir()
	makeVolumes(t, r, dir)
	file := localConfig(t, r.config, dir, loopback)

	want := map[string]int{
		"nfs": int(r.port(t, v1alpha1.PortNFS)),
		"smb": int(r.port(t, v1alpha1.PortSMB)),
	}
	got := map[string]int{}

	for _, a := range adapters(t, file) {
		got[a.Type] = a.Port
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nEnsureDefaultAdapters(...): -want, +got:\n%s", "The container's ports are where the server's adapters listen", diff)
	}
}

// TestServer starts the server with what the function composes.
func TestServer(t *testing.T) {
	binary(t)

	cases := map[string]struct {
		reason   string
		version  any
		secrets  map[key]string
		password string
		// username of spec.identity.admin.
		username string
		warnings bool
	}{
		"Clear":           {reason: "A clear password lets the administrator in", version: version, password: examplePassword},
		"Unversioned":     {reason: "Without a version the server starts as well, and says which keys it does not know", password: examplePassword, warnings: true},
		"Hash2a":          {reason: "A hash as Go writes it", version: version, secrets: map[key]string{keyPassword: hash(t, "$2a$")}, password: examplePassword},
		"Hash2b":          {reason: "A hash as OpenBSD writes it", version: version, secrets: map[key]string{keyPassword: hash(t, "$2b$")}, password: examplePassword},
		"Hash2y":          {reason: "A hash as htpasswd writes it", version: version, secrets: map[key]string{keyPassword: hash(t, "$2y$")}, password: examplePassword},
		"PasswordOf8":     {reason: "The shortest password that the function accepts", version: version, secrets: map[key]string{keyPassword: strings.Repeat("p", 8)}, password: strings.Repeat("p", 8)},
		"PasswordOf72":    {reason: "The longest password that the function accepts", version: version, secrets: map[key]string{keyPassword: strings.Repeat("p", 72)}, password: strings.Repeat("p", 72)},
		"JWTOf32":         {reason: "The shortest JWT secret that the function accepts", version: version, secrets: map[key]string{keyJWT: strings.Repeat("j", 32)}, password: examplePassword},
		"UsernameIgnored": {reason: "The server calls the first administrator admin, whatever its configuration says", version: version, username: "root", password: examplePassword},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			asked := ask{spec: metered(t), secrets: tc.secrets}
			asked.spec["version"] = tc.version

			if tc.username != "" {
				asked.spec["identity"] = map[string]any{"admin": map[string]any{"username": tc.username}}
			}

			r := render(t, asked)
			if r.secrets.State != secret.There {
				t.Fatalf("%s\nsecret.Resolve(...): %v", tc.reason, r.secrets.Problems)
			}

			s := start(t, r, t.TempDir())
			s.mustStart(t)

			c := r.container(t)
			if got := s.probe(t, c.LivenessProbe); got != http.StatusOK {
				t.Errorf("%s\nliveness probe: want 200, got %d", tc.reason, got)
			}

			if got := s.probe(t, c.ReadinessProbe); got != http.StatusOK {
				t.Errorf("%s\nreadiness probe: want 200, got %d", tc.reason, got)
			}

			if got, _ := s.login(t, "admin", tc.password); got != http.StatusOK {
				t.Errorf("%s\nlogin: want 200, got %d", tc.reason, got)
			}

			if got, _ := s.login(t, "admin", "x"+tc.password); got != http.StatusUnauthorized {
				t.Errorf("%s\nlogin with a wrong password: want 401, got %d", tc.reason, got)
			}

			if tc.username != "" {
				if got, _ := s.login(t, tc.username, tc.password); got != http.StatusUnauthorized {
					t.Errorf("%s\nlogin as %s: want 401, got %d", tc.reason, tc.username, got)
				}
			}

			s.scrape(t)

			s.stop(t)

			if code := s.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("%s\nexit code: want 0, got %d\n%s", tc.reason, code, s.output(t))
			}

			if got := strings.Contains(s.output(t), "unknown keys"); got != tc.warnings {
				t.Errorf("%s\nwarning of unknown keys: want %t, got %t\n%s", tc.reason, tc.warnings, got, s.output(t))
			}
		})
	}
}

// TestBothFamilies reaches API and metrics over IPv4 and IPv6, as Services of a dual stack do: what
// config.yaml has for all interfaces is taken for those of both.
func TestBothFamilies(t *testing.T) {
	binary(t)
	t.Parallel()

	const loopback6 = "::1"

	// All of the machine's interfaces, except the second that the test takes.
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp6", net.JoinHostPort(loopback6, "0"))
	if err != nil {
		t.Skip("this machine has no IPv6")
	}

	_ = l.Close()

	spec := metered(t)
	spec["version"] = version

	s := startOn(t, render(t, ask{spec: spec}), t.TempDir(), allInterfaces)
	s.mustStart(t)
	s.scrape(t)

	for _, host := range []string{loopback, loopback6} {
		for _, port := range []string{v1alpha1.PortAPI, v1alpha1.PortMetrics} {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(int(s.port(t, port)))))
			if err != nil {
				t.Errorf("%s on %s: %v", port, host, err)
				continue
			}

			_ = conn.Close()
		}
	}

	s.stop(t)
}

// scrape reads the metrics as Prometheus does, by the annotations of the Service.
func (s *server) scrape(t *testing.T) {
	t.Helper()

	a := s.metrics.Annotations

	port, err := strconv.Atoi(a["prometheus.io/port"])
	if err != nil {
		t.Fatal(err)
	}

	// The metrics have a listener of their own, which may be the last to start.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, body := s.do(t, http.DefaultClient, http.MethodGet, int32(port), a["prometheus.io/path"], "", nil)

		switch {
		case status == http.StatusOK && bytes.Contains(body, []byte("\ndittofs_build_info{")):
			return
		case status != 0 || time.Now().After(deadline):
			t.Errorf("metrics: want 200 with dittofs_build_info, got %d\n%s", status, body)
			return
		}
	}
}

// TestRotation restarts the server on its data with the same and with another JWT
// secret.
func TestRotation(t *testing.T) {
	binary(t)
	t.Parallel()

	dir := t.TempDir()
	asked := metered(t)

	s := start(t, render(t, ask{spec: asked}), dir)
	s.mustStart(t)

	status, old := s.login(t, "admin", examplePassword)
	if status != http.StatusOK {
		t.Fatalf("login: want 200, got %d", status)
	}

	s.stop(t)

	cases := []struct {
		name, reason string
		jwt          string
		want         int
	}{
		{"Same", "A restart alone logs nobody out", exampleJWT, http.StatusOK},
		{"Other", "Another JWT secret makes the old tokens worthless", strings.Repeat("rotated-", 4), http.StatusUnauthorized},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, render(t, ask{spec: asked, secrets: map[key]string{keyJWT: tc.jwt}}), dir)
			s.mustStart(t)

			if got := s.me(t, old.Access); got != tc.want {
				t.Errorf("%s\naccess token: want %d, got %d", tc.reason, tc.want, got)
			}

			if got := s.refresh(t, old.Refresh); got != tc.want {
				t.Errorf("%s\nrefresh token: want %d, got %d", tc.reason, tc.want, got)
			}

			status, fresh := s.login(t, "admin", examplePassword)
			if status != http.StatusOK {
				t.Errorf("%s\nlogin: want 200, got %d", tc.reason, status)
			}

			if got := s.me(t, fresh.Access); got != http.StatusOK {
				t.Errorf("%s\nnew access token: want 200, got %d", tc.reason, got)
			}

			s.stop(t)
		})
	}
}

// TestStop stops a server that has a request in flight, which takes it the longest. It
// may as well drop the request at once.
func TestStop(t *testing.T) {
	binary(t)
	t.Parallel()

	asked := metered(t)
	asked["shutdownTimeout"] = "1s"

	s := start(t, render(t, ask{spec: asked}), t.TempDir())
	s.mustStart(t)

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort(loopback, strconv.Itoa(int(s.port(t, v1alpha1.PortAPI)))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	// The server asks for the body, so it is busy with the request.
	if _, err := conn.Write([]byte("POST /api/v1/auth/login HTTP/1.1\r\nHost: files\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")); err != nil {
		t.Fatal(err)
	}

	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("the server does not take the request: %q, %v", line, err)
	}

	t.Logf("the server exits after %s", s.stop(t))
}

// TestWrongSecrets gives the server the Secrets that the function refuses.
func TestWrongSecrets(t *testing.T) {
	binary(t)

	h := hash(t, "$2b$")

	cases := map[string]struct {
		reason  string
		secrets map[key]string
		hash    bool
		// exits with this message. If it is empty, the server starts and the
		// administrator cannot log in.
		exits string
	}{
		"JWTOf31": {
			reason:  "A JWT secret that is too short keeps the server from starting",
			secrets: map[key]string{keyJWT: strings.Repeat("j", 31)},
			exits:   "JWT secret must be at least 32 characters",
		},
		"JWTEmpty": {
			reason:  "So does none",
			secrets: map[key]string{keyJWT: ""},
			exits:   "JWT secret must be at least 32 characters",
		},
		"PasswordOf7": {
			reason:  "A password that is too short keeps the server from starting",
			secrets: map[key]string{keyPassword: strings.Repeat("p", 7)},
			exits:   "password must be at least 8 characters",
		},
		"PasswordOf73": {
			reason:  "So does one that bcrypt cannot take",
			secrets: map[key]string{keyPassword: strings.Repeat("p", 73)},
			exits:   "password must be at most 72 characters",
		},
		"PasswordEmpty": {
			reason:  "An empty password is none: the server invents one",
			secrets: map[key]string{keyPassword: ""},
		},
		"HashShort": {
			reason:  "A hash that is far too short keeps the server from starting",
			secrets: map[key]string{keyPassword: "$2b$10$example"},
			hash:    true,
			exits:   "not a valid bcrypt hash",
		},
		"HashCost": {
			reason:  "So does one with a cost that bcrypt does not have",
			secrets: map[key]string{keyPassword: strings.Replace(h, "$04$", "$03$", 1)},
			hash:    true,
			exits:   "not a valid bcrypt hash",
		},
		"HashCut": {
			reason:  "The server takes a hash without its last character, and lets nobody in",
			secrets: map[key]string{keyPassword: h[:len(h)-1]},
			hash:    true,
		},
		"HashCharacters": {
			reason:  "The server takes a hash with characters that no hash has, and lets nobody in",
			secrets: map[key]string{keyPassword: h[:len(h)-1] + "!"},
			hash:    true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := render(t, ask{spec: metered(t), secrets: tc.secrets, hash: tc.hash})
			if r.secrets.State != secret.Missing || len(r.secrets.Problems) != 1 {
				t.Errorf("%s\nsecret.Resolve(...): want one problem, got %v", tc.reason, r.secrets.Problems)
			}

			s := start(t, r, t.TempDir())
			if !s.starts(t) {
				if tc.exits == "" || !strings.Contains(s.output(t), tc.exits) {
					t.Errorf("%s\nthe server exits: want %q in its output, got\n%s", tc.reason, tc.exits, s.output(t))
				}

				return
			}

			if tc.exits != "" {
				t.Errorf("%s\nthe server starts\n%s", tc.reason, s.output(t))
			}

			for _, password := range []string{examplePassword, r.values[keyPassword]} {
				if got, _ := s.login(t, "admin", password); got == http.StatusOK {
					t.Errorf("%s\nlogin: the server lets the administrator in", tc.reason)
				}
			}
		})
	}
}
