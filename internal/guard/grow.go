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

// A Growth is a claim that must become larger than it is known to be.
type Growth struct {
	// Volume whose claim it is, and the claim's name.
	Volume, Claim string

	// Asked is the size that the spec asks for, and Has the one that the claim is known to have.
	Asked, Has resource.Quantity

	// Why the claim does not have it yet.
	Why string

	// NeedsPerson reports whether it never does by itself.
	NeedsPerson bool
}

// An AttributesChange is a claim whose volume must change its volume attributes class.
type AttributesChange struct {
	// Claim is the claim's name. Asked is the class that the spec asks for, and Has the one that the
	// volume is known to have, or "".
	Claim, Asked, Has string

	// Why the volume does not have it yet, and NeedsPerson whether it never does by itself.
	Why         string
	NeedsPerson bool
}

// A ClaimObject is an Object for a claim, which looks at it, and may change it where Update says so.
type ClaimObject struct {
	Volume string

	// Size and volume attributes class to ask for, or "" to only look for the claim.
	Size, Attributes string

	// Update reports whether the claim may be changed, of which Version is the resource version then: so the API
	// server refuses it where somebody else changed the claim since.
	Update  bool
	Version string
}

// observing returns an Object that looks at a claim. It asks for what is live, which takes
// nothing back, also where somebody asked for more by hand.
func observing(volume string, live *LiveClaim) ClaimObject {
	o := ClaimObject{Volume: volume}
	if live != nil {
		o.Size, o.Attributes = live.Request, live.Attributes
	}

	return o
}

// grow decides about claims that must become larger or change their volume attributes class.
func (d *Decision) grow(st State) {
	templates, server := st.StatefulSet.templates(), st.StatefulSet.Desired.Name

	for _, want := range st.StatefulSet.Desired.Claims {
		claim, template := st.Claims[want.Name], claimOf(templates, want.Name)

		// Where there is no such claim yet, the StatefulSet's controller creates one of this size.
		has := claim.size(template, want.Size)
		if has == nil || !st.sees(claim) {
			continue
		}

		o, growing := observing(want.Name, claim.Live), has.Cmp(want.Size) < 0
		if growing {
			g := growthOf(server, want, *has, claim, &o)
			if st.CannotGrow && o.Update {
				g.Why, g.NeedsPerson = byPerson+st.growByHand(want), true
			}

			d.Growing = append(d.Growing, g)
		}

		isKnown := template != nil || claim.NotedAttributes != "" || claim.Live.isUsable()

		changing := isKnown && want.Attributes != "" && claim.attributes(template) != want.Attributes
		if changing {
			c := attributesOf(server, want, claim.attributes(template), claim, &o)
			if st.CannotGrow && o.Attributes != observing(want.Name, claim.Live).Attributes {
				c.Why, c.NeedsPerson = byPerson+st.changeByHand(want), true
			}

			d.Attributes = append(d.Attributes, c)
		}

		if (growing || changing || claim.Live.asksForTooMuch(want)) && !st.CannotGrow && d.isOwn(st, template) {
			d.ClaimObjects = append(d.ClaimObjects, o)
		}
	}
}

// byPerson tells of a command.
const byPerson = "only a person can ask for it here: "

// growByHand returns the command that lets a claim grow.
func (st *State) growByHand(want Claim) string {
	return fmt.Sprintf(`kubectl patch pvc %s --namespace=%s --patch='{"spec":{"resources":{"requests":{"storage":"%s"}}}}'`,
		manifest.ClaimName(st.StatefulSet.Desired.Name, want.Name), st.Namespace, want.Size.String())
}

// changeByHand returns the command that asks for another volume attributes class.
func (st *State) changeByHand(want Claim) string {
	return fmt.Sprintf(`kubectl patch pvc %s --namespace=%s --patch='{"spec":{"volumeAttributesClassName":"%s"}}'`,
		manifest.ClaimName(st.StatefulSet.Desired.Name, want.Name), st.Namespace, want.Attributes)
}

