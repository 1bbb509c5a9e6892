package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// Whole manifests are locked by the golden renders of the examples. Here is what
// no example shows.

func server(t *testing.T, fields string) *composite.DittoServer {
	t.Helper()

	xr := protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: "+fields+"}")
	if xr.GetFields()["spec"].GetStructValue().GetFields()["identity"] == nil {
		protostruct.Set(xr, structpb.NewStringValue("jwt"), "spec", "identity", "jwt", "secretRef", "name")
	}

	s, errs := composite.Decode(xr, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}

	return s
}

// build returns the manifests of a server.
func build(t *testing.T, s *composite.DittoServer, in PodInputs) Manifests {
	t.Helper()

	pod, err := Pod(s, in)
	if err != nil {
		t.Fatal(err)
	}

	m, err := Build(s, Inputs{Config: in.Config, Pod: pod})
	if err != nil {
		t.Fatal(err)
	}

	return m
}

func TestPod(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   string
		in     PodInputs
		path   []string
		want   string
	}{
		"SecurityContext": {
			reason: "One field that the user sets leaves the others.",
			spec:   "{securityContext: {readOnlyRootFilesystem: false}}",
			path:   []string{"container", "securityContext"},
			want:   "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: false}",
		},
		"Capabilities": {
			reason: "So does a field of a field.",
			spec:   "{securityContext: {capabilities: {add: [NET_BIND_SERVICE]}}}",
			path:   []string{"container", "securityContext"},
			want:   "{allowPrivilegeEscalation: false, capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}, readOnlyRootFilesystem: true}",
		},
		"Privileged": {
			reason: "The API server refuses a privileged container that must not escalate.",
			spec:   "{securityContext: {privileged: true}}",
			path:   []string{"container", "securityContext"},
			want:   "{privileged: true, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}",
		},
		"SysAdmin": {
			reason: "The API server refuses CAP_SYS_ADMIN for a container that must not escalate.",
			spec:   "{securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}}}",
			path:   []string{"container", "securityContext"},
			want:   "{capabilities: {add: [CAP_SYS_ADMIN], drop: [ALL]}, readOnlyRootFilesystem: true}",
		},
		"PodSecurityContext": {
			reason: "One field that the user sets leaves the others.",
			spec:   "{podSecurityContext: {fsGroup: 1000}}",
			path:   []string{"spec", "securityContext"},
			want:   "{runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 1000, fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}",
		},
		"PrivilegedPort": {
			reason: "The lowest container port below 1024 is opened to everybody.",
			spec:   "{adapterPorts: {nfs: 111, smb: 445}}",
			path:   []string{"spec", "securityContext", "sysctls"},
			want:   "[{name: net.ipv4.ip_unprivileged_port_start, value: '111'}]",
		},
		"OwnSysctl": {
			reason: "A user who knows better is left alone.",
			spec:   "{adapterPorts: {nfs: 111}, podSecurityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '0'}]}}",
			path:   []string{"spec", "securityContext", "sysctls"},
			want:   "[{name: net.ipv4.ip_unprivileged_port_start, value: '0'}]",
		},
		"GracePeriod": {
			reason: "preStop, three stages of a shutdown, and some slack.",
			spec:   "{shutdownTimeout: 1500ms}",
			path:   []string{"spec", "terminationGracePeriodSeconds"},
			want:   "20",
		},
		"OwnGracePeriod": {
			reason: "The user knows better.",
			spec:   "{terminationGracePeriodSeconds: 5}",
			path:   []string{"spec", "terminationGracePeriodSeconds"},
			want:   "5",
		},
		"StartupTimeout": {
			reason: "A start may take at least as long as the spec says, in whole probes.",
			spec:   "{startupTimeout: 11s}",
			path:   []string{"container", "startupProbe", "failureThreshold"},
			want:   "3",
		},
		"NoStartupTimeout": {
			reason: "150 s, as before there was a field.",
			spec:   "{}",
			path:   []string{"container", "startupProbe", "failureThreshold"},
			want:   "30",
		},
		"Hash": {
			reason: "A bcrypt hash has a variable of its own.",
			spec:   "{identity: {jwt: {secretRef: {name: jwt, key: k}}, admin: {passwordSecretRef: {name: admin}}}}",
			in:     PodInputs{AdminPasswordIsHash: true},
			path:   []string{"container", "env"},
			want: "[{name: DITTOFS_CONTROLPLANE_SECRET, valueFrom: {secretKeyRef: {name: jwt, key: k}}}, " +
				"{name: DITTOFS_ADMIN_PASSWORD_HASH, valueFrom: {secretKeyRef: {name: admin, key: password}}}]",
		},
		"UnknownRelease": {
			reason: "An image whose tag is no version has no version label.",
			spec:   "{image: 'registry.example.org/dittofs:latest'}",
			in:     PodInputs{Image: "registry.example.org/dittofs:latest"},
			path:   []string{"metadata", "labels", "app.kubernetes.io/version"},
			want:   "null",
		},
		"ReleaseOfImage": {
			reason: "An image whose tag is a version has its label.",
			spec:   "{}",
			in:     PodInputs{Image: "registry.example.org/dittofs:v0.28.1"},
			path:   []string{"metadata", "labels", "app.kubernetes.io/version"},
			want:   "0.28.1",
		},
		"ReleaseOfSpec": {
			reason: "The spec knows better than a tag.",
			spec:   "{version: 0.29.0}",
			in:     PodInputs{Image: "registry.example.org/dittofs:v0.28.1"},
			path:   []string{"metadata", "labels", "app.kubernetes.io/version"},
			want:   "0.29.0",
		},
		"MissingClaim": {
			reason: "A claim that the asked StatefulSet lacks is not mounted, and nothing writable is in its place.",
			spec:   "{version: 0.29.0, storage: {contentSize: 1Gi}}",
			in:     PodInputs{Claims: []string{"controlplane", "metadata"}},
			path:   []string{"container", "volumeMounts"},
			want: "[{name: config, mountPath: /config, readOnly: true}, {name: tmp, mountPath: /tmp}, " +
				"{name: controlplane, mountPath: /data/controlplane}, {name: metadata, mountPath: /data/metadata}, {name: metadata, mountPath: /data/store/metadata}, " +
				"{name: unclaimed, mountPath: /data/content, readOnly: true}, {name: unclaimed, mountPath: /data/cache, readOnly: true}]",
		},
		"NoClaims": {
			reason: "A StatefulSet that was asked without claims gets none.",
			spec:   "{version: 0.29.0}",
			in:     PodInputs{Claims: []string{}},
			path:   []string{"container", "volumeMounts"},
			want: "[{name: config, mountPath: /config, readOnly: true}, {name: tmp, mountPath: /tmp}, " +
				"{name: unclaimed, mountPath: /data/metadata, readOnly: true}, {name: unclaimed, mountPath: /data/content, readOnly: true}, {name: unclaimed, mountPath: /data/cache, readOnly: true}]",
		},
		"Cache": {
			reason: "The cache is where the user wants it; the image's own place for it is closed.",
			spec:   "{version: 0.8.0, cache: {path: /var/cache/dittofs}, storage: {contentSize: 1Gi}}",
			path:   []string{"container", "volumeMounts"},
			want: "[{name: config, mountPath: /config, readOnly: true}, {name: tmp, mountPath: /tmp}, " +
				"{name: controlplane, mountPath: /data/controlplane}, {name: metadata, mountPath: /data/metadata}, {name: metadata, mountPath: /data/store/metadata}, " +
				"{name: content, mountPath: /data/content}, {name: content, mountPath: /data/store/block}, {name: cache, mountPath: /var/cache/dittofs}, " +
				"{name: unclaimed, mountPath: /data/cache, readOnly: true}]",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := build(t, server(t, tc.spec), tc.in)

			template := protostruct.Get(m[StatefulSet], "spec", "template").GetStructValue()

			got := protostruct.Get(template, tc.path...)
			if tc.path[0] == "container" {
				got = protostruct.Get(container(m[StatefulSet]), tc.path[1:]...)
			}

			want := protostructtest.FromYAML(t, "value: "+tc.want).GetFields()["value"]
			if diff := cmp.Diff(want.AsInterface(), got.AsInterface()); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFileServicePorts(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   string
		want   string
	}{
		"NFS": {
			reason: "A port by its name follows the container's.",
			spec:   "{nfsPort: 2050, adapterPorts: {nfs: 3000}}",
			want:   "[{name: nfs, port: 2050, protocol: TCP, targetPort: nfs}]",
		},
		"Portmapper": {
			reason: "The container has no port of this name, since one more would restart the server.",
			spec:   "{nfsPort: 12049, portmapper: {enabled: true}}",
			want:   "[{name: nfs, port: 12049, protocol: TCP, targetPort: nfs}, {name: portmapper, port: 111, protocol: TCP, targetPort: 10111}]",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := build(t, server(t, tc.spec), PodInputs{})

			want := protostructtest.FromYAML(t, "ports: "+tc.want).AsMap()["ports"]
			if diff := cmp.Diff(want, protostruct.Get(m[ServiceFile], "spec", "ports").AsInterface()); diff != "" {
				t.Errorf("%s\nBuild(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestServiceFamilies(t *testing.T) {
	cases := map[string]struct {
		reason   string
		spec     string
		families string
		policy   string
	}{
		"None":    {"Kubernetes chooses.", "{}", "null", "null"},
		"Policy":  {"The cluster's families.", "{ipFamilyPolicy: PreferDualStack}", "null", "PreferDualStack"},
		"Both":    {"As the spec says.", "{ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]}", "[IPv6, IPv4]", "RequireDualStack"},
		"OneOnly": {"A Service that had two releases one only if it is told so.", "{ipFamilies: [IPv4]}", "[IPv4]", "SingleStack"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m := build(t, server(t, "{metrics: {enabled: true}, service: "+tc.spec+"}"), PodInputs{})

			want := protostructtest.FromYAML(t, "{families: "+tc.families+", policy: "+tc.policy+"}").AsMap()
			for _, n := range []Name{ServiceHeadless, ServiceFile, ServiceAPI, ServiceMetrics} {
				got := map[string]any{
					"families": protostruct.Get(m[n], "spec", "ipFamilies").AsInterface(),
					"policy":   protostruct.Get(m[n], "spec", "ipFamilyPolicy").AsInterface(),
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\nBuild(...): %s: -want, +got:\n%s", tc.reason, n, diff)
				}
			}
		})
	}
}

// A pod mounts all its volumes if there is no StatefulSet yet, and only the claims there are
// if there is one.
func TestClaimNames(t *testing.T) {
	cases := map[string]struct {
		reason string
		sts    *structpb.Struct
		want   []string
	}{
		"NoStatefulSet": {"There is nothing that lacks a claim", nil, nil},
		"NoClaims":      {"No claims are not no StatefulSet", protostructtest.FromYAML(t, "{spec: {}}"), []string{}},
		"Claims":        {"Claims are told by name", protostructtest.FromYAML(t, "{spec: {volumeClaimTemplates: [{metadata: {name: a}}, {metadata: {name: b}}]}}"), []string{"a", "b"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ClaimNames(tc.sts)); diff != "" {
				t.Errorf("%s\nClaimNames(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Manifests have no zero values: server-side apply would take them for intent.
func TestNoZeroValues(t *testing.T) {
	m := build(t, server(t, "{metrics: {enabled: true}, service: {annotations: {}, ipFamilies: [], file: {nodePorts: {}}}, resources: {}, podSecurityContext: {}, nodeSelector: {}, tolerations: []}"), PodInputs{})

	// What is empty and meant.
	meant := map[string]bool{"emptyDir": true}

	var walk func(path string, v *structpb.Value)

	walk = func(path string, v *structpb.Value) {
		switch k := v.GetKind().(type) {
		case *structpb.Value_StructValue:
			for name, e := range k.StructValue.GetFields() {
				if len(e.GetStructValue().GetFields()) == 0 && e.GetStructValue() != nil && !meant[name] {
					t.Errorf("Build(...): %s.%s is empty", path, name)
				}
				walk(path+"."+name, e)
			}
		case *structpb.Value_ListValue:
			if len(k.ListValue.GetValues()) == 0 {
				t.Errorf("Build(...): %s is empty", path)
			}
			for _, e := range k.ListValue.GetValues() {
				walk(path, e)
			}
		case *structpb.Value_NumberValue:
			if k.NumberValue == 0 {
				t.Errorf("Build(...): %s is zero", path)
			}
		case *structpb.Value_NullValue:
			t.Errorf("Build(...): %s is null", path)
		}
	}

	for name, s := range m {
		walk(string(name), structpb.NewStructValue(s))
	}
}

func TestWarnings(t *testing.T) {
	newer := func(field, version string) []string {
		return []string{field + ": DittoFS " + version + " is newer than " + dittofs.NewestMinor() + ", the newest minor release that this function knows, whose configuration it gets: set what later ones need, spec.storage.contentSize and blockstore.journal.path"}
	}

	cases := map[string]struct {
		reason string
		spec   string
		in     PodInputs
		want   []string
	}{
		"Newest":             {"The newest known release needs no warning.", "{version: " + dittofs.Newest + "}", PodInputs{}, nil},
		"Patch":              {"A patch changes no keys.", "{version: 0.29.99}", PodInputs{}, nil},
		"Newer":              {"A newer release may know other keys.", "{version: v0.99.1}", PodInputs{}, newer("spec.version", "0.99.1")},
		"NewerMajor":         {"A newer release may know other keys.", "{version: 1.0.0}", PodInputs{}, newer("spec.version", "1.0.0")},
		"NewerImage":         {"The tag of an image tells the release.", "{}", PodInputs{Image: "registry.example.org/dittofs:v0.99.1"}, newer("spec.image", "0.99.1")},
		"NewerTagOfVersion":  {"A version says what the image is, whatever its tag.", "{version: 0.29.0}", PodInputs{Image: "registry.example.org/dittofs:v2026.7.1"}, nil},
		"HashUsed":           {"The release uses hashes.", "{version: 0.20.0}", PodInputs{AdminPasswordIsHash: true}, nil},
		"Clear":              {"A clear password works everywhere.", "{version: 0.19.0}", PodInputs{}, nil},
		"Unknown":            {"A release that is not known is taken for a new one.", "{}", PodInputs{AdminPasswordIsHash: true}, nil},
		"HashIgnored":        {"The server would invent a password.", "{version: 0.19.0}", PodInputs{AdminPasswordIsHash: true}, []string{"spec.identity.admin.passwordSecretRef: DittoFS 0.19.0 ignores a bcrypt hash, and generates a password that it logs: use a plain password"}},
		"HashIgnoredByImage": {"The tag of an image tells the release.", "{}", PodInputs{AdminPasswordIsHash: true, Image: "marmos91c/dittofs:v0.4.2"}, []string{"spec.identity.admin.passwordSecretRef: DittoFS 0.4.2 ignores a bcrypt hash, and generates a password that it logs: use a plain password"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Warnings(server(t, tc.spec), tc.in)); diff != "" {
				t.Errorf("%s\nWarnings(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The API server stores whole thousandths of a byte only. A size that it changes would be
// another one each time, and a volume claim cannot change.
func TestSizesAreWholeBytes(t *testing.T) {
	for size, want := range map[string]string{"1.0001Gi": "1073849199", "1Gi": "1Gi", "1024Mi": "1Gi", "1.5Gi": "1536Mi", "1G": "1G"} {
		m := build(t, server(t, "{version: 0.29.0, storage: {metadataSize: "+size+"}}"), PodInputs{})

		got := map[string]string{}
		for _, v := range protostruct.Get(m[StatefulSet], "spec", "volumeClaimTemplates").GetListValue().GetValues() {
			c := v.GetStructValue()
			got[protostruct.Get(c, "metadata", "name").GetStringValue()] = protostruct.Get(c, "spec", "resources", "requests", "storage").GetStringValue()
		}

		if got["metadata"] != want {
			t.Errorf("%s: want a claim of %s, got %s of %v", size, want, got["metadata"], got)
		}
	}
}
