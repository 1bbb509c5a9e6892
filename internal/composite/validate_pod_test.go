package composite

import (
	"fmt"
	"strings"
	"testing"
)

func TestValidatePodNames(t *testing.T) {
	const (
		needsName = ": Required value: name a Secret in the server's namespace"
		tooShort  = ": must be 5 or more: the preStop hook sleeps that long"
	)

	errorTable{
		"PullSecrets": {
			reason: "Each pull secret has the name of an object",
			xr:     "spec: {imagePullSecrets: [{name: a}, {}, {name: B_C}, {name: d.e}]}",
			want: []string{
				"spec.imagePullSecrets[1].name" + needsName,
				`spec.imagePullSecrets[2].name: Invalid value: "B_C": ` + notSubdomain,
			},
		},
		"PullSecretsTwice": {
			reason: "Every repetition should be named: Kubernetes merges pull secrets by name",
			xr:     "spec: {imagePullSecrets: [{name: a}, {name: b}, {name: a}, {name: a}]}",
			want: []string{
				`spec.imagePullSecrets[2].name: Duplicate value: "a"`,
				`spec.imagePullSecrets[3].name: Duplicate value: "a"`,
			},
		},
		"PriorityClass": {
			reason: "A priority class is an object, and named like one",
			xr:     "spec: {priorityClassName: High_Priority}",
			want:   []string{`spec.priorityClassName: Invalid value: "High_Priority": ` + notSubdomain},
		},
		"ServiceAccount": {
			reason: "A service account is an object, and named like one",
			xr:     "spec: {serviceAccountName: Files_SA}",
			want:   []string{`spec.serviceAccountName: Invalid value: "Files_SA": ` + notSubdomain},
		},
		"Accepted": {
			reason: "An object's name may have dots, and an empty one is none",
			xr:     `spec: {priorityClassName: system.high, serviceAccountName: files.eu}`,
		},
		"Empty": {
			reason: "An empty name is none",
			xr:     `spec: {priorityClassName: "", serviceAccountName: "", imagePullPolicy: "", imagePullSecrets: []}`,
		},
		"GracePeriodBelowZero": {
			reason: "A pod cannot stop in the past",
			xr:     "spec: {terminationGracePeriodSeconds: -1}",
			want:   []string{"spec.terminationGracePeriodSeconds: Invalid value: -1" + tooShort},
		},
		"GracePeriodZero": {
			reason: "Zero seconds is a value, and not the default",
			xr:     "spec: {terminationGracePeriodSeconds: 0}",
			want:   []string{"spec.terminationGracePeriodSeconds: Invalid value: 0" + tooShort},
		},
		"GracePeriodTooShort": {
			reason: "The preStop hook would not end",
			xr:     "spec: {terminationGracePeriodSeconds: 4}",
			want:   []string{"spec.terminationGracePeriodSeconds: Invalid value: 4" + tooShort},
		},
		"GracePeriodShortest": {
			reason: "The preStop hook ends just in time",
			xr:     "spec: {terminationGracePeriodSeconds: 5}",
		},
		"GracePeriod": {
			reason: "A longer time should be accepted",
			xr:     "spec: {terminationGracePeriodSeconds: 3600}",
		},
	}.run(t)
}

