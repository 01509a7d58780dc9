package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The other clients of clients.md §4, the sizes and repetitions of §5, and tolerances that are
// in no row.

func TestC_OneLogin(t *testing.T) {
	s := newIDP(t)
	s.header.Set("Content-Type", "application/json")
	s.header.Set("Accept", "application/json")
	s.equal(s.want(200, "GET", `/Users?filter=userName%20eq%20"nonexistent"`, ""), "totalResults", 0)
	a := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"jane@example.com","name":{"givenName":"Jane","familyName":"Doe"},
		"emails":[{"value":"jane@example.com","type":"work"}],"title":null,"phoneNumbers":null,"active":true}`)
	id := a.id()
	s.equal(s.want(200, "GET", "/Users/"+id, ""), "userName", "jane@example.com", "title", nil)
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"jane@example.com","name":{"givenName":"Janet","familyName":"Doe"},"title":null,"active":true}`), "name.givenName", "Janet")
	s.equal(s.want(200, "GET", "/Groups", ""), "totalResults", 0)
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"Sales","members":null}`).id()
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]`))
	s.want(200, "PUT", "/Groups/"+g, `{"schemas":[G],"displayName":"Sales 2","members":null}`)
	s.wantMembers(g, id) // null says nothing of members
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"jane@example.com","active":false}`), "active", false)
	s.want(204, "DELETE", "/Users/"+id, "")
	s.wantMembers(g)
}

func TestC_JumpCloud(t *testing.T) {
	s := newIDP(t)
	for range 2 { // the connection test, which must leave nothing in the way of the next
		u := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"jumpcloud.test.user@example.com","active":true}`).id()
		g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"jumpcloud-test-group"}`).id()
		for range 2 {
			s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+u+`"}]}]`))
			s.wantMembers(g, u)
		}
		for range 2 {
			s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members","value":[{"value":"`+u+`"}]}]`))
			s.wantMembers(g)
		}
		s.equal(s.want(200, "PATCH", "/Users/"+u, patchOps(`[{"op":"replace","path":"active","value":false}]`)), "active", false)
		s.want(204, "DELETE", "/Groups/"+g, "")
		s.want(204, "DELETE", "/Users/"+u, "")
	}
}

func TestC_GoogleWorkspace(t *testing.T) {
	s := newIDP(t)
	s.equal(s.want(200, "GET", "/Users?count=1", ""), "totalResults", 0)
	one, two := s.user("one"), s.user("two")
	s.equal(s.want(200, "GET", "/Users?count=1", ""), "totalResults", 2, "itemsPerPage", 1)
	s.equal(s.want(200, "PATCH", "/Users/"+one, patchOps(`[{"op":"replace","path":"active","value":false}]`)), "active", false)
	s.want(204, "DELETE", "/Users/"+two, "")
}

func TestC_PingFederate(t *testing.T) {
	s := newIDP(t)
	s.header.Set("User-Agent", "PingFederate/11.3")
	const lookup = "/Users?filter=userName%20eq%20%22joe%40example.com%22"
	s.equal(s.want(200, "GET", lookup, ""), "totalResults", 0)
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"joe@example.com","name":{"givenName":"Joe","familyName":"Smith"},
		"emails":[{"value":"joe@example.com","type":"work"}],"phoneNumbers":[{"value":"1","type":"work"}],"active":true}`).id()
	s.equal(s.want(200, "GET", lookup, ""), "Resources.0.id", id)
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"id":"`+id+`","userName":"joe@example.com","name":{"givenName":"Joseph","familyName":"Smith"},
		"emails":[{"value":"joe@example.com","type":"work"}],"active":true}`), "name.givenName", "Joseph", "phoneNumbers", nil)
	g := s.group("Engineering")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]`))
	s.wantMembers(g, id)
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"joe@example.com","active":false}`), "active", false)
	s.want(204, "DELETE", "/Users/"+id, "")
}