// attributesOf returns what becomes of a claim whose volume is of another volume attributes class, and has
// its Object ask for that.
func attributesOf(server string, want Claim, has string, claim KnownClaim, o *ClaimObject) AttributesChange {
	c := AttributesChange{Claim: manifest.ClaimName(server, want.Name), Asked: want.Attributes, Has: has}

	switch live := claim.Live; {
	case live == nil:
		c.Why = waitingToSee
	case live.Leaving:
		c.Why, c.NeedsPerson = isLeaving, true
	case !live.Bound:
		c.Why = notBound
	case live.Attributes != want.Attributes:
		o.Attributes, o.Update, o.Version, c.Why = want.Attributes, true, live.Version, "the provider is about to ask for it, which needs Kubernetes 1.34"
	case live.ModifyStatus == "Infeasible":
		c.Why, c.NeedsPerson = "the storage driver refuses it: see the events of the claim", true
	default:
		c.Why = driverWorks
	}

	if why, needsPerson := problem(claim); why != "" {
		c.Why, c.NeedsPerson = why, needsPerson
	}

	return c
}

// What claims wait for.
const (
	waitingToSee = "waiting for the provider to read it"
	isLeaving    = "it is being deleted"
	notBound     = "it is not bound to a volume yet"
	driverWorks  = "the storage driver is working on it"
)

// growthOf returns what becomes of a claim that has too little, and has its Object ask for more.
func growthOf(server string, want Claim, has resource.Quantity, claim KnownClaim, o *ClaimObject) Growth {
	g := Growth{Volume: want.Name, Claim: manifest.ClaimName(server, want.Name), Asked: want.Size, Has: has, Why: waitingToSee}

	if claim.Live != nil {
		g.wait(want, claim.Live, o)
	}

	if why, needsPerson := problem(claim); why != "" {
		g.Why, g.NeedsPerson = why, needsPerson
	}

	return g
}

// wait tells what a live claim waits for.
func (g *Growth) wait(want Claim, live *LiveClaim, o *ClaimObject) {
	request, err := quantity.Parse(live.Request)

	switch {
	case err != nil:
		g.Why = "its size cannot be read"
	case live.Leaving:
		g.Why, g.NeedsPerson = isLeaving, true
	case !live.Bound:
		g.Why = notBound
	case request.Cmp(want.Size) < 0, live.Infeasible && request.Cmp(want.Size) > 0:
		// Kubernetes takes a smaller size again where the driver gave up, if that is above what there is.
		o.Size, o.Update, o.Version, g.Why = want.Size.String(), true, live.Version, "the provider is about to ask for it"
	case live.Infeasible:
		g.Why, g.NeedsPerson = "the storage driver cannot make it so large: ask for less, but more than it has", true
	case live.NeedsPod:
		g.Why = "the volume has grown, and its file system grows while a pod mounts it: if it has not after some minutes, delete the pod"
	default:
		g.Why = driverWorks
	}
}

// Words of the API server and the provider about claims.
const (
	// cannotExpand is of a claim whose storage class allows no expansion.
	cannotExpand = "must support resize"

	// notThere, cannotCreate and noModes are of a claim that does not exist: the provider would
	// create it if it could.
	notThere     = "external resource does not exist"
	cannotCreate = `cannot create resource "persistentvolumeclaims"`
	noModes      = "spec.accessModes: Required value"

	// isModified is of a claim that somebody else changed since it was seen. The provider looks at
	// it again at once.
	isModified = "the object has been modified"

	// cannotGet and cannotPatch are of a provider without rights.
	cannotGet   = `cannot get resource "persistentvolumeclaims"`
	cannotPatch = `cannot patch resource "persistentvolumeclaims"`
)

func says(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// problem returns what the provider or the API server says of a claim, or "", and whether a person has
// something to do.
func problem(claim KnownClaim) (why string, needsPerson bool) {
	class := "its storage class"
	if claim.Live != nil && claim.Live.Class != "" {
		class = "the storage class " + claim.Live.Class
	}

	switch {
	case claim.Absent:
		return "it does not exist: the StatefulSet's controller creates it when the server starts", false
	case claim.Problem == "" || says(claim.Problem, isModified):
		return "", false
	case says(claim.Problem, cannotExpand):
		return fmt.Sprintf("%s does not allow it: set allowVolumeExpansion of the class, if its driver can expand volumes, or move the data to another claim (%s)", class, claim.Problem), true
	case says(claim.Problem, cannotGet, cannotPatch):
		return "the provider lacks rights on persistentvolumeclaims: give it those of example/install/provider-kubernetes.yaml (" + claim.Problem + ")", true
	default:
		// A Warning each time that a connection is lost would be one for each try.
		return claim.Problem, claim.Refused
	}
}
