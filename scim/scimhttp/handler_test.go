package scimhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path string
		want target
		ok   bool
	}{
		{"/scim/v2", target{}, true},
		{"/scim/v2/", target{}, true},
		{"/scim/v2/Users", target{endpoint: "Users"}, true},
		{"/scim/v2/Users/", target{endpoint: "Users", trailing: true}, true},
		{"//scim//v2//Users//x", target{endpoint: "Users", id: "x", doubled: true}, true},
		{"/scim/v2/Users/x/y", target{endpoint: "Users", id: "x", extra: true}, true},
		{"/w/acme/scim/v2/Groups/x", target{workspace: "acme", endpoint: "Groups", id: "x"}, true},
		{"/w/scim/v2/Users", target{}, false},
		{"/w//scim/v2", target{}, false},
		{"/scim/v1/Users", target{}, false},
		{"/SCIM/v2/Users", target{}, false},
		{"/api/v1/x", target{}, false},
		{"/", target{}, false},
		{"", target{}, false},
	} {
		got, ok := parsePath(c.path)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("parsePath(%q) = %+v, %v, want %+v, %v", c.path, got, ok, c.want, c.ok)
		}
	}
}

// TestA14: slashes and case of an endpoint do not matter.
func TestA14(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	for _, path := range []string{"/Users/", "//Users", "/users", "/USERS/", "//scim/v2//users"} {
		if r := s.do("GET", path, "").want(200); r.at("totalResults") != 1.0 {
			t.Errorf("%s: totalResults = %v, want 1", path, r.at("totalResults"))
		}
	}
	r := s.do("GET", "/users/"+id+"/", "").want(200)
	if got, want := r.str("meta", "location"), s.url+"/scim/v2/Users/"+id; got != want {
		t.Errorf("meta.location = %q, want %q", got, want)
	}
	s.do("POST", "//Users/", `{"userName":"bob"}`).want(201)
	for _, q := range []string{QuirkTrailingSlash, QuirkDoubledSlash, QuirkEndpointCase} {
		if s.quirk("okta:"+q) == 0 {
			t.Errorf("quirk %s was not counted", q)
		}
	}
}

// TestA16: parameters that nobody knows are left alone, however odd.
func TestA16(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	for _, q := range []string{"?aadOptscim062020", "?aadOptscim062020=", "?x=%zz&y=1;2", "?&&=&", "?x=1&x=2"} {
		s.do("GET", "/Users"+q, "").want(200)
		s.do("GET", "/Users/"+id+q, "").want(200)
		s.do("PATCH", "/Users/"+id+q, patch(`{"op":"replace","value":{"active":false}}`)).want(200)
	}
}

func TestMethods(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	const read = "GET, HEAD, OPTIONS"
	for path, allow := range map[string]string{
		"/Users":                     "GET, HEAD, POST, OPTIONS",
		"/Users/" + id:               "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
		"/ServiceProviderConfig":     read,
		"/ResourceTypes":             read,
		"/ResourceTypes/User":        read,
		"/Schemas":                   read,
		"/Schemas/" + scim.UserURN:   read,
		"/w/alpha/scim/v2/Groups":    "GET, HEAD, POST, OPTIONS",
		"/w/alpha/scim/v2/Groups/x":  "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
		"/w/alpha/scim/v2/Schemas/x": read,
		"/":                          read,
		"/scim/v2":                   read,
		"/.search":                   "POST, OPTIONS",
		"/Users/.search":             "POST, OPTIONS",
		"/groups/.SEARCH/":           "POST, OPTIONS",
		"/Bulk":                      "POST, OPTIONS",
	} {
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "LOCK"} {
			if strings.Contains(allow, m) {
				continue
			}
			r := s.do(m, path, "").want(405)
			if got := r.header.Get("Allow"); got != allow {
				t.Errorf("%s: Allow = %q, want %q", r.what, got, allow)
			}
		}
		r := s.do("OPTIONS", path, "").want(204)
		if got := r.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow = %q, want %q", r.what, got, allow)
		}
	}
	for _, path := range []string{"/Nothing", "/Bulk/x", "/.search/x", "/Users/.search/x", "/Me/x", "/Users/" + id + "/emails", "/ServiceProviderConfig/x", "/scim/v1/Users", "/Users/../Groups"} {
		s.do("GET", path, "").want(404)
		s.do("DELETE", path, "").want(404)
	}
}

func TestHead(t *testing.T) {
	s := serve(t)
	u := s.user("ada")
	g := s.group("staff", u)
	for _, path := range []string{"/Users", "/Users/" + u, "/Groups", "/Groups/" + g, "/Schemas", "/ServiceProviderConfig", "/"} {
		get, head := s.do("GET", path, "").want(200), s.do("HEAD", path, "").want(200)
		if head.text != "" {
			t.Errorf("%s has a body: %s", head.what, head.text)
		}
		if head.header.Get("Etag") != get.header.Get("Etag") || head.header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("%s: headers %v, want those of GET: %v", head.what, head.header, get.header)
		}
	}
	s.do("HEAD", "/Users/"+scim.NewID(), "").want(404)
	before := s.store().memberReads.Load()
	s.do("HEAD", "/Groups/"+g, "")
	if n := s.store().memberReads.Load() - before; n != 0 {
		t.Errorf("HEAD read the members %d times, want 0", n)
	}
}

