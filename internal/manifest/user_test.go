package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// TestPodUser checks which of user, group and group of files a pod says.
func TestPodUser(t *testing.T) {
	type ids struct{ User, Group, Files *int64 }

	own := new(int64(dittofs.ID))

	cases := map[string]struct {
		reason string
		spec   string
		user   v1beta1.PodUser
		want   ids
	}{
		"Fixed": {
			reason: "The function chooses.",
			spec:   "{}",
			user:   v1beta1.PodUserFixed,
			want:   ids{own, own, own},
		},
		"Override": {
			reason: "What the user says counts, field by field.",
			spec:   "{podSecurityContext: {runAsUser: 1000}}",
			user:   v1beta1.PodUserFixed,
			want:   ids{new(int64(1000)), own, own},
		},
		"Null": {
			reason: "Null says nothing.",
			spec:   "{podSecurityContext: {runAsUser: null}}",
			user:   v1beta1.PodUserFixed,
			want:   ids{own, own, own},
		},
		"Assigned": {
			reason: "Admission refuses what is not of the namespace's range, and fills in what is left out.",
			spec:   "{}",
			user:   v1beta1.PodUserAssigned,
		},
		"AssignedAndSaid": {
			reason: "What the user says counts.",
			spec:   "{podSecurityContext: {fsGroup: 1000}}",
			user:   v1beta1.PodUserAssigned,
			want:   ids{Files: new(int64(1000))},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := server(t, tc.spec)
			s.Input.PodUser = tc.user

			pod, err := Pod(s, PodInputs{})
			if err != nil {
				t.Fatal(err)
			}

			sc := pod.Spec.SecurityContext
			if diff := cmp.Diff(tc.want, ids{sc.RunAsUser, sc.RunAsGroup, sc.FSGroup}); diff != "" {
				t.Errorf("%s\nPod(...): -want, +got:\n%s", tc.reason, diff)
			}

			if !*sc.RunAsNonRoot || *sc.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch || sc.SeccompProfile == nil {
				t.Error("the rest of the security context is the same")
			}
		})
	}
}

// TestRecordPodUser shows that a server which comes back has the user that it had.
func TestRecordPodUser(t *testing.T) {
	s := server(t, "{}")
	s.Input.PodUser = v1beta1.PodUserAssigned

	desired, err := Pod(s, PodInputs{})
	if err != nil {
		t.Fatal(err)
	}

	if sc := (&Record{Image: "a"}).Pod(s, desired, PodInputs{}).Spec.SecurityContext; sc.RunAsUser == nil || *sc.RunAsUser != dittofs.ID || sc.RunAsGroup == nil || sc.FSGroup == nil {
		t.Errorf("it ran as %d: got %v", dittofs.ID, sc)
	}

	if sc := (&Record{Image: "a", AssignedUser: true, AssignedGroup: true}).Pod(s, desired, PodInputs{}).Spec.SecurityContext; sc.RunAsUser != nil || sc.FSGroup != nil {
		t.Errorf("its user was assigned: got %v", sc)
	}
}
