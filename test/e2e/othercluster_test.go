package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// An otherCluster is another API server, with neither controllers nor nodes.
type otherCluster struct {
	client.Client

	kubeconfig []byte
}

// startOtherCluster starts an API server that the provider can reach, and an etcd for it, with
// ranges of addresses of Services. Both end with the test.
func startOtherCluster(t *testing.T, services string) *otherCluster {
	t.Helper()

	for _, command := range []string{"etcd", "kube-apiserver"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip("another cluster needs ", command)
		}
	}

	dir, address := t.TempDir(), addressForPods(t)
	etcd := "http://" + freePort(t, "127.0.0.1")
	peers := "http://" + freePort(t, "127.0.0.1")
	server := freePort(t, address)
	_, port, _ := net.SplitHostPort(server)
	token := rand.Text()
	writeFile(t, filepath.Join(dir, "tokens.csv"), []byte(token+",admin,admin,system:masters\n"))

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		t.Fatal(err)
	}

	accounts := filepath.Join(dir, "service-accounts.key")
	writeFile(t, accounts, encoded)

	runUntilEnd(t, dir, "etcd", "--data-dir="+filepath.Join(dir, "etcd"), "--logger=zap",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)
	runUntilEnd(t, dir, "kube-apiserver", "--etcd-servers="+etcd, "--cert-dir="+dir,
		"--bind-address="+address, "--secure-port="+port, "--endpoint-reconciler-type=none",
		"--token-auth-file="+filepath.Join(dir, "tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://other.example.org", "--service-account-key-file="+accounts, "--service-account-signing-key-file="+accounts,
		"--service-cluster-ip-range="+services)

	other := &otherCluster{}

	eventually(t, "another API server is ready", func(ctx context.Context) error {
		// It makes its own certificate.
		certificate, err := os.ReadFile(filepath.Join(dir, "apiserver.crt"))
		if err != nil {
			return err
		}

		return other.connect(ctx, "https://"+server, certificate, token)
	})

	return other
}

// connect makes the client and the kubeconfig of the API server. It returns an error if the
// server is not ready.
func (o *otherCluster) connect(ctx context.Context, server string, certificate []byte, token string) error {
	var err error

	o.kubeconfig, err = clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"other": {Server: server, CertificateAuthorityData: certificate}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"admin": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"other": {Cluster: "other", AuthInfo: "admin"}},
		CurrentContext: "other",
	})
	if err != nil {
		return err
	}

	config, err := clientcmd.RESTConfigFromKubeConfig(o.kubeconfig)
	if err != nil {
		return err
	}

	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}

	if err := clientset.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return err
	}

	o.Client, err = client.New(config, client.Options{Scheme: cluster.Scheme()})

	return err
}

// addressForPods returns this machine's address in the network of the cluster under test.
func addressForPods(t *testing.T) string {
	t.Helper()

	server, err := url.Parse(cluster.config.Host)
	if err != nil {
		t.Fatal(err)
	}

	// Nothing is sent.
	conn, err := new(net.Dialer).DialContext(t.Context(), "udp", net.JoinHostPort(server.Hostname(), "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()

	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

// freePort returns the address with a port that is free.
func freePort(t *testing.T, address string) string {
	t.Helper()

	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()

	return l.Addr().String()
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()

	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// runUntilEnd runs a process until the test and its later clean-ups are over. It logs the end
// of the process's log if the test failed.
func runUntilEnd(t *testing.T, dir, command string, args ...string) {
	t.Helper()

	runCommandUntilEnd(t, dir, exec.CommandContext(context.WithoutCancel(t.Context()), command, args...))
}

// runCommandUntilEnd does so with a command that was made.
func runCommandUntilEnd(t *testing.T, dir string, cmd *exec.Cmd) {
	t.Helper()

	command := filepath.Base(cmd.Path)
	file := filepath.Join(dir, command+".log")

	log, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}

	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()

		if content, _ := os.ReadFile(file); t.Failed() {
			t.Logf("the end of %s's log:\n%s", command, content[max(0, len(content)-2000):])
		}
	})
}

// composition creates a Composition whose servers run in the other cluster, and returns its
// name.
func (o *otherCluster) composition(t *testing.T) string {
	t.Helper()

	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: crossplaneNamespace, GenerateName: "e2e-other-"},
		Data:       map[string][]byte{"kubeconfig": o.kubeconfig},
	}
	if err := cluster.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}

	config, ref := &unstructured.Unstructured{}, fmt.Sprintf("{name: %s}", secret.Name)

	config.SetAPIVersion("kubernetes.crossplane.io/v1alpha1")
	config.SetKind("ProviderConfig")

	if !tested.claims {
		config.SetAPIVersion("kubernetes.m.crossplane.io/v1alpha1")
		config.SetKind("ClusterProviderConfig")
	}

	config.SetName(secret.Name)
	config.Object["spec"] = map[string]any{"credentials": map[string]any{
		"source":    "Secret",
		"secretRef": map[string]any{"namespace": secret.Namespace, "name": secret.Name, "key": "kubeconfig"},
	}}

	if err := cluster.Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}

	// A DittoServer that a failed test leaves needs them to be deleted.
	t.Cleanup(func() {
		if !t.Failed() {
			_ = cluster.Delete(context.Background(), config)
			_ = cluster.Delete(context.Background(), secret)
		}
	})

	return compositionWith(t, "ttl: 5s\nproviderConfigRef: "+ref)
}
