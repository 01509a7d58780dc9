package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/internal/testserver"
	"rollcall/store"
	"rollcall/store/redisdb"
)

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string // part of what is said
	}{
		{"toast", `"toast" is no command of rollcall`},
		{"srve", `Did you mean "serve"?`},
		{"sync", "Bring people and groups in"}, // help, and no error
		{"sync plan", "takes a SOURCE"},
		{"sync plan corp --now", "unknown flag: --now"},
		{"serve extra", "takes no arguments"},
		{"serve --role boss", "none of api, sync, all"},
		{"user list -o xml", "none of table, json, yaml, jsonl, csv"},
		{"user list --server nonsense", "is no URL"},
		{"user list --server http://127.0.0.1:1", "needs a token"},
		{"token create x --expires soon", "--expires"},
	} {
		code, out, errs := runCLI(t, nil, strings.Fields(tt.args)...)
		want := exitUsage
		if tt.args == "sync" {
			want = exitDone
		}
		if code != want || !strings.Contains(out+errs, tt.want) {
			t.Errorf("rollcall %s = %d %s%s, want %d and %q", tt.args, code, out, errs, want, tt.want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	code, _, errs := runCLI(t, nil, "user", "list", "--server", "http://127.0.0.1:1", "--token", "x")
	if code != exitUnreachable || !strings.Contains(errs, "rollcall serve") {
		t.Errorf("a server that is not there = %d %s, want %d and what to do", code, errs, exitUnreachable)
	}
	code, _, errs = runCLI(t, nil, "fsck", "--store", "redis://127.0.0.1:1")
	if code != exitUnreachable {
		t.Errorf("a Redis that is not there = %d %s, want %d", code, errs, exitUnreachable)
	}
}

func TestEmbeddedStoreInUse(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "")
	code, _, errs := runCLI(t, nil, "user", "list", "--store", s.storeURL)
	if code != exitUnreachable || !strings.Contains(errs, "--server") {
		t.Errorf("a store that is in use = %d %s, want %d and what to do", code, errs, exitUnreachable)
	}
}

func TestFsckMakesNoStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "rollcall.db")
	code, out, errs := runCLI(t, nil, "fsck", "--store", "bolt:"+path)
	if code != exitFailed || out != "" || !strings.Contains(errs, "no store at "+path) {
		t.Errorf("fsck of a file that is not there = %d %q %s, want %d and its path", code, out, errs, exitFailed)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fsck made %s", filepath.Dir(path))
	}
}

func TestUnsafeRedisIsRefused(t *testing.T) {
	r := testserver.StartRedis(t, "--appendonly", "no")
	code, _, errs := runCLI(t, nil, "fsck", "--store", r.URL())
	if code != exitFailed || !strings.Contains(errs, "appendonly") || !strings.Contains(errs, "allow_unsafe") {
		t.Errorf("a Redis without persistence = %d %s, want %d and the setting", code, errs, exitFailed)
	}
	code, _, errs = runCLI(t, []string{"ROLLCALL_STORE_ALLOW_UNSAFE=persistence"}, "fsck", "--store", r.URL())
	if code != exitDone || !strings.Contains(errs, "lost") {
		t.Errorf("... allowed = %d %s, want %d and what can be lost", code, errs, exitDone)
	}
}

func TestTokenCommands(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "")
	code, text, errs := s.cli("token", "create", "okta", "--client", "okta", "--expires", "30d")
	if code != exitDone || !strings.HasPrefix(text, "rc_") || strings.Count(text, "\n") != 1 {
		t.Fatalf("token create = %d %q %s, want the token alone on stdout", code, text, errs)
	}
	token := strings.TrimSpace(text)
	if a := s.as("Bearer "+token, "GET", "/scim/v2/Users", ""); a.code != 200 {
		t.Errorf("the new token is refused: %d %s", a.code, a.text)
	}
	if a := s.as("Bearer "+token, "GET", "/api/v1/tokens", ""); a.code != 403 || a.body["type"] != "urn:rollcall:problem:forbidden" {
		t.Errorf("an identity provider's token lists tokens: %d %s", a.code, a.text)
	}
	code, out, _ := s.cli("token", "list", "-o", "json")
	var list []account.Token
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != exitDone {
		t.Fatalf("token list = %d %v\n%s", code, err, out)
	}
	var id string
	for _, tok := range list {
		if tok.Name == "okta" {
			id = tok.ID
		}
	}
	if strings.Contains(out, token) || id == "" {
		t.Errorf("token list: %s", out)
	}
	if code, _, errs := s.cli("token", "revoke", id); code != exitDone {
		t.Fatalf("token revoke = %d %s", code, errs)
	}
	if a := s.as("Bearer "+token, "GET", "/scim/v2/Users", ""); a.code != 401 {
		t.Errorf("a revoked token = %d, want 401", a.code)
	}
	if code, _, errs := s.cli("token", "revoke", id); code != exitFailed || !strings.Contains(errs, "no token") {
		t.Errorf("revoking it again = %d %s", code, errs)
	}
}

