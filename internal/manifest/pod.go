package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/podrules"
)

// Volumes of the pod that are no claims.
const (
	volumeConfig = "config"
	volumeTemp   = "tmp"

	// volumeUnclaimed is mounted read-only where the image declares a VOLUME that no
	// claim backs. The runtime would otherwise mount a writable directory there,
	// which is lost with the container; so a store put there fails at once.
	volumeUnclaimed = "unclaimed"
)

// DefaultServiceAccount is what the pod of a server has that names none.
const DefaultServiceAccount = "default"

// secretFileMode of files lets the server read them by its group, and write none.
const secretFileMode = 0o440

const (
	// shutdownStages is how many times the shutdown timeout the server may need: it
	// stops serially, and exits by itself after three timeouts and 5 seconds.
	shutdownStages = 3

	// shutdownSlack is added to the grace period, in seconds.
	shutdownSlack = 10
)

// PodInputs are inputs of Pod that are not in the spec.
type PodInputs struct {
	// Config is config.yaml.
	Config []byte

	// ConfigHash is the rollout digest.
	ConfigHash string

	// AdminPasswordIsHash reports whether the administrator's password is a bcrypt hash.
	AdminPasswordIsHash bool

	// Image is the container image to run.
	Image string

	// Claims are the names of the volume claims of the StatefulSet that was asked last,
	// which are all that a pod can mount: Kubernetes adds none. They are nil if there is no
	// StatefulSet yet.
	Claims []string

	// KeepsContent reports whether the pod that was asked last mounts the content. It stays
	// mounted while the StatefulSet has its claim, whatever became of spec.storage.contentSize:
	// without it every file would be gone at once.
	KeepsContent bool
}

// Pod returns the server's pod template. It does so for an invalid spec too, so that all faults
// of a pod can be reported at once.
func Pod(s *composite.DittoServer, in PodInputs) (*corev1.PodTemplateSpec, error) {
	podSecurity, err := podSecurityContext(s)
	if err != nil {
		return nil, err
	}

	security, err := securityContext(s)
	if err != nil {
		return nil, err
	}

	keys := s.Secrets()
	files, fileMounts := secretFiles(keys)
	krb5, krb5Mounts := krb5Conf(s)
	extra, extraMounts := extraVolumes(s)
	mounts := volumeMounts(claimed(s, in))

	podLabels := labels(s.Name)
	if r := Release(s, in.Image); r.IsKnown() {
		podLabels[labelVersion] = r.String()
	}

	maps.Copy(podLabels, s.Spec.PodLabels)

	annotations := map[string]string{
		v1alpha1.AnnotationConfigHash: in.ConfigHash,
		v1alpha1.AnnotationConfig:     string(in.Config),
	}
	if text := s.Krb5Conf(); text != "" {
		annotations[v1alpha1.AnnotationKrb5Conf] = text
	}

	maps.Copy(annotations, s.Spec.PodAnnotations)

	pod := &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: podLabels, Annotations: annotations},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			// A Service named dittofs-metrics would otherwise set DITTOFS_METRICS_PORT,
			// which the server takes for its configuration.
			EnableServiceLinks: new(false),
			// Written even if it is the default: the API server keeps a copy of the name in a
			// deprecated field, and takes it from there if it is left out later.
			ServiceAccountName:            cmp.Or(s.Spec.ServiceAccountName, DefaultServiceAccount),
			ImagePullSecrets:              s.Spec.ImagePullSecrets,
			TerminationGracePeriodSeconds: gracePeriod(s),
			SecurityContext:               podSecurity,
			NodeSelector:                  s.Spec.NodeSelector,
			Tolerations:                   s.Spec.Tolerations,
			Affinity:                      s.Spec.Affinity,
			TopologySpreadConstraints:     s.Spec.TopologySpreadConstraints,
			PriorityClassName:             s.Spec.PriorityClassName,
			Containers: []corev1.Container{{
				Name:            v1alpha1.Container,
				Image:           in.Image,
				ImagePullPolicy: s.Spec.ImagePullPolicy,
				Args:            dittofs.Args(),
				Env:             slices.Concat(environment(keys, in.AdminPasswordIsHash), seeds(s), s.ExtraEnv()),
				Ports:           containerPorts(s),
				VolumeMounts:    slices.Concat(mounts, fileMounts, krb5Mounts, extraMounts),
				Resources:       s.Spec.Resources,
				SecurityContext: security,
				Lifecycle:       &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: v1alpha1.PreStopSeconds}}},
			}},
			Volumes: slices.Concat(volumes(s, mounts), files, krb5, extra),
		},
	}

	addProbes(&pod.Spec.Containers[0], s.Settings().APITLS, startupProbes(s))

	return pod, nil
}

