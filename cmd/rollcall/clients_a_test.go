package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The rules of clients.md §0, which hold for every client.

func TestA01_ContentTypes(t *testing.T) {
	s := newIDP(t)
	for i, media := range []string{"application/scim+json", "application/json", "application/scim+json; charset=utf-8",
		"application/json; charset=utf-8", "application/json;charset=UTF-8", ""} {
		s.want(201, "POST", "/Users", fmt.Sprintf(`{"schemas":[U],"userName":"user%d"}`, i), "Content-Type", media)
	}
	s.want(415, "POST", "/Users", `{"schemas":[U],"userName":"text"}`, "Content-Type", "text/plain")
}

func TestA02_AnswersAreSCIM(t *testing.T) {
	s := newIDP(t)
	id := s.user("someone")
	for _, path := range []string{"/Users", "/Users/" + id, "/Users/nobody", "/Schemas", "/Users?filter=nonsense"} {
		if got := s.send("GET", path, "").header["Content-Type"]; !slices.Equal(got, []string{"application/scim+json"}) {
			t.Errorf("GET %s: Content-Type %q", path, got)
		}
	}
}

func TestA03_Unauthorized(t *testing.T) {
	s := newIDP(t)
	for _, auth := range []string{"", "Bearer wrong", "Bearer ", "Digest x"} {
		a := s.want(401, "GET", "/Users", "", "Authorization", auth)
		if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("Authorization %q: WWW-Authenticate %q", auth, got)
		}
		s.equal(a, "status", "401")
	}
}

func TestA04_StatusIsAString(t *testing.T) {
	s := newIDP(t)
	s.user("taken")
	s.equal(s.want(404, "GET", "/Users/none", ""), "status", "404")
	s.equal(s.want(409, "POST", "/Users", `{"schemas":[U],"userName":"taken"}`), "status", "409")
	s.equal(s.want(400, "POST", "/Users", `{"schemas":[U]`), "status", "400")
	s.equal(s.want(405, "PATCH", "/Users", `{}`), "status", "405")
}

func TestA05_CountsAreNumbers(t *testing.T) {
	s := newIDP(t)
	s.user("one")
	a := s.want(200, "GET", "/Users?startIndex=1&count=100", "")
	s.equal(a, "totalResults", 1, "startIndex", 1, "itemsPerPage", 1)
	if !strings.Contains(a.text, `"totalResults":1,`) {
		t.Errorf("totalResults is no plain number: %s", a.text)
	}
}

func TestA06_EmptySearch(t *testing.T) {
	s := newIDP(t)
	for _, path := range []string{`/Users?filter=userName+eq+"nobody"`, `/Groups?filter=displayName+eq+"none"`, "/Users?startIndex=500&count=10"} {
		a := s.want(200, "GET", path, "")
		if s.equal(a, "totalResults", 0); !strings.Contains(a.text, `"Resources":[]`) {
			t.Errorf("GET %s: no empty Resources: %s", path, a.text)
		}
	}
}

