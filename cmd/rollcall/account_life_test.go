package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestA05_CreateListFindUpdateDelete(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "pysyft")
		eng := s.want(201, "POST", "/w/lab/scim/v2/Groups", `{"displayName":"Engineering"}`).body["id"].(string)
		const at = "/api/v1/users?workspace=lab"
		// Where the preset says so, the e-mail is the user name.
		a := s.want(201, "POST", at, `{"user":{"displayName":"Ada","emails":[{"value":"ada@example.com","primary":true}],"password":"`+goodPassword+`"},"groups":["Engineering"]}`)
		id := a.body["id"].(string)
		groups, _ := a.body["groups"].([]any)
		if a.body["userName"] != "ada@example.com" || len(groups) != 1 || strings.Contains(a.text, goodPassword) || !strings.Contains(a.text, `"DATA_SCIENTIST"`) {
			t.Errorf("created = %s", a.text)
		}
		for what, body := range map[string]string{
			"no name": `{"user":{"emails":[{"value":"x@example.com"}],"password":"` + goodPassword + `"}}`, "no e-mail": `{"user":{"userName":"x","displayName":"X","password":"` + goodPassword + `"}}`,
			"no password": `{"user":{"displayName":"X","emails":[{"value":"x@example.com"}]}}`, "no user": `{}`,
			"no such group": `{"user":{"userName":"x","displayName":"X","emails":[{"value":"x@example.com"}],"password":"` + goodPassword + `"},"groups":["Nobody"]}`,
			"no UUID":       `{"user":{"userName":"x","displayName":"X","emails":[{"value":"x@example.com"}],"password":"` + goodPassword + `"},"id":"7"}`,
		} {
			if a := s.do("POST", at, body); a.code != 400 {
				t.Errorf("%s: %d %s, want 400", what, a.code, a.text)
			}
		}
		// Ids may be supplied, by those with ids:set; one that is taken is 409.
		const uuid = "0190a7b2-0000-7000-8000-00000000abcd"
		bob := `{"user":{"userName":"bob","displayName":"Bob","emails":[{"value":"bob@example.com"}],"password":"` + goodPassword + `"},"id":"` + uuid + `"}`
		if a := s.want(201, "POST", at, bob); a.body["id"] != uuid {
			t.Errorf("id = %v, want %s", a.body["id"], uuid)
		}
		s.want(409, "POST", at, strings.Replace(bob, `"bob"`, `"bobby"`, 1))
		admin := s.user("lab", "boss", "ADMIN")
		admin.want(409, "POST", at, strings.Replace(bob, `"bob"`, `"bobby"`, 1))
		home := s.makeUser("default", "home", "").id
		elsewhere := strings.NewReplacer(`"bob"`, `"home"`, uuid, home).Replace(bob)
		admin.want(403, "POST", at, elsewhere)
		s.want(201, "POST", at, elsewhere)
		maker := &person{served: s, name: "maker", token: s.secret("token", "create", "maker", "--workspace", "lab", "--scopes", "users:create")}
		maker.want(403, "POST", at, strings.Replace(bob, uuid, "0190a7b2-0000-7000-8000-00000000abce", 1))
		maker.want(403, "POST", at, `{"user":{"userName":"x","displayName":"X","emails":[{"value":"x@example.com"}],"password":"`+goodPassword+`"},"groups":["Engineering"]}`)

		// Partial update changes only what is given; groups are replaced wholesale.
		path := "/w/lab/scim/v2/Users/" + id
		s.want(200, "PATCH", path, userPatch(`{"op":"replace","path":"title","value":"Countess"}`))
		if a := s.want(200, "GET", path, ""); a.body["title"] != "Countess" || a.body["displayName"] != "Ada" {
			t.Errorf("after a PATCH: %s", a.text)
		}
		s.want(201, "POST", "/w/lab/scim/v2/Groups", `{"displayName":"Analysts"}`)
		a = s.want(200, "PUT", "/api/v1/users/"+id+"/groups?workspace=lab", `{"groups":["Analysts"]}`)
		if groups, _ = a.body["groups"].([]any); len(groups) != 1 || groups[0].(map[string]any)["display"] != "Analysts" {
			t.Errorf("groups = %s", a.text)
		}
		s.want(200, "PUT", "/api/v1/users/"+id+"/groups?workspace=lab", `{"groups":["`+eng+`","Analysts"]}`)
		s.want(400, "PUT", "/api/v1/users/"+id+"/groups?workspace=lab", `{}`)
		admin.want(200, "GET", "/w/lab/scim/v2/Users?filter=userName+eq+%22bob%22", "")
		// Any account but their own.
		admin.want(403, "DELETE", "/scim/v2/Users/"+admin.id, "")
		admin.want(204, "DELETE", "/scim/v2/Users/"+id, "")

		code, out, errs := s.program(testToken, goodPassword+"\n", "user", "create", "eve", "--workspace", "lab", "--name", "Eve", "--email", "eve@example.com", "--password", "--group", "Analysts")
		if code != exitDone {
			t.Fatalf("rollcall user create = %d %s", code, errs)
		}
		for _, args := range [][]string{{"user", "groups", "eve", "Engineering"}, {"user", "update", "eve", "title=Countess", "phoneNumbers=[{\"value\":\"+44 1\"}]"}, {"user", "show", "eve"}, {"user", "list"}, {"user", "delete", "eve"}} {
			if code, _, errs := s.cli(append(args, "--workspace", "lab")...); code != exitDone {
				t.Errorf("rollcall %v = %d %s", args, code, errs)
			}
		}
		s.want(404, "GET", "/w/lab/scim/v2/Users/"+strings.TrimSpace(out), "")
	})
}

