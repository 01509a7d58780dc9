package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/api"
	"rollcall/scim"
)

// inProcessServer serves a configuration on an embedded store in this process.
func inProcessServer(t *testing.T, config string) *served {
	t.Helper()
	server := httptest.NewServer(asDocumented(t, openServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"), config)))
	t.Cleanup(server.Close)
	return &served{t: t, base: server.URL}
}

// secret makes a token ("token create") or a client secret ("client secret create").
func (s *served) secret(args ...string) string {
	s.t.Helper()
	code, out, errs := s.cli(args...)
	if code != exitDone {
		s.t.Fatalf("%v = %d\n%s%s", args, code, out, errs)
	}
	return strings.TrimSpace(out)
}

// post sends a form to the token endpoint. user "" sends no Authorization.
func (s *served) post(user, password string, form string) answer {
	s.t.Helper()
	req, err := http.NewRequest("POST", s.base+"/oauth2/token", strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	if user != "" {
		req.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password))
	}
	return s.send(req)
}

func (s *served) send(req *http.Request) answer {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // some answers are no JSON
	return a
}

func TestTokenEndpoint(t *testing.T) {
	s := inProcessServer(t, "clients: {report: {access_token_life: 10m}}")
	secret := s.secret("client", "secret", "create", "report", "--scopes", "users:list,users:read")
	bearer := s.secret("token", "create", "report", "--client", "report")
	const grant = "grant_type=client_credentials"
	form := func(id, secret string) string {
		return grant + "&client_id=" + url.QueryEscape(id) + "&client_secret=" + url.QueryEscape(secret)
	}
	for _, c := range []struct {
		name, user, password, form string
		code                       int
		err, scope                 string
	}{
		{"client_secret_basic", "report", secret, grant, 200, "", "users:list users:read"},
		{"client_secret_post", "", "", form("report", secret), 200, "", "users:list users:read"},
		{"id twice, the same", "report", secret, grant + "&client_id=report", 200, "", "users:list users:read"},
		{"fewer scopes", "report", secret, grant + "&scope=users:read", 200, "", "users:read"},
		{"empty scope", "report", secret, grant + "&scope=", 200, "", "users:list users:read"},

		{"more scopes", "report", secret, grant + "&scope=users:read+tokens:manage", 400, "invalid_scope", ""},
		{"unknown scope", "report", secret, grant + "&scope=openid", 400, "invalid_scope", ""},
		{"wrong secret", "report", secret + "x", grant, 401, "invalid_client", ""},
		{"wrong client", "okta", secret, grant, 401, "invalid_client", ""},
		{"a bearer token for a secret", "report", bearer, grant, 401, "invalid_client", ""},
		{"nobody", "", "", grant, 401, "invalid_client", ""},
		{"no secret", "", "", grant + "&client_id=report", 401, "invalid_client", ""},
		{"two ways at once", "report", secret, form("report", secret), 400, "invalid_request", ""},
		{"two clients at once", "report", secret, grant + "&client_id=okta", 401, "invalid_client", ""},
		{"no grant", "report", secret, "", 400, "invalid_request", ""},
		{"grant twice", "report", secret, grant + "&" + grant, 400, "invalid_request", ""},
		{"password grant", "report", secret, "grant_type=password", 400, "unsupported_grant_type", ""},
		{"no form", "report", secret, "%zz", 400, "invalid_request", ""},
		{"too large", "report", secret, grant + "&x=" + strings.Repeat("x", 1<<15), 400, "invalid_request", ""},
	} {
		a := s.post(c.user, c.password, c.form)
		if a.code != c.code || c.err != "" && a.body["error"] != c.err {
			t.Errorf("%s: %d %s, want %d %s", c.name, a.code, a.text, c.code, c.err)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control = %q, want no-store", c.name, got)
		}
		if got := a.header.Get("WWW-Authenticate"); (got != "") != (c.code == 401) {
			t.Errorf("%s: WWW-Authenticate = %q", c.name, got)
		}
		if strings.Contains(a.text, secret) {
			t.Errorf("%s: the answer shows the secret", c.name)
		}
		if c.code != 200 {
			continue
		}
		if a.body["token_type"] != "Bearer" || a.body["expires_in"] != 600.0 || a.body["scope"] != c.scope {
			t.Errorf("%s: %s, want a Bearer for 600 s and %s", c.name, a.text, c.scope)
		}
		auth := "Bearer " + a.body["access_token"].(string)
		if got := s.as(auth, "GET", "/scim/v2/Users/"+scim.NewID(), "").code; got != 404 {
			t.Errorf("%s: GET with the access token = %d, want 404", c.name, got)
		}
		if got := s.as(auth, "POST", "/scim/v2/Users", `{"userName":"x"}`).code; got != 403 {
			t.Errorf("%s: POST beyond the scopes = %d, want 403", c.name, got)
		}
	}
	if got := s.as("Bearer "+secret, "GET", "/scim/v2/Users", "").code; got != 401 {
		t.Errorf("a client secret as bearer token = %d, want 401", got)
	}
	req, err := http.NewRequest("POST", s.base+"/oauth2/token", strings.NewReader(`{"grant_type":"client_credentials"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if a := s.send(req); a.code != 400 || a.body["error"] != "invalid_request" {
		t.Errorf("JSON to the token endpoint = %d %s", a.code, a.text)
	}
	meta := s.as("", "GET", "/.well-known/oauth-authorization-server", "")
	if meta.code != 200 || meta.body["issuer"] != s.base || meta.body["token_endpoint"] != s.base+"/oauth2/token" {
		t.Errorf("metadata = %d %s", meta.code, meta.text)
	}
}

// jwtIssuer publishes a key and signs with it.
type jwtIssuer struct {
	url string
	key *rsa.PrivateKey
}

func newJWTIssuer(t *testing.T) *jwtIssuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","kid":"k1","use":"sig","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	}))
	t.Cleanup(server.Close)
	return &jwtIssuer{server.URL, key}
}

// token is a JWT as Entra's provisioning service sends it, with changed claims.
func (i *jwtIssuer) token(t *testing.T, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://sts.windows.net/" + testTenant + "/", "aud": "8adf8e6e-67b2-4cf2-a259-e3dc5476c621", "tid": testTenant,
		"sub": "0a21f0f2", "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, v := range change {
		claims[name] = v
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64([]byte(`{"typ":"JWT","alg":"RS256","kid":"k1"}`)) + "." + b64(text)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

const testTenant = "1f0c2b7e-0000-4000-8000-000000000000"

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestWaysIn signs in by every way there is, right and wrong.
func TestWaysIn(t *testing.T) {
	issuer := newJWTIssuer(t)
	s := inProcessServer(t, fmt.Sprintf(`
clients:
  entra: {jwt: {preset: entra, tenant_id: %s, jwks_url: %s}}
  away: {jwt: {issuer: "https://away.example.com", audience: x, jwks_url: "http://127.0.0.1:1/keys"}}
  agent: {basic: {user: agent, password: a password of some length}, scopes: ["users:list", "users:read"]}
`, testTenant, issuer.url))
	okta := s.secret("token", "create", "okta", "--client", "okta")
	jwt := func(change map[string]any) string { return "Bearer " + issuer.token(t, change) }
	away := map[string]any{"iss": "https://away.example.com", "aud": "x"}
	for _, c := range []struct {
		name, auth string
		code       int
	}{
		{"token", "Bearer " + okta, 200},
		{"token without its scheme", okta, 200},
		{"JWT", jwt(nil), 200},
		{"JWT of version 2", jwt(map[string]any{"iss": "https://login.microsoftonline.com/" + testTenant + "/v2.0"}), 200},
		{"Basic", basicAuth("agent", "a password of some length"), 200},

		{"nothing", "", 401},
		{"wrong token", "Bearer rc_x", 401},
		{"expired JWT", jwt(map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}), 401},
		{"JWT for another audience", jwt(map[string]any{"aud": "00000003-0000-0000-c000-000000000000"}), 401},
		{"JWT of another tenant", jwt(map[string]any{"iss": "https://sts.windows.net/00000000-0000-4000-8000-000000000000/"}), 401},
		{"JWT of another issuer's key", "Bearer " + newJWTIssuer(t).token(t, nil), 401},
		{"JWT whose issuer does not answer", jwt(away), 503},
		{"Basic with a wrong password", basicAuth("agent", "a password of some other length"), 401},
		{"Basic of nobody", basicAuth("", ""), 401},
	} {
		a := s.as(c.auth, "GET", "/scim/v2/Users", "")
		if a.code != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, a.code, a.text, c.code)
		}
		if api := s.as(c.auth, "GET", "/api/v1/tokens", ""); c.code != 200 && api.code != c.code || c.code == 200 && api.code != 403 {
			t.Errorf("%s on the API: %d %s", c.name, api.code, api.text)
		}
		if want := []string{`Basic realm="scim", charset="UTF-8"`}; c.code == 401 && !slices.Equal(a.header.Values("WWW-Authenticate")[1:], want) {
			t.Errorf("%s: WWW-Authenticate = %q", c.name, a.header.Values("WWW-Authenticate"))
		}
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); c.code == 503 && (err != nil || n < 1) {
			t.Errorf("%s: Retry-After = %q, want whole seconds", c.name, a.header.Get("Retry-After"))
		}
	}
	if a := s.as(basicAuth("agent", "a password of some length"), "POST", "/scim/v2/Users", `{"userName":"x"}`); a.code != 403 {
		t.Errorf("Basic beyond its scopes = %d, want 403", a.code)
	}
	// The client owns what it makes, however it signed in.
	made := s.as(jwt(nil), "POST", "/scim/v2/Users?attributes="+url.QueryEscape(scim.AccountUserURN+":owner"), `{"schemas":["`+scim.UserURN+`"],"userName":"ada@example.com"}`)
	if owner, _ := made.body[scim.AccountUserURN].(map[string]any); made.code != 201 || owner["owner"] != "client:entra" {
		t.Errorf("POST = %d %s, want the owner client:entra", made.code, made.text)
	}
	var schemes []string
	for _, v := range s.want(200, "GET", "/scim/v2/ServiceProviderConfig", "").body["authenticationSchemes"].([]any) {
		schemes = append(schemes, v.(map[string]any)["type"].(string))
	}
	if want := []string{"oauthbearertoken", "oauth2", "httpbasic"}; !slices.Equal(schemes, want) {
		t.Errorf("authenticationSchemes = %v, want %v", schemes, want)
	}
}

// TestBasicIsOff holds that without a client that has it, Basic is not even spoken of.
func TestBasicIsOff(t *testing.T) {
	s := inProcessServer(t, "")
	a := s.as(basicAuth("agent", "a password of some length"), "GET", "/scim/v2/Users", "")
	if got := a.header.Values("WWW-Authenticate"); a.code != 401 || !slices.Equal(got, []string{`Bearer realm="scim", error="invalid_token"`}) {
		t.Errorf("Basic = %d, %q", a.code, got)
	}
	if text := s.want(200, "GET", "/scim/v2/ServiceProviderConfig", "").text; strings.Contains(text, "httpbasic") {
		t.Errorf("ServiceProviderConfig claims Basic: %s", text)
	}
}

func TestAllowListBehindProxies(t *testing.T) {
	for _, c := range []struct {
		name, trusted, forwarded string
		code                     int
	}{
		{"a claim without a proxy", "[]", "198.51.100.7", 403},
		{"through a trusted proxy", "[127.0.0.0/8]", "198.51.100.7", 200},
		{"through a trusted proxy, from outside", "[127.0.0.0/8]", "203.0.113.9", 403},
		{"a claim in front of a trusted proxy", "[127.0.0.0/8]", "198.51.100.7, 203.0.113.9", 403},
		{"a trusted proxy that says nothing", "[127.0.0.0/8]", "", 403},
	} {
		s := inProcessServer(t, "server: {trusted_proxies: "+c.trusted+"}\nclients: {okta: {allow_from: [198.51.100.0/24]}}\n")
		token := s.secret("token", "create", "okta", "--client", "okta")
		req, err := http.NewRequest("GET", s.base+"/scim/v2/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if c.forwarded != "" {
			req.Header.Set("X-Forwarded-For", c.forwarded)
		}
		a := s.send(req)
		if a.code != c.code || c.code == 403 && !strings.Contains(a.text, "may not sign in from this address") {
			t.Errorf("%s: %d %s, want %d", c.name, a.code, a.text, c.code)
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		if a := s.send(req); a.code != 200 {
			t.Errorf("%s: the bootstrap token = %d %s, want 200", c.name, a.code, a.text)
		}
	}
}

func TestRateLimitOverHTTP(t *testing.T) {
	s := inProcessServer(t, "clients: {okta: {rate: 3/m}}")
	token := "Bearer " + s.secret("token", "create", "okta", "--client", "okta")
	if a := s.as(token, "GET", "/scim/v2/Users", ""); a.code != 200 {
		t.Fatalf("the first request = %d %s", a.code, a.text)
	}
	for _, path := range []string{"/scim/v2/Users", "/api/v1/tokens"} {
		a := s.as(token, "GET", path, "")
		n, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.code != 429 || err != nil || n < 1 || n > 20 {
			t.Errorf("%s: %d, Retry-After %q, want 429 and up to 20 whole seconds", path, a.code, a.header.Get("Retry-After"))
		}
	}
	if a := s.as(token, "GET", "/scim/v2/Users", ""); a.body["status"] != "429" || a.header.Get("Content-Type") != "application/scim+json" {
		t.Errorf("the answer is no SCIM error: %s", a.text)
	}
	s.want(200, "GET", "/scim/v2/Users", "") // the bootstrap token
}

// TestClientsOnTheWholeStack runs the life of a client's credentials on both stores.
func TestClientsOnTheWholeStack(t *testing.T) {
	onStores(t, func(t *testing.T, storeURL string) {
		issuer := newJWTIssuer(t)
		config := fmt.Sprintf("clients: {report: {}, entra: {jwt: {preset: entra, tenant_id: %s, jwks_url: %s}}}", testTenant, issuer.url)
		s := startServer(t, storeURL, config)
		replica := s
		if !strings.HasPrefix(storeURL, "bolt:") { // which is for one process
			replica = startServer(t, storeURL, config)
		}
		secret := s.secret("client", "secret", "create", "report")
		access := func(secret string) string {
			t.Helper()
			a := s.post("report", secret, "grant_type=client_credentials")
			if a.code != 200 {
				t.Fatalf("token endpoint = %d %s", a.code, a.text)
			}
			return "Bearer " + a.body["access_token"].(string)
		}
		try := func(what, auth string, want int) {
			t.Helper()
			if a := s.as(auth, "GET", "/scim/v2/Users?count=0", ""); a.code != want {
				t.Errorf("%s: %d %s, want %d", what, a.code, a.text, want)
			}
		}
		command := func(args ...string) string {
			t.Helper()
			code, out, errs := s.cli(args...)
			if code != exitDone {
				t.Fatalf("%v = %d\n%s%s", args, code, out, errs)
			}
			return out
		}
		first := access(secret)
		entra := "Bearer " + issuer.token(t, nil)
		try("access token", first, 200)
		if a := replica.as(first, "GET", "/scim/v2/Users?count=0", ""); a.code != 200 {
			t.Errorf("access token on the other replica: %d %s", a.code, a.text)
		}
		try("JWT", entra, 200)

		command("client", "pause", "report")
		try("paused", first, 503)
		for paused := time.Now(); replica.as(first, "GET", "/scim/v2/Users?count=0", "").code != 503; time.Sleep(20 * time.Millisecond) {
			if time.Since(paused) > time.Second {
				t.Fatal("the other replica does not heed the pause within a second")
			}
		}
		try("the other client meanwhile", entra, 200)
		if a := s.post("report", secret, "grant_type=client_credentials"); a.code != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("token endpoint for a paused client = %d %s", a.code, a.text)
		}
		if out := command("client", "list"); !strings.Contains(out, "by bootstrap:bootstrap") || !strings.Contains(out, "oauth2") || !strings.Contains(out, "jwt") {
			t.Errorf("client list:\n%s", out)
		}
		command("client", "resume", "report")
		try("resumed", first, 200)

		id := strings.Split(secret, "_")[1]
		renewed := strings.TrimSpace(command("token", "rotate", id, "--overlap", "1h"))
		second := access(renewed)
		try("of the old secret, in the overlap", access(secret), 200)
		if a := s.as("", "POST", "/oauth2/token", ""); a.code != 400 {
			t.Errorf("no form = %d, want 400", a.code)
		}
		command("token", "revoke", id)
		try("of the old secret, revoked", first, 401)
		try("of the new secret", second, 200)
		command("token", "rotate", strings.Split(renewed, "_")[1], "--overlap", "0s")
		try("of the new secret, rotated without overlap", second, 401)

		for _, server := range slices.Compact([]*served{s, replica}) {
			server.stop()
		}
		fsck(t, storeURL)
	})
}

// openRoutes are those that nobody needs to be signed in for: they are how one comes to be, and what
// tells of the rest.
var openRoutes = []string{"POST /api/v1/login", "POST /api/v1/login/guest", "GET /api/v1/openapi.json",
	"POST /api/v1/invitations/accept", "POST /api/v1/password/reset", "POST /api/v1/password/redeem",
	"GET /api/v1/login/sso/{provider}", "GET /api/v1/login/sso/{provider}/callback",
	"GET /api/v1/discovery", "POST /api/v1/register", "POST /api/v1/register/verify", "POST /api/v1/emails/verify"}

// TestAPIDeniesByDefault calls every route of the API without credentials and with too few rights
// (security.md R8).
func TestAPIDeniesByDefault(t *testing.T) {
	s := inProcessServer(t, "")
	weak := "Bearer " + s.secret("token", "create", "weak", "--scopes", "self:read")
	for _, rt := range api.Routes() {
		if rt.Open != slices.Contains(openRoutes, rt.Method+" "+rt.Path) {
			t.Errorf("%s %s: open = %v, against the list of this test", rt.Method, rt.Path, rt.Open)
		}
		if rt.Open {
			continue
		}
		path := strings.NewReplacer("{workspace}", "default", "{", "", "}", "").Replace(rt.Path)
		for auth, want := range map[string]int{"": 401, "Bearer rc_x": 401, basicAuth("a", "b"): 401, weak: 403} {
			if got := s.as(auth, rt.Method, path, "{}").code; got != want {
				t.Errorf("%s %s as %.12q = %d, want %d", rt.Method, path, auth, got, want)
			}
		}
	}
}

// TestFeedNamesWhoSignedIn holds that each way in leaves its name in the feed.
func TestFeedNamesWhoSignedIn(t *testing.T) {
	issuer := newJWTIssuer(t)
	s := inProcessServer(t, fmt.Sprintf(`
clients:
  entra: {jwt: {preset: entra, tenant_id: %s, jwks_url: %s}}
  agent: {basic: {user: someone, password: a password of some length}}
`, testTenant, issuer.url))
	token := s.secret("token", "create", "okta", "--client", "okta")
	secret := s.secret("client", "secret", "create", "report")
	access := s.post("report", secret, "grant_type=client_credentials").body["access_token"].(string)
	ways := []struct{ auth, actor, client string }{
		{"Bearer " + token, "token:" + strings.Split(token, "_")[1], "okta"},
		{"Bearer " + access, "oauth2:" + strings.Split(secret, "_")[1], "report"},
		{"Bearer " + issuer.token(t, nil), "jwt:entra", "entra"},
		{basicAuth("someone", "a password of some length"), "basic:agent", "agent"},
		{"Bearer " + testToken, "bootstrap:bootstrap", ""},
	}
	for n, way := range ways {
		if a := s.as(way.auth, "POST", "/scim/v2/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"user%d"}`, scim.UserURN, n)); a.code != 201 {
			t.Fatalf("%s: POST = %d %s", way.actor, a.code, a.text)
		}
	}
	changes := s.want(200, "GET", "/api/v1/changes", "").body["changes"].([]any)
	if len(changes) != len(ways) {
		t.Fatalf("%d changes, want %d", len(changes), len(ways))
	}
	for n, way := range ways {
		change := changes[n].(map[string]any)
		if client, _ := change["client"].(string); change["actor"] != way.actor || client != way.client {
			t.Errorf("change %d is by %v of %q, want %s of %q", n, change["actor"], client, way.actor, way.client)
		}
	}
}
