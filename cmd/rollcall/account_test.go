package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestA06_OwnAccount(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada := s.user("default", "ada", "")
		const ext = urnAccount + ":"
		for _, path := range []string{"name.givenName", "displayName", "nickName", "preferredLanguage", "locale", "timezone", ext + "description"} {
			ada.want(200, "PATCH", "/scim/v2/Me", userPatch(fmt.Sprintf(`{"op":"replace","path":%q,"value":"en-GB"}`, path)))
		}
		for path, value := range map[string]string{
			"profileUrl": `"https://example.com/ada"`, "photos": `[{"value":"https://example.com/ada.png"}]`, "phoneNumbers": `[{"value":"+44 1"}]`,
			"addresses": `[{"formatted":"London"}]`, ext + "preferences": `[{"name":"dailyDigestEmails","value":"true"}]`,
			ext + "properties": `[{"name":"a","value":"b"}]`, ext + "notificationsEnabled": `false`,
		} {
			ada.want(200, "PATCH", "/scim/v2/Me", userPatch(fmt.Sprintf(`{"op":"replace","path":%q,"value":%s}`, path, value)))
		}
		before := ada.want(200, "GET", "/scim/v2/Me", "").text
		for path, value := range map[string]string{
			"userName": `"root"`, "roles": `[{"value":"admin"}]`, "active": `false`, "emails": `[{"value":"x@example.com"}]`, "title": `"Boss"`,
			"externalId": `"x"`, "entitlements": `[{"value":"all"}]`, "userType": `"DESIGNER"`, ext + "adminProperties": `[{"name":"a","value":"b"}]`,
			ext + "queue": `"fast"`, ext + "codeAllowed": `true`, ext + "source": `"ldap"`, ext + "trial.expiresOn": `"2030-01-01T00:00:00Z"`,
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": `"Board"`,
		} {
			name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(path, ext), "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"), ".expiresOn")
			short := path[strings.LastIndex(path, ":")+1:]
			for _, op := range []string{
				fmt.Sprintf(`{"op":"replace","path":%q,"value":%s}`, path, value), fmt.Sprintf(`{"op":"Add","path":%q,"value":%s}`, path, value),
				fmt.Sprintf(`{"op":"replace","value":{%q:%s}}`, path, value),
			} {
				a := ada.do("PATCH", "/scim/v2/Me", userPatch(op))
				named := strings.Contains(a.text, name) || strings.Contains(a.text, short) || name == "department" && strings.Contains(a.text, "enterprise")
				if a.code != 403 || !named {
					t.Errorf("PATCH /Me %s = %d %s, want 403 that names %s", op, a.code, a.text, name)
				}
				if a := ada.do("PATCH", "/scim/v2/Users/"+ada.id, userPatch(op)); a.code != 403 {
					t.Errorf("PATCH of the own id %s = %d %s", op, a.code, a.text)
				}
			}
		}
		ada.want(403, "PUT", "/scim/v2/Me", strings.Replace(before, `"userName":"ada"`, `"userName":"root"`, 1))
		// A PUT of what was read, or of less, keeps what is not the person's.
		ada.want(200, "PUT", "/scim/v2/Me", before)
		after := ada.want(200, "PUT", "/scim/v2/Me", `{"userName":"ada","displayName":"Ada"}`)
		if after.body["emails"] == nil || after.body["displayName"] != "Ada" || after.body["nickName"] != nil {
			t.Errorf("PUT /Me = %s", after.text)
		}
		ada.want(403, "DELETE", "/scim/v2/Me", "")
		if code, _, errs := s.program(ada.token, "", "user", "update", "me", "displayName=Lady Ada", "nickName="); code != exitDone {
			t.Errorf("rollcall user update me = %d %s", code, errs)
		}
		if a := ada.want(200, "GET", "/scim/v2/Me", ""); a.body["displayName"] != "Lady Ada" {
			t.Errorf("after rollcall user update me: %s", a.text)
		}
		if code, _, errs := s.program(ada.token, "", "user", "update", "me", "title=Boss"); code != exitFailed || !strings.Contains(errs, "title") {
			t.Errorf("rollcall user update of what is not theirs = %d %s", code, errs)
		}
	})
}

