package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"
)

// live: what happens in the directory is in the store at once, over every step, and each time just as a whole
// read would have it.
func TestLive(t *testing.T) {
	testserver.Long(t)
	d := realDirectory{preset: "openldap", people: "ou=people,dc=example,dc=org", groups: "ou=groups,dc=example,dc=org", rdn: "uid", user: "%s",
		person: inetOrgPerson, groupClass: "objectClass: groupOfNames\n", disable: "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"}
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: d.seed(100)})
	d.url, d.admin, d.password = ldap.URL, ldap.AdminDN, ldap.Password
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, "    mode: live\n"))
	if r := s.runCorp(t); r.Result != dirsync.OK || r.Read != dirsync.ReadAll {
		t.Fatalf("the first run was %s of %s: %s", r.Result, r.Read, r.Error)
	}
	gone := map[string]string{}
	for _, step := range d.steps() {
		if step.changes == 0 {
			continue
		}
		if step.name == "delete" {
			gone["u00006"] = strings.TrimSuffix(s.held().Users["u00006"], "true") + "false"
		}
		d.change(t, step.ldif)
		want := d.reference(t)
		for name, person := range gone {
			want.Users[name] = person
		}
		for deadline := time.Now().Add(60 * time.Second); fmt.Sprint(s.held()) != fmt.Sprint(want); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				s.check(t, &d, gone)
				t.Fatalf("a minute after %s, we do not hold what the directory has", step.name)
			}
		}
	}
	code, out, _ := s.cli("sync", "list", "-o", "json")
	if code != exitDone || !strings.Contains(out, `"trigger": "live"`) || strings.Count(out, `"read": "all"`) != 1 {
		t.Errorf("sync list = %d\n%s\nwant live runs, and one that read everything", code, out)
	}
	if r := s.runCorp(t); r.Result != dirsync.OK || r.ChangeCount != 0 {
		t.Errorf("the whole run after it was %s with %d changes, want ok with none: %+v", r.Result, r.ChangeCount, r.Changes)
	}
}

func TestFollowSettings(t *testing.T) {
	const corp = "sources:\n  corp:\n    preset: openldap\n    url: ldap://127.0.0.1\n    bind_dn: cn=x\n    bind_password: y\n    users: { base: \"dc=x\" }\n"
	for more, says := range map[string]string{
		"    mode: live\n    changes_by: timestamp\n":      "mode is live",
		"    mode: incremental\n    changes_by: dirsync\n": "externalId",
		"    mode: incremental\n    changes_by: magic\n":   "magic",
	} {
		inDir(t, corp+more)
		if code, out, errs := runCLI(t, nil, "config", "check", "--config", "rollcall.yaml"); code == exitDone || !strings.Contains(out+errs, says) || !strings.Contains(out+errs, "sources.corp.changes_by") {
			t.Errorf("config check with %q = %d\n%s%s", more, code, out, errs)
		}
	}
}

// incremental: scheduled runs do the same, and go on where they were when the process died.
func TestIncremental(t *testing.T) {
	t.Parallel()
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(100)})
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", corpConfig(ldap, "    mode: incremental\n    schedule: \"@every 1s\"\n"))
	if r := s.runCorp(t); r.Result != dirsync.OK {
		t.Fatalf("the first run was %s: %s", r.Result, r.Error)
	}
	arrives := func(name string) {
		t.Helper()
		for deadline := time.Now().Add(90 * time.Second); s.total(`/scim/v2/Users?count=0&filter=userName+eq+"`+name+`"`) != 1; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not there after 90 s", name)
			}
		}
	}
	rename(t, ldap, "uid=user0000,ou=people,dc=example,dc=org", "uid=renamed")
	arrives("renamed")
	if err := s.proc.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.proc.Wait()
	rename(t, ldap, "uid=user0001,ou=people,dc=example,dc=org", "uid=meanwhile")
	s.start()
	arrives("meanwhile")
	rename(t, ldap, "uid=user0002,ou=people,dc=example,dc=org", "uid=later")
	arrives("later")
	code, out, _ := s.cli("sync", "list", "-o", "json")
	if code != exitDone || strings.Count(out, `"read": "changes"`) < 3 || strings.Count(out, `"read": "all"`) != 1 {
		t.Errorf("sync list = %d\n%s\nwant one run that read everything, and three or more of what changed", code, out)
	}
}
