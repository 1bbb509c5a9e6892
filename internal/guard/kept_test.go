package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestJudge(t *testing.T) {
	const spec = `{version: 0.29.2, replicas: 1, identity: {jwt: {secretRef: {name: jwt}}},
		service: {file: {loadBalancerClass: new, loadBalancerSourceRanges: [10.0.0.0/8]}, api: {type: ClusterIP}}, api: {route: {hostnames: [new], parentRefs: [{name: own}]}},
		metrics: {enabled: true, serviceMonitor: {enabled: true, interval: 30s}}}`

	xr := protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: "+spec+"}")

	// old is another pod template than the desired one, with a label of its own.
	old := func(m manifest.Manifests) {
		set(m, manifest.StatefulSet, "b", "spec", "template", "metadata", "labels", "a")
	}

	cases := map[string]struct {
		reason string
		policy string
		d      Decision

		// keep what a Decision keeps of the desired manifests, and stopped asks for no replica.
		keep    func(m manifest.Manifests)
		stopped bool

		want       []string
		notStarted bool
	}{
		"Nothing": {
			reason: "What is desired was judged already.",
			policy: "{pods: {labels: []}}",
		},
		"Template": {
			reason: "A pod template that is held may have what a policy forbids that came later.",
			policy: "{pods: {labels: []}}",
			d:      Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep:   old,
			want:   []string{"spec.podLabels[a]"},
		},
		"TemplateAllowed": {
			reason: "It may fit the policy.",
			policy: "{pods: {labels: [a]}}",
			d:      Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep:   old,
		},
		"Stopped": {
			reason:     "A stopped server does not start with it.",
			policy:     "{pods: {labels: []}}",
			d:          Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep:       old,
			stopped:    true,
			want:       []string{"spec.podLabels[a]"},
			notStarted: true,
		},
		"StoppedAllowed": {
			reason:  "It starts with what the policy allows.",
			policy:  "{pods: {labels: [a]}}",
			d:       Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep:    old,
			stopped: true,
		},
		"Moving": {
			reason:     "What goes by itself in a moment is no warning, and starts nothing either.",
			policy:     "{pods: {labels: []}}",
			d:          Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
			keep:       old,
			stopped:    true,
			notStarted: true,
		},
		"NotFetched": {
			reason: "Crossplane composes nothing of this answer.",
			policy: "{pods: {labels: []}}",
			d:      Decision{Rollout: SecretsNotFetched, Template: TemplateAsked},
			keep:   old,
		},
		"Claims": {
			reason: "Volume claims that there are stay, whatever a policy says.",
			policy: "{storage: {maxSize: 100Gi}}",
			d:      Decision{Rollout: RolledOut},
			keep: func(m manifest.Manifests) {
				m[manifest.StatefulSet] = protostruct.With(m[manifest.StatefulSet], protostructtest.FromYAML(t, "{a: [{metadata: {name: metadata}, spec: {resources: {requests: {storage: 1Ti}}}}]}").GetFields()["a"], "spec", "volumeClaimTemplates")
			},
		},
		"Class": {
			reason:  "A load balancer keeps its class, which keeps no server from starting.",
			policy:  "{services: {loadBalancerClasses: [new]}}",
			d:       Decision{Rollout: RolledOut, Classes: map[manifest.Name]*string{manifest.ServiceFile: new("old")}},
			keep:    func(m manifest.Manifests) { set(m, manifest.ServiceFile, "old", "spec", "loadBalancerClass") },
			stopped: true,
			want:    []string{"spec.service.file.loadBalancerClass"},
		},
		"Ranges": {
			reason: "A family that is closed beside the desired ranges is no range of a user's.",
			policy: "{services: {sourceRanges: [10.0.0.0/8]}}",
			d:      Decision{Rollout: RolledOut, Classes: map[manifest.Name]*string{manifest.ServiceFile: new("old")}},
			keep: func(m manifest.Manifests) {
				m[manifest.ServiceFile] = protostruct.With(m[manifest.ServiceFile], listOf([]string{"10.0.0.0/8", "::1/128"}), "spec", "loadBalancerSourceRanges")
			},
		},
		"Route": {
			reason: "A route of the kind that fits a pod template which is held keeps its hostnames.",
			policy: "{routes: {hostnames: [new]}}",
			d:      Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep: func(m manifest.Manifests) {
				delete(m, manifest.HTTPRoute)
				m[manifest.TLSRoute] = protostructtest.FromYAML(t, "{spec: {hostnames: [new, old], parentRefs: [{name: own}]}}")
			},
			want: []string{"spec.api.route.hostnames[1]"},
		},
		"Monitor": {
			reason: "A ServiceMonitor keeps how its pod is scraped.",
			policy: "{monitors: {minInterval: 30s}}",
			d:      Decision{Rollout: ApprovalRequired, Template: TemplateAsked},
			keep: func(m manifest.Manifests) {
				m[manifest.Monitor] = protostruct.With(m[manifest.Monitor], protostructtest.FromYAML(t, "{a: [{port: metrics, path: /, interval: 1s}]}").GetFields()["a"], "spec", "endpoints")
			},
			want: []string{"spec.metrics.serviceMonitor.interval"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := composite.Decode(xr, protostructtest.FromYAML(t, "{kinds: {HTTPRoute: Discover, TLSRoute: Discover, ServiceMonitor: Discover}, policy: "+tc.policy+"}"))
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}

			in := manifest.PodInputs{Image: s.Release.Image()}

			pod, err := manifest.Pod(s, in)
			if err != nil {
				t.Fatal(err)
			}

			objects, err := manifest.Objects(s, manifest.Inputs{Pod: pod})
			if err != nil {
				t.Fatal(err)
			}

			desired, err := manifest.Encode(objects)
			if err != nil {
				t.Fatal(err)
			}

			o := observed.Resources{manifest.StatefulSet: {Asked: desired[manifest.StatefulSet]}}
			if tc.stopped {
				o[manifest.StatefulSet].Asked = protostruct.With(desired[manifest.StatefulSet], structpb.NewNumberValue(0), "spec", "replicas")
			}

			composed := Apply(Decision{}, desired, nil, o, digester{})
			if tc.keep != nil {
				tc.keep(composed)
			}

			got, kept := Judge(s, tc.d, objects, desired, composed, o)

			var forbidden []string
			for _, err := range kept.Forbidden {
				forbidden = append(forbidden, err.Field)
			}

			if diff := cmp.Diff(tc.want, forbidden); diff != "" {
				t.Errorf("%s\nJudge(...): -want, +got:\n%s", tc.reason, diff)
			}

			if kept.NotStarted != tc.notStarted {
				t.Errorf("%s\nJudge(...): want NotStarted %t, got %t", tc.reason, tc.notStarted, kept.NotStarted)
			}

			if tc.notStarted {
				composed[manifest.StatefulSet] = protostruct.With(composed[manifest.StatefulSet], structpb.NewNumberValue(0), "spec", "replicas")
			}

			if diff := cmp.Diff(composed, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nJudge(...): nothing else changes: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// set a text at a path of a manifest, in a copy of it.
func set(m manifest.Manifests, n manifest.Name, text string, path ...string) {
	m[n] = protostruct.With(m[n], structpb.NewStringValue(text), path...)
}
