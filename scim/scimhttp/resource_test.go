package scimhttp

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
)

// The bodies that Okta and Entra send, as in clients.md.
const (
	oktaUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"test.user@okta.local",
		"name":{"givenName":"Test","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],
		"displayName":"Test User","locale":"en-US","externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`
	entraUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1","active":true,
		"emails":[{"primary":true,"type":"work","value":"Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com"}],
		"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[],
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours","manager":{"value":"26118915-6090-4610-87e4-49d8ca9f808d"}}}`
	entraNulls = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
		"userName":"nulls","addresses":null,"phoneNumbers":null,"preferredLanguage":null,"title":null,"department":null,"manager":null}`
	entraGroup = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
		"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"displayName","meta":{"resourceType":"Group"}}`
)

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestO4 creates a user as Okta does, and reads it back.
func TestO4(t *testing.T) {
	s := serve(t)
	r := s.do("POST", "/Users", oktaUser).want(201)
	if !uuid7.MatchString(r.id()) {
		t.Errorf("id = %q, want a UUID of version 7", r.id())
	}
	where := s.url + "/scim/v2/Users/" + r.id()
	if got := r.header.Get("Location"); got != where {
		t.Errorf("Location = %q, want %q", got, where)
	}
	if r.has("password") || strings.Contains(r.text, "1mz050nq") {
		t.Errorf("the password comes back: %s", r.text)
	}
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"schemas", 0}, scim.UserURN},
		{[]any{"userName"}, "test.user@okta.local"},
		{[]any{"externalId"}, "00ujl29u0le5T6Aj10h7"},
		{[]any{"name", "familyName"}, "User"},
		{[]any{"emails", 0, "primary"}, true},
		{[]any{"active"}, true},
		{[]any{"meta", "resourceType"}, "User"},
		{[]any{"meta", "location"}, where},
		{[]any{"meta", "version"}, r.header.Get("Etag")},
	} {
		if got := r.at(c.path...); got != c.want {
			t.Errorf("%v = %v, want %v", c.path, got, c.want)
		}
	}
	for _, name := range []string{"created", "lastModified"} {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", r.str("meta", name)); err != nil {
			t.Errorf("meta.%s: %v", name, err)
		}
	}
	got := s.do("GET", "/Users/"+r.id(), "").want(200)
	if got.text != r.text {
		t.Errorf("GET answers %s, POST answered %s", got.text, r.text)
	}
	s.do("POST", "/Users", oktaUser).want(409, "uniqueness") // O5
}

// TestE4 does so as Entra does, with an extension and with nulls (E5).
func TestE4(t *testing.T) {
	s := serve(t)
	r := s.do("POST", "/Users", entraUser).want(201)
	if got := r.at("schemas", 1); got != scim.EnterpriseURN {
		t.Errorf("schemas[1] = %v, want %s", got, scim.EnterpriseURN)
	}
	if got := r.at(scim.EnterpriseURN, "manager", "value"); got != "26118915-6090-4610-87e4-49d8ca9f808d" {
		t.Errorf("manager.value = %v", got)
	}
	r = s.do("POST", "/Users", entraNulls).want(201)
	if schemas := r.body["schemas"].([]any); len(schemas) != 1 {
		t.Errorf("schemas = %v, want the core schema alone", schemas)
	}
	for _, name := range []string{"addresses", "title", "manager"} {
		if r.has(name) {
			t.Errorf("%s is set: %s", name, r.text)
		}
	}
	g := s.do("POST", "/Groups", entraGroup).want(201) // E21
	if got := g.ids("members"); len(got) != 0 {
		t.Errorf("members = %v, want none", got)
	}
	s.do("POST", "/Groups", entraGroup).want(409, "uniqueness")
}

