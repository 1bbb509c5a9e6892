// Package function starts the function's binary.
package function

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// startTimeout bounds how long the function may take to start.
const startTimeout = 30 * time.Second

// Start starts the function on a free port, and returns its address. The returned function
// stops it.
func Start(ctx context.Context, binary string) (string, func(), error) {
	lc := &net.ListenConfig{}

	lis, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("cannot find a free port: %w", err)
	}

	address := lis.Addr().String()
	_ = lis.Close()

	log := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, binary, "--insecure", "--address", address, "--metrics-address=")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }

	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("cannot start the function: %w", err)
	}

	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}

	if err := waitHealthy(ctx, address); err != nil {
		stop()
		return "", nil, fmt.Errorf("the function does not start: %w\n%s", err, log)
	}

	return address, stop, nil
}

// waitHealthy waits until the function answers.
func waitHealthy(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // Nothing was sent that could be lost.

	for {
		_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err == nil || ctx.Err() != nil {
			return err
		}

		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
