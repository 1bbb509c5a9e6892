package main

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct/protostructtest"
	"github.com/dittofs/function-dittoserver/test/simulator"
)

// A call may cost this at most, for a request of any size and shape. It is several times what
// the worst that is known costs (docs/security.md); what is not linear costs more by far. Memory
// is the same on every run, and time is that of the thread, with the race detector too.
const (
	maxAllocated = 128 << 20
	maxCPU       = 2 * time.Second
)

// FuzzSlow puts one value many times over in one place of a request, up to 1 MB, and bounds what
// the call costs.
func FuzzSlow(f *testing.F) {
	t := &testing.T{}

	item := func(yaml string) []byte {
		b, err := proto.Marshal(structpb.NewStructValue(protostructtest.FromYAML(t, yaml)).GetStructValue().GetFields()["item"])
		if err != nil {
			panic(err)
		}

		return b
	}

	// A resource, a place in it, what is there, and how many bytes of it: items of a list, fields whose
	// names begin so, or, if negative, a text. 0 in a place is the first item of a list. 100 kB are
	// worse than 1 MB where that is refused for its size.
	const size = 100_000

	for _, place := range []string{
		"spec.tolerations", "spec.imagePullSecrets", "spec.extraEnv", "spec.topologySpreadConstraints", "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution",
		"spec.service.file.loadBalancerSourceRanges", "spec.podSecurityContext.sysctls", "metadata.finalizers", "status.conditions",
	} {
		f.Add("", place, "", item("item: {}"), size)
		f.Add("", place, "", item("item: {name: a, key: b}"), size)
	}

	for _, place := range []string{"spec", "spec.podAnnotations", "spec.nodeSelector", "spec.resources.limits", "spec.service.annotations", "metadata.annotations", "status"} {
		f.Add("", place, "example.org/a", item("item: a"), size)
		f.Add("", place, "!", item("item: 1e100"), size)
	}

	for _, place := range []string{"spec.storage.metadataSize", "spec.version", "spec.logging.output", "spec.extraEnv.0.value", "metadata.name"} {
		f.Add("", place, "", []byte("1"), -10*size)
		f.Add("", place, "", []byte("\x00/."), -10*size)
	}

	f.Add("", "spec.topologySpreadConstraints.0.matchLabelKeys", "", item("item: a"), size)
	f.Add("", "spec.tolerations", "", item("item: {}"), 10*size)
	f.Add("secret/jwt", "data", "url", item("item: ''"), 10*size)
	f.Add("secret/jwt", "data.jwt-secret", "", []byte("ICAg"), -10*size)
	f.Add("configmap", "status.atProvider.manifest.data", "a", item("item: a"), size)
	f.Add("statefulset", "spec.forProvider.manifest.spec.volumeClaimTemplates", "", item("item: {metadata: {name: metadata}}"), size)
	f.Add("statefulset", "status.atProvider.manifest.spec.template.spec.containers.0.env", "", item("item: {name: A}"), size)

	f.Add("statefulset", "spec.forProvider.manifest.spec.template.spec.containers.0.image", "", []byte("a"), -10*size)

	w := newServer(t)
	w.Settle()

	usual := w.Request(map[string]*fnv1.ResourceSelector{
		"secret/jwt":   {Match: &fnv1.ResourceSelector_MatchName{MatchName: "jwt"}, Namespace: new("storage")},
		"secret/admin": {Match: &fnv1.ResourceSelector_MatchName{MatchName: "admin"}, Namespace: new("storage")},
	})
	fn := newFunction()

	f.Fuzz(func(t *testing.T, resource, place, key string, item []byte, size int) {
		req := proto.CloneOf(usual)

		r := req.GetObserved().GetResources()[resource]
		if required := req.GetRequiredResources()[resource]; len(required.GetItems()) > 0 {
			r = required.GetItems()[0]
		} else if r == nil {
			r = req.GetObserved().GetComposite()
		}

		large := &structpb.Value{}
		large.ProtoReflect().SetUnknown(repeated(key, item, size))
		r.Resource = placed(structpb.NewStructValue(r.GetResource()), strings.Split(place, "."), large).GetStructValue()

		allocated, cpu := costOf(t, fn, simulator.Encoded(req))
		if allocated > maxAllocated || cpu > maxCPU {
			t.Errorf("f.RunFunction(...): allocates %d bytes in %s: want no more than %d in %s", allocated, cpu, maxAllocated, maxCPU)
		}
	})
}

// repeated returns an encoded value of so many bytes: a list of items, an object of fields whose
// names begin with key, or, if size is negative, a text.
func repeated(key string, item []byte, size int) []byte {
	size = min(max(size, -1_000_000), 1_000_000)
	field := func(num protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
	}

	if size < 0 {
		return field(3, []byte(strings.Repeat(string(item), -size/max(1, len(item)))))
	}

	var all []byte

	for i := 0; len(all) < size; i++ {
		if key == "" {
			all = append(all, field(1, item)...)
		} else {
			all = append(all, field(1, append(field(1, []byte(key+strconv.Itoa(i))), field(2, item)...))...)
		}
	}

	if key == "" {
		return field(6, all)
	}

	return field(5, all)
}

// placed returns a value with another one in a place of it.
func placed(v *structpb.Value, path []string, other *structpb.Value) *structpb.Value {
	if len(path) == 0 {
		return other
	}

	if path[0] == "0" {
		var first *structpb.Value
		if l := v.GetListValue().GetValues(); len(l) > 0 {
			first = l[0]
		}

		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{placed(first, path[1:], other)}})
	}

	s := v.GetStructValue()
	if s == nil {
		s = &structpb.Struct{Fields: map[string]*structpb.Value{}}
	}

	s.Fields[path[0]] = placed(s.GetFields()[path[0]], path[1:], other)

	return structpb.NewStructValue(s)
}

// costOf returns what a call costs from the bytes of its request to those of its response.
func costOf(t *testing.T, fn *Function, b []byte) (allocated uint64, cpu time.Duration) {
	t.Helper()

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cost := func() (uint64, time.Duration) {
		const thread = 1 // RUSAGE_THREAD

		var (
			m runtime.MemStats
			u syscall.Rusage
		)

		runtime.ReadMemStats(&m)

		if err := syscall.Getrusage(thread, &u); err != nil {
			t.Fatal(err)
		}

		return m.TotalAlloc, time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}

	bytesBefore, cpuBefore := cost()
	req := &fnv1.RunFunctionRequest{}

	if err := codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, req); err == nil {
		rsp, err := fn.RunFunction(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}

		if _, err := codec().Marshal(rsp); err != nil {
			t.Fatal(err)
		}
	}

	bytesAfter, cpuAfter := cost()

	return bytesAfter - bytesBefore, cpuAfter - cpuBefore
}
