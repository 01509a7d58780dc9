package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"rollcall/scim"
)

// Client is what the configuration says of an identity provider or script that calls us. A
// client without settings signs in by tokens, from anywhere, under DefaultRate.
type Client struct {
	Name      string
	Workspace string            // that a JWT or Basic leads to; a token names its own
	Scopes    []scim.Permission // of a JWT or Basic; nil for ProvisioningScopes
	NoTokens  bool              // its tokens and client secrets are not taken
	Allow     []netip.Prefix    // where its requests may come from; none for anywhere
	Rate      float64           // requests a second; 0 for DefaultRate, below for no limit
	Paused    bool              // by configuration: no call can resume it
	// AccessLife is for how long an access token is good; 0 for DefaultAccessLife.
	AccessLife time.Duration
	JWT        *JWT   // nil: it has none
	Basic      *Basic // nil: it has none
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// validName tells whether a client may be called so.
func validName(name string) bool { return namePattern.MatchString(name) }

// addClients takes up the configured clients.
func (d *Directory) addClients(c Config) error {
	d.gate = newGate(c.State.KV("paused"), d.now)
	keySets := map[string]*keySet{}
	fetch := c.HTTP
	if fetch == nil {
		fetch = keysHTTP()
	}
	for i := range c.Clients {
		client := c.Clients[i]
		if err := d.addClient(&client, fetch, keySets); err != nil {
			return fmt.Errorf("client %s: %w", client.Name, err)
		}
	}
	return nil
}

func (d *Directory) addClient(c *Client, fetch *http.Client, keySets map[string]*keySet) error {
	if !validName(c.Name) || d.gate.clients[c.Name] != nil {
		return errors.New("its name is not valid, or taken")
	}
	if c.Scopes == nil {
		c.Scopes = ProvisioningScopes()
	}
	for _, s := range c.Scopes {
		if !known(s) {
			return fmt.Errorf("unknown scope %q", s)
		}
	}
	if c.AccessLife < 0 || c.AccessLife > MaxAccessLife {
		return fmt.Errorf("an access token lives at most %s", MaxAccessLife)
	}
	d.gate.clients[c.Name] = c
	if c.JWT != nil {
		if err := c.JWT.Validate(); err != nil {
			return err
		}
		keys := keySets[c.JWT.KeysURL]
		if keys == nil {
			keys = newKeySet(c.JWT.KeysURL, fetch, d.now, d.logger)
			keySets[c.JWT.KeysURL] = keys
		}
		d.jwts = append(d.jwts, newJWTClient(c, keys, d.now))
	}
	if c.Basic != nil {
		if err := c.Basic.Validate(); err != nil {
			return err
		}
		b := newBasicClient(c)
		if slices.ContainsFunc(d.basics, func(other basicClient) bool { return other.user == b.user }) {
			return errors.New("another client has the same user")
		}
		d.basics = append(d.basics, b)
	}
	return nil
}

// clientActor is who signs in as a client by its configuration alone.
func clientActor(kind string, c *Client, name string) *scim.Actor {
	return &scim.Actor{Kind: kind, ID: c.Name, Name: name, Client: c.Name, Workspace: c.Workspace, Permissions: permissionSet(c.Scopes)}
}

// Authenticate tells who holds a bearer token, as SignIn does of one from an unknown address.
func (d *Directory) Authenticate(ctx context.Context, bearer string) (*scim.Actor, error) {
	return d.SignIn(ctx, scim.Credential{Scheme: scim.SchemeBearer, Value: bearer})
}

// SignIn tells who sends a request, and whether they may go on now. Every credential that is
// not good is the same scim.ErrUnauthenticated: a caller learns nothing of what exists. A client
// that is known may still be refused: scim.ErrForbidden (its address), scim.ErrPaused,
// scim.ErrTooManyRequests.
func (d *Directory) SignIn(ctx context.Context, c scim.Credential) (*scim.Actor, error) {
	actor, err := d.identify(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := d.gate.admit(ctx, actor, c.Addr); err != nil {
		return nil, err
	}
	return actor, nil
}

func (d *Directory) identify(ctx context.Context, c scim.Credential) (*scim.Actor, error) {
	switch c.Scheme {
	case scim.SchemeBearer:
		if id, ok := parseToken(c.Value); ok && len(id) == sessionIDLen {
			return d.authenticateSession(ctx, id, c.Value)
		}
		actor, err := d.tokens.authenticate(ctx, c.Value)
		if errors.Is(err, scim.ErrUnauthenticated) && len(d.jwts) > 0 {
			return d.authenticateJWT(ctx, c.Value)
		}
		return actor, err
	case scim.SchemeBasic:
		return d.authenticateBasic(c.Value)
	}
	return nil, errBadToken
}
