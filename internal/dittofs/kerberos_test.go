package dittofs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"

	"github.com/dittofs/function-dittoserver/test/krb5"
)

const (
	nfsPrincipal = "nfs/files.example.org@EXAMPLE.ORG"
	smbPrincipal = "cifs/files.example.org@EXAMPLE.ORG"
)

func TestCheckKeytab(t *testing.T) {
	good := krb5.Keytab(smbPrincipal, nfsPrincipal)

	const (
		notKeytab = "must be a keytab, as kadmin and ktpass write it, in base64 as every value of a Secret"
		noKey     = "has no key that the server can use of nfs/files.example.org@EXAMPLE.ORG, which spec.identity.kerberos.servicePrincipal names"
	)

	cases := map[string]struct {
		reason string
		value  []byte
		want   string
	}{
		"Good":       {"A keytab may have keys of other services", good, ""},
		"Other":      {"The server would refuse every ticket", krb5.Keytab(smbPrincipal), noKey},
		"OtherRealm": {"A principal has a realm", krb5.Keytab("nfs/files.example.org@OTHER.ORG"), noKey},
		"OtherCase":  {"Names are compared as they are written", krb5.Keytab("nfs/FILES.example.org@EXAMPLE.ORG"), noKey},
		"OldKey":     {"The server cannot decrypt DES", krb5.With(krb5.Key{Principal: nfsPrincipal, Type: etypeID.DES_CBC_MD5, Length: 8}), noKey},
		"ShortKey":   {"A script cut it", krb5.With(krb5.Key{Principal: nfsPrincipal, Type: etypeID.AES256_CTS_HMAC_SHA1_96, Length: 31}), noKey},
		"OneOfThem": {
			"A client takes the type that both know",
			krb5.With(krb5.Key{Principal: nfsPrincipal, Type: etypeID.DES_CBC_MD5, Length: 8}, krb5.Key{Principal: nfsPrincipal, Type: etypeID.AES256_CTS_HMAC_SHA384_192, Length: 32}), "",
		},
		"NoKeys": {"The server would refuse every ticket", krb5.Keytab(), notKeytab},
		"Empty":  {"The server would run NFS without Kerberos", nil, notKeytab},
		"Text":   {"It would, too", []byte("BQIAAABYAAIAC0VYQU1QTEUuT1JHAANuZnMAEWZpbGVz"), notKeytab},
		"Cut":    {"A part of a keytab is none", good[:len(good)-10], notKeytab},
		"Large":  {"Each call parses it", append(slices.Clone(good), make([]byte, maxKeytabSize)...), tooLarge(maxKeytabSize)},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckKeytab(nfsPrincipal)(tc.value); got != tc.want {
				t.Errorf("%s\nCheckKeytab(...): want %q, got %q", tc.reason, tc.want, got)
			}
		})
	}
}

// A keytab of another service can be read: clients are refused, and nobody is let in.
func TestCanReadKeytab(t *testing.T) {
	good := krb5.Keytab(smbPrincipal)

	cases := map[string]struct {
		reason string
		value  []byte
		want   bool
	}{
		"Good":  {"Whose keys it has does not matter", good, true},
		"Empty": {"The server would run NFS without Kerberos", nil, false},
		"Text":  {"It would, too", []byte("example"), false},
		"Cut":   {"A part of a keytab is none", good[:len(good)-10], false},
		"Large": {"Nobody knows whether it is one", append(slices.Clone(good), make([]byte, maxKeytabSize)...), false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CanReadKeytab(tc.value); got != tc.want {
				t.Errorf("%s\nCanReadKeytab(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestSMBKeytabWarning(t *testing.T) {
	cases := map[string]struct {
		reason    string
		principal string
		value     []byte
		want      string
	}{
		"Both":   {"SMB has its own principal", nfsPrincipal, krb5.Keytab(nfsPrincipal, smbPrincipal), ""},
		"NFS":    {"SMB clients ask a ticket that the server cannot read", nfsPrincipal, krb5.Keytab(nfsPrincipal), "has no key that the server can use of cifs/files.example.org@EXAMPLE.ORG, so that SMB takes no tickets"},
		"Broken": {"What is no keytab has no keys", nfsPrincipal, []byte("a"), "has no key that the server can use of cifs/files.example.org@EXAMPLE.ORG, so that SMB takes no tickets"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := SMBKeytabWarning(tc.principal, tc.value); got != tc.want {
				t.Errorf("%s\nSMBKeytabWarning(...): want %q, got %q", tc.reason, tc.want, got)
			}
		})
	}
}

func TestCheckKrb5Conf(t *testing.T) {
	const (
		notKrb5Conf = "must be a krb5.conf that the server can read, with nothing in [libdefaults], [realms] and [domain_realm] but names, '=' and values"
		includes    = "must not include other files or load modules: the server reads none"
	)

	cases := map[string]struct {
		reason string
		text   string
		want   string
	}{
		"Default":    {"What the function writes is good", DefaultKrb5Conf("EXAMPLE.ORG"), ""},
		"Usual":      {"So is what distributions have", "# a\n[libdefaults]\n default_realm = A\n dns_lookup_kdc = true\n[realms]\n A = {\n  kdc = a\n }\n[domain_realm]\n .a = A\n[logging]\n default = SYSLOG\n", ""},
		"NoSection":  {"The server would take nothing from it", "default_realm = A\n", notKrb5Conf},
		"Line":       {"The server could not read it", "[libdefaults]\n a\n", notKrb5Conf},
		"Include":    {"The server would read a file of its image", "include\t/etc/a\n[libdefaults]\n", includes},
		"IncludeDir": {"It would, too", "[libdefaults]\n  includedir /etc/krb5.conf.d/\n", includes},
		"Module":     {"The server cannot load it", "module a:b\n[libdefaults]\n", includes},
		"Lines":      {"Each call parses it", "[libdefaults]" + strings.Repeat("\n", maxKrb5ConfLines), "must have at most 256 lines"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckKrb5Conf(tc.text); got != tc.want {
				t.Errorf("%s\nCheckKrb5Conf(%q): want %q, got %q", tc.reason, tc.text, tc.want, got)
			}
		})
	}
}

// FuzzKeytab looks for a keytab that ends the function, or that has the server's key in one place and
// not in another.
func FuzzKeytab(f *testing.F) {
	f.Add(krb5.Keytab(nfsPrincipal))
	f.Add([]byte{5, 2, 0x80, 0, 0, 0})

	f.Fuzz(func(t *testing.T, value []byte) {
		was := bytes.Clone(value)

		problem := CheckKeytab(nfsPrincipal)(value)
		_ = SMBKeytabWarning(nfsPrincipal, value)

		if !bytes.Equal(was, value) {
			t.Error("the value changed")
		}

		if again := CheckKeytab(nfsPrincipal)(value); again != problem {
			t.Errorf("%q, and then %q", problem, again)
		}
	})
}

// FuzzKrb5Conf looks for a krb5.conf that ends the function.
func FuzzKrb5Conf(f *testing.F) {
	f.Add(DefaultKrb5Conf("A"))
	f.Add("[libdefaults]\n[realms]\n A = {\n  kdc = a\n }\n[domain_realm]\n .a = A\n")

	f.Fuzz(func(_ *testing.T, text string) { _ = CheckKrb5Conf(text) })
}
