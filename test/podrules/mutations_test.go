package podrules

import (
	"fmt"
	"strings"
)

// mutations are values of each field of a DittoServerSpec that the pod template takes
// over: good ones, and one mistake each. A field of the spec has one line for each.
func mutations() []mutation {
	var all []mutation

	for _, line := range strings.Split(strings.TrimSpace(written), "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}

		all = append(all, mutation{field: name, value: value})
	}

	for _, path := range nodeTerms {
		for _, value := range nodeSelectorTerms {
			all = append(all, mutation{field: "affinity", value: fmt.Sprintf(path, value)})
		}
	}

	for _, path := range podTerms {
		for _, value := range podAffinityTerms {
			all = append(all, mutation{field: "affinity", value: fmt.Sprintf(path, value)})
		}
	}

	return append(all, long()...)
}

// A mutation is a field of a DittoServerSpec with a value, as YAML.
type mutation struct {
	field, value string
}

func (m mutation) String() string {
	if len(m.value) > 300 {
		return m.field + ": " + m.value[:300] + "…"
	}

	return m.field + ": " + m.value
}

const written = `
imagePullPolicy: Always
imagePullPolicy: IfNotPresent
imagePullPolicy: Never
imagePullPolicy: always
imagePullPolicy: Sometimes

imagePullSecrets: [{name: a}, {name: b.c}]
imagePullSecrets: [{name: a}, {name: a}]
imagePullSecrets: [{}]
imagePullSecrets: [{name: A_b}]

priorityClassName: high
priorityClassName: system-cluster-critical
priorityClassName: High_Priority

serviceAccountName: files.eu
serviceAccountName: Files_SA

terminationGracePeriodSeconds: 5
terminationGracePeriodSeconds: 3600
terminationGracePeriodSeconds: 4
terminationGracePeriodSeconds: 0
terminationGracePeriodSeconds: -1

nodeSelector: {topology.kubernetes.io/zone: a, b: ""}
nodeSelector: {beta.kubernetes.io/arch: amd64, beta.kubernetes.io/os: linux, beta.kubernetes.io/instance-type: a, app.kubernetes.io/created-by: a}
nodeSelector: {failure-domain.beta.kubernetes.io/region: a, failure-domain.beta.kubernetes.io/zone: a, node-role.kubernetes.io/master: "", scheduler.alpha.kubernetes.io/preferAvoidPods: a}
nodeSelector: {_: a}
nodeSelector: {a: _}
nodeSelector: {a/b/c: d}
nodeSelector: {Example.org/a: b}

podLabels: {team: files, example.org/Team: ""}
podLabels: {_: a}
podLabels: {a: b c}
podLabels: {Example.org/a: b}
podLabels: {app.kubernetes.io/name: mine}
podLabels: {app.kubernetes.io/instance: mine}

podAnnotations: {team: any text, Example.org/Team: ""}
podAnnotations: {_: a}
podAnnotations: {a b: c}
podAnnotations: {dittofs.io/config-hash: a}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: runtime/default}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: unconfined}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: localhost/a}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: localhost/}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: ""}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: RuntimeDefault}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/dittofs: Unconfined}
podAnnotations: {container.apparmor.security.beta.kubernetes.io/other: runtime/default}
podAnnotations: {container.seccomp.security.alpha.kubernetes.io/dittofs: runtime/default}
podAnnotations: {container.seccomp.security.alpha.kubernetes.io/dittofs: "no"}
podAnnotations: {seccomp.security.alpha.kubernetes.io/pod: runtime/default}
podAnnotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined}
podAnnotations: {seccomp.security.alpha.kubernetes.io/pod: "no"}
podAnnotations: {controller.kubernetes.io/pod-deletion-cost: "100"}
podAnnotations: {controller.kubernetes.io/pod-deletion-cost: a}
podAnnotations: {controller.kubernetes.io/pod-deletion-cost: "+1"}
podAnnotations: {kubernetes.io/config.mirror: a}
podAnnotations: {kubernetes.io/config.source: api}
podAnnotations: {scheduler.alpha.kubernetes.io/tolerations: "[{\"key\":\"a\",\"operator\":\"Exists\"}]"}
podAnnotations: {scheduler.alpha.kubernetes.io/tolerations: a}
podAnnotations: {scheduler.alpha.kubernetes.io/tolerations: "[{}]"}
podAnnotations: {scheduler.alpha.kubernetes.io/critical-pod: ""}
podAnnotations: {scheduler.alpha.kubernetes.io/affinity: "no"}
podAnnotations: {scheduler.alpha.kubernetes.io/preferAvoidPods: "no"}
podAnnotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "false"}
podAnnotations: {kubectl.kubernetes.io/default-container: other}
podAnnotations: {kubernetes.io/egress-bandwidth: fast}
podAnnotations: {kubernetes.io/limit-ranger: a}
podAnnotations: {pod.alpha.kubernetes.io/initialized: "no"}
podAnnotations: {pod.beta.kubernetes.io/init-containers: "no"}
podAnnotations: {pod.beta.kubernetes.io/hostname: A_b}
podAnnotations: {security.alpha.kubernetes.io/sysctls: "no"}
podAnnotations: {security.alpha.kubernetes.io/unsafe-sysctls: "no"}
podAnnotations: {pod.kubernetes.io/resize: "no"}
podAnnotations: {prometheus.io/scrape: "true"}

extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, configMap: {name: b, items: [{key: c, path: d/e}]}}, {name: b, mountPath: /opt/b, secret: {secretName: b, items: [{key: c, path: d/e}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, downwardAPI: {items: [{path: b, fieldRef: {fieldPath: metadata.labels}}, {path: c, fieldRef: {fieldPath: "metadata.annotations['d']"}}, {path: e, resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}]}}]
extraVolumes: [{name: A, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}}, {name: a, mountPath: /etc/b, secret: {secretName: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}}, {name: b, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: "/etc/a:b", secret: {secretName: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: /etc/a}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c}]}, configMap: {name: b, items: [{key: c}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c, path: ../d}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c, path: /d}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, secret: {secretName: b, items: [{key: c, path: ..d}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, downwardAPI: {items: [{path: b, fieldRef: {fieldPath: spec.nodeName}}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, downwardAPI: {items: [{path: b, resourceFieldRef: {resource: limits.memory, divisor: 1m}}]}}]
extraVolumes: [{name: a, mountPath: /etc/a, downwardAPI: {items: [{path: b}]}}]

extraEnv: [{name: AWS_REGION, value: eu}, {name: empty}, {name: a.b-c, value: "$(AWS_REGION)"}]
extraEnv: [{value: a}]
extraEnv: [{name: 1A}]
extraEnv: [{name: A B}]
extraEnv: [{name: A=B}]
extraEnv: [{name: ..}]
extraEnv: [{name: ...a}]
extraEnv: [{name: Ä}]
extraEnv: [{name: "A\n"}]
extraEnv: [{name: A}, {name: A}]
extraEnv: [{name: DITTOFS_LOGGING_LEVEL, value: DEBUG}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]
extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: a, key: b, optional: true}}}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {key: b}}}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a}}}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: A_b, key: b}}}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b/c}}}]
extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: a, key: ..b}}}]
extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: a, key: .}}}]
extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: A_b, key: c}}}]
extraEnv: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
extraEnv: [{name: A, valueFrom: {}}]
extraEnv: [{name: A, value: a, valueFrom: {}}]
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}, configMapKeyRef: {name: a, key: b}}}]
extraEnv: [{name: A, valueFrom: {fileKeyRef: {volumeName: tmp, path: a, key: b}}}]
extraEnv: [{name: A, valueFrom: {fileKeyRef: {volumeName: other, path: a, key: b}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.host}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['example.org/Team']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['Example.org/Team']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['Example.org/Team']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['_']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels[a]"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['a"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.labels['a']['b']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.name['a']"}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {apiVersion: v2, fieldPath: metadata.name}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]
extraEnv: [{name: A, valueFrom: {fieldRef: {}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: "1"}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1000m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1Ki}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 2Mi}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "1024"}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1e3}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: "1000"}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: -1}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1E}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: requests.ephemeral-storage, divisor: 1Gi}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.ephemeral-storage, divisor: 1m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.hugepages-2Mi, divisor: 1Mi}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.hugepages-2Mi, divisor: 1m}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: requests.hugepages-}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.hugepages}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: cpu}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.example.org/gpu}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.storage}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {containerName: dittofs, resource: limits.cpu}}}]
extraEnv: [{name: A, valueFrom: {resourceFieldRef: {containerName: other, resource: limits.cpu}}}]

resources: {limits: {cpu: 2, memory: 1Gi, ephemeral-storage: 1Gi}, requests: {cpu: 1, memory: 1Gi}}
resources: {requests: {cpu: 100m, memory: 1.5Gi}}
resources: {limits: {cpu: 0}, requests: {cpu: 0}}
resources: {limits: {memory: 512m}}
resources: {limits: {memory: 1Gi, ephemeral-storage: 1500m}, requests: {memory: 512m, ephemeral-storage: 400m}}
resources: {requests: {memory: 0.1Gi, ephemeral-storage: 1u}}
resources: {limits: {memory: 512}, requests: {memory: 0, ephemeral-storage: 1Ki}}
resources: {limits: {cpu: 1}, requests: {cpu: 1001m}}
resources: {limits: {memory: 1Gi}, requests: {memory: 2Gi}}
resources: {limits: {cpu: -1}}
resources: {requests: {memory: -1}}
resources: {limits: {cpu: 1n}}
resources: {limits: {gpu: 1}}
resources: {limits: {pods: 1}}
resources: {limits: {storage: 1Gi}}
resources: {requests: {requests.cpu: 1}}
resources: {limits: {_: 1}}
resources: {limits: {"": 1}}
resources: {limits: {/a: 1}}
resources: {limits: {a/: 1}}
resources: {limits: {a/b/c: 1}}
resources: {limits: {example.org/gpu: 2}, requests: {example.org/gpu: 2}}
resources: {limits: {example.org/gpu: 2}}
resources: {limits: {example.org/gpu: 1k}}
resources: {limits: {example.org/gpu: 0}}
resources: {requests: {example.org/gpu: 1}}
resources: {limits: {example.org/gpu: 2}, requests: {example.org/gpu: 1}}
resources: {limits: {example.org/gpu: 500m}, requests: {example.org/gpu: 500m}}
resources: {limits: {example.org/gpu: 1u}}
resources: {limits: {requests.example.org/gpu: 1}}
resources: {limits: {Example.org/gpu: 1}}
resources: {limits: {kubernetes.io/a: 1500m}, requests: {kubernetes.io/a: 500m}}
resources: {requests: {example.kubernetes.io/b: 1}}
resources: {limits: {kubernetes.io/batch-cpu: 1}, requests: {kubernetes.io/batch-cpu: 2}}
resources: {limits: {requests.kubernetes.io/a: 1}}
resources: {limits: {attachable-volumes-aws-ebs: 1}}
resources: {limits: {attachable-volumes-x.kubernetes.io/a: 1}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 4Mi}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi, hugepages-1Gi: 2Gi}}
resources: {limits: {hugepages-2Mi: 4Mi}, requests: {cpu: 1}}
resources: {limits: {hugepages-2Mi: 4Mi}}
resources: {limits: {ephemeral-storage: 1Gi, hugepages-2Mi: 4Mi}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 3Mi}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 0}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: -2Mi}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 500m}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 2097152500m}}
resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 2Mi}}
resources: {limits: {memory: 1Gi}, requests: {hugepages-2Mi: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-big: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-0: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages--2Mi: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-1500m: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-1n: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-1.5Mi: 3Mi}}
resources: {limits: {memory: 1Gi, hugepages-0.5: 2Mi}}
resources: {limits: {memory: 1Gi, hugepages-2e3: 4e3}}
resources: {limits: {memory: 1Gi, example.org/hugepages-2Mi: 3}}
resources: {limits: {memory: 1Gi, hugepages-2Mi/a: 1}}
resources: {claims: [{name: gpu}]}
resources: {claims: [{}]}
resources: {limits: {memory: 9223372036854775807}, requests: {memory: 9223372036854775807}}
resources: {limits: {memory: 1e30}}
resources: {limits: {example.org/gpu: 9223372036854775807}}
resources: {limits: {example.org/gpu: 1e30}}

tolerations: [{operator: Exists}, {key: a}, {key: b, operator: Equal, value: c}, {key: d, operator: Exists, effect: NoSchedule}]
tolerations: [{key: a, effect: NoExecute, tolerationSeconds: 0}]
tolerations: [{key: a, effect: NoExecute, tolerationSeconds: -1}]
tolerations: [{key: a, effect: PreferNoSchedule}]
tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 1}]
tolerations: [{key: a}, {key: a}]
tolerations: [{}]
tolerations: [{operator: Equal}]
tolerations: [{value: a}]
tolerations: [{key: a, operator: exists}]
tolerations: [{key: a, operator: Lt, value: "1"}]
tolerations: [{key: a, operator: Gt, value: "1"}]
tolerations: [{key: a, operator: In, value: a}]
tolerations: [{key: a, effect: Evict}]
tolerations: [{key: _}]
tolerations: [{key: a/b/c}]
tolerations: [{key: a, value: _}]
tolerations: [{key: a, operator: Exists, value: b}]
tolerations: [{operator: Exists, value: b}]
tolerations: [{key: a, tolerationSeconds: 1}]
tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 1}]

affinity: {}
affinity: {nodeAffinity: {}, podAffinity: {}, podAntiAffinity: {}}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{}]}}}
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {}}]}}
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: {topologyKey: a}}]}}
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, podAffinityTerm: {topologyKey: a}}]}}
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: -1, podAffinityTerm: {topologyKey: a}}]}}

topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, minDomains: 1, nodeAffinityPolicy: Honor, nodeTaintsPolicy: Ignore, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [c]}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
topologySpreadConstraints: [{maxSkew: -1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: _, whenUnsatisfiable: DoNotSchedule}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: Wait}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, minDomains: 0}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 1}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, nodeAffinityPolicy: honor}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: ""}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {_: a}}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: _}}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: [{key: a, operator: In, values: [_]}]}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: [{key: a, operator: Is}]}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [c]}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [_], labelSelector: {}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [c], labelSelector: {matchLabels: {c: d}}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [c], labelSelector: {matchExpressions: [{key: c, operator: Exists}]}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [c], labelSelector: {matchLabels: {c: d}, matchExpressions: [{key: c, operator: Exists}]}}]

topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [c, c], labelSelector: {}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [app.kubernetes.io/name, app.kubernetes.io/name], labelSelector: {}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [app.kubernetes.io/name], labelSelector: {}}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: failure-domain.beta.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}]

podSecurityContext: {}
podSecurityContext: {runAsUser: 1000, runAsGroup: 0, fsGroup: 0, supplementalGroups: [0, 2147483647]}
podSecurityContext: {runAsUser: 0}
podSecurityContext: {runAsUser: 0, runAsNonRoot: false}
podSecurityContext: {runAsUser: -1}
podSecurityContext: {runAsUser: 2147483648}
podSecurityContext: {runAsGroup: -1}
podSecurityContext: {fsGroup: -1}
podSecurityContext: {supplementalGroups: [1, -1]}
podSecurityContext: {fsGroupChangePolicy: Always}
podSecurityContext: {fsGroupChangePolicy: Never}
podSecurityContext: {fsGroupChangePolicy: ""}
podSecurityContext: {supplementalGroupsPolicy: Strict}
podSecurityContext: {supplementalGroupsPolicy: Loose}
podSecurityContext: {supplementalGroupsPolicy: ""}
podSecurityContext: {seLinuxChangePolicy: Recursive}
podSecurityContext: {seLinuxChangePolicy: MountOption}
podSecurityContext: {seLinuxChangePolicy: Never}
podSecurityContext: {seLinuxOptions: {user: a, role: b, type: c, level: "s0:c1,c2"}}
podSecurityContext: {seLinuxOptions: {level: "!"}}
podSecurityContext: {windowsOptions: {}}
podSecurityContext: {windowsOptions: {hostProcess: true}}
podSecurityContext: {windowsOptions: {gmsaCredentialSpecName: A_b}}
podSecurityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "1 2"}, {name: kernel/shm_rmid_forced, value: "1"}]}
podSecurityContext: {sysctls: [{value: a}]}
podSecurityContext: {sysctls: [{name: net..a, value: a}]}
podSecurityContext: {sysctls: [{name: Net.a, value: a}]}
podSecurityContext: {sysctls: [{name: net.a, value: a}, {name: net.a, value: b}]}
podSecurityContext: {sysctls: [{name: net.a, value: a}, {name: net/a, value: b}]}
podSecurityContext: {sysctls: [{name: net.a/b, value: a}]}
podSecurityContext: {sysctls: [{name: a, value: ""}]}
podSecurityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]}
podSecurityContext: {seccompProfile: {type: RuntimeDefault}}
podSecurityContext: {seccompProfile: {type: Unconfined}}
podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: a/b.json}}
podSecurityContext: {seccompProfile: {type: Localhost}}
podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: ""}}
podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: /a}}
podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: a/../b}}
podSecurityContext: {seccompProfile: {type: Localhost, localhostProfile: a..b}}
podSecurityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: a}}
podSecurityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: ""}}
podSecurityContext: {seccompProfile: {}}
podSecurityContext: {seccompProfile: {localhostProfile: a}}
podSecurityContext: {seccompProfile: {type: runtime/default}}
podSecurityContext: {appArmorProfile: {type: RuntimeDefault}}
podSecurityContext: {appArmorProfile: {type: Unconfined}}
podSecurityContext: {appArmorProfile: {type: Localhost, localhostProfile: a}}
podSecurityContext: {appArmorProfile: {type: Localhost}}
podSecurityContext: {appArmorProfile: {type: Localhost, localhostProfile: ""}}
podSecurityContext: {appArmorProfile: {type: Localhost, localhostProfile: " a"}}
podSecurityContext: {appArmorProfile: {type: Localhost, localhostProfile: " "}}
podSecurityContext: {appArmorProfile: {type: Unconfined, localhostProfile: a}}
podSecurityContext: {appArmorProfile: {}}
podSecurityContext: {appArmorProfile: {type: unconfined}}

securityContext: {}
securityContext: {runAsUser: 0}
securityContext: {runAsNonRoot: false, runAsUser: 0}
securityContext: {runAsNonRoot: true}
securityContext: {runAsUser: -1}
securityContext: {runAsGroup: 2147483648}
securityContext: {readOnlyRootFilesystem: false}
securityContext: {privileged: true}
securityContext: {privileged: true, allowPrivilegeEscalation: true}
securityContext: {privileged: true, allowPrivilegeEscalation: false}
securityContext: {privileged: false, allowPrivilegeEscalation: false}
securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}}
securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}, allowPrivilegeEscalation: false}
securityContext: {capabilities: {add: [SYS_ADMIN]}}
securityContext: {capabilities: {add: [SYS_ADMIN], drop: []}, allowPrivilegeEscalation: false}
securityContext: {capabilities: {add: [NO_SUCH, ""]}}
securityContext: {procMount: Default}
securityContext: {procMount: Unmasked}
securityContext: {procMount: ""}
securityContext: {procMount: Other}
securityContext: {seLinuxOptions: {level: s0}}
securityContext: {windowsOptions: {}}
securityContext: {windowsOptions: {runAsUserName: a}}
securityContext: {windowsOptions: {runAsUserName: ""}}
securityContext: {seccompProfile: {type: RuntimeDefault}}
securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}
securityContext: {seccompProfile: {type: Localhost}}
securityContext: {seccompProfile: {type: Localhost, localhostProfile: ..}}
securityContext: {seccompProfile: {type: Unconfined, localhostProfile: a}}
securityContext: {seccompProfile: {}}
securityContext: {seccompProfile: {type: Other}}
securityContext: {appArmorProfile: {type: RuntimeDefault}}
securityContext: {appArmorProfile: {type: Unconfined}}
securityContext: {appArmorProfile: {type: Localhost, localhostProfile: b}}
securityContext: {appArmorProfile: {type: Localhost}}
securityContext: {appArmorProfile: {type: Localhost, localhostProfile: "a "}}
securityContext: {appArmorProfile: {type: RuntimeDefault, localhostProfile: a}}
securityContext: {appArmorProfile: {}}
securityContext: {appArmorProfile: {type: Other}}
`

