package simulator

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// A webhook is what admission does to what is applied: it changes it, or refuses it.
type webhook struct {
	// change what is applied over a live object, or over none.
	change func(next, live *structpb.Struct)

	// refuses returns what the API server says of what it refuses, or "".
	refuses func(next *structpb.Struct) string
}

// webhooks by their names, with the words that API servers use for each kind of refusal.
var webhooks = map[string]webhook{
	// Storage classes, for StatefulSets that are created, and for those as well that have them.
	// One that gave them to others would let nobody change these any more.
	"class-at-creation": {change: func(next, live *structpb.Struct) {
		if live == nil {
			setClass(next)
		}
	}},
	"class": {change: func(next, live *structpb.Struct) {
		if live == nil || hasClass(live) {
			setClass(next)
		}
	}},

	// Labels of claims, and what wins over that which is asked, for StatefulSets that are created.
	"claim-labels": {change: ofTemplates("cc-42", "metadata", "labels", "cost-center")},
	"other-size":   {change: ofTemplates("15Gi", "spec", "resources", "requests", "storage")},
	"other-class":  {change: ofTemplates("tenant", "spec", "storageClassName")},

	"annotation": {change: func(next, _ *structpb.Struct) {
		if isA(next, "StatefulSet") {
			protostruct.Set(next, structpb.NewStringValue("true"), "spec", "template", "metadata", "annotations", "example.org/injected")
			protostruct.Set(next, structpb.NewStringValue("a"), "spec", "template", "metadata", "labels", "example.org/team")
		}

		protostruct.Set(next, structpb.NewStringValue("a"), "metadata", "labels", "example.org/team")
	}},
	"toleration": {change: func(next, _ *structpb.Struct) {
		if !isA(next, "StatefulSet") {
			return
		}

		add(next, map[string]any{"key": "example.org/spot", "operator": "Exists"}, "key", "spec", "template", "spec", "tolerations")
	}},
	"sidecar": {change: func(next, _ *structpb.Struct) {
		if !isA(next, "StatefulSet") {
			return
		}

		add(next, map[string]any{"name": "proxy", "image": "registry.example.org/proxy:v1", "imagePullPolicy": "IfNotPresent"}, "name", "spec", "template", "spec", "containers")
	}},
	"mirror": {change: func(next, _ *structpb.Struct) {
		if c := containerOf(next); c != nil {
			image := protostruct.Get(c, "image").GetStringValue()
			protostruct.Set(c, structpb.NewStringValue(strings.Replace(image, "marmos91c/", "mirror.example.org/", 1)), "image")
		}
	}},

	"no-old-image": {refuses: func(next *structpb.Struct) string {
		if strings.Contains(protostruct.Get(containerOf(next), "image").GetStringValue(), ":v0.28") {
			return `admission webhook "images.example.org" denied the request: image v0.28 has known faults`
		}

		return ""
	}},
	"unpaid": {refuses: func(next *structpb.Struct) string {
		if isA(next, "StatefulSet") {
			return `statefulsets.apps "files" is forbidden: exceeded quota: tenant, requested: count/statefulsets.apps=1, used: count/statefulsets.apps=3, limited: count/statefulsets.apps=3`
		}

		return ""
	}},
	"no-stop": {refuses: func(next *structpb.Struct) string {
		if isA(next, "StatefulSet") && protostruct.Get(next, "spec", "replicas").GetNumberValue() == 0 {
			return `statefulsets.apps "files" is forbidden: ValidatingAdmissionPolicy 'replicas' with binding 'replicas' denied request: failed expression: object.spec.replicas > 0`
		}

		return ""
	}},
	"no-content": {refuses: func(next *structpb.Struct) string {
		for _, c := range protostruct.Get(next, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
			if protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue() == "content" {
				return `statefulsets.apps "files" is forbidden: ValidatingAdmissionPolicy 'storage' with binding 'storage' denied request: no claim for content here`
			}
		}

		return ""
	}},
	"no-debug": {refuses: func(next *structpb.Struct) string {
		if isA(next, "ConfigMap") && strings.Contains(configOf(next), "level: DEBUG") {
			return `admission webhook "configmaps.example.org" denied the request: [levels] DEBUG is not allowed`
		}

		return ""
	}},
	"no-load-balancer": {refuses: func(next *structpb.Struct) string {
		if protostruct.Get(next, "spec", "type").GetStringValue() == "LoadBalancer" {
			return `services "files-file" is forbidden: exceeded quota: tenant, requested: services.loadbalancers=1, used: services.loadbalancers=3, limited: services.loadbalancers=3`
		}

		return ""
	}},
	// The API server itself counts all annotations of a template together.
	"no-large-template": {refuses: func(next *structpb.Struct) string {
		if isLarge(next) {
			return `StatefulSet.apps "files" is invalid: spec.template.annotations: Too long: may not be more than 262144 bytes`
		}

		return ""
	}},
	// And etcd the whole object. That is no word of the API server's, and no refusal by its text.
	"no-large-object": {refuses: func(next *structpb.Struct) string {
		if isLarge(next) {
			return `etcdserver: request is too large`
		}

		return ""
	}},
	// Claims: a storage operator labels them and rounds what they ask for, and a quota lets none grow.
	"claims": {change: func(next, live *structpb.Struct) {
		if !isA(next, "PersistentVolumeClaim") || live == nil {
			return
		}

		protostruct.Set(next, structpb.NewStringValue("b"), "metadata", "labels", "example.org/backup")

		if is, _ := cluster.ClaimSizes(next); is == "20Gi" {
			protostruct.Set(next, structpb.NewStringValue("32Gi"), "spec", "resources", "requests", "storage")
		}
	}},
	"no-growth": {refuses: func(next *structpb.Struct) string {
		if is, has := cluster.ClaimSizes(next); isA(next, "PersistentVolumeClaim") && is != has {
			return `persistentvolumeclaims "metadata-files-0" is forbidden: exceeded quota: tenant, requested: requests.storage=10Gi, used: requests.storage=90Gi, limited: requests.storage=90Gi`
		}

		return ""
	}},
	// A webhook that does not answer refuses nothing, and nothing goes through.
	"unanswered": {refuses: func(next *structpb.Struct) string {
		if isA(next, "StatefulSet") {
			return `Internal error occurred: failed calling webhook "statefulsets.example.org": failed to call webhook: Post "https://policy.example.svc:443/validate?timeout=10s": context deadline exceeded`
		}

		return ""
	}},
}

