package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

func TestA01_LoginByPassword(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.makeUser("default", "ada", "")
		for _, name := range []string{"ada", "ADA", "ada@example.com"} {
			a := s.tryLogin("", name, goodPassword, "")
			user, _ := a.body["user"].(map[string]any)
			if a.code != 200 || user["id"] != ada.id || strings.Contains(a.text, goodPassword) || strings.Contains(a.text, "argon2") {
				t.Fatalf("login as %s = %d %s", name, a.code, a.text)
			}
			ada.token = a.body["token"].(string)
		}
		// The session works on SCIM and API alike.
		if me := ada.want(200, "GET", "/scim/v2/Me", ""); me.body["id"] != ada.id || me.body["password"] != nil {
			t.Errorf("/Me = %s", me.text)
		}
		ada.want(403, "GET", "/scim/v2/Users", "")
		ada.want(200, "GET", "/api/v1/sessions", "")

		// Whatever is wrong, the answer is the same.
		off := s.makeUser("default", "off", "")
		s.want(200, "PATCH", "/scim/v2/Users/"+off.id, userPatch(`{"op":"replace","path":"active","value":false}`))
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"none"}`)
		want := s.tryLogin("", "ada", "wrong password", "192.0.2.1").body
		for i, c := range [][3]string{{"", "nobody", goodPassword}, {"", "off", goodPassword}, {"", "none", ""}, {"", "none", goodPassword},
			{"elsewhere", "ada", goodPassword}, {"", "", ""}, {"", "ada", strings.Repeat("x", 2000)}} {
			a := s.tryLogin(c[0], c[1], c[2], fmt.Sprintf("192.0.2.%d", 10+i))
			if a.code != 401 || a.body["detail"] != want["detail"] || a.body["type"] != want["type"] {
				t.Errorf("login %q = %d %s, want as for a wrong password: %v", c, a.code, a.text, want)
			}
		}

		// Passwords are compared whole.
		long := strings.Repeat("a long password ", 60)
		s.want(201, "POST", "/scim/v2/Users", fmt.Sprintf(`{"userName":"long","password":%q}`, long))
		if a := s.tryLogin("", "long", long[:len(long)-1]+"x", "192.0.2.40"); a.code != 401 {
			t.Errorf("a password that differs at the end = %d", a.code)
		}
		if a := s.tryLogin("", "long", long, "192.0.2.41"); a.code != 200 {
			t.Errorf("a password of %d bytes = %d %s", len(long), a.code, a.text)
		}

		ada.want(204, "POST", "/api/v1/logout", "")
		ada.want(401, "GET", "/scim/v2/Me", "")

		code, out, errs := s.program("", goodPassword+"\n", "login", "ada")
		if code != exitDone {
			t.Fatalf("rollcall login = %d %s", code, errs)
		}
		ada.token = strings.TrimSpace(out)
		ada.want(200, "GET", "/scim/v2/Me", "")
		if code, _, errs := s.program("", "wrong\n", "login", "ada"); code != exitFailed || !strings.Contains(errs, "wrong") {
			t.Errorf("rollcall login with a wrong password = %d %s", code, errs)
		}
		if code, _, errs := s.program(ada.token, "", "logout"); code != exitDone {
			t.Errorf("rollcall logout = %d %s", code, errs)
		}
		ada.want(401, "GET", "/scim/v2/Me", "")
	})
}

// TestA01_EmailAsUserName: where a workspace says so, an account that is made without a userName is called
// by its e-mail address, whoever makes it; and an address that one account alone has logs in.
func TestA01_EmailAsUserName(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "pysyft")
		user := func(who, mails string) string {
			return fmt.Sprintf(`{"displayName":%q,"emails":[%s],"password":%q}`, who, mails, goodPassword)
		}
		one := func(mail string) string { return fmt.Sprintf(`{"value":%q}`, mail) }
		named := func(a answer, want string) {
			t.Helper()
			if a.body["userName"] != want {
				t.Errorf("an account without a userName = %d %s, want %s", a.code, a.text, want)
			}
		}
		named(s.want(201, "POST", "/w/lab/scim/v2/Users", user("Ada", one("other@example.com")+`,{"value":"ada@example.com","primary":true}`)), "ada@example.com")
		named(s.want(201, "POST", "/w/lab/scim/v2/Users", `{"USERNAME":"","Emails":[`+one("bob@example.com")+`],"displayName":"Bob","password":"`+goodPassword+`"}`), "bob@example.com")
		named(s.want(201, "POST", "/api/v1/users?workspace=lab", `{"user":`+user("Cy", one("cy@example.com"))+`}`), "cy@example.com")
		bulk := s.want(200, "POST", "/w/lab/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"POST","path":"/Users","bulkId":"b","data":`+user("Dee", one("dee@example.com"))+`}]}`)
		if !strings.Contains(bulk.text, `"status":"201"`) {
			t.Errorf("a bulk that makes an account without a userName = %s", bulk.text)
		}
		s.want(400, "POST", "/w/lab/scim/v2/Users", `{"displayName":"Nobody","password":"`+goodPassword+`"}`)
		s.want(409, "POST", "/w/lab/scim/v2/Users", user("Ada again", one("ada@example.com")))
		s.want(400, "POST", "/scim/v2/Users", user("Elsewhere", one("eve@example.com"))) // only where the workspace says so

		s.want(201, "POST", "/w/lab/scim/v2/Users", `{"userName":"eve","displayName":"Eve","emails":[`+one("shared@example.com")+`],"password":"`+goodPassword+`"}`)
		for who, want := range map[string]int{"dee@example.com": 200, "other@example.com": 200, "shared@example.com": 200, "eve": 200} {
			if a := s.tryLogin("lab", who, goodPassword, ""); a.code != want {
				t.Errorf("login as %s = %d %s, want %d", who, a.code, a.text, want)
			}
		}
		s.want(201, "POST", "/w/lab/scim/v2/Users", `{"userName":"fay","displayName":"Fay","emails":[`+one("shared@example.com")+`],"password":"`+goodPassword+`"}`)
		if a := s.tryLogin("lab", "shared@example.com", goodPassword, "192.0.2.9"); a.code != 401 {
			t.Errorf("login by an address that two have = %d, want 401", a.code)
		}
	})
}

