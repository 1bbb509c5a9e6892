// Package quantity parses Kubernetes quantities in bounded time.
package quantity

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/dittofs/function-dittoserver/apis/v1alpha1"
)

// errTooLong refuses quantities of a million digits, which take seconds.
var errTooLong = fmt.Errorf("must have at most %d characters", v1alpha1.MaxQuantityLength)

// hugeExponent is one of three digits or more.
var hugeExponent = regexp.MustCompile(`[eE][-+]?[0-9]{3}`)

// errHugeExponent refuses quantities such as 1e-999999999, which take minutes:
// resource.ParseQuantity computes every digit.
var errHugeExponent = errors.New("must have an exponent of at most two digits")

// Parse returns the quantity of a text, as decoding JSON does: spaces around it do not
// count.
func Parse(text string) (resource.Quantity, error) {
	if len(text) > v1alpha1.MaxQuantityLength {
		return resource.Quantity{}, errTooLong
	}

	if hugeExponent.MatchString(text) {
		return resource.Quantity{}, errHugeExponent
	}

	return resource.ParseQuantity(strings.TrimSpace(text))
}
