// Package gitops holds what the examples tell Argo CD and Flux of DittoServers against
// DittoServers in every state, as TestGoldenStates writes them down: the Lua script with
// the interpreter of Argo CD, and the expressions with that of Flux.
package gitops

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

// examples of GitOps.
const examples = "../../example/gitops"

// Judgements of Argo CD and Flux about an object.
const (
	healthy     = "Healthy"
	progressing = "Progressing"
	suspended   = "Suspended"
	degraded    = "Degraded"

	current    = "Current"
	inProgress = "InProgress"
	failed     = "Failed"
)

// A judgement is how Argo CD and Flux see a DittoServer, and what Argo CD shows.
type judgement struct {
	argo, message, flux string
}

func TestHealth(t *testing.T) {
	cases := map[string]struct {
		reason string
		want   judgement

		// namespaced is the judgement of a namespaced DittoServer, if it differs from that
		// of a claim.
		namespaced judgement
	}{
		"created": {
			reason: "Nobody has seen it.",
			want:   judgement{argo: progressing, message: "Waiting for Crossplane", flux: inProgress},
		},
		"pending": {
			reason: "It is composed, and not there yet.",
			want: judgement{
				argo: progressing, message: "ConfigMapNotReady: The StatefulSet is created once the ConfigMap holds its configuration", flux: inProgress,
			},
		},
		"running": {
			reason: "It is what it should be.",
			want:   judgement{argo: healthy, message: "Running", flux: current},
		},
		"stopped": {
			reason: "It is what it should be.",
			want:   judgement{argo: healthy, message: "Stopped", flux: current},
		},
		"edited": {
			reason: "What is known of it is of before the change.",
			want:   judgement{argo: progressing, message: "Waiting for Crossplane", flux: inProgress},
		},
		"overtaken": {
			reason:     "The function has not seen the change, though Crossplane calls its conditions newer. A claim does not tell.",
			want:       judgement{argo: healthy, message: "Running", flux: current},
			namespaced: judgement{argo: progressing, message: "Waiting for Crossplane", flux: inProgress},
		},
		"rolling": {
			reason: "The change is on its way.",
			want:   judgement{argo: progressing, message: "ConfigMapNotReady: The pod template waits", flux: inProgress},
		},
		"crashed": {
			reason: "The pod may come back.",
			want:   judgement{argo: progressing, message: "Progressing", flux: inProgress},
		},
		"held": {
			reason: "It runs, and a person must approve the change. Flux has no word for that.",
			want:   judgement{argo: suspended, message: "ApprovalRequired: The running server keeps its configuration and pod template until a person approves the change", flux: failed},
		},
		"approved": {
			reason: "Crossplane has not seen the approval. Argo CD's Lua cannot look for it in the message without useOpenLibs.",
			want:   judgement{argo: suspended, message: "ApprovalRequired: The running server keeps its configuration and pod template until a person approves the change", flux: inProgress},
		},
		"approved-before": {
			reason: "What was approved was another change.",
			want:   judgement{argo: suspended, message: "ApprovalRequired: The running server keeps its configuration and pod template until a person approves the change", flux: failed},
		},
		"approved-refused": {
			reason: "An approval hides nothing else that is wrong.",
			want:   judgement{argo: degraded, message: "ReconcileError: cannot apply", flux: failed},
		},
		"frozen": {
			reason: "It runs, and a person must stop and start it.",
			want:   judgement{argo: suspended, message: "Frozen: Kubernetes cannot change some fields of a running server", flux: failed},
		},
		"invalid": {
			reason:     "A person must correct it. A fatal result leaves the status as it was, which Flux waits for.",
			want:       judgement{argo: degraded, message: `Invalid: spec.shutdownTimeout: Invalid value: "soon"`, flux: failed},
			namespaced: judgement{argo: degraded, message: `Invalid: spec.shutdownTimeout: Invalid value: "soon"`, flux: inProgress},
		},
		"secret-missing": {
			reason: "A person must create the Secret.",
			want:   judgement{argo: degraded, message: "Missing: Secret storage/jwt does not exist", flux: failed},
		},
		"refused": {
			reason: "A person must see what the API server has against it.",
			want:   judgement{argo: degraded, message: "NotSynced: Cannot apply statefulset", flux: failed},
		},
		"unreachable": {
			reason:     "A person must see why Crossplane cannot call the function. A claim has no word of it.",
			want:       judgement{argo: degraded, message: "FatalError: A fatal error occurred", flux: failed},
			namespaced: judgement{argo: degraded, message: "ReconcileError: cannot compose resources", flux: failed},
		},
		"paused": {
			reason: "It stays as it is until a person says otherwise.",
			want:   judgement{argo: suspended, message: "ReconcilePaused: Reconciliation is paused", flux: failed},
		},
		"unpaused": {
			reason: "Crossplane has not seen that it may go on.",
			want:   judgement{argo: progressing, message: "Waiting for Crossplane", flux: inProgress},
		},
		"stale": {
			reason: "The phase is newer than the conditions.",
			want:   judgement{argo: progressing, message: "Progressing", flux: inProgress},
		},
		"deleting": {
			reason: "It is not healthy any more.",
			want:   judgement{argo: progressing, message: "Running", flux: inProgress},
		},
	}

	argo, flux := script(argoCD(t)["resource.customizations.health.dittofs.io_DittoServer"]), healthExpressions(t)

	for _, flavour := range []string{"namespaced", "claimed"} {
		files, err := filepath.Glob(filepath.Join("testdata", flavour, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}

		if len(files) != len(cases) {
			t.Errorf("%s: there are %d states, want %d", flavour, len(files), len(cases))
		}

		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")

			t.Run(flavour+"/"+name, func(t *testing.T) {
				tc, ok := cases[name]
				if !ok {
					t.Fatal("nobody says how it should be judged")
				}

				want := tc.want
				if flavour == "namespaced" && tc.namespaced != (judgement{}) {
					want = tc.namespaced
				}

				obj := map[string]any{}
				read(t, file, &obj)

				got := judgement{flux: flux.judge(t, obj)}
				got.argo, got.message = argo.judge(t, obj)

				if strings.HasPrefix(got.message, want.message) {
					got.message = want.message
				}

				if diff := cmp.Diff(want, got, cmp.AllowUnexported(judgement{})); diff != "" {
					t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
				}
			})
		}
	}
}

