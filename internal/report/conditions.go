// Package report tells the user how a DittoServer is: conditions, status and
// results.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	// Crossplane's own constants. They cost nothing, measured on the function's binary. Of
	// crossplane-runtime, errors (+9.6 MB), fieldpath (+9.6 MB), meta (+10.4 MB) and xcrd (+10.2
	// MB) also bring controller-runtime and client-go. They double the time that function --version
	// takes (7 to 13 ms), and are for tests only.
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/condition"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Types of the conditions. Every response has all of them, each with a message:
// Crossplane cannot clear one that is omitted.
// https://github.com/crossplane/crossplane/issues/7692
const (
	SpecValid       = "SpecValid"
	SecretsResolved = "SecretsResolved"
	ConfigRolledOut = "ConfigRolledOut"
	StorageUpToDate = "StorageUpToDate"
	Applied         = "Applied"
	Warnings        = "Warnings"
)

// Reasons of the conditions, besides those of package guard.
const (
	ReasonValid       = "Valid"
	ReasonInvalid     = "Invalid"
	ReasonResolved    = "Resolved"
	ReasonNotFetched  = "NotFetched"
	ReasonMissing     = "Missing"
	ReasonUpToDate    = "UpToDate"
	ReasonFrozen      = "Frozen"
	ReasonGrowing     = "Growing"
	ReasonNotGrowing  = "NotGrowing"
	ReasonApplied     = "Applied"
	ReasonNotObserved = "NotObserved"
	ReasonNotSynced   = "NotSynced"
	ReasonForeign     = "Foreign"
	ReasonReconcile   = string(xpv2.ReasonReconcileError)
	ReasonNone        = "None"
	ReasonHasWarnings = "HasWarnings"
	ReasonForbidden   = "Forbidden"
	ReasonNotChecked  = "NotChecked"
	ReasonFatal       = "FatalError"
	ReasonPanic       = "Panic"
)

// Bounds of messages in bytes: the API server limits the size of an object.
const (
	maxMessageLength = 16 * 1024

	// maxErrorLength lets one huge value leave room for the other errors.
	maxErrorLength = 1024
)

// moreErrors ends a message that does not tell all errors.
const moreErrors = "and more errors, which appear once you correct these"

// message bounds the length of a condition's or a result's message.
func message(m string) string {
	return cut(m, maxMessageLength)
}

func cut(s string, length int) string {
	if len(s) <= length {
		return s
	}

	return strings.ToValidUTF8(s[:length], "") + " … (cut)"
}

// Invalid reports everything that is wrong with the spec or the input, up to fielderr.Max
// errors. Nothing changes in the cluster.
func Invalid(rsp *fnv1.RunFunctionResponse, errs field.ErrorList) {
	all := tell(errs)

	set(rsp, SpecValid, isFalse, ReasonInvalid, all)
	Fatal(rsp, ReasonInvalid, errors.Errorf("invalid DittoServer: %s", all))
}

// tell returns the text of errors, with a bound on each and on all.
func tell(errs field.ErrorList) string {
	told := errs[:min(len(errs), fielderr.Max)]

	msgs := make([]string, 0, len(told))
	for _, err := range told {
		msgs = append(msgs, cut(err.Error(), maxErrorLength))
	}

	all := message(strings.Join(msgs, "; "))
	if fielderr.Enough(errs) {
		all += "; " + moreErrors
	}

	return all
}

// Fatal reports that the function cannot go on, and that the conditions which are
// not set yet were not reached. Nothing changes in the cluster.
func Fatal(rsp *fnv1.RunFunctionResponse, reason string, err error) {
	why := "the spec is invalid"
	if reason != ReasonInvalid {
		why = err.Error()
	}

	for _, t := range []string{SpecValid, SecretsResolved, ConfigRolledOut, StorageUpToDate, Applied, Warnings} {
		if !slices.ContainsFunc(rsp.GetConditions(), func(c *fnv1.Condition) bool { return c.GetType() == t }) {
			set(rsp, t, isUnknown, ReasonNotChecked, message("Not checked: "+why))
		}
	}

	// A fatal result cannot target the claim.
	rsp.Results = append(rsp.GetResults(), &fnv1.Result{
		Severity: fnv1.Severity_SEVERITY_FATAL, Reason: &reason, Message: err.Error(), Target: fnv1.Target_TARGET_COMPOSITE.Enum(),
	})
}

// Statuses of conditions.
const (
	isTrue    = fnv1.Status_STATUS_CONDITION_TRUE
	isFalse   = fnv1.Status_STATUS_CONDITION_FALSE
	isUnknown = fnv1.Status_STATUS_CONDITION_UNKNOWN
)

