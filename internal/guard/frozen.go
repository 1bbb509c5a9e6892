package guard

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// immutable are the fields of a StatefulSet, besides its claims, that Kubernetes
// refuses to change. A provider that asks for another value gets stuck.
//
//nolint:gochecknoglobals // A table.
var immutable = []string{"serviceName", "selector", "podManagementPolicy"}

// freezeStatefulSet keeps what Kubernetes cannot change of a running StatefulSet,
// and says whether something was kept that the spec asks to be otherwise. Then the
// StatefulSet has to be created anew.
func (d *Decision) freezeStatefulSet(running *structpb.Struct) bool {
	desired, frozen := d.Manifests[manifest.StatefulSet], len(d.Frozen)

	for _, f := range immutable {
		want, got := protostruct.Get(desired, "spec", f), protostruct.Get(running, "spec", f)
		if !proto.Equal(want, got) {
			d.Frozen = append(d.Frozen, fmt.Sprintf("StatefulSet field %s is kept (it changes as volume claims do)", f))
			d.set(manifest.StatefulSet, got, "spec", f)
		}
	}

	const claims = "volumeClaimTemplates"
	if want, got := protostruct.Get(desired, "spec", claims), protostruct.Get(running, "spec", claims); !proto.Equal(want, got) {
		server := protostruct.Get(running, "metadata", "name").GetStringValue()
		d.Frozen = append(d.Frozen, claimChanges(server, manifest.Claims(desired), manifest.Claims(running))...)

		// Also where they are equal but for their spelling: 1024Mi is 1Gi.
		d.set(manifest.StatefulSet, got, "spec", claims)
	}

	return len(d.Frozen) > frozen
}

// claimChanges tells how desired volume claims differ from running ones. A running
// claim that is not desired any more does no harm.
func claimChanges(server string, desired, running []corev1.PersistentVolumeClaim) []string {
	var changes []string

	for _, want := range desired {
		i := slices.IndexFunc(running, func(c corev1.PersistentVolumeClaim) bool { return c.Name == want.Name })
		wantSize := want.Spec.Resources.Requests[corev1.ResourceStorage]

		if i < 0 {
			changes = append(changes, fmt.Sprintf("volume claim %s of %s is missing, and nothing is mounted in its place", want.Name, wantSize.String()))
			continue
		}

		got := running[i]
		switch size := got.Spec.Resources.Requests[corev1.ResourceStorage]; size.Cmp(wantSize) {
		case 1:
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim cannot shrink)", want.Name, size.String(), wantSize.String()))
		case -1:
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (expand the PersistentVolumeClaim %s-%s-0 by hand)", want.Name, size.String(), wantSize.String(), want.Name, server))
		}

		if gotClass, wantClass := className(got), className(want); gotClass != wantClass {
			changes = append(changes, fmt.Sprintf("volume claim %s has %s instead of %s (an existing PersistentVolumeClaim keeps its class)", want.Name, gotClass, wantClass))
		}
	}

	return changes
}

// className tells the storage class of a claim. An empty class is another one than
// none, which means the cluster's default.
func className(c corev1.PersistentVolumeClaim) string {
	if c.Spec.StorageClassName == nil {
		return "the default storage class"
	}

	return fmt.Sprintf("the storage class %q", *c.Spec.StorageClassName)
}

// freezeServices keeps the class of each running load balancer: Kubernetes cannot
// change it.
func (d *Decision) freezeServices(running observed.Resources) {
	for _, n := range manifest.Names() {
		// What was asked for last may not be applied yet.
		desired, runs := d.Manifests[n], running.Live(n)
		if !manifest.IsLoadBalancer(runs) {
			runs = running.Asked(n)
		}

		if !manifest.IsLoadBalancer(desired) || !manifest.IsLoadBalancer(runs) {
			continue
		}

		want, got := protostruct.Get(desired, "spec", "loadBalancerClass"), protostruct.Get(runs, "spec", "loadBalancerClass")
		if proto.Equal(want, got) {
			continue
		}

		// One that nobody asked for is a webhook's, and stays without being asked for.
		if want == nil && protostruct.Get(running.Asked(n), "spec", "loadBalancerClass") == nil {
			continue
		}

		d.Frozen = append(d.Frozen, fmt.Sprintf("load balancer class of %s is %q instead of %q (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again)", n, got.GetStringValue(), want.GetStringValue()))
		d.set(n, got, "spec", "loadBalancerClass")
	}
}

// needsMissingClaim says whether the server would write its database, its log or
// its cache to a volume whose claim the running StatefulSet does not have.
func needsMissingClaim(s *composite.DittoServer, running *structpb.Struct, image string) bool {
	mounted := manifest.Claimed(s, running)
	isCache := func(v dittofs.Volume) bool { return v.Name == dittofs.VolumeCache }

	release := manifest.Release(s, image)
	if release.IsKnown() && release.Keys().Cache && slices.ContainsFunc(s.Volumes(), isCache) && !slices.ContainsFunc(mounted, isCache) {
		return true
	}

	return slices.ContainsFunc(s.Files(), func(file string) bool {
		return !dittofs.IsOn(file, mounted) && !dittofs.IsBelow(file, dittofs.TempDir)
	})
}
