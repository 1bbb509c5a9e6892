package contract

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/marmos91/dittofs/pkg/controlplane/store"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Identity providers of a spec, with values of example/secrets.yaml.
func directoryOf(url string) map[string]any {
	return map[string]any{
		"url": url, "baseDN": "DC=example,DC=org", "bindDN": "CN=dittofs,DC=example,DC=org", "bindPasswordSecretRef": map[string]any{"name": "files-directory"},
		"caSecretRef": map[string]any{"name": "files-directory"}, "realm": "EXAMPLE.ORG", "userAttribute": "uid", "idmap": "rid", "nestedGroups": true, "timeout": "5s", "maxGroupResults": 500,
	}
}

func kerberosOf(add map[string]any) map[string]any {
	k := map[string]any{"realm": "EXAMPLE.ORG", "servicePrincipal": "nfs/files.example.org", "keytabSecretRef": map[string]any{"name": "files-kerberos"}, "netbiosDomain": "EXAMPLE", "dnsDomain": "ad.example.org"}
	maps.Copy(k, add)

	return k
}

func accountOf(name string) map[string]any {
	return map[string]any{"machineAccount": map[string]any{"accountName": name, "dcAddress": "dc1.example.org", "passwordSecretRef": map[string]any{"name": "files-kerberos"}}}
}

// An identityServer is a server that is started again and again on the same volumes.
type identityServer struct {
	*server

	t   *testing.T
	dir string

	// metered is in each spec.
	metered map[string]any
}

func newIdentityServer(t *testing.T) *identityServer {
	t.Helper()
	binary(t)

	return &identityServer{t: t, dir: t.TempDir(), metered: metered(t)}
}

// render does what the function does for a server with identity providers.
func (s *identityServer) render(identity map[string]any) rendering {
	s.t.Helper()

	spec := maps.Clone(s.metered)
	spec["version"], spec["identity"] = version, identity

	r := render(s.t, ask{spec: spec})
	if r.secrets.State != secret.There {
		s.t.Fatal(r.secrets.Problems)
	}

	return r
}

// boot starts the server with identity providers, after it has stopped it.
func (s *identityServer) boot(identity map[string]any) {
	s.t.Helper()

	if s.server != nil {
		s.stop(s.t)
	}

	r := s.render(identity)

	// The server's package, which this test loads config.yaml with, reads them as well.
	for name, value := range r.environment(s.t) {
		s.t.Setenv(name, value)
	}

	s.server = start(s.t, r, s.dir)
	s.mustStart(s.t)
}

// call asks the REST API, as the administrator.
func (s *identityServer) call(method, path, body string) map[string]any {
	s.t.Helper()

	status, token := s.login(s.t, "admin", examplePassword)
	if status != http.StatusOK {
		s.t.Fatalf("login: want 200, got %d", status)
	}

	status, out := s.do(s.t, http.DefaultClient, method, s.port(s.t, v1alpha1.PortAPI), path, token.Access, json.RawMessage(body))
	if status == http.StatusNotFound {
		return nil
	}

	if status != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, status, out)
	}

	got := map[string]any{}
	if err := json.Unmarshal(out, &got); err != nil {
		s.t.Fatal(err)
	}

	return got
}

// has checks that the server's database has the settings of an identity provider that a call of the
// REST API would set, or that it has none.
func (s *identityServer) has(what string, p dittofs.IdentityProvider, of *composite.DittoServer) {
	s.t.Helper()

	got := s.call(http.MethodGet, p.Endpoint(), "null")

	var want map[string]any

	if of != nil {
		if err := json.Unmarshal([]byte(of.Identity().Body(p)), &want); err != nil {
			s.t.Fatal(err)
		}

		// Files are where this test has them.
		for _, file := range []string{"keytab_path", "krb5_conf"} {
			if path, ok := want[file].(string); ok {
				want[file] = filepath.Join(s.dir, path)
			}
		}

		if tls, ok := want["tls"].(map[string]any); ok {
			tls["ca_cert_file"] = filepath.Join(s.dir, tls["ca_cert_file"].(string))
		}
	}

	if diff := cmp.Diff(want, common(want, got)); diff != "" {
		s.t.Errorf("%s: the server's database: -want, +got:\n%s", what, diff)
	}
}

// common returns what an object has of another one's keys.
func common(keys, of map[string]any) map[string]any {
	if keys == nil || of == nil {
		return of
	}

	out := map[string]any{}

	for k, v := range keys {
		value, isThere := of[k]
		if object, isObject := v.(map[string]any); isObject {
			below, _ := value.(map[string]any)
			value = common(object, below)
		}

		if isThere {
			out[k] = value
		}
	}

	return out
}

