// Package main serves function-dittoserver, a Crossplane composition function.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/crossplane/function-sdk-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/secret"
	"github.com/dittofs/function-dittoserver/internal/serve"
	"github.com/dittofs/function-dittoserver/internal/wire"
)

// CLI holds the command line flags.
type CLI struct {
	Version bool
	Debug   bool

	Network            string
	Address            string
	TLSCertsDir        string
	Insecure           bool
	MaxRecvMessageSize int
	MetricsAddress     string
	TTL                time.Duration
}

// parse returns the flags of a command line. For --help it prints usage and returns
// flag.ErrHelp.
//
// It uses package flag since libraries that call methods by name, such as kong, make the
// linker keep every exported method: a quarter of the binary.
func parse(args []string, help io.Writer) (*CLI, error) {
	c, f := &CLI{}, flag.NewFlagSet("function", flag.ContinueOnError)
	f.SetOutput(io.Discard)

	f.BoolVar(&c.Version, "version", false, "Print the version, and exit.")
	f.BoolVar(&c.Debug, "debug", false, "Emit debug logs in addition to info logs.")
	f.BoolVar(&c.Debug, "d", false, "Short for debug.")

	f.StringVar(&c.Network, "network", "tcp", "Network on which to listen for gRPC connections.")
	f.StringVar(&c.Address, "address", ":9443", "Address at which to listen for gRPC connections.")
	f.StringVar(&c.TLSCertsDir, "tls-certs-dir", os.Getenv("TLS_SERVER_CERTS_DIR"), "Directory containing server certs (tls.key, tls.crt) and the CA used to verify client certificates (ca.crt). $TLS_SERVER_CERTS_DIR if not set.")
	f.BoolVar(&c.Insecure, "insecure", false, "Run without mTLS credentials. With this flag, --tls-certs-dir is ignored.")
	f.IntVar(&c.MaxRecvMessageSize, "max-recv-message-size", 16, "Maximum size of received messages in MiB. Three Secrets of 1 MiB need more than gRPC's default of 4.")
	f.StringVar(&c.MetricsAddress, "metrics-address", ":8080", "Address at which to serve Prometheus metrics. Empty to serve none.")
	f.DurationVar(&c.TTL, "ttl", time.Minute, "How long Crossplane may wait before it calls this function again, unless the function's input says so. The same bounds hold as for ttl there.")

	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.SetOutput(help)
			_, _ = fmt.Fprint(help, "A Crossplane composition function for DittoFS servers. Flags:\n\n")
			f.PrintDefaults()
		}

		return nil, err
	}

	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", f.Arg(0))
	}

	if c.TTL < 0 {
		return nil, fmt.Errorf("flag -ttl must be zero or more, not %s", c.TTL)
	}

	return c, nil
}

// Run serves the Function until SIGTERM or an interrupt.
func (c *CLI) Run() error {
	log, err := function.NewLogger(c.Debug)
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	return serve.Serve(ctx, &Function{log: log, ttl: c.TTL, now: time.Now, metrics: metrics.New(registry)}, codec(),
		function.Listen(c.Network, c.Address),
		serve.MTLSCertificates(c.TLSCertsDir),
		function.Insecure(c.Insecure),
		function.MaxRecvMessageSize(c.MaxRecvMessageSize*1024*1024),
		function.WithMetricsServer(c.MetricsAddress),
		function.WithMetricsRegistry(registry))
}

// codec decodes of a request only what the function reads.
func codec() wire.Codec {
	picks := func(name string) bool { return secret.IsRequirement(name) || observed.IsKind(name) }

	return wire.Codec{Reads: observed.Reads, ReadsManagers: observed.ReadsManagers, Picks: picks}
}

// version of this build, set by the linker.
var version = "unknown"

// gcPercent makes Go collect garbage less often: after some twenty calls instead of four,
// which saves a quarter of the CPU for about 15 MiB of memory. GOGC, if set, takes its
// place. Near the memory limit Go collects more often.
const gcPercent = 400

// memoryShare is the part of the container's memory limit that Go keeps within by collecting
// garbage more often. The rest is for what it does not count: the kernel's buffers, and the
// binary. GOMEMLIMIT, if set, takes its place.
const memoryShare = 0.8

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}

	// Without a cgroup there is no limit to keep.
	_, _ = memlimit.Set(memlimit.WithRatio(memoryShare))

	c, err := parse(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}

	if err == nil && c.Version {
		_, _ = fmt.Fprintln(os.Stdout, version)
		return
	}

	if err == nil {
		err = c.Run()
	}

	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "function: error:", err)
		os.Exit(1)
	}
}
