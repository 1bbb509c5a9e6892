package simulator

import (
	"context"
	"fmt"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// A Function is what a world calls. It is injected, since package main cannot be imported.
type Function struct {
	fnv1.FunctionRunnerServiceServer

	// WithLog returns the same function with another logger.
	WithLog func(log logging.Logger) fnv1.FunctionRunnerServiceServer

	// Codec that the function is served with.
	Codec encoding.CodecV2
}

// Serve answers a request as the function's server does: it decodes what Crossplane
// encodes, and returns what Crossplane decodes.
func (f Function) Serve(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	in, out := &fnv1.RunFunctionRequest{}, &fnv1.RunFunctionResponse{}
	if err := f.Codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(Encoded(req))}, in); err != nil {
		return nil, fmt.Errorf("cannot decode the request: %w", err)
	}

	rsp, err := f.RunFunction(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("cannot run the function: %w", err)
	}

	b, err := f.Codec.Marshal(rsp)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the response: %w", err)
	}

	if err := proto.Unmarshal(b.Materialize(), out); err != nil {
		return nil, fmt.Errorf("cannot decode the response: %w", err)
	}

	return out, nil
}