// TestA01_Throttled: guesses are slowed down for who makes them, and for nobody else.
func TestA01_Throttled(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.makeUser("default", "victim", "")
		var mu sync.Mutex
		var wait sync.WaitGroup
		codes := map[int]int{}
		for range 40 {
			wait.Go(func() {
				a := s.tryLogin("", "victim", "a guess", "203.0.113.9")
				mu.Lock()
				defer mu.Unlock()
				codes[a.code]++
				if a.code == 429 && a.header.Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
			})
		}
		wait.Wait()
		// On a slow machine a second passes meanwhile, and lets one more through.
		if codes[401] < 1 || codes[401] > 8 || codes[401]+codes[429] != 40 {
			t.Errorf("40 guesses at once from one address: %v, want about five 401 and the rest 429", codes)
		}
		if a := s.tryLogin("", "victim", goodPassword, "198.51.100.7"); a.code != 200 {
			t.Errorf("the victim from elsewhere = %d %s, want 200", a.code, a.text)
		}
		slowed := false // the waits grow: on any machine one comes that is not over yet
		for range 20 {
			slowed = slowed || s.tryLogin("", "VICTIM@example.com", "a guess", "203.0.113.9").code == 429
		}
		if !slowed {
			t.Error("another spelling from the attacker's address is never slowed down")
		}
	})
}

