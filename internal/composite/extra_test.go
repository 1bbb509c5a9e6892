package composite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

func TestValidateConfig(t *testing.T) {
	const (
		notKey    = "must be 1 to 63 lowercase letters, digits and underscores: the server ignores case, and reads a dot as an object within an object"
		null      = "Invalid value: null: must not be null: leave the key out"
		tooGreat  = "must be below 2^53, since larger whole numbers lose digits: write it as a string"
		rest      = "is managed over the REST API, and no key of config.yaml"
		secretURL = "has a URL with a password, which must not be in a ConfigMap: pass it in extraEnv"
		secret    = "looks like a secret, which must not be in a ConfigMap: pass it in extraEnv"
	)

	decides := func(key, by string) string {
		return "spec.config." + key + ": Forbidden: " + by + " decides it: set it there"
	}

	cases := map[string]struct {
		reason string
		config string
		want   []string
	}{
		"Empty":   {reason: "No keys are none", config: `{}`},
		"Known":   {reason: "Every kind of known key", config: `{"gc": {"auto_interval": "1m", "compaction_live_ratio": 0.5, "auto_enabled": false, "dry_run_sample_size": 0}, "blockstore": {"local": {"max_log_bytes": 9007199254740991}}, "identity": {"machine_sid": "S-1-5-21-4294967295-0-1"}, "admin": {"email": "yes"}, "logging": {"rotation": {"max_size": 10}}}`},
		"Unknown": {reason: "What the server does not know is written as it is", config: `{"blockstore": {"journal": {"path": "/data/store/block/journal", "limits": [1, -1.5, {"a": "~"}, [], {}]}}}`},

		"Text":      {"It is an object", `"gc: {}"`, []string{`spec.config: Invalid value: "": must be an object`}},
		"List":      {"It is an object", `[]`, []string{`spec.config: Invalid value: "": must be an object`}},
		"Dotted":    {"The reader takes a dot for an object, and lets such a key win", `{"logging.output": "/tmp/x"}`, []string{`spec.config[logging.output]: Invalid value: "logging.output": ` + notKey}},
		"Case":      {"The reader ignores case", `{"Logging": {"output": "/tmp/x"}, "gc": {"Auto_interval": "1h"}}`, []string{`spec.config[Logging]: Invalid value: "Logging": ` + notKey, `spec.config.gc[Auto_interval]: Invalid value: "Auto_interval": ` + notKey}},
		"Unicode":   {"Some letters are others, but for their case", `{"databa` + "ſ" + `e": 1, "": 1, "a b": 1, "a-b": 1}`, []string{`spec.config[]: Invalid value: "": ` + notKey, `spec.config[a b]: Invalid value: "a b": ` + notKey, `spec.config[a-b]: Invalid value: "a-b": ` + notKey, `spec.config[databa` + "ſ" + `e]: Invalid value: "databa` + "ſ" + `e": ` + notKey}},
		"DeepKeys":  {"Keys are keys at any depth", `{"x": {"y": [{"A": 1, "b.c": 2}]}}`, []string{`spec.config.x.y[0][A]: Invalid value: "A": ` + notKey, `spec.config.x.y[0][b.c]: Invalid value: "b.c": ` + notKey}},
		"Null":      {"Nobody knows what null would mean", `{"x": null, "y": [null], "z": {"a": null}}`, []string{"spec.config.x: " + null, "spec.config.y[0]: " + null, "spec.config.z.a: " + null}},
		"NullKnown": {"Nor of a known key", `{"gc": {"auto_interval": null}, "blockstore": null}`, []string{"spec.config.blockstore: " + null, "spec.config.gc.auto_interval: " + null}},
		"Great":     {"2^53 and what is above are not told apart", `{"x": 9007199254740992, "y": [-9007199254740993], "z": 1e308, "ok": 9007199254740991, "small": 1e-300}`, []string{"spec.config.x: Invalid value: 9.007199254740992e+15: " + tooGreat, "spec.config.y[0]: Invalid value: -9.007199254740992e+15: " + tooGreat, "spec.config.z: Invalid value: 1e+308: " + tooGreat}},

		"Decided": {
			"What a field has, the field decides",
			`{"logging": {"level": "DEBUG", "format": "text", "output": "/tmp/x"}, "telemetry": {}, "shutdown_timeout": "1s", "database": {}, "metrics": {"path": "/m"}, "cache": {}, "controlplane": {"port": 1, "jwt": {}, "tls": {}}, "admin": {"username": "x", "password_hash": "x"}}`,
			[]string{
				decides("admin.password_hash", "spec.identity.admin.passwordSecretRef"), decides("admin.username", "spec.identity.admin.username"),
				decides("cache", "spec.cache"), decides("controlplane.jwt", "spec.identity.jwt"), decides("controlplane.port", "spec.apiPort"), decides("controlplane.tls", "spec.api.tls"),
				decides("database", "spec.database"), decides("logging.format", "spec.logging.format"), decides("logging.level", "spec.logging.level"), decides("logging.output", "spec.logging.output"),
				decides("metrics", "spec.metrics"), decides("shutdown_timeout", "spec.shutdownTimeout"), decides("telemetry", "spec.telemetry"),
			},
		},
		"Others": {
			"What no field has is somebody else's",
			`{"controlplane": {"host": "127.0.0.1"}, "kerberos": {}, "ldap": {}, "stores": [], "shares": [], "adapters": {}, "users": [], "groups": [], "guest": {}}`,
			[]string{
				"spec.config.adapters: Forbidden: " + rest,
				"spec.config.controlplane.host: Forbidden: the function decides it, so that probes and Services reach the API",
				"spec.config.groups: Forbidden: " + rest, "spec.config.guest: Forbidden: " + rest,
				"spec.config.kerberos: Forbidden: spec.identity.kerberos decides it: set it there",
				"spec.config.ldap: Forbidden: spec.identity.ldap decides it: set it there",
				"spec.config.shares: Forbidden: " + rest, "spec.config.stores: Forbidden: " + rest, "spec.config.users: Forbidden: " + rest,
			},
		},
		"Secrets": {
			"Everybody who may see a ConfigMap could see them",
			`{"controlplane": {"secret": "x"}, "s3": {"access_key": "x", "list": [{"bind_password": "x"}], "dsn": "x"}, "require_initial_password_change": true, "token_file": "/etc/x"}`,
			[]string{"spec.config.controlplane.secret: Forbidden: " + secret, "spec.config.s3.access_key: Forbidden: " + secret, "spec.config.s3.dsn: Forbidden: " + secret, "spec.config.s3.list[0].bind_password: Forbidden: " + secret},
		},
		"SecretURL": {
			"A URL may have a password in it, which the error does not",
			`{"x": ["postgres://user:example@db/x", {"y": "a redis://:example@cache"}], "ok": ["http://a:80/x@y", "https://user@host", "http://a:80", "mail a:b@c"]}`,
			[]string{"spec.config.x[0]: Forbidden: " + secretURL, "spec.config.x[1].y: Forbidden: " + secretURL},
		},
		"Values": {
			"What the server would not start with, or take for something else",
			`{"gc": {"auto_interval": "59s", "grace_period": "1m", "compaction_live_ratio": 1.5, "auto_enabled": "true", "dry_run_sample_size": 1.5}, "controlplane": {"read_timeout": 30, "idle_timeout": "7d", "pprof": 1, "pprof_mutex_rate": -1}, "blockstore": {"local": {"max_log_bytes": "1Gi", "default_remote_cache_size": -1}}, "identity": {"machine_sid": "S-1-5-21-1-2-4294967296"}, "admin": {"email": "a\nb"}, "metadata": {"badger": {"block_cache_mb": 1048577}}, "logging": {"rotation": {"max_age": {}}}, "snapshot": "off"}`,
			[]string{
				`spec.config.admin.email: Invalid value: "a\nb": must be text without control characters`,
				"spec.config.blockstore.local.default_remote_cache_size: Invalid value: -1: must be a whole number of bytes",
				`spec.config.blockstore.local.max_log_bytes: Invalid value: "1Gi": must be a whole number of bytes: 1073741824`,
				`spec.config.controlplane.idle_timeout: Invalid value: "7d": ` + notDuration,
				"spec.config.controlplane.pprof: Invalid value: 1: must be true or false",
				"spec.config.controlplane.pprof_mutex_rate: Invalid value: -1: must be a whole number, 0 to 2147483647",
				"spec.config.controlplane.read_timeout: Invalid value: 30: " + notDuration,
				`spec.config.gc.auto_enabled: Invalid value: "true": must be true or false`,
				`spec.config.gc.auto_interval: Invalid value: "59s": must be 1m0s or more`,
				"spec.config.gc.compaction_live_ratio: Invalid value: 1.5: must be a number between 0 and 1",
				"spec.config.gc.dry_run_sample_size: Invalid value: 1.5: must be a whole number, 0 to 2147483647",
				`spec.config.gc.grace_period: Invalid value: "1m": must be 5m0s or more`,
				`spec.config.identity.machine_sid: Invalid value: "S-1-5-21-1-2-4294967296": must be a machine's SID, such as S-1-5-21-1-2-3, each number below 2^32`,
				`spec.config.logging.rotation.max_age: Invalid value: "{…}": must be a whole number, 0 to 2147483647`,
				"spec.config.metadata.badger.block_cache_mb: Invalid value: 1048577: must be a whole number, 0 to 1048576",
				`spec.config.snapshot: Invalid value: "off": must be an object`,
			},
		},
		"TooMany":  {"To write as much as a spec may have takes longer than all else", `{"x": [` + strings.Repeat("0,", 510) + `0]}`, []string{"spec.config: Too many: 513: must have at most 512 values in all"}},
		"TooLarge": {"A ConfigMap has no room for it", `{"x": "` + strings.Repeat("a", 4000) + `", "y": [` + strings.Repeat(`"`+strings.Repeat("a", 4000)+`",`, 16) + `""]}`, []string{"spec.config: Too long: may not be more than 0 bytes"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, got := decode(t, `{"spec": {"version": "`+dittofs.Newest+`", "config": `+tc.config+`}}`, "")
			if name == "TooLarge" {
				tc.want = got
				if len(got) != 1 || !strings.Contains(got[0], "must have at most 65536") {
					t.Errorf("%s\nDecode(...): got: %s", tc.reason, got)
				}
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}

			// A wrong value is never written, and a right one is written as it is.
			var want map[string]any
			if len(got) == 0 {
				if err := json.Unmarshal([]byte(tc.config), &want); err != nil {
					t.Fatal(err)
				}
			}

			if diff := cmp.Diff(want, s.Settings().Extra); diff != "" {
				t.Errorf("%s\nSettings().Extra: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigWarnings(t *testing.T) {
	many := make([]string, 0, 12)
	for i := range 12 {
		many = append(many, fmt.Sprintf(`"x%02d": 1`, i))
	}

	cases := map[string]struct {
		reason, version, config string
		want                    []string
	}{
		"Known":    {"What the release knows needs no warning", "0.24.0", `{"gc": {"auto_interval": "1h"}}`, nil},
		"Older":    {"An older release may not know it", "0.23.0", `{"gc": {"auto_interval": "1h"}}`, []string{"spec.config.gc.auto_interval: DittoFS 0.23.0 does not know this key, and ignores it"}},
		"Gone":     {"A newer one may not know it any more", dittofs.Newest, `{"lock": {"max_total_locks": 1}}`, []string{"spec.config.lock.max_total_locks: DittoFS " + dittofs.Newest + " does not know this key, and ignores it"}},
		"Unknown":  {"A mistake in a key is told", dittofs.Newest, `{"gc": {"auto_intervall": {"a": 1}}, "blockstore": {"journal": {"path": "/x"}}}`, []string{"spec.config.blockstore.journal: DittoFS " + dittofs.Newest + " does not know this key, and ignores it", "spec.config.gc.auto_intervall: DittoFS " + dittofs.Newest + " does not know this key, and ignores it"}},
		"AnyOther": {"Nobody knows what a release without a version knows", "", `{"lock": {"max_total_locks": 1}, "x": 1}`, []string{"spec.config.x: no DittoFS release that this function knows has such a key"}},
		"Many":     {"Not more than can be read", "", "{" + strings.Join(many, ",") + "}", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			version := ""
			if tc.version != "" {
				version = `"version": "` + tc.version + `", `
			}

			s, errs := decode(t, `{"spec": {`+version+`"config": `+tc.config+`}}`, "")
			if len(errs) > 0 {
				t.Fatal(errs)
			}

			got := s.configWarnings(s.Release)
			if name == "Many" {
				if len(got) != maxUnknownKeys+1 || got[maxUnknownKeys] != "spec.config: 2 more keys that the server does not know" {
					t.Errorf("%s\nconfigWarnings(): got: %q", tc.reason, got)
				}

				return
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nconfigWarnings(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The release may be known from the image only.
func TestConfigWarningsOfImage(t *testing.T) {
	s, errs := decode(t, `{"spec": {"config": {"gc": {"auto_interval": "1h"}}}}`, "")
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	r, err := dittofs.ParseRelease("0.23.0")
	if err != nil {
		t.Fatal(err)
	}

	want := []string{"spec.config.gc.auto_interval: DittoFS 0.23.0 does not know this key, and ignores it"}
	if diff := cmp.Diff(want, s.configWarnings(r)); diff != "" {
		t.Errorf("configWarnings(...): -want, +got:\n%s", diff)
	}
}
