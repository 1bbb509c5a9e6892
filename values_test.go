package main

import (
	"strings"
	"testing"

	"github.com/dittofs/function-dittoserver/test/simulator"
)

// A password that nobody could have meant keeps a server from its first start. One that has
// started takes it, as it counts no more.
func TestFirstPassword(t *testing.T) {
	const (
		value = ":$2y$10$exampleexampleexampleexampleexampleexampleexampleexamp"
		what  = "Secret storage/admin, key password: holds a bcrypt hash with something around it"
	)

	for _, f := range simulator.Flavours {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, served(), f)
			w.SetSecret("admin", map[string]string{"password": value})

			rsp := w.Settle()
			if got := simulator.Condition(rsp, "SecretsResolved"); w.Live["statefulset"] != nil || !strings.HasPrefix(got, "FALSE/Missing: "+what) {
				t.Errorf("before the first start: want no StatefulSet, and to hear of %q, got: %s", what, got)
			}

			w.SetSecret("admin", simulator.SecretValues["admin"][0])

			if rsp = w.Settle(); phase(rsp) != "Running" {
				t.Fatalf("with a password: want the server to run, got: %s", phase(rsp))
			}

			w.SetSecret("admin", map[string]string{"password": value})

			rsp = w.Settle()
			if got := simulator.Condition(rsp, "Warnings"); phase(rsp) != "Running" || !strings.HasPrefix(got, "TRUE/HasWarnings: "+what) {
				t.Errorf("after it: want the server to run, and to hear of %q, got: %s, %s", what, phase(rsp), got)
			}

			// Stopped, it has started all the same.
			w.Patch("0", "replicas")

			if got := simulator.Condition(w.Settle(), "SecretsResolved"); !strings.HasPrefix(got, "TRUE/") {
				t.Errorf("once it is stopped: want its Secrets to be taken, got: %s", got)
			}
		})
	}
}
