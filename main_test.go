package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Setenv("TLS_SERVER_CERTS_DIR", "/tls/server")

	defaults := func(change func(c *CLI)) *CLI {
		c := &CLI{Network: "tcp", Address: ":9443", TLSCertsDir: "/tls/server", MaxRecvMessageSize: 16, MetricsAddress: ":8080", TTL: time.Minute}
		change(c)

		return c
	}

	cases := map[string]struct {
		reason string
		args   []string
		want   *CLI
		err    string
	}{
		"Defaults": {
			reason: "As Crossplane runs the function: without arguments, with certificates.",
			want:   defaults(func(*CLI) {}),
		},
		"All": {
			reason: "Every flag, with values in both spellings.",
			args: []string{
				"--version", "--debug", "--network=tcp4", "--address", "127.0.0.1:9443", "--tls-certs-dir=certs", "--insecure",
				"--max-recv-message-size=4", "--metrics-address=", "--ttl", "5m",
			},
			want: &CLI{Version: true, Debug: true, Network: "tcp4", Address: "127.0.0.1:9443", TLSCertsDir: "certs", Insecure: true, MaxRecvMessageSize: 4, TTL: 5 * time.Minute},
		},
		"Short": {
			reason: "As other functions have it.",
			args:   []string{"-d"},
			want:   defaults(func(c *CLI) { c.Debug = true }),
		},
		"NoCertificates": {
			reason: "A flag counts more than the environment.",
			args:   []string{"--insecure", "--tls-certs-dir="},
			want:   defaults(func(c *CLI) { c.Insecure, c.TLSCertsDir = true, "" }),
		},
		"Unknown":    {reason: "A flag that is misspelt is not passed over.", args: []string{"--insecur"}, err: "flag provided but not defined: -insecur"},
		"Negative":   {reason: "Crossplane would take it for none.", args: []string{"--ttl=-1s"}, err: "flag -ttl must be zero or more, not -1s"},
		"Unexpected": {reason: "Flags after an argument would be passed over.", args: []string{"true", "--insecure"}, err: "unexpected argument true"},
		"Malformed":  {reason: "A duration needs its unit.", args: []string{"--ttl=60"}, err: `invalid value "60" for flag -ttl`},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tc.args, io.Discard)
			if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s\nparse(...): want error %q, got: %v", tc.reason, tc.err, err)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nparse(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The page names every flag, and no other.
func TestFlagsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}

	_, section, _ := strings.Cut(string(page), "\n## Flags\n")
	section, _, _ = strings.Cut(section, "\n## ")

	flags := func(re, text string) []string {
		var names []string
		for _, m := range regexp.MustCompile(re).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}

		slices.Sort(names)

		return slices.Compact(names)
	}

	help := &strings.Builder{}
	if _, err := parse([]string{"--help"}, help); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("parse(...): want %v, got: %v", flag.ErrHelp, err)
	}

	// -d is short for one of them.
	want := flags(`(?m)^  -(\w[\w-]+)`, help.String())
	if len(want) == 0 {
		t.Fatalf("no flags in\n%s", help)
	}

	if diff := cmp.Diff(want, flags("`--([\\w-]+)", section)); diff != "" {
		t.Errorf("docs/reference.md, Flags: -want, +got:\n%s", diff)
	}
}

func TestHelp(t *testing.T) {
	help := &strings.Builder{}
	if _, err := parse([]string{"--help"}, help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("parse(...): want %v, got: %v", flag.ErrHelp, err)
	}

	for _, want := range []string{"-insecure", "-tls-certs-dir", "$TLS_SERVER_CERTS_DIR"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("parse(...): want help on %s, got:\n%s", want, help)
		}
	}
}

// The Dockerfile builds what make does.
func TestDockerfileBuildsAlike(t *testing.T) {
	// Tools are built with fewer flags.
	command := regexp.MustCompile(`go build (-trimpath .+) -ldflags=["']([^"']+)["']`)
	builds := map[string][]string{}

	for _, file := range []string{"Makefile", "Dockerfile"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		flags := command.FindStringSubmatch(strings.NewReplacer("$(VERSION)", "", "${VERSION}", "").Replace(string(b)))
		if flags == nil {
			t.Fatalf("%s: no go build", file)
		}

		builds[file] = flags[1:]
	}

	if diff := cmp.Diff(builds["Makefile"], builds["Dockerfile"]); diff != "" {
		t.Errorf("go build: -Makefile, +Dockerfile:\n%s", diff)
	}
}
