package scimhttp

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"rollcall/scim"
)

// TestSearch is the example of RFC 7644 §3.4.3, at the root and of one type.
func TestSearch(t *testing.T) {
	s := serve(t)
	ada := s.do("POST", "/Users", `{"userName":"ada","displayName":"Smith, Ada","title":"Dr"}`).want(201).id()
	bob := s.do("POST", "/Users", `{"userName":"bob","displayName":"smythe"}`).want(201).id()
	g := s.group("Smith Family", ada)
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
     "attributes":["displayName","userName"],"filter":"displayName sw \"smith\"","startIndex":1,"count":10}`
	r := s.do("POST", "/.search", body).want(200)
	if r.at("totalResults") != 2.0 || r.at("itemsPerPage") != 2.0 || r.at("startIndex") != 1.0 {
		t.Errorf("the answer is %s", r.text)
	}
	if got, want := r.ids("Resources"), []string{ada, g}; !sameSet(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if want := `{"schemas":["` + scim.UserURN + `"],"id":"` + ada + `","displayName":"Smith, Ada","userName":"ada"}`; !strings.Contains(r.text, want) {
		t.Errorf("the answer %s should hold %s", r.text, want)
	}
	if want := `{"schemas":["` + scim.GroupURN + `"],"id":"` + g + `","displayName":"Smith Family"}`; !strings.Contains(r.text, want) {
		t.Errorf("the answer %s should hold %s", r.text, want)
	}
	for _, c := range []struct {
		path, body string
		want       []string
	}{
		{"/Users/.search", body, []string{ada}},
		{"/Groups/.search", strings.Replace(body, `"attributes":["displayName","userName"],`, "", 1), []string{g}},
		{"/users/.SEARCH/", `{"FILTER":"userName eq \"bob\""}`, []string{bob}},
		{"/.search", `{}`, []string{ada, bob, g}},
		{"/.search", `{"filter":null,"sortBy":null,"count":null,"cursor":null,"attributes":null,"x":1}`, []string{ada, bob, g}},
		{"/.search", `{"sortBy":"displayName","sortOrder":"descending"}`, []string{bob, ada, g}},
		{"/.search", `{"sortBy":"userName"}`, []string{ada, bob, g}},
		{"/.search", `{"sortBy":"userName","sortOrder":"descending"}`, []string{g, bob, ada}},
		{"/.search", `{"sortBy":"userName","startIndex":2,"count":1}`, []string{bob}},
		{"/.search", `{"count":0}`, []string{}},
		{"/.search", `{"count":99999999999999999999999}`, []string{ada, bob, g}},
		{"/.search", `{"startIndex":-99999999999999999999999,"count":-1}`, []string{}},
		{"/.search", `{"filter":"meta.resourceType eq \"Group\""}`, []string{g}},
		{"/.search", `{"filter":"members.value eq \"` + ada + `\" or userName eq \"bob\""}`, []string{bob, g}},
		{"/.search", `{"filter":"groups.value eq \"` + g + `\""}`, []string{ada}},
		{"/.search", `{"filter":"schemas eq \"` + scim.GroupURN + `\""}`, []string{g}},
		{"/.search", `{"filter":"not (title pr)"}`, []string{bob, g}},
		{"/w/alpha/scim/v2/.search", `{"filter":"id eq \"` + g + `\""}`, []string{g}},
	} {
		r := s.do("POST", c.path, c.body).want(200)
		got := r.ids("Resources")
		if !sameSet(got, c.want) || strings.Contains(c.body, `"sortBy":"`) && !slices.Equal(got, c.want) {
			t.Errorf("%s %s gives %v, want %v", c.path, c.body, got, c.want)
		}
	}
	shown := s.do("POST", "/Users/.search", `{"excludedAttributes":["displayName","meta"],"filter":"userName eq \"ada\""}`).want(200)
	if shown.at("Resources", 0, "displayName") != nil || shown.at("Resources", 0, "meta") != nil || shown.str("Resources", 0, "title") != "Dr" {
		t.Errorf("excludedAttributes: %s", shown.text)
	}
	if got := shown.str("Resources", 0, "groups", 0, "value"); got != g {
		t.Errorf("groups: %s", shown.text)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestSearchRefused(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		body   string
		status int
		typ    string
	}{
		{``, 400, "invalidSyntax"},
		{`[]`, 400, "invalidSyntax"},
		{`{"filter":1}`, 400, "invalidSyntax"},
		{`{"filter":""}`, 400, "invalidFilter"},
		{`{"filter":"userName eq"}`, 400, "invalidFilter"},
		{`{"filter":"nothing pr"}`, 400, "invalidFilter"},
		{`{"filter":"userName pr and nothing pr"}`, 400, "invalidFilter"},
		{`{"filter":"` + strings.Repeat("(", 3000) + `"}`, 400, "invalidFilter"},
		{`{"filter":"password pr"}`, 403, "sensitive"},
		{`{"sortBy":"nothing"}`, 400, "invalidPath"},
		{`{"sortBy":"name"}`, 400, "invalidPath"},
		{`{"sortBy":"password"}`, 403, "sensitive"},
		{`{"sortBy":["userName"]}`, 400, "invalidSyntax"},
		{`{"sortBy":"userName","sortOrder":"up"}`, 400, "invalidValue"},
		{`{"count":"1"}`, 400, "invalidValue"},
		{`{"count":1.5}`, 400, "invalidValue"},
		{`{"startIndex":true}`, 400, "invalidValue"},
		{`{"cursor":"","count":1.5}`, 400, "invalidCount"},
		{`{"cursor":"x"}`, 400, "invalidCursor"},
		{`{"cursor":1}`, 400, "invalidSyntax"},
		{`{"cursor":"","startIndex":1}`, 400, "invalidValue"},
		{`{"attributes":1}`, 400, "invalidSyntax"},
		{`{"attributes":[1]}`, 400, "invalidSyntax"},
		{`{"attributes":["id"],"excludedAttributes":["id"]}`, 400, "invalidValue"},
		{`{"schemas":[]}`, 400, "invalidValue"},
		{`{"schemas":"x"}`, 400, "invalidSyntax"},
		{`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`, 400, "invalidValue"},
	} {
		s.do("POST", "/.search", c.body, "Content-Type", "application/json").want(c.status, c.typ)
		s.do("POST", "/Users/.search", c.body, "Content-Type", "application/json").want(c.status, c.typ)
	}
	s.do("POST", "/Users/.search", `{"filter":"members pr"}`).want(400, "invalidFilter")
	s.do("POST", "/.search", `{}`, "Content-Type", "text/plain").want(415)
	s.do("POST", "/Nothing/.search", `{}`).want(404)
}

