// Package change works out what a change of a DittoServer, its Secrets, its Composition or
// the function does to a server: what of it changes, whether it restarts, and why. It calls
// the function as Crossplane would, until nothing changes any more.
package change

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// A Runner runs the function.
type Runner func(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error)

// A Side is all that there is before a change, or after it.
type Side struct {
	// XR is the composite resource, or nil if there is none.
	XR *structpb.Struct

	// Observed composed resources by their name. Without any, the server is brought up
	// first. Only what there is before a change has some.
	Observed map[string]*structpb.Struct

	// Input of the function.
	Input *structpb.Struct

	// Revision names the revision of the Composition. Crossplane writes it into the
	// composite resource.
	Revision string

	// Secrets that there are.
	Secrets []*structpb.Struct

	// Run the function.
	Run Runner
}

// A Verdict is what a change does to a server.
type Verdict string

// Verdicts.
const (
	// Unchanged means that nothing changes.
	Unchanged Verdict = "no change"

	// NoRestart means that something changes, and the pod stays.
	NoRestart Verdict = "no restart"

	// Restarts means that the pod is replaced.
	Restarts Verdict = "restarts"

	// Starts means that a server starts that did not run before.
	Starts Verdict = "starts"

	// Stops means that a running server stops.
	Stops Verdict = "stops"

	// Created means that there is a new DittoServer, which starts.
	Created Verdict = "created"

	// Deleted means that there is no DittoServer any more. Its volume claims stay.
	Deleted Verdict = "deleted"

	// Held means that the server keeps running unchanged, and the change waits.
	Held Verdict = "held"

	// Waits means that a server that does not run does not start yet.
	Waits Verdict = "does not start"

	// Refused means that the function refuses the change, and nothing is applied.
	Refused Verdict = "refused"

	// Unknown means that the change cannot be judged, since the function already refuses
	// the state before it.
	Unknown Verdict = "unknown"
)

// Interrupts reports whether a running server stops, for a while or for good.
func (c *Change) Interrupts() bool {
	return slices.Contains([]Verdict{Restarts, Stops, Deleted}, c.Verdict)
}

// IsStuck reports whether a change, or a part of it, needs a person to go through.
func (c *Change) IsStuck() bool {
	return c.InPart || slices.Contains([]Verdict{Held, Waits, Refused, Unknown}, c.Verdict)
}

// A Change of a server.
type Change struct {
	Verdict Verdict

	// Restarts is how often the pod is replaced.
	Restarts int

	// InPart reports whether what Kubernetes cannot change stays as it is.
	InPart bool

	// Why it is the verdict.
	Why []string

	// Resources that change.
	Resources []Resource

	// Conditions that ask for attention afterwards.
	Conditions []*fnv1.Condition

	// Approved is what the change does once a person approves it, or nil if none has to.
	Approved *Change
}

// A Resource is a composed resource that changes.
type Resource struct {
	// Name of the composed resource, and the Kubernetes object.
	Name, Object string

	// Added and Removed say whether it comes or goes.
	Added, Removed bool

	// Differences of one that stays.
	Differences []Difference
}

// Of returns what a change does to a server.
func Of(ctx context.Context, before, after Side) (*Change, error) {
	switch {
	case after.XR == nil:
		return &Change{Verdict: Deleted, Why: []string{"its volume claims stay"}}, nil
	case before.XR == nil:
		c := newControlPlane(after)
		if err := c.settle(ctx); err != nil {
			return nil, err
		}

		return created(c), nil
	}

	c := newControlPlane(before)
	if err := c.settle(ctx); err != nil {
		return nil, fmt.Errorf("before the change: %w", err)
	}

	if report.IsFatal(c.response) {
		return &Change{Verdict: Unknown, Why: []string{"before the change: " + fatal(c.response)}}, nil
	}

	next := c.clone()
	next.restarts, next.recreated = 0, false
	next.change(after)

	if err := next.settle(ctx); err != nil {
		return nil, err
	}

	return judge(ctx, c, next)
}

// stored is a composite resource as the API server has it.
func stored(xr *structpb.Struct) *structpb.Struct {
	xr = proto.CloneOf(xr)

	if xr.GetFields() == nil {
		xr.Fields = map[string]*structpb.Value{}
	}

	if protostruct.Get(xr, "metadata", "generation") == nil {
		protostruct.Set(xr, structpb.NewNumberValue(1), "metadata", "generation")
	}

	if protostruct.Get(xr, "metadata", "uid") == nil {
		protostruct.Set(xr, structpb.NewStringValue("diff"), "metadata", "uid")
	}

	return xr
}

