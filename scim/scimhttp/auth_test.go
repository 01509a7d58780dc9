package scimhttp

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"rollcall/scim"
)

func TestBearer(t *testing.T) {
	for _, c := range []struct {
		header, token string
		bare          bool
	}{
		{"Bearer abc", "abc", false},
		{"bearer abc", "abc", false},
		{"BEARER   abc ", "abc", false},
		{"abc", "abc", true},
		{" abc ", "abc", true},
		{"", "", false},
		{"Bearer", "", false},
		{"Bearer ", "", false},
		{"Basic YTpi", "", false},
		{"Bearer a b", "", false},
		{"Bearer a\tb", "", false},
		{"Bearer ä", "", false},
		{"Bearer " + strings.Repeat("x", maxToken+1), "", false},
	} {
		token, bare := bearer(c.header)
		if token != c.token || bare != c.bare && token != "" {
			t.Errorf("bearer(%.40q) = %q, %v, want %q, %v", c.header, token, bare, c.token, c.bare)
		}
	}
}

// TestUnauthenticated: every route and method answers a stranger the same, whether what
// it names exists or not (security.md R8, R20).
func TestUnauthenticated(t *testing.T) {
	s := serve(t)
	id := s.user("ada")
	for _, path := range []string{
		"/Users", "/Users/" + id, "/Groups", "/Nothing", "/", "/.search", "/Users/.search", "/Bulk", "/Me", "/ServiceProviderConfig", "/Schemas", "/ResourceTypes",
		"/Users/" + id + "/more", "/w/alpha/scim/v2/Users", "/w/nowhere/scim/v2/Users", "/w/beta/scim/v2/Schemas", "/w/x", "/scim/v3/",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			for _, c := range []struct{ name, header, challenge string }{
				{"no token", "-", `Bearer realm="scim"`},
				{"bad token", "Bearer nobody", `Bearer realm="scim", error="invalid_token"`},
				{"empty token", "Bearer ", `Bearer realm="scim", error="invalid_token"`},
				{"basic", "Basic YTpi", `Bearer realm="scim", error="invalid_token"`},
			} {
				r := s.do(method, path, "", "Authorization", c.header).want(401)
				if got := r.header.Get("WWW-Authenticate"); got != c.challenge {
					t.Errorf("%s with %s: WWW-Authenticate = %q, want %q", r.what, c.name, got, c.challenge)
				}
			}
		}
	}
	s.do("GET", "/Users?access_token="+tokenA, "", "Authorization", "-").want(401)
	req, _ := http.NewRequest("GET", s.url+"/scim/v2/Users", nil)
	req.Header["Authorization"] = []string{"Bearer " + tokenA, "Bearer " + tokenB}
	s.send(req).want(401)
}

func TestBareToken(t *testing.T) {
	s := serve(t)
	s.do("GET", "/Users", "", "Authorization", tokenA).want(200)
	if n := s.quirk("okta:" + QuirkBareToken); n != 1 {
		t.Errorf("quirk %s was counted %d times, want 1", QuirkBareToken, n)
	}
	s.do("GET", "/Users", "", "Authorization", "bEaReR "+tokenA).want(200)
	if n := s.quirk("okta:" + QuirkBareToken); n != 1 {
		t.Errorf("quirk %s was counted %d times, want 1", QuirkBareToken, n)
	}
}

// TestWorkspaces: a workspace of others cannot be told from one that does not exist.
func TestWorkspaces(t *testing.T) {
	s := serve(t)
	alpha := s.user("ada")
	s.token = tokenB
	s.do("GET", "/Users/"+alpha, "").want(404)
	foreign := s.do("GET", "/w/alpha/scim/v2/Users/"+alpha, "").want(404)
	unknown := s.do("GET", "/w/nowhere/scim/v2/Users/"+alpha, "").want(404)
	if foreign.text != unknown.text {
		t.Errorf("a foreign workspace answers %s, an unknown one %s", foreign.text, unknown.text)
	}
	for _, path := range []string{"/w/alpha/scim/v2/Schemas", "/w/a%20b/scim/v2/Users", "/w/" + strings.Repeat("a", 64) + "/scim/v2/Users", "/w//scim/v2/Users"} {
		s.do("GET", path, "").want(404)
	}
	s.do("GET", "/w/beta/scim/v2/Users", "").want(200)

	s.token = tokenIt
	s.do("GET", "/w/alpha/scim/v2/Users/"+alpha, "").want(200)
	s.do("GET", "/w/nowhere/scim/v2/Users", "").want(404)
	id := s.user("root") // of "default"
	if got := len(s.stores["default"].recs); got != 1 {
		t.Errorf("a token of every workspace wrote %d users into default, want 1", got)
	}
	s.do("GET", "/w/default/scim/v2/Users/"+id, "").want(200)
	s.do("GET", "/w/alpha/scim/v2/Users/"+id, "").want(404)
}

func TestMembersOfAnotherWorkspaceAreUnknown(t *testing.T) {
	s := serve(t)
	alpha := s.user("ada")
	s.token = tokenB
	g := s.group("staff", alpha)
	if got := s.do("GET", "/Groups/"+g, "").ids("members"); len(got) != 0 {
		t.Errorf("members = %v, want none", got)
	}
}

// actorStore tells what actor it was called by.
type actorStore struct {
	*fakeStore
	got chan *scim.Actor
}

func (a actorStore) Get(ctx context.Context, ref scim.Ref, with scim.With) (*scim.Stored, error) {
	a.got <- scim.ActorFrom(ctx)
	return a.fakeStore.Get(ctx, ref, with)
}

func TestActorTravelsInTheContext(t *testing.T) {
	st := actorStore{newFakeStore(scim.DefaultModel()), make(chan *scim.Actor, 1)}
	s := serve(t, func(c *Config) {
		c.Directory = func(context.Context, string) (scim.Store, error) { return st, nil }
	})
	s.do("GET", "/Users/"+scim.NewID(), "", "X-Request-Id", "req-1").want(404)
	if a := <-st.got; a == nil || a.ID != "a" || a.RequestID != "req-1" {
		t.Errorf("actor = %+v, want a with the request id req-1", a)
	}
}

func TestAuthenticatorFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
	}{
		{"unreachable", scim.Errorf(scim.ErrUnavailable, "no answer"), 503},
		{"forbidden", scim.ErrForbidden, 403},
		{"anything", context.DeadlineExceeded, 503},
	} {
		s := serve(t, func(cfg *Config) { cfg.Auth = failing{c.err} })
		if r := s.do("GET", "/Users", ""); r.status != c.status {
			t.Errorf("%s: status = %d, want %d", c.name, r.status, c.status)
		}
	}
}

type failing struct{ err error }

func (f failing) Authenticate(context.Context, string) (*scim.Actor, error) { return nil, f.err }