func TestC_SailPoint(t *testing.T) {
	s := newIDP(t)
	s.want(200, "GET", "/ServiceProviderConfig", "")
	s.want(200, "GET", "/ResourceTypes", "")
	s.want(200, "GET", "/Schemas", "")
	s.equal(s.want(200, "GET", "/ResourceTypes/User", ""), "id", "User", "endpoint", "/Users", "schema", urnUser)
	s.equal(s.want(200, "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", ""), "id", urnUser, "attributes.name=userName.required", true)
	s.many("user", 12)
	s.group("one")
	for start := 1; start <= 12; start += 5 {
		s.equal(s.want(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=5", start), ""), "totalResults", 12, "itemsPerPage", min(5, 13-start))
	}
	s.equal(s.want(200, "GET", "/Groups?startIndex=1&count=5", ""), "totalResults", 1)
}

func TestC_Authentik(t *testing.T) {
	s := newIDP(t)
	config := s.want(200, "GET", "/ServiceProviderConfig", "")
	if n, _ := config.at("bulk", "maxOperations").(float64); n < 1 || n != math.Trunc(n) {
		t.Errorf("bulk.maxOperations = %v: it is by that number that members are sent", config.at("bulk", "maxOperations"))
	}
	s.equal(config, "patch.supported", true)
	one, two := s.user("one"), s.user("two")
	const create = `{"schemas":[G],"displayName":"authentik Admins","externalId":"f7c0e4c2"}`
	g := s.want(201, "POST", "/Groups", create).id()
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+one+`"}]},{"op":"add","path":"members","value":[{"value":"`+two+`"}]}]`))
	s.wantMembers(g, one, two)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members","value":[{"value":"`+one+`"}]}]`))
	s.wantMembers(g, two)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","value":{"schemas":[G],"id":"`+g+`","displayName":"authentik Users","externalId":"f7c0e4c2"}}]`))
	s.wantMembers(g, two)
	s.want(409, "POST", "/Groups", `{"schemas":[G],"displayName":"authentik Users"}`)
	s.equal(s.want(200, "GET", "/Groups?filter="+escape(`displayName eq "authentik Users"`), ""), "totalResults", 1, "Resources.0.id", g)
	s.equal(s.want(200, "GET", "/Groups?startIndex=1", ""), "totalResults", 1, "Resources.0.id", g)
	s.equal(s.want(200, "GET", "/Groups?startIndex=2", ""), "totalResults", 1, "itemsPerPage", 0)
	s.equal(s.want(200, "PUT", "/Users/"+one, `{"schemas":[U],"userName":"one","displayName":"One","active":true}`), "displayName", "One")
}

func TestC_Keycloak(t *testing.T) {
	s := newIDP(t)
	const own = "8f6f3d1a-53a6-4e0b-9c53-0e2d7f2bb1e4"
	id := s.want(201, "POST", "//Users", `{"schemas":[U],"id":"`+own+`","externalId":"`+own+`","userName":"someone"}`).id()
	if id == own {
		t.Error("the client's id was taken over")
	}
	s.equal(s.want(200, "PUT", "//Users/"+id, `{"schemas":[U],"id":"`+id+`","externalId":"`+own+`","userName":"someone","title":"x"}`), "title", "x", "externalId", own)
	g := s.group("large", id)
	ids := s.many("user", 211)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","path":"members","value":[`+values(ids...)+`]}]`))
	s.wantMembers(g, ids...)
}

