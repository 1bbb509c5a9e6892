package dittofs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// directory is one with every setting.
var directory = LDAP{
	URL: "ldap://directory.example.org:3389", StartTLS: true, AllowPlaintext: true, BaseDN: "DC=example,DC=org", BindDN: "CN=dittofs,DC=example,DC=org",
	CAFile: "/ca/ca.crt", UserAttribute: "uid", Realm: "EXAMPLE.ORG", Idmap: "rid", NestedGroups: true, Timeout: "5s", MaxGroupResults: 500,
}

func TestLDAP(t *testing.T) {
	cases := map[string]struct {
		reason string
		ldap   *LDAP

		section []string
		seeds   []Seed
		body    string
	}{
		"None": {reason: "Without a directory there is nothing"},
		"All": {
			reason:  "config.yaml has what never changes, and variables have the rest",
			ldap:    &directory,
			section: []string{"ldap:", "  enabled: true", "  tls:", "    ca_cert_file: /ca/ca.crt"},
			seeds: []Seed{
				{"DITTOFS_LDAP_URL", "ldap://directory.example.org:3389"},
				{"DITTOFS_LDAP_START_TLS", "true"},
				{"DITTOFS_LDAP_ALLOW_PLAINTEXT", "true"},
				{"DITTOFS_LDAP_BASE_DN", "DC=example,DC=org"},
				{"DITTOFS_LDAP_BIND_DN", "CN=dittofs,DC=example,DC=org"},
				{"DITTOFS_LDAP_USER_ATTR", "uid"},
				{"DITTOFS_LDAP_REALM", "EXAMPLE.ORG"},
				{"DITTOFS_LDAP_IDMAP", "rid"},
				{"DITTOFS_LDAP_NESTED_GROUPS", "true"},
				{"DITTOFS_LDAP_TIMEOUT", "5s"},
				{"DITTOFS_LDAP_MAX_GROUP_RESULTS", "500"},
			},
			body: `{"allow_plaintext":true,"base_dn":"DC=example,DC=org","bind_dn":"CN=dittofs,DC=example,DC=org","enabled":true,"idmap":"rid","max_group_results":500,"nested_groups":true,"realm":"EXAMPLE.ORG","start_tls":true,"timeout":"5s","tls":{"ca_cert_file":"/ca/ca.crt"},"url":"ldap://directory.example.org:3389","user_attr":"uid"}`,
		},
		"Least": {
			reason:  "There are the same variables, so that no setting makes another pod template",
			ldap:    &LDAP{URL: "ldaps://a", BaseDN: "DC=a", BindDN: "CN=b", UserAttribute: "c", Idmap: "rfc2307", Timeout: "10s", MaxGroupResults: 200},
			section: []string{"ldap:", "  enabled: true"},
			seeds: []Seed{
				{"DITTOFS_LDAP_URL", "ldaps://a"},
				{"DITTOFS_LDAP_START_TLS", "false"},
				{"DITTOFS_LDAP_ALLOW_PLAINTEXT", "false"},
				{"DITTOFS_LDAP_BASE_DN", "DC=a"},
				{"DITTOFS_LDAP_BIND_DN", "CN=b"},
				{"DITTOFS_LDAP_USER_ATTR", "c"},
				{"DITTOFS_LDAP_REALM", ""},
				{"DITTOFS_LDAP_IDMAP", "rfc2307"},
				{"DITTOFS_LDAP_NESTED_GROUPS", "false"},
				{"DITTOFS_LDAP_TIMEOUT", "10s"},
				{"DITTOFS_LDAP_MAX_GROUP_RESULTS", "200"},
			},
			body: `{"allow_plaintext":false,"base_dn":"DC=a","bind_dn":"CN=b","enabled":true,"idmap":"rfc2307","max_group_results":200,"nested_groups":false,"realm":"","start_tls":false,"timeout":"10s","url":"ldaps://a","user_attr":"c"}`,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.Identity.LDAP = tc.ldap

			config, err := Config(s, release("0.29.0"))
			if err != nil {
				t.Fatal(err)
			}

			without, err := Config(settings["minimal"], release("0.29.0"))
			if err != nil {
				t.Fatal(err)
			}

			added, isBehind := strings.CutPrefix(string(config), string(without))
			if !isBehind {
				t.Fatalf("%s\nConfig(...): it is not behind the other keys:\n%s", tc.reason, config)
			}

			want := strings.Join(append(tc.section, ""), "\n")
			if diff := cmp.Diff(want, added); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.seeds, s.Identity.Seeds()); diff != "" {
				t.Errorf("%s\nSeeds(): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.body, s.Identity.Body(ProviderLDAP)); diff != "" {
				t.Errorf("%s\nBody(...): -want, +got:\n%s", tc.reason, diff)
			}

			if got := ProviderLDAP.IsIn(string(config)); got != (tc.ldap != nil) {
				t.Errorf("%s\nIsIn(...): got %t", tc.reason, got)
			}
		})
	}

	if !json.Valid([]byte(Off)) {
		t.Errorf("%s is no JSON", Off)
	}
}

