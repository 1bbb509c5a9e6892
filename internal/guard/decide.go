// Package guard decides what of a DittoServer may change now.
//
// Read collects facts of what is desired, asked and live; Decide decides on these alone;
// Apply carries a Decision out on the manifests.
package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// A Reason why the pod template is, or is not, what the spec asks for.
type Reason string

// Reasons.
const (
	// RolledOut means that nothing waits.
	RolledOut Reason = "RolledOut"

	// SecretsNotFetched means that the Secrets are not known yet.
	SecretsNotFetched Reason = "SecretsNotFetched"

	// SecretsNotResolved means that a Secret is missing or cannot be used.
	SecretsNotResolved Reason = "SecretsNotResolved"

	// StartPrevented means that a Secret has a file that the server cannot read, and would start
	// without: no pod of it starts until that is corrected.
	StartPrevented Reason = "StartPrevented"

	// StorageMissing means that the configuration needs a volume claim that the
	// StatefulSet does not have.
	StorageMissing Reason = "StorageMissing"

	// ApprovalRequired means that a person must approve the change.
	ApprovalRequired Reason = "ApprovalRequired"

	// RolloutInProgress means that the StatefulSet does not have the last pod
	// template yet, whose config.yaml must stay until it has.
	RolloutInProgress Reason = "RolloutInProgress"

	// ConfigMapNotReady means that the ConfigMap does not hold config.yaml yet.
	ConfigMapNotReady Reason = "ConfigMapNotReady"

	// Recreating means that the stopped StatefulSet is left out, and then recreated with other
	// volume claims.
	Recreating Reason = "Recreating"

	// PredecessorThere means that an earlier StatefulSet, or its Object, must be gone
	// before there can be another one.
	PredecessorThere Reason = "PredecessorThere"
)

// A Template is the pod template to compose.
type Template int

// Templates.
const (
	// TemplateDesired is what the spec asks for.
	TemplateDesired Template = iota

	// TemplateAsked is what was asked last, whole.
	TemplateAsked

	// TemplateCovering is what the spec asks for, over the config.yaml that is kept.
	TemplateCovering

	// TemplateLive is what is live, whole.
	TemplateLive

	// TemplateRan is what the spec asks for, but with the image, the database and the
	// config.yaml that ran before the StatefulSet was gone.
	TemplateRan
)

// A Decision is what may be composed now.
type Decision struct {
	// Rollout tells whether the pod template is what the spec asks for, or what it
	// waits for.
	Rollout Reason

	// Dangers are why a change needs approval, if Rollout is ApprovalRequired.
	Dangers []string

	// Approval is the value of the annotation dittofs.io/approve that lets a change
	// go ahead, if Rollout is ApprovalRequired.
	Approval string

	// Predecessors are what must be gone, if Rollout is PredecessorThere. There are none
	// while they are not known.
	Predecessors []string

	// Frozen tells which settings keep what was asked or is live, since Kubernetes
	// cannot change them, each from what to what.
	Frozen []string

	// LeaveOut reports whether no StatefulSet is composed. Crossplane deletes one that is
	// observed.
	LeaveOut bool

	// Paused reports whether a StatefulSet is composed that nobody may apply yet.
	Paused bool

	// Template to compose.
	Template Template

	// Config is the config.yaml that the ConfigMap keeps, or "" for the desired one.
	Config string

	// Immutable are the fields of the StatefulSet's spec that keep what was asked, and
	// LiveClaims reports whether the volume claim templates keep what is live instead.
	Immutable  []string
	LiveClaims bool

	// Classes are the load balancer classes that Services keep, nil for none.
	Classes map[manifest.Name]*string

	// Families are what Services get whose primary IP family is another one than desired.
	Families map[manifest.Name]Families

	// Ranges are the source ranges of load balancers that have a family without one.
	Ranges map[manifest.Name][]string

	// NeedsStop reports whether the function can recreate the StatefulSet, with the changes that it
	// keeps back, once the server stops. Stopping reports whether the spec asks for a stop.
	NeedsStop, Stopping bool

	// CreatedAnew is a digest of what the StatefulSet was recreated with, to note until it has
	// that. IsOverridden reports whether something in the cluster changed it.
	CreatedAnew  string
	IsOverridden bool

	// Growing are the claims that must become larger than they are known to be. Unseen are those
	// that may be older than their templates, and that are looked at, with what keeps the provider from that.
	Growing []Growth
	Unseen  []string

	// Attributes are the claims that must change their volume attributes class.
	Attributes []AttributesChange

	// ClaimObjects are composed, and ClaimNotes is what to note of claims whose template does not
	// tell, by their volumes.
	ClaimObjects []ClaimObject
	ClaimNotes   map[string]manifest.ClaimNote

	// Existing are the claims, with their sizes, that a server first starts on.
	Existing []string

	// NotInEffect are the identity providers for which the server's database may have other
	// settings. Acknowledge is the value of the annotation dittofs.io/acknowledge by which a person
	// says that the database has these.
	NotInEffect []Provider
	Acknowledge string

	// Seeded is what the ConfigMap notes of identity providers, and KeepsSeeds reports whether it keeps
	// settings of them that a pod template refers to which is not the desired one.
	Seeded     manifest.SeedNote
	KeepsSeeds bool

	// PreventsStart reports whether no container of the server may start: the ConfigMap lacks a
	// setting then that each of them refers to.
	PreventsStart bool

	// UnreadKeytab is the Secret and key of the keytab that pods mount while a pod template is kept, if
	// the spec does not name it any more.
	UnreadKeytab string

	// Record is what the ConfigMap records of the pod that ran last, or nil.
	Record *manifest.Record
}

