package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"rollcall/scim"
)

const (
	sessionIDLen = 16 // of a session's token: by its length it is told from others

	// sessionGrain is how exact a session's last use is, connectedFor how recent it is of who is there.
	sessionGrain = 30 * time.Second
	connectedFor = 5 * time.Minute
	// actingLife is for how long somebody may act as another.
	actingLife = 30 * time.Minute
	// passwordLife is for how long a login with an expired password may set a new one.
	passwordLife = 10 * time.Minute
)

// session is what is kept of somebody who is logged in, outside of version and feed.
type session struct {
	ID        string    `json:"id"`
	Hash      string    `json:"hash"` // SHA-256 of the token, in hex
	Workspace string    `json:"workspace"`
	User      string    `json:"user,omitempty"` // "" for a guest
	Epoch     string    `json:"epoch,omitempty"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	LastUsed  time.Time `json:"lastUsed"`
	Idle      int       `json:"idle"` // minutes
	// By is who acts as the user, and Parent the session or token that it ends with.
	By     string `json:"by,omitempty"`
	Parent string `json:"parent,omitempty"`
	// Password is a session that can do nothing but set a new password.
	Password bool `json:"password,omitempty"`
}

func (s *session) ended(now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.LastUsed) > time.Duration(s.Idle)*time.Minute
}

type sessions struct {
	kv    scim.KV
	now   func() time.Time
	cache *cache[*session]

	broom broom
}

func newSessions(state scim.State, now func() time.Time) *sessions {
	return &sessions{kv: state.KV("sessions"), now: now, cache: newCache[*session](now)}
}

// recent reads a session, at most cacheTime old; nil for none.
func (s *sessions) recent(ctx context.Context, id string) (*session, error) {
	return s.cache.get(id, func() (*session, error) { return s.read(ctx, id) })
}

func (s *sessions) read(ctx context.Context, id string) (*session, error) {
	text, err := s.kv.Get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sess := &session{}
	if err := json.Unmarshal(text, sess); err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "session %s: %v", id, err)
	}
	return sess, nil
}

// start keeps a new session and returns the token that proves it.
func (s *sessions) start(ctx context.Context, sess session) (string, error) {
	sess.ID = randomBase62(sessionIDLen)
	text := mintToken(sess.ID)
	sess.Hash = hashToken(text)
	value, err := json.Marshal(sess)
	if err != nil {
		return "", err
	}
	if err := s.kv.Put(ctx, sess.ID, value, []byte{}); err != nil {
		return "", err
	}
	s.sweep(ctx)
	return text, nil
}

// touch notes the use of a session, now and then.
func (s *sessions) touch(ctx context.Context, sess *session) {
	now := s.now().UTC()
	if now.Sub(sess.LastUsed) < sessionGrain {
		return
	}
	old, err := s.kv.Get(ctx, sess.ID) // what ended meanwhile must not come back
	if err != nil {
		return
	}
	used := *sess
	used.LastUsed = now.Truncate(time.Second)
	if value, err := json.Marshal(used); err == nil {
		_ = s.kv.Put(ctx, sess.ID, value, old)
	}
	s.cache.forget(sess.ID)
}

func (s *sessions) end(ctx context.Context, id string) error {
	err := s.kv.Delete(ctx, id)
	s.cache.forget(id)
	return err
}

// each calls fn with every session that has not ended by itself.
func (s *sessions) each(ctx context.Context, fn func(*session)) error {
	now := s.now()
	return s.kv.Scan(ctx, func(id string, value []byte) error {
		sess := &session{}
		if err := json.Unmarshal(value, sess); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "session %s: %v", id, err)
		}
		if !sess.ended(now) {
			fn(sess)
		}
		return nil
	})
}

// sweep removes sessions that have ended by themselves, now and then.
func (s *sessions) sweep(ctx context.Context) {
	now := s.now()
	sweep(ctx, &s.broom, s.kv, now, func(sess *session) bool { return sess.ended(now) }, s.end)
}

// subject is an account as of at most cacheTime ago, for those who are signed in as it.
type subject struct {
	userName string
	active   bool
	may      set
	sessions string // the epochs that count now
	tokens   string
}

// subject reads who somebody is and what they may do; nil for an account that is not there.
func (d *Directory) subject(ctx context.Context, workspace, id string) (*subject, error) {
	return d.subjects.get(workspace+"/"+id, func() (*subject, error) {
		w, err := d.Workspace(ctx, workspace)
		if errors.Is(err, scim.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		who, err := d.people.get(ctx, id)
		if err != nil || who == nil {
			return nil, err
		}
		stored, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{Groups: true})
		if errors.Is(err, scim.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s, err := d.settings(ctx, workspace)
		if err != nil {
			return nil, err
		}
		r, err := stored.Resource()
		if err != nil {
			return nil, err
		}
		may, err := w.standing(ctx, s, r, stored.Groups)
		if err != nil {
			return nil, err
		}
		over, err := w.over(ctx, s, r, stored.Groups)
		if err != nil {
			return nil, err
		}
		return &subject{userName: r.UserName(), active: r.Active() && !over, may: may,
			sessions: who.sessionEpoch(workspace), tokens: who.tokenEpoch(workspace)}, nil
	})
}

// live is the account behind a session or token, where it is active and the epoch is right. What
// seems not to be is looked at again: somebody who has just logged in is known by no cache.
func (d *Directory) live(ctx context.Context, workspace, id string, right func(*subject) bool) (*subject, error) {
	for range 2 {
		who, err := d.subject(ctx, workspace, id)
		if err != nil {
			return nil, err
		}
		if who != nil && who.active && right(who) {
			return who, nil
		}
		d.subjects.forget(workspace + "/" + id)
	}
	return nil, errBadToken
}

// authenticateSession tells who is logged in by a session's token.
func (d *Directory) authenticateSession(ctx context.Context, id, text string) (*scim.Actor, error) {
	sess, err := d.sessions.recent(ctx, id)
	if err != nil {
		return nil, err
	}
	hash := ""
	if sess != nil {
		hash = sess.Hash
	}
	if !sameHash(hash, hashToken(text)) || sess == nil {
		return nil, errBadToken
	}
	actor, err := d.sessionActor(ctx, sess)
	if err != nil {
		return nil, err
	}
	d.sessions.touch(ctx, sess)
	return actor, nil
}

// sessionActor is who is logged in by a session that has to be live.
func (d *Directory) sessionActor(ctx context.Context, sess *session) (*scim.Actor, error) {
	if sess.ended(d.now()) {
		return nil, errBadToken
	}
	if sess.By != "" {
		if err := d.checkParent(ctx, sess); err != nil {
			return nil, err
		}
	}
	if sess.User == "" {
		s, err := d.settings(ctx, sess.Workspace)
		if err != nil {
			return nil, err
		}
		if sess.By == "" && !s.AllowGuestLogin {
			return nil, errBadToken
		}
		return &scim.Actor{Kind: "guest", ID: sess.ID, Name: "guest", Workspace: sess.Workspace, Session: sess.ID, By: sess.By,
			Permissions: acting(s.permissions(s.GuestRole), sess)}, nil
	}
	who, err := d.live(ctx, sess.Workspace, sess.User, func(s *subject) bool { return s.sessions == sess.Epoch })
	if err != nil {
		return nil, err
	}
	actor := &scim.Actor{Kind: "user", ID: sess.User, Name: who.userName, Workspace: sess.Workspace, Session: sess.ID, By: sess.By,
		User: scim.Ref{Type: "User", ID: sess.User}, Permissions: acting(who.may, sess)}
	if sess.Password {
		actor.Kind, actor.Permissions = "expired", nil
	}
	actor.Roams = actor.Permissions[WorkspacesManage]
	return actor, nil
}

// outOfReach is what nobody gets at by acting as somebody else (accounts.md A3).
var outOfReach = []scim.Permission{SecretsRead, SecretsWrite, CredentialsList, TokensManage, SessionsImpersonate, InvitationsManage}

func acting(may set, sess *session) map[scim.Permission]bool {
	if sess.By == "" {
		return may
	}
	less := maps.Clone(may)
	for _, p := range outOfReach {
		delete(less, p)
	}
	return less
}

// checkParent holds that who acts as somebody is still logged in themselves, and may act so.
func (d *Directory) checkParent(ctx context.Context, sess *session) error {
	switch {
	case sess.Parent == "": // the operator of the machine
		return nil
	case len(sess.Parent) == sessionIDLen:
		parent, err := d.sessions.recent(ctx, sess.Parent)
		if err != nil {
			return err
		}
		if parent == nil || parent.By != "" {
			return errBadToken
		}
		actor, err := d.sessionActor(ctx, parent)
		if err == nil && !actor.Can(SessionsImpersonate) {
			err = errBadToken
		}
		return err
	}
	tok, err := d.tokens.get(ctx, sess.Parent)
	if errors.Is(err, scim.ErrNotFound) || err == nil && (d.tokens.expired(tok.Token) || !tok.actor.Can(SessionsImpersonate)) {
		return errBadToken
	}
	return err
}

// SessionInfo is a session as lists show it.
type SessionInfo struct {
	ID        string    `json:"id"`
	Workspace string    `json:"workspace"`
	UserID    string    `json:"userId,omitempty"`
	UserName  string    `json:"userName"`
	By        string    `json:"actor,omitempty"` // who acts as the user
	Created   time.Time `json:"created"`
	ExpiresAt time.Time `json:"expiresAt"`
	LastUsed  time.Time `json:"lastUsed"`
	Connected bool      `json:"connected"` // used within five minutes
	Current   bool      `json:"current"`   // the one that asks
}

// Sessions lists the actor's own sessions; with sessions:manage those of everybody in the workspace.
func (d *Directory) Sessions(ctx context.Context, workspace string, connected bool) ([]SessionInfo, error) {
	actor := scim.ActorFrom(ctx)
	all, err := d.seesSessions(actor, workspace)
	if err != nil {
		return nil, err
	}
	list, now := []SessionInfo{}, d.now()
	var failed error
	err = d.sessions.each(ctx, func(s *session) {
		if s.Workspace != workspace || !all && (s.User == "" || s.User != actor.User.ID) && s.ID != actor.Session {
			return
		}
		who, err := d.sessionActor(ctx, s)
		if errors.Is(err, scim.ErrUnauthenticated) {
			return // it has ended with its account
		}
		if err != nil {
			failed = err
			return
		}
		info := SessionInfo{s.ID, s.Workspace, s.User, who.Name, s.By, s.Created, s.Expires, s.LastUsed, now.Sub(s.LastUsed) < connectedFor, s.ID == actor.Session}
		if info.Connected || !connected {
			list = append(list, info)
		}
	})
	slices.SortFunc(list, func(a, b SessionInfo) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), cmp.Compare(a.ID, b.ID))
	})
	return list, errors.Join(err, failed)
}

// seesSessions tells whether the actor sees everybody's sessions; who is not logged in has none.
func (d *Directory) seesSessions(actor *scim.Actor, workspace string) (all bool, err error) {
	switch {
	case actor == nil:
		return false, may(actor, SessionsManage)
	case !actor.In(workspace):
		return false, scim.Errorf(scim.ErrNotFound, "there is no workspace %q", workspace)
	case actor.Can(SessionsManage):
		return true, nil
	case actor.Session == "" || actor.Kind == "expired":
		return false, may(actor, SessionsManage)
	}
	return false, nil
}

// EndSession ends a session: one's own, or with sessions:manage anybody's in the workspace.
func (d *Directory) EndSession(ctx context.Context, id string) error {
	actor := scim.ActorFrom(ctx)
	missing := scim.Errorf(scim.ErrNotFound, "there is no session with the id %q: `rollcall session list` shows them", id)
	if actor == nil || actor.Session == "" && !actor.Can(SessionsManage) {
		return may(actor, SessionsManage)
	}
	if len(id) != sessionIDLen {
		return missing
	}
	sess, err := d.sessions.read(ctx, id)
	if err != nil {
		return err
	}
	own := sess != nil && actor.Kind != "expired" && (id == actor.Session || sess.User != "" && sess.User == actor.User.ID && sess.Workspace == actor.Workspace)
	if sess == nil || !own && !(actor.Can(SessionsManage) && actor.In(sess.Workspace)) {
		return missing
	}
	return d.endSession(ctx, eventSessionEnd, sess)
}

// endSession ends a session, and tells the audit.
func (d *Directory) endSession(ctx context.Context, typ string, sess *session) error {
	if sess.By != "" {
		typ = eventImpersonated
	}
	if err := d.Note(ctx, sess.Workspace, AuditEvent{Type: typ, Subject: userRef(sess.User), Detail: map[string]any{"session": sess.ID}}); err != nil {
		return err
	}
	return d.sessions.end(ctx, sess.ID)
}

// Logout ends the session that the actor signed in with.
func (d *Directory) Logout(ctx context.Context) error {
	actor := scim.ActorFrom(ctx)
	if actor == nil || actor.Session == "" {
		return scim.Errorf(scim.ErrForbidden, "a token has no session to end: `rollcall token revoke` ends the token")
	}
	sess := &session{ID: actor.Session, Workspace: actor.Workspace, User: actor.User.ID, By: actor.By}
	return d.endSession(ctx, eventLogout, sess)
}
