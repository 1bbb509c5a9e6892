// Package digest computes the rollout digest: what it covers restarts a server,
// and nothing else does.
package digest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/dittofs/function-dittoserver/input/v1beta1"
	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/protostruct"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// Inputs of the rollout digest of a server, besides config.yaml.
type Inputs struct {
	server  *composite.DittoServer
	secrets secret.Secrets

	// generation is the one of new digests.
	generation []byte

	ran Ran
}

// Ran is what is known of the digests of pods that run.
type Ran struct {
	// Digests on the pod templates that were asked last, or are live.
	Digests []string

	// Whole is a digest over the whole spec, and Same the one that does without the storage,
	// over the same inputs. Both are "" where none is known.
	Whole, Same string
}

// For returns the inputs of a server's rollout digest.
func For(s *composite.DittoServer, secrets secret.Secrets, ran Ran) Inputs {
	return Inputs{server: s, secrets: secrets, generation: Generation(s), ran: ran}
}

// Of returns the rollout digest over config.yaml, or "" unless every Secret is there:
// there is no digest over half of the inputs. It is the digest of a pod that runs, if that covers
// the same: an upgrade of this function restarts nothing, nor does a change of the storage after it.
func (i Inputs) Of(config []byte) string {
	if i.secrets.State != secret.There {
		return ""
	}

	is := sum(config, i.secrets.Values, i.generation)

	switch {
	case i.ran.Whole != "" && i.ran.Same == is && slices.Contains(i.ran.Digests, i.ran.Whole):
		return i.ran.Whole
	case len(i.ran.Digests) == 0 || slices.Contains(i.ran.Digests, is):
		return is
	}

	for _, notCovered := range [][]string{restartless, notInGeneration} {
		if was := i.earlier(config, notCovered); was != "" && slices.Contains(i.ran.Digests, was) {
			return was
		}
	}

	return is
}

// Same returns the digest that does without the storage, where a digest over config.yaml covers the
// whole spec. It returns "" if it does not, or if that is not known: the spec may have changed since.
func (i Inputs) Same(digest string, config []byte) string {
	switch {
	case i.secrets.State != secret.There || digest == "":
		return ""
	case digest == i.ran.Whole:
		return i.ran.Same
	case digest != i.earlier(config, restartless):
		return ""
	default:
		return sum(config, i.secrets.Values, i.generation)
	}
}

// earlier returns the digest of an earlier version of this function, whose generation covered all of the user's
// spec but some fields. It returns "" if that is not another generation than today's. A pod that runs keeps the
// digest that it has. First, the storage was covered. Then it was not, but an object that nothing is left in was.
func (i Inputs) earlier(config []byte, notCovered []string) string {
	if i.server.Input.ConfigHash.Generation != v1beta1.GenerationSpec {
		return ""
	}

	was := spec(i.server, notCovered...)
	if bytes.Equal(was, i.generation) {
		return ""
	}

	return sum(config, i.secrets.Values, was)
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
// of the user's spec, a number, or nothing. No pod is another one for the sizes and classes of its
// volume claims: Kubernetes changes them beside it, or not at all.
func Generation(s *composite.DittoServer) []byte {
	switch s.Input.ConfigHash.Generation {
	case v1beta1.GenerationNone:
		return nil
	case v1beta1.GenerationMetadata:
		return []byte(strconv.FormatInt(s.Generation, 10))
	case v1beta1.GenerationSpec:
	}

	user := without(s, notInGeneration...)

	// Somebody who takes a field back may leave the object that it was in.
	for _, f := range restartless {
		parent, _, isBelow := strings.Cut(f, ".")
		if object := user.GetFields()[parent].GetStructValue(); isBelow && object != nil && len(object.GetFields()) == 0 {
			delete(user.GetFields(), parent)
		}
	}

	return protostruct.JSON(structpb.NewStructValue(user))
}

// restartless are the fields that no generation ever covered, since they touch no pod: stopping
// a server changes nothing for the next one, and neither does who decides on restarts, or an
// object beside the StatefulSet. Settings of identity providers that restart a server are in
// config.yaml, in the pod template or in a Secret.
//
//nolint:gochecknoglobals // A table.
var restartless = []string{"annotations", "api.route", "identity.kerberos", "identity.ldap", "labels", "metrics.serviceMonitor", "networkPolicy", "podDisruptionBudget", "portmapper", "replicas", "rollout", "service.ipFamilies", "service.ipFamilyPolicy"}

// notInGeneration are the fields that today's generation does not cover.
//
//nolint:gochecknoglobals // A table.
var notInGeneration = append([]string{"storage"}, restartless...)

// spec returns canonical JSON of the user's spec without some of its fields.
func spec(s *composite.DittoServer, fields ...string) []byte {
	return protostruct.JSON(structpb.NewStructValue(without(s, fields...)))
}

// without returns the user's spec without some of its fields.
func without(s *composite.DittoServer, fields ...string) *structpb.Struct {
	user := &structpb.Struct{Fields: maps.Clone(s.UserSpec.GetFields())}

	for _, f := range fields {
		path := strings.Split(f, ".")
		if protostruct.Get(user, path...) == nil {
			continue
		}

		user = protostruct.With(user, nil, path...)

		// An object that has nothing else would not be there either.
		if parent := path[:len(path)-1]; len(parent) > 0 && len(protostruct.Get(user, parent...).GetStructValue().GetFields()) == 0 {
			user = protostruct.With(user, nil, parent...)
		}
	}

	return user
}
