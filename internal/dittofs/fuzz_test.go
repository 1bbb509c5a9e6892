package dittofs

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// FuzzConfig writes any values into config.yaml and reads the same back: no value
// changes the keys around it.
func FuzzConfig(f *testing.F) {
	f.Add("INFO", "stdout", "30s", "/data/controlplane/controlplane.db", "1GB", "admin", int32(8080))
	f.Add("a: b", "- x", "|", "#", "'", "\"", int32(-1))
	f.Add("null", "true", "0x1F", "1e3", "~", "!!binary x", int32(0))
	f.Add(" ", "\u2028", "\ufeff", "%", "&a", "*a", int32(1))

	f.Fuzz(func(t *testing.T, level, output, timeout, path, size, user string, port int32) {
		// Validation refuses control characters, and protobuf strings are UTF-8.
		for _, v := range []string{level, output, timeout, path, size, user} {
			if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
				t.Skip("refused")
			}
		}

		s := Settings{
			Logging:         Logging{Level: level, Format: "json", Output: output},
			ShutdownTimeout: timeout,
			SQLitePath:      path,
			CacheSize:       size,
			AdminUsername:   user,
			APIPort:         port,
		}

		b, err := Config(s, Release{})
		if err != nil {
			t.Skip("refused")
		}

		got := config{}
		if err := yaml.Unmarshal(b, &got); err != nil {
			t.Fatalf("Config(...): %v:\n%s", err, b)
		}

		want := []any{level, output, timeout, path, size, user, port}
		if diff := cmp.Diff(want, []any{got.Logging.Level, got.Logging.Output, got.ShutdownTimeout, got.Database.SQLite.Path, got.Cache.Size, got.Admin.Username, got.ControlPlane.Port}); diff != "" {
			t.Errorf("Config(...): -want, +got:\n%s\n%s", diff, b)
		}
	})
}
