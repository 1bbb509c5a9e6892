package policy

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// everySecret names a Secret in each row of the table of Secrets, and in each other field that can.
const everySecret = `
  version: 0.29.2
  identity: {admin: {passwordSecretRef: {name: admin}}}
  api: {tls: {secretRef: {name: api-tls}, clientCASecretRef: {name: api-ca}}}
  metrics: {enabled: true, tokenSecretRef: {name: token}, tls: {secretRef: {name: metrics-tls}, clientCASecretRef: {name: metrics-ca}}, serviceMonitor: {enabled: true, caSecretRef: {name: monitor-ca}, clientCertificateSecretRef: {name: prometheus}}}
  database: {postgres: {secretRef: {name: postgres}, caSecretRef: {name: postgres-ca}}}
  imagePullSecrets: [{name: registry}]
  extraEnv: [{name: A, value: a}, {name: B, valueFrom: {secretKeyRef: {name: env, key: b}}}]
  extraVolumes:
    - {name: restarts, mountPath: /etc/a, onChange: Restart, secret: {secretName: restarts, items: [{key: a}]}}
    - {name: ignores, mountPath: /etc/b, secret: {secretName: ignores, items: [{key: a}]}}`

// TestRules judges what each rule allows and refuses, by the fields that it names.
func TestRules(t *testing.T) {
	cases := map[string]struct {
		reason string

		// rule is the field of the policy, and entries its value.
		rule, entries string

		spec string

		// change does to the objects what no field does.
		change func(*appsv1.StatefulSet)

		want []string
	}{
		"SecretsAll": {
			reason:  "No row of the table of Secrets, and no other field, names one past the policy.",
			rule:    "secrets",
			entries: "[]",
			spec:    everySecret,
			want: []string{
				"spec.identity.jwt.secretRef.name", "spec.identity.admin.passwordSecretRef.name", "spec.database.postgres.secretRef.name",
				"spec.api.tls.secretRef.name", "spec.api.tls.clientCASecretRef.name", "spec.metrics.tokenSecretRef.name",
				"spec.metrics.tls.secretRef.name", "spec.metrics.tls.clientCASecretRef.name", "spec.database.postgres.caSecretRef.name",
				"spec.extraVolumes[0].secret.secretName", "spec.extraVolumes[1].secret.secretName", "spec.extraEnv[1].valueFrom.secretKeyRef.name",
				"spec.imagePullSecrets[0].name",
				"spec.metrics.serviceMonitor.caSecretRef.name", "spec.metrics.serviceMonitor.clientCertificateSecretRef.name",
			},
		},
		"SecretsSome": {
			reason:  "Patterns allow by name.",
			rule:    "secrets",
			entries: `[jwt, admin, api-*, metrics-*, monitor-ca, prometheus, token, "*postgres*", "*r*s", env]`,
			spec:    everySecret,
			want:    []string{"spec.imagePullSecrets[0].name"},
		},
		"SecretsAllowed": {
			reason:  "The star allows all.",
			rule:    "secrets",
			entries: `["*"]`,
			spec:    everySecret,
		},
		"SecretsOfOthers": {
			reason:  "A pod that comes back, or that a later field changes, is judged by what it has.",
			rule:    "secrets",
			entries: "[jwt]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.Template.Spec.Volumes = append(set.Spec.Template.Spec.Volumes, corev1.Volume{Name: "a", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "others"}}})
			},
			want: []string{"spec"},
		},
		"ConfigMaps": {
			reason:  "The server's own needs no permission.",
			rule:    "configMaps",
			entries: "[]",
			spec:    "{extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: env, key: a}}}], extraVolumes: [{name: a, mountPath: /etc/a, configMap: {name: bundle, items: [{key: a}]}}]}",
			want:    []string{"spec.extraEnv[0].valueFrom.configMapKeyRef.name", "spec.extraVolumes[0].configMap.name"},
		},
		"ConfigMapsOfRoutes": {
			reason:  "A Gateway reads one, too.",
			rule:    "configMaps",
			entries: "[company-*]",
			spec:    "{version: 0.29.2, api: {tls: {secretRef: {name: tls}}, route: {hostnames: [a], parentRefs: [{name: own}], caConfigMapRef: {name: others}}}}",
			want:    []string{"spec.api.route.caConfigMapRef.name"},
		},
		"ConfigMapsAllowed": {
			reason:  "Those of the list do.",
			rule:    "configMaps",
			entries: "[env, bundle]",
			spec:    "{extraEnv: [{name: A, valueFrom: {configMapKeyRef: {name: env, key: a}}}], extraVolumes: [{name: a, mountPath: /etc/a, configMap: {name: bundle, items: [{key: a}]}}]}",
		},
		"ExtraVolumes": {
			reason:  "Each kind is named.",
			rule:    "extraVolumes",
			entries: "[configMap]",
			spec: `{extraVolumes: [
				{name: a, mountPath: /etc/a, configMap: {name: bundle, items: [{key: a}]}},
				{name: b, mountPath: /etc/b, secret: {secretName: keys, items: [{key: a}]}},
				{name: c, mountPath: /etc/c, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.labels}}]}}]}`,
			want: []string{"spec.extraVolumes[1].secret", "spec.extraVolumes[2].downwardAPI"},
		},
		"ExtraVolumesAllowed": {
			reason:  "Secrets that the server reads as files are no extra volumes.",
			rule:    "extraVolumes",
			entries: "[]",
			spec:    "{version: 0.29.2, api: {tls: {secretRef: {name: tls}}}}",
		},
		"Images": {
			reason:  "An empty list allows none.",
			rule:    "images",
			entries: "[]",
			spec:    "{}",
			want:    []string{"spec.image"},
		},
		"ImagesAny": {
			reason:  "As elsewhere, the star allows any.",
			rule:    "images",
			entries: `["*"]`,
			spec:    "{}",
		},
		"ServiceAccounts": {
			reason:  "An empty list allows to name none.",
			rule:    "serviceAccountNames",
			entries: "[]",
			spec:    "{serviceAccountName: default}",
			want:    []string{"spec.serviceAccountName"},
		},
		"ServiceAccountsPattern": {
			reason:  "A name may be a pattern.",
			rule:    "serviceAccountNames",
			entries: `["files-*"]`,
			spec:    "{serviceAccountName: files-a}",
		},
		"ServiceAccountsKept": {
			reason:  "A pod that is kept is judged by the one that it has.",
			rule:    "serviceAccountNames",
			entries: "[files]",
			spec:    "{serviceAccountName: files}",
			change:  func(set *appsv1.StatefulSet) { set.Spec.Template.Spec.ServiceAccountName = "admin" },
			want:    []string{"spec.serviceAccountName"},
		},
		"ServiceAccountsKeptDefault": {
			reason:  "Every server may have the namespace's default.",
			rule:    "serviceAccountNames",
			entries: "[files]",
			spec:    "{serviceAccountName: files}",
			change:  func(set *appsv1.StatefulSet) { set.Spec.Template.Spec.ServiceAccountName = "default" },
		},
		"Config": {
			reason:  "Each key is named.",
			rule:    "config",
			entries: "Forbid",
			spec:    "{config: {gc: {auto_interval: 1h}, lock: {max_total_locks: 1}}}",
			want:    []string{"spec.config.gc", "spec.config.lock"},
		},
		"ConfigAllowed": {
			reason:  "Allow allows.",
			rule:    "config",
			entries: "Allow",
			spec:    "{config: {gc: {auto_interval: 1h}}}",
		},
		"PodSecurity": {
			reason:  "The pod is judged by the standard.",
			rule:    "podSecurity",
			entries: "baseline",
			spec:    "{securityContext: {privileged: true}}",
			want:    []string{"spec.securityContext"},
		},
		"PodSecurityAllowed": {
			reason:  "Another standard is another judge.",
			rule:    "podSecurity",
			entries: "privileged",
			spec:    "{securityContext: {privileged: true}}",
		},

		"Labels": {
			reason:  "Every object has them, and is asked once.",
			rule:    "labels",
			entries: "[cost-center]",
			spec:    "{labels: {cost-center: a, app: payments}}",
			want:    []string{"spec.labels[app]"},
		},
		"LabelsOwn": {
			reason:  "Those of the function need no permission, and the pod has others.",
			rule:    "labels",
			entries: "[]",
			spec:    "{podLabels: {a: b}}",
		},
		"LabelsOfClaims": {
			reason:  "A claim may have what no other object has.",
			rule:    "annotations",
			entries: "[]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.VolumeClaimTemplates[0].Annotations = map[string]string{"a": "b"}
			},
			want: []string{"spec.annotations[a]"},
		},
		"Annotations": {
			reason:  "Every object has them, and is asked once.",
			rule:    "annotations",
			entries: "[example.org/owner=storage]",
			spec:    "{annotations: {example.org/owner: others}}",
			want:    []string{"spec.annotations[example.org/owner]"},
		},
		"AnnotationsOfClaims": {
			reason:  "A claim may have another value.",
			rule:    "annotations",
			entries: "[example.org/owner=storage]",
			spec:    "{annotations: {example.org/owner: storage}, storage: {annotations: {example.org/owner: others}}}",
			want:    []string{"spec.storage.annotations[example.org/owner]"},
		},
		"LabelsOfStorage": {
			reason:  "A claim may have a label that nothing else has.",
			rule:    "labels",
			entries: "[]",
			spec:    "{labels: {a: b}, storage: {labels: {c: d}}}",
			want:    []string{"spec.labels[a]", "spec.storage.labels[c]"},
		},
		"StorageClassOfClaim": {
			reason:  "A class of one claim is its own field's, and that of the others is told once.",
			rule:    "storage.storageClassNames",
			entries: "[standard]",
			spec:    "{storage: {contentSize: 1Gi, storageClassName: fast, metadataStorageClassName: faster}}",
			want:    []string{"spec.storage.storageClassName", "spec.storage.metadataStorageClassName"},
		},
		"AnnotationsOwn": {
			reason:  "Services and pods have rules of their own.",
			rule:    "annotations",
			entries: "[]",
			spec:    "{service: {annotations: {a: b}}, podAnnotations: {a: b}, metrics: {enabled: true}}",
		},
		"AnnotationsOfServices": {
			reason:  "What every object has, a Service has.",
			rule:    "services.annotations",
			entries: "[]",
			spec:    "{annotations: {a: b, c: d}, service: {file: {annotations: {a: b}}, api: {annotations: {a: b}}}}",
			want:    []string{"spec.service.file.annotations[a]", "spec.annotations[c]", "spec.service.api.annotations[a]", "spec.annotations[a]"},
		},

		"ServiceTypes": {
			reason:  "What both Services have from one field is told once, the default too.",
			rule:    "services.types",
			entries: "[ClusterIP]",
			spec:    "{}",
			want:    []string{"spec.service.type"},
		},
		"ServiceTypesOfOne": {
			reason:  "A Service's own type is its own field's.",
			rule:    "services.types",
			entries: "[ClusterIP]",
			spec:    "{service: {type: ClusterIP, api: {type: NodePort}}}",
			want:    []string{"spec.service.api.type"},
		},
		"ServiceTypesAllowed": {
			reason:  "The other Services are of type ClusterIP, which needs no permission.",
			rule:    "services.types",
			entries: "[LoadBalancer]",
			spec:    "{metrics: {enabled: true}}",
		},
		"ServiceAnnotations": {
			reason:  "Each is judged by its key and its value, where it is set.",
			rule:    "services.annotations",
			entries: `[example.org/internal, example.org/scheme=internal]`,
			spec: `{service: {annotations: {example.org/internal: any, example.org/both: a}, file: {annotations: {example.org/scheme: internet-facing}},
				api: {annotations: {example.org/scheme: internal, example.org/own: a}}}}`,
			want: []string{"spec.service.annotations[example.org/both]", "spec.service.file.annotations[example.org/scheme]", "spec.service.api.annotations[example.org/own]"},
		},
		"ServiceAnnotationsOverridden": {
			reason:  "A value that no Service gets is not judged, and those of the metrics are the function's.",
			rule:    "services.annotations",
			entries: "[a=b]",
			spec:    "{metrics: {enabled: true}, service: {annotations: {a: c}, file: {annotations: {a: b}}, api: {annotations: {a: b}}}}",
		},
		"ServiceAnnotationsOfAll": {
			reason:  "A Service that nothing is said of has those of every object, whatever the others have instead.",
			rule:    "services.annotations",
			entries: "[a=b]",
			spec:    "{annotations: {a: c}, service: {annotations: {a: b}}}",
			want:    []string{"spec.annotations[a]"},
		},
		"LoadBalancerClasses": {
			reason:  "A class is named by its own field.",
			rule:    "services.loadBalancerClasses",
			entries: "[example.org/internal]",
			spec:    "{service: {file: {loadBalancerClass: example.org/internal}, api: {loadBalancerClass: example.org/public}}}",
			want:    []string{"spec.service.api.loadBalancerClass"},
		},
		"LoadBalancerClassesNone": {
			reason:  "A Service that names none gets the cluster's.",
			rule:    "services.loadBalancerClasses",
			entries: "[]",
			spec:    "{}",
		},
		"SourceRanges": {
			reason:  "Each range lies in one of those allowed, and a load balancer without one asks for all.",
			rule:    "services.sourceRanges",
			entries: "[10.0.0.0/8, 'fd00::/8']",
			spec:    "{service: {file: {loadBalancerSourceRanges: [10.1.0.0/16, 'fd00:1::/32', 10.0.0.0/7, 192.0.2.0/24, '::/0']}}}",
			want: []string{
				"spec.service.file.loadBalancerSourceRanges[2]", "spec.service.file.loadBalancerSourceRanges[3]", "spec.service.file.loadBalancerSourceRanges[4]",
				"spec.service.api.loadBalancerSourceRanges",
			},
		},
		"SourceRangesOfOneFamily": {
			reason:  "All addresses are those of both families.",
			rule:    "services.sourceRanges",
			entries: "[0.0.0.0/0]",
			spec:    "{service: {api: {type: ClusterIP}}}",
			want:    []string{"spec.service.file.loadBalancerSourceRanges"},
		},
		"SourceRangesAllowed": {
			reason:  "What is no load balancer needs none.",
			rule:    "services.sourceRanges",
			entries: "[10.0.0.0/8]",
			spec:    "{service: {api: {type: ClusterIP}, file: {loadBalancerSourceRanges: [10.0.0.0/8]}}}",
		},
		"SourceRangesAll": {
			reason:  "All addresses can be allowed.",
			rule:    "services.sourceRanges",
			entries: "[0.0.0.0/0, '::/0']",
			spec:    "{}",
		},
		"Ports": {
			reason:  "A port of a load balancer may be anybody's at a shared address.",
			rule:    "services.ports",
			entries: `["111", 2049-2050]`,
			spec:    "{nfsPort: 443, adapterPorts: {nfs: 12049}, apiPort: 22, smb: {enabled: true}, service: {api: {type: NodePort}}}",
			want:    []string{"spec.nfsPort", "spec.smb.port", "spec.apiPort"},
		},
		"PortsOfPortmapper": {
			reason:  "That of the portmapper is one as well.",
			rule:    "services.ports",
			entries: `["12049", "8080"]`,
			spec:    "{nfsPort: 12049, portmapper: {enabled: true}}",
			want:    []string{"spec.portmapper.enabled"},
		},
		"PortsAllowed": {
			reason:  "Within the cluster each Service has an address of its own.",
			rule:    "services.ports",
			entries: `["12049"]`,
			spec:    "{nfsPort: 12049, service: {api: {type: ClusterIP}}}",
		},
		"NodePorts": {
			reason:  "A port that is chosen is in a range.",
			rule:    "services.nodePorts",
			entries: "[32000-32099, '30443']",
			spec:    "{smb: {enabled: true}, service: {file: {nodePorts: {nfs: 32049, smb: 30445}}, api: {nodePorts: {api: 30443}}}}",
			want:    []string{"spec.service.file.nodePorts[smb]"},
		},
		"NodePortsAllocated": {
			reason:  "Those that Kubernetes chooses pass.",
			rule:    "services.nodePorts",
			entries: "[]",
			spec:    "{service: {type: NodePort}}",
		},

		"Budgets": {
			reason:  "One replica's budget holds up every drain.",
			rule:    "podDisruptionBudget",
			entries: "Forbid",
			spec:    "{podDisruptionBudget: {enabled: true}}",
			want:    []string{"spec.podDisruptionBudget.enabled"},
		},
		"BudgetsAllowed": {
			reason:  "Allow allows.",
			rule:    "podDisruptionBudget",
			entries: "Allow",
			spec:    "{podDisruptionBudget: {enabled: true}}",
		},
		"BudgetsNone": {
			reason:  "Who asks for none needs no permission.",
			rule:    "podDisruptionBudget",
			entries: "Forbid",
			spec:    "{podDisruptionBudget: {enabled: false}}",
		},
		"IngressNamespaces": {
			reason:  "A namespace is told by its name, and any other selector may select all.",
			rule:    "networkPolicy.ingressNamespaces",
			entries: "[web-*]",
			spec: `{metrics: {enabled: true}, networkPolicy: {ingress: {
				file: [{podSelector: {}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web-a}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: payments}}}],
				api: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [web-a, others]}]}}, {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [web-a]}]}}],
				metrics: [{namespaceSelector: {}}, {namespaceSelector: {matchLabels: {team: web}}}]}}}`,
			want: []string{
				"spec.networkPolicy.ingress.file[2].namespaceSelector",
				"spec.networkPolicy.ingress.api[0].namespaceSelector", "spec.networkPolicy.ingress.api[1].namespaceSelector",
				"spec.networkPolicy.ingress.metrics[0].namespaceSelector", "spec.networkPolicy.ingress.metrics[1].namespaceSelector",
			},
		},
		"IngressNamespacesOwn": {
			reason:  "The server's own namespace passes, and addresses have a rule of their own.",
			rule:    "networkPolicy.ingressNamespaces",
			entries: "[]",
			spec: `{networkPolicy: {ingress: {nodes: [file], api: [],
				file: [{podSelector: {}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: storage, team: web}}}, {ipBlock: {cidr: 0.0.0.0/0}}]}}}`,
		},
		"IngressNamespacesAll": {
			reason:  "Every namespace can be allowed.",
			rule:    "networkPolicy.ingressNamespaces",
			entries: `["*"]`,
			spec:    "{networkPolicy: {ingress: {file: [{namespaceSelector: {}}], api: []}}}",
		},
		"IngressRanges": {
			reason:  "Each range lies in one of those allowed, whatever it leaves out.",
			rule:    "networkPolicy.ingressRanges",
			entries: "[10.0.0.0/8, 'fd00::/8']",
			spec: `{networkPolicy: {ingress: {file: [{ipBlock: {cidr: 10.1.0.0/16}}, {ipBlock: {cidr: 'fd00::/9'}}, {ipBlock: {cidr: 0.0.0.0/0, except: [192.0.2.0/24]}}],
				api: [{namespaceSelector: {}}, {ipBlock: {cidr: 192.0.2.0/24}}]}}}`,
			want: []string{"spec.networkPolicy.ingress.file[2].ipBlock.cidr", "spec.networkPolicy.ingress.api[1].ipBlock.cidr"},
		},
		"IngressRangesNone": {
			reason:  "Pods have a rule of their own, and [] admits nobody.",
			rule:    "networkPolicy.ingressRanges",
			entries: "[]",
			spec:    "{networkPolicy: {ingress: {file: [{namespaceSelector: {}}], api: []}}}",
		},
		"EgressNamespaces": {
			reason:  "A rule that names nobody is one of all.",
			rule:    "networkPolicy.egressNamespaces",
			entries: "[postgres]",
			spec: `{networkPolicy: {ingress: {file: [], api: []}, egress: [
				{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: postgres}}}, {podSelector: {}}]},
				{ports: [{port: 5432}]}, {to: [{ipBlock: {cidr: 192.0.2.0/24}}, {namespaceSelector: {}}]}]}}`,
			want: []string{"spec.networkPolicy.egress[1].to", "spec.networkPolicy.egress[2].to[1].namespaceSelector"},
		},
		"EgressNamespacesDNS": {
			reason:  "Name servers are the platform's.",
			rule:    "networkPolicy.egressNamespaces",
			entries: "[]",
			spec:    "{networkPolicy: {ingress: {file: [], api: []}, egress: []}}",
		},
		"EgressRanges": {
			reason:  "A rule that names nobody is one of all addresses.",
			rule:    "networkPolicy.egressRanges",
			entries: "[192.0.2.0/24]",
			spec: `{networkPolicy: {ingress: {file: [], api: []}, egress: [
				{to: [{ipBlock: {cidr: 192.0.2.7/32}}, {ipBlock: {cidr: 198.51.100.7/32}}, {namespaceSelector: {}}]}, {ports: [{port: 443}]}, {to: [{ipBlock: {cidr: 169.254.169.254/32}}]}]}}`,
			want: []string{"spec.networkPolicy.egress[0].to[1].ipBlock.cidr", "spec.networkPolicy.egress[1].to", "spec.networkPolicy.egress[2].to[0].ipBlock.cidr"},
		},
		"EgressRangesNone": {
			reason:  "Without egress a NetworkPolicy lets the server reach nothing that another one does not.",
			rule:    "networkPolicy.egressRanges",
			entries: "[]",
			spec:    "{networkPolicy: {ingress: {file: [], api: []}}}",
		},

		"PriorityClasses": {
			reason:  "The classes of the cluster's own components displace everybody.",
			rule:    "scheduling.priorityClassNames",
			entries: "[storage]",
			spec:    "{priorityClassName: system-cluster-critical}",
			want:    []string{"spec.priorityClassName"},
		},
		"PriorityClassesNone": {
			reason:  "A server that names none gets the cluster's default.",
			rule:    "scheduling.priorityClassNames",
			entries: "[]",
			spec:    "{}",
		},
		"Tolerations": {
			reason:  "A key without its value takes the key, and one without a key takes everything.",
			rule:    "scheduling.tolerations",
			entries: "[example.org/disk, example.org/team=storage]",
			spec: `{tolerations: [{key: example.org/disk, operator: Exists}, {key: example.org/team, value: storage}, {key: example.org/team, operator: Exists},
				{key: example.org/team, value: other}, {operator: Exists}, {key: node-role.kubernetes.io/control-plane, operator: Exists}]}`,
			want: []string{"spec.tolerations[2].key", "spec.tolerations[3].key", "spec.tolerations[4].key", "spec.tolerations[5].key"},
		},
		"TolerationsAllowed": {
			reason:  "Only the star allows to tolerate everything.",
			rule:    "scheduling.tolerations",
			entries: `["*"]`,
			spec:    "{tolerations: [{operator: Exists}]}",
		},
		"NodeLabels": {
			reason:  "Nodes are chosen by labels and values of the list, wherever it is said.",
			rule:    "scheduling.nodeLabels",
			entries: "[kubernetes.io/os, example.org/team=storage]",
			spec: `{nodeSelector: {kubernetes.io/os: linux, kubernetes.io/hostname: a}, affinity: {nodeAffinity: {
				requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
					{matchExpressions: [{key: example.org/team, operator: In, values: [storage, other]}, {key: example.org/team, operator: NotIn, values: [storage]}]},
					{matchFields: [{key: metadata.name, operator: In, values: [a]}]}]},
				preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: example.org/disk, operator: Exists}]}}]}}}`,
			want: []string{
				"spec.nodeSelector[kubernetes.io/hostname]",
				"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[1]",
				"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].key",
				"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[1].matchFields[0].values[0]",
				"spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key",
			},
		},
		"NodeLabelsAllowed": {
			reason:  "A key allows each of its values.",
			rule:    "scheduling.nodeLabels",
			entries: "[topology.kubernetes.io/*]",
			spec:    "{nodeSelector: {topology.kubernetes.io/zone: a}}",
		},
		"NodeLabelsOfTopologies": {
			reason:  "A pod comes only to nodes that have the label of a constraint, or of an affinity to pods; not so where it keeps away.",
			rule:    "scheduling.nodeLabels",
			entries: "[topology.kubernetes.io/*, example.org/gpu=none]",
			spec: `{topologySpreadConstraints: [
				{topologyKey: topology.kubernetes.io/zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}, {topologyKey: kubernetes.io/hostname, maxSkew: 1, whenUnsatisfiable: DoNotSchedule},
				{topologyKey: example.org/gpu, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}],
			affinity: {
				podAffinity: {
					requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname}, {topologyKey: example.org/gpu}],
					preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: example.org/gpu}}]},
				podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: example.org/gpu}]}}}`,
			want: []string{
				"spec.topologySpreadConstraints[2].topologyKey",
				"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].topologyKey",
				"spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey",
			},
		},
		"PodNamespaces": {
			reason:  "A server may be near to, or far from, pods of its own namespace only.",
			rule:    "scheduling.podNamespaces",
			entries: "[shared]",
			spec: `{affinity: {
				podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}, {topologyKey: zone, namespaces: [storage, shared, payments]}]},
				podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, namespaceSelector: {}}],
					preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, namespaces: [payments]}}]}}}`,
			want: []string{
				"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[1].namespaces[2]",
				"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespaceSelector",
				"spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.namespaces[0]",
			},
		},
		"PodNamespacesOwn": {
			reason:  "Its own namespace needs no permission.",
			rule:    "scheduling.podNamespaces",
			entries: "[]",
			spec:    "{affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, namespaces: [storage]}]}}}",
		},

		"PodLabels": {
			reason:  "A label may fit the selector of somebody's Service.",
			rule:    "pods.labels",
			entries: "[example.org/*, app=files]",
			spec:    "{podLabels: {example.org/tier: storage, app: payments}}",
			want:    []string{"spec.podLabels[app]"},
		},
		"PodLabelsOwn": {
			reason:  "Those of the function need no permission.",
			rule:    "pods.labels",
			entries: "[]",
			spec:    "{version: 0.29.2}",
		},
		"PodAnnotations": {
			reason:  "An annotation may be an order to a network, a runtime or an injector.",
			rule:    "pods.annotations",
			entries: "[example.org/backup]",
			spec:    "{podAnnotations: {example.org/backup: nightly, k8s.v1.cni.cncf.io/networks: other, sidecar.istio.io/inject: 'true'}}",
			want:    []string{"spec.podAnnotations[k8s.v1.cni.cncf.io/networks]", "spec.podAnnotations[sidecar.istio.io/inject]"},
		},
		"PodAnnotationsOwn": {
			reason:  "Those of the function need no permission.",
			rule:    "pods.annotations",
			entries: "[]",
			spec:    "{}",
		},
		"Env": {
			reason:  "Only the user's variables are judged, and counted as the spec does.",
			rule:    "pods.env",
			entries: "[AWS_*]",
			spec:    "{extraEnv: [{name: AWS_REGION, value: a}, {name: HTTPS_PROXY, value: a}]}",
			want:    []string{"spec.extraEnv[1].name"},
		},
		"EnvOwn": {
			reason:  "Those of the function need no permission.",
			rule:    "pods.env",
			entries: "[]",
			spec:    "{version: 0.29.2, database: {postgres: {secretRef: {name: postgres}}}}",
		},
		"EnvOfProviders": {
			reason:  "Nor those of an identity provider that a pod which is kept has, and the spec has no more.",
			rule:    "pods.env",
			entries: "[]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationConfig: "ldap:\n  enabled: true\n"}
				set.Spec.Template.Spec.Containers[0].Env = append(set.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "DITTOFS_LDAP_URL", Value: "ldaps://a"})
			},
		},
		"IDs": {
			reason:  "Users and groups are in a range.",
			rule:    "pods.ids",
			entries: "[1000-1999]",
			spec:    "{podSecurityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 2001, supplementalGroups: [1999, 999]}, securityContext: {runAsUser: 65533, runAsGroup: 7}}",
			want: []string{
				"spec.podSecurityContext.runAsGroup", "spec.podSecurityContext.fsGroup", "spec.podSecurityContext.supplementalGroups[1]",
				"spec.securityContext.runAsUser", "spec.securityContext.runAsGroup",
			},
		},
		"IDsOwn": {
			reason:  "The function's own needs no permission.",
			rule:    "pods.ids",
			entries: "[]",
			spec:    "{}",
		},
		"GracePeriod": {
			reason:  "A pod that stops slowly holds up a drain.",
			rule:    "pods.maxGracePeriod",
			entries: "2m",
			spec:    "{terminationGracePeriodSeconds: 121}",
			want:    []string{"spec.terminationGracePeriodSeconds"},
		},
		"GracePeriodByTimeout": {
			reason:  "It follows from another field as well.",
			rule:    "pods.maxGracePeriod",
			entries: "2m",
			spec:    "{shutdownTimeout: 36s}",
			want:    []string{"spec.shutdownTimeout"},
		},
		"GracePeriodAllowed": {
			reason:  "As long is not longer.",
			rule:    "pods.maxGracePeriod",
			entries: "2m",
			spec:    "{terminationGracePeriodSeconds: 120}",
		},
		"StartupTime": {
			reason:  "A pod has so much time to start.",
			rule:    "pods.maxStartupTime",
			entries: "149s",
			spec:    "{}",
			want:    []string{"spec.startupTimeout"},
		},
		"StartupTimeAllowed": {
			reason:  "As long is not longer.",
			rule:    "pods.maxStartupTime",
			entries: "150s",
			spec:    "{}",
		},

		"Resources": {
			reason:  "Devices are resources too.",
			rule:    "resources.names",
			entries: "[cpu, memory]",
			spec:    "{resources: {limits: {cpu: 1, example.org/gpu: 1}, requests: {ephemeral-storage: 1Gi}}}",
			want:    []string{"spec.resources.limits[example.org/gpu]", "spec.resources.requests[ephemeral-storage]"},
		},
		"ResourcesAllowed": {
			reason:  "Who asks for none passes.",
			rule:    "resources.names",
			entries: "[]",
			spec:    "{}",
		},
		"ResourcesRequiredZero": {
			reason:  "A limit of zero is none, and takes all that a node has.",
			rule:    "resources.required",
			entries: "[requests.memory, limits.memory]",
			spec:    "{resources: {requests: {memory: 0}, limits: {memory: 0}}}",
			want:    []string{"spec.resources.requests[memory]", "spec.resources.limits[memory]"},
		},
		"ResourcesRequired": {
			reason:  "What is required must be there.",
			rule:    "resources.required",
			entries: "[limits.memory, requests.cpu]",
			spec:    "{resources: {limits: {cpu: 1}, requests: {memory: 1Gi}}}",
			want:    []string{"spec.resources.limits[memory]", "spec.resources.requests[cpu]"},
		},
		"ResourcesRequiredThere": {
			reason:  "Any amount of it does.",
			rule:    "resources.required",
			entries: "[limits.memory]",
			spec:    "{resources: {limits: {memory: 1Gi}}}",
		},
		"ResourcesMax": {
			reason:  "Neither a limit nor a request is more.",
			rule:    "resources.max",
			entries: "{cpu: '2', memory: 4Gi}",
			spec:    "{resources: {limits: {cpu: 2001m, memory: 5Gi}, requests: {memory: 4097Mi}}}",
			want:    []string{"spec.resources.limits[cpu]", "spec.resources.limits[memory]", "spec.resources.requests[memory]"},
		},
		"ResourcesMaxAllowed": {
			reason:  "As much is not more, in whatever spelling.",
			rule:    "resources.max",
			entries: "{cpu: '2', memory: 4Gi}",
			spec:    "{resources: {limits: {cpu: 2000m, memory: 4096Mi}}}",
		},

		"StorageClasses": {
			reason:  "The empty class is one: it binds volumes that an administrator made.",
			rule:    "storage.storageClassNames",
			entries: "[standard]",
			spec:    "{storage: {storageClassName: ''}}",
			want:    []string{"spec.storage.storageClassName"},
		},
		"StorageClassesAllowed": {
			reason:  "A class of the list passes.",
			rule:    "storage.storageClassNames",
			entries: "['']",
			spec:    "{storage: {storageClassName: ''}}",
		},
		"StorageClassesNone": {
			reason:  "A server that names none gets the cluster's.",
			rule:    "storage.storageClassNames",
			entries: "[]",
			spec:    "{}",
		},
		"VolumeAttributesClasses": {
			reason:  "Claims are judged, whatever sets their class.",
			rule:    "storage.volumeAttributesClassNames",
			entries: "[]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.VolumeClaimTemplates[0].Spec.VolumeAttributesClassName = new("gold")
			},
			want: []string{"spec.storage.volumeAttributesClassName"},
		},
		"VolumeAttributesClassesAllowed": {
			reason:  "A class of the list passes.",
			rule:    "storage.volumeAttributesClassNames",
			entries: "[gold]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.VolumeClaimTemplates[0].Spec.VolumeAttributesClassName = new("gold")
			},
		},
		"DataSources": {
			reason:  "A claim may be filled with somebody's data, of this namespace or of another.",
			rule:    "storage.dataSources",
			entries: "[VolumeSnapshot/nightly-*]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.VolumeClaimTemplates[0].Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "payments"}
				set.Spec.VolumeClaimTemplates[1].Spec.DataSourceRef = &corev1.TypedObjectReference{Kind: "VolumeSnapshot", Name: "nightly-1", Namespace: new("payments")}
			},
			want: []string{"spec.storage.controlPlaneDataSource", "spec.storage.metadataDataSource"},
		},
		"DataSourcesAllowed": {
			reason:  "A source of the list passes.",
			rule:    "storage.dataSources",
			entries: "[VolumeSnapshot/nightly-*]",
			change: func(set *appsv1.StatefulSet) {
				set.Spec.VolumeClaimTemplates[1].Spec.DataSourceRef = &corev1.TypedObjectReference{Kind: "VolumeSnapshot", Name: "nightly-1"}
			},
		},
		"MaxSize": {
			reason:  "Each claim is as large at most, whatever its field.",
			rule:    "storage.maxSize",
			entries: "100Gi",
			spec:    "{storage: {metadataSize: 101Gi, contentSize: 1Ti}}",
			want:    []string{"spec.storage.metadataSize", "spec.storage.contentSize"},
		},
		"MaxSizeAllowed": {
			reason:  "As large is not larger.",
			rule:    "storage.maxSize",
			entries: "10Gi",
			spec:    "{storage: {metadataSize: 10240Mi}}",
		},

		"Hostnames": {
			reason:  "A name is somebody's. The own namespace and name stand for themselves only.",
			rule:    "routes.hostnames",
			entries: "[$(name).$(namespace).example.org]",
			spec:    "{api: {route: {hostnames: [files.storage.example.org, files.payments.example.org, storage.example.org], parentRefs: [{name: shared}]}}}",
			want:    []string{"spec.api.route.hostnames[1]", "spec.api.route.hostnames[2]"},
		},
		"HostnamesOfTLS": {
			reason:  "So is one that a Gateway passes through.",
			rule:    "routes.hostnames",
			entries: "[]",
			spec:    "{version: 0.29.2, api: {tls: {secretRef: {name: tls}, clientCASecretRef: {name: ca}}, route: {hostnames: [files.example.org], parentRefs: [{name: shared}]}}}",
			want:    []string{"spec.api.route.hostnames[0]"},
		},
		"HostnamesAllowed": {
			reason:  "Who has no route passes, and so does who takes an allowed name.",
			rule:    "routes.hostnames",
			entries: `["*.$(namespace).example.org"]`,
			spec:    "{api: {route: {hostnames: [a.b.storage.example.org], parentRefs: [{name: shared}]}}}",
		},
		"Gateways": {
			reason:  "A Gateway of another namespace may lead anywhere. One without a listener is all of them.",
			rule:    "routes.gateways",
			entries: "[gateways/shared/api, gateways/open]",
			spec: `{api: {route: {hostnames: [a], parentRefs: [
				{name: shared, namespace: gateways, sectionName: api}, {name: shared, namespace: gateways, sectionName: admin}, {name: other, namespace: gateways},
				{name: open, namespace: gateways, sectionName: any}, {name: open, namespace: payments}, {name: own}]}}}`,
			want: []string{"spec.api.route.parentRefs[1]", "spec.api.route.parentRefs[2]", "spec.api.route.parentRefs[4]", "spec.api.route.parentRefs[5]"},
		},
		"GatewaysAllowed": {
			reason:  "Those of the own namespace may be meant.",
			rule:    "routes.gateways",
			entries: "[$(namespace)/*]",
			spec:    "{api: {route: {hostnames: [a], parentRefs: [{name: own}, {name: other, namespace: storage, sectionName: api}]}}}",
		},

		"MonitorLabels": {
			reason:  "A label chooses the Prometheus, wherever it is from, unless it is the platform's.",
			rule:    "monitors.labels",
			entries: "[team=storage]",
			spec:    "{labels: {release: others}, metrics: {enabled: true, serviceMonitor: {enabled: true, labels: {prometheus: others, team: storage}}}}",
			want:    []string{"spec.metrics.serviceMonitor.labels[prometheus]", "spec.labels[release]"},
		},
		"MonitorLabelsAllowed": {
			reason:  "Who chooses none passes, and so does who has no ServiceMonitor.",
			rule:    "monitors.labels",
			entries: "[]",
			spec:    "{labels: {release: others}, metrics: {enabled: true, serviceMonitor: {labels: {prometheus: others}}}}",
		},
		"MonitorInterval": {
			reason:  "Each scrape costs Prometheus something.",
			rule:    "monitors.minInterval",
			entries: "15s",
			spec:    "{metrics: {enabled: true, serviceMonitor: {enabled: true, interval: 14s}}}",
			want:    []string{"spec.metrics.serviceMonitor.interval"},
		},
		"MonitorIntervalAllowed": {
			reason:  "As long is not shorter.",
			rule:    "monitors.minInterval",
			entries: "15s",
			spec:    "{metrics: {enabled: true, serviceMonitor: {enabled: true, interval: 15s}}}",
		},
	}

	refused, allowed := map[string]bool{}, map[string]bool{}

	for name, tc := range cases {
		if len(tc.want) > 0 {
			refused[tc.rule] = true
		} else {
			allowed[tc.rule] = true
		}

		t.Run(name, func(t *testing.T) {
			judge := func(input string) []string {
				s := server(t, tc.spec, input)
				built := objects(t, s)

				if tc.change != nil {
					for _, o := range built {
						if set, ok := o.Object.(*appsv1.StatefulSet); ok {
							tc.change(set)
						}
					}
				}

				var got []string
				for _, err := range Check(s, built) {
					got = append(got, err.Field)
				}

				return got
			}

			entries := tc.entries
			for _, key := range slices.Backward(strings.Split(tc.rule, ".")) {
				entries = "{" + key + ": " + entries + "}"
			}

			if diff := cmp.Diff(tc.want, judge("{policy: "+entries+"}")); diff != "" {
				t.Errorf("%s\nCheck(...): -want, +got:\n%s", tc.reason, diff)
			}

			// Without the policy everything passes, except what breaks the default standard.
			if got := judge("{policy: {podSecurity: privileged}}"); got != nil {
				t.Errorf("without the policy: %q", got)
			}
		})
	}

	for _, f := range fields(reflect.TypeFor[v1beta1.Policy]()) {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.field == f }) {
			t.Errorf("policy.%s has no rule", f)
		}

		if !refused[f] || !allowed[f] {
			t.Errorf("policy.%s needs a case that refuses, and one that allows", f)
		}
	}
}

