// Package contract holds this function against the real DittoFS server, of one
// exact release: its configuration package, its database and its binary. Nothing
// here needs Kubernetes, and nothing listens but on the loopback address.
package contract

import (
	"os"
	"strings"
	"testing"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// root of the repository.
const root = "../.."

func TestMain(m *testing.M) {
	// The server's packages read their configuration from the environment, too.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, dittofs.EnvPrefix) {
			_ = os.Unsetenv(name)
		}
	}

	os.Exit(m.Run())
}
