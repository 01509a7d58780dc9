package storetest

import (
	"fmt"
	"testing"

	"rollcall/scim"
	"rollcall/store"
)

var memberCases = []testCase{
	{name: "members come in order of type and id, behind a given one", run: func(f *fixture) {
		a, b := f.create(user("a")).Ref, f.create(user("b")).Ref
		inner := f.create(group("inner")).Ref
		g := f.create(group("g"), b, inner, a).Ref
		want := sorted(a, b, inner)
		checkEqual(f, "Members()", f.members(g), want)
		for i, after := range want {
			var rest []scim.Ref
			for m, err := range f.Members(f.ctx, g, after) {
				checkError(f, "Members()", err, nil)
				rest = append(rest, m)
			}
			checkEqual(f, "Members() behind "+after.String(), len(rest), len(want)-i-1)
		}
		for range f.Members(f.ctx, g, scim.Ref{}) {
			break
		}
	}},
	{name: "a group that does not exist has no members", run: func(f *fixture) {
		checkEqual(f, "Members()", f.members(scim.Ref{Type: "Group", ID: scim.NewID()}), nil)
		checkEqual(f, "Members()", f.members(scim.Ref{Type: "Group", ID: "a/b"}), nil)
		checkEqual(f, "Members()", f.members(f.create(user("a")).Ref), nil)
	}},
	{name: "adding and removing make a version of the group alone", run: func(f *fixture) {
		u := f.create(user("a"))
		g := f.create(group("g"))
		done := f.commit(edgesOf(g.Ref, add(u.Ref)))
		checkEqual(f, "Added", []int{done.Added, done.Removed}, []int{1, 0})
		checkEqual(f, "Changed", done.Changed, true)
		checkEqual(f, "Version", done.Stored.Version, g.Version+1)
		checkEqual(f, "Stored", f.get(g.Ref), done.Stored)
		done = f.commit(edgesOf(g.Ref, drop(u.Ref)))
		checkEqual(f, "Removed", []int{done.Added, done.Removed}, []int{0, 1})
		checkEqual(f, "Stored", f.get(g.Ref), done.Stored)
		checkEqual(f, "user's version", f.get(u.Ref).Version, u.Version)
		checkEqual(f, "Created", done.Stored.Created, g.Created)
	}},
	{name: "adding what is there and removing what is not are no changes", run: func(f *fixture) {
		u, v := f.create(user("a")).Ref, f.create(user("b")).Ref
		g := f.create(group("g"), u)
		for name, edges := range map[string][]scim.EdgeChange{
			"again": add(u), "absent": drop(v), "unknown": drop(scim.Ref{Type: "User", ID: scim.NewID()}),
			"there and back": append(add(v), drop(v)...), "back and there": append(drop(u), add(u)...), "none": nil,
		} {
			done := f.commit(edgesOf(g.Ref, edges))
			if done.Changed || done.Added != 0 || done.Removed != 0 {
				f.Errorf("%s: Commit() = %+v, want no change", name, done)
			}
			checkEqual(f, name+": Stored", done.Stored, g)
		}
		checkEqual(f, "members", f.members(g.Ref), []scim.Ref{u})
		checkEqual(f, "changes", len(f.changes(0)), 3)
		f.refused(&scim.Commit{Ref: g.Ref, Expect: 99, Edges: add(u)}, scim.ErrVersionMismatch)
	}},
	{name: "the last of several changes to one member counts", run: func(f *fixture) {
		u, v := f.create(user("a")).Ref, f.create(user("b")).Ref
		g := f.create(group("g"), u)
		edges := append(append(drop(u, v), add(v, v)...), drop(u)...)
		done := f.commit(edgesOf(g.Ref, edges))
		checkEqual(f, "Added, Removed", []int{done.Added, done.Removed}, []int{1, 1})
		checkEqual(f, "members", f.members(g.Ref), []scim.Ref{v})
	}},
	{name: "an unknown member is dropped and named, or refused", run: func(f *fixture) {
		u := f.create(user("a")).Ref
		nobody := scim.NewID()
		g := f.create(group("g"))
		for name, m := range map[string]scim.Ref{
			"nobody": {Type: "User", ID: nobody}, "untyped": {ID: nobody}, "wrong type": {Type: "Group", ID: u.ID},
			"no such type": {Type: "Printer", ID: u.ID}, "no id": {Type: "User"}, "no possible id": {ID: "a b"}, "itself": g.Ref,
		} {
			done := f.commit(edgesOf(g.Ref, add(m)))
			checkEqual(f, name+": Dropped", done.Dropped, []string{m.ID})
			checkEqual(f, name+": Changed", done.Changed, false)
			c := edgesOf(g.Ref, add(u, m))
			c.RefuseUnknown = true
			f.refused(c, scim.ErrInvalidValue)
		}
		checkEqual(f, "members", f.members(g.Ref), nil)
		c := edgesOf(g.Ref, append(add(u), drop(scim.Ref{ID: nobody})...))
		c.RefuseUnknown = true
		f.commit(c) // to remove what is not there is no error
	}},
	{name: "a member without a type is whichever resource has the id", run: func(f *fixture) {
		u, inner := f.create(user("a")).Ref, f.create(group("inner")).Ref
		g := f.create(group("g"), scim.Ref{ID: u.ID}, scim.Ref{ID: inner.ID}).Ref
		checkEqual(f, "Members()", f.members(g), sorted(u, inner))
		checkEqual(f, "Groups of the group", f.get(inner).Groups[0].ID, g.ID)
		done := f.commit(edgesOf(g, drop(scim.Ref{ID: u.ID}, scim.Ref{ID: inner.ID})))
		checkEqual(f, "Removed", done.Removed, 2)
		checkEqual(f, "Members()", f.members(g), nil)
	}},
	{name: "what has no attribute members refuses them", run: func(f *fixture) {
		u, v := f.create(user("a")), f.create(user("b"))
		f.refused(edgesOf(u.Ref, add(v.Ref)), scim.ErrInvalidValue)
	}},
	{name: "put and members are one change", run: func(f *fixture) {
		u, v := f.create(user("a")).Ref, f.create(user("b")).Ref
		g := f.create(group("g"), u)
		c := replace(g, set("displayName", "h"))
		c.Edges = append(add(v), drop(u)...)
		done := f.commit(c)
		checkEqual(f, "Version", done.Stored.Version, g.Version+1)
		checkEqual(f, "members", f.members(g.Ref), []scim.Ref{v})

		f.create(group("taken"))
		c = replace(done.Stored, set("displayName", "taken"))
		c.Edges = add(u)
		f.refused(c, scim.ErrUniqueness)
		checkEqual(f, "members after a refusal", f.members(g.Ref), []scim.Ref{v})

		same := replace(done.Stored, set("displayName", "h")) // nothing new but the member
		same.Edges = add(u)
		checkEqual(f, "Changed", f.commit(same).Changed, true)
		checkEqual(f, "Display", f.get(u).Groups[0].Display, "h")
	}},
	{name: "a deleted user leaves its groups, which change", run: func(f *fixture) {
		u, v := f.create(user("a")), f.create(user("b"))
		g, h := f.create(group("g"), u.Ref, v.Ref), f.create(group("h"), u.Ref)
		other := f.create(group("other"), v.Ref)
		f.commit(remove(u))
		checkEqual(f, "members", f.members(g.Ref), []scim.Ref{v.Ref})
		checkEqual(f, "members", f.members(h.Ref), nil)
		last := f.changes(0)[5]
		checkEqual(f, "Op", last.Op, "delete")
		checkEqual(f, "Groups", sorted(last.Groups...), sorted(g.Ref, h.Ref))
		for _, ref := range []scim.Ref{g.Ref, h.Ref} {
			checkEqual(f, "group's version", f.get(ref).Version, last.Version)
			checkEqual(f, "group's time", f.get(ref).LastModified, last.Time)
		}
		checkEqual(f, "group's Created", f.get(g.Ref).Created, g.Created)
		checkEqual(f, "other group's version", f.get(other.Ref).Version, other.Version)
		f.refused(replace(g, set("displayName", "x")), scim.ErrVersionMismatch)
	}},
	{name: "a deleted group leaves its members and its groups", run: func(f *fixture) {
		u := f.create(user("a"))
		inner := f.create(group("inner"), u.Ref)
		outer := f.create(group("outer"), inner.Ref, u.Ref)
		f.commit(remove(inner))
		checkEqual(f, "outer's members", f.members(outer.Ref), []scim.Ref{u.Ref})
		checkEqual(f, "user's groups", len(f.get(u.Ref).Groups), 1)
		checkEqual(f, "user's version", f.get(u.Ref).Version, u.Version)
	}},
	{name: "groups may contain each other", run: func(f *fixture) {
		a := f.create(group("a"))
		b := f.create(group("b"), a.Ref)
		f.commit(edgesOf(a.Ref, add(b.Ref)))
		f.commit(remove(f.get(a.Ref)))
		checkEqual(f, "members", f.members(b.Ref), nil)
		f.commit(remove(f.get(b.Ref)))
	}},
	{name: "a big group in several commits, and one", run: func(f *fixture) {
		n := 5000
		if testing.Short() {
			n = 2500
		}
		users := f.users(n)
		g := f.create(group("big"))
		for from := 0; from < n; from += 500 {
			f.commit(edgesOf(g.Ref, add(users[from:from+500]...)))
		}
		checkEqual(f, "members", f.members(g.Ref), sorted(users...))
		nobody := scim.Ref{Type: "User", ID: scim.NewID()}
		h := group("at once")
		done := f.commit(&scim.Commit{Ref: h.Ref, Put: h, Edges: add(append(users[:len(users):len(users)], nobody)...)})
		checkEqual(f, "Added", done.Added, n)
		checkEqual(f, "Dropped", done.Dropped, []string{nobody.ID})
		checkEqual(f, "Stored", f.get(h.Ref), done.Stored)
		checkEqual(f, "members", len(f.members(h.Ref)), n)
		f.commit(remove(f.get(h.Ref)))
		checkEqual(f, "user's groups", len(f.get(users[n/2]).Groups), 1)
		f.refused(remove(g), scim.ErrVersionMismatch)
		checkEqual(f, "members after a refusal", len(f.members(g.Ref)), n)
		f.commit(&scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Delete: true})
		checkEqual(f, "user's groups", len(f.get(users[0]).Groups), 0)
	}},
	{name: "with RefuseUnknown a big change is refused whole", run: func(f *fixture) {
		users := f.users(store.MaxEdges + 10)
		g := f.create(group("g"))
		c := edgesOf(g.Ref, add(append(users, scim.Ref{Type: "User", ID: scim.NewID()})...))
		c.RefuseUnknown = true
		f.refused(c, scim.ErrInvalidValue)
		checkEqual(f, "members", len(f.members(g.Ref)), 0)
		checkEqual(f, "version", f.get(g.Ref).Version, g.Version)
	}},
	{name: "a user in more groups than one commit can leave is deleted", run: func(f *fixture) {
		u := f.create(user("a"))
		var commits []*scim.Commit
		for i := range store.MaxEdges + 100 {
			g := group(fmt.Sprintf("g%d", i))
			commits = append(commits, &scim.Commit{Ref: g.Ref, Put: g, Edges: add(u.Ref)})
		}
		for _, res := range f.CommitMany(f.ctx, commits) {
			checkError(f, "CommitMany()", res.Err, nil)
		}
		f.commit(remove(u))
		checkEqual(f, "members", f.members(commits[0].Ref), nil)
		_, err := f.Get(f.ctx, u.Ref, scim.With{})
		checkError(f, "Get()", err, scim.ErrNotFound)
	}},
}

// users creates n users.
func (f *fixture) users(n int) []scim.Ref {
	f.Helper()
	commits := make([]*scim.Commit, n)
	refs := make([]scim.Ref, n)
	for i := range commits {
		u := user(fmt.Sprintf("user%d", i))
		commits[i] = &scim.Commit{Ref: u.Ref, Put: u}
		refs[i] = u.Ref
	}
	for _, res := range f.CommitMany(f.ctx, commits) {
		checkError(f, "CommitMany()", res.Err, nil)
	}
	return refs
}
