package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Kinds of the API. A DittoServer is a composite resource itself, or the claim of one.
const (
	kindServer    = "DittoServer"
	kindComposite = "XDittoServer"
)

// inputGroup is the API group of the function's input.
const inputGroup = "dittoserver.fn.crossplane.io"

// load returns the resources of a file, of all YAML and JSON files in a folder, or of
// standard input ("-"). Each may have any number of documents, and lists as kubectl
// writes them.
func load(path string) ([]*structpb.Struct, error) {
	if path == "-" {
		return decode(os.Stdin, "standard input")
	}

	files := []string{path}

	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot read: %w", err)
	} else if info.IsDir() {
		files = nil

		for _, pattern := range []string{"*.yaml", "*.yml", "*.json"} {
			// The pattern is well-formed.
			found, _ := filepath.Glob(filepath.Join(path, pattern))
			files = append(files, found...)
		}
	}

	var out []*structpb.Struct

	for _, name := range files {
		f, err := os.Open(filepath.Clean(name))
		if err != nil {
			return nil, fmt.Errorf("cannot read: %w", err)
		}

		resources, err := decode(f, name)
		_ = f.Close()

		if err != nil {
			return nil, err
		}

		out = append(out, resources...)
	}

	return out, nil
}

func decode(r io.Reader, name string) ([]*structpb.Struct, error) {
	var out []*structpb.Struct

	for d := yaml.NewYAMLOrJSONDecoder(r, 4096); ; {
		m := map[string]any{}

		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("cannot parse %s: %w", name, err)
		}

		b, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("cannot parse %s: %w", name, err)
		}

		s := &structpb.Struct{}
		if err := s.UnmarshalJSON(b); err != nil {
			return nil, fmt.Errorf("cannot parse %s: %w", name, err)
		}

		items := protostruct.Get(s, "items").GetListValue()
		if items == nil {
			out = append(out, s)
			continue
		}

		for _, v := range items.GetValues() {
			out = append(out, v.GetStructValue())
		}
	}
}

func field(r *structpb.Struct, path ...string) string {
	return protostruct.Get(r, path...).GetStringValue()
}

// kindOf returns the kind of a resource, or "" if it is not in the API group.
func kindOf(r *structpb.Struct, group string) string {
	if g, _, _ := strings.Cut(field(r, "apiVersion"), "/"); g != group {
		return ""
	}

	return field(r, "kind")
}

// inNamespace sets the namespace of resources that have none, as kubectl does.
func inNamespace(resources []*structpb.Struct, namespace string) {
	for _, r := range resources {
		namespaced := kindOf(r, v1alpha1.Group) == kindServer || field(r, "apiVersion") == "v1" && field(r, "kind") == "Secret"
		if namespaced && field(r, "metadata", "namespace") == "" {
			protostruct.Set(r, structpb.NewStringValue(namespace), "metadata", "namespace")
		}
	}
}

// servers returns the composite resources among resources, by namespace and name, or by
// those of their claims. claims tells whether DittoServers are claims.
func servers(resources []*structpb.Struct, claims bool) (map[string]*structpb.Struct, error) {
	out := map[string]*structpb.Struct{}

	for _, r := range resources {
		kind := kindOf(r, v1alpha1.Group)

		switch {
		case kind == kindServer && claims:
			r = compositeOf(r)
		case kind == kindServer:
		case kind == kindComposite && claims:
		case kind == kindComposite:
			return nil, fmt.Errorf("%s %s is of another flavour than the Composition: give configuration/claims/composition.yaml, or yours for claims", kind, field(r, "metadata", "name"))
		default:
			continue
		}

		key := keyOf(r)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("there are two of %s (a claim and its composite resource are one server: give one of them)", key)
		}

		out[key] = r
	}

	return out, nil
}

// keyOf returns the key of a server: namespace and name of the claim, or else of the
// composite resource.
func keyOf(xr *structpb.Struct) string {
	if claim := protostruct.Get(xr, "spec", "claimRef").GetStructValue(); claim != nil {
		return field(claim, "namespace") + "/" + field(claim, "name")
	}

	return strings.TrimPrefix(field(xr, "metadata", "namespace")+"/"+field(xr, "metadata", "name"), "/")
}

// propagated are Crossplane's own fields of a claim's spec that it copies to the composite
// resource.
//
//nolint:gochecknoglobals // A table.
var propagated = []string{"compositionRef", "compositionSelector", "compositionUpdatePolicy", "compositionRevisionSelector"}

