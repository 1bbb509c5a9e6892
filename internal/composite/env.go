package composite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/fielderr"
	"github.com/dittofs/function-dittoserver/internal/podrules"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// maxRestartingEnv is how many variables may restart the server when their value changes. Each
// Secret that does is in every call.
const maxRestartingEnv = 10

// ownEnv are the environment variables that the function answers for: set past it,
// they would undo its checks.
//
//nolint:gochecknoglobals // A table.
var ownEnv = sets.New(append(dittofs.ConfigEnv(), secretEnv()...)...)

// IsOwnEnv reports whether an environment variable of this name is the function's to set, and not the
// user's.
func (s *DittoServer) IsOwnEnv(name string) bool {
	return ownEnv.Has(name) || s.providerOf(name) != ""
}

// providerOf returns the field of the identity provider that a variable sets, or "" if the spec has
// no such provider: servers from before the field may have such variables.
func (s *DittoServer) providerOf(name string) string {
	if s.Spec.Identity.LDAP != nil && dittofs.ProviderLDAP.IsReachedBy(name) {
		return dittofs.ProviderLDAP.Field()
	}

	if s.Spec.Identity.Kerberos != nil && dittofs.ProviderKerberos.IsReachedBy(name) {
		return dittofs.ProviderKerberos.Field()
	}

	return ""
}

// ExtraEnv returns the environment variables that the user asks for, as the pod has them.
func (s *DittoServer) ExtraEnv() []corev1.EnvVar {
	env := make([]corev1.EnvVar, 0, len(s.Spec.ExtraEnv))
	for _, e := range s.Spec.ExtraEnv {
		env = append(env, corev1.EnvVar{Name: e.Name, Value: e.Value, ValueFrom: e.ValueFrom})
	}

	return env
}

// envSecretKeys returns the keys of Secrets that are values of variables, and that restart the
// server. Of the others the function reads nothing. The variable itself is in the list of the
// user's, so that none has Env.
func envSecretKeys(spec *v1alpha1.DittoServerSpec) []SecretKey {
	var keys []SecretKey

	for i, e := range spec.ExtraEnv {
		ref := ptr.Deref(e.ValueFrom, corev1.EnvVarSource{}).SecretKeyRef
		if e.OnChange != v1alpha1.OnChangeRestart || ref == nil || len(keys) == maxRestartingEnv {
			continue
		}

		p := field.NewPath("spec", "extraEnv").Index(i).Child("valueFrom", "secretKeyRef")

		keys = append(keys, SecretKey{
			Role:     Role("env-" + e.Name),
			Ref:      &SecretKeyRef{Name: ref.Name, NamePath: p.Child("name").String(), Key: ref.Key, KeyPath: p.Child("key").String()},
			InDigest: true,
			Check:    dittofs.CheckVariable(e.Name),
		})
	}

	return keys
}

func (s *DittoServer) validateExtraEnv(p *field.Path) field.ErrorList {
	errs := podrules.Env(p, s.ExtraEnv(), v1alpha1.Container)
	errs = append(errs, s.validateOwnEnv(p)...)
	restarting := 0

	errs = append(errs, fielderr.Each(p, s.Spec.ExtraEnv, func(p *field.Path, e *v1alpha1.ExtraEnv) field.ErrorList {
		errs := fielderr.OneOf(p.Child("onChange"), e.OnChange, v1alpha1.OnChangeIgnore, v1alpha1.OnChangeRestart)
		if e.OnChange != v1alpha1.OnChangeRestart {
			return errs
		}

		restarting++

		switch ref := ptr.Deref(e.ValueFrom, corev1.EnvVarSource{}).SecretKeyRef; {
		case ref == nil:
			return append(errs, field.Invalid(p.Child("onChange"), e.OnChange, "only a Secret can restart the server: the function reads nothing else"))
		case ptr.Deref(ref.Optional, false):
			return append(errs, field.Invalid(p.Child("valueFrom", "secretKeyRef", "optional"), true, "must not be optional where a new value restarts the server: the function waits for the key"))
		default:
			return errs
		}
	})...)

	if restarting > maxRestartingEnv {
		errs = append(errs, fielderr.TooMany(p, restarting, maxRestartingEnv, "variables that restart the server"))
	}

	return errs
}

