package main

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// invite invites somebody who is mailed nothing, and returns the code of the link.
func (s *served) invite(workspace, body string) (p *person, code string) {
	s.t.Helper()
	a := s.want(201, "POST", "/api/v1/invitations?workspace="+workspace, body)
	user := a.body["user"].(map[string]any)
	return &person{served: s, id: user["id"].(string), name: user["userName"].(string)}, codeOf(s.t, a.body["url"].(string))
}

// resetCode is the code of a link by which somebody sets a new password.
func (s *served) resetCode(id string) string {
	s.t.Helper()
	return codeOf(s.t, s.want(201, "POST", "/api/v1/users/"+id+"/password-reset", `{"mail":false}`).body["url"].(string))
}

func codeOf(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(u.Query().Get("code"), "rc_") {
		t.Fatalf("%q is no link", link)
	}
	return u.Query().Get("code")
}

// codeGood tells whether the code of an invitation or of a reset is good still, without using it up: a
// good one is refused for its password alone.
func (s *served) codeGood(code string) bool {
	s.t.Helper()
	for path, field := range map[string]string{"/api/v1/invitations/accept": "password", "/api/v1/password/redeem": "new"} {
		switch a := s.as("", "POST", path, fmt.Sprintf(`{"code":%q,%q:"short"}`, code, field)); a.code {
		case 400:
			return true
		case 403:
		default:
			s.t.Fatalf("POST %s = %d %s", path, a.code, a.text)
		}
	}
	return false
}

// codeRefusedSoon holds that a code is refused within a second (design.md §4.10).
func (s *served) codeRefusedSoon(what, code string) {
	s.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		asked := time.Now()
		if !s.codeGood(code) {
			return
		}
		if asked.Sub(began) > time.Second {
			s.t.Errorf("%s: a second later the code is good still", what)
			return
		}
	}
}

// atOnce sends 16 requests at the same time and counts the answers by status.
func (s *served) atOnce(method, path, body string) map[int]int {
	s.t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	codes := map[int]int{}
	for range 16 {
		wait.Go(func() {
			a := s.as("", method, path, body)
			mu.Lock()
			defer mu.Unlock()
			codes[a.code]++
		})
	}
	wait.Wait()
	return codes
}

