package cluster

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// storage is where a claim asks for its size.
var storage = []string{"spec", "resources", "requests", "storage"} //nolint:gochecknoglobals // A path.

// ClaimObject returns the name of the composed resource that stands for the claim of a volume.
func ClaimObject(volume string) string { return "claim-" + volume }

// IsClaim reports whether a composed resource stands for a PersistentVolumeClaim.
func IsClaim(composed *structpb.Struct) bool {
	return protostruct.Get(Asked(composed), "kind").GetStringValue() == "PersistentVolumeClaim"
}

// MakeClaims adds to claims, by the names of their composed resources, those that the controller of a
// StatefulSet creates: of each template whose claim is missing, bound to a volume.
func MakeClaims(claims map[string]*structpb.Struct, statefulSet *structpb.Struct) {
	if protostruct.Get(statefulSet, "spec", "replicas").GetNumberValue() == 0 {
		return
	}

	text := func(path ...string) string { return protostruct.Get(statefulSet, path...).GetStringValue() }

	for _, v := range protostruct.Get(statefulSet, "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		template := v.GetStructValue()

		volume := protostruct.Get(template, "metadata", "name").GetStringValue()
		if claims[ClaimObject(volume)] != nil {
			continue
		}

		claim := proto.CloneOf(template)
		protostruct.Set(claim, structpb.NewStringValue("v1"), "apiVersion")
		protostruct.Set(claim, structpb.NewStringValue("PersistentVolumeClaim"), "kind")
		protostruct.Set(claim, structpb.NewStringValue(volume+"-"+text("metadata", "name")+"-0"), "metadata", "name")
		protostruct.Set(claim, structpb.NewStringValue(text("metadata", "namespace")), "metadata", "namespace")

		if protostruct.Get(claim, "spec", "storageClassName") == nil {
			protostruct.Set(claim, structpb.NewStringValue("standard"), "spec", "storageClassName")
		}

		protostruct.Set(claim, structpb.NewStringValue("Bound"), "status", "phase")
		ExpandClaim(claim)
		claims[ClaimObject(volume)] = claim
	}
}

// ExpandClaim gives the volume of a claim the size that the claim asks for.
func ExpandClaim(claim *structpb.Struct) {
	protostruct.Set(claim, protostruct.Get(claim, storage...), "status", "capacity", "storage")
	protostruct.Set(claim, protostruct.Get(claim, "spec", "volumeAttributesClassName"), "status", "currentVolumeAttributesClassName")
	protostruct.Set(claim, nil, "status", "conditions")
}

// ClaimSizes returns what a claim asks for, and what its volume has.
func ClaimSizes(claim *structpb.Struct) (request, capacity string) {
	return protostruct.Get(claim, storage...).GetStringValue(), protostruct.Get(claim, "status", "capacity", "storage").GetStringValue()
}

// MayUpdate reports whether the provider may change what an Object stands for.
func MayUpdate(o *structpb.Struct) bool { return may(o, "Update") }

// MayDelete reports whether the provider may delete what an Object stands for.
func MayDelete(o *structpb.Struct) bool { return may(o, "Delete") }

func may(o *structpb.Struct, action string) bool {
	for _, p := range protostruct.Get(o, "spec", "managementPolicies").GetListValue().GetValues() {
		if p.GetStringValue() == action || p.GetStringValue() == "*" {
			return true
		}
	}

	return false
}