// nodeTerms are where a node selector term can be.
//
//nolint:gochecknoglobals // A table.
var nodeTerms = []string{
	"{nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [%s]}}}",
	"{nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: %s}]}}",
}

//nolint:gochecknoglobals // A table.
var nodeSelectorTerms = []string{
	"{matchExpressions: [{key: a, operator: In, values: [b, '']}, {key: example.org/a, operator: NotIn, values: [b]}]}",
	"{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: DoesNotExist}, {key: a, operator: Gt, values: ['1']}]}",
	"{matchExpressions: [{key: beta.kubernetes.io/arch, operator: In, values: [a]}, {key: a, operator: Exists}, {key: node-role.kubernetes.io/master, operator: DoesNotExist}]}",
	"{matchExpressions: [{key: a, operator: In}]}",
	"{matchExpressions: [{key: a, operator: NotIn, values: []}]}",
	"{matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
	"{matchExpressions: [{key: a, operator: DoesNotExist, values: [b]}]}",
	"{matchExpressions: [{key: a, operator: Gt}]}",
	"{matchExpressions: [{key: a, operator: Lt, values: ['1', '2']}]}",
	"{matchExpressions: [{key: a, operator: Lt, values: [many]}]}",
	"{matchExpressions: [{key: a, operator: Gt, values: ['-1']}]}",
	"{matchExpressions: [{key: a, operator: Gt, values: ['9223372036854775808']}]}",
	"{matchExpressions: [{key: a}]}",
	"{matchExpressions: [{key: a, operator: in, values: [b]}]}",
	"{matchExpressions: [{key: _, operator: Exists}]}",
	"{matchExpressions: [{operator: Exists}]}",
	"{matchExpressions: [{key: a, operator: In, values: [_]}]}",
	"{matchFields: [{key: metadata.name, operator: In, values: [node.example.org]}, {key: metadata.name, operator: NotIn, values: [node]}]}",
	"{matchFields: [{key: metadata.name, operator: In, values: [a, b]}]}",
	"{matchFields: [{key: metadata.name, operator: In}]}",
	"{matchFields: [{key: metadata.name, operator: Exists}]}",
	"{matchFields: [{key: metadata.name, operator: Gt, values: ['1']}]}",
	"{matchFields: [{key: metadata.name, operator: In, values: [A_b]}]}",
	"{matchFields: [{key: metadata.name, operator: In, values: ['']}]}",
	"{matchFields: [{key: metadata.namespace, operator: In, values: [a]}]}",
	"{matchFields: [{operator: In, values: [a]}]}",
}

