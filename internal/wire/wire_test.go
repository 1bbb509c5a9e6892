package wire

import (
	"bytes"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// codec of a function that reads a resource named own, and managers of Services, and picks what
// it reads of Secrets.
var codec = Codec{
	Reads:         func(name string) bool { return name == "own" },
	ReadsManagers: func(kind string) bool { return kind == "Service" },
	Picks:         func(name string) bool { return name == "secrets" },
}

// field of a message, of its number and bytes.
func field(num protowire.Number, v ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), v)
}

func join(b ...[]byte) []byte { return slices.Concat(b...) }

// property of a struct, with the encoded value.
func property(key string, value ...byte) []byte {
	return field(structFields, join(field(entryKey, []byte(key)...), field(entryValue, value...))...)
}

// input of a request, with this struct.
func input(properties ...[]byte) []byte { return field(requestInput, join(properties...)...) }

// requests in all the ways in which protobuf may encode them, and some in which not.
func requests(tb testing.TB) map[string][]byte {
	tb.Helper()

	text := field(valueString, 'a')
	number := append(protowire.AppendTag(nil, valueNumber, protowire.Fixed64Type), 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
	varint := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
	}
	object := func(properties ...[]byte) []byte { return field(valueStruct, join(properties...)...) }
	list := func(values ...[]byte) []byte {
		var items []byte
		for _, v := range values {
			items = append(items, field(listValues, v...)...)
		}

		return field(valueList, items...)
	}
	deep := text

	for range 200 {
		deep = object(property("a", list(deep)...))
	}

	unknown := varint(99, 7)
	group := join(protowire.AppendTag(nil, 98, protowire.StartGroupType), unknown, protowire.AppendTag(nil, 98, protowire.EndGroupType))

	whole, err := proto.Marshal(request(tb))
	if err != nil {
		tb.Fatal(err)
	}

	return map[string][]byte{
		"Empty":              nil,
		"Whole":              whole,
		"Twice":              join(whole, whole),
		"Kinds":              input(property("s", text...), property("n", number...), property("b", varint(valueBool, 2)...), property("0", varint(valueNull, 0)...), property("l", list(text, number)...), property("o", object(property("x", text...))...)),
		"NoKind":             input(property("a")),
		"OddNull":            input(property("a", varint(valueNull, 5)...)),
		"EmptyList":          input(property("a", list()...), property("b", object()...)),
		"ManyFields":         input(slices.Repeat([][]byte{property("a", text...), property("b", number...)}, 30)...),
		"DuplicateKey":       input(property("a", object(property("x", text...))...), property("a", object(property("y", text...))...)),
		"KeyAfterValue":      input(field(structFields, join(field(entryValue, text...), field(entryKey, 'a'))...)),
		"KeyTwice":           input(field(structFields, join(field(entryKey, 'b'), field(entryKey, 'a'), field(entryValue, text...))...)),
		"NoKey":              input(field(structFields, field(entryValue, text...)...)),
		"NoValue":            input(field(structFields, field(entryKey, 'a')...)),
		"ValueTwice":         input(field(structFields, join(field(entryKey, 'a'), field(entryValue, object(property("x", text...))...), field(entryValue, object(property("y", text...))...))...)),
		"ValueInHalves":      input(field(structFields, join(field(entryKey, 'a'), field(entryValue, text[:1]...), field(entryValue, text[1:]...))...)),
		"TwoKinds":           input(property("a", join(text, number)...)),
		"StructsMerge":       input(property("a", join(object(property("x", text...)), object(property("y", text...)))...)),
		"StructsDoNotMerge":  input(property("a", join(object(property("x", text...)), text, object(property("y", text...)))...)),
		"ListsMerge":         input(property("a", join(list(text), list(number, text))...)),
		"StructThenList":     input(property("a", join(object(property("x", text...)), list(text))...)),
		"Unknown":            join(unknown, group, input(unknown, property("a", join(unknown, text, group)...), field(structFields, join(unknown, field(entryKey, 'a'), group)...))),
		"WrongTypes":         join(varint(requestObserved, 1), varint(requestInput, 1), input(varint(structFields, 1), property("a", varint(valueString, 1)...), property("b", field(valueNumber, 'x')...), property("c", varint(valueStruct, 1)...), field(structFields, varint(entryKey, 1)...), field(structFields, varint(entryValue, 1)...), property("d", field(valueList, varint(listValues, 1)...)...))),
		"Deep":               input(property("a", deep...)),
		"BadKey":             input(property("\xff", text...)),
		"BadKeyReplaced":     input(field(structFields, join(field(entryKey, 0xff), field(entryKey, 'a'), field(entryValue, text...))...)),
		"BadString":          input(property("a", field(valueString, 0xff)...)),
		"BadStringReplaced":  input(property("a", field(valueString, 0xff)...), property("a", text...)),
		"BadName":            field(requestObserved, field(stateResources, field(entryKey, 0xff)...)...),
		"Truncated":          whole[:len(whole)-1],
		"TruncatedStruct":    input(property("a", text[:len(text)-1]...)),
		"TruncatedNumber":    input(property("a", number[:5]...)),
		"TruncatedBool":      input(property("a", protowire.AppendTag(nil, valueBool, protowire.VarintType)...)),
		"TruncatedNull":      input(property("a", append(protowire.AppendTag(nil, valueNull, protowire.VarintType), 0x80)...)),
		"TruncatedList":      input(property("a", field(valueList, 0x0a, 5)...)),
		"TruncatedTag":       input(property("a", 0x80)),
		"EndGroup":           input(property("a", protowire.AppendTag(nil, 98, protowire.EndGroupType)...)),
		"FieldNumberZero":    input([]byte{0x02, 0x00}),
		"FieldNumberLarge":   input(property("a", varint(protowire.MaxValidNumber+1, 0)...)),
		"LargeInEntry":       input(field(structFields, varint(protowire.MaxValidNumber+1, 0)...)),
		"StateTwice":         join(field(requestObserved, field(stateComposite, field(resourceResource, property("a", text...)...)...)...), field(requestObserved, field(stateComposite, field(resourceResource, property("b", text...)...)...)...)),
		"ResourceTwice":      field(requestObserved, field(stateComposite, join(field(resourceResource, property("a", text...)...), field(resourceResource, property("b", text...)...))...)...),
		"ContextTwice":       join(field(requestContext, property("a", text...)...), field(requestContext, property("b", text...)...)),
		"CarriedInHalves":    join(field(requestContext, 0x0a), field(requestContext, 0)),
		"CarriedTwice":       field(requestDesired, field(stateResources, join(field(entryKey, 'x'), field(entryValue, field(resourceResource, property("a", text...)...)...), field(entryValue, field(resourceResource, property("b", text...)...)...))...)...),
		"CarriedReplaced":    field(requestDesired, join(field(stateResources, join(field(entryKey, 'x'), field(entryValue, 0x80))...), field(stateResources, field(entryKey, 'x')...))...),
		"DuplicateResource":  field(requestObserved, join(field(stateResources, join(field(entryKey, []byte("own")...), field(entryValue, field(resourceResource, property("a", text...)...)...))...), field(stateResources, join(field(entryKey, []byte("own")...), field(entryValue, field(resourceResource, property("b", text...)...)...))...))...),
		"DuplicateRequired":  slices.Repeat(field(requestRequiredResources, join(field(entryKey, 'x'), field(entryValue, field(resourcesItems, field(resourceResource, property("a", text...)...)...)...))...), 2),
		"ManagersOfAService": field(requestObserved, field(stateComposite, field(resourceResource, join(property("kind", field(valueString, []byte("Service")...)...), property("metadata", object(property("managedFields", list(text)...))...))...)...)...),
		"ManagersOfNone":     field(requestObserved, field(stateComposite, field(resourceResource, join(property("managedFields", list(text)...), property("metadata", object(property("managedFields", list(text)...))...))...)...)...),
		"KindTwice":          field(requestObserved, field(stateComposite, field(resourceResource, join(property("kind", field(valueString, []byte("Pod")...)...), property("metadata", object(property("managedFields", list(text)...))...), property("kind", field(valueString, []byte("Service")...)...))...)...)...),
	}
}

