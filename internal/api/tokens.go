package api

import (
	"net/http"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// newToken is the body of POST /tokens.
type newToken struct {
	Name      string            `json:"name"`
	Use       account.Use       `json:"use"`       // "secret": a client secret for /oauth2/token
	Workspace string            `json:"workspace"` // left out: the actor's own, else the client's
	Client    string            `json:"client"`
	Scopes    []scim.Permission `json:"scopes"`
	ExpiresIn int64             `json:"expiresIn"` // seconds
	MaxRole   string            `json:"maxRole"`   // the highest role that it may assign
}

// createdToken is the answer: the only time that the token is seen.
type createdToken struct {
	account.Token
	Text string `json:"token"`
}

func (a *api) createToken(r *http.Request) (int, any, error) {
	var body newToken
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if most := int64(account.MaxTokenLife / time.Second); body.ExpiresIn < 0 || body.ExpiresIn > most {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "expiresIn is between 1 and %d seconds", most)
	}
	if body.Workspace == "" {
		body.Workspace = a.tokenWorkspace(scim.ActorFrom(r.Context()), body.Client)
	}
	tok, text, err := a.Accounts.CreateToken(r.Context(), account.NewToken{
		Name: body.Name, Use: body.Use, Workspace: body.Workspace, Client: body.Client, Scopes: body.Scopes, MaxRole: body.MaxRole,
		Life: time.Duration(body.ExpiresIn) * time.Second,
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, createdToken{tok, text}, nil
}

// tokenWorkspace is where a token is for that names no workspace: the actor's own. An actor of
// every workspace means the one that the client is configured for.
func (a *api) tokenWorkspace(by *scim.Actor, client string) string {
	if by != nil && by.Workspace != "" {
		return by.Workspace
	}
	return a.Accounts.ClientWorkspace(client)
}

func (a *api) listTokens(r *http.Request) (int, any, error) {
	list, err := a.Accounts.Tokens(r.Context())
	if err != nil {
		return 0, nil, err
	}
	if list == nil {
		list = []account.Token{}
	}
	return http.StatusOK, map[string]any{"tokens": list}, nil
}

func (a *api) revokeToken(r *http.Request) (int, any, error) {
	if err := a.Accounts.RevokeToken(r.Context(), r.PathValue("id")); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

// rotateToken answers a new token like the old one, which goes on for overlapSeconds: three
// days where they are left out, and not at all with 0.
func (a *api) rotateToken(r *http.Request) (int, any, error) {
	body := struct {
		OverlapSeconds *int64 `json:"overlapSeconds"`
	}{}
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	overlap := account.DefaultOverlap
	if s := body.OverlapSeconds; s != nil {
		if *s < 0 || *s > int64(account.MaxTokenLife/time.Second) {
			return 0, nil, scim.Errorf(scim.ErrInvalidValue, "overlapSeconds is between 0 and %d", account.MaxTokenLife/time.Second)
		}
		overlap = time.Duration(*s) * time.Second
	}
	tok, text, err := a.Accounts.RotateToken(r.Context(), r.PathValue("id"), overlap)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, createdToken{tok, text}, nil
}
