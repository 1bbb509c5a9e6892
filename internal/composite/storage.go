package composite

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// commonClassField is the field of spec.storage that tells the class of claims without one of their own.
const commonClassField = "storageClassName"

// A Claim is what the spec asks of the claim of a volume.
type Claim struct {
	Volume string

	// Size as the spec has it, or "".
	Size string

	// Class is nil for the cluster's default storage class.
	Class *string

	// Source is the name of the VolumeSnapshot that the claim begins with, or "".
	Source string

	// SizeField, ClassField and SourceField are the fields of spec.storage that tell these.
	SizeField, ClassField, SourceField string
}

// Claims returns what the spec asks of the claims that a server may have.
func Claims(s *v1alpha1.Storage) []Claim {
	all := []Claim{
		claim(dittofs.VolumeControlPlane, "controlPlane", s.ControlPlaneSize, s.ControlPlaneStorageClassName, s.ControlPlaneDataSource),
		claim(dittofs.VolumeMetadata, "metadata", s.MetadataSize, s.MetadataStorageClassName, s.MetadataDataSource),
		claim(dittofs.VolumeContent, "content", s.ContentSize, s.ContentStorageClassName, s.ContentDataSource),
		claim(dittofs.VolumeCache, "cache", s.CacheSize, s.CacheStorageClassName, nil),
	}

	for i := range all {
		if all[i].Class == nil {
			all[i].Class, all[i].ClassField = s.StorageClassName, commonClassField
		}
	}

	return all
}

// ClaimOf returns what the spec asks of the claim of a volume.
func ClaimOf(s *v1alpha1.Storage, volume string) Claim {
	for _, c := range Claims(s) {
		if c.Volume == volume {
			return c
		}
	}

	return Claim{Volume: volume}
}

// claim returns the Claim whose fields begin with a prefix.
func claim(volume, prefix, size string, class *string, source *v1alpha1.DataSource) Claim {
	return Claim{
		Volume: volume, Size: size, Class: class, Source: sourceName(source),
		SizeField: prefix + "Size", ClassField: prefix + "StorageClassName", SourceField: prefix + "DataSource",
	}
}

func sourceName(s *v1alpha1.DataSource) string {
	if s == nil {
		return ""
	}

	return s.Name
}

func validateStorage(p *field.Path, s *v1alpha1.Storage) field.ErrorList {
	errs := validateMetadata(p, s.Labels, s.Annotations)
	errs = append(errs, validateClassName(p.Child(commonClassField), s.StorageClassName)...)

	for _, c := range Claims(s) {
		if c.ClassField != commonClassField {
			errs = append(errs, validateClassName(p.Child(c.ClassField), c.Class)...)
		}
	}

	if c := s.VolumeAttributesClassName; c != nil {
		errs = append(errs, fielderr.Messages(p.Child("volumeAttributesClassName"), *c, validation.IsDNS1123Subdomain(*c))...)
	}

	sources := map[string]*v1alpha1.DataSource{dittofs.VolumeControlPlane: s.ControlPlaneDataSource, dittofs.VolumeMetadata: s.MetadataDataSource, dittofs.VolumeContent: s.ContentDataSource}

	for _, c := range Claims(s) {
		if q, err := quantity.Parse(c.Size); c.Size != "" && (err != nil || q.Sign() <= 0) {
			errs = append(errs, field.Invalid(p.Child(c.SizeField), c.Size, "must be a Kubernetes quantity above zero, such as 10Gi"))
		}

		if sources[c.Volume] != nil {
			errs = append(errs, validateDataSource(p.Child(c.SourceField), c)...)
		}
	}

	return errs
}

// validateClassName reports what cannot be the name of a class. An empty one is a value: no dynamic
// provisioning.
func validateClassName(p *field.Path, name *string) field.ErrorList {
	if name == nil || *name == "" {
		return nil
	}

	return fielderr.Messages(p, *name, validation.IsDNS1123Subdomain(*name))
}

// validateDataSource reports a source that a claim may silently do without: it would be empty, and the
// server would start on it.
func validateDataSource(p *field.Path, c Claim) field.ErrorList {
	errs := fielderr.Messages(p.Child("name"), c.Source, validation.IsDNS1123Subdomain(c.Source))

	switch {
	case c.Class == nil || *c.Class == "":
		errs = append(errs, field.Forbidden(p, "a claim with a source needs a storage class of the driver that made the snapshot, since other drivers may make an empty volume: set "+c.ClassField))
	case c.Size == "":
		errs = append(errs, field.Forbidden(p, "there is no such claim: set "+c.SizeField))
	}

	return errs
}

// DataVolumes returns the volumes of a server that have data it cannot make again.
func (s *DittoServer) DataVolumes() []string {
	var volumes []string

	for _, v := range s.Volumes() {
		if s.hasData(v.Name) {
			volumes = append(volumes, v.Name)
		}
	}

	return volumes
}

// hasData reports whether a volume has data that the server cannot make again.
func (s *DittoServer) hasData(volume string) bool {
	return volume != dittofs.VolumeCache && (volume != dittofs.VolumeControlPlane || !s.Spec.UsesPostgres())
}

// sourceWarnings tells of claims that begin empty beside others that do not.
func (s *DittoServer) sourceWarnings() []string {
	var with, without []string

	for _, c := range Claims(&s.Spec.Storage) {
		switch {
		case c.Size == "" || !s.hasData(c.Volume):
		case c.Source == "":
			without = append(without, c.Volume)
		default:
			with = append(with, c.Volume)
		}
	}

	if len(with) == 0 || len(without) == 0 {
		return nil
	}

	return []string{"spec.storage: some new claims begin with a snapshot (" + strings.Join(with, ", ") + ") and others empty (" + strings.Join(without, ", ") + "): restore all of them from the same moment"}
}
