package composite

import (
	"fmt"
	"strings"
	"testing"
)

const notUserID = "must be between 0 and 2147483647, inclusive"

func TestValidateUserIDs(t *testing.T) {
	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.podSecurityContext.runAsUser":             "{podSecurityContext: {runAsNonRoot: false, runAsUser: %d}}",
		"spec.podSecurityContext.runAsGroup":            "{podSecurityContext: {runAsGroup: %d}}",
		"spec.podSecurityContext.fsGroup":               "{podSecurityContext: {fsGroup: %d}}",
		"spec.podSecurityContext.supplementalGroups[1]": "{podSecurityContext: {supplementalGroups: [1, %d]}}",
		"spec.securityContext.runAsUser":                "{securityContext: {runAsNonRoot: false, runAsUser: %d}}",
		"spec.securityContext.runAsGroup":               "{securityContext: {runAsGroup: %d}}",
	} {
		for _, id := range []int64{0, 65532, 2147483647} {
			tests[fmt.Sprintf("%s/%d", path, id)] = testCase{
				reason: "The first and the last ID should be accepted",
				xr:     "spec: " + fmt.Sprintf(patch, id),
			}
		}

		for _, id := range []int64{-1, 2147483648} {
			tests[fmt.Sprintf("%s/%d", path, id)] = testCase{
				reason: "What is no ID should be refused",
				xr:     "spec: " + fmt.Sprintf(patch, id),
				want:   []string{fmt.Sprintf("%s: Invalid value: %d: %s", path, id, notUserID)},
			}
		}
	}

	tests.run(t)
}

func TestValidateRoot(t *testing.T) {
	const isRoot = ": Invalid value: 0: must not be root while runAsNonRoot is true (its default)"

	errorTable{
		"Pod": {
			reason: "The pod is not root by default",
			xr:     "spec: {podSecurityContext: {runAsUser: 0}}",
			want:   []string{"spec.podSecurityContext.runAsUser" + isRoot},
		},
		"Container": {
			reason: "The container is not root by default",
			xr:     "spec: {securityContext: {runAsUser: 0}}",
			want:   []string{"spec.securityContext.runAsUser" + isRoot},
		},
		"Both": {
			reason: "The container's user counts, and it alone is told",
			xr:     "spec: {podSecurityContext: {runAsUser: 0}, securityContext: {runAsUser: 0}}",
			want:   []string{"spec.securityContext.runAsUser" + isRoot},
		},
		"ContainerIsAnotherUser": {
			reason: "The container's user counts",
			xr:     "spec: {podSecurityContext: {runAsUser: 0}, securityContext: {runAsUser: 1000}}",
		},
		"SpeltOut": {
			reason: "Who says that the pod is not root cannot make it root",
			xr:     "spec: {podSecurityContext: {runAsUser: 0, runAsNonRoot: true}}",
			want:   []string{"spec.podSecurityContext.runAsUser" + isRoot},
		},
		"PodMayBeRoot": {
			reason: "The pod may be root where it says so",
			xr:     "spec: {podSecurityContext: {runAsUser: 0, runAsNonRoot: false}}",
		},
		"PodMayBeRootAndTheContainerIs": {
			reason: "What the pod may, the container may",
			xr:     "spec: {podSecurityContext: {runAsNonRoot: false}, securityContext: {runAsUser: 0}}",
		},
		"ContainerMayBeRoot": {
			reason: "The container's word counts",
			xr:     "spec: {podSecurityContext: {runAsUser: 0, runAsNonRoot: true}, securityContext: {runAsNonRoot: false}}",
		},
		"ContainerMayNotBeRoot": {
			reason: "The container's word counts",
			xr:     "spec: {podSecurityContext: {runAsUser: 0, runAsNonRoot: false}, securityContext: {runAsNonRoot: true}}",
			want:   []string{"spec.podSecurityContext.runAsUser" + isRoot},
		},
		"AnotherUser": {
			reason: "Another user is not root",
			xr:     "spec: {podSecurityContext: {runAsUser: 1, runAsNonRoot: true}}",
		},
	}.run(t)
}

func TestValidateEscalation(t *testing.T) {
	refused := []string{"spec.securityContext.allowPrivilegeEscalation: Invalid value: false: must not be false for a container that is privileged or adds CAP_SYS_ADMIN"}

	errorTable{
		"Privileged": {
			reason: "The API server refuses a privileged container that may not escalate",
			xr:     "spec: {securityContext: {privileged: true, allowPrivilegeEscalation: false}}",
			want:   refused,
		},
		"SysAdmin": {
			reason: "The API server refuses CAP_SYS_ADMIN without escalation",
			xr:     "spec: {securityContext: {capabilities: {add: [NET_ADMIN, CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}}",
			want:   refused,
		},
		"PrivilegedByDefault": {
			reason: "Where the user says nothing of escalation, the default gives way",
			xr:     "spec: {securityContext: {privileged: true, capabilities: {add: [CAP_SYS_ADMIN]}}}",
		},
		"PrivilegedAndEscalating": {
			reason: "A privileged container may escalate",
			xr:     "spec: {securityContext: {privileged: true, allowPrivilegeEscalation: true}}",
		},
		"NotPrivileged": {
			reason: "Every other container may be kept from escalating",
			xr:     "spec: {securityContext: {privileged: false, capabilities: {drop: [ALL], add: [SYS_ADMIN, NET_ADMIN]}, allowPrivilegeEscalation: false}}",
		},
		"DroppedSysAdmin": {
			reason: "What is dropped is not added",
			xr:     "spec: {securityContext: {capabilities: {drop: [CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}}",
		},
	}.run(t)
}

