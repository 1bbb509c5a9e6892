// Package secret resolves the Secrets that a DittoServer names: which ones the
// function requires, whether they are there, and whether the server can use them.
//
// Values leave this package as Data only, for the rollout digest. No message
// holds a byte of one.
package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A State of the Secrets that a DittoServer names.
type State int

// States.
const (
	// NotFetched means that Crossplane has not been asked for the Secrets yet.
	NotFetched State = iota

	// Missing means that a Secret or a key is not there, or cannot be used.
	Missing

	// There means that every Secret is there and can be used.
	There
)

// A Role is what a Secret is for.
type Role string

// Roles, in the order in which they are digested.
const (
	RoleAdmin    Role = "admin"
	RoleJWT      Role = "jwt"
	RolePostgres Role = "postgres"
)

// Data is the value of a Secret key. Formatting it shows nothing.
type Data []byte

// String hides the data.
func (d Data) String() string { return "[hidden]" }

// GoString hides the data.
func (d Data) GoString() string { return d.String() }

// Format hides the data, whatever the verb.
func (d Data) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// MarshalText hides the data from JSON, and so from loggers that write it.
func (d Data) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// A Value is a referenced Secret key that is there.
type Value struct {
	Role Role
	Key  string
	Data Data
}

// Secrets are the resolved Secrets of a DittoServer.
type Secrets struct {
	State State

	// Problems are all the reasons why the state is Missing, each with the Secret,
	// its key and what to do.
	Problems []string

	// Values of all referenced keys, sorted by role and key. Nil unless the state is
	// There.
	Values []Value

	// AdminPasswordIsHash says whether the administrator's password is a bcrypt hash.
	AdminPasswordIsHash bool
}

// A reference is a Secret key that a DittoServer names.
type reference struct {
	role     Role
	secret   string
	key      string
	optional bool

	// check returns what is wrong with a value, or an empty string.
	check func(value []byte) string
}

// references returns the Secret keys that a DittoServer names, sorted by role and
// key.
func references(s *composite.DittoServer) []reference {
	jwt := s.Spec.Identity.JWT.SecretRef
	refs := []reference{{role: RoleJWT, secret: jwt.Name, key: jwt.Key, check: checkJWT}}

	if admin := s.Spec.Identity.Admin.PasswordSecretRef; admin != nil {
		refs = append(refs, reference{role: RoleAdmin, secret: admin.Name, key: admin.Key, check: checkPassword})
	}

	if pg := s.Spec.Database.Postgres; pg != nil {
		name := pg.SecretRef.Name
		refs = append(
			refs,
			reference{role: RolePostgres, secret: name, key: pg.Keys.Host, check: checkNotEmpty},
			reference{role: RolePostgres, secret: name, key: pg.Keys.Port, check: checkPort, optional: true},
			reference{role: RolePostgres, secret: name, key: pg.Keys.Database, check: checkNotEmpty},
			reference{role: RolePostgres, secret: name, key: pg.Keys.User, check: checkNotEmpty},
			reference{role: RolePostgres, secret: name, key: pg.Keys.Password, check: checkNotEmpty},
			reference{role: RolePostgres, secret: name, key: pg.Keys.SSLMode, check: checkSSLMode, optional: true},
		)
	}

	slices.SortStableFunc(refs, func(a, b reference) int {
		if c := strings.Compare(string(a.role), string(b.role)); c != 0 {
			return c
		}

		return strings.Compare(a.key, b.key)
	})

	return refs
}

// requirement is the name under which a Secret is required.
func requirement(secret string) string {
	return "secret/" + secret
}

// Requirements returns the Secrets that the function requires. They depend on
// nothing but the spec: Crossplane calls the function until they are stable.
func Requirements(s *composite.DittoServer) map[string]*fnv1.ResourceSelector {
	reqs := map[string]*fnv1.ResourceSelector{}
	for _, ref := range references(s) {
		reqs[requirement(ref.secret)] = &fnv1.ResourceSelector{
			ApiVersion: "v1",
			Kind:       "Secret",
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: ref.secret},
			// Crossplane reads with its own, broad rights. Nobody may name a Secret of
			// another namespace.
			Namespace: new(s.Namespace),
		}
	}

	return reqs
}

