package guards

import (
	"maps"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/krb5"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// directory is one that a server looks up users in.
const directory = "{url: 'ldaps://directory.example.org', baseDN: 'DC=example,DC=org', bindDN: 'CN=dittofs,DC=example,DC=org', bindPasswordSecretRef: {name: directory}}"

// newDirectory returns a server at rest that looks up users in a directory.
func newDirectory(t *testing.T, fn simulator.Function, f simulator.Flavour) *simulator.World {
	t.Helper()

	w := simulator.NewServer(t, fn, f)
	w.SetSecret("directory", map[string]string{"password": "example"})
	w.Patch(directory, "identity", "ldap")
	w.Settle()

	return w
}

// kerberos is of a server with a machine account.
const kerberos = "{realm: EXAMPLE.ORG, servicePrincipal: nfs/files.example.org, keytabSecretRef: {name: kerberos}, netbiosDomain: EXAMPLE, machineAccount: {accountName: FILES$, passwordSecretRef: {name: kerberos}}}"

// setKerberos sets the Secret of a server with Kerberos.
func setKerberos(w *simulator.World, keytab []byte, password string) {
	w.SetSecret("kerberos", map[string]string{"krb5.keytab": string(keytab), "password": password})
}

// acknowledgement returns the value that the condition Warnings asks to annotate with, or "".
func acknowledgement(rsp *fnv1.RunFunctionResponse) string {
	for _, c := range rsp.GetConditions() {
		if _, rest, ok := strings.Cut(c.GetMessage(), v1alpha1.AnnotationAcknowledge+"="); ok && c.GetType() == report.Warnings {
			value, _, _ := strings.Cut(rest, ";")

			return value
		}
	}

	return ""
}

// template returns the live pod template.
func template(w *simulator.World) *structpb.Struct {
	return protostruct.Get(w.Live[statefulSet], "spec", "template").GetStructValue()
}

// seeds checks that settings which the server copies into its database once restart nothing, and
// are told until a person says that the database has them.
func seeds(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := newDirectory(t, fn, f)
			was := template(w)

			check := func(what string, isTold bool) {
				t.Helper()

				rsp := w.Settle()
				if !cmp.Equal(was, template(w), protocmp.Transform()) {
					t.Fatalf("%s: the server restarts", what)
				}

				if got := acknowledgement(rsp) != ""; got != isTold {
					t.Fatalf("%s: told: want %t, got %t: %s", what, isTold, got, cluster.ReasonOf(rsp, report.Warnings))
				}

				// A long message is cut.
				if isTold && !strings.HasPrefix(cluster.ConditionOf(rsp, report.Warnings).GetMessage(), dittofs.ProviderLDAP.Field()) {
					t.Errorf("%s: told behind other warnings", what)
				}
			}

			acknowledge := func() { w.Annotate(v1alpha1.AnnotationAcknowledge, acknowledgement(w.Settle())) }

			check("the first start", false)

			w.Patch("ldaps://other.example.org", "identity", "ldap", "url")
			check("another directory", true)

			if got := protostruct.Get(w.Live["configmap"], "data", "DITTOFS_LDAP_URL").GetStringValue(); got != "ldaps://other.example.org" {
				t.Errorf("the next pod must get what the spec says, got %q", got)
			}

			w.Annotate(v1alpha1.AnnotationAcknowledge, "true")
			check("a wrong word", true)

			w.SetSecret("directory", map[string]string{"password": "example-2"})
			check("another password", true)

			w.Patch("ldaps://directory.example.org", "identity", "ldap", "url")
			check("the change taken back", false)

			w.Patch("ldaps://other.example.org", "identity", "ldap", "url")
			acknowledge()
			check("the change made", false)

			w.Patch("ldaps://directory.example.org", "identity", "ldap", "url")
			check("taken back after it was made", true)

			acknowledge()
			check("taken back in the database, too", false)
		})
	}
}

