package api

import (
	"net/http"

	"rollcall/account"
	"rollcall/internal/recorder"
	"rollcall/scim"
)

const (
	defaultRequests = 50
	maxRequests     = 1000
)

// requestRoutes are the calls about what clients sent lately.
func (a *api) requestRoutes() []route {
	return []route{{method: "GET", path: "/requests", call: a.listRequests, needs: needs(account.AuditRead), status: 200, out: listed[recorder.Exchange]{"requests"},
		query: []param{inWorkspace, {"client", "Of this client alone.", ""}, {"failed", "Only those with a status of 400 and more.", false}, {"contains", "A text in the URL, the body or the answer.", ""}, limitParam("How many, at most 1000.")},
		about: "List the SCIM requests that this replica answered lately, without secrets, newest first."}}
}

func (a *api) listRequests(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	limit, err := number(q.Get("limit"), "limit", defaultRequests)
	if err != nil || limit < 1 || limit > maxRequests {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "limit is a number from 1 to %d", maxRequests)
	}
	failed := q.Get("failed")
	if failed != "" && failed != "true" && failed != "false" {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "failed is true or false")
	}
	workspace := workspaceIn(r)
	if _, err := a.workspace(r, workspace); err != nil {
		return 0, nil, err
	}
	// What somebody sent who did not sign in belongs to no workspace: it is for those who enter all.
	strangers := scim.ActorFrom(r.Context()).Can(account.WorkspacesManage)
	list := a.Requests.List(recorder.Query{Workspace: workspace, Strangers: strangers, Client: q.Get("client"), Failed: failed == "true", Contains: q.Get("contains"), Limit: int(limit)})
	return answerList("requests", list, nil)
}
