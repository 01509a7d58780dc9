package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"rollcall/scim"
)

// CheckPassword proves a password at the directory that an account came from: source is the
// name of the source, externalID the directory's own id of the person. scim.ErrUnauthenticated:
// the password is wrong; scim.ErrUnavailable: the directory does not answer.
type CheckPassword func(ctx context.Context, source, externalID, userName, password string) error

// Login is somebody who asks to be let in.
type Login struct {
	Workspace string // "" for default
	UserName  string // or an e-mail address that one account alone has
	Password  string
	Addr      netip.Addr
}

// LoggedIn is somebody who was let in.
type LoggedIn struct {
	Token     string
	ExpiresAt time.Time
	Workspace string
	User      *scim.Stored // nil for a guest
	// PasswordExpired is a token that is good for setting a new password alone.
	PasswordExpired bool
}

// errLogin is the one answer to a login that is not right, whatever it is that is wrong.
var errLogin = scim.Errorf(scim.ErrUnauthenticated, "the user name or the password is wrong")

// LogIn lets a person in by their password. Every refusal is the same scim.ErrUnauthenticated,
// and takes the same time; scim.ErrTooManyRequests after too many.
func (d *Directory) LogIn(ctx context.Context, l Login) (*LoggedIn, error) {
	if l.Workspace == "" {
		l.Workspace = "default"
	}
	w, stored, err := d.findAccount(ctx, l.Workspace, l.UserName)
	if err != nil {
		return nil, err
	}
	account := l.Workspace + "/" + scim.Fold(l.UserName)
	if stored != nil {
		account = "id/" + stored.ID
	}
	paid, err := d.throttle.pay(ctx, account, l.Addr)
	if err != nil {
		return nil, err
	}
	who, user, err := d.prove(ctx, stored, l.Password)
	if errors.Is(err, scim.ErrUnauthenticated) {
		if stored != nil {
			noteLogin(ctx, w.kv(loginsSpace), stored.ID, d.now(), false)
		} else { // the same work, so that it takes the same time
			noteLogin(ctx, w.kv("nobody"), "nobody", d.now(), false)
		}
		// A name that nobody has is not told: now and then it is a password.
		if err := d.Note(ctx, l.Workspace, loginEvent(eventLoginFailed, stored, l.Addr)); err != nil {
			return nil, err
		}
	}
	if errors.Is(err, errQueueFull) {
		return nil, errors.Join(err, paid.back(ctx))
	}
	if err != nil {
		return nil, err
	}
	if err := paid.succeed(ctx); err != nil {
		return nil, err
	}
	return d.enterNoted(ctx, w, who, user, l.Addr)
}

// enterNoted is enter, of which the audit and the account tell.
func (d *Directory) enterNoted(ctx context.Context, w *Workspace, who *person, user *scim.Resource, addr netip.Addr) (*LoggedIn, error) {
	in, err := d.enter(ctx, w, who, user)
	if err != nil {
		return nil, err
	}
	if err := w.note(ctx, loginEvent(eventLogin, in.User, addr)); err != nil {
		return nil, err
	}
	noteLogin(ctx, w.kv(loginsSpace), user.ID, d.now(), true)
	return in, nil
}

// findAccount finds whom a name or e-mail address means, and in which workspace; nil for nobody, or for
// more than one. It looks the same way for whoever there is not, so that it takes the same time: by
// name, by address where the name may be one, and in the default workspace for one that there is not.
func (d *Directory) findAccount(ctx context.Context, workspace, name string) (*Workspace, *scim.Stored, error) {
	w, err := d.Workspace(ctx, workspace)
	nowhere := errors.Is(err, scim.ErrNotFound)
	if nowhere {
		w, err = d.Workspace(ctx, "default")
	}
	if err != nil {
		return nil, nil, err
	}
	if name == "" || len(name) > maxUserName {
		return w, nil, nil
	}
	found, err := w.store.Lookup(ctx, "User", "userName", name, scim.With{})
	if err != nil && !errors.Is(err, scim.ErrNotFound) {
		return nil, nil, err
	}
	byAddress, err := w.findByAddress(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if nowhere {
		return w, nil, nil
	}
	if found == nil {
		found = byAddress
	}
	return w, found, nil
}

// findByAddress finds the account that alone has an e-mail address; nil for none or several.
func (w *Workspace) findByAddress(ctx context.Context, address string) (*scim.Stored, error) {
	if !strings.Contains(address, "@") {
		return nil, nil
	}
	filter, err := scim.ParseFilter("emails.value eq " + string(scim.AppendJSON(nil, address)))
	if err != nil {
		return nil, nil //nolint:nilerr // no address
	}
	page, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: 1, Count: 2})
	if err != nil || len(page.Resources) != 1 {
		return nil, err
	}
	return page.Resources[0], nil
}

const maxUserName = 1024

// loginEvent is a login that went well or not, of an account or nil.
func loginEvent(typ string, stored *scim.Stored, addr netip.Addr) AuditEvent {
	e := AuditEvent{Type: typ, Personal: map[string]string{"address": addr.String()}}
	if stored != nil {
		e.Subject = stored.Ref
	}
	if typ == eventLoginFailed {
		e.Outcome = "refused"
	} else {
		e.Actor = actorName(&scim.Actor{Kind: "user", ID: stored.ID})
	}
	return e
}

