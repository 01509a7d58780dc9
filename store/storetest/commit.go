package storetest

import (
	"errors"
	"fmt"
	"strings"

	"rollcall/scim"
	"rollcall/store"
)

var commitCases = []testCase{
	{name: "create expects that nothing is there", run: func(f *fixture) {
		u := f.create(user("a"))
		again := user("b")
		again.ID = u.ID
		f.refused(&scim.Commit{Ref: u.Ref, Put: again}, scim.ErrVersionMismatch)
		checkEqual(f, "version", f.get(u.Ref).Version, u.Version)
	}},
	{name: "a reference that can be no resource is refused", run: func(f *fixture) {
		for _, ref := range []scim.Ref{{Type: "User", ID: ""}, {Type: "User", ID: "a b"}, {Type: "Printer", ID: scim.NewID()}} {
			r := user("a")
			r.Ref = ref
			f.refused(&scim.Commit{Ref: ref, Put: r}, scim.ErrInvalidValue)
			f.refused(&scim.Commit{Ref: ref, Expect: scim.MustExist, Put: r}, scim.ErrNotFound)
		}
	}},
	{name: "what is too large for a page of its like is refused", run: func(f *fixture) {
		u := f.create(user("a"))
		large := strings.Repeat("x", store.MaxRecord)
		f.refused(replace(u, set("title", large)), scim.ErrTooLarge)
		other := user("b")
		other.Attributes["title"] = large
		f.refused(&scim.Commit{Ref: other.Ref, Put: other}, scim.ErrTooLarge)
		f.commit(replace(u, set("title", large[:store.MaxRecord/2])))
	}},
	{name: "replace gives the next version and keeps created", run: func(f *fixture) {
		u := f.create(user("a"))
		done := f.commit(replace(u, set("title", "Countess")))
		checkEqual(f, "Changed", done.Changed, true)
		checkEqual(f, "Version", done.Stored.Version, u.Version+1)
		checkEqual(f, "Created", done.Stored.Created, u.Created)
		if done.Stored.LastModified.Before(u.LastModified) {
			f.Errorf("LastModified = %v, want at least %v", done.Stored.LastModified, u.LastModified)
		}
		checkEqual(f, "Get()", f.get(u.Ref), done.Stored)
	}},
	{name: "header fields that the store sets are not taken from Put", run: func(f *fixture) {
		u := user("a")
		u.Version, u.Created, u.LastModified = 77, u.Created.AddDate(1990, 0, 0), u.Created.AddDate(1990, 0, 0)
		made := f.create(u)
		checkEqual(f, "Version", made.Version, 1)
		if made.Created.Year() < 2020 {
			f.Errorf("Created = %v, want the store's clock", made.Created)
		}
	}},
	{name: "an old version is ErrVersionMismatch", run: func(f *fixture) {
		u := f.create(user("a"))
		now := f.commit(replace(u, set("title", "one"))).Stored
		f.refused(replace(u, set("title", "two")), scim.ErrVersionMismatch)
		f.refused(remove(u), scim.ErrVersionMismatch)
		c := replace(now, set("title", "two")) // Old is newer than what is expected
		c.Expect = u.Version
		f.refused(c, scim.ErrVersionMismatch)
		checkEqual(f, "version", f.get(u.Ref).Version, now.Version)
	}},
	{name: "what does not exist is ErrNotFound where it was expected", run: func(f *fixture) {
		u := user("a")
		for _, expect := range []scim.Version{scim.MustExist, 1} {
			f.refused(&scim.Commit{Ref: u.Ref, Expect: expect, Put: u}, scim.ErrNotFound)
			f.refused(&scim.Commit{Ref: u.Ref, Expect: expect, Delete: true}, scim.ErrNotFound)
		}
		g := group("g")
		f.refused(edgesOf(g.Ref, add(u.Ref)), scim.ErrNotFound)
		made := f.create(user("b"))
		f.commit(remove(made))
		f.refused(remove(made), scim.ErrNotFound)
		f.refused(replace(made, set("title", "x")), scim.ErrNotFound)
	}},
	{name: "Old may be left out", run: func(f *fixture) {
		u := f.create(owned(user("a"), "", "x"))
		r, _ := u.Resource()
		r.Attributes["userName"] = "b"
		r.ExternalID = "y"
		f.commit(&scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Put: r})
		_, err := f.Lookup(f.ctx, "User", "userName", "a", scim.With{})
		checkError(f, "Lookup() of the old name", err, scim.ErrNotFound)
		f.create(owned(user("a"), "", "x")) // both are free again
		f.commit(&scim.Commit{Ref: u.Ref, Expect: u.Version + 1, Delete: true})
		f.create(owned(user("b"), "", "y"))
	}},
	{name: "MustExist replaces whatever is there, with its names", run: func(f *fixture) {
		u := f.create(user("a"))
		f.commit(replace(u, set("userName", "b")))
		c := replace(u, set("userName", "c")) // Old is stale
		c.Expect = scim.MustExist
		f.commit(c)
		f.create(user("a"))
		f.create(user("b"))
		f.refused(&scim.Commit{Ref: scim.Ref{Type: "User", ID: scim.NewID()}, Put: user("c")}, scim.ErrUniqueness)
	}},
	{name: "a name in use is ErrUniqueness, with attribute and holder", run: func(f *fixture) {
		u := f.create(user("Ada"))
		err := f.refused(&scim.Commit{Ref: scim.Ref{Type: "User", ID: scim.NewID()}, Put: user("aDA")}, scim.ErrUniqueness)
		var e *scim.Error
		if !errors.As(err, &e) || !strings.Contains(e.Detail, "userName") || !strings.Contains(e.Detail, u.ID) {
			f.Errorf("Commit() = %v, want a detail that names userName and %s", err, u.ID)
		}
		f.create(group("Staff"))
		g := group("STAFF")
		err = f.refused(&scim.Commit{Ref: g.Ref, Put: g}, scim.ErrUniqueness)
		if !errors.As(err, &e) || !strings.Contains(e.Detail, "displayName") {
			f.Errorf("Commit() = %v, want a detail that names displayName", err)
		}
		other := f.create(user("bob"))
		f.refused(replace(other, set("userName", "ada")), scim.ErrUniqueness)
		checkEqual(f, "version", f.get(other.Ref).Version, other.Version)
		f.commit(replace(u, set("userName", "ADA"))) // its own, in another case
	}},
	{name: "a name is free when its holder drops it or is deleted", run: func(f *fixture) {
		u := f.create(owned(user("a"), "client:x", "1"))
		u = f.commit(replace(u, func(r *scim.Resource) { r.Attributes["userName"] = "b"; r.ExternalID = "2" })).Stored
		v := f.create(owned(user("a"), "client:x", "1"))
		f.commit(remove(u))
		f.commit(remove(v))
		f.create(owned(user("a"), "client:x", "1"))
		f.create(owned(user("b"), "client:x", "2"))
	}},
	{name: "externalId is unique for each owner", run: func(f *fixture) {
		f.create(owned(user("a"), "client:x", "1"))
		f.create(owned(user("b"), "client:y", "1"))
		f.create(owned(user("c"), "", "1"))
		f.create(owned(group("d"), "client:x", "1"))
		r := owned(user("e"), "client:x", "1")
		err := f.refused(&scim.Commit{Ref: r.Ref, Put: r}, scim.ErrUniqueness)
		if !strings.Contains(err.Error(), "externalId") {
			f.Errorf("Commit() = %v, want externalId named", err)
		}
	}},
	{name: "values that cannot be names are refused before anything is written", run: func(f *fixture) {
		for _, name := range []string{"\x00x", strings.Repeat("a", 5000)} {
			r := user(name)
			f.refused(&scim.Commit{Ref: r.Ref, Put: r}, scim.ErrInvalidValue)
		}
		r := owned(user("a"), "", strings.Repeat("x", 5000))
		f.refused(&scim.Commit{Ref: r.Ref, Put: r}, scim.ErrInvalidValue)
		r = owned(user("a"), "", "x")
		f.refused(&scim.Commit{Ref: r.Ref, Put: r, Mark: strings.Repeat("m", 65)}, scim.ErrInvalidValue)
		checkEqual(f, "changes", len(f.changes(0)), 0)
	}},
	{name: "an externalId may hold any text", run: func(f *fixture) {
		for i, id := range []string{"a b", "\x00", "ü/{x}:*", "CN=Ada,OU=x", "=\"'\n"} {
			u := f.create(owned(user(fmt.Sprint("u", i)), "source:a b/{c}:d*", id))
			got, err := f.Lookup(as(f.ctx, "source", "a b/{c}:d*", ""), "User", "externalId", id, scim.With{})
			if err != nil || got.ID != u.ID {
				f.Errorf("Lookup(%q) = %v, %v, want %s", id, got, err, u.ID)
			}
		}
		checkEqual(f, "Owned()", len(f.owned("source:a b/{c}:d*", "User")), 5)
	}},
	{name: "no change makes no version and no feed entry", run: func(f *fixture) {
		u := f.create(user("a", "title", "x"))
		done := f.commit(replace(u, set("title", "x")))
		checkEqual(f, "Changed", done.Changed, false)
		checkEqual(f, "Stored", done.Stored, u)
		checkEqual(f, "changes", len(f.changes(0)), 1)
		f.refused(&scim.Commit{Ref: u.Ref, Expect: 99, Old: u, Put: must(u)}, scim.ErrVersionMismatch)
	}},
	{name: "a resource without its name is found by scans", run: func(f *fixture) {
		r := group("")
		delete(r.Attributes, "displayName")
		g := f.create(r)
		page, err := f.Query(f.ctx, &scim.Query{Types: []string{"Group"}, Count: 10})
		if err != nil || page.Total != 1 || page.Resources[0].ID != g.ID {
			f.Errorf("Query() = %+v, %v, want %s", page, err, g.ID)
		}
		f.commit(replace(g, set("displayName", "named")))
		f.commit(replace(f.get(g.Ref), func(r *scim.Resource) { delete(r.Attributes, "displayName") }))
		f.commit(remove(f.get(g.Ref)))
	}},
	{name: "delete removes the resource and its names", run: func(f *fixture) {
		u := f.create(owned(user("a"), "", "x"))
		done := f.commit(remove(u))
		if done.Stored != nil || !done.Changed {
			f.Errorf("Commit() = %+v, want no state, changed", done)
		}
		_, err := f.Get(f.ctx, u.Ref, scim.With{})
		checkError(f, "Get()", err, scim.ErrNotFound)
		_, err = f.Lookup(f.ctx, "User", "userName", "a", scim.With{})
		checkError(f, "Lookup()", err, scim.ErrNotFound)
		checkEqual(f, "Owned()", len(f.owned("", "User")), 0)
	}},
	{name: "the mark is kept, inherited and set alone", run: func(f *fixture) {
		r := owned(user("a"), "source:corp", "1")
		u := f.commit(&scim.Commit{Ref: r.Ref, Put: r, Mark: "m1"}).Stored
		mark := func(want scim.Owned) {
			f.Helper()
			checkEqual(f, "Owned()", f.owned("source:corp", "User"), map[string]scim.Owned{want.ExternalID: want})
		}
		mark(scim.Owned{ExternalID: "1", ID: u.ID, Mark: "m1"})
		u = f.commit(replace(u, set("title", "x"))).Stored
		mark(scim.Owned{ExternalID: "1", ID: u.ID, Mark: "m1"})
		u = f.commit(replace(u, func(r *scim.Resource) { r.ExternalID = "2" })).Stored
		mark(scim.Owned{ExternalID: "2", ID: u.ID, Mark: "m1"})

		for name, c := range map[string]*scim.Commit{
			"put":      {Ref: u.Ref, Expect: u.Version, Old: u, Put: must(u), Mark: "m2"},
			"old":      {Ref: u.Ref, Expect: u.Version, Old: u, Mark: "m3"},
			"no old":   {Ref: u.Ref, Expect: scim.MustExist, Mark: "m4"},
			"with old": {Ref: u.Ref, Expect: scim.MustExist, Old: u, Mark: "m5 with spaces"},
		} {
			done := f.commit(c)
			checkEqual(f, name+": Changed", done.Changed, false)
			checkEqual(f, name+": Stored", done.Stored, u)
			mark(scim.Owned{ExternalID: "2", ID: u.ID, Mark: c.Mark})
		}
		checkEqual(f, "changes", len(f.changes(0)), 3)
	}},
	{name: "a mark needs an externalId that is still held", run: func(f *fixture) {
		u := f.create(user("a"))
		f.commit(&scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Old: u, Mark: "m"})
		v := f.create(owned(user("b"), "source:s", "1"))
		f.commit(replace(v, func(r *scim.Resource) { r.ExternalID = "2" }))
		f.commit(&scim.Commit{Ref: v.Ref, Expect: scim.MustExist, Old: v, Mark: "late"})
		checkEqual(f, "Owned()", f.owned("source:s", "User"), map[string]scim.Owned{"2": {ExternalID: "2", ID: v.ID}})
	}},
	{name: "owned lists one owner and one type", run: func(f *fixture) {
		want := map[string]scim.Owned{}
		for i := range 700 {
			x := fmt.Sprintf("x%d", i)
			u := f.create(owned(user(x), "source:corp", x))
			want[x] = scim.Owned{ExternalID: x, ID: u.ID}
		}
		f.create(owned(user("other"), "source:other", "x1"))
		f.create(owned(group("g"), "source:corp", "x1"))
		f.create(owned(user("mine"), "source:corp", ""))
		checkEqual(f, "Owned()", f.owned("source:corp", "User"), want)
		checkEqual(f, "Owned() of nobody", len(f.owned("source:none", "User")), 0)
		n := 0
		for range f.Owned(f.ctx, "source:corp", "User") {
			if n++; n == 3 {
				break
			}
		}
		checkEqual(f, "Owned() until break", n, 3)
	}},
	{name: "commit many answers each in its place", run: func(f *fixture) {
		taken := f.create(user("taken"))
		gone := f.create(user("gone"))
		old := f.create(user("old"))
		f.commit(remove(gone))
		f.commit(replace(old, set("title", "newer")))
		var commits []*scim.Commit
		var want []error
		for i := range 450 {
			r := user(fmt.Sprintf("u%d", i))
			switch i % 90 {
			case 10:
				r.Attributes["userName"] = "TAKEN"
				want = append(want, scim.ErrUniqueness)
			case 20:
				commits, want = append(commits, replace(old, set("title", "late"))), append(want, scim.ErrVersionMismatch)
				continue
			case 30:
				commits, want = append(commits, remove(gone)), append(want, scim.ErrNotFound)
				continue
			case 40:
				if i == 40 {
					commits, want = append(commits, remove(taken)), append(want, nil)
					continue
				}
				want = append(want, nil)
			default:
				want = append(want, nil)
			}
			commits = append(commits, &scim.Commit{Ref: r.Ref, Put: r})
		}
		// The deletion of "taken" makes room for at most one of its rivals: drop it from the expectation.
		results := f.CommitMany(f.ctx, commits)
		checkEqual(f, "results", len(results), len(commits))
		for i, res := range results {
			if want[i] == scim.ErrUniqueness {
				continue
			}
			if !isError(res.Err, want[i]) {
				f.Errorf("result %d of %s = %v, want %v", i, commits[i].Ref, res.Err, want[i])
			}
			if res.Err == nil && !commits[i].Delete {
				checkEqual(f, "Stored", f.get(commits[i].Ref), res.Stored)
			}
		}
		checkEqual(f, "CommitMany() of none", len(f.CommitMany(f.ctx, nil)), 0)
	}},
	{name: "commit many reads what it was not given", run: func(f *fixture) {
		var commits []*scim.Commit
		for i := range 5 {
			u := f.create(owned(user(fmt.Sprintf("u%d", i)), "", fmt.Sprint(i)))
			r := must(u)
			r.Attributes["userName"] = fmt.Sprintf("v%d", i)
			commits = append(commits, &scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Put: r})
		}
		for i, res := range f.CommitMany(f.ctx, commits) {
			checkError(f, fmt.Sprintf("result %d", i), res.Err, nil)
		}
		for i := range 5 {
			_, err := f.Lookup(f.ctx, "User", "userName", fmt.Sprintf("v%d", i), scim.With{})
			checkError(f, "Lookup()", err, nil)
		}
	}},
}

func must(s *scim.Stored) *scim.Resource {
	r, err := s.Resource()
	if err != nil {
		panic(err)
	}
	return r
}
