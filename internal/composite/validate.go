package composite

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
)

// maxUsernameLength of an administrator, in bytes.
const maxUsernameLength = 256

// Kinds of ProviderConfigs that a namespaced Object may name.
const (
	kindClusterProviderConfig = "ClusterProviderConfig"
	kindProviderConfig        = "ProviderConfig"
)

// validate returns everything that is wrong with a server, and sets what follows
// from the spec: the release, the TTL, the kind of ProviderConfig.
func (s *DittoServer) validate() field.ErrorList {
	root := field.NewPath("spec")

	errs := s.validateInput(field.NewPath("input"))
	errs = append(errs, validateMetadata(root, s.Spec.Labels, s.Spec.Annotations)...)
	errs = append(errs, s.validateIdentity()...)
	errs = append(errs, s.validateImage(root)...)
	errs = append(errs, fielderr.OneOf(root.Child("rollout"), s.Spec.Rollout, v1alpha1.RolloutAutomatic, v1alpha1.RolloutManual)...)
	errs = append(errs, validateReplicas(root.Child("replicas"), *s.Spec.Replicas)...)
	errs = append(errs, s.validatePorts(root)...)
	errs = append(errs, validateTLS(root.Child("api", "tls"), s.Spec.API.TLS)...)
	errs = append(errs, validateTLS(root.Child("metrics", "tls"), s.Spec.Metrics.TLS)...)
	errs = append(errs, validateMetricsPath(root.Child("metrics", "path"), s.Spec.Metrics.Path)...)
	errs = append(errs, s.validateRoute(root.Child("api", "route"))...)
	errs = append(errs, validateServiceMonitor(root.Child("metrics", "serviceMonitor"), &s.Spec.Metrics.ServiceMonitor)...)
	errs = append(errs, validateService(root.Child("service"), &s.Spec)...)
	errs = append(errs, s.validateNetworkPolicy(root.Child("networkPolicy"))...)
	errs = append(errs, s.validateDatabase(root.Child("database"))...)
	errs = append(errs, validateSecrets(s.namedSecrets())...)
	errs = append(errs, validateAccess(root.Child("identity"), &s.Spec.Identity)...)
	errs = append(errs, validateLDAP(root.Child("identity", "ldap"), s.Spec.Identity.LDAP)...)
	errs = append(errs, validateKerberos(root.Child("identity", "kerberos"), s.Spec.Identity.Kerberos)...)
	errs = append(errs, s.validateCache(root.Child("cache"))...)
	errs = append(errs, s.validateLogging(root.Child("logging"))...)
	errs = append(errs, validateTelemetry(root.Child("telemetry"), &s.Spec.Telemetry)...)
	errs = append(errs, validateDuration(root.Child("shutdownTimeout"), s.Spec.ShutdownTimeout)...)
	errs = append(errs, validateStartupTimeout(root.Child("startupTimeout"), s.Spec.StartupTimeout)...)
	errs = append(errs, validateStorage(root.Child("storage"), &s.Spec.Storage)...)
	errs = append(errs, s.validateConfig(root.Child("config"))...)
	errs = append(errs, s.validatePod(root)...)

	return errs
}

