package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
)

// A matcher reports whether entries of a list allow what is asked. It is made once for all that is
// asked.
type matcher func(a ask) bool

// names allows texts that an entry is the pattern of.
func names(entries []string) matcher {
	return func(a ask) bool {
		return slices.ContainsFunc(entries, func(entry string) bool { return matches(entry, a.text) })
	}
}

// keys allows keys that an entry is the pattern of, whatever their value, and key=value where an
// entry has both patterns.
func keys(entries []string) matcher {
	return func(a ask) bool {
		return slices.ContainsFunc(entries, func(entry string) bool {
			key, value, hasValue := strings.Cut(entry, "=")

			return matches(key, a.text) && (!hasValue || a.value != nil && matches(value, *a.value))
		})
	}
}

// images allows images by the entries of policy.images, which have a form of their own.
func images(entries []string) matcher {
	return func(a ask) bool {
		return slices.ContainsFunc(entries, func(entry string) bool { return allows(entry, a.text) })
	}
}

// numbers allows numbers in one of the ranges.
func numbers(entries []string) matcher {
	type interval struct{ first, last int64 }

	var intervals []interval

	for _, entry := range entries {
		if first, last, ok := v1beta1.ParseRange(entry); ok {
			intervals = append(intervals, interval{first, last})
		}
	}

	return func(a ask) bool {
		return slices.ContainsFunc(intervals, func(i interval) bool { return i.first <= a.number && a.number <= i.last })
	}
}

// allAddresses is what a load balancer without source ranges asks for.
const allAddresses = "0.0.0.0/0,::/0"

// prefixes allows CIDRs each of which lies in one of the entries.
func prefixes(entries []string) matcher {
	var allowed []netip.Prefix

	for _, entry := range entries {
		if p, err := netip.ParsePrefix(entry); err == nil {
			allowed = append(allowed, p.Masked())
		}
	}

	isAllowed := func(cidr string) bool {
		// Nothing allows what only other parsers take, such as a leading zero.
		asked, err := netip.ParsePrefix(cidr)

		return err == nil && slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Bits() <= asked.Bits() && p.Contains(asked.Masked().Addr()) })
	}

	return func(a ask) bool {
		for cidr := range strings.SplitSeq(a.text, ",") {
			if !isAllowed(cidr) {
				return false
			}
		}

		return true
	}
}

// matches reports whether a text fits a pattern, in which "*" stands for any characters. It takes
// time in proportion to the length of the text for each "*".
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, v1beta1.PolicyAny)

	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == text
	}

	text, isFirst := strings.CutPrefix(text, first)
	text, isLast := strings.CutSuffix(text, last)

	if !isFirst || !isLast {
		return false
	}

	// Look for the parts between from the left, so that the most is left for the others.
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}

		text = text[i+len(part):]
	}

	return true
}

// maxShown is how many entries of a list an error shows.
const maxShown = 10

// shown are the entries of a list in an error.
func shown(entries []string) string {
	if len(entries) > maxShown {
		return fmt.Sprintf("%q and %d more", entries[:maxShown], len(entries)-maxShown)
	}

	return fmt.Sprintf("%q", entries)
}
