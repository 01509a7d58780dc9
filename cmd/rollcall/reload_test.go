package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// configFile is where the server's configuration is.
func (s *served) configFile() string { return s.args[2] }

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s it still does not hold that %s", what)
		}
	}
}

// TestReload changes the file of a running server: what can be taken over is, at once by SIGHUP and
// soon without one; an error leaves everything as it was, and is told; no secret is.
func TestReload(t *testing.T) {
	const first = "clients: {okta: {patch_response: \"200\"}, legacy: {basic: {user: agent, password: first-password-of-the-agent}}}\n"
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", first)
	okta := "Bearer " + s.secret("token", "create", "okta", "--client", "okta")
	id := s.as(okta, "POST", "/scim/v2/Users", `{"userName":"ada"}`).body["id"].(string)
	patch := func() int {
		return s.as(okta, "PATCH", "/scim/v2/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"title","value":"Dr."}]}`).code
	}
	if code := patch(); code != 200 {
		t.Fatalf("PATCH = %d, want 200", code)
	}
	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(strings.NewReplacer(`"200"`, `"204"`, "first-password", "other-password").Replace(first) + "logging: {level: debug}\nserver: {pprof: true}\n")
	s.proc.Signal(syscall.SIGHUP)
	eventually(t, "PATCH is answered 204", func() bool { return patch() == 204 })

	change("clients: {okta: {patch_respons: auto}}\n")
	eventually(t, "the error is counted", func() bool {
		return strings.Contains(s.metrics(), "rollcall_config_last_reload_successful 0\n")
	})
	if code := patch(); code != 204 {
		t.Errorf("with an error in the file PATCH = %d, want 204 as before", code)
	}
	change("sources: {corp: {type: ldif, path: " + s.configFile() + "}}\n")
	eventually(t, "the source is there", func() bool {
		_, out, _ := s.cli("sync", "plan", "corp")
		return strings.Contains(out, "corp")
	})
	change("sso: {company: {issuer: \"http://127.0.0.1:1\", client_id: rollcall}}\n")
	eventually(t, "the provider, which does not answer, is there", func() bool {
		return s.as("", "GET", "/api/v1/login/sso/company", "").code == 503
	})
	breached := filepath.Join(t.TempDir(), "breached.txt")
	write(t, breached, "an old favourite\n", 0o600)
	change("accounts: {breached_passwords: " + breached + "}\nsecrets: {keyring: " + breached + ".keyring}\n")
	tries := 0
	refused := func(password string) bool {
		tries++
		return s.as("Bearer "+testToken, "POST", "/scim/v2/Users", fmt.Sprintf(`{"userName":"try%d","password":%q}`, tries, password)).code == 400
	}
	eventually(t, "a password of the list is refused", func() bool { return refused("an old favourite") })
	write(t, breached, "another old favourite\n", 0o600)
	s.proc.Signal(syscall.SIGHUP) // the list itself is read anew
	eventually(t, "a password of the new list is refused", func() bool { return refused("another old favourite") })
	if !strings.Contains(s.metrics(), "rollcall_config_last_reload_successful 1\n") {
		t.Error("the good configuration is not counted")
	}
	log := readFileT(t, s.log)
	for _, want := range []string{`clients.okta.patch_response: 200 → 204`, `clients.legacy.basic.password: redacted → redacted`, `"settings":["server.pprof"]`, `"settings":["secrets.keyring"]`, `Did you mean \"patch_response\"?`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not have %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "-password-of") {
		t.Error("the log has a secret")
	}
}
