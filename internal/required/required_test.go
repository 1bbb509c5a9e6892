package required

import (
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestRequired(t *testing.T) {
	const (
		conditions = fnv1.Capability_CAPABILITY_CONDITIONS
		required   = fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES
	)

	selectors := map[string]*fnv1.ResourceSelector{"secret": {Kind: "Secret", Namespace: new("storage")}}
	newer, older := map[string]*fnv1.Resources{"newer": {}}, map[string]*fnv1.Resources{"older": {}}

	cases := map[string]struct {
		reason       string
		capabilities []fnv1.Capability
		want         *fnv1.Requirements
		fetched      map[string]*fnv1.Resources
	}{
		"Announced": {
			"Crossplane v2.2 and newer say that they know required resources.",
			[]fnv1.Capability{conditions, required},
			&fnv1.Requirements{Resources: selectors}, newer,
		},
		"Other": {
			"A caller that announces something else knows extra resources only.",
			[]fnv1.Capability{conditions},
			&fnv1.Requirements{ExtraResources: selectors}, older,
		},
		"Nothing": {
			"Older callers announce nothing.",
			nil,
			&fnv1.Requirements{ExtraResources: selectors}, older,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req := &fnv1.RunFunctionRequest{Meta: &fnv1.RequestMeta{Capabilities: tc.capabilities}, RequiredResources: newer, ExtraResources: older}

			if diff := cmp.Diff(tc.want, Requirements(req, selectors), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nRequirements(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.fetched, Resources(req), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nResources(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
