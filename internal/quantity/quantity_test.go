package quantity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestParse(t *testing.T) {
	const huge = "must have an exponent of at most two digits"

	type want struct {
		quantity string
		err      string
	}

	cases := map[string]struct {
		reason string
		text   string
		want   want
	}{
		"Suffix":           {reason: "A quantity may have a suffix.", text: "1.5Gi", want: want{quantity: "1536Mi"}},
		"Exponent":         {reason: "An exponent of two digits is worked out.", text: "1e12", want: want{quantity: "1e12"}},
		"Spaces":           {reason: "Spaces do not count, as in JSON.", text: " 1Gi ", want: want{quantity: "1Gi"}},
		"HugeExponent":     {reason: "An exponent of three digits is not worked out.", text: "1E100", want: want{quantity: "0", err: huge}},
		"NegativeExponent": {reason: "Its sign does not count.", text: "1e-999999999", want: want{quantity: "0", err: huge}},
		"Longest":          {reason: "As many characters as no quantity needs are taken.", text: strings.Repeat("1", 64), want: want{quantity: strings.Repeat("1", 64)}},
		"TooLong":          {reason: "What is longer than any quantity that fits is not worked out.", text: strings.Repeat("0", 64) + "1", want: want{quantity: "0", err: "must have at most 64 characters"}},
		"Text":             {reason: "A text that is no quantity is refused.", text: "much", want: want{quantity: "0", err: resource.ErrFormatWrong.Error()}},
		"Empty":            {reason: "The empty text is no quantity.", text: "", want: want{quantity: "0", err: resource.ErrFormatWrong.Error()}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			q, err := Parse(tc.text)

			got := want{quantity: q.String()}
			if err != nil {
				got.err = err.Error()
			}

			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\nParse(%q): -want, +got:\n%s", tc.reason, tc.text, diff)
			}
		})
	}
}
