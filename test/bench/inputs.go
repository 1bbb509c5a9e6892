package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"
)

// An input is a request of a running server, of which one value is replaced by one that is
// as large as one likes.
type input struct {
	// kind of what is replaced, by which the worst are chosen.
	kind string

	// where it is, and what takes its place.
	where, what string

	request func(size int) []byte

	// change is what is done to the composite resource, if it is there.
	change func(xr map[string]any, size int) map[string]any
}

func (in input) String() string { return in.where + ": " + in.what }

// A filler makes values of about so many bytes.
type filler struct {
	name string
	make func(size int) value
}

// A value is an encoded google.protobuf.Value.
type value []byte

// Numbers of the fields that are encoded here.
// https://github.com/crossplane/crossplane/blob/main/proto/fn/v1/run_function.proto
// https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/struct.proto
const (
	requestObserved, requestRequired = 2, 8
	stateComposite, stateResources   = 1, 2
	resourceStruct, resourcesItems   = 1, 1
	entryKey, entryValue             = 1, 2
	structFields, listValues         = 1, 1

	valueNull, valueNumber, valueString, valueBool, valueStruct, valueList = 1, 2, 3, 4, 5, 6
)

func field(num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), v)
}

func entry(key string, v []byte) []byte {
	return slices.Concat(field(entryKey, []byte(key)), field(entryValue, v))
}

// encodeValue of a JSON document, which may have values in it.
func encodeValue(v any) value {
	varint := func(num protowire.Number, n uint64) value {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), n)
	}

	switch v := v.(type) {
	case value:
		return v
	case nil:
		return varint(valueNull, 0)
	case bool:
		return varint(valueBool, protowire.EncodeBool(v))
	case int:
		return encodeValue(float64(v))
	case float64:
		return protowire.AppendFixed64(protowire.AppendTag(nil, valueNumber, protowire.Fixed64Type), math.Float64bits(v))
	case string:
		return field(valueString, []byte(v))
	case []any:
		var b []byte
		for _, item := range v {
			b = append(b, field(listValues, encodeValue(item))...)
		}

		return field(valueList, b)
	case map[string]any:
		return field(valueStruct, encodeStruct(v))
	default:
		panic(fmt.Sprintf("no JSON: %T", v))
	}
}

func encodeStruct(m map[string]any) []byte {
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(m)) {
		b = append(b, field(structFields, entry(key, encodeValue(m[key])))...)
	}

	return b
}

// listOf so many bytes, of the items of these numbers.
func listOf(size int, item func(i int) any) value {
	var b []byte
	for i := 0; len(b) < size; i++ {
		b = append(b, field(listValues, encodeValue(item(i)))...)
	}

	return field(valueList, b)
}

// mapOf so many bytes, of the keys of these numbers.
func mapOf(size int, key string, item func(i int) any) value {
	var b []byte
	for i := 0; len(b) < size; i++ {
		b = append(b, field(structFields, entry(fmt.Sprintf(key, i), encodeValue(item(i))))...)
	}

	return field(valueStruct, b)
}

// nested lists, far deeper than anything is.
func nested(size int) value {
	var tower value
	for range 1000 {
		tower = field(valueList, field(listValues, tower))
	}

	return listOf(size, constant(tower))
}

// texts that a validator may be slow with.
//
//nolint:gochecknoglobals // A table.
var texts = map[string]string{
	"letters": "a", "digits": "1", "zeros": "0", "dots": "a.", "slashes": "/", "colons": ":", "commas": "a,", "dashes": "a-", "spaces": " ", "line breaks": "\n",
	"umlauts": "ü", "capitals": "A", "references": "$(A)", "quotes": "\"", "NULs": "\x00", "paths": "../a/", "exponents": "1e", "equal signs": "a=b ", "percents": "%s",
}

