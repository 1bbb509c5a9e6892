package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// upCommand brings the stack up. On a stack that is up it installs what changed, and puts back what
// tests that were interrupted left.
type upCommand struct {
	Provider string `env:"STACK_PROVIDER" help:"Version of provider-kubernetes, likewise." required:""`
	Version  string `env:"STACK_VERSION" help:"Version of the packages in _output/xpkg." required:""`
	Postgres string `env:"STACK_POSTGRES" help:"Root file system of a PostgreSQL server, for its image." placeholder:"DIR"`
	Flavour  string `env:"STACK_FLAVOUR" help:"Flavour of the DittoServers: namespaced, native or claims. Native ones are installed as namespaced ones are." default:"namespaced" enum:"namespaced,native,claims"`
}

// A step of bringing the stack up.
type step struct {
	title string
	run   func(ctx context.Context) error
	log   string // The process whose log tells why the step failed.
}

// Run the steps. If one fails, nothing is left behind but its message.
func (c *upCommand) Run(s stack) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	from, err := findSources(ctx, s.crossplane, c.Provider)
	if err != nil {
		return err
	}

	i := &installer{upCommand: c, stack: s, from: from}
	running := supervisorPID(s) != 0 && s.exists(startedFile)

	steps := i.installSteps()
	if running {
		if what, err := os.ReadFile(s.Path(startedFile)); err != nil || string(what) != i.what() {
			return errors.Join(err, fmt.Errorf("a stack with %s is up: make down first", what))
		}

		steps = slices.Concat([]step{{"Allowing what tests forbade", i.allow, ""}}, steps, []step{{"Removing what tests left", i.sweep, ""}})
	} else {
		steps = append(i.startSteps(), steps...)
	}

	for _, step := range steps {
		begin := time.Now()

		fmt.Fprintf(os.Stderr, "%-70s ", step.title)

		if err := step.run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "failed")
			fmt.Fprint(os.Stderr, tail(s.Log(step.log), 20))

			if !running {
				err = errors.Join(err, down(context.WithoutCancel(ctx), s))
			}

			return err
		}

		fmt.Fprintf(os.Stderr, "%5.1f s\n", time.Since(begin).Seconds())
	}

	if err := linkKubectl(s); err != nil {
		return err
	}

	fmt.Fprintf(os.Stderr, "\nCrossplane is up, and knows DittoServers. Logs are in %s.\n\n", s.Path("log"))
	_, err = fmt.Fprintf(os.Stdout, "export KUBECONFIG=%s PATH=%s:$PATH\n", s.Kubeconfig(), s.Path("bin"))

	return err
}

// linkKubectl puts a kubectl of the cluster's version below the stack's folder, alone in
// its folder, for the PATH of people who have none.
func linkKubectl(s stack) error {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return err
	}

	link := s.Path("bin", "kubectl")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}

	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}

	return os.Symlink(kubectl, link)
}

// tail returns the end of a log, empty if there is none.
func tail(file string, lines int) string {
	content, err := os.ReadFile(file)
	if err != nil || len(content) == 0 {
		return ""
	}

	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	last := all[max(0, len(all)-lines):]

	for i, line := range last {
		last[i] = line[:min(len(line), 300)]
	}

	return fmt.Sprintf("The end of %s:\n  %s\n", file, strings.Join(last, "\n  "))
}

// installer runs the steps.
type installer struct {
	*upCommand

	stack

	from sources
}

// startedFile tells what cannot change, once the processes run.
const startedFile = "started"

func (i *installer) started(context.Context) error {
	return i.Write([]byte(i.what()), startedFile)
}

// what the stack is from its start: a cluster has one Configuration.
func (i *installer) what() string {
	if i.claims() {
		return fmt.Sprintf("Crossplane %s and claims DittoServers", i.stack.crossplane)
	}

	return fmt.Sprintf("Crossplane %s and namespaced DittoServers", i.stack.crossplane)
}

