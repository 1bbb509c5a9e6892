package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// level is a spec that differs from another by what the server logs.
func level(l string) string { return withContent + "logging: {level: " + l + "}\n" }

// logsDebug says whether the server's log has what only DEBUG shows.
func (s *server) logsDebug(t *testing.T) bool {
	t.Helper()

	return strings.Contains(s.log(t), `"level":"DEBUG"`)
}

func TestConfigReachesTheConfigMapBeforeThePod(t *testing.T) {
	t.Parallel()

	s := newServer(t, level("INFO"))
	pod := s.waitRunning(t)
	s.watchPods(t)

	if s.logsDebug(t) {
		t.Fatal("the server logs DEBUG at level INFO")
	}

	// As long as provider-kubernetes does not write the ConfigMap, nothing moves.
	s.pause(t, "ConfigMap", true)
	s.apply(t, level("DEBUG"))
	eventually(t, "the change waits", s.condition("ConfigRolledOut=False/ConfigMapNotReady"))
	throughout(t, patienceForNothing, "the pod stays", s.samePod(pod))

	s.pause(t, "ConfigMap", false)
	s.waitReplaced(t, pod)
	pod = s.waitRunning(t)

	if !s.logsDebug(t) {
		t.Error("the server does not log DEBUG")
	}

	// A template that is on its way keeps the configuration it was made for.
	s.pause(t, "StatefulSet", true)
	s.apply(t, level("WARN"))
	eventually(t, "config.yaml moves", s.configContains("level: WARN"))
	s.apply(t, level("ERROR"))
	eventually(t, "the next change waits", s.condition("ConfigRolledOut=False/RolloutInProgress"))
	throughout(t, patienceForNothing, "the pod stays, and so does config.yaml", func(ctx context.Context) error {
		return errors.Join(s.samePod(pod)(ctx), s.configContains("level: WARN")(ctx))
	})

	s.pause(t, "StatefulSet", false)
	eventually(t, "both changes arrive", s.configContains("level: ERROR"))
	s.waitReplaced(t, pod)
	s.waitRunning(t)
	eventually(t, "ConfigRolledOut", s.condition("ConfigRolledOut=True"))

	if config := s.pod(t).Annotations[v1alpha1.AnnotationConfig]; !strings.Contains(config, "level: ERROR") {
		t.Errorf("the pod runs on %s", config)
	}
}

// configContains says nothing once config.yaml contains a text.
func (s *server) configContains(text string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		config, err := s.configYAML(ctx)
		if err == nil && !strings.Contains(config, text) {
			err = fmt.Errorf("config.yaml lacks %q:\n%s", text, config)
		}

		return err
	}
}

// waitReplaced until another pod than this is there.
func (s *server) waitReplaced(t *testing.T, pod *corev1.Pod) {
	t.Helper()

	eventually(t, "the pod is replaced", func(ctx context.Context) error {
		now := &corev1.Pod{}
		if err := cluster.Get(ctx, s.key(pod.Name), now); err != nil {
			return err
		}

		if now.UID == pod.UID {
			return errors.New("the old pod is there")
		}

		return nil
	})
}

// pause what provider-kubernetes does with the server's object of a kind, or let it
// go on.
func (s *server) pause(t *testing.T, kind string, paused bool) {
	t.Helper()

	objects, err := s.objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, o := range objects {
		if k, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "manifest", "kind"); k == kind {
			patch := fmt.Sprintf(`{"metadata":{"annotations":{"crossplane.io/paused":"%t"}}}`, paused)
			if err := cluster.Patch(t.Context(), &o, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
				t.Fatal(err)
			}

			return
		}
	}

	t.Fatalf("no Object of a %s", kind)
}

// watchPods until the test ends: no pod ever starts on another config.yaml than its
// digest covers.
func (s *server) watchPods(t *testing.T) {
	t.Helper()

	w, err := cluster.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(s.namespace))
	if err != nil {
		t.Fatal(err)
	}

	done := make(chan struct{})

	go func() {
		defer close(done)

		for event := range w.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok || event.Type != watch.Added {
				continue
			}

			config, err := s.configYAML(t.Context())
			if err != nil {
				t.Errorf("pod %s starts, and config.yaml cannot be read: %v", pod.UID, err)
			} else if covered := pod.Annotations[v1alpha1.AnnotationConfig]; covered != config {
				t.Errorf("pod %s starts on\n%s\nand its digest covers\n%s", pod.UID, config, covered)
			}
		}
	}()

	t.Cleanup(func() {
		w.Stop()
		<-done
	})
}