func TestValidatePodMetadata(t *testing.T) {
	tests := errorTable{
		"NodeSelector": {
			reason: "A node selector is a set of labels",
			xr:     "spec: {nodeSelector: {topology.kubernetes.io/zone: a}}",
		},
		"NodeSelectorKey": {
			reason: "A node selector's key is a label's",
			xr:     "spec: {nodeSelector: {_: a}}",
			want:   []string{`spec.nodeSelector: Invalid value: "_": ` + notLabelKey},
		},
		"NodeSelectorValue": {
			reason: "A node selector's value is a label's",
			xr:     "spec: {nodeSelector: {zone: _}}",
			want:   []string{`spec.nodeSelector: Invalid value: "_": ` + notLabelValue},
		},
		"Labels": {
			reason: "Labels of the user's own should be accepted",
			xr:     `spec: {podLabels: {team: files, app.kubernetes.io/part-of: storage, example.org/empty: ""}}`,
		},
		"LabelKey": {
			reason: "A label has a key that Kubernetes takes",
			xr:     "spec: {podLabels: {_: a}}",
			want:   []string{`spec.podLabels: Invalid value: "_": ` + notLabelKey},
		},
		"LabelValue": {
			reason: "A label has a value that Kubernetes takes",
			xr:     "spec: {podLabels: {team: _}}",
			want:   []string{`spec.podLabels: Invalid value: "_": ` + notLabelValue},
		},
		"LabelValueTooLong": {
			reason: "A label's value has at most 63 characters",
			xr:     "spec: {podLabels: {team: " + strings.Repeat("a", 64) + "}}",
			want:   []string{`spec.podLabels: Invalid value: "` + strings.Repeat("a", 64) + `": must be no more than 63 bytes`},
		},
		"OwnLabels": {
			reason: "Every label of the function's own should be named, in a fixed order",
			xr:     "spec: {podLabels: {app.kubernetes.io/version: a, app.kubernetes.io/name: b}}",
			want: []string{
				"spec.podLabels[app.kubernetes.io/name]: Forbidden: the function sets it: remove it",
				"spec.podLabels[app.kubernetes.io/version]: Forbidden: the function sets it: remove it",
			},
		},
		"Annotations": {
			reason: "Annotations of the user's own should be accepted, also where the domain looks like the function's",
			xr:     "spec: {podAnnotations: {example.org/a: any text, Upper: b, dittofs.io.example.org/c: d, my.dittofs.io/e: f, dittofs.io: g}}",
		},
		"AnnotationKey": {
			reason: "An annotation has a key that Kubernetes takes",
			xr:     "spec: {podAnnotations: {_: a}}",
			want:   []string{`spec.podAnnotations: Invalid value: "_": ` + notLabelKey},
		},
		"AnnotationsTooLong": {
			reason: "Keys and values have at most 128 KiB: the rest of Kubernetes' 256 KiB is the function's",
			xr:     "spec: {podAnnotations: {a: " + strings.Repeat("a", 128<<10) + "}}",
			want:   []string{"spec.podAnnotations: Too long: may not be more than 131072 bytes"},
		},
		"AnnotationsTooLongTogether": {
			reason: "All annotations count",
			xr:     "spec: {podAnnotations: {a: " + strings.Repeat("a", 64<<10) + ", b: " + strings.Repeat("b", 64<<10) + "}}",
			want:   []string{"spec.podAnnotations: Too long: may not be more than 131072 bytes"},
		},
		"AnnotationsLongest": {
			reason: "Keys and values of 128 KiB should be accepted",
			xr:     "spec: {podAnnotations: {a: " + strings.Repeat("a", 64<<10) + ", b: " + strings.Repeat("b", 64<<10-2) + "}}",
		},
		"AppArmorOfNoContainer": {
			reason: "The annotation names the pod's only container",
			xr:     "spec: {podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: unconfined, container.apparmor.security.beta.kubernetes.io/other: unconfined}}",
			want:   []string{`spec.podAnnotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "other": must be the name of the pod's container, dittofs`},
		},
		"AppArmorOfThePod": {
			reason: "The annotation and the pod's field say the same",
			xr:     "spec: {podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: unconfined}, podSecurityContext: {appArmorProfile: {type: RuntimeDefault}}}",
			want:   []string{`spec.podAnnotations[container.apparmor.security.beta.kubernetes.io/dittofs]: Invalid value: "unconfined": must not differ from appArmorProfile: remove it`},
		},
		"AppArmorOfTheContainer": {
			reason: "The container's field counts before the pod's",
			xr: "spec: {podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: unconfined}, " +
				"podSecurityContext: {appArmorProfile: {type: RuntimeDefault}}, securityContext: {appArmorProfile: {type: Unconfined}}}",
		},
		"OwnAnnotations": {
			reason: "Who could set the digest could hide a change",
			xr:     "spec: {podAnnotations: {dittofs.io/other: a, dittofs.io/config-hash: b}}",
			want: []string{
				"spec.podAnnotations[dittofs.io/config-hash]: Forbidden: annotations of the domain dittofs.io are reserved for the function: remove it",
				"spec.podAnnotations[dittofs.io/other]: Forbidden: annotations of the domain dittofs.io are reserved for the function: remove it",
			},
		},
	}

	for _, key := range []string{
		"controller.kubernetes.io/pod-deletion-cost",
		"kubernetes.io/config.mirror",
		"kubernetes.io/config.source",
		"scheduler.alpha.kubernetes.io/tolerations",
		"seccomp.security.alpha.kubernetes.io/pod",
	} {
		tests["LegacyAnnotation/"+key] = testCase{
			reason: "The API server judges the annotation, and may refuse the pod",
			xr:     fmt.Sprintf("spec: {podAnnotations: {%s: a}}", key),
			want:   []string{fmt.Sprintf("spec.podAnnotations[%s]: Forbidden: Kubernetes gives it a meaning of its own: use the field of the spec", key)},
		}
	}

	for _, label := range []string{"name", "instance", "version", "component", "managed-by"} {
		tests["OwnLabel/"+label] = testCase{
			reason: "A label that the function sets is not the user's",
			xr:     fmt.Sprintf("spec: {podLabels: {app.kubernetes.io/%s: mine}}", label),
			want:   []string{fmt.Sprintf("spec.podLabels[app.kubernetes.io/%s]: Forbidden: the function sets it: remove it", label)},
		}
	}

	tests.run(t)
}

