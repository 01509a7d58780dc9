package api

import (
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) secretRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v1/users/{id}/secrets":                                                     a.listSecrets,
		"GET /api/v1/users/{id}/secrets/{name}":                                              a.readSecret,
		"PUT /api/v1/users/{id}/secrets/{name}":                                              a.putSecret,
		"DELETE /api/v1/users/{id}/secrets/{name}":                                           a.deleteSecret,
		"POST /api/v1/secrets/rotate":                                                        a.rotateSecrets,
		"GET /api/v1/credentials":                                                            a.listCredentials,
		"PUT /api/v1/users/{id}/credentials/connections/{connection}":                        a.putCredential("connection"),
		"DELETE /api/v1/users/{id}/credentials/connections/{connection}":                     a.deleteCredential("connection"),
		"PUT /api/v1/users/{id}/credentials/plugins/{plugin}/{paramset}/{preset}/{param}":    a.putCredential("plugin", "paramset", "preset", "param"),
		"DELETE /api/v1/users/{id}/credentials/plugins/{plugin}/{paramset}/{preset}/{param}": a.deleteCredential("plugin", "paramset", "preset", "param"),
	}
}

// owner is the account whose secrets a call is about: the id in the path, or "me".
func (a *api) owner(r *http.Request) (*account.Workspace, string, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return nil, "", err
	}
	id := r.PathValue("id")
	if id == "me" {
		if id = scim.ActorFrom(r.Context()).User.ID; id == "" {
			return nil, "", scim.Errorf(scim.ErrForbidden, "me: the token belongs to no person")
		}
	}
	return w, id, nil
}

func (a *api) listSecrets(r *http.Request) (int, any, error) {
	w, id, err := a.owner(r)
	if err != nil {
		return 0, nil, err
	}
	list, err := w.Secrets(r.Context(), id)
	return http.StatusOK, map[string]any{"secrets": list}, err
}

func (a *api) readSecret(r *http.Request) (int, any, error) {
	w, id, err := a.owner(r)
	if err != nil {
		return 0, nil, err
	}
	value, err := w.Secret(r.Context(), id, r.PathValue("name"))
	return http.StatusOK, map[string]string{"value": value}, err
}

func (a *api) putSecret(r *http.Request) (int, any, error) {
	var body struct {
		Value string `json:"value"`
	}
	if err := readJSON(r, &body); err != nil {
		return 0, nil, err
	}
	w, id, err := a.owner(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.PutSecret(r.Context(), id, r.PathValue("name"), body.Value)
}

func (a *api) deleteSecret(r *http.Request) (int, any, error) {
	w, id, err := a.owner(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, w.DeleteSecret(r.Context(), id, r.PathValue("name"))
}

// rotateSecrets makes a new key and encrypts everything anew.
func (a *api) rotateSecrets(r *http.Request) (int, any, error) {
	done, err := a.Accounts.RotateKeys(r.Context())
	return http.StatusOK, done, err
}

func (a *api) listCredentials(r *http.Request) (int, any, error) {
	w, err := a.workspace(r, "")
	if err != nil {
		return 0, nil, err
	}
	list, err := w.Credentials(r.Context())
	return http.StatusOK, map[string]any{"credentials": list}, err
}

// credentialParts is what a credential is for.
func credentialParts(r *http.Request, names []string) []string {
	parts := []string{"connections"}
	if len(names) > 1 {
		parts[0] = "plugins"
	}
	for _, n := range names {
		parts = append(parts, r.PathValue(n))
	}
	return parts
}

func (a *api) putCredential(names ...string) handler {
	return func(r *http.Request) (int, any, error) {
		var body struct {
			account.Credential
			Secret string `json:"secret"`
		}
		if err := readJSON(r, &body); err != nil {
			return 0, nil, err
		}
		w, id, err := a.owner(r)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusNoContent, nil, w.PutCredential(r.Context(), id, credentialParts(r, names), body.Credential, body.Secret)
	}
}

func (a *api) deleteCredential(names ...string) handler {
	return func(r *http.Request) (int, any, error) {
		w, id, err := a.owner(r)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusNoContent, nil, w.DeleteCredential(r.Context(), id, credentialParts(r, names))
	}
}