// seedsAgain checks that what a person said of a change counts once: the same change may come again,
// and nobody knows what the server's database has by then.
func seedsAgain(t *testing.T, fn simulator.Function) {
	t.Helper()

	const account = "{accountName: FILES$, passwordSecretRef: {name: kerberos}}"

	cases := map[string]struct {
		reason       string
		new, off, on func(w *simulator.World)

		// offIsTold reports whether it is told when it goes. If not, it is when it comes back.
		offIsTold bool
	}{
		"LDAP": {
			reason: "A directory that comes back may be turned off in the database.",
			new:    func(w *simulator.World) { w.Patch(directory, "identity", "ldap") },
			off: func(w *simulator.World) {
				w.Patch("", "identity", "ldap")
				w.Settle()
				w.Annotate(v1alpha1.AnnotationApprove, w.Approval())
			},
			on: func(w *simulator.World) { w.Patch(directory, "identity", "ldap") },
		},
		"MachineAccount": {
			reason:    "An account that goes stays in the database.",
			new:       func(w *simulator.World) { w.Patch(kerberos, "identity", "kerberos") },
			off:       func(w *simulator.World) { w.Patch("", "identity", "kerberos", "machineAccount") },
			on:        func(w *simulator.World) { w.Patch(account, "identity", "kerberos", "machineAccount") },
			offIsTold: true,
		},
	}

	for name, tc := range cases {
		for _, f := range onePerWay() {
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				w.SetSecret("directory", map[string]string{"password": "example"})
				setKerberos(w, krb5.Keytab("nfs/files.example.org@EXAMPLE.ORG"), "example")
				tc.new(w)
				w.Settle()

				told := map[string]bool{}
				step := func(do func(w *simulator.World), isTold bool) {
					t.Helper()
					do(w)

					value := acknowledgement(w.Settle())
					if got := value != ""; got != isTold || got && told[value] {
						t.Fatalf("%s\nf.RunFunction(...): told: want %t, got %t, the same value as before: %t", tc.reason, isTold, got, told[value])
					}

					told[value] = true

					w.Annotate(v1alpha1.AnnotationAcknowledge, value)

					if acknowledgement(w.Settle()) != "" {
						t.Fatalf("%s\nf.RunFunction(...): told after it was made", tc.reason)
					}
				}

				for range 3 {
					step(tc.off, tc.offIsTold)
					step(tc.on, !tc.offIsTold)
				}
			})
		}
	}
}

// seedsLost checks that a server whose ConfigMap somebody deletes is not taken to have what the spec
// says. Of an Object the provider creates it again, with the note.
func seedsLost(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := newDirectory(t, fn, f)
			was := template(w)

			for round := range 3 {
				delete(w.Live, "configmap")
				delete(w.Composed, "configmap")

				value := acknowledgement(w.Settle())
				if value == "" {
					t.Fatalf("round %d: nobody knows what the server has, which is not told", round)
				}

				w.Annotate(v1alpha1.AnnotationAcknowledge, value)

				if acknowledgement(w.Settle()) != "" {
					t.Fatalf("round %d: told after it was made", round)
				}
			}

			if !cmp.Equal(was, template(w), protocmp.Transform()) {
				t.Error("the server restarts")
			}
		})
	}
}

// seedsRefused checks that a pod finds the settings that its template refers to, where the API server
// refuses the template that comes without.
func seedsRefused(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := newDirectory(t, fn, f)
			data := protostruct.Get(w.Live["configmap"], "data")

			has := func(what string, want bool) {
				t.Helper()

				for key := range data.GetStructValue().GetFields() {
					if got := protostruct.Get(w.Live["configmap"], "data", key) != nil; got != want && key != dittofs.ConfigFile {
						t.Errorf("%s: the ConfigMap has %s: want %t, got %t", what, key, want, got)
					}
				}
			}

			w.Refused = true
			w.Patch("", "identity", "ldap")
			w.Settle()
			w.Annotate(v1alpha1.AnnotationApprove, w.Approval())
			w.Settle()
			has("refused", true)

			w.Refused = false
			w.Settle()
			has("applied", false)
		})
	}
}

