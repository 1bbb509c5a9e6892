package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
)

func asksImages(c *composed) []ask { return []ask{{path: spec("image"), text: c.container.Image}} }

// asksConfig asks for the keys that are added to config.yaml.
func asksConfig(c *composed) []ask {
	keys := sets.New(c.server.ConfigKeys()...)
	for _, config := range c.configs {
		keys.Insert(dittofs.ExtraKeys(config)...)
	}

	var asks []ask
	for _, key := range sets.List(keys) {
		asks = append(asks, ask{path: spec("config", key), text: key})
	}

	return asks
}

// asksServiceAccount asks for the one that the pod has. That of a server that names none has the
// namespace's default, which needs no permission.
func asksServiceAccount(c *composed) []ask {
	name := c.server.Spec.ServiceAccountName
	if has := c.pod.Spec.ServiceAccountName; has != manifest.DefaultServiceAccount {
		name = cmp.Or(has, name)
	}

	return named(spec("serviceAccountName"), name)
}

// named asks for a name, if there is one.
func named(p *field.Path, name string) []ask {
	if name == "" {
		return nil
	}

	return []ask{{path: p, text: name}}
}

// asksSecrets asks for the Secrets that the function reads, and for those that the kubelet reads
// for the pod, or Prometheus to scrape it.
func asksSecrets(c *composed) []ask {
	var asks []ask

	// A field that tells the Secret of several keys is judged once.
	told, named := sets.New[string](), sets.New[string]()

	add := func(p *field.Path, name string) {
		if path := p.String(); name != "" && !told.Has(path) {
			told.Insert(path)
			named.Insert(name)
			asks = append(asks, ask{path: p, text: name})
		}
	}

	for _, k := range c.server.Secrets() {
		add(field.NewPath(k.Ref.NamePath), k.Ref.Name)
	}

	for i, e := range c.extraEnv() {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			add(spec("extraEnv").Index(i).Child("valueFrom", "secretKeyRef", "name"), e.ValueFrom.SecretKeyRef.Name)
		}
	}

	for i, v := range c.extraVolumes() {
		if v.Secret != nil {
			add(spec("extraVolumes").Index(i).Child("secret", "secretName"), v.Secret.SecretName)
		}
	}

	for i, s := range c.pod.Spec.ImagePullSecrets {
		add(spec("imagePullSecrets").Index(i).Child("name"), s.Name)
	}

	for _, s := range c.monitorSecrets() {
		add(s.path, s.text)
	}

	// A server whose StatefulSet is gone may name others, and so may a field that is not listed
	// here.
	for _, name := range c.secretNames() {
		if !named.Has(name) {
			add(field.NewPath("spec"), name)
		}
	}

	return asks
}

// secretNames returns the names of all Secrets that the pod names.
func (c *composed) secretNames() []string {
	names := sets.New[string]()

	for _, e := range c.container.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			names.Insert(e.ValueFrom.SecretKeyRef.Name)
		}
	}

	for _, v := range c.pod.Spec.Volumes {
		if v.Secret != nil {
			names.Insert(v.Secret.SecretName)
		}
	}

	return sets.List(names)
}

// asksConfigMaps asks for those that are not the server's own.
func asksConfigMaps(c *composed) []ask {
	var asks []ask

	for i, e := range c.extraEnv() {
		if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
			asks = append(asks, ask{path: spec("extraEnv").Index(i).Child("valueFrom", "configMapKeyRef", "name"), text: e.ValueFrom.ConfigMapKeyRef.Name})
		}
	}

	for i, v := range c.extraVolumes() {
		if v.ConfigMap != nil {
			asks = append(asks, ask{path: spec("extraVolumes").Index(i).Child("configMap", "name"), text: v.ConfigMap.Name})
		}
	}

	return append(asks, c.backendAuthorities()...)
}

