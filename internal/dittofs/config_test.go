package dittofs

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

// settings of the golden files, by variant.
var settings = map[string]Settings{
	"minimal": {
		Logging:              Logging{Level: "INFO", Format: "json", Output: "stdout"},
		ShutdownTimeout:      "30s",
		SQLitePath:           "/data/controlplane/controlplane.db",
		APIPort:              8080,
		AccessTokenDuration:  "15m",
		RefreshTokenDuration: "168h",
		CachePath:            "/data/cache",
		CacheSize:            "1GB",
		AdminUsername:        "admin",
	},
	"full": {
		Logging:              Logging{Level: "DEBUG", Format: "text", Output: "/data/controlplane/dittofs.log"},
		Telemetry:            Telemetry{Enabled: true, Endpoint: "otel.example.org:4317", Insecure: true, SampleRate: new(float64(0))},
		ShutdownTimeout:      "1m30s",
		SQLitePath:           "/data/controlplane/unused.db",
		Postgres:             &Postgres{},
		MetricsPort:          9191,
		APIPort:              8443,
		AccessTokenDuration:  "5m",
		RefreshTokenDuration: "24h",
		CachePath:            "/cache",
		CacheSize:            "1.5Gi",
		AdminUsername:        "on", // A boolean to careless YAML.
	},
	"secure": {
		Logging:              Logging{Level: "INFO", Format: "json", Output: "stdout"},
		ShutdownTimeout:      "30s",
		SQLitePath:           "/data/controlplane/controlplane.db",
		APIPort:              8080,
		APITLS:               &TLS{CertFile: "/tls/tls.crt", KeyFile: "/tls/tls.key", ClientCA: "/ca/ca.crt", MinVersion: "1.3"},
		Postgres:             &Postgres{CAFile: "/postgres/ca.crt"},
		MetricsPort:          9090,
		MetricsPath:          "/stats",
		MetricsTokenFile:     "/token/token",
		MetricsTLS:           &TLS{CertFile: "/tls/tls.crt", KeyFile: "/tls/tls.key", ClientCA: "/ca/ca.crt", MinVersion: "1.3"},
		AccessTokenDuration:  "15m",
		RefreshTokenDuration: "168h",
		CachePath:            "/data/cache",
		CacheSize:            "1GB",
		AdminUsername:        "admin",
	},
}

// golden returns the golden file of a band and a variant.
func golden(band, variant string) string {
	return filepath.Join("testdata", "config", band+"-"+variant+".yaml")
}

func TestConfigGolden(t *testing.T) {
	cases := map[string]struct {
		reason string
		// versions of the band that the golden file is named after.
		versions []string
	}{
		"unversioned": {"Every key of every release, so that each starts and is reachable", []string{""}},
		"v0.4.0":      {"Telemetry, metrics without a host, and a cache", []string{"0.4.0", "0.4.2", "0.5.0", "0.6.2", "v0.6.2"}},
		"v0.7.0":      {"A cache, but neither telemetry nor metrics", []string{"0.7.0", "0.8.3", "0.7.0-rc.1"}},
		"v0.9.0":      {"None of the optional keys", []string{"0.9.0", "0.16.0"}},
		"v0.17.0":     {"The API's host", []string{"0.17.0"}},
		"v0.18.0":     {"The hosts of API and metrics", []string{"0.18.0", "0.19.0"}},
		"v0.20.0":     {"The same keys as before", []string{"0.20.0", "0.29.0", "0.30.0", "1.0.0"}},
	}

	var files []string

	for band, tc := range cases {
		for variant, s := range settings {
			// Earlier releases cannot be asked for it.
			if variant == "secure" && release(tc.versions[0]).IsBefore("v0.18.0") {
				continue
			}

			file := golden(band, variant)
			files = append(files, file)

			t.Run(band+"-"+variant, func(t *testing.T) {
				for _, version := range tc.versions {
					got, err := Config(s, release(version))
					if err != nil {
						t.Fatal(err)
					}

					if *update && version == tc.versions[0] {
						if err := os.WriteFile(file, got, 0o644); err != nil {
							t.Fatal(err)
						}
					}

					want, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}

					if diff := cmp.Diff(string(want), string(got)); diff != "" {
						t.Errorf("%s\nConfig(%s, %q): -want, +got:\n%s", tc.reason, variant, version, diff)
					}
				}
			})
		}
	}

	// Every band of the table needs golden files.
	for _, b := range bands {
		if _, ok := cases[b.since]; !ok {
			t.Errorf("the releases since %s have no golden files", b.since)
		}
	}

	there, err := filepath.Glob(golden("*", "*"))
	if err != nil {
		t.Fatal(err)
	}

	slices.Sort(files)

	if diff := cmp.Diff(files, there); diff != "" {
		t.Errorf("golden files: -want, +got:\n%s", diff)
	}
}

