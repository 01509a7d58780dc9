package simulate

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// okta plays Okta's life with a server. aiw is an app of its wizard, which updates by PUT; otherwise one of
// its catalogue, which updates by PATCH.
func (s *sim) okta(aiw bool) {
	if !s.oktaConnect() {
		return
	}
	s.oktaAssign()
	s.readBack()
	s.oktaProfiles(aiw)
	s.oktaPush()
	s.oktaMembers(aiw)
	s.readBack()
	s.oktaLeaveAndReturn(aiw)
	s.oktaImport()
	s.oktaUnlink(aiw)
	s.readBack()
}

// oktaConnect is "Test Connector Configuration", which speaks with other headers than the rest.
func (s *sim) oktaConnect() bool {
	test := request{step: "O1", what: "test the connector: users", method: http.MethodGet, path: "/Users", query: "startIndex=1&count=2",
		agent: "OKTA SCIM Integration", media: "application/json", accept: []int{200}}
	a := s.send(test)
	if !s.connected(a) {
		return false
	}
	s.listOf("O1", "/Users", a)
	test.step, test.what, test.path, test.query = "O2", "test the connector: groups", "/Groups", "startIndex=1&count=100"
	if a = s.send(test); a.ok {
		s.listOf("O2", "/Groups", a)
	}
	for _, path := range []string{"/ResourceTypes", "/Schemas"} {
		s.send(request{step: "O24", what: "discover", method: http.MethodGet, path: path, accept: []int{200}})
	}
	return true
}

// oktaFind is O3 and O15: with %20 and %22, and a page of 100.
func (s *sim) oktaFind(step, what, path, attribute, value, id string) []any {
	query := "filter=" + attribute + "%20eq%20%22" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20") + "%22&startIndex=1&count=100"
	return s.find(request{step: step, what: what, path: path, query: query, accept: []int{200, 404}}, value, id)
}

func (s *sim) oktaFindUser(step, what string, u *user) []any {
	return s.oktaFind(step, what, "/Users", "userName", u.name(), u.id)
}

// oktaUser is the body of O4.
func oktaUser(userName, given, family, display, externalID string) string {
	return `{"schemas":["` + schemaUser + `"],"userName":` + js(userName) +
		`,"name":{"givenName":` + js(given) + `,"familyName":` + js(family) + `},"emails":[{"primary":true,"value":` + js(userName) + `,"type":"work"}]` +
		`,"displayName":` + js(display) + `,"locale":"en-US","externalId":` + js(externalID) + `,"groups":[],"password":"1mz050nq","active":true}`
}

// oktaID is an id as Okta makes them: 20 letters and digits.
func (s *sim) oktaID(n int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	id := []byte("00u")
	for _, b := range sha256.Sum256(fmt.Appendf(nil, "%s/%d", s.Prefix, n)) {
		id = append(id, digits[int(b)%len(digits)])
	}
	return string(id[:20])
}

// oktaAssign assigns people to the app: looked for, made, made again.
func (s *sim) oktaAssign() {
	for range s.Users {
		u := s.addUser()
		name := s.name("user", u.n+1) + "@example.com"
		given, family, display := "Test", fmt.Sprintf("User-%03d", u.n+1), fmt.Sprintf("Test User-%03d", u.n+1)
		external := s.oktaID(u.n)
		s.oktaFind("O3", "assign: is the user there?", "/Users", "userName", name, "")
		s.createUser("O4", "assign: make the user; made again it is 409 (O5)", u, oktaUser(name, given, family, display, external), map[string]any{
			"userName": name, "name.givenName": given, "name.familyName": family, "displayName": display, "locale": "en-US", "externalId": external,
			`emails[type eq "work"].value`: name, `emails[type eq "work"].primary`: true, "emails#": 1, "active": true, "password": nil,
		})
		if u.id != "" {
			s.oktaFindUser("O3", "assign: is the user there?", u)
		}
	}
	if u := s.users[0]; u.id != "" { // A7
		s.oktaFind("A7", "find the user in capitals", "/Users", "userName", strings.ToUpper(u.name()), u.id)
	}
}

