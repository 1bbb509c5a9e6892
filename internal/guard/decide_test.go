package guard

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Texts of config.yaml.
const (
	configOld      = "database: {type: sqlite, sqlite: {path: /data/controlplane/controlplane.db}}\nlogging: {level: INFO}\n"
	configNew      = "database: {type: sqlite, sqlite: {path: /data/controlplane/controlplane.db}}\nlogging: {level: DEBUG}\n"
	configOther    = "database: {type: sqlite, sqlite: {path: /data/metadata/other.db}}\nlogging: {level: INFO}\n"
	configPostgres = "database: {type: postgres}\n"
)

// postgres is the database that a Secret names, under the default keys.
func postgres(secret string) v1alpha1.Postgres {
	return v1alpha1.Postgres{SecretRef: v1alpha1.SecretRef{Name: secret}, Keys: v1alpha1.PostgresKeys{
		Host: "host", Port: "port", Database: "database", User: "user", Password: "password", SSLMode: "sslmode",
	}}
}

// databaseOf returns the keys of a Secret that tell where the database is.
func databaseOf(name string) DatabaseSecrets {
	return DatabaseSecrets{Host: name + "/host", Port: name + "/port", Name: name + "/database"}
}

// configClear is a config.yaml that tells where the database is.
func configClear(host, port, name string) string {
	return fmt.Sprintf("database: {type: postgres, postgres: {host: %q, port: %s, database: %q}}\n", host, port, name)
}

// fromSecret has a Secret tell where the asked server's database is.
func fromSecret(st *State) {
	st.ConfigMap.Asked, st.ConfigMap.Live, st.StatefulSet.Asked.Pod.Config = configPostgres, configPostgres, configPostgres
	st.StatefulSet.Asked.Pod.DatabaseSecrets = databaseOf("db")
}

// fromClear has config.yaml tell where the asked server's database is.
func fromClear(host, port, name string) func(*State) {
	return func(st *State) {
		c := configClear(host, port, name)
		st.ConfigMap.Asked, st.ConfigMap.Live, st.StatefulSet.Asked.Pod.Config = c, c, c
	}
}

// toClear has config.yaml tell where the desired server's database is.
func toClear(host, port, name string) func(*State) {
	return func(st *State) {
		st.ConfigMap.Desired = configClear(host, port, name)
		st.StatefulSet.Desired.Pod.Config = st.ConfigMap.Desired
	}
}

// values of the keys of a Secret that tell where the database is, except empty ones.
func values(host, port, name string) func(*State) {
	return func(st *State) {
		st.Databases = map[string]secret.Data{}
		for key, value := range map[string]string{"db/host": host, "db/port": port, "db/database": name} {
			if value != "" {
				st.Databases[key] = secret.Data(value)
			}
		}
	}
}

