package store_test

import (
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// TestFeedOfTwoLayouts: entries from before and after a migration to layout 3 stand in one feed, and
// tell the same of the same changes; an index that began before follows it.
func TestFeedOfTwoLayouts(t *testing.T) {
	b := openRedis(t, testserver.StartRedis(t, "--appendfsync", "no"))
	s := store.New(store.Config{Backend: b})
	w, err := s.CreateWorkspace(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.KVPut(t.Context(), "w", ".layout", "layout", []byte("2"), []byte{}); err != nil {
		t.Fatal(err)
	}
	ctx := scim.WithActor(t.Context(), &scim.Actor{Kind: "token", ID: "1", Client: "okta", RequestID: "0123456789abcdef01234567"})
	follower := replica(t, store.Config{Backend: b}, "w")
	count := func(want int) {
		t.Helper()
		page, err := follower.Query(ctx, &scim.Query{Types: []string{"User"}})
		if err != nil || page.Total != want {
			t.Fatalf("Query = %v, %v, want %d", page, err, want)
		}
	}
	count(0)
	person := func(w *store.Workspace, n int) scim.Ref {
		t.Helper()
		put := benchUser(n)
		done, err := w.Commit(ctx, &scim.Commit{Ref: put.Ref, Put: put})
		if err != nil {
			t.Fatal(err)
		}
		put.Attributes["title"] = "Cook"
		if done, err = w.Commit(ctx, &scim.Commit{Ref: put.Ref, Expect: done.Stored.Version, Put: put}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(ctx, &scim.Commit{Ref: put.Ref, Expect: done.Stored.Version, Delete: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(ctx, &scim.Commit{Ref: put.Ref, Put: put}); err != nil {
			t.Fatal(err)
		}
		return put.Ref
	}
	first := person(w, 1)
	count(1)
	if err := s.Migrate(ctx, func(store.Migrated) {}); err != nil {
		t.Fatal(err)
	}
	w = replica(t, store.Config{Backend: b}, "w") // the other may take the layout for what it was
	second := person(w, 2)
	count(2)
	changes, err := w.Changes(ctx, 0, 100)
	if err != nil || len(changes) != 8 {
		t.Fatalf("Changes = %d, %v, want 8", len(changes), err)
	}
	for i := range 4 {
		old, packed := changes[i], changes[i+4]
		if old.Ref != first || packed.Ref != second {
			t.Errorf("changes %d and %d are about %s and %s, want %s and %s", i+1, i+5, old.Ref, packed.Ref, first, second)
		}
		if old.Op != packed.Op || old.Actor != packed.Actor || old.Client != "okta" || packed.Client != "okta" ||
			packed.RequestID != old.RequestID || len(packed.Attributes) != len(old.Attributes) || (old.Before == 0) != (packed.Before == 0) {
			t.Errorf("the packed entry tells %+v, the other %+v", packed, old)
		}
	}
	if report, err := w.Fsck(ctx); err != nil || len(report.Findings) > 0 {
		t.Errorf("Fsck = %+v, %v", report, err)
	}
}
