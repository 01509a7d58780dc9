package api

import (
	"errors"
	"net/http"
	"strings"

	"rollcall/account"
	"rollcall/scim"
)

// storeRoutes are the calls about what is kept, and how.
func (a *api) storeRoutes() []route {
	var list []route
	if a.Explain != nil {
		list = append(list, route{method: "GET", path: "/explain", call: a.explain, needs: needs(account.UsersList), or: needs(account.GroupsRead), status: 200, out: explained{}, fails: fails(scim.ErrNotFound),
			query: []param{inWorkspace, ofType, {"filter", "A filter of SCIM.", ""}, {"sortBy", "An attribute.", ""}, {"sortOrder", "ascending or descending.", ""}},
			about: "Tell how a list would be answered, and how many it would find."})
	}
	if a.Backup != nil {
		list = append(list, route{method: "GET", path: "/backup", call: a.backup, needs: needs(account.WorkspacesManage), long: true, status: 200, media: "application/octet-stream",
			about: "Write everything that is kept, of every workspace: for the bootstrap token alone."})
	}
	return list
}

// explained is how a list would be answered.
type explained struct {
	Total int `json:"total"`
	Plans any `json:"plans"`
}

// explain tells how the store answers a list: ?type= (User unless told otherwise), ?filter=,
// ?sortBy= and ?sortOrder=. Whoever may list the type may ask; total is what a list would say.
func (a *api) explain(r *http.Request) (int, any, error) {
	ctx, params, name := r.Context(), r.URL.Query(), workspaceIn(r)
	workspace, err := a.Accounts.Workspace(ctx, name)
	if err != nil {
		return 0, nil, err
	}
	q := &scim.Query{Types: []string{"User"}, Descending: strings.EqualFold(params.Get("sortOrder"), "descending")}
	if typ := params.Get("type"); typ != "" {
		q.Types[0] = typ
	}
	if text := params.Get("filter"); text != "" {
		if q.Filter, err = a.FilterLimits.Parse(text); err != nil {
			return 0, nil, badFilter(err)
		}
	}
	page, err := workspace.Query(ctx, q) // with Count 0: the right to list, and the total
	if err != nil {
		return 0, nil, badFilter(err)
	}
	plans, err := a.Explain(ctx, name, q, params.Get("sortBy"))
	if err != nil {
		return 0, nil, badFilter(err)
	}
	return http.StatusOK, explained{page.Total, plans}, nil
}

// badFilter says of SCIM's errors what this API calls them.
func badFilter(err error) error {
	var e *scim.Error
	switch {
	case !errors.As(err, &e):
	case errors.Is(err, scim.ErrInvalidFilter), errors.Is(err, scim.ErrInvalidPath):
		return scim.Errorf(scim.ErrInvalidValue, "%s", e.Detail)
	case errors.Is(err, scim.ErrSensitive):
		return scim.Errorf(scim.ErrForbidden, "%s", e.Detail)
	}
	return err
}
