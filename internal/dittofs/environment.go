package dittofs

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// EnvPrefix is the prefix of every environment variable that the server reads as
// configuration.
const EnvPrefix = "DITTOFS_"

// Environment variables that hold secrets.
const (
	// EnvJWTSecret signs the tokens of the REST API.
	EnvJWTSecret = EnvPrefix + "CONTROLPLANE_SECRET"

	// EnvAdminPassword is the first administrator's password, as plain text.
	EnvAdminPassword = EnvPrefix + "ADMIN_INITIAL_PASSWORD"

	// EnvAdminPasswordHash is the first administrator's password as a bcrypt hash.
	// Used from 0.20.0 on.
	EnvAdminPasswordHash = EnvPrefix + "ADMIN_PASSWORD_HASH"

	EnvPostgresHost     = EnvPrefix + "DATABASE_POSTGRES_HOST"
	EnvPostgresPort     = EnvPrefix + "DATABASE_POSTGRES_PORT"
	EnvPostgresDatabase = EnvPrefix + "DATABASE_POSTGRES_DATABASE"
	EnvPostgresUser     = EnvPrefix + "DATABASE_POSTGRES_USER"
	EnvPostgresPassword = EnvPrefix + "DATABASE_POSTGRES_PASSWORD"
	EnvPostgresSSLMode  = EnvPrefix + "DATABASE_POSTGRES_SSLMODE"

	// EnvLDAPPassword is that of the account which looks up users.
	EnvLDAPPassword = EnvPrefix + "LDAP_BIND_PASSWORD"
)

// A DecidedKey is a key of config.yaml that a field of a spec decides.
type DecidedKey struct {
	// Path of the key, with dots between objects.
	Path string

	// Field of the spec, or "" for what the function decides itself.
	Field string

	// IsNewer reports whether servers may run with the key's environment variable, which was not
	// refused before there was the field. All others are refused.
	IsNewer bool
}

// decidedKeys is the table of such keys, except those of Secrets that have a variable of their
// own. test/contract holds it against the structs of the newest release.
//
//nolint:gochecknoglobals // A table.
var decidedKeys = []DecidedKey{
	{"logging.level", "spec.logging.level", false},
	{"logging.format", "spec.logging.format", false},
	{"logging.output", "spec.logging.output", false},
	{"telemetry.enabled", "spec.telemetry.enabled", false},
	{"telemetry.endpoint", "spec.telemetry.endpoint", false},
	{"telemetry.insecure", "spec.telemetry.insecure", false},
	{"telemetry.sample_rate", "spec.telemetry.sampleRate", false},
	{"shutdown_timeout", "spec.shutdownTimeout", false},
	{"database.type", "spec.database.type", false},
	{"database.sqlite.path", "spec.database.sqlite.path", false},
	{"database.postgres.host", "spec.database.postgres.host", true},
	{"database.postgres.port", "spec.database.postgres.port", true},
	{"database.postgres.database", "spec.database.postgres.database", true},
	{"database.postgres.sslmode", "spec.database.postgres.sslmode", true},
	{"database.postgres.ssl_root_cert", "spec.database.postgres.caSecretRef", true},
	{"database.postgres.max_open_conns", "spec.database.postgres.maxOpenConns", true},
	{"database.postgres.max_idle_conns", "spec.database.postgres.maxIdleConns", true},
	{"metrics.enabled", "spec.metrics.enabled", false},
	{"metrics.host", "", false},
	{"metrics.port", "spec.metrics.port", false},
	{"metrics.path", "spec.metrics.path", true},
	{"metrics.auth", "spec.metrics.tokenSecretRef", true},
	{"metrics.token_file", "spec.metrics.tokenSecretRef", true},
	{"metrics.tls.cert_file", "spec.metrics.tls", true},
	{"metrics.tls.key_file", "spec.metrics.tls", true},
	{"metrics.tls.client_ca", "spec.metrics.tls", true},
	{"metrics.tls.min_version", "spec.metrics.tls", true},
	{"controlplane.host", "", false},
	{"controlplane.port", "spec.apiPort", false},
	{"controlplane.jwt.secret", "spec.identity.jwt.secretRef", false},
	{"controlplane.jwt.access_token_duration", "spec.identity.jwt.accessTokenDuration", false},
	{"controlplane.jwt.refresh_token_duration", "spec.identity.jwt.refreshTokenDuration", false},
	{"controlplane.tls.cert_file", "spec.api.tls", true},
	{"controlplane.tls.key_file", "spec.api.tls", true},
	{"controlplane.tls.client_ca", "spec.api.tls", true},
	{"controlplane.tls.min_version", "spec.api.tls", true},
	{"cache.path", "spec.cache.path", false},
	{"cache.size", "spec.cache.size", false},
	{"admin.username", "spec.identity.admin.username", false},
}

// DecidedKeys returns the keys of config.yaml that fields decide.
func DecidedKeys() []DecidedKey { return decidedKeys }

// ConfigEnv returns the environment variables that override a key of config.yaml, apart
// from those that hold secrets, and that nobody may set past the field. From 0.17.0 on the server
// reads one for every key that it knows; earlier releases read one for every key that the file has.
func ConfigEnv() []string {
	var env []string

	for _, k := range decidedKeys {
		if !k.IsNewer {
			env = append(env, variable(k.Path))
		}
	}

	return env
}

// maxVariable is how long an environment variable may be, with its name, "=" and a final zero.
// Linux starts no process with a longer one (MAX_ARG_STRLEN).
const maxVariable = 128 * 1024

// CheckText returns why a value cannot be an environment variable, or "".
func CheckText(value []byte) string {
	if !utf8.Valid(value) || bytes.IndexByte(value, 0) >= 0 {
		return "must be text (UTF-8 without NUL bytes), since it becomes an environment variable: encode random bytes, for example in base64"
	}

	return ""
}

// CheckVariable returns a check of the values of an environment variable that the user sets.
func CheckVariable(name string) func(value []byte) string {
	return func(value []byte) string {
		if most := maxVariable - len(name) - len("=") - 1; len(value) > most {
			return fmt.Sprintf("has more than %d bytes: Linux does not start a process with such an environment variable", most)
		}

		return CheckText(value)
	}
}
