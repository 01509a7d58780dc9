package account

import (
	"context"
	"errors"
	"net/netip"

	"rollcall/scim"
)

// SetOwnPassword sets the password of the person who is logged in, and ends their sessions. The one
// that they have is asked for as a login is, so that a session that was left open cannot guess it.
func (d *Directory) SetOwnPassword(ctx context.Context, current, password string, addr netip.Addr) error {
	actor := scim.ActorFrom(ctx)
	switch {
	case actor == nil:
		return may(actor, SelfUpdate)
	case actor.By != "":
		return errActing
	case actor.User.ID == "" || actor.Session == "":
		return scim.Errorf(scim.ErrForbidden, "only a person who is logged in has a password of their own; for somebody else's, give userId")
	case actor.Kind != "expired":
		if err := may(actor, SelfUpdate); err != nil {
			return err
		}
	}
	w, err := d.Workspace(ctx, actor.Workspace)
	if err != nil {
		return err
	}
	stored, err := w.store.Get(ctx, actor.User, scim.With{})
	if err != nil {
		return err
	}
	user, err := stored.Resource()
	if err != nil {
		return err
	}
	if source := sourceOf(user); source != "local" {
		return scim.Errorf(scim.ErrInvalidValue, "password: the account logs in by %s, and has none here", source)
	}
	s, err := d.settings(ctx, w.name)
	if err != nil {
		return err
	}
	if sameHash(hashToken(current), hashToken(password)) {
		return scim.Errorf(scim.ErrInvalidValue, "password: the new one is the one that you have")
	}
	if err := d.checkPassword(s.PasswordPolicy, password, wordsOf(user)...); err != nil {
		return err
	}
	paid, err := d.throttle.pay(ctx, "id/"+user.ID, addr)
	if err != nil {
		return err
	}
	if _, _, err := d.prove(ctx, stored, current); errors.Is(err, scim.ErrUnauthenticated) {
		return scim.Errorf(scim.ErrForbidden, "current: that is not your password")
	} else if err != nil {
		return err
	}
	if err := paid.succeed(ctx); err != nil {
		return err
	}
	hash, err := d.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	if err := w.note(ctx, AuditEvent{Type: "password.changed", Subject: user.Ref}); err != nil {
		return err
	}
	return d.notifying(ctx, w, user, EventPassword, func() error {
		return d.people.setPassword(ctx, user.ID, w.name, hash)
	})
}

// SetPassword sets somebody else's password, and ends their sessions. It takes users:update, and an
// account that may do no more than the actor. A person who is in other workspaces too is mailed a link
// by which they set it themselves, where mail is sent.
func (w *Workspace) SetPassword(ctx context.Context, id, password string) (mailed bool, err error) {
	if password == "" {
		return false, scim.Errorf(scim.ErrInvalidValue, "new: a password is needed")
	}
	if err := w.may(ctx, UsersUpdate); err != nil {
		return false, err
	}
	if err := w.mayReset(ctx, scim.ActorFrom(ctx), id); errors.Is(err, scim.ErrForbidden) && w.dir.outbox.mail != nil {
		_, err := w.ResetPassword(ctx, id, true)
		return err == nil, err
	}
	return false, w.setPassword(ctx, scim.Ref{Type: "User", ID: id}, password)
}

func (w *Workspace) setPassword(ctx context.Context, ref scim.Ref, password string) error {
	for range 10 {
		old, err := w.store.Get(ctx, ref, scim.With{})
		if err != nil {
			return err
		}
		before, err := old.Resource()
		if err != nil {
			return err
		}
		_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Before: before, Put: before.Clone(), Password: password})
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
	}
	return scim.Errorf(scim.ErrUnavailable, "the account is being changed by others; try again")
}