// WillMove reports whether the pod template moves by itself before long, so that the template
// that is asked now does not last.
func (d *Decision) WillMove() bool {
	return d.Rollout == ConfigMapNotReady || d.Rollout == RolloutInProgress
}

// Warnings tells what works, but perhaps not as the user expects.
func (d *Decision) Warnings() []string {
	if len(d.Existing) == 0 {
		return nil
	}

	return []string{"The server starts for the first time on existing PersistentVolumeClaims, and uses the data in them: " + strings.Join(d.Existing, ", ")}
}

// Decide returns what may be composed now, so that every response is safe to be
// the last one.
//
// First: may this server move at all? If not, config.yaml and the pod template both stay as
// they were asked, or a pod that restarts by itself would take half of the change. If so,
// config.yaml moves, and the template follows once the ConfigMap holds it.
func Decide(st State) Decision {
	d := decide(st)
	d.Record = d.record(st)
	d.grow(st)
	d.noteClaims(st)
	d.seed(st)

	d.PreventsStart = st.MustNotStart
	if d.PreventsStart && d.Rollout == SecretsNotResolved {
		d.Rollout = StartPrevented
	}

	if d.Template == TemplateAsked && !d.WillMove() {
		d.UnreadKeytab = st.UnreadKeytab
	}

	return d
}

func decide(st State) Decision {
	d := Decision{
		Rollout: RolledOut, Classes: map[manifest.Name]*string{}, Families: map[manifest.Name]Families{}, Ranges: map[manifest.Name][]string{},
		Seeded: manifest.SeedNote{Of: map[dittofs.IdentityProvider]string{}},
	}

	switch st.Secrets {
	case secret.NotFetched:
		d.Rollout = SecretsNotFetched
	case secret.Missing:
		d.Rollout = SecretsNotResolved
	case secret.There:
	}

	d.freezeServices(st.Services)

	if st.StatefulSet.Asked == nil {
		d.create(st)
		return d
	}

	d.NeedsStop = d.freezeStatefulSet(st)
	d.IsOverridden = d.NeedsStop && st.CreatedAnew == st.StatefulSet.Desired.creation()
	d.Stopping = d.NeedsStop && st.StatefulSet.Desired.Replicas == 0

	if d.IsOverridden || st.StatefulSet.Live == nil {
		d.CreatedAnew = st.CreatedAnew
	}

	switch {
	case d.Rollout != RolledOut:
	case d.needsApproval(st):
		d.Rollout = ApprovalRequired
	case d.NeedsStop && !d.IsOverridden && st.StatefulSet.isStopped() && st.StatefulSet.CanBeLeftOut && st.isNoted():
		d.Rollout, d.LeaveOut, d.CreatedAnew = Recreating, true, st.StatefulSet.Desired.creation()
		return d
	case st.StatefulSet.lacksClaim():
		d.Rollout = StorageMissing
	case st.StatefulSet.isInFlight() && st.ConfigMap.Desired != st.coveredConfig():
		d.Rollout = RolloutInProgress
	}

	if d.Rollout != RolledOut {
		d.hold(st)
		return d
	}

	if st.StatefulSet.Desired.Pod.Template != st.StatefulSet.Asked.Pod.Template && !st.ConfigMap.Holds(st.ConfigMap.Desired) {
		d.Rollout, d.Template = ConfigMapNotReady, TemplateAsked
	}

	return d
}

