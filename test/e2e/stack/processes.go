package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// processes of the stack. A process waits for what it needs of another, or it ends and is
// restarted.
func processes(s stack) []*process {
	all := []*process{
		{name: "etcd", args: []string{
			"etcd",
			"--data-dir=" + s.Path("etcd"),
			"--listen-client-urls=" + s.etcd(2379), "--advertise-client-urls=" + s.etcd(2379),
			"--listen-peer-urls=" + s.etcd(2380),
			"--logger=zap",
		}},
		{name: "registry", args: []string{
			"crane", "registry", "serve", "--address=" + s.registry(), "--disk=" + s.Path("registry"),
		}},
		apiServer(s),
		{name: "kube-controller-manager", args: []string{
			"kube-controller-manager",
			"--kubeconfig=" + s.pki("kube-controller-manager.kubeconfig"),
			"--authentication-kubeconfig=" + s.pki("kube-controller-manager.kubeconfig"),
			"--authorization-kubeconfig=" + s.pki("kube-controller-manager.kubeconfig"),
			"--service-account-private-key-file=" + s.pki("service-accounts.key"), "--root-ca-file=" + s.pki("ca.crt"),
			"--use-service-account-credentials", "--leader-elect=false",
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.port(10257)),
		}},
	}

	// That binds three claims of each server, and has nothing to do with what is measured.
	if s.fleet {
		controllers := all[len(all)-1]
		controllers.args = append(controllers.args, "--kube-api-qps=500", "--kube-api-burst=1000")
	}

	// The addons look for work twice a second, which must not count as a cost of the fleet.
	if !s.fleet {
		all = append(all, &process{name: "addons", args: append(self(s), "addons")})
	}

	switch {
	case s.node:
		return slices.Concat(all, []*process{scheduler(s)}, nodeProcesses(s))
	case s.fleet:
		return slices.Concat(all, []*process{scheduler(s)}, controllerProcesses(s), fleetProcesses(s))
	default:
		return append(all, controllerProcesses(s)...)
	}
}