func TestRequestID(t *testing.T) {
	s := serve(t, func(c *Config) { c.NewRequestID = func() string { return "made" } })
	for given, want := range map[string]string{
		"abc-123_x.y:z/+=":       "abc-123_x.y:z/+=",
		"-":                      "made",
		"has space":              "made",
		"quo\"te":                "made",
		strings.Repeat("a", 129): "made",
	} {
		if got := s.do("GET", "/Users", "", "X-Request-Id", given).header.Get("X-Request-Id"); got != want {
			t.Errorf("X-Request-Id %q is answered with %q, want %q", given, got, want)
		}
	}
	if a, b := newRequestID(), newRequestID(); a == b || len(a) != 24 {
		t.Errorf("newRequestID() = %q, then %q, want two different ones of 24 characters", a, b)
	}
}

func TestOrigin(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		name    string
		change  func(*Config)
		headers []string
		want    string // "" for the server's own
	}{
		{"own", nil, nil, ""},
		{"a stranger's claim", nil, []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"}, ""},
		{"a trusted proxy", func(c *Config) { c.TrustedProxies = trusted },
			[]string{"X-Forwarded-Host", "scim.example.com", "X-Forwarded-Proto", "https"}, "https://scim.example.com"},
		{"the last word counts", func(c *Config) { c.TrustedProxies = trusted },
			[]string{"X-Forwarded-Host", "evil.example, scim.example.com:8443", "X-Forwarded-Proto", "http, https"}, "https://scim.example.com:8443"},
		{"configured", func(c *Config) { c.BaseURL, c.TrustedProxies = "https://id.example.com/dir/", trusted },
			[]string{"X-Forwarded-Host", "scim.example.com"}, "https://id.example.com/dir"},
	} {
		var change []func(*Config)
		if c.change != nil {
			change = append(change, c.change)
		}
		s := serve(t, change...)
		want := c.want
		if want == "" {
			want = s.url
		}
		r := s.do("POST", "/w/alpha/scim/v2/Users", `{"userName":"ada"}`, c.headers...).want(201)
		want += "/w/alpha/scim/v2/Users/" + r.id()
		if got := r.header.Get("Location"); got != want {
			t.Errorf("%s: Location = %q, want %q", c.name, got, want)
		}
		if got := r.str("meta", "location"); got != want {
			t.Errorf("%s: meta.location = %q, want %q", c.name, got, want)
		}
	}
	s := serve(t, func(c *Config) { c.TrustedProxies = trusted })
	s.do("GET", "/Users", "", "X-Forwarded-Host", `a"b`).want(400)
}

