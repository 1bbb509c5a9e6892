package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/marmos91/dittofs/pkg/config"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// keysOf returns the keys that a struct of the server reads, by their paths.
func keysOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	if t.Kind() != reflect.Struct {
		return []string{path}
	}

	var keys []string

	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("mapstructure"), ","); name != "" {
			keys = append(keys, keysOf(f.Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
	}

	return keys
}

// isDecided reports whether something else than spec.config decides a key, or an object it is in.
func isDecided(path string) bool {
	for i, c := range path {
		if c == '.' && dittofs.Decides(path[:i]) != "" {
			return true
		}
	}

	return dittofs.Decides(path) != ""
}

// TestConfigKeys holds the table of keys against the structs of the server: each key is in the
// table, or something else decides it, and no other key is in the table for this release.
func TestConfigKeys(t *testing.T) {
	release, err := dittofs.ParseRelease(dittofs.Newest)
	if err != nil {
		t.Fatal(err)
	}

	var want, got []string

	for _, path := range keysOf(reflect.TypeFor[config.Config](), "") {
		if !isDecided(path) {
			want = append(want, path)
		}
	}

	for _, k := range dittofs.ConfigKeys() {
		if isDecided(k.Path) {
			t.Errorf("%s is in the table, and something else decides it", k.Path)
		}

		if k.IsIn(release) {
			got = append(got, k.Path)
		}
	}

	slices.Sort(want)
	slices.Sort(got)

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of DittoFS %s: -the server's, +the table's:\n%s", dittofs.Newest, diff)
	}
}

// extraServer has a field for everything that spec.config could get at.
const extraServer = `{"metadata": {"name": "files", "namespace": "storage"}, "spec": {
	"version": "` + dittofs.Newest + `", "metrics": {"enabled": true}, "logging": {"output": "/tmp/log"},
	"identity": {"jwt": {"secretRef": {"name": "jwt"}}}}}`

