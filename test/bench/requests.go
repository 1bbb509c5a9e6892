package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/test/cluster"
)

// recordings of a running DittoServer, its Secrets and what is composed, as the API
// server has them.
//
//go:embed testdata/*.yaml
var recordings embed.FS

// A recording has what Crossplane sees of one DittoServer.
type recording struct {
	xr      map[string]any
	secrets map[string]map[string]any

	// composed resources by their names.
	composed map[string]map[string]any

	input map[string]any
}

// database of a server that needs a third Secret.
//
//nolint:gochecknoglobals // A table.
var database = map[string]any{
	"type": "postgres",
	"postgres": map[string]any{
		"secretRef": map[string]any{"name": "files-db"},
		"keys":      map[string]any{"database": "dbname", "user": "username"},
	},
}

func readRecording(name string, input map[string]any) (*recording, error) {
	b, err := recordings.ReadFile("testdata/" + name + ".yaml")
	if err != nil {
		return nil, err
	}

	list := struct {
		Items []map[string]any `json:"items"`
	}{}
	if err := yaml.Unmarshal(b, &list); err != nil {
		return nil, err
	}

	r := &recording{secrets: map[string]map[string]any{}, composed: map[string]map[string]any{}, input: input}

	for _, o := range list.Items {
		switch o["kind"] {
		case "DittoServer":
			r.xr = o
		case "Secret":
			r.secrets[fmt.Sprint(at(o, "metadata", "name"))] = o
		default:
			r.composed[fmt.Sprint(at(o, "metadata", "annotations", "crossplane.io/composition-resource-name"))] = o
		}
	}

	set(r.xr, database, "spec", "database")

	return r, nil
}

// request returns the request of the DittoServer of this number, which runs and does not
// change.
func (r *recording) request(ctx context.Context, fn fnv1.FunctionRunnerServiceClient, number int) (*fnv1.RunFunctionRequest, error) {
	xr := clone(r.xr)
	set(xr, fmt.Sprintf("files-%04d", number), "metadata", "name")
	set(xr, fmt.Sprintf("00000000-0000-4000-8000-%012d", number), "metadata", "uid")
	set(xr, fmt.Sprintf("%dm", 30+number), "spec", "identity", "jwt", "accessTokenDuration")

	composite, err := structpb.NewStruct(xr)
	if err != nil {
		return nil, err
	}

	input, err := structpb.NewStruct(r.input)
	if err != nil {
		return nil, err
	}

	req := &fnv1.RunFunctionRequest{
		Meta:     cluster.Meta(fmt.Sprintf("%064d", number)),
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: composite}},
		Input:    input,
	}

	var desired *fnv1.State

	for range 6 {
		rsp, err := fn.RunFunction(ctx, req)
		if err != nil {
			return nil, err
		}

		next := rsp.GetDesired()
		if next.GetResources()["statefulset"].GetReady() == fnv1.Ready_READY_TRUE && proto.Equal(&fnv1.State{Resources: next.GetResources()}, &fnv1.State{Resources: desired.GetResources()}) {
			return req, nil
		}

		desired = next

		if err := r.observe(req, rsp); err != nil {
			return nil, err
		}
	}

	return nil, errors.New("the recorded server does not come to rest")
}

// observe adds to a request what a response asked, with the state that was recorded of
// another server.
func (r *recording) observe(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) error {
	req.Observed.Resources = map[string]*fnv1.Resource{}
	req.RequiredResources = map[string]*fnv1.Resources{}

	for name, asked := range rsp.GetDesired().GetResources() {
		o := clone(r.composed[name])
		if r.input == nil {
			// An Object also has what is live.
			manifest := at(asked.GetResource().AsMap(), "spec", "forProvider", "manifest")
			set(o, clone(manifest), "spec", "forProvider", "manifest")
			set(o, merge(at(o, "status", "atProvider", "manifest"), clone(manifest)), "status", "atProvider", "manifest")
		}

		merged, _ := merge(o, asked.GetResource().AsMap()).(map[string]any)

		s, err := structpb.NewStruct(merged)
		if err != nil {
			return err
		}

		req.Observed.Resources[name] = &fnv1.Resource{Resource: s}
	}

	for name, selector := range rsp.GetRequirements().GetResources() {
		resources := &fnv1.Resources{}

		if secret, ok := r.secrets[selector.GetMatchName()]; ok && selector.GetKind() == "Secret" {
			s, err := structpb.NewStruct(secret)
			if err != nil {
				return err
			}

			resources.Items = []*fnv1.Resource{{Resource: s}}
		}

		req.RequiredResources[name] = resources
	}

	return nil
}

