package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// inbox is a receiver of SETs.
type inbox struct {
	*httptest.Server
	mu   sync.Mutex // guards sets
	sets []string
	stop func(n int) // called while the n-th is answered
}

func startInbox(t *testing.T) *inbox {
	in := &inbox{}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		in.mu.Lock()
		in.sets = append(in.sets, string(body))
		n, stop := len(in.sets), in.stop
		in.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
		if stop != nil {
			stop(n)
		}
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) all() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.sets)
}

// publicKeys are the keys of a server's JWKS, by their ids.
func (s *served) publicKeys() map[string]*ecdsa.PublicKey {
	s.t.Helper()
	a := s.as("", "GET", "/.well-known/jwks.json", "")
	if a.code != 200 || strings.Contains(a.text, `"d":`) {
		s.t.Fatalf("the JWKS = %d %s", a.code, a.text)
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range a.body["keys"].([]any) {
		k := k.(map[string]any)
		point := []byte{4} // uncompressed
		for _, name := range []string{"x", "y"} {
			b, err := base64.RawURLEncoding.DecodeString(k[name].(string))
			if err != nil || len(b) != 32 {
				s.t.Fatalf("%s of a key: %d bytes, %v", name, len(b), err)
			}
			point = append(point, b...)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			s.t.Fatal(err)
		}
		keys[k["kid"].(string)] = key
	}
	return keys
}

// readSET verifies a SET as any receiver would, with nothing of ours, and gives its claims.
func readSET(t *testing.T, keys map[string]*ecdsa.PublicKey, text string) map[string]any {
	t.Helper()
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("no SET: %s", text)
	}
	var decoded [3][]byte
	for i, p := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			t.Fatal(err)
		}
	}
	var head struct{ Alg, Kid, Typ string }
	if err := json.Unmarshal(decoded[0], &head); err != nil || head.Alg != "ES256" || head.Typ != "secevent+jwt" || keys[head.Kid] == nil {
		t.Fatalf("header %s: %v", decoded[0], err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig := decoded[2]
	if len(sig) != 64 || !ecdsa.Verify(keys[head.Kid], sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Fatal("the signature does not match")
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestEventsSurviveKill kills the server while it delivers: every acknowledged change arrives
// all the same, in order.
func TestEventsSurviveKill(t *testing.T) {
	testserver.Long(t)
	onStores(t, func(t *testing.T, storeURL string) {
		in := startInbox(t)
		s := startServer(t, storeURL, fmt.Sprintf(`events:
  issuer: https://scim.example.com
  allow_networks: [127.0.0.0/8]
  streams:
    warehouse: { method: push, endpoint: %s, audience: https://warehouse.example.com }
`, in.URL))
		s.want(200, "GET", "/api/v1/events/streams/warehouse", "") // it begins here
		killed := make(chan struct{})
		in.mu.Lock()
		in.stop = func(n int) {
			if n == 20 {
				s.proc.Kill()
				close(killed)
			}
		}
		in.mu.Unlock()
		var ids []string
		for i := range 40 {
			a := s.want(201, "POST", "/scim/v2/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"user%d"}`, i))
			ids = append(ids, a.body["id"].(string))
			if len(in.all()) > 10 {
				break // let the rest of the test not outrun the receiver
			}
		}
		for i := 0; len(ids) < 40; i++ { // those that are still under way may be lost with the server
			resp, err := postUser(s, fmt.Sprintf("more%d", i))
			if err != nil {
				break
			}
			ids = append(ids, resp)
		}
		select {
		case <-killed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d deliveries in 30 s, want 20", len(in.all()))
		}
		s.start()
		keys := s.publicKeys()
		arrived := func() (uris []string) {
			seen := map[string]bool{}
			for _, text := range in.all() {
				claims := readSET(t, keys, text)
				if jti := claims["jti"].(string); !seen[jti] {
					seen[jti] = true
					uris = append(uris, claims["sub_id"].(map[string]any)["uri"].(string))
				}
			}
			return uris
		}
		wanted := func(got []string) bool {
			at := 0
			for _, uri := range got { // one that was never acknowledged may stand between
				if at < len(ids) && uri == "/Users/"+ids[at] {
					at++
				}
			}
			return at == len(ids)
		}
		for deadline := time.Now().Add(60 * time.Second); !wanted(arrived()); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v arrived, want %v in that order", arrived(), ids)
			}
		}
		s.stop()
		fsck(t, storeURL)
	})
}

func postUser(s *served, name string) (id string, err error) {
	req, err := http.NewRequest("POST", s.base+"/scim/v2/Users", strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`"}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var made struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%s: %w", resp.Status, err)
	}
	return made.ID, nil
}

func TestChanges(t *testing.T) {
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "server: { base_url: https://scim.example.com }\n")
	user := s.want(201, "POST", "/scim/v2/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","title":"x-title"}`).body["id"].(string)
	s.want(201, "POST", "/scim/v2/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":[{"value":"`+user+`"}]}`)
	a := s.want(200, "GET", "/api/v1/changes", "")
	list := a.body["changes"].([]any)
	if len(list) != 2 || a.body["next"] != 2.0 || strings.Contains(a.text, "x-title") {
		t.Fatalf("changes = %s", a.text)
	}
	second := list[1].(map[string]any)
	if second["op"] != "create" || second["added"].([]any)[0].(map[string]any)["id"] != user {
		t.Errorf("the second change = %v", second)
	}
	if a := s.want(200, "GET", "/api/v1/changes?after=1&limit=1", ""); len(a.body["changes"].([]any)) != 1 || a.body["next"] != 2.0 {
		t.Errorf("changes after 1 = %s", a.text)
	}
	a = s.want(200, "GET", "/api/v1/changes?after=1&limit=1&images=true", "")
	if image := a.body["changes"].([]any)[0].(map[string]any)["images"]; image == nil || image.(map[string]any)["new"] == nil {
		t.Errorf("changes with images = %s", a.text)
	}
	s.want(410, "GET", "/api/v1/changes?after=99", "")
	// With the history of the change that it knows, a reader notices that the number is another's.
	history := s.want(200, "GET", "/api/v1/changes?after=0&limit=1", "").body["history"].(string)
	if a := s.want(200, "GET", "/api/v1/changes?after=1&limit=1&history="+history, ""); a.body["next"] != 2.0 || a.body["history"] == history {
		t.Errorf("changes behind 1 of its history = %s", a.text)
	}
	another := inProcessServer(t, "")
	another.want(201, "POST", "/scim/v2/Users", `{"userName":"somebody"}`)
	another.want(200, "GET", "/api/v1/changes?after=1", "")
	if a := another.want(410, "GET", "/api/v1/changes?after=1&history="+history, ""); !strings.Contains(a.text, "read everything anew") {
		t.Errorf("changes behind one of another history = %s", a.text)
	}
	s.want(400, "GET", "/api/v1/changes?limit=0", "")
	s.want(400, "GET", "/api/v1/changes?after=x", "")
	s.want(404, "GET", "/api/v1/changes?workspace=nowhere", "")
	if a := s.as("", "GET", "/api/v1/changes", ""); a.code != 401 {
		t.Errorf("changes without a token = %d, want 401", a.code)
	}
	_, weak, _ := s.cli("token", "create", "idp")
	if a := s.as("Bearer "+strings.TrimSpace(weak), "GET", "/api/v1/changes", ""); a.code != 403 {
		t.Errorf("changes without audit:read = %d, want 403", a.code)
	}
	s.checkFollow(user)
	s.checkRevoked(user)
	config := s.want(200, "GET", "/scim/v2/ServiceProviderConfig", "").body["securityEvents"].(map[string]any)
	if config["asyncRequest"] != "none" || len(config["eventUris"].([]any)) != 5 {
		t.Errorf("securityEvents = %v", config)
	}
}

// checkRevoked holds that a token that is revoked sees nothing more of a feed that it follows.
func (s *served) checkRevoked(user string) {
	s.t.Helper()
	made := s.want(201, "POST", "/api/v1/tokens", `{"name":"follower","scopes":["audit:read"]}`).body
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.base+"/api/v1/changes", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+made["token"].(string))
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // : alive
	s.want(204, "DELETE", "/api/v1/tokens/"+made["id"].(string), "")
	time.Sleep(time.Second) // a revoked token ends within a second
	s.want(200, "PATCH", "/scim/v2/Users/"+user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":true}]}`)
	for lines.Scan() {
		if lines.Text() != "" {
			s.t.Errorf("a revoked token reads %q", lines.Text())
		}
	}
	if ctx.Err() != nil {
		s.t.Error("a revoked token still follows the feed")
	}
}

// checkFollow reads server-sent events, is cut off, and comes back.
func (s *served) checkFollow(user string) {
	s.t.Helper()
	read := func(lastID string, n int) (ids []string) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", s.base+"/api/v1/changes", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		req.Header.Set("Accept", "text/event-stream")
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
			s.t.Fatalf("following the feed = %s, %s", resp.Status, resp.Header.Get("Content-Type"))
		}
		lines := bufio.NewScanner(resp.Body)
		for len(ids) < n && lines.Scan() {
			if lines.Text() == ": alive" { // the connection stands: now something happens
				s.want(200, "PATCH", "/scim/v2/Users/"+user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`)
			}
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				ids = append(ids, id)
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && !json.Valid([]byte(data)) {
				s.t.Errorf("data is no JSON: %s", data)
			}
		}
		return ids
	}
	if got := read("", 1); !slices.Equal(got, []string{"3"}) {
		s.t.Errorf("followed changes = %v, want the one that came", got)
	}
	if got := read("1", 2); !slices.Equal(got, []string{"2", "3"}) {
		s.t.Errorf("changes after coming back with 1 = %v, want 2 and 3", got)
	}
}

var shownCommands = regexp.MustCompile(`(?m)^\$ (.+)$`)

// TestEventsGuide runs what docs/events.md says to type.
func TestEventsGuide(t *testing.T) {
	testserver.Need(t, "curl")
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), "server: { base_url: https://scim.example.com }\n")
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asProgram, os.Args[0])
	if err := os.WriteFile(filepath.Join(bin, "rollcall"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	commands := shownCommands.FindAllStringSubmatch(string(page), -1)
	if len(commands) < 6 {
		t.Fatalf("docs/events.md shows %d commands", len(commands))
	}
	for _, c := range commands {
		cmd := exec.Command("sh", "-ec", c[1])
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c[1], err, out)
		}
		if !strings.HasSuffix(c[1], `"returnImmediately":true}'`) {
			continue
		}
		var answer struct{ Sets map[string]string }
		if err := json.Unmarshal(out, &answer); err != nil || len(answer.Sets) != 1 {
			t.Fatalf("%s\nprints %s", c[1], out)
		}
		var claims map[string]any
		for id, text := range answer.Sets {
			if claims = readSET(t, s.publicKeys(), text); claims["jti"] != id || !strings.HasPrefix(id, "default.1.0.") {
				t.Errorf("the SET %s has the jti %v", id, claims["jti"])
			}
		}
		want := map[string]any{"attributes": []any{"active", "urn:rollcall:params:scim:schemas:extension:account:2.0:User", "userName"}, "version": `W/"1"`}
		got := claims["events"].(map[string]any)["urn:ietf:params:scim:event:prov:create:notice"]
		if fmt.Sprint(got) != fmt.Sprint(want) || claims["iss"] != "https://scim.example.com" {
			t.Errorf("claims = %v, want what the guide shows", claims)
		}
	}
}

