package storetest

import (
	"context"
	"errors"

	"rollcall/scim"
	"rollcall/store"
)

// layoutKey is where a workspace says which layout it has (store/layout.go).
const layoutSpace, layoutKey = ".layout", "layout"

var migrateCases = []testCase{
	{name: "a new store is of the newest layout", run: func(f *fixture) {
		f.checkLayout(store.Layout, false)
		f.create(user("a"))
		f.checkLayout(store.Layout, false)
		checkEqual(f, "OldFormat", f.oldFormat(), 0)
	}},
	{name: "an old store is read and written as it is, migrated, and the same afterwards", run: func(f *fixture) {
		refs := f.oldStore(30)
		f.checkLayout(1, false)
		one := f.get(refs[0])
		f.commit(replace(one, set("title", "x")))
		checkEqual(f, "OldFormat before", f.oldFormat(), 31)
		before := f.everything(refs)

		last := f.migrate(nil)
		checkEqual(f, "Migrate()", last, store.Migrated{Workspace: "default", From: 1, To: store.Layout, Seen: 31, Rewritten: 31, Done: true})
		checkEqual(f, "everything after it", f.everything(refs), before)
		checkEqual(f, "OldFormat after", f.oldFormat(), 0)
		f.checkLayout(store.Layout, false)
		f.commit(replace(f.get(refs[0]), set("title", "y")))
		checkEqual(f, "OldFormat after a change", f.oldFormat(), 0)
		checkEqual(f, "Migrate() again", f.migrate(nil), store.Migrated{})
	}},
	{name: "a migration that is stopped half-way goes on", run: func(f *fixture) {
		refs := f.oldStore(3000)
		before := f.everything(refs)
		ctx, stop := context.WithCancel(f.ctx)
		err := f.store.Migrate(ctx, func(store.Migrated) { stop() })
		if !errors.Is(err, context.Canceled) {
			f.Fatalf("Migrate() = %v, want it stopped", err)
		}
		f.checkLayout(store.Layout, true)
		left := f.oldFormat()
		if left == 0 || left == 3001 {
			f.Fatalf("%d records of 3001 are in the old format, want some", left)
		}
		f.reopen()
		checkEqual(f, "everything half-way", f.everything(refs), before)
		u := f.create(user("meanwhile"))
		f.commit(replace(f.get(refs[7]), set("title", "x")))
		f.commit(remove(u))
		before = f.everything(refs)

		if last := f.migrate(nil); !last.Done || last.Rewritten > left {
			f.Errorf("Migrate() again = %+v, want it done with what was left, at most %d", last, left)
		}
		checkEqual(f, "everything after it", f.everything(refs), before)
		checkEqual(f, "OldFormat", f.oldFormat(), 0)
		f.checkLayout(store.Layout, false)
	}},
	{name: "what changes during a migration is not undone by it", run: func(f *fixture) {
		u, v := f.create(user("a")), f.create(user("b"))
		stale, err := f.backend.Read(f.ctx, f.Workspace.Name(), []scim.Ref{u.Ref, v.Ref}, false)
		checkError(f, "Read()", err, nil)
		u = f.commit(replace(u, set("title", "x"))).Stored
		f.commit(remove(v))
		checkError(f, "Rewrite()", f.backend.Rewrite(f.ctx, f.Workspace.Name(), stale), nil)
		checkEqual(f, "Get()", f.get(u.Ref), u)
		_, err = f.Get(f.ctx, v.Ref, scim.With{})
		checkError(f, "Get() of what was deleted", err, scim.ErrNotFound)
	}},
	{name: "a layout that is newer than the program is refused", run: func(f *fixture) {
		f.create(user("a"))
		f.setLayout("99")
		f.reopen()
		_, err := f.Commit(f.ctx, &scim.Commit{Ref: scim.Ref{Type: "User", ID: "b"}, Put: user("b")})
		checkError(f, "Commit()", err, store.ErrNewer)
		_, err = f.store.Layouts(f.ctx)
		checkError(f, "Layouts()", err, store.ErrNewer)
		f.setLayout("2")
	}},
}

// oldStore makes users and a group in a store of the first layout, as it was before stores told
// their layout.
func (f *fixture) oldStore(n int) []scim.Ref {
	f.Helper()
	f.setLayout("1")
	refs := f.users(n)
	f.create(group("g"), refs[:10]...)
	checkError(f, "KVDelete()", f.backend.KVDelete(f.ctx, f.Workspace.Name(), layoutSpace, layoutKey), nil)
	f.reopen()
	return refs
}

func (f *fixture) setLayout(value string) {
	f.Helper()
	checkError(f, "KVPut()", f.backend.KVPut(f.ctx, f.Workspace.Name(), layoutSpace, layoutKey, []byte(value), nil), nil)
}

// reopen opens the store anew on the same backend.
func (f *fixture) reopen() {
	f.Helper()
	f.store = store.New(store.Config{Backend: f.backend})
	f.Workspace = f.open(f.Workspace.Name())
}

func (f *fixture) checkLayout(layout int, migrating bool) {
	f.Helper()
	layouts, err := f.store.Layouts(f.ctx)
	checkError(f, "Layouts()", err, nil)
	checkEqual(f, "Layouts()", layouts, []store.LayoutInfo{{Workspace: "default", Layout: layout, Migrating: migrating}})
}

// migrate migrates all, and returns the last that is told of it.
func (f *fixture) migrate(progress func(store.Migrated)) (last store.Migrated) {
	f.Helper()
	err := f.store.Migrate(f.ctx, func(m store.Migrated) {
		last = m
		if progress != nil {
			progress(m)
		}
	})
	checkError(f, "Migrate()", err, nil)
	return last
}

func (f *fixture) oldFormat() int {
	f.Helper()
	report, err := f.Fsck(f.ctx)
	checkError(f, "Fsck()", err, nil)
	return report.OldFormat
}

// everything is what there is of resources and in the feed.
func (f *fixture) everything(refs []scim.Ref) any {
	f.Helper()
	var all []any
	for _, ref := range refs {
		all = append(all, f.get(ref))
	}
	return append(all, f.changes(0), f.images(1, 2, 31))
}
