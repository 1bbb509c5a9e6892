package dittofs

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The releases know these keys.
var (
	keys04 = Keys{Telemetry: true, Metrics: true, Cache: true}
	keys07 = Keys{Cache: true}
	keys09 = Keys{}
	keys17 = Keys{ControlPlaneHost: true, PostgresPool: true}
	keys18 = Keys{ControlPlaneHost: true, PostgresPool: true, Metrics: true, MetricsHost: true}
)

// patched is a patch of the newest known release.
var patched = Newest[:strings.LastIndex(Newest, ".")+1] + "99"

// release returns a release that is known to parse, or none for "".
func release(version string) Release {
	if version == "" {
		return Release{}
	}

	r, err := ParseRelease(version)
	if err != nil {
		panic(err)
	}

	return r
}

func TestParseRelease(t *testing.T) {
	type want struct {
		version      string
		image        string
		keys         Keys
		passwordHash bool
		newer        bool
	}

	// long is a pre-release that makes a version of n bytes, with its v.
	long := func(n int) string { return "0.29.0-" + strings.Repeat("x", n-len("v0.29.0-")) }

	cases := map[string]struct {
		reason  string
		version string
		want    want
	}{
		"Oldest":      {"The first release of the first band", "0.4.0", want{"0.4.0", "marmos91c/dittofs:v0.4.0", keys04, false, false}},
		"Last04":      {"The last release of the first band", "0.6.2", want{"0.6.2", "marmos91c/dittofs:v0.6.2", keys04, false, false}},
		"First07":     {"Telemetry and metrics went in 0.7.0", "0.7.0", want{"0.7.0", "marmos91c/dittofs:v0.7.0", keys07, false, false}},
		"Last07":      {"0.8.3 still has a cache", "0.8.3", want{"0.8.3", "marmos91c/dittofs:v0.8.3", keys07, false, false}},
		"First09":     {"The cache went in 0.9.0", "0.9.0", want{"0.9.0", "marmos91c/dittofs:v0.9.0", keys09, false, false}},
		"Last09":      {"Numbers are compared as numbers: 16 is above 9", "0.16.0", want{"0.16.0", "marmos91c/dittofs:v0.16.0", keys09, false, false}},
		"17":          {"The API's host came in 0.17.0", "0.17.0", want{"0.17.0", "marmos91c/dittofs:v0.17.0", keys17, false, false}},
		"First18":     {"Metrics came back in 0.18.0, with a host", "0.18.0", want{"0.18.0", "marmos91c/dittofs:v0.18.0", keys18, false, false}},
		"Last18":      {"0.19.0 ignores a password hash", "0.19.0", want{"0.19.0", "marmos91c/dittofs:v0.19.0", keys18, false, false}},
		"First20":     {"Password hashes are used from 0.20.0 on", "0.20.0", want{"0.20.0", "marmos91c/dittofs:v0.20.0", keys18, true, false}},
		"Newest":      {"The newest known release", Newest, want{Newest, "marmos91c/dittofs:v" + Newest, keys18, true, false}},
		"Newer":       {"A newer one has the keys of the newest known", "0.99.0", want{"0.99.0", "marmos91c/dittofs:v0.99.0", keys18, true, true}},
		"NewerPatch":  {"A patch changes no keys", patched, want{patched, "marmos91c/dittofs:v" + patched, keys18, true, false}},
		"NewerMajor":  {"A major release is newer too", "1.0.0", want{"1.0.0", "marmos91c/dittofs:v1.0.0", keys18, true, true}},
		"Prefix":      {"A v in front is part of the tag only", "v0.29.0", want{"0.29.0", "marmos91c/dittofs:v0.29.0", keys18, true, false}},
		"PreRelease":  {"A pre-release has the keys of its release", "0.20.0-rc.1", want{"0.20.0-rc.1", "marmos91c/dittofs:v0.20.0-rc.1", keys18, true, false}},
		"PreRelease7": {"A pre-release has the keys of its release, not of the one before", "v0.7.0-alpha", want{"0.7.0-alpha", "marmos91c/dittofs:v0.7.0-alpha", keys07, false, false}},
		"PreOldest":   {"A pre-release of the oldest release has its configuration", "0.4.0-rc.1", want{"0.4.0-rc.1", "marmos91c/dittofs:v0.4.0-rc.1", keys04, false, false}},
		"PreNewest":   {"A pre-release is older than its release", "0.29.0-rc.1", want{"0.29.0-rc.1", "marmos91c/dittofs:v0.29.0-rc.1", keys18, true, false}},
		"PreNewer":    {"A pre-release of a newer release is newer", "0.99.0-rc.1", want{"0.99.0-rc.1", "marmos91c/dittofs:v0.99.0-rc.1", keys18, true, true}},
		"InnerDash":   {"A dash within a pre-release is fine", "0.29.0-a-b", want{"0.29.0-a-b", "marmos91c/dittofs:v0.29.0-a-b", keys18, true, false}},
		"Longest":     {"A label value has at most 63 bytes", long(63), want{long(63), "marmos91c/dittofs:v" + long(63), keys18, true, false}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRelease(tc.version)
			if err != nil {
				t.Fatalf("%s\nParseRelease(%q): unexpected error: %v", tc.reason, tc.version, err)
			}

			got := want{version: r.String(), image: r.Image(), keys: r.Keys(), passwordHash: r.UsesPasswordHash(), newer: r.IsNewerThanKnown()}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\nParseRelease(%q): -want, +got:\n%s", tc.reason, tc.version, diff)
			}

			if !r.IsKnown() {
				t.Errorf("%s\nIsKnown(): a release that parsed is known", tc.reason)
			}
		})
	}
}

