package api

import (
	"net/http"

	"rollcall/account"
	"rollcall/internal/audit"
)

func (a *api) auditRoutes() []route {
	if a.Audit == nil {
		return nil
	}
	read := needs(account.AuditRead)
	return []route{
		{method: "GET", path: "/audit", call: a.listAudit, needs: read, long: true, status: 200, out: audit.Page{},
			query: []param{inWorkspace, {"filter", "A SCIM filter over the attributes of a line.", ""}, {"count", "How many lines, at most 1000.", 0}, {"cursor", "The next of the page before.", ""}},
			about: "List who did what, newest first."},
		{method: "GET", path: "/audit/verify", call: a.verifyAudit, needs: read, long: true, status: 200, out: audit.Report{},
			query: []param{inWorkspace, {"from", "The first block to look at, instead of the oldest.", 0}},
			about: "Check that nobody has tampered with the audit."},
		{method: "POST", path: "/audit/rotate", call: a.rotateAudit, needs: needs(account.WorkspacesManage), status: 200, out: auditKey{},
			about: "Make a new key to seal the audit with."},
	}
}

// audited is the workspace whose audit a call is about; account.SystemAudit has what belongs to none.
func (a *api) audited(r *http.Request) (string, error) {
	name := workspaceIn(r)
	if name == account.SystemAudit {
		return name, nil
	}
	_, err := a.Accounts.Workspace(r.Context(), name)
	return name, err
}

// listAudit answers a page of the audit, newest first: ?filter=, ?count= and ?cursor=.
func (a *api) listAudit(r *http.Request) (int, any, error) {
	workspace, err := a.audited(r)
	if err != nil {
		return 0, nil, err
	}
	q := audit.Query{Cursor: r.FormValue("cursor")}
	if q.Count, err = bounded(r, "count", defaultChanges, maxChanges); err != nil {
		return 0, nil, err
	}
	if text := r.FormValue("filter"); text != "" {
		if q.Filter, err = a.FilterLimits.Parse(text); err != nil {
			return 0, nil, badFilter(err)
		}
	}
	page, err := a.Audit.List(r.Context(), workspace, q)
	return http.StatusOK, page, badFilter(err)
}

// verifyAudit answers what is wrong with the audit, from block ?from= on.
func (a *api) verifyAudit(r *http.Request) (int, any, error) {
	workspace, err := a.audited(r)
	if err != nil {
		return 0, nil, err
	}
	from, err := number(r.FormValue("from"), "from", 0)
	if err != nil {
		return 0, nil, err
	}
	report, err := a.Audit.Verify(r.Context(), workspace, from)
	return http.StatusOK, report, err
}

// auditKey is the id of a key.
type auditKey struct {
	Key string `json:"key"`
}

// rotateAudit makes a new key, which the audit of every workspace is sealed with from now on.
func (a *api) rotateAudit(r *http.Request) (int, any, error) {
	if err := a.Accounts.Note(r.Context(), account.SystemAudit, account.AuditEvent{Type: "audit.rotated"}); err != nil {
		return 0, nil, err
	}
	key, err := a.Audit.Keys.Add(a.Audit.Now())
	return http.StatusOK, auditKey{key}, err
}