func TestA12_PreferencesAndProperties(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, boss := s.user("default", "ada", ""), s.user("default", "boss", "admin")
		set := func(p *person, path, name, value string) answer {
			return p.do("PATCH", path, userPatch(fmt.Sprintf(`{"op":"replace","path":"%s:%s","value":%s}`, urnAccount, name, value)))
		}
		pair := `[{"name":"dailyDigestEmails","value":"true"}]`
		for _, c := range []struct {
			who  *person
			path string
			name string
			code int
		}{
			{ada, "/scim/v2/Me", "preferences", 200}, {ada, "/scim/v2/Me", "properties", 200}, {ada, "/scim/v2/Me", "adminProperties", 403},
			{ada, "/scim/v2/Users/" + ada.id, "adminProperties", 403}, {ada, "/scim/v2/Users/" + boss.id, "properties", 403},
			{boss, "/scim/v2/Users/" + ada.id, "preferences", 200}, {boss, "/scim/v2/Users/" + ada.id, "properties", 200}, {boss, "/scim/v2/Users/" + ada.id, "adminProperties", 200},
		} {
			if a := set(c.who, c.path, c.name, pair); a.code != c.code || c.code == 403 && !strings.Contains(a.text, c.name) && c.who == ada && strings.Contains(c.path, ada.id) {
				t.Errorf("%s sets %s of %s = %d %s, want %d", c.who.name, c.name, c.path, a.code, a.text, c.code)
			}
		}
		if a := set(ada, "/scim/v2/Me", "preferences", `[{"name":"discussionEmails","value":"perhaps"}]`); a.code != 400 {
			t.Errorf("a known preference that is neither true nor false = %d %s", a.code, a.text)
		}
		if a := set(ada, "/scim/v2/Me", "preferences", `[{"name":"colour","value":"perhaps"}]`); a.code != 200 {
			t.Errorf("another preference = %d %s", a.code, a.text)
		}
		for _, c := range []struct {
			token, name, value string
			code               int
		}{
			{ada.token, "me", "properties=[{\"name\":\"a\",\"value\":\"b\"}]", exitDone}, {ada.token, "me", "notificationsEnabled=false", exitDone},
			{ada.token, "me", "preferences=", exitDone}, {ada.token, "me", "adminProperties=[{\"name\":\"a\",\"value\":\"b\"}]", exitFailed},
			{boss.token, "ada", "adminProperties=[{\"name\":\"a\",\"value\":\"b\"}]", exitDone}, {ada.token, "me", "properties", exitUsage},
		} {
			if code, _, errs := s.program(c.token, "", "user", "update", c.name, c.value); code != c.code {
				t.Errorf("rollcall user update %s %s = %d %s, want %d", c.name, c.value, code, errs, c.code)
			}
		}
		ext := ada.want(200, "GET", "/scim/v2/Me", "").body[urnAccount].(map[string]any)
		if ext["preferences"] != nil || ext["notificationsEnabled"] != false || len(ext["properties"].([]any)) != 1 {
			t.Errorf("after rollcall user update: %v", ext)
		}
	})
}

