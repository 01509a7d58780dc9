package api

import (
	"context"
	"net/http"
	"strconv"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) accountRoutes() []route {
	where, leases := []param{inWorkspace}, needs(account.LeasesManage)
	changing := fails(scim.ErrUniqueness, scim.ErrVersionMismatch, scim.ErrLastAdministrator, scim.ErrMutability, scim.ErrInvalidValue)
	return []route{
		{method: "POST", path: "/users", call: a.createUser, needs: needs(account.UsersCreate), query: where, in: newUser{}, status: 201, out: user{}, fails: append(fails(scim.ErrNotFound), changing...),
			about: "Make an account in its groups, with volumes and a home; with an id of its own by ids:set. With mail they are invited, which takes invitations:manage."},
		{method: "PUT", path: "/users/{id}/groups", call: a.setGroups, needs: needs(account.GroupsUpdate), query: where, in: groups{}, status: 200, out: user{}, fails: changing,
			about: "Replace all direct memberships of an account: groups by id or name."},
		{method: "POST", path: "/users/{id}/deactivate", call: a.changeUser((*account.Workspace).Deactivate), needs: mayUpdate, query: where, status: 200, out: user{}, fails: append(fails(scim.ErrLeased), changing...),
			about: "Take an account offline: hidden from lists, kept for audit."},
		{method: "POST", path: "/users/{id}/activate", call: a.changeUser((*account.Workspace).Activate), needs: mayUpdate, query: where, status: 200, out: user{}, fails: changing,
			about: "Bring an account back that was taken offline."},
		{method: "POST", path: "/users/{id}/erase", call: a.eraseUser, needs: needs(account.UsersDelete), long: true, query: where, status: 204, fails: fails(scim.ErrNotFound, scim.ErrLastAdministrator, scim.ErrVersionMismatch),
			about: "Erase everything personal of somebody for good: account, what can be restored of it, its changes, secrets, sessions, and what the audit tells."},
		{method: "POST", path: "/activate", call: a.activateNamed, needs: mayUpdate, query: where, in: named{}, status: 200, out: user{}, fails: append(fails(scim.ErrNotFound), changing...),
			about: "Bring an account back that was taken offline, by its userName."},
		{method: "GET", path: "/users/{id}/leases", call: a.listLeases, needs: leases, query: where, status: 200, out: listed[account.Lease]{"leases"},
			about: "List the leases that applications hold on an account."},
		{method: "POST", path: "/users/{id}/leases", call: a.takeLease, needs: leases, query: where, in: newLease{}, status: 201, out: account.Lease{}, fails: fails(scim.ErrUniqueness, scim.ErrVersionMismatch),
			about: "Take a lease on an account: an application is doing work for it."},
		{method: "PUT", path: "/users/{id}/leases/{lease}", call: a.renewLease, needs: leases, query: where, in: newLease{}, optional: true, status: 200, out: account.Lease{}, fails: fails(scim.ErrVersionMismatch),
			about: "Renew a lease."},
		{method: "DELETE", path: "/users/{id}/leases/{lease}", call: a.releaseLease, needs: leases, query: where, status: 204,
			about: "Give a lease up."},
		{method: "GET", path: "/users/{id}/trial", call: a.showTrial, needs: mayRead, or: own, query: where, status: 200, out: account.Trial{},
			about: "Show an account's trial, with dates in milliseconds since 1970."},
		{method: "PUT", path: "/users/{id}/trial", call: a.putTrial, needs: mayUpdate, query: where, in: newTrial{}, status: 200, out: account.Trial{}, fails: changing,
			about: "Grant a trial, from one date to another in milliseconds since 1970."},
		{method: "GET", path: "/authorization", call: a.authorization, needs: mayRead, or: own, status: 200, out: anyOf{account.Answer{}, listed[account.Answer]{"permissions"}, account.Matrix{}}, fails: fails(scim.ErrNotFound),
			query: []param{inWorkspace, {"user", "Whose permissions: an id or userName.", ""}, {"permission", "Which one; all where it is left out.", ""}, {"startIndex", "The first account of the matrix, from 1 on.", 0}, {"count", "How many accounts the matrix has.", 0}},
			about: "Tell whether somebody may do something, and why: by ?user= and ?permission=. Without permission it is all of theirs; without user the matrix, which takes users:list and groups:read too."},
	}
}

// newUser is the body of POST /users.
type newUser struct {
	options
	User    map[string]any `json:"user" api:"required"` // a User of SCIM
	ID      string         `json:"id"`
	Groups  []string       `json:"groups"`
	Message string         `json:"message"`
	Mail    bool           `json:"mail"` // a link by which they set a password
}

