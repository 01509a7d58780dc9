package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// failing is a database and a copy of it that is behind, as a replica is, and takes its place at a
// moment that a test picks.
type failing struct {
	store.Backend // the one that answers
	t             *testing.T
	silent        bool   // it does not tell that it became another
	before, after func() // what happens around the next scan, or before a part of the feed is read
	followed      func(at scim.Version)
	other         bool
}

func newFailing(t *testing.T) *failing {
	return &failing{Backend: openFile(t), t: t}
}

func openFile(t *testing.T) store.Backend {
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (f *failing) History(context.Context, string) (string, error) {
	return fmt.Sprint(f.other && !f.silent), nil
}

func (f *failing) ScanRecords(ctx context.Context, ws string, fn func([]store.Raw) error) error {
	before, after := f.before, f.after
	f.before, f.after = nil, nil
	if before != nil {
		before()
	}
	err := f.Backend.ScanRecords(ctx, ws, fn)
	if after != nil {
		after()
	}
	return err
}

func (f *failing) Follow(ctx context.Context, ws string, at scim.Version, limit int) (*store.Followed, error) {
	if f.followed != nil {
		f.followed(at)
	}
	return f.Backend.Follow(ctx, ws, at, limit)
}

// behind is a copy of the database as it is now. Calling what it returns puts that in its place.
func (f *failing) behind() (failOver func()) {
	f.t.Helper()
	replica := openFile(f.t)
	for _, ws := range []string{"sys", store.DefaultWorkspace} {
		err := f.Backend.Dump(f.t.Context(), ws, func(items []store.Item) error { return replica.Load(f.t.Context(), ws, items) })
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return func() { f.Backend, f.other = replica, true }
}

func remove(t *testing.T, w *store.Workspace, ref scim.Ref) {
	t.Helper()
	if _, err := w.Commit(t.Context(), &scim.Commit{Ref: ref, Expect: scim.MustExist, Delete: true}); err != nil {
		t.Fatal(err)
	}
}

// agree holds that lists tell what the records are.
func agree(t *testing.T, w *store.Workspace, want int) {
	t.Helper()
	byIndex := listed(t, w)
	// What has no record any more is left out of a page: the total is the index's own.
	page, err := w.Query(t.Context(), &scim.Query{Types: []string{"User"}, Count: 1})
	if err != nil || page.Total != want {
		t.Errorf("Query() = %+v, %v, want a total of %d", page, err, want)
	}
	if !w.Indexed() {
		t.Error("the list was answered without an index")
	}
	w.UseScan()
	if byScan := listed(t, w); fmt.Sprint(byIndex) != fmt.Sprint(byScan) || len(byScan) != want {
		t.Errorf("the index lists %v, the records are %v, want %d", byIndex, byScan, want)
	}
}

// TestFailOverWhileLoading: what a scan has seen and the feed not told of yet is lost in a
// fail-over. The index must not keep it, nor do without what comes back.
func TestFailOverWhileLoading(t *testing.T) {
	for name, tc := range map[string]struct {
		silent bool
		change func(t *testing.T, w *store.Workspace, first scim.Ref)
	}{
		// The pending set: the scan is held against the feed.
		"created":        {silent: true, change: func(t *testing.T, w *store.Workspace, _ scim.Ref) { createUsers(t, w, "lost", 1) }},
		"created, twice": {silent: true, change: func(t *testing.T, w *store.Workspace, _ scim.Ref) { createUsers(t, w, "lost", 2) }},
		// Nothing that was scanned differs: the history alone tells.
		"deleted": {change: func(t *testing.T, w *store.Workspace, first scim.Ref) { remove(t, w, first) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFailing(t)
			f.silent = tc.silent
			a, other := replica(t, store.Config{Backend: f}, store.DefaultWorkspace), replica(t, store.Config{Backend: f}, store.DefaultWorkspace)
			createUsers(t, a, "a", 3)
			first, err := a.Lookup(t.Context(), "User", "userName", "a000", scim.With{})
			if err != nil {
				t.Fatal(err)
			}
			failOver := f.behind()
			f.before = func() { tc.change(t, a, first.Ref) }
			f.after = failOver
			agree(t, other, 3)
		})
	}
}

// TestFailOverWhileCatchingUp: between two parts of the feed the database goes back to where the
// first one ended. What was deleted in the second, and so not found with the first, is there again.
func TestFailOverWhileCatchingUp(t *testing.T) {
	const batch = 256 // entries that are read at one moment
	f := newFailing(t)
	a, other := replica(t, store.Config{Backend: f}, store.DefaultWorkspace), replica(t, store.Config{Backend: f}, store.DefaultWorkspace)
	createUsers(t, a, "a", 3)
	if n := len(listed(t, other)); n != 3 {
		t.Fatalf("%d are listed, want 3", n)
	}
	createUsers(t, a, "b", batch)
	first, err := a.Lookup(t.Context(), "User", "userName", "b000", scim.With{})
	if err != nil {
		t.Fatal(err)
	}
	failOver := f.behind()
	createUsers(t, a, "c", 3)
	remove(t, a, first.Ref)
	times := 0
	f.followed = func(at scim.Version) {
		// The first look finds that there is more than a part, and begins again.
		if times++; at == 3+batch && !f.other {
			failOver()
		}
	}
	agree(t, other, 3+batch)
	if !f.other || times < 3 {
		t.Errorf("the feed was read %d times, and failed over: %v", times, f.other)
	}
}
