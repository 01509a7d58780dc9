package ldapsrc

import "errors"

// This file reads BER in place, as far as LDAP uses it (RFC 4511 §5.1): definite lengths
// and one-byte tags only. Nothing is copied and nothing allocated but the
// two lists that an entry's attributes and values are pointed to from, and those are reused.

var errBER = errors.New("malformed BER")

const berConstructed = 0x20

// Tags (RFC 4511 §4 and appendix B).
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31
	tagControls    = 0xa0
	tagReferral    = 0xa3
	opBindResponse = 0x61
	opSearch       = 0x63
	opEntry        = 0x64
	opDone         = 0x65
	opReference    = 0x73
	opExtRequest   = 0x77
	opExtResponse  = 0x78
	opIntermediate = 0x79
)

// nextElement takes the first element off b.
func nextElement(b []byte) (tag byte, body, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errBER
	}
	header, length, err := elementLength(b)
	if err != nil || length > len(b)-header {
		return 0, nil, nil, errBER
	}
	return b[0], b[header : header+length], b[header+length:], nil
}

// elementLength reads a tag and a length. header is the size of both, 0 where b is too
// short to tell. It refuses tags of several bytes (LDAP has none), the indefinite form
// (RFC 4511 §5.1) and lengths that do not fit into 31 bits.
func elementLength(b []byte) (header, length int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[0]&0x1f == 0x1f {
		return 0, 0, errBER
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), nil
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 4 {
		return 0, 0, errBER
	}
	if len(b) < 2+n {
		return 0, 0, nil
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
	}
	if length > 1<<31-1 {
		return 0, 0, errBER
	}
	return 2 + n, length, nil
}

// expect takes the first element off b and wants a tag.
func expect(b []byte, want byte) (body, rest []byte, err error) {
	tag, body, rest, err := nextElement(b)
	if err == nil && tag != want {
		err = errBER
	}
	return body, rest, err
}

// berInt reads a non-negative integer of up to 31 bits: message ids and result codes
// are no larger (RFC 4511 §4.1.1).
func berInt(body []byte) (int, error) {
	if len(body) == 0 || len(body) > 4 || body[0] >= 0x80 {
		return 0, errBER
	}
	n := 0
	for _, c := range body {
		n = n<<8 | int(c)
	}
	return n, nil
}

// message is an LDAPMessage (RFC 4511 §4.1.1), taken apart but for its operation.
type message struct {
	id       int
	op       byte
	body     []byte
	controls []byte // nil for none
}

func parseMessage(b []byte) (m message, err error) {
	b, rest, err := expect(b, tagSequence)
	if err != nil || len(rest) > 0 {
		return m, errBER
	}
	id, b, err := expect(b, tagInteger)
	if err != nil {
		return m, errBER
	}
	if m.id, err = berInt(id); err != nil {
		return m, errBER
	}
	if m.op, m.body, b, err = nextElement(b); err != nil {
		return m, errBER
	}
	if len(b) > 0 {
		if m.controls, b, err = expect(b, tagControls); err != nil || len(b) > 0 {
			return m, errBER
		}
	}
	return m, nil
}

// wellFormed tells whether b is elements within elements all the way down. What is not
// read here is checked so before go-ldap's decoder sees it.
func wellFormed(b []byte, depth int) bool {
	for len(b) > 0 {
		tag, body, rest, err := nextElement(b)
		if err != nil || depth == 0 {
			return false
		}
		if tag&berConstructed != 0 && !wellFormed(body, depth-1) {
			return false
		}
		b = rest
	}
	return true
}

// entryReader reads SearchResultEntry (RFC 4511 §4.5.2). It is reused from entry to entry.
type entryReader struct {
	raw    rawEntry
	values [][]byte
}

// read takes the body of an entry apart. On an error the DN is there if it could be read.
func (r *entryReader) read(body []byte) (*rawEntry, error) {
	r.raw = rawEntry{attrs: r.raw.attrs[:0]}
	r.values = r.values[:0]
	dn, b, err := expect(body, tagOctetString)
	if err != nil {
		return &r.raw, errBER
	}
	r.raw.dn = dn
	list, rest, err := expect(b, tagSequence)
	if err != nil || len(rest) > 0 {
		return &r.raw, errBER
	}
	for len(list) > 0 {
		var attr []byte
		if attr, list, err = expect(list, tagSequence); err != nil {
			return &r.raw, errBER
		}
		if err := r.attribute(attr); err != nil {
			return &r.raw, err
		}
	}
	return &r.raw, nil
}

