// Package digest computes the rollout digest: what it covers restarts a server,
// and nothing else does.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"strconv"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Inputs of the rollout digest of a server, besides config.yaml.
type Inputs struct {
	secrets    secret.Secrets
	generation []byte
}

// For returns the inputs of a server's rollout digest.
func For(s *composite.DittoServer, secrets secret.Secrets) Inputs {
	return Inputs{secrets: secrets, generation: Generation(s)}
}

// Of returns the rollout digest over config.yaml, or "" unless every Secret is there:
// there is no digest over half of the inputs.
func (i Inputs) Of(config []byte) string {
	if i.secrets.State != secret.There {
		return ""
	}

	return sum(config, i.secrets.Values, i.generation)
}

// sum returns the rollout digest as lower-case hexadecimal SHA-256 over
// config.yaml, the role, key and value of each Secret key, and the generation, in
// this order.
//
// The JWT secret, which has at least 32 bytes, is always among them, so that
// nobody can guess a weak password from the digest.
func sum(config []byte, secrets []secret.Value, generation []byte) string {
	h := sha256.New()

	frame(h, config)

	for _, s := range secrets {
		frame(h, []byte(s.Role))
		frame(h, []byte(s.Key))
		frame(h, s.Data)
	}

	frame(h, generation)

	return hex.EncodeToString(h.Sum(nil))
}

// frame writes a field after its length, so that different lists of fields never give
// the same bytes.
func frame(h hash.Hash, b []byte) {
	// A hash never returns an error.
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
	_, _ = h.Write(b)
}

// Generation returns what the function's input takes for the generation: canonical JSON
// of the user's spec, a number, or nothing.
func Generation(s *composite.DittoServer) []byte {
	switch s.Input.ConfigHash.Generation {
	case v1beta1.GenerationNone:
		return nil
	case v1beta1.GenerationMetadata:
		return []byte(strconv.FormatInt(s.Generation, 10))
	case v1beta1.GenerationSpec:
	}

	// Stopping a server changes nothing for the next pod, and neither does who
	// decides on restarts.
	user := maps.Clone(s.UserSpec.GetFields())
	delete(user, "replicas")
	delete(user, "rollout")

	return protostruct.JSON(structpb.NewStructValue(&structpb.Struct{Fields: user}))
}
