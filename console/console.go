// Package console is the pages under /console/, rendered on the server and readable without
// JavaScript: people, groups, sessions, sources, and what links that were mailed lead to. It holds no
// rules: whoever is signed in acts through account.Directory as they would through the API.
//
// Start with New, which lists every page; session.go is how one gets in, view.go what a page is made of.
package console

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"rollcall/account"
	"rollcall/internal/audit"
	"rollcall/scim"
)

// Config is what the pages show.
type Config struct {
	Accounts *account.Directory
	// BaseURL is the URL that clients reach the server under, for a request; ok is false
	// where the request does not tell.
	BaseURL func(*http.Request) (base string, ok bool)
	// ClientAddr tells where a request comes from; nil where that is not known.
	ClientAddr func(r *http.Request) netip.Addr
	// Sources are the sources of every workspace, by name.
	Sources map[string]Source
	// Audit is the audit of every workspace; nil for no page of it.
	Audit   *audit.Log
	Version string
	// Lifetime ends when the process is told to stop: a run that was asked for ends with it, and not
	// with the request. nil for a process that waits for the request.
	Lifetime context.Context
	Logger   *slog.Logger
}

//go:embed pages style.css
var files embed.FS

// policy lets a page load our style sheet and send its forms to us, and nothing else.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const (
	maxBody   = 1 << 20
	maxUpload = 1000 // lines of a form's text
)

// Console serves the pages under /console/.
type Console struct {
	Config
	logger *slog.Logger
	pages  map[string]*template.Template
	http.Handler
}

// page answers a request, or says what is wrong.
type page func(x *exchange) error

// New serves the console under /console/.
func New(c Config) (*Console, error) {
	con := &Console{Config: c, logger: c.Logger, pages: map[string]*template.Template{}}
	if con.logger == nil {
		con.logger = slog.New(slog.DiscardHandler)
	}
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if base := path.Base(name); base != "layout.html" {
			t, err := template.New("layout.html").Funcs(helpers).ParseFS(files, "pages/layout.html", name)
			if err != nil {
				return nil, err
			}
			con.pages[strings.TrimSuffix(base, ".html")] = t
		}
	}
	mux := http.NewServeMux()
	for pattern, p := range con.openPages() {
		mux.Handle(pattern, con.serve(p, false))
	}
	for pattern, p := range con.ownPages() {
		mux.Handle(pattern, con.serve(p, true))
	}
	mux.HandleFunc("GET /console/style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "style.css")
	})
	mux.Handle("/console/", con.serve(func(*exchange) error { return scim.Errorf(scim.ErrNotFound, "there is no such page") }, false))
	// A form of another site cannot send anything: by what browsers say of a request, and since the
	// cookie is not sent along (SameSite).
	con.Handler = guard(http.NewCrossOriginProtection().Handler(mux))
	return con, nil
}

// openPages are those that nobody needs to be signed in for.
func (c *Console) openPages() map[string]page {
	return map[string]page{
		"GET /console/{$}":         start,
		"GET /console/login":       showLogin,
		"POST /console/login":      logIn,
		"POST /console/guest":      logInGuest,
		"GET /console/invitation":  showInvitation,
		"POST /console/invitation": acceptInvitation,
		"GET /console/reset":       showReset,
		"POST /console/reset":      redeemReset,
		"GET /console/forgot":      showForgot,
		"POST /console/forgot":     forgot,
		"GET /console/verify":      showRegistration,
		"POST /console/verify":     confirmRegistration,
		"GET /console/address":     showAddress,
		"POST /console/address":    verifyAddress,
	}
}

