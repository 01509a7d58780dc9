package account

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"rollcall/scim"
)

// tierReset bounds the mails that others can have sent to somebody.
var tierReset = tier{3, time.Hour}

// ForgotPassword mails a link for a new password to whoever has that user name or e-mail address. The
// answer and the work are the same whoever exists; scim.ErrTooManyRequests after too many.
func (d *Directory) ForgotPassword(ctx context.Context, workspace, name string, addr netip.Addr) error {
	if workspace == "" {
		workspace = "default"
	}
	if err := d.gate.limit(limitKey{what: "reset " + network(addr)}, 1, 20); err != nil {
		return err
	}
	if _, err := d.throttle.count(ctx, throttleKey("reset", workspace, scim.Fold(name)), tierReset); err != nil {
		return err
	}
	w, stored, err := d.findAccount(ctx, workspace, name)
	if err != nil {
		return err
	}
	to, err := d.forgetful(ctx, w, stored)
	if err != nil {
		return err
	}
	c := &code{Use: codeReset, Workspace: workspace, Person: to, Mailed: true}
	if to != "" {
		_, err := d.issue(ctx, c, resetLife, EventReset)
		return err
	}
	return d.issueNobody(ctx, c, EventReset)
}

// forgetful is the id of the person who may be mailed a link; "" for nobody.
func (d *Directory) forgetful(ctx context.Context, w *Workspace, stored *scim.Stored) (string, error) {
	if stored == nil {
		return "", nil
	}
	user, err := stored.Resource()
	if err != nil {
		return "", err
	}
	if !user.Active() || sourceOf(user) != "local" || mailOf(user) == "" {
		return "", nil
	}
	if sure, err := w.sureOf(ctx, user.ID); err != nil || !sure {
		return "", err
	}
	return user.ID, nil
}

// nobody is whose code it is where there is nobody to be mailed: the same work, so that it takes the
// same time.
const nobody = "00000000-0000-0000-0000-000000000000"

// issueNobody does the work of issue for a link that nobody gets.
func (d *Directory) issueNobody(ctx context.Context, c *code, event Event) error {
	c.Person = nobody
	if err := d.codes.add(ctx, c, resetLife); err != nil {
		return err
	}
	return errors.Join(d.codes.kv.Delete(ctx, c.key()), d.state.KV("nobody").Put(ctx, "letter", []byte(event), nil))
}

// Reset is a link that an administrator had made, for somebody to set a new password. The code is
// there where no mail is sent.
type Reset struct {
	Mailed    bool
	Code      string
	ExpiresAt time.Time
}

// ResetPassword has somebody sent a link for a new password, or returns it to an administrator who
// could set the password themselves. It takes users:update.
func (w *Workspace) ResetPassword(ctx context.Context, id string, mailed bool) (*Reset, error) {
	if err := w.may(ctx, UsersUpdate); err != nil {
		return nil, err
	}
	actor := scim.ActorFrom(ctx)
	if actor.By != "" {
		return nil, errActing
	}
	stored, err := w.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
	if err != nil {
		return nil, err
	}
	user, err := stored.Resource()
	if err != nil {
		return nil, err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	if err := w.mayHandOver(ctx, s, user, mailed); err != nil {
		return nil, err
	}
	switch {
	case sourceOf(user) != "local":
		return nil, scim.Errorf(scim.ErrInvalidValue, "password: the account logs in by %s, and has none here", sourceOf(user))
	case !user.Active():
		return nil, scim.Errorf(scim.ErrInvalidValue, "password: the account is disabled; enable it first")
	case actor.User.ID == id:
		return nil, scim.Errorf(scim.ErrForbidden, "password: set your own with POST /api/v1/password, which asks for the one that you have")
	}
	if mailed {
		if err := w.mayMailReset(ctx, user); err != nil {
			return nil, err
		}
	}
	c := &code{Use: codeReset, Workspace: w.name, Person: id, Mailed: mailed}
	text, err := w.dir.issue(ctx, c, resetLife, EventReset)
	return &Reset{Mailed: mailed, Code: text, ExpiresAt: c.Expires}, err
}

// mayMailReset refuses to mail a link where it cannot arrive, or not surely at the person.
func (w *Workspace) mayMailReset(ctx context.Context, user *scim.Resource) error {
	if err := w.dir.mailable(true); err != nil {
		return err
	}
	if mailOf(user) == "" {
		return scim.Errorf(scim.ErrInvalidValue, "mail: the account has no e-mail address")
	}
	sure, err := w.sureOf(ctx, user.ID)
	if err == nil && !sure {
		err = scim.Errorf(scim.ErrForbidden, "mail: the e-mail address was set by somebody who may not set the password, and the person has not verified it")
	}
	return err
}

// CheckReset tells whether a link can set a password, without using it up.
func (d *Directory) CheckReset(ctx context.Context, text string, addr netip.Addr) (userName string, err error) {
	if err := d.codeRate(addr); err != nil {
		return "", err
	}
	c, _, err := d.codes.find(ctx, text, codeReset)
	if err != nil {
		return "", err
	}
	_, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return "", err
	}
	return user.UserName(), nil
}

// RedeemReset sets the password of whoever was sent the link, and ends their sessions. It works once.
func (d *Directory) RedeemReset(ctx context.Context, text, password string, addr netip.Addr) error {
	if err := d.codeRate(addr); err != nil {
		return err
	}
	c, old, err := d.codes.find(ctx, text, codeReset)
	if err != nil {
		return err
	}
	w, user, err := d.codeAccount(ctx, c)
	if err != nil {
		return err
	}
	if sourceOf(user) != "local" {
		return errBadCode
	}
	s, err := d.settings(ctx, w.name)
	if err != nil {
		return err
	}
	if err := d.checkPassword(s.PasswordPolicy, password, wordsOf(user)...); err != nil {
		return err
	}
	return d.codes.redeem(ctx, c, old, func() error {
		hash, err := d.hasher.hash(ctx, password)
		if err != nil {
			return err
		}
		return d.notifying(ctx, w, user, EventPassword, func() error {
			return d.people.setPasswordAt(ctx, user.ID, w.name, hash, c.Epoch)
		})
	})
}
