package storetest

import (
	"time"

	"rollcall/scim"
	"rollcall/store"
)

var deletedCases = []testCase{
	{name: "what was deleted is kept, and restored with id, groups and times", run: func(f *fixture) {
		g, h := f.create(group("g")), f.create(group("h"))
		u := f.create(owned(user("a", "title", "x"), "client:okta", "1"))
		f.commit(edgesOf(g.Ref, add(u.Ref)))
		f.commit(edgesOf(h.Ref, add(u.Ref)))
		f.commit(remove(u))
		f.commit(&scim.Commit{Ref: h.Ref, Expect: scim.MustExist, Delete: true})

		kept := f.deleted()
		checkEqual(f, "Deleted()", len(kept), 2)
		got := kept[1]
		want, err := u.Resource()
		checkError(f, "Resource()", err, nil)
		checkEqual(f, "Deleted()", got, &scim.Deleted{Version: 6, Time: got.Time, Resource: want, Groups: sorted(g.Ref, h.Ref)})

		done, err := f.Restore(f.ctx, u.Ref)
		checkError(f, "Restore()", err, nil)
		s := f.get(u.Ref)
		checkEqual(f, "Body", string(s.Body), string(u.Body))
		checkEqual(f, "Owner", s.Owner, u.Owner)
		checkEqual(f, "Created", s.Created, u.Created)
		checkEqual(f, "Version", s.Version, done.Stored.Version)
		checkEqual(f, "Groups", s.Groups, []scim.Membership{{Ref: g.Ref, Display: "g", Direct: true}})
		checkEqual(f, "Deleted() after it", len(f.deleted()), 1)
		_, err = f.Restore(f.ctx, u.Ref)
		checkError(f, "Restore() again", err, scim.ErrNotFound)
		f.refused(&scim.Commit{Ref: scim.Ref{Type: "User", ID: "other"}, Put: user("A")}, scim.ErrUniqueness)
	}},
	{name: "a group is restored with its members", run: func(f *fixture) {
		users := f.users(1500)
		g := f.create(group("g"), users...)
		f.commit(&scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Delete: true})
		f.commit(&scim.Commit{Ref: users[3], Expect: scim.MustExist, Delete: true})
		checkEqual(f, "Members", f.deleted()[0].Members, 1500)
		done, err := f.Restore(f.ctx, g.Ref)
		checkError(f, "Restore()", err, nil)
		checkEqual(f, "Added", done.Added, 1499)
		checkEqual(f, "Dropped", done.Dropped, []string{users[3].ID})
		checkEqual(f, "members", len(f.members(g.Ref)), 1499)
	}},
	{name: "a name that is taken by now keeps a resource from being restored", run: func(f *fixture) {
		u := f.create(user("a"))
		f.commit(remove(u))
		v := f.create(user("A"))
		_, err := f.Restore(f.ctx, u.Ref)
		checkError(f, "Restore()", err, scim.ErrUniqueness)
		f.commit(remove(v))
		_, err = f.Restore(f.ctx, u.Ref)
		checkError(f, "Restore()", err, nil)
	}},
	{name: "what is made anew, or purged, cannot be restored", run: func(f *fixture) {
		u, v := f.create(user("a")), f.create(user("b"))
		f.commit(remove(u))
		f.commit(remove(v))
		again := user("c")
		again.Ref = u.Ref
		f.create(again)
		checkError(f, "Purge()", f.Purge(f.ctx, v.Ref), nil)
		checkError(f, "Purge() again", f.Purge(f.ctx, v.Ref), nil)
		checkEqual(f, "Deleted()", len(f.deleted()), 0)
		_, err := f.Restore(f.ctx, v.Ref)
		checkError(f, "Restore()", err, scim.ErrNotFound)
	}},
	{name: "a restoration that was cut off goes on", run: func(f *fixture) {
		g := f.create(group("g"))
		u := f.create(user("a"))
		f.commit(edgesOf(g.Ref, add(u.Ref)))
		f.commit(remove(u))
		value, err := f.backend.KVGet(f.ctx, f.Workspace.Name(), store.DeletedSpace, u.Ref.String())
		checkError(f, "KVGet()", err, nil)
		f.create(&scim.Resource{Header: scim.Header{Ref: u.Ref}, Attributes: map[string]any{"userName": "a"}})
		checkError(f, "KVPut()", f.backend.KVPut(f.ctx, f.Workspace.Name(), store.DeletedSpace, u.Ref.String(), value, nil), nil)
		_, err = f.Restore(f.ctx, u.Ref)
		checkError(f, "Restore()", err, nil)
		checkEqual(f, "Groups", len(f.get(u.Ref).Groups), 1)
		checkEqual(f, "Deleted()", len(f.deleted()), 0)
	}},
	{name: "what was deleted long ago is purged", run: func(f *fixture) {
		f.commit(remove(f.create(user("a"))))
		time.Sleep(5 * time.Millisecond)
		n, err := f.store.PurgeOld(f.ctx)
		checkError(f, "PurgeOld()", err, nil)
		checkEqual(f, "PurgeOld()", n, 1)
		checkEqual(f, "Deleted()", len(f.deleted()), 0)
	}, config: store.Config{DeletedKeep: time.Millisecond}},
	{name: "nothing is kept where that is asked for", run: func(f *fixture) {
		f.commit(remove(f.create(user("a"))))
		checkEqual(f, "Deleted()", len(f.deleted()), 0)
	}, config: store.Config{DeletedKeep: -1}},
}

func (f *fixture) deleted() []*scim.Deleted {
	f.Helper()
	var all []*scim.Deleted
	err := f.Deleted(f.ctx, scim.Ref{}, func(d *scim.Deleted) error { all = append(all, d); return nil })
	checkError(f, "Deleted()", err, nil)
	return all
}
