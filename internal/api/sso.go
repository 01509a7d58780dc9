package api

import (
	"net/http"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// Browser is what the API knows of the pages for people: where a login by a provider ends in a browser.
type Browser interface {
	// LoggedIn answers somebody who was let in, with a page.
	LoggedIn(w http.ResponseWriter, r *http.Request, in *account.LoggedIn)
	// Refused answers somebody who was not.
	Refused(w http.ResponseWriter, r *http.Request, err error)
}

// ssoRoutes are the way out to a provider and the way back.
func (a *api) ssoRoutes() []route {
	return []route{
		{method: "GET", path: "/login/sso/{provider}", call: a.forPeople(a.beginSSO), open: true, query: []param{{"workspace", "The workspace to log in to; the provider's first where it is left out.", ""}}, status: 302, fails: fails(scim.ErrNotFound, scim.ErrTooManyRequests),
			about: "Begin a login by an OpenID provider, which the answer leads to."},
		{method: "GET", path: "/login/sso/{provider}/callback", call: a.forPeople(a.finishSSO), open: true, query: []param{
			{"state", "What the login was begun with.", ""}, {"code", "What the provider gives for whoever logged in.", ""},
			{"iss", "The provider that answers (RFC 9207).", ""}, {"error", "What went wrong there.", ""},
		}, status: 200, out: session{}, also: 303, fails: fails(scim.ErrUnauthenticated),
			about: "End a login by an OpenID provider. Who accepts text/html is led to the console instead."},
	}
}

// forPeople lets a browser that is refused see a page, and anything else a problem.
func (a *api) forPeople(h handler) handler {
	return func(r *http.Request) (int, any, error) {
		status, body, err := h(r)
		if err == nil || !a.isBrowser(r) {
			return status, body, err
		}
		if p := a.problem(r, err); p.Status >= http.StatusInternalServerError {
			a.logFailure(r, err)
		}
		return 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Browser.Refused(w, r, err) }), nil
	}
}

func (a *api) isBrowser(r *http.Request) bool {
	return a.Browser != nil && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// bindingCookie keeps in a browser what ties a login to it. Over TLS its name keeps other hosts and
// plain HTTP from setting it.
func (a *api) bindingCookie(self string) *http.Cookie {
	c := &http.Cookie{Name: "rollcall-sso", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if strings.HasPrefix(self, "https://") {
		c.Name, c.Secure = "__Host-rollcall-sso", true
	}
	return c
}

func (a *api) baseURL(r *http.Request) (string, error) {
	if a.BaseURL != nil {
		if self, ok := a.BaseURL(r); ok {
			return self, nil
		}
	}
	return "", scim.Errorf(scim.ErrInvalidValue, "the Host header is not valid")
}

func (a *api) beginSSO(r *http.Request) (int, any, error) {
	self, err := a.baseURL(r)
	if err != nil {
		return 0, nil, err
	}
	name := r.PathValue("provider")
	begun, err := a.Accounts.BeginSSO(r.Context(), account.SSO{Provider: name, Workspace: r.FormValue("workspace"),
		Callback: self + "/api/v1/login/sso/" + name + "/callback", Addr: a.addr(r)})
	if err != nil {
		return 0, nil, err
	}
	return 0, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := a.bindingCookie(self)
		c.Value, c.MaxAge = begun.Binding, int(time.Until(begun.Expires).Seconds())
		http.SetCookie(w, c)
		w.Header().Set("Location", begun.URL)
		w.WriteHeader(http.StatusFound)
	}), nil
}

func (a *api) finishSSO(r *http.Request) (int, any, error) {
	self, err := a.baseURL(r)
	if err != nil {
		return 0, nil, err
	}
	kept := a.bindingCookie(self)
	q := r.URL.Query()
	back := account.SSOBack{Provider: r.PathValue("provider"), State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error"), Addr: a.addr(r)}
	if c, err := r.Cookie(kept.Name); err == nil {
		back.Binding = c.Value
	}
	in, err := a.Accounts.FinishSSO(r.Context(), back)
	if err != nil {
		return 0, nil, err
	}
	answer, err := a.session(r, in)
	if err != nil {
		return 0, nil, err
	}
	return 0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept.MaxAge = -1
		http.SetCookie(w, kept)
		if a.isBrowser(r) {
			a.Browser.LoggedIn(w, r, in)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		a.encode(w, answer)
	}), nil
}
