package protostruct

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestDecode(t *testing.T) {
	cases := map[string]struct {
		reason string
		v      *structpb.Value
		into   kinds
		want   kinds
	}{
		"Scalars": {
			reason: "Every scalar kind takes its JSON type, and named types are their kind",
			v:      value(`{"string":"x","named":"Always","bool":true,"float":0.25,"float32":0.5,"int":-3,"int32":4,"int64":5,"Untagged":"u"}`),
			want:   kinds{String: "x", Named: corev1.PullAlways, Bool: true, Float: 0.25, Float32: 0.5, Int: -3, Int32: 4, Int64: 5, Untagged: "u"},
		},
		"Inline": {
			reason: "Fields of inlined structs, embedded or not, are fields of the object itself",
			v:      value(`{"apiVersion":"v1","kind":"Example","fromEmbedded":"e","fromInlined":"i"}`),
			want: kinds{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Example"},
				Embedded: Embedded{FromEmbedded: "e"},
				Inlined:  inlined{FromInlined: "i"},
			},
		},
		"Composite": {
			reason: "Maps, lists and structs nest",
			v:      value(`{"map":{"k":"v","l":""},"slice":["b","a"],"struct":{"a":"x"},"structs":[{"n":1},{"m":{"k":"v"}}],"byName":{"one":{"n":1}}}`),
			want: kinds{
				Map:     map[string]string{"k": "v", "l": ""},
				Slice:   []string{"b", "a"},
				Struct:  inner{A: "x"},
				Structs: []inner{{N: 1}, {M: map[string]string{"k": "v"}}},
				ByName:  map[string]inner{"one": {N: 1}},
			},
		},
		"Empty": {
			reason: "An empty object or list is there, unlike a missing one",
			v:      value(`{"map":{},"slice":[],"structPointer":{}}`),
			want:   kinds{Map: map[string]string{}, Slice: []string{}, StructPointer: &inner{}},
		},
		"ZeroPointers": {
			reason: "A zero that is written is a value, unlike a missing one",
			v:      value(`{"boolPointer":false,"intPointer":0,"floatPointer":0,"stringPointer":""}`),
			want:   kinds{BoolPointer: new(false), IntPointer: new(int32(0)), FloatPointer: new(float64(0)), StringPointer: new("")},
		},
		"NullLeavesFieldsAsTheyAre": {
			reason: "A null sets nothing, whatever the kind of its field",
			v:      value(`{"string":null,"bool":null,"int":null,"map":null,"slice":null,"struct":null,"intPointer":null,"quantity":null,"intOrString":null}`),
			into:   kinds{String: "x", Bool: true, Int: 1, Map: map[string]string{"k": "v"}, Slice: []string{"a"}, Struct: inner{A: "x"}, IntPointer: new(int32(1)), IntOrString: intstr.FromInt32(1)},
			want:   kinds{String: "x", Bool: true, Int: 1, Map: map[string]string{"k": "v"}, Slice: []string{"a"}, Struct: inner{A: "x"}, IntPointer: new(int32(1)), IntOrString: intstr.FromInt32(1)},
		},
		"NullMembers": {
			reason: "A null in a list or a map is a zero member",
			v:      value(`{"slice":[null,"a"],"structs":[null],"map":{"k":null},"limits":{"cpu":null}}`),
			want:   kinds{Slice: []string{"", "a"}, Structs: []inner{{}}, Map: map[string]string{"k": ""}, Limits: corev1.ResourceList{"cpu": {}}},
		},
		"MissingLeavesFieldsAsTheyAre": {
			reason: "What the object does not have keeps its value",
			v:      value(`{"bool":true}`),
			into:   kinds{String: "x"},
			want:   kinds{String: "x", Bool: true},
		},
		"MapsAndListsAreReplaced": {
			reason: "A list or map is what the object says, not a mixture with what was there",
			v:      value(`{"map":{"b":"2"},"slice":["b"]}`),
			into:   kinds{Map: map[string]string{"a": "1"}, Slice: []string{"a", "c"}},
			want:   kinds{Map: map[string]string{"b": "2"}, Slice: []string{"b"}},
		},
		"Null":    {reason: "A null for everything sets nothing", v: structpb.NewNullValue(), into: kinds{String: "x"}, want: kinds{String: "x"}},
		"Nil":     {reason: "No value sets nothing", v: nil, into: kinds{String: "x"}, want: kinds{String: "x"}},
		"NoKind":  {reason: "A value without a kind sets nothing", v: &structpb.Value{}, into: kinds{String: "x"}, want: kinds{String: "x"}},
		"Nothing": {reason: "An object without fields sets nothing", v: value(`{}`), into: kinds{String: "x"}, want: kinds{String: "x"}},
		"Int32Bounds": {
			reason: "The largest and the smallest number of 32 bits fit",
			v:      value(`{"int32":2147483647,"intPointer":-2147483648}`),
			want:   kinds{Int32: math.MaxInt32, IntPointer: new(int32(math.MinInt32))},
		},
		"Int64Bounds": {
			reason: "The largest float64 below 2^63 fits 64 bits, and so does 2^31",
			v:      value(`{"int64":9223372036854774784,"int":2147483648}`),
			want:   kinds{Int64: 1<<63 - 1024, Int: 1 << 31},
		},
		"WholeNumbersHoweverWritten": {
			reason: "JSON has one type of number: 2.0 and 2e1 are whole",
			v:      value(`{"int32":2.0,"int64":2e1,"int":-0.0}`),
			want:   kinds{Int32: 2, Int64: 20},
		},
		"TypesThatKnowTheirJSON": {
			reason: "Quantities and integers-or-strings decode themselves, from strings and from numbers",
			v:      value(`{"quantity":"1.5Gi","quantityPointer":2,"intOrString":"http","intOrStringPtr":8080,"limits":{"cpu":0.5,"memory":"1Gi"}}`),
			want: kinds{
				Quantity:        resource.MustParse("1.5Gi"),
				QuantityPointer: new(resource.MustParse("2")),
				IntOrString:     intstr.FromString("http"),
				IntOrStringPtr:  new(intstr.FromInt32(8080)),
				Limits:          corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1Gi")},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := tc.into
			if errs := Decode(field.NewPath("spec"), tc.v, &got); len(errs) > 0 {
				t.Errorf("%s\nDecode(...): unexpected errors: %v", tc.reason, errs)
			}

			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(kinds{})); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	const notWhole, not32, not64 = "must be a whole number", "does not fit a number of 32 bits", "does not fit a number of 64 bits"
	const hugeExponent = "must have an exponent of at most two digits"

	cases := map[string]struct {
		reason string
		v      *structpb.Value
		want   []string
	}{
		"WrongTypes": {
			reason: "Each kind refuses the JSON types that it is not, all at once, each with its path and value",
			v:      value(`{"string":1,"bool":"true","float":"0.5","float32":true,"int":"3","int32":true,"int64":[],"map":["a"],"slice":{"a":"b"},"struct":"x","structs":"x"}`),
			want: []string{
				`spec.string: Invalid value: 1: must be a string`,
				`spec.bool: Invalid value: "true": must be true or false`,
				`spec.float: Invalid value: "0.5": must be a number`,
				`spec.float32: Invalid value: true: must be a number`,
				`spec.int: Invalid value: "3": ` + notWhole,
				`spec.int32: Invalid value: true: ` + notWhole,
				`spec.int64: Invalid value: []: ` + notWhole,
				`spec.map: Invalid value: ["a"]: must be an object`,
				`spec.slice: Invalid value: {"a":"b"}: must be a list`,
				`spec.struct: Invalid value: "x": must be an object`,
				`spec.structs: Invalid value: "x": must be a list`,
			},
		},
		"Members": {
			reason: "The path names the list index and the map key",
			v:      value(`{"map":{"k":"v","two words":2,"a":1},"slice":["a",false,3],"structs":[{},{"n":"x","m":{"k":[]}}],"byName":{"one":{"a":1}}}`),
			want: []string{
				`spec.map[a]: Invalid value: 1: must be a string`,
				`spec.map[two words]: Invalid value: 2: must be a string`,
				`spec.slice[1]: Invalid value: false: must be a string`,
				`spec.slice[2]: Invalid value: 3: must be a string`,
				`spec.structs[1].n: Invalid value: "x": ` + notWhole,
				`spec.structs[1].m[k]: Invalid value: []: must be a string`,
				`spec.byName[one].a: Invalid value: 1: must be a string`,
			},
		},
		"HugeExponents": {
			reason: "A quantity is not worked out to its last digit of a billion",
			v:      value(`{"quantity":"1e-999999999","quantityPointer":1e300,"limits":{"cpu":"1E+100","memory":"1e99","storage":"100e9"}}`),
			want: []string{
				`spec.quantity: Invalid value: "1e-999999999": ` + hugeExponent,
				`spec.quantityPointer: Invalid value: 1e+300: ` + hugeExponent,
				`spec.limits[cpu]: Invalid value: "1E+100": ` + hugeExponent,
			},
		},
		"Pointers": {
			reason: "A pointer is judged as what it points to",
			v:      value(`{"boolPointer":1,"intPointer":"x","structPointer":[],"quantityPointer":"much"}`),
			want: []string{
				`spec.boolPointer: Invalid value: 1: must be true or false`,
				`spec.intPointer: Invalid value: "x": ` + notWhole,
				`spec.structPointer: Invalid value: []: must be an object`,
				`spec.quantityPointer: Invalid value: "much": ` + resource.ErrFormatWrong.Error(),
			},
		},
		"UnknownFields": {
			reason: "Unknown fields are reported in the order of their names, those of nested objects with their path",
			v:      value(`{"zebra":1,"apple":null,"struct":{"b":1},"structs":[{"c":{}}],"string":"x"}`),
			want: []string{
				`spec.struct.b: Forbidden: unknown field`,
				`spec.structs[0].c: Forbidden: unknown field`,
				`spec.apple: Forbidden: unknown field`,
				`spec.zebra: Forbidden: unknown field`,
			},
		},
		"NamesAreExact": {
			reason: "A field in another case is unknown, and so are hidden and unexported fields, Go names and inlined structs themselves",
			v:      value(`{"String":"x","Hidden":"x","-":"x","unexported":"x","untagged":"x","TypeMeta":{},"Embedded":{},"Inlined":{},"":"x"}`),
			want: []string{
				`spec[]: Forbidden: unknown field`,
				`spec.-: Forbidden: unknown field`,
				`spec.Embedded: Forbidden: unknown field`,
				`spec.Hidden: Forbidden: unknown field`,
				`spec.Inlined: Forbidden: unknown field`,
				`spec.String: Forbidden: unknown field`,
				`spec.TypeMeta: Forbidden: unknown field`,
				`spec.unexported: Forbidden: unknown field`,
				`spec.untagged: Forbidden: unknown field`,
			},
		},
		"Ranges": {
			reason: "2^31 does not fit 32 bits, 2^63 does not fit 64",
			v:      value(`{"int":9223372036854775808,"int32":2147483648,"int64":9223372036854775808,"intPointer":-2147483649}`),
			want: []string{
				`spec.int: Invalid value: 9.223372036854776e+18: ` + not64,
				`spec.int32: Invalid value: 2147483648: ` + not32,
				`spec.int64: Invalid value: 9.223372036854776e+18: ` + not64,
				`spec.intPointer: Invalid value: -2147483649: ` + not32,
			},
		},
		"WholeNumbers": {
			reason: "A whole number is shown as one, to the last that 64 bits hold",
			v:      value(`{"string":1e6,"map":-9223372036854775808,"bool":1e18,"slice":-0.5}`),
			want: []string{
				`spec.string: Invalid value: 1000000: must be a string`,
				`spec.bool: Invalid value: 1000000000000000000: must be true or false`,
				`spec.map: Invalid value: -9223372036854775808: must be an object`,
				`spec.slice: Invalid value: -0.5: must be a list`,
			},
		},
		"FarOut": {
			reason: "A number out of the range of 64 bits is never wrapped into the range of 32",
			v:      value(`{"int32":18446744073709551617,"int64":-1e300}`),
			want: []string{
				`spec.int32: Invalid value: 1.8446744073709552e+19: ` + not32,
				`spec.int64: Invalid value: -1e+300: ` + not64,
			},
		},
		"Fractions": {
			reason: "No number is cut off",
			v:      value(`{"int":0.5,"int32":-1.25,"int64":1e-9}`),
			want: []string{
				`spec.int: Invalid value: 0.5: ` + notWhole,
				`spec.int32: Invalid value: -1.25: ` + notWhole,
				`spec.int64: Invalid value: 1e-09: ` + notWhole,
			},
		},
		"NoJSONNumbers": {
			reason: "A protobuf number can be what JSON does not have",
			v: structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"int32":    structpb.NewNumberValue(math.NaN()),
				"int64":    structpb.NewNumberValue(math.Inf(-1)),
				"quantity": structpb.NewNumberValue(math.NaN()),
			}}),
			want: []string{
				`spec.int32: Invalid value: "NaN": ` + notWhole,
				`spec.int64: Invalid value: "-Infinity": ` + not64,
				`spec.quantity: Invalid value: "NaN": must be a JSON value`,
			},
		},
		"TypesThatKnowTheirJSON": {
			reason: "What a type says of its JSON is reported at its path, and the others are still decoded",
			v:      value(`{"quantity":"much","intOrString":1.5,"limits":{"cpu":"x","memory":"1Gi","storage":[]}}`),
			want: []string{
				`spec.quantity: Invalid value: "much": ` + resource.ErrFormatWrong.Error(),
				`spec.intOrString: Invalid value: 1.5: json: cannot unmarshal number 1.5 into Go value of type int32`,
				`spec.limits[cpu]: Invalid value: "x": ` + resource.ErrFormatWrong.Error(),
				`spec.limits[storage]: Invalid value: []: ` + resource.ErrFormatWrong.Error(),
			},
		},
		"NoAPIType": {
			reason: "A kind that no API type has is the function's own fault",
			v:      value(`{"uint":1}`),
			want:   []string{`spec.uint: Internal error: cannot decode into uint`},
		},
		"NoObject": {
			reason: "The value itself is judged too",
			v:      value(`"x"`),
			want:   []string{`spec: Invalid value: "x": must be an object`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, texts(Decode(field.NewPath("spec"), tc.v, &kinds{}))); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecodePodSpecErrors(t *testing.T) {
	v := value(`{
		"hostNetwork": "yes",
		"containers": [
			{"name": "a", "imagePullpolicy": "Always"},
			{"name": 1, "ports": [{"containerPort": 65536000000}], "resources": {"limits": {"cpu": "x"}, "maximum": {}},
			 "livenessProbe": {"httpGet": {"port": true, "url": "x"}}, "env": [{"valueFrom": {"secretKeyRef": {"name": "n", "namespace": "other"}}}]}
		],
		"volumes": [{"name": "v", "emptyDir": {"limit": "1Gi"}, "hostDir": {}}],
		"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In", "values": "v"}]}]}}}
	}`)
	want := []string{
		`pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Invalid value: "v": must be a list`,
		`pod.containers[0].imagePullpolicy: Forbidden: unknown field`,
		`pod.containers[1].env[0].valueFrom.secretKeyRef.namespace: Forbidden: unknown field`,
		`pod.containers[1].livenessProbe.httpGet.port: Invalid value: true: json: cannot unmarshal bool into Go value of type int32`,
		`pod.containers[1].livenessProbe.httpGet.url: Forbidden: unknown field`,
		`pod.containers[1].name: Invalid value: 1: must be a string`,
		`pod.containers[1].ports[0].containerPort: Invalid value: 65536000000: does not fit a number of 32 bits`,
		`pod.containers[1].resources.limits[cpu]: Invalid value: "x": ` + resource.ErrFormatWrong.Error(),
		`pod.containers[1].resources.maximum: Forbidden: unknown field`,
		`pod.hostNetwork: Invalid value: "yes": must be true or false`,
		`pod.volumes[0].emptyDir.limit: Forbidden: unknown field`,
		`pod.volumes[0].hostDir: Forbidden: unknown field`,
	}

	pod := &corev1.PodSpec{}
	got := texts(Decode(field.NewPath("pod"), v, pod))
	// The order of the fields is Kubernetes'.
	slices.Sort(got)

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nDecode(...): -want, +got:\n%s", "Embedded Kubernetes types are judged field by field", diff)
	}

	if len(pod.Containers) != 2 || pod.Containers[0].Name != "a" || len(pod.Volumes) != 1 || pod.Volumes[0].EmptyDir == nil {
		t.Errorf("%s\nDecode(...): got %v", "What can be decoded is decoded next to what cannot", pod)
	}
}

// TestDecodeLikeJSON holds the package against encoding/json, for documents that
// are valid for both.
func TestDecodeLikeJSON(t *testing.T) {
	t.Run("PodSpec", func(t *testing.T) { decodesLikeJSON[corev1.PodSpec](t, "podspec.json") })
	t.Run("StatefulSet", func(t *testing.T) { decodesLikeJSON[appsv1.StatefulSet](t, "statefulset.json") })
	t.Run("Service", func(t *testing.T) { decodesLikeJSON[corev1.Service](t, "service.json") })
}

func decodesLikeJSON[T any](t *testing.T, name string) {
	t.Helper()

	doc := document(t, name)
	want := reference[T](t, doc)

	got := new(T)
	if errs := Decode(field.NewPath("object"), value(string(doc)), got); len(errs) > 0 {
		t.Errorf("%s\nDecode(...): unexpected errors: %v", "A valid document has no errors", errs)
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nDecode(...): -want, +got:\n%s", "encoding/json and this package read the same", diff)
	}
}

// TestDecodeSideBySide lets the race detector watch the cache of fields.
func TestDecodeSideBySide(t *testing.T) {
	doc := document(t, "podspec.json")
	want := reference[corev1.PodSpec](t, doc)

	types.Clear()

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got := &corev1.PodSpec{}
			if errs := Decode(nil, value(string(doc)), got); len(errs) > 0 {
				t.Errorf("Decode(...): unexpected errors: %v", errs)
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Decode(...): -want, +got:\n%s", diff)
			}
		})
	}

	wg.Wait()
}

