package simulate

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAt(t *testing.T) {
	resource := map[string]any{
		"userName": "a", "title": "", "active": false, "name": map[string]any{"givenName": "G"},
		"emails":   []any{map[string]any{"type": "home", "value": "h"}, map[string]any{"type": "work", "value": "w", "primary": true}},
		"roles":    []any{map[string]any{"primary": "True", "value": "Admin"}, "bare"},
		enterprise: map[string]any{"employeeNumber": "7", "manager": map[string]any{"value": "m"}},
	}
	tests := []struct {
		path string
		want any
	}{
		{"userName", "a"}, {"title", nil}, {"nickName", nil}, {"active", false}, {"name.givenName", "G"}, {"name.familyName", nil}, {"userName.x", nil},
		{`emails[type eq "work"].value`, "w"}, {`emails[type eq "work"].primary`, true}, {`emails[type eq "other"].value`, nil}, {"emails#", 2}, {"photos#", 0},
		{`emails[primary eq "True"].value`, "w"},
		{`roles[primary eq "True"].value`, nil}, // a boolean that was stored as text
		{enterprise + ":employeeNumber", "7"}, {managerValue, "m"}, {enterprise + ":division", nil},
	}
	for _, test := range tests {
		if got := at(resource, test.path); got != test.want {
			t.Errorf("at(%q) = %v, want %v", test.path, got, test.want)
		}
	}
	if got, want := at(resource, "roles*"), []string{"Admin", "bare"}; !reflect.DeepEqual(got, want) {
		t.Errorf("at(roles*) = %v, want %v", got, want)
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		got, want any
		same      bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"False", false, false}, {false, false, true}, {nil, false, false}, {nil, nil, true}, {"", nil, false},
		{2, 2, true}, {1.0, 1.0, true}, {map[string]any{}, "a", false}, {[]string{"x", "b"}, oneOf{"a", "b"}, true}, {[]string{"x"}, oneOf{"a", "b"}, false},
	}
	for _, test := range tests {
		if same := matches(test.got, test.want); same != test.same {
			t.Errorf("matches(%v, %v) = %v, want %v", test.got, test.want, same, test.same)
		}
	}
}

// TestCheckMembers holds that each wrong member is told of with the step that should have seen to it.
func TestCheckMembers(t *testing.T) {
	s := &sim{report: newReport(&Config{})}
	g := s.addGroup()
	g.want.set("E21", map[string]any{"displayName": "G"})
	for _, id := range []string{"in", "missing", "left", "never"} {
		u := s.addUser()
		u.id = id
		u.want.set("E4", map[string]any{"userName": id})
	}
	g.join("E24", s.users[:3]...)
	g.leave("E25", s.users[2])
	s.checkMembers(g, answer{body: map[string]any{"members": []any{map[string]any{"value": "in"}, map[string]any{"value": "in"}, map[string]any{"value": "left"},
		map[string]any{"value": "never"}, map[string]any{"value": "stranger"}}}})
	want := map[string]string{
		"without missing":                              "E24",
		"with in, 1 times too often":                   "check",
		"with left, 1 times too often":                 "E25",
		"with never, 1 times too often":                "check",
		"with the unknown stranger, 1 times too often": "check",
	}
	got := map[string]string{}
	for _, step := range s.report.Steps {
		for _, l := range step.Lost {
			got[strings.Trim(l.Got, `"`)] = l.Step
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("losses are %v, want %v", got, want)
	}
}

// run plays a client against a handler that is no SCIM server worth the name.
func run(t *testing.T, c Config, h http.HandlerFunc) (*Report, error) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c.URL, c.Token, c.Prefix, c.Users, c.Groups = server.URL+"/scim/", "secret", "unit", MinUsers, MinGroups
	return Run(t.Context(), c)
}

func TestRetryAfter(t *testing.T) {
	var waits []time.Duration
	asked := 0
	r, err := run(t, Config{Client: OktaOIN, Wait: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }},
		func(w http.ResponseWriter, _ *http.Request) {
			asked++
			switch asked {
			case 1:
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
			case 2:
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			case 3, 4:
				w.WriteHeader(http.StatusTooManyRequests)
			default:
				w.WriteHeader(http.StatusServiceUnavailable) // that does not say for how long
			}
		})
	if want := []time.Duration{7 * time.Second, maxWait, time.Second, 2 * time.Second}; !reflect.DeepEqual(waits, want) {
		t.Errorf("waited %v, want %v", waits, want)
	}
	if err != nil || r.Waited != 4 || r.Refused != 1 || r.Requests != 1 || r.Ended == "" {
		t.Errorf("Run() = %+v, %v, want one refusal after four waits", r, err)
	}
}

