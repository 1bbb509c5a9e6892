package change

import (
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// certificate and privateKey stand in for those that a composite resource names: a certificate
// that signed itself, valid until 2120, and its key. They are those of example/secrets.yaml.
const (
	certificate = `-----BEGIN CERTIFICATE-----
MIIBlTCCATqgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDEwdleGFtcGxl
MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjASMRAwDgYDVQQDEwdl
eGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOtpXmifJSsgYDocNrs5w
3m5+BtJAeqWWlTD87/pP65BBvsBBaBCvh5vuA6oGH51+AUuehV8iU5gdAvBaYrfV
86N/MH0wDgYDVR0PAQH/BAQDAgKEMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYE
FKXQPWmuIofZLzeMRxNwTpCiuVp7MDsGA1UdEQQ0MDKCFWZpbGVzLWFwaS5zdG9y
YWdlLnN2Y4IZZmlsZXMtbWV0cmljcy5zdG9yYWdlLnN2YzAKBggqhkjOPQQDAgNJ
ADBGAiEAv2GGMss+O2wvz/fegtUnjdIcJ2tCQojQWPTZSeCRqSoCIQCBzPPD6bbU
EQ6wXv7SBJs0UvXi9MLHS2dtv3ACYdUTgQ==
-----END CERTIFICATE-----
`
	privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5nd6AoZrwri09uKu
TQAyq+io6Hm/AYrqc6voMJqtafOhRANCAAQ62leaJ8lKyBgOhw2uznDebn4G0kB6
pZaVMPzv+k/rkEG+wEFoEK+Hm+4DqgYfnX4BS56FXyJTmB0C8Fpit9Xz
-----END PRIVATE KEY-----
`
)

// kindsIn returns the CustomResourceDefinitions that are required. Nobody exports those, so that
// each is taken to be there.
func kindsIn(required map[string]*fnv1.ResourceSelector) []*structpb.Struct {
	var kinds []*structpb.Struct

	for _, sel := range required {
		if sel.GetKind() != "CustomResourceDefinition" {
			continue
		}

		crd := &structpb.Struct{}
		for path, value := range map[string]*structpb.Value{
			"apiVersion":        structpb.NewStringValue(sel.GetApiVersion()),
			"kind":              structpb.NewStringValue(sel.GetKind()),
			"metadata.name":     structpb.NewStringValue(sel.GetMatchName()),
			"spec.versions":     list(map[string]*structpb.Value{"name": structpb.NewStringValue("v1"), "served": structpb.NewBoolValue(true)}),
			"status.conditions": list(map[string]*structpb.Value{"type": structpb.NewStringValue("Established"), "status": structpb.NewStringValue("True")}),
		} {
			protostruct.Set(crd, value, strings.Split(path, ".")...)
		}

		kinds = append(kinds, crd)
	}

	return kinds
}

// list returns a list of one object.
func list(fields map[string]*structpb.Value) *structpb.Value {
	return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStructValue(&structpb.Struct{Fields: fields})}})
}
