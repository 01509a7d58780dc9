package main

import (
	"net/url"
	"testing"
)

// TestExplain: /api/v1/explain tells what answers a filter, to whoever may list.
func TestExplain(t *testing.T) {
	s := inProcessServer(t, "")
	for _, name := range []string{"ada", "bob", "adam"} {
		if a := s.do("POST", "/scim/v2/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`); a.code != 201 {
			t.Fatalf("POST of %s = %d %s", name, a.code, a.text)
		}
	}
	for _, c := range []struct {
		filter, sort string
		code         int
		by           string
		total        float64
	}{
		{`userName sw "ada" and active eq true`, "", 200, "index", 2},
		{`userName eq "bob"`, "", 200, "lookup", 1},
		{`title pr`, "", 200, "index and records", 0},
		{"", "userName", 200, "index", 3},
		{"", "title", 200, "index and records", 3},
		{`userName ~ "x"`, "", 400, "", 0},
		{`nothing eq "x"`, "", 400, "", 0},
		{`password eq "x"`, "", 403, "", 0},
		{"", "nothing", 400, "", 0},
	} {
		a := s.do("GET", "/api/v1/explain?filter="+url.QueryEscape(c.filter)+"&sortBy="+c.sort, "")
		if a.code != c.code {
			t.Errorf("explain(%q by %q) = %d %s, want %d", c.filter, c.sort, a.code, a.text, c.code)
		}
		if c.code != 200 || a.code != 200 {
			continue
		}
		plan := a.body["plans"].([]any)[0].(map[string]any)
		if plan["by"] != c.by || a.body["total"] != c.total {
			t.Errorf("explain(%q by %q) = %s, want by %s, total %v", c.filter, c.sort, a.text, c.by, c.total)
		}
	}
	if a := s.do("GET", "/api/v1/explain?type=Printer", ""); a.code != 404 {
		t.Errorf("explain of no such type = %d %s, want 404", a.code, a.text)
	}
}
