package dittofs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVolumes(t *testing.T) {
	controlPlane := Volume{Name: "controlplane", Paths: []string{"/data/controlplane"}}
	metadata := Volume{Name: "metadata", Paths: []string{"/data/metadata", "/data/store/metadata"}}
	content := Volume{Name: "content", Paths: []string{"/data/content", "/data/store/block"}}
	cache := Volume{Name: "cache", Paths: []string{"/fast/cache"}}

	cases := map[string]struct {
		reason  string
		version string
		content bool
		want    []Volume
	}{
		"Newest":             {"A release without a cache has no volume for it", "0.29.0", false, []Volume{controlPlane, metadata}},
		"NewestContent":      {"Content has a volume if it is asked for", "0.29.0", true, []Volume{controlPlane, metadata, content}},
		"First09":            {"0.9.0 has no cache", "0.9.0", false, []Volume{controlPlane, metadata}},
		"Last07":             {"0.8.3 has a cache, which can hold a write-ahead log", "0.8.3", false, []Volume{controlPlane, metadata, cache}},
		"OldestContent":      {"The order is fixed", "0.4.0", true, []Volume{controlPlane, metadata, content, cache}},
		"Unversioned":        {"Without a version there may be a cache", "", false, []Volume{controlPlane, metadata, cache}},
		"UnversionedContent": {"Without a version there may be a cache", "", true, []Volume{controlPlane, metadata, content, cache}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Volumes(release(tc.version), tc.content, "/fast/cache")); diff != "" {
				t.Errorf("%s\nVolumes(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestImage(t *testing.T) {
	want := []string{"/data/metadata", "/data/content", "/data/cache", "/config"}
	if diff := cmp.Diff(want, ImageVolumes()); diff != "" {
		t.Errorf("%s\nImageVolumes(): -want, +got:\n%s", "A volume of the image that is not covered loses data", diff)
	}

	want = []string{"/app", "/bin", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr"}
	if diff := cmp.Diff(want, SystemDirs()); diff != "" {
		t.Errorf("%s\nSystemDirs(): -want, +got:\n%s", "A volume over a directory of the image hides the server", diff)
	}

	want = []string{"start", "--foreground", "--config", "/config/config.yaml"}
	if diff := cmp.Diff(want, Args()); diff != "" {
		t.Errorf("%s\nArgs(): -want, +got:\n%s", "Without --foreground the container ends at once", diff)
	}
}

// TestFreshSlices changes the slices that it got, and checks that the next caller gets
// them unchanged.
func TestFreshSlices(t *testing.T) {
	for name, f := range map[string]func() []string{
		"ImageVolumes": ImageVolumes,
		"SystemDirs":   SystemDirs,
		"Args":         Args,
		"Volumes":      func() []string { return Volumes(Release{}, true, "/data/cache")[1].Paths },
	} {
		want := f()[0]
		f()[0] = "changed"

		if diff := cmp.Diff(want, f()[0]); diff != "" {
			t.Errorf("%s\n%s(): -want, +got:\n%s", "No caller can change what the next one gets", name, diff)
		}
	}
}

func TestIsBelow(t *testing.T) {
	cases := map[string]struct {
		reason string
		p, dir string
		want   bool
	}{
		"File":          {"A file in a directory is below it", "/data/a", "/data", true},
		"Deep":          {"So is one further down", "/data/a/b/c", "/data", true},
		"TrailingSlash": {"A slash at the end of the directory changes nothing", "/data/a", "/data/", true},
		"Itself":        {"A directory is not below itself", "/data", "/data", false},
		"Sibling":       {"A name that begins alike is another directory", "/database/a", "/data", false},
		"Parent":        {"A parent is not below its child", "/data", "/data/a", false},
		"Other":         {"Another directory is not below", "/tmp/a", "/data", false},
		"Root":          {"All is below the root", "/data", "/", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsBelow(tc.p, tc.dir); got != tc.want {
				t.Errorf("%s\nIsBelow(%q, %q): want %t, got %t", tc.reason, tc.p, tc.dir, tc.want, got)
			}
		})
	}
}

// TestNames repeats what the server and running pods hold the function to: a
// constant that changes is another variable, path or claim.
func TestNames(t *testing.T) {
	cases := map[string]struct{ got, want string }{
		"EnvPrefix":            {EnvPrefix, "DITTOFS_"},
		"EnvJWTSecret":         {EnvJWTSecret, "DITTOFS_CONTROLPLANE_SECRET"},
		"EnvAdminPassword":     {EnvAdminPassword, "DITTOFS_ADMIN_INITIAL_PASSWORD"},
		"EnvAdminPasswordHash": {EnvAdminPasswordHash, "DITTOFS_ADMIN_PASSWORD_HASH"},
		"EnvPostgresHost":      {EnvPostgresHost, "DITTOFS_DATABASE_POSTGRES_HOST"},
		"EnvPostgresPort":      {EnvPostgresPort, "DITTOFS_DATABASE_POSTGRES_PORT"},
		"EnvPostgresDatabase":  {EnvPostgresDatabase, "DITTOFS_DATABASE_POSTGRES_DATABASE"},
		"EnvPostgresUser":      {EnvPostgresUser, "DITTOFS_DATABASE_POSTGRES_USER"},
		"EnvPostgresPassword":  {EnvPostgresPassword, "DITTOFS_DATABASE_POSTGRES_PASSWORD"},
		"EnvPostgresSSLMode":   {EnvPostgresSSLMode, "DITTOFS_DATABASE_POSTGRES_SSLMODE"},
		"HealthPath":           {HealthPath, "/health"},
		"ReadyPath":            {ReadyPath, "/health/ready"},
		"TempDir":              {TempDir, "/tmp"},
	}
	for name, tc := range cases {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}

	if ID != 65532 {
		t.Errorf("%s\nID: want 65532, got %d", "The image's server runs as 65532", ID)
	}
}

func TestTouchesDatabase(t *testing.T) {
	volumes := Volumes(Release{}, true, "/data/cache")

	cases := map[string]struct {
		reason         string
		file, database string
		want           bool
	}{
		"Database":   {"The log would overwrite it", "/data/metadata/f.db", "/data/metadata/f.db", true},
		"OtherMount": {"It is the same file", "/data/store/metadata/a/f.db", "/data/metadata/a/f.db", true},
		"OtherWay":   {"It is the same file", "/data/metadata/f.db", "/data/store/metadata/f.db", true},
		"Content":    {"The content is mounted twice, too", "/data/content/f.db", "/data/store/block/f.db", true},
		"WAL":        {"SQLite would take the log for transactions", "/data/metadata/f.db-wal", "/data/metadata/f.db", true},
		"WALOther":   {"It is the same file", "/data/store/metadata/f.db-wal", "/data/metadata/f.db", true},
		"SHM":        {"SQLite shares memory there", "/data/metadata/f.db-shm", "/data/metadata/f.db", true},
		"Journal":    {"SQLite would roll back", "/data/metadata/f.db-journal", "/data/metadata/f.db", true},
		"Folder":     {"A file cannot be a folder", "/data/metadata/a", "/data/store/metadata/a/f.db", true},
		"InFolder":   {"A file cannot be a folder", "/data/metadata/f.db/log", "/data/metadata/f.db", true},

		"Beside":      {"Another file of the folder is free", "/data/metadata/f.log", "/data/metadata/f.db", false},
		"OtherSuffix": {"SQLite has no such file", "/data/metadata/f.db-log", "/data/metadata/f.db", false},
		"OtherVolume": {"Volumes have nothing in common", "/data/metadata/f.db", "/data/controlplane/f.db", false},
		"BothVolumes": {"Volumes have nothing in common", "/data/store/metadata/f.db", "/data/store/block/f.db", false},
		"NoVolume":    {"A file elsewhere has one path", "/tmp/f.db", "/data/metadata/f.db", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := TouchesDatabase(tc.file, tc.database, volumes); got != tc.want {
				t.Errorf("%s\nTouchesDatabase(%q, %q, ...): want %t, got %t", tc.reason, tc.file, tc.database, tc.want, got)
			}
		})
	}
}
