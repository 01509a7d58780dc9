// Package account is the one way into a workspace's resources: who is asking, what
// they may do, and the rules that hold for every writer alike. SCIM, sync, the API
// and the command line are all given a Directory, never the bare store.
//
// It serves no HTTP, and it keeps what it has to in the scim.State that it is given.
//
// Start with Directory (rights on every read and change), then signin.go (who sends a
// request, and whether they may go on), tokens.go (who holds a bearer token), login.go and
// session.go (people), and person.go (the epoch that ends access).
package account

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"rollcall/scim"
)

// Config is what a Directory needs.
type Config struct {
	// Open returns the store of a workspace, or scim.ErrNotFound.
	Open func(ctx context.Context, workspace string) (scim.Store, error)
	// State holds what spans workspaces: tokens, and which clients are paused.
	State scim.State
	// Clients are those that the configuration has settings for.
	Clients []Client
	// Model is the schemas of a workspace that Open has opened; nil for scim.DefaultModel in each.
	Model func(workspace string) *scim.Model
	// Authority is who alone may write which attributes, in every workspace that has them.
	Authority []Authority
	// Create makes a workspace (scim.ErrUniqueness where it exists), List names all. Without them
	// no workspace can be made.
	Create func(ctx context.Context, workspace string) error
	List   func(ctx context.Context) ([]string, error)
	// CheckPassword asks the directory of an account whose source is ldap; nil where none can be asked.
	CheckPassword CheckPassword
	// Providers are those that accounts whose source is sso log in by.
	Providers []Provider
	// Keyring is the file of the keys that secrets are kept under, made at first use; "" for none.
	Keyring string
	// Breached are passwords that nobody may choose; nil for none.
	Breached map[string]bool
	// Erasers take away what others keep about a person who is erased.
	Erasers []Eraser
	// Sum is a keyed hash, the same for ever, from which nobody reads what it is of; nil for none.
	Sum func(text string) (string, error)
	// Record has the audit keep an event; nil for no audit.
	Record func(ctx context.Context, workspace string, e AuditEvent) error
	// Mail is how mail is sent; nil for not at all.
	Mail   *Mail
	Logger *slog.Logger
	// HTTP asks JWT issuers and OpenID providers; nil for a client that is careful.
	HTTP *http.Client
	// Now is the clock for expiry; nil for time.Now.
	Now func() time.Time
}

// Directory opens workspaces for actors and tells who holds a token.
type Directory struct {
	open   func(ctx context.Context, workspace string) (scim.Store, error)
	logger *slog.Logger
	now    func() time.Time
	tokens *tokens
	gate   *gate
	jwts   []*jwtClient
	basics []basicClient

	model    func(workspace string) *scim.Model
	rules    []Authority
	resolved sync.Map // workspace → *resolved

	state      scim.State
	create     func(ctx context.Context, workspace string) error
	list       func(ctx context.Context) ([]string, error)
	people     *people
	numbers    *numbers
	sessions   *sessions
	subjects   *cache[*subject]
	throttle   *throttle
	activities *cache[*activity]
	checkLDAP  CheckPassword
	hasher     *hasher
	breached   map[string]bool
	keys       *keyring
	codes      *codes
	outbox     *outbox
	providers  map[string]*provider // by name; not changed once built
	sso        scim.KV              // logins by them that were begun
	ssoBroom   broom
	eraseMore  []Eraser
	sum        func(text string) (string, error)
	record     func(ctx context.Context, workspace string, e AuditEvent) error

	settingsKV    scim.KV
	settingsCache *cache[*Settings]
	idsCache      *cache[map[string]bool]
}

// New makes a Directory.
func New(c Config) (*Directory, error) {
	if c.Open == nil || c.State == nil {
		return nil, errors.New("account: Open and State are required")
	}
	d := &Directory{open: c.Open, logger: c.Logger, now: c.Now}
	if d.logger == nil {
		d.logger = slog.New(slog.DiscardHandler)
	}
	if d.now == nil {
		d.now = time.Now
	}
	if err := d.setModel(c); err != nil {
		return nil, err
	}
	d.tokens = newTokens(c.State, d.now)
	d.tokens.live, d.keys = d.live, &keyring{path: c.Keyring, setting: "secrets.keyring"}
	d.record, d.eraseMore, d.sum = c.Record, c.Erasers, c.Sum
	d.state, d.create, d.list, d.breached = c.State, c.Create, c.List, c.Breached
	d.people, d.numbers, d.hasher = newPeople(c.State, d.now), newNumbers(c.State, d.now), newHasher()
	d.sessions, d.subjects, d.throttle = newSessions(c.State, d.now), newCache[*subject](d.now), newThrottle(c.State, d.now)
	d.codes, d.outbox = newCodes(c.State, d.now), newOutbox(c.State, c.Mail, d.now)
	d.checkLDAP, d.activities = c.CheckPassword, newCache[*activity](d.now)
	d.settingsKV, d.settingsCache = c.State.KV("settings"), newCache[*Settings](d.now)
	d.idsCache = newCache[map[string]bool](d.now)
	d.providers, d.sso = map[string]*provider{}, c.State.KV("sso-logins")
	return d, errors.Join(d.addClients(c), d.addProviders(c))
}

