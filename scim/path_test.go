package scim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParsePath(t *testing.T) {
	for in, want := range map[string]string{
		"userName": "userName", " displayname ": "displayName", "name.GivenName": "name.givenName",
		`emails[type eq "work"]`: `emails[type eq "work"]`, `Emails[TYPE eq "work"].Value`: `emails[TYPE eq "work"].value`,
		`emails[type eq "work" and (value ew "x" or primary eq true)].display`: `emails[type eq "work" and (value ew "x" or primary eq true)].display`,
		EnterpriseURN: EnterpriseURN, strings.ToUpper(EnterpriseURN) + ":DEPARTMENT": EnterpriseURN + ":department",
		"manager": EnterpriseURN + ":manager", "manager.value": EnterpriseURN + ":manager.value", UserURN + ":name.familyName": "name.familyName",
		UserURN + `:emails[type eq "work"].value`: `emails[type eq "work"].value`, "externalId": "externalId", "meta.created": "meta.created",
		`roles[primary eq "True"].value`:     `roles[primary eq "True"].value`,
		`preferences[name eq "a]b.c"].value`: AccountUserURN + `:preferences[name eq "a]b.c"].value`,
	} {
		p, err := user().ParsePath(in)
		if err != nil || p.String() != want {
			t.Errorf("ParsePath(%s) = %v, %v, want %s", in, p, err, want)
			continue
		}
		if again, err := user().ParsePath(p.String()); err != nil || again.String() != want {
			t.Errorf("ParsePath(%s) = %v, %v, want the same", p, again, err)
		}
	}
	for _, in := range []string{
		"", "[", "nope", "name.nope", "emails[", "emails[]", `emails[type eq "work"`, `emails[type eq "work"]x`, `emails[type eq "work"].`, `emails[type eq "work"].value.x`,
		`emails[nope eq "x"]`, `emails[type xx "x"].value`, `userName[value eq "x"]`, `emails.value[type eq "x"]`, "user name", "userName eq", UserURN,
		`emails[primary gt true]`, strings.Repeat("x", 5000), `emails[` + strings.Repeat("(", 4000), "a\xff",
	} {
		if p, err := user().ParsePath(in); !errors.Is(err, ErrInvalidPath) {
			t.Errorf("ParsePath(%.80s) = %v, %v, want invalidPath", in, p, err)
		}
	}
}

func TestSortKey(t *testing.T) {
	r := sampleTarget(t).Resource
	for path, want := range map[string]string{
		"userName": "bjensen@example.com", "name.familyName": "jensen", "emails": "bjensen@example.com", "emails.type": "work", "emails.value": "bjensen@example.com",
		"id": "u-1", "externalId": "Ext-1", "meta.resourceType": "User", "meta.version": "00000000000000000007", "meta.created": "2026-01-01T00:00:00.050000000",
		"lastLogin": "2026-01-02T03:04:05.050000000", "active": "1", "department": "sales", "manager": "m-1", "profileUrl": "https://example.com/BJ",
	} {
		p, err := user().ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := p.SortKey(r); key != want || !ok {
			t.Errorf("SortKey(%s) = %q, %v, want %q", path, key, ok, want)
		}
	}
	for _, path := range []string{"locale", "name.middleName", "groups", "trial.grantedOn", EnterpriseURN, "meta", "name", "ims.value", "schemas"} {
		p, err := user().ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := p.SortKey(r); ok {
			t.Errorf("SortKey(%s) = %q, want none", path, key)
		}
	}
	if key, ok := (&Path{Attr: common[1]}).SortKey(&Resource{}); ok {
		t.Errorf("SortKey of no externalId = %q, want none", key)
	}
}

func TestSortKeysKeepOrder(t *testing.T) {
	numbers := []float64{-1e300, -7.5, -1, 0, 1e-9, 1, 7, 10, 1e300}
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = sortNumber(n)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("sortNumber of %v = %v, want them in order", numbers, keys)
	}
	early := Resource{Header: Header{Created: time.Date(2026, 1, 1, 0, 0, 0, 5e6, time.UTC)}}
	late := Resource{Header: Header{Created: time.Date(2026, 1, 1, 0, 0, 0, 50e6, time.FixedZone("", -3600))}}
	p, _ := user().ParsePath("meta.created")
	a, _ := p.SortKey(&early)
	b, _ := p.SortKey(&late)
	if a >= b {
		t.Errorf("SortKey of %v and %v = %q, %q, want them in order", early.Created, late.Created, a, b)
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"userName", `emails[type eq "work"].value`, EnterpriseURN + ":manager", EnterpriseURN, "name.givenName", `preferences[name eq "a"]`, "meta.created"} {
		f.Add(s)
	}
	r := &Resource{Header: Header{Ref: Ref{"User", "1"}}, Attributes: map[string]any{"userName": "x"}}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := user().ParsePath(text)
		if err != nil {
			if !errors.Is(err, ErrInvalidPath) {
				t.Fatalf("ParsePath(%q) = %v, want invalidPath", text, err)
			}
			return
		}
		p.SortKey(r)
		printed := p.String()
		if len(printed) > MaxFilterBytes {
			return
		}
		if again, err := user().ParsePath(printed); err != nil || again.String() != printed {
			t.Fatalf("ParsePath(%q) prints %q, which reads as %v, %v", text, printed, again, err)
		}
	})
}
