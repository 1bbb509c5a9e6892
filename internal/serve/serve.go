// Package serve serves a composition function until it is told to stop.
//
// It takes the SDK's ServeOptions, and does what the SDK's Serve lacks: it
// finishes what is in flight when it stops, serves gRPC health, and fails if it
// cannot listen for metrics.
package serve

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossplane/function-sdk-go"
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/proto/v1beta1"
	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/reflection"
)

// drainTimeout bounds how long calls in flight may take once the function is told
// to stop. It is below Kubernetes' default grace period of 30 seconds.
const drainTimeout = 20 * time.Second

// connectionAge is how long a connection may last, give or take a tenth. Crossplane looks
// up the function's replicas only when it connects: without a limit, a new replica gets no
// calls while the old ones live.
const connectionAge = time.Minute

// maxCalls bounds how many calls of a connection are worked on at once, and so memory: a
// message has up to 16 MiB. Further calls wait in Crossplane, which has one connection to each
// replica.
const maxCalls = 10

// largeMessage is the size from which requests are worked on one at a time. A running server's
// has 60 KB.
const largeMessage = 128 << 10

// streamWindow and connectionWindow bound how many bytes of a request, and of all requests of a
// connection, may be on their way. By itself gRPC lets that grow to 16 MiB, so that a usual
// request waits behind those of large ones that came before. A usual one goes in one piece.
const (
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
)

// A lane lets one large request at a time through, from its decoding to its answer. A large
// request takes time and memory. In its lane, it leaves the other cores to calls of the usual
// size.
type lane struct {
	encoding.CodecV2

	busy sync.Mutex

	// in the lane is at most one request, from its decoding to its answer.
	in atomic.Value
}

// request is what the lane holds: the message that a call decodes into.
type request struct{ message any }

// Unmarshal a message. A large request waits for its turn, and keeps it until done.
func (l *lane) Unmarshal(data mem.BufferSlice, v any) error {
	if data.Len() < largeMessage {
		return l.CodecV2.Unmarshal(data, v)
	}

	l.busy.Lock()

	if err := l.CodecV2.Unmarshal(data, v); err != nil || !isRequest(v) {
		l.busy.Unlock()
		return err
	}

	l.in.Store(request{v})

	return nil
}

// isRequest reports whether a message is that of a unary call, which done comes after.
func isRequest(message any) bool {
	switch message.(type) {
	case *fnv1.RunFunctionRequest, *v1beta1.RunFunctionRequest:
		return true
	default:
		return false
	}
}

// done intercepts calls. It ends the turn of a large request.
func (l *lane) done(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	defer func() {
		if l.in.CompareAndSwap(request{req}, request{}) {
			l.busy.Unlock()
		}
	}()

	return handle(ctx, req)
}

// Serve serves a function, whose messages codec encodes and decodes, until ctx is done.
// Then it finishes the calls in flight.
func Serve(ctx context.Context, fn fnv1.FunctionRunnerServiceServer, codec encoding.CodecV2, o ...function.ServeOption) error {
	so := &function.ServeOptions{
		Network:         function.DefaultNetwork,
		Address:         function.DefaultAddress,
		MaxRecvMsgSize:  function.DefaultMaxRecvMsgSize,
		MetricsAddress:  function.DefaultMetricsAddress,
		MetricsRegistry: prometheus.NewRegistry(),
	}
	for _, opt := range o {
		if err := opt(so); err != nil {
			return errors.Wrap(err, "cannot apply ServeOption")
		}
	}

	if so.Credentials == nil {
		return errors.New("no credentials: set --tls-certs-dir, or --insecure for development")
	}

	lc := &net.ListenConfig{}

	lis, err := lc.Listen(ctx, so.Network, so.Address)
	if err != nil {
		return errors.Wrapf(err, "cannot listen for %s connections at address %q", so.Network, so.Address)
	}

	large := &lane{CodecV2: codec}
	grpcMetrics := grpcprometheus.NewServerMetrics(so.MetricsServerOpts...)
	srv := grpc.NewServer(
		grpc.MaxRecvMsgSize(so.MaxRecvMsgSize),
		grpc.MaxConcurrentStreams(maxCalls),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connectionWindow),
		grpc.Creds(so.Credentials),
		grpc.ForceServerCodecV2(large),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: connectionAge}),
		// Reused goroutines have already grown the stack that a call needs, which saves 6 %
		// of its CPU.
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), //nolint:gosec // Never negative.
		grpc.ChainUnaryInterceptor(append([]grpc.UnaryServerInterceptor{large.done, grpcMetrics.UnaryServerInterceptor()}, so.UnaryInterceptors...)...),
	)

	healthy := health.NewServer()

	grpc_health_v1.RegisterHealthServer(srv, healthy)
	reflection.Register(srv)
	fnv1.RegisterFunctionRunnerServiceServer(srv, fn)
	v1beta1.RegisterFunctionRunnerServiceServer(srv, function.ServeBeta(fn))

	failed := make(chan error, 2)

	if so.MetricsAddress != "" {
		grpcMetrics.InitializeMetrics(srv)
		so.MetricsRegistry.MustRegister(grpcMetrics)

		mlis, err := lc.Listen(ctx, "tcp", so.MetricsAddress)
		if err != nil {
			_ = lis.Close()
			return errors.Wrapf(err, "cannot listen for metrics at address %q", so.MetricsAddress)
		}

		m := &http.Server{
			Handler:           promhttp.HandlerFor(so.MetricsRegistry, promhttp.HandlerOpts{}),
			ReadHeaderTimeout: 30 * time.Second,
		}
		defer m.Close() //nolint:errcheck // The process ends.

		go func() { failed <- errors.Wrap(m.Serve(mlis), "cannot serve metrics") }()
	}

	go func() { failed <- errors.Wrap(srv.Serve(lis), "cannot serve gRPC connections") }()

	select {
	case err := <-failed:
		srv.Stop()
		return err
	case <-ctx.Done():
		healthy.Shutdown()

		// Calls that take longer are cut off.
		cut := time.AfterFunc(drainTimeout, srv.Stop)
		defer cut.Stop()

		srv.GracefulStop()

		return nil
	}
}
