package dittofs

// EnvPrefix is the prefix of every environment variable that the server reads as
// configuration.
const EnvPrefix = "DITTOFS_"

// Environment variables that hold secrets.
const (
	// EnvJWTSecret signs the tokens of the REST API.
	EnvJWTSecret = EnvPrefix + "CONTROLPLANE_SECRET"

	// EnvAdminPassword is the first administrator's password, in the clear.
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
