package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestRoute(t *testing.T) {
	const (
		rules  = "rules: [{backendRefs: [{name: files-api, port: 8443}]}]"
		route  = "{hostnames: [files.example.org], parentRefs: [{name: shared, namespace: gateways, sectionName: api}], " + rules + "}"
		target = "targetRefs: [{group: '', kind: Service, name: files-api}]"
		asked  = "route: {hostnames: [files.example.org]"
	)

	cases := map[string]struct {
		reason string

		// api of the spec.
		api string

		// want are the specs of what is composed.
		want map[Name]string
	}{
		"None": {"Nobody asks for it.", "", map[Name]string{}},
		"HTTP": {
			"The platform's Gateways count where the spec names none. Authorities are for TLS.",
			asked + ", caConfigMapRef: {name: ca}}",
			map[Name]string{HTTPRoute: route},
		},
		"Own": {
			"The spec's own count, and not the platform's.",
			asked + ", parentRefs: [{name: own}]}",
			map[Name]string{HTTPRoute: "{hostnames: [files.example.org], parentRefs: [{name: own}], " + rules + "}"},
		},
		"TLS": {
			"A Gateway must speak TLS, too, with a name that the certificate has.",
			"tls: {secretRef: {name: tls}}, " + asked + "}",
			map[Name]string{HTTPRoute: route, BackendTLSPolicy: "{" + target + ", validation: {hostname: files-api.storage.svc, wellKnownCACertificates: System}}"},
		},
		"PrivateTLS": {
			"A private authority signed the certificate.",
			"tls: {secretRef: {name: tls}}, " + asked + ", caConfigMapRef: {name: ca}, serverName: a.example.org}",
			map[Name]string{HTTPRoute: route, BackendTLSPolicy: "{" + target + ", validation: {hostname: a.example.org, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}}"},
		},
		"MutualTLS": {
			"Only the server can see the certificates of clients.",
			"tls: {secretRef: {name: tls}, clientCASecretRef: {name: ca}}, " + asked + "}",
			map[Name]string{TLSRoute: route},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, errs := composite.Decode(
				protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: {version: 0.29.2, apiPort: 8443, identity: {jwt: {secretRef: {name: jwt}}}, api: {"+tc.api+"}}}"),
				protostructtest.FromYAML(t, "{route: {parentRefs: [{name: shared, namespace: gateways, sectionName: api}]}}"))
			if len(errs) > 0 {
				t.Fatal(errs)
			}

			want, got := map[Name]*structpb.Struct{}, map[Name]*structpb.Struct{}

			for n, spec := range tc.want {
				want[n] = protostructtest.FromYAML(t, spec)
			}

			for _, n := range RouteNames() {
				row := RowOf(n)
				if !row.Has(s) {
					continue
				}

				o, err := row.build(s, Inputs{})
				if err != nil {
					t.Fatal(err)
				}

				m, err := protostruct.Encode(o)
				if err != nil {
					t.Fatal(err)
				}

				got[n] = protostruct.Get(m, "spec").GetStructValue()
			}

			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestRouteAnswers(t *testing.T) {
	const (
		shared = "{name: shared, namespace: gateways, sectionName: api}"
		own    = "{name: own}"
	)

	cases := map[string]struct {
		reason string

		// parents are those of the live route's status.
		parents string

		want []v1alpha1.RouteStatus
	}{
		"None": {
			"No controller has looked at it yet.",
			"",
			[]v1alpha1.RouteStatus{{Gateway: "gateways/shared/api", Accepted: "Unknown", ResolvedRefs: "Unknown", Reason: "Pending"}, {Gateway: "storage/own", Accepted: "Unknown", ResolvedRefs: "Unknown", Reason: "Pending"}},
		},
		"Taken": {
			"Each has its own answer, whatever their order, and the first counts.",
			`{parentRef: {name: own, namespace: storage}, conditions: [{type: Accepted, status: 'True'}]},
			{parentRef: ` + shared + `, conditions: [{type: Accepted, status: 'True', reason: Accepted}, {type: ResolvedRefs, status: 'True', reason: ResolvedRefs}]},
			{parentRef: ` + shared + `, conditions: [{type: Accepted, status: 'False', reason: Other}]}`,
			[]v1alpha1.RouteStatus{{Gateway: "gateways/shared/api", Accepted: "True", ResolvedRefs: "True"}, {Gateway: "storage/own", Accepted: "True", ResolvedRefs: "Unknown"}},
		},
		"Refused": {
			"The first that is not well has the reason. Others of a controller's own have none, and Gateways that the route does not name any more.",
			`{parentRef: ` + own + `, conditions: [{type: Programmed, status: 'False', reason: Other}, {type: Accepted, status: 'False', reason: NotAllowedByListeners}, {type: ResolvedRefs, status: 'False', reason: BackendNotFound}]},
			{parentRef: {name: former}, conditions: [{type: Accepted, status: 'True', reason: Accepted}]}`,
			[]v1alpha1.RouteStatus{{Gateway: "gateways/shared/api", Accepted: "Unknown", ResolvedRefs: "Unknown", Reason: "Pending"}, {Gateway: "storage/own", Accepted: "False", ResolvedRefs: "False", Reason: "NotAllowedByListeners"}},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := RouteAnswers(
				protostructtest.FromYAML(t, "{metadata: {namespace: storage}, spec: {parentRefs: ["+shared+", "+own+"]}}"),
				protostructtest.FromYAML(t, "{status: {parents: ["+tc.parents+"]}}"))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nRouteAnswers(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
