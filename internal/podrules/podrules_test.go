package podrules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The tests of internal/composite hold each rule's text and path, and test/podrules holds
// the rules against Kubernetes' own. Here is what neither of them reaches.

func TestAnnotations(t *testing.T) {
	const (
		appArmor = "container.apparmor.security.beta.kubernetes.io/c"
		legacy   = "Forbidden: Kubernetes gives it a meaning of its own: use the field of the spec"
		differs  = "must not differ from appArmorProfile: remove it"
	)

	profile := func(t corev1.AppArmorProfileType, name *string) *corev1.AppArmorProfile {
		return &corev1.AppArmorProfile{Type: t, LocalhostProfile: name}
	}

	cases := map[string]struct {
		reason  string
		key     string
		value   string
		profile *corev1.AppArmorProfile
		want    string
	}{
		"Seccomp":         {reason: "A prefix counts, whatever follows it.", key: "seccomp.security.alpha.kubernetes.io/a", want: legacy},
		"SeccompOfOne":    {reason: "A prefix counts, whatever follows it.", key: "container.seccomp.security.alpha.kubernetes.io/a", want: legacy},
		"Scheduler":       {reason: "A prefix counts, whatever follows it.", key: "scheduler.alpha.kubernetes.io/a", want: legacy},
		"Config":          {reason: "A prefix counts, whatever follows it.", key: "kubernetes.io/config.a", want: legacy},
		"DeletionCost":    {reason: "A prefix counts, whatever follows it.", key: "controller.kubernetes.io/pod-deletion-cost-a", want: legacy},
		"Other":           {reason: "Other annotations are the user's.", key: "kubernetes.io/a"},
		"Runtime":         {reason: "The runtime's profile has a name.", key: appArmor, value: "runtime/default"},
		"Unconfined":      {reason: "No profile has a name.", key: appArmor, value: "unconfined"},
		"Localhost":       {reason: "A profile of the node has a prefix.", key: appArmor, value: "localhost/a"},
		"Empty":           {reason: "The API server takes an empty value.", key: appArmor},
		"Unknown":         {reason: "Other values are refused.", key: appArmor, value: "Unconfined", want: `Invalid value: "Unconfined": must be runtime/default, unconfined, or localhost/ and the name of a profile`},
		"Same":            {reason: "The field may say the same.", key: appArmor, value: "runtime/default", profile: profile(corev1.AppArmorProfileTypeRuntimeDefault, nil)},
		"SameUnconfined":  {reason: "The field may say the same.", key: appArmor, value: "unconfined", profile: profile(corev1.AppArmorProfileTypeUnconfined, nil)},
		"SameLocalhost":   {reason: "The field may say the same.", key: appArmor, value: "localhost/a", profile: profile(corev1.AppArmorProfileTypeLocalhost, new("a"))},
		"OtherLocalhost":  {reason: "The profile's name counts.", key: appArmor, value: "localhost/b", profile: profile(corev1.AppArmorProfileTypeLocalhost, new("a")), want: `Invalid value: "localhost/b": ` + differs},
		"OtherType":       {reason: "The profile's type counts.", key: appArmor, value: "unconfined", profile: profile(corev1.AppArmorProfileTypeRuntimeDefault, nil), want: `Invalid value: "unconfined": ` + differs},
		"EmptyAndAField":  {reason: "An empty value does not say the same as a field.", key: appArmor, profile: profile(corev1.AppArmorProfileTypeRuntimeDefault, nil), want: `Invalid value: "": ` + differs},
		"UnknownType":     {reason: "A profile of no type has an error of its own.", key: appArmor, value: "unconfined", profile: profile("other", nil)},
		"NoSuchContainer": {reason: "The annotation names a container.", key: appArmor + "d", value: "unconfined", want: `Invalid value: "cd": must be the name of the pod's container, c`},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var want []string
			if tc.want != "" {
				want = []string{"podAnnotations[" + tc.key + "]: " + tc.want}
			}

			var got []string
			for _, err := range Annotations(field.NewPath("podAnnotations"), map[string]string{tc.key: tc.value}, "c", tc.profile) {
				got = append(got, err.Error())
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nAnnotations(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestEscalates(t *testing.T) {
	cases := map[string]struct {
		reason  string
		context *corev1.SecurityContext
		want    bool
	}{
		"None":       {reason: "No security context escalates nothing."},
		"Empty":      {reason: "An empty one neither.", context: &corev1.SecurityContext{}},
		"Privileged": {reason: "A privileged container escalates.", context: &corev1.SecurityContext{Privileged: new(true)}, want: true},
		"Admin":      {reason: "CAP_SYS_ADMIN escalates.", context: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"CAP_SYS_ADMIN"}}}, want: true},
		"OtherName":  {reason: "The API server knows it by this name only.", context: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Escalates(tc.context); got != tc.want {
				t.Errorf("%s\nEscalates(...): want %t, got %t", tc.reason, tc.want, got)
			}
		})
	}
}
