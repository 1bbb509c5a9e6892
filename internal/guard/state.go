package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/quantity"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// A State is what a decision is made on: plain facts of what the spec asks for
// (desired), of what was sent last (asked), and of what the cluster has (live).
type State struct {
	// Namespace of the server.
	Namespace string

	// Secrets that the spec names.
	Secrets secret.State

	// Databases are the values of keys that tell where a PostgreSQL database is, by Secret and
	// key as secret/key. No message of a Decision holds one.
	Databases map[string]secret.Data

	// MustNotStart reports whether a pod that starts, or a container that starts again, would let
	// clients in unchecked: NFS runs without Kerberos where the server cannot read the keytab that the
	// asked pod template mounts, and says that it is ready.
	MustNotStart bool

	// UnreadKeytab is the Secret and key of the keytab that the asked pod template mounts, if the spec
	// does not name it any more: nobody reads it then.
	UnreadKeytab string

	// Manual reports whether every change of the pod template waits for a person.
	Manual bool

	// Approved is the value of the annotation dittofs.io/approve.
	Approved string

	// Server is the composite resource's UID.
	Server string

	// Providers are the identity providers that the spec has or had.
	Providers []Provider

	// Acknowledged is the value of the annotation dittofs.io/acknowledge, and LastAcknowledged the
	// last one that counted.
	Acknowledged, LastAcknowledged string

	// Change names the change from the asked pod template to the desired one. It is empty
	// where the two have the same facts.
	Change string

	// Predecessors are the StatefulSets or Objects that still occupy the name of a
	// StatefulSet that is not observed.
	Predecessors observed.Predecessors

	// Record of the pod that ran last, or nil. It counts where no StatefulSet was asked for, and
	// CanReturn reports whether what it tells can be composed then.
	Record    *manifest.Record
	CanReturn bool

	// WholeHash is the asked rollout digest if it covers the storage, and SameHash the one that
	// does not. Both are "" otherwise.
	WholeHash, SameHash string

	// CreatedAnew is a digest of what the StatefulSet was recreated with, or "".
	CreatedAnew string

	// CanPause reports whether a StatefulSet can be composed without being applied.
	CanPause bool

	ConfigMap   ConfigMap
	StatefulSet StatefulSet

	// Claims are what is known of the PersistentVolumeClaims, by volume. CannotGrow reports
	// whether no Object may stand for one, so that a person must make them grow.
	Claims     map[string]KnownClaim
	CannotGrow bool

	// ReadsClaims reports whether Crossplane reads the claims, and ClaimsFetched whether it has.
	ReadsClaims, ClaimsFetched bool

	// DataClaims are the volumes of the desired server that have data it cannot make again.
	DataClaims []string

	// Services that are, or were, load balancers, or whose IP families the spec names.
	Services []Service
}

// A ConfigMap is the state of the server's ConfigMap.
type ConfigMap struct {
	// Desired, Asked and Live are its config.yaml, or "" where there is none.
	Desired, Asked, Live string

	// Observed reports whether there is a composed resource.
	Observed bool

	// Absent reports whether there is known to be none.
	Absent bool

	// Current reports whether Live is of what was asked last.
	Current bool
}

// Holds reports whether the ConfigMap holds a config.yaml, asked and live. One alone can
// be a step behind the other.
func (c ConfigMap) Holds(config string) bool {
	return c.Observed && c.Current && c.Asked == config && c.Live == config
}

// A StatefulSet is the state of the server's StatefulSet.
type StatefulSet struct {
	Desired Spec

	// Asked is nil where no StatefulSet is observed, or none was asked for yet.
	Asked *Spec

	// Live is nil where there is none, or none is known yet.
	Live *Live

	// Current reports whether Live is of what was asked last.
	Current bool

	// NotSynced reports whether what was asked is known not to be applied.
	NotSynced bool

	// Refused reports whether the API server itself refused what was asked, so that it never
	// was live.
	Refused bool

	// CanBeLeftOut reports whether the StatefulSet goes once it is not composed, and is found
	// until then.
	CanBeLeftOut bool

	// Volumes of the desired server. It mounts those that have a claim.
	Volumes []dittofs.Volume

	// Files that the desired server writes to, and that must be on a mounted volume.
	Files []string

	// NeedsCache reports whether the desired server's release writes to the cache's volume.
	NeedsCache bool
}

// A Spec is what the guards compare of a StatefulSet's manifest.
type Spec struct {
	// Name of the StatefulSet, and so of the server.
	Name string

	Pod Pod

	Replicas float64

	// Immutable fields by name, as JSON. Kubernetes refuses to change them.
	Immutable map[string]string

	// Claims are the volume claim templates.
	Claims []Claim

	// MountsContent reports whether the pod mounts the content.
	MountsContent bool

	// SecretVolumes are the pod's volumes that have files of Secrets.
	SecretVolumes []corev1.Volume
}

