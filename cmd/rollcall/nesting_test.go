package main

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// groupKinds are the groups that an answer shows, by name, with the type of each.
func groupKinds(a answer) map[string]string {
	kinds := map[string]string{}
	groups, _ := a.body["groups"].([]any)
	for _, g := range groups {
		m := g.(map[string]any)
		kinds[fmt.Sprint(m["display"])] += fmt.Sprint(m["type"])
	}
	return kinds
}

// TestGroupsWithinGroups goes through HTTP, on two replicas of each store: what one changes, the other
// shows.
func TestGroupsWithinGroups(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		one := accountServer(t, url)
		other := one
		if strings.HasPrefix(url, "redis") {
			other = accountServer(t, url)
		}
		ada := one.makeUser("default", "ada", "")
		ada.login("default")
		group := func(name string, members ...string) string {
			var list []string
			for _, m := range members {
				list = append(list, fmt.Sprintf(`{"value":%q}`, m))
			}
			return one.want(201, "POST", "/scim/v2/Groups", fmt.Sprintf(`{"displayName":%q,"members":[%s]}`, name, strings.Join(list, ","))).body["id"].(string)
		}
		team := group("Team", ada.id)
		dept := group("Dept", team)
		all := group("All", dept)
		tag, version := "", ""
		check := func(what string, want map[string]string, in ...string) {
			t.Helper()
			a := other.want(200, "GET", "/scim/v2/Users/"+ada.id, "")
			if got := groupKinds(a); !maps.Equal(got, want) {
				t.Errorf("%s: groups = %v, want %v", what, got, want)
			}
			if now := a.header.Get("ETag"); now == tag {
				t.Errorf("%s: the entity tag %s stays", what, now)
			} else {
				tag = now
			}
			if now, _, _ := strings.Cut(tag, "-"); version != "" && now != version {
				t.Errorf("%s: the version of the user %s becomes %s", what, version, now)
			} else {
				version = now
			}
			list := other.want(200, "GET", "/scim/v2/Users?filter=userName+eq+%22ada%22+or+userName+eq+%22none%22", "").body["Resources"].([]any)[0].(map[string]any)
			api := (&person{served: other, token: ada.token}).want(200, "GET", "/scim/v2/Me", "")
			for from, got := range map[string]map[string]string{"list": groupKinds(answer{body: list}), "Me": groupKinds(api)} {
				if !maps.Equal(got, want) {
					t.Errorf("%s: groups by %s = %v, want %v", what, from, got, want)
				}
			}
			for name, id := range map[string]string{"Team": team, "Dept": dept, "All": all} {
				total := other.total(`/scim/v2/Users?filter=` + queryOf(`groups.value eq "`+id+`"`))
				if want := slices.Contains(in, name); total == 1 != want {
					t.Errorf("%s: within %s are %d, want %v", what, name, total, want)
				}
			}
		}
		patch := func(id, op string) { one.want(200, "PATCH", "/scim/v2/Groups/"+id+"?attributes=id", userPatch(op)) }
		check("a chain", map[string]string{"Team": "direct", "Dept": "indirect", "All": "indirect"}, "Team", "Dept", "All")
		if n := other.total(`/scim/v2/Users?filter=` + queryOf(`groups[value eq "`+all+`" and type eq "direct"]`)); n != 0 {
			t.Errorf("directly in All are %d", n)
		}
		plan := other.want(200, "GET", "/api/v1/explain?filter="+queryOf(`groups[value eq "`+all+`" and type eq "indirect"]`), "").body["plans"].([]any)[0].(map[string]any)
		if plan["by"] != "index" || plan["filter"] != "edges groups indirect" || plan["matches"] != 1.0 {
			t.Errorf("explain = %v", plan)
		}
		patch(all, `{"op":"replace","path":"displayName","value":"Everybody"}`)
		check("renamed", map[string]string{"Team": "direct", "Dept": "indirect", "Everybody": "indirect"}, "Team", "Dept", "All")
		patch(all, `{"op":"add","path":"members","value":[{"value":"`+ada.id+`"}]}`)
		check("direct too", map[string]string{"Team": "direct", "Dept": "indirect", "Everybody": "direct"}, "Team", "Dept", "All")
		patch(all, `{"op":"remove","path":"members[value eq \"`+ada.id+`\"]"}`)
		patch(team, `{"op":"add","path":"members","value":[{"value":"`+all+`"}]}`)
		one.want(204, "DELETE", "/scim/v2/Groups/"+dept, "")
		check("the middle is deleted", map[string]string{"Team": "direct"}, "Team")
		a := one.want(200, "GET", "/api/v1/changes?after=0&limit=1000", "")
		changes := a.body["changes"].([]any)
		if last := changes[len(changes)-1].(map[string]any); last["op"] != "delete" || !strings.Contains(fmt.Sprint(last["groups"]), all) {
			t.Errorf("the change that deletes a group = %v, want the group that lost it named", last)
		}
	})
}