// oktaMerge is O8: what was read, changed, and sent back whole.
func (s *sim) oktaMerge(step, what string, u *user, edit func(r map[string]any), want map[string]any) {
	if !u.here() {
		return
	}
	a := s.send(request{step: step, what: "read before: " + what, method: http.MethodGet, path: "/Users/" + u.id, accept: []int{200}})
	if !a.ok || a.body == nil {
		return
	}
	s.checkUser(u, a)
	edit(a.body)
	a.body["groups"] = []any{}
	s.change(step, what, http.MethodPut, u, js(a.body), want)
}

// oktaProfiles changes names: all by PUT for the wizard's app, every other one for the
// catalogue's, as the app's template says.
func (s *sim) oktaProfiles(aiw bool) {
	for _, u := range s.users {
		name := s.name("renamed", u.n+1) + "@example.com"
		if u.n%5 != 0 { // a fifth marry
			name = u.name()
		}
		given, middle, display := "Another", "Excited", fmt.Sprintf("Another User-%03d", u.n+1)
		want := map[string]any{"userName": name, "name.givenName": given, "name.middleName": middle, "displayName": display}
		if aiw || u.n%2 == 0 {
			s.oktaMerge("O8", "change the profile by PUT", u, func(r map[string]any) {
				r["userName"], r["displayName"] = name, display
				put(r, given, "name", "givenName")
				put(r, middle, "name", "middleName")
			}, want)
			continue
		}
		s.change("O8", "change the profile by PATCH", http.MethodPatch, u, patch(`{"op":"replace","value":{"userName":`+js(name)+
			`,"name":{"givenName":`+js(given)+`,"middleName":`+js(middle)+`},"displayName":`+js(display)+`}}`), want)
	}
	for i, u := range s.users {
		if i%10 == 3 && !aiw {
			s.change("O12", "synchronise the password", http.MethodPatch, u, patch(`{"op":"replace","value":{"password":"`+s.oktaID(1000+u.n)+`"}}`), nil)
		}
		if i%10 == 4 && aiw {
			s.oktaMerge("O10", "a PUT without active leaves it", u, func(r map[string]any) { delete(r, "active") }, nil)
		}
	}
}

// oktaMemberList is members as Okta writes them.
func oktaMemberList(users []*user) string {
	all := make([]string, len(users))
	for i, u := range users {
		all[i] = `{"value":` + js(u.id) + `,"display":` + js(u.name()) + `}`
	}
	return "[" + strings.Join(all, ",") + "]"
}

func oktaGroup(display, id, members string) string {
	if id != "" {
		id = `,"id":` + js(id)
	}
	return `{"schemas":["` + schemaGroup + `"]` + id + `,"displayName":` + js(display) + `,"members":` + members + `}`
}

// team are the users that the group has to begin with: every Groups-th.
func (s *sim) team(g *group) []*user {
	var all []*user
	for _, u := range s.users {
		if u.here() && u.n%s.Groups == g.n {
			all = append(all, u)
		}
	}
	return all
}

// oktaPush pushes groups: half of them empty, half with their members.
func (s *sim) oktaPush() {
	for range s.Groups {
		g := s.addGroup()
		name := s.groupName("Group", g.n+1)
		var members []*user
		if g.n%2 == 1 {
			members = s.team(g)
		}
		s.oktaFind("O15", "push a group: is it there?", "/Groups", "displayName", name, "")
		s.createGroup("O16", "push a group: make it", g, oktaGroup(name, "", oktaMemberList(members)), map[string]any{"displayName": name}, members...)
		if g.id != "" {
			s.oktaFind("O15", "push a group: is it there?", "/Groups", "displayName", name, g.id)
		}
	}
}