func TestIsBefore(t *testing.T) {
	cases := map[string]struct {
		reason  string
		version string
		want    bool
	}{
		"Before":     {"Numbers are compared as numbers", "0.9.0", true},
		"Same":       {"The release itself is not before itself", "0.17.0", false},
		"PreRelease": {"A pre-release has what its release has", "0.17.0-rc.1", false},
		"After":      {"A later one is not before it", "0.29.0", false},
		"Unknown":    {"One that is not known may be any", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := release(tc.version).IsBefore("v0.17.0"); got != tc.want {
				t.Errorf("%s\nIsBefore(v0.17.0): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}

func TestParseReleaseErrors(t *testing.T) {
	const tooOld = "must be 0.4.0 or newer"

	noRelease := "must be a DittoFS release such as " + Newest

	cases := map[string]struct {
		reason  string
		version string
		want    string
	}{
		"TooOld":       {"Releases before 0.4.0 have another configuration", "0.3.9", tooOld},
		"TooOldPrefix": {"A v in front changes nothing", "v0.3.9", tooOld},
		"TooOldPre":    {"A pre-release of a release that is too old is too old", "0.3.9-rc.1", tooOld},
		"Zero":         {"The lowest version is too old", "0.0.0", tooOld},
		"Empty":        {"No version is no release", "", noRelease},
		"V":            {"A v alone is no release", "v", noRelease},
		"VV":           {"Only one v may stand in front", "vv0.29.0", noRelease},
		"UpperV":       {"Tags have a small v", "V0.29.0", noRelease},
		"Latest":       {"A tag that moves is no release", "latest", noRelease},
		"Minor":        {"A version has three numbers: image tags have", "0.29", noRelease},
		"Major":        {"A version has three numbers", "1", noRelease},
		"Four":         {"A version has three numbers", "0.29.0.1", noRelease},
		"LeadingZero":  {"Semantic versions have no leading zeros", "0.029.0", noRelease},
		"Metadata":     {"A + can be in no image tag", "0.29.0+build", noRelease},
		"PreMetadata":  {"A + can be in no image tag", "0.29.0-rc.1+build", noRelease},
		"EmptyPre":     {"A pre-release says which", "0.29.0-", noRelease},
		"EmptyPart":    {"A pre-release has no empty parts", "0.29.0-rc.", noRelease},
		"TrailingDash": {"A label value ends with a letter or a digit", "0.29.0-rc-", noRelease},
		"Space":        {"Whitespace is in no version", " 0.29.0", noRelease},
		"Newline":      {"Whitespace is in no version", "0.29.0\n", noRelease},
		"Digest":       {"A digest is no release", "0.29.0@sha256:00", noRelease},
		"Negative":     {"Numbers have no sign", "0.-29.0", noRelease},
		"64":           {"A label value has at most 63 bytes", "0.29.0-" + strings.Repeat("x", 64-len("v0.29.0-")), noRelease},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRelease(tc.version)
			if err == nil {
				t.Fatalf("%s\nParseRelease(%q): no error", tc.reason, tc.version)
			}

			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("%s\nParseRelease(%q): -want, +got:\n%s", tc.reason, tc.version, diff)
			}

			if r.IsKnown() {
				t.Errorf("%s\nParseRelease(%q): a release next to an error: %s", tc.reason, tc.version, r)
			}
		})
	}
}

func TestUnknownRelease(t *testing.T) {
	r := Release{}

	if r.IsKnown() || r.IsNewerThanKnown() || r.String() != "" {
		t.Errorf("%s\ngot known %t, newer %t, %q", "No release is neither known nor new", r.IsKnown(), r.IsNewerThanKnown(), r)
	}

	if !r.UsesPasswordHash() {
		t.Errorf("%s", "Without a version a release that uses password hashes is expected")
	}

	want := Keys{Telemetry: true, Metrics: true, MetricsHost: true, ControlPlaneHost: true, Cache: true, PostgresPool: true}
	if diff := cmp.Diff(want, r.Keys()); diff != "" {
		t.Errorf("%s\nKeys(): -want, +got:\n%s", "Without a version every key of every release is written", diff)
	}
}

func TestIsOlderThan(t *testing.T) {
	cases := map[string]struct {
		reason string
		r, o   string
		want   bool
	}{
		"Older":        {"A lower version is older", "0.28.0", "0.29.0", true},
		"OlderMinor":   {"Numbers are compared as numbers", "0.9.0", "0.10.0", true},
		"OlderPatch":   {"A patch counts", "0.29.0", "0.29.1", true},
		"Same":         {"A release is not older than itself", "0.29.0", "v0.29.0", false},
		"Newer":        {"A higher version is not older", "0.29.0", "0.28.0", false},
		"PreRelease":   {"A suffix is a build, as people write rebuilds in tags", "0.29.0-corp.1", "0.29.0", false},
		"Rebuild":      {"A rebuild is not older than another one", "0.29.0-ls99", "0.29.0-ls101", false},
		"Release":      {"A release is not older than its pre-release", "0.29.0", "0.29.0-rc.1", false},
		"Unknown":      {"What is not known is not older", "", "0.29.0", false},
		"UnknownOther": {"Nothing is older than what is not known", "0.4.0", "", false},
		"BothUnknown":  {"Nothing can be said of two unknown releases", "", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := release(tc.r).IsOlderThan(release(tc.o)); got != tc.want {
				t.Errorf("%s\nIsOlderThan(%q, %q): want %t, got %t", tc.reason, tc.r, tc.o, tc.want, got)
			}
		})
	}
}

func TestIsNewerMinorThan(t *testing.T) {
	cases := map[string]struct {
		reason string
		r, o   string
		want   bool
	}{
		"Minor":        {"A higher minor is newer", "0.30.0", "0.29.2", true},
		"MinorNumber":  {"Numbers are compared as numbers", "0.10.0", "0.9.0", true},
		"Major":        {"A higher major is newer, whatever its minor", "1.0.0", "0.29.2", true},
		"Patch":        {"A patch is of the same minor", "0.29.2", "0.29.0", false},
		"PreRelease":   {"So is a pre-release", "0.30.0", "0.30.0-rc.1", false},
		"PreOfNext":    {"A pre-release of the next minor is of that", "0.30.0-rc.1", "0.29.2", true},
		"Older":        {"A lower one is not newer", "0.28.9", "0.29.0", false},
		"UnknownOther": {"A release is newer than what nobody knows", "0.4.0", "", true},
		"Unknown":      {"What is not known is newer than nothing", "", "0.4.0", false},
		"BothUnknown":  {"Nothing can be said of two unknown releases", "", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := release(tc.r).IsNewerMinorThan(release(tc.o)); got != tc.want {
				t.Errorf("%s\nIsNewerMinorThan(%q, %q): want %t, got %t", tc.reason, tc.r, tc.o, tc.want, got)
			}
		})
	}
}

