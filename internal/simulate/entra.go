package simulate

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// entra plays Microsoft Entra ID's life with a server, cycle after cycle. flag is a tenant URL with
// aadOptscim062020, which makes its PATCH closer to the RFC.
func (s *sim) entra(flag bool) {
	e := entraClient{sim: s, flag: flag}
	if !e.connect() {
		return
	}
	e.createUsers()
	e.createGroups()
	e.assignManagers()
	e.fillGroups()
	s.readBack()
	e.updateUsers()
	e.updateRoles()
	e.removeManagers()
	e.updateGroups()
	s.readBack()
	e.disableAndRestore()
	s.oktaImport() // what its administrators do to look around; the paging is the same
	e.inbound()
	e.deleteForGood()
	s.readBack()
}

// entraClient is Entra with or without the flag.
type entraClient struct {
	*sim
	flag  bool
	asked int // how many filters were sent: they are not all written the same way
}

// op is one operation, as Entra writes it: "Replace", or "replace" with the flag.
func (e *entraClient) op(op, path string, value any) string {
	if e.flag {
		op = strings.ToLower(op)
	}
	text := `{"op":` + js(op)
	if path != "" {
		text += `,"path":` + js(path)
	}
	switch v := value.(type) {
	case nil:
	case raw:
		text += `,"value":` + string(v)
	default:
		text += `,"value":` + js(v)
	}
	return text + "}"
}

// raw is JSON text.
type raw string

// query writes a filter into a query: by turns with + for blanks and %22, and with %20 and raw quotes (A15).
func (e *entraClient) query(filter string) string {
	e.asked++
	if e.asked%2 == 0 {
		return strings.NewReplacer("%22", `"`, "+", "%20").Replace(url.QueryEscape(filter))
	}
	return url.QueryEscape(filter)
}

// findUser is E3, findGroup E20.
func (e *entraClient) findUser(step, what, filter, subject, id string) []any {
	return e.find(request{step: step, what: what, path: "/Users", query: "filter=" + e.query(filter)}, subject, id)
}

func (e *entraClient) findGroup(step, what, filter, subject, id string) {
	list := e.find(request{step: step, what: what, path: "/Groups", query: "excludedAttributes=members&filter=" + e.query(filter)}, subject, id)
	for _, v := range list {
		r, _ := v.(map[string]any)
		_, has := r["members"]
		e.expect(step, subject, "members, which were excluded, are there", has, false)
	}
}

// connect is E1, "Test Connection", with every attribute that a job may match by, and E2.
func (e *entraClient) connect() bool {
	nobody := e.guid("nobody", 0)
	a := e.send(request{step: "E1", what: "test the connection: nobody is found", method: http.MethodGet, path: "/Users",
		query: "filter=" + e.query(`userName eq "`+nobody+`"`), accept: []int{200}})
	if !e.connected(a) {
		return false
	}
	for _, attribute := range []string{"userName", "externalId", `emails[type eq "work"].value`, "id"} {
		e.findUser("E1", "test the connection: nobody is found", attribute+` eq "`+nobody+`"`, "nobody", "")
	}
	e.findGroup("E1", "test the connection: no group is found", `displayName eq "`+nobody+`"`, "nobody", "")
	if a = e.send(request{step: "E2", what: "read the schemas", method: http.MethodGet, path: "/Schemas", accept: []int{200}}); a.ok {
		e.listOf("E2", "/Schemas", a)
	}
	return true
}

// entraUser is the body of E4.
func entraUser(externalID, userName, given, family string) string {
	return `{"schemas":["` + schemaUser + `","` + enterprise + `"],"externalId":` + js(externalID) + `,"userName":` + js(userName) +
		`,"active":true,"emails":[{"primary":true,"type":"work","value":` + js(userName) + `}],"meta":{"resourceType":"User"}` +
		`,"name":{"formatted":` + js(given+" "+family) + `,"familyName":` + js(family) + `,"givenName":` + js(given) + `},"roles":[]}`
}

