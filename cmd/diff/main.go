// Package main shows, before anything is applied, what a change of DittoServers, Secrets,
// Compositions or the function does to each server: what changes, whether the server
// restarts, and why. It needs no cluster.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/function"
)

// Exit statuses with --exit-code. Without it, the status is 0 for every change that could
// be judged. An error is 1 in either case.
const (
	exitInterrupted = 2
	exitStuck       = 3
)

// CLI of diff.
type CLI struct {
	Old string `help:"DittoServers before the change: a file, a folder or - (standard input)." required:""`
	New string `help:"DittoServers after the change. Default: those before it."`

	OldComposition string `default:"configuration/namespaced/composition.yaml" help:"Compositions before the change."`
	NewComposition string `help:"Compositions after the change. Default: those before it."`

	OldSecrets string `help:"Secrets before the change. Default: stand-ins for all that DittoServers name."`
	NewSecrets string `help:"Secrets after the change. Default: those before it."`

	OldFunction string `default:"_output/function"                                     help:"The function's binary before the change." type:"existingfile"`
	NewFunction string `help:"The function's binary after the change. Default: the one before it." type:"existingfile"`

	Observed  string `help:"Composed resources in the cluster. Default: those that the DittoServers before the change become."`
	Namespace string `default:"default" help:"Namespace of resources that name none."`
	ExitCode  bool   `help:"Exit with 2 if a server restarts, stops or is deleted, and with 3 if a change is refused or waits for a person."`
}

func main() {
	c := &CLI{}
	k := kong.Parse(c, kong.Description("Tell what a change does to DittoServers: what changes, which servers restart, and why."))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	runner := func(binary string) (change.Runner, func(), error) { return start(ctx, binary) }

	changes, err := c.run(ctx, runner, os.Stdout, os.Stderr)
	k.FatalIfErrorf(err)

	if c.ExitCode {
		stop()
		os.Exit(exitStatus(changes)) //nolint:gocritic // Nothing is left to be done.
	}
}

func exitStatus(changes []*change.Change) int {
	switch {
	case slices.ContainsFunc(changes, (*change.Change).IsStuck):
		return exitStuck
	case slices.ContainsFunc(changes, (*change.Change).Interrupts):
		return exitInterrupted
	default:
		return 0
	}
}

// start starts a function's binary, and returns how to call and how to stop it.
func start(ctx context.Context, binary string) (change.Runner, func(), error) {
	address, stop, err := function.Start(ctx, binary)
	if err != nil {
		return nil, nil, err
	}

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("cannot connect to the function: %w", err)
	}

	client := fnv1.NewFunctionRunnerServiceClient(conn)
	run := func(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
		return client.RunFunction(ctx, req)
	}

	return run, func() { _ = conn.Close(); stop() }, nil
}

// A side is all that there is before or after the change.
type side struct {
	servers      map[string]*structpb.Struct
	compositions compositions
	secrets      []*structpb.Struct
	run          change.Runner
}

// run judges each server, and writes what becomes of it.
func (c *CLI) run(ctx context.Context, start func(binary string) (change.Runner, func(), error), out, progress io.Writer) ([]*change.Change, error) {
	before, after, err := c.load()
	if err != nil {
		return nil, err
	}

	var observed []*structpb.Struct
	if c.Observed != "" {
		if observed, err = load(c.Observed); err != nil {
			return nil, err
		}
	}

	run, stop, err := start(c.OldFunction)
	if err != nil {
		return nil, err
	}
	defer stop()

	before.run, after.run = run, run

	if c.NewFunction != "" && c.NewFunction != c.OldFunction {
		run, stop, err := start(c.NewFunction)
		if err != nil {
			return nil, err
		}
		defer stop()

		after.run = run
	}

	keys := slices.AppendSeq(slices.Collect(maps.Keys(before.servers)), maps.Keys(after.servers))
	slices.Sort(keys)

	var (
		changes []*change.Change
		failed  []string
	)

	for _, key := range slices.Compact(keys) {
		result, err := c.judge(ctx, key, before, after, observed, progress)
		if err != nil {
			// Go on with the others, and fail at the end.
			failed = append(failed, fmt.Sprintf("%s: %v", key, err))
			continue
		}

		changes = append(changes, result)

		if err := result.Write(out, key); err != nil {
			return nil, err
		}
	}

	if len(failed) > 0 {
		return nil, errors.New(strings.Join(failed, "\n"))
	}

	return changes, nil
}