func (s *DittoServer) validateInput(p *field.Path) field.ErrorList {
	var errs field.ErrorList

	in := &s.Input
	if in.APIVersion != "" {
		errs = append(errs, fielderr.OneOf(p.Child("apiVersion"), in.APIVersion, v1beta1.APIVersion)...)
	}

	if in.Kind != "" {
		errs = append(errs, fielderr.OneOf(p.Child("kind"), in.Kind, v1beta1.Kind)...)
	}

	errs = append(errs, fielderr.OneOf(p.Child("compose"), in.Compose, v1beta1.ComposeObject, v1beta1.ComposeNative)...)
	errs = append(errs, fielderr.OneOf(p.Child("configHash", "generation"), in.ConfigHash.Generation, v1beta1.GenerationSpec, v1beta1.GenerationMetadata, v1beta1.GenerationNone)...)
	errs = append(errs, fielderr.OneOf(p.Child("podUser"), in.PodUser, v1beta1.PodUserFixed, v1beta1.PodUserAssigned)...)
	errs = append(errs, validatePolicy(p.Child("policy"), &in.Policy)...)
	errs = append(errs, s.validateProviderConfigRef(p.Child("providerConfigRef"))...)
	errs = append(errs, validateMetadata(p, in.Labels, in.Annotations)...)
	errs = append(errs, validateMetadata(p.Child("claims"), in.Claims.Labels, in.Claims.Annotations)...)
	errs = append(errs, validateNetworkInput(p.Child("networkPolicy"), &in.NetworkPolicy)...)
	errs = append(errs, validateParentRefs(p.Child("route", "parentRefs"), in.Route.ParentRefs, s.Namespace)...)
	errs = append(errs, validateKinds(p.Child("kinds"), in.Kinds)...)
	errs = append(errs, validateLabels(p.Child("serviceMonitor", "labels"), in.ServiceMonitor.Labels)...)

	// A namespace that could not be decoded has an error of its own.
	if !s.ClusterScoped && s.Namespace != "" && in.Namespace != "" && in.Namespace != s.Namespace {
		errs = append(errs, field.Invalid(p.Child("namespace"), in.Namespace, "a namespaced composite resource composes into its own namespace: remove it"))
	}

	if in.TTL != "" {
		ttl, err := time.ParseDuration(in.TTL)
		if err != nil || ttl < 0 {
			return append(errs, field.Invalid(p.Child("ttl"), in.TTL, "must be a Go duration of zero or more, such as 1m"))
		}

		s.TTL = &ttl
	}

	return errs
}

// validateProviderConfigRef fills in the kind that depends on the scope, too.
func (s *DittoServer) validateProviderConfigRef(p *field.Path) field.ErrorList {
	ref := &s.Input.ProviderConfigRef

	switch {
	case s.IsNative() && *ref != v1beta1.ProviderConfigRef{}:
		return field.ErrorList{field.Forbidden(p, "natively composed resources need no provider: remove it")}
	case s.IsNative():
		return nil
	}

	errs := fielderr.Messages(p.Child("name"), ref.Name, validation.IsDNS1123Subdomain(ref.Name))

	switch {
	case s.ClusterScoped && ref.Kind != "":
		errs = append(errs, field.Forbidden(p.Child("kind"), "the Objects of a cluster-scoped composite resource name a ProviderConfig without a kind: remove it"))
	case !s.ClusterScoped && ref.Kind == "":
		ref.Kind = kindClusterProviderConfig
	case !s.ClusterScoped:
		errs = append(errs, fielderr.OneOf(p.Child("kind"), ref.Kind, kindClusterProviderConfig, kindProviderConfig)...)
	}

	return errs
}

// validateIdentity checks what the Kubernetes objects are named after.
func (s *DittoServer) validateIdentity() field.ErrorList {
	var errs field.ErrorList

	switch {
	case s.Name == "":
		errs = append(errs, field.Required(s.namePath, "the Kubernetes objects are named after it"))
	case len(s.Name) > v1alpha1.MaxNameLength:
		errs = append(errs, field.TooLong(s.namePath, s.Name, v1alpha1.MaxNameLength))
	default:
		errs = append(errs, fielderr.Messages(s.namePath, s.Name, validation.IsDNS1035Label(s.Name))...)
	}

	if s.Namespace == "" {
		return append(errs, field.Required(s.namespacePath, "set metadata.namespace; a cluster-scoped composite resource without a claim needs the namespace of its server here"))
	}

	return append(errs, fielderr.Messages(s.namespacePath, s.Namespace, validation.IsDNS1123Label(s.Namespace))...)
}

func (s *DittoServer) validateImage(p *field.Path) field.ErrorList {
	var errs field.ErrorList

	if s.Spec.Version != "" {
		r, err := dittofs.ParseRelease(s.Spec.Version)
		if err != nil {
			errs = append(errs, field.Invalid(p.Child("version"), s.Spec.Version, err.Error()))
		}

		s.Release = r
	}

	if s.Spec.Image != "" {
		named, err := reference.ParseNormalizedNamed(s.Spec.Image)
		if err != nil {
			return append(errs, field.Invalid(p.Child("image"), s.Spec.Image, err.Error()))
		}

		if tagged, ok := named.(reference.Tagged); ok {
			if _, err := dittofs.ParseRelease(tagged.Tag()); errors.Is(err, dittofs.ErrTooOld) {
				errs = append(errs, field.Invalid(p.Child("image"), s.Spec.Image, "its tag "+err.Error()))
			}
		}
	}

	return errs
}

