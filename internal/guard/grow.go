package guard

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// Kubernetes lets a bound claim grow while its pod runs, if its storage class allows it. The
// StatefulSet's templates stay as they are meanwhile. What claims are known to have is noted, since the
// templates do not tell.

// A GrownClaim is what is known of the PersistentVolumeClaim that a volume claim template of a server
// stands for.
type GrownClaim struct {
	// Noted is the size that the claim was known to have last, or nil.
	Noted *resource.Quantity

	// Problem is what the provider or the API server says of what was asked last, or "".
	Problem string

	// Live is nil where the claim is not known.
	Live *LiveClaim
}

// A LiveClaim is what the guards ask of a live PersistentVolumeClaim.
type LiveClaim struct {
	// Request is the size that the claim asks for, as it is written, and Capacity the one that
	// its volume has.
	Request  string
	Capacity resource.Quantity

	// Bound reports whether the claim has a volume, and Leaving whether it is being deleted.
	Bound, Leaving bool

	// Class is the claim's storage class, or "".
	Class string

	// Infeasible reports whether the driver gave up growing the volume.
	Infeasible bool

	// NeedsPod reports whether the file system grows only while a pod mounts it.
	NeedsPod bool
}

// A Growth is a claim that is to be larger than it is known to be.
type Growth struct {
	// Volume whose claim it is, and the claim's name.
	Volume, Claim string

	// Asked is the size that the spec asks for, and Has the one that the claim is known to have.
	Asked, Has resource.Quantity

	// Why the claim does not have it yet.
	Why string

	// NeedsPerson reports whether it never will by itself.
	NeedsPerson bool

	// Compose reports whether an Object is composed for the claim, with a Size to ask for, or "" to
	// only look for the claim. Update reports whether the claim may be changed.
	Compose bool
	Size    string
	Update  bool
}

// grow decides what becomes of claims that are to be larger.
func (d *Decision) grow(st State) {
	templates := st.StatefulSet.templates()

	for _, want := range st.StatefulSet.Desired.Claims {
		claim := st.Claims[want.Name]

		has, template := claim.Noted, sizeOf(templates, want.Name)
		if has == nil {
			has = template
		}

		// There is no such claim yet: the StatefulSet's controller creates one of this size.
		if has == nil {
			continue
		}

		if has.Cmp(want.Size) < 0 && !st.CannotGrow {
			if g := growthOf(st.StatefulSet.Desired.Name, want, *has, claim); g == nil {
				has = &want.Size
			} else {
				// Only what the StatefulSet is known to have is a claim of this server.
				g.Compose = st.StatefulSet.Live != nil && template != nil && !d.LeaveOut
				d.Growing = append(d.Growing, *g)
			}
		}

		// A StatefulSet that is applied now has what the spec asks for.
		if template == nil && !d.LeaveOut && !d.Paused {
			template = &want.Size
		}

		// The template tells all others.
		if template == nil && claim.Noted != nil || template != nil && (has.Cmp(*template) != 0 || has.Cmp(want.Size) < 0 && !st.CannotGrow) {
			d.note(want.Name, *has)
		}
	}
}

// note the size that a claim is known to have.
func (d *Decision) note(volume string, size resource.Quantity) {
	if d.ClaimSizes == nil {
		d.ClaimSizes = map[string]string{}
	}

	d.ClaimSizes[volume] = size.String()
}

// templates are the volume claim templates that the StatefulSet has: those that are live, where a
// webhook made others of the asked ones. There are none where no StatefulSet is asked for.
func (s *StatefulSet) templates() []Claim {
	switch {
	case s.Asked == nil:
		return nil
	case s.Live != nil:
		return s.Live.Claims
	default:
		return s.Asked.Claims
	}
}

// sizesAreNoted reports whether what claims have is noted wherever a new template would not tell:
// then the StatefulSet can be created anew.
func (st *State) sizesAreNoted() bool {
	for _, want := range st.StatefulSet.Desired.Claims {
		template := sizeOf(st.StatefulSet.templates(), want.Name)
		if !st.CannotGrow && template != nil && template.Cmp(want.Size) < 0 && st.Claims[want.Name].Noted == nil {
			return false
		}
	}

	return true
}

func sizeOf(claims []Claim, name string) *resource.Quantity {
	for _, c := range claims {
		if c.Name == name {
			return &c.Size
		}
	}

	return nil
}

// growthOf returns what becomes of a claim, or nil if it has grown.
func growthOf(server string, want Claim, has resource.Quantity, claim GrownClaim) *Growth {
	g := &Growth{Volume: want.Name, Claim: manifest.ClaimName(server, want.Name), Asked: want.Size, Has: has}

	live := claim.Live
	if live == nil {
		g.Why = "waiting to see it"
		g.problem(claim)

		return g
	}

	if live.Bound && !live.Leaving && live.Capacity.Cmp(want.Size) >= 0 {
		return nil
	}

	if live.Bound {
		g.Has = live.Capacity
	}

	// What is live already takes nothing back, also where somebody asked for more by hand.
	g.Size = live.Request

	request, err := quantity.Parse(live.Request)

	switch {
	case err != nil:
		g.Why = "its size cannot be read"
	case live.Leaving:
		g.Why, g.NeedsPerson = "it is being deleted", true
	case !live.Bound:
		g.Why = "it is not bound to a volume yet"
	case request.Cmp(want.Size) < 0, live.Infeasible && request.Cmp(want.Size) > 0:
		// Kubernetes takes a smaller size again where the driver gave up, if that is above what there is.
		g.Size, g.Update, g.Why = want.Size.String(), true, "it is asked to grow"
	case live.Infeasible:
		g.Why, g.NeedsPerson = "the storage driver cannot make it so large: ask for less, but for more than it has", true
	case live.NeedsPod:
		g.Why = "the volume has grown, and its file system grows while a pod mounts it: if it has not after some minutes, delete the pod"
	default:
		g.Why = "the storage driver works on it"
	}

	g.problem(claim)

	return g
}

// What the API server and the provider say of claims.
const (
	// cannotExpand is of a claim whose storage class allows no expansion.
	cannotExpand = "must support resize"

	// notThere, cannotCreate and noModes are of a claim that does not exist: the provider would
	// create it if it could.
	notThere     = "external resource does not exist"
	cannotCreate = `cannot create resource "persistentvolumeclaims"`
	noModes      = "spec.accessModes: Required value"

	// cannotGet and cannotPatch are of a provider without rights.
	cannotGet   = `cannot get resource "persistentvolumeclaims"`
	cannotPatch = `cannot patch resource "persistentvolumeclaims"`
)

// problem tells what the provider or the API server says instead of what the claim waits for.
func (g *Growth) problem(claim GrownClaim) {
	if claim.Problem == "" {
		return
	}

	g.NeedsPerson = true

	class := "its storage class"
	if claim.Live != nil && claim.Live.Class != "" {
		class = "the storage class " + claim.Live.Class
	}

	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(claim.Problem, w) })
	}

	switch {
	case says(notThere, cannotCreate, noModes):
		g.Why, g.NeedsPerson = "it does not exist: the StatefulSet's controller creates it when the server starts", false
	case says(cannotExpand):
		g.Why = fmt.Sprintf("%s does not allow it: set allowVolumeExpansion of the class, if its driver can expand volumes, or move the data to another claim (%s)", class, claim.Problem)
	case says(cannotGet, cannotPatch):
		g.Why = "the provider may not: give it the rights on persistentvolumeclaims of example/install/provider-kubernetes.yaml (" + claim.Problem + ")"
	default:
		g.Why = claim.Problem
	}
}