// Workspace opens a workspace. It answers scim.ErrNotFound for one that does not exist.
func (d *Directory) Workspace(ctx context.Context, name string) (*Workspace, error) {
	s, err := d.open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Workspace{name: name, dir: d, store: s, authority: d.authorityIn(name), model: d.model(name)}, nil
}

// Workspace is a workspace's store with its rules in front: it is a scim.Store
// itself. Every method asks the context's actor for the right it takes, and
// answers scim.ErrForbidden, or scim.ErrNotFound to an actor of another workspace.
type Workspace struct {
	name      string
	dir       *Directory
	store     scim.Store
	authority map[string][]authority
	model     *scim.Model
}

var _ scim.Store = (*Workspace)(nil)

// Get implements scim.Store.
func (w *Workspace) Get(ctx context.Context, ref scim.Ref, with scim.With) (*scim.Stored, error) {
	if err := w.allowRead(ctx, ref); err != nil {
		return nil, err
	}
	if err := w.hide(ctx, ref, with); err != nil {
		return nil, err
	}
	return w.store.Get(ctx, ref, with)
}

// Lookup implements scim.Store.
func (w *Workspace) Lookup(ctx context.Context, typ, attr, value string, with scim.With) (*scim.Stored, error) {
	if err := w.allow(ctx, typ, actList); err != nil {
		return nil, err
	}
	s, err := w.store.Lookup(ctx, typ, attr, value, with)
	if err != nil {
		return nil, err
	}
	return s, w.hide(ctx, s.Ref, with)
}

// Query implements scim.Store.
func (w *Workspace) Query(ctx context.Context, q *scim.Query) (*scim.Page, error) {
	for _, typ := range q.Types {
		if err := w.allow(ctx, typ, actList); err != nil {
			return nil, err
		}
	}
	q, err := w.visible(ctx, q)
	if err == nil {
		q, err = w.answerable(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	return w.store.Query(ctx, q)
}

// Members implements scim.Store.
func (w *Workspace) Members(ctx context.Context, group, after scim.Ref) iter.Seq2[scim.Ref, error] {
	if err := w.allow(ctx, group.Type, actRead); err != nil {
		return func(yield func(scim.Ref, error) bool) { yield(scim.Ref{}, err) }
	}
	return w.store.Members(ctx, group, after)
}

// Owned implements scim.Store.
func (w *Workspace) Owned(ctx context.Context, owner, typ string) iter.Seq2[scim.Owned, error] {
	if err := w.allow(ctx, typ, actList); err != nil {
		return func(yield func(scim.Owned, error) bool) { yield(scim.Owned{}, err) }
	}
	return w.store.Owned(ctx, owner, typ)
}

// Changes implements scim.Store. The feed names everybody, so it takes the right to audit.
func (w *Workspace) Changes(ctx context.Context, after scim.Version, limit int) ([]scim.Change, error) {
	if err := w.may(ctx, AuditRead); err != nil {
		return nil, err
	}
	return w.store.Changes(ctx, after, limit)
}

// allow asks for the right to act on resources of a type.
func (w *Workspace) allow(ctx context.Context, typ string, act action) error {
	return w.may(ctx, permissionFor(typ, act))
}

// allowRead asks for the right to read a resource: everybody's, or one's own account.
func (w *Workspace) allowRead(ctx context.Context, ref scim.Ref) error {
	err := w.allow(ctx, ref.Type, actRead)
	if a := scim.ActorFrom(ctx); err != nil && a != nil && a.User == ref && ref.ID != "" {
		return w.may(ctx, SelfRead)
	}
	return err
}

func (w *Workspace) may(ctx context.Context, p scim.Permission) error {
	a := scim.ActorFrom(ctx)
	if a != nil && !a.In(w.name) {
		return scim.Errorf(scim.ErrNotFound, "workspace %q does not exist", w.name)
	}
	return may(a, p)
}
