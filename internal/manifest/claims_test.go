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

func TestClaimSizes(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   map[string]string
	}{
		"None":    {"Most servers note nothing.", `{}`, nil},
		"Noted":   {"What is noted is read.", `{metadata: {annotations: {dittofs.io/claims: '{"metadata":"20Gi"}'}}}`, map[string]string{dittofs.VolumeMetadata: "20Gi"}},
		"Others":  {"There are no other claims.", `{metadata: {annotations: {dittofs.io/claims: '{"metadata":"20Gi","other":"1Gi"}'}}}`, map[string]string{dittofs.VolumeMetadata: "20Gi"}},
		"Garbage": {"What is not this function's is ignored.", `{metadata: {annotations: {dittofs.io/claims: 'x'}}}`, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cm := protostructtest.FromYAML(t, tc.text)

			got := ClaimSizes(cm)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nClaimSizes(...): -want, +got:\n%s", tc.reason, diff)
			}

			again := protostruct.With(cm, ClaimSizesAnnotation(got), "metadata", "annotations", "dittofs.io/claims")
			if diff := cmp.Diff(got, ClaimSizes(again), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nClaimSizesAnnotation(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
