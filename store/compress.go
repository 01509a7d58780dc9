package store

import (
	_ "embed"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/s2"

	"rollcall/scim"
)

// Most of a record is the same in every record, the names of its attributes. So the compressor is
// given them beforehand: a person of 1.2 KB takes a fifth of that, and is read in under a
// microsecond. What was written with a dictionary can only be read with it: another one gets
// another format byte, and this one stays.

//go:embed dict1.txt
var dictionary1 []byte

// dict1 encodes and decodes formatS2. It is safe for concurrent use.
var dict1 = s2.MakeDictManual(dictionary1, 0)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of a checksum.
const sumLen = 4

// checksum is that of a record's compressed body, together with the resource's name: a record
// that lies under another's key is found out too.
func checksum(ref scim.Ref, body []byte) uint32 {
	var room [128]byte
	name := append(append(append(room[:0], ref.Type...), '/'), ref.ID...) // ref.String()
	return crc32.Update(crc32.Update(0, castagnoli, name), castagnoli, body)
}

// compress makes a payload of formatS2 of one of formatJSON.
func compress(ref scim.Ref, plain []byte) []byte {
	room := make([]byte, 0, 1+sumLen+s2.MaxEncodedLen(len(plain)))
	body := dict1.Encode(room[1+sumLen:1+sumLen:cap(room)], plain[1:])
	out := append(room, formatS2)
	out = binary.BigEndian.AppendUint32(out, checksum(ref, body))
	return append(out, body...) // copies nothing but where Encode needed more room
}

// arena is room for many bodies at once, so that the records of a page cost one allocation in
// place of hundreds.
type arena []byte

// take is room for n bytes; without an arena, of their own.
func (a *arena) take(n int) []byte {
	if a == nil {
		return make([]byte, 0, n)
	}
	if cap(*a)-len(*a) < n {
		*a = make([]byte, 0, max(n, 32<<10))
	}
	used := len(*a)
	*a = (*a)[:used+n]
	return (*a)[used : used : used+n]
}

// expand is what of a payload is behind the format byte in formatJSON.
func expand(ref scim.Ref, payload []byte, a *arena) ([]byte, error) {
	switch {
	case len(payload) > 0 && payload[0] == formatJSON:
		return payload[1:], nil
	case len(payload) < 1+sumLen || payload[0] != formatS2:
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: unknown record format", ref)
	}
	body := payload[1+sumLen:]
	if checksum(ref, body) != binary.BigEndian.Uint32(payload[1:]) {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: the record's checksum is wrong", ref)
	}
	n, err := s2.DecodedLen(body)
	if err != nil || n > MaxRecord {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: record cannot be decompressed", ref)
	}
	plain, err := dict1.Decode(a.take(n), body)
	if err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: record cannot be decompressed: %v", ref, err)
	}
	return plain, nil
}
