package dittofs

import (
	"bytes"
	"cmp"
	"fmt"

	"gopkg.in/yaml.v3"
)

// MaxConfigSize is how many bytes config.yaml may have. A pod template has a copy of it as an
// annotation, of which Kubernetes takes 256 KiB in all; one with more would be refused, and
// stuck. A server's has some 600 bytes.
const MaxConfigSize = 64 * 1024

// allInterfaces makes a listener reachable for kubelet probes and Services. From
// 0.17.0 on the API listens on 127.0.0.1 unless told otherwise, from 0.18.0 on
// the metrics too. Go's net.Listen takes it for all addresses of IPv6, too, where the node has IPv6.
const allInterfaces = "0.0.0.0"

// Settings of a server, as config.yaml holds them: infrastructure only. Stores,
// shares, adapters, users and groups are managed over the REST API. Secrets are not
// here: they reach the server as environment variables.
type Settings struct {
	Logging   Logging
	Telemetry Telemetry

	// ShutdownTimeout is a Go duration, above zero.
	ShutdownTimeout string

	// SQLitePath of the database file. Ignored with Postgres.
	SQLitePath string

	// Postgres is set if the control-plane database is PostgreSQL.
	Postgres *Postgres

	// MetricsPort is where metrics are served; 0 serves none.
	MetricsPort int32

	// MetricsPath of the metrics, or "" for the server's own default.
	MetricsPath string

	// MetricsTokenFile is the path of the token that a scraper must send, or "" for none.
	MetricsTokenFile string

	// MetricsTLS is how the metrics are encrypted, or nil.
	MetricsTLS *TLS

	// APIPort is where the REST API listens.
	APIPort int32

	// APITLS is how it is encrypted, or nil.
	APITLS *TLS

	// AccessTokenDuration and RefreshTokenDuration are Go durations.
	AccessTokenDuration  string
	RefreshTokenDuration string

	// CachePath and CacheSize are those of the cache. The size is spelt as
	// ParseSize takes it.
	CachePath string
	CacheSize string

	// AdminUsername of the first administrator.
	AdminUsername string

	// Identity is where users are looked up.
	Identity Identity

	// Extra are keys that no setting has, as JSON has them: objects, lists, texts, numbers,
	// true and false.
	Extra map[string]any
}

// Postgres are the settings of PostgreSQL that stand in config.yaml. The server takes the
// others, as user and password always, from its environment.
type Postgres struct {
	// Host, Port, Database and SSLMode are empty where an environment variable may have them.
	Host     string
	Port     int32
	Database string
	SSLMode  string

	// CAFile is the path of the authorities that PostgreSQL is judged by, or "" for those of
	// the image.
	CAFile string

	// MaxOpenConns and MaxIdleConns are 0 for the server's own defaults.
	MaxOpenConns, MaxIdleConns int32
}

// Logging settings.
type Logging struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
	Output string `yaml:"output"`
}

// Telemetry settings.
type Telemetry struct {
	Enabled    bool     `yaml:"enabled"`
	Endpoint   string   `yaml:"endpoint,omitempty"`
	Insecure   bool     `yaml:"insecure,omitempty"`
	SampleRate *float64 `yaml:"sample_rate,omitempty"`
}

// TLS settings of a listener: paths of files in PEM.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`

	// ClientCA has the authorities of clients that the server demands certificates of.
	ClientCA string `yaml:"client_ca,omitempty"`

	// MinVersion is 1.2 or 1.3, or "" for the server's own default.
	MinVersion string `yaml:"min_version,omitempty"`
}

// config is the content of config.yaml. The order of the fields is the order of the
// keys. A change of one byte restarts every server.
type config struct {
	Logging         Logging      `yaml:"logging"`
	Telemetry       *Telemetry   `yaml:"telemetry,omitempty"`
	ShutdownTimeout string       `yaml:"shutdown_timeout"`
	Database        database     `yaml:"database"`
	Metrics         *metrics     `yaml:"metrics,omitempty"`
	ControlPlane    controlPlane `yaml:"controlplane"`
	Cache           *cache       `yaml:"cache,omitempty"`
	Admin           admin        `yaml:"admin"`
	LDAP            *ldap        `yaml:"ldap,omitempty"`
	Kerberos        *kerberos    `yaml:"kerberos,omitempty"`
}

type database struct {
	Type     string    `yaml:"type"`
	SQLite   *sqlite   `yaml:"sqlite,omitempty"`
	Postgres *postgres `yaml:"postgres,omitempty"`
}

type sqlite struct {
	Path string `yaml:"path"`
}

type postgres struct {
	Host         string `yaml:"host"`
	Port         int32  `yaml:"port"`
	Database     string `yaml:"database"`
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	SSLMode      string `yaml:"sslmode"`
	SSLRootCert  string `yaml:"ssl_root_cert,omitempty"`
	MaxOpenConns int32  `yaml:"max_open_conns,omitempty"`
	MaxIdleConns int32  `yaml:"max_idle_conns,omitempty"`
}

