package api

import (
	"net/http"
	"net/netip"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// loginRoutes are the calls by which one comes by a login.
func (a *api) loginRoutes() []route {
	return []route{
		{method: "POST", path: "/login", call: a.login, open: true, in: credentials{}, status: 200, out: session{}, fails: fails(scim.ErrUnauthenticated, scim.ErrPasswordExpired, scim.ErrTooManyRequests),
			about: "Log in with a user name, or an e-mail address that one account alone has, and a password."},
		{method: "POST", path: "/login/guest", call: a.loginGuest, open: true, in: guest{}, optional: true, status: 200, out: session{}, fails: fails(scim.ErrForbidden, scim.ErrTooManyRequests),
			about: "Log in as a guest, where the workspace allows it."},
	}
}

func (a *api) sessionRoutes() []route {
	manage := needs(account.SessionsManage)
	return []route{
		{method: "POST", path: "/logout", call: a.logout, status: 204,
			about: "End the session that the call is made with."},
		{method: "GET", path: "/sessions", call: a.listSessions, needs: manage, or: anybody, query: []param{inWorkspace, {"connected", "Those alone that were used within five minutes.", false}}, status: 200, out: listed[account.SessionInfo]{"sessions"},
			about: "List one's own sessions; with sessions:manage those of everybody."},
		{method: "DELETE", path: "/sessions/{id}", call: a.endSession, needs: manage, or: anybody, status: 204,
			about: "End a session: one's own, or with sessions:manage anybody's."},
		{method: "POST", path: "/password", call: a.setPassword, needs: mayUpdate, or: anybody, query: []param{inWorkspace}, in: newPassword{}, status: 204, accepted: mailed{}, fails: fails(scim.ErrTooManyRequests, scim.ErrVersionMismatch, scim.ErrMutability),
			about: "Set one's own password, by the one that one has, or somebody else's by userId. It ends their sessions. Whoever is in other workspaces too is mailed a link instead (202)."},
		{method: "POST", path: "/impersonations", call: a.impersonate, needs: needs(account.SessionsImpersonate), query: []param{inWorkspace}, in: target{}, status: 201, out: session{},
			about: "Act as somebody who may do no more, or as a guest: name one of userId, userName and guest."},
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
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	Workspace string    `json:"workspace"`
	Actor     string    `json:"actor,omitempty"` // who acts as the user
	User      user      `json:"user,omitempty"`
}

func (a *api) session(r *http.Request, in *account.LoggedIn) (*session, error) {
	s := &session{Token: in.Token, ExpiresAt: in.ExpiresAt, Workspace: in.Workspace}
	if in.User == nil {
		s.User = user{"userName": "guest"}
		return s, nil
	}
	var err error
	s.User, err = a.userBody(r, in.Workspace, in.User)
	return s, err
}

// credentials is the body of a login.
type credentials struct {
	Workspace string `json:"workspace"`
	UserName  string `json:"userName" api:"required"`
	Password  string `json:"password" api:"required"`
}

// guest is the body of a guest's login.
type guest struct {
	Workspace string `json:"workspace"`
}

func (a *api) login(r *http.Request) (int, any, error) {
	var body credentials
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
	var body guest
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
	return answerList("sessions", list, err)
}

func (a *api) endSession(r *http.Request) (int, any, error) {
	return http.StatusNoContent, nil, a.Accounts.EndSession(r.Context(), r.PathValue("id"))
}

// newPassword is the body of POST /password.
type newPassword struct {
	UserID  string  `json:"userId"`  // whose; "" for one's own
	Current string  `json:"current"` // the one that one has
	New     string  `json:"new" api:"required"`
	Confirm *string `json:"confirm"`
}

var errNotConfirmed = scim.Errorf(scim.ErrInvalidValue, "confirm: it is not the same as new")

// setPassword sets the caller's own password, or that of somebody else by userId.
func (a *api) setPassword(r *http.Request) (int, any, error) {
	var body newPassword
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if body.Confirm != nil && *body.Confirm != body.New {
		return 0, nil, errNotConfirmed
	}
	if body.UserID == "" {
		return http.StatusNoContent, nil, a.Accounts.SetOwnPassword(r.Context(), body.Current, body.New, a.addr(r))
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	asked, err := w.SetPassword(r.Context(), body.UserID, body.New)
	if err == nil && asked {
		return http.StatusAccepted, mailed{true}, nil
	}
	return http.StatusNoContent, nil, err
}

// target is the body of POST /impersonations.
type target struct {
	UserID   string `json:"userId"`
	UserName string `json:"userName"`
	Guest    bool   `json:"guest"`
}

// impersonate begins a session as somebody else.
func (a *api) impersonate(r *http.Request) (int, any, error) {
	var body target
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
