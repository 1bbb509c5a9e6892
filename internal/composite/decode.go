// Package composite decodes what the function is asked for: the composite resource's
// spec and the function's input, typed, defaulted and validated.
package composite

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// crossplaneFields are the fields of a composite resource's spec that are
// Crossplane's, not the user's. Crossplane v2 keeps its own in one field; the
// others are those of the composite resources that claims have. Three that today's
// Crossplane does not define any more are in stored ones: compositeDeletePolicy,
// environmentConfigRefs and publishConnectionDetailsTo.
// https://docs.crossplane.io/latest/composition/composite-resources/
//
//nolint:gochecknoglobals // A table.
var crossplaneFields = []string{
	"crossplane",

	"claimRef",
	"compositeDeletePolicy",
	"compositionRef",
	"compositionRevisionRef",
	"compositionRevisionSelector",
	"compositionSelector",
	"compositionUpdatePolicy",
	"environmentConfigRefs",
	"publishConnectionDetailsTo",
	"resourceRefs",
	"writeConnectionSecretToRef",
}

// A DittoServer is the DittoServer that the function is asked for.
type DittoServer struct {
	// Name and Namespace of the Kubernetes objects: those of the claim for a claimed
	// composite resource, else those of the composite resource.
	Name      string
	Namespace string

	// The fields that Name and Namespace come from, for errors.
	namePath      *field.Path
	namespacePath *field.Path

	// ClusterScoped reports whether the composite resource has no namespace itself.
	ClusterScoped bool

	// Claimed reports whether the composite resource is that of a claim.
	Claimed bool

	// Generation is the composite resource's metadata.generation.
	Generation int64

	// UID is the composite resource's metadata.uid.
	UID string

	// Approved and Acknowledged are the values of the composite resource's annotations
	// dittofs.io/approve and dittofs.io/acknowledge.
	Approved, Acknowledged string

	// Spec with defaults.
	Spec v1alpha1.DittoServerSpec

	// UserSpec is the spec as it is stored: without defaults, and without
	// Crossplane's own fields.
	UserSpec *structpb.Struct

	// Merged is the spec as it is stored, with the defaults of the input under it.
	Merged *structpb.Struct

	// defaults of the input.
	defaults *structpb.Struct

	// extra is what spec.config adds to config.yaml.
	extra extra

	// Release of spec.version.
	Release dittofs.Release

	// Input of the function, with defaults.
	Input v1beta1.Input

	// TTL of the input, or nil if it has none.
	TTL *time.Duration
}

// Decode returns the DittoServer that a composite resource and an input ask for, and everything
// that is wrong with them, until there is enough of it. If there are errors, it returns what it
// could decode.
func Decode(xr, input *structpb.Struct) (*DittoServer, field.ErrorList) {
	s := &DittoServer{}

	errs := s.decodeInput(input)
	errs = append(errs, s.decodeComposite(xr)...)

	s.Input.Default()
	s.Spec.Default()

	if fielderr.Enough(errs) {
		return s, errs
	}

	// A field that could not be decoded has no value to validate.
	return s, append(errs, fielderr.Unless(errs, s.validate())...)
}

func (s *DittoServer) decodeInput(in *structpb.Struct) field.ErrorList {
	if in == nil {
		return nil
	}

	p := field.NewPath("input")
	s.defaults = in.GetFields()["defaults"].GetStructValue()

	errs := protostruct.Decode(p, structpb.NewStructValue(in), &s.Input)
	if s.Input.Defaults != nil && s.defaults == nil {
		errs = append(errs, field.TypeInvalid(p.Child("defaults"), "", "must be an object"))
	}

	return append(errs, unsetOfPolicy(p.Child("policy"), in.GetFields()["policy"])...)
}

// unsetOfPolicy reports what of the policy has a key and no value: a list whose entries are all comments is null, and
// a template without its value leaves "". Both would be a rule that is left out, which nobody who writes the key means.
func unsetOfPolicy(p *field.Path, v *structpb.Value) field.ErrorList {
	var errs field.ErrorList

	for _, key := range slices.Sorted(maps.Keys(v.GetStructValue().GetFields())) {
		if fielderr.Enough(errs) {
			return errs
		}

		below := v.GetStructValue().GetFields()[key]
		if text, ok := below.GetKind().(*structpb.Value_StringValue); ok && text.StringValue == "" {
			errs = append(errs, field.Invalid(p.Child(key), "", "must not be empty: leave the key out, or give it a value"))
		}

		errs = append(errs, unsetOfPolicy(p.Child(key), below)...)
	}

	for i, entry := range v.GetListValue().GetValues() {
		if fielderr.Enough(errs) {
			return errs
		}

		errs = append(errs, unsetOfPolicy(p.Index(i), entry)...)
	}

	if _, isNull := v.GetKind().(*structpb.Value_NullValue); isNull {
		errs = append(errs, field.Invalid(p, nil, "must not be null: a rule that is left out allows everything, and an empty list nothing"))
	}

	return errs
}