// request with a field of every kind, in resources that are read and others.
func request(tb testing.TB) *fnv1.RunFunctionRequest {
	tb.Helper()

	resource := func(yaml string) *fnv1.Resource {
		return &fnv1.Resource{Resource: protostructtest.FromYAML(tb, yaml), ConnectionDetails: map[string][]byte{"key": {0xff}}, Ready: fnv1.Ready_READY_TRUE}
	}

	const (
		xr      = `{kind: DittoServer, metadata: {name: files, managedFields: [{manager: x}]}, spec: {replicas: 1, smb: {enabled: true}, list: [a, 1.5, null, {b: c}], nothing: {}}}`
		object  = `{kind: Object, metadata: {name: files, managedFields: [{manager: x}]}, status: {atProvider: {manifest: {metadata: {managedFields: [{manager: y}]}}}}}`
		service = `{kind: Service, metadata: {name: files, managedFields: [{manager: x, fieldsV1: {"f:spec": {}}}]}}`
	)

	return &fnv1.RunFunctionRequest{
		Meta:        &fnv1.RequestMeta{Tag: "tag", Capabilities: []fnv1.Capability{fnv1.Capability_CAPABILITY_CONDITIONS}},
		Observed:    &fnv1.State{Composite: resource(xr), Resources: map[string]*fnv1.Resource{"own": resource(object), "other": resource(object)}},
		Desired:     &fnv1.State{Composite: resource(xr), Resources: map[string]*fnv1.Resource{"own": resource(service), "other": resource(object)}},
		Input:       protostructtest.FromYAML(tb, `{policy: {images: [a, b]}}`),
		Context:     protostructtest.FromYAML(tb, `{environment: {a: b}}`),
		Credentials: map[string]*fnv1.Credentials{"c": {Source: &fnv1.Credentials_CredentialData{CredentialData: &fnv1.CredentialData{Data: map[string][]byte{"k": {1}}}}}},
		RequiredResources: map[string]*fnv1.Resources{
			"secrets":  {Items: []*fnv1.Resource{resource(`{kind: Secret, metadata: {managedFields: []}, data: {a: b}}`), {}}},
			"services": {Items: []*fnv1.Resource{resource(service)}},
			"none":     {},
		},
		ExtraResources: map[string]*fnv1.Resources{
			"secrets": {Items: []*fnv1.Resource{resource(`{kind: Secret, metadata: {managedFields: []}, data: {a: b}}`), {}}},
		},
	}
}

