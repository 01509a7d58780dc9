package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/storetest"
)

// TestCopy takes a store from bbolt to Redis and back: each is the same, and sound, and can be
// written to.
func TestCopy(t *testing.T) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	first, second := openBolt(t), openBolt(t)
	onRedis := openRedis(t, server)
	fill(t, first)

	there := copyAll(t, first, onRedis)
	if n := there["default"].Items["records"]; n != 1201 {
		t.Errorf("%d records were copied, want 1201", n)
	}
	storetest.CheckClean(t, t.Context(), store.New(store.Config{Backend: onRedis}))
	back := copyAll(t, onRedis, second)
	if !reflect.DeepEqual(there, back) {
		t.Errorf("back again there are %v, want %v", back, there)
	}
	for _, b := range []store.Backend{onRedis, second} {
		s := store.New(store.Config{Backend: b})
		if _, err := s.Workspace(t.Context(), "acme"); err != nil {
			t.Errorf("Workspace() = %v", err)
		}
		if value, err := s.State().KV("tokens").Get(t.Context(), "a"); err != nil || string(value) != "b" {
			t.Errorf("Get() = %q, %v", value, err)
		}
		w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
		if err != nil {
			t.Fatal(err)
		}
		// Both go on where the first stopped: with numbers, and with lock numbers.
		put(t, w, "new")
		lock, err := w.Lock(t.Context(), "run", "me", time.Minute)
		if err != nil || lock.Fence().Number != 2 {
			t.Errorf("Lock() = %v, %v, want number 2", lock, err)
		}
		storetest.CheckClean(t, t.Context(), s)
	}
}

func TestCopyOntoSomething(t *testing.T) {
	from, to := openBolt(t), openBolt(t)
	fill(t, from)
	if err := store.New(store.Config{Backend: to}).State().KV("tokens").Put(t.Context(), "a", []byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Copy(t.Context(), from, to, func(store.Copied) {}); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("Copy() = %v, want ErrNotEmpty", err)
	}
}

// TestCopyStopped stops a copy at each of its steps in turn: the target says that it is not
// whole, and the next copy finishes it.
func TestCopyStopped(t *testing.T) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	from := openBolt(t)
	fill(t, from)
	for name, to := range map[string]store.Backend{"bolt": openBolt(t), "redis": openRedis(t, server)} {
		target := store.New(store.Config{Backend: to})
		for stop := 1; stop <= 12; stop += 4 {
			ctx, cancel := context.WithCancel(t.Context())
			steps := 0
			_, err := store.Copy(ctx, from, to, func(store.Copied) {
				if steps++; steps == stop {
					cancel()
				}
			})
			cancel()
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: Copy() stopped at %d = %v", name, stop, err)
			}
			if err := target.CheckWhole(t.Context()); !errors.Is(err, store.ErrHalfCopied) {
				t.Errorf("%s: CheckWhole() = %v, want ErrHalfCopied", name, err)
			}
			if _, err := store.Copy(t.Context(), to, openBolt(t), func(store.Copied) {}); !errors.Is(err, store.ErrHalfCopied) {
				t.Errorf("%s: Copy() of half a store = %v, want ErrHalfCopied", name, err)
			}
		}
		copyAll(t, from, to)
		if err := target.CheckWhole(t.Context()); err != nil {
			t.Errorf("%s: CheckWhole() = %v", name, err)
		}
		storetest.CheckClean(t, t.Context(), target)
	}
}

// TestCopyWhileWriting: a copy of what changes meanwhile is none, and says so.
func TestCopyWhileWriting(t *testing.T) {
	from, to := openBolt(t), openBolt(t)
	fill(t, from)
	w, err := store.New(store.Config{Backend: from}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = store.Copy(t.Context(), from, to, func(c store.Copied) {
		if n++; c.Workspace == store.DefaultWorkspace {
			put(t, w, fmt.Sprint("meanwhile", n))
		}
	})
	if err == nil {
		t.Error("Copy() of a store that changed succeeded")
	}
	if err := store.New(store.Config{Backend: to}).CheckWhole(t.Context()); !errors.Is(err, store.ErrHalfCopied) {
		t.Errorf("CheckWhole() = %v, want ErrHalfCopied", err)
	}
}

func openBolt(t *testing.T) store.Backend {
	t.Helper()
	b, err := boltdb.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func copyAll(t *testing.T, from, to store.Backend) map[string]store.Copied {
	t.Helper()
	all, err := store.Copy(t.Context(), from, to, func(store.Copied) {})
	if err != nil {
		t.Fatalf("Copy() = %v", err)
	}
	byName := map[string]store.Copied{}
	for _, c := range all {
		byName[c.Workspace] = c
	}
	return byName
}

func put(t *testing.T, w *store.Workspace, name string) *scim.Stored {
	t.Helper()
	r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}, Owner: "source:corp", ExternalID: name},
		Attributes: map[string]any{"userName": name, "title": "<&>"}}
	done, err := w.Commit(t.Context(), &scim.Commit{Ref: r.Ref, Put: r, Mark: "mark"})
	if err != nil {
		t.Fatal(err)
	}
	return done.Stored
}

// fill makes some of everything: two workspaces, users, groups, changes, deletions, locks, state.
func fill(t *testing.T, b store.Backend) {
	t.Helper()
	s := store.New(store.Config{Backend: b})
	if _, err := s.CreateWorkspace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for name, users := range map[string]int{store.DefaultWorkspace: 1200, "acme": 3} {
		w, err := s.Workspace(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		ctx := scim.WithActor(t.Context(), &scim.Actor{Kind: "token", ID: "a", Client: "okta", RequestID: "1"})
		group := &scim.Commit{Ref: scim.Ref{Type: "Group", ID: "g"}, Put: &scim.Resource{Attributes: map[string]any{"displayName": "G"}}}
		for i := range users {
			u := put(t, w, fmt.Sprint("user", i))
			group.Edges = append(group.Edges, scim.EdgeChange{Member: u.Ref})
		}
		gone := put(t, w, "gone")
		for _, c := range []*scim.Commit{group, {Ref: gone.Ref, Expect: gone.Version, Old: gone, Delete: true}} {
			if _, err := w.Commit(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		lock, err := w.Lock(t.Context(), "run", "me", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.KV("state").Put(t.Context(), "x", []byte{0, 255}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.State().KV("tokens").Put(t.Context(), "a", []byte("b"), nil); err != nil {
		t.Fatal(err)
	}
}
