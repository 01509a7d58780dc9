package store

import (
	"bytes"
	"encoding/binary"

	"rollcall/scim"
)

// longKey is the length from which a sort key may be that of a longer value: what such a
// value is like, only its record tells.
const longKey = 250

// column holds one attribute of every row of a table, in the form of its sort key, in one
// arena without pointers.
type column struct {
	name  string // as scim.Term.Attr
	path  *scim.Path
	kind  string // as scim.Term.Kind, of the values
	multi bool   // emails: every value of the row, the one it sorts by first
	at    []uint64
	arena []byte
	waste int // bytes of the arena that no row uses
	// dict, where not nil, numbers the values: few values, many rows. codes then has the number of
	// each row's value in place of at, and values where each number's bytes are.
	dict   map[string]uint32
	codes  []uint32
	values []uint64
	// long and odd are rows whose value cannot be told from what is kept: it was cut short, or
	// lies beyond ASCII (which matters to attributes with a key function of their own).
	long, odd map[uint32]bool
	order     *order // nil for none
}

// none and noCode mark a row without the attribute.
const (
	none   = ^uint64(0)
	noCode = ^uint32(0)
)

// maxCodes is how many values a dictionary has at least before it is given up, where they are
// more than a quarter of the rows: what all rows have of their own is no use to number.
const maxCodes = 4096

func (c *column) bytes(ord uint32) ([]byte, bool) {
	var ref uint64
	if c.dict != nil {
		code := c.codes[ord]
		if code == noCode {
			return nil, false
		}
		ref = c.values[code]
	} else if ref = c.at[ord]; ref == none {
		return nil, false
	}
	return c.text(ref), true
}

func (c *column) text(ref uint64) []byte { return c.arena[ref>>24:][:ref&(1<<24-1)] }

// key is what a row sorts by.
func (c *column) key(ord uint32) ([]byte, bool) {
	b, ok := c.bytes(ord)
	if !ok || !c.multi {
		return b, ok
	}
	e, _, ok := nextElement(b)
	return e.value, ok && e.hasValue
}

func (c *column) grow(ord uint32) {
	for c.dict != nil && len(c.codes) <= int(ord) {
		c.codes = append(c.codes, noCode)
	}
	for c.dict == nil && len(c.at) <= int(ord) {
		c.at = append(c.at, none)
	}
}

// cell is what a resource has for a column.
type cell struct {
	text      []byte
	has       bool
	long, odd bool
}

func (c *column) cell(r *scim.Resource) cell {
	if c.multi {
		return c.elements(r)
	}
	key, ok := c.path.SortKey(r)
	inexact := c.kind == "number" && ok && !scim.ExactNumber(key)
	return cell{text: []byte(key), has: ok, long: len(key) >= longKey || inexact, odd: !ascii(key)}
}

func (c *column) set(ord uint32, v cell) {
	c.clear(ord)
	c.grow(ord)
	if v.long {
		c.long[ord] = true
	}
	if v.odd {
		c.odd[ord] = true
	}
	if !v.has {
		return
	}
	if c.dict != nil {
		c.codes[ord] = c.code(v.text)
		c.thin()
		return
	}
	c.at[ord] = c.put(v.text)
}

// code is the number of a value.
func (c *column) code(text []byte) uint32 {
	code, ok := c.dict[string(text)]
	if !ok {
		code = uint32(len(c.values))
		c.values = append(c.values, c.put(text))
		c.dict[string(text)] = code
	}
	return code
}

// thin gives up a dictionary that has almost a value for each row.
func (c *column) thin() {
	if len(c.values) < maxCodes || len(c.values) < len(c.codes)/4 {
		return
	}
	c.at = make([]uint64, len(c.codes))
	for ord, code := range c.codes {
		if c.at[ord] = none; code != noCode {
			c.at[ord] = c.values[code]
		}
	}
	c.dict, c.codes, c.values = nil, nil, nil
}

func (c *column) put(text []byte) uint64 {
	ref := uint64(len(c.arena))<<24 | uint64(len(text))
	c.arena = append(c.arena, text...)
	return ref
}

