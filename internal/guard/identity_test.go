package guard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// The server goes by what it copied into its database, which is noted from the first pod template
// on, and until a person says otherwise.
func TestDecideSeeds(t *testing.T) {
	const ldap, account = dittofs.ProviderLDAP, dittofs.ProviderMachineAccount

	const server, last = "uid", "before"

	// of names the change of a provider, after that which was acknowledged last.
	of := func(p Provider) string { return manifest.Digest(server, last, string(p.Name), p.Seeded, p.Desired) }
	acknowledged := func(p Provider) func(st *State) { return func(st *State) { st.Acknowledged = of(p) } }

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
		"Made":        {"A person made the change over the REST API.", changed, acknowledged(changed), "second", false},
		"OtherChange": {"An acknowledgement is of one change.", changed, acknowledged(Provider{Name: ldap, Desired: "second", Seeded: "other"}), "first", true},
		"Back":        {"After that, taking it back is a change as well.", Provider{Name: ldap, Desired: "first", Seeded: "second"}, acknowledged(changed), "second", true},
		"Repeated":    {"A change that comes again is another one.", changed, func(st *State) { st.Acknowledged, st.LastAcknowledged = of(changed), of(changed) }, "first", true},
		"OtherServer": {"An acknowledgement of another server's change is none.", changed, func(st *State) { st.Acknowledged, st.Server = of(changed), "other" }, "first", true},
		"Removed":     {"Nobody knows what the database has after that.", Provider{Name: ldap, Seeded: "first"}, nil, unknown, false},
		"StaysAway":   {"That stays so.", Provider{Name: ldap, Seeded: unknown}, nil, unknown, false},
		"Again":       {"A directory that comes back may be turned off in the database.", Provider{Name: ldap, Desired: "first", Seeded: unknown}, nil, unknown, true},
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
		"NoPart":          {"Kerberos comes without a machine account.", Provider{Name: account, Desired: absent}, nil, absent, false},
		"PartAdded":       {"The server takes one that its database does not have.", Provider{Name: account, Desired: "first", Seeded: absent}, nil, "first", false},
		"PartWaits":       {"A pod template that waits takes nothing along.", Provider{Name: account, Desired: "first", Seeded: absent}, downgrade(t), absent, false},
		"PartChanged":     {"The server goes by what it has.", Provider{Name: account, Desired: "second", Seeded: "first"}, nil, "first", true},
		"PartRemoved":     {"The server keeps it in its database.", Provider{Name: account, Desired: absent, Seeded: "first"}, nil, "first", true},
		"PartIsOff":       {"A person took it away over the REST API.", Provider{Name: account, Desired: absent, Seeded: "first"}, acknowledged(Provider{Name: account, Desired: absent, Seeded: "first"}), absent, false},
		"WithoutItsWhole": {"What Kerberos had is not known.", Provider{Name: account, Seeded: absent}, nil, unknown, false},
		"SecretsMissing": {"A server without its Secrets does not start.", Provider{Name: ldap, Desired: "first"}, func(st *State) {
			st.StatefulSet.Asked, st.StatefulSet.Live, st.Secrets = nil, nil, 1
		}, "", false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.Server, st.LastAcknowledged, st.Providers = server, last, []Provider{tc.provider}

			if tc.do != nil {
				tc.do(&st)
			}

			want := Decision{Seeded: manifest.SeedNote{Acknowledged: st.LastAcknowledged}}
			if tc.want != "" {
				want.Seeded.Of = map[dittofs.IdentityProvider]string{tc.provider.Name: tc.want}
			}

			change := manifest.Digest(st.Server, st.LastAcknowledged, string(tc.provider.Name), tc.provider.Seeded, tc.provider.Desired)
			if tc.isTold {
				want.NotInEffect, want.Acknowledge = []Provider{tc.provider}, change
			}

			// What counted is noted.
			if tc.provider.isChanged() && !tc.isTold {
				want.Seeded.Acknowledged = change
			}

			d := Decide(st)
			got := Decision{Seeded: d.Seeded, NotInEffect: d.NotInEffect, Acknowledge: d.Acknowledge}

			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Nobody knows what the server has in its database where nothing is noted, though there may be something.
func TestReadProviders(t *testing.T) {
	const with = configOld + "ldap:\n  enabled: true\nkerberos:\n  enabled: true\n"

	note := func(text string) observed.Resources {
		return observed.Resources{manifest.ConfigMap: {Asked: protostructtest.FromYAML(t, `{metadata: {annotations: {dittofs.io/seeded: '`+text+`'}}}`)}}
	}
	lost := func(config string) func(st *State) {
		return func(st *State) { st.StatefulSet.Asked.Pod.Config, st.ConfigMap.Observed = config, false }
	}
	first := func(st *State) { st.StatefulSet.Asked, st.Record = nil, nil }
	claim := func(st *State) {
		st.Claims = map[string]KnownClaim{dittofs.VolumeControlPlane: {Live: &LiveClaim{Request: "1Gi"}}}
	}

	ldap := v1alpha1.Identity{LDAP: &v1alpha1.LDAP{}}
	nothing, isKnown := "", "first"

	cases := map[string]struct {
		reason   string
		identity v1alpha1.Identity
		o        observed.Resources
		do       []func(st *State)
		want     map[dittofs.IdentityProvider]string

		// last is what counts as acknowledged last.
		last string
	}{
		"None":  {reason: "There is no identity provider."},
		"Noted": {reason: "What is noted is known.", identity: ldap, o: note(`{"ldap":"first","acknowledged":"last"}`), want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: isKnown}, last: "last"},
		"Added": {reason: "A server that never had one takes it.", identity: ldap, want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: nothing}},
		"Gone":  {reason: "What is noted is kept.", o: note(`{"ldap":"first"}`), want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: isKnown}},
		"Lost":  {reason: "The ConfigMap is gone, and what is annotated now was for something else.", identity: ldap, do: []func(st *State){lost(configOld)}, want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: unknown}, last: manifest.Digest("value")},
		"LostAndRemoved": {
			reason: "The server that runs has them.", do: []func(st *State){lost(with)}, last: manifest.Digest("value"),
			want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: unknown, dittofs.ProviderKerberos: unknown, dittofs.ProviderMachineAccount: unknown},
		},
		"LostWithout":   {reason: "A server without has no note to lose.", do: []func(st *State){lost(configOld)}, last: manifest.Digest("value")},
		"First":         {reason: "A new server takes what the spec says.", identity: ldap, do: []func(st *State){first}, want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: nothing}},
		"FirstOnClaims": {reason: "A volume may have the database of an earlier server.", identity: ldap, do: []func(st *State){first, claim}, want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: unknown}},
		"AddedOnClaims": {reason: "A server that runs has a volume.", identity: ldap, do: []func(st *State){claim}, want: map[dittofs.IdentityProvider]string{dittofs.ProviderLDAP: nothing}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.Acknowledged, st.Providers = "value", nil

			for _, do := range tc.do {
				do(&st)
			}

			st.readProviders(&composite.DittoServer{Spec: v1alpha1.DittoServerSpec{Identity: tc.identity}}, tc.o)

			got := map[dittofs.IdentityProvider]string{}
			for _, p := range st.Providers {
				got[p.Name] = p.Seeded
			}

			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nreadProviders(...): -want, +got:\n%s", tc.reason, diff)
			}

			if diff := cmp.Diff(tc.last, st.LastAcknowledged); diff != "" {
				t.Errorf("%s\nreadProviders(...): last acknowledged: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// No container starts beside a keytab that the server cannot read.
func TestReadKeytab(t *testing.T) {
	kerberos := func(secret string) v1alpha1.Identity {
		return v1alpha1.Identity{Kerberos: &v1alpha1.Kerberos{KeytabSecretRef: v1alpha1.SecretKeyRef{Name: secret, Key: "a"}}}
	}
	unreadable := func(name string) secret.Secrets {
		return secret.Secrets{State: secret.Missing, Unreadable: []composite.SecretFile{{Role: composite.RoleKeytab, Name: name, Key: "a"}}}
	}
	mounts := func(st *State) {
		st.StatefulSet.Asked.SecretVolumes = []corev1.Volume{{Name: "secret-keytab", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: "keytab", Items: []corev1.KeyToPath{{Key: "a", Path: "b"}}},
		}}}
	}

	lost := func(st *State) { st.ConfigMap.Observed = false }

	letsStart := observed.Resources{manifest.ConfigMap: {Asked: protostructtest.FromYAML(t, `{data: {DITTOFS_KERBEROS_REALM: A}}`)}}
	prevents := observed.Resources{manifest.ConfigMap: {Asked: protostructtest.FromYAML(t, `{data: {}}`)}}

	cases := map[string]struct {
		reason   string
		identity v1alpha1.Identity
		secrets  secret.Secrets
		o        observed.Resources
		do       []func(st *State)
		want     bool
		unread   string
	}{
		"Readable":      {"It can be read.", kerberos("keytab"), secret.Secrets{State: secret.There}, prevents, []func(st *State){mounts}, false, ""},
		"Unreadable":    {"NFS would run without Kerberos.", kerberos("keytab"), unreadable("keytab"), letsStart, []func(st *State){mounts}, true, ""},
		"NotMounted":    {"The pod has no Kerberos yet.", kerberos("keytab"), unreadable("keytab"), letsStart, nil, false, ""},
		"OtherSecret":   {"The pod has another one.", kerberos("other"), unreadable("other"), letsStart, []func(st *State){mounts}, false, "storage/keytab, key a"},
		"Problem":       {"Another Secret is missing.", kerberos("keytab"), secret.Secrets{State: secret.Missing}, prevents, []func(st *State){mounts}, false, ""},
		"NotFetched":    {"Nothing is known, and pods start.", kerberos("keytab"), secret.Secrets{}, letsStart, []func(st *State){mounts}, false, ""},
		"StaysSo":       {"Nothing is known, and none starts.", kerberos("keytab"), secret.Secrets{}, prevents, []func(st *State){mounts}, true, ""},
		"OtherStays":    {"Nobody reads the one that the pod has, and none starts.", kerberos("other"), secret.Secrets{State: secret.There}, prevents, []func(st *State){mounts}, true, "storage/keytab, key a"},
		"ConfigMapLost": {"Without a ConfigMap none starts in any case.", kerberos("other"), secret.Secrets{State: secret.There}, nil, []func(st *State){mounts, lost}, false, "storage/keytab, key a"},
		"Removed":       {"Nobody reads it, and pods start.", v1alpha1.Identity{}, secret.Secrets{State: secret.There}, letsStart, []func(st *State){mounts}, false, "storage/keytab, key a"},
		"None":          {"There is no pod.", kerberos("keytab"), unreadable("keytab"), letsStart, []func(st *State){func(st *State) { st.StatefulSet.Asked = nil }}, false, ""},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			st.readKeytab(&composite.DittoServer{Namespace: "storage", Spec: v1alpha1.DittoServerSpec{Identity: tc.identity}}, tc.secrets, tc.o)

			if st.MustNotStart != tc.want || st.UnreadKeytab != tc.unread {
				t.Errorf("%s\nreadKeytab(...): want %t and %q, got %t and %q", tc.reason, tc.want, tc.unread, st.MustNotStart, st.UnreadKeytab)
			}
		})
	}
}

// Settings stay as long as a pod may refer to them.
func TestKeepsSeeds(t *testing.T) {
	desire := func(st *State) { st.StatefulSet.Desired.Pod.Template = "new" }

	cases := map[string]struct {
		reason string
		do     func(st *State)
		want   bool
	}{
		"Same":    {"The template is live.", func(*State) {}, false},
		"Held":    {"The template that is kept refers to them.", downgrade(t), true},
		"GoesOut": {"The live template is still the one before.", desire, true},
		"OnItsWay": {
			"So it is while the API server has not taken the one that was asked.",
			func(st *State) { desire(st); st.StatefulSet.Asked.Pod.Template = "new" }, true,
		},
		"Live": {
			"Nothing refers to them any more.",
			func(st *State) {
				desire(st)
				st.StatefulSet.Asked.Pod.Template, st.StatefulSet.Live.Pod.Template = "new", "new"
			}, false,
		},
		"First": {"There are none yet.", func(st *State) { st.StatefulSet.Asked, st.StatefulSet.Live = nil, nil }, false},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			tc.do(&st)

			if got := Decide(st).KeepsSeeds; got != tc.want {
				t.Errorf("%s\nDecide(...).KeepsSeeds: want %t, got %t", tc.reason, tc.want, got)
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
