package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// level is a spec that differs from another by what the server logs.
func level(l string) string { return withContent + "logging: {level: " + l + "}\n" }

// logsDebug reports whether the server's log has what only DEBUG shows.
func (s *server) logsDebug(t *testing.T) bool {
	t.Helper()

	return strings.Contains(s.log(t), `"level":"DEBUG"`)
}

func TestConfigReachesTheConfigMapBeforeThePod(t *testing.T) {
	t.Parallel()
	needsObjects(t)

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
	eventually(t, "the template is on its way", s.templateAskedFor("level: WARN"))
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

// Changes that follow each other closely end with the last one, each pod on what its
// digest covers.
func TestChangedConfigReplacesThePod(t *testing.T) {
	t.Parallel()

	s := newServer(t, level("INFO"))
	pod := s.waitRunning(t)
	s.watchPods(t)

	for _, l := range []string{"WARN", "ERROR", "DEBUG"} {
		s.apply(t, level(l))
		eventually(t, "config.yaml has level "+l, s.configContains("level: "+l))
	}

	s.waitReplaced(t, pod)
	s.waitRunning(t)
	eventually(t, "configuration has level DEBUG", s.hasLevel("DEBUG"))

	if s.waitRunning(t); !s.logsDebug(t) {
		t.Error("the server does not log DEBUG")
	}
}

// templateAskedFor returns no error once the StatefulSet's Object has a pod template that
// covers a config.yaml with a text.
func (s *server) templateAskedFor(text string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		objects, err := s.composed(ctx)
		if err != nil {
			return err
		}

		for _, o := range objects {
			config, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "manifest", "spec", "template", "metadata", "annotations", v1alpha1.AnnotationConfig)
			if strings.Contains(config, text) {
				return nil
			}
		}

		return fmt.Errorf("no template covers %q", text)
	}
}

// configContains returns no error once config.yaml contains a text.
func (s *server) configContains(text string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		config, err := s.configYAML(ctx)
		if err == nil && !strings.Contains(config, text) {
			err = fmt.Errorf("config.yaml lacks %q:\n%s", text, config)
		}

		return err
	}
}

// waitReplaced waits until another pod exists than this one.
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

// pause stops provider-kubernetes from reconciling the server's object of a kind, or lets
// it go on.
func (s *server) pause(t *testing.T, kind string, paused bool) {
	t.Helper()

	objects, err := s.composed(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, o := range objects {
		if manifest, _ := applied(&o); manifest.GetKind() == kind {
			patch := fmt.Sprintf(`{"metadata":{"annotations":{"crossplane.io/paused":"%t"}}}`, paused)
			if err := cluster.Patch(t.Context(), &o, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
				t.Fatal(err)
			}

			return
		}
	}

	t.Fatalf("no Object of a %s", kind)
}

// watchPods checks until the test ends that no pod is created before the ConfigMap holds
// the config.yaml that its digest covers. That may be a moment ago: a change that follows
// another one in the ConfigMap meets the pod of the first, and replaces it. The order of
// the two is etcd's: that of their resource versions. Each config.yaml of the test must
// be another one.
func (s *server) watchPods(t *testing.T) {
	t.Helper()

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))

	before := &corev1.ConfigMapList{}
	if err := cluster.List(ctx, before, client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": s.name + "-config"}); err != nil {
		t.Fatal(err)
	}

	var configs, pods []version

	for _, cm := range before.Items {
		configs = append(configs, version{0, cm.Data["config.yaml"]})
	}

	done := make(chan struct{}, 2)

	go func() {
		configs = append(configs, s.record(ctx, t, before.ResourceVersion, "configmaps", s.name+"-config", func(e watch.Event) (string, bool) {
			cm, ok := e.Object.(*corev1.ConfigMap)
			if !ok || e.Type == watch.Deleted {
				return "", false
			}

			return cm.Data["config.yaml"], true
		})...)
		done <- struct{}{}
	}()

	go func() {
		pods = s.record(ctx, t, before.ResourceVersion, "pods", s.name+"-0", func(e watch.Event) (string, bool) {
			pod, ok := e.Object.(*corev1.Pod)
			// One that has a node was created before, and is only told of again.
			if !ok || e.Type != watch.Added || pod.Spec.NodeName != "" {
				return "", false
			}

			return pod.Annotations[v1alpha1.AnnotationConfig], true
		})
		done <- struct{}{}
	}()

	t.Cleanup(func() {
		time.Sleep(time.Second) // What just happened arrives.
		stop()
		<-done
		<-done

		t.Logf("saw %d versions of config.yaml and %d pods", len(configs), len(pods))

		for _, pod := range pods {
			if !slices.ContainsFunc(configs, func(c version) bool { return c.resource < pod.resource && c.config == pod.config }) {
				t.Errorf("at resource version %d a pod is created whose digest covers what the ConfigMap does not hold yet:\n%s", pod.resource, pod.config)
			}
		}
	})
}

// version of a config.yaml, held or covered.
type version struct {
	resource uint64
	config   string
}

// record records what happens to one object after a resource version, across restarts of
// the API server.
func (s *server) record(ctx context.Context, t *testing.T, after, resource, name string, config func(watch.Event) (string, bool)) []version {
	t.Helper()

	lw := cache.NewListWatchFromClient(cluster.Clientset.CoreV1().RESTClient(), resource, s.namespace, fields.OneTermEqualSelector("metadata.name", name))

	w, err := toolswatch.NewRetryWatcherWithContext(ctx, after, lw)
	if err != nil {
		t.Error(err)

		return nil
	}
	defer w.Stop()

	var seen []version

	for {
		select {
		case <-ctx.Done():
			return seen
		case event, open := <-w.ResultChan():
			if ctx.Err() != nil {
				return seen
			}

			// An API server that has just started may not know the past any more.
			if !open || event.Type == watch.Error {
				return append(seen, s.recordAgain(ctx, t, resource, name, config)...)
			}

			o, err := meta.Accessor(event.Object)
			if err != nil {
				t.Error(err)

				return seen
			}

			if c, ok := config(event); ok {
				number, err := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
				if err != nil {
					t.Error(err)
				}

				seen = append(seen, version{number, c})
			}
		}
	}
}

// recordAgain begins to record again, from the present state.
func (s *server) recordAgain(ctx context.Context, t *testing.T, resource, name string, config func(watch.Event) (string, bool)) []version {
	t.Helper()

	now := &corev1.ConfigMapList{}

	for cluster.List(ctx, now, client.InNamespace(s.namespace), client.MatchingFields{"metadata.name": name}) != nil && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
	}

	var seen []version

	for _, cm := range now.Items {
		number, err := strconv.ParseUint(cm.ResourceVersion, 10, 64)
		if err != nil {
			t.Error(err)
		}

		seen = append(seen, version{number, cm.Data["config.yaml"]})
	}

	return append(seen, s.record(ctx, t, now.ResourceVersion, resource, name, config)...)
}