func (s *DittoServer) decodeComposite(xr *structpb.Struct) field.ErrorList {
	errs := s.decodeMetadata(field.NewPath("metadata"), xr.GetFields()["metadata"])

	// Only a cluster-scoped composite resource has a claim.
	if claim := protostruct.Get(xr, "spec", "claimRef"); s.ClusterScoped && isGiven(claim) {
		errs = append(errs, s.decodeClaim(field.NewPath("spec", "claimRef"), claim)...)
	}

	if s.ClusterScoped && s.namespacePath == nil {
		s.Namespace, s.namespacePath = s.Input.Namespace, field.NewPath("input", "namespace")
	}

	spec := xr.GetFields()["spec"]
	s.UserSpec = userSpec(spec)
	s.Merged = withDefaults(s.defaults, s.UserSpec)

	if spec.GetStructValue() != nil {
		spec = structpb.NewStructValue(s.Merged)
	}

	return append(errs, protostruct.Decode(field.NewPath("spec"), spec, &s.Spec)...)
}

// decodeMetadata decodes only what this function needs of the metadata: the rest
// is Crossplane's and the API server's.
func (s *DittoServer) decodeMetadata(p *field.Path, v *structpb.Value) field.ErrorList {
	meta := v.GetStructValue()
	s.namePath = p.Child("name")

	errs := validateObject(p, v)
	s.UID = meta.GetFields()["uid"].GetStringValue()

	// Malformed metadata, or a malformed namespace, do not make a composite resource
	// cluster-scoped.
	s.ClusterScoped = len(errs) == 0 && !isGiven(meta.GetFields()["namespace"])
	if !s.ClusterScoped {
		s.namespacePath = p.Child("namespace")
	}

	errs = append(errs, protostruct.Decode(s.namePath, meta.GetFields()["name"], &s.Name)...)
	errs = append(errs, protostruct.Decode(p.Child("namespace"), meta.GetFields()["namespace"], &s.Namespace)...)
	errs = append(errs, protostruct.Decode(p.Child("generation"), meta.GetFields()["generation"], &s.Generation)...)

	errs = append(errs, protostruct.Decode(p.Child("annotations").Key(v1alpha1.AnnotationAcknowledge), protostruct.Get(meta, "annotations", v1alpha1.AnnotationAcknowledge), &s.Acknowledged)...)

	return append(errs, protostruct.Decode(p.Child("annotations").Key(v1alpha1.AnnotationApprove), protostruct.Get(meta, "annotations", v1alpha1.AnnotationApprove), &s.Approved)...)
}

// decodeClaim decodes the reference to the claim, after which the objects are
// named.
func (s *DittoServer) decodeClaim(p *field.Path, v *structpb.Value) field.ErrorList {
	claim := v.GetStructValue()
	s.namePath = p.Child("name")
	s.Claimed = true

	if claim == nil || isGiven(claim.GetFields()["namespace"]) {
		s.namespacePath = p.Child("namespace")
	}

	errs := validateObject(p, v)
	errs = append(errs, protostruct.Decode(s.namePath, claim.GetFields()["name"], &s.Name)...)

	return append(errs, protostruct.Decode(p.Child("namespace"), claim.GetFields()["namespace"], &s.Namespace)...)
}

// userSpec returns the spec of a composite resource without Crossplane's own fields.
func userSpec(spec *structpb.Value) *structpb.Struct {
	user := &structpb.Struct{Fields: maps.Clone(spec.GetStructValue().GetFields())}
	for _, f := range crossplaneFields {
		delete(user.GetFields(), f)
	}

	return user
}

// validateObject reports a value that is neither an object nor missing.
func validateObject(p *field.Path, v *structpb.Value) field.ErrorList {
	if v.GetStructValue() != nil {
		return nil
	}

	return protostruct.Decode(p, v, &struct{}{})
}

// isGiven reports whether a field is set: not missing, not null, not the empty text.
func isGiven(v *structpb.Value) bool {
	switch k := v.GetKind().(type) {
	case nil, *structpb.Value_NullValue:
		return false
	case *structpb.Value_StringValue:
		return k.StringValue != ""
	}

	return true
}

