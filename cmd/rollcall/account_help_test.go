package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// accountServer serves accounts on a store, in this process. Several on one store are replicas.
func accountServer(t *testing.T, storeURL string) *served {
	t.Helper()
	s, _ := accountServerCore(t, storeURL)
	return s
}

func accountServerCore(t *testing.T, storeURL string) (*served, *core) {
	t.Helper()
	testserver.Long(t)
	core, h := openServerCore(t, storeURL, "server: {trusted_proxies: [127.0.0.0/8]}\n")
	server := httptest.NewServer(asDocumented(t, h))
	t.Cleanup(server.Close)
	return &served{t: t, base: server.URL, storeURL: storeURL}, core
}

// openServer is all that a server answers, with a keyring of its own and the token testToken.
func openServer(t *testing.T, storeURL, config string) http.Handler {
	t.Helper()
	_, h := openServerCore(t, storeURL, config)
	return h
}

func openServerCore(t *testing.T, storeURL, config string) (*core, http.Handler) {
	t.Helper()
	c, _ := load(t, Options{File: write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), config, 0o600), Validators: validators()})
	c.Store.URL = storeURL
	c.Secrets.Keyring = filepath.Join(t.TempDir(), "keyring.json")
	c.Audit.Keyring = keyringOf(t, storeURL)
	core, err := openCore(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { core.Close() })
	if _, err := core.accounts.Bootstrap(t.Context(), testToken); err != nil {
		t.Fatal(err)
	}
	h, err := core.handler(context.WithoutCancel(t.Context()), core.accounts)
	if err != nil {
		t.Fatal(err)
	}
	return core, h
}

// person is somebody who calls a server with a token of their own.
type person struct {
	*served
	id, name, token string
}

func (p *person) do(method, path, body string) answer {
	p.t.Helper()
	return p.as("Bearer "+p.token, method, path, body)
}

func (p *person) want(code int, method, path, body string) answer {
	p.t.Helper()
	a := p.do(method, path, body)
	if a.code != code {
		p.t.Fatalf("%s: %s %s %s = %d %s, want %d", p.name, method, path, body, a.code, a.text, code)
	}
	return a
}

const goodPassword = "correct horse battery"

// makeUser makes a user by SCIM, with a password and perhaps a role, in a workspace.
func (s *served) makeUser(workspace, name, role string) *person {
	s.t.Helper()
	roles := ""
	if role != "" {
		roles = fmt.Sprintf(`,"roles":[{"value":%q,"primary":true}]`, role)
	}
	a := s.want(201, "POST", "/w/"+workspace+"/scim/v2/Users", fmt.Sprintf(
		`{"userName":%q,"displayName":%q,"emails":[{"value":"%s@example.com","primary":true}],"password":%q%s}`, name, name, name, goodPassword, roles))
	return &person{served: s, id: a.body["id"].(string), name: name}
}

// tryLogin logs in from an address.
func (s *served) tryLogin(workspace, name, password, from string) answer {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"workspace": workspace, "userName": name, "password": password})
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", s.base+"/api/v1/login", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if from != "" {
		req.Header.Set("X-Forwarded-For", from)
	}
	return s.send(req)
}

// login logs a person in.
func (p *person) login(workspace string) *person {
	p.t.Helper()
	a := p.tryLogin(workspace, p.name, goodPassword, "")
	if a.code != 200 {
		p.t.Fatalf("login of %s = %d %s", p.name, a.code, a.text)
	}
	p.token = a.body["token"].(string)
	return p
}

// user makes a user who is logged in.
func (s *served) user(workspace, name, role string) *person {
	s.t.Helper()
	return s.makeUser(workspace, name, role).login(workspace)
}

func (s *served) workspace(name, preset string) string {
	s.t.Helper()
	s.want(201, "POST", "/api/v1/workspaces", fmt.Sprintf(`{"name":%q,"preset":%q}`, name, preset))
	return name
}

// refused holds that a token is refused within a second (design.md §4.10).
func (p *person) refusedSoon(what string) {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		asked := time.Now()
		a := p.do("GET", "/scim/v2/ServiceProviderConfig", "")
		if a.code == 401 {
			return
		}
		if asked.Sub(began) > time.Second {
			p.t.Errorf("%s: a second later %s's token is answered %d %s, want 401", what, p.name, a.code, a.text)
			return
		}
	}
}

// program runs the command line as a process of its own, with input.
func (s *served) program(token, input string, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+token)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func userPatch(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}
