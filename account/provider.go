package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"rollcall/scim"
)

// Provider is an OpenID provider that people of some workspaces log in by. Whose account it is, one
// claim says: it is the userName.
type Provider struct {
	Name         string
	Label        string // on the button that leads there; "" for the name
	Issuer       string // exactly as the provider writes it
	ClientID     string
	ClientSecret string   // "" for a public client
	Scopes       []string // beside openid
	Claim        string   // "" for preferred_username, or a verified email where there is none
	Workspaces   []string // the first is that of a login which names none
}

// Validate reports what is wrong with it.
func (p *Provider) Validate() error {
	u, err := url.Parse(p.Issuer)
	switch {
	case !validName(p.Name):
		return errors.New("its name is not valid")
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("issuer: %q is no issuer: it is a URL such as https://login.example.com, as the provider's /.well-known/openid-configuration has it", p.Issuer)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("issuer: %q must be https: who changes its answers on the way could log in as anybody", p.Issuer)
	case p.ClientID == "":
		return errors.New("client_id: it is required: the provider gives one to each application")
	case len(p.Workspaces) == 0:
		return errors.New("workspaces: one at least")
	}
	return nil
}

const (
	metadataFresh = time.Hour       // for so long a provider's endpoints are believed without asking again
	metadataPause = 2 * time.Second // between two tries where none are known
)

// provider is a Provider with what it says of itself, read when somebody first logs in by it.
type provider struct {
	Provider
	http   *http.Client
	now    func() time.Time
	logger *slog.Logger

	mu     sync.Mutex // guards what follows, and is held while the provider is asked
	known  *metadata
	failed error // the last try, where none are known
	asked  time.Time
}

