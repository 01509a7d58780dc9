package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
)

// spellings are the operations that would make a role out of a value, in every way that a PATCH may
// say it.
func spellings(role string) []string {
	var ops []string
	paths := []string{"roles", "Roles", "ROLES", scim.UserURN + ":roles", strings.ToUpper(scim.UserURN) + ":ROLES"}
	values := []string{
		fmt.Sprintf(`%q`, role), fmt.Sprintf(`{"value":%q}`, role), fmt.Sprintf(`[{"value":%q,"primary":true}]`, role), fmt.Sprintf(`[%q]`, role),
		fmt.Sprintf(`[{"value":"staff"},{"VALUE":%q}]`, role), fmt.Sprintf(`{"value":%q,"type":"x","display":"Staff"}`, role),
	}
	for _, op := range []string{"add", "Add", "replace", "REPLACE"} {
		for _, path := range paths {
			for _, value := range values {
				ops = append(ops, fmt.Sprintf(`{"op":%q,"path":%q,"value":%s}`, op, path, value), fmt.Sprintf(`{"op":%q,"value":{%q:%s}}`, op, path, value))
			}
			for _, part := range []string{".value", `[primary eq true].value`, `[value eq "staff"].value`, `[value pr].VALUE`, `[not (value eq "x")].value`} {
				ops = append(ops, fmt.Sprintf(`{"op":%q,"path":%q,"value":%q}`, op, path+part, role), fmt.Sprintf(`{"op":%q,"value":{%q:%q}}`, op, path+part, role))
			}
			ops = append(ops, fmt.Sprintf(`{"op":%q,"path":%q,"value":{"value":%q}}`, op, path+`[value eq "staff"]`, role))
		}
		ops = append(ops, fmt.Sprintf(`{"op":%q,"value":{%q:{"roles":[{"value":%q}]}}}`, op, scim.UserURN, role),
			fmt.Sprintf(`{"op":%q,"path":%q,"value":{"roles":[{"value":%q}]}}`, op, scim.UserURN, role))
	}
	return ops
}

