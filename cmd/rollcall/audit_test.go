package main

import (
	"bufio"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/audit"
	"rollcall/internal/testserver"
)

// TestAudit lets people do things, and reads in the audit who did what, by API and command line.
func TestAudit(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, store string) {
		s := accountServer(t, store)
		s.workspace("lab", "default")
		boss, ada := s.user("default", "boss", "admin"), s.user("default", "ada", "")
		s.tryLogin("default", "ada", "wrong password", "192.0.2.9")
		s.tryLogin("default", "nobody", "a password typed as a name", "192.0.2.9")
		boss.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"title","value":"Chief"}`))
		boss.want(200, "PATCH", "/api/v1/settings", `{"sessionIdleMinutes":77}`)
		token := boss.want(201, "POST", "/api/v1/tokens", `{"name":"report","scopes":["users:read"]}`).body["id"].(string)
		rotated := s.want(201, "POST", "/api/v1/tokens/"+token+"/rotate", "").body["id"].(string)
		s.want(204, "DELETE", "/api/v1/tokens/"+rotated, "")
		ada.want(204, "PUT", "/api/v1/users/me/secrets/key", `{"value":"x"}`)
		ada.want(200, "GET", "/api/v1/users/me/secrets/key", "")
		as := &person{served: s, name: "acting", token: boss.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+ada.id+`"}`).body["token"].(string)}
		as.want(200, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"nickName","value":"Countess"}`))
		as.want(204, "POST", "/api/v1/logout", "")
		ada.want(204, "POST", "/api/v1/logout", "")

		user := "user:" + ada.id
		for filter, want := range map[string]int{
			`type eq "login.ok" and actor eq "` + user + `" and address pr`: 1, `type eq "login.failed" and subject eq "` + ada.id + `" and outcome eq "refused"`: 1,
			`type eq "login.failed"`: 2, `type eq "user.update" and actor eq "user:` + boss.id + `" and attributes eq "title"`: 1,
			`type eq "user.update" and actor eq "` + user + `" and by eq "user:` + boss.id + `"`: 1, `type eq "settings.changed"`: 1,
			`type eq "token.created" and name eq "report"`: 2, `type eq "token.rotated"`: 1, `type eq "token.revoked"`: 1,
			`type eq "secret.written"`: 1, `type eq "secret.read"`: 1, `type eq "impersonation.start" and subject eq "` + ada.id + `"`: 1,
			`type eq "impersonation.end" and by pr`: 1, `type eq "logout"`: 1, `type eq "password.set"`: 2,
		} {
			code, out, errs := s.cli("audit", "list", "--filter", filter, "-o", "json")
			var lines []audit.Line
			if err := json.Unmarshal([]byte(out), &lines); code != exitDone || err != nil || len(lines) != want {
				t.Errorf("rollcall audit list --filter '%s' = %d %s, %d lines, want %d", filter, code, errs, len(lines), want)
			}
		}
		a := boss.want(200, "GET", "/api/v1/audit?count=1&filter="+url.QueryEscape(`type eq "user.update" and attributes eq "title"`), "")
		if !strings.Contains(a.text, `"after":"Chief"`) || !strings.Contains(a.text, `"requestId":"`) {
			t.Errorf("the change = %s", a.text)
		}
		if all := s.want(200, "GET", "/api/v1/audit?count=1000", ""); strings.Contains(all.text, "a password typed as a name") {
			t.Error("the audit tells a name that nobody has")
		}
		s.want(400, "GET", "/api/v1/audit?filter="+url.QueryEscape(`nothing eq 1`), "")
		s.want(400, "GET", "/api/v1/audit?cursor=x", "")
		ada.login("default").want(403, "GET", "/api/v1/audit", "")
		boss.want(404, "GET", "/api/v1/audit?workspace=lab", "")
		boss.want(404, "GET", "/api/v1/audit/verify?workspace=sys", "")
		if list := s.want(200, "GET", "/api/v1/audit?workspace=lab", ""); !strings.Contains(list.text, "workspace.created") {
			t.Errorf("the audit of a new workspace = %s", list.text)
		}

		// An export has one line for each.
		if code, out, errs := s.cli("audit", "list", "--all", "-o", "jsonl"); code != exitDone {
			t.Errorf("export = %d %s", code, errs)
		} else {
			n := 0
			for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); n++ {
				if l := (audit.Line{}); json.Unmarshal(lines.Bytes(), &l) != nil || l.Type == "" || l.At.IsZero() {
					t.Errorf("exported line = %s", lines.Text())
				}
			}
			if n < 20 {
				t.Errorf("%d lines were exported, want 20 or more", n)
			}
		}
		if code, out, errs := s.cli("audit", "rotate"); code != exitDone || !strings.Contains(out, "new key") {
			t.Errorf("rollcall audit rotate = %d %s%s", code, out, errs)
		}
		s.want(200, "PATCH", "/api/v1/settings", `{"sessionIdleMinutes":78}`)
		if code, out, errs := s.cli("audit", "verify"); code != exitDone || strings.Count(out, ": whole: ") != 3 || !strings.Contains(out, "sys: whole") {
			t.Errorf("rollcall audit verify = %d %s%s", code, out, errs)
		}
	})
}

// TestAuditIsSealed has a server seal by itself, and somebody with access to Redis cover something up.
func TestAuditIsSealed(t *testing.T) {
	redis := testserver.StartRedis(t)
	s := startServer(t, redis.URL(), "")
	for _, name := range []string{"ada", "bob", "eve"} {
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"`+name+`"}`)
	}
	redis.Until(t, func(reply string) bool { return reply != "" }, "HGET", "{default}:kv:audit", "head") // without being asked
	if code, out, errs := s.cli("audit", "verify", "--workspace", "default"); code != exitDone {
		t.Fatalf("rollcall audit verify = %d %s%s", code, out, errs)
	}
	if n := redis.Do(t, "XDEL", "{default}:images", "2-0"); n != "1" {
		t.Fatalf("%s entries were removed", n)
	}
	code, out, _ := s.cli("audit", "verify", "--workspace", "default")
	if code != exitFailed || !strings.Contains(out, "change 2: what it was before and after was removed") {
		t.Errorf("rollcall audit verify after images were removed = %d %s", code, out)
	}
}

// TestAuditPage types what docs/audit.md says, and holds that it has every attribute of a filter.
func TestAuditPage(t *testing.T) {
	page := documents(t)["docs/audit.md"]
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	s.user("default", "ada", "")
	var printed strings.Builder
	for _, command := range typedLines(page) {
		printed.WriteString(typeIn(t, t.TempDir(), command, "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken))
	}
	for _, want := range []string{"login.ok", `"type":"user.create"`, "default: whole"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, &printed)
		}
	}
	for _, a := range audit.FilterAttributes() {
		if !strings.Contains(page, "`"+a[0]+"`") {
			t.Errorf("the page does not have the attribute %s", a[0])
		}
	}
}