// Resolve returns the Secrets that a DittoServer names, from the required
// resources of a request.
func Resolve(s *composite.DittoServer, required map[string]*fnv1.Resources) Secrets {
	var (
		out    = Secrets{State: There}
		absent = map[string]bool{}
	)

	for _, ref := range references(s) {
		fetched, ok := required[requirement(ref.secret)]
		if !ok {
			return Secrets{State: NotFetched}
		}

		secret := find(fetched, s.Namespace, ref.secret)
		id := s.Namespace + "/" + ref.secret

		if secret == nil {
			if !absent[ref.secret] {
				absent[ref.secret] = true
				out.Problems = append(out.Problems, fmt.Sprintf("Secret %s does not exist: create it with %s", id, wantedKeys(s, ref.secret)))
			}

			continue
		}

		value, problem := read(secret, ref)
		if problem != "" {
			out.Problems = append(out.Problems, fmt.Sprintf("Secret %s, key %s: %s", id, ref.key, problem))
			continue
		}

		if value == nil {
			continue
		}

		if ref.role == RoleAdmin {
			out.AdminPasswordIsHash = isHash(value)
		}

		out.Values = append(out.Values, Value{Role: ref.role, Key: ref.key, Data: value})
	}

	if len(out.Problems) > 0 {
		return Secrets{State: Missing, Problems: out.Problems}
	}

	return out
}

// find returns the Secret of a name among fetched resources, or nil.
func find(fetched *fnv1.Resources, namespace, name string) *structpb.Struct {
	for _, item := range fetched.GetItems() {
		r := item.GetResource()
		if protostruct.Get(r, "metadata", "name").GetStringValue() == name && protostruct.Get(r, "metadata", "namespace").GetStringValue() == namespace {
			return r
		}
	}

	return nil
}

// wantedKeys names the keys that a Secret must have.
func wantedKeys(s *composite.DittoServer, secret string) string {
	keys := map[string]bool{}

	for _, ref := range references(s) {
		if ref.secret == secret && !ref.optional {
			keys[ref.key] = true
		}
	}

	if len(keys) == 1 {
		return "the key " + slices.Collect(maps.Keys(keys))[0]
	}

	return "the keys " + strings.Join(slices.Sorted(maps.Keys(keys)), ", ")
}

// read returns the value of a Secret key, or what is wrong with it. Both are
// empty for an optional key that is not there.
func read(secret *structpb.Struct, ref reference) ([]byte, string) {
	encoded, ok := protostruct.Get(secret, "data").GetStructValue().GetFields()[ref.key]
	if !ok {
		switch {
		case ref.optional:
			return nil, ""
		case protostruct.Get(secret, "stringData", ref.key) != nil:
			return nil, "is in stringData, which only the API server converts: put it in data, in base64"
		case ref.role == RolePostgres && hasDSN(secret):
			return nil, "is missing, and a connection string does not do: no DittoFS release takes one, so give host, port, database, user, password and sslmode a key each (spec.database.postgres.keys maps other names)"
		default:
			return nil, "is missing"
		}
	}

	s, ok := encoded.GetKind().(*structpb.Value_StringValue)
	if !ok {
		return nil, "must be a string in base64"
	}

	value, err := base64.StdEncoding.DecodeString(s.StringValue)
	if err != nil {
		return nil, "must be in base64"
	}

	if problem := checkEnv(value); problem != "" {
		return nil, problem
	}

	return value, ref.check(value)
}

// checkEnv says whether a value can be an environment variable, as every value
// becomes one.
func checkEnv(value []byte) string {
	switch {
	case !utf8.Valid(value) || bytes.IndexByte(value, 0) >= 0:
		return "must be text (UTF-8 without NUL bytes), since it becomes an environment variable: encode random bytes, for example in base64"
	case len(bytes.TrimFunc(value, unicode.IsSpace)) != len(value):
		return "begins or ends with whitespace, such as a line break: remove it (echo -n, or printf, writes none)"
	default:
		return ""
	}
}

// hasDSN says whether a Secret seems to hold a connection string.
func hasDSN(secret *structpb.Struct) bool {
	for key := range protostruct.Get(secret, "data").GetStructValue().GetFields() {
		k := strings.ToLower(key)
		if strings.Contains(k, "dsn") || strings.Contains(k, "url") || strings.Contains(k, "uri") || strings.Contains(k, "connection") {
			return true
		}
	}

	return false
}