// Keycloak's own modules were not looked at on the wire; its kit of tests is the RFC's plain ground.
func TestC_Keycloak26(t *testing.T) {
	s := newIDP(t)
	s.want(200, "GET", "/ServiceProviderConfig", "")
	a := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"bjensen","externalId":"bjensen","name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara"}}`)
	if etag := a.header.Get("ETag"); etag == "" || etag != a.at("meta", "version") {
		t.Errorf("ETag %q, meta.version %v", etag, a.at("meta", "version"))
	}
	s.equal(s.want(200, "PUT", "/Users/"+a.id(), `{"schemas":[U],"userName":"bjensen","externalId":"bjensen","roles":[{"value":"x"}]}`, "If-Match", a.header.Get("ETag")), "roles.0.value", "x", "name", nil)
	s.want(412, "PUT", "/Users/"+a.id(), `{"schemas":[U],"userName":"bjensen"}`, "If-Match", a.header.Get("ETag"))
	s.want(200, "GET", "/Users?filter="+escape(`userName sw "b" and not (title pr)`)+"&sortBy=userName&attributes=userName", "")
	s.want(204, "DELETE", "/Users/"+a.id(), "")
}

// What clients of AWS IAM Identity Center were taught is all that anybody has to know here.
func TestC_AWSIdentityCenter(t *testing.T) {
	s := newIDP(t)
	s.header["User-Agent"] = []string{""} // none: AWS turns that away, and we do not
	ids := s.many("user", 120)
	s.equal(s.want(200, "GET", "/Users?count=50", ""), "totalResults", 120, "itemsPerPage", 50)
	s.equal(s.want(200, "GET", "/Users?filter="+escape(`userName eq "user0007" and id eq "`+ids[7]+`"`), ""), "totalResults", 1)
	g := s.group("team")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[`+values(ids[:100]...)+`]}]`))
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members","value":[`+values(ids[50:100]...)+`]}]`))
	s.wantMembers(g, slices.Clone(ids[:50])...)
}

func TestC_WorkOS(t *testing.T) {
	s := newIDP(t)
	u := s.user("Jane@example.com")
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"jane@EXAMPLE.com"`, ""), "Resources.0.id", u)
	body := `{"schemas":[U],"userName":"large","nonsense":"` + strings.Repeat("x", 2_000_000) + `"}`
	s.want(201, "POST", "/Users", body)
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"team","members":[{"value":"`+u+`"},{"value":"00000000-0000-7000-8000-000000000000"},{"value":"nobody"}]}`).id()
	s.wantMembers(g, u)
}

// The full user that servers are tried with (RFC 7643 §8.2), all of which must come back.
func TestC_Zitadel(t *testing.T) {
	s := newIDP(t)
	const full = `{"schemas":[U],"externalId":"701984","userName":"bjensen@example.com",
		"name":{"formatted":"Ms. Barbara J Jensen, III","familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms.","honorificSuffix":"III"},
		"displayName":"Babs Jensen","nickName":"Babs","profileUrl":"https://login.example.com/bjensen",
		"emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
		"phoneNumbers":[{"value":"555-555-5555","type":"work"},{"value":"555-555-4444","type":"mobile"}],
		"ims":[{"value":"someaimhandle","type":"aim"}],"photos":[{"value":"https://photos.example.com/profilephoto/72930000000Ccne/F","type":"photo"}],
		"addresses":[{"streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"USA","type":"work","primary":true}],
		"userType":"Employee","title":"Tour Guide","preferredLanguage":"en-US","locale":"en-US","timezone":"America/Los_Angeles","active":true,
		"entitlements":[{"value":"my-entitlement-1"}],"roles":[{"value":"my-role-1","display":"Role 1","type":"main-role","primary":true}],
		"x509Certificates":[{"value":"MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAw"}]}`
	a := s.want(201, "POST", "/Users", full)
	b := s.want(200, "GET", "/Users/"+a.id(), "")
	s.equal(b, "name.honorificSuffix", "III", "emails.1.value", "babs@jensen.org", "phoneNumbers.type=mobile.value", "555-555-4444", "ims.0.type", "aim",
		"photos.0.type", "photo", "addresses.0.locality", "Hollywood", "entitlements.0.value", "my-entitlement-1", "roles.0.primary", true,
		"x509Certificates.0.value", "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAw", "profileUrl", "https://login.example.com/bjensen")
	if a.text != b.text {
		t.Errorf("POST answers %s, GET %s", a.text, b.text)
	}
	s.equal(s.want(200, "PUT", "/Users/"+a.id(), `{"schemas":[U],"userName":"bjensen@example.com"}`), "name", nil, "emails", nil, "active", true)
}

// §5: sizes.

