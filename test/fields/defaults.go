package fields

import (
	"testing"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/change"
	"github.com/dittofs/function-dittoserver/test/pki"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// Defaults checks that other defaults of the input restart a server only where they reach it, and
// only by what they change of its pod: also under the generation Spec, which covers the user's own
// spec.
func Defaults(t *testing.T, fn simulator.Function) {
	t.Helper()

	cases := map[string]struct {
		reason        string
		before, after string
		want          string
	}{
		"Introduced":  {"Defaults that say nothing change nothing.", "", "{}", stays},
		"Service":     {"A Service is not the pod.", "", "{service: {type: ClusterIP, annotations: {a: b}}}", stays},
		"Storage":     {"Neither are sizes of claims, but of new ones.", "", "{storage: {controlPlaneSize: 2Gi, storageClassName: fast}}", stays},
		"Written out": {"A default that is the function's own changes nothing.", "", "{logging: {level: INFO}}", stays},
		"Overridden":  {"What the user says counts.", "", "{version: 0.28.0, resources: {requests: {cpu: 2}}}", stays},
		"Config":      {"The server reads config.yaml when it starts.", "", "{logging: {level: DEBUG}}", restarts},
		"Pod":         {"The pod is another one.", "{nodeSelector: {a: b}}", "{nodeSelector: {a: c}}", restarts},
		"Removed":     {"It is another one without them, too.", "{nodeSelector: {a: b}, service: {type: ClusterIP}}", "", restarts},
		"Database":    {"What is dangerous waits, whoever says it.", "", "{database: {sqlite: {path: /data/controlplane/other.db}}}", held},
		"Manual":      {"So it does where the defaults ask for that.", "", "{rollout: Manual, logging: {level: DEBUG}}", held},
		"Stopped":     {"The platform can stop servers.", "", "{replicas: 0}", stops},
	}

	served := pki.Authority(t).Issue(t)

	for name, tc := range cases {
		for _, generation := range []v1beta1.Generation{v1beta1.GenerationSpec, v1beta1.GenerationNone} {
			t.Run(name+"/"+string(generation), func(t *testing.T) {
				side := func(defaults string) change.Side {
					input := "{configHash: {generation: " + string(generation) + "}"
					if defaults != "" {
						input += ", defaults: " + defaults
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
