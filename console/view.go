package console

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// view is what a template sees.
type view struct {
	Title   string
	Notice  string // what was done
	Problem string // what went wrong
	Data    any

	Root, Base, Version string
	Actor               *scim.Actor
}

// Can tells whether whoever is signed in holds a permission.
func (v view) Can(p string) bool { return v.Actor.Can(scim.Permission(p)) }

// Acting tells whether they act as somebody else.
func (v view) Acting() bool { return v.Actor != nil && v.Actor.By != "" }

var helpers = template.FuncMap{
	"when": func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format("2006-01-02 15:04 UTC")
	},
	"path": url.PathEscape,
	"join": func(list []string) string { return strings.Join(list, ", ") },
}

// notices are what a page may be told to say: nothing that comes with a request is ever shown as it is.
var notices = map[string]string{
	"created": "The account was created.", "saved": "The changes are saved.", "disable": "The account is disabled. Sessions have ended, tokens are suspended.",
	"enable": "The account is enabled.", "deactivate": "The account is deactivated: kept, and shown in no list.", "activate": "The account is active again.",
	"delete": "It was deleted.", "erase": "Everything personal of them is erased.", "role": "The role is set. Sessions and tokens from before have ended.", "groups": "The groups are set.",
	"password": "The password is set. Sessions from before have ended.", "trial": "The trial is set.", "group": "The group was created.",
	"add": "The member was added.", "remove": "The member was removed.", "ended": "The session has ended.", "mailed-invitation": "The invitation was mailed.", "taken-back": "The invitation was taken back.",
	"loggedout": "You are signed out.", "reset": "Your new password is set: sign in with it.", "mailed": "If there is such an account, a link was mailed to it.",
	"registered": "Your account is ready: sign in.", "address": "The e-mail address is confirmed.",
	"revoked": "The token has ended.", "run": "The run is over.", "approve": "The plan was applied.", "reset-mail": "A link for a new password was mailed.",
}

// show renders a page.
func (x *exchange) show(status int, name string, v view) {
	v.Root, v.Base, v.Version, v.Actor = x.root, x.base, x.Version, x.actor
	if v.Notice == "" && v.Problem == "" {
		v.Notice = notices[x.r.URL.Query().Get("done")]
	}
	var text bytes.Buffer
	if err := x.pages[name].Execute(&text, v); err != nil {
		x.logger.Error("a page cannot be rendered", "page", name, "error", err)
		http.Error(x.w, "Something went wrong here. The server's log has what.", http.StatusInternalServerError)
		return
	}
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(text.Bytes())
}

// page renders a page that went well.
func (x *exchange) page(name, title string, data any) error {
	x.show(http.StatusOK, name, view{Title: title, Data: data})
	return nil
}

// again renders a page with what went wrong, which is kept on top of it.
func (x *exchange) again(name, title string, data any, err error) error {
	status, text := x.says(err)
	x.show(status, name, view{Title: title, Data: data, Problem: text})
	return nil
}

// to leads on to a page of the console; after a change, so that going back does not send it again.
func (x *exchange) to(where string) {
	x.w.Header().Set("Location", x.root+where)
	x.w.WriteHeader(http.StatusSeeOther)
}

// done leads to a page that says what was done.
func (x *exchange) done(where, what string) error {
	x.to(where + "?done=" + url.QueryEscape(what))
	return nil
}

// form is a text of the form, without spaces around it.
func (x *exchange) form(name string) string { return strings.TrimSpace(x.r.PostFormValue(name)) }

// lines are the lines of a text of the form.
func (x *exchange) lines(name string) []string {
	list := []string{}
	for line := range strings.Lines(x.r.PostFormValue(name)) {
		if line = strings.TrimSpace(line); line != "" && len(list) < maxUpload {
			list = append(list, line)
		}
	}
	return list
}

// workspace is the one of whoever is signed in.
func (x *exchange) workspace() (*account.Workspace, error) {
	return x.Accounts.Workspace(x.r.Context(), x.actor.Workspace)
}

func start(x *exchange) error { return x.page("start", "Rollcall", nil) }
