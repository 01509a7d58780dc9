package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/scim"
)

func TestLogMasksPeople(t *testing.T) {
	line := func(pii string, attrs ...any) map[string]any {
		var b bytes.Buffer
		log, _ := (&cli{stderr: &b, color: "auto"}).logger(LoggingConfig{Level: "info", Format: "json", PII: pii})
		actor := &scim.Actor{Kind: "token", Workspace: "lab", Client: "okta", RequestID: "r1"}
		log.With("workspace", "other").InfoContext(scim.WithActor(t.Context(), actor), "something", attrs...)
		var m map[string]any
		if err := json.Unmarshal(b.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	attrs := []any{"dn", "uid=ada,ou=People,dc=example,dc=com", "error", errors.New("ada.l@example.com is taken by CN=Lovelace\\, Ada,OU=x,DC=y"),
		"user", "ada", "url", "ldaps://dc1.example.com", "route", "/scim/v2/Users/{id}"}
	masked, full := line("mask", attrs...), line("full", attrs...)
	for key, value := range masked {
		if text, ok := value.(string); ok && (strings.Contains(text, "ada") || strings.Contains(text, "Lovelace")) {
			t.Errorf("%s: %q names a person", key, text)
		}
	}
	if dn, ok := masked["dn"].(string); !ok || !strings.HasSuffix(dn, ",ou=People,dc=example,dc=com") {
		t.Errorf("dn is %q, want its place kept", dn)
	}
	if masked["url"] != "ldaps://dc1.example.com" || masked["route"] != "/scim/v2/Users/{id}" {
		t.Errorf("what names nobody is changed: %v", masked)
	}
	if full["dn"] != attrs[1] || full["user"] != "ada" {
		t.Errorf("pii: full masks: %v", full)
	}
	if masked["request_id"] != "r1" || masked["client"] != "okta" || masked["workspace"] != "other" {
		t.Errorf("ids of the context: %v", masked)
	}
}

func TestLogLevelCanChange(t *testing.T) {
	var b bytes.Buffer
	log, level := (&cli{stderr: &b, color: "auto"}).logger(LoggingConfig{Level: "warn", Format: "text"})
	log.Info("one")
	level.Set(slog.LevelInfo)
	log.Info("two")
	if s := b.String(); strings.Contains(s, "one") || !strings.Contains(s, "two") || strings.Contains(s, "\x1b") {
		t.Errorf("logged %q, want two alone, and no colour where no terminal is", s)
	}
}

// collector is a receiver of traces over OTLP/HTTP.
type collector struct {
	*httptest.Server
	mu   sync.Mutex // guards text
	text string     // protobuf: names and values stand in it as they are
}

func startCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text += string(text)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestTraces has a server send its traces to a receiver: requests in the trace that the caller
// named, with what the store did, and runs with their phases.
func TestTraces(t *testing.T) {
	c := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	people := write(t, filepath.Join(t.TempDir(), "people.ldif"), blocks(documents(t)["docs/ldap.md"], "ldif")[0], 0o600)
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", "sources: {corp: {type: ldif, path: "+people+"}}")
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d %s%s", code, out, errs)
	}
	req, err := http.NewRequest("POST", s.base+"/scim/v2/Users", strings.NewReader(`{"userName":"grace@example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Traceparent", "00-"+traceID+"-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if id := resp.Header.Get("X-Request-Id"); id != traceID {
		t.Errorf("the request's id is %s, want that of its trace", id)
	}
	wanted := []string{"POST /scim/v2/Users", "store.apply", "sync.run", "sync.read", "POST /api/v1/sources/{source}/runs", "\x0a\xf7\x65\x19\x16\xcd"}
	missing := func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, want := range wanted {
			if !strings.Contains(c.text, want) {
				return want
			}
		}
		if strings.Contains(c.text, "grace") || strings.Contains(c.text, testToken) {
			t.Error("a trace names a person or a token")
		}
		return ""
	}
	for deadline := time.Now().Add(30 * time.Second); missing() != "" && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	if want := missing(); want != "" {
		t.Errorf("no trace has %q", want)
	}
	s.proc.Signal(os.Interrupt)
	s.proc.Wait()
	log, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), `"trace_id":"`+traceID+`"`) {
		t.Errorf("no line of the log has the trace's id:\n%s", log)
	}
}

func TestProfileIsOptIn(t *testing.T) {
	for config, want := range map[string]int{"": 404, "server: {pprof: true}": 200} {
		s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", config)
		resp, err := http.Get(strings.Replace(s.base, ":"+strconv.Itoa(s.port), ":"+strconv.Itoa(s.opsPort), 1) + "/debug/pprof/goroutine?debug=1")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with %q /debug/pprof = %d, want %d", config, resp.StatusCode, want)
		}
	}
}