// TestA01_Time holds that what is wrong with a login cannot be told by its answer nor, at full count, by
// its time: the medians of 200 are within 5 %. That the work is the same is TestLoginLooksTheSame's.
func TestA01_Time(t *testing.T) {
	s := accountServer(t, "bolt:"+t.TempDir()+"/rollcall.db")
	const names = 8 // no account is tried so often that it is slowed down
	for i := range names {
		s.makeUser("default", fmt.Sprint("ada", i), "")
		off := s.makeUser("default", fmt.Sprint("off", i), "")
		s.want(200, "PATCH", "/scim/v2/Users/"+off.id, userPatch(`{"op":"replace","path":"active","value":false}`))
	}
	kinds := []loginKind{{"a wrong password", "", "ada"}, {"an unknown user", "", "nobody"}, {"a disabled account", "", "off"}, {"an unknown workspace", "elsewhere", "ada"}}
	n, tries := testserver.Rounds(3, 200), 3
	for try := range tries {
		took := s.timeLogins(kinds, names, n, try)
		worst := 0.0
		for i, k := range kinds {
			slices.Sort(took[i])
			ratio := float64(took[i][n/2]) / float64(took[0][n/2])
			worst = max(worst, ratio-1, 1-ratio)
			t.Logf("median of %d: %s %v, ratio %.3f", n, k.what, took[i][n/2], ratio)
		}
		if n < 200 || worst <= 0.05 {
			return
		}
	}
	t.Errorf("what is wrong with a login can be told by its time, %d times in a row", tries)
}

// loginKind is something that is wrong with a login.
type loginKind struct{ what, workspace, name string }

// timeLogins tries each kind n times, in turns of no order so that what else the machine does is shared alike, and
// holds that the answers are the same.
func (s *served) timeLogins(kinds []loginKind, names, n, try int) [][]time.Duration {
	s.t.Helper()
	took, said := make([][]time.Duration, len(kinds)), ""
	for i := range n {
		for _, k := range rand.Perm(len(kinds)) {
			began := time.Now()
			a := s.tryLogin(kinds[k].workspace, fmt.Sprint(kinds[k].name, i%names), goodPassword+kinds[k].wrong(), fmt.Sprintf("10.%d.%d.%d", try*len(kinds)+k, i/200, 1+i%200))
			took[k] = append(took[k], time.Since(began))
			delete(a.body, "requestId")
			answer := fmt.Sprint(a.code, a.body, a.header.Get("Www-Authenticate"), a.header.Get("Content-Type"))
			if said == "" {
				said = answer
			}
			if a.code != 401 || answer != said {
				s.t.Fatalf("login with %s = %s, want %s", kinds[k].what, answer, said)
			}
		}
	}
	return took
}

// wrong is what makes the password a wrong one, where that is what is wrong.
func (k loginKind) wrong() string {
	if k.workspace == "" && k.name == "ada" {
		return " and more"
	}
	return ""
}

func TestA02_GuestLogin(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "pysyft")
		nobody := &person{served: s, name: "nobody"}
		for _, w := range []string{"lab", "default", "unknown"} {
			if a := s.as("", "POST", "/api/v1/login/guest", fmt.Sprintf(`{"workspace":%q}`, w)); a.code != 403 {
				t.Errorf("guest login to %s, where it is off = %d %s", w, a.code, a.text)
			}
		}
		s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"allowGuestLogin":true}`)
		time.Sleep(600 * time.Millisecond)
		a := s.as("", "POST", "/api/v1/login/guest", `{"workspace":"lab"}`)
		if a.code != 200 {
			t.Fatalf("guest login = %d %s", a.code, a.text)
		}
		nobody.token = a.body["token"].(string)
		nobody.want(404, "GET", "/scim/v2/Me", "") // a guest is no person
		nobody.want(403, "GET", "/scim/v2/Users", "")
		nobody.want(404, "GET", "/w/default/scim/v2/Users", "")
		nobody.want(403, "POST", "/api/v1/password", `{"current":"a","new":"b"}`)
		nobody.want(200, "GET", "/scim/v2/ServiceProviderConfig", "")

		code, out, errs := s.program("", "", "login", "--guest", "--workspace", "lab")
		if code != exitDone || !strings.HasPrefix(out, "rc_") {
			t.Errorf("rollcall login --guest = %d %s%s", code, out, errs)
		}
		// Switched off, guests are out.
		s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"allowGuestLogin":false}`)
		nobody.refusedSoon("guest login off")
		s.want(400, "PATCH", "/api/v1/settings?workspace="+s.workspace("art", "argilla"), `{"allowGuestLogin":true}`)
	})
}

