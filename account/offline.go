package account

import (
	"context"
	"errors"

	"rollcall/scim"
)

// inactiveSpace holds the ids of accounts that are deactivated, with what is suspended of them. It is
// written before the account is changed, and cleared after it has come back.
const inactiveSpace = "inactive"

// hide answers as for a resource that is not there where it is an account that is deactivated. A
// source sees all that it owns.
func (w *Workspace) hide(ctx context.Context, ref scim.Ref, with scim.With) error {
	if ref.Type != "User" || with.Inactive {
		return nil
	}
	if a := scim.ActorFrom(ctx); a != nil && a.Kind == "source" {
		return nil
	}
	ids, err := w.idsOf(ctx, inactiveSpace)
	if err != nil || !ids[ref.ID] {
		return err
	}
	return scim.Errorf(scim.ErrNotFound, "there is no User with id %q", ref.ID)
}

var notInactive = func() *scim.Filter {
	f, err := scim.ParseFilter("not (" + scim.AccountUserURN + ":inactive eq true)")
	if err != nil {
		panic(err) // it is constant
	}
	return f
}()

// visible is a query without the accounts that are deactivated, unless its filter asks for them.
func (w *Workspace) visible(ctx context.Context, q *scim.Query) (*scim.Query, error) {
	ids, err := w.idsOf(ctx, inactiveSpace)
	if err != nil || len(ids) == 0 || q.Filter != nil && q.Filter.Asks("inactive") {
		return q, err
	}
	for _, typ := range q.Types {
		if typ != "User" {
			continue
		}
		own := *q
		own.Filter = notInactive
		if q.Filter != nil {
			own.Filter = q.Filter.And(notInactive)
		}
		return &own, nil
	}
	return q, nil
}

// reviewRest holds what is left: an account that is offline and is made active comes back whole.
func (ch *change) reviewRest(ctx context.Context) error {
	if ch.before == nil || ch.after == nil {
		return nil
	}
	was, _ := extension(ch.before)["inactive"].(bool)
	is, _ := extension(ch.after)["inactive"].(bool)
	if was && is && ch.after.Active() {
		delete(extension(ch.after), "inactive")
		is = false
	}
	ch.offline, ch.online = is && !was, was && !is
	if !ch.online || ch.after.Attributes["entitlements"] != nil {
		return nil
	}
	value, err := ch.w.kv(inactiveSpace).Get(ctx, ch.Ref.ID)
	if errors.Is(err, scim.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := scim.ParseObject(value, scim.StoredLimits)
	if err == nil && kept["entitlements"] != nil {
		ch.after.Attributes["entitlements"] = kept["entitlements"]
	}
	return err
}

// hideAccount notes that an account is about to go offline, and what it leaves.
func (w *Workspace) hideAccount(ctx context.Context, id string, before *scim.Resource) error {
	value := scim.AppendJSON(nil, map[string]any{"entitlements": before.Attributes["entitlements"]})
	err := w.kv(inactiveSpace).Put(ctx, id, value, nil)
	w.dir.idsCache.forget(inactiveSpace + "/" + w.name)
	return err
}

func (w *Workspace) showAccount(ctx context.Context, id string) error {
	err := w.kv(inactiveSpace).Delete(ctx, id)
	w.dir.idsCache.forget(inactiveSpace + "/" + w.name)
	return err
}

// Deactivate takes an account offline: it cannot log in, lists do not show it, and it is kept. What
// it is entitled to is suspended with it. scim.ErrLeased while an application works for it.
func (w *Workspace) Deactivate(ctx context.Context, id string) (*scim.Stored, error) {
	if err := w.mayReach(ctx, id); err != nil {
		return nil, err
	}
	if err := w.checkLeases(ctx, id); err != nil {
		return nil, err
	}
	return w.update(ctx, id, func(r *scim.Resource) error {
		ext := extension(r)
		if ext == nil {
			ext = map[string]any{}
			r.Attributes[scim.AccountUserURN] = ext
		}
		ext["inactive"], r.Attributes["active"] = true, false
		delete(r.Attributes, "entitlements")
		return nil
	})
}

// Activate brings an account back that is deactivated, by its id.
func (w *Workspace) Activate(ctx context.Context, id string) (*scim.Stored, error) {
	if err := w.mayReach(ctx, id); err != nil {
		return nil, err
	}
	return w.update(ctx, id, func(r *scim.Resource) error {
		if offline, _ := extension(r)["inactive"].(bool); !offline {
			return scim.Errorf(scim.ErrInvalidValue, "the account is not deactivated; a disabled one is enabled by setting active")
		}
		delete(extension(r), "inactive")
		r.Attributes["active"] = true
		return nil
	})
}

// ActivateNamed is Activate by userName.
func (w *Workspace) ActivateNamed(ctx context.Context, userName string) (*scim.Stored, error) {
	if err := w.may(ctx, UsersUpdate); err != nil {
		return nil, err
	}
	s, err := w.store.Lookup(ctx, "User", "userName", userName, scim.With{})
	if err != nil {
		return nil, err
	}
	return w.Activate(ctx, s.ID)
}

// mayReach asks for users:update, and that there is such an account.
func (w *Workspace) mayReach(ctx context.Context, id string) error {
	if err := w.may(ctx, UsersUpdate); err != nil {
		return err
	}
	_, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
	return err
}
