package secret

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

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

func isHash(value []byte) bool {
	return hashPrefix.Match(value)
}

func checkJWT(value []byte) string {
	if len(value) < dittofs.MinJWTSecretLength {
		return fmt.Sprintf("must have at least %d bytes, or the server does not start (openssl rand -base64 48 makes a good one)", dittofs.MinJWTSecretLength)
	}

	return ""
}

func checkPassword(value []byte) string {
	if isHash(value) {
		if !hashPattern.Match(value) {
			return "begins like a bcrypt hash but is none: it must be $2a$, $2b$ or $2y$, a cost of 04 to 31, and 53 characters"
		}

		return ""
	}

	if len(value) < dittofs.MinPasswordLength || len(value) > dittofs.MaxPasswordLength {
		return fmt.Sprintf("must be a bcrypt hash, or a clear password of %d to %d bytes", dittofs.MinPasswordLength, dittofs.MaxPasswordLength)
	}

	return ""
}

func checkNotEmpty(value []byte) string {
	if len(value) == 0 {
		return "must not be empty"
	}

	return ""
}

func checkPort(value []byte) string {
	// Spelt in one way: a leading zero means octal to some.
	n, err := strconv.Atoi(string(value))
	if err != nil || len(validation.IsValidPortNum(n)) > 0 || strconv.Itoa(n) != string(value) {
		return "must be a port number, 1 to 65535"
	}

	return ""
}

func checkSSLMode(value []byte) string {
	if !slices.Contains(sslModes, string(value)) {
		return fmt.Sprintf("must be one of %q", sslModes)
	}

	return ""
}
