// Package main makes a container image from files, without a container engine.
//
// The same files give the same image, byte for byte: entries are sorted, owned by
// root and carry no time.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// CLI of the image maker.
type CLI struct {
	Add        []string `help:"A file or folder and where it goes in the image: SOURCE=/path. Symbolic links are followed." placeholder:"SOURCE=PATH"`
	Dir        []string `help:"An empty folder that User owns."`
	Entrypoint []string `help:"The entrypoint, an argument each."`
	Cmd        []string `help:"The default arguments, one each."`
	Env        []string `help:"Environment, NAME=VALUE."`
	User       string   `help:"User and group the image runs as, UID:GID." default:"0:0"`
	Workdir    string   `help:"Working directory."`
	Port       []string `help:"Exposed port, e.g. 9443/tcp."`
	Volume     []string `help:"Declared volume."`
	Platform   string   `help:"Platform of the binaries, os/arch." default:"linux/amd64"`

	Output string `help:"Write the image to this tarball." xor:"to"   required:""`
	Push   string `help:"Push the image to this reference." xor:"to"  required:""`
}

func main() {
	cli := &CLI{}
	k := kong.Parse(cli, kong.Description("Makes a container image from files."))
	k.FatalIfErrorf(cli.Run())
}

// Run makes the image and writes or pushes it.
func (c *CLI) Run() error {
	image, err := c.image()
	if err != nil {
		return err
	}

	if c.Push != "" {
		ref, err := name.ParseReference(c.Push)
		if err != nil {
			return err
		}

		return remote.Write(ref, image)
	}

	// A tarball wants a name; whoever loads it gives it one of its own.
	return tarball.WriteToFile(c.Output, name.MustParseReference("image:built"), image)
}

func (c *CLI) image() (v1.Image, error) {
	layer, err := c.layer()
	if err != nil {
		return nil, err
	}

	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}

	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}

	platform, err := v1.ParsePlatform(c.Platform)
	if err != nil {
		return nil, err
	}

	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{
		User:         c.User,
		WorkingDir:   c.Workdir,
		Entrypoint:   c.Entrypoint,
		Cmd:          c.Cmd,
		Env:          c.Env,
		ExposedPorts: set(c.Port),
		Volumes:      set(c.Volume),
	}

	return mutate.ConfigFile(image, config)
}

func set(keys []string) map[string]struct{} {
	if len(keys) == 0 {
		return nil
	}

	s := map[string]struct{}{}
	for _, k := range keys {
		s[k] = struct{}{}
	}

	return s
}

// entry is a file (with a source) or a folder of the image.
type entry struct {
	header *tar.Header
	source string
}

func (c *CLI) layer() (v1.Layer, error) {
	entries := map[string]entry{}

	for _, add := range c.Add {
		source, to, ok := strings.Cut(add, "=")
		if !ok || !path.IsAbs(to) {
			return nil, fmt.Errorf("--add=%s: want SOURCE=/path", add)
		}

		if err := addTree(entries, source, to); err != nil {
			return nil, err
		}
	}

	var uid, gid int
	if _, err := fmt.Sscanf(c.User, "%d:%d", &uid, &gid); err != nil {
		return nil, fmt.Errorf("--user=%s: want UID:GID", c.User)
	}

	for _, dir := range c.Dir {
		addDir(entries, dir).header.Uid = uid
		entries[dir].header.Gid = gid
	}

	content, err := archive(entries)
	if err != nil {
		return nil, err
	}

	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
}

func addTree(entries map[string]entry, source, to string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}

	if !info.IsDir() {
		return addFile(entries, source, to, info)
	}

	return filepath.WalkDir(source, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		info, err := os.Stat(file)
		if err != nil {
			return err
		}

		relative, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}

		switch in := path.Join(to, relative); {
		case d.IsDir():
			addDir(entries, in)

			return nil
		case info.IsDir(): // A link to a folder.
			return addTree(entries, file+"/", in)
		default:
			return addFile(entries, file, in, info)
		}
	})
}

func addFile(entries map[string]entry, source, to string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder", source)
	}

	addDir(entries, path.Dir(to))
	entries[to] = entry{source: source, header: &tar.Header{
		Typeflag: tar.TypeReg, Name: to[1:], Size: info.Size(), Mode: int64(info.Mode().Perm() | 0o444), ModTime: time.Unix(0, 0),
	}}

	return nil
}

func addDir(entries map[string]entry, dir string) entry {
	for d := dir; d != "/"; d = path.Dir(d) {
		if _, ok := entries[d]; !ok {
			entries[d] = entry{header: &tar.Header{Typeflag: tar.TypeDir, Name: d[1:] + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}}
		}
	}

	return entries[dir]
}

// archive keeps the layer in memory: the largest is that of a database server.
func archive(entries map[string]entry) ([]byte, error) {
	paths := make([]string, 0, len(entries))
	for p := range entries {
		paths = append(paths, p)
	}

	slices.Sort(paths)

	buffer := &bytes.Buffer{}
	w := tar.NewWriter(buffer)

	for _, p := range paths {
		e := entries[p]
		if err := w.WriteHeader(e.header); err != nil {
			return nil, err
		}

		if e.source == "" {
			continue
		}

		content, err := os.ReadFile(e.source)
		if err != nil {
			return nil, err
		}

		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}

	return buffer.Bytes(), w.Close()
}
