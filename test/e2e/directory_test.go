package e2e

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/test/pki"
)

// Names in the directory and the realm.
const (
	realmName    = "EXAMPLE.ORG"
	filesHost    = "files.example.org"
	bindName     = "cn=dittofs,dc=example,dc=org"
	bindPassword = "Example-Bind1"
	userPassword = "Example-User1"
)

// directorySchema has of Active Directory what DittoFS asks for. That of OpenLDAP's msuser cannot be
// searched by sAMAccountName.
const directorySchema = `
attributetype ( 1.1.2.1.1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.1.2.1.2 NAME 'objectSid' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.1.2.1.3 NAME 'memberOf' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.1.2.2.1 NAME 'user' SUP top STRUCTURAL MUST ( cn $ sAMAccountName $ uidNumber $ gidNumber ) MAY ( objectSid $ memberOf ) )
objectclass ( 1.1.2.2.2 NAME 'group' SUP top STRUCTURAL MUST ( cn $ sAMAccountName $ gidNumber ) MAY objectSid )
`

// directoryEntries are users of the group staff, 5000, of whom alice is an editor, 5001.
const directoryEntries = `
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example

dn: ` + bindName + `
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: ` + bindPassword + `

dn: cn=editors,dc=example,dc=org
objectClass: group
sAMAccountName: editors
gidNumber: 5001

dn: cn=alice,dc=example,dc=org
objectClass: user
sAMAccountName: alice
uidNumber: 4001
gidNumber: 5000
memberOf: cn=editors,dc=example,dc=org

dn: cn=bob,dc=example,dc=org
objectClass: user
sAMAccountName: bob
uidNumber: 4002
gidNumber: 5000
`

// debian returns a path below the folder of Debian's packages.
func debian(t *testing.T, path ...string) string {
	t.Helper()

	slapd, err := exec.LookPath("slapd")
	if err != nil {
		t.Fatal(err)
	}

	return filepath.Join(append([]string{slapd, "../../.."}, path...)...)
}

// A directory is an OpenLDAP server on this machine, where pods reach it.
type directory struct {
	url, dir  string
	authority *pki.Pair
}

func newDirectory(t *testing.T) *directory {
	t.Helper()

	host := addressForPods(t)
	d := &directory{url: "ldaps://" + freePort(t, host), dir: t.TempDir(), authority: pki.Authority(t)}

	// The processes end right after their first one, and may write until then.
	t.Cleanup(func() {
		for deadline := time.Now().Add(10 * time.Second); os.RemoveAll(d.dir) != nil && time.Now().Before(deadline); {
			time.Sleep(100 * time.Millisecond)
		}
	})

	pair := d.authority.Issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(host)} })

	config := "modulepath " + debian(t, "usr/lib/ldap") + "\nmoduleload back_mdb\n"
	for _, s := range []string{"core", "cosine", "nis"} {
		config += "include " + debian(t, "etc/ldap/schema", s+".schema") + "\n"
	}

	config += "include " + d.path("ad.schema") + "\npidfile " + d.path("pid") + "\nTLSCertificateFile " + d.path("tls.crt") + "\nTLSCertificateKeyFile " + d.path("tls.key") +
		"\ndatabase mdb\nsuffix dc=example,dc=org\ndirectory " + d.dir + "\n"

	for name, content := range map[string]string{"slapd.conf": config, "ad.schema": directorySchema, "entries.ldif": directoryEntries, "tls.crt": string(pair.Certificate), "tls.key": string(pair.Key)} {
		writeFile(t, d.path(name), []byte(content))
	}

	if _, err := tool(t.Context(), "slapadd", "-f", d.path("slapd.conf"), "-l", d.path("entries.ldif")); err != nil {
		t.Fatal(err)
	}

	runCommandUntilEnd(t, d.dir, debianCommand(context.WithoutCancel(t.Context()), nil, "slapd", "-f", d.path("slapd.conf"), "-h", d.url, "-d", "stats"))

	return d
}

func (d *directory) path(name string) string { return filepath.Join(d.dir, name) }

// A realm is a KDC on this machine, for clients: the server asks none.
type realm struct{ dir string }

