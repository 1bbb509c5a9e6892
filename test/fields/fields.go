// Package fields checks what each field of a DittoServer does: that it changes what is
// composed, and what an edit of it does to a running server.
package fields

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// olderRelease serves metrics, and has what newer releases gave up: traces and a cache.
const olderRelease = "0.6.2"

// newerFields are the fields of example/full.yaml that olderRelease does not know, or whose use
// is an error there.
var newerFields = []string{"spec.api", "spec.metrics.path", "spec.metrics.tokenSecretRef", "spec.metrics.tls", "spec.database.postgres.caSecretRef", "spec.identity.ldap", "spec.identity.kerberos"}

// Fields of example/full.yaml whose value there is the default, or is needed: each with
// another value. The others are left out.
var otherValues = map[string]string{
	"spec.replicas":   "0",
	"spec.cache.path": "/cache",

	"spec.identity.ldap.url":    "ldap://other.example.org",
	"spec.identity.ldap.baseDN": "DC=other",
	"spec.identity.ldap.bindDN": "CN=other",

	"spec.identity.kerberos.realm":                             "OTHER.ORG",
	"spec.identity.kerberos.servicePrincipal":                  "nfs/other.example.org",
	"spec.identity.kerberos.netbiosDomain":                     "OTHER",
	"spec.identity.kerberos.machineAccount.accountName":        "OTHER$",
	"spec.identity.kerberos.machineAccount.onlineJoin.ldapURL": "ldap://other.example.org",
	"spec.identity.kerberos.machineAccount.onlineJoin.bindDN":  "CN=other",
	"spec.identity.kerberos.machineAccount.onlineJoin.baseDN":  "DC=other",

	"spec.storage.contentSize":                 "2Ti",
	"spec.storage.controlPlaneDataSource.name": "other",
	"spec.storage.metadataDataSource.name":     "other",
	"spec.storage.contentDataSource.name":      "other",

	"spec.metrics.serviceMonitor.caSecretRef.key": "other",

	"spec.api.route.hostnames":  "[other]",
	"spec.api.route.parentRefs": "[{name: other}]",

	// Left out, they are an error.
	"spec.metrics.serviceMonitor.caSecretRef.name":                "other",
	"spec.metrics.serviceMonitor.clientCertificateSecretRef.name": "other",
	"spec.networkPolicy.ingress.file":                             "[{podSelector: {}}]",
	"spec.networkPolicy.ingress.api":                              "[{podSelector: {}}]",
	"spec.networkPolicy.ingress.metrics":                          "[{podSelector: {}}]",
}

// Objects that the server of example/full.yaml cannot have.
var otherServers = []manifest.Name{
	// Its API asks for certificates of clients.
	manifest.HTTPRoute,
	manifest.BackendTLSPolicy,
}

// Fields that count only where others are not as in example/full.yaml.
var shownElsewhere = map[string]string{
	"spec.api.route.caConfigMapRef.name":                        "internal/manifest: a Gateway does not look into the API of the example",
	"spec.api.route.serverName":                                 "internal/manifest: the same",
	"spec.rollout":                                              "TestGuards/Approval: it counts for a server that runs",
	"spec.database.type":                                        "internal/composite: the example has PostgreSQL either way",
	"spec.database.sqlite.path":                                 "internal/dittofs: the example has PostgreSQL",
	"spec.database.postgres.maxOpenConns":                       "internal/dittofs: the release of the example has no such setting",
	"spec.database.postgres.maxIdleConns":                       "internal/dittofs: the release of the example has no such setting",
	"spec.database.postgres.keys.host":                          "internal/composite: the example has the host itself",
	"spec.database.postgres.keys.port":                          "internal/composite: the example has the port itself",
	"spec.database.postgres.keys.database":                      "internal/composite: the example has the database's name itself",
	"spec.database.postgres.keys.sslmode":                       "internal/composite: the example has the mode itself",
	"spec.storage.storageClassName":                             "internal/composite: every claim of the example has a class of its own",
	"spec.identity.ldap.startTLS":                               "internal/dittofs: an ldap:// URL needs it",
	"spec.identity.ldap.allowPlaintext":                         "internal/dittofs: it is an error beside startTLS",
	"spec.identity.kerberos.machineAccount.onlineJoin.startTLS": "internal/dittofs: an ldap:// URL needs it",
	"spec.nfsPort":                                              "internal/manifest: the portmapper of the example wants it to be that of adapterPorts",
	"spec.adapterPorts.nfs":                                     "internal/manifest: the same, the other way around",
	"spec.service.ipFamilyPolicy":                               "internal/manifest: the families of the example need it",
	"spec.networkPolicy.ingress.nodes":                          "internal/manifest: the input here has no ranges of nodes",
	"spec.service.type":                                         "internal/composite: both Services of the example have their own",
	"spec.service.file.type":                                    "internal/composite: what the example says beside it needs LoadBalancer",
}

