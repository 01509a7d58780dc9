package scim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits bound what a client may send. Zero fields mean no bound, except that
// nothing may nest deeper than 1,000: both reading and writing recurse.
type Limits struct {
	Bytes  int // length of the text
	Depth  int // nesting of objects and arrays
	Values int // objects, arrays and scalars in all
}

// Limits of a request's body and of what the store itself wrote.
var (
	BodyLimits   = Limits{Bytes: 4 << 20, Depth: 16, Values: 200_000}
	StoredLimits = Limits{Depth: 32}
)

const maxDepth = 1000

// ParseObject reads one JSON object (RFC 8259) strictly: nothing may follow it, text
// must be valid UTF-8 without lone surrogates, and no two names of an object may be
// equal when ASCII case is ignored (RFC 7643 §2.1 makes names case-insensitive).
// Numbers become int64 where they are whole and fit, else float64. Errors are
// ErrInvalidSyntax, with line and column, or ErrTooLarge.
//
// The strings of the result share one copy of text: strings.Clone what is to be kept
// longer than the rest.
func ParseObject(text []byte, l Limits) (map[string]any, error) {
	if l.Bytes > 0 && len(text) > l.Bytes {
		return nil, Errorf(ErrTooLarge, "the body has %d bytes, more than the %d allowed", len(text), l.Bytes)
	}
	if !utf8.Valid(text) {
		at := 0
		for at < len(text) {
			r, n := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, (&jsonParser{s: string(text)}).fail(at, "the text is not valid UTF-8")
	}
	p := jsonParser{s: string(text), limits: l}
	if l.Depth <= 0 || l.Depth > maxDepth {
		p.limits.Depth = maxDepth
	}
	return p.document()
}

// jsonParser reads s from pos on. fields and items hold what has been read of the
// objects and arrays that are still open, innermost last, so that each map and slice is
// made once, with its final size.
type jsonParser struct {
	s      string
	pos    int
	depth  int
	values int
	limits Limits
	fields []jsonField
	items  []any
}

type jsonField struct {
	name  string
	value any
}

func (p *jsonParser) fail(at int, format string, args ...any) error {
	before := p.s[:min(at, len(p.s))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return Errorf(ErrInvalidSyntax, "line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

// found names what stands at pos, for errors.
func (p *jsonParser) found() string {
	if p.pos >= len(p.s) {
		return "the end of the text"
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.pos:])
	return strconv.QuoteRune(r)
}

func (p *jsonParser) document() (map[string]any, error) {
	if strings.HasPrefix(p.s, "\uFEFF") {
		return nil, p.fail(0, "the text begins with a byte order mark; send UTF-8 without one")
	}
	if p.peek() != '{' {
		return nil, p.fail(p.pos, "expected a JSON object, found %s", p.found())
	}
	var room [48]jsonField
	p.fields = room[:0]
	m, err := p.object()
	if err != nil {
		return nil, err
	}
	if p.peek(); p.pos < len(p.s) {
		return nil, p.fail(p.pos, "expected nothing more after the object, found %s", p.found())
	}
	return m, nil
}

// peek skips white space and returns the byte at pos, 0 at the end.
func (p *jsonParser) peek() byte {
	for ; p.pos < len(p.s); p.pos++ {
		switch c := p.s[p.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (p *jsonParser) value() (any, error) {
	c := p.peek()
	if p.values++; p.limits.Values > 0 && p.values > p.limits.Values {
		return nil, Errorf(ErrTooLarge, "the body holds more than the %d values allowed", p.limits.Values)
	}
	switch {
	case c == '"':
		s, err := p.str()
		if err != nil {
			return nil, err
		}
		return s, nil
	case c == '{':
		m, err := p.object()
		if err != nil {
			return nil, err
		}
		return m, nil
	case c == '[':
		return p.array()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't' && p.literal("true"):
		return true, nil
	case c == 'f' && p.literal("false"):
		return false, nil
	case c == 'n' && p.literal("null"):
		return nil, nil
	}
	return nil, p.fail(p.pos, "expected a JSON value, found %s", p.found())
}

func (p *jsonParser) literal(word string) bool {
	if !strings.HasPrefix(p.s[p.pos:], word) {
		return false
	}
	p.pos += len(word)
	return true
}

// enter begins an object or array.
func (p *jsonParser) enter() error {
	if p.depth++; p.depth > p.limits.Depth {
		return p.fail(p.pos, "objects and arrays nest deeper than the %d levels allowed", p.limits.Depth)
	}
	p.pos++
	return nil
}

func (p *jsonParser) object() (map[string]any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	base := len(p.fields)
	var seen map[string]bool
	for first := true; ; first = false {
		c := p.peek()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return nil, p.fail(p.pos, "expected a name in double quotes, found %s", p.found())
		}
		at := p.pos
		name, err := p.str()
		if err != nil {
			return nil, err
		}
		if p.taken(base, &seen, name) {
			return nil, p.fail(at, "the name %q stands twice in one object (names are compared ignoring case)", clip(name))
		}
		if c = p.peek(); c != ':' {
			return nil, p.fail(p.pos, "expected a colon after the name, found %s", p.found())
		}
		p.pos++
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		p.fields = append(p.fields, jsonField{name, v})
		if c = p.peek(); c == '}' {
			break
		}
		if c != ',' {
			return nil, p.fail(p.pos, "expected a comma or the end of the object, found %s", p.found())
		}
		p.pos++
	}
	p.pos++
	p.depth--
	m := make(map[string]any, len(p.fields)-base)
	for _, f := range p.fields[base:] {
		m[f.name] = f.value
	}
	clear(p.fields[base:])
	p.fields = p.fields[:base]
	return m, nil
}

// taken tells whether the object whose fields begin at base already has the name. Small
// objects are compared name by name; large ones keep the lower-case names in seen.
func (p *jsonParser) taken(base int, seen *map[string]bool, name string) bool {
	const small = 24
	fields := p.fields[base:]
	if len(fields) < small {
		for i := range fields {
			if equalFoldASCII(fields[i].name, name) {
				return true
			}
		}
		return false
	}
	if *seen == nil {
		*seen = make(map[string]bool, 2*small)
		for _, f := range fields {
			(*seen)[lowerASCII(f.name)] = true
		}
	}
	name = lowerASCII(name)
	if (*seen)[name] {
		return true
	}
	(*seen)[name] = true
	return false
}

func (p *jsonParser) array() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	base := len(p.items)
	for first := true; ; first = false {
		if c := p.peek(); c == ']' && first {
			break
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, v)
		c := p.peek()
		if c == ']' {
			break
		}
		if c != ',' {
			return nil, p.fail(p.pos, "expected a comma or the end of the array, found %s", p.found())
		}
		p.pos++
	}
	p.pos++
	p.depth--
	list := append(make([]any, 0, len(p.items)-base), p.items[base:]...)
	clear(p.items[base:])
	p.items = p.items[:base]
	return list, nil
}

// str reads a string; pos is at its opening quote.
func (p *jsonParser) str() (string, error) {
	open := p.pos
	for i := open + 1; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.pos = i + 1
			return p.s[open+1 : i], nil
		case c == '\\':
			return p.escaped(open, i)
		case c < ' ':
			return "", p.fail(i, "a control character stands in a string; escape it")
		}
	}
	return "", p.fail(open, "the string that begins here has no end")
}

// escaped reads on a string that has its first backslash at i.
func (p *jsonParser) escaped(open, i int) (string, error) {
	b := append(make([]byte, 0, i-open+32), p.s[open+1:i]...)
	for i < len(p.s) {
		switch c := p.s[i]; {
		case c == '"':
			p.pos = i + 1
			return string(b), nil
		case c < ' ':
			return "", p.fail(i, "a control character stands in a string; escape it")
		case c != '\\':
			b = append(b, c)
			i++
		default:
			r, n := unescape(p.s[i:])
			if n == 0 {
				return "", p.fail(i, "the backslash begins no JSON escape, or half of a surrogate pair")
			}
			b = utf8.AppendRune(b, r)
			i += n
		}
	}
	return "", p.fail(open, "the string that begins here has no end")
}

// unescape decodes the JSON escape that s begins with: the character, and the length
// of the escape, 0 where it is none. Surrogates must come in pairs.
func unescape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := hexEscape(s)
	switch {
	case !ok || r >= 0xDC00 && r <= 0xDFFF:
		return 0, 0
	case r < 0xD800 || r > 0xDBFF:
		return r, 6
	}
	low, ok := hexEscape(s[6:])
	if !ok || low < 0xDC00 || low > 0xDFFF {
		return 0, 0
	}
	return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00), 12
}

// hexEscape reads \uXXXX.
func hexEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 + rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 + rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 + rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func (p *jsonParser) number() (any, error) {
	start := p.pos
	n := numberLen(p.s[start:])
	if n == 0 {
		return nil, p.fail(start, "a minus sign or a zero begins no JSON number here")
	}
	p.pos += n
	v, ok := parseNumber(p.s[start:p.pos])
	if !ok {
		return nil, p.fail(start, "the number is too large")
	}
	return v, nil
}

// numberLen is the length of the JSON number that s begins with, 0 for none. Leading
// zeros are none (RFC 8259 §6).
func numberLen(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	start := 0
	if s != "" && s[0] == '-' {
		start = 1
	}
	i := digits(start)
	if i == start || s[start] == '0' && i > start+1 {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		end := digits(i + 1)
		if end == i+1 {
			return 0
		}
		i = end
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		end := digits(j)
		if end == j {
			return 0
		}
		i = end
	}
	return i
}

// parseNumber gives int64 for a number that is whole and fits, else float64; false
// where it is beyond float64.
func parseNumber(s string) (any, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, false
	}
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f), true
	}
	return f, true
}

// clip shortens what a client sent for quoting it in an error.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
