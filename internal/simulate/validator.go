package simulate

import (
	"maps"
	"net/http"
	"slices"
)

// validator plays the checks of Microsoft's SCIM Validator, mandatory and preview, with values in
// the manner of its own: 25 and 7 of them, as V1 to V21, since some differ in a detail only.
func (s *sim) validator() {
	s.Repeats = 0 // it sends each request once
	e := entraClient{sim: s, flag: true}
	full := s.validatorUser()
	if full == nil {
		return
	}
	s.validatorFind(full)
	s.validatorPatch(&e, full)
	s.readBack()
	s.validatorVerbose(&e, full)
	s.validatorManager(&e, full)
	s.validatorSeveral(&e, full)
	s.readBack()
	s.validatorGroups(&e, full)
	s.readBack()
	s.validatorDelete(&e, full)
}

const entraMail = `emails[type eq "work"].value`

// validatorValues are values for every attribute that the Validator sets, by path. word makes those of one user
// differ from those of another.
func (s *sim) validatorValues(word string) map[string]any {
	v := func(name string) string { return name + " " + word + " " + s.letters() }
	return map[string]any{
		"active": true, "displayName": v("display"), "title": v("title"), "preferredLanguage": "xh", "userType": v("type"), "nickName": v("nick"),
		"locale": "Maumere", "timezone": "Africa/Blantyre", "profileUrl": v("profile"),
		entraMail: word + "." + s.letters() + "@example.com", `emails[type eq "work"].primary`: true,
		"name.formatted": v("formatted"), "name.familyName": v("family"), "name.givenName": v("given"), "name.middleName": v("middle"),
		"name.honorificPrefix": v("prefix"), "name.honorificSuffix": v("suffix"),
		`addresses[type eq "work"].formatted`: v("formatted"), `addresses[type eq "work"].streetAddress`: v("street"), `addresses[type eq "work"].locality`: v("locality"),
		`addresses[type eq "work"].region`: v("region"), `addresses[type eq "work"].postalCode`: "91608", `addresses[type eq "work"].country`: "Belize",
		`addresses[type eq "work"].primary`:  true,
		`phoneNumbers[type eq "work"].value`: "22-222-2222", `phoneNumbers[type eq "work"].primary`: true,
		`phoneNumbers[type eq "mobile"].value`: "33-333-3333", `phoneNumbers[type eq "fax"].value`: "44-444-4444",
		enterprise + ":employeeNumber": v("number"), enterprise + ":department": v("department"), enterprise + ":costCenter": v("cost"),
		enterprise + ":organization": v("organization"), enterprise + ":division": v("division"),
		`roles[primary eq "True"].display`: v("role"), `roles[primary eq "True"].value`: v("role"), `roles[primary eq "True"].type`: v("role"),
	}
}

// validatorUser is V1 and V2: a user with everything, booleans as text among it; and the same again.
func (s *sim) validatorUser() *user {
	u := s.addUser()
	name, boss := s.name("valid", 1)+"@example.com", s.guid("boss", 0)
	want := s.validatorValues("full")
	at := func(path string) string { return js(want[path]) }
	element := func(attribute, kind string, subs ...string) string {
		text := `{"primary":true,"type":` + js(kind)
		for _, sub := range subs {
			text += `,` + js(sub) + `:` + at(attribute+`[type eq "`+kind+`"].`+sub)
		}
		return text + "}"
	}
	body := `{"schemas":["` + schemaUser + `","` + enterprise + `"],"userName":` + js(name) + `,"externalId":` + js(s.guid("valid", 0)) + `,"active":true`
	for _, a := range []string{"displayName", "title", "preferredLanguage", "userType", "nickName", "locale", "timezone", "profileUrl"} {
		body += `,` + js(a) + `:` + at(a)
	}
	body += `,"name":{"formatted":` + at("name.formatted") + `,"familyName":` + at("name.familyName") + `,"givenName":` + at("name.givenName") +
		`,"middleName":` + at("name.middleName") + `,"honorificPrefix":` + at("name.honorificPrefix") + `,"honorificSuffix":` + at("name.honorificSuffix") + `}` +
		`,"emails":[` + element("emails", "work", "value") + `]` +
		`,"addresses":[` + element("addresses", "work", "formatted", "streetAddress", "locality", "region", "postalCode", "country") + `]` +
		`,"phoneNumbers":[` + element("phoneNumbers", "work", "value") + `]` +
		`,"roles":[{"primary":"True","display":` + at(`roles[primary eq "True"].display`) + `,"value":` + at(`roles[primary eq "True"].value`) +
		`,"type":` + at(`roles[primary eq "True"].type`) + `}]` +
		`,` + js(enterprise) + `:{"employeeNumber":` + at(enterprise+":employeeNumber") + `,"department":` + at(enterprise+":department") +
		`,"costCenter":` + at(enterprise+":costCenter") + `,"organization":` + at(enterprise+":organization") + `,"division":` + at(enterprise+":division") +
		`,"manager":{"value":` + js(boss) + `}}}`
	delete(want, `phoneNumbers[type eq "mobile"].value`)
	delete(want, `phoneNumbers[type eq "fax"].value`)
	maps.Copy(want, map[string]any{"userName": name, "externalId": s.guid("valid", 0), managerValue: boss,
		"emails#": 1, "addresses#": 1, "phoneNumbers#": 1, "roles#": 1})
	place := s.createUser("V1", "POST a user with every attribute", u, body, want).place
	if u.id == "" {
		s.connected(answer{})
		return nil
	}
	s.expect("V1", u.name(), "Location of the answer to POST", place != "", true)
	s.send(request{step: "V2", what: "POST it again: 409", method: http.MethodPost, path: "/Users", body: body, accept: []int{409}})
	return u
}

