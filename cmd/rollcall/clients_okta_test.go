package main

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What Okta sends (clients.md §1), with its headers.

func newOkta(t *testing.T, settings ...func(*ClientConfig)) *idp {
	t.Helper()
	s := newIDP(t, settings...)
	s.header.Set("User-Agent", "Okta SCIM Client 1.0.0")
	s.header.Set("Accept", "application/scim+json")
	s.header.Set("Accept-Charset", "utf-8")
	s.header.Set("Connection", "Keep-Alive")
	return s
}

const oktaPost = `{"schemas":[U],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
	"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US",
	"externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`

const oktaLookup = "/Users?filter=userName%20eq%20%22test.user%40okta.local%22&startIndex=1&count=100"

// oktaUser makes the user of a row that is about what comes after.
func (s *idp) oktaUser() string {
	s.Helper()
	return s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
		"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US",
		"externalId":"00ujl29u0le5T6Aj10h7","active":true}`).id()
}

func TestO01_TestConnector(t *testing.T) {
	s := newOkta(t)
	s.equal(s.want(200, "GET", "/Users?startIndex=1&count=2", ""), "totalResults", 0, "startIndex", 1, "itemsPerPage", 0)
	s.oktaUser()
	s.equal(s.want(200, "GET", "/Users?startIndex=1&count=2", ""), "totalResults", 1, "startIndex", 1, "itemsPerPage", 1)
	// Some administrators type the token without "Bearer".
	token := strings.TrimPrefix(s.header.Get("Authorization"), "Bearer ")
	s.want(200, "GET", "/Users?startIndex=1&count=2", "", "Authorization", token)
	s.want(200, "GET", "/Users?startIndex=1&count=2", "", "User-Agent", "OKTA SCIM Integration", "Content-Type", "application/json")
}

func TestO02_GroupImport(t *testing.T) {
	s := newOkta(t)
	s.equal(s.want(200, "GET", "/Groups?startIndex=1&count=100", ""), "totalResults", 0)
	s.group("one")
	s.equal(s.want(200, "GET", "/Groups?startIndex=1&count=100", ""), "totalResults", 1, "Resources.0.displayName", "one")
}

func TestO03_UserLookup(t *testing.T) {
	s := newOkta(t)
	s.equal(s.want(200, "GET", oktaLookup, ""), "totalResults", 0)
	id := s.oktaUser()
	s.equal(s.want(200, "GET", oktaLookup, ""), "totalResults", 1, "Resources.0.id", id)
}

func TestO04_Create(t *testing.T) {
	s := newOkta(t)
	a := s.want(201, "POST", "/Users", oktaPost)
	s.equal(a, "userName", "test.user@okta.local", "name.givenName", "Test", "name.familyName", "User", "emails.0.primary", true,
		"emails.0.type", "work", "displayName", "Test User", "locale", "en-US", "externalId", "00ujl29u0le5T6Aj10h7", "active", true)
	if strings.Contains(a.text, "password") || strings.Contains(a.text, "1mz050nq") {
		t.Errorf("the password is echoed: %s", a.text)
	}
	if got := a.header.Get("Location"); got != a.at("meta", "location") {
		t.Errorf("Location %q, meta.location %v", got, a.at("meta", "location"))
	}
}

func TestO05_CreateAgain(t *testing.T) {
	s := newOkta(t)
	s.want(201, "POST", "/Users", oktaPost)
	s.equal(s.want(409, "POST", "/Users", oktaPost), "scimType", "uniqueness")
}

func TestO06_LinkToWhoIsThere(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":false}}]`))
	found := s.want(200, "GET", oktaLookup, "")
	s.equal(found, "totalResults", 1, "Resources.0.id", id, "Resources.0.active", false)
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":true}}]`)), "id", id, "active", true)

	// The same by a PUT, and by a POST of somebody who did not look first.
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":false}}]`))
	s.equal(s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"userName":"test.user@okta.local","externalId":"00ujl29u0le5T6Aj10h7","active":true}`), "id", id, "active", true)
	g := s.group("team", id)
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":false}}]`))
	back := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"new.name@okta.local","externalId":"00ujl29u0le5T6Aj10h7","active":true}`)
	s.equal(back, "id", id, "active", true, "userName", "new.name@okta.local", "groups.0.value", g)
	s.wantMembers(g, id)
}

func TestO07_Import(t *testing.T) {
	s := newOkta(t)
	ids := s.many("user", 250)
	seen := map[string]bool{}
	for start := 1; start <= 250; start += 100 {
		a := s.want(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=100", start), "")
		s.equal(a, "totalResults", 250, "startIndex", start, "itemsPerPage", min(100, 251-start))
		for _, r := range a.at("Resources").([]any) {
			seen[at(r, "id").(string)] = true
		}
	}
	for _, id := range ids {
		if !seen[id] {
			t.Errorf("%s is on no page", id)
		}
	}
}

func TestO08_AppWizardUpdate(t *testing.T) {
	s := newOkta(t)
	id := s.want(201, "POST", "/Users", `{"schemas":[U,E],"userName":"test.user@okta.local","nickName":"kept","active":true,
		"`+urnEnterprise+`":{"department":"Sales"},"emails":[{"primary":true,"value":"test.user@okta.local","type":"work","display":"Test"}]}`).id()
	g := s.group("team", id)
	merged := maps.Clone(s.want(200, "GET", "/Users/"+id, "").body)
	merged["name"] = map[string]any{"givenName": "Another", "middleName": "Excited", "familyName": "User"}
	merged["groups"] = []any{}
	merged["meta"] = map[string]any{"resourceType": "User"}
	a := s.want(200, "PUT", "/Users/"+id, jsonOf(merged))
	s.equal(a, "id", id, "name.givenName", "Another", "name.middleName", "Excited", "nickName", "kept", "groups.0.value", g,
		urnEnterprise+"|department", "Sales", "emails.0.display", "Test", "active", true)
	s.wantMembers(g, id)
}

func TestO09_Deactivate(t *testing.T) {
	for _, setting := range []string{"auto", "200", "204"} {
		t.Run(setting, func(t *testing.T) {
			s := newOkta(t, func(c *ClientConfig) { c.PatchResponse = setting })
			id := s.oktaUser()
			code := map[string]int{"auto": 200, "200": 200, "204": 204}[setting]
			a := s.want(code, "PATCH", "/Users/"+id, `{"schemas":[P],"Operations":[{"op":"replace","value":{"active":false}}]}`)
			if code == 200 {
				s.equal(a, "id", id, "active", false, "userName", "test.user@okta.local")
			}
			s.equal(s.want(200, "GET", "/Users/"+id, ""), "active", false)
		})
	}
}

func TestO10_AppWizardDeactivate(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	put := func(active string) answer {
		t.Helper()
		return s.want(200, "PUT", "/Users/"+id, `{"schemas":[U],"id":"`+id+`","userName":"test.user@okta.local"`+active+`}`)
	}
	s.equal(put(``), "active", true) // a PUT that says nothing locks nobody out
	s.equal(put(`,"active":false`), "active", false)
	s.equal(put(``), "active", false) // nor does it let anybody in again
	s.equal(put(`,"active":true`), "active", true)
}

func TestO11_Reactivate(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":false}}]`))
	s.equal(s.want(200, "GET", oktaLookup, ""), "Resources.0.id", id)
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":true}}]`)), "id", id, "active", true)
}