func TestA08_Invitations(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "accsyn")
		boss := s.user("default", "boss", "admin")

		jane, code := s.invite("default", `{"userName":"jane@example.com","mail":false,"role":"auditor"}`)
		a := s.want(200, "GET", "/scim/v2/Users/"+jane.id, "")
		if a.body["displayName"] != jane.name || a.body["userName"] != jane.name || !strings.Contains(a.text, "auditor") {
			t.Errorf("the account of somebody invited = %s", a.text)
		}
		list := boss.want(200, "GET", "/api/v1/invitations", "").body["invitations"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["userName"] != jane.name || strings.Contains(fmt.Sprint(list), code) {
			t.Errorf("invitations = %v", list)
		}
		s.want(409, "POST", "/api/v1/invitations", `{"userName":"boss","mail":false}`)
		s.want(400, "POST", "/api/v1/invitations", `{"mail":false}`)
		s.want(400, "POST", "/api/v1/invitations", `{"userName":"x@example.com","mail":false,"role":"nothing"}`)
		s.want(400, "POST", "/api/v1/invitations", `{"userName":"x@example.com"}`) // this server sends no mail
		jane.token = "none"
		if a := s.as("", "POST", "/api/v1/invitations", `{"userName":"x@example.com","mail":false}`); a.code != 401 {
			t.Errorf("an invitation by nobody = %d", a.code)
		}

		// The link sets name and password, and logs in; once, and exactly one of many at a time.
		accept := fmt.Sprintf(`{"code":%q,"name":"Jane","password":%q}`, code, goodPassword)
		s.mustBe(400, "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"password":"short"}`, code))
		if codes := s.atOnce("POST", "/api/v1/invitations/accept", accept); codes[200] != 1 || codes[403] != 15 {
			t.Errorf("16 who accept one invitation: %v, want one 200", codes)
		}
		s.mustBe(403, "POST", "/api/v1/invitations/accept", accept)
		s.mustBe(403, "POST", "/api/v1/invitations/accept", `{"code":"rc_x_y","password":"`+goodPassword+`"}`)
		jane.login("default")
		if me := jane.want(200, "GET", "/scim/v2/Me", ""); me.body["displayName"] != "Jane" {
			t.Errorf("/Me = %s", me.text)
		}
		if list := boss.want(200, "GET", "/api/v1/invitations", "").body["invitations"].([]any); len(list) != 0 {
			t.Errorf("an accepted invitation is listed: %v", list)
		}

		// One that was not accepted is made anew, and taken back; one that bob may not make, he does not.
		kim, code := s.invite("default", `{"userName":"kim@example.com","mail":false}`)
		_, second := s.invite("default", `{"userName":"kim@example.com","mail":false}`)
		if !s.codeGood(code) || !s.codeGood(second) {
			t.Error("an invitation that was made again is not good")
		}
		id := boss.want(200, "GET", "/api/v1/invitations", "").body["invitations"].([]any)[0].(map[string]any)["id"].(string)
		jane.want(403, "DELETE", "/api/v1/invitations/"+id, "")
		jane.want(403, "GET", "/api/v1/invitations", "")
		s.want(404, "DELETE", "/api/v1/invitations/"+id+"?workspace=lab", "")
		boss.want(204, "DELETE", "/api/v1/invitations/"+id, "")
		boss.want(404, "DELETE", "/api/v1/invitations/"+id, "")
		if s.codeGood(code) && s.codeGood(second) {
			t.Error("a deleted invitation is good")
		}
		s.want(200, "GET", "/scim/v2/Users/"+kim.id, "")

		// An invitation goes with the right of whoever made it, and with the account.
		byBoss := boss.want(201, "POST", "/api/v1/invitations", `{"userName":"lee@example.com","mail":false}`)
		s.makeUser("default", "chief", "admin")
		s.want(200, "PATCH", "/scim/v2/Users/"+boss.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"member"}]}`))
		lee := codeOf(t, byBoss.body["url"].(string))
		s.refusedFor(t, "the right to invite has ended", lee)

		// Whoever is deactivated comes back by being invited, with what they had.
		ada := s.user("lab", "ada@example.com", "standard")
		s.want(200, "PATCH", "/w/lab/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"entitlements","value":[{"type":"volume","value":"v1:rw"}]}`))
		s.want(200, "POST", "/api/v1/users/"+ada.id+"/deactivate?workspace=lab", "")
		back, code := s.invite("lab", `{"userName":"ADA@example.com","mail":false,"volumes":["v2"]}`)
		a = s.want(200, "GET", "/w/lab/scim/v2/Users/"+ada.id, "")
		if back.id != ada.id || a.body["active"] != true || !strings.Contains(a.text, "v1:rw") || !strings.Contains(a.text, "v2:rw") {
			t.Errorf("restored by an invitation: %s", a.text)
		}
		if a := s.as("", "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"password":"a new password"}`, code)); a.code != 200 {
			t.Errorf("accept = %d %s", a.code, a.text)
		}

		// By command line.
		code2, out, errs := s.cli("invitation", "create", "max@example.com", "--mail=false", "--role", "auditor")
		if code2 != exitDone {
			t.Fatalf("rollcall invitation create = %d %s", code2, errs)
		}
		link := strings.TrimSpace(out)
		if code2, out, errs = s.cli("invitation", "list"); code2 != exitDone || !strings.Contains(out, "max@example.com") {
			t.Errorf("rollcall invitation list = %d %s%s", code2, out, errs)
		}
		if code2, out, errs = s.program("", goodPassword+"\n", "invitation", "accept", link, "--name", "Max"); code2 != exitDone || !strings.HasPrefix(out, "rc_") {
			t.Errorf("rollcall invitation accept = %d %s%s", code2, out, errs)
		}
		if code2, _, errs = s.program("", goodPassword+"\n", "invitation", "accept", link); code2 != exitFailed || !strings.Contains(errs, "ask for a new one") {
			t.Errorf("rollcall invitation accept again = %d %s", code2, errs)
		}
		_, out, _ = s.cli("invitation", "create", "zoe@example.com", "--mail=false", "-o", "json")
		_, id, _ = strings.Cut(out, `"id": "`)
		id, _, _ = strings.Cut(id, `"`)
		if code2, _, errs = s.cli("invitation", "delete", id); code2 != exitDone {
			t.Errorf("rollcall invitation delete %s = %d %s", id, code2, errs)
		}
	})
}

// mustBe is want for a call without credentials.
func (s *served) mustBe(code int, method, path, body string) answer {
	s.t.Helper()
	a := s.as("", method, path, body)
	if a.code != code {
		s.t.Fatalf("%s %s %s = %d %s, want %d", method, path, body, a.code, a.text, code)
	}
	return a
}

