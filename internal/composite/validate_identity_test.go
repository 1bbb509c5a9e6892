package composite

import (
	"fmt"
	"strings"
	"testing"
)

func TestValidateLDAP(t *testing.T) {
	// with returns a DittoServer with a directory, some of whose fields are others.
	with := func(fields string) string {
		return "spec: {identity: {ldap: {url: 'ldaps://directory.example.org', baseDN: 'DC=example,DC=org', bindDN: 'CN=dittofs,DC=example,DC=org', bindPasswordSecretRef: {name: files-directory}, " + fields + "}}}"
	}

	const notURL = "must be ldaps://host or ldap://host, with or without a port, and nothing behind it"

	tests := errorTable{
		"Least": {reason: "The rest has defaults", xr: with("")},
		"Port":  {reason: "A URL may have a port", xr: with("url: 'ldaps://directory.example.org:3269'")},
		"IPv6":  {reason: "A host may be an address", xr: with("url: 'ldaps://[2001:db8::1]:636'")},
		"StartTLS": {
			reason: "StartTLS encrypts before the password is sent",
			xr:     with("url: 'ldap://directory', startTLS: true"),
		},
		"Plaintext": {
			reason: "Who says so may send the password in the clear",
			xr:     with("url: 'ldap://directory', allowPlaintext: true"),
		},
		"Clear": {
			reason: "The server would not start",
			xr:     with("url: 'ldap://directory'"),
			want:   []string{"spec.identity.ldap.startTLS: Required value: an ldap:// URL would send the password in the clear: set startTLS, or take an ldaps:// URL"},
		},
		"Both": {
			reason: "StartTLS comes first, and nothing is in the clear",
			xr:     with("url: 'ldap://directory', startTLS: true, allowPlaintext: true"),
			want:   []string{"spec.identity.ldap.allowPlaintext: Forbidden: startTLS encrypts the connection: remove one of them"},
		},
		"LDAPSAndStartTLS": {
			reason: "The server would ignore it",
			xr:     with("startTLS: true"),
			want:   []string{"spec.identity.ldap.startTLS: Forbidden: an ldaps:// URL is encrypted: remove it"},
		},
		"LDAPSAndPlaintext": {
			reason: "The server would ignore it",
			xr:     with("allowPlaintext: true"),
			want:   []string{"spec.identity.ldap.allowPlaintext: Forbidden: an ldaps:// URL is encrypted: remove it"},
		},
		"DN": {
			reason: "Every name is parsed",
			xr:     with("baseDN: example.org, bindDN: 'CN=dittofs,'"),
			want: []string{
				`spec.identity.ldap.baseDN: Invalid value: "example.org": must be a distinguished name, such as DC=example,DC=com`,
				`spec.identity.ldap.bindDN: Invalid value: "CN=dittofs,": must be a distinguished name, such as CN=dittofs,DC=example,DC=com, or a user principal name of Active Directory, such as dittofs@example.com`,
			},
		},
		"EscapedDN": {reason: "Names may hold anything, if it is escaped", xr: with(`baseDN: 'OU=a\2C b\+c,DC=example', bindDN: 'cn=äöü+uid=1, dc=example'`)},
		"NoDN": {
			reason: "The empty name is the whole directory's",
			xr:     with("baseDN: ''"),
			want:   []string{`spec.identity.ldap.baseDN: Invalid value: "": must be a distinguished name, such as DC=example,DC=com`},
		},
		"UPN": {reason: "Active Directory takes it for an account", xr: with("bindDN: dittofs@example.org")},
		"UPNAsBase": {
			reason: "Nothing is below a user principal name",
			xr:     with("baseDN: dittofs@example.org"),
			want:   []string{`spec.identity.ldap.baseDN: Invalid value: "dittofs@example.org": must be a distinguished name, such as DC=example,DC=com`},
		},
		"Attribute": {
			reason: "The server puts it into a filter as it is",
			xr:     with("userAttribute: 'uid)(objectClass=*'"),
			want:   []string{`spec.identity.ldap.userAttribute: Invalid value: "uid)(objectClass=*": must be the name of an attribute: a letter, and letters, digits and '-'`},
		},
		"Realm": {
			reason: "Realms are compared as they are written",
			xr:     with("realm: example.org"),
			want:   []string{`spec.identity.ldap.realm: Invalid value: "example.org": must be a Kerberos realm in capitals, such as EXAMPLE.COM`},
		},
		"Idmap": {
			reason: "The server knows two",
			xr:     with("idmap: autorid"),
			want:   []string{`spec.identity.ldap.idmap: Unsupported value: "autorid": supported values: "rfc2307", "rid"`},
		},
		"Timeout": {
			reason: "The directory is asked in whole seconds, and none is no bound",
			xr:     with("timeout: 900ms"),
			want:   []string{`spec.identity.ldap.timeout: Invalid value: "900ms": must be a Go duration of a second or more, such as 10s`},
		},
		"Groups": {
			reason: "None would be the server's default",
			xr:     with("maxGroupResults: 0"),
			want:   []string{`spec.identity.ldap.maxGroupResults: Invalid value: 0: must be 1 or more`},
		},
		"Secrets": {
			reason: "Secrets are objects, and named like one",
			xr:     with("bindPasswordSecretRef: {name: A_B}, caSecretRef: {name: a, key: b/c}"),
			want: []string{
				`spec.identity.ldap.bindPasswordSecretRef.name: Invalid value: "A_B": ` + notSubdomain,
				`spec.identity.ldap.caSecretRef.key: Invalid value: "b/c": ` + notDataKey,
			},
		},
		"Variable": {
			reason: "A variable would win over the field, or hide it",
			xr:     strings.Replace(with(""), "spec: {", "spec: {extraEnv: [{name: DITTOFS_LDAP_URL, value: 'ldap://a'}, {name: DITTOFS_LDAP, value: a}, {name: DITTOFS_LDAP_BIND_PASSWORD, value: a}, {name: DITTOFS_LDAPS, value: a}], ", 1),
			want: []string{
				"spec.extraEnv[0].name: Forbidden: DITTOFS_LDAP_URL would win over spec.identity.ldap, which is set, too: remove one of them",
				"spec.extraEnv[1].name: Forbidden: DITTOFS_LDAP would win over spec.identity.ldap, which is set, too: remove one of them",
				"spec.extraEnv[2].name: Forbidden: DITTOFS_LDAP_BIND_PASSWORD would win over spec.identity.ldap, which is set, too: remove one of them",
			},
		},
		"VariableAlone": {
			reason: "Servers from before the field have such variables",
			xr:     "spec: {extraEnv: [{name: DITTOFS_LDAP_URL, value: 'ldap://a'}, {name: DITTOFS_LDAP_BIND_PASSWORD, value: a}]}",
		},
	}

	for name, url := range map[string]string{
		"Scheme": "https://directory", "UpperCase": "LDAPS://directory", "NoScheme": "directory:636", "NoHost": "ldaps://", "NoHostButPort": "ldaps://:636", "Path": "ldaps://directory/DC=example",
		"Slash": "ldaps://directory/", "Query": "ldaps://directory??sub", "Fragment": "ldaps://directory#a", "User": "ldaps://user:password@directory", "Space": "ldaps://direc tory", "BadHost": "ldaps://direc_tory",
	} {
		tests["URL/"+name] = testCase{
			reason: "The server would ignore a part of it, or find nobody",
			xr:     with(fmt.Sprintf("url: '%s'", url)),
			want:   []string{fmt.Sprintf("spec.identity.ldap.url: Invalid value: %q: %s", url, notURL)},
		}
	}

	tests["URL/BadPort"] = testCase{
		reason: "There is no such port",
		xr:     with("url: 'ldaps://directory:99999'"),
		want:   []string{`spec.identity.ldap.url: Invalid value: "directory:99999": must be between 1 and 65535, inclusive`},
	}

	tests.run(t)
}
