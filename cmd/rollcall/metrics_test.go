package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestMetricsOfServe asks a server for what its clients made use of.
func TestMetricsOfServe(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "clients: {okta: {user_name_email: true}}")
	_, token, _ := s.cli("token", "create", "okta", "--client", "okta")
	okta := "Bearer " + strings.TrimSpace(token)
	if a := s.as(okta, "POST", "/scim/v2/Users", `{"userName":"jane"}`); a.code != 400 || a.body["scimType"] != "invalidValue" {
		t.Errorf("a userName that is no e-mail address: %d %s", a.code, a.text)
	}
	if a := s.as(okta, "POST", "/scim/v2/users", `{"userName":"jane@example.com","shoeSize":40}`); a.code != 201 {
		t.Errorf("POST = %d %s", a.code, a.text)
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.opsPort))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`rollcall_patch_quirks_total{client="okta",quirk="endpoint-case"} 1`, `rollcall_patch_quirks_total{client="okta",quirk="unknown-attribute"} 1`,
	} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("/metrics has no line %s:\n%s", line, text)
		}
	}
}