func TestA16_Groups(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.makeUser("default", "ada", "")
		const ext = "urn:rollcall:params:scim:schemas:extension:account:2.0:Group"
		a := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Staff","members":[{"value":"`+ada.id+`"}],"`+ext+`":{"description":"All of us"}}`)
		path := "/scim/v2/Groups/" + a.body["id"].(string)
		s.want(409, "POST", "/scim/v2/Groups", `{"displayName":"staff"}`)
		a = s.want(200, "PUT", path, `{"displayName":"Crew","`+ext+`":{"description":"On board","admin":true}}`)
		if members, _ := a.body["members"].([]any); len(members) != 1 || a.body["displayName"] != "Crew" {
			t.Errorf("a PUT without members = %s", a.text)
		}
		// The members of an admin group are administrators, and nobody without the right makes them so.
		ada.login("default").want(200, "GET", "/scim/v2/Users", "")
		okta := &person{served: s, name: "okta", token: s.secret("token", "create", "okta", "--client", "okta")}
		bob := s.makeUser("default", "bob", "")
		okta.want(403, "PATCH", path, userPatch(`{"op":"add","path":"members","value":[{"value":"`+bob.id+`"}]}`))
		okta.want(403, "PUT", path, `{"displayName":"Crew","members":[{"value":"`+bob.id+`"}]}`)
		okta.want(403, "PATCH", path, userPatch(`{"op":"replace","path":"`+ext+`:admin","value":false}`))
		okta.want(403, "DELETE", path, "")
		okta.want(403, "POST", "/scim/v2/Groups", `{"displayName":"Mine","`+ext+`":{"admin":true}}`)
		if a := okta.want(200, "PUT", path, `{"displayName":"Crew of all"}`); !strings.Contains(a.text, `"admin":true`) {
			t.Errorf("a PUT that does not mention admin = %s", a.text)
		}
		trusted := &person{served: s, name: "entra", token: s.secret("token", "create", "entra", "--client", "entra", "--max-role", "admin")}
		trusted.want(204, "PATCH", path, userPatch(`{"op":"add","path":"members","value":[{"value":"`+bob.id+`"}]}`))
		// The last of them stays.
		trusted.want(204, "PATCH", path, userPatch(`{"op":"remove","path":"members[value eq \"`+ada.id+`\"]"}`))
		for _, c := range [][3]string{
			{"PATCH", path, userPatch(`{"op":"remove","path":"members"}`)}, {"PATCH", path, userPatch(`{"op":"replace","path":"` + ext + `:admin","value":false}`)},
			{"DELETE", path, ""}, {"PUT", path, `{"displayName":"Crew","members":[],"` + ext + `":{"admin":true}}`},
			{"PATCH", "/scim/v2/Users/" + bob.id, userPatch(`{"op":"replace","path":"active","value":false}`)}, {"DELETE", "/scim/v2/Users/" + bob.id, ""},
		} {
			if a := s.do(c[0], c[1], c[2]); a.code != 409 {
				t.Errorf("%s %s %s takes the last administrator away: %d %s, want 409", c[0], c[1], c[2], a.code, a.text)
			}
		}
		for _, args := range [][]string{
			{"group", "create", "Readers", "--description", "They read"}, {"group", "update", "Readers", "--description", "They still read", "--ldap-group", "readers"},
			{"group", "add", "Readers", "ada"}, {"group", "remove", "Readers", "ada"}, {"group", "list"}, {"group", "show", "Readers"}, {"group", "delete", "Readers"},
		} {
			if code, _, errs := s.cli(args...); code != exitDone {
				t.Errorf("rollcall %v = %d %s", args, code, errs)
			}
		}
	})
}

func TestA17_WhoMayDoWhat(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, boss := s.user("default", "ada", ""), s.user("default", "boss", "admin")
		const ext = "urn:rollcall:params:scim:schemas:extension:account:2.0:Group"
		s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Root","members":[{"value":"`+ada.id+`"}],"`+ext+`":{"admin":true,"ldapGroupNames":["domain admins"]}}`)
		a := s.want(200, "GET", "/api/v1/authorization?user=ada&permission=users:delete", "")
		if because := a.body["because"].([]any); a.body["allowed"] != true || fmt.Sprint(because) != `[map[group:Root ldapGroup:[domain admins] role:admin]]` {
			t.Errorf("why = %s", a.text)
		}
		a = s.want(200, "GET", "/api/v1/authorization?user="+boss.id+"&permission=workspaces:manage", "")
		if a.body["allowed"] != false {
			t.Errorf("why not = %s", a.text)
		}
		s.want(400, "GET", "/api/v1/authorization?user=ada&permission=nothing", "")
		s.want(404, "GET", "/api/v1/authorization?user=nobody&permission=users:read", "")
		bob := s.user("default", "bob", "")
		bob.want(403, "GET", "/api/v1/authorization", "")
		bob.want(403, "GET", "/api/v1/authorization?user="+boss.id, "")
		bob.want(200, "GET", "/api/v1/authorization?user="+bob.id, "")
		m := boss.want(200, "GET", "/api/v1/authorization", "")
		if users := m.body["users"].([]any); len(users) != 3 || len(m.body["groups"].([]any)) != 1 {
			t.Errorf("matrix = %s", m.text)
		}
		if code, out, errs := s.cli("user", "why", "ada", "users:delete"); code != exitDone || !strings.Contains(out, "role admin ← group Root ← LDAP group domain admins") {
			t.Errorf("rollcall user why = %d %s%s", code, out, errs)
		}
		if code, out, errs := s.cli("user", "matrix"); code != exitDone || !strings.Contains(out, "Root") {
			t.Errorf("rollcall user matrix = %d %s%s", code, out, errs)
		}
	})
}

