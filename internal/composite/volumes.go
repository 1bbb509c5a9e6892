package composite

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// Bounds of extra volumes. Their files are keys of Secrets and ConfigMaps, of which nobody needs
// so many, and each Secret that restarts the server is in every call.
const (
	maxExtraVolumes = 16
	maxFiles        = 64
)

// extraPrefix begins the name of each volume that the user asks for, so that it is none of the
// function's, today's or later ones.
const extraPrefix = "extra-"

// systemConfig is the one of dittofs.SystemDirs in which there may be files of volumes.
const systemConfig = "/etc"

// ExtraVolumeName returns the name of the pod's volume.
func ExtraVolumeName(v *v1alpha1.ExtraVolume) string { return extraPrefix + v.Name }

// IsExtraVolume reports whether a volume of the pod with this name is one that the user asks for.
func IsExtraVolume(name string) bool { return strings.HasPrefix(name, extraPrefix) }

// extraSecretKeys returns the keys of Secrets that are files of extra volumes. The kubelet starts no
// pod without one, so that all must be there; only those of volumes that restart the server are in
// the digest. A key that becomes many files counts once: to decode a large one for each would take
// more memory than the function has.
func extraSecretKeys(spec *v1alpha1.DittoServerSpec) []SecretKey {
	seen := sets.New[[2]string]()
	// A key of both kinds of volumes restarts the server.
	keys := volumeSecretKeys(spec, true, seen)

	return append(keys, volumeSecretKeys(spec, false, seen)...)
}

// volumeSecretKeys returns the keys that have not been seen before, of volumes that restart the
// server or of the others.
func volumeSecretKeys(spec *v1alpha1.DittoServerSpec, restarts bool, seen sets.Set[[2]string]) []SecretKey {
	var keys []SecretKey

	for i, v := range spec.ExtraVolumes {
		if v.Secret == nil || (v.OnChange == v1alpha1.OnChangeRestart) != restarts {
			continue
		}

		p := field.NewPath("spec", "extraVolumes").Index(i).Child("secret")

		for j, item := range v.Secret.Items {
			id := [2]string{v.Secret.SecretName, item.Key}
			if seen.Has(id) {
				continue
			}

			seen.Insert(id)

			keys = append(keys, SecretKey{
				Role:     Role("volume-" + v.Name),
				Ref:      &SecretKeyRef{Name: v.Secret.SecretName, NamePath: p.Child("secretName").String(), Key: item.Key, KeyPath: p.Child("items").Index(j).Child("key").String()},
				InDigest: restarts,
				// Only the user and the server know what the file is for.
				Check: func([]byte) string { return "" },
			})
		}
	}

	return keys
}

func (s *DittoServer) validateExtraVolumes(p *field.Path) field.ErrorList {
	volumes := s.Spec.ExtraVolumes
	if len(volumes) > maxExtraVolumes {
		return field.ErrorList{fielderr.TooMany(p, len(volumes), maxExtraVolumes, "volumes")}
	}

	names, mounted := sets.New[string](), s.takenByMounts()

	return fielderr.Each(p, volumes, func(p *field.Path, v *v1alpha1.ExtraVolume) field.ErrorList {
		errs := fielderr.Messages(p.Child("name"), v.Name, validation.IsDNS1123Label(v.Name))
		if longest := validation.DNS1123LabelMaxLength - len(extraPrefix); len(v.Name) > longest {
			errs = append(errs, field.TooLong(p.Child("name"), "", longest))
		}

		if names.Has(v.Name) {
			errs = append(errs, field.Duplicate(p.Child("name"), v.Name))
		}

		names.Insert(v.Name)

		errs = append(errs, validateMountPath(p.Child("mountPath"), v.MountPath, mounted)...)
		mounted = append(mounted, v.MountPath)

		errs = append(errs, fielderr.OneOf(p.Child("onChange"), v.OnChange, v1alpha1.OnChangeIgnore, v1alpha1.OnChangeRestart)...)
		if v.OnChange == v1alpha1.OnChangeRestart && v.Secret == nil {
			errs = append(errs, field.Invalid(p.Child("onChange"), v.OnChange, "only a Secret can restart the server: the function reads nothing else"))
		}

		return append(errs, validateSource(p, v)...)
	})
}

// takenByMounts returns the directories where nothing else may be mounted, nor above or below
// them.
func (s *DittoServer) takenByMounts() []string {
	taken := slices.Concat([]string{dittofs.ConfigDir, dittofs.TempDir}, dittofs.ImageVolumes(), dittofs.SystemFiles())

	// A server that comes back may have a cache, and content that it gets later.
	for _, v := range dittofs.Volumes(dittofs.Release{}, true, s.Spec.Cache.Path) {
		taken = append(taken, v.Paths...)
	}

	for _, dir := range dittofs.SystemDirs() {
		if dir != systemConfig {
			taken = append(taken, dir)
		}
	}

	return taken
}

