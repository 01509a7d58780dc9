package account

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/scim"
)

func bearerFrom(text, addr string) scim.Credential {
	c := scim.Credential{Scheme: scim.SchemeBearer, Value: text}
	if addr != "" {
		c.Addr = netip.MustParseAddr(addr)
	}
	return c
}

// tokenOf makes a token of a client.
func (b *bench) tokenOf(t *testing.T, client string, use Use) (Token, string) {
	t.Helper()
	tok, text, err := b.CreateToken(as(operator), NewToken{Name: "of " + client, Workspace: "default", Client: client, Use: use})
	if err != nil {
		t.Fatal(err)
	}
	return tok, text
}

func TestBasic(t *testing.T) {
	b := newBench(t,
		Client{Name: "agent", Workspace: "default", Basic: &Basic{"agent", "a password of some length"}},
		Client{Name: "other", Workspace: "other", Basic: &Basic{"other", "another password of theirs"}})
	for _, c := range []struct{ name, value, client string }{
		{"right", "agent:a password of some length", "agent"},
		{"the other", "other:another password of theirs", "other"},
		{"wrong password", "agent:a password of some lengt", ""},
		{"the other's password", "agent:another password of theirs", ""},
		{"empty password", "agent:", ""},
		{"no password", "agent", ""},
		{"unknown user", "nobody:a password of some length", ""},
		{"user in capitals", "AGENT:a password of some length", ""},
		{"nothing", ":", ""},
	} {
		a, err := b.SignIn(context.Background(), scim.Credential{Scheme: scim.SchemeBasic, Value: base64.StdEncoding.EncodeToString([]byte(c.value))})
		switch {
		case c.client == "" && !errors.Is(err, errBadToken):
			t.Errorf("%s: %v, want one answer for all", c.name, err)
		case c.client != "" && (err != nil || a.Kind != "basic" || a.ID != c.client || a.Client != c.client || !a.Can(UsersCreate) || a.Can(TokensManage)):
			t.Errorf("%s: %+v, %v, want client %s", c.name, a, err, c.client)
		}
	}
	for _, value := range []string{"", "!", "YTpi"} {
		if _, err := b.SignIn(context.Background(), scim.Credential{Scheme: scim.SchemeBasic, Value: value}); !errors.Is(err, errBadToken) {
			t.Errorf("Basic %q: %v", value, err)
		}
	}
	off := newBench(t)
	if _, err := off.SignIn(context.Background(), scim.Credential{Scheme: scim.SchemeBasic, Value: base64.StdEncoding.EncodeToString([]byte(":"))}); !errors.Is(err, errBadToken) {
		t.Errorf("Basic where nobody has it: %v", err)
	}
	if _, err := off.SignIn(context.Background(), scim.Credential{Scheme: "Digest", Value: "x"}); !errors.Is(err, errBadToken) {
		t.Errorf("another scheme: %v", err)
	}
}

