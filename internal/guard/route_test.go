package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// While a change to TLS is held, Gateways speak to the pod as it serves.
func TestKeepRoute(t *testing.T) {
	const (
		metadata = "metadata: {name: files-api, labels: {a: new}}"
		http     = "apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute"
		policy   = "{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, " + metadata + ", spec: {validation: {hostname: a}}}"
		route    = "{" + http + ", " + metadata + ", spec: {hostnames: [new]}}"
		tls      = "{apiVersion: gateway.networking.k8s.io/v1, kind: TLSRoute, " + metadata + ", spec: {hostnames: [new]}}"

		askedRoute = "{" + http + ", metadata: {name: files-api, labels: {a: old}}, spec: {hostnames: [old]}}"
		keptRoute  = "{" + http + ", " + metadata + ", spec: {hostnames: [old]}}"
	)

	cases := map[string]struct {
		reason               string
		template             Template
		desired, asked, want map[manifest.Name]string
	}{
		"ToTLS":      {"The pod serves HTTP.", TemplateAsked, map[manifest.Name]string{manifest.HTTPRoute: route, manifest.BackendTLSPolicy: policy}, map[manifest.Name]string{manifest.HTTPRoute: askedRoute}, map[manifest.Name]string{manifest.HTTPRoute: keptRoute}},
		"ToMutual":   {"The pod asks for no certificates.", TemplateAsked, map[manifest.Name]string{manifest.TLSRoute: tls}, map[manifest.Name]string{manifest.HTTPRoute: askedRoute, manifest.BackendTLSPolicy: policy}, map[manifest.Name]string{manifest.HTTPRoute: keptRoute, manifest.BackendTLSPolicy: policy}},
		"SameKinds":  {"Hosts change whatever else waits.", TemplateAsked, map[manifest.Name]string{manifest.HTTPRoute: route}, map[manifest.Name]string{manifest.HTTPRoute: askedRoute}, map[manifest.Name]string{manifest.HTTPRoute: route}},
		"RolledOut":  {"The next pod serves as the spec says.", TemplateDesired, map[manifest.Name]string{manifest.HTTPRoute: route, manifest.BackendTLSPolicy: policy}, map[manifest.Name]string{manifest.HTTPRoute: askedRoute}, map[manifest.Name]string{manifest.HTTPRoute: route, manifest.BackendTLSPolicy: policy}},
		"First":      {"No client came by a route before.", TemplateAsked, map[manifest.Name]string{manifest.HTTPRoute: route, manifest.BackendTLSPolicy: policy}, nil, map[manifest.Name]string{manifest.HTTPRoute: route, manifest.BackendTLSPolicy: policy}},
		"TurnedOff":  {"Nobody wants one any more.", TemplateAsked, nil, map[manifest.Name]string{manifest.HTTPRoute: askedRoute}, nil},
		"FromMutual": {"The pod asks for certificates.", TemplateLive, map[manifest.Name]string{manifest.HTTPRoute: route}, map[manifest.Name]string{manifest.TLSRoute: tls}, map[manifest.Name]string{manifest.TLSRoute: tls}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			desired, want, o := manifest.Manifests{}, manifest.Manifests{}, observed.Resources{}

			for n, m := range tc.desired {
				desired[n] = protostructtest.FromYAML(t, m)
			}

			for n, m := range tc.want {
				want[n] = protostructtest.FromYAML(t, m)
			}

			for n, m := range tc.asked {
				o[n] = &observed.Resource{Asked: protostructtest.FromYAML(t, m)}
			}

			set := protostructtest.FromYAML(t, "{kind: StatefulSet}")
			desired[manifest.StatefulSet] = set

			got := Apply(Decision{Template: tc.template}, desired, nil, o, digester{})
			delete(got, manifest.StatefulSet)

			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\nApply(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
