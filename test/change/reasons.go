package change

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/digest"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// reasons returns why a server restarts: what its digest covers, and what else its pod
// template has.
func reasons(before, after *controlPlane) []string {
	b, a := askedOf(before), askedOf(after)

	var out []string

	if manifest.ConfigHash(b[manifest.StatefulSet]) != manifest.ConfigHash(a[manifest.StatefulSet]) {
		if diffs := configDifferences(b[manifest.ConfigMap], a[manifest.ConfigMap]); len(diffs) > 0 {
			out = append(out, fmt.Sprintf("%s (%s)", dittofs.ConfigFile, paths(diffs)))
		}

		out = append(out, changedSecrets(before, after)...)
	}

	if diffs := templateDifferences(b[manifest.StatefulSet], a[manifest.StatefulSet]); len(diffs) > 0 {
		out = append(out, fmt.Sprintf("pod template (%s)", paths(diffs)))
	}

	if manifest.ConfigHash(b[manifest.StatefulSet]) != manifest.ConfigHash(a[manifest.StatefulSet]) {
		out = append(out, changedGeneration(before, after, len(out) == 0)...)
	}

	if len(out) == 0 {
		out = append(out, "the function writes other digests for the same (annotations of the pod template)")
	}

	return out
}

func askedOf(c *controlPlane) manifest.Manifests {
	m := manifest.Manifests{}
	for name, r := range desired(c) {
		m[manifest.Name(name)] = cluster.Asked(r)
	}

	return m
}

// configDifferences are those of two config.yaml: of its keys or, where these are equal,
// of its text.
func configDifferences(before, after *structpb.Struct) []Difference {
	b, a := manifest.Config(before), manifest.Config(after)
	if b == a {
		return nil
	}

	if diffs := Differences("", parsed(b), parsed(a)); len(diffs) > 0 {
		return diffs
	}

	return []Difference{{Path: "its text", Before: structpb.NewStringValue(b), After: structpb.NewStringValue(a)}}
}

// parsed returns a text of YAML as a value, or as it is.
func parsed(text string) *structpb.Value {
	v := &structpb.Value{}
	if b, err := yaml.YAMLToJSON([]byte(text)); err == nil && v.UnmarshalJSON(b) == nil {
		return v
	}

	return structpb.NewStringValue(text)
}

// changedSecrets names the keys of the Secrets which the function required that the digest
// covers, and that have another value.
func changedSecrets(before, after *controlPlane) []string {
	var changed []string

	// The composite resource was decoded by the function before.
	s, _ := composite.Decode(after.xr, after.side.Input)
	keys := s.Secrets()

	for _, sel := range after.response.GetRequirements().GetResources() {
		if sel.GetKind() != "Secret" {
			continue
		}

		find := func(c *controlPlane) *structpb.Struct {
			for _, s := range c.side.Secrets {
				if cluster.Selects(sel, s) {
					return s
				}
			}

			return nil
		}

		b, a := find(before), find(after)
		if b == nil || a == nil {
			continue
		}

		for _, k := range keys {
			if k.InDigest && k.Ref.Name == sel.GetMatchName() && !proto.Equal(protostruct.Get(b, "data", k.Ref.Key), protostruct.Get(a, "data", k.Ref.Key)) {
				changed = append(changed, fmt.Sprintf("Secret %s (%s)", k.Ref.Name, k.Ref.Key))
			}
		}
	}

	slices.Sort(changed)

	return slices.Compact(changed)
}

// changedGeneration tells how what the input takes for the generation changes.
func changedGeneration(before, after *controlPlane, isOnly bool) []string {
	// The composite resources were decoded by the function before.
	b, _ := composite.Decode(before.xr, before.side.Input)
	a, _ := composite.Decode(after.xr, after.side.Input)

	was, is := digest.Generation(b), digest.Generation(a)
	if bytes.Equal(was, is) {
		return nil
	}

	hint := ""
	if isOnly && a.Input.ConfigHash.Generation != v1beta1.GenerationNone {
		hint = fmt.Sprintf(", by configHash.generation %s alone", a.Input.ConfigHash.Generation)
	}

	switch from, to := b.Input.ConfigHash.Generation, a.Input.ConfigHash.Generation; {
	case from != to:
		return []string{fmt.Sprintf("input (configHash.generation goes from %s to %s)", from, to)}
	case to == v1beta1.GenerationSpec:
		return []string{fmt.Sprintf("spec (%s)%s", paths(Differences("", parsed(string(was)), parsed(string(is)))), hint)}
	default:
		return []string{"metadata.generation" + hint}
	}
}

// Annotations of the pod template that follow from all else.
//
//nolint:gochecknoglobals // A table.
var derived = []string{v1alpha1.AnnotationConfig, v1alpha1.AnnotationTemplateHash}

// templateDifferences are those of two pod templates, except digests.
func templateDifferences(before, after *structpb.Struct) []Difference {
	strip := func(s *structpb.Struct) *structpb.Value {
		for _, annotation := range append([]string{v1alpha1.AnnotationConfigHash}, derived...) {
			s = protostruct.With(s, nil, "spec", "template", "metadata", "annotations", annotation)
		}

		return template(s)
	}

	return Differences("", strip(before), strip(after))
}

// resourceDifferences are those of two composed resources: of what is asked for, and of
// the Object around it. config.yaml is compared by its keys.
func resourceDifferences(before, after *structpb.Struct) []Difference {
	b, a := cluster.Asked(before), cluster.Asked(after)

	var out []Difference

	if config := configDifferences(b, a); len(config) > 0 {
		for _, d := range config {
			d.Path = dittofs.ConfigFile + ": " + d.Path
			out = append(out, d)
		}

		a = protostruct.With(a, protostruct.Get(b, "data", dittofs.ConfigFile), "data", dittofs.ConfigFile)
	}

	// Show annotations that follow from other fields only if nothing else differs.
	bare := func(s *structpb.Struct) *structpb.Struct {
		if template(s) == nil {
			return s
		}

		for _, annotation := range derived {
			s = protostruct.With(s, nil, "spec", "template", "metadata", "annotations", annotation)
		}

		return s
	}

	diffs := Differences("", structpb.NewStructValue(bare(b)), structpb.NewStructValue(bare(a)))
	if len(diffs) == 0 {
		diffs = Differences("", structpb.NewStructValue(b), structpb.NewStructValue(a))
	}

	out = append(out, diffs...)

	if cluster.IsObject(before) && cluster.IsObject(after) {
		around := func(o *structpb.Struct) *structpb.Value {
			return structpb.NewStructValue(protostruct.With(o, nil, "spec", "forProvider", "manifest"))
		}
		out = append(out, Differences("Object", around(before), around(after))...)
	}

	return out
}

// machineryFields are the fields of a composite resource's spec that are Crossplane's.
func machineryFields(xr *structpb.Struct) map[string]*structpb.Value {
	s, _ := composite.Decode(xr, nil)
	fields := maps.Clone(protostruct.Get(xr, "spec").GetStructValue().GetFields())

	maps.DeleteFunc(fields, func(name string, _ *structpb.Value) bool {
		_, isUsers := s.UserSpec.GetFields()[name]
		return isUsers
	})

	return fields
}