func textFillers() []filler {
	var all []filler

	for _, name := range slices.Sorted(maps.Keys(texts)) {
		all = append(all, filler{"a text of " + name, func(size int) value {
			return encodeValue(strings.Repeat(texts[name], size/len(texts[name])))
		}})
	}

	return append(all,
		filler{"a number with many digits", func(size int) value { return encodeValue("0." + strings.Repeat("1", size)) }},
		filler{"1e100", func(int) value { return encodeValue(1e100) }})
}

// constant returns the same value for each number.
func constant(v any) func(int) any { return func(int) any { return v } }

// numbered returns a name for each number.
func numbered(i int) any { return fmt.Sprintf("a%06d", i) }

func containerFillers(items map[string]func(i int) any) []filler {
	all := []filler{
		{"{}, many times", func(size int) value { return listOf(size, constant(map[string]any{})) }},
		{"empty texts", func(size int) value { return listOf(size, constant("")) }},
		{"nulls", func(size int) value { return listOf(size, constant(nil)) }},
		{"values of no kind", func(size int) value { return listOf(size, constant(value{})) }},
		{"distinct names", func(size int) value { return listOf(size, numbered) }},
		{"distinct addresses", func(size int) value {
			return listOf(size, func(i int) any { return fmt.Sprintf("10.%d.%d.%d/32", i>>16&255, i>>8&255, i&255) })
		}},
		{"distinct numbers", func(size int) value { return listOf(size, func(i int) any { return i }) }},
		{"nested lists", nested},
		{"unknown fields", func(size int) value { return mapOf(size, "a%06d", constant("")) }},
		{"keys with a domain", func(size int) value { return mapOf(size, "example.org/a%06d", numbered) }},
		{"bad keys", func(size int) value { return mapOf(size, "!%06d", constant("")) }},
		{"bad keys with bad values", func(size int) value { return mapOf(size, "!%06d", constant(map[string]any{})) }},
		{"keys with large numbers", func(size int) value { return mapOf(size, "a%06d", constant(1e100)) }},
		{"keys with quantities", func(size int) value { return mapOf(size, "example.org/a%06d", constant("1")) }},
	}

	for _, name := range slices.Sorted(maps.Keys(items)) {
		all = append(all, filler{name, func(size int) value { return listOf(size, items[name]) }})
	}

	return all
}

// otherKinds of values than a text or a number.
func otherKinds() []filler {
	return []filler{
		{"{}, many times", func(size int) value { return listOf(size, constant(map[string]any{})) }},
		{"nested lists", nested},
		{"unknown fields", func(size int) value { return mapOf(size, "a%06d", constant("")) }},
	}
}

// A site is a place in a document.
type site []any

func (s site) String() string {
	b := &strings.Builder{}

	for _, step := range s {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(b, "[%d]", step)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}

			b.WriteString(step)
		}
	}

	return b.String()
}

func inMetadata(path ...any) site { return append(site{"metadata"}, path...) }

// with returns a copy of a document with something else at a place.
func with(doc any, at site, v any) any {
	if len(at) == 0 {
		return v
	}

	switch step := at[0].(type) {
	case string:
		m, _ := doc.(map[string]any)

		m = maps.Clone(m)
		if m == nil {
			m = map[string]any{}
		}

		m[step] = with(m[step], at[1:], v)

		return m
	case int:
		l, _ := doc.([]any)

		l = slices.Clone(l)
		for len(l) <= step {
			l = append(l, nil)
		}

		l[step] = with(l[step], at[1:], v)

		return l
	}

	return doc
}

// inputs of requests: of each field of the API, of metadata and status of the composite
// resource, of its Secrets, and of what is observed.
func inputs(objects, native *fnv1.RunFunctionRequest, definition, example string) ([]input, error) {
	all, err := specInputs(objects, definition, example)
	if err != nil {
		return nil, err
	}

	all = append(all, metadataInputs(objects)...)
	all = append(all, secretInputs(objects)...)
	all = append(all, observedInputs(objects, "observed Objects")...)
	all = append(all, observedInputs(native, "observed natively")...)

	return append(all, everywhere(objects)...), nil
}

