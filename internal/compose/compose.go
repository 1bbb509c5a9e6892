package compose

import (
	"fmt"
	"maps"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/spec"
)

// Resources adds the composed resources of manifests to the desired state, each
// with its readiness. It returns an error, and adds nothing, if one of them would
// be another resource than the one that runs, or is composed by an earlier
// function. A StatefulSet that waits to move is not ready, however ready its pod
// is.
func Resources(desired *fnv1.State, s *spec.Server, manifests manifest.Manifests, running observed.Resources, waits bool) error {
	composed := map[string]*fnv1.Resource{}

	for _, n := range manifest.Names() {
		m, ok := manifests[n]
		if !ok {
			continue
		}

		if _, taken := desired.GetResources()[string(n)]; taken {
			return fmt.Errorf("an earlier function of the pipeline already composes a resource named %s: rename that one", n)
		}

		r, err := newObject(s, m)
		if err != nil {
			return err
		}

		if err := moved(n, r, running[n]); err != nil {
			return err
		}

		composed[string(n)] = &fnv1.Resource{Resource: r, Ready: fnv1.Ready_READY_FALSE}
		if held := waits && n == manifest.StatefulSet; !held && Ready(m, running[n]) {
			composed[string(n)].Ready = fnv1.Ready_READY_TRUE
		}
	}

	maps.Copy(desired.GetResources(), composed)

	return nil
}
