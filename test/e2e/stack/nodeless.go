package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Without a node there are no pods: Crossplane, the provider and the function are
// processes, and Crossplane leaves it to somebody else ("External") to run packages.

// coreFile is Crossplane's binary, in the stack's folder.
const coreFile = "crossplane-core"

func (i *installer) startNodeless(ctx context.Context) error {
	if err := errors.Join(down(ctx, i.stack), i.claim()); err != nil {
		return err
	}

	if err := writePKI(i.stack); err != nil {
		return err
	}

	core, coreErr := exec.LookPath("core")
	provider, providerErr := exec.LookPath("provider")

	if err := errors.Join(coreErr, providerErr); err != nil {
		return err
	}

	// The running one stays as it is while it is being built again.
	for from, to := range map[string]string{
		core:     coreFile,
		provider: "provider",
		filepath.Join(packages, runtime.GOARCH, "function"): "function",
	} {
		if err := i.copyBinary(from, to); err != nil {
			return err
		}
	}

	if err := errors.Join(os.MkdirAll(i.Path("crossplane-cache"), 0o755), i.writeStages()); err != nil {
		return err
	}

	_, err := i.supervise(0)

	return err
}

// copyBinary copies a binary into the folder. It replaces the file, since a running one
// cannot be written.
func (i *installer) copyBinary(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}

	return errors.Join(
		i.Write(content, to+".new"),
		os.Chmod(i.Path(to+".new"), 0o755),
		os.Rename(i.Path(to+".new"), i.Path(to)))
}

// initCrossplane does what the init container of Crossplane's pod does, and writes the
// certificates that pods mount.
func (i *installer) initCrossplane(ctx context.Context) error {
	init := func() error {
		cmd := exec.CommandContext(ctx, i.Path(coreFile), "core", "init", "--enable-webhooks=false", "--activation=*")
		cmd.Env = append(os.Environ(),
			"KUBECONFIG="+i.Kubeconfig(), "POD_NAMESPACE="+crossplaneNamespace, "POD_SERVICE_ACCOUNT=crossplane",
			"CRDS_PATH="+filepath.Join(i.from.crossplane.Dir, "cluster", "crds"),
			"TLS_CA_SECRET_NAME=crossplane-root-ca", "TLS_SERVER_SECRET_NAME=crossplane-tls-server", "TLS_CLIENT_SECRET_NAME=crossplane-tls-client")

		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("crossplane core init: %w: %s", err, strings.TrimSpace(string(out)))
		}

		return nil
	}

	// Its own CRDs take a moment to be served.
	err := init()
	for deadline := time.Now().Add(time.Minute); err != nil && ctx.Err() == nil && time.Now().Before(deadline); err = init() {
		time.Sleep(time.Second)
	}

	if err != nil {
		return err
	}

	return errors.Join(i.writeClientTLS(ctx), i.writeFunctionTLS(ctx))
}

func (i *installer) secret(ctx context.Context, name string) (map[string][]byte, error) {
	client, err := clientFor(i.stack)
	if err != nil {
		return nil, err
	}

	secret, err := client.CoreV1().Secrets(crossplaneNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}

	return secret.Data, nil
}

func (i *installer) writeClientTLS(ctx context.Context) error {
	data, err := i.secret(ctx, "crossplane-tls-client")
	if err != nil {
		return err
	}

	for file, content := range data {
		err = errors.Join(err, i.Write(content, "tls", "crossplane", file))
	}

	return err
}