func TestGivesUpAskingAtLast(t *testing.T) {
	asked := 0
	r, err := run(t, Config{Client: Entra, Wait: func(context.Context, time.Duration) error { return nil }}, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	if err != nil || asked != maxAttempts || r.Refused != 1 {
		t.Errorf("Run() = %v, %v after %d requests, want a refusal after %d", r, err, asked, maxAttempts)
	}
}

func TestPackedAnswers(t *testing.T) {
	var lists int
	r, err := run(t, Config{Client: OktaAIW}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/scim/Users" {
			http.Error(w, "no", http.StatusNotImplemented)
			return
		}
		lists++
		w.Header().Set("Content-Type", "application/scim+json")
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		_, _ = io.WriteString(packed, `{"totalResults":0,"Resources":[]}`)
		packed.Close()
	})
	if err != nil || lists < MinUsers || r.Lost != 0 {
		t.Errorf("Run() = %v, %v, want %d lists that are read", r, err, lists)
	}
	for _, s := range r.Steps {
		if s.ID == "O3" && s.Refused != 0 {
			t.Errorf("step O3: %v, want it accepted", s.Refusals)
		}
	}
}

func TestRedirectIsRefused(t *testing.T) {
	r, err := run(t, Config{Client: Entra}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/scim/Users" {
			t.Errorf("%s was asked, want no redirect to be followed", r.URL)
		}
		http.Redirect(w, r, "/login", http.StatusFound)
	})
	if err != nil || r.Refused != 1 || !strings.HasPrefix(r.Steps[0].Refusals[0].Answer, "302") {
		t.Errorf("Run() = %v, %v, want 302 refused", r, err)
	}
}

func TestTerminalIsSafe(t *testing.T) {
	r, err := run(t, Config{Client: Entra}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"detail":"no\u001b[2Jentry"}`)
	})
	if err != nil || r.Steps[0].Refusals[0].Answer != "403: no [2Jentry" {
		t.Errorf("Run() = %v, %v, want a detail without escapes", r.Steps[0].Refusals, err)
	}
}

func TestServerGoesAway(t *testing.T) {
	var asked atomic.Int64 // the client may ask again on another connection
	r, err := run(t, Config{Client: OktaOIN}, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 3 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, `{"totalResults":0,"Resources":[]}`)
	})
	if !errors.Is(err, ErrUnreachable) || r == nil || r.Requests != 3 || r.Ended == "" {
		t.Errorf("Run() = %+v, %v, want ErrUnreachable and the three that were answered", r, err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"id":"made"}`)
			return
		}
		if strings.Contains(r.URL.RawQuery, "user002") {
			cancel()
		}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"totalResults":0,"Resources":[]}`)
	}))
	defer server.Close()
	r, err := Run(ctx, Config{Client: OktaOIN, URL: server.URL, Token: "t", Prefix: "unit", Users: MinUsers, Groups: MinGroups})
	if !errors.Is(err, context.Canceled) || r.Ended != "interrupted" {
		t.Fatalf("Run() = %v, %v, want context.Canceled", r, err)
	}
	if last := r.Steps[len(r.Steps)-1]; last.ID != "clean-up" || last.Sent != 1 {
		t.Errorf("the last step is %+v, want what was made to be deleted all the same", last)
	}
}

func TestNamesFollowFromThePrefix(t *testing.T) {
	a, b, other := &sim{Config: Config{Prefix: "a"}}, &sim{Config: Config{Prefix: "a"}}, &sim{Config: Config{Prefix: "b"}}
	if a.guid("user", 1) != b.guid("user", 1) || a.oktaID(1) != b.oktaID(1) || a.name("user", 1) != b.name("user", 1) {
		t.Error("two runs with one prefix have different names, want the same")
	}
	if a.guid("user", 1) == other.guid("user", 1) || a.guid("user", 1) == a.guid("user", 2) || a.oktaID(1) == a.oktaID(2) || a.oktaID(1) == other.oktaID(1) {
		t.Error("two ids are the same, want every one another")
	}
	if n := len(a.oktaID(1)); n != 20 {
		t.Errorf("len(oktaID) = %d, want 20", n)
	}
}

func TestProgressTellsEachStepOnce(t *testing.T) {
	told := map[string]int{}
	r, err := run(t, Config{Client: OktaOIN, Progress: func(step, what string) { told[step+what]++ }}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, `{"totalResults":0,"Resources":[]}`)
	})
	if err != nil || len(told) != len(r.Steps) {
		t.Errorf("%d steps were told (%v), want %d", len(told), err, len(r.Steps))
	}
	for step, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times, want once", step, n)
		}
	}
}

func TestReportKeepsSecretsOut(t *testing.T) {
	r, err := Run(t.Context(), Config{Client: Entra, URL: "http://admin:hunter2@127.0.0.1:1/scim/v2", Token: "secret-token", Prefix: "unit", Users: MinUsers, Groups: MinGroups})
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("Run() = %v, want ErrUnreachable", err)
	}
	for _, text := range []string{js(r), err.Error()} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "secret-token") {
			t.Errorf("%s holds a secret", text)
		}
	}
}
