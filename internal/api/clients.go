package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) listClients(r *http.Request) (int, any, error) {
	list, err := a.Accounts.Clients(r.Context())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"clients": list}, nil
}

func (a *api) pauseClient(r *http.Request) (int, any, error) {
	return a.changeClient(r, a.Accounts.PauseClient)
}

func (a *api) resumeClient(r *http.Request) (int, any, error) {
	return a.changeClient(r, a.Accounts.ResumeClient)
}

// changeClient calls a change of the client that the path names, in the workspace of the query.
func (a *api) changeClient(r *http.Request, change func(context.Context, string, string) (account.ClientInfo, error)) (int, any, error) {
	workspace := r.URL.Query().Get("workspace")
	if own := scim.ActorFrom(r.Context()).Workspace; own != "" && workspace != "" && workspace != own {
		return 0, nil, scim.Errorf(scim.ErrNotFound, "workspace %q does not exist", workspace)
	}
	info, err := change(r.Context(), workspace, r.PathValue("name"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, info, nil
}

// readOptionalJSON reads a body as readJSON does; none at all leaves v as it is.
func readOptionalJSON(r *http.Request, v any) error {
	var first [1]byte
	n, err := io.ReadFull(r.Body, first[:])
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(first[:n]), r.Body))
	return readJSON(r, v)
}