// load reads both sides of the change.
func (c *CLI) load() (before, after side, err error) {
	if c.NewSecrets != "" && c.OldSecrets == "" {
		return before, after, errors.New("--new-secrets tells nothing without --old-secrets")
	}

	if before, err = c.loadSide(c.Old, c.OldComposition, c.OldSecrets); err != nil {
		return before, after, err
	}

	if after, err = c.loadSide(cmp.Or(c.New, c.Old), cmp.Or(c.NewComposition, c.OldComposition), cmp.Or(c.NewSecrets, c.OldSecrets)); err != nil {
		return before, after, err
	}

	if len(before.servers)+len(after.servers) == 0 {
		return before, after, fmt.Errorf("no DittoServer in %s and %s", c.Old, cmp.Or(c.New, c.Old))
	}

	return before, after, nil
}

func (c *CLI) loadSide(serversPath, compositionPath, secretsPath string) (side, error) {
	s := side{}

	var err error
	if s.compositions, err = loadCompositions(compositionPath); err != nil {
		return s, err
	}

	claims, err := s.compositions.areForClaims()
	if err != nil {
		return s, fmt.Errorf("%s: %w", compositionPath, err)
	}

	resources, err := load(serversPath)
	if err != nil {
		return s, err
	}

	inNamespace(resources, c.Namespace)

	if s.servers, err = servers(resources, claims); err != nil {
		return s, fmt.Errorf("%s: %w", serversPath, err)
	}

	if secretsPath != "" {
		if s.secrets, err = load(secretsPath); err != nil {
			return s, err
		}

		inNamespace(s.secrets, c.Namespace)
		// nil means that no Secrets were given, which of replaces by stand-ins.
		s.secrets = append([]*structpb.Struct{}, s.secrets...)
	}

	return s, nil
}

// judge returns what the change does to one server.
func (c *CLI) judge(ctx context.Context, key string, before, after side, observed []*structpb.Struct, progress io.Writer) (*change.Change, error) {
	b, err := before.of(key, change.Side{}, progress)
	if err != nil {
		return nil, err
	}

	if b.XR != nil {
		if b.Observed, err = composedOf(b.XR, observed); err != nil {
			return nil, err
		}
	}

	a, err := after.of(key, b, progress)
	if err != nil {
		return nil, err
	}

	return change.Of(ctx, b, a)
}

// of returns one server's side of the change. Fields of Crossplane's that the server does
// not set keep the values that they had before.
func (s side) of(key string, before change.Side, progress io.Writer) (change.Side, error) {
	xr := s.servers[key]
	if xr == nil {
		return change.Side{}, nil
	}

	composition, err := s.compositions.of(xr, before.XR)
	if err != nil {
		return change.Side{}, err
	}

	out := change.Side{XR: xr, Revision: revisionOf(composition), Secrets: s.secrets, Run: s.run}

	var others []string
	if out.Input, others, err = inputOf(composition); err != nil {
		return out, err
	}

	if len(others) > 0 {
		_, _ = fmt.Fprintf(progress, "%s: other steps of Composition %s are not run: %s\n", key, field(composition, "metadata", "name"), strings.Join(others, ", "))
	}

	if policy := crossplaneField(xr, before.XR, "compositionUpdatePolicy"); policy == "Manual" && before.XR != nil && before.Revision != out.Revision {
		_, _ = fmt.Fprintf(progress, "%s: its compositionUpdatePolicy is Manual: it keeps the Composition as it is\n", key)
		out.Input, out.Revision = before.Input, before.Revision
	}

	if s.secrets == nil {
		out.Secrets = change.StandIns(xr, out.Input)
	}

	return out, nil
}

// crossplaneField returns the value of one of Crossplane's own fields in the spec of a
// composite resource, or else the value that it had before.
func crossplaneField(xr, before *structpb.Struct, path ...string) string {
	of := func(xr *structpb.Struct) string {
		return cmp.Or(field(xr, append([]string{"spec", "crossplane"}, path...)...), field(xr, append([]string{"spec"}, path...)...))
	}

	return cmp.Or(of(xr), of(before))
}