func newRealm(t *testing.T) *realm {
	t.Helper()

	r := &realm{dir: t.TempDir()}
	kdc := freePort(t, "127.0.0.1")

	writeFile(t, r.path("krb5.conf"), []byte(`[libdefaults]
  default_realm = `+realmName+`
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
[realms]
  `+realmName+` = {
    kdc = `+kdc+`
  }
[dbmodules]
  db_module_dir = `+debian(t, filepath.Join("usr/lib", filepath.Base(strings.Split(os.Getenv("DEBIAN_LIBRARIES"), ":")[0])), "krb5/plugins/kdb")+`
`))
	writeFile(t, r.path("kdc.conf"), []byte(`[kdcdefaults]
  kdc_listen = `+kdc+`
  kdc_tcp_listen = `+kdc+`
[realms]
  `+realmName+` = {
    database_name = `+r.path("principal")+`
    key_stash_file = `+r.path("stash")+`
    acl_file = `+r.path("acl")+`
    supported_enctypes = aes256-cts:normal
  }
`))

	r.run(t, "", "kdb5_util", "create", "-s", "-r", realmName, "-P", "example-master")

	for _, user := range []string{"alice", "bob", "carol"} {
		r.admin(t, "addprinc -pw "+userPassword+" "+user)
	}

	for _, service := range []string{"nfs/", "cifs/"} {
		r.admin(t, "addprinc -randkey "+service+filesHost)
	}

	runCommandUntilEnd(t, r.dir, debianCommand(context.WithoutCancel(t.Context()), r.env(), "krb5kdc", "-n", "-r", realmName))

	return r
}

func (r *realm) path(name string) string { return filepath.Join(r.dir, name) }

func (r *realm) env(more ...string) []string {
	return append(more, "KRB5_CONFIG="+r.path("krb5.conf"), "KRB5_KDC_PROFILE="+r.path("kdc.conf"))
}

// run runs a program of the realm with an input.
func (r *realm) run(t *testing.T, input, command string, args ...string) {
	t.Helper()

	cmd := debianCommand(t.Context(), r.env(), command, args...)
	cmd.Stdin = strings.NewReader(input)

	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func (r *realm) admin(t *testing.T, query string) {
	t.Helper()

	r.run(t, "", "kadmin.local", "-q", query)
}

// keytab returns one of the server, with new keys each time beside the old ones.
func (r *realm) keytab(t *testing.T) string {
	t.Helper()

	r.admin(t, "ktadd -k "+r.path("krb5.keytab")+" nfs/"+filesHost+" cifs/"+filesHost)

	b, err := os.ReadFile(r.path("krb5.keytab"))
	if err != nil {
		t.Fatal(err)
	}

	return string(b)
}

// smb runs a command of smbclient as a user with a new ticket.
func (r *realm) smb(t *testing.T, s *server, user, command string) (string, error) {
	t.Helper()

	host, port := s.smbAddress(t)
	cache := "FILE:" + r.path("cache-"+user)
	r.run(t, userPassword+"\n", "kinit", "-c", cache, user)

	return smbclient(t, r.env("KRB5CCNAME="+cache), "//"+filesHost+share, "--ip-address="+host, "--port="+port, "--use-kerberos=required", "--command="+command)
}

func smbclient(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	out, err := debianCommand(ctx, env, "smbclient", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}

	return string(out), nil
}

// debianCommand returns a command of Debian's packages, with more variables.
func debianCommand(ctx context.Context, env []string, command string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+os.Getenv("DEBIAN_LIBRARIES"))
	cmd.Env = append(cmd.Env, env...)

	return cmd
}

// withDirectory is a server of the realm that looks up users in the directory.
func withDirectory(url, account string) string {
	return withSMB + `
identity:
  jwt: {secretRef: {name: jwt}}
  admin: {passwordSecretRef: {name: admin}}
  ldap:
    url: ` + url + `
    baseDN: dc=example,dc=org
    bindDN: ` + account + `
    bindPasswordSecretRef: {name: directory}
    caSecretRef: {name: directory}
    realm: ` + realmName + `
  kerberos:
    realm: ` + realmName + `
    servicePrincipal: nfs/` + filesHost + `
    keytabSecretRef: {name: kerberos}
`
}

