package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"rollcall/internal/api"
	"rollcall/internal/testserver"
)

// neverFails are the calls that answer nobody with an error that a test could bring about.
var neverFails = []string{"GET /api/v1/openapi.json"}

// TestOpenAPI calls every route with success and with an error, and holds each exchange against the
// document. Whoever adds a route adds its call to walkAPI.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	went := map[string][2]bool{} // route: with success, with an error
	s := documentServer(t, func(r *routers.Route, status int) {
		mu.Lock()
		defer mu.Unlock()
		w := went[r.Method+" "+r.Path]
		w[status/400] = true
		went[r.Method+" "+r.Path] = w
	})
	walkAPI(s)
	failAPI(s)
	mu.Lock()
	defer mu.Unlock()
	for _, rt := range api.Routes() {
		name := rt.Method + " " + rt.Path
		if w := went[name]; !w[0] {
			t.Errorf("%s was not called with success: add a call to walkAPI", name)
		} else if !w[1] && !slices.Contains(neverFails, name) {
			t.Errorf("%s was not called with an error", name)
		}
	}
}

// TestOpenAPIDocument holds that the document is one, is what the server answers and what the
// command prints, and tells of every route what it takes.
func TestOpenAPIDocument(t *testing.T) {
	text := runJSON(t, "openapi")
	spec, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Errorf("the document is no OpenAPI 3.1: %v", err)
	}
	if !spec.IsOpenAPI31OrLater() {
		t.Errorf("openapi = %s, want 3.1", spec.OpenAPI)
	}
	s := inProcessServer(t, "")
	if a := s.as("", "GET", "/api/v1/openapi.json", ""); a.code != 200 || strings.TrimSpace(a.text) != compactJSON(t, text) {
		t.Errorf("GET /api/v1/openapi.json = %d and something else than `rollcall openapi` prints", a.code)
	}
	ids := map[string]bool{}
	for _, rt := range api.Routes() {
		op := spec.Paths.Value(rt.Path).GetOperation(rt.Method)
		if op == nil || op.Summary == "" || ids[op.OperationID] {
			t.Errorf("%s %s: operation %+v, want a summary and an id of its own", rt.Method, rt.Path, op)
			continue
		}
		ids[op.OperationID] = true
		if needs := fmt.Sprint(op.Extensions["x-permissions"]); len(rt.Needs) > 0 && needs != fmt.Sprint(rt.Needs) {
			t.Errorf("%s %s: x-permissions %s, want %v", rt.Method, rt.Path, needs, rt.Needs)
		}
	}
}

func runJSON(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := runCLI(t, nil, args...)
	if code != exitDone {
		t.Fatalf("rollcall %v = %d %s", args, code, errs)
	}
	return out
}

func compactJSON(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// documentServer has a source, streams of events and secrets.
func documentServer(t *testing.T, tell func(*routers.Route, int)) *served {
	t.Helper()
	testserver.Long(t)
	ldif := newLDIF(t, 3)
	smtp := testserver.StartSMTP(t, testserver.SMTPOptions{})
	core, h := openServerCore(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), ldif.config("")+"events: {issuer: 'https://scim.example.com', allow_networks: [127.0.0.0/8]}\n"+mailConfig(smtp, "")+ssoSettings(testserver.StartOIDC(t)))
	sendMail(t, core)
	server := httptest.NewServer(heldToDocument(t, h, tell))
	t.Cleanup(server.Close)
	return &served{t: t, base: server.URL, ldif: ldif, smtp: smtp}
}

// walkAPI calls every route with success.
func walkAPI(s *served) {
	s.t.Helper()
	id := func(a answer, name string) string { return a.body[name].(string) }
	s.want(200, "GET", "/api/v1/openapi.json", "")
	walkAccounts(s)
	walkLinks(s)
	s.ssoUser("default", "by-provider")
	if a := ssoLogin(s, "p0", `{"preferred_username":"by-provider"}`); a.code != 200 {
		s.t.Errorf("login by a provider = %d %s", a.code, a.text)
	}

	tok := id(s.want(201, "POST", "/api/v1/tokens", `{"name":"a","client":"okta","scopes":["users:read","users:list"],"expiresIn":60}`), "id")
	s.want(200, "GET", "/api/v1/tokens", "")
	s.want(201, "POST", "/api/v1/tokens/"+tok+"/rotate", `{"overlapSeconds":5}`)
	s.want(204, "DELETE", "/api/v1/tokens/"+tok, "")
	s.want(200, "GET", "/api/v1/clients", "")
	s.want(200, "POST", "/api/v1/clients/okta/pause?workspace=default", "")
	s.want(200, "POST", "/api/v1/clients/okta/resume?workspace=default", "")

	s.want(200, "GET", "/api/v1/requests?limit=1000&failed=false&client=okta&contains=a", "")
	s.want(200, "GET", "/api/v1/requests?workspace=default", "")
	s.want(200, "GET", "/api/v1/changes?after=0&limit=1000&images=true", "")
	gone := s.plainUser("default", "gone", "")
	s.want(204, "DELETE", "/scim/v2/Users/"+gone, "")
	s.want(200, "GET", "/api/v1/deleted?type=User&limit=1", "")
	s.want(200, "POST", "/api/v1/deleted/User/"+gone+"/restore", "")
	s.want(204, "DELETE", "/scim/v2/Users/"+gone, "")
	s.want(204, "DELETE", "/api/v1/deleted/User/"+gone, "")
	s.want(200, "GET", "/api/v1/explain?type=User&filter="+url.QueryEscape(`userName sw "a"`)+"&sortBy=userName&sortOrder=ascending", "")
	if code, _, errs := s.cli("backup", filepath.Join(s.t.TempDir(), "backup")); code != exitDone {
		s.t.Errorf("rollcall backup = %d %s", code, errs)
	}
	walkSync(s)
	walkSchemas(s)
	walkEvents(s)
}

