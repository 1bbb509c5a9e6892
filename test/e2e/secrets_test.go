package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilversion "k8s.io/apimachinery/pkg/util/version"
)

// otherJWTKey is what the JWT Secret is rotated to.
const otherJWTKey = "another-example-another-example-another"

// rotateJWT replaces the key that the server signs its tokens with.
func (s *server) rotateJWT(t *testing.T, key string) {
	t.Helper()

	s.applySecret(t, "jwt", map[string]string{"jwt-secret": key})
}

// deleteSecret deletes a Secret of the server's namespace.
func (s *server) deleteSecret(t *testing.T, name string) {
	t.Helper()

	if err := cluster.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}); err != nil {
		t.Fatal(err)
	}
}

// tokenValid says nothing as long as the server takes the token.
func (s *server) tokenValid(token string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		return s.request(ctx, http.MethodGet, "/api/v1/auth/me", token, nil, nil)
	}
}

// tokenRefused says nothing once the server answers, and does not know the token. A
// server that does not answer refuses nothing.
func (s *server) tokenRefused(token string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		err := s.tokenValid(token)(ctx)
		if err == nil {
			return errors.New("the server takes the token")
		}

		if !strings.Contains(err.Error(), ": 401: ") {
			return err
		}

		return nil
	}
}

// successor returns the pod that replaces another, once it is ready.
func (s *server) successor(t *testing.T, before *corev1.Pod) *corev1.Pod {
	t.Helper()

	pod := &corev1.Pod{}

	eventually(t, "another pod is ready", func(ctx context.Context) error {
		if err := cluster.Get(ctx, s.key(before.Name), pod); err != nil {
			return err
		}

		if pod.UID == before.UID {
			return errors.New("it is the same pod")
		}

		return podReady(pod)
	})

	return pod
}

// call has Crossplane call the function now. It is called on each change of the
// DittoServer, and else when Crossplane sees a reason to, which may take a minute.
func (s *server) call(t *testing.T) {
	t.Helper()

	s.patch(t, fmt.Sprintf(`metadata: {annotations: {e2e/called: %q}}`, time.Now().Format(time.RFC3339Nano)))
}

// throughoutCalls checks that check returns no error while the function is called. It
// must not look at conditions: Crossplane may still write old ones.
func (s *server) throughoutCalls(t *testing.T, what string, check func(ctx context.Context) error) {
	t.Helper()

	for range 3 {
		s.call(t)
		throughout(t, 5*time.Second, what, check)
	}
}

// says is like condition, with a reason and with a message that has each of the parts.
func (s *server) says(want string, parts ...string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		xr, err := s.get(ctx)
		if err != nil {
			return err
		}

		kind, _, _ := strings.Cut(want, "=")

		c := meta.FindStatusCondition(xr.Conditions, kind)
		if c == nil {
			return fmt.Errorf("no condition %s", kind)
		}

		if got := fmt.Sprintf("%s=%s/%s", kind, c.Status, c.Reason); got != want {
			return fmt.Errorf("%s: %s", got, c.Message)
		}

		for _, part := range parts {
			if !strings.Contains(c.Message, part) {
				return fmt.Errorf("%s does not say %q: %s", kind, part, c.Message)
			}
		}

		return nil
	}
}

// all returns a check that does all of the checks, in order.
func all(checks ...func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}

		return nil
	}
}

// specSeen returns no error once the function has answered to the spec as it is now.
func (s *server) specSeen(ctx context.Context) error {
	composite, err := s.composite(ctx)
	if err != nil {
		return err
	}

	seen, err := seenGeneration(composite)
	if err == nil && seen != composite.GetGeneration() {
		err = fmt.Errorf("the function has seen generation %d of the spec, which is at %d", seen, composite.GetGeneration())
	}

	return err
}

// seenGeneration returns the generation of a composite resource that its pipeline last
// ran for. A claim's status has none, since its generation is another.
func seenGeneration(composite *unstructured.Unstructured) (int64, error) {
	conditions, err := conditionsOf(composite)
	if err != nil {
		return 0, err
	}

	c := meta.FindStatusCondition(conditions, "Synced")
	if c == nil {
		return 0, errors.New("no condition Synced")
	}

	return c.ObservedGeneration, nil
}