// oktaName is O17, which goes before every change of members.
func (s *sim) oktaName(g *group, what, name string) {
	s.changeGroup("O17", what, http.MethodPatch, g, patch(`{"op":"replace","value":{"id":`+js(g.id)+`,"displayName":`+js(name)+`}}`),
		map[string]any{"displayName": name}, nil)
}

// oktaDelta is O18: who leaves, then who joins, in one request.
func (s *sim) oktaDelta(step, what string, g *group, leave, join []*user) {
	var ops []string
	for _, u := range leave {
		ops = append(ops, `{"op":"remove","path":"members[value eq \"`+u.id+`\"]"}`)
	}
	if len(join) > 0 {
		ops = append(ops, `{"op":"add","path":"members","value":`+oktaMemberList(join)+`}`)
	}
	s.oktaName(g, "name the group, before its members", g.name())
	s.changeGroup(step, what, http.MethodPatch, g, patch(ops...), nil, func() { g.leave(step, leave...); g.join(step, join...) })
}

// oktaFull is O19: the group is these, and no one else.
func (s *sim) oktaFull(what string, g *group, users []*user) {
	s.oktaName(g, "name the group, before its members", g.name())
	s.changeGroup("O19", what, http.MethodPatch, g, patch(`{"op":"replace","path":"members","value":`+oktaMemberList(users)+`}`), nil,
		func() { g.only("O19", users...) })
}

// oktaPut is O20: the group whole; every other time with its id.
func (s *sim) oktaPut(what string, g *group, name string, users []*user) {
	id := ""
	if g.n%2 == 0 {
		id = g.id
	}
	s.changeGroup("O20", what, http.MethodPut, g, oktaGroup(name, id, oktaMemberList(users)), map[string]any{"displayName": name},
		func() { g.only("O20", users...) })
}

// there are the users that exist.
func (s *sim) there() []*user {
	var all []*user
	for _, u := range s.users {
		if u.here() {
			all = append(all, u)
		}
	}
	return all
}

// oktaMembers moves people between groups, renames groups, fills and empties them.
func (s *sim) oktaMembers(aiw bool) {
	everyone, moved := s.there(), make([]*user, s.Groups)
	for _, g := range s.groups {
		if team := s.team(g); len(team) > 0 {
			moved[g.n] = team[0]
			if aiw {
				s.oktaPut("the group whole: its first members", g, g.name(), team)
			} else {
				s.oktaDelta("O18", "members join", g, nil, team)
			}
		}
	}
	for _, g := range s.groups { // each group's first member moves on to the next group
		leaves, joins := moved[g.n], moved[(g.n+s.Groups-1)%s.Groups]
		if leaves == nil || joins == nil || !g.here() {
			continue
		}
		if aiw {
			next := append(without(g.list(), leaves), joins)
			s.oktaPut("the group whole: one leaves, one joins", g, g.name(), next)
		} else {
			s.oktaDelta("O18", "one leaves, one joins", g, []*user{leaves}, []*user{joins})
		}
	}
	first, last := s.groups[0], s.groups[len(s.groups)-1]
	name := s.groupName("Renamed", 1)
	if aiw {
		s.oktaPut("the group whole: renamed", first, name, first.list())
		s.oktaPut("the group whole: everyone", first, name, everyone)
		s.oktaPut("the group whole: nobody", last, last.name(), nil)
	} else {
		s.oktaName(first, "rename the group", name)
		s.oktaFull("push now: everyone", first, everyone)
		s.oktaFull("push now: nobody", last, nil)
		s.oktaBatch(last, everyone)
		s.oktaNothingNew(s.groups[1], everyone)
	}
	for _, g := range s.groups {
		if g.here() {
			if a := s.send(request{step: "O22", what: "is the group there?", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{200}}); a.ok {
				s.checkGroup(g, a)
				s.checkMembers(g, a)
			}
		}
	}
}

