package dittofs

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// sizePattern is a number and a unit, as internal/bytesize of DittoFS takes them,
// in any case: 1024, 512MB, 1.5Gi.
var sizePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?)([A-Za-z]*)$`)

//nolint:gochecknoglobals // A table.
var sizeUnits = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "ki": 1 << 10, "kib": 1 << 10,
	"m": 1e6, "mb": 1e6, "mi": 1 << 20, "mib": 1 << 20,
	"g": 1e9, "gb": 1e9, "gi": 1 << 30, "gib": 1 << 30,
	"t": 1e12, "tb": 1e12, "ti": 1 << 40, "tib": 1 << 40,
}

// ParseSize returns the bytes of a size as every DittoFS release understands it:
// 1GB is 10^9 and 1Gi, Kubernetes' spelling, is 2^30. A size that is malformed,
// zero or does not fit 63 bits is an error.
func ParseSize(s string) (int64, error) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("must be a size such as 1Gi or 1GB")
	}

	unit, ok := sizeUnits[strings.ToLower(m[2])]
	if !ok {
		return 0, errors.New("must have one of the units B, K, Ki, M, Mi, G, Gi, T and Ti, with or without a B")
	}

	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, errors.New("must be a size such as 1Gi or 1GB")
	}

	switch size := n * unit; {
	case size < 1:
		return 0, errors.New("must be at least one byte")
	case size >= math.MaxInt64:
		return 0, errors.New("must fit 63 bits")
	default:
		return int64(size), nil
	}
}
