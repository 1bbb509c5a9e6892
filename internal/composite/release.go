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

	// needsVersion reports whether the release must be known: an older one may run without Kerberos,
	// and say that it is ready.
	needsVersion bool
}{
	{path: "spec.api.tls", since: dittofs.SinceAPITLS, isSet: func(spec *v1alpha1.DittoServerSpec) bool { return spec.API.TLS != nil }},
	{path: "spec.metrics.path", since: dittofs.SinceMetricsAccess, isSet: func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.Path != v1alpha1.DefaultMetricsPath
	}},
	{path: "spec.metrics.tokenSecretRef", since: dittofs.SinceMetricsAccess, isSet: func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.TokenSecretRef != nil
	}},
	{path: "spec.metrics.tls", since: dittofs.SinceMetricsAccess, isSet: func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.Metrics.Enabled && spec.Metrics.TLS != nil
	}},
	{path: "spec.database.postgres.caSecretRef", since: dittofs.SincePostgresCA, isSet: func(spec *v1alpha1.DittoServerSpec) bool {
		return spec.UsesPostgres() && spec.Database.Postgres.CASecretRef != nil
	}},
	{path: "spec.identity.kerberos", since: dittofs.SinceKerberos, needsVersion: true, isSet: func(spec *v1alpha1.DittoServerSpec) bool { return spec.Identity.Kerberos != nil }},
	{path: "spec.identity.ldap", since: dittofs.SinceIdentityProviders, needsVersion: true, isSet: func(spec *v1alpha1.DittoServerSpec) bool { return spec.Identity.LDAP != nil }},
}

// CheckRelease reports the fields that the release which the server's image runs does not know.
// One that is not known may know all, except identity providers.
func (s *DittoServer) CheckRelease(r dittofs.Release) field.ErrorList {
	var errs field.ErrorList

	for _, f := range newerFields {
		since := strings.TrimPrefix(f.since, "v")

		switch {
		case !f.isSet(&s.Spec):
		case f.needsVersion && !r.IsKnown():
			errs = append(errs, field.Required(field.NewPath("spec", "version"), fmt.Sprintf("%s takes DittoFS %s or newer, and the tag of the image names no release: name the one that it is", f.path, since)))
		case r.IsBefore(f.since):
			errs = append(errs, field.Forbidden(field.NewPath(f.path), fmt.Sprintf("DittoFS %s does not support it: remove it, or run %s or newer", r, since)))
		}
	}

	return errs
}
