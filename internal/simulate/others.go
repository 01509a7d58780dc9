package simulate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// oneLogin plays OneLogin: nulls, no primary, PUT for users, PATCH for groups.
func (s *sim) oneLogin() {
	e := entraClient{sim: s}
	nobody := s.guid("nobody", 0)
	test := s.send(request{step: "ol1", what: "test the connection: nobody is found", method: http.MethodGet, path: "/Users",
		query: "filter=" + e.query(`userName eq "`+nobody+`"`), accept: []int{200, 404}})
	if !s.connected(test) {
		return
	}
	body := func(u *user, title string, active bool) string {
		return `{"schemas":["` + schemaUser + `"],"userName":` + js(u.name()) + `,"externalId":null,"name":{"givenName":"One","familyName":` + js(title) +
			`,"middleName":null},"emails":[{"value":` + js(u.name()) + `,"type":"work"}],"phoneNumbers":null,"title":` + js(title) + `,"members":null,"active":` + js(active) + `}`
	}
	want := func(u *user, title string, active bool) map[string]any {
		return map[string]any{"userName": u.name(), "name.givenName": "One", "name.familyName": title, "name.middleName": nil, "title": title,
			entraMail: u.name(), "emails#": 1, "active": active, "phoneNumbers#": 0}
	}
	for range s.Users {
		u := s.addUser()
		name := s.name("one", u.n+1) + "@example.com"
		u.want.set("ol2", map[string]any{"userName": name})
		s.find(request{step: "ol2", what: "is the user there?", path: "/Users", query: "filter=" + e.query(`userName eq "`+name+`"`), accept: []int{200, 404}}, name, "")
		s.createUser("ol3", "make a user", u, body(u, "New", true), want(u, "New", true))
		s.readUser("ol4", "read the user", u)
		s.change("ol5", "change the user by PUT", http.MethodPut, u, body(u, "Changed", true), want(u, "Changed", true))
	}
	s.send(request{step: "ol6", what: "list the groups", method: http.MethodGet, path: "/Groups", accept: []int{200}})
	s.plainGroups("ol7", "make a group", "ol8")
	for i, u := range s.users {
		if i%3 == 1 {
			s.change("ol9", "suspend by PUT", http.MethodPut, u, body(u, "Changed", false), want(u, "Changed", false))
		}
	}
	s.readBack()
	for i, u := range s.users {
		if i%3 == 2 {
			s.deleteUser("ol10", "delete", u)
		}
	}
	s.readBack()
}

// plainGroups makes groups and adds their members by PATCH.
func (s *sim) plainGroups(create, what, add string) {
	for range s.Groups {
		g := s.addGroup()
		name := s.groupName("Group", g.n+1)
		s.createGroup(create, what, g, `{"schemas":["`+schemaGroup+`"],"displayName":`+js(name)+`,"members":null}`, map[string]any{"displayName": name})
		for _, u := range s.team(g) {
			s.changeGroup(add, "add a member", http.MethodPatch, g, patch(`{"op":"add","path":"members","value":[{"value":`+js(u.id)+`}]}`), nil, func() { g.join(add, u) })
		}
	}
}

// jumpCloud plays JumpCloud: its connection test makes a user and a group and deletes them; members are removed as Entra
// does it.
func (s *sim) jumpCloud() {
	make1 := func(step, what string) *user {
		u := s.addUser()
		name := s.name("jump", u.n+1) + "@example.com"
		s.createUser(step, what, u, `{"schemas":["`+schemaUser+`"],"userName":`+js(name)+`,"name":{"givenName":"Jump","familyName":"Cloud"},"emails":[{"value":`+js(name)+
			`,"type":"work","primary":true}],"active":true}`, map[string]any{"userName": name, "name.givenName": "Jump", "name.familyName": "Cloud", entraMail: name, "active": true})
		return u
	}
	probe := make1("jc1", "test the connection: make a user")
	if probe.id == "" {
		s.connected(answer{})
		return
	}
	test := s.addGroup()
	s.createGroup("jc1", "test the connection: make a group", test, `{"schemas":["`+schemaGroup+`"],"displayName":`+js(s.groupName("Test", 1))+`}`, nil)
	s.changeGroup("jc1", "test the connection: add the user", http.MethodPatch, test, patch(`{"op":"add","path":"members","value":[{"value":`+js(probe.id)+`}]}`), nil,
		func() { test.join("jc1", probe) })
	s.deleteGroup("jc1", "test the connection: delete the group", test)
	s.deleteUser("jc1", "test the connection: delete the user", probe)
	for range s.Users {
		make1("jc2", "make a user")
	}
	s.groups = nil
	s.plainGroups("jc3", "make a group", "jc4")
	s.readBack()
	for _, g := range s.groups {
		for _, u := range s.team(g) {
			s.changeGroup("jc5", "remove a member by value", http.MethodPatch, g, patch(`{"op":"remove","path":"members","value":[{"value":`+js(u.id)+`}]}`), nil, func() { g.leave("jc5", u) })
			break
		}
	}
	for i, u := range s.users {
		if i%4 == 1 {
			s.change("jc6", "deactivate", http.MethodPatch, u, patch(`{"op":"replace","path":"active","value":false}`), map[string]any{"active": false})
		}
	}
	s.readBack()
}

