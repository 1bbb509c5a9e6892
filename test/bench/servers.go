package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// A command serves functions at an address, with the certificates of a folder if there
// is one.
type command func(address, certs string) *exec.Cmd

// A server is a process that serves a function.
type server struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer
	conn *grpc.ClientConn

	// started is how long it took from its start to its first answer.
	started time.Duration
}

// start starts a server, and waits for its first answer.
func start(ctx context.Context, c command, pki *pki, first []byte) (*server, error) {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	address := lis.Addr().String()
	_ = lis.Close()

	dir, client := "", insecure.NewCredentials()
	if pki != nil {
		dir, client = pki.dir, pki.client
	}

	s := &server{cmd: c(address, dir), log: &bytes.Buffer{}}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log

	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}

	// gRPC would wait a second after a connection that was refused.
	for {
		conn, err := net.Dial("tcp", address) //nolint:noctx // Loopback.
		if err == nil {
			_ = conn.Close()
			break
		}

		if time.Since(begin) > 10*time.Second || ctx.Err() != nil {
			s.stop()
			return nil, fmt.Errorf("the server does not start: %w\n%s", err, s.log)
		}

		time.Sleep(200 * time.Microsecond)
	}

	if s.conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(client), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20))); err != nil {
		s.stop()
		return nil, err
	}

	if _, err = s.call(ctx, first); err != nil {
		s.stop()
		return nil, fmt.Errorf("the server does not answer: %w\n%s", err, s.log)
	}

	s.started = time.Since(begin)

	return s, nil
}

func (s *server) stop() {
	if s.conn != nil {
		_ = s.conn.Close()
	}

	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// call calls the function with an encoded request, and returns the encoded response.
func (s *server) call(ctx context.Context, req []byte) ([]byte, error) {
	var rsp []byte

	return rsp, s.conn.Invoke(ctx, fnv1.FunctionRunnerService_RunFunction_FullMethodName, req, &rsp, grpc.ForceCodecV2(encoded{}))
}

// encoded messages are bytes already.
type encoded struct{}

var _ encoding.CodecV2 = encoded{}

func (encoded) Name() string { return proto.Name }

func (encoded) Marshal(v any) (mem.BufferSlice, error) {
	b, _ := v.([]byte)
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (encoded) Unmarshal(data mem.BufferSlice, v any) error {
	if b, ok := v.(*[]byte); ok {
		*b = data.Materialize()
	}

	return nil
}

// cpu is what the process has used so far: in user mode and in the system, garbage
// collection included.
func (s *server) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}

	var total time.Duration

	for _, t := range tasks {
		// The first number is nanoseconds on a CPU.
		b, err := os.ReadFile(t)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}

		if err != nil {
			return 0, err
		}

		on, _, _ := strings.Cut(string(b), " ")

		n, err := strconv.ParseInt(on, 10, 64)
		if err != nil {
			return 0, err
		}

		total += time.Duration(n)
	}

	return total, nil
}

// peak returns the peak memory of the process, in bytes.
func (s *server) peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}

	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n * 1024, err
		}
	}

	return 0, errors.New("no VmHWM")
}

// pki has certificates as Crossplane gives them to functions.
type pki struct {
	dir    string
	client credentials.TransportCredentials
}

func newPKI(dir string) (*pki, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}

	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "benchmark"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			BasicConstraintsValid: true, IsCA: serial == 1,
		}
	}

	ca := template(1)

	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}

	der, err := x509.CreateCertificate(rand.Reader, template(2), ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}

	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}

	files := map[string][]byte{
		"ca.crt":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}

	crt, err := tls.X509KeyPair(files["tls.crt"], files["tls.key"])
	if err != nil {
		return nil, err
	}

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(files["ca.crt"])

	return &pki{dir: dir, client: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{crt}})}, nil
}
