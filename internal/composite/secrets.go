package composite

import (
	"path"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// A Role is what a key of a Secret is for. The rollout digest covers it, and the volume
// and the directory of the files of a role are named after it.
type Role string

// Roles.
const (
	RoleAdmin    Role = "admin"
	RoleJWT      Role = "jwt"
	RolePostgres Role = "postgres"
	RoleAPITLS   Role = "api-tls"
	RoleAPICA    Role = "api-client-ca"

	RoleMetricsToken Role = "metrics-token"
	RoleMetricsTLS   Role = "metrics-tls"
	RoleMetricsCA    Role = "metrics-client-ca"

	RolePostgresCA Role = "postgres-ca"

	RoleLDAP   Role = "ldap"
	RoleLDAPCA Role = "ldap-ca"

	RoleKeytab         Role = "keytab"
	RoleMachineAccount Role = "machine-account"
	RoleJoin           Role = "domain-join"
	RoleJoinCA         Role = "domain-join-ca"
)

// Dir returns the directory of the files of a role.
func (r Role) Dir() string { return path.Join(dittofs.SecretsDir, string(r)) }

// A SecretKey is what there is to know of a key of a Secret that a spec can name.
type SecretKey struct {
	Role Role

	// Ref tells which key of which Secret it is. It is nil where the spec names none.
	Ref *SecretKeyRef

	// Env is the environment variable that the server reads the value from. HashEnv, if
	// there is one, is that for a value which is a bcrypt hash.
	Env, HashEnv string

	// File is the name of the file in the directory of the role that the server reads the value
	// from, if there is no Env. A Secret that the user mounts or sets has neither. All files of a
	// role are from one Secret. Their values may be binary.
	File string

	// Optional reports whether the server does without the key. That of a file is
	// required: the kubelet would start a server without the file.
	Optional bool

	// InDigest reports whether another value restarts the server.
	InDigest bool

	// Check returns why the server cannot use a value, or "". It returns no part of the
	// value.
	Check func(value []byte) string

	// CanRead reports whether the server can read a value at all. It is nil where a server that
	// cannot read one does not start, or does without harm: the others let clients in unchecked.
	CanRead func(value []byte) bool

	// CheckBeside returns why the server cannot use a value beside that of another key of the
	// same Secret, the one of the row before, or "". It is nil where it can use any.
	CheckBeside func(before, value []byte) string

	// CheckFirst returns why a server must not first start with a value, or "", as Check
	// does. It is nil where a value counts at every start.
	CheckFirst func(value []byte) string

	// Default is the value that the server takes without an Optional key, for Warning.
	Default string

	// Warning returns what is about to be wrong with a value that can be used, or "". It
	// returns no part of the value. It is nil where time changes nothing.
	Warning func(value []byte, now time.Time) string
}

// A SecretFile is a key of a Secret, by its name, that the server reads as the file of a role.
type SecretFile struct {
	Role      Role
	Name, Key string
}

// A SecretKeyRef names a key of a Secret in the server's namespace.
type SecretKeyRef struct {
	// Name of the Secret, and the field that tells it.
	Name, NamePath string

	// Key in the Secret, and the field that tells it. KeyPath is "" for a key that no field
	// tells.
	Key, KeyPath string
}

// Secrets returns the keys of Secrets that the spec names, in the order of the table.
func (s *DittoServer) Secrets() []SecretKey {
	return slices.Concat(s.namedSecrets(), extraSecretKeys(&s.Spec), envSecretKeys(&s.Spec))
}

// namedSecrets returns the keys of Secrets that the spec names, except those of extra volumes
// and variables.
func (s *DittoServer) namedSecrets() []SecretKey {
	return slices.DeleteFunc(secretKeys(&s.Spec, s.Release), func(k SecretKey) bool { return k.Ref == nil })
}

// secretKeys returns the table: every key of a Secret that a spec can name, in the order
// of the container's environment variables. Another order would restart every server.
func secretKeys(spec *v1alpha1.DittoServerSpec, r dittofs.Release) []SecretKey {
	jwt := keyRef("spec.identity.jwt.secretRef", &spec.Identity.JWT.SecretRef)
	admin := keyRef("spec.identity.admin.passwordSecretRef", spec.Identity.Admin.PasswordSecretRef)
	pg := ptr.Deref(spec.Database.Postgres, v1alpha1.Postgres{})
	keys := pg.Keys

	// The server does not read a key whose value the spec has. A key without a name is of a server
	// that ran with such a spec.
	postgres := func(setting, key string, isClear bool) *SecretKeyRef {
		if key == "" || isClear {
			return nil
		}

		return postgresRef(&pg, setting, key)
	}

	// Metrics that are not served need nothing.
	metrics := v1alpha1.Metrics{}
	if spec.Metrics.Enabled {
		metrics = spec.Metrics
	}

	rows := []SecretKey{
		{Role: RoleJWT, Ref: jwt, Env: dittofs.EnvJWTSecret, InDigest: true, Check: dittofs.CheckJWTSecret},
		{Role: RoleAdmin, Ref: admin, Env: dittofs.EnvAdminPassword, HashEnv: dittofs.EnvAdminPasswordHash, InDigest: true, Check: dittofs.CheckPassword, CheckFirst: dittofs.CheckFirstPassword},
		{Role: RolePostgres, Ref: postgres("host", keys.Host, pg.Host != ""), Env: dittofs.EnvPostgresHost, InDigest: true, Check: dittofs.CheckPostgresHost(r)},
		// Without a port or an SSL mode the server takes those that config.yaml has.
		{Role: RolePostgres, Ref: postgres("port", keys.Port, pg.Port != nil), Env: dittofs.EnvPostgresPort, Optional: true, InDigest: true, Check: dittofs.CheckPort},
		{Role: RolePostgres, Ref: postgres("database", keys.Database, pg.Database != ""), Env: dittofs.EnvPostgresDatabase, InDigest: true, Check: dittofs.CheckPostgresText(r)},
		{Role: RolePostgres, Ref: postgres("user", keys.User, false), Env: dittofs.EnvPostgresUser, InDigest: true, Check: dittofs.CheckPostgresText(r)},
		{Role: RolePostgres, Ref: postgres("password", keys.Password, false), Env: dittofs.EnvPostgresPassword, InDigest: true, Check: dittofs.CheckPostgresText(r)},
		{Role: RolePostgres, Ref: postgres("sslmode", keys.SSLMode, pg.SSLMode != ""), Env: dittofs.EnvPostgresSSLMode, Optional: true, InDigest: true, Check: dittofs.CheckSSLMode, Default: dittofs.DefaultSSLMode, Warning: sslModeWarning(&pg)},
	}

	// The API reads a certificate that changes by itself, so that none restarts the server.
	rows = append(rows, tlsKeys(RoleAPITLS, "spec.api.tls", spec.API.TLS, false)...)

	// Everything else is read when the server starts.
	rows = append(rows,
		clientCAKey(RoleAPICA, "spec.api.tls.clientCASecretRef", clientCA(spec.API.TLS)),
		SecretKey{Role: RoleMetricsToken, Ref: keyRef("spec.metrics.tokenSecretRef", metrics.TokenSecretRef), File: dittofs.TokenFile, InDigest: true, Check: dittofs.CheckToken},
	)
	rows = append(rows, tlsKeys(RoleMetricsTLS, "spec.metrics.tls", metrics.TLS, true)...)
	rows = append(rows,
		clientCAKey(RoleMetricsCA, "spec.metrics.tls.clientCASecretRef", clientCA(metrics.TLS)),
		caKey(RolePostgresCA, "spec.database.postgres.caSecretRef", pg.CASecretRef),
	)

	return append(rows, identityKeys(spec)...)
}

// identityKeys returns the rows of identity providers. The server copies a password into its
// database once, and reads files by itself: neither restarts it.
func identityKeys(spec *v1alpha1.DittoServerSpec) []SecretKey {
	l := ptr.Deref(spec.Identity.LDAP, v1alpha1.LDAP{})

	var password *SecretKeyRef
	if spec.Identity.LDAP != nil {
		password = keyRef("spec.identity.ldap.bindPasswordSecretRef", &l.BindPasswordSecretRef)
	}

	ca := caKey(RoleLDAPCA, "spec.identity.ldap.caSecretRef", l.CASecretRef)
	ca.InDigest = false

	rows := []SecretKey{
		{Role: RoleLDAP, Ref: password, Env: dittofs.EnvLDAPPassword, Check: dittofs.CheckBindPassword},
		ca,
	}

	return append(rows, kerberosKeys(spec.Identity.Kerberos, spec.SMB.Enabled)...)
}

// kerberosKeys returns the rows of Kerberos. The server reads the password for its account when
// it starts.
func kerberosKeys(k *v1alpha1.Kerberos, smb bool) []SecretKey {
	const path = "spec.identity.kerberos."

	var (
		keytab, joinPassword *SecretKeyRef
		keytabWarning        func([]byte, time.Time) string

		account   = ptr.Deref(ptr.Deref(k, v1alpha1.Kerberos{}).MachineAccount, v1alpha1.MachineAccount{})
		join      = ptr.Deref(account.OnlineJoin, v1alpha1.OnlineJoin{})
		principal = servicePrincipal(ptr.Deref(k, v1alpha1.Kerberos{}))
	)

	if k != nil {
		keytab = keyRef(path+"keytabSecretRef", &k.KeytabSecretRef)
	}

	if smb {
		keytabWarning = func(value []byte, _ time.Time) string { return dittofs.SMBKeytabWarning(principal, value) }
	}

	if account.OnlineJoin != nil {
		joinPassword = keyRef(path+"machineAccount.onlineJoin.bindPasswordSecretRef", &join.BindPasswordSecretRef)
	}

	ca := caKey(RoleJoinCA, path+"machineAccount.onlineJoin.caSecretRef", join.CASecretRef)
	ca.InDigest = false

	return []SecretKey{
		{Role: RoleKeytab, Ref: keytab, File: dittofs.KeytabFile, Check: dittofs.CheckKeytab(principal), CanRead: dittofs.CanReadKeytab, Warning: keytabWarning},
		{Role: RoleMachineAccount, Ref: keyRef(path+"machineAccount.passwordSecretRef", account.PasswordSecretRef), Env: dittofs.EnvMachineAccountPassword, Check: dittofs.CheckBindPassword},
		{Role: RoleJoin, Ref: joinPassword, Env: dittofs.EnvJoinPassword, InDigest: true, Check: dittofs.CheckBindPassword},
		ca,
	}
}

// sslModeWarning returns the warning of an SSL mode for which the server does not look at the
// authorities that the spec names. It is nil without such.
func sslModeWarning(pg *v1alpha1.Postgres) func([]byte, time.Time) string {
	if pg.CASecretRef == nil {
		return nil
	}

	return func(mode []byte, _ time.Time) string {
		if dittofs.ChecksCertificate(string(mode)) {
			return ""
		}

		return uncheckedCA
	}
}

// uncheckedCA does not have the mode, which may be a Secret's.
const uncheckedCA = "the SSL mode checks no certificate, so spec.database.postgres.caSecretRef has no effect: use verify-full"

// postgresRef returns the key of the Secret of PostgreSQL that a setting would be from.
func postgresRef(pg *v1alpha1.Postgres, setting, key string) *SecretKeyRef {
	return &SecretKeyRef{
		Name: pg.SecretRef.Name, NamePath: "spec.database.postgres.secretRef.name",
		Key: key, KeyPath: "spec.database.postgres.keys." + setting,
	}
}

// A DatabaseKey is a key of a Secret that tells where a PostgreSQL database is.
type DatabaseKey struct {
	Ref SecretKeyRef

	// Default is the value that the server takes where the Secret does not have the key, if it
	// does without.
	Default string
}

// DatabaseKeys returns the keys that tell where a PostgreSQL database is, those among them too
// whose value the spec has itself: guards compare the one with the other, to tell a value that
// moves into the spec, or out of it, from another one.
func (s *DittoServer) DatabaseKeys() []DatabaseKey {
	pg := s.Spec.Database.Postgres
	if pg == nil {
		return nil
	}

	return []DatabaseKey{
		{Ref: *postgresRef(pg, "host", pg.Keys.Host)},
		{Ref: *postgresRef(pg, "port", pg.Keys.Port), Default: strconv.Itoa(dittofs.DefaultPostgresPort)},
		{Ref: *postgresRef(pg, "database", pg.Keys.Database)},
	}
}

func clientCA(t *v1alpha1.TLS) *v1alpha1.SecretKeyRef {
	return ptr.Deref(t, v1alpha1.TLS{}).ClientCASecretRef
}

// caKey returns the row of authorities.
func caKey(role Role, path string, ref *v1alpha1.SecretKeyRef) SecretKey {
	return SecretKey{Role: role, Ref: keyRef(path, ref), File: dittofs.CAFile, InDigest: true, Check: dittofs.CheckCA, Warning: dittofs.CAWarning}
}

// clientCAKey returns the row of authorities of clients.
func clientCAKey(role Role, path string, ref *v1alpha1.SecretKeyRef) SecretKey {
	k := caKey(role, path, ref)
	k.Warning = dittofs.ClientCAWarning

	return k
}

// tlsKeys returns the rows of the certificate of a listener, whose keys are always the same.
func tlsKeys(role Role, path string, t *v1alpha1.TLS, inDigest bool) []SecretKey {
	ref := func(key string) *SecretKeyRef {
		if t == nil {
			return nil
		}

		return &SecretKeyRef{Name: t.SecretRef.Name, NamePath: path + ".secretRef.name", Key: key}
	}

	return []SecretKey{
		{Role: role, Ref: ref(dittofs.CertFile), File: dittofs.CertFile, InDigest: inDigest, Check: dittofs.CheckCertificate, Warning: dittofs.CertificateWarning},
		{Role: role, Ref: ref(dittofs.KeyFile), File: dittofs.KeyFile, InDigest: inDigest, Check: dittofs.CheckPrivateKey, CheckBeside: dittofs.CheckKeyPair},
	}
}

// keyRef returns what a reference at a path of the spec names, or nil.
func keyRef(path string, ref *v1alpha1.SecretKeyRef) *SecretKeyRef {
	if ref == nil {
		return nil
	}

	return &SecretKeyRef{Name: ref.Name, NamePath: path + ".name", Key: ref.Key, KeyPath: path + ".key"}
}

// secretEnv returns the environment variables that hold values of Secrets, whether a spec
// names them or not. Those of identity providers are left out, since servers may have them without
// the field that came later: validateOwnEnv refuses them beside it.
func secretEnv() []string {
	var env []string

	for _, k := range secretKeys(&v1alpha1.DittoServerSpec{}, dittofs.Release{}) {
		if slices.ContainsFunc(dittofs.IdentityProviders(), func(p dittofs.IdentityProvider) bool { return p.IsReachedBy(k.Env) }) {
			continue
		}

		for _, name := range []string{k.Env, k.HashEnv} {
			if name != "" {
				env = append(env, name)
			}
		}
	}

	return env
}

// validateSecrets checks the names of Secrets and keys. A field that tells the Secret of
// several keys is reported once.
func validateSecrets(keys []SecretKey) field.ErrorList {
	var errs field.ErrorList

	reported := sets.New[string]()

	for _, k := range keys {
		if !reported.Has(k.Ref.NamePath) {
			errs = append(errs, podrules.SecretName(field.NewPath(k.Ref.NamePath), k.Ref.Name)...)
		}

		reported.Insert(k.Ref.NamePath)

		if k.Ref.KeyPath != "" {
			errs = append(errs, fielderr.Messages(field.NewPath(k.Ref.KeyPath), k.Ref.Key, validation.IsConfigMapKey(k.Ref.Key))...)
		}
	}

	return errs
}
