package main

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// FuzzRunFunction sends requests that are no requests, and requests of which parts
// are something else. Each is answered, with every condition, and without a panic.
func FuzzRunFunction(f *testing.F) {
	t := &testing.T{}
	w := newServer(t)
	f.Add(encoded(w.request(nil)))

	w.settle()
	f.Add(encoded(w.request(nil)))
	f.Add(encoded(w.request(map[string]*fnv1.ResourceSelector{
		"secret/jwt":   {Match: &fnv1.ResourceSelector_MatchName{MatchName: "jwt"}, Namespace: new("storage")},
		"secret/admin": {Match: &fnv1.ResourceSelector_MatchName{MatchName: "admin"}, Namespace: new("storage")},
	})))
	f.Add([]byte{})

	for _, spec := range specs {
		w.edit(protostructtest.FromYAML(t, spec))
		f.Add(encoded(w.request(nil)))
	}

	// Wrong types everywhere.
	for _, v := range []*structpb.Value{
		structpb.NewNullValue(), structpb.NewStringValue("text"), structpb.NewNumberValue(-1), structpb.NewBoolValue(true),
		structpb.NewListValue(&structpb.ListValue{}), structpb.NewStructValue(&structpb.Struct{}),
		{},
	} {
		for _, top := range []string{"spec", "metadata", "status", "apiVersion"} {
			req := proto.CloneOf(w.request(nil))
			req.GetObserved().GetComposite().GetResource().Fields[top] = v
			f.Add(encoded(req))

			req = proto.CloneOf(w.request(nil))
			req.GetObserved().GetResources()["statefulset"].GetResource().Fields[top] = v
			f.Add(encoded(req))
		}
	}

	fn := newFunction()

	f.Fuzz(func(t *testing.T, b []byte) {
		req := &fnv1.RunFunctionRequest{}
		if err := proto.Unmarshal(b, req); err != nil {
			t.Skip("no request")
		}

		rsp, err := fn.RunFunction(t.Context(), req)
		if err != nil {
			t.Fatalf("f.RunFunction(...): %v", err)
		}

		(&world{t: t}).checkConditions(rsp)

		for _, r := range rsp.GetResults() {
			if r.GetReason() == report.ReasonPanic {
				t.Fatal("f.RunFunction(...): panics")
			}
		}

		if _, err := proto.Marshal(rsp); err != nil {
			t.Fatalf("f.RunFunction(...): the response cannot be sent: %v", err)
		}
	})
}
