package console

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// cookie is the session's, or of who acts as somebody else their own. Over TLS its name keeps other
// hosts and plain HTTP from setting it. Lax and not Strict, so that a way back from a provider and a link
// in a mail find it.
func cookie(base, name string) *http.Cookie {
	c := &http.Cookie{Name: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if strings.HasPrefix(base, "https://") {
		c.Name, c.Secure = "__Host-"+name, true
	}
	return c
}

const (
	sessionCookie = "rollcall"
	ownCookie     = "rollcall-own" // the session that somebody has beside the one that they act in
)

func (x *exchange) cookie(name string) string {
	c, err := x.r.Cookie(cookie(x.base, name).Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// keep sets a cookie, or with "" takes it back.
func (x *exchange) keep(name, value string, until time.Time) {
	c := cookie(x.base, name)
	c.Value, c.MaxAge = value, max(int(time.Until(until).Seconds()), 1)
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(x.w, c)
}

func (x *exchange) addr() netip.Addr {
	if x.ClientAddr == nil {
		return netip.Addr{}
	}
	return x.ClientAddr(x.r)
}

// signIn tells who sends the request: by the cookie alone, and by a session alone. A session that has
// ended is nobody's.
func (x *exchange) signIn() error {
	token := x.cookie(sessionCookie)
	if token == "" {
		return nil
	}
	actor, err := x.Accounts.SignIn(x.r.Context(), scim.Credential{Scheme: scim.SchemeBearer, Value: token, Addr: x.addr()})
	if errors.Is(err, scim.ErrUnauthenticated) || err == nil && actor.Session == "" {
		x.keep(sessionCookie, "", time.Time{})
		return nil
	}
	if err != nil {
		return err
	}
	own := *actor // others share it
	own.RequestID = scim.NewID()
	x.actor = &own
	x.r = x.r.WithContext(scim.WithActor(x.r.Context(), &own))
	return nil
}

// login is what the page for signing in shows.
type login struct {
	Workspace, UserName string
	Providers           []account.ProviderInfo
}

func (x *exchange) login(workspace, userName string) login {
	return login{workspace, userName, x.Accounts.Providers(workspace)}
}

func showLogin(x *exchange) error {
	return x.page("login", "Sign in", x.login(x.r.URL.Query().Get("workspace"), ""))
}

func logIn(x *exchange) error {
	workspace, name := x.form("workspace"), x.form("userName")
	in, err := x.Accounts.LogIn(x.r.Context(), account.Login{Workspace: workspace, UserName: name, Password: x.r.PostFormValue("password"), Addr: x.addr()})
	if err != nil {
		return x.again("login", "Sign in", x.login(workspace, name), err)
	}
	x.enter(in)
	return nil
}

func logInGuest(x *exchange) error {
	workspace := x.form("workspace")
	in, err := x.Accounts.LogInGuest(x.r.Context(), workspace, x.addr())
	if err != nil {
		return x.again("login", "Sign in", x.login(workspace, ""), err)
	}
	x.enter(in)
	return nil
}

// enter keeps a new session in the browser, and leads to where its holder begins.
func (x *exchange) enter(in *account.LoggedIn) {
	x.keep(sessionCookie, in.Token, in.ExpiresAt)
	x.keep(ownCookie, "", time.Time{})
	switch {
	case in.PasswordExpired:
		x.to("password")
	case in.User == nil:
		x.to("")
	default:
		x.to("me")
	}
}

// logOut ends the session. Who acts as somebody else is themselves again.
func logOut(x *exchange) error {
	if err := x.Accounts.Logout(x.r.Context()); err != nil {
		return err
	}
	own := x.cookie(ownCookie)
	x.keep(sessionCookie, own, time.Now().Add(24*time.Hour)) // the session itself knows when it ends
	x.keep(ownCookie, "", time.Time{})
	if own != "" {
		x.to("people")
		return nil
	}
	return x.done("login", "loggedout")
}

// LoggedIn keeps the session of somebody whom a provider has sent back.
func (c *Console) LoggedIn(w http.ResponseWriter, r *http.Request, in *account.LoggedIn) {
	c.outside(w, r, func(x *exchange) { x.enter(in) })
}

// Refused shows somebody who logs in by a provider why that did not go well.
func (c *Console) Refused(w http.ResponseWriter, r *http.Request, err error) {
	c.outside(w, r, func(x *exchange) { _ = x.again("login", "Sign in", x.login("", ""), err) })
}

// outside answers a request that is not to the console.
func (c *Console) outside(w http.ResponseWriter, r *http.Request, answer func(x *exchange)) {
	guard(c.serve(func(x *exchange) error {
		x.actor = nil
		answer(x)
		return nil
	}, false)).ServeHTTP(w, r)
}

// showMe leads to one's own account.
func showMe(x *exchange) error {
	switch {
	case x.actor.Kind == "expired":
		x.to("password")
	case x.actor.User.ID == "":
		x.to("")
	default:
		x.to("people/" + x.actor.User.ID)
	}
	return nil
}

func showPassword(x *exchange) error {
	return x.page("password", "Your password", x.actor.Kind == "expired")
}

func setPassword(x *exchange) error {
	fresh, err := x.twice()
	if err == nil {
		err = x.Accounts.SetOwnPassword(x.r.Context(), x.r.PostFormValue("current"), fresh, x.addr())
	}
	if err != nil {
		return x.again("password", "Your password", x.actor.Kind == "expired", err)
	}
	x.keep(sessionCookie, "", time.Time{}) // it has ended with the old password
	return x.done("login", "reset")
}
