package contract

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/marmos91/dittofs/pkg/controlplane/store"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// A form is how releases name their PostgreSQL to its client, pgx. All of them have the
// version of it that go.mod requires.
type form struct {
	release string
	dsn     func(c *store.PostgresConfig) string
}

var forms = map[string]form{
	"URL": {version, (*store.PostgresConfig).DSN},
	// Of pkg/controlplane/store/gorm.go in 0.17.
	"Keywords": {"0.17.0", func(c *store.PostgresConfig) string {
		return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=%s", c.Host, c.Port, c.User, c.Password, c.Database, c.SSLMode)
	}},
}

// connects reports whether the client would connect to what a Secret says, if it is there.
func (f form) connects(c *store.PostgresConfig) bool {
	got, err := pgx.ParseConfig(f.dsn(c))
	// A value that was taken for more than its own leaves something out, or adds something.
	if err != nil || got.Database == "" || got.User == "" || got.Password == "" || got.TLSConfig != nil || len(got.RuntimeParams) > 0 {
		return false
	}

	type address struct {
		host string
		port uint16
	}

	addresses := []address{{got.Host, got.Port}}
	for _, f := range got.Fallbacks {
		addresses = append(addresses, address{f.Host, f.Port})
	}

	// Without one of the Secret's own port, the client took it for something else.
	return slices.ContainsFunc(addresses, func(a address) bool { return a.port == uint16(c.Port) && isResolved(a.host) }) &&
		!slices.ContainsFunc(addresses, func(a address) bool { return a.host != "" && !isResolved(a.host) })
}

// isResolved reports whether Go's resolver takes a host for an address or a name, and asks for
// it.
func isResolved(host string) bool {
	asked := host == "localhost"
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asked = true
		return nil, errors.New("not asked")
	}}

	addresses, err := resolver.LookupHost(context.Background(), host)

	return err == nil && len(addresses) > 0 || asked
}

// TestPostgres holds what is refused of the host, the user, the password and the name of the
// database against the client that parses them.
func TestPostgres(t *testing.T) {
	hosts := []string{
		"h", "localhost", "db.example.org", "db.example.org.", "DB.Example.org", "my_db", "h-1", "1h", "_h", "10.0.0.1",
		"[::1]", "::1", "2001:db8::1", "[2001:db8::1]", "2001:db8:0:0:0:0:0:1", "[fe80::1%eth0]", "[::1", "::1]", "[h]", "[10.0.0.1]", "::ffff:10.0.0.1",
		"h:5432", "10.0.0.1:5432", "[::1]:5432", ":5432", "h:",
		"h1,h2", "h1:1,h2", "h1,h2:1", "h1:1,h2:2", "h1:0,h2", "h1:99999,h2", "h1:a,h2", "h1:,h2", ":1,h", "10.0.0.1,10.0.0.2", "[::1],[::2]", "::1,h", "::1,::2", "h,::1", "h,[::1]", "[::1],h", "h1, h2", "h,", ",h", ",", "h,,i",
		"/tmp", "/var/run/postgresql", "@tmp", "postgres://h", "postgresql://u:p@h:5432/d", "tcp://h", "jdbc:postgresql://h", "//h", "h/db", "h/", "user@h", "h?x=y", "h#x",
		`"h"`, "'h", "a b", "h\tx", "h\nx", "ü", "123", "1.2.3", "1.2.3.4.5", "256.1.1.1", "010.0.0.1", "-h", "h-", "a.-h", "a-.h", "h..x", ".h", "h..", "%2Ftmp", "h%20x", "h;x", "$h", "$(HOST)", "${HOST}", `h\x`, "*", "(h)", "h=x", "host=h", "<h>", "\ufeffh", "h\u200b",
	}
	texts := []string{"a", "a.b", "a/b", "a@b:c", "a?b#c", "a%b", "ü", "a=b", "a'b", `"a"`, "a b", "a\tb", "a\nb", "'a", "'a b'", "'a'b", `a\b`, `a\`, `a\ b`, `'a\'b'`, "$a", "-a", "a,b"}

	for name, f := range forms {
		release, err := dittofs.ParseRelease(f.release)
		if err != nil {
			t.Fatal(err)
		}

		set := map[string]func(c *store.PostgresConfig, v string){
			"host":     func(c *store.PostgresConfig, v string) { c.Host = v },
			"user":     func(c *store.PostgresConfig, v string) { c.User = v },
			"password": func(c *store.PostgresConfig, v string) { c.Password = v },
			"database": func(c *store.PostgresConfig, v string) { c.Database = v },
		}

		for setting, set := range set {
			values, check := texts, dittofs.CheckPostgresText(release)
			if setting == "host" {
				values, check = hosts, dittofs.CheckPostgresHost(release)
			}

			want, got := map[string]bool{}, map[string]bool{}

			for _, v := range values {
				c := &store.PostgresConfig{Host: "db.example.org", Port: 5433, Database: "d", User: "u", Password: "p", SSLMode: "disable"}
				set(c, v)

				want[v], got[v] = f.connects(c), check([]byte(v)) == ""

				if unknown := dittofs.CheckPostgresHost(dittofs.Release{}); setting == "host" && want[v] && unknown([]byte(v)) != "" {
					t.Errorf("%s: %q is refused of a release that is not known, and may be this one", name, v)
				}
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: -what the client connects with, +what is taken:\n%s", name, setting, diff)
			}
		}
	}
}