// Release returns the release that an image runs: the one that the spec names, or
// the one that the image's tag names. It may not be known.
func Release(s *composite.DittoServer, image string) dittofs.Release {
	if s.Release.IsKnown() {
		return s.Release
	}

	return ImageRelease(image)
}

// ImageRelease returns the release that an image's tag names. It may not be known. What is
// longer than a spec can name is no image: to parse a megabyte takes 40 ms.
func ImageRelease(image string) dittofs.Release {
	if len(image) > v1alpha1.MaxTextLength {
		return dittofs.Release{}
	}

	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return dittofs.Release{}
	}

	tagged, ok := named.(reference.Tagged)
	if !ok {
		return dittofs.Release{}
	}

	r, err := dittofs.ParseRelease(tagged.Tag())
	if err != nil {
		return dittofs.Release{}
	}

	return r
}

// Warnings returns what of the release works, but perhaps not as the user expects.
func Warnings(s *composite.DittoServer, in PodInputs) []string {
	var w []string

	r := Release(s, in.Image)
	if r.IsNewerThanKnown() {
		w = append(w, fmt.Sprintf("%s: DittoFS %s is newer than %s, the newest minor release that this function knows, whose configuration it gets: set what later ones need, spec.storage.contentSize and blockstore.journal.path", releaseField(s), r, dittofs.NewestMinor()))
	}

	if in.AdminPasswordIsHash && !r.UsesPasswordHash() {
		w = append(w, fmt.Sprintf("spec.identity.admin.passwordSecretRef: DittoFS %s ignores a bcrypt hash, and generates a password that it logs: use a plain password", r))
	}

	return w
}

// releaseField returns the field that tells a server's release.
func releaseField(s *composite.DittoServer) string {
	if s.Release.IsKnown() {
		return "spec.version"
	}

	return "spec.image"
}

// gracePeriod returns how long the pod may take to stop, in seconds.
func gracePeriod(s *composite.DittoServer) *int64 {
	if g := s.Spec.TerminationGracePeriodSeconds; g != nil {
		return g
	}

	// Validated to be a duration. Should it not be, the slack remains.
	timeout, _ := time.ParseDuration(s.Spec.ShutdownTimeout)

	return new(v1alpha1.PreStopSeconds + int64(math.Ceil(shutdownStages*timeout.Seconds())) + shutdownSlack)
}

// environment hands the values of Secrets to the server by reference, but for those that it
// reads from files.
func environment(keys []composite.SecretKey, adminPasswordIsHash bool) []corev1.EnvVar {
	var env []corev1.EnvVar

	for _, k := range keys {
		if k.Env == "" {
			continue
		}

		name := k.Env
		if adminPasswordIsHash && k.HashEnv != "" {
			name = k.HashEnv
		}

		ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: k.Ref.Name}, Key: k.Ref.Key}
		if k.Optional {
			ref.Optional = new(true)
		}

		env = append(env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}})
	}

	return env
}

// secretVolumePrefix begins the name of each volume that has files of a Secret.
const secretVolumePrefix = "secret-"

