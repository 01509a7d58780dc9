package ldapsrc

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall/scim"

	"github.com/go-ldap/ldap/v3"
)

// maxDN bounds a DN. Directories allow more; no person has one that long.
const maxDN = 8192

// Separators of a canonical DN. A value that holds one of these bytes is escaped.
const (
	sepValue  = 0x00 // between an attribute type and its value
	sepPair   = 0x01 // between the pairs of one RDN
	sepRDN    = 0x02 // after each RDN
	dnEscape  = 0x03
	lowestRaw = 0x04
)

var errDN = errors.New("is not a DN")

// appendDN appends the canonical form of a DN (RFC 4514) to dst: one byte string for
// all spellings of a DN that a directory treats as equal (RFC 4517 §4.2.15).
// Types are lower-case short names, values are case-folded with runs of spaces made
// one, and the pairs of an RDN are sorted. It goes from leaf to root, so that an
// ancestor is a suffix. Values of case-sensitive attributes are folded too: no directory
// has two entries beside one another that differ only so in what names people and groups.
func appendDN(dst []byte, dn string) ([]byte, error) {
	if len(dn) > maxDN {
		return dst, errDN
	}
	if out, ok := appendPlainDN(dst, dn); ok {
		return out, nil
	}
	return appendAnyDN(dst, dn)
}

// appendPlainDN does the DNs that nearly all are: printable ASCII, nothing escaped,
// one pair an RDN. ok is false for every other DN, and for what is none.
func appendPlainDN(dst []byte, dn string) (out []byte, ok bool) {
	for more := true; more; {
		eq := strings.IndexByte(dn, '=')
		if eq < 0 {
			return dst, false
		}
		typ := strings.Trim(dn[:eq], " ")
		if !plainType(typ) {
			return dst, false
		}
		start := len(dst)
		dst = appendType(dst, typ)
		dst = append(dst, sepValue)
		var value string
		value, dn, more = strings.Cut(dn[eq+1:], ",")
		value = strings.Trim(value, " ")
		for i := range len(value) {
			c := value[i]
			switch {
			case c < ' ' || c > '~' || strings.IndexByte(`\"+;<>#`, c) >= 0:
				return dst[:start], false
			case c == ' ' && value[i-1] == ' ': // trimmed: never at 0
				continue
			case 'A' <= c && c <= 'Z':
				c += 'a' - 'A'
			}
			dst = append(dst, c)
		}
		dst = append(dst, sepRDN)
	}
	return dst, true
}

func plainType(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}

// appendAnyDN does every DN, through go-ldap's parser.
func appendAnyDN(dst []byte, dn string) ([]byte, error) {
	if !utf8.ValidString(dn) {
		return dst, errDN
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return dst, errDN
	}
	for _, rdn := range parsed.RDNs {
		pairs := make([]string, 0, len(rdn.Attributes))
		for _, a := range rdn.Attributes {
			if !plainType(a.Type) || !utf8.ValidString(a.Value) {
				return dst, errDN
			}
			pair := append(appendType(nil, a.Type), sepValue)
			pairs = append(pairs, string(appendValue(pair, a.Value)))
		}
		slices.Sort(pairs)
		for i, p := range pairs {
			if i > 0 {
				dst = append(dst, sepPair)
			}
			dst = append(dst, p...)
		}
		dst = append(dst, sepRDN)
	}
	return dst, nil
}

// typeNames are the other names of the attribute types that DNs are made of
// (RFC 4514 §3 and the registrations of RFC 4519).
var typeNames = map[string]string{
	"2.5.4.3": "cn", "commonname": "cn",
	"2.5.4.4": "sn", "surname": "sn",
	"2.5.4.6": "c", "countryname": "c",
	"2.5.4.7": "l", "localityname": "l",
	"2.5.4.8": "st", "stateorprovincename": "st",
	"2.5.4.10": "o", "organizationname": "o",
	"2.5.4.11": "ou", "organizationalunitname": "ou",
	"0.9.2342.19200300.100.1.1": "uid", "userid": "uid",
	"0.9.2342.19200300.100.1.25": "dc", "domaincomponent": "dc",
}

func appendType(dst []byte, typ string) []byte {
	start := len(dst)
	for i := range len(typ) {
		c := typ[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	if name, ok := typeNames[string(dst[start:])]; ok {
		dst = append(dst[:start], name...)
	}
	return dst
}

// appendValue folds as comparison of directory strings does (RFC 4518): case, and spaces
// around and within. value is valid UTF-8.
func appendValue(dst []byte, value string) []byte {
	start := len(dst)
	space := false
	for _, r := range scim.Fold(value) {
		switch {
		case unicode.IsSpace(r):
			space = len(dst) > start
			continue
		case space:
			dst = append(dst, ' ')
			space = false
		}
		if r < lowestRaw {
			dst = append(dst, dnEscape, byte(r)+0x40)
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// foldText is appendValue for text that stands alone. Bytes that are no text stay as they are.
func foldText(s string) string {
	if !utf8.ValidString(s) {
		return s
	}
	return string(appendValue(nil, s))
}

// dnText writes a canonical DN as RFC 4514 does.
func dnText(canonical []byte) []byte {
	out := make([]byte, 0, len(canonical))
	for i := 0; i < len(canonical); i++ {
		switch c := canonical[i]; c {
		case sepValue:
			out = append(out, '=')
		case sepPair:
			out = append(out, '+')
		case sepRDN:
			out = append(out, ',')
		case dnEscape:
			i++
			out = fmt.Appendf(out, `\%02x`, canonical[i]-0x40)
		case ',', '+', '"', '\\', '<', '>', ';':
			out = append(out, '\\', c)
		default:
			out = append(out, c)
		}
	}
	return bytes.TrimSuffix(out, []byte{','})
}

// A key stands for a DN, a uid, a SID or a stable id: 128 bits of a hash of its canonical
// form, so that what is kept for each of a million entries is small and of one size.
type key [16]byte

func keyOf(canonical []byte) key {
	sum := sha256.Sum256(canonical)
	return key(sum[:16])
}

// Scope of a search below its base (RFC 4511 §4.5.1.2).
const (
	ScopeSub  = "sub"  // the base and everything below; the default
	ScopeOne  = "one"  // the entries directly below the base
	ScopeBase = "base" // the base alone
)

// inScope tells whether a canonical DN lies in the scope below a canonical base. An
// empty base is above everything.
func inScope(dn, base []byte, scope string) bool {
	above, ok := bytes.CutSuffix(dn, base)
	if !ok || len(above) > 0 && above[len(above)-1] != sepRDN {
		return false
	}
	switch scope {
	case ScopeBase:
		return len(above) == 0
	case ScopeOne:
		return bytes.Count(above, []byte{sepRDN}) == 1
	}
	return true
}
