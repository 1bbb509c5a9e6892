package dittofs

import (
	"net/netip"
	"regexp"
	"strings"
)

// What the server makes of the settings of PostgreSQL is its client's to parse: pgx, which
// test/contract holds these checks against. They refuse what no connection can come of, and
// let pass what a release that is not known may take.

// namePattern is what Go's resolver takes for a DNS name, with the underscores that some
// have. One of nothing but digits and dots is none.
var namePattern = regexp.MustCompile(`^([0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?\.)*[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?\.?$`)

// keywordPattern is a value in a text of keywords: without white space, or in quotes.
var keywordPattern = regexp.MustCompile(`^(?:[^'\s\\]|\\.)(?:[^\s\\]|\\.)*$|^'(?:[^'\\]|\\.)*'$`)

// DefaultPostgresPort is the server's own.
const DefaultPostgresPort = 5432

// DefaultSSLMode is the server's own.
const DefaultSSLMode = "disable"

// ChecksCertificate reports whether the server's connection fails in a mode of SSL if the
// certificate of PostgreSQL is of none of the authorities that the server has for it.
func ChecksCertificate(mode string) bool {
	return mode != DefaultSSLMode && mode != "allow" && mode != "prefer"
}

const mustNotBeEmpty = "must not be empty"

// CheckPostgresHost returns a check of the host that a release connects to, or of several with
// commas between them, which are tried one after the other.
func CheckPostgresHost(r Release) func(value []byte) string {
	return func(value []byte) string {
		switch {
		case len(value) == 0:
			return mustNotBeEmpty
		case r.namesPostgresByURL() && areHostsOfURL(string(value)), r.namesPostgresByKeywords() && areHostsOfKeywords(string(value)):
			return ""
		default:
			return "must be a DNS name or an IP address, without port, scheme or path (before DittoFS 0.18 an IPv6 address has no brackets, from then on it has)"
		}
	}
}

// CheckPostgresText returns a check of the user, the password or the name of the database that
// a release connects with.
func CheckPostgresText(r Release) func(value []byte) string {
	return func(value []byte) string {
		switch {
		case len(value) == 0:
			return mustNotBeEmpty
		case !r.namesPostgresByURL() && !keywordPattern.Match(value):
			return "must have no white space, quote or backslash that is not escaped: DittoFS before 0.18 would take what follows for another setting"
		default:
			return ""
		}
	}
}

// namesPostgresByURL and namesPostgresByKeywords report how a release names its PostgreSQL.
// One that is not known may do either.
func (r Release) namesPostgresByURL() bool      { return !r.IsKnown() || r.band.postgresURL }
func (r Release) namesPostgresByKeywords() bool { return !r.IsKnown() || !r.band.postgresURL }

// areHostsOfURL reports whether hosts can stand before ":<port>" in a URL. Those before the
// last may have ports of their own; a URL has brackets at its beginning only.
func areHostsOfURL(hosts string) bool {
	if ip, ok := strings.CutPrefix(hosts, "["); ok {
		ip, ok = strings.CutSuffix(ip, "]")
		return ok && isIPv6(ip)
	}

	list := strings.Split(hosts, ",")
	for i, h := range list {
		name, port, hasPort := strings.Cut(h, ":")
		hasPort = hasPort && isName(name) && (port == "" || CheckPort([]byte(port)) == "")

		if isLast := i == len(list)-1; h != "" && !isName(h) && (isLast || !isIPv6(h) && !hasPort) {
			return false
		}
	}

	return isAnyHost(hosts)
}

// areHostsOfKeywords reports whether hosts can stand behind "host=".
func areHostsOfKeywords(hosts string) bool {
	for h := range strings.SplitSeq(hosts, ",") {
		if h != "" && !isName(h) && !isIPv6(h) {
			return false
		}
	}

	return isAnyHost(hosts)
}

// isAnyHost reports whether there is more than commas, between which pgx takes nothing for
// nothing.
func isAnyHost(hosts string) bool { return strings.Trim(hosts, ",") != "" }

// isName reports whether h is a DNS name or an IPv4 address.
func isName(h string) bool {
	if ip, err := netip.ParseAddr(h); err == nil {
		return ip.Is4()
	}

	return namePattern.MatchString(h) && len(h) <= 254 && strings.Trim(h, "0123456789.") != ""
}

func isIPv6(h string) bool {
	ip, err := netip.ParseAddr(h)
	return err == nil && ip.Is6()
}
