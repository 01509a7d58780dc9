package scim

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID returns a new id: a UUID of version 7 (RFC 9562 §5.7), whose text sorts by the
// millisecond it was made in.
func NewID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails, by its own documentation
	ms := time.Now().UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80

	text := make([]byte, 0, 36)
	for i, from := range []int{0, 4, 6, 8, 10} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, u[from:[]int{4, 6, 8, 10, 16}[i]])
	}
	return string(text)
}
