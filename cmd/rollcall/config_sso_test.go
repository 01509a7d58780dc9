package main

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"rollcall/account"
)

func TestSSOSettings(t *testing.T) {
	secret := write(t, filepath.Join(t.TempDir(), "secret"), "the secret\n", 0o600)
	inDir(t, `
sso:
  company: {issuer: "https://login.example.com/v2.0", client_id: rollcall, client_secret_file: `+secret+`, claim: email, scopes: [email], workspaces: [lab, default], label: Example}
  local: {issuer: "http://127.0.0.1:3000", client_id: x}
`)
	c, _ := load(t, Options{})
	want := []account.Provider{
		{Name: "company", Label: "Example", Issuer: "https://login.example.com/v2.0", ClientID: "rollcall", ClientSecret: "the secret", Scopes: []string{"email"}, Claim: "email", Workspaces: []string{"lab", "default"}},
		{Name: "local", Issuer: "http://127.0.0.1:3000", ClientID: "x", Scopes: []string{"profile", "email"}, Workspaces: []string{"default"}},
	}
	if got := c.providers(); !reflect.DeepEqual(got, want) {
		t.Errorf("providers = %+v, want %+v", got, want)
	}
	for _, c := range []struct{ settings, want string }{
		{`{client_id: x}`, "sso.p.issuer"},
		{`{issuer: "http://login.example.com", client_id: x}`, "must be https"},
		{`{issuer: "https://login.example.com?x", client_id: x}`, "is no issuer"},
		{`{issuer: "https://login.example.com"}`, "sso.p.client_id"},
		{`{issuer: "https://login.example.com", client_id: x, workspaces: []}`, "sso.p.workspaces"},
		{`{issuer: "https://login.example.com", client_id: x, workspaces: [Not A Name]}`, "sso.p.workspaces"},
		{`{issuer: "https://login.example.com", client_id: x, secret: y}`, "client_secret"},
	} {
		inDir(t, "sso: {p: "+c.settings+"}\n")
		var said bytes.Buffer
		for _, line := range problems(t, Options{}) {
			said.WriteString(line + "\n")
		}
		if !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: %s, want %s", c.settings, said.String(), c.want)
		}
	}
}
