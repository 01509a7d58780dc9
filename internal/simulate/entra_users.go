package simulate

import (
	"fmt"
	"net/http"
)

// updateUsers is the second cycle: everyone is looked for and changed.
func (e *entraClient) updateUsers() {
	for _, u := range e.users {
		if !u.here() {
			continue
		}
		e.findUser("E3", "is the user there?", `userName eq "`+u.name()+`"`, u.name(), u.id)
		e.profile(u, e.flag && u.n%10 != 9)
		switch u.n % 4 {
		case 0:
			e.change("E11", "add an attribute", http.MethodPatch, u, patch(e.op("Add", "nickName", "Babs")), map[string]any{"nickName": "Babs"})
		case 1:
			e.createValues(u)
		case 2:
			e.severalOnOne(u)
		}
		if u.n%10 == 3 {
			name := fmt.Sprintf("Test_User_Renamed_%s_%03d@example.com", e.letters(), u.n+1)
			e.change("E9", "rename a user", http.MethodPatch, u, patch(e.op("Replace", "userName", name)), map[string]any{"userName": name})
			e.findUser("E3", "is the user there?", `userName eq "`+name+`"`, name, u.id)
		}
		e.findAgain(u)
	}
}

// profile is E9, or E10 with the flag: a value filter by path, and all else in one value whose names are paths.
// Provisioning on demand does not know the flag, so that one tenant sends both.
func (e *entraClient) profile(u *user, flag bool) {
	const mail = `emails[type eq "work"].value`
	want := map[string]any{
		"displayName": fmt.Sprintf("Pvlo %03d", u.n+1), mail: fmt.Sprintf("new.%s.%03d@example.com", e.letters(), u.n+1),
		"name.givenName": "Newgiven", "name.familyName": "Newfamily", "externalId": e.guid("renumbered", u.n),
		enterprise + ":employeeNumber": fmt.Sprintf("E-%05d", u.n+1),
	}
	if flag {
		rest := map[string]any{}
		for path, v := range want {
			if path != mail {
				rest[path] = v
			}
		}
		e.change("E10", "change the profile: paths as names", http.MethodPatch, u,
			patch(`{"op":"replace","path":`+js(mail)+`,"value":`+js(want[mail])+`}`, `{"op":"replace","value":`+js(rest)+`}`), want)
	} else {
		var ops []string
		for _, path := range []string{"displayName", mail, "name.givenName", "name.familyName", "externalId", enterprise + ":employeeNumber"} {
			ops = append(ops, `{"op":"Replace","path":`+js(path)+`,"value":`+js(want[path])+`}`)
		}
		e.change("E9", "change the profile: a path each", http.MethodPatch, u, patch(ops...), want)
	}
	if u.here() {
		u.want.set("E12", map[string]any{"emails#": 1})
	}
}

// createValues is E12: paths that match nothing, of which the values are made.
func (e *entraClient) createValues(u *user) {
	op := "Add"
	if u.n%8 == 1 {
		op = "Replace"
	}
	want := map[string]any{}
	var ops []string
	for _, v := range []struct{ path, value string }{
		{`addresses[type eq "work"].formatted`, "100 Way"}, {`addresses[type eq "work"].streetAddress`, "100 Way"},
		{`addresses[type eq "work"].locality`, "Hollywood"}, {`addresses[type eq "work"].region`, "CA"},
		{`addresses[type eq "work"].postalCode`, "91608"}, {`addresses[type eq "work"].country`, "USA"},
		{`phoneNumbers[type eq "mobile"].value`, "+1 555 0100"},
		{`roles[primary eq "True"].value`, "Reader"}, {`roles[primary eq "True"].display`, "The reader"}, {`roles[primary eq "True"].type`, "App"},
	} {
		ops = append(ops, e.op(op, v.path, v.value))
		want[v.path] = v.value
	}
	want["addresses#"], want["phoneNumbers#"], want["roles#"] = 1, 1, 1
	e.change("E12", "paths that match nothing make the value", http.MethodPatch, u, patch(ops...), want)
}

// severalOnOne is E28: operations on one attribute, of which the last counts.
func (e *entraClient) severalOnOne(u *user) {
	external := e.guid("last", u.n)
	e.change("E28", "several operations on one attribute", http.MethodPatch, u, patch(e.op("Remove", "externalId", nil),
		e.op("Add", "externalId", e.guid("first", u.n)), e.op("Replace", "externalId", external)), map[string]any{"externalId": external})
}

