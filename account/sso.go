package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"rollcall/scim"
)

// ssoLife is how long somebody may take at their provider.
const ssoLife = 10 * time.Minute

var (
	// errSSO is the one answer to somebody whom a provider knows and who is not let in, whatever it
	// is that is wrong.
	errSSO = scim.Errorf(scim.ErrUnauthenticated, "nobody here logs in as whom the provider named: ask an administrator for an account that logs in by it")
	// errSSOState is the answer to a way back that does not belong to a way out.
	errSSOState = scim.Errorf(scim.ErrInvalidValue, "state: this login was begun in another browser, more than 10 minutes ago, or is over: begin again")
)

// SSO is somebody who is about to log in by a provider.
type SSO struct {
	Provider  string
	Workspace string // "" for the provider's first
	Callback  string // the URL that the provider is to send them back to
	Addr      netip.Addr
}

// SSOBegun is where to send them, and what their browser has to keep until it is back: only the
// browser that has begun a login can finish it.
type SSOBegun struct {
	URL, Binding string
	Expires      time.Time
}

// BeginSSO begins a login by a provider, with PKCE (RFC 7636), state and nonce. scim.ErrNotFound for a
// provider that is not there or serves another workspace; scim.ErrUnavailable where it does not answer.
func (d *Directory) BeginSSO(ctx context.Context, l SSO) (*SSOBegun, error) {
	if err := d.gate.limit(limitKey{what: "sso " + network(l.Addr)}, 10, 100); err != nil {
		return nil, err
	}
	p := d.providers[l.Provider]
	if p == nil || l.Workspace != "" && !slices.Contains(p.Workspaces, l.Workspace) {
		return nil, scim.Errorf(scim.ErrNotFound, "nobody logs in by the provider %q here", l.Provider)
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	workspace := l.Workspace
	if workspace == "" {
		workspace = p.Workspaces[0]
	}
	binding, state := randomBase62(32), randomBase62(32)
	s := ssoState{Provider: p.Name, Workspace: workspace, Binding: hashToken(binding), Nonce: randomBase62(32),
		Verifier: oauth2.GenerateVerifier(), Callback: l.Callback, Expires: d.now().UTC().Add(ssoLife).Truncate(time.Second)}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := d.sso.Put(ctx, hashToken(state), text, []byte{}); err != nil {
		return nil, err
	}
	d.sweepSSO(ctx)
	to := p.oauth(m, l.Callback).AuthCodeURL(state, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier))
	return &SSOBegun{URL: to, Binding: binding, Expires: s.Expires}, nil
}

// SSOBack is what somebody comes back with. All of it may be made up.
type SSOBack struct {
	Provider, State, Code string
	Issuer                string // that the provider says to be (RFC 9207)
	Error                 string // the provider's word for what went wrong there
	Binding               string
	Addr                  netip.Addr
}

// FinishSSO lets somebody in whom their provider has sent back. errSSO is the one answer to all whom
// the provider names and who are not to be let in; no account is made here, ever.
func (d *Directory) FinishSSO(ctx context.Context, b SSOBack) (*LoggedIn, error) {
	p := d.providers[b.Provider]
	if p == nil {
		return nil, errSSOState
	}
	s, err := d.takeState(ctx, b.Provider, b.State, b.Binding)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(p.Workspaces, s.Workspace) { // the settings have changed meanwhile
		return nil, errSSOState
	}
	in, whom, err := d.vouched(ctx, p, s, b)
	if err != nil && !errors.Is(err, scim.ErrUnauthenticated) {
		return nil, err
	}
	typ := eventLogin
	if err != nil {
		typ = eventLoginFailed
	}
	e := loginEvent(typ, whom, b.Addr)
	e.Detail = map[string]any{"provider": p.Name}
	if noted := d.Note(ctx, s.Workspace, e); noted != nil {
		return nil, noted
	}
	return in, err
}

// vouched takes a provider's word for who somebody is, and begins their session. whom is the account
// that is meant, as far as that comes out.
func (d *Directory) vouched(ctx context.Context, p *provider, s *ssoState, b SSOBack) (in *LoggedIn, whom *scim.Stored, err error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case b.Issuer != "" && b.Issuer != p.Issuer, b.Issuer == "" && m.SaysIssuer:
		return nil, nil, p.refuse(ctx, errors.New("another provider answered"))
	case b.Error == "server_error" || b.Error == "temporarily_unavailable":
		return nil, nil, p.unavailable(ctx, "it could not log somebody in", errors.New(b.Error))
	case b.Error != "" || b.Code == "":
		p.refuse(ctx, errors.New("the provider answered: "+b.Error)) //nolint:errcheck // it logs
		return nil, nil, scim.Errorf(scim.ErrUnauthenticated, "the provider %s has not logged you in: begin again", p.Name)
	}
	claims, err := p.redeem(ctx, m, s, b.Code)
	if err != nil {
		return nil, nil, err
	}
	return d.enterSSO(ctx, p, s.Workspace, p.nameIn(claims))
}

// enterSSO begins the session of somebody whom a provider vouches for.
func (d *Directory) enterSSO(ctx context.Context, p *provider, workspace, name string) (*LoggedIn, *scim.Stored, error) {
	if name == "" || len(name) > maxUserName {
		return nil, nil, p.refuse(ctx, errors.New("the provider says no name, or an e-mail address that it has not verified"))
	}
	w, err := d.Workspace(ctx, workspace)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil, p.refuse(ctx, errors.New("the workspace does not exist"))
	}
	if err != nil {
		return nil, nil, err
	}
	stored, err := w.store.Lookup(ctx, "User", "userName", name, scim.With{})
	if errors.Is(err, scim.ErrNotFound) || errors.Is(err, scim.ErrInvalidValue) {
		return nil, nil, p.refuse(ctx, errors.New("there is no such account"))
	}
	if err != nil {
		return nil, nil, err
	}
	user, err := stored.Resource()
	if err != nil {
		return nil, nil, err
	}
	var in *LoggedIn
	if sourceOf(user) == "sso" {
		in, err = d.enter(ctx, w, nil, user)
	} else {
		err = errLogin
	}
	if err != nil && !errors.Is(err, scim.ErrUnauthenticated) {
		return nil, nil, err
	}
	noteLogin(ctx, w.kv(loginsSpace), user.ID, d.now(), err == nil)
	if err != nil {
		return nil, stored, p.refuse(ctx, errors.New("the account is disabled, or does not log in by single sign-on"))
	}
	return in, stored, nil
}

// sweepSSO removes logins that nobody has finished, now and then.
func (d *Directory) sweepSSO(ctx context.Context) {
	now := d.now()
	sweep(ctx, &d.ssoBroom, d.sso, now, func(s *ssoState) bool { return !now.Before(s.Expires) }, d.sso.Delete)
}