// change applies the side after the change, and keeps the fields that Crossplane wrote.
func (c *controlPlane) change(after Side) {
	spec := proto.CloneOf(protostruct.Get(after.XR, "spec").GetStructValue())
	if spec == nil {
		spec = &structpb.Struct{}
	}

	for name, v := range machineryFields(c.xr) {
		has, written := spec.GetFields()[name], v.GetStructValue()

		switch {
		case has == nil:
			protostruct.Set(spec, v, name)
		case name == "crossplane":
			for k, v := range written.GetFields() {
				if protostruct.Get(has.GetStructValue(), k) == nil {
					protostruct.Set(spec, v, name, k)
				}
			}
		}
	}

	if !proto.Equal(protostruct.Get(c.xr, "spec").GetStructValue(), spec) {
		protostruct.Set(c.xr, structpb.NewStructValue(spec), "spec")
		cluster.Bump(c.xr)
	}

	for k, v := range protostruct.Get(after.XR, "metadata", "annotations").GetStructValue().GetFields() {
		protostruct.Set(c.xr, v, "metadata", "annotations", k)
	}

	if c.side.Revision != after.Revision {
		c.write(structpb.NewStringValue(after.Revision), "compositionRevisionRef", "name")
	}

	c.side = after
}

func created(c *controlPlane) *Change {
	if report.IsFatal(c.response) {
		return &Change{Verdict: Refused, Why: []string{fatal(c.response)}}
	}

	out := &Change{Verdict: Created, Resources: resources(nil, desired(c)), Conditions: attention(nil, c.response)}

	sts := cluster.Live(c.composed[string(manifest.StatefulSet)])

	switch {
	case sts == nil:
		out.Verdict, out.Why = Waits, []string{cluster.ReasonOf(c.response, report.ConfigRolledOut)}
	case replicas(sts) == 0:
		out.Why = []string{"stopped, since spec.replicas is 0"}
	}

	return out
}

// judge returns the verdict on what became of a server.
func judge(ctx context.Context, before, after *controlPlane) (*Change, error) {
	if report.IsFatal(after.response) {
		return &Change{Verdict: Refused, Why: []string{fatal(after.response)}}, nil
	}

	out := &Change{
		Restarts:   after.restarts,
		Resources:  resources(desired(before), desired(after)),
		Conditions: attention(before.response, after.response),
		InPart:     cluster.ReasonOf(after.response, report.StorageUpToDate) != report.ReasonUpToDate,
	}

	was, is := cluster.Live(before.composed[string(manifest.StatefulSet)]), cluster.Live(after.composed[string(manifest.StatefulSet)])
	hold := cluster.ReasonOf(after.response, report.ConfigRolledOut)

	switch {
	case was == nil && is == nil:
		out.Verdict, out.Why = Waits, []string{hold}
	case is == nil:
		out.Verdict, out.Why = Stops, []string{"its StatefulSet is deleted"}
	case was == nil:
		out.Verdict = Starts
	case replicas(was) > 0 && replicas(is) == 0:
		out.Verdict, out.Why = Stops, []string{"spec.replicas is 0"}
	case replicas(was) == 0 && replicas(is) > 0:
		out.Verdict = Starts
	case after.restarts > 0:
		out.Verdict, out.Why = Restarts, reasons(before, after)
	case hold != string(guard.RolledOut):
		out.Verdict, out.Why = Held, []string{hold}
	case out.InPart && len(after.grown) == 0 && isOnlyNoted(out.Resources):
		out.Verdict = Held
	case len(out.Resources) == 0:
		out.Verdict = Unchanged
	default:
		out.Verdict = NoRestart
	}

	if out.Verdict == Starts && after.restarts > 0 {
		out.Why = append(out.Why, "and is replaced at once, since the replica comes before the new pod template")
	}

	if after.recreated && is != nil {
		out.Why = append(out.Why, "its StatefulSet is created anew, and its volume claims stay")
	}

	out.Why = append(out.Why, after.grown...)

	if out.InPart {
		out.Why = append(out.Why, "some of it stays as it is: see "+report.StorageUpToDate)
	}

	var err error
	if hold == string(guard.ApprovalRequired) {
		out.Approved, err = approved(ctx, before, after)
	}

	return out, err
}

// approval is what a message asks a person to set.
var approval = regexp.MustCompile(regexp.QuoteMeta(v1alpha1.AnnotationApprove) + `=([0-9a-f]+)`)

