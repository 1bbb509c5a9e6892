package condition

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestOf(t *testing.T) {
	const resource = `{status: {conditions: [
{type: Ready, status: "True", reason: Available},
{type: Synced, status: "False", reason: ReconcileError, message: " cannot apply\n", observedGeneration: 3}]}}`

	cases := map[string]struct {
		reason   string
		resource string
		typ      string
		want     *Condition
		isFalse  bool
	}{
		"None":    {"A resource that nobody reconciled has no status.", "{}", "Synced", nil, false},
		"Other":   {"Conditions of other types do not count.", resource, "Healthy", nil, false},
		"Trimmed": {"Messages come with line ends.", resource, "Synced", &Condition{Status: "False", Reason: "ReconcileError", Message: "cannot apply", ObservedGeneration: 3}, true},
		"Short":   {"Fields may be missing.", resource, "Ready", &Condition{Status: "True", Reason: "Available"}, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Of(protostructtest.FromYAML(t, tc.resource), tc.typ)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nOf(...): -want, +got:\n%s", tc.reason, diff)
			}

			if got.IsFalse() != tc.isFalse {
				t.Errorf("%s\nIsFalse(): want %t, got %t", tc.reason, tc.isFalse, got.IsFalse())
			}
		})
	}
}
