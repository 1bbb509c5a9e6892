package composite

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// full returns example/full.yaml, which has every field and so names every key of a Secret.
func full(t *testing.T) (*structpb.Struct, *DittoServer) {
	t.Helper()

	text, err := os.ReadFile("../../example/full.yaml")
	if err != nil {
		t.Fatal(err)
	}

	xr := protostructtest.FromYAML(t, string(text))

	s, errs := Decode(xr, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	// The values that the example has itself could be in a Secret.
	pg := s.Spec.Database.Postgres
	pg.Host, pg.Port, pg.Database, pg.SSLMode = "", nil, "", ""

	// It cannot have both, the password of an account and how to make one.
	s.Spec.Identity.Kerberos.MachineAccount.PasswordSecretRef = &v1alpha1.SecretKeyRef{Name: "files-kerberos", Key: "password"}
	xr = protostruct.With(xr, protostructtest.FromYAML(t, "value: {name: files-kerberos, key: password}").GetFields()["value"], "spec", "identity", "kerberos", "machineAccount", "passwordSecretRef")

	return xr, s
}

func TestSecrets(t *testing.T) {
	cases := map[string]struct {
		reason string
		spec   v1alpha1.DittoServerSpec
		want   []string
	}{
		"JWT": {
			"The JWT secret is the only one that every server has",
			v1alpha1.DittoServerSpec{},
			[]string{"jwt"},
		},
		"Admin": {
			"A password for the administrator can be given",
			v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{Admin: v1alpha1.Admin{PasswordSecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt", "admin"},
		},
		"Postgres": {
			"PostgreSQL needs all its keys",
			v1alpha1.DittoServerSpec{Database: v1alpha1.Database{Postgres: &v1alpha1.Postgres{}}},
			[]string{"jwt", "postgres host", "postgres port", "postgres database", "postgres user", "postgres password", "postgres sslmode"},
		},
		"PostgresInTheClear": {
			"What the spec says is no key of a Secret",
			v1alpha1.DittoServerSpec{Database: v1alpha1.Database{Postgres: &v1alpha1.Postgres{Host: "db", Port: new(int32(1)), Database: "files", SSLMode: "require"}}},
			[]string{"jwt", "postgres user", "postgres password"},
		},
		"PostgresHostInTheClear": {
			"The rest is",
			v1alpha1.DittoServerSpec{Database: v1alpha1.Database{Postgres: &v1alpha1.Postgres{Host: "db"}}},
			[]string{"jwt", "postgres port", "postgres database", "postgres user", "postgres password", "postgres sslmode"},
		},
		"TLS": {
			"A certificate comes with its key",
			v1alpha1.DittoServerSpec{API: v1alpha1.API{TLS: &v1alpha1.TLS{}}},
			[]string{"jwt", "api-tls", "api-tls"},
		},
		"MutualTLS": {
			"The authorities of clients may be another Secret's",
			v1alpha1.DittoServerSpec{API: v1alpha1.API{TLS: &v1alpha1.TLS{ClientCASecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt", "api-tls", "api-tls", "api-client-ca"},
		},
		"MetricsOff": {
			"Metrics that are not served need nothing",
			v1alpha1.DittoServerSpec{Metrics: v1alpha1.Metrics{TokenSecretRef: &v1alpha1.SecretKeyRef{}, TLS: &v1alpha1.TLS{ClientCASecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt"},
		},
		"Metrics": {
			"Each file is a role of its own, but for a certificate and its key",
			v1alpha1.DittoServerSpec{Metrics: v1alpha1.Metrics{Enabled: true, TokenSecretRef: &v1alpha1.SecretKeyRef{}, TLS: &v1alpha1.TLS{ClientCASecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt", "metrics-token", "metrics-tls", "metrics-tls", "metrics-client-ca"},
		},
		"PostgresCA": {
			"Another Secret may have the authorities of PostgreSQL",
			v1alpha1.DittoServerSpec{Database: v1alpha1.Database{Postgres: &v1alpha1.Postgres{CASecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt", "postgres host", "postgres port", "postgres database", "postgres user", "postgres password", "postgres sslmode", "postgres-ca"},
		},
		"LDAP": {
			"The directory has a password, and may have authorities of its own",
			v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{LDAP: &v1alpha1.LDAP{CASecretRef: &v1alpha1.SecretKeyRef{}}}},
			[]string{"jwt", "ldap", "ldap-ca"},
		},
		"Kerberos": {
			"It needs a keytab",
			v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{Kerberos: &v1alpha1.Kerberos{}}},
			[]string{"jwt", "keytab"},
		},
		"MachineAccount": {
			"An account that is there has a password",
			v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{Kerberos: &v1alpha1.Kerberos{MachineAccount: &v1alpha1.MachineAccount{PasswordSecretRef: &v1alpha1.SecretKeyRef{}}}}},
			[]string{"jwt", "keytab", "machine-account"},
		},
		"OnlineJoin": {
			"What makes an account is another one",
			v1alpha1.DittoServerSpec{Identity: v1alpha1.Identity{Kerberos: &v1alpha1.Kerberos{MachineAccount: &v1alpha1.MachineAccount{OnlineJoin: &v1alpha1.OnlineJoin{CASecretRef: &v1alpha1.SecretKeyRef{}}}}}},
			[]string{"jwt", "keytab", "domain-join", "domain-join-ca"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.spec.Default()

			var got []string
			for _, k := range (&DittoServer{Spec: tc.spec}).Secrets() {
				name := string(k.Role)
				if k.Role == RolePostgres {
					name += " " + k.Ref.Key
				}

				got = append(got, name)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nSecrets(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Each row has what the pod and the digest take for granted.
func TestSecretKeys(t *testing.T) {
	rows := map[string]SecretKey{}
	secretOf := map[Role]string{}

	xr, full := full(t)

	keys := secretKeys(&full.Spec, full.Release)
	for i, k := range keys {
		if k.Ref == nil {
			t.Fatalf("%s\nsecretKeys(...): %+v", "example/full.yaml names every key", k)
		}

		told := map[string]string{k.Ref.NamePath: k.Ref.Name}
		if k.Ref.KeyPath != "" {
			told[k.Ref.KeyPath] = k.Ref.Key
		}

		for field, want := range told {
			if got := protostruct.Get(xr, strings.Split(field, ".")...).GetStringValue(); got != want {
				t.Errorf("%s\nsecretKeys(...): %s: want %q, got %q", "A row has what its field says", field, want, got)
			}
		}

		where := k.Env + k.Role.Dir() + "/" + k.File
		if _, ok := rows[where]; ok {
			t.Errorf("%s\nsecretKeys(...): two rows for %s", "One value would replace the other", where)
		}

		rows[where] = k

		switch {
		case (k.Env == "") == (k.File == ""), k.HashEnv != "" && k.Env == "":
			t.Errorf("%s\nsecretKeys(...): %+v", "The server reads a value from a variable or from a file", k)
		case k.File != "" && k.Optional:
			t.Errorf("%s\nsecretKeys(...): %s is optional", "A pod would start without the file", where)
		case k.File != "" && secretOf[k.Role] != "" && secretOf[k.Role] != k.Ref.NamePath:
			t.Errorf("%s\nsecretKeys(...): %s is of %s and %s", "The files of a role are one volume, and so from one Secret", k.Role, secretOf[k.Role], k.Ref.NamePath)
		case len(validation.IsDNS1123Label("secret-"+string(k.Role))) > 0, strings.Contains(k.File, "/"):
			t.Errorf("%s\nsecretKeys(...): %+v", "A role names a volume, and a file is in its directory", k)
		case k.Check == nil:
			t.Errorf("%s\nsecretKeys(...): %s has none", "Every value has a check", where)
		case k.CheckBeside != nil && !isBeside(keys[:i], k):
			t.Errorf("%s\nsecretKeys(...): %+v", "A value is checked beside the one before it, of the same Secret", k)
		}

		if k.File != "" {
			secretOf[k.Role] = k.Ref.NamePath
		}
	}
}

// isBeside reports whether the key before another one, in the order in which they are resolved,
// is of the same role, and so of the same Secret.
func isBeside(before []SecretKey, k SecretKey) bool {
	if len(before) == 0 {
		return false
	}

	last := before[len(before)-1]

	return last.Role == k.Role && last.Ref.NamePath == k.Ref.NamePath && last.Ref.Key < k.Ref.Key
}

// The table in the docs is this one, and so holds the order of the container's variables.
func TestSecretsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}

	yes := map[bool]string{true: "yes", false: "no"}

	_, full := full(t)

	var want []string

	for _, k := range secretKeys(&full.Spec, full.Release) {
		how := "`" + k.Env + "`"

		switch {
		case k.File != "":
			how = "`" + path.Join(k.Role.Dir(), k.File) + "`"
		case k.HashEnv != "":
			how += ", a bcrypt hash as `" + k.HashEnv + "`"
		}

		told := "`" + strings.TrimPrefix(k.Ref.KeyPath, "spec.") + "`"
		if k.Ref.KeyPath == "" {
			told = "`" + k.Ref.Key + "` of `" + strings.TrimSuffix(strings.TrimPrefix(k.Ref.NamePath, "spec."), ".name") + "`"
		}

		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s | %s |", k.Role, told, how, yes[!k.Optional], yes[k.InDigest]))
	}

	_, rest, _ := strings.Cut(string(page), "| role | the key is named by | the server gets it as | needed | another value restarts |\n|---|---|---|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")

	if diff := cmp.Diff(want, strings.Split(table, "\n")); diff != "" {
		t.Errorf("docs/security.md: -want, +got:\n%s", diff)
	}
}

// Set by hand, the variable of a Secret or of a key of config.yaml would go past every check.
func TestOwnEnv(t *testing.T) {
	want := sets.New(
		"DITTOFS_CONTROLPLANE_SECRET", "DITTOFS_ADMIN_INITIAL_PASSWORD", "DITTOFS_ADMIN_PASSWORD_HASH",
		// The server would take it in the place of the JWT secret.
		"DITTOFS_CONTROLPLANE_JWT_SECRET",
	)

	for _, settings := range []dittofs.Settings{
		{SQLitePath: "/a", MetricsPort: 1},
		{Postgres: &dittofs.Postgres{}, MetricsPort: 1, Telemetry: dittofs.Telemetry{Enabled: true, Endpoint: "a", Insecure: true, SampleRate: new(0.5)}},
	} {
		text, err := dittofs.Config(settings, dittofs.Release{})
		if err != nil {
			t.Fatal(err)
		}

		keys := map[string]any{}
		if err := yaml.Unmarshal(text, &keys); err != nil {
			t.Fatal(err)
		}

		want.Insert(envOf("DITTOFS", keys)...)
	}

	if diff := cmp.Diff(sets.List(want), sets.List(ownEnv)); diff != "" {
		t.Errorf("%s\nownEnv: -want, +got:\n%s", "A variable for each Secret and each key of config.yaml, and no other", diff)
	}
}

// envOf returns the environment variables of the keys of a configuration.
func envOf(prefix string, value any) []string {
	keys, ok := value.(map[string]any)
	if !ok {
		return []string{prefix}
	}

	var names []string
	for k, v := range keys {
		names = append(names, envOf(prefix+"_"+strings.ToUpper(k), v)...)
	}

	return names
}