func TestS_ThousandMembers(t *testing.T) {
	s := newIDP(t)
	ids := s.many("user", 1000)
	g := s.group("large")
	for _, op := range []string{"Add", "replace"} { // E24, O19
		began := time.Now()
		s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"`+op+`","path":"members","value":[`+values(ids...)+`]}]`))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s of 1,000 members took %s", op, took)
		}
		s.wantMembers(g, slices.Clone(ids)...)
	}
	s.want(413, "PATCH", "/Groups/"+g, patchOps(`[`+strings.Repeat(`{"op":"replace","path":"displayName","value":"x"},`, 1000)+`{"op":"remove","path":"members"}]`))
	s.wantMembers(g, slices.Clone(ids)...)
}

func TestS_LargeGroup(t *testing.T) {
	s := newIDP(t)
	ids := s.many("user", 5000)
	g := s.group("large", ids...)
	fastest := func(path string) time.Duration {
		best := time.Hour
		for range 20 {
			began := time.Now()
			s.want(200, "GET", path, "")
			best = min(best, time.Since(began))
		}
		return best
	}
	for _, path := range []string{"/Groups/" + g + "?excludedAttributes=members", "/Groups?excludedAttributes=members&filter=" + escape(`displayName eq "large"`)} {
		if took := fastest(path); took > 50*time.Millisecond { // E22, E20
			t.Errorf("GET %s takes %s, want 50 ms at most", path, took)
		}
	}
	if n := len(s.members(g)); n != len(ids) {
		t.Errorf("%d members, want %d", n, len(ids))
	}
}

// Every write may come twice, from a client that waited too long: one state in the end.
func TestS_RepeatedWrites(t *testing.T) {
	s := newIDP(t)
	u := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"someone","externalId":"1"}`).id()
	s.want(409, "POST", "/Users", `{"schemas":[U],"userName":"someone","externalId":"1"}`)
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"team","externalId":"1"}`).id()
	s.want(409, "POST", "/Groups", `{"schemas":[G],"displayName":"team","externalId":"1"}`)
	twice := func(code int, method, path, body, look string) {
		t.Helper()
		s.want(code, method, path, body)
		first := s.want(200, "GET", look, "")
		s.want(code, method, path, body)
		if again := s.want(200, "GET", look, ""); again.text != first.text {
			t.Errorf("%s %s %s a second time made %s of %s", method, path, body, again.text, first.text)
		}
	}
	user, group := "/Users/"+u, "/Groups/"+g
	twice(200, "PUT", user, `{"schemas":[U],"userName":"someone","title":"x","externalId":"1"}`, user)
	twice(200, "PATCH", user, patchOps(`[{"op":"add","path":"emails","value":[{"value":"a@b.c","type":"work","primary":true}]}]`), user)
	twice(200, "PATCH", user, patchOps(`[{"op":"replace","value":{"active":false}}]`), user)
	twice(204, "PATCH", group, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+u+`"}]}]`), group)
	twice(200, "PUT", group, `{"schemas":[G],"displayName":"team","externalId":"1","members":[{"value":"`+u+`"}]}`, group)
	twice(204, "PATCH", group, patchOps(`[{"op":"remove","path":"members[value eq \"`+u+`\"]"}]`), group)
	s.want(204, "DELETE", user, "")
	s.want(404, "DELETE", user, "")
	s.want(204, "DELETE", group, "")
	s.want(404, "DELETE", group, "")
}

func TestS_AllOrNothing(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.group("team", one)
	before := s.want(200, "GET", "/Groups/"+g, "")
	s.want(400, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+two+`"}]},
		{"op":"replace","path":"nothing","value":"x"},{"op":"replace","path":"displayName","value":"lost"}]`))
	if after := s.want(200, "GET", "/Groups/"+g, ""); after.text != before.text {
		t.Errorf("a PATCH that was refused made %s of %s", after.text, before.text)
	}
}

