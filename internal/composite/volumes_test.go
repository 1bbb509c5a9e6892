package composite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// volumes patches extra volumes onto the minimal composite resource.
func volumes(items ...string) string {
	return "spec: {extraVolumes: [" + strings.Join(items, ", ") + "]}"
}

// keysAt is a good volume at a path.
func keysAt(name, mount string) string {
	return fmt.Sprintf("{name: %q, mountPath: %q, secret: {secretName: keys, items: [{key: a}]}}", name, mount)
}

func TestValidateExtraVolumes(t *testing.T) {
	const (
		source  = "must have exactly one of secret, configMap and downwardAPI"
		relPath = "must be a clean, relative path that does not begin with two dots"
		inUse   = "must not be, or be in, another file of the volume, nor the directory of one"
	)

	const tooLong = "must have at most 1024 bytes, and 255 between two slashes: Linux takes no more"

	// A letter may have two bytes.
	long, manyBytes := strings.Repeat("a", 256), strings.Repeat("/é", 342)

	secret := func(rest string) string { return volumes("{name: a, mountPath: /etc/a, " + rest + "}") }
	items := func(items string) string { return secret("secret: {secretName: keys, items: [" + items + "]}") }
	at := "spec.extraVolumes[0]"

	tests := errorTable{
		"Good": {
			reason: "Each source has files, below /etc or where nothing else is",
			xr: volumes(
				keysAt("a", "/etc/dittofs/keys"),
				"{name: b, mountPath: /opt/bundle, configMap: {name: bundle, items: [{key: a, path: b/c.pem}, {key: a, path: b/d.pem}]}, onChange: Ignore}",
				"{name: c, mountPath: /data/pod, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: cpu, resourceFieldRef: {resource: limits.cpu, divisor: 1m}}]}}",
				"{name: d, mountPath: /etc/ssl/certs, secret: {secretName: keys, items: [{key: a}]}, onChange: Restart}",
			),
		},
		"Names": {
			reason: "The volumes of the pod have names of their own",
			xr:     volumes(keysAt("A", "/etc/a"), keysAt("b", "/etc/b"), keysAt("b", "/etc/c"), keysAt(strings.Repeat("d", 58), "/etc/d")),
			want: []string{
				at + `.name: Invalid value: "A": ` + notDNS1123Label,
				`spec.extraVolumes[2].name: Duplicate value: "b"`,
				"spec.extraVolumes[3].name: Too long: may not be more than 57 bytes",
			},
		},
		"Overlap": {
			reason: "One volume does not hide another, whatever their order",
			xr:     volumes(keysAt("a", "/etc/a"), keysAt("b", "/etc/a"), keysAt("c", "/etc/a/b"), keysAt("d", "/opt/a/b"), keysAt("e", "/opt/a")),
			want: []string{
				`spec.extraVolumes[1].mountPath: Invalid value: "/etc/a": must not overlap /etc/a`,
				`spec.extraVolumes[2].mountPath: Invalid value: "/etc/a/b": must not overlap /etc/a`,
				`spec.extraVolumes[4].mountPath: Invalid value: "/opt/a": must not overlap /opt/a/b`,
			},
		},
		"NoSource":      {reason: "A volume has files", xr: secret("onChange: Ignore"), want: []string{at + ": Required value: " + source}},
		"TwoSources":    {reason: "A volume has one source", xr: secret("secret: {secretName: b, items: [{key: a}]}, configMap: {name: b, items: [{key: a}]}"), want: []string{at + ": Required value: " + source}},
		"Projected":     {reason: "A projected volume could have the token of a service account", xr: secret("projected: {sources: []}, secret: {secretName: b, items: [{key: a}]}"), want: []string{at + ".projected: Forbidden: unknown field"}},
		"HostPath":      {reason: "So could the node's files", xr: secret("hostPath: {path: /}, secret: {secretName: b, items: [{key: a}]}"), want: []string{at + ".hostPath: Forbidden: unknown field"}},
		"Optional":      {reason: "A pod must not start without its files", xr: secret("secret: {secretName: b, optional: true, items: [{key: a}]}"), want: []string{at + ".secret.optional: Forbidden: unknown field"}},
		"SubPath":       {reason: "Files in a subPath are never replaced", xr: secret("subPath: a, secret: {secretName: b, items: [{key: a}]}"), want: []string{at + ".subPath: Forbidden: unknown field"}},
		"Namespace":     {reason: "Secrets are of the server's own namespace", xr: secret("secret: {secretName: b, namespace: other, items: [{key: a}]}"), want: []string{at + ".secret.namespace: Forbidden: unknown field"}},
		"NoItems":       {reason: "Each file is named", xr: secret("secret: {secretName: b, items: []}"), want: []string{at + ".secret.items: Required value: name each file, so that the pod does not start without one"}},
		"NoSecretName":  {reason: "A Secret has a name", xr: secret(`secret: {secretName: "", items: [{key: a}]}`), want: []string{at + ".secret.secretName: Required value: name a Secret in the server's namespace"}},
		"SecretName":    {reason: "A name is one of a namespace", xr: secret("secret: {secretName: ../b, items: [{key: a}]}"), want: []string{at + `.secret.secretName: Invalid value: "../b": ` + notSubdomain}},
		"ConfigMapName": {reason: "So is that of a ConfigMap", xr: secret("configMap: {name: kube-system/b, items: [{key: a}]}"), want: []string{at + `.configMap.name: Invalid value: "kube-system/b": ` + notSubdomain}},
		"NoConfigMap":   {reason: "A ConfigMap has a name", xr: secret(`configMap: {name: "", items: [{key: a}]}`), want: []string{at + ".configMap.name: Required value"}},
		"OnChange":      {reason: "There are two things to do", xr: secret("onChange: Reload, secret: {secretName: b, items: [{key: a}]}"), want: []string{at + `.onChange: Unsupported value: "Reload": supported values: "Ignore", "Restart"`}},
		"RestartOnMap":  {reason: "The function reads Secrets only", xr: secret("onChange: Restart, configMap: {name: b, items: [{key: a}]}"), want: []string{at + `.onChange: Invalid value: "Restart": only a Secret can restart the server: the function reads nothing else`}},

		"Key":          {reason: "A key can be one", xr: items("{key: a/b}"), want: []string{at + `.secret.items[0].key: Invalid value: "a/b": ` + notDataKey}},
		"KeyDots":      {reason: "No file leads out of the volume", xr: items("{key: a, path: ../../config/config.yaml}"), want: []string{at + `.secret.items[0].path: Invalid value: "../../config/config.yaml": ` + relPath}},
		"PathAbsolute": {reason: "A path is below the volume", xr: items("{key: a, path: /etc/passwd}"), want: []string{at + `.secret.items[0].path: Invalid value: "/etc/passwd": ` + relPath}},
		"PathHidden":   {reason: "The kubelet keeps its own files there", xr: items("{key: a, path: ..data/a}"), want: []string{at + `.secret.items[0].path: Invalid value: "..data/a": ` + relPath}},
		"PathUnclean": {reason: "Two paths could be one file", xr: items("{key: a, path: b/../c}, {key: a, path: ./d}, {key: a, path: .}"), want: []string{
			at + `.secret.items[0].path: Invalid value: "b/../c": ` + relPath, at + `.secret.items[1].path: Invalid value: "./d": ` + relPath, at + `.secret.items[2].path: Invalid value: ".": ` + relPath,
		}},
		"PathTwice": {reason: "One file would replace the other", xr: items("{key: a}, {key: b, path: a}, {key: b, path: a/c}, {key: b, path: d/e}, {key: b, path: d}"), want: []string{
			at + `.secret.items[1].path: Invalid value: "a": ` + inUse, at + `.secret.items[2].path: Invalid value: "a/c": ` + inUse, at + `.secret.items[4].path: Invalid value: "d": ` + inUse,
		}},

		"LongNames": {
			reason: "The kubelet could not make such a file or directory, and the pod would never start",
			xr: volumes(
				keysAt("a", "/etc/"+strings.Repeat("a", 256)), keysAt("c", "/etc/"+strings.Repeat("c", 255)),
				"{name: d, mountPath: /etc/d, secret: {secretName: keys, items: [{key: a, path: "+long+"}, {key: a, path: "+long[1:]+"}]}}",
				"{name: e, mountPath: /etc/e, downwardAPI: {items: [{path: a/"+long+", fieldRef: {fieldPath: metadata.name}}]}}",
				keysAt("f", manyBytes),
			),
			want: []string{
				fmt.Sprintf("spec.extraVolumes[0].mountPath: Invalid value: %q: %s", "/etc/"+long, tooLong),
				fmt.Sprintf("spec.extraVolumes[2].secret.items[0].path: Invalid value: %q: %s", long, tooLong),
				fmt.Sprintf("spec.extraVolumes[3].downwardAPI.items[0].path: Invalid value: %q: %s", "a/"+long, tooLong),
				fmt.Sprintf("spec.extraVolumes[4].mountPath: Invalid value: %q: %s", manyBytes, tooLong),
			},
		},

		"PodFiles": {
			reason: "A file has one of what the API server takes for a volume",
			xr: secret(`downwardAPI: {items: [{path: a}, {path: b, fieldRef: {fieldPath: spec.nodeName}}, {path: c, fieldRef: {fieldPath: metadata.name}, resourceFieldRef: {resource: limits.cpu}},
				{path: d, resourceFieldRef: {resource: limits.cpu, containerName: other}}]}`),
			want: []string{
				at + ".downwardAPI.items[0]: Required value: must have exactly one of fieldRef and resourceFieldRef",
				at + `.downwardAPI.items[1].fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations", "metadata.labels['<key>']", "metadata.annotations['<key>']"`,
				at + ".downwardAPI.items[2]: Required value: must have exactly one of fieldRef and resourceFieldRef",
				at + `.downwardAPI.items[3].resourceFieldRef.containerName: Invalid value: "other": must be the name of the pod's container, dittofs`,
			},
		},
	}

	// Where nothing of the user's may be mounted, by what it would hide or be hidden in.
	for mount, dir := range map[string]string{
		"/config": "/config", "/config/keys": "/config", "/tmp/a": "/tmp", "/data": "/data/metadata", "/data/content/a": "/data/content", "/data/store": "/data/store/metadata",
		"/data/controlplane": "/data/controlplane", "/data/cache/a": "/data/cache", "/app": "/app", "/app/dfs": "/app", "/proc/self": "/proc", "/dev/shm": "/dev", "/usr/bin": "/usr", "/bin/a": "/bin",
		"/etc": "/etc", "/etc/passwd": "/etc/passwd", "/etc/hosts": "/etc/hosts", "/etc/mtab": "/etc/mtab", "/etc/dittofs": "/etc/dittofs/secrets", "/etc/dittofs/secrets/jwt": "/etc/dittofs/secrets", "/sys/fs/cgroup": "/sys",
	} {
		tests["At"+mount] = testCase{reason: "It would hide what the server needs", xr: volumes(keysAt("a", mount)), want: []string{fmt.Sprintf("%s.mountPath: Invalid value: %q: must not overlap %s", at, mount, dir)}}
	}

	for _, mount := range []string{"etc/a", "/", "/etc/../config", "/etc/a/", "/etc//a", "/etc/a\n"} {
		tests["Unclean"+mount] = testCase{reason: "A path could lead elsewhere", xr: volumes(keysAt("a", mount)), want: []string{fmt.Sprintf("%s.mountPath: Invalid value: %q: must be an absolute, clean path", at, mount)}}
	}

	tests["Colon"] = testCase{reason: "Kubernetes refuses it", xr: volumes(keysAt("a", "/etc/a:b")), want: []string{at + `.mountPath: Invalid value: "/etc/a:b": must not contain ':': Kubernetes does not mount such a path`}}

	tests.run(t)
}

