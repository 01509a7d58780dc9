package api

import (
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

func (a *api) secretRoutes() []route {
	where, mine := []param{inWorkspace}, needs(account.SelfUpdate)
	read, write := needs(account.SecretsRead), needs(account.SecretsWrite)
	const secret, connection, plugin = "/users/{id}/secrets/{name}", "/users/{id}/credentials/connections/{connection}", "/users/{id}/credentials/plugins/{plugin}/{paramset}/{preset}/{param}"
	return []route{
		{method: "GET", path: "/users/{id}/secrets", call: a.listSecrets, needs: read, or: needs(account.SecretsWrite, account.SelfRead), query: where, status: 200, out: listed[account.SecretInfo]{"secrets"},
			about: "List the names of somebody's secrets: one's own, or by secrets:read or secrets:write."},
		{method: "GET", path: secret, call: a.readSecret, needs: read, or: own, query: where, status: 200, out: secretValue{},
			about: "Read a secret back: one's own, or anybody's as a token with secrets:read."},
		{method: "PUT", path: secret, call: a.putSecret, needs: write, or: mine, query: where, in: secretValue{}, status: 204,
			about: "Keep a secret, encrypted."},
		{method: "DELETE", path: secret, call: a.deleteSecret, needs: write, or: mine, query: where, status: 204,
			about: "Forget a secret."},
		{method: "POST", path: "/secrets/rotate", call: a.rotateSecrets, needs: needs(account.WorkspacesManage, account.SecretsWrite), status: 200, out: account.Rotated{}, fails: fails(scim.ErrLocked),
			about: "Make a new key, and encrypt every secret of every workspace anew."},
		{method: "GET", path: "/credentials", call: a.listCredentials, needs: needs(account.CredentialsList), query: where, status: 200, out: listed[account.CredentialInfo]{"credentials"},
			about: "List everybody's credentials, without their secrets."},
		{method: "PUT", path: connection, call: a.putCredential("connection"), needs: write, or: mine, query: where, in: newCredential{}, status: 204,
			about: "Keep somebody's credential for a connection."},
		{method: "DELETE", path: connection, call: a.deleteCredential("connection"), needs: write, or: mine, query: where, status: 204,
			about: "Forget somebody's credential for a connection."},
		{method: "PUT", path: plugin, call: a.putCredential("plugin", "paramset", "preset", "param"), needs: write, or: mine, query: where, in: newCredential{}, status: 204,
			about: "Keep somebody's credential for a parameter of a plugin's preset."},
		{method: "DELETE", path: plugin, call: a.deleteCredential("plugin", "paramset", "preset", "param"), needs: write, or: mine, query: where, status: 204,
			about: "Forget somebody's credential for a parameter of a plugin's preset."},
	}
}

// secretValue is a secret in the clear.
type secretValue struct {
	Value string `json:"value" api:"required"`
}

// newCredential is the body of a PUT of a credential.
type newCredential struct {
	account.Credential
	Secret string `json:"secret" api:"required"`
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
	return answerList("secrets", list, err)
}

func (a *api) readSecret(r *http.Request) (int, any, error) {
	w, id, err := a.owner(r)
	if err != nil {
		return 0, nil, err
	}
	value, err := w.Secret(r.Context(), id, r.PathValue("name"))
	return http.StatusOK, secretValue{value}, err
}

func (a *api) putSecret(r *http.Request) (int, any, error) {
	var body secretValue
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
	return answerList("credentials", list, err)
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
		var body newCredential
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