// create decides whether there can be a StatefulSet where none was asked for.
func (d *Decision) create(st State) {
	config, dangers := st.ConfigMap.Desired, st.returnDangers()
	existing, isPartial := st.existingClaims()
	d.freezeExisting(st)
	d.CreatedAnew = st.CreatedAnew

	if !isPartial {
		d.Existing = existing
	}

	// Somebody deleted the StatefulSet while the change was held, which is no approval: the
	// server comes back as it ran.
	if len(dangers) > 0 {
		config = st.Record.Config
		d.Config, d.Template = config, TemplateRan
	}

	switch {
	case d.Rollout != RolledOut:
		d.LeaveOut = true
	case !st.Predecessors.AreGone() || st.ReadsClaims && !st.ClaimsFetched:
		d.Rollout, d.LeaveOut, d.Predecessors = PredecessorThere, true, st.Predecessors.Names
	case isPartial && st.Approved != st.Change:
		d.Rollout, d.LeaveOut, d.Dangers, d.Approval = ApprovalRequired, true, []string{"some of its PersistentVolumeClaims are missing or being deleted: " + strings.Join(existing, ", ")}, st.Change
	case len(dangers) > 0 && !st.CanReturn:
		d.Rollout, d.LeaveOut, d.Dangers, d.Approval = ApprovalRequired, true, dangers, st.Change
	case !st.ConfigMap.Absent && !st.ConfigMap.Holds(config):
		// A pod waits for a ConfigMap that is not there. One that is may hold another
		// config.yaml, and a pod that starts on it would stay.
		d.Rollout, d.Paused, d.LeaveOut = ConfigMapNotReady, st.CanPause, !st.CanPause
	case len(dangers) > 0:
		d.Rollout, d.Dangers, d.Approval = ApprovalRequired, dangers, st.Change
	}
}

// returnDangers are why a change from what ran last to what is desired waits for a person.
// There are none where nothing ran, or a person approved it.
func (st *State) returnDangers() []string {
	if st.Record == nil || st.Approved == st.Change {
		return nil
	}

	return dangersOf(st.StatefulSet.Desired.Pod, []Pod{podOf(st.Record)}, st.Databases)
}

// hold keeps config.yaml and the pod template together.
func (d *Decision) hold(st State) {
	d.Config, d.Template = st.coveredConfig(), TemplateAsked

	// A template that cannot be applied gives way to another one. Otherwise nothing would ever
	// move again.
	switch s := st.StatefulSet; {
	case d.Rollout != RolloutInProgress:
	case s.Refused && s.Live != nil && s.Desired.Pod.Template == s.Live.Pod.Template:
		d.Template = TemplateDesired
	case s.Refused && s.Live != nil:
		// Nothing restarts, and config.yaml can move once this is applied.
		d.Template = TemplateLive
	case s.NotSynced && st.ConfigMap.Holds(d.Config):
		// It may be applied after all, such as by a request whose answer was lost: its
		// config.yaml stays.
		d.Template = TemplateCovering
	}
}

// coveredConfig returns the config.yaml that the asked pod template covers, or "" if that
// is not known.
func (st *State) coveredConfig() string {
	if c := st.StatefulSet.Asked.Pod.Config; c != "" {
		return c
	}

	return st.ConfigMap.Asked
}

// isInFlight reports whether the live StatefulSet does not have the asked pod template
// yet. It may get it at any time.
func (s *StatefulSet) isInFlight() bool {
	return s.liveTemplate() != s.Asked.Pod.Template
}

func (s *StatefulSet) liveTemplate() string {
	if s.Live == nil {
		return ""
	}

	return s.Live.Pod.Template
}

// isStopped reports whether no replica is desired or asked, and there is none. A
// StatefulSet that could never be created has none.
func (s *StatefulSet) isStopped() bool {
	if s.Desired.Replicas != 0 || s.Asked.Replicas != 0 || !s.Current {
		return false
	}

	if s.Live == nil {
		return s.NotSynced
	}

	return s.Live.Replicas == 0 && s.Live.CurrentReplicas == 0 && s.Live.ObservedGeneration >= s.Live.Generation
}

// lacksClaim reports whether the desired server would write its database, its log or its
// cache to a volume whose claim the asked StatefulSet does not have.
func (s *StatefulSet) lacksClaim() bool {
	mounted := slices.DeleteFunc(slices.Clone(s.Volumes), func(v dittofs.Volume) bool { return !s.Asked.hasClaim(v.Name) })

	if s.NeedsCache && !slices.ContainsFunc(mounted, isCache) {
		return true
	}

	return slices.ContainsFunc(s.Files, func(file string) bool { return !dittofs.IsOn(file, mounted) })
}