// TestIgnoreDifferences shows that Argo CD ignores all that Crossplane writes into the spec.
func TestIgnoreDifferences(t *testing.T) {
	rule := struct {
		JSONPointers []string `json:"jsonPointers"`
	}{}
	if err := yaml.UnmarshalStrict([]byte(argoCD(t)["resource.customizations.ignoreDifferences.dittofs.io_DittoServer"]), &rule); err != nil {
		t.Fatal(err)
	}

	running := map[string]any{}
	read(t, "testdata/namespaced/running.yaml", &running)

	cases := map[string]struct {
		reason string
		file   string
		want   any
	}{
		"Namespaced": {"Crossplane's render leaves out what it does not write.", "../../cmd/render/testdata/golden/xr.yaml", map[string]any{}},
		"Claimed":    {"The user's spec is the same.", "testdata/claimed/running.yaml", running["spec"]},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]any{}
			read(t, tc.file, &got)

			if diff := cmp.Diff(tc.want, got["spec"]); diff == "" {
				t.Errorf("%s\nthere is nothing to ignore", tc.reason)
			}

			for _, p := range rule.JSONPointers {
				remove(got, strings.Split(p, "/")[1:])
			}

			if got["spec"] == nil {
				got["spec"] = map[string]any{}
			}

			if diff := cmp.Diff(tc.want, got["spec"]); diff != "" {
				t.Errorf("%s\nspec: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestTracking holds the example to tracking by annotation: by label, Argo CD would prune
// the volume claims of a server that has the name of the Application.
func TestTracking(t *testing.T) {
	if got := argoCD(t)["application.resourceTrackingMethod"]; got != "annotation" {
		t.Errorf("application.resourceTrackingMethod: want annotation, got %q", got)
	}
}

// remove removes a field, and the object around it if that is empty then.
func remove(o map[string]any, path []string) {
	if len(path) == 1 {
		delete(o, path[0])
		return
	}

	if child, ok := o[path[0]].(map[string]any); ok {
		if remove(child, path[1:]); len(child) == 0 {
			delete(o, path[0])
		}
	}
}

// read reads the first object of a YAML file.
func read(t *testing.T, file string, into any) {
	t.Helper()

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	first, _, _ := bytes.Cut(bytes.TrimPrefix(b, []byte("---\n")), []byte("\n---\n"))
	if err := yaml.Unmarshal(first, into); err != nil {
		t.Fatal(err)
	}
}

// argoCD is what the ConfigMap of Argo CD has.
func argoCD(t *testing.T) map[string]string {
	t.Helper()

	cm := struct {
		Data map[string]string `json:"data"`
	}{}
	read(t, filepath.Join(examples, "argocd-cm.yaml"), &cm)

	return cm.Data
}

// A script is one that tells Argo CD of an object's health.
type script string

// judge as Argo CD does, with the libraries that it loads for a script of the user's.
// https://github.com/argoproj/argo-cd/blob/v3.0.0/util/lua/lua.go
func (s script) judge(t *testing.T, obj map[string]any) (string, string) {
	t.Helper()

	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()

	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		l.Push(l.NewFunction(open))
		l.Push(lua.LString(name))
		l.Call(1, 0)
	}

	l.SetGlobal("obj", luaValue(l, obj))

	if err := l.DoString(string(s)); err != nil {
		t.Fatal(err)
	}

	result, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s, want a table", l.Get(-1))
	}

	return lua.LVAsString(result.RawGetString("status")), lua.LVAsString(result.RawGetString("message"))
}

// luaValue is a value of an object as a script sees it.
func luaValue(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	case []any:
		list := l.NewTable()
		for _, e := range v {
			list.Append(luaValue(l, e))
		}

		return list
	case map[string]any:
		table := l.NewTable()
		for k, e := range v {
			table.RawSetString(k, luaValue(l, e))
		}

		return table
	default:
		return lua.LNil
	}
}