func TestA07_Case(t *testing.T) {
	s := newIDP(t)
	a := s.want(201, "POST", "/Users", `{"schemas":["URN:ietf:params:scim:schemas:core:2.0:user"],"USERNAME":"Jane.Doe@Example.com","externalid":"AbC",
		"Emails":[{"Value":"Jane@Example.com","TYPE":"work"}]}`)
	id := a.id()
	s.equal(a, "userName", "Jane.Doe@Example.com", "externalId", "AbC", "emails.0.value", "Jane@Example.com")
	for filter, n := range map[string]int{
		`USERNAME EQ "jane.doe@example.COM"`: 1, `emails.value eq "JANE@example.com"`: 1,
		`URN:IETF:params:scim:schemas:core:2.0:User:UserName eq "jane.doe@example.com"`: 1,
		`externalId eq "abc"`: 0, `externalId eq "AbC"`: 1, `id eq "` + strings.ToUpper(id) + `"`: 0, `ID eq "` + id + `"`: 1,
	} {
		if got := s.want(200, "GET", "/Users?filter="+escape(filter), "").total(); got != n {
			t.Errorf("%s: %d results, want %d", filter, got, n)
		}
	}
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"Team"}`).id()
	s.equal(s.want(200, "GET", "/Groups?filter="+escape(`displayname eq "TEAM"`), ""), "Resources.0.id", g, "Resources.0.displayName", "Team")
	for op, nick := range map[string]string{"Add": "a", "REPLACE": "b", "replace": "c"} {
		s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"`+op+`","path":"NICKNAME","value":"`+nick+`"}]`)), "nickName", nick)
	}
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"Remove","path":"nickname"}]`)), "nickName", nil)
}

func TestA08_BooleansAsStrings(t *testing.T) {
	s := newIDP(t)
	for i, text := range []string{`true`, `"True"`, `"true"`, `"TRUE"`} {
		a := s.want(201, "POST", "/Users", fmt.Sprintf(`{"schemas":[U],"userName":"u%d","active":%s,"emails":[{"value":"a@b.c","primary":%s}]}`, i, text, text))
		s.equal(a, "active", true, "emails.0.primary", true)
		no := strings.NewReplacer("T", "F", "t", "f", "rue", "alse", "RUE", "ALSE").Replace(text)
		s.equal(s.want(200, "PUT", "/Users/"+a.id(), fmt.Sprintf(`{"schemas":[U],"userName":"u%d","active":%s}`, i, no)), "active", false)
		s.equal(s.want(200, "PATCH", "/Users/"+a.id(), patchOps(`[{"op":"replace","path":"active","value":`+text+`}]`)), "active", true)
	}
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"roles","roles":[{"value":"a","primary":true},{"value":"b"}]}`).id()
	a := s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"roles[primary eq \"True\"].value","value":"c"}]`))
	s.equal(a, "roles.0.value", "c", "roles.0.primary", true, "roles.1.value", "b")
	if n := s.want(200, "GET", "/Users?filter="+escape(`active eq "True"`), "").total(); n != 5 { // one did not say
		t.Errorf(`active eq "True": %d results, want 5`, n)
	}
	s.want(400, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"active","value":"yes"}]`))
}

func TestA09_UnknownAttributes(t *testing.T) {
	s := newIDP(t)
	a := s.want(201, "POST", "/Users", `{"schemas":["`+urnUser+`","urn:example:who:knows"],"userName":"someone","shoeSize":43,
		"urn:example:params:scim:schemas:extension:custom:2.0:User":{"badge":"7"},"name":{"familyName":"Doe","clan":"x"}}`)
	s.equal(a, "userName", "someone", "name.familyName", "Doe", "shoeSize", nil, "name.clan", nil, "schemas.1", urnAccount)
	s.want(200, "PUT", "/Users/"+a.id(), `{"schemas":[U],"userName":"someone","shoeSize":44}`)
	s.equal(s.want(200, "PATCH", "/Users/"+a.id(), patchOps(`[{"op":"replace","value":{"shoeSize":44,"title":"Dr"}}]`)), "title", "Dr", "shoeSize", nil)
}

func TestA10_NullAndEmptyAreNotSet(t *testing.T) {
	s := newIDP(t)
	a := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"someone","title":null,"nickName":"","emails":[],"phoneNumbers":null,
		"name":{"givenName":"","familyName":null},"externalId":""}`)
	s.equal(a, "title", nil, "nickName", nil, "emails", nil, "phoneNumbers", nil, "name", nil, "externalId", nil)
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"full","title":"Dr","emails":[{"value":"a@b.c"}],"externalId":"x"}`).id()
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"full","title":"","emails":[],"externalId":null}`),
		"title", nil, "emails", nil, "externalId", nil)
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"team","members":null}`).id()
	s.wantMembers(g)
}