// TestIDsComeFromThePath: what a body says of ids is ignored (security.md R5).
func TestIDsComeFromThePath(t *testing.T) {
	s := serve(t)
	victim := s.user("victim")
	mine := s.do("POST", "/Users", `{"id":"`+victim+`","userName":"mine"}`).want(201).id()
	if mine == victim {
		t.Fatal("POST took the id of its body")
	}
	r := s.do("PUT", "/Users/"+mine, `{"id":"`+victim+`","userName":"changed","meta":{"location":"x"}}`).want(200)
	if r.id() != mine {
		t.Errorf("PUT answers id %q, want %q", r.id(), mine)
	}
	s.do("PATCH", "/Users/"+mine, patch(`{"op":"replace","value":{"id":"`+victim+`","title":"Dr"}}`)).want(200)
	if got := s.do("GET", "/Users/"+victim, "").str("userName"); got != "victim" {
		t.Errorf("the other user is now %q", got)
	}
}

func TestPutReplaces(t *testing.T) {
	s := serve(t)
	first := s.do("POST", "/Users", oktaUser).want(201)
	path := "/Users/" + first.id()
	// O8: the body of a GET with changes in it, and what readOnly attributes it has.
	r := s.do("PUT", path, `{"schemas":["`+scim.UserURN+`"],"id":"`+first.id()+`","userName":"test.user@okta.local","externalId":"00ujl29u0le5T6Aj10h7",
		"name":{"givenName":"Another","middleName":"Excited","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],
		"active":true,"groups":[],"meta":{"resourceType":"User"}}`).want(200)
	if r.str("name", "givenName") != "Another" || r.has("displayName") || r.has("locale") {
		t.Errorf("PUT answers %s, want the new name and neither displayName nor locale", r.text)
	}
	if r.header.Get("Etag") == first.header.Get("Etag") {
		t.Error("a PUT that changed something kept the version")
	}
	if r.str("meta", "created") != first.str("meta", "created") {
		t.Error("PUT changed meta.created")
	}
	again := s.do("PUT", path, `{"userName":"test.user@okta.local","externalId":"00ujl29u0le5T6Aj10h7",
		"name":{"givenName":"Another","middleName":"Excited","familyName":"User"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"active":true}`).want(200)
	if again.text != r.text {
		t.Errorf("a PUT that changes nothing answers %s, want %s", again.text, r.text)
	}
	s.do("PUT", path, `{"userName":"x","active":false}`).want(200)
	if got := s.do("PUT", path, `{"userName":"x"}`).want(200).at("active"); got != false { // O10
		t.Errorf("after a PUT without active it is %v, want it kept: false", got)
	}
	s.do("PUT", "/Users/"+scim.NewID(), `{"userName":"x"}`).want(404)
	s.user("taken")
	s.do("PUT", path, `{"userName":"TAKEN"}`).want(409, "uniqueness")
}

