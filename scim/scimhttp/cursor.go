package scimhttp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"rollcall/scim"
)

// A cursor (RFC 9865) is the position that a page ended at, sealed: it is kept nowhere, any
// replica that has the key can go on from it, and nobody can read the name of a person from
// it or make one up. It is good for one query only, and for a time.

// maxCursor bounds what is looked at: more than any cursor of ours has.
const maxCursor = 2048

// cursorVersion is the first byte of what is sealed.
const cursorVersion = 1

// cursorSealer seals and opens cursors with AES-GCM. The nonce is random: 96 bits are
// enough for 2^32 cursors of one key (NIST SP 800-38D §8.3).
type cursorSealer struct{ aead cipher.AEAD }

// newCursorSealer makes one of a key of 16, 24 or 32 bytes; without a key, of one that ends
// with the process.
func newCursorSealer(key []byte) (*cursorSealer, error) {
	if len(key) == 0 {
		key = make([]byte, 32)
		rand.Read(key) // never fails
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("CursorKey: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("CursorKey: %w", err)
	}
	return &cursorSealer{aead}, nil
}

// queryHash is what a cursor is good for: everything that the order and the matches depend
// on. How many resources a page has, and what is shown of them, may change on the way.
func (x *exchange) queryHash(q *query, types []string) []byte {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s,", len(s), s) }
	part(x.workspace)
	fmt.Fprintf(h, "%d", len(types))
	for _, t := range types {
		part(t)
	}
	part(q.filter.text)
	part(q.sortBy.text)
	part(strings.ToLower(q.sortOrder.text))
	return h.Sum(nil)
}

// seal makes the cursor of a position. backwards asks for the page in front of it.
func (c *cursorSealer) seal(hash []byte, p *scim.Position, backwards bool, expires time.Time) string {
	text := binary.AppendUvarint([]byte{cursorVersion, bit(p.Keyed) | bit(backwards)<<1}, uint64(expires.Unix()))
	for _, s := range []string{p.Type, p.ID, p.Key} {
		text = append(binary.AppendUvarint(text, uint64(len(s))), s...)
	}
	nonce := make([]byte, c.aead.NonceSize(), c.aead.NonceSize()+len(text)+c.aead.Overhead())
	rand.Read(nonce) // never fails
	// Its alphabet is within the unreserved characters of RFC 3986 §2.3, as RFC 9865 §2 asks.
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nonce, nonce, text, hash))
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

var errCursor = scim.Errorf(errInvalidCursor, "the cursor is not valid for this query; begin again with an empty cursor")

// open reads a cursor of the query that has the hash.
func (c *cursorSealer) open(hash []byte, cursor string, now time.Time) (p *scim.Position, backwards bool, err error) {
	if len(cursor) > maxCursor {
		return nil, false, errCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) < c.aead.NonceSize() {
		return nil, false, errCursor
	}
	n := c.aead.NonceSize()
	text, err := c.aead.Open(nil, sealed[:n], sealed[n:], hash)
	if err != nil || len(text) < 2 || text[0] != cursorVersion {
		return nil, false, errCursor
	}
	flags, rest := text[1], text[2:]
	expires, n := binary.Uvarint(rest)
	if n <= 0 {
		return nil, false, errCursor
	}
	rest = rest[n:]
	var parts [3]string
	for i := range parts {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return nil, false, errCursor
		}
		parts[i] = string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
	}
	if now.Unix() >= int64(expires) {
		return nil, false, scim.Errorf(errExpiredCursor, "the cursor has expired; begin again with an empty cursor")
	}
	p = &scim.Position{Ref: scim.Ref{Type: parts[0], ID: parts[1]}, Key: parts[2], Keyed: flags&1 != 0}
	return p, flags&2 != 0, nil
}