func release(t *testing.T, version string) dittofs.Release {
	t.Helper()

	r, err := dittofs.ParseRelease(version)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

// byHand tells how a claim grows natively.
const byHand = "volume claim metadata has 10Gi instead of 20Gi (it grows while the server runs with: kubectl patch pvc metadata-files-0 --namespace=storage --patch='{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"20Gi\"}}}}', which this function cannot see)"

// atRest is a server whose StatefulSet is rolled out, and whose spec asks for just that.
func atRest(t *testing.T) State {
	t.Helper()

	spec := Spec{
		Name:      "files",
		Pod:       Pod{Template: "old", Config: configOld, Image: "marmos91c/dittofs:v0.29.0", Release: release(t, "0.29.0")},
		Replicas:  1,
		Immutable: map[string]string{"serviceName": `"files-headless"`, "selector": "{}", "podManagementPolicy": `"Parallel"`, "volumeClaimTemplates": "[controlplane, metadata]"},
		Claims:    []Claim{{Name: "controlplane", Size: resource.MustParse("1Gi")}, {Name: "metadata", Size: resource.MustParse("10Gi")}},
	}
	asked := spec

	return State{
		Namespace:    "storage",
		Secrets:      secret.There,
		Predecessors: observed.Predecessors{Fetched: true},
		CannotGrow:   true,
		ConfigMap:    ConfigMap{Observed: true, Current: true, Desired: configOld, Asked: configOld, Live: configOld},
		StatefulSet: StatefulSet{
			Desired: spec,
			Asked:   &asked,
			Live: &Live{
				UID: "uid", Pod: spec.Pod, Generation: 2, ObservedGeneration: 2, Replicas: 1, CurrentReplicas: 1,
				ClaimTemplates: "[controlplane, metadata]", Claims: spec.Claims,
			},
			Current:      true,
			CanBeLeftOut: true,
			Volumes:      dittofs.Volumes(release(t, "0.29.0"), false, ""),
			Files:        []string{"/data/controlplane/controlplane.db"},
		},
	}
}

// Changes of a State, for cases to combine.

func change(st *State) {
	st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config, st.StatefulSet.Desired.Pod.Template = configNew, configNew, "new"
	st.Change = "old to new"
}

func configMapFollows(st *State) {
	st.ConfigMap.Asked, st.ConfigMap.Live = st.ConfigMap.Desired, st.ConfigMap.Desired
}

func inFlight(st *State) {
	st.StatefulSet.Live.Pod.Template = "older"
}

func grow(st *State) {
	st.StatefulSet.Desired.Claims = []Claim{{Name: "controlplane", Size: resource.MustParse("1Gi")}, {Name: "metadata", Size: resource.MustParse("20Gi")}}
	st.StatefulSet.Desired.Immutable = map[string]string{"serviceName": `"files-headless"`, "selector": "{}", "podManagementPolicy": `"Parallel"`, "volumeClaimTemplates": "[controlplane, larger metadata]"}
}

func contentDropped(st *State) {
	asked := *st.StatefulSet.Asked
	asked.Claims = append(slices.Clone(asked.Claims), Claim{Name: dittofs.VolumeContent, Size: resource.MustParse("1Ti")})
	asked.Immutable = maps.Clone(asked.Immutable)
	asked.Immutable["volumeClaimTemplates"] = "[controlplane, metadata, content]"
	asked.MountsContent, st.StatefulSet.Desired.MountsContent = true, true
	st.StatefulSet.Asked = &asked
	st.StatefulSet.Live.ClaimTemplates, st.StatefulSet.Live.Claims = asked.Immutable["volumeClaimTemplates"], asked.Claims
}

func webhookClaims(st *State) {
	st.StatefulSet.Live.ClaimTemplates = "[controlplane, metadata, each of a class]"
	st.StatefulSet.Live.Claims = []Claim{
		{Name: "controlplane", Size: resource.MustParse("1Gi"), Class: new("webhook")},
		{Name: "metadata", Size: resource.MustParse("10Gi"), Class: new("webhook")},
	}
}

// ask asks for another pod template, over another config.yaml, which the ConfigMap holds
// already.
func ask(pod Pod) func(st *State) {
	return func(st *State) {
		asked := *st.StatefulSet.Asked
		asked.Pod, st.StatefulSet.Asked = pod, &asked
		st.ConfigMap.Asked, st.ConfigMap.Live = pod.Config, pod.Config
		st.Change = "to old"
	}
}

func refuse(st *State) {
	st.StatefulSet.NotSynced, st.StatefulSet.Refused = true, true
}

func stop(st *State) {
	asked := *st.StatefulSet.Asked
	asked.Replicas, st.StatefulSet.Desired.Replicas = 0, 0
	st.StatefulSet.Asked = &asked
	st.StatefulSet.Live.Replicas, st.StatefulSet.Live.CurrentReplicas = 0, 0
}

func none(st *State) {
	st.StatefulSet.Asked, st.StatefulSet.Live = nil, nil
}

// gone deletes the StatefulSet of a server that ran as it is recorded.
func gone(st *State) {
	none(st)

	st.CanPause, st.CanReturn = true, true
	st.Record = &manifest.Record{StatefulSet: "uid", Image: "marmos91c/dittofs:v0.29.0", Version: "0.29.0", Config: configOld}
}

func downgrade(t *testing.T) func(st *State) {
	t.Helper()

	return to(t, "0.28.1")
}

// notKnown is the danger of a release that is newer than known.
func notKnown(version string) string {
	return "DittoFS " + version + " is newer than " + dittofs.NewestMinor() + " and unknown to this function: it may refuse this configuration or keep files outside of the volumes or have another REST API"
}

// to asks for another release, over the same config.yaml.
func to(t *testing.T, version string) func(st *State) {
	t.Helper()

	return func(st *State) {
		change(st)
		st.StatefulSet.Desired.Pod.Release, st.StatefulSet.Desired.Pod.Image = release(t, version), "marmos91c/dittofs:v"+version
	}
}

// from has another release run, which the spec asks for.
func from(t *testing.T, version string) func(st *State) {
	t.Helper()

	return func(st *State) {
		for _, p := range []*Pod{&st.StatefulSet.Desired.Pod, &st.StatefulSet.Asked.Pod, &st.StatefulSet.Live.Pod} {
			p.Release, p.Image = release(t, version), "marmos91c/dittofs:v"+version
		}
	}
}

const grown = byHand

// The simulator tests what the guards do for a whole server, through time.
func TestDecide(t *testing.T) {
	claims := []string{"volumeClaimTemplates"}

	cases := map[string]struct {
		reason string
		do     []func(st *State)
		want   Decision
	}{
		"AtRest": {
			reason: "Nothing waits where the spec asks for what is live.",
			want:   Decision{Rollout: RolledOut},
		},
		"ConfigFirst": {
			reason: "config.yaml moves, and the template waits until the ConfigMap holds it.",
			do:     []func(*State){change},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"ConfigAskedOnly": {
			reason: "A ConfigMap that is asked but not live may have any content by now.",
			do:     []func(*State){change, func(st *State) { st.ConfigMap.Asked = configNew }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"ConfigLiveOnly": {
			reason: "A ConfigMap that is live but not asked may change at any time.",
			do:     []func(*State){change, func(st *State) { st.ConfigMap.Live = configNew }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"ConfigNotCurrent": {
			reason: "What was asked before may be live by now.",
			do:     []func(*State){change, configMapFollows, func(st *State) { st.ConfigMap.Current = false }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"ConfigMapGone": {
			reason: "The template does not move without a ConfigMap.",
			do:     []func(*State){change, func(st *State) { st.ConfigMap = ConfigMap{Desired: configNew} }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"ConfigHeld": {
			reason: "The template follows once the ConfigMap holds config.yaml.",
			do:     []func(*State){change, configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"SameTemplateOtherConfigMap": {
			reason: "A template that does not move waits for nothing.",
			do:     []func(*State){func(st *State) { st.ConfigMap.Live = "somebody's" }},
			want:   Decision{Rollout: RolledOut},
		},

		"SecretsNotFetched": {
			reason: "Without Secrets there is no digest, and so no template.",
			do:     []func(*State){change, func(st *State) { st.Secrets = secret.NotFetched }},
			want:   Decision{Rollout: SecretsNotFetched, Config: configOld, Template: TemplateAsked},
		},
		"SecretsMissing": {
			reason: "A held server keeps config.yaml and template together.",
			do:     []func(*State){change, func(st *State) { st.Secrets = secret.Missing }},
			want:   Decision{Rollout: SecretsNotResolved, Config: configOld, Template: TemplateAsked},
		},
		"SecretsMissingNoConfigMap": {
			reason: "A ConfigMap that somebody deleted comes back as it was, not as the spec asks for.",
			do:     []func(*State){change, func(st *State) { st.Secrets, st.ConfigMap = secret.Missing, ConfigMap{Desired: configNew} }},
			want:   Decision{Rollout: SecretsNotResolved, Config: configOld, Template: TemplateAsked},
		},
		"SecretsMissingNoCopy": {
			reason: "A template without a copy of config.yaml keeps that of the ConfigMap.",
			do: []func(*State){change, func(st *State) {
				st.Secrets = secret.Missing
				st.StatefulSet.Asked.Pod.Config = ""
				st.ConfigMap.Asked = "asked"
			}},
			want: Decision{Rollout: SecretsNotResolved, Config: "asked", Template: TemplateAsked},
		},
		"SecretsMissingNoConfig": {
			reason: "A ConfigMap never loses its configuration.",
			do: []func(*State){change, func(st *State) {
				st.Secrets = secret.Missing
				st.StatefulSet.Asked.Pod.Config = ""
				st.ConfigMap = ConfigMap{Desired: configNew}
			}},
			want: Decision{Rollout: SecretsNotResolved, Template: TemplateAsked},
		},

		"Downgrade": {
			reason: "An older release may not read the database of a newer one.",
			do:     []func(*State){downgrade(t)},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"DowngradeWrongApproval": {
			reason: "An approval is of one change, and of no other.",
			do:     []func(*State){downgrade(t), func(st *State) { st.Approved = "older to new" }},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"DowngradeApproved": {
			reason: "An approved change goes the way of every change.",
			do:     []func(*State){downgrade(t), func(st *State) { st.Approved = "old to new" }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"DowngradeWithoutSecrets": {
			reason: "There is nothing to approve before the Secrets are there.",
			do:     []func(*State){downgrade(t), func(st *State) { st.Secrets = secret.Missing }},
			want:   Decision{Rollout: SecretsNotResolved, Config: configOld, Template: TemplateAsked},
		},
		"ImageDowngrade": {
			reason: "The tag of an image may go down while the version stays.",
			do:     []func(*State){change, func(st *State) { st.StatefulSet.Desired.Pod.Image = "registry.example.org/dittofs:v0.20.0" }},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"the image's version goes down from 0.29.0 to 0.20.0"}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"ReleaseRaisedByHand": {
			reason: "What was asked last would lower a version that somebody raised, whatever digest the template carries.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Release, st.StatefulSet.Asked.Pod.Image = release(t, "0.30.0"), "marmos91c/dittofs:v0.30.0"
				st.Change = "by hand"
			}},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.30.0 to 0.29.0"}, Approval: "by hand", Config: configOld, Template: TemplateAsked},
		},
		"Upgrade": {
			reason: "A newer release is nothing to approve.",
			do:     []func(*State){from(t, "0.28.0"), to(t, "0.29.0"), configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"UpgradePatch": {
			reason: "A patch of a known minor release has its keys.",
			do:     []func(*State){to(t, "0.29.99"), configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"UnknownRelease": {
			reason: "Nobody here knows where a release keeps its files that is newer than the newest known.",
			do:     []func(*State){to(t, "0.99.0")},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.99.0")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"UnknownReleaseOfFirstMinor": {
			reason: "A pre-release of a minor release that is not known is not known.",
			do:     []func(*State){to(t, "1.0.0-rc.1")},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("1.0.0-rc.1")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"UnknownReleaseApproved": {
			reason: "An approved change goes the way of every change.",
			do:     []func(*State){to(t, "0.99.0"), func(st *State) { st.Approved = "old to new" }},
			want:   Decision{Rollout: ConfigMapNotReady, Template: TemplateAsked},
		},
		"UnknownReleaseByImage": {
			reason: "What raises tags of images may leave the version as it is.",
			do:     []func(*State){change, func(st *State) { st.StatefulSet.Desired.Pod.Image = "registry.example.org/dittofs:v0.99.0" }},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.99.0")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"UnknownReleaseByImageAfterNone": {
			reason: "Nor does one without a version that goes.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Image = "registry.example.org/dittofs:main"
				st.StatefulSet.Live.Pod = st.StatefulSet.Asked.Pod
			}, change, func(st *State) { st.StatefulSet.Desired.Pod.Image = "registry.example.org/dittofs:v0.99.0" }},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.99.0")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"NextDate": {
			reason: "Where tags are dates, the version alone tells the release.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Image = "registry.example.org/dittofs:2026.7.1"
				st.StatefulSet.Live.Pod = st.StatefulSet.Asked.Pod
			}, change, configMapFollows, func(st *State) {
				st.StatefulSet.Desired.Pod.Image = "registry.example.org/dittofs:2026.8.1"
			}},
			want: Decision{Rollout: RolledOut},
		},
		"UnknownReleaseAfterNone": {
			reason: "An image without a version does not tell that it is as new.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Release, st.StatefulSet.Asked.Pod.Image = dittofs.Release{}, "registry.example.org/dittofs:main"
				st.StatefulSet.Live.Pod = st.StatefulSet.Asked.Pod
			}, to(t, "0.99.0")},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.99.0")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"UnknownReleaseRuns": {
			reason: "A server that runs a release stays with it, and with its patches, as with any other.",
			do:     []func(*State){from(t, "0.99.0"), to(t, "0.99.1"), configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"UnknownReleaseRunsByImage": {
			reason: "Somebody raised the image by hand, and the version follows.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Image = "marmos91c/dittofs:v0.99.0"
				st.StatefulSet.Live.Pod = st.StatefulSet.Asked.Pod
			}, to(t, "0.99.0"), configMapFollows},
			want: Decision{Rollout: RolledOut},
		},
		"UnknownReleaseRunsAndChanges": {
			reason: "Any other change of a server that runs a release is as of every server.",
			do:     []func(*State){from(t, "0.99.0"), configMapFollows, func(st *State) { st.StatefulSet.Desired.Pod.Template = "third" }},
			want:   Decision{Rollout: RolledOut},
		},
		"UnknownReleaseAfterUnknown": {
			reason: "That one runs says nothing of the next.",
			do:     []func(*State){from(t, "0.99.0"), to(t, "0.100.0")},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.100.0")}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"UnknownReleaseInFlight": {
			reason: "What was approved and asked need not be approved again for a patch while it is on its way.",
			do:     []func(*State){ask(Pod{Template: "asked", Config: configOld, Image: "marmos91c/dittofs:v0.99.0", Release: release(t, "0.99.0")}), to(t, "0.99.1")},
			want:   Decision{Rollout: RolloutInProgress, Config: configOld, Template: TemplateAsked},
		},
		"SQLitePath": {
			reason: "The server would start on an empty database.",
			do:     []func(*State){change, func(st *State) { st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config = configOther, configOther }},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configOld, Template: TemplateAsked,
				Dangers: []string{"the database changes from sqlite /data/controlplane/controlplane.db to sqlite /data/metadata/other.db"},
			},
		},
		"DatabaseType": {
			reason: "The server would start on an empty database.",
			do: []func(*State){change, func(st *State) {
				st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config = configPostgres, configPostgres
				st.StatefulSet.Desired.Pod.DatabaseSecrets = databaseOf("db")
			}},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configOld, Template: TemplateAsked,
				Dangers: []string{"the database changes from sqlite /data/controlplane/controlplane.db to postgres db/host db/port db/database"},
			},
		},
		"Assigned": {
			reason: "The files are those of the user that the pod has.",
			do:     []func(*State){change, func(st *State) { st.StatefulSet.Desired.Pod.AssignedUser = true }},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configOld, Template: TemplateAsked,
				Dangers: []string{"the pod's user or group changes, but its files keep their owner"},
			},
		},
		"AssignedBefore": {
			reason: "They are on the way back, too.",
			do: []func(*State){change, func(st *State) {
				st.StatefulSet.Asked.Pod.AssignedGroup, st.StatefulSet.Live.Pod.AssignedGroup = true, true
			}},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configOld, Template: TemplateAsked,
				Dangers: []string{"the pod's user or group changes, but its files keep their owner"},
			},
		},
		"DatabaseSecret": {
			reason: "Another Secret is another database, though config.yaml is the same.",
			do: []func(*State){func(st *State) {
				for _, p := range []*Pod{&st.StatefulSet.Desired.Pod, &st.StatefulSet.Asked.Pod} {
					p.Config, p.DatabaseSecrets = configPostgres, databaseOf("db")
				}

				st.ConfigMap = ConfigMap{Observed: true, Current: true, Desired: configPostgres, Asked: configPostgres, Live: configPostgres}
				st.StatefulSet.Desired.Pod.DatabaseSecrets, st.StatefulSet.Desired.Pod.Template, st.Change = databaseOf("db2"), "new", "old to new"
			}},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configPostgres, Template: TemplateAsked,
				Dangers: []string{"the database changes from postgres db/host db/port db/database to postgres db2/host db2/port db2/database"},
			},
		},
		"DatabaseHost": {
			reason: "Another host in the spec is another database.",
			do:     []func(*State){change, fromClear("db", "5432", "files"), toClear("db2", "5432", "files")},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configClear("db", "5432", "files"), Template: TemplateAsked,
				Dangers: []string{`the database changes from postgres "db" "5432" "files" to postgres "db2" "5432" "files"`},
			},
		},
		"DatabasePort": {
			reason: "Another port in the spec may be another database.",
			do:     []func(*State){change, fromClear("db", "5432", "files"), toClear("db", "5433", "files")},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configClear("db", "5432", "files"), Template: TemplateAsked,
				Dangers: []string{`the database changes from postgres "db" "5432" "files" to postgres "db" "5433" "files"`},
			},
		},
		"DatabaseIntoSpec": {
			reason: "A value that moves from the Secret into the spec is the same database.",
			do:     []func(*State){change, fromSecret, values("db", "5432", "files"), toClear("db", "5432", "files"), configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"OtherDatabaseIntoSpec": {
			reason: "Another value than the Secret's is another database.",
			do:     []func(*State){change, fromSecret, values("db", "5432", "other"), toClear("db", "5432", "files")},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configPostgres, Template: TemplateAsked,
				Dangers: []string{`the database changes from postgres db/host db/port db/database to postgres "db" "5432" "files"`},
			},
		},
		"UnknownDatabaseIntoSpec": {
			reason: "Without the Secret's value nobody knows.",
			do:     []func(*State){change, fromSecret, values("", "5432", "files"), toClear("db", "5432", "files")},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configPostgres, Template: TemplateAsked,
				Dangers: []string{`the database changes from postgres db/host db/port db/database to postgres "db" "5432" "files"`},
			},
		},
		"DatabaseIntoSecret": {
			reason: "A value that moves from the spec into the Secret is the same database.",
			do: []func(*State){change, fromClear("db", "5432", "files"), values("db", "5432", "files"), func(st *State) {
				st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config = configPostgres, configPostgres
				st.StatefulSet.Desired.Pod.DatabaseSecrets = databaseOf("db")
			}, configMapFollows},
			want: Decision{Rollout: RolledOut},
		},
		"SecretNamedLikeDatabase": {
			reason: "A database with the name of a Secret and key is no Secret.",
			do:     []func(*State){change, fromSecret, toClear("db/host", "5432", "db/database")},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configPostgres, Template: TemplateAsked,
				Dangers: []string{`the database changes from postgres db/host db/port db/database to postgres "db/host" "5432" "db/database"`},
			},
		},
		"Manual": {
			reason: "Under the rollout Manual every change of the template waits.",
			do:     []func(*State){change, func(st *State) { st.Manual = true }},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"spec.rollout is Manual"}, Approval: "old to new", Config: configOld, Template: TemplateAsked},
		},
		"ManualAtRest": {
			reason: "Nothing waits where the template does not change.",
			do:     []func(*State){func(st *State) { st.Manual = true }},
			want:   Decision{Rollout: RolledOut},
		},

		"InFlight": {
			reason: "While a template is on its way, the config.yaml that it covers stays.",
			do:     []func(*State){change, inFlight},
			want:   Decision{Rollout: RolloutInProgress, Config: configOld, Template: TemplateAsked},
		},
		"InFlightUnknown": {
			reason: "A StatefulSet that is not live yet may get any template.",
			do:     []func(*State){change, func(st *State) { st.StatefulSet.Live = nil }},
			want:   Decision{Rollout: RolloutInProgress, Config: configOld, Template: TemplateAsked},
		},
		"InFlightSameConfig": {
			reason: "A template over the same config.yaml may take the place of one that is on its way.",
			do: []func(*State){inFlight, func(st *State) {
				st.StatefulSet.Desired.Pod.Template, st.Change = "new", "old to new"
			}},
			want: Decision{Rollout: RolledOut},
		},
		"Refused": {
			reason: "A template that the API server refuses gives way to one over the same config.yaml.",
			do:     []func(*State){change, inFlight, func(st *State) { st.StatefulSet.NotSynced = true }},
			want:   Decision{Rollout: RolloutInProgress, Config: configOld, Template: TemplateCovering},
		},
		"RefusedOtherConfigMap": {
			reason: "A pod must not start on another config.yaml than its template covers.",
			do:     []func(*State){change, inFlight, func(st *State) { st.StatefulSet.NotSynced, st.ConfigMap.Live = true, "somebody's" }},
			want:   Decision{Rollout: RolloutInProgress, Config: configOld, Template: TemplateAsked},
		},

		"RefusedTakenBack": {
			reason: "A change that the API server refused, taken back: the live template is asked again, which restarts nothing, and config.yaml follows later.",
			do:     []func(*State){ask(Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.29.0", Release: release(t, "0.29.0")}), refuse},
			want:   Decision{Rollout: RolloutInProgress, Config: configNew, Template: TemplateDesired},
		},
		"RefusedUpgradeTakenBack": {
			reason: "A release that the API server refused never ran, and going back from it is nothing to approve.",
			do:     []func(*State){ask(Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.30.0", Release: release(t, "0.30.0")}), refuse},
			want:   Decision{Rollout: RolloutInProgress, Config: configNew, Template: TemplateDesired},
		},
		"RefusedDatabaseTakenBack": {
			reason: "A database that the API server refused was never opened.",
			do:     []func(*State){ask(Pod{Template: "new", Config: configOther, Image: "marmos91c/dittofs:v0.29.0", Release: release(t, "0.29.0")}), refuse},
			want:   Decision{Rollout: RolloutInProgress, Config: configOther, Template: TemplateDesired},
		},
		"RefusedSameConfig": {
			reason: "Where config.yaml is the same, all is as it was at once.",
			do:     []func(*State){ask(Pod{Template: "new", Config: configOld, Image: "marmos91c/dittofs:v0.30.0", Release: release(t, "0.30.0")}), refuse},
			want:   Decision{Rollout: RolledOut},
		},
		"RefusedOtherChange": {
			reason: "Another change goes by way of what is live: its config.yaml can move once that is applied.",
			do: []func(*State){
				ask(Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.29.0", Release: release(t, "0.29.0")}), refuse,
				func(st *State) {
					st.StatefulSet.Desired.Pod.Template, st.StatefulSet.Desired.Pod.Config, st.ConfigMap.Desired = "third", configOld+"# third", configOld+"# third"
				},
			},
			want: Decision{Rollout: RolloutInProgress, Config: configNew, Template: TemplateLive},
		},
		"RefusedOtherChangeDowngrade": {
			reason: "A change is judged by what is live.",
			do: []func(*State){
				ask(Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.28.0", Release: release(t, "0.28.0")}), refuse,
				func(st *State) {
					st.StatefulSet.Desired.Pod.Template, st.StatefulSet.Desired.Pod.Release = "third", release(t, "0.28.1")
				},
			},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "to old", Config: configNew, Template: TemplateAsked},
		},
		"LostAnswer": {
			reason: "An upgrade whose answer was lost may have been applied: going back from it waits.",
			do: []func(*State){
				ask(Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.30.0", Release: release(t, "0.30.0")}),
				func(st *State) { st.StatefulSet.NotSynced = true },
			},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.30.0 to 0.29.0"}, Approval: "to old", Config: configNew, Template: TemplateAsked},
		},
		"InFlightHighestVersion": {
			reason: "While a downgrade is on its way, the newer release may still run.",
			do: []func(*State){
				ask(Pod{Template: "new", Config: configOld, Image: "marmos91c/dittofs:v0.28.0", Release: release(t, "0.28.0")}),
				func(st *State) {
					st.StatefulSet.Desired.Pod.Template, st.StatefulSet.Desired.Pod.Release, st.StatefulSet.Desired.Pod.Image = "third", release(t, "0.28.1"), "marmos91c/dittofs:v0.28.1"
				},
			},
			want: Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "to old", Config: configOld, Template: TemplateAsked},
		},
		"InFlightEitherDatabase": {
			reason: "While another database is on its way, either may be the one in use.",
			do: []func(*State){
				ask(Pod{Template: "new", Config: configOther, Image: "marmos91c/dittofs:v0.29.0", Release: release(t, "0.29.0")}),
				func(st *State) {
					st.StatefulSet.Desired.Pod.Template, st.StatefulSet.Desired.Pod.Config, st.ConfigMap.Desired = "third", configPostgres, configPostgres
				},
			},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "to old", Config: configOther, Template: TemplateAsked,
				Dangers: []string{
					"the database changes from sqlite /data/metadata/other.db to postgres",
					"the database changes from sqlite /data/controlplane/controlplane.db to postgres",
				},
			},
		},
		"InFlightApproved": {
			reason: "What was approved and asked is not to be approved again while it is on its way.",
			do: []func(*State){downgrade(t), func(st *State) {
				ask(st.StatefulSet.Desired.Pod)(st)
			}},
			want: Decision{Rollout: RolledOut},
		},

		"Immutable": {
			reason: "The fields that Kubernetes refuses to change stay, and the rest goes through.",
			do: []func(*State){change, configMapFollows, func(st *State) {
				st.StatefulSet.Desired.Immutable = map[string]string{"serviceName": `"other"`, "selector": `{"a":"b"}`, "volumeClaimTemplates": "[controlplane, metadata]"}
			}},
			want: Decision{
				Rollout: RolledOut, Immutable: []string{"serviceName", "selector", "podManagementPolicy"},
				Frozen: []string{
					"StatefulSet field serviceName is kept (to change it, do as for volume claims)",
					"StatefulSet field selector is kept (to change it, do as for volume claims)",
					"StatefulSet field podManagementPolicy is kept (to change it, do as for volume claims)",
				},
			},
		},
		"Grow": {
			reason: "A claim template stays, and the user is told how to expand the claim.",
			do:     []func(*State){change, configMapFollows, grow},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"WebhookChangedClaims": {
			reason: "Asked again, the claims that were asked would be refused for ever: those that a webhook made of them stay.",
			do:     []func(*State){webhookClaims},
			want:   Decision{Rollout: RolledOut, LiveClaims: true},
		},
		"WebhookChangedClaimsGrow": {
			reason: "What is live is what cannot change.",
			do:     []func(*State){webhookClaims, grow},
			want:   Decision{Rollout: RolledOut, LiveClaims: true, Frozen: []string{grown}},
		},
		"WebhookChangedClaimsStopped": {
			reason: "A class that nobody asked for is no reason to create the StatefulSet anew.",
			do:     []func(*State){webhookClaims, stop},
			want:   Decision{Rollout: RolledOut, LiveClaims: true},
		},
		"WebhookChangedClaimsAsked": {
			reason: "Claims that are desired as they are live need not be kept.",
			do: []func(*State){webhookClaims, func(st *State) {
				st.StatefulSet.Desired.Immutable["volumeClaimTemplates"] = st.StatefulSet.Live.ClaimTemplates
			}},
			want: Decision{Rollout: RolledOut},
		},
		"SameClaims": {
			reason: "Another spelling of a size is the same size, and is not sent.",
			do: []func(*State){grow, func(st *State) {
				st.StatefulSet.Desired.Claims[1].Size = resource.MustParse("10240Mi")
			}},
			want: Decision{Rollout: RolledOut, Immutable: claims},
		},
		"ClaimDropped": {
			reason: "A claim that is not desired any more does no harm.",
			do:     []func(*State){grow, func(st *State) { st.StatefulSet.Desired.Claims = st.StatefulSet.Desired.Claims[:1] }},
			want:   Decision{Rollout: RolledOut, Immutable: claims},
		},
		"ContentDropped": {
			reason: "What the server mounts as content stays mounted, and the user is told that it takes a stop.",
			do:     []func(*State){contentDropped},
			want: Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{
				"volume claim content stays mounted, though spec.storage.contentSize is gone (the PersistentVolumeClaim content-files-0 is never deleted)",
			}},
		},
		"ContentDroppedStopped": {
			reason: "A stopped server is created anew without its content.",
			do:     []func(*State){contentDropped, stop},
			want: Decision{Rollout: Recreating, LeaveOut: true, Immutable: claims, Frozen: []string{
				"volume claim content stays mounted, though spec.storage.contentSize is gone (the PersistentVolumeClaim content-files-0 is never deleted)",
			}},
		},
		"ContentDroppedLongAgo": {
			reason: "A claim that is not mounted any more does no harm.",
			do:     []func(*State){contentDropped, func(st *State) { st.StatefulSet.Desired.MountsContent = false }},
			want:   Decision{Rollout: RolledOut, Immutable: claims},
		},
		"ClaimChanges": {
			reason: "A claim cannot shrink, an empty class is another one than none, and a new claim is missing.",
			do: []func(*State){grow, func(st *State) {
				st.StatefulSet.Desired.Claims = []Claim{
					{Name: "controlplane", Size: resource.MustParse("1Gi"), Class: new("")},
					{Name: "metadata", Size: resource.MustParse("5Gi"), Class: new("fast")},
					{Name: "content", Size: resource.MustParse("1Ti")},
				}
			}},
			want: Decision{
				Rollout: RolledOut, Immutable: claims,
				Frozen: []string{
					`volume claim controlplane has the default storage class instead of the storage class "" (an existing PersistentVolumeClaim keeps its class)`,
					"volume claim metadata has 10Gi instead of 5Gi (an existing PersistentVolumeClaim cannot shrink)",
					`volume claim metadata has the default storage class instead of the storage class "fast" (an existing PersistentVolumeClaim keeps its class)`,
					"volume claim content of 1Ti is missing, and nothing is mounted in its place",
				},
			},
		},

		"Recreate": {
			reason: "A stopped StatefulSet is left out once, and composed anew with the desired claims.",
			do:     []func(*State){grow, stop},
			want:   Decision{Rollout: Recreating, LeaveOut: true, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateTooEarly": {
			reason: "A StatefulSet that would stay, or not be found again, is not left out: its Object changes first.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.CanBeLeftOut = false }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateUnapproved": {
			reason: "An unapproved change is not what a StatefulSet is created anew with.",
			do:     []func(*State){downgrade(t), grow, stop},
			want: Decision{
				Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new",
				Config: configOld, Template: TemplateAsked, Immutable: claims, Frozen: []string{grown},
			},
		},
		"RecreateStarting": {
			reason: "A server that the spec starts again is not stopped.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Desired.Replicas = 1 }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateAskedForOne": {
			reason: "The provider may be starting a pod.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Asked.Replicas = 1 }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateLiveAskedForOne": {
			reason: "The controller may be starting a pod.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Live.Replicas = 1 }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateStillRuns": {
			reason: "The pod is not gone yet.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Live.CurrentReplicas = 1 }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateOldStatus": {
			reason: "The status is of an older generation.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Live.Generation = 3 }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateNotCurrent": {
			reason: "What is live may not be of what was asked last.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Current = false }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateNotLive": {
			reason: "A StatefulSet that nobody has seen may come up.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Live = nil }},
			want:   Decision{Rollout: RolledOut, Immutable: claims, Frozen: []string{grown}},
		},
		"RecreateNeverCreated": {
			reason: "A StatefulSet that could never be created does not stay for ever.",
			do:     []func(*State){grow, stop, func(st *State) { st.StatefulSet.Live, st.StatefulSet.NotSynced = nil, true }},
			want:   Decision{Rollout: Recreating, LeaveOut: true, Immutable: claims, Frozen: []string{grown}},
		},

		"FileWithoutClaim": {
			reason: "The log would be on a volume that is not there.",
			do: []func(*State){change, func(st *State) {
				st.StatefulSet.Volumes = dittofs.Volumes(release(t, "0.29.0"), true, "")
				st.StatefulSet.Files = append(st.StatefulSet.Files, "/data/content/log")
			}},
			want: Decision{Rollout: StorageMissing, Config: configOld, Template: TemplateAsked},
		},
		"CacheWithoutClaim": {
			reason: "A release with a cache needs its claim.",
			do: []func(*State){change, func(st *State) {
				st.StatefulSet.Volumes = dittofs.Volumes(release(t, "0.8.0"), false, "/data/cache")
				st.StatefulSet.NeedsCache = true
			}},
			want: Decision{Rollout: StorageMissing, Config: configOld, Template: TemplateAsked},
		},
		"CacheWithClaim": {
			reason: "A release with a cache has its claim.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Volumes = dittofs.Volumes(release(t, "0.8.0"), false, "/data/cache")
				st.StatefulSet.NeedsCache = true
				st.StatefulSet.Asked.Claims = append(st.StatefulSet.Asked.Claims, Claim{Name: dittofs.VolumeCache})
			}},
			want: Decision{Rollout: RolledOut},
		},

		"Create": {
			reason: "A pod waits for its ConfigMap by itself.",
			do:     []func(*State){none, func(st *State) { st.ConfigMap = ConfigMap{Desired: configOld, Absent: true} }},
			want:   Decision{Rollout: RolledOut},
		},
		"CreateUnknownConfigMap": {
			reason: "What is not known may be an older config.yaml. The Object shows what will run.",
			do:     []func(*State){none, func(st *State) { st.CanPause, st.ConfigMap = true, ConfigMap{Desired: configOld} }},
			want:   Decision{Rollout: ConfigMapNotReady, Paused: true},
		},
		"CreateAfterConfigMap": {
			reason: "It holds what the digest covers.",
			do:     []func(*State){none, func(st *State) { st.CanPause = true }},
			want:   Decision{Rollout: RolledOut},
		},
		"CreateOnOtherConfigMap": {
			reason: "A ConfigMap that is there may hold an older config.yaml.",
			do:     []func(*State){none, func(st *State) { st.ConfigMap.Live = "somebody's" }},
			want:   Decision{Rollout: ConfigMapNotReady, LeaveOut: true},
		},
		"CreateWithoutSecrets": {
			reason: "Nothing runs without its Secrets.",
			do:     []func(*State){none, func(st *State) { st.Secrets = secret.Missing }},
			want:   Decision{Rollout: SecretsNotResolved, LeaveOut: true},
		},
		"Gone": {
			reason: "A server that the spec still asks for is composed anew.",
			do:     []func(*State){gone},
			want:   Decision{Rollout: RolledOut},
		},
		"GoneWithChange": {
			reason: "A change that is nothing to approve goes ahead.",
			do:     []func(*State){change, gone, configMapFollows},
			want:   Decision{Rollout: RolledOut},
		},
		"GoneWithChangeManual": {
			reason: "Where nothing runs, nothing restarts.",
			do:     []func(*State){change, gone, configMapFollows, func(st *State) { st.Manual = true }},
			want:   Decision{Rollout: RolledOut},
		},
		"GoneWithDowngrade": {
			reason: "A held server comes back as it ran.",
			do:     []func(*State){downgrade(t), gone},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new", Config: configOld, Template: TemplateRan},
		},
		"GoneWithDatabase": {
			reason: "The database is that of the config.yaml that ran.",
			do:     []func(*State){change, gone, func(st *State) { st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config = configOther, configOther }},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configOld, Template: TemplateRan,
				Dangers: []string{"the database changes from sqlite /data/controlplane/controlplane.db to sqlite /data/metadata/other.db"},
			},
		},
		"GoneWithDatabaseSecret": {
			reason: "The Secret and keys that ran are recorded.",
			do: []func(*State){change, gone, func(st *State) {
				st.ConfigMap = ConfigMap{Observed: true, Current: true, Desired: configPostgres, Asked: configPostgres, Live: configPostgres}
				st.StatefulSet.Desired.Pod.Config, st.StatefulSet.Desired.Pod.DatabaseSecrets = configPostgres, databaseOf("db2")
				st.Record.Config, st.Record.Postgres = configPostgres, postgres("db")
			}},
			want: Decision{
				Rollout: ApprovalRequired, Approval: "old to new", Config: configPostgres, Template: TemplateRan,
				Dangers: []string{"the database changes from postgres db/host db/port db/database to postgres db2/host db2/port db2/database"},
			},
		},
		"GoneWithDowngradeApproved": {
			reason: "An approval covers what is recorded.",
			do:     []func(*State){downgrade(t), gone, configMapFollows, func(st *State) { st.Approved = "old to new" }},
			want:   Decision{Rollout: RolledOut},
		},
		"GoneWithDowngradeWrongApproval": {
			reason: "The approval of a change of the StatefulSet that is gone is of another change.",
			do:     []func(*State){downgrade(t), gone, func(st *State) { st.Approved = "older to new" }},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new", Config: configOld, Template: TemplateRan},
		},
		"GoneWithUnknownRelease": {
			reason: "A held server comes back as it ran.",
			do:     []func(*State){to(t, "0.99.0"), gone},
			want:   Decision{Rollout: ApprovalRequired, Dangers: []string{notKnown("0.99.0")}, Approval: "old to new", Config: configOld, Template: TemplateRan},
		},
		"GoneOfUnknownRelease": {
			reason: "What ran comes back.",
			do: []func(*State){from(t, "0.99.0"), gone, func(st *State) {
				st.Record.Image, st.Record.Version = "marmos91c/dittofs:v0.99.0", "0.99.0"
			}},
			want: Decision{Rollout: RolledOut},
		},
		"GoneMidway": {
			reason: "A ConfigMap that went ahead goes back, and nothing starts before it has.",
			do:     []func(*State){downgrade(t), gone, configMapFollows},
			want:   Decision{Rollout: ConfigMapNotReady, Config: configOld, Template: TemplateRan, Paused: true},
		},
		"GoneMidwayNative": {
			reason: "What cannot be paused is left out meanwhile.",
			do:     []func(*State){downgrade(t), gone, configMapFollows, func(st *State) { st.CanPause = false }},
			want:   Decision{Rollout: ConfigMapNotReady, Config: configOld, Template: TemplateRan, LeaveOut: true},
		},
		"GoneForGood": {
			reason: "What cannot come back is left out.",
			do:     []func(*State){downgrade(t), gone, func(st *State) { st.CanReturn = false }},
			want: Decision{
				Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new",
				Config: configOld, Template: TemplateRan, LeaveOut: true,
			},
		},
		"GoneWithPredecessor": {
			reason: "What is being deleted must be gone before anything comes back.",
			do:     []func(*State){downgrade(t), gone, func(st *State) { st.Predecessors.Names = []string{"Object files-abc"} }},
			want:   Decision{Rollout: PredecessorThere, Config: configOld, Template: TemplateRan, LeaveOut: true, Predecessors: []string{"Object files-abc"}},
		},
		"GoneWithoutSecrets": {
			reason: "Nothing runs without its Secrets, and config.yaml stays.",
			do:     []func(*State){downgrade(t), gone, func(st *State) { st.Secrets = secret.Missing }},
			want:   Decision{Rollout: SecretsNotResolved, Config: configOld, Template: TemplateRan, LeaveOut: true},
		},
		"StartPrevented": {
			reason: "A pod that starts would let clients in unchecked.",
			do:     []func(*State){func(st *State) { st.Secrets, st.MustNotStart = secret.Missing, true }},
			want:   Decision{Rollout: StartPrevented, Config: configOld, Template: TemplateAsked, PreventsStart: true},
		},
		"StartPreventedNotFetched": {
			reason: "So it stays until the Secrets are known.",
			do:     []func(*State){func(st *State) { st.Secrets, st.MustNotStart = secret.NotFetched, true }},
			want:   Decision{Rollout: SecretsNotFetched, Config: configOld, Template: TemplateAsked, PreventsStart: true},
		},
		"UnreadKeytab": {
			reason: "Nobody knows whether the kept pod template can start.",
			do:     []func(*State){downgrade(t), func(st *State) { st.UnreadKeytab = "storage/files-kerberos, key a" }},
			want: Decision{
				Rollout: ApprovalRequired, Dangers: []string{"the version goes down from 0.29.0 to 0.28.1"}, Approval: "old to new",
				Config: configOld, Template: TemplateAsked, UnreadKeytab: "storage/files-kerberos, key a",
			},
		},
		"UnreadKeytabGoes": {
			reason: "The desired pod template does not mount it.",
			do:     []func(*State){func(st *State) { st.UnreadKeytab = "storage/files-kerberos, key a" }},
			want:   Decision{Rollout: RolledOut},
		},
		"CreateUnknownPredecessor": {
			reason: "What is not known may be there.",
			do:     []func(*State){none, func(st *State) { st.Predecessors = observed.Predecessors{} }},
			want:   Decision{Rollout: PredecessorThere, LeaveOut: true},
		},
		"CreatePredecessor": {
			reason: "Two StatefulSets cannot have one name, and two Objects neither.",
			do:     []func(*State){none, func(st *State) { st.CanPause, st.Predecessors.Names = true, []string{"Object files-abc"} }},
			want:   Decision{Rollout: PredecessorThere, LeaveOut: true, Predecessors: []string{"Object files-abc"}},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			// The record, and the kept settings, have tables of their own.
			if diff := cmp.Diff(tc.want, Decide(st), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Decision{}, "Record", "KeepsSeeds", "NeedsStop", "Stopping", "CreatedAnew")); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// The record has what ran once it is live, and keeps it from then on.
func TestRecord(t *testing.T) {
	old := manifest.Record{StatefulSet: "uid", Image: "marmos91c/dittofs:v0.29.0", Version: "0.29.0"}
	oldWith := func(config string) *manifest.Record {
		r := old
		r.Config = config

		return &r
	}
	recorded := func(st *State) { st.Record = oldWith(configOld) }
	newer := Pod{Template: "new", Config: configNew, Image: "marmos91c/dittofs:v0.30.0", Release: release(t, "0.30.0")}

	cases := map[string]struct {
		reason string
		do     []func(st *State)
		want   *manifest.Record
	}{
		"AtRest": {
			reason: "What is asked and live has run.",
			want:   &old,
		},
		"Postgres": {
			reason: "The database's Secret and keys are recorded.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Postgres, st.StatefulSet.Desired.Pod.Postgres = postgres("db"), postgres("db")
			}},
			want: &manifest.Record{StatefulSet: "uid", Image: old.Image, Version: old.Version, Postgres: postgres("db")},
		},
		"UnknownRelease": {
			reason: "An image may tell no release.",
			do: []func(*State){func(st *State) {
				st.StatefulSet.Asked.Pod.Image, st.StatefulSet.Asked.Pod.Release = "registry.example.org/dittofs:main", dittofs.Release{}
			}},
			want: &manifest.Record{StatefulSet: "uid", Image: "registry.example.org/dittofs:main"},
		},
		"NotLiveYet": {
			reason: "A server that never was live has no record.",
			do:     []func(*State){func(st *State) { st.StatefulSet.Live = nil }},
		},
		"NotCurrent": {
			reason: "Something else may be live by now.",
			do:     []func(*State){recorded, func(st *State) { st.StatefulSet.Current, st.Record.Image = false, "marmos91c/dittofs:v0.28.0" }},
			want:   &manifest.Record{StatefulSet: "uid", Image: "marmos91c/dittofs:v0.28.0", Version: "0.29.0"},
		},
		"Held": {
			reason: "A held server is recorded as it runs.",
			do:     []func(*State){downgrade(t)},
			want:   &old,
		},
		"ConfigAhead": {
			reason: "The config.yaml that ran is recorded while the ConfigMap goes ahead to another server.",
			do:     []func(*State){downgrade(t), func(st *State) { st.Approved = "old to new" }},
			want:   oldWith(configOld),
		},
		"DatabaseAhead": {
			reason: "Another database is another server.",
			do: []func(*State){change, func(st *State) {
				st.ConfigMap.Desired, st.StatefulSet.Desired.Pod.Config, st.Approved = configOther, configOther, "old to new"
			}},
			want: oldWith(configOld),
		},
		"ConfigOfSameServer": {
			reason: "The same server takes the config.yaml that the ConfigMap has.",
			do:     []func(*State){recorded, change},
			want:   &old,
		},
		"ConfigAheadAsked": {
			reason: "What was asked is not what ran before it is live.",
			do:     []func(*State){recorded, ask(newer), func(st *State) { st.ConfigMap.Desired, st.StatefulSet.Desired.Pod = configNew, newer }},
			want:   oldWith(configOld),
		},
		"Gone": {
			reason: "Without a StatefulSet the record stays.",
			do:     []func(*State){gone},
			want:   &old,
		},
		"GoneConfigAhead": {
			reason: "Without a StatefulSet the config.yaml that another server ran stays known, too.",
			do:     []func(*State){downgrade(t), gone, func(st *State) { st.Approved = "old to new" }},
			want:   oldWith(configOld),
		},
		"GoneHeld": {
			reason: "What comes back has the config.yaml that ran.",
			do:     []func(*State){downgrade(t), gone},
			want:   &old,
		},
		"Create": {
			reason: "Nothing ran yet.",
			do:     []func(*State){none},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			for _, do := range tc.do {
				do(&st)
			}

			if diff := cmp.Diff(tc.want, Decide(st).Record); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecideServices(t *testing.T) {
	other := LoadBalancer{}
	class := func(c string) LoadBalancer { return LoadBalancer{Is: true, Class: &c} }
	noClass := LoadBalancer{Is: true}

	const frozen = `load balancer class of service-file is "a" instead of "b" (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again)`

	cases := map[string]struct {
		reason              string
		desired, asked, got LoadBalancer
		wantFrozen          []string
		wantClasses         map[manifest.Name]*string
	}{
		"Same":         {"Nothing changes.", class("a"), class("a"), class("a"), nil, nil},
		"Other":        {"The class of a load balancer stays.", class("b"), class("a"), class("a"), []string{frozen}, map[manifest.Name]*string{"service-file": new("a")}},
		"HalfApplied":  {"What was asked in between may not be applied.", class("b"), other, class("a"), []string{frozen}, map[manifest.Name]*string{"service-file": new("a")}},
		"NotLive":      {"What was asked last may be live by now.", class("b"), class("a"), other, []string{frozen}, map[manifest.Name]*string{"service-file": new("a")}},
		"Webhook":      {"A class that nobody asked for stays without being asked for.", noClass, noClass, class("a"), nil, nil},
		"NotBefore":    {"A Service that becomes a load balancer takes any class.", class("b"), other, other, nil, nil},
		"NotAnyMore":   {"A Service that is no load balancer any more has none.", other, class("a"), class("a"), nil, nil},
		"ClassRemoved": {"A class cannot be removed, and without one in the spec any will do.", noClass, class("a"), class("a"), nil, map[manifest.Name]*string{"service-file": new("a")}},
		"ClassAdded":   {"A class cannot be added.", class("b"), noClass, noClass, []string{`load balancer class of service-file is "" instead of "b" (give the Service the type ClusterIP until the condition Applied is True, and then LoadBalancer again)`}, map[manifest.Name]*string{"service-file": nil}},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.Services = []Service{{Name: manifest.ServiceFile, Desired: tc.desired, Asked: tc.asked, Live: tc.got}}

			want := Decision{Rollout: RolledOut, Frozen: tc.wantFrozen, Classes: tc.wantClasses}
			if diff := cmp.Diff(want, Decide(st), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Decision{}, "Record", "NeedsStop", "Stopping", "CreatedAnew")); diff != "" {
				t.Errorf("%s\nDecide(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDecideFamilies(t *testing.T) {
	v4, v6 := Families{[]string{"IPv4"}, "SingleStack"}, Families{[]string{"IPv6"}, "SingleStack"}
	both, reverse := Families{[]string{"IPv4", "IPv6"}, "PreferDualStack"}, Families{[]string{"IPv6", "IPv4"}, "PreferDualStack"}

	cases := map[string]struct {
		reason               string
		desired, asked, live Families
		want                 Families
	}{
		"New":       {reason: "A Service that is not there takes any.", desired: v6},
		"NotNamed":  {reason: "The cluster's family is fine.", live: v4},
		"Same":      {reason: "Nothing changes.", desired: v4, asked: v4, live: v4},
		"Second":    {reason: "A second family can come.", desired: both, asked: v4, live: v4},
		"NoSecond":  {reason: "And go.", desired: v4, asked: both, live: both},
		"Other":     {reason: "The primary one stays.", desired: v6, asked: v4, live: v4, want: v4},
		"OtherOnly": {reason: "The second one is wanted, and stays too.", desired: v6, asked: both, live: both, want: both},
		"Reverse":   {reason: "The other one can come beside it.", desired: reverse, live: v4, want: both},
		"NotLive":   {reason: "What was asked last may be live by now.", desired: v4, asked: v6, want: v6},
		"AskedElse": {reason: "What was asked may never have been applied.", desired: v4, asked: v6, live: v4},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			st.Services = []Service{{Name: manifest.ServiceFile, DesiredFamilies: tc.desired, AskedFamilies: tc.asked, LiveFamilies: tc.live}}

			d := Decide(st)
			if diff := cmp.Diff(tc.want, d.Families[manifest.ServiceFile]); diff != "" || len(d.Frozen) > 0 != (len(tc.want.List) > 0) {
				t.Errorf("%s\nDecide(...): frozen: %q; families: -want, +got:\n%s", tc.reason, d.Frozen, diff)
			}
		})
	}
}

func TestDecideRanges(t *testing.T) {
	balancer := LoadBalancer{Is: true}
	v4, v6, both := []string{"10.0.0.0/8"}, []string{"fd00::/8"}, []string{"10.0.0.0/8", "fd00::/8"}

	cases := map[string]struct {
		reason string
		svc    Service
		want   []string
	}{
		"NoRanges":    {"Without ranges all may come, of both families.", Service{Desired: balancer, LiveFamilies: Families{List: []string{"IPv4", "IPv6"}}}, nil},
		"NoBalancer":  {"Only load balancers have ranges.", Service{Ranges: v4, LiveFamilies: Families{List: []string{"IPv4", "IPv6"}}}, nil},
		"Unknown":     {"What a Service will have is the cluster's.", Service{Desired: balancer, Ranges: v4}, nil},
		"One":         {"The family has ranges.", Service{Desired: balancer, Ranges: v4, LiveFamilies: Families{List: []string{"IPv4"}}}, nil},
		"Both":        {"Both families have ranges.", Service{Desired: balancer, Ranges: both, DesiredFamilies: Families{Policy: "RequireDualStack"}}, nil},
		"Dual":        {"Ranges of one family close the other.", Service{Desired: balancer, Ranges: v4, DesiredFamilies: Families{Policy: "PreferDualStack"}}, []string{"10.0.0.0/8", "::1/128"}},
		"DualReverse": {"And the other way around.", Service{Desired: balancer, Ranges: v6, DesiredFamilies: Families{Policy: "RequireDualStack"}}, []string{"fd00::/8", "127.0.0.1/32"}},
		"Asked":       {"A family that the spec asks for is closed before it is there.", Service{Desired: balancer, Ranges: v4, DesiredFamilies: Families{List: []string{"IPv6"}}}, []string{"10.0.0.0/8", "::1/128"}},
		"NoMore":      {"A family that the spec does not name any more is there.", Service{Desired: balancer, Ranges: v4, LiveFamilies: Families{List: []string{"IPv4", "IPv6"}}}, []string{"10.0.0.0/8", "::1/128"}},
		"Frozen": {
			"The primary family stays, whatever the ranges are of.",
			Service{Desired: balancer, Ranges: v6, DesiredFamilies: Families{List: []string{"IPv6"}}, LiveFamilies: Families{List: []string{"IPv4"}}},
			[]string{"fd00::/8", "127.0.0.1/32"},
		},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			st := atRest(t)
			tc.svc.Name = manifest.ServiceFile
			st.Services = []Service{tc.svc}

			if diff := cmp.Diff(tc.want, Decide(st).Ranges[manifest.ServiceFile]); diff != "" {
				t.Errorf("%s\nDecide(...): ranges: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestDecideProperties tries every combination of the changes above.
func TestDecideProperties(t *testing.T) {
	changes := map[string]func(st *State){
		"change":           change,
		"downgrade":        downgrade(t),
		"configMapFollows": configMapFollows,
		"inFlight":         inFlight,
		"grow":             grow,
		"stop":             stop,
		"manual":           func(st *State) { st.Manual = true },
		"approved":         func(st *State) { st.Approved = st.Change },
		"secretsMissing":   func(st *State) { st.Secrets = secret.Missing },
		"refused":          func(st *State) { st.StatefulSet.NotSynced = true },
		"notCurrent":       func(st *State) { st.StatefulSet.Current, st.ConfigMap.Current = false, false },
		"stays":            func(st *State) { st.StatefulSet.CanBeLeftOut = false },
	}
	// Later changes read what earlier ones wrote.
	order := []string{"change", "downgrade", "configMapFollows", "inFlight", "grow", "stop", "manual", "approved", "secretsMissing", "refused", "notCurrent", "stays"}

	for set := range 1 << len(order) {
		st := atRest(t)

		var names []string

		for i, name := range order {
			if set&(1<<i) != 0 {
				changes[name](&st)
				names = append(names, name)
			}
		}

		d := Decide(st)
		fail := func(property string) { t.Fatalf("Decide(%v): %s: %+v", names, property, d) }

		if d.LeaveOut && (d.Rollout != Recreating || st.StatefulSet.Live.CurrentReplicas != 0) {
			fail("a StatefulSet that is not stopped is left out")
		}

		if d.Rollout == RolledOut && (d.Template != TemplateDesired || d.Config != "") {
			fail("what is rolled out is kept")
		}

		if st.Secrets != secret.There && (d.Template != TemplateAsked || d.Config != configOld) {
			fail("a server moves without its Secrets")
		}

		if d.Rollout == ApprovalRequired && (d.Template != TemplateAsked || d.Config != configOld || d.Approval == "" || len(d.Dangers) == 0) {
			fail("a server moves without approval, or nobody is told how to approve")
		}

		// The pod that comes up next finds the config.yaml that its template covers.
		if moves := d.Template == TemplateDesired && st.StatefulSet.Desired.Pod.Template != st.StatefulSet.Asked.Pod.Template && !d.LeaveOut; moves && !st.ConfigMap.Holds(st.ConfigMap.Desired) {
			fail("a pod template moves before its ConfigMap")
		}

		if d.Template == TemplateCovering && !st.ConfigMap.Holds(d.Config) {
			fail("a pod template covers a config.yaml that the ConfigMap does not hold")
		}

		if st.StatefulSet.Desired.Immutable["volumeClaimTemplates"] != st.StatefulSet.Asked.Immutable["volumeClaimTemplates"] && len(d.Immutable) == 0 {
			fail("claims change")
		}
	}
}
