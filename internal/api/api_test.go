package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// noState is a scim.State that holds nothing.
type noState struct{}

func (noState) KV(string) scim.KV { return noState{} }
func (noState) Lock(context.Context, string, string, time.Duration) (scim.Lock, error) {
	return nil, scim.ErrLocked
}
func (noState) Get(context.Context, string) ([]byte, error)            { return nil, scim.ErrNotFound }
func (noState) Put(context.Context, string, []byte, []byte) error      { return nil }
func (noState) Delete(context.Context, string) error                   { return nil }
func (noState) Scan(context.Context, func(string, []byte) error) error { return nil }

// fakeRunner answers what it was made with.
type fakeRunner struct {
	runs []*dirsync.Report
	err  error
	ran  context.Context
}

func (r *fakeRunner) Plan(context.Context) (*dirsync.Report, error) {
	return &dirsync.Report{ID: "p"}, r.err
}
func (r *fakeRunner) Run(ctx context.Context, _ dirsync.Trigger) (*dirsync.Report, error) {
	r.ran = ctx
	return &dirsync.Report{ID: "r", Result: dirsync.OK}, r.err
}
func (r *fakeRunner) Apply(ctx context.Context, _ string) (*dirsync.Report, error) {
	return r.Run(ctx, dirsync.Applying)
}
func (r *fakeRunner) Approve(ctx context.Context, _ string) (*dirsync.Report, error) {
	return r.Run(ctx, dirsync.Approval)
}
func (r *fakeRunner) Undo(ctx context.Context, _ string) (*dirsync.Report, error) {
	return r.Run(ctx, dirsync.Undoing)
}
func (r *fakeRunner) Cancel(context.Context, string) error { return r.err }
func (r *fakeRunner) Progress() *dirsync.Progress          { return nil }
func (r *fakeRunner) Plans(context.Context, int) ([]*dirsync.Report, error) {
	return nil, r.err
}
func (r *fakeRunner) Changes(context.Context, string, int, int) ([]dirsync.Change, error) {
	return nil, r.err
}
func (r *fakeRunner) List(_ context.Context, limit int) ([]*dirsync.Report, error) {
	return r.runs[:min(limit, len(r.runs))], r.err
}
func (r *fakeRunner) Show(_ context.Context, id string) (*dirsync.Report, error) {
	for _, run := range r.runs {
		if run.ID == id {
			return run, nil
		}
	}
	return nil, scim.Errorf(scim.ErrNotFound, "there is no run %q", id)
}

// newAPI is an API for one actor.
func newAPI(t *testing.T, actor *scim.Actor, sources map[string]Source) http.Handler {
	t.Helper()
	accounts, err := account.New(account.Config{
		Open: func(context.Context, string) (scim.Store, error) {
			return nil, scim.Errorf(scim.ErrNotFound, "no such workspace")
		},
		State: noState{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Accounts: accounts, Sources: sources,
		SignIn: func(*http.Request) (*scim.Actor, error) {
			if actor == nil {
				return nil, scim.Errorf(scim.ErrUnauthenticated, "no")
			}
			return actor, nil
		},
	})
}

func call(t *testing.T, h http.Handler, method, path, body string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s %s answers %s", method, path, w.Body)
		}
	}
	return w, answer
}

func TestProblems(t *testing.T) {
	admin := &scim.Actor{Kind: "operator", All: true}
	failing := func(err error) map[string]Source { return map[string]Source{"corp": {Runner: &fakeRunner{err: err}}} }
	tests := []struct {
		name               string
		actor              *scim.Actor
		sources            map[string]Source
		method, path, body string
		code               int
		problem            string
	}{
		{"nobody", nil, nil, "GET", "/api/v1/tokens", "", 401, "unauthenticated"},
		{"no right", &scim.Actor{}, nil, "GET", "/api/v1/tokens", "", 403, "forbidden"},
		{"no such call", admin, nil, "GET", "/api/v1/nothing", "", 404, "not-found"},
		{"another method", admin, nil, "PUT", "/api/v1/tokens", "", 404, "not-found"},
		{"no JSON", admin, nil, "POST", "/api/v1/tokens", "{", 400, "invalid-syntax"},
		{"a life that overflows", admin, nil, "POST", "/api/v1/tokens", `{"name":"a","expiresIn":18446744074}`, 400, "invalid-value"},
		{"two objects", admin, nil, "POST", "/api/v1/tokens", `{"name":"a"}{}`, 400, "invalid-syntax"},
		{"unknown member", admin, nil, "POST", "/api/v1/tokens", `{"nmae":"a"}`, 400, "invalid-syntax"},
		{"too large", admin, nil, "POST", "/api/v1/tokens", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, 413, "too-large"},
		{"unknown workspace", admin, nil, "POST", "/api/v1/tokens", `{"name":"a","workspace":"b"}`, 404, "not-found"},
		{"unknown token", admin, nil, "DELETE", "/api/v1/tokens/x", "", 404, "not-found"},
		{"unknown source", admin, nil, "POST", "/api/v1/sources/x/runs", "", 404, "not-found"},
		{"limit", admin, nil, "GET", "/api/v1/sync/runs?limit=0", "", 400, "invalid-value"},
		{"locked", admin, failing(scim.Errorf(scim.ErrLocked, "a holds it")), "POST", "/api/v1/sources/corp/runs", "", 409, "locked"},
		{"store away", admin, failing(fmt.Errorf("x: %w", scim.ErrUnavailable)), "POST", "/api/v1/sources/corp/runs", "", 503, "unavailable"},
		{"anything", admin, failing(errors.New("redis://user:secret@host")), "POST", "/api/v1/sources/corp/plans", "", 500, "internal"},
	}
	for _, tt := range tests {
		w, p := call(t, newAPI(t, tt.actor, tt.sources), tt.method, tt.path, tt.body)
		if w.Code != tt.code || p["type"] != problemBase+tt.problem || p["status"] != float64(tt.code) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, w.Code, w.Body, tt.code, tt.problem)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %q", tt.name, got)
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: the cause is shown: %s", tt.name, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (tt.code == 503) || (w.Header().Get("WWW-Authenticate") != "") != (tt.code == 401) {
			t.Errorf("%s: headers %v", tt.name, w.Header())
		}
	}
}

