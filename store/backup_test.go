package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"testing"

	"rollcall/internal/testserver"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/storetest"
)

func backup(t *testing.T, b store.Backend) ([]byte, []store.Copied) {
	t.Helper()
	var file bytes.Buffer
	all, err := store.Backup(t.Context(), b, &file, "v1")
	if err != nil {
		t.Fatalf("Backup() = %v", err)
	}
	return file.Bytes(), all
}

// TestBackup takes a store on Redis to a file and from there to bbolt: all of it is the same, and sound.
func TestBackup(t *testing.T) {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	first, second := openRedis(t, server), openBolt(t)
	fill(t, first)
	file, all := backup(t, first)
	head, restored, err := store.Restore(t.Context(), bytes.NewReader(file), second, func(store.Copied) {})
	if err != nil || head.Version != "v1" || len(all) != 3 {
		t.Fatalf("Restore() = %v %v", head, err)
	}
	again, back := backup(t, second)
	if !reflect.DeepEqual(restored, back) || len(again) == 0 {
		t.Errorf("a backup of what was restored has %v, want %v", back, restored)
	}
	s := store.New(store.Config{Backend: second})
	storetest.CheckClean(t, t.Context(), s)
	w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, "new") // it goes on where the other stopped
	if _, _, err := store.Restore(t.Context(), bytes.NewReader(file), second, func(store.Copied) {}); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("Restore() onto something = %v, want %v", err, store.ErrNotEmpty)
	}
}

// TestDamagedBackup changes and cuts a backup everywhere: none of it is taken for whole.
func TestDamagedBackup(t *testing.T) {
	from := openBolt(t)
	w, err := store.New(store.Config{Backend: from}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, "ada")
	file, _ := backup(t, from)
	read := func(file []byte) error {
		_, _, err := store.ReadBackup(bytes.NewReader(file), func(string, []store.Item) error { return nil })
		return err
	}
	if err := read(file); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		if err := read(file[:i]); !errors.Is(err, store.ErrDamagedBackup) {
			t.Errorf("cut at %d: %v, want %v", i, err, store.ErrDamagedBackup)
		}
		other := bytes.Clone(file)
		other[i] ^= 0x10
		// gzip has bits without a meaning.
		if err := read(other); err == nil && !bytes.Equal(unpacked(other), unpacked(file)) {
			t.Errorf("with byte %d changed it is taken", i)
		}
	}
	if _, _, err := store.Restore(t.Context(), bytes.NewReader(file[:len(file)-3]), openBolt(t), func(store.Copied) {}); !errors.Is(err, store.ErrDamagedBackup) {
		t.Errorf("Restore() of a part = %v", err)
	}
}

// unpacked is as much as gzip gives.
func unpacked(file []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(z)
	return text
}

// movingBackend is written to while it is dumped.
type movingBackend struct {
	store.Backend
	write func()
}

func (b movingBackend) Dump(ctx context.Context, ws string, fn func([]store.Item) error) error {
	b.write()
	return b.Backend.Dump(ctx, ws, fn)
}

// TestBackupWhileWriting: what was read while somebody wrote is no backup, and a snapshot is one.
func TestBackupWhileWriting(t *testing.T) {
	b := openBolt(t)
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	moving := movingBackend{b, func() { n++; put(t, w, string(rune('a'+n))) }}
	if _, err := store.Backup(t.Context(), moving, new(bytes.Buffer), "v1"); !errors.Is(err, store.ErrMoved) {
		t.Errorf("Backup() = %v, want %v", err, store.ErrMoved)
	}
	path := filepath.Join(t.TempDir(), "snapshot.db")
	if err := b.(*boltdb.Backend).Snapshot(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	put(t, w, "later")
	snapshot, err := boltdb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	_, all := backup(t, snapshot)
	for _, c := range all {
		if c.Workspace == store.DefaultWorkspace && c.Items["records"] != n {
			t.Errorf("the snapshot has %d records, want %d", c.Items["records"], n)
		}
	}
}
