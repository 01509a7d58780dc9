package ldapsrc

import (
	"bytes"
	"strings"
	"testing"
)

func TestDNCanonical(t *testing.T) {
	same := [][]string{
		{"uid=ada,ou=People,dc=example,dc=org", "UID=Ada, OU=people , DC = Example,dc=org", "userid=ada;organizationalUnitName=people,dc=example,DC=org",
			`uid=\41da,ou=people,dc=example,dc=org`, "0.9.2342.19200300.100.1.1=ada,2.5.4.11=people,dc=example,dc=org", "uid=#0403416461,ou=people,dc=example,dc=org"},
		{"cn=a+sn=b,dc=x", "SN=B+CN=A,DC=X"},
		{"cn=Ada Lovelace,dc=x", "cn=ada   lovelace,dc=x", `cn=Ada\20Lovelace,dc=x`},
		{"cn=José,dc=x", `cn=Jos\c3\a9,dc=x`, "cn=JOSÉ,dc=X", "cn=Jose\u0301,dc=x"},
		{`cn=Smith\, John,dc=x`, `cn=smith\2C john,dc=x`},
		{"cn=a=b,dc=x", `cn=a\=b,dc=x`, `cn=a\3db,dc=x`},
		{"cn=Straße,dc=x", "cn=STRASSE,dc=x"},
		{"cn=smith,cn=john,dc=x"},
		{`cn=a\00b,dc=x`}, {`cn=a\02b,dc=x`}, {"cn=a,dc=b,dc=x"}, {`cn=a\01b,dc=x`},
		{"cn=a,dc=x"}, {"cn=a+dc=x"}, {"cn=,dc=x"},
	}
	seen := map[string]string{}
	for _, spellings := range same {
		first, err := appendDN(nil, spellings[0])
		if err != nil {
			t.Errorf("appendDN(%q) = %v", spellings[0], err)
		}
		for _, s := range spellings {
			if got, err := appendDN(nil, s); err != nil || !bytes.Equal(got, first) {
				t.Errorf("appendDN(%q) = %q, %v, want %q as of %q", s, got, err, first, spellings[0])
			}
		}
		if other, ok := seen[string(first)]; ok {
			t.Errorf("%q and %q have one canonical form", other, spellings[0])
		}
		seen[string(first)] = spellings[0]
	}
	for _, bad := range []string{"", " ", "ada", "=x", "cn=a,", ",cn=a", "cn=a,,dc=x", `cn=a\`, "cn=\"a\"", "c n=a", "cn=\xff,dc=x", "cn=a\x00", strings.Repeat("cn=aaaa,", 2000) + "dc=x"} {
		if got, err := appendDN(nil, bad); err == nil {
			t.Errorf("appendDN(%q) = %q, want an error", bad, got)
		}
	}
}

func TestInScope(t *testing.T) {
	for _, c := range []struct {
		dn, base, scope string
		want            bool
	}{
		{"uid=a,ou=p,dc=x", "ou=p,dc=x", ScopeSub, true},
		{"ou=p,dc=x", "ou=p,dc=x", ScopeSub, true},
		{"uid=a,ou=notp,dc=x", "ou=p,dc=x", ScopeSub, false},
		{`uid=a\,ou=p,dc=x`, "ou=p,dc=x", ScopeSub, false},
		{"uid=a,ou=q,ou=p,dc=x", "ou=p,dc=x", ScopeOne, false},
		{"uid=a,ou=p,dc=x", "ou=p,dc=x", ScopeOne, true},
		{"ou=p,dc=x", "ou=p,dc=x", ScopeOne, false},
		{"ou=p,dc=x", "ou=p,dc=x", ScopeBase, true},
		{"uid=a,ou=p,dc=x", "", ScopeSub, true},
	} {
		dn, _ := appendDN(nil, c.dn)
		var base []byte
		if c.base != "" {
			base, _ = appendDN(nil, c.base)
		}
		if got := inScope(dn, base, c.scope); got != c.want {
			t.Errorf("inScope(%q, %q, %s) = %v, want %v", c.dn, c.base, c.scope, got, c.want)
		}
	}
}

func FuzzDN(f *testing.F) {
	for _, s := range []string{"uid=Ada, ou=x+sn=b,dc=org", `cn=\2c\ \#a,dc=\c3\a9`, "cn=#0403414243", "cn=a  b ,dc=K", "CN=ſ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		got, err := appendDN(nil, dn)
		if plain, ok := appendPlainDN(nil, dn); ok {
			// The short way and go-ldap's parser must agree on what is a DN, and which.
			if slow, err := appendAnyDN(nil, dn); err != nil || !bytes.Equal(plain, slow) {
				t.Errorf("%q: plain %q, parsed %q, %v", dn, plain, slow, err)
			}
		}
		if err != nil {
			return
		}
		again, err := appendDN(nil, string(dnText(got)))
		if err == nil && !bytes.Equal(again, got) && len(dnText(got)) < maxDN && !bytes.ContainsAny(got, " #") {
			t.Errorf("%q is %q, and that as text %q is %q", dn, got, dnText(got), again)
		}
		if up, err := appendDN(nil, strings.ToUpper(dn)); err == nil && isASCII(dn) && !bytes.Equal(up, got) {
			t.Errorf("%q is %q, in capitals %q", dn, got, up)
		}
	})
}

func isASCII(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 }
