package guard

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// Changes of a State for cases of claims.

func withObjects(st *State) { st.CannotGrow = false }

func reads(st *State) { st.ReadsClaims, st.ClaimsFetched = true, true }

// class asks for a storage class of the claim metadata, and kept is that of its template.
func class(asked, kept string) func(*State) {
	return func(st *State) {
		claims := func(class string) []Claim {
			return []Claim{{Name: dittofs.VolumeControlPlane, Size: resource.MustParse("1Gi")}, {Name: dittofs.VolumeMetadata, Size: resource.MustParse("10Gi"), Class: &class}}
		}

		with := func(spec Spec, class string) Spec {
			spec.Claims, spec.Immutable = claims(class), maps.Clone(spec.Immutable)
			spec.Immutable[volumeClaimTemplates] = class

			return spec
		}

		was := with(*st.StatefulSet.Asked, kept)
		st.StatefulSet.Asked, st.StatefulSet.Desired = &was, with(st.StatefulSet.Desired, asked)
		st.StatefulSet.Live.ClaimTemplates, st.StatefulSet.Live.Claims = kept, was.Claims
	}
}

// anyClass asks for no class any more.
func anyClass(st *State) {
	st.StatefulSet.Desired.Claims = slices.Clone(st.StatefulSet.Desired.Claims)
	for i := range st.StatefulSet.Desired.Claims {
		st.StatefulSet.Desired.Claims[i].Class = nil
	}
}

// metadata is what is known of the claim.
func metadata(c KnownClaim) func(*State) {
	return func(st *State) { st.Claims = map[string]KnownClaim{dittofs.VolumeMetadata: c} }
}

func bound(class, capacity string) *LiveClaim {
	return &LiveClaim{Request: capacity, Capacity: resource.MustParse(capacity), Bound: true, Class: class}
}

const (
	keepsTemplate = `volume claim metadata has the storage class "slow" instead of the storage class "fast" (an existing PersistentVolumeClaim keeps its class)`
	keepsClass    = `PersistentVolumeClaim metadata-files-0 has the storage class "slow" instead of the storage class "fast", which it keeps: copy its data to a claim of that class (docs/storage.md, change the storage class)`
)

