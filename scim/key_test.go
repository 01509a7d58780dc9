package scim

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestUserNameKey(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "bjensen", "bjensen"},
		{"upper case", "BJensen@Example.COM", "bjensen@example.com"},
		{"interior space", "Anna Maria", "anna maria"},
		{"all of ASCII", "a!#$%&'*+-/=?^_`{|}~\\\"<>(),:;[]", "a!#$%&'*+-/=?^_`{|}~\\\"<>(),:;[]"},
		{"umlaut composed", "MÜLLER", "müller"},
		{"umlaut decomposed", "MU\u0308LLER", "müller"},
		{"full width", "ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", "bob@example.com"},
		{"typographic apostrophe", "O\u2019Brien@x.org", "o'brien@x.org"},
		{"right-to-left local part", "محمد@example.com", "محمد@example.com"},
		{"right-to-left with Latin part", "john.דוד@example.com", "john.דוד@example.com"},
		{"sigma", "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := UserNameKey(tt.in)
			if err != nil || got != tt.want {
				t.Errorf("UserNameKey(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
	for name, in := range map[string]string{
		"empty": "", "space": " ", "leading space": " bob", "trailing space": "bob ", "two spaces": "a  b", "tab": "a\tb",
		"NUL": "a\x00", "DEL": "a\x7f", "no-break space": "a\u00a0b", "ideographic space": "a\u3000b", "zero width space": "bob\u200b",
		"zero width joiner": "bo\u200db", "long s": "paſs", "ligature": "ﬁona", "superscript": "bob²", "emoji": "bob😀",
		"bidi control": "bob\u202e", "mark alone": "a.\u0301b", "invalid UTF-8": "b\xffb", "too long": strings.Repeat("a", 1025),
	} {
		if got, err := UserNameKey(in); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("%s: UserNameKey(%q) = %q, %v, want invalidValue", name, in, got, err)
		}
	}
}

// Characters that are not ASCII and have an ASCII key are how one account is passed
// off as another; the set is small and known.
func TestUserNameKeyLookalikes(t *testing.T) {
	n := 0
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if dull(r) {
			continue
		}
		key, err := UserNameKey("a" + string(r) + "b")
		if err != nil || !isASCII(key) {
			continue
		}
		n++
		if wide := r >= 0xFF01 && r <= 0xFF5E; !wide && r != 0x212A && r != 0x2019 && r != 0x37E && r != 0x1FEF {
			t.Errorf("UserNameKey maps %U to ASCII: %q", r, key)
		}
	}
	if want := 94 + 4; n != want {
		t.Errorf("%d characters have an ASCII key, want %d", n, want)
	}
}

func TestKeysAreIdempotent(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if !dull(r) {
			checkKeys(t, "A"+string(r)+"\u0301.B")
		}
	}
}

// dull characters are the large sets that no mapping touches, and what is unassigned.
func dull(r rune) bool {
	if r > 0x1FFFF && r < 0xE0000 || r > 0xE0FFF {
		return true
	}
	return unicode.In(r, unicode.Unified_Ideograph, unicode.Hangul, unicode.Co) || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C)
}

func checkKeys(t *testing.T, s string) {
	t.Helper()
	if key, err := UserNameKey(s); err == nil {
		if again, err := UserNameKey(key); err != nil || again != key {
			t.Errorf("UserNameKey(%q) = %q, %v, want the same (from %q)", key, again, err, s)
		}
	}
	if key, err := DisplayNameKey(s); err == nil {
		if again, err := DisplayNameKey(key); err != nil || again != key {
			t.Errorf("DisplayNameKey(%q) = %q, %v, want the same (from %q)", key, again, err, s)
		}
	}
	if utf8.ValidString(s) {
		if key := Fold(s); Fold(key) != key {
			t.Errorf("Fold(%q) = %q, want the same (from %q)", key, Fold(key), s)
		}
	}
}

func TestDisplayNameKey(t *testing.T) {
	for in, want := range map[string]string{
		"Sales": "sales", "  Sales \t Team ": "sales team", "Stra\u00dfe": "strasse", "Adm\u200bins": "admins",
		"Sales\u00a0Team": "sales team", "Cafe\u0301": "café", "👩\u200d💻": "👩💻",
	} {
		if got, err := DisplayNameKey(in); err != nil || got != want {
			t.Errorf("DisplayNameKey(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "\u200b", strings.Repeat("x", 1025)} {
		if got, err := DisplayNameKey(in); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("DisplayNameKey(%q) = %q, %v, want invalidValue", in, got, err)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "ABC": "abc", "Straße": "strasse", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "Σίσυφος": "σίσυφοσ", "E\u0301": "é", "\u212a": "k",
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestKeysDoNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		_, _ = UserNameKey("bjensen@example.com")
		_, _ = DisplayNameKey("sales team")
		_ = Fold("work")
	}); n != 0 {
		t.Errorf("keys of lower-case ASCII cost %v allocations, want 0", n)
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"bjensen", "محمد@x.com", "ｂ＠x", "a b", "O\u2019B", "e\u0301", "\u0345", "ﬁ"} {
		f.Add(s)
	}
	f.Fuzz(checkKeys)
}

// TestOpaqueString holds RFC 7644 §5 for passwords: what looks the same when typed is the same, and case and
// width count, unlike in a userName.
func TestOpaqueString(t *testing.T) {
	for in, want := range map[string]string{
		"Pass\u00a0w\u00f6rd": "Pass w\u00f6rd", "Pass wo\u0308rd": "Pass w\u00f6rd", "\uff21bc": "\uff21bc", "ABC": "ABC",
		"": "", "tab\there": "tab\there", // not the profile's, and left alone
	} {
		if got := OpaqueString(in); got != want {
			t.Errorf("OpaqueString(%q) = %q, want %q", in, got, want)
		}
	}
}
