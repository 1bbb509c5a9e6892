package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crossplane/function-sdk-go"
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/proto/v1beta1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
)

// slow answers once it is told to.
type slow struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	called, answer chan struct{}
}

func (s *slow) RunFunction(context.Context, *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	s.called <- struct{}{}
	<-s.answer

	return &fnv1.RunFunctionResponse{Meta: &fnv1.ResponseMeta{Tag: "answered"}}, nil
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()

	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()

	return lis.Addr().String()
}

// start serves a function until the returned function is called, which returns
// what Serve returned.
func start(t *testing.T, fn fnv1.FunctionRunnerServiceServer, o ...function.ServeOption) (*grpc.ClientConn, context.CancelFunc, chan error) {
	t.Helper()

	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)

	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, fn, encoding.GetCodecV2("proto"), append([]function.ServeOption{function.Listen("tcp", address), function.Insecure(true)}, o...)...)
	}()

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })

	return conn, stop, done
}

// A function that is told to stop answers what it was asked, and then ends.
func TestGracefulStop(t *testing.T) {
	fn := &slow{called: make(chan struct{}), answer: make(chan struct{})}
	conn, stop, done := start(t, fn, function.WithMetricsServer(""))

	type result struct {
		rsp *fnv1.RunFunctionResponse
		err error
	}

	got := make(chan result, 1)
	go func() {
		rsp, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), &fnv1.RunFunctionRequest{}, grpc.WaitForReady(true))
		got <- result{rsp, err}
	}()

	<-fn.called
	stop()

	select {
	case err := <-done:
		t.Fatalf("Serve(...): ends with a call in flight: %v", err)
	case <-time.After(100 * time.Millisecond):
	}

	close(fn.answer)

	if r := <-got; r.err != nil || r.rsp.GetMeta().GetTag() != "answered" {
		t.Errorf("RunFunction(...): want an answer, got: %v, %v", r.rsp, r.err)
	}

	if err := <-done; err != nil {
		t.Errorf("Serve(...): %v", err)
	}
}

// The gRPC health service, and Crossplane's older protocol, are served too.
func TestServices(t *testing.T) {
	fn := &slow{called: make(chan struct{}, 1), answer: make(chan struct{})}
	close(fn.answer)

	conn, _, _ := start(t, fn, function.WithMetricsServer(""))

	h, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(grpc_health_v1.HealthCheckResponse_SERVING, h.GetStatus()); diff != "" {
		t.Errorf("Check(...): -want, +got:\n%s", diff)
	}

	rsp, err := v1beta1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), &v1beta1.RunFunctionRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff("answered", rsp.GetMeta().GetTag()); diff != "" {
		t.Errorf("RunFunction(...): -want, +got:\n%s", diff)
	}
}

func TestMetrics(t *testing.T) {
	fn := &slow{called: make(chan struct{}, 1), answer: make(chan struct{})}
	close(fn.answer)

	address := freeAddress(t)
	conn, _, _ := start(t, fn, function.WithMetricsServer(address))

	if _, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), &fnv1.RunFunctionRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}

	rsp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer rsp.Body.Close()

	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		t.Fatal(err)
	}

	const want = `grpc_server_handled_total{grpc_code="OK",grpc_method="RunFunction",grpc_service="apiextensions.fn.proto.v1.FunctionRunnerService",grpc_type="unary"} 1`
	if !strings.Contains(string(b), want) {
		t.Errorf("GET /metrics: want %s, got:\n%s", want, b)
	}
}

func TestErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	cases := map[string]struct {
		reason string
		opts   []function.ServeOption
		want   string
	}{
		"NoCredentials": {
			reason: "Crossplane always uses mTLS.",
			opts:   []function.ServeOption{function.Insecure(false), MTLSCertificates("")},
			want:   "no credentials: set --tls-certs-dir, or --insecure for development",
		},
		"NoCertificates": {
			reason: "A folder without certificates is an error.",
			opts:   []function.ServeOption{MTLSCertificates(t.TempDir())},
			want:   "cannot apply ServeOption: cannot load X509 keypair",
		},
		"AddressTaken": {
			reason: "Somebody listens there.",
			opts:   []function.ServeOption{function.Insecure(true), function.Listen("tcp", taken.Addr().String())},
			want:   "cannot listen for tcp connections at address",
		},
		"MetricsAddressTaken": {
			reason: "Metrics that nobody can scrape are an error, not silence.",
			opts:   []function.ServeOption{function.Insecure(true), function.Listen("tcp", "127.0.0.1:0"), function.WithMetricsServer(taken.Addr().String())},
			want:   "cannot listen for metrics at address",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			err := Serve(ctx, &slow{}, encoding.GetCodecV2("proto"), tc.opts...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\nServe(...): want %q, got: %v", tc.reason, tc.want, err)
			}
		})
	}
}

