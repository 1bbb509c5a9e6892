package simulator

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Foreign are objects that somebody else has, by the name of the composed resource that needs
// their names.
var Foreign = map[string]string{
	"configmap":       `{apiVersion: v1, kind: ConfigMap, metadata: {name: files-config, namespace: storage, labels: {app: other}}, data: {config.yaml: "other: true"}}`,
	"service-api":     `{apiVersion: v1, kind: Service, metadata: {name: files-api, namespace: storage, labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: files}}, spec: {selector: {app: other}}}`,
	"service-metrics": `{apiVersion: v1, kind: Service, metadata: {name: files-metrics, namespace: storage}}`,
	"networkpolicy":   `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: files, namespace: storage}, spec: {podSelector: {}, policyTypes: [Ingress]}}`,
	"statefulset":     `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: files, namespace: storage}, spec: {serviceName: other, selector: {matchLabels: {app: other}}}}`,
}

// Leftover is a ConfigMap that an earlier server of the same name left.
const Leftover = `{apiVersion: v1, kind: ConfigMap, metadata: {name: files-config, namespace: storage, labels: {app.kubernetes.io/managed-by: function-dittoserver, app.kubernetes.io/instance: files}},
data: {config.yaml: "controlplane: {port: 9999}"}}`

// occupy a name that is free, or give it up again.
func (w *World) occupy() {
	names := []string{"configmap", "leftover", "service-api", "service-metrics", "statefulset"}

	name := names[w.rand.IntN(len(names))]
	if name == "leftover" {
		name = "configmap"
	}

	if w.foreign[name] {
		w.Vacate(name)
		return
	}

	// Who takes a name that the provider may write to loses it: a known limit.
	if o := w.Composed[name]; w.Live[name] != nil || o != nil && (w.Flavour.Native || cluster.MayWrite(o)) {
		return
	}

	if name == "configmap" && w.rand.IntN(2) == 0 {
		w.Leave()
		return
	}

	w.Occupy(name)
}

// Occupy a name: somebody else makes an object.
func (w *World) Occupy(name string) {
	w.didf("somebody makes %s", name)
	w.Live[name], w.foreign[name] = protostructtest.FromYAML(w.T, Foreign[name]), true
}

// Leave the ConfigMap of an earlier server. Natively only a controller tells whose it is.
func (w *World) Leave() {
	w.didf("an earlier server leaves its ConfigMap")
	w.Live["configmap"], w.foreign["configmap"] = protostructtest.FromYAML(w.T, Leftover), w.Flavour.Native
}

// Vacate a name: somebody else removes their object.
func (w *World) Vacate(name string) {
	w.didf("somebody removes %s", name)
	delete(w.foreign, name)
	delete(w.Live, name)
}

// remove a live object.
func (w *World) remove(name string) {
	if w.foreign[name] {
		w.failf("%s is deleted, which is somebody else's", name)
	}

	delete(w.Live, name)
}

// checkPolicy checks that nothing is taken back of what the provider may do.
func (w *World) checkPolicy(name string, before, after *structpb.Struct) {
	if w.lacks(name) {
		return
	}

	if before != nil && (cluster.MayWrite(before) && !cluster.MayWrite(after) || !cluster.IsPaused(before) && cluster.IsPaused(after)) {
		w.failf("the Object of %s is demoted from %v to %v", name, policies(before), policies(after))
	}
}

// lacks reports whether the cluster lacks the kind of a composed resource, which must be let go then.
func (w *World) lacks(name string) bool { return name == "servicemonitor" && len(w.Kinds) == 0 }

func policies(o *structpb.Struct) []any {
	return protostruct.Get(o, "spec", "managementPolicies").GetListValue().AsSlice()
}
