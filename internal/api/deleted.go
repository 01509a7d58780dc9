package api

import (
	"errors"
	"net/http"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// deletedResource is a resource that was deleted, on the wire.
type deletedResource struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	DeletedAt  time.Time      `json:"deletedAt"`
	Version    scim.Version   `json:"version"` // of the deletion
	ExternalID string         `json:"externalId,omitempty"`
	Owner      string         `json:"owner,omitempty"`
	Attributes map[string]any `json:"attributes"`
	Groups     []ref          `json:"groups,omitempty"`  // that it was a member of
	Members    int            `json:"members,omitempty"` // that it had
}

func (a *api) deletedRoutes() []route {
	const one = "/deleted/{type}/{id}"
	return []route{
		{method: "GET", path: "/deleted", call: a.listDeleted, needs: needs(account.UsersList), or: needs(account.GroupsRead), query: []param{inWorkspace, ofType, {"after", "The id behind which to go on.", ""}, limitParam("How many, at most 1000.")}, status: 200, out: deletedPage{},
			about: "List what was deleted and can be restored, of one type."},
		{method: "POST", path: one + "/restore", call: a.restoreDeleted, needs: needs(account.UsersCreate), or: needs(account.GroupsCreate), query: []param{inWorkspace}, status: 200, out: restored{}, fails: fails(scim.ErrUniqueness, scim.ErrInvalidValue, scim.ErrLastAdministrator),
			about: "Restore what was deleted, with the id and the memberships that it had."},
		{method: "DELETE", path: one, call: a.purgeDeleted, needs: needs(account.UsersDelete), or: needs(account.GroupsDelete), query: []param{inWorkspace}, status: 204,
			about: "Forget what was deleted."},
	}
}

// deletedPage is a page of what was deleted.
type deletedPage struct {
	Deleted []deletedResource `json:"deleted"`
	Next    string            `json:"next,omitempty"` // for after; left out on the last page
}

// restored is what came back.
type restored struct {
	Type    string       `json:"type"`
	ID      string       `json:"id"`
	Version scim.Version `json:"version"`
	Members int          `json:"members"` // that it has again
	Missing int          `json:"missing"` // members that are no more
}

var errPage = errors.New("the page is full")

func (a *api) listDeleted(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	limit, err := number(q.Get("limit"), "limit", defaultChanges)
	if err != nil || limit < 1 || limit > maxChanges {
		return 0, nil, scim.Errorf(scim.ErrInvalidValue, "limit is a number from 1 to %d", maxChanges)
	}
	typ := q.Get("type")
	if typ == "" {
		typ = "User"
	}
	w, err := a.Accounts.Workspace(r.Context(), workspaceIn(r))
	if err != nil {
		return 0, nil, err
	}
	page := deletedPage{Deleted: []deletedResource{}}
	err = w.Deleted(r.Context(), typ, q.Get("after"), func(d *scim.Deleted) error {
		if len(page.Deleted) == int(limit) {
			page.Next = page.Deleted[limit-1].ID
			return errPage
		}
		res := deletedResource{
			Type: typ, ID: d.Resource.ID, DeletedAt: d.Time, Version: d.Version, ExternalID: d.Resource.ExternalID,
			Owner: d.Resource.Owner, Attributes: d.Resource.Attributes, Members: d.Members,
		}
		for _, g := range d.Groups {
			res.Groups = append(res.Groups, ref(g))
		}
		page.Deleted = append(page.Deleted, res)
		return nil
	})
	if err != nil && !errors.Is(err, errPage) {
		return 0, nil, err
	}
	return http.StatusOK, page, nil
}

func (a *api) restoreDeleted(r *http.Request) (int, any, error) {
	w, err := a.Accounts.Workspace(r.Context(), workspaceIn(r))
	if err != nil {
		return 0, nil, err
	}
	done, err := w.Restore(r.Context(), scim.Ref{Type: r.PathValue("type"), ID: r.PathValue("id")})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, restored{done.Stored.Type, done.Stored.ID, done.Stored.Version, done.Added, len(done.Dropped)}, nil
}

func (a *api) purgeDeleted(r *http.Request) (int, any, error) {
	w, err := a.Accounts.Workspace(r.Context(), workspaceIn(r))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.Purge(r.Context(), scim.Ref{Type: r.PathValue("type"), ID: r.PathValue("id")})
}