func TestSourcesAreOfTheirWorkspace(t *testing.T) {
	sources := map[string]Source{
		"corp":  {Runner: &fakeRunner{runs: []*dirsync.Report{{ID: "2"}, {ID: "1"}}}, Workspace: "default", Type: "ldap"},
		"other": {Runner: &fakeRunner{runs: []*dirsync.Report{{ID: "3"}}}, Workspace: "research", Type: "ldif"},
	}
	all := &scim.Actor{Kind: "bootstrap", All: true}
	one := &scim.Actor{Kind: "token", Workspace: "default", Permissions: map[scim.Permission]bool{account.SyncRead: true}}

	_, list := call(t, newAPI(t, all, sources), "GET", "/api/v1/sources", "")
	if n := len(list["sources"].([]any)); n != 2 {
		t.Errorf("%d sources for everybody's actor, want 2", n)
	}
	_, list = call(t, newAPI(t, one, sources), "GET", "/api/v1/sources", "")
	if n := len(list["sources"].([]any)); n != 1 {
		t.Errorf("%d sources for an actor of one workspace, want 1", n)
	}
	_, runs := call(t, newAPI(t, all, sources), "GET", "/api/v1/sync/runs?limit=2", "")
	if got := fmt.Sprint(runs["runs"].([]any)[0].(map[string]any)["id"], runs["runs"].([]any)[1].(map[string]any)["id"]); got != "32" {
		t.Errorf("the newest runs are %s, want 3 and 2", got)
	}
	for path, code := range map[string]int{"/api/v1/sync/runs/1": 200, "/api/v1/sync/runs/last": 200, "/api/v1/sync/runs/3": 404, "/api/v1/sync/runs/9": 404} {
		if w, _ := call(t, newAPI(t, one, sources), "GET", path, ""); w.Code != code {
			t.Errorf("GET %s = %d, want %d", path, w.Code, code)
		}
	}
	if w, _ := call(t, newAPI(t, one, sources), "POST", "/api/v1/sources/other/plans", ""); w.Code != 404 {
		t.Errorf("another workspace's source = %d, want 404", w.Code)
	}
	if w, _ := call(t, newAPI(t, one, sources), "POST", "/api/v1/sources/corp/runs", ""); w.Code != 403 {
		t.Errorf("a run without sync:run = %d, want 403", w.Code)
	}
}

// TestRunOutlivesItsRequest holds that a caller who goes away does not break a run off, and
// that the end of the process does.
func TestRunOutlivesItsRequest(t *testing.T) {
	runner := &fakeRunner{}
	lifetime, end := context.WithCancel(context.Background())
	a := &api{Config: Config{Lifetime: lifetime}}
	request, gone := context.WithCancel(context.Background())
	ctx, done := a.detach(request)
	defer done()
	gone()
	if _, err := runner.Run(ctx, dirsync.Manual); err != nil || runner.ran.Err() != nil {
		t.Errorf("the run ended with its request: %v", runner.ran.Err())
	}
	end()
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Error("the run goes on after the end of the process")
	}
}

func TestPanicIsAProblem(t *testing.T) {
	a := &api{Config: Config{SignIn: func(*http.Request) (*scim.Actor, error) { return &scim.Actor{}, nil }}, logger: slog.New(slog.DiscardHandler)}
	w := httptest.NewRecorder()
	a.serve(&route{call: func(*http.Request) (int, any, error) { panic("boom") }}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("a panic = %d %s", w.Code, w.Body)
	}
}
