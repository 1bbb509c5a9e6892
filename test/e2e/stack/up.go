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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// upCommand brings the stack up. On a stack that is up it installs what changed.
type upCommand struct {
	CrossplaneVersion string `help:"Version of Crossplane." required:""`
	CrossplaneCore    string `help:"Crossplane's binary." required:"" type:"existingfile"`
	CrossplaneModule  string `help:"Folder of Crossplane's module, with its chart and CRDs." required:"" type:"existingdir"`
	Provider          string `help:"Package of provider-kubernetes." required:"" type:"existingfile"`
	ProviderVersion   string `help:"Version of provider-kubernetes." required:""`
	Dfs               string `help:"The DittoFS server." required:"" type:"existingfile"`
	DfsVersion        string `help:"Version of the DittoFS server." required:""`
	Postgres          string `help:"Folder of a PostgreSQL installation, for its image." placeholder:"DIR"`
	CNIPlugins        string `help:"Folder of the CNI plugins." required:"" type:"existingdir"`
	Packages          string `help:"Folder of the packages to install." required:"" type:"existingdir"`
	PackagesVersion   string `help:"Version of those packages." required:""`
	Examples          string `help:"Folder of the manifests that install them." required:"" type:"existingdir"`
}

// A step of bringing the stack up.
type step struct {
	title string
	run   func(ctx context.Context) error
	log   string // The process whose log tells why the step failed.
}

// Run the steps. If one fails, nothing is left behind but its message.
func (c *upCommand) Run(dir Dir) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	i := &installer{upCommand: c, dir: dir}
	running := nodePID(dir) != 0

	steps := []step{
		{"Installing Crossplane " + c.CrossplaneVersion, i.crossplane, "kubelet"},
		{"Installing provider-kubernetes " + c.ProviderVersion, i.provider, "kubelet"},
		{"Installing the Configuration and the function " + c.PackagesVersion, i.configuration, "kubelet"},
	}

	if !running {
		steps = append([]step{
			{"Checking this machine", i.check, ""},
			{"Starting the node", i.start, "node"},
			{"Waiting for etcd and kube-apiserver", i.apiserver, "kube-apiserver"},
			{"Pushing images to " + registry, i.images, "registry"},
			{"Waiting for the node", i.node, "kubelet"},
		}, steps...)
	}

	for _, s := range steps {
		begin := time.Now()

		fmt.Fprintf(os.Stderr, "%-60s ", s.title)

		if err := s.run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "failed")
			fmt.Fprint(os.Stderr, tail(dir.Log(s.log), 20))

			if !running {
				err = errors.Join(err, down(dir))
			}

			return err
		}

		fmt.Fprintf(os.Stderr, "%5.1f s\n", time.Since(begin).Seconds())
	}

	fmt.Fprintf(os.Stderr, "\nCrossplane is up, and knows DittoServers. Logs are in %s.\n\n", dir.Path("log"))
	fmt.Printf("export KUBECONFIG=%s\n", dir.Kubeconfig())

	return nil
}

// tail of a log, empty if there is none.
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

	dir Dir
}

func (i *installer) check(context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root: namespaces, mounts and network interfaces. Without root, run the end-to-end tests with NODE=none")
	}

	for _, hidden := range hiddenDirs {
		if strings.HasPrefix(string(i.dir), hidden+"/") {
			return fmt.Errorf("STACK must not be below %s, which the node hides", hidden)
		}
	}

	var errs []error

	for _, command := range []string{
		"ip", "etcd", "containerd", "containerd-shim-runc-v2", "runc", "nft", "crane", "image", "helm", "kubectl", "coredns",
		"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
	} {
		if _, err := exec.LookPath(command); err != nil {
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}

// start the node in namespaces of its own, and lay the line to it.
func (i *installer) start(ctx context.Context) error {
	// What a machine that went down left behind.
	if err := down(i.dir); err != nil {
		return err
	}

	if _, err := net.InterfaceByName(hostInterface); err == nil {
		return fmt.Errorf("the interface %s is there: does another stack run?", hostInterface)
	}

	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}

	if err := errors.Join(writePKI(i.dir), writeConfig(i.dir, runc, i.CNIPlugins), makeCgroup()); err != nil {
		return err
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}

	if err := errors.Join(i.dir.Write(nil, "log", "node.log"), os.MkdirAll(i.dir.Path("registry"), 0o755)); err != nil {
		return err
	}

	log, err := os.OpenFile(i.dir.Log("node"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	node := exec.Command(self, "--dir="+string(i.dir), "node")
	node.Stdout, node.Stderr = log, log
	node.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}

	if err := node.Start(); err != nil {
		return err
	}

	pid := strconv.Itoa(node.Process.Pid)
	if err := errors.Join(i.dir.Write([]byte(pid), pidFile), node.Process.Release()); err != nil {
		return err
	}

	for _, args := range [][]string{
		{"link", "add", hostInterface, "type", "veth", "peer", "name", nodeInterface, "netns", pid},
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

	return nil
}

// wait until a command succeeds.
func (i *installer) wait(ctx context.Context, timeout time.Duration, command string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	for {
		err := i.run(ctx, command, args...)
		if err == nil {
			return nil
		}

		if nodePID(i.dir) == 0 {
			return fmt.Errorf("the node ended: %s", tail(i.dir.Log("node"), 5))
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", timeout, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// run a command as the stack's administrator.
func (i *installer) run(ctx context.Context, command string, args ...string) error {
	switch command {
	case "kubectl", "helm":
		args = append([]string{"--kubeconfig=" + i.dir.Kubeconfig()}, args...)
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
func pauseImage() string { return registry + "/pause:stack" }

const (
	dfsRepository        = "/marmos91c/dittofs:v"
	crossplaneRepository = "/crossplane/crossplane"
	postgresRepository   = "/postgres:stack"
)

func (i *installer) images(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}

	if err := i.wait(ctx, time.Minute, "crane", "catalog", registry); err != nil {
		return err
	}

	images := [][]string{
		{"--push=" + pauseImage(), "--add=" + self + "=/stack", "--entrypoint=/stack", "--entrypoint=--dir=/", "--entrypoint=pause"},
		{
			"--push=" + registry + crossplaneRepository + ":" + i.CrossplaneVersion,
			"--add=" + i.CrossplaneCore + "=/crossplane",
			"--add=" + filepath.Join(i.CrossplaneModule, "cluster", "crds") + "=/crds",
			"--add=" + filepath.Join(i.CrossplaneModule, "cluster", "webhookconfigurations") + "=/webhookconfigurations",
			"--entrypoint=/crossplane", "--user=65532:65532",
		},
		// What the server's own Dockerfile makes, but for Alpine Linux below it.
		{
			"--push=" + registry + dfsRepository + i.DfsVersion,
			"--add=" + i.Dfs + "=/app/dfs",
			"--user=65532:65532", "--workdir=/app",
			"--dir=/app", "--dir=/data", "--dir=/data/metadata", "--dir=/data/content", "--dir=/data/cache", "--dir=/config",
			"--volume=/data/metadata", "--volume=/data/content", "--volume=/data/cache", "--volume=/config",
			"--port=12049/tcp", "--port=12445/tcp", "--port=8080/tcp",
			"--entrypoint=/app/dfs", "--cmd=start", "--cmd=--foreground", "--cmd=--config", "--cmd=/config/config.yaml",
		},
	}

	for _, image := range images {
		if err := run(ctx, "image", image...); err != nil {
			return err
		}
	}

	return nil
}
