package account

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
)

const tenant = "1f0c2b7e-0000-4000-8000-000000000000"

// issuer is a real HTTP server that publishes the keys of an issuer.
type issuer struct {
	t    testing.TB
	url  string
	hits atomic.Int64
	down atomic.Bool

	mu   sync.Mutex // guards keys
	keys []map[string]string
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{t: t}
	s := httptest.NewServer(i)
	t.Cleanup(s.Close)
	i.url = s.URL + "/keys"
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.hits.Add(1)
	if i.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := json.NewEncoder(w).Encode(map[string]any{"keys": i.keys}); err != nil {
		i.t.Error(err)
	}
}

// publish makes these the issuer's keys.
func (i *issuer) publish(keys ...map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var b64 = base64.RawURLEncoding.EncodeToString

func rsaJWK(kid string, k *rsa.PrivateKey) map[string]string {
	return map[string]string{"kty": "RSA", "use": "sig", "kid": kid, "n": b64(k.N.Bytes()), "e": "AQAB"}
}

func ecJWK(kid string, k *ecdsa.PrivateKey) map[string]string {
	point := must(k.PublicKey.Bytes())
	return map[string]string{"kty": "EC", "kid": kid, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

// sign makes a token by hand, so that nothing checks itself.
func sign(alg, kid string, key any, claims map[string]any) string {
	head := must(json.Marshal(map[string]string{"alg": alg, "kid": kid, "typ": "JWT"}))
	text := b64(head) + "." + b64(must(json.Marshal(claims)))
	sum := sha256.Sum256([]byte(text))
	var signature []byte
	switch k := key.(type) {
	case *rsa.PrivateKey:
		signature = must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case []byte:
		m := hmac.New(sha256.New, k)
		m.Write([]byte(text))
		signature = m.Sum(nil)
	}
	return text + "." + b64(signature)
}

// entraClaims are what Entra's provisioning service sends.
func entraClaims(now time.Time, change map[string]any) map[string]any {
	claims := map[string]any{
		"iss": "https://sts.windows.net/" + tenant + "/", "aud": entraAudience, "tid": tenant, "sub": "0a21f0f2", "appid": "00000014",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, change)
	return claims
}

// entraBench is a Directory with a client entra, whose keys a server of the test publishes.
func entraBench(t testing.TB, change func(*Client)) (*bench, *issuer) {
	t.Helper()
	i := newIssuer(t)
	i.publish(rsaJWK("k1", rsaKey()))
	rules, err := EntraJWT(tenant)
	if err != nil {
		t.Fatal(err)
	}
	rules.KeysURL = i.url
	c := Client{Name: "entra", Workspace: "default", JWT: &rules}
	if change != nil {
		change(&c)
	}
	return newBench(t, c), i
}

func TestJWTSignsIn(t *testing.T) {
	b, i := entraBench(t, nil)
	for _, iss := range []string{"https://sts.windows.net/" + tenant + "/", "https://login.microsoftonline.com/" + tenant + "/v2.0"} {
		token := sign("RS256", "k1", rsaKey(), entraClaims(b.now, map[string]any{"iss": iss}))
		a, err := b.Authenticate(context.Background(), token)
		if err != nil {
			t.Fatalf("%s: %v", iss, err)
		}
		if a.Kind != "jwt" || a.ID != "entra" || a.Client != "entra" || a.Name != "0a21f0f2" || a.Workspace != "default" || a.Owner() != "client:entra" {
			t.Errorf("actor = %+v", a)
		}
		if !a.Can(UsersCreate) || a.Can(TokensManage) {
			t.Errorf("permissions = %v", a.Permissions)
		}
	}
	if n := i.hits.Load(); n != 1 {
		t.Errorf("the keys were read %d times, want 1", n)
	}
}

func TestJWTRefuses(t *testing.T) {
	b, _ := entraBench(t, nil)
	at := func(d time.Duration) int64 { return b.now.Add(d).Unix() }
	claims := func(change map[string]any) map[string]any { return entraClaims(b.now, change) }
	without := func(name string) map[string]any { c := claims(nil); delete(c, name); return c }
	good := sign("RS256", "k1", rsaKey(), claims(nil))
	head, rest, _ := strings.Cut(good, ".")
	body, _, _ := strings.Cut(rest, ".")
	none := b64([]byte(`{"alg":"none","kid":"k1"}`))
	for _, c := range []struct {
		name, token string
		ok          bool
	}{
		{"good", good, true},
		{"expired within the leeway", sign("RS256", "k1", rsaKey(), claims(map[string]any{"exp": at(-59 * time.Second)})), true},
		{"not yet good within the leeway", sign("RS256", "k1", rsaKey(), claims(map[string]any{"nbf": at(59 * time.Second)})), true},
		{"audience in a list", sign("RS256", "k1", rsaKey(), claims(map[string]any{"aud": []string{"x", entraAudience}})), true},
		{"no key id", sign("RS256", "", rsaKey(), claims(nil)), true},

		{"expired", sign("RS256", "k1", rsaKey(), claims(map[string]any{"exp": at(-61 * time.Second)})), false},
		{"without an end", sign("RS256", "k1", rsaKey(), without("exp")), false},
		{"not yet good", sign("RS256", "k1", rsaKey(), claims(map[string]any{"nbf": at(62 * time.Second)})), false},
		{"other audience", sign("RS256", "k1", rsaKey(), claims(map[string]any{"aud": "https://graph.microsoft.com"})), false},
		{"audience with more behind", sign("RS256", "k1", rsaKey(), claims(map[string]any{"aud": entraAudience + "/"})), false},
		{"no audience", sign("RS256", "k1", rsaKey(), without("aud")), false},
		{"other tenant", sign("RS256", "k1", rsaKey(), claims(map[string]any{"iss": "https://sts.windows.net/2f0c2b7e-0000-4000-8000-000000000000/"})), false},
		{"other tid", sign("RS256", "k1", rsaKey(), claims(map[string]any{"tid": "2f0c2b7e-0000-4000-8000-000000000000"})), false},
		{"issuer without its slash", sign("RS256", "k1", rsaKey(), claims(map[string]any{"iss": "https://sts.windows.net/" + tenant})), false},
		{"no issuer", sign("RS256", "k1", rsaKey(), without("iss")), false},
		{"other key", sign("RS256", "k1", otherKey(), claims(nil)), false},
		{"algorithm none", none + "." + body + ".", false},
		{"algorithm none with a signature", none + good[len(head):], false},
		{"HMAC with the public key", sign("HS256", "k1", rsaKey().N.Bytes(), claims(nil)), false},
		{"an algorithm that Entra does not use", sign("ES256", "k1", ecKey(), claims(nil)), false},
		{"changed", head + "." + b64(must(json.Marshal(claims(map[string]any{"sub": "me"})))) + good[strings.LastIndexByte(good, '.'):], false},
		{"no signature", head + "." + body, false},
		{"empty signature", head + "." + body + ".", false},
		{"more than a token", good + ".x", false},
		{"too long", sign("RS256", "k1", rsaKey(), claims(map[string]any{"pad": strings.Repeat("x", maxJWT)})), false},
	} {
		_, err := b.Authenticate(context.Background(), c.token)
		if c.ok && err != nil || !c.ok && !errors.Is(err, errBadToken) {
			t.Errorf("%s: %v, want ok = %v and one answer for all", c.name, err, c.ok)
		}
	}
}

func TestJWTOfAnyIssuer(t *testing.T) {
	i := newIssuer(t)
	i.publish(ecJWK("e1", ecKey()), map[string]string{"kty": "oct", "kid": "secret", "k": "AAAA"}, rsaJWK("r1", rsaKey()))
	rules := func(subject string) *JWT {
		return &JWT{Issuers: []string{"https://ci.example.com"}, Audience: "rollcall", KeysURL: i.url, Subject: subject, Claims: map[string]string{"environment": "production"}}
	}
	b := newBench(t,
		Client{Name: "one", Workspace: "default", JWT: rules("repo:one"), Scopes: []scim.Permission{UsersRead}},
		Client{Name: "two", Workspace: "other", JWT: rules("repo:two")})
	claims := func(sub string, environment any) map[string]any {
		return map[string]any{"iss": "https://ci.example.com", "aud": "rollcall", "sub": sub, "environment": environment, "exp": b.now.Add(time.Minute).Unix()}
	}
	for _, c := range []struct {
		name, token, client string
	}{
		{"one", sign("ES256", "e1", ecKey(), claims("repo:one", "production")), "one"},
		{"two, by RSA", sign("RS256", "r1", rsaKey(), claims("repo:two", []string{"x", "production"})), "two"},
		{"no such subject", sign("ES256", "e1", ecKey(), claims("repo:three", "production")), ""},
		{"other claim", sign("ES256", "e1", ecKey(), claims("repo:one", "test")), ""},
		{"claim of another type", sign("ES256", "e1", ecKey(), claims("repo:one", 1)), ""},
		{"HMAC by a key of the set", sign("HS256", "secret", []byte{0, 0, 0}, claims("repo:one", "production")), ""},
		{"a key of the other kind", sign("RS256", "e1", rsaKey(), claims("repo:one", "production")), ""},
	} {
		a, err := b.Authenticate(context.Background(), c.token)
		switch {
		case c.client == "" && !errors.Is(err, scim.ErrUnauthenticated):
			t.Errorf("%s: %v, want ErrUnauthenticated", c.name, err)
		case c.client != "" && (err != nil || a.Client != c.client):
			t.Errorf("%s: %+v, %v, want client %s", c.name, a, err, c.client)
		}
	}
	a, err := b.Authenticate(context.Background(), sign("ES256", "e1", ecKey(), claims("repo:one", "production")))
	if err != nil || a.Can(UsersCreate) || !a.Can(UsersRead) {
		t.Errorf("actor = %+v, %v, want the scopes of the settings", a, err)
	}
}

func TestJWTKeysAreRotated(t *testing.T) {
	b, i := entraBench(t, nil)
	ctx := context.Background()
	with := func(kid string, key *rsa.PrivateKey) error {
		_, err := b.Authenticate(ctx, sign("RS256", kid, key, entraClaims(b.now, nil)))
		return err
	}
	if err := with("k1", rsaKey()); err != nil {
		t.Fatal(err)
	}
	i.publish(rsaJWK("k2", otherKey()))
	b.now = b.now.Add(keysPause)
	if err := with("k2", otherKey()); err != nil {
		t.Errorf("a new key: %v", err)
	}
	if err := with("k1", rsaKey()); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("a key that was withdrawn: %v, want ErrUnauthenticated", err)
	}
	// A key that is withdrawn while nobody uses a new one goes too.
	i.publish(rsaJWK("k3", rsaKey()))
	b.now = b.now.Add(keysFresh)
	if err := with("k2", otherKey()); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("an hour after its end: %v, want ErrUnauthenticated", err)
	}
}

func TestJWTUnknownKeysAskTheIssuerSeldom(t *testing.T) {
	b, i := entraBench(t, nil)
	ctx := context.Background()
	var wait sync.WaitGroup
	for n := range 50 {
		wait.Go(func() {
			for m := range 20 {
				token := sign("RS256", fmt.Sprintf("invented-%d-%d", n, m), []byte("x"), entraClaims(b.now, nil))
				if _, err := b.Authenticate(ctx, token); !errors.Is(err, scim.ErrUnauthenticated) {
					t.Errorf("err = %v, want ErrUnauthenticated", err)
				}
			}
		})
	}
	wait.Wait()
	if n := i.hits.Load(); n != 1 {
		t.Errorf("1000 unknown keys asked the issuer %d times, want 1", n)
	}
	if _, err := b.Authenticate(ctx, sign("RS256", "k1", rsaKey(), entraClaims(b.now, nil))); err != nil {
		t.Errorf("the right key after that: %v", err)
	}
}

func TestJWTIssuerIsAway(t *testing.T) {
	b, i := entraBench(t, nil)
	ctx := context.Background()
	good := func() error {
		_, err := b.Authenticate(ctx, sign("RS256", "k1", rsaKey(), entraClaims(b.now, nil)))
		return err
	}
	i.down.Store(true)
	for range 5 {
		var e *scim.Error
		if err := good(); !errors.Is(err, scim.ErrUnavailable) || !errors.As(err, &e) || e.RetryAfter <= 0 {
			t.Errorf("without keys: %v, want ErrUnavailable with RetryAfter", err)
		}
	}
	if n := i.hits.Load(); n != 1 {
		t.Errorf("an issuer that is down was asked %d times in no time, want 1", n)
	}
	_, text, err := b.CreateToken(as(operator), NewToken{Name: "x", Workspace: "default", Client: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authenticate(ctx, text); err != nil {
		t.Errorf("another client meanwhile: %v", err)
	}
	if _, err := b.Authenticate(ctx, "e30.e30.e30"); !errors.Is(err, scim.ErrUnauthenticated) {
		t.Errorf("a token of nobody: %v, want ErrUnauthenticated", err)
	}

	i.down.Store(false)
	b.now = b.now.Add(keysPause)
	if err := good(); err != nil {
		t.Errorf("once it answers: %v", err)
	}
	i.down.Store(true)
	b.now = b.now.Add(2 * keysFresh)
	if err := good(); err != nil {
		t.Errorf("with keys of two hours ago: %v", err)
	}
	b.now = b.now.Add(keysStale)
	if err := good(); !errors.Is(err, scim.ErrUnavailable) {
		t.Errorf("with keys of yesterday: %v, want ErrUnavailable", err)
	}
}

func TestParseKeySet(t *testing.T) {
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	off := ecJWK("e", ecKey())
	off["y"] = off["x"]
	encryption := rsaJWK("r", rsaKey())
	encryption["use"] = "enc"
	for _, c := range []struct {
		name string
		key  map[string]string
		ok   bool
	}{
		{"RSA", rsaJWK("r", rsaKey()), true},
		{"EC", ecJWK("e", ecKey()), true},
		{"Ed25519", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 32))}, true},
		{"RSA that is too short", rsaJWK("r", weak), false},
		{"RSA with the exponent 1", map[string]string{"kty": "RSA", "n": b64(rsaKey().N.Bytes()), "e": "AQ"}, false},
		{"for encryption", encryption, false},
		{"a point off the curve", off, false},
		{"an unknown curve", map[string]string{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, false},
		{"a shared secret", map[string]string{"kty": "oct", "k": "AAAA"}, false},
		{"nothing", map[string]string{}, false},
	} {
		text := must(json.Marshal(map[string]any{"keys": []any{c.key}}))
		if keys, err := parseKeySet(text); (err == nil && len(keys) == 1) != c.ok {
			t.Errorf("%s: %d keys, %v, want ok = %v", c.name, len(keys), err, c.ok)
		}
	}
	for _, text := range []string{"", "[]", "{}", `{"keys":{}}`, `{"keys":[1]}`} {
		if _, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("parseKeySet(%q) is no error", text)
		}
	}
}

func TestKeySetIsBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys":[`, strings.Repeat(" ", maxKeySet), `]}`)
	}))
	defer s.Close()
	k := newKeySet(s.URL, keysHTTP(), time.Now, nil)
	if _, err := k.fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("fetch = %v, want that it is too large", err)
	}
}

func TestJWTValidate(t *testing.T) {
	good := func() JWT {
		return JWT{Issuers: []string{"https://i"}, Audience: "a", KeysURL: "https://i/keys"}
	}
	for _, c := range []struct {
		name   string
		change func(*JWT)
		ok     bool
	}{
		{"good", func(*JWT) {}, true},
		{"keys of this machine", func(j *JWT) { j.KeysURL = "http://127.0.0.1:8/keys" }, true},
		{"keys in the clear", func(j *JWT) { j.KeysURL = "http://i/keys" }, false},
		{"no keys", func(j *JWT) { j.KeysURL = "" }, false},
		{"keys in a file", func(j *JWT) { j.KeysURL = "file:///etc/passwd" }, false},
		{"no issuer", func(j *JWT) { j.Issuers = nil }, false},
		{"empty issuer", func(j *JWT) { j.Issuers = []string{""} }, false},
		{"no audience", func(j *JWT) { j.Audience = "" }, false},
		{"none", func(j *JWT) { j.Algorithms = []string{"none"} }, false},
		{"HMAC", func(j *JWT) { j.Algorithms = []string{"RS256", "HS256"} }, false},
	} {
		j := good()
		c.change(&j)
		if err := j.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v, want ok = %v", c.name, err, c.ok)
		}
	}
	for _, tenant := range []string{"", "example.com", tenant + "/../x", tenant[1:]} {
		if _, err := EntraJWT(tenant); err == nil {
			t.Errorf("EntraJWT(%q) is no error", tenant)
		}
	}
}
