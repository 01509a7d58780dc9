package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"rollcall/scim"
)

// past is what earlier runs of a source have left for later ones, by type and externalId.
type past struct {
	missing   map[scim.Ref]int    // whole runs in a row that a resource has been missing in
	protected map[scim.Ref]string // names of Policy.Protect that were seen to stand for it
	deleted   map[scim.Ref]string // the id that a resource had which a run has deleted
	branches  branchCounts        // of the last whole run
	mapped    map[scim.Ref]string // groups, by id, that got members of these LDAP groups
}

// memory keeps the past.
type memory struct {
	state  scim.State
	source string
}

func (m *memory) missing() scim.KV   { return m.state.KV("sync/missing/" + m.source) }
func (m *memory) protected() scim.KV { return m.state.KV("sync/protected/" + m.source) }
func (m *memory) deleted() scim.KV   { return m.state.KV("sync/deleted/" + m.source) }
func (m *memory) mapped() scim.KV    { return m.state.KV("sync/matched/" + m.source) }
func (m *memory) holds() scim.KV     { return m.state.KV("sync/hold/" + m.source) }

func (m *memory) load(ctx context.Context) (*past, error) {
	var p past
	var err error
	if p.missing, err = scanByRef[int](ctx, m.missing()); err != nil {
		return nil, fmt.Errorf("who was missing before: %w", err)
	}
	if p.protected, err = scanByRef[string](ctx, m.protected()); err != nil {
		return nil, fmt.Errorf("who is protected: %w", err)
	}
	if p.deleted, err = scanByRef[string](ctx, m.deleted()); err != nil {
		return nil, fmt.Errorf("who was deleted before: %w", err)
	}
	if p.branches, err = m.loadBranches(ctx); err != nil {
		return nil, err
	}
	if p.mapped, err = scanByRef[string](ctx, m.mapped()); err != nil {
		return nil, fmt.Errorf("which groups had LDAP groups' members: %w", err)
	}
	return &p, nil
}

// scanByRef reads a space whose keys are "type/externalId".
func scanByRef[V any](ctx context.Context, kv scim.KV) (map[scim.Ref]V, error) {
	all := map[scim.Ref]V{}
	err := kv.Scan(ctx, func(key string, value []byte) error {
		typ, id, _ := strings.Cut(key, "/")
		var v V
		if err := json.Unmarshal(value, &v); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "what is kept of %s: %v", key, err)
		}
		all[scim.Ref{Type: typ, ID: id}] = v
		return nil
	})
	return all, err
}

// put keeps what a whole run has found: who goes on missing and has not been dealt with, and
// who is protected.
func (m *memory) put(ctx context.Context, before *past, plan *Plan, enough int) error {
	missing := map[scim.Ref]int{}
	for _, a := range plan.Missing {
		if a.Runs < enough || a.Protected {
			missing[scim.Ref{Type: a.Type, ID: a.ExternalID}] = min(a.Runs, enough)
		}
	}
	maps.Copy(missing, plan.StillMissing)
	if err := replace(ctx, m.missing(), before.missing, missing); err != nil {
		return fmt.Errorf("who is missing: %w", err)
	}
	if err := replace(ctx, m.protected(), before.protected, plan.Protected); err != nil {
		return fmt.Errorf("who is protected: %w", err)
	}
	if err := replace(ctx, m.mapped(), before.mapped, plan.Mapped); err != nil {
		return fmt.Errorf("which groups have LDAP groups' members: %w", err)
	}
	return m.putBranches(ctx, before.branches, plan.Branches)
}

// replace makes a space hold now, of which it held before.
func replace[V comparable](ctx context.Context, kv scim.KV, before, now map[scim.Ref]V) error {
	for key, v := range now {
		if old, ok := before[key]; ok && old == v {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := kv.Put(ctx, key.String(), text, nil); err != nil {
			return err
		}
	}
	for key := range before {
		if _, ok := now[key]; ok {
			continue
		}
		if err := kv.Delete(ctx, key.String()); err != nil {
			return err
		}
	}
	return nil
}

// held is the run whose undoing holds scheduled runs back, "" for none.
func (m *memory) held(ctx context.Context) (string, error) {
	id, err := m.holds().Get(ctx, "undone")
	if errors.Is(err, scim.ErrNotFound) {
		return "", nil
	}
	return string(id), err
}

func (m *memory) holdBack(ctx context.Context, undone string) error {
	return m.holds().Put(ctx, "undone", []byte(undone), nil)
}

func (m *memory) letGo(ctx context.Context) error { return m.holds().Delete(ctx, "undone") }

// bury keeps the id of a resource that is about to be deleted, for its return; exhume forgets it.
func (m *memory) bury(ctx context.Context, c *Change) error {
	id, err := json.Marshal(c.ID)
	if err == nil {
		err = m.deleted().Put(ctx, c.Type+"/"+c.ExternalID, id, nil)
	}
	return err
}

func (m *memory) exhume(ctx context.Context, c *Change) error {
	return m.deleted().Delete(ctx, c.Type+"/"+c.ExternalID)
}