// seedsHeld checks that a server whose directory is removed keeps all that its pod refers to, until
// a person approves.
func seedsHeld(t *testing.T, fn simulator.Function) {
	t.Helper()

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := newDirectory(t, fn, f)
			was, data := template(w), protostruct.Get(w.Live["configmap"], "data")

			w.Patch("", "identity", "ldap")

			if got := rollout(w.Settle()); got != guard.ApprovalRequired {
				t.Fatalf("want %s, got %s", guard.ApprovalRequired, got)
			}

			if diff := cmp.Diff(data, protostruct.Get(w.Live["configmap"], "data"), protocmp.Transform()); diff != "" {
				t.Errorf("the ConfigMap: -was, +is:\n%s", diff)
			}

			if !cmp.Equal(was, template(w), protocmp.Transform()) {
				t.Error("the server restarts")
			}

			// Nothing is known of its directory but what the pod refers to.
			delete(w.Live, "statefulset")
			w.Settle()
			delete(w.Live, "statefulset")
			delete(w.Composed, "statefulset")

			if got := rollout(w.Settle()); got != guard.ApprovalRequired {
				t.Fatalf("gone: want %s, got %s", guard.ApprovalRequired, got)
			}

			if w.Live["statefulset"] != nil {
				t.Error("gone: a server comes back that knows half of its directory")
			}

			w.Annotate(v1alpha1.AnnotationApprove, w.Approval())

			if got := rollout(w.Settle()); got != guard.RolledOut {
				t.Fatalf("approved: want %s, got %s", guard.RolledOut, got)
			}

			got := slices.Collect(maps.Keys(protostruct.Get(w.Live["configmap"], "data").GetStructValue().GetFields()))
			if diff := cmp.Diff([]string{"config.yaml"}, got); diff != "" {
				t.Errorf("approved: the ConfigMap: -want, +got:\n%s", diff)
			}

			// The database may have it turned off.
			w.Patch(directory, "identity", "ldap")

			if acknowledgement(w.Settle()) == "" {
				t.Error("a directory that comes back may not be in effect, which is not told")
			}
		})
	}
}

// kerberosServer checks that no pod starts without a keytab that fits, that a renewed one
// restarts nothing, and which warnings the parts get that count once.
func kerberosServer(t *testing.T, fn simulator.Function) {
	t.Helper()

	const principal = "nfs/files.example.org@EXAMPLE.ORG"

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			refuseKeytabs(t, w)
			setKerberos(w, krb5.Keytab(principal), "example")

			if got := rollout(w.Settle()); got != guard.RolledOut {
				t.Fatalf("want %s, got %s", guard.RolledOut, got)
			}

			was := template(w)

			check := func(what string, isTold bool) {
				t.Helper()

				rsp := w.Settle()
				if !cmp.Equal(was, template(w), protocmp.Transform()) {
					t.Fatalf("%s: the server restarts", what)
				}

				if got := acknowledgement(rsp) != ""; got != isTold {
					t.Fatalf("%s: told: want %t, got %t", what, isTold, got)
				}
			}

			acknowledge := func() { w.Annotate(v1alpha1.AnnotationAcknowledge, acknowledgement(w.Settle())) }

			check("the first start", false)

			setKerberos(w, krb5.Keytab(principal, "cifs/files.example.org@EXAMPLE.ORG"), "example-2")
			check("another keytab and password", false)

			w.Patch("OTHER", "identity", "kerberos", "netbiosDomain")
			check("another domain", true)

			acknowledge()
			check("the change made", false)

			w.Patch("OTHER$", "identity", "kerberos", "machineAccount", "accountName")
			check("another account", true)
			acknowledge()

			// Without an account in the database, one that comes is that of the spec.
			w.Patch("", "identity", "kerberos", "machineAccount")

			if acknowledgement(w.Settle()) == "" {
				t.Error("an account that is removed stays in the database, which is not told")
			}

			acknowledge()

			w.Patch("{accountName: FILES$, passwordSecretRef: {name: kerberos}}", "identity", "kerberos", "machineAccount")

			if got := acknowledgement(w.Settle()); got != "" {
				t.Error("an account that is added counts, and it is told that it may not")
			}
		})
	}
}

// refuseKeytabs checks that a server at rest gets no Kerberos without a keytab that fits.
func refuseKeytabs(t *testing.T, w *simulator.World) {
	t.Helper()

	without := template(w)

	w.Patch(kerberos, "identity", "kerberos")

	for name, keytab := range map[string][]byte{"none": nil, "text": []byte("example"), "another service's": krb5.Keytab("http/files.example.org@EXAMPLE.ORG")} {
		setKerberos(w, keytab, "example")

		if keytab == nil {
			delete(w.Secrets, "kerberos")
		}

		if rollout(w.Settle()) != guard.SecretsNotResolved || !cmp.Equal(without, template(w), protocmp.Transform()) {
			t.Fatalf("a keytab that is %s: a pod would start on it", name)
		}
	}
}

