package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// validity of a stack's certificates.
const validity = 30 * 24 * time.Hour

// users are who talks to the API server: name and group, as Kubernetes' own roles
// expect them.
func users() map[string]pkix.Name {
	return map[string]pkix.Name{
		"admin":                   {CommonName: "admin", Organization: []string{"system:masters"}},
		"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
		"kube-scheduler":          {CommonName: "system:kube-scheduler"},
		"kube-proxy":              {CommonName: "system:kube-proxy"},
		"kubelet":                 {CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}},
	}
}

// writePKI makes the certificate authority, the API server's certificate and a
// kubeconfig for each user.
func writePKI(s stack) error {
	caKey, err := newKey(s, "ca")
	if err != nil {
		return err
	}

	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "dittofs-stack"}, caKey)
	if err != nil {
		return err
	}

	if err := s.Write(certificatePEM(ca.Raw), "pki", "ca.crt"); err != nil {
		return err
	}

	// Tokens of service accounts are signed with this key.
	if _, err := newKey(s, "service-accounts"); err != nil {
		return err
	}

	if err := issue(s, "kube-apiserver", pkix.Name{CommonName: "kube-apiserver"}, ca, caKey, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}

	for user, subject := range users() {
		if err := issue(s, user, subject, ca, caKey, x509.ExtKeyUsageClientAuth); err != nil {
			return err
		}

		if err := writeKubeconfig(s, user); err != nil {
			return err
		}
	}

	return nil
}

func newKey(s stack, name string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}

	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}

	return key, s.Write(encoded, "pki", name+".key")
}

func issue(s stack, name string, subject pkix.Name, ca *x509.Certificate, caKey crypto.Signer, usage x509.ExtKeyUsage) error {
	key, err := newKey(s, name)
	if err != nil {
		return err
	}

	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return err
	}

	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    ca.NotBefore,
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{usage},
	}

	if usage == x509.ExtKeyUsageServerAuth {
		template.DNSNames = []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain, "localhost", functionName}
		template.IPAddresses = []net.IP{net.ParseIP(nodeAddress), net.ParseIP(serviceAPI), net.ParseIP("127.0.0.1")}
	}

	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return err
	}

	return s.Write(certificatePEM(der), "pki", name+".crt")
}

func writeKubeconfig(s stack, user string) error {
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"stack": {Server: s.apiURL(), CertificateAuthority: s.pki("ca.crt")}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {ClientCertificate: s.pki(user + ".crt"), ClientKey: s.pki(user + ".key")}},
		Contexts:       map[string]*clientcmdapi.Context{"stack": {Cluster: "stack", AuthInfo: user}},
		CurrentContext: "stack",
	}

	if user == "admin" {
		return clientcmd.WriteToFile(config, s.Kubeconfig())
	}

	return clientcmd.WriteToFile(config, s.pki(user+".kubeconfig"))
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: der})
}
