package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A neighbourhood is the function in bounded memory. One tenant calls it with the same request
// over and over, from several callers at once, while another one calls it as usual.
type neighbourhood struct {
	binary  string
	memory  int64 // The limit, in bytes.
	callers int
	last    time.Duration
}

// These are what the other tenant noticed of it, and the kernel.
type noticed struct {
	alone, beside []time.Duration // Latencies of the other tenant's calls.
	calls, failed int64           // Of the one tenant.
	took          time.Duration   // All of them.
	peak          int64           // Memory, in bytes.
	killed        bool
}

// A cgroup bounds the memory of a process.
type cgroup struct {
	dir  string
	peak string // The file that tells the most it ever had.
}

// newCgroup needs root, and cgroups of version 1 or 2.
func newCgroup(limit int64) (*cgroup, error) {
	parent, file, peak := "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"
	if _, err := os.Stat(parent); err != nil {
		parent, file, peak = "/sys/fs/cgroup", "memory.max", "memory.peak"
	}

	dir, err := os.MkdirTemp(parent, "function-dittoserver-")
	if err != nil {
		return nil, err
	}

	return &cgroup{dir: dir, peak: filepath.Join(dir, peak)}, os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0o600)
}

// run a command in the cgroup from its first instruction on.
func (c *cgroup) run(cmd *exec.Cmd) *exec.Cmd {
	args := append([]string{"-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(c.dir, "cgroup.procs")}, cmd.Args...)
	return exec.Command("sh", args...) //nolint:noctx // Stopped by its process.
}

func (c *cgroup) used() (int64, error) {
	b, err := os.ReadFile(c.peak)
	if err != nil {
		return 0, err
	}

	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// live through an attack with this request.
func (n neighbourhood) live(ctx context.Context, keys *pki, normal, attack []byte) (*noticed, error) {
	group, err := newCgroup(n.memory)
	if err != nil {
		return nil, err
	}
	defer os.Remove(group.dir) //nolint:errcheck // The process is gone by then.

	functionAt := (&CLI{Function: n.binary}).servers("")[function]

	s, err := start(ctx, func(address, certs string) *exec.Cmd { return group.run(functionAt(address, certs)) }, keys, normal)
	if err != nil {
		return nil, err
	}
	defer s.stop()

	out := &noticed{}

	// As often as a platform with a thousand servers calls it.
	usual := func(last time.Duration) ([]time.Duration, error) {
		var latencies []time.Duration

		for begin := time.Now(); time.Since(begin) < last; time.Sleep(5 * time.Millisecond) {
			called := time.Now()
			if _, err := s.call(ctx, normal); err != nil {
				return latencies, err
			}

			latencies = append(latencies, time.Since(called))
		}

		return latencies, nil
	}

	if out.alone, err = usual(n.last / 6); err != nil {
		return nil, err
	}

	attacked, over := context.WithCancel(ctx)

	var (
		wg            sync.WaitGroup
		calls, failed atomic.Int64
	)

	for range n.callers {
		wg.Go(func() {
			for attacked.Err() == nil {
				calls.Add(1)

				_, err := s.call(attacked, attack)
				if code := status.Code(err); attacked.Err() == nil && (code == codes.Unavailable || code == codes.ResourceExhausted || code == codes.DeadlineExceeded) {
					failed.Add(1)
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}

	begin := time.Now()
	out.beside, err = usual(n.last)
	out.took = time.Since(begin)

	over()
	wg.Wait()

	out.calls, out.failed = calls.Load(), failed.Load()

	// A process that was killed does not answer any more.
	if err != nil {
		out.killed = true
	}

	out.peak, err = group.used()

	return out, errors.Join(err, ctx.Err())
}

// String has the columns of a table.
func (n *noticed) String() string {
	quantiles := func(all []time.Duration) string {
		return milliseconds(quantile(all, .5)) + ", " + milliseconds(quantile(all, .99))
	}

	beside := "killed"
	if !n.killed {
		beside = quantiles(n.beside)
	}

	return fmt.Sprintf("%.0f | %d | %d | %s | %s", float64(n.calls-n.failed)/n.took.Seconds(), n.failed, n.peak>>20, quantiles(n.alone), beside)
}
