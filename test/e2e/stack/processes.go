package main

import (
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// processes of the node. What one needs of another it waits for, or it ends and is
// started again.
func processes(dir Dir) []*process {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}

	pki := func(name string) string { return dir.Path("pki", name) }
	debian := []string{"LD_LIBRARY_PATH=" + os.Getenv("DEBIAN_LIBRARIES")}

	return []*process{
		{name: "etcd", env: debian, args: []string{
			"etcd",
			"--data-dir=" + dir.Path("etcd"),
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--logger=zap",
		}},
		{name: "registry", args: []string{
			"crane", "registry", "serve", "--address=" + registry, "--disk=" + dir.Path("registry"),
		}},
		{name: "kube-apiserver", args: []string{
			"kube-apiserver",
			"--etcd-servers=http://127.0.0.1:2379",
			"--bind-address=" + nodeAddress, "--advertise-address=" + nodeAddress,
			"--tls-cert-file=" + pki("kube-apiserver.crt"), "--tls-private-key-file=" + pki("kube-apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),
			"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
			"--service-account-key-file=" + pki("service-accounts.key"), "--service-account-signing-key-file=" + pki("service-accounts.key"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--kubelet-client-certificate=" + pki("admin.crt"), "--kubelet-client-key=" + pki("admin.key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--service-cluster-ip-range=" + serviceRange,
			"--allow-privileged",
		}},
		{name: "kube-controller-manager", args: []string{
			"kube-controller-manager",
			"--kubeconfig=" + pki("kube-controller-manager.kubeconfig"),
			"--authentication-kubeconfig=" + pki("kube-controller-manager.kubeconfig"),
			"--authorization-kubeconfig=" + pki("kube-controller-manager.kubeconfig"),
			"--service-account-private-key-file=" + pki("service-accounts.key"), "--root-ca-file=" + pki("ca.crt"),
			"--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
		}},
		{name: "kube-scheduler", args: []string{
			"kube-scheduler",
			"--kubeconfig=" + pki("kube-scheduler.kubeconfig"),
			"--authentication-kubeconfig=" + pki("kube-scheduler.kubeconfig"),
			"--authorization-kubeconfig=" + pki("kube-scheduler.kubeconfig"),
			"--leader-elect=false", "--bind-address=127.0.0.1",
		}},
		{name: "containerd", args: []string{"containerd", "--config=" + dir.Path("config", "containerd.toml")}},
		{name: "kubelet", args: []string{
			"kubelet",
			"--config=" + dir.Path("config", "kubelet.yaml"),
			"--kubeconfig=" + pki("kubelet.kubeconfig"),
			"--root-dir=" + dir.Path("kubelet"),
			"--hostname-override=" + nodeName, "--node-ip=" + nodeAddress,
		}},
		{name: "kube-proxy", env: debian, args: []string{"kube-proxy", "--config=" + dir.Path("config", "kube-proxy.yaml")}},
		{name: "coredns", args: []string{"coredns", "-conf=" + dir.Path("config", "Corefile")}},
		{name: "addons", args: []string{self, "--dir=" + string(dir), "addons"}},
	}
}

// object is a configuration file of Kubernetes.
type object = map[string]any

// writeConfig writes the processes' configuration files.
func writeConfig(dir Dir, runc, cniPlugins string) error {
	kubelet := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address":                  nodeAddress,
		"authentication":           object{"anonymous": object{"enabled": false}, "webhook": object{"enabled": false}, "x509": object{"clientCAFile": dir.Path("pki", "ca.crt")}},
		"authorization":            object{"mode": "AlwaysAllow"},
		"containerRuntimeEndpoint": "unix://" + dir.Path("containerd.sock"),
		"clusterDNS":               []string{nodeAddress}, "clusterDomain": clusterDomain, "resolvConf": dir.Path("config", "resolv.conf"),
		"cgroupDriver": "cgroupfs", "cgroupRoot": cgroup,
		"failSwapOn":                  false,
		"failCgroupV1":                false, // Machines with version 1 are fine here.
		"makeIPTablesUtilChains":      false, // kube-proxy uses nftables.
		"podLogsDir":                  dir.Path("log", "pods"),
		"serializeImagePulls":         false,
		"evictionHard":                map[string]string{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
	}

	proxy := object{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode":             "nftables",
		"clientConnection": object{"kubeconfig": dir.Path("pki", "kube-proxy.kubeconfig")},
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

		if err := dir.Write(encoded, "config", file); err != nil {
			return err
		}
	}

	text := strings.NewReplacer(
		"$DIR", string(dir), "$REGISTRY", registry, "$ADDRESS", nodeAddress, "$DOMAIN", clusterDomain,
		"$RUNC", runc, "$CNI_PLUGINS", cniPlugins, "$PAUSE", pauseImage())

	for file, content := range map[string]string{
		"containerd.toml": containerdConfig,
		filepath.Join("registries", "_default", "hosts.toml"): registryConfig,
		"Corefile":    corednsConfig,
		"resolv.conf": "",
	} {
		if err := dir.Write([]byte(text.Replace(content)), "config", file); err != nil {
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
