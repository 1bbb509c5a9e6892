package secret

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/test/pki"
)

const (
	specTLS    = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"api":{"tls":{"secretRef":{"name":"files-tls"}}}}`
	specMutual = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"api":{"tls":{"secretRef":{"name":"files-tls"},"clientCASecretRef":{"name":"clients"}}}}`
)

func TestResolveTLS(t *testing.T) {
	ca := pki.Authority(t)
	served, other := ca.Issue(t), ca.Issue(t)

	pair := func(certificate, key []byte) map[string]string {
		return map[string]string{"tls.crt": string(certificate), "tls.key": string(key)}
	}
	good := pair(served.Certificate, served.Key)

	cases := map[string]struct {
		reason      string
		spec        string
		tls, client map[string]string

		// want has what problems begin with, after the Secret.
		want []string

		// digested are the roles that the digest covers.
		digested []composite.Role
	}{
		"Pair": {
			reason: "The server reads a certificate again by itself: the digest covers neither it nor its key", spec: specTLS, tls: good,
			digested: []composite.Role{composite.RoleJWT},
		},
		"Mutual": {
			reason: "It reads authorities when it starts", spec: specMutual, tls: good, client: map[string]string{"ca.crt": string(ca.Certificate)},
			digested: []composite.Role{composite.RoleAPICA, composite.RoleJWT},
		},
		"NoSecret":   {reason: "A Secret that is not there is told with its keys", spec: specTLS, want: []string{"files-tls does not exist: create it with the keys tls.crt, tls.key"}},
		"NoKey":      {reason: "A certificate alone does not do", spec: specTLS, tls: without(good, "tls.key"), want: []string{"files-tls, key tls.key: is missing"}},
		"NoCert":     {reason: "Nor does a key alone, which is judged by itself then", spec: specTLS, tls: without(good, "tls.crt"), want: []string{"files-tls, key tls.crt: is missing"}},
		"NotFitting": {reason: "The server would not start with another certificate's key", spec: specTLS, tls: pair(served.Certificate, other.Key), want: []string{"files-tls, key tls.key: is not the private key of the certificate"}},
		"Both":       {reason: "What is wrong with both is told at once", spec: specTLS, tls: pair([]byte("a"), []byte("b")), want: []string{"files-tls, key tls.crt: must be", "files-tls, key tls.key: must be"}},
		"Swapped":    {reason: "Each has its own key of the Secret", spec: specTLS, tls: pair(served.Key, served.Certificate), want: []string{"files-tls, key tls.crt: must be", "files-tls, key tls.key: must be"}},
		"NoCA":       {reason: "Authorities are in a key of their own", spec: specMutual, tls: good, client: map[string]string{"tls.crt": string(ca.Certificate)}, want: []string{"clients, key ca.crt: is missing"}},
		"CAIsKey":    {reason: "A key is no authority", spec: specMutual, tls: good, client: map[string]string{"ca.crt": string(ca.Key)}, want: []string{"clients, key ca.crt: has a private key"}},
		"CAIsText":   {reason: "Text is no authority", spec: specMutual, tls: good, client: map[string]string{"ca.crt": "example"}, want: []string{"clients, key ca.crt: must have a certificate"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			required := fetched(jwtData, nil, nil)
			for name, data := range map[string]map[string]string{"files-tls": tc.tls, "clients": tc.client} {
				required["secret/"+name] = items()
				if data != nil {
					required["secret/"+name] = items(object("storage", name, data))
				}
			}

			got := resolved(t, decode(t, tc.spec), required, false)

			if !slices.EqualFunc(got.Problems, tc.want, func(p, want string) bool { return strings.HasPrefix(p, "Secret storage/"+want) }) {
				t.Errorf("%s\nResolve(...): want %q, got %q", tc.reason, tc.want, got.Problems)
			}

			var digested []composite.Role
			for _, v := range got.Values {
				digested = append(digested, v.Role)
			}

			if diff := cmp.Diff(tc.digested, digested); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A certificate that expires is a warning, and holds nothing back.
func TestResolveExpiry(t *testing.T) {
	const day = 24 * time.Hour

	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	cases := map[string]struct {
		reason   string
		lifetime time.Duration
		after    time.Duration
		// of the authority of clients, instead of the certificate.
		authority bool
		want      string
	}{
		"New":           {"Nothing is to be done", 90 * day, 0, false, ""},
		"Fifteen":       {"Nobody needs to know more than two weeks before", 90 * day, 75 * day, false, ""},
		"Fourteen":      {"cert-manager renews after two thirds of the lifetime: it should have by now", 90 * day, 76*day + time.Second, false, "key tls.crt: expires soon, and was not renewed: check what renews it"},
		"LaterThatWeek": {"The text does not change from day to day", 90 * day, 89 * day, false, "key tls.crt: expires soon, and was not renewed: check what renews it"},
		"Expired":       {"Clients refuse it", 90 * day, 90 * day, false, "key tls.crt: has expired, so clients that check it refuse it: renew it"},
		"LongExpired":   {"A year later it is the same", 90 * day, 455 * day, false, "key tls.crt: has expired, so clients that check it refuse it: renew it"},
		"ShortTwoThird": {"One that lives for a day is renewed in the last third", day, 16 * time.Hour, false, ""},
		"Short":         {"After that it is late", day, 16*time.Hour + time.Second, false, "key tls.crt: expires soon, and was not renewed: check what renews it"},
		"Future":        {"Nobody takes it yet", 90 * day, -time.Second, false, "key tls.crt: is not valid yet, so clients that check it refuse it: check the clock of the issuer, or use a valid one"},
		"Authority":     {"Without an authority no client gets in", 90 * day, 90 * day, true, "key ca.crt: has expired, so clients that check it refuse it: renew it"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			signing := func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }
			expiring := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = begin, begin.Add(tc.lifetime) }
			lasting := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = begin.Add(-day), begin.Add(1e5*time.Hour) }

			served, clients := pki.Authority(t).Issue(t, expiring), pki.Authority(t).Issue(t, lasting, signing)
			secret := "files-tls"

			if tc.authority {
				served, clients, secret = pki.Authority(t).Issue(t, lasting), pki.Authority(t).Issue(t, expiring, signing), "clients"
			}

			required := fetched(jwtData, nil, nil)
			required["secret/files-tls"] = items(object("storage", "files-tls", map[string]string{"tls.crt": string(served.Certificate), "tls.key": string(served.Key)}))
			required["secret/clients"] = items(object("storage", "clients", map[string]string{"ca.crt": string(clients.Certificate)}))

			got, err := Resolve(decode(t, specMutual), required, false, begin.Add(tc.after))
			if err != nil || got.State != There {
				t.Fatalf("%s\nResolve(...): want %v, got %v with %q, %v", tc.reason, There, got.State, got.Problems, err)
			}

			var want []string
			if tc.want != "" {
				want = []string{"Secret storage/" + secret + ", " + tc.want}
			}

			if diff := cmp.Diff(want, got.Warnings); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Of a bundle, old authorities expire while others are in use.
func TestResolveExpiredAmongOthers(t *testing.T) {
	old := pki.Authority(t).Issue(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1, 0) })
	served := pki.Authority(t).Issue(t)

	required := map[string]*fnv1.Resources{
		"secret/files-jwt": items(object("storage", "files-jwt", jwtData)),
		"secret/files-tls": items(object("storage", "files-tls", map[string]string{"tls.crt": string(served.Certificate), "tls.key": string(served.Key)})),
		"secret/clients":   items(object("storage", "clients", map[string]string{"ca.crt": string(slices.Concat(old.Certificate, pki.Authority(t).Certificate))})),
	}

	if got, err := Resolve(decode(t, specMutual), required, false, time.Now()); err != nil || len(got.Warnings) > 0 {
		t.Errorf("Resolve(...): want no warnings, got %q, %v", got.Warnings, err)
	}
}

// An authority that signs nobody gets a warning.
func TestResolveLeafAsAuthority(t *testing.T) {
	served := pki.Authority(t).Issue(t)

	required := map[string]*fnv1.Resources{
		"secret/files-jwt": items(object("storage", "files-jwt", jwtData)),
		"secret/files-tls": items(object("storage", "files-tls", map[string]string{"tls.crt": string(served.Certificate), "tls.key": string(served.Key)})),
		"secret/clients":   items(object("storage", "clients", map[string]string{"ca.crt": string(served.Certificate)})),
	}

	got, err := Resolve(decode(t, specMutual), required, false, time.Now())
	if err != nil || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "Secret storage/clients, key ca.crt: is not the certificate of an authority") {
		t.Errorf("Resolve(...): want a warning of the authority, got %q, %v", got.Warnings, err)
	}
}
