package account

import (
	"context"
	"fmt"

	"rollcall/scim"
)

// resolved is the rules of authority against the model that a workspace has now.
type resolved struct {
	model     *scim.Model
	authority map[string][]authority
}

// setModel takes over the models and the rules of authority. Where workspaces have schemas of
// their own, whoever reads the rules checks them (CheckAuthority).
func (d *Directory) setModel(c Config) error {
	d.model, d.rules = c.Model, c.Authority
	if d.model != nil {
		return nil
	}
	d.model = func(string) *scim.Model { return scim.DefaultModel() }
	for _, r := range c.Authority {
		if err := CheckAuthority(scim.DefaultModel(), r); err != nil {
			return fmt.Errorf("ownership: %w", err)
		}
	}
	return nil
}

// ShowComputed sets the attributes of a resource that are worked out when asked for.
func (d *Directory) ShowComputed(ctx context.Context, workspace string, r *scim.Resource) error {
	d.ShowOwnership(r)
	w, err := d.Workspace(ctx, workspace)
	if err != nil {
		return err
	}
	return w.ShowActivity(ctx, r)
}

// authorityIn is the rules that count in a workspace: those whose attributes it has.
func (d *Directory) authorityIn(workspace string) map[string][]authority {
	m := d.model(workspace)
	if r, ok := d.resolved.Load(workspace); ok && r.(*resolved).model == m {
		return r.(*resolved).authority
	}
	var known []Authority
	for _, r := range d.rules {
		if CheckAuthority(m, r) == nil {
			known = append(known, r)
		}
	}
	byType, err := resolveAuthority(m, known)
	if err != nil {
		return nil // each of them was just resolved
	}
	d.resolved.Store(workspace, &resolved{m, byType})
	return byType
}