// approved returns what a change that waits for approval does once it is approved.
func approved(ctx context.Context, before, after *controlPlane) (*Change, error) {
	value := approval.FindStringSubmatch(cluster.ConditionOf(after.response, report.ConfigRolledOut).GetMessage())
	if value == nil {
		return nil, fmt.Errorf("condition %s does not say how to approve", report.ConfigRolledOut)
	}

	next := after.clone()
	protostruct.Set(next.xr, structpb.NewStringValue(value[1]), "metadata", "annotations", v1alpha1.AnnotationApprove)

	if err := next.settle(ctx); err != nil {
		return nil, fmt.Errorf("once approved: %w", err)
	}

	if cluster.ReasonOf(next.response, report.ConfigRolledOut) == string(guard.ApprovalRequired) {
		return nil, fmt.Errorf("once approved, it waits for another approval: %s", cluster.ConditionOf(next.response, report.ConfigRolledOut).GetMessage())
	}

	return judge(ctx, before, next)
}

// fatal returns the message of a fatal result.
func fatal(rsp *fnv1.RunFunctionResponse) string {
	for _, r := range rsp.GetResults() {
		if r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL {
			return r.GetMessage()
		}
	}

	return ""
}

// attention returns the conditions that a person should look at after a change, without
// warnings that there were before.
func attention(before, after *fnv1.RunFunctionResponse) []*fnv1.Condition {
	var out []*fnv1.Condition

	for _, c := range after.GetConditions() {
		good := c.GetStatus() == fnv1.Status_STATUS_CONDITION_TRUE
		if c.GetType() == report.Warnings {
			good = !good || proto.Equal(c, cluster.ConditionOf(before, report.Warnings))
		}

		if !good {
			out = append(out, c)
		}
	}

	return out
}

// desired returns the composed resources of the last response.
func desired(c *controlPlane) map[string]*structpb.Struct {
	out := map[string]*structpb.Struct{}
	for name, r := range c.response.GetDesired().GetResources() {
		out[name] = r.GetResource()
	}

	return out
}

// resources returns the composed resources that differ.
func resources(before, after map[string]*structpb.Struct) []Resource {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)

	var out []Resource

	for _, name := range slices.Compact(names) {
		b, a := before[name], after[name]

		switch {
		case b == nil:
			out = append(out, Resource{Name: name, Object: objectOf(a), Added: true})
		case a == nil:
			out = append(out, Resource{Name: name, Object: objectOf(b), Removed: true})
		default:
			if diffs := resourceDifferences(b, a); len(diffs) > 0 {
				out = append(out, Resource{Name: name, Object: objectOf(a), Differences: diffs})
			}
		}
	}

	return out
}

// isOnlyNoted reports whether nothing differs but what the function notes of claims.
func isOnlyNoted(resources []Resource) bool {
	return !slices.ContainsFunc(resources, func(r Resource) bool {
		return r.Added || r.Removed || slices.ContainsFunc(r.Differences, func(d Difference) bool {
			return !strings.Contains(d.Path, v1alpha1.AnnotationClaims) && !strings.Contains(d.Path, v1alpha1.AnnotationCreatedAnew)
		})
	})
}

func objectOf(composed *structpb.Struct) string {
	o := cluster.Asked(composed)
	return protostruct.Get(o, "kind").GetStringValue() + " " + protostruct.Get(o, "metadata", "name").GetStringValue()
}

// Write writes a change for people to read: the verdict, and below it what changes.
func (c *Change) Write(w io.Writer, server string) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s: %s\n", server, c.verdict())

	if c.Approved != nil {
		fmt.Fprintf(b, "  once approved: %s\n", c.Approved.verdict())
		writeResources(b, c.Approved.Resources)
	} else {
		writeResources(b, c.Resources)
	}

	for _, condition := range c.Conditions {
		// The value is that of this very state, which the cluster's is not.
		m := approval.ReplaceAllString(condition.GetMessage(), v1alpha1.AnnotationApprove+"=<the value that the condition names then>")
		fmt.Fprintf(b, "  %s: %s: %s\n", condition.GetType(), condition.GetReason(), m)
	}

	_, err := io.WriteString(w, b.String())

	return err
}

// verdict returns the verdict in one line.
func (c *Change) verdict() string {
	v := string(c.Verdict)
	if c.Verdict == Restarts && c.Restarts > 1 {
		v += fmt.Sprintf(" %d times", c.Restarts)
	}

	why := c.Why
	if c.Verdict == NoRestart {
		names := make([]string, 0, len(c.Resources))
		for _, r := range c.Resources {
			names = append(names, r.Name)
		}

		why = append([]string{"changes " + strings.Join(names, ", ")}, why...)
	}

	if len(why) == 0 {
		return v
	}

	return v + ": " + strings.Join(why, "; ")
}

func writeResources(b *strings.Builder, resources []Resource) {
	for _, r := range resources {
		mark := "~"

		switch {
		case r.Added:
			mark = "+"
		case r.Removed:
			mark = "-"
		}

		fmt.Fprintf(b, "  %s %s (%s)\n", mark, r.Name, r.Object)

		for _, d := range r.Differences {
			fmt.Fprintf(b, "      %s\n", d)
		}
	}
}