func TestConfigTelemetry(t *testing.T) {
	cases := map[string]struct {
		reason    string
		telemetry Telemetry
		want      string
	}{
		"Off":        {"Without traces nothing else is said", Telemetry{Endpoint: "otel.example.org:4317", Insecure: true, SampleRate: new(0.5)}, "telemetry:\n  enabled: false\n"},
		"On":         {"What is left out is the server's default", Telemetry{Enabled: true}, "telemetry:\n  enabled: true\n"},
		"SampleZero": {"A sample rate of 0 is a value", Telemetry{Enabled: true, SampleRate: new(float64(0))}, "telemetry:\n  enabled: true\n  sample_rate: 0\n"},
		"Sample":     {"A sample rate is written as it is", Telemetry{Enabled: true, SampleRate: new(0.125)}, "telemetry:\n  enabled: true\n  sample_rate: 0.125\n"},
		"Secure":     {"An endpoint has TLS unless told otherwise", Telemetry{Enabled: true, Endpoint: "otel.example.org:4317"}, "telemetry:\n  enabled: true\n  endpoint: otel.example.org:4317\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.Telemetry = tc.telemetry

			if diff := cmp.Diff(tc.want, section(t, s, release("0.4.2"), "telemetry")); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigMetrics(t *testing.T) {
	cases := map[string]struct {
		reason  string
		port    int32
		version string
		want    string
	}{
		"Off":         {"Metrics that are off have neither host nor port", 0, "0.29.0", "metrics:\n  enabled: false\n"},
		"On":          {"Metrics listen on all interfaces", 9090, "0.29.0", "metrics:\n  enabled: true\n  host: 0.0.0.0\n  port: 9090\n"},
		"NoHost":      {"The oldest releases know no host of metrics", 9090, "0.6.2", "metrics:\n  enabled: true\n  port: 9090\n"},
		"NoMetrics":   {"Releases without metrics do not hear of them", 9090, "0.16.0", ""},
		"Unversioned": {"Without a version the host is written, for those that need it", 9090, "", "metrics:\n  enabled: true\n  host: 0.0.0.0\n  port: 9090\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.MetricsPort = tc.port

			if diff := cmp.Diff(tc.want, section(t, s, release(tc.version), "metrics")); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigPostgres(t *testing.T) {
	cases := map[string]struct {
		reason   string
		postgres Postgres
		version  string
		want     string
	}{
		"Environment": {
			"What the environment says is a placeholder, which older releases need to hear of it",
			Postgres{},
			"0.29.0",
			"    host: placeholder\n    port: 5432\n    database: placeholder\n    user: placeholder\n    password: placeholder\n    sslmode: disable\n",
		},
		"Clear": {
			"What the spec says is written as a text or a number",
			Postgres{Host: "1e3", Port: 6543, Database: "null", SSLMode: "verify-full", MaxOpenConns: 50, MaxIdleConns: 10},
			"0.29.0",
			"    host: \"1e3\"\n    port: 6543\n    database: \"null\"\n    user: placeholder\n    password: placeholder\n    sslmode: verify-full\n    max_open_conns: 50\n    max_idle_conns: 10\n",
		},
		"NoPool": {
			"A release without bounds of its connections does not hear of them",
			Postgres{Host: "db", MaxOpenConns: 50, MaxIdleConns: 10},
			"0.16.0",
			"    host: db\n    port: 5432\n    database: placeholder\n    user: placeholder\n    password: placeholder\n    sslmode: disable\n",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.Postgres = &tc.postgres

			if diff := cmp.Diff("database:\n  type: postgres\n  postgres:\n"+tc.want, section(t, s, release(tc.version), "database")); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDatabaseOf(t *testing.T) {
	lite, pg, open := settings["minimal"], settings["full"], settings["full"]
	open.Postgres = &Postgres{Host: "db", Port: 6543, Database: "files"}

	cases := map[string]struct {
		reason   string
		settings Settings
		want     Database
	}{
		"SQLite":   {"An SQLite database is a file", lite, Database{Type: "sqlite", Path: "/data/controlplane/controlplane.db"}},
		"Postgres": {"What the environment says is not known", pg, Database{Type: "postgres", Host: "placeholder", Port: 5432, Name: "placeholder"}},
		"Clear":    {"What the spec says is", open, Database{Type: "postgres", Host: "db", Port: 6543, Name: "files"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := Config(tc.settings, Release{})
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, DatabaseOf(string(text))); diff != "" {
				t.Errorf("%s\nDatabaseOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	if diff := cmp.Diff(Database{}, DatabaseOf("- a: [")); diff != "" {
		t.Errorf("What is no config.yaml names no database\nDatabaseOf(...): -want, +got:\n%s", diff)
	}
}

// TestConfigExtra adds keys behind those that are there, in a fixed order and in quotes.
func TestConfigExtra(t *testing.T) {
	s := settings["minimal"]

	plain, err := Config(s, release(Newest))
	if err != nil {
		t.Fatal(err)
	}

	s.Extra = map[string]any{
		"logging": map[string]any{"rotation": map[string]any{"max_size": float64(10), "compress": true}},
		"z":       []any{"yes", "0x1f", "1e3", "~", "a\nb", "&a *a", "${HOME} $(HOME)", "", []any{}, map[string]any{}},
		"a":       map[string]any{"null": float64(1 << 52), "yes": -0.5, "1": 1e-7, "b": false},
	}

	got, err := Config(s, release(Newest))
	if err != nil {
		t.Fatal(err)
	}

	want := strings.Replace(string(plain), "  output: stdout\n", `  output: stdout
  rotation:
    compress: true
    max_size: 10
`, 1) + `a:
  "1": 1e-07
  b: false
  "null": 4503599627370496
  yes: -0.5
z:
  - "yes"
  - "0x1f"
  - "1e3"
  - "~"
  - "a\nb"
  - "&a *a"
  - "${HOME} $(HOME)"
  - ""
  - []
  - {}
`

	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("Config(...): -want, +got:\n%s", diff)
	}

	s.Extra = map[string]any{"logging": map[string]any{"level": "DEBUG"}}
	if got, err := Config(s, release(Newest)); err == nil {
		t.Errorf("Config(...): want an error for a key that is there, got:\n%s", got)
	}
}

// section returns one top-level key of config.yaml as it is written.
func section(t *testing.T, s Settings, r Release, key string) string {
	t.Helper()

	config, err := Config(s, r)
	if err != nil {
		t.Fatal(err)
	}

	_, rest, ok := strings.Cut("\n"+string(config), "\n"+key+":\n")
	if !ok {
		return ""
	}

	out := &strings.Builder{}
	out.WriteString(key + ":\n")

	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, " ") {
			break
		}

		out.WriteString(line)
	}

	return out.String()
}

// TestConfigKeys holds every release against the order of the keys and the table
// of releases.
func TestConfigKeys(t *testing.T) {
	order := []string{"logging", "telemetry", "shutdown_timeout", "database", "metrics", "controlplane", "cache", "admin"}

	versions := []string{""}
	for _, b := range bands {
		versions = append(versions, b.since)
	}

	for _, version := range versions {
		for variant, s := range settings {
			r := release(version)

			config, err := Config(s, r)
			if err != nil {
				t.Fatal(err)
			}

			want := slices.DeleteFunc(slices.Clone(order), func(key string) bool {
				return key == "telemetry" && !r.Keys().Telemetry || key == "metrics" && !r.Keys().Metrics || key == "cache" && !r.Keys().Cache
			})

			doc := yaml.Node{}
			if err := yaml.Unmarshal(config, &doc); err != nil {
				t.Fatal(err)
			}

			var got []string
			for i := 0; i < len(doc.Content[0].Content); i += 2 {
				got = append(got, doc.Content[0].Content[i].Value)
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nConfig(%s, %q): -want, +got:\n%s", "config.yaml has exactly the keys that a release knows, in one order", variant, version, diff)
			}
		}
	}
}

// Each of them alone is written, and nothing besides.
func TestConfigMetricsAccess(t *testing.T) {
	const on = "metrics:\n  enabled: true\n  host: 0.0.0.0\n  port: 9090\n"

	cases := map[string]struct {
		reason string
		change func(s *Settings)
		want   string
	}{
		"Path":  {"Another path is told", func(s *Settings) { s.MetricsPath = "/stats" }, on + "  path: /stats\n"},
		"Token": {"A token is asked for only if the server is told to", func(s *Settings) { s.MetricsTokenFile = "/token" }, on + "  auth: token\n  token_file: /token\n"},
		"TLS":   {"A certificate comes with its key", func(s *Settings) { s.MetricsTLS = &TLS{CertFile: "/a", KeyFile: "/b"} }, on + "  tls:\n    cert_file: /a\n    key_file: /b\n"},
		"Off":   {"Metrics that are not served need nothing", func(s *Settings) { s.MetricsPort, s.MetricsPath, s.MetricsTokenFile = 0, "/stats", "/token" }, "metrics:\n  enabled: false\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.MetricsPort = 9090
			tc.change(&s)

			if diff := cmp.Diff(tc.want, section(t, s, release("0.29.0"), "metrics")); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// What nobody asks for is not written: a byte more would restart every server.
func TestConfigTLS(t *testing.T) {
	const jwt = "  jwt:\n    access_token_duration: 15m\n    refresh_token_duration: 168h\n"

	cases := map[string]struct {
		reason string
		tls    *TLS
		want   string
	}{
		"Off":    {"The API is plain HTTP unless told otherwise", nil, ""},
		"On":     {"A certificate and its key are enough", &TLS{CertFile: "/a", KeyFile: "/b"}, "  tls:\n    cert_file: /a\n    key_file: /b\n"},
		"Mutual": {"With authorities clients need a certificate", &TLS{CertFile: "/a", KeyFile: "/b", ClientCA: "/c"}, "  tls:\n    cert_file: /a\n    key_file: /b\n    client_ca: /c\n"},
		"Oldest": {"A version is text, not a number", &TLS{CertFile: "/a", KeyFile: "/b", MinVersion: "1.3"}, "  tls:\n    cert_file: /a\n    key_file: /b\n    min_version: \"1.3\"\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := settings["minimal"]
			s.APITLS = tc.tls

			want := "controlplane:\n  host: 0.0.0.0\n  port: 8080\n" + jwt + tc.want
			if diff := cmp.Diff(want, section(t, s, release("0.29.0"), "controlplane")); diff != "" {
				t.Errorf("%s\nConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigIsStable(t *testing.T) {
	first, err := Config(settings["full"], Release{})
	if err != nil {
		t.Fatal(err)
	}

	for range 20 {
		again, err := Config(settings["full"], Release{})
		if err != nil {
			t.Fatal(err)
		}

		if !bytes.Equal(first, again) {
			t.Fatalf("%s\nConfig(...): -first, +again:\n%s", "The same settings give the same bytes", cmp.Diff(string(first), string(again)))
		}
	}

	if rate := settings["full"].Telemetry.SampleRate; rate == nil || *rate != 0 {
		t.Errorf("%s\ngot %v", "Settings are only read", rate)
	}
}

// TestConfigQuotes gives values that YAML could take for something else.
func TestConfigQuotes(t *testing.T) {
	for _, username := range []string{"true", "null", "~", "0755", "1e3", "2026-07-01", "a: b", "# no comment", "- a", "{}", "é", "'\"", "*a", "a\nb"} {
		s := settings["minimal"]
		s.AdminUsername = username

		config, err := Config(s, Release{})
		if err != nil {
			t.Fatal(err)
		}

		got := map[string]any{}
		if err := yaml.Unmarshal(config, &got); err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(any(map[string]any{"username": username}), got["admin"]); diff != "" {
			t.Errorf("%s\nConfig(...): -want, +got:\n%s", "A string stays a string", diff)
		}
	}
}
