package account

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"rollcall/scim"
)

// Erased is a person who is being erased from a workspace.
type Erased struct {
	Workspace string
	ID        string
	// ExternalIDs are what owners knew the account by: "source:corp" → the entry's id.
	ExternalIDs map[string]string
	// Last tells that the person is in no other workspace: they are forgotten altogether.
	Last bool
}

// Eraser takes away what somebody keeps about a person. It may be called again for a person whom it has
// erased, or never knew.
type Eraser func(ctx context.Context, who Erased) error

// eventErased is what makes it lawful that the audit has no personal part (internal/audit).
const eventErased = "user.erased"

const (
	// erasedSpace has, for who was erased and came from a source, a sum of what the source knows them by.
	erasedSpace = "erased"
	// ErasedHold is for how long no source makes an account of somebody who was erased.
	ErasedHold = 30 * 24 * time.Hour
)

// erasers are those of this package, in order. Whoever keeps more about people adds a row.
func (w *Workspace) erasers() []Eraser {
	d := w.dir
	return []Eraser{
		func(ctx context.Context, who Erased) error {
			return errors.Join(w.dropSecrets(ctx, who.ID), w.abortLeases(ctx, who.ID))
		},
		func(ctx context.Context, who Erased) error {
			return errors.Join(w.kv(loginsSpace).Delete(ctx, who.ID), w.kv(unsureSpace).Delete(ctx, who.ID))
		},
		func(ctx context.Context, who Erased) error {
			return errors.Join(w.showAccount(ctx, who.ID), w.hint(ctx, adminUsersSpace, who.ID, false))
		},
		func(ctx context.Context, who Erased) error {
			return dropWhere(ctx, d.sessions.kv, func(_ string, s *session) bool {
				return s.Workspace == w.name && (s.User == who.ID || s.By == "user:"+who.ID)
			})
		},
		func(ctx context.Context, who Erased) error {
			own := func(_ string, t *Token) bool { return t.Workspace == w.name && t.Person == who.ID }
			return errors.Join(dropWhere(ctx, d.tokens.kv, own), dropWhere(ctx, d.tokens.access, own))
		},
		func(ctx context.Context, who Erased) error { // invitations and resets
			return dropWhere(ctx, d.codes.kv, func(_ string, c *code) bool { return c.Workspace == w.name && c.Person == who.ID })
		},
		func(ctx context.Context, who Erased) error { // mails that wait
			return dropWhere(ctx, d.outbox.kv, func(_ string, l *letter) bool { return l.Workspace == w.name && l.Person == who.ID })
		},
		func(ctx context.Context, who Erased) error { // and that were sent
			return dropWhere(ctx, d.outbox.sent, func(key string, _ *any) bool { return who.Last && strings.HasPrefix(key, who.ID+"/") })
		},
	}
}