func TestDecode(t *testing.T) {
	for name, b := range requests(t) {
		t.Run(name, func(t *testing.T) { compareDecoded(t, b) })
	}
}

func TestPick(t *testing.T) {
	secret := func(yaml string) *fnv1.Resource { return &fnv1.Resource{Resource: protostructtest.FromYAML(t, yaml)} }
	whole := secret(`{kind: Secret, metadata: {name: files, labels: {a: b}}, data: {a: YQ==, b: Yg==}}`)

	carried := func(r ...*fnv1.Resource) *fnv1.Resource {
		out := &fnv1.Resource{}

		for _, r := range r {
			b, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}

			if err := carry(b, out); err != nil {
				t.Fatal(err)
			}
		}

		return out
	}

	skips := func(object, field string) bool {
		return object == "" && field == "kind" || object == "metadata" && field != "name" || object == "data" && field != "b"
	}

	cases := map[string]struct {
		reason string
		given  *fnv1.Resource
		want   *fnv1.Resource
	}{
		"Carried": {
			reason: "Of what is carried, all is left out that is to be skipped.",
			given:  carried(whole),
			want:   secret(`{metadata: {name: files}, data: {b: Yg==}}`),
		},
		"Twice": {
			reason: "Protobuf merges the top level of a resource that comes in two parts.",
			given:  carried(whole, secret(`{data: {b: Yw==}}`)),
			want:   secret(`{metadata: {name: files}, data: {b: Yw==}}`),
		},
		"Decoded": {
			reason: "What is decoded already is whole.",
			given:  whole,
			want:   whole,
		},
		"Empty": {
			reason: "A resource without anything has no fields.",
			given:  &fnv1.Resource{},
			want:   &fnv1.Resource{},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Pick(tc.given, skips)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want.GetResource(), got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nPick(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A message that would decode into more values than fit into memory is an error, wherever
// they are. Bytes that are carried or skipped do not count.
func TestTooManyValues(t *testing.T) {
	text := field(valueString, 'a')
	list := func(n int, item ...byte) []byte {
		return field(valueList, bytes.Repeat(field(listValues, item...), n)...)
	}
	resource := func(properties ...byte) []byte { return field(resourceResource, properties...) }
	required := func(name string, items ...byte) []byte {
		return field(requestRequiredResources, join(field(entryKey, []byte(name)...), field(entryValue, items...))...)
	}

	const some, many = maxValues / 2, 2 * maxValues

	cases := map[string]struct {
		reason string
		b      []byte
		want   error
	}{
		"Some": {
			reason: "Far more than a server has.",
			b:      input(property("a", list(some, text...)...)),
		},
		"Objects": {
			reason: "A list of {}.",
			b:      input(property("a", list(many, field(valueStruct)...)...)),
			want:   errValues,
		},
		"Nothing": {
			reason: "Values of no kind take memory too.",
			b:      input(property("a", list(many)...)),
			want:   errValues,
		},
		"Fields": {
			reason: "A map of many keys, or of one that comes often.",
			b:      input(bytes.Repeat(property("a", text...), many)),
			want:   errValues,
		},
		"Kinds": {
			reason: "A value that is given many times over.",
			b:      input(property("a", bytes.Repeat(text, many)...)),
			want:   errValues,
		},
		"Split": {
			reason: "The bound is on a message, and not on each of its resources.",
			b:      join(slices.Repeat([][]byte{field(requestObserved, field(stateComposite, resource(property("a", list(some, text...)...)...)...)...)}, 3)...),
			want:   errValues,
		},
		"Composed": {
			reason: "What is observed counts.",
			b:      field(requestObserved, field(stateResources, join(field(entryKey, []byte("own")...), field(entryValue, resource(property("a", list(many, text...)...)...)...))...)...),
			want:   errValues,
		},
		"Others": {
			reason: "What is not read does not.",
			b:      field(requestObserved, field(stateResources, join(field(entryKey, []byte("other")...), field(entryValue, resource(property("a", list(many, text...)...)...)...))...)...),
		},
		"Carried": {
			reason: "What is passed on is not decoded.",
			b:      field(requestContext, property("a", list(many, text...)...)...),
		},
		"Desired": {
			reason: "A resource that is carried takes memory by itself.",
			b:      field(requestDesired, bytes.Repeat(field(stateResources, field(entryKey, 'a')...), many)...),
			want:   errValues,
		},
		"Required": {
			reason: "What is required counts.",
			b:      required("services", field(resourcesItems, resource(property("a", list(many, text...)...)...)...)...),
			want:   errValues,
		},
		"Items": {
			reason: "A resource without fields takes memory by itself.",
			b:      required("services", bytes.Repeat(field(resourcesItems), many)...),
			want:   errValues,
		},
		"Picked": {
			reason: "What is to be picked is not decoded yet.",
			b:      required("secrets", field(resourcesItems, resource(property("data", field(valueStruct, bytes.Repeat(property("a", text...), many)...)...)...)...)...),
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if err := codec.decodeRequest(tc.b, &fnv1.RunFunctionRequest{}); !errors.Is(err, tc.want) {
				t.Errorf("%s\ndecodeRequest(...): want error %v, got %v", tc.reason, tc.want, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seeds := range []map[string][]byte{requests(f), repeated(3)} {
		for _, b := range seeds {
			f.Add(b)
		}
	}

	f.Fuzz(func(t *testing.T, b []byte) { compareDecoded(t, b) })
}

// compareDecoded with what protobuf makes of the same bytes.
func compareDecoded(t *testing.T, b []byte) {
	t.Helper()

	want := &fnv1.RunFunctionRequest{}
	wantErr := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, want)

	for _, c := range []Codec{{Reads: func(string) bool { return true }, ReadsManagers: func(string) bool { return true }, Picks: func(string) bool { return false }}, codec} {
		got := &fnv1.RunFunctionRequest{}
		err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(slices.Clone(b))}, got)

		if err == nil {
			// Carried bytes are none of this function's business, right or wrong.
			err = uncarry(got)
		}

		if errors.Is(err, errValues) {
			continue
		}

		// Bytes that nobody reads may be wrong.
		if err != nil && wantErr == nil || err == nil && wantErr != nil && c.Reads("other") && !carriedReplaced(b, got) {
			t.Errorf("Unmarshal(...): want error: %v, got: %v", wantErr, err)
		}

		if err != nil || wantErr != nil {
			continue
		}

		again, err := proto.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}

		got = &fnv1.RunFunctionRequest{}
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(again, got); err != nil {
			t.Fatal(err)
		}

		withoutUnread(want, c)

		// Equal is linear in how deeply values are nested.
		if !proto.Equal(want, got) {
			diff := cmp.Diff(want, got, protocmp.Transform())
			t.Errorf("Unmarshal(...): -want, +got:\n%s", diff)
		}
	}
}

// carriedReplaced reports whether a carried resource took the place of another one, which
// nobody has looked at.
func carriedReplaced(b []byte, req *fnv1.RunFunctionRequest) bool {
	entries := 0

	for len(b) > 0 {
		num, v, n := consume(b)
		if n < 0 {
			return false
		}

		if num == requestDesired {
			entries += count(v, stateResources)
		}

		b = b[n:]
	}

	return entries > len(req.GetDesired().GetResources())
}

// uncarry decodes what was carried.
func uncarry(req *fnv1.RunFunctionRequest) error {
	decode := func(m proto.Message) error {
		b := m.ProtoReflect().GetUnknown()
		if len(b) == 0 {
			return nil
		}

		m.ProtoReflect().SetUnknown(nil)

		return proto.Unmarshal(b, m)
	}

	var errs []error

	if req.GetContext() != nil {
		errs = append(errs, decode(req.GetContext()))
	}

	for _, r := range req.GetDesired().GetResources() {
		errs = append(errs, decode(r))
	}

	for _, fetched := range []map[string]*fnv1.Resources{req.GetRequiredResources(), req.GetExtraResources()} {
		for _, r := range fetched["secrets"].GetItems() {
			errs = append(errs, decode(r))
		}
	}

	return errors.Join(errs...)
}

// withoutUnread returns what is left of a request.
func withoutUnread(req *fnv1.RunFunctionRequest, c Codec) {
	maps.DeleteFunc(req.GetObserved().GetResources(), func(name string, _ *fnv1.Resource) bool { return !c.Reads(name) })

	decoded := []*fnv1.Resource{req.GetObserved().GetComposite(), req.GetDesired().GetComposite()}
	decoded = slices.AppendSeq(decoded, maps.Values(req.GetObserved().GetResources()))

	for _, fetched := range []map[string]*fnv1.Resources{req.GetRequiredResources(), req.GetExtraResources()} {
		for name, rs := range fetched {
			if !c.Picks(name) {
				decoded = append(decoded, rs.GetItems()...)
			}
		}
	}

	for _, r := range decoded {
		if s := r.GetResource(); !c.ReadsManagers(s.GetFields()["kind"].GetStringValue()) {
			prune(structpb.NewStructValue(s), "")
		}
	}
}

// prune metadata.managedFields at any depth of the value of a field of this name.
func prune(v *structpb.Value, name string) {
	if s := v.GetStructValue(); s != nil {
		if name == "metadata" {
			delete(s.GetFields(), "managedFields")
		}

		for name, v := range s.GetFields() {
			prune(v, name)
		}
	}

	for _, v := range v.GetListValue().GetValues() {
		prune(v, "")
	}
}

// A response decodes to what it was before it was encoded.
func FuzzEncode(f *testing.F) {
	for _, b := range requests(f) {
		// Both have structs, at other numbers.
		f.Add(field(responseDesired, b...))
	}

	state := &fnv1.State{Composite: request(f).GetObserved().GetComposite(), Resources: request(f).GetObserved().GetResources()}

	whole, err := proto.Marshal(&fnv1.RunFunctionResponse{Meta: &fnv1.ResponseMeta{Tag: "tag"}, Desired: state, Context: request(f).GetContext()})
	if err != nil {
		f.Fatal(err)
	}

	f.Add(whole)

	f.Fuzz(func(t *testing.T, b []byte) {
		want := &fnv1.RunFunctionResponse{}
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, want) != nil {
			t.Skip()
		}

		given := proto.CloneOf(want)

		encoded, err := codec.Marshal(given)
		if err != nil {
			t.Fatalf("Marshal(...): %v", err)
		}

		if !proto.Equal(want, given) {
			diff := cmp.Diff(want, given, protocmp.Transform())
			t.Errorf("Marshal(...) changes what it encodes: -want, +got:\n%s", diff)
		}

		got := &fnv1.RunFunctionResponse{}
		if err := proto.Unmarshal(encoded.Materialize(), got); err != nil {
			t.Fatal(err)
		}

		if !proto.Equal(want, got) {
			diff := cmp.Diff(want, got, protocmp.Transform())
			t.Errorf("Marshal(...): -want, +got:\n%s", diff)
		}
	})
}

func TestEncodeRefuses(t *testing.T) {
	text := func(s string) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue(s)}})}}
	}

	cases := map[string]*fnv1.State{
		"Value":     {Composite: &fnv1.Resource{Resource: text("\xff")}},
		"Key":       {Composite: &fnv1.Resource{Resource: &structpb.Struct{Fields: map[string]*structpb.Value{"\xff": nil}}}},
		"Name":      {Resources: map[string]*fnv1.Resource{"\xff": {}}},
		"Resources": {Resources: map[string]*fnv1.Resource{"a": {Resource: text("\xff")}}},
	}

	for name, desired := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := codec.Marshal(&fnv1.RunFunctionResponse{Desired: desired}); err == nil {
				t.Error("Marshal(...): want an error about a string that is not valid UTF-8")
			}
		})
	}
}

