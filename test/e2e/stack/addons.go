package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
)

// addonsCommand plays what a cloud brings along: a provisioner of volumes and a load
// balancer.
type addonsCommand struct{}

// period at which the add-ons look for work.
const period = 500 * time.Millisecond

// Run the add-ons until they are told to stop.
func (addonsCommand) Run(s stack) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	client, err := clientFor(s)
	if err != nil {
		return err
	}

	ticker := time.NewTicker(period)
	defer ticker.Stop()

	for {
		if err := errors.Join(ensureStorageClass(ctx, client), provideVolumes(ctx, client, s.Dir), provideLoadBalancers(ctx, client)); err != nil {
			fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), err)
		}

		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func clientFor(s stack) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		return nil, err
	}

	config.QPS, config.Burst = 100, 200

	return kubernetes.NewForConfig(config)
}

func ensureStorageClass(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta:           metav1.ObjectMeta{Name: storageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner:          noProvisioner,
		AllowVolumeExpansion: new(true),
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}

	return err
}

// provideVolumes makes a folder of this machine a local volume for each claim that
// waits for one. Local volumes honour fsGroup, as those of a cloud do and host paths
// do not.
func provideVolumes(ctx context.Context, client kubernetes.Interface, dir Dir) error {
	claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}

	classes, err := provided(ctx, client)
	if err != nil {
		return err
	}

	for _, claim := range claims.Items {
		class := ptr.Deref(claim.Spec.StorageClassName, "")
		if _, isProvided := classes[class]; !isProvided || claim.Status.Phase != corev1.ClaimPending {
			continue
		}

		folder := dir.Path("volumes", claim.Namespace, claim.Name+"-"+string(claim.UID))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}

		_, err := client.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "claim-" + string(claim.UID)},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:                      claim.Spec.Resources.Requests,
				AccessModes:                   claim.Spec.AccessModes,
				StorageClassName:              class,
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
				PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
				NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{nodeName}}},
				}}}},
			},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}

	return expandVolumes(ctx, client, classes, claims.Items)
}

// provided returns the storage classes that have no provisioner of their own, and whether their claims may
// grow.
func provided(ctx context.Context, client kubernetes.Interface) (map[string]bool, error) {
	list, err := client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}

	classes := map[string]bool{}

	for _, c := range list.Items {
		if c.Provisioner == noProvisioner {
			classes[c.Name] = ptr.Deref(c.AllowVolumeExpansion, false)
		}
	}

	return classes, nil
}

// noProvisioner is of classes whose volumes an administrator makes.
const noProvisioner = "kubernetes.io/no-provisioner"

// expandVolumes grows what a claim of the classes asks to grow. A folder has no size of its
// own.
func expandVolumes(ctx context.Context, client kubernetes.Interface, classes map[string]bool, claims []corev1.PersistentVolumeClaim) error {
	for _, claim := range claims {
		if !classes[ptr.Deref(claim.Spec.StorageClassName, "")] {
			continue
		}

		want, have := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
		if claim.Status.Phase != corev1.ClaimBound || want.Cmp(have) <= 0 {
			continue
		}

		claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: want}
		if _, err := client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, &claim, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}

	return nil
}

// provideLoadBalancers gives each Service of that type an address, which kube-proxy
// serves on the node.
func provideLoadBalancers(ctx context.Context, client kubernetes.Interface) error {
	services, err := client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}

	var taken []string

	for _, s := range services.Items {
		for _, ingress := range s.Status.LoadBalancer.Ingress {
			taken = append(taken, ingress.IP)
		}
	}

	for _, s := range services.Items {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer || len(s.Status.LoadBalancer.Ingress) > 0 || s.Spec.LoadBalancerClass != nil {
			continue
		}

		address, err := freeAddress(taken)
		if err != nil {
			return err
		}

		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address}}
		if _, err := client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, &s, metav1.UpdateOptions{}); err != nil {
			return err
		}

		taken = append(taken, address)
	}

	return nil
}

func freeAddress(taken []string) (string, error) {
	addresses := netip.MustParsePrefix(loadBalancerRange)
	for a := addresses.Addr().Next(); addresses.Contains(a); a = a.Next() {
		if !slices.Contains(taken, a.String()) {
			return a.String(), nil
		}
	}

	return "", errors.New("no address left in " + loadBalancerRange)
}
