package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// The space of blocks holds "b<number>" for each block, in headKey the number of the newest, and in
// anchorKey what is left of those that were removed when their time was over.
const (
	blockSpace = "audit"
	headKey    = "head"
	anchorKey  = "anchor"

	purposeSeal   = "rollcall audit seal v1"
	purposeAnchor = "rollcall audit anchor v1"
)

func blockKey(n uint64) string { return fmt.Sprintf("b%016d", n) }

// header is what the HMAC of a block is over.
type header struct {
	N     uint64    `json:"n"`
	Chain string    `json:"chain"` // random, of the first block
	Prev  []byte    `json:"prev,omitempty"`
	At    time.Time `json:"at"`
	// First and Last are the numbers of the changes; Last is one below First where there are none.
	First scim.Version `json:"first"`
	Last  scim.Version `json:"last"`
	Lines int          `json:"lines"` // events
	// Keep and Images are how many changes the feed kept then, and how many their images.
	Keep   uint64 `json:"keep"`
	Images uint64 `json:"images"`
	Root   []byte `json:"root"` // over every commitment
	Key    string `json:"kid"`
}

// block is a block, read.
type block struct {
	header
	text    []byte // the header as it was written
	MAC     []byte
	Changes []mark
	Events  []line
}

// stored is a block as it is kept.
type stored struct {
	Header json.RawMessage `json:"h"`
	MAC    []byte          `json:"mac"`
	Marks  []byte          `json:"d,omitempty"`
	Lines  []line          `json:"l,omitempty"`
}

// mark is what a block has of one change.
type mark struct {
	Salt       [saltLen]byte // zero: erased
	Personal   [sha256.Size]byte
	Commitment [sha256.Size]byte
}

const (
	saltLen = 16
	markLen = saltLen + 2*sha256.Size
)

// line is an event as it is kept. Personal and Salt go when the person is erased.
type line struct {
	Body     json.RawMessage `json:"b"` // an event
	Salt     []byte          `json:"s,omitempty"`
	Hash     []byte          `json:"p"`
	Personal json.RawMessage `json:"v,omitempty"`
}

func newLine(e event, personal map[string]string) (line, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return line{}, err
	}
	if len(body) > maxDetail {
		return line{}, scim.Errorf(scim.ErrTooLarge, "an event of the audit is larger than %d bytes", maxDetail)
	}
	l := line{Body: body}
	if len(personal) > 0 {
		if l.Personal, err = json.Marshal(personal); err != nil {
			return line{}, err
		}
	}
	salt := newSalt()
	hash := salted(salt, l.Personal)
	l.Salt, l.Hash = salt[:], hash[:]
	return l, nil
}

func (l *line) event() (event, error) {
	var e event
	if err := json.Unmarshal(l.Body, &e); err != nil {
		return e, scim.Errorf(scim.ErrCorrupt, "an event of the audit cannot be read: %v", err)
	}
	return e, nil
}

func (l *line) commitment() [sha256.Size]byte { return commit(l.Body, l.Hash) }

func newSalt() (salt [saltLen]byte) {
	_, _ = rand.Read(salt[:]) // it never fails
	return salt
}

// salted is the hash of what is about a person.
func salted(salt [saltLen]byte, personal []byte) [sha256.Size]byte {
	return sha256.Sum256(append(salt[:], personal...))
}

// commit is the commitment to something that has a public part, and the hash of a personal one.
func commit(public, personal []byte) [sha256.Size]byte {
	text := binary.AppendUvarint(make([]byte, 0, len(public)+len(personal)+8), uint64(len(public)))
	return sha256.Sum256(append(append(text, public...), personal...))
}

func markOf(e *store.Evidence) mark {
	m := mark{Salt: newSalt()}
	m.Personal = salted(m.Salt, e.Personal())
	m.Commitment = commit(e.Public(), m.Personal[:])
	return m
}

// root is the hash over everything that a block commits to, in order.
func root(marks []mark, lines []line) []byte {
	h := sha256.New()
	for i := range marks {
		h.Write(marks[i].Commitment[:])
	}
	for i := range lines {
		c := lines[i].commitment()
		h.Write(c[:])
	}
	return h.Sum(nil)
}

