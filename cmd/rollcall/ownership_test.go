package main

import (
	"fmt"
	"testing"

	"rollcall/internal/testserver"
)

// TestOwnership is SCIM and LDAP on the same person (design.md §4.9).
func TestOwnership(t *testing.T) {
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(20)})
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, `clients:
  okta: {}
ownership:
  userName: corp
  "name.familyName": corp
  displayName: okta
  "Group:members": corp
`))
	runCorp := func() {
		t.Helper()
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
			t.Fatalf("sync run = %d\n%s%s", code, out, errs)
		}
	}
	runCorp()
	_, okta, _ := s.cli("token", "create", "okta", "--client", "okta")
	find := func() map[string]any {
		t.Helper()
		return s.want(200, "GET", `/scim/v2/Users?filter=userName+eq+"user0003"`, "").body["Resources"].([]any)[0].(map[string]any)
	}
	user := find()
	path := "/scim/v2/Users/" + user["id"].(string)
	patch := func(auth, attribute, value string) answer {
		t.Helper()
		return s.as(auth, "PATCH", path, fmt.Sprintf(
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":%q,"value":%q}]}`, attribute, value))
	}
	asOkta := "Bearer " + okta[:len(okta)-1]
	for i, tt := range []struct {
		auth, attribute string
		code            int
	}{
		{asOkta, "displayName", 200}, {asOkta, "userName", 400}, {asOkta, "name.familyName", 400}, {asOkta, "name.givenName", 200},
		{"Bearer " + testToken, "displayName", 400}, {"Bearer " + testToken, "title", 200},
	} {
		a := patch(tt.auth, tt.attribute, "Changed to "+fmt.Sprint(i))
		if a.code != tt.code || tt.code == 400 && a.body["scimType"] != "mutability" {
			t.Errorf("PATCH %s = %d %s, want %d", tt.attribute, a.code, a.text, tt.code)
		}
	}

	// A PUT goes through, and leaves what belongs to others as it is.
	put := s.as(asOkta, "PUT", path, `{"userName":"stolen","displayName":"By Okta","name":{"familyName":"Stolen","givenName":"Given"}}`)
	name, _ := put.body["name"].(map[string]any)
	if put.code != 200 || put.body["userName"] != "user0003" || put.body["displayName"] != "By Okta" || name["familyName"] != "0003" || name["givenName"] != "Given" {
		t.Errorf("PUT = %d %s", put.code, put.text)
	}

	// The directory's own changes come through, but for what belongs to Okta.
	rename(t, ldap, "uid=user0003,ou=people,dc=example,dc=org", "uid=user0003b")
	runCorp()
	after := s.want(200, "GET", path, "").body
	if after["userName"] != "user0003b" || after["displayName"] != "By Okta" {
		t.Errorf("after a run: %v", after)
	}

	group := s.want(200, "GET", `/scim/v2/Groups?filter=displayName+eq+"all"&excludedAttributes=members`, "").body["Resources"].([]any)[0].(map[string]any)
	gone := s.do("PATCH", "/scim/v2/Groups/"+group["id"].(string),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"members"}]}`)
	if gone.code != 400 || gone.body["scimType"] != "mutability" {
		t.Errorf("members of the directory's group removed: %d %s", gone.code, gone.text)
	}

	// What nobody is named for: the last one wins. A run looks again at what has changed in the directory.
	if a := patch(asOkta, "emails[type eq \"work\"].value", "okta@example.org"); a.code != 200 {
		t.Fatalf("PATCH of an e-mail address = %d %s", a.code, a.text)
	}
	mail := func() any {
		t.Helper()
		list, _ := s.want(200, "GET", path, "").body["emails"].([]any)
		if len(list) == 0 {
			return nil
		}
		return list[0].(map[string]any)["value"]
	}
	if runCorp(); mail() != "okta@example.org" {
		t.Errorf("after a run in which the entry is as it was: %v", mail())
	}
	rename(t, ldap, "uid=user0003b,ou=people,dc=example,dc=org", "uid=user0003c")
	if runCorp(); mail() != "user0003@example.org" {
		t.Errorf("after a run in which the entry has changed: %v", mail())
	}

	// Who owns what is shown to those who ask.
	const account = "urn:rollcall:params:scim:schemas:extension:account:2.0:User"
	shown := s.want(200, "GET", path+"?attributes="+account+":owner,"+account+":authority", "").body
	ext, _ := shown[account].(map[string]any)
	authority, _ := ext["authority"].([]any)
	if ext["owner"] != "source:corp" || len(authority) != 3 {
		t.Errorf("owner and authority on request: %v", shown)
	}
	unasked, _ := s.want(200, "GET", path, "").body[account].(map[string]any)
	if unasked["owner"] != nil || unasked["authority"] != nil {
		t.Errorf("ownership is shown unasked: %v", unasked)
	}
	if n := s.total(`/scim/v2/Users?count=0&filter=` + account + `:owner+eq+"source:corp"`); n != 20 {
		t.Errorf("%d users of the owner source:corp, want 20", n)
	}
}