// Count checks that no field of a DittoServer is accepted and then ignored: each changes
// what is composed. example is the folder of examples.
func Count(t *testing.T, fn simulator.Function, example string) {
	t.Helper()

	full, err := os.ReadFile(filepath.Join(example, "full.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	secrets, err := os.ReadFile(filepath.Join(example, "secrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	required := map[string]*fnv1.Resources{
		"running/statefulset": {},
		"secret/other":        {},
	}

	for doc := range strings.SplitSeq(string(secrets), "\n---\n") {
		s := protostructtest.FromYAML(t, doc)
		required["secret/"+protostruct.Get(s, "metadata", "name").GetStringValue()] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: s}}}
	}

	compose := func(t *testing.T, xr *structpb.Struct) map[string]*fnv1.Resource {
		t.Helper()

		rsp, err := fn.RunFunction(t.Context(), &fnv1.RunFunctionRequest{
			Meta:     cluster.Meta("tag"),
			Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: xr}},
			// Else any edit of the spec would change the rollout digest.
			Input:             protostructtest.FromYAML(t, "{configHash: {generation: None}, kinds: {ServiceMonitor: Present, HTTPRoute: Present, BackendTLSPolicy: Present, TLSRoute: Present}}"),
			RequiredResources: required,
		})
		if err != nil {
			t.Fatal(err)
		}

		if len(rsp.GetDesired().GetResources()) == 0 {
			t.Fatalf("nothing is composed: %s", simulator.Condition(rsp, report.SpecValid))
		}

		return rsp.GetDesired().GetResources()
	}

	xr := protostructtest.FromYAML(t, string(full))
	before := &fnv1.State{Resources: compose(t, xr)}

	for _, n := range manifest.Names() {
		if before.GetResources()[string(n)] == nil && !slices.Contains(otherServers, n) {
			t.Errorf("example/full.yaml has no %s", n)
		}
	}

	// Any other Secret or key is another one.
	srv, _ := composite.Decode(xr, nil)
	others := maps.Clone(otherValues)

	for _, k := range srv.Secrets() {
		// Extra volumes are a list, and so one field.
		if strings.Contains(k.Ref.NamePath, "[") {
			continue
		}

		others[k.Ref.NamePath] = "other"
		if k.Ref.KeyPath != "" {
			others[k.Ref.KeyPath] = "other"
		}
	}

	paths := leaves(reflect.TypeFor[v1alpha1.DittoServerSpec](), xr, "spec")

	for _, table := range []map[string]string{others, shownElsewhere} {
		for name := range table {
			if !slices.ContainsFunc(paths, func(path []string) bool { return strings.Join(path, ".") == name }) {
				t.Errorf("example/full.yaml has no %s", name)
			}
		}
	}

	for _, path := range paths {
		name := strings.Join(path, ".")
		if _, ok := shownElsewhere[name]; ok {
			continue
		}

		t.Run(name, func(t *testing.T) {
			change := func(xr *structpb.Struct) *structpb.Struct {
				if other, ok := others[name]; ok {
					return protostruct.With(xr, protostructtest.FromYAML(t, "value: "+other).GetFields()["value"], path...)
				}

				return protostruct.With(xr, nil, path...)
			}

			if !proto.Equal(before, &fnv1.State{Resources: compose(t, change(xr))}) {
				return
			}

			if older := olderServer(xr); proto.Equal(&fnv1.State{Resources: compose(t, older)}, &fnv1.State{Resources: compose(t, change(older))}) {
				t.Error("what is composed does not change with this field")
			}
		})
	}
}

// olderServer returns a server of olderRelease, with the fields that it knows.
func olderServer(xr *structpb.Struct) *structpb.Struct {
	xr = protostruct.With(xr, structpb.NewStringValue(olderRelease), "spec", "version")
	xr = protostruct.With(xr, structpb.NewStringValue("registry.example.org/dittofs:v"+olderRelease), "spec", "image")

	for _, f := range newerFields {
		xr = protostruct.With(xr, nil, strings.Split(f, ".")...)
	}

	return xr
}

// leaves returns the paths of the fields of this API's own types that an object has.
func leaves(t reflect.Type, object *structpb.Struct, path ...string) [][]string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[v1alpha1.DittoServerSpec]().PkgPath() {
		return [][]string{path}
	}

	var paths [][]string

	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if below := append(slices.Clone(path), name); protostruct.Get(object, below...) != nil {
			paths = append(paths, leaves(f.Type, object, below...)...)
		}
	}

	return paths
}
