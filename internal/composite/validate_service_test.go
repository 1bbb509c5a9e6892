package composite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

func TestPortNames(t *testing.T) {
	want := []string{"nfs", "smb", "api", "metrics", "portmapper"}
	if diff := cmp.Diff(want, []string{v1alpha1.PortNFS, v1alpha1.PortSMB, v1alpha1.PortAPI, v1alpha1.PortMetrics, v1alpha1.PortPortmapper}); diff != "" {
		t.Errorf("Scrapers and ingresses refer to port names: they are API\nPort names: -want, +got:\n%s", diff)
	}
}

func TestValidateServiceTypes(t *testing.T) {
	const types = `supported values: "ClusterIP", "NodePort", "LoadBalancer"`

	tests := errorTable{
		"ForBoth": {
			reason: "A type that both Services take is one error, where it is set",
			xr:     "spec: {service: {type: ExternalName}}",
			want:   []string{`spec.service.type: Unsupported value: "ExternalName": ` + types},
		},
		"ForBothAndAnother": {
			reason: "Another bad type of one Service is an error of its own",
			xr:     "spec: {service: {type: ExternalName, api: {type: None}}}",
			want: []string{
				`spec.service.type: Unsupported value: "ExternalName": ` + types,
				`spec.service.api.type: Unsupported value: "None": ` + types,
			},
		},
		"ForBothButOverridden": {
			reason: "A type that no Service takes is still an error",
			xr:     "spec: {service: {type: None, file: {type: ClusterIP}, api: {type: ClusterIP}}}",
			want:   []string{`spec.service.type: Unsupported value: "None": ` + types},
		},
		"File": {
			reason: "An unknown type of one Service should be refused",
			xr:     "spec: {service: {file: {type: ExternalName}}}",
			want:   []string{`spec.service.file.type: Unsupported value: "ExternalName": ` + types},
		},
		"API": {
			reason: "An unknown type of one Service should be refused",
			xr:     "spec: {service: {api: {type: loadbalancer}}}",
			want:   []string{`spec.service.api.type: Unsupported value: "loadbalancer": ` + types},
		},
	}

	for _, name := range []string{"ClusterIP", "NodePort", "LoadBalancer"} {
		for _, patch := range []string{"{type: %s}", "{file: {type: %s}}", "{api: {type: %s}}"} {
			patch = fmt.Sprintf(patch, name)
			tests[patch] = testCase{reason: "A supported type should be no error", xr: "spec: {service: " + patch + "}"}
		}
	}

	tests.run(t)
}

func TestValidateIPFamilies(t *testing.T) {
	const two = `spec.service.ipFamilies: Forbidden: two families need ipFamilyPolicy PreferDualStack or RequireDualStack`

	tests := errorTable{
		"SingleStack":   {reason: "One family is a single stack", xr: "spec: {service: {ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]}}"},
		"NoPolicy":      {reason: "So it is without a word on it", xr: "spec: {service: {ipFamilies: [IPv4]}}"},
		"Prefer":        {reason: "The cluster has the families of a dual stack", xr: "spec: {service: {ipFamilyPolicy: PreferDualStack}}"},
		"RequireBoth":   {reason: "The order of two says which is the primary one", xr: "spec: {service: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]}}"},
		"TwoOfOne":      {reason: "Kubernetes refuses two families of a single stack", xr: "spec: {service: {ipFamilyPolicy: SingleStack, ipFamilies: [IPv6, IPv4]}}", want: []string{two}},
		"TwoOfNoPolicy": {reason: "And without a word on it, too", xr: "spec: {service: {ipFamilies: [IPv6, IPv4]}}", want: []string{two}},
		"OneOfTwo": {
			reason: "Kubernetes would add the other one, and refuse the next apply",
			xr:     "spec: {service: {ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4]}}",
			want:   []string{"spec.service.ipFamilies: Forbidden: a dual stack takes two families, or none, for those of the cluster"},
		},
		"Twice": {
			reason: "A family is there once",
			xr:     "spec: {service: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv4]}}",
			want:   []string{`spec.service.ipFamilies[1]: Duplicate value: "IPv4"`},
		},
		"Unknown": {
			reason: "There are two families and three policies",
			xr:     "spec: {service: {ipFamilyPolicy: DualStack, ipFamilies: [ipv4]}}",
			want: []string{
				`spec.service.ipFamilyPolicy: Unsupported value: "DualStack": supported values: "SingleStack", "PreferDualStack", "RequireDualStack"`,
				`spec.service.ipFamilies[0]: Unsupported value: "ipv4": supported values: "IPv4", "IPv6"`,
			},
		},
	}

	tests.run(t)
}

