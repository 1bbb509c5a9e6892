package manifest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
	"github.com/dittofs/function-dittoserver/internal/composite"
)

// extraVolumes returns the volumes that the user asks for, and their mounts. The kubelet starts
// no pod without one of the files.
func extraVolumes(s *composite.DittoServer) ([]corev1.Volume, []corev1.VolumeMount) {
	var (
		volumes []corev1.Volume
		mounts  []corev1.VolumeMount
	)

	for i := range s.Spec.ExtraVolumes {
		v := &s.Spec.ExtraVolumes[i]
		name := composite.ExtraVolumeName(v)

		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: extraSource(v)})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: v.MountPath, ReadOnly: true})
	}

	return volumes, mounts
}

func extraSource(v *v1alpha1.ExtraVolume) corev1.VolumeSource {
	mode := ptr.To[int32](secretFileMode)

	switch {
	case v.Secret != nil:
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: v.Secret.SecretName, Items: keysToPaths(v.Secret.Items), DefaultMode: mode}}
	case v.ConfigMap != nil:
		return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: v.ConfigMap.Name}, Items: keysToPaths(v.ConfigMap.Items), DefaultMode: mode,
		}}
	case v.DownwardAPI != nil:
		return corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: podFiles(v.DownwardAPI.Items), DefaultMode: mode}}
	default:
		// The spec is invalid.
		return corev1.VolumeSource{}
	}
}

func keysToPaths(items []v1alpha1.FileItem) []corev1.KeyToPath {
	paths := make([]corev1.KeyToPath, len(items))
	for i, item := range items {
		paths[i] = corev1.KeyToPath{Key: item.Key, Path: item.Path}
	}

	return paths
}

func podFiles(items []v1alpha1.PodFile) []corev1.DownwardAPIVolumeFile {
	files := make([]corev1.DownwardAPIVolumeFile, len(items))

	for i, item := range items {
		files[i] = corev1.DownwardAPIVolumeFile{Path: item.Path, FieldRef: item.FieldRef, ResourceFieldRef: item.ResourceFieldRef}

		// A volume is the pod's, and so has to name the container.
		if r := item.ResourceFieldRef; r != nil {
			r = r.DeepCopy()
			r.ContainerName = v1alpha1.Container
			files[i].ResourceFieldRef = r
		}
	}

	return files
}