// validatorFind is V1's second half, and V3 to V5.
func (s *sim) validatorFind(u *user) {
	e := entraClient{sim: s}
	list := e.findUser("V3", "filter: one who exists", `userName eq "`+u.name()+`"`, u.name(), u.id)
	if len(list) == 1 {
		found, _ := list[0].(map[string]any)
		s.checkUser(u, answer{body: found})
	}
	e.findUser("V4", "filter: one who does not", `userName eq "`+s.guid("nobody", 0)+`"`, "nobody", "")
	e.findUser("V5", "filter in another case", `userName eq "`+swapCase(u.name())+`"`, u.name(), u.id)
}

// swapCase turns capitals into small letters and back, in ASCII.
func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

// validatorPatch is V6 and V7.
func (s *sim) validatorPatch(e *entraClient, u *user) {
	name := s.name("valid", 2) + "@example.com"
	s.change("V6", "PATCH userName without a path", http.MethodPatch, u, patch(e.op("replace", "", map[string]any{"userName": name})), map[string]any{"userName": name})
	for _, active := range []bool{false, true} {
		s.change("V7", "PATCH active", http.MethodPatch, u, patch(e.op("replace", "active", active)), map[string]any{"active": active})
		s.checkActive("V7", u, e.findUser("V7", "PATCH active, and filter", `userName eq "`+u.name()+`"`, u.name(), u.id))
	}
}

// validatorVerbose is V8, everything added to a user with nothing but a name, and V9, everything
// replaced on one who has it all.
func (s *sim) validatorVerbose(e *entraClient, full *user) {
	bare := s.addUser()
	name := s.name("valid", 3) + "@example.com"
	s.createUser("V8", "POST a user with a name alone", bare, `{"userName":`+js(name)+`,"schemas":["`+schemaUser+`"]}`, map[string]any{"userName": name})
	s.every36("V8", "PATCH: 36 adds to it", e, "add", bare, "added")
	s.every36("V9", "PATCH: 36 replaces on a full user", e, "replace", full, "replaced")
}

func (s *sim) every36(step, what string, e *entraClient, op string, u *user, word string) {
	want := s.validatorValues(word)
	var ops []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		ops = append(ops, e.op(op, path, want[path]))
	}
	maps.Copy(want, map[string]any{"emails#": 1, "addresses#": 1, "phoneNumbers#": 3, "roles#": 1})
	s.change(step, what, http.MethodPatch, u, patch(ops...), want)
	if u.here() {
		list := e.findUser(step, what+", and filter", `userName eq "`+u.name()+`"`, u.name(), u.id)
		if len(list) == 1 {
			found, _ := list[0].(map[string]any)
			s.checkUser(u, answer{body: found})
		}
	}
}

// validatorManager is V10: set in two forms, replaced, taken away in two.
func (s *sim) validatorManager(e *entraClient, u *user) {
	path := enterprise + ":manager"
	boss, other := s.guid("boss", 1), s.guid("boss", 2)
	for _, v := range []struct {
		op, path string
		value    any
		want     any
	}{
		{"add", path, boss, boss}, {"replace", path, other, other}, {"replace", path, "", nil},
		{"add", path, raw(`{"value":` + js(boss) + `}`), boss}, {"replace", path, raw(`{"value":` + js(other) + `}`), other},
		{"replace", path, raw(`{"value":""}`), nil},
	} {
		s.change("V10", "PATCH the manager: add, replace, remove", http.MethodPatch, u, patch(e.op(v.op, v.path, v.value)), map[string]any{managerValue: v.want})
		s.readUser("V10", "PATCH the manager, and read", u)
	}
}

// readUser reads a user and compares it.
func (s *sim) readUser(step, what string, u *user) {
	if !u.here() {
		return
	}
	if a := s.send(request{step: step, what: what, method: http.MethodGet, path: "/Users/" + u.id, accept: []int{200}}); a.ok {
		s.checkUser(u, a)
	}
}

