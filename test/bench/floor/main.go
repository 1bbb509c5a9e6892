// Package main serves what a composition function cannot do without, and nothing else:
// the floor below which its cost cannot go.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"path/filepath"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

func main() {
	mode := flag.String("mode", "raw", "raw passes bytes, ready-made decodes the request, pass-on answers with its desired state")
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	certs := flag.String("tls-certs-dir", "", "as the function's; none to serve without")
	answer := flag.String("answer", "", "file of an encoded response, for raw and ready-made")

	flag.Parse()

	if err := serve(*mode, *address, *certs, *answer); err != nil {
		log.Fatal(err)
	}
}

func serve(mode, address, certs, answer string) error {
	credentials, err := credentialsOf(certs)
	if err != nil {
		return err
	}

	b, err := os.ReadFile(filepath.Clean(answer))
	if err != nil {
		return err
	}

	options := []grpc.ServerOption{grpc.Creds(credentials), grpc.MaxRecvMsgSize(16 << 20)}

	if mode == "raw" {
		options = append(options, grpc.ForceServerCodecV2(bytesCodec(b)))
	}

	lis, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}

	fn := &function{passOn: mode == "pass-on", answer: &fnv1.RunFunctionResponse{}}
	if err := proto.Unmarshal(b, fn.answer); err != nil {
		return err
	}

	srv := grpc.NewServer(options...)
	fnv1.RegisterFunctionRunnerServiceServer(srv, fn)

	return srv.Serve(lis)
}

func credentialsOf(dir string) (credentials.TransportCredentials, error) {
	if dir == "" {
		return insecure.NewCredentials(), nil
	}

	crt, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return nil, err
	}

	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}

	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("no CA certificate")
	}

	return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{crt}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}), nil
}

type function struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	passOn bool
	answer *fnv1.RunFunctionResponse
}

func (f *function) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	if !f.passOn {
		return f.answer, nil
	}

	return &fnv1.RunFunctionResponse{Meta: &fnv1.ResponseMeta{Tag: req.GetMeta().GetTag()}, Desired: req.GetDesired(), Context: req.GetContext()}, nil
}

// bytesCodec takes requests for bytes, and answers with these.
type bytesCodec []byte

func (bytesCodec) Name() string                         { return "proto" }
func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (c bytesCodec) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(c)}, nil
}
