package report

import (
	"fmt"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// A message tells as many errors as somebody can correct, and says so if there are more.
func TestMoreErrors(t *testing.T) {
	cases := map[string]struct {
		reason string
		errs   int
		text   string

		last string
		most int
	}{
		"All": {
			reason: "All errors are told.",
			errs:   fielderr.Max,
			last:   "spec.f99: Required value",
			most:   fielderr.Max * 30,
		},
		"More": {
			reason: "That there are more is told.",
			errs:   fielderr.Max + 1,
			last:   "spec.f99: Required value; and more errors, which appear once you correct these",
			most:   fielderr.Max*30 + 60,
		},
		"Long": {
			reason: "It is told after what is cut, too.",
			errs:   fielderr.Max + 1,
			text:   strings.Repeat("x", 2*maxErrorLength),
			last:   " … (cut); and more errors, which appear once you correct these",
			most:   maxMessageLength + 100,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var errs field.ErrorList
			for i := range tc.errs {
				errs = append(errs, field.Required(field.NewPath("spec", fmt.Sprintf("f%d", i)), tc.text))
			}

			rsp := &fnv1.RunFunctionResponse{}
			Invalid(rsp, errs)

			got := rsp.GetConditions()[0].GetMessage()
			if !strings.HasSuffix(got, tc.last) || len(got) > tc.most {
				t.Errorf("%s\nInvalid(...): want at most %d bytes that end with %q, got %d: …%.200s", tc.reason, tc.most, tc.last, len(got), got[max(0, len(got)-200):])
			}
		})
	}
}
