package boltdb

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

func workspaceOf(t testing.TB, b *Backend) *store.Workspace {
	t.Helper()
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newUser(name string) *scim.Commit {
	r := &scim.Resource{Attributes: map[string]any{"userName": name}}
	r.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	return &scim.Commit{Ref: r.Ref, Put: r}
}

func TestFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	openAt(t, path)
	_, err := Open(path)
	if !errors.Is(err, ErrInUse) || !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("Open() again = %v, want %v", err, ErrInUse)
	}
}

func TestOpenNowhere(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no", "such", "folder.db")); err == nil {
		t.Error("Open() in a folder that is not there = nil, want an error")
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	w := workspaceOf(t, b)
	c := newUser("ada")
	if _, err := w.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	first, err := w.Lock(t.Context(), "run", "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Get(t.Context(), c.Ref, scim.With{}); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("Get() when closed = %v, want %v", err, scim.ErrUnavailable)
	}
	if _, err := w.Commit(t.Context(), newUser("bob")); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("Commit() when closed = %v, want %v", err, scim.ErrUnavailable)
	}

	w = workspaceOf(t, openAt(t, path))
	if got, err := w.Get(t.Context(), c.Ref, scim.With{}); err != nil || got.Version != 1 {
		t.Errorf("Get() after opening again = %+v, %v, want version 1", got, err)
	}
	// Whoever held a lock ended with its process; its number stays behind it.
	again, err := w.Lock(t.Context(), "run", "me", time.Hour)
	if err != nil || again.Fence().Number <= first.Fence().Number {
		t.Errorf("Lock() after opening again = %+v, %v, want a number above %d", again, err, first.Fence().Number)
	}
}

// TestGroupCommit: writers that wait share transactions, and a single one does not wait.
func TestGroupCommit(t *testing.T) {
	b := openAt(t, filepath.Join(t.TempDir(), "test.db"))
	w := workspaceOf(t, b)
	if _, err := w.Commit(t.Context(), newUser("first")); err != nil {
		t.Fatal(err)
	}
	before := lastTransaction(t, b)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if _, err := w.Commit(t.Context(), newUser(fmt.Sprint("u", i))); err != nil {
				t.Errorf("Commit() = %v", err)
			}
		})
	}
	wg.Wait()
	if n := lastTransaction(t, b) - before; n > 150 {
		t.Errorf("200 commits took %d transactions, want them shared", n)
	}
}

// lastTransaction is the number of the last transaction that wrote.
func lastTransaction(t testing.TB, b *Backend) (n int) {
	t.Helper()
	if err := b.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOneFailsAlone: a job that fails midway is rolled back, and those beside it are done.
func TestOneFailsAlone(t *testing.T) {
	b := openAt(t, filepath.Join(t.TempDir(), "test.db"))
	put := func(key string, fail error) *job {
		return &job{done: make(chan struct{}), fn: func(tx *bbolt.Tx) error {
			w, err := workspace(tx, "w")
			if err != nil {
				return err
			}
			if err := w.Bucket(kvBucket).Put([]byte(key), []byte("x")); err != nil {
				return err
			}
			if fail != nil {
				return writeError{fail}
			}
			return nil
		}}
	}
	disk := errors.New("disk")
	group := []*job{put("a", nil), put("b", disk), put("c", nil), put("d", disk)}
	b.commit(append([]*job{}, group...))
	for i, want := range []error{nil, disk, nil, disk} {
		<-group[i].done
		if !errors.Is(group[i].err, want) || want != nil && !errors.Is(group[i].err, scim.ErrUnavailable) {
			t.Errorf("job %d = %v, want %v", i, group[i].err, want)
		}
	}
	err := b.view(t.Context(), "w", func(w *bbolt.Bucket) error {
		for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": false} {
			if got := w.Bucket(kvBucket).Get([]byte(key)) != nil; got != want {
				t.Errorf("%s is there: %v, want %v", key, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