// IsNative reports whether the Kubernetes objects themselves are composed, without a
// provider.
func (s *DittoServer) IsNative() bool { return s.Input.Compose == v1beta1.ComposeNative }

// Settings returns what config.yaml says of the server.
func (s *DittoServer) Settings() dittofs.Settings {
	spec := &s.Spec

	settings := dittofs.Settings{
		Logging:              dittofs.Logging{Level: spec.Logging.Level, Format: spec.Logging.Format, Output: spec.Logging.Output},
		Telemetry:            dittofs.Telemetry{Enabled: spec.Telemetry.Enabled, Endpoint: spec.Telemetry.Endpoint, Insecure: spec.Telemetry.Insecure, SampleRate: spec.Telemetry.SampleRate},
		ShutdownTimeout:      spec.ShutdownTimeout,
		SQLitePath:           spec.Database.SQLite.Path,
		Postgres:             postgresSettings(spec.Database.Postgres),
		APIPort:              *spec.APIPort,
		APITLS:               tlsSettings(spec.API.TLS, RoleAPITLS, RoleAPICA),
		AccessTokenDuration:  spec.Identity.JWT.AccessTokenDuration,
		RefreshTokenDuration: spec.Identity.JWT.RefreshTokenDuration,
		CachePath:            spec.Cache.Path,
		CacheSize:            spec.Cache.Size,
		AdminUsername:        spec.Identity.Admin.Username,
		Identity:             s.Identity(),
		Extra:                s.extra.keys,
	}
	if spec.Metrics.Enabled {
		settings.MetricsPort = *spec.Metrics.Port
		settings.MetricsTLS = tlsSettings(spec.Metrics.TLS, RoleMetricsTLS, RoleMetricsCA)
	}

	// What the server does by itself is not written: it would be a byte more.
	if spec.Metrics.Enabled && spec.Metrics.Path != v1alpha1.DefaultMetricsPath {
		settings.MetricsPath = spec.Metrics.Path
	}

	if spec.Metrics.Enabled && spec.Metrics.TokenSecretRef != nil {
		settings.MetricsTokenFile = path.Join(RoleMetricsToken.Dir(), dittofs.TokenFile)
	}

	return settings
}

// tlsSettings returns what config.yaml says of the files of a listener.
func tlsSettings(t *v1alpha1.TLS, certificate, clientCA Role) *dittofs.TLS {
	if t == nil {
		return nil
	}

	settings := &dittofs.TLS{
		CertFile:   path.Join(certificate.Dir(), dittofs.CertFile),
		KeyFile:    path.Join(certificate.Dir(), dittofs.KeyFile),
		MinVersion: t.MinVersion,
	}
	if t.ClientCASecretRef != nil {
		settings.ClientCA = path.Join(clientCA.Dir(), dittofs.CAFile)
	}

	return settings
}

// postgresSettings returns what config.yaml says of PostgreSQL, or nil without it.
func postgresSettings(pg *v1alpha1.Postgres) *dittofs.Postgres {
	if pg == nil {
		return nil
	}

	settings := &dittofs.Postgres{
		Host: pg.Host, Port: ptr.Deref(pg.Port, 0), Database: pg.Database, SSLMode: pg.SSLMode,
		MaxOpenConns: ptr.Deref(pg.MaxOpenConns, 0), MaxIdleConns: ptr.Deref(pg.MaxIdleConns, 0),
	}
	if pg.CASecretRef != nil {
		settings.CAFile = path.Join(RolePostgresCA.Dir(), dittofs.CAFile)
	}

	return settings
}

// Identity returns where the server looks up users.
func (s *DittoServer) Identity() dittofs.Identity {
	return dittofs.Identity{LDAP: ldapSettings(s.Spec.Identity.LDAP), Kerberos: kerberosSettings(s.Spec.Identity.Kerberos)}
}

// Krb5Conf returns the text of krb5.conf, or "" for a server without Kerberos.
func (s *DittoServer) Krb5Conf() string {
	k := s.Spec.Identity.Kerberos
	if k == nil {
		return ""
	}

	return cmp.Or(k.Krb5Conf, dittofs.DefaultKrb5Conf(k.Realm))
}

// servicePrincipal returns the principal of a server with its realm.
func servicePrincipal(k v1alpha1.Kerberos) string {
	name, _, _ := strings.Cut(k.ServicePrincipal, "@")

	return name + "@" + k.Realm
}

