package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// TestConsolePeople does with people what an administrator can see of A1 to A24 in accounts.md.
func TestConsolePeople(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	s.makeUser("default", "boss", "admin")
	boss := visit(s)
	boss.open(200, "/console/").says("SCIM base URL", "Sign in")
	boss.open(200, "/console/people").says("Password") // led to where one signs in
	boss.submit(401, "/login", url.Values{"userName": {"boss"}, "password": {"wrong"}}).says("the user name or the password is wrong")
	boss.signIn("boss").says("boss", "Active")

	// Make an account, find it, see it.
	boss.open(200, "/console/people/new").submit(400, "/people", url.Values{"userName": {""}, "displayName": {"Ada"}})
	boss.submit(200, "/people", url.Values{"userName": {"ada"}, "displayName": {"<script>alert(1)</script>"}, "givenName": {"Ada"}, "email": {"ada@example.com"},
		"organization": {"Engines"}, "password": {goodPassword}, "role": {"member"}, "volumes": {"v1\nv2"}})
	boss.says("The account was created.", "<script>alert(1)</script>", "value: v1:rw", "Engines")
	ada := s.idOf("ada")
	boss.open(200, "/console/people/new").submit(409, "/people", url.Values{"userName": {"ADA"}}).says("already in use")
	boss.open(200, "/console/people").submit(200, "/people", url.Values{"q": {"ada@ex"}}).says("ada", "1–1 of 1").lacks("boss@")
	boss.submit(200, "/people", url.Values{"q": {""}, "filter": {`userName sw "b" and active eq true`}}).says("boss@example.com").lacks("ada@")
	boss.submit(400, "/people", url.Values{"filter": {"userName eq"}})

	// Edit it: the form of somebody who looked earlier changes nothing.
	other := visit(s)
	other.signIn("boss").open(200, "/console/people/"+ada)
	page := "/people/" + ada
	boss.open(200, "/console"+page).submit(200, page, url.Values{"displayName": {"Ada Lovelace"}, "email": {"a.l@example.com"}, "title": {"Countess"}, "givenName": {""}}).says("The changes are saved.")
	other.submit(409, page, url.Values{"displayName": {"Ada B."}}).says("somebody else has changed it meanwhile")
	got := s.want(200, "GET", "/scim/v2/Users/"+ada, "")
	if got.body["displayName"] != "Ada Lovelace" || got.body["title"] != "Countess" || !strings.Contains(got.text, "a.l@example.com") || got.body["name"] != nil {
		t.Errorf("after the form: %s", got.text)
	}
	boss.submit(400, page, url.Values{"userName": {""}})

	// Role, groups, trial, password.
	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Engineers"}`)
	boss.open(200, "/console"+page).submit(200, page+"/groups", url.Values{"groups": {"Engineers"}}).says("The groups are set.", "Engineers")
	boss.submit(200, page+"/role", url.Values{"role": {"auditor"}}).says("The role is set.", "users:list")
	boss.submit(200, page+"/trial", url.Values{"grantedOn": {"2026-01-01"}, "expiresOn": {"2099-12-31"}}).says("The trial is set.", "2099-12-31")
	boss.submit(400, page+"/trial", url.Values{"grantedOn": {"never"}})
	boss.open(200, "/console"+page).submit(400, page+"/password", url.Values{"password": {"short"}})
	boss.submit(200, page+"/password", url.Values{"password": {"another good password"}}).says("The password is set.")
	boss.open(200, "/console/permissions").says("ada", "users:list")
	boss.open(200, "/console/credentials")

	// Act as them, and be oneself again.
	boss.open(200, "/console"+page).submit(200, page+"/impersonate", nil).says("You act as ada", "Stop acting as ada")
	boss.submit(200, "/logout", nil).says("boss").lacks("You act as")

	// End access in each way.
	boss.open(200, "/console"+page).submit(200, page+"/disable", nil).says("The account is disabled.", "Disabled")
	if a := s.tryLogin("", "ada", "another good password", ""); a.code != 401 {
		t.Errorf("login of somebody disabled = %d", a.code)
	}
	boss.submit(200, page+"/enable", nil).says("enabled")
	boss.submit(200, page+"/deactivate", nil).says("is deactivated").lacks("a.l@example.com")
	boss.open(404, "/console"+page)
	s.want(200, "POST", "/api/v1/users/"+ada+"/activate", "")
	boss.open(200, "/console"+page).submit(200, page+"/delete", url.Values{"sure": {"on"}}).says("It was deleted.").lacks("a.l@example.com")
	boss.open(404, "/console"+page)
	boss.open(404, "/console/people/nobody")
	boss.open(200, "/console/audit").says("user.delete", "user:")
	boss.submit(200, "/audit", url.Values{"filter": {`type eq "login.failed"`}}).says("login.failed").lacks("user.delete")
	boss.submit(400, "/audit", url.Values{"filter": {"type eq"}})
	gone := s.makeUser("default", "gone", "")
	boss.open(200, "/console/people/"+gone.id).submit(200, "/erase", url.Values{"sure": {"on"}}).says("Everything personal of them is erased.").lacks("gone@")
	boss.open(200, "/console/people").submit(200, "/logout", nil).says("You are signed out.")
	boss.open(200, "/console/people").says("Password")
}

