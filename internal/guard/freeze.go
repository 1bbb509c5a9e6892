package guard

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// freezeStatefulSet keeps what Kubernetes cannot change of the StatefulSet, and reports whether
// something was kept that the spec asks to be otherwise. Then the StatefulSet has to be
// recreated.
func (d *Decision) freezeStatefulSet(st State) bool {
	s := st.StatefulSet
	isKept := false

	for _, f := range immutable {
		want, got := s.Desired.Immutable[f], s.Asked.Immutable[f]
		if f == volumeClaimTemplates {
			isKept = d.freezeClaims(st) || isKept
		} else if want != got {
			d.Immutable = append(d.Immutable, f)
			d.Frozen = append(d.Frozen, fmt.Sprintf("StatefulSet field %s is kept (to change it, do as for volume claims)", f))
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

	// Kept also where they are equal but for their spelling, 1024Mi is 1Gi, and for their metadata.
	if same := s.Desired.Immutable[volumeClaimTemplates] == kept; !same && changed {
		d.LiveClaims = true
	} else if !same {
		d.Immutable = append(d.Immutable, volumeClaimTemplates)
	}

	isBehind := false

	for _, want := range s.Desired.Claims {
		changes, differs := st.claimChanges(want, claimOf(claims, want.Name))
		d.Frozen, isBehind = append(d.Frozen, changes...), isBehind || differs
	}

	if s.Desired.MountsContent && !s.Desired.hasClaim(dittofs.VolumeContent) {
		d.Frozen = append(d.Frozen, fmt.Sprintf("volume claim %s stays mounted, though spec.storage.contentSize is gone (the PersistentVolumeClaim %s is never deleted)", dittofs.VolumeContent, manifest.ClaimName(s.Asked.Name, dittofs.VolumeContent)))
		isBehind = true
	}

	return isBehind
}

// claimChanges tells how a desired volume claim differs from the existing claim, except by a
// larger size, which a claim gets without a stop. It reports whether the template that is kept
// differs, which is nil where there is none. A claim that is kept and not desired any more does
// no harm.
func (st *State) claimChanges(want Claim, kept *Claim) (changes []string, differs bool) {
	claim := st.Claims[want.Name]

	if kept == nil {
		return []string{fmt.Sprintf("volume claim %s of %s is missing, and nothing is mounted in its place", want.Name, want.Size.String())}, true
	}

	switch size := claim.size(kept, want.Size); size.Cmp(want.Size) {
	case 1:
		changes = append(changes, cannotShrink(want, *size))
	case -1:
		if !st.sees(claim) {
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (it grows while the server runs with: %s, which this function cannot see)", want.Name, size.String(), want.Size.String(), st.growByHand(want)))
		}
	}

	if claim.Live.asksForTooMuch(want) {
		changes = append(changes, stillAsks(st.StatefulSet.Asked.Name, want, claim.Live))
	}

	// An Object that makes a claim grow shows its class as well, but not for long.
	switch isOther := want.asksOtherClass(kept); {
	case isOther && (claim.Live == nil || !st.ReadsClaims):
		changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim keeps its class)", want.Name, className(kept.Class), className(want.Class)))
	case claim.keepsClass(want):
		changes = append(changes, classKept(st.StatefulSet.Asked.Name, want, claim.Live))
	}

	if has := claim.attributes(kept); want.Attributes != "" && has != want.Attributes && !st.sees(claim) {
		changes = append(changes, fmt.Sprintf("volume claim %s has the volume attributes class %q instead of %q (it changes while the server runs with: %s, which this function cannot see)", want.Name, has, want.Attributes, st.changeByHand(want)))
	}

	// A source changes no claim that there is. A template without the one that is asked for would begin
	// the next claim empty, and one that keeps another would bring back old files.
	return changes, kept.Size.Cmp(want.Size) != 0 || want.asksOtherClass(kept) || want.asksOtherAttributes(kept) || want.Source != kept.Source
}

// freezeExisting tells what claims that exist keep, where there is no StatefulSet.
func (d *Decision) freezeExisting(st State) {
	for _, want := range st.StatefulSet.Desired.Claims {
		claim := st.Claims[want.Name]

		if size := claim.size(nil, want.Size); size != nil && size.Cmp(want.Size) > 0 {
			d.Frozen = append(d.Frozen, cannotShrink(want, *size))
		}

		if claim.Live.asksForTooMuch(want) {
			d.Frozen = append(d.Frozen, stillAsks(st.StatefulSet.Desired.Name, want, claim.Live))
		}

		if claim.keepsClass(want) {
			d.Frozen = append(d.Frozen, classKept(st.StatefulSet.Desired.Name, want, claim.Live))
		}
	}
}

// keepsClass reports whether a live claim has another class than the spec asks for.
func (c *KnownClaim) keepsClass(want Claim) bool {
	return want.Class != nil && c.Live != nil && c.Live.Class != *want.Class
}

// cannotShrink tells that a claim is larger than the spec asks for.
func cannotShrink(want Claim, size resource.Quantity) string {
	return fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim cannot shrink)", want.Name, size.String(), want.Size.String())
}