func TestValidateEnv(t *testing.T) {
	tests := errorTable{
		"Accepted": {
			reason: "Variables of the user's own should be accepted, also those of DittoFS that no field sets",
			xr:     `spec: {extraEnv: [{name: AWS_REGION, value: eu}, {name: empty}, {name: DITTOFS_LDAP_BIND_PASSWORD, value: c}, {name: DITTOFS_CONTROLPLANE_TLS_CERT_FILE, value: /tls.crt}, {name: a.b-c, value: d}]}`,
		},
		"NoName": {
			reason: "A variable has a name",
			xr:     "spec: {extraEnv: [{name: A}, {value: a}]}",
			want:   []string{"spec.extraEnv[1].name: Required value"},
		},
		"BadNames": {
			reason: "A variable's name is one that Kubernetes takes",
			xr:     "spec: {extraEnv: [{name: 1A}, {name: A=B}, {name: ..}]}",
			want: []string{
				`spec.extraEnv[0].name: Invalid value: "1A": ` + notEnvName,
				`spec.extraEnv[1].name: Invalid value: "A=B": ` + notEnvName,
				`spec.extraEnv[2].name: Invalid value: "..": must not be '..'`,
			},
		},
		"OwnTwice": {
			reason: "A repetition is named, whosever the variable is",
			xr:     "spec: {extraEnv: [{name: DITTOFS_LOGGING_LEVEL}, {name: DITTOFS_LOGGING_LEVEL}]}",
			want: []string{
				`spec.extraEnv[1].name: Duplicate value: "DITTOFS_LOGGING_LEVEL"`,
				"spec.extraEnv[0].name: Forbidden: DITTOFS_LOGGING_LEVEL is reserved: use the field of the spec",
				"spec.extraEnv[1].name: Forbidden: DITTOFS_LOGGING_LEVEL is reserved: use the field of the spec",
			},
		},
		"Duplicates": {
			reason: "Every repetition should be named",
			xr:     "spec: {extraEnv: [{name: A}, {name: B}, {name: A}, {name: A}]}",
			want: []string{
				`spec.extraEnv[2].name: Duplicate value: "A"`,
				`spec.extraEnv[3].name: Duplicate value: "A"`,
			},
		},
		"Sources": {
			reason: "A value may come from each source that a pod has",
			xr: `
spec:
  extraEnv:
  - {name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}
  - {name: B, valueFrom: {configMapKeyRef: {name: a, key: b, optional: true}}}
  - {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: D, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
`,
		},
		"ValueAndSource": {
			reason: "A variable has one value",
			xr:     "spec: {extraEnv: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}",
			want:   []string{"spec.extraEnv[0].valueFrom: Forbidden: may not be used together with value"},
		},
		"NoSource": {
			reason: "A source is one of those that there are",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {}}]}",
			want:   []string{"spec.extraEnv[0].valueFrom: Required value: must have exactly one source"},
		},
		"TwoSources": {
			reason: "A variable has one source",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}, configMapKeyRef: {name: a, key: b}}}]}",
			want:   []string{"spec.extraEnv[0].valueFrom: Forbidden: must have exactly one source"},
		},
		"TwoOtherSources": {
			reason: "A variable has one source",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, resourceFieldRef: {resource: limits.cpu}}}]}",
			want:   []string{"spec.extraEnv[0].valueFrom: Forbidden: must have exactly one source"},
		},
		"EmptySources": {
			reason: "Each source says where the value is",
			xr: `
spec:
  extraEnv:
  - {name: A, valueFrom: {secretKeyRef: {}}}
  - {name: B, valueFrom: {configMapKeyRef: {}}}
  - {name: C, valueFrom: {fieldRef: {}}}
  - {name: D, valueFrom: {resourceFieldRef: {}}}
`,
			want: []string{
				"spec.extraEnv[0].valueFrom.secretKeyRef.name: Required value",
				`spec.extraEnv[0].valueFrom.secretKeyRef.key: Invalid value: "": ` + notDataKey,
				"spec.extraEnv[1].valueFrom.configMapKeyRef.name: Required value",
				`spec.extraEnv[1].valueFrom.configMapKeyRef.key: Invalid value: "": ` + notDataKey,
				"spec.extraEnv[2].valueFrom.fieldRef.fieldPath: Required value",
				"spec.extraEnv[3].valueFrom.resourceFieldRef.resource: Required value",
			},
		},
		"OtherContainer": {
			reason: "The kubelet would not find the container, and not start this one",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {resourceFieldRef: {containerName: other, resource: limits.cpu}}}, {name: B, valueFrom: {resourceFieldRef: {containerName: dittofs, resource: limits.cpu}}}]}",
			want:   []string{`spec.extraEnv[0].valueFrom.resourceFieldRef.containerName: Invalid value: "other": must be the name of the pod's container, dittofs`},
		},
		"BadObjects": {
			reason: "A source is an object, and named like one",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: B_C, key: d}}}, {name: B, valueFrom: {configMapKeyRef: {name: e.f, key: g}}}]}",
			want:   []string{`spec.extraEnv[0].valueFrom.secretKeyRef.name: Invalid value: "B_C": ` + notSubdomain},
		},
		"BadKeys": {
			reason: "A key is one that Secrets and ConfigMaps can have",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b/c}}}, {name: B, valueFrom: {configMapKeyRef: {name: a, key: ..d}}}]}",
			want: []string{
				`spec.extraEnv[0].valueFrom.secretKeyRef.key: Invalid value: "b/c": ` + notDataKey,
				`spec.extraEnv[1].valueFrom.configMapKeyRef.key: Invalid value: "..d": must not start with '..'`,
			},
		},
		"File": {
			reason: "The pod has no volume that a file could be in; and it is one source",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]}",
			want:   []string{"spec.extraEnv[0].valueFrom.fileKeyRef: Forbidden: the pod has no volume for it: use configMapKeyRef or secretKeyRef"},
		},
	}

	for name := range ownEnv {
		tests["Own/"+name] = testCase{
			reason: "What a field or a Secret of the spec says should not be replaced by another value",
			xr:     fmt.Sprintf("spec: {extraEnv: [{name: %s, value: a}]}", name),
			want:   []string{fmt.Sprintf("spec.extraEnv[0].name: Forbidden: %s is reserved: use the field of the spec", name)},
		}
	}

	tests.run(t)
}

