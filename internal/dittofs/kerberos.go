package dittofs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	krb5config "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Files of Kerberos, each in a directory of its own.
const (
	KeytabFile   = "krb5.keytab"
	Krb5ConfFile = "krb5.conf"
)

// Krb5ConfDir has krb5.conf. The image has none, and the server needs one.
const Krb5ConfDir = SecretsDir + "/krb5-conf"

// EnvServicePrincipal names the server's principal, whatever the database has of it.
const EnvServicePrincipal = EnvPrefix + "KERBEROS_SERVICE_PRINCIPAL"

// EnvKerberosRealm is a seed of every server with Kerberos, so that each of its containers refers to it.
const EnvKerberosRealm = EnvPrefix + "KERBEROS_REALM"

// Passwords of Kerberos.
const (
	EnvMachineAccountPassword = EnvPrefix + "KERBEROS_MACHINE_ACCOUNT_SECRET"
	EnvJoinPassword           = EnvPrefix + "KERBEROS_MACHINE_ACCOUNT_ONLINE_JOIN_BIND_PASSWORD"
)

// Bounds of files of Kerberos, each of which is parsed on every call.
const (
	// maxKeytabSize in bytes. A key has some 80, and a computer of a domain some dozens of keys.
	maxKeytabSize = 64 * 1024

	// maxKrb5ConfLines: gokrb5 compiles four regular expressions for a line, which takes up to 50 µs.
	maxKrb5ConfLines = 256
)

// Kerberos settings, in the words of config.yaml.
type Kerberos struct {
	// ServicePrincipal with its realm.
	ServicePrincipal string

	Realm         string
	NetBIOSDomain string
	DNSDomain     string

	// KeytabFile and Krb5ConfFile are paths.
	KeytabFile, Krb5ConfFile string

	// MachineAccount is the server's own account in a domain, or nil.
	MachineAccount *MachineAccount
}

// MachineAccount settings.
type MachineAccount struct {
	AccountName string

	// DCAddress is "" for the one that DNS has. The server takes a list, and goes by the first.
	DCAddress string

	// OnlineJoin is how the server makes the account, or nil for one that is there.
	OnlineJoin *OnlineJoin
}

// OnlineJoin settings, which the server always reads from config.yaml.
type OnlineJoin struct {
	Enabled          bool     `yaml:"enabled"`
	LDAPURL          string   `yaml:"ldap_url"`
	StartTLS         bool     `yaml:"start_tls,omitempty"`
	BindDN           string   `yaml:"bind_dn"`
	BaseDN           string   `yaml:"base_dn"`
	OU               string   `yaml:"ou,omitempty"`
	DNSHostName      string   `yaml:"dns_host_name,omitempty"`
	SPNs             []string `yaml:"spns,omitempty"`
	RotationInterval string   `yaml:"rotation_interval,omitempty"`
	CACertFile       string   `yaml:"ca_cert_file,omitempty"`
}

// kerberos is what config.yaml says of Kerberos: files, which always count, and how the server makes
// its account.
type kerberos struct {
	Enabled        bool            `yaml:"enabled"`
	KeytabPath     string          `yaml:"keytab_path"`
	Krb5Conf       string          `yaml:"krb5_conf"`
	MachineAccount *machineAccount `yaml:"machine_account,omitempty"`
}

type machineAccount struct {
	Enabled    bool        `yaml:"enabled"`
	OnlineJoin *OnlineJoin `yaml:"online_join,omitempty"`
}

// section returns what config.yaml says of Kerberos.
func (k *Kerberos) section() *kerberos {
	s := &kerberos{Enabled: true, KeytabPath: k.KeytabFile, Krb5Conf: k.Krb5ConfFile}
	if k.MachineAccount != nil {
		s.MachineAccount = &machineAccount{Enabled: true, OnlineJoin: k.MachineAccount.OnlineJoin}
	}

	return s
}

// once returns the settings that count once, but for those of the machine account.
func (k *Kerberos) once() []setting {
	return []setting{
		{"realm", k.Realm},
		{"netbios_domain", k.NetBIOSDomain},
		{"dns_domain", k.DNSDomain},
	}
}

// body returns all that the REST call takes, except the machine account: without one in its
// database the server takes that of config.yaml and of the environment, and their password, at each
// start.
func (k *Kerberos) body() string {
	return bodyOf(append(k.once(),
		setting{"enabled", true},
		setting{"keytab_path", k.KeytabFile},
		setting{"krb5_conf", k.Krb5ConfFile},
		setting{"service_principal", k.ServicePrincipal},
	))
}

// once returns the settings that count once.
func (m *MachineAccount) once() []setting {
	return []setting{
		{"machine_account.account_name", m.AccountName},
		{"machine_account.dc_address", m.DCAddress},
	}
}