// refusedFor holds that an invitation cannot be accepted soon, with a password that is good.
func (s *served) refusedFor(t *testing.T, what, code string) {
	t.Helper()
	time.Sleep(600 * time.Millisecond) // longer than anything is cached
	if a := s.as("", "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"password":%q}`, code, goodPassword)); a.code != 403 {
		t.Errorf("%s: accept = %d %s, want 403", what, a.code, a.text)
	}
}

// TestA04_Resets: links for a new password work once, and end with everything that ends access.
func TestA04_Resets(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, boss := s.user("default", "ada", ""), s.user("default", "boss", "admin")
		code := s.resetCode(ada.id)
		redeem := func(code, password string) string { return fmt.Sprintf(`{"code":%q,"new":%q}`, code, password) }
		s.mustBe(400, "POST", "/api/v1/password/redeem", redeem(code, "short"))
		s.mustBe(403, "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"password":%q}`, code, goodPassword))
		if codes := s.atOnce("POST", "/api/v1/password/redeem", redeem(code, "a second password")); codes[204] != 1 || codes[403] != 15 {
			t.Errorf("16 who redeem one code: %v, want one 204", codes)
		}
		ada.refusedSoon("a reset")
		if a := s.tryLogin("", "ada", "a second password", ""); a.code != 200 {
			t.Errorf("login with the new password = %d %s", a.code, a.text)
		}
		// A new password ends every other link.
		first, second := s.resetCode(ada.id), s.resetCode(ada.id)
		s.mustBe(204, "POST", "/api/v1/password/redeem", redeem(first, goodPassword))
		s.mustBe(403, "POST", "/api/v1/password/redeem", redeem(second, goodPassword))

		// Nobody makes one for whoever may do more, and gets it into their hands.
		ada.login("default").want(403, "POST", "/api/v1/users/"+boss.id+"/password-reset", `{"mail":false}`)
		okta := &person{served: s, name: "okta", token: s.secret("token", "create", "okta", "--client", "okta")}
		okta.want(403, "POST", "/api/v1/users/"+boss.id+"/password-reset", `{"mail":false}`)
		okta.want(201, "POST", "/api/v1/users/"+ada.id+"/password-reset", `{"mail":false}`)
		boss.want(403, "POST", "/api/v1/users/"+boss.id+"/password-reset", `{"mail":false}`)
		s.want(404, "POST", "/api/v1/users/0190a7b2-0000-7000-8000-000000000000/password-reset", `{"mail":false}`)

		// The same answer, whoever exists.
		for _, name := range []string{"ada", "nobody"} {
			s.mustBe(202, "POST", "/api/v1/password/reset", fmt.Sprintf(`{"userName":%q}`, name))
		}
		s.mustBe(202, "POST", "/api/v1/password/reset", `{"userName":"ada","workspace":"unknown"}`)
		refused := 0
		for range 10 {
			if s.as("", "POST", "/api/v1/password/reset", `{"userName":"nobody"}`).code == 429 {
				refused++
			}
		}
		if refused == 0 {
			t.Error("requests for resets are not slowed down")
		}

		code3, out, errs := s.cli("password", "reset", "ada", "--mail=false")
		if code3 != exitDone {
			t.Fatalf("rollcall password reset = %d %s", code3, errs)
		}
		if code3, _, errs = s.program("", "a third password\n", "password", "redeem", strings.TrimSpace(out)); code3 != exitDone {
			t.Errorf("rollcall password redeem = %d %s", code3, errs)
		}
		if a := s.tryLogin("", "ada", "a third password", ""); a.code != 200 {
			t.Errorf("login with the new password = %d %s", a.code, a.text)
		}
		if code3, _, errs = s.program("", "", "password", "forgot", "somebody"); code3 != exitDone {
			t.Errorf("rollcall password forgot = %d %s", code3, errs)
		}
	})
}