// TestEventsConfig holds what is refused about streams, and where.
func TestEventsConfig(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"no issuer":     {"streams: { a: { method: poll, audience: x } }", "events.streams.a.method"},
		"plain http":    {"issuer: https://x.example.com\n  streams: { a: { endpoint: http://example.com, audience: x } }", "events.streams.a.endpoint"},
		"unknown event": {"issuer: https://x.example.com\n  streams: { a: { method: poll, audience: x, events: created } }", `"created" is none of`},
		"no audience":   {"issuer: https://x.example.com\n  streams: { a: { method: poll } }", "events.streams.a.audience"},
		"a bad issuer":  {"issuer: example.com", "events.issuer"},
		"too short":     {"give_up_after: 1s", "events.give_up_after"},
	} {
		file := filepath.Join(t.TempDir(), "rollcall.yaml")
		if err := os.WriteFile(file, []byte("events:\n  "+c.config+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := runCLI(t, nil, "config", "check", "--config", file)
		if code != exitUsage || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: config check = %d, want %d and %q\n%s%s", name, code, exitUsage, c.want, out, errs)
		}
	}
	env := []string{"ROLLCALL_EVENTS_ISSUER=https://x.example.com", "ROLLCALL_EVENTS_STREAMS_HR_APP_AUDIENCE=a,b", "ROLLCALL_EVENTS_STREAMS_HR_APP_METHOD=poll"}
	code, out, errs := runCLI(t, env, "config", "show", "--config", os.DevNull)
	if code != exitDone || !strings.Contains(out, "hr-app:") || !strings.Contains(out, "audience: [a, b]") {
		t.Errorf("config show with streams of the environment = %d\n%s%s", code, out, errs)
	}
}
