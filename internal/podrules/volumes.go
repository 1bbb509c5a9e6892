package podrules

import (
	"path"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// KeyName reports what cannot be a key of a Secret or a ConfigMap.
func KeyName(p *field.Path, key string) field.ErrorList {
	return fielderr.Messages(p, key, validation.IsConfigMapKey(key))
}

// FilePath reports what cannot be the path of a file in a volume. One that is not clean is
// refused here, since two such paths may be the same file.
func FilePath(p *field.Path, file string) field.ErrorList {
	if file == "" || path.IsAbs(file) || path.Clean(file) != file || file == "." || strings.HasPrefix(file, "..") || strings.ContainsFunc(file, unicode.IsControl) {
		return field.ErrorList{field.Invalid(p, file, "must be a clean, relative path that does not begin with two dots")}
	}

	if HasLongName(file) {
		return field.ErrorList{field.Invalid(p, file, IsTooLong)}
	}

	return nil
}

// Bounds of paths in bytes. Linux takes names of 255 (NAME_MAX), and paths of 4095, which a mount's
// and a file's in it are together, with what the container runtime puts before them. The API server takes
// more, and the kubelet then fails to mount the volume.
const (
	maxName = 255
	maxPath = 1024
)

// IsTooLong tells of a path that HasLongName.
const IsTooLong = "must have at most 1024 bytes, and 255 between two slashes: Linux takes no more"

// HasLongName reports whether a path, or a name of a file or directory in it, is too long for Linux.
func HasLongName(file string) bool {
	if len(file) > maxPath {
		return true
	}

	for name := range strings.SplitSeq(file, "/") {
		if len(name) > maxName {
			return true
		}
	}

	return false
}

// volumeFields are the fields of a pod that a file may have.
//
//nolint:gochecknoglobals // A table.
var volumeFields = []string{
	"metadata.name",
	"metadata.namespace",
	"metadata.uid",
	"metadata.labels",
	"metadata.annotations",
	"metadata.labels['<key>']",
	"metadata.annotations['<key>']",
}

// PodFile reports what cannot be the source of a file in a volume of the downward API. The
// container is the one whose resources it may have.
func PodFile(p *field.Path, fieldRef *corev1.ObjectFieldSelector, resource *corev1.ResourceFieldSelector, container string) field.ErrorList {
	if (fieldRef == nil) == (resource == nil) {
		return field.ErrorList{field.Required(p, "must have exactly one of fieldRef and resourceFieldRef")}
	}

	if resource != nil {
		return validateResourceFieldRef(p.Child("resourceFieldRef"), resource, container)
	}

	return validateFieldRef(p.Child("fieldRef"), fieldRef, volumeFields)
}
