package secret

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dittofs/function-dittoserver/test/pki"
)

// The kubelet starts no pod without a file of a volume: a missing one is reported, and holds
// changes back, whatever a new value does. A key under Ignore is in no digest.
func TestResolveIgnoredVolume(t *testing.T) {
	const spec = `{"identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"extraVolumes":[{"name":"a","mountPath":"/etc/a","secret":{"secretName":"keys","items":[{"key":"store.key"}]}}]}`

	cases := map[string]struct {
		reason   string
		keys     map[string]string
		state    State
		problems []string
	}{
		"There":    {"A file is a file, whatever is in it", map[string]string{"store.key": "\xff\x00"}, There, nil},
		"Empty":    {"An empty one too", map[string]string{"store.key": ""}, There, nil},
		"NoKey":    {"Only the pod's events would tell", map[string]string{"other": "a"}, Missing, []string{"Secret storage/keys, key store.key: is missing"}},
		"NoSecret": {"So would they of a Secret", nil, Missing, []string{"Secret storage/keys does not exist: create it with the key store.key"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			required := fetched(jwtData, nil, nil)

			required["secret/keys"] = items()
			if tc.keys != nil {
				required["secret/keys"] = items(object("storage", "keys", tc.keys))
			}

			got := resolved(t, decode(t, spec), required, true)
			if diff := cmp.Diff(tc.state, got.State); diff != "" {
				t.Errorf("%s\nResolve(...): -want state, +got state:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.problems, got.Problems); diff != "" {
				t.Errorf("%s\nResolve(...): -want problems, +got problems:\n%s", tc.reason, diff)
			}

			for _, v := range got.Values {
				if v.Role == "volume-a" {
					t.Errorf("%s\nResolve(...): the digest covers the key %s", tc.reason, v.Key)
				}
			}
		})
	}
}

// An authority that no connection is judged by gets a warning, without the mode, which is a
// Secret's.
func TestResolveUncheckedCA(t *testing.T) {
	const (
		unchecked = "the SSL mode checks no certificate, so spec.database.postgres.caSecretRef has no effect: use verify-full"
		withCA    = `"caSecretRef":{"name":"ca","key":"ca.crt"}`
	)

	cases := map[string]struct {
		reason, postgres string
		mode             map[string]string
		want             []string
	}{
		"Weak":    {"The connection may be in the clear", withCA, map[string]string{"sslmode": "prefer"}, []string{"Secret storage/files-db, key sslmode: " + unchecked}},
		"Default": {"So it is by the server's default", withCA, nil, []string{"Secret storage/files-db, key sslmode: " + unchecked}},
		"Require": {"With an authority the server looks who signed", withCA, map[string]string{"sslmode": "require"}, nil},
		"Spec":    {"The spec's mode wins, and that of the Secret is not looked at", withCA + `,"sslmode":"verify-full"`, map[string]string{"sslmode": "prefer"}, nil},
		"NoCA":    {"Nobody expects a check without one", `"port":1`, map[string]string{"sslmode": "prefer"}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			db := map[string]string{"host": "db", "port": "5432", "database": "dittofs", "user": "dittofs", "password": "example-password"}
			maps.Copy(db, tc.mode)

			required := fetched(jwtData, nil, db)
			required["secret/ca"] = items(object("storage", "ca", map[string]string{"ca.crt": string(pki.Authority(t).Certificate)}))

			s := decode(t, `{"version":"0.29.0","identity":{"jwt":{"secretRef":{"name":"files-jwt"}}},"database":{"postgres":{"secretRef":{"name":"files-db"},`+tc.postgres+`}}}`)

			got, err := Resolve(s, required, true, time.Now())
			if err != nil || len(got.Problems) > 0 {
				t.Fatalf("%s\nResolve(...): %q, %v", tc.reason, got.Problems, err)
			}

			if diff := cmp.Diff(tc.want, got.Warnings); diff != "" {
				t.Errorf("%s\nResolve(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
