package guard

import (
	"fmt"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// freezeStatefulSet keeps what Kubernetes cannot change of the StatefulSet, and reports
// whether something was kept that the spec asks to be otherwise. Then the StatefulSet has
// to be created anew.
func (d *Decision) freezeStatefulSet(st State) bool {
	s := st.StatefulSet
	isKept := false

	for _, f := range immutable {
		want, got := s.Desired.Immutable[f], s.Asked.Immutable[f]
		if f == volumeClaimTemplates {
			isKept = d.freezeClaims(st) || isKept
		} else if want != got {
			d.Immutable = append(d.Immutable, f)
			d.Frozen = append(d.Frozen, fmt.Sprintf("StatefulSet field %s is kept (it changes as volume claims do)", f))
			isKept = true
		}
	}

	return isKept
}

// freezeClaims keeps the volume claim templates: those that are live, where a webhook made
// others of the asked ones, which the API server would refuse from then on. It reports whether one
// was kept that the spec asks to be otherwise.
func (d *Decision) freezeClaims(st State) bool {
	s := st.StatefulSet
	kept, claims := s.Asked.Immutable[volumeClaimTemplates], s.Asked.Claims

	changed := s.Live != nil && s.Live.ClaimTemplates != kept
	if changed {
		kept, claims = s.Live.ClaimTemplates, s.Live.Claims
	}

	if s.Desired.Immutable[volumeClaimTemplates] == kept {
		return false
	}

	// Kept also where they are equal but for their spelling: 1024Mi is 1Gi.
	if changed {
		d.LiveClaims = true
	} else {
		d.Immutable = append(d.Immutable, volumeClaimTemplates)
	}

	changes, isSmaller := st.claimChanges(claims)
	d.Frozen = append(d.Frozen, changes...)

	if s.Desired.MountsContent && !s.Desired.hasClaim(dittofs.VolumeContent) {
		d.Frozen = append(d.Frozen, fmt.Sprintf("volume claim %s stays mounted, though spec.storage.contentSize is gone (the PersistentVolumeClaim %s is never deleted)", dittofs.VolumeContent, manifest.ClaimName(s.Asked.Name, dittofs.VolumeContent)))

		return true
	}

	return isSmaller || len(changes) > 0
}

// claimChanges tells how the desired volume claims of a server differ from those that are kept, but
// for larger sizes, which claims get without it: then it reports true. A claim that is kept and not
// desired any more does no harm.
func (st *State) claimChanges(kept []Claim) (changes []string, isSmaller bool) {
	for _, want := range st.StatefulSet.Desired.Claims {
		i := slices.IndexFunc(kept, func(c Claim) bool { return c.Name == want.Name })
		if i < 0 {
			changes = append(changes, fmt.Sprintf("volume claim %s of %s is missing, and nothing is mounted in its place", want.Name, want.Size.String()))
			continue
		}

		got, size := kept[i], kept[i].Size
		isSmaller = isSmaller || size.Cmp(want.Size) < 0

		if noted := st.Claims[want.Name].Noted; noted != nil && noted.Cmp(size) > 0 {
			size = *noted
		}

		switch size.Cmp(want.Size) {
		case 1:
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim cannot shrink)", want.Name, size.String(), want.Size.String()))
		case -1:
			if st.CannotGrow {
				changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (it grows while the server runs with: kubectl patch pvc %s --namespace=%s --patch='{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"%s\"}}}}', which nobody tells this function)", want.Name, size.String(), want.Size.String(),
					manifest.ClaimName(st.StatefulSet.Asked.Name, want.Name), st.Namespace, want.Size.String()))
			}
		}

		// A class that nobody asked for is the cluster's default or a webhook's.
		if want.Class != nil && !ptr.Equal(want.Class, got.Class) {
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim keeps its class)", want.Name, className(got.Class), className(want.Class)))
		}
	}

	return changes, isSmaller
}

// className tells a storage class. An empty class is another one than none, which means
// the cluster's default.
func className(class *string) string {
	if class == nil {
		return "the default storage class"
	}

	return fmt.Sprintf("the storage class %q", *class)
}

// freezeServices keeps the class of each load balancer: Kubernetes cannot change it.
func (d *Decision) freezeServices(services []Service) {
	for _, svc := range services {
		// What was asked last may not be applied yet.
		got := svc.Live
		if !got.Is {
			got = svc.Asked
		}

		if !svc.Desired.Is || !got.Is || ptr.Equal(svc.Desired.Class, got.Class) {
			continue
		}

		// One that nobody asked for is a webhook's, and stays without being asked for.
		if svc.Desired.Class == nil && svc.Asked.Class == nil {
			continue
		}

		d.Classes[svc.Name] = got.Class

		// Without a class in the spec, any will do.
		if svc.Desired.Class == nil {
			continue
		}

		d.Frozen = append(d.Frozen, fmt.Sprintf("load balancer class of %s is %q instead of %q (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again)", svc.Name, ptr.Deref(got.Class, ""), *svc.Desired.Class))
	}
}