func TestValidate(t *testing.T) {
	good := func() Config {
		return Config{Auth: authenticator{}, Directory: func(context.Context, string) (scim.Store, error) { return nil, nil }}
	}
	c := good()
	if err := c.Validate(); err != nil {
		t.Fatalf("Validate() = %v, want nil", err)
	}
	for name, change := range map[string]func(*Config){
		"Directory":   func(c *Config) { c.Directory = nil },
		"Auth":        func(c *Config) { c.Auth = nil },
		"BaseURL":     func(c *Config) { c.BaseURL = "scim.example.com" },
		"no valid":    func(c *Config) { c.BaseURL = "https://" },
		"query":       func(c *Config) { c.BaseURL = "https://a/?b" },
		"before":      func(c *Config) { c.BaseURL = "https://a/scim/v2" },
		"negative":    func(c *Config) { c.Limits.Body = -1 },
		"PageDefault": func(c *Config) { c.Limits.PageDefault = 2000 },
	} {
		c := good()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Validate() = %v, want an error that says %q", err, name)
		}
		if h, err := New(c); err == nil {
			t.Errorf("New() = %v, nil for a configuration that %s makes invalid", h, name)
		}
	}
	for text, want := range map[string]PatchResponse{"": PatchAuto, "auto": PatchAuto, "200": PatchBody, "204": PatchNoContent} {
		if got, err := ParsePatchResponse(text); got != want || err != nil {
			t.Errorf("ParsePatchResponse(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	if _, err := ParsePatchResponse("202"); err == nil {
		t.Error("ParsePatchResponse(202) = nil, want an error")
	}
}

// TestErrorTable: each kind of error of the store has its status, and only the detail of a
// scim.Error is shown.
func TestErrorTable(t *testing.T) {
	secret := errors.New("dial tcp 10.1.2.3:6379: connection refused")
	for _, c := range []struct {
		err      error
		status   int
		scimType string
		detail   string // "" for any
	}{
		{scim.Errorf(scim.ErrUniqueness, "userName is taken"), 409, "uniqueness", "userName is taken"},
		{scim.Errorf(scim.ErrMutability, "no"), 400, "mutability", "no"},
		{scim.Errorf(scim.ErrTooMany, "no"), 400, "tooMany", "no"},
		{scim.Errorf(scim.ErrInvalidVers, "no"), 400, "invalidVers", "no"},
		{scim.Errorf(scim.ErrSensitive, "no"), 403, "sensitive", "no"},
		{scim.ErrForbidden, 403, "", "the token does not allow this"},
		{fmt.Errorf("store: get: %w", scim.ErrNotFound), 404, "", "there is no such resource"},
		{scim.ErrTooLarge, 413, "", ""},
		{fmt.Errorf("%w: %w", scim.ErrUnavailable, secret), 503, "", "the store cannot be reached; try again"},
		{context.DeadlineExceeded, 503, "", ""},
		{scim.Errorf(scim.ErrCorrupt, "%v", secret), 500, "", ""},
		{secret, 500, "", ""},
	} {
		s := serve(t)
		s.store().fail.Store(&c.err)
		r := s.do("GET", "/Users/"+scim.NewID(), "").want(c.status, c.scimType)
		if c.detail != "" && r.str("detail") != c.detail {
			t.Errorf("%v: detail = %q, want %q", c.err, r.str("detail"), c.detail)
		}
		if strings.Contains(r.text, "6379") {
			t.Errorf("%v: the cause is shown: %s", c.err, r.text)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		err  error
		want string
	}{
		{scim.ErrUnavailable, "5"},
		{&scim.Error{Kind: scim.ErrUnavailable, RetryAfter: 1200 * time.Millisecond}, "2"},
		{&scim.Error{Kind: scim.ErrUnavailable, RetryAfter: time.Millisecond}, "1"},
	} {
		s.store().fail.Store(&c.err)
		if got := s.do("GET", "/Users", "").want(503).header.Get("Retry-After"); got != c.want {
			t.Errorf("%v: Retry-After = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestPanicIsA500(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(c *Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		c.Directory = func(context.Context, string) (scim.Store, error) { panic("the secret cause") }
	})
	r := s.do("GET", "/Users", "", "X-Request-Id", "boom-1").want(500)
	if strings.Contains(r.text, "secret") || !strings.Contains(r.text, "boom-1") {
		t.Errorf("the answer should name the request and not the cause: %s", r.text)
	}
	if text := log.String(); !strings.Contains(text, "the secret cause") || !strings.Contains(text, `"request_id":"boom-1"`) {
		t.Errorf("the log should hold cause and request id: %s", text)
	}
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, func(c *Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	id := s.user("ada.lovelace")
	log.Reset()
	s.do("GET", "/Users/"+id+"?attributes=userName", "").want(200)
	s.do("GET", `/Users?filter=userName%20eq%20"ada.lovelace"`, "").want(200)
	for _, hidden := range []string{"lovelace", id, tokenA} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("the log holds %q: %s", hidden, log.String())
		}
	}
	var line map[string]any
	if err := json.NewDecoder(&log).Decode(&line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"method": "GET", "route": "/scim/v2/Users/{id}", "status": 200.0, "workspace": "alpha", "client": "okta"} {
		if line[name] != want {
			t.Errorf("log line: %s = %v, want %v", name, line[name], want)
		}
	}
}

// TestCancelled: a client that goes away is no error of ours, and no success either.
func TestCancelled(t *testing.T) {
	var log bytes.Buffer
	h, err := New(Config{
		Auth:      authenticator{tokenA: {ID: "a"}},
		Directory: func(ctx context.Context, _ string) (scim.Store, error) { return nil, ctx.Err() },
		Logger:    slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", "/scim/v2/Users", nil)
	req.Header.Set("Authorization", "Bearer "+tokenA)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != 503 {
		t.Errorf("status = %d, want 503", w.Code)
	}
	if text := log.String(); strings.Contains(text, `"ERROR"`) || !strings.Contains(text, `"status":499`) {
		t.Errorf("the log should have the access line with 499 and nothing else: %s", text)
	}
}

// TestBrokenStreamIsCut: an answer that fails in the middle must not look whole.
func TestBrokenStreamIsCut(t *testing.T) {
	s := serve(t)
	g := s.group("staff")
	s.store().members = brokenMembers(10_000)
	req, _ := http.NewRequest("GET", s.url+"/scim/v2/Groups/"+g, nil)
	req.Header.Set("Authorization", "Bearer "+tokenA)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := new(bytes.Buffer).ReadFrom(res.Body); err == nil {
		t.Error("reading the answer ended well, want an error")
	}
	s.store().members = brokenMembers(3) // nothing has been sent yet
	s.do("GET", "/Groups/"+g, "").want(503)
}

func brokenMembers(n int) iter.Seq2[scim.Ref, error] {
	return func(yield func(scim.Ref, error) bool) {
		for range n {
			if !yield(scim.Ref{Type: "User", ID: scim.NewID()}, nil) {
				return
			}
		}
		yield(scim.Ref{}, scim.ErrUnavailable)
	}
}
