package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// issue returns a certificate for clients, and for a Service of the server.
func (s *server) issue(t *testing.T, authority *pki.Pair, service string) *pki.Pair {
	t.Helper()

	return authority.Issue(t, func(c *x509.Certificate) { c.DNSNames = []string{s.host(service)} })
}

// host is the name of a Service of the server in the cluster.
func (s *server) host(service string) string {
	return s.name + "-" + service + "." + s.namespace + ".svc"
}

// pairSecret has a certificate and its key as cert-manager writes them.
func pairSecret(p *pki.Pair) map[string]string {
	return map[string]string{"tls.crt": string(p.Certificate), "tls.key": string(p.Key)}
}

// A caller calls a Service of the server over HTTPS.
type caller struct {
	server  *server
	service string // Its suffix.

	authority *pki.Pair // Whose certificates it trusts.
	pair      *pki.Pair // Its own certificate, if it has one.
}

// get calls a path over a new connection, with headers, and returns the answer and the
// certificate of the server.
func (c caller) get(ctx context.Context, path string, header http.Header) (string, *x509.Certificate, error) {
	svc := &corev1.Service{}
	if err := cluster.Get(ctx, c.server.key(c.server.name+"-"+c.service), svc); err != nil {
		return "", nil, err
	}

	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(c.authority.Certificate)

	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, ServerName: c.server.host(c.service)}

	if c.pair != nil {
		pair, err := tls.X509KeyPair(c.pair.Certificate, c.pair.Key)
		if err != nil {
			return "", nil, err
		}

		config.Certificates = []tls.Certificate{pair}
	}

	url := "https://" + net.JoinHostPort(svc.Spec.ClusterIP, fmt.Sprint(svc.Spec.Ports[0].Port)) + path

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}

	req.Header = header

	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()

	res, err := (&http.Client{Transport: transport, Timeout: restClient.Timeout}).Do(req)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = res.Body.Close() }()

	content, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, content)
	}

	return string(content), res.TLS.PeerCertificates[0], err
}

// serves returns a check that the API is served with this certificate.
func (c caller) serves(p *pki.Pair) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		_, served, err := c.get(ctx, "/health", nil)
		if err != nil {
			return err
		}

		if want, err := tls.X509KeyPair(p.Certificate, p.Key); err != nil || !bytes.Equal(served.Raw, want.Certificate[0]) {
			return errors.Join(err, fmt.Errorf("it is served with the certificate of serial number %d", served.SerialNumber))
		}

		return nil
	}
}

// refuses returns a check that the API refuses the caller.
func (c caller) refuses(ctx context.Context) error {
	if _, _, err := c.get(ctx, "/health", nil); err == nil {
		return errors.New("it answers")
	}

	return nil
}

