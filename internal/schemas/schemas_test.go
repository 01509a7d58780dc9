package schemas_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/schemas"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
)

const urn = "urn:example:hr"

func schema(attributes string) []byte {
	return []byte(`{"id":"` + urn + `","attributes":[` + attributes + `]}`)
}

// bench is a registry on a real store.
type bench struct {
	*schemas.Registry
	ctx   context.Context
	store *store.Store
	now   atomic.Int64
	reads atomic.Int64
	// broken is the error of opening the workspace; hook runs before a write, after behind it.
	broken      error
	hook, after func()
	custom      scim.Custom
}

func newBench(t *testing.T) *bench {
	t.Helper()
	backend, err := boltdb.Open(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	b := &bench{ctx: scim.WithActor(t.Context(), &scim.Actor{Kind: "test", All: true})}
	b.now.Store(time.Hour.Nanoseconds())
	b.Registry = b.registry()
	b.store = store.New(store.Config{Backend: backend, Model: func(ctx context.Context, ws string) (*scim.Model, error) { return b.Load(ctx, ws) }})
	return b
}

// registry is another registry on the same store, as another process has it.
func (b *bench) registry() *schemas.Registry {
	return schemas.New(schemas.Config{
		Open: func(ctx context.Context, name string) (schemas.Workspace, error) {
			b.reads.Add(1)
			if b.broken != nil {
				return nil, b.broken
			}
			w, err := b.store.Workspace(ctx, name)
			if err != nil {
				return nil, err
			}
			return &hooked{w, b}, nil
		},
		Configured: func(string) scim.Custom { return b.custom },
		Now:        func() time.Time { return time.Unix(0, b.now.Load()) },
	})
}

// hooked calls the bench's hook before a write of the definitions.
type hooked struct {
	*store.Workspace
	b *bench
}

func (h *hooked) KV(space string) scim.KV { return hookedKV{h.Workspace.KV(space), h.b} }

type hookedKV struct {
	scim.KV
	b *bench
}

func (k hookedKV) Put(ctx context.Context, key string, value, old []byte) error {
	if hook := k.b.hook; hook != nil {
		k.b.hook = nil
		hook()
	}
	err := k.KV.Put(ctx, key, value, old)
	if after := k.b.after; after != nil {
		k.b.after = nil
		after()
	}
	return err
}

func (b *bench) user(t *testing.T, name string, values map[string]any) {
	t.Helper()
	w, err := b.store.Workspace(b.ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	ref := scim.Ref{Type: "User", ID: scim.NewID()}
	r := &scim.Resource{Header: scim.Header{Ref: ref}, Attributes: map[string]any{"userName": name}}
	if values != nil {
		r.Attributes[urn] = values
	}
	if _, err := w.Commit(b.ctx, &scim.Commit{Ref: ref, Put: r}); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	b := newBench(t)
	other := b.registry()
	first, err := other.Load(b.ctx, "default")
	if err != nil || first != scim.DefaultModel() {
		t.Fatalf("Load without additions = %p, %v, want the default model %p", first, err, scim.DefaultModel())
	}
	if _, err := b.AddSchema(b.ctx, "default", schema(`{"name":"a"}`), nil); err != nil {
		t.Fatal(err)
	}
	if m := b.Model("default"); m == first || len(m.Schemas) != 6 {
		t.Error("the model after AddSchema is the one before it")
	}
	reads := b.reads.Load()
	if m, _ := other.Load(b.ctx, "default"); m != first || b.reads.Load() != reads {
		t.Error("Load asks the store again within half a second")
	}
	b.now.Add(int64(500 * time.Millisecond))
	second, err := other.Load(b.ctx, "default")
	if err != nil || second == first || other.Model("default") != second {
		t.Errorf("Load after half a second does not see the schema: %v", err)
	}
	b.now.Add(int64(time.Minute))
	if m, _ := other.Load(b.ctx, "default"); m != second {
		t.Error("Load made another model of the same definitions")
	}
	if _, err := b.Load(b.ctx, "none"); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Load of no workspace = %v, want ErrNotFound", err)
	}
	b.broken = scim.Errorf(scim.ErrUnavailable, "down")
	b.now.Add(int64(time.Minute))
	if _, err := other.Load(b.ctx, "default"); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("Load without a store = %v, want ErrUnavailable", err)
	}
}

func TestLoadTogether(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if m, err := b.Load(b.ctx, "default"); m != scim.DefaultModel() {
				t.Errorf("Load = %p, %v", m, err)
			}
		})
	}
	wg.Wait()
}

