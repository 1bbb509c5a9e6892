package dittofs

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/semver"
	"gopkg.in/yaml.v3"
)

// A ConfigKey is a key of config.yaml that the server knows, and that no field of a DittoServer
// has. Its path has dots between objects.
type ConfigKey struct {
	Path string

	// since and until are the first and the last minor release that know it, or until is empty.
	since, until string

	// Check returns what is wrong with a value, or "".
	Check func(value any) string
}

// last16 is the last minor release before locks and uploads were done otherwise.
const last16 = "v0.16"

// configKeys is the table of such keys. Source: the structs of pkg/config and
// pkg/controlplane/api of each tag. test/contract holds it against those of the newest release.
//
//nolint:gochecknoglobals // A table.
var configKeys = []ConfigKey{
	{"admin.email", "v0.4", "", checkText},
	{"blockstore.local.backpressure_max_wait", "v0.18", "", checkDuration(0)},
	{"blockstore.local.dedup_lru_size", "v0.15", "v0.22", checkCount},
	{"blockstore.local.default_remote_cache_size", "v0.18", "", checkBytes},
	{"blockstore.local.max_log_bytes", "v0.20", "", checkBytes},
	{"controlplane.drain_stall_timeout", "v0.24", "", checkDuration(0)},
	{"controlplane.idle_timeout", "v0.4", "", checkDuration(0)},
	{"controlplane.pprof", "v0.9", "", checkBool},
	{"controlplane.pprof_block_rate_ns", "v0.17", "", checkCount},
	{"controlplane.pprof_mutex_rate", "v0.17", "", checkCount},
	{"controlplane.read_timeout", "v0.4", "", checkDuration(0)},
	{"controlplane.require_initial_password_change", "v0.18", "", checkBool},
	{"controlplane.write_timeout", "v0.4", "", checkDuration(0)},
	{"gc.auto_enabled", "v0.24", "", checkBool},
	{"gc.auto_interval", "v0.24", "", checkDuration(time.Minute)},
	{"gc.compaction_live_ratio", "v0.24", "", checkRatio},
	{"gc.dry_run_sample_size", "v0.15", "", checkCount},
	{"gc.grace_period", "v0.15", "", checkDuration(5 * time.Minute)},
	{"gc.interval", "v0.15", last16, checkDuration(0)},
	{"gc.sweep_concurrency", "v0.15", "v0.15", checkCount},
	{"identity.machine_sid", "v0.20", "", checkMachineSID},
	{"lock.blocking_timeout", "v0.5", last16, checkDuration(0)},
	{"lock.grace_period", "v0.5", last16, checkDuration(0)},
	{"lock.lease_break_timeout", "v0.5", last16, checkDuration(0)},
	{"lock.mandatory_locking", "v0.5", last16, checkBool},
	{"lock.max_locks_per_client", "v0.5", last16, checkCount},
	{"lock.max_locks_per_file", "v0.5", last16, checkCount},
	{"lock.max_total_locks", "v0.5", last16, checkCount},
	{"logging.rotation.compress", "v0.8", "", checkBool},
	{"logging.rotation.max_age", "v0.8", "", checkCount},
	{"logging.rotation.max_backups", "v0.8", "", checkCount},
	{"logging.rotation.max_size", "v0.8", "", checkCount},
	{"metadata.badger.block_cache_mb", "v0.20", "", checkCache},
	{"metadata.badger.index_cache_mb", "v0.20", "", checkCache},
	{"snapshot.restore_http_timeout", "v0.16", "", checkDuration(0)},
	{"snapshot.scheduler_disabled", "v0.18", "", checkBool},
	{"snapshot.scheduler_poll_interval", "v0.18", "", checkDuration(0)},
	{"syncer.claim_timeout", "v0.15", last16, checkDuration(0)},
	{"syncer.tick", "v0.15", last16, checkDuration(0)},
	{"syncer.upload_concurrency", "v0.15", last16, checkCount},
}