// fields returns the paths of the fields of the policy that have a value of their own.
func fields(t reflect.Type, path ...string) []string {
	if t.Kind() != reflect.Struct {
		return []string{strings.Join(path, ".")}
	}

	var all []string

	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, fields(f.Type, append(slices.Clone(path), name)...)...)
	}

	return all
}

func TestMatches(t *testing.T) {
	cases := map[string]struct {
		reason, pattern string
		want, not       []string
	}{
		"Exact":    {"Without a star it is the text itself.", "a", []string{"a"}, []string{"", "A", "aa", "*"}},
		"Empty":    {"Nothing is nothing.", "", []string{""}, []string{"a"}},
		"Begin":    {"The beginning counts.", "a*", []string{"a", "ab", "a/b"}, []string{"", "ba"}},
		"End":      {"The end counts.", "*a", []string{"a", "ba"}, []string{"", "ab"}},
		"Both":     {"Beginning and end do not overlap.", "ab*ba", []string{"abba", "ab/ba"}, []string{"aba", "ab"}},
		"Between":  {"What is between comes in its order.", "a*b*c*d", []string{"abcd", "a-b-c-d", "abbccd"}, []string{"acbd", "abcd-", "abd"}},
		"Repeated": {"The first that fits leaves the most.", "*ab*ab*", []string{"abab", "aabab"}, []string{"ab", "aab", "aba"}},
		"Other":    {"Nothing else is special.", "[a]?.*", []string{"[a]?.", "[a]?.x"}, []string{"ab.", "a?."}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, text := range tc.want {
				if !matches(tc.pattern, text) {
					t.Errorf("%s\nmatches(%q, %q): want true", tc.reason, tc.pattern, text)
				}
			}

			for _, text := range tc.not {
				if matches(tc.pattern, text) {
					t.Errorf("%s\nmatches(%q, %q): want false", tc.reason, tc.pattern, text)
				}
			}
		})
	}
}

