package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEnv(t *testing.T) {
	inDir(t, `
server: {listen: ":1"}
sources:
  corp:
    url: ldaps://a
    bind_dn: cn=x
    bind_password: y
    users: {base: dc=x}
  corp-eu: {url: ldaps://a, bind_dn: cn=x, bind_password: y, users: {base: dc=x}}
  corp-users: {url: ldaps://a, bind_dn: cn=x, bind_password: y, users: {base: dc=x}}
`)
	c, origins := load(t, Options{
		Environ: []string{
			"PATH=/bin", "ROLLCALL_SERVER=https://elsewhere", "ROLLCALL_TOKEN=x", "ROLLCALL_PORT=tcp://10.0.0.1:80",
			"ROLLCALL_PORT_80_TCP_ADDR=10.0.0.1", "ROLLCALL_SERVICE_HOST=10.0.0.1",
			"ROLLCALL_SERVER_LISTEN=:9", "ROLLCALL_SERVER_LISTEN=:2",
			"ROLLCALL_SERVER_OPS_LISTEN=:3",
			"ROLLCALL_SERVER_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1",
			"ROLLCALL_BOOTSTRAP_TOKEN=" + strings.Repeat("x", 32),
			"ROLLCALL_SOURCES_CORP_URL=ldaps://b,ldaps://c",
			"ROLLCALL_SOURCES_CORP_USERS_BASE=dc=corp",
			"ROLLCALL_SOURCES_CORP_USERS_USERS_BASE=dc=corp-users",
			"ROLLCALL_SOURCES_CORP_EU_TIMEOUTS_IDLE=1m",
			"ROLLCALL_SOURCES_CORP_GUARD_MAX_CHANGES=20%",
			"ROLLCALL_SOURCES_NEW_ONE_URL=ldaps://n",
			"ROLLCALL_SOURCES_NEW_ONE_USERS_BASE=dc=new",
			"ROLLCALL_SOURCES_NEW_ONE_BIND_DN=cn=x",
			"ROLLCALL_SOURCES_NEW_ONE_BIND_PASSWORD=$HOME",
			"ROLLCALL_CLIENTS_OKTA_PATCH_RESPONSE=200",
		},
		Overrides: []Override{{"--ops", "server.ops_listen", ":4"}},
	})
	for name, pair := range map[string][2]any{
		"listen":         {c.Server.Listen, ":2"},
		"ops_listen":     {c.Server.OpsListen, ":4"},
		"proxies":        {len(c.Server.TrustedProxies), 2},
		"url":            {c.Sources["corp"].URL, []string{"ldaps://b", "ldaps://c"}},
		"base":           {c.Sources["corp"].Users.Base, DN("dc=corp")},
		"existing name":  {c.Sources["corp-users"].Users.Base, DN("dc=corp-users")},
		"idle":           {c.Sources["corp-eu"].Timeouts.Idle, 60 * second},
		"max_changes":    {*c.Sources["corp"].Guard.MaxChanges, Limit{0, 20}},
		"not expanded":   {c.Sources["new-one"].BindPassword.Reveal(), "$HOME"},
		"new defaults":   {c.Sources["new-one"].Preset, "openldap"},
		"patch_response": {c.Clients["okta"].PatchResponse, "200"},
		"origin env":     {origins.Of("server.listen").String(), "env ROLLCALL_SERVER_LISTEN"},
		"origin flag":    {origins.Of("server.ops_listen").String(), "flag --ops"},
		"origin file":    {origins.Of("sources.corp-eu.users.base").String(), "rollcall.yaml:9"},
		"origin default": {origins.Of("logging.level").String(), "default"},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s = %#v, want %#v", name, pair[0], pair[1])
		}
	}
	if len(origins.Warnings) > 0 {
		t.Errorf("warnings = %q, want none", warnings(origins))
	}
}

func TestUnknownVariablesWarn(t *testing.T) {
	inDir(t, minimal)
	_, origins := load(t, Options{Environ: []string{
		"ROLLCALL_SERVER_LISTN=:1", "ROLLCALL_SOURCES_CORP_SCHEDUL=x", "ROLLCALL_SOURCES_URL=x", "ROLLCALL_SOURCES_CORP_USERS_ATTRIBUTES=x",
		"ROLLCALL_BOOTSTRAP_TOKEN=" + strings.Repeat("x", 32), "ROLLCALL_BOOTSTRAP_TOKEN_FILE=/nowhere",
	}})
	want := []string{
		"ROLLCALL_BOOTSTRAP_TOKEN_FILE: it is not used, since ROLLCALL_BOOTSTRAP_TOKEN is set",
		`ROLLCALL_SERVER_LISTN: there is no such setting. Did you mean "ROLLCALL_SERVER_LISTEN"?`,
		`ROLLCALL_SOURCES_CORP_SCHEDUL: there is no such setting. Did you mean "ROLLCALL_SOURCES_CORP_SCHEDULE"?`,
		`ROLLCALL_SOURCES_CORP_USERS_ATTRIBUTES: there is no such setting. `,
		`ROLLCALL_SOURCES_URL: there is no such setting. `,
	}
	got := warnings(origins)
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("warnings = %s,\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestEveryVariable sets every setting by its variable: each must be found under the
// name that it documents.
func TestEveryVariable(t *testing.T) {
	l := &loader{config: defaultConfig()}
	l.config.Sources["corp"] = &SourceConfig{}
	for _, name := range l.envNames() {
		path, ok := l.envPath(strings.TrimPrefix(name, envPrefix))
		if !ok || envPrefix+envForm(path) != name {
			t.Errorf("envPath(%q) = %q, %v, want its setting", name, path, ok)
		}
		secret := slices.ContainsFunc([]string{"PASSWORD_FILE", "TOKEN_FILE", "SECRET_FILE"}, func(end string) bool { return strings.HasSuffix(name, end) })
		if isSecretFile(path) != secret {
			t.Errorf("isSecretFile(%q) = %v", path, isSecretFile(path))
		}
	}
	if n := len(l.envNames()); n < 45 {
		t.Errorf("there are %d variables, want all", n)
	}
}
