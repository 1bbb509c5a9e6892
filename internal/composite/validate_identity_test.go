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
			want:   []string{"spec.identity.ldap.startTLS: Required value: an ldap:// URL would send the password unencrypted: set startTLS, or use an ldaps:// URL"},
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
				"spec.extraEnv[0].name: Forbidden: DITTOFS_LDAP_URL overrides spec.identity.ldap, which is also set: remove one of them",
				"spec.extraEnv[1].name: Forbidden: DITTOFS_LDAP overrides spec.identity.ldap, which is also set: remove one of them",
				"spec.extraEnv[2].name: Forbidden: DITTOFS_LDAP_BIND_PASSWORD overrides spec.identity.ldap, which is also set: remove one of them",
			},
		},
		"VariableAlone": {
			reason: "Servers from before the field have such variables",
			xr:     "spec: {extraEnv: [{name: DITTOFS_LDAP_URL, value: 'ldap://a'}, {name: DITTOFS_LDAP_BIND_PASSWORD, value: a}]}",
		},
	}

	for name, url := range map[string]string{
		"Scheme": "https://directory", "UpperCase": "LDAPS://directory", "NoScheme": "directory:636", "NoHost": "ldaps://", "NoHostButPort": "ldaps://:636", "Path": "ldaps://directory/DC=example",
		"Slash": "ldaps://directory/", "Query": "ldaps://directory??sub", "Fragment": "ldaps://directory#a", "Space": "ldaps://direc tory", "BadHost": "ldaps://direc_tory",
	} {
		tests["URL/"+name] = testCase{
			reason: "The server would ignore a part of it, or find nobody",
			xr:     with(fmt.Sprintf("url: '%s'", url)),
			want:   []string{fmt.Sprintf("spec.identity.ldap.url: Invalid value: %q: %s", url, notURL)},
		}
	}

	tests["URL/User"] = testCase{
		reason: "A password is not told on",
		xr:     with("url: 'ldaps://user:example-password@directory'"),
		want:   []string{"spec.identity.ldap.url: Invalid value: \"…\": " + notURL},
	}
	tests["URL/BadPort"] = testCase{
		reason: "There is no such port",
		xr:     with("url: 'ldaps://directory:99999'"),
		want:   []string{`spec.identity.ldap.url: Invalid value: "directory:99999": must be between 1 and 65535, inclusive`},
	}

	tests.run(t)
}

