package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/redisdb"
)

// The store on Redis is one that is watched: a method that is renamed there must not go unnoticed.
var _ watched = (*redisdb.Backend)(nil)

// refusing is a store that has come to refuse writes.
type refusing struct{ store.Backend }

func (refusing) Watch(context.Context) {}
func (refusing) Safe() error           { return scim.ErrUnavailable }

func TestNotReadyWhileWritesAreRefused(t *testing.T) {
	c := &core{backend: refusing{}}
	if err := c.ping(t.Context()); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("ping() = %v, want %v", err, scim.ErrUnavailable)
	}
}

// A store that everybody can read is told of: it holds people, and the secrets of webhooks.
func TestReadableStoreIsToldOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	for _, c := range []struct {
		mode os.FileMode
		told bool
	}{{0, false}, {0o644, true}, {0o640, false}} {
		if c.mode != 0 {
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		b, err := openBackend(t.Context(), StoreConfig{URL: "bolt:" + path}, slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if told := strings.Contains(out.String(), "chmod 600"); told != c.told {
			t.Errorf("mode %o: %q, want a warning: %v", c.mode, out.String(), c.told)
		}
	}
}
