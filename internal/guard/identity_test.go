package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

// The server goes by what it copied into its database, which is noted from the first pod template
// on, and until a person says otherwise.
func TestDecideSeeds(t *testing.T) {
	const ldap, account = dittofs.ProviderLDAP, dittofs.ProviderMachineAccount

	change := manifest.Digest("ldap", "first", "second")
	changed := Provider{Name: ldap, Desired: "second", Seeded: "first"}

	cases := map[string]struct {
		reason   string
		provider Provider
		do       func(st *State)

		// want is what the ConfigMap notes, and isTold whether the settings may not be in effect.
		want   string
		isTold bool
	}{
		"First":       {"The first pod template takes the settings along.", Provider{Name: ldap, Desired: "first"}, nil, "first", false},
		"Same":        {"What the server has is what is desired.", Provider{Name: ldap, Desired: "first", Seeded: "first"}, nil, "first", false},
		"Changed":     {"The server goes by what it has.", changed, nil, "first", true},
		"Made":        {"A person made the change over the REST API.", changed, func(st *State) { st.Acknowledged = change }, "second", false},
		"OtherChange": {"An acknowledgement is of one change.", changed, func(st *State) { st.Acknowledged = manifest.Digest("ldap", "other", "second") }, "first", true},
		"Back":        {"After that, taking it back is a change as well.", Provider{Name: ldap, Desired: "first", Seeded: "second"}, func(st *State) { st.Acknowledged = change }, "second", true},
		"Removed":     {"Nobody knows what the database has after that.", Provider{Name: ldap, Seeded: "first"}, nil, removed, false},
		"StaysAway":   {"That stays so.", Provider{Name: ldap, Seeded: removed}, nil, removed, false},
		"Again":       {"A directory that comes back may be turned off in the database.", Provider{Name: ldap, Desired: "first", Seeded: removed}, nil, removed, true},
		"Waits":       {"A pod template that waits takes nothing along.", Provider{Name: ldap, Desired: "first"}, downgrade(t), "", false},
		"RemovalWaits": {
			"The server that runs has it still.", Provider{Name: ldap, Seeded: "first"}, downgrade(t), "first", false,
		},
		"ChangedAndWaits": {"What may not be in effect is told in any case.", changed, downgrade(t), "first", true},
		"Paused": {
			"Nobody starts a StatefulSet that is paused.", Provider{Name: ldap, Desired: "first"}, func(st *State) {
				st.StatefulSet.Asked, st.StatefulSet.Live, st.CanPause, st.ConfigMap = nil, nil, true, ConfigMap{Desired: configOld}
			}, "", false,
		},
		"NoPart":      {"Kerberos comes without a machine account.", Provider{Name: account, Desired: absent}, nil, absent, false},
		"PartAdded":   {"The server takes one that its database does not have.", Provider{Name: account, Desired: "first", Seeded: absent}, nil, "first", false},
		"PartWaits":   {"A pod template that waits takes nothing along.", Provider{Name: account, Desired: "first", Seeded: absent}, downgrade(t), absent, false},
		"PartChanged": {"The server goes by what it has.", Provider{Name: account, Desired: "second", Seeded: "first"}, nil, "first", true},
		"PartRemoved": {"The server keeps it in its database.", Provider{Name: account, Desired: absent, Seeded: "first"}, nil, "first", true},
		"PartIsOff": {"A person took it away over the REST API.", Provider{Name: account, Desired: absent, Seeded: "first"}, func(st *State) {
			st.Acknowledged = manifest.Digest(string(account), "first", absent)
		}, absent, false},
		"WithoutItsWhole": {"What Kerberos had is not known.", Provider{Name: account, Seeded: absent}, nil, removed, false},
		"SecretsMissing": {"A server without its Secrets does not start.", Provider{Name: ldap, Desired: "first"}, func(st *State) {
			st.StatefulSet.Asked, st.StatefulSet.Live, st.Secrets = nil, nil, 1
		}, "", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.Providers = []Provider{tc.provider}

			if tc.do != nil {
				tc.do(&st)
			}

			want := Decision{}
			if tc.want != "" {
				want.Seeded = map[dittofs.IdentityProvider]string{tc.provider.Name: tc.want}
			}

			if tc.isTold {
				want.NotInEffect, want.Acknowledge = []Provider{tc.provider}, manifest.Digest(string(tc.provider.Name), tc.provider.Seeded, tc.provider.Desired)
			}

			d := Decide(st)
			got := Decision{Seeded: d.Seeded, NotInEffect: d.NotInEffect, Acknowledge: d.Acknowledge}

			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The server keeps an identity provider that is gone from the spec.
func TestProviderDangers(t *testing.T) {
	const (
		with     = configOld + "ldap:\n  enabled: true\n"
		kerberos = configOld + "kerberos:\n  enabled: true\n"
		account  = kerberos + "  machine_account:\n    enabled: true\n"
	)

	const danger = `spec.identity.ldap is removed and the server keeps it in its database: send it PUT /api/v1/identity-providers/ldap/config with {"enabled":false} first`

	cases := map[string]struct {
		reason          string
		desired, before string
		want            []string
	}{
		"Never":   {"There is none.", configNew, configOld, nil},
		"Added":   {"The server takes it at its next start.", with, configOld, nil},
		"Kept":    {"It stays.", with, with, nil},
		"Removed": {"A person turns it off first.", configOld, with, []string{danger}},
		"Kerberos": {
			"A server with SMB does not start without its keytab.", configOld, account,
			[]string{`spec.identity.kerberos is removed and the server keeps it in its database: send it PUT /api/v1/identity-providers/kerberos/config with {"enabled":false} first`},
		},
		"Part": {"A warning tells of it.", kerberos, account, nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, dangersOf(Pod{Config: tc.desired}, []Pod{{Config: tc.before}, {Config: tc.before}}, nil)); diff != "" {
				t.Errorf("%s\ndangersOf(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
