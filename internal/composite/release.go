package composite

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
)

// newerFields are the fields that only newer releases know. An older one would go on as if
// nothing was asked for: without encryption, or open to all.
//
//nolint:gochecknoglobals // A table.
var newerFields = []struct {
	path  string
	since string
	isSet func(spec *v1alpha1.DittoServerSpec) bool
}{
	{"spec.api.tls", dittofs.SinceAPITLS, func(spec *v1alpha1.DittoServerSpec) bool { return spec.API.TLS != nil }},
	{"spec.metrics.path", dittofs.SinceMetricsAccess, func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.Path != v1alpha1.DefaultMetricsPath
	}},
	{"spec.metrics.tokenSecretRef", dittofs.SinceMetricsAccess, func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.TokenSecretRef != nil
	}},
	{"spec.metrics.tls", dittofs.SinceMetricsAccess, func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.TLS != nil
	}},
	{"spec.database.postgres.caSecretRef", dittofs.SincePostgresCA, func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.UsesPostgres() && spec.Database.Postgres.CASecretRef != nil
	}},
	{"spec.identity.kerberos", dittofs.SinceKerberos, func(spec *v1alpha1.DittoServerSpec) bool { return spec.Identity.Kerberos != nil }},
	{"spec.identity.ldap", dittofs.SinceIdentityProviders, func(spec *v1alpha1.DittoServerSpec) bool { return spec.Identity.LDAP != nil }},
}

// CheckRelease reports the fields that the release which the server's image runs does not know.
// One that is not known may know all.
func (s *DittoServer) CheckRelease(r dittofs.Release) field.ErrorList {
	var errs field.ErrorList

	for _, f := range newerFields {
		if f.isSet(&s.Spec) && r.IsBefore(f.since) {
			errs = append(errs, field.Forbidden(field.NewPath(f.path), fmt.Sprintf("DittoFS %s does not support it: remove it, or run %s or newer", r, strings.TrimPrefix(f.since, "v"))))
		}
	}

	return errs
}
