package api

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// invitationRoutes are about links by which somebody gets in.
func (a *api) invitationRoutes() []route {
	where, manage := []param{inWorkspace}, needs(account.InvitationsManage)
	return []route{
		{method: "POST", path: "/invitations", call: a.invite, needs: manage, query: where, in: newInvitation{}, status: 201, out: invitation{}, fails: fails(scim.ErrUniqueness, scim.ErrVersionMismatch),
			about: "Invite somebody: their account exists at once, and a link sets its name and password. The link is mailed, or with mail=false in the answer. It brings back who was deactivated."},
		{method: "GET", path: "/invitations", call: a.listInvitations, needs: manage, query: where, status: 200, out: listed[account.InvitationInfo]{"invitations"},
			about: "List invitations that nobody has accepted."},
		{method: "DELETE", path: "/invitations/{id}", call: a.deleteInvitation, needs: manage, query: where, status: 204,
			about: "Take an invitation back: its link works no more. The account stays."},
		{method: "POST", path: "/invitations/accept", call: a.acceptInvitation, open: true, in: acceptance{}, status: 200, out: session{}, fails: fails(scim.ErrForbidden, scim.ErrTooManyRequests, scim.ErrVersionMismatch),
			about: "Accept an invitation: set the name and the password of its account, and log in. It works once."},
		{method: "POST", path: "/users/{id}/password-reset", call: a.resetPassword, needs: mayUpdate, query: where, in: wantReset{}, optional: true, status: 201, out: reset{},
			about: "Have somebody mailed a link for a new password; with mail=false it is in the answer, for whoever may set the password."},
		{method: "POST", path: "/password/reset", call: a.forgotPassword, open: true, in: forgotten{}, status: 202, fails: fails(scim.ErrTooManyRequests),
			about: "Have oneself mailed a link for a new password. The answer is the same, whoever exists."},
		{method: "GET", path: "/discovery", call: a.discover, open: true, query: []param{{"workspace", "Which one; default where it is left out.", ""}}, status: 200, out: account.Discovered{}, fails: fails(scim.ErrNotFound, scim.ErrTooManyRequests),
			about: "Tell of a workspace where anybody may register; every other is not found."},
		{method: "POST", path: "/register", call: a.register, open: true, in: registration{}, status: 201, out: user{}, accepted: mailed{}, fails: fails(scim.ErrForbidden, scim.ErrUniqueness, scim.ErrTooManyRequests),
			about: "Register: an account with the default role, at once (201) or after a link that is mailed (202, whoever exists), as the workspace has it."},
		{method: "POST", path: "/register/verify", call: a.confirmRegistration, open: true, in: confirmation{}, status: 201, out: user{}, fails: fails(scim.ErrForbidden, scim.ErrUniqueness, scim.ErrTooManyRequests),
			about: "Confirm a registration by the code of the mailed link, and the password that was chosen. It works once."},
		{method: "POST", path: "/emails/verify", call: a.verifyAddress, open: true, in: proof{}, status: 204, fails: fails(scim.ErrForbidden, scim.ErrTooManyRequests, scim.ErrVersionMismatch, scim.ErrMutability),
			about: "Confirm a new e-mail address of an account by the code of the mailed link. It works once."},
		{method: "POST", path: "/password/redeem", call: a.redeemReset, open: true, in: redemption{}, status: 204, fails: fails(scim.ErrForbidden, scim.ErrTooManyRequests),
			about: "Set a new password by the code of a link. It works once, and ends the person's sessions."},
	}
}

// options are what an account may be given at its creation.
type options struct {
	Role          string   `json:"role"`
	AllVolumes    bool     `json:"allVolumes"`
	DefaultVolume bool     `json:"defaultVolume"`
	Volumes       []string `json:"volumes"`
	HomeEntitle   *bool    `json:"homeEntitlement"`
}

func (o options) options() account.Options {
	return account.Options{Role: o.Role, AllVolumes: o.AllVolumes, DefaultVolume: o.DefaultVolume, Volumes: o.Volumes, Home: o.HomeEntitle}
}

// link is the URL of the page where a code is redeemed.
func (a *api) link(r *http.Request, page, code string) (string, error) {
	if code == "" {
		return "", nil
	}
	base := ""
	if a.BaseURL != nil {
		var ok bool
		if base, ok = a.BaseURL(r); !ok {
			return "", scim.Errorf(scim.ErrInvalidValue, "the Host header is not valid")
		}
	}
	return base + account.LinkPath(page) + url.QueryEscape(code), nil
}

// invitation is the answer to one: the URL is there where no mail was sent.
type invitation struct {
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expiresAt"`
	User      user      `json:"user"`
	URL       string    `json:"url,omitempty"`
}

// newInvitation is the body of POST /invitations.
type newInvitation struct {
	options
	UserName string `json:"userName" api:"required"`
	Message  string `json:"message"`
	Mail     *bool  `json:"mail"`
}

