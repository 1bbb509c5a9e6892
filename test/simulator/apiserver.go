package simulator

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// apply returns what becomes of a live object, or of none, when a field manager applies what
// is asked, and what the API server says if it refuses that. It stores nothing.
func (w *World) apply(name, manager string, asked, live *structpb.Struct) (*structpb.Struct, string) {
	next, err := cluster.Apply(manager, asked, live)
	if err != nil {
		w.failf("%v", err)
	}

	w.change(next, live)

	// Of what a mutating webhook made: it comes before the generation is set.
	generation := protostruct.Get(live, "metadata", "generation").GetNumberValue()
	if live == nil || !proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec")) {
		generation++
	}

	protostruct.Set(next, structpb.NewNumberValue(generation), "metadata", "generation")

	refusal := w.refusal(name, next, live)
	if refusal == "" && name == "statefulset" {
		refusal = w.checkImmutable(next, live)
	}

	return next, refusal
}

// write a live object.
func (w *World) write(name string, next *structpb.Struct) {
	if w.foreign[name] {
		w.failf("%s is written, which is somebody else's", name)
	}

	live := w.Live[name]
	if live == nil {
		w.created++
		protostruct.Set(next, structpb.NewStringValue(fmt.Sprintf("uid-%d", w.created)), "metadata", "uid")
	}

	if name == "statefulset" {
		w.checkClaims(next)
		w.checkStart(next, live)
		w.checkRun(next, live)
	}

	w.Live[name] = next
}

// Control is what the StatefulSet controller and the load balancer's do.
func (w *World) Control() {
	if w.Live["statefulset"] != nil {
		w.didf("the StatefulSet is rolled out")
	}

	for _, live := range w.Live {
		cluster.Control(live)
	}

	if s := w.Live["statefulset"]; s != nil && !w.foreign["statefulset"] {
		cluster.MakeClaims(w.Claims, s)
	}

	w.expand()
}
