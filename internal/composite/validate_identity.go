package composite

import (
	"net/url"
	"regexp"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
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

const mustBeRealm = "must be a Kerberos realm in capitals, such as EXAMPLE.COM"

// validateLDAP checks the settings of a directory: what the server refuses, or could not do.
func validateLDAP(p *field.Path, l *v1alpha1.LDAP) field.ErrorList {
	if l == nil {
		return nil
	}

	errs := validateDirectoryURL(p.Child("url"), l.URL)
	errs = append(errs, validateEncryption(p, l)...)
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

func validateEncryption(p *field.Path, l *v1alpha1.LDAP) field.ErrorList {
	u, err := url.Parse(l.URL)

	switch {
	case err != nil:
		return nil
	case u.Scheme == schemeLDAP && l.StartTLS && l.AllowPlaintext:
		return field.ErrorList{field.Forbidden(p.Child("allowPlaintext"), "startTLS encrypts the connection: remove one of them")}
	case u.Scheme == schemeLDAP && !l.StartTLS && !l.AllowPlaintext:
		return field.ErrorList{field.Required(p.Child("startTLS"), "an ldap:// URL would send the password in the clear: set startTLS, or take an ldaps:// URL")}
	case u.Scheme == schemeLDAPS && l.StartTLS:
		return field.ErrorList{field.Forbidden(p.Child("startTLS"), "an ldaps:// URL is encrypted: remove it")}
	case u.Scheme == schemeLDAPS && l.AllowPlaintext:
		return field.ErrorList{field.Forbidden(p.Child("allowPlaintext"), "an ldaps:// URL is encrypted: remove it")}
	default:
		return nil
	}
}

// validateDirectoryURL checks that a URL names a directory, and nothing in it, since the server
// ignores the rest.
func validateDirectoryURL(p *field.Path, text string) field.ErrorList {
	const problem = "must be ldaps://host or ldap://host, with or without a port, and nothing behind it"

	u, err := url.Parse(text)
	if err != nil || u.Scheme != schemeLDAP && u.Scheme != schemeLDAPS {
		return field.ErrorList{field.Invalid(p, text, problem)}
	}

	// Nothing but what was looked at is in the text.
	if bare := (&url.URL{Scheme: u.Scheme, Host: u.Host}).String(); bare != text || !isHost(u.Hostname()) {
		return field.ErrorList{field.Invalid(p, text, problem)}
	}

	if u.Port() == "" && u.Host == u.Hostname() || u.Host == "["+u.Hostname()+"]" {
		return nil
	}

	if errs := validateHostPort(p, u.Host); len(errs) > 0 {
		return errs
	}

	return nil
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