// prove holds a password against an account; nil is nobody's. Whatever is wrong, a hash is made.
func (d *Directory) prove(ctx context.Context, stored *scim.Stored, password string) (*person, *scim.Resource, error) {
	var who *person
	var user *scim.Resource
	var err error
	id := "nobody"
	if stored != nil {
		id = stored.ID
		if user, err = stored.Resource(); err != nil {
			return nil, nil, err
		}
	}
	if who, err = d.people.get(ctx, id); err != nil {
		return nil, nil, err
	}
	source, hash := "local", ""
	if user != nil {
		source = sourceOf(user)
	}
	if who != nil && source == "local" {
		hash = who.Password
	}
	done, err := d.hasher.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	elsewhere := make(chan error, 1)
	if source == "ldap" {
		go func() { elsewhere <- d.askDirectory(ctx, user, password) }()
	}
	right, err := d.hasher.verify(hash, password)
	done()
	if source == "ldap" {
		bound := <-elsewhere
		if bound != nil && !errors.Is(bound, scim.ErrUnauthenticated) {
			return nil, nil, bound
		}
		right = bound == nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !right || user == nil || !user.Active() {
		return nil, nil, errLogin
	}
	if source == "local" && weaker(hash) {
		d.rehash(ctx, who, password)
	}
	return who, user, nil
}

// askDirectory asks the directory that an account came from.
func (d *Directory) askDirectory(ctx context.Context, user *scim.Resource, password string) error {
	source, ok := strings.CutPrefix(user.Owner, "source:")
	if d.checkLDAP == nil || !ok {
		return scim.Errorf(scim.ErrUnavailable, "the account logs in by a directory, and this server can ask none: set up its source")
	}
	if password == "" || strings.ContainsRune(password, 0) { // a bind without a password succeeds
		return errLogin
	}
	return d.checkLDAP(ctx, source, user.ExternalID, user.UserName(), password)
}

// rehash makes a weak hash a strong one, unless the password was changed meanwhile.
func (d *Directory) rehash(ctx context.Context, who *person, password string) {
	hash, err := d.hasher.hash(ctx, password)
	if err != nil {
		return
	}
	kept := who.Password
	err = d.people.change(ctx, who.ID, func(now *person) (*person, error) {
		kept = ""
		if now != nil && sameHash(now.Password, who.Password) {
			now.Password, kept = hash, hash
		}
		return now, nil
	})
	if err == nil && kept != "" {
		who.Password = kept
	}
}

// enter begins the session of a person who has proved who they are. The epoch is read before the
// account: what ends access in between, ends the session too.
func (d *Directory) enter(ctx context.Context, w *Workspace, who *person, user *scim.Resource) (*LoggedIn, error) {
	at := d.now().UTC()
	now := at.Truncate(time.Second)
	s, err := d.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	proved := ""
	if who != nil {
		proved = who.Password
	}
	if who, err = d.people.enter(ctx, user.ID, w.name); err != nil {
		return nil, err
	}
	stored, err := w.store.Get(ctx, user.Ref, scim.With{Groups: true})
	if errors.Is(err, scim.ErrNotFound) {
		return nil, errLogin
	}
	if err != nil {
		return nil, err
	}
	if user, err = stored.Resource(); err != nil {
		return nil, err
	}
	over, err := w.over(ctx, s, user, stored.Groups)
	if err != nil {
		return nil, err
	}
	if !user.Active() || over || sourceOf(user) == "local" && !sameHash(proved, who.Password) {
		return nil, errLogin // disabled, or the password was changed, since it was proved
	}
	sess := session{Workspace: w.name, User: user.ID, Epoch: who.sessionEpoch(w.name), Created: now, LastUsed: now,
		Expires: now.Add(time.Duration(s.SessionMaxHours) * time.Hour), Idle: s.SessionIdleMinutes}
	expired := sourceOf(user) == "local" && s.passwordExpired(who, at)
	if expired {
		sess.Password, sess.Expires = true, now.Add(passwordLife)
	}
	text, err := d.sessions.start(ctx, sess)
	if err != nil {
		return nil, err
	}
	return &LoggedIn{Token: text, ExpiresAt: sess.Expires, Workspace: w.name, User: stored, PasswordExpired: expired}, nil
}

func (s *Settings) passwordExpires(who *person) time.Time {
	if who == nil || who.Password == "" || s.PasswordPolicy.ExpiresAfterDays == 0 {
		return time.Time{}
	}
	return who.PasswordSet.Add(time.Duration(s.PasswordPolicy.ExpiresAfterDays) * 24 * time.Hour)
}

func (s *Settings) passwordExpired(who *person, now time.Time) bool {
	at := s.passwordExpires(who)
	return !at.IsZero() && !now.Before(at)
}

// LogInGuest lets anybody in as a guest, where the workspace allows it.
func (d *Directory) LogInGuest(ctx context.Context, workspace string, addr netip.Addr) (*LoggedIn, error) {
	if workspace == "" {
		workspace = "default"
	}
	if err := d.gate.limit(limitKey{what: "guest " + network(addr)}, 1, 20); err != nil {
		return nil, err
	}
	closed := scim.Errorf(scim.ErrForbidden, "guests cannot log in here")
	if _, err := d.open(ctx, workspace); errors.Is(err, scim.ErrNotFound) {
		return nil, closed
	} else if err != nil {
		return nil, err
	}
	s, err := d.settings(ctx, workspace)
	if err != nil {
		return nil, err
	}
	if !s.AllowGuestLogin {
		return nil, closed
	}
	now := d.now().UTC().Truncate(time.Second)
	sess := session{Workspace: workspace, Created: now, LastUsed: now, Expires: now.Add(time.Duration(s.SessionMaxHours) * time.Hour), Idle: s.SessionIdleMinutes}
	e := AuditEvent{Type: eventLogin, Actor: "guest", Personal: map[string]string{"address": addr.String()}}
	if err := d.Note(ctx, workspace, e); err != nil {
		return nil, err
	}
	text, err := d.sessions.start(ctx, sess)
	if err != nil {
		return nil, err
	}
	return &LoggedIn{Token: text, ExpiresAt: sess.Expires, Workspace: workspace}, nil
}