// entraSloppy is the body of E5: a schema that is none, nulls, and enterprise attributes that are not in it.
func entraSloppy(externalID, userName, given, family string) string {
	return `{"schemas":["` + schemaUser + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"externalId":` + js(externalID) +
		`,"userName":` + js(userName) + `,"active":true,"addresses":null,"phoneNumbers":null,"preferredLanguage":null,"title":null,"department":null,"manager":null` +
		`,"meta":{"resourceType":"User"},"name":{"formatted":` + js(given+" "+family) + `,"familyName":` + js(family) + `,"givenName":` + js(given) + `},"roles":[]}`
}

// sloppy are every fifth users.
func sloppy(u *user) bool { return u.n%5 == 4 }

// createUsers is the first cycle: who is not found is made.
func (e *entraClient) createUsers() {
	for range e.Users {
		u := e.addUser()
		name := fmt.Sprintf("Test_User_%s_%03d@example.com", e.letters(), u.n+1)
		external := e.guid("user", u.n)
		if u.n%10 == 1 {
			external = fmt.Sprintf("jyoung%s%d", e.letters(), u.n) // the mail nickname, which new jobs match by
		}
		given, family := "Given", fmt.Sprintf("Family-%03d", u.n+1)
		e.findUser("E3", "is the user there?", `userName eq "`+name+`"`, name, "")
		want := map[string]any{"userName": name, "externalId": external, "active": true, "name.formatted": given + " " + family,
			"name.givenName": given, "name.familyName": family, "roles#": 0}
		if sloppy(u) {
			e.createUser("E5", "make a user, sloppily", u, entraSloppy(external, name, given, family), want)
		} else {
			want[`emails[type eq "work"].value`], want[`emails[type eq "work"].primary`], want["emails#"] = name, true, 1
			e.createUser("E4", "make a user; made again it is 409", u, entraUser(external, name, given, family), want)
		}
		e.findAgain(u)
	}
}

// findAgain finds a user by what jobs match by.
func (e *entraClient) findAgain(u *user) {
	if !u.here() {
		return
	}
	external := u.want.text("externalId")
	e.findUser("E3", "is the user there?", `userName eq "`+u.name()+`"`, u.name(), u.id)
	e.findUser("E3", "find by externalId", `externalId eq "`+external+`"`, u.name(), u.id)
	if mail := u.want.text(`emails[type eq "work"].value`); mail != "" {
		e.findUser("E3", "find by the work address", `emails[type eq "work"].value eq "`+mail+`"`, u.name(), u.id)
	}
	if strings.HasPrefix(external, "jyoung") {
		e.findUser("E3", "find by externalId without quotes", "externalId eq "+external, u.name(), u.id)
	}
	if a := e.send(request{step: "E6", what: "read a user", method: http.MethodGet, path: "/Users/" + u.id, accept: []int{200}}); a.ok {
		e.checkUser(u, a)
	}
}

// createGroups is the same for groups: their members come with the references.
func (e *entraClient) createGroups() {
	for range e.Groups {
		g := e.addGroup()
		name, external := e.groupName("Group", g.n+1), e.guid("group", g.n)
		e.findGroup("E20", "is the group there?", `displayName eq "`+name+`"`, name, "")
		e.createGroup("E21", "make a group; made again it is 409", g, `{"schemas":["`+schemaGroup+
			`","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":`+js(external)+`,"displayName":`+js(name)+
			`,"meta":{"resourceType":"Group"}}`, map[string]any{"displayName": name, "externalId": external})
		if g.here() {
			e.findGroup("E20", "is the group there?", `displayName eq "`+name+`"`, name, g.id)
			e.findGroup("E20", "find by externalId", `externalId eq "`+external+`"`, name, g.id)
			e.readGroup(g)
		}
	}
}

// readGroup is E22.
func (e *entraClient) readGroup(g *group) {
	a := e.send(request{step: "E22", what: "read a group without its members", method: http.MethodGet, path: "/Groups/" + g.id,
		query: "excludedAttributes=members", accept: []int{200}})
	if a.ok {
		_, has := a.body["members"]
		e.expect("E22", g.name(), "members, which were excluded, are there", has, false)
		e.checkGroup(g, a)
	}
}

