package dittofs

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// encode returns a block in PEM.
func encode(typ string, headers map[string]string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Headers: headers, Bytes: content})
}

func TestCheckTLS(t *testing.T) {
	ca := pki.Authority(t)
	served, other := ca.Issue(t), ca.Issue(t)
	key, _ := pem.Decode(served.Key)

	legacy, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	// Messages of checks begin so.
	const (
		noCertificate = "must be a certificate in PEM"
		noKey         = "must be a private key in PEM"
		noAuthority   = "must have a certificate of an authority"
		tooLong       = "must have at most"
	)

	beside := func(certificate []byte) func([]byte) string {
		return func(value []byte) string { return CheckKeyPair(certificate, value) }
	}

	cases := map[string]struct {
		reason string
		check  func([]byte) string
		value  []byte
		want   string
	}{
		"Certificate":        {"A certificate can be served.", CheckCertificate, served.Certificate, ""},
		"Chain":              {"Those that lead to its authority may follow.", CheckCertificate, slices.Concat(served.Certificate, ca.Certificate), ""},
		"CertificateText":    {"Text around it does not matter.", CheckCertificate, slices.Concat([]byte("subject=example\n"), served.Certificate), ""},
		"CertificateEmpty":   {"Nothing is no certificate.", CheckCertificate, nil, noCertificate},
		"CertificateDER":     {"The server reads PEM only.", CheckCertificate, key.Bytes, noCertificate},
		"CertificateKey":     {"A key is no certificate.", CheckCertificate, served.Key, noCertificate},
		"CertificateBroken":  {"What is in the block must be a certificate.", CheckCertificate, encode("CERTIFICATE", nil, []byte("example")), noCertificate},
		"CertificateCut":     {"So must all of it.", CheckCertificate, served.Certificate[:len(served.Certificate)/2], noCertificate},
		"CertificateTooMany": {"So do more blocks than anybody needs.", CheckCertificate, bytes.Repeat(served.Certificate, maxBlocks+1), tooManyBlocks},
		"CertificateTooLong": {"To read it takes time on every call.", CheckCertificate, bytes.Repeat([]byte("a"), maxPEMSize+1), tooLong},

		"Key":          {"A key in PKCS #8 can be read.", CheckPrivateKey, served.Key, ""},
		"KeyRSA":       {"So can one in PKCS #1.", CheckPrivateKey, encode("RSA PRIVATE KEY", nil, x509.MarshalPKCS1PrivateKey(legacy)), ""},
		"KeyEmpty":     {"Nothing is no key.", CheckPrivateKey, nil, noKey},
		"KeyPublic":    {"A public key is no private one.", CheckPrivateKey, encode("PUBLIC KEY", nil, key.Bytes), noKey},
		"KeyEncrypted": {"The server has no passphrase for it.", CheckPrivateKey, encode("ENCRYPTED PRIVATE KEY", nil, key.Bytes), "is an encrypted private key"},
		"KeyLegacy":    {"Nor for one that OpenSSL encrypted of old.", CheckPrivateKey, encode("EC PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, key.Bytes), "is an encrypted private key"},
		"KeyTooLong":   {"Arithmetic of a huge key takes time on every call.", CheckPrivateKey, bytes.Repeat([]byte("a"), maxKeySize+1), tooLong},

		"Token":        {"A token can be sent in a header.", CheckToken, []byte("example-token"), ""},
		"TokenLine":    {"The server ignores white space around it.", CheckToken, []byte(" example-token\n"), ""},
		"TokenEmpty":   {"The server does not start without one.", CheckToken, nil, "must not be empty"},
		"TokenSpaces":  {"White space is ignored.", CheckToken, []byte(" \n"), "must not be empty"},
		"TokenWords":   {"A header could be read in another way.", CheckToken, []byte("a b"), "must be one word"},
		"TokenLines":   {"Nobody can send a line break.", CheckToken, []byte("a\nb"), "must be one word"},
		"TokenBinary":  {"Nor bytes that are no text.", CheckToken, []byte{'a', 0xff}, "must be one word"},
		"TokenUnicode": {"Nor can every client send other text than ASCII.", CheckToken, []byte("é"), "must be one word"},
		"TokenTooLong": {"Servers take no header of any length.", CheckToken, bytes.Repeat([]byte("a"), maxTokenSize+1), tooLong},

		"Pair":       {"A certificate is served with its own key.", beside(served.Certificate), served.Key, ""},
		"PairChain":  {"It is the first of a chain.", beside(slices.Concat(served.Certificate, ca.Certificate)), served.Key, ""},
		"PairOther":  {"Another's key is refused by the server.", beside(served.Certificate), other.Key, "is not the private key of the certificate"},
		"PairBroken": {"So is what is no key at all.", beside(served.Certificate), encode("PRIVATE KEY", nil, []byte("example")), "is not the private key of the certificate"},

		"CA":           {"An authority can be trusted.", CheckCA, ca.Certificate, ""},
		"CABundle":     {"So can several.", CheckCA, slices.Concat(ca.Certificate, pki.Authority(t).Certificate), ""},
		"CABroken":     {"The server ignores what it cannot read, beside one that it can.", CheckCA, slices.Concat(encode("CERTIFICATE", nil, []byte("example")), ca.Certificate), ""},
		"CAEmpty":      {"Nothing is no authority.", CheckCA, nil, noAuthority},
		"CAText":       {"Nor is text.", CheckCA, []byte("example"), noAuthority},
		"CABinary":     {"Nor are bytes.", CheckCA, []byte{0, 1, 0xff}, noAuthority},
		"CABrokenOnly": {"One that cannot be read alone is none.", CheckCA, encode("CERTIFICATE", nil, []byte("example")), noAuthority},
		"CAMany":       {"Browsers trust some 150 authorities.", CheckCA, bytes.Repeat(ca.Certificate, maxBlocks), ""},
		"CATooMany":    {"Blocks take time on every call, empty ones too.", CheckCA, bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), maxBlocks+1), tooManyBlocks},
		"CAKey":        {"Everybody in the pod could read the authority's key.", CheckCA, slices.Concat(ca.Certificate, ca.Key), "has a private key"},
		"CATooLong":    {"To read it takes time on every call.", CheckCA, bytes.Repeat([]byte("a"), maxPEMSize+1), tooLong},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := bytes.Clone(tc.value)

			if got := tc.check(tc.value); (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s\nwant %q, got %q", tc.reason, tc.want, got)
			}

			if !bytes.Equal(before, tc.value) {
				t.Errorf("%s\n%s", "A value is only read", name)
			}
		})
	}
}