func asksExtraVolumes(c *composed) []ask {
	var asks []ask

	for i, v := range c.extraVolumes() {
		p := spec("extraVolumes").Index(i)

		switch {
		case v.Secret != nil:
			asks = append(asks, ask{path: p.Child("secret"), text: composite.VolumeSecret})
		case v.ConfigMap != nil:
			asks = append(asks, ask{path: p.Child("configMap"), text: composite.VolumeConfigMap})
		case v.DownwardAPI != nil:
			asks = append(asks, ask{path: p.Child("downwardAPI"), text: composite.VolumeDownwardAPI})
		default:
			asks = append(asks, ask{path: p, text: "volume"})
		}
	}

	return asks
}

// extraEnv returns the variables of the container that are not the function's, in the order of
// spec.extraEnv.
func (c *composed) extraEnv() []corev1.EnvVar {
	return slices.DeleteFunc(slices.Clone(c.container.Env), func(e corev1.EnvVar) bool { return c.isOwnEnv(e.Name) })
}

// isOwnEnv reports whether a variable is the function's. Those of an identity provider are where the pod
// has one: a pod that is kept may have one that the spec has no more.
func (c *composed) isOwnEnv(name string) bool {
	return c.server.IsOwnEnv(name) || slices.ContainsFunc(dittofs.IdentityProviders(), func(p dittofs.IdentityProvider) bool {
		return p.IsReachedBy(name) && p.IsIn(c.pod.Annotations[v1alpha1.AnnotationConfig])
	})
}

// extraVolumes returns the volumes of the pod that are not the function's, in the order of
// spec.extraVolumes.
func (c *composed) extraVolumes() []corev1.Volume {
	return slices.DeleteFunc(slices.Clone(c.pod.Spec.Volumes), func(v corev1.Volume) bool { return !composite.IsExtraVolume(v.Name) })
}

// asksLabels asks for labels that objects around the pod have from the user.
func asksLabels(c *composed) []ask {
	isOwn := func(key, value string) bool {
		return composite.IsOwnLabel(key) || isPlatforms(c.server.Input.Labels, key, value)
	}
	asks := common(c.labelled, spec("labels"), metav1.Object.GetLabels, isOwn)

	return c.addClaims(asks, "labels", metav1.Object.GetLabels, c.server.Spec.Storage.Labels, func(key, value string) bool {
		return isOwn(key, value) || isPlatforms(c.server.Input.Claims.Labels, key, value)
	})
}

// asksAnnotations asks for annotations that objects around the pod have from the user. Services have
// others, and a rule of their own.
func asksAnnotations(c *composed) []ask {
	isOwn := func(key, value string) bool {
		return composite.IsOwnAnnotation(key) || isPlatforms(c.server.Input.Annotations, key, value)
	}
	asks := common(c.annotated, spec("annotations"), metav1.Object.GetAnnotations, isOwn)

	return c.addClaims(asks, "annotations", metav1.Object.GetAnnotations, c.server.Spec.Storage.Annotations, func(key, value string) bool {
		return isOwn(key, value) || isPlatforms(c.server.Input.Claims.Annotations, key, value)
	})
}

// addClaims asks for entries that volume claims have besides, from spec.storage where that says so. The
// same key may have another value there.
func (c *composed) addClaims(asks []ask, name string, of func(metav1.Object) map[string]string, storage map[string]string, isOwn func(key, value string) bool) []ask {
	told := sets.New[string]()
	for _, a := range asks {
		told.Insert(a.path.String())
	}

	for i := range c.claims {
		m := of(&c.claims[i])

		for _, key := range slices.Sorted(maps.Keys(m)) {
			p := spec(name)
			if _, ok := storage[key]; ok {
				p = spec("storage", name)
			}

			if path := p.Key(key); !told.Has(path.String()) && !isOwn(key, m[key]) {
				told.Insert(path.String())
				asks = append(asks, ask{path: path, text: key, value: new(m[key])})
			}
		}
	}

	return asks
}

