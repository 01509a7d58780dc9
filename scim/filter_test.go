package scim

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseFilter(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", `userName eq "bjensen"`, `userName eq "bjensen"`},
		{"operator case", `userName Eq "x" AND title PR`, `userName eq "x" and title pr`},
		{"no spaces", `userName eq"x"`, `userName eq "x"`},
		{"many spaces", "  userName \t eq   \"x\"  ", `userName eq "x"`},
		{"precedence", `a pr or b pr and c pr`, `a pr or b pr and c pr`},
		{"grouping", `(a pr or b pr) and (c pr)`, `(a pr or b pr) and c pr`},
		{"grouping to the right", `a pr and (b pr and c pr)`, `a pr and (b pr and c pr)`},
		{"not", `not (a pr) and NOT(b pr)`, `not (a pr) and not (b pr)`},
		{"value path", `emails[type eq "work" and value co "@x"]`, `emails[type eq "work" and value co "@x"]`},
		{"value path with three terms", `emails[(type eq "a" or type eq "b") and not (value pr)]`, `emails[(type eq "a" or type eq "b") and not (value pr)]`},
		{"E3 value path with sub-attribute", `emails[type eq "work"].value eq "a@b.c"`, `emails[type eq "work"].value eq "a@b.c"`},
		{"URN", `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"`},
		{"URN with hyphen and underscore", `urn:my-co:a_b:User:x.y sw "z"`, `urn:my-co:a_b:User:x.y sw "z"`},
		{"A15 no quotes", `externalId eq jyoung`, `externalId eq "jyoung"`},
		{"A15 no quotes, mail address", `(userName eq a.b@c-d.org)`, `userName eq "a.b@c-d.org"`},
		{"literals", `a eq true and b eq FALSE and c eq null and d eq -1.5e3`, `a eq true and b eq FALSE and c eq null and d eq -1.5e3`},
		{"escapes", `a eq "\"\\\/\u00e4\n\ud83d\ude00"`, `a eq "\"\\/ä\n😀"`},
		{"E30", `(ActiVe eq true) and (meta.lastModified ge "2026-01-01T00:00:00Z" and meta.lastModified le "2026-01-02T00:00:00Z")`,
			`ActiVe eq true and (meta.lastModified ge "2026-01-01T00:00:00Z" and meta.lastModified le "2026-01-02T00:00:00Z")`},
		{"attribute that begins like a keyword", `order eq "x" or notes pr and android pr`, `order eq "x" or notes pr and android pr`},
		{"$ref", `members.$ref eq "x"`, `members.$ref eq "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFilter(tt.in)
			if err != nil || f.String() != tt.want {
				t.Fatalf("ParseFilter(%s) = %v, %v, want %s", tt.in, f, err, tt.want)
			}
			if again, err := ParseFilter(f.String()); err != nil || again.String() != tt.want {
				t.Errorf("ParseFilter(%s) = %v, %v, want the same", f, again, err)
			}
		})
	}
}

func TestParseFilterRefuses(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "expected the name of an attribute, found the end"},
		{"spaces", "   ", "expected the name"},
		{"no operator", "userName", "expected an operator"},
		{"unknown operator", `userName xx "a"`, "position 10: expected an operator"},
		{"operator runs on", `userName eqq "a"`, "expected an operator"},
		{"no value", "userName eq", "expected a value, found the end"},
		{"single quotes", "userName eq 'a'", "strings stand in double quotes"},
		{"A15 missing quotes, two words", "displayName eq John Smith", "needs double quotes"},
		{"A15 missing quotes, odd character", "displayName eq a&b", "needs double quotes"},
		{"A15 missing opening quote", `displayName eq a"`, "needs double quotes"},
		{"open string", `userName eq "a`, "no end"},
		{"open string after an escape", `userName eq "a\"`, "no end"},
		{"bad escape", `userName eq "a\x"`, "no JSON escape"},
		{"lone surrogate", `userName eq "\ud800"`, "no JSON escape"},
		{"not without parentheses", `not userName eq "a"`, "not needs parentheses"},
		{"open parenthesis", `(userName eq "a"`, "expected and, or, or )"},
		{"shut parenthesis", `userName eq "a")`, "expected and, or, or the end"},
		{"open bracket", `emails[type eq "a"`, "expected and, or, or ]"},
		{"empty brackets", `emails[]`, "expected the name"},
		{"nested brackets", `emails[a[b pr]]`, "cannot stand within brackets"},
		{"dot without name", `emails[a pr]. eq "x"`, "sub-attribute after the dot"},
		{"dangling and", `a pr and`, "expected the name"},
		{"two terms side by side", `a pr b pr`, "expected and, or"},
		{"name with a digit first", `1a pr`, "expected the name"},
		{"invalid UTF-8", "a eq \"\xff\"", "UTF-8"},
		{"13 levels", strings.Repeat("(", 13) + "a pr" + strings.Repeat(")", 13), "nest deeper than the 12"},
		{"13 levels of not", strings.Repeat("not (", 13) + "a pr" + strings.Repeat(")", 13), "nest deeper than the 12"},
		{"33 terms", "a pr" + strings.Repeat(" or a pr", 32), "more than the 32 comparisons"},
		{"too long", `a eq "` + strings.Repeat("x", 4096) + `"`, "longer than the 4096"},
		{"90,000 parentheses", strings.Repeat("(", 90_000), "longer than the 4096"},
		{"4,000 parentheses", strings.Repeat("(", 4_000), "nest deeper"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			f, err := ParseFilter(tt.in)
			if !errors.Is(err, ErrInvalidFilter) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseFilter(%.100s) = %v, %v, want invalidFilter with %q", tt.in, f, err, tt.want)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("ParseFilter(%.100s) took %v", tt.in, d)
			}
		})
	}
	for _, ok := range []string{
		strings.Repeat("(", 12) + "a pr" + strings.Repeat(")", 12),
		"a pr" + strings.Repeat(" or a pr", 31),
	} {
		if _, err := ParseFilter(ok); err != nil {
			t.Errorf("ParseFilter(%s) = %v, want no error at the bound", ok, err)
		}
	}
}

func TestParseFilterAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseFilter(`userName eq "bjensen"`) }); n > 3 {
		t.Errorf("ParseFilter costs %v allocations, want at most 3", n)
	}
}

func TestFilterQuirks(t *testing.T) {
	tests := map[string]string{
		`userName eq "x" and name.familyName co "y" and not (emails[type eq "work" and primary eq true].value ne "z")`:             "",
		`emails co "x" or emails pr or manager pr or urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"`: QuirkTopLevel, // manager
		`externalId eq jyoung`:                           QuirkUnquotedValue,
		`title eq "true" or active eq true or active pr`: "",
		`active ne "False"`:                              QuirkStringBoolean,
		`not (title pr and emails[primary eq "True"])`:   QuirkStringBoolean,
		`emails[type eq "work"].primary eq "true"`:       QuirkStringBoolean,
		`department eq "x"`:                              QuirkTopLevel,
		`name eq "x"`:                                    QuirkComplexCompared,
		`manager eq "x"`:                                 QuirkTopLevel + " " + QuirkComplexCompared,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "x"`: QuirkComplexCompared,
		`manager eq null`: QuirkTopLevel,
		`nothing eq "x"`:  "",
	}
	for text, want := range tests {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Quirks(user()), " "); got != want {
			t.Errorf("Quirks of %s = %q, want %q", text, got, want)
		}
	}
	f, err := ParseFilter(`userName eq "x"`)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { f.Quirks(user()) }); n != 0 {
		t.Errorf("Quirks of a plain filter costs %v allocations, want none", n)
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "x"`, `emails[type eq "work" and not (value co "a")].value ne "b\u00e4"`, `(a pr or b gt 1.5) and c eq jyoung`,
		`urn:x-y:z_1:User:a.b sw "c"`, `not (a eq null)`, strings.Repeat("(", 20), `a eq "\ud83d\ude00"`, `active eq True and roles[primary eq "True"].value eq "x"`,
	} {
		f.Add(s)
	}
	target := &Target{Resource: &Resource{Attributes: map[string]any{"userName": "x", "active": true, "emails": []any{map[string]any{"value": "a", "type": "work"}}}}, Type: user()}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			if !errors.Is(err, ErrInvalidFilter) {
				t.Fatalf("ParseFilter(%q) = %v, want invalidFilter", text, err)
			}
			return
		}
		filter.Quirks(user())
		printed := filter.String()
		if len(printed) > MaxFilterBytes {
			return // spaces and quotes were added
		}
		again, err := ParseFilter(printed)
		if err != nil || again.String() != printed {
			t.Fatalf("ParseFilter(%q) prints %q, which reads as %v, %v", text, printed, again, err)
		}
		p, err := filter.Bind(user())
		if err != nil {
			if !errors.Is(err, ErrInvalidFilter) && !errors.Is(err, ErrSensitive) {
				t.Fatalf("Bind(%q) = %v", text, err)
			}
			return
		}
		q, err := again.Bind(user())
		if err != nil {
			t.Fatalf("Bind(%q) = %v, and Bind(%q) succeeds", printed, err, text)
		}
		x, err := p.Match(target)
		y, err2 := q.Match(target)
		if x != y || err != nil || err2 != nil {
			t.Fatalf("Match of %q = %v, %v, of %q = %v, %v", text, x, err, printed, y, err2)
		}
	})
}

func TestFilterSettle(t *testing.T) {
	user := DefaultModel().Type("User")
	known := func(p *Path) (map[string]any, any) {
		if p.Attr.Name != "activeSessions" {
			return nil, nil
		}
		return map[string]any{"a": int64(2), "b": int64(0)}, int64(0)
	}
	for text, want := range map[string]string{
		AccountUserURN + ":activeSessions gt 0":                       "a",
		AccountUserURN + ":activeSessions eq 0":                       "b c",
		"not (" + AccountUserURN + ":activeSessions gt 1)":            "b c",
		AccountUserURN + ":activeSessions gt 0 or id eq \"c\"":        "a c",
		AccountUserURN + ":activeSessions pr and active eq true":      "a b c",
		AccountUserURN + ":activeSessions lt 0":                       "",
		AccountUserURN + ":source eq \"local\" and not (id eq \"a\")": "b",
		AccountUserURN + ":source ne \"local\"":                       "c",
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		settled := f.Settle(user, known).Default(user, AccountUserURN+":source", "local")
		p, err := settled.Bind(user)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got []string
		for _, id := range []string{"a", "b", "c"} {
			r := &Resource{Header: Header{Ref: Ref{Type: "User", ID: id}}, Attributes: map[string]any{"active": true}}
			if id == "c" {
				r.Attributes[AccountUserURN] = map[string]any{"source": "sso"}
			}
			if ok, err := p.Match(&Target{Resource: r, Type: user}); err != nil {
				t.Fatal(err)
			} else if ok {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s matches %q, want %q", text, got, want)
		}
	}
	if f, _ := ParseFilter(`userName eq "x"`); f.Settle(user, known) != f {
		t.Error("a filter with nothing to settle is another one")
	}
}
