package serve

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crossplane/function-sdk-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// An authority, and the one certificate that it issued, for server and client alike.
type authority struct{ ca, pair *pki.Pair }

func newAuthority(t *testing.T) authority {
	t.Helper()

	ca := pki.Authority(t)

	return authority{ca, ca.Issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })}
}

// write writes the files that Crossplane mounts into a function.
func (a authority) write(t *testing.T, dir string) {
	t.Helper()

	for name, content := range map[string][]byte{"ca.crt": a.ca.Certificate, "tls.crt": a.pair.Certificate, "tls.key": a.pair.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// check calls the health service over a new connection, with the certificate of a client
// and the authority that it trusts.
func check(t *testing.T, address string, client, trusted authority) error {
	t.Helper()

	crt, err := tls.X509KeyPair(client.pair.Certificate, client.pair.Key)
	if err != nil {
		t.Fatal(err)
	}

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted.ca.Certificate)

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool,
		// Present it even if the server does not name its authority.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &crt, nil },
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})

	return err
}

// A renewed certificate and another authority take effect without a restart.
func TestMTLSCertificates(t *testing.T) {
	before, after, dir, address := newAuthority(t), newAuthority(t), t.TempDir(), freeAddress(t)
	before.write(t, dir)

	go func() {
		_ = Serve(t.Context(), nil, encoding.GetCodecV2("proto"), function.Listen("tcp", address), MTLSCertificates(dir), function.WithMetricsServer(""))
	}()

	for deadline := time.Now().Add(10 * time.Second); check(t, address, before, before) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("Serve(...): does not serve: %v", check(t, address, before, before))
		}
	}

	cases := []struct {
		reason          string
		client, trusted authority
		want            bool
	}{
		{"Only a client of the authority may connect.", after, before, false},
		{"A client of the old authority is refused.", before, after, false},
		{"The old certificate is not served any more.", after, before, false},
		{"A client of the new authority is served with the new certificate.", after, after, true},
	}

	for i, tc := range cases {
		if i == 1 {
			after.write(t, dir)
		}

		if err := check(t, address, tc.client, tc.trusted); (err == nil) != tc.want {
			t.Errorf("%s\ncheck(...): want served %t, got error %v", tc.reason, tc.want, err)
		}
	}

	if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}

	if err := check(t, address, after, after); err == nil {
		t.Error("Without its files the function must serve nobody.")
	}
}