// testLDAP asks the server whether the directory takes its password, or another one.
func (s *server) testLDAP(t *testing.T, password, want string) func(ctx context.Context) error {
	t.Helper()

	token := s.login(t)

	return func(ctx context.Context) error {
		config := map[string]any{}
		if err := s.request(ctx, http.MethodGet, dittofs.ProviderLDAP.Endpoint(), token, nil, &config); err != nil {
			return err
		}

		if password != "" {
			config["bind_password"] = password
		}

		var answer struct {
			OK      bool   `json:"ok"`
			Message string `json:"message"`
		}

		if err := s.request(ctx, http.MethodPost, strings.Replace(dittofs.ProviderLDAP.Endpoint(), "/config", "/test", 1), token, config, &answer); err != nil {
			return err
		}

		if got := fmt.Sprint(answer.OK, " ", answer.Message); !strings.Contains(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}

		return nil
	}
}

// A user without an account in DittoFS logs in to SMB with a ticket, and has the number and the
// groups of the directory. A wrong password of the server is reported, and a renewed one counts
// without a restart.
func TestDirectoryUsersLogInWithTickets(t *testing.T) {
	t.Parallel()
	needsNode(t)

	d, r, s := newDirectory(t), newRealm(t), newNamespace(t)
	spec := withDirectory(d.url, bindName)

	s.apply(t, spec)
	eventually(t, "the missing keytab is told", s.says("SecretsResolved=False/Missing", s.namespace+"/kerberos"))

	s.applySecret(t, "directory", map[string]string{"password": bindPassword, "ca.crt": string(d.authority.Certificate)})
	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": "none"})
	s.call(t)
	eventually(t, "what is no keytab is told", s.says("SecretsResolved=False/Missing", "must be a keytab"))

	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": r.keytab(t)})
	s.call(t)

	pod := s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)

	eventually(t, "the directory takes the password", s.testLDAP(t, "", "true"))
	eventually(t, "a wrong password is told", s.testLDAP(t, "example-wrong", "Invalid Credentials"))

	s.expectUsers(t, func(user, command string) (string, error) { return r.smb(t, s, user, command) })

	if out, err := r.smb(t, s, "carol", "ls"); err == nil {
		t.Errorf("carol, whom the directory does not know: %s", out)
	}

	// New keys, and another authority beside the first.
	other := pki.Authority(t)
	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": r.keytab(t)})
	s.applySecret(t, "directory", map[string]string{"password": bindPassword, "ca.crt": string(other.Certificate)})
	s.call(t)

	begin := time.Now()

	eventually(t, "the new keytab counts", func(context.Context) error {
		_, err := r.smb(t, s, "alice", "ls")

		return err
	})
	t.Logf("a ticket for the new keys is taken after %.0f s", time.Since(begin).Seconds())

	eventually(t, "the new authorities count", s.testLDAP(t, "", "unknown authority"))
	t.Logf("the new authorities count after %.0f s", time.Since(begin).Seconds())

	if err := s.samePod(pod)(t.Context()); err != nil {
		t.Error(err)
	}
}

// expectUsers checks that users have the numbers and groups of the directory, over SMB.
func (s *server) expectUsers(t *testing.T, smb func(user, command string) (string, error)) {
	t.Helper()

	hello := filepath.Join(t.TempDir(), "hello.txt")
	writeFile(t, hello, []byte("hello"))

	if _, err := smb("alice", "put "+hello+" alice.txt"); err != nil {
		t.Fatal(err)
	}

	s.expectOwner(t, "alice.txt", "4001", "5000")

	// Only the group of editors may read it.
	s.writeFileAs(t, "editors.txt", "4009", "5001")

	if out, err := smb("alice", "get editors.txt -"); err != nil || !strings.Contains(out, "hello") {
		t.Errorf("alice, an editor: %s %v", out, err)
	}

	if out, err := smb("bob", "get editors.txt -"); err == nil && !strings.Contains(out, "NT_STATUS_ACCESS_DENIED") {
		t.Errorf("bob, who is none, reads it: %s", out)
	}
}

// A domain is one of Active Directory: samba.sh runs its domain controller on this machine, where pods
// reach it. It is a realm for clients.
type domain struct {
	realm

	address   string
	authority *pki.Pair
}

