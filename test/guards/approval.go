package guards

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/krb5"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// approval checks that dangerous changes wait for a person, whole, and go ahead for the right
// word only.
func approval(t *testing.T, fn simulator.Function) {
	t.Helper()

	withoutGeneration := func(w *simulator.World) { w.Input = protostructtest.FromYAML(w.T, "{configHash: {generation: None}}") }

	cases := map[string]struct {
		reason string
		start  func(w *simulator.World)
		change func(w *simulator.World)
	}{
		"Downgrade": {
			reason: "An older release may not read the database of a newer one.",
			change: func(w *simulator.World) { w.Patch("0.28.1", "version") },
		},
		"DowngradeByImage": {
			reason: "The tag of an image is a version too.",
			change: func(w *simulator.World) {
				w.Patch("", "version")
				w.Patch("registry.example.org/dittofs:v0.28.1", "image")
			},
		},
		"DowngradeWithoutGeneration": {
			reason: "The rollout digest is the same for both releases.",
			start:  withoutGeneration,
			change: func(w *simulator.World) { w.Patch("0.28.1", "version") },
		},
		"UnknownRelease": {
			reason: "Nobody knows what a release that is newer than known makes of its configuration.",
			change: func(w *simulator.World) { w.Patch("0.99.0", "version") },
		},
		"UnknownReleaseByImage": {
			reason: "The tag of an image is a version too, where the version stays.",
			change: func(w *simulator.World) { w.Patch("registry.example.org/dittofs:v0.99.0", "image") },
		},
		"UnknownReleaseWithoutVersion": {
			reason: "A server without a version gets other keys than one with it.",
			start:  func(w *simulator.World) { w.Patch("", "version") },
			change: func(w *simulator.World) { w.Patch("0.99.0", "version") },
		},
		"SQLitePath": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("/data/metadata/other.db", "database", "sqlite", "path") },
		},
		"DatabaseType": {
			reason: "The server would start on an empty database.",
			change: func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
		},
		"DatabaseSecret": {
			reason: "Another Secret is another database.",
			start:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			change: func(w *simulator.World) {
				w.SetSecret("db2", simulator.SecretValues["db"][0])
				w.Patch("{secretRef: {name: db2}}", "database", "postgres")
			},
		},
		"DatabaseHost": {
			reason: "Another host in the spec is another database.",
			start: func(w *simulator.World) {
				w.Patch("{host: db.example.org, secretRef: {name: db}}", "database", "postgres")
			},
			change: func(w *simulator.World) { w.Patch("db2.example.org", "database", "postgres", "host") },
		},
		"DatabaseIntoSpec": {
			reason: "Another host than that of the Secret is another database.",
			start:  func(w *simulator.World) { w.Patch("{secretRef: {name: db}}", "database", "postgres") },
			change: func(w *simulator.World) { w.Patch("db2.example.org", "database", "postgres", "host") },
		},
		"DatabaseIntoSecret": {
			reason: "Another host than that of the spec is another database.",
			start: func(w *simulator.World) {
				w.Patch("{host: db2.example.org, secretRef: {name: db}}", "database", "postgres")
			},
			change: func(w *simulator.World) { w.Patch("", "database", "postgres", "host") },
		},
		"LDAPRemoved": {
			reason: "The server keeps the directory in its database.",
			start: func(w *simulator.World) {
				w.SetSecret("directory", map[string]string{"password": "example"})
				w.Patch(directory, "identity", "ldap")
			},
			change: func(w *simulator.World) { w.Patch("", "identity", "ldap") },
		},
		"KerberosRemoved": {
			reason: "The server keeps Kerberos in its database, and with SMB needs its keytab.",
			start: func(w *simulator.World) {
				setKerberos(w, krb5.Keytab("nfs/files.example.org@EXAMPLE.ORG"), "example")
				w.Patch(kerberos, "identity", "kerberos")
			},
			change: func(w *simulator.World) { w.Patch("", "identity", "kerberos") },
		},
		"Manual": {
			reason: "Under rollout Manual every restart waits.",
			start:  func(w *simulator.World) { w.Patch("Manual", "rollout") },
			change: func(w *simulator.World) { w.SetSecret("jwt", simulator.SecretValues["jwt"][1]) },
		},
		"ManualConfig": {
			reason: "Under rollout Manual the configuration waits too.",
			start:  func(w *simulator.World) { w.Patch("Manual", "rollout") },
			change: func(w *simulator.World) { w.Patch("DEBUG", "logging", "level") },
		},
		"ManualTemplate": {
			reason: "A restart with the same digest waits too, and an old approval of that digest does not count.",
			start: func(w *simulator.World) {
				withoutGeneration(w)
				w.Patch("Manual", "rollout")
				w.Settle()
				w.Annotate(v1alpha1.AnnotationApprove, w.Hash())
			},
			change: func(w *simulator.World) { w.Patch("{a: b}", "podLabels") },
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, simulator.Namespaced)
			if tc.start != nil {
				tc.start(w)
			}

			checkApproval(t, w, tc.reason, tc.change)
		})
	}
}

