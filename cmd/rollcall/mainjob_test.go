package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// corpSeed is n people, a group of all of them and ten smaller ones.
func corpSeed(n int) string {
	var b strings.Builder
	dn := func(i int) string { return fmt.Sprintf("uid=user%04d,ou=people,dc=example,dc=org", i) }
	for i := range n {
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: user%04d\ncn: User %04d\ngivenName: User\nsn: %04d\nmail: user%04d@example.org\n\n", dn(i), i, i, i, i)
	}
	group := func(name string, every int) {
		fmt.Fprintf(&b, "dn: cn=%s,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: %s\n", name, name)
		for i := 0; i < n; i += every {
			fmt.Fprintf(&b, "member: %s\n", dn(i))
		}
		b.WriteByte('\n')
	}
	group("all", 1)
	for k := range 10 {
		group(fmt.Sprintf("team%d", k), 10+k)
	}
	return b.String()
}

func corpConfig(s *testserver.Slapd, more string) string {
	return fmt.Sprintf(`sources:
  corp:
    type: ldap
    preset: openldap
    url: %s
    bind_dn: %s
    bind_password: %s
    users: { base: "ou=people,dc=example,dc=org" }
    groups: { base: "ou=groups,dc=example,dc=org" }
%s`, s.URL, s.AdminDN, s.Password, more)
}

func (s *served) total(path string) int {
	s.t.Helper()
	n, _ := s.want(200, "GET", path, "").body["totalResults"].(float64)
	return int(n)
}

func TestSyncFromLDAP(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, storeURL string) {
		ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(1000)})
		s := startServer(t, storeURL, corpConfig(ldap, ""))
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
			t.Fatalf("sync run = %d\n%s%s", code, out, errs)
		}
		if users, groups := s.total("/scim/v2/Users?count=0"), s.total("/scim/v2/Groups?count=0"); users != 1000 || groups != 11 {
			t.Fatalf("%d users and %d groups, want 1000 and 11", users, groups)
		}
		group := s.want(200, "GET", `/scim/v2/Groups?filter=displayName+eq+"all"`, "").body["Resources"].([]any)[0].(map[string]any)
		if n := len(group["members"].([]any)); n != 1000 {
			t.Errorf("the big group has %d members, want 1000", n)
		}
		user := s.want(200, "GET", `/scim/v2/Users?filter=userName+eq+"user0000"`, "").body["Resources"].([]any)[0].(map[string]any)
		if n := len(user["groups"].([]any)); n != 11 {
			t.Errorf("user0000 is in %d groups, want 11", n)
		}

		code, out, errs := s.cli("sync", "plan", "corp", "--exit-code")
		if code != exitDone {
			t.Errorf("the plan after a run = %d, want %d: nothing to change\n%s%s", code, exitDone, out, errs)
		}
		if code, out, _ := s.cli("sync", "run", "corp", "-o", "json"); code != exitDone || !strings.Contains(out, `"changeCount": 0`) {
			t.Errorf("the second run = %d\n%s", code, out)
		}

		rename(t, ldap, "uid=user0000,ou=people,dc=example,dc=org", "uid=renamed")
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
			t.Fatalf("sync run after a rename = %d\n%s%s", code, out, errs)
		}
		renamed := s.want(200, "GET", "/scim/v2/Users/"+user["id"].(string), "").body
		if renamed["userName"] != "renamed" {
			t.Errorf("the renamed person's userName = %v, want renamed, under the same id", renamed["userName"])
		}
		if n := s.total("/scim/v2/Users?count=0"); n != 1000 {
			t.Errorf("%d users after a rename, want 1000", n)
		}
		s.stop()
		fsck(t, storeURL)
	})
}

func rename(t *testing.T, s *testserver.Slapd, dn, rdn string) {
	t.Helper()
	out, err := exec.Command(testserver.Need(t, "ldapmodrdn"), "-x", "-H", s.URL, "-D", s.AdminDN, "-w", s.Password, "-r", dn, rdn).CombinedOutput()
	if err != nil {
		t.Fatalf("ldapmodrdn: %v\n%s", err, out)
	}
}

