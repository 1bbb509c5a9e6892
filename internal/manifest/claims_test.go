package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestIsClaim(t *testing.T) {
	for n, want := range map[Name]bool{"claim-metadata": true, "claim-content": true, "claim-": false, "claim-other": false, dittofs.VolumeMetadata: false, StatefulSet: false} {
		if got := IsClaim(n); got != want {
			t.Errorf("IsClaim(%q): want %t, got %t", n, want, got)
		}
	}
}

func TestClaimNotes(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   map[string]ClaimNote
	}{
		"None":    {"Most servers note nothing.", `{}`, nil},
		"Noted":   {"What is noted is read.", `{metadata: {annotations: {dittofs.io/claims: '{"metadata":{"size":"20Gi"}}'}}}`, map[string]ClaimNote{dittofs.VolumeMetadata: {Size: "20Gi"}}},
		"Class":   {"So is what may be older.", `{metadata: {annotations: {dittofs.io/claims: '{"metadata":{"older":true}}'}}}`, map[string]ClaimNote{dittofs.VolumeMetadata: {Older: true}}},
		"Others":  {"There are no other claims.", `{metadata: {annotations: {dittofs.io/claims: '{"metadata":{"size":"20Gi"},"other":{"size":"1Gi"}}'}}}`, map[string]ClaimNote{dittofs.VolumeMetadata: {Size: "20Gi"}}},
		"Garbage": {"What is not this function's is ignored.", `{metadata: {annotations: {dittofs.io/claims: 'x'}}}`, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cm := protostructtest.FromYAML(t, tc.text)

			got := ClaimNotes(cm)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nClaimNotes(...): -want, +got:\n%s", tc.reason, diff)
			}

			again := protostruct.With(cm, ClaimNotesAnnotation(got), "metadata", "annotations", "dittofs.io/claims")
			if diff := cmp.Diff(got, ClaimNotes(again), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nClaimNotesAnnotation(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
