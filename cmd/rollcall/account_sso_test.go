package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// ssoSettings are settings with both of the providers.
func ssoSettings(o *testserver.OIDC) string {
	text := "sso:\n"
	for i, issuer := range o.Issuers {
		text += fmt.Sprintf("  p%d: {issuer: %q, client_id: %s, client_secret: %q, label: Provider %[1]d, workspaces: [default, lab]}\n", i, issuer, o.ClientID, o.ClientSecret)
	}
	return text
}

// ssoServer serves on a store, with the providers, and two that are of no use.
func ssoServer(t *testing.T, storeURL string, o *testserver.OIDC) (*served, *core) {
	t.Helper()
	text := ssoSettings(o) + fmt.Sprintf("  wrong: {issuer: %q, client_id: %s, client_secret: no such secret}\n", o.Issuers[0], o.ClientID) +
		fmt.Sprintf("  gone: {issuer: \"http://127.0.0.1:%d\", client_id: x}\n", testserver.FreePort(t))
	core, h := openServerCore(t, storeURL, text)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &served{t: t, base: server.URL, storeURL: storeURL}, core
}

// ssoUser makes an account that logs in by single sign-on.
func (s *served) ssoUser(workspace, name string) *person {
	s.t.Helper()
	a := s.want(201, "POST", "/w/"+workspace+"/scim/v2/Users", fmt.Sprintf(`{"userName":%q,"%s":{"source":"sso"}}`, name, urnAccount))
	return &person{served: s, id: a.body["id"].(string), name: name}
}

// browser is somebody with cookies who follows no redirect by themselves.
type browser struct {
	*http.Client
	t      *testing.T
	accept string
}

func newBrowser(t *testing.T, accept string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t, accept}
}

func (b *browser) send(method, to string, form url.Values) (answer, *url.URL) {
	b.t.Helper()
	req, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", b.accept)
	resp, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // pages are no JSON
	next, _ := resp.Location()
	return a, next
}

// begin begins a login, and answers where the provider is.
func (b *browser) begin(s *served, provider, query string) *url.URL {
	b.t.Helper()
	a, to := b.send("GET", s.base+"/api/v1/login/sso/"+provider+query, nil)
	if a.code != 302 || to == nil {
		b.t.Fatalf("begin = %d %s", a.code, a.text)
	}
	return to
}

// atProvider logs in there as the claims say, and answers the URL that it leads back to.
func (b *browser) atProvider(to *url.URL, form url.Values) string {
	b.t.Helper()
	method, values := "GET", url.Values(nil)
	for range 10 {
		a, next := b.send(method, to.String(), values)
		switch {
		case next == nil && a.code == 200:
			method, values = "POST", form
		case next == nil:
			b.t.Fatalf("%s %s = %d %s", method, to, a.code, a.text)
		case strings.Contains(next.Path, "/callback"):
			return next.String()
		default:
			method, values, to = "GET", nil, next
		}
	}
	b.t.Fatal("the provider leads nowhere")
	return ""
}

func claims(text string) url.Values { return url.Values{"claims": {text}} }

// ssoLogin logs in as claims say, from beginning to end.
func ssoLogin(s *served, provider, said string) answer {
	s.t.Helper()
	b := newBrowser(s.t, "application/json")
	a, _ := b.send("GET", b.atProvider(b.begin(s, provider, ""), claims(said)), nil)
	return a
}