// TestAdministratorsByNesting: who is in a group within an admin group is an administrator, which nobody
// makes without the right, and the last of whom stays.
func TestAdministratorsByNesting(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, bob := s.makeUser("default", "ada", ""), s.makeUser("default", "bob", "")
		const ext = "urn:rollcall:params:scim:schemas:extension:account:2.0:Group"
		team := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Team","members":[{"value":"`+ada.id+`"}],"`+ext+`":{"ldapGroupNames":["ops"]}}`).body["id"].(string)
		dept := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Dept","members":[{"value":"`+team+`"}]}`).body["id"].(string)
		ada.login("default").want(403, "GET", "/scim/v2/Users", "")
		root := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Root","members":[{"value":"`+dept+`"}],"`+ext+`":{"admin":true}}`).body["id"].(string)
		ada.login("default")
		for deadline := time.Now().Add(10 * time.Second); ada.do("GET", "/scim/v2/Users", "").code != 200; { // a replica may know it from half a second ago
			if time.Now().After(deadline) {
				t.Fatal("whoever is in a group within an admin group does not become an administrator")
			}
			time.Sleep(20 * time.Millisecond)
		}
		a := s.want(200, "GET", "/api/v1/authorization?user=ada&permission=users:delete", "")
		if because := fmt.Sprint(a.body["because"]); because != `[map[group:Root ldapGroup:[ops] role:admin through:[Team Dept]]]` {
			t.Errorf("why = %s", a.text)
		}
		if code, out, errs := s.cli("user", "why", "ada", "users:delete"); code != exitDone || !strings.Contains(out, "role admin ← group Root ← group Dept ← group Team ← LDAP group ops") {
			t.Errorf("rollcall user why = %d %s%s", code, out, errs)
		}
		if m := s.want(200, "GET", "/api/v1/authorization", ""); len(m.body["groups"].([]any)) != 3 {
			t.Errorf("matrix = %s", m.text)
		}
		okta := &person{served: s, name: "okta", token: s.secret("token", "create", "okta", "--client", "okta")}
		member := func(op, group, id string) [3]string {
			value := `,"value":[{"value":"` + id + `"}]`
			path := `members`
			if op == "remove" {
				path, value = `members[value eq \"`+id+`\"]`, ""
			}
			return [3]string{"PATCH", "/scim/v2/Groups/" + group, userPatch(`{"op":"` + op + `","path":"` + path + `"` + value + `}`)}
		}
		mine := okta.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Mine","members":[{"value":"`+bob.id+`"}]}`).body["id"].(string)
		for _, c := range [][2]string{{team, bob.id}, {dept, bob.id}, {dept, mine}, {root, mine}} {
			add := member("add", c[0], c[1])
			okta.want(403, add[0], add[1], add[2])
		}
		okta.want(403, "DELETE", "/scim/v2/Groups/"+team, "")
		s.want(400, "PATCH", "/api/v1/settings", `{"defaultGroups":["Team"]}`)
		// Nobody else is an administrator: none of these may be.
		for _, c := range [][3]string{
			member("remove", team, ada.id), member("remove", dept, team), member("remove", root, dept),
			{"DELETE", "/scim/v2/Groups/" + team, ""}, {"DELETE", "/scim/v2/Groups/" + dept, ""}, {"DELETE", "/scim/v2/Groups/" + root, ""},
			{"PATCH", "/scim/v2/Groups/" + root, userPatch(`{"op":"replace","path":"` + ext + `:admin","value":false}`)},
			{"PATCH", "/scim/v2/Users/" + ada.id, userPatch(`{"op":"replace","path":"active","value":false}`)}, {"DELETE", "/scim/v2/Users/" + ada.id, ""},
		} {
			if a := s.do(c[0], c[1], c[2]); a.code != 409 {
				t.Errorf("%s %s %s takes the last administrator away: %d %s, want 409", c[0], c[1], c[2], a.code, a.text)
			}
		}
		// By another way round she stays one, and then the first may go.
		s.want(204, "PATCH", "/scim/v2/Groups/"+root, userPatch(`{"op":"add","path":"members","value":[{"value":"`+team+`"}]}`))
		s.want(204, "DELETE", "/scim/v2/Groups/"+dept, "")
		ada.login("default").want(200, "GET", "/scim/v2/Users", "")
	})
}

func queryOf(filter string) string { return url.QueryEscape(filter) }

// TestNestedKeep: the people of an LDAP group within another are indirect members of that with keep, and
// direct ones of both with flatten.
func TestNestedKeep(t *testing.T) {
	const people = `dn: dc=example,dc=com
objectClass: domain
dc: example
entryUUID: 00000000-0000-4000-8000-000000000001

dn: uid=ada,dc=example,dc=com
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Ada
entryUUID: 00000000-0000-4000-8000-000000000002

dn: cn=team,dc=example,dc=com
objectClass: groupOfNames
cn: team
member: uid=ada,dc=example,dc=com
entryUUID: 00000000-0000-4000-8000-000000000003

dn: cn=all,dc=example,dc=com
objectClass: groupOfNames
cn: all
member: cn=team,dc=example,dc=com
entryUUID: 00000000-0000-4000-8000-000000000004
`
	file := write(t, filepath.Join(t.TempDir(), "people.ldif"), people, 0o600)
	for nested, kind := range map[string]string{"keep": "indirect", "flatten": "direct"} {
		s := inProcessServer(t, "sources: {corp: {type: ldif, path: "+file+", preset: openldap, users: {base: 'dc=example,dc=com'}, groups: {base: 'dc=example,dc=com', nested: "+nested+"}}}")
		s.syncJSON(exitDone, "run", "corp")
		list := s.want(200, "GET", "/scim/v2/Users?filter="+queryOf(`userName eq "ada"`), "").body["Resources"].([]any)
		want := map[string]string{"team": "direct", "all": kind}
		if got := groupKinds(answer{body: list[0].(map[string]any)}); !maps.Equal(got, want) {
			t.Errorf("with %s: groups = %v, want %v", nested, got, want)
		}
	}
}