func TestA10_SessionsAndWhoIsThere(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		ada, bob := s.user("default", "ada", ""), s.user("default", "bob", "")
		boss := s.user("default", "boss", "admin")
		own := ada.want(200, "GET", "/api/v1/sessions", "").body["sessions"].([]any)
		if len(own) != 1 || own[0].(map[string]any)["current"] != true {
			t.Errorf("own sessions = %v", own)
		}
		all := boss.want(200, "GET", "/api/v1/sessions?connected=true", "").body["sessions"].([]any)
		if len(all) != 3 {
			t.Errorf("%d are connected, want 3: %v", len(all), all)
		}
		var bobs string
		for _, v := range all {
			if m := v.(map[string]any); m["userName"] == "bob" {
				bobs = m["id"].(string)
			}
		}
		ada.want(404, "DELETE", "/api/v1/sessions/"+bobs, "")
		bob.want(200, "GET", "/scim/v2/Me", "")
		if code, out, errs := s.cli("session", "list", "--connected"); code != exitDone || !strings.Contains(out, "bob") {
			t.Errorf("rollcall session list = %d %s%s", code, out, errs)
		}
		if code, _, errs := s.cli("session", "end", bobs); code != exitDone {
			t.Errorf("rollcall session end = %d %s", code, errs)
		}
		bob.refusedSoon("the session was ended")

		shown := s.want(200, "GET", "/scim/v2/Users/"+ada.id+"?attributes=userName,groups,"+urnAccount+":source,"+urnAccount+":lastLogin,"+urnAccount+":activeSessions,"+urnAccount+":lastActivity", "")
		ext, _ := shown.body[urnAccount].(map[string]any)
		if ext["lastLogin"] == nil || ext["lastActivity"] == nil || ext["activeSessions"] != 1.0 {
			t.Errorf("activity = %s", shown.text)
		}
		version := shown.header.Get("Etag")
		s.tryLogin("", "ada", "wrong", "")
		time.Sleep(600 * time.Millisecond)
		shown = s.want(200, "GET", "/scim/v2/Users/"+ada.id+"?attributes="+urnAccount+":lastFailedLogin", "")
		if ext, _ = shown.body[urnAccount].(map[string]any); ext["lastFailedLogin"] == nil || shown.header.Get("Etag") != version {
			t.Errorf("after a failed login: %s, version %s, was %s", shown.text, shown.header.Get("Etag"), version)
		}
	})
}

// TestA10_WhoIsThereByFilter finds accounts by what no record has.
func TestA10_WhoIsThereByFilter(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.user("default", "ada", "")
		s.makeUser("default", "bob", "")
		s.plainUser("default", "cy", "") // by single sign-on
		s.tryLogin("", "bob", "wrong", "")
		s.want(200, "PUT", "/api/v1/users/"+s.plainUser("default", "dee", "")+"/trial", `{"grantedOn":1,"expiresOn":2}`)
		s.want(200, "POST", "/api/v1/users/"+s.makeUser("default", "eve", "").id+"/deactivate", "")
		s.want(200, "PATCH", "/api/v1/settings", `{"passwordPolicy":{"expiresAfterDays":9}}`)
		time.Sleep(600 * time.Millisecond) // what is worked out is cached
		const ext = urnAccount + ":"
		for filter, want := range map[string]string{
			ext + "activeSessions gt 0":                                  "ada",
			ext + "activeSessions eq 0":                                  "bob cy dee",
			ext + "ActiveSessions ge 1 and userName sw \"b\"":            "",
			"not (" + ext + "activeSessions eq 0) or userName eq \"cy\"": "ada cy",
			ext + "lastLogin pr":                                         "ada",
			"not (" + ext + "lastLogin pr)":                              "bob cy dee",
			ext + "lastLogin gt \"2020-01-01T00:00:00Z\"":                "ada",
			ext + "lastLogin lt \"2020-01-01T00:00:00Z\"":                "",
			ext + "lastLogin eq null":                                    "bob cy dee",
			ext + "lastFailedLogin pr":                                   "bob",
			ext + "lastActivity pr":                                      "ada",
			ext + "passwordExpires pr":                                   "ada bob",
			ext + "inactive eq false":                                    "ada bob cy dee",
			ext + "inactive eq true":                                     "eve",
			ext + "inactive ne false":                                    "eve",
			ext + "source eq \"local\"":                                  "ada bob",
			ext + "source ne \"local\"":                                  "cy dee",
			ext + "source pr":                                            "ada bob cy dee",
			ext + "trial.expired eq true":                                "dee",
			ext + "trial.valid eq false":                                 "dee",
			ext + "trial.exists pr":                                      "dee",
		} {
			if got := s.found("Users", "userName", "sortBy=userName&"+filtered(filter)); got != want {
				t.Errorf("%s finds %q, want %q", filter, got, want)
			}
		}
		if a := s.want(200, "GET", "/api/v1/explain?"+filtered(ext+"activeSessions gt 0"), ""); a.body["total"] != 1.0 {
			t.Errorf("explain of the same = %s", a.text)
		}
		if code, out, errs := s.cli("user", "list", "--filter", ext+"activeSessions gt 0"); code != exitDone || !strings.Contains(out, "ada") || strings.Contains(out, "bob") {
			t.Errorf("rollcall user list of who is there = %d %s%s", code, out, errs)
		}
		s.want(400, "GET", "/scim/v2/Users?"+filtered(ext+"activeSessions co 1"), "")
		s.want(400, "GET", "/scim/v2/Users?"+filtered(ext+"lastLogin gt \"yesterday\""), "")
	})
}

