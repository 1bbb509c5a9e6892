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

// ConfigEnv returns the environment variables that override a key of config.yaml, apart
// from those that hold secrets. From 0.17.0 on the server reads one for every key that it
// knows; earlier releases read one for every key that the file has.
func ConfigEnv() []string {
	return []string{
		EnvPrefix + "LOGGING_LEVEL", EnvPrefix + "LOGGING_FORMAT", EnvPrefix + "LOGGING_OUTPUT",
		EnvPrefix + "TELEMETRY_ENABLED", EnvPrefix + "TELEMETRY_ENDPOINT", EnvPrefix + "TELEMETRY_INSECURE", EnvPrefix + "TELEMETRY_SAMPLE_RATE",
		EnvPrefix + "SHUTDOWN_TIMEOUT",
		EnvPrefix + "DATABASE_TYPE", EnvPrefix + "DATABASE_SQLITE_PATH",
		EnvPrefix + "METRICS_ENABLED", EnvPrefix + "METRICS_HOST", EnvPrefix + "METRICS_PORT",
		EnvPrefix + "CONTROLPLANE_HOST", EnvPrefix + "CONTROLPLANE_PORT",
		EnvPrefix + "CONTROLPLANE_JWT_SECRET", EnvPrefix + "CONTROLPLANE_JWT_ACCESS_TOKEN_DURATION", EnvPrefix + "CONTROLPLANE_JWT_REFRESH_TOKEN_DURATION",
		EnvPrefix + "CACHE_PATH", EnvPrefix + "CACHE_SIZE",
		EnvPrefix + "ADMIN_USERNAME",
	}
}
