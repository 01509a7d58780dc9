package storetest

import (
	"context"
	"fmt"
	"testing"

	"rollcall/scim"
	"rollcall/store"
)

// BenchmarkGroups measures what the groups of a user cost a reader: none, one, five, and five of which
// one is in another group; and a page of a hundred users.
func BenchmarkGroups(b *testing.B, backend store.Backend) {
	ctx := context.Background()
	w, err := store.New(store.Config{Backend: backend}).Workspace(ctx, store.DefaultWorkspace)
	if err != nil {
		b.Fatal(err)
	}
	commit := func(r *scim.Resource, members ...scim.Ref) scim.Ref {
		if _, err := w.Commit(ctx, &scim.Commit{Ref: r.Ref, Put: r, Edges: add(members...)}); err != nil {
			b.Fatal(err)
		}
		return r.Ref
	}
	commit(group("outer"), commit(group("inner")))
	get := func(name string, groups int, nested bool) {
		u := commit(user(name))
		for i := range groups {
			g := commit(group(fmt.Sprint(name, i)), u)
			if nested && i == 0 {
				commit(group(name), g)
			}
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := w.Get(ctx, u, scim.With{Groups: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	get("none", 0, false)
	get("one", 1, false)
	get("five", 5, false)
	var page []scim.Ref
	for i := range 100 {
		page = append(page, commit(user(fmt.Sprint("page", i))))
	}
	for i := range 5 {
		commit(group(fmt.Sprint("page", i)), page...)
	}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if _, err := backend.Read(ctx, store.DefaultWorkspace, page, true); err != nil {
				b.Fatal(err)
			}
		}
	})
	get("nested", 5, true)
}
