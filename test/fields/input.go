package fields

import (
	"testing"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/pki"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// Input checks that another input restarts a server only where it reaches it, and only by what it
// changes of its pod: also under the generation Spec, which covers the user's own spec.
func Input(t *testing.T, fn simulator.Function) {
	t.Helper()

	cases := map[string]struct {
		reason        string
		before, after string
		want          string
	}{
		"Introduced":  {"Defaults that say nothing change nothing.", "", "defaults: {}", stays},
		"Service":     {"A Service is not the pod.", "", "defaults: {service: {type: ClusterIP, annotations: {a: b}}}", stays},
		"Storage":     {"Neither are sizes of claims, but of new ones.", "", "defaults: {storage: {controlPlaneSize: 2Gi, storageClassName: fast}}", stays},
		"Written out": {"A default that is the function's own changes nothing.", "", "defaults: {logging: {level: INFO}}", stays},
		"Overridden":  {"What the user says counts.", "", "defaults: {version: 0.28.0, resources: {requests: {cpu: 2}}}", stays},
		"Config":      {"The server reads config.yaml when it starts.", "", "defaults: {logging: {level: DEBUG}}", restarts},
		"Pod":         {"The pod is another one.", "defaults: {nodeSelector: {a: b}}", "defaults: {nodeSelector: {a: c}}", restarts},
		"Removed":     {"It is another one without them, too.", "defaults: {nodeSelector: {a: b}, service: {type: ClusterIP}}", "", restarts},
		"Database":    {"What is dangerous waits, whoever says it.", "", "defaults: {database: {sqlite: {path: /data/controlplane/other.db}}}", held},
		"Manual":      {"So it does where the defaults ask for that.", "", "defaults: {rollout: Manual, logging: {level: DEBUG}}", held},
		"Assigned":    {"Files are those of the user that the server has.", "", "podUser: Assigned", held},
		"Fixed":       {"Also on the way back.", "podUser: Assigned", "", held},
		"Said":        {"What is chosen as before is no change.", "", "podUser: Fixed", stays},
		"Stopped":     {"The platform can stop servers.", "", "defaults: {replicas: 0}", stops},
	}

	served := pki.Authority(t).Issue(t)

	for name, tc := range cases {
		for _, generation := range []v1beta1.Generation{v1beta1.GenerationSpec, v1beta1.GenerationNone} {
			t.Run(name+"/"+string(generation), func(t *testing.T) {
				side := func(more string) change.Side {
					input := "{configHash: {generation: " + string(generation) + "}"
					if more != "" {
						input += ", " + more
					}

					return change.Side{
						XR: protostructtest.FromYAML(t, restartingServer), Input: protostructtest.FromYAML(t, input+"}"),
						Run: fn.RunFunction, Secrets: restartSecrets(t, "", served),
					}
				}

				c, err := change.Of(t.Context(), side(tc.before), side(tc.after))
				if err != nil {
					t.Fatal(err)
				}

				if got := does(c); got != tc.want {
					t.Errorf("%s\nwant %q, got %q", tc.reason, tc.want, got)
				}
			})
		}
	}
}