func TestS_PatchResponse(t *testing.T) {
	for setting, codes := range map[string][2]int{"auto": {200, 204}, "200": {200, 200}, "204": {204, 204}} {
		t.Run(setting, func(t *testing.T) {
			s := newIDP(t, func(c *ClientConfig) { c.PatchResponse = setting })
			u := s.user("someone")
			g := s.group("team")
			a := s.want(codes[0], "PATCH", "/Users/"+u, patchOps(`[{"op":"replace","path":"title","value":"x"}]`))
			if codes[0] == 200 {
				s.equal(a, "id", u, "title", "x")
			}
			a = s.want(codes[1], "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[`+values(u)+`]}]`))
			if codes[1] == 200 {
				s.equal(a, "id", g, "displayName", "team", "members.0.value", u)
			}
			// Who asks for attributes gets them (RFC 7644 §3.5.2).
			s.equal(s.want(200, "PATCH", "/Users/"+u+"?attributes=title", patchOps(`[{"op":"replace","path":"title","value":"y"}]`)), "title", "y", "userName", nil)
			s.equal(s.want(200, "GET", "/Users/"+u, ""), "title", "y")
			s.wantMembers(g, u)
		})
	}
}

func TestS_UnknownMembersDropped(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	const nobody = `{"value":"00000000-0000-7000-8000-000000000000"}`
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"team","members":[`+nobody+`,`+values(u)+`]}`).id()
	s.wantMembers(g, u)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[`+nobody+`]}]`))
	s.want(200, "PUT", "/Groups/"+g, `{"schemas":[G],"displayName":"team","members":[`+nobody+`,`+values(u)+`]}`)
	s.wantMembers(g, u)
}

func TestS_UnknownMembersRefused(t *testing.T) {
	s := newIDP(t, func(c *ClientConfig) { c.UnknownMembers = "refuse" })
	u := s.user("someone")
	g := s.group("team", u)
	for _, nobody := range []string{"00000000-0000-7000-8000-000000000000", "nobody"} {
		s.equal(s.want(400, "POST", "/Groups", `{"schemas":[G],"displayName":"other","members":[`+values(nobody)+`]}`), "scimType", "invalidValue")
		a := s.want(400, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[`+values(nobody)+`]}]`))
		if !strings.Contains(a.at("detail").(string), nobody) {
			t.Errorf("detail %q does not name %s", a.at("detail"), nobody)
		}
		s.want(400, "PUT", "/Groups/"+g, `{"schemas":[G],"displayName":"team","members":[`+values(u, nobody)+`]}`)
	}
	s.wantMembers(g, u)
}

// What no row asks for.

func TestQ_PostRestores(t *testing.T) {
	s := newIDP(t)
	const post = `{"schemas":[U],"userName":"jane","externalId":"1","title":"new"}`
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"jane","externalId":"1","nickName":"old"}`).id()
	g := s.group("team", id)
	refused := func(why, body string) {
		t.Helper()
		a := s.want(409, "POST", "/Users", body)
		if detail := a.at("detail").(string); a.at("scimType") != "uniqueness" || !strings.Contains(detail, id) {
			t.Errorf("%s: %s", why, a.text)
		}
	}
	refused("an active record", post)
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"active","value":false}]`))
	refused("no externalId", `{"schemas":[U],"userName":"jane"}`)
	refused("another externalId", `{"schemas":[U],"userName":"jane","externalId":"2"}`)
	refused("a draft that is itself inactive", `{"schemas":[U],"userName":"jane","externalId":"1","active":false}`)

	// Another client has an externalId space of its own, and the name is not its to take.
	other := &idp{T: t, core: s.core, base: s.base, header: s.header.Clone()}
	other.header.Set("Authorization", "Bearer "+other.token("other"))
	a := other.want(409, "POST", "/Users", post)
	if a.at("scimType") != "uniqueness" {
		t.Errorf("another client: %s", a.text)
	}
	s.equal(s.want(200, "GET", "/Users/"+id, ""), "active", false)

	// Many at once bring back one.
	var wait sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wait.Go(func() {
			a, err := s.try("POST", "/Users", post)
			if codes[i] = a.code; err != nil || a.code == 201 && a.id() != id {
				t.Errorf("POST = %s %v", a.text, err)
			}
		})
	}
	wait.Wait()
	slices.Sort(codes)
	if codes[0] != 201 || codes[1] != 409 || codes[7] != 409 {
		t.Errorf("answers %v, want one 201 and else 409", codes)
	}
	s.equal(s.want(200, "GET", "/Users/"+id, ""), "active", true, "title", "new", "nickName", nil, "groups.0.value", g)

	// In bulk, likewise.
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"active","value":false}]`))
	bulk, err := s.try("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","path":"/Users","bulkId":"q","data":`+post+`}]}`)
	if err != nil {
		t.Fatal(err)
	}
	s.equal(bulk, "Operations.0.status", "201", "Operations.0.location", s.base+"/Users/"+id)

	// A name that somebody else holds is still theirs.
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"active","value":false}]`))
	s.user("taken")
	s.want(409, "POST", "/Users", `{"schemas":[U],"userName":"taken","externalId":"1"}`)
	s.equal(s.want(200, "GET", "/Users/"+id, ""), "active", false, "userName", "jane")

	// Over one who was deleted, a POST creates.
	s.want(204, "DELETE", "/Users/"+id, "")
	if b := s.want(201, "POST", "/Users", post); b.id() == id {
		t.Error("a deleted id came back")
	}
}

