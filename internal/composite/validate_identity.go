package composite

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// Schemes of the URL of a directory.
const (
	schemeLDAP  = "ldap"
	schemeLDAPS = "ldaps"
)

var (
	// attributeName is the name of an attribute of LDAP: a descr of RFC 4512. The server puts it
	// into its questions as it is.
	attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

	// realmName is a Kerberos realm: a DNS domain in capitals, by convention and in Active Directory.
	realmName = regexp.MustCompile(`^[A-Z0-9]([A-Z0-9.-]*[A-Z0-9])?$`)

	// userPrincipalName is what Active Directory takes in the place of a distinguished name.
	userPrincipalName = regexp.MustCompile(`^[^\s@\\=,]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

var (
	// principalName is a service and a host.
	principalName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*/[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

	// netBIOSName is the short name of a domain, and of a computer without its '$'.
	netBIOSName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,15}$`)
)

// maxServicePrincipals of an account that the server makes.
const maxServicePrincipals = 32

const mustBeRealm = "must be a Kerberos realm in capitals, such as EXAMPLE.COM"

// validateLDAP checks the settings of a directory: what the server refuses, or could not do.
func validateLDAP(p *field.Path, l *v1alpha1.LDAP) field.ErrorList {
	if l == nil {
		return nil
	}

	errs := validateDirectoryURL(p.Child("url"), l.URL)
	errs = append(errs, validateEncryption(p, l.URL, l.StartTLS, l.AllowPlaintext)...)
	errs = append(errs, validateDN(p.Child("baseDN"), l.BaseDN)...)
	errs = append(errs, validateAccount(p.Child("bindDN"), l.BindDN)...)

	if !attributeName.MatchString(l.UserAttribute) {
		errs = append(errs, field.Invalid(p.Child("userAttribute"), l.UserAttribute, "must be the name of an attribute: a letter, and letters, digits and '-'"))
	}

	if l.Realm != "" && !realmName.MatchString(l.Realm) {
		errs = append(errs, field.Invalid(p.Child("realm"), l.Realm, mustBeRealm))
	}

	errs = append(errs, fielderr.OneOf(p.Child("idmap"), l.Idmap, v1alpha1.IdmapRFC2307, v1alpha1.IdmapRID)...)

	// The server asks the directory in whole seconds, of which none would be no bound.
	if d, err := time.ParseDuration(l.Timeout); err != nil || d < time.Second {
		errs = append(errs, field.Invalid(p.Child("timeout"), l.Timeout, "must be a Go duration of a second or more, such as 10s"))
	}

	if n := *l.MaxGroupResults; n < 1 {
		errs = append(errs, field.Invalid(p.Child("maxGroupResults"), n, "must be 1 or more"))
	}

	return errs
}

// validateEncryption checks that nothing is sent unencrypted but on purpose.
func validateEncryption(p *field.Path, text string, startTLS, allowPlaintext bool) field.ErrorList {
	u, err := url.Parse(text)

	switch {
	case err != nil:
		return nil
	case u.Scheme == schemeLDAP && startTLS && allowPlaintext:
		return field.ErrorList{field.Forbidden(p.Child("allowPlaintext"), "startTLS encrypts the connection: remove one of them")}
	case u.Scheme == schemeLDAP && !startTLS && !allowPlaintext:
		return field.ErrorList{field.Required(p.Child("startTLS"), "an ldap:// URL would send the password unencrypted: set startTLS, or use an ldaps:// URL")}
	case u.Scheme == schemeLDAPS && startTLS:
		return field.ErrorList{field.Forbidden(p.Child("startTLS"), "an ldaps:// URL is encrypted: remove it")}
	case u.Scheme == schemeLDAPS && allowPlaintext:
		return field.ErrorList{field.Forbidden(p.Child("allowPlaintext"), "an ldaps:// URL is encrypted: remove it")}
	default:
		return nil
	}
}