// FuzzDecodePodSpec holds the package against encoding/json, for documents that
// nobody thought of.
func FuzzDecodePodSpec(f *testing.F) {
	f.Add(document(f, "podspec.json"))
	f.Add(document(f, "service.json"))

	for _, seed := range []string{
		`{}`, `null`, `[]`, `"x"`, `{"containers":[null]}`, `{"Containers":[]}`, `{"containers":[{"resources":{"limits":{"cpu":null}}}]}`,
		`{"nodeSelector":{"":""}}`, `{"tolerations":[{"tolerationSeconds":0.5}]}`, `{"priority":2147483648}`, `{"priority":1e2}`,
		`{"overhead":{"cpu":1e21}}`, `{"volumes":[{"emptyDir":{}}]}`, `{"containers":[{"livenessProbe":{"grpc":{"port":-0}}}]}`, `{"a":{"b":[]}}`,
	} {
		f.Add([]byte(seed))
	}

	f.Fuzz(func(t *testing.T, doc []byte) {
		v := &structpb.Value{}
		if v.UnmarshalJSON(doc) != nil || hasHugeNumber(v) {
			t.Skip("no JSON value of protobuf, or with a number that it rounds out of 64 bits")
		}
		// Protobuf knows float64 only. Both read the same of the document.
		doc, err := v.MarshalJSON()
		if err != nil {
			t.Skip("a number that JSON does not have")
		}

		got := &corev1.PodSpec{}
		errs := Decode(field.NewPath("pod"), v, got)

		want := &corev1.PodSpec{}
		d := json.NewDecoder(bytes.NewReader(doc))
		d.DisallowUnknownFields()

		if err := d.Decode(want); err != nil {
			if len(errs) == 0 {
				t.Errorf("Decode(%s): no errors, but encoding/json has one: %v", doc, err)
			}

			return
		}

		// encoding/json takes names in any case. That is the only thing that it may
		// take and this package may not.
		for _, err := range errs {
			if err.Type != field.ErrorTypeForbidden {
				t.Errorf("Decode(%s): %v, but encoding/json takes it", doc, err)
			}
		}

		if len(errs) > 0 {
			return
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Decode(%s): -want, +got:\n%s", doc, diff)
		}
	})
}

// hasHugeNumber reports whether a value holds a number that 64 bits do not.
func hasHugeNumber(v *structpb.Value) bool {
	switch k := v.GetKind().(type) {
	case *structpb.Value_NumberValue:
		return math.Abs(k.NumberValue) >= 1<<63
	case *structpb.Value_ListValue:
		return slices.ContainsFunc(k.ListValue.GetValues(), hasHugeNumber)
	case *structpb.Value_StructValue:
		for _, f := range k.StructValue.GetFields() {
			if hasHugeNumber(f) {
				return true
			}
		}
	}

	return false
}

// texts returns the messages of errors.
func texts(errs field.ErrorList) []string {
	var out []string
	for _, err := range errs {
		out = append(out, err.Error())
	}

	return out
}
