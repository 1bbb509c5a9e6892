package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"

	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/report"
	"github.com/dittofs/function-dittoserver/test/cluster"
)

// A server is what must not change without a person: the release and the database of what runs.
type server struct {
	// Version is "" where that does not matter.
	Version, Database string
}

// serverOf returns the server that the pods of a StatefulSet run.
func serverOf(s *structpb.Struct) server {
	c := containerOf(s)
	_, version, _ := strings.Cut(protostruct.Get(c, "image").GetStringValue(), ":v")

	var config struct {
		Database struct {
			Type   string `json:"type"`
			SQLite struct {
				Path string `json:"path"`
			} `json:"sqlite"`
			Postgres map[string]any `json:"postgres"`
		} `json:"database"`
	}

	// Other checks report what is not YAML.
	_ = yaml.Unmarshal([]byte(protostruct.Get(s, "spec", "template", "metadata", "annotations", "dittofs.io/config").GetStringValue()), &config)

	if config.Database.Type != "postgres" {
		return server{version, "sqlite " + config.Database.SQLite.Path}
	}

	refs := map[string]string{}

	for _, e := range protostruct.Get(c, "env").GetListValue().GetValues() {
		if setting, ok := strings.CutPrefix(protostruct.Get(e.GetStructValue(), "name").GetStringValue(), "DITTOFS_DATABASE_POSTGRES_"); ok {
			ref := protostruct.Get(e.GetStructValue(), "valueFrom", "secretKeyRef").GetStructValue()
			refs[strings.ToLower(setting)] = protostruct.Get(ref, "name").GetStringValue() + "/" + protostruct.Get(ref, "key").GetStringValue()
		}
	}

	settings := []string{"postgres"}

	for _, setting := range located {
		if ref := refs[setting]; ref != "" {
			settings = append(settings, ref)
		} else {
			settings = append(settings, fmt.Sprint(config.Database.Postgres[setting]))
		}
	}

	return server{version, strings.Join(settings, " ")}
}

// located are the settings that tell where a PostgreSQL database is.
var located = []string{"host", "port", "database"}

// texts that a key of a Secret may have, and that a spec may have instead.
var texts = map[string][]string{
	"db/host":       {"db.example.org"},
	"db/port":       {"5432", "5433"},
	"db/other-port": {"5434"},
	"db/database":   {"dittofs-example"},
}

// isSameDatabase reports whether two databases may be the same: a value may have moved from a
// Secret into the spec, or back.
func isSameDatabase(a, b string) bool {
	as, bs := strings.Fields(a), strings.Fields(b)
	if len(as) != len(bs) {
		return false
	}

	for i := range as {
		if as[i] != bs[i] && !slices.Contains(texts[as[i]], bs[i]) && !slices.Contains(texts[bs[i]], as[i]) {
			return false
		}
	}

	return true
}

// wanted is the server that a spec asks for.
func wanted(spec *structpb.Struct) server {
	want := server{Version: protostruct.Get(spec, "version").GetStringValue(), Database: "sqlite /data/controlplane/controlplane.db"}

	if _, tag, ok := strings.Cut(protostruct.Get(spec, "image").GetStringValue(), ":v"); ok {
		want.Version = tag
	}

	if path := protostruct.Get(spec, "database", "sqlite", "path").GetStringValue(); path != "" {
		want.Database = "sqlite " + path
	}

	if name := protostruct.Get(spec, "database", "postgres", "secretRef", "name").GetStringValue(); name != "" {
		want.Database = "postgres"

		for _, setting := range located {
			key := setting
			if k := protostruct.Get(spec, "database", "postgres", "keys", setting).GetStringValue(); k != "" {
				key = k
			}

			if v := protostruct.Get(spec, "database", "postgres", setting); v != nil {
				want.Database += " " + fmt.Sprint(v.AsInterface())
			} else {
				want.Database += " " + name + "/" + key
			}
		}
	}

	return want
}

// isDangerous reports whether a server may lose the data of the one that ran before it: on
// another database, as an older release, or as one that nobody knows.
func (s server) isDangerous(before server) bool {
	if !isSameDatabase(s.Database, before.Database) {
		return true
	}

	to, err := version.ParseSemantic(s.Version)
	from, fromErr := version.ParseSemantic(before.Version)

	return err == nil && (fromErr == nil && to.LessThan(from) || minorOf(to).GreaterThan(newestMinor) && (fromErr != nil || minorOf(to).GreaterThan(minorOf(from))))
}

// newestMinor is the newest known minor release.
var newestMinor = minorOf(version.MustParseSemantic(dittofs.Newest))

func minorOf(v *version.Version) *version.Version {
	return version.MajorMinor(v.Major(), v.Minor())
}

// forget what ran, where nothing is left that could remember it: neither the StatefulSet nor a
// record of the ConfigMap.
func (w *World) forget() {
	record := protostruct.Get(cluster.Asked(w.Composed["configmap"]), "metadata", "annotations", "dittofs.io/ran")
	if w.Composed["statefulset"] == nil && record == nil {
		w.ran = nil
	}
}

// noteApproved notes what a person approves: what the spec asked for when the function told the
// value of its approval.
func (w *World) noteApproved(value string) {
	if s, ok := w.asking[value]; ok {
		w.approvals = append(w.approvals, s)
	}
}

