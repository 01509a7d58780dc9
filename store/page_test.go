package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

func TestPageIsBounded(t *testing.T) {
	ctx := scim.WithActor(context.Background(), &scim.Actor{Kind: "operator", All: true})
	backend, err := boltdb.Open(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	w, err := store.New(store.Config{Backend: backend}).Workspace(ctx, store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1_000_000)
	var commits []*scim.Commit
	for i := range 70 {
		ref := scim.Ref{Type: "User", ID: scim.NewID()}
		commits = append(commits, &scim.Commit{Ref: ref, Put: &scim.Resource{
			Header: scim.Header{Ref: ref}, Attributes: map[string]any{"userName": fmt.Sprint("u", i), "title": long},
		}})
	}
	for _, r := range w.CommitMany(ctx, commits) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	query := func(count int) error {
		_, err := w.Query(ctx, &scim.Query{Types: []string{"User"}, Start: 1, Count: count})
		return err
	}
	if err := query(10); err != nil {
		t.Errorf("a page of 10 MB: %v", err)
	}
	if err := query(70); !errors.Is(err, scim.ErrTooMany) {
		t.Errorf("a page of 70 MB: %v, want ErrTooMany", err)
	}
}
