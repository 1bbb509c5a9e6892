package change

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/test/krb5"
)

// StandIns returns Secrets in the place of those that a composite resource names, for
// where they cannot be read, such as in a pipeline: they are there, can be used, and never
// change.
func StandIns(xr, input *structpb.Struct) []*structpb.Struct {
	// The function reports what is wrong with a composite resource.
	s, _ := composite.Decode(xr, input)
	data := map[string]map[string]string{}

	for _, k := range s.Secrets() {
		if k.Ref.Name == "" || k.Ref.Key == "" {
			continue
		}

		if data[k.Ref.Name] == nil {
			data[k.Ref.Name] = map[string]string{}
		}

		data[k.Ref.Name][k.Ref.Key] = standIn(k, s.Identity())
	}

	// The Secret is taken to have said before what the spec says of its database.
	if pg := s.Spec.Database.Postgres; pg != nil {
		for i, said := range []string{pg.Host, portOf(pg.Port), pg.Database} {
			if ref := s.DatabaseKeys()[i].Ref; said != "" && data[ref.Name] != nil {
				data[ref.Name][ref.Key] = said
			}
		}
	}

	secrets := make([]*structpb.Struct, 0, len(data))

	for _, name := range slices.Sorted(maps.Keys(data)) {
		secret := &structpb.Struct{}
		for _, f := range []struct {
			value string
			path  []string
		}{
			{"v1", []string{"apiVersion"}},
			{"Secret", []string{"kind"}},
			{name, []string{"metadata", "name"}},
			{s.Namespace, []string{"metadata", "namespace"}},
		} {
			protostruct.Set(secret, structpb.NewStringValue(f.value), f.path...)
		}

		for k, v := range data[name] {
			protostruct.Set(secret, structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte(v))), "data", k)
		}

		secrets = append(secrets, secret)
	}

	return secrets
}

func portOf(port *int32) string {
	if port == nil {
		return ""
	}

	return strconv.Itoa(int(*port))
}

// standIn returns a value that the server can use, or any where there is none that is known.
func standIn(k composite.SecretKey, identity dittofs.Identity) string {
	values := []string{
		// Long enough for a JWT secret, short enough for a password.
		strings.Repeat("stand-in-", 5) + "secret",
		"5432",
		"require",
		certificate,
		privateKey,
	}
	if identity.Kerberos != nil {
		values = append(values, string(krb5.Keytab(identity.Kerberos.ServicePrincipal)))
	}

	i := slices.IndexFunc(values, func(v string) bool { return k.Check([]byte(v)) == "" })

	return values[max(i, 0)]
}
