package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"rollcall/internal/testserver"
)

// TestAccessEnds disables somebody in every way that there is, and holds that whatever they signed in
// with is refused within a second, on both of two replicas (design.md §4.10).
func TestAccessEnds(t *testing.T) {
	redis := testserver.StartRedis(t)
	s, replica := accountServer(t, redis.URL()), accountServer(t, redis.URL())
	s.makeUser("default", "stays", "admin")
	boss := s.user("default", "boss", "admin")
	off := `{"op":"replace","path":"active","value":false}`
	for name, end := range map[string]func(p *person){
		"SCIM PUT": func(p *person) {
			s.want(200, "PUT", "/scim/v2/Users/"+p.id, `{"userName":"`+p.name+`","active":false}`)
		},
		"SCIM PATCH": func(p *person) { s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(off)) },
		"SCIM Bulk": func(p *person) {
			s.want(200, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/`+p.id+`","data":`+userPatch(off)+`}]}`)
		},
		"SCIM DELETE": func(p *person) { s.want(204, "DELETE", "/scim/v2/Users/"+p.id, "") },
		"API":         func(p *person) { s.want(200, "POST", "/api/v1/users/"+p.id+"/deactivate", "") },
		"CLI": func(p *person) {
			if code, _, errs := s.cli("user", "disable", p.name); code != exitDone {
				t.Errorf("rollcall user disable = %d %s", code, errs)
			}
		},
		"role": func(p *person) {
			s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"auditor"}]}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			user := "u-" + fmt.Sprint(len(name)) + name[len(name)-3:]
			p := s.user("default", user, "")
			s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"admin"}]}`))
			p.login("default")
			token := p.want(201, "POST", "/api/v1/tokens", `{"name":"own"}`).body["token"].(string)
			s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"displayName","value":"D"}`))
			member := s.user("default", user+"-acted", "")
			as := p.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+member.id+`"}`).body["token"].(string)
			held := map[string]string{"session": p.token, "token": token, "acting as another": as}
			for _, on := range []*served{s, replica} { // both have it in their caches
				for what, text := range held {
					if a := on.as("Bearer "+text, "GET", "/scim/v2/ServiceProviderConfig", ""); a.code != 200 {
						t.Fatalf("before: the %s = %d %s", what, a.code, a.text)
					}
				}
			}
			code := s.resetCode(p.id)
			invited, invitation := s.invite("default", `{"userName":"i-`+user+`","mail":false}`)
			if !replica.codeGood(code) || !replica.codeGood(invitation) {
				t.Fatal("before: the code of a reset, or of an invitation, is not good")
			}
			end(p)
			end(invited)
			for _, on := range []*served{replica, s} {
				for what, text := range held {
					(&person{served: on, name: what, token: text}).refusedSoon(name)
				}
				on.codeRefusedSoon(name+": the reset code", code)
				on.codeRefusedSoon(name+": the invitation", invitation)
			}
		})
	}

	// Whoever acts as somebody is out with them, too.
	target := s.user("default", "target", "")
	as := &person{served: replica, name: "acting", token: boss.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+target.id+`"}`).body["token"].(string)}
	as.want(200, "GET", "/scim/v2/Me", "")
	s.want(200, "PATCH", "/scim/v2/Users/"+target.id, userPatch(off))
	as.refusedSoon("the person was disabled")
	target.refusedSoon("disabled")
}

// TestSyncEndsAccess: a run that no longer finds somebody ends their access, and never takes the last
// administrator away.
func TestSyncEndsAccess(t *testing.T) {
	people := "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n"
	entry := func(uid string) string {
		return fmt.Sprintf("\ndn: uid=%s,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\nsn: %[1]s\nentryUUID: 0190a7b2-0000-7000-8000-%012x\n", uid, len(uid))
	}
	file := write(t, filepath.Join(t.TempDir(), "people.ldif"), people+entry("a")+entry("bb")+entry("ccc"), 0o600)
	s := inProcessServer(t, "sources: {corp: {type: ldif, path: "+file+", preset: openldap}}")
	sync := func() {
		t.Helper()
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone && code != exitPartial {
			t.Fatalf("sync run = %d\n%s%s", code, out, errs)
		}
	}
	sync()
	id := func(name string) string {
		t.Helper()
		return s.want(200, "GET", "/scim/v2/Users?filter=userName+eq+%22"+name+"%22", "").body["Resources"].([]any)[0].(map[string]any)["id"].(string)
	}
	last := id("bb")
	s.want(200, "PATCH", "/scim/v2/Users/"+last, userPatch(`{"op":"replace","path":"roles","value":[{"value":"admin"}]}`))
	a := s.want(200, "GET", "/scim/v2/Users/"+last, "")
	if a.body[urnAccount].(map[string]any)["source"] != "ldap" {
		t.Errorf("an account of a source logs in there: %s", a.text)
	}
	if a := s.tryLogin("", "a", goodPassword, ""); a.code != 503 {
		t.Errorf("login where no directory can be asked = %d %s, want 503", a.code, a.text)
	}
	gone := &person{served: s, name: "a", token: s.want(201, "POST", "/api/v1/impersonations", `{"userName":"a"}`).body["token"].(string)}
	gone.want(200, "GET", "/scim/v2/Me", "")
	write(t, file, people+entry("ccc"), 0o600)
	sync()
	gone.refusedSoon("a sync")
	if a := s.want(200, "GET", "/scim/v2/Users/"+id("a"), ""); a.body["active"] != false {
		t.Errorf("who is missing = %s", a.text)
	}
	if a := s.want(200, "GET", "/scim/v2/Users/"+last, ""); a.body["active"] == false {
		t.Errorf("the last administrator was disabled by a sync: %s", a.text)
	}
}
