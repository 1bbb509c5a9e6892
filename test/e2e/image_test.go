package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// Releases of the server that the stack has images of. It is of the newest, and the same one
// stands in for the earlier.
const (
	release = dittofs.Newest
	earlier = "0.28.0"
)

// Images of the server. No registry has the last one.
const (
	releaseImage = dittofs.Repository + ":v" + release
	earlierImage = dittofs.Repository + ":v" + earlier
	missingImage = dittofs.Repository + ":missing"
)

// runsImage returns no error once the server's pod, or its next one, has this image.
func (s *server) runsImage(image string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		pod := &corev1.Pod{}
		if err := cluster.Get(ctx, s.key(s.name+"-0"), pod); err != nil {
			return err
		}

		if got := pod.Spec.Containers[0].Image; got != image {
			return fmt.Errorf("the pod has image %s, want %s", got, image)
		}

		return nil
	}
}

// waitImageMissing waits until a pod cannot pull this image, and the user is told that
// the server is not ready.
func (s *server) waitImageMissing(t *testing.T, image string) *corev1.Pod {
	t.Helper()

	var pod *corev1.Pod

	eventually(t, "the pod waits for its image", func(ctx context.Context) error {
		if err := s.runsImage(image)(ctx); err != nil {
			return err
		}

		var err error
		if pod, err = s.findPod(ctx); err != nil {
			return err
		}

		if pod == nil || len(pod.Status.ContainerStatuses) == 0 {
			return errors.New("the pod has not begun")
		}

		w := pod.Status.ContainerStatuses[0].State.Waiting
		if w == nil || w.Reason != "ErrImagePull" && w.Reason != "ImagePullBackOff" {
			return fmt.Errorf("the container is %+v", pod.Status.ContainerStatuses[0].State)
		}

		return errors.Join(s.condition("Ready=False")(ctx), s.inPhase(v1alpha1.PhaseProgressing)(ctx))
	})

	return pod
}

// waitRunningImage waits until the server runs with this image, on another pod than
// before.
func (s *server) waitRunningImage(t *testing.T, image string, before types.UID) *corev1.Pod {
	t.Helper()

	eventually(t, "a pod has image "+image, s.runsImage(image))

	pod := s.waitRunning(t)
	if pod.UID == before {
		t.Error("the pod is the one from before the change")
	}

	return pod
}

func TestCorrectedImageReplacesAPodThatCannotStart(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	serving := s.pod(t)

	if err := s.runsImage(releaseImage)(t.Context()); err != nil {
		t.Fatal(err)
	}

	s.apply(t, withContent+"image: "+missingImage)

	stuck := s.waitImageMissing(t, missingImage)
	if stuck.UID == serving.UID {
		t.Error("the pod was not replaced")
	}

	s.apply(t, withContent)
	s.waitRunningImage(t, releaseImage, stuck.UID)
	s.expectFile(t, "first.txt", "first")
}

func TestConfigChangedUnderAMissingImageIsRolledOutWithTheCorrectedOne(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	s.apply(t, withContent+"image: "+missingImage)
	s.waitImageMissing(t, missingImage)

	// The server cannot become ready; its configuration moves all the same.
	s.apply(t, withContent+"image: "+missingImage+"\nlogging: {level: DEBUG}")
	eventually(t, "configuration has level DEBUG", s.hasLevel("DEBUG"))
	stuck := s.waitImageMissing(t, missingImage)

	s.apply(t, withContent+"logging: {level: DEBUG}")
	s.waitRunningImage(t, releaseImage, stuck.UID)

	if err := s.hasLevel("DEBUG")(t.Context()); err != nil {
		t.Error(err)
	}

	if !strings.Contains(s.log(t), `"level":"DEBUG"`) {
		t.Error("the server logs nothing of level DEBUG")
	}

	s.expectFile(t, "first.txt", "first")
}

func TestServerCreatedWithAMissingImageStartsOnTheCorrectedOne(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newServer(t, withContent+"image: "+missingImage)
	stuck := s.waitImageMissing(t, missingImage)

	s.apply(t, withContent+"image: "+releaseImage)
	s.waitRunningImage(t, releaseImage, stuck.UID)
	s.makeShare(t, metadataStore, contentStore)
	s.writeFile(t, "first.txt", "first")
	s.expectFile(t, "first.txt", "first")
}

// A release that does not exist is higher than the one that ran. Nobody knows that it
// never began, so that the way back is a step down.
func TestWayBackFromAReleaseThatDoesNotExistWaitsForApproval(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	s.patch(t, "spec: {version: 0.29.9}")
	stuck := s.waitImageMissing(t, "marmos91c/dittofs:v0.29.9")

	s.patch(t, "spec: {version: "+release+"}")
	approval := s.waitHeld(t, "", "the version goes down from 0.29.9 to "+release)

	if now := s.pod(t); now == nil || now.UID != stuck.UID {
		t.Error("the pod was replaced before its approval")
	}

	s.approve(t, approval)
	s.waitRunningImage(t, releaseImage, stuck.UID)
	s.expectFile(t, "first.txt", "first")
}