// stillAsks tells that a claim asks for more than it has and than the spec asks for.
func stillAsks(server string, want Claim, live *LiveClaim) string {
	return fmt.Sprintf("PersistentVolumeClaim %s still asks for %s, and may get it: to prevent that, ask for less, but more than the %s that it has", manifest.ClaimName(server, want.Name), live.Request, live.Capacity.String())
}

// classKept tells that a claim keeps its class.
func classKept(server string, want Claim, live *LiveClaim) string {
	return fmt.Sprintf("PersistentVolumeClaim %s has %s instead of %s, which it keeps: copy its data to a claim of that class (docs/storage.md, change the storage class)", manifest.ClaimName(server, want.Name), className(&live.Class), className(want.Class))
}

// className tells a storage class. An empty class is another one than none, which means
// the cluster's default.
func className(class *string) string {
	if class == nil {
		return "the default storage class"
	}

	return fmt.Sprintf("the storage class %q", *class)
}

// freezeServices keeps the primary IP family of each Service, and the class of each load balancer:
// Kubernetes cannot change them.
func (d *Decision) freezeServices(services []Service) {
	for _, svc := range services {
		d.freezeFamilies(svc)
		d.closeFamilies(svc)

		// The Service that was asked last may not be applied yet.
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

		// Without a class in the spec, any class fits.
		if svc.Desired.Class == nil {
			continue
		}

		d.Frozen = append(d.Frozen, fmt.Sprintf("load balancer class of %s is %q instead of %q (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again)", svc.Name, ptr.Deref(got.Class, ""), *svc.Desired.Class))
	}
}

// freezeFamilies keeps the primary IP family of a Service. The other one can come beside it.
func (d *Decision) freezeFamilies(svc Service) {
	want, got := svc.DesiredFamilies, svc.LiveFamilies
	if len(got.List) == 0 {
		// The Service that was asked last may not be applied yet.
		got = svc.AskedFamilies
	}

	if len(want.List) == 0 || len(got.List) == 0 || want.List[0] == got.List[0] {
		return
	}

	d.Families[svc.Name] = got
	if len(want.List) > 1 {
		d.Families[svc.Name] = Families{List: []string{got.List[0], want.List[0]}, Policy: want.Policy}
	}

	d.Frozen = append(d.Frozen, fmt.Sprintf("primary IP family of %s is %s instead of %s (delete the composed resource: it is then recreated, with other addresses)", svc.Name, got.List[0], want.List[0]))
}

// closeFamilies adds a range that no client comes from for each IP family of a load balancer whose
// ranges are of the other one only: kube-proxy takes no range of a family for all of its addresses. The
// Service may have a family that the spec does not name, or names no more.
func (d *Decision) closeFamilies(svc Service) {
	if !svc.Desired.Is || len(svc.Ranges) == 0 {
		return
	}

	isDual := svc.DesiredFamilies.isDual() || svc.AskedFamilies.isDual()
	families := slices.Concat(svc.DesiredFamilies.List, svc.AskedFamilies.List, svc.LiveFamilies.List)
	ranges := slices.Clone(svc.Ranges)

	for _, f := range []struct {
		name     corev1.IPFamily
		loopback string
		has      func(cidr string) bool
	}{
		{corev1.IPv4Protocol, "127.0.0.1/32", func(cidr string) bool { return !strings.Contains(cidr, ":") }},
		{corev1.IPv6Protocol, "::1/128", func(cidr string) bool { return strings.Contains(cidr, ":") }},
	} {
		if (isDual || slices.Contains(families, string(f.name))) && !slices.ContainsFunc(svc.Ranges, f.has) {
			ranges = append(ranges, f.loopback)
		}
	}

	if len(ranges) > len(svc.Ranges) {
		d.Ranges[svc.Name] = ranges
	}
}
