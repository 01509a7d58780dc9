package account

import (
	"context"
	"fmt"

	"rollcall/scim"
)

// undertaker is what a store does with what was deleted.
type undertaker interface {
	Deleted(ctx context.Context, after scim.Ref, fn func(*scim.Deleted) error) error
	Restore(ctx context.Context, ref scim.Ref) (*scim.Committed, error)
	Purge(ctx context.Context, ref scim.Ref) error
}

func (w *Workspace) undertaker() (undertaker, error) {
	u, ok := w.store.(undertaker)
	if !ok {
		return nil, fmt.Errorf("account: the store of workspace %s keeps nothing that was deleted", w.name)
	}
	return u, nil
}

// Deleted calls fn with what was deleted and can be restored, of one type, behind an id and in order
// of it, until fn fails. It takes the right to list the type. What is never returned is left out.
func (w *Workspace) Deleted(ctx context.Context, typ, after string, fn func(*scim.Deleted) error) error {
	if err := w.allow(ctx, typ, actList); err != nil {
		return err
	}
	t := w.model.Type(typ)
	if t == nil {
		return scim.Errorf(scim.ErrNotFound, "there is no resource type %q", typ)
	}
	u, err := w.undertaker()
	if err != nil {
		return err
	}
	return u.Deleted(ctx, scim.Ref{Type: typ, ID: after}, func(d *scim.Deleted) error {
		if d.Resource.Type != typ {
			return nil
		}
		t.DropNever(d.Resource)
		return fn(d)
	})
}

// Restore brings back what was deleted, by the right to create it. Its owner stays who it was.
func (w *Workspace) Restore(ctx context.Context, ref scim.Ref) (*scim.Committed, error) {
	if err := w.allow(ctx, ref.Type, actCreate); err != nil {
		return nil, err
	}
	u, err := w.undertaker()
	if err != nil {
		return nil, err
	}
	if err := w.reviewRestored(ctx, u, ref); err != nil {
		return nil, err
	}
	return u.Restore(ctx, ref)
}

// reviewRestored holds who comes back to the rules of who is made: nobody gets back more than the actor
// may give, and an administrator is found as one. Password, sessions and tokens went with the
// deletion, and stay gone.
func (w *Workspace) reviewRestored(ctx context.Context, u undertaker, ref scim.Ref) error {
	if ref.Type != "User" {
		return nil
	}
	var found *scim.Resource
	var groups []scim.Membership
	err := u.Deleted(ctx, scim.Ref{}, func(d *scim.Deleted) error {
		if d.Resource.Ref == ref {
			found = d.Resource
			for _, g := range d.Groups {
				groups = append(groups, scim.Membership{Ref: g, Direct: true})
			}
		}
		return nil
	})
	if err != nil || found == nil {
		return err // Restore tells that it is not there
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return err
	}
	have, err := w.standing(ctx, s, found, groups)
	if err != nil {
		return err
	}
	ch := &change{w: w, actor: scim.ActorFrom(ctx), settings: s}
	if !ch.ceiling().holds(have) {
		return scim.Errorf(scim.ErrForbidden, "the account may do more than you: it is not yours to bring back")
	}
	if s.isAdministrator(s.permissions(s.roleNames(found)...)) {
		return w.hint(ctx, adminUsersSpace, ref.ID, true)
	}
	return nil
}

// Purge removes what was deleted for good, by the right to delete it.
func (w *Workspace) Purge(ctx context.Context, ref scim.Ref) error {
	if err := w.allow(ctx, ref.Type, actDelete); err != nil {
		return err
	}
	u, err := w.undertaker()
	if err != nil {
		return err
	}
	return u.Purge(ctx, ref)
}
