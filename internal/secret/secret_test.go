package secret

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
)

// Specs of the tests.
const (
	specJWT   = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}}}`
	specAdmin = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}},"admin":{"passwordSecretRef":{"name":"files-admin"}}}}`
	specAll   = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}},"admin":{"passwordSecretRef":{"name":"files-admin"}}},
		"database":{"postgres":{"secretRef":{"name":"files-db"}}}}`
	specMapped = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt","key":"signing"}},"admin":{"passwordSecretRef":{"name":"files-admin","key":"root"}}},
		"database":{"postgres":{"secretRef":{"name":"files-db"},"keys":{"database":"dbname","user":"username"}}}}`
	specShared = `{"identity":{"jwt":{"secretRef":{"name":"files"}},"admin":{"passwordSecretRef":{"name":"files"}}},
		"database":{"postgres":{"secretRef":{"name":"files"}}}}`
)

// Values of the tests. No message has a word in common with them.
const (
	exampleJWT      = "example-example-example-example-example"
	exampleClear    = "example-example"
	exampleHash     = "$2b$10$example/example.example/example.example/example.examp"
	exampleHost     = "example.example.org"
	exampleDatabase = "example-example-d"
	exampleUser     = "example-example-u"
	exampleDBPass   = "example-example-p"
)

// shown shows the data of the tests, which is hidden otherwise. TestDatabases compares Databases.
var shown = cmp.Options{
	cmp.Transformer("Data", func(d Data) string { return string(d) }),
	cmpopts.IgnoreFields(Secrets{}, "Databases"),
}

// decode returns the server of a spec.
func decode(tb testing.TB, doc string) *composite.DittoServer {
	tb.Helper()

	xr := &structpb.Struct{}
	if err := xr.UnmarshalJSON(fmt.Appendf(nil, `{"metadata":{"name":"files","namespace":"storage"},"spec":%s}`, doc)); err != nil {
		tb.Fatal(err)
	}

	s, errs := composite.Decode(xr, nil)
	if len(errs) > 0 {
		tb.Fatal(errs)
	}

	return s
}

// object returns a Secret with these decoded values.
func object(namespace, name string, values map[string]string) *structpb.Struct {
	data := map[string]*structpb.Value{}
	for key, value := range values {
		data[key] = structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte(value)))
	}

	return raw(namespace, name, data)
}

// raw returns a Secret with data as it is.
func raw(namespace, name string, data map[string]*structpb.Value) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		"apiVersion": structpb.NewStringValue("v1"),
		"kind":       structpb.NewStringValue("Secret"),
		"metadata": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
			"name":      structpb.NewStringValue(name),
			"namespace": structpb.NewStringValue(namespace),
		}}),
		"data": structpb.NewStructValue(&structpb.Struct{Fields: data}),
	}}
}

// items returns what Crossplane answers to one requirement.
func items(objects ...*structpb.Struct) *fnv1.Resources {
	r := &fnv1.Resources{}
	for _, o := range objects {
		r.Items = append(r.Items, &fnv1.Resource{Resource: o})
	}

	return r
}

// with returns a copy of values with others set.
func with(values map[string]string, changes ...string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, values)

	for i := 0; i < len(changes); i += 2 {
		out[changes[i]] = changes[i+1]
	}

	return out
}

// without returns a copy of values without some keys.
func without(values map[string]string, keys ...string) map[string]string {
	out := with(values)
	for _, k := range keys {
		delete(out, k)
	}

	return out
}

// jwtData, adminData and dbData are the data of Secrets that can be used.
var (
	jwtData   = map[string]string{"jwt-secret": exampleJWT}
	adminData = map[string]string{"password": exampleClear}
	dbData    = map[string]string{"host": exampleHost, "port": "5433", "database": exampleDatabase, "user": exampleUser, "password": exampleDBPass, "sslmode": "require"}
)

// fetched answers the requirements of specAll and its like. A nil map is a Secret
// that does not exist.
func fetched(jwt, admin, db map[string]string) map[string]*fnv1.Resources {
	out := map[string]*fnv1.Resources{}
	for name, data := range map[string]map[string]string{"files-jwt": jwt, "files-admin": admin, "files-db": db} {
		out["secret/"+name] = items()
		if data != nil {
			out["secret/"+name] = items(object("storage", name, data))
		}
	}

	return out
}

// carried returns what was fetched as the function's codec does: as bytes.
func carried(tb testing.TB, required map[string]*fnv1.Resources) map[string]*fnv1.Resources {
	tb.Helper()

	out := map[string]*fnv1.Resources{}

	for name, r := range required {
		out[name] = &fnv1.Resources{}

		for _, item := range r.GetItems() {
			b, err := proto.Marshal(item)
			if err != nil {
				tb.Fatal(err)
			}

			bytes := &fnv1.Resource{}
			bytes.ProtoReflect().SetUnknown(b)
			out[name].Items = append(out[name].Items, bytes)
		}
	}

	return out
}