// ownPages are those of somebody who is signed in.
func (c *Console) ownPages() map[string]page {
	return map[string]page{
		"POST /console/logout":                  logOut,
		"GET /console/me":                       showMe,
		"GET /console/password":                 showPassword,
		"POST /console/password":                setPassword,
		"GET /console/people":                   listPeople,
		"GET /console/people/new":               newPerson,
		"POST /console/people":                  createPerson,
		"GET /console/people/{id}":              showPerson,
		"POST /console/people/{id}":             editPerson,
		"POST /console/people/{id}/{action}":    actOnPerson,
		"GET /console/groups":                   listGroups,
		"POST /console/groups":                  createGroup,
		"GET /console/groups/{id}":              showGroup,
		"POST /console/groups/{id}":             editGroup,
		"POST /console/groups/{id}/{action}":    actOnGroup,
		"GET /console/sessions":                 listSessions,
		"POST /console/sessions/{id}/end":       endSession,
		"GET /console/invitations":              listInvitations,
		"POST /console/invitations":             invite,
		"POST /console/invitations/{id}/delete": deleteInvitation,
		"GET /console/permissions":              showMatrix,
		"GET /console/credentials":              listCredentials,
		"GET /console/audit":                    listAudit,
		"GET /console/settings":                 showSettings,
		"POST /console/settings":                patchSettings,
		"POST /console/tokens/{id}/revoke":      revokeToken,
		"GET /console/sync":                     listRuns,
		"POST /console/sync/{source}/run":       runSource,
		"GET /console/sync/runs/{id}":           showRun,
		"POST /console/sync/runs/{id}/approve":  approveRun,
	}
}

// exchange is one request, and who sends it.
type exchange struct {
	*Console
	w     http.ResponseWriter
	r     *http.Request
	base  string      // the URL in front of /console/
	root  string      // its path, and /console/
	actor *scim.Actor // nil for nobody
}

func (c *Console) serve(p page, signedIn bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base, ok := c.BaseURL(r)
		u, err := url.Parse(base)
		if !ok || err != nil {
			http.Error(w, "the Host header is not valid", http.StatusBadRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		x := &exchange{Console: c, w: w, r: r, base: base, root: strings.TrimRight(u.Path, "/") + "/console/"}
		if err := x.signIn(); err != nil {
			x.fail(err)
			return
		}
		if signedIn && x.actor == nil {
			x.to("login")
			return
		}
		if err := p(x); err != nil {
			x.fail(err)
		}
	})
}

// guard sets the headers that every answer of the console bears.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// statuses are those of what can go wrong. The first row that matches counts.
var statuses = []struct {
	kind   error
	status int
}{
	{scim.ErrUnauthenticated, http.StatusUnauthorized}, {scim.ErrForbidden, http.StatusForbidden}, {scim.ErrPasswordExpired, http.StatusForbidden},
	{scim.ErrNotFound, http.StatusNotFound}, {scim.ErrTooLarge, http.StatusRequestEntityTooLarge}, {scim.ErrTooManyRequests, http.StatusTooManyRequests},
	{scim.ErrLocked, http.StatusConflict}, {scim.ErrInUse, http.StatusConflict}, {scim.ErrUniqueness, http.StatusConflict}, {scim.ErrVersionMismatch, http.StatusConflict},
	{scim.ErrLastAdministrator, http.StatusConflict}, {scim.ErrLeased, http.StatusConflict}, {scim.ErrMutability, http.StatusBadRequest},
	{scim.ErrInvalidFilter, http.StatusBadRequest}, {scim.ErrInvalidPath, http.StatusBadRequest}, {scim.ErrInvalidSyntax, http.StatusBadRequest}, {scim.ErrInvalidValue, http.StatusBadRequest},
	{scim.ErrPaused, http.StatusServiceUnavailable}, {scim.ErrUnavailable, http.StatusServiceUnavailable},
}

func statusOf(err error) int {
	for _, row := range statuses {
		if errors.Is(err, row.kind) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}

// says is an error's status and what the reader may know of it. What is not for them is logged.
func (x *exchange) says(err error) (status int, text string) {
	if status := statusOf(err); status != http.StatusInternalServerError {
		var e *scim.Error
		if errors.As(err, &e) {
			return status, e.Detail
		}
		return status, http.StatusText(status)
	}
	x.logger.LogAttrs(x.r.Context(), slog.LevelError, "console request failed", slog.Any("error", err))
	return http.StatusInternalServerError, "Something went wrong here. The server's log has what."
}

// fail shows an error as a page.
func (x *exchange) fail(err error) {
	status, text := x.says(err)
	x.show(status, "error", view{Title: http.StatusText(status), Problem: text})
}