// Settings of a directory that count once.
func TestLDAPCountsOnce(t *testing.T) {
	s := newIdentityServer(t)

	first := map[string]any{"ldap": directoryOf("ldaps://first.example.org:3269")}
	second := map[string]any{"ldap": directoryOf("ldaps://second.example.org")}

	s.boot(nil)
	s.has("a server without", dittofs.ProviderLDAP, nil)

	s.boot(first)
	was := s.srv
	s.has("added later", dittofs.ProviderLDAP, was)

	s.boot(second)
	s.has("changed, at the next start", dittofs.ProviderLDAP, was)

	// The call of the warning.
	body := strings.ReplaceAll(s.srv.Identity().Body(dittofs.ProviderLDAP), dittofs.SecretsDir, filepath.Join(s.dir, dittofs.SecretsDir))
	s.call(http.MethodPut, dittofs.ProviderLDAP.Endpoint(), body)
	s.has("set over the REST API", dittofs.ProviderLDAP, s.srv)

	if got := s.call(http.MethodGet, dittofs.ProviderLDAP.Endpoint(), "null"); got["bind_password"] == "" {
		t.Errorf("the call takes the password away: %v", got)
	}

	is := s.srv
	s.boot(first)
	s.has("changed back, at the next start", dittofs.ProviderLDAP, is)

	s.boot(nil)
	s.has("removed", dittofs.ProviderLDAP, is)

	// The call that is told before a removal is approved.
	if got := s.call(http.MethodPut, dittofs.ProviderLDAP.Endpoint(), dittofs.Off); got["enabled"] != false {
		t.Errorf("turned off: %v", got)
	}

	s.boot(first)

	if got := s.call(http.MethodGet, dittofs.ProviderLDAP.Endpoint(), "null"); got["enabled"] != false {
		t.Errorf("it comes back once it was turned off: %v", got)
	}

	s.stop(t)
}

// Settings of Kerberos that count once, and those that count at each start.
func TestKerberosCountsOnce(t *testing.T) {
	const offline = "NETLOGON machine account: offline provider active"

	s := newIdentityServer(t)

	s.boot(map[string]any{"kerberos": kerberosOf(nil)})
	was := s.srv
	s.has("the first start", dittofs.ProviderKerberos, was)

	s.boot(map[string]any{"kerberos": kerberosOf(map[string]any{"netbiosDomain": "OTHER"})})
	s.has("changed, at the next start", dittofs.ProviderKerberos, was)

	// Of an account that comes later the server's database has nothing, so that it counts.
	s.boot(map[string]any{"kerberos": kerberosOf(accountOf("FILES$"))})

	if out := s.output(t); !strings.Contains(out, offline) || !strings.Contains(out, "FILES$") {
		t.Errorf("a machine account that is added does not count:\n%s", out)
	}

	s.boot(map[string]any{"kerberos": kerberosOf(accountOf("OTHER$"))})

	if out := s.output(t); !strings.Contains(out, "OTHER$") {
		t.Errorf("a machine account that was added does not count at each start:\n%s", out)
	}

	// One that the server began with stays, until the call of the warning.
	s = newIdentityServer(t)
	s.boot(map[string]any{"kerberos": kerberosOf(accountOf("FILES$"))})
	s.boot(map[string]any{"kerberos": kerberosOf(accountOf("OTHER$"))})

	if out := s.output(t); !strings.Contains(out, "FILES$") || strings.Contains(out, "OTHER$") {
		t.Errorf("the account that the server began with does not win:\n%s", out)
	}

	body := strings.ReplaceAll(s.srv.Identity().Body(dittofs.ProviderMachineAccount), dittofs.SecretsDir, filepath.Join(s.dir, dittofs.SecretsDir))
	s.call(http.MethodPut, dittofs.ProviderKerberos.Endpoint(), body)
	s.has("set over the REST API", dittofs.ProviderKerberos, s.srv)
	s.boot(map[string]any{"kerberos": kerberosOf(accountOf("OTHER$"))})

	if out := s.output(t); !strings.Contains(out, offline) || !strings.Contains(out, "OTHER$") {
		t.Errorf("after the call and a start, the account of the spec does not count:\n%s", out)
	}

	s.boot(nil)
	s.has("removed", dittofs.ProviderKerberos, s.render(map[string]any{"kerberos": kerberosOf(nil)}).srv)
	s.call(http.MethodPut, dittofs.ProviderKerberos.Endpoint(), dittofs.Off)
	s.stop(t)
}

