package dittofs

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestParseSize(t *testing.T) {
	cases := map[string]struct {
		reason string
		size   string
		want   int64
	}{
		"Bytes":        {"A number without a unit counts bytes", "1024", 1024},
		"One":          {"One byte is the smallest size", "1", 1},
		"B":            {"A byte is a byte", "512B", 512},
		"K":            {"Decimal units are powers of 1000", "2K", 2e3},
		"KB":           {"With or without a B", "2KB", 2e3},
		"M":            {"Decimal units are powers of 1000", "2M", 2e6},
		"MB":           {"With or without a B", "2MB", 2e6},
		"G":            {"Decimal units are powers of 1000", "2G", 2e9},
		"GB":           {"DittoFS' spelling of 10^9", "1GB", 1e9},
		"T":            {"Decimal units are powers of 1000", "2T", 2e12},
		"TB":           {"With or without a B", "2TB", 2e12},
		"Ki":           {"Kubernetes' units are powers of 1024", "2Ki", 2 << 10},
		"KiB":          {"With or without a B", "2KiB", 2 << 10},
		"Mi":           {"Kubernetes' units are powers of 1024", "2Mi", 2 << 20},
		"MiB":          {"With or without a B", "2MiB", 2 << 20},
		"Gi":           {"Kubernetes' spelling of 2^30", "1Gi", 1 << 30},
		"GiB":          {"With or without a B", "2GiB", 2 << 30},
		"Ti":           {"Kubernetes' units are powers of 1024", "2Ti", 2 << 40},
		"TiB":          {"With or without a B", "2TiB", 2 << 40},
		"LowerCase":    {"Units are in any case", "1gi", 1 << 30},
		"UpperCase":    {"Units are in any case", "1GIB", 1 << 30},
		"MixedCase":    {"Units are in any case", "1gB", 1e9},
		"SmallM":       {"m is a million to DittoFS, unlike to Kubernetes", "5m", 5e6},
		"Decimal":      {"Decimals are fine", "1.5Gi", 3 << 29},
		"DecimalZero":  {"Decimals can be less than one", "0.5Ki", 512},
		"CutOff":       {"A fraction of a byte is cut off", "1.9", 1},
		"LeadingZeros": {"Leading zeros are fine", "007K", 7000},
		"AlmostTop":    {"The largest number of Ti below 2^63", "8388607Ti", 8388607 << 40},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSize(tc.size)
			if err != nil {
				t.Errorf("%s\nParseSize(%q): unexpected error: %v", tc.reason, tc.size, err)
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nParseSize(%q): -want, +got:\n%s", tc.reason, tc.size, diff)
			}
		})
	}
}

func TestParseSizeErrors(t *testing.T) {
	const (
		malformed = "must be a size such as 1Gi or 1GB"
		noUnit    = "must have one of the units B, K, Ki, M, Mi, G, Gi, T and Ti, with or without a B"
		tooSmall  = "must be at least one byte"
		tooLarge  = "must fit 63 bits"
	)

	cases := map[string]struct {
		reason string
		size   string
		want   string
	}{
		"Empty":         {"Nothing is no size", "", malformed},
		"UnitOnly":      {"A unit is no size", "Gi", malformed},
		"Word":          {"A word is no size", "much", malformed},
		"Negative":      {"No size is negative", "-1Gi", malformed},
		"Sign":          {"No size has a sign", "+1Gi", malformed},
		"Space":         {"No size has whitespace", "1 Gi", malformed},
		"SpaceAround":   {"No size has whitespace", " 1Gi", malformed},
		"Newline":       {"No size has whitespace", "1Gi\n", malformed},
		"NoFraction":    {"A point has digits behind it", "1.Gi", malformed},
		"NoWhole":       {"A point has digits in front of it", ".5Gi", malformed},
		"TwoPoints":     {"A number has one point", "1.5.1Gi", malformed},
		"Comma":         {"A point is no comma", "1,5Gi", malformed},
		"Exponent":      {"Exponents are Kubernetes' only", "1e3", malformed},
		"Hexadecimal":   {"Numbers are decimal", "0x10", malformed},
		"OtherDigits":   {"Digits are those of ASCII", "١Gi", malformed},
		"Huge":          {"A number that is no float64 is no size", strings.Repeat("9", 400), malformed},
		"UnknownUnit":   {"DittoFS knows no Pi", "1Pi", noUnit},
		"UnknownE":      {"An e alone is no exponent", "1E", noUnit},
		"TwoUnits":      {"A size has one unit", "1GiGi", noUnit},
		"Bits":          {"A unit is spelt out right", "1Gib1", malformed},
		"Plural":        {"A unit is spelt out right", "1Gis", noUnit},
		"Zero":          {"No cache at all is no size", "0", tooSmall},
		"ZeroUnit":      {"Zero of anything is zero", "0.0Gi", tooSmall},
		"FractionOfOne": {"Less than a byte is nothing", "0.9", tooSmall},
		"Overflow":      {"2^63 does not fit", "8388608Ti", tooLarge},
		"OverflowBytes": {"2^63 does not fit", "9223372036854775808", tooLarge},
		"OverflowFar":   {"What is far out does not wrap", "99999999999999999999Ti", tooLarge},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSize(tc.size)
			if err == nil {
				t.Fatalf("%s\nParseSize(%q): no error", tc.reason, tc.size)
			}

			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("%s\nParseSize(%q): -want, +got:\n%s", tc.reason, tc.size, diff)
			}

			if got != 0 {
				t.Errorf("%s\nParseSize(%q): %d next to an error", tc.reason, tc.size, got)
			}
		})
	}
}

// shared matches the sizes that mean the same to Kubernetes and to DittoFS.
var shared = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)$`)

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"1", "0", "1Gi", "1.5Ti", "0.3Ki", "0.0001Ki", "8388607Ti", "8388608Ti", "9007199254740993Ki", "1GB", "-1", "1e3", "", "Gi", "1.", "0Mi", "999999999999999999999999Mi"} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, size string) {
		got, err := ParseSize(size)
		if err == nil && got < 1 {
			t.Errorf("ParseSize(%q): %d is no size", size, got)
		}

		if !shared.MatchString(size) || len(size) > 40 {
			return
		}

		q, qerr := resource.ParseQuantity(size)
		if qerr != nil {
			t.Fatalf("ParseQuantity(%q): %v", size, qerr)
		}

		// Kubernetes rounds up to 10^-9 of a byte and a float64 has 53 bits, so that the
		// two may disagree within a hair of the bounds.
		want := q.AsApproximateFloat64()

		switch {
		case err != nil && want > 1+1e-6 && want < math.MaxInt64*(1-1e-12):
			t.Errorf("ParseSize(%q): %v, but it has %f bytes", size, err, want)
		case err == nil && want < 1-1e-6:
			t.Errorf("ParseSize(%q): %d, but it has %f bytes", size, got, want)
		case err == nil && math.Abs(float64(got)-want) > 1+want*1e-15:
			t.Errorf("ParseSize(%q): want about %f, got %d", size, want, got)
		}
	})
}