// checkApproval checks that a change of a server at rest waits, and comes once it is approved.
func checkApproval(t *testing.T, w *simulator.World, reason string, change func(w *simulator.World)) {
	t.Helper()

	w.Settle()

	was, config := w.Template(), w.Config()
	change(w)

	for _, wrong := range []string{"", "true", strings.Repeat("0", 64), w.Hash()} {
		if wrong != "" {
			w.Annotate(v1alpha1.AnnotationApprove, wrong)
		}

		if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.ApprovalRequired) {
			t.Fatalf("%s\nf.RunFunction(...): with approval %q: want %s, got %s", reason, wrong, guard.ApprovalRequired, got)
		}

		if !cmp.Equal(was, w.Template(), protocmp.Transform()) || w.Config() != config {
			t.Fatalf("%s\nf.RunFunction(...): with approval %q: the server moves", reason, wrong)
		}
	}

	w.Annotate(v1alpha1.AnnotationApprove, w.Approval())

	if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.RolledOut) {
		t.Errorf("%s\nf.RunFunction(...): approved: want %s, got %s", reason, guard.RolledOut, got)
	}

	if cmp.Equal(was, w.Template(), protocmp.Transform()) {
		t.Errorf("%s\nf.RunFunction(...): the approved change never comes", reason)
	}
}

// upgradeByHand checks that a server that somebody upgraded by hand does not go down again to
// the version of the spec without a person.
func upgradeByHand(t *testing.T, fn simulator.Function) {
	t.Helper()

	const newer = "marmos91c/dittofs:v0.30.0"

	for _, rollout := range []string{"Automatic", "Manual"} {
		w := newNative(t, fn, `{version: 0.29.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`)
		w.SetImage(newer)

		if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.ApprovalRequired) {
			t.Errorf("%s: want %s, got %s", rollout, guard.ApprovalRequired, got)
		}

		if got := manifest.ContainerImage(w.Live[statefulSet]); got != newer {
			t.Errorf("%s: the newer server goes down to %s", rollout, got)
		}

		w.Edit(protostructtest.FromYAML(t, `{version: 0.30.0, rollout: `+rollout+`, identity: {jwt: {secretRef: {name: jwt}}}}`))

		if rollout == "Manual" {
			w.Settle()
			w.Annotate(v1alpha1.AnnotationApprove, w.Approval())
		}

		if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.RolledOut) {
			t.Errorf("%s: want no hold once the spec follows, got %s", rollout, got)
		}
	}
}

// imageOfWebhook checks that nothing restarts where a webhook has images come from a mirror,
// which changes what Crossplane owns. The image that was asked for stays the one that is asked
// for, and the platform's policy is about that one.
func imageOfWebhook(t *testing.T, fn simulator.Function) {
	t.Helper()

	w := newNative(t, fn, `{identity: {jwt: {secretRef: {name: jwt}}}}`)
	w.Input = protostructtest.FromYAML(t, "{compose: Native, policy: {images: [marmos91c/dittofs]}}")

	asked, hash := manifest.ContainerImage(w.Live[statefulSet]), manifest.TemplateHash(w.Live[statefulSet])

	// A webhook changes what Crossplane itself applies, so that Crossplane owns it.
	container := protostruct.Get(w.Live[statefulSet], "spec", "template", "spec", "containers").GetListValue().GetValues()[0].GetStructValue()
	protostruct.Set(container, structpb.NewStringValue("mirror.example.org/"+asked), "image")

	_, rsp := w.Last()
	sts := rsp.GetDesired().GetResources()[statefulSet].GetResource()

	if got := manifest.ContainerImage(sts); got != asked {
		t.Errorf("want the image %s again, got: %s", asked, got)
	}

	if got := manifest.TemplateHash(sts); got != hash {
		t.Errorf("want the pod template %s again, got: %s", hash, got)
	}
}
