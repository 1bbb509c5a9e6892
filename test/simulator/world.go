// Package simulator holds the function to what must always be true, in a simulated control
// plane: Crossplane, provider-kubernetes, the API server, its controllers and people, who do
// what the real ones were seen doing, in any order and by halves. It is a model of its own,
// and shares no rule with the function or with make diff, only the plumbing of package cluster.
package simulator

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
)

// A Flavour is a way in and a way out: how users ask for a server, and how it is
// composed.
type Flavour struct {
	Name string

	// XR is the composite resource but its spec, and machinery the field of the spec
	// that Crossplane writes into.
	XR        string
	machinery string

	// Input of the function.
	Input string

	// Native flavours compose without a provider.
	Native bool
}

// Ways in.
const (
	namespacedXR = `{apiVersion: dittofs.io/v1alpha1, kind: DittoServer, metadata: {name: files, namespace: storage, uid: own}}`

	claimedXR = `{apiVersion: dittofs.io/v1alpha1, kind: XDittoServer, metadata: {name: files-x7k2p, uid: own},
spec: {claimRef: {apiVersion: dittofs.io/v1alpha1, kind: DittoServer, namespace: storage, name: files}}}`
)

// Namespaced is what most servers are: composed as Objects in their own namespace.
var Namespaced = Flavour{Name: "namespaced", XR: namespacedXR, machinery: "crossplane"}

// Flavours are all that there are.
var Flavours = []Flavour{
	Namespaced,
	{Name: "claimed", XR: claimedXR, machinery: "compositionRevisionRef"},
	{Name: "native", XR: namespacedXR, machinery: "crossplane", Input: "{compose: Native}", Native: true},
	{Name: "claimed-native", XR: claimedXR, machinery: "compositionRevisionRef", Input: "{compose: Native}", Native: true},
}

// A World is a control plane around one DittoServer: what the user wrote, what
// Crossplane and provider-kubernetes made of it, and the pod that runs. It does
// what they were seen doing, in any order and by halves.
type World struct {
	T        testing.TB
	Function Function
	Flavour  Flavour

	rand *rand.Rand

	// XR is the composite resource as it is stored.
	XR *structpb.Struct

	// Input of the function.
	Input *structpb.Struct

	// Secrets by name.
	Secrets map[string]*structpb.Struct

	// Kinds are the CustomResourceDefinitions that Crossplane may look for.
	Kinds []*structpb.Struct

	// Composed resources by their name: Objects, or what is live.
	Composed map[string]*structpb.Struct

	// leaving are composed resources that are being deleted, and that Crossplane has
	// forgotten.
	leaving map[string]*structpb.Struct

	// Live Kubernetes objects by the name of their composed resource.
	Live map[string]*structpb.Struct

	// Claims are the PersistentVolumeClaims by the name of the composed resource that stands for
	// them. Nobody but people deletes one, and nobody but the StatefulSet's controller creates one.
	Claims map[string]*structpb.Struct

	// sizesLost is set once a person deleted a claim, or what notes their sizes.
	sizesLost bool

	// Fixed is set while the claims' storage class allows no expansion.
	Fixed bool

	// foreign are the live objects that somebody else has under a name of the server's.
	foreign map[string]bool

	// Refused is set while the API server refuses every StatefulSet.
	Refused bool

	// webhooks that are on.
	webhooks map[string]bool

	// tampered is set once a webhook has changed a StatefulSet.
	tampered bool

	// rough worlds have webhooks, answers that are lost and people who delete things.
	rough bool

	// fault of the next request of Crossplane, where it composes natively.
	fault Fault

	// dryRuns are what the provider remembers of its own.
	dryRuns map[string]dryRun

	// created counts objects, for their UIDs.
	created int

	// started is the digest of the pod that started last, and ran the server whose data there
	// are, or nil.
	started string
	ran     *server

	// asking are the servers that the function asked an approval for, by its value, and approvals
	// those that a person approved and that did not start yet.
	asking    map[string]server
	approvals []server

	// said are the texts that a spec has had for what a Secret can say as well.
	said map[string]bool

	// wasAtRest is how the world was when it was last at rest, or nil.
	wasAtRest *quiet

	// madeFor are the inputs that a pod template was made of, by its hash.
	madeFor map[string]string

	// failure is what Crossplane could not apply when it last tried.
	failure string

	// meddled is set while the pod template has what somebody else wrote into it.
	meddled bool

	// unmeddled is what ran before somebody wrote into it.
	unmeddled server

	// changes counts what users did; matched is the count when the pod template last
	// was what the function answered.
	changes, matched int

	// covers is the config.yaml that each digest covers.
	covers map[string]string

	// history tells what happened, for a failure.
	history []string

	calls int

	// log of the last call.
	log *Log
}

// New returns a world around a function, in which nothing is there yet and chance goes by a
// seed.
func New(tb testing.TB, fn Function, seed uint64, f Flavour) *World {
	tb.Helper()

	w := &World{
		T:        tb,
		Flavour:  f,
		Function: fn,
		rand:     rand.New(rand.NewPCG(seed, seed)),
		Secrets:  map[string]*structpb.Struct{},
		Composed: map[string]*structpb.Struct{},
		leaving:  map[string]*structpb.Struct{},
		Live:     map[string]*structpb.Struct{},
		Claims:   map[string]*structpb.Struct{},
		covers:   map[string]string{},
		foreign:  map[string]bool{},
		webhooks: map[string]bool{},
		dryRuns:  map[string]dryRun{},
		asking:   map[string]server{},
		said:     map[string]bool{},
		madeFor:  map[string]string{},
		matched:  -1,
		log:      &Log{TB: tb},
	}

	w.Function.FunctionRunnerServiceServer = fn.WithLog(w.log.Logger())

	if f.Input != "" {
		w.Input = protostructtest.FromYAML(tb, f.Input)
	}

	return w
}

func (w *World) didf(format string, a ...any) {
	w.history = append(w.history, fmt.Sprintf(format, a...))
}

func (w *World) failf(format string, a ...any) {
	w.T.Helper()
	w.T.Fatalf("%s\nhistory:\n  %s", fmt.Sprintf(format, a...), strings.Join(w.history, "\n  "))
}

// Settle lets everybody work until nothing changes any more, and returns the last
// response.
func (w *World) Settle() *fnv1.RunFunctionResponse {
	var last []byte

	for range 20 {
		rsp := w.Reconcile(len(w.Composed) + 10)

		for range 2 {
			for _, name := range w.provided() {
				w.Provide(name)
			}

			w.Control()
		}

		state := Encoded(w.Request(nil))
		if bytes.Equal(last, append(Encoded(rsp), state...)) {
			return rsp
		}

		last = append(Encoded(rsp), state...)
	}

	w.failf("the world never settles")

	return nil
}

func (w *World) isStopped() bool {
	s := w.Live["statefulset"]
	return s == nil || protostruct.Get(s, "spec", "replicas").GetNumberValue() == 0 && protostruct.Get(s, "status", "replicas").GetNumberValue() == 0
}

func configOf(o *structpb.Struct, path ...string) string {
	return protostruct.Get(o, append(slices.Clone(path), "data", "config.yaml")...).GetStringValue()
}

// Encoded returns a message as bytes, always the same ones.
func Encoded(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}

	return b
}
