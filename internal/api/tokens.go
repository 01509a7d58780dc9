package api

import (
	"net/http"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) tokenRoutes() []route {
	manage := needs(account.TokensManage)
	return []route{
		{method: "GET", path: "/tokens", call: a.listTokens, needs: manage, status: 200, out: listed[account.Token]{"tokens"},
			about: "List the tokens that the caller may manage, oldest first."},
		{method: "POST", path: "/tokens", call: a.createToken, needs: manage, in: newToken{}, status: 201, out: createdToken{}, fails: fails(scim.ErrNotFound),
			about: "Make a token. Its text is in this answer alone."},
		{method: "DELETE", path: "/tokens/{id}", call: a.revokeToken, needs: manage, status: 204, fails: fails(scim.ErrLastAdministrator),
			about: "Revoke a token: within half a second it is refused everywhere."},
		{method: "POST", path: "/tokens/{id}/rotate", call: a.rotateToken, needs: manage, in: rotation{}, optional: true, status: 201, out: createdToken{},
			about: "Make a token like another one, which goes on for a while: three days unless told otherwise."},
	}
}

// newToken is the body of POST /tokens.
type newToken struct {
	Name      string            `json:"name" api:"required"`
	Use       account.Use       `json:"use"`       // "secret": a client secret for /oauth2/token
	Workspace string            `json:"workspace"` // left out: the actor's own, else the client's
	Client    string            `json:"client"`
	Scopes    []scim.Permission `json:"scopes"`    // those of provisioning where they are left out
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
	return answerList("tokens", list, err)
}

func (a *api) revokeToken(r *http.Request) (int, any, error) {
	if err := a.Accounts.RevokeToken(r.Context(), r.PathValue("id")); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

type rotation struct {
	OverlapSeconds *int64 `json:"overlapSeconds"`
}

// rotateToken answers a new token like the old one, which goes on for overlapSeconds: three
// days where they are left out, and not at all with 0.
func (a *api) rotateToken(r *http.Request) (int, any, error) {
	var body rotation
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