// The API goes from HTTP to HTTPS in one step, takes a renewed certificate without a restart, tells
// what would not start, and asks for the certificates of clients.
func TestAPIOverHTTPS(t *testing.T) {
	t.Parallel()

	const (
		withTLS  = withContent + "api: {tls: {secretRef: {name: api-tls}, minVersion: \"1.3\"}}\n"
		withMTLS = withContent + "api: {tls: {secretRef: {name: api-tls}, clientCASecretRef: {name: clients, key: ca.crt}}}\n"
	)

	s := servingFiles(t, withContent)
	s.watchPods(t)
	pod := s.waitRunning(t)

	authority := pki.Authority(t)
	first, second := s.issue(t, authority, "api"), s.issue(t, authority, "api")
	anybody := caller{server: s, service: "api", authority: authority}

	// A change waits for its Secret.
	s.apply(t, withTLS)
	eventually(t, "the missing Secret is told", s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/api-tls does not exist"))
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	s.applySecret(t, "api-tls", pairSecret(first))
	s.call(t)
	pod = s.successor(t, pod)
	eventually(t, "HTTPS is served", anybody.serves(first))
	s.expectFile(t, "first.txt", "first")

	xr, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if want := "https://" + xr.Status.Endpoints.API; xr.Status.APIURL != want {
		t.Errorf("status.apiURL: got %q, want %q", xr.Status.APIURL, want)
	}

	if err := s.request(t.Context(), http.MethodGet, "/health", "", nil, nil); err == nil {
		t.Error("HTTP is served still")
	}

	// Renewed while clients call.
	s.applySecret(t, "api-tls", pairSecret(second))

	begin := time.Now()

	for served := false; !served; time.Sleep(time.Second) {
		if _, _, err := anybody.get(t.Context(), "/health", nil); err != nil {
			t.Fatalf("while its certificate is renewed the API does not answer: %v", err)
		}

		served = anybody.serves(second)(t.Context()) == nil

		if time.Since(begin) > patience {
			t.Fatal("the renewed certificate is not served")
		}
	}

	t.Logf("the renewed certificate is served after %.1f s", time.Since(begin).Seconds())
	s.throughoutCalls(t, "nothing restarts", s.samePod(pod))

	// Each broken file is reported by its name while the server keeps running.
	for name, tc := range map[string]struct {
		values map[string]string
		told   string
	}{
		"NoKey":    {map[string]string{"tls.crt": string(second.Certificate)}, "key tls.key"},
		"OtherKey": {map[string]string{"tls.crt": string(second.Certificate), "tls.key": string(first.Key)}, "is not the private key of the certificate"},
		"NoPEM":    {map[string]string{"tls.crt": "none", "tls.key": string(second.Key)}, "key tls.crt"},
	} {
		s.applySecret(t, "api-tls", tc.values)
		s.call(t)
		eventually(t, name+" is told", s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/api-tls", tc.told))

		if err := s.samePod(pod)(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	s.applySecret(t, "api-tls", pairSecret(second))
	s.call(t)
	eventually(t, "all is well again", s.condition("SecretsResolved=True"))

	// Mutual TLS.
	clients := pki.Authority(t)
	s.applySecret(t, "clients", map[string]string{"ca.crt": string(clients.Certificate)})
	s.apply(t, withMTLS)
	s.successor(t, pod)

	known, foreign := anybody, anybody
	known.pair, foreign.pair = clients.Issue(t), authority.Issue(t)

	eventually(t, "a client with a certificate is served", known.serves(second))

	for name, c := range map[string]caller{"without a certificate": anybody, "with that of another authority": foreign} {
		if err := c.refuses(t.Context()); err != nil {
			t.Errorf("a client %s: %v", name, err)
		}
	}

	eventually(t, "the server is ready", s.condition("Ready=True"))
	s.expectFile(t, "first.txt", "first")

	// And back.
	s.apply(t, withContent)
	eventually(t, "HTTP is served", func(ctx context.Context) error {
		return s.request(ctx, http.MethodGet, "/health", "", nil, nil)
	})
	eventually(t, "the server is ready", s.condition("Ready=True"))
}

// Metrics are for those with the token, over HTTPS.
func TestMetricsWithTokenOverHTTPS(t *testing.T) {
	t.Parallel()

	s := newNamespace(t)
	authority := pki.Authority(t)
	scraper := caller{server: s, service: "metrics", authority: authority}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

	s.applySecret(t, "token", map[string]string{"token": "example-token\n"})
	s.applySecret(t, "metrics-tls", pairSecret(s.issue(t, authority, "metrics")))
	s.apply(t, withContent+"metrics: {enabled: true, path: /numbers, tokenSecretRef: {name: token}, tls: {secretRef: {name: metrics-tls}}}\n")
	pod := s.waitRunning(t)

	scraped := func(token string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			content, _, err := scraper.get(ctx, "/numbers", bearer(token))
			if err == nil && !strings.Contains(content, "\ndittofs_build_info{") {
				err = fmt.Errorf("no build info of DittoFS in %d bytes", len(content))
			}

			return err
		}
	}

	eventually(t, "metrics are scraped", scraped("example-token"))

	if err := scraped("example-other")(t.Context()); err == nil {
		t.Error("metrics are scraped with another token")
	}

	svc := &corev1.Service{}
	if err := cluster.Get(t.Context(), s.key(s.name+"-metrics"), svc); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{"prometheus.io/scheme": "https", "prometheus.io/path": "/numbers"} {
		if got := svc.Annotations[name]; got != want {
			t.Errorf("annotation %s: got %q, want %q", name, got, want)
		}
	}

	// A token is read when the server starts.
	s.applySecret(t, "token", map[string]string{"token": ""})
	s.call(t)
	eventually(t, "an empty token is told", s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/token, key token: must not be empty"))
	s.throughoutCalls(t, "the server runs on", all(s.samePod(pod), scraped("example-token")))

	s.applySecret(t, "token", map[string]string{"token": "example-second"})
	s.call(t)
	s.successor(t, pod)
	eventually(t, "metrics are scraped with the second token", scraped("example-second"))
}

// PostgreSQL is judged by an authority of its own.
func TestPostgresOverTLSWithAPrivateAuthority(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newNamespace(t)
	authority := pki.Authority(t)

	s.applySecret(t, "postgres-tls", pairSecret(authority.Issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"postgres." + s.namespace + ".svc"} })))
	s.runPostgres(t, "example-first", "postgres-tls")

	secret := s.databaseSecret("example-first")
	secret["sslmode"] = "verify-full"
	s.applySecret(t, "database", secret)

	// Another authority first: the server must not take its word.
	s.applySecret(t, "database-ca", map[string]string{"ca.crt": string(pki.Authority(t).Certificate)})

	const withCA = withContent + `
database:
  type: postgres
  postgres:
    secretRef: {name: database}
    keys: {database: dbname, user: username}
    caSecretRef: {name: database-ca}
`
	s.apply(t, withCA)
	eventually(t, "the server fails", s.fails)

	s.applySecret(t, "database-ca", map[string]string{"ca.crt": string(authority.Certificate)})
	s.call(t)
	s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	s.expectShareInPostgres(t)

	if got := s.psql(t, "postgres", "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'dittofs'"); got != "t" {
		t.Errorf("the server's connections are encrypted: got %q, want t", got)
	}
}