// A Claim is what the guards compare of a volume claim template.
type Claim struct {
	Name string
	Size resource.Quantity

	// Class is nil for the cluster's default storage class, and Attributes is the volume attributes
	// class, or "".
	Class      *string
	Attributes string

	// Source is the name of the VolumeSnapshot that a new claim begins with, or "".
	Source string
}

// A Pod is what the guards compare of a pod template.
type Pod struct {
	// Template is the digest that the pod template carries of itself.
	Template string

	// Config is the config.yaml that the pod template covers.
	Config string

	// Image of the server, and the Release that the pod template names.
	Image   string
	Release dittofs.Release

	// AssignedUser and AssignedGroup tell that the pod leaves its user, or the group of its files,
	// to the cluster.
	AssignedUser, AssignedGroup bool

	// DatabaseSecrets are the Secrets and keys that tell where the database is.
	DatabaseSecrets DatabaseSecrets

	// Postgres are all settings of a PostgreSQL database.
	Postgres v1alpha1.Postgres
}

// DatabaseSecrets are Secrets and keys, as secret/key, that tell where a PostgreSQL database is.
// config.yaml has the values that none of them has.
type DatabaseSecrets struct{ Host, Port, Name string }

// A Live is what the guards ask of a live StatefulSet.
type Live struct {
	// UID of the live StatefulSet.
	UID string

	Pod Pod

	// Generation of the live StatefulSet, and that of its status.
	Generation, ObservedGeneration float64

	// Replicas that the live StatefulSet asks for, and those that there are.
	Replicas, CurrentReplicas float64

	// ClaimTemplates are the volume claim templates without the API server's defaults, as
	// JSON. A webhook may have changed them.
	ClaimTemplates string
	Claims         []Claim
}

// A Service is the state of the load balancer class of a Service, and of its IP families.
type Service struct {
	Name                 manifest.Name
	Desired, Asked, Live LoadBalancer

	DesiredFamilies, AskedFamilies, LiveFamilies Families

	// Ranges are the source ranges that are desired.
	Ranges []string
}

// Families are the IP families of a Service, and its policy on them.
type Families struct {
	// List has the primary one first. It is empty where none is named.
	List   []string
	Policy string
}

// isDual reports whether a Service may have both families, whether it names them or not.
func (f *Families) isDual() bool {
	return f.Policy == string(corev1.IPFamilyPolicyPreferDualStack) || f.Policy == string(corev1.IPFamilyPolicyRequireDualStack)
}

// A LoadBalancer is what the guards compare of a Service's manifest.
type LoadBalancer struct {
	// Is reports whether the Service is one.
	Is bool

	// Class is nil where none is named.
	Class *string
}

// immutable are the fields of a StatefulSet's spec that Kubernetes refuses to change. A
// provider that asks for another value gets stuck.
//
//nolint:gochecknoglobals // A table.
var immutable = []string{"serviceName", "selector", "podManagementPolicy", volumeClaimTemplates}

// volumeClaimTemplates are told claim by claim.
const volumeClaimTemplates = "volumeClaimTemplates"

// creation returns a digest of what Kubernetes cannot change.
func (s *Spec) creation() string {
	h := sha256.New()
	for _, f := range immutable {
		_, _ = fmt.Fprintf(h, "%s %d %s", f, len(s.Immutable[f]), s.Immutable[f])
	}

	return hex.EncodeToString(h.Sum(nil))
}

