package contract

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/marmos91/dittofs/pkg/config"
	"gopkg.in/yaml.v3"
)

// unknownKeys are the keys that config.yaml has for other releases than this
// server's, by the band of releases that a golden file is named after. Where a band
// is not named there are none.
var unknownKeys = map[string][]string{
	"unversioned": {"cache", "telemetry"},
	"v0.4.0":      {"cache", "telemetry"},
	"v0.7.0":      {"cache"},
}

// bands of releases that this server is one of: what a golden file of them says is
// what it does.
var bands = []string{"unversioned", "v0.20.0"}

// allInterfaces is the host that kubelet and Services can reach.
const allInterfaces = "0.0.0.0"

// TestConfig loads the golden files of config.yaml with the server's own package.
func TestConfig(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "internal/dittofs/testdata/config/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	if len(files) == 0 {
		t.Fatal("there are no golden files of config.yaml")
	}

	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		band, _, _ := strings.Cut(name, "-")

		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(unknownKeys[band], unknown(t, text)); diff != "" {
				t.Errorf("%s\nconfig.yaml, unknown keys: -want, +got:\n%s", "The server knows every key that is meant for it", diff)
			}

			c, err := config.Load(file)
			if err != nil {
				t.Fatalf("the server cannot load config.yaml: %v", err)
			}

			if diff := cmp.Diff(written(t, text, unknownKeys[band]), heard(t, c, text)); diff != "" {
				t.Errorf("%s\nconfig.Load(...): -want, +got:\n%s", "What is written is what the server hears", diff)
			}

			// Older bands know no host, and this server is none of theirs.
			if slices.Contains(bands, band) {
				checkHosts(t, c)
			}
		})
	}
}

// checkHosts holds the server's listeners against those who connect to them.
func checkHosts(t *testing.T, c *config.Config) {
	t.Helper()

	if got := c.ControlPlane.Host; got != allInterfaces {
		t.Errorf("the API listens on %q, where neither probes nor Services reach it", got)
	}

	if got := c.Metrics.Host; c.Metrics.Enabled && got != allInterfaces {
		t.Errorf("the metrics are served on %q, where Prometheus does not reach them", got)
	}
}

// unknownField is how yaml.v3 says that a struct has no field of a name.
var unknownField = regexp.MustCompile(`^line \d+: field (\S+) not found in type \S+$`)

// unknown returns the keys of config.yaml that the server does not know.
func unknown(t *testing.T, text []byte) []string {
	t.Helper()

	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)

	err := d.Decode(&config.Config{})
	if err == nil {
		return nil
	}

	typeError := &yaml.TypeError{}
	if !errors.As(err, &typeError) {
		t.Fatal(err)
	}

	var keys []string

	for _, e := range typeError.Errors {
		m := unknownField.FindStringSubmatch(e)
		if m == nil {
			t.Errorf("the server cannot decode config.yaml: %s", e)
			continue
		}

		keys = append(keys, m[1])
	}

	slices.Sort(keys)

	return keys
}

// written returns the values of config.yaml by their path, without some top-level
// keys.
func written(t *testing.T, text []byte, without []string) map[string]any {
	t.Helper()

	doc := map[string]any{}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}

	for _, key := range without {
		delete(doc, key)
	}

	out := map[string]any{}
	flatten(doc, "", out)

	return out
}

// heard returns what the server takes for the values of config.yaml.
func heard(t *testing.T, c *config.Config, text []byte) map[string]any {
	t.Helper()

	// A password is hidden when the server writes its configuration.
	password := c.Database.Postgres.Password

	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}

	out := written(t, b, nil)
	if _, ok := out["database.postgres.password"]; ok {
		out["database.postgres.password"] = password
	}

	asked := written(t, text, nil)
	for path := range out {
		if _, ok := asked[path]; !ok {
			delete(out, path)
		}
	}

	return out
}

// flatten collects the values below a path. Durations are spelt one way.
func flatten(v any, path string, into map[string]any) {
	m, ok := v.(map[string]any)
	if !ok {
		if s, ok := v.(string); ok {
			if d, err := time.ParseDuration(s); err == nil {
				v = d
			}
		}

		into[path] = v

		return
	}

	for key, value := range m {
		flatten(value, strings.TrimPrefix(path+"."+key, "."), into)
	}
}
