package redisdb

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// What is known of a feed entry before its commit is executed takes one field of it, e: ids and nonces
// as the bytes that they stand for, which saves a third of the entry. It begins with what follow.lua
// reads too.
//
//	type      length (1 byte), text
//	id        0 and the 16 bytes of a UUID in lower case, or length and text
//	op        store.Op
//	nonce     9 bytes
//	actor     length, text
//	client    length, text
//	request   255 and the 12 bytes of 24 hexadecimal digits, or length and text
//	changed   text, to the end
//
// An entry of a workspace of an older layout has fields for all that instead, and so has one that
// something in it does not fit.

const (
	packedUUID = 0
	packedHex  = 0xff
	hexBytes   = 12
)

var nonceText = base64.RawURLEncoding.Strict()

// packEntry is the field e of a Tx, "" where it is not to have one.
func packEntry(tx *store.Tx) string {
	if !tx.PackEntry || len(tx.Nonce) != store.NonceLen {
		return ""
	}
	for _, text := range []string{tx.Ref.Type, tx.Ref.ID, tx.Actor, tx.Client, tx.RequestID} {
		if len(text) >= packedHex {
			return ""
		}
	}
	var room [256]byte
	b := appendShort(room[:0], tx.Ref.Type)
	if id, ok := store.PackID(tx.Ref.ID); ok {
		b = append(append(b, packedUUID), id[:]...)
	} else {
		b = appendShort(b, tx.Ref.ID)
	}
	b = append(b, byte(tx.Op))
	b, err := nonceText.AppendDecode(b, []byte(tx.Nonce))
	if err != nil {
		return ""
	}
	b = appendShort(appendShort(b, tx.Actor), tx.Client)
	if digits, ok := hexOf(tx.RequestID); ok {
		b = append(append(b, packedHex), digits...)
	} else {
		b = appendShort(b, tx.RequestID)
	}
	return string(append(b, tx.Changed...))
}

func appendShort(b []byte, text string) []byte { return append(append(b, byte(len(text))), text...) }

// hexOf is the bytes of a text that is hexBytes of them in lower case.
func hexOf(text string) ([]byte, bool) {
	if len(text) != 2*hexBytes || strings.ToLower(text) != text {
		return nil, false
	}
	b, err := hex.DecodeString(text)
	return b, err == nil
}

// unpackEntry reads the field e. before is the version that the record had.
func unpackEntry(packed string, before uint64) (row store.FeedRow, ok bool) {
	p := packedText(packed)
	typ := p.short()
	id := ""
	switch n := p.peek(); n {
	case packedUUID:
		p.take(1)
		id = store.UnpackID(p.take(16))
	default:
		id = p.short()
	}
	row.Ref = typ + "/" + id
	op := p.take(1)
	row.Nonce = nonceText.EncodeToString([]byte(p.take(store.NonceLen / 4 * 3)))
	row.Actor, row.Client = p.short(), p.short()
	if p.peek() == packedHex {
		p.take(1)
		row.Req = hex.EncodeToString([]byte(p.take(hexBytes)))
	} else {
		row.Req = p.short()
	}
	if p == short || op == "" {
		return row, false
	}
	row.Attrs, row.Before = string(p), before
	tx := store.Tx{Op: store.Op(op[0])}
	row.Op = tx.ChangeOp(scim.Version(before))
	return row, true
}

// packedText is what is left of a packed text; short where it ended too soon.
type packedText string

const short packedText = "\x00cut short"

func (p *packedText) take(n int) string {
	if *p == short || len(*p) < n {
		*p = short
		return ""
	}
	text := string((*p)[:n])
	*p = (*p)[n:]
	return text
}

func (p *packedText) peek() int {
	if *p == short || *p == "" {
		return -1
	}
	return int((*p)[0])
}

func (p *packedText) short() string {
	n := p.take(1)
	if n == "" {
		return ""
	}
	return p.take(int(n[0]))
}

// feedRow reads an entry of the stream.
func feedRow(m redis.XMessage) (scim.Version, store.FeedRow, error) {
	text := func(field string) string { s, _ := m.Values[field].(string); return s }
	n, err1 := numberOf(m.ID)
	before, err2 := strconv.ParseUint(text("b"), 10, 64)
	ms, err3 := strconv.ParseInt(text("t"), 10, 64)
	row, ok := store.FeedRow{
		Op: text("o"), Ref: text("r"), Before: before, Nonce: text("n"), Actor: text("a"), Client: text("c"),
		Req: text("q"), Attrs: text("d"),
	}, true
	if packed := text("e"); packed != "" {
		row, ok = unpackEntry(packed, before)
	}
	if err1 != nil || err2 != nil || err3 != nil || !ok {
		return 0, store.FeedRow{}, scim.Errorf(scim.ErrCorrupt, "feed entry %s cannot be read", m.ID)
	}
	row.Milli, row.Edges, row.Groups = ms, text("m"), text("g")
	return n, row, nil
}

// nonceOf is the nonce of an entry that is given as its field e or n alone.
func nonceOf(m redis.XMessage) string {
	if packed, _ := m.Values["e"].(string); packed != "" {
		row, _ := unpackEntry(packed, 0)
		return row.Nonce
	}
	nonce, _ := m.Values["n"].(string)
	return nonce
}