type metrics struct {
	Enabled bool   `yaml:"enabled"`
	Host    string `yaml:"host,omitempty"`
	Port    int32  `yaml:"port,omitempty"`
	Path    string `yaml:"path,omitempty"`

	Auth      string `yaml:"auth,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"`

	TLS *TLS `yaml:"tls,omitempty"`
}

type controlPlane struct {
	Host string `yaml:"host,omitempty"`
	Port int32  `yaml:"port"`
	JWT  jwt    `yaml:"jwt"`
	TLS  *TLS   `yaml:"tls,omitempty"`
}

type jwt struct {
	AccessTokenDuration  string `yaml:"access_token_duration"`
	RefreshTokenDuration string `yaml:"refresh_token_duration"`
}

type cache struct {
	Path string `yaml:"path"`
	Size string `yaml:"size"`
}

type admin struct {
	Username string `yaml:"username"`
}

// environmentSets is the value in config.yaml of a key that an environment variable
// overrides. Releases before 0.17.0 read only the variables of keys that the file has.
const environmentSets = "placeholder"

// Config returns config.yaml for a release. The same settings give the same bytes.
func Config(s Settings, r Release) ([]byte, error) {
	keys := r.Keys()

	c := config{
		Logging:         s.Logging,
		ShutdownTimeout: s.ShutdownTimeout,
		Database:        database{Type: "sqlite", SQLite: &sqlite{Path: s.SQLitePath}},
		ControlPlane: controlPlane{
			Port: s.APIPort,
			JWT: jwt{
				AccessTokenDuration:  s.AccessTokenDuration,
				RefreshTokenDuration: s.RefreshTokenDuration,
			},
			TLS: s.APITLS,
		},
		Admin: admin{Username: s.AdminUsername},
	}

	if s.Postgres != nil {
		c.Database = database{Type: "postgres", Postgres: s.Postgres.section(keys)}
	}

	if keys.ControlPlaneHost {
		c.ControlPlane.Host = allInterfaces
	}

	if keys.Telemetry {
		c.Telemetry = &Telemetry{}
		if s.Telemetry.Enabled {
			c.Telemetry = &s.Telemetry
		}
	}

	if keys.Metrics {
		c.Metrics = &metrics{}
		if s.MetricsPort != 0 {
			c.Metrics = &metrics{Enabled: true, Port: s.MetricsPort, Path: s.MetricsPath, TokenFile: s.MetricsTokenFile, TLS: s.MetricsTLS}
			if s.MetricsTokenFile != "" {
				c.Metrics.Auth = "token"
			}

			if keys.MetricsHost {
				c.Metrics.Host = allInterfaces
			}
		}
	}

	if keys.Cache {
		c.Cache = &cache{Path: s.CachePath, Size: s.CacheSize}
	}

	if s.Identity.LDAP != nil {
		c.LDAP = s.Identity.LDAP.section()
	}

	if s.Identity.Kerberos != nil {
		c.Kerberos = s.Identity.Kerberos.section()
	}

	var doc any = c

	if len(s.Extra) > 0 {
		n, err := withExtra(c, s.Extra)
		if err != nil {
			return nil, fmt.Errorf("cannot marshal config.yaml: %w", err)
		}

		doc = n
	}

	out := &bytes.Buffer{}

	e := yaml.NewEncoder(out)
	e.SetIndent(2)

	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("cannot marshal config.yaml: %w", err)
	}

	return out.Bytes(), nil
}

// APITLSOf returns how a config.yaml says that the REST API is encrypted, or nil.
func APITLSOf(text string) *TLS {
	c := config{}
	// Text that is no config.yaml says nothing.
	_ = yaml.Unmarshal([]byte(text), &c)

	return c.ControlPlane.TLS
}

// section returns the settings of PostgreSQL for a release that knows some keys.
func (p *Postgres) section(keys Keys) *postgres {
	s := &postgres{
		Host:     cmp.Or(p.Host, environmentSets),
		Port:     cmp.Or(p.Port, DefaultPostgresPort),
		Database: cmp.Or(p.Database, environmentSets),
		User:     environmentSets,
		Password: environmentSets,
		SSLMode:  cmp.Or(p.SSLMode, DefaultSSLMode),

		SSLRootCert: p.CAFile,
	}

	if keys.PostgresPool {
		s.MaxOpenConns, s.MaxIdleConns = p.MaxOpenConns, p.MaxIdleConns
	}

	return s
}

// A Database is the one that a config.yaml names, as far as no environment variable names
// another one.
type Database struct {
	// Type is sqlite or postgres, or empty for text that is not a config.yaml.
	Type string

	// Path of an SQLite database.
	Path string

	// Host, Port and Name of a PostgreSQL database.
	Host string
	Port int32
	Name string
}

// DatabaseOf returns which database a config.yaml names.
func DatabaseOf(text string) Database {
	c := config{}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		return Database{}
	}

	db := Database{Type: c.Database.Type}
	if lite := c.Database.SQLite; lite != nil {
		db.Path = lite.Path
	}

	if pg := c.Database.Postgres; pg != nil {
		db.Host, db.Port, db.Name = pg.Host, pg.Port, pg.Database
	}

	return db
}