// podTerms are where a term of an affinity to pods can be.
//
//nolint:gochecknoglobals // A table.
var podTerms = []string{
	"{podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [%s]}}",
	"{podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: %s}]}}",
	"{podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [%s]}}",
	"{podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, podAffinityTerm: %s}]}}",
}

//nolint:gochecknoglobals // A table.
var podAffinityTerms = []string{
	"{topologyKey: a, labelSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}, {key: e, operator: Exists}]}, namespaces: [f], namespaceSelector: {}}",
	"{topologyKey: a, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [c], mismatchLabelKeys: [a]}",
	"{}",
	"{topologyKey: _}",
	"{topologyKey: Kubernetes.io/hostname}",
	"{topologyKey: a, namespaces: [A_b]}",
	"{topologyKey: a, namespaces: ['']}",
	"{topologyKey: a, namespaces: [a.b]}",
	"{topologyKey: a, labelSelector: {matchLabels: {_: b}}}",
	"{topologyKey: a, labelSelector: {matchLabels: {a: _}}}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: In}]}}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: NotIn, values: [_]}]}}",
	"{topologyKey: a, namespaceSelector: {matchLabels: {a: _}}}",
	"{topologyKey: a, namespaceSelector: {matchExpressions: [{key: _, operator: Exists}]}}",
	"{topologyKey: a, matchLabelKeys: [a]}",
	"{topologyKey: a, mismatchLabelKeys: [a]}",
	"{topologyKey: a, labelSelector: {}, matchLabelKeys: [_]}",
	"{topologyKey: a, labelSelector: {}, mismatchLabelKeys: [_]}",
	"{topologyKey: a, labelSelector: {}, matchLabelKeys: [a], mismatchLabelKeys: [a]}",
	"{topologyKey: a, labelSelector: {}, matchLabelKeys: [a, a]}",
	"{topologyKey: a, labelSelector: {}, matchLabelKeys: [app.kubernetes.io/name, app.kubernetes.io/name]}",
	"{topologyKey: a, labelSelector: {}, matchLabelKeys: [app.kubernetes.io/name]}",
	"{topologyKey: a, labelSelector: {}, mismatchLabelKeys: [app.kubernetes.io/name, app.kubernetes.io/name]}",
	"{topologyKey: a, labelSelector: {matchLabels: {app.kubernetes.io/name: b}}, matchLabelKeys: [app.kubernetes.io/name]}",
	"{topologyKey: a, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [a]}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: Exists}]}, matchLabelKeys: [a]}",
	"{topologyKey: a, labelSelector: {matchExpressions: [{key: a, operator: Exists}, {key: a, operator: In, values: [b]}]}, matchLabelKeys: [a]}",
}