func newDomain(t *testing.T) *domain {
	t.Helper()

	d := &domain{realm: realm{dir: t.TempDir()}, address: addressForPods(t), authority: pki.Authority(t)}
	pair := d.authority.Issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(d.address)} })

	for name, content := range map[string][]byte{"ca.crt": d.authority.Certificate, "tls.crt": pair.Certificate, "tls.key": pair.Key} {
		writeFile(t, d.path(name), content)
	}

	// All of it ends with one process.
	runUntilEnd(t, d.dir, "unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "./samba.sh", d.dir, d.address, debian(t))

	eventually(t, "the domain controller runs", func(ctx context.Context) error {
		for _, port := range []string{"53", "88", "445", "636"} {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(d.address, port))
			if err != nil {
				return err
			}

			_ = conn.Close()
		}

		return nil
	})

	return d
}

// A user of a domain logs in to SMB with a password, from a computer that is not in the domain, and with
// a ticket. The server is a member of the domain by its machine account.
func TestUsersOfADomainLogInWithPasswords(t *testing.T) {
	t.Parallel()
	needsNode(t)

	d, s := newDomain(t), newNamespace(t)

	keytab, err := os.ReadFile(d.path("krb5.keytab"))
	if err != nil {
		t.Fatal(err)
	}

	s.applySecret(t, "directory", map[string]string{"password": bindPassword, "ca.crt": string(d.authority.Certificate)})
	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": string(keytab), "password": "Example-Machine1"})
	s.apply(t, withDirectory("ldaps://"+d.address, "dittofs@example.org")+`
    netbiosDomain: EXAMPLE
    machineAccount:
      accountName: FILES$
      passwordSecretRef: {name: kerberos}
      dcAddress: `+d.address+"\n")

	s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	eventually(t, "the directory takes the password", s.testLDAP(t, "", "true"))

	host, port := s.smbAddress(t)
	ntlm := func(user, password, command string) (string, error) {
		return smbclient(t, nil, "//"+host+share, "--port="+port, "--use-kerberos=off", "--user=EXAMPLE\\"+user+"%"+password, "--command="+command)
	}

	s.expectUsers(t, func(user, command string) (string, error) { return ntlm(user, userPassword, command) })

	if out, err := ntlm("alice", "Example-Wrong1", "ls"); err == nil {
		t.Errorf("alice with a wrong password: %s", out)
	}

	if out, err := d.smb(t, s, "alice", "ls"); err != nil || !strings.Contains(out, "alice.txt") {
		t.Errorf("alice with a ticket: %s %v", out, err)
	}
}

// acknowledgeIn finds the value of the annotation that a message asks for.
var acknowledgeIn = regexp.MustCompile(regexp.QuoteMeta(v1alpha1.AnnotationAcknowledge) + `=([0-9a-f]+)`)

// Another directory restarts nothing and gets a warning, and Kerberos goes once a person has
// turned it off.
func TestDirectoryThatChangesIsTold(t *testing.T) {
	t.Parallel()
	needsNode(t)

	r, s := newRealm(t), newNamespace(t)

	s.applySecret(t, "directory", map[string]string{"password": bindPassword, "ca.crt": string(pki.Authority(t).Certificate)})
	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": r.keytab(t)})
	s.apply(t, withDirectory("ldaps://first.example.org", bindName))

	pod := s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	s.writeFile(t, "first.txt", "first")

	s.apply(t, withDirectory("ldaps://second.example.org", bindName))

	var value string

	eventually(t, "another directory is told", func(ctx context.Context) error {
		if err := s.says("Warnings=True/HasWarnings", "spec.identity.ldap: ", dittofs.ProviderLDAP.Endpoint())(ctx); err != nil {
			return err
		}

		found := acknowledgeIn.FindStringSubmatch(s.message(t, "Warnings"))
		if found == nil {
			return errors.New("the message names no annotation")
		}

		value = found[1]

		return nil
	})
	s.throughoutCalls(t, "nothing restarts", s.samePod(pod))

	s.patch(t, fmt.Sprintf(`metadata: {annotations: {%s: %q}}`, v1alpha1.AnnotationAcknowledge, value))
	eventually(t, "it is told no more", s.condition("Warnings=False"))

	// Without the keytab a server with SMB would not start.
	s.apply(t, withSMB)
	approval := s.waitHeld(t, "", "spec.identity.kerberos is removed")
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	token := s.login(t)
	for _, p := range []dittofs.IdentityProvider{dittofs.ProviderLDAP, dittofs.ProviderKerberos} {
		if err := s.request(t.Context(), http.MethodPut, p.Endpoint(), token, map[string]bool{"enabled": false}, nil); err != nil {
			t.Fatal(err)
		}
	}

	s.approve(t, approval)
	s.successor(t, pod)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
}

