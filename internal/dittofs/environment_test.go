package dittofs

import (
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestConfigEnv(t *testing.T) {
	env := ConfigEnv()

	for _, name := range []string{
		"DITTOFS_CONTROLPLANE_SECRET",
		"DITTOFS_CONTROLPLANE_JWT_SECRET",
		"DITTOFS_ADMIN_INITIAL_PASSWORD",
		"DITTOFS_ADMIN_PASSWORD_HASH",
	} {
		if !slices.Contains(env, name) {
			t.Errorf("%s\nConfigEnv(): %s is missing", "A variable that holds a Secret should be there, though no key of config.yaml does", name)
		}
	}

	for _, variant := range []string{"minimal", "full"} {
		text, err := Config(settings[variant], Release{})
		if err != nil {
			t.Fatalf("Config(%s): %v", variant, err)
		}

		keys := map[string]any{}
		if err := yaml.Unmarshal(text, &keys); err != nil {
			t.Fatalf("cannot parse %q: %v", text, err)
		}

		for _, name := range envOf(strings.TrimSuffix(EnvPrefix, "_"), keys) {
			if !slices.Contains(env, name) {
				t.Errorf("%s\nConfigEnv(): %s is missing", "Every key of config.yaml has a variable that would override it", name)
			}
		}
	}

	for i, name := range env {
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(env[:i], name) {
			t.Errorf("%s\nConfigEnv(): got %s", "Every variable should be the server's, and there once", name)
		}
	}
}

// envOf returns the environment variables of the keys of a configuration.
func envOf(prefix string, value any) []string {
	keys, ok := value.(map[string]any)
	if !ok {
		return []string{prefix}
	}

	var names []string
	for k, v := range keys {
		names = append(names, envOf(prefix+"_"+strings.ToUpper(k), v)...)
	}

	return names
}