// secretVolume returns the name of the volume that has the files of a role.
func secretVolume(r composite.Role) string { return secretVolumePrefix + string(r) }

// isOfSecret reports whether a volume of this name has files of a Secret.
func isOfSecret(volume string) bool { return strings.HasPrefix(volume, secretVolumePrefix) }

func secretMount(r composite.Role) corev1.VolumeMount {
	return corev1.VolumeMount{Name: secretVolume(r), MountPath: r.Dir(), ReadOnly: true}
}

// secretFiles returns a volume and its mount for each role whose keys the server reads as
// files. A volume has the keys that the table names and no others. The pod's fsGroup may read
// them.
func secretFiles(keys []composite.SecretKey) ([]corev1.Volume, []corev1.VolumeMount) {
	var (
		volumes []corev1.Volume
		mounts  []corev1.VolumeMount
	)

	for _, k := range keys {
		if k.File == "" {
			continue
		}

		name := secretVolume(k.Role)

		i := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == name })
		if i < 0 {
			i = len(volumes)
			volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
				SecretName:  k.Ref.Name,
				DefaultMode: ptr.To[int32](secretFileMode),
			}}})
			mounts = append(mounts, secretMount(k.Role))
		}

		volumes[i].Secret.Items = append(volumes[i].Secret.Items, corev1.KeyToPath{Key: k.Ref.Key, Path: k.File})
	}

	return volumes, mounts
}

func containerPorts(s *composite.DittoServer) []corev1.ContainerPort {
	ports := []corev1.ContainerPort{containerPort(v1alpha1.PortNFS, *s.Spec.AdapterPorts.NFS)}
	if s.Spec.SMB.Enabled {
		ports = append(ports, containerPort(v1alpha1.PortSMB, *s.Spec.AdapterPorts.SMB))
	}

	ports = append(ports, containerPort(v1alpha1.PortAPI, *s.Spec.APIPort))
	if s.Spec.Metrics.Enabled {
		ports = append(ports, containerPort(v1alpha1.PortMetrics, *s.Spec.Metrics.Port))
	}

	return ports
}

func containerPort(name string, number int32) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP}
}

// claimed returns the volumes to mount: those of the server that have a claim, and the
// content that was mounted before.
func claimed(s *composite.DittoServer, in PodInputs) []dittofs.Volume {
	volumes := dittofs.Volumes(s.Release, s.Spec.Storage.ContentSize != "" || in.KeepsContent, s.Spec.Cache.Path)
	if in.Claims == nil {
		return volumes
	}

	return slices.DeleteFunc(volumes, func(v dittofs.Volume) bool { return !slices.Contains(in.Claims, v.Name) })
}

// volumeMounts mounts the configuration, the claims, and nothing writable where
// the image declares a volume without a claim.
func volumeMounts(claims []dittofs.Volume) []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{
		{Name: volumeConfig, MountPath: dittofs.ConfigDir, ReadOnly: true},
		{Name: volumeTemp, MountPath: dittofs.TempDir},
	}

	for _, v := range claims {
		for _, p := range v.Paths {
			mounts = append(mounts, corev1.VolumeMount{Name: v.Name, MountPath: p})
		}
	}

	for _, p := range dittofs.ImageVolumes() {
		if !slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == p }) {
			mounts = append(mounts, corev1.VolumeMount{Name: volumeUnclaimed, MountPath: p, ReadOnly: true})
		}
	}

	return mounts
}

