package guard

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/digest"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/policy"
)

// Where no StatefulSet is observed, such as after somebody deleted it, a change can only be
// compared with the record in the asked ConfigMap of what ran last.

// Returning returns the manifests of a server as it ran last, around the desired pod. It returns
// none if the StatefulSet is observed, if nothing is recorded of it, or if what ran cannot run
// any more.
func Returning(s *composite.DittoServer, desired *corev1.PodTemplateSpec, in manifest.PodInputs, o observed.Resources, digests Digester) (manifest.Manifests, error) {
	if o.Asked(manifest.StatefulSet) != nil {
		return manifest.Manifests{}, nil
	}

	r := manifest.RecordOf(o.Asked(manifest.ConfigMap))
	if r == nil || r.Config == "" {
		return manifest.Manifests{}, nil
	}

	// The desired release has no volume for the cache.
	if ran := podOf(r).Release; needsCache(ran) && !hasCache(s) {
		return manifest.Manifests{}, nil
	}

	// Nothing is left of the settings of an identity provider that the spec has no more.
	if len(providerDangers(Pod{Config: string(in.Config)}, podOf(r))) > 0 {
		return manifest.Manifests{}, nil
	}

	in.Config, in.ConfigHash = []byte(r.Config), digests.Of([]byte(r.Config))

	objects, err := manifest.Objects(s, manifest.Inputs{Config: in.Config, Pod: r.Pod(s, desired, in)})
	if err != nil || len(policy.CheckKept(s, objects, r.Config)) > 0 {
		return manifest.Manifests{}, err
	}

	return manifest.Encode(objects)
}

// Ran returns what is known of the rollout digests of a server's pods.
func Ran(o observed.Resources) digest.Ran {
	var ran digest.Ran

	for _, s := range []*structpb.Struct{o.Asked(manifest.StatefulSet), o.Live(manifest.StatefulSet)} {
		if h := manifest.ConfigHash(s); h != "" && !slices.Contains(ran.Digests, h) {
			ran.Digests = append(ran.Digests, h)
		}
	}

	if r := manifest.RecordOf(o.Asked(manifest.ConfigMap)); r != nil {
		ran.Whole, ran.Same = r.WholeHash, r.SameHash
	}

	return ran
}

// podOf returns what the guards compare of a recorded pod.
func podOf(r *manifest.Record) Pod {
	// A release that is not known is none.
	release, _ := dittofs.ParseRelease(r.Version)

	pod := Pod{
		Config: r.Config, Image: r.Image, Release: release, Postgres: r.Postgres,
		AssignedUser: r.AssignedUser, AssignedGroup: r.AssignedGroup,
	}

	secret := func(key string) string {
		if key == "" {
			return ""
		}

		return r.Postgres.SecretRef.Name + "/" + key
	}

	keys := r.Postgres.Keys
	pod.DatabaseSecrets = DatabaseSecrets{Host: secret(keys.Host), Port: secret(keys.Port), Name: secret(keys.Database)}

	return pod
}

// record returns the record of what ran last, for the ConfigMap to have. The record stays until
// what is asked is live, and without a StatefulSet.
func (d *Decision) record(st State) *manifest.Record {
	r := st.Record

	if s := st.StatefulSet; s.Asked != nil && s.Live != nil && s.Current && !s.isInFlight() {
		pod := s.Asked.Pod
		r = &manifest.Record{
			StatefulSet: s.Live.UID, Image: pod.Image, Version: pod.Release.String(), Postgres: pod.Postgres,
			AssignedUser: pod.AssignedUser, AssignedGroup: pod.AssignedGroup,
			SecretVolumes: s.Asked.SecretVolumes, Config: st.coveredConfig(), WholeHash: st.WholeHash, SameHash: st.SameHash,
		}
	}

	if r == nil {
		return nil
	}

	// The same server could as well have run the config.yaml that the ConfigMap gets.
	config := cmp.Or(d.Config, st.ConfigMap.Desired)
	if r.Config == config || podOf(r).isSameServer(st.StatefulSet.Desired.Pod) {
		bare := *r
		bare.Config = ""

		// Files go with the config.yaml that names them.
		if r.Config != config && d.Config == "" {
			bare.SecretVolumes = st.StatefulSet.Desired.SecretVolumes
		}

		return &bare
	}

	return r
}

// isSameServer reports whether two pods run the same release on the same database.
func (p Pod) isSameServer(o Pod) bool {
	return p.Image == o.Image && p.Release == o.Release && p.Postgres == o.Postgres && (p.Config == o.Config || p.database() == o.database())
}