// writeFunctionTLS makes a server certificate that Crossplane accepts.
func (i *installer) writeFunctionTLS(ctx context.Context) error {
	data, err := i.secret(ctx, "crossplane-root-ca")
	if err != nil {
		return err
	}

	ca, err := cert.ParseCertsPEM(data["tls.crt"])
	if err != nil {
		return err
	}

	key, err := keyutil.ParsePrivateKeyPEM(data["tls.key"])
	if err != nil {
		return err
	}

	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("a %T cannot sign", key)
	}

	if err := issue(i.stack, "function", pkix.Name{CommonName: "function"}, ca[0], signer, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}

	for from, to := range map[string]string{"function.crt": "tls.crt", "function.key": "tls.key"} {
		content, readErr := os.ReadFile(i.pki(from))
		err = errors.Join(err, readErr, i.Write(content, "tls", "function", to))
	}

	return errors.Join(err, i.Write(data["tls.crt"], "tls", "function", "ca.crt"))
}

// connectProvider installs the provider's package, whose process has a user instead of
// the service account of a pod.
func (i *installer) connectProvider(ctx context.Context) error {
	if err := i.apply(ctx, fmt.Sprintf(`apiVersion: pkg.crossplane.io/v1
kind: Provider
metadata:
  name: crossplane-contrib-provider-kubernetes
spec:
  package: xpkg.crossplane.io/crossplane-contrib/provider-kubernetes:%s
`, i.from.provider.Version)); err != nil {
		return err
	}

	// Its CRDs want a certificate for conversions, which nothing here needs.
	if err := i.patchRevision(ctx, "providerrevision.pkg.crossplane.io", `{"status":{"tlsServerSecretName":"crossplane-tls-client"}}`); err != nil {
		return err
	}

	config, err := clientcmd.LoadFromFile(i.Kubeconfig())
	if err != nil {
		return err
	}

	if err := clientcmdapi.FlattenConfig(config); err != nil {
		return err
	}

	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}

	manifests := &strings.Builder{}
	fmt.Fprintf(manifests, `apiVersion: v1
kind: Secret
metadata:
  namespace: %s
  name: provider-kubernetes
data:
  kubeconfig: %s
`, crossplaneNamespace, base64.StdEncoding.EncodeToString(content))

	for kind, apiVersion := range map[string]string{
		"ClusterProviderConfig": "kubernetes.m.crossplane.io/v1alpha1",
		"ProviderConfig":        "kubernetes.crossplane.io/v1alpha1",
	} {
		fmt.Fprintf(manifests, `---
apiVersion: %s
kind: %s
metadata:
  name: default
spec:
  credentials:
    source: Secret
    secretRef:
      namespace: %s
      name: provider-kubernetes
      key: kubeconfig
`, apiVersion, kind, crossplaneNamespace)
	}

	if err := i.apply(ctx, manifests.String()); err != nil {
		return err
	}

	// It watches what it knew when it started.
	return i.restart(ctx, "provider-kubernetes")
}

// connectFunction runs the function as it is now, and tells Crossplane where it listens.
func (i *installer) connectFunction(ctx context.Context) error {
	if err := i.copyBinary(filepath.Join(packages, runtime.GOARCH, "function"), "function"); err != nil {
		return err
	}

	if err := i.restart(ctx, "function"); err != nil {
		return err
	}

	return i.connect(ctx, i.hostPort(9443))
}

// connect tells Crossplane where the function listens.
func (i *installer) connect(ctx context.Context, endpoint string) error {
	return i.patchRevision(ctx, "functionrevision.pkg.crossplane.io", fmt.Sprintf(`{"status":{"endpoint":%q}}`, endpoint))
}

// patchRevision sets in the status of a package's active revision what a package
// runtime sets.
func (i *installer) patchRevision(ctx context.Context, kind, patch string) error {
	active := `--output=jsonpath={.items[?(@.spec.desiredState=="Active")].metadata.name}`

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		out, err := exec.CommandContext(ctx, "kubectl", "--kubeconfig="+i.Kubeconfig(), "get", kind, active).Output()
		if revision := strings.TrimSpace(string(out)); err == nil && revision != "" {
			return i.run(ctx, "kubectl", "patch", kind, revision, "--subresource=status", "--type=merge", "--patch="+patch)
		}

		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(err, fmt.Errorf("no active %s", kind))
		}
	}
}