// Read returns the State of a server. returning are the manifests of what ran last, if the
// server can return to it.
func Read(s *composite.DittoServer, desired, returning manifest.Manifests, o observed.Resources, p observed.Predecessors, claims observed.Claims, secrets secret.Secrets, digests Digester) State {
	st := State{
		Namespace:    s.Namespace,
		Secrets:      secrets.State,
		Databases:    secrets.Databases,
		Manual:       s.Spec.Rollout == v1alpha1.RolloutManual,
		Approved:     strings.TrimSpace(s.Approved),
		Server:       s.UID,
		Acknowledged: strings.TrimSpace(s.Acknowledged),
		Predecessors: p,
		Record:       manifest.RecordOf(o.Asked(manifest.ConfigMap)),
		CanReturn:    len(returning) > 0,
		CreatedAnew:  manifest.CreatedAnew(o.Asked(manifest.ConfigMap)),
		CanPause:     !s.IsNative(),
		ConfigMap: ConfigMap{
			Desired: manifest.Config(desired[manifest.ConfigMap]),
			Asked:   manifest.Config(o.Asked(manifest.ConfigMap)),
			Live:    manifest.Config(o.Live(manifest.ConfigMap)),
		},
		StatefulSet: StatefulSet{
			Desired:    readSpec(desired[manifest.StatefulSet]),
			Live:       readLive(o.Live(manifest.StatefulSet)),
			Volumes:    s.Volumes(),
			Files:      filesOnVolumes(s),
			NeedsCache: hasCache(s) && needsCache(manifest.Release(s, manifest.Image(s, o))),
		},
	}

	if cm := o[manifest.ConfigMap]; cm != nil {
		st.ConfigMap.Observed, st.ConfigMap.Current = true, cm.Current
	} else {
		// An Object that is not composed yet looks for none.
		st.ConfigMap.Absent = s.IsNative()
	}

	if sts := o[manifest.StatefulSet]; sts != nil && sts.Asked != nil {
		asked := readSpec(sts.Asked)
		st.StatefulSet.Asked = &asked
		st.StatefulSet.Current, st.StatefulSet.NotSynced, st.StatefulSet.Refused = sts.Current, sts.IsNotSynced(), sts.IsRefused()
		st.StatefulSet.CanBeLeftOut = observed.CanBeLeftOut(s, sts)

		whole := manifest.ConfigHash(sts.Asked)
		if same := digests.Same(whole, []byte(st.coveredConfig())); same != "" {
			st.WholeHash, st.SameHash = whole, same
		}
	}

	// Under the generation Metadata each Object that comes or goes would restart the server, since
	// Crossplane writes references to them into the spec.
	st.CannotGrow = s.IsNative() || s.Input.ConfigHash.Generation == v1beta1.GenerationMetadata
	st.ReadsClaims, st.ClaimsFetched = s.Input.Claims.Read, claims.Fetched
	st.Claims, st.DataClaims = readKnownClaims(o, claims), s.DataVolumes()

	st.readProviders(s, o)
	st.readKeytab(s, secrets, o)

	st.Change = st.change(desired[manifest.StatefulSet], returning[manifest.StatefulSet], o)

	for _, n := range manifest.Names() {
		svc := Service{Name: n, Desired: readLoadBalancer(desired[n]), Asked: readLoadBalancer(o.Asked(n)), Live: readLoadBalancer(o.Live(n))}
		svc.DesiredFamilies, svc.Ranges = readFamilies(desired[n]), texts(protostruct.Get(desired[n], "spec", "loadBalancerSourceRanges"))

		// A Service that goes is followed by a new one.
		if !o[n].IsLeaving() {
			svc.AskedFamilies, svc.LiveFamilies = readFamilies(o.Asked(n)), readFamilies(o.Live(n))
		}

		if svc.Desired.Is || svc.Asked.Is || svc.Live.Is || len(svc.DesiredFamilies.List) > 0 {
			st.Services = append(st.Services, svc)
		}
	}

	return st
}

// change names the change to the desired StatefulSet, or is "" where there is none. The rollout
// digest covers no image and no names of Secrets, and an approval of it may be old. This one is
// of this change, and of no other.
func (st *State) change(desired, returning *structpb.Struct, o observed.Resources) string {
	before, live := o.Asked(manifest.StatefulSet), o.Live(manifest.StatefulSet)
	pod := st.StatefulSet.Desired.Pod

	switch s := st.StatefulSet; {
	case s.Asked == nil && st.Record == nil:
		if _, isPartial := st.existingClaims(); isPartial {
			return manifest.ChangeHash(desired, nil, claimsOccasion(st.Claims))
		}

		return ""
	case s.Asked == nil:
		before = returning
	case pod == s.Asked.Pod && (s.Live == nil || pod == s.Live.Pod):
		return ""
	}

	occasion := protostruct.Get(live, "metadata", "generation")
	if live == nil && st.Record != nil {
		occasion = st.Record.Annotation()
	}

	return manifest.ChangeHash(desired, before, occasion)
}

func readSpec(statefulSet *structpb.Struct) Spec {
	spec := Spec{
		Pod:       readPod(statefulSet),
		Name:      protostruct.Get(statefulSet, "metadata", "name").GetStringValue(),
		Replicas:  protostruct.Get(statefulSet, "spec", "replicas").GetNumberValue(),
		Immutable: make(map[string]string, len(immutable)),
		Claims:    readClaims(statefulSet),

		MountsContent: manifest.MountsContent(statefulSet),
		SecretVolumes: manifest.SecretVolumes(statefulSet),
	}

	for _, f := range immutable {
		if v := protostruct.Get(statefulSet, "spec", f); v != nil {
			spec.Immutable[f] = string(protostruct.JSON(v))
		}
	}

	return spec
}