func TestPatchUser(t *testing.T) {
	s := serve(t)
	id := s.do("POST", "/Users", entraUser).want(201).id()
	path := "/Users/" + id
	for _, c := range []struct {
		name, body string
		at         []any
		want       any
	}{
		{"O9", patch(`{"op":"replace","value":{"active":false}}`), []any{"active"}, false},
		{"E15", patch(`{"op":"Replace","path":"active","value":"True"}`), []any{"active"}, true},
		{"E9", patch(`{"op":"Replace","path":"displayName","value":"Pvlo"}`,
			`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"updatedEmail@microsoft.com"}`,
			`{"op":"Replace","path":"name.givenName","value":"G"}`,
			`{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"77"}`),
			[]any{scim.EnterpriseURN, "employeeNumber"}, "77"},
		{"E10", patch(`{"op":"replace","value":{"displayName":"D","name.familyName":"F","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"78"}}`),
			[]any{"name", "familyName"}, "F"},
		{"E11", patch(`{"op":"Add","path":"nickName","value":"Babs"}`), []any{"nickName"}, "Babs"},
		{"E12", patch(`{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+1"}`), []any{"phoneNumbers", 0, "type"}, "mobile"},
		{"externalId", patch(`{"op":"replace","path":"externalId","value":"new"}`), []any{"externalId"}, "new"},
	} {
		r := s.do("PATCH", path, c.body).want(200)
		if got := r.at(c.at...); got != c.want {
			t.Errorf("%s: %v = %v, want %v: %s", c.name, c.at, got, c.want, r.text)
		}
		again := s.do("PATCH", path, c.body).want(200)
		if again.text != r.text {
			t.Errorf("%s: repeated, it answers %s, want %s", c.name, again.text, r.text)
		}
		if got := s.do("GET", path, "").text; got != r.text {
			t.Errorf("%s: GET answers %s, want %s", c.name, got, r.text)
		}
	}
	before := s.store().state()
	for name, c := range map[string]struct{ body, scimType string }{
		"bad in the middle": {patch(`{"op":"replace","path":"title","value":"x"}`, `{"op":"replace","path":"nope","value":"x"}`, `{"op":"remove","path":"nickName"}`), "invalidPath"},
		"read only":         {patch(`{"op":"replace","path":"meta.created","value":"2020-01-01T00:00:00Z"}`), "mutability"},
		"no target":         {patch(`{"op":"remove"}`), "noTarget"},
		"no operation":      {`{"schemas":[],"Operations":"x"}`, "invalidSyntax"},
	} {
		r := s.do("PATCH", path, c.body)
		if r.status != 400 || r.str("scimType") != c.scimType {
			t.Errorf("%s: answers %d %s, want 400 %s", name, r.status, r.text, c.scimType)
		}
	}
	if after := s.store().state(); after != before {
		t.Errorf("a PATCH that failed changed the state from %s to %s", before, after)
	}
	s.do("PATCH", "/Users/"+scim.NewID(), patch(`{"op":"replace","value":{"active":false}}`)).want(404)
}

func TestPatchPassword(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	r := s.do("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"password":"n3w-s3cret"}}`)).want(200) // O12
	if strings.Contains(r.text, "s3cret") || strings.Contains(s.store().state(), "s3cret") {
		t.Errorf("the password is kept or shown: %s", r.text)
	}
}

func TestPatchResponse(t *testing.T) {
	var policy atomic.Value
	policy.Store(Policy{})
	s := serve(t, func(c *Config) { c.Policy = func(*scim.Actor) Policy { return policy.Load().(Policy) } })
	u, g := s.user("ada"), s.group("staff")
	for _, c := range []struct {
		setting PatchResponse
		path    string
		want    int
	}{
		{PatchAuto, "/Users/" + u, 200},
		{PatchAuto, "/Groups/" + g, 204},
		{PatchBody, "/Users/" + u, 200},
		{PatchBody, "/Groups/" + g, 200},
		{PatchNoContent, "/Users/" + u, 204},
		{PatchNoContent, "/Groups/" + g, 204},
		{PatchNoContent, "/Users/" + u + "?attributes=displayName", 200}, // RFC 7644 §3.5.2
		{PatchAuto, "/Groups/" + g + "?attributes=displayName", 200},
	} {
		policy.Store(Policy{PatchResponse: c.setting})
		for _, body := range []string{
			patch(`{"op":"replace","path":"displayName","value":"` + string(c.setting) + c.path + `"}`),
			patch(`{"op":"replace","path":"displayName","value":"` + string(c.setting) + c.path + `"}`), // no change
			patch(`{"op":"add","path":"members","value":[]}`),
		} {
			if strings.Contains(body, "members") && !strings.Contains(c.path, "Groups") {
				continue
			}
			r := s.do("PATCH", c.path, body).want(c.want)
			if (r.text == "") != (c.want == 204) {
				t.Errorf("%q: %s: body %q with status %d", c.setting, r.what, r.text, r.status)
			}
			if r.header.Get("Etag") == "" {
				t.Errorf("%q: %s: no ETag", c.setting, r.what)
			}
		}
	}
}

func TestDelete(t *testing.T) {
	s := serve(t)
	u := s.user("ada")
	g := s.group("staff", u)
	r := s.do("DELETE", "/Users/"+u, "").want(204)
	if r.text != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("204 has a body or its type: %q %q", r.text, r.header.Get("Content-Type"))
	}
	s.do("DELETE", "/Users/"+u, "").want(404)
	s.do("GET", "/Users/"+u, "").want(404)
	if got := s.do("GET", "/Groups/"+g, "").ids("members"); len(got) != 0 {
		t.Errorf("members = %v after the deletion of the only one", got)
	}
	s.do("DELETE", "/Groups/"+g, "").want(204)
	s.do("POST", "/Users", `{"userName":"ada"}`).want(201)
}

