package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

func isError(err, want error) bool {
	return want == nil && err == nil || want != nil && errors.Is(err, want)
}

var readCases = []testCase{
	{name: "get returns what was created", run: func(f *fixture) {
		before := time.Now().Add(-time.Second).UTC()
		r := owned(user("Ada@example.com", "name", map[string]any{"familyName": "Lovelace"}, "active", true), "client:okta", "00u1")
		made := f.create(r)
		got := f.get(r.Ref)
		checkEqual(f, "Get()", got, made)
		checkEqual(f, "header", got.Header, scim.Header{Ref: r.Ref, ExternalID: "00u1", Owner: "client:okta",
			Created: got.Created, LastModified: got.Created, Version: 1})
		back, err := got.Resource()
		checkError(f, "Resource()", err, nil)
		checkEqual(f, "attributes", back.Attributes, r.Attributes)
		if got.Created.Before(before) || got.Created.After(time.Now().Add(time.Second)) || got.Created.Location() != time.UTC {
			f.Errorf("Created = %v, want about now, in UTC", got.Created)
		}
	}},
	{name: "get of what is not there is ErrNotFound", run: func(f *fixture) {
		for _, ref := range []scim.Ref{
			{Type: "User", ID: scim.NewID()}, {Type: "User", ID: ""}, {Type: "User", ID: "a/b"}, {Type: "User", ID: "a\x00b c"},
			{Type: "User", ID: strings.Repeat("x", 5000)}, {Type: "Printer", ID: scim.NewID()}, {},
		} {
			_, err := f.Get(f.ctx, ref, scim.With{})
			checkError(f, "Get("+ref.String()+")", err, scim.ErrNotFound)
		}
		u := f.create(user("a"))
		_, err := f.Get(f.ctx, scim.Ref{Type: "Group", ID: u.ID}, scim.With{})
		checkError(f, "Get() under another type", err, scim.ErrNotFound)
	}},
	{name: "what get returns belongs to the caller", run: func(f *fixture) {
		u := f.create(user("a", "title", "one"))
		r, err := f.get(u.Ref).Resource()
		checkError(f, "Resource()", err, nil)
		r.Attributes["title"] = "two"
		again, err := f.get(u.Ref).Resource()
		checkError(f, "Resource()", err, nil)
		checkEqual(f, "title", again.Attributes["title"], "one")
	}},
	{name: "what commit was given may be changed afterwards", run: func(f *fixture) {
		u := user("a", "title", "one")
		c := &scim.Commit{Ref: u.Ref, Put: u}
		f.commit(c)
		u.Attributes["title"] = "two"
		u.ExternalID = "changed"
		c.Ref.ID = "changed"
		got, err := f.get(u.Ref).Resource()
		checkError(f, "Resource()", err, nil)
		checkEqual(f, "title", got.Attributes["title"], "one")
		checkEqual(f, "externalId", got.ExternalID, "")
	}},
	{name: "groups come where asked for, in order of id, with names", run: func(f *fixture) {
		u := f.create(user("a"))
		var want []scim.Membership
		for _, name := range []string{"Zebra", "Ant", "Mole"} {
			g := f.create(group(name), u.Ref)
			want = append(want, scim.Membership{Ref: g.Ref, Display: name, Direct: true})
		}
		slices.SortFunc(want, func(a, b scim.Membership) int { return strings.Compare(a.ID, b.ID) })
		checkEqual(f, "Groups", f.get(u.Ref).Groups, want)
		plain, err := f.Get(f.ctx, u.Ref, scim.With{})
		checkError(f, "Get()", err, nil)
		checkEqual(f, "Groups without With", plain.Groups, nil)
		found, err := f.Lookup(f.ctx, "User", "userName", "a", scim.With{Groups: true})
		checkError(f, "Lookup()", err, nil)
		checkEqual(f, "Groups by Lookup", found.Groups, want)
	}},
	{name: "lookup by the attribute's own comparison", run: func(f *fixture) {
		u := f.create(owned(user("Ada@Example.com"), "", "X1"))
		g := f.create(group("The Staff"))
		for _, c := range []struct {
			typ, attr, value string
			want             string // id, "" for none
		}{
			{"User", "userName", "ada@example.COM", u.ID},
			{"User", "username", "Ada@Example.com", u.ID},
			{"User", "userName", "ada", ""},
			{"User", "userName", "", ""},
			{"User", "userName", "\x00" + u.ID, ""},
			{"User", "userName", strings.Repeat("a", 9000), ""},
			{"User", "displayName", "The Staff", ""},
			{"Group", "displayName", "the staff", g.ID},
			{"User", "externalId", "X1", u.ID},
			{"User", "externalId", "x1", ""},
			{"Group", "externalId", "X1", ""},
			{"User", "id", u.ID, u.ID},
			{"Group", "id", u.ID, ""},
			{"User", "externalId", u.ID, ""},
			{"Printer", "userName", "a", ""},
		} {
			got, err := f.Lookup(f.ctx, c.typ, c.attr, c.value, scim.With{})
			switch {
			case c.want == "":
				checkError(f, "Lookup("+c.attr+")", err, scim.ErrNotFound)
			case err != nil || got.ID != c.want:
				f.Errorf("Lookup(%s, %s, %q) = %v, %v, want %s", c.typ, c.attr, c.value, got, err, c.want)
			}
		}
	}},
	{name: "lookup by externalId prefers the actor's own, else the lowest id", run: func(f *fixture) {
		first := f.create(owned(user("a"), "client:okta", "42"))
		second := f.create(owned(user("b"), "source:corp", "42"))
		lowest := min(first.ID, second.ID)
		for _, c := range []struct {
			name string
			ctx  context.Context
			want string
		}{
			{"nobody", f.ctx, lowest},
			{"source", as(f.ctx, "source", "corp", ""), second.ID},
			{"client", as(f.ctx, "token", "t1", "okta"), first.ID},
			{"another client", as(f.ctx, "token", "t2", "entra"), lowest},
		} {
			got, err := f.Lookup(c.ctx, "User", "externalId", "42", scim.With{})
			if err != nil || got.ID != c.want {
				f.Errorf("Lookup() as %s = %v, %v, want %s", c.name, got, err, c.want)
			}
		}
	}},
	{name: "a cancelled context ends each call with its error", run: func(f *fixture) {
		u := f.create(user("a"))
		ctx, cancel := context.WithCancel(f.ctx)
		cancel()
		_, getErr := f.Get(ctx, u.Ref, scim.With{})
		_, lookupErr := f.Lookup(ctx, "User", "userName", "a", scim.With{})
		_, queryErr := f.Query(ctx, &scim.Query{Types: []string{"User"}, Count: 1})
		_, commitErr := f.Commit(ctx, replace(u, set("title", "x")))
		_, changesErr := f.Changes(ctx, 0, 1)
		_, kvErr := f.KV("s").Get(ctx, "k")
		_, lockErr := f.Lock(ctx, "l", "me", time.Second)
		var membersErr, ownedErr error
		for _, membersErr = range f.Members(ctx, scim.Ref{Type: "Group", ID: u.ID}, scim.Ref{}) {
		}
		for _, ownedErr = range f.Owned(ctx, "", "User") {
		}
		for what, err := range map[string]error{
			"Get": getErr, "Lookup": lookupErr, "Query": queryErr, "Commit": commitErr, "Changes": changesErr,
			"KV.Get": kvErr, "Lock": lockErr, "Members": membersErr, "Owned": ownedErr,
			"CommitMany": f.CommitMany(ctx, []*scim.Commit{replace(u, set("title", "x"))})[0].Err,
		} {
			if !errors.Is(err, context.Canceled) {
				f.Errorf("%s() = %v, want %v", what, err, context.Canceled)
			}
		}
		checkEqual(f, "version", f.get(u.Ref).Version, u.Version)
	}},
	{name: "workspaces share nothing", run: func(f *fixture) {
		u := f.create(user("ada"))
		other, err := f.store.CreateWorkspace(f.ctx, "other")
		checkError(f, "CreateWorkspace()", err, nil)
		v := user("ada")
		_, err = other.Commit(f.ctx, &scim.Commit{Ref: v.Ref, Put: v})
		checkError(f, "Commit() of the same name", err, nil)
		_, err = other.Get(f.ctx, u.Ref, scim.With{})
		checkError(f, "Get() across", err, scim.ErrNotFound)
		got, err := other.Lookup(f.ctx, "User", "userName", "ada", scim.With{})
		if err != nil || got.ID != v.ID || got.Version != 1 {
			f.Errorf("Lookup() = %v, %v, want %s at version 1", got, err, v.ID)
		}
		g := group("staff")
		done, err := other.Commit(f.ctx, &scim.Commit{Ref: g.Ref, Put: g, Edges: add(u.Ref)})
		if err != nil || len(done.Dropped) != 1 {
			f.Errorf("Commit() of a member of another workspace = %+v, %v, want it dropped", done, err)
		}
	}},
	{name: "workspaces are listed by name, and made once", run: func(f *fixture) {
		for _, name := range []string{"zoo", "acme"} {
			_, err := f.store.CreateWorkspace(f.ctx, name)
			checkError(f, "CreateWorkspace("+name+")", err, nil)
		}
		_, err := f.store.CreateWorkspace(f.ctx, "acme")
		checkError(f, "CreateWorkspace() again", err, scim.ErrUniqueness)
		_, err = f.store.CreateWorkspace(f.ctx, "default")
		checkError(f, "CreateWorkspace(default)", err, scim.ErrUniqueness)
		for _, name := range []string{"", "sys", "A", "a b", "{a}", "-a", "a/b", strings.Repeat("a", 64)} {
			_, err = f.store.CreateWorkspace(f.ctx, name)
			checkError(f, "CreateWorkspace("+name+")", err, scim.ErrInvalidValue)
			_, err = f.store.Workspace(f.ctx, name)
			checkError(f, "Workspace("+name+")", err, scim.ErrNotFound)
		}
		_, err = f.store.Workspace(f.ctx, "nowhere")
		checkError(f, "Workspace()", err, scim.ErrNotFound)
		infos, err := f.store.Workspaces(f.ctx)
		checkError(f, "Workspaces()", err, nil)
		var names []string
		for _, i := range infos {
			names = append(names, i.Name)
		}
		checkEqual(f, "Workspaces()", names, []string{"acme", "default", "zoo"})
	}},
}
