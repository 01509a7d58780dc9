package scim

import (
	"bytes"
	"errors"
)

// Text is one JSON value in the form that AppendJSON writes: without white space, and no name of an
// object twice. It is read in place, for whoever wants little of much. Nothing but its structure is
// looked at: what a checksum vouches for has been parsed before.
type Text []byte

var errText = errors.New("scim: the text is not what was written")

// IsObject tells of an object.
func (t Text) IsObject() bool { return len(t) > 0 && t[0] == '{' }

// IsList tells of an array.
func (t Text) IsList() bool { return len(t) > 0 && t[0] == '[' }

// Plain is the content of a string that is all ASCII and has no escapes. It is a part of the text.
func (t Text) Plain() ([]byte, bool) {
	if len(t) < 2 || t[0] != '"' {
		return nil, false
	}
	s := t[1 : len(t)-1]
	for _, c := range s {
		if c >= 0x80 || c == '\\' {
			return nil, false
		}
	}
	return s, true
}

// Value is the value itself.
func (t Text) Value() (any, error) {
	p := jsonParser{s: string(t), limits: StoredLimits}
	v, err := p.value()
	if err == nil && p.pos != len(p.s) {
		err = errText
	}
	return v, err
}

// Each calls fn with the values of an object, or of an array, which have no names. A name stands as it
// does in the text, without its quotation marks.
func (t Text) Each(fn func(name []byte, value Text) error) error {
	if !t.IsObject() && !t.IsList() {
		return errText
	}
	end := byte('}')
	if t[0] == '[' {
		end = ']'
	}
	for at := 1; at < len(t); {
		if t[at] == end {
			return nil
		}
		var name []byte
		if end == '}' {
			n := stringLen(t[at:])
			if n == 0 || at+n >= len(t) || t[at+n] != ':' {
				return errText
			}
			name = t[at+1 : at+n-1]
			at += n + 1
		}
		n := valueLen(t[at:])
		if n == 0 {
			return errText
		}
		if err := fn(name, t[at:at+n]); err != nil {
			return err
		}
		if at += n; at < len(t) && t[at] == ',' {
			at++
		}
	}
	return errText
}

// stringLen is the length of the string that t begins with, 0 for none.
func stringLen(t []byte) int {
	if len(t) == 0 || t[0] != '"' {
		return 0
	}
	for at := 1; ; {
		i := bytes.IndexByte(t[at:], '"')
		if i < 0 {
			return 0
		}
		at += i + 1
		slashes := 0
		for t[at-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
}

// valueLen is the length of the value that t begins with, 0 where it has no end.
func valueLen(t []byte) int {
	if len(t) == 0 {
		return 0
	}
	switch t[0] {
	case '"':
		return stringLen(t)
	case '{', '[':
	default:
		return max(bytes.IndexAny(t, ",]}"), 0)
	}
	depth := 0
	for at := 0; at < len(t); at++ {
		switch t[at] {
		case '"':
			n := stringLen(t[at:])
			if n == 0 {
				return 0
			}
			at += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return 0
}

// LeafName is what the value that the path leads to is called in an element or complex value.
func (p *Path) LeafName() string { return p.leaf().Name }

// ValueKey is the SortKey of a resource whose attribute has that value, or that of its
// sub-attribute where the path leads there.
func (p *Path) ValueKey(v any) (key string, ok bool) {
	if list, ok := v.([]any); ok {
		v = mainValue(list)
	}
	leaf := p.leaf()
	if m, ok := v.(map[string]any); ok {
		v = m[leaf.Name]
	}
	return sortKey(leaf, v)
}

// AppendKey appends the ValueKey of what is no list and no object.
func (p *Path) AppendKey(dst []byte, t Text) (key []byte, ok bool, err error) {
	leaf := p.leaf()
	if s, plain := t.Plain(); plain && leaf.Type != "dateTime" {
		for _, c := range s[:min(len(s), maxSortBytes)] {
			if !leaf.CaseExact {
				c = lowerByte(c)
			}
			dst = append(dst, c)
		}
		return dst, true, nil
	}
	v, err := t.Value()
	if err != nil {
		return dst, false, err
	}
	text, ok := sortKey(leaf, v)
	return append(dst, text...), ok, nil
}
