package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
)

// Files that the reference is made of, beside the Go types.
const (
	// exampleOfAll has every field of a DittoServer.
	exampleOfAll = "example/full.yaml"

	// compositionOfAll has every field of the input.
	compositionOfAll = "example/operate/composition-full.yaml"

	// A server that runs has most of the status, one whose claims have grown has these, one of a
	// platform its defaults, and one of every field the rest.
	statusOfRunning = "test/gitops/testdata/namespaced/running.yaml"
	statusOfGrown   = "test/gitops/testdata/namespaced/frozen.yaml"
	statusOfPoliced = "cmd/render/testdata/golden/policed.yaml"
	statusOfRouted  = "cmd/render/testdata/golden/operate/composition-full.yaml"
	statusOfAll     = "cmd/render/testdata/golden/full.yaml"

	inputCRD = "package/input/dittoserver.fn.crossplane.io_inputs.yaml"
)

// An object of the reference: its fields are a table.
type object struct {
	path    string
	typ     reflect.Type
	schema  map[string]any
	example any

	// written says whether people write the object. Its fields have defaults, and may be
	// wrong.
	written bool
}

// reference returns docs/api.md: what the doc comments, the schemas and the examples say.
func reference(crd *unstructured.Unstructured) ([]byte, error) {
	server, errServer := readYAML(exampleOfAll)
	composition, errComposition := readYAML(compositionOfAll)
	input, errInput := readYAML(inputCRD)
	status, errStatus := statusExample()

	if err := errors.Join(errServer, errComposition, errInput, errStatus); err != nil {
		return nil, err
	}

	pipeline, _, _ := unstructured.NestedSlice(composition.Object, "spec", "pipeline")
	if len(pipeline) != 1 {
		return nil, fmt.Errorf("%s has %d steps, want one", compositionOfAll, len(pipeline))
	}

	step, _ := pipeline[0].(map[string]any)

	r := &referenceWriter{examples: map[string]any{}}
	r.printf("%s", referenceHead)

	properties := propertiesOf(schemaOf(crd))
	r.object(object{path: "spec", typ: reflect.TypeFor[v1alpha1.DittoServerSpec](), schema: child(properties, "spec"), example: server.Object["spec"], written: true})

	r.printf("\n## Status of a DittoServer\n\nCrossplane adds its own fields, and `conditions`, which [troubleshooting](troubleshooting.md) explains one by one.\n")
	r.object(object{path: "status", typ: reflect.TypeFor[v1alpha1.DittoServerStatus](), schema: child(properties, "status"), example: status})

	r.printf("%s", referenceInput)
	r.object(object{path: "input", typ: reflect.TypeFor[v1beta1.Input](), schema: schemaOf(input), example: step["input"], written: true})

	r.bounds()

	return r.text, errors.Join(r.errs...)
}

// statusExample returns a status with every field.
func statusExample() (map[string]any, error) {
	running, errRunning := readYAML(statusOfRunning)
	grown, errGrown := readYAML(statusOfGrown)
	policed, errPoliced := readYAML(statusOfPoliced)
	routed, errRouted := readYAML(statusOfRouted)
	all, errAll := readYAML(statusOfAll)

	if err := errors.Join(errRunning, errGrown, errPoliced, errRouted, errAll); err != nil {
		return nil, err
	}

	status := child(all.Object, "status")
	endpoints := child(status, "endpoints")

	maps.Copy(endpoints, child(child(running.Object, "status"), "endpoints"))
	maps.Copy(status, child(running.Object, "status"))
	status["endpoints"] = endpoints
	status["claims"] = child(grown.Object, "status")["claims"]
	status["defaults"] = child(policed.Object, "status")["defaults"]
	status["route"] = child(routed.Object, "status")["route"]

	return status, nil
}

const referenceHead = `<!-- Generated from apis/v1alpha1, input/v1beta1 and the examples by "make generate". Do not edit. -->

# API reference

Fields of a DittoServer, and of the function's [input](#input). Examples are those of
[full.yaml](../example/full.yaml) and [composition-full.yaml](../example/operate/composition-full.yaml), which tests render;
those of the status are from servers in tests.

Bad input changes nothing in the cluster. The API server refuses at once what breaks the column *type*: kinds of values, ranges, and the
rules below a table. The function refuses everything else that the text calls an
error: the condition ` + "`SpecValid`" + ` is False, with every error and its field path. An unknown field is an error too.

The function applies defaults, and does not write them into the stored spec. An empty text counts as left out.

All lists and texts have [the same bounds](#bounds), which are larger than a server needs.

The annotation ` + "`dittofs.io/approve`" + ` of a DittoServer lets a change go ahead that waits for a person: its value is the one that
the condition ` + "`ConfigRolledOut`" + ` names. On other objects, annotations in the domain
` + "`dittofs.io`" + ` are the function's own.

## Spec of a DittoServer
`