func TestA11_ReadOnlyIsIgnored(t *testing.T) {
	s := newIDP(t)
	const foreign = "2819c223-7f76-453a-919d-413861904646"
	a := s.want(201, "POST", "/Users", `{"schemas":[U],"id":"`+foreign+`","userName":"someone","meta":{"resourceType":"Group","version":"9"},"groups":[{"value":"x"}]}`)
	if a.id() == foreign {
		t.Error("the client's id was taken over")
	}
	s.equal(a, "meta.resourceType", "User", "groups", nil)
	s.want(404, "GET", "/Users/"+foreign, "")
	b := s.want(200, "PUT", "/Users/"+a.id(), `{"schemas":[U],"id":"`+foreign+`","userName":"someone","meta":{"created":"1999-01-01T00:00:00Z"},"groups":[]}`)
	s.equal(b, "id", a.id(), "meta.created", a.at("meta", "created"))
}

func TestA12_MembersAreIdempotent(t *testing.T) {
	s := newIDP(t)
	u, other := s.user("in"), s.user("out")
	g := s.group("team", u)
	before := s.want(200, "GET", "/Groups/"+g, "")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+u+`"}]}]`))
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members[value eq \"`+other+`\"]"}]`))
	if after := s.want(200, "GET", "/Groups/"+g, ""); after.text != before.text {
		t.Errorf("changes that change nothing made of %s %s", before.text, after.text)
	}
}

func TestA13_Duplicate(t *testing.T) {
	s := newIDP(t)
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"jane","externalId":"1"}`).id()
	for _, body := range []string{`{"schemas":[U],"userName":"JANE","externalId":"2"}`, `{"schemas":[U],"userName":"other","externalId":"1"}`} {
		a := s.want(409, "POST", "/Users", body)
		s.equal(a, "scimType", "uniqueness")
		if detail := a.at("detail").(string); !strings.Contains(detail, id) || !strings.Contains(detail, "userName") && !strings.Contains(detail, "externalId") {
			t.Errorf("the conflict names neither attribute nor id: %s", detail)
		}
	}
	if n := s.want(200, "GET", "/Users", "").total(); n != 1 {
		t.Errorf("%d users after refusals, want 1", n)
	}
}

func TestA14_Slashes(t *testing.T) {
	s := newIDP(t)
	id := s.user("someone")
	for _, path := range []string{"/Users/" + id + "/", "//Users/" + id, "/users/" + id, "/USERS//" + id} {
		s.equal(s.want(200, "GET", path, ""), "id", id)
	}
	s.equal(s.want(200, "GET", "/Users/", ""), "totalResults", 1)
	s.want(201, "POST", "//Users", `{"schemas":[U],"userName":"second"}`) // not redirected into a GET
}

func TestA15_QueryForms(t *testing.T) {
	s := newIDP(t)
	s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"a.b@okta.local","externalId":"jyoung"}`)
	for _, query := range []string{
		`userName%20eq%20%22a.b%40okta.local%22`, `userName+eq+%22a.b@okta.local%22`, `userName%20eq%20"a.b@okta.local"`,
		`externalId%20eq%20jyoung`, `externalId+eq+jyoung`,
	} {
		s.equal(s.want(200, "GET", "/Users?filter="+query, ""), "totalResults", 1)
	}
	s.want(400, "GET", "/Users?filter=displayName+eq+John+Smith", "") // not unambiguous
}

func TestA16_FlagInTheURL(t *testing.T) {
	s := newIDP(t)
	id := s.user("someone")
	s.equal(s.want(200, "GET", `/Users?aadOptscim062020&filter=userName+eq+"someone"`, ""), "totalResults", 1)
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"someone"&aadOptscim062020=`, ""), "totalResults", 1)
	s.want(200, "PATCH", "/Users/"+id+"?aadOptscim062020", patchOps(`[{"op":"replace","path":"title","value":"x"}]`))
	s.want(201, "POST", "/Users?aadOptscim062020", `{"schemas":[U],"userName":"other"}`)
}