func TestClientsAreChecked(t *testing.T) {
	basic := &Basic{"agent", "a password of some length"}
	for name, clients := range map[string][]Client{
		"name":           {{Name: "Okta"}},
		"twice":          {{Name: "a"}, {Name: "a"}},
		"scope":          {{Name: "a", Scopes: []scim.Permission{"everything"}}},
		"life":           {{Name: "a", AccessLife: 48 * time.Hour}},
		"jwt":            {{Name: "a", JWT: &JWT{}}},
		"short password": {{Name: "a", Basic: &Basic{"agent", "short"}}},
		"colon":          {{Name: "a", Basic: &Basic{"a:b", "a password of some length"}}},
		"same user":      {{Name: "a", Basic: basic}, {Name: "b", Basic: basic}},
	} {
		_, err := New(Config{
			Open:  func(context.Context, string) (scim.Store, error) { return nil, nil },
			State: fakeState{&fakeKV{}, map[string]*fakeKV{}}, Clients: clients,
		})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAllowList(t *testing.T) {
	b := newBench(t, Client{Name: "okta", Workspace: "default", Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}})
	_, okta := b.tokenOf(t, "okta", UseBearer)
	_, entra := b.tokenOf(t, "entra", UseBearer)
	for _, c := range []struct {
		name, token, addr string
		want              error
	}{
		{"within", okta, "198.51.100.7", nil},
		{"within, version 6", okta, "2001:db8::1", nil},
		{"outside", okta, "198.51.101.7", scim.ErrForbidden},
		{"unknown", okta, "", scim.ErrForbidden},
		{"a client without a list", entra, "203.0.113.1", nil},
		{"a client without a list, unknown", entra, "", nil},
		{"a wrong token from outside", mintToken("0123456789"), "203.0.113.1", scim.ErrUnauthenticated},
	} {
		if _, err := b.SignIn(context.Background(), bearerFrom(c.token, c.addr)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestTokensOfAClientCanBeSwitchedOff(t *testing.T) {
	b := newBench(t, Client{Name: "entra", Workspace: "default", NoTokens: true})
	_, text := b.tokenOf(t, "entra", UseBearer)
	if _, err := b.Authenticate(context.Background(), text); !errors.Is(err, errBadToken) {
		t.Errorf("token: %v, want ErrUnauthenticated", err)
	}
	_, secret := b.tokenOf(t, "entra", UseSecret)
	if _, err := b.IssueAccess(context.Background(), Grant{ClientID: "entra", Secret: secret}); !errors.Is(err, errBadToken) {
		t.Errorf("secret: %v, want ErrUnauthenticated", err)
	}
}

func TestRateLimit(t *testing.T) {
	b := newBench(t, Client{Name: "okta", Workspace: "default", Rate: 5}, Client{Name: "free", Workspace: "default", Rate: -1})
	ctx := context.Background()
	_, one := b.tokenOf(t, "okta", UseBearer)
	_, two := b.tokenOf(t, "okta", UseBearer)
	_, other := b.tokenOf(t, "entra", UseBearer)
	_, free := b.tokenOf(t, "free", UseBearer)
	_, nobodys := b.tokenOf(t, "", UseBearer)
	if _, err := b.Bootstrap(ctx, strings.Repeat("b", 32)); err != nil {
		t.Fatal(err)
	}
	try := func(text string) error { _, err := b.Authenticate(ctx, text); return err }
	for n := range 10 {
		if err := try([]string{one, two}[n%2]); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
	}
	var e *scim.Error
	if err := try(two); !errors.Is(err, scim.ErrTooManyRequests) || !errors.As(err, &e) || e.RetryAfter != 200*time.Millisecond {
		t.Fatalf("request 11: %v, want ErrTooManyRequests with RetryAfter 200ms", err)
	}
	for name, text := range map[string]string{"another client": other, "bootstrap": strings.Repeat("b", 32), "of no client": nobodys, "no limit": free} {
		for range 1000 {
			if err := try(text); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if err := try(other); !errors.Is(err, scim.ErrTooManyRequests) {
		t.Errorf("request 1001 by default: %v, want ErrTooManyRequests", err)
	}
	b.now = b.now.Add(e.RetryAfter)
	if err := try(one); err != nil {
		t.Errorf("after RetryAfter: %v", err)
	}
}

func TestRateLimitsAreForgotten(t *testing.T) {
	b := newBench(t)
	for n := range 3 * gateSize {
		if err := b.gate.limit(limitKey{client: fmt.Sprint(n)}, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.gate.limits); n > gateSize {
		t.Errorf("%d limits are kept, want %d at most", n, gateSize)
	}
}

func TestPause(t *testing.T) {
	b := newBench(t, Client{Name: "entra", Workspace: "default"}, Client{Name: "still", Workspace: "default", Paused: true})
	ctx := context.Background()
	_, okta := b.tokenOf(t, "okta", UseBearer)
	_, still := b.tokenOf(t, "still", UseBearer)
	try := func(d *Directory, text string) error { _, err := d.Authenticate(ctx, text); return err }
	// Another replica on the same state, with a clock of its own.
	replica, err := New(Config{Open: b.open, State: b.state, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(try(b.Directory, okta), try(replica, okta)); err != nil {
		t.Fatal(err)
	}
	info, err := b.PauseClient(as(operator), "", "okta")
	if err != nil || !info.Paused || info.PausedBy != "operator:cli" || info.PausedAt.IsZero() {
		t.Fatalf("PauseClient = %+v, %v", info, err)
	}
	var e *scim.Error
	if err := try(b.Directory, okta); !errors.Is(err, scim.ErrPaused) || !errors.As(err, &e) || e.RetryAfter < time.Second {
		t.Errorf("at once: %v, want ErrPaused with RetryAfter", err)
	}
	b.now = b.now.Add(cacheTime)
	if err := try(replica, okta); !errors.Is(err, scim.ErrPaused) {
		t.Errorf("on another replica: %v, want ErrPaused", err)
	}
	if _, err := b.PauseClient(as(operator), "default", "okta"); err != nil {
		t.Errorf("a second pause: %v", err)
	}
	info, err = replica.ResumeClient(as(operator), "", "okta")
	if err != nil || info.Paused {
		t.Fatalf("ResumeClient = %+v, %v", info, err)
	}
	if err := try(replica, okta); err != nil {
		t.Errorf("resumed: %v", err)
	}

	if err := try(b.Directory, still); !errors.Is(err, scim.ErrPaused) {
		t.Errorf("by configuration: %v, want ErrPaused", err)
	}
	if _, err := b.ResumeClient(as(operator), "", "still"); !errors.Is(err, scim.ErrInvalidValue) {
		t.Errorf("resume what the configuration pauses: %v, want ErrInvalidValue", err)
	}
	if _, err := b.PauseClient(as(operator), "", "nobody"); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("an unknown client: %v, want ErrNotFound", err)
	}
	stranger := &scim.Actor{Kind: "token", ID: "x", Workspace: "other", All: true}
	if _, err := b.PauseClient(as(stranger), "default", "okta"); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("another workspace's client: %v, want ErrNotFound", err)
	}
	if _, err := b.PauseClient(as(&scim.Actor{Kind: "token", Workspace: "default"}), "", "okta"); !errors.Is(err, scim.ErrForbidden) {
		t.Errorf("without the right: %v, want ErrForbidden", err)
	}
}

func TestClientsAreListed(t *testing.T) {
	rules, err := EntraJWT(tenant)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t,
		Client{Name: "entra", Workspace: "default", JWT: &rules, Basic: &Basic{"entra", "a password of some length"}, Rate: 25},
		Client{Name: "far", Workspace: "other", Rate: -1})
	b.tokenOf(t, "okta", UseBearer)
	b.tokenOf(t, "okta", UseSecret)
	names := func(a *scim.Actor) string {
		list, err := b.Clients(as(a))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range list {
			out = append(out, fmt.Sprintf("%s/%s%v%g", c.Name, c.Workspace, c.SignsInBy, c.Rate))
		}
		return strings.Join(out, " ")
	}
	if got, want := names(operator), "entra/default[basic jwt]25 far/other[]0 okta/default[oauth2 token]500"; got != want {
		t.Errorf("Clients = %s, want %s", got, want)
	}
	manager := &scim.Actor{Kind: "token", Workspace: "other", Permissions: map[scim.Permission]bool{TokensManage: true}}
	if got, want := names(manager), "far/other[]0"; got != want {
		t.Errorf("Clients of another workspace = %s, want %s", got, want)
	}
}

func TestClientCredentials(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	secret, text := b.tokenOf(t, "report", UseSecret)
	_, plain := b.tokenOf(t, "report", UseBearer)
	if _, err := b.Authenticate(ctx, text); !errors.Is(err, errBadToken) {
		t.Errorf("a client secret as bearer token: %v, want ErrUnauthenticated", err)
	}
	for _, c := range []struct {
		name string
		g    Grant
		want error
	}{
		{"by name", Grant{ClientID: "report", Secret: text}, nil},
		{"by id", Grant{ClientID: secret.ID, Secret: text}, nil},
		{"other client", Grant{ClientID: "okta", Secret: text}, errBadToken},
		{"no client", Grant{Secret: text}, errBadToken},
		{"wrong secret", Grant{ClientID: "report", Secret: mintToken(secret.ID)}, errBadToken},
		{"no secret", Grant{ClientID: "report"}, errBadToken},
		{"a bearer token", Grant{ClientID: "report", Secret: plain}, errBadToken},
		{"fewer scopes", Grant{ClientID: "report", Secret: text, Scopes: []scim.Permission{UsersRead}}, nil},
		{"more scopes", Grant{ClientID: "report", Secret: text, Scopes: []scim.Permission{UsersRead, TokensManage}}, scim.ErrInvalidValue},
	} {
		access, err := b.IssueAccess(ctx, c.g)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want != nil || err != nil {
			continue
		}
		a, err := b.Authenticate(ctx, access.Text)
		if err != nil || a.Kind != "oauth2" || a.ID != secret.ID || a.Client != "report" || a.Owner() != "client:report" || access.Life != DefaultAccessLife {
			t.Errorf("%s: %+v, %v, for %s", c.name, a, err, access.Life)
		}
		if c.g.Scopes != nil && a.Can(UsersCreate) {
			t.Errorf("%s: the scopes are not narrowed", c.name)
		}
		for _, v := range b.state.KV("access").(*fakeKV).data {
			if bytes.Contains(v, []byte(access.Text[20:])) {
				t.Errorf("%s: the access token is kept", c.name)
			}
		}
	}
}

func TestAccessTokensEnd(t *testing.T) {
	b := newBench(t, Client{Name: "brief", Workspace: "default", AccessLife: 5 * time.Minute})
	ctx := context.Background()
	issue := func(client, secret string) string {
		t.Helper()
		a, err := b.IssueAccess(ctx, Grant{ClientID: client, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		return a.Text
	}
	dead := func(what, text string) {
		t.Helper()
		if _, err := b.Authenticate(ctx, text); !errors.Is(err, errBadToken) {
			t.Errorf("%s: %v, want ErrUnauthenticated", what, err)
		}
	}
	secret, text := b.tokenOf(t, "report", UseSecret)
	_, briefText := b.tokenOf(t, "brief", UseSecret)

	hour, brief := issue("report", text), issue("brief", briefText)
	b.now = b.now.Add(5 * time.Minute)
	dead("after the client's own time", brief)
	if _, err := b.Authenticate(ctx, hour); err != nil {
		t.Error(err)
	}
	b.now = b.now.Add(55 * time.Minute)
	dead("after an hour", hour)
	last := issue("report", text)
	if n := len(b.state.KV("access").(*fakeKV).data); n != 1 {
		t.Errorf("%d access tokens are kept, want 1: those that ended are cleaned up", n)
	}
	if err := b.RevokeToken(as(operator), secret.ID); err != nil {
		t.Fatal(err)
	}
	dead("once the secret is revoked", last)
	if list, err := b.Tokens(as(operator)); err != nil || len(list) != 1 {
		t.Errorf("Tokens = %v, %v, want the one secret left", list, err)
	}
}

func TestAccessTokensAreNotMintedWithoutEnd(t *testing.T) {
	b := newBench(t)
	_, text := b.tokenOf(t, "report", UseSecret)
	for range mintBurst {
		if _, err := b.IssueAccess(context.Background(), Grant{ClientID: "report", Secret: text}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.IssueAccess(context.Background(), Grant{ClientID: "report", Secret: text}); !errors.Is(err, scim.ErrTooManyRequests) {
		t.Errorf("err = %v, want ErrTooManyRequests", err)
	}
}

func TestSecretNeedsAClient(t *testing.T) {
	b := newBench(t)
	for name, n := range map[string]NewToken{
		"no client":   {Name: "x", Workspace: "default", Use: UseSecret},
		"bad client":  {Name: "x", Workspace: "default", Client: "a b"},
		"invented":    {Name: "x", Workspace: "default", Use: "magic"},
		"access":      {Name: "x", Workspace: "default", Client: "a", Use: UseAccess},
		"long client": {Name: "x", Workspace: "default", Client: strings.Repeat("a", 64)},
	} {
		if _, _, err := b.CreateToken(as(operator), n); !errors.Is(err, scim.ErrInvalidValue) {
			t.Errorf("%s: %v, want ErrInvalidValue", name, err)
		}
	}
}

func TestRotate(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	works := func(text string) bool { _, err := b.Authenticate(ctx, text); return err == nil }
	old, oldText, err := b.CreateToken(as(operator), NewToken{Name: "okta", Workspace: "default", Client: "okta", Scopes: []scim.Permission{UsersRead}, Life: 30 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(24 * time.Hour)
	made, text, err := b.RotateToken(as(operator), old.ID, 72*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID == old.ID || made.Client != "okta" || !slices.Equal(made.Scopes, old.Scopes) || !made.Expires.Equal(b.now.Add(30*24*time.Hour)) {
		t.Errorf("made = %+v, of %+v", made, old)
	}
	if !works(oldText) || !works(text) {
		t.Error("in the overlap both must work")
	}
	b.now = b.now.Add(72 * time.Hour)
	if works(oldText) || !works(text) {
		t.Error("after the overlap the new one alone must work")
	}

	last, lastText, err := b.RotateToken(as(operator), made.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if works(text) || !works(lastText) {
		t.Error("without an overlap the old one must end at once")
	}
	// An overlap does not lengthen a life.
	b.now = last.Expires.Add(-time.Hour)
	if _, _, err := b.RotateToken(as(operator), last.ID, 72*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.now = last.Expires
	if works(lastText) {
		t.Error("the overlap made the old token live longer")
	}
}

func TestRotateRefuses(t *testing.T) {
	b := newBench(t)
	tok, text := b.tokenOf(t, "okta", UseBearer)
	if _, err := b.Bootstrap(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	manager := func(ws string, more ...scim.Permission) *scim.Actor {
		return &scim.Actor{Kind: "token", ID: "m", Workspace: ws, Permissions: permissionSet(append(more, TokensManage))}
	}
	for _, c := range []struct {
		name    string
		actor   *scim.Actor
		id      string
		overlap time.Duration
		want    error
	}{
		{"no right", &scim.Actor{Kind: "token", Workspace: "default"}, tok.ID, 0, scim.ErrForbidden},
		{"another workspace", manager("other", ProvisioningScopes()...), tok.ID, 0, scim.ErrNotFound},
		{"scopes that the actor lacks", manager("default"), tok.ID, 0, scim.ErrForbidden},
		{"unknown", operator, "0123456789", 0, scim.ErrNotFound},
		{"bootstrap", operator, bootstrapID, 0, scim.ErrInvalidValue},
		{"below zero", operator, tok.ID, -1, scim.ErrInvalidValue},
		{"too long", operator, tok.ID, MaxTokenLife + 1, scim.ErrInvalidValue},
	} {
		if _, _, err := b.RotateToken(as(c.actor), c.id, c.overlap); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := b.Authenticate(context.Background(), text); err != nil {
		t.Errorf("after every refusal: %v", err)
	}
	if n := len(b.kv.data); n != 2 {
		t.Errorf("%d tokens are kept, want 2", n)
	}
}

// FuzzStrangers sends anything at all as a credential: nobody gets in, and nothing breaks.
func FuzzStrangers(f *testing.F) {
	b, _ := entraBench(f, func(c *Client) { c.Basic = &Basic{"agent", "a password of some length"} })
	for _, seed := range []string{"", ".", "..", "e30.e30.e30", "rc_0123456789_" + strings.Repeat("0", secretLen+crcLen), "YWdlbnQ6", "%%%",
		sign("RS256", "k1", otherKey(), entraClaims(b.now, nil)), sign("HS256", "", []byte("x"), entraClaims(b.now, nil))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, scheme := range []string{scim.SchemeBearer, scim.SchemeBasic} {
			if a, err := b.SignIn(context.Background(), scim.Credential{Scheme: scheme, Value: text}); !errors.Is(err, errBadToken) {
				t.Errorf("%s %q = %+v, %v, want ErrUnauthenticated", scheme, text, a, err)
			}
		}
	})
}

// secretName is what a value that must be compared in constant time is called.
var secretName = regexp.MustCompile(`(?i)hash|secret|password|digest|signature`)

// TestSecretsAreComparedInConstantTime holds that no == in this package compares a secret
// with anything but a constant: how long it takes would tell how much of a guess is right.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("files = %v, %v", files, err)
	}
	for _, file := range files {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(*ast.BinaryExpr)
			if ok && (e.Op == token.EQL || e.Op == token.NEQ) && isSecret(e.X) && isSecret(e.Y) {
				t.Errorf("%s compares a secret by %s", set.Position(e.Pos()), e.Op)
			}
			return true
		})
	}
}

// isSecret tells whether an expression may be a secret's text: one that is named so, or a call.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(e.Sel.Name) && e.Sel.Name != "UseSecret"
	case *ast.CallExpr:
		return isSecret(e.Fun)
	}
	return false
}