// large is the length of annotations that no object may have, in the worlds where that counts.
const large = 4000

func isLarge(o *structpb.Struct) bool {
	n := 0
	for k, v := range protostruct.Get(o, "spec", "template", "metadata", "annotations").GetStructValue().GetFields() {
		n += len(k) + len(v.GetStringValue())
	}

	return n > large
}

func isA(o *structpb.Struct, kind string) bool {
	return protostruct.Get(o, "kind").GetStringValue() == kind
}

// setClass gives the claims of a StatefulSet a storage class, where they name none.
func setClass(o *structpb.Struct) {
	for _, c := range protostruct.Get(o, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "spec", "storageClassName") == nil {
			protostruct.Set(c.GetStructValue(), structpb.NewStringValue("tenant"), "spec", "storageClassName")
		}
	}
}

func hasClass(o *structpb.Struct) bool {
	for _, c := range protostruct.Get(o, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "spec", "storageClassName") == nil {
			return false
		}
	}

	return true
}

// add an item to a list that does not have it yet, by a key.
func add(o *structpb.Struct, item map[string]any, key string, path ...string) {
	v, err := structpb.NewStruct(item)
	if err != nil {
		panic(err)
	}

	var list []*structpb.Value
	for _, has := range protostruct.Get(o, path...).GetListValue().GetValues() {
		if proto.Equal(has.GetStructValue().GetFields()[key], v.GetFields()[key]) {
			return
		}

		list = append(list, has)
	}

	protostruct.Set(o, structpb.NewListValue(&structpb.ListValue{Values: append(list, structpb.NewStructValue(v))}), path...)
}

// containerOf returns the server's container in a StatefulSet, or nil.
func containerOf(o *structpb.Struct) *structpb.Struct {
	for _, c := range protostruct.Get(o, "spec", "template", "spec", "containers").GetListValue().GetValues() {
		if protostruct.Get(c.GetStructValue(), "name").GetStringValue() == v1alpha1.Container {
			return c.GetStructValue()
		}
	}

	return nil
}

// change what is applied, as the webhooks that are on do. The API server's defaults come after.
func (w *World) change(next, live *structpb.Struct) *structpb.Struct {
	if next == nil {
		return nil
	}

	for _, name := range slices.Sorted(maps.Keys(w.webhooks)) {
		if change := webhooks[name].change; change != nil && w.webhooks[name] {
			before := proto.CloneOf(protostruct.Get(next, "spec"))

			change(next, live)

			w.tampered = w.tampered || isA(next, "StatefulSet") && !proto.Equal(before, protostruct.Get(next, "spec"))
		}
	}

	cluster.SetDefaults(next)

	return next
}

// refusal returns what the API server says of a change of a live object, or "". It
// asks also where nothing changes.
func (w *World) refusal(name string, next, live *structpb.Struct) string {
	for _, n := range slices.Sorted(maps.Keys(w.webhooks)) {
		if refuses := webhooks[n].refuses; refuses != nil && w.webhooks[n] {
			if text := refuses(next); text != "" {
				return text
			}
		}
	}

	if name == "statefulset" && w.Refused && (live == nil || !proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec"))) {
		return "the API server refuses it"
	}

	return ""
}

// ofTemplates changes a text of each claim template of StatefulSets that are created.
func ofTemplates(text string, path ...string) func(next, live *structpb.Struct) {
	return func(next, live *structpb.Struct) {
		if live != nil {
			return
		}

		for _, c := range protostruct.Get(next, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
			protostruct.Set(c.GetStructValue(), structpb.NewStringValue(text), path...)
		}
	}
}

// Switch a webhook on or off.
func (w *World) Switch(name string, on bool) {
	hook, ok := webhooks[name]
	if !ok {
		w.failf("there is no webhook %s", name)
	}

	w.didf("webhook %s: %t", name, on)
	w.webhooks[name] = on

	// Its changes of a template move with it.
	if hook.change != nil {
		w.changes++
	}
}

// toggle a random webhook.
func (w *World) toggle() {
	names := slices.Sorted(maps.Keys(webhooks))
	name := names[w.rand.IntN(len(names))]
	w.Switch(name, !w.webhooks[name])
}
