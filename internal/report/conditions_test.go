package report

import (
	gocmp "cmp"
	"errors"
	"strings"
	"testing"

	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Here, and nowhere else, tests assert what conditions and results say. Other tests assert
// their reasons.

// conditionOf returns a condition as every response has it.
func conditionOf(typ string, status fnv1.Status, reason, message string) *fnv1.Condition {
	return &fnv1.Condition{Type: typ, Status: status, Reason: reason, Message: &message, Target: fnv1.Target_TARGET_COMPOSITE_AND_CLAIM.Enum()}
}

func TestRollout(t *testing.T) {
	const newServer = "The StatefulSet is created once the ConfigMap holds its configuration"

	cases := map[string]struct {
		reason     string
		d          guard.Decision
		isStarting bool
		status     fnv1.Status
		rollout    guard.Reason
		want       string
	}{
		"New": {
			reason: "No pod runs without the ConfigMap.",
			d:      guard.Decision{Rollout: guard.ConfigMapNotReady, Paused: true}, isStarting: true,
			status: isFalse,
			want:   newServer,
		},
		"NewNatively": {
			reason: "No pod runs without the ConfigMap.",
			d:      guard.Decision{Rollout: guard.ConfigMapNotReady, LeaveOut: true},
			status: isFalse,
			want:   newServer,
		},
		"Starting": {
			reason: "One that says the same until the StatefulSet is there changes once.",
			d:      guard.Decision{Rollout: guard.RolledOut}, isStarting: true,
			status: isFalse, rollout: guard.ConfigMapNotReady,
			want: newServer,
		},
		"RolledOut": {
			reason: "Nothing waits.",
			d:      guard.Decision{Rollout: guard.RolledOut},
			status: isTrue,
			want:   "The pod template is what the spec asks for",
		},
		"SecretsNotFetched": {
			reason: "A running server stays as it is.",
			d:      guard.Decision{Rollout: guard.SecretsNotFetched},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until Crossplane has fetched its Secrets",
		},
		"SecretsNotFetchedNew": {
			reason: "A new server does not come up.",
			d:      guard.Decision{Rollout: guard.SecretsNotFetched, LeaveOut: true},
			status: isFalse,
			want:   "The StatefulSet is not composed until Crossplane has fetched its Secrets",
		},
		"SecretsNotResolved": {
			reason: "Another condition says which Secrets.",
			d:      guard.Decision{Rollout: guard.SecretsNotResolved},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until its Secrets exist and can be used: see the condition SecretsResolved",
		},
		"StartPrevented": {
			reason: "Another condition names the keytab.",
			d:      guard.Decision{Rollout: guard.StartPrevented},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until its keytab can be read: see the condition SecretsResolved. Until then the kubelet starts no container of it, because NFS would run without Kerberos",
		},
		"UnreadKeytab": {
			reason: "A person who knows that leaves it alone.",
			d:      guard.Decision{Rollout: guard.RolloutInProgress, UnreadKeytab: "storage/files-kerberos, key krb5.keytab"},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until the StatefulSet has the previous change. Pods still mount the keytab of Secret storage/files-kerberos, key krb5.keytab, which the spec does not name any more. Leave it as it is: nothing keeps a server from starting on one that cannot be read",
		},
		"UnreadKeytabPreventsStart": {
			reason: "Nothing else tells why the pod waits.",
			d:      guard.Decision{Rollout: guard.RolloutInProgress, UnreadKeytab: "storage/files-kerberos, key krb5.keytab", PreventsStart: true},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until the StatefulSet has the previous change. Pods still mount the keytab of Secret storage/files-kerberos, key krb5.keytab. It could not be read when the spec last named it, so the kubelet starts no container",
		},
		"StorageMissing": {
			reason: "Another condition says which claim.",
			d:      guard.Decision{Rollout: guard.StorageMissing},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template, because the new pod template needs a volume claim that the StatefulSet does not have: see the condition StorageUpToDate",
		},
		"ApprovalRequired": {
			reason: "A person reads what is dangerous, and how to approve it.",
			d:      guard.Decision{Rollout: guard.ApprovalRequired, Dangers: []string{"the version goes down", "spec.rollout is Manual"}, Approval: "0a0b"},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until a person approves the change (the version goes down, spec.rollout is Manual): annotate the DittoServer with dittofs.io/approve=0a0b",
		},
		"RolloutInProgress": {
			reason: "It passes by itself.",
			d:      guard.Decision{Rollout: guard.RolloutInProgress},
			status: isFalse,
			want:   "The running server keeps its configuration and pod template until the StatefulSet has the previous change",
		},
		"ConfigMapNotReady": {
			reason: "It passes by itself.",
			d:      guard.Decision{Rollout: guard.ConfigMapNotReady},
			status: isFalse,
			want:   "The pod template waits until the ConfigMap holds the new configuration",
		},
		"Recreating": {
			reason: "A person who stopped the server sees why it is deleted.",
			d:      guard.Decision{Rollout: guard.Recreating, LeaveOut: true},
			status: isFalse,
			want:   "Recreating the stopped StatefulSet with the volume claims that the spec asks for",
		},
		"PredecessorUnknown": {
			reason: "What is not known may be there.",
			d:      guard.Decision{Rollout: guard.PredecessorThere, LeaveOut: true},
			status: isFalse,
			want:   "The StatefulSet is not composed until Crossplane has looked for an earlier StatefulSet of that name",
		},
		"PredecessorThere": {
			reason: "A person may have to remove one of them.",
			d:      guard.Decision{Rollout: guard.PredecessorThere, LeaveOut: true, Predecessors: []string{"Object a", "Object b"}},
			status: isFalse,
			want:   "The StatefulSet is not composed until the earlier StatefulSet, or its Object, is gone: Object a, Object b",
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := &fnv1.RunFunctionResponse{}
			Rollout(rsp, tc.d, tc.isStarting)

			want := []*fnv1.Condition{conditionOf(ConfigRolledOut, tc.status, string(gocmp.Or(tc.rollout, tc.d.Rollout)), tc.want)}
			if diff := cmp.Diff(want, rsp.GetConditions(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nRollout(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStorage(t *testing.T) {
	cases := map[string]struct {
		reason string
		d      guard.Decision
		want   *fnv1.Condition
	}{
		"Growing": {
			reason: "Each claim is told.",
			d:      guard.Decision{Growing: []guard.Growth{{Claim: "a-files-0", Has: resource.MustParse("1Gi"), Asked: resource.MustParse("2Gi"), Why: "it waits"}, {Claim: "b-files-0", Has: resource.MustParse("1Gi"), Asked: resource.MustParse("3Gi"), Why: "it is asked"}}},
			want:   conditionOf(StorageUpToDate, isFalse, ReasonGrowing, "Volume claims grow while the server runs: PersistentVolumeClaim a-files-0 has 1Gi and grows to 2Gi: it waits; PersistentVolumeClaim b-files-0 has 1Gi and grows to 3Gi: it is asked"),
		},
		"NotGrowing": {
			reason: "A person has something to do.",
			d:      guard.Decision{Growing: []guard.Growth{{Claim: "a-files-0", Has: resource.MustParse("1Gi"), Asked: resource.MustParse("2Gi"), Why: "it waits", NeedsPerson: true}}},
			want:   conditionOf(StorageUpToDate, isFalse, ReasonNotGrowing, "Volume claims grow while the server runs: PersistentVolumeClaim a-files-0 has 1Gi and grows to 2Gi: it waits"),
		},
		"Attributes": {
			reason: "Other attributes are told as growth is.",
			d:      guard.Decision{Attributes: []guard.AttributesChange{{Claim: "a-files-0", Asked: "gold", Why: "it waits"}}},
			want:   conditionOf(StorageUpToDate, isFalse, ReasonGrowing, `Volume attributes classes change while the server runs: PersistentVolumeClaim a-files-0 has "" and changes to "gold": it waits`),
		},
		"AttributesRefused": {
			reason: "A person has something to do with one of both.",
			d: guard.Decision{
				Growing:    []guard.Growth{{Claim: "a-files-0", Has: resource.MustParse("1Gi"), Asked: resource.MustParse("2Gi"), Why: "it waits"}},
				Attributes: []guard.AttributesChange{{Claim: "a-files-0", Asked: "gold", Has: "silver", Why: "it is refused", NeedsPerson: true}},
			},
			want: conditionOf(StorageUpToDate, isFalse, ReasonNotGrowing, "Volume claims grow while the server runs: PersistentVolumeClaim a-files-0 has 1Gi and grows to 2Gi: it waits. "+
				`Volume attributes classes change while the server runs: PersistentVolumeClaim a-files-0 has "silver" and changes to "gold": it is refused`),
		},
		"UpToDate": {
			reason: "Nothing is frozen.",
			want:   conditionOf(StorageUpToDate, isTrue, ReasonUpToDate, "The volume claims are what the spec asks for"),
		},
		"Frozen": {
			reason: "All that is frozen is told, and how to thaw it.",
			d:      guard.Decision{NeedsStop: true, Frozen: []string{"volume claim a has 1Gi", "volume claim b has 2Gi"}},
			want: conditionOf(StorageUpToDate, isFalse, ReasonFrozen, "Kubernetes cannot change some fields of a running server, which keep their values: volume claim a has 1Gi; volume claim b has 2Gi. "+
				"To change volume claims, stop the server (spec.replicas: 0), wait for the phase Stopped, and start it again: the StatefulSet is recreated, and the data stay"),
		},
		"NoStop": {
			reason: "A stop would not help.",
			d:      guard.Decision{Frozen: []string{"volume claim a has 2Gi"}},
			want:   conditionOf(StorageUpToDate, isFalse, ReasonFrozen, "Kubernetes cannot change some fields of a running server, which keep their values: volume claim a has 2Gi"),
		},
		"Stopping": {
			reason: "The next step is told.",
			d:      guard.Decision{NeedsStop: true, Stopping: true, Frozen: []string{"volume claim a is missing"}},
			want: conditionOf(StorageUpToDate, isFalse, ReasonFrozen, "Kubernetes cannot change some fields of a running server, which keep their values: volume claim a is missing. "+
				"To change volume claims, wait until the server has stopped and the StatefulSet is recreated. Then start the server (spec.replicas: 1)"),
		},
		"Overridden": {
			reason: "A stop would not help where a webhook wins.",
			d:      guard.Decision{NeedsStop: true, Stopping: true, IsOverridden: true, Frozen: []string{"volume claim a has 2Gi"}},
			want: conditionOf(StorageUpToDate, isFalse, ReasonFrozen, "Kubernetes cannot change some fields of a running server, which keep their values: volume claim a has 2Gi. "+
				"The StatefulSet was recreated as the spec asks, but something in the cluster, such as a webhook, changed it. Either set the spec to what the StatefulSet has, or remove what changes it and delete the stopped StatefulSet, or its Object of provider-kubernetes"),
		},
		"Recreating": {
			reason: "So is the last one.",
			d:      guard.Decision{NeedsStop: true, Stopping: true, Rollout: guard.Recreating, Frozen: []string{"volume claim a is missing"}},
			want:   conditionOf(StorageUpToDate, isFalse, string(guard.Recreating), "Recreating the stopped StatefulSet with the changes that it kept back: volume claim a is missing. Then start the server (spec.replicas: 1)"),
		},
		"Unseen": {
			reason: "A claim may be older than the StatefulSet.",
			d:      guard.Decision{Unseen: []string{"a-files-0", "b-files-0"}},
			want:   conditionOf(StorageUpToDate, isFalse, ReasonNotObserved, "Waiting to see volume claims that may be older than the StatefulSet: a-files-0, b-files-0"),
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := &fnv1.RunFunctionResponse{}
			Storage(rsp, tc.d)

			if diff := cmp.Diff([]*fnv1.Condition{tc.want}, rsp.GetConditions(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nStorage(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSecrets(t *testing.T) {
	cases := map[string]struct {
		reason string
		s      secret.Secrets
		want   *fnv1.Condition
	}{
		"NotFetched": {"Crossplane calls again.", secret.Secrets{State: secret.NotFetched}, conditionOf(SecretsResolved, isUnknown, ReasonNotFetched, "Waiting for Crossplane to fetch the Secrets that the spec names")},
		"Missing":    {"All that is missing is told.", secret.Secrets{State: secret.Missing, Problems: []string{"Secret a", "Secret b"}}, conditionOf(SecretsResolved, isFalse, ReasonMissing, "Secret a; Secret b")},
		"There":      {"Nothing is missing.", secret.Secrets{State: secret.There}, conditionOf(SecretsResolved, isTrue, ReasonResolved, "Every Secret that the spec names is there and can be used")},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := &fnv1.RunFunctionResponse{}
			Secrets(rsp, tc.s)

			if diff := cmp.Diff([]*fnv1.Condition{tc.want}, rsp.GetConditions(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nSecrets(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestApply(t *testing.T) {
	there := &structpb.Struct{}
	notSynced := func(reason xpv2.ConditionReason, message string) *condition.Condition {
		return &condition.Condition{Status: "False", Reason: string(reason), Message: message}
	}
	crossplane := func(reason xpv2.ConditionReason, message string) string {
		return `{status: {conditions: [{type: Synced, status: "False", reason: ` + string(reason) + `, message: '` + message + `'}]}}`
	}
	applied := conditionOf(Applied, isTrue, ReasonApplied, "Every composed resource is applied")

	cases := map[string]struct {
		reason string
		xr     string

		// o are a Service and a ConfigMap, which are desired, and a StatefulSet, which is not.
		o    observed.Resources
		want *fnv1.Condition
	}{
		"Applied": {
			reason: "Everything is there.",
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {Live: there}},
			want:   applied,
		},
		"NotObserved": {
			reason: "Names would change with each resource that comes.",
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {}},
			want:   conditionOf(Applied, isFalse, ReasonNotObserved, "Waiting to see every composed resource in the cluster"),
		},
		"NotSynced": {
			reason: "Users cannot read Objects. A paused one has no message.",
			o:      observed.Resources{manifest.ConfigMap: {Synced: notSynced(xpv2.ReasonReconcileError, "forbidden")}, manifest.ServiceAPI: {Synced: notSynced(xpv2.ReasonReconcilePaused, "")}},
			want:   conditionOf(Applied, isFalse, ReasonNotSynced, "Cannot apply configmap: forbidden; service-api: ReconcilePaused"),
		},
		"Foreign": {
			reason: "Somebody else has the name.",
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {Foreign: "Service files-api"}},
			want:   conditionOf(Applied, isFalse, ReasonForeign, "Cannot apply service-api: Service files-api"),
		},
		"NotDesired": {
			reason: "What is not desired any more need not be applied.",
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {Live: there}, manifest.StatefulSet: {Synced: notSynced(xpv2.ReasonReconcileError, "forbidden")}},
			want:   applied,
		},
		"ReconcileError": {
			reason: "What Crossplane cannot apply it says itself.",
			xr:     crossplane(xpv2.ReasonReconcileError, "cannot compose resources: forbidden"),
			want:   conditionOf(Applied, isFalse, ReasonReconcile, "Crossplane reports: cannot compose resources: forbidden"),
		},
		"OldFatal": {
			reason: "A fatal result of an earlier call is over.",
			xr:     crossplane(xpv2.ReasonReconcileError, `pipeline step "dittoserver" returned a fatal result: invalid DittoServer`),
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {Live: there}},
			want:   applied,
		},
		"WasPaused": {
			reason: "Crossplane calls nobody for a DittoServer that is paused, so that it was.",
			xr:     crossplane(xpv2.ReasonReconcilePaused, "Reconciliation is paused"),
			o:      observed.Resources{manifest.ConfigMap: {Live: there}, manifest.ServiceAPI: {Live: there}},
			want:   applied,
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := &structpb.Struct{}
			if tc.xr != "" {
				xr = protostructtest.FromYAML(t, tc.xr)
			}

			rsp := &fnv1.RunFunctionResponse{}
			Apply(rsp, xr, manifest.Manifests{manifest.ConfigMap: there, manifest.ServiceAPI: there}, tc.o)

			if diff := cmp.Diff([]*fnv1.Condition{tc.want}, rsp.GetConditions(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nApply(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWarn(t *testing.T) {
	cases := map[string]struct {
		reason   string
		kept     guard.Kept
		warnings []string
		want     *fnv1.Condition
	}{
		"None": {"Nothing is unexpected.", guard.Kept{}, nil, conditionOf(Warnings, isFalse, ReasonNone, "No warnings")},
		"Two":  {"All are told.", guard.Kept{}, []string{"a", "b"}, conditionOf(Warnings, isTrue, ReasonHasWarnings, "a; b")},
		"Forbidden": {
			"What the policy forbids comes first, and has a reason of its own, which a platform can look for.",
			guard.Kept{Forbidden: field.ErrorList{field.Forbidden(field.NewPath("spec", "image"), "a"), field.Forbidden(field.NewPath("spec", "tolerations"), "b")}},
			[]string{"c"},
			conditionOf(Warnings, isTrue, ReasonForbidden, "The server keeps what the platform's policy does not allow any more, until the change goes through that ConfigRolledOut or StorageUpToDate tells of: spec.image: Forbidden: a; spec.tolerations: Forbidden: b; c"),
		},
		"NotStarted": {
			"A server that stays stopped says so.",
			guard.Kept{Forbidden: field.ErrorList{field.Forbidden(field.NewPath("spec", "image"), "a")}, NotStarted: true},
			nil,
			conditionOf(Warnings, isTrue, ReasonForbidden, "The server is not started, since it keeps what the platform's policy does not allow any more, until the change goes through that ConfigRolledOut or StorageUpToDate tells of: spec.image: Forbidden: a"),
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := &fnv1.RunFunctionResponse{}
			Warn(rsp, tc.kept, tc.warnings)

			if diff := cmp.Diff([]*fnv1.Condition{tc.want}, rsp.GetConditions(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nWarn(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestIdentityWarnings(t *testing.T) {
	cases := map[string]struct {
		reason string
		d      guard.Decision
		want   []string
	}{
		"None": {"Everything is in effect.", guard.Decision{}, nil},
		"LDAP": {
			"A person makes the change over the REST API, and says so.",
			guard.Decision{NotInEffect: []guard.Provider{{Name: dittofs.ProviderLDAP, Body: `{"url":"ldaps://a"}`}}, Acknowledge: "0123"},
			[]string{`spec.identity.ldap: the server goes by what it copied into its database when it first started, so these settings may not be in effect: send it PUT /api/v1/identity-providers/ldap/config with {"url":"ldaps://a"}, and then annotate the DittoServer with dittofs.io/acknowledge=0123`},
		},
		"UnknownLDAP": {
			"A directory that is turned off finds nobody.",
			guard.Decision{NotInEffect: []guard.Provider{{Name: dittofs.ProviderLDAP, Seeded: "removed", Body: `{"url":"ldaps://a"}`}}, Acknowledge: "0123"},
			[]string{`spec.identity.ldap: the server goes by its database, which may have other settings, or have it turned off: send it PUT /api/v1/identity-providers/ldap/config with {"url":"ldaps://a"}, and then annotate the DittoServer with dittofs.io/acknowledge=0123`},
		},
		"UnknownKerberos": {
			"Kerberos that is turned off lets everybody in.",
			guard.Decision{NotInEffect: []guard.Provider{{Name: dittofs.ProviderKerberos, Seeded: "removed", Body: `{"realm":"A"}`}}, Acknowledge: "0123"},
			[]string{`spec.identity.kerberos: the server goes by its database, which may have other settings, or have it turned off, so that NFS runs without Kerberos and the server says that it is ready: send it PUT /api/v1/identity-providers/kerberos/config with {"realm":"A"}, delete its pod, which reads them when it starts, and then annotate the DittoServer with dittofs.io/acknowledge=0123`},
		},
		"MachineAccount": {
			"The server reads Kerberos when it starts.",
			guard.Decision{NotInEffect: []guard.Provider{{Name: dittofs.ProviderMachineAccount, Body: `{"realm":"A"}`}}, Acknowledge: "0123"},
			[]string{`spec.identity.kerberos.machineAccount: the server goes by what it copied into its database when it first started, so these settings may not be in effect: send it PUT /api/v1/identity-providers/kerberos/config with {"realm":"A"}, delete its pod, which reads them when it starts, and then annotate the DittoServer with dittofs.io/acknowledge=0123`},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, IdentityWarnings(tc.d)); diff != "" {
				t.Errorf("%s\nIdentityWarnings(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// A spec that is invalid is a fatal result, and what was not checked says so.
func TestInvalid(t *testing.T) {
	rsp := &fnv1.RunFunctionResponse{}
	Invalid(rsp, field.ErrorList{field.Required(field.NewPath("spec", "a"), "name it"), field.Forbidden(field.NewPath("spec", "b"), "unknown field")})

	const all = "spec.a: Required value: name it; spec.b: Forbidden: unknown field"

	want := &fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{conditionOf(SpecValid, isFalse, ReasonInvalid, all)},
		Results: []*fnv1.Result{{
			Severity: fnv1.Severity_SEVERITY_FATAL, Reason: new(ReasonInvalid), Message: "invalid DittoServer: " + all, Target: fnv1.Target_TARGET_COMPOSITE.Enum(),
		}},
	}
	for _, typ := range []string{SecretsResolved, ConfigRolledOut, StorageUpToDate, Applied, Warnings} {
		want.Conditions = append(want.Conditions, conditionOf(typ, isUnknown, ReasonNotChecked, "Not checked: the spec is invalid"))
	}

	if diff := cmp.Diff(want, rsp, protocmp.Transform()); diff != "" {
		t.Errorf("Invalid(...): -want, +got:\n%s", diff)
	}
}

// The API server bounds the size of an object. One huge value leaves room for the other errors.
func TestInvalidIsBounded(t *testing.T) {
	huge := field.Invalid(field.NewPath("spec", "a"), strings.Repeat("ö", 1<<20), "must be short")

	rsp := &fnv1.RunFunctionResponse{}
	Invalid(rsp, field.ErrorList{huge, field.Required(field.NewPath("spec", "b"), "")})

	got := rsp.GetConditions()[0].GetMessage()
	if len(got) > 2*maxErrorLength || !strings.Contains(got, " … (cut); spec.b: Required value") {
		t.Errorf("Invalid(...): want room for the second error, got %d bytes: %.100s", len(got), got)
	}

	many := field.ErrorList{}
	for range 100 {
		many = append(many, huge)
	}

	rsp = &fnv1.RunFunctionResponse{}
	Invalid(rsp, many)

	if got := rsp.GetConditions()[0].GetMessage(); len(got) > maxMessageLength+100 || !strings.HasSuffix(got, " … (cut)") {
		t.Errorf("Invalid(...): want a bounded message, got %d bytes: %.100s", len(got), got)
	}
}

// Known conditions stay, and the others say why they are not known.
func TestFatal(t *testing.T) {
	rsp := &fnv1.RunFunctionResponse{}
	Valid(rsp)
	Fatal(rsp, ReasonFatal, errors.New("cannot read"))

	want := &fnv1.RunFunctionResponse{
		Conditions: []*fnv1.Condition{conditionOf(SpecValid, isTrue, ReasonValid, "The spec is valid")},
		Results:    []*fnv1.Result{{Severity: fnv1.Severity_SEVERITY_FATAL, Reason: new(ReasonFatal), Message: "cannot read", Target: fnv1.Target_TARGET_COMPOSITE.Enum()}},
	}
	for _, typ := range []string{SecretsResolved, ConfigRolledOut, StorageUpToDate, Applied, Warnings} {
		want.Conditions = append(want.Conditions, conditionOf(typ, isUnknown, ReasonNotChecked, "Not checked: cannot read"))
	}

	if diff := cmp.Diff(want, rsp, protocmp.Transform()); diff != "" {
		t.Errorf("Fatal(...): -want, +got:\n%s", diff)
	}

	decision, reasons := Outcome(rsp)
	if diff := cmp.Diff("FatalError: SpecValid=Valid SecretsResolved=NotChecked ConfigRolledOut=NotChecked StorageUpToDate=NotChecked Applied=NotChecked Warnings=NotChecked", decision+": "+reasons); diff != "" {
		t.Errorf("Outcome(...): -want, +got:\n%s", diff)
	}
}

// Results are events: they come when something changes, and not on every call.
func TestTransitions(t *testing.T) {
	const before = `{status: {conditions: [{type: SecretsResolved, status: "False", reason: Missing, message: Secret a}, {type: ConfigRolledOut, status: "True", reason: RolledOut, message: m}]}}`

	missing := func(what string) *fnv1.Condition { return conditionOf(SecretsResolved, isFalse, ReasonMissing, what) }

	cases := map[string]struct {
		reason string
		xr     string
		now    *fnv1.Condition
		isTold bool
	}{
		"New":         {"The first call of a DittoServer tells its trouble.", "{}", missing("Secret a"), true},
		"Same":        {"It is known.", before, missing("Secret a"), false},
		"Other":       {"The same reason with another message is new trouble.", before, missing("Secret b"), true},
		"Fine":        {"What comes right again is no event.", before, conditionOf(SecretsResolved, isTrue, ReasonResolved, "m"), false},
		"NotFetched":  {"Some reasons pass by themselves.", before, conditionOf(SecretsResolved, isUnknown, ReasonNotFetched, "m"), false},
		"Approval":    {"A person has to do something.", before, conditionOf(ConfigRolledOut, isFalse, string(guard.ApprovalRequired), "m"), true},
		"Storage":     {"A person has to do something.", before, conditionOf(ConfigRolledOut, isFalse, string(guard.StorageMissing), "m"), true},
		"InProgress":  {"It passes by itself.", before, conditionOf(ConfigRolledOut, isFalse, string(guard.RolloutInProgress), "m"), false},
		"Frozen":      {"A person has to do something.", before, conditionOf(StorageUpToDate, isFalse, ReasonFrozen, "m"), true},
		"Foreign":     {"A person has to do something.", before, conditionOf(Applied, isFalse, ReasonForeign, "m"), true},
		"NotObserved": {"It passes by itself.", before, conditionOf(Applied, isFalse, ReasonNotObserved, "m"), false},
		"HasWarnings": {"A person may want to do something.", before, conditionOf(Warnings, isTrue, ReasonHasWarnings, "m"), true},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := &fnv1.RunFunctionResponse{Conditions: []*fnv1.Condition{tc.now}}
			Transitions(rsp, protostructtest.FromYAML(t, tc.xr))

			var want []*fnv1.Result
			if tc.isTold {
				want = []*fnv1.Result{{Severity: fnv1.Severity_SEVERITY_WARNING, Reason: &tc.now.Reason, Message: tc.now.GetMessage(), Target: fnv1.Target_TARGET_COMPOSITE_AND_CLAIM.Enum()}}
			}

			if diff := cmp.Diff(want, rsp.GetResults(), protocmp.Transform()); diff != "" {
				t.Errorf("%s\nTransitions(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
