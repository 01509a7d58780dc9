package scimhttp

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"rollcall/scim"
)

func TestClientAddr(t *testing.T) {
	h := &Handler{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"a stranger", "192.0.2.1:5", nil, "192.0.2.1"},
		{"a stranger who claims", "192.0.2.1:5", []string{"198.51.100.9"}, "192.0.2.1"},
		{"a proxy that says nothing", "10.0.0.1:5", nil, "10.0.0.1"},
		{"through a proxy", "10.0.0.1:5", []string{"198.51.100.9"}, "198.51.100.9"},
		{"a claim in front", "10.0.0.1:5", []string{"203.0.113.7, 198.51.100.9"}, "198.51.100.9"},
		{"a claim of a header of its own", "10.0.0.1:5", []string{"203.0.113.7", "198.51.100.9"}, "198.51.100.9"},
		{"a claim that ends in a comma", "10.0.0.1:5", []string{"203.0.113.7,"}, "invalid IP"},
		{"two proxies", "10.0.0.1:5", []string{"198.51.100.9, 10.2.3.4"}, "198.51.100.9"},
		{"proxies alone", "10.0.0.1:5", []string{"10.2.3.4"}, "10.2.3.4"},
		{"with a port", "10.0.0.1:5", []string{"198.51.100.9:4711"}, "198.51.100.9"},
		{"version 6", "[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{"version 6 with a port", "[fd00::1]:5", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"version 6 that is version 4", "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.9"}, "198.51.100.9"},
		{"no address", "10.0.0.1:5", []string{"unknown"}, "invalid IP"},
		{"no peer", "", []string{"198.51.100.9"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := h.ClientAddr(r).String(); got != c.want {
			t.Errorf("%s: ClientAddr = %s, want %s", c.name, got, c.want)
		}
	}
}

// doorkeeper is a CredentialAuthenticator that keeps what it was shown.
type doorkeeper struct {
	authenticator
	shown []scim.Credential
	err   error
}

func (d *doorkeeper) SignIn(_ context.Context, c scim.Credential) (*scim.Actor, error) {
	d.shown = append(d.shown, c)
	if d.err != nil {
		return nil, d.err
	}
	return &scim.Actor{Kind: "basic", Client: "okta", Workspace: "alpha"}, nil
}

func TestSignInSeesTheWholeCredential(t *testing.T) {
	d := &doorkeeper{}
	s := serve(t, func(c *Config) { c.Auth, c.Basic = d, true })
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		header string
		want   scim.Credential
	}{
		{"Bearer abc", scim.Credential{Scheme: "Bearer", Value: "abc", Addr: loopback}},
		{"abc", scim.Credential{Scheme: "Bearer", Value: "abc", Addr: loopback}},
		{"basic YTpi", scim.Credential{Scheme: "Basic", Value: "YTpi", Addr: loopback}},
	} {
		d.shown = nil
		s.do("GET", "/Users", "", "Authorization", c.header, "X-Forwarded-For", "192.0.2.1").want(200)
		if !slices.Equal(d.shown, []scim.Credential{c.want}) {
			t.Errorf("%s: SignIn saw %v, want %v", c.header, d.shown, c.want)
		}
	}
	d.shown = nil
	for _, header := range []string{"Basic", "Basic ", "Digest abc", "Bearer"} {
		r := s.do("GET", "/Users", "", "Authorization", header).want(401)
		want := []string{`Bearer realm="scim", error="invalid_token"`, `Basic realm="scim", charset="UTF-8"`}
		if got := r.header.Values("WWW-Authenticate"); !slices.Equal(got, want) {
			t.Errorf("%s: WWW-Authenticate = %q, want %q", header, got, want)
		}
	}
	if len(d.shown) > 0 {
		t.Errorf("SignIn saw %v, want nothing", d.shown)
	}
}

func TestSignInRefuses(t *testing.T) {
	wait := func(kind error, d time.Duration) error {
		e := scim.Errorf(kind, "said so")
		e.RetryAfter = d
		return e
	}
	for _, c := range []struct {
		name              string
		err               error
		status            int
		retry, challenges string
	}{
		{"address", scim.Errorf(scim.ErrForbidden, "said so"), 403, "", ""},
		{"rate", wait(scim.ErrTooManyRequests, time.Millisecond), 429, "1", ""},
		{"rate, longer", wait(scim.ErrTooManyRequests, 2001*time.Millisecond), 429, "3", ""},
		{"paused", wait(scim.ErrPaused, time.Minute), 503, "60", ""},
	} {
		s := serve(t, func(cfg *Config) { cfg.Auth = &doorkeeper{err: c.err} })
		r := s.do("GET", "/Users", "").want(c.status)
		if got := r.header.Get("Retry-After"); got != c.retry {
			t.Errorf("%s: Retry-After = %q, want %q", c.name, got, c.retry)
		}
		if got := r.header.Get("WWW-Authenticate"); got != c.challenges {
			t.Errorf("%s: WWW-Authenticate = %q, want %q", c.name, got, c.challenges)
		}
		if r.body["detail"] != "said so" {
			t.Errorf("%s: detail = %v", c.name, r.body["detail"])
		}
	}
}

func TestAuthenticationSchemes(t *testing.T) {
	for _, c := range []struct {
		oauth2, basic bool
		want          []string
	}{
		{false, false, []string{"oauthbearertoken"}},
		{true, false, []string{"oauthbearertoken", "oauth2"}},
		{true, true, []string{"oauthbearertoken", "oauth2", "httpbasic"}},
	} {
		s := build(t, func(cfg *Config) { cfg.OAuth2, cfg.Basic = c.oauth2, c.basic })
		var got []string
		for _, scheme := range s.do("GET", "/ServiceProviderConfig", "").want(200).body["authenticationSchemes"].([]any) {
			got = append(got, scheme.(map[string]any)["type"].(string))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("authenticationSchemes = %v, want %v", got, c.want)
		}
	}
}