// Other messages go through gRPC's own codec.
func TestOtherMessages(t *testing.T) {
	want := structpb.NewStringValue("a")

	b, err := codec.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}

	got := &structpb.Value{}
	if err := codec.Unmarshal(b, got); err != nil || !proto.Equal(want, got) {
		t.Errorf("Unmarshal(Marshal(%v)): %v, %v", want, got, err)
	}
}

// Protobuf goes as deep, and not further.
func TestDepth(t *testing.T) {
	for _, depth := range []int{1000, 20000} {
		v := field(valueString, 'a')
		for range depth {
			v = field(valueList, field(listValues, v...)...)
		}

		compareDecoded(t, input(property("a", v...)))
	}
}

// What a call costs beside the function itself: with few resources, and with many of
// other functions.
func BenchmarkCodec(b *testing.B) {
	many := request(b)

	for _, r := range []map[string]*fnv1.Resource{many.GetObserved().GetResources(), many.GetDesired().GetResources()} {
		for i := range 500 {
			r[strconv.Itoa(i)] = r["other"]
		}
	}

	for name, req := range map[string]*fnv1.RunFunctionRequest{"Few": request(b), "Many": many} {
		encoded, err := proto.Marshal(req)
		if err != nil {
			b.Fatal(err)
		}

		for name, c := range map[string]encoding.CodecV2{name + "/Protobuf": encoding.GetCodecV2("proto"), name + "/Codec": codec} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()

				for b.Loop() {
					req := &fnv1.RunFunctionRequest{}
					if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(encoded)}, req); err != nil {
						b.Fatal(err)
					}

					rsp, err := c.Marshal(&fnv1.RunFunctionResponse{Desired: req.GetDesired(), Context: req.GetContext()})
					if err != nil {
						b.Fatal(err)
					}

					rsp.Free()
				}
			})
		}
	}
}

