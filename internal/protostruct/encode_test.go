package protostruct

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestEncode(t *testing.T) {
	cases := map[string]struct {
		reason string
		from   any
		want   string
	}{
		"Zero": {
			reason: "No field with a zero value is written, whether its tag says omitempty or not",
			from:   &kinds{},
			want:   `{}`,
		},
		"Scalars": {
			reason: "Every scalar kind has its JSON type",
			from:   &kinds{String: "x", Named: corev1.PullAlways, Bool: true, Float: 0.25, Float32: 0.5, Int: -3, Int32: 4, Int64: 1 << 40, Untagged: "u"},
			want:   `{"string":"x","named":"Always","bool":true,"float":0.25,"float32":0.5,"int":-3,"int32":4,"int64":1099511627776,"Untagged":"u"}`,
		},
		"Inline": {
			reason: "Fields of inlined structs are fields of the object itself",
			from:   &kinds{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Example"}, Embedded: Embedded{FromEmbedded: "e"}, Inlined: inlined{FromInlined: "i"}},
			want:   `{"apiVersion":"v1","kind":"Example","fromEmbedded":"e","fromInlined":"i"}`,
		},
		"Hidden": {
			reason: "Neither hidden nor unexported fields are written",
			from:   &kinds{Hidden: "x", unexported: "x"},
			want:   `{}`,
		},
		"PointersToZero": {
			reason: "What a pointer points to is intent, zero or not",
			from:   &kinds{BoolPointer: new(false), IntPointer: new(int32(0)), FloatPointer: new(float64(0)), StringPointer: new(""), StructPointer: &inner{}, QuantityPointer: &resource.Quantity{}, IntOrStringPtr: new(intstr.FromInt32(0))},
			want:   `{"boolPointer":false,"intPointer":0,"floatPointer":0,"stringPointer":"","structPointer":{},"quantityPointer":"0","intOrStringPtr":0}`,
		},
		"Empty": {
			reason: "Empty maps and lists are left out, and so are structs that hold nothing else",
			from:   &kinds{Map: map[string]string{}, Slice: []string{}, Structs: []inner{}, Struct: inner{M: map[string]string{}}, Limits: corev1.ResourceList{}},
			want:   `{}`,
		},
		"ZeroMembers": {
			reason: "Members of lists and maps are written, zero or not: leaving one out would move the others",
			from:   &kinds{Map: map[string]string{"k": ""}, Slice: []string{"", "a"}, Structs: []inner{{}, {N: 1}}, ByName: map[string]inner{"none": {}}},
			want:   `{"map":{"k":""},"slice":["","a"],"structs":[{},{"n":1}],"byName":{"none":{}}}`,
		},
		"TypesThatKnowTheirJSON": {
			reason: "Quantities keep their spelling, integers-or-strings their type",
			from: &kinds{
				Quantity:        resource.MustParse("1.5Gi"),
				QuantityPointer: new(resource.MustParse("0.5")),
				IntOrString:     intstr.FromString("http"),
				IntOrStringPtr:  new(intstr.FromInt32(8080)),
				Limits:          corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0"), corev1.ResourceMemory: resource.MustParse("1Gi")},
			},
			want: `{"quantity":"1536Mi","quantityPointer":"500m","intOrString":"http","intOrStringPtr":8080,"limits":{"cpu":"0","memory":"1Gi"}}`,
		},
		"StatefulSet": {
			reason: "A manifest carries no status, no timestamps and no empty objects, but a zero that is meant",
			from: &appsv1.StatefulSet{
				TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
				ObjectMeta: metav1.ObjectMeta{Name: "files"},
				Spec: appsv1.StatefulSetSpec{
					Replicas: new(int32(0)),
					Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
						AutomountServiceAccountToken: new(false),
						Containers:                   []corev1.Container{{Name: "dittofs"}},
						Volumes: []corev1.Volume{
							{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
							{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "files-config"}}}},
						},
					}},
				},
			},
			want: `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"files"},"spec":{"replicas":0,"template":{"spec":{
				"automountServiceAccountToken":false,"containers":[{"name":"dittofs"}],
				"volumes":[{"name":"tmp","emptyDir":{}},{"name":"config","configMap":{"name":"files-config"}}]}}}}`,
		},
		"Service": {
			reason: "A Service carries neither nodePort 0 nor an empty load balancer",
			from: &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: "files-file"},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "nfs", Port: 2049, TargetPort: intstr.FromString("nfs")}}},
			},
			want: `{"metadata":{"name":"files-file"},"spec":{"ports":[{"name":"nfs","port":2049,"targetPort":"nfs"}]}}`,
		},
		"Map": {
			reason: "A map is an object too",
			from:   map[string]string{"k": "v"},
			want:   `{"k":"v"}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Encode(tc.from)
			if err != nil {
				t.Errorf("%s\nEncode(...): unexpected error: %v", tc.reason, err)
			}

			if diff := cmp.Diff(value(tc.want).GetStructValue(), got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nEncode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	cases := map[string]struct {
		reason string
		from   any
		want   string
	}{
		"NoObject":  {reason: "Only an object can be a manifest", from: new("x"), want: "cannot encode *string as an object"},
		"List":      {reason: "Only an object can be a manifest", from: []string{"x"}, want: "cannot encode []string as an object"},
		"Field":     {reason: "An error names its field", from: &kinds{Uint: 1}, want: "uint: cannot encode a uint"},
		"Nested":    {reason: "An error names all the fields on the way", from: &kinds{Struct: inner{U: 1}}, want: "struct: u: cannot encode a uint"},
		"Member":    {reason: "A member of a list can fail", from: &kinds{Uints: []uint{0}}, want: "uints: cannot encode a uint"},
		"MapMember": {reason: "A member of a map can fail", from: &kinds{UintBy: map[string]uint{"a": 1}}, want: "uintBy: cannot encode a uint"},
		"Marshaler": {reason: "A type that knows its JSON can fail", from: &kinds{Broken: &broken{}}, want: "broken: cannot encode a protostruct.broken: json: error calling MarshalJSON for type protostruct.broken: invalid argument"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := Encode(tc.from)
			if err == nil {
				t.Fatalf("%s\nEncode(...): no error", tc.reason)
			}

			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("%s\nEncode(...): -want, +got:\n%s", tc.reason, diff)
			}

			if s != nil {
				t.Errorf("%s\nEncode(...): a value next to an error: %v", tc.reason, s)
			}
		})
	}
}

// TestEncodeLikeJSON holds the package against encoding/json, with documents
// that have no zero values.
func TestEncodeLikeJSON(t *testing.T) {
	t.Run("PodSpec", func(t *testing.T) { encodesLikeJSON[corev1.PodSpec](t, "podspec.json") })
	t.Run("StatefulSet", func(t *testing.T) { encodesLikeJSON[appsv1.StatefulSet](t, "statefulset.json") })
	t.Run("Service", func(t *testing.T) { encodesLikeJSON[corev1.Service](t, "service.json") })
}

func encodesLikeJSON[T any](t *testing.T, name string) {
	t.Helper()

	doc := document(t, name)
	object := reference[T](t, doc)

	s, err := Encode(object)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(value(string(doc)).GetStructValue(), s, protocmp.Transform()); diff != "" {
		t.Errorf("%s\nEncode(...): -want, +got:\n%s", "A document without zero values is encoded as it was", diff)
	}

	b, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(object, reference[T](t, b)); diff != "" {
		t.Errorf("%s\nEncode(...): -want, +got:\n%s", "encoding/json reads what was encoded", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	labels := map[string]string{"app.kubernetes.io/name": "dittofs", "app.kubernetes.io/instance": "files"}
	want := &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: metav1.ObjectMeta{Name: "files", Namespace: "storage", Labels: labels},
		Spec: appsv1.StatefulSetSpec{
			Replicas:                             new(int32(0)),
			ServiceName:                          "files-headless",
			Selector:                             &metav1.LabelSelector{MatchLabels: labels},
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType},
			UpdateStrategy:                       appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{MaxUnavailable: new(intstr.FromString("50%"))}},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "controlplane"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					StorageClassName: new(""),
					Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
				},
			}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{"dittofs.io/config-hash": ""}},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken:  new(false),
					TerminationGracePeriodSeconds: new(int64(1 << 53)),
					SecurityContext:               &corev1.PodSecurityContext{RunAsUser: new(int64(0)), SupplementalGroups: []int64{1, 2}, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
					Affinity:                      &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}},
					Containers: []corev1.Container{{
						Name: "dittofs",
						Args: []string{"start", ""},
						Env: []corev1.EnvVar{
							{Name: "EMPTY"},
							{Name: "SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "files-jwt"}, Key: "jwt-secret", Optional: new(false)}}},
						},
						Resources:      corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1.5"), corev1.ResourceMemory: resource.MustParse("0")}},
						ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("api")}}, PeriodSeconds: 5},
						LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}},
						VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/config", ReadOnly: true}},
					}},
					Volumes: []corev1.Volume{
						{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
						{Name: "limited", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse("64Mi"))}}},
						{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "files-config"}, DefaultMode: new(int32(0o444))}}},
					},
				},
			},
		},
	}

	s, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}

	got := &appsv1.StatefulSet{}
	if errs := Decode(nil, structpb.NewStructValue(s), got); len(errs) > 0 {
		t.Errorf("%s\nDecode(Encode(...)): unexpected errors: %v", "What was encoded can be decoded", errs)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nDecode(Encode(...)): -want, +got:\n%s", "What was encoded is decoded to itself", diff)
	}

	b, err := s.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}

	std := &appsv1.StatefulSet{}
	if err := json.Unmarshal(b, std); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, std); diff != "" {
		t.Errorf("%s\njson.Unmarshal(Encode(...)): -want, +got:\n%s", "What was encoded is the same to encoding/json", diff)
	}
}
