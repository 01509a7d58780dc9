package main

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

func TestClientSettings(t *testing.T) {
	inDir(t, `
clients:
  okta: {rate: 100/s, allow_from: [198.51.100.0/24, "2001:db8::1"], access_token_life: 6h, token: false, paused: true}
  entra: {workspace: sales, jwt: {preset: entra, tenant_id: 1F0C2B7E-0000-4000-8000-000000000000, claims: {appid: x}}}
  ci: {scopes: ["users:read"], jwt: {issuer: "https://i", audience: a, jwks_url: "https://i/k", subject: s, algorithms: [ES256]}}
  agent: {rate: off, basic: {user: agent, password: a password of some length}}
  plain: {}
`)
	c, _ := load(t, Options{})
	got := map[string]account.Client{}
	for _, client := range c.accountClients() {
		got[client.Name] = client
	}
	tenant := "1f0c2b7e-0000-4000-8000-000000000000"
	for _, want := range []account.Client{
		{Name: "okta", Workspace: "default", Rate: 100, AccessLife: 6 * time.Hour, NoTokens: true, Paused: true,
			Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::1/128")}},
		{Name: "entra", Workspace: "sales", Rate: account.DefaultRate, AccessLife: time.Hour, JWT: &account.JWT{
			Issuers:  []string{"https://sts.windows.net/" + tenant + "/", "https://login.microsoftonline.com/" + tenant + "/v2.0"},
			Audience: "8adf8e6e-67b2-4cf2-a259-e3dc5476c621", KeysURL: "https://login.microsoftonline.com/" + tenant + "/discovery/keys",
			Claims: map[string]string{"tid": tenant, "appid": "x"}, Algorithms: []string{"RS256"}}},
		{Name: "ci", Workspace: "default", Rate: account.DefaultRate, AccessLife: time.Hour, Scopes: []scim.Permission{account.UsersRead}, JWT: &account.JWT{
			Issuers: []string{"https://i"}, Audience: "a", KeysURL: "https://i/k", Subject: "s", Claims: map[string]string{}, Algorithms: []string{"ES256"}}},
		{Name: "agent", Workspace: "default", Rate: -1, AccessLife: time.Hour, Basic: &account.Basic{User: "agent", Password: "a password of some length"}},
		{Name: "plain", Workspace: "default", Rate: account.DefaultRate, AccessLife: time.Hour},
	} {
		if !reflect.DeepEqual(got[want.Name], want) {
			t.Errorf("client %s = %+v, want %+v", want.Name, got[want.Name], want)
		}
	}

	// What is shown is a file again.
	_, shown, _ := runCLI(t, nil, "config", "show")
	if !strings.Contains(shown, "password: redacted") || strings.Contains(shown, "some length") {
		t.Errorf("config show:\n%s", shown)
	}
	inDir(t, strings.Replace(shown, "password: redacted", "password: a password of some length", 1))
	again, _ := load(t, Options{})
	if !reflect.DeepEqual(again.accountClients(), c.accountClients()) {
		t.Errorf("config show is read as %+v\n%s", again.accountClients(), shown)
	}
}

func TestClientProblems(t *testing.T) {
	for _, c := range []struct{ name, settings, want string }{
		{"rate", "rate: 5", `clients.x.rate: "5" is no rate. Write requests per second or minute, such as 100/s or 600/m, or off`},
		{"rate of zero", "rate: 0/s", `clients.x.rate: "0/s" is no rate. Write requests per second or minute, such as 100/s or 600/m, or off`},
		{"address", "allow_from: [here]", `clients.x.allow_from: "here" is no network. Write an address or a prefix: 10.0.0.1, 10.0.0.0/8, fd00::/8`},
		{"truth", "paused: maybe", `clients.x.paused: "maybe" is neither true nor false`},
		{"life", "access_token_life: 30d", `clients.x.access_token_life: 30d is not between 1m and 1d`},
		{"scope", `scopes: ["user:read"]`, `clients.x.scopes: "user:read" is no scope. Did you mean "users:read"?`},
		{"preset", "jwt: {preset: okta}", `clients.x.jwt.preset: "okta" is not entra, the only preset there is`},
		{"tenant alone", "jwt: {tenant_id: 1f0c2b7e-0000-4000-8000-000000000000}", `clients.x.jwt.tenant_id: it is for the preset entra. Write preset: entra beside it`},
		{"no tenant", "jwt: {preset: entra}", `clients.x.jwt: "" is no tenant id, such as 1f0c2b7e-0000-4000-8000-000000000000`},
		{"issuer of Entra", "jwt: {preset: entra, issuer: i}", `clients.x.jwt.issuer: the preset entra makes it of the tenant_id`},
		{"no issuer", "jwt: {audience: a, jwks_url: 'https://i'}", `clients.x.jwt: an issuer is required`},
		{"keys in the clear", "jwt: {issuer: i, audience: a, jwks_url: 'http://i'}", `clients.x.jwt: "http://i" must be https: who changes the keys on the way could sign in`},
		{"HMAC", "jwt: {issuer: i, audience: a, jwks_url: 'https://i', algorithms: [HS256]}", `clients.x.jwt: "HS256" is none of the algorithms RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"short password", "basic: {user: u, password: hunter2}", "clients.x.basic: a password for Basic has 16 characters or more. `openssl rand -hex 32` makes a password"},
		{"no user", "basic: {password: a password of some length}", "clients.x.basic: a user for Basic has 1 to 200 characters, and no colon (RFC 7617 §2). `openssl rand -hex 32` makes a password"},
		{"same user", "basic: {user: u, password: a password of some length}}\n  a: {basic: {user: u, password: a password of some length}", `clients.x.basic.user: the client a has the same`},
	} {
		inDir(t, "clients:\n  x: {"+c.settings+"}\n")
		if got := problems(t, Options{}); len(got) != 1 || !strings.HasSuffix(got[0], c.want) {
			t.Errorf("%s: Load = %q,\nwant %q", c.name, got, c.want)
		}
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]float64{"100/s": 100, "0.5/s": 0.5, "600/m": 10, "7/m": 7.0 / 60, "off": -1} {
		var r, again Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || float64(r) != want {
			t.Errorf("Rate(%q) = %g, %v, want %g", text, float64(r), err, want)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q is written %q, which is %g, %v", text, r, float64(again), err)
		}
	}
	for _, text := range []string{"", "/s", "x/s", "NaN/s", "-1/s", "Inf/s", "1e9/s", "1/h", "1 / s"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("Rate(%q) is no error", text)
		}
	}
}

// TestSecretsOfClientsAreNotPrinted is for the one password among their settings.
func TestSecretsOfClientsAreNotPrinted(t *testing.T) {
	inDir(t, "clients: {x: {basic: {user: u, password: a password of some length}}}")
	c, origins := load(t, Options{})
	var out bytes.Buffer
	if err := printYAML(&out, c.shown(origins), true); err != nil || strings.Contains(out.String(), "some length") {
		t.Errorf("%s %v", out.String(), err)
	}
}