// Entra sends its own externalId in the first PATCH of everybody that it finds.
func TestQ_ForeignExternalID(t *testing.T) {
	s := newIDP(t)
	other := &idp{T: t, core: s.core, base: s.base, header: s.header.Clone()}
	other.header.Set("Authorization", "Bearer "+other.token("other"))
	id := other.want(201, "POST", "/Users", `{"schemas":[U],"userName":"jane","externalId":"theirs"}`).id()
	a := s.patched(id, `[{"op":"Replace","path":"externalId","value":"mine"},{"op":"Replace","path":"displayName","value":"Jane"}]`)
	s.equal(a, "externalId", "theirs", "displayName", "Jane")
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"jane","externalId":"mine","title":"x"}`), "externalId", "theirs", "title", "x")
	s.equal(s.want(200, "GET", "/Users?filter="+escape(`externalId eq "mine"`), ""), "totalResults", 0)
	s.equal(other.want(200, "GET", "/Users?filter="+escape(`externalId eq "theirs"`), ""), "Resources.0.id", id)
}

func TestQ_UserNameEmail(t *testing.T) {
	s := newIDP(t, func(c *ClientConfig) { c.UserNameEmail = true })
	old := s.many("old", 1)[0] // of the time before the setting
	id := s.user("jane@example.com")
	for _, name := range []string{"jane", "Jane <jane@example.com>", "jane@", "@example.com", "a b@example.com"} {
		for method, request := range map[string][2]string{
			"POST":  {"/Users", `{"schemas":[U],"userName":"` + name + `"}`},
			"PUT":   {"/Users/" + id, `{"schemas":[U],"userName":"` + name + `"}`},
			"PATCH": {"/Users/" + id, patchOps(`[{"op":"replace","path":"userName","value":"` + name + `"}]`)},
		} {
			a := s.want(400, method, request[0], request[1])
			if s.equal(a, "scimType", "invalidValue"); !strings.Contains(a.at("detail").(string), "userName") {
				t.Errorf("%s %q: the detail names no userName: %s", method, name, a.text)
			}
		}
	}
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"userName","value":"janet@example.com"}]`)), "userName", "janet@example.com")
	s.equal(s.want(200, "PUT", "/Users/"+old, `{"schemas":[U],"userName":"old0000","title":"x"}`), "title", "x")
}

func TestQ_MemberByReference(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"$ref":"https://example.com/scim/v2/Users/`+u+`"}]}]`))
	s.wantMembers(g, u)
}

func TestQ_SingleValueForList(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":{"value":"`+u+`"}}]`))
	s.wantMembers(g, u)
	s.equal(s.patched(u, `[{"op":"add","path":"emails","value":{"value":"a@b.c","type":"work"}}]`), "emails.0.value", "a@b.c")
}

func TestQ_UnknownNamesAskedFor(t *testing.T) {
	s := newIDP(t)
	id := s.user("someone")
	s.equal(s.want(200, "GET", "/Users/"+id+"?attributes=userName,shoeSize", ""), "userName", "someone", "id", id, "active", nil)
	s.equal(s.want(200, "GET", "/Users/"+id+"?excludedAttributes=shoeSize", ""), "userName", "someone", "active", true)
}
