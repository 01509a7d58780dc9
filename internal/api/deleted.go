package api

import (
	"errors"
	"net/http"
	"time"

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

func (a *api) deletedRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v1/deleted":                      a.listDeleted,
		"POST /api/v1/deleted/{type}/{id}/restore": a.restoreDeleted,
		"DELETE /api/v1/deleted/{type}/{id}":       a.purgeDeleted,
	}
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
	list, next := []deletedResource{}, ""
	err = w.Deleted(r.Context(), typ, q.Get("after"), func(d *scim.Deleted) error {
		if len(list) == int(limit) {
			next = list[len(list)-1].ID
			return errPage
		}
		res := deletedResource{
			Type: typ, ID: d.Resource.ID, DeletedAt: d.Time, Version: d.Version, ExternalID: d.Resource.ExternalID,
			Owner: d.Resource.Owner, Attributes: d.Resource.Attributes, Members: d.Members,
		}
		for _, g := range d.Groups {
			res.Groups = append(res.Groups, ref(g))
		}
		list = append(list, res)
		return nil
	})
	if err != nil && !errors.Is(err, errPage) {
		return 0, nil, err
	}
	answer := map[string]any{"deleted": list}
	if next != "" {
		answer["next"] = next
	}
	return http.StatusOK, answer, nil
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
	return http.StatusOK, map[string]any{
		"type": done.Stored.Type, "id": done.Stored.ID, "version": done.Stored.Version, "members": done.Added, "missing": len(done.Dropped),
	}, nil
}

func (a *api) purgeDeleted(r *http.Request) (int, any, error) {
	w, err := a.Accounts.Workspace(r.Context(), workspaceIn(r))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.Purge(r.Context(), scim.Ref{Type: r.PathValue("type"), ID: r.PathValue("id")})
}
