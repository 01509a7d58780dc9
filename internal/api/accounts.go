package api

import (
	"context"
	"net/http"
	"strconv"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) accountRoutes() map[string]handler {
	return map[string]handler{
		"POST /api/v1/users":                       a.createUser,
		"PUT /api/v1/users/{id}/groups":            a.setGroups,
		"POST /api/v1/users/{id}/deactivate":       a.changeUser((*account.Workspace).Deactivate),
		"POST /api/v1/users/{id}/activate":         a.changeUser((*account.Workspace).Activate),
		"POST /api/v1/activate":                    a.activateNamed,
		"GET /api/v1/users/{id}/leases":            a.listLeases,
		"POST /api/v1/users/{id}/leases":           a.takeLease,
		"PUT /api/v1/users/{id}/leases/{lease}":    a.renewLease,
		"DELETE /api/v1/users/{id}/leases/{lease}": a.releaseLease,
		"GET /api/v1/users/{id}/trial":             a.showTrial,
		"PUT /api/v1/users/{id}/trial":             a.putTrial,
		"GET /api/v1/authorization":                a.authorization,
	}
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
	var body struct {
		User   map[string]any `json:"user"`
		ID     string         `json:"id"`
		Groups []string       `json:"groups"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.CreateAccount(r.Context(), account.NewAccount{User: body.User, ID: body.ID, Groups: body.Groups})
	return a.shown(r, http.StatusCreated, s, err)
}

func (a *api) setGroups(r *http.Request) (int, any, error) {
	var body struct {
		Groups []string `json:"groups"`
	}
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
	var body struct {
		UserName string `json:"userName"`
	}
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
	return http.StatusOK, map[string]any{"leases": list}, err
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
	var body struct {
		GrantedOn int64 `json:"grantedOn"`
		ExpiresOn int64 `json:"expiresOn"`
	}
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
		if err != nil {
			return 0, nil, err
		}
		if q.Get("permission") != "" {
			return http.StatusOK, answers[0], nil
		}
		return http.StatusOK, map[string]any{"permissions": answers}, nil
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
