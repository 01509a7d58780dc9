package main

import (
	"strings"
	"testing"
)

// TestRestoreGivesNoAccess: whoever comes back from being deleted has neither password, sessions, tokens nor
// secrets, and nobody brings back who may do more than they.
func TestRestoreGivesNoAccess(t *testing.T) {
	onStores(t, func(t *testing.T, store string) {
		s := accountServer(t, store)
		boss := s.user("default", "boss", "admin")
		ada := s.user("default", "ada", "admin")
		own := &person{served: s, name: "ada's token", token: ada.want(201, "POST", "/api/v1/tokens", `{"name":"mine","scopes":["users:read"]}`).body["token"].(string)}
		ada.want(204, "PUT", "/api/v1/users/me/secrets/key", `{"value":"x"}`)
		s.want(204, "DELETE", "/scim/v2/Users/"+ada.id, "")
		ada.refusedSoon("deleted")
		weak := &person{served: s, name: "weak", token: s.secret("token", "create", "weak", "--scopes", "users:create,users:list,users:read")}
		weak.want(403, "POST", "/api/v1/deleted/User/"+ada.id+"/restore", "")
		boss.want(200, "POST", "/api/v1/deleted/User/"+ada.id+"/restore", "")
		for _, p := range []*person{ada, own} {
			if a := p.do("GET", "/scim/v2/ServiceProviderConfig", ""); a.code != 401 {
				t.Errorf("after a restoration %s = %d", p.name, a.code)
			}
		}
		if a := s.tryLogin("default", "ada", goodPassword, ""); a.code != 401 {
			t.Errorf("the old password = %d %s", a.code, a.text)
		}
		if list := s.want(200, "GET", "/api/v1/users/"+ada.id+"/secrets", ""); strings.Contains(list.text, "key") {
			t.Errorf("secrets = %s", list.text)
		}
		// They are an administrator again, who may be the last one.
		s.want(204, "POST", "/api/v1/password", `{"userId":"`+ada.id+`","new":"another fine password"}`)
		s.want(204, "DELETE", "/scim/v2/Users/"+boss.id, "")
		s.want(409, "DELETE", "/scim/v2/Users/"+ada.id, "")
		if a := s.tryLogin("default", "ada", "another fine password", ""); a.code != 200 {
			t.Errorf("a new password = %d %s", a.code, a.text)
		}
		for _, p := range []*person{ada, own} {
			if a := p.do("GET", "/scim/v2/ServiceProviderConfig", ""); a.code != 401 {
				t.Errorf("after a new password %s of before = %d", p.name, a.code)
			}
		}
	})
}

// TestSourceIsSetAtCreation: how somebody logs in is chosen as the account is made; then it is readOnly.
func TestSourceIsSetAtCreation(t *testing.T) {
	onStores(t, func(t *testing.T, store string) {
		s := accountServer(t, store)
		ada := s.makeUser("default", "ada", "")
		path := "/scim/v2/Users/" + ada.id
		for _, op := range []string{
			`{"op":"add","path":"` + urnAccount + `:source","value":"ldap"}`, `{"op":"replace","value":{"` + urnAccount + `":{"source":"sso"}}}`,
			`{"op":"replace","value":{"` + urnAccount + `:source":"ldap"}}`,
		} {
			if a := s.want(400, "PATCH", path, userPatch(op)); a.body["scimType"] != "mutability" {
				t.Errorf("PATCH %s = %s", op, a.text)
			}
		}
		s.want(200, "PATCH", path, userPatch(`{"op":"add","path":"`+urnAccount+`:source","value":"local"}`)) // as it is
		s.want(200, "PUT", path, `{"userName":"ada","`+urnAccount+`":{"source":"ldap","description":"D"}}`)  // left as it is
		if a := s.want(200, "GET", path, ""); a.body[urnAccount].(map[string]any)["source"] == "ldap" {
			t.Errorf("after a PUT: %s", a.text)
		}
		if a := s.tryLogin("default", "ada", goodPassword, ""); a.code != 200 {
			t.Errorf("login = %d %s", a.code, a.text)
		}
	})
}
