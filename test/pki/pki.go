// Package pki makes certificates for tests.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// A Pair is a certificate and its private key, in PEM.
type Pair struct {
	Certificate, Key []byte

	parsed *x509.Certificate
	signer *ecdsa.PrivateKey
}

// Authority returns a certificate that may sign others, and signed itself.
func Authority(tb testing.TB) *Pair {
	tb.Helper()

	return newPair(tb, nil, func(c *x509.Certificate) {
		c.Subject.CommonName = "authority"
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign
	})
}

// Issue returns a certificate that the Pair signed, for servers on this machine and for clients.
// It is valid for a day, unless it is changed.
func (p *Pair) Issue(tb testing.TB, changes ...func(*x509.Certificate)) *Pair {
	tb.Helper()

	return newPair(tb, p, changes...)
}

func newPair(tb testing.TB, issuer *Pair, changes ...func(*x509.Certificate)) *Pair {
	tb.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}

	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}

	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "example"},
		DNSNames:     []string{"localhost", "files-api.storage.svc"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}

	p := &Pair{signer: key}

	if issuer == nil {
		issuer = &Pair{parsed: template, signer: key}
	}

	der, err := x509.CreateCertificate(rand.Reader, template, issuer.parsed, &key.PublicKey, issuer.signer)
	if err != nil {
		tb.Fatal(err)
	}

	if p.parsed, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}

	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}

	p.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})

	return p
}
