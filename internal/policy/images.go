package policy

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// allows reports whether an entry of policy.images allows an image. Both are compared as they
// are parsed, so that an image means the same to the policy and to whoever pulls it: a digest
// decides, whatever tag is beside it, and a name without a registry is Docker Hub's. No entry
// allows what is longer than a spec can name: to parse a megabyte takes 40 ms.
func allows(entry, image string) bool {
	if len(image) > v1alpha1.MaxTextLength {
		return false
	}

	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return false
	}

	// Without tag and digest it is the latest.
	named = reference.TagNameOnly(named)

	if isFolder(entry) {
		return isBelow(named, entry)
	}

	if name, anyDigest := strings.CutSuffix(strings.TrimSuffix(entry, "sha256:"), "@"); anyDigest {
		return digestOf(named) != "" && isOf(named, name)
	}

	if name, anyTag := strings.CutSuffix(entry, ":"); anyTag {
		return tagOf(named) != "" && isOf(named, name)
	}

	want, err := reference.ParseNormalizedNamed(entry)
	if err != nil {
		return false
	}

	switch tag, digest := tagOf(want), digestOf(want); {
	case digest != "":
		return want.Name() == named.Name() && digest == digestOf(named)
	case tag != "":
		return want.Name() == named.Name() && tag == tagOf(named)
	default:
		return want.Name() == named.Name() || isBelow(named, entry)
	}
}

// isOf reports whether an image is of the repository that a text names, which has neither tag
// nor digest.
func isOf(image reference.Named, name string) bool {
	want, err := reference.ParseNormalizedNamed(name)
	return err == nil && reference.IsNameOnly(want) && want.Name() == image.Name()
}

// tagOf returns the tag that decides which image it is, or "".
func tagOf(image reference.Named) string {
	if tagged, ok := image.(reference.Tagged); ok && digestOf(image) == "" {
		return tagged.Tag()
	}

	return ""
}

// digestOf returns the digest of an image, or "".
func digestOf(image reference.Named) string {
	if digested, ok := image.(reference.Digested); ok {
		return digested.Digest().String()
	}

	return ""
}

// isFolder reports whether an entry can be nothing but a folder of repositories: it ends with
// a slash, or is a registry. Without a slash behind it, the parser takes a registry for a
// repository of Docker Hub, and its port for a tag.
func isFolder(entry string) bool {
	host, port, hasPort := strings.Cut(entry, ":")

	switch {
	case strings.HasSuffix(entry, "/"):
		return true
	case strings.ContainsAny(entry, "/@"):
		return false
	case hasPort:
		return port != "" && strings.Trim(port, "0123456789") == ""
	default:
		return host == "localhost" || strings.Contains(host, ".")
	}
}

// isBelow reports whether an image is of a repository below a folder.
func isBelow(image reference.Named, folder string) bool {
	folder = strings.TrimSuffix(folder, "/")

	// A folder becomes a name with two more parts: with one, Docker Hub's would become one
	// of its library.
	const below = "/a/a"

	named, err := reference.ParseNormalizedNamed(folder + below)

	return err == nil && folder != "" && strings.HasPrefix(image.Name(), strings.TrimSuffix(named.Name(), below)+"/")
}