func TestValidateFieldRef(t *testing.T) {
	const (
		fieldPath = "spec.extraEnv[0].valueFrom.fieldRef.fieldPath: "
		supported = `: supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", ` +
			`"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs", "metadata.labels['<key>']", "metadata.annotations['<key>']"`
		ref = "spec: {extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: %q}}}]}"
	)

	tests := errorTable{
		"Version": {
			reason: "Pods have one version, which need not be told",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]}",
		},
		"BadVersion": {
			reason: "Pods have one version",
			xr:     "spec: {extraEnv: [{name: A, valueFrom: {fieldRef: {apiVersion: v2, fieldPath: metadata.name}}}]}",
			want:   []string{`spec.extraEnv[0].valueFrom.fieldRef.apiVersion: Unsupported value: "v2": supported values: "v1"`},
		},
	}

	for _, path := range []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['team']", "metadata.labels['example.org/Team']",
		"metadata.annotations['team']", "metadata.annotations['Example.org/Team']", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	} {
		tests["Accepted/"+path] = testCase{reason: "What Kubernetes gives of a pod should be accepted", xr: fmt.Sprintf(ref, path)}
	}

	for _, path := range []string{
		"metadata", "metadata.labels", "metadata.annotations", "metadata.generation", "spec.replicas", "status.phase",
		"metadata.labels[team]", "metadata.labels['team'", "metadata.name['team']", "spec.nodeSelector['team']",
	} {
		tests["Refused/"+path] = testCase{
			reason: "What Kubernetes does not give of a pod should be refused, with what it does",
			xr:     fmt.Sprintf(ref, path),
			want:   []string{fieldPath + fmt.Sprintf("Unsupported value: %q", path) + supported},
		}
	}

	for _, path := range []string{"metadata.labels['_']", "metadata.annotations['_']", "metadata.labels['<key>']"} {
		key := strings.Split(path, "'")[1]
		tests["Key/"+path] = testCase{
			reason: "A label or an annotation has a key that Kubernetes takes",
			xr:     fmt.Sprintf(ref, path),
			want:   []string{fieldPath + fmt.Sprintf("Invalid value: %q: ", key) + notLabelKey},
		}
	}

	tests.run(t)
}