func TestValidateKerberos(t *testing.T) {
	// with returns a DittoServer with Kerberos, some of whose fields are others.
	with := func(fields string) string {
		return "spec: {identity: {kerberos: {realm: EXAMPLE.ORG, servicePrincipal: nfs/files.example.org, keytabSecretRef: {name: files-kerberos}, " + fields + "}}}"
	}

	// account returns one with a machine account.
	account := func(fields string) string {
		return with("netbiosDomain: EXAMPLE, machineAccount: {accountName: FILES$, passwordSecretRef: {name: files-kerberos}, " + fields + "}")
	}

	// join returns one that makes its account.
	join := func(fields string) string {
		return with("netbiosDomain: EXAMPLE, machineAccount: {accountName: FILES$, onlineJoin: {ldapURL: 'ldaps://dc1.example.org', bindDN: join@example.org, bindPasswordSecretRef: {name: files-join}, baseDN: 'DC=example,DC=org', " + fields + "}}")
	}

	const (
		notPrincipal = "must be nfs/ and a host, such as nfs/files.example.com, and have no other realm than spec.identity.kerberos.realm"
		notKrb5Conf  = "must be a krb5.conf that the server can read, with nothing in [libdefaults], [realms] and [domain_realm] but names, '=' and values"
		notShortName = "must be the short name of a domain: up to 15 letters, digits, '-' and '_'"
		notAccount   = "must be the name of a computer: up to 15 letters, digits, '-' and '_', and a '$'"
	)

	tests := errorTable{
		"Least":          {reason: "The rest has defaults", xr: with("")},
		"PrincipalRealm": {reason: "A principal may have its realm", xr: with("servicePrincipal: nfs/files.example.org@EXAMPLE.ORG")},
		"Krb5Conf":       {reason: "The server needs no more than that", xr: with(`krb5Conf: "[libdefaults]\ndefault_realm = EXAMPLE.ORG\n"`)},
		"Domain":         {reason: "A domain has two names", xr: with("netbiosDomain: EX_AMPLE-1, dnsDomain: ad.Example.org")},
		"Account":        {reason: "An account that is there has a password", xr: account("dcAddress: 'dc1.example.org:445'")},
		"Join":           {reason: "The server can make it", xr: join("ou: 'OU=Servers,DC=example,DC=org', dnsHostName: files.example.org, servicePrincipals: [cifs/files.example.org, HOST/files], rotationInterval: 720h")},
		"Realm": {
			reason: "Realms are compared as they are written",
			xr:     with("realm: example.org"),
			want:   []string{`spec.identity.kerberos.realm: Invalid value: "example.org": must be a Kerberos realm in capitals, such as EXAMPLE.COM`},
		},
		"DNSDomain": {
			reason: "It is a name of DNS",
			xr:     with("dnsDomain: ad_example.org"),
			want:   []string{`spec.identity.kerberos.dnsDomain: Invalid value: "ad_example.org": ` + notSubdomain},
		},
		"AccountWithoutDomain": {
			reason: "The server would ignore it, and says so in its log only",
			xr:     with("machineAccount: {accountName: FILES$, passwordSecretRef: {name: files-kerberos}}"),
			want:   []string{"spec.identity.kerberos.netbiosDomain: Required value: without it the server ignores spec.identity.kerberos.machineAccount"},
		},
		"AccountWithoutPassword": {
			reason: "The server would go on without",
			xr:     with("netbiosDomain: EXAMPLE, machineAccount: {accountName: FILES$}"),
			want:   []string{"spec.identity.kerberos.machineAccount.passwordSecretRef: Required value: name the password of the account, or have the server make it by onlineJoin"},
		},
		"PasswordAndJoin": {
			reason: "Only one of them counts",
			xr:     strings.Replace(join(""), "FILES$,", "FILES$, passwordSecretRef: {name: files-kerberos},", 1),
			want:   []string{"spec.identity.kerberos.machineAccount.passwordSecretRef: Forbidden: with onlineJoin the server chooses the password: remove one of them"},
		},
		"DCAddress": {
			reason: "It is a host, with or without a port",
			xr:     account("dcAddress: 'ldap://dc1'"),
			want:   []string{`spec.identity.kerberos.machineAccount.dcAddress: Invalid value: "ldap://dc1": must be host:port with a port number`},
		},
		"Secrets": {
			reason: "Secrets are objects, and named like one",
			xr:     strings.NewReplacer("files-kerberos", "A_B", "files-join", "C_D").Replace(join("caSecretRef: {name: a, key: b/c}")),
			want: []string{
				`spec.identity.kerberos.keytabSecretRef.name: Invalid value: "A_B": ` + notSubdomain,
				`spec.identity.kerberos.machineAccount.onlineJoin.bindPasswordSecretRef.name: Invalid value: "C_D": ` + notSubdomain,
				`spec.identity.kerberos.machineAccount.onlineJoin.caSecretRef.key: Invalid value: "b/c": ` + notDataKey,
			},
		},
		"JoinInTheClear": {
			reason: "No domain controller sets a password so",
			xr:     join("ldapURL: 'ldap://dc1.example.org'"),
			want:   []string{"spec.identity.kerberos.machineAccount.onlineJoin.startTLS: Required value: an ldap:// URL would send the password unencrypted: set startTLS, or use an ldaps:// URL"},
		},
		"JoinNames": {
			reason: "Every name is parsed",
			xr:     join("bindDN: join, baseDN: example.org, ou: Servers, dnsHostName: a_b, servicePrincipals: [files, cifs/files@EXAMPLE.ORG], rotationInterval: 59m"),
			want: []string{
				`spec.identity.kerberos.machineAccount.onlineJoin.baseDN: Invalid value: "example.org": must be a distinguished name, such as DC=example,DC=com`,
				`spec.identity.kerberos.machineAccount.onlineJoin.bindDN: Invalid value: "join": must be a distinguished name, such as CN=dittofs,DC=example,DC=com, or a user principal name of Active Directory, such as dittofs@example.com`,
				`spec.identity.kerberos.machineAccount.onlineJoin.ou: Invalid value: "Servers": must be a distinguished name, such as DC=example,DC=com`,
				`spec.identity.kerberos.machineAccount.onlineJoin.dnsHostName: Invalid value: "a_b": ` + notSubdomain,
				`spec.identity.kerberos.machineAccount.onlineJoin.servicePrincipals[0]: Invalid value: "files": must be a service and a host, such as cifs/files.example.com`,
				`spec.identity.kerberos.machineAccount.onlineJoin.servicePrincipals[1]: Invalid value: "cifs/files@EXAMPLE.ORG": must be a service and a host, such as cifs/files.example.com`,
				`spec.identity.kerberos.machineAccount.onlineJoin.rotationInterval: Invalid value: "59m": must be a Go duration of an hour or more, such as 720h`,
			},
		},
		"JoinPrincipals": {
			reason: "A computer has some",
			xr:     join("servicePrincipals: [" + strings.Repeat("cifs/files, ", maxServicePrincipals) + "cifs/files]"),
			want:   []string{"spec.identity.kerberos.machineAccount.onlineJoin.servicePrincipals: Too many: 33: must have at most 32 items"},
		},
		"Variable": {
			reason: "A variable would win over the field, or hide it",
			xr:     strings.Replace(with(""), "spec: {", "spec: {extraEnv: [{name: DITTOFS_KERBEROS_PRINCIPAL, value: a}, {name: DITTOFS_KERBEROS, value: a}, {name: DITTOFS_LDAP_URL, value: a}], ", 1),
			want: []string{
				"spec.extraEnv[0].name: Forbidden: DITTOFS_KERBEROS_PRINCIPAL overrides spec.identity.kerberos, which is also set: remove one of them",
				"spec.extraEnv[1].name: Forbidden: DITTOFS_KERBEROS overrides spec.identity.kerberos, which is also set: remove one of them",
			},
		},
		"VariableAlone": {
			reason: "Servers from before the field have such variables",
			xr:     "spec: {extraEnv: [{name: DITTOFS_KERBEROS_REALM, value: EXAMPLE.ORG}]}",
		},
	}

	for name, principal := range map[string]string{"NoHost": "nfs", "OtherService": "http/files", "Capitals": "NFS/files", "OtherRealm": "nfs/files@OTHER.ORG", "TwoParts": "nfs/files/a", "Space": "nfs/fi les", "Empty": ""} {
		tests["Principal/"+name] = testCase{
			reason: "Nobody asks a ticket for it",
			xr:     with(fmt.Sprintf("servicePrincipal: '%s'", principal)),
			want:   []string{fmt.Sprintf("spec.identity.kerberos.servicePrincipal: Invalid value: %q: %s", principal, notPrincipal)},
		}
	}

	for name, domain := range map[string]string{"DNS": "example.org", "Long": "SIXTEEN-LETTERSS", "Space": "EX AMPLE"} {
		tests["Domain/"+name] = testCase{
			reason: "It is no short name",
			xr:     with(fmt.Sprintf("netbiosDomain: '%s'", domain)),
			want:   []string{fmt.Sprintf("spec.identity.kerberos.netbiosDomain: Invalid value: %q: %s", domain, notShortName)},
		}
	}

	for name, account := range map[string]string{"User": "files", "Long": "SIXTEEN-LETTERSS$", "Domain": `EXAMPLE\FILES$`} {
		tests["AccountName/"+name] = testCase{
			reason: "It is no computer's",
			xr:     with(fmt.Sprintf("netbiosDomain: EXAMPLE, machineAccount: {accountName: '%s', passwordSecretRef: {name: a}}", account)),
			want:   []string{fmt.Sprintf("spec.identity.kerberos.machineAccount.accountName: Invalid value: %q: %s", account, notAccount)},
		}
	}

	for name, tc := range map[string]struct{ text, problem string }{
		"NoSection": {"default_realm = A", notKrb5Conf},
		"NoValue":   {"[libdefaults]\nfoo", notKrb5Conf},
		"Include":   {"[realms]\ninclude /a", "must not include other files or load modules: the server reads none"},
	} {
		tests["Krb5Conf/"+name] = testCase{
			reason: "NFS would run without Kerberos",
			xr:     with(fmt.Sprintf("krb5Conf: %q", tc.text)),
			want:   []string{fmt.Sprintf("spec.identity.kerberos.krb5Conf: Invalid value: %q: %s", tc.text, tc.problem)},
		}
	}

	tests.run(t)
}
