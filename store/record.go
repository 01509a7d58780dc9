package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rollcall/scim"
)

// A record is a header of fixed length in ASCII, and a payload. A backend writes the header,
// which alone changes when a group's members do; the payload it only carries.
//
//	version   16 digits  number of the commit that made this state
//	modified  13 digits  its time, ms since 1970
//	nonce     12 chars   of that commit, by which a repeat of it is recognised
//	created   13 digits  time of the first commit
//	payload   format byte 'J'; owner and externalId, each as uvarint length and
//	          bytes; then the attributes as JSON text to the end. Or format byte '1'; a checksum
//	          of 4 bytes; the same from the owner on, compressed (compress.go)
//
// Readers know every format ever written; which one is written is the workspace's layout
// (layout.go).
const (
	NonceLen  = 12
	HeaderLen = 16 + 13 + NonceLen + 13
	// TouchLen is the part of the header that every commit rewrites: all but created.
	TouchLen = HeaderLen - 13

	formatJSON = 'J'
	formatS2   = '1'
)

// AppendHeader appends the header of a record.
func AppendHeader(dst []byte, version scim.Version, modified time.Time, nonce string, created time.Time) []byte {
	dst = fmt.Appendf(dst, "%016d%013d", uint64(version), modified.UnixMilli())
	dst = append(dst, nonce...)
	return fmt.Appendf(dst, "%013d", created.UnixMilli())
}

// ParseRecord splits a record. A header that cannot be read is told in Raw.Damage.
func ParseRecord(ref scim.Ref, record []byte) Raw {
	raw := Raw{Ref: ref, Found: true}
	if len(record) < HeaderLen {
		raw.Damage = fmt.Sprintf("record of %d bytes", len(record))
		return raw
	}
	version, err1 := strconv.ParseUint(string(record[:16]), 10, 64)
	modified, err2 := parseMilli(record[16:29])
	created, err3 := parseMilli(record[TouchLen:HeaderLen])
	if err1 != nil || err2 != nil || err3 != nil || version == 0 {
		raw.Damage = "header is not of digits"
		return raw
	}
	raw.Version, raw.Modified, raw.Created = scim.Version(version), modified, created
	raw.Nonce = string(record[29:TouchLen])
	raw.Payload = record[HeaderLen:]
	return raw
}

func parseMilli(digits []byte) (time.Time, error) {
	ms, err := strconv.ParseUint(string(digits), 10, 62)
	return time.UnixMilli(int64(ms)).UTC(), err
}

// encodePayload is the payload of a resource in formatJSON.
func encodePayload(owner, externalID string, body []byte) []byte {
	p := make([]byte, 0, 1+2*binary.MaxVarintLen32+len(owner)+len(externalID)+len(body))
	p = append(p, formatJSON)
	for _, s := range []string{owner, externalID} {
		p = binary.AppendUvarint(p, uint64(len(s)))
		p = append(p, s...)
	}
	return append(p, body...)
}

// decodeRecord is the resource of a record.
func decodeRecord(raw *Raw) (*scim.Stored, error) { return decodeRecordIn(nil, raw) }

// decodeRecordIn is decodeRecord with its body in an arena.
func decodeRecordIn(a *arena, raw *Raw) (*scim.Stored, error) {
	if raw.Damage != "" {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: %s", raw.Ref, raw.Damage)
	}
	s := &scim.Stored{Header: scim.Header{
		Ref: raw.Ref, Version: raw.Version, Created: raw.Created, LastModified: raw.Modified,
	}}
	p, err := expand(raw.Ref, raw.Payload, a)
	if err != nil {
		return nil, err
	}
	for _, field := range []*string{&s.Owner, &s.ExternalID} {
		text, rest, ok := cutBytes(p)
		if !ok {
			return nil, scim.Errorf(scim.ErrCorrupt, "%s: record is cut short", raw.Ref)
		}
		*field, p = string(text), rest
	}
	s.Body = p
	return s, nil
}

func isCorrupt(err error) bool { return errors.Is(err, scim.ErrCorrupt) }
