package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// Defaults of a DittoServerSpec. The CEL rules in types.go repeat the ports,
// because the stored spec carries no defaults.
const (
	DefaultReplicas             = 1
	DefaultNFSPort              = 2049
	DefaultSMBPort              = 445
	DefaultAPIPort              = 8080
	DefaultMetricsPort          = 9090
	DefaultNFSAdapterPort       = 12049
	DefaultSMBAdapterPort       = 1445
	DefaultServiceType          = corev1.ServiceTypeLoadBalancer
	DefaultSQLitePath           = "/data/controlplane/controlplane.db"
	DefaultJWTKey               = "jwt-secret"
	DefaultAccessTokenDuration  = "15m"
	DefaultRefreshTokenDuration = "168h"
	DefaultAdminUsername        = "admin"
	DefaultAdminPasswordKey     = "password"
	DefaultCachePath            = "/data/cache"
	DefaultCacheSize            = "1GB"
	DefaultLoggingLevel         = "INFO"
	DefaultLoggingFormat        = "json"
	DefaultLoggingOutput        = "stdout"
	DefaultShutdownTimeout      = "30s"
	DefaultStartupTimeout       = "150s"
	DefaultControlPlaneSize     = "1Gi"
	DefaultMetadataSize         = "10Gi"
	DefaultCacheClaimSize       = "5Gi"
	DefaultCAKey                = "ca.crt"
	DefaultMetricsPath          = "/metrics"
	DefaultMetricsTokenKey      = "token"
	DefaultBindPasswordKey      = "password"
	DefaultKeytabKey            = "krb5.keytab"
	DefaultUserAttribute        = "sAMAccountName"
	DefaultIdmap                = IdmapRFC2307
	DefaultLDAPTimeout          = "10s"
	DefaultMaxGroupResults      = 200
)

// Default fills in what the user left out. The image has no default here: a running
// server keeps the image that it has.
func (s *DittoServerSpec) Default() {
	set(&s.Rollout, RolloutAutomatic)
	setPtr(&s.Replicas, DefaultReplicas)

	setPtr(&s.NFSPort, DefaultNFSPort)
	setPtr(&s.SMB.Port, DefaultSMBPort)
	setPtr(&s.APIPort, DefaultAPIPort)
	setPtr(&s.Metrics.Port, DefaultMetricsPort)
	setPtr(&s.AdapterPorts.NFS, DefaultNFSAdapterPort)
	setPtr(&s.AdapterPorts.SMB, DefaultSMBAdapterPort)

	set(&s.Service.Type, DefaultServiceType)
	set(&s.Service.File.Type, s.Service.Type)
	set(&s.Service.API.Type, s.Service.Type)

	set(&s.Database.Type, DatabaseSQLite)
	set(&s.Database.SQLite.Path, DefaultSQLitePath)
	if p := s.Database.Postgres; p != nil {
		set(&p.Keys.Host, "host")
		set(&p.Keys.Port, "port")
		set(&p.Keys.Database, "database")
		set(&p.Keys.User, "user")
		set(&p.Keys.Password, "password")
		set(&p.Keys.SSLMode, "sslmode")
		if p.CASecretRef != nil {
			set(&p.CASecretRef.Key, DefaultCAKey)
		}
	}

	for i := range s.ExtraEnv {
		set(&s.ExtraEnv[i].OnChange, OnChangeIgnore)
	}

	for i := range s.ExtraVolumes {
		s.ExtraVolumes[i].setDefaults()
	}

	s.API.TLS.setDefaults()

	set(&s.Metrics.Path, DefaultMetricsPath)
	s.Metrics.TLS.setDefaults()
	if r := s.Metrics.TokenSecretRef; r != nil {
		set(&r.Key, DefaultMetricsTokenKey)
	}
	if r := s.Metrics.ServiceMonitor.CASecretRef; r != nil {
		set(&r.Key, DefaultCAKey)
	}

	set(&s.Identity.JWT.SecretRef.Key, DefaultJWTKey)
	set(&s.Identity.JWT.AccessTokenDuration, DefaultAccessTokenDuration)
	set(&s.Identity.JWT.RefreshTokenDuration, DefaultRefreshTokenDuration)
	set(&s.Identity.Admin.Username, DefaultAdminUsername)
	if r := s.Identity.Admin.PasswordSecretRef; r != nil {
		set(&r.Key, DefaultAdminPasswordKey)
	}

	s.Identity.LDAP.setDefaults()
	s.Identity.Kerberos.setDefaults()

	set(&s.Cache.Path, DefaultCachePath)
	set(&s.Cache.Size, DefaultCacheSize)
	set(&s.Logging.Level, DefaultLoggingLevel)
	set(&s.Logging.Format, DefaultLoggingFormat)
	set(&s.Logging.Output, DefaultLoggingOutput)
	set(&s.ShutdownTimeout, DefaultShutdownTimeout)
	set(&s.StartupTimeout, DefaultStartupTimeout)

	set(&s.Storage.ControlPlaneSize, DefaultControlPlaneSize)
	set(&s.Storage.MetadataSize, DefaultMetadataSize)
	set(&s.Storage.CacheSize, DefaultCacheClaimSize)
}

func (v *ExtraVolume) setDefaults() {
	set(&v.OnChange, OnChangeIgnore)

	for _, items := range [][]FileItem{v.secretItems(), v.configMapItems()} {
		for i := range items {
			set(&items[i].Path, items[i].Key)
		}
	}
}

func (v *ExtraVolume) secretItems() []FileItem {
	if v.Secret == nil {
		return nil
	}

	return v.Secret.Items
}

func (v *ExtraVolume) configMapItems() []FileItem {
	if v.ConfigMap == nil {
		return nil
	}

	return v.ConfigMap.Items
}

func (t *TLS) setDefaults() {
	if t != nil && t.ClientCASecretRef != nil {
		set(&t.ClientCASecretRef.Key, DefaultCAKey)
	}
}

func (l *LDAP) setDefaults() {
	if l == nil {
		return
	}

	set(&l.BindPasswordSecretRef.Key, DefaultBindPasswordKey)
	set(&l.UserAttribute, DefaultUserAttribute)
	set(&l.Idmap, DefaultIdmap)
	set(&l.Timeout, DefaultLDAPTimeout)
	setPtr(&l.MaxGroupResults, DefaultMaxGroupResults)

	if r := l.CASecretRef; r != nil {
		set(&r.Key, DefaultCAKey)
	}
}

func (k *Kerberos) setDefaults() {
	if k == nil {
		return
	}

	set(&k.KeytabSecretRef.Key, DefaultKeytabKey)

	m := k.MachineAccount
	if m == nil {
		return
	}

	if r := m.PasswordSecretRef; r != nil {
		set(&r.Key, DefaultBindPasswordKey)
	}

	if j := m.OnlineJoin; j != nil {
		set(&j.BindPasswordSecretRef.Key, DefaultBindPasswordKey)

		if r := j.CASecretRef; r != nil {
			set(&r.Key, DefaultCAKey)
		}
	}
}

// IsDualStack reports whether the spec asks for Services with addresses of both families.
func (s *Service) IsDualStack() bool {
	return s.IPFamilyPolicy == corev1.IPFamilyPolicyPreferDualStack || s.IPFamilyPolicy == corev1.IPFamilyPolicyRequireDualStack
}

// UsesPostgres reports whether the control-plane database is PostgreSQL. A
// postgres section takes precedence over the type.
func (s *DittoServerSpec) UsesPostgres() bool {
	return s.Database.Postgres != nil
}

func set[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

func setPtr[T any](field **T, def T) {
	if *field == nil {
		*field = new(def)
	}
}
