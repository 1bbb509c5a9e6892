package composite

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

func TestClaims(t *testing.T) {
	s := &v1alpha1.Storage{
		ControlPlaneSize: "1Gi", MetadataSize: "10Gi", ContentSize: "1Ti",
		StorageClassName: new("standard"), MetadataStorageClassName: new(""), ContentStorageClassName: new("large"),
		ContentDataSource: &v1alpha1.DataSource{Name: "first"},
	}

	want := []Claim{
		{Volume: dittofs.VolumeControlPlane, Size: "1Gi", Class: new("standard"), SizeField: "controlPlaneSize", ClassField: "storageClassName", SourceField: "controlPlaneDataSource"},
		{Volume: dittofs.VolumeMetadata, Size: "10Gi", Class: new(""), SizeField: "metadataSize", ClassField: "metadataStorageClassName", SourceField: "metadataDataSource"},
		{Volume: dittofs.VolumeContent, Size: "1Ti", Class: new("large"), Source: "first", SizeField: "contentSize", ClassField: "contentStorageClassName", SourceField: "contentDataSource"},
		{Volume: dittofs.VolumeCache, Class: new("standard"), SizeField: "cacheSize", ClassField: "storageClassName", SourceField: "cacheDataSource"},
	}

	if diff := cmp.Diff(want, Claims(s)); diff != "" {
		t.Errorf("Claims(...): -want, +got:\n%s", diff)
	}
}

func TestStorageOfClaims(t *testing.T) {
	source := &v1alpha1.DataSource{Name: "first"}

	type fault struct {
		Type  field.ErrorType
		Field string
	}

	cases := map[string]struct {
		reason string
		s      v1alpha1.Storage
		want   []fault
	}{
		"None":       {"Nothing is asked for.", v1alpha1.Storage{}, nil},
		"Size":       {"A size is a quantity.", v1alpha1.Storage{CacheSize: "none"}, []fault{{field.ErrorTypeInvalid, "spec.storage.cacheSize"}}},
		"Classes":    {"A class has the name of an object.", v1alpha1.Storage{StorageClassName: new(""), ControlPlaneStorageClassName: new("A"), CacheStorageClassName: new("b c")}, []fault{{field.ErrorTypeInvalid, "spec.storage.controlPlaneStorageClassName"}, {field.ErrorTypeInvalid, "spec.storage.cacheStorageClassName"}}},
		"Attributes": {"No attributes class has no name.", v1alpha1.Storage{VolumeAttributesClassName: new("")}, []fault{{field.ErrorTypeInvalid, "spec.storage.volumeAttributesClassName"}}},
		"Source":     {"A source needs its class.", v1alpha1.Storage{MetadataSize: "1Gi", MetadataDataSource: source, MetadataStorageClassName: new("fast")}, nil},
		"NoClass":    {"The default class may ignore it.", v1alpha1.Storage{MetadataSize: "1Gi", MetadataDataSource: source}, []fault{{field.ErrorTypeForbidden, "spec.storage.metadataDataSource"}}},
		"EmptyClass": {"So does a volume that an administrator made.", v1alpha1.Storage{MetadataSize: "1Gi", MetadataDataSource: source, StorageClassName: new("")}, []fault{{field.ErrorTypeForbidden, "spec.storage.metadataDataSource"}}},
		"NoClaim":    {"There is nothing to fill.", v1alpha1.Storage{ContentDataSource: source, StorageClassName: new("fast")}, []fault{{field.ErrorTypeForbidden, "spec.storage.contentDataSource"}}},
		"NoName":     {"A snapshot has a name.", v1alpha1.Storage{MetadataSize: "1Gi", MetadataDataSource: &v1alpha1.DataSource{}, StorageClassName: new("fast")}, []fault{{field.ErrorTypeInvalid, "spec.storage.metadataDataSource.name"}}},
		"Metadata":   {"What decides on volumes is not the user's.", v1alpha1.Storage{Annotations: map[string]string{"volume.beta.kubernetes.io/storage-class": "fast"}, Labels: map[string]string{"app.kubernetes.io/instance": "other"}}, []fault{{field.ErrorTypeForbidden, "spec.storage.labels[app.kubernetes.io/instance]"}, {field.ErrorTypeForbidden, "spec.storage.annotations[volume.beta.kubernetes.io/storage-class]"}}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []fault
			for _, err := range validateStorage(field.NewPath("spec", "storage"), &tc.s) {
				got = append(got, fault{err.Type, err.Field})
			}

			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nvalidateStorage(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestClaimMetadata(t *testing.T) {
	s := &DittoServer{
		Spec:  v1alpha1.DittoServerSpec{Labels: map[string]string{"a": "spec", "b": "spec", "c": "spec", "d": "spec"}, Storage: v1alpha1.Storage{Labels: map[string]string{"b": "storage", "c": "storage", "d": "storage"}}},
		Input: v1beta1.Input{Labels: map[string]string{"c": "input", "d": "input"}, Claims: v1beta1.Claims{Labels: map[string]string{"d": "claims"}}},
	}

	want := map[string]string{"a": "spec", "b": "storage", "c": "input", "d": "claims"}
	if diff := cmp.Diff(want, s.ClaimLabels()); diff != "" {
		t.Errorf("s.ClaimLabels(): -want, +got:\n%s", diff)
	}

	s.Spec.Annotations, s.Spec.Storage.Annotations, s.Input.Annotations, s.Input.Claims.Annotations = s.Spec.Labels, s.Spec.Storage.Labels, s.Input.Labels, s.Input.Claims.Labels
	if diff := cmp.Diff(want, s.ClaimAnnotations()); diff != "" {
		t.Errorf("s.ClaimAnnotations(): -want, +got:\n%s", diff)
	}
}

func TestSourceWarnings(t *testing.T) {
	source := &v1alpha1.DataSource{Name: "first"}
	small := v1alpha1.Storage{ControlPlaneSize: "1Gi", MetadataSize: "1Gi"}

	some, all, content := small, small, small
	some.MetadataDataSource = source
	all.MetadataDataSource, all.ControlPlaneDataSource = source, source
	content.MetadataDataSource, content.ControlPlaneDataSource, content.ContentSize, content.CacheSize = source, source, "1Gi", "1Gi"

	cases := map[string]struct {
		reason   string
		storage  v1alpha1.Storage
		postgres bool
		want     int
	}{
		"None":     {"All begin empty.", small, false, 0},
		"All":      {"All begin with a snapshot.", all, false, 0},
		"Some":     {"The stores refer to each other.", some, false, 1},
		"Content":  {"Content without its snapshot is lost.", content, false, 1},
		"Postgres": {"The control plane is elsewhere.", some, true, 0},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &DittoServer{Spec: v1alpha1.DittoServerSpec{Storage: tc.storage}}
			if tc.postgres {
				s.Spec.Database.Postgres = &v1alpha1.Postgres{}
			}

			if got := s.sourceWarnings(); len(got) != tc.want {
				t.Errorf("%s\ns.sourceWarnings(): want %d, got %v", tc.reason, tc.want, got)
			}
		})
	}
}
