package guard

import (
	"maps"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Digester knows the rollout digests of a server.
type Digester interface {
	// Of returns the digest over a config.yaml.
	Of(config []byte) string

	// Same returns the digest without the storage of one over a config.yaml that covers it, or
	// "" if it does not.
	Same(digest string, config []byte) string
}

// Apply returns the manifests to compose: the desired ones, with what a Decision keeps of
// the observed ones, or of those that a server returns to. It does not modify what it is given.
func Apply(d Decision, desired, returning manifest.Manifests, o observed.Resources, digests Digester) manifest.Manifests {
	m := patched(maps.Clone(desired))

	for n, class := range d.Classes {
		m.set(n, stringOrNil(class), "spec", "loadBalancerClass")
	}

	for n, ranges := range d.Ranges {
		m.set(n, listOf(ranges), "spec", "loadBalancerSourceRanges")
	}

	for n, families := range d.Families {
		m.set(n, listOf(families.List), "spec", "ipFamilies")

		if families.Policy != "" {
			m.set(n, structpb.NewStringValue(families.Policy), "spec", "ipFamilyPolicy")
		}
	}

	if d.Config != "" {
		m.set(manifest.ConfigMap, structpb.NewStringValue(d.Config), "data", dittofs.ConfigFile)
	}

	if d.Record != nil {
		m.annotate(d.Record.Annotation(), v1alpha1.AnnotationRan)
	}

	if len(d.ClaimNotes) > 0 {
		m.annotate(manifest.ClaimNotesAnnotation(d.ClaimNotes), v1alpha1.AnnotationClaims)
	}

	if d.CreatedAnew != "" {
		m.annotate(structpb.NewStringValue(d.CreatedAnew), v1alpha1.AnnotationCreatedAnew)
	}

	if note := d.Seeded.Annotation(); note != nil {
		m.annotate(note, v1alpha1.AnnotationSeeded)
	}

	if d.KeepsSeeds {
		for key, value := range manifest.KeptSeeds(o.Asked(manifest.ConfigMap), desired[manifest.ConfigMap]) {
			m.set(manifest.ConfigMap, structpb.NewStringValue(value), "data", key)
		}
	}

	if d.PreventsStart {
		m.set(manifest.ConfigMap, nil, manifest.StartPath()...)
	}

	if d.LeaveOut {
		delete(m, manifest.StatefulSet)
		return manifest.Manifests(m)
	}

	for _, f := range d.Immutable {
		m.set(manifest.StatefulSet, protostruct.Get(o.Asked(manifest.StatefulSet), "spec", f), "spec", f)
	}

	if d.LiveClaims {
		m.set(manifest.StatefulSet, observed.ClaimTemplates(o.Live(manifest.StatefulSet)), "spec", volumeClaimTemplates)
	}

	if d.Template != TemplateDesired && d.Template != TemplateCovering {
		m.keepScraping(o)
		m.keepRoute(o)
	}

	switch d.Template {
	case TemplateDesired:
	case TemplateAsked:
		m.keepTemplate(o)
	case TemplateLive:
		m.set(manifest.StatefulSet, protostruct.Get(o.Live(manifest.StatefulSet), "spec", "template"), "spec", "template")
	case TemplateCovering:
		m.cover(d.Config, digests.Of([]byte(d.Config)))
	case TemplateRan:
		m[manifest.StatefulSet] = returning[manifest.StatefulSet]
		m.noteImage(manifest.ContainerImage(returning[manifest.StatefulSet]))
	}

	return manifest.Manifests(m)
}

// patched are manifests that are changed copy by copy.
type patched manifest.Manifests

// keepTemplate keeps the whole pod template as it was asked, and the note of its image.
func (m patched) keepTemplate(o observed.Resources) {
	m.set(manifest.StatefulSet, protostruct.Get(o.Asked(manifest.StatefulSet), "spec", "template"), "spec", "template")

	if image := manifest.AskedImage(o); image != "" {
		m.noteImage(image)
	}
}

// keepScraping keeps what the metrics' Service and its ServiceMonitor say of how the pod serves them.
func (m patched) keepScraping(o observed.Resources) {
	if asked := o.Asked(manifest.ServiceMetrics); asked != nil && m[manifest.ServiceMetrics] != nil {
		for _, name := range manifest.ServingAnnotations() {
			path := []string{"metadata", "annotations", name}
			m.set(manifest.ServiceMetrics, protostruct.Get(asked, path...), path...)
		}
	}

	if endpoints := protostruct.Get(o.Asked(manifest.Monitor), "spec", "endpoints"); endpoints != nil && m[manifest.Monitor] != nil {
		m.set(manifest.Monitor, endpoints, "spec", "endpoints")
	}
}

// keepRoute keeps the kinds of the route that fit how the pod serves the API.
func (m patched) keepRoute(o observed.Resources) {
	var route *structpb.Struct

	kinds, isAsked, differs := manifest.RouteNames(), false, false

	for _, n := range kinds {
		if m[n] != nil {
			route = m[n]
		}

		isAsked = isAsked || o.Asked(n) != nil
		differs = differs || (m[n] != nil) != (o.Asked(n) != nil)
	}

	if route == nil || !isAsked || !differs {
		return
	}

	for _, n := range kinds {
		delete(m, n)

		if asked := protostruct.Get(o.Asked(n), "spec"); asked != nil {
			m[n] = manifest.OfKind(n, route, asked)
		}
	}
}

// noteImage notes the image of the composed pod template.
func (m patched) noteImage(image string) {
	m.annotate(structpb.NewStringValue(image), v1alpha1.AnnotationImage)
}

// annotate the composed ConfigMap.
func (m patched) annotate(v *structpb.Value, name string) {
	m.set(manifest.ConfigMap, v, "metadata", "annotations", name)
}

// cover lets the desired pod template cover another config.yaml.
func (m patched) cover(config, digest string) {
	path := []string{"spec", "template", "metadata", "annotations"}
	m.set(manifest.StatefulSet, structpb.NewStringValue(config), append(path, v1alpha1.AnnotationConfig)...)
	m.set(manifest.StatefulSet, structpb.NewStringValue(digest), append(path, v1alpha1.AnnotationConfigHash)...)
	m[manifest.StatefulSet] = manifest.Seal(m[manifest.StatefulSet])
}

// set replaces a manifest by a copy with the value at a path. A nil value removes the
// field.
func (m patched) set(n manifest.Name, v *structpb.Value, path ...string) {
	m[n] = protostruct.With(m[n], v, path...)
}

func listOf(texts []string) *structpb.Value {
	list := &structpb.ListValue{}
	for _, s := range texts {
		list.Values = append(list.Values, structpb.NewStringValue(s))
	}

	return structpb.NewListValue(list)
}

func stringOrNil(s *string) *structpb.Value {
	if s == nil {
		return nil
	}

	return structpb.NewStringValue(*s)
}