// set sets a condition of the composite resource and its claim.
func set(rsp *fnv1.RunFunctionResponse, typ string, status fnv1.Status, reason, message string) {
	rsp.Conditions = append(rsp.GetConditions(), &fnv1.Condition{
		Type: typ, Status: status, Reason: reason, Message: &message, Target: fnv1.Target_TARGET_COMPOSITE_AND_CLAIM.Enum(),
	})
}

// IsFatal reports whether a response has a fatal result.
func IsFatal(rsp *fnv1.RunFunctionResponse) bool {
	return slices.ContainsFunc(rsp.GetResults(), func(r *fnv1.Result) bool { return r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL })
}

// Outcome returns what a response decides, in words of this package and of package guard
// only, such as a log may show: the reason of its fatal result, or else that of the
// condition ConfigRolledOut; and each condition that the function sets with its reason.
// Messages may quote the spec, reasons never do.
func Outcome(rsp *fnv1.RunFunctionResponse) (decision, reasons string) {
	words := make([]string, 0, len(rsp.GetConditions()))

	for _, c := range rsp.GetConditions() {
		words = append(words, c.GetType()+"="+c.GetReason())

		if c.GetType() == ConfigRolledOut {
			decision = c.GetReason()
		}
	}

	for _, r := range rsp.GetResults() {
		if r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
			decision = r.GetReason()
		}
	}

	return decision, strings.Join(words, " ")
}

// Valid reports that the spec and the input are valid.
func Valid(rsp *fnv1.RunFunctionResponse) {
	set(rsp, SpecValid, isTrue, ReasonValid, "The spec is valid")
}

// Secrets reports whether the Secrets that the spec names are there.
func Secrets(rsp *fnv1.RunFunctionResponse, s secret.Secrets) {
	switch s.State {
	case secret.There:
		set(rsp, SecretsResolved, isTrue, ReasonResolved, "Every Secret that the spec names is there and can be used")
	case secret.NotFetched:
		set(rsp, SecretsResolved, isUnknown, ReasonNotFetched, "Waiting for Crossplane to fetch the Secrets that the spec names")
	case secret.Missing:
		set(rsp, SecretsResolved, isFalse, ReasonMissing, message(strings.Join(s.Problems, "; ")))
	}
}

// Rollout reports whether the pod template is what the spec asks for.
// A StatefulSet that is starting is not there yet.
func Rollout(rsp *fnv1.RunFunctionResponse, d guard.Decision, isStarting bool) {
	switch {
	case d.Rollout == guard.RolledOut && isStarting:
		set(rsp, ConfigRolledOut, isFalse, string(guard.ConfigMapNotReady), newServer)
	case d.Rollout == guard.RolledOut:
		set(rsp, ConfigRolledOut, isTrue, string(d.Rollout), "The pod template is what the spec asks for")
	default:
		set(rsp, ConfigRolledOut, isFalse, string(d.Rollout), rolloutMessage(d)+keytabMessage(d))
	}
}

// newServer is said from the first call until the StatefulSet is there: each change of a condition writes the
// DittoServer twice.
const newServer = "The StatefulSet is created once the ConfigMap holds its configuration"

// Storage reports whether what Kubernetes cannot change is what the spec asks for,
// and what to do if it is not.
func Storage(rsp *fnv1.RunFunctionResponse, d guard.Decision) {
	reason, parts := ReasonUpToDate, []string{}

	if len(d.Growing) > 0 {
		reason, parts = ReasonGrowing, append(parts, growing(d.Growing))
	}

	if len(d.Attributes) > 0 {
		reason, parts = ReasonGrowing, append(parts, changing(d.Attributes))
	}

	if slices.ContainsFunc(d.Growing, func(g guard.Growth) bool { return g.NeedsPerson }) ||
		slices.ContainsFunc(d.Attributes, func(c guard.AttributesChange) bool { return c.NeedsPerson }) {
		reason = ReasonNotGrowing
	}

	if len(d.Unseen) > 0 {
		reason, parts = ReasonNotObserved, append(parts, "Waiting to see volume claims that may be older than the StatefulSet: "+strings.Join(d.Unseen, ", "))
	}

	switch {
	case len(d.Frozen) > 0 && d.Rollout == guard.Recreating:
		reason, parts = string(guard.Recreating), append(parts, "Recreating the stopped StatefulSet with the changes that it kept back: "+strings.Join(d.Frozen, "; ")+". Then start the server (spec.replicas: 1)")
	case len(d.Frozen) > 0:
		reason, parts = ReasonFrozen, append(parts, "Kubernetes cannot change some fields of a running server, which keep their values: "+strings.Join(d.Frozen, "; ")+nextStep(d))
	}

	if len(parts) == 0 {
		set(rsp, StorageUpToDate, isTrue, ReasonUpToDate, "The volume claims are what the spec asks for")
		return
	}

	set(rsp, StorageUpToDate, isFalse, reason, message(strings.Join(parts, ". ")))
}