const referenceInput = `
## Input

For the platform team, in a Composition's pipeline step: ` + "`apiVersion: dittoserver.fn.crossplane.io/v1beta1`, `kind: Input`" + `. Bad
input makes every DittoServer of the Composition wait, with the errors in the condition ` + "`SpecValid`" + `.
`

const referenceBounds = `
## Bounds

A spec or an input may have at most this much. No server can use as much: the bounds keep one DittoServer from taking the function's
time from all others. The API server refuses a list, a map or a text that is larger, and the function the rest, before it looks
at anything else.

`

// bounds writes the bounds of lists, maps and texts.
func (r *referenceWriter) bounds() {
	r.printf("%s", referenceBounds)
	r.row("what", "at most")
	r.printf("|---|---|\n")
	r.row("a list", fmt.Sprintf("%d items", v1alpha1.MaxItems))
	r.row("a map, or an object", fmt.Sprintf("%d entries", v1alpha1.MaxEntries))
	r.row("a key of a map", fmt.Sprintf("%d characters", v1alpha1.MaxKeyLength))
	r.row("a text", fmt.Sprintf("%d characters", v1alpha1.MaxTextLength))

	for b := range v1alpha1.TextBounds() {
		r.row("`"+b.Path+"`", fmt.Sprintf("%d characters", b.Max))
	}

	r.row("all values of a spec, or of an input", strconv.Itoa(v1alpha1.MaxValues))
	r.row("all texts and keys of a spec, or of an input", fmt.Sprintf("%d bytes", v1alpha1.MaxSize))
	r.row("objects and lists, one in the other", fmt.Sprintf("%d levels", v1alpha1.MaxDepth))
}

type referenceWriter struct {
	text []byte
	errs []error

	// examples of the fields of each type, for a second object of that type.
	examples map[string]any
}

func (r *referenceWriter) printf(format string, args ...any) {
	r.text = fmt.Appendf(r.text, format, args...)
}

// object writes the fields of an object, and then the objects among them.
func (r *referenceWriter) object(o object) {
	columns := []string{"field", "type", "what it is", "example"}
	if o.written {
		columns = []string{"field", "type", "default", "what it is, and what bad input gets", "example"}
	}

	r.printf("\n### %s\n\n", o.path)
	r.row(columns...)
	r.printf("%s|\n", strings.Repeat("|---", len(columns)))

	var below []object

	properties := propertiesOf(o.schema)
	example, _ := o.example.(map[string]any)

	for f := range o.typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "metadata" {
			continue
		}

		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}

		schema := child(properties, name)

		field := object{path: o.path + "." + name, typ: typ, schema: schema, example: example[name], written: o.written}
		switch {
		case isOurs(typ):
			below = append(below, field)
		case isListOfOurs(typ):
			below = append(below, field.item())
		}

		r.field(o, name, field)
	}

	if rules := rulesOf(o.schema); len(rules) > 0 {
		r.printf("\nRules:\n\n- %s\n", strings.Join(rules, "\n- "))
	}

	for _, o := range below {
		r.object(o)
	}
}

var (
	// defaultIs is the sentence of a doc comment that tells the default.
	defaultIs = regexp.MustCompile(`Default: (.*?)\.(?: |$)`)

	// badInput is what every doc comment names in some way.
	badInput = regexp.MustCompile(`\b(errors?|warning)\b`)
)

func (r *referenceWriter) field(parent object, name string, field object) {
	description, _ := field.schema["description"].(string)
	description = strings.Join(strings.Fields(description), " ")

	if description == "" {
		r.errs = append(r.errs, fmt.Errorf("%s has no doc comment", field.path))
	}

	required, _ := parent.schema["required"].([]any)
	isRequired := slices.Contains(required, any(name))

	typ := typeName(field)
	if isRequired {
		typ += ", required"
	}

	seen := parent.typ.String() + "." + name
	if field.example == nil {
		field.example = r.examples[seen]
	}

	r.examples[seen] = field.example

	defaultValue := ""
	if m := defaultIs.FindStringSubmatch(description); m != nil {
		defaultValue = m[1]
		description = strings.TrimSpace(strings.Replace(description, m[0], "", 1))
	}

	example := ""

	if !isOurs(field.typ) && !isListOfOurs(field.typ) {
		y, err := toFlow(field.example)
		example = "`" + y + "`"

		r.errs = append(r.errs, err, field.complete(description, isRequired || defaultValue != ""))
	}

	cells := []string{"`" + name + "`", typ, cell(description), cell(example)}
	if field.written {
		cells = slices.Insert(cells, 2, cell(defaultValue))
	}

	r.row(cells...)
}

