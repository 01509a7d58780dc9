package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"rollcall/account"
	"rollcall/scim"
)

// The tests named TestRFC… hold the whole stack against what the RFCs ask of a service provider:
// one for each section, one subtest for each requirement of docs/rfc.md. What a test of scim,
// scimhttp, account or store holds already is named there instead of being held twice.

const (
	urnUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	urnAccount    = "urn:rollcall:params:scim:schemas:extension:account:2.0:User"
	urnList       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	urnPatch      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	urnSearch     = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	urnBulk       = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	urnError      = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// rfcServer is the whole stack in this process, on an embedded store of its own.
type rfcServer struct {
	base, token string
	core        *core
}

// serveRFC starts it; change may alter its settings.
func serveRFC(t *testing.T, change ...func(*Config)) *rfcServer {
	t.Helper()
	config := defaultConfig()
	config.Store.URL = "bolt:" + filepath.Join(t.TempDir(), "rollcall.db")
	for _, f := range change {
		f(config)
	}
	c, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.accounts.Bootstrap(t.Context(), testToken); err != nil {
		t.Fatal(err)
	}
	handler, err := c.handler(t.Context(), c.accounts)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return &rfcServer{base: srv.URL + "/scim/v2", token: testToken, core: c}
}

// withToken is the server as the holder of a new token sees it.
func (s *rfcServer) withToken(t *testing.T, n account.NewToken) *rfcServer {
	t.Helper()
	n.Name = "test"
	ctx := scim.WithActor(t.Context(), &scim.Actor{Kind: "bootstrap", ID: "bootstrap", All: true})
	_, text, err := s.core.accounts.CreateToken(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return &rfcServer{base: s.base, token: text, core: s.core}
}

// do sends a request to a path behind the base URL, or to a whole URL. headers come in pairs; the
// value "-" leaves a header out.
func (s *rfcServer) do(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	if !strings.HasPrefix(path, "http://") {
		path = s.base + path
	}
	req, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "-" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // which follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	if strings.HasSuffix(a.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &a.body); err != nil {
			t.Fatalf("%s %s: the answer is no JSON object: %v\n%s", method, path, err, text)
		}
	}
	return a
}

// want sends a request and fails the test on another status.
func (s *rfcServer) want(t *testing.T, code int, method, path, body string, headers ...string) answer {
	t.Helper()
	a := s.do(t, method, path, body, headers...)
	if a.code != code {
		t.Fatalf("%s %s %s = %d, want %d\n%s", method, path, body, a.code, code, a.text)
	}
	return a
}

// refused sends a request that must be answered with an error as RFC 7644 §3.12 has it.
func (s *rfcServer) refused(t *testing.T, code int, scimType, method, path, body string, headers ...string) answer {
	t.Helper()
	a := s.want(t, code, method, path, body, headers...)
	got, _ := a.body["scimType"].(string)
	if a.at("schemas", 0) != urnError || a.body["status"] != strconv.Itoa(code) || got != scimType || a.str("detail") == "" {
		t.Errorf("%s %s %s is answered with %s, want an error with scimType %q", method, path, body, a.text, scimType)
	}
	return a
}

// create makes a resource and gives its URL behind the base.
func (s *rfcServer) create(t *testing.T, path, body string) string {
	t.Helper()
	return path + "/" + s.want(t, http.StatusCreated, "POST", path, body).str("id")
}

// patch sends operations, and gives the resource that is there afterwards.
func (s *rfcServer) patch(t *testing.T, path string, operations ...string) answer {
	t.Helper()
	if a := s.do(t, "PATCH", path, patchOp(operations...)); a.code != 200 && a.code != 204 {
		t.Fatalf("PATCH %s %s = %d, want 200 or 204\n%s", path, operations, a.code, a.text)
	}
	return s.want(t, 200, "GET", path, "")
}

func patchOp(operations ...string) string {
	return `{"schemas":["` + urnPatch + `"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

// at is what stands at a path of names and indexes, nil where there is nothing.
func (a answer) at(path ...any) any {
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

func (a answer) str(path ...any) string { s, _ := a.at(path...).(string); return s }

func (a answer) list(path ...any) []any { l, _ := a.at(path...).([]any); return l }

// each gives one attribute of every resource of a list, "-" where one has none.
func (a answer) each(attribute string) string {
	var out []string
	for i := range a.list("Resources") {
		v, ok := a.at("Resources", i, attribute).(string)
		if !ok {
			v = "-"
		}
		out = append(out, v)
	}
	return strings.Join(out, " ")
}

// holds fails the test where a value of the answer is not as wanted: paths and values, by turns.
func (a answer) holds(t *testing.T, pairs ...any) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path, ok := pairs[i].([]any)
		if !ok {
			path = []any{pairs[i]}
		}
		got, err := json.Marshal(a.at(path...))
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(pairs[i+1])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%v = %s, want %s\n%s", path, got, want, a.text)
		}
	}
}

func parseJSON(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
