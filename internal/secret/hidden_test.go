package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// verbs format anything.
var verbs = []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%#x", "%q", "%#q", "%+q", "%d", "%o", "%b", "%U", "%40.3s"}

// hidesSecrets fails if what Resolve returned shows a part of any value of the
// Secrets that it looked at, or if the state does not go with the problems.
func hidesSecrets(t *testing.T, got Secrets, required map[string]*fnv1.Resources) {
	t.Helper()

	if (got.State == Missing) != (len(got.Problems) > 0) {
		t.Errorf("%s\nResolve(...): state %d with %q", "The state is Missing if and only if there is a problem", got.State, got.Problems)
	}

	if got.State != There && (got.Values != nil || got.AdminPasswordIsHash) {
		t.Errorf("%s\nResolve(...): state %d with %d values", "Values are nil unless every Secret is there", got.State, len(got.Values))
	}

	outputs := append([]string{}, got.Problems...)

	for _, verb := range verbs {
		outputs = append(outputs, fmt.Sprintf(verb, got), fmt.Sprintf(verb, &got), fmt.Sprintf(verb, got.Values))
		for _, v := range got.Values {
			outputs = append(outputs, fmt.Sprintf(verb, v), fmt.Sprintf(verb, &v), fmt.Sprintf(verb, v.Data), fmt.Sprintf(verb, any(v.Data)))
		}
	}

	// Loggers write JSON.
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}

	outputs = append(outputs, string(b))

	for _, v := range got.Values {
		outputs = append(outputs, v.Data.String(), v.Data.GoString(), fmt.Sprint(v))
	}

	for _, part := range parts(required) {
		for _, output := range outputs {
			if strings.Contains(output, part) {
				t.Fatalf("%s\nfound %q in:\n%s", "No message and no formatting shows a byte of a Secret", part, output)
			}
		}
	}
}

// parts returns all that must not be seen of the Secrets among required
// resources: each value, its encodings and pieces of them.
func parts(required map[string]*fnv1.Resources) []string {
	var out []string

	add := func(s string, size int) {
		// A large Secret shows in its first pieces already.
		for i := 0; i+size <= min(len(s), 256); i++ {
			out = append(out, s[i:i+size])
		}
	}

	for _, r := range required {
		for _, item := range r.GetItems() {
			for _, field := range []string{"data", "stringData"} {
				for _, v := range item.GetResource().GetFields()[field].GetStructValue().GetFields() {
					encoded := written(v)
					add(encoded, 8)

					value, err := base64.StdEncoding.DecodeString(encoded)
					if err != nil {
						value = []byte(encoded)
					}
					// What a message may say anyway: modes of SSL, and nothing but spaces.
					if strings.HasPrefix(string(value), "verify-") || strings.Trim(string(value), " ") == "" {
						continue
					}

					add(string(value), 9)
					add(hex.EncodeToString(value), 18)
					add(strings.ToUpper(hex.EncodeToString(value)), 18)
					add(strings.Trim(fmt.Sprintf("%d", value), "[]"), 30)
				}
			}
		}
	}

	return out
}

// written returns a value as it was written.
func written(v *structpb.Value) string {
	if s, ok := v.GetKind().(*structpb.Value_StringValue); ok {
		return s.StringValue
	}

	return fmt.Sprint(v.AsInterface())
}

func TestDataIsHidden(t *testing.T) {
	for _, d := range []Data{nil, {}, Data("e"), Data(exampleJWT)} {
		for _, verb := range verbs {
			if got := fmt.Sprintf(verb, d); got != "[hidden]" {
				t.Errorf("%s\nfmt.Sprintf(%q, Data): got %q", "Data of any length looks the same, whatever the verb", verb, got)
			}
		}

		if got := d.String() + d.GoString(); got != "[hidden][hidden]" {
			t.Errorf("%s\ngot %q", "Data has no other text", got)
		}
	}
}

// TestPartsAreSeen makes sure that hidesSecrets can fail.
func TestPartsAreSeen(t *testing.T) {
	required := fetched(jwtData, adminData, dbData)
	for _, leak := range []string{
		exampleJWT,
		exampleJWT[5:14],
		base64.StdEncoding.EncodeToString([]byte(exampleClear)),
		hex.EncodeToString([]byte(exampleUser)),
		fmt.Sprintf("%X", exampleDBPass),
		fmt.Sprintf("%v", []byte(exampleHost)),
	} {
		seen := false
		for _, part := range parts(required) {
			seen = seen || strings.Contains("Secret: "+leak+" is bad", part)
		}

		if !seen {
			t.Errorf("%s\n%q is not seen", "Every encoding of a value is looked for", leak)
		}
	}
}