func TestValidateServiceAnnotations(t *testing.T) {
	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.service.annotations":      "{annotations: %s}",
		"spec.service.file.annotations": "{file: {annotations: %s}}",
		"spec.service.api.annotations":  "{api: {annotations: %s}}",
	} {
		tests[path] = testCase{
			reason: "Annotations of a cloud should be accepted",
			xr:     fmt.Sprintf("spec: {service: "+patch+"}", `{service.beta.kubernetes.io/aws-load-balancer-type: nlb, Upper: "any text"}`),
		}
		tests[path+"/Key"] = testCase{
			reason: "An annotation has a key that Kubernetes takes",
			xr:     fmt.Sprintf("spec: {service: "+patch+"}", "{_: a}"),
			want:   []string{path + `: Invalid value: "_": ` + notLabelKey},
		}
		tests[path+"/SourceRanges"] = testCase{
			reason: "Source ranges have a field, whose ranges are judged",
			xr:     fmt.Sprintf("spec: {service: "+patch+"}", "{service.beta.kubernetes.io/load-balancer-source-ranges: 10.0.0.0/8}"),
			want:   []string{path + "[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: use loadBalancerSourceRanges of the Service"},
		}
		tests[path+"/Size"] = testCase{
			reason: "Annotations have at most 256 KiB",
			xr:     fmt.Sprintf("spec: {service: "+patch+"}", "{a: "+strings.Repeat("a", 256<<10)+"}"),
			want:   []string{path + ": Too long: may not be more than 262144 bytes"},
		}
	}

	tests.run(t)
}

