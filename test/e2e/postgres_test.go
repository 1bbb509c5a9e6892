package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// postgresImage is the one that postgres.sh assembles.
const postgresImage = "postgres:stack"

// withPostgres is withContent, and a Secret as other operators write them.
const withPostgres = withContent + `
database:
  type: postgres
  postgres:
    secretRef: {name: database}
    keys: {database: dbname, user: username}
`

func TestPostgresIsTheControlPlaneDatabase(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newNamespace(t)
	s.runPostgres(t, "example-first")
	s.applySecret(t, "database", s.databaseSecret("example-first"))
	s.apply(t, withPostgres)

	pod := s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	s.writeFile(t, "first.txt", "first")
	s.expectShareInPostgres(t)
	s.expectNoSQLite(t)

	// The database outlives the server's pod, and so do the shares in it.
	if err := cluster.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	pod = s.waitOtherPod(t, pod)
	s.expectFile(t, "first.txt", "first")

	// From here on the old password opens no new connection.
	s.psql(t, "postgres", "ALTER ROLE dittofs PASSWORD 'example-second'")
	s.applySecret(t, "database", s.databaseSecret("example-second"))
	s.waitOtherPod(t, pod)
	s.expectFile(t, "first.txt", "first")
}

// A server that cannot log in to its database is not Ready, and is once its Secret has
// the right password.
func TestWrongPostgresPasswordIsNotReady(t *testing.T) {
	t.Parallel()
	needsNode(t)

	s := newNamespace(t)
	s.runPostgres(t, "example-first")
	s.applySecret(t, "database", s.databaseSecret("example-wrong"))
	s.apply(t, withPostgres)

	eventually(t, "the server fails", s.fails)

	if err := s.condition("Ready=False")(t.Context()); err != nil {
		t.Error(err)
	}

	s.applySecret(t, "database", s.databaseSecret("example-first"))
	s.waitRunning(t)
}

// Where the database is may move from the Secret into the spec: the server restarts once for it, and
// nobody is asked. Another place waits for approval, and config is no way around.
func TestPostgresSettingsMoveIntoTheSpec(t *testing.T) {
	t.Parallel()
	needsNode(t)

	host := func(s *server, host string) string {
		return withContent + `
database:
  postgres:
    host: ` + host + "." + s.namespace + `.svc
    port: 5432
    database: dittofs
    secretRef: {name: database}
    keys: {database: dbname, user: username}
`
	}

	s := newNamespace(t)
	s.runPostgres(t, "example-first")
	s.applySecret(t, "database", s.databaseSecret("example-first"))
	s.apply(t, withPostgres)

	pod := s.waitRunning(t)
	s.makeShare(t, metadataStore, contentStore)
	s.writeFile(t, "first.txt", "first")

	s.apply(t, host(s, "postgres"))
	pod = s.successor(t, pod)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")

	// The Secret may drop what the spec says.
	s.applySecret(t, "database", map[string]string{"username": "dittofs", "password": "example-first"})
	s.throughoutCalls(t, "nothing restarts", s.samePod(pod))

	s.apply(t, host(s, "other"))
	eventually(t, "another host waits", s.condition("ConfigRolledOut=False/ApprovalRequired"))
	s.throughoutCalls(t, "the server runs on", s.samePod(pod))

	s.apply(t, host(s, "postgres")+"config: {database: {type: sqlite}, gc: {auto_interval: 1h}}\n")
	eventually(t, "config is no way around", s.refused("spec.config.database: Forbidden: spec.database decides it"))

	s.apply(t, host(s, "postgres"))
	eventually(t, "the change is taken back", s.condition("ConfigRolledOut=True"))

	if err := s.samePod(pod)(t.Context()); err != nil {
		t.Error(err)
	}
}

// fails returns no error once the server's container has ended by itself.
func (s *server) fails(ctx context.Context) error {
	pod := &corev1.Pod{}
	if err := cluster.Get(ctx, s.key(s.name+"-0"), pod); err != nil {
		return err
	}

	for _, c := range pod.Status.ContainerStatuses {
		if c.RestartCount > 0 {
			return nil
		}
	}

	return errors.New("it did not restart yet")
}

// databaseSecret has the keys that withPostgres names, and the ones that it need not.
func (s *server) databaseSecret(password string) map[string]string {
	return map[string]string{
		"host": "postgres." + s.namespace + ".svc", "port": "5432",
		"dbname": "dittofs", "username": "dittofs", "password": password,
	}
}

