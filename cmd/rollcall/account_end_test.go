package main

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// credentials are everything that lets somebody in, and how each is tried. One account cannot hold
// them all, so each of three holds some: NAME has a password, NAME-invited none yet, and NAME-sso a provider.
type credentials struct {
	held  map[string]string // by what it is: a bearer token
	codes map[string]string // by the call that redeems one: its body
}

func (c *credentials) all() int { return len(c.held) + len(c.codes) }

// holders are the accounts that somebody's credentials belong to.
func holders(name string) []string { return []string{name, name + "-invited", name + "-sso"} }

// takeCredentials gives the holders everything.
func takeCredentials(s *served, name, member string) *credentials {
	s.t.Helper()
	p := &person{served: s, name: name, id: s.idOf(name)}
	s.want(200, "PATCH", "/scim/v2/Users/"+p.id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"admin"}]}`))
	s.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":%q}`, p.id, goodPassword))
	p.login("default")
	code := func(path, body string) string {
		link := s.want(201, "POST", path, body).body["url"].(string)
		return link[strings.LastIndexAny(link, "=/")+1:]
	}
	sso := ssoLogin(s, "p0", fmt.Sprintf(`{"preferred_username":"%s-sso"}`, name))
	if sso.code != 200 {
		s.t.Fatalf("%s logs in by the provider = %d %s", name, sso.code, sso.text)
	}
	return &credentials{
		held: map[string]string{
			"session":       p.token,
			"token":         p.want(201, "POST", "/api/v1/tokens", `{"name":"own"}`).body["token"].(string),
			"impersonation": p.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+member+`"}`).body["token"].(string),
			"SSO session":   sso.body["token"].(string),
		},
		codes: map[string]string{
			"/api/v1/invitations/accept": fmt.Sprintf(`{"code":%q,"password":"a password by link"}`, code("/api/v1/invitations", fmt.Sprintf(`{"userName":"%s-invited","mail":false}`, name))),
			"/api/v1/password/redeem":    fmt.Sprintf(`{"code":%q,"new":"a password by link"}`, code("/api/v1/users/"+p.id+"/password-reset", `{"mail":false}`)),
		},
	}
}

func (s *served) idOf(name string) string {
	s.t.Helper()
	list, _ := s.want(200, "GET", "/scim/v2/Users?filter=userName+eq+%22"+name+"%22", "").body["Resources"].([]any)
	if len(list) != 1 {
		s.t.Fatalf("%d are named %s", len(list), name)
	}
	return list[0].(map[string]any)["id"].(string)
}

// work holds that all of them let somebody in; codes are used up by it only where redeem says so.
func (c *credentials) work(on *served, redeem bool) {
	on.t.Helper()
	for what, text := range c.held {
		if a := on.as("Bearer "+text, "GET", "/scim/v2/ServiceProviderConfig", ""); a.code != 200 {
			on.t.Fatalf("the %s = %d %s", what, a.code, a.text)
		}
	}
	for path, body := range c.codes {
		if !redeem {
			continue
		}
		if a := on.as("", "POST", path, body); a.code != 200 && a.code != 204 {
			on.t.Errorf("the code for %s = %d %s", path, a.code, a.text)
		}
	}
}

// refused holds that none of them does, within a second.
func (c *credentials) refused(on *served, why string) {
	on.t.Helper()
	for what, text := range c.held {
		(&person{served: on, name: what, token: text}).refusedSoon(why)
	}
	for path, body := range c.codes { // a code is looked up in the store at once
		if a := on.as("", "POST", path, body); a.code != 403 {
			on.t.Errorf("%s: the code for %s = %d %s, want 403", why, path, a.code, a.text)
		}
	}
}