func TestA20_DisableAndEnable(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.user("default", "ada", "")
		s.makeUser("default", "boss", "admin")
		s.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"admin"}]}`))
		ada.login("default")
		own := &person{served: s, name: "ada's token", token: ada.want(201, "POST", "/api/v1/tokens", `{"name":"mine","scopes":["users:read","self:read"]}`).body["token"].(string)}
		own.want(200, "GET", "/scim/v2/Me", "")
		before := s.want(200, "GET", "/api/v1/changes?after=0", "").text
		if code, _, errs := s.cli("user", "disable", "ada"); code != exitDone {
			t.Fatalf("rollcall user disable = %d %s", code, errs)
		}
		ada.refusedSoon("disabled")
		own.refusedSoon("disabled")
		if a := s.tryLogin("", "ada", goodPassword, "192.0.2.9"); a.code != 401 {
			t.Errorf("login of somebody disabled = %d", a.code)
		}
		if after := s.want(200, "GET", "/api/v1/changes?after=0", "").text; strings.Count(after, "inactive") <= strings.Count(before, "inactive") {
			t.Errorf("the feed does not tell: %s", after)
		}
		// Enabling brings tokens back, not sessions.
		if code, _, errs := s.cli("user", "enable", "ada"); code != exitDone {
			t.Fatalf("rollcall user enable = %d %s", code, errs)
		}
		own.want(200, "GET", "/scim/v2/Me", "")
		ada.want(401, "GET", "/scim/v2/Me", "")
	})
}

func TestA21_ChangeOfRole(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "accsyn")
		s.makeUser("lab", "boss@example.com", "administrator")
		eve := &person{served: s, name: "eve@example.com"}
		eve.id = s.want(201, "POST", "/w/lab/scim/v2/Users", `{"userName":"eve@example.com","password":"`+goodPassword+`","roles":[{"value":"administrator"}],"entitlements":[{"value":"v1:rw","type":"volume"}]}`).body["id"].(string)
		s.want(400, "POST", "/w/lab/scim/v2/Users", `{"userName":"no-address"}`)
		g := s.want(201, "POST", "/w/lab/scim/v2/Groups", `{"displayName":"G","members":[{"value":"`+eve.id+`"}]}`).body["id"].(string)
		eve.login("lab")
		own := &person{served: s, name: "eve's token", token: eve.want(201, "POST", "/api/v1/tokens", `{"name":"mine","scopes":["users:read"]}`).body["token"].(string)}
		helper := &person{served: s, name: "helper", token: s.secret("token", "create", "helper", "--workspace", "lab", "--scopes", "users:update,users:read,users:list")}
		role := func(name string) string {
			return userPatch(`{"op":"replace","path":"roles","value":[{"value":"` + name + `","primary":true}]}`)
		}
		helper.want(403, "PATCH", "/scim/v2/Users/"+eve.id, role("employee"))
		if code, _, errs := s.cli("user", "role", "eve@example.com", "employee", "--workspace", "lab"); code != exitDone {
			t.Fatalf("rollcall user role = %d %s", code, errs)
		}
		eve.refusedSoon("another role")
		own.refusedSoon("another role")
		a := s.want(200, "GET", "/w/lab/scim/v2/Users/"+eve.id, "")
		if a.body["entitlements"] != nil || a.body["groups"] != nil {
			t.Errorf("after a change of role: %s", a.text)
		}
		s.want(200, "GET", "/w/lab/scim/v2/Groups/"+g, "")
		// A25: by role, in the API and on the command line.
		if code, out, errs := s.cli("user", "list", "--workspace", "lab", "--filter", `roles.value eq "employee"`); code != exitDone || !strings.Contains(out, "eve@example.com") || strings.Contains(out, "boss") {
			t.Errorf("rollcall user list --filter = %d %s%s", code, out, errs)
		}
	})
}

func TestA22_Deactivate(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.user("default", "ada", "")
		s.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"add","path":"entitlements","value":[{"value":"v1:rw","type":"volume"}]}`))
		path := "/api/v1/users/" + ada.id
		lease := s.want(201, "POST", path+"/leases", `{"application":"render","reason":"frame 17","ttlSeconds":600}`).body["id"].(string)
		s.want(200, "PUT", path+"/leases/"+lease, `{"ttlSeconds":700}`)
		s.want(400, "POST", path+"/leases", `{"application":"render","ttlSeconds":0}`)
		a := s.want(409, "POST", path+"/deactivate", "")
		if a.body["type"] != "urn:rollcall:problem:leased" || !strings.Contains(a.text, lease) {
			t.Errorf("deactivate while leased = %s", a.text)
		}
		s.want(204, "DELETE", path+"/leases/"+lease, "")
		s.want(404, "PUT", path+"/leases/"+lease, "")
		off := s.want(200, "POST", path+"/deactivate", "")
		ext := off.body[urnAccount].(map[string]any)
		if off.body["active"] != false || ext["inactive"] != true || off.body["entitlements"] != nil {
			t.Errorf("deactivated = %s", off.text)
		}
		ada.refusedSoon("deactivated")
		s.want(404, "GET", "/scim/v2/Users/"+ada.id, "")
		s.want(404, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"active","value":true}`))
		s.want(404, "POST", path+"/leases", `{"application":"render","ttlSeconds":10}`)
		for query, want := range map[string]int{"": 0, `?filter=userName+eq+%22ada%22`: 0, `?filter=` + urnAccount + `:inactive+eq+true`: 1, `?filter=userName+sw+%22a%22+and+` + urnAccount + `:inactive+eq+true`: 1} {
			if n := s.total("/scim/v2/Users" + query); n != want {
				t.Errorf("%d users of %q, want %d", n, query, want)
			}
		}
		s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"seen at the root"}`)
		if n := s.total("/scim/v2/?filter=meta.created+pr"); n != 1 {
			t.Errorf("%d resources at the root, want the group alone", n)
		}
		s.want(409, "POST", "/scim/v2/Users", `{"userName":"ada"}`)
		back := s.want(200, "POST", "/api/v1/activate", `{"userName":"ada"}`)
		if back.body["id"] != ada.id || back.body["active"] != true || back.body["entitlements"] == nil {
			t.Errorf("activated = %s", back.text)
		}
		s.want(200, "GET", "/scim/v2/Users/"+ada.id, "")
		ada.want(401, "GET", "/scim/v2/Me", "")
		ada.login("default")
		s.want(400, "POST", path+"/activate", "")

		for _, args := range [][]string{{"lease", "take", "ada", "--application", "render"}, {"lease", "list", "ada"}} {
			if code, _, errs := s.cli(args...); code != exitDone {
				t.Errorf("rollcall %v = %d %s", args, code, errs)
			}
		}
		if code, _, errs := s.cli("user", "deactivate", "ada"); code != exitFailed || !strings.Contains(errs, "render") {
			t.Errorf("rollcall user deactivate while leased = %d %s", code, errs)
		}
		_, out, _ := s.cli("lease", "list", "ada", "-o", "json")
		id := strings.Split(strings.SplitN(out, `"id": "`, 2)[1], `"`)[0]
		for _, args := range [][]string{{"lease", "renew", "ada", id}, {"lease", "release", "ada", id}, {"user", "deactivate", "ada"}, {"user", "activate", "ada"}} {
			if code, _, errs := s.cli(args...); code != exitDone {
				t.Errorf("rollcall %v = %d %s", args, code, errs)
			}
		}

		// A provider's POST over what it deactivated brings it back (design.md §4.15).
		okta := &person{served: s, name: "okta", token: s.secret("token", "create", "okta", "--client", "okta")}
		kid := okta.want(201, "POST", "/scim/v2/Users", `{"userName":"kid","externalId":"k1"}`).body["id"].(string)
		s.want(200, "POST", "/api/v1/users/"+kid+"/deactivate", "")
		if a := okta.want(201, "POST", "/scim/v2/Users", `{"userName":"kid","externalId":"k1"}`); a.body["id"] != kid || strings.Contains(a.text, "inactive") {
			t.Errorf("a POST over a deactivated account = %s", a.text)
		}
		okta.want(200, "GET", "/scim/v2/Users/"+kid, "")
	})
}