// dropWhere deletes the keys of a space whose value, read from JSON, is to go.
func dropWhere[T any](ctx context.Context, kv scim.KV, gone func(key string, v *T) bool) error {
	var keys []string
	err := kv.Scan(ctx, func(key string, value []byte) error {
		var v T
		_ = json.Unmarshal(value, &v) // what is no JSON goes by its key
		if gone(key, &v) {
			keys = append(keys, key)
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, kv.Delete(ctx, key))
	}
	return err
}

// imageDropper is what a store does with what it keeps of a resource as it was.
type imageDropper interface {
	DropImages(ctx context.Context, ref scim.Ref) ([]scim.Version, error)
}

// Erase takes everything personal of somebody out of the workspace for good (accounts.md A26): account,
// what was kept of it for restoring and of its changes, secrets, sessions, tokens, mails, and what the
// audit tells of them. Changes and events go on naming their id, which leads to nobody any more.
// A person of other workspaces stays known there. What was broken off is finished by calling it again.
func (w *Workspace) Erase(ctx context.Context, id string) error {
	actor := scim.ActorFrom(ctx)
	if err := w.may(ctx, UsersDelete); err != nil {
		return err
	}
	switch {
	case actor.By != "":
		return errActing
	case actor.User.ID == id:
		return scim.Errorf(scim.ErrForbidden, "nobody erases themselves: ask another administrator")
	}
	ref := scim.Ref{Type: "User", ID: id}
	images, ok := w.store.(imageDropper)
	undertaker, err := w.undertaker()
	if err != nil || !ok {
		return errors.Join(err, scim.Errorf(scim.ErrUnavailable, "the store cannot erase"))
	}
	who, known, err := w.identify(ctx, undertaker, ref)
	if err != nil {
		return err
	}
	if !known { // of somebody who was purged, changes may still tell
		dropped, err := images.DropImages(ctx, ref)
		if err != nil {
			return err
		}
		if len(dropped) == 0 {
			return scim.Errorf(scim.ErrNotFound, "there is no User with id %q, nor anything kept of one", id)
		}
	}
	if err := w.note(ctx, AuditEvent{Type: eventErased, Subject: ref}); err != nil {
		return err
	}
	if _, err := images.DropImages(ctx, ref); err != nil {
		return err
	}
	if err := errors.Join(undertaker.Purge(ctx, ref), w.holdSources(ctx, who)); err != nil {
		return err
	}
	rest, err := w.dir.people.get(ctx, id)
	if err != nil {
		return err
	}
	who.Last = len(rest.elsewhere(w.name)) == 0
	for _, erase := range append(w.erasers(), w.dir.eraseMore...) {
		if err := erase(ctx, who); err != nil {
			return err
		}
	}
	return w.dir.people.leave(ctx, id, w.name)
}

// identify finds out whom an id is, or was, and deletes the account by the rules of every deletion.
func (w *Workspace) identify(ctx context.Context, u undertaker, ref scim.Ref) (who Erased, known bool, err error) {
	who = Erased{Workspace: w.name, ID: ref.ID, ExternalIDs: map[string]string{}}
	note := func(r *scim.Resource) {
		known = true
		if r.ExternalID != "" {
			who.ExternalIDs[r.Owner] = r.ExternalID
		}
	}
	err = u.Deleted(ctx, scim.Ref{}, func(d *scim.Deleted) error {
		if d.Resource.Ref == ref {
			note(d.Resource)
		}
		return nil
	})
	if err != nil {
		return who, false, err
	}
	old, err := w.store.Get(ctx, ref, scim.With{Inactive: true})
	if errors.Is(err, scim.ErrNotFound) {
		_, err = w.kv(erasedSpace).Get(ctx, erasedID(ref.ID))
		switch {
		case err == nil:
			return who, true, nil // it was broken off
		case errors.Is(err, scim.ErrNotFound):
			return who, known, nil
		}
		return who, known, err
	}
	if err != nil {
		return who, false, err
	}
	r, err := old.Resource()
	if err != nil {
		return who, false, err
	}
	note(r)
	// From here on it can be gone on with, whatever is left.
	if err := w.kv(erasedSpace).Put(ctx, erasedID(ref.ID), []byte(w.dir.now().UTC().Format(time.RFC3339)), nil); err != nil {
		return who, true, err
	}
	_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Delete: true})
	return who, true, err
}

func erasedID(id string) string { return "id/" + id }

// holdSources keeps the sources that knew somebody from making them anew, for ErasedHold.
func (w *Workspace) holdSources(ctx context.Context, who Erased) error {
	now := w.dir.now().UTC()
	for owner, externalID := range who.ExternalIDs {
		if !strings.HasPrefix(owner, "source:") || w.dir.sum == nil {
			continue
		}
		sum, err := w.dir.sum(w.name + "\x00" + owner + "\x00" + externalID)
		if err != nil {
			return err
		}
		if err := w.kv(erasedSpace).Put(ctx, sum, []byte(now.Format(time.RFC3339)), nil); err != nil {
			return err
		}
	}
	w.dir.idsCache.forget(erasedSpace + "/" + w.name)
	var over []string
	err := w.kv(erasedSpace).Scan(ctx, func(key string, value []byte) error {
		if at, err := time.Parse(time.RFC3339, string(value)); err == nil && now.Sub(at) > ErasedHold {
			over = append(over, key)
		}
		return nil
	})
	for _, key := range over {
		err = errors.Join(err, w.kv(erasedSpace).Delete(ctx, key))
	}
	return err
}

// checkErased refuses a source who makes an account of somebody who was erased: they are in its
// directory still, and would come back by the next run.
func (ch *change) checkErased(ctx context.Context) error {
	w := ch.w
	if ch.act != actCreate || ch.actor.Kind != "source" || ch.Ref.Type != "User" || ch.after.ExternalID == "" || w.dir.sum == nil {
		return nil
	}
	sums, err := w.idsOf(ctx, erasedSpace)
	if err != nil || len(sums) == 0 {
		return err
	}
	sum, err := w.dir.sum(w.name + "\x00" + ch.actor.Owner() + "\x00" + ch.after.ExternalID)
	if err != nil || !sums[sum] {
		return err
	}
	value, err := w.kv(erasedSpace).Get(ctx, sum)
	if errors.Is(err, scim.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	until := w.dir.now()
	if at, err := time.Parse(time.RFC3339, string(value)); err == nil {
		until = at.Add(ErasedHold)
	}
	if !w.dir.now().Before(until) {
		return nil
	}
	return scim.Errorf(scim.ErrErased, "the person was erased, and is in the directory still: remove the entry there, or leave it out with the source's exclude; "+
		"from %s on it makes a new account", until.Format(time.DateOnly))
}