type groups struct {
	Groups []string `json:"groups" api:"required"` // ids or names
}

type named struct {
	UserName string `json:"userName" api:"required"`
}

type newTrial struct {
	GrantedOn int64 `json:"grantedOn"`
	ExpiresOn int64 `json:"expiresOn" api:"required"`
}

// shown answers with an account.
func (a *api) shown(r *http.Request, status int, s *scim.Stored, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	body, err := a.userBody(r, workspaceIn(r), s)
	return status, body, err
}

func (a *api) createUser(r *http.Request) (int, any, error) {
	var body newUser
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.CreateAccount(r.Context(), account.NewAccount{User: body.User, ID: body.ID, Groups: body.Groups,
		Options: body.options.options(), Message: body.Message, Mail: body.Mail})
	return a.shown(r, http.StatusCreated, s, err)
}

func (a *api) setGroups(r *http.Request) (int, any, error) {
	var body groups
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.SetGroups(r.Context(), r.PathValue("id"), body.Groups)
	return a.shown(r, http.StatusOK, s, err)
}

func (a *api) activateNamed(r *http.Request) (int, any, error) {
	var body named
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.ActivateNamed(r.Context(), body.UserName)
	return a.shown(r, http.StatusOK, s, err)
}

// newLease is the body of a lease that is taken or renewed.
type newLease struct {
	Application string `json:"application"`
	Reason      string `json:"reason"`
	TTLSeconds  int64  `json:"ttlSeconds"`
}

func (a *api) listLeases(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	list, err := w.Leases(r.Context(), r.PathValue("id"))
	return answerList("leases", list, err)
}

func (a *api) takeLease(r *http.Request) (int, any, error) {
	var body newLease
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	l, err := w.TakeLease(r.Context(), r.PathValue("id"), account.Lease{Application: body.Application, Reason: body.Reason, TTLSeconds: body.TTLSeconds})
	return http.StatusCreated, l, err
}

func (a *api) renewLease(r *http.Request) (int, any, error) {
	var body newLease
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	l, err := w.RenewLease(r.Context(), r.PathValue("id"), r.PathValue("lease"), body.TTLSeconds)
	return http.StatusOK, l, err
}

func (a *api) releaseLease(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.ReleaseLease(r.Context(), r.PathValue("id"), r.PathValue("lease"))
}

func (a *api) showTrial(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	t, err := w.Trial(r.Context(), r.PathValue("id"))
	return http.StatusOK, t, err
}

// putTrial grants a trial: {grantedOn, expiresOn}, in milliseconds since 1970.
func (a *api) putTrial(r *http.Request) (int, any, error) {
	var body newTrial
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	t, err := w.PutTrial(r.Context(), r.PathValue("id"), body.GrantedOn, body.ExpiresOn)
	return http.StatusOK, t, err
}

// How many accounts the matrix has, unless told otherwise, and at most.
const (
	defaultRows = 100
	maxRows     = 1000
)

// authorization tells whether somebody may do something and why: ?user= and ?permission=. Without
// permission it is all of theirs, without user the matrix, ?count= accounts from ?startIndex= on.
func (a *api) authorization(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	q := r.URL.Query()
	if user := q.Get("user"); user != "" {
		answers, err := w.Why(r.Context(), user, scim.Permission(q.Get("permission")))
		if err == nil && q.Get("permission") != "" {
			return http.StatusOK, answers[0], nil
		}
		return answerList("permissions", answers, err)
	}
	start, err1 := pageNumber(q.Get("startIndex"), 1)
	count, err2 := pageNumber(q.Get("count"), defaultRows)
	if err1 != nil || err2 != nil || start < 1 || count < 0 || count > maxRows {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "startIndex is 1 or more, count between 0 and %d", maxRows)
	}
	m, err := w.Matrix(r.Context(), start, count)
	return http.StatusOK, m, err
}

func pageNumber(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	return strconv.Atoi(text)
}

// changeUser is a call that changes the account that the path names, and answers with it.
func (a *api) changeUser(change func(*account.Workspace, context.Context, string) (*scim.Stored, error)) handler {
	return func(r *http.Request) (int, any, error) {
		w, err := a.workspace(r, "")
		if err != nil {
			return 0, nil, err
		}
		s, err := change(w, r.Context(), r.PathValue("id"))
		return a.shown(r, http.StatusOK, s, err)
	}
}

func (a *api) eraseUser(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	ctx, done := a.detach(r.Context()) // who goes away does not break it off
	defer done()
	return http.StatusNoContent, nil, w.Erase(ctx, r.PathValue("id"))
}
