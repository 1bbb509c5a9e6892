package manifest

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A server's PersistentVolumeClaims are no rows of the table: Kubernetes creates them of the
// StatefulSet's templates, and nothing here may delete one or create one. The function composes
// an Object for a claim only while the claim is to grow, and it counts neither as ready nor as applied.

// claimPrefix begins the names of composed resources that stand for claims.
const claimPrefix = "claim-"

// ClaimRow returns the row of the claim of a volume.
func ClaimRow(volume string) Row {
	return Row{Name: Name(claimPrefix + volume), Kind: corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), Ready: isThere}
}

// ClaimRows returns the rows of all claims that a server may have, by their volumes.
func ClaimRows() iter.Seq2[string, Row] {
	return func(yield func(string, Row) bool) {
		for _, v := range dittofs.VolumeNames() {
			if !yield(v, ClaimRow(v)) {
				return
			}
		}
	}
}

// IsClaim reports whether a composed resource stands for a claim.
func IsClaim(n Name) bool {
	volume, ok := strings.CutPrefix(string(n), claimPrefix)
	return ok && slices.Contains(dittofs.VolumeNames(), volume)
}

// ClaimName returns the name of the PersistentVolumeClaim of a server's volume, as the
// StatefulSet's controller names it.
func ClaimName(server, volume string) string { return volume + "-" + server + "-0" }

// Claim returns the manifest of an existing claim: its name and, unless they are "", the size
// and the volume attributes class to ask for, and the version that this is asked of: what
// somebody else asked for since is not taken back. It has no access modes, so that nothing can
// be created of it.
func Claim(s *composite.DittoServer, volume, size, attributes, version string) *structpb.Struct {
	apiVersion, kind := ClaimRow(volume).Kind.ToAPIVersionAndKind()

	m := &structpb.Struct{Fields: map[string]*structpb.Value{
		"apiVersion": structpb.NewStringValue(apiVersion),
		"kind":       structpb.NewStringValue(kind),
		"metadata": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"name":      structpb.NewStringValue(ClaimName(s.Name, volume)),
			"namespace": structpb.NewStringValue(s.Namespace),
		}}),
	}}

	if version != "" {
		protostruct.Set(m, structpb.NewStringValue(version), "metadata", "resourceVersion")
	}

	if size != "" {
		protostruct.Set(m, structpb.NewStringValue(size), "spec", "resources", "requests", string(corev1.ResourceStorage))
	}

	if attributes != "" {
		protostruct.Set(m, structpb.NewStringValue(attributes), "spec", "volumeAttributesClassName")
	}

	return m
}

// A ClaimNote is what is known of a claim, where the StatefulSet's template of it may tell otherwise.
type ClaimNote struct {
	// Size that the claim is known to have, or "".
	Size string `json:"size,omitempty"`

	// Attributes is the volume attributes class that the claim is known to have, or "".
	Attributes string `json:"attributes,omitempty"`

	// Older reports whether the claim may be older than the template, and so have another size
	// and other classes.
	Older bool `json:"older,omitempty"`
}

// ClaimNotes returns what a ConfigMap's manifest notes of claims, by their volumes.
func ClaimNotes(configMap *structpb.Struct) map[string]ClaimNote {
	notes := map[string]ClaimNote{}
	if !decodeAnnotation(configMap, v1alpha1.AnnotationClaims, &notes) {
		return nil
	}

	maps.DeleteFunc(notes, func(volume string, _ ClaimNote) bool { return !slices.Contains(dittofs.VolumeNames(), volume) })

	return notes
}

// CreatedAnew returns the digest that a ConfigMap's manifest notes while a StatefulSet is
// recreated, or "".
func CreatedAnew(configMap *structpb.Struct) string {
	return annotation(configMap, v1alpha1.AnnotationCreatedAnew)
}

// ClaimNotesAnnotation returns the value of the annotation that has notes of claims.
func ClaimNotesAnnotation(notes map[string]ClaimNote) *structpb.Value { return encodeAnnotation(notes) }
