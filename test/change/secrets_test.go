package change

import (
	"encoding/base64"
	"os"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

func TestStandIns(t *testing.T) {
	// It has every field.
	full, err := os.ReadFile("../../example/full.yaml")
	if err != nil {
		t.Fatal(err)
	}

	xr := protostructtest.FromYAML(t, string(full))

	secrets := map[string]*structpb.Struct{}
	for _, s := range StandIns(xr, nil) {
		secrets[protostruct.Get(s, "metadata", "name").GetStringValue()] = s
	}

	srv, errs := composite.Decode(xr, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	for _, k := range srv.Secrets() {
		v := protostruct.Get(secrets[k.Ref.Name], "data", k.Ref.Key)
		if v == nil {
			t.Errorf("%s\nStandIns(...): there is no key %s in Secret %s", "Each key that a server can have is there", k.Ref.Key, k.Ref.Name)
			continue
		}

		value, err := base64.StdEncoding.DecodeString(v.GetStringValue())
		if err != nil {
			t.Fatal(err)
		}

		if problem := k.Check(value); problem != "" {
			t.Errorf("%s\nStandIns(...): %s of Secret %s %s", "What stands in can be used", k.Ref.Key, k.Ref.Name, problem)
		}
	}
}
