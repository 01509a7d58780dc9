package store_test

import (
	"context"
	"path/filepath"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// between runs something once, behind the first read of a group's members.
type between struct {
	store.Backend
	group scim.Ref
	run   func()
}

func (b *between) Edges(ctx context.Context, ws string, ref scim.Ref, d store.Direction, after scim.Ref, limit int) ([]scim.Ref, error) {
	refs, err := b.Backend.Edges(ctx, ws, ref, d, after, limit)
	if run := b.run; run != nil && ref == b.group && d == store.Members {
		b.run = nil
		run()
	}
	return refs, err
}

// TestGroupsMoveWhileTheyAreRead: somebody who comes to a group by one group and leaves by another, while
// a filter reads one after the other, is never out of it.
func TestGroupsMoveWhileTheyAreRead(t *testing.T) {
	file, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := &between{Backend: file}
	w := replica(t, store.Config{Backend: b}, "w")
	commit := func(c *scim.Commit) {
		if _, err := w.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	make := func(typ, name, value string, members ...scim.Ref) scim.Ref {
		ref := scim.Ref{Type: typ, ID: scim.NewID()}
		c := &scim.Commit{Ref: ref, Put: &scim.Resource{Header: scim.Header{Ref: ref}, Attributes: map[string]any{name: value}}}
		for _, m := range members {
			c.Edges = append(c.Edges, scim.EdgeChange{Member: m})
		}
		commit(c)
		return ref
	}
	u := make("User", "userName", "ada")
	one, other := make("Group", "displayName", "one", u), make("Group", "displayName", "other", u)
	b.group = make("Group", "displayName", "outer", one)
	move := func(group, member scim.Ref, remove bool) {
		commit(&scim.Commit{Ref: group, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: member, Remove: remove}}})
	}
	filter, err := scim.ParseFilter(`groups.value eq "` + b.group.ID + `"`)
	if err != nil {
		t.Fatal(err)
	}
	listed(t, w) // makes the index
	b.run = func() { move(b.group, other, false); move(one, u, true) }
	page, err := w.Query(t.Context(), &scim.Query{Types: []string{"User"}, Filter: filter, Count: 10})
	if err != nil || page.Total != 1 || b.run != nil {
		t.Errorf("Query() = %+v, %v, want the one who never was out of the group", page, err)
	}
}