func TestO12_PasswordSync(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	a := s.want(200, "PATCH", "/Users/"+id, `{"schemas":[P],"Operations":[{"op":"replace","value":{"password":"aN3w-Secret!"}}]}`)
	if strings.Contains(a.text, "aN3w") || strings.Contains(s.want(200, "GET", "/Users/"+id, "").text, "password") {
		t.Errorf("the password is echoed: %s", a.text)
	}
}

// Nothing is sent when Okta suspends: all that reaches the server are reads, and they change nothing.
func TestO13_SuspendSendsNothing(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	before := s.want(200, "GET", "/Users/"+id, "")
	s.want(200, "GET", oktaLookup, "")
	s.want(200, "GET", "/Users?startIndex=1&count=100", "")
	after := s.want(200, "GET", "/Users/"+id, "")
	if after.text != before.text || after.header.Get("ETag") != before.header.Get("ETag") {
		t.Errorf("reads made %s of %s", after.text, before.text)
	}
	s.equal(after, "active", true)
}

// No DELETE is sent: a user who was deprovisioned is there for ever, and found.
func TestO14_NobodyIsDeleted(t *testing.T) {
	s := newOkta(t)
	id := s.oktaUser()
	s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","value":{"active":false}}]`))
	s.want(200, "GET", "/Users/"+id, "")
	s.equal(s.want(200, "GET", "/Users?startIndex=1&count=100", ""), "totalResults", 1, "Resources.0.id", id)
	s.equal(s.want(200, "GET", oktaLookup, ""), "totalResults", 1)
}

const oktaGroupLookup = "/Groups?filter=displayName%20eq%20%22Test%20SCIMv2%22&startIndex=1&count=100"

func TestO15_GroupLookup(t *testing.T) {
	s := newOkta(t)
	s.equal(s.want(200, "GET", oktaGroupLookup, ""), "totalResults", 0)
	g := s.group("Test SCIMv2")
	s.equal(s.want(200, "GET", oktaGroupLookup, ""), "totalResults", 1, "Resources.0.id", g)
}

func TestO16_GroupCreate(t *testing.T) {
	s := newOkta(t)
	s.equal(s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"Test SCIMv2","members":[]}`), "displayName", "Test SCIMv2")
	u := s.oktaUser()
	a := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"With members","members":[{"value":"`+u+`","display":"test.user@okta.local"}]}`)
	s.wantMembers(a.id(), u)
}

func TestO17_GroupRename(t *testing.T) {
	s := newOkta(t)
	u := s.oktaUser()
	g := s.group("Old name", u)
	s.want(204, "PATCH", "/Groups/"+g, `{"schemas":[P],"Operations":[{"op":"replace","value":{"id":"`+g+`","displayName":"Test SCIMv2"}}]}`)
	s.equal(s.want(200, "GET", "/Groups/"+g, ""), "id", g, "displayName", "Test SCIMv2")
	s.wantMembers(g, u)
}

