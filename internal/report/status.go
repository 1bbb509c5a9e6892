package report

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Status writes the status of the composite resource, and its readiness, into the desired
// state. Crossplane judges readiness by the composed resources that are desired. It would
// call a composite resource Ready whose StatefulSet is left out for now, or which waits
// for a name that another object has.
func Status(desired *fnv1.State, xr *structpb.Struct, s *composite.DittoServer, manifests manifest.Manifests, o observed.Resources, d *guard.Decision) error {
	ready := desired.GetResources()[string(manifest.StatefulSet)].GetReady() == fnv1.Ready_READY_TRUE

	status, err := protostruct.Encode(status(s, manifests, o, ready, d))
	if err != nil {
		return fmt.Errorf("cannot encode the status: %w", err)
	}

	if desired.Composite == nil {
		desired.Composite = &fnv1.Resource{}
	}

	if desired.Composite.Resource == nil {
		desired.Composite.Resource = &structpb.Struct{}
	}

	c := desired.GetComposite()
	for _, f := range []string{"apiVersion", "kind"} {
		if v := xr.GetFields()[f]; v != nil {
			protostruct.Set(c.GetResource(), v, f)
		}
	}

	// Earlier functions may have written other fields.
	merged := &structpb.Struct{Fields: maps.Clone(protostruct.Get(c.GetResource(), "status").GetStructValue().GetFields())}
	if merged.Fields == nil {
		merged.Fields = map[string]*structpb.Value{}
	}

	maps.Copy(merged.GetFields(), status.GetFields())
	protostruct.Set(c.GetResource(), structpb.NewStructValue(merged), "status")

	isComposed := func(n manifest.Name) bool { return desired.GetResources()[string(n)] != nil }
	if !isComposed(manifest.StatefulSet) || slices.ContainsFunc(slices.Collect(maps.Keys(manifests)), func(n manifest.Name) bool { return !isComposed(n) }) {
		c.Ready = fnv1.Ready_READY_FALSE
	}

	return nil
}

func status(s *composite.DittoServer, manifests manifest.Manifests, o observed.Resources, ready bool, d *guard.Decision) *v1alpha1.DittoServerStatus {
	st := &v1alpha1.DittoServerStatus{
		Phase:      phase(manifests, o, ready),
		ConfigHash: manifest.ConfigHash(manifests[manifest.StatefulSet]),
		Endpoints: v1alpha1.Endpoints{
			NFS: endpoint(s, manifest.ServiceFile, *s.Spec.NFSPort, o),
			API: endpoint(s, manifest.ServiceAPI, *s.Spec.APIPort, o),
		},
	}

	// Crossplane copies the status to the claim, which has a generation of its own. Tools that
	// compare the two would never see it done.
	// https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
	if !s.Claimed {
		st.ObservedGeneration = new(s.Generation)
	}

	if s.Spec.SMB.Enabled {
		st.Endpoints.SMB = endpoint(s, manifest.ServiceFile, *s.Spec.SMB.Port, o)
	}

	if s.Spec.Metrics.Enabled {
		st.Endpoints.Metrics = endpoint(s, manifest.ServiceMetrics, *s.Spec.Metrics.Port, o)
	}

	// The asked StatefulSet may be held, and serve without TLS for now.
	if manifest.ServesTLS(manifests[manifest.StatefulSet]) {
		st.APIURL = "https://" + st.Endpoints.API
	}

	if live := o.Live(manifest.StatefulSet); live != nil {
		st.Replicas = new(int32(protostruct.Get(live, "status", "replicas").GetNumberValue()))
		st.ReadyReplicas = new(int32(protostruct.Get(live, "status", "readyReplicas").GetNumberValue()))
	}

	for _, n := range manifest.RouteNames() {
		if manifests[n] != nil {
			st.Route = append(st.Route, manifest.RouteAnswers(manifests[n], o.Live(n))...)
		}
	}

	st.Claims = claims(d)
	st.Defaults = s.FromDefaults()

	return st
}

// claims lists those that grow, and those that have grown since the StatefulSet was created.
func claims(d *guard.Decision) []v1alpha1.ClaimStatus {
	var list []v1alpha1.ClaimStatus

	for volume := range manifest.ClaimRows() {
		i := slices.IndexFunc(d.Growing, func(g guard.Growth) bool { return g.Volume == volume })

		switch size := d.ClaimNotes[volume].Size; {
		case i >= 0:
			list = append(list, v1alpha1.ClaimStatus{Name: volume, Size: d.Growing[i].Asked.String(), Capacity: d.Growing[i].Has.String()})
		case size != "":
			list = append(list, v1alpha1.ClaimStatus{Name: volume, Size: size, Capacity: size})
		}
	}

	return list
}

func phase(manifests manifest.Manifests, o observed.Resources, ready bool) v1alpha1.Phase {
	for n, r := range o {
		_, isDesired := manifests[n]

		// A claim that cannot grow fails nothing else, nor does what is let go since its kind is gone.
		if manifest.IsClaim(n) || !isDesired && manifest.RowOf(n).CRD != "" {
			continue
		}

		if r.IsNotSynced() || isDesired && r.IsForeign() {
			return v1alpha1.PhaseFailed
		}
	}

	switch {
	case o.Live(manifest.StatefulSet) == nil:
		return v1alpha1.PhasePending
	case !ready:
		return v1alpha1.PhaseProgressing
	case protostruct.Get(manifests[manifest.StatefulSet], "spec", "replicas").GetNumberValue() == 0:
		return v1alpha1.PhaseStopped
	default:
		return v1alpha1.PhaseRunning
	}
}

// endpoint returns where a Service is reached: at its load balancer, once it has
// an address, else at its name in the cluster.
func endpoint(s *composite.DittoServer, n manifest.Name, port int32, o observed.Resources) string {
	host := manifest.ObjectName(s.Name, n) + "." + s.Namespace + ".svc"
	if address := manifest.LoadBalancerAddress(o.Live(n)); address != "" {
		host = address
	}

	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
