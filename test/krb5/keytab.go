// Package krb5 makes keytabs for tests.
package krb5

import (
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// Keytab returns a keytab with a key of each principal, such as nfs/files.example.org@EXAMPLE.ORG. It
// is the same one each time.
func Keytab(principals ...string) []byte {
	kt := keytab.New()

	for _, p := range principals {
		name, realm, _ := strings.Cut(p, "@")

		// Only a kind of encryption that is not known is an error.
		_ = kt.AddEntry(name, realm, "example", time.Unix(0, 0).UTC(), 1, etypeID.AES256_CTS_HMAC_SHA1_96)
	}

	b, _ := kt.Marshal()

	return b
}

// A Key is one of a principal, of an encryption type, with a length in bytes.
type Key struct {
	Principal string
	Type      int32
	Length    int
}

// With returns a keytab with keys.
func With(keys ...Key) []byte {
	kt := keytab.New()

	for _, k := range keys {
		name, realm, _ := strings.Cut(k.Principal, "@")
		// The key itself comes after.
		_ = kt.AddEntry(name, realm, "example", time.Unix(0, 0).UTC(), 1, etypeID.AES256_CTS_HMAC_SHA1_96)

		kt.Entries[len(kt.Entries)-1].Key.KeyType, kt.Entries[len(kt.Entries)-1].Key.KeyValue = k.Type, make([]byte, k.Length)
	}

	b, _ := kt.Marshal()

	return b
}