func validateReplicas(p *field.Path, replicas int32) field.ErrorList {
	if replicas != 0 && replicas != 1 {
		return field.ErrorList{field.Invalid(p, replicas, "must be 0 or 1: two servers cannot share a volume")}
	}

	return nil
}

func validateTLS(p *field.Path, t *v1alpha1.TLS) field.ErrorList {
	if t == nil || t.MinVersion == "" {
		return nil
	}

	return fielderr.OneOf(p.Child("minVersion"), t.MinVersion, "1.2", "1.3")
}

// urlPath is the path of a URL that needs no escapes, and in which Go's HTTP server sees neither a
// host, a method nor a wildcard.
var urlPath = regexp.MustCompile(`^/[0-9A-Za-z._/-]*$`)

func validateMetricsPath(p *field.Path, metrics string) field.ErrorList {
	if !urlPath.MatchString(metrics) || path.Clean(metrics) != metrics {
		return field.ErrorList{field.Invalid(p, metrics, "must be a clean path of letters, digits, '.', '-', '_' and '/', such as /metrics")}
	}

	return nil
}

// A port is a port number with the field that sets it.
type port struct {
	path   *field.Path
	number int32
}

func (s *DittoServer) validatePorts(p *field.Path) field.ErrorList {
	nfs := port{p.Child("nfsPort"), *s.Spec.NFSPort}
	smb := port{p.Child("smb", "port"), *s.Spec.SMB.Port}
	api := port{p.Child("apiPort"), *s.Spec.APIPort}
	metrics := port{p.Child("metrics", "port"), *s.Spec.Metrics.Port}
	adapterNFS := port{p.Child("adapterPorts", "nfs"), *s.Spec.AdapterPorts.NFS}
	adapterSMB := port{p.Child("adapterPorts", "smb"), *s.Spec.AdapterPorts.SMB}

	var errs field.ErrorList

	for _, p := range []port{nfs, smb, api, metrics, adapterNFS, adapterSMB} {
		errs = append(errs, fielderr.Messages(p.path, p.number, validation.IsValidPortNum(int(p.number)))...)
	}

	if s.Spec.Portmapper.Enabled && nfs.number != adapterNFS.number {
		errs = append(errs, field.Forbidden(p.Child("portmapper", "enabled"), "the portmapper tells clients the port adapterPorts.nfs, so nfsPort must be the same"))
	}

	services := []port{nfs, api}
	// The server listens for SMB whether a Service shows it or not.
	container := []port{adapterNFS, adapterSMB, api}

	if s.Spec.SMB.Enabled {
		services = append(services, smb)
	}

	if s.Spec.Metrics.Enabled {
		services = append(services, metrics)
		container = append(container, metrics)
	}

	if path := p.Child("portmapper", "enabled"); s.Spec.Portmapper.Enabled {
		services = append(services, port{path, v1alpha1.PortmapperPort})
		container = append(container, port{path, v1alpha1.PortmapperContainerPort})
	}

	// The API and the metrics are in both lists; they are reported once.
	reported := sets.New[[2]string]()
	errs = append(errs, validateUnique(services, "both are Service ports", reported)...)

	return append(errs, validateUnique(container, "the server listens on both", reported)...)
}

// validateUnique reports each port that an earlier one has too, but for the pairs
// of fields that are reported already.
func validateUnique(ports []port, why string, reported sets.Set[[2]string]) field.ErrorList {
	var errs field.ErrorList

	first := make(map[int32]string, len(ports))

	for _, p := range ports {
		other, taken := first[p.number]
		if !taken {
			first[p.number] = p.path.String()
			continue
		}

		if pair := [2]string{other, p.path.String()}; !reported.Has(pair) {
			reported.Insert(pair)
			errs = append(errs, field.Invalid(p.path, p.number, "must differ from "+other+": "+why))
		}
	}

	return errs
}