// A server whose JWT Secret is rotated restarts with it: whoever has an old token is
// out, and no file is lost. Nothing but the Secret's change may be needed for that.
func TestRotatedJWTSecretReplacesThePod(t *testing.T) {
	t.Parallel()

	t.Run("Installed", func(t *testing.T) {
		t.Parallel()

		// The function is called as it is for any user's DittoServer.
		rotatedJWTSecretReplacesThePod(t, tested.composition)
	})

	// A ttl far longer than the test waits.
	t.Run("LongTTL", func(t *testing.T) {
		t.Parallel()

		if crossplane := os.Getenv("STACK_CROSSPLANE"); crossplane != "" && utilversion.MustParseSemantic(crossplane).LessThan(utilversion.MustParseSemantic("v2.4.0")) {
			t.Skip("Crossplane watches the Secrets from v2.4 on")
		}

		rotatedJWTSecretReplacesThePod(t, compositionWith(t, "ttl: 1h"))
	})
}

func rotatedJWTSecretReplacesThePod(t *testing.T, composition string) {
	t.Helper()

	s := servingFiles(t, withComposition(composition))

	before := s.waitRunning(t)
	token := s.login(t)

	if err := s.tokenValid(token)(t.Context()); err != nil {
		t.Fatal(err)
	}

	rotated := time.Now()

	s.rotateJWT(t, otherJWTKey)
	after := s.successor(t, before)
	t.Logf("rotated Secret reached a new ready pod after %.1f s", time.Since(rotated).Seconds())

	eventually(t, "the old token is refused", s.tokenRefused(token))
	eventually(t, "a new token is taken", s.tokenValid(s.login(t)))
	s.expectFile(t, "first.txt", "first")

	if now := s.waitRunning(t); now.UID != after.UID {
		t.Error("one rotation replaced the pod twice")
	}
}

// A running server needs its Secrets only when it starts. One that is deleted stops
// nothing, and nothing happens when it comes back as it was.
func TestDeletedSecretLeavesTheServerRunning(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withContent)
	pod := s.waitRunning(t)
	token := s.login(t)
	serves := all(s.samePod(pod), s.tokenValid(token))

	s.deleteSecret(t, "jwt")
	s.throughoutCalls(t, "the server runs on without its Secret", serves)
	eventually(t, "the missing Secret is reported", all(
		s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/jwt does not exist", "jwt-secret"),
		s.condition("ConfigRolledOut=False/SecretsNotResolved")))
	s.expectFile(t, "first.txt", "first")

	s.rotateJWT(t, jwtKey)
	s.throughoutCalls(t, "the server runs on with its Secret", serves)
	eventually(t, "the Secret is back", all(s.condition("SecretsResolved=True"), s.condition("ConfigRolledOut=True")))
	s.expectFile(t, "first.txt", "first")
}

// A change that comes while a Secret is missing waits for it whole: a pod that restarts
// by itself would else take half of it.
func TestChangeWaitsForMissingSecret(t *testing.T) {
	t.Parallel()

	s := newServer(t, withContent)
	pod := s.waitRunning(t)

	config, err := s.configYAML(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	sameConfig := func(ctx context.Context) error {
		now, err := s.configYAML(ctx)
		if err == nil && now != config {
			err = fmt.Errorf("config.yaml is now %s", now)
		}

		return err
	}

	s.deleteSecret(t, "admin")
	s.call(t)
	eventually(t, "the missing Secret is reported", s.says("SecretsResolved=False/Missing", "Secret "+s.namespace+"/admin does not exist"))

	s.apply(t, withContent+"logging: {level: DEBUG}\n")
	eventually(t, "the function has seen the change", s.specSeen)
	s.throughoutCalls(t, "the change is held", all(s.samePod(pod), sameConfig))
	eventually(t, "the change is reported as held", s.condition("ConfigRolledOut=False/SecretsNotResolved"))

	s.applySecret(t, "admin", map[string]string{"password": adminPassword})
	s.call(t)
	s.successor(t, pod)
	eventually(t, "the change is through", s.condition("ConfigRolledOut=True"))
	s.waitRunning(t)

	if now, err := s.configYAML(t.Context()); err != nil || !strings.Contains(now, "level: DEBUG") {
		t.Errorf("config.yaml lacks the change: %v: %s", err, now)
	}
}