func walkAccounts(s *served) {
	s.t.Helper()
	boss := s.user("default", "boss", "admin")
	s.want(200, "GET", "/api/v1/workspaces", "")
	s.want(201, "POST", "/api/v1/workspaces", `{"name":"lab","preset":"pysyft"}`)
	s.want(201, "POST", "/api/v1/workspaces", `{"name":"annex"}`)
	s.want(200, "GET", "/api/v1/settings?workspace=lab", "")
	s.want(200, "PATCH", "/api/v1/settings?workspace=lab", `{"allowGuestLogin":true,"defaultGroups":null}`)
	time.Sleep(600 * time.Millisecond)
	s.want(200, "POST", "/api/v1/login/guest", `{"workspace":"lab"}`)

	s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"staff"}`)
	ada := s.want(201, "POST", "/api/v1/users", `{"user":{"userName":"ada","password":"`+goodPassword+`"},"groups":["staff"]}`).body["id"].(string)
	path := "/api/v1/users/" + ada
	s.want(200, "PUT", path+"/groups", `{"groups":[]}`)
	s.want(200, "PUT", "/api/v1/workspaces/annex/members/"+ada, `{"role":"auditor"}`)
	s.want(200, "DELETE", "/api/v1/workspaces/annex/members/"+ada, "")
	lease := s.want(201, "POST", path+"/leases", `{"application":"render","ttlSeconds":60}`).body["id"].(string)
	s.want(200, "GET", path+"/leases", "")
	s.want(200, "PUT", path+"/leases/"+lease, `{"ttlSeconds":90}`)
	s.want(409, "POST", path+"/deactivate", "")
	s.want(204, "DELETE", path+"/leases/"+lease, "")
	s.want(200, "POST", path+"/deactivate", "")
	s.want(200, "POST", path+"/activate", "")
	s.want(200, "POST", path+"/deactivate", "")
	s.want(200, "POST", "/api/v1/activate", `{"userName":"ada"}`)
	s.want(200, "PUT", path+"/trial", `{"grantedOn":1000,"expiresOn":4102444800000}`)
	s.want(200, "GET", path+"/trial", "")
	s.want(200, "GET", "/api/v1/authorization?startIndex=1&count=2", "")
	s.want(200, "GET", "/api/v1/authorization?user=ada", "")
	s.want(200, "GET", "/api/v1/authorization?user=ada&permission=self:read", "")

	s.want(204, "PUT", path+"/secrets/key", `{"value":"a"}`)
	s.want(200, "GET", path+"/secrets", "")
	s.want(200, "GET", path+"/secrets/key", "")
	s.want(204, "DELETE", path+"/secrets/key", "")
	for _, what := range []string{"connections/db", "plugins/a/b/c/d"} {
		s.want(204, "PUT", path+"/credentials/"+what, `{"type":"BASIC","user":"ada","secret":"x"}`)
		s.want(200, "GET", "/api/v1/credentials", "")
		s.want(204, "DELETE", path+"/credentials/"+what, "")
	}
	s.want(200, "POST", "/api/v1/secrets/rotate", "")

	boss.want(200, "GET", "/api/v1/sessions?connected=true", "")
	boss.want(201, "POST", "/api/v1/impersonations", `{"userName":"ada"}`)
	own := boss.want(200, "GET", "/api/v1/sessions", "").body["sessions"].([]any)[0].(map[string]any)
	s.want(204, "DELETE", "/api/v1/sessions/"+own["id"].(string), "")
	boss.login("default").want(204, "POST", "/api/v1/password", `{"current":"`+goodPassword+`","new":"another good password","confirm":"another good password"}`)
	s.want(204, "POST", "/api/v1/password", fmt.Sprintf(`{"userId":%q,"new":%q}`, boss.id, goodPassword))
	boss.login("default").want(204, "POST", "/api/v1/logout", "")
	s.want(204, "POST", path+"/erase", "")
}

func walkSync(s *served) {
	s.t.Helper()
	plan := s.want(201, "POST", "/api/v1/sources/corp/plans", "").body["id"].(string)
	s.want(200, "GET", "/api/v1/sync/plans/"+plan, "")
	s.want(200, "GET", "/api/v1/sync/plans/"+plan+"/changes?from=0&limit=2", "")
	s.want(201, "POST", "/api/v1/sync/plans/"+plan+"/apply", "")
	s.want(200, "GET", "/api/v1/sources", "")
	s.want(200, "GET", "/api/v1/sources/corp", "")
	s.want(200, "GET", "/api/v1/sources/corp/plans?limit=5", "")
	s.want(201, "POST", "/api/v1/sources/corp/runs", "")
	s.want(200, "GET", "/api/v1/sync/runs?source=corp&limit=3", "")
	s.want(200, "GET", "/api/v1/sync/runs/last", "")
	s.want(200, "GET", "/api/v1/sync/runs/last/changes", "")

	// A guard blocks what takes everybody away, until somebody approves.
	s.ldif.put(0, "")
	blocked := s.want(201, "POST", "/api/v1/sources/corp/plans", "").body["id"].(string)
	s.want(201, "POST", "/api/v1/sync/plans/"+blocked+"/approve", "")
	s.ldif.put(3, "")
	s.want(201, "POST", "/api/v1/sources/corp/runs", "")
	s.ldif.put(0, "")
	run := s.want(201, "POST", "/api/v1/sources/corp/runs", "").body["id"].(string)
	done := s.want(201, "POST", "/api/v1/sync/runs/"+run+"/approve", "").body["id"].(string)
	s.want(201, "POST", "/api/v1/sync/runs/"+done+"/undo", "")

	// Each try runs a larger source, so that one is still under way when it is cancelled.
	for n := 1000; ; n *= 2 {
		s.ldif.put(n, "")
		over := make(chan struct{})
		go func() {
			defer close(over)
			s.as("Bearer "+testToken, "POST", "/api/v1/sources/corp/runs", "")
		}()
		cancelled := false
		for end := false; !end && !cancelled; {
			cancelled = s.as("Bearer "+testToken, "POST", "/api/v1/sync/runs/corp/cancel", "").code < 300
			select {
			case <-over:
				end = true
			case <-time.After(5 * time.Millisecond):
			}
		}
		<-over
		if cancelled {
			return
		}
		if n > 16000 {
			s.t.Fatal("no run was under way for long enough to be cancelled")
		}
	}
}

func walkSchemas(s *served) {
	s.t.Helper()
	hr := "/api/v1/schemas/" + hrURN
	s.want(201, "POST", "/api/v1/schemas?extends=User", hrSchema)
	s.want(200, "GET", "/api/v1/schemas", "")
	s.want(200, "GET", hr, "")
	s.want(200, "GET", "/api/v1/index", "")
	s.want(200, "PUT", "/api/v1/index/User", `{"attributes":["`+hrURN+`:badge"]}`)
	s.want(200, "PUT", "/api/v1/index/User", `{"attributes":[]}`)
	s.want(200, "PUT", hr, hrSchema)
	s.want(204, "DELETE", hr, "")
	s.want(201, "POST", "/api/v1/schemas?extends=none", deviceSchema)
	s.want(201, "POST", "/api/v1/schemas?extends=none", leaseSchema)
	s.want(201, "POST", "/api/v1/resource-types", deviceType)
	s.want(200, "GET", "/api/v1/resource-types", "")
	s.want(200, "GET", "/api/v1/resource-types/Device", "")
	s.want(200, "PUT", "/api/v1/resource-types/Device", deviceType)
	s.want(204, "DELETE", "/api/v1/resource-types/Device", "")
}

func walkEvents(s *served) {
	s.t.Helper()
	const all = "/api/v1/events/streams"
	in := startInbox(s.t)
	s.want(201, "POST", all, `{"name":"hook","method":"webhook","endpoint":"`+in.URL+`"}`)
	s.want(201, "POST", all, `{"name":"app","method":"poll","audience":["x"],"from":1}`)
	s.want(200, "GET", all, "")
	s.want(200, "GET", all+"/hook?workspace=default", "")
	s.want(200, "PATCH", all+"/hook", `{"paused":true}`)
	s.want(200, "POST", all+"/hook/replay", `{"from":1}`)
	s.want(200, "POST", all+"/hook/test", "")
	s.want(200, "POST", all+"/app/poll", `{"maxEvents":2,"returnImmediately":true}`)
	s.want(204, "POST", "/api/v1/events/keys/rotate", "")
	s.want(204, "DELETE", all+"/hook", "")
}

// failAPI calls every route in a way that is refused: without credentials, and with a body that is none.
func failAPI(s *served) {
	s.t.Helper()
	for _, rt := range api.Routes() {
		path := strings.NewReplacer("{workspace}", "default", "{", "", "}", "").Replace(rt.Path)
		if a := s.as("", rt.Method, path, "{"); !rt.Open && a.code != 401 {
			s.t.Errorf("%s %s without credentials = %d", rt.Method, path, a.code)
		}
		if rt.Path != "/api/v1/backup" { // it is no JSON
			s.as("Bearer "+testToken, rt.Method, path, "{")
		}
	}
}