// nextStep tells how to have the StatefulSet recreated.
func nextStep(d guard.Decision) string {
	switch {
	case !d.NeedsStop:
		return ""
	case d.IsOverridden:
		return ". The StatefulSet was recreated as the spec asks, but something in the cluster, such as a webhook, changed it. Either set the spec to what the StatefulSet has, or remove what changes it and delete the stopped StatefulSet, or its Object of provider-kubernetes"
	case d.Stopping:
		return ". To change volume claims, wait until the server has stopped and the StatefulSet is recreated. Then start the server (spec.replicas: 1)"
	default:
		return ". To change volume claims, stop the server (spec.replicas: 0), wait for the phase Stopped, and start it again: the StatefulSet is recreated, and the data stay"
	}
}

// growing tells of each claim what it has, what is asked, and why it does not have that yet.
func growing(claims []guard.Growth) string {
	told := make([]string, 0, len(claims))
	for _, g := range claims {
		told = append(told, fmt.Sprintf("PersistentVolumeClaim %s has %s and grows to %s: %s", g.Claim, g.Has.String(), g.Asked.String(), g.Why))
	}

	return "Volume claims grow while the server runs: " + strings.Join(told, "; ")
}

// changing tells of each claim which volume attributes class it has, which is asked, and why it
// does not have that yet.
func changing(claims []guard.AttributesChange) string {
	told := make([]string, 0, len(claims))
	for _, c := range claims {
		told = append(told, fmt.Sprintf("PersistentVolumeClaim %s has %q and changes to %q: %s", c.Claim, c.Has, c.Asked, c.Why))
	}

	return "Volume attributes classes change while the server runs: " + strings.Join(told, "; ")
}

func rolloutMessage(d guard.Decision) string {
	what := "The running server keeps its configuration and pod template"
	if d.LeaveOut {
		what = "The StatefulSet is not composed"
	}

	switch d.Rollout {
	case guard.SecretsNotFetched:
		return what + " until Crossplane has fetched its Secrets"
	case guard.SecretsNotResolved:
		return what + " until its Secrets exist and can be used: see the condition " + SecretsResolved
	case guard.StartPrevented:
		return what + " until its keytab can be read: see the condition " + SecretsResolved + ". Until then the kubelet starts no container of it, because NFS would run without Kerberos"
	case guard.StorageMissing:
		return what + ", because the new pod template needs a volume claim that the StatefulSet does not have: see the condition " + StorageUpToDate
	case guard.ApprovalRequired:
		return fmt.Sprintf("%s until a person approves the change (%s): annotate the DittoServer with %s=%s", what, strings.Join(d.Dangers, ", "), v1alpha1.AnnotationApprove, d.Approval)
	case guard.RolloutInProgress:
		return what + " until the StatefulSet has the previous change"
	case guard.ConfigMapNotReady:
		if d.Paused || d.LeaveOut {
			return newServer
		}

		return "The pod template waits until the ConfigMap holds the new configuration"
	case guard.Recreating:
		return "Recreating the stopped StatefulSet with the volume claims that the spec asks for"
	case guard.PredecessorThere:
		if len(d.Predecessors) == 0 {
			return what + " until Crossplane has looked for an earlier StatefulSet of that name"
		}

		return what + " until the earlier StatefulSet, or its Object, is gone: " + strings.Join(d.Predecessors, ", ")
	case guard.RolledOut:
	}

	return what
}

// keytabMessage tells of a keytab that pods mount and the function does not read.
func keytabMessage(d guard.Decision) string {
	switch {
	case d.UnreadKeytab == "":
		return ""
	case d.PreventsStart:
		return fmt.Sprintf(". Pods still mount the keytab of Secret %s. It could not be read when the spec last named it, so the kubelet starts no container", d.UnreadKeytab)
	default:
		return fmt.Sprintf(". Pods still mount the keytab of Secret %s, which the spec does not name any more. Leave it as it is: nothing keeps a server from starting on one that cannot be read", d.UnreadKeytab)
	}
}

