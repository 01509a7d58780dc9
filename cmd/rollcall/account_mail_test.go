package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// mailServer is accountServer with a mail server, and with the sender running.
func mailServer(t *testing.T, storeURL string, smtp *testserver.SMTP) *served {
	t.Helper()
	testserver.Long(t)
	core, h := openServerCore(t, storeURL, mailConfig(smtp, ""))
	sendMail(t, core)
	server := httptest.NewServer(asDocumented(t, h))
	t.Cleanup(server.Close)
	return &served{t: t, base: server.URL, storeURL: storeURL}
}

func mailConfig(smtp *testserver.SMTP, more string) string {
	return fmt.Sprintf("server: {trusted_proxies: [127.0.0.0/8]}\nmail: {host: 127.0.0.1, port: %d, tls: off, from: 'Rollcall <rollcall@example.com>', base_url: 'https://people.example.com'%s}\n", smtp.Port, more)
}

// sendMail sends what is in the outbox until the test ends.
func sendMail(t *testing.T, core *core) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wait sync.WaitGroup
	wait.Go(func() { core.accounts.RunMail(ctx) })
	t.Cleanup(func() { stop(); wait.Wait() })
}

var linkPattern = regexp.MustCompile(`https://people\.example\.com(/console/[a-z]+\?code=\S+)`)

// linkIn is the code of the link in a mail, and the path of its page.
func linkIn(t *testing.T, m testserver.Mail) (page, code string) {
	t.Helper()
	found := linkPattern.FindStringSubmatch(m.Text)
	if found == nil {
		t.Fatalf("a mail has no link: %+v", m)
	}
	u, err := url.Parse(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return found[1], u.Query().Get("code")
}

// subjects are those of the mails for an address, without the greeting of the workspace.
func subjects(mails []testserver.Mail) string {
	var list []string
	for _, m := range mails {
		list = append(list, m.Subject)
	}
	return strings.Join(list, "; ")
}

func TestA09_Notifications(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	n := 0
	onStores(t, func(t *testing.T, storeURL string) {
		s := mailServer(t, storeURL, smtp)
		n++
		ada, quiet := s.user("default", fmt.Sprint("ada", n), ""), s.user("default", fmt.Sprint("quiet", n), "")
		if code, out, errs := runCLI(t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + quiet.token}, "user", "update", "me", "notificationsEnabled=false"); code != exitDone {
			t.Fatalf("user update me = %d\n%s%s", code, out, errs)
		}
		boss := s.user("default", fmt.Sprint("boss", n), "admin")

		for _, p := range []*person{ada, quiet} {
			active := func(on bool) {
				s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(fmt.Sprintf(`{"op":"replace","path":"active","value":%t}`, on)))
			}
			active(false)
			active(true)
			s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"admin"}]}`))
			boss.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"a second password"}`, p.id))
			s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"nickName","value":"N"}`))
			s.want(409, "POST", "/scim/v2/Users", fmt.Sprintf(`{"userName":%q}`, p.name))
		}
		a := s.tryLogin("", ada.name, "a second password", "")
		ada.token = a.body["token"].(string)
		ada.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"current":"a second password","new":%q}`, goodPassword))
		s.want(200, "PUT", "/api/v1/users/"+ada.id+"/trial", fmt.Sprintf(`{"grantedOn":1000,"expiresOn":%d}`, time.Now().Add(12*time.Hour).UnixMilli()))

		mails := smtp.Wait(t, ada.name+"@example.com", 5)
		got := subjects(mails)
		for _, want := range []string{"is disabled", "is enabled", "role at default", "password was changed"} {
			if !strings.Contains(got, want) {
				t.Errorf("mails to ada: %s; none that says %q", got, want)
			}
		}
		if mails[0].From != `"Rollcall" <rollcall@example.com>` || !strings.Contains(mails[0].Text, "Hello "+ada.name+",") || !strings.Contains(mails[0].Text, "notificationsEnabled") {
			t.Errorf("a mail: %+v", mails[0])
		}
		time.Sleep(3 * time.Second) // longer than between two looks at the outbox
		if mails := smtp.Mails(t, quiet.name+"@example.com"); len(mails) != 0 {
			t.Errorf("whoever wants no mail got %s", subjects(mails))
		}
		if mails := smtp.Mails(t, ada.name+"@example.com"); len(mails) != 5 {
			t.Errorf("ada got %s, want five mails", subjects(mails))
		}
	})
}