// metadata is what a provider says of itself (OpenID Connect Discovery 1.0 §3, RFC 9207 §3).
type metadata struct {
	oidc  *oidc.Provider
	oauth oauth2.Endpoint
	keys  *keySet
	// SaysIssuer: the provider names itself when it sends somebody back.
	SaysIssuer  bool     `json:"authorization_response_iss_parameter_supported"`
	KeysURL     string   `json:"jwks_uri"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
}

func newProvider(p Provider, fetch *http.Client, now func() time.Time, logger *slog.Logger) (*provider, error) {
	return &provider{Provider: p, http: fetch, now: now, logger: logger}, p.Validate()
}

// unavailable logs why a provider is of no use now, and says to the caller that it is not.
func (p *provider) unavailable(ctx context.Context, what string, err error) error {
	p.logger.LogAttrs(ctx, slog.LevelWarn, "an OpenID provider is of no use", slog.String("provider", p.Name), slog.String("what", what), slog.String("error", shorten(err.Error())))
	return scim.Errorf(scim.ErrUnavailable, "the provider %s cannot be used now; try again later, or ask an administrator to look at the server's log", p.Name)
}

// metadata asks the provider about itself, now and then. One that does not answer stays as it was.
func (p *provider) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch age := p.now().Sub(p.asked); {
	case p.known != nil && age < metadataFresh:
		return p.known, nil
	case p.failed != nil && age < metadataPause:
		return nil, p.failed
	}
	// Others wait for it too: whoever goes away does not break it off.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	m, err := p.discover(ctx)
	p.asked = p.now()
	if err != nil && p.known == nil {
		p.failed = p.unavailable(ctx, "its metadata cannot be read", err)
		return nil, p.failed
	}
	if err == nil {
		p.known, p.failed = m, nil
	}
	return p.known, nil
}

func (p *provider) discover(ctx context.Context) (*metadata, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.http), p.Issuer)
	if err != nil {
		return nil, err
	}
	m := &metadata{oidc: found, oauth: found.Endpoint()}
	if err := found.Claims(m); err != nil {
		return nil, err
	}
	for _, text := range []string{m.oauth.AuthURL, m.oauth.TokenURL, m.KeysURL} {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			return nil, fmt.Errorf("the endpoint %q is not https", text)
		}
	}
	// Found out by trying, a code would be spent on the first try.
	m.oauth.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || len(m.AuthMethods) > 0 && !slices.Contains(m.AuthMethods, "client_secret_basic") {
		m.oauth.AuthStyle = oauth2.AuthStyleInParams
	}
	m.keys = newKeySet(m.KeysURL, p.http, p.now, p.logger)
	if p.known != nil && p.known.KeysURL == m.KeysURL {
		m.keys = p.known.keys
	}
	return m, nil
}

func (p *provider) oauth(m *metadata, callback string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: m.oauth, RedirectURL: callback,
		Scopes: append([]string{oidc.ScopeOpenID}, slices.DeleteFunc(slices.Clone(p.Scopes), func(s string) bool { return s == oidc.ScopeOpenID })...)}
}

// redeem gives a code for what the provider says of somebody, which is checked. errSSO: it does not hold.
func (p *provider) redeem(ctx context.Context, m *metadata, s *ssoState, code string) (map[string]any, error) {
	ctx = oidc.ClientContext(ctx, p.http)
	tok, err := p.oauth(m, s.Callback).Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < 500 && refused.ErrorCode != "invalid_client" && refused.ErrorCode != "unauthorized_client":
		return nil, p.refuse(ctx, errors.New("the code was refused: "+refused.ErrorCode))
	case errors.As(err, &refused): // its body, which could hold anything, is not for the log
		return nil, p.unavailable(ctx, "a code could not be redeemed", fmt.Errorf("%s %s", refused.Response.Status, refused.ErrorCode))
	case err != nil:
		return nil, p.unavailable(ctx, "a code could not be redeemed", err)
	}
	raw, _ := tok.Extra("id_token").(string)
	claims, err := p.verify(ctx, m, raw, tok.AccessToken, s.Nonce)
	if errors.Is(err, scim.ErrUnavailable) {
		return nil, err
	}
	if err != nil {
		return nil, p.refuse(ctx, err)
	}
	if p.nameIn(claims) != "" || m.oidc.UserInfoEndpoint() == "" {
		return claims, nil
	}
	// Providers may leave claims out of the ID token (OpenID Connect Core 1.0 §5.4).
	info, err := m.oidc.UserInfo(ctx, oauth2.StaticTokenSource(tok))
	if err != nil {
		return nil, p.unavailable(ctx, "its userinfo cannot be read", err)
	}
	more := map[string]any{}
	if info.Subject != claims["sub"] || info.Claims(&more) != nil { // §5.3.2
		return nil, p.refuse(ctx, errors.New("the userinfo is about somebody else"))
	}
	return more, nil
}

// refuse logs why the caller, who is told nothing, was refused.
func (p *provider) refuse(ctx context.Context, why error) error {
	p.logger.LogAttrs(ctx, slog.LevelInfo, "a single sign-on was refused", slog.String("provider", p.Name), slog.String("reason", shorten(why.Error())))
	return errSSO
}

// verify checks an ID token (OpenID Connect Core 1.0 §3.1.3.7) and answers its claims.
func (p *provider) verify(ctx context.Context, m *metadata, raw, accessToken, nonce string) (map[string]any, error) {
	kid, _, ok := peek(raw)
	if !ok {
		return nil, errors.New("there is no ID token")
	}
	keys, err := m.keys.find(ctx, kid)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the provider has no key %q", shorten(kid))
	}
	config := &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: JWTAlgorithms(), Now: func() time.Time { return p.now().Add(-jwtLeeway) }}
	token, err := oidc.NewVerifier(p.Issuer, &oidc.StaticKeySet{PublicKeys: keys}, config).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if nonce == "" || !sameHash(nonce, token.Nonce) {
		return nil, errors.New("the nonce is not that of this login")
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return nil, err
		}
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	if azp, ok := claims["azp"]; ok && azp != any(p.ClientID) {
		return nil, errors.New("the token was made for another client")
	}
	return claims, nil
}

// nameIn is the userName that claims stand for; "" for none. An e-mail address counts once the
// provider has verified it: anybody may claim one.
func (p *provider) nameIn(claims map[string]any) string {
	claim := p.Claim
	if claim == "" {
		claim = "preferred_username"
		if _, ok := claims[claim]; !ok {
			claim = "email"
		}
	}
	if verified := claims["email_verified"]; claim == "email" && verified != any(true) && verified != any("true") {
		return ""
	}
	name, _ := claims[claim].(string)
	return name
}

// ssoState is a login that has been begun. The browser has the other half of it.
type ssoState struct {
	Provider  string    `json:"provider"`
	Workspace string    `json:"workspace"`
	Binding   string    `json:"binding"` // SHA-256 of what the browser keeps
	Nonce     string    `json:"nonce"`
	Verifier  string    `json:"verifier"` // PKCE (RFC 7636)
	Callback  string    `json:"callback"`
	Expires   time.Time `json:"expires"`
}

func (d *Directory) addProviders(c Config) error {
	fetch := c.HTTP
	if fetch == nil {
		fetch = keysHTTP()
	}
	for _, p := range c.Providers {
		made, err := newProvider(p, fetch, d.now, d.logger)
		if err == nil && d.providers[p.Name] != nil {
			err = errors.New("there are two of that name")
		}
		if err != nil {
			return fmt.Errorf("provider %s: %w", p.Name, err)
		}
		d.providers[p.Name] = made
	}
	return nil
}

// ProviderInfo is a provider as whoever is about to log in sees it.
type ProviderInfo struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// Providers are those that people of a workspace log in by; "" for default.
func (d *Directory) Providers(workspace string) []ProviderInfo {
	if workspace == "" {
		workspace = "default"
	}
	list := []ProviderInfo{}
	for _, p := range d.providers {
		if slices.Contains(p.Workspaces, workspace) {
			list = append(list, ProviderInfo{p.Name, cmp.Or(p.Label, p.Name)})
		}
	}
	slices.SortFunc(list, func(a, b ProviderInfo) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// takeState finds a login by its state, and spends it.
func (d *Directory) takeState(ctx context.Context, provider, state, binding string) (*ssoState, error) {
	key := hashToken(state)
	text, err := d.sso.Get(ctx, key)
	if errors.Is(err, scim.ErrNotFound) {
		return nil, errSSOState
	}
	if err != nil {
		return nil, err
	}
	s := &ssoState{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "a login: %v", err)
	}
	if s.Provider != provider || !sameHash(s.Binding, hashToken(binding)) || !d.now().Before(s.Expires) {
		return nil, errSSOState
	}
	spent, err := json.Marshal(ssoState{Expires: s.Expires})
	if err != nil {
		return nil, err
	}
	if err := d.sso.Put(ctx, key, spent, text); errors.Is(err, scim.ErrVersionMismatch) {
		return nil, errSSOState // somebody else was first
	} else if err != nil {
		return nil, err
	}
	return s, d.sso.Delete(ctx, key)
}