// claims reports whether the Configuration is the one with claims.
func (c *upCommand) claims() bool { return c.Flavour == "claims" }

// startSteps returns the steps that start the processes.
func (i *installer) startSteps() []step {
	if !i.stack.node {
		return []step{
			{"Starting etcd, kube-apiserver and the controllers, without a node", i.startNodeless, "supervisor"},
			{"Waiting for etcd and kube-apiserver", i.apiserver, "kube-apiserver"},
			{"Noting that they run", i.started, ""},
		}
	}

	return []step{
		{"Checking this machine", i.check, ""},
		{"Starting the node", i.start, "supervisor"},
		{"Waiting for etcd and kube-apiserver", i.apiserver, "kube-apiserver"},
		{"Pushing images to " + i.registry(), i.images, "registry"},
		{"Waiting for the node", i.node, "kubelet"},
		{"Noting that it runs", i.started, ""},
	}
}

// installSteps returns the steps that install what users install.
func (i *installer) installSteps() []step {
	log := "kubelet"
	if !i.stack.node {
		log = "crossplane"
	}

	return []step{
		{"Installing Crossplane " + i.stack.crossplane, i.crossplane, log},
		{"Installing provider-kubernetes " + i.from.provider.Version, i.provider, log},
		{"Installing the Configuration and the function " + i.Version, i.configuration, log},
	}
}

func (i *installer) check(context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root: namespaces, mounts and network interfaces. Without root, run the end-to-end tests with NODE=none")
	}

	for _, hidden := range hiddenDirs() {
		if strings.HasPrefix(string(i.Dir), hidden+"/") {
			return fmt.Errorf("STACK must not be below %s, which the node hides", hidden)
		}
	}

	var errs []error

	for _, command := range []string{
		"ip", "etcd", "containerd", "containerd-shim-runc-v2", "runc", "nft", "crane", "image", "helm", "kubectl", "coredns",
		"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
		"core", "provider", "dfs",
	} {
		if _, err := exec.LookPath(command); err != nil {
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}

// start the node in namespaces of its own, and lay the line to it.
func (i *installer) start(ctx context.Context) error {
	// A machine that went down left these behind.
	if err := errors.Join(down(ctx, i.stack), i.claim()); err != nil {
		return err
	}

	if _, err := net.InterfaceByName(hostInterface); err == nil {
		return fmt.Errorf("the interface %s is there: does another stack run?", hostInterface)
	}

	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}

	if err := errors.Join(writePKI(i.stack), writeConfig(i.stack, runc), i.makeCgroup()); err != nil {
		return err
	}

	pid, err := i.supervise(syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS)
	if err != nil {
		return err
	}

	for _, args := range [][]string{
		{"link", "add", hostInterface, "type", "veth", "peer", "name", nodeInterface, "netns", strconv.Itoa(pid)},
		{"addr", "add", hostAddress + linkBits, "dev", hostInterface},
		{"link", "set", hostInterface, "up"},
		{"route", "add", podRange, "via", nodeAddress},
		{"route", "add", serviceRange, "via", nodeAddress},
		{"route", "add", loadBalancerRange, "via", nodeAddress},
	} {
		if err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}

	host, err := net.InterfaceByName(hostInterface)
	if err != nil {
		return err
	}

	return i.Write([]byte(strconv.Itoa(host.Index)), interfaceFile)
}

