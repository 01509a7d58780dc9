package scimhttp

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"rollcall/scim"
)

const (
	tokenA  = "token-of-workspace-alpha-0123456789"
	tokenB  = "token-of-workspace-beta-00123456789"
	tokenIt = "token-of-every-workspace-0123456789"
)

// authenticator holds fixed tokens.
type authenticator map[string]*scim.Actor

func (a authenticator) Authenticate(_ context.Context, token string) (*scim.Actor, error) {
	if actor := a[token]; actor != nil {
		return actor, nil
	}
	return nil, scim.ErrUnauthenticated
}

// site is a running server with three workspaces and a client for them.
type site struct {
	t      testing.TB
	url    string
	stores map[string]*fakeStore
	token  string
	direct http.Handler                // called without a server, where it is set
	wrap   func(scim.Store) scim.Store // puts something in front of alpha's store

	mu     sync.Mutex // guards quirks
	quirks map[string]int
}

// serve starts a server; change may alter its configuration.
func serve(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	s := build(t, change...)
	srv := httptest.NewServer(s.direct)
	t.Cleanup(srv.Close)
	s.url, s.direct = srv.URL, nil
	return s
}

// build makes what serve does without a server.
func build(t testing.TB, change ...func(*Config)) *site {
	t.Helper()
	model := scim.DefaultModel()
	s := &site{t: t, token: tokenA, quirks: map[string]int{}, stores: map[string]*fakeStore{}}
	for _, ws := range []string{"default", "alpha", "beta"} {
		s.stores[ws] = newFakeStore(model)
	}
	c := Config{
		Auth: authenticator{
			tokenA:  {Kind: "token", ID: "a", Client: "okta", Workspace: "alpha"},
			tokenB:  {Kind: "token", ID: "b", Client: "entra", Workspace: "beta"},
			tokenIt: {Kind: "bootstrap", All: true},
		},
		Directory: func(_ context.Context, ws string) (scim.Store, error) {
			if st := s.stores[ws]; st != nil {
				if s.wrap != nil && ws == "alpha" {
					return s.wrap(st), nil
				}
				return st, nil
			}
			return nil, scim.Errorf(scim.ErrNotFound, "workspace %q does not exist", ws)
		},
		Quirk: func(client, quirk string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.quirks[client+":"+quirk]++
		},
	}
	for _, f := range change {
		f(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.direct = "http://scim.example.com", h
	return s
}

func (s *site) store() *fakeStore { return s.stores["alpha"] }

func (s *site) quirk(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks[name]
}

// reply is an answer, with its body read.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do sends a request. A path without /scim/v2 is put behind it. headers come in pairs; a
// value "-" leaves the header out.
func (s *site) do(method, path, body string, headers ...string) *reply {
	s.t.Helper()
	if !strings.HasPrefix(path, "/scim/") && !strings.HasPrefix(path, "/w/") && !strings.HasPrefix(path, "//scim/") {
		path = "/scim/v2" + path
	}
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "-" {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	return s.send(req)
}

func (s *site) send(req *http.Request) *reply {
	s.t.Helper()
	res, err := s.roundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: reading the answer: %v", req.Method, req.URL, err)
	}
	r := &reply{t: s.t, what: req.Method + " " + req.URL.RequestURI(), status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &r.body); err != nil {
			s.t.Fatalf("%s: the answer is no JSON object: %v\n%s", r.what, err, text)
		}
	}
	r.checkForm()
	return r
}

func (s *site) roundTrip(req *http.Request) (*http.Response, error) {
	if s.direct == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	w := httptest.NewRecorder()
	s.direct.ServeHTTP(w, req)
	return w.Result(), nil
}

// checkForm holds what is true of every answer.
func (r *reply) checkForm() {
	r.t.Helper()
	ct := r.header.Get("Content-Type")
	if len(r.text) > 0 && ct != "application/scim+json" {
		r.t.Errorf("%s: Content-Type = %q, want application/scim+json", r.what, ct)
	}
	if r.header.Get("X-Request-Id") == "" {
		r.t.Errorf("%s: no X-Request-Id", r.what)
	}
	if r.status >= 400 && len(r.text) > 0 {
		if err := r.errorForm(); err != "" {
			r.t.Errorf("%s: %s: %s", r.what, err, r.text)
		}
	}
}

// errorForm tells what is wrong with an error body, "" where it is right.
func (r *reply) errorForm() string {
	schemas, _ := r.body["schemas"].([]any)
	status, _ := r.body["status"].(string)
	detail, _ := r.body["detail"].(string)
	switch {
	case len(schemas) != 1 || schemas[0] != "urn:ietf:params:scim:api:messages:2.0:Error":
		return "schemas is not that of an error"
	case status != itoa(r.status):
		return "status is not the text of the status code"
	case detail == "":
		return "there is no detail"
	}
	return ""
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// want checks the status, and the scimType of an error.
func (r *reply) want(status int, scimType ...string) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: status = %d, want %d: %s", r.what, r.status, status, r.text)
	}
	if len(scimType) > 0 {
		if got, _ := r.body["scimType"].(string); got != scimType[0] {
			r.t.Errorf("%s: scimType = %q, want %q: %s", r.what, got, scimType[0], r.text)
		}
	}
	return r
}

// at is the value at a path of names and indexes, nil where there is none.
func (r *reply) at(path ...any) any {
	var v any = r.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			a, _ := v.([]any)
			if p >= len(a) {
				return nil
			}
			v = a[p]
		}
	}
	return v
}

func (r *reply) str(path ...any) string { s, _ := r.at(path...).(string); return s }

func (r *reply) id() string { return r.str("id") }

func (r *reply) has(name string) bool { _, ok := r.body[name]; return ok }

// ids are the values of members or groups, or the ids of Resources.
func (r *reply) ids(name string) []string {
	list, _ := r.body[name].([]any)
	out := []string{}
	for _, e := range list {
		m, _ := e.(map[string]any)
		id, _ := m["value"].(string)
		if name == "Resources" {
			id, _ = m["id"].(string)
		}
		out = append(out, id)
	}
	return out
}

// user and group make one and give its id.
func (s *site) user(name string) string {
	s.t.Helper()
	return s.do("POST", "/Users", `{"schemas":["`+scim.UserURN+`"],"userName":"`+name+`"}`).want(201).id()
}

func (s *site) group(name string, members ...string) string {
	s.t.Helper()
	return s.do("POST", "/Groups", `{"schemas":["`+scim.GroupURN+`"],"displayName":"`+name+`","members":`+memberList(members...)+`}`).want(201).id()
}

func memberList(ids ...string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = `{"value":"` + id + `"}`
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// patch is the body of a PATCH with the given operations.
func patch(ops ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(ops, ",") + `]}`
}
