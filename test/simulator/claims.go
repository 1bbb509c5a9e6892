package simulator

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// Messages of the API server about claims.
const (
	cannotExpand   = `persistentvolumeclaims "%s" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`
	cannotShrink   = `PersistentVolumeClaim "%s" is invalid: spec.resources.requests.storage: Forbidden: field can not be less than status.capacity`
	hasNoModes     = `PersistentVolumeClaim "%s" is invalid: spec.accessModes: Required value: at least 1 access mode is required`
	isImmutable    = `PersistentVolumeClaim "%s" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims`
	isModified     = `Operation cannot be fulfilled on persistentvolumeclaims "%s": the object has been modified; please apply your changes to the latest version and try again`
	resourceNeeded = `PersistentVolumeClaim "%s" is invalid: spec.resources[storage]: Required value`
)

// isClaim reports whether a composed resource stands for a claim.
func isClaim(name string) bool { return strings.HasPrefix(name, cluster.ClaimObject("")) }

// provideClaim is what provider-kubernetes does with the Object of a claim. It deletes and creates
// none: those would be the data.
func (w *World) provideClaim(name string, f Fault) {
	for _, objects := range []map[string]*structpb.Struct{w.leaving, w.Composed} {
		o := objects[name]
		if o == nil {
			continue
		}

		if cluster.MayDelete(o) || cluster.MayWrite(o) {
			w.failf("the Object of %s may delete the claim: %v", name, policies(o))
		}

		// Where it may delete nothing, it does not look at the claim any more.
		if protostruct.Get(o, "metadata", "deletionTimestamp") != nil {
			w.didf("%s: its Object is deleted", name)
			delete(objects, name)
			delete(w.dryRuns, name)

			return
		}
	}

	o, live := w.Composed[name], w.Claims[name]

	switch {
	case o == nil:
		return
	case f == Unread:
		w.notSynced(name, o, cannotRead, w.words(f))
		return
	case live == nil && !cluster.MayUpdate(o):
		w.notSynced(name, o, "observe failed: ", "external resource does not exist")
		return
	case live == nil:
		// The API server lets nobody create a claim without access modes.
		next, refusal := w.applyClaim(name, cluster.Asked(o), nil)
		if refusal == "" {
			w.failf("a claim is created: %v", next)
		}

		w.notSynced(name, o, cannotUpdate, refusal)

		return
	}

	cluster.SetLive(o, versioned(live))

	next, refusal := w.applyClaim(name, cluster.Asked(o), live)

	switch {
	case refusal != "":
		w.notSynced(name, o, cannotDryRun, refusal)
	case !cluster.MayUpdate(o), proto.Equal(protostruct.Get(next, "spec"), protostruct.Get(live, "spec")):
		w.didf("provide %s: observe", name)
		w.synced(o)
	case f == Unsent || f == Conflict:
		w.notSynced(name, o, cannotUpdate, w.words(f))
	default:
		request, _ := cluster.ClaimSizes(next)
		w.didf("provide %s: ask for %s", name, request)
		w.Claims[name] = next

		if f == Dies {
			return
		}

		if f == Lost {
			w.notSynced(name, o, cannotUpdate, w.words(f))
			return
		}

		w.synced(o)
		cluster.SetLive(o, versioned(next))
	}
}

// versioned returns a claim with its resource version, which is another one for each content.
func versioned(claim *structpb.Struct) *structpb.Struct {
	return protostruct.With(claim, structpb.NewStringValue(versionOf(claim)), "metadata", "resourceVersion")
}

func versionOf(claim *structpb.Struct) string {
	h := fnv.New32a()
	_, _ = h.Write(protostruct.JSON(structpb.NewStructValue(claim)))

	return strconv.FormatUint(uint64(h.Sum32()), 10)
}

