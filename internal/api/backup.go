package api

import (
	"net/http"

	"rollcall/account"
	"rollcall/scim"
)

// backup answers everything that is kept, to who may do everything everywhere.
func (a *api) backup(r *http.Request) (int, any, error) {
	if actor := scim.ActorFrom(r.Context()); actor.Workspace != "" || !actor.All {
		return 0, nil, scim.Errorf(scim.ErrForbidden, "a backup holds every workspace: it takes the bootstrap token")
	}
	if err := a.Accounts.Note(r.Context(), account.SystemAudit, account.AuditEvent{Type: "backup.taken"}); err != nil {
		return 0, nil, err
	}
	return 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.Backup(r.Context(), w); err != nil {
			a.fail(w, r, err)
		}
	}), nil
}
