package api

import (
	"net/http"
	"net/netip"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// openRoutes are the calls that need no login: they are how one comes by it.
func (a *api) openRoutes() map[string]handler {
	return map[string]handler{
		"POST /api/v1/login":       a.login,
		"POST /api/v1/login/guest": a.loginGuest,
	}
}

func (a *api) sessionRoutes() map[string]handler {
	return map[string]handler{
		"POST /api/v1/logout":          a.logout,
		"GET /api/v1/sessions":         a.listSessions,
		"DELETE /api/v1/sessions/{id}": a.endSession,
		"POST /api/v1/password":        a.setPassword,
		"POST /api/v1/impersonations":  a.impersonate,
	}
}

// addr is where a request comes from.
func (a *api) addr(r *http.Request) netip.Addr {
	if a.ClientAddr == nil {
		return netip.Addr{}
	}
	return a.ClientAddr(r)
}

// session is the answer to a login.
type session struct {
	Token     string         `json:"token"`
	ExpiresAt time.Time      `json:"expiresAt"`
	Workspace string         `json:"workspace"`
	Actor     string         `json:"actor,omitempty"` // who acts as the user
	User      map[string]any `json:"user,omitempty"`
}

func (a *api) session(r *http.Request, in *account.LoggedIn) (*session, error) {
	s := &session{Token: in.Token, ExpiresAt: in.ExpiresAt, Workspace: in.Workspace}
	if in.User == nil {
		s.User = map[string]any{"userName": "guest"}
		return s, nil
	}
	var err error
	s.User, err = a.userBody(r, in.Workspace, in.User)
	return s, err
}

func (a *api) login(r *http.Request) (int, any, error) {
	var body struct {
		Workspace string `json:"workspace"`
		UserName  string `json:"userName"`
		Password  string `json:"password"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	in, err := a.Accounts.LogIn(r.Context(), account.Login{Workspace: body.Workspace, UserName: body.UserName, Password: body.Password, Addr: a.addr(r)})
	if err != nil {
		return 0, nil, err
	}
	if in.PasswordExpired {
		return 0, nil, &expiredPassword{in}
	}
	answer, err := a.session(r, in)
	return http.StatusOK, answer, err
}

// expiredPassword is a login with a password that has expired: the answer has a token that sets
// a new one.
type expiredPassword struct{ in *account.LoggedIn }

func (e *expiredPassword) Error() string { return "password expired" }

func (e *expiredPassword) Unwrap() error {
	return scim.Errorf(scim.ErrPasswordExpired, "set a new password with POST /api/v1/password and the token in this answer")
}

func (a *api) loginGuest(r *http.Request) (int, any, error) {
	var body struct {
		Workspace string `json:"workspace"`
	}
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	in, err := a.Accounts.LogInGuest(r.Context(), body.Workspace, a.addr(r))
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.session(r, in)
	return http.StatusOK, answer, err
}

func (a *api) logout(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Accounts.Logout(r.Context())
}

// listSessions lists the caller's own sessions, or everybody's; ?connected=true those who are there.
func (a *api) listSessions(r *http.Request) (int, any, error) {
	connected := r.URL.Query().Get("connected")
	if connected != "" && connected != "true" && connected != "false" {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "connected is true or false")
	}
	list, err := a.Accounts.Sessions(r.Context(), workspaceIn(r), connected == "true")
	return http.StatusOK, map[string]any{"sessions": list}, err
}

func (a *api) endSession(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Accounts.EndSession(r.Context(), r.PathValue("id"))
}

// setPassword sets the caller's own password, or that of somebody else by userId.
func (a *api) setPassword(r *http.Request) (int, any, error) {
	var body struct {
		UserID  string  `json:"userId"`
		Current string  `json:"current"`
		New     string  `json:"new"`
		Confirm *string `json:"confirm"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if body.Confirm != nil && *body.Confirm != body.New {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "confirm: it is not the same as new")
	}
	if body.UserID == "" {
		return http.StatusNoContent, nil, a.Accounts.SetOwnPassword(r.Context(), body.Current, body.New, a.addr(r))
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.SetPassword(r.Context(), body.UserID, body.New)
}

// impersonate begins a session as somebody else.
func (a *api) impersonate(r *http.Request) (int, any, error) {
	var body struct {
		UserID   string `json:"userId"`
		UserName string `json:"userName"`
		Guest    bool   `json:"guest"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	in, err := w.Impersonate(r.Context(), account.Target{UserID: body.UserID, UserName: body.UserName, Guest: body.Guest})
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.session(r, in)
	if err == nil {
		actor := scim.ActorFrom(r.Context())
		answer.Actor = actor.Kind + ":" + actor.ID
	}
	return http.StatusCreated, answer, err
}
