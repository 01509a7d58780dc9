package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"rollcall/internal/ops"
	"rollcall/scim"
	"rollcall/store"
)

// observedBackend tells how long a backend takes, and which locks this process holds.
type observedBackend struct {
	store.Backend
	metrics *ops.Metrics
}

// timed does one operation, as a step of its context's trace.
func (b observedBackend) timed(ctx context.Context, op string, do func(context.Context) error) {
	began := time.Now()
	ctx, over := scim.Step(ctx, "store."+op)
	err := do(ctx)
	if errors.Is(err, scim.ErrNotFound) || errors.Is(err, scim.ErrVersionMismatch) {
		err = nil // an answer like any other
	}
	over(err)
	b.metrics.StoreTook(op, time.Since(began))
}

// Apply implements store.Backend.
func (b observedBackend) Apply(ctx context.Context, txs []*store.Tx) (results []store.TxResult) {
	b.timed(ctx, "apply", func(ctx context.Context) error { results = b.Backend.Apply(ctx, txs); return nil })
	return results
}

// Read implements store.Reader.
func (b observedBackend) Read(ctx context.Context, ws string, refs []scim.Ref, groups bool) (raws []store.Raw, err error) {
	b.timed(ctx, "read", func(ctx context.Context) error { raws, err = b.Backend.Read(ctx, ws, refs, groups); return err })
	return raws, err
}

// Find implements store.Reader.
func (b observedBackend) Find(ctx context.Context, ws, typ, first, prefix, key string, groups bool) (raws []store.Raw, err error) {
	b.timed(ctx, "find", func(ctx context.Context) error {
		raws, err = b.Backend.Find(ctx, ws, typ, first, prefix, key, groups)
		return err
	})
	return raws, err
}

// Edges implements store.Reader.
func (b observedBackend) Edges(ctx context.Context, ws string, ref scim.Ref, d store.Direction, after scim.Ref, limit int) (refs []scim.Ref, err error) {
	b.timed(ctx, "edges", func(ctx context.Context) error {
		refs, err = b.Backend.Edges(ctx, ws, ref, d, after, limit)
		return err
	})
	return refs, err
}

// Follow implements store.Reader.
func (b observedBackend) Follow(ctx context.Context, ws string, at scim.Version, limit int) (f *store.Followed, err error) {
	b.timed(ctx, "follow", func(ctx context.Context) error { f, err = b.Backend.Follow(ctx, ws, at, limit); return err })
	return f, err
}

// ScanRecords implements store.Scanner.
func (b observedBackend) ScanRecords(ctx context.Context, ws string, fn func([]store.Raw) error) (err error) {
	b.timed(ctx, "scan", func(ctx context.Context) error { err = b.Backend.ScanRecords(ctx, ws, fn); return err })
	return err
}

// KVGet implements store.KeyValues.
func (b observedBackend) KVGet(ctx context.Context, ws, space, key string) (value []byte, err error) {
	b.timed(ctx, "kv_get", func(ctx context.Context) error { value, err = b.Backend.KVGet(ctx, ws, space, key); return err })
	return value, err
}

// KVPut implements store.KeyValues.
func (b observedBackend) KVPut(ctx context.Context, ws, space, key string, value, old []byte) (err error) {
	b.timed(ctx, "kv_put", func(ctx context.Context) error { err = b.Backend.KVPut(ctx, ws, space, key, value, old); return err })
	return err
}

// LockTake implements store.Locks.
func (b observedBackend) LockTake(ctx context.Context, ws, name, token, holder string, ttl time.Duration) (number uint64, heldBy string, ok bool, err error) {
	b.timed(ctx, "lock", func(ctx context.Context) error {
		number, heldBy, ok, err = b.Backend.LockTake(ctx, ws, name, token, holder, ttl)
		return err
	})
	if ok {
		b.held(ws, name, true)
	}
	return number, heldBy, ok, err
}

// LockRenew implements store.Locks.
func (b observedBackend) LockRenew(ctx context.Context, ws, name, token string, ttl time.Duration) (kept bool, err error) {
	b.timed(ctx, "lock", func(ctx context.Context) error {
		kept, err = b.Backend.LockRenew(ctx, ws, name, token, ttl)
		return err
	})
	if err == nil && !kept {
		b.held(ws, name, false)
		b.metrics.LeaseLost()
	}
	return kept, err
}

// LockRelease implements store.Locks.
func (b observedBackend) LockRelease(ctx context.Context, ws, name, token string) (err error) {
	b.timed(ctx, "lock", func(ctx context.Context) error { err = b.Backend.LockRelease(ctx, ws, name, token); return err })
	b.held(ws, name, false)
	return err
}

// held notes the locks that last: of runs and of streams.
func (b observedBackend) held(ws, name string, held bool) {
	if strings.HasPrefix(name, "sync/") || strings.HasPrefix(name, "events/") {
		b.metrics.LeaseHeld(name, held)
	}
}

// countEvery is how often resources are counted. The counts come of the index, which is therefore
// kept by a process that answers requests.
const countEvery = time.Minute

// maxCounted is how many workspaces have their resources counted.
const maxCounted = 100

// countResources counts resources until the context ends.
func (c *core) countResources(ctx context.Context) {
	ctx = scim.WithActor(ctx, &scim.Actor{Kind: "operator", ID: "metrics", Name: "metrics", All: true})
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		if err := c.countOnce(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug("resources could not be counted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *core) countOnce(ctx context.Context) error {
	list, err := c.store.Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, info := range list[:min(len(list), maxCounted)] {
		w, err := c.store.Workspace(ctx, info.Name)
		if err != nil {
			return err
		}
		model, err := w.Model(ctx)
		if err != nil {
			return err
		}
		for _, t := range model.Types {
			if err := c.countType(ctx, w, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *core) countType(ctx context.Context, w *store.Workspace, t *scim.ResourceType) error {
	page, err := w.Query(ctx, &scim.Query{Types: []string{t.Name}})
	if err != nil {
		return err
	}
	if t.Name != "User" {
		c.metrics.Resources(w.Name(), t.Name, "", page.Total)
		return nil
	}
	filter, err := activeFilter()
	if err != nil {
		return err
	}
	active, err := w.Query(ctx, &scim.Query{Types: []string{t.Name}, Filter: filter})
	if err != nil {
		return err
	}
	c.metrics.Resources(w.Name(), t.Name, "true", active.Total)
	c.metrics.Resources(w.Name(), t.Name, "false", page.Total-active.Total)
	return nil
}

var activeFilter = sync.OnceValues(func() (*scim.Filter, error) { return scim.ParseFilter("active eq true") })