// stop ends the server as an operator does, and waits for it.
func (s *served) stop() {
	s.t.Helper()
	// A server waits up to 5 s for the first request of a connection that has sent none.
	http.DefaultClient.CloseIdleConnections()
	if err := s.proc.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	s.proc.Wait()
}

func TestMissingPeopleAreDisabled(t *testing.T) {
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(100)})
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, ""))
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d\n%s%s", code, out, errs)
	}
	remove := func(i int) {
		dn := fmt.Sprintf("uid=user%04d,ou=people,dc=example,dc=org", i)
		out, err := exec.Command(testserver.Need(t, "ldapdelete"), "-x", "-H", ldap.URL, "-D", ldap.AdminDN, "-w", ldap.Password, dn).CombinedOutput()
		if err != nil {
			t.Fatalf("ldapdelete: %v\n%s", err, out)
		}
	}
	remove(7)
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d\n%s%s", code, out, errs)
	}
	gone := s.want(200, "GET", `/scim/v2/Users?filter=userName+eq+"user0007"`, "").body["Resources"].([]any)
	if len(gone) != 1 || gone[0].(map[string]any)["active"] != false {
		t.Fatalf("the missing person: %v, want kept and active false", gone)
	}

	for i := 20; i < 40; i++ {
		remove(i)
	}
	code, out, _ := s.cli("sync", "run", "corp")
	if code != exitBlocked {
		t.Errorf("a run in which a fifth is missing = %d, want %d\n%s", code, exitBlocked, out)
	}
	if n := s.total(`/scim/v2/Users?count=0&filter=active+eq+false`); n != 1 {
		t.Errorf("%d are disabled after a blocked run, want 1", n)
	}
	ldap.Kill()
	if code, out, _ := s.cli("sync", "run", "corp"); code != exitUnreachable {
		t.Errorf("a run without a directory = %d, want %d\n%s", code, exitUnreachable, out)
	}
	if n := s.total(`/scim/v2/Users?count=0&filter=active+eq+false`); n != 1 {
		t.Errorf("%d are disabled after a failed run, want 1", n)
	}
}

func TestKillNineLosesNothing(t *testing.T) {
	onStores(t, func(t *testing.T, storeURL string) {
		s := startServer(t, storeURL, "")
		made := map[string]answer{}
		for i := range 20 {
			a := s.want(201, "POST", "/scim/v2/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"kill%d","active":true,"title":"%d"}`, i, i))
			made[a.body["id"].(string)] = a
			if i%5 != 4 {
				continue
			}
			s.proc.Kill()
			s.start()
			for id, want := range made {
				if got := s.want(200, "GET", "/scim/v2/Users/"+id, ""); got.text != want.text {
					t.Fatalf("after kill -9:\n%s\nwant\n%s", got.text, want.text)
				}
			}
		}
		s.stop()
		fsck(t, storeURL)
	})
}

func TestScheduledRunFires(t *testing.T) {
	testserver.Long(t)
	t.Parallel()
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(20)})
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, `    schedule: "* * * * *"`))
	for deadline := time.Now().Add(75 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		code, out, errs := s.cli("sync", "list", "-o", "json")
		if code != exitDone {
			t.Fatalf("sync list = %d\n%s", code, errs)
		}
		var runs []struct{ Source, Trigger, Result string }
		if err := json.Unmarshal([]byte(out), &runs); err != nil {
			t.Fatal(err)
		}
		if len(runs) > 0 && runs[0].Result != "running" {
			if runs[0].Source != "corp" || runs[0].Trigger != "schedule" || runs[0].Result != "ok" {
				t.Errorf("run = %+v", runs[0])
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no run in 75 s of the schedule * * * * *")
		}
	}
	if n := s.total("/scim/v2/Users?count=0"); n != 20 {
		t.Errorf("%d users, want 20", n)
	}
}