// supervise starts the stack's first process, in new namespaces of these kinds.
func (i *installer) supervise(namespaces uintptr) (int, error) {
	if err := errors.Join(i.Write(nil, "log", "supervisor.log"), os.MkdirAll(i.Path("registry"), 0o755)); err != nil {
		return 0, err
	}

	log, err := os.OpenFile(i.Log("supervisor"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()

	command := append(self(i.stack), "supervise")

	supervisor := exec.Command(command[0], command[1:]...) //nolint:noctx // It outlives this process.
	supervisor.Stdout, supervisor.Stderr = log, log
	supervisor.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: namespaces}

	if err := supervisor.Start(); err != nil {
		return 0, err
	}

	pid := supervisor.Process.Pid

	return pid, errors.Join(i.Write([]byte(strconv.Itoa(pid)), pidFile), supervisor.Process.Release())
}

// wait runs a command until it succeeds.
func (i *installer) wait(ctx context.Context, timeout time.Duration, command string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	for {
		err := i.run(ctx, command, args...)
		if err == nil {
			return nil
		}

		if supervisorPID(i.stack) == 0 {
			return fmt.Errorf("the stack ended: %s", tail(i.Log("supervisor"), 5))
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", timeout, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// run runs a command as the stack's administrator.
func (i *installer) run(ctx context.Context, command string, args ...string) error {
	switch command {
	case "kubectl", "helm":
		args = append([]string{"--kubeconfig=" + i.Kubeconfig()}, args...)
	}

	return run(ctx, command, args...)
}

func (i *installer) apiserver(ctx context.Context) error {
	return i.wait(ctx, 2*time.Minute, "kubectl", "get", "--raw=/readyz")
}

func (i *installer) node(ctx context.Context) error {
	return i.wait(ctx, 2*time.Minute, "kubectl", "wait", "--for=condition=Ready", "--timeout=1s", "node/"+nodeName)
}

// Images that pods run, as the stack's registry names them.
const (
	pauseImage           = "/pause:stack"
	dfsRepository        = "/marmos91c/dittofs:v"
	crossplaneRepository = "/crossplane/crossplane"
	postgresRepository   = "/library/postgres:stack"
	earlierRelease       = "0.28.0"
)

func (i *installer) images(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}

	core, err := exec.LookPath("core")
	if err != nil {
		return err
	}

	dfs, err := exec.LookPath("dfs")
	if err != nil {
		return err
	}

	server := i.registry() + dfsRepository + strings.TrimPrefix(i.from.dittofs.Version, "v")

	if err := i.wait(ctx, time.Minute, "crane", "catalog", i.registry()); err != nil {
		return err
	}

	images := [][]string{
		{"--push=" + i.registry() + pauseImage, "--add=" + self + "=/stack", "--entrypoint=/stack", "--entrypoint=--dir=/", "--entrypoint=pause"},
		{
			"--push=" + i.registry() + crossplaneRepository + ":" + i.stack.crossplane,
			"--add=" + core + "=/crossplane",
			"--add=" + filepath.Join(i.from.crossplane.Dir, "cluster", "crds") + "=/crds",
			"--add=" + filepath.Join(i.from.crossplane.Dir, "cluster", "webhookconfigurations") + "=/webhookconfigurations",
			"--entrypoint=/crossplane", "--user=65532:65532",
		},
		// The layout, user and volumes of the server's own Dockerfile, without the Alpine
		// Linux below.
		{
			"--push=" + server,
			"--add=" + dfs + "=/app/dfs",
			"--user=65532:65532", "--workdir=/app",
			"--dir=/data", "--dir=/data/metadata", "--dir=/data/content", "--dir=/data/cache", "--dir=/config",
			"--volume=/data/metadata", "--volume=/data/content", "--volume=/data/cache", "--volume=/config",
			"--port=12049/tcp", "--port=12445/tcp", "--port=8080/tcp", "--port=5353/udp", "--port=3702/udp", "--port=5357/tcp",
			"--entrypoint=/app/dfs", "--cmd=start", "--cmd=--foreground", "--cmd=--config", "--cmd=/config/config.yaml",
		},
	}

	if i.Postgres != "" {
		images = append(images, []string{
			"--push=" + i.registry() + postgresRepository, "--add=" + i.Postgres + "=/", "--entrypoint=/bin/serve", "--user=999:999",
		})
	}

	for _, image := range images {
		if err := run(ctx, "image", image...); err != nil {
			return err
		}
	}

	// The same server stands in for an earlier release, to be downgraded to.
	return run(ctx, "crane", "tag", server, "v"+earlierRelease)
}