func (s *DittoServer) validateDatabase(p *field.Path) field.ErrorList {
	db := &s.Spec.Database
	errs := fielderr.OneOf(p.Child("type"), db.Type, v1alpha1.DatabaseSQLite, v1alpha1.DatabasePostgres)

	if db.Postgres == nil {
		if db.Type == v1alpha1.DatabasePostgres {
			errs = append(errs, field.Required(p.Child("postgres", "secretRef", "name"), "the database type postgres needs a Secret with user and password, and with host, port, database and sslmode where the spec has none"))
		}

		if !isFilePath(db.SQLite.Path) || !dittofs.IsOn(db.SQLite.Path, s.Volumes()) {
			errs = append(errs, field.Invalid(p.Child("sqlite", "path"), db.SQLite.Path, "must be a file on a persistent volume, below one of "+strings.Join(s.volumePaths(), ", ")+": elsewhere a restart loses all shares"))
		}

		return errs
	}

	return append(errs, s.validatePostgres(p.Child("postgres"), db.Postgres)...)
}

// validatePostgres checks the settings that the spec has itself as those of a Secret are.
func (s *DittoServer) validatePostgres(p *field.Path, pg *v1alpha1.Postgres) field.ErrorList {
	var errs field.ErrorList

	add := func(p *field.Path, value any, problem string) {
		if problem != "" {
			errs = append(errs, field.Invalid(p, value, problem))
		}
	}

	if pg.Host != "" {
		add(p.Child("host"), pg.Host, dittofs.CheckPostgresHost(s.Release)([]byte(pg.Host)))
	}

	if pg.Port != nil {
		errs = append(errs, fielderr.Messages(p.Child("port"), *pg.Port, validation.IsValidPortNum(int(*pg.Port)))...)
	}

	switch name := pg.Database; {
	case name == "":
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl):
		add(p.Child("database"), name, "must not begin or end with whitespace, or hold control characters")
	default:
		add(p.Child("database"), name, dittofs.CheckPostgresText(s.Release)([]byte(name)))
	}

	if pg.SSLMode != "" {
		add(p.Child("sslmode"), pg.SSLMode, dittofs.CheckSSLMode([]byte(pg.SSLMode)))
	}

	for _, n := range []struct {
		path  *field.Path
		value *int32
	}{{p.Child("maxOpenConns"), pg.MaxOpenConns}, {p.Child("maxIdleConns"), pg.MaxIdleConns}} {
		if n.value != nil && *n.value < 1 {
			errs = append(errs, field.Invalid(n.path, *n.value, "must be 1 or more"))
		}
	}

	return errs
}

func validateAccess(p *field.Path, id *v1alpha1.Identity) field.ErrorList {
	jwt := p.Child("jwt")

	errs := validateDuration(jwt.Child("accessTokenDuration"), id.JWT.AccessTokenDuration)
	errs = append(errs, validateDuration(jwt.Child("refreshTokenDuration"), id.JWT.RefreshTokenDuration)...)

	if u := id.Admin.Username; strings.TrimSpace(u) != u || strings.ContainsFunc(u, unicode.IsControl) || len(u) > maxUsernameLength {
		errs = append(errs, field.Invalid(p.Child("admin", "username"), u, fmt.Sprintf("must not begin or end with whitespace, hold control characters, or be longer than %d bytes", maxUsernameLength)))
	}

	return errs
}

func (s *DittoServer) validateCache(p *field.Path) field.ErrorList {
	var errs field.ErrorList

	if _, err := dittofs.ParseSize(s.Spec.Cache.Size); err != nil {
		errs = append(errs, field.Invalid(p.Child("size"), s.Spec.Cache.Size, err.Error()))
	}

	cache := s.Spec.Cache.Path
	if !isFilePath(cache) {
		return append(errs, field.Invalid(p.Child("path"), cache, "must be an absolute, clean path"))
	}

	if strings.Contains(cache, ":") {
		return append(errs, field.Invalid(p.Child("path"), cache, "must not contain ':': Kubernetes does not mount such a path"))
	}

	// The cache is a mount of its own: it must not hide another directory, nor lie
	// in one that is mounted read-only.
	taken := append(dittofs.SystemDirs(), dittofs.TempDir, dittofs.ConfigDir)
	for _, dir := range dittofs.ImageVolumes() {
		if dir != cache {
			taken = append(taken, dir)
		}
	}

	for _, v := range dittofs.Volumes(s.Release, true, cache) {
		if v.Name != dittofs.VolumeCache {
			taken = append(taken, v.Paths...)
		}
	}

	for _, dir := range taken {
		if cache == dir || dittofs.IsBelow(cache, dir) || dittofs.IsBelow(dir, cache) {
			errs = append(errs, field.Invalid(p.Child("path"), cache, "must not overlap "+dir))
			break
		}
	}

	return errs
}