func apiServer(s stack) *process {
	args := []string{
		"kube-apiserver",
		"--etcd-servers=" + s.etcd(2379),
		"--bind-address=" + s.address(), "--secure-port=" + strconv.Itoa(s.port(6443)),
		"--tls-cert-file=" + s.pki("kube-apiserver.crt"), "--tls-private-key-file=" + s.pki("kube-apiserver.key"),
		"--client-ca-file=" + s.pki("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
		"--service-account-key-file=" + s.pki("service-accounts.key"), "--service-account-signing-key-file=" + s.pki("service-accounts.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate=" + s.pki("admin.crt"), "--kubelet-client-key=" + s.pki("admin.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-cluster-ip-range=" + s.services(),
		"--allow-privileged",
	}

	if !s.node {
		// An address on loopback is none to be reached at from pods.
		args = append(args, "--endpoint-reconciler-type=none")
	}

	// KWOK streams lists, for which Debian's etcd is too old, and would look for pods every minute only.
	if s.fleet {
		args = append(args, "--feature-gates=WatchList=false")
	}

	return &process{name: "kube-apiserver", args: args}
}

func scheduler(s stack) *process {
	return &process{name: "kube-scheduler", args: []string{
		"kube-scheduler",
		"--kubeconfig=" + s.pki("kube-scheduler.kubeconfig"),
		"--authentication-kubeconfig=" + s.pki("kube-scheduler.kubeconfig"),
		"--authorization-kubeconfig=" + s.pki("kube-scheduler.kubeconfig"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.port(10259)),
	}}
}

// nodeProcesses run pods, and the Services between them.
func nodeProcesses(s stack) []*process {
	debian := []string{"LD_LIBRARY_PATH=" + os.Getenv("DEBIAN_LIBRARIES")}

	return []*process{
		{name: "containerd", env: debian, args: []string{"containerd", "--config=" + s.Path("config", "containerd.toml")}},
		{name: "kubelet", args: []string{
			"kubelet",
			"--config=" + s.Path("config", "kubelet.yaml"),
			"--kubeconfig=" + s.pki("kubelet.kubeconfig"),
			"--root-dir=" + s.Path("kubelet"),
			"--hostname-override=" + nodeName, "--node-ip=" + nodeAddress,
		}},
		{name: "kube-proxy", env: debian, args: []string{"kube-proxy", "--config=" + s.Path("config", "kube-proxy.yaml")}},
		{name: "coredns", args: []string{"coredns", "-conf=" + s.Path("config", "Corefile")}},
	}
}

// controllerProcesses are what pods run where there is a node.
func controllerProcesses(s stack) []*process {
	kubeconfig := []string{"KUBECONFIG=" + s.Kubeconfig()}
	core := []string{s.Path(coreFile), "core", "start", "--enable-webhooks=false", "--package-runtime=External"}
	metrics := "--metrics-address="

	// Users have the circuit breaker as it is, and so has a fleet. Its calls are counted.
	if s.fleet {
		metrics += s.hostPort(8083)
	} else {
		core = append(core, s.circuitBreaker()...)
	}

	return []*process{
		{name: "crossplane", env: append(kubeconfig,
			"POD_NAMESPACE="+crossplaneNamespace, "POD_SERVICE_ACCOUNT=crossplane",
			"TLS_CLIENT_SECRET_NAME=crossplane-tls-client", "TLS_CLIENT_CERTS_DIR="+s.Path("tls", "crossplane"),
			"XPKG_CACHE_DIR="+s.Path("crossplane-cache"),
			"METRICS_PORT="+strconv.Itoa(s.port(8080)), "HEALTH_PROBE_PORT="+strconv.Itoa(s.port(8081)),
		), args: core},
		{name: "provider-kubernetes", env: append(kubeconfig, "WEBHOOK_TLS_CERT_DIR="+s.Path("tls", "function")), args: []string{
			s.Path("provider"), "--enable-watches", "--health-probe-bind-addr=127.0.0.1:" + strconv.Itoa(s.port(8082)),
		}},
		{name: "function", args: []string{
			s.Path("function"), "--address=127.0.0.1:" + strconv.Itoa(s.port(9443)), metrics, "--tls-certs-dir=" + s.Path("tls", "function"),
		}},
	}
}

// self is the command line of this program for the same stack.
func self(s stack) []string {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}

	node := "--node"
	if !s.node {
		node = "--no-node"
	}

	command := []string{program, "--dir=" + string(s.Dir), node}
	if s.fleet {
		command = append(command, "--fleet")
	}

	return command
}

func (s stack) pki(name string) string { return s.Path("pki", name) }

// object is a configuration file of Kubernetes.
type object = map[string]any

// writeConfig writes the configuration files of the node's processes. Debian has runc in
// usr/sbin, and the CNI plugins in usr/lib/cni.
func writeConfig(s stack, runc string) error {
	kubelet := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address":                  nodeAddress,
		"authentication":           object{"anonymous": object{"enabled": false}, "webhook": object{"enabled": false}, "x509": object{"clientCAFile": s.pki("ca.crt")}},
		"authorization":            object{"mode": "AlwaysAllow"},
		"containerRuntimeEndpoint": "unix://" + s.Path("containerd.sock"),
		"clusterDNS":               []string{nodeAddress}, "clusterDomain": clusterDomain, "resolvConf": s.Path("config", "resolv.conf"),
		"cgroupDriver": "cgroupfs", "cgroupRoot": s.cgroup(),
		"failSwapOn":                  false,
		"failCgroupV1":                false, // Machines with version 1 are fine here.
		"makeIPTablesUtilChains":      false, // kube-proxy uses nftables.
		"podLogsDir":                  s.Path("log", "pods"),
		"serializeImagePulls":         false,
		"evictionHard":                map[string]string{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
	}

	proxy := object{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode":             "nftables",
		"clientConnection": object{"kubeconfig": s.pki("kube-proxy.kubeconfig")},
		"clusterCIDR":      podRange,
		"hostnameOverride": nodeName,
		"bindAddress":      nodeAddress,
		"conntrack":        object{"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"}, // The machine's.
		"nftables":         object{"masqueradeAll": true},                                                                 // Pods reach each other over Services, too.
	}

	network := object{
		"cniVersion": "0.4.0", "name": "pods",
		"plugins": []object{{
			"type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
			"ipam": object{"type": "host-local", "ranges": [][]object{{{"subnet": podRange}}}, "routes": []object{{"dst": "0.0.0.0/0"}}},
		}},
	}

	for file, content := range map[string]any{"kubelet.yaml": kubelet, "kube-proxy.yaml": proxy, "cni/pods.conflist": network} {
		// CNI wants JSON, and JSON is YAML.
		encoded, err := yaml.Marshal(content)
		if err == nil && strings.HasPrefix(file, "cni") {
			encoded, err = yaml.YAMLToJSON(encoded)
		}

		if err != nil {
			return err
		}

		if err := s.Write(encoded, "config", file); err != nil {
			return err
		}
	}

	text := strings.NewReplacer(
		"$DIR", string(s.Dir), "$REGISTRY", s.registry(), "$ADDRESS", nodeAddress, "$DOMAIN", clusterDomain,
		"$RUNC", runc, "$CNI_PLUGINS", filepath.Join(filepath.Dir(runc), "..", "lib", "cni"), "$PAUSE", s.registry()+pauseImage)

	for file, content := range map[string]string{
		"containerd.toml": containerdConfig,
		filepath.Join("registries", "_default", "hosts.toml"): registryConfig,
		"Corefile":    corednsConfig,
		"resolv.conf": "",
	} {
		if err := s.Write([]byte(text.Replace(content)), "config", file); err != nil {
			return err
		}
	}

	return nil
}

const containerdConfig = `version = 2
root = "$DIR/containerd"
state = "/run/containerd"

[grpc]
  address = "$DIR/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  # Without CAP_SYS_RESOURCE a score cannot be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_PLUGINS"
    conf_dir = "$DIR/config/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$DIR/config/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$RUNC"
      SystemdCgroup = false
`

// Images of any registry are found in the stack's own.
const registryConfig = `[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
`

const corednsConfig = `.:53 {
    bind $ADDRESS
    errors
    kubernetes $DOMAIN in-addr.arpa {
        kubeconfig $DIR/kubeconfig stack
        ttl 1
    }
}
`
