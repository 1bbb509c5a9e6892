package guard

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// A database is the one that the server of a pod uses.
type database struct {
	// kind and, of an SQLite database, path are empty where config.yaml is not known.
	kind, path string

	// host, port and name of a PostgreSQL database.
	host, port, name setting
}

// A setting is one of those that tell where a database is: a key of a Secret, as secret/key, or
// the text of config.yaml.
type setting struct{ secret, text string }

// database tells which database the server of a pod uses.
func (p Pod) database() database {
	c := dittofs.DatabaseOf(p.Config)

	of := func(secret, text string) setting {
		if secret != "" {
			return setting{secret: secret}
		}

		return setting{text: text}
	}

	db := database{kind: c.Type, path: c.Path}
	if s := p.DatabaseSecrets; s != (DatabaseSecrets{}) || c.Host != "" {
		db.host, db.port, db.name = of(s.Host, c.Host), of(s.Port, strconv.Itoa(int(c.Port))), of(s.Name, c.Name)
	}

	return db
}

// isSame reports whether two databases are the same, given the values of keys of Secrets. The
// keys of two Secrets are of two databases, whatever their values are.
func (d database) isSame(o database, values map[string]secret.Data) bool {
	return d.kind == o.kind && d.path == o.path && d.host.isSame(o.host, values) && d.port.isSame(o.port, values) && d.name.isSame(o.name, values)
}

func (s setting) isSame(o setting, values map[string]secret.Data) bool {
	if s == o {
		return true
	}

	return s.isValueOf(o, values) || o.isValueOf(s, values)
}

// isValueOf reports whether the text of one setting is the value of the other's key.
func (s setting) isValueOf(key setting, values map[string]secret.Data) bool {
	value, ok := values[key.secret]

	return ok && s.secret == "" && s.text == string(value)
}

// String tells a database in a message: of Secrets the names of the keys, never a value.
func (d database) String() string {
	parts := []string{d.kind}
	if d.path != "" {
		parts = append(parts, d.path)
	}

	for _, s := range []setting{d.host, d.port, d.name} {
		if s != (setting{}) {
			parts = append(parts, s.String())
		}
	}

	return strings.Join(parts, " ")
}

func (s setting) String() string {
	if s.secret != "" {
		return s.secret
	}

	return fmt.Sprintf("%q", s.text)
}
