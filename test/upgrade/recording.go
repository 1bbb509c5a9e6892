package upgrade

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// A recording is a request, and what a released function answered.
type recording struct {
	// rest says that the server is at rest: applying the answer changes nothing.
	rest bool

	// request is the last one of a reconcile. Its required resources are all that the
	// cluster has for the function to require.
	request *fnv1.RunFunctionRequest

	answer answer
}

// An answer is what counts of a response.
type answer struct {
	// Fatal says that nothing was composed.
	Fatal bool `json:"fatal,omitempty"`

	// Conditions are status and reason by type. Their messages may change.
	Conditions map[string]string `json:"conditions"`

	// Status of the DittoServer.
	Status map[string]any `json:"status,omitempty"`

	// Resources that are composed, by name.
	Resources map[string]resource `json:"resources,omitempty"`
}

// A resource is a composed resource.
type resource struct {
	Ready bool `json:"ready"`

	// AsAsked says that the manifest of an Object is left out of Resource: it is the one that the
	// Object in the request has.
	AsAsked bool `json:"asAsked,omitempty"`

	Resource map[string]any `json:"resource"`
}

// base is the recording of a flavour that the others are stored as changes of. Most of a server
// is the same in each state.
const base = "running.yaml"

// A file is how a recording is stored, or a JSON merge patch (RFC 7386) that makes it of base.
type file struct {
	Rest    bool           `json:"rest,omitempty"`
	Request map[string]any `json:"request"`
	Answer  answer         `json:"answer"`
}

// manifest of an Object.
func manifest() []string { return []string{"spec", "forProvider", "manifest"} }

// Record a request, and what the function answers to it, as a state of a flavour below dir. One
// that is recorded stays as it is: recordings are of released behaviour, and are only ever
// added to. The state running, of which the others are changes, comes first.
func Record(dir, flavour, state string, req *fnv1.RunFunctionRequest, fn Function) error {
	name := filepath.Join(dir, flavour, state+".yaml")
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	req, err := stored(req)
	if err != nil {
		return err
	}

	rsp, err := fn(req)
	if err != nil {
		return fmt.Errorf("cannot run the function: %w", err)
	}

	r := &recording{request: req, answer: answerOf(rsp)}
	r.rest = !r.answer.Fatal && len(r.atRest(rsp, func(string, *structpb.Struct, *structpb.Struct) {})) == 0

	return r.write(name)
}

func answerOf(rsp *fnv1.RunFunctionResponse) answer {
	a := answer{Fatal: report.IsFatal(rsp), Conditions: map[string]string{}, Resources: map[string]resource{}}

	for _, c := range rsp.GetConditions() {
		a.Conditions[c.GetType()] = strings.TrimPrefix(c.GetStatus().String(), "STATUS_CONDITION_") + "/" + c.GetReason()
	}

	if a.Fatal {
		return a
	}

	a.Status = protostruct.Get(rsp.GetDesired().GetComposite().GetResource(), "status").GetStructValue().AsMap()

	for name, r := range rsp.GetDesired().GetResources() {
		a.Resources[name] = resource{Ready: r.GetReady() == fnv1.Ready_READY_TRUE, Resource: r.GetResource().AsMap()}
	}

	return a
}

// write a recording to a file that is not there yet.
func (r *recording) write(name string) error {
	req, err := protojson.Marshal(r.request)
	if err != nil {
		return fmt.Errorf("cannot encode: %w", err)
	}

	f := file{Rest: r.rest, Answer: r.answer}
	if err := yaml.Unmarshal(req, &f.Request); err != nil {
		return fmt.Errorf("cannot decode: %w", err)
	}

	f.Answer.Resources = map[string]resource{}

	for name, c := range r.answer.Resources {
		o, err := structpb.NewStruct(c.Resource)
		if err != nil {
			return fmt.Errorf("cannot encode: %w", err)
		}

		if m := protostruct.Get(o, manifest()...); m != nil && proto.Equal(m, r.asked(name)) {
			c.AsAsked, c.Resource = true, protostruct.With(o, nil, manifest()...).AsMap()
		}

		f.Answer.Resources[name] = c
	}

	b, err := encode(f, filepath.Join(filepath.Dir(name), base))
	if err != nil {
		return fmt.Errorf("cannot encode: %w", err)
	}

	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}

	w, err := os.OpenFile(filepath.Clean(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("recordings are never written anew: %w", err)
	}

	_, err = w.Write(b)

	return errors.Join(err, w.Close())
}