func readPod(statefulSet *structpb.Struct) Pod {
	return Pod{
		Template:        manifest.TemplateHash(statefulSet),
		Config:          manifest.TemplateConfig(statefulSet),
		Image:           manifest.ContainerImage(statefulSet),
		Release:         manifest.TemplateRelease(statefulSet),
		AssignedUser:    leavesOut(statefulSet, "runAsUser"),
		AssignedGroup:   leavesOut(statefulSet, "fsGroup"),
		DatabaseSecrets: databaseSecrets(statefulSet),
		Postgres:        manifest.Postgres(statefulSet),
	}
}

// leavesOut reports whether the pod's security context does not have a field.
func leavesOut(statefulSet *structpb.Struct, field string) bool {
	sc := protostruct.Get(statefulSet, "spec", "template", "spec", "securityContext")

	return sc != nil && protostruct.Get(sc.GetStructValue(), field) == nil
}

// readClaims reads the few fields of volume claim templates that the guards compare. To
// decode whole claims would cost more than the rest of Read.
func readClaims(statefulSet *structpb.Struct) []Claim {
	var claims []Claim

	for _, v := range protostruct.Get(statefulSet, "spec", volumeClaimTemplates).GetListValue().GetValues() {
		c := v.GetStructValue()
		claim := Claim{Name: protostruct.Get(c, "metadata", "name").GetStringValue()}

		// A size that cannot be parsed is not this function's, and counts as none.
		claim.Size, _ = quantity.Parse(protostruct.Get(c, "spec", "resources", "requests", string(corev1.ResourceStorage)).GetStringValue())

		claim.Attributes = protostruct.Get(c, "spec", "volumeAttributesClassName").GetStringValue()
		claim.Source = protostruct.Get(c, "spec", "dataSource", "name").GetStringValue()

		if class := protostruct.Get(c, "spec", "storageClassName"); class != nil {
			claim.Class = new(class.GetStringValue())
		}

		claims = append(claims, claim)
	}

	return claims
}

// databaseSecrets are the Secrets and keys that tell a StatefulSet's server where its
// database is.
func databaseSecrets(statefulSet *structpb.Struct) DatabaseSecrets {
	return DatabaseSecrets{
		Host: manifest.EnvSecret(statefulSet, dittofs.EnvPostgresHost),
		Port: manifest.EnvSecret(statefulSet, dittofs.EnvPostgresPort),
		Name: manifest.EnvSecret(statefulSet, dittofs.EnvPostgresDatabase),
	}
}

func readLive(statefulSet *structpb.Struct) *Live {
	if statefulSet == nil {
		return nil
	}

	number := func(path ...string) float64 { return protostruct.Get(statefulSet, path...).GetNumberValue() }

	live := &Live{
		UID:                protostruct.Get(statefulSet, "metadata", "uid").GetStringValue(),
		Pod:                readPod(statefulSet),
		Generation:         number("metadata", "generation"),
		ObservedGeneration: number("status", "observedGeneration"),
		Replicas:           number("spec", "replicas"),
		CurrentReplicas:    number("status", "replicas"),
		Claims:             readClaims(statefulSet),
	}
	if v := observed.ClaimTemplates(statefulSet); v != nil {
		live.ClaimTemplates = string(protostruct.JSON(v))
	}

	return live
}

// readFamilies returns those of a Service that Kubernetes keeps: a headless one can change all.
func readFamilies(service *structpb.Struct) Families {
	spec := protostruct.Get(service, "spec").GetStructValue()
	if protostruct.Get(spec, "clusterIP").GetStringValue() == corev1.ClusterIPNone {
		return Families{}
	}

	return Families{List: texts(protostruct.Get(spec, "ipFamilies")), Policy: protostruct.Get(spec, "ipFamilyPolicy").GetStringValue()}
}

// texts returns those of a list.
func texts(list *structpb.Value) []string {
	var all []string
	for _, v := range list.GetListValue().GetValues() {
		all = append(all, v.GetStringValue())
	}

	return all
}

func readLoadBalancer(service *structpb.Struct) LoadBalancer {
	lb := LoadBalancer{Is: manifest.IsLoadBalancer(service)}
	if v := protostruct.Get(service, "spec", "loadBalancerClass"); v != nil {
		lb.Class = new(v.GetStringValue())
	}

	return lb
}

// filesOnVolumes returns the files that a server writes to, besides its stores, and that
// must be on a volume: its database and its log.
func filesOnVolumes(s *composite.DittoServer) []string {
	return slices.DeleteFunc(s.Files(), func(file string) bool { return dittofs.IsBelow(file, dittofs.TempDir) })
}

// needsCache reports whether a server of a release writes to the volume of the cache.
func needsCache(r dittofs.Release) bool { return r.IsKnown() && r.Keys().Cache }

// hasCache reports whether a server has a volume for the cache.
func hasCache(s *composite.DittoServer) bool { return slices.ContainsFunc(s.Volumes(), isCache) }