// applyClaim returns what becomes of a claim when the provider applies what is asked, and what the
// API server says if it refuses that.
func (w *World) applyClaim(name string, asked, live *structpb.Struct) (*structpb.Struct, string) {
	version := protostruct.Get(asked, "metadata", "resourceVersion").GetStringValue()

	next, err := cluster.Apply(managerOf(name), protostruct.With(asked, nil, "metadata", "resourceVersion"), live)
	if err != nil {
		w.failf("%v", err)
	}

	// Mutation comes before the class is asked, and validation last.
	w.change(next, live)

	claim := protostruct.Get(asked, "metadata", "name").GetStringValue()
	refuse := func(format string) (*structpb.Struct, string) { return next, fmt.Sprintf(format, claim) }

	if refusal := w.refusal(name, next, live); refusal != "" {
		return next, refusal
	}

	if version != "" && version != versionOf(live) {
		return refuse(isModified)
	}

	if protostruct.Get(next, "spec", "accessModes") == nil {
		return refuse(hasNoModes)
	}

	bare := func(c *structpb.Struct) *structpb.Struct {
		return protostruct.With(protostruct.With(c, nil, "spec", "volumeAttributesClassName"), nil, "spec", "resources", "requests", "storage")
	}
	if !proto.Equal(protostruct.Get(bare(next), "spec"), protostruct.Get(bare(live), "spec")) {
		return refuse(isImmutable)
	}

	request, _ := cluster.ClaimSizes(next)
	was, has := cluster.ClaimSizes(live)

	if request == "" {
		return refuse(resourceNeeded)
	}

	switch is := resource.MustParse(request); {
	case is.Cmp(resource.MustParse(has)) < 0:
		return refuse(cannotShrink)
	case is.Cmp(resource.MustParse(was)) < 0 && cluster.MayUpdate(w.Composed[name]) && !isInfeasible(live):
		w.failf("%s is asked for %s, and somebody asked for %s", name, request, was)
	case is.Cmp(resource.MustParse(was)) > 0 && w.Fixed:
		return refuse(cannotExpand)
	}

	return next, ""
}

func isInfeasible(claim *structpb.Struct) bool {
	return strings.HasSuffix(protostruct.Get(claim, "status", "allocatedResourceStatuses", "storage").GetStringValue(), "Infeasible")
}

// expand claims that ask for more than they have, step by step, or not at all.
func (w *World) expand() {
	for _, name := range slices.Sorted(maps.Keys(w.Claims)) {
		claim := w.Claims[name]

		request, has := cluster.ClaimSizes(claim)
		attributes := protostruct.Get(claim, "spec", "volumeAttributesClassName")

		if request == has && proto.Equal(attributes, protostruct.Get(claim, "status", "currentVolumeAttributesClassName")) {
			continue
		}

		claim = proto.CloneOf(claim)
		protostruct.Set(claim, attributes, "status", "currentVolumeAttributesClassName")

		switch isPending := protostruct.Get(claim, "status", "conditions") != nil; {
		case request == has:
			w.didf("%s has other attributes", name)
		case request == tooLarge:
			protostruct.Set(claim, structpb.NewStringValue("ControllerResizeInfeasible"), "status", "allocatedResourceStatuses", "storage")
		case !isPending:
			protostruct.Set(claim, structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{cluster.Condition("FileSystemResizePending", "True", "", "Waiting for user to (re-)start a pod to finish file system resize of volume on node.")}}), "status", "conditions")
		default:
			w.didf("%s has grown from %s to %s", name, has, request)
			protostruct.Set(claim, nil, "status", "allocatedResourceStatuses")
			cluster.ExpandClaim(claim)
		}

		w.Claims[name] = claim
	}
}

// tooLarge is the size that no volume can have.
const tooLarge = "900Ti"

// handleClaim is what people do to claims now and then.
func (w *World) handleClaim() {
	names := slices.Sorted(maps.Keys(w.Claims))
	if len(names) == 0 {
		return
	}

	name := names[w.rand.IntN(len(names))]

	if w.rand.IntN(2) == 0 {
		w.didf("a person deletes %s", name)
		delete(w.Claims, name)
		w.sizesLost = true

		return
	}

	// A person asks for more than there is.
	claim := proto.CloneOf(w.Claims[name])
	request, _ := cluster.ClaimSizes(claim)

	if is := resource.MustParse(request); w.Fixed || is.Cmp(resource.MustParse("64Gi")) >= 0 {
		return
	}

	w.didf("a person asks for 64Gi of %s", name)
	protostruct.Set(claim, structpb.NewStringValue("64Gi"), "spec", "resources", "requests", "storage")
	w.Claims[name] = claim
}

// LetRead lets Crossplane read claims.
func (w *World) LetRead() {
	if w.Input == nil {
		w.Input = &structpb.Struct{}
	}

	w.didf("Crossplane may read claims")
	protostruct.Set(w.Input, structpb.NewBoolValue(true), "claims", "read")
}

func (w *World) reads() bool { return protostruct.Get(w.Input, "claims", "read").GetBoolValue() }

// leaveClaim leaves a claim of a server that was there before.
func (w *World) leaveClaim() {
	volumes := []string{"controlplane", "metadata", "content"}
	volume := volumes[w.rand.IntN(len(volumes))]

	w.didf("there is a claim %s already", volume)
	cluster.MakeClaims(w.Claims, protostructtest.FromYAML(w.T, `{metadata: {name: files, namespace: storage}, spec: {replicas: 1, volumeClaimTemplates: [
{metadata: {name: `+volume+`}, spec: {accessModes: [ReadWriteOnce], storageClassName: earlier, resources: {requests: {storage: 8Gi}}}}]}}`))

	// Without reading it, nobody knows what it has.
	w.sizesLost = true
}

