package dittofs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Bounds that the server sets on secrets, in bytes.
const (
	// MinJWTSecretLength is checked when the server starts.
	MinJWTSecretLength = 32

	// MinPasswordLength and MaxPasswordLength bound a clear password. bcrypt takes
	// no more than 72 bytes.
	MinPasswordLength = 8
	MaxPasswordLength = 72
)

// maxPort is the highest TCP port.
const maxPort = 65535

// hashPrefix begins every bcrypt hash, and hashPattern is all of one: version,
// cost 4 to 31, salt and hash. https://pkg.go.dev/golang.org/x/crypto/bcrypt
var (
	hashPrefix  = regexp.MustCompile(`^\$2[a-z]?\$`)
	hashPattern = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)
)

// sslModes are those of libpq and of the server's PostgreSQL client.
//
//nolint:gochecknoglobals // A table.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// IsPasswordHash reports whether a password is meant to be a bcrypt hash.
func IsPasswordHash(value []byte) bool {
	return hashPrefix.Match(value)
}

// CheckJWTSecret returns why the server does not start with a JWT secret, or "".
// Like the checks below, it never returns a part of the value.
func CheckJWTSecret(value []byte) string {
	if len(value) < MinJWTSecretLength {
		return fmt.Sprintf("must have at least %d bytes, or the server does not start (openssl rand -base64 48 makes a good one)", MinJWTSecretLength)
	}

	return ""
}

// CheckPassword returns why the administrator's password cannot be used, or "".
func CheckPassword(value []byte) string {
	if IsPasswordHash(value) {
		if !hashPattern.Match(value) {
			return "begins like a bcrypt hash but is none: it must be $2a$, $2b$ or $2y$, a cost of 04 to 31, and 53 characters"
		}

		return ""
	}

	if len(value) < MinPasswordLength || len(value) > MaxPasswordLength {
		return fmt.Sprintf("must be a bcrypt hash, or a clear password of %d to %d bytes", MinPasswordLength, MaxPasswordLength)
	}

	return ""
}

// CheckNotEmpty returns why a value that can be any text cannot be used, or "".
func CheckNotEmpty(value []byte) string {
	if len(value) == 0 {
		return "must not be empty"
	}

	return ""
}

// CheckPort returns why a port cannot be used, or "".
func CheckPort(value []byte) string {
	// Atoi takes a sign and leading zeros, which other parsers read differently.
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 || n > maxPort || strconv.Itoa(n) != string(value) {
		return "must be a port number, 1 to 65535"
	}

	return ""
}

// CheckSSLMode returns why a mode of SSL cannot be used, or "".
func CheckSSLMode(value []byte) string {
	if !slices.Contains(sslModes, string(value)) {
		return fmt.Sprintf("must be one of %q", sslModes)
	}

	return ""
}
