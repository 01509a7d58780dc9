package main

import (
	"net/url"
	"strings"
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
	// What the workspace has indexed, or a schema marks, needs no records any more.
	s.want(200, "PUT", "/api/v1/index/User", `{"attributes":["title","department"]}`)
	s.want(201, "POST", "/api/v1/schemas", `{"id":"urn:example:hr","attributes":[{"name":"grade","type":"integer","indexed":true},{"name":"note"}]}`)
	for _, c := range []struct{ query, by, filter string }{
		{"filter=" + url.QueryEscape(`title sw "x" or not (urn:example:hr:grade gt 3)`), "index", "(range title or not range urn:example:hr:grade)"},
		{"sortBy=title", "index", "all rows"},
		{"filter=" + url.QueryEscape(`department eq "x"`), "index", "range urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"},
		{"filter=" + url.QueryEscape(`urn:example:hr:note pr`), "index and records", "records urn:example:hr:note"},
	} {
		a := s.want(200, "GET", "/api/v1/explain?"+c.query, "")
		if plan := a.body["plans"].([]any)[0].(map[string]any); plan["by"] != c.by || plan["filter"] != c.filter {
			t.Errorf("explain(%s) = %s, want by %s, filter %s", c.query, a.text, c.by, c.filter)
		}
	}
	if a := s.want(200, "GET", "/api/v1/index", ""); !strings.Contains(a.text, `"bySchema":["urn:example:hr:grade"]`) || !strings.Contains(a.text, `"attributes":["title"`) {
		t.Errorf("the index has %s", a.text)
	}
	for _, c := range []struct {
		typ, body, wants string
		code             int
	}{
		{"User", `{"attributes":["password"]}`, "never returned", 400},
		{"User", `{"attributes":["name"]}`, "name.formatted", 400},
		{"User", `{"attributes":["groups"]}`, "not kept", 400},
		{"User", `{"attributes":["nothing"]}`, "nothing", 400},
		{"User", `{"attributes":"title"}`, "", 400},
		{"Printer", `{"attributes":[]}`, "Printer", 404},
	} {
		if a := s.want(c.code, "PUT", "/api/v1/index/"+c.typ, c.body); !strings.Contains(a.text, c.wants) {
			t.Errorf("PUT of %s = %s, want %q told", c.body, a.text, c.wants)
		}
	}
	s.want(200, "PUT", "/api/v1/index/User", `{"attributes":[]}`)
	if a := s.do("GET", "/api/v1/explain?type=Printer", ""); a.code != 404 {
		t.Errorf("explain of no such type = %d %s, want 404", a.code, a.text)
	}
}
