package scimhttp

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"rollcall/scim"
)

// Authenticator tells whose a bearer token is. It returns scim.ErrUnauthenticated for
// any token that is not good now, whatever the reason, and takes the same time for
// each. The actor is not changed by the caller, so it may be shared.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string) (*scim.Actor, error)
}

// CredentialAuthenticator is an Authenticator that takes more than bearer tokens, and
// heeds where a request comes from. SignIn is asked instead of Authenticate, under the same
// rules; besides scim.ErrUnauthenticated it may return scim.ErrForbidden, scim.ErrPaused and
// scim.ErrTooManyRequests for a client that is known and may not go on.
type CredentialAuthenticator interface {
	Authenticator
	SignIn(ctx context.Context, c scim.Credential) (*scim.Actor, error)
}

const (
	maxToken = 8 << 10

	// RFC 6750 §3: no error code for a request without credentials.
	challengeNone    = `Bearer realm="scim"`
	challengeInvalid = `Bearer realm="scim", error="invalid_token"`
	challengeScope   = `Bearer realm="scim", error="insufficient_scope"`
	challengeBasic   = `Basic realm="scim", charset="UTF-8"` // RFC 7617 §2.1
)

// authenticate finds who asks.
func (x *exchange) authenticate() error {
	actor, bare, err := x.h.signIn(x.ctx, x.r)
	if err != nil {
		x.refused = refusal(err)
		switch {
		case errors.Is(err, errNoToken):
			x.challenge = challengeNone
		case errors.Is(err, scim.ErrUnauthenticated):
			x.challenge = challengeInvalid
		}
		return err
	}
	own := *actor
	own.RequestID = x.requestID
	x.actor = &own
	x.ctx = scim.WithActor(x.ctx, x.actor)
	x.challenge = challengeScope
	if bare {
		x.quirk(QuirkBareToken)
	}
	return nil
}

// SignIn tells who sends a request, as every request to the Handler is signed in: for what is
// served beside it. Every credential that is not good is the same scim.ErrUnauthenticated.
func (h *Handler) SignIn(r *http.Request) (*scim.Actor, error) {
	actor, _, err := h.signIn(r.Context(), r)
	return actor, err
}

// signIn reads the header Authorization, which is the only place for a token: one in the
// query ends up in logs (RFC 6750 §5.3), so it is not even looked for. bare tells of a token
// without its scheme.
func (h *Handler) signIn(ctx context.Context, r *http.Request) (actor *scim.Actor, bare bool, err error) {
	header := r.Header["Authorization"]
	if len(header) == 0 {
		return nil, false, errNoToken
	}
	if len(header) != 1 { // RFC 6750 §2: one method for each request
		return nil, false, errBadToken
	}
	c := scim.Credential{Scheme: scim.SchemeBearer}
	if c.Value, bare = bearer(header[0]); c.Value == "" {
		c.Scheme, c.Value = scim.SchemeBasic, basic(header[0])
	}
	if c.Value == "" {
		return nil, false, errBadToken
	}
	if auth, ok := h.cfg.Auth.(CredentialAuthenticator); ok {
		c.Addr = h.ClientAddr(r)
		actor, err = auth.SignIn(ctx, c)
	} else if c.Scheme == scim.SchemeBearer {
		actor, err = h.cfg.Auth.Authenticate(ctx, c.Value)
	}
	if errors.Is(err, scim.ErrUnauthenticated) || err == nil && actor == nil {
		return nil, false, errBadToken // one answer for unknown, expired and revoked
	}
	return actor, bare, err
}

// basic is what stands behind the scheme Basic, "" where that is not the scheme.
func basic(header string) string {
	scheme, value, _ := strings.Cut(strings.Trim(header, " \t"), " ")
	if !strings.EqualFold(scheme, scim.SchemeBasic) || len(value) > maxToken {
		return ""
	}
	return strings.TrimLeft(value, " ")
}

// bearer reads the header. Okta sends what its administrator typed, which often is the
// token alone: a value without a space is taken for one. "" is no token.
func bearer(header string) (token string, bare bool) {
	header = strings.Trim(header, " \t")
	scheme, token, found := strings.Cut(header, " ")
	if !found {
		if strings.EqualFold(header, scim.SchemeBearer) || strings.EqualFold(header, scim.SchemeBasic) {
			return "", false
		}
		token, bare = header, true
	} else if !strings.EqualFold(scheme, scim.SchemeBearer) {
		return "", false
	}
	token = strings.TrimLeft(token, " ")
	if len(token) > maxToken {
		return "", false
	}
	for i := 0; i < len(token); i++ {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return "", false
		}
	}
	return token, bare
}
