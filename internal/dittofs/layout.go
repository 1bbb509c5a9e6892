package dittofs

import (
	"path"
	"slices"
	"strings"
)

// Paths in the container.
const (
	// ConfigDir holds the configuration file.
	ConfigDir = "/config"

	// ConfigFile is the name of the configuration file in ConfigDir.
	ConfigFile = "config.yaml"

	// SecretsDir has a directory for each kind of secret that the server reads from
	// files. It lies in one of SystemDirs, where no volume of the server can be.
	SecretsDir = "/etc/dittofs/secrets"

	// TempDir is the only writable directory that no volume claim backs.
	TempDir = "/tmp"
)

// HTTP paths of the REST API that tell how the server is.
const (
	HealthPath = "/health"
	ReadyPath  = "/health/ready"
)

// ID is the user and group that the image runs the server as.
const ID = 65532

// Args returns the arguments that start the server. The image's entrypoint is its binary,
// whose path differs between releases. Without --foreground the server forks and the
// container ends.
func Args() []string {
	return []string{"start", "--foreground", "--config", path.Join(ConfigDir, ConfigFile)}
}

// Names of the volumes that the server writes to. They are those of the DittoFS
// operator, so that its claims can be adopted.
const (
	VolumeControlPlane = "controlplane"
	VolumeMetadata     = "metadata"
	VolumeContent      = "content"
	VolumeCache        = "cache"
)

// VolumeNames returns the names of all volumes that a release may have.
func VolumeNames() []string {
	return []string{VolumeControlPlane, VolumeMetadata, VolumeContent, VolumeCache}
}

// A Volume is persistent storage of the server.
type Volume struct {
	Name string

	// Paths where the volume is mounted. The administrator chooses over the REST API
	// where stores are: 0.4 suggests the first path, the operator of later releases the
	// second.
	Paths []string
}

// Volumes returns the persistent volumes of a release, in a fixed order. The cache is
// one of them in releases that have it, since it can hold a write-ahead log.
func Volumes(r Release, content bool, cachePath string) []Volume {
	v := []Volume{
		{Name: VolumeControlPlane, Paths: []string{"/data/controlplane"}},
		{Name: VolumeMetadata, Paths: []string{"/data/metadata", "/data/store/metadata"}},
	}
	if content {
		v = append(v, Volume{Name: VolumeContent, Paths: []string{"/data/content", "/data/store/block"}})
	}

	if r.Keys().Cache {
		v = append(v, Volume{Name: VolumeCache, Paths: []string{cachePath}})
	}

	return v
}

// ImageVolumes returns the paths that the image declares as VOLUME. A container
// runtime backs each that is not mounted with a writable directory, which is lost
// with the container.
func ImageVolumes() []string {
	return []string{"/data/metadata", "/data/content", "/data/cache", ConfigDir}
}

// SystemDirs returns directories of the image where no volume may be mounted.
func SystemDirs() []string {
	return []string{"/app", "/bin", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr"}
}

// SystemFiles returns files and directories of SystemDirs where nothing may be mounted, though
// files may be elsewhere in /etc: the kubelet mounts some of them itself.
func SystemFiles() []string {
	return []string{"/etc/group", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/nsswitch.conf", "/etc/passwd", "/etc/resolv.conf", SecretsDir}
}

// IsBelow reports whether a clean, absolute path is a file or directory below dir.
func IsBelow(p, dir string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// Same returns the path that a file has in the first of the directories that its volume is
// mounted at: two paths of one file have the same.
func Same(file string, volumes []Volume) string {
	for _, v := range volumes {
		for _, dir := range v.Paths {
			if IsBelow(file, dir) {
				return v.Paths[0] + strings.TrimPrefix(file, dir)
			}
		}
	}

	return file
}

// sqliteSuffixes are those of the files that SQLite keeps beside a database.
//
//nolint:gochecknoglobals // A table.
var sqliteSuffixes = []string{"-journal", "-shm", "-wal"}

// TouchesDatabase reports whether writing a file would harm an SQLite database: it is the
// database or a file that SQLite keeps beside it, or one cannot be where the other is.
func TouchesDatabase(file, database string, volumes []Volume) bool {
	file, database = Same(file, volumes), Same(database, volumes)
	suffix, isBeside := strings.CutPrefix(file, database)

	return isBeside && (suffix == "" || slices.Contains(sqliteSuffixes, suffix)) || IsBelow(file, database) || IsBelow(database, file)
}

// IsOn reports whether a file lies on one of the volumes.
func IsOn(file string, volumes []Volume) bool {
	return slices.ContainsFunc(volumes, func(v Volume) bool {
		return slices.ContainsFunc(v.Paths, func(dir string) bool { return IsBelow(file, dir) })
	})
}