// A closed policy allows a server that asks for nothing, and every object of it that is not in a
// rule's hands has nothing that a user chose.
func TestServicesOfTheFunctionAreInternal(t *testing.T) {
	s := server(t, "{metrics: {enabled: true}}", "{}")

	for _, o := range objects(t, s) {
		svc, ok := o.Object.(*corev1.Service)
		if !ok || o.Name == manifest.ServiceFile || o.Name == manifest.ServiceAPI {
			continue
		}

		if svc.Spec.Type != corev1.ServiceTypeClusterIP && svc.Spec.Type != "" || len(svc.Spec.ExternalIPs) > 0 || svc.Spec.ExternalName != "" {
			t.Errorf("%s can be reached from outside, and no rule judges it", o.Name)
		}
	}
}

// TestRulesAreDocumented shows that the page on security has each rule in its table of what tenants
// can do.
func TestRulesAreDocumented(t *testing.T) {
	const page = "docs/security.md"

	b, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}

	for _, r := range rules {
		row := regexp.MustCompile("(?m)^\\|[^|]*\\|[^|]*`policy\\." + regexp.QuoteMeta(r.field) + "`")
		if !row.Match(b) {
			t.Errorf("%s: policy.%s is missing in the column of what bounds tenants", page, r.field)
		}
	}
}

