// Package main runs a Kubernetes with one node, Crossplane, provider-kubernetes and
// function-dittoserver on this machine, without a container engine.
//
// The node lives in Linux namespaces of its own: processes, mounts and network. When
// the first process in them ends, the kernel ends and removes all the rest.
package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/alecthomas/kong"
)

// CLI of the stack. The binaries it runs are looked up in PATH.
type CLI struct {
	Crossplane string `env:"STACK_CROSSPLANE" help:"Version of Crossplane: one that has a module in test/tools."`

	Dir   string `env:"STACK" help:"Folder that holds everything: state, logs, certificates, volumes." required:""`
	Fleet bool   `env:"STACK_FLEET" help:"Without a node: schedule pods, and have KWOK play the node that runs them, for fleets of servers."`
	Node  bool   `env:"STACK_NODE" help:"Run a node, in namespaces of its own. That needs root. Without a node, the control plane runs on loopback, and Crossplane, the provider and the function as processes." default:"true" negatable:""`

	Up      upCommand      `cmd:"" help:"Bring the stack up."`
	Down    downCommand    `cmd:"" help:"Stop it, and remove the folder."`
	Restart restartCommand `cmd:"" help:"Kill one of the stack's processes. It is started again at once."`

	Measure measureCommand `cmd:"" help:"Measure what a fleet of DittoServers costs the control plane."`

	Supervise superviseCommand `cmd:"" help:"What the stack's first process runs." hidden:""`
	Addons    addonsCommand    `cmd:"" help:"Provide volumes and load balancers." hidden:""`
	Pause     pauseCommand     `cmd:"" help:"What holds the namespaces of a pod." hidden:""`
}

func main() {
	cli := &CLI{}
	k := kong.Parse(cli, kong.Description("A local Kubernetes with Crossplane and DittoServers."))

	dir, err := filepath.Abs(cli.Dir)
	k.FatalIfErrorf(err)
	k.FatalIfErrorf(k.Run(stack{Dir: Dir(dir), crossplane: cli.Crossplane, node: cli.Node, fleet: cli.Fleet}))
}

// A stack is a folder, a version of Crossplane, and whether there is a node, or one that KWOK plays for a fleet.
type stack struct {
	Dir

	crossplane  string
	node, fleet bool
}

// Dir is the folder that holds everything.
type Dir string

// Path of a file in the folder.
func (d Dir) Path(elements ...string) string {
	return filepath.Join(append([]string{string(d)}, elements...)...)
}

// Kubeconfig of a user that may do everything.
func (d Dir) Kubeconfig() string { return d.Path("kubeconfig") }

// Write a file below the folder, and the folders above it.
func (d Dir) Write(content []byte, elements ...string) error {
	file := d.Path(elements...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}

	return os.WriteFile(file, content, 0o600)
}

// Log of a process, or of a step.
func (d Dir) Log(name string) string { return d.Path("log", name+".log") }

// The node's network. The machine reaches it over a pair of virtual interfaces; no
// other machine does, as this one does not forward to it.
const (
	hostInterface = "dittofs0"
	nodeInterface = "node0"
	hostAddress   = "10.201.0.1"
	nodeAddress   = "10.201.0.2"
	linkBits      = "/30"

	podRange          = "10.202.0.0/24"
	serviceRange      = "10.203.0.0/24"
	serviceAPI        = "10.203.0.1" // The first of serviceRange: kube-apiserver takes it.
	fleetServiceRange = "10.224.0.0/15"

	loadBalancerRange = "10.204.0.0/24"

	// Where nothing routes to Services they may have both families.
	serviceRangeIPv6 = "fd00:203::/112"

	nodeName      = "node"
	clusterDomain = "cluster.local"
	storageClass  = "local"
)

// address of the control plane: the machine, the node and its pods find it there.
func (s stack) address() string {
	if s.node {
		return nodeAddress
	}

	return "127.0.0.1"
}

// port of a server. On loopback it shares ports with what else the machine runs.
func (s stack) port(usual int) int {
	if s.node {
		return usual
	}

	return usual + 13000
}

func (s stack) apiURL() string { return "https://" + s.hostPort(6443) }

// registry of images and packages.
func (s stack) registry() string { return s.hostPort(5000) }

func (s stack) hostPort(usual int) string {
	return net.JoinHostPort(s.address(), strconv.Itoa(s.port(usual)))
}

// services is the range of the addresses of Services. A server takes two or more.
func (s stack) services() string {
	switch {
	case s.fleet:
		return fleetServiceRange
	case s.node:
		return serviceRange
	default:
		return serviceRange + "," + serviceRangeIPv6
	}
}

// etcd serves only what runs beside it.
func (s stack) etcd(port int) string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port(port)))
}
