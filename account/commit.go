package account

import (
	"context"
	"errors"

	"rollcall/scim"
)

// Commit implements scim.Store.
func (w *Workspace) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	ch, err := w.review(ctx, c)
	if err != nil {
		return nil, err
	}
	return ch.run(ctx)
}

// run makes a change that the rules let through, with what goes before and after it.
func (ch *change) run(ctx context.Context) (done *scim.Committed, err error) {
	err = ch.w.guarded(ctx, ch, func() error {
		if err := ch.prepare(ctx); err != nil {
			return err
		}
		c := *ch.Commit
		c.Password = "" // no store sees one
		if done, err = ch.w.store.Commit(ctx, &c); err != nil {
			ch.undo(ctx, err)
			return err
		}
		return ch.finish(ctx)
	})
	return done, err
}

// CommitMany implements scim.Store: a commit that is refused here keeps its place.
func (w *Workspace) CommitMany(ctx context.Context, commits []*scim.Commit) []scim.CommitResult {
	results := make([]scim.CommitResult, len(commits))
	var many []*scim.Commit
	var changes []*change
	var place []int
	for i, c := range commits {
		ch, err := w.review(ctx, c)
		switch {
		case err != nil:
		case ch.loss != nil: // judged one by one
			results[i].Committed, err = ch.run(ctx)
		default:
			if err = ch.prepare(ctx); err == nil {
				plain := *c
				plain.Password = "" // no store sees one
				many, changes, place = append(many, &plain), append(changes, ch), append(place, i)
			}
		}
		results[i].Err = err
	}
	var joined []scim.Ref
	for i, r := range w.store.CommitMany(ctx, many) {
		ch := changes[i]
		switch {
		case r.Err != nil:
			ch.undo(ctx, r.Err)
		case ch.act == actCreate && ch.Ref.Type == "User":
			joined = append(joined, ch.Ref)
		default:
			r.Err = ch.finish(ctx)
		}
		results[place[i]] = r
	}
	if err := w.join(ctx, joined); err != nil {
		for i, ch := range changes {
			if r := &results[place[i]]; r.Err == nil && ch.act == actCreate {
				r.Err = err
			}
		}
	}
	return results
}

// prepare does what comes before the commit: the person before the account, what finds
// administrators before there is one, and the end of access before what it is ended for, so that
// a change that was half done ends it again when it is tried again.
func (ch *change) prepare(ctx context.Context) error {
	if ch.newAdmin != "" {
		if err := ch.w.hint(ctx, ch.newAdmin, ch.Ref.ID, true); err != nil {
			return err
		}
	}
	if ch.offline {
		if err := ch.w.hideAccount(ctx, ch.Ref.ID, ch.before); err != nil {
			return err
		}
		if err := ch.w.checkLeases(ctx, ch.Ref.ID); err != nil { // one that was taken just before
			ch.undo(ctx, err)
			return err
		}
	}
	if err := ch.notify(ctx); err != nil {
		return err
	}
	if ch.ends != (ending{}) {
		if err := ch.w.dir.people.endAccess(ctx, ch.Ref.ID, ch.w.name, ch.ends); err != nil {
			return err
		}
	}
	if ch.password != "" && ch.act == actCreate {
		return ch.keepPassword(ctx)
	}
	return nil
}

func (ch *change) keepPassword(ctx context.Context) error {
	hash, err := ch.w.dir.hasher.hash(ctx, ch.password)
	if err != nil {
		return err
	}
	if err := ch.w.note(ctx, AuditEvent{Type: "password.set", Subject: ch.Ref}); err != nil {
		return err
	}
	return ch.w.dir.people.setPassword(ctx, ch.Ref.ID, ch.w.name, hash)
}

// notify writes the letters about a change, and notes what its addresses are worth.
func (ch *change) notify(ctx context.Context) (err error) {
	if ch.unsure {
		if err := ch.w.kv(unsureSpace).Put(ctx, ch.Ref.ID, []byte("1"), nil); err != nil {
			return err
		}
	}
	if ch.address != nil {
		if err := ch.verifyAddress(ctx); err != nil {
			return err
		}
	}
	var version scim.Version
	if ch.before != nil {
		version = ch.before.Version
	}
	ch.letters, err = ch.w.dir.hold(ctx, ch.w.name, ch.Ref.ID, version, ch.events()...)
	return err
}

// undo takes back what was prepared for an account that was not made. What it does not get to, stays
// as a person without an account, who cannot log in.
func (ch *change) undo(ctx context.Context, failed error) {
	ch.w.dir.settle(ctx, ch.letters, failed)
	if ch.offline {
		_ = ch.w.showAccount(context.WithoutCancel(ctx), ch.Ref.ID)
	}
	if ch.act != actCreate || ch.Ref.Type != "User" {
		return
	}
	if ch.password != "" {
		_ = ch.w.dir.people.leave(context.WithoutCancel(ctx), ch.Ref.ID, ch.w.name)
	}
	if ch.newAdmin != "" {
		_ = ch.w.hint(context.WithoutCancel(ctx), ch.newAdmin, ch.Ref.ID, false)
	}
}

// finish does what comes after the commit.
func (ch *change) finish(ctx context.Context) error {
	w := ch.w
	if ch.password != "" && ch.act != actCreate {
		if err := ch.keepPassword(ctx); err != nil {
			return err
		}
	}
	w.dir.settle(ctx, ch.letters, nil)
	if ch.sure || ch.Ref.Type == "User" && ch.act == actDelete {
		if err := w.kv(unsureSpace).Delete(ctx, ch.Ref.ID); err != nil {
			return err
		}
	}
	if ch.oldAdmin != "" {
		if err := w.hint(ctx, ch.oldAdmin, ch.Ref.ID, false); err != nil {
			return err
		}
	}
	if ch.Ref.Type != "User" {
		return nil
	}
	if ch.online || ch.act == actDelete {
		if err := w.showAccount(ctx, ch.Ref.ID); err != nil {
			return err
		}
	}
	switch {
	case ch.act == actDelete:
		if err := errors.Join(w.abortLeases(ctx, ch.Ref.ID), w.dropSecrets(ctx, ch.Ref.ID)); err != nil {
			return err
		}
		return w.dir.people.leave(ctx, ch.Ref.ID, w.name)
	case ch.act == actCreate:
		return w.join(ctx, []scim.Ref{ch.Ref})
	case ch.ends != (ending{}):
		// Again: somebody may have logged in between.
		if err := w.dir.people.endAccess(ctx, ch.Ref.ID, w.name, ch.ends); err != nil {
			return err
		}
	}
	if ch.roles && ch.settings.OnRoleChange.ClearGroups {
		return w.clearGroups(ctx, ch.Ref)
	}
	return nil
}