func (s *Spec) hasClaim(name string) bool {
	return slices.ContainsFunc(s.Claims, func(c Claim) bool { return c.Name == name })
}

func isCache(v dittofs.Volume) bool { return v.Name == dittofs.VolumeCache }

// needsApproval reports whether a change of the pod template waits for a person, and
// notes for which approval.
func (d *Decision) needsApproval(st State) bool {
	desired, before := st.StatefulSet.Desired.Pod, st.StatefulSet.mayRun()

	// Also where the two carry the same digest: somebody may have raised the version of a
	// native StatefulSet by hand, and what was asked last would lower it.
	dangers := dangersOf(desired, before, st.Databases)
	if st.Manual && desired.Template != before[0].Template {
		dangers = append(dangers, "spec.rollout is Manual")
	}

	if len(dangers) == 0 || st.Approved == st.Change {
		return false
	}

	d.Dangers, d.Approval = dangers, st.Change

	return true
}

// mayRun returns the pods that may run, or may have run: the asked one, unless the API
// server refused it, and while that is on its way the live one. Staying with what was asked
// last is no change, and needs nobody's approval.
func (s *StatefulSet) mayRun() []Pod {
	switch {
	case s.Live == nil || s.Desired.Pod == s.Asked.Pod || !s.isInFlight():
		return []Pod{s.Asked.Pod}
	case s.Refused:
		return []Pod{s.Live.Pod}
	default:
		return []Pod{s.Asked.Pod, s.Live.Pod}
	}
}

// dangersOf tells what of a change may lose data: the server would start on an
// empty database, on one of a newer release, or as a release that nobody knows here. values are
// those of keys of Secrets that tell where a database is.
func dangersOf(desired Pod, before []Pod, values map[string]secret.Data) []string {
	var (
		release, image       dittofs.Release
		databases, providers []string
	)

	for _, p := range before {
		release, image = newer(release, p.Release), newer(image, manifest.ImageRelease(p.Image))

		// Parse config.yaml only where the database may differ: parsing is slow.
		if desired.Config == p.Config && desired.DatabaseSecrets == p.DatabaseSecrets {
			continue
		}

		for _, danger := range providerDangers(desired, p) {
			if !slices.Contains(providers, danger) {
				providers = append(providers, danger)
			}
		}

		db := p.database()
		if name := db.String(); !db.isSame(desired.database(), values) && !slices.Contains(databases, name) {
			databases = append(databases, name)
		}
	}

	dangers := releaseDangers(desired, release, image)

	if slices.ContainsFunc(before, func(p Pod) bool {
		return p.AssignedUser != desired.AssignedUser || p.AssignedGroup != desired.AssignedGroup
	}) {
		dangers = append(dangers, "the pod's user or group changes, but its files keep their owner")
	}

	for _, db := range databases {
		dangers = append(dangers, fmt.Sprintf("the database changes from %s to %s", db, desired.database()))
	}

	return append(dangers, providers...)
}

// releaseDangers tells what of a change of the release may lose data, from the newest release
// that may run by its version and by its image: a tag may say otherwise than the version.
func releaseDangers(desired Pod, release, image dittofs.Release) []string {
	var dangers []string

	want, ran := manifest.ImageRelease(desired.Image), newer(release, image)

	switch {
	case desired.Release.IsOlderThan(release):
		dangers = append(dangers, fmt.Sprintf("the version goes down from %s to %s", release, desired.Release))
	case want.IsOlderThan(image):
		dangers = append(dangers, fmt.Sprintf("the image's version goes down from %s to %s", image, want))
	}

	// A tag that was ahead of the version, such as a date, does not tell the release.
	next := desired.Release
	if !image.IsNewerMinorThan(release) {
		next = newer(next, want)
	}

	// What runs, runs: its patches, too. Another minor release that is not known here may refuse
	// its configuration, or look for its files elsewhere.
	if next.IsNewerThanKnown() && next.IsNewerMinorThan(ran) {
		dangers = append(dangers, fmt.Sprintf("DittoFS %s is newer than %s and unknown to this function: it may refuse this configuration or keep files outside of the volumes or have another REST API", next, dittofs.NewestMinor()))
	}

	return dangers
}

// newer returns the newer of two releases, or the one that is known.
func newer(a, b dittofs.Release) dittofs.Release {
	if !a.IsKnown() || a.IsOlderThan(b) {
		return b
	}

	return a
}
