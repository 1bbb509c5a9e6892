// Package secret resolves the Secrets that a DittoServer names: which ones the
// function requires, whether they are there, and whether the server can use them.
//
// Values leave this package as Data only, for the rollout digest, and to compare where a
// database is. No message holds a byte of one.
package secret

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/wire"
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
	Role composite.Role
	Key  string
	Data Data
}

// Secrets are the resolved Secrets of a DittoServer.
type Secrets struct {
	State State

	// Problems are all the reasons why the state is Missing, each with the Secret,
	// its key and what to do.
	Problems []string

	// Unreadable are the files that the server cannot read, and would start without.
	Unreadable []composite.SecretFile

	// Values that the rollout digest covers, sorted by role and key. Nil unless the state
	// is There.
	Values []Value

	// Databases are the values, by Secret and key as secret/key, of the keys that tell where a
	// PostgreSQL database is, whether the server reads them or not.
	Databases map[string]Data

	// Warnings are about values that counted when the server first started and no longer do, and
	// about values that are going to be wrong, such as a certificate that expires.
	Warnings []string

	// AdminPasswordIsHash reports whether the administrator's password is a bcrypt hash.
	AdminPasswordIsHash bool
}

// requirement is the name under which a Secret is required.
func requirement(secret string) string {
	return "secret/" + secret
}

// IsRequirement reports whether Resolve reads the required resources of this name, of which it
// decodes no more than it needs.
func IsRequirement(name string) bool { return strings.HasPrefix(name, requirement("")) }

// Requirements returns the Secrets that the function requires. They depend on
// nothing but the spec: Crossplane calls the function until they are stable.
func Requirements(s *composite.DittoServer) map[string]*fnv1.ResourceSelector {
	reqs := map[string]*fnv1.ResourceSelector{}
	for _, k := range s.Secrets() {
		reqs[requirement(k.Ref.Name)] = &fnv1.ResourceSelector{
			ApiVersion: "v1",
			Kind:       "Secret",
			Match:      &fnv1.ResourceSelector_MatchName{MatchName: k.Ref.Name},
			// Crossplane reads with its own, broad rights. Nobody may name a Secret of
			// another namespace.
			Namespace: new(s.Namespace),
		}
	}

	return reqs
}

// Resolve returns the Secrets that a DittoServer names, from the required
// resources of a request. started tells whether the server has been started before, so that
// some values count no more. now is the time, which nothing but warnings depends on.
func Resolve(s *composite.DittoServer, required map[string]*fnv1.Resources, started bool, now time.Time) (Secrets, error) {
	return resolve(s.Namespace, s.Secrets(), s.DatabaseKeys(), required, started, now)
}

func resolve(namespace string, keys []composite.SecretKey, database []composite.DatabaseKey, required map[string]*fnv1.Resources, started bool, now time.Time) (Secrets, error) {
	found, ok, err := find(namespace, keys, database, required)
	if err != nil || !ok {
		return Secrets{State: NotFetched}, err
	}

	var (
		out    = Secrets{State: There, Databases: databases(found, database)}
		absent = map[string]bool{}

		// before is the last value that can be used.
		before Value
	)

	for _, k := range slices.SortedStableFunc(slices.Values(keys), byRoleAndKey) {
		secret := found[k.Ref.Name]
		id := namespace + "/" + k.Ref.Name

		if secret == nil {
			if !absent[k.Ref.Name] {
				absent[k.Ref.Name] = true
				out.Problems = append(out.Problems, fmt.Sprintf("Secret %s does not exist: create it with %s", id, wantedKeys(keys, k.Ref.Name)))
			}

			continue
		}

		value, problem := read(secret, k)
		if problem == "" && value == nil {
			if w := warning(k, []byte(k.Default), started, now); w != "" {
				out.Warnings = append(out.Warnings, fmt.Sprintf("Secret %s, key %s: %s", id, k.Ref.Key, w))
			}

			continue
		}

		if problem == "" {
			problem = problemOf(k, value, before, started)
		}

		if problem != "" {
			out.fail(k, id, value, problem)
			continue
		}

		if w := warning(k, value, started, now); w != "" {
			out.Warnings = append(out.Warnings, fmt.Sprintf("Secret %s, key %s: %s", id, k.Ref.Key, w))
		}

		if k.Role == composite.RoleAdmin {
			out.AdminPasswordIsHash = dittofs.IsPasswordHash(value)
		}

		before = Value{Role: k.Role, Key: k.Ref.Key, Data: value}

		if k.InDigest {
			out.Values = append(out.Values, before)
		}
	}

	if len(out.Problems) > 0 {
		return Secrets{State: Missing, Problems: out.Problems, Unreadable: out.Unreadable, Databases: out.Databases, Warnings: out.Warnings}, nil
	}

	return out, nil
}

// fail adds why a value cannot be used, and whether the server would start without it, as if nothing
// was asked for.
func (s *Secrets) fail(k composite.SecretKey, id string, value []byte, problem string) {
	s.Problems = append(s.Problems, fmt.Sprintf("Secret %s, key %s: %s", id, k.Ref.Key, problem))

	if value != nil && k.CanRead != nil && !k.CanRead(value) {
		s.Unreadable = append(s.Unreadable, composite.SecretFile{Role: k.Role, Name: k.Ref.Name, Key: k.Ref.Key})
	}
}

// databases returns the values of the keys that tell where a database is, as far as Secrets
// that are there have them.
func databases(found map[string]*structpb.Struct, keys []composite.DatabaseKey) map[string]Data {
	values := map[string]Data{}

	for _, k := range keys {
		secret := found[k.Ref.Name]
		if secret == nil {
			continue
		}

		id := k.Ref.Name + "/" + k.Ref.Key

		if encoded := protostruct.Get(secret, "data").GetStructValue().GetFields()[k.Ref.Key]; encoded != nil {
			// Skip a value that is not base64.
			if value, err := base64.StdEncoding.DecodeString(encoded.GetStringValue()); err == nil {
				values[id] = value
			}
		} else if k.Default != "" {
			values[id] = Data(k.Default)
		}
	}

	return values
}