func validateMountPath(p *field.Path, mount string, taken []string) field.ErrorList {
	switch {
	case !isFilePath(mount):
		return field.ErrorList{field.Invalid(p, mount, "must be an absolute, clean path")}
	case strings.Contains(mount, ":"):
		return field.ErrorList{field.Invalid(p, mount, "must not contain ':': Kubernetes does not mount such a path")}
	case podrules.HasLongName(mount):
		return field.ErrorList{field.Invalid(p, mount, podrules.IsTooLong)}
	case mount == systemConfig:
		return field.ErrorList{field.Invalid(p, mount, "must not overlap "+systemConfig)}
	}

	for _, dir := range taken {
		if mount == dir || dittofs.IsBelow(mount, dir) || dittofs.IsBelow(dir, mount) {
			return field.ErrorList{field.Invalid(p, mount, "must not overlap "+dir)}
		}
	}

	return nil
}

func validateSource(p *field.Path, v *v1alpha1.ExtraVolume) field.ErrorList {
	var (
		errs field.ErrorList
		n    int
	)

	if secret := v.Secret; secret != nil {
		n++

		errs = append(errs, podrules.SecretName(p.Child("secret", "secretName"), secret.SecretName)...)
		errs = append(errs, validateFiles(p.Child("secret", "items"), secret.Items)...)
	}

	if cm := v.ConfigMap; cm != nil {
		n++

		if cm.Name == "" {
			errs = append(errs, field.Required(p.Child("configMap", "name"), ""))
		}

		errs = append(errs, podrules.ObjectName(p.Child("configMap", "name"), cm.Name)...)
		errs = append(errs, validateFiles(p.Child("configMap", "items"), cm.Items)...)
	}

	if pod := v.DownwardAPI; pod != nil {
		n++

		errs = append(errs, validatePodFiles(p.Child("downwardAPI", "items"), pod.Items)...)
	}

	if n != 1 {
		errs = append(errs, field.Required(p, "must have exactly one of secret, configMap and downwardAPI"))
	}

	return errs
}

func validateFiles(p *field.Path, items []v1alpha1.FileItem) field.ErrorList {
	paths := newFilePaths()

	return append(validateNumber(p, len(items)), fielderr.Each(p, items[:min(len(items), maxFiles)], func(p *field.Path, item *v1alpha1.FileItem) field.ErrorList {
		errs := podrules.KeyName(p.Child("key"), item.Key)
		// Without a path it is the key's name.
		if len(errs) > 0 && item.Path == item.Key {
			return errs
		}

		return append(errs, paths.add(p.Child("path"), item.Path)...)
	})...)
}

func validatePodFiles(p *field.Path, items []v1alpha1.PodFile) field.ErrorList {
	paths := newFilePaths()

	return append(validateNumber(p, len(items)), fielderr.Each(p, items[:min(len(items), maxFiles)], func(p *field.Path, item *v1alpha1.PodFile) field.ErrorList {
		errs := podrules.PodFile(p, item.FieldRef, item.ResourceFieldRef, v1alpha1.Container)

		return append(errs, paths.add(p.Child("path"), item.Path)...)
	})...)
}

func validateNumber(p *field.Path, n int) field.ErrorList {
	switch {
	case n == 0:
		return field.ErrorList{field.Required(p, "name each file, so that the pod does not start without one")}
	case n > maxFiles:
		return field.ErrorList{fielderr.TooMany(p, n, maxFiles, "files")}
	default:
		return nil
	}
}

// filePaths are the files of a volume, and the directories that they are in.
type filePaths struct{ files, dirs sets.Set[string] }

func newFilePaths() filePaths { return filePaths{files: sets.New[string](), dirs: sets.New[string]()} }

// add a file, and report one that cannot be beside those before it.
func (f filePaths) add(p *field.Path, file string) field.ErrorList {
	if errs := podrules.FilePath(p, file); len(errs) > 0 {
		return errs
	}

	conflict := f.files.Has(file) || f.dirs.Has(file)

	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		conflict = conflict || f.files.Has(dir)
		f.dirs.Insert(dir)
	}

	f.files.Insert(file)

	if conflict {
		return field.ErrorList{field.Invalid(p, file, "must not be, or be in, another file of the volume, nor the directory of one")}
	}

	return nil
}
