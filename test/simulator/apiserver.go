package simulator

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// apply is what the API server does with a manifest.
func (w *World) apply(name string, asked, live *structpb.Struct) *structpb.Struct {
	next := proto.CloneOf(asked)
	generation := protostruct.Get(live, "metadata", "generation").GetNumberValue() + 1
	protostruct.Set(next, structpb.NewNumberValue(generation), "metadata", "generation")
	protostruct.Set(next, protostruct.Get(live, "status"), "status")

	if name == "statefulset" {
		w.checkImmutable(asked, live)
		// A default, which the function must not take over.
		protostruct.Set(next, structpb.NewNumberValue(10), "spec", "revisionHistoryLimit")
		w.checkStart(next, live)
	}

	w.write(name, next)

	return next
}

// Control is what the StatefulSet controller and the load balancer's do.
func (w *World) Control() {
	if w.Live["statefulset"] != nil {
		w.didf("the StatefulSet is rolled out")
	}

	for _, live := range w.Live {
		cluster.Control(live)
	}
}