func TestO18_MembershipDelta(t *testing.T) {
	s := newOkta(t)
	one, two, stays := s.user("one"), s.user("two"), s.user("stays")
	g := s.group("Test SCIMv2", one, stays)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members[value eq \"`+one+`\"]"},
		{"op":"add","path":"members","value":[{"value":"`+two+`","display":"test.user@okta.local"}]}]`))
	s.wantMembers(g, two, stays)
}

func TestO19_FullPush(t *testing.T) {
	s := newOkta(t)
	one, two := s.user("one"), s.user("two")
	g := s.group("Test SCIMv2", one)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","path":"members","value":[{"value":"`+two+`","display":"two"}]}]`))
	s.wantMembers(g, two)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","path":"members","value":[]}]`))
	s.wantMembers(g)
}

func TestO20_AppWizardGroup(t *testing.T) {
	s := newOkta(t)
	one, two := s.user("one"), s.user("two")
	g := s.group("Test SCIMv2", one)
	s.want(200, "PUT", "/Groups/"+g, `{"schemas":[G],"id":"`+g+`","displayName":"Renamed","members":[{"value":"`+two+`","display":"two"}]}`)
	s.equal(s.want(200, "GET", "/Groups/"+g, ""), "displayName", "Renamed")
	s.wantMembers(g, two)
}

func TestO21_LargeBatches(t *testing.T) {
	s := newOkta(t)
	ids := s.many("user", 1000)
	g := s.group("Test SCIMv2")
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[`+values(ids...)+`]}]`))
	s.wantMembers(g, ids...)
	removals := make([]string, len(ids))
	for i, id := range ids {
		removals[i] = `{"op":"remove","path":"members[value eq \"` + id + `\"]"}`
	}
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[`+strings.Join(removals, ",")+`]`))
	s.wantMembers(g)
	padded := `{"schemas":[U],"userName":"large","title":"` + strings.Repeat("x", 32<<10) + `","unknown":"` + strings.Repeat(" ", 2<<20) + `"}`
	s.want(201, "POST", "/Users", padded) // 2 MiB, as WorkOS takes
}

func TestO22_GroupExists(t *testing.T) {
	s := newOkta(t)
	ids := s.many("user", 2000)
	g := s.group("Test SCIMv2", ids...)
	began := time.Now()
	a := s.want(200, "GET", "/Groups/"+g, "")
	if members, _ := a.at("members").([]any); len(members) != len(ids) {
		t.Errorf("%d members, want %d", len(members), len(ids))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a group of %d members took %s", len(ids), took)
	}
	s.want(404, "GET", "/Groups/00000000-0000-7000-8000-000000000000", "")
}

func TestO23_Unlink(t *testing.T) {
	s := newOkta(t)
	u := s.oktaUser()
	g := s.group("Test SCIMv2", u)
	s.want(204, "DELETE", "/Groups/"+g, "")
	s.want(404, "GET", "/Groups/"+g, "")
	s.equal(s.want(200, "GET", "/Users/"+u, ""), "id", u, "groups", nil)
}

func TestO24_Discovery(t *testing.T) {
	s := newOkta(t)
	types := s.want(200, "GET", "/ResourceTypes", "")
	for _, r := range types.at("Resources").([]any) {
		endpoint := at(r, "endpoint").(string)
		s.want(200, "GET", endpoint+"?count=1&startIndex=1", "")
	}
	s.want(200, "GET", "/Schemas", "")
	s.equal(s.want(200, "GET", "/Schemas/"+urnUser, ""), "id", urnUser)
	s.want(404, "GET", "/Entitlements?count=1&startIndex=1", "") // a workspace that has none
}

func TestO25_TooManyRequests(t *testing.T) {
	s := newOkta(t, func(c *ClientConfig) { c.Rate = 1 })
	for range 20 {
		a := s.send("GET", oktaLookup, "")
		if a.code != http.StatusTooManyRequests {
			continue
		}
		n, err := strconv.Atoi(a.header.Get("Retry-After"))
		if err != nil || n < 1 || n > 3 {
			t.Fatalf("Retry-After %q", a.header.Get("Retry-After"))
		}
		time.Sleep(time.Duration(n) * time.Second)
		s.want(200, "GET", oktaLookup, "") // it was told the truth
		return
	}
	t.Error("20 requests at once, and none was above 1 in a second")
}

// Okta waits for 60 s and then gives up until an administrator looks: a store that is gone is told
// at once, and the server's own limit comes first.
func TestO26_AnswersBeforeOktaGivesUp(t *testing.T) {
	s := newOkta(t)
	if writeTimeout > time.Minute {
		t.Errorf("an answer may take %s, longer than Okta waits", writeTimeout)
	}
	if err := s.core.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.want(503, "GET", oktaLookup, "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("503 after %s", took)
	}
}
