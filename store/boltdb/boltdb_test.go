package boltdb

import (
	"path/filepath"
	"testing"

	"rollcall/store"
	"rollcall/store/storetest"
)

func open(t testing.TB) store.Backend {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "test.db"))
}

func openAt(t testing.TB, path string) *Backend {
	t.Helper()
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return b
}

func TestContract(t *testing.T) { storetest.Run(t, open) }