func TestA17_EveryResourceIsWhole(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team", u)
	// newIDP's send holds schemas, id, meta.resourceType and meta.location of every answer.
	for _, path := range []string{"/Users", "/Groups", "/Users/" + u, "/Groups/" + g, "/Users?filter=userName+pr", "/Groups?excludedAttributes=members"} {
		s.want(200, "GET", path, "")
	}
	a := s.want(200, "GET", "/Users/"+u, "")
	location := a.at("meta", "location").(string)
	if location != s.base+"/Users/"+u {
		t.Errorf("meta.location = %s, want %s", location, s.base+"/Users/"+u)
	}
}

func TestA18_InactiveStaysReadable(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team", u)
	s.equal(s.want(200, "PATCH", "/Users/"+u, patchOps(`[{"op":"replace","path":"active","value":false}]`)), "active", false)
	s.equal(s.want(200, "GET", "/Users/"+u, ""), "active", false, "groups.0.value", g)
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"someone"`, ""), "totalResults", 1, "Resources.0.active", false)
	s.wantMembers(g, u)
	s.equal(s.want(200, "PATCH", "/Users/"+u, patchOps(`[{"op":"replace","path":"active","value":true}]`)), "active", true, "id", u)
	s.wantMembers(g, u)
}

func TestA19_WithinSeconds(t *testing.T) {
	s := newIDP(t)
	ids := s.many("user", 1000)
	g := s.group("all", ids...)
	for _, path := range []string{"/Users?startIndex=901&count=100", "/Groups/" + g, "/Groups", "/Users?filter=active+eq+true"} {
		began := time.Now()
		s.want(200, "GET", path, "")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("GET %s took %s", path, took)
		}
	}
}

func TestA20_RetryAfterInSeconds(t *testing.T) {
	s := newIDP(t, func(c *ClientConfig) { c.Rate = 1 })
	for range 20 {
		a := s.send("GET", "/Users?count=0", "")
		if a.code == http.StatusOK {
			continue
		}
		n, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.code != http.StatusTooManyRequests || err != nil || n < 1 || n > 60 {
			t.Errorf("%d with Retry-After %q, want 429 with whole seconds", a.code, a.header.Get("Retry-After"))
		}
		return
	}
	t.Error("20 requests at once, and none was above 1 in a second")
}

func TestA21_PermanentAndTransient(t *testing.T) {
	s := newIDP(t)
	s.user("taken")
	s.want(400, "POST", "/Users", `{"schemas":[U],"title":"no name"}`)
	s.want(409, "POST", "/Users", `{"schemas":[U],"userName":"taken"}`)
	if err := s.core.Close(); err != nil {
		t.Fatal(err)
	}
	a := s.want(503, "POST", "/Users", `{"schemas":[U],"userName":"later"}`)
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
		t.Errorf("Retry-After %q of a store that is gone", a.header.Get("Retry-After"))
	}
}

func TestA22_ConcurrentMembers(t *testing.T) {
	s := newIDP(t)
	const n = 50
	ids := s.many("user", n)
	old := s.user("old")
	g := s.group("crowd", old)
	var wait sync.WaitGroup
	send := func(operations string) {
		wait.Go(func() {
			a, err := s.try("PATCH", "/Groups/"+g, patchOps(operations))
			if err != nil || a.code != http.StatusNoContent {
				t.Errorf("PATCH %s = %d %s %v", operations, a.code, a.text, err)
			}
		})
	}
	for i, id := range ids {
		if i%2 == 0 { // E24
			send(`[{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + id + `"}]}]`)
			continue
		}
		send(`[{"op":"replace","value":{"id":"` + g + `","displayName":"crowd"}}]`) // O17
		send(`[{"op":"remove","path":"members[value eq \"` + old + `\"]"},{"op":"add","path":"members","value":[{"value":"` + id + `"}]}]`)
	}
	wait.Wait()
	s.wantMembers(g, ids...)
}

// escape writes a filter as most clients do.
func escape(filter string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", `"`, "%22", "+", "%2B", "&", "%26", "#", "%23").Replace(filter)
}