// expressions tell Flux of an object's health.
type expressions struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	InProgress string `json:"inProgress"`
	Failed     string `json:"failed"`
	Current    string `json:"current"`
}

func healthExpressions(t *testing.T) expressions {
	t.Helper()

	b, err := os.ReadFile(filepath.Join(examples, "flux.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var found []expressions

	for doc := range bytes.SplitSeq(b, []byte("\n---\n")) {
		k := struct {
			Spec struct {
				HealthCheckExprs []expressions `json:"healthCheckExprs"`
			} `json:"spec"`
		}{}
		if err := yaml.Unmarshal(doc, &k); err != nil {
			t.Fatal(err)
		}

		found = append(found, k.Spec.HealthCheckExprs...)
	}

	if len(found) != 1 || found[0].APIVersion != "dittofs.io/v1alpha1" || found[0].Kind != "DittoServer" {
		t.Fatalf("the example has other expressions: %v", found)
	}

	return found[0]
}

// judge as Flux does: the generation first, then the expressions, in this order. One that
// cannot be evaluated makes it ask again.
// https://github.com/fluxcd/pkg/blob/runtime/v0.103.0/runtime/cel/status_evaluator.go
func (e expressions) judge(t *testing.T, obj map[string]any) string {
	t.Helper()

	metadata := obj["metadata"].(map[string]any)
	if status, ok := obj["status"].(map[string]any); ok && status["observedGeneration"] != nil && status["observedGeneration"] != metadata["generation"] {
		return inProgress
	}

	for _, rule := range []struct{ expression, status string }{{e.InProgress, inProgress}, {e.Failed, failed}, {e.Current, current}} {
		ok, err := evaluate(rule.expression, obj)
		if err != nil && obj["status"] != nil {
			t.Fatal(err)
		}

		if err != nil {
			return inProgress
		}

		if ok {
			return rule.status
		}
	}

	return inProgress
}

// evaluate evaluates an expression with the options of Flux that matter here.
func evaluate(expression string, obj map[string]any) (bool, error) {
	env, err := cel.NewEnv(cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes())
	if err != nil {
		return false, err
	}

	ast, issues := env.Parse(expression)
	if issues.Err() != nil {
		return false, issues.Err()
	}

	program, err := env.Program(ast)
	if err != nil {
		return false, err
	}

	value, _, err := program.Eval(obj)
	if err != nil {
		return false, err
	}

	ok, isBool := value.Value().(bool)
	if !isBool {
		return false, fmt.Errorf("%s is no boolean", expression)
	}

	return ok, nil
}