// checkExisting checks that a server whose claims are read first starts on all of its data or on none,
// unless a person approved it.
func (w *World) checkExisting(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	before, composed := req.GetObserved().GetResources()["statefulset"].GetResource(), rsp.GetDesired().GetResources()["statefulset"].GetResource()
	record := protostruct.Get(cluster.Asked(req.GetObserved().GetResources()["configmap"].GetResource()), "metadata", "annotations", "dittofs.io/ran")

	if !w.reads() || before != nil && !cluster.IsPaused(before) || composed == nil || cluster.IsPaused(composed) || record != nil || w.Live["statefulset"] != nil {
		return
	}

	if _, isApproved := w.asking[protostruct.Get(w.XR, "metadata", "annotations", "dittofs.io/approve").GetStringValue()]; isApproved {
		return
	}

	spec := protostruct.Get(w.XR, "spec").GetStructValue()
	volumes := []string{"metadata"}

	if protostruct.Get(spec, "database", "postgres") == nil {
		volumes = append(volumes, "controlplane")
	}

	if protostruct.Get(spec, "storage", "contentSize") != nil {
		volumes = append(volumes, "content")
	}

	there := 0

	for _, v := range volumes {
		if w.Claims[cluster.ClaimObject(v)] != nil {
			there++
		}
	}

	if there > 0 && there < len(volumes) {
		w.failf("a server first starts with %d of %d claims, and nobody approved it", there, len(volumes))
	}
}

// checkClasses checks that claims have the class that the spec asks for, where the function says so and
// can know it.
func (w *World) checkClasses(rsp *fnv1.RunFunctionResponse) {
	class := protostruct.Get(w.XR, "spec", "storage", "storageClassName").GetStringValue()
	if class == "" || !w.reads() && (w.Flavour.Native || w.sizesLost) || !strings.HasPrefix(Condition(rsp, report.StorageUpToDate), "TRUE/") {
		return
	}

	for _, c := range protostruct.Get(w.Live["statefulset"], "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		name := cluster.ClaimObject(protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue())
		if got := protostruct.Get(w.Claims[name], "spec", "storageClassName").GetStringValue(); w.Claims[name] != nil && got != class {
			w.failf("the world is at rest and %s has the class %s, not %s, and nobody tells it", name, got, class)
		}
	}
}

// checkAttributes checks that claims have the volume attributes class that the spec asks for, if anybody may
// ask for it.
func (w *World) checkAttributes() {
	want := protostruct.Get(w.XR, "spec", "storage", "volumeAttributesClassName").GetStringValue()
	if want == "" || w.Flavour.Native || w.sizesLost || w.Live["statefulset"] == nil || w.foreign["statefulset"] {
		return
	}

	for _, c := range protostruct.Get(w.Live["statefulset"], "spec", "volumeClaimTemplates").GetListValue().GetValues() {
		volume := protostruct.Get(c.GetStructValue(), "metadata", "name").GetStringValue()
		if volume == "content" || volume == "cache" {
			continue
		}

		if claim := w.Claims[cluster.ClaimObject(volume)]; claim != nil && protostruct.Get(claim, "status", "currentVolumeAttributesClassName").GetStringValue() != want {
			w.failf("the world is at rest and %s has not the attributes %s", volume, want)
		}
	}
}

// checkGrown checks that claims have in the end what the spec asks for, if that can be.
func (w *World) checkGrown(rsp *fnv1.RunFunctionResponse) {
	if w.Flavour.Native || w.Fixed || w.sizesLost || w.Live["statefulset"] == nil || w.foreign["statefulset"] {
		return
	}

	isRefused := slices.ContainsFunc(slices.Collect(maps.Keys(w.webhooks)), func(n string) bool { return w.webhooks[n] && strings.HasPrefix(n, "no-growth") })

	for volume, field := range map[string]string{"controlplane": "controlPlaneSize", "metadata": "metadataSize", "content": "contentSize"} {
		size, claim := protostruct.Get(w.XR, "spec", "storage", field).GetStringValue(), w.Claims[cluster.ClaimObject(volume)]
		if size == "" || size == tooLarge || claim == nil || isRefused {
			continue
		}

		want, err := resource.ParseQuantity(size)
		_, has := cluster.ClaimSizes(claim)

		if got := resource.MustParse(has); err == nil && got.Cmp(want) < 0 {
			w.failf("the world is at rest and %s has %s, not %s: %s", volume, has, size, Condition(rsp, report.StorageUpToDate))
		}
	}
}