func TestA03_ActingAsAnother(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		boss := s.user("default", "boss", "admin")
		ada := s.makeUser("default", "ada", "")
		s.makeUser("default", "chief", "admin")
		s.want(200, "PATCH", "/api/v1/settings", `{"roles":[{"name":"member","permissions":["self:read","self:update"]},{"name":"guest","permissions":["self:read"]},
			{"name":"deputy","permissions":["users:list","users:read","self:read","self:update","sessions:impersonate"]},
			{"name":"writer","permissions":["users:list","users:read","users:update","self:read","self:update"]},
			{"name":"admin","permissions":["users:create","users:list","users:read","users:update","users:delete","groups:create","groups:read","groups:update","groups:delete","self:read","self:update","roles:assign","ids:set","invitations:manage","sessions:manage","sessions:impersonate","secrets:read","secrets:write","credentials:list","leases:manage","tokens:manage","sync:run","sync:read","audit:read","settings:read","settings:manage"]}]}`)
		time.Sleep(600 * time.Millisecond)
		writer := s.makeUser("default", "writer", "writer")
		deputy := s.user("default", "deputy", "deputy")

		a := boss.want(201, "POST", "/api/v1/impersonations", `{"userName":"ada"}`)
		as := &person{served: s, name: "boss as ada", token: a.body["token"].(string)}
		if a.body["actor"] != "user:"+boss.id {
			t.Errorf("the session names %v, want both", a.text)
		}
		as.want(200, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"nickName","value":"Countess"}`))
		ext := s.want(200, "GET", "/scim/v2/Users/"+ada.id, "").body[urnAccount].(map[string]any)
		by := ext["modifiedBy"].(map[string]any)
		if by["value"] != "user:"+ada.id || by["actor"] != "user:"+boss.id {
			t.Errorf("modifiedBy = %v, want subject and actor", by)
		}
		if feed := s.want(200, "GET", "/api/v1/changes?after=0", "").text; !strings.Contains(feed, `"user:`+ada.id+` by user:`+boss.id+`"`) {
			t.Errorf("the feed does not name both: %s", feed)
		}
		as.want(403, "POST", "/api/v1/password", `{"current":"`+goodPassword+`","new":"another good password"}`)
		as.want(403, "POST", "/api/v1/tokens", `{"name":"x"}`)
		as.want(403, "POST", "/api/v1/impersonations", `{"guest":true}`)
		if list := boss.want(200, "GET", "/api/v1/sessions", "").text; !strings.Contains(list, `"actor":"user:`+boss.id) {
			t.Errorf("sessions do not tell who acts: %s", list)
		}

		// Not as somebody who may do more, who may act as others, who is disabled, or as oneself.
		boss.want(403, "POST", "/api/v1/impersonations", `{"userName":"chief"}`)
		boss.want(403, "POST", "/api/v1/impersonations", `{"userName":"deputy"}`)
		boss.want(403, "POST", "/api/v1/impersonations", `{"userName":"boss"}`)
		deputy.want(403, "POST", "/api/v1/impersonations", `{"userId":"`+writer.id+`"}`)
		deputy.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+ada.id+`"}`)
		boss.want(404, "POST", "/api/v1/impersonations", `{"userName":"nobody"}`)
		boss.want(400, "POST", "/api/v1/impersonations", `{}`)
		ada.login("default").want(403, "POST", "/api/v1/impersonations", `{"guest":true}`)

		// As a guest, with guest login off; and by a token that may.
		boss.want(201, "POST", "/api/v1/impersonations", `{"guest":true}`)
		code, out, errs := s.cli("impersonate", "ada")
		if code != exitDone || !strings.HasPrefix(out, "rc_") {
			t.Errorf("rollcall impersonate = %d %s", code, errs)
		}

		// It ends with the administrator's own session.
		boss.want(204, "POST", "/api/v1/logout", "")
		as.refusedSoon("the administrator logged out")
	})
}