// complete returns what is missing of a field that is no object: an example and, if people
// write it, a default and what bad input gets. A boolean cannot be wrong in itself.
func (o object) complete(description string, hasDefault bool) error {
	var errs []error

	if o.example == nil {
		errs = append(errs, fmt.Errorf("%s has no example: add it to %s, %s or %s", o.path, exampleOfAll, compositionOfAll, statusOfRunning))
	}

	if o.written && !hasDefault {
		errs = append(errs, fmt.Errorf("the doc comment of %s says no default", o.path))
	}

	if o.written && o.typ.Kind() != reflect.Bool && !badInput.MatchString(description) {
		errs = append(errs, fmt.Errorf("the doc comment of %s does not say what bad input gets: an error, a warning, or that it is no error", o.path))
	}

	return errors.Join(errs...)
}

// row writes one row of a table.
func (r *referenceWriter) row(cells ...string) {
	r.printf("| %s |\n", strings.Join(cells, " | "))
}

// isOurs says whether a type is an object of this API, whose fields get a table.
func isOurs(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), "github.com/dittofs/")
}

// isListOfOurs says whether a type is a list of such objects.
func isListOfOurs(t reflect.Type) bool { return t.Kind() == reflect.Slice && isOurs(t.Elem()) }

// item returns an item of a list: the first one of the example.
func (o object) item() object {
	items, _ := o.example.([]any)

	item := object{path: o.path + "[]", typ: o.typ.Elem(), schema: child(o.schema, "items"), written: o.written}

	// Items may differ in the fields that they have.
	example := map[string]any{}
	for _, i := range slices.Backward(items) {
		fields, _ := i.(map[string]any)
		maps.Copy(example, fields)
	}

	item.example = example

	return item
}

// anchor returns the link to an object's table.
func (o object) anchor() string {
	return "#" + strings.ToLower(strings.NewReplacer(".", "", "[]", "").Replace(o.path))
}

// typeName returns the name of a field's type, and what the schema allows.
func typeName(o object) string {
	if isOurs(o.typ) {
		return fmt.Sprintf("[object](%s)", o.anchor())
	}

	if isListOfOurs(o.typ) {
		return fmt.Sprintf("list of [objects](%s)", o.anchor())
	}

	name, _ := o.schema["type"].(string)
	if o.schema["x-kubernetes-preserve-unknown-fields"] == true {
		return name + " of any keys"
	}

	if t, ok := kubernetesType(o.typ); ok {
		name = t
	} else if o.typ.Kind() == reflect.Map {
		additional, _ := o.schema["additionalProperties"].(map[string]any)
		name = fmt.Sprintf("map of %ss", additional["type"])
	} else if o.typ.Kind() == reflect.Slice {
		name = "list of strings"
	}

	if allowed, ok := o.schema["enum"].([]any); ok {
		var words []string
		for _, a := range allowed {
			words = append(words, fmt.Sprintf("`%v`", a))
		}

		return strings.Join(words, ", ")
	}

	from, hasFrom := o.schema["minimum"]
	to, hasTo := o.schema["maximum"]

	switch {
	case hasFrom && hasTo:
		return fmt.Sprintf("%s, %v to %v", name, from, to)
	case hasFrom:
		return fmt.Sprintf("%s, at least %v", name, from)
	default:
		return name
	}
}

// kubernetesType is the name of a type of Kubernetes' own API, with where it is
// described.
func kubernetesType(t reflect.Type) (string, bool) {
	list := ""
	if t.Kind() == reflect.Slice {
		t, list = t.Elem(), "list of "
	}

	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), "k8s.io/api") {
		return "", false
	}

	return fmt.Sprintf("%s[%s](https://pkg.go.dev/%s#%s)", list, t.Name(), t.PkgPath(), t.Name()), true
}

func rulesOf(schema map[string]any) []string {
	rules, _ := schema["x-kubernetes-validations"].([]any)

	var messages []string

	for _, rule := range rules {
		if m, ok := rule.(map[string]any); ok {
			messages = append(messages, fmt.Sprint(m["message"]))
		}
	}

	return messages
}

func schemaOf(crd *unstructured.Unstructured) map[string]any {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if len(versions) == 0 {
		return nil
	}

	version, _ := versions[0].(map[string]any)
	schema, _, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")

	return schema
}

func propertiesOf(schema map[string]any) map[string]any { return child(schema, "properties") }

func child(m map[string]any, name string) map[string]any {
	c, _ := m[name].(map[string]any)
	return c
}

// cell returns text as a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(strings.Join(strings.Fields(text), " "))
}

// toFlow returns a value as YAML in one line.
func toFlow(v any) (string, error) {
	b, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}

	if text := strings.TrimSpace(string(b)); !strings.Contains(text, "\n") && reflect.ValueOf(v).Kind() != reflect.Slice && reflect.ValueOf(v).Kind() != reflect.Map {
		return text, nil
	}

	// JSON is YAML.
	b, err = yaml.YAMLToJSON(b)

	return strings.NewReplacer(`":`, `": `, `,"`, `, "`).Replace(string(b)), err
}

func readYAML(file string) (*unstructured.Unstructured, error) {
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}

	u := &unstructured.Unstructured{}

	return u, yaml.Unmarshal(b, &u.Object)
}