func TestValidateResourceFieldRef(t *testing.T) {
	const (
		path   = "spec.extraEnv[0].valueFrom.resourceFieldRef."
		ref    = "spec: {extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: %s, divisor: %s}}}]}"
		others = "must be limits or requests of cpu, memory, ephemeral-storage and hugepages-<size>, such as limits.memory"
	)

	tests := errorTable{}

	for _, resource := range []string{"cpu", "memory", "ephemeral-storage", "hugepages-2Mi"} {
		for _, divisor := range []string{"0", "1"} {
			tests[resource+"/"+divisor] = testCase{reason: "No divisor and one are accepted for every resource", xr: fmt.Sprintf(ref, "limits."+resource, divisor)}
			tests["Requests/"+resource+"/"+divisor] = testCase{reason: "No divisor and one are accepted for every resource", xr: fmt.Sprintf(ref, "requests."+resource, divisor)}
		}
	}

	for _, resource := range []string{"memory", "cpu", "limit.cpu", "limits", "limits.", "limits.pods", "requests.example.org/gpu", "limits.hugepages"} {
		tests["Refused/"+resource] = testCase{
			reason: "What Kubernetes does not give of a container should be refused",
			xr:     fmt.Sprintf(ref, resource, "1"),
			want:   []string{path + fmt.Sprintf("resource: Invalid value: %q: ", resource) + others},
		}
	}

	tests["DivisorOfCPU"] = testCase{reason: "CPUs come in thousandths", xr: fmt.Sprintf(ref, "limits.cpu", "1m")}
	tests["DivisorOfMemory"] = testCase{reason: "Bytes come in both kinds of units", xr: fmt.Sprintf(ref, "limits.memory", "1Gi")}
	tests["BadDivisorOfCPU"] = testCase{
		reason: "CPUs do not come in bytes",
		xr:     fmt.Sprintf(ref, "requests.cpu", "1Ki"),
		want:   []string{path + `divisor: Unsupported value: "1Ki": supported values: "1m", "1"`},
	}
	tests["BadDivisorOfMemory"] = testCase{
		reason: "Bytes do not come in two of a unit",
		xr:     fmt.Sprintf(ref, "requests.memory", "2Mi"),
		want:   []string{path + `divisor: Unsupported value: "2Mi": supported values: "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"`},
	}

	tests.run(t)
}

