package account

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/scim"
)

const (
	bootstrapID  = "bootstrap"
	maxBearerLen = 1024

	// MinBootstrapLen is the shortest bootstrap token that is accepted.
	MinBootstrapLen = 32
	// DefaultTokenLife and MaxTokenLife bound a token's time (RFC 7644 §7.4 asks for
	// a limited one); an identity provider's token is renewed once a year.
	DefaultTokenLife = 365 * 24 * time.Hour
	MaxTokenLife     = 400 * 24 * time.Hour

	// cacheTime is how long a replica may go on believing in a token that was revoked
	// elsewhere, cacheSize how many it remembers.
	cacheTime = 500 * time.Millisecond
	cacheSize = 4096
	// usedGrain is how exact LastUsed is: a write for each request would cost more than the request.
	usedGrain = 5 * time.Minute
)

// Use is what a token is good for.
type Use string

// The uses of tokens. A client that signs in by OAuth 2.0 keeps a secret, and its
// requests carry access tokens of an hour: what leaks from a request soon is worth nothing.
const (
	UseBearer Use = ""       // for every request
	UseSecret Use = "secret" // at the token endpoint alone: see IssueAccess
	UseAccess Use = "access" // for every request; the token endpoint gave it out
)

// Token is what is kept of a token: everything but the token.
type Token struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Use       Use               `json:"use,omitempty"`
	From      string            `json:"from,omitempty"` // of an access token: the id of the secret
	Workspace string            `json:"workspace"`      // "" for the bootstrap token: every workspace
	Client    string            `json:"client,omitempty"`
	Scopes    []scim.Permission `json:"scopes"`
	// Person is whose token it is who made it while logged in: it goes with their account.
	Person    string    `json:"person,omitempty"`
	Epoch     string    `json:"epoch,omitempty"`   // of the person, when it was made
	MaxRole   string    `json:"maxRole,omitempty"` // the highest role that it may assign
	CreatedBy string    `json:"createdBy,omitempty"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
}

// storedToken is a Token with the hash that proves it.
type storedToken struct {
	Token
	Hash string `json:"hash"` // SHA-256 of the whole token, in hex
}

// NewToken asks for a token.
type NewToken struct {
	Name      string
	Use       Use // UseBearer or UseSecret
	Workspace string
	Client    string
	Scopes    []scim.Permission // nil for ProvisioningScopes
	Life      time.Duration     // 0 for DefaultTokenLife
	MaxRole   string            // the highest role that it may assign; "" for none
}

type tokens struct {
	// live is the account whose token one is.
	live       func(ctx context.Context, workspace, id string, right func(*subject) bool) (*subject, error)
	kv, access scim.KV // access holds the access tokens
	now        func() time.Time

	broom broom // of access

	mu    sync.Mutex // guards cache
	cache map[string]cachedToken
}

type cachedToken struct {
	storedToken
	actor *scim.Actor
	until time.Time
}

func newTokens(state scim.State, now func() time.Time) *tokens {
	return &tokens{kv: state.KV("tokens"), access: state.KV("access"), now: now, cache: map[string]cachedToken{}}
}

var errBadToken = scim.Errorf(scim.ErrUnauthenticated, "the credentials are missing, wrong or expired")

// authenticate tells who holds the bearer token.
func (t *tokens) authenticate(ctx context.Context, bearer string) (*scim.Actor, error) {
	tok, err := t.prove(ctx, bearer)
	if err != nil {
		return nil, err
	}
	used := tok
	if tok.Person != "" {
		return t.personal(ctx, tok)
	}
	switch tok.Use {
	case UseSecret:
		return nil, errBadToken
	case UseAccess: // it ends with the secret
		if used, err = t.get(ctx, tok.From); errors.Is(err, scim.ErrNotFound) || err == nil && t.expired(used.Token) {
			return nil, errBadToken
		} else if err != nil {
			return nil, err
		}
	}
	t.touch(ctx, used)
	return tok.actor, nil
}

// prove finds the token that a text is, and that is good now.
func (t *tokens) prove(ctx context.Context, text string) (cachedToken, error) {
	if text == "" || len(text) > maxBearerLen {
		return cachedToken{}, errBadToken
	}
	id, ok := parseToken(text)
	if !ok {
		id = bootstrapID // an operator may choose any string for that one
	}
	tok, err := t.get(ctx, id)
	if errors.Is(err, scim.ErrNotFound) {
		tok, err = cachedToken{}, nil // compare all the same, to take the same time
	}
	if err != nil {
		return cachedToken{}, err
	}
	if !sameHash(tok.Hash, hashToken(text)) || t.expired(tok.Token) {
		return cachedToken{}, errBadToken
	}
	return tok, nil
}

// space is where a token of that id is kept.
func (t *tokens) space(id string) scim.KV {
	if len(id) == accessIDLen {
		return t.access
	}
	return t.kv
}

func (t *tokens) expired(tok Token) bool {
	return !tok.Expires.IsZero() && !t.now().Before(tok.Expires)
}

// get reads a token, from the cache while that is fresh.
func (t *tokens) get(ctx context.Context, id string) (cachedToken, error) {
	now := t.now()
	t.mu.Lock()
	c, ok := t.cache[id]
	t.mu.Unlock()
	if ok && now.Before(c.until) {
		return c, nil
	}
	value, err := t.space(id).Get(ctx, id)
	if err != nil {
		t.forget(id)
		return cachedToken{}, err
	}
	c = cachedToken{} // not into what callers hold: its scopes are shared with them
	if err := json.Unmarshal(value, &c.storedToken); err != nil {
		return cachedToken{}, scim.Errorf(scim.ErrCorrupt, "token %s: %v", id, err)
	}
	c.actor, c.until = actorOf(c.Token), now.Add(cacheTime)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.cache) >= cacheSize {
		clear(t.cache)
	}
	t.cache[id] = c
	return c, nil
}

func (t *tokens) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.cache, id)
}

func actorOf(tok Token) *scim.Actor {
	if tok.ID == bootstrapID {
		return &scim.Actor{Kind: "bootstrap", ID: bootstrapID, Name: tok.Name, All: true}
	}
	a := &scim.Actor{Roams: slices.Contains(tok.Scopes, WorkspacesManage), MaxRole: tok.MaxRole, Kind: "token", ID: tok.ID, Name: tok.Name, Client: tok.Client, Workspace: tok.Workspace, Permissions: permissionSet(tok.Scopes)}
	if tok.Use == UseAccess {
		a.Kind, a.ID = "oauth2", tok.From // which lists show, and which outlives the access token
	}
	return a
}

func permissionSet(scopes []scim.Permission) map[scim.Permission]bool {
	set := make(map[scim.Permission]bool, len(scopes))
	for _, s := range scopes {
		set[s] = true
	}
	return set
}

// touch notes the use of a token, now and then. A use that cannot be noted is no
// reason to turn a caller away.
func (t *tokens) touch(ctx context.Context, c cachedToken) {
	now := t.now().UTC()
	if now.Sub(c.LastUsed) < usedGrain {
		return
	}
	old, err := json.Marshal(c.storedToken)
	if err != nil {
		return
	}
	c.LastUsed = now.Truncate(time.Second)
	value, err := json.Marshal(c.storedToken)
	if err != nil {
		return
	}
	// Only where nobody revoked or used it meanwhile: a blind write would bring a revoked token back.
	_ = t.space(c.ID).Put(ctx, c.ID, value, old)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.cache[c.ID]; ok {
		t.cache[c.ID] = c
	}
}

// CreateToken makes a token and returns it; this is the only time it can be seen.
// The actor needs tokens:manage, and cannot give what they lack.
func (d *Directory) CreateToken(ctx context.Context, n NewToken) (Token, string, error) {
	if err := d.mayManage(ctx, n.Workspace); err != nil {
		return Token{}, "", err
	}
	if n.Scopes == nil {
		n.Scopes = ProvisioningScopes()
	}
	if err := n.validate(scim.ActorFrom(ctx)); err != nil {
		return Token{}, "", err
	}
	if _, err := d.open(ctx, n.Workspace); err != nil {
		return Token{}, "", err
	}
	if err := d.checkMaxRole(ctx, n); err != nil {
		return Token{}, "", err
	}
	if n.Life == 0 {
		n.Life = DefaultTokenLife
	}
	now := d.now().UTC().Truncate(time.Second)
	tok := Token{
		ID: randomBase62(tokenIDLen), Name: n.Name, Use: n.Use, Workspace: n.Workspace, Client: n.Client, Scopes: n.Scopes,
		MaxRole: n.MaxRole, CreatedBy: actorName(scim.ActorFrom(ctx)), Created: now, Expires: now.Add(n.Life),
	}
	if err := d.owned(ctx, &tok); err != nil {
		return Token{}, "", err
	}
	if err := d.noteToken(ctx, "token.created", tok); err != nil {
		return Token{}, "", err
	}
	text := mintToken(tok.ID)
	if err := d.tokens.put(ctx, tok, text, []byte{}); err != nil {
		return Token{}, "", err
	}
	return tok, text, nil
}

// checkMaxRole holds that nobody lets a token assign what they could not assign.
func (d *Directory) checkMaxRole(ctx context.Context, n NewToken) error {
	if n.MaxRole == "" {
		return nil
	}
	if err := d.May(ctx, RolesAssign); err != nil {
		return err
	}
	s, err := d.settings(ctx, n.Workspace)
	if err != nil {
		return err
	}
	role := s.role(n.MaxRole)
	if role == nil {
		return scim.Errorf(scim.ErrInvalidValue, "maxRole: the workspace has no role %q", n.MaxRole)
	}
	for _, p := range role.Permissions {
		if !scim.ActorFrom(ctx).Can(p) {
			return scim.Errorf(scim.ErrForbidden, "maxRole: the role %s may do what you may not (%s)", n.MaxRole, p)
		}
	}
	return nil
}

func (n NewToken) validate(by *scim.Actor) error {
	if n.Name == "" || len(n.Name) > 200 {
		return scim.Errorf(scim.ErrInvalidValue, "a token needs a name of 1 to 200 characters")
	}
	if n.Use != UseBearer && n.Use != UseSecret {
		return scim.Errorf(scim.ErrInvalidValue, "the use of a token is %q or left out", UseSecret)
	}
	if n.Use == UseSecret && n.Client == "" {
		return scim.Errorf(scim.ErrInvalidValue, "a client secret needs a client")
	}
	if n.Client != "" && !validName(n.Client) {
		return scim.Errorf(scim.ErrInvalidValue, "a client's name has a-z, 0-9 and -, at most 63, and no - in front")
	}
	if len(n.Scopes) == 0 {
		return scim.Errorf(scim.ErrInvalidValue, "a token needs at least one scope")
	}
	for _, s := range n.Scopes {
		if !known(s) {
			return scim.Errorf(scim.ErrInvalidValue, "unknown scope %q: the scopes are %s", s, joinPermissions(Permissions()))
		}
		if !by.Can(s) {
			return scim.Errorf(scim.ErrForbidden, "you cannot give the scope %s, which you do not hold", s)
		}
	}
	if n.Life < 0 || n.Life > MaxTokenLife {
		return scim.Errorf(scim.ErrInvalidValue, "a token lives at most %d days", MaxTokenLife/(24*time.Hour))
	}
	return nil
}

// Tokens lists the tokens that the actor may manage, oldest first.
func (d *Directory) Tokens(ctx context.Context) ([]Token, error) {
	a := scim.ActorFrom(ctx)
	if err := may(a, TokensManage); err != nil {
		return nil, err
	}
	var list []Token
	err := d.tokens.kv.Scan(ctx, func(id string, value []byte) error {
		var tok storedToken
		if err := json.Unmarshal(value, &tok); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "token %s: %v", id, err)
		}
		if a.Workspace == "" || a.Workspace == tok.Workspace {
			list = append(list, tok.Token)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(x, y Token) int {
		if c := x.Created.Compare(y.Created); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list, nil
}

// RevokeToken ends a token. It answers scim.ErrNotFound for one that the actor cannot see, and
// scim.ErrLastAdministrator for one that is all the administrator that its workspace has.
func (d *Directory) RevokeToken(ctx context.Context, id string) error {
	tok, err := d.visibleToken(ctx, id)
	if err != nil {
		return err
	}
	if err := d.noteToken(ctx, "token.revoked", tok); err != nil {
		return err
	}
	revoke := func() error {
		if err := d.tokens.kv.Delete(ctx, id); err != nil {
			return err
		}
		d.tokens.forget(id)
		return nil
	}
	if tok.Workspace == "" || tok.Use != UseBearer || tok.Person != "" {
		return revoke()
	}
	s, err := d.settings(ctx, tok.Workspace)
	if err != nil {
		return err
	}
	if !s.isAdministrator(setOf(tok.Scopes)) {
		return revoke()
	}
	w, err := d.Workspace(ctx, tok.Workspace)
	if err != nil {
		return err
	}
	return w.guarded(ctx, &change{w: w, actor: scim.ActorFrom(ctx), settings: s, loss: &loss{token: id}}, revoke)
}

// noteToken tells the audit of a token. People name tokens after themselves.
func (d *Directory) noteToken(ctx context.Context, typ string, tok Token) error {
	e := AuditEvent{Type: typ, Subject: scim.Ref{Type: "Token", ID: tok.ID}, Personal: map[string]string{"name": tok.Name}, Detail: map[string]any{}}
	for name, value := range map[string]string{"use": string(tok.Use), "client": tok.Client, "maxRole": tok.MaxRole, "scopes": joinPermissions(tok.Scopes)} {
		if value != "" {
			e.Detail[name] = value
		}
	}
	if tok.Person != "" {
		e.Subject, e.Detail["token"] = userRef(tok.Person), tok.ID
	}
	return d.Note(ctx, tok.Workspace, e)
}

// Bootstrap makes sure that the bootstrap token exists. With a chosen text, that
// is the token from now on. Without, one is made at the first call ever, and
// returned: minted is "" when there was one already.
func (d *Directory) Bootstrap(ctx context.Context, chosen string) (minted string, err error) {
	if chosen != "" && len(chosen) < MinBootstrapLen {
		return "", scim.Errorf(scim.ErrInvalidValue, "a bootstrap token needs at least %d characters", MinBootstrapLen)
	}
	old, err := d.tokens.kv.Get(ctx, bootstrapID)
	switch {
	case errors.Is(err, scim.ErrNotFound):
		old = []byte{}
	case err != nil:
		return "", err
	case chosen == "" || isToken(old, chosen):
		return "", nil
	}
	text := chosen
	if text == "" {
		text = mintToken(bootstrapID)
	}
	tok := Token{ID: bootstrapID, Name: "bootstrap", Scopes: Permissions(), Created: d.now().UTC().Truncate(time.Second)}
	err = d.tokens.put(ctx, tok, text, old)
	if errors.Is(err, scim.ErrVersionMismatch) {
		return "", nil // another replica was first
	}
	if err != nil || chosen != "" {
		return "", err
	}
	return text, nil
}

// isToken tells whether a stored token is that of a text.
func isToken(value []byte, text string) bool {
	var tok storedToken
	return json.Unmarshal(value, &tok) == nil && sameHash(tok.Hash, hashToken(text))
}

func (t *tokens) put(ctx context.Context, tok Token, text string, old []byte) error {
	value, err := json.Marshal(storedToken{Token: tok, Hash: hashToken(text)})
	if err != nil {
		return err
	}
	if err := t.space(tok.ID).Put(ctx, tok.ID, value, old); err != nil {
		return err
	}
	t.forget(tok.ID)
	return nil
}

// mayManage asks for tokens:manage in the workspace.
func (d *Directory) mayManage(ctx context.Context, workspace string) error {
	a := scim.ActorFrom(ctx)
	if err := may(a, TokensManage); err != nil {
		return err
	}
	if !a.In(workspace) {
		return scim.Errorf(scim.ErrNotFound, "workspace %q does not exist", workspace)
	}
	return nil
}

// May asks the context's actor for a right that is tied to no resource.
func (d *Directory) May(ctx context.Context, p scim.Permission) error {
	return may(scim.ActorFrom(ctx), p)
}

func may(a *scim.Actor, p scim.Permission) error {
	if a == nil {
		return scim.Errorf(scim.ErrUnauthenticated, "no credentials were given")
	}
	if !a.Can(p) {
		return scim.Errorf(scim.ErrForbidden, "this needs the permission %s", p)
	}
	return nil
}

func actorName(a *scim.Actor) string { return a.Kind + ":" + a.ID }

func joinPermissions(list []scim.Permission) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return strings.Join(names, " ")
}

// hasAdministratorToken tells whether a live token of the workspace, other than that one, may do what an
// administrator may.
func (d *Directory) hasAdministratorToken(ctx context.Context, workspace, but string, s *Settings) (bool, error) {
	found := false
	err := d.tokens.kv.Scan(ctx, func(id string, value []byte) error {
		var tok Token
		if err := json.Unmarshal(value, &tok); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "token %s: %v", id, err)
		}
		found = found || id != but && tok.Workspace == workspace && tok.Use == UseBearer && tok.Person == "" && !d.tokens.expired(tok) && s.isAdministrator(setOf(tok.Scopes))
		return nil
	})
	return found, err
}