// TestA09_Reminders: whoever's trial or token ends soon is told once.
func TestA09_Reminders(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	testserver.Long(t)
	storeURL := testserver.StartRedis(t).URL()
	core, h := openServerCore(t, storeURL, mailConfig(smtp, ""))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s := &served{t: t, base: server.URL}
	ada := s.user("default", "ada", "admin")
	s.want(200, "PUT", "/api/v1/users/"+ada.id+"/trial", fmt.Sprintf(`{"grantedOn":1000,"expiresOn":%d}`, time.Now().Add(12*time.Hour).UnixMilli()))
	s.makeUser("default", "later", "")
	ada.want(201, "POST", "/api/v1/tokens", fmt.Sprintf(`{"name":"crawler","expiresIn":%d}`, 40*24*60*60))
	ada.want(201, "POST", "/api/v1/tokens", fmt.Sprintf(`{"name":"short","expiresIn":%d}`, 60*60))
	ada.want(201, "POST", "/api/v1/tokens", fmt.Sprintf(`{"name":"monthly","client":"okta","expiresIn":%d}`, 30*24*60*60+5))
	sendMail(t, core)
	smtp.Wait(t, "ada@example.com", 1)
	// A second process says it not again.
	again, stop := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Second)
	defer stop()
	second, _ := openServerCore(t, storeURL, mailConfig(smtp, ""))
	second.accounts.RunMail(again)
	got := subjects(smtp.Mails(t, ""))
	if !strings.Contains(got, "Your trial at default ends soon") || strings.Count(got, "trial") != 1 || strings.Contains(got, "crawler") || strings.Contains(got, "short") {
		t.Errorf("reminders: %s", got)
	}
}

// TestA09_ServerAway: mail waits while the server is away or puts it off, nothing waits for the mail, and
// each comes once, whichever replica sends.
func TestA09_ServerAway(t *testing.T) {
	t.Parallel()
	cert, key := "", ""
	ca := testserver.NewCA(t)
	cert, key = ca.Issue(t, "127.0.0.1")
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{Cert: cert, Key: key, User: "rollcall", Password: "the mail password"})
	smtp.Kill()
	redis := testserver.StartRedis(t)
	config := mailConfig(smtp, ", user: rollcall, password: the mail password, ca_file: "+ca.File)
	config = strings.Replace(config, "tls: off, ", "", 1)
	core1, h := openServerCore(t, redis.URL(), config)
	core2, _ := openServerCore(t, redis.URL(), config)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	s := &served{t: t, base: server.URL}
	sendMail(t, core1)
	sendMail(t, core2)

	names := []string{"one", "two", "later-three", "never-four"}
	for _, name := range names {
		s.want(201, "POST", "/api/v1/invitations", fmt.Sprintf(`{"userName":"%s@example.com","message":"Come in"}`, name))
	}
	metrics := func() (waiting float64) {
		n, oldest, err := core1.accounts.WaitingMail(t.Context())
		if err != nil || n > 0 && oldest.IsZero() {
			t.Fatal(err)
		}
		return float64(n)
	}
	if n := metrics(); n != 4 {
		t.Errorf("%v mails wait, want 4", n)
	}
	dump := redis.Do(t, "HGETALL", "rc:{sys}:kv:outbox")
	if strings.Contains(dump, "rc_") || strings.Contains(dump, "one@example.com") {
		t.Errorf("the outbox holds a code or an address: %s", dump)
	}
	smtp.Restart(t)
	for _, name := range names[:3] {
		mails := smtp.Wait(t, name+"@example.com", 1)
		_, code := linkIn(t, mails[0])
		if !strings.Contains(mails[0].Text, "Come in") || !s.codeGood(code) {
			t.Errorf("the invitation of %s: %+v", name, mails[0])
		}
	}
	time.Sleep(3 * time.Second)
	seen := map[string]int{}
	for _, m := range smtp.Mails(t, "") {
		seen[m.To]++
	}
	if len(seen) != 3 || seen["one@example.com"] != 1 || seen["two@example.com"] != 1 || seen["later-three@example.com"] != 1 {
		t.Errorf("mails by address: %v, want one for each", seen)
	}
	if n := metrics(); n != 1 {
		t.Errorf("%v mails wait, want the one that the server refuses", n)
	}
}

