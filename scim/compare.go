package scim

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// compared tells whether the outcome of a comparison is what the operator wants.
func (t *test) compared(c int) bool {
	switch t.op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opGreater:
		return c > 0
	case opGreaterEqual:
		return c >= 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	}
	return false
}

// string tests a string. eq and ne use the attribute's own key; the other operators see
// parts of values, which need have none, so they fold.
func (t *test) string(s string) bool {
	switch t.op {
	case opEqual:
		return t.equal(s)
	case opNotEqual:
		return !t.equal(s)
	}
	if t.fold == nil {
		switch t.op {
		case opContains:
			return strings.Contains(s, t.text)
		case opStartsWith:
			return strings.HasPrefix(s, t.text)
		case opEndsWith:
			return strings.HasSuffix(s, t.text)
		}
		return t.compared(strings.Compare(s, t.text))
	}
	var room [128]byte
	folded := appendFold(room[:0], s)
	switch t.op {
	case opContains:
		return bytes.Contains(folded, t.fold)
	case opStartsWith:
		return bytes.HasPrefix(folded, t.fold)
	case opEndsWith:
		return bytes.HasSuffix(folded, t.fold)
	}
	return t.compared(bytes.Compare(folded, t.fold))
}

func (t *test) equal(s string) bool {
	if t.fold == nil {
		return s == t.text
	}
	if equalFoldASCII(s, t.key) {
		return true
	}
	if !t.leaf.checked && isASCII(s) {
		return false // the fold of ASCII is its lower case
	}
	key, ok := t.leaf.Compare(s)
	return ok && key == t.key
}

// appendFold appends the fold of s, without allocating where it is ASCII and fits.
func appendFold(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return append(dst[:0], Fold(s)...)
		}
		dst = append(dst, lowerByte(s[i]))
	}
	return dst
}

// number is a JSON number. Whole ones compare exactly: float64 has 53 bits only.
type number struct {
	int   int64
	float float64
	whole bool
}

func parseNumberLiteral(s string) (number, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return number{int: i, float: float64(i), whole: true}, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{float: f}, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func (t *test) numbers(n number) bool {
	a, b := n, t.number
	switch {
	case a.whole && b.whole && a.int < b.int, !(a.whole && b.whole) && a.float < b.float:
		return t.compared(-1)
	case a.whole && b.whole && a.int > b.int, !(a.whole && b.whole) && a.float > b.float:
		return t.compared(1)
	}
	return t.compared(0)
}
