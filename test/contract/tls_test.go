package contract

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/secret"
	"github.com/dittofs/function-dittoserver/test/pki"
)

// Keys of the example Secrets.
var (
	keyCert  = key{"files-tls", "tls.crt"}
	keyKey   = key{"files-tls", "tls.key"}
	keyCA    = key{"files-tls", "ca.crt"}
	keyToken = key{"files-metrics", "token"}
)

// secured is a spec with a certificate for the API.
func secured(t *testing.T, more map[string]any) map[string]any {
	t.Helper()

	api := map[string]any{"secretRef": map[string]any{"name": "files-tls"}}
	merge(api, more)

	return map[string]any{"version": version, "apiPort": freePort(t), "api": map[string]any{"tls": api}}
}

// client returns a client that trusts an authority, and shows a certificate if it has one.
func client(t *testing.T, ca, own *pki.Pair, change func(*tls.Config)) *http.Client {
	t.Helper()

	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AppendCertsFromPEM(ca.Certificate)

	if own != nil {
		pair, err := tls.X509KeyPair(own.Certificate, own.Key)
		if err != nil {
			t.Fatal(err)
		}

		c.Certificates = []tls.Certificate{pair}
	}

	if change != nil {
		change(c)
	}

	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
}

// file returns where a server of these tests has a file of a role.
func (s *server) file(r composite.Role, name string) string {
	return filepath.Join(filepath.Dir(s.log), r.Dir(), name)
}

// TestAPITLS renews the certificate of a server that runs.
func TestAPITLS(t *testing.T) {
	binary(t)
	t.Parallel()

	before, after := pki.Authority(t), pki.Authority(t)
	served, renewed := before.Issue(t), after.Issue(t)

	r := render(t, ask{spec: secured(t, map[string]any{"minVersion": "1.3"}), secrets: map[key]string{keyCert: string(served.Certificate), keyKey: string(served.Key)}})
	if r.secrets.State != secret.There {
		t.Fatal(r.secrets.Problems)
	}

	s := start(t, r, t.TempDir())
	s.mustStart(t)

	port, c := s.port(t, v1alpha1.PortAPI), s.container(t)
	if got := s.probe(t, c.ReadinessProbe); got != http.StatusOK {
		t.Errorf("readiness probe: want 200, got %d", got)
	}

	health := func(c *http.Client, scheme string) int { return s.get(t, c, scheme, port, dittofs.HealthPath, "") }

	if got := health(client(t, before, nil, nil), "https"); got != http.StatusOK {
		t.Errorf("%s: want 200, got %d", "A client that trusts the authority gets in", got)
	}

	if got := health(client(t, after, nil, nil), "https"); got != 0 {
		t.Errorf("%s: got %d", "Another authority did not sign the certificate", got)
	}

	if got := health(http.DefaultClient, "http"); got == http.StatusOK {
		t.Errorf("%s: got %d", "Nothing is served in the clear", got)
	}

	if got := health(client(t, before, nil, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), "https"); got != 0 {
		t.Errorf("%s: got %d", "An old version of TLS is refused", got)
	}

	// The server looks at the time stamps.
	time.Sleep(20 * time.Millisecond)
	writeSecret(t, s.file(composite.RoleAPITLS, dittofs.CertFile), string(renewed.Certificate))
	writeSecret(t, s.file(composite.RoleAPITLS, dittofs.KeyFile), string(renewed.Key))

	if got := health(client(t, after, nil, nil), "https"); got != http.StatusOK {
		t.Errorf("%s: want 200, got %d", "The server reads a certificate that is renewed by itself", got)
	}

	s.stop(t)
}

// TestMutualTLS asks clients of the API for certificates.
func TestMutualTLS(t *testing.T) {
	binary(t)
	t.Parallel()

	ca, other := pki.Authority(t), pki.Authority(t)
	served := ca.Issue(t)

	s := start(t, render(t, ask{
		spec:    secured(t, map[string]any{"clientCASecretRef": map[string]any{"name": "files-tls"}}),
		secrets: map[key]string{keyCert: string(served.Certificate), keyKey: string(served.Key), keyCA: string(ca.Certificate)},
	}), t.TempDir())
	s.mustStart(t)

	health := func(own *pki.Pair) int {
		return s.get(t, client(t, ca, own, nil), "https", s.port(t, v1alpha1.PortAPI), dittofs.HealthPath, "")
	}
	c := s.container(t)

	if c.ReadinessProbe.TCPSocket == nil || s.probe(t, c.ReadinessProbe) != http.StatusOK {
		t.Errorf("%s: %+v", "A probe has no certificate, and looks at the port", c.ReadinessProbe)
	}

	cases := []struct {
		reason string
		own    *pki.Pair
		want   int
	}{
		{"An HTTPS probe would fail: it has no certificate", nil, 0},
		{"Another authority's certificate is none", other.Issue(t), 0},
		{"A client with a certificate gets in", ca.Issue(t), http.StatusOK},
	}
	for _, tc := range cases {
		if got := health(tc.own); got != tc.want {
			t.Errorf("%s: want %d, got %d", tc.reason, tc.want, got)
		}
	}

	writeSecret(t, s.file(composite.RoleAPICA, dittofs.CAFile), string(other.Certificate))

	if got := health(other.Issue(t)); got != 0 {
		t.Errorf("%s: got %d", "Authorities are read at start: they belong into the digest", got)
	}

	s.stop(t)
}