func TestValidateResources(t *testing.T) {
	const notStandard = "must be one of cpu, memory, ephemeral-storage and hugepages-<size>, or have a domain"

	errorTable{
		"Accepted": {
			reason: "Requests up to their limits, and requests or limits alone, should be accepted",
			xr:     "spec: {resources: {limits: {cpu: 1, memory: 1Gi, example.org/disk: 1}, requests: {cpu: 1000m, memory: 512Mi, ephemeral-storage: 1Gi}}}",
		},
		"Zero": {
			reason: "Nothing is a quantity",
			xr:     "spec: {resources: {limits: {cpu: 0}, requests: {cpu: 0}}}",
		},
		"LimitBelowZero": {
			reason: "There is no less than nothing",
			xr:     "spec: {resources: {limits: {cpu: -1}}}",
			want:   []string{`spec.resources.limits[cpu]: Invalid value: "-1": must be zero or more`},
		},
		"RequestBelowZero": {
			reason: "There is no less than nothing",
			xr:     "spec: {resources: {requests: {memory: -1Gi}}}",
			want:   []string{`spec.resources.requests[memory]: Invalid value: "-1Gi": must be zero or more`},
		},
		"Names": {
			reason: "A resource is named like a label, and each bad one should be told in a fixed order",
			xr:     "spec: {resources: {limits: {_: 1, -: 1}, requests: {_: 1}}}",
			want: []string{
				`spec.resources.limits[-]: Invalid value: "-": ` + notLabelKey,
				`spec.resources.limits[_]: Invalid value: "_": ` + notLabelKey,
				`spec.resources.requests[_]: Invalid value: "_": ` + notLabelKey,
			},
		},
		"RequestsAboveLimits": {
			reason: "Each request above its limit should be told with the limit",
			xr:     "spec: {resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1001m, memory: 2Gi}}}",
			want: []string{
				`spec.resources.requests[cpu]: Invalid value: "1001m": must not exceed its limit of 1`,
				`spec.resources.requests[memory]: Invalid value: "2Gi": must not exceed its limit of 1Gi`,
			},
		},
		"NoDomain": {
			reason: "A resource without a domain is one of Kubernetes' own",
			xr:     "spec: {resources: {limits: {gpu: 1, pods: 1, storage: 1Gi}, requests: {requests.cpu: 1}}}",
			want: []string{
				`spec.resources.limits[gpu]: Invalid value: "gpu": ` + notStandard,
				`spec.resources.limits[pods]: Invalid value: "pods": ` + notStandard,
				`spec.resources.limits[storage]: Invalid value: "storage": ` + notStandard,
				`spec.resources.requests[requests.cpu]: Invalid value: "requests.cpu": ` + notStandard,
			},
		},
		"Extended": {
			reason: "A device may be asked for with its limit, or by it alone",
			xr:     "spec: {resources: {limits: {example.org/a: 2, example.org/b: 1k}, requests: {example.org/a: 2}}}",
		},
		"ExtendedFraction": {
			reason: "There are no parts of a device",
			xr:     "spec: {resources: {limits: {example.org/gpu: 500m}, requests: {example.org/gpu: 500m}}}",
			want: []string{
				`spec.resources.limits[example.org/gpu]: Invalid value: "500m": must be a whole number`,
				`spec.resources.requests[example.org/gpu]: Invalid value: "500m": must be a whole number`,
			},
		},
		"ExtendedBelowItsLimit": {
			reason: "Devices are not shared out twice",
			xr:     "spec: {resources: {limits: {example.org/gpu: 2}, requests: {example.org/gpu: 1}}}",
			want:   []string{`spec.resources.requests[example.org/gpu]: Invalid value: "1": must equal its limit of 2`},
		},
		"ExtendedWithoutLimit": {
			reason: "Devices are not shared out twice",
			xr:     "spec: {resources: {requests: {example.org/gpu: 1}}}",
			want:   []string{"spec.resources.limits[example.org/gpu]: Required value: must equal its request"},
		},
		"ExtendedNameOfAQuota": {
			reason: "A name that begins like a quota's is none that Kubernetes takes",
			xr:     "spec: {resources: {limits: {requests.example.org/gpu: 1}, requests: {requests.example.org/gpu: 1}}}",
			want: []string{
				`spec.resources.limits[requests.example.org/gpu]: Invalid value: "requests.example.org/gpu": must not begin with requests., as quotas do`,
				`spec.resources.requests[requests.example.org/gpu]: Invalid value: "requests.example.org/gpu": must not begin with requests., as quotas do`,
			},
		},
		"ExtendedNameLikeAQuota": {
			reason: "The dot counts",
			xr:     "spec: {resources: {limits: {requests-a.example.org/gpu: 1, example.org/requests.gpu: 1}}}",
		},
		"ExtendedNameTooLong": {
			reason: "The name has to fit a quota, which puts requests. before it",
			xr:     "spec: {resources: {limits: {" + strings.Repeat("a", 63) + "." + strings.Repeat(strings.Repeat("a", 63)+".", 2) + strings.Repeat("a", 55) + "/gpu: 1}}}",
			want: []string{
				"spec.resources.limits[" + strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 55) + "/gpu]: Invalid value: \"requests." +
					strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 55) + "/gpu\": prefix part must be no more than 253 bytes",
			},
		},
		"DomainOfKubernetes": {
			reason: "What is Kubernetes' own may be a part, and requested below its limit",
			xr:     "spec: {resources: {limits: {kubernetes.io/a: 1500m}, requests: {kubernetes.io/a: 500m, example.kubernetes.io/b: 1}}}",
		},
		"HugePages": {
			reason: "Huge pages are whole, and no fewer than their limit",
			xr:     "spec: {resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi, hugepages-1Gi: 1Gi}, requests: {hugepages-2Mi: 4Mi}}}",
		},
		"BadHugePages": {
			reason: "Huge pages are whole, and no fewer than their limit",
			xr:     "spec: {resources: {limits: {memory: 1Gi, hugepages-2Mi: 3Mi, hugepages-big: 1Gi}, requests: {hugepages-2Mi: 2Mi, hugepages-1Gi: 1Gi}}}",
			want: []string{
				`spec.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": must be a multiple of 2Mi`,
				`spec.resources.limits[hugepages-big]: Invalid value: "hugepages-big": must end with the size of a page, such as 2Mi`,
				"spec.resources.limits[hugepages-1Gi]: Required value: must equal its request",
				`spec.resources.requests[hugepages-2Mi]: Invalid value: "2Mi": must equal its limit of 3Mi`,
			},
		},
		"HugeExponentOfPages": {
			reason: "The size of a page is not worked out to its last digit of a billion",
			xr:     "spec: {resources: {limits: {memory: 1Gi, hugepages-1e-999999999: 1}, requests: {hugepages-1e-999999999: 1}}}",
			want: []string{
				`spec.resources.limits[hugepages-1e-999999999]: Invalid value: "hugepages-1e-999999999": must end with the size of a page, such as 2Mi`,
				`spec.resources.requests[hugepages-1e-999999999]: Invalid value: "hugepages-1e-999999999": must end with the size of a page, such as 2Mi`,
			},
		},
		"PartsOfBytes": {
			reason: "A page has whole bytes",
			xr:     "spec: {resources: {limits: {memory: 1Gi, hugepages-1500m: 2Mi}}}",
			want:   []string{`spec.resources.limits[hugepages-1500m]: Invalid value: "hugepages-1500m": must end with the size of a page, such as 2Mi`},
		},
		"HugePagesAlone": {
			reason: "Kubernetes gives huge pages to those who ask for CPUs or memory",
			xr:     "spec: {resources: {limits: {hugepages-2Mi: 2Mi}}}",
			want:   []string{"spec.resources: Forbidden: huge pages need cpu or memory"},
		},
		"HugePagesWithRequestedCPU": {
			reason: "Kubernetes gives huge pages to those who ask for CPUs or memory",
			xr:     "spec: {resources: {limits: {hugepages-2Mi: 2Mi}, requests: {cpu: 1}}}",
		},
		"Claims": {
			reason: "A claim of a container is one of its pod, and the pod has none",
			xr:     "spec: {resources: {claims: [{name: gpu}]}}",
			want:   []string{"spec.resources.claims: Forbidden: the pod has no resource claims: remove them"},
		},
	}.run(t)
}