func (c *column) clear(ord uint32) {
	c.grow(ord)
	delete(c.long, ord)
	delete(c.odd, ord)
	if c.dict != nil {
		if c.codes[ord] = noCode; len(c.values) > 1000 && len(c.values) > len(c.codes) {
			c.compact()
		}
		return
	}
	if ref := c.at[ord]; ref != none {
		c.at[ord] = none
		c.waste += int(ref & (1<<24 - 1))
	}
	if c.waste > len(c.arena)/2 && c.waste > 1<<16 {
		c.compact()
	}
}

// compact copies what is in use to a new arena.
func (c *column) compact() {
	old := *c
	c.arena, c.waste = make([]byte, 0, max(len(old.arena)-old.waste, 0)), 0
	if c.dict != nil {
		c.dict, c.values = map[string]uint32{}, nil
		for ord, code := range c.codes {
			if code != noCode {
				c.codes[ord] = c.code(old.text(old.values[code]))
			}
		}
		return
	}
	for ord := range c.at {
		if b, ok := old.bytes(uint32(ord)); ok {
			c.at[ord] = c.put(b)
		}
	}
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// element is one value of a multi-valued column: flags, length of type, type, length of value
// (two bytes), value.
type element struct {
	hasValue, hasType, hasPrimary, primary bool
	typ, value                             []byte
}

const (
	elementValue = 1 << iota
	elementType
	elementPrimary
	elementIsPrimary
)

func nextElement(b []byte) (e element, rest []byte, ok bool) {
	if len(b) < 4 {
		return e, nil, false
	}
	flags := b[0]
	e.hasValue, e.hasType = flags&elementValue != 0, flags&elementType != 0
	e.hasPrimary, e.primary = flags&elementPrimary != 0, flags&elementIsPrimary != 0
	n := 2 + int(b[1])
	e.typ = b[2:n]
	m := n + 2 + int(binary.BigEndian.Uint16(b[n:]))
	e.value = b[n+2 : m]
	return e, b[m:], true
}

// elements keeps value, type and primary of each value (of an e-mail address, say), the main
// one first. A value that is no object is kept as such a one's value.
func (c *column) elements(r *scim.Resource) cell {
	attributes := r.Attributes
	if c.path.Extension != nil {
		attributes, _ = attributes[c.path.Extension.URN].(map[string]any)
	}
	list, _ := attributes[c.path.Attr.Name].([]any)
	if len(list) == 0 {
		return cell{}
	}
	main := 0
	for i, v := range list {
		if m, _ := v.(map[string]any); m["primary"] == true {
			main = i
			break
		}
	}
	out := cell{has: true}
	for i := range list {
		at := i
		switch {
		case i == 0:
			at = main
		case i <= main:
			at = i - 1
		}
		m, complex := list[at].(map[string]any)
		var flags byte
		typ, hasType := m["type"].(string)
		if hasType {
			flags |= elementType
		}
		if primary, has := m["primary"].(bool); has {
			flags |= elementPrimary
			if primary {
				flags |= elementIsPrimary
			}
		}
		key, has := c.path.ValueKey(list[at])
		if has {
			flags |= elementValue
		}
		out.odd = out.odd || !ascii(key)
		if complex && len(m) == 0 || len(key) >= longKey || len(typ) > 255 {
			out.long = true
			typ = typ[:min(len(typ), 255)]
		}
		out.text = append(append(out.text, flags, byte(len(typ))), typ...)
		out.text = binary.BigEndian.AppendUint16(out.text, uint16(len(key)))
		out.text = append(out.text, key...)
	}
	if len(out.text) >= 1<<16 { // thousands of addresses: left to the record, but for the first
		_, rest, _ := nextElement(out.text)
		out.text, out.long = out.text[:len(out.text)-len(rest)], true
	}
	return out
}

// compareKeys orders two rows by a column, those without a key last.
func (c *column) compareKeys(a, b uint32) int {
	ka, oka := c.key(a)
	kb, okb := c.key(b)
	switch {
	case oka && okb:
		return bytes.Compare(ka, kb)
	case oka:
		return -1
	case okb:
		return 1
	}
	return 0
}
