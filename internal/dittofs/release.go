// Package dittofs knows the DittoFS server: its releases, configuration file,
// environment variables, ports and paths. It knows neither Kubernetes nor
// Crossplane.
package dittofs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// The first and the last release that the table below covers.
const (
	// OldestVersion is the first release with a configuration file like today's.
	OldestVersion = "v0.4.0"

	// NewestVersion is the newest known release. A new server without a version
	// and an image runs it; one that runs keeps its image.
	NewestVersion = "v" + Newest

	// Newest is NewestVersion as people write it.
	Newest = "0.29.2"
)

// Repository is the container image of DittoFS. Its tags are versions.
const Repository = "marmos91c/dittofs"

// Releases that brought keys of config.yaml which are written only if the spec asks for them.
const (
	// SinceAPITLS serves the REST API over TLS: controlplane.tls.
	SinceAPITLS = "v0.17.0"

	// SincePostgresCA judges PostgreSQL by other authorities than the image's.
	SincePostgresCA = "v0.17.0"

	// SinceIdentityProviders keeps identity providers in the database. 0.20 knows LDAP as well, and
	// reads its settings at each start.
	SinceIdentityProviders = "v0.21.0"

	// SinceKerberos takes paths of files and the machine account from config.yaml whatever the
	// database has. 0.5 to 0.22.0 know Kerberos as well.
	SinceKerberos = "v0.22.1"

	// SinceMetricsAccess serves metrics at another path, with a token or over TLS.
	SinceMetricsAccess = "v0.18.0"
)

// Keys says which optional keys of config.yaml a release knows.
type Keys struct {
	Telemetry        bool
	Metrics          bool
	MetricsHost      bool
	ControlPlaneHost bool
	Cache            bool

	// PostgresPool is max_open_conns and max_idle_conns of database.postgres.
	PostgresPool bool
}

// A band is a run of releases that behave alike.
type band struct {
	// since is the first release of the band.
	since string

	keys Keys

	// passwordHash reports whether DITTOFS_ADMIN_PASSWORD_HASH is used. Releases that
	// do not use it invent a password instead, and log it.
	passwordHash bool

	// postgresURL reports whether the server names its PostgreSQL by a URL. Before, it put
	// its settings into a text of keywords as they are: pkg/controlplane/store/gorm.go.
	postgresURL bool
}

// bands is the table of DittoFS releases, oldest first. Source: pkg/config and
// pkg/controlplane/api of each tag.
//
//nolint:gochecknoglobals // A table.
var bands = []band{
	{since: OldestVersion, keys: Keys{Telemetry: true, Metrics: true, Cache: true}},
	{since: "v0.7.0", keys: Keys{Cache: true}},
	{since: "v0.9.0"},
	{since: "v0.17.0", keys: Keys{ControlPlaneHost: true, PostgresPool: true}},
	{since: "v0.18.0", keys: Keys{ControlPlaneHost: true, PostgresPool: true, Metrics: true, MetricsHost: true}, postgresURL: true},
	{since: "v0.20.0", keys: Keys{ControlPlaneHost: true, PostgresPool: true, Metrics: true, MetricsHost: true}, postgresURL: true, passwordHash: true},
}

// unversioned has every key of every release. Every release starts with them: the
// older ones ignore unknown keys, the newer ones log them once.
//
//nolint:gochecknoglobals // A table.
var unversioned = Keys{Telemetry: true, Metrics: true, MetricsHost: true, ControlPlaneHost: true, Cache: true, PostgresPool: true}

// ErrTooOld is the error of a version below OldestVersion.
var ErrTooOld = errors.New("must be " + strings.TrimPrefix(OldestVersion, "v") + " or newer")

// A Release is a DittoFS release, or the zero value where none is known.
type Release struct {
	version string
	band    band
}

// ParseRelease returns the release of a version such as 0.29.0 or v0.29.0. A
// version that is no semantic version, has build metadata, is no label value, or is
// below OldestVersion is an error.
func ParseRelease(version string) (Release, error) {
	v := "v" + strings.TrimPrefix(version, "v")
	// A version is also an image tag and a label, which have that length and end.
	if semver.Canonical(v) != v || len(v) > 63 || strings.HasSuffix(v, "-") {
		return Release{}, fmt.Errorf("must be a DittoFS release such as %s", Newest)
	}

	// A pre-release has the keys of its release.
	for _, b := range slices.Backward(bands) {
		if semver.Compare(core(v), b.since) >= 0 {
			return Release{version: v, band: b}, nil
		}
	}

	return Release{}, ErrTooOld
}

// IsKnown reports whether the release is known. The zero value is not.
func (r Release) IsKnown() bool {
	return r.version != ""
}

// IsNewerThanKnown reports whether the release is of a newer minor release than
// NewestVersion. It then has the keys of NewestVersion, which it may not take any more.
// Patches keep the keys of their minor release.
func (r Release) IsNewerThanKnown() bool {
	return r.IsNewerMinorThan(Release{version: NewestVersion})
}

// IsNewerMinorThan reports whether the release is known, and of a newer minor release than
// another one, or the other one is not known.
func (r Release) IsNewerMinorThan(o Release) bool {
	return semver.Compare(semver.MajorMinor(r.version), semver.MajorMinor(o.version)) > 0
}

// NewestMinor returns the newest known minor release, such as 0.29.
func NewestMinor() string {
	return strings.TrimPrefix(semver.MajorMinor(NewestVersion), "v")
}

// IsOlderThan reports whether both releases are known and this one is the older. Only
// major, minor and patch count: an image's tag cannot have build metadata, so people write
// a rebuild of 0.29.0 as v0.29.0-corp.2.
func (r Release) IsOlderThan(o Release) bool {
	return r.IsKnown() && o.IsKnown() && semver.Compare(core(r.version), core(o.version)) < 0
}

// IsBefore reports whether the release is known, and older than a version. A pre-release counts
// as its release.
func (r Release) IsBefore(version string) bool {
	return r.IsKnown() && semver.Compare(core(r.version), version) < 0
}

// core returns a version without its pre-release.
func core(version string) string {
	return strings.TrimSuffix(version, semver.Prerelease(version))
}

// String returns the version, such as 0.29.0.
func (r Release) String() string {
	return strings.TrimPrefix(r.version, "v")
}

// Image returns the release's container image.
func (r Release) Image() string {
	return Repository + ":" + r.version
}

// Keys returns the optional keys of config.yaml to write for the release.
func (r Release) Keys() Keys {
	if !r.IsKnown() {
		return unversioned
	}

	return r.band.keys
}

// UsesPasswordHash reports whether the release uses a bcrypt hash for the first
// administrator. It is true for a release that is not known.
func (r Release) UsesPasswordHash() bool {
	return !r.IsKnown() || r.band.passwordHash
}
