package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// TestRoutesAndCredentials: every route with every kind of credential; what is not allowed by name
// is refused (security.md R8). Nothing of it changes anything.
func TestRoutesAndCredentials(t *testing.T) {
	config := defaultConfig()
	config.Store.URL = "bolt:" + t.TempDir() + "/rollcall.db"
	core, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer core.Close()
	if _, err := core.accounts.Bootstrap(t.Context(), testToken); err != nil {
		t.Fatal(err)
	}
	handler, err := core.handler(t.Context(), core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	s := &served{t: t, base: server.URL}
	operator := scim.WithActor(t.Context(), &scim.Actor{Kind: "operator", All: true})
	token := func(workspace string, life time.Duration, scopes ...scim.Permission) string {
		if _, err := core.workspace(t.Context(), workspace); err != nil {
			t.Fatal(err)
		}
		_, text, err := core.accounts.CreateToken(operator, account.NewToken{Name: "t", Workspace: workspace, Life: life, Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	expired := token("default", time.Millisecond)
	scopeless, foreign := token("default", 0, account.AuditRead), token("other", 0)
	time.Sleep(5 * time.Millisecond)

	user := "/Users/" + idOf(s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada"}`))
	group := "/Groups/" + idOf(s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"g"}`))
	const patch = `{"Operations":[{"op":"replace","path":"displayName","value":"x"}]}`
	everything := s.want(200, "GET", "/scim/v2", "").text
	for _, r := range []struct {
		method, path, body string
		scopeless          int // the answer to a good token that has no right to it
	}{
		{"GET", "", "", 403}, {"POST", "/.search", `{}`, 403},
		{"GET", "/Users", "", 403}, {"POST", "/Users", `{"userName":"x"}`, 403}, {"POST", "/Users/.search", `{}`, 403},
		{"GET", user, "", 403}, {"PUT", user, `{"userName":"x"}`, 403}, {"PATCH", user, patch, 403}, {"DELETE", user, "", 403},
		{"GET", "/Groups", "", 403}, {"POST", "/Groups", `{"displayName":"x"}`, 403}, {"POST", "/Groups/.search", `{}`, 403},
		{"GET", group, "", 403}, {"PUT", group, `{"displayName":"x"}`, 403}, {"PATCH", group, patch, 403}, {"DELETE", group, "", 403},
		{"PATCH", group, `{"Operations":[{"op":"add","path":"members","value":[{"value":"` + user[7:] + `"}]}]}`, 403},
		{"POST", "/Bulk", `{"Operations":[{"method":"DELETE","path":"` + user + `"},{"method":"POST","path":"/Users","bulkId":"1","data":{"userName":"x"}}]}`, 200},
		{"GET", "/Me", "", 404}, {"PUT", "/Me", `{"userName":"x"}`, 404}, {"PATCH", "/Me", patch, 404}, {"DELETE", "/Me", "", 404}, {"POST", "/Me", "{}", 404},
		{"GET", "/ServiceProviderConfig", "", 200}, {"GET", "/Schemas", "", 200}, {"GET", "/Schemas/" + scim.UserURN, "", 200},
		{"GET", "/ResourceTypes", "", 200}, {"GET", "/ResourceTypes/User", "", 200}, {"GET", "/Nothing", "", 404},
	} {
		for _, mount := range []string{"/scim/v2", "/w/default/scim/v2"} {
			for _, c := range []struct {
				name, credential string
				want             int
			}{
				{"nobody", "", 401}, {"a made-up token", "Bearer nonsense", 401}, {"an expired token", expired, 401},
				{"a token without the right", scopeless, r.scopeless},
			} {
				if a := s.as(c.credential, r.method, mount+r.path, r.body); a.code != c.want {
					t.Errorf("%s %s%s by %s = %d, want %d: %s", r.method, mount, r.path, c.name, a.code, c.want, a.text)
				} else if r.path == "/Bulk" && c.want == 200 && strings.Count(a.text, `"status":"403"`) != 4 {
					t.Errorf("/Bulk by %s: %s, want both refused", c.name, a.text)
				}
			}
		}
		if a := s.as(foreign, r.method, "/w/default/scim/v2"+r.path, r.body); a.code != 404 {
			t.Errorf("%s %s of another workspace = %d, want 404: %s", r.method, r.path, a.code, a.text)
		}
	}
	if after := s.want(200, "GET", "/scim/v2", "").text; after != everything {
		t.Errorf("something was changed: %s, was %s", after, everything)
	}
}
