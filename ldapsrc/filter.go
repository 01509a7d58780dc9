package ldapsrc

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// filter is a search filter (RFC 4515) that is applied here, to the entries of a file.
// A directory applies its own. It compares all text as if case did not matter, since a
// file tells nothing of matching rules; ordering compares numbers where both are.
type filter struct {
	op       uint64 // a choice of ldap.FilterAnd and so on
	children []*filter
	attr     string   // folded, without options
	value    string   // folded; of "present": unused
	rule     string   // of an extensible match
	parts    []string // of a substring match: initial, any..., final; "" for none
}

const (
	matchBitAnd = "1.2.840.113556.1.4.803" // MS-ADTS §3.1.1.3.4.4
	matchBitOr  = "1.2.840.113556.1.4.804"
)

// berNode is what filter needs of go-ldap's compiled filter.
type berNode struct {
	tag      uint64
	value    string
	children []berNode
}

func compileFilter(text string) (*filter, error) {
	p, err := ldap.CompileFilter(text)
	if err != nil {
		return nil, err
	}
	// The packet is read back from its own encoding: how go-ldap keeps values in memory
	// differs from one kind of node to the next.
	node, rest, err := parseNode(p.Bytes(), 0)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("filter is too deep")
	}
	return buildFilter(node)
}

func parseNode(b []byte, depth int) (n berNode, rest []byte, err error) {
	tag, body, rest, err := nextElement(b)
	if err != nil || depth > 100 {
		return n, nil, errBER
	}
	n.tag = uint64(tag & 0x1f)
	if tag&berConstructed == 0 {
		n.value = string(body)
		return n, rest, nil
	}
	for len(body) > 0 {
		var c berNode
		if c, body, err = parseNode(body, depth+1); err != nil {
			return n, nil, err
		}
		n.children = append(n.children, c)
	}
	return n, rest, nil
}

func buildFilter(n berNode) (*filter, error) {
	f := &filter{op: n.tag}
	switch n.tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, c := range n.children {
			sub, err := buildFilter(c)
			if err != nil {
				return nil, err
			}
			f.children = append(f.children, sub)
		}
	case ldap.FilterPresent:
		f.attr = foldType(n.value)
	case ldap.FilterExtensibleMatch:
		for _, c := range n.children {
			switch c.tag {
			case ldap.MatchingRuleAssertionMatchingRule:
				f.rule = c.value
			case ldap.MatchingRuleAssertionType:
				f.attr = foldType(c.value)
			case ldap.MatchingRuleAssertionMatchValue:
				f.value = c.value
			}
		}
		if f.rule != matchBitAnd && f.rule != matchBitOr {
			return nil, errors.New("filter: of extensible matches a file knows the bit rules 1.2.840.113556.1.4.803 and .804 alone")
		}
	case ldap.FilterSubstrings:
		f.attr = foldType(n.children[0].value)
		f.parts = []string{""}
		final := ""
		for _, c := range n.children[1].children {
			v := foldText(c.value)
			switch c.tag {
			case ldap.FilterSubstringsInitial:
				f.parts[0] = v
			case ldap.FilterSubstringsFinal:
				final = v
			default:
				f.parts = append(f.parts, v)
			}
		}
		f.parts = append(f.parts, final)
	default:
		f.attr, f.value = foldType(n.children[0].value), foldText(n.children[1].value)
	}
	return f, nil
}

func foldType(name string) string {
	name, _, _ = strings.Cut(name, ";")
	return strings.ToLower(name)
}

// match applies the filter.
func (f *filter) match(e *rawEntry) bool {
	switch f.op {
	case ldap.FilterAnd:
		return !slices.ContainsFunc(f.children, func(c *filter) bool { return !c.match(e) })
	case ldap.FilterOr:
		return slices.ContainsFunc(f.children, func(c *filter) bool { return c.match(e) })
	case ldap.FilterNot:
		return !f.children[0].match(e)
	}
	for _, a := range e.attrs {
		name, _, _ := bytes.Cut(a.name, []byte{';'})
		if !strings.EqualFold(string(name), f.attr) {
			continue
		}
		if f.op == ldap.FilterPresent || slices.ContainsFunc(a.values, f.matchValue) {
			return true
		}
	}
	return false
}

func (f *filter) matchValue(v []byte) bool {
	s := foldText(string(v))
	switch f.op {
	case ldap.FilterSubstrings:
		return matchParts(s, f.parts)
	case ldap.FilterGreaterOrEqual:
		return compareOrder(s, f.value) >= 0
	case ldap.FilterLessOrEqual:
		return compareOrder(s, f.value) <= 0
	case ldap.FilterExtensibleMatch:
		have, err1 := strconv.ParseInt(s, 10, 64)
		want, err2 := strconv.ParseInt(f.value, 10, 64)
		if err1 != nil || err2 != nil {
			return false
		}
		return f.rule == matchBitAnd && have&want == want || f.rule == matchBitOr && have&want != 0
	}
	return s == f.value
}

func matchParts(s string, parts []string) bool {
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		if _, s, ok = strings.Cut(s, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(s, parts[last])
}

func compareOrder(a, b string) int {
	x, err1 := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}
