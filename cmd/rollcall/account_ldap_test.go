package main

import (
	"testing"

	"rollcall/internal/testserver"
)

// TestA11_LoginByDirectory: an account that came from a directory logs in by its password there.
func TestA11_LoginByDirectory(t *testing.T) {
	t.Parallel()
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: "dn: uid=ada,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada\nsn: Lovelace\n" +
		"userPassword: difference-engine\nentryUUID: a0000000-0000-4000-8000-000000000001\n\n"})
	onStores(t, func(t *testing.T, url string) {
		s := startServer(t, url, corpConfig(ldap, ""))
		if a := s.tryLogin("", "ada", "difference-engine", ""); a.code != 401 {
			t.Errorf("login before the first run = %d %s", a.code, a.text)
		}
		if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
			t.Fatalf("sync run = %d\n%s%s", code, out, errs)
		}
		a := s.tryLogin("", "ada", "difference-engine", "")
		if a.code != 200 {
			t.Fatalf("login = %d %s", a.code, a.text)
		}
		ada := &person{served: s, name: "ada", token: a.body["token"].(string), id: a.body["user"].(map[string]any)["id"].(string)}
		ada.want(200, "GET", "/scim/v2/Me", "")
		for _, wrong := range []string{"", "\x00", "analytical-engine", "difference-engine\x00"} {
			if a := s.tryLogin("", "ada", wrong, ""); a.code != 401 && a.code != 429 {
				t.Errorf("login with %q = %d %s", wrong, a.code, a.text)
			}
		}
		// There is no password of theirs here, and none can be set.
		ada.want(400, "POST", "/api/v1/password", `{"current":"difference-engine","new":"a password of mine"}`)
		s.want(400, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"password","value":"a password of theirs"}`))
		s.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"replace","path":"active","value":false}`))
		ada.refusedSoon("disabled")
		// One who logs in by single sign-on has no password at all.
		s.want(201, "POST", "/scim/v2/Users", `{"userName":"sso","`+urnAccount+`":{"source":"sso"}}`)
		if a := s.tryLogin("", "sso", "", ""); a.code != 401 {
			t.Errorf("a password of an account of single sign-on = %d", a.code)
		}
	})
}