// TestNobodyRaisesTheirRights has people who may do much try to do more, by every spelling of a role,
// of a group, of a token and of the settings. What counts is what they may do afterwards.
func TestNobodyRaisesTheirRights(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	boss := s.makeUser("default", "boss", "admin")
	s.want(200, "PATCH", "/api/v1/settings", `{"roles":[{"name":"member","permissions":["self:read","self:update"]},{"name":"guest","permissions":["self:read"]},
		{"name":"staff","permissions":["self:read","self:update","users:create","users:list","users:read","users:update","users:delete","groups:create","groups:read","groups:update","groups:delete","invitations:manage","settings:read"]},
		{"name":"assigner","permissions":["self:read","self:update","users:create","users:list","users:read","users:update","groups:create","groups:read","groups:update","roles:assign","settings:read","settings:manage","tokens:manage","sessions:impersonate"]},
		{"name":"admin","permissions":["users:create","users:list","users:read","users:update","users:delete","groups:create","groups:read","groups:update","groups:delete","self:read","self:update","roles:assign","ids:set","invitations:manage","sessions:manage","sessions:impersonate","secrets:read","secrets:write","credentials:list","leases:manage","tokens:manage","sync:run","sync:read","audit:read","settings:read","settings:manage"]}]}`)
	admins := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"admins","`+scim.AccountGroupURN+`":{"admin":true}}`).body["id"].(string)
	time.Sleep(600 * time.Millisecond) // settings are cached
	for _, role := range []string{"member", "staff", "assigner"} {
		t.Run(role, func(t *testing.T) {
			p := s.user("default", "a-"+role, role)
			before := s.may(p)
			puppet := func(body string) { // an account of another: nor may that one do more
				t.Helper()
				if a := p.do("POST", "/api/v1/users", body); a.code == 201 {
					made := &person{served: s, id: a.body["id"].(string), name: "of " + role}
					if s.more(s.may(made), before) {
						t.Errorf("POST /users %s makes an account that may do more than %s", body, role)
					}
				}
			}
			tries := 0
			try := func(method, path, body string) {
				t.Helper()
				tries++
				a := p.do(method, path, body)
				if a.code == 401 || a.code >= 500 {
					t.Fatalf("%s %s %s = %d %s", method, path, body, a.code, a.text)
				}
				switch after := s.may(p); {
				case s.more(after, before):
					t.Fatalf("%s %s %s = %d raises %s to %s", method, path, body, a.code, before, after)
				case after != before: // nobody is kept from becoming less
					s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"`+role+`"}]}`))
					p.login("default")
				}
			}
			bulk := func(method, path, data string) string {
				return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":%q,"path":%q,"bulkId":"b","data":%s}]}`, method, path, data)
			}
			own := "/Users/" + p.id
			for i, op := range spellings("admin") {
				if i%testserver.Rounds(5, 1) != 0 {
					continue
				}
				try("PATCH", "/scim/v2"+own, userPatch(op))
				try("PATCH", "/scim/v2/Me", userPatch(op))
				try("POST", "/scim/v2/Bulk", bulk("PATCH", own, userPatch(op)))
			}
			for _, roles := range []string{`"roles":[{"value":"admin"}]`, `"ROLES":[{"value":"admin"}]`, `"roles":[{"value":"` + role + `"}],"Roles":[{"value":"admin"}]`,
				`"roles":"admin"`, `"` + scim.UserURN + `:roles":[{"value":"admin"}]`, `"` + scim.UserURN + `":{"roles":[{"value":"admin"}]}`, `"groups":[{"value":"` + admins + `"}]`} {
				body := `{"userName":"` + p.name + `",` + roles + `}`
				try("PUT", "/scim/v2"+own, body)
				try("PUT", "/scim/v2/Me", body)
				try("POST", "/scim/v2/Bulk", bulk("PUT", own, body))
				puppet(`{"user":{"userName":"p` + fmt.Sprint(tries) + `",` + roles + `}}`)
			}
			group := "/Groups/" + admins
			member := `[{"value":"` + p.id + `"}]`
			for _, op := range []string{`{"op":"add","path":"members","value":` + member + `}`, `{"op":"Add","path":"Members","value":{"value":"` + p.id + `"}}`,
				`{"op":"add","value":{"members":` + member + `}}`, `{"op":"replace","path":"` + scim.GroupURN + `:members","value":` + member + `}`,
				`{"op":"replace","value":{"MEMBERS":` + member + `}}`} {
				try("PATCH", "/scim/v2"+group, userPatch(op))
				try("POST", "/scim/v2/Bulk", bulk("PATCH", group, userPatch(op)))
			}
			try("PUT", "/scim/v2"+group, `{"displayName":"admins","members":`+member+`}`)
			try("PUT", "/scim/v2"+group, `{"displayName":"admins","members":`+member+`,"`+scim.AccountGroupURN+`":{"admin":true}}`)
			try("PUT", "/api/v1/users/"+p.id+"/groups", `{"groups":["admins"]}`)
			try("PUT", "/api/v1/users/"+p.id+"/groups", `{"groups":["`+admins+`"]}`)
			puppet(`{"user":{"userName":"g` + role + `"},"groups":["admins"]}`)
			s.raiseByGroup(p, role, try)
			for _, patch := range []string{`{"roles":[{"name":"` + role + `","permissions":["audit:read","self:read"]},{"name":"admin","permissions":["self:read"]}]}`,
				`{"administratorRole":"` + role + `"}`, `{"guestRole":"admin","allowGuestLogin":true}`, `{"defaultGroups":["admins"]}`} {
				try("PATCH", "/api/v1/settings", patch)
			}
			try("PUT", "/api/v1/workspaces/default/members/"+p.id, `{"role":"admin"}`)
			s.raiseByCredentials(p, boss, try)
			t.Logf("%s: %d tries", role, tries)
		})
	}
}

