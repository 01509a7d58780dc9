package scim

import (
	"cmp"
	"strings"
)

// FilterLimits bound a filter: RFC 7644 §3.4.2.2 sets none, and each is there because something
// died without it. Zero fields mean the default.
type FilterLimits struct {
	Bytes int // of the text; 4096
	Depth int // of parentheses and brackets within each other; 12
	Terms int // comparisons; 32
}

// The defaults of FilterLimits, which also bound paths.
const (
	MaxFilterBytes = 4096
	MaxFilterDepth = 12
	MaxFilterTerms = 32
)

func (l FilterLimits) withDefaults() FilterLimits {
	return FilterLimits{cmp.Or(l.Bytes, MaxFilterBytes), cmp.Or(l.Depth, MaxFilterDepth), cmp.Or(l.Terms, MaxFilterTerms)}
}

// Filter is a parsed filter. Immutable, safe for concurrent use.
type Filter struct {
	root *node
	// first is room for the one node that most filters have.
	first node
	used  bool
	// unquoted tells of a value that should have had quotes: see Quirks.
	unquoted bool
}

// node is one part of a filter's tree.
type node struct {
	kind nodeKind
	op   operator
	attr string  // of a test or value path, as written, with its URN
	sub  string  // behind the brackets of a value path
	lit  literal // what a test compares with
	// ids are those of whom a test holds that was settled, or with others of whom alone it does not.
	ids    map[string]bool
	others bool
	// left and right are the sides of and and or. not and a value path have left alone.
	left, right *node
}

type nodeKind uint8

const (
	kindTest   nodeKind = iota // attr op literal
	kindValues                 // attr[left], attr[left].sub op literal (clients.md E3)
	kindAnd
	kindOr
	kindNot
	kindAmong // a test whose outcome is known by id (Filter.Settle)
)

type operator uint8

const (
	opNone operator = iota
	opEqual
	opNotEqual
	opContains
	opStartsWith
	opEndsWith
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opPresent
)

var operatorNames = [...]string{"", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}

func (o operator) String() string { return operatorNames[o] }

// ordering tells gt, ge, lt and le.
func (o operator) ordering() bool { return o >= opGreater && o <= opLessEqual }

// literal is the value of a test. A number's, boolean's or bare word's text is kept: it
// may stand for a string that should have had quotes.
type literal struct {
	kind literalKind
	text string
}

type literalKind uint8

const (
	litString literalKind = iota
	litWord               // without quotes, tolerated (clients.md A15)
	litNumber
	litTrue
	litFalse
	litNull
)

// ParseFilter parses a filter within the default limits.
func ParseFilter(text string) (*Filter, error) { return FilterLimits{}.Parse(text) }

// Parse parses a filter (RFC 7644 §3.4.2.2). It resolves no names yet: a root query applies
// one filter to several types. ErrInvalidFilter, with position and hint.
func (l FilterLimits) Parse(text string) (*Filter, error) {
	f := new(Filter)
	p := filterParser{s: text, f: f, kind: ErrInvalidFilter, limits: l.withDefaults()}
	if err := p.check(); err != nil {
		return nil, err
	}
	var err error
	if f.root, err = p.or(); err != nil {
		return nil, err
	}
	if p.peek() != 0 {
		return nil, p.unexpected("and, or, or the end of the filter")
	}
	return f, nil
}

// Quirks names the tolerances that the filter makes use of, as a filter of these types.
func (f *Filter) Quirks(types ...*ResourceType) []string {
	var q quirkSet
	if f.unquoted {
		q.add(QuirkUnquotedValue)
	}
	for _, t := range types {
		q.filter(t, f.root)
	}
	return q.list()
}

// filter adds the tolerances of a part of a filter outside brackets.
func (q *quirkSet) filter(t *ResourceType, n *node) {
	if n == nil {
		return
	}
	if n.kind == kindAnd || n.kind == kindOr || n.kind == kindNot {
		q.filter(t, n.left)
		q.filter(t, n.right)
		return
	}
	var path Path
	if t.find(n.attr, &path) != nil || path.Attr == nil {
		return
	}
	if path.Extension != nil && strings.IndexByte(n.attr, ':') < 0 {
		q.add(QuirkTopLevel)
	}
	if n.kind == kindValues {
		q.values(path.Attr, n.left)
		q.literal(path.Attr.subs.find(n.sub), n)
		return
	}
	if path.Sub == nil && path.Attr.Type == "complex" && !path.Attr.MultiValued && n.op != opPresent && n.lit.kind != litNull {
		q.add(QuirkComplexCompared)
	}
	q.literal(cmp.Or(path.Sub, path.Attr), n)
}

// values adds those of what stands in brackets.
func (q *quirkSet) values(of *Attribute, n *node) {
	if n == nil {
		return
	}
	q.values(of, n.left)
	q.values(of, n.right)
	q.literal(of.subs.find(n.attr), n)
}

func (q *quirkSet) literal(a *Attribute, n *node) {
	if a != nil && a.Type == "boolean" && n.lit.kind == litString && n.op != opPresent && n.op != opNone {
		q.add(QuirkStringBoolean)
	}
}

// quotesBoolean tells whether a boolean stands in quotes.
func (t *test) quotesBoolean() bool {
	return t != nil && (t.quoted || t.left.quotesBoolean() || t.right.quotesBoolean())
}

// String prints the filter so that ParseFilter reads the same again.
func (f *Filter) String() string { return string(f.root.print(nil)) }

func (n *node) print(b []byte) []byte {
	switch n.kind {
	case kindAnd, kindOr:
		// and binds before or, and both group to the left.
		b = n.left.printSide(b, n.kind == kindAnd && n.left.kind == kindOr)
		if n.kind == kindAnd {
			b = append(b, " and "...)
		} else {
			b = append(b, " or "...)
		}
		return n.right.printSide(b, n.right.kind == n.kind || n.kind == kindAnd && n.right.kind == kindOr)
	case kindNot:
		return n.left.printSide(append(b, "not "...), true)
	case kindValues:
		b = append(n.left.print(append(append(b, n.attr...), '[')), ']')
		if n.sub != "" {
			b = append(append(b, '.'), n.sub...)
		}
	default:
		b = append(b, n.attr...)
	}
	if n.op == opNone {
		return b
	}
	b = append(append(b, ' '), n.op.String()...)
	if n.op == opPresent {
		return b
	}
	b = append(b, ' ')
	if n.lit.kind == litString || n.lit.kind == litWord {
		return appendString(b, n.lit.text)
	}
	return append(b, n.lit.text...)
}

func (n *node) printSide(b []byte, parentheses bool) []byte {
	if !parentheses {
		return n.print(b)
	}
	return append(n.print(append(b, '(')), ')')
}