// authentik plays authentik: what the server can do decides how it writes groups, and a 409 has to
// be followed by a group that can be found.
func (s *sim) authentik() {
	a := s.send(request{step: "ak1", what: "ask what the server can do", method: http.MethodGet, path: "/ServiceProviderConfig", accept: []int{200}})
	if !s.connected(a) {
		return
	}
	bulk, _ := a.body["bulk"].(map[string]any)
	size, _ := bulk["maxOperations"].(float64)
	s.expect("ak1", "ServiceProviderConfig", "bulk.maxOperations is a number above 0", size > 0, true)
	batch := max(1, min(int(size), 1000))
	body := func(name, display string) string {
		return `{"schemas":["` + schemaUser + `"],"userName":` + js(name) + `,"externalId":` + js(s.guid(name, 0)) + `,"name":{"formatted":` + js(display) +
			`,"givenName":` + js(display) + `,"familyName":""},"displayName":` + js(display) + `,"emails":[{"value":` + js(name+"@example.com") + `,"type":"other","primary":true}],"active":true}`
	}
	for range s.Users {
		u := s.addUser()
		name := s.name("auth", u.n+1)
		want := map[string]any{"userName": name, "externalId": s.guid(name, 0), "displayName": "New", "name.givenName": "New", "name.familyName": nil,
			`emails[type eq "other"].value`: name + "@example.com", "active": true}
		s.createUser("ak2", "make a user", u, body(name, "New"), want)
		want["displayName"], want["name.givenName"] = "Changed", "Changed"
		s.change("ak3", "change the user by PUT", http.MethodPut, u, body(name, "Changed"), want)
	}
	for range s.Groups {
		s.authentikGroup(batch)
	}
	s.send(request{step: "ak9", what: "discover groups", method: http.MethodGet, path: "/Groups", query: "startIndex=1", accept: []int{200}})
	s.readBack()
	for i, u := range s.users {
		if i%5 == 1 {
			s.deleteUser("ak10", "delete a user", u)
		}
	}
	s.deleteGroup("ak11", "delete a group", s.groups[0])
	s.readBack()
}

func (s *sim) authentikGroup(batch int) {
	g := s.addGroup()
	name, external := s.groupName("Group", g.n+1), s.guid("group", g.n)
	body := `{"schemas":["` + schemaGroup + `"],"externalId":` + js(external) + `,"displayName":` + js(name) + `}`
	s.createGroup("ak4", "make a group without members", g, body, map[string]any{"displayName": name, "externalId": external})
	e := entraClient{sim: s}
	s.find(request{step: "ak5", what: "find the group, as after a 409", path: "/Groups", query: "filter=" + e.query(`displayName eq "`+name+`"`)}, name, g.id)
	team := s.team(g)
	if !g.here() || len(team) == 0 {
		return
	}
	member := func(op string, u *user) string {
		return `{"op":"` + op + `","path":"members","value":[{"value":` + js(u.id) + `}]}`
	}
	for part := range slices.Chunk(team, batch) {
		var ops []string
		for _, u := range part {
			ops = append(ops, member("add", u))
		}
		s.changeGroup("ak6", fmt.Sprintf("add members, an operation each, %d at most", batch), http.MethodPatch, g, patch(ops...), nil, func() { g.join("ak6", part...) })
	}
	s.changeGroup("ak7", "remove a member by value", http.MethodPatch, g, patch(member("remove", team[0])), nil, func() { g.leave("ak7", team[0]) })
	renamed := strings.Replace(name, "Group", "Renamed", 1)
	s.changeGroup("ak8", "replace the group without a path", http.MethodPatch, g, patch(`{"op":"replace","value":{"id":`+js(g.id)+`,"schemas":["`+schemaGroup+`"],"externalId":`+
		js(external)+`,"displayName":`+js(renamed)+`}}`), map[string]any{"displayName": renamed}, nil)
	s.readMembers("ak8", g)
}
