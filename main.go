// Package main serves function-dittoserver, a Crossplane composition function.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/crossplane/function-sdk-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/dittofs/function-dittoserver/internal/metrics"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/serve"
	"github.com/dittofs/function-dittoserver/internal/wire"
)

// CLI of this Function.
type CLI struct {
	Version kong.VersionFlag `help:"Print the version, and exit."`
	Debug   bool             `help:"Emit debug logs in addition to info logs." short:"d"`

	Network            string        `default:"tcp"     help:"Network on which to listen for gRPC connections."`
	Address            string        `default:":9443"   help:"Address at which to listen for gRPC connections."`
	TLSCertsDir        string        `env:"TLS_SERVER_CERTS_DIR" help:"Directory containing server certs (tls.key, tls.crt) and the CA used to verify client certificates (ca.crt)."`
	Insecure           bool          `help:"Run without mTLS credentials. If you supply this flag --tls-certs-dir will be ignored."`
	MaxRecvMessageSize int           `default:"16"      help:"Maximum size of received messages in MiB. Three Secrets of 1 MiB need more than gRPC's default of 4."`
	MetricsAddress     string        `default:":8080"   help:"Address at which to serve Prometheus metrics. Empty to serve none."`
	TTL                time.Duration `default:"1m"      help:"How long Crossplane may wait before it calls this function again, unless the function's input says so." name:"ttl"`
}

// Run this Function.
func (c *CLI) Run() error {
	log, err := function.NewLogger(c.Debug)
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	return serve.Serve(ctx, &Function{log: log, ttl: c.TTL, metrics: metrics.New(registry)}, codec(),
		function.Listen(c.Network, c.Address),
		function.MTLSCertificates(c.TLSCertsDir),
		function.Insecure(c.Insecure),
		function.MaxRecvMessageSize(c.MaxRecvMessageSize*1024*1024),
		function.WithMetricsServer(c.MetricsAddress),
		function.WithMetricsRegistry(registry))
}

// codec of what the function reads.
func codec() wire.Codec {
	return wire.Codec{Reads: observed.Reads, ReadsManagers: observed.ReadsManagers}
}

// version of this build. The linker sets it.
var version = "unknown"

// gcPercent has the garbage of some twenty calls come together before it is collected,
// where Go's default for a heap this small is that of four, and a quarter of the CPU. It
// costs some 15 MiB of memory. GOGC and GOMEMLIMIT have the last word.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}

	ctx := kong.Parse(&CLI{}, kong.Description("A Crossplane composition function for DittoFS servers."), kong.Vars{"version": version})
	ctx.FatalIfErrorf(ctx.Run())
}
