package ldapsrc

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	dirsync "rollcall/sync"
)

// ldifOf is a source of an LDIF text.
func ldifOf(t testing.TB, text string, u Users, g Groups) *LDIF {
	t.Helper()
	fsys := fstest.MapFS{"x.ldif": {Data: []byte(text)}}
	s, err := NewLDIF(LDIFConfig{FS: fsys, Path: "x.ldif", Preset: "openldap", Users: u, Groups: g})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLDIFSyntax(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty file", "", ""},
		{"version alone", "version: 1\n", ""},
		{"CRLF", "dn: uid=a\r\nuid: a\r\n\r\ndn: uid=b\r\nuid: b\r\n", "uid=a{uid:a} uid=b{uid:b} "},
		{"folded value", "dn: uid=a\ncn: one\n  two\n", "uid=a{cn:one two} "},
		{"folded name", "dn: uid=a\nc\n n: x\n", "uid=a{cn:x} "},
		{"folded base64", "dn: uid=a\ncn:: b2\n 5l\n", "uid=a{cn:one} "},
		{"folded comment", "# a\n dn: no\ndn: uid=a\n# b\n cn: no\ncn: x\n", "uid=a{cn:x} "},
		{"values of one attribute apart", "dn: uid=a\ncn: 1\nsn: 2\nCN: 3\n", "uid=a{cn:1,3 sn:2} "},
		{"empty values", "dn: uid=a\ncn:\nsn:: \n", "uid=a{cn: sn:} "},
		{"many blank lines", "\n\n\ndn: uid=a\n\n\n\ndn: uid=b\n\n\n", "uid=a{} uid=b{} "},
		{"colons in a value", "dn: uid=a\ncn: a:b::c\n", "uid=a{cn:a:b::c} "},
		{"options", "dn: uid=a\nmember;range=0-*: x\ncn;lang-fr: y\n", "uid=a{member;range=0-*:x cn;lang-fr:y} "},
		{"version 2", "version: 2\n", "! line 1: the version"},
		{"change record", "dn: uid=a\nchangetype: add\ncn: x\n", "! line 2: a change record"},
		{"control", "dn: uid=a\ncontrol: 1.2.3\nchangetype: delete\n", "! line 2: a change record"},
		{"URL", "dn: uid=a\njpegPhoto:< file:///etc/passwd\n", "! line 2: a value by URL"},
		{"include", "include: file:///etc/ldap/schema/core.ldif\n", "! line 1: include"},
		{"no colon", "dn: uid=a\n\nnonsense\n", "uid=a{} ! line 3: no colon"},
		{"no dn", "cn: x\n", "! line 1: a record begins with dn"},
		{"two dn", "dn: uid=a\ndn: uid=b\n", "! line 2: a second dn"},
		{"bad base64", "dn: uid=a\ncn:: %%%\n", "! line 2: the value is not base64"},
		{"bad name", "dn: uid=a\nc n: x\n", "! line 2: what stands before the colon"},
		{"stray continuation", " x\n", "! line 1: a line that continues"},
		{"cut in a line", "dn: uid=a\ncn: x", "! line 2: the file breaks off"},
		{"NUL", "dn: uid=a\ncn: \x00\n", "! line 2: a NUL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spell(c.text); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("records of %q = %q, want %q", c.text, got, c.want)
			}
		})
	}
}

// spell writes what a reader makes of a text on one line.
func spell(text string) string {
	var b strings.Builder
	r := newLDIFReader(strings.NewReader(text))
	for {
		e, err := r.record()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			return b.String() + "! " + err.Error()
		}
		b.Write(e.dn)
		b.WriteByte('{')
		for i, a := range e.attrs {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.Write(a.name)
			b.WriteByte(':')
			for j, v := range a.values {
				if j > 0 {
					b.WriteByte(',')
				}
				b.Write(v)
			}
		}
		b.WriteString("} ")
	}
}

func TestLDIFLongLines(t *testing.T) {
	value := strings.Repeat("x", 300_000)
	if got, want := spell("dn: uid=a\ncn: "+value+"\nsn: y\n"), "uid=a{cn:"+value+" sn:y} "; got != want {
		t.Errorf("a line of 300,000 bytes was read as %d bytes, want %d", len(got), len(want))
	}
}

const twoTrees = `dn: uid=a,ou=people,dc=x
objectClass: inetOrgPerson
uid: a
cn: A
mail: a@x

dn: uid=b,ou=sub,ou=people,dc=x
objectClass: inetOrgPerson
uid: b
cn: B

dn: uid=c,ou=notpeople,dc=x
objectClass: inetOrgPerson
uid: c
cn: C

dn: cn=g,ou=groups,dc=x
objectClass: groupOfNames
cn: g
member: uid=a,ou=people,dc=x
member: uid=c,ou=notpeople,dc=x
`

