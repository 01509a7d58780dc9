package scim

import (
	"strings"
	"unicode/utf8"
)

// filterParser reads s from pos on. Its recursion is bounded by depth, which counts
// what is open: parentheses and brackets.
type filterParser struct {
	s        string
	f        *Filter
	kind     error // of the errors: ErrInvalidFilter or ErrInvalidPath
	limits   FilterLimits
	pos      int
	depth    int
	terms    int
	brackets bool // within a value path
	word     bool // the last literal had no quotes
}

// check bounds the text before any of it is parsed.
func (p *filterParser) check() error {
	if len(p.s) > p.limits.Bytes {
		return Errorf(p.kind, "longer than the %d bytes allowed", p.limits.Bytes)
	}
	if !utf8.ValidString(p.s) {
		return Errorf(p.kind, "the text is not valid UTF-8")
	}
	return nil
}

func (p *filterParser) fail(format string, args ...any) error {
	args = append([]any{utf8.RuneCountInString(p.s[:p.pos]) + 1}, args...)
	return Errorf(p.kind, "position %d: "+format, args...)
}

// unexpected says what should have stood at pos, and what is likely wrong.
func (p *filterParser) unexpected(want string) error {
	hint := ""
	if p.word {
		hint = `; a value with spaces or punctuation needs double quotes around it: attr eq "a value"`
	}
	if p.pos >= len(p.s) {
		return p.fail("expected %s, found the end%s", want, hint)
	}
	found, _ := utf8.DecodeRuneInString(p.s[p.pos:])
	if found == '\'' {
		hint = "; strings stand in double quotes"
	}
	return p.fail("expected %s, found %q%s", want, found, hint)
}

// peek skips spaces and returns the byte at pos, 0 at the end.
func (p *filterParser) peek() byte {
	for p.pos < len(p.s) && (p.s[p.pos] == ' ' || p.s[p.pos] == '\t') {
		p.pos++
	}
	if p.pos == len(p.s) {
		return 0
	}
	return p.s[p.pos]
}

func (p *filterParser) node(n node) *node {
	if !p.f.used {
		p.f.used, p.f.first = true, n
		return &p.f.first
	}
	return &n
}

func (p *filterParser) or() (*node, error) {
	left, err := p.and()
	for err == nil && p.keyword("or") {
		var right *node
		right, err = p.and()
		left = p.node(node{kind: kindOr, left: left, right: right})
	}
	return left, err
}

func (p *filterParser) and() (*node, error) {
	left, err := p.unary()
	for err == nil && p.keyword("and") {
		var right *node
		right, err = p.unary()
		left = p.node(node{kind: kindAnd, left: left, right: right})
	}
	return left, err
}

// keyword skips a word, in any case, that no name character follows.
func (p *filterParser) keyword(word string) bool {
	p.peek()
	end := p.pos + len(word)
	if end > len(p.s) || !equalFoldASCII(p.s[p.pos:end], word) || end < len(p.s) && isNameByte(p.s[end]) {
		return false
	}
	p.pos = end
	return true
}

// open enters a group that the byte at pos begins; shut leaves it.
func (p *filterParser) open() error {
	if p.depth++; p.depth > p.limits.Depth {
		return p.fail("parentheses and brackets nest deeper than the %d levels allowed", p.limits.Depth)
	}
	p.pos++
	return nil
}

func (p *filterParser) shut(end byte) error {
	if p.peek() != end {
		return p.unexpected("and, or, or " + string(end))
	}
	p.depth--
	p.pos++
	p.word = false
	return nil
}

func (p *filterParser) group() (*node, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err == nil {
		err = p.shut(')')
	}
	return n, err
}

func (p *filterParser) unary() (*node, error) {
	if p.peek() == '(' {
		return p.group()
	}
	if start := p.pos; p.keyword("not") {
		if p.peek() == '(' {
			n, err := p.group()
			return p.node(node{kind: kindNot, left: n}), err
		}
		p.pos = start
		return nil, p.fail("not needs parentheses: not (attr eq \"value\")")
	}
	return p.term()
}

// term reads attr op value, attr pr, attr[filter], or attr[filter].sub op value.
func (p *filterParser) term() (*node, error) {
	p.word = false
	name := p.name()
	if name == "" {
		return nil, p.unexpected("the name of an attribute")
	}
	if p.terms++; p.terms > p.limits.Terms {
		return nil, p.fail("more than the %d comparisons allowed", p.limits.Terms)
	}
	n := node{attr: name}
	if p.pos < len(p.s) && p.s[p.pos] == '[' {
		inner, sub, err := p.values()
		if err != nil {
			return nil, err
		}
		n.kind, n.left, n.sub = kindValues, inner, sub
		if sub == "" {
			return p.node(n), nil
		}
	}
	if err := p.operator(&n); err != nil {
		return nil, err
	}
	return p.node(n), nil
}