// ofChange returns an input of a changed composite resource.
func ofChange(kind, where, what string, req *fnv1.RunFunctionRequest, change func(xr map[string]any, size int) map[string]any) input {
	return input{kind: kind, where: where, what: what, change: change, request: func(size int) []byte {
		xr := req.GetObserved().GetComposite().GetResource().AsMap()
		rest := &fnv1.RunFunctionRequest{
			Meta: req.GetMeta(), Input: req.GetInput(), RequiredResources: req.GetRequiredResources(),
			Observed: &fnv1.State{Resources: req.GetObserved().GetResources()},
		}

		return append(encodeRequest(rest), field(requestObserved, field(stateComposite, field(resourceStruct, encodeStruct(change(xr, size)))))...)
	}}
}

// inputsOfComposite puts each filler in one place of the composite resource.
func inputsOfComposite(kind string, s site, req *fnv1.RunFunctionRequest, fillers []filler) []input {
	var all []input

	for _, f := range fillers {
		all = append(all, ofChange(kind, s.String(), f.name, req, func(xr map[string]any, size int) map[string]any {
			xr, _ = with(xr, s, f.make(size)).(map[string]any)
			return xr
		}))
	}

	return all
}

// together returns inputs that change the composite resource in two ways at once.
func together(all []input, req *fnv1.RunFunctionRequest) []input {
	var pairs []input

	for i, a := range all {
		for _, b := range all[:i] {
			if a.change == nil || b.change == nil || a.where == b.where {
				continue
			}

			pairs = append(pairs, ofChange("two at once", a.where+", and "+b.where, a.what+", and "+b.what, req, func(xr map[string]any, size int) map[string]any {
				return b.change(a.change(xr, size/2), size/2)
			}))
		}
	}

	return pairs
}

func encodeRequest(req *fnv1.RunFunctionRequest) []byte {
	b, err := proto.Marshal(req)
	if err != nil {
		panic(err)
	}

	return b
}