func (a *api) invite(r *http.Request) (int, any, error) {
	var body newInvitation
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	in, err := w.Invite(r.Context(), account.NewInvitation{UserName: body.UserName, Message: body.Message, Mail: body.Mail == nil || *body.Mail, Options: body.options.options()})
	if err != nil {
		return 0, nil, err
	}
	user, err := a.userBody(r, workspaceIn(r), in.User)
	link, err2 := a.link(r, account.PageInvitation, in.Code)
	return http.StatusCreated, invitation{in.ID, in.ExpiresAt, user, link}, errors.Join(err, err2)
}

func (a *api) listInvitations(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	list, err := w.Invitations(r.Context())
	return answerList("invitations", list, err)
}

func (a *api) deleteInvitation(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.DeleteInvitation(r.Context(), r.PathValue("id"))
}

// acceptance is the body of POST /invitations/accept.
type acceptance struct {
	Code     string `json:"code" api:"required"`
	Name     string `json:"name"`
	Password string `json:"password" api:"required"`
}

func (a *api) acceptInvitation(r *http.Request) (int, any, error) {
	var body acceptance
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	in, err := a.Accounts.AcceptInvitation(r.Context(), body.Code, body.Name, body.Password, a.addr(r))
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.session(r, in)
	return http.StatusOK, answer, err
}

// reset is the answer to an administrator who had a link made.
type reset struct {
	Mail      bool      `json:"mail"` // it was mailed to the person
	ExpiresAt time.Time `json:"expiresAt"`
	URL       string    `json:"url,omitempty"`
}

// wantReset is the body of POST /users/{id}/password-reset.
type wantReset struct {
	Mail *bool `json:"mail"`
}

func (a *api) resetPassword(r *http.Request) (int, any, error) {
	var body wantReset
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	made, err := w.ResetPassword(r.Context(), r.PathValue("id"), body.Mail == nil || *body.Mail)
	if err != nil {
		return 0, nil, err
	}
	link, err := a.link(r, account.PageReset, made.Code)
	return http.StatusCreated, reset{made.Mailed, made.ExpiresAt, link}, err
}

// forgotten is the body of POST /password/reset.
type forgotten struct {
	Workspace string `json:"workspace"`
	UserName  string `json:"userName" api:"required"`
}

func (a *api) forgotPassword(r *http.Request) (int, any, error) {
	var body forgotten
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, nil, a.Accounts.ForgotPassword(r.Context(), body.Workspace, body.UserName, a.addr(r))
}

// redemption is the body of POST /password/redeem.
type redemption struct {
	Code    string  `json:"code" api:"required"`
	New     string  `json:"new" api:"required"`
	Confirm *string `json:"confirm"`
}

func (a *api) redeemReset(r *http.Request) (int, any, error) {
	var body redemption
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	if body.Confirm != nil && *body.Confirm != body.New {
		return 0, nil, errNotConfirmed
	}
	return http.StatusNoContent, nil, a.Accounts.RedeemReset(r.Context(), body.Code, body.New, a.addr(r))
}

// mailed is the answer where somebody is mailed a link.
type mailed struct {
	Mail bool `json:"mail"`
}

// registration is the body of POST /register.
type registration struct {
	Workspace      string `json:"workspace"`
	Name           string `json:"name" api:"required"`
	Email          string `json:"email" api:"required"`
	Password       string `json:"password" api:"required"`
	PasswordVerify string `json:"passwordVerify" api:"required"`
	Institution    string `json:"institution"`
	Website        string `json:"website"`
}

// confirmation is the body of POST /register/verify.
type confirmation struct {
	Code     string `json:"code" api:"required"`
	Password string `json:"password" api:"required"`
}

// proof is the body of POST /emails/verify.
type proof struct {
	Code string `json:"code" api:"required"`
}

func (a *api) discover(r *http.Request) (int, any, error) {
	found, err := a.Accounts.Discover(r.Context(), r.URL.Query().Get("workspace"), a.addr(r))
	return http.StatusOK, found, err
}

func (a *api) register(r *http.Request) (int, any, error) {
	var body registration
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	made, err := a.Accounts.Register(r.Context(), account.Registration{Workspace: body.Workspace, Name: body.Name, Email: body.Email,
		Password: body.Password, Verify: body.PasswordVerify, Institution: body.Institution, Website: body.Website, Addr: a.addr(r)})
	if err != nil {
		return 0, nil, err
	}
	if made == nil {
		return http.StatusAccepted, mailed{true}, nil
	}
	answer, err := a.userBody(r, cmp.Or(body.Workspace, "default"), made)
	return http.StatusCreated, answer, err
}

func (a *api) confirmRegistration(r *http.Request) (int, any, error) {
	var body confirmation
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	workspace, made, err := a.Accounts.ConfirmRegistration(r.Context(), body.Code, body.Password, a.addr(r))
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.userBody(r, workspace, made)
	return http.StatusCreated, answer, err
}

func (a *api) verifyAddress(r *http.Request) (int, any, error) {
	var body proof
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, a.Accounts.VerifyAddress(r.Context(), body.Code, a.addr(r))
}