// values reads the brackets of a value path and what is behind them.
func (p *filterParser) values() (inner *node, sub string, err error) {
	if p.brackets {
		return nil, "", p.fail("brackets cannot stand within brackets")
	}
	p.brackets = true
	if err = p.open(); err != nil {
		return nil, "", err
	}
	if inner, err = p.or(); err != nil {
		return nil, "", err
	}
	if err = p.shut(']'); err != nil {
		return nil, "", err
	}
	p.brackets = false
	if p.pos < len(p.s) && p.s[p.pos] == '.' {
		p.pos++
		if sub = p.name(); sub == "" || strings.ContainsAny(sub, ".:") {
			return nil, "", p.fail("expected the name of a sub-attribute after the dot")
		}
	}
	return inner, sub, nil
}

// name reads an attribute's name, with URN and sub-attribute, "" where there is none.
func (p *filterParser) name() string {
	start := p.pos
	for p.pos < len(p.s) && isNameByte(p.s[p.pos]) {
		p.pos++
	}
	name := p.s[start:p.pos]
	if name != "" && (isAlphanumeric(name[0]) && name[0] > '9' || name[0] == '$') {
		return name
	}
	p.pos = start
	return ""
}

// isNameByte allows what RFC 7643 §2.1 has in names, and what URNs have.
func isNameByte(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-_$:./%+~", c) >= 0
}

// operator reads the operator and its value into n.
func (p *filterParser) operator(n *node) error {
	if p.peek(); p.pos+2 <= len(p.s) {
		for op := opEqual; op <= opPresent; op++ {
			if p.keyword(op.String()) {
				n.op = op
				break
			}
		}
	}
	if n.op == opNone {
		return p.unexpected("an operator (eq ne co sw ew gt ge lt le pr)")
	}
	if n.op == opPresent {
		return nil
	}
	var err error
	n.lit, err = p.literal()
	return err
}

func (p *filterParser) literal() (literal, error) {
	if p.peek() == '"' {
		text, err := p.quoted()
		return literal{litString, text}, err
	}
	start := p.pos
	for p.pos < len(p.s) && isWordByte(p.s[p.pos]) {
		p.pos++
	}
	text := p.s[start:p.pos]
	if text == "" {
		return literal{}, p.unexpected("a value")
	}
	switch {
	case equalFoldASCII(text, "true"):
		return literal{litTrue, text}, nil
	case equalFoldASCII(text, "false"):
		return literal{litFalse, text}, nil
	case equalFoldASCII(text, "null"):
		return literal{litNull, text}, nil
	case numberLen(text) == len(text):
		return literal{litNumber, text}, nil
	}
	p.word, p.f.unquoted = true, true
	if p.pos < len(p.s) && strings.IndexByte(" \t)]", p.s[p.pos]) < 0 {
		return literal{}, p.unexpected("a space or the end after a value without quotes")
	}
	return literal{litWord, text}, nil
}

// isWordByte tells what a value without quotes may be made of.
func isWordByte(c byte) bool {
	return isAlphanumeric(c) || c >= utf8.RuneSelf || strings.IndexByte("-_.@:+/", c) >= 0
}

// quoted reads a JSON string (RFC 7644 §3.4.2.2 takes its values from RFC 8259).
func (p *filterParser) quoted() (string, error) {
	start := p.pos + 1
	for i := start; i < len(p.s); i++ {
		switch p.s[i] {
		case '"':
			p.pos = i + 1
			return p.s[start:i], nil
		case '\\':
			return p.escaped(start, i)
		}
	}
	return "", p.fail("the string that begins here has no end")
}

func (p *filterParser) escaped(start, i int) (string, error) {
	b := append(make([]byte, 0, len(p.s)-start), p.s[start:i]...)
	for i < len(p.s) && p.s[i] != '"' {
		if p.s[i] != '\\' {
			b = append(b, p.s[i])
			i++
			continue
		}
		r, n := unescape(p.s[i:])
		if n == 0 {
			p.pos = i
			return "", p.fail(`the backslash begins no JSON escape; write \\ for a backslash and \" for a quote`)
		}
		b = utf8.AppendRune(b, r)
		i += n
	}
	if i >= len(p.s) {
		return "", p.fail("the string that begins here has no end")
	}
	p.pos = i + 1
	return string(b), nil
}