// DefaultKrb5Conf returns the krb5.conf of a server that is told none. It asks no KDC: all that it
// needs of the file is that it can be read.
func DefaultKrb5Conf(realm string) string {
	return "[libdefaults]\n  default_realm = " + realm + "\n"
}

// CheckKrb5Conf returns why the server cannot read a krb5.conf, or "". With one that it cannot read,
// NFS runs without Kerberos, and says that it is ready.
func CheckKrb5Conf(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) > maxKrb5ConfLines {
		return fmt.Sprintf("must have at most %d lines", maxKrb5ConfLines)
	}

	if slices.ContainsFunc(lines, isDirective) {
		return "must not include other files or load modules: the server reads none"
	}

	if !isKrb5Conf(text) {
		return "must be a krb5.conf that the server can read, with nothing in [libdefaults], [realms] and [domain_realm] but names, '=' and values"
	}

	return ""
}

// isDirective reports whether a line of krb5.conf leads to another file.
func isDirective(line string) bool {
	word, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(line), "\t", " "), " ")

	return word == "include" || word == "includedir" || word == "module"
}

// isKrb5Conf reports whether the server's own parser can read a text.
func isKrb5Conf(text string) (is bool) {
	// A text that ends the parser would end the server, too.
	defer func() {
		if recover() != nil {
			is = false
		}
	}()

	// Without a section all is ignored.
	_, err := krb5config.NewFromString(text)

	return err == nil && strings.Contains(text, "[libdefaults]")
}

// CheckKeytab returns a check of keytabs: each must have a key of a service principal, such as
// nfs/files.example.com@EXAMPLE.COM. With one that the server cannot read, NFS runs without Kerberos,
// and says that it is ready.
func CheckKeytab(principal string) func(value []byte) string {
	return func(value []byte) string {
		if len(value) > maxKeytabSize {
			return tooLarge(maxKeytabSize)
		}

		kt := parseKeytab(value)

		switch {
		case kt == nil:
			return "must be a keytab, as kadmin and ktpass write it, in base64 as every value of a Secret"
		case !hasKey(kt, principal):
			return fmt.Sprintf("has no key that the server can use of %s, which spec.identity.kerberos.servicePrincipal names", principal)
		default:
			return ""
		}
	}
}

// CanReadKeytab reports whether the server can read a keytab, whatever keys it has.
func CanReadKeytab(value []byte) bool {
	return len(value) <= maxKeytabSize && parseKeytab(value) != nil
}

// SMBKeytabWarning returns what SMB misses in a keytab for a service principal of NFS, or "": clients
// ask tickets for cifs/ and the same host.
func SMBKeytabWarning(principal string, value []byte) string {
	host := strings.TrimPrefix(principal, "nfs/")
	if hasKey(parseKeytab(value), "cifs/"+host) {
		return ""
	}

	return fmt.Sprintf("has no key that the server can use of cifs/%s, so that SMB takes no tickets", host)
}

// hasKey reports whether a keytab has a key of a principal that the server can use.
func hasKey(kt *keytab.Keytab, principal string) bool {
	if kt == nil {
		return false
	}

	name, realm, _ := strings.Cut(principal, "@")

	for _, e := range kt.Entries {
		if e.Principal.Realm == realm && strings.Join(e.Principal.Components, "/") == name && isUsable(e.Key) {
			return true
		}
	}

	return false
}

// keyLengths of the encryption types that the server knows, in bytes: RFC 3961, 3962, 4757 and 8009.
//
//nolint:gochecknoglobals // A table.
var keyLengths = map[int32]int{
	etypeID.DES3_CBC_SHA1_KD:           24,
	etypeID.AES128_CTS_HMAC_SHA1_96:    16,
	etypeID.AES256_CTS_HMAC_SHA1_96:    32,
	etypeID.AES128_CTS_HMAC_SHA256_128: 16,
	etypeID.AES256_CTS_HMAC_SHA384_192: 32,
	etypeID.RC4_HMAC:                   16,
}

// isUsable reports whether the server can decrypt tickets with a key: it knows the encryption type, and
// the key has its length.
func isUsable(key types.EncryptionKey) bool {
	return len(key.KeyValue) > 0 && len(key.KeyValue) == keyLengths[key.KeyType]
}

// parseKeytab returns a keytab, as the server's own parser reads it, or nil. Its errors have bytes
// of keys, and are not told.
func parseKeytab(value []byte) (kt *keytab.Keytab) {
	defer func() {
		if recover() != nil {
			kt = nil
		}
	}()

	kt = keytab.New()
	if err := kt.Unmarshal(bytes.Clone(value)); err != nil {
		return nil
	}

	return kt
}