func TestLDIFScope(t *testing.T) {
	for _, c := range []struct {
		name string
		u    Users
		want string
	}{
		{"all", Users{}, "a b c"},
		{"below a base", Users{Base: "OU=People, DC=X"}, "a b"},
		{"one level", Users{Base: "ou=people,dc=x", Scope: ScopeOne}, "a"},
		{"base alone", Users{Base: "uid=a,ou=people,dc=x", Scope: ScopeBase}, "a"},
		{"filter", Users{Filter: "(mail=*)"}, "a"},
		{"filter without parentheses", Users{Filter: "uid=B"}, "b"},
		{"no such entry", Users{Filter: "(uid=zz)"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, x := range collect(t, ldifOf(t, twoTrees, c.u, Groups{})) {
				if x.Entry == nil {
					t.Fatalf("Entries gave %+v", x)
				}
				if x.Entry.Type == "User" {
					got = append(got, x.Entry.Attributes["userName"].(string))
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("users = %q, want %q", s, c.want)
			}
		})
	}
}

func TestLDIFEnds(t *testing.T) {
	for _, c := range []struct {
		name, text string
		u          Users
		kind       error
	}{
		{"broken", twoTrees + "\nnonsense\n", Users{}, ErrIncomplete},
		{"cut", twoTrees[:len(twoTrees)-3], Users{}, ErrIncomplete},
		{"wrong base", twoTrees, Users{Base: "dc=y"}, ErrNoBase},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last error
			for e, err := range ldifOf(t, c.text, c.u, Groups{}).Entries(t.Context()) {
				if last = err; err == nil && e.Type == "Group" {
					t.Errorf("a group was sent before the file was read whole")
				}
			}
			if !errors.Is(last, c.kind) {
				t.Errorf("stream ended with %v, want %v", last, c.kind)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		s, err := NewLDIF(LDIFConfig{Path: "/does/not/exist", Preset: "openldap"})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range s.Entries(t.Context()) {
			if !errors.Is(err, ErrUnreachable) {
				t.Errorf("Entries = %v, want ErrUnreachable", err)
			}
		}
		if _, err := s.Check(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("Check = %v, want ErrUnreachable", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range ldifOf(t, twoTrees, Users{}, Groups{}).Entries(ctx) {
			cancel()
			last = err
		}
		if !errors.Is(last, ErrIncomplete) || !errors.Is(last, context.Canceled) {
			t.Errorf("stream ended with %v, want ErrIncomplete and Canceled", last)
		}
	})
	t.Run("consumer leaves", func(t *testing.T) {
		n := 0
		for range ldifOf(t, twoTrees, Users{}, Groups{}).Entries(t.Context()) {
			if n++; n == 2 {
				break
			}
		}
	})
}

// People's records hang on the ids made of DNs: they must never change. The one here is
// UUIDv5 of "uid=ada,dc=example", as any other implementation computes it.
func TestDNUUID(t *testing.T) {
	text := "dn: uid=Ada,  dc=Example\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\n"
	got := collect(t, ldifOf(t, text, Users{}, Groups{}))[0].Entry.ID
	if want := collect(t, ldifOf(t, strings.ToLower(text[:25])+text[25:], Users{}, Groups{}))[0].Entry.ID; got != want {
		t.Errorf("id of a DN = %s, of another spelling %s", got, want)
	}
	if want := "e5b86b6c-fc69-56ee-984a-44948bfa4682"; got != want {
		t.Errorf("id = %s, want %s", got, want)
	}
}

func TestLDIFFilters(t *testing.T) {
	e := &rawEntry{}
	for _, kv := range []string{"objectClass=Top", "cn=Ada  Lovelace", "n=42", "uac=514", "cn;lang-fr=Adèle"} {
		k, v, _ := strings.Cut(kv, "=")
		e.add([]byte(k), []byte(v))
	}
	for text, want := range map[string]bool{
		"(cn=ada lovelace)": true, "(CN=ADÈLE)": true, "(cn=ada)": false, "(cn=*)": true, "(sn=*)": false,
		"(cn=ada*)": true, "(cn=*lace)": true, "(cn=a*a*l*e)": true, "(cn=*x*)": false, "(cn=ada*lovelacex)": false,
		"(n>=9)": true, "(n<=9)": false, "(cn>=ad)": true, "(cn~=ada lovelace)": true,
		"(&(cn=*)(n=42))": true, "(&(cn=*)(n=43))": false, "(|(sn=*)(n=42))": true, "(!(sn=*))": true, "(!(cn=*))": false,
		"(uac:1.2.840.113556.1.4.803:=2)": true, "(uac:1.2.840.113556.1.4.803:=3)": false, "(uac:1.2.840.113556.1.4.804:=3)": true,
		`(cn=\41da lovelace)`: true, `(cn=ada\2a)`: false,
	} {
		f, err := compileFilter(text)
		if err != nil {
			t.Errorf("compileFilter(%q) = %v", text, err)
		} else if got := f.match(e); got != want {
			t.Errorf("%s matches = %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "cn=x", "(cn=x", "(cn:caseExactMatch:=x)", strings.Repeat("(!", 200) + "(a=b)" + strings.Repeat(")", 200)} {
		if _, err := compileFilter(text); err == nil {
			t.Errorf("compileFilter(%.20q) = nil, want an error", text)
		}
	}
}

func FuzzLDIF(f *testing.F) {
	for _, s := range []string{twoTrees, "version: 1\ndn:: dWlkPWE=\ncn:< x\n", "dn: a\n b\n\n# c\n", "dn: uid=a\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Line ends are the only thing that may differ without a difference in meaning.
		got := spell(text)
		if crlf := spell(strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\r\n")); !strings.Contains(text, "\r") && got != crlf {
			t.Errorf("with LF %q, with CRLF %q", got, crlf)
		}
		if !strings.HasSuffix(text, "\n") && text != "" && !strings.Contains(got, "! line") {
			t.Errorf("%q is cut off and read as %q", text, got)
		}
		s := ldifOf(t, text, Users{}, Groups{})
		if a, b := collect(t, s), collect(t, s); !reflect.DeepEqual(a, b) {
			t.Errorf("two readings of %q differ", text)
		}
		for e, err := range s.Entries(t.Context()) {
			var fault *dirsync.EntryError
			if err == nil && (e.ID == "" || e.DN == "") || errors.As(err, &fault) && fault.Reason == "" {
				t.Errorf("%q gave %+v, %v", text, e, err)
			}
		}
	})
}