func TestValidateSecurityEnums(t *testing.T) {
	tests := errorTable{}

	for patch, e := range map[string]struct {
		path      string
		supported []string
		refused   []string
	}{
		"{podSecurityContext: {fsGroupChangePolicy: %q}}": {
			"spec.podSecurityContext.fsGroupChangePolicy",
			[]string{"OnRootMismatch", "Always"},
			[]string{"", "Never"},
		},
		"{podSecurityContext: {supplementalGroupsPolicy: %q}}": {
			"spec.podSecurityContext.supplementalGroupsPolicy",
			[]string{"Merge", "Strict"},
			[]string{"", "merge"},
		},
		"{podSecurityContext: {seLinuxChangePolicy: %q}}": {
			"spec.podSecurityContext.seLinuxChangePolicy",
			[]string{"Recursive"},
			[]string{"", "Mount", "MountOption"},
		},
		// Unmasked is for pods with a user namespace of their own.
		"{securityContext: {procMount: %q}}": {
			"spec.securityContext.procMount",
			[]string{"Default"},
			[]string{"", "Unmasked", "Masked"},
		},
	} {
		var quoted []string
		for _, v := range e.supported {
			quoted = append(quoted, `"`+v+`"`)
			tests[e.path+"/"+v] = testCase{reason: "A supported value should be no error", xr: "spec: " + fmt.Sprintf(patch, v)}
		}

		for _, v := range e.refused {
			tests[e.path+"/"+v] = testCase{
				reason: "A value that is not supported should be refused, with those that are",
				xr:     "spec: " + fmt.Sprintf(patch, v),
				want:   []string{fmt.Sprintf("%s: Unsupported value: %q: supported values: %s", e.path, v, strings.Join(quoted, ", "))},
			}
		}
	}

	tests.run(t)
}

func TestValidateWindowsOptions(t *testing.T) {
	const linux = ".windowsOptions: Forbidden: the server runs on Linux: remove them"

	errorTable{
		"Pod": {
			reason: "The pod is none of Windows",
			xr:     "spec: {podSecurityContext: {windowsOptions: {runAsUserName: files}}}",
			want:   []string{"spec.podSecurityContext" + linux},
		},
		"Container": {
			reason: "The container is none of Windows",
			xr:     "spec: {securityContext: {windowsOptions: {hostProcess: false}}}",
			want:   []string{"spec.securityContext" + linux},
		},
		"Both": {
			reason: "Both should be told, also where they are empty",
			xr:     "spec: {podSecurityContext: {windowsOptions: {}}, securityContext: {windowsOptions: {}}}",
			want:   []string{"spec.podSecurityContext" + linux, "spec.securityContext" + linux},
		},
	}.run(t)
}

func TestValidateSysctls(t *testing.T) {
	const path = "spec.podSecurityContext.sysctls"

	errorTable{
		"Accepted": {
			reason: "Names with dots or slashes should be accepted",
			xr:     "spec: {podSecurityContext: {sysctls: [{name: net.core.somaxconn, value: \"1\"}, {name: net/ipv4/conf/eth0-1/x_y}, {name: " + strings.Repeat("a", 253) + "}]}}",
		},
		"Names": {
			reason: "What is no name of a sysctl should be refused",
			xr:     "spec: {podSecurityContext: {sysctls: [{}, {name: Net.core}, {name: net..core}, {name: net.core.}, {name: 'net core'}, {name: " + strings.Repeat("a", 254) + "}]}}",
			want: []string{
				path + "[0].name: Required value",
				path + `[1].name: Invalid value: "Net.core": must be the name of a sysctl, such as net.core.somaxconn`,
				path + `[2].name: Invalid value: "net..core": must be the name of a sysctl, such as net.core.somaxconn`,
				path + `[3].name: Invalid value: "net.core.": must be the name of a sysctl, such as net.core.somaxconn`,
				path + `[4].name: Invalid value: "net core": must be the name of a sysctl, such as net.core.somaxconn`,
				path + "[5].name: Too long: may not be more than 253 bytes",
			},
		},
		"Twice": {
			reason: "Every repetition should be named",
			xr:     "spec: {podSecurityContext: {sysctls: [{name: a.b}, {name: c.d}, {name: a.b}, {name: a.b}]}}",
			want:   []string{path + `[2].name: Duplicate value: "a.b"`, path + `[3].name: Duplicate value: "a.b"`},
		},
	}.run(t)
}