// TestMetricsAccess scrapes with a token over TLS, by the annotations of the Service.
func TestMetricsAccess(t *testing.T) {
	binary(t)
	t.Parallel()

	ca := pki.Authority(t)
	served := ca.Issue(t)

	spec := metered(t)
	spec["version"] = version
	merge(spec["metrics"].(map[string]any), map[string]any{
		"path":           "/stats",
		"tokenSecretRef": map[string]any{"name": "files-metrics"},
		"tls":            map[string]any{"secretRef": map[string]any{"name": "files-tls"}, "clientCASecretRef": map[string]any{"name": "files-tls"}},
	})

	r := render(t, ask{spec: spec, secrets: map[key]string{
		// The server ignores white space around the token.
		keyToken: "scrape-token\n", keyCert: string(served.Certificate), keyKey: string(served.Key), keyCA: string(ca.Certificate),
	}})
	if r.secrets.State != secret.There {
		t.Fatal(r.secrets.Problems)
	}

	s := start(t, r, t.TempDir())
	s.mustStart(t)

	scheme, path := s.metrics.Annotations["prometheus.io/scheme"], s.metrics.Annotations["prometheus.io/path"]
	scrape := func(own *pki.Pair, path, token string) int {
		return s.get(t, client(t, ca, own, nil), scheme, s.port(t, v1alpha1.PortMetrics), path, token)
	}
	own := ca.Issue(t)

	// The metrics have a listener of their own, which may be the last to start.
	for deadline := time.Now().Add(10 * time.Second); scrape(own, path, "scrape-token") == 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}

	cases := []struct {
		reason      string
		own         *pki.Pair
		path, token string
		want        int
	}{
		{"With all of it metrics are served", own, path, "scrape-token", http.StatusOK},
		{"Not without the token", own, path, "", http.StatusUnauthorized},
		{"Not with another one", own, path, "other", http.StatusUnauthorized},
		{"Not at another path", own, "/metrics", "scrape-token", http.StatusNotFound},
		{"Not without a certificate", nil, path, "scrape-token", 0},
	}
	for _, tc := range cases {
		if got := scrape(tc.own, tc.path, tc.token); got != tc.want {
			t.Errorf("%s: want %d, got %d", tc.reason, tc.want, got)
		}
	}

	time.Sleep(20 * time.Millisecond)

	renewed := pki.Authority(t).Issue(t)
	writeSecret(t, s.file(composite.RoleMetricsTLS, dittofs.CertFile), string(renewed.Certificate))
	writeSecret(t, s.file(composite.RoleMetricsTLS, dittofs.KeyFile), string(renewed.Key))
	writeSecret(t, s.file(composite.RoleMetricsToken, dittofs.TokenFile), "new-token")

	if got := scrape(own, path, "scrape-token"); got != http.StatusOK {
		t.Errorf("%s: want 200, got %d", "Token and certificate are read at start: they belong into the digest", got)
	}

	s.stop(t)
}

// TestWrongFiles gives the server the files that the function refuses.
func TestWrongFiles(t *testing.T) {
	binary(t)

	ca := pki.Authority(t)
	served, other := ca.Issue(t), ca.Issue(t)
	good := map[key]string{keyCert: string(served.Certificate), keyKey: string(served.Key), keyCA: string(ca.Certificate), keyToken: "scrape-token"}

	cases := map[string]struct {
		reason string
		wrong  key
		value  string
		exits  string
	}{
		"NotFitting": {"A key of another certificate keeps the server from starting", keyKey, string(other.Key), "private key does not match public key"},
		"NoCert":     {"So does what is no certificate", keyCert, "example", "failed to find any PEM data"},
		"Encrypted":  {"So does a key with a passphrase", keyKey, string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("example")})), "failed to parse private key"},
		"NoCA":       {"So do authorities that are none", keyCA, "example", "no valid PEM certificate"},
		"NoToken":    {"So does an empty token", keyToken, " \n", "is empty"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			spec := secured(t, map[string]any{"clientCASecretRef": map[string]any{"name": "files-tls"}})
			spec["metrics"] = map[string]any{"enabled": true, "port": freePort(t), "tokenSecretRef": map[string]any{"name": "files-metrics"}}

			asked := ask{spec: spec, secrets: maps.Clone(good)}
			asked.secrets[tc.wrong] = tc.value

			r := render(t, asked)
			if r.secrets.State != secret.Missing || !slices.ContainsFunc(r.secrets.Problems, func(p string) bool { return strings.Contains(p, "key "+tc.wrong.key+": ") }) {
				t.Errorf("%s\nsecret.Resolve(...): want a problem of %s, got %v", tc.reason, tc.wrong.key, r.secrets.Problems)
			}

			s := start(t, r, t.TempDir())

			// A probe of the port may succeed before the server gives up.
			select {
			case <-s.exited:
			case <-time.After(time.Minute):
				t.Fatalf("%s\nthe server runs\n%s", tc.reason, s.output(t))
			}

			if !strings.Contains(s.output(t), tc.exits) {
				t.Errorf("%s\nthe server exits: want %q in its output, got\n%s", tc.reason, tc.exits, s.output(t))
			}
		})
	}
}