// problemOf returns why the server cannot use a value that its own check takes, or "". before is
// the last value that it can use.
func problemOf(k composite.SecretKey, value []byte, before Value, started bool) string {
	if k.CheckBeside != nil && before.Role == k.Role {
		if problem := k.CheckBeside(before.Data, value); problem != "" {
			return problem
		}
	}

	if k.CheckFirst != nil && !started {
		return k.CheckFirst(value)
	}

	return ""
}

// warning returns what is wrong with a value that the server can use, or "".
func warning(k composite.SecretKey, value []byte, started bool, now time.Time) string {
	if k.CheckFirst != nil && started {
		if problem := k.CheckFirst(value); problem != "" {
			return problem + " (the server has started before, so this value no longer counts)"
		}
	}

	if k.Warning != nil {
		return k.Warning(value, now)
	}

	return ""
}

// byRoleAndKey is the order of the rollout digest.
func byRoleAndKey(a, b composite.SecretKey) int {
	return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Ref.Key, b.Ref.Key))
}

// find returns the Secrets that keys name: nil for one that does not exist. It returns false if
// Crossplane has not been asked for all of them yet.
func find(namespace string, keys []composite.SecretKey, database []composite.DatabaseKey, required map[string]*fnv1.Resources) (map[string]*structpb.Struct, bool, error) {
	found := map[string]*structpb.Struct{}

	for _, k := range keys {
		name := k.Ref.Name
		if _, ok := found[name]; ok {
			continue
		}

		fetched, ok := required[requirement(name)]
		if !ok {
			return nil, false, nil
		}

		found[name] = nil

		for _, item := range fetched.GetItems() {
			r, err := wire.Pick(item, unread(keys, database, name))
			if err != nil {
				return nil, false, fmt.Errorf("cannot read Secret %s/%s: %w", namespace, name, err)
			}

			if found[name] == nil && protostruct.Get(r, "metadata", "name").GetStringValue() == name && protostruct.Get(r, "metadata", "namespace").GetStringValue() == namespace {
				found[name] = r
			}
		}
	}

	return found, true, nil
}

// unread returns whether a field of a Secret is not read, by its name and that of the field it is
// in. A Secret may have a hundred thousand keys, each of which costs memory once decoded.
func unread(keys []composite.SecretKey, database []composite.DatabaseKey, secret string) func(object, field string) bool {
	wanted, hasDSN := map[string]bool{}, false

	for _, k := range keys {
		if k.Ref.Name == secret {
			wanted[k.Ref.Key] = true
		}
	}

	for _, k := range database {
		if k.Ref.Name == secret {
			wanted[k.Ref.Key] = true
		}
	}

	return func(object, field string) bool {
		switch object {
		case "":
			return field != "metadata" && field != "data" && field != "stringData"
		case "metadata":
			return field != "name" && field != "namespace"
		}

		if wanted[field] {
			return false
		}

		// One tells that there are some.
		first := !hasDSN && isDSN(field)
		hasDSN = hasDSN || first

		return !first
	}
}

// wantedKeys names the keys that a Secret must have.
func wantedKeys(keys []composite.SecretKey, secret string) string {
	wanted := map[string]bool{}

	for _, k := range keys {
		if k.Ref.Name == secret && !k.Optional {
			wanted[k.Ref.Key] = true
		}
	}

	if len(wanted) == 1 {
		return "the key " + slices.Collect(maps.Keys(wanted))[0]
	}

	return "the keys " + strings.Join(slices.Sorted(maps.Keys(wanted)), ", ")
}

// read returns the value of a Secret key, or what is wrong with it. Both are
// empty for an optional key that is not there.
func read(secret *structpb.Struct, k composite.SecretKey) ([]byte, string) {
	encoded, ok := protostruct.Get(secret, "data").GetStructValue().GetFields()[k.Ref.Key]
	if !ok {
		switch {
		case k.Optional:
			return nil, ""
		case protostruct.Get(secret, "stringData", k.Ref.Key) != nil:
			return nil, "is in stringData, which only the API server converts: put it in data, in base64"
		case k.Role == composite.RolePostgres && hasDSN(secret):
			return nil, "is missing, and no DittoFS release reads a connection string: give host, port, database, user, password and sslmode a key each (spec.database.postgres.keys maps other names)"
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

	if k.Env != "" {
		if problem := checkEnv(value); problem != "" {
			return nil, problem
		}
	}

	return value, k.Check(value)
}

// checkEnv returns why a value cannot be an environment variable, or "".
func checkEnv(value []byte) string {
	if problem := dittofs.CheckText(value); problem != "" {
		return problem
	}

	if len(bytes.TrimFunc(value, unicode.IsSpace)) != len(value) {
		return "begins or ends with whitespace, such as a line break: remove it (echo -n, or printf, writes none)"
	}

	return ""
}

// hasDSN reports whether a Secret seems to hold a connection string.
func hasDSN(secret *structpb.Struct) bool {
	for key := range protostruct.Get(secret, "data").GetStructValue().GetFields() {
		if isDSN(key) {
			return true
		}
	}

	return false
}

// isDSN reports whether a key of a Secret sounds like that of a connection string.
func isDSN(key string) bool {
	k := strings.ToLower(key)
	return strings.Contains(k, "dsn") || strings.Contains(k, "url") || strings.Contains(k, "uri") || strings.Contains(k, "connection")
}