func TestA07_SelfServiceRegistration(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	n := 0
	onStores(t, func(t *testing.T, storeURL string) {
		s := mailServer(t, storeURL, smtp)
		n++
		lab := s.workspace("lab", "pysyft")
		jane := fmt.Sprintf("jane%d@example.com", n)
		form := func(workspace, email, more string) string {
			return fmt.Sprintf(`{"workspace":%q,"name":"Jane Doe","email":%q,"password":%q,"passwordVerify":%[3]q%s}`, workspace, email, goodPassword, more)
		}
		// Closed is how it begins, and an unknown workspace looks like a closed one.
		closed := s.mustBe(403, "POST", "/api/v1/register", form(lab, jane, ""))
		unknown := s.mustBe(403, "POST", "/api/v1/register", form("unknown", jane, ""))
		if closed.body["detail"] != unknown.body["detail"] {
			t.Errorf("closed: %s unknown: %s", closed.text, unknown.text)
		}
		none := s.mustBe(404, "GET", "/api/v1/discovery?workspace=unknown", "")
		if a := s.mustBe(404, "GET", "/api/v1/discovery?workspace=lab", ""); a.body["detail"] != none.body["detail"] {
			t.Errorf("discovery of a closed workspace: %s, of none: %s", a.text, none.text)
		}
		s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"allowGuestSignup":true}`)
		s.want(200, "PATCH", "/api/v1/settings", `{"allowGuestSignup":true}`)
		s.want(400, "PATCH", "/api/v1/settings", `{"homePolicy":"perhaps"}`)
		time.Sleep(600 * time.Millisecond)
		if a := s.mustBe(200, "GET", "/api/v1/discovery?workspace=lab", ""); a.body["signup"] != true || a.body["guest"] != false || a.body["workspace"] != "lab" || fmt.Sprint(a.body["sso"]) != "[]" {
			t.Errorf("discovery = %s", a.text)
		}

		// PySyft's way: an account at once, and a duplicate is told.
		a := s.mustBe(201, "POST", "/api/v1/register", form(lab, jane, `,"institution":"MIT","website":"https://jane.example.com"`))
		for _, want := range []string{`"DATA_SCIENTIST"`, `"organization":"MIT"`, `"profileUrl":"https://jane.example.com"`, `"displayName":"Jane Doe"`} {
			if !strings.Contains(a.text, want) {
				t.Errorf("the account has no %s: %s", want, a.text)
			}
		}
		if strings.Contains(a.text, goodPassword) {
			t.Errorf("the password comes back: %s", a.text)
		}
		s.mustBe(409, "POST", "/api/v1/register", form(lab, jane, ""))
		s.mustBe(400, "POST", "/api/v1/register", strings.Replace(form(lab, "x@example.com", ""), `"passwordVerify":"correct`, `"passwordVerify":"other`, 1))
		s.mustBe(400, "POST", "/api/v1/register", form(lab, "no address", ""))
		s.mustBe(400, "POST", "/api/v1/register", form(lab, "x@example.com", `,"website":"javascript:alert(1)"`))
		if a := s.tryLogin(lab, jane, goodPassword, ""); a.code != 200 {
			t.Errorf("login of who registered = %d %s", a.code, a.text)
		}

		// By a mailed link: 202 whoever exists; the owner of an address that is taken is told.
		taken := s.makeUser("default", fmt.Sprint("taken", n), "").name + "@example.com"
		first := s.mustBe(202, "POST", "/api/v1/register", form("", jane, ""))
		if second := s.mustBe(202, "POST", "/api/v1/register", form("", taken, "")); first.text != second.text {
			t.Errorf("a new address: %s; one that is taken: %s", first.text, second.text)
		}
		if a := s.tryLogin("", jane, goodPassword, ""); a.code != 401 {
			t.Errorf("login before the link = %d", a.code)
		}
		if known := smtp.Wait(t, taken, 1)[0]; !strings.Contains(known.Subject, "already") || strings.Contains(known.Text, "code=") {
			t.Errorf("the mail to who has an account: %+v", known)
		}
		var link testserver.Mail
		for _, m := range smtp.Wait(t, jane, 2) { // one greets the account of the lab
			if strings.Contains(m.Subject, "Confirm") {
				link = m
			}
		}
		page, code := linkIn(t, link)
		confirm := fmt.Sprintf(`{"code":%q,"password":%q}`, code, goodPassword)
		s.mustBe(400, "POST", "/api/v1/register/verify", fmt.Sprintf(`{"code":%q,"password":"not the one"}`, code))
		s.mustBe(403, "POST", "/api/v1/register/verify", `{"code":"rc_none","password":"x"}`)
		if answers := s.atOnce("POST", "/api/v1/register/verify", confirm); answers[201] != 1 {
			t.Errorf("16 who confirm one registration: %v, want one 201", answers)
		}
		if a := s.as("", "POST", "/api/v1/register/verify", confirm); a.code == 201 {
			t.Errorf("%s works twice", page)
		}
		if a := s.tryLogin("", jane, goodPassword, "198.51.100.9"); a.code != 200 {
			t.Errorf("login after the link = %d %s", a.code, a.text)
		}

		max := fmt.Sprintf("max%d@example.com", n)
		if code, _, errs := s.program("", goodPassword+"\n"+goodPassword+"\n", "registration", "create", max, "--name", "Max"); code != exitDone || !strings.Contains(errs, "on its way") {
			t.Errorf("rollcall registration create = %d %s", code, errs)
		}
		if code, out, errs := s.program("", "", "discover", "lab"); code != exitDone || !strings.Contains(out, "lab") {
			t.Errorf("rollcall discover = %d %s%s", code, out, errs)
		}
		page, _ = linkIn(t, smtp.Wait(t, max, 1)[0])
		if code, out, errs := s.program("", goodPassword+"\n", "registration", "verify", "https://people.example.com"+page); code != exitDone {
			t.Errorf("rollcall registration verify = %d %s%s", code, out, errs)
		}
		if a := s.tryLogin("", max, goodPassword, ""); a.code != 200 {
			t.Errorf("login of who registered by command line = %d %s", a.code, a.text)
		}
	})
}

// TestA06_AddressAfterVerification: a new e-mail address counts once its mail was answered.
func TestA06_AddressAfterVerification(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	n := 0
	onStores(t, func(t *testing.T, storeURL string) {
		s := mailServer(t, storeURL, smtp)
		n++
		ada := s.user("default", fmt.Sprint("ada", n), "")
		old, fresh := ada.name+"@example.com", fmt.Sprintf("fresh%d@example.com", n)
		change := func(value string) string {
			return userPatch(`{"op":"replace","path":"emails","value":` + value + `},{"op":"replace","path":"nickName","value":"A"}`)
		}
		a := ada.want(200, "PATCH", "/scim/v2/Me", change(`[{"value":"`+fresh+`","primary":true}]`))
		if !strings.Contains(a.text, old) || strings.Contains(a.text, fresh) || a.body["nickName"] != "A" {
			t.Errorf("before the link: %s", a.text)
		}
		ada.want(400, "PATCH", "/scim/v2/Me", change(`[{"value":"a@example.com","primary":true},{"value":"b@example.com"}]`))
		ada.want(400, "PATCH", "/scim/v2/Me", change(`[{"value":"a@example.com"},{"value":"`+old+`","primary":true}]`))
		ada.want(400, "PATCH", "/scim/v2/Me", change(`[{"value":"not an address"}]`))
		ada.want(403, "PATCH", "/scim/v2/Me", userPatch(`{"op":"remove","path":"emails"}`))
		page, code := linkIn(t, smtp.Wait(t, fresh, 1)[0])
		if len(smtp.Mails(t, old)) != 0 {
			t.Errorf("a mail went to the old address")
		}
		if n == 1 {
			s.mustBe(204, "POST", "/api/v1/emails/verify", fmt.Sprintf(`{"code":%q}`, code))
		} else if code, _, errs := s.program("", "", "email", "verify", "https://people.example.com"+page); code != exitDone {
			t.Errorf("rollcall email verify = %d %s", code, errs)
		}
		s.mustBe(403, "POST", "/api/v1/emails/verify", fmt.Sprintf(`{"code":%q}`, code))
		if a := ada.want(200, "GET", "/scim/v2/Me", ""); strings.Contains(a.text, old) || !strings.Contains(a.text, fresh) {
			t.Errorf("after the link: %s", a.text)
		}
		// A link of before a new password is worth nothing.
		ada.want(200, "PATCH", "/scim/v2/Me", change(`[{"value":"`+old+`","primary":true}]`))
		_, code = linkIn(t, smtp.Wait(t, old, 1)[0])
		s.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"a second password"}`, ada.id))
		s.mustBe(403, "POST", "/api/v1/emails/verify", fmt.Sprintf(`{"code":%q}`, code))
	})
}