// resolved returns what Resolve makes of Secrets, which is the same of their bytes.
func resolved(t *testing.T, s *composite.DittoServer, required map[string]*fnv1.Resources, started bool) Secrets {
	t.Helper()

	got, err := Resolve(s, required, started, time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	ofBytes, err := Resolve(s, carried(t, required), started, time.Time{})
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(got, ofBytes, shown); diff != "" {
		t.Errorf("Resolve(...): -decoded, +of bytes:\n%s", diff)
	}

	return got
}

func TestRequirements(t *testing.T) {
	selector := func(name string) *fnv1.ResourceSelector {
		return &fnv1.ResourceSelector{ApiVersion: "v1", Kind: "Secret", Namespace: new("storage"), Match: &fnv1.ResourceSelector_MatchName{MatchName: name}}
	}

	cases := map[string]struct {
		reason string
		spec   string
		want   map[string]*fnv1.ResourceSelector
	}{
		"JWT": {
			reason: "The JWT secret is always required, from the server's own namespace",
			spec:   specJWT,
			want:   map[string]*fnv1.ResourceSelector{"secret/files-jwt": selector("files-jwt")},
		},
		"All": {
			reason: "Every Secret is required once, whatever its number of keys",
			spec:   specAll,
			want: map[string]*fnv1.ResourceSelector{
				"secret/files-jwt": selector("files-jwt"), "secret/files-admin": selector("files-admin"), "secret/files-db": selector("files-db"),
			},
		},
		"Shared": {
			reason: "A Secret of several roles is required once",
			spec:   specShared,
			want:   map[string]*fnv1.ResourceSelector{"secret/files": selector("files")},
		},
		"Mapped": {
			reason: "Keys change nothing",
			spec:   specMapped,
			want: map[string]*fnv1.ResourceSelector{
				"secret/files-jwt": selector("files-jwt"), "secret/files-admin": selector("files-admin"), "secret/files-db": selector("files-db"),
			},
		},
		"TypeOnly": {
			reason: "A database type that a postgres Secret overrides requires it all the same",
			spec:   `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"database":{"type":"sqlite","postgres":{"secretRef":{"name":"files-db"}}}}`,
			want:   map[string]*fnv1.ResourceSelector{"secret/files-jwt": selector("files-jwt"), "secret/files-db": selector("files-db")},
		},
		"Stopped": {
			reason: "A stopped server requires the same",
			spec:   `{"replicas":0,"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}}}`,
			want:   map[string]*fnv1.ResourceSelector{"secret/files-jwt": selector("files-jwt")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := decode(t, tc.spec)
			if diff := cmp.Diff(tc.want, Requirements(s), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nRequirements(...): -want, +got:\n%s", tc.reason, diff)
			}

			for _, required := range []map[string]*fnv1.Resources{nil, fetched(nil, nil, nil), fetched(jwtData, adminData, dbData)} {
				resolved(t, s, required, false)

				if diff := cmp.Diff(tc.want, Requirements(s), protocmp.Transform()); diff != "" {
					t.Errorf("%s\nRequirements(...): -want, +got:\n%s", "Whatever was fetched, the requirements are the same", diff)
				}
			}
		})
	}
}

func TestRequirementsOfClaim(t *testing.T) {
	xr := &structpb.Struct{}
	if err := xr.UnmarshalJSON([]byte(`{"metadata":{"name":"files-x7"},"spec":{"claimRef":{"name":"files","namespace":"claims"},"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}}}}`)); err != nil {
		t.Fatal(err)
	}

	s, errs := composite.Decode(xr, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	if got := Requirements(s)["secret/files-jwt"].GetNamespace(); got != "claims" {
		t.Errorf("%s\nRequirements(...): want claims, got %q", "A claim's Secrets are in its own namespace", got)
	}
}

func TestResolve(t *testing.T) {
	jwt := Value{Role: composite.RoleJWT, Key: "jwt-secret", Data: Data(exampleJWT)}
	large := strings.Repeat("example.", 1<<17) // 1 MiB.

	cases := map[string]struct {
		reason   string
		spec     string
		required map[string]*fnv1.Resources
		want     Secrets
	}{
		"NotAsked": {
			reason: "Before Crossplane was asked nothing is known",
			spec:   specJWT,
			want:   Secrets{State: NotFetched},
		},
		"OneNotAsked": {
			reason:   "If one of several was not asked for, nothing is said of the others, good or bad",
			spec:     specAll,
			required: map[string]*fnv1.Resources{"secret/files-jwt": items(), "secret/files-admin": items(object("storage", "files-admin", adminData))},
			want:     Secrets{State: NotFetched},
		},
		"AnotherAsked": {
			reason:   "What was asked for another requirement is not looked at",
			spec:     specJWT,
			required: map[string]*fnv1.Resources{"files-jwt": items(object("storage", "files-jwt", jwtData))},
			want:     Secrets{State: NotFetched},
		},
		"JWT": {
			reason:   "A server needs no more than a JWT secret",
			spec:     specJWT,
			required: fetched(jwtData, nil, nil),
			want:     Secrets{State: There, Values: []Value{jwt}},
		},
		"ClearPassword": {
			reason:   "A clear password is told from a hash",
			spec:     specAdmin,
			required: fetched(jwtData, adminData, nil),
			want:     Secrets{State: There, Values: []Value{{composite.RoleAdmin, "password", Data(exampleClear)}, jwt}},
		},
		"Hash": {
			reason:   "A bcrypt hash is told from a clear password",
			spec:     specAdmin,
			required: fetched(jwtData, map[string]string{"password": exampleHash}, nil),
			want:     Secrets{State: There, Values: []Value{{composite.RoleAdmin, "password", Data(exampleHash)}, jwt}, AdminPasswordIsHash: true},
		},
		"HashElsewhere": {
			reason:   "Only the administrator's password is told from a hash",
			spec:     specAll,
			required: fetched(jwtData, adminData, with(dbData, "password", exampleHash)),
			want: Secrets{State: There, Values: []Value{
				{composite.RoleAdmin, "password", Data(exampleClear)},
				jwt,
				{composite.RolePostgres, "database", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleHash)},
				{composite.RolePostgres, "port", Data("5433")},
				{composite.RolePostgres, "sslmode", Data("require")},
				{composite.RolePostgres, "user", Data(exampleUser)},
			}},
		},
		"All": {
			reason:   "Values are sorted by role and key",
			spec:     specAll,
			required: fetched(jwtData, adminData, dbData),
			want: Secrets{State: There, Values: []Value{
				{composite.RoleAdmin, "password", Data(exampleClear)},
				jwt,
				{composite.RolePostgres, "database", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleDBPass)},
				{composite.RolePostgres, "port", Data("5433")},
				{composite.RolePostgres, "sslmode", Data("require")},
				{composite.RolePostgres, "user", Data(exampleUser)},
			}},
		},
		"Optional": {
			reason:   "Port and SSL mode may be missing: the server has defaults",
			spec:     specAll,
			required: fetched(jwtData, adminData, without(dbData, "port", "sslmode")),
			want: Secrets{State: There, Values: []Value{
				{composite.RoleAdmin, "password", Data(exampleClear)},
				jwt,
				{composite.RolePostgres, "database", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleDBPass)},
				{composite.RolePostgres, "user", Data(exampleUser)},
			}},
		},
		"Mapped": {
			reason: "Keys of other names are sorted by those names, and the usual ones are not looked at",
			spec:   specMapped,
			required: fetched(
				map[string]string{"signing": exampleJWT, "jwt-secret": "short"},
				map[string]string{"root": exampleHash, "password": "short"},
				with(without(dbData, "sslmode", "database", "user"), "dbname", exampleDatabase, "username", exampleUser),
			),
			want: Secrets{State: There, AdminPasswordIsHash: true, Values: []Value{
				{composite.RoleAdmin, "root", Data(exampleHash)},
				{composite.RoleJWT, "signing", Data(exampleJWT)},
				{composite.RolePostgres, "dbname", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleDBPass)},
				{composite.RolePostgres, "port", Data("5433")},
				{composite.RolePostgres, "username", Data(exampleUser)},
			}},
		},
		"Shared": {
			reason:   "A key of two roles is a value of both",
			spec:     specShared,
			required: map[string]*fnv1.Resources{"secret/files": items(object("storage", "files", with(without(dbData, "port", "sslmode"), "jwt-secret", exampleJWT)))},
			want: Secrets{State: There, Values: []Value{
				{composite.RoleAdmin, "password", Data(exampleDBPass)},
				jwt,
				{composite.RolePostgres, "database", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleDBPass)},
				{composite.RolePostgres, "user", Data(exampleUser)},
			}},
		},
		"AmongOthers": {
			reason: "The Secret of the right name and namespace is found among others",
			spec:   specJWT,
			required: map[string]*fnv1.Resources{"secret/files-jwt": items(
				nil,
				object("other", "files-jwt", map[string]string{"jwt-secret": "short"}),
				object("storage", "files", map[string]string{"jwt-secret": "short"}),
				object("storage", "files-jwt", jwtData),
			)},
			want: Secrets{State: There, Values: []Value{jwt}},
		},
		"UnreferencedKeys": {
			reason:   "Keys that nobody names are neither judged nor kept",
			spec:     specJWT,
			required: map[string]*fnv1.Resources{"secret/files-jwt": items(raw("storage", "files-jwt", map[string]*structpb.Value{"jwt-secret": structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte(exampleJWT))), "bad": structpb.NewStringValue("%"), "number": structpb.NewNumberValue(1)}))},
			want:     Secrets{State: There, Values: []Value{jwt}},
		},
		"Large": {
			reason:   "A Secret has up to 1 MiB",
			spec:     specJWT,
			required: fetched(map[string]string{"jwt-secret": large}, nil, nil),
			want:     Secrets{State: There, Values: []Value{{composite.RoleJWT, "jwt-secret", Data(large)}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := decode(t, tc.spec)

			before := map[string]*fnv1.Resources{}
			for k, v := range tc.required {
				before[k] = proto.CloneOf(v)
			}

			got := resolved(t, s, tc.required, false)
			if diff := cmp.Diff(tc.want, got, shown); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			if tc.required != nil {
				if diff := cmp.Diff(before, tc.required, protocmp.Transform()); diff != "" {
					t.Errorf("%s\nResolve(...): -before, +after:\n%s", "Secrets are only read", diff)
				}
			}

			hidesSecrets(t, got, tc.required)
		})
	}
}