// Shapes that repeat what should come once: what decoding them allocates must grow as
// their length does.
func repeated(n int) map[string][]byte {
	text := field(valueString, 'a')
	object := field(valueStruct, property("x", text...)...)
	list := field(valueList, field(listValues, text...)...)
	resource := field(resourceResource, property("a", text...)...)
	values := func(key string, value []byte) []byte {
		return join(field(entryKey, []byte(key)...), bytes.Repeat(field(entryValue, value...), n))
	}

	return map[string][]byte{
		"ObjectsOfAnEntry":     input(field(structFields, values("a", object)...)),
		"ListsOfAnEntry":       input(field(structFields, values("a", list)...)),
		"TextsOfAnEntry":       input(field(structFields, values("a", text)...)),
		"EmptyValuesOfAnEntry": input(field(structFields, values("a", nil)...)),
		"ObjectsOfAValue":      input(property("a", bytes.Repeat(object, n)...)),
		"EntriesOfAKey":        input(bytes.Repeat(property("a", text...), n)),
		"Inputs":               bytes.Repeat(input(property("a", text...)), n),
		"Contexts":             bytes.Repeat(field(requestContext, property("a", text...)...), n),
		"Observed":             bytes.Repeat(field(requestObserved, field(stateComposite, resource...)...), n),
		"ObservedResource":     field(requestObserved, field(stateResources, values("own", resource)...)...),
		"Desired":              bytes.Repeat(field(requestDesired, field(stateComposite, resource...)...), n),
		"DesiredResource":      field(requestDesired, field(stateResources, values("x", resource)...)...),
		"ExtraItems":           field(requestExtraResources, values("x", field(resourcesItems, resource...))...),
		"RequiredItems":        field(requestRequiredResources, values("x", field(resourcesItems, resource...))...),
		"Kinds":                field(requestObserved, field(stateComposite, field(resourceResource, field(structFields, values("kind", text)...)...)...)...),
	}
}

