package composite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/podrules"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/quantity"
)

// firstUnprivilegedPort is the first port that a process without privileges may
// listen on by default.
const firstUnprivilegedPort = 1024

// Warnings returns what works, but perhaps not as the user expects. The release is the one that the
// server's image runs.
func (s *DittoServer) Warnings(r dittofs.Release) []string {
	var w []string

	if s.Spec.Metrics.Enabled && !s.Release.Keys().Metrics {
		w = append(w, fmt.Sprintf("spec.metrics.enabled: DittoFS %s serves no metrics", s.Release))
	}

	if s.Spec.Telemetry.Enabled && !s.Release.Keys().Telemetry {
		w = append(w, fmt.Sprintf("spec.telemetry.enabled: DittoFS %s sends no traces", s.Release))
	}

	if s.Spec.UsesPostgres() && protostruct.Get(s.Merged, "database", "type").GetStringValue() == string(v1alpha1.DatabaseSQLite) {
		w = append(w, "spec.database.type: sqlite is overridden by spec.database.postgres")
	}

	if pg := s.Spec.Database.Postgres; pg != nil && (pg.MaxOpenConns != nil || pg.MaxIdleConns != nil) && !s.Release.Keys().PostgresPool {
		w = append(w, fmt.Sprintf("spec.database.postgres: DittoFS %s has no settings like maxOpenConns and maxIdleConns, which take 0.17.0 or newer", s.Release))
	}

	if pg := s.Spec.Database.Postgres; pg != nil && pg.CASecretRef != nil && pg.SSLMode != "" && !dittofs.ChecksCertificate(pg.SSLMode) {
		w = append(w, "spec.database.postgres.sslmode: "+uncheckedCA)
	}

	if s.Spec.Identity.Admin.PasswordSecretRef == nil {
		w = append(w, "spec.identity.admin.passwordSecretRef: not set, so the server generates the administrator's password, which older releases log and newer ones show nowhere: name a Secret before the first start")
	}

	if s.Spec.Identity.Admin.Username != v1alpha1.DefaultAdminUsername {
		w = append(w, "spec.identity.admin.username: no DittoFS release uses it, so the administrator is "+v1alpha1.DefaultAdminUsername)
	}

	// No error: the platform may take its ranges back.
	if n := s.Spec.NetworkPolicy; n != nil && len(n.Ingress.Nodes) > 0 && len(s.Input.NetworkPolicy.NodeRanges) == 0 {
		w = append(w, "spec.networkPolicy.ingress.nodes: the function's input names no ranges of nodes, so none is admitted: list them as ipBlock")
	}

	// The function does not see whether it is on.
	if s.Spec.Portmapper.Enabled {
		w = append(w, "spec.portmapper.enabled: the server's portmapper is off until an administrator turns it on, with PATCH /api/v1/adapters/nfs/settings and {\"portmapper_enabled\": true}, and restarts the NFS adapter")
	}

	w = append(w, s.configWarnings(r)...)
	w = append(w, s.nullWarnings()...)
	w = append(w, s.envWarnings()...)

	for _, p := range s.PrivilegedPorts() {
		w = append(w, fmt.Sprintf("Container port %d is privileged: the pod gets the sysctl net.ipv4.ip_unprivileged_port_start", p))
	}

	return append(w, s.apiServerWarnings(field.NewPath("spec"))...)
}

// maxNulls is how many null fields a warning names.
const maxNulls = 10

// nullWarnings warns of null, by which somebody may mean to take a default away. The API server
// leaves it out of what it stores, or refuses it, so that a render sees it only.
func (s *DittoServer) nullWarnings() []string {
	var w []string

	nulls(field.NewPath("spec"), s.UserSpec, func(p *field.Path) bool {
		w = append(w, p.String()+": null is the same as leaving the field out: the default applies")

		return len(w) < maxNulls
	})

	return w
}

// nulls calls found with the path of each field of an object that is null, in a fixed order, until it
// returns false.
func nulls(p *field.Path, object *structpb.Struct, found func(p *field.Path) bool) bool {
	for _, key := range slices.Sorted(maps.Keys(object.GetFields())) {
		v := object.GetFields()[key]

		if below := v.GetStructValue(); below != nil && !nulls(p.Child(key), below, found) {
			return false
		}

		if isNull(v) && !found(p.Child(key)) {
			return false
		}
	}

	return true
}

// apiServerWarnings returns what the API server would warn of, and sizes that are as doubtful.
func (s *DittoServer) apiServerWarnings(p *field.Path) []string {
	spec := &s.Spec
	pod, container := ptr.Deref(spec.PodSecurityContext, corev1.PodSecurityContext{}), ptr.Deref(spec.SecurityContext, corev1.SecurityContext{})

	w := podrules.NodeSelectorWarnings(p.Child("nodeSelector"), spec.NodeSelector)
	w = append(w, podrules.AffinityWarnings(p.Child("affinity"), spec.Affinity)...)
	w = append(w, podrules.SpreadWarnings(p.Child("topologySpreadConstraints"), spec.TopologySpreadConstraints)...)
	w = append(w, podrules.AnnotationWarnings(p.Child("podAnnotations"), spec.PodAnnotations, v1alpha1.Container, cmp.Or(container.AppArmorProfile, pod.AppArmorProfile))...)
	w = append(w, podrules.ResourceWarnings(p.Child("resources"), &spec.Resources)...)

	for _, c := range Claims(&spec.Storage) {
		// Validated to be a quantity.
		if q, err := quantity.Parse(c.Size); err == nil {
			w = append(w, podrules.BytesWarning(p.Child("storage", c.SizeField), q)...)
		}
	}

	w = append(w, s.sourceWarnings()...)

	return append(w, serviceWarnings(p.Child("service"), &spec.Service)...)
}

func serviceWarnings(p *field.Path, svc *v1alpha1.Service) []string {
	var w []string

	for _, a := range annotations(p, svc) {
		if _, ok := a.annotations[corev1.DeprecatedAnnotationTopologyAwareHints]; ok {
			w = append(w, fmt.Sprintf("%s: Kubernetes has deprecated it: use %s", a.path.Key(corev1.DeprecatedAnnotationTopologyAwareHints), corev1.AnnotationTopologyMode))
		}
	}

	return w
}

// PrivilegedPorts returns the container ports that a process without privileges
// may not listen on by default.
func (s *DittoServer) PrivilegedPorts() []int32 {
	ports := []int32{*s.Spec.AdapterPorts.NFS, *s.Spec.AdapterPorts.SMB, *s.Spec.APIPort}
	if s.Spec.Metrics.Enabled {
		ports = append(ports, *s.Spec.Metrics.Port)
	}

	var privileged []int32

	for _, p := range ports {
		if p < firstUnprivilegedPort {
			privileged = append(privileged, p)
		}
	}

	return privileged
}