// validatorSeveral is V11 and V12.
func (s *sim) validatorSeveral(e *entraClient, u *user) {
	external := s.guid("valid", 1)
	s.change("V11", "PATCH: operations on three attributes", http.MethodPatch, u, patch(e.op("remove", "preferredLanguage", nil), e.op("add", "externalId", external),
		e.op("replace", "displayName", "three "+s.letters())), map[string]any{"preferredLanguage": nil, "externalId": external, "displayName": "three " + s.letters()})
	s.readUser("V11", "PATCH: operations on three attributes, and read", u)
	last := s.guid("valid", 3)
	s.change("V12", "PATCH: three operations on one attribute", http.MethodPatch, u, patch(e.op("remove", "externalId", nil), e.op("add", "externalId", s.guid("valid", 2)),
		e.op("replace", "externalId", last)), map[string]any{"externalId": last})
	s.readUser("V12", "PATCH: three operations on one attribute, and read", u)
}

// validatorDelete is V13.
func (s *sim) validatorDelete(e *entraClient, u *user) {
	s.deleteUser("V13", "DELETE a user", u)
	s.send(request{step: "V13", what: "GET a deleted user: 404", method: http.MethodGet, path: "/Users/" + u.id, accept: []int{404}})
	s.send(request{step: "V13", what: "DELETE a deleted user: 404", method: http.MethodDelete, path: "/Users/" + u.id, accept: []int{404}})
	s.send(request{step: "V13", what: "DELETE an unknown user: 404", method: http.MethodDelete, path: "/Users/" + s.guid("nobody", 1), accept: []int{404}})
	e.findUser("V13", "filter: a deleted user", `userName eq "`+u.name()+`"`, u.name(), "")
}

// validatorGroups is V14 to V21.
func (s *sim) validatorGroups(e *entraClient, one *user) {
	g, two := s.addGroup(), s.users[1]
	name, external := s.groupName("Valid", 1), s.guid("group", 0)
	body := `{"schemas":["` + schemaGroup + `"],"displayName":` + js(name) + `,"externalId":` + js(external) + `}`
	s.createGroup("V14", "POST a group", g, body, map[string]any{"displayName": name, "externalId": external})
	if g.id == "" || !one.here() || !two.here() {
		return
	}
	s.send(request{step: "V14", what: "POST a group of the same name: 409", method: http.MethodPost, path: "/Groups", body: body, accept: []int{409}})
	e.readGroup(g)
	s.groupFilters(e, g)
	external, name = s.guid("group", 1), s.groupName("Valid", 2)
	s.changeGroup("V17", "PATCH externalId without a path", http.MethodPatch, g, patch(e.op("replace", "", map[string]any{"externalId": external})), map[string]any{"externalId": external}, nil)
	s.changeGroup("V17", "PATCH displayName without a path", http.MethodPatch, g, patch(e.op("replace", "", map[string]any{"displayName": name})), map[string]any{"displayName": name}, nil)
	s.groupFilters(e, g)
	s.changeGroup("V18", "PATCH: replace the members", http.MethodPatch, g, patch(e.op("replace", "members", raw(`[{"value":`+js(one.id)+`}]`))), nil, func() { g.only("V18", one) })
	s.readMembers("V18", g)
	s.changeGroup("V19", "PATCH: remove a member", http.MethodPatch, g, patch(e.op("remove", `members[value eq "`+one.id+`"]`, nil)), nil, func() { g.leave("V19", one) })
	s.readMembers("V19", g)
	s.changeGroup("V20", "PATCH: add and remove members", http.MethodPatch, g, patch(e.op("add", "members", raw(`[{"value":`+js(one.id)+`},{"value":`+js(two.id)+`}]`)),
		e.op("remove", `members[value eq "`+one.id+`"]`, nil)), nil, func() { g.only("V20", two); g.left[one] = "V20" })
	s.readMembers("V20", g)
	s.deleteGroup("V21", "DELETE a group", g)
	s.send(request{step: "V21", what: "DELETE a deleted group: 404", method: http.MethodDelete, path: "/Groups/" + g.id, accept: []int{404}})
	s.send(request{step: "V21", what: "GET a deleted group: 404", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{404}})
}

func (s *sim) groupFilters(e *entraClient, g *group) {
	e.findGroup("V16", "filter groups by name", `displayName eq "`+g.name()+`"`, g.name(), g.id)
	e.findGroup("V16", "filter groups by externalId", `externalId eq "`+g.want.text("externalId")+`"`, g.name(), g.id)
	e.findGroup("V16", "filter groups: none", `displayName eq "`+s.guid("nobody", 2)+`"`, "no group", "")
}

func (s *sim) readMembers(step string, g *group) {
	if a := s.send(request{step: step, what: "read the members", method: http.MethodGet, path: "/Groups/" + g.id, accept: []int{200}}); a.ok {
		s.checkGroup(g, a)
		s.checkMembers(g, a)
	}
}
