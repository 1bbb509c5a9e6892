package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/spec"
	"github.com/dittofs/function-dittoserver/internal/typed"
)

// needsApproval says whether a change of the pod template waits for a person, and
// for which approval. Going back to what runs never does.
func (d *Decision) needsApproval(s *spec.Server, desired, running *structpb.Struct) bool {
	if sameTemplate(desired, running) {
		return false
	}

	dangers := dangersOf(desired, running)
	if s.Spec.Rollout == v1alpha1.RolloutManual {
		dangers = append(dangers, "spec.rollout is Manual")
	}

	approval := approvalOf(desired, running)
	if len(dangers) == 0 || s.Annotations[v1alpha1.AnnotationApprove] == approval {
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

	want, got := databaseOf(desired), databaseOf(running)
	if want != got {
		dangers = append(dangers, fmt.Sprintf("the database changes from %s to %s", got, want))
	}

	return dangers
}

// databaseOf tells which database a StatefulSet's server uses.
func databaseOf(statefulSet *structpb.Struct) string {
	db := dittofs.DatabaseOf(manifest.RunningConfig(statefulSet))
	if secret := manifest.EnvSecret(statefulSet, dittofs.EnvPostgresHost); secret != "" {
		return db + " of Secret " + secret
	}

	return db
}

// approvalOf returns the value of the annotation that approves a change: the
// rollout digest. Where that is the running one, an approval of it may be old,
// and a digest of the pod template takes its place.
func approvalOf(desired, running *structpb.Struct) string {
	if h := manifest.ConfigHash(desired); h != manifest.ConfigHash(running) {
		return h
	}

	// Maps are marshalled in the order of their keys, and a protobuf struct holds
	// nothing that JSON cannot.
	b, _ := json.Marshal(typed.Get(desired, "spec", "template").AsInterface()) //nolint:errchkjson // See above.
	h := sha256.Sum256(b)

	return hex.EncodeToString(h[:])
}