func macOf(key, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil)
}

// encode is the block as it is kept.
func (b *block) encode() ([]byte, error) {
	marks := make([]byte, 0, len(b.Changes)*markLen)
	for i := range b.Changes {
		m := &b.Changes[i]
		marks = append(append(append(marks, m.Salt[:]...), m.Personal[:]...), m.Commitment[:]...)
	}
	return json.Marshal(stored{b.text, b.MAC, marks, b.Events})
}

func parseBlock(n uint64, value []byte) (*block, error) {
	var s stored
	b := &block{}
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, unreadable(n)
	}
	if err := json.Unmarshal(s.Header, &b.header); err != nil || b.N != n || len(s.Marks)%markLen != 0 {
		return nil, unreadable(n)
	}
	b.text, b.MAC, b.Events = s.Header, s.MAC, s.Lines
	for r := s.Marks; len(r) > 0; r = r[markLen:] {
		var m mark
		copy(m.Salt[:], r)
		copy(m.Personal[:], r[saltLen:])
		copy(m.Commitment[:], r[saltLen+sha256.Size:])
		b.Changes = append(b.Changes, m)
	}
	if len(b.Changes) != int(b.Last+1-b.First) || len(b.Events) != b.Lines {
		return nil, unreadable(n)
	}
	return b, nil
}

func unreadable(n uint64) error {
	return scim.Errorf(scim.ErrCorrupt, "block %d of the audit cannot be read", n)
}

// proved tells whether the block's HMAC and root are right.
func (b *block) proved(key []byte) bool {
	return hmac.Equal(macOf(key, b.text), b.MAC) && bytes.Equal(root(b.Changes, b.Events), b.Root)
}

// readBlock is a block, and its text; nil for none.
func (c *chain) readBlock(ctx context.Context, n uint64) (*block, []byte, error) {
	value, err := c.store.KV(blockSpace).Get(ctx, blockKey(n))
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := parseBlock(n, value)
	return b, value, err
}

// headNumber is the number of the newest block, as far as it was noted; 0 for none.
func (c *chain) headNumber(ctx context.Context) (uint64, error) {
	text, err := c.store.KV(blockSpace).Get(ctx, headKey)
	if errors.Is(err, scim.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0, scim.Errorf(scim.ErrCorrupt, "the head of the audit is no number")
	}
	return n, nil
}

// newest reads the newest block, nil for none: what was noted of it may be one behind.
func (c *chain) newest(ctx context.Context) (*block, error) {
	n, err := c.headNumber(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.readAnchor(ctx)
	if err != nil {
		return nil, err
	}
	n = max(n, a.N)
	last, _, err := c.readBlock(ctx, n)
	for ; err == nil && last == nil && n > a.N+1; n-- { // somebody has cut it off
		last, _, err = c.readBlock(ctx, n-1)
	}
	if err != nil {
		return nil, err
	}
	if last != nil {
		n = last.N
	}
	for {
		b, _, err := c.readBlock(ctx, n+1)
		if err != nil || b == nil {
			return last, err
		}
		last, n = b, n+1
	}
}

// anchor takes the place of blocks that were removed.
type anchor struct {
	N     uint64       `json:"n"` // the last of them
	Chain string       `json:"chain"`
	Last  scim.Version `json:"last"` // change
	MAC   []byte       `json:"mac"`  // of that block
	At    time.Time    `json:"at"`
	Key   string       `json:"kid"`
	Seal  []byte       `json:"seal,omitempty"` // HMAC over the rest
}

func (a anchor) sealed(key []byte) ([]byte, error) {
	a.Seal = nil
	text, err := json.Marshal(a)
	return macOf(key, text), err
}

// readAnchor is the anchor, zero for none.
func (c *chain) readAnchor(ctx context.Context) (anchor, error) {
	var a anchor
	text, err := c.store.KV(blockSpace).Get(ctx, anchorKey)
	if errors.Is(err, scim.ErrNotFound) {
		return a, nil
	}
	if err == nil && json.Unmarshal(text, &a) != nil {
		err = scim.Errorf(scim.ErrCorrupt, "the anchor of the audit cannot be read")
	}
	return a, err
}