// A schema of the API.
type schema struct {
	Type                 string             `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Required             []string           `json:"required"`
	Enum                 []any              `json:"enum"`
}

// example of what a schema takes, with names of this number: what is required, or all of it.
func (s *schema) example(i int, whole bool) any {
	switch {
	case s == nil:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type == "object" && s.AdditionalProperties != nil:
		return map[string]any{fmt.Sprintf("a%06d", i): s.AdditionalProperties.example(i, whole)}
	case s.Type == "object":
		o := map[string]any{}

		for name, p := range s.Properties {
			if whole || slices.Contains(s.Required, name) {
				o[name] = p.example(i, whole)
			}
		}

		return o
	case s.Type == "array":
		return []any{s.Items.example(i, whole)}
	case s.Type == "boolean":
		return true
	case s.Type == "integer" || s.Type == "number":
		return 1
	default:
		return fmt.Sprintf("a%06d", i)
	}
}

// fillers of the place of what a schema describes, and the kind of it.
func (s *schema) fillers() (string, []filler) {
	switch {
	case s.Type == "array":
		return "lists of the spec", containerFillers(map[string]func(i int) any{
			"items with what is required": func(i int) any { return s.Items.example(i, false) },
			"items with everything":       func(i int) any { return s.Items.example(i, true) },
			"the same item":               constant(s.Items.example(0, false)),
		})
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "maps of the spec", containerFillers(nil)
	case s.Type == "object":
		return "objects of the spec", containerFillers(nil)
	default:
		return "texts and numbers of the spec", append(textFillers(), otherKinds()...)
	}
}

// specInputs puts each filler in the place of each field of the spec.
func specInputs(req *fnv1.RunFunctionRequest, definition, example string) ([]input, error) {
	api := struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema *schema `json:"openAPIV3Schema"` //nolint:tagliatelle // Crossplane's name.
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}{}
	full := map[string]any{}

	for file, into := range map[string]any{definition: &api, example: &full} {
		b, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return nil, err
		}

		if err := yaml.Unmarshal(b, into); err != nil {
			return nil, err
		}
	}

	var (
		all  []input
		walk func(s *schema, place site)
		seen = map[string]bool{}
	)

	walk = func(s *schema, place site) {
		// Kubernetes' own types come many times over, such as labelSelector.
		if b, err := json.Marshal(s); err == nil && len(s.Properties)+len(place) > 3 {
			what := fmt.Sprint(place[len(place)-1]) + string(b)
			if seen[what] {
				return
			}

			seen[what] = true
		}

		kind, fillers := s.fillers()

		for _, f := range fillers {
			all = append(all, ofChange(kind, "spec."+place.String(), f.name, req, func(xr map[string]any, size int) map[string]any {
				// The fields beside it are those of the example.
				if top, ok := place[0].(string); ok && at(full, "spec", top) != nil {
					xr, _ = with(xr, site{"spec", top}, at(full, "spec", top)).(map[string]any)
				}

				xr, _ = with(xr, append(site{"spec"}, place...), f.make(size)).(map[string]any)

				return xr
			}))
		}

		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			walk(s.Properties[name], append(slices.Clone(place), name))
		}

		if s.Items != nil {
			walk(s.Items, append(slices.Clone(place), 0))
		}

		if s.AdditionalProperties != nil {
			walk(s.AdditionalProperties, append(slices.Clone(place), "example.org/a"))
		}
	}

	spec := api.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	for _, name := range slices.Sorted(maps.Keys(spec.Properties)) {
		walk(spec.Properties[name], site{name})
	}

	all = append(all, configInputs(req)...)

	return append(all, inputsOfComposite("objects of the spec", site{"spec"}, req, containerFillers(nil))...), nil
}

// configInputs puts what is deep and what is wide into spec.config, whose keys no schema has: by
// itself, and beside variables that could reach them.
func configInputs(req *fnv1.RunFunctionRequest) []input {
	// Far below the first key, the path of each is long.
	deep := func(v value) value {
		for range 29 {
			v = encodeValue(map[string]any{strings.Repeat("a", 63): v})
		}

		return v
	}

	wide := []filler{
		{"many keys", func(size int) value { return mapOf(size, "a%06d", constant(1)) }},
		{"many objects", func(size int) value { return mapOf(size, "a%06d", constant(map[string]any{"a": map[string]any{}})) }},
		{"many lists", func(size int) value { return mapOf(size, "a%06d", constant([]any{[]any{[]any{}}})) }},
		{"many texts", func(size int) value { return mapOf(size, "a%06d", constant("\u2028\n")) }},
		{"keys of secrets", func(size int) value { return mapOf(size, "a%06d_password", constant("")) }},
		{"a long list", func(size int) value { return listOf(size, func(i int) any { return map[string]any{"a": i} }) }},
	}

	var all []input

	for _, f := range wide {
		for _, in := range []struct {
			what  string
			place func(v value) value
			env   bool
		}{
			{f.name, func(v value) value { return v }, false},
			{f.name + ", deep", deep, false},
			{f.name + ", deep, beside variables", deep, true},
		} {
			all = append(all, ofChange("config", "spec.config", in.what, req, func(xr map[string]any, size int) map[string]any {
				// Within the bounds of all values and all texts.
				xr, _ = with(xr, site{"spec", "config"}, encodeValue(map[string]any{"x": in.place(f.make(min(size, 20*1024)))})).(map[string]any)
				if in.env {
					xr, _ = with(xr, site{"spec", "extraEnv"}, listOf(min(size, 96*1024), func(i int) any { return map[string]any{"name": fmt.Sprintf("DITTOFS_X%06d", i)} })).(map[string]any)
				}

				return xr
			}))
		}
	}

	return all
}

// inputsAt puts each filler in one place.
func inputsAt(kind, prefix string, doc map[string]any, s site, of func(doc map[string]any) []byte, fillers []filler) []input {
	var all []input

	for _, f := range fillers {
		all = append(all, input{kind: kind, where: prefix + s.String(), what: f.name, request: func(size int) []byte {
			changed, _ := with(doc, s, f.make(size)).(map[string]any)
			return of(changed)
		}})
	}

	return all
}

// metadataInputs puts fillers where only the API server and Crossplane look closely.
func metadataInputs(req *fnv1.RunFunctionRequest) []input {
	var all []input

	names := []filler{
		{"many names", func(size int) value { return mapOf(size, "example.org/a%06d", numbered) }},
		{"many bad names", func(size int) value { return mapOf(size, "!%06d", constant("")) }},
	}
	lists := []filler{
		{"distinct names", func(size int) value { return listOf(size, numbered) }},
		{"{}, many times", func(size int) value { return listOf(size, constant(map[string]any{})) }},
	}

	for _, in := range []struct {
		site    site
		fillers []filler
	}{
		{inMetadata("annotations"), names},
		{inMetadata("annotations", "dittofs.io/approve"), textFillers()},
		{inMetadata("labels"), names},
		{inMetadata("finalizers"), lists},
		{inMetadata("ownerReferences"), lists},
		{inMetadata("managedFields"), lists},
		{inMetadata("name"), textFillers()},
		{site{"spec", "crossplane", "resourceRefs"}, lists},
		{site{"status"}, containerFillers(nil)},
		{site{"status", "conditions"}, lists},
	} {
		all = append(all, inputsOfComposite("metadata and status of the DittoServer", in.site, req, in.fillers)...)
	}

	return all
}

// secretInputs puts fillers into the Secrets.
func secretInputs(req *fnv1.RunFunctionRequest) []input {
	var all []input

	for name, resources := range req.GetRequiredResources() {
		if len(resources.GetItems()) == 0 {
			continue
		}

		secret := resources.GetItems()[0].GetResource().AsMap()
		rest := proto.CloneOf(req)
		delete(rest.GetRequiredResources(), name)
		head := encodeRequest(rest)

		of := func(doc map[string]any) []byte {
			item := field(resourcesItems, field(resourceStruct, encodeStruct(doc)))
			return append(slices.Clone(head), field(requestRequired, entry(name, item))...)
		}

		fillers := []filler{
			{"many keys", func(size int) value { return mapOf(size, "a%06d", constant("")) }},
			{"many keys with values", func(size int) value { return mapOf(size, "a%06d", constant("QUFB")) }},
			{"keys called url", func(size int) value { return mapOf(size, "url%06d", constant("")) }},
		}

		for _, s := range []site{{"data"}, inMetadata("annotations"), inMetadata("labels")} {
			all = append(all, inputsAt("Secrets", name+": ", secret, s, of, fillers)...)
		}

		data, _ := secret["data"].(map[string]any)
		for key := range data {
			fillers := append(textFillers(), filler{"spaces in base64", func(size int) value { return encodeValue(strings.Repeat("ICAg", size/4)) }})
			all = append(all, inputsAt("Secrets", name+": ", secret, site{"data", key}, of, fillers)...)
		}
	}

	return all
}

// observedInputs puts fillers in the place of what is observed: of the same kind, as the API server
// would have no other.
func observedInputs(req *fnv1.RunFunctionRequest, kind string) []input {
	var all []input

	for _, name := range slices.Sorted(maps.Keys(req.GetObserved().GetResources())) {
		rest := proto.CloneOf(req)
		resource := rest.GetObserved().GetResources()[name].GetResource().AsMap()
		delete(rest.GetObserved().GetResources(), name)
		head := encodeRequest(rest)

		of := func(doc map[string]any) []byte {
			return append(slices.Clone(head), field(requestObserved, field(stateResources, entry(name, field(resourceStruct, encodeStruct(doc)))))...)
		}

		var walk func(v any, s site)

		walk = func(v any, s site) {
			if len(s) > 0 {
				all = append(all, inputsAt(kind, name+": ", resource, s, of, alike(v))...)
			}

			switch v := v.(type) {
			case map[string]any:
				for _, key := range slices.Sorted(maps.Keys(v)) {
					walk(v[key], append(slices.Clone(s), key))
				}
			case []any:
				// Items are alike.
				if len(v) > 0 {
					walk(v[0], append(slices.Clone(s), 0))
				}
			}
		}

		walk(resource, nil)
	}

	return all
}

// alike returns fillers of the kind of a value.
func alike(v any) []filler {
	switch v := v.(type) {
	case string:
		return []filler{{"a text of letters", func(size int) value { return encodeValue(strings.Repeat("a", size)) }}}
	case []any:
		if len(v) == 0 {
			return nil
		}

		return []filler{
			{"the same item", func(size int) value { return listOf(size, constant(v[0])) }},
			{"all items, again and again", func(size int) value { return listOf(size, func(i int) any { return v[i%len(v)] }) }},
		}
	case map[string]any:
		for key, item := range v {
			// Labels and their like, and the fields of a manager.
			if _, ok := item.(string); ok {
				return []filler{{"many names", func(size int) value { return mapOf(size, "example.org/a%06d", numbered) }}}
			}

			if strings.HasPrefix(key, "f:") || strings.HasPrefix(key, "k:") || key == "." {
				return []filler{
					{"many fields", func(size int) value { return mapOf(size, "f:a%06d", constant(map[string]any{})) }},
					{"many items", func(size int) value { return mapOf(size, `k:{"name":"a%06d"}`, constant(map[string]any{})) }},
				}
			}
		}
	}

	return nil
}

// everything is the kind of inputs that are large all over.
const everything = "everything at once"

// everywhere puts so many bytes into every resource at once: as much as a tenant may have there, and
// up to 16 MiB, above which the function takes no message.
func everywhere(req *fnv1.RunFunctionRequest) []input {
	var all []input

	for _, f := range []filler{
		{"a text", func(size int) value { return encodeValue(strings.Repeat("QUFB", size/4)) }},
		{"names", func(size int) value { return mapOf(size, "a%06d", constant("")) }},
	} {
		all = append(all, input{kind: everything, where: "annotations and data", what: f.name, request: func(size int) []byte {
			req := proto.CloneOf(req)
			b := []byte{}

			size = min(size, (15<<20)/(1+len(req.GetObserved().GetResources())+len(req.GetRequiredResources())))
			v := f.make(size)

			xr, _ := with(req.GetObserved().GetComposite().GetResource().AsMap(), inMetadata("annotations", "example.org/a"), v).(map[string]any)
			b = append(b, field(requestObserved, field(stateComposite, field(resourceStruct, encodeStruct(xr))))...)

			for name, r := range req.GetObserved().GetResources() {
				o, _ := with(r.GetResource().AsMap(), inMetadata("annotations", "example.org/a"), v).(map[string]any)
				b = append(b, field(requestObserved, field(stateResources, entry(name, field(resourceStruct, encodeStruct(o)))))...)
			}

			for name, rs := range req.GetRequiredResources() {
				for _, r := range rs.GetItems() {
					o := any(r.GetResource().AsMap())

					for key := range r.GetResource().GetFields()["data"].GetStructValue().GetFields() {
						o = with(o, site{"data", key}, v)
						break
					}

					doc, _ := o.(map[string]any)
					b = append(b, field(requestRequired, entry(name, field(resourcesItems, field(resourceStruct, encodeStruct(doc)))))...)
				}
			}

			req.Observed, req.RequiredResources = nil, nil

			return append(encodeRequest(req), b...)
		}})
	}

	return all
}
