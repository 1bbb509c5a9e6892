package secret

import (
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/google/go-cmp/cmp"
)

// A variable of the user's counts for the digest, and is waited for, where it says so, and no other.
func TestResolveExtraEnv(t *testing.T) {
	const (
		jwt      = `"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}}`
		restarts = `{` + jwt + `,"extraEnv":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s3","key":"id"}},"onChange":"Restart"},{"name":"B","valueFrom":{"secretKeyRef":{"name":"s3","key":"other"}}},{"name":"C","valueFrom":{"secretKeyRef":{"name":"files-jwt","key":"jwt-secret"}},"onChange":"Restart"}]}`
		ignores  = `{` + jwt + `,"extraEnv":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"s3","key":"id"}},"onChange":"Ignore"},{"name":"B","valueFrom":{"secretKeyRef":{"name":"s3","key":"other"}}}]}`
	)

	cases := map[string]struct {
		reason, spec string
		data         map[string]string
		want         Secrets
	}{
		"Ignored": {
			reason: "What the kubelet alone reads need not be there", spec: ignores,
			want: Secrets{State: There, Values: []Value{{Role: "jwt", Key: "jwt-secret", Data: []byte(exampleJWT)}}},
		},
		"There": {
			reason: "Only the keys that restart the server are read, as they are", spec: restarts, data: map[string]string{"id": " example\n", "other": "\x00"},
			want: Secrets{State: There, Values: []Value{
				{Role: "env-A", Key: "id", Data: []byte(" example\n")},
				{Role: "env-C", Key: "jwt-secret", Data: []byte(exampleJWT)},
				{Role: "jwt", Key: "jwt-secret", Data: []byte(exampleJWT)},
			}},
		},
		"NoSecret": {
			reason: "The pod would not start without it", spec: restarts,
			want: Secrets{State: Missing, Problems: []string{"Secret storage/s3 does not exist: create it with the key id"}},
		},
		"NoKey": {
			reason: "Nor without the key", spec: restarts, data: map[string]string{"other": "example"},
			want: Secrets{State: Missing, Problems: []string{"Secret storage/s3, key id: is missing"}},
		},
		"Binary": {
			reason: "Nor with what is no text", spec: restarts, data: map[string]string{"id": "\xff"},
			want: Secrets{State: Missing, Problems: []string{"Secret storage/s3, key id: must be text (UTF-8 without NUL bytes), since it becomes an environment variable: encode random bytes, for example in base64"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := decode(t, tc.spec)

			required := map[string]*fnv1.Resources{"secret/files-jwt": items(object("storage", "files-jwt", jwtData)), "secret/s3": items()}
			if tc.data != nil {
				required["secret/s3"] = items(object("storage", "s3", tc.data))
			}

			if _, ok := Requirements(s)["secret/s3"]; ok != (tc.spec == restarts) {
				t.Errorf("%s\nRequirements(...): required: %v", tc.reason, ok)
			}

			got, err := Resolve(s, required, false, time.Time{})
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tc.want, got, shown); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