func TestDecodeIsLinear(t *testing.T) {
	const n = 1000

	allocated := func(b []byte) uint64 {
		var before, after runtime.MemStats

		runtime.ReadMemStats(&before)

		if err := codec.decodeRequest(b, &fnv1.RunFunctionRequest{}); err != nil {
			t.Fatal(err)
		}

		runtime.ReadMemStats(&after)

		return after.TotalAlloc - before.TotalAlloc
	}

	more := repeated(10 * n)

	for name, b := range repeated(n) {
		t.Run(name, func(t *testing.T) {
			// The little that is allocated once is less than 16 KiB.
			if few, many := allocated(b), allocated(more[name]); many > 20*few+16<<10 {
				t.Errorf("decodeRequest(...) allocates %d bytes for %d repetitions, and %d for ten times as many", few, n, many)
			}
		})
	}
}

// An old Crossplane keeps what it does not know of the requirements as bytes, and compares
// them from call to call.
func TestEncodeIsDeterministic(t *testing.T) {
	rsp := &fnv1.RunFunctionResponse{Desired: request(t).GetObserved(), Requirements: &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{}}}
	for i := range 10 {
		rsp.Requirements.Resources[strconv.Itoa(i)] = &fnv1.ResourceSelector{Kind: "Secret", Match: &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: map[string]string{"a": "b", "c": "d", "e": "f"}}}}
	}

	want, err := codec.Marshal(rsp)
	if err != nil {
		t.Fatal(err)
	}

	for range 50 {
		got, err := codec.Marshal(rsp)
		if err != nil {
			t.Fatal(err)
		}

		if !bytes.Equal(want.Materialize(), got.Materialize()) {
			t.Fatal("Marshal(...): want equal bytes of equal responses")
		}
	}
}