// raiseByGroup has somebody make a group of their own one of administrators.
func (s *served) raiseByGroup(p *person, role string, try func(method, path, body string)) {
	name, member := "own of "+role, `[{"value":"`+p.id+`"}]`
	try("POST", "/scim/v2/Groups", `{"displayName":"direct `+role+`","members":`+member+`,"`+scim.AccountGroupURN+`":{"admin":true}}`)
	a := p.do("POST", "/scim/v2/Groups", `{"displayName":"`+name+`","members":`+member+`}`)
	if a.code != 201 {
		return
	}
	path := "/scim/v2/Groups/" + a.body["id"].(string)
	for _, op := range []string{
		`{"op":"add","path":"` + scim.AccountGroupURN + `:admin","value":true}`, `{"op":"Replace","path":"` + strings.ToUpper(scim.AccountGroupURN) + `:ADMIN","value":"True"}`,
		`{"op":"add","value":{"` + scim.AccountGroupURN + `":{"admin":true}}}`, `{"op":"add","value":{"` + scim.AccountGroupURN + `:admin":true}}`,
		`{"op":"replace","path":"` + scim.AccountGroupURN + `","value":{"Admin":true}}`, `{"op":"add","path":"admin","value":true}`,
	} {
		try("PATCH", path, userPatch(op))
	}
	try("PUT", path, `{"displayName":"`+name+`","`+scim.AccountGroupURN+`":{"admin":true}}`)
	try("PUT", path, `{"displayName":"admins2","`+scim.AccountGroupURN+`":{"ADMIN":true}}`)
}

// raiseByCredentials has somebody take over what a stronger account has, or make a token that may do
// more.
func (s *served) raiseByCredentials(p, boss *person, try func(method, path, body string)) {
	s.t.Helper()
	for _, c := range [][3]string{
		{"POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"taken over by them"}`, boss.id)},
		{"PATCH", "/scim/v2/Users/" + boss.id, userPatch(`{"op":"replace","path":"password","value":"taken over by them"}`)},
		{"PATCH", "/scim/v2/Users/" + boss.id, userPatch(`{"op":"replace","path":"emails","value":[{"value":"mine@example.org","primary":true}]}`)},
		{"PUT", "/scim/v2/Users/" + boss.id, `{"userName":"boss","password":"taken over by them"}`},
		{"POST", "/api/v1/impersonations", `{"userName":"boss"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","scopes":["audit:read"]}`},
		{"POST", "/api/v1/tokens", `{"name":"x","scopes":["users:read"],"maxRole":"admin"}`},
		{"POST", "/api/v1/tokens", `{"name":"x","scopes":["workspaces:manage"],"workspace":""}`},
		{"POST", "/api/v1/workspaces", `{"name":"mine"}`},
	} {
		try(c[0], c[1], c[2])
		if a := p.do(c[0], c[1], c[2]); a.code != 403 && a.code != 404 {
			s.t.Errorf("%s: %s %s %s = %d %s, want a refusal", p.name, c[0], c[1], c[2], a.code, a.text)
		}
	}
	if a := s.tryLogin("", "boss", goodPassword, ""); a.code != 200 {
		s.t.Errorf("the administrator's password was changed: %d %s", a.code, a.text)
	}
}

// may is what somebody may do, as the operator sees it.
func (s *served) may(p *person) string {
	s.t.Helper()
	var list []string
	for _, v := range s.want(200, "GET", "/api/v1/authorization?user="+p.id, "").body["permissions"].([]any) {
		if row := v.(map[string]any); row["allowed"] == true {
			list = append(list, row["permission"].(string))
		}
	}
	return strings.Join(list, " ")
}

// more tells whether a holds a permission that b does not.
func (s *served) more(a, b string) bool {
	for _, p := range strings.Fields(a) {
		if !strings.Contains(" "+b+" ", " "+p+" ") {
			return true
		}
	}
	return false
}
