package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rollcall/scim"
)

// Codes of findings in what spans workspaces.
const (
	PersonUnreadable  = "person.unreadable"
	PersonWorkspace   = "person.workspace" // in a workspace that does not exist
	PersonAccount     = "person.account"   // in a workspace that has no account of them
	SessionUnreadable = "session.unreadable"
	SessionWorkspace  = "session.workspace"
	TokenUnreadable   = "token.unreadable"
	TokenWorkspace    = "token.workspace"
)

// Finding is something in persons, sessions and tokens that does not fit the workspaces.
type Finding struct {
	Code, On, Text string
	// Repair is what Fsck does about it where it is asked to; "" for nothing.
	Repair string
	fix    func(context.Context) error
}

// fsck is one check of what spans workspaces.
type fsck struct {
	d     *Directory
	found []Finding
	open  map[string]*Workspace // nil for one that does not exist
}

// Fsck checks the persons, sessions and tokens against the workspaces, which are written one after the
// other (design.md §4.2): what was cut off between is found here. With repair it finishes what it can;
// then nobody may write meanwhile.
func (d *Directory) Fsck(ctx context.Context, repair bool) (found []Finding, repaired int, err error) {
	c := &fsck{d: d, open: map[string]*Workspace{}}
	for _, check := range []func(context.Context) error{c.people, c.sessions, c.tokens} {
		if err := check(ctx); err != nil {
			return nil, 0, fmt.Errorf("account: fsck: %w", err)
		}
	}
	if !repair {
		return c.found, 0, nil
	}
	left := c.found[:0]
	for _, f := range c.found {
		if f.fix == nil {
			left = append(left, f)
			continue
		}
		if err := f.fix(ctx); err != nil {
			return nil, repaired, fmt.Errorf("account: repair %s of %s: %w", f.Code, f.On, err)
		}
		repaired++
	}
	return left, repaired, nil
}

// workspace is a workspace, nil for one that does not exist.
func (c *fsck) workspace(ctx context.Context, name string) (*Workspace, error) {
	if w, known := c.open[name]; known {
		return w, nil
	}
	w, err := c.d.Workspace(ctx, name)
	if errors.Is(err, scim.ErrNotFound) {
		w, err = nil, nil
	}
	if err == nil {
		c.open[name] = w
	}
	return w, err
}

func (c *fsck) people(ctx context.Context) error {
	return c.d.people.kv.Scan(ctx, func(id string, value []byte) error {
		var who person
		if err := json.Unmarshal(value, &who); err != nil {
			c.found = append(c.found, Finding{Code: PersonUnreadable, On: id, Text: err.Error()})
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(who.In)) {
			f := Finding{Code: PersonWorkspace, On: id, Text: fmt.Sprintf("the workspace %q, which they are kept as one of, does not exist", name),
				Repair: "forget that they are in it", fix: func(ctx context.Context) error { return c.d.people.leave(ctx, id, name) }}
			w, err := c.workspace(ctx, name)
			if err != nil {
				return err
			}
			if w != nil {
				_, err = w.store.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
				if err == nil {
					continue
				}
				if !errors.Is(err, scim.ErrNotFound) && !errors.Is(err, scim.ErrCorrupt) {
					return err
				}
				if errors.Is(err, scim.ErrCorrupt) {
					continue // the workspace's own check tells
				}
				f.Code, f.Text = PersonAccount, fmt.Sprintf("they are kept as one of the workspace %q, which has no account of them", name)
			}
			c.found = append(c.found, f)
		}
		return nil
	})
}

func (c *fsck) sessions(ctx context.Context) error {
	return c.d.sessions.kv.Scan(ctx, func(id string, value []byte) error {
		var sess session
		end := func(ctx context.Context) error { return c.d.sessions.end(ctx, id) }
		if err := json.Unmarshal(value, &sess); err != nil {
			c.found = append(c.found, Finding{Code: SessionUnreadable, On: id, Text: err.Error(), Repair: "end it", fix: end})
			return nil
		}
		w, err := c.workspace(ctx, sess.Workspace)
		if err == nil && w == nil {
			c.found = append(c.found, Finding{Code: SessionWorkspace, On: id, Text: fmt.Sprintf("its workspace %q does not exist", sess.Workspace), Repair: "end it", fix: end})
		}
		return err
	})
}

func (c *fsck) tokens(ctx context.Context) error {
	return c.d.tokens.kv.Scan(ctx, func(id string, value []byte) error {
		var tok storedToken
		if err := json.Unmarshal(value, &tok); err != nil {
			c.found = append(c.found, Finding{Code: TokenUnreadable, On: id, Text: err.Error()})
			return nil
		}
		if tok.Workspace == "" {
			return nil
		}
		w, err := c.workspace(ctx, tok.Workspace)
		if err == nil && w == nil {
			c.found = append(c.found, Finding{Code: TokenWorkspace, On: id, Text: fmt.Sprintf("its workspace %q does not exist", tok.Workspace),
				Repair: "revoke it", fix: func(ctx context.Context) error { return c.d.tokens.kv.Delete(ctx, id) }})
		}
		return err
	})
}
