package cluster

import fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

// Meta returns the meta of a request of a tag, as Crossplane v2.2 and newer send it. They
// announce what they can do; older ones announce nothing.
func Meta(tag string) *fnv1.RequestMeta {
	return &fnv1.RequestMeta{Tag: tag, Capabilities: []fnv1.Capability{
		fnv1.Capability_CAPABILITY_CAPABILITIES,
		fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES,
		fnv1.Capability_CAPABILITY_CREDENTIALS,
		fnv1.Capability_CAPABILITY_CONDITIONS,
		fnv1.Capability_CAPABILITY_REQUIRED_SCHEMAS,
	}}
}