// Calls above the bound wait, and are answered like the others.
func TestMaxCalls(t *testing.T) {
	fn := &slow{called: make(chan struct{}), answer: make(chan struct{})}
	conn, _, _ := start(t, fn, function.WithMetricsServer(""))

	answers := make(chan error)

	for range maxCalls + 5 {
		go func() {
			_, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), &fnv1.RunFunctionRequest{}, grpc.WaitForReady(true))
			answers <- err
		}()
	}

	for range maxCalls {
		<-fn.called
	}

	select {
	case <-fn.called:
		t.Errorf("RunFunction(...): more than %d calls at once", maxCalls)
	case <-time.After(100 * time.Millisecond):
	}

	close(fn.answer)

	for range 5 {
		<-fn.called
	}

	for range maxCalls + 5 {
		if err := <-answers; err != nil {
			t.Errorf("RunFunction(...): %v", err)
		}
	}
}

// large is a request that waits for its turn.
func large() *fnv1.RunFunctionRequest {
	return &fnv1.RunFunctionRequest{Meta: &fnv1.RequestMeta{Tag: strings.Repeat("x", largeMessage)}}
}

// Large requests are worked on one at a time until they are answered, and those of the usual size
// beside them.
func TestLargeRequests(t *testing.T) {
	fn := &slow{called: make(chan struct{}), answer: make(chan struct{})}
	conn, _, _ := start(t, fn, function.WithMetricsServer(""))
	answers := make(chan error)

	calls := map[string]func() error{
		"v1": func() error {
			_, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), large(), grpc.WaitForReady(true))
			return err
		},
		"v1beta1": func() error {
			req := &v1beta1.RunFunctionRequest{Meta: &v1beta1.RequestMeta{Tag: large().GetMeta().GetTag()}}
			_, err := v1beta1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), req, grpc.WaitForReady(true))

			return err
		},
	}
	for _, call := range calls {
		go func() { answers <- call() }()
	}

	<-fn.called

	select {
	case <-fn.called:
		t.Error("RunFunction(...): two large requests at once")
	case <-time.After(100 * time.Millisecond):
	}

	go func() {
		_, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), &fnv1.RunFunctionRequest{})
		answers <- err
	}()

	<-fn.called
	close(fn.answer)
	<-fn.called

	for range 3 {
		if err := <-answers; err != nil {
			t.Errorf("RunFunction(...): %v", err)
		}
	}
}

// failing decodes nothing.
type failing struct{ encoding.CodecV2 }

func (failing) Unmarshal(mem.BufferSlice, any) error { return errors.New("not a message") }

// A call that ends without an answer ends its turn too.
func TestLaneIsLeft(t *testing.T) {
	proto := encoding.GetCodecV2("proto")

	data, err := proto.Marshal(&grpc_health_v1.HealthCheckRequest{Service: strings.Repeat("x", largeMessage)})
	if err != nil {
		t.Fatal(err)
	}

	cases := map[string]struct {
		reason  string
		codec   encoding.CodecV2
		message any
		want    bool
	}{
		"Malformed": {
			reason: "gRPC does not handle a request that it cannot decode.",
			codec:  failing{}, message: &fnv1.RunFunctionRequest{},
		},
		"Stream": {
			reason: "gRPC intercepts no messages of streams, such as those of reflection, as calls.",
			codec:  proto, message: &grpc_health_v1.HealthCheckRequest{}, want: true,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := &lane{CodecV2: tc.codec}

			if err := l.Unmarshal(data, tc.message); (err == nil) != tc.want {
				t.Errorf("%s\nUnmarshal(...): want success %t, got %v", tc.reason, tc.want, err)
			}

			if !l.busy.TryLock() {
				t.Errorf("%s\nUnmarshal(...): the next large request waits for ever", tc.reason)
			}
		})
	}
}

// Three Secrets of 1 MiB, in base64, arrive.
func TestMaxRecvMessageSize(t *testing.T) {
	fn := &slow{called: make(chan struct{}, 1), answer: make(chan struct{})}
	close(fn.answer)

	conn, _, _ := start(t, fn, function.WithMetricsServer(""), function.MaxRecvMessageSize(16<<20))

	req := &fnv1.RunFunctionRequest{Meta: &fnv1.RequestMeta{Tag: strings.Repeat("x", 5<<20)}}
	if _, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(t.Context(), req, grpc.WaitForReady(true)); err != nil {
		t.Errorf("RunFunction(...): %v", err)
	}
}
