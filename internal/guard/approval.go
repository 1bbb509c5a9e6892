package guard

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
)

// needsApproval says whether a change of the pod template waits for a person, and
// for which approval. Going back to what runs never does.
func (d *Decision) needsApproval(s *composite.DittoServer, desired *structpb.Struct, o *observed.Resource) bool {
	running := o.Asked

	// Somebody may have raised the version of a native StatefulSet by hand: what was asked
	// for would lower it.
	dangers := dangersOf(desired, running)
	if s.Spec.Rollout == v1alpha1.RolloutManual && !sameTemplate(desired, running) {
		dangers = append(dangers, "spec.rollout is Manual")
	}

	if len(dangers) == 0 {
		return false
	}

	// The rollout digest covers no image and no names of Secrets, and an approval of
	// it may be old. This one is of this change, and of no other.
	approval := manifest.ChangeHash(desired, running, o.Live)
	if s.Annotations[v1alpha1.AnnotationApprove] == approval {
		return false
	}

	d.Dangers, d.Approval = dangers, approval

	return true
}

// dangersOf tells what of a change may lose data: the server would start on an
// empty database, or on one of a newer release.
func dangersOf(desired, running *structpb.Struct) []string {
	var dangers []string

	if want, got := manifest.RunningRelease(desired), manifest.RunningRelease(running); want.IsOlderThan(got) {
		dangers = append(dangers, fmt.Sprintf("the version goes down from %s to %s", got, want))
	}

	// A tag may say otherwise than the version.
	if want, got := manifest.ImageRelease(manifest.RunningImage(desired)), manifest.ImageRelease(manifest.RunningImage(running)); want.IsOlderThan(got) && len(dangers) == 0 {
		dangers = append(dangers, fmt.Sprintf("the image's version goes down from %s to %s", got, want))
	}

	// Read only where it may differ: parsing config.yaml is dear.
	if manifest.RunningConfig(desired) != manifest.RunningConfig(running) || !slices.Equal(databaseSecrets(desired), databaseSecrets(running)) {
		if want, got := databaseOf(desired), databaseOf(running); want != got {
			dangers = append(dangers, fmt.Sprintf("the database changes from %s to %s", got, want))
		}
	}

	return dangers
}

// databaseOf tells which database a StatefulSet's server uses.
func databaseOf(statefulSet *structpb.Struct) string {
	parts := append([]string{dittofs.DatabaseOf(manifest.RunningConfig(statefulSet))}, databaseSecrets(statefulSet)...)

	return strings.Join(parts, " ")
}

// databaseSecrets are the Secrets and keys that tell a StatefulSet's server where its
// database is.
func databaseSecrets(statefulSet *structpb.Struct) []string {
	var secrets []string

	for _, env := range []string{dittofs.EnvPostgresHost, dittofs.EnvPostgresDatabase} {
		if secret := manifest.EnvSecret(statefulSet, env); secret != "" {
			secrets = append(secrets, secret)
		}
	}

	return secrets
}