func TestValidateAppArmor(t *testing.T) {
	const (
		only  = "must be set for the type Localhost, and only then"
		name  = "must be the name of a profile, without spaces around it"
		types = `supported values: "RuntimeDefault", "Localhost", "Unconfined"`
	)

	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.podSecurityContext.appArmorProfile": "{podSecurityContext: {appArmorProfile: %s}}",
		"spec.securityContext.appArmorProfile":    "{securityContext: {appArmorProfile: %s}}",
	} {
		for _, profile := range []string{"{type: RuntimeDefault}", "{type: Unconfined}", "{type: Localhost, localhostProfile: files}"} {
			tests[path+"/"+profile] = testCase{reason: "Every type with what it needs should be accepted", xr: "spec: " + fmt.Sprintf(patch, profile)}
		}

		for profile, want := range map[string]string{
			"{type: Localhost}":                           `.localhostProfile: Invalid value: "": ` + only,
			"{type: RuntimeDefault, localhostProfile: a}": `.localhostProfile: Invalid value: "a": ` + only,
			"{type: Unconfined, localhostProfile: ''}":    `.localhostProfile: Invalid value: "": ` + only,
			"{type: Localhost, localhostProfile: ''}":     `.localhostProfile: Invalid value: "": ` + name,
			"{type: Localhost, localhostProfile: ' a'}":   `.localhostProfile: Invalid value: " a": ` + name,
			"{type: runtime/default}":                     `.type: Unsupported value: "runtime/default": ` + types,
			"{}":                                          `.type: Unsupported value: "": ` + types,
		} {
			tests[path+"/"+profile] = testCase{reason: "A profile is a known one, or one of the node", xr: "spec: " + fmt.Sprintf(patch, profile), want: []string{path + want}}
		}

		tests[path+"/Longest"] = testCase{
			reason: "A path on a node has at most 4095 bytes",
			xr:     "spec: " + fmt.Sprintf(patch, "{type: Localhost, localhostProfile: "+strings.Repeat("a", 4095)+"}"),
		}
		tests[path+"/TooLong"] = testCase{
			reason: "A path on a node has at most 4095 bytes",
			xr:     "spec: " + fmt.Sprintf(patch, "{type: Localhost, localhostProfile: "+strings.Repeat("a", 4096)+"}"),
			want:   []string{path + ".localhostProfile: Too long: may not be more than 4095 bytes"},
		}
	}

	tests.run(t)
}

func TestValidateSeccomp(t *testing.T) {
	tests := errorTable{}

	for path, patch := range map[string]string{
		"spec.podSecurityContext.seccompProfile": "{podSecurityContext: {seccompProfile: %s}}",
		"spec.securityContext.seccompProfile":    "{securityContext: {seccompProfile: %s}}",
	} {
		for _, profile := range []string{"{type: RuntimeDefault}", "{type: Unconfined}", "{type: Localhost, localhostProfile: files.json}", "{type: Localhost, localhostProfile: profiles/..files.json}"} {
			tests[path+"/"+profile] = testCase{reason: "Every type with what it needs should be accepted", xr: "spec: " + fmt.Sprintf(patch, profile)}
		}

		for profile, want := range map[string][]string{
			"{type: Localhost}":                           {`.localhostProfile: Invalid value: "": must be set for the type Localhost, and only then`},
			"{type: RuntimeDefault, localhostProfile: a}": {`.localhostProfile: Invalid value: "a": must be set for the type Localhost, and only then`},
			"{type: Unconfined, localhostProfile: a}":     {`.localhostProfile: Invalid value: "a": must be set for the type Localhost, and only then`},
			"{type: Localhost, localhostProfile: ''}":     {`.localhostProfile: Invalid value: "": must be a relative path without '..'`},
			"{type: Localhost, localhostProfile: /a}":     {`.localhostProfile: Invalid value: "/a": must be a relative path without '..'`},
			"{type: Localhost, localhostProfile: ../a}":   {`.localhostProfile: Invalid value: "../a": must be a relative path without '..'`},
			"{type: Localhost, localhostProfile: a/../b}": {`.localhostProfile: Invalid value: "a/../b": must be a relative path without '..'`},
			"{type: runtime/default}":                     {`.type: Unsupported value: "runtime/default": supported values: "RuntimeDefault", "Localhost", "Unconfined"`},
			"{}":                                          {`.type: Unsupported value: "": supported values: "RuntimeDefault", "Localhost", "Unconfined"`},
			"{localhostProfile: a}": {
				`.type: Unsupported value: "": supported values: "RuntimeDefault", "Localhost", "Unconfined"`,
				`.localhostProfile: Invalid value: "a": must be set for the type Localhost, and only then`,
			},
		} {
			tc := testCase{reason: "A profile is a known one, or a file of the node", xr: "spec: " + fmt.Sprintf(patch, profile)}
			for _, w := range want {
				tc.want = append(tc.want, path+w)
			}

			tests[path+"/"+profile] = tc
		}
	}

	tests.run(t)
}
