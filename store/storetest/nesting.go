package storetest

import (
	"fmt"

	"rollcall/scim"
)

// told is a user's groups by name, with what each is.
func told(groups []scim.Membership) map[string]string {
	all := map[string]string{}
	for _, g := range groups {
		kind := "indirect"
		if g.Direct {
			kind = "direct"
		}
		all[g.Display] += kind // twice shows
	}
	return all
}

// checkGroups holds what each way of reading says of a resource's groups against what is wanted.
func (f *fixture) checkGroups(what string, ref scim.Ref, want map[string]string) {
	f.Helper()
	with := scim.With{Groups: true}
	checkEqual(f, what+": Get()", told(f.get(ref).Groups), want)
	if ref.Type != "User" {
		return
	}
	r, err := f.get(ref).Resource()
	checkError(f, what, err, nil)
	s, err := f.Lookup(f.ctx, "User", "userName", r.UserName(), with)
	checkError(f, what+": Lookup()", err, nil)
	checkEqual(f, what+": Lookup()", told(s.Groups), want)
	page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Count: 100, With: with})
	checkError(f, what+": Query()", err, nil)
	for _, s := range page.Resources {
		if s.Ref == ref {
			checkEqual(f, what+": Query()", told(s.Groups), want)
		}
	}
}

// within asks who is in a group, by one kind of membership or ("") either.
func (f *fixture) within(group scim.Ref, kind string) (ids []string) {
	f.Helper()
	text := `groups.value eq "` + group.ID + `"`
	if kind != "" {
		text = `groups[value eq "` + group.ID + `" and type eq "` + kind + `"]`
	}
	page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Filter: parse(f, text), Count: 100})
	checkError(f, text, err, nil)
	return idsOf(page.Resources)
}

var nestingCases = []testCase{
	{name: "who is in a group is an indirect member of those around it", run: func(f *fixture) {
		u, v := f.create(user("ada")).Ref, f.create(user("bob")).Ref
		team := f.create(group("team"), u).Ref
		dept := f.create(group("dept"), team).Ref
		all := f.create(group("all"), dept, team, v).Ref
		f.checkGroups("ada", u, map[string]string{"team": "direct", "dept": "indirect", "all": "indirect"})
		f.checkGroups("bob", v, map[string]string{"all": "direct"})
		f.checkGroups("team", team, map[string]string{"dept": "direct", "all": "direct"})
		checkEqual(f, "all", f.within(all, ""), sortedIDs(u.ID, v.ID))
		checkEqual(f, "all, directly", f.within(all, "direct"), []string{v.ID})
		checkEqual(f, "all, indirectly", f.within(all, "indirect"), []string{u.ID})
		checkEqual(f, "Members()", f.members(all), sorted(dept, team, v)) // the direct ones alone

		f.commit(edgesOf(all, add(u)))
		f.checkGroups("ada, a direct member too", u, map[string]string{"team": "direct", "dept": "indirect", "all": "direct"})
		checkEqual(f, "all, indirectly", f.within(all, "indirect"), nil)
	}},
	{name: "a change in the middle shows at the end, and is no version of it", run: func(f *fixture) {
		u := f.create(user("ada"))
		team := f.create(group("team"), u.Ref)
		dept := f.create(group("dept"), team.Ref)
		all := f.create(group("all"), dept.Ref)
		f.commit(replace(all, set("displayName", "everybody")))
		f.checkGroups("renamed", u.Ref, map[string]string{"team": "direct", "dept": "indirect", "everybody": "indirect"})
		last := f.commit(edgesOf(dept.Ref, drop(team.Ref)))
		f.checkGroups("taken out", u.Ref, map[string]string{"team": "direct"})
		checkEqual(f, "all", f.within(all.Ref, ""), nil)
		c := f.changes(last.Stored.Version - 1)[0]
		checkEqual(f, "Ref", c.Ref, dept.Ref)
		checkEqual(f, "Edges", c.Edges, drop(team.Ref))
		dept = f.commit(edgesOf(dept.Ref, add(team.Ref))).Stored
		f.checkGroups("put back", u.Ref, map[string]string{"team": "direct", "dept": "indirect", "everybody": "indirect"})
		checkEqual(f, "all", f.within(all.Ref, "indirect"), []string{u.ID})
		f.commit(remove(dept))
		f.checkGroups("deleted", u.Ref, map[string]string{"team": "direct"})
		checkEqual(f, "all", f.within(all.Ref, ""), nil)
		checkEqual(f, "user's version", f.get(u.Ref).Version, u.Version)
	}},
	{name: "groups in a circle are safe", run: func(f *fixture) {
		u, v := f.create(user("ada")).Ref, f.create(user("bob")).Ref
		a := f.create(group("a"), u).Ref
		b := f.create(group("b"), a, v).Ref
		c := f.create(group("c"), b).Ref
		f.commit(edgesOf(a, add(c)))
		f.checkGroups("ada", u, map[string]string{"a": "direct", "b": "indirect", "c": "indirect"})
		f.checkGroups("bob", v, map[string]string{"b": "direct", "c": "indirect", "a": "indirect"})
		f.checkGroups("a", a, map[string]string{"b": "direct", "c": "indirect"})
		for _, g := range []scim.Ref{a, b, c} {
			checkEqual(f, "within "+g.ID, f.within(g, ""), sortedIDs(u.ID, v.ID))
		}
		checkEqual(f, "within a, indirectly", f.within(a, "indirect"), []string{v.ID})
	}},
	{name: "a chain counts as far as its limit", run: func(f *fixture) {
		u := f.create(user("ada")).Ref
		chain := []scim.Ref{u}
		for i := range scim.MaxNesting + 2 {
			chain = append(chain, f.create(group(fmt.Sprint("g", i)), chain[i]).Ref)
		}
		s := f.get(u)
		checkEqual(f, "memberships", len(s.Groups), scim.MaxNesting+1) // the direct one, and those beyond
		checkEqual(f, "the last within the limit", f.within(chain[scim.MaxNesting+1], ""), []string{u.ID})
		checkEqual(f, "the first beyond", f.within(chain[scim.MaxNesting+2], ""), nil)
		page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Count: 2, With: scim.With{Groups: true}})
		checkError(f, "Query()", err, nil)
		checkEqual(f, "memberships of a page", page.Resources[0].Groups, s.Groups)
	}},
	{name: "of very many groups around one the nearest are told", run: func(f *fixture) {
		u, v := f.create(user("ada")).Ref, f.create(user("bob")).Ref
		inner := f.create(group("inner"), u).Ref
		near := f.create(group("near"), inner).Ref
		var commits []*scim.Commit
		for i := range scim.MaxIndirect + 5 {
			g := group(fmt.Sprint("g", i))
			commits = append(commits, &scim.Commit{Ref: g.Ref, Put: g, Edges: add(near)})
		}
		for _, res := range f.CommitMany(f.ctx, commits) {
			checkError(f, "CommitMany()", res.Err, nil)
		}
		s := f.get(u)
		checkEqual(f, "memberships", len(s.Groups), scim.MaxIndirect+1)
		checkEqual(f, "near", told(s.Groups)["near"], "indirect")
		page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Count: 2, With: scim.With{Groups: true}})
		checkError(f, "Query()", err, nil)
		for _, other := range page.Resources {
			if other.Ref != v {
				checkEqual(f, "memberships of a page", other.Groups, s.Groups)
			}
		}
	}},
}