// walkLinks calls every route about links with success.
func walkLinks(s *served) {
	s.t.Helper()
	s.want(200, "PATCH", "/api/v1/settings", `{"allowGuestSignup":true}`)
	ada := s.user("default", "adam", "")
	ada.want(200, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"emails","value":[{"value":"fresh@example.com","primary":true}]}`))
	_, fresh := linkIn(s.t, s.smtp.Wait(s.t, "fresh@example.com", 1)[0])
	s.mustBe(204, "POST", "/api/v1/emails/verify", fmt.Sprintf(`{"code":%q}`, fresh))
	time.Sleep(600 * time.Millisecond) // for the settings
	s.mustBe(200, "GET", "/api/v1/discovery", "")
	s.mustBe(404, "GET", "/api/v1/discovery?workspace=annex", "")
	s.mustBe(202, "POST", "/api/v1/register", fmt.Sprintf(`{"name":"Max","email":"max@example.com","password":%q,"passwordVerify":%[1]q}`, goodPassword))
	_, verify := linkIn(s.t, s.smtp.Wait(s.t, "max@example.com", 1)[0])
	s.mustBe(201, "POST", "/api/v1/register/verify", fmt.Sprintf(`{"code":%q,"password":%q}`, verify, goodPassword))
	p, code := s.invite("default", `{"userName":"jane@example.com","mail":false}`)
	s.mustBe(200, "POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"code":%q,"password":%q}`, code, goodPassword))
	s.mustBe(204, "POST", "/api/v1/password/redeem", fmt.Sprintf(`{"code":%q,"new":"a second password"}`, s.resetCode(p.id)))
	s.mustBe(202, "POST", "/api/v1/password/reset", `{"userName":"jane@example.com"}`)
	id := s.want(201, "POST", "/api/v1/invitations", `{"userName":"kim@example.com","mail":false}`).body["id"].(string)
	s.want(200, "GET", "/api/v1/invitations", "")
	s.want(204, "DELETE", "/api/v1/invitations/"+id, "")
}

func TestA24_OptionsAtCreation(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, storeURL string) {
		s := accountServer(t, storeURL)
		s.workspace("lab", "accsyn")
		names := 0
		for _, at := range []struct{ path, begin string }{
			{"/api/v1/invitations?workspace=lab", `{"userName":"%s@example.com","mail":false,`},
			{"/api/v1/users?workspace=lab", `{"user":{"userName":"%s@example.com"},`},
		} {
			make := func(code int, options string) answer {
				t.Helper()
				names++
				a := s.want(code, "POST", at.path, fmt.Sprintf(at.begin, fmt.Sprint("u", names))+options+"}")
				if user, ok := a.body["user"].(map[string]any); ok {
					a.body = user
				}
				return a
			}
			has := func(a answer, want string) {
				t.Helper()
				var list []string
				entitlements, _ := a.body["entitlements"].([]any)
				for _, v := range entitlements {
					m := v.(map[string]any)
					list = append(list, fmt.Sprintf("%v=%v", m["type"], strings.Replace(m["value"].(string), fmt.Sprint(a.body["id"]), "ID", 1)))
				}
				if got := strings.Join(list, " "); got != want {
					t.Errorf("%s: entitlements %q, want %q", at.path, got, want)
				}
			}
			has(make(201, `"role":"employee","allVolumes":true,"defaultVolume":true`), "volume=*:rw volume=default:rw")
			make(400, `"role":"standard","allVolumes":true`)
			make(400, `"defaultVolume":true`)
			make(400, `"role":"administrator","defaultVolume":true`)
			has(make(201, `"volumes":["v1","v2","v1"]`), "volume=v1:rw volume=v2:rw")
			make(400, `"volumes":["v1:rw"]`)
			has(make(201, `"homeEntitlement":true`), "home=ID:rw")
			has(make(201, `"role":"standard"`), "")
			s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"homePolicy":"create"}`)
			time.Sleep(600 * time.Millisecond)
			has(make(201, `"role":"standard"`), "home=ID:rw")
			has(make(201, `"homeEntitlement":false`), "")
			s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"homePolicy":"none"}`)
			time.Sleep(600 * time.Millisecond)
		}
		s.want(400, "POST", "/api/v1/users?workspace=lab", `{"user":{"userName":"m@example.com"},"mail":true}`) // this server sends none
		s.want(400, "POST", "/api/v1/users?workspace=lab", `{"user":{"userName":"m@example.com"},"message":"alone"}`)
		code, out, errs := s.cli("user", "create", "cli@example.com", "--workspace", "lab", "--role", "employee", "--default-volume", "--volume", "v7", "--home", "-o", "json")
		if code != exitDone || !strings.Contains(out, "default:rw") || !strings.Contains(out, "v7:rw") || !strings.Contains(out, `"home"`) {
			t.Errorf("rollcall user create = %d %s%s", code, out, errs)
		}
		if code, _, errs = s.cli("invitation", "create", "cli2@example.com", "--workspace", "lab", "--all-volumes", "--mail=false"); code != exitUsage || !strings.Contains(errs, "employee") {
			t.Errorf("rollcall invitation create --all-volumes of another role = %d %s", code, errs)
		}
	})
}