// A server whose keytab goes bad runs on, and starts no container until the keytab is good again: it would serve
// NFS without Kerberos, and say that it is ready.
func TestKeytabThatGoesBadPreventsAStart(t *testing.T) {
	t.Parallel()
	needsNode(t)

	const variable = dittofs.EnvKerberosRealm

	r, s := newRealm(t), newNamespace(t)
	good := r.keytab(t)

	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": good})
	s.apply(t, `
identity:
  jwt: {secretRef: {name: jwt}}
  admin: {passwordSecretRef: {name: admin}}
  kerberos:
    realm: `+realmName+`
    servicePrincipal: nfs/`+filesHost+`
    keytabSecretRef: {name: kerberos}
`)

	pod := s.waitRunning(t)
	revision := s.statefulSet(t).Status.UpdateRevision

	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": "none"})
	s.call(t)
	eventually(t, "the keytab is told", all(
		s.says("SecretsResolved=False/Missing", s.namespace+"/kerberos", "must be a keytab"),
		s.condition("ConfigRolledOut=False/StartPrevented"),
		s.hasInConfigMap(variable, false),
	))
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	if err := cluster.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	waits := func(ctx context.Context) error {
		now, err := s.findPod(ctx)
		if err != nil || now == nil || now.UID == pod.UID || len(now.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("there is no other pod yet: %w", err)
		}

		w := now.Status.ContainerStatuses[0].State.Waiting
		if w == nil || w.Reason != "CreateContainerConfigError" || !strings.Contains(w.Message, variable) {
			return fmt.Errorf("its container does not wait for %s: %v", variable, now.Status.ContainerStatuses[0].State)
		}

		return nil
	}

	eventually(t, "another pod waits", waits)
	s.throughoutCalls(t, "it waits", waits)

	s.applySecret(t, "kerberos", map[string]string{"krb5.keytab": good})
	s.call(t)
	s.successor(t, pod)
	eventually(t, "nothing waits", all(s.condition("ConfigRolledOut=True"), s.hasInConfigMap(variable, true)))

	if got := s.statefulSet(t).Status.UpdateRevision; got != revision {
		t.Errorf("the pod template changed: its revision was %s, and is %s", revision, got)
	}
}

// hasInConfigMap says nothing if the ConfigMap of the server has a key, or has not, as wanted.
func (s *server) hasInConfigMap(key string, want bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		cm := &corev1.ConfigMap{}
		if err := cluster.Get(ctx, s.key(s.name+"-config"), cm); err != nil {
			return err
		}

		if _, got := cm.Data[key]; got != want {
			return fmt.Errorf("the ConfigMap has %s: %t, want %t", key, got, want)
		}

		return nil
	}
}

// writeFileAs writes a file over NFS as a user and a group, for nobody else.
func (s *server) writeFileAs(t *testing.T, name, uid, gid string) {
	t.Helper()

	local := filepath.Join(t.TempDir(), name)
	writeFile(t, local, []byte("hello"))

	eventually(t, "write "+name, func(ctx context.Context) error {
		remote, err := s.nfsURL(ctx, name)
		if err != nil {
			return err
		}

		_, err = tool(ctx, "nfs-cp", local, strings.NewReplacer("uid=0", "uid="+uid, "gid=0", "gid="+gid).Replace(remote))

		return err
	})
}

// expectOwner checks whose a file is, as NFS lists it.
func (s *server) expectOwner(t *testing.T, name, uid, gid string) {
	t.Helper()

	remote, err := s.nfsURL(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}

	out, err := tool(t.Context(), "nfs-ls", strings.Replace(remote, "/?", "?", 1))
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 6 && f[5] == name && f[2] == uid && f[3] == gid {
			return
		}
	}

	t.Errorf("%s is not of user %s and group %s:\n%s", name, uid, gid, out)
}