// Rows of the table that no spec has yet: Secrets that the server reads from files.
func TestResolveFiles(t *testing.T) {
	const binary = "\x05\x02\x00\xffexample-example-binary\n"

	keytab := composite.SecretKey{
		Role: "keytab", Ref: &composite.SecretKeyRef{Name: "files-kerberos", Key: "b"}, File: "krb5.keytab", InDigest: true,
		Check: func(value []byte) string {
			if !strings.HasPrefix(string(value), "\x05\x02") {
				return "must be a keytab"
			}

			return ""
		},
	}
	reloaded := composite.SecretKey{
		Role: "keytab", Ref: &composite.SecretKeyRef{Name: "files-kerberos", Key: "a"}, File: "krb5.conf",
		Check: func([]byte) string { return "" },
	}
	variable := keytab
	variable.Env, variable.File = "DITTOFS_KEYTAB", ""

	kerberos := func(data map[string]string) map[string]*fnv1.Resources {
		return map[string]*fnv1.Resources{"secret/files-kerberos": items(object("storage", "files-kerberos", data))}
	}

	cases := map[string]struct {
		reason   string
		keys     []composite.SecretKey
		required map[string]*fnv1.Resources
		want     Secrets
	}{
		"Binary": {
			reason:   "A file holds any bytes, with those at its ends",
			keys:     []composite.SecretKey{keytab},
			required: kerberos(map[string]string{"b": binary}),
			want:     Secrets{State: There, Values: []Value{{"keytab", "b", Data(binary)}}},
		},
		"BinaryInVariable": {
			reason:   "A variable holds text only",
			keys:     []composite.SecretKey{variable},
			required: kerberos(map[string]string{"b": binary}),
			want:     Secrets{State: Missing, Problems: []string{"Secret storage/files-kerberos, key b: must be text (UTF-8 without NUL bytes), since it becomes an environment variable: encode random bytes, for example in base64"}},
		},
		"Checked": {
			reason:   "The check of a file is asked too",
			keys:     []composite.SecretKey{keytab},
			required: kerberos(map[string]string{"b": "example-example"}),
			want:     Secrets{State: Missing, Problems: []string{"Secret storage/files-kerberos, key b: must be a keytab"}},
		},
		"NotInDigest": {
			reason:   "What the server reads anew by itself is needed, and not digested",
			keys:     []composite.SecretKey{keytab, reloaded},
			required: kerberos(map[string]string{"a": "example-example", "b": binary}),
			want:     Secrets{State: There, Values: []Value{{"keytab", "b", Data(binary)}}},
		},
		"NotInDigestMissing": {
			reason:   "Without one of its files the pod would not start",
			keys:     []composite.SecretKey{keytab, reloaded},
			required: kerberos(map[string]string{"b": binary}),
			want:     Secrets{State: Missing, Problems: []string{"Secret storage/files-kerberos, key a: is missing"}},
		},
		"SecretMissing": {
			reason:   "Whoever creates the Secret needs to know the keys of all files",
			keys:     []composite.SecretKey{keytab, reloaded},
			required: map[string]*fnv1.Resources{"secret/files-kerberos": items()},
			want:     Secrets{State: Missing, Problems: []string{"Secret storage/files-kerberos does not exist: create it with the keys a, b"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := resolve("storage", tc.keys, nil, tc.required, false, time.Time{})
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, got, shown); diff != "" {
				t.Errorf("%s\nresolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			hidesSecrets(t, got, tc.required)
		})
	}
}

// TestDatabases has the spec say where the database is, or the Secret.
func TestDatabases(t *testing.T) {
	const said = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"database":{"postgres":{"host":"db","port":5432,"database":"files","sslmode":"require","secretRef":{"name":"files-db"}}}}`

	values := func(host, port, database string) map[string]Data {
		all := map[string]Data{"files-db/host": Data(host), "files-db/port": Data(port), "files-db/database": Data(database)}
		maps.DeleteFunc(all, func(_ string, d Data) bool { return len(d) == 0 })

		return all
	}

	read := []Value{
		{composite.RoleJWT, "jwt-secret", Data(exampleJWT)},
		{composite.RolePostgres, "password", Data(exampleDBPass)},
		{composite.RolePostgres, "user", Data(exampleUser)},
	}

	cases := map[string]struct {
		reason string
		spec   string
		db     map[string]string
		want   Secrets
	}{
		"Secret": {
			reason: "What the server reads tells where the database is; so does a port that the Secret does not have",
			spec:   specAll,
			db:     without(dbData, "port", "sslmode"),
			want: Secrets{State: There, Databases: values(exampleHost, "5432", exampleDatabase), Values: []Value{
				{composite.RoleAdmin, "password", Data(exampleClear)},
				{composite.RoleJWT, "jwt-secret", Data(exampleJWT)},
				{composite.RolePostgres, "database", Data(exampleDatabase)},
				{composite.RolePostgres, "host", Data(exampleHost)},
				{composite.RolePostgres, "password", Data(exampleDBPass)},
				{composite.RolePostgres, "user", Data(exampleUser)},
			}},
		},
		"Spec": {
			reason: "A Secret of user and password is enough for a spec that says the rest",
			spec:   said,
			db:     map[string]string{"user": exampleUser, "password": exampleDBPass},
			want:   Secrets{State: There, Databases: values("", "5432", ""), Values: read},
		},
		"Both": {
			reason: "What the spec says is not digested, and only compared",
			spec:   said,
			db:     dbData,
			want:   Secrets{State: There, Databases: values(exampleHost, "5433", exampleDatabase), Values: read},
		},
		"Unusable": {
			reason: "What the spec says is not judged: no server reads it",
			spec:   said,
			db:     map[string]string{"user": exampleUser, "password": exampleDBPass, "host": "a b", "port": "x", "sslmode": "x"},
			want:   Secrets{State: There, Databases: values("a b", "x", ""), Values: read},
		},
		"Missing": {
			reason: "A Secret that lacks what the spec does not say can still be compared",
			spec:   specAll,
			db:     map[string]string{"host": exampleHost, "user": exampleUser, "password": exampleDBPass},
			want:   Secrets{State: Missing, Databases: values(exampleHost, "5432", ""), Problems: []string{"Secret storage/files-db, key database: is missing"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			required := fetched(jwtData, adminData, tc.db)
			got := resolved(t, decode(t, tc.spec), required, false)

			if diff := cmp.Diff(tc.want, got, cmp.Transformer("Data", func(d Data) string { return string(d) })); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			hidesSecrets(t, got, required)
		})
	}
}

// A Secret may have as many keys as fit into 1.5 MB. Those that nobody names cost no memory,
// whatever they are called.
func TestResolveManyKeys(t *testing.T) {
	s := decode(t, specAll)
	required := fetched(jwtData, adminData, without(dbData, "user"))

	for _, fetched := range required {
		for i := range 100_000 {
			data := fetched.GetItems()[0].GetResource().GetFields()["data"].GetStructValue()
			data.Fields[fmt.Sprintf("url%d", i)] = structpb.NewStringValue("")
		}
	}

	required = carried(t, required)

	allocs := testing.AllocsPerRun(1, func() {
		if got, err := Resolve(s, required, false, time.Time{}); err != nil || len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0], "Secret storage/files-db, key user: is missing, and no DittoFS release reads a connection string") {
			t.Errorf("Resolve(...): want one problem, got %q, %v", got.Problems, err)
		}
	})

	if allocs > 300 {
		t.Errorf("Resolve(...): want no more than 300 allocations, got %.0f", allocs)
	}
}

// Bytes that are no Secret are an error, which says nothing of them.
func TestResolveBadBytes(t *testing.T) {
	required := carried(t, fetched(jwtData, adminData, dbData))

	for _, r := range required {
		b := r.GetItems()[0].ProtoReflect().GetUnknown()
		r.GetItems()[0].ProtoReflect().SetUnknown(b[:len(b)-1])
	}

	_, err := Resolve(decode(t, specJWT), required, false, time.Time{})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot read Secret storage/files-jwt: ") {
		t.Errorf("Resolve(...): want an error, got %v", err)
	}

	for _, part := range parts(fetched(jwtData, adminData, dbData)) {
		if err != nil && strings.Contains(err.Error(), part) {
			t.Errorf("Resolve(...): the error has a part of a Secret: %v", err)
		}
	}
}

// TestResolveValues gives one value to one key at a time: good ones, and ones
// that the server cannot use.
func TestResolveValues(t *testing.T) {
	const (
		shortJWT    = "Secret storage/files-jwt, key jwt-secret: must have at least 32 bytes, or the server does not start (openssl rand -base64 48 makes a good one)"
		badPassword = "Secret storage/files-admin, key password: must be a bcrypt hash, or a plain password of 8 to 72 bytes"
		badHash     = "Secret storage/files-admin, key password: looks like a bcrypt hash but is not a valid one: it must be $2a$, $2b$ or $2y$, a cost of 04 to 31, and 53 characters"
		aroundHash  = "Secret storage/files-admin, key password: has more than a bcrypt hash, so the server would read all of it as a plain password: keep only the hash, from $2 to its end"
		otherHash   = "Secret storage/files-admin, key password: looks like a hash other than bcrypt, so the server would read it as a plain password: use a bcrypt hash (htpasswd -nB prints one behind the colon), or the password itself"
		badPort     = "Secret storage/files-db, key port: must be a port number, 1 to 65535"
		badSSLMode  = `Secret storage/files-db, key sslmode: must be one of ["disable" "allow" "prefer" "require" "verify-ca" "verify-full"]`
		space       = ": begins or ends with whitespace, such as a line break: remove it (echo -n, or printf, writes none)"
		noText      = ": must be text (UTF-8 without NUL bytes), since it becomes an environment variable: encode random bytes, for example in base64"
	)

	// hash is the last part of a bcrypt hash: salt and hash.
	hash := exampleHash[len("$2b$10$"):]

	type value struct {
		reason string
		// secret and key that the value is for.
		secret, key string
		value       string
		// want is the problem, or empty if there is none.
		want string
	}

	cases := map[string]value{
		"JWT31":        {"The server wants 32 bytes", "files-jwt", "jwt-secret", exampleJWT[:31], shortJWT},
		"JWT32":        {"The server wants 32 bytes", "files-jwt", "jwt-secret", exampleJWT[:32], ""},
		"JWTEmpty":     {"An empty secret is too short", "files-jwt", "jwt-secret", "", shortJWT},
		"JWTInner":     {"Whitespace within a secret is fine", "files-jwt", "jwt-secret", "example words\texample\nwords example words", ""},
		"JWTMultiByte": {"Bytes are counted, not letters", "files-jwt", "jwt-secret", strings.Repeat("é", 16), ""},

		"Password7":          {"A clear password has at least 8 bytes", "files-admin", "password", "example", badPassword},
		"Password8":          {"A clear password has at least 8 bytes", "files-admin", "password", "example8", ""},
		"Password72":         {"bcrypt takes 72 bytes", "files-admin", "password", strings.Repeat("example8", 9), ""},
		"Password73":         {"bcrypt takes 72 bytes", "files-admin", "password", strings.Repeat("example8", 9) + "9", badPassword},
		"PasswordMultiByte":  {"Bytes are counted, not letters", "files-admin", "password", strings.Repeat("é", 37), badPassword},
		"PasswordMultiByte8": {"Bytes are counted, not letters", "files-admin", "password", strings.Repeat("é", 4), ""},
		"PasswordEmpty":      {"An empty password is too short", "files-admin", "password", "", badPassword},
		"PasswordDollar":     {"A dollar does not make a hash", "files-admin", "password", "$2example", ""},
		"PasswordAlmostHash": {"A password may look a little like a hash", "files-admin", "password", "$6$example$example", ""},
		"PasswordWithinText": {"The server would take all of it for a clear password", "files-admin", "password", "admin:" + exampleHash, aroundHash},
		"PasswordOtherHash":  {"The server would take it for a clear password", "files-admin", "password", "$1$example$example.example.exampl", otherHash},

		"Hash2a":       {"bcrypt's versions are 2a, 2b and 2y", "files-admin", "password", "$2a$10$" + hash, ""},
		"Hash2b":       {"bcrypt's versions are 2a, 2b and 2y", "files-admin", "password", "$2b$10$" + hash, ""},
		"Hash2y":       {"bcrypt's versions are 2a, 2b and 2y", "files-admin", "password", "$2y$10$" + hash, ""},
		"Hash2x":       {"2x is a broken bcrypt", "files-admin", "password", "$2x$10$" + hash, badHash},
		"Hash2":        {"2 is an old bcrypt", "files-admin", "password", "$2$10$" + hash, badHash},
		"HashCost03":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$03$" + hash, badHash},
		"HashCost04":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$04$" + hash, ""},
		"HashCost09":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$09$" + hash, ""},
		"HashCost29":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$29$" + hash, ""},
		"HashCost31":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$31$" + hash, ""},
		"HashCost32":   {"bcrypt costs 4 to 31", "files-admin", "password", "$2b$32$" + hash, badHash},
		"HashCost4":    {"A cost has two digits", "files-admin", "password", "$2b$4$" + hash, badHash},
		"HashNoCost":   {"A hash has a cost", "files-admin", "password", "$2b$" + hash, badHash},
		"HashShort":    {"Salt and hash are 53 characters", "files-admin", "password", "$2b$10$" + hash[:52], badHash},
		"HashLong":     {"Salt and hash are 53 characters", "files-admin", "password", "$2b$10$" + hash + "e", badHash},
		"HashAlphabet": {"bcrypt has its own base64, without +", "files-admin", "password", "$2b$10$+" + hash[1:], badHash},
		"HashOnly":     {"A prefix alone is no password either", "files-admin", "password", "$2b$", badHash},

		"HostEmpty":       {"A host is needed", "files-db", "host", "", "Secret storage/files-db, key host: must not be empty"},
		"HostWithPort":    {"Amazon's endpoints have a port", "files-db", "host", "example.example.org:5432", "Secret storage/files-db, key host: must be a DNS name or an IP address, without port, scheme or path (before DittoFS 0.18 an IPv6 address has no brackets, from then on it has)"},
		"DatabaseEmpty":   {"A database is needed", "files-db", "database", "", "Secret storage/files-db, key database: must not be empty"},
		"UserEmpty":       {"A user is needed", "files-db", "user", "", "Secret storage/files-db, key user: must not be empty"},
		"DBPasswordEmpty": {"A password is needed", "files-db", "password", "", "Secret storage/files-db, key password: must not be empty"},
		"DBPasswordShort": {"PostgreSQL's passwords are PostgreSQL's matter", "files-db", "password", "e", ""},
		"Port1":           {"Ports begin at 1", "files-db", "port", "1", ""},
		"Port65535":       {"Ports end at 65535", "files-db", "port", "65535", ""},
		"Port0":           {"Ports begin at 1", "files-db", "port", "0", badPort},
		"Port65536":       {"Ports end at 65535", "files-db", "port", "65536", badPort},
		"PortNegative":    {"No port is negative", "files-db", "port", "-5432", badPort},
		"PortLeadingZero": {"A leading zero means octal to some", "files-db", "port", "010", badPort},
		"PortPlus":        {"A port has no sign", "files-db", "port", "+5", badPort},
		"PortName":        {"A port is a number", "files-db", "port", "example", badPort},
		"PortFraction":    {"A port is a whole number", "files-db", "port", "5432.0", badPort},
		"PortEmpty":       {"An optional key that is there has a value", "files-db", "port", "", badPort},
		"SSLModeEmpty":    {"An optional key that is there has a value", "files-db", "sslmode", "", badSSLMode},
		"SSLModeUnknown":  {"The modes are libpq's", "files-db", "sslmode", "example-example", badSSLMode},
		"SSLModeCase":     {"The modes are in small letters", "files-db", "sslmode", "REQUIRE", badSSLMode},
	}

	for _, mode := range []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"} {
		cases["SSLMode-"+mode] = value{"The modes are libpq's", "files-db", "sslmode", mode, ""}
	}

	good := map[string]map[string]string{"files-jwt": jwtData, "files-admin": adminData, "files-db": dbData}
	for secret, data := range good {
		for key, v := range data {
			id := "Secret storage/" + secret + ", key " + key
			name := secret + "-" + key

			for what, c := range map[string]string{"Newline": "\n", "CRLF": "\r\n", "Space": " ", "Tab": "\t", "NoBreakSpace": "\u00a0"} {
				cases[name+"-"+what] = value{"Whitespace behind a value is never meant", secret, key, v + c, id + space}
				cases[name+"-"+what+"InFront"] = value{"Whitespace in front of a value is never meant", secret, key, c + v, id + space}
			}

			cases[name+"-OnlySpace"] = value{"Whitespace alone is no value", secret, key, strings.Repeat(" ", 40), id + space}
			cases[name+"-NUL"] = value{"A NUL ends an environment variable", secret, key, v + "\x00" + v, id + noText}
			cases[name+"-NoUTF8"] = value{"The API server takes UTF-8 only", secret, key, v + "\xff\xfe", id + noText}
		}
	}

	cases["HashNewline"] = value{"A hash with a line break fits nobody's password", "files-admin", "password", exampleHash + "\n", "Secret storage/files-admin, key password" + space}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			data := map[string]map[string]string{}
			for secret, d := range good {
				data[secret] = with(d)
			}

			data[tc.secret][tc.key] = tc.value
			required := fetched(data["files-jwt"], data["files-admin"], data["files-db"])

			got := resolved(t, decode(t, specAll), required, false)

			if tc.want == "" {
				want := strings.HasPrefix(tc.value, "$2") && tc.value != "$2example"
				if got.State != There || got.AdminPasswordIsHash != want || len(got.Values) != 8 {
					t.Errorf("%s\nResolve(...): want hash %t, got %d, %d values, hash %t, %q", tc.reason, want, got.State, len(got.Values), got.AdminPasswordIsHash, got.Problems)
				}
			} else if diff := cmp.Diff(Secrets{State: Missing, Problems: []string{tc.want}}, got, shown); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			hidesSecrets(t, got, required)
		})
	}
}

// TestResolveFirst shows what only a server that has never been started is refused.
func TestResolveFirst(t *testing.T) {
	const (
		around  = "Secret storage/files-admin, key password: has more than a bcrypt hash, so the server would read all of it as a plain password: keep only the hash, from $2 to its end"
		later   = " (the server has started before, so this value no longer counts)"
		missing = "Secret storage/files-jwt, key jwt-secret: is missing"
	)

	// value is in the digest of a server that runs: the digest must not change.
	value := ":" + exampleHash

	cases := map[string]struct {
		reason  string
		jwt     map[string]string
		started bool
		want    Secrets
	}{
		"First": {
			reason: "Once the server has started, nobody could log in, and a corrected Secret would change nothing",
			jwt:    jwtData,
			want:   Secrets{State: Missing, Problems: []string{around}},
		},
		"Later": {
			reason:  "A server that has started runs on, whatever it started with",
			jwt:     jwtData,
			started: true,
			want: Secrets{State: There, Warnings: []string{around + later}, Values: []Value{
				{composite.RoleAdmin, "password", Data(value)}, {composite.RoleJWT, "jwt-secret", Data(exampleJWT)},
			}},
		},
		"LaterWithAProblem": {
			reason:  "A problem does not hide the warning",
			jwt:     map[string]string{},
			started: true,
			want:    Secrets{State: Missing, Problems: []string{missing}, Warnings: []string{around + later}},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			required := fetched(tc.jwt, map[string]string{"password": value}, nil)

			got := resolved(t, decode(t, specAdmin), required, tc.started)
			if diff := cmp.Diff(tc.want, got, shown); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			hidesSecrets(t, got, required)
		})
	}
}

func TestResolveProblems(t *testing.T) {
	const (
		create   = "Secret storage/files-jwt does not exist: create it with the key jwt-secret"
		noBase64 = "Secret storage/files-jwt, key jwt-secret: must be in base64"
		noString = "Secret storage/files-jwt, key jwt-secret: must be a string in base64"
		missing  = "Secret storage/files-jwt, key jwt-secret: is missing"
		dsn      = ": is missing, and no DittoFS release reads a connection string: give host, port, database, user, password and sslmode a key each (spec.database.postgres.keys maps other names)"
	)

	encoded := base64.StdEncoding.EncodeToString([]byte(exampleJWT))
	jwt := func(v *structpb.Value) map[string]*fnv1.Resources {
		return map[string]*fnv1.Resources{"secret/files-jwt": items(raw("storage", "files-jwt", map[string]*structpb.Value{"jwt-secret": v}))}
	}
	noData := raw("storage", "files-jwt", nil)
	delete(noData.GetFields(), "data")

	stringData := proto.CloneOf(noData)
	stringData.GetFields()["stringData"] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"jwt-secret": structpb.NewStringValue(exampleJWT)}})

	otherStringData := proto.CloneOf(noData)
	otherStringData.GetFields()["stringData"] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"other": structpb.NewStringValue(exampleJWT)}})

	// dsnOf is a database Secret with nothing but a connection string.
	dsnOf := func(key string) map[string]*fnv1.Resources {
		return fetched(jwtData, adminData, map[string]string{key: "postgres://" + exampleUser + ":" + exampleDBPass + "@" + exampleHost})
	}
	dsnProblems := []string{
		"Secret storage/files-db, key database" + dsn,
		"Secret storage/files-db, key host" + dsn,
		"Secret storage/files-db, key password" + dsn,
		"Secret storage/files-db, key user" + dsn,
	}

	cases := map[string]struct {
		reason   string
		spec     string
		required map[string]*fnv1.Resources
		want     []string
	}{
		"NoItems":        {"A Secret that was asked for and not found does not exist", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": {}}, []string{create}},
		"NilResources":   {"A nil answer has no items", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": nil}, []string{create}},
		"NilResource":    {"An item without a resource is no Secret", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(nil)}, []string{create}},
		"OtherNamespace": {"A Secret of another namespace is never used", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(object("other", "files-jwt", jwtData))}, []string{create}},
		"NoNamespace":    {"A Secret without a namespace is never used", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(object("", "files-jwt", jwtData))}, []string{create}},
		"OtherName":      {"A Secret of another name is never used", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(object("storage", "files-jwt2", jwtData))}, []string{create}},
		"NoData":         {"A Secret without data has no keys", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(noData)}, []string{missing}},
		"OtherKey":       {"A key of another name is another key", specJWT, fetched(map[string]string{"JWT-secret": exampleJWT}, nil, nil), []string{missing}},
		"StringData":     {"A Secret from a file may have stringData", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(stringData)}, []string{"Secret storage/files-jwt, key jwt-secret: is in stringData, which only the API server converts: put it in data, in base64"}},
		"StringDataElse": {"stringData of another key is no hint", specJWT, map[string]*fnv1.Resources{"secret/files-jwt": items(otherStringData)}, []string{missing}},
		"Clear":          {"Data in the clear is not in base64", specJWT, jwt(structpb.NewStringValue(exampleJWT)), []string{noBase64}},
		"CutBase64":      {"Base64 that was cut off is none", specJWT, jwt(structpb.NewStringValue(encoded[:len(encoded)-3])), []string{noBase64}},
		"URLBase64":      {"Base64 for URLs is another", specJWT, jwt(structpb.NewStringValue(strings.Repeat("-_", 32))), []string{noBase64}},
		"Number":         {"Data that is a number is none", specJWT, jwt(structpb.NewNumberValue(12345678)), []string{noString}},
		"Null":           {"Data that is null is none", specJWT, jwt(structpb.NewNullValue()), []string{noString}},
		"Object":         {"Data that is an object is none", specJWT, jwt(structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{exampleJWT: structpb.NewStringValue(exampleJWT)}})), []string{noString}},
		"List":           {"Data that is a list is none", specJWT, jwt(structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue(exampleJWT)}})), []string{noString}},
		"OptionalBase64": {
			"An optional key that is there is judged", specAll,
			map[string]*fnv1.Resources{
				"secret/files-jwt":   items(object("storage", "files-jwt", jwtData)),
				"secret/files-admin": items(object("storage", "files-admin", adminData)),
				"secret/files-db": items(raw("storage", "files-db", map[string]*structpb.Value{
					"host": structpb.NewStringValue(encoded), "database": structpb.NewStringValue(encoded), "user": structpb.NewStringValue(encoded), "password": structpb.NewStringValue(encoded),
					"port": structpb.NewNumberValue(54321), "sslmode": structpb.NewStringValue("%"),
				})),
			},
			[]string{"Secret storage/files-db, key port: must be a string in base64", "Secret storage/files-db, key sslmode: must be in base64"},
		},
		"DSN":            {"A connection string gets a hint", specAll, dsnOf("dsn"), dsnProblems},
		"DSNURL":         {"A connection string has many names", specAll, dsnOf("DATABASE_URL"), dsnProblems},
		"DSNURI":         {"A connection string has many names", specAll, dsnOf("uri"), dsnProblems},
		"DSNConnection":  {"A connection string has many names", specAll, dsnOf("connectionString"), dsnProblems},
		"MissingNoDSN":   {"Without a connection string there is no hint", specAll, fetched(jwtData, adminData, without(dbData, "user")), []string{"Secret storage/files-db, key user: is missing"}},
		"DSNElsewhere":   {"Only a database has a connection string", specJWT, fetched(map[string]string{"dsn": exampleJWT}, nil, nil), []string{missing}},
		"DSNBesideUsual": {"A connection string next to the keys does no harm, and helps nobody with a missing one", specAll, fetched(jwtData, adminData, with(without(dbData, "user"), "uri", exampleHost)), []string{"Secret storage/files-db, key user" + dsn}},
		"NoneExists": {
			"Each Secret is reported once, with all the keys that it must have", specAll, fetched(nil, nil, nil),
			[]string{
				"Secret storage/files-admin does not exist: create it with the key password",
				create,
				"Secret storage/files-db does not exist: create it with the keys database, host, password, user",
			},
		},
		"SharedMissing": {
			"A Secret of several roles is reported once, with the keys of all", specShared,
			map[string]*fnv1.Resources{"secret/files": items()},
			[]string{"Secret storage/files does not exist: create it with the keys database, host, jwt-secret, password, user"},
		},
		"SameKeyMissing": {
			"A key of two roles is one key", `{"identity":{"jwt":{"secretRef":{"name":"files","key":"one"}},"admin":{"passwordSecretRef":{"name":"files","key":"one"}}}}`,
			map[string]*fnv1.Resources{"secret/files": items()},
			[]string{"Secret storage/files does not exist: create it with the key one"},
		},
		"AllAtOnce": {
			"All problems are reported at once, sorted by role and key", specAll,
			fetched(map[string]string{"jwt-secret": exampleJWT[:31]}, nil, with(without(dbData, "host"), "port", "99999", "user", exampleUser+"\n", "sslmode", "example-example")),
			[]string{
				"Secret storage/files-admin does not exist: create it with the key password",
				"Secret storage/files-jwt, key jwt-secret: must have at least 32 bytes, or the server does not start (openssl rand -base64 48 makes a good one)",
				"Secret storage/files-db, key host: is missing",
				"Secret storage/files-db, key port: must be a port number, 1 to 65535",
				`Secret storage/files-db, key sslmode: must be one of ["disable" "allow" "prefer" "require" "verify-ca" "verify-full"]`,
				"Secret storage/files-db, key user: begins or ends with whitespace, such as a line break: remove it (echo -n, or printf, writes none)",
			},
		},
		"HashNextToProblem": {
			"Nothing is said of a password as long as something is missing", specAdmin, fetched(map[string]string{}, map[string]string{"password": exampleHash}, nil),
			[]string{missing},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := decode(t, tc.spec)
			got := resolved(t, s, tc.required, false)

			if diff := cmp.Diff(Secrets{State: Missing, Problems: tc.want}, got, shown); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}

			for range 10 {
				if diff := cmp.Diff(got, resolved(t, s, tc.required, false), shown); diff != "" {
					t.Fatalf("%s\nResolve(...): -first, +again:\n%s", "Problems are the same on every call", diff)
				}
			}

			hidesSecrets(t, got, tc.required)
		})
	}
}