func TestKerberos(t *testing.T) {
	cases := map[string]struct {
		reason   string
		kerberos *Kerberos

		section []string
		seeds   []Seed
		body    string

		// once are texts to compare, of Kerberos and of the machine account.
		once [2]string
	}{
		"None": {reason: "Without Kerberos there is nothing"},
		"Least": {
			reason:   "Files and the principal count at each start, the realm once",
			kerberos: &Kerberos{ServicePrincipal: "nfs/a@A", Realm: "A", KeytabFile: "/keytab", Krb5ConfFile: "/krb5.conf"},
			section:  []string{"kerberos:", "  enabled: true", "  keytab_path: /keytab", "  krb5_conf: /krb5.conf"},
			seeds:    []Seed{{"DITTOFS_KERBEROS_REALM", "A"}, {"DITTOFS_KERBEROS_NETBIOS_DOMAIN", ""}, {"DITTOFS_KERBEROS_DNS_DOMAIN", ""}},
			body:     `{"dns_domain":"","enabled":true,"keytab_path":"/keytab","krb5_conf":"/krb5.conf","netbios_domain":"","realm":"A","service_principal":"nfs/a@A"}`,
			once:     [2]string{`{"dns_domain":"","netbios_domain":"","realm":"A"}`},
		},
		"Account": {
			reason: "An account in the REST call, which has no password, would win over that of the Secret",
			kerberos: &Kerberos{
				ServicePrincipal: "nfs/a@A", Realm: "A", NetBIOSDomain: "B", DNSDomain: "c", KeytabFile: "/keytab", Krb5ConfFile: "/krb5.conf",
				MachineAccount: &MachineAccount{AccountName: "FILES$", DCAddress: "dc1"},
			},
			section: []string{"kerberos:", "  enabled: true", "  keytab_path: /keytab", "  krb5_conf: /krb5.conf", "  machine_account:", "    enabled: true"},
			seeds: []Seed{
				{"DITTOFS_KERBEROS_REALM", "A"},
				{"DITTOFS_KERBEROS_NETBIOS_DOMAIN", "B"},
				{"DITTOFS_KERBEROS_DNS_DOMAIN", "c"},
				{"DITTOFS_KERBEROS_MACHINE_ACCOUNT_ACCOUNT_NAME", "FILES$"},
				{"DITTOFS_KERBEROS_MACHINE_ACCOUNT_DC_ADDRESS", "dc1"},
			},
			body: `{"dns_domain":"c","enabled":true,"keytab_path":"/keytab","krb5_conf":"/krb5.conf","netbios_domain":"B","realm":"A","service_principal":"nfs/a@A"}`,
			once: [2]string{`{"dns_domain":"c","netbios_domain":"B","realm":"A"}`, `{"machine_account":{"account_name":"FILES$","dc_address":"dc1","online_join":false}}`},
		},
		"Join": {
			reason: "How the account is made counts at each start",
			kerberos: &Kerberos{
				ServicePrincipal: "nfs/a@A", Realm: "A", NetBIOSDomain: "B", KeytabFile: "/keytab", Krb5ConfFile: "/krb5.conf",
				MachineAccount: &MachineAccount{AccountName: "FILES$", OnlineJoin: &OnlineJoin{
					Enabled: true, LDAPURL: "ldap://dc1", StartTLS: true, BindDN: "join@a", BaseDN: "DC=a", OU: "OU=b,DC=a", DNSHostName: "files.a", SPNs: []string{"cifs/files.a"}, RotationInterval: "720h", CACertFile: "/ca.crt",
				}},
			},
			section: []string{
				"kerberos:", "  enabled: true", "  keytab_path: /keytab", "  krb5_conf: /krb5.conf", "  machine_account:", "    enabled: true", "    online_join:", "      enabled: true",
				"      ldap_url: ldap://dc1", "      start_tls: true", "      bind_dn: join@a", "      base_dn: DC=a", "      ou: OU=b,DC=a", "      dns_host_name: files.a", "      spns:", "        - cifs/files.a",
				"      rotation_interval: 720h", "      ca_cert_file: /ca.crt",
			},
			seeds: []Seed{
				{"DITTOFS_KERBEROS_REALM", "A"},
				{"DITTOFS_KERBEROS_NETBIOS_DOMAIN", "B"},
				{"DITTOFS_KERBEROS_DNS_DOMAIN", ""},
				{"DITTOFS_KERBEROS_MACHINE_ACCOUNT_ACCOUNT_NAME", "FILES$"},
				{"DITTOFS_KERBEROS_MACHINE_ACCOUNT_DC_ADDRESS", ""},
			},
			body: `{"dns_domain":"","enabled":true,"keytab_path":"/keytab","krb5_conf":"/krb5.conf","netbios_domain":"B","realm":"A","service_principal":"nfs/a@A"}`,
			once: [2]string{`{"dns_domain":"","netbios_domain":"B","realm":"A"}`, `{"machine_account":{"account_name":"FILES$","dc_address":"","online_join":true}}`},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.Identity.Kerberos = tc.kerberos

			config, err := Config(s, release("0.29.0"))
			if err != nil {
				t.Fatal(err)
			}

			without, err := Config(settings["minimal"], release("0.29.0"))
			if err != nil {
				t.Fatal(err)
			}

			want := strings.Join(append(tc.section, ""), "\n")
			if diff := cmp.Diff(want, strings.TrimPrefix(string(config), string(without))); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.seeds, s.Identity.Seeds()); diff != "" {
				t.Errorf("%s\nSeeds(): -want, +got:\n%s", tc.reason, diff)
			}

			for _, p := range []IdentityProvider{ProviderKerberos, ProviderMachineAccount} {
				if diff := cmp.Diff(tc.body, s.Identity.Body(p)); diff != "" {
					t.Errorf("%s\nBody(%s): -want, +got:\n%s", tc.reason, p, diff)
				}
			}

			if diff := cmp.Diff(tc.once, [2]string{s.Identity.Once(ProviderKerberos), s.Identity.Once(ProviderMachineAccount)}); diff != "" {
				t.Errorf("%s\nOnce(...): -want, +got:\n%s", tc.reason, diff)
			}

			if got := ProviderKerberos.IsIn(string(config)); got != (tc.kerberos != nil) {
				t.Errorf("%s\nIsIn(...): got %t", tc.reason, got)
			}
		})
	}
}