// fields decide keys of config.yaml, with all that is below them.
//
//nolint:gochecknoglobals // A table.
var fields = map[string]string{
	"admin.password_hash": "spec.identity.admin.passwordSecretRef",
	"admin.username":      "spec.identity.admin.username",
	"cache":               "spec.cache",
	"controlplane.jwt":    "spec.identity.jwt",
	"controlplane.port":   "spec.apiPort",
	"controlplane.tls":    "spec.api.tls",
	"database":            "spec.database",
	"kerberos":            "spec.identity.kerberos",
	"ldap":                "spec.identity.ldap",
	"logging.format":      "spec.logging.format",
	"logging.level":       "spec.logging.level",
	"logging.output":      "spec.logging.output",
	"metrics":             "spec.metrics",
	"shutdown_timeout":    "spec.shutdownTimeout",
	"telemetry":           "spec.telemetry",
}

// others are keys that no field decides, and config.yaml neither, with what does.
//
//nolint:gochecknoglobals // A table.
var others = map[string]string{
	"controlplane.host": "the function decides it, so that probes and Services reach the API",

	"adapters": onlyREST,
	"groups":   onlyREST,
	"guest":    onlyREST,
	"shares":   onlyREST,
	"stores":   onlyREST,
	"users":    onlyREST,
}

const onlyREST = "is managed over the REST API, and no key of config.yaml"

// Decides says what decides a key of config.yaml in the place of spec.config, or "".
func Decides(path string) string {
	if field := fields[path]; field != "" {
		return field + " decides it: set it there"
	}

	return others[path]
}

// ExtraKeys returns the top-level keys of a config.yaml below which there is something that no field
// decides, sorted. Text that is no YAML has none: the server does not start with it.
func ExtraKeys(config string) []string {
	object := map[string]any{}
	if err := yaml.Unmarshal([]byte(config), &object); err != nil {
		return nil
	}

	return slices.DeleteFunc(slices.Sorted(maps.Keys(object)), func(key string) bool { return isOfFields(key, object[key]) })
}

// isOfFields reports whether fields decide a key of config.yaml with all that is below it. A key that the
// server's reader takes for another one, by case or by a dot, is none that a field writes.
func isOfFields(path string, v any) bool {
	if fields[path] != "" || path == "controlplane.host" {
		return true
	}

	below, ok := v.(map[string]any)
	if !ok || !IsConfigSection(path) {
		return false
	}

	for key, v := range below {
		if strings.Contains(key, ".") || !isOfFields(path+"."+key, v) {
			return false
		}
	}

	return true
}

// secretKey matches a key that holds a secret, by what it ends with. Words that others end with, such
// as bypass, must be words of their own.
var secretKey = regexp.MustCompile(`(credential|passphrase|passwd|password|secret|token|(access|api|private|secret|signing)key)s?$|password_hash$|(^|_)(auth|bearer|connection_string|dsn|pass|pwd)$|_key$|(^|_)keys$`)

// secretURL matches a URL with a password in it.
var secretURL = regexp.MustCompile(`://[^\s/?#@:]*:[^\s/?#@]+@`)

// HoldsSecret reports whether a key that the server is not known to know sounds as if it held a
// secret: config.yaml is in a ConfigMap.
func HoldsSecret(key string) bool { return secretKey.MatchString(key) }

// IsSecretURL reports whether a text has a URL with a password in it.
func IsSecretURL(text string) bool { return secretURL.MatchString(text) }

//nolint:gochecknoglobals // What follows from a table.
var (
	keyAt    = keysByPath()
	sections = sectionsOfKeys()
)

func keysByPath() map[string]*ConfigKey {
	m := make(map[string]*ConfigKey, len(configKeys))
	for i := range configKeys {
		m[configKeys[i].Path] = &configKeys[i]
	}

	return m
}

// sectionsOfKeys are the paths of objects that known keys are in.
func sectionsOfKeys() map[string]bool {
	m := map[string]bool{}

	for _, path := range slices.Concat(slices.Collect(maps.Keys(keysByPath())), slices.Collect(maps.Keys(fields)), slices.Collect(maps.Keys(others))) {
		for i, c := range path {
			if c == '.' {
				m[path[:i]] = true
			}
		}
	}

	return m
}