// hasManager is E7, hasMember E8: the checks before and after a reference is written.
func (e *entraClient) hasManager(u, manager *user, is bool) {
	filter := `id eq "` + u.id + `" and manager eq "` + manager.id + `"`
	switch u.n % 3 {
	case 1:
		filter = `manager eq "` + manager.id + `" and id eq "` + u.id + `"`
	case 2:
		filter = `ID eq "` + u.id + `" and manager eq "` + manager.id + `"`
	}
	e.reference("E7", "is it the manager?", "/Users", filter, u.name()+" under "+manager.name(), u.id, is)
}

func (e *entraClient) hasMember(g *group, u *user, is bool) {
	e.reference("E8", "is it a member?", "/Groups", `id eq "`+g.id+`" and members eq "`+u.id+`"`, u.name()+" in "+g.name(), g.id, is)
}

func (e *entraClient) reference(step, what, path, filter, subject, id string, is bool) {
	if !is {
		id = ""
	}
	e.find(request{step: step, what: what, path: path, query: "filter=" + e.query(filter) + "&attributes=id"}, subject, id)
}

// assignManagers is E16, in every form that was seen.
func (e *entraClient) assignManagers() {
	for _, u := range e.users[1:] {
		manager := e.users[(u.n-1)/5]
		if !u.here() || !manager.here() {
			continue
		}
		e.hasManager(u, manager, false)
		path := enterprise + ":manager"
		if u.n%2 == 0 {
			path = "manager"
		}
		var value raw
		switch u.n % 3 {
		case 0:
			value = raw(`[{"$ref":` + js(e.wire.base+"/Users/"+manager.id) + `,"value":` + js(manager.id) + `}]`)
		case 1:
			value = raw(`{"value":` + js(manager.id) + `}`)
		case 2:
			value = raw(js(manager.id))
		}
		e.change("E16", "set the manager", http.MethodPatch, u, patch(e.op("Add", path, value)), map[string]any{managerValue: manager.id})
		e.hasManager(u, manager, true)
	}
}

// removeManagers is E17, in its three forms.
func (e *entraClient) removeManagers() {
	for i, u := range e.users[1:] {
		manager := e.users[(u.n-1)/5]
		if i%4 != 0 || !u.here() || !manager.here() {
			continue
		}
		e.hasManager(u, manager, true)
		op := e.op("Remove", "manager", nil)
		switch i / 4 % 3 {
		case 1:
			op = e.op("Replace", "manager", raw(`{"value":""}`))
		case 2:
			op = e.op("Replace", enterprise+":manager", "")
		}
		e.change("E17", "remove the manager", http.MethodPatch, u, patch(op), map[string]any{managerValue: nil})
		e.hasManager(u, manager, false)
	}
}

// entraMembers are members as Entra writes them.
func entraMembers(users ...*user) raw {
	all := make([]string, len(users))
	for i, u := range users {
		all[i] = `{"$ref":null,"value":` + js(u.id) + `}`
	}
	return raw("[" + strings.Join(all, ",") + "]")
}

// add is E24.
func (e *entraClient) add(what string, g *group, users ...*user) {
	e.changeGroup("E24", what, http.MethodPatch, g, patch(e.op("Add", "members", entraMembers(users...))), nil, func() { g.join("E24", users...) })
}

// remove is E25, or E26 with the flag.
func (e *entraClient) remove(what string, g *group, users ...*user) {
	step, ops := "E25", []string{e.op("Remove", "members", entraMembers(users...))}
	if e.flag {
		step, ops = "E26", nil
		for _, u := range users {
			ops = append(ops, e.op("remove", `members[value eq "`+u.id+`"]`, nil))
		}
	}
	e.changeGroup(step, what, http.MethodPatch, g, patch(ops...), nil, func() { g.leave(step, users...) })
}

// fillGroups ends the first cycle: one member after the other.
func (e *entraClient) fillGroups() {
	for _, g := range e.groups {
		for _, u := range e.team(g) {
			if g.here() {
				e.hasMember(g, u, false)
				e.add("add a member", g, u)
				e.hasMember(g, u, true)
			}
		}
	}
	in, out := e.team(e.groups[0]), e.team(e.groups[1])
	if len(in) > 0 && len(out) > 0 {
		e.nothingNew("add who is there, remove who is not", e.groups[0], patch(e.op("Add", "members", entraMembers(in[0]))),
			patch(e.op("Remove", "members", entraMembers(out[0]))))
	}
}

