package change

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// StandIns returns Secrets in the place of those that a composite resource names, for
// where they cannot be read, such as in a pipeline: they are there, can be used, and never
// change.
func StandIns(xr, input *structpb.Struct) []*structpb.Struct {
	// What is wrong with a composite resource is the function's to tell.
	s, _ := composite.Decode(xr, input)
	data := map[string]map[string]string{}

	add := func(secret, key, value string) {
		if secret == "" || key == "" {
			return
		}

		if data[secret] == nil {
			data[secret] = map[string]string{}
		}

		data[secret][key] = value
	}

	if ref := s.Spec.Identity.Admin.PasswordSecretRef; ref != nil {
		add(ref.Name, ref.Key, "stand-in-password")
	}

	if pg := s.Spec.Database.Postgres; pg != nil {
		add(pg.SecretRef.Name, pg.Keys.Host, "stand-in.example.org")
		add(pg.SecretRef.Name, pg.Keys.Port, "5432")
		add(pg.SecretRef.Name, pg.Keys.Database, "stand-in")
		add(pg.SecretRef.Name, pg.Keys.User, "stand-in")
		add(pg.SecretRef.Name, pg.Keys.Password, "stand-in-password")
		add(pg.SecretRef.Name, pg.Keys.SSLMode, "require")
	}

	jwt := s.Spec.Identity.JWT.SecretRef
	add(jwt.Name, jwt.Key, strings.Repeat("stand-in-", 5)+"secret")

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