// TestLinkPages: what mailed links lead to can be read and filled in without JavaScript, has the name that
// it is about, and a link opened by a program that looks at mails does nothing.
func TestLinkPages(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	s := mailServer(t, "bolt:"+t.TempDir()+"/rollcall.db", smtp)
	s.want(200, "PATCH", "/api/v1/settings", `{"allowGuestSignup":true}`)
	time.Sleep(600 * time.Millisecond)
	ada := s.user("default", "ada", "")
	s.want(201, "POST", "/api/v1/invitations", `{"userName":"jane@example.com","message":"<b>Come</b>"}`)
	s.mustBe(202, "POST", "/api/v1/password/reset", `{"userName":"ada"}`)
	s.mustBe(202, "POST", "/api/v1/register", fmt.Sprintf(`{"name":"Max","email":"max@example.com","password":%q,"passwordVerify":%[1]q}`, goodPassword))
	ada.want(200, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"emails","value":[{"value":"fresh@example.com","primary":true}]}`))
	for _, c := range []struct {
		to, names string
		form      url.Values
	}{
		{"fresh@example.com", "fresh@example.com", url.Values{}},
		{"ada@example.com", "ada", url.Values{"new": {"a second password"}, "confirm": {"a second password"}}},
		{"jane@example.com", "&lt;b&gt;Come", url.Values{"name": {"Jane"}, "new": {goodPassword}, "confirm": {goodPassword}}},
		{"max@example.com", "max@example.com", url.Values{"password": {goodPassword}}},
	} {
		path, code := linkIn(t, smtp.Wait(t, c.to, 1)[0])
		for range 2 {
			resp, err := http.Get(s.base + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			text := string(body)
			if err != nil || resp.StatusCode != 200 || !strings.Contains(text, c.names) || !strings.Contains(text, `<html lang="en">`) || !strings.Contains(text, "<h1>") ||
				strings.Contains(text, "<script") || strings.Count(text, "<label for=") != strings.Count(text, "<input id=") || resp.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("GET %s = %d %v %s", path, resp.StatusCode, err, text)
			}
		}
		c.form.Set("code", code)
		page, _, _ := strings.Cut(path, "?")
		post := func() int {
			req, err := http.NewRequest("POST", s.base+page, strings.NewReader(c.form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if code := post(); code != 303 {
			t.Errorf("POST %s = %d, want 303", page, code)
		}
		if code := post(); code != 403 {
			t.Errorf("POST %s again = %d, want 403", page, code)
		}
	}
	for name, password := range map[string]string{"ada": "a second password", "jane@example.com": goodPassword, "max@example.com": goodPassword} {
		if a := s.tryLogin("", name, password, ""); a.code != 200 {
			t.Errorf("login of %s = %d %s", name, a.code, a.text)
		}
	}
}

// TestA04_ResetByMail: who forgot the password, and who is in several workspaces, is mailed a link; an
// address that somebody set who could not set the password gets none.
func TestA04_ResetByMail(t *testing.T) {
	t.Parallel()
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	n := 0
	onStores(t, func(t *testing.T, storeURL string) {
		s := mailServer(t, storeURL, smtp)
		n++
		ada, boss := s.user("default", fmt.Sprint("ada", n), ""), s.user("default", fmt.Sprint("boss", n), "admin")
		for _, name := range []string{ada.name, "nobody"} {
			s.mustBe(202, "POST", "/api/v1/password/reset", fmt.Sprintf(`{"userName":%q}`, name))
		}
		_, code := linkIn(t, smtp.Wait(t, ada.name+"@example.com", 1)[0])
		s.mustBe(204, "POST", "/api/v1/password/redeem", fmt.Sprintf(`{"code":%q,"new":"a second password"}`, code))
		if a := s.tryLogin("", ada.name, "a second password", ""); a.code != 200 {
			t.Errorf("login after the reset = %d", a.code)
		}

		s.workspace("annex", "default")
		s.want(200, "PUT", "/api/v1/workspaces/annex/members/"+ada.id, `{}`)
		boss.want(202, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"taken over by boss"}`, ada.id))
		if a := s.tryLogin("", ada.name, "taken over by boss", ""); a.code != 401 {
			t.Errorf("the administrator of one workspace set the password of a person of two: %d", a.code)
		}
		mails := smtp.Wait(t, ada.name+"@example.com", 3) // the second says that the password was changed
		if !strings.Contains(subjects(mails), "A new password for default") {
			t.Errorf("mails to ada: %s", subjects(mails))
		}
		boss.want(403, "POST", "/api/v1/users/"+ada.id+"/password-reset", `{"mail":false}`)

		// Whoever may not set the password does not get at it by setting the address.
		evil := fmt.Sprintf("evil%d@example.com", n)
		address := userPatch(`{"op":"replace","path":"emails","value":[{"value":"` + evil + `","primary":true}]}`)
		boss.want(200, "PATCH", "/scim/v2/Users/"+ada.id, address)
		boss.want(403, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"taken over by boss"}`, ada.id))
		s.mustBe(202, "POST", "/api/v1/password/reset", fmt.Sprintf(`{"userName":%q}`, ada.name))
		okta := &person{served: s, name: "okta", token: s.secret("token", "create", "okta", "--client", "okta")}
		okta.want(200, "PATCH", "/scim/v2/Users/"+boss.id, strings.Replace(address, evil, "x"+evil, 1))
		s.mustBe(202, "POST", "/api/v1/password/reset", fmt.Sprintf(`{"userName":%q}`, boss.name))
		time.Sleep(3 * time.Second) // longer than between two looks at the outbox
		if mails := append(smtp.Mails(t, evil), smtp.Mails(t, "x"+evil)...); len(mails) != 0 {
			t.Errorf("an address that nobody verified got %s", subjects(mails))
		}
	})
}