func TestValidateServiceCombinations(t *testing.T) {
	tests := errorTable{}

	for _, svc := range []string{"file", "api"} {
		port := map[string]string{"file": "nfs", "api": "api"}[svc]

		add := func(name, reason, override string, want ...string) {
			for i := range want {
				want[i] = "spec.service." + svc + "." + want[i]
			}

			tests[svc+"/"+name] = testCase{reason: reason, xr: fmt.Sprintf("spec: {service: {%s: %s}}", svc, override), want: want}
		}

		add("LoadBalancer", "A load balancer may have all that a Service can have",
			"{type: LoadBalancer, loadBalancerClass: example.org/internal, loadBalancerSourceRanges: [10.0.0.0/8, '2001:db8::/32'], externalTrafficPolicy: Local, nodePorts: {"+port+": 30001}}")
		add("DefaultType", "The default type is LoadBalancer",
			"{loadBalancerClass: internal, loadBalancerSourceRanges: [0.0.0.0/0], externalTrafficPolicy: Cluster, nodePorts: {"+port+": 30001}}")
		add("NodePort", "A Service with node ports may have a traffic policy",
			"{type: NodePort, externalTrafficPolicy: Local, nodePorts: {"+port+": 30001}}")
		add("ClusterIP", "What is empty is not set",
			`{type: ClusterIP, loadBalancerSourceRanges: [], externalTrafficPolicy: "", nodePorts: {}}`)

		for _, typ := range []string{"ClusterIP", "NodePort"} {
			add("Class/"+typ, "Only a load balancer has a class", "{type: "+typ+", loadBalancerClass: internal}",
				"loadBalancerClass: Forbidden: only a Service of type LoadBalancer has one; this one is of type "+typ)
			add("BadClass/"+typ, "A class that must not be is still judged", "{type: "+typ+", loadBalancerClass: _}",
				"loadBalancerClass: Forbidden: only a Service of type LoadBalancer has one; this one is of type "+typ,
				`loadBalancerClass: Invalid value: "_": `+notLabelKey)
			add("Ranges/"+typ, "Only a load balancer has source ranges", "{type: "+typ+", loadBalancerSourceRanges: [10.0.0.0/8]}",
				"loadBalancerSourceRanges: Forbidden: only a Service of type LoadBalancer has them; this one is of type "+typ)
		}

		add("Class", "A class is named like a label", "{loadBalancerClass: _}",
			`loadBalancerClass: Invalid value: "_": `+notLabelKey)
		add("EmptyClass", "An empty class is none that Kubernetes takes", `{loadBalancerClass: ""}`,
			`loadBalancerClass: Invalid value: "": name part must be non-empty`,
			`loadBalancerClass: Invalid value: "": `+notLabelKey)
		add("Ranges", "Each range that is no CIDR, or not the usual spelling of one, should be told",
			"{loadBalancerSourceRanges: [10.0.0.0/8, 10.0.0.1, 10.0.0.1/8, '2001:DB8::/32']}",
			`loadBalancerSourceRanges[1]: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
			`loadBalancerSourceRanges[2]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length`,
			`loadBalancerSourceRanges[3]: Invalid value: "2001:DB8::/32": must be in canonical form ("2001:db8::/32")`)
		add("Policy", "An unknown traffic policy should be refused", "{externalTrafficPolicy: local}",
			`externalTrafficPolicy: Unsupported value: "local": supported values: "Cluster", "Local"`)
		add("PolicyOfClusterIP", "What is not reached from outside has no policy for it", "{type: ClusterIP, externalTrafficPolicy: Local}",
			"externalTrafficPolicy: Forbidden: a Service of type ClusterIP has none")
		add("NodePortsOfClusterIP", "What is not reached from outside has no node ports", "{type: ClusterIP, nodePorts: {"+port+": 30001}}",
			"nodePorts: Forbidden: a Service of type ClusterIP has none")
	}

	tests["TypeOfBoth"] = testCase{
		reason: "The type that is set for both should count where a Service has none of its own",
		xr:     "spec: {service: {type: ClusterIP, file: {externalTrafficPolicy: Local}, api: {type: NodePort, externalTrafficPolicy: Local, loadBalancerClass: a}}}",
		want: []string{
			"spec.service.file.externalTrafficPolicy: Forbidden: a Service of type ClusterIP has none",
			"spec.service.api.loadBalancerClass: Forbidden: only a Service of type LoadBalancer has one; this one is of type NodePort",
		},
	}

	tests.run(t)
}

func TestValidateNodePorts(t *testing.T) {
	const twice = ": a node port serves one Service port"

	tests := errorTable{
		"All": {
			reason: "Each Service port may have a node port",
			xr:     "spec: {smb: {enabled: true}, service: {file: {nodePorts: {nfs: 30001, smb: 30002}}, api: {nodePorts: {api: 30003}}}}",
		},
		"NamesOfTheFileService": {
			reason: "The file Service has the ports nfs and smb",
			xr:     "spec: {service: {file: {nodePorts: {api: 30001, nfs: 30002}}}}",
			want:   []string{`spec.service.file.nodePorts[api]: Unsupported value: "api": supported values: "nfs", "smb"`},
		},
		"NamesOfTheAPIService": {
			reason: "The API Service has the port api",
			xr:     "spec: {service: {api: {nodePorts: {nfs: 30001, metrics: 30002}}}}",
			want: []string{
				`spec.service.api.nodePorts[metrics]: Unsupported value: "metrics": supported values: "api"`,
				`spec.service.api.nodePorts[nfs]: Unsupported value: "nfs": supported values: "api"`,
			},
		},
		"TwiceInOneService": {
			reason: "A node port leads to one Service port",
			xr:     "spec: {smb: {enabled: true}, service: {file: {nodePorts: {nfs: 30001, smb: 30001}}}}",
			want:   []string{"spec.service.file.nodePorts[smb]: Invalid value: 30001: must differ from spec.service.file.nodePorts[nfs]" + twice},
		},
		"TwiceInTwoServices": {
			reason: "A node port leads to one Service",
			xr:     "spec: {smb: {enabled: true}, service: {file: {nodePorts: {nfs: 30000, smb: 30001}}, api: {nodePorts: {api: 30001}}}}",
			want:   []string{"spec.service.api.nodePorts[api]: Invalid value: 30001: must differ from spec.service.file.nodePorts[smb]" + twice},
		},
		"TwiceWithSMBDisabled": {
			reason: "A node port of SMB that no Service shows meets no other",
			xr:     "spec: {service: {file: {nodePorts: {nfs: 30001, smb: 30001}}, api: {nodePorts: {api: 30002}}}}",
		},
		"SameAsAServicePort": {
			reason: "A node port and a Service port never meet",
			xr:     "spec: {nfsPort: 30001, service: {file: {nodePorts: {nfs: 30001}}}}",
		},
	}

	for _, p := range []string{"file: {nodePorts: {nfs: %d}}", "file: {nodePorts: {smb: %d}}", "api: {nodePorts: {api: %d}}"} {
		svc, rest, _ := strings.Cut(p, ": {nodePorts: {")
		name, _, _ := strings.Cut(rest, ":")

		for _, n := range []int{1, 65535} {
			tests[fmt.Sprintf("%s/%s/%d", svc, name, n)] = testCase{
				reason: "Which ports nodes give is the cluster's to say",
				xr:     fmt.Sprintf("spec: {service: {"+p+"}}", n),
			}
		}

		for _, n := range []int{-1, 0, 65536} {
			tests[fmt.Sprintf("%s/%s/%d", svc, name, n)] = testCase{
				reason: "What is no port should be refused",
				xr:     fmt.Sprintf("spec: {service: {"+p+"}}", n),
				want:   []string{fmt.Sprintf("spec.service.%s.nodePorts[%s]: Invalid value: %d: %s", svc, name, n, notPort)},
			}
		}
	}

	tests.run(t)
}