// updateRoles is E18: app roles as text (single), and as JSON in a text (complex: Add; assertive: Replace). A server may
// keep such a text or read it.
func (e *entraClient) updateRoles() {
	role := func(name string) string {
		return `{"id":` + js(e.guid(name, 0)) + `,"value":` + js(name) + `,"displayName":` + js(name) + `}`
	}
	value := func(name string) raw { return raw(`[{"value":` + js(role(name)) + `}]`) }
	kept := func(name string) oneOf { return oneOf{name, role(name)} }
	for _, u := range e.users {
		switch u.n % 8 {
		case 0:
			e.change("E18", "an app role", http.MethodPatch, u, patch(e.op("Add", `roles[primary eq "True"].value`, "Admin")),
				map[string]any{`roles[primary eq "True"].value`: "Admin", "roles#": 1})
		case 2:
			e.change("E18", "app roles as JSON in a text", http.MethodPatch, u, patch(e.op("Add", "roles", value("Admin"))),
				map[string]any{"roles*": kept("Admin"), "roles#": 1})
		case 6:
			e.change("E18", "app roles as JSON in a text", http.MethodPatch, u, patch(e.op("Add", "roles", value("Admin"))),
				map[string]any{"roles*": kept("Admin"), "roles#": 1})
			e.change("E18", "app roles as JSON in a text, assertive", http.MethodPatch, u, patch(e.op("Replace", "roles", value("Reader"))),
				map[string]any{"roles*": kept("Reader"), "roles#": 1})
		}
	}
}

// active is E13 and E15, or E14 with the flag: "False" and false. Without it, an Add was seen as well.
func (e *entraClient) active(step, what string, u *user, active bool) {
	var op string
	switch {
	case e.flag:
		op = e.op("replace", "active", active)
	case u.n%2 == 1:
		op = e.op("Add", "active", map[bool]string{true: "True", false: "False"}[active])
	default:
		op = e.op("Replace", "active", map[bool]string{true: "True", false: "False"}[active])
	}
	e.change(step, what, http.MethodPatch, u, patch(op), map[string]any{"active": active})
}

func (e *entraClient) off() string {
	if e.flag {
		return "E14"
	}
	return "E13"
}

// disableAndRestore is the third cycle: who leaves stays readable, findable and a member (A18), and comes back with
// the same id.
func (e *entraClient) disableAndRestore() {
	leavers := e.every(3)
	for _, u := range leavers {
		e.active(e.off(), "disable", u, false)
		e.checkActive(e.off(), u, e.findUser("E3", "is the user there?", `userName eq "`+u.name()+`"`, u.name(), u.id))
		for _, g := range e.groups {
			if _, in := g.members[u]; in && g.here() {
				e.hasMember(g, u, true)
			}
		}
	}
	e.readBack()
	for _, u := range leavers {
		e.active("E15", "restore", u, true)
		e.checkActive("E15", u, e.findUser("E3", "is the user there?", `userName eq "`+u.name()+`"`, u.name(), u.id))
	}
	e.readBack()
}

// every are the users that are there, one of n.
func (e *entraClient) every(n int) []*user {
	var some []*user
	for _, u := range e.there() {
		if u.n%n == 1 {
			some = append(some, u)
		}
	}
	return some
}

// deleteForGood is E19 and E29: disabled first, and deleted when the bin is emptied.
func (e *entraClient) deleteForGood() {
	for _, u := range e.every(5) {
		e.active("E19", "soft delete", u, false)
		e.deleteUser("E19", "delete for good; again it is 404", u)
		if u.gone {
			e.send(request{step: "E6", what: "a deleted user is 404", method: http.MethodGet, path: "/Users/" + u.id, accept: []int{404}})
			e.findUser("E3", "is the user there?", `userName eq "`+u.name()+`"`, u.name(), "")
			e.forget(u)
		}
	}
	g := e.groups[2]
	e.deleteGroup("E29", "delete a group; again it is 404", g)
	if g.gone {
		e.findGroup("E20", "is the group there?", `displayName eq "`+g.name()+`"`, g.name(), "")
	}
}

// forget leaves it open what a manager is who was deleted: Entra removes the reference itself.
func (e *entraClient) forget(gone *user) {
	for _, u := range e.users {
		if u.want[managerValue].value == gone.id {
			delete(u.want, managerValue)
		}
	}
}