// How the server makes its account counts at each start.
func TestOnlineJoinCountsAtEachStart(t *testing.T) {
	join := func(url string) map[string]any {
		return map[string]any{"kerberos": kerberosOf(map[string]any{"machineAccount": map[string]any{"accountName": "FILES$", "onlineJoin": map[string]any{
			"ldapURL": url, "bindDN": "join@example.org", "bindPasswordSecretRef": map[string]any{"name": "files-directory"}, "baseDN": "DC=example,DC=org", "rotationInterval": "720h",
			"servicePrincipals": []any{"cifs/files.example.org"}, "caSecretRef": map[string]any{"name": "files-directory"},
		}}})}
	}

	s := newIdentityServer(t)

	// Nobody answers there, and the server starts nevertheless.
	for _, url := range []string{"ldaps://127.0.0.1:9", "ldaps://127.0.0.1:10"} {
		s.boot(join(url))

		if out := s.output(t); !strings.Contains(out, "online-join provider active") || !strings.Contains(out, url) {
			t.Errorf("%s does not count:\n%s", url, out)
		}
	}

	s.stop(t)
}

// What the function keeps from happening: without its files a server with SMB does not start, and one
// without it serves NFS without Kerberos, and says that it is ready.
func TestKerberosFilesAreNeeded(t *testing.T) {
	binary(t)

	const (
		enabled  = "RPCSEC_GSS (Kerberos) authentication enabled"
		disabled = "GSS disabled"
	)

	for name, tc := range map[string]struct {
		reason  string
		adapter string
		spoil   func(t *testing.T, dir string)

		starts bool
		logs   string
	}{
		"NFS": {"With both files NFS has Kerberos", "nfs", func(*testing.T, string) {}, true, enabled},
		"SMB": {"With both files SMB starts", "smb", func(*testing.T, string) {}, true, "SMB"},

		"NFSWithoutKeytab":   {"It runs without Kerberos", "nfs", remove(dittofs.KeytabFile), true, disabled},
		"NFSWithoutKrb5Conf": {"It runs without Kerberos", "nfs", remove(dittofs.Krb5ConfFile), true, disabled},
		"NFSBrokenKeytab":    {"It runs without Kerberos", "nfs", overwrite(dittofs.KeytabFile, "example"), true, disabled},
		"NFSBrokenKrb5Conf":  {"It runs without Kerberos", "nfs", overwrite(dittofs.Krb5ConfFile, "[libdefaults]\nexample"), true, disabled},
		"SMBWithoutKeytab":   {"It does not start", "smb", remove(dittofs.KeytabFile), false, "failed to initialize SMB Kerberos provider"},
		"SMBBrokenKrb5Conf":  {"It does not start", "smb", overwrite(dittofs.Krb5ConfFile, "[libdefaults]\nexample"), false, "failed to initialize SMB Kerberos provider"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newIdentityServer(t)
			r := s.render(map[string]any{"kerberos": kerberosOf(nil)})

			s.server = startWith(t, r, s.dir, loopback, func(file string) {
				setAdapter(t, file, tc.adapter)
				tc.spoil(t, s.dir)
			})

			if got := s.starts(t); got != tc.starts {
				t.Fatalf("%s\nthe server starts: want %t, got %t\n%s", tc.reason, tc.starts, got, s.output(t))
			}

			if tc.starts {
				if got := s.probe(t, s.container(t).ReadinessProbe); got != http.StatusOK {
					t.Errorf("%s\nreadiness probe: want 200, got %d", tc.reason, got)
				}

				s.stop(t)
			}

			if !strings.Contains(s.output(t), tc.logs) {
				t.Errorf("%s\nthe log has no %q:\n%s", tc.reason, tc.logs, s.output(t))
			}
		})
	}
}

// remove returns what takes a file of a server's Secrets away.
func remove(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()

		for _, file := range filesNamed(t, dir, name) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// overwrite returns what writes another file in its place.
func overwrite(name, text string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()

		for _, file := range filesNamed(t, dir, name) {
			writeSecret(t, file, text)
		}
	}
}

func filesNamed(t *testing.T, dir, name string) []string {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(dir, dittofs.SecretsDir, "*", name))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v, %v", name, files, err)
	}

	return files
}

// setAdapter has one adapter listen, and no other. It listens on every address of the machine.
func setAdapter(t *testing.T, file, name string) {
	t.Helper()

	for _, a := range adapters(t, file) {
		a.Enabled = a.Type == name
		a.Port = int(freePort(t))

		withStore(t, file, func(s *store.GORMStore) error { return s.UpdateAdapter(t.Context(), a) })
	}
}
