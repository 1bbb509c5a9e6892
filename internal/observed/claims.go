package observed

import (
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// Claims are the PersistentVolumeClaims of a server, where the input lets Crossplane read them. A required
// resource that Crossplane may not read fails the whole pipeline, so nobody else requires them.
type Claims struct {
	// Fetched reports whether Crossplane has looked for them.
	Fetched bool

	// Live claims by volume.
	Live map[string]*structpb.Struct
}

// claimRequirement is the name under which the claim of a volume is required.
func claimRequirement(volume string) string { return "claim/" + volume }

// requireClaims adds the claims of a server's volumes to what is required.
func requireClaims(s *composite.DittoServer, required map[string]*fnv1.ResourceSelector) {
	if !s.Input.Claims.Read {
		return
	}

	for _, v := range s.Volumes() {
		apiVersion, kind := manifest.ClaimRow(v.Name).Kind.ToAPIVersionAndKind()
		required[claimRequirement(v.Name)] = &fnv1.ResourceSelector{
			ApiVersion: apiVersion,
			Kind:       kind,
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: manifest.ClaimName(s.Name, v.Name)},
			Namespace:  new(s.Namespace),
		}
	}
}

// ReadClaims reads the claims that Crossplane fetched.
func ReadClaims(s *composite.DittoServer, required map[string]*fnv1.Resources) Claims {
	c := Claims{Fetched: s.Input.Claims.Read, Live: map[string]*structpb.Struct{}}
	if !c.Fetched {
		return c
	}

	for _, v := range s.Volumes() {
		fetched, ok := required[claimRequirement(v.Name)]
		c.Fetched = c.Fetched && ok

		for _, item := range fetched.GetItems() {
			c.Live[v.Name] = item.GetResource()
		}
	}

	return c
}