// isPlatforms reports whether an entry is one of the function's input.
func isPlatforms(input map[string]string, key, value string) bool {
	v, ok := input[key]

	return ok && v == value
}

// common asks once for entries that any of the objects has.
func common(objects []metav1.Object, p *field.Path, of func(metav1.Object) map[string]string, isOwn func(key, value string) bool) []ask {
	all := map[string]string{}

	for _, o := range objects {
		for key, value := range of(o) {
			if !isOwn(key, value) {
				all[key] = value
			}
		}
	}

	return entries(p, all, nobodys)
}

func asksPodLabels(c *composed) []ask {
	return entries(spec("podLabels"), c.pod.Labels, composite.IsOwnLabel)
}

func asksPodAnnotations(c *composed) []ask {
	return entries(spec("podAnnotations"), c.pod.Annotations, composite.IsOwnAnnotation)
}

// entries asks for the entries of a map, but for those that are the function's own.
func entries(p *field.Path, m map[string]string, isOwn func(key string) bool) []ask {
	var asks []ask

	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !isOwn(key) {
			asks = append(asks, ask{path: p.Key(key), text: key, value: new(m[key])})
		}
	}

	return asks
}

// nobodys is for maps that have no entries of the function's own.
func nobodys(string) bool { return false }

func asksEnv(c *composed) []ask {
	var asks []ask
	for i, e := range c.extraEnv() {
		asks = append(asks, ask{path: spec("extraEnv").Index(i).Child("name"), text: e.Name})
	}

	return asks
}

// asksIDs asks for users and groups that are not the function's own.
func asksIDs(c *composed) []ask {
	pod, container := ptr.Deref(c.pod.Spec.SecurityContext, corev1.PodSecurityContext{}), ptr.Deref(c.container.SecurityContext, corev1.SecurityContext{})
	of, ofContainer := spec("podSecurityContext"), spec("securityContext")

	var asks []ask

	add := func(p *field.Path, id *int64) {
		if id != nil && *id != dittofs.ID {
			asks = append(asks, ask{path: p, text: strconv.FormatInt(*id, 10), number: *id})
		}
	}

	add(of.Child("runAsUser"), pod.RunAsUser)
	add(of.Child("runAsGroup"), pod.RunAsGroup)
	add(of.Child("fsGroup"), pod.FSGroup)

	for i, id := range pod.SupplementalGroups {
		add(of.Child("supplementalGroups").Index(i), &id)
	}

	add(ofContainer.Child("runAsUser"), container.RunAsUser)
	add(ofContainer.Child("runAsGroup"), container.RunAsGroup)

	return asks
}

func checkGracePeriod(c *composed, name string) field.ErrorList {
	p := spec("terminationGracePeriodSeconds")
	if c.server.Spec.TerminationGracePeriodSeconds == nil {
		p = spec("shutdownTimeout")
	}

	return takes(p, ptr.Deref(c.pod.Spec.TerminationGracePeriodSeconds, 0), c.policy.Pods.MaxGracePeriod, name)
}

func checkStartupTime(c *composed, name string) field.ErrorList {
	probe := ptr.Deref(c.container.StartupProbe, corev1.Probe{})

	return takes(spec("startupTimeout"), int64(probe.InitialDelaySeconds)+int64(probe.PeriodSeconds)*int64(probe.FailureThreshold), c.policy.Pods.MaxStartupTime, name)
}

// takes reports seconds that are more than the policy allows.
func takes(p *field.Path, seconds int64, atMost, name string) field.ErrorList {
	// Validated to be a duration, or nothing.
	allowed, err := time.ParseDuration(atMost)
	if err != nil || seconds <= int64(allowed/time.Second) {
		return nil
	}

	return field.ErrorList{tooMuch(p, strconv.FormatInt(seconds, 10)+"s", allowed.String(), name)}
}