func TestA18_EverybodyJoinsPublic(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("lab", "dioptra")
		s.want(400, "POST", "/w/lab/scim/v2/Users", `{"userName":"x","emails":[{"value":"x@example.com"}]}`)
		s.want(400, "POST", "/w/lab/scim/v2/Users", `{"userName":"x","password":"`+goodPassword+`"}`)
		for i, name := range []string{"one", "two", "three"} {
			p := s.makeUser("lab", name, "")
			a := s.want(200, "GET", "/w/lab/scim/v2/Users/"+p.id, "")
			groups, _ := a.body["groups"].([]any)
			if len(groups) != 1 || groups[0].(map[string]any)["display"] != "Public" {
				t.Errorf("groups of a new account = %s", a.text)
			}
			if n := a.body[urnAccount].(map[string]any)["number"]; n != float64(i+1) {
				t.Errorf("number of %s = %v, want %d", name, n, i+1)
			}
		}
		if code, out, errs := s.cli("user", "list", "--workspace", "lab", "-o", "json"); code != exitDone || strings.Count(out, "Public") < 3 {
			t.Errorf("rollcall user list = %d %s%s", code, out, errs)
		}
	})
}

// TestA18_PasswordExpires: an old password opens a session that sets a new one, and can do nothing else.
func TestA18_PasswordExpires(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		core, h := openServerCore(t, url, "")
		server := httptest.NewServer(asDocumented(t, h))
		t.Cleanup(server.Close)
		s := &served{t: t, base: server.URL, storeURL: url}
		ada := s.user("default", "ada", "")
		s.want(200, "PATCH", "/api/v1/settings", `{"passwordPolicy":{"expiresAfterDays":1}}`)
		people := core.store.State().KV("persons")
		old, err := people.Get(t.Context(), ada.id)
		if err != nil {
			t.Fatal(err)
		}
		var person map[string]any
		if err := json.Unmarshal(old, &person); err != nil {
			t.Fatal(err)
		}
		person["passwordSet"] = time.Now().AddDate(0, 0, -2)
		aged, err := json.Marshal(person)
		if err != nil {
			t.Fatal(err)
		}
		if err := people.Put(t.Context(), ada.id, aged, old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond) // settings are cached
		shown := s.want(200, "GET", "/scim/v2/Users?attributes="+urnAccount+":passwordExpires", "")
		if !strings.Contains(shown.text, "passwordExpires") {
			t.Errorf("passwordExpires is not shown: %s", shown.text)
		}
		a := s.tryLogin("", "ada", goodPassword, "")
		token, _ := a.body["token"].(string)
		if a.code != 403 || a.body["type"] != "urn:rollcall:problem:password-expired" || token == "" {
			t.Fatalf("login with a password that has expired = %d %s", a.code, a.text)
		}
		if a := s.tryLogin("", "ada", "wrong", "192.0.2.1"); a.code != 401 || strings.Contains(a.text, "expired") {
			t.Errorf("login with a wrong password = %d %s", a.code, a.text)
		}
		late := *ada
		late.token = token
		for _, c := range [][2]string{{"GET", "/scim/v2/Me"}, {"GET", "/scim/v2/Users"}, {"GET", "/api/v1/sessions"}, {"GET", "/api/v1/settings"}, {"POST", "/api/v1/tokens"}, {"GET", "/api/v1/users/" + ada.id + "/secrets"}} {
			if a := late.do(c[0], c[1], "{}"); a.code != 403 && a.code != 404 {
				t.Errorf("%s %s with a session for a new password = %d %s", c[0], c[1], a.code, a.text)
			}
		}
		late.want(403, "POST", "/api/v1/password", `{"current":"wrong","new":"a new good password"}`)
		late.want(400, "POST", "/api/v1/password", `{"current":"`+goodPassword+`","new":"`+goodPassword+`"}`)
		if code, _, errs := s.program(token, goodPassword+"\na new good password\na new good password\n", "password"); code != exitDone {
			t.Fatalf("rollcall password = %d %s", code, errs)
		}
		late.refusedSoon("the new password")
		if a := s.tryLogin("", "ada", "a new good password", ""); a.code != 200 {
			t.Errorf("login with the new password = %d %s", a.code, a.text)
		}
	})
}

