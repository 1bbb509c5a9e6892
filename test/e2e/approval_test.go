package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// approvalIn finds the value that a message asks for.
var approvalIn = regexp.MustCompile(regexp.QuoteMeta(v1alpha1.AnnotationApprove) + `=([0-9a-f]{64})`)

// waitHeld waits until a change waits for approval, for the reason why, and for another
// approval than one that is known already. It returns that approval, which the message
// names.
func (s *server) waitHeld(t *testing.T, known, why string) string {
	t.Helper()

	var approval string

	eventually(t, "the change is held", func(ctx context.Context) error {
		if err := s.says("ConfigRolledOut=False/ApprovalRequired", why)(ctx); err != nil {
			return err
		}

		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		found := approvalIn.FindStringSubmatch(meta.FindStatusCondition(xr.Conditions, "ConfigRolledOut").Message)
		if found == nil || found[1] == known {
			return errors.New("ConfigRolledOut asks for no other approval")
		}

		approval = found[1]

		return nil
	})

	return approval
}

// approve approves the change whose message names this value.
func (s *server) approve(t *testing.T, value string) {
	t.Helper()

	s.patch(t, fmt.Sprintf(`metadata: {annotations: {%s: %q}}`, v1alpha1.AnnotationApprove, value))
}

// A server on an older version may not read the newer one's database, so that a person
// must approve exactly this step.
func TestLowerVersionWaitsForApproval(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	pod := s.waitRunning(t)

	s.apply(t, strings.Replace(withContent, release, earlier, 1))
	approval := s.waitHeld(t, "", "the version goes down from "+release+" to "+earlier)

	// The server runs and is Ready: of the columns only this one tells that a change waits.
	list, err := tool(t.Context(), "kubectl", "--namespace="+s.namespace, "get", "dittoservers.dittofs.io", s.name)
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(list, "ApprovalRequired") {
		t.Errorf("kubectl get dittoservers: got %s, want ApprovalRequired", list)
	}

	s.approve(t, strings.Repeat("0", len(approval)))
	s.throughoutCalls(t, "another approval changes nothing", s.samePod(pod))
	s.expectFile(t, "first.txt", "first")

	if now := s.waitHeld(t, "", ""); now != approval {
		t.Errorf("the approval of one change moves: %s, was %s", now, approval)
	}

	s.approve(t, approval)

	next := s.successor(t, pod)
	if got, want := next.Spec.Containers[0].Image, earlierImage; got != want {
		t.Errorf("image: got %s, want %s", got, want)
	}

	eventually(t, "the change is through", s.condition("ConfigRolledOut=True"))
	s.expectFile(t, "first.txt", "first")
}

// Nobody here knows what a newer minor release makes of its configuration, so that a person must
// approve it. A patch is none, and neither is the way back from what never was asked.
func TestUnknownReleaseWaitsForApproval(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	s.patch(t, "spec: {version: 0.99.0}")
	s.waitHeld(t, "", "DittoFS 0.99.0 is newer than "+dittofs.NewestMinor())
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	s.patch(t, "spec: {version: "+release+"}")
	eventually(t, "nothing waits", s.condition("ConfigRolledOut=True"))

	s.patch(t, "spec: {version: 0.99.0}")
	s.approve(t, s.waitHeld(t, "", "DittoFS 0.99.0 is newer than "+dittofs.NewestMinor()))
	s.waitImageMissing(t, dittofs.Repository+":v0.99.0")
}

// Deleting the StatefulSet, or the Object that applies it, approves nothing: the server comes
// back as it ran, and the change is held as before.
func TestDeletedStatefulSetComesBackAsItRan(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ spec, why, image string }{
		"LowerVersion": {
			strings.Replace(level("DEBUG"), release, earlier, 1),
			"the version goes down from " + release + " to " + earlier,
			earlierImage,
		},
		"OtherDatabase": {
			level("DEBUG") + "database: {sqlite: {path: /data/controlplane/other.db}}\n",
			"the database changes",
			releaseImage,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := servingFiles(t, level("INFO"))
			s.waitRunning(t)
			s.apply(t, tc.spec)
			s.waitHeld(t, "", tc.why)

			for _, what := range []string{"StatefulSet", "Object"} {
				before := s.pod(t)

				if what == "Object" && !tested.native() {
					s.deleteComposed(t, "StatefulSet")
				} else if err := cluster.Delete(t.Context(), s.statefulSet(t)); err != nil {
					t.Fatal(err)
				}

				next := s.successor(t, before)
				if got := next.Spec.Containers[0].Image; got != releaseImage {
					t.Errorf("without its %s, the server comes back with image %s, want %s", what, got, releaseImage)
				}

				if err := s.hasLevel("INFO")(t.Context()); err != nil {
					t.Error(err)
				}

				s.expectFile(t, "first.txt", "first")
				s.waitHeld(t, "", tc.why)
				s.throughoutCalls(t, "the change is held", s.samePod(next))
			}

			// The approval is of what there is now.
			before := s.pod(t)
			s.approve(t, s.waitHeld(t, "", tc.why))

			if got := s.successor(t, before).Spec.Containers[0].Image; got != tc.image {
				t.Errorf("after the approval, the server has image %s, want %s", got, tc.image)
			}

			eventually(t, "the change is through", all(s.condition("ConfigRolledOut=True"), s.hasLevel("DEBUG")))
		})
	}
}

// deleteComposed deletes the Object that applies the server's object of a kind.
func (s *server) deleteComposed(t *testing.T, kind string) {
	t.Helper()

	objects, err := s.composed(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, o := range objects {
		manifest, err := applied(&o)
		if err != nil {
			t.Fatal(err)
		}

		if manifest.GetKind() != kind {
			continue
		}

		if err := cluster.Delete(t.Context(), &o); err != nil {
			t.Fatal(err)
		}
	}
}

// With rollout Manual a person chooses the moment of each restart, even of one that a
// rotated Secret needs. An approval is for one change: a later one waits again, and
// going back to what runs needs none.
func TestManualRolloutHoldsRotatedSecretUntilApproved(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	pod := s.waitRunning(t)
	token := s.login(t)

	s.apply(t, withContent+"rollout: Manual\n")
	eventually(t, "the function has seen the rollout", s.specSeen)

	s.rotateJWT(t, otherJWTKey)
	s.throughoutCalls(t, "the old token is taken", all(s.samePod(pod), s.tokenValid(token)))

	first := s.waitHeld(t, "", "spec.rollout is Manual")
	s.approve(t, first)

	next := s.successor(t, pod)
	eventually(t, "the old token is refused", s.tokenRefused(token))
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")

	s.rotateJWT(t, jwtKey)
	s.call(t)
	s.waitHeld(t, first, "spec.rollout is Manual")
	s.rotateJWT(t, otherJWTKey)
	s.throughoutCalls(t, "the pod of the approved change runs on", s.samePod(next))
	eventually(t, "nothing waits once the Secret is as it was", s.condition("ConfigRolledOut=True"))
}
