package compose

import (
	"fmt"
	"maps"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// Resources adds the composed resources of manifests to the desired state, each
// with its readiness. It returns an error, and adds nothing, if one of them would
// be another resource than the one that runs, or is composed by an earlier
// function. A StatefulSet that waits to move is not ready, however ready its pod
// is.
func Resources(desired *fnv1.State, s *composite.DittoServer, manifests manifest.Manifests, running observed.Resources, waits bool) error {
	composed := map[string]*fnv1.Resource{}

	for row := range manifest.Rows() {
		n := row.Name

		m, ok := manifests[n]
		if !ok {
			continue
		}

		if _, taken := desired.GetResources()[string(n)]; taken {
			return fmt.Errorf("an earlier function of the pipeline already composes a resource named %s: rename that one", n)
		}

		r := m
		if !s.IsNative() {
			var err error
			if r, err = newObject(s, row, m); err != nil {
				return err
			}
		}

		if err := moved(n, r, running[n]); err != nil {
			return err
		}

		composed[string(n)] = &fnv1.Resource{Resource: r, Ready: fnv1.Ready_READY_FALSE}
		if held := waits && n == manifest.StatefulSet; !held && row.Ready.IsReady(m, running.Live(n)) {
			composed[string(n)].Ready = fnv1.Ready_READY_TRUE
		}
	}

	maps.Copy(desired.GetResources(), composed)

	return nil
}

// migrate tells how to move a server on purpose.
const migrate = "change it back; to migrate, delete the DittoServer, which keeps its volume claims, and create it anew"

// moved returns an error if a composed resource would be another one than the one
// that runs. A second, empty server would come up beside the running one.
func moved(n manifest.Name, desired *structpb.Struct, running *observed.Resource) error {
	if running == nil {
		return nil
	}

	want, got := groupKind(desired), groupKind(running.Composed)
	if want != got {
		return fmt.Errorf("composed resource %s is a %s and would become a %s: %s", n, got, want, migrate)
	}

	identity := nativeIdentity
	if strings.HasPrefix(want, "Object.") {
		identity = objectIdentity
	}

	for _, path := range identity {
		if want, got := protostruct.Get(desired, path...).GetStringValue(), protostruct.Get(running.Composed, path...).GetStringValue(); want != got {
			return fmt.Errorf("composed resource %s has the %s %q and would get %q: %s", n, strings.Join(path, "."), got, want, migrate)
		}
	}

	return nil
}

// Fields that make a composed resource the one that it is.
//
//nolint:gochecknoglobals // Tables.
var (
	nativeIdentity = [][]string{
		{"metadata", "namespace"},
		{"metadata", "name"},
	}

	objectIdentity = [][]string{
		{"spec", "providerConfigRef", "kind"},
		{"spec", "providerConfigRef", "name"},
		{"spec", "forProvider", "manifest", "kind"},
		{"spec", "forProvider", "manifest", "metadata", "namespace"},
		{"spec", "forProvider", "manifest", "metadata", "name"},
	}
)

// groupKind of a resource. Its API version may change.
func groupKind(r *structpb.Struct) string {
	group, _, ok := strings.Cut(protostruct.Get(r, "apiVersion").GetStringValue(), "/")
	if !ok {
		group = "core"
	}

	return protostruct.Get(r, "kind").GetStringValue() + "." + group
}