// read a recording.
func read(name string) (*recording, error) {
	b, err := decode(name)
	if err != nil {
		return nil, err
	}

	var f file
	if err := yaml.UnmarshalStrict(b, &f); err != nil {
		return nil, fmt.Errorf("cannot decode %s: %w", name, err)
	}

	req, err := yaml.Marshal(f.Request)
	if err != nil {
		return nil, fmt.Errorf("cannot encode: %w", err)
	}

	if req, err = yaml.YAMLToJSON(req); err != nil {
		return nil, fmt.Errorf("cannot encode: %w", err)
	}

	r := &recording{rest: f.Rest, request: &fnv1.RunFunctionRequest{}, answer: f.Answer}
	if err := protojson.Unmarshal(req, r.request); err != nil {
		return nil, fmt.Errorf("cannot decode %s: %w", name, err)
	}

	for name, c := range r.answer.Resources {
		o, err := structpb.NewStruct(c.Resource)
		if err != nil {
			return nil, fmt.Errorf("cannot encode: %w", err)
		}

		if c.AsAsked {
			c.Resource = protostruct.With(o, r.asked(name), manifest()...).AsMap()
		}

		r.answer.Resources[name] = c
	}

	return r, nil
}

// encode a file, as a change of the base unless it is that itself.
func encode(f file, baseName string) ([]byte, error) {
	b, err := yaml.Marshal(f)
	if err != nil {
		return nil, err
	}

	was, err := readMap(baseName)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	} else if err != nil {
		return nil, err
	}

	var is map[string]any
	if err := yaml.Unmarshal(b, &is); err != nil {
		return nil, err
	}

	return yaml.Marshal(patchOf(was, is))
}

// decode the whole of a file.
func decode(name string) ([]byte, error) {
	o, err := readMap(name)
	if err != nil {
		return nil, err
	}

	if filepath.Base(name) != base {
		was, err := readMap(filepath.Join(filepath.Dir(name), base))
		if err != nil {
			return nil, err
		}

		o = patched(was, o)
	}

	return yaml.Marshal(o)
}

func readMap(name string) (map[string]any, error) {
	b, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read: %w", err)
	}

	o := map[string]any{}
	if err := yaml.UnmarshalStrict(b, &o); err != nil {
		return nil, fmt.Errorf("cannot decode %s: %w", name, err)
	}

	return o, nil
}

// patchOf returns the merge patch that makes is of was. No recording has a null.
func patchOf(was, is map[string]any) map[string]any {
	patch := map[string]any{}

	for k := range was {
		if _, ok := is[k]; !ok {
			patch[k] = nil
		}
	}

	for k, v := range is {
		before, isMap := was[k].(map[string]any)
		after, both := v.(map[string]any)

		switch {
		case reflect.DeepEqual(was[k], v):
		case isMap && both:
			patch[k] = patchOf(before, after)
		default:
			patch[k] = v
		}
	}

	return patch
}

// patched returns what a merge patch makes of an object.
func patched(was, patch map[string]any) map[string]any {
	is := maps.Clone(was)
	if is == nil {
		is = map[string]any{}
	}

	for k, v := range patch {
		below, isMap := v.(map[string]any)

		switch {
		case v == nil:
			delete(is, k)
		case isMap:
			before, _ := was[k].(map[string]any)
			is[k] = patched(before, below)
		default:
			is[k] = v
		}
	}

	return is
}

// observed returns a composed resource of the request.
func (r *recording) observed(name string) *structpb.Struct {
	return r.request.GetObserved().GetResources()[name].GetResource()
}

// asked returns the manifest that an Object of the request has.
func (r *recording) asked(name string) *structpb.Value {
	return protostruct.Get(r.observed(name), manifest()...)
}
