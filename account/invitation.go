package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"rollcall/scim"
)

// NewInvitation is somebody to be invited.
type NewInvitation struct {
	UserName string
	Message  string
	Mail     bool
	Options
}

// Invited is somebody who was invited. The code is there where no mail is sent.
type Invited struct {
	ID        string
	ExpiresAt time.Time
	User      *scim.Stored
	Code      string
}

// InvitationInfo is an invitation as lists show it.
type InvitationInfo struct {
	ID        string    `json:"id"`
	UserID    string    `json:"userId"`
	UserName  string    `json:"userName"`
	Mail      bool      `json:"mail"`
	CreatedBy string    `json:"createdBy"`
	Created   time.Time `json:"created"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Invite makes an account for somebody, and a link by which they give it a name and a password. An
// account that is deactivated comes back by it, and one that nobody has given a password is invited
// anew. It takes invitations:manage, and users:create or users:update.
func (w *Workspace) Invite(ctx context.Context, n NewInvitation) (*Invited, error) {
	if err := w.may(ctx, InvitationsManage); err != nil {
		return nil, err
	}
	if n.UserName == "" {
		return nil, scim.Errorf(scim.ErrInvalidValue, "userName: whom to invite is needed, such as jane@example.com")
	}
	if err := errors.Join(checkMessage(n.Message), w.dir.mailable(n.Mail)); err != nil {
		return nil, err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	user := map[string]any{"userName": n.UserName, "displayName": n.UserName}
	if a, ok := address(n.UserName); ok {
		user["emails"] = []any{map[string]any{"value": a, "primary": true}}
	} else if n.Mail {
		if _, err := w.store.Lookup(ctx, "User", "userName", n.UserName, scim.With{}); errors.Is(err, scim.ErrNotFound) {
			return nil, scim.Errorf(scim.ErrInvalidValue, "userName: to be mailed it must be an e-mail address; or ask with mail=false")
		}
	}
	here, err := w.store.Lookup(ctx, "User", "userName", n.UserName, scim.With{})
	if errors.Is(err, scim.ErrNotFound) {
		here, err = w.CreateAccount(ctx, NewAccount{User: user, Options: n.Options, invited: true})
	} else if err == nil {
		here, err = w.inviteAgain(ctx, s, here, n)
	}
	if err != nil {
		return nil, err
	}
	return w.sendInvitation(ctx, here, n.Message, n.Mail)
}

// inviteAgain makes an account that is there ready to be invited: it brings back one that is
// deactivated. Who has a password or logs in elsewhere has no use for an invitation.
func (w *Workspace) inviteAgain(ctx context.Context, s *Settings, here *scim.Stored, n NewInvitation) (*scim.Stored, error) {
	user, err := here.Resource()
	if err != nil {
		return nil, err
	}
	offline, _ := extension(user)["inactive"].(bool)
	who, err := w.dir.people.get(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	if sourceOf(user) != "local" || !offline && (!user.Active() || who != nil && who.Password != "") {
		return nil, scim.Errorf(scim.ErrUniqueness, "userName: %q is the account of somebody already", n.UserName)
	}
	if err := w.may(ctx, UsersUpdate); err != nil {
		return nil, err
	}
	if err := w.mayHandOver(ctx, s, user, n.Mail); err != nil {
		return nil, err
	}
	if offline {
		if _, err := w.Activate(ctx, user.ID); err != nil {
			return nil, err
		}
	}
	return w.update(ctx, user.ID, func(r *scim.Resource) error { return n.Options.apply(s, r) })
}

// mayHandOver tells whether the actor may have a link made by which somebody sets the password of an
// account: one that may do no more than they, and where the link comes into their own hands, one
// whose password they could set.
func (w *Workspace) mayHandOver(ctx context.Context, s *Settings, user *scim.Resource, mailed bool) error {
	ch := &change{Commit: &scim.Commit{Ref: user.Ref}, w: w, actor: scim.ActorFrom(ctx), settings: s}
	have, err := w.standingOf(ctx, s, user.Ref, user)
	if err != nil {
		return err
	}
	if !ch.ceiling().holds(have) {
		return scim.Errorf(scim.ErrForbidden, "the account may do more than you: its password is not yours to change")
	}
	if mailed {
		return nil
	}
	return w.mayReset(ctx, ch.actor, user.ID)
}

// sendInvitation makes the link for an account, and mails it or returns it.
func (w *Workspace) sendInvitation(ctx context.Context, account *scim.Stored, message string, mailed bool) (*Invited, error) {
	c := &code{Use: codeInvitation, Workspace: w.name, Person: account.ID, By: byOf(scim.ActorFrom(ctx)), Message: message, Mailed: mailed}
	text, err := w.dir.issue(ctx, c, invitationLife, EventInvited)
	if err != nil {
		return nil, err
	}
	return &Invited{ID: c.ID, ExpiresAt: c.Expires, User: account, Code: text}, nil
}

// issue makes a code with the person's epoch as it is now. It is mailed with the letter of an event,
// or returned.
func (d *Directory) issue(ctx context.Context, c *code, life time.Duration, event Event) (text string, err error) {
	who, err := d.people.enter(ctx, c.Person, c.Workspace)
	if err != nil {
		return "", err
	}
	c.Epoch = who.sessionEpoch(c.Workspace)
	if err := d.codes.add(ctx, c, life); err != nil {
		return "", err
	}
	if c.Mailed {
		return "", d.postCode(ctx, c, event)
	}
	return d.codes.mint(ctx, c.key())
}

func byOf(a *scim.Actor) *codeBy {
	return &codeBy{Name: actorName(a), Kind: a.Kind, ID: a.ID, Workspace: a.Workspace}
}

// mayStill tells whether whoever invited may do so still: an invitation goes with the right to it.
func (d *Directory) mayStill(ctx context.Context, by *codeBy, p scim.Permission) (bool, error) {
	switch {
	case by == nil:
		return true, nil
	case by.Kind == "user":
		who, err := d.subject(ctx, by.Workspace, by.ID)
		return err == nil && who != nil && who.active && who.may[p], err
	case by.Kind == "token":
		tok, err := d.tokens.get(ctx, by.ID)
		if errors.Is(err, scim.ErrNotFound) {
			return false, nil
		}
		return err == nil && !d.tokens.expired(tok.Token), err
	}
	return true, nil
}

// Invitations lists those of the workspace that nobody has accepted, newest first. It takes
// invitations:manage.
func (w *Workspace) Invitations(ctx context.Context) ([]InvitationInfo, error) {
	if err := w.may(ctx, InvitationsManage); err != nil {
		return nil, err
	}
	list, now := []InvitationInfo{}, w.dir.now()
	err := w.eachInvitation(ctx, func(c *code) {
		if now.Before(c.Expires) {
			list = append(list, InvitationInfo{ID: c.ID, UserID: c.Person, Mail: c.Mailed, CreatedBy: c.By.Name, Created: c.Created, ExpiresAt: c.Expires})
		}
	})
	if err != nil {
		return nil, err
	}
	kept := list[:0]
	for _, i := range list {
		c, _, err := w.dir.codes.read(ctx, codeKey(i.UserID, i.ID))
		if err == nil {
			var user *scim.Resource
			if _, user, err = w.dir.codeAccount(ctx, c); err == nil {
				i.UserName = user.UserName()
				kept = append(kept, i)
				continue
			}
		}
		if !errors.Is(err, errBadCode) { // one that has ended with its account is none
			return nil, err
		}
	}
	slices.SortFunc(kept, func(a, b InvitationInfo) int { return b.Created.Compare(a.Created) })
	return kept, nil
}

func (w *Workspace) eachInvitation(ctx context.Context, fn func(*code)) error {
	return w.dir.codes.kv.Scan(ctx, func(key string, value []byte) error {
		c := &code{}
		if err := json.Unmarshal(value, c); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "code %s: %v", key, err)
		}
		if c.Use == codeInvitation && c.Workspace == w.name {
			fn(c)
		}
		return nil
	})
}

// DeleteInvitation takes an invitation back: its link works no more. The account stays. It takes
// invitations:manage.
func (w *Workspace) DeleteInvitation(ctx context.Context, id string) error {
	if err := w.may(ctx, InvitationsManage); err != nil {
		return err
	}
	missing := scim.Errorf(scim.ErrNotFound, "there is no invitation with that id: `rollcall invitation list` shows them")
	person, ok := personOfCode(id)
	if !ok {
		return missing
	}
	c, _, err := w.dir.codes.read(ctx, codeKey(person, id))
	if errors.Is(err, errBadCode) || err == nil && (c.Use != codeInvitation || c.Workspace != w.name) {
		return missing
	}
	if err != nil {
		return err
	}
	return w.dir.codes.kv.Delete(ctx, c.key())
}

// Invitation tells whom a link invites, without using it up.
func (d *Directory) Invitation(ctx context.Context, text string, addr netip.Addr) (userName, message string, err error) {
	if err := d.codeRate(addr); err != nil {
		return "", "", err
	}
	c, _, err := d.codes.find(ctx, text, codeInvitation)
	if err != nil {
		return "", "", err
	}
	_, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return "", "", err
	}
	return user.UserName(), c.Message, nil
}

// AcceptInvitation sets the password, and the name unless that is "", of whoever was invited, and logs
// them in. It works once.
func (d *Directory) AcceptInvitation(ctx context.Context, text, name, password string, addr netip.Addr) (*LoggedIn, error) {
	if err := d.codeRate(addr); err != nil {
		return nil, err
	}
	c, old, err := d.codes.find(ctx, text, codeInvitation)
	if err != nil {
		return nil, err
	}
	w, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return nil, err
	}
	if ok, err := d.mayStill(ctx, c.By, InvitationsManage); err != nil || !ok {
		return nil, errors.Join(err, errBadCode)
	}
	s, err := d.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	if err := d.checkPassword(s.PasswordPolicy, password, append(wordsOf(user), name)...); err != nil {
		return nil, err
	}
	var hash string
	err = d.codes.redeem(ctx, c, old, func() error {
		if name != "" {
			if _, err := w.update(w.asThemselves(ctx, user), user.ID, func(r *scim.Resource) error {
				r.Attributes["displayName"] = name
				return nil
			}); err != nil {
				return err
			}
		}
		if hash, err = d.hasher.hash(ctx, password); err != nil {
			return err
		}
		return d.people.setPasswordAt(ctx, user.ID, w.name, hash, c.Epoch)
	})
	if err != nil {
		return nil, err
	}
	return d.enterNoted(ctx, w, &person{ID: user.ID, Password: hash}, user, addr)
}