func TestBands(t *testing.T) {
	for i, b := range bands {
		r, err := ParseRelease(b.since)
		if err != nil {
			t.Fatalf("%s\nParseRelease(%q): %v", "Every band begins with a release", b.since, err)
		}

		if i > 0 && !release(bands[i-1].since).IsOlderThan(r) {
			t.Errorf("%s\n%s follows %s", "Bands are sorted, oldest first", b.since, bands[i-1].since)
		}
	}

	if bands[0].since != OldestVersion {
		t.Errorf("%s\nwant %s, got %s", "The first band begins with the oldest release", OldestVersion, bands[0].since)
	}
}

// The newest release is the one that test/contract holds this package against.
func TestNewestIsTested(t *testing.T) {
	b, err := os.ReadFile("../../test/contract/go.mod")
	if err != nil {
		t.Fatal(err)
	}

	if want := "github.com/marmos91/dittofs " + NewestVersion + "\n"; !strings.Contains(string(b), want) {
		t.Errorf("test/contract/go.mod does not require %s", want)
	}

	page, err := os.ReadFile("../../docs/upgrade-dittofs.md")
	if err != nil {
		t.Fatal(err)
	}

	if want := "| above " + NewestMinor() + " |"; !strings.Contains(string(page), want) {
		t.Errorf("docs/upgrade-dittofs.md has no row %q, which tells of releases that are not known", want)
	}
}
