package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// The templates of a StatefulSet tell what its claims were created with. Their present size and
// class are noted in the ConfigMap, seen by an Object while one is composed, or read by
// Crossplane where the input says so.

// A KnownClaim is what is known of the PersistentVolumeClaim that a volume claim template of a server
// stands for.
type KnownClaim struct {
	// Noted is the size that the claim was known to have last, or nil, and NotedAttributes its volume
	// attributes class, or "". Older reports whether it is noted that the claim may be older than its template.
	Noted           *resource.Quantity
	NotedAttributes string
	Older           bool

	// Problem is what the provider or the API server says of what was asked last, or "". Refused reports
	// whether the API server refused it: other problems may pass by themselves.
	Problem string
	Refused bool

	// Live is nil where the claim is not known, and Absent reports whether there is known to be none.
	Live   *LiveClaim
	Absent bool
}

// A LiveClaim is what the guards ask of a live PersistentVolumeClaim.
type LiveClaim struct {
	UID, Version string

	// Request is the size that the claim asks for, as it is written, and Capacity the one that
	// its volume has.
	Request  string
	Capacity resource.Quantity

	// Bound reports whether the claim has a volume, and Leaving whether it is being deleted.
	Bound, Leaving bool

	// Class is the claim's storage class, or "".
	Class string

	// Attributes is the volume attributes class that the claim asks for, HasAttributes the one that
	// its volume has, and ModifyStatus how far the driver is with it.
	Attributes, HasAttributes, ModifyStatus string

	// Infeasible reports whether the driver gave up growing the volume.
	Infeasible bool

	// NeedsPod reports whether the file system grows only while a pod mounts it.
	NeedsPod bool
}

// isUsable reports whether the claim has a volume, and keeps it.
func (c *LiveClaim) isUsable() bool {
	return c != nil && c.Bound && !c.Leaving && c.Capacity.Sign() > 0
}

// asksForTooMuch reports whether a claim has what the spec asks for, and still asks for more.
func (c *LiveClaim) asksForTooMuch(want Claim) bool {
	if !c.isUsable() || c.Capacity.Cmp(want.Size) < 0 {
		return false
	}

	request, err := quantity.Parse(c.Request)

	return err == nil && request.Cmp(c.Capacity) > 0
}

// size returns the size that a claim is known to have, where its template and the spec name others. It
// returns nil where there is neither a template nor a claim.
func (c *KnownClaim) size(template *Claim, desired resource.Quantity) *resource.Quantity {
	base := c.Noted

	switch {
	case template == nil && c.Absent:
		base = nil
	case template != nil && (base == nil || c.Absent && base.Cmp(template.Size) > 0):
		// One that is gone is created of the template.
		base = &template.Size
	}

	if !c.Live.isUsable() {
		return base
	}

	capacity := c.Live.Capacity

	switch {
	case base != nil && base.Cmp(desired) >= 0 && capacity.Cmp(*base) >= 0:
		return base
	case capacity.Cmp(desired) >= 0 && (base == nil || capacity.Cmp(*base) >= 0):
		// The volume may be larger than what was asked for, such as one that an administrator made.
		return &desired
	default:
		return &capacity
	}
}

// attributes returns the volume attributes class that a claim is known to have, or "".
func (c *KnownClaim) attributes(template *Claim) string {
	switch {
	case c.Live.isUsable():
		return c.Live.HasAttributes
	case c.NotedAttributes != "" || template == nil:
		return c.NotedAttributes
	default:
		return template.Attributes
	}
}

