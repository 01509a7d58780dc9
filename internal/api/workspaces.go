package api

import (
	"mime"
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) workspaceRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v1/workspaces":                             a.listWorkspaces,
		"POST /api/v1/workspaces":                            a.createWorkspace,
		"PUT /api/v1/workspaces/{workspace}/members/{id}":    a.addMember,
		"DELETE /api/v1/workspaces/{workspace}/members/{id}": a.removeMember,
		"GET /api/v1/settings":                               a.showSettings,
		"PATCH /api/v1/settings":                             a.patchSettings,
	}
}

// workspace opens the workspace of a call: the one that it names, or else the token's. One that the
// actor may not enter is not told from one that does not exist.
func (a *api) workspace(r *http.Request, name string) (*account.Workspace, error) {
	if name == "" {
		name = workspaceIn(r)
	}
	if !scim.ActorFrom(r.Context()).In(name) {
		return nil, noWorkspace(name)
	}
	return a.Accounts.Workspace(r.Context(), name)
}

func noWorkspace(name string) error {
	return scim.Errorf(scim.ErrNotFound, "there is no workspace %q", name)
}

func (a *api) listWorkspaces(r *http.Request) (int, any, error) {
	list, err := a.Accounts.Workspaces(r.Context())
	return http.StatusOK, map[string]any{"workspaces": list}, err
}

func (a *api) createWorkspace(r *http.Request) (int, any, error) {
	var body struct {
		Name   string `json:"name"`
		Preset string `json:"preset"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	made, err := a.Accounts.CreateWorkspace(r.Context(), body.Name, body.Preset)
	return http.StatusCreated, made, err
}

// addMember gives a person of another workspace an account in this one.
func (a *api) addMember(r *http.Request) (int, any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := readOptionalJSON(r, &body); err != nil {
		return 0, nil, err
	}
	return a.changeMember(r, func(w *account.Workspace) (*scim.Stored, error) {
		return w.AddMember(r.Context(), r.PathValue("id"), body.Role)
	})
}

func (a *api) removeMember(r *http.Request) (int, any, error) {
	return a.changeMember(r, func(w *account.Workspace) (*scim.Stored, error) {
		return w.RemoveMember(r.Context(), r.PathValue("id"))
	})
}

func (a *api) changeMember(r *http.Request, change func(*account.Workspace) (*scim.Stored, error)) (int, any, error) {
	name := r.PathValue("workspace")
	w, err := a.workspace(r, name)
	if err != nil {
		return 0, nil, err
	}
	s, err := change(w)
	if err != nil {
		return 0, nil, err
	}
	body, err := a.userBody(r, name, s)
	return http.StatusOK, body, err
}

func (a *api) showSettings(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.Settings(r.Context())
	return http.StatusOK, s, err
}

// patchSettings is a merge patch (RFC 7396).
func (a *api) patchSettings(r *http.Request) (int, any, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Header.Get("Content-Type") != "" &&
		(err != nil || media != "application/merge-patch+json" && media != "application/json" && media != "application/scim+json") {
		return 0, nil, scim.Errorf(scim.ErrInvalidSyntax, "the body must be application/merge-patch+json or application/json")
	}
	var patch map[string]any
	if err := readJSON(r, &patch); err != nil {
		return 0, nil, err
	}
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	s, err := w.PatchSettings(r.Context(), patch)
	return http.StatusOK, s, err
}