// compositeOf returns the composite resource that Crossplane makes of a claim.
func compositeOf(claim *structpb.Struct) *structpb.Struct {
	xr := &structpb.Struct{}
	protostruct.Set(xr, protostruct.Get(claim, "apiVersion"), "apiVersion")
	protostruct.Set(xr, structpb.NewStringValue(kindComposite), "kind")
	protostruct.Set(xr, structpb.NewStringValue(cmp.Or(field(claim, "spec", "resourceRef", "name"), field(claim, "metadata", "name")+"-diff")), "metadata", "name")

	for _, f := range []string{"annotations", "labels"} {
		protostruct.Set(xr, protostruct.Get(claim, "metadata", f), "metadata", f)
	}

	// Only claims have resourceRef: Decode would refuse it as an unknown field of the
	// composite resource.
	s, _ := composite.Decode(protostruct.With(claim, nil, "spec", "resourceRef"), nil)
	protostruct.Set(xr, structpb.NewStructValue(s.UserSpec), "spec")

	for _, f := range propagated {
		protostruct.Set(xr, protostruct.Get(claim, "spec", f), "spec", f)
	}

	for _, f := range []string{"namespace", "name"} {
		protostruct.Set(xr, protostruct.Get(claim, "metadata", f), "spec", "claimRef", f)
	}

	for _, f := range []string{"apiVersion", "kind"} {
		protostruct.Set(xr, protostruct.Get(claim, f), "spec", "claimRef", f)
	}

	return xr
}

// compositions are Compositions for DittoServers by their name.
type compositions map[string]*structpb.Struct

func loadCompositions(path string) (compositions, error) {
	resources, err := load(path)
	if err != nil {
		return nil, err
	}

	out := compositions{}

	for _, r := range resources {
		if field(r, "kind") == "Composition" && slices.Contains([]string{kindServer, kindComposite}, field(r, "spec", "compositeTypeRef", "kind")) {
			out[field(r, "metadata", "name")] = r
		}
	}

	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no Composition for DittoServers", path)
	}

	return out, nil
}

// areForClaims reports whether the Compositions are for the composite resources of claims.
// Compositions of both kinds are an error.
func (c compositions) areForClaims() (bool, error) {
	kinds := map[string]bool{}
	for _, r := range c {
		kinds[field(r, "spec", "compositeTypeRef", "kind")] = true
	}

	if len(kinds) > 1 {
		return false, errors.New("there are Compositions for namespaced DittoServers and for claims, and a cluster has one or the other")
	}

	return kinds[kindComposite], nil
}

// of returns the Composition of a composite resource: the one that it names or named
// before, or the only one.
func (c compositions) of(xr, before *structpb.Struct) (*structpb.Struct, error) {
	name := crossplaneField(xr, before, "compositionRef", "name")

	switch r, ok := c[name]; {
	case ok:
		return r, nil
	case name != "":
		return nil, fmt.Errorf("it names Composition %s, and there is only %s", name, strings.Join(slices.Sorted(maps.Keys(c)), ", "))
	case len(c) == 1:
		return c[slices.Collect(maps.Keys(c))[0]], nil
	default:
		return nil, fmt.Errorf("it names no Composition, and there are %s", strings.Join(slices.Sorted(maps.Keys(c)), ", "))
	}
}

// inputOf returns the function's input in a Composition, and the names of the other
// functions' steps.
func inputOf(composition *structpb.Struct) (*structpb.Struct, []string, error) {
	var (
		own    []*structpb.Struct
		others []string
	)

	for _, v := range protostruct.Get(composition, "spec", "pipeline").GetListValue().GetValues() {
		step := v.GetStructValue()
		isOwn := kindOf(protostruct.Get(step, "input").GetStructValue(), inputGroup) == "Input" || strings.HasSuffix(field(step, "functionRef", "name"), "function-dittoserver")

		if isOwn {
			own = append(own, step)
		} else {
			others = append(others, field(step, "step"))
		}
	}

	if len(own) != 1 {
		return nil, nil, fmt.Errorf("the Composition %s has %d steps of this function and should have one", field(composition, "metadata", "name"), len(own))
	}

	return protostruct.Get(own[0], "input").GetStructValue(), others, nil
}

// revisionOf returns the name of a Composition's revision. It differs for each spec.
func revisionOf(composition *structpb.Struct) string {
	// Maps are marshalled in the order of their keys, and a protobuf struct holds
	// nothing that JSON cannot.
	b, _ := json.Marshal(protostruct.Get(composition, "spec").AsInterface()) //nolint:errchkjson // See above.
	h := sha256.Sum256(b)

	return field(composition, "metadata", "name") + "-" + hex.EncodeToString(h[:])[:7]
}

// composedOf returns those of the observed resources that belong to a composite resource,
// by their name as composed resources.
func composedOf(xr *structpb.Struct, observed []*structpb.Struct) (map[string]*structpb.Struct, error) {
	out := map[string]*structpb.Struct{}

	for _, r := range observed {
		name := field(r, "metadata", "annotations", "crossplane.io/composition-resource-name")
		inNamespace := field(xr, "metadata", "namespace") == "" || field(r, "metadata", "namespace") == field(xr, "metadata", "namespace")

		if name == "" || !inNamespace || field(r, "metadata", "labels", "crossplane.io/composite") != field(xr, "metadata", "name") {
			continue
		}

		// Only managedFields tell which fields of a Kubernetes object Crossplane asked for.
		if field(r, "kind") != "Object" && protostruct.Get(r, "metadata", "managedFields") == nil {
			return nil, fmt.Errorf("observed %s %s has no managedFields: let kubectl get them with --show-managed-fields", field(r, "kind"), field(r, "metadata", "name"))
		}

		out[name] = r
	}

	return out, nil
}
