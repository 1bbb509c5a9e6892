package dittofs

import (
	"math"
	"strings"
	"testing"
)

func TestHoldsSecret(t *testing.T) {
	for _, key := range []string{
		"password", "passwords", "bind_password", "bindpassword", "password_hash", "passwd", "passphrase", "pass", "db_pass", "pwd", "user_pwd",
		"secret", "client_secrets", "token", "tokens", "token_key", "credential", "credentials", "auth", "basic_auth", "bearer",
		"keys", "encryption_key", "signing_keys", "access_key", "apikey", "api_key", "secretkey", "s3_secretkey", "dsn", "connection_string",
	} {
		if !HoldsSecret(key) {
			t.Errorf("HoldsSecret(%q): want true", key)
		}
	}

	for _, key := range []string{"key", "token_file", "key_file", "auth_mode", "bypass", "compass", "monkey", "author", "require_initial_password_change", "passes", "string"} {
		if HoldsSecret(key) {
			t.Errorf("HoldsSecret(%q): want false", key)
		}
	}

	// A key that becomes known was unknown to a function before, which must take it.
	for _, k := range configKeys {
		for name := range strings.SplitSeq(k.Path, ".") {
			if HoldsSecret(name) {
				t.Errorf("HoldsSecret(%q): want false, since %s is no secret", name, k.Path)
			}
		}
	}
}

// JSON has no such number, but a request may.
func TestCheckRatioNaN(t *testing.T) {
	if checkRatio(math.NaN()) == "" {
		t.Error("checkRatio(NaN): want an error")
	}
}