// updateGroups renames groups and moves their members, each group's first to the next; adds everyone to one group in one
// request and to another in many at once.
func (e *entraClient) updateGroups() {
	for _, g := range e.groups {
		name, external := e.groupName("Renamed", g.n+1), e.guid("regrouped", g.n)
		e.rename(g, "displayName", name)
		e.rename(g, "externalId", external)
		if g.here() {
			e.findGroup("E20", "find the renamed group", `displayName eq "`+name+`"`, name, g.id)
		}
	}
	for _, g := range e.groups {
		next := e.groups[(g.n+1)%len(e.groups)]
		team := e.team(g)
		if len(team) == 0 || !g.here() || !next.here() {
			continue
		}
		e.remove("remove a member, who moves on", g, team[0])
		e.hasMember(g, team[0], false)
		e.add("add a member", next, team[0])
		e.hasMember(next, team[0], true)
	}
	everyone, last := e.there(), e.groups[len(e.groups)-1]
	if len(everyone) == 0 {
		return
	}
	e.add("add everyone in one request", e.groups[0], everyone...)
	e.remove("remove half of them in one request", e.groups[0], everyone[:len(everyone)/2]...)
	e.sideBySide(e.groups[1], everyone)
	e.changeGroup("E27", "replace the members: who is not named leaves", http.MethodPatch, last,
		patch(e.op("Replace", "members", raw(`[{"value":`+js(everyone[0].id)+`}]`))), nil, func() { last.only("E27", everyone[0]) })
	e.changeGroup("E28", "remove and add in one request", http.MethodPatch, last,
		patch(e.op("Remove", `members[value eq "`+everyone[0].id+`"]`, nil), e.op("Add", "members", entraMembers(everyone[1:3]...))), nil,
		func() { last.only("E28", everyone[1:3]...) })
	for _, g := range e.groups {
		if g.here() {
			e.readGroup(g)
		}
	}
}

// rename is E23.
func (e *entraClient) rename(g *group, attribute, value string) {
	op := e.op("Replace", attribute, value)
	if e.flag {
		op = e.op("replace", "", map[string]any{attribute: value})
	}
	e.changeGroup("E23", "rename a group", http.MethodPatch, g, patch(op), map[string]any{attribute: value}, nil)
}

// sideBySide adds members by many requests at the same time: none may get lost (A22).
func (e *entraClient) sideBySide(g *group, users []*user) {
	if !g.here() || e.err != nil {
		return
	}
	const width = 10
	for part := range slices.Chunk(users, width) {
		requests, answers := make([]request, len(part)), make([]sent, len(part))
		var all sync.WaitGroup
		for i, u := range part {
			requests[i] = request{step: "A22", what: "add members side by side", method: http.MethodPatch, path: "/Groups/" + g.id,
				body: patch(e.op("Add", "members", entraMembers(u))), accept: patchStatus}
			all.Go(func() { answers[i] = e.sendOnly(requests[i]) })
		}
		all.Wait()
		for i, u := range part {
			if a := e.note(requests[i], answers[i]); a.ok {
				g.join("A22", u)
			}
		}
	}
}

// inbound is E30: Entra reads the server as a source of people.
func (e *entraClient) inbound() {
	const form = "2006-01-02T15:04:05Z"
	from, to := time.Now().UTC().Add(-24*time.Hour).Format(form), time.Now().UTC().Add(24*time.Hour).Format(form)
	for _, filter := range []string{
		`active eq true and (meta.lastModified ge "` + from + `" and meta.lastModified le "` + to + `")`,
		`(ActiVe eq true) and meta.lastmodified ge "` + from + `"`,
	} {
		a := e.send(request{step: "E30", what: "read who changed", method: http.MethodGet, path: "/Users",
			query: "filter=" + e.query(filter) + "&count=5&startIndex=1", accept: []int{200}})
		if !a.ok {
			continue
		}
		list := e.listOf("E30", "who changed", a)
		e.expect("E30", "who changed", "number on a page of 5", len(list), 5)
		for _, v := range list {
			r, _ := v.(map[string]any)
			if active, says := r["active"]; says { // somebody else's user may say nothing
				e.expect("E30", "who changed", "active", active, true)
			}
		}
	}
}
