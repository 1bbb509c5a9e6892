// Package condition reads the conditions of composite resources and of Objects, which
// look the same.
package condition

import (
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Condition of a resource.
type Condition struct {
	// Status is True, False or Unknown.
	Status  string
	Reason  string
	Message string

	// ObservedGeneration is the generation of the resource that the condition describes, or 0
	// if its writer does not set that.
	ObservedGeneration float64
}

// IsTrue reports whether there is a condition, and its status is True.
func (c *Condition) IsTrue() bool { return c != nil && c.Status == "True" }

// IsFalse reports whether there is a condition, and its status is False.
func (c *Condition) IsFalse() bool { return c != nil && c.Status == "False" }

// Of returns the condition of a type that a resource has, or nil if it has none.
func Of(resource *structpb.Struct, typ string) *Condition {
	for _, v := range protostruct.Get(resource, "status", "conditions").GetListValue().GetValues() {
		c := v.GetStructValue()
		if protostruct.Get(c, "type").GetStringValue() != typ {
			continue
		}

		return &Condition{
			Status:             protostruct.Get(c, "status").GetStringValue(),
			Reason:             protostruct.Get(c, "reason").GetStringValue(),
			Message:            strings.TrimSpace(protostruct.Get(c, "message").GetStringValue()),
			ObservedGeneration: protostruct.Get(c, "observedGeneration").GetNumberValue(),
		}
	}

	return nil
}