// keytabGoneBad checks that a server whose keytab goes bad runs on, and that no container of it starts until the
// keytab is good again: the kubelet shows the file to the pod, and NFS would run without Kerberos.
func keytabGoneBad(t *testing.T, fn simulator.Function) {
	t.Helper()

	const principal = "nfs/files.example.org@EXAMPLE.ORG"

	cases := map[string]struct {
		reason string
		do     func(w *simulator.World)

		rollout guard.Reason
		starts  bool
	}{
		"Text":  {"No keytab.", func(w *simulator.World) { setKerberos(w, []byte("example"), "example") }, guard.StartPrevented, false},
		"Empty": {"A script wrote nothing.", func(w *simulator.World) { setKerberos(w, []byte{}, "example") }, guard.StartPrevented, false},
		"CutShort": {
			"A script wrote half of it.", func(w *simulator.World) {
				kt := krb5.Keytab(principal)
				setKerberos(w, kt[:len(kt)-4], "example")
			}, guard.StartPrevented, false,
		},
		"OtherPrincipal": {
			"A server that can read it lets nobody in.", func(w *simulator.World) { setKerberos(w, krb5.Keytab("http/files.example.org@EXAMPLE.ORG"), "example") },
			guard.SecretsNotResolved, true,
		},
		"Gone": {"The kubelet starts no pod without the Secret.", func(w *simulator.World) { delete(w.Secrets, "kerberos") }, guard.SecretsNotResolved, true},
		"OtherSecret": {
			"The pod still has the good one.", func(w *simulator.World) {
				w.SetSecret("other", map[string]string{"krb5.keytab": "example"})
				w.Patch("{name: other}", "identity", "kerberos", "keytabSecretRef")
			}, guard.SecretsNotResolved, true,
		},
		"RemovedToo": {
			"Nobody has approved that yet.", func(w *simulator.World) {
				setKerberos(w, []byte("example"), "example")
				w.Settle()
				w.Patch("", "identity", "kerberos")
			}, guard.ApprovalRequired, false,
		},
	}

	for name, tc := range cases {
		for _, f := range onePerWay() {
			t.Run(name+"/"+f.Name, func(t *testing.T) {
				w := simulator.NewServer(t, fn, f)
				setKerberos(w, krb5.Keytab(principal), "example")
				w.Patch(kerberos, "identity", "kerberos")
				w.Settle()

				was, before := template(w), protostruct.Get(w.Live["configmap"], "data")

				check := func(what string, reason guard.Reason, starts bool) {
					t.Helper()

					if got := rollout(w.Settle()); got != reason {
						t.Errorf("%s\nf.RunFunction(...): %s: want the reason %s, got %s", tc.reason, what, reason, got)
					}

					if got := startsBeside(w); got != starts {
						t.Errorf("%s\n%s: a container starts: want %t, got %t", tc.reason, what, starts, got)
					}
				}

				tc.do(w)
				check("bad", tc.rollout, tc.starts)

				setKerberos(w, krb5.Keytab(principal), "example")
				w.Patch(kerberos, "identity", "kerberos")

				check("good again", guard.RolledOut, true)

				if diff := cmp.Diff(before, protostruct.Get(w.Live["configmap"], "data"), protocmp.Transform()); diff != "" {
					t.Errorf("%s\nthe ConfigMap, good again: -was, +is:\n%s", tc.reason, diff)
				}

				if !cmp.Equal(was, template(w), protocmp.Transform()) {
					t.Errorf("%s\nthe server restarts", tc.reason)
				}
			})
		}
	}
}

// startsBeside reports whether the live ConfigMap has every key that the live pod template refers to.
func startsBeside(w *simulator.World) bool {
	for _, c := range protostruct.Get(template(w), "spec", "containers").GetListValue().GetValues() {
		for _, env := range protostruct.Get(c.GetStructValue(), "env").GetListValue().GetValues() {
			key := protostruct.Get(env.GetStructValue(), "valueFrom", "configMapKeyRef", "key").GetStringValue()
			if key != "" && protostruct.Get(w.Live["configmap"], "data", key) == nil {
				return false
			}
		}
	}

	return true
}
