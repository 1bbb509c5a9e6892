package composite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestValidateRoute(t *testing.T) {
	const (
		route    = "spec.api.route"
		gateways = "input.route.parentRefs"
		shared   = "parentRefs: [{name: shared}]"
	)

	cases := map[string]struct {
		reason string
		route  string
		input  string
		want   []string
	}{
		"All":           {"What Gateways take.", "{hostnames: [files.example.org, a], parentRefs: [{name: shared, namespace: gateways, sectionName: api}, {name: shared, namespace: gateways, sectionName: b}, {name: shared}], caConfigMapRef: {name: ca}, serverName: a.b}", "{}", nil},
		"Platforms":     {"The platform names the Gateway.", "{hostnames: [a]}", "{route: {parentRefs: [{name: shared, namespace: gateways}]}}", nil},
		"NoHost":        {"It would take the clients of all others.", "{" + shared + "}", "{}", []string{route + ".hostnames"}},
		"Wildcard":      {"So would a wildcard.", "{hostnames: ['*.example.org', '*'], " + shared + "}", "{}", []string{route + ".hostnames[0]", route + ".hostnames[1]"}},
		"Hosts":         {"The API server would refuse them.", "{hostnames: [A, 192.0.2.1, '::1', files, 'files', ''], " + shared + "}", "{}", []string{route + ".hostnames[0]", route + ".hostnames[1]", route + ".hostnames[2]", route + ".hostnames[4]", route + ".hostnames[5]"}},
		"NoGateway":     {"Nobody would lead there.", "{hostnames: [a]}", "{}", []string{route + ".parentRefs"}},
		"Names":         {"The API server would refuse them.", "{hostnames: [a], parentRefs: [{name: ''}, {name: A, namespace: a.b, sectionName: C}], caConfigMapRef: {name: ''}, serverName: A}", "{}", []string{route + ".parentRefs[0].name", route + ".parentRefs[1].name", route + ".parentRefs[1].sectionName", route + ".parentRefs[1].namespace", route + ".caConfigMapRef.name", route + ".serverName"}},
		"Twice":         {"The API server would refuse it, by whatever name the own namespace goes.", "{hostnames: [a], parentRefs: [{name: a}, {name: a, namespace: storage}]}", "{}", []string{route + ".parentRefs[1]"}},
		"TwiceAll":      {"One stands for all listeners already.", "{hostnames: [a], parentRefs: [{name: a}, {name: a, sectionName: b}]}", "{}", []string{route + ".parentRefs[1]"}},
		"TwiceAllLater": {"The same in another order.", "{hostnames: [a], parentRefs: [{name: a, sectionName: b}, {name: a}]}", "{}", []string{route + ".parentRefs[1]"}},
		"TooMany":       {"The API server would refuse so many hosts, and nobody has so many Gateways.", "{hostnames: [" + numbered("a", maxHostnames+1) + "], parentRefs: [" + numbered("{name: a", maxGateways+1) + "]}", "{}", []string{route + ".hostnames", route + ".parentRefs"}},
		"Input":         {"It would spoil every route.", "{hostnames: [a]}", "{route: {parentRefs: [{name: a}, {name: a}]}}", []string{gateways + "[1]"}},
		"Kinds":         {"Each is known.", "{hostnames: [a], " + shared + "}", "{kinds: {HTTPRoute: Discover, BackendTLSPolicy: Present, TLSRoute: Discover}}", nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := protostructtest.FromYAML(t, "{metadata: {name: files, namespace: storage}, spec: {identity: {jwt: {secretRef: {name: jwt}}}, api: {route: "+tc.route+"}}}")

			_, errs := Decode(xr, protostructtest.FromYAML(t, tc.input))

			var got []string
			for _, err := range errs {
				got = append(got, err.Field)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecode(...): -want, +got:\n%s\n%v", tc.reason, diff, errs)
			}
		})
	}
}

// numbered returns items of a YAML list, each a text and as many letters as it has place.
func numbered(text string, count int) string {
	items := make([]string, count)
	for i := range items {
		items[i] = text + strings.Repeat("a", i)
		if strings.HasPrefix(text, "{") {
			items[i] += "}"
		}
	}

	return strings.Join(items, ", ")
}
