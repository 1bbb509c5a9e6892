package simulator

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
)

// Fuzz sends a function requests that are no requests, and requests of which parts are something
// else. Each is answered, with every condition, and without a panic.
func Fuzz(f *testing.F, fn Function) {
	f.Helper()

	w := NewServer(f, fn, Namespaced)
	f.Add(Encoded(w.Request(nil)))

	w.Settle()
	f.Add(Encoded(w.Request(nil)))

	last, _ := w.Last()
	f.Add(Encoded(last))
	f.Add([]byte{})

	for _, spec := range Specs {
		w.Edit(protostructtest.FromYAML(f, spec))
		f.Add(Encoded(w.Request(nil)))
	}

	// Wrong types everywhere.
	for _, v := range []*structpb.Value{
		structpb.NewNullValue(), structpb.NewStringValue("text"), structpb.NewNumberValue(-1), structpb.NewBoolValue(true),
		structpb.NewListValue(&structpb.ListValue{}), structpb.NewStructValue(&structpb.Struct{}),
		{},
	} {
		for _, top := range []string{"spec", "metadata", "status", "apiVersion"} {
			req := proto.CloneOf(w.Request(nil))
			req.GetObserved().GetComposite().GetResource().Fields[top] = v
			f.Add(Encoded(req))

			req = proto.CloneOf(w.Request(nil))
			req.GetObserved().GetResources()["statefulset"].GetResource().Fields[top] = v
			f.Add(Encoded(req))
		}
	}

	f.Fuzz(func(t *testing.T, b []byte) {
		req := &fnv1.RunFunctionRequest{}
		if err := proto.Unmarshal(b, req); err != nil {
			t.Skip("no request")
		}

		rsp, err := fn.RunFunction(t.Context(), req)
		if err != nil {
			t.Fatalf("f.RunFunction(...): %v", err)
		}

		if err := CheckConditions(rsp); err != nil {
			t.Fatalf("f.RunFunction(...): %v", err)
		}

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