// TestA11_LoginBySSO logs in by a real OpenID provider, and holds that every login which is not whole is
// refused.
func TestA11_LoginBySSO(t *testing.T) {
	t.Parallel()
	o := testserver.StartOIDC(t)
	onStores(t, func(t *testing.T, store string) {
		s, core := ssoServer(t, store, o)
		s.workspace("lab", "default")
		ada := s.ssoUser("default", "ada")
		local := s.makeUser("default", "local", "")

		// Both providers, one that tells in the ID token and one that has to be asked for more.
		for _, provider := range []string{"p0", "p1"} {
			a := ssoLogin(s, provider, `{"preferred_username":"ADA"}`)
			if a.code != 200 || a.body["user"].(map[string]any)["id"] != ada.id || a.header.Get("Cache-Control") != "no-store" {
				t.Fatalf("login by %s = %d %s", provider, a.code, a.text)
			}
			ada.token = a.body["token"].(string)
			ada.want(200, "GET", "/scim/v2/Me", "")
		}
		mail := s.ssoUser("default", "ada@example.com")
		if a := ssoLogin(s, "p1", `{"email":"ada@example.com","email_verified":true}`); a.code != 200 || a.body["user"].(map[string]any)["id"] != mail.id {
			t.Errorf("login by a verified address = %d %s", a.code, a.text)
		}

		// Whoever is not to be let in gets one answer, and nobody is made.
		off := s.ssoUser("default", "off")
		s.want(200, "PATCH", "/scim/v2/Users/"+off.id, userPatch(`{"op":"replace","path":"active","value":false}`))
		away := s.ssoUser("default", "away")
		s.want(200, "POST", "/api/v1/users/"+away.id+"/deactivate", "")
		s.ssoUser("lab", "in-lab")
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"no-password"}`) // and not of single sign-on
		want := ssoLogin(s, "p0", `{"preferred_username":"nobody"}`)
		for _, said := range []string{
			`{"preferred_username":"off"}`, `{"preferred_username":"away"}`, `{"preferred_username":"in-lab"}`, `{"preferred_username":"local"}`, `{"preferred_username":"no-password"}`, `{"preferred_username":""}`,
			`{"email":"ada@example.com","email_verified":false}`, `{"email":"ada@example.com"}`, `{}`, `{"preferred_username":"a\u0000b"}`, `{"preferred_username":["ada"]}`,
		} {
			a := ssoLogin(s, "p1", said)
			if a.code != 401 || a.body["detail"] != want.body["detail"] || a.body["token"] != nil {
				t.Errorf("login as %s = %d %s, want %s", said, a.code, a.text, want.text)
			}
		}
		if a := s.want(200, "GET", "/scim/v2/Users?filter=userName+eq+%22nobody%22", ""); a.body["totalResults"] != 0.0 {
			t.Errorf("an account was made by logging in: %s", a.text)
		}
		// The workspace that was asked for, and no other.
		b := newBrowser(t, "application/json")
		if a, _ := b.send("GET", b.atProvider(b.begin(s, "p0", "?workspace=lab"), claims(`{"preferred_username":"in-lab"}`)), nil); a.code != 200 || a.body["workspace"] != "lab" {
			t.Errorf("login in lab = %d %s", a.code, a.text)
		}
		// By the provider alone.
		for _, password := range []string{"", goodPassword} {
			if a := s.tryLogin("", "ada", password, ""); a.code != 401 {
				t.Errorf("a password of an account of single sign-on = %d", a.code)
			}
		}
		ada.want(400, "POST", "/api/v1/password", `{"current":"","new":"a password of mine"}`)
		s.want(400, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"password","value":"a password of theirs"}`))
		local.login("default")

		brokenLogins(t, s, core)
		for _, typ := range []string{"login.ok", "login.failed"} {
			lines := s.want(200, "GET", "/api/v1/audit?count=1&filter="+url.QueryEscape(fmt.Sprintf(`type eq %q and subject eq %q`, typ, map[string]string{"login.ok": ada.id, "login.failed": off.id}[typ])), "")
			if !strings.Contains(lines.text, `"provider":"p`) {
				t.Errorf("the audit of %s: %s", typ, lines.text)
			}
		}

		s.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"active","value":false}`))
		ada.refusedSoon("disabled")
	})
}

// brokenLogins tries ways back that do not belong to a way out.
func brokenLogins(t *testing.T, s *served, core *core) {
	as := claims(`{"preferred_username":"ada"}`)
	for name, c := range map[string]struct {
		out    func(u url.Values)                    // changes the way to the provider
		form   url.Values                            // sent there
		before func()                                // while the browser is away
		back   func(b **browser, back string) string // changes the way back
		code   int
		says   string
	}{
		"another state":    {back: func(_ **browser, back string) string { return with(back, "state", "x") }, code: 400, says: "begin again"},
		"no state":         {back: func(_ **browser, back string) string { return with(back, "state", "") }, code: 400},
		"no code":          {back: func(_ **browser, back string) string { return with(back, "code", "") }, code: 401},
		"another code":     {back: func(_ **browser, back string) string { return with(back, "code", "x") }, code: 401},
		"another provider": {back: func(_ **browser, back string) string { return strings.Replace(back, "/p0/", "/p1/", 1) }, code: 400},
		"unknown provider": {back: func(_ **browser, back string) string { return strings.Replace(back, "/p0/", "/none/", 1) }, code: 400},
		"another issuer":   {back: func(_ **browser, back string) string { return with(back, "iss", "https://evil.example.com") }, code: 401},
		"no issuer":        {back: func(_ **browser, back string) string { return with(back, "iss", "") }, code: 401},
		"another browser":  {back: func(b **browser, back string) string { *b = newBrowser(t, "application/json"); return back }, code: 400},
		"again": {back: func(b **browser, back string) string {
			if a, _ := (*b).send("GET", back, nil); a.code != 200 {
				t.Errorf("the first way back = %d %s", a.code, a.text)
			}
			return back
		}, code: 400},
		"another nonce":     {out: func(u url.Values) { u.Set("nonce", "x") }, code: 401},
		"no nonce":          {out: func(u url.Values) { u.Del("nonce") }, code: 401},
		"another challenge": {out: func(u url.Values) { u.Set("code_challenge", strings.Repeat("A", 43)) }, code: 401},
		"too late":          {before: func() { expireLogins(t, core) }, code: 400, says: "10 minutes"},
		"cancelled":         {form: url.Values{"cancel": {"1"}}, code: 401, says: "begin again"},
	} {
		b := newBrowser(t, "application/json")
		to := b.begin(s, "p0", "")
		query := to.Query()
		if query.Get("code_challenge_method") != "S256" || query.Get("response_type") != "code" || query.Get("nonce") == "" {
			t.Fatalf("the way to the provider = %s", to)
		}
		if c.out != nil {
			c.out(query)
			to.RawQuery = query.Encode()
		}
		form := as
		if c.form != nil {
			form = c.form
		}
		back := b.atProvider(to, form)
		if c.before != nil {
			c.before()
		}
		if c.back != nil {
			back = c.back(&b, back)
		}
		a, _ := b.send("GET", back, nil)
		if a.code != c.code || !strings.Contains(a.text, c.says) || a.body["token"] != nil {
			t.Errorf("%s = %d %s, want %d %s", name, a.code, a.text, c.code, c.says)
		}
	}
	// A code that was used, in a login of its own: with the verifier of another it is worth nothing.
	b := newBrowser(t, "application/json")
	back := b.atProvider(b.begin(s, "p0", ""), as)
	b.send("GET", back, nil)
	used, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	fresh := b.atProvider(b.begin(s, "p0", ""), as)
	if a, _ := b.send("GET", with(fresh, "code", used.Query().Get("code")), nil); a.code != 401 || a.body["token"] != nil {
		t.Errorf("a code again = %d %s", a.code, a.text)
	}
	// What cannot be reached, or does not know us, is told so; nothing leads elsewhere.
	b = newBrowser(t, "application/json")
	if a, _ := b.send("GET", s.base+"/api/v1/login/sso/gone", nil); a.code != 503 || a.header.Get("Retry-After") == "" || a.body["type"] != "urn:rollcall:problem:unavailable" {
		t.Errorf("a provider that is down = %d %s", a.code, a.text)
	}
	if a, _ := b.send("GET", b.atProvider(b.begin(s, "wrong", ""), as), nil); a.code != 503 {
		t.Errorf("a client secret that is wrong = %d %s", a.code, a.text)
	}
	for _, path := range []string{"none", "p0?workspace=elsewhere"} {
		if a, _ := b.send("GET", s.base+"/api/v1/login/sso/"+path, nil); a.code != 404 {
			t.Errorf("login by %s = %d %s", path, a.code, a.text)
		}
	}
}

// with is a URL with another value of a parameter, or without it.
func with(text, name, value string) string {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	if q.Set(name, value); value == "" {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// expireLogins lets the time of logins that were begun be over.
func expireLogins(t *testing.T, core *core) {
	t.Helper()
	kv := core.store.State().KV("sso-logins")
	kept := map[string][]byte{}
	err := kv.Scan(t.Context(), func(key string, value []byte) error {
		var s map[string]any
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		s["expires"] = time.Now().UTC()
		text, err := json.Marshal(s)
		kept[key] = text
		return err
	})
	if err != nil || len(kept) == 0 {
		t.Fatalf("%d logins were begun, %v", len(kept), err)
	}
	for key, value := range kept {
		if err := kv.Put(t.Context(), key, value, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestA11_SSOOnReplicas begins a login at one replica and ends it at another, whatever key the provider
// signs with by then.
func TestA11_SSOOnReplicas(t *testing.T) {
	t.Parallel() // it waits for keys
	o := testserver.StartOIDC(t)
	redis := testserver.StartRedis(t)
	s, _ := ssoServer(t, redis.URL(), o)
	replica, _ := ssoServer(t, redis.URL(), o)
	s.ssoUser("default", "ada")
	const ada = `{"preferred_username":"ada"}`
	b := newBrowser(t, "application/json")
	back := b.atProvider(b.begin(s, "p0", ""), claims(ada))
	if a, _ := b.send("GET", strings.Replace(back, s.base, replica.base, 1), nil); a.code != 200 {
		t.Fatalf("a login that another replica ends = %d %s", a.code, a.text)
	}
	if a, _ := b.send("GET", back, nil); a.code != 400 {
		t.Errorf("and once more = %d %s", a.code, a.text)
	}
	if a := ssoLogin(s, "p0", ada); a.code != 200 {
		t.Fatalf("login = %d %s", a.code, a.text)
	}
	o.Stop()
	o.Start(t, "second")
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		a := ssoLogin(s, "p0", ada)
		if a.code == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("login after the provider took another key = %d %s", a.code, a.text)
		}
	}
}
