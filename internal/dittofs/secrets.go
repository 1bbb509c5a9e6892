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

	// MinPasswordLength and MaxPasswordLength bound a plain password. bcrypt takes
	// no more than 72 bytes.
	MinPasswordLength = 8
	MaxPasswordLength = 72
)

// maxBindPasswordSize is far above what directories take: Active Directory 256 characters.
const maxBindPasswordSize = 4 * 1024

// maxPort is the highest TCP port.
const maxPort = 65535

// hashPrefix begins every bcrypt hash, and hashPattern is all of one: version,
// cost 4 to 31, salt and hash. https://pkg.go.dev/golang.org/x/crypto/bcrypt
var (
	hashPrefix  = regexp.MustCompile(`^\$2[a-z]?\$`)
	hashPattern = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$`)
)

// dollar is each way in which a tool writes the "$" of a hash: as it is, doubled for Compose
// files, behind a backslash for shells, encoded for URLs.
const dollar = `(?:\\?\$|%24)+`

// bcryptWithin finds the beginning of a bcrypt hash anywhere in a value.
var bcryptWithin = regexp.MustCompile(dollar + `2[a-z]?` + dollar + `[0-9]{1,2}` + dollar)

// otherHashes find hashes that are not bcrypt's: the name of an algorithm as each family of
// tools marks it, with a salt and a hash behind it, which passwords do not have. Hashes in bare
// hexadecimal cannot be told from passwords.
//
//nolint:gochecknoglobals // A table.
var otherHashes = []*regexp.Regexp{
	// crypt(3), Apache, PHP: $argon2id$, $apr1$, $6$, $y$, $P$.
	regexp.MustCompile(dollar + `([135-9]|g?y|[HPS]|(argon2|apr1|bcrypt|md5|pbkdf2|scrypt|sha1|sm3)[0-9a-z-]*)` + dollar + `[!-~]{22,}`),
	// LDAP, Dovecot, Spring: {SSHA}, {SHA512-CRYPT}, {bcrypt}.
	regexp.MustCompile(`(?i)\{[0-9a-z._-]*(argon2|crypt|md5|pbkdf2|sha)[0-9a-z._-]*\}[!-~]{22,}`),
	// Python's frameworks: pbkdf2_sha256$, scrypt:32768:8:1$.
	regexp.MustCompile(`(argon2|bcrypt|md5|pbkdf2|scrypt|sha1)[0-9a-z_:-]*` + dollar + `[!-~]{22,}`),
	// PostgreSQL and MySQL, which mark their hexadecimal.
	regexp.MustCompile(`^(md5[0-9a-f]{32}|\*[0-9A-F]{40})$`),
}

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
			return "looks like a bcrypt hash but is not a valid one: it must be $2a$, $2b$ or $2y$, a cost of 04 to 31, and 53 characters"
		}

		return ""
	}

	if len(value) < MinPasswordLength || len(value) > MaxPasswordLength {
		return fmt.Sprintf("must be a bcrypt hash, or a plain password of %d to %d bytes", MinPasswordLength, MaxPasswordLength)
	}

	return ""
}

// CheckFirstPassword returns why nobody could log in with the administrator's password that a
// server first starts with, or "". The server takes every text of the right length for a plain
// password, even a hash that it does not know as such.
func CheckFirstPassword(value []byte) string {
	switch {
	case IsPasswordHash(value):
		return ""
	case bcryptWithin.Match(value):
		return "has more than a bcrypt hash, so the server would read all of it as a plain password: keep only the hash, from $2 to its end"
	case slices.ContainsFunc(otherHashes, func(r *regexp.Regexp) bool { return r.Match(value) }):
		return "looks like a hash other than bcrypt, so the server would read it as a plain password: use a bcrypt hash (htpasswd -nB prints one behind the colon), or the password itself"
	default:
		return ""
	}
}

// CheckBindPassword returns why the password of an account of a directory cannot be used, or "".
// With an empty one the directory would take the server for nobody, and the server does not start.
func CheckBindPassword(value []byte) string {
	switch {
	case len(value) == 0:
		return mustNotBeEmpty
	case len(value) > maxBindPasswordSize:
		return tooLarge(maxBindPasswordSize)
	default:
		return ""
	}
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