// isOlder reports whether a claim may still have other classes than its template.
func (c *KnownClaim) isOlder(template *Claim) bool {
	switch {
	case !c.Older || c.Absent:
		return false
	case c.Live == nil || template == nil:
		return true
	default:
		return c.Live.Class != ptr.Deref(template.Class, c.Live.Class) || template.Attributes != "" && c.Live.HasAttributes != template.Attributes
	}
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

// claimOf returns the template of a volume, or nil.
func claimOf(claims []Claim, name string) *Claim {
	i := slices.IndexFunc(claims, func(c Claim) bool { return c.Name == name })
	if i < 0 {
		return nil
	}

	return &claims[i]
}

// asksOtherClass reports whether the spec asks for another class than a template has. A class that
// nobody asks for is the cluster's default, or a webhook's.
func (c *Claim) asksOtherClass(template *Claim) bool {
	return c.Class != nil && !ptr.Equal(c.Class, template.Class)
}

// asksOtherAttributes reports whether the spec asks for another volume attributes class than a
// template has.
func (c *Claim) asksOtherAttributes(template *Claim) bool {
	return c.Attributes != "" && c.Attributes != template.Attributes
}

// sees reports whether the function sees what becomes of a claim that is to grow.
func (st *State) sees(claim KnownClaim) bool {
	return !st.CannotGrow || claim.Live != nil || claim.Absent
}

// isNoted reports whether what claims have is noted wherever a new template would not tell: then
// the StatefulSet can be recreated.
func (st *State) isNoted() bool {
	for _, want := range st.StatefulSet.Desired.Claims {
		template, claim := claimOf(st.StatefulSet.templates(), want.Name), st.Claims[want.Name]

		switch {
		case template == nil || st.CannotGrow:
		case template.Size.Cmp(want.Size) < 0 && claim.Noted == nil,
			(want.asksOtherClass(template) || want.asksOtherAttributes(template)) && st.mustNoteAge(claim) && !claim.Older:
			return false
		}
	}

	return true
}

// mustNoteAge reports whether it has to be noted that a claim is older than the next template: unless
// Crossplane reads the claim, or nobody can look at it.
func (st *State) mustNoteAge(claim KnownClaim) bool {
	return !st.ReadsClaims && !st.CannotGrow && !claim.Absent
}

// noteClaims decides what of claims to note, and which to look at.
func (d *Decision) noteClaims(st State) {
	templates := st.StatefulSet.templates()

	for _, want := range st.StatefulSet.Desired.Claims {
		claim, template := st.Claims[want.Name], claimOf(templates, want.Name)
		isKept := template != nil && (want.asksOtherClass(template) || want.asksOtherAttributes(template))

		// Any class fits where the spec asks for none.
		asksForClass := want.Class != nil || want.Attributes != ""

		// A server that ran comes back with claims that it had, whose templates are gone.
		isBack := template == nil && st.StatefulSet.Asked == nil && st.Record != nil && asksForClass
		note := manifest.ClaimNote{Older: claim.isOlder(template) || (isKept || isBack) && st.mustNoteAge(claim)}

		if note.Older && asksForClass && st.mustNoteAge(claim) && !isKept {
			// Also while the StatefulSet is recreated, so that nobody goes on before the claim is seen.
			if claim.Live == nil {
				d.Unseen = append(d.Unseen, unseen(st.StatefulSet.Desired.Name, want.Name, claim))
			}

			if d.isOwn(st, template) {
				d.look(want.Name, claim)
			}
		}

		noted := d.noteWhatItHas(st, &note, want, template)

		// A claim that is larger than the spec asks for may be replaced by a smaller one.
		if noted != nil && noted.Cmp(want.Size) > 0 && st.mustNoteAge(claim) && d.isOwn(st, template) {
			d.look(want.Name, claim)
		}

		d.note(want.Name, note)
	}

	d.noteDropped(st)
}

// isOwn reports whether the claim of a template is this server's: only what its StatefulSet is known to have is.
func (d *Decision) isOwn(st State, template *Claim) bool {
	return template != nil && st.StatefulSet.Live != nil && !d.LeaveOut
}

// noteDropped notes what claims have that the spec does not ask for any more: it may again.
func (d *Decision) noteDropped(st State) {
	for volume := range manifest.ClaimRows() {
		if st.StatefulSet.Desired.hasClaim(volume) {
			continue
		}

		claim, template := st.Claims[volume], claimOf(st.StatefulSet.templates(), volume)
		note := manifest.ClaimNote{Older: claim.Older, Attributes: claim.NotedAttributes}

		if claim.Noted != nil {
			note.Size = claim.Noted.String()
		}

		if template != nil && d.Rollout == Recreating && st.mustNoteAge(claim) {
			note = manifest.ClaimNote{Older: true, Attributes: claim.attributes(template), Size: claim.size(template, template.Size).String()}
		}

		d.note(volume, note)
	}
}

// note what is known of a claim, if anything is.
func (d *Decision) note(volume string, note manifest.ClaimNote) {
	if note == (manifest.ClaimNote{}) {
		return
	}

	if d.ClaimNotes == nil {
		d.ClaimNotes = map[string]manifest.ClaimNote{}
	}

	d.ClaimNotes[volume] = note
}

// noteWhatItHas notes the size and the volume attributes class that a claim is known to have, unless the
// template tells them. It returns the size, if that is noted.
func (d *Decision) noteWhatItHas(st State, note *manifest.ClaimNote, want Claim, template *Claim) (noted *resource.Quantity) {
	claim := st.Claims[want.Name]
	size, attributes := claim.size(template, want.Size), claim.attributes(template)

	// A StatefulSet that is applied now has what the spec asks for.
	if template == nil && !d.LeaveOut && !d.Paused {
		template = &want
	}

	switch {
	case size == nil:
	case template == nil && claim.Noted != nil,
		template != nil && (size.Cmp(template.Size) != 0 || size.Cmp(want.Size) < 0 && st.sees(claim)),
		d.Rollout == Recreating && size.Cmp(want.Size) > 0 && st.mustNoteAge(claim):
		noted, note.Size = size, size.String()
	}

	if template == nil && claim.NotedAttributes != "" || template != nil && attributes != template.Attributes {
		note.Attributes = attributes
	}

	return noted
}

// unseen tells a claim that nobody saw yet, and what keeps the provider from seeing it.
func unseen(server, volume string, claim KnownClaim) string {
	name := manifest.ClaimName(server, volume)
	if why, _ := problem(claim); why != "" {
		return name + ": " + why
	}

	return name
}

// look at a claim that may be older than its template, unless it is looked at already.
func (d *Decision) look(volume string, claim KnownClaim) {
	if !slices.ContainsFunc(d.ClaimObjects, func(o ClaimObject) bool { return o.Volume == volume }) {
		d.ClaimObjects = append(d.ClaimObjects, observing(volume, claim.Live))
	}
}

// existingClaims tells which of the claims with data exist before a server first starts, and reports
// whether some do and others do not, or not for long.
func (st *State) existingClaims() (told []string, isPartial bool) {
	if st.StatefulSet.Asked != nil || st.Record != nil {
		return nil, false
	}

	var there, missing, leaving int

	for _, volume := range st.DataClaims {
		claim, has := st.Claims[volume].Live, "nothing"

		switch {
		case claim == nil:
			missing++
		case claim.Leaving:
			leaving++

			has = claim.Request + ", deleted"
		default:
			there++

			has = claim.Request
		}

		told = append(told, fmt.Sprintf("%s (%s)", manifest.ClaimName(st.StatefulSet.Desired.Name, volume), has))
	}

	if there+leaving == 0 {
		return nil, false
	}

	return told, leaving > 0 || missing > 0
}

// readKnownClaims reads what is known of the PersistentVolumeClaims, by volume.
func readKnownClaims(o observed.Resources, read observed.Claims) map[string]KnownClaim {
	claims := map[string]KnownClaim{}
	notes := manifest.ClaimNotes(o.Asked(manifest.ConfigMap))

	for volume, row := range manifest.ClaimRows() {
		var c KnownClaim

		c.Older, c.NotedAttributes = notes[volume].Older, notes[volume].Attributes
		if size, err := quantity.Parse(notes[volume].Size); err == nil && size.Sign() > 0 {
			c.Noted = &size
		}

		if r := o[row.Name]; r != nil {
			c.Live = readLiveClaim(r.Live)

			c.readProblem(r)
		}

		if read.Fetched {
			c.Live = readLiveClaim(read.Live[volume])
			c.Absent = c.Live == nil
		}

		if c != (KnownClaim{}) {
			claims[volume] = c
		}
	}

	return claims
}

// readProblem reads what the provider says of a claim.
func (c *KnownClaim) readProblem(r *observed.Resource) {
	if !r.IsNotSynced() {
		return
	}

	text := cmp.Or(r.Synced.Message, r.Synced.Reason)

	switch {
	case says(text, notThere, cannotCreate, noModes):
		// The claim stays gone, whatever was asked since. An Object still shows it.
		c.Problem, c.Live, c.Absent = text, nil, true
	case r.Live != nil && protostruct.Get(r.Asked, "spec") == nil && r.IsRefused():
		// The provider has seen the claim. To apply nothing but its name would take back what was
		// applied when it grew before, which the API server refuses.
	case r.Current:
		c.Problem, c.Refused = text, r.IsRefused()
	}
}

// readLiveClaim reads a PersistentVolumeClaim.
func readLiveClaim(claim *structpb.Struct) *LiveClaim {
	if claim == nil {
		return nil
	}

	storage := string(corev1.ResourceStorage)
	text := func(path ...string) string { return protostruct.Get(claim, path...).GetStringValue() }

	c := &LiveClaim{
		UID:        text("metadata", "uid"),
		Version:    text("metadata", "resourceVersion"),
		Request:    text("spec", "resources", "requests", storage),
		Bound:      text("status", "phase") == string(corev1.ClaimBound),
		Leaving:    protostruct.Get(claim, "metadata", "deletionTimestamp") != nil,
		Class:      text("spec", "storageClassName"),
		Infeasible: isInfeasible(claim),
		Attributes: text("spec", "volumeAttributesClassName"), HasAttributes: text("status", "currentVolumeAttributesClassName"), ModifyStatus: text("status", "modifyVolumeStatus", "status"),
		NeedsPod: condition.Of(claim, string(corev1.PersistentVolumeClaimFileSystemResizePending)).IsTrue(),
	}

	// A capacity that cannot be read is none.
	c.Capacity, _ = quantity.Parse(text("status", "capacity", storage))

	return c
}

// isInfeasible reports whether the driver gave up growing a volume to what its claim asks for by now.
func isInfeasible(claim *structpb.Struct) bool {
	storage := string(corev1.ResourceStorage)
	text := func(path ...string) string { return protostruct.Get(claim, path...).GetStringValue() }

	if !strings.HasSuffix(text("status", "allocatedResourceStatuses", storage), "Infeasible") {
		return false
	}

	asked, askedErr := quantity.Parse(text("spec", "resources", "requests", storage))
	tried, triedErr := quantity.Parse(text("status", "allocatedResources", storage))

	return askedErr != nil || triedErr != nil || tried.Cmp(asked) <= 0
}

// claimsOccasion tells the claims that a server first starts on, for an approval that is of these only.
func claimsOccasion(claims map[string]KnownClaim) *structpb.Value {
	l := &structpb.ListValue{}

	for volume := range manifest.ClaimRows() {
		if c := claims[volume].Live; c != nil {
			l.Values = append(l.Values, structpb.NewStringValue(fmt.Sprintf("%s %s %t", volume, c.UID, c.Leaving)))
		}
	}

	return structpb.NewListValue(l)
}
