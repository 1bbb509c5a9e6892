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
// StatefulSet's templates stay as they are meanwhile.

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
}

// A ClaimObject is an Object for a claim, which looks at it, and may change it where Update says so.
type ClaimObject struct {
	Volume string

	// Size to ask for, or "" to only look for the claim.
	Size   string
	Update bool
}

// observing returns an Object that looks at a claim. What is live already takes nothing back, also
// where somebody asked for more by hand.
func observing(volume string, live *LiveClaim) ClaimObject {
	o := ClaimObject{Volume: volume}
	if live != nil {
		o.Size = live.Request
	}

	return o
}

// grow decides what becomes of claims that are to be larger.
func (d *Decision) grow(st State) {
	templates := st.StatefulSet.templates()

	for _, want := range st.StatefulSet.Desired.Claims {
		claim, template := st.Claims[want.Name], claimOf(templates, want.Name)

		// Where there is no such claim yet, the StatefulSet's controller creates one of this size.
		has := claim.size(template, want.Size)
		if has == nil || has.Cmp(want.Size) >= 0 || !st.sees(claim) {
			continue
		}

		g, o := growthOf(st.StatefulSet.Desired.Name, want, *has, claim)

		// Only what the StatefulSet is known to have is a claim of this server.
		switch {
		case st.CannotGrow && o.Update:
			g.Why, g.NeedsPerson = "nothing but a person may ask for it here: "+st.growByHand(want), true
		case !st.CannotGrow && st.StatefulSet.Live != nil && template != nil && !d.LeaveOut:
			d.ClaimObjects = append(d.ClaimObjects, o)
		}

		d.Growing = append(d.Growing, g)
	}
}

// growByHand returns the command that lets a claim grow.
func (st *State) growByHand(want Claim) string {
	return fmt.Sprintf(`kubectl patch pvc %s --namespace=%s --patch='{"spec":{"resources":{"requests":{"storage":"%s"}}}}'`,
		manifest.ClaimName(st.StatefulSet.Desired.Name, want.Name), st.Namespace, want.Size.String())
}

// growthOf returns what becomes of a claim that has too little.
func growthOf(server string, want Claim, has resource.Quantity, claim KnownClaim) (Growth, ClaimObject) {
	g := Growth{Volume: want.Name, Claim: manifest.ClaimName(server, want.Name), Asked: want.Size, Has: has}
	o := observing(want.Name, claim.Live)

	live := claim.Live
	if live == nil {
		g.Why = "waiting to see it"
		g.problem(claim)

		return g, o
	}

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
		o.Size, o.Update, g.Why = want.Size.String(), true, "it is asked to grow"
	case live.Infeasible:
		g.Why, g.NeedsPerson = "the storage driver cannot make it so large: ask for less, but for more than it has", true
	case live.NeedsPod:
		g.Why = "the volume has grown, and its file system grows while a pod mounts it: if it has not after some minutes, delete the pod"
	default:
		g.Why = "the storage driver works on it"
	}

	g.problem(claim)

	return g, o
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

func says(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// problem tells what the provider or the API server says instead of what the claim waits for.
func (g *Growth) problem(claim KnownClaim) {
	class := "its storage class"
	if claim.Live != nil && claim.Live.Class != "" {
		class = "the storage class " + claim.Live.Class
	}

	switch {
	case claim.Absent:
		g.Why = "it does not exist: the StatefulSet's controller creates it when the server starts"
		return
	case claim.Problem == "":
		return
	case says(claim.Problem, cannotExpand):
		g.Why = fmt.Sprintf("%s does not allow it: set allowVolumeExpansion of the class, if its driver can expand volumes, or move the data to another claim (%s)", class, claim.Problem)
	case says(claim.Problem, cannotGet, cannotPatch):
		g.Why = "the provider may not: give it the rights on persistentvolumeclaims of example/install/provider-kubernetes.yaml (" + claim.Problem + ")"
	default:
		g.Why = claim.Problem
	}

	g.NeedsPerson = true
}