// Apply reports whether every composed resource was applied, and what Crossplane
// or the provider says of one that was not: users cannot read Objects.
func Apply(rsp *fnv1.RunFunctionResponse, xr *structpb.Struct, manifests manifest.Manifests, o observed.Resources) {
	var notApplied []string

	reason, notObserved := ReasonNotSynced, false

	for _, n := range manifest.Names() {
		if _, ok := manifests[n]; !ok {
			continue
		}

		switch r := o[n]; {
		case r.IsForeign():
			reason = ReasonForeign
			notApplied = append(notApplied, fmt.Sprintf("%s: %s", n, r.Foreign))
		case r.IsNotSynced():
			// A paused Object has a reason and no message.
			notApplied = append(notApplied, fmt.Sprintf("%s: %s", n, cmp.Or(r.Synced.Message, r.Synced.Reason)))
		case r == nil || r.Live == nil:
			notObserved = true
		}
	}

	switch c := condition.Of(xr, string(xpv2.TypeSynced)); {
	case len(notApplied) > 0:
		set(rsp, Applied, isFalse, reason, message("Cannot apply "+strings.Join(notApplied, "; ")))
	case c != nil && c.Status == "False" && c.Reason != string(xpv2.ReasonReconcilePaused) && !strings.Contains(c.Message, "returned a fatal result"):
		// Crossplane calls no paused resource, so that reason is out of date. So is a fatal
		// result of this pipeline, which did not recur.
		set(rsp, Applied, isFalse, ReasonReconcile, message("Crossplane reports: "+c.Message))
	case notObserved:
		// Without names: they would change with each resource that is observed, and each
		// change writes the XR twice. Crossplane stops listening to an XR that is written
		// often.
		set(rsp, Applied, isFalse, ReasonNotObserved, "Waiting to see every composed resource in the cluster")
	default:
		set(rsp, Applied, isTrue, ReasonApplied, "Every composed resource is applied")
	}
}

// Warn reports what works, but perhaps not as the user expects, or not as the platform allows any more.
func Warn(rsp *fnv1.RunFunctionResponse, kept guard.Kept, warnings []string) {
	reason := ReasonHasWarnings

	if len(kept.Forbidden) > 0 {
		// First, so that nothing cuts it off.
		reason, warnings = ReasonForbidden, append([]string{keptWarning(kept)}, warnings...)
	}

	if len(warnings) == 0 {
		set(rsp, Warnings, isFalse, ReasonNone, "No warnings")
		return
	}

	set(rsp, Warnings, isTrue, reason, message(strings.Join(warnings, "; ")))
}

// keptWarning tells what a server keeps past the platform's policy.
func keptWarning(kept guard.Kept) string {
	what := "The server keeps what the platform's policy does not allow any more"
	if kept.NotStarted {
		what = "The server is not started, since it keeps what the platform's policy does not allow any more"
	}

	return fmt.Sprintf("%s, until the change goes through that %s or %s tells of: %s", what, ConfigRolledOut, StorageUpToDate, tell(kept.Forbidden))
}

// IdentityWarnings returns what of identity providers may not be in effect, and what to do.
func IdentityWarnings(d guard.Decision) []string {
	var w []string

	for _, p := range d.NotInEffect {
		calls := fmt.Sprintf("send it PUT %s with %s", p.Name.Endpoint(), p.Body)
		if p.Name.IsReadAtStart() {
			calls += ", delete its pod, which reads them when it starts"
		}

		w = append(w, fmt.Sprintf("%s: %s: %s, and then annotate the DittoServer with %s=%s", p.Name.Field(), whyNotInEffect(p), calls, v1alpha1.AnnotationAcknowledge, d.Acknowledge))
	}

	return w
}

// whyNotInEffect tells why the settings of an identity provider may not be in effect, and what that
// lets in.
func whyNotInEffect(p guard.Provider) string {
	switch {
	case !p.IsUnknown():
		return "the server goes by what it copied into its database when it first started, so these settings may not be in effect"
	case p.Name.LeavesOpen():
		return "the server goes by its database, which may have other settings, or have it turned off, so that NFS runs without Kerberos and the server says that it is ready"
	default:
		return "the server goes by its database, which may have other settings, or have it turned off"
	}
}

// troubles are the reasons of conditions that get a Warning result when they come
// up. The others pass by themselves, follow from one of these, or the composed resource has
// events of its own.
//
//nolint:gochecknoglobals // A table.
var troubles = map[string][]string{
	SecretsResolved: {ReasonMissing},
	ConfigRolledOut: {string(guard.ApprovalRequired), string(guard.StorageMissing)},
	StorageUpToDate: {ReasonFrozen, ReasonNotGrowing},
	Applied:         {ReasonForeign},
	Warnings:        {ReasonHasWarnings, ReasonForbidden},
}

// Transitions adds a Warning result for each condition that has come up, or says
// something new, with a reason that means trouble. A result on every call would be an event on every
// call.
func Transitions(rsp *fnv1.RunFunctionResponse, xr *structpb.Struct) {
	for _, c := range rsp.GetConditions() {
		before := condition.Of(xr, c.GetType())
		if !slices.Contains(troubles[c.GetType()], c.GetReason()) || before != nil && before.Reason == c.GetReason() && before.Message == c.GetMessage() {
			continue
		}

		rsp.Results = append(rsp.GetResults(), &fnv1.Result{
			Severity: fnv1.Severity_SEVERITY_WARNING, Reason: &c.Reason, Message: c.GetMessage(), Target: fnv1.Target_TARGET_COMPOSITE_AND_CLAIM.Enum(),
		})
	}
}