func TestA04_Passwords(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.user("default", "ada", "")
		const second, third = "a second password", "a third password"
		set := func(current, new string) string {
			return fmt.Sprintf(`{"current":%q,"new":%q,"confirm":%q}`, current, new, new)
		}
		ada.want(400, "POST", "/api/v1/password", `{"current":"`+goodPassword+`","new":"abc12345x","confirm":"other"}`)
		ada.want(400, "POST", "/api/v1/password", set(goodPassword, "short"))
		ada.want(400, "POST", "/api/v1/password", set(goodPassword, "ada@example.com"))
		ada.want(400, "POST", "/api/v1/password", set(goodPassword, goodPassword))
		ada.want(400, "POST", "/api/v1/password", set(goodPassword, strings.Repeat("x", 1025)))
		ada.want(403, "POST", "/api/v1/password", set("not the one", second))
		ada.want(403, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"password","value":"`+second+`"}`))
		other := *ada
		other.login("default")
		ada.want(204, "POST", "/api/v1/password", set(goodPassword, second))
		other.refusedSoon("an own new password")
		if a := s.tryLogin("", "ada", goodPassword, "192.0.2.1"); a.code != 401 {
			t.Errorf("the old password = %d", a.code)
		}
		login := func(password string) *person {
			t.Helper()
			a := s.tryLogin("", "ada", password, "")
			if a.code != 200 {
				t.Fatalf("login with %q = %d %s", password, a.code, a.text)
			}
			return &person{served: s, id: ada.id, name: "ada", token: a.body["token"].(string)}
		}
		again := login(second)

		// An administrator resets it by API or SCIM; helpers do not reset administrators'.
		boss := s.user("default", "boss", "admin")
		boss.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":%q}`, ada.id, third))
		again.refusedSoon("a reset by API")
		again = login(third)
		boss.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"password","value":"`+second+`"}`))
		again.refusedSoon("a reset by PATCH")
		again = login(second)
		boss.want(200, "PUT", "/scim/v2/Users/"+ada.id, `{"userName":"ada","password":"`+third+`"}`)
		again.refusedSoon("a reset by PUT")
		again = login(third)
		again.want(403, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"a password of mine"}`, boss.id))
		okta := s.secret("token", "create", "okta", "--client", "okta")
		provider := &person{served: s, name: "okta", token: okta}
		provider.want(403, "PATCH", "/scim/v2/Users/"+boss.id, userPatch(`{"op":"replace","path":"password","value":"taken over by okta"}`))
		provider.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"password","value":"set by okta"}`))

		// One who logs in elsewhere has none here.
		ldap := s.want(201, "POST", "/scim/v2/Users", `{"userName":"lda","`+urnAccount+`":{"source":"ldap"}}`).body["id"].(string)
		s.want(400, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"a password"}`, ldap))
		s.want(400, "POST", "/scim/v2/Users", `{"userName":"sso","password":"a password","`+urnAccount+`":{"source":"sso"}}`)

		code, _, errs := s.program(testToken, third+"\n"+third+"\n", "password", "--user", "ada")
		if code != exitDone {
			t.Fatalf("rollcall password --user = %d %s", code, errs)
		}
		code, _, errs = s.program(login(third).token, third+"\n"+second+"\n", "password", "--confirm=false")
		if code != exitDone {
			t.Fatalf("rollcall password = %d %s", code, errs)
		}
		login(second)
	})
}
