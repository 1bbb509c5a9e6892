package simulator

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"

	"github.com/dittofs/function-dittoserver/internal/protostruct"
)

// A Log keeps the lines that a function logs, as JSON and as text.
type Log struct {
	TB          testing.TB
	Info, Debug []string
}

// Logger returns a logger that writes into the log.
func (l *Log) Logger() logging.Logger { return logger{log: l} }

// Lines returns all of them.
func (l *Log) Lines() []string { return slices.Concat(l.Info, l.Debug) }

type logger struct {
	log    *Log
	values []any
}

func (l logger) Info(msg string, kv ...any)  { l.log.Info = append(l.log.Info, l.line(msg, kv)) }
func (l logger) Debug(msg string, kv ...any) { l.log.Debug = append(l.log.Debug, l.line(msg, kv)) }

func (l logger) WithValues(kv ...any) logging.Logger {
	return logger{log: l.log, values: slices.Concat(l.values, kv)}
}

func (l logger) line(msg string, kv []any) string {
	words := slices.Concat([]any{msg}, l.values, kv)

	b, err := json.Marshal(words)
	if err != nil {
		l.log.TB.Fatalf("cannot write a line of the log: %v", err)
	}

	return string(b) + fmt.Sprintf(" %+v", words)
}

// SecretIn returns the name and the key of a Secret whose value is in a text, plain, in
// base64 or in hexadecimal, or "" if there is none. It does not look for short values,
// which may be there by chance, nor for those that the spec said itself.
func (w *World) SecretIn(text []byte) string {
	for name, s := range w.Secrets {
		for key, v := range protostruct.Get(s, "data").GetStructValue().GetFields() {
			value, err := base64.StdEncoding.DecodeString(v.GetStringValue())
			if err != nil || len(value) < 8 || w.said[string(value)] {
				continue
			}

			for _, form := range [][]byte{value, []byte(v.GetStringValue()), []byte(hex.EncodeToString(value))} {
				if bytes.Contains(text, form) {
					return name + ", key " + key
				}
			}
		}
	}

	return ""
}
