package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// TestStoreCopy moves what a server made from the embedded store to Redis and back.
func TestStoreCopy(t *testing.T) {
	dir := t.TempDir()
	first, last := "bolt:"+filepath.Join(dir, "first.db"), "bolt:"+filepath.Join(dir, "last.db")
	onRedis := testserver.StartRedis(t).URL()
	id := addUser(t, first, "ada")

	code, out, errs := runStore(t, "store", "copy", first, onRedis)
	if code != exitDone || !strings.Contains(out, "default: 1 changes, 2 claims, 1 images, 1 records") && !strings.Contains(out, "verified") {
		t.Fatalf("store copy = %d\n%s%s", code, out, errs)
	}
	fsck(t, onRedis)
	if code, _, errs := runStore(t, "store", "copy", first, onRedis); code != exitBlocked || !strings.Contains(errs, "is not empty") {
		t.Errorf("store copy onto something = %d, %s, want %d", code, errs, exitBlocked)
	}
	if code, out, errs := runStore(t, "store", "copy", onRedis, last, "-o", "json"); code != exitDone || !strings.Contains(out, `"hash"`) {
		t.Fatalf("store copy back = %d\n%s%s", code, out, errs)
	}
	fsck(t, last)
	if code, out, errs := runStore(t, "user", "show", id, "--store", last); code != exitDone || !strings.Contains(out, "ada") {
		t.Errorf("user show = %d\n%s%s", code, out, errs)
	}
	for _, args := range [][]string{{first, first}, {first}, {"nonsense", last}, {first, last, "--to-password-file", "/nowhere"}} {
		if code, _, errs := runStore(t, append([]string{"store", "copy"}, args...)...); code != exitUsage {
			t.Errorf("store copy %v = %d, %s, want %d", args, code, errs, exitUsage)
		}
	}
	if code, _, errs := runStore(t, "store", "copy", "bolt:"+filepath.Join(dir, "none.db"), last); code != exitFailed || !strings.Contains(errs, "there is no store") {
		t.Errorf("store copy of nothing = %d, %s", code, errs)
	}
}

// TestHalfCopied: nothing works on a store that a copy has not finished.
func TestHalfCopied(t *testing.T) {
	url := "bolt:" + filepath.Join(t.TempDir(), "rollcall.db")
	addUser(t, url, "ada")
	withStore(t, url, func(b store.Backend) error { return b.KVPut(t.Context(), "sys", ".copy", "copy", []byte("x"), nil) })
	for _, args := range [][]string{{"fsck"}, {"serve"}, {"user", "list"}, {"store", "migrate", "--no-backup"}} {
		if code, _, errs := runStore(t, append(args, "--store", url)...); code != exitFailed || !strings.Contains(errs, "run it again") {
			t.Errorf("%v = %d, %s", args, code, errs)
		}
	}
}

// TestStoreMigrate migrates a store of the first layout, and brings it back from the backup.
func TestStoreMigrate(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		dir := t.TempDir()
		withStore(t, url, func(b store.Backend) error {
			return b.KVPut(t.Context(), "default", ".layout", "layout", []byte("1"), nil)
		})
		id := addUser(t, url, "ada")
		withStore(t, url, func(b store.Backend) error { return b.KVDelete(t.Context(), "default", ".layout", "layout") })
		want := func(code int, text string, args ...string) {
			t.Helper()
			got, out, errs := runStore(t, append(args, "--store", url)...)
			if got != code || !strings.Contains(out+errs, text) {
				t.Errorf("%v = %d, want %d and %q\n%s%s", args, got, code, text, out, errs)
			}
		}
		backup := filepath.Join(dir, "backup.db")
		want(exitDone, "rollcall store migrate", "fsck") // the warning says what to do
		want(exitDone, "default: layout 1, 3 is the newest", "store", "migrate", "--dry-run")
		want(exitUsage, "--no-backup", "store", "migrate")
		want(exitDone, "default: layout 1 to 3, 1 records rewritten", "store", "migrate", "--backup", backup)
		want(exitDone, "default: layout 3, the newest", "store", "migrate", "--backup", backup)
		want(exitDone, "ada", "user", "show", id)
		fsck(t, url)

		again := "bolt:" + filepath.Join(dir, "again.db")
		if code, out, errs := runStore(t, "store", "copy", "bolt:"+backup, again); code != exitDone {
			t.Fatalf("store copy = %d\n%s%s", code, out, errs)
		}
		url = again
		want(exitDone, "default: layout 1", "store", "migrate", "--dry-run")
		want(exitUsage, "exists already", "store", "migrate", "--backup", backup)
		want(exitDone, "1 records rewritten", "store", "migrate", "--no-backup")
	})
}

func runStore(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runCLI(t, nil, append(args, "--config", os.DevNull)...)
}

// addUser adds a user, and returns the id.
func addUser(t *testing.T, url, userName string) string {
	t.Helper()
	id := scim.NewID()
	withStore(t, url, func(b store.Backend) error {
		w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
		if err != nil {
			return err
		}
		_, err = w.Commit(t.Context(), &scim.Commit{Ref: scim.Ref{Type: "User", ID: id}, Put: &scim.Resource{Attributes: map[string]any{"userName": userName}}})
		return err
	})
	return id
}

// withStore opens the store past everything else.
func withStore(t *testing.T, url string, fn func(store.Backend) error) {
	t.Helper()
	c := &cli{stdout: os.Stderr, stderr: os.Stderr}
	b, err := c.openStore(t.Context(), StoreConfig{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := fn(b); err != nil {
		t.Fatal(err)
	}
}

// TestFsckRepair repairs what can be repaired, and tells what cannot.
func TestFsckRepair(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		id := addUser(t, url, "ada")
		addUser(t, url, "bob")
		damage := func(items ...store.Item) {
			withStore(t, url, func(b store.Backend) error { return b.Load(t.Context(), "default", items) })
		}
		want := func(code int, text string, args ...string) {
			t.Helper()
			got, out, errs := runStore(t, append(append([]string{"fsck"}, args...), "--store", url)...)
			if got != code || !strings.Contains(out+errs, text) {
				t.Errorf("fsck %v = %d, want %d and %q\n%s%s", args, got, code, text, out, errs)
			}
		}
		damage(store.Item{Kind: store.ItemClaim, Key: "User.userName", Sub: "eve", Value: []byte(id)})
		want(exitUsage, "goes with --repair", "--dry-run")
		want(exitFailed, "claim.stale")
		want(exitFailed, "repair: free it", "--repair", "--dry-run")
		want(exitFailed, "claim.stale")
		want(exitDone, "1 findings were repaired", "--repair")
		want(exitDone, "default: clean", "--repair")

		damage(store.Item{Kind: store.ItemClaim, Key: "User.userName", Sub: "eve", Value: []byte(id)},
			store.Item{Kind: store.ItemClaim, Key: "Printer.id", Sub: "x", Value: []byte("x")})
		want(exitPartial, "claim.space", "--repair")
	})
}