// FuzzConfigExtra adds keys to config.yaml. The server's own reader loads what the function
// accepts. Each key that the server knows has its value, and nothing else of its configuration
// changes.
func FuzzConfigExtra(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"gc": {"auto_interval": "1h", "compaction_live_ratio": 0.5, "auto_enabled": false, "dry_run_sample_size": 7}}`,
		`{"logging": {"rotation": {"max_size": 1, "compress": true}}, "controlplane": {"read_timeout": "1m", "pprof": true}, "admin": {"email": "yes"}}`,
		`{"blockstore": {"local": {"max_log_bytes": 9007199254740991}}, "identity": {"machine_sid": "S-1-5-21-1-2-3"}, "metadata": {"badger": {"block_cache_mb": 1}}}`,
		`{"logging.output": "/x", "LOGGING": {"output": "/x"}, "database": {"type": "postgres"}, "controlplane": {"host": "127.0.0.1"}}`,
		`{"x": {"a": ["yes", "0x1f", "1e3", "~", "a\nb", "&a", "*a", "${HOME}", "$(HOME)", "!!binary x", "\u2028", "\u0000", "\ufeff", "\u007f", ""]}}`,
		`{"null": {"true": 1, "1": 2, "0x1f": -0, "y": 1e-300, "01": 3, "1_0": 4, "_": [[[[{}]]]]}, "yes": [1e308, 9007199254740993]}`,
		`{"logging": null, "gc": [], "snapshot": "x", "metrics": {}, "logging_level": "DEBUG", "database_type": "postgres", "<<": {"a": 1}}`,
		`{"gc": {"auto_interval": {"x": 1}, "grace_period": 60}, "0": {"0": {"0": 0}}, "shutdown": {"timeout": "1s"}, "log": {"ging": {"output": "/x"}}}`,
	} {
		f.Add(seed)
	}

	plain := load(f, extraServer, nil)

	f.Fuzz(func(t *testing.T, text string) {
		extra := &structpb.Struct{}
		if err := extra.UnmarshalJSON([]byte(text)); err != nil {
			t.Skip("no JSON object")
		}

		checkExtra(t, plain, extra)
	})
}

// FuzzConfigStructure does the same with what a person could try: known keys and decided ones in
// another case, dotted, joined or spelt otherwise, beside each other, numbers at their bounds,
// objects in objects and long lists. Each byte is a decision.
func FuzzConfigStructure(f *testing.F) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 18)) //nolint:gosec // A test.

		b := make([]byte, 8+r.IntN(120))
		for i := range b {
			b[i] = byte(r.Uint32())
		}

		f.Add(b)
	}

	plain := load(f, extraServer, nil)

	f.Fuzz(func(t *testing.T, b []byte) {
		tried := (&tries{bytes: b}).config()

		text, err := json.Marshal(tried)
		if err != nil {
			t.Fatal(err)
		}

		extra := &structpb.Struct{}
		if err := extra.UnmarshalJSON(text); err != nil {
			t.Skip("no JSON object that protobuf takes")
		}

		checkExtra(t, plain, extra)
	})
}

// tries makes what a person could try to write into spec.config, by the decisions of bytes.
type tries struct {
	bytes []byte

	// isGood leaves out what is refused wherever it stands.
	isGood bool
}

// pick decides on a number below n.
func (c *tries) pick(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}

	b := int(c.bytes[0])
	c.bytes = c.bytes[1:]

	return b % n
}

func (c *tries) config() map[string]any {
	config := map[string]any{}

	// Most of what is refused is refused whole: most tries have nothing of that on purpose.
	kinds := 8
	if c.pick(4) > 0 {
		kinds, c.isGood = 5, true
	}

	for range 1 + c.pick(6) {
		switch c.pick(kinds) {
		case 0, 1:
			keys := dittofs.ConfigKeys()
			k := keys[c.pick(len(keys))]

			value := c.value(2)
			for range 20 {
				if !c.isGood || k.Check(value) == "" {
					break
				}

				value = c.value(0)
			}

			place(config, strings.Split(k.Path, "."), value)
		case 2:
			place(config, []string{c.key()}, c.value(4))
		case 3:
			path := make([]string, 0, 34)
			for range 1 + c.pick(34) {
				path = append(path, c.key())
			}

			place(config, path, c.value(1))
		case 4:
			list := make([]any, c.pick(256))
			for i := range list {
				list[i] = c.value(1)
			}

			place(config, []string{c.key(), c.key()}, list)
		case 5, 6:
			keys := dittofs.ConfigKeys()
			place(config, c.spelt(keys[c.pick(len(keys))].Path), c.value(2))
		default:
			keys := dittofs.DecidedKeys()
			place(config, c.spelt(keys[c.pick(len(keys))].Path), c.value(2))
		}
	}

	return config
}

// spelt returns a path as somebody could spell it to get past the function.
func (c *tries) spelt(path string) []string {
	parts := strings.Split(path, ".")
	i := c.pick(len(parts))

	switch c.pick(10) {
	case 0:
		parts[i] = strings.ToUpper(parts[i])
	case 1:
		parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
	case 2:
		return []string{path}
	case 3:
		return []string{strings.Join(parts, "_")}
	case 4:
		return []string{strings.Join(parts, "::")}
	case 5:
		// Letters that differ only by their case.
		parts[i] = strings.NewReplacer("s", "\u017f", "k", "\u212a").Replace(parts[i])
	case 6:
		parts[i] += []string{" ", "\u200b", "\u0000", "\u0301", "_", "-"}[c.pick(6)]
	case 7:
		return parts[i:]
	case 8:
		parts = slices.Insert(parts, i, c.key())
	default:
		parts[i] = strings.ReplaceAll(parts[i], "_", "")
	}

	return parts
}

func (c *tries) key() string {
	keys := []string{"a", "b_1", "_", "0", "y", "no", "null", "true", "0x1f", "1_0", "01", "level", "output", "type", "store", "path", "x" + strings.Repeat("0", 62), "gc", "logging", "controlplane", "database", "<<", "a.b", "A", "=", ""}
	if c.isGood {
		keys = keys[:slices.Index(keys, "gc")]
	}

	return keys[c.pick(len(keys))]
}

func (c *tries) value(levels int) any {
	values := []any{
		true, false, "", "1h", "1m", "5m", "90s", "0s", "-1s", "7d", "2562047h47m16.854775807s", "9223372036854775807ns",
		0.0, 1.0, 2.0, 0.5, -1.0, 1.5, math.Copysign(0, -1), 60.0, float64(math.MaxInt32), float64(math.MaxInt32 + 1), float64(1<<53 - 1), -float64(1<<53 - 1), 5e-324, 0.1,
		"yes", "null", "~", "0x1f", "1e3", ".inf", "2001-01-01", "a: b", "- x", "&a", "*a", "!!binary x", "%YAML", "---", "...", "#", "'", "\"", "\\", "|", "\n", " a ", "\t", "\u0085", "\u2028", "\ufeff", "\u0000", "\u007f", "\ufffd", "\U0001f600", "${HOME}", "$(HOME)", "S-1-5-21-1-2-3", "S-1-5-21-4294967295-4294967295-4294967295", "10Gi",
	}
	if !c.isGood {
		values = append(values, nil, float64(1<<53), 1e308)
	}

	switch n := c.pick(len(values) + 2); {
	case n < len(values):
		return values[n]
	case levels == 0:
		return map[string]any{}
	case n == len(values):
		object := map[string]any{}
		for range c.pick(4) {
			object[c.key()] = c.value(levels - 1)
		}

		return object
	default:
		list := []any{}
		for range c.pick(4) {
			list = append(list, c.value(levels-1))
		}

		return list
	}
}

// place sets a value in objects, unless something else is in the way.
func place(object map[string]any, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		below, ok := object[key].(map[string]any)
		if !ok {
			below = map[string]any{}
			object[key] = below
		}

		object = below
	}

	object[path[len(path)-1]] = value
}

// checkExtra checks that the server's own reader loads the keys that the function accepts, as
// they are written. It also checks that nothing else differs from a plain configuration.
func checkExtra(t *testing.T, plain map[string]any, extra *structpb.Struct) {
	t.Helper()

	got := load(t, extraServer, extra)
	if got == nil {
		t.Skip("refused")
	}

	flat := map[string]any{}
	flatten(any(extra.AsMap()), "", flat)

	// An empty text is no value of flatten's.
	flat["admin.email"] = extra.GetFields()["admin"].GetStructValue().GetFields()["email"].GetStringValue()

	release, err := dittofs.ParseRelease(dittofs.Newest)
	if err != nil {
		t.Fatal(err)
	}

	for _, k := range dittofs.ConfigKeys() {
		want, isSet := flat[k.Path]
		if isSet && k.IsIn(release) && !isHeard(want, got[k.Path]) {
			t.Errorf("%s: the server takes %v for %v", k.Path, want, got[k.Path])
		}

		// One key may be the default of another, as those of profiles.
		delete(got, k.Path)
	}

	if diff := cmp.Diff(decidedOf(plain), got); diff != "" {
		t.Errorf("the server's configuration: -without, +with %s:\n%s", extra, diff)
	}
}

// decidedOf returns what a field, a Secret or the function decides of the server's configuration.
func decidedOf(all map[string]any) map[string]any {
	out := maps.Clone(all)
	for _, k := range dittofs.ConfigKeys() {
		delete(out, k.Path)
	}

	return out
}

// isHeard reports whether a value is what was written, or the server's own default for nothing.
func isHeard(want, got any) bool {
	if n, ok := want.(float64); ok {
		return n == 0 || fmt.Sprint(got) == fmt.Sprint(n) || fmt.Sprint(got) == fmt.Sprint(int64(n)) && n == math.Trunc(n)
	}

	return want == "" || fmt.Sprint(got) == fmt.Sprint(want)
}

// load returns what the server loads of a DittoServer with these extra keys, by path, or nil if
// the function refuses them.
func load(tb testing.TB, xr string, extra *structpb.Struct) map[string]any {
	tb.Helper()

	out, err := loaded(tb, xr, extra)
	if err != nil {
		tb.Fatalf("the server does not load what the function accepts: %v", err)
	}

	return out
}

// loaded is load, and the error of a server that does not start.
func loaded(tb testing.TB, xr string, extra *structpb.Struct) (map[string]any, error) {
	tb.Helper()

	s := &structpb.Struct{}
	if err := s.UnmarshalJSON([]byte(xr)); err != nil {
		tb.Fatal(err)
	}

	if extra != nil {
		s.GetFields()["spec"].GetStructValue().Fields["config"] = structpb.NewStructValue(extra)
	}

	if len(composite.CheckBounds(s, nil)) > 0 {
		return nil, nil //nolint:nilnil // Refused.
	}

	srv, errs := composite.Decode(s, nil)
	if len(errs) > 0 {
		return nil, nil //nolint:nilnil // Refused.
	}

	text, err := dittofs.Config(srv.Settings(), srv.Release)
	if err != nil {
		tb.Fatalf("Config(...): %v", err)
	}

	file := tb.TempDir() + "/config.yaml"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		tb.Fatal(err)
	}

	// The warning of unknown keys is no part of the test.
	stderr := os.Stderr
	os.Stderr, _ = os.Open(os.DevNull)

	c, err := config.Load(file)

	_ = os.Stderr.Close()
	os.Stderr = stderr

	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}

	out := map[string]any{}

	// By the names that config.yaml has, with texts for durations.
	collect(reflect.ValueOf(*c), "", out)

	return out, nil
}

// collect the values of a struct of the server, by their paths.
func collect(v reflect.Value, path string, into map[string]any) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}

	if v.Kind() != reflect.Struct {
		into[path] = v.Interface()
		if b, err := json.Marshal(v.Interface()); err == nil && v.Kind() != reflect.Int64 && v.Kind() != reflect.String {
			into[path] = string(b)
		}

		return
	}

	for f, fv := range v.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("mapstructure"), ","); name != "" {
			collect(fv, strings.TrimPrefix(path+"."+name, "."), into)
		}
	}
}

// TestVariables shows that each variable of a key of config.yaml wins over it, and one of an object
// hides it: beside the key they are refused.
func TestVariables(t *testing.T) {
	extra := &structpb.Struct{}
	if err := extra.UnmarshalJSON([]byte(`{"gc": {"auto_interval": "2h"}, "logging": {"rotation": {"max_size": 7}}}`)); err != nil {
		t.Fatal(err)
	}

	plain := load(t, extraServer, extra)

	for name, path := range map[string]string{"DITTOFS_GC_AUTO_INTERVAL": "gc.auto_interval", "DITTOFS_GC": "gc.auto_interval", "DITTOFS_LOGGING_ROTATION": "logging.rotation.max_size", "DITTOFS_LOGGING": "logging.rotation.max_size"} {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(dittofs.Variables(path), name) {
				t.Fatalf("Variables(%s) has no %s", path, name)
			}

			t.Setenv(name, "3h")

			if got := load(t, extraServer, extra); cmp.Equal(got[path], plain[path]) {
				t.Errorf("%s does not reach %s", name, path)
			}
		})
	}
}

// decidedServer has every key of config.yaml that a field decides, none with its default.
const decidedServer = `{"metadata": {"name": "files", "namespace": "storage"}, "spec": {
	"version": "` + dittofs.Newest + `", "logging": {"output": "stderr", "level": "DEBUG", "format": "json"}, "shutdownTimeout": "77s", "apiPort": 8081,
	"api": {"tls": {"secretRef": {"name": "tls"}, "clientCASecretRef": {"name": "tls"}, "minVersion": "1.3"}},
	"metrics": {"enabled": true, "port": 9091, "path": "/m", "tokenSecretRef": {"name": "token"}, "tls": {"secretRef": {"name": "tls"}, "clientCASecretRef": {"name": "tls"}, "minVersion": "1.3"}},
	"database": {"postgres": {"host": "db", "port": 5433, "database": "files", "sslmode": "verify-full", "maxOpenConns": 3, "maxIdleConns": 2, "secretRef": {"name": "db"}, "caSecretRef": {"name": "ca"}}},
	"identity": {"jwt": {"secretRef": {"name": "jwt"}, "accessTokenDuration": "16m", "refreshTokenDuration": "100h"}}}}`

// TestDecidedKeys holds the table of keys that fields decide against the server: it has each that the
// server reads, and the variable of each, and of each object that it is in, changes what the server
// loads.
func TestDecidedKeys(t *testing.T) {
	paths := map[string]bool{}
	for _, k := range dittofs.DecidedKeys() {
		paths[k.Path] = true
	}

	plain := load(t, decidedServer, nil)

	for _, path := range keysOf(reflect.TypeFor[config.Config](), "") {
		// A Secret has its variable, and the function answers for that.
		isSecrets := slices.Contains([]string{"database.postgres.user", "database.postgres.password", "admin.password_hash"}, path)
		// Anybody may set a key that no field has.
		isNobodys := strings.HasPrefix(path, "ldap.") || strings.HasPrefix(path, "kerberos.")

		if isDecided(path) && !isSecrets && !isNobodys && !paths[path] {
			t.Errorf("%s is not in the table", path)
		}
	}

	// These are keys that the server takes nowhere, and keys that are not in config.yaml, where an
	// object would hide them.
	unseen := []string{"admin.username", "controlplane.jwt.secret"}

	values := map[string]string{"metrics.path": "/other", "metrics.auth": "none", "metrics.enabled": "false", "controlplane.tls.min_version": "1.2", "metrics.tls.min_version": "1.2", "logging.level": "ERROR", "logging.format": "text", "database.type": "sqlite"}

	for _, k := range dittofs.DecidedKeys() {
		// Of PostgreSQL or SQLite a server has one, and of releases that are gone it reads nothing.
		if _, ok := plain[k.Path]; !ok || k.Path == "database.sqlite.path" {
			continue
		}

		for _, name := range dittofs.Variables(k.Path) {
			t.Run(name+"/"+k.Path, func(t *testing.T) {
				value, isOther := values[k.Path]
				if !isOther {
					value = "9"
				}

				if strings.HasSuffix(k.Path, "_duration") || k.Path == "shutdown_timeout" {
					value = "3h"
				}

				t.Setenv(name, value)

				// The server does not start, or hears something else.
				got, err := loaded(t, decidedServer, nil)
				if err == nil && cmp.Equal(got[k.Path], plain[k.Path]) && !slices.Contains(unseen, k.Path) {
					t.Errorf("%s does not reach %s", name, k.Path)
				}
			})
		}
	}
}