func TestAPITLSOf(t *testing.T) {
	s := settings["minimal"]
	s.APITLS = &TLS{CertFile: "/a", KeyFile: "/b", ClientCA: "/c", MinVersion: "1.3"}

	text, err := Config(s, release("0.29.0"))
	if err != nil {
		t.Fatal(err)
	}

	if got := APITLSOf(string(text)); got == nil || *got != *s.APITLS {
		t.Errorf("APITLSOf(...): want %+v, got %+v", s.APITLS, got)
	}

	for _, other := range []string{"", "a: [", "controlplane: {port: 8080}"} {
		if got := APITLSOf(other); got != nil {
			t.Errorf("%s\nAPITLSOf(%q): %+v", "An API without TLS says nothing of it", other, got)
		}
	}
}

// A client's or a server's own certificate as the authority lets only that one in.
func TestClientCAWarning(t *testing.T) {
	ca := pki.Authority(t)
	leaf := ca.Issue(t)

	cases := map[string]struct {
		reason string
		value  []byte
		want   string
	}{
		"Authority": {"It signs clients", ca.Certificate, ""},
		"Leaf":      {"It signs nobody", leaf.Certificate, "is not the certificate of an authority"},
		"Leaves":    {"Nor do several", slices.Concat(leaf.Certificate, ca.Issue(t).Certificate), "is not the certificate of an authority"},
		"Chain":     {"One that signs is enough", slices.Concat(leaf.Certificate, ca.Certificate), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ClientCAWarning(tc.value, time.Now()); (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s\nClientCAWarning(...): want %q, got %q", tc.reason, tc.want, got)
			}
		})
	}
}