// noteApproval notes which approvals a response asks for.
func (w *World) noteApproval(rsp *fnv1.RunFunctionResponse) {
	if value := approvalIn(Condition(rsp, report.ConfigRolledOut)); value != "" {
		w.asking[value] = wanted(protostruct.Get(w.XR, "spec").GetStructValue())
	}
}

// checkRun checks what a pod that starts now may do to the data of the one before: nothing that
// a person did not approve. An approval is for once.
func (w *World) checkRun(next, live *structpb.Struct) {
	replicas := func(s *structpb.Struct) float64 { return protostruct.Get(s, "spec", "replicas").GetNumberValue() }

	// A running server's volumes stay mounted.
	if live != nil && replicas(live)+protostruct.Get(live, "status", "replicas").GetNumberValue() > 0 && mountsContent(live) && !mountsContent(next) {
		w.failf("the content of a running server is unmounted")
	}

	if replicas(next) == 0 {
		return
	}

	// The live template runs already, with the image that a person gave it, for example.
	now := serverOf(next)
	// Natively, what a person wrote into the pod stays while a change is held, and is put back afterwards.
	isPutBack := w.meddled && now == w.unmeddled

	if w.ran != nil && now.isDangerous(*w.ran) && !isPutBack && (live == nil || now.isDangerous(serverOf(live))) {
		i := slices.IndexFunc(w.approvals, func(s server) bool {
			return s.Database == now.Database && (s.Version == "" || s.Version == now.Version)
		})
		if i < 0 {
			w.failf("%v starts on the data of %v, and nobody approved it", now, *w.ran)
		}

		w.approvals = slices.Delete(w.approvals, i, i+1)
	}

	w.ran = &now
}

func mountsContent(s *structpb.Struct) bool {
	for _, m := range protostruct.Get(containerOf(s), "volumeMounts").GetListValue().GetValues() {
		if protostruct.Get(m.GetStructValue(), "name").GetStringValue() == "content" {
			return true
		}
	}

	return false
}

// refusals are what the API server says of a request that did not go through for sure.
var refusals = []string{" is forbidden: ", " is invalid: ", " denied the request: "}

// checkRefused checks that a change which the API server refused can be taken back: what runs
// needs no approval, and does not restart.
func (w *World) checkRefused(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	o := req.GetObserved().GetResources()["statefulset"].GetResource()
	if o == nil || w.Flavour.Native {
		return
	}

	live, synced := cluster.Live(o), protostruct.Get(o, "status", "conditions").GetListValue().GetValues()
	if containerOf(live) == nil || len(synced) == 0 || protostruct.Get(o, "metadata", "generation").GetNumberValue() != protostruct.Get(synced[0].GetStructValue(), "observedGeneration").GetNumberValue() {
		return
	}

	// Only these come right after a look at what is live.
	message := protostruct.Get(synced[0].GetStructValue(), "message").GetStringValue()
	if !strings.HasPrefix(message, cannotDryRun) && !strings.HasPrefix(message, cannotUpdate) ||
		!slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(message, s) }) {
		return
	}

	spec := protostruct.Get(w.XR, "spec").GetStructValue()
	want, rollout := wanted(spec), Condition(rsp, report.ConfigRolledOut)

	if strings.HasPrefix(rollout, "FALSE/ApprovalRequired") && protostruct.Get(spec, "rollout").GetStringValue() != "Manual" && !want.isDangerous(serverOf(live)) {
		w.failf("what the API server refused never ran, and going back needs an approval: %s", rollout)
	}

	hash := func(s *structpb.Struct) string {
		return protostruct.Get(s, "spec", "template", "metadata", "annotations", "dittofs.io/template-hash").GetStringValue()
	}

	next := cluster.Asked(rsp.GetDesired().GetResources()["statefulset"].GetResource())
	if isMoving := strings.HasPrefix(rollout, "TRUE/") || strings.HasPrefix(rollout, "FALSE/RolloutInProgress"); isMoving && w.madeFor[hash(live)] == w.inputs() && hash(next) != hash(live) {
		w.failf("what the API server refused never ran, and going back restarts the server")
	}
}

// inputs are all that a pod template is made of, but for what is asked already. They are "" where
// that counts.
func (w *World) inputs() string {
	spec := protostruct.Get(w.XR, "spec").GetStructValue().AsMap()
	if spec["version"] == nil {
		return ""
	}

	for _, f := range []string{"crossplane", "claimRef", "compositionRevisionRef", "replicas", "rollout"} {
		delete(spec, f)
	}

	in := []any{spec}
	for _, s := range sorted(w.Secrets) {
		in = append(in, protostruct.Get(s, "data").AsInterface())
	}

	b, err := json.Marshal(in)
	if err != nil {
		w.failf("cannot encode: %v", err)
	}

	return string(b)
}

// noteInputs notes what a pod template was made of.
func (w *World) noteInputs(rsp *fnv1.RunFunctionResponse) {
	next := cluster.Asked(rsp.GetDesired().GetResources()["statefulset"].GetResource())

	hash := protostruct.Get(next, "spec", "template", "metadata", "annotations", "dittofs.io/template-hash").GetStringValue()
	if in := w.inputs(); hash != "" && in != "" && strings.HasPrefix(Condition(rsp, report.ConfigRolledOut), "TRUE/") {
		w.madeFor[hash] = in
	}
}