// enders are all the writers that can end somebody's access.
func enders(s *served, sync func(without string)) map[string]func(id, name string) {
	off := `{"op":"replace","path":"active","value":false}`
	return map[string]func(id, name string){
		"SCIM PUT": func(id, name string) {
			s.want(200, "PUT", "/scim/v2/Users/"+id, `{"userName":"`+name+`","active":false}`)
		},
		"SCIM PATCH": func(id, _ string) { s.want(200, "PATCH", "/scim/v2/Users/"+id, userPatch(off)) },
		"SCIM Bulk": func(id, _ string) {
			s.want(200, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/`+id+`","data":`+userPatch(off)+`}]}`)
		},
		"SCIM DELETE": func(id, _ string) { s.want(204, "DELETE", "/scim/v2/Users/"+id, "") },
		"sync":        func(_, name string) { sync(name) },
		"API":         func(id, _ string) { s.want(200, "POST", "/api/v1/users/"+id+"/deactivate", "") },
		"CLI": func(_, name string) {
			if code, _, errs := s.cli("user", "disable", name); code != exitDone {
				s.t.Errorf("rollcall user disable = %d %s", code, errs)
			}
		},
		"role": func(id, _ string) {
			s.want(200, "PATCH", "/scim/v2/Users/"+id, userPatch(`{"op":"replace","path":"roles","value":[{"value":"auditor"}]}`))
		},
	}
}

// TestAccessEnds takes everything that lets somebody in (design.md §4.10), ends their access by every
// writer there is, and holds that all of it is refused within a second: on both of two replicas on Redis,
// and on an embedded store. Whom nobody touches stays in.
func TestAccessEnds(t *testing.T) {
	o := testserver.StartOIDC(t)
	redis := testserver.StartRedis(t)
	for name, servers := range map[string]struct {
		store string
		n     int
	}{"Redis": {redis.URL(), 2}, "embedded": {"bolt:" + filepath.Join(t.TempDir(), "rollcall.db"), 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for caches
			file := filepath.Join(t.TempDir(), "people.ldif")
			config := "sources: {corp: {type: ldif, path: " + file + ", preset: openldap, users: {attributes: {'" + urnAccount + ":source': employeeType}}}}\n" + ssoSettings(o)
			var on []*served
			for range servers.n {
				server := httptest.NewServer(openServer(t, servers.store, config))
				t.Cleanup(server.Close)
				on = append(on, &served{t: t, base: server.URL, storeURL: servers.store})
			}
			accessEnds(t, on, file)
		})
	}
}

func accessEnds(t *testing.T, on []*served, file string) {
	s, people := on[0], map[string]string{}
	sync := func(without string) {
		t.Helper()
		delete(people, without)
		text := "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n"
		for _, name := range slices.Sorted(maps.Keys(people)) {
			text += people[name]
		}
		write(t, file, text, 0o600)
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone && code != exitPartial {
			t.Fatalf("sync run = %d\n%s%s", code, out, errs)
		}
	}
	ends := enders(s, sync)
	named := func(writer string) string { return strings.ToLower(strings.ReplaceAll(writer, " ", "-")) }
	for _, writer := range append(slices.Sorted(maps.Keys(ends)), "nobody") {
		for i, name := range holders(named(writer)) {
			source := []string{"local", "local", "sso"}[i]
			people[name] = fmt.Sprintf("\ndn: uid=%s,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\nsn: %[1]s\nemployeeType: %s\nentryUUID: 0190a7b2-0000-7000-8000-%012x\n", name, source, len(people))
		}
	}
	sync("")
	s.makeUser("default", "stays", "admin") // somebody must remain
	member := s.makeUser("default", "member", "").id
	untouched := takeCredentials(s, "nobody", member)
	cases := 0
	for writer, end := range ends {
		c := takeCredentials(s, named(writer), member)
		for _, replica := range on { // all have it in their caches
			c.work(replica, false)
		}
		for _, name := range holders(named(writer)) {
			end(s.idOf(name), name)
		}
		for _, replica := range on {
			c.refused(replica, writer)
		}
		cases += c.all() * len(on)
	}
	untouched.work(on[len(on)-1], true)
	t.Logf("%d cases: %d writers, %d credentials, %d servers", cases, len(ends), untouched.all(), len(on))
	if untouched.all() != 6 || cases != len(ends)*6*len(on) {
		t.Errorf("%d cases, want %d writers and 6 credentials on each of %d servers", cases, len(ends), len(on))
	}

	// Whoever acts as somebody is out with them, too.
	last := on[len(on)-1]
	boss, target := s.user("default", "boss", "admin"), s.user("default", "target", "")
	as := &person{served: last, name: "acting", token: boss.want(201, "POST", "/api/v1/impersonations", `{"userId":"`+target.id+`"}`).body["token"].(string)}
	as.want(200, "GET", "/scim/v2/Me", "")
	s.want(200, "PATCH", "/scim/v2/Users/"+target.id, userPatch(`{"op":"replace","path":"active","value":false}`))
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
