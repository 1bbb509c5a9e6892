package dittofs

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

// Nothing that this function writes by itself is an extra key, for no release.
func TestExtraKeysOfGolden(t *testing.T) {
	files, err := filepath.Glob(golden("*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}

	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		if got := ExtraKeys(string(b)); len(got) > 0 {
			t.Errorf("ExtraKeys(%s): want none, got: %q", file, got)
		}
	}
}

func TestExtraKeys(t *testing.T) {
	cases := map[string]struct {
		reason string
		config string
		want   []string
	}{
		"Added":     {"Each object that has a key which no field decides is told once.", "logging: {level: INFO, rotation: {max_age: 1}}\ngc: {dry_run_sample_size: 1}\nother: 1\n", []string{"gc", "logging", "other"}},
		"Fields":    {"What fields decide may have anything below it.", "kerberos: {enabled: true}\nldap: {group: {base_dn: a}}\ncontrolplane: {host: 0.0.0.0, port: 1, jwt: {a: b}}\n", nil},
		"Case":      {"The server's reader ignores case.", "Logging: {level: INFO}\n", []string{"Logging"}},
		"Dot":       {"It takes a dot for an object in an object.", "controlplane: {jwt.a: b}\n", []string{"controlplane"}},
		"Number":    {"A key that is no text is none of a field.", "database: {1: a}\nlogging: {1: a}\n", []string{"logging"}},
		"REST":      {"What the REST API manages is in no config.yaml of this function.", "users: [{name: root}]\n", []string{"users"}},
		"NoSection": {"A text where an object should be is somebody else's.", "logging: text\n", []string{"logging"}},
		"NoYAML":    {"The server does not start with it.", "ran", nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ExtraKeys(tc.config), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nExtraKeys(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// JSON has no such number, but a request may.
func TestCheckRatioNaN(t *testing.T) {
	if checkRatio(math.NaN()) == "" {
		t.Error("checkRatio(NaN): want an error")
	}
}