// The database has the path of the file with the authorities, or none.
func TestOnceOfLDAP(t *testing.T) {
	once := func(file string) string { return Identity{LDAP: &LDAP{CAFile: file}}.Once(ProviderLDAP) }

	if once("") == once("/ca.crt") {
		t.Error("Once(...): want another text with a file of authorities")
	}

	seeds := func(file string) []Seed { return Identity{LDAP: &LDAP{CAFile: file}}.Seeds() }
	if diff := cmp.Diff(seeds(""), seeds("/ca.crt")); diff != "" {
		t.Errorf("Seeds(): want the same, since config.yaml has the path: %s", diff)
	}
}

func TestIsIn(t *testing.T) {
	cases := map[string]struct {
		reason string
		config string
		want   bool
	}{
		"First":   {"It may be the first key", "ldap:\n  enabled: true\n", true},
		"Later":   {"It may be any key", "admin:\n  username: admin\nldap:\n  enabled: true\n", true},
		"Below":   {"Another key may have one of this name", "other:\n  ldap:\n    enabled: true\n", false},
		"Another": {"Another key may end so", "openldap:\n  enabled: true\n", false},
		"Empty":   {"What is no config.yaml has none", "", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := ProviderLDAP.IsIn(tc.config); got != tc.want {
				t.Errorf("%s\nIsIn(%q): want %t, got %t", tc.reason, tc.config, tc.want, got)
			}
		})
	}
}