func TestConcurrentMemberPatchesLoseNone(t *testing.T) {
	onStores(t, func(t *testing.T, storeURL string) {
		s := startServer(t, storeURL, "")
		const n = 40
		var ids []string
		for i := range n {
			ids = append(ids, s.want(201, "POST", "/scim/v2/Users", fmt.Sprintf(`{"userName":"member%d"}`, i)).body["id"].(string))
		}
		group := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"crowd"}`).body["id"].(string)
		var wait sync.WaitGroup
		for _, id := range ids {
			wait.Go(func() {
				a := s.do("PATCH", "/scim/v2/Groups/"+group, fmt.Sprintf(
					`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, id))
				if a.code != http.StatusNoContent && a.code != http.StatusOK {
					t.Errorf("PATCH = %d %s", a.code, a.text)
				}
			})
		}
		wait.Wait()
		got := map[string]bool{}
		for _, m := range s.want(200, "GET", "/scim/v2/Groups/"+group, "").body["members"].([]any) {
			got[m.(map[string]any)["value"].(string)] = true
		}
		for _, id := range ids {
			if !got[id] {
				t.Errorf("member %s is lost", id)
			}
		}
		s.stop()
		fsck(t, storeURL)
	})
}

func TestBadInput(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "")
	id := s.want(201, "POST", "/scim/v2/Users", `{"userName":"someone"}`).body["id"].(string)
	patch := func(op string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
	}
	tests := map[string]struct {
		auth, method, path, body string
		code                     int
		scimType                 string
	}{
		"malformed JSON":     {"", "POST", "/scim/v2/Users", `{"userName":`, 400, "invalidSyntax"},
		"no userName":        {"", "POST", "/scim/v2/Users", `{"title":"x"}`, 400, "invalidValue"},
		"90,000 parentheses": {"", "GET", "/scim/v2/Users?filter=" + strings.Repeat("%28", 90_000), "", 400, "invalidFilter"},
		"malformed filter":   {"", "GET", "/scim/v2/Users?filter=userName+eq", "", 400, "invalidFilter"},
		"unknown attribute":  {"", "GET", "/scim/v2/Users?filter=nothing+pr", "", 400, "invalidFilter"},
		"deep filter":        {"", "GET", "/scim/v2/Users?filter=" + strings.Repeat("(", 4000), "", 400, "invalidFilter"},
		"malformed path":     {"", "PATCH", "/scim/v2/Users/" + id, patch(`{"op":"replace","path":"emails[type","value":"x"}`), 400, "invalidPath"},
		"unknown path":       {"", "PATCH", "/scim/v2/Users/" + id, patch(`{"op":"replace","path":"nothing","value":"x"}`), 400, "invalidPath"},
		"remove nothing":     {"", "PATCH", "/scim/v2/Users/" + id, patch(`{"op":"remove"}`), 400, "noTarget"},
		"unknown id":         {"", "GET", "/scim/v2/Users/019eadc1-0000-7000-8000-000000000000", "", 404, ""},
		"no id at all":       {"", "GET", "/scim/v2/Users/..%2f..%2fetc", "", 404, ""},
		"wrong token":        {"Bearer wrong", "GET", "/scim/v2/Users", "", 401, ""},
		"unknown workspace":  {"", "GET", "/w/nowhere/scim/v2/Users", "", 404, ""},
		"duplicate":          {"", "POST", "/scim/v2/Users", `{"userName":"SOMEONE"}`, 409, "uniqueness"},
		"wrong method":       {"", "PUT", "/scim/v2/Users", `{}`, 405, ""},
		"unknown resource":   {"", "GET", "/scim/v2/Toasters", "", 404, ""},
		"deep JSON":          {"", "POST", "/scim/v2/Users", strings.Repeat(`{"a":`, 5000), 400, "invalidSyntax"},
		"password in filter": {"", "GET", `/scim/v2/Users?filter=password+eq+"x"`, "", 403, "sensitive"},
	}
	for name, tt := range tests {
		if tt.auth == "" {
			tt.auth = "Bearer " + testToken
		}
		a := s.as(tt.auth, tt.method, tt.path, tt.body)
		scimType, _ := a.body["scimType"].(string)
		if a.code != tt.code || scimType != tt.scimType || a.body["status"] != fmt.Sprint(tt.code) {
			t.Errorf("%s: %d %s, want %d %s", name, a.code, a.text, tt.code, tt.scimType)
		}
		if got := a.header.Get("Content-Type"); got != "application/scim+json" {
			t.Errorf("%s: Content-Type %q", name, got)
		}
	}
}
