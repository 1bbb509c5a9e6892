// Package required asks Crossplane for resources, and reads those that it fetched.
//
// Crossplane v2.2 and newer announce that they know required resources. Older ones, and the CLIs
// of v1, know them as extra resources. They keep the newer field as bytes that they do not
// understand. If both were set, they would compare those bytes, and sometimes find that the
// requirements never become stable. So exactly one of the two fields is used.
package required

import (
	"slices"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// isKnown reports whether the caller knows required resources. It is HasCapability of the
// SDK's package request, which would add 9.7 MB to the binary.
func isKnown(req *fnv1.RunFunctionRequest) bool {
	return slices.Contains(req.GetMeta().GetCapabilities(), fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES)
}

// Resources returns what Crossplane fetched, by the names of what was required. A name that
// is missing was not fetched yet. One without items was looked for, and does not exist.
func Resources(req *fnv1.RunFunctionRequest) map[string]*fnv1.Resources {
	if isKnown(req) {
		return req.GetRequiredResources()
	}

	return req.GetExtraResources()
}

// Requirements returns selectors in the field that the caller of a request knows.
func Requirements(req *fnv1.RunFunctionRequest, selectors map[string]*fnv1.ResourceSelector) *fnv1.Requirements {
	if isKnown(req) {
		return &fnv1.Requirements{Resources: selectors}
	}

	return &fnv1.Requirements{ExtraResources: selectors}
}