// long returns values whose length counts.
func long() []mutation {
	domain := func(n int) string {
		return strings.Repeat(strings.Repeat("a", 49)+".", n/50) + strings.Repeat("a", n%50)
	}

	var all []mutation

	add := func(field, format string, lengths ...int) {
		for _, n := range lengths {
			all = append(all, mutation{field: field, value: fmt.Sprintf(format, strings.Repeat("a", n))})
		}
	}

	add("podLabels", "{a: %s}", 63, 64)
	add("podLabels", "{%s: a}", 63, 64)
	add("podAnnotations", "{%s: a}", 63, 64)
	add("podAnnotations", "{a: %s}", 100<<10, 200<<10, 300<<10)
	add("podAnnotations", "{container.apparmor.security.beta.kubernetes.io/dittofs: localhost/%s}", 4095, 4096)
	add("nodeSelector", "{a: %s}", 63, 64)
	add("tolerations", "[{key: %s}]", 63, 64)
	add("tolerations", "[{key: a, value: %s}]", 63, 64)
	add("extraEnv", "[{name: %s}]", 1000)
	add("extraEnv", "[{name: A, valueFrom: {secretKeyRef: {name: a, key: %s}}}]", 253, 254)
	add("podSecurityContext", "{sysctls: [{name: %s, value: a}]}", 253, 254)
	add("podSecurityContext", "{appArmorProfile: {type: Localhost, localhostProfile: %s}}", 4095, 4096)
	add("securityContext", "{seccompProfile: {type: Localhost, localhostProfile: %s}}", 5000)
	add("priorityClassName", "%s", 63, 64, 253)

	for _, n := range []int{243, 244, 245, 253, 254} {
		all = append(
			all,
			mutation{field: "resources", value: fmt.Sprintf("{limits: {%s/gpu: 1}}", domain(n))},
			mutation{field: "serviceAccountName", value: domain(n)},
			mutation{field: "extraEnv", value: fmt.Sprintf("[{name: A, valueFrom: {configMapKeyRef: {name: %s, key: a}}}]", domain(n))},
		)
	}

	return all
}