// TestPlatformsAreClosed shows that the Compositions of the examples which have rules have each, and open none. The one
// with every field of the input shows fields.
func TestPlatformsAreClosed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "example", "*", "composition*.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	isClosed := 0

	for _, file := range files {
		if policy := policyOf(t, file); policy != nil && filepath.Base(file) != "composition-full.yaml" {
			checkClosed(t, file, policy)

			isClosed++
		}
	}

	if isClosed < 2 {
		t.Errorf("want two Compositions with a policy among %q, got %d", files, isClosed)
	}
}

// policyOf returns the policy of a Composition in a file, or nil.
func policyOf(t *testing.T, file string) map[string]any {
	t.Helper()

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	var composition struct {
		Spec struct {
			Pipeline []struct {
				Input struct {
					Policy map[string]any `json:"policy"`
				} `json:"input"`
			} `json:"pipeline"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(b, &composition); err != nil {
		t.Fatal(err)
	}

	return composition.Spec.Pipeline[0].Input.Policy
}

func checkClosed(t *testing.T, file string, policy map[string]any) {
	t.Helper()

	for _, r := range rules {
		v, ok, err := unstructured.NestedFieldNoCopy(policy, strings.Split(r.field, ".")...)
		if err != nil || !ok {
			t.Errorf("%s leaves policy.%s out, which allows everything: %v", file, r.field, err)
		}

		if list, isList := v.([]any); v == string(v1beta1.Allow) || isList && slices.Contains(list, any(v1beta1.PolicyAny)) {
			t.Errorf("%s opens policy.%s: %v", file, r.field, v)
		}
	}
}

// TestPlatformsOwn shows that what the input itself puts on objects needs no entry.
func TestPlatformsOwn(t *testing.T) {
	const closed = "policy: {labels: [], annotations: [], services: {annotations: []}}"

	s := server(t, "{}", "{labels: {a: b}, annotations: {a: b}, "+closed+"}")
	if errs := Check(s, objects(t, s)); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}

	const network = "{networkPolicy: {nodeRanges: [172.16.0.0/16]}, policy: {networkPolicy: {ingressNamespaces: [], ingressRanges: [], egressNamespaces: [], egressRanges: []}}}"

	s = server(t, "{networkPolicy: {ingress: {file: [{podSelector: {}}], api: [], nodes: [file, api]}, egress: []}}", network)
	if errs := Check(s, objects(t, s)); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}

	s = server(t, "{networkPolicy: {ingress: {file: [], api: [{ipBlock: {cidr: 172.16.0.0/15}}], nodes: [api]}}}", network)
	if errs := Check(s, objects(t, s)); len(errs) != 1 || errs[0].Field != "spec.networkPolicy.ingress.api[0].ipBlock.cidr" {
		t.Errorf("want an error of a larger range than the input's, got %v", errs)
	}

	s = server(t, "{service: {api: {annotations: {a: c}}}}", "{annotations: {a: b}, "+closed+"}")
	if errs := Check(s, objects(t, s)); len(errs) > 0 {
		t.Errorf("want no error of a value that the input's takes the place of, got %v", errs)
	}
}