// oktaNothingNew adds a member who is there, and removes a user who is none.
func (s *sim) oktaNothingNew(g *group, everyone []*user) {
	members := g.list()
	out := slices.IndexFunc(everyone, func(u *user) bool { return !slices.Contains(members, u) })
	if len(members) > 0 && out >= 0 {
		s.nothingNew("add who is there, remove who is not", g, patch(`{"op":"add","path":"members","value":`+oktaMemberList(members[:1])+`}`),
			patch(`{"op":"remove","path":"members[value eq \"`+everyone[out].id+`\"]"}`))
	}
}

func without(users []*user, one *user) []*user {
	var rest []*user
	for _, u := range users {
		if u != one {
			rest = append(rest, u)
		}
	}
	return rest
}

// oktaBatch is O21, the largest batch that an administrator can set: 1,000 operations in one request. Everyone joins and
// leaves by turns; the first half is there in the end.
func (s *sim) oktaBatch(g *group, everyone []*user) {
	const size = 1000
	if len(everyone) == 0 {
		return
	}
	var ops []string
	in := map[*user]bool{}
	for i := 0; len(ops) < size; i++ {
		u := everyone[i%len(everyone)]
		if in[u] {
			ops = append(ops, `{"op":"remove","path":"members[value eq \"`+u.id+`\"]"}`)
		} else {
			ops = append(ops, `{"op":"add","path":"members","value":`+oktaMemberList([]*user{u})+`}`)
		}
		in[u] = !in[u]
	}
	s.changeGroup("O21", fmt.Sprintf("a batch of %d operations", size), http.MethodPatch, g, patch(ops...), nil, func() {
		for _, u := range everyone {
			if g.leave("O21", u); in[u] {
				g.join("O21", u)
			}
		}
	})
}

// oktaActive switches a user on or off: O9 and O11, or O10 for an app of the wizard.
func (s *sim) oktaActive(step, what string, aiw bool, u *user, active bool) {
	want := map[string]any{"active": active}
	if aiw {
		s.oktaMerge(step, what, u, func(r map[string]any) { r["active"] = active }, want)
		return
	}
	s.change(step, what, http.MethodPatch, u, patch(`{"op":"replace","value":{"active":`+js(active)+`}}`), want)
}

// oktaLeaveAndReturn takes the app away from every fifth user and gives it back to most of
// them. Their groups stay theirs (A18), and so does the id. Nothing is ever deleted (O14).
func (s *sim) oktaLeaveAndReturn(aiw bool) {
	off := "O9"
	if aiw {
		off = "O10"
	}
	for i, u := range s.users {
		if i%5 == 1 {
			s.oktaActive(off, "deactivate", aiw, u, false)
		}
	}
	s.readBack()
	for i, u := range s.users {
		if i%5 != 1 || !u.here() || i%15 == 1 && i > 1 { // some stay away
			continue
		}
		step, what := "O11", "reactivate"
		if i%10 == 1 {
			step, what = "O6", "assign a user who is there, inactive"
		}
		s.checkActive(step, u, s.oktaFindUser(step, what+": find", u))
		s.oktaActive(step, what, aiw, u, true)
		if step == "O6" {
			display := fmt.Sprintf("Returned User-%03d", u.n+1)
			s.oktaMerge("O8", "change the profile by PUT", u, func(r map[string]any) { r["displayName"] = display }, map[string]any{"displayName": display})
		}
		s.oktaFindUser(step, what+": find", u)
	}
}

// oktaUnlink renames a pushed group once more, and deletes one.
func (s *sim) oktaUnlink(aiw bool) {
	g, name := s.groups[1], s.groupName("Renamed", 2)
	if aiw {
		s.oktaPut("the group whole: renamed", g, name, g.list())
	} else {
		s.oktaName(g, "rename the group", name)
	}
	s.deleteGroup("O23", "unlink and delete a group; again it is 404", s.groups[2])
}
