package console

import (
	"encoding/json"
	"strings"

	"rollcall/account"
	"rollcall/scim"
)

// settingsPage is how a workspace is set, and what else is one's to see of it.
type settingsPage struct {
	Workspace  string
	Workspaces []account.WorkspaceInfo
	Settings   string // as JSON
	Patch      string // what somebody wanted to change
	Tokens     []account.Token
}

func showSettings(x *exchange) error { return x.showSettings("", nil) }

// showSettings shows the page, with what went wrong with a patch.
func (x *exchange) showSettings(patch string, wrong error) error {
	ctx := x.r.Context()
	w, err := x.workspace()
	if err != nil {
		return err
	}
	p := settingsPage{Workspace: x.actor.Workspace, Patch: patch}
	s, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	p.Settings = string(text)
	if p.Workspaces, err = x.Accounts.Workspaces(ctx); err != nil {
		return err
	}
	if x.actor.Can(account.TokensManage) {
		if p.Tokens, err = x.Accounts.Tokens(ctx); err != nil {
			return err
		}
	}
	if wrong != nil {
		return x.again("settings", "Settings", p, wrong)
	}
	return x.page("settings", "Settings", p)
}

// patchSettings changes settings by a merge patch (RFC 7396).
func patchSettings(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	text := x.form("patch")
	var patch map[string]any
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&patch); err != nil {
		return x.showSettings(text, scim.Errorf(scim.ErrInvalidSyntax, `this is no JSON object, such as {"allowGuestSignup": true}`))
	}
	if _, err := w.PatchSettings(x.r.Context(), patch); err != nil {
		return x.showSettings(text, err)
	}
	return x.done("settings", "saved")
}

func revokeToken(x *exchange) error {
	if err := x.Accounts.RevokeToken(x.r.Context(), x.r.PathValue("id")); err != nil {
		return err
	}
	return x.done("settings", "revoked")
}
