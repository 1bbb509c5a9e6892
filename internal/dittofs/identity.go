package dittofs

import (
	"encoding/json"
	"fmt"
	"strings"
)

// An IdentityProvider is where the server looks up users. Since 0.21 it copies what it is told of
// one into a row of its control-plane database, if there is none, and goes by the row from then
// on: resolveIdentityProviders in cmd/dfs/commands/start.go.
type IdentityProvider string

// Identity providers, as the REST API names them.
const (
	ProviderLDAP IdentityProvider = "ldap"
)

// IdentityProviders returns all of them, in a fixed order.
func IdentityProviders() []IdentityProvider { return []IdentityProvider{ProviderLDAP} }

// Field returns the field of the spec that configures the provider.
func (p IdentityProvider) Field() string { return "spec.identity." + string(p) }

// Endpoint returns the path of the REST API that sets the provider's row.
func (p IdentityProvider) Endpoint() string {
	return "/api/v1/identity-providers/" + string(p) + "/config"
}

// IsReachedBy reports whether an environment variable sets the provider, or hides what does.
func (p IdentityProvider) IsReachedBy(env string) bool {
	own := variable(string(p))
	return env == own || strings.HasPrefix(env, own+"_")
}

// IsIn reports whether a config.yaml turns the provider on.
func (p IdentityProvider) IsIn(config string) bool {
	// Only what Config writes is asked, which has every top-level key on a line of its own.
	return strings.Contains("\n"+config, "\n"+string(p)+":\n")
}

// Off is the body of the REST call that turns a provider off.
const Off = `{"enabled":false}`

// A Seed is a setting that the server copies into its database when it first starts with it. It
// reaches the server as an environment variable, by reference to the ConfigMap: neither config.yaml
// nor the pod template has it, so that a change restarts nothing.
type Seed struct {
	Variable, Value string
}

// A setting of an identity provider, by its key in config.yaml and in the REST API, where a dot leads
// into an object. Its value is a text, a number, a truth or a list of texts.
type setting struct {
	key   string
	value any
}

// seedsOf returns settings of an identity provider as variables.
func seedsOf(p IdentityProvider, settings []setting) []Seed {
	seeds := make([]Seed, 0, len(settings))

	for _, s := range settings {
		value := fmt.Sprint(s.value)
		if list, isList := s.value.([]string); isList {
			value = strings.Join(list, ",")
		}

		seeds = append(seeds, Seed{variable(string(p) + "." + s.key), value})
	}

	return seeds
}

// bodyOf returns settings as the REST API takes them.
func bodyOf(settings []setting) string {
	body := map[string]any{}

	for _, s := range settings {
		object, key := body, s.key

		if name, rest, isBelow := strings.Cut(key, "."); isBelow {
			below, isThere := body[name].(map[string]any)
			if !isThere {
				below = map[string]any{}
				body[name] = below
			}

			object, key = below, rest
		}

		object[key] = s.value
	}

	b, _ := json.Marshal(body) //nolint:errchkjson // Texts, numbers and truths can always be encoded.

	return string(b)
}

// Identity is where the server looks up users: the identity providers that it has.
type Identity struct {
	LDAP *LDAP
}

// Seeds returns the settings that count once. The list has the same variables, in the same order,
// whatever the settings are: the server takes an empty value for none.
func (i Identity) Seeds() []Seed {
	if i.LDAP == nil {
		return nil
	}

	return seedsOf(ProviderLDAP, i.LDAP.once())
}

// Body returns the body of the REST call that sets an identity provider to the same, or "" without
// it. It has no password: the server keeps the one that it has.
func (i Identity) Body(p IdentityProvider) string {
	if p == ProviderLDAP && i.LDAP != nil {
		return i.LDAP.body()
	}

	return ""
}

// LDAP settings, in the words of config.yaml.
type LDAP struct {
	URL            string
	StartTLS       bool
	AllowPlaintext bool
	BaseDN, BindDN string

	// CAFile is the path of the authorities that the directory is judged by, or "" for those of
	// the image.
	CAFile string

	UserAttribute   string
	Realm           string
	Idmap           string
	NestedGroups    bool
	Timeout         string
	MaxGroupResults int32
}

// ldap is what config.yaml says of LDAP: what never changes while the server has it.
type ldap struct {
	Enabled bool     `yaml:"enabled"`
	TLS     *ldapTLS `yaml:"tls,omitempty"`
}

type ldapTLS struct {
	CACertFile string `yaml:"ca_cert_file"`
}

// section returns what config.yaml says of LDAP.
func (l *LDAP) section() *ldap {
	s := &ldap{Enabled: true}
	if l.CAFile != "" {
		s.TLS = &ldapTLS{CACertFile: l.CAFile}
	}

	return s
}

// once returns the settings that count once.
func (l *LDAP) once() []setting {
	return []setting{
		{"url", l.URL},
		{"start_tls", l.StartTLS},
		{"allow_plaintext", l.AllowPlaintext},
		{"base_dn", l.BaseDN},
		{"bind_dn", l.BindDN},
		{"user_attr", l.UserAttribute},
		{"realm", l.Realm},
		{"idmap", l.Idmap},
		{"nested_groups", l.NestedGroups},
		{"timeout", l.Timeout},
		{"max_group_results", l.MaxGroupResults},
	}
}

// body returns all that the REST call takes.
func (l *LDAP) body() string {
	rest := []setting{{"enabled", true}}
	if l.CAFile != "" {
		rest = append(rest, setting{"tls.ca_cert_file", l.CAFile})
	}

	return bodyOf(append(rest, l.once()...))
}