// volumes returns the pod's volumes that are no claims.
func volumes(s *composite.DittoServer, mounts []corev1.VolumeMount) []corev1.Volume {
	v := []corev1.Volume{
		{Name: volumeConfig, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: s.Name + suffixConfig},
		}}},
		{Name: volumeTemp, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}

	if slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool { return m.Name == volumeUnclaimed }) {
		v = append(v, corev1.Volume{Name: volumeUnclaimed, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}

	return v
}

// startupPeriod is the time between two startup probes, in seconds.
const startupPeriod = 5

// startupProbes returns how many startup probes may fail before the kubelet restarts the container.
func startupProbes(s *composite.DittoServer) int32 {
	// Validated to be a duration. Should it not be, the template is composed nowhere.
	timeout, _ := time.ParseDuration(s.Spec.StartupTimeout)

	return int32(math.Ceil(timeout.Seconds() / startupPeriod))
}

// addProbes adds probes of an API to a container, which may fail so many startup probes.
func addProbes(c *corev1.Container, api *dittofs.TLS, startup int32) {
	c.StartupProbe = probe(api, dittofs.HealthPath, corev1.Probe{PeriodSeconds: startupPeriod, FailureThreshold: startup})
	c.LivenessProbe = probe(api, dittofs.HealthPath, corev1.Probe{PeriodSeconds: 10, FailureThreshold: 3})
	c.ReadinessProbe = probe(api, dittofs.ReadyPath, corev1.Probe{PeriodSeconds: 5, FailureThreshold: 3})
}

// probe returns a probe of the API. The kubelet has no certificate to show: where the server
// demands one, the probe sees only that somebody listens.
func probe(api *dittofs.TLS, path string, p corev1.Probe) *corev1.Probe {
	// A busy server may need more than the second that Kubernetes gives it.
	p.TimeoutSeconds = 5
	p.ProbeHandler = probed(api, path)

	return &p
}

func probed(api *dittofs.TLS, path string) corev1.ProbeHandler {
	port := intstr.FromString(v1alpha1.PortAPI)

	switch {
	case api == nil:
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port}}
	case api.ClientCA == "":
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: corev1.URISchemeHTTPS}}
	default:
		return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}
	}
}

func podSecurityContext(s *composite.DittoServer) (*corev1.PodSecurityContext, error) {
	sc := &corev1.PodSecurityContext{
		RunAsNonRoot:        new(true),
		FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}

	// OpenShift refuses each number that is not of the namespace's range, and fills in what is left
	// out.
	if s.Input.PodUser != v1beta1.PodUserAssigned {
		fixUser(sc)
	}

	if err := override(sc, s.Spec.PodSecurityContext); err != nil {
		return nil, err
	}

	const sysctl = "net.ipv4.ip_unprivileged_port_start"

	ports := s.PrivilegedPorts()
	if len(ports) > 0 && !slices.ContainsFunc(sc.Sysctls, func(c corev1.Sysctl) bool { return c.Name == sysctl }) {
		sc.Sysctls = append(sc.Sysctls, corev1.Sysctl{Name: sysctl, Value: strconv.Itoa(int(slices.Min(ports)))})
	}

	return sc, nil
}

// fixUser fills in the user and the groups that are left out.
func fixUser(sc *corev1.PodSecurityContext) {
	// A non-root server could not write to a fresh volume without the group of its files.
	for _, id := range []**int64{&sc.RunAsUser, &sc.RunAsGroup, &sc.FSGroup} {
		if *id == nil {
			*id = ptr.To[int64](dittofs.ID)
		}
	}
}

func securityContext(s *composite.DittoServer) (*corev1.SecurityContext, error) {
	sc := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		ReadOnlyRootFilesystem:   new(true),
	}
	if podrules.Escalates(s.Spec.SecurityContext) {
		sc.AllowPrivilegeEscalation = nil
	}

	return sc, override(sc, s.Spec.SecurityContext)
}

// override sets the fields of a default that the user sets, and leaves the others.
// That is what decoding JSON into a value does, at every depth.
func override[T any](def, user *T) error {
	if user == nil {
		return nil
	}

	b, err := json.Marshal(user)
	if err != nil {
		return fmt.Errorf("cannot marshal %T: %w", user, err)
	}

	if err := json.Unmarshal(b, def); err != nil {
		return fmt.Errorf("cannot unmarshal %T: %w", user, err)
	}

	return nil
}
