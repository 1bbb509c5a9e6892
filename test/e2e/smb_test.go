package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// withSMB is withContent, and SMB beside NFS.
const withSMB = withContent + `
smb: {enabled: true}
`

func TestSMBIsServedWhileItIsEnabled(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withSMB)
	s.writeFile(t, "nfs.txt", "over the other protocol")
	s.expectPorts(t, "-file", "nfs", "smb")
	s.expectSMB(t, "the share is listed over SMB", share[1:], "--list=//%s")
	s.expectSMB(t, "the file that NFS wrote is read over SMB", "over the other protocol", "//%s"+share, "--command=get nfs.txt -")

	s.apply(t, withContent)
	s.expectPorts(t, "-file", "nfs")
	s.expectClosed(t, "445")
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
}

// smbAddress returns host and port of SMB.
func (s *server) smbAddress(t *testing.T) (host, port string) {
	t.Helper()

	xr, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	host, port, err = net.SplitHostPort(xr.Status.Endpoints.SMB)
	if err != nil {
		t.Fatal(err)
	}

	return host, port
}

// expectSMB checks that smbclient, run as the administrator, prints this. The %s in its
// arguments is where the server is.
func (s *server) expectSMB(t *testing.T, what, want string, args ...string) {
	t.Helper()

	host, port := s.smbAddress(t)
	args[0] = fmt.Sprintf(args[0], host)
	args = append(args, "--port="+port, "--user=admin%"+adminPassword)

	eventually(t, what, func(ctx context.Context) error {
		out, err := tool(ctx, "smbclient", args...)
		if err == nil && !strings.Contains(out, want) {
			err = fmt.Errorf("no %q in %q", want, out)
		}

		return err
	})
}

// expectPorts waits until one of the server's Services has these ports, by name.
func (s *server) expectPorts(t *testing.T, suffix string, want ...string) {
	t.Helper()

	eventually(t, fmt.Sprintf("the Service has the ports %v", want), func(ctx context.Context) error {
		svc := &corev1.Service{}
		if err := cluster.Get(ctx, s.key(s.name+suffix), svc); err != nil {
			return err
		}

		var got []string
		for _, p := range svc.Spec.Ports {
			got = append(got, p.Name)
		}

		if slices.Sort(got); !slices.Equal(want, got) {
			return fmt.Errorf("got %v", got)
		}

		return nil
	})
}

// expectClosed waits until a port is closed at the address where clients mount the
// server. Rules on the nodes follow Services a little later.
func (s *server) expectClosed(t *testing.T, port string) {
	t.Helper()

	xr, err := s.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	host, _, err := net.SplitHostPort(xr.Status.Endpoints.NFS)
	if err != nil {
		t.Fatal(err)
	}

	eventually(t, "port "+port+" is closed", func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err != nil {
			return nil //nolint:nilerr // Refused, as it should be.
		}

		_ = conn.Close()

		return fmt.Errorf("%s accepts connections", net.JoinHostPort(host, port))
	})
}
