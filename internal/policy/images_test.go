package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAllows(t *testing.T) {
	var (
		digest = "@sha256:" + strings.Repeat("a", 64)
		other  = "@sha256:" + strings.Repeat("b", 64)
	)

	cases := map[string]struct {
		reason string
		entry  string
		// want are images that it allows, and not are some that it does not.
		want, not []string
	}{
		"Repository": {
			reason: "A repository allows all of its images, and those below it.",
			entry:  "registry.example.org/files/dittofs",
			want:   []string{"registry.example.org/files/dittofs", "registry.example.org/files/dittofs:v1", "registry.example.org/files/dittofs" + digest, "registry.example.org/files/dittofs:v1" + digest, "registry.example.org/files/dittofs/debug:v1"},
			not:    []string{"registry.example.org/files/dittofs-of-others:v1", "registry.example.org/files:v1", "files/dittofs:v1", "registry.example.org:5000/files/dittofs:v1", "other.example.org/registry.example.org/files/dittofs:v1", "registry.example.org/files/DittoFS:v1"},
		},
		"Tag": {
			reason: "A digest beside the tag would decide, and can be of any image of the repository.",
			entry:  "registry.example.org/dittofs:v1",
			want:   []string{"registry.example.org/dittofs:v1"},
			not:    []string{"registry.example.org/dittofs:v1" + digest, "registry.example.org/dittofs" + digest, "registry.example.org/dittofs:v11", "registry.example.org/dittofs:v1-debug", "registry.example.org/dittofs", "registry.example.org/dittofs/debug:v1"},
		},
		"Latest": {
			reason: "Without a tag it is the latest.",
			entry:  "registry.example.org/dittofs:latest",
			want:   []string{"registry.example.org/dittofs", "registry.example.org/dittofs:latest"},
			not:    []string{"registry.example.org/dittofs" + digest},
		},
		"Digest": {
			reason: "A digest decides, whatever tag is beside it.",
			entry:  "registry.example.org/dittofs" + digest,
			want:   []string{"registry.example.org/dittofs" + digest, "registry.example.org/dittofs:v1" + digest},
			not:    []string{"registry.example.org/dittofs" + other, "registry.example.org/dittofs:v1", "registry.example.org/other" + digest},
		},
		"TagAndDigest": {
			reason: "A digest decides, whatever tag is beside it.",
			entry:  "registry.example.org/dittofs:v1" + digest,
			want:   []string{"registry.example.org/dittofs" + digest, "registry.example.org/dittofs:v1" + digest, "registry.example.org/dittofs:v2" + digest},
			not:    []string{"registry.example.org/dittofs:v1", "registry.example.org/dittofs:v1" + other},
		},
		"AnyTag": {
			reason: "A colon at the end asks for a tag.",
			entry:  "registry.example.org/dittofs:",
			want:   []string{"registry.example.org/dittofs:v1", "registry.example.org/dittofs"},
			not:    []string{"registry.example.org/dittofs" + digest, "registry.example.org/dittofs:v1" + digest, "registry.example.org/dittofs/debug:v1"},
		},
		"AnyDigest": {
			reason: "An @ at the end asks for a digest.",
			entry:  "registry.example.org/dittofs@",
			want:   []string{"registry.example.org/dittofs" + digest, "registry.example.org/dittofs:v1" + other},
			not:    []string{"registry.example.org/dittofs:v1", "registry.example.org/dittofs", "registry.example.org/other" + digest},
		},
		"AnySHA256": {
			reason: "Digests are of SHA-256.",
			entry:  "registry.example.org/dittofs@sha256:",
			want:   []string{"registry.example.org/dittofs" + digest},
			not:    []string{"registry.example.org/dittofs:v1"},
		},
		"Folder": {
			reason: "A slash at the end asks for more behind it.",
			entry:  "registry.example.org/files/",
			want:   []string{"registry.example.org/files/dittofs:v1", "registry.example.org/files/a/b" + digest},
			not:    []string{"registry.example.org/files:v1", "registry.example.org/files-of-others/dittofs:v1"},
		},
		"Registry": {
			reason: "A registry is no repository of Docker Hub.",
			entry:  "registry.example.org",
			want:   []string{"registry.example.org/dittofs:v1", "registry.example.org/a/b/c" + digest},
			not:    []string{"registry.example.org:v1", "registry.example.org", "registry.example.org:5000/dittofs:v1", "registry.example.org.evil.example/dittofs:v1"},
		},
		"RegistrySlash": {
			reason: "It may have a slash.",
			entry:  "registry.example.org/",
			want:   []string{"registry.example.org/dittofs:v1"},
			not:    []string{"registry.example.org:v1", "registry.example.org:5000/dittofs:v1"},
		},
		"RegistryPort": {
			reason: "A port is no tag.",
			entry:  "registry.example.org:5000",
			want:   []string{"registry.example.org:5000/dittofs:v1"},
			not:    []string{"registry.example.org:5000", "registry.example.org/dittofs:5000", "registry.example.org:50001/dittofs:v1"},
		},
		"LocalRegistry": {
			reason: "A registry may have a short name.",
			entry:  "localhost",
			want:   []string{"localhost/dittofs:v1"},
			not:    []string{"localhost:v1", "localhost:5000/dittofs:v1"},
		},
		"RegistryColon": {
			reason: "A port is part of a registry's name.",
			entry:  "registry.example.org:",
			not:    []string{"registry.example.org:5000/dittofs:v1", "registry.example.org/dittofs:v1"},
		},
		"DockerHub": {
			reason: "A name without a registry is Docker Hub's.",
			entry:  "marmos91c/dittofs",
			want:   []string{"marmos91c/dittofs:v1", "docker.io/marmos91c/dittofs:v1", "index.docker.io/marmos91c/dittofs:v1"},
			not:    []string{"registry.example.org/marmos91c/dittofs:v1"},
		},
		"DockerHubWithHost": {
			reason: "A name without a registry is Docker Hub's.",
			entry:  "docker.io/marmos91c/dittofs:v1",
			want:   []string{"marmos91c/dittofs:v1"},
			not:    []string{"marmos91c/dittofs:v2", "marmos91c/dittofs:v1" + digest},
		},
		"DockerHubFolder": {
			reason: "Somebody's images at Docker Hub are no images of its library.",
			entry:  "docker.io/marmos91c",
			want:   []string{"marmos91c/dittofs:v1"},
			not:    []string{"marmos91/dittofs:v1", "library/dittofs:v1"},
		},
		"DockerHubAll": {
			reason: "Docker Hub is a registry.",
			entry:  "docker.io",
			want:   []string{"marmos91c/dittofs:v1", "dittofs"},
			not:    []string{"registry.example.org/dittofs"},
		},
		"Empty":    {reason: "Nothing allows nothing.", entry: "", not: []string{"dittofs", "registry.example.org/dittofs:v1"}},
		"Slash":    {reason: "Nothing allows nothing.", entry: "/", not: []string{"dittofs", "registry.example.org/dittofs:v1"}},
		"At":       {reason: "Nothing allows nothing.", entry: "@", not: []string{"dittofs" + digest}},
		"Colon":    {reason: "Nothing allows nothing.", entry: ":", not: []string{"dittofs:v1"}},
		"Scheme":   {reason: "What is no image allows none.", entry: "https://registry.example.org/dittofs", not: []string{"registry.example.org/dittofs:v1"}},
		"Wildcard": {reason: "There are no wildcards.", entry: "registry.example.org/*", not: []string{"registry.example.org/dittofs:v1"}},
		"NoImage":  {reason: "What is no image is never allowed.", entry: "registry.example.org", not: []string{"", "registry.example.org/", "registry.example.org/dittofs:", "registry.example.org/dittofs@sha256:a", "https://registry.example.org/dittofs"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want, got := map[string]bool{}, map[string]bool{}

			for _, image := range tc.want {
				want[image], got[image] = true, allows(tc.entry, image)
			}

			for _, image := range tc.not {
				want[image], got[image] = false, allows(tc.entry, image)
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nallows(%q, ...): -want, +got:\n%s", tc.reason, tc.entry, diff)
			}
		})
	}
}