func TestA19_WorkspaceMembers(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("red", "argilla")
		s.workspace("blue", "argilla")
		ada := s.user("red", "ada", "annotator")
		admin, owner := s.user("red", "radmin", "admin"), s.user("red", "owner", "owner")
		path := "/api/v1/workspaces/blue/members/" + ada.id
		ada.want(404, "PUT", path, `{}`)
		admin.want(404, "PUT", path, `{}`) // its own workspace alone
		owner.want(400, "PUT", path, `{"role":"nothing"}`)
		a := owner.want(200, "PUT", path, `{"role":"admin"}`)
		if a.body["id"] != ada.id || a.body["userName"] != "ada" {
			t.Errorf("member = %s", a.text)
		}
		// One person, one password, a role in each workspace.
		blue := *ada
		blue.login("blue").want(200, "GET", "/scim/v2/Users", "")
		ada.want(403, "GET", "/scim/v2/Users", "")
		// The administrator of one workspace does not reset the password of a person of two.
		admin.want(403, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":"another password"}`, ada.id))
		s.makeUser("blue", "badmin", "admin") // somebody must remain
		// Disabled in one, they stay in the other.
		s.want(200, "PATCH", "/w/blue/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"active","value":false}`))
		blue.refusedSoon("disabled in blue")
		ada.want(200, "GET", "/scim/v2/Me", "")
		owner.want(200, "DELETE", path, "")
		s.want(404, "GET", "/w/blue/scim/v2/Users/"+ada.id, "")
		ada.want(200, "GET", "/scim/v2/Me", "")
		if code, _, errs := s.cli("workspace", "member", "add", "blue", ada.id, "--role", "annotator"); code != exitDone {
			t.Errorf("rollcall workspace member add = %d %s", code, errs)
		}
		s.want(200, "GET", "/w/blue/scim/v2/Users/"+ada.id, "")
		if code, _, errs := s.cli("workspace", "member", "remove", "blue", ada.id); code != exitDone {
			t.Errorf("rollcall workspace member remove = %d %s", code, errs)
		}
		// Gone from everywhere, the person is forgotten: nobody logs in with what was theirs.
		s.want(204, "DELETE", "/w/red/scim/v2/Users/"+ada.id, "")
		ada.refusedSoon("deleted")
		if a := s.tryLogin("red", "ada", goodPassword, ""); a.code != 401 {
			t.Errorf("login of somebody deleted = %d", a.code)
		}
	})
}
