package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// With the portmapper of the server turned on over the REST API, port 111 of the file Service
// tells clients where NFS is. Neither that nor asking for it restarts anything.
func TestPortmapperIsReachedWhileItIsEnabled(t *testing.T) {
	t.Parallel()

	const nfs = withContent + "nfsPort: 12049\n"

	s := newServer(t, nfs)
	pod := s.waitRunning(t)

	s.apply(t, nfs+"portmapper: {enabled: true}\n")
	eventually(t, "the call is told", s.says("Warnings=True/HasWarnings", "PATCH /api/v1/adapters/nfs/settings"))

	token := s.login(t)
	for _, call := range []struct {
		method, path string
		body         map[string]any
	}{
		{http.MethodPatch, "/api/v1/adapters/nfs/settings", map[string]any{"portmapper_enabled": true}},
		{http.MethodPut, "/api/v1/adapters/nfs", map[string]any{"enabled": false}},
		{http.MethodPut, "/api/v1/adapters/nfs", map[string]any{"enabled": true}},
	} {
		if err := s.request(t.Context(), call.method, call.path, token, call.body, nil); err != nil {
			t.Fatal(err)
		}
	}

	svc := &corev1.Service{}

	eventually(t, "port 111 tells the port of NFS", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(s.name+"-file"), svc); err != nil {
			return err
		}

		port, err := portOfNFS(ctx, net.JoinHostPort(svc.Spec.ClusterIP, "111"))
		if err == nil && port != 12049 {
			err = fmt.Errorf("it tells %d", port)
		}

		return err
	})

	s.apply(t, nfs)
	eventually(t, "port 111 is gone", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(s.name+"-file"), svc); err != nil {
			return err
		}

		if slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == 111 }) {
			return errors.New("it is there")
		}

		return nil
	})
	eventually(t, "the pod is the same", s.samePod(pod))
}

// portOfNFS asks a portmapper for the port of NFSv3 over TCP, as RFC 1833 has it.
func portOfNFS(ctx context.Context, portmapper string) (uint32, error) {
	const (
		id, call, rpc                            = 1, 0, 2
		program, version, getPort                = 100000, 2, 3
		noCredentials, noVerifier, nothingFollow = 0, 0, 0
		nfsProgram, nfsVersion, tcp              = 100003, 3, 6

		last = 1 << 31
	)

	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", portmapper)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()

	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return 0, err
	}

	words := []uint32{id, call, rpc, program, version, getPort, noCredentials, nothingFollow, noVerifier, nothingFollow, nfsProgram, nfsVersion, tcp, 0}
	if err := binary.Write(conn, binary.BigEndian, append([]uint32{last | uint32(4*len(words))}, words...)); err != nil {
		return 0, err
	}

	// Length, id, reply, accepted, verifier, its length, success, port.
	answer := make([]byte, 4*8)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, err
	}

	return binary.BigEndian.Uint32(answer[4*7:]), nil
}

// In a cluster with one family, a preference for two changes nothing. The API server refuses two
// that are required, and the server keeps running.
func TestFamilyThatTheClusterLacks(t *testing.T) {
	t.Parallel()

	if hasBothFamilies(t) {
		t.Skip("the cluster has both families")
	}

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	s.apply(t, withContent+"service: {ipFamilyPolicy: PreferDualStack}\n")
	eventually(t, "the Service prefers two", func(ctx context.Context) error {
		svc := &corev1.Service{}
		if err := cluster.Get(ctx, s.key(s.name+"-file"), svc); err != nil {
			return err
		}

		if p := svc.Spec.IPFamilyPolicy; p == nil || *p != corev1.IPFamilyPolicyPreferDualStack {
			return fmt.Errorf("it has %v", p)
		}

		return nil
	})

	s.apply(t, withContent+"service: {ipFamilyPolicy: RequireDualStack}\n")

	// Of a native resource Crossplane tells the name, and the API server's words in an event.
	told := s.says("Applied=False/NotSynced", "service-file", "dual-stack")
	if tested.native() {
		told = s.says("Applied=False/ReconcileError", "service-file")
	}

	eventually(t, "the refusal is told", told)

	s.apply(t, withContent+"service: {ipFamilyPolicy: SingleStack}\n")
	eventually(t, "it is taken back", all(s.says("Applied=True/Applied"), s.condition("Ready=True"), s.samePod(pod)))

	// Nobody owns a field that nobody asks for.
	s.apply(t, withContent)
	eventually(t, "the Service keeps what it has", all(s.specSeen, s.says("Applied=True/Applied"), s.condition("Ready=True"), s.samePod(pod)))
}

// hasBothFamilies reports whether Services of the cluster under test may have addresses of IPv4 and IPv6.
func hasBothFamilies(t *testing.T) bool {
	t.Helper()

	services := &networkingv1.ServiceCIDR{}
	if err := cluster.Get(t.Context(), types.NamespacedName{Name: "kubernetes"}, services); err != nil {
		t.Fatal(err)
	}

	return len(services.Spec.CIDRs) == 2
}

