package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestSeeded(t *testing.T) {
	cases := map[string]struct {
		reason     string
		annotation string
		want       SeedNote
	}{
		"None":         {"A server without identity providers has no note", "", SeedNote{}},
		"Noted":        {"What is noted is read", `{"ldap":"a"}`, SeedNote{Of: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: "a"}}},
		"Acknowledged": {"What counted last is read", `{"acknowledged":"c","ldap":"a"}`, SeedNote{Of: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: "a"}, Acknowledged: "c"}},
		"Unknown":      {"Somebody else's words are none", `{"ldap":"a","nis":"b"}`, SeedNote{Of: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: "a"}}},
		"Broken":       {"What cannot be read is none", `{"ldap":`, SeedNote{}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cm := protostructtest.FromYAML(t, "{metadata: {annotations: {dittofs.io/seeded: '"+tc.annotation+"'}}}")

			got := Seeded(cm)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nSeeded(...): -want, +got:\n%s", tc.reason, diff)
			}

			again := protostruct.With(cm, got.Annotation(), "metadata", "annotations", "dittofs.io/seeded")
			if diff := cmp.Diff(got, Seeded(again), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nAnnotation(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
