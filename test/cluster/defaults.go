package cluster

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// The API server's defaults, of the objects and of the items of their lists. No manager
// owns them, but of lists that are owned as a whole.
//
//nolint:gochecknoglobals // Tables.
var (
	statefulSetDefaults = parse(`{spec: {revisionHistoryLimit: 10, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain},
updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}},
template: {spec: {dnsPolicy: ClusterFirst, restartPolicy: Always, schedulerName: default-scheduler}}}}`)
	serviceDefaults   = parse(`{spec: {sessionAffinity: None, internalTrafficPolicy: Cluster, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}`)
	containerDefaults = parse(`{imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}`)
	portDefaults      = parse(`{protocol: TCP}`)
	claimDefaults     = parse(`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {volumeMode: Filesystem}, status: {phase: Pending}}`)
	configMapDefaults = parse(`{configMap: {defaultMode: 420}}`)

	referenceDefaults = map[string]*structpb.Struct{"fieldRef": parse(`{apiVersion: v1}`), "resourceFieldRef": parse(`{divisor: "0"}`)}
)

// parse parses a table.
func parse(text string) *structpb.Struct {
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err)
	}

	s := &structpb.Struct{}
	if err := s.UnmarshalJSON(b); err != nil {
		panic(err)
	}

	return s
}

// SetDefaults sets what the API server sets of an object where it has nothing.
func SetDefaults(o *structpb.Struct) {
	switch protostruct.Get(o, "kind").GetStringValue() {
	case "StatefulSet":
		fill(o, statefulSetDefaults)

		for _, c := range items(o, "spec", "template", "spec", "containers") {
			setContainerDefaults(c.GetStructValue())
		}

		for _, v := range items(o, "spec", "template", "spec", "volumes") {
			if protostruct.Get(v.GetStructValue(), "configMap") != nil {
				fill(v.GetStructValue(), configMapDefaults)
			}
		}

		for _, c := range items(o, "spec", "volumeClaimTemplates") {
			fill(c.GetStructValue(), claimDefaults)
		}
	case "Service":
		fill(o, serviceDefaults)

		for _, p := range items(o, "spec", "ports") {
			fill(p.GetStructValue(), portDefaults)
		}
	}
}

func setContainerDefaults(c *structpb.Struct) {
	fill(c, containerDefaults)

	for _, p := range items(c, "ports") {
		fill(p.GetStructValue(), portDefaults)
	}

	for _, e := range items(c, "env") {
		for ref, defaults := range referenceDefaults {
			if from := protostruct.Get(e.GetStructValue(), "valueFrom", ref).GetStructValue(); from != nil {
				fill(from, defaults)
			}
		}
	}
}

func items(s *structpb.Struct, path ...string) []*structpb.Value {
	return protostruct.Get(s, path...).GetListValue().GetValues()
}

// fill in what an object lacks.
func fill(o, defaults *structpb.Struct) {
	for k, v := range defaults.GetFields() {
		switch has := o.GetFields()[k]; {
		case has == nil:
			protostruct.Set(o, proto.CloneOf(v), k)
		case v.GetStructValue() != nil:
			fill(has.GetStructValue(), v.GetStructValue())
		}
	}
}