// withBothFamilies returns a Composition whose servers are where Services may have both families: in the cluster
// under test, or else in another one, which it returns, too. Natively nothing leads to another.
func withBothFamilies(t *testing.T) (other *otherCluster, composition string) {
	t.Helper()

	if hasBothFamilies(t) {
		return nil, compositionWith(t, "ttl: 5s")
	}

	if tested.native() {
		t.Skip("the cluster has one family: the one without a node has both (make e2e NODE=none)")
	}

	other = startOtherCluster(t, "10.205.0.0/24,fd00:205::/112")

	return other, other.composition(t)
}

// In a cluster with two families a second one comes and goes, and the primary one stays until
// its Service is recreated. No apply is refused.
func TestPrimaryFamilyIsKept(t *testing.T) {
	t.Parallel()

	other, name := withBothFamilies(t)
	composition := withComposition(name)

	// After the other cluster, so that the server goes before it does.
	s := newNamespace(t)
	there := client.Client(cluster)

	if other != nil {
		there = other
		if err := other.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}); err != nil {
			t.Fatal(err)
		}
	}

	steps := []struct {
		service   string
		headless  string
		want      string
		condition string
	}{
		{"", "IPv4", "IPv4", "StorageUpToDate=True"},
		{"ipFamilyPolicy: PreferDualStack", "IPv4 IPv6", "IPv4 IPv6", "StorageUpToDate=True"},
		{"ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]", "IPv6 IPv4", "IPv4 IPv6", "StorageUpToDate=False/Frozen"},
		{"ipFamilies: [IPv6]", "IPv6", "IPv4 IPv6", "StorageUpToDate=False/Frozen"},
		{"ipFamilies: [IPv4]", "IPv4", "IPv4", "StorageUpToDate=True"},
		{"ipFamilies: [IPv6]", "IPv6", "IPv4", "StorageUpToDate=False/Frozen"},
	}
	for _, step := range steps {
		s.apply(t, composition+"\nservice: {type: ClusterIP, file: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8]}, "+step.service+"}\n")
		eventually(t, "the Services have the families of "+step.service, all(
			s.families(there, "headless", step.headless), s.families(there, "file", step.want), s.families(there, "api", step.want),
			s.closed(there), s.condition(step.condition), s.says("Applied=True/Applied"),
		))
	}

	eventually(t, "Services that are made anew have the other family", all(
		s.withoutServices, s.families(there, "file", "IPv6"), s.families(there, "api", "IPv6"), s.condition("StorageUpToDate=True"), s.says("Applied=True/Applied"),
	))
}

// withoutServices deletes the composed resources of both exposed Services while a condition says that they keep something.
// Natively, what Crossplane is about to apply comes back as it was, and is deleted once more.
func (s *server) withoutServices(ctx context.Context) error {
	if s.condition("StorageUpToDate=False/Frozen")(ctx) != nil {
		return nil
	}

	objects, err := s.composed(ctx)
	if err != nil {
		return err
	}

	for _, o := range objects {
		if n := o.GetAnnotations()["crossplane.io/composition-resource-name"]; n == "service-file" || n == "service-api" {
			err = errors.Join(err, client.IgnoreNotFound(cluster.Delete(ctx, &o)))
		}
	}

	return errors.Join(err, errors.New("Services were deleted"))
}

// closed returns no error while the file Service has a range of each family that it has.
func (s *server) closed(there client.Client) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		svc := &corev1.Service{}
		if err := there.Get(ctx, s.key(s.name+"-file"), svc); err != nil {
			return err
		}

		if slices.Contains(svc.Spec.IPFamilies, corev1.IPv6Protocol) && !slices.Contains(svc.Spec.LoadBalancerSourceRanges, "::1/128") {
			return fmt.Errorf("all of IPv6 is let in: %q", svc.Spec.LoadBalancerSourceRanges)
		}

		return nil
	}
}

// families returns no error once a Service of the server has these.
func (s *server) families(there client.Client, service, want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		svc := &corev1.Service{}
		if err := there.Get(ctx, s.key(s.name+"-"+service), svc); err != nil {
			return err
		}

		got := make([]string, 0, len(svc.Spec.IPFamilies))
		for _, f := range svc.Spec.IPFamilies {
			got = append(got, string(f))
		}

		if strings.Join(got, " ") != want {
			return fmt.Errorf("%s has %q", svc.Name, got)
		}

		return nil
	}
}

// A server whose database never answers gets as much time to start as the spec says, and is then
// restarted.
func TestStartupTimeoutBoundsAStart(t *testing.T) {
	t.Parallel()
	needsNode(t)

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(addressForPods(t), "0"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = listener.Close() })

	// Nobody accepts: the kernel does, and no byte ever comes.
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}

	s := newNamespace(t)
	secret := s.databaseSecret("example")
	secret["host"], secret["port"] = host, port
	s.applySecret(t, "database", secret)
	s.apply(t, withPostgres+"startupTimeout: 10s\n")

	eventually(t, "the kubelet gives a start up", func(ctx context.Context) error {
		events := &corev1.EventList{}
		if err := cluster.List(ctx, events, client.InNamespace(s.namespace)); err != nil {
			return err
		}

		for _, e := range events.Items {
			if e.InvolvedObject.Name == s.name+"-0" && e.Reason == "Killing" && strings.Contains(e.Message, "failed startup probe") {
				return nil
			}
		}

		return errors.New("no such event")
	})
}
