package account

import (
	"context"
	"net/netip"
	"time"

	"rollcall/scim"
)

const (
	// DefaultAccessLife and MaxAccessLife bound an access token's time. Entra wants 60
	// minutes to 6 hours.
	DefaultAccessLife = time.Hour
	MaxAccessLife     = 24 * time.Hour

	// A client needs one access token in its life; this is what a script may waste that asks
	// for one with every call.
	mintRate  = 1
	mintBurst = 60
)

// Grant asks for an access token by OAuth 2.0 client credentials (RFC 6749 §4.4).
type Grant struct {
	ClientID string // the client's name, or the id of the secret
	Secret   string
	Scopes   []scim.Permission // fewer than the secret's; nil for all of them
	Addr     netip.Addr        // where the request comes from
}

// Access is an access token, and what it is good for.
type Access struct {
	Text   string
	Life   time.Duration
	Scopes []scim.Permission
}

// IssueAccess gives an access token for a client's secret. Besides what SignIn answers,
// it answers scim.ErrInvalidValue for scopes that the secret does not hold.
func (d *Directory) IssueAccess(ctx context.Context, g Grant) (Access, error) {
	secret, err := d.tokens.prove(ctx, g.Secret)
	if err != nil {
		return Access{}, err
	}
	if secret.Use != UseSecret || g.ClientID != secret.Client && g.ClientID != secret.ID {
		return Access{}, errBadToken
	}
	if err := d.gate.admit(ctx, secret.actor, g.Addr); err != nil {
		return Access{}, err
	}
	if g.Scopes == nil {
		g.Scopes = secret.Scopes
	}
	for _, s := range g.Scopes {
		if !secret.actor.Can(s) {
			return Access{}, scim.Errorf(scim.ErrInvalidValue, "the client secret does not hold every scope that was asked for")
		}
	}
	mint := limitKey{workspace: secret.Workspace, client: secret.Client, what: "mint"}
	if err := d.gate.limit(mint, mintRate, mintBurst); err != nil {
		return Access{}, err
	}
	return d.mintAccess(ctx, secret, g.Scopes)
}

func (d *Directory) mintAccess(ctx context.Context, secret cachedToken, scopes []scim.Permission) (Access, error) {
	life := DefaultAccessLife
	if c := d.gate.clients[secret.Client]; c != nil && c.AccessLife > 0 {
		life = c.AccessLife
	}
	now := d.now().UTC()
	if left := secret.Expires.Sub(now); left < life {
		life = left
	}
	tok := Token{
		ID: randomBase62(accessIDLen), Name: secret.Name, Use: UseAccess, From: secret.ID,
		Workspace: secret.Workspace, Client: secret.Client, Scopes: scopes, MaxRole: secret.MaxRole, Created: now, Expires: now.Add(life),
	}
	text := mintToken(tok.ID)
	if err := d.tokens.put(ctx, tok, text, []byte{}); err != nil {
		return Access{}, err
	}
	d.tokens.touch(ctx, secret)
	d.tokens.sweep(ctx)
	return Access{Text: text, Life: life, Scopes: scopes}, nil
}

// sweep removes access tokens that have ended, now and then.
func (t *tokens) sweep(ctx context.Context) {
	sweep(ctx, &t.broom, t.access, t.now(), func(tok *Token) bool { return t.expired(*tok) }, func(ctx context.Context, id string) error {
		defer t.forget(id)
		return t.access.Delete(ctx, id)
	})
}