func (r *entryReader) attribute(b []byte) error {
	name, b, err := expect(b, tagOctetString)
	if err != nil {
		return errBER
	}
	set, rest, err := expect(b, tagSet)
	if err != nil || len(rest) > 0 {
		return errBER
	}
	first := len(r.values)
	for len(set) > 0 {
		var v []byte
		if v, set, err = expect(set, tagOctetString); err != nil {
			return errBER
		}
		r.values = append(r.values, v)
	}
	// A later append may move the list. What was pointed to stays as it is: values are
	// only ever written behind it.
	r.raw.attrs = append(r.raw.attrs, rawAttr{name: name, values: r.values[first:len(r.values):len(r.values)]})
	return nil
}

// done is a SearchResultDone or any other LDAPResult (RFC 4511 §4.1.9).
type done struct {
	code       int
	diagnostic string
	paged      bool     // it came with a paging control (RFC 2696)
	cookie     []byte   // of the paging control
	referral   []string // URIs of servers that have what was asked for
	controls   []byte   // all of them, as they came
}

const pagingOID = "1.2.840.113556.1.4.319"

func parseDone(m message) (d done, err error) {
	code, b, err := expect(m.body, tagEnumerated)
	if err != nil {
		return d, errBER
	}
	if d.code, err = berInt(code); err != nil {
		return d, errBER
	}
	if _, b, err = expect(b, tagOctetString); err != nil { // matchedDN
		return d, errBER
	}
	diagnostic, b, err := expect(b, tagOctetString)
	if err != nil {
		return d, errBER
	}
	d.diagnostic = string(diagnostic)
	if len(b) > 0 && b[0] == tagReferral {
		uris, _, err := expect(b, tagReferral)
		if err != nil {
			return d, errBER
		}
		if d.referral, err = parseURIs(uris); err != nil {
			return d, err
		}
	}
	d.controls = append([]byte(nil), m.controls...)
	value, given, err := controlValue(m.controls, pagingOID)
	if err != nil || !given {
		return d, err
	}
	if d.cookie, err = parseCookie(value); err != nil {
		return d, errBER
	}
	d.paged = true
	return d, nil
}

// controlValue finds a control (RFC 4511 §4.1.11) and its value.
func controlValue(list []byte, oid string) (value []byte, given bool, err error) {
	const tagBoolean = 0x01
	for len(list) > 0 {
		var control []byte
		if control, list, err = expect(list, tagSequence); err != nil {
			return nil, false, errBER
		}
		name, rest, err := expect(control, tagOctetString)
		if err != nil {
			return nil, false, errBER
		}
		if string(name) != oid {
			continue
		}
		if len(rest) > 0 && rest[0] == tagBoolean { // its criticality
			if _, _, rest, err = nextElement(rest); err != nil {
				return nil, false, errBER
			}
		}
		if value, _, err = expect(rest, tagOctetString); err != nil {
			return nil, false, errBER
		}
		return value, true, nil
	}
	return nil, false, nil
}

// parseURIs reads a list of URIs, copied.
func parseURIs(b []byte) (uris []string, err error) {
	for len(b) > 0 {
		var uri []byte
		if uri, b, err = expect(b, tagOctetString); err != nil {
			return nil, errBER
		}
		if len(uri) <= maxDN && len(uris) < 20 {
			uris = append(uris, string(uri))
		}
	}
	return uris, nil
}

// parseCookie reads the value of a paging control.
func parseCookie(value []byte) ([]byte, error) {
	seq, _, err := expect(value, tagSequence)
	if err != nil {
		return nil, errBER
	}
	_, seq, err = expect(seq, tagInteger) // an estimate of the size, which nobody fills in
	if err != nil {
		return nil, errBER
	}
	cookie, _, err := expect(seq, tagOctetString)
	return append([]byte(nil), cookie...), err
}
