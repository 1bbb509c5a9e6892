package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// A claim that grows never asks for less than is live, and is never changed unless it must.
func TestDecideGrow(t *testing.T) {
	quantity := func(s string) *resource.Quantity { return new(resource.MustParse(s)) }
	live := func(request, capacity string, change ...func(*LiveClaim)) *LiveClaim {
		l := &LiveClaim{Request: request, Capacity: resource.MustParse(capacity), Bound: true, Class: "fast"}
		for _, c := range change {
			c(l)
		}

		return l
	}

	// Decisions about the claim metadata, whose template has 10Gi.
	type want struct {
		Composed, Update, NeedsPerson bool
		Size, Noted                   string
	}

	cases := map[string]struct {
		reason string
		size   string
		claim  KnownClaim
		change func(st *State)
		want   want
	}{
		"Same":            {"Nothing is to grow.", "10Gi", KnownClaim{}, nil, want{}},
		"Smaller":         {"A claim never shrinks.", "5Gi", KnownClaim{}, nil, want{}},
		"First":           {"The claim is looked for first, and what it has is noted.", "20Gi", KnownClaim{}, nil, want{Composed: true, Noted: "10Gi"}},
		"Seen":            {"A bound claim that asks for less is asked to grow.", "20Gi", KnownClaim{Noted: quantity("10Gi"), Live: live("10Gi", "10Gi")}, nil, want{Composed: true, Update: true, Size: "20Gi", Noted: "10Gi"}},
		"Asked":           {"The driver works.", "20Gi", KnownClaim{Live: live("20Gi", "10Gi")}, nil, want{Composed: true, Size: "20Gi", Noted: "10Gi"}},
		"ByHand":          {"Somebody asked for more by hand.", "20Gi", KnownClaim{Live: live("30Gi", "10Gi")}, nil, want{Composed: true, Size: "30Gi", Noted: "10Gi"}},
		"Grown":           {"A claim that has grown is left alone.", "20Gi", KnownClaim{Noted: quantity("10Gi"), Live: live("20Gi", "20Gi")}, nil, want{Noted: "20Gi"}},
		"GrownMore":       {"More than is asked for is enough.", "20Gi", KnownClaim{Live: live("32Gi", "32Gi")}, nil, want{Noted: "20Gi"}},
		"LargeVolume":     {"The volume is larger than the claim asks for.", "20Gi", KnownClaim{Live: live("10Gi", "100Gi")}, nil, want{Noted: "20Gi"}},
		"Noted":           {"It has grown before.", "20Gi", KnownClaim{Noted: quantity("20Gi")}, nil, want{Noted: "20Gi"}},
		"NotedMore":       {"What has grown does not shrink. It is looked at, since a person may replace it.", "15Gi", KnownClaim{Noted: quantity("20Gi")}, nil, want{Composed: true, Noted: "20Gi"}},
		"Again":           {"It grows a second time.", "30Gi", KnownClaim{Noted: quantity("20Gi"), Live: live("20Gi", "20Gi")}, nil, want{Composed: true, Update: true, Size: "30Gi", Noted: "20Gi"}},
		"Unbound":         {"Only a bound claim can grow.", "20Gi", KnownClaim{Live: live("10Gi", "0", func(l *LiveClaim) { l.Bound = false })}, nil, want{Composed: true, Size: "10Gi", Noted: "10Gi"}},
		"Leaving":         {"A claim that is being deleted is left alone.", "20Gi", KnownClaim{Live: live("10Gi", "10Gi", func(l *LiveClaim) { l.Leaving = true })}, nil, want{Composed: true, NeedsPerson: true, Size: "10Gi", Noted: "10Gi"}},
		"NeedsPod":        {"The file system waits.", "20Gi", KnownClaim{Live: live("20Gi", "10Gi", func(l *LiveClaim) { l.NeedsPod = true })}, nil, want{Composed: true, Size: "20Gi", Noted: "10Gi"}},
		"Infeasible":      {"The driver gave up.", "20Gi", KnownClaim{Live: live("20Gi", "10Gi", func(l *LiveClaim) { l.Infeasible = true })}, nil, want{Composed: true, NeedsPerson: true, Size: "20Gi", Noted: "10Gi"}},
		"InfeasibleLess":  {"The driver gave up, and the spec asks for less, but more than there is.", "15Gi", KnownClaim{Live: live("20Gi", "10Gi", func(l *LiveClaim) { l.Infeasible = true })}, nil, want{Composed: true, Update: true, Size: "15Gi", Noted: "10Gi"}},
		"Refused":         {"What is refused is asked again, and told.", "20Gi", KnownClaim{Problem: "x " + cannotExpand, Live: live("10Gi", "10Gi")}, nil, want{Composed: true, Update: true, NeedsPerson: true, Size: "20Gi", Noted: "10Gi"}},
		"Quota":           {"What the API server refuses needs a person.", "20Gi", KnownClaim{Problem: "exceeded quota", Refused: true, Live: live("10Gi", "10Gi")}, nil, want{Composed: true, Update: true, NeedsPerson: true, Size: "20Gi", Noted: "10Gi"}},
		"Lost":            {"A lost connection needs nobody.", "20Gi", KnownClaim{Problem: "connection reset by peer", Live: live("10Gi", "10Gi")}, nil, want{Composed: true, Update: true, Size: "20Gi", Noted: "10Gi"}},
		"NoRights":        {"A person gives the provider rights.", "20Gi", KnownClaim{Problem: cannotGet}, nil, want{Composed: true, NeedsPerson: true, Noted: "10Gi"}},
		"NotThere":        {"A claim that is missing is not created.", "20Gi", KnownClaim{Problem: notThere, Absent: true}, nil, want{Composed: true, Noted: "10Gi"}},
		"NotThereSmaller": {"Nor is one that the StatefulSet's controller will create.", "10Gi", KnownClaim{Noted: quantity("5Gi"), Absent: true}, nil, want{Composed: true, Noted: "5Gi"}},
		"NotThereLarger":  {"A larger one that is gone is created of the template.", "10Gi", KnownClaim{Noted: quantity("20Gi"), Absent: true}, nil, want{}},
		"Unreadable":      {"What cannot be read is left alone.", "20Gi", KnownClaim{Live: live("much", "10Gi")}, nil, want{Composed: true, Size: "much", Noted: "10Gi"}},
		"Native":          {"Natively nothing is known.", "20Gi", KnownClaim{}, func(st *State) { st.CannotGrow = true }, want{}},
		"Held":            {"What else waits does not keep a claim from growing.", "20Gi", KnownClaim{}, func(st *State) { st.StatefulSet.Desired.Pod.Release = release(t, "0.28.0") }, want{Composed: true, Noted: "10Gi"}},
		"Foreign":         {"Somebody else's StatefulSet has somebody else's claims.", "20Gi", KnownClaim{}, func(st *State) { st.StatefulSet.Live = nil }, want{Noted: "10Gi"}},
		"StatefulSetGone": {"Without a StatefulSet what is noted stays.", "20Gi", KnownClaim{Noted: quantity("10Gi")}, func(st *State) { st.StatefulSet.Asked, st.StatefulSet.Live = nil, nil }, want{Noted: "10Gi"}},
		"New":             {"A server that is new has what its StatefulSet gets.", "20Gi", KnownClaim{}, func(st *State) { st.StatefulSet.Asked, st.StatefulSet.Live = nil, nil }, want{}},
		"Stopped":         {"A StatefulSet is created anew once it is noted what its claims have.", "20Gi", KnownClaim{}, stopped, want{Composed: true, Noted: "10Gi"}},
		"StoppedNoted":    {"While it is created anew there is no claim of its own.", "20Gi", KnownClaim{Noted: quantity("10Gi")}, stopped, want{Noted: "10Gi"}},
		"LiveTemplate": {"What a webhook made of a template counts.", "20Gi", KnownClaim{}, func(st *State) {
			st.StatefulSet.Live.Claims = []Claim{{Name: dittofs.VolumeMetadata, Size: resource.MustParse("20Gi")}}
		}, want{}},
		"ReCreatedSmaller": {"A StatefulSet that was created anew has claims that did not grow.", "10Gi", KnownClaim{Noted: quantity("5Gi")}, nil, want{Composed: true, Noted: "5Gi"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.CannotGrow = false
			st.StatefulSet.Desired.Claims = []Claim{{Name: "controlplane", Size: resource.MustParse("1Gi")}, {Name: dittofs.VolumeMetadata, Size: resource.MustParse(tc.size)}}
			st.StatefulSet.Desired.Immutable = map[string]string{"serviceName": `"files-headless"`, "selector": "{}", "podManagementPolicy": `"Parallel"`, "volumeClaimTemplates": tc.size}
			st.Claims = map[string]KnownClaim{dittofs.VolumeMetadata: tc.claim}

			if tc.change != nil {
				tc.change(&st)
			}

			d := Decide(st)
			got := want{Noted: d.ClaimNotes[dittofs.VolumeMetadata].Size}

			for _, g := range d.Growing {
				if g.Volume != dittofs.VolumeMetadata || g.Claim != "metadata-files-0" || g.Why == "" {
					t.Errorf("%s\nDecide(...): another claim grows, or does not tell why: %v", tc.reason, g)
				}

				got.NeedsPerson = g.NeedsPerson
			}

			for _, o := range d.ClaimObjects {
				got.Composed, got.Update, got.Size = true, o.Update, o.Size
			}

			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func stopped(st *State) {
	asked := *st.StatefulSet.Asked
	asked.Replicas = 0
	st.StatefulSet.Asked = &asked
	st.StatefulSet.Desired.Replicas, st.StatefulSet.Live.Replicas, st.StatefulSet.Live.CurrentReplicas = 0, 0, 0
}

func TestReadKnownClaims(t *testing.T) {
	parse := func(text string) *structpb.Struct { return protostructtest.FromYAML(t, text) }

	o := observed.Resources{
		manifest.ConfigMap: {Asked: parse(`{metadata: {annotations: {dittofs.io/claims: '{"metadata":{"size":"10Gi"},"content":{"size":"much"},"controlplane":{"older":true},"other":{"size":"1Gi"}}'}}}`)},
		manifest.ClaimRow(dittofs.VolumeMetadata).Name: {
			Current: true,
			Live: parse(`{metadata: {deletionTimestamp: now}, spec: {storageClassName: fast, resources: {requests: {storage: 20Gi}}}, status: {phase: Bound, capacity: {storage: 10Gi},
allocatedResourceStatuses: {storage: NodeResizeInfeasible}, conditions: [{type: FileSystemResizePending, status: "True"}]}}`),
		},
		manifest.ClaimRow("cache").Name:               {Current: true, Synced: &condition.Condition{Status: "False", Reason: "ReconcileError", Message: "refused"}},
		manifest.ClaimRow(dittofs.VolumeContent).Name: {Current: true, Live: parse(`{spec: {storageClassName: fast}}`), Synced: &condition.Condition{Status: "False", Message: "create failed: " + noModes}},
		// An answer to an earlier request says nothing of this one.
		manifest.ClaimRow("controlplane").Name: {Synced: &condition.Condition{Status: "False", Message: "refused"}},
	}

	want := map[string]KnownClaim{
		dittofs.VolumeMetadata: {Noted: new(resource.MustParse("10Gi")), Live: &LiveClaim{Request: "20Gi", Capacity: resource.MustParse("10Gi"), Bound: true, Leaving: true, Class: "fast", Infeasible: true, NeedsPod: true}},
		"controlplane":         {Older: true},
		"cache":                {Problem: "refused"},
		// An Object may show a claim that is gone.
		dittofs.VolumeContent: {Problem: "create failed: " + noModes, Absent: true},
	}

	if diff := cmp.Diff(want, readKnownClaims(o, observed.Claims{}), cmpopts.EquateEmpty(), cmp.Comparer(comparer)); diff != "" {
		t.Errorf("readKnownClaims(...): -want, +got:\n%s", diff)
	}

	// Crossplane reads newer claims than an Object shows.
	read := observed.Claims{Fetched: true, Live: map[string]*structpb.Struct{dittofs.VolumeMetadata: parse(`{metadata: {uid: a}, spec: {resources: {requests: {storage: 30Gi}}}, status: {phase: Pending}}`)}}

	known := readKnownClaims(o, read)
	if diff := cmp.Diff(&LiveClaim{UID: "a", Request: "30Gi"}, known[dittofs.VolumeMetadata].Live); diff != "" {
		t.Errorf("readKnownClaims(...): -want, +got:\n%s", diff)
	}

	if !known["cache"].Absent {
		t.Error("readKnownClaims(...): a claim that was not found is not known to be absent")
	}
}

// Messages of the provider about an Object's claim.
func TestReadProblem(t *testing.T) {
	const (
		missing = "observe failed: external resource does not exist"
		refusal = `observe failed: cannot get desired state: cannot dry run SSA: PersistentVolumeClaim "metadata-files-0" is invalid: spec.resources[storage]: Required value`
	)

	named, sized := protostructtest.FromYAML(t, "{metadata: {name: metadata-files-0}}"), protostructtest.FromYAML(t, "{spec: {resources: {requests: {storage: 20Gi}}}}")
	live := protostructtest.FromYAML(t, "{status: {phase: Bound}}")

	says := func(message string) *condition.Condition {
		return &condition.Condition{Status: "False", Reason: "ReconcileError", Message: message}
	}

	cases := map[string]struct {
		reason string
		object observed.Resource
		want   KnownClaim
	}{
		"Synced":     {"Nothing is wrong.", observed.Resource{Asked: sized, Live: live, Current: true}, KnownClaim{Live: &LiveClaim{Bound: true}}},
		"Missing":    {"There is none, whatever was there before.", observed.Resource{Asked: sized, Live: live, Current: true, Synced: says(missing)}, KnownClaim{Problem: missing, Absent: true}},
		"StillAsked": {"Another manifest makes no claim. The one that is shown would be asked for by turns.", observed.Resource{Asked: named, Live: live, Synced: says(missing)}, KnownClaim{Problem: missing, Absent: true}},
		"Refused":    {"The API server refuses what was asked.", observed.Resource{Asked: sized, Live: live, Current: true, Synced: says(refusal)}, KnownClaim{Problem: refusal, Refused: true, Live: &LiveClaim{Bound: true}}},
		"ByName":     {"A claim that grew before cannot be applied by its name only.", observed.Resource{Asked: named, Live: live, Current: true, Synced: says(refusal)}, KnownClaim{Live: &LiveClaim{Bound: true}}},
		"Earlier":    {"An earlier request was refused.", observed.Resource{Asked: sized, Live: live, Synced: says(refusal)}, KnownClaim{Live: &LiveClaim{Bound: true}}},
		"Lost":       {"Nobody refused it.", observed.Resource{Asked: sized, Live: live, Current: true, Synced: says("connection reset by peer")}, KnownClaim{Problem: "connection reset by peer", Live: &LiveClaim{Bound: true}}},
		"Paused":     {"A person paused it.", observed.Resource{Asked: sized, Current: true, Synced: &condition.Condition{Status: "False", Reason: "ReconcilePaused"}}, KnownClaim{Problem: "ReconcilePaused"}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := observed.Resources{manifest.ClaimRow(dittofs.VolumeMetadata).Name: &tc.object}

			got := readKnownClaims(o, observed.Claims{})[dittofs.VolumeMetadata]
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(comparer)); diff != "" {
				t.Errorf("%s\nreadKnownClaims(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
