package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
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

// FuzzConfigExtra adds keys to config.yaml. What the function accepts, the server's own reader
// loads; each key that the server knows has its value; and nothing else of its configuration is
// another one.
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

		got := load(t, extraServer, extra)
		if got == nil {
			t.Skip("refused")
		}

		flat := map[string]any{}
		flatten(any(extra.AsMap()), "", flat)
		flat["admin.email"] = extra.GetFields()["admin"].GetStructValue().GetFields()["email"].GetStringValue()

		for _, k := range dittofs.ConfigKeys() {
			want, isSet := flat[k.Path]
			if isSet && !isHeard(want, got[k.Path]) {
				t.Errorf("%s: the server takes %v for %v", k.Path, want, got[k.Path])
			}

			// One key may be the default of another, as those of profiles.
			delete(got, k.Path)
		}

		if diff := cmp.Diff(decidedOf(plain), got); diff != "" {
			t.Errorf("the server's configuration: -without, +with %s:\n%s", text, diff)
		}
	})
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

	s := &structpb.Struct{}
	if err := s.UnmarshalJSON([]byte(xr)); err != nil {
		tb.Fatal(err)
	}

	if extra != nil {
		s.GetFields()["spec"].GetStructValue().Fields["config"] = structpb.NewStructValue(extra)
	}

	if len(composite.CheckBounds(s, nil)) > 0 {
		return nil
	}

	srv, errs := composite.Decode(s, nil)
	if len(errs) > 0 {
		return nil
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
		tb.Fatalf("the server does not load what the function accepts: %v\n%s", err, text)
	}

	out := map[string]any{}

	// By the names that config.yaml has, with texts for durations.
	collect(reflect.ValueOf(*c), "", out)

	return out
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