// TestIDsThatAreNone never reach the store.
func TestIDsThatAreNone(t *testing.T) {
	s := serve(t)
	before := s.store().reads.Load()
	for _, id := range []string{"x", "1", "null", "*", "%00", "..", "a%2Fb", "%7Bws%7D:u:1",
		"2819c223-7f76-453a-919d-41386190464", "2819c223-7f76-453a-919d-4138619046466", "2819c223_7f76_453a_919d_413861904646", "2819c223-7f76-453a-919d-41386190464g"} {
		for method, body := range map[string]string{"GET": "", "DELETE": "", "PUT": `{"userName":"x"}`, "PATCH": patch(`{"op":"replace","value":{"active":false}}`)} {
			s.do(method, "/Users/"+id, body).want(404)
		}
	}
	if n := s.store().reads.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times, want 0", n)
	}
}

// TestRacesAreRunAgain: a PUT, PATCH or DELETE that loses a race is made on the newer state,
// but for one that named its version.
func TestRacesAreRunAgain(t *testing.T) {
	for _, c := range []struct {
		name, method, body string
		headers            []string
		lost, want         int
	}{
		{"PUT", "PUT", `{"userName":"ada","title":"new"}`, nil, 3, 200},
		{"PATCH", "PATCH", patch(`{"op":"replace","path":"title","value":"new"}`), nil, 3, 200},
		{"DELETE", "DELETE", "", nil, 3, 204},
		{"If-Match *", "DELETE", "", []string{"If-Match", "*"}, 3, 204},
		{"always", "PATCH", patch(`{"op":"replace","path":"title","value":"new"}`), nil, 1000, 503},
		{"If-Match", "PATCH", patch(`{"op":"replace","path":"title","value":"new"}`), []string{"If-Match", `W/"1"`}, 1, 412},
	} {
		s := serve(t)
		id := s.user("ada")
		lost := 0
		hook := func(commit *scim.Commit) {
			if lost++; lost <= c.lost {
				s.touch(id)
			}
		}
		s.store().beforeCommit.Store(&hook)
		r := s.do(c.method, "/Users/"+id, c.body, c.headers...)
		if r.status != c.want {
			t.Errorf("%s: status = %d, want %d: %s", c.name, r.status, c.want, r.text)
		}
		if c.want == 200 && (r.str("title") != "new" || c.method == "PATCH" && r.str("nickName") == "") {
			t.Errorf("%s: one of the two changes is lost: %s", c.name, r.text)
		}
	}
}

// touch changes a user behind the server's back.
func (s *site) touch(id string) {
	st := s.store()
	st.mu.Lock()
	defer st.mu.Unlock()
	ref := scim.Ref{Type: "User", ID: id}
	old := st.recs[ref]
	res, _ := old.Resource()
	st.seq++
	res.Attributes["nickName"] = itoa(int(st.seq))
	next := *old
	next.Version, next.Body = st.seq, scim.AppendJSON(nil, res.Attributes)
	st.recs[ref] = &next
}

func TestConcurrentPatchesOfOneUser(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	names := []string{"title", "nickName", "userType", "locale"}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			s.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"`+name+`","value":"en"}`)).want(200)
		})
	}
	wg.Wait()
	r := s.do("GET", "/Users/"+id, "")
	for _, name := range names {
		if r.str(name) != "en" {
			t.Errorf("%s is lost: %s", name, r.text)
		}
	}
}
