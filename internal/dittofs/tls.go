package dittofs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// Files of a certificate, of its key, of authorities and of a token, in the directory of what they
// are for. The first two are also the keys of a Secret of the type kubernetes.io/tls.
const (
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
	CAFile   = "ca.crt"

	// TokenFile has the token that a scraper must send.
	TokenFile = "token"
)

// Bounds of files in PEM, in bytes. To read them takes time on every call. The longest useful
// key, of RSA with 8192 bits, has 6.5 KB, and all authorities that browsers trust have 220 KB.
const (
	maxKeySize = 8 * 1024
	maxPEMSize = 256 * 1024

	// maxBlocks of a file in PEM. There are some 150 authorities that browsers trust, and an
	// empty block costs as much as one.
	maxBlocks = 256

	// maxTokenSize of a header is far below what Go's HTTP server takes of all headers.
	maxTokenSize = 8 * 1024
)

// Types of blocks in PEM, as crypto/tls reads them.
const (
	blockCertificate  = "CERTIFICATE"
	blockPrivateKey   = "PRIVATE KEY"
	blockEncryptedKey = "ENCRYPTED PRIVATE KEY"
)

// CheckCertificate returns why the server cannot serve with a certificate, or "".
func CheckCertificate(value []byte) string {
	switch {
	case len(value) > maxPEMSize:
		return tooLarge(maxPEMSize)
	case hasTooManyBlocks(value):
		return tooManyBlocks
	case firstCertificate(value) == nil:
		return "must be a certificate in PEM, with those that lead to its authority behind it"
	default:
		return ""
	}
}

// A certificate that is not renewed gets a warning once less than a third of its lifetime is
// left, which is when cert-manager renews one. The warning comes at most expiresSoon before it
// ends.
const expiresSoon = 14 * 24 * time.Hour

// CertificateWarning returns what clients see of a certificate at a time, or soon after, or "". It
// names no date, so that it changes once, when the certificate expires.
func CertificateWarning(value []byte, now time.Time) string {
	return expiryWarning(firstCertificate(value), now)
}

// CAWarning returns the same of an authority. Of several, some may expire: one is enough.
func CAWarning(value []byte, now time.Time) string {
	n := 0
	firstBlock(value, func(*pem.Block) bool {
		n++
		return n > 1
	})

	if n != 1 {
		return ""
	}

	return expiryWarning(firstCertificate(value), now)
}

// ClientCAWarning returns the same of the authority of clients, and what is wrong with a certificate
// in its place that signs no other: only the client that has that very one would get in. One that
// somebody made for that purpose is its own authority.
func ClientCAWarning(value []byte, now time.Time) string {
	signs := firstParsed(value, func(c *x509.Certificate) bool {
		return c.IsCA || bytes.Equal(c.RawIssuer, c.RawSubject)
	})
	if signs == nil {
		return "is not the certificate of an authority, so the server admits no client by it: name the certificate of the authority"
	}

	return CAWarning(value, now)
}

func expiryWarning(c *x509.Certificate, now time.Time) string {
	if c == nil {
		return ""
	}

	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		return "is not valid yet, so clients that check it refuse it: check the clock of the issuer, or use a valid one"
	case left <= 0:
		return "has expired, so clients that check it refuse it: renew it"
	case left < min(c.NotAfter.Sub(c.NotBefore)/3, expiresSoon):
		return "expires soon, and was not renewed: check what renews it"
	default:
		return ""
	}
}

// CheckPrivateKey returns why the server cannot use the private key of a certificate, or "".
// Whether it fits the certificate is CheckKeyPair's to tell.
func CheckPrivateKey(value []byte) string {
	if len(value) > maxKeySize {
		return tooLarge(maxKeySize)
	}

	block := firstBlock(value, isPrivateKey)

	switch {
	case block == nil:
		return "must be a private key in PEM"
	case block.Type == blockEncryptedKey, block.Headers["DEK-Info"] != "":
		return "is an encrypted private key, which the server cannot read: give it one without a passphrase"
	default:
		return ""
	}
}

// CheckToken returns why the server cannot ask for a token, or "". It ignores white space around
// it, and compares the rest with a header.
func CheckToken(value []byte) string {
	token := bytes.TrimSpace(value)

	switch {
	case len(token) == 0:
		return "must not be empty, or the server does not start"
	case len(token) > maxTokenSize:
		return tooLarge(maxTokenSize)
	case bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "must be one word of printable ASCII, since it is sent in a header"
	default:
		return ""
	}
}

// CheckKeyPair returns why a private key is not that of a certificate, or "".
func CheckKeyPair(certificate, key []byte) string {
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		// The error is not told: it may have a part of the key.
		return "is not the private key of the certificate in " + CertFile + ": renew both together"
	}

	return ""
}

// CheckCA returns why the server cannot take a value for authorities, or "". It trusts those
// certificates that it can read, and ignores the rest.
func CheckCA(value []byte) string {
	switch {
	case len(value) > maxPEMSize:
		return tooLarge(maxPEMSize)
	case hasTooManyBlocks(value):
		return tooManyBlocks
	case firstBlock(value, isPrivateKey) != nil:
		return "has a private key, which is not needed to trust an authority: leave only certificates"
	case firstCertificate(value) == nil:
		return "must have a certificate of an authority, in PEM"
	default:
		return ""
	}
}

// tooManyBlocks tells of maxBlocks.
const tooManyBlocks = "must have at most 256 certificates"

// hasTooManyBlocks reports whether a file in PEM has more blocks than maxBlocks.
func hasTooManyBlocks(value []byte) bool {
	n := 0

	return firstBlock(value, func(*pem.Block) bool {
		n++
		return n > maxBlocks
	}) != nil
}

func tooLarge(bound int) string { return fmt.Sprintf("must have at most %d bytes", bound) }

// firstCertificate returns the first certificate in PEM that can be read, or nil.
func firstCertificate(value []byte) *x509.Certificate {
	return firstParsed(value, func(*x509.Certificate) bool { return true })
}

// firstParsed returns the first certificate in PEM that can be read and is wanted, or nil.
func firstParsed(value []byte, isWanted func(*x509.Certificate) bool) *x509.Certificate {
	var found *x509.Certificate

	firstBlock(value, func(b *pem.Block) bool {
		if b.Type != blockCertificate {
			return false
		}

		// One that cannot be read is none.
		c, err := x509.ParseCertificate(b.Bytes)
		if err == nil && isWanted(c) {
			found = c
		}

		return found != nil
	})

	return found
}

// firstBlock returns the first block in PEM that is wanted, or nil.
func firstBlock(value []byte, isWanted func(*pem.Block) bool) *pem.Block {
	for rest := bytes.Clone(value); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || isWanted(block) {
			return block
		}
	}
}

func isPrivateKey(b *pem.Block) bool { return strings.HasSuffix(b.Type, blockPrivateKey) }