// ConfigKeyAt returns the known key of a path, or nil.
func ConfigKeyAt(path string) *ConfigKey { return keyAt[path] }

// IsConfigSection reports whether a path is that of an object with known keys.
func IsConfigSection(path string) bool { return sections[path] }

// ConfigKeys returns the known keys that no field has.
func ConfigKeys() []ConfigKey { return slices.Clone(configKeys) }

// IsIn reports whether a release knows the key. One that is not known may.
func (k *ConfigKey) IsIn(r Release) bool {
	if !r.IsKnown() {
		return true
	}

	minor := semver.MajorMinor(r.version)

	return semver.Compare(minor, k.since) >= 0 && (k.until == "" || semver.Compare(minor, k.until) <= 0)
}

// Variables returns the environment variables that reach a key of config.yaml: its own, which the
// server takes in its place, and those of the objects that it is in, which hide it.
func Variables(path string) []string {
	var names []string

	for i, c := range path {
		if c == '.' {
			names = append(names, variable(path[:i]))
		}
	}

	return append(names, variable(path))
}

func variable(path string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// maxCount is the highest of numbers that are no bytes: as mebibytes they fit 63 bits.
const maxCount = math.MaxInt32

// MaxWhole is the bound of whole numbers: from there on a float64, as which they arrive, does
// not have all of them.
const MaxWhole = 1 << 53

func isWhole(v any, bound float64) bool {
	n, ok := v.(float64)
	return ok && n == math.Trunc(n) && n >= 0 && n <= bound
}

func checkCount(v any) string {
	if !isWhole(v, maxCount) {
		return fmt.Sprintf("must be a whole number, 0 to %d", maxCount)
	}

	return ""
}

// maxCache is the highest size of a cache, in mebibytes. The server sizes its tables by it when it opens
// a store: with 2^31 it dies at once, with 2^20 it starts in 120 MB (run with 0.29.2).
const maxCache = 1 << 20

func checkCache(v any) string {
	if !isWhole(v, maxCache) {
		return fmt.Sprintf("must be a whole number, 0 to %d", maxCache)
	}

	return ""
}

func checkBytes(v any) string {
	if isWhole(v, MaxWhole-1) {
		return ""
	}

	if text, ok := v.(string); ok {
		if n, err := ParseSize(text); err == nil {
			return fmt.Sprintf("must be a whole number of bytes: %d", n)
		}
	}

	return "must be a whole number of bytes"
}

func checkRatio(v any) string {
	if n, ok := v.(float64); !ok || math.IsNaN(n) || n < 0 || n > 1 {
		return "must be a number between 0 and 1"
	}

	return ""
}

func checkBool(v any) string {
	if _, ok := v.(bool); !ok {
		return "must be true or false"
	}

	return ""
}

func checkText(v any) string {
	if text, ok := v.(string); !ok || strings.ContainsFunc(text, unicode.IsControl) {
		return "must be text without control characters"
	}

	return ""
}

// checkDuration returns a check of durations. The server takes a number for nanoseconds, which
// nobody means.
func checkDuration(least time.Duration) func(v any) string {
	return func(v any) string {
		text, _ := v.(string)

		d, err := time.ParseDuration(text)

		switch {
		case err != nil || d <= 0:
			return "must be a Go duration above zero, such as 90s or 1h30m"
		case d < least:
			return fmt.Sprintf("must be %s or more", least)
		default:
			return ""
		}
	}
}

// machineSID is a SID as the server takes it: of three numbers of 32 bits.
var machineSID = regexp.MustCompile(`^S-1-5-21(-(0|[1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])){3}$`)

func checkMachineSID(v any) string {
	if text, ok := v.(string); !ok || !machineSID.MatchString(text) {
		return "must be a machine's SID, such as S-1-5-21-1-2-3, each number below 2^32"
	}

	return ""
}
