// Package wire decodes requests and encodes responses as far as this function reads and
// writes them.
//
// Most of a call's cost is what protobuf makes of its bytes: a map, a list or a wrapper
// for each value of each resource, whether anybody looks at it or not. This package
// makes the same messages of the same bytes, except that
//
//   - desired resources of earlier functions, and the context, stay bytes, and are passed
//     on as they came;
//   - observed resources that nobody reads are left out;
//   - metadata.managedFields, often half of a resource, is left out where nobody reads it;
//   - required resources that are Secrets stay bytes, of which Pick decodes what is read;
//   - values are allocated many at a time, and strings share the memory of the request.
//
// The benchmarks of this package and docs/performance.md tell what that buys, and what
// vtprotobuf's structpb costs in place of the decoder here: 41 % more instructions per call
// with managedFields, 80 % with the checks that it lacks. It checks no UTF-8, does not merge
// values as protobuf does, and a message of some 12 MB that is nested deeply enough ends the
// process by a stack overflow.
//
// A value takes up to a hundred times the memory of its bytes. So there is a bound on how
// many values one message may decode into.
package wire

import (
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// A Codec of a gRPC server that serves a composition function. Messages other than its
// requests and responses go through gRPC's own codec.
type Codec struct {
	// Reads reports whether the function reads observed composed resources of this name.
	Reads func(name string) bool

	// ReadsManagers reports whether the function reads the managedFields of resources of
	// this kind.
	ReadsManagers func(kind string) bool

	// Picks reports whether the function calls Pick with the required resources of this name.
	Picks func(requirement string) bool
}

// Name returns the name of the codec, which is protobuf's.
func (Codec) Name() string { return proto.Name }

// Unmarshal decodes a message.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if req, ok := v.(*fnv1.RunFunctionRequest); ok {
		// A copy, which gRPC does not use again.
		return c.decodeRequest(data.Materialize(), req)
	}

	return encoding.GetCodecV2(proto.Name).Unmarshal(data, v)
}

// Marshal encodes a message.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if rsp, ok := v.(*fnv1.RunFunctionResponse); ok {
		b, err := encodeResponse(rsp)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	}

	return encoding.GetCodecV2(proto.Name).Marshal(v)
}
