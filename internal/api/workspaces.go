package api

import (
	"mime"
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) workspaceRoutes() []route {
	const member = "/workspaces/{workspace}/members/{id}"
	where, changing := []param{inWorkspace}, fails(scim.ErrUniqueness, scim.ErrVersionMismatch, scim.ErrLastAdministrator, scim.ErrMutability, scim.ErrInvalidValue)
	return []route{
		{method: "GET", path: "/workspaces", call: a.listWorkspaces, needs: needs(account.SettingsRead), status: 200, out: listed[account.WorkspaceInfo]{"workspaces"},
			about: "List the workspaces that the caller may enter."},
		{method: "POST", path: "/workspaces", call: a.createWorkspace, needs: needs(account.WorkspacesManage), in: newWorkspace{}, status: 201, out: account.WorkspaceInfo{}, fails: fails(scim.ErrUniqueness),
			about: "Make a workspace with the roles, settings and groups of a preset."},
		{method: "PUT", path: member, call: a.addMember, needs: needs(account.UsersCreate), in: newMember{}, optional: true, status: 200, out: user{}, fails: changing,
			about: "Give a person of another workspace an account in this one, with the same id."},
		{method: "DELETE", path: member, call: a.removeMember, needs: needs(account.UsersDelete), status: 200, out: user{}, fails: append(fails(scim.ErrLeased), changing...),
			about: "Take a person's account in this workspace away. What they have in others stays."},
		{method: "GET", path: "/settings", call: a.showSettings, needs: needs(account.SettingsRead), query: where, status: 200, out: account.Settings{},
			about: "Show a workspace's settings."},
		{method: "PATCH", path: "/settings", call: a.patchSettings, needs: needs(account.SettingsManage), query: where, in: patchOf[account.Settings]{}, status: 200, out: account.Settings{}, fails: changing,
			about: "Change a workspace's settings by a merge patch (RFC 7396)."},
	}
}

type newWorkspace struct {
	Name   string `json:"name" api:"required"`
	Preset string `json:"preset"`
}

type newMember struct {
	Role string `json:"role"` // the default one where it is left out
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
	return answerList("workspaces", list, err)
}

func (a *api) createWorkspace(r *http.Request) (int, any, error) {
	var body newWorkspace
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	made, err := a.Accounts.CreateWorkspace(r.Context(), body.Name, body.Preset)
	return http.StatusCreated, made, err
}

// addMember gives a person of another workspace an account in this one.
func (a *api) addMember(r *http.Request) (int, any, error) {
	var body newMember
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