// TestRoot: RFC 7644 §3.4.2.1, a query of everything by GET.
func TestRoot(t *testing.T) {
	s := serve(t)
	ada := s.user("ada")
	g := s.group("Ada's", ada)
	for path, want := range map[string][]string{
		"/scim/v2":  {ada, g},
		"/scim/v2/": {ada, g},
		"/w/alpha/scim/v2?count=1&sortBy=userName":                                        {ada},
		"/scim/v2?startIndex=2&sortBy=userName":                                           {g},
		"/scim/v2?sortBy=meta.created&sortOrder=descending&count=1&x=y":                   nil,
		"/scim/v2?filter=" + url.QueryEscape(`userName eq "ada" or displayName co "ada"`): {ada, g},
		"/scim/v2/?filter=" + url.QueryEscape(`userName ne "ada"`):                        {g},
	} {
		r := s.do("GET", path, "").want(200)
		if got := r.ids("Resources"); want != nil && !sameSet(got, want) {
			t.Errorf("%s gives %v, want %v", path, got, want)
		}
	}
	s.do("GET", "/scim/v2?filter=nothing+pr", "").want(400, "invalidFilter")
	s.do("GET", "/scim/v2?sortBy=nothing", "").want(400, "invalidPath")
	if n := s.quirk("okta:" + QuirkUnknownName); n != 0 {
		t.Errorf("quirk %s was counted %d times, want 0", QuirkUnknownName, n)
	}
	r := s.do("GET", "/scim/v2?sortBy=userName&attributes=userName,members", "").want(200)
	if r.str("Resources", 0, "userName") != "ada" || r.str("Resources", 1, "members", 0, "value") != ada || r.at("Resources", 1, "displayName") != nil {
		t.Errorf("attributes at the root: %s", r.text)
	}
}

// TestMe: RFC 7644 §3.11, and design.md §2.3 for whom there is none.
func TestMe(t *testing.T) {
	me := &scim.Actor{Kind: "session", ID: "s", Workspace: "alpha"}
	s := serve(t, func(c *Config) {
		auth := c.Auth.(authenticator)
		auth["token-of-a-person-0123456789"] = me
	})
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		s.do(m, "/Me", `{"userName":"x"}`).want(404)
	}
	me.User = scim.Ref{Type: "User", ID: s.user("ada")}
	s.token = "token-of-a-person-0123456789"
	r := s.do("GET", "/me?attributes=userName,meta", "").want(200)
	want := s.url + "/scim/v2/Users/" + me.User.ID
	if r.str("userName") != "ada" || r.str("meta", "location") != want || r.header.Get("Location") != want {
		t.Errorf("/Me is %s at %s, want it to be ada at %s", r.text, r.header.Get("Location"), want)
	}
	s.do("HEAD", "/Me", "").want(200)
	if got := s.do("GET", "/Me", "", "If-None-Match", r.header.Get("Etag")).want(304).header.Get("Location"); got != want {
		t.Errorf("304 of /Me: Location = %q, want %q", got, want)
	}
	r = s.do("PATCH", "/Me", patch(`{"op":"add","path":"title","value":"Countess"}`), "If-Match", r.header.Get("Etag")).want(200)
	if r.str("title") != "Countess" || r.header.Get("Location") != want {
		t.Errorf("PATCH /Me gives %s at %s", r.text, r.header.Get("Location"))
	}
	s.do("PUT", "/Me", `{"userName":"ada","nickName":"A"}`, "If-Match", `W/"1"`).want(412)
	if got := s.do("PUT", "/Me", `{"userName":"ada","nickName":"A"}`).want(200).str("nickName"); got != "A" {
		t.Errorf("PUT /Me: nickName = %q", got)
	}
	if got := s.do("POST", "/Me", `{"userName":"x"}`).want(405).header.Get("Allow"); got != single.allow {
		t.Errorf("POST /Me: Allow = %q", got)
	}
	s.do("GET", "/Me/x", "").want(404)
	s.do("DELETE", "/Me", "").want(204)
	s.do("GET", "/Me", "").want(404)
}
