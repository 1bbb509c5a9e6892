package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// A native sidecar that a webhook injects, here the server's database, is there before the server
// starts and until it has stopped, and restarts nothing.
func TestInjectedSidecarStartsFirstAndStopsLast(t *testing.T) {
	t.Parallel()
	needsNode(t)

	const (
		uid       = 999
		finalizer = "example.org/e2e"
	)

	s := newNamespace(t)
	sidecar := corev1.Container{
		Name: "database", Image: postgresImage, RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
		Env: []corev1.EnvVar{
			{Name: "POSTGRES_DB", Value: "dittofs"}, {Name: "POSTGRES_USER", Value: "dittofs"}, {Name: "POSTGRES_PASSWORD", Value: "example-first"},
		},
		SecurityContext: &corev1.SecurityContext{RunAsUser: new(int64(uid)), RunAsGroup: new(int64(uid))},
		VolumeMounts:    []corev1.VolumeMount{{Name: "database", MountPath: "/data"}},
		StartupProbe: &corev1.Probe{
			PeriodSeconds: 1, FailureThreshold: 120, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5432)}},
		},
	}

	// The first pod stays to be looked at once its containers have stopped.
	var kept atomic.Bool

	mutatePods(t, s.namespace, func(pod *corev1.Pod) []map[string]any {
		if pod.Name != s.name+"-0" {
			return nil
		}

		patch := []map[string]any{
			{"op": "add", "path": "/spec/initContainers", "value": []corev1.Container{sidecar}},
			{"op": "add", "path": "/spec/volumes/-", "value": corev1.Volume{Name: "database", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		}
		if kept.CompareAndSwap(false, true) {
			patch = append(patch, map[string]any{"op": "add", "path": "/metadata/finalizers", "value": []string{finalizer}})
		}

		return patch
	})

	secret := s.databaseSecret("example-first")
	secret["host"] = "localhost"
	s.applySecret(t, "database", secret)
	s.apply(t, withPostgres)

	release := func() {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name + "-0"}}
		_ = cluster.Patch(context.Background(), pod, client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`)))
	}
	t.Cleanup(release)

	pod := s.waitRunning(t)
	if n := pod.Status.ContainerStatuses[0].RestartCount; n != 0 {
		t.Errorf("the server started %d times more, until its database was there", n)
	}

	s.throughoutCalls(t, "what is injected restarts nothing", all(s.samePod(pod), s.condition("ConfigRolledOut=True")))

	if err := cluster.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	eventually(t, "both have stopped", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(pod.Name), pod); err != nil {
			return err
		}

		server, database := pod.Status.ContainerStatuses[0].State.Terminated, pod.Status.InitContainerStatuses[0].State.Terminated
		if server == nil || database == nil {
			return errors.New("they have not")
		}

		if server.ExitCode != 0 || database.FinishedAt.Before(&server.FinishedAt) {
			t.Errorf("want the server to stop in order before its database, got %+v and %+v", server, database)
		}

		return nil
	})
	release()
	s.waitRunning(t)
}

// mutatePods has the API server patch every new pod of a namespace, by a webhook of the test's own.
func mutatePods(t *testing.T, namespace string, patch func(pod *corev1.Pod) []map[string]any) {
	t.Helper()

	host := addressForPods(t)
	ca := pki.Authority(t)
	own := ca.Issue(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(host)} })

	pair, err := tls.X509KeyPair(own.Certificate, own.Key)
	if err != nil {
		t.Fatal(err)
	}

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}

	var called atomic.Bool

	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called.Store(true)

		review, pod := &admissionv1.AdmissionReview{}, &corev1.Pod{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil || json.Unmarshal(review.Request.Object.Raw, pod) != nil {
			http.Error(w, "no pod", http.StatusBadRequest)
			return
		}

		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if p := patch(pod); len(p) > 0 {
			review.Response.PatchType = new(admissionv1.PatchTypeJSONPatch)
			review.Response.Patch, _ = json.Marshal(p)
		}

		_ = json.NewEncoder(w).Encode(review)
	}))
	_ = srv.Listener.Close()
	srv.Listener, srv.TLS = listener, &tls.Config{Certificates: []tls.Certificate{pair}}

	srv.StartTLS()
	t.Cleanup(srv.Close)

	hook := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:                    "pods.example.org",
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new(srv.URL), CABundle: ca.Certificate},
		}},
	}
	if err := cluster.Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = cluster.Delete(context.Background(), hook) })

	eventually(t, "the API server calls the webhook", func(ctx context.Context) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "any"}, Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{},
			Containers:      []corev1.Container{{Name: "any", Image: "any"}},
		}}
		if err := cluster.Create(ctx, pod, client.DryRunAll); err != nil {
			return err
		}

		if !called.Load() {
			return fmt.Errorf("it did not for %s", pod.Name)
		}

		return nil
	})
}