// validateDirectoryURL checks that a URL names a directory, and nothing in it, since the server
// ignores the rest.
func validateDirectoryURL(p *field.Path, text string) field.ErrorList {
	const problem = "must be ldaps://host or ldap://host, with or without a port, and nothing behind it"

	// A URL that names a user may have a password, which nobody else must read.
	shown := text
	if strings.Contains(text, "@") {
		shown = "…"
	}

	u, err := url.Parse(text)
	if err != nil || u.Scheme != schemeLDAP && u.Scheme != schemeLDAPS {
		return field.ErrorList{field.Invalid(p, shown, problem)}
	}

	// Nothing but what was looked at is in the text.
	if bare := (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(); bare != text || !isHost(u.Hostname()) {
		return field.ErrorList{field.Invalid(p, shown, problem)}
	}

	if u.Port() == "" && u.Host == u.Hostname() || u.Host == "["+u.Hostname()+"]" {
		return nil
	}

	if errs := validateHostPort(p, u.Host); len(errs) > 0 {
		return errs
	}

	return nil
}

// validateKerberos checks the settings of Kerberos: what the server refuses, and what would leave it
// without.
func validateKerberos(p *field.Path, k *v1alpha1.Kerberos) field.ErrorList {
	if k == nil {
		return nil
	}

	var errs field.ErrorList

	if !realmName.MatchString(k.Realm) {
		errs = append(errs, field.Invalid(p.Child("realm"), k.Realm, mustBeRealm))
	}

	if name, realm, hasRealm := strings.Cut(k.ServicePrincipal, "@"); !strings.HasPrefix(name, "nfs/") || !principalName.MatchString(name) || hasRealm && realm != k.Realm {
		errs = append(errs, field.Invalid(p.Child("servicePrincipal"), k.ServicePrincipal, "must be nfs/ and a host, such as nfs/files.example.com, and have no other realm than spec.identity.kerberos.realm"))
	}

	if problem := dittofs.CheckKrb5Conf(k.Krb5Conf); k.Krb5Conf != "" && problem != "" {
		errs = append(errs, field.Invalid(p.Child("krb5Conf"), beginning(k.Krb5Conf), problem))
	}

	if k.NetBIOSDomain != "" && !netBIOSName.MatchString(k.NetBIOSDomain) {
		errs = append(errs, field.Invalid(p.Child("netbiosDomain"), k.NetBIOSDomain, "must be the short name of a domain: up to 15 letters, digits, '-' and '_'"))
	}

	errs = append(errs, validateDNSName(p.Child("dnsDomain"), k.DNSDomain)...)

	if m := k.MachineAccount; m != nil {
		if k.NetBIOSDomain == "" {
			errs = append(errs, field.Required(p.Child("netbiosDomain"), "without it the server ignores spec.identity.kerberos.machineAccount"))
		}

		errs = append(errs, validateMachineAccount(p.Child("machineAccount"), m)...)
	}

	return errs
}

func validateMachineAccount(p *field.Path, m *v1alpha1.MachineAccount) field.ErrorList {
	var errs field.ErrorList

	if name, isComputer := strings.CutSuffix(m.AccountName, "$"); !isComputer || !netBIOSName.MatchString(name) {
		errs = append(errs, field.Invalid(p.Child("accountName"), m.AccountName, "must be the name of a computer: up to 15 letters, digits, '-' and '_', and a '$'"))
	}

	if m.DCAddress != "" && !isHost(m.DCAddress) {
		errs = append(errs, validateHostPort(p.Child("dcAddress"), m.DCAddress)...)
	}

	switch {
	case m.PasswordSecretRef == nil && m.OnlineJoin == nil:
		errs = append(errs, field.Required(p.Child("passwordSecretRef"), "name the password of the account, or have the server make it by onlineJoin"))
	case m.PasswordSecretRef != nil && m.OnlineJoin != nil:
		errs = append(errs, field.Forbidden(p.Child("passwordSecretRef"), "with onlineJoin the server chooses the password: remove one of them"))
	}

	if m.OnlineJoin != nil {
		errs = append(errs, validateOnlineJoin(p.Child("onlineJoin"), m.OnlineJoin)...)
	}

	return errs
}

func validateOnlineJoin(p *field.Path, j *v1alpha1.OnlineJoin) field.ErrorList {
	errs := validateDirectoryURL(p.Child("ldapURL"), j.LDAPURL)
	errs = append(errs, validateEncryption(p, j.LDAPURL, j.StartTLS, false)...)
	errs = append(errs, validateDN(p.Child("baseDN"), j.BaseDN)...)
	errs = append(errs, validateAccount(p.Child("bindDN"), j.BindDN)...)

	if j.OU != "" {
		errs = append(errs, validateDN(p.Child("ou"), j.OU)...)
	}

	errs = append(errs, validateDNSName(p.Child("dnsHostName"), j.DNSHostName)...)

	if len(j.ServicePrincipals) > maxServicePrincipals {
		return append(errs, fielderr.TooMany(p.Child("servicePrincipals"), len(j.ServicePrincipals), maxServicePrincipals, "items"))
	}

	for i, name := range j.ServicePrincipals {
		if !principalName.MatchString(name) {
			errs = append(errs, field.Invalid(p.Child("servicePrincipals").Index(i), name, "must be a service and a host, such as cifs/files.example.com"))
		}
	}

	if d, err := time.ParseDuration(j.RotationInterval); j.RotationInterval != "" && (err != nil || d < time.Hour) {
		errs = append(errs, field.Invalid(p.Child("rotationInterval"), j.RotationInterval, "must be a Go duration of an hour or more, such as 720h"))
	}

	return errs
}

// validateDNSName checks a name in DNS that may be left out.
func validateDNSName(p *field.Path, name string) field.ErrorList {
	if name == "" {
		return nil
	}

	return fielderr.Messages(p, name, validation.IsDNS1123Subdomain(strings.ToLower(name)))
}

func validateDN(p *field.Path, text string) field.ErrorList {
	if !isDN(text) {
		return field.ErrorList{field.Invalid(p, text, "must be a distinguished name, such as DC=example,DC=com")}
	}

	return nil
}

// validateAccount checks the name of an account of a directory.
func validateAccount(p *field.Path, text string) field.ErrorList {
	if !isDN(text) && !userPrincipalName.MatchString(text) {
		return field.ErrorList{field.Invalid(p, text, "must be a distinguished name, such as CN=dittofs,DC=example,DC=com, or a user principal name of Active Directory, such as dittofs@example.com")}
	}

	return nil
}

// isDN reports whether a text is a distinguished name of one part or more.
func isDN(text string) bool {
	dn, err := ldap.ParseDN(text)
	return err == nil && len(dn.RDNs) > 0
}