// TestConsoleRights holds that a page shows and does nothing that its reader may not, that forms of other
// sites do nothing, and that cookies are good for the console alone.
func TestConsoleRights(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	ada, boss := s.makeUser("default", "ada", ""), s.makeUser("default", "boss", "admin")
	v := visit(s)
	v.signIn("ada").says("ada").lacks("People")
	for _, path := range []string{"people", "people/new", "people/" + boss.id, "groups", "invitations", "permissions", "credentials", "audit", "settings", "sync", "sync/runs/x"} {
		v.open(403, "/console/"+path)
	}
	for path, form := range map[string]url.Values{
		"people": {"userName": {"x"}}, "people/" + boss.id: {"version": {"1"}, "displayName": {"x"}}, "people/" + boss.id + "/disable": {},
		"people/" + boss.id + "/delete": {"sure": {"on"}}, "people/" + boss.id + "/erase": {"sure": {"on"}}, "people/" + boss.id + "/deactivate": {}, "people/" + boss.id + "/password": {"password": {goodPassword + "x"}}, "people/" + boss.id + "/impersonate": {},
		"people/" + ada.id + "/role": {"role": {"admin"}}, "people/" + ada.id + "/groups": {"groups": {"x"}}, "people/" + ada.id + "/disable": {}, "groups": {"displayName": {"x"}},
		"settings": {"patch": {`{"allowGuestSignup": true}`}}, "tokens/x/revoke": {}, "invitations": {"userName": {"x"}}, "sync/x/run": {}, "sync/runs/x/approve": {},
	} {
		v.request(403, "POST", "/console/"+path, form)
	}
	v.request(404, "POST", "/console/people/"+boss.id+"/nothing", url.Values{})
	v.open(404, "/console/nothing")

	// One's own account: what is one's own to write.
	mine := "/people/" + ada.id
	v.open(200, "/console/me").submit(200, mine, url.Values{"displayName": {"Ada L."}, "preferredLanguage": {"en-GB"}}).says("The changes are saved.")
	version := inputsOf(v, mine).Get("version")
	v.request(403, "POST", "/console"+mine, url.Values{"version": {version}, "userName": {"root"}}).says("userName")
	v.open(200, "/console/sessions").says("ada").lacks("boss")

	// Other sites' forms.
	for _, h := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"https://evil.example.com"}}} {
		req, err := http.NewRequest("POST", s.base+"/console/logout", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h
		resp, err := v.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("a form of another site (%v) = %d, want 403", h, resp.StatusCode)
		}
	}
	v.open(200, "/console/me").says("Ada L.")

	// A session is HttpOnly and Lax; over TLS, which a proxy tells of, it bears __Host- and is Secure.
	v.signIn("ada")
	if c := v.cookieNamed(t, "rollcall"); c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure {
		t.Errorf("the cookie = %+v", c)
	}
	u, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	token := v.Jar.Cookies(u)[0].Value
	req, err := http.NewRequest("POST", s.base+"/console/login", strings.NewReader(url.Values{"userName": {"ada"}, "password": {goodPassword}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"X-Forwarded-Proto": {"https"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if a := s.sendOnce(req); a.code != 303 || !strings.Contains(a.header.Get("Set-Cookie"), "__Host-rollcall=") || !strings.Contains(a.header.Get("Set-Cookie"), "Secure") {
		t.Errorf("login over TLS = %d %v", a.code, a.header["Set-Cookie"])
	}
	for what, h := range map[string]http.Header{
		"/scim/v2/Me":      {"Cookie": {"rollcall=" + token}},
		"/api/v1/sessions": {"Cookie": {"rollcall=" + token}},
		"/console/me":      {"Authorization": {"Bearer " + testToken}},
		"/console/people":  {"Cookie": {"rollcall=" + testToken}}, // no session
	} {
		req, err := http.NewRequest("GET", s.base+what, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h
		if a := s.sendOnce(req); a.code != 401 && !(a.code == 303 && strings.HasSuffix(a.header.Get("Location"), "/console/login")) {
			t.Errorf("%s with %v = %d", what, h, a.code)
		}
	}

	// One's own password.
	v.open(200, "/console/password").submit(400, "/password", url.Values{"current": {goodPassword}, "new": {"a new good password"}, "confirm": {"another"}}).says("the same twice")
	v.submit(403, "/password", url.Values{"current": {"wrong"}, "new": {"a new good password"}, "confirm": {"a new good password"}})
	v.submit(200, "/password", url.Values{"current": {goodPassword}, "new": {"a new good password"}, "confirm": {"a new good password"}}).says("Your new password is set")
	v.open(200, "/console/login").submit(403, "/guest", nil).says("guests cannot log in here")
	s.want(200, "PATCH", "/api/v1/settings", `{"allowGuestLogin":true}`)
	guest := visit(s)
	eventually(t, "a guest is let in", func() bool {
		return strings.Contains(guest.request(0, "POST", "/console/guest", url.Values{}).text(), "Sign out")
	})
	guest.open(403, "/console/people")
}

func inputsOf(v *visitor, action string) url.Values {
	for form := range v.all("form") {
		if strings.HasSuffix(attr(form, "action"), action) {
			return inputs(form)
		}
	}
	return nil
}

// sendOnce sends a request and follows nothing.
func (s *served) sendOnce(req *http.Request) answer {
	s.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{code: resp.StatusCode, header: resp.Header}
}

// TestConsoleRest goes through groups, sessions, links, sources, and single sign-on.
func TestConsoleRest(t *testing.T) {
	t.Parallel()
	o := testserver.StartOIDC(t)
	file := filepath.Join(t.TempDir(), "people.ldif")
	people := func(n int) {
		text := "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n"
		for i := range n {
			text += fmt.Sprintf("\ndn: uid=p%d,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p%[1]d\ncn: P %[1]d\nsn: P\nentryUUID: 0190a7b2-0000-7000-8000-%012[1]x\n", i)
		}
		write(t, file, text, 0o600)
	}
	people(60)
	config := "sources: {corp: {type: ldif, path: " + file + ", preset: openldap}}\nownership: {title: corp}\n" + ssoSettings(o)
	server := httptest.NewServer(openServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), config))
	t.Cleanup(server.Close)
	s := &served{t: t, base: server.URL}
	s.makeUser("default", "boss", "admin")
	boss := visit(s)
	boss.signIn("boss")

	// A source: run it, be blocked, approve.
	boss.open(200, "/console/sync").submit(200, "/corp/run", nil).says("The run is over.", "60 of 60", "p59")
	boss.open(200, "/console/people").says("1–50 of 61", "Next")
	boss.open(200, "/console/people?start=51").says("51–61 of 61", "Previous")
	p0 := s.idOf("p0")
	boss.open(200, "/console/people/"+p0).says("belongs to source:corp", "managed by source corp")
	people(3)
	boss.open(200, "/console/sync").submit(200, "/corp/run", nil).says("The guard has blocked this run", "missing users")
	blocked := boss.at.Path[strings.LastIndex(boss.at.Path, "/")+1:]
	boss.open(200, "/console/sync").says("waits for approval")
	boss.open(200, "/console/sync/runs/"+blocked).submit(200, "/approve", nil).says("The plan was applied.")
	boss.open(200, "/console/sync/runs/"+blocked).says("It was applied as the run").lacks("Approve, and apply it")
	boss.open(404, "/console/sync/runs/none")

	// Groups.
	boss.open(200, "/console/groups").submit(200, "/groups", url.Values{"displayName": {"Sales"}}).says("The group was created.")
	group := boss.at.Path[strings.LastIndex(boss.at.Path, "/")+1:]
	boss.submit(200, "/groups/"+group, url.Values{"description": {"They sell"}, "ldapGroupNames": {"sales\nvertrieb"}}).says("The changes are saved.")
	boss.submit(200, "/add", url.Values{"userName": {"p1"}}).says("The member was added.", "p1")
	boss.submit(404, "/add", url.Values{"userName": {"nobody"}})
	boss.submit(200, "/remove", nil).says("The member was removed.", "None.")
	boss.open(200, "/console/groups").submit(409, "/groups", url.Values{"displayName": {"sales"}})
	boss.open(200, "/console/groups/"+group).submit(200, "/delete", url.Values{"sure": {"on"}}).says("It was deleted.").lacks("Sales")

	// Settings and tokens.
	s.want(201, "POST", "/api/v1/tokens", `{"name":"nightly","client":"nightly"}`)
	boss.open(200, "/console/settings").says("passwordPolicy", "default, with the roles of default", "nightly")
	boss.submit(400, "/settings", url.Values{"patch": {"minLength = 14"}}).says("this is no JSON object", "minLength = 14")
	boss.submit(400, "/settings", url.Values{"patch": {`{"nonsense": 1}`}}).says("nonsense")
	boss.submit(200, "/settings", url.Values{"patch": {`{"passwordPolicy": {"minLength": 9}}`}}).says("The changes are saved.", `"minLength": 9`)
	boss.submit(200, "/revoke", nil).says("The token has ended.").lacks("nightly")

	// Invitations, and the link that is not mailed; a new password by link.
	boss.open(200, "/console/invitations").submit(200, "/invitations", url.Values{"userName": {"grace"}}).says("shown this once", "grace")
	link := ""
	for c := range boss.all("code") {
		link = textOf(c)
	}
	grace := visit(s)
	grace.request(200, "GET", strings.TrimSpace(link), nil).says("You are invited", "grace")
	grace.submit(400, "/invitation", url.Values{"name": {"Grace"}, "new": {"short"}, "confirm": {"short"}})
	grace.submit(200, "/invitation", url.Values{"name": {"Grace Hopper"}, "new": {goodPassword}, "confirm": {goodPassword}}).says("Grace Hopper", "Sign out")
	grace.request(403, "GET", strings.TrimSpace(link), nil).says("ask for a new one")
	boss.open(200, "/console/invitations").submit(200, "/invitations", url.Values{"userName": {"alan"}})
	boss.submit(200, "/delete", nil).says("taken back", "Nobody is invited.")
	reset := s.want(201, "POST", "/api/v1/users/"+s.idOf("grace")+"/password-reset", `{"mail":false}`).body["url"].(string)
	grace.request(200, "GET", reset, nil).submit(200, "/reset", url.Values{"new": {"yet another password"}, "confirm": {"yet another password"}}).says("Your new password is set")
	grace.open(200, "/console/forgot")

	// Sessions: end somebody's.
	grace.open(200, "/console/login").submit(200, "/login", url.Values{"userName": {"grace"}, "password": {"yet another password"}})
	boss.open(200, "/console/people/"+s.idOf("grace")).submit(200, "/end", nil).says("The session has ended.").lacks("grace")
	eventually(t, "grace is signed out", func() bool { return strings.Contains(grace.open(200, "/console/sessions").text(), "Password") })

	// Single sign-on ends in the console.
	s.ssoUser("default", "ada")
	ada := visit(s)
	ada.open(200, "/console/login").says("Provider 0", "Provider 1")
	back := ada.atProvider(ada.begin(s, "p0", ""), claims(`{"preferred_username":"ada"}`))
	ada.request(200, "GET", back, nil).says("ada", "single sign-on", "Sign out")
	ada.request(400, "GET", back, nil).says("begin again", "Password")
	stranger := visit(s)
	stranger.request(401, "GET", stranger.atProvider(stranger.begin(s, "p1", ""), claims(`{"preferred_username":"boss"}`)), nil).says("ask an administrator", "Password")
}