// kerberosSettings returns the server's settings of Kerberos, or nil without it.
func kerberosSettings(k *v1alpha1.Kerberos) *dittofs.Kerberos {
	if k == nil {
		return nil
	}

	settings := &dittofs.Kerberos{
		ServicePrincipal: servicePrincipal(*k), Realm: k.Realm, NetBIOSDomain: k.NetBIOSDomain, DNSDomain: k.DNSDomain,
		KeytabFile: path.Join(RoleKeytab.Dir(), dittofs.KeytabFile), Krb5ConfFile: path.Join(dittofs.Krb5ConfDir, dittofs.Krb5ConfFile),
	}

	m := k.MachineAccount
	if m == nil {
		return settings
	}

	settings.MachineAccount = &dittofs.MachineAccount{AccountName: m.AccountName, DCAddress: m.DCAddress}

	if j := m.OnlineJoin; j != nil {
		settings.MachineAccount.OnlineJoin = &dittofs.OnlineJoin{
			Enabled: true, LDAPURL: j.LDAPURL, StartTLS: j.StartTLS, BindDN: j.BindDN, BaseDN: j.BaseDN, OU: j.OU,
			DNSHostName: j.DNSHostName, SPNs: j.ServicePrincipals, RotationInterval: j.RotationInterval,
		}
		if j.CASecretRef != nil {
			settings.MachineAccount.OnlineJoin.CACertFile = path.Join(RoleJoinCA.Dir(), dittofs.CAFile)
		}
	}

	return settings
}

// ldapSettings returns the server's settings of a directory, or nil without one.
func ldapSettings(l *v1alpha1.LDAP) *dittofs.LDAP {
	if l == nil {
		return nil
	}

	settings := &dittofs.LDAP{
		URL: l.URL, StartTLS: l.StartTLS, AllowPlaintext: l.AllowPlaintext, BaseDN: l.BaseDN, BindDN: l.BindDN,
		UserAttribute: l.UserAttribute, Realm: l.Realm, Idmap: l.Idmap, NestedGroups: l.NestedGroups,
		Timeout: l.Timeout, MaxGroupResults: ptr.Deref(l.MaxGroupResults, 0),
	}
	if l.CASecretRef != nil {
		settings.CAFile = path.Join(RoleLDAPCA.Dir(), dittofs.CAFile)
	}

	return settings
}

// CheckConfig reports a config.yaml of the Settings that is too large, at the field that has most
// of it.
func (s *DittoServer) CheckConfig(config []byte) field.ErrorList {
	if len(config) <= dittofs.MaxConfigSize {
		return nil
	}

	c, pg := s.Settings(), ptr.Deref(s.Spec.Database.Postgres, v1alpha1.Postgres{})
	longest := slices.MaxFunc([][2]string{
		{"spec.logging.output", c.Logging.Output},
		{"spec.metrics.path", c.MetricsPath},
		{"spec.telemetry.endpoint", c.Telemetry.Endpoint},
		{"spec.shutdownTimeout", c.ShutdownTimeout},
		{"spec.database.sqlite.path", c.SQLitePath},
		{"spec.database.postgres.host", pg.Host},
		{"spec.database.postgres.database", pg.Database},
		{"spec.identity.jwt.accessTokenDuration", c.AccessTokenDuration},
		{"spec.identity.jwt.refreshTokenDuration", c.RefreshTokenDuration},
		{"spec.identity.admin.username", c.AdminUsername},
		{"spec.cache.path", c.CachePath},
		{"spec.config", string(ptr.Deref(s.Spec.Config, runtime.RawExtension{}).Raw)},
		{"spec.cache.size", c.CacheSize},
	}, func(a, b [2]string) int { return cmp.Compare(len(a[1]), len(b[1])) })

	return field.ErrorList{{
		Type: field.ErrorTypeTooLong, Field: longest[0],
		Detail: fmt.Sprintf("config.yaml would have %d bytes: it may not be more than %d", len(config), dittofs.MaxConfigSize),
	}}
}

// Volumes returns the persistent volumes that the server asks for.
func (s *DittoServer) Volumes() []dittofs.Volume {
	return dittofs.Volumes(s.Release, s.Spec.Storage.ContentSize != "", s.Spec.Cache.Path)
}

// Files returns the files that the server writes to, besides its stores: its
// SQLite database, and its log.
func (s *DittoServer) Files() []string {
	var files []string

	if !s.Spec.UsesPostgres() {
		files = append(files, s.Spec.Database.SQLite.Path)
	}

	if !s.logsToStream() {
		files = append(files, s.Spec.Logging.Output)
	}

	return files
}

// logsToStream reports whether the server logs to its standard output or error.
func (s *DittoServer) logsToStream() bool {
	return s.Spec.Logging.Output == "stdout" || s.Spec.Logging.Output == "stderr"
}