// foreign resources, as of another function of the pipeline.
func foreign(n int) map[string]*fnv1.Resource {
	resources := map[string]*fnv1.Resource{}

	for i := range n {
		s, err := structpb.NewStruct(map[string]any{
			"apiVersion": "example.org/v1beta1", "kind": "Bucket",
			"metadata": map[string]any{
				"name": fmt.Sprintf("bucket-%04d", i), "uid": fmt.Sprintf("00000000-0000-4000-9000-%012d", i), "generation": 3,
				"labels":      map[string]any{"example.org/team": "storage", "crossplane.io/composite": "files"},
				"annotations": map[string]any{"crossplane.io/external-name": fmt.Sprintf("bucket-%04d", i)},
			},
			"spec": map[string]any{
				"managementPolicies": []any{"*"},
				"forProvider":        map[string]any{"region": "example-1", "versioning": true, "tags": map[string]any{"a": "b", "c": "d"}, "lifecycle": []any{map[string]any{"days": 30, "prefix": "log/"}}},
			},
			"status": map[string]any{
				"atProvider": map[string]any{"id": fmt.Sprintf("bucket-%04d", i), "region": "example-1", "domain": "bucket.example.org"},
				"conditions": []any{
					map[string]any{"type": string(xpv2.TypeReady), "status": "True", "reason": string(xpv2.ReasonAvailable), "lastTransitionTime": "2026-01-01T00:00:00Z"},
					map[string]any{"type": string(xpv2.TypeSynced), "status": "True", "reason": string(xpv2.ReasonReconcileSuccess), "lastTransitionTime": "2026-01-01T00:00:00Z"},
				},
			},
		})
		if err != nil {
			panic(err)
		}

		resources[fmt.Sprintf("bucket-%04d", i)] = &fnv1.Resource{Resource: s, Ready: fnv1.Ready_READY_TRUE}
	}

	return resources
}

// withoutManagers removes every managedFields.
func withoutManagers(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "managedFields")

		for _, v := range v {
			withoutManagers(v)
		}
	case []any:
		for _, v := range v {
			withoutManagers(v)
		}
	}
}

// merge merges b into a. Lists of the same length are merged item by item.
func merge(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		m, ok := a.(map[string]any)
		if !ok {
			return b
		}

		for k, v := range b {
			m[k] = merge(m[k], v)
		}

		return m
	case []any:
		l, ok := a.([]any)
		if !ok || len(l) != len(b) {
			return b
		}

		for i, v := range b {
			l[i] = merge(l[i], v)
		}

		return l
	default:
		return b
	}
}

func clone[T any](v T) T {
	switch v := any(v).(type) {
	case map[string]any:
		m := maps.Clone(v)
		for k, v := range m {
			m[k] = clone(v)
		}

		return any(m).(T) //nolint:forcetypeassert // The type of v.
	case []any:
		l := make([]any, len(v))
		for i, v := range v {
			l[i] = clone(v)
		}

		return any(l).(T) //nolint:forcetypeassert // The type of v.
	}

	return v
}

func at(o map[string]any, path ...string) any {
	var v any = o

	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}

	return v
}

func set(o map[string]any, v any, path ...string) {
	for _, name := range path[:len(path)-1] {
		next, ok := o[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[name] = next
		}

		o = next
	}

	o[path[len(path)-1]] = v
}