func (s *DittoServer) validateLogging(p *field.Path) field.ErrorList {
	l := &s.Spec.Logging
	errs := fielderr.OneOf(p.Child("level"), l.Level, "DEBUG", "INFO", "WARN", "ERROR")
	errs = append(errs, fielderr.OneOf(p.Child("format"), l.Format, "text", "json")...)

	if s.logsToStream() {
		return errs
	}

	if !isFilePath(l.Output) || !dittofs.IsOn(l.Output, s.Volumes()) && !dittofs.IsBelow(l.Output, dittofs.TempDir) {
		return append(errs, field.Invalid(p.Child("output"), l.Output, "must be stdout, stderr or a file on a volume, below one of "+strings.Join(append(s.volumePaths(), dittofs.TempDir), ", ")))
	}

	if !s.Spec.UsesPostgres() && dittofs.TouchesDatabase(l.Output, s.Spec.Database.SQLite.Path, s.Volumes()) {
		errs = append(errs, field.Invalid(p.Child("output"), l.Output, "must be neither the database, nor a file that SQLite keeps beside it (-journal, -shm, -wal), nor above or below it"))
	}

	return errs
}

func validateTelemetry(p *field.Path, t *v1alpha1.Telemetry) field.ErrorList {
	var errs field.ErrorList

	if t.SampleRate != nil && (*t.SampleRate < 0 || *t.SampleRate > 1) {
		errs = append(errs, field.Invalid(p.Child("sampleRate"), *t.SampleRate, "must be between 0 and 1"))
	}

	if t.Endpoint != "" {
		errs = append(errs, validateHostPort(p.Child("endpoint"), t.Endpoint)...)
	}

	return errs
}

func validateHostPort(p *field.Path, hostPort string) field.ErrorList {
	host, number, err := net.SplitHostPort(hostPort)
	if err != nil || !isHost(host) {
		return field.ErrorList{field.Invalid(p, hostPort, "must be host:port with a DNS name or an IP address")}
	}

	// Unlike Atoi, ParseUint takes no sign.
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return field.ErrorList{field.Invalid(p, hostPort, "must be host:port with a port number")}
	}

	return fielderr.Messages(p, hostPort, validation.IsValidPortNum(int(n)))
}

// isHost reports whether h is an IP address or a DNS name. DNS knows no upper case,
// and a dot ends a name that is complete.
func isHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}

	return len(validation.IsDNS1123Subdomain(strings.TrimSuffix(strings.ToLower(h), "."))) == 0
}

func validateDuration(p *field.Path, d string) field.ErrorList {
	if v, err := time.ParseDuration(d); err != nil || v <= 0 {
		return field.ErrorList{field.Invalid(p, d, "must be a Go duration above zero, such as 90s or 1h30m")}
	}

	return nil
}

// maxStartupTimeout is longer than any start, and keeps the number of probes within its type.
const maxStartupTimeout = 24 * time.Hour

func validateStartupTimeout(p *field.Path, d string) field.ErrorList {
	if v, err := time.ParseDuration(d); err != nil || v < time.Second || v > maxStartupTimeout {
		return field.ErrorList{field.Invalid(p, d, "must be a Go duration of 1s to 24h, such as 10m")}
	}

	return nil
}

// volumePaths returns where the server's persistent volumes are mounted.
func (s *DittoServer) volumePaths() []string {
	var paths []string
	for _, v := range s.Volumes() {
		paths = append(paths, v.Paths...)
	}

	return paths
}

// isFilePath reports whether p is absolute and clean, so that no ".." leads out of a
// volume, and nothing in it is invisible.
func isFilePath(p string) bool {
	return path.IsAbs(p) && path.Clean(p) == p && p != "/" && !strings.ContainsFunc(p, unicode.IsControl)
}
