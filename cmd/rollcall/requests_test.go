package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// TestRequests lists, shows, copies and replays what a client sent, and holds that no secret of it is
// ever shown.
func TestRequests(t *testing.T) {
	t.Parallel()
	const canary = "Canary-7f3e1b-password"
	s := inProcessServer(t, "clients: {okta: {}, hr: {workspace: lab}}\n")
	token := s.secret("token", "create", "okta", "--client", "okta")
	send := func(method, path, body string) answer { return s.as("Bearer "+token, method, path, body) }
	send("POST", "/scim/v2/Users", `{"userName":"ada","password":"`+canary+`"}`)
	send("POST", "/scim/v2/Users", `{"userName":"bob's"}`)
	send("POST", "/scim/v2/Users", `{"userName":`)
	send("GET", "/scim/v2/Users?filter=userName+eq+%22ada%22&access_token="+canary, "")
	send("GET", "/scim/v2/Users?filter=password+eq+%22"+canary+"%22", "")
	s.as("Bearer "+canary, "GET", "/scim/v2/Users", "")

	var list []struct {
		ID, Client, Method, URL, Body string
		Status                        int
		Redacted                      bool
	}
	code, out, errs := s.cli("requests", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitDone || len(list) != 6 {
		t.Fatalf("requests list = %d, %v\n%s%s", code, err, out, errs)
	}
	all := out
	id := map[string]string{}
	for _, x := range list {
		id[x.Method+x.Body] = x.ID
		for _, args := range [][]string{{"show", x.ID}, {"show", x.ID, "-o", "yaml"}, {"curl", x.ID}} {
			_, out, errs := s.cli(append([]string{"requests"}, args...)...)
			all += out + errs
		}
	}
	for _, form := range []string{"table", "csv", "jsonl"} {
		_, out, _ := s.cli("requests", "list", "-o", form)
		all += out
	}
	for _, secret := range []string{canary, token, testToken} {
		if strings.Contains(all, secret) {
			t.Errorf("the secret %s is shown:\n%s", secret, all)
		}
	}
	if list[0].Status != 401 || list[0].Client != "" || list[1].Status != 403 || list[1].Client != "okta" || !list[5].Redacted || !strings.Contains(list[5].Body, `"userName":"ada"`) {
		t.Errorf("list: %+v", list)
	}
	if _, out, _ := s.cli("requests", "list", "--failed", "--client", "okta", "--contains", "users"); strings.Count(out, "\n") != 3 {
		t.Errorf("failed requests of okta:\n%s", out)
	}

	bob := id[`POST{"userName":"bob's"}`]
	if code, _, errs := s.cli("requests", "replay", bob); code != exitUsage || !strings.Contains(errs, "--yes") {
		t.Errorf("replay of a write = %d %s, want a question", code, errs)
	}
	if code, out, errs := s.cli("requests", "replay", bob, "--yes"); code != exitFailed || !strings.Contains(errs, "409 Conflict (it was 201)") || !strings.Contains(out, "uniqueness") {
		t.Errorf("replay = %d %s%s", code, out, errs)
	}
	if code, _, errs := s.cli("requests", "replay", list[5].ID, "--yes"); code != exitFailed || !strings.Contains(errs, "had a secret") {
		t.Errorf("replay of what had a secret = %d %s", code, errs)
	}
	// The caller's rights count, not those of who sent it.
	reader := s.secret("token", "create", "reader", "--scopes", "audit:read")
	if code, out, errs := runCLI(t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + reader}, "requests", "replay", bob, "--yes"); code != exitFailed || !strings.Contains(errs, "403") {
		t.Errorf("replay by a reader = %d %s%s", code, out, errs)
	}
	other := s.secret("token", "create", "hr", "--client", "hr", "--scopes", "audit:read")
	if code, out, _ := runCLI(t, []string{"ROLLCALL_SERVER=" + s.base, "ROLLCALL_TOKEN=" + other}, "requests", "list", "-o", "json"); code != exitDone || strings.TrimSpace(out) != "[]" {
		t.Errorf("another workspace sees %d %s", code, out)
	}
	if a := s.as("Bearer "+token, "GET", "/api/v1/requests", ""); a.code != 403 {
		t.Errorf("a client without audit:read = %d", a.code)
	}
	if code, _, errs := s.cli("requests", "show", "none"); code != exitFailed || !strings.Contains(errs, "requests list") {
		t.Errorf("a request that is not kept = %d %s", code, errs)
	}
	if code, _, errs := runCLI(t, nil, "requests", "list"); code != exitUsage || !strings.Contains(errs, "--server") {
		t.Errorf("without a server = %d %s", code, errs)
	}

	// What curl is told does the same.
	_, command, _ := s.cli("requests", "curl", bob)
	curl := exec.Command("/bin/sh", "-c", command)
	testserver.Need(t, "curl")
	curl.Env = append(os.Environ(), "ROLLCALL_TOKEN="+testToken)
	if out, err := curl.CombinedOutput(); err != nil || !strings.Contains(string(out), "uniqueness") || !strings.Contains(command, "/w/default/scim/v2/Users") {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	off := inProcessServer(t, "requests: {record: off}\n")
	off.want(200, "GET", "/scim/v2/Users", "")
	if _, out, _ := off.cli("requests", "list", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("off keeps %s", out)
	}
	file := write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), "requests: {record: some, keep: 0, bytes: 1}\n", 0o600)
	if code, _, errs := runCLI(t, nil, "config", "check", "--config", file); code != exitUsage || !strings.Contains(errs, "3 problems") {
		t.Errorf("config check = %d %s", code, errs)
	}
}

// TestRequestsPage holds that the page's settings are some.
func TestRequestsPage(t *testing.T) {
	for _, config := range blocks(documents(t)["docs/requests.md"], "yaml") {
		checkConfig(t, config)
	}
}
