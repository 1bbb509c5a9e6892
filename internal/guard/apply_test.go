package guard

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// A digester that tells what it is asked for.
type digester struct{}

func (digester) Of(config []byte) string { return "digest of " + string(config) }

func (digester) Same(digest string, config []byte) string {
	if digest != "whole" {
		return ""
	}

	return "same of " + string(config)
}

func TestApply(t *testing.T) {
	const (
		desiredConfigMap = `{metadata: {annotations: {dittofs.io/image: "dittofs:new"}}, data: {config.yaml: new}}`
		desiredSet       = `{spec: {replicas: 0, serviceName: new, template: {metadata: {annotations: {dittofs.io/config: new, dittofs.io/config-hash: digest of new}}, spec: {containers: [{name: dittofs, image: "dittofs:new"}]}}}}`
		askedTemplate    = `{metadata: {annotations: {dittofs.io/config: old}}, spec: {containers: [{name: dittofs, image: "dittofs:old"}]}}`
		desiredService   = `{spec: {type: LoadBalancer, loadBalancerClass: new}}`
		desiredMetrics   = `{metadata: {annotations: {prometheus.io/port: "2", prometheus.io/path: /new, prometheus.io/scheme: https}}}`
		askedMetrics     = `{metadata: {annotations: {prometheus.io/port: "1", prometheus.io/path: /old}}}`
		desiredMonitor   = `{metadata: {labels: {a: new}}, spec: {endpoints: [{scheme: https, path: /new}], selector: {a: new}}}`
		askedMonitor     = `{metadata: {labels: {a: old}}, spec: {endpoints: [{path: /old}], selector: {a: old}}}`
		keptMonitor      = `{metadata: {labels: {a: new}}, spec: {endpoints: [{path: /old}], selector: {a: new}}}`
		keptMetrics      = `{metadata: {annotations: {prometheus.io/port: "2", prometheus.io/path: /old}}}`
	)

	parse := func(text string) *structpb.Struct { return protostructtest.FromYAML(t, text) }
	returning := parse(`{spec: {template: {spec: {containers: [{name: dittofs, image: "dittofs:ran"}]}}}}`)
	covering := manifest.Seal(parse(`{spec: {replicas: 0, serviceName: new, template: {metadata: {annotations: {dittofs.io/config: old, dittofs.io/config-hash: digest of old}}, spec: {containers: [{name: dittofs, image: "dittofs:new"}]}}}}`))

	cases := map[string]struct {
		reason string
		d      Decision

		// asked is the ConfigMap's manifest, or "".
		asked string

		// want are the manifests that differ from the desired ones, nil for one that is left
		// out.
		want manifest.Manifests
	}{
		"Desired": {
			reason: "Nothing is kept.",
		},
		"Classes": {
			reason: "A Service keeps its class.",
			d:      Decision{Classes: map[manifest.Name]*string{manifest.ServiceFile: new("old")}},
			want:   manifest.Manifests{manifest.ServiceFile: parse(`{spec: {type: LoadBalancer, loadBalancerClass: old}}`)},
		},
		"Families": {
			reason: "A Service keeps its primary IP family, with the policy that fits.",
			d:      Decision{Families: map[manifest.Name]Families{manifest.ServiceFile: {List: []string{"IPv4", "IPv6"}, Policy: "PreferDualStack"}}},
			want:   manifest.Manifests{manifest.ServiceFile: parse(`{spec: {type: LoadBalancer, loadBalancerClass: new, ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack}}`)},
		},
		"Ranges": {
			reason: "A load balancer keeps a family closed that nobody has a range of.",
			d:      Decision{Ranges: map[manifest.Name][]string{manifest.ServiceFile: {"10.0.0.0/8", "::1/128"}}},
			want:   manifest.Manifests{manifest.ServiceFile: parse(`{spec: {type: LoadBalancer, loadBalancerClass: new, loadBalancerSourceRanges: [10.0.0.0/8, "::1/128"]}}`)},
		},
		"NoClass": {
			reason: "A Service keeps that it has no class.",
			d:      Decision{Classes: map[manifest.Name]*string{manifest.ServiceFile: nil}},
			want:   manifest.Manifests{manifest.ServiceFile: parse(`{spec: {type: LoadBalancer}}`)},
		},
		"LeaveOut": {
			reason: "The StatefulSet is left out, and the classes are still kept.",
			d:      Decision{LeaveOut: true, Classes: map[manifest.Name]*string{manifest.ServiceFile: nil}},
			want:   manifest.Manifests{manifest.StatefulSet: nil, manifest.ServiceFile: parse(`{spec: {type: LoadBalancer}}`)},
		},
		"Immutable": {
			reason: "A field keeps what was asked, also that it was not.",
			d:      Decision{Immutable: []string{"serviceName", "selector"}},
			want: manifest.Manifests{
				manifest.StatefulSet: parse(`{spec: {replicas: 0, serviceName: old, selector: {a: b}, template: {metadata: {annotations: {dittofs.io/config: new, dittofs.io/config-hash: digest of new}}, spec: {containers: [{name: dittofs, image: "dittofs:new"}]}}}}`),
			},
		},
		"Hold": {
			reason: "config.yaml, the template and the note of its image are kept together; replicas follow the spec.",
			d:      Decision{Config: "old", Template: TemplateAsked},
			want: manifest.Manifests{
				manifest.ConfigMap:   parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:old"}}, data: {config.yaml: old}}`),
				manifest.StatefulSet: parse(`{spec: {replicas: 0, serviceName: new, template: ` + askedTemplate + `}}`),
				// The pod serves its metrics as before.
				manifest.ServiceMetrics: parse(keptMetrics),
				manifest.Monitor:        parse(keptMonitor),
			},
		},
		"Wait": {
			reason: "The template waits while config.yaml moves.",
			d:      Decision{Template: TemplateAsked},
			want: manifest.Manifests{
				manifest.ConfigMap:      parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:old"}}, data: {config.yaml: new}}`),
				manifest.StatefulSet:    parse(`{spec: {replicas: 0, serviceName: new, template: ` + askedTemplate + `}}`),
				manifest.ServiceMetrics: parse(keptMetrics),
				manifest.Monitor:        parse(keptMonitor),
			},
		},
		"KeptSeeds": {
			reason: "The template that is kept refers to settings that are gone from the spec.",
			d:      Decision{Template: TemplateAsked, KeepsSeeds: true, Seeded: manifest.SeedNote{Of: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: "digest"}}},
			asked:  `{data: {config.yaml: old, DITTOFS_LDAP_URL: "ldaps://old", other: value}}`,
			want: manifest.Manifests{
				manifest.ConfigMap:      parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:old", dittofs.io/seeded: '{"ldap":"digest"}'}}, data: {config.yaml: new, DITTOFS_LDAP_URL: "ldaps://old"}}`),
				manifest.StatefulSet:    parse(`{spec: {replicas: 0, serviceName: new, template: ` + askedTemplate + `}}`),
				manifest.ServiceMetrics: parse(keptMetrics),
				manifest.Monitor:        parse(keptMonitor),
			},
		},
		"PreventsStart": {
			reason: "The ConfigMap lacks what containers refer to, and keeps the rest.",
			d:      Decision{Config: "old", Template: TemplateAsked, KeepsSeeds: true, PreventsStart: true},
			asked:  `{data: {config.yaml: old, DITTOFS_KERBEROS_REALM: EXAMPLE.ORG, DITTOFS_KERBEROS_DNS_DOMAIN: example.org}}`,
			want: manifest.Manifests{
				manifest.ConfigMap:      parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:old"}}, data: {config.yaml: old, DITTOFS_KERBEROS_DNS_DOMAIN: example.org}}`),
				manifest.StatefulSet:    parse(`{spec: {replicas: 0, serviceName: new, template: ` + askedTemplate + `}}`),
				manifest.ServiceMetrics: parse(keptMetrics),
				manifest.Monitor:        parse(keptMonitor),
			},
		},
		"DroppedSeeds": {
			reason: "Nothing refers to them any more.",
			asked:  `{data: {config.yaml: old, DITTOFS_LDAP_URL: "ldaps://old"}}`,
		},
		"Cover": {
			reason: "The desired template covers the config.yaml that is kept, with its digest and a new one of itself.",
			d:      Decision{Config: "old", Template: TemplateCovering},
			want: manifest.Manifests{
				manifest.ConfigMap:   parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:new"}}, data: {config.yaml: old}}`),
				manifest.StatefulSet: covering,
			},
		},
		"Return": {
			reason: "The whole StatefulSet is that of what ran, and the ConfigMap goes with it.",
			d:      Decision{Config: "old", Template: TemplateRan, Record: &manifest.Record{Image: "dittofs:ran"}},
			want: manifest.Manifests{
				manifest.ConfigMap:   parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:ran", dittofs.io/ran: '{"image":"dittofs:ran"}'}}, data: {config.yaml: old}}`),
				manifest.StatefulSet: returning,

				manifest.ServiceMetrics: parse(keptMetrics),
				manifest.Monitor:        parse(keptMonitor),
			},
		},
		"ReturnLater": {
			reason: "The ConfigMap goes back before the StatefulSet comes back.",
			d:      Decision{Config: "old", Template: TemplateRan, LeaveOut: true, Record: &manifest.Record{Image: "dittofs:ran"}},
			want: manifest.Manifests{
				manifest.ConfigMap:   parse(`{metadata: {annotations: {dittofs.io/image: "dittofs:new", dittofs.io/ran: '{"image":"dittofs:ran"}'}}, data: {config.yaml: old}}`),
				manifest.StatefulSet: nil,
			},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired := manifest.Manifests{
				manifest.ConfigMap:   parse(desiredConfigMap),
				manifest.StatefulSet: parse(desiredSet),
				manifest.ServiceFile: parse(desiredService),

				manifest.ServiceMetrics: parse(desiredMetrics),
				manifest.Monitor:        parse(desiredMonitor),
			}
			before := manifest.Manifests{}

			for n, m := range desired {
				before[n] = proto.CloneOf(m)
			}

			o := observed.Resources{
				manifest.ServiceMetrics: {Asked: parse(askedMetrics)},
				manifest.Monitor:        {Asked: parse(askedMonitor)},

				manifest.StatefulSet: {Asked: parse(`{spec: {replicas: 1, serviceName: old, selector: {a: b}, template: ` + askedTemplate + `}}`)},
			}

			if tc.asked != "" {
				o[manifest.ConfigMap] = &observed.Resource{Asked: parse(tc.asked)}
			}

			want := maps.Clone(before)
			maps.Copy(want, tc.want)
			maps.DeleteFunc(want, func(_ manifest.Name, m *structpb.Struct) bool { return m == nil })

			if diff := cmp.Diff(want, Apply(tc.d, desired, manifest.Manifests{manifest.StatefulSet: returning}, o, digester{}), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nApply(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(before, desired, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nApply(...) changes what is desired: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
