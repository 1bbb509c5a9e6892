package dittofs

import (
	"testing"
)

// test/contract holds these checks against the server's own client, with many more values.

func TestCheckPostgresHost(t *testing.T) {
	const unfit = "must be a DNS name or an IP address, without port, scheme or path (before DittoFS 0.18 an IPv6 address has no brackets, from then on it has)"

	type want struct{ before, since, unknown string }

	all := want{unfit, unfit, unfit}

	cases := map[string]struct {
		reason string
		value  string
		want   want
	}{
		"Name":           {reason: "A name of a Service is a host.", value: "db.storage.svc"},
		"Underscore":     {reason: "Some names have underscores.", value: "my_db"},
		"IPv4":           {reason: "An address is a host.", value: "192.0.2.1"},
		"IPv6":           {reason: "In a URL its last part would be the port.", value: "2001:db8::1", want: want{since: unfit}},
		"IPv6InBrackets": {reason: "Brackets are a URL's.", value: "[2001:db8::1]", want: want{before: unfit}},
		"Several":        {reason: "The client tries one after the other.", value: "a.example.org,b.example.org"},
		"PortOfFirst":    {reason: "In a URL those before the last may have ports.", value: "a.example.org:5433,b.example.org", want: want{before: unfit}},
		"Port":           {reason: "Amazon's endpoints have a port, behind which the server writes its own.", value: "db.example.org:5432", want: all},
		"IPv6AndPort":    {reason: "So may addresses.", value: "[2001:db8::1]:5432", want: all},
		"URL":            {reason: "A URL is no host.", value: "postgres://db.example.org", want: all},
		"Quotes":         {reason: "Quotes are no part of a name.", value: `"db.example.org"`, want: all},
		"Socket":         {reason: "There is no socket in the pod.", value: "/var/run/postgresql", want: all},
		"Space":          {reason: "No host has white space.", value: "a.example.org, b.example.org", want: all},
		"Number":         {reason: "A name has a letter.", value: "12345", want: all},
		"Commas":         {reason: "Commas alone are no host.", value: ",", want: all},
		"Empty":          {reason: "A host is needed.", value: "", want: want{mustNotBeEmpty, mustNotBeEmpty, mustNotBeEmpty}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := want{
				before:  CheckPostgresHost(release("v0.17.9"))([]byte(tc.value)),
				since:   CheckPostgresHost(release("v0.18.0"))([]byte(tc.value)),
				unknown: CheckPostgresHost(Release{})([]byte(tc.value)),
			}
			if got != tc.want {
				t.Errorf("%s\nCheckPostgresHost(...)(%q): want %q, got %q", tc.reason, tc.value, tc.want, got)
			}
		})
	}
}

func TestCheckPostgresText(t *testing.T) {
	const unfit = "must have no white space, quote or backslash that is not escaped: DittoFS before 0.18 would take what follows for another setting"

	cases := map[string]struct {
		reason string
		value  string
		// want of a release before 0.18. Later ones and those that are not known take any text.
		want string
	}{
		"Word":      {reason: "Most are.", value: "example"},
		"Space":     {reason: "It would end there.", value: "example password", want: unfit},
		"InQuotes":  {reason: "Who knew that has written quotes.", value: "'example password'"},
		"Quote":     {reason: "It would not end.", value: "'example", want: unfit},
		"Within":    {reason: "Within a text a quote is a letter.", value: "d'example"},
		"Escaped":   {reason: "A backslash makes white space a letter.", value: `example\ password`},
		"Backslash": {reason: "A backslash at the end would escape what follows.", value: `example\`, want: unfit},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			value := []byte(tc.value)

			if got := CheckPostgresText(release("v0.17.9"))(value); got != tc.want {
				t.Errorf("%s\nCheckPostgresText(0.17.9)(%q): want %q, got %q", tc.reason, value, tc.want, got)
			}

			for _, r := range []Release{release("v0.18.0"), {}} {
				if got := CheckPostgresText(r)(value); got != "" {
					t.Errorf("%s\nCheckPostgresText(%q)(%q): want none, got %q", tc.reason, r, value, got)
				}

				if got := CheckPostgresText(r)(nil); got != mustNotBeEmpty {
					t.Errorf("%s\nCheckPostgresText(%q)(nil): want %q, got %q", "A text is needed", r, mustNotBeEmpty, got)
				}
			}
		})
	}
}
