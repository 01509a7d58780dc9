package scimhttp

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestPages(t *testing.T) {
	s := serve(t, func(c *Config) { c.Limits.PageDefault, c.Limits.PageMax = 5, 8 })
	r := s.do("GET", "/Users", "").want(200)
	if want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}`; r.text != want {
		t.Errorf("an empty list is %s, want %s", r.text, want)
	}
	var all []string
	for i := range 12 {
		all = append(all, s.user(fmt.Sprintf("user%02d", i)))
	}
	for _, c := range []struct {
		query        string
		start, items int
	}{
		{"", 1, 5},
		{"?startIndex=1&count=2", 1, 2},
		{"?startIndex=11&count=8", 11, 2},
		{"?startIndex=12", 12, 1},
		{"?startIndex=13", 13, 0},
		{"?startIndex=0", 1, 5},
		{"?startIndex=-7", 1, 5},
		{"?count=0", 1, 0},
		{"?count=-3", 1, 0},
		{"?count=1000", 1, 8},
		{"?count=99999999999999999999999", 1, 8},
		{"?count=-99999999999999999999999", 1, 0},
		{"?STARTINDEX=2&Count=3", 2, 3},
		{"?count=&startIndex=", 1, 5},
	} {
		r := s.do("GET", "/Users"+c.query, "").want(200)
		for name, want := range map[string]int{"totalResults": 12, "startIndex": c.start, "itemsPerPage": c.items} {
			if got := r.at(name); got != float64(want) {
				t.Errorf("%s: %s = %v, want %d", c.query, name, got, want)
			}
		}
		list, ok := r.at("Resources").([]any)
		if !ok || len(list) != c.items {
			t.Errorf("%s: %d resources, want %d", c.query, len(list), c.items)
		}
	}
	var seen []string // O7: pages join without gap or repetition
	for start := 1; start <= 12; start += 5 {
		seen = append(seen, s.do("GET", fmt.Sprintf("/Users?startIndex=%d&count=5", start), "").ids("Resources")...)
	}
	slices.Sort(all)
	slices.Sort(seen)
	if !slices.Equal(seen, all) {
		t.Errorf("the pages hold %d users, want all %d", len(seen), len(all))
	}
	for _, q := range []string{"count=x", "count=1.5", "startIndex=1e3", "count=%zz", "count=1&count=2", "filter=a&filter=b", "sortOrder=up", "count=0x10"} {
		s.do("GET", "/Users?"+q, "").want(400)
	}
}

func TestFilters(t *testing.T) {
	s := serve(t)
	a := s.do("POST", "/Users", oktaUser).want(201).id()
	b := s.do("POST", "/Users", entraUser).want(201).id()
	g := s.group("Test SCIMv2", a)
	for _, c := range []struct {
		path, filter string
		want         []string
	}{
		{"/Users", `userName eq "test.user@okta.local"`, []string{a}}, // O3
		{"/Users", `USERNAME EQ "TEST.user@OKTA.local"`, []string{a}},
		{"/Users", `userName eq "nobody"`, []string{}},
		{"/Users", `emails[type eq "work"].value eq "test.user@okta.local"`, []string{a}}, // E3
		{"/Users", `externalId eq "00ujl29u0le5T6Aj10h7"`, []string{a}},
		{"/Users", `externalId eq "00UJL29u0le5T6Aj10h7"`, []string{}},
		{"/Users", `id eq "` + b + `" and manager eq "26118915-6090-4610-87e4-49d8ca9f808d"`, []string{b}}, // E7
		{"/Users", `active eq true and (meta.lastModified ge "2011-05-13T04:42:34Z")`, []string{a, b}},     // E30
		{"/Groups", `displayName eq "test scimv2"`, []string{g}},                                           // O15
		{"/Groups", `id eq "` + g + `" and members eq "` + a + `"`, []string{g}},                           // E8
		{"/Groups", `members[value eq "` + b + `"]`, []string{}},
	} {
		r := s.do("GET", c.path+"?startIndex=1&count=100&filter="+url.QueryEscape(c.filter), "").want(200)
		got := r.ids("Resources")
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) || r.at("totalResults") != float64(len(c.want)) {
			t.Errorf("%s gives %v of %v, want %v", c.filter, got, r.at("totalResults"), c.want)
		}
	}
	for _, c := range []struct {
		query    string
		status   int
		scimType string
		says     string
	}{
		{`usrName eq "x"`, 400, "invalidFilter", "usrName"},
		{`userName eq`, 400, "invalidFilter", ""},
		{``, 400, "invalidFilter", ""},
		{`(((`, 400, "invalidFilter", ""},
		{strings.Repeat("(", 3000), 400, "invalidFilter", ""},
		{`userName eq "` + strings.Repeat("x", 5000) + `"`, 400, "invalidFilter", ""},
		{`password eq "x"`, 403, "sensitive", ""},
		{`userName eq "x" or password sw "a"`, 403, "sensitive", ""},
	} {
		r := s.do("GET", "/Users?filter="+url.QueryEscape(c.query), "").want(c.status, c.scimType)
		if !strings.Contains(r.str("detail"), c.says) {
			t.Errorf("%.40s: detail = %q, want it to name %q", c.query, r.str("detail"), c.says)
		}
	}
	s.do("GET", "/Users?filter=%zz", "").want(400, "invalidFilter")
	s.do("GET", "/Users?filter="+strings.Repeat("%28", 90_000), "").want(400, "invalidFilter")
	s.do("GET", "/Users?filter="+strings.Repeat("x", 384<<10), "").want(414)
	if r := s.do("GET", `/Users?filter=userName+eq+%22test.user@okta.local%22`, ""); r.at("totalResults") != 1.0 { // A15
		t.Errorf("plus signs as spaces: %s", r.text)
	}
}

func TestSort(t *testing.T) {
	s := serve(t)
	for i, name := range []string{"bob", "Ada", "cy"} {
		s.do("POST", "/Users", `{"userName":"`+name+`","name":{"familyName":"f`+itoa(9-i)+`"},"emails":[{"value":"`+name+`@x.org"}]}`).want(201)
	}
	s.do("POST", "/Users", `{"userName":"zoe"}`).want(201)
	for _, c := range []struct{ query, want string }{
		{"sortBy=userName", "Ada bob cy zoe"},
		{"sortBy=USERNAME&sortOrder=Descending", "zoe cy bob Ada"},
		{"sortBy=name.familyName", "cy Ada bob zoe"},
		{"sortBy=name.familyName&sortOrder=descending", "zoe bob Ada cy"},
		{"sortBy=emails.value", "Ada bob cy zoe"},
		{"sortBy=emails", "Ada bob cy zoe"},
		{"sortBy=meta.created&sortOrder=ascending", ""},
		{"sortBy=id", ""},
		{"sortOrder=descending", ""},
	} {
		r := s.do("GET", "/Users?"+c.query, "").want(200)
		var got []string
		for i := range 4 {
			got = append(got, r.str("Resources", i, "userName"))
		}
		if c.want != "" && strings.Join(got, " ") != c.want {
			t.Errorf("%s gives %v, want %s", c.query, got, c.want)
		}
	}
	s.do("GET", "/Users?sortBy=nothing", "").want(400, "invalidPath")
	s.do("GET", "/Users?sortBy=name", "").want(400, "invalidPath")
	s.do("GET", "/Users?sortBy=addresses", "").want(400, "invalidPath")
	s.do("GET", "/Users?sortBy=groups", "").want(400, "invalidPath")
	s.do("GET", "/Groups?sortBy=members.value", "").want(400, "invalidPath")
	s.do("GET", "/Users?sortBy="+scim.EnterpriseURN, "").want(400, "invalidPath")
	s.do("GET", "/Users?sortBy=password", "").want(403, "sensitive")
}
