package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// withMetrics is withContent, and metrics at a port that is not the default.
const withMetrics = withContent + `
metrics: {enabled: true, port: 9191}
`

func TestMetricsAreScrapedWhileTheyAreEnabled(t *testing.T) {
	t.Parallel()

	s := servingFiles(t, withMetrics)
	eventually(t, "metrics are scraped", s.scrape)

	if err := s.noMetricsService(t.Context()); err == nil {
		t.Error("the Service for metrics goes unnoticed")
	}

	s.apply(t, withContent)
	eventually(t, "the Service for metrics is gone", s.noMetricsService)
	s.waitRunning(t)
	s.expectFile(t, "first.txt", "first")
}

// noMetricsService returns no error if neither the Service for metrics is there nor a composed
// resource that would create it again.
func (s *server) noMetricsService(ctx context.Context) error {
	err := cluster.Get(ctx, s.key(s.name+"-metrics"), &corev1.Service{})
	if err == nil {
		return errors.New("it is there")
	}

	if !apierrors.IsNotFound(err) {
		return err
	}

	objects, err := s.composed(ctx)
	if err != nil {
		return err
	}

	for _, o := range objects {
		if o.GetAnnotations()["crossplane.io/composition-resource-name"] == "service-metrics" {
			return fmt.Errorf("the composed resource %s is there", o.GetName())
		}
	}

	return nil
}

// scrape reads the metrics as Prometheus does that follows the Service's annotations.
func (s *server) scrape(ctx context.Context) error {
	svc := &corev1.Service{}
	if err := cluster.Get(ctx, s.key(s.name+"-metrics"), svc); err != nil {
		return err
	}

	if svc.Annotations["prometheus.io/scrape"] != "true" {
		return fmt.Errorf("the Service is not to be scraped: %v", svc.Annotations)
	}

	if port := svc.Annotations["prometheus.io/port"]; port != strconv.Itoa(int(svc.Spec.Ports[0].Port)) {
		return fmt.Errorf("the annotation says port %s, the Service %d", port, svc.Spec.Ports[0].Port)
	}

	url := "http://" + net.JoinHostPort(svc.Spec.ClusterIP, svc.Annotations["prometheus.io/port"]) + svc.Annotations["prometheus.io/path"]

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}

	res, err := restClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()

	content, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}

	if res.StatusCode != http.StatusOK || !strings.Contains(string(content), "\ndittofs_build_info{") {
		return fmt.Errorf("%s: %d, no build info of DittoFS in %d bytes", url, res.StatusCode, len(content))
	}

	return nil
}