// A cache that somewhere else asks for keeps its place.
func TestValidateExtraVolumesBesideCache(t *testing.T) {
	_, got := decode(t, "spec: {cache: {path: /cache}, extraVolumes: ["+keysAt("a", "/cache/a")+"]}", "")

	if diff := cmp.Diff([]string{`spec.extraVolumes[0].mountPath: Invalid value: "/cache/a": must not overlap /cache`}, got); diff != "" {
		t.Errorf("Decode(...): -want, +got:\n%s", diff)
	}
}

// Every loop is bounded.
func TestValidateExtraVolumesBounds(t *testing.T) {
	many := make([]string, maxExtraVolumes+1)
	for i := range many {
		many[i] = keysAt(fmt.Sprintf("a%d", i), fmt.Sprintf("/etc/a%d", i))
	}

	files := make([]string, maxFiles+1)
	for i := range files {
		files[i] = fmt.Sprintf("{key: a, path: a%d}", i)
	}

	full := func(n int) string {
		return volumes("{name: a, mountPath: /etc/a, secret: {secretName: keys, items: [" + strings.Join(files[:n], ", ") + "]}}")
	}

	errorTable{
		"Volumes":     {reason: "16 are enough for everybody", xr: volumes(many[:maxExtraVolumes]...)},
		"VolumesMore": {reason: "More are not looked at", xr: volumes(many...), want: []string{"spec.extraVolumes: Too many: 17: must have at most 16 volumes"}},
		"Files":       {reason: "64 files of a volume are enough", xr: full(maxFiles)},
		"FilesMore":   {reason: "More are an error", xr: full(maxFiles + 1), want: []string{"spec.extraVolumes[0].secret.items: Too many: 65: must have at most 64 files"}},
	}.run(t)
}