// A client that the configuration puts into a workspace has its tokens there, unless told.
func TestTokenOfAClientsWorkspace(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "clients:\n  okta: { workspace: lab }\n")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"configured", []string{"token", "create", "a", "--client", "okta"}, "lab"},
		{"client secret", []string{"client", "secret", "create", "okta"}, "lab"},
		{"named", []string{"token", "create", "b", "--client", "okta", "--workspace", "default"}, "default"},
		{"not configured", []string{"token", "create", "c", "--client", "entra"}, "default"},
		{"no client", []string{"token", "create", "d"}, "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := s.cli(append(c.args, "-o", "json")...)
			var made account.Token
			if err := json.Unmarshal([]byte(out), &made); err != nil || code != exitDone || made.Workspace != c.want {
				t.Errorf("%v = %d, workspace %q, want %q\n%s%s", c.args, code, made.Workspace, c.want, out, errs)
			}
		})
	}
}

func TestUserAndGroupCommands(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "")
	ada := s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada","displayName":"Ada","externalId":"7","emails":[{"value":"x@example.org"},{"value":"ada@example.org","primary":true}]}`)
	s.want(201, "POST", "/scim/v2/Users", `{"userName":"bob"}`)
	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"Readers"}`)
	code, out, _ := s.cli("user", "list", "--filter", `userName sw "a"`)
	if code != exitDone || !strings.Contains(out, "ada@example.org") || strings.Contains(out, "bob") {
		t.Errorf("user list = %d\n%s", code, out)
	}
	if code, out, errs := s.cli("user", "list", "--limit", "1"); code != exitDone || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "1 of 2") {
		t.Errorf("user list --limit 1 = %d\n%s%s", code, out, errs)
	}
	for _, name := range []string{"ada", "ADA", "7", ada.body["id"].(string)} {
		if code, out, _ := s.cli("user", "show", name); code != exitDone || !strings.Contains(out, `"userName": "ada"`) {
			t.Errorf("user show %s = %d\n%s", name, code, out)
		}
	}
	if code, _, errs := s.cli("user", "show", "nobody"); code != exitFailed || !strings.Contains(errs, "rollcall user list") {
		t.Errorf("user show nobody = %d %s", code, errs)
	}
	if code, _, errs := s.cli("user", "list", "--filter", "userName eq"); code != exitUsage || errs == "" {
		t.Errorf("a malformed filter = %d %s, want %d", code, errs, exitUsage)
	}
	if code, out, _ := s.cli("group", "show", "readers"); code != exitDone || !strings.Contains(out, `"displayName": "Readers"`) {
		t.Errorf("group show = %d\n%s", code, out)
	}
}

func TestHealthcheck(t *testing.T) {
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "")
	config := s.args[2]
	listen := s.args[len(s.args)-1]
	if code, out, errs := runCLI(t, []string{"ROLLCALL_SERVER_OPS_LISTEN=" + listen}, "healthcheck", "--config", config); code != exitDone {
		t.Errorf("healthcheck = %d %s%s", code, out, errs)
	}
	s.stop()
	if code, _, _ := runCLI(t, []string{"ROLLCALL_SERVER_OPS_LISTEN=" + listen}, "healthcheck", "--config", config); code != exitUnreachable {
		t.Errorf("healthcheck of a server that stopped = %d, want %d", code, exitUnreachable)
	}
}

// TestSecondRunIsRefused holds that one run at a time goes on in the whole cluster.
func TestSecondRunIsRefused(t *testing.T) {
	r := testserver.StartRedis(t)
	s := startServer(t, r.URL(), `sources:
  corp: { type: ldif, path: demodata/directory.ldif }
`)
	ctx := context.Background()
	backend, err := redisdb.Open(ctx, redisdb.Config{Addr: r.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	w, err := store.New(store.Config{Backend: backend}).Workspace(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := w.Lock(ctx, "sync/corp", "another replica", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := s.cli("sync", "run", "corp"); code != exitLocked || !strings.Contains(errs, "another replica") {
		t.Errorf("a second run = %d %s, want %d and who has the lock", code, errs, exitLocked)
	}
	if err := lock.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Errorf("a run once the lock is free = %d\n%s%s", code, out, errs)
	}
	if code, out, _ := s.cli("sync", "show", "last"); code != exitDone || !strings.Contains(out, "corp") {
		t.Errorf("sync show last = %d\n%s", code, out)
	}
	if code, _, errs := s.cli("sync", "run", "nothing"); code != exitFailed || !strings.Contains(errs, "no source") {
		t.Errorf("an unknown source = %d %s", code, errs)
	}
}
