package protostruct

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kinds has a field of each kind that the package knows, and a few that it does
// not.
type kinds struct {
	metav1.TypeMeta `json:",inline"`
	Embedded

	Inlined inlined `json:",inline"`

	String   string            `json:"string"`
	Named    corev1.PullPolicy `json:"named,omitempty"`
	Bool     bool              `json:"bool"`
	Float    float64           `json:"float"`
	Float32  float32           `json:"float32"`
	Int      int               `json:"int"`
	Int32    int32             `json:"int32"`
	Int64    int64             `json:"int64,omitempty"`
	Map      map[string]string `json:"map"`
	Slice    []string          `json:"slice"`
	Struct   inner             `json:"struct"`
	Structs  []inner           `json:"structs,omitempty"`
	ByName   map[string]inner  `json:"byName,omitempty"`
	Untagged string

	BoolPointer   *bool    `json:"boolPointer,omitempty"`
	IntPointer    *int32   `json:"intPointer,omitempty"`
	FloatPointer  *float64 `json:"floatPointer,omitempty"`
	StringPointer *string  `json:"stringPointer,omitempty"`
	StructPointer *inner   `json:"structPointer,omitempty"`

	Quantity        resource.Quantity   `json:"quantity"`
	QuantityPointer *resource.Quantity  `json:"quantityPointer,omitempty"`
	IntOrString     intstr.IntOrString  `json:"intOrString"`
	IntOrStringPtr  *intstr.IntOrString `json:"intOrStringPtr,omitempty"`
	Limits          corev1.ResourceList `json:"limits,omitempty"`

	Hidden string          `json:"-"`
	Uint   uint            `json:"uint,omitempty"`
	Uints  []uint          `json:"uints,omitempty"`
	UintBy map[string]uint `json:"uintBy,omitempty"`
	Broken *broken         `json:"broken,omitempty"`

	unexported string
}

// Embedded is embedded without a tag.
type Embedded struct {
	FromEmbedded string `json:"fromEmbedded"`
}

type inlined struct {
	FromInlined string `json:"fromInlined"`
}

type inner struct {
	A string            `json:"a,omitempty"`
	N int32             `json:"n,omitempty"`
	M map[string]string `json:"m,omitempty"`
	U uint              `json:"u,omitempty"`
}

// broken knows no JSON, though it says so.
type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return nil, os.ErrInvalid }

// value returns JSON as a protobuf value.
func value(json string) *structpb.Value {
	v := &structpb.Value{}
	if err := v.UnmarshalJSON([]byte(json)); err != nil {
		panic(err)
	}

	return v
}

// document returns a JSON document of testdata.
func document(tb testing.TB, name string) []byte {
	tb.Helper()

	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}

	return b
}

// reference decodes JSON with encoding/json.
func reference[T any](tb testing.TB, b []byte) *T {
	tb.Helper()

	into := new(T)
	if err := json.Unmarshal(b, into); err != nil {
		tb.Fatal(err)
	}

	return into
}