// Every key of a volume must be there. Only those of volumes that restart the server are digested.
func TestExtraSecrets(t *testing.T) {
	s, errs := decode(t, volumes(
		keysAt("a", "/etc/a"),
		"{name: b, mountPath: /etc/b, onChange: Restart, secret: {secretName: keys, items: [{key: a}, {key: b, path: c}]}}",
		"{name: c, mountPath: /etc/c, configMap: {name: keys, items: [{key: a}]}}",
		// A value of a megabyte must not be decoded once for each file.
		"{name: d, mountPath: /etc/d, onChange: Restart, secret: {secretName: keys, items: [{key: a}, {key: a, path: d}, {key: d, path: e}]}}",
		"{name: e, mountPath: /etc/e, onChange: Restart, secret: {secretName: other, items: [{key: a}, {key: a, path: d}]}}",
		"{name: f, mountPath: /etc/f, onChange: Ignore, secret: {secretName: other, items: [{key: b}, {key: b, path: d}]}}",
	), "")
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	var got []string

	for _, k := range s.Secrets()[1:] {
		got = append(got, fmt.Sprintf("%s %s/%s %t %s", k.Role, k.Ref.Name, k.Ref.Key, k.InDigest, k.Ref.KeyPath))

		if k.Env != "" || k.File != "" || k.Optional || k.Check(nil) != "" {
			t.Errorf("%s\nSecrets(): %+v", "It is a file of the user's, whatever is in it", k)
		}
	}

	want := []string{
		"volume-b keys/a true spec.extraVolumes[1].secret.items[0].key",
		"volume-b keys/b true spec.extraVolumes[1].secret.items[1].key",
		"volume-d keys/d true spec.extraVolumes[3].secret.items[2].key",
		"volume-e other/a true spec.extraVolumes[4].secret.items[0].key",
		// Volume a has a key that restarts the server, by volume b.
		"volume-f other/b false spec.extraVolumes[5].secret.items[0].key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Secrets(): -want, +got:\n%s", diff)
	}
}
