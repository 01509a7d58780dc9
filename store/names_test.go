package store_test

import (
	"path/filepath"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

// TestNamesOfOlderStores: groups that were written before their names were kept beside them
// have names all the same.
func TestNamesOfOlderStores(t *testing.T) {
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	create := func(typ, id, attr string, members ...scim.Ref) scim.Ref {
		r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: typ, ID: id}}, Attributes: map[string]any{attr: "name of " + id}}
		c := &scim.Commit{Ref: r.Ref, Put: r}
		for _, m := range members {
			c.Edges = append(c.Edges, scim.EdgeChange{Member: m})
		}
		if _, err := w.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return r.Ref
	}
	ada := create("User", "ada", "userName")
	create("Group", "a", "displayName", ada)
	old := create("Group", "b", "displayName", ada)
	create("Group", "c", "displayName", ada)
	if err := b.KVDelete(t.Context(), store.DefaultWorkspace, store.NamesSpace, old.String()); err != nil {
		t.Fatal(err)
	}
	s, err := w.Get(t.Context(), ada, scim.With{Groups: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"a", "b", "c"} {
		if len(s.Groups) != 3 || s.Groups[i].ID != id || s.Groups[i].Display != "name of "+id {
			t.Fatalf("Get() with groups = %+v, want those of a, b and c with their names", s.Groups)
		}
	}
}