// validateOwnEnv reports variables that are the function's to set, or that would win over what the
// spec says besides.
func (s *DittoServer) validateOwnEnv(p *field.Path) field.ErrorList {
	reached := s.reachedSettings()

	return fielderr.Each(p, s.Spec.ExtraEnv, func(p *field.Path, e *v1alpha1.ExtraEnv) field.ErrorList {
		switch setting := reached[e.Name]; {
		case ownEnv.Has(e.Name):
			return field.ErrorList{field.Forbidden(p.Child("name"), e.Name+" is reserved: use the field of the spec")}
		case s.providerOf(e.Name) != "":
			return field.ErrorList{wins(p, e.Name, s.providerOf(e.Name))}
		case setting != "":
			return field.ErrorList{wins(p, e.Name, setting)}
		default:
			return nil
		}
	})
}

// wins is the error of a variable that would win over a setting.
func wins(p *field.Path, env, setting string) *field.Error {
	return field.Forbidden(p.Child("name"), fmt.Sprintf("%s overrides %s, which is also set: remove one of them", env, setting))
}

// reachedSettings returns the settings of the spec that variables would win over, by the names of
// these: keys of spec.config, and fields that are newer than specs with such variables.
func (s *DittoServer) reachedSettings() map[string]string {
	names := s.serverVariables()
	if len(names) == 0 {
		return nil
	}

	reached := map[string]string{}

	for _, k := range dittofs.DecidedKeys() {
		if !k.IsNewer || !isGiven(protostruct.Get(s.Merged, strings.Split(k.Field, ".")[1:]...)) {
			continue
		}

		for _, name := range dittofs.Variables(k.Path) {
			if reached[name] == "" {
				reached[name] = k.Field
			}
		}
	}

	r := &reach{names: names, reached: reached, variable: []byte(strings.TrimSuffix(dittofs.EnvPrefix, "_")), path: []string{"spec", "config"}}
	r.into(s.extra.object)

	return reached
}

// serverVariables returns the names of the user's variables that the server reads as configuration.
func (s *DittoServer) serverVariables() sets.Set[string] {
	names := sets.New[string]()

	for _, e := range s.Spec.ExtraEnv {
		if strings.HasPrefix(e.Name, dittofs.EnvPrefix) {
			names.Insert(e.Name)
		}
	}

	return names
}

// A reach finds which of the user's variables reach keys of spec.config, or objects in it. The server
// reads those of keys that it does not know, too, and may know them in its next release.
type reach struct {
	names   sets.Set[string]
	reached map[string]string

	// variable of the object that is looked at, and its place in the spec.
	variable []byte
	path     []string
}

// into looks at the entries of an object.
func (r *reach) into(object *structpb.Struct) {
	variable, path := len(r.variable), len(r.path)

	for _, key := range slices.Sorted(maps.Keys(object.GetFields())) {
		r.variable = append(r.variable, '_')
		r.variable = append(r.variable, strings.ToUpper(key)...)
		r.path = append(r.path, key)

		// A map that is asked by bytes copies none.
		if _, ok := r.names[string(r.variable)]; ok && r.reached[string(r.variable)] == "" {
			r.reached[string(r.variable)] = strings.Join(r.path, ".")
		}

		if below := object.GetFields()[key].GetStructValue(); below != nil {
			r.into(below)
		}

		r.variable, r.path = r.variable[:variable], r.path[:path]
	}
}

// commonField returns the field that two fields of the spec are in, or the first if they have none:
// what a variable of database.postgres hides is more than its first key.
func commonField(a, b string) string {
	if a == "" || b == "" {
		return cmp.Or(a, b)
	}

	as, bs := strings.Split(a, "."), strings.Split(b, ".")

	n := 0
	for n < min(len(as), len(bs)) && as[n] == bs[n] {
		n++
	}

	// All are in spec.
	if n == 1 {
		return a
	}

	return strings.Join(as[:n], ".")
}

// decidedFields are the fields of the spec that decide keys of config.yaml, by the variables that reach these.
//
//nolint:gochecknoglobals // A table.
var decidedFields = sync.OnceValue(func() map[string]string {
	reached := map[string]string{}

	for _, k := range dittofs.DecidedKeys() {
		for _, name := range dittofs.Variables(k.Path) {
			reached[name] = commonField(reached[name], k.Field)
		}
	}

	return reached
})

// envWarnings warns of variables that win over what a field of the spec decides, where the spec
// leaves that to its default: servers ran with such before there was the field.
func (s *DittoServer) envWarnings() []string {
	var w []string

	for i, e := range s.Spec.ExtraEnv {
		if field := decidedFields()[e.Name]; field != "" {
			w = append(w, fmt.Sprintf("spec.extraEnv[%d].name: %s overrides %s, and no check covers it: use the field", i, e.Name, field))
		}
	}

	return w
}
