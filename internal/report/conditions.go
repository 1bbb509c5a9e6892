// Package report tells the user how a DittoServer is: conditions, status and
// results.
package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation/field"

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
	ReasonApplied     = "Applied"
	ReasonNotObserved = "NotObserved"
	ReasonNotSynced   = "NotSynced"
	ReasonReconcile   = "ReconcileError"
	ReasonNone        = "None"
	ReasonHasWarnings = "HasWarnings"
	ReasonNotChecked  = "NotChecked"
	ReasonFatal       = "FatalError"
	ReasonPanic       = "Panic"
)

// maxMessageLength of a condition or a result, in bytes.
const maxMessageLength = 16 * 1024

// message bounds the length of a message: the API server bounds the size of an
// object, and whoever wrote a huge value knows it.
func message(m string) string {
	if len(m) <= maxMessageLength {
		return m
	}

	return strings.ToValidUTF8(m[:maxMessageLength], "") + " … (cut)"
}

// Invalid reports everything that is wrong with the spec or the input. Nothing
// changes in the cluster.
func Invalid(rsp *fnv1.RunFunctionResponse, errs field.ErrorList) {
	msgs := make([]string, 0, len(errs))
	for _, err := range errs {
		msgs = append(msgs, err.Error())
	}

	all := message(strings.Join(msgs, "; "))
	response.ConditionFalse(rsp, SpecValid, ReasonInvalid).WithMessage(all).TargetCompositeAndClaim()
	Fatal(rsp, ReasonInvalid, errors.Errorf("invalid DittoServer: %s", all))
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
			response.ConditionUnknown(rsp, t, ReasonNotChecked).WithMessage(message("Not checked: " + why)).TargetCompositeAndClaim()
		}
	}

	response.Fatal(rsp, err)
	rsp.Results[len(rsp.GetResults())-1].Reason = &reason
}

// Valid reports that the spec and the input are valid.
func Valid(rsp *fnv1.RunFunctionResponse) {
	response.ConditionTrue(rsp, SpecValid, ReasonValid).WithMessage("The spec is valid").TargetCompositeAndClaim()
}

// Secrets reports whether the Secrets that the spec names are there.
func Secrets(rsp *fnv1.RunFunctionResponse, s secret.Secrets) {
	switch s.State {
	case secret.There:
		response.ConditionTrue(rsp, SecretsResolved, ReasonResolved).WithMessage("Every Secret that the spec names is there and can be used").TargetCompositeAndClaim()
	case secret.NotFetched:
		response.ConditionUnknown(rsp, SecretsResolved, ReasonNotFetched).WithMessage("Waiting for Crossplane to fetch the Secrets that the spec names").TargetCompositeAndClaim()
	case secret.Missing:
		response.ConditionFalse(rsp, SecretsResolved, ReasonMissing).WithMessage(message(strings.Join(s.Problems, "; "))).TargetCompositeAndClaim()
	}
}

// Rollout reports whether the pod template is what the spec asks for.
func Rollout(rsp *fnv1.RunFunctionResponse, d guard.Decision) {
	if d.Rollout == guard.RolledOut {
		response.ConditionTrue(rsp, ConfigRolledOut, string(d.Rollout)).WithMessage("The pod template is what the spec asks for").TargetCompositeAndClaim()
	} else {
		response.ConditionFalse(rsp, ConfigRolledOut, string(d.Rollout)).WithMessage(rolloutMessage(d)).TargetCompositeAndClaim()
	}

	response.ConditionTrue(rsp, StorageUpToDate, ReasonUpToDate).WithMessage("The volume claims are what the spec asks for").TargetCompositeAndClaim()
}

func rolloutMessage(d guard.Decision) string {
	what := "The running server keeps its configuration and pod template"
	if _, ok := d.Manifests[manifest.StatefulSet]; !ok {
		what = "The StatefulSet is not composed"
	}

	switch d.Rollout {
	case guard.SecretsNotFetched:
		return what + " until Crossplane has fetched its Secrets"
	case guard.SecretsNotResolved:
		return what + " until its Secrets are there: see condition " + SecretsResolved
	case guard.ConfigMapNotReady:
		return "The pod template waits until the ConfigMap holds the new configuration"
	case guard.RolledOut:
	}

	return what
}

// Apply reports whether every composed resource was applied, and what Crossplane
// or the provider says of one that was not: users cannot read Objects.
func Apply(rsp *fnv1.RunFunctionResponse, xr *structpb.Struct, manifests manifest.Manifests, running observed.Resources) {
	var notSynced, notObserved []string

	for _, n := range manifest.Names() {
		if _, ok := manifests[n]; !ok {
			continue
		}

		switch o := running[n]; {
		case IsNotSynced(o):
			notSynced = append(notSynced, fmt.Sprintf("%s: %s", n, o.Synced.Message))
		case o == nil || o.Live == nil:
			notObserved = append(notObserved, string(n))
		}
	}

	switch c := observed.ConditionOf(xr, "Synced"); {
	case len(notSynced) > 0:
		response.ConditionFalse(rsp, Applied, ReasonNotSynced).WithMessage(message("Cannot apply " + strings.Join(notSynced, "; "))).TargetCompositeAndClaim()
	case c != nil && c.Status == "False" && !strings.Contains(c.Message, "returned a fatal result"):
		// A fatal result was this pipeline's own, and is over.
		response.ConditionFalse(rsp, Applied, ReasonReconcile).WithMessage(message("Crossplane reports: " + c.Message)).TargetCompositeAndClaim()
	case len(notObserved) > 0:
		response.ConditionFalse(rsp, Applied, ReasonNotObserved).WithMessage("Waiting to see " + strings.Join(notObserved, ", ")).TargetCompositeAndClaim()
	default:
		response.ConditionTrue(rsp, Applied, ReasonApplied).WithMessage("Every composed resource is applied").TargetCompositeAndClaim()
	}
}

// IsNotSynced says whether a composed resource is known not to be applied.
func IsNotSynced(o *observed.Resource) bool {
	return o != nil && o.Synced != nil && o.Synced.Status == "False"
}

// Warn reports what works, but perhaps not as the user expects.
func Warn(rsp *fnv1.RunFunctionResponse, warnings []string) {
	if len(warnings) == 0 {
		response.ConditionFalse(rsp, Warnings, ReasonNone).WithMessage("No warnings").TargetCompositeAndClaim()
		return
	}

	response.ConditionTrue(rsp, Warnings, ReasonHasWarnings).WithMessage(message(strings.Join(warnings, "; "))).TargetCompositeAndClaim()
}
