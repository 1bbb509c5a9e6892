package composite

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

func TestCheckRelease(t *testing.T) {
	const (
		apiTLS   = "api: {tls: {secretRef: {name: files-tls}}}"
		kerberos = "{realm: A, servicePrincipal: nfs/a, keytabSecretRef: {name: c}}"

		ldap = "{url: 'ldaps://a', baseDN: 'DC=a', bindDN: 'CN=b', bindPasswordSecretRef: {name: c}}"
	)

	cases := map[string]struct {
		reason  string
		spec    string
		release string
		want    []string
	}{
		"Nothing":    {"What is not used needs no release", "apiPort: 8443", "0.4.0", nil},
		"APITLS":     {"An older release would serve plain HTTP, and the probes would fail", apiTLS, "0.16.0", []string{"spec.api.tls: Forbidden: DittoFS 0.16.0 does not support it: remove it, or run 0.17.0 or newer"}},
		"APITLSFrom": {"The first release that does it", apiTLS, "0.17.0", nil},
		"Metrics": {
			"An older release would serve metrics to everybody", "metrics: {enabled: true, path: /stats, tokenSecretRef: {name: a}, tls: {secretRef: {name: b}}}", "0.6.2",
			[]string{
				"spec.metrics.path: Forbidden: DittoFS 0.6.2 does not support it: remove it, or run 0.18.0 or newer",
				"spec.metrics.tokenSecretRef: Forbidden: DittoFS 0.6.2 does not support it: remove it, or run 0.18.0 or newer",
				"spec.metrics.tls: Forbidden: DittoFS 0.6.2 does not support it: remove it, or run 0.18.0 or newer",
			},
		},
		"MetricsFrom":    {"The first release that does it", "metrics: {enabled: true, path: /stats, tokenSecretRef: {name: a}}", "0.18.0", nil},
		"MetricsOff":     {"What is not used needs no release", "metrics: {path: /stats, tokenSecretRef: {name: a}}", "0.6.2", nil},
		"MetricsDefault": {"The default that is written out is what every release does", "metrics: {enabled: true, path: /metrics}", "0.6.2", nil},
		"PostgresCA":     {"An older release would judge by other authorities", "database: {postgres: {secretRef: {name: a}, caSecretRef: {name: b}}}", "0.16.0", []string{"spec.database.postgres.caSecretRef: Forbidden: DittoFS 0.16.0 does not support it: remove it, or run 0.17.0 or newer"}},
		"PostgresCAFrom": {"The first release that does it", "database: {postgres: {secretRef: {name: a}, caSecretRef: {name: b}}}", "0.17.0", nil},
		"LDAP":           {"An older release has none, or reads its settings at each start", "identity: {ldap: " + ldap + "}", "0.20.1", []string{"spec.identity.ldap: Forbidden: DittoFS 0.20.1 does not support it: remove it, or run 0.21.0 or newer"}},
		"LDAPFrom":       {"The first release that keeps it in its database", "identity: {ldap: " + ldap + "}", "0.21.0", nil},
		"Kerberos":       {"An older release takes files of its database in the place of those that are mounted", "identity: {kerberos: " + kerberos + "}", "0.22.0", []string{"spec.identity.kerberos: Forbidden: DittoFS 0.22.0 does not support it: remove it, or run 0.22.1 or newer"}},
		"KerberosFrom":   {"The first release that takes these", "identity: {kerberos: " + kerberos + "}", "0.22.1", nil},
		"KerberosUnknown": {
			"An older release may run without, and say that it is ready", "identity: {kerberos: " + kerberos + ", ldap: " + ldap + "}", "",
			[]string{
				"spec.version: Required value: spec.identity.kerberos takes DittoFS 0.22.1 or newer, and the tag of the image names no release: name the one that it is",
				"spec.version: Required value: spec.identity.ldap takes DittoFS 0.21.0 or newer, and the tag of the image names no release: name the one that it is",
			},
		},
		"Unknown": {"An image without a version may be any", apiTLS, "", nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := decode(t, "spec: {"+tc.spec+"}", "")
			if len(errs) > 0 {
				t.Fatal(errs)
			}

			r := dittofs.Release{}
			if tc.release != "" {
				var err error
				if r, err = dittofs.ParseRelease(tc.release); err != nil {
					t.Fatal(err)
				}
			}

			var got []string
			for _, err := range s.CheckRelease(r) {
				got = append(got, err.Error())
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nCheckRelease(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
