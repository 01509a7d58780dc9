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

func (a *api) clientRoutes() []route {
	manage, where := needs(account.TokensManage), []param{inWorkspace}
	return []route{
		{method: "GET", path: "/clients", call: a.listClients, needs: manage, status: 200, out: listed[account.ClientInfo]{"clients"},
			about: "List the clients that the configuration or a token names."},
		{method: "POST", path: "/clients/{name}/pause", call: a.pauseClient, needs: manage, query: where, status: 200, out: account.ClientInfo{}, fails: fails(scim.ErrInvalidValue),
			about: "Answer 503 to every request of a client, on every replica within half a second."},
		{method: "POST", path: "/clients/{name}/resume", call: a.resumeClient, needs: manage, query: where, status: 200, out: account.ClientInfo{}, fails: fails(scim.ErrInvalidValue),
			about: "End a client's pause."},
	}
}

func (a *api) listClients(r *http.Request) (int, any, error) {
	list, err := a.Accounts.Clients(r.Context())
	return answerList("clients", list, err)
}

func (a *api) pauseClient(r *http.Request) (int, any, error) {
	return a.changeClient(r, a.Accounts.PauseClient)
}

func (a *api) resumeClient(r *http.Request) (int, any, error) {
	return a.changeClient(r, a.Accounts.ResumeClient)
}

// changeClient calls a change of the client that the path names, in the workspace of the query.
func (a *api) changeClient(r *http.Request, change func(context.Context, string, string) (account.ClientInfo, error)) (int, any, error) {
	info, err := change(r.Context(), r.URL.Query().Get("workspace"), r.PathValue("name"))
	return http.StatusOK, info, err
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
