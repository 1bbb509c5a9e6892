package dittofs

import (
	"encoding/json"
	"fmt"
	"strings"
)

// An IdentityProvider is where the server looks up users. Since 0.21 it copies the settings of
// one into a row of its control-plane database, if there is none, and uses the row from then on:
// resolveIdentityProviders in cmd/dfs/commands/start.go.
type IdentityProvider string

// Identity providers, as the REST API names them, and the part of one that the server merges by
// itself: mergeMachineAccountFromFile, beside it.
const (
	ProviderLDAP           IdentityProvider = "ldap"
	ProviderKerberos       IdentityProvider = "kerberos"
	ProviderMachineAccount IdentityProvider = "kerberos.machineAccount"
)

// IdentityProviders returns all of them, in a fixed order, each before its parts.
func IdentityProviders() []IdentityProvider {
	return []IdentityProvider{ProviderLDAP, ProviderKerberos, ProviderMachineAccount}
}

// Field returns the field of the spec that configures the provider.
func (p IdentityProvider) Field() string { return "spec.identity." + string(p) }

// Whole returns the provider that p is a part of, or p.
func (p IdentityProvider) Whole() IdentityProvider {
	whole, _, _ := strings.Cut(string(p), ".")
	return IdentityProvider(whole)
}

// Endpoint returns the path of the REST API that sets the provider's row.
func (p IdentityProvider) Endpoint() string {
	return "/api/v1/identity-providers/" + string(p.Whole()) + "/config"
}

// IsReadAtStart reports whether the server reads what the REST API sets when it starts only.
func (p IdentityProvider) IsReadAtStart() bool { return p.Whole() == ProviderKerberos }

// LeavesOpen reports whether the server lets clients in without the provider while that is
// turned off: NFS runs without Kerberos.
func (p IdentityProvider) LeavesOpen() bool { return p == ProviderKerberos }

// IsReachedBy reports whether an environment variable sets the provider, or hides what does.
func (p IdentityProvider) IsReachedBy(env string) bool {
	own := variable(string(p.Whole()))
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
// into an object. Its value is a text, a number or a truth.
type setting struct {
	key   string
	value any
}

// seedsOf returns settings of an identity provider as variables.
func seedsOf(p IdentityProvider, settings []setting) []Seed {
	seeds := make([]Seed, 0, len(settings))

	for _, s := range settings {
		seeds = append(seeds, Seed{variable(string(p.Whole()) + "." + s.key), fmt.Sprint(s.value)})
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
	LDAP     *LDAP
	Kerberos *Kerberos
}

// Seeds returns the settings that count once. The list has the same variables, in the same order,
// whatever the settings are: the server takes an empty value for none.
func (i Identity) Seeds() []Seed {
	var seeds []Seed
	for _, p := range IdentityProviders() {
		seeds = append(seeds, seedsOf(p, i.once(p))...)
	}

	return seeds
}

// Once returns what of an identity provider counts once, as text to compare, or "" without it.
func (i Identity) Once(p IdentityProvider) string {
	once := i.once(p)
	if once == nil {
		return ""
	}

	// The database has the path of the file, or none. The server reads it there.
	if p == ProviderLDAP && i.LDAP.CAFile != "" {
		once = append(once, setting{"tls.ca_cert_file", i.LDAP.CAFile})
	}

	// With the server's own join the database has no password of the account, and with a password
	// of the spec it must have one.
	if p == ProviderMachineAccount {
		once = append(once, setting{"machine_account.online_join", i.Kerberos.MachineAccount.OnlineJoin != nil})
	}

	return bodyOf(once)
}

// once returns the settings of an identity provider that count once, or nil without it.
func (i Identity) once(p IdentityProvider) []setting {
	switch {
	case p == ProviderLDAP && i.LDAP != nil:
		return i.LDAP.once()
	case p == ProviderKerberos && i.Kerberos != nil:
		return i.Kerberos.once()
	case p == ProviderMachineAccount && i.Kerberos != nil && i.Kerberos.MachineAccount != nil:
		return i.Kerberos.MachineAccount.once()
	default:
		return nil
	}
}

// Body returns the body of the REST call by which the server goes by the same settings, or "" without
// the identity provider. It has no password: the server keeps the one that it has.
func (i Identity) Body(p IdentityProvider) string {
	switch {
	case p == ProviderLDAP && i.LDAP != nil:
		return i.LDAP.body()
	case p != ProviderLDAP && i.Kerberos != nil:
		return i.Kerberos.body()
	default:
		return ""
	}
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
