package account

import (
	"context"
	"errors"
	"time"

	"rollcall/scim"
)

// Target is whom somebody wants to act as: one of the three.
type Target struct {
	UserID   string
	UserName string
	Guest    bool
}

// Impersonate begins a session in which the actor acts as somebody else of the workspace
// (accounts.md A3). It takes sessions:impersonate, and somebody who may do nothing that the actor
// may not, and not impersonate either. It ends with the actor's own session or token.
func (w *Workspace) Impersonate(ctx context.Context, to Target) (*LoggedIn, error) {
	actor := scim.ActorFrom(ctx)
	if err := w.may(ctx, SessionsImpersonate); err != nil {
		return nil, err
	}
	if actor.By != "" {
		return nil, errActing
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	now := w.dir.now().UTC().Truncate(time.Second)
	sess := session{Workspace: w.name, By: actorName(actor), Created: now, LastUsed: now, Expires: now.Add(actingLife), Idle: s.SessionIdleMinutes}
	switch {
	case actor.Session != "":
		sess.Parent = actor.Session
	case actor.Kind == "token" || actor.Kind == "bootstrap":
		sess.Parent = actor.ID
	case actor.Kind != "operator":
		return nil, scim.Errorf(scim.ErrForbidden, "only a person or a token of its own can act as somebody else")
	}
	in := &LoggedIn{Workspace: w.name, ExpiresAt: sess.Expires}
	have := s.permissions(s.GuestRole)
	if to.Guest {
		if s.GuestRole == "" {
			return nil, scim.Errorf(scim.ErrInvalidValue, "the workspace has no role for guests: set guestRole")
		}
	} else {
		if in.User, err = w.target(ctx, to); err != nil {
			return nil, err
		}
		user, err := in.User.Resource()
		if err != nil {
			return nil, err
		}
		if have, err = w.standing(ctx, s, user, in.User.Groups); err != nil {
			return nil, err
		}
		if !user.Active() || user.ID == actor.User.ID {
			return nil, scim.Errorf(scim.ErrForbidden, "nobody acts as themselves, or as somebody who is disabled")
		}
		who, err := w.dir.people.enter(ctx, user.ID, w.name)
		if err != nil {
			return nil, err
		}
		sess.User, sess.Epoch = user.ID, who.sessionEpoch(w.name)
	}
	if have[SessionsImpersonate] {
		return nil, scim.Errorf(scim.ErrForbidden, "nobody acts as somebody who may impersonate")
	}
	for p := range have {
		if !actor.Can(p) {
			return nil, scim.Errorf(scim.ErrForbidden, "the account may do what you may not (%s)", p)
		}
	}
	e := AuditEvent{Type: eventImpersonate, Subject: userRef(sess.User), Detail: map[string]any{"guest": to.Guest}}
	if err := w.note(ctx, e); err != nil {
		return nil, err
	}
	in.Token, err = w.dir.sessions.start(ctx, sess)
	return in, err
}

func (w *Workspace) target(ctx context.Context, to Target) (*scim.Stored, error) {
	nobody := scim.Errorf(scim.ErrNotFound, "there is no such user")
	var s *scim.Stored
	var err error
	switch {
	case to.UserID != "" && to.UserName == "":
		s, err = w.store.Get(ctx, scim.Ref{Type: "User", ID: to.UserID}, scim.With{Groups: true})
	case to.UserName != "" && to.UserID == "":
		s, err = w.store.Lookup(ctx, "User", "userName", to.UserName, scim.With{Groups: true})
	default:
		return nil, scim.Errorf(scim.ErrInvalidValue, "give one of userId, userName, guest")
	}
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nobody
	}
	return s, err
}
