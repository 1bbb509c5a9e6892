package digest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Inputs of the tests. The digests of these tests were computed by another
// program: a digest that changes restarts every server.
const (
	config     = "logging: {}\n"
	exampleJWT = "example-example-example-example-example"
	identity   = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}}}`
	full       = `{"nfsPort":2049,"telemetry":{"sampleRate":0.5},"service":{"annotations":{"example.org/a":"<a>"}},
		"identity":{"jwt":{"secretRef":{"name":"files-jwt"}},"admin":{"passwordSecretRef":{"name":"files-admin"}}}}`
)

func TestSum(t *testing.T) {
	jwt := secret.Value{Role: composite.RoleJWT, Key: "jwt-secret", Data: secret.Data(exampleJWT)}

	cases := map[string]struct {
		reason     string
		config     string
		secrets    []secret.Value
		generation string
		want       string
	}{
		"Empty":  {"Two empty fields have their lengths", "", nil, "", "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb"},
		"Config": {"config.yaml comes first", config, nil, "", "d86e6eb1807e2b2715d0e9e139df738533459dea89ab09946f4508e870248f79"},
		"JWT":    {"Role, key and data of a Secret key follow, then the generation", config, []secret.Value{jwt}, "3", "de9a9317717414c7fa1d3746abe4f1ca46a2ba7af2aed4bbb5be2d9edd647102"},
		"Binary": {"Data are bytes, and not text", config, []secret.Value{{Role: "keytab", Key: "a", Data: secret.Data("\x05\x02\x00\xff\n")}}, "", "3b41ccb4dda397c329d008d0e7997b97216bb1ddf4aa3808ffde362ebd63d886"},
		"All": {
			"Every Secret key counts, in the order in which they come", config,
			[]secret.Value{
				{Role: composite.RoleAdmin, Key: "password", Data: secret.Data("example-example")},
				jwt,
				{Role: composite.RolePostgres, Key: "host", Data: secret.Data("example.example.org")},
			},
			`{"version":"0.29.0"}`, "04bfc03b1f8fc2070a2e8c60e34dc3c465f8a4547b44a81b1332af34518e41c0",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sum([]byte(tc.config), tc.secrets, []byte(tc.generation))); diff != "" {
				t.Errorf("%s\nsum(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestSumFrames moves bytes from field to field: all of these hold the same
// bytes in the same order, and no two may have the same digest.
func TestSumFrames(t *testing.T) {
	v := func(role, key, data string) secret.Value {
		return secret.Value{Role: composite.Role(role), Key: key, Data: secret.Data(data)}
	}

	inputs := map[string]struct {
		config     string
		secrets    []secret.Value
		generation string
	}{
		"Base":             {"abc", []secret.Value{v("d", "ef", "gh"), v("i", "jk", "lm")}, "nop"},
		"ConfigToRole":     {"ab", []secret.Value{v("cd", "ef", "gh"), v("i", "jk", "lm")}, "nop"},
		"RoleToKey":        {"abc", []secret.Value{v("", "def", "gh"), v("i", "jk", "lm")}, "nop"},
		"KeyToData":        {"abc", []secret.Value{v("d", "e", "fgh"), v("i", "jk", "lm")}, "nop"},
		"DataToNextRole":   {"abc", []secret.Value{v("d", "ef", "g"), v("hi", "jk", "lm")}, "nop"},
		"DataToGeneration": {"abc", []secret.Value{v("d", "ef", "gh"), v("i", "jk", "l")}, "mnop"},
		"OneSecret":        {"abc", []secret.Value{v("d", "ef", "ghijklm")}, "nop"},
		"EmptySecret":      {"abc", []secret.Value{v("d", "ef", "gh"), v("", "", ""), v("i", "jk", "lm")}, "nop"},
		"AllConfig":        {"abcdefghijklmnop", nil, ""},
		"AllGeneration":    {"", nil, "abcdefghijklmnop"},
		"NoGeneration":     {"abc", []secret.Value{v("d", "ef", "gh"), v("i", "jk", "lmnop")}, ""},
	}

	seen := map[string]string{}
	for name, in := range inputs {
		got := sum([]byte(in.config), in.secrets, []byte(in.generation))
		if other, ok := seen[got]; ok {
			t.Errorf("%s\nsum(...): %s and %s are both %s", "A byte in another field gives another digest", name, other, got)
		}

		seen[got] = name
	}
}

// TestSumChanges changes one thing at a time.
func TestSumChanges(t *testing.T) {
	base := func() []secret.Value {
		return []secret.Value{
			{Role: composite.RoleJWT, Key: "a", Data: secret.Data("example-one")},
			{Role: composite.RolePostgres, Key: "b", Data: secret.Data("example-two")},
		}
	}
	want := sum([]byte(config), base(), []byte("1"))

	changes := map[string]func(v []secret.Value) ([]byte, []secret.Value, []byte){
		"Config":     func(v []secret.Value) ([]byte, []secret.Value, []byte) { return []byte(config + "\n"), v, []byte("1") },
		"Generation": func(v []secret.Value) ([]byte, []secret.Value, []byte) { return []byte(config), v, []byte("2") },
		"Order": func(v []secret.Value) ([]byte, []secret.Value, []byte) {
			return []byte(config), []secret.Value{v[1], v[0]}, []byte("1")
		},
		"Less": func(v []secret.Value) ([]byte, []secret.Value, []byte) { return []byte(config), v[:1], []byte("1") },
		"Role": func(v []secret.Value) ([]byte, []secret.Value, []byte) {
			v[0].Role = composite.RoleAdmin
			return []byte(config), v, []byte("1")
		},
		"Key": func(v []secret.Value) ([]byte, []secret.Value, []byte) {
			v[0].Key = "c"
			return []byte(config), v, []byte("1")
		},
		"Data": func(v []secret.Value) ([]byte, []secret.Value, []byte) {
			v[1].Data = secret.Data("example-twO")
			return []byte(config), v, []byte("1")
		},
		"DataSwapped": func(v []secret.Value) ([]byte, []secret.Value, []byte) {
			v[0].Data, v[1].Data = v[1].Data, v[0].Data
			return []byte(config), v, []byte("1")
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			if got := sum(change(base())); got == want {
				t.Errorf("%s\nsum(...): still %s", "Whatever a server reads changes the digest", got)
			}
		})
	}

	if got := sum([]byte(config), base(), []byte("1")); got != want {
		t.Errorf("%s\nsum(...): want %s, got %s", "The same inputs give the same digest", want, got)
	}
}

// A request is what a digest is computed from, as Crossplane sends it.
type request struct {
	metadata string
	spec     string
	input    string

	// data of the Secrets, decoded, by name and key. A Secret without data does
	// not exist.
	data map[string]map[string]string

	// change changes the Secrets as they are fetched.
	change func(s *structpb.Struct)
}

// secrets that the example specs name.
func secrets() map[string]map[string]string {
	return map[string]map[string]string{
		"files-jwt":   {"jwt-secret": exampleJWT},
		"files-admin": {"password": "example-example"},
	}
}

func object(tb testing.TB, json string) *structpb.Struct {
	tb.Helper()

	s := &structpb.Struct{}
	if err := s.UnmarshalJSON([]byte(json)); err != nil {
		tb.Fatal(err)
	}

	return s
}

// decode returns the server of a request and its resolved Secrets.
func decode(tb testing.TB, r request) (*composite.DittoServer, secret.Secrets) {
	tb.Helper()

	if r.metadata == "" {
		r.metadata = `{"name":"files","namespace":"storage","generation":7}`
	}

	if r.input == "" {
		r.input = `{}`
	}

	s, errs := composite.Decode(object(tb, fmt.Sprintf(`{"metadata":%s,"spec":%s}`, r.metadata, r.spec)), object(tb, r.input))
	if len(errs) > 0 {
		tb.Fatal(errs)
	}

	required := map[string]*fnv1.Resources{}

	for name, data := range r.data {
		fields := map[string]any{}
		for key, value := range data {
			fields[key] = base64.StdEncoding.EncodeToString([]byte(value))
		}

		o, err := structpb.NewStruct(map[string]any{"metadata": map[string]any{"name": name, "namespace": s.Namespace}, "data": fields})
		if err != nil {
			tb.Fatal(err)
		}

		if r.change != nil {
			r.change(o)
		}

		required["secret/"+name] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: o}}}
		if data == nil {
			required["secret/"+name].Items = nil
		}
	}

	resolved, err := secret.Resolve(s, required, false, time.Time{})
	if err != nil {
		tb.Fatal(err)
	}

	return s, resolved
}

// digest returns the digest of a request.
func digest(tb testing.TB, r request) string {
	tb.Helper()

	s, resolved := decode(tb, r)

	return For(s, resolved, Ran{}).Of([]byte(config))
}

func TestOf(t *testing.T) {
	missing := secrets()
	missing["files-jwt"] = nil

	bad := secrets()
	bad["files-jwt"] = map[string]string{"jwt-secret": "example"}

	cases := map[string]struct {
		reason  string
		request request
		want    string
	}{
		"Spec": {
			"Without an input the generation is the user's spec as canonical JSON",
			request{spec: identity, data: secrets()},
			"03119a4d4d31ba2008f527a6e42106c50b82daacee7be45170a72baf602874df",
		},
		"SpecNamed": {
			"The generation Spec is the default",
			request{spec: identity, data: secrets(), input: `{"configHash":{"generation":"Spec"}}`},
			"03119a4d4d31ba2008f527a6e42106c50b82daacee7be45170a72baf602874df",
		},
		"Full": {
			"The spec is digested as it is stored, without defaults",
			request{spec: full, data: secrets()},
			"7a10f0361833784c8e05279f80a5fe09f833f9ad04029758b7aee033ecc4c513",
		},
		"Metadata": {
			"The generation Metadata is the number",
			request{spec: identity, data: secrets(), input: `{"configHash":{"generation":"Metadata"}}`},
			"5e0f287b4f977f2bf713fb31d271c4df84687112ced29c0dc608ea0712ee3640",
		},
		"None": {
			"The generation None is empty",
			request{spec: identity, data: secrets(), input: `{"configHash":{"generation":"None"}}`},
			"504731f12dadccf349f21a6563705414e412aa5445bd0df340b7149a61fc33da",
		},
		"NotFetched": {"Without Secrets there is no digest", request{spec: identity}, ""},
		"Missing":    {"With half of the Secrets there is no digest", request{spec: full, data: missing}, ""},
		"Unusable":   {"With a Secret that cannot be used there is no digest", request{spec: identity, data: bad}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, digest(t, tc.request)); diff != "" {
				t.Errorf("%s\nOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	for name, tc := range cases {
		if tc.want != "" && !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(tc.want) {
			t.Errorf("%s: %q is no digest", name, tc.want)
		}
	}
}

// TestOfStates has values next to each state, which nobody should ever see.
func TestOfStates(t *testing.T) {
	s, resolved := decode(t, request{spec: identity, data: secrets()})

	for _, state := range []secret.State{secret.NotFetched, secret.Missing} {
		resolved.State = state

		if got := For(s, resolved, Ran{}).Of([]byte(config)); got != "" {
			t.Errorf("%s\nOf(...): state %d: got %q", "There is no digest unless every Secret is there", state, got)
		}
	}
}

// TestOfChanges changes a request, and looks whether the server restarts.
func TestOfChanges(t *testing.T) {
	const metadata, none = `{"configHash":{"generation":"Metadata"}}`, `{"configHash":{"generation":"None"}}`

	// with returns the full spec with other fields.
	with := func(fields string) string { return full[:len(full)-1] + "," + fields + "}" }

	// changed returns the Secrets with one value changed.
	changed := func(name, key, value string) map[string]map[string]string {
		out := secrets()
		out[name] = maps.Clone(out[name])
		out[name][key] = value

		return out
	}

	const (
		claimed = `{"name":"files-x7","generation":7}`
		claim   = `"claimRef":{"name":"files","namespace":"storage"}`
	)

	base := request{spec: full, data: secrets()}

	cases := map[string]struct {
		reason   string
		from, to request
		same     bool
	}{
		"Order":    {"The order of fields means nothing", base, request{spec: `{"identity":{"admin":{"passwordSecretRef":{"name":"files-admin"}},"jwt":{"secretRef":{"name":"files-jwt"}}},"service":{"annotations":{"example.org/a":"<a>"}},"telemetry":{"sampleRate":0.5},"nfsPort":2049.0}`, data: secrets()}, true},
		"Replicas": {"Stopping a server is no reason to restart it", base, request{spec: with(`"replicas":0`), data: secrets()}, true},
		"Rollout":  {"Who decides on restarts is no reason for one", base, request{spec: with(`"rollout":"Manual"`), data: secrets()}, true},
		"Emptied":  {"An object that has lost what restarts nothing is as good as none", base, request{spec: with(`"api":{},"metrics":{}`), data: secrets()}, true},
		"LDAP": {
			"The server copies a directory's settings into its database once", base,
			request{spec: strings.Replace(full, `"identity":{`, `"identity":{"ldap":{"url":"ldaps://a","baseDN":"DC=a","bindDN":"CN=b","bindPasswordSecretRef":{"name":"files-admin"}},`, 1), data: secrets()},
			true,
		},
		"Crossplane": {
			"What Crossplane writes into the spec is not the user's", base,
			request{spec: with(`"crossplane":{"compositionRef":{"name":"a"},"resourceRefs":[{"name":"b"}]}`), data: secrets()},
			true,
		},
		"CrossplaneLegacy": {
			"What older Crossplane writes into the spec is not the user's",
			request{metadata: claimed, spec: with(claim), data: secrets()},
			request{metadata: claimed, data: secrets(), spec: with(claim + `,"compositeDeletePolicy":"Foreground","compositionRef":{"name":"a"},"compositionRevisionRef":{"name":"a-1"},
				"compositionRevisionSelector":{"matchLabels":{"a":"b"}},"compositionSelector":{"matchLabels":{"a":"b"}},"compositionUpdatePolicy":"Manual",
				"environmentConfigRefs":[{"name":"e"}],"publishConnectionDetailsTo":{"name":"p"},"resourceRefs":[{"name":"r"}],"writeConnectionSecretToRef":{"name":"w"}`)},
			true,
		},
		"Generation":        {"metadata.generation moves when Crossplane writes, too", base, request{metadata: `{"name":"files","namespace":"storage","generation":8}`, spec: full, data: secrets()}, true},
		"Metadata":          {"Annotations and labels of a server are not its spec", base, request{metadata: `{"name":"files","namespace":"storage","generation":7,"annotations":{"a":"b"},"labels":{"a":"b"}}`, spec: full, data: secrets()}, true},
		"Default":           {"A default that is spelt out is a change of the spec as it is stored", base, request{spec: with(`"apiPort":8080`), data: secrets()}, false},
		"ServiceAnnotation": {"The generation Spec takes the whole spec, Services too", base, request{spec: `{"nfsPort":2049,"telemetry":{"sampleRate":0.5},"service":{"annotations":{"example.org/a":"<b>"}},"identity":{"jwt":{"secretRef":{"name":"files-jwt"}},"admin":{"passwordSecretRef":{"name":"files-admin"}}}}`, data: secrets()}, false},
		"NestedReplicas":    {"Only the top level has a field replicas that means nothing", base, request{spec: with(`"podLabels":{"replicas":"1","rollout":"x"}`), data: secrets()}, false},
		"JWT":               {"A new JWT secret is read at a restart only", base, request{spec: full, data: changed("files-jwt", "jwt-secret", exampleJWT+"2")}, false},
		"Password":          {"A new password is read at a restart only", base, request{spec: full, data: changed("files-admin", "password", "example-examplE")}, false},
		"UnreferencedKey":   {"Keys that nobody names mean nothing", base, request{spec: full, data: changed("files-jwt", "other", "example")}, true},
		"SecretMetadata": {"Labels and resource versions of Secrets mean nothing", base, request{spec: full, data: secrets(), change: func(s *structpb.Struct) {
			m := s.GetFields()["metadata"].GetStructValue().GetFields()
			m["resourceVersion"] = structpb.NewStringValue("42")
			m["labels"] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStringValue("b")}})
			s.GetFields()["type"] = structpb.NewStringValue("Opaque")
			s.GetFields()["immutable"] = structpb.NewBoolValue(true)
		}}, true},

		"MetadataGeneration": {"The generation Metadata moves with the number", request{spec: full, data: secrets(), input: metadata}, request{metadata: `{"name":"files","namespace":"storage","generation":8}`, spec: full, data: secrets(), input: metadata}, false},
		"MetadataSpec":       {"The generation Metadata is the number only", request{spec: full, data: secrets(), input: metadata}, request{spec: with(`"apiPort":8081`), data: secrets(), input: metadata}, true},
		"NoneSpec":           {"The generation None does not move with the spec", request{spec: full, data: secrets(), input: none}, request{spec: with(`"podAnnotations":{"a":"b"}`), data: secrets(), input: none}, true},
		"NoneGeneration":     {"The generation None does not move with the number", request{spec: full, data: secrets(), input: none}, request{metadata: `{"name":"files","namespace":"storage","generation":8}`, spec: full, data: secrets(), input: none}, true},
		"NoneSecret":         {"The generation None moves with Secrets", request{spec: full, data: secrets(), input: none}, request{spec: full, data: changed("files-jwt", "jwt-secret", exampleJWT+"2"), input: none}, false},
		"OtherInput":         {"The rest of the input means nothing", base, request{spec: full, data: secrets(), input: `{"ttl":"5m","policy":{"podSecurity":"baseline"}}`}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			from, to := digest(t, tc.from), digest(t, tc.to)
			if from == "" || (from == to) != tc.same {
				t.Errorf("%s\nOf(...): from %q to %q, the same expected: %t", tc.reason, from, to, tc.same)
			}
		})
	}
}

func TestOfIsStable(t *testing.T) {
	s, resolved := decode(t, request{spec: full[:len(full)-1] + `,"replicas":1,"rollout":"Manual"}`, data: secrets()})
	before := proto.CloneOf(s.UserSpec)

	first := For(s, resolved, Ran{}).Of([]byte(config))
	for range 20 {
		if diff := cmp.Diff(first, For(s, resolved, Ran{}).Of([]byte(config))); diff != "" {
			t.Fatalf("%s\nOf(...): -first, +again:\n%s", "The same inputs give the same digest", diff)
		}
	}

	if !proto.Equal(before, s.UserSpec) {
		t.Errorf("%s\nOf(...): before %v, after %v", "The spec is only read", before, s.UserSpec)
	}

	if other := For(s, resolved, Ran{}).Of([]byte(config + "admin: {}\n")); other == first {
		t.Errorf("%s\nOf(...): still %s", "Another config.yaml gives another digest", first)
	}
}

// A pod that runs with a digest over the whole spec keeps it, until something else than the storage
// changes.
func TestOfKeepsWhole(t *testing.T) {
	const metadata = `{"configHash":{"generation":"Metadata"}}`

	with := func(fields string) string { return full[:len(full)-1] + "," + fields + "}" }

	sized, larger := request{spec: with(`"storage":{"metadataSize":"10Gi"}`), data: secrets()}, request{spec: with(`"storage":{"metadataSize":"20Gi","contentSize":"1Gi"}`), data: secrets()}
	edited := request{spec: with(`"apiPort":8443,"storage":{"metadataSize":"10Gi"}`), data: secrets()}

	// As an earlier version of the function computed it.
	wholeOf := func(r request) string {
		s, resolved := decode(t, r)
		return sum([]byte(config), resolved.Values, spec(s, "replicas", "rollout"))
	}

	of := func(r request, ran Ran) string {
		s, resolved := decode(t, r)
		return For(s, resolved, ran).Of([]byte(config))
	}

	whole := wholeOf(sized)
	without := of(sized, Ran{})

	if without == whole {
		t.Fatal("the storage is no part of new digests")
	}

	s, resolved := decode(t, sized)
	if got := For(s, resolved, Ran{Digests: []string{whole}}).Same(whole, []byte(config)); got != without {
		t.Errorf("Same(...): want %s, got %q", without, got)
	}

	// A generation without the storage had empty objects.
	empty := request{spec: with(`"api":{}`), data: secrets()}
	s, resolved = decode(t, empty)
	withEmpty := sum([]byte(config), resolved.Values, spec(s, "storage"))

	cases := map[string]struct {
		reason  string
		request request
		ran     Ran
		want    string
	}{
		"Empty":         {"Nor does one that leaves empty objects out.", empty, Ran{Digests: []string{withEmpty}}, withEmpty},
		"New":           {"A new pod gets a digest without the storage.", sized, Ran{}, without},
		"NewLarger":     {"That does not move with a size.", larger, Ran{Digests: []string{without}}, without},
		"Upgraded":      {"An upgrade moves nothing.", sized, Ran{Digests: []string{whole}}, whole},
		"UpgradedLive":  {"What is live may come back.", sized, Ran{Digests: []string{"refused", whole}}, whole},
		"Larger":        {"Nor does a size after it.", larger, Ran{Digests: []string{whole}, Whole: whole, Same: without}, whole},
		"LargerUnknown": {"Without a record, nobody knows what else changed.", larger, Ran{Digests: []string{whole}}, without},
		"Edited":        {"Another edit moves to a digest without the storage.", edited, Ran{Digests: []string{whole}, Whole: whole, Same: without}, of(edited, Ran{})},
		"Moved":         {"The digest stays there if the edit is taken back.", sized, Ran{Digests: []string{"other"}, Whole: whole, Same: without}, without},
		"Metadata":      {"The generation Metadata never covered the spec.", request{spec: sized.spec, data: secrets(), input: metadata}, Ran{Digests: []string{whole}}, of(request{spec: sized.spec, data: secrets(), input: metadata}, Ran{})},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, of(tc.request, tc.ran)); diff != "" {
				t.Errorf("%s\nOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSame(t *testing.T) {
	with := func(fields string) string { return full[:len(full)-1] + "," + fields + "}" }
	sized := request{spec: with(`"storage":{"metadataSize":"10Gi"}`), data: secrets()}

	s, resolved := decode(t, sized)
	without := For(s, resolved, Ran{}).Of([]byte(config))

	cases := map[string]struct {
		reason string
		digest string
		ran    Ran
		want   string
	}{
		"None":     {"No pod has a digest.", "", Ran{}, ""},
		"Recorded": {"What is recorded of a digest stays true, whatever the spec says by now.", "whole", Ran{Whole: "whole", Same: "same"}, "same"},
		"Without":  {"A digest without the storage needs no other.", without, Ran{}, ""},
		"Other":    {"Of a digest over something else nothing is known.", "other", Ran{Whole: "whole", Same: "same"}, ""},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, For(s, resolved, tc.ran).Same(tc.digest, []byte(config))); diff != "" {
				t.Errorf("%s\nSame(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
