package guards

import (
	"testing"

	"github.com/dittofs/function-dittoserver/internal/guard"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// movedDatabase checks that where the database is may move from a Secret into the spec, and back,
// without approval: only its value counts.
func movedDatabase(t *testing.T, fn simulator.Function) {
	t.Helper()

	const whole = "{host: db.example.org, port: 5432, database: dittofs-example, sslmode: disable, secretRef: {name: db}}"

	login := map[string]string{"user": "dittofs-example", "password": "example-database-password"}

	for _, f := range onePerWay() {
		t.Run(f.Name, func(t *testing.T) {
			w := simulator.NewServer(t, fn, f)
			w.Patch("{secretRef: {name: db}}", "database", "postgres")
			w.Settle()

			for _, step := range []struct {
				reason   string
				do       func()
				restarts bool
			}{
				{"the host moves into the spec", func() { w.Patch("db.example.org", "database", "postgres", "host") }, true},
				{"the rest moves into the spec, the default of the port among it", func() { w.Patch(whole, "database", "postgres") }, true},
				{"the Secret loses what the spec says", func() { w.SetSecret("db", login) }, false},
				{"the Secret gets something else of what the spec says", func() { w.SetSecret("db", simulator.SecretValues["db"][4]) }, false},
				{"the Secret gets it again", func() { w.SetSecret("db", simulator.SecretValues["db"][0]) }, false},
				{"all moves back into the Secret", func() { w.Patch("{secretRef: {name: db}}", "database", "postgres") }, true},
			} {
				was := manifest.ConfigHash(w.Live[statefulSet])
				step.do()

				if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.RolledOut) {
					t.Fatalf("%s: want %s, got %s", step.reason, guard.RolledOut, got)
				}

				if got := manifest.ConfigHash(w.Live[statefulSet]) != was; got != step.restarts {
					t.Errorf("%s: want another digest %t, got %t", step.reason, step.restarts, got)
				}
			}

			// Deleting the StatefulSet in between makes no difference.
			w.Patch("db.example.org", "database", "postgres", "host")
			delete(w.Live, statefulSet)
			delete(w.Composed, statefulSet)

			if got := cluster.ReasonOf(w.Settle(), report.ConfigRolledOut); got != string(guard.RolledOut) {
				t.Errorf("the StatefulSet is gone: want %s, got %s", guard.RolledOut, got)
			}
		})
	}
}