// Two changes at the same time are both made.
func TestChangesTogether(t *testing.T) {
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			text := fmt.Sprintf(`{"id":"urn:example:s%d","attributes":[{"name":"a"}]}`, i)
			if _, err := b.registry().AddSchema(b.ctx, "default", []byte(text), nil); err != nil {
				t.Errorf("AddSchema(%s) = %v", text, err)
			}
		})
	}
	wg.Wait()
	list, err := b.registry().Schemas(b.ctx, "default")
	if err != nil || len(list) != 5+4 {
		t.Errorf("%d schemas after 4 changes at once, want %d: %v", len(list), 5+4, err)
	}
}

// A value that is written between the look for values and the change takes the change back.
func TestRaceWithAWrite(t *testing.T) {
	b := newBench(t)
	if _, err := b.AddSchema(b.ctx, "default", schema(`{"name":"a","uniqueness":"server"}`), nil); err != nil {
		t.Fatal(err)
	}
	b.user(t, "before", nil)
	b.hook = func() { b.user(t, "meanwhile", map[string]any{"a": "1"}) }
	if err := b.DeleteSchema(b.ctx, "default", urn); !errors.Is(err, scim.ErrInUse) {
		t.Fatalf("DeleteSchema = %v, want ErrInUse", err)
	}
	if s, err := b.Schema(b.ctx, "default", urn); err != nil || s.Attributes != 1 {
		t.Errorf("the schema is not back: %v", err)
	}
	b.hook = func() { b.user(t, "another", nil) } // which has no value of it
	b.now.Add(int64(time.Minute))
	if err := b.ReplaceSchema(b.ctx, "default", urn, schema(`{"name":"a","uniqueness":"server"},{"name":"b"}`), nil); err != nil {
		t.Errorf("ReplaceSchema = %v", err)
	}
	w, err := b.store.Workspace(b.ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	if report, err := w.Fsck(b.ctx); err != nil || !report.Clean() {
		t.Errorf("fsck: %v, %v", report.Findings, err)
	}
}

// Who asked for a change may go away right after it was written: it is taken back all the same.
func TestRaceWithAWriteAndNobodyWaits(t *testing.T) {
	b := newBench(t)
	if _, err := b.AddSchema(b.ctx, "default", schema(`{"name":"a","uniqueness":"server"}`), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	b.hook, b.after = func() { b.user(t, "meanwhile", map[string]any{"a": "1"}) }, cancel
	if err := b.DeleteSchema(ctx, "default", urn); !errors.Is(err, scim.ErrInUse) {
		t.Errorf("DeleteSchema = %v, want ErrInUse", err)
	}
	b.now.Add(int64(time.Minute))
	if s, err := b.Schema(b.ctx, "default", urn); err != nil || s.Attributes != 1 {
		t.Errorf("the schema is not back: %v", err)
	}
}

// What the configuration comes to contradict is an error, and no guess.
func TestConfigurationContradicts(t *testing.T) {
	b := newBench(t)
	if _, err := b.AddSchema(b.ctx, "default", schema(`{"name":"a"}`), nil); err != nil {
		t.Fatal(err)
	}
	d, err := scim.ParseSchema(schema(`{"name":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	b.custom = scim.Custom{Schemas: []scim.CustomSchema{{Definition: d}}}
	if _, err := b.registry().Load(b.ctx, "default"); err == nil || errors.Is(err, scim.ErrInvalidValue) {
		t.Errorf("Load = %v, want an error that is nobody's request", err)
	}
}

func TestTypesOfTheWorkspace(t *testing.T) {
	b := newBench(t)
	b.custom = scim.Custom{}
	if _, err := b.AddSchema(b.ctx, "default", schema(`{"name":"a"}`), nil); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Schema(b.ctx, "default", urn); err != nil || fmt.Sprint(s.UsedBy) != "[User]" {
		t.Errorf("the schema is used by %v, want [User]: %v", s.UsedBy, err)
	}
	b.user(t, "ann", map[string]any{"a": "1"})
	text := []byte(`{"name":"Device","endpoint":"/Devices","schema":"` + urn + `"}`)
	if _, err := b.AddType(b.ctx, "default", text); !errors.Is(err, scim.ErrInUse) {
		t.Errorf("a type that takes its schema from User, which has values = %v, want ErrInUse", err)
	}
	if err := b.ReplaceSchema(b.ctx, "default", urn, schema(`{"name":"a"}`), []string{"User", "Device"}); !errors.Is(err, scim.ErrInvalidValue) {
		t.Errorf("an extension of a type that is not there = %v, want ErrInvalidValue", err)
	}
	if err := b.ReplaceSchema(b.ctx, "default", urn, schema(`{"name":"a"}`), []string{"User"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddType(b.ctx, "default", text); err != nil {
		t.Errorf("AddType = %v", err)
	}
	types, err := b.Types(b.ctx, "default")
	if err != nil || len(types) != 3 || types[2].Origin != schemas.Added {
		t.Errorf("%d types, %v, want the third to be the workspace's", len(types), err)
	}
}