// runPostgres as a pod with a Service, with a database and a role dittofs. It is ready
// when this returns. With a Secret, it has that certificate.
func (s *server) runPostgres(t *testing.T, password string, certificate ...string) {
	t.Helper()

	const uid = 999

	meta := metav1.ObjectMeta{Namespace: s.namespace, Name: "postgres", Labels: map[string]string{"app": "postgres"}}

	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext:               &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(uid)), RunAsGroup: new(int64(uid)), FSGroup: new(int64(uid))},
		Containers: []corev1.Container{{
			Name:  "postgres",
			Image: postgresImage,
			Env: []corev1.EnvVar{
				{Name: "POSTGRES_DB", Value: "dittofs"},
				{Name: "POSTGRES_USER", Value: "dittofs"},
				{Name: "POSTGRES_PASSWORD", Value: password},
			},
			VolumeMounts:   []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5432)}}},
		}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}}
	for _, name := range certificate {
		pod.Spec.Containers[0].Args = []string{"-c", "ssl=on", "-c", "ssl_cert_file=/tls/tls.crt", "-c", "ssl_key_file=/tls/tls.key"}
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "tls", MountPath: "/tls"})
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "tls", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: name, DefaultMode: new(int32(0o440))},
		}})
	}

	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: meta.Labels, Ports: []corev1.ServicePort{{Port: 5432}}}}

	if err := errors.Join(cluster.Create(t.Context(), pod), cluster.Create(t.Context(), service)); err != nil {
		t.Fatal(err)
	}

	eventually(t, "PostgreSQL runs", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key("postgres"), pod); err != nil {
			return err
		}

		return podReady(pod)
	})
}

// psql runs a statement as PostgreSQL's superuser, in the pod, and returns the values.
func (s *server) psql(t *testing.T, database, statement string) string {
	t.Helper()

	out, err := tool(t.Context(), "kubectl", "--namespace="+s.namespace, "exec", "postgres", "--",
		"/bin/sh", "-c", `exec /usr/lib/postgresql/*/bin/psql --no-psqlrc --tuples-only --no-align --host=/data --dbname="$0" --command="$1"`, database, statement)
	if err != nil {
		t.Fatal(err)
	}

	return strings.TrimSpace(out)
}

// expectShareInPostgres is the one that was made over REST.
func (s *server) expectShareInPostgres(t *testing.T) {
	t.Helper()

	if got := s.psql(t, "dittofs", "SELECT name FROM shares"); got != share {
		t.Errorf("PostgreSQL has the shares %q, want %s", got, share)
	}
}

// expectNoSQLite checks that the claim for the SQLite database has none.
func (s *server) expectNoSQLite(t *testing.T) {
	t.Helper()

	files := s.filesOnClaims(t)
	if strings.Contains(files, ".db") {
		t.Errorf("there is an SQLite database:\n%s", files)
	}

	// The list must show what is there.
	if !strings.Contains(files, "/metadata/store") {
		t.Errorf("no metadata store in\n%s", files)
	}
}

// filesOnClaims are the names at the top of the claims, as another pod sees them: the
// server's image has no shell.
func (s *server) filesOnClaims(t *testing.T) string {
	t.Helper()

	claim := func(name string) corev1.Volume {
		source := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name + "-" + s.name + "-0"}

		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: source}}
	}

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "files-on-claims"}, Spec: corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: new(false),
		SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532))},
		Containers: []corev1.Container{{
			Name:         "list",
			Image:        postgresImage,
			Command:      []string{"/bin/sh", "-c", "printf '%s\\n' /controlplane/* /metadata/*"},
			VolumeMounts: []corev1.VolumeMount{{Name: "controlplane", MountPath: "/controlplane"}, {Name: "metadata", MountPath: "/metadata"}},
		}},
		Volumes: []corev1.Volume{claim("controlplane"), claim("metadata")},
	}}
	if err := cluster.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the claims are listed", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(pod.Name), pod); err != nil {
			return err
		}

		if pod.Status.Phase != corev1.PodSucceeded {
			return fmt.Errorf("the pod is %s", pod.Status.Phase)
		}

		return nil
	})

	content, err := cluster.Clientset.CoreV1().Pods(s.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}

// waitOtherPod waits until the server runs in another pod than this.
func (s *server) waitOtherPod(t *testing.T, before *corev1.Pod) *corev1.Pod {
	t.Helper()

	eventually(t, "another pod is there", func(ctx context.Context) error {
		now := &corev1.Pod{}
		if err := cluster.Get(ctx, s.key(before.Name), now); err != nil {
			return err
		}

		if now.UID == before.UID {
			return errors.New("the old pod is there")
		}

		return nil
	})

	return s.waitRunning(t)
}
