package scim

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// maxKeyBytes bounds what is unique: userName, displayName of a Group, externalId.
const maxKeyBytes = 1024

// UserNameKey is the key under which userNames are unique and compared: PRECIS
// UsernameCaseMapped (RFC 8265 §3.3), as RFC 7644 §5 asks, relaxed where real
// directories have names that it refuses:
//
//   - single spaces inside the name are kept ("anna maria");
//   - the profile is applied to each part between ASCII punctuation and spaces by
//     itself, so that a right-to-left local part may stand before "@example.com"
//     (the Bidi rule, RFC 5893 §2, would refuse the mix);
//   - the apostrophe U+2019 counts as the ASCII one: O’Brien is O'Brien.
//
// The key of a key is the key itself. ErrInvalidValue for a name that has none.
func UserNameKey(name string) (string, error) {
	if name == "" {
		return "", Errorf(ErrInvalidValue, "userName is empty")
	}
	if len(name) > maxKeyBytes {
		return "", Errorf(ErrInvalidValue, "userName is longer than %d bytes", maxKeyBytes)
	}
	if isASCII(name) {
		if !spacedWell(name) {
			return "", Errorf(ErrInvalidValue, "userName has a control character, or a space at an end or beside another")
		}
		return lowerASCII(name), nil
	}
	// RFC 8264 §7: applying the profile again must change nothing. The first rounds can
	// make new punctuation (a full-width "＠"), at which the next ones split.
	key := name
	for range 4 {
		next, err := userNameRound(key)
		if err != nil {
			return "", err
		}
		if next == key && len(key) <= maxKeyBytes {
			return key, nil
		}
		key = next
	}
	return "", Errorf(ErrInvalidValue, "userName is too long, or has no stable normal form")
}

// userNameRound applies the profile to each part of a name once.
func userNameRound(name string) (string, error) {
	var b strings.Builder
	b.Grow(len(name))
	for rest := strings.ReplaceAll(name, "\u2019", "'"); rest != ""; {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < utf8.RuneSelf && !isAlphanumeric(byte(r)) })
		if end < 0 {
			end = len(rest)
		}
		part, err := userNamePart(rest[:end])
		if err != nil {
			return "", err
		}
		b.WriteString(part)
		if end < len(rest) {
			b.WriteByte(rest[end])
			end++
		}
		rest = rest[end:]
	}
	if key := b.String(); spacedWell(key) {
		return key, nil
	}
	return "", Errorf(ErrInvalidValue, "userName has a control character, or a space at an end or beside another")
}

func userNamePart(part string) (string, error) {
	if isASCII(part) {
		return lowerASCII(part), nil
	}
	// A mark at the start would combine with the punctuation before it.
	if first, _ := utf8.DecodeRuneInString(part); unicode.Is(unicode.M, first) {
		return "", Errorf(ErrInvalidValue, "userName has a combining mark with no letter before it")
	}
	key, err := precis.UsernameCaseMapped.CompareKey(part)
	if err != nil {
		return "", Errorf(ErrInvalidValue, "userName has characters that PRECIS UsernameCaseMapped (RFC 8265) refuses; "+
			"letters, digits, punctuation of ASCII and single spaces are safe")
	}
	return key, nil
}

// spacedWell refuses ASCII control characters, and spaces at the ends or side by side.
func spacedWell(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == 0x7F:
			return false
		case c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' '):
			return false
		}
	}
	return s != ""
}

// DisplayNameKey is the key under which displayNames of groups are unique and
// compared: folded, with white space trimmed and collapsed, and without the format
// characters that nobody can see. ErrInvalidValue where nothing is left.
func DisplayNameKey(name string) (string, error) {
	if len(name) > maxKeyBytes || !utf8.ValidString(name) {
		return "", Errorf(ErrInvalidValue, "displayName is longer than %d bytes, or not UTF-8", maxKeyBytes)
	}
	if !isASCII(name) {
		name = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Cf, r) {
				return -1
			}
			return r
		}, name)
	}
	if !spacedWell(name) || !isASCII(name) {
		name = strings.Join(strings.Fields(name), " ")
	}
	if name == "" {
		return "", Errorf(ErrInvalidValue, "displayName is empty")
	}
	key := Fold(name)
	if len(key) > maxKeyBytes {
		return "", Errorf(ErrInvalidValue, "displayName is longer than %d bytes when folded", maxKeyBytes)
	}
	return key, nil
}

// Fold is the comparison key of attributes that are not caseExact (RFC 7643 §2.2):
// full Unicode case folding in normal form C. The fold of a fold is itself.
func Fold(s string) string {
	if isASCII(s) {
		return lowerASCII(s)
	}
	for range 4 {
		next := norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// lowerASCII lowers A to Z and nothing else: strings.ToLower would turn the Kelvin
// sign and the dotted capital I into ASCII letters, and one name into another.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// equalFoldASCII compares names of attributes, operators and URNs.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// OpaqueString is a password as it is compared (RFC 8265 §4.2): composed, with the plain space
// for every other. What the profile does not take is left as it is.
func OpaqueString(s string) string {
	if t, err := precis.OpaqueString.String(s); err == nil {
		return t
	}
	return s
}