// An existing claim keeps its class, whatever becomes of its template.
func TestDecideClass(t *testing.T) {
	type want struct {
		Rollout             Reason
		Frozen, Unseen      []string
		NeedsStop, Stopping bool
		Objects             []ClaimObject
		Notes               map[string]manifest.ClaimNote
	}

	older := map[string]manifest.ClaimNote{dittofs.VolumeMetadata: {Older: true}}

	cases := map[string]struct {
		reason string
		do     []func(*State)
		want   want
	}{
		"Running": {
			"The template is kept, and the claim is noted to be older than the next.",
			[]func(*State){withObjects, class("fast", "slow")},
			want{Rollout: RolledOut, Frozen: []string{keepsTemplate}, NeedsStop: true, Notes: older},
		},
		"StoppedNotNoted": {
			"The StatefulSet is created anew once that is noted.",
			[]func(*State){withObjects, class("fast", "slow"), stop},
			want{Rollout: RolledOut, Frozen: []string{keepsTemplate}, NeedsStop: true, Stopping: true, Notes: older},
		},
		"Stopped": {
			"The StatefulSet is created anew.",
			[]func(*State){withObjects, class("fast", "slow"), stop, metadata(KnownClaim{Older: true})},
			want{Rollout: Recreating, Frozen: []string{keepsTemplate}, NeedsStop: true, Stopping: true, Notes: older},
		},
		"Gone": {
			"The note stays while there is no StatefulSet, and nobody knows yet.",
			[]func(*State){withObjects, class("fast", "slow"), stop, metadata(KnownClaim{Older: true}), none},
			want{Rollout: RolledOut, Unseen: []string{"metadata-files-0"}, Notes: older},
		},
		"Recreated": {
			"The claim is looked at.",
			[]func(*State){withObjects, class("fast", "fast"), metadata(KnownClaim{Older: true})},
			want{Rollout: RolledOut, Unseen: []string{"metadata-files-0"}, Objects: []ClaimObject{{Volume: dittofs.VolumeMetadata}}, Notes: older},
		},
		"NoRights": {
			"What keeps the provider from looking is told.",
			[]func(*State){withObjects, class("fast", "fast"), metadata(KnownClaim{Older: true, Problem: "lost"})},
			want{Rollout: RolledOut, Unseen: []string{"metadata-files-0: lost"}, Objects: []ClaimObject{{Volume: dittofs.VolumeMetadata}}, Notes: older},
		},
		"Seen": {
			"It has the class of the earlier template, and only a person can change that.",
			[]func(*State){withObjects, class("fast", "fast"), metadata(KnownClaim{Older: true, Live: bound("slow", "10Gi")})},
			want{Rollout: RolledOut, Frozen: []string{keepsClass}, Objects: []ClaimObject{{Volume: dittofs.VolumeMetadata, Size: "10Gi"}}, Notes: older},
		},
		"AnyClass": {
			"Nobody looks at it while the spec asks for no class. That it is older stays noted.",
			[]func(*State){withObjects, class("fast", "fast"), anyClass, metadata(KnownClaim{Older: true, Live: bound("slow", "10Gi")})},
			want{Rollout: RolledOut, Notes: older},
		},
		"Copied": {
			"It has the class that is asked for.",
			[]func(*State){withObjects, class("fast", "fast"), metadata(KnownClaim{Older: true, Live: bound("fast", "10Gi")})},
			want{Rollout: RolledOut},
		},
		"Absent": {
			"The claim is created with the class of the template.",
			[]func(*State){withObjects, class("fast", "fast"), metadata(KnownClaim{Older: true, Absent: true})},
			want{Rollout: RolledOut},
		},
		"Native": {
			"Nobody can look at it.",
			[]func(*State){class("fast", "slow")},
			want{Rollout: RolledOut, Frozen: []string{keepsTemplate}, NeedsStop: true},
		},
		"Read": {
			"The live claim counts, and needs no note.",
			[]func(*State){reads, class("fast", "slow"), metadata(KnownClaim{Live: bound("slow", "10Gi")})},
			want{Rollout: RolledOut, Frozen: []string{keepsClass}, NeedsStop: true},
		},
		"SeenGrowing": {
			"An Object that makes the claim grow shows its class for a while, which changes nothing.",
			[]func(*State){withObjects, class("fast", "slow"), metadata(KnownClaim{Live: bound("slow", "10Gi")})},
			want{Rollout: RolledOut, Frozen: []string{keepsTemplate}, NeedsStop: true, Notes: older},
		},
		"ReadRecreated": {
			"Creating the StatefulSet anew once more would not help.",
			[]func(*State){reads, class("fast", "fast"), stop, metadata(KnownClaim{Live: bound("slow", "10Gi")})},
			want{Rollout: RolledOut, Frozen: []string{keepsClass}},
		},
		"ReadCopied": {
			"A claim that has the class already is not told. Its template follows at the next stop.",
			[]func(*State){reads, class("fast", "slow"), metadata(KnownClaim{Live: bound("fast", "10Gi")})},
			want{Rollout: RolledOut, NeedsStop: true},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			d := Decide(st)

			got := want{Rollout: d.Rollout, Frozen: d.Frozen, Unseen: d.Unseen, NeedsStop: d.NeedsStop, Stopping: d.Stopping, Objects: d.ClaimObjects, Notes: d.ClaimNotes}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The ConfigMap notes what a StatefulSet is recreated with, until it has that.
func TestDecideCreatedAnew(t *testing.T) {
	type want struct {
		Rollout      Reason
		IsNoted      bool
		IsOverridden bool
	}

	noted := func(st *State) { st.CreatedAnew = st.StatefulSet.Desired.creation() }

	cases := map[string]struct {
		reason string
		do     []func(*State)
		want   want
	}{
		"AtRest":  {"It has what the spec asks for.", []func(*State){noted}, want{Rollout: RolledOut}},
		"First":   {"It is noted when it is left out.", []func(*State){grow, stop}, want{Rollout: Recreating, IsNoted: true}},
		"Gone":    {"It stays noted.", []func(*State){grow, stop, noted, none}, want{Rollout: RolledOut, IsNoted: true}},
		"Asked":   {"Nobody knows yet what it has.", []func(*State){noted, func(st *State) { st.StatefulSet.Live = nil }}, want{Rollout: RolledOut, IsNoted: true}},
		"Another": {"It has something else: once more would give the same.", []func(*State){grow, stop, noted}, want{Rollout: RolledOut, IsNoted: true, IsOverridden: true}},
		"Edited":  {"The spec asks for something else by now.", []func(*State){stop, noted, grow}, want{Rollout: Recreating, IsNoted: true}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			d := Decide(st)

			got := want{Rollout: d.Rollout, IsNoted: d.CreatedAnew == st.StatefulSet.Desired.creation(), IsOverridden: d.IsOverridden}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Existing claims are reported before a server first starts, and a part of a set waits for a
// person.
func TestDecideExisting(t *testing.T) {
	leaving := bound("", "10Gi")
	leaving.Leaving = true

	both := map[string]KnownClaim{dittofs.VolumeControlPlane: {Live: bound("", "1Gi")}, dittofs.VolumeMetadata: {Live: bound("", "10Gi")}}
	half := map[string]KnownClaim{dittofs.VolumeMetadata: {Live: bound("", "10Gi")}}

	type want struct {
		Rollout  Reason
		LeaveOut bool
		Existing []string
		Frozen   []string
		Dangers  []string
		Approval string
	}

	cases := map[string]struct {
		reason string
		claims map[string]KnownClaim
		change func(*State)
		want   want
	}{
		"None":       {"Most servers are new.", nil, nil, want{Rollout: RolledOut}},
		"NotFetched": {"What exists is not known yet.", nil, func(st *State) { st.ClaimsFetched = false }, want{Rollout: PredecessorThere, LeaveOut: true}},
		"All":        {"A server starts on what is there.", both, nil, want{Rollout: RolledOut, Existing: []string{"controlplane-files-0 (1Gi)", "metadata-files-0 (10Gi)"}}},
		"Class": {
			"A claim that exists keeps its class, which is told at once.",
			map[string]KnownClaim{dittofs.VolumeControlPlane: {Live: bound("slow", "1Gi")}, dittofs.VolumeMetadata: {Live: bound("slow", "10Gi")}},
			func(st *State) {
				st.StatefulSet.Desired.Claims = []Claim{{Name: dittofs.VolumeMetadata, Class: new("fast")}}
			},
			want{Rollout: RolledOut, Existing: []string{"controlplane-files-0 (1Gi)", "metadata-files-0 (10Gi)"}, Frozen: []string{keepsClass}},
		},
		"Half": {
			"Half of the data waits for a person.", half, nil,
			want{Rollout: ApprovalRequired, LeaveOut: true, Dangers: []string{"some of its PersistentVolumeClaims are missing or being deleted: controlplane-files-0 (nothing), metadata-files-0 (10Gi)"}, Approval: "change"},
		},
		"Approved": {"A person decided.", half, func(st *State) { st.Approved = "change" }, want{Rollout: RolledOut}},
		"Leaving": {
			"A claim that is being deleted is empty next time.",
			map[string]KnownClaim{dittofs.VolumeControlPlane: {Live: bound("", "1Gi")}, dittofs.VolumeMetadata: {Live: leaving}},
			nil,
			want{Rollout: ApprovalRequired, LeaveOut: true, Dangers: []string{"some of its PersistentVolumeClaims are missing or being deleted: controlplane-files-0 (1Gi), metadata-files-0 (10Gi, deleted)"}, Approval: "change"},
		},
		"Postgres": {"A claim without data may be missing.", half, func(st *State) { st.DataClaims = []string{dittofs.VolumeMetadata} }, want{Rollout: RolledOut, Existing: []string{"metadata-files-0 (10Gi)"}}},
		"Ran":      {"A server that ran comes back, with a claim more.", half, func(st *State) { st.Record = &manifest.Record{Image: "marmos91c/dittofs:v0.29.0", Config: configOld} }, want{Rollout: RolledOut}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			none(&st)
			reads(&st)

			st.DataClaims, st.Claims, st.Change, st.CanReturn = []string{dittofs.VolumeControlPlane, dittofs.VolumeMetadata}, tc.claims, "change", true
			if tc.change != nil {
				tc.change(&st)
			}

			d := Decide(st)

			got := want{Rollout: d.Rollout, LeaveOut: d.LeaveOut, Existing: d.Existing, Frozen: d.Frozen, Dangers: d.Dangers, Approval: d.Approval}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Natively the condition has the command, and sees what becomes of it where Crossplane reads the claim.
func TestDecideGrowByHand(t *testing.T) {
	asked := bound("", "10Gi")
	asked.Request = "20Gi"

	cases := map[string]struct {
		reason      string
		claim       *LiveClaim
		growing     []string
		needsPerson bool
		noted       string
	}{
		"Small":   {"A person asks for it.", bound("", "10Gi"), []string{"only a person can ask for it here: kubectl patch pvc metadata-files-0 --namespace=storage --patch='{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"20Gi\"}}}}'"}, true, "10Gi"},
		"Asked":   {"The driver works.", asked, []string{"the storage driver is working on it"}, false, "10Gi"},
		"Grown":   {"It is seen.", bound("", "20Gi"), nil, false, "20Gi"},
		"Smaller": {"A claim that is smaller than its template is seen, too.", bound("", "5Gi"), []string{"only a person can ask for it here: kubectl patch pvc metadata-files-0 --namespace=storage --patch='{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"20Gi\"}}}}'"}, true, "5Gi"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			reads(&st)
			grow(&st)
			metadata(KnownClaim{Live: tc.claim})(&st)

			d := Decide(st)

			var (
				growing     []string
				needsPerson bool
			)

			for _, g := range d.Growing {
				growing, needsPerson = append(growing, g.Why), g.NeedsPerson
			}

			if diff := cmp.Diff(tc.growing, growing); diff != "" || needsPerson != tc.needsPerson || len(d.ClaimObjects) > 0 || len(d.Frozen) > 0 {
				t.Errorf("%s\nDecide(...): needs a person: %t, Objects: %v, frozen: %v, growing: -want, +got:\n%s", tc.reason, needsPerson, d.ClaimObjects, d.Frozen, diff)
			}

			if got := d.ClaimNotes[dittofs.VolumeMetadata].Size; got != tc.noted {
				t.Errorf("%s\nDecide(...): noted: want %s, got %s", tc.reason, tc.noted, got)
			}
		})
	}
}

// The volume attributes class of a bound claim changes while the server runs.
func TestDecideAttributes(t *testing.T) {
	asks := func(template, want string) func(*State) {
		return func(st *State) {
			class("", template)(st)
			class("", want)(st)

			was := *st.StatefulSet.Asked
			was.Claims = slices.Clone(was.Claims)
			was.Claims[1].Class, was.Claims[1].Attributes = nil, template
			was.Immutable = maps.Clone(was.Immutable)
			was.Immutable[volumeClaimTemplates] = template
			st.StatefulSet.Asked, st.StatefulSet.Live.ClaimTemplates, st.StatefulSet.Live.Claims = &was, template, was.Claims
			st.StatefulSet.Desired.Claims[1].Class, st.StatefulSet.Desired.Claims[1].Attributes = nil, want
			st.StatefulSet.Desired.Immutable[volumeClaimTemplates] = want
		}
	}
	live := func(asked, has string) *LiveClaim {
		l := bound("", "10Gi")
		l.Attributes, l.HasAttributes = asked, has

		return l
	}
	refused := live("gold", "")
	refused.ModifyStatus = "Infeasible"

	type want struct {
		Why         string
		NeedsPerson bool
		Frozen      int
		Object      *ClaimObject
		Note        manifest.ClaimNote
	}

	const asked = "the provider is about to ask for it, which needs Kubernetes 1.34"

	cases := map[string]struct {
		reason string
		do     []func(*State)
		want   want
	}{
		"Same":   {"Nothing changes.", []func(*State){withObjects, asks("gold", "gold")}, want{}},
		"Unset":  {"What nobody asks for stays.", []func(*State){withObjects, asks("gold", "")}, want{}},
		"First":  {"The claim is looked at.", []func(*State){withObjects, asks("", "gold")}, want{Why: waitingToSee, Object: &ClaimObject{Volume: dittofs.VolumeMetadata}, Note: manifest.ClaimNote{Older: true}}},
		"Seen":   {"Another class is asked for, and the size stays.", []func(*State){withObjects, asks("", "gold"), metadata(KnownClaim{Older: true, Live: live("", "")})}, want{Why: asked, Object: &ClaimObject{Volume: dittofs.VolumeMetadata, Size: "10Gi", Attributes: "gold", Update: true}, Note: manifest.ClaimNote{Older: true}}},
		"Asked":  {"The driver works.", []func(*State){withObjects, asks("", "gold"), metadata(KnownClaim{Live: live("gold", "")})}, want{Why: driverWorks, Object: &ClaimObject{Volume: dittofs.VolumeMetadata, Size: "10Gi", Attributes: "gold"}, Note: manifest.ClaimNote{Older: true}}},
		"Refuse": {"The driver does not.", []func(*State){withObjects, asks("", "gold"), metadata(KnownClaim{Live: refused})}, want{Why: "the storage driver refuses it: see the events of the claim", NeedsPerson: true, Object: &ClaimObject{Volume: dittofs.VolumeMetadata, Size: "10Gi", Attributes: "gold"}, Note: manifest.ClaimNote{Older: true}}},
		"Done":   {"What the volume has is noted.", []func(*State){withObjects, asks("", "gold"), metadata(KnownClaim{Live: live("gold", "gold")})}, want{Note: manifest.ClaimNote{Older: true, Attributes: "gold"}}},
		"Noted":  {"It stays so.", []func(*State){withObjects, asks("", "gold"), metadata(KnownClaim{NotedAttributes: "gold"})}, want{Note: manifest.ClaimNote{Older: true, Attributes: "gold"}}},
		"Native": {"Nobody sees it, and the command is told.", []func(*State){asks("", "gold")}, want{Frozen: 1}},
		"Read": {
			"Somebody has to ask for it.",
			[]func(*State){reads, asks("", "gold"), metadata(KnownClaim{Live: live("", "")})},
			want{Why: byPerson + `kubectl patch pvc metadata-files-0 --namespace=storage --patch='{"spec":{"volumeAttributesClassName":"gold"}}'`, NeedsPerson: true},
		},
		"ReadDone": {"It is seen.", []func(*State){reads, asks("", "gold"), metadata(KnownClaim{Live: live("gold", "gold")})}, want{Note: manifest.ClaimNote{Attributes: "gold"}}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			d := Decide(st)
			got := want{Frozen: len(d.Frozen), Note: d.ClaimNotes[dittofs.VolumeMetadata]}

			for _, c := range d.Attributes {
				got.Why, got.NeedsPerson = c.Why, c.NeedsPerson
			}

			for _, o := range d.ClaimObjects {
				got.Object = &o
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
