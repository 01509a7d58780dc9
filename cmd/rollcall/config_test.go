package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	dirsync "rollcall/sync"
)

// inDir puts a rollcall.yaml into a folder of its own and goes there.
func inDir(t *testing.T, yaml string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "rollcall.yaml", yaml, 0o600)
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, o Options) (*Config, *Origins) {
	t.Helper()
	c, origins, err := Load(o)
	if err != nil {
		t.Fatalf("Load = %v, want no error", err)
	}
	return c, origins
}

// problems are the lines of what is wrong.
func problems(t *testing.T, o Options) []string {
	t.Helper()
	_, _, err := Load(o)
	if err == nil {
		return nil
	}
	var e *ConfigError
	if !errors.As(err, &e) {
		t.Fatalf("Load = %T, want a *ConfigError", err)
	}
	var all []string
	for _, p := range e.Problems {
		all = append(all, p.String())
	}
	return all
}

func warnings(o *Origins) []string {
	var all []string
	for _, p := range o.Warnings {
		all = append(all, p.String())
	}
	return all
}

const minimal = `
sources:
  corp:
    url: ldaps://ldap.example.com
    bind_dn: cn=rollcall,dc=example,dc=com
    bind_password: hunter2
    users: { base: "ou=people,dc=example,dc=com" }
`

func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	c, origins := load(t, Options{})
	if origins.File != "" {
		t.Errorf("File = %q, want none", origins.File)
	}
	if !reflect.DeepEqual(c, defaultConfig()) {
		t.Errorf("Load without anything = %+v, want the defaults", c)
	}
	for name, pair := range map[string][2]any{
		"server.listen":     {c.Server.Listen, "127.0.0.1:8080"},
		"server.ops_listen": {c.Server.OpsListen, "127.0.0.1:9090"},
		"server.base_url":   {c.Server.BaseURL, ""},
		"store.url":         {c.Store.URL, "bolt:rollcall.db"},
		"bootstrap.token":   {c.Bootstrap.Token.IsSet(), false},
		"logging.level":     {c.Logging.SlogLevel(), slog.LevelInfo},
	} {
		if pair[0] != pair[1] {
			t.Errorf("default of %s = %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestSourceDefaults(t *testing.T) {
	inDir(t, minimal)
	c, _ := load(t, Options{})
	s := c.Sources["corp"]
	p := s.Policy()
	if p.MissingRuns != 1 || p.OnMissing != "deactivate" || p.Guard.Missing.Count != 10 || p.Guard.Missing.Percent != 5 ||
		p.Guard.MemberLoss.Percent != 20 || p.Guard.MemberLossFrom != 50 || p.Guard.MaxChanges != nil {
		t.Errorf("Policy() = %+v, want the defaults of design.md §4.7", p)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("Policy().Validate() = %v, want nil", err)
	}
	if s.Name != "corp" || s.Type != "ldap" || s.Workspace != "default" || s.TLS != "auto" || s.Groups.Nested != "flatten" ||
		s.PageSize != 1000 || s.Timezone != "UTC" || s.Timeouts != (TimeoutsConfig{5 * second, 30 * second, 60 * 60 * second}) {
		t.Errorf("source = %+v, want the defaults", s)
	}
}

func TestFile(t *testing.T) {
	inDir(t, `
# comment
server:
  listen: ":8080"
  base_url: https://scim.example.com/
  trusted_proxies: [10.1.2.3/8, 192.0.2.1]
  shutdown_delay: 1m30s
store: { url: "rediss://app@redis:6380/2", password: 0123, allow_unsafe: [persistence] }
bootstrap: {token: "0123456789abcdef0123456789abcdef"}
logging: {level: debug, format: json}
sources:
  corp: &corp
    preset: ad
    url: [ldap://a, "ldaps://b:1636"]
    bind_dn: rollcall@example.com
    bind_password: |
      two words
    tls: on
    users: &people
      base: ou=people,dc=example,dc=com
      filter: (mail=*)
      attributes: { title: title, "emails[type eq \"work\"].value": mail|userPrincipalName }
    schedule: "*/15 * * * *"
    timezone: Europe/Berlin
    on_missing: { after: 2 runs, do: keep }
    guard: { max_missing: "500, 2.5%", max_changes: 20%, max_deactivate: 7, max_member_removals: 50%, large_group: 10, min_entries: 100 }
  twin:
    <<: *corp
    workspace: twin
  third:
    url: ldap://localhost
    tls: off
    bind_dn: cn=x
    bind_password: 12
    users: *people
  file: { type: ldif, path: people.ldif, preset: 389ds }
clients:
  okta: { patch_response: 204 }
  entra:
`)
	c, _ := load(t, Options{})
	check := func(name string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %#v, want %#v", name, got, want)
		}
	}
	check("base_url", c.Server.BaseURL, "https://scim.example.com")
	check("trusted_proxies", c.Server.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")})
	check("shutdown_delay", time.Duration(c.Server.ShutdownDelay), 90*time.Second)
	check("store.password", c.Store.Password.Reveal(), "0123")
	s := c.Sources["corp"]
	check("url", s.URL, []string{"ldap://a", "ldaps://b:1636"})
	check("bind_password", s.BindPassword.Reveal(), "two words\n")
	check("attributes", s.Users.Attributes, map[string]string{"title": "title", `emails[type eq "work"].value`: "mail|userPrincipalName"})
	check("after", s.OnMissing.After, Runs(2))
	check("max_missing", s.Guard.MaxMissing, Limit{500, 2.5})
	check("max_changes", *s.Policy().Guard.MaxChanges, dirsync.Limit{Percent: 20})
	check("max_changes", *s.Guard.MaxChanges, Limit{0, 20})
	check("max_deactivate", s.Guard.MaxDeactivate, Limit{7, 0})
	check("twin", []string{c.Sources["twin"].Name, c.Sources["twin"].Workspace, c.Sources["twin"].Preset}, []string{"twin", "twin", "ad"})
	check("third", c.Sources["third"].Users.Filter, "(mail=*)")
	check("file", c.Sources["file"].Preset, "389ds")
	okta, entra := ClientConfig{}, ClientConfig{}
	okta.setDefaults("okta")
	entra.setDefaults("entra")
	okta.PatchResponse = "204"
	check("okta", *c.Clients["okta"], okta)
	check("entra", *c.Clients["entra"], entra)
}

// TestProblems has one file a case, and everything that is said about it.
func TestProblems(t *testing.T) {
	source := func(lines string) string {
		return "sources:\n  corp:\n    <<: {url: ldaps://h, bind_dn: cn=x, bind_password: pw, users: {base: dc=x}}\n    # and\n    " + lines + "\n"
	}
	for _, test := range []struct{ name, yaml, want string }{
		{"unknown key", source(`schedul: "* * * * *"`), `rollcall.yaml:5:5: unknown key "schedul" in sources.corp. Did you mean "schedule"?`},
		{"unknown section", "sorces: {}", `rollcall.yaml:1:1: unknown key "sorces" at the top of the file. Did you mean "sources"?`},
		{"unknown, like nothing", "logging: {colour: red}", `rollcall.yaml:1:11: unknown key "colour" in logging. There are level, format, pii`},
		{"unknown secret", source("bind_pasword_file: x"), `rollcall.yaml:5:5: unknown key "bind_pasword_file" in sources.corp. Did you mean "bind_password_file"?`},
		{"not YAML", "server: [", `rollcall.yaml:1:9: sequence end token ']' not found`},
		{"tab", "server:\n\tlisten: x", "rollcall.yaml:2:1: found character '\t' that cannot start any token"},
		{"twice", "server: {}\nserver: {}", `rollcall.yaml:2:1: mapping key "server" already defined at [1:1]`},
		{"two documents", "server: {}\n---\nlogging: {}", `rollcall.yaml:3:1: the file holds a second document. Put everything into the first`},
		{"a list", "- a", `rollcall.yaml:1:1: this is no section. Write its settings below it, as in server: …`},
		{"section is text", "server: here", `rollcall.yaml:1:9: server: this is no section. Write its settings below it, as in listen: …`},
		{"text is section", "server: {listen: {port: 80}}", `rollcall.yaml:1:18: server.listen: this must be one value, not a list or a section`},
		{"no value", "server:\n  listen:\n", `rollcall.yaml:2:3: server.listen: there is no value behind it. Leave the key out, or give it one`},
		{"lost alias", "server: {listen: *x}", `rollcall.yaml:1:18: server.listen: this alias leads nowhere`},
		{"alias to itself", "server: &s\n  <<: *s\n", `rollcall.yaml:1:9: server: this is no section. Write its settings below it, as in listen: …`},
		{"port alone", "server: {listen: 8080}", `rollcall.yaml:1:18: server.listen: "8080" is no address. Write ":8080" for every interface, "127.0.0.1:8080" for this machine alone`},
		{"port too large", `server: {listen: "h:70000"}`, `rollcall.yaml:1:18: server.listen: "h:70000" is no address. Write HOST:PORT, or :PORT for every interface`},
		{"same address", `server: {listen: ":9000", ops_listen: ":9000"}`, `rollcall.yaml:1:39: server.ops_listen: it is the same as server.listen`},
		{"base URL", "server: {base_url: example.com}", `rollcall.yaml:1:20: server.base_url: "example.com" is no absolute http or https URL. Write what clients see in front of /scim/v2, such as https://scim.example.com`},
		{"base URL too long", "server: {base_url: https://h/scim/v2}", `rollcall.yaml:1:20: server.base_url: "https://h/scim/v2" must end before /scim/v2. Write what clients see in front of /scim/v2, such as https://scim.example.com`},
		{"half of TLS", "server: {tls_cert: c.pem}", `server.tls_key: it is missing: server.tls_cert is set`},
		{"proxy", "server: {trusted_proxies: [here]}", `rollcall.yaml:1:27: server.trusted_proxies: "here" is no network. Write an address or a prefix: 10.0.0.1, 10.0.0.0/8, fd00::/8`},
		{"filter", "server: {filter: {terms: 1}}", `rollcall.yaml:1:26: server.filter.terms: 1 is not from 2 to 1000`},
		{"duration without unit", "server: {shutdown_delay: 30}", `rollcall.yaml:1:26: server.shutdown_delay: "30" is no duration. Write a number and a unit: 500ms, 30s, 5m, 12h, 30d, 2w`},
		{"level", "logging: {level: inf}", `rollcall.yaml:1:18: logging.level: "inf" is none of debug, info, warn, error. Did you mean "info"?`},
		{"store scheme", "store: {url: mysql://root:hunter2@h}", "rollcall.yaml:1:14: store.url: this is no store URL. There are " + storeURLs},
		{"store host", "store: {url: 'redis://:hunter2@:6379'}", `rollcall.yaml:1:14: store.url: ":6379" is no HOST:PORT`},
		{"database of a cluster", "store: {url: 'redis+cluster://a/1'}", `rollcall.yaml:1:14: store.url: a cluster has no databases: it must end behind its hosts`},
		{"no sentinels", "store: {url: 'redis://a', sentinel_password: x}", `rollcall.yaml:1:46: store.sentinel_password: this store has no sentinels`},
		{"CA without TLS", "store: {url: 'redis+cluster://a', ca_file: rollcall.yaml}", `rollcall.yaml:1:44: store.ca_file: this store is without TLS. Write rediss in place of redis in store.url`},
		{"CA of the store", "store: {url: 'rediss://a', ca_file: rollcall.yaml}", `rollcall.yaml:1:37: store.ca_file: rollcall.yaml holds no certificate in PEM form`},
		{"half a certificate of the store", "store: {url: 'rediss://a', tls_cert: a.pem}", `rollcall.yaml:1:38: store.tls_cert: store.tls_cert and store.tls_key belong together. Set both or neither`},
		{"no certificate of the store", "store: {url: 'rediss://a', tls_cert: rollcall.yaml, tls_key: rollcall.yaml}", `rollcall.yaml:1:38: store.tls_cert: tls: failed to find any PEM data in certificate input`},
		{"replicas of bolt", "store: {confirm_replicas: 1}", `rollcall.yaml:1:27: store.confirm_replicas: bolt has no replicas`},
		{"no replicas", "store: {url: 'redis://a', confirm_replicas: -1}", `rollcall.yaml:1:45: store.confirm_replicas: -1 is not from 0 to 16. 0 asks none`},
		{"no time for replicas", "store: {url: 'redis://a', confirm_timeout: 1ms}", `rollcall.yaml:1:44: store.confirm_timeout: 1ms is not from 10ms to 30s`},
		{"no master", "store: {url: 'redis+sentinel://a'}", `rollcall.yaml:1:14: store.url: the name of the master is missing: redis+sentinel://HOST:PORT/MASTER`},
		{"two passwords of the store", "store: {url: 'redis://:hunter2@h', password: hunter3}", `rollcall.yaml:1:14: store.url: it holds a password, and store.password is set too. Keep one`},
		{"images", "store: {image_keep: -1}", `rollcall.yaml:1:21: store.image_keep: -1 is below zero. 0 keeps none`},
		{"feed", "store: {feed_keep: 0}", `rollcall.yaml:1:20: store.feed_keep: 0 is not above zero`},
		{"unsafe", "store: {allow_unsafe: everything}", `rollcall.yaml:1:23: store.allow_unsafe: "everything" is none of persistence, eviction, replica, plaintext`},
		{"short token", "bootstrap: {token: 0123456789012345678901234567890}", "rollcall.yaml:1:20: bootstrap.token: it has 31 characters, and must have 32 or more. `openssl rand -hex 32` makes one"},
		{"token with space", "bootstrap: {token: '01234567 90123456789012345678901'}", "rollcall.yaml:1:20: bootstrap.token: it has a space or a control character, which a bearer token cannot have (RFC 6750 §2.1)"},
		{"empty secret", source(`bind_password: ""`), `rollcall.yaml:5:20: sources.corp.bind_password: it is empty. Leave it out, or give it a value`},
		{"secret twice", source("bind_password: a\n    bind_password_file: b"), `rollcall.yaml:6:5: sources.corp.bind_password_file: bind_password and bind_password_file are both set. Keep one`},
		{"no secret file", source("bind_password_file: nowhere"), `rollcall.yaml:5:25: sources.corp.bind_password: open nowhere: no such file or directory`},
		{"name", "sources: {Corp_EU: {}}", `rollcall.yaml:1:11: sources: "Corp_EU" is no name. Use a-z, 0-9 and -, at most 63, and no - in front`},
		{"workspace", source("workspace: Sales!"), `rollcall.yaml:5:16: sources.corp.workspace: "Sales!" is no name. Use a-z, 0-9 and -, at most 63, and no - in front`},
		{"preset", source("preset: openldp"), `rollcall.yaml:5:13: sources.corp.preset: "openldp" is none of ad, openldap. Did you mean "openldap"?`},
		{"type", source("type: ldpa"), `rollcall.yaml:5:11: sources.corp.type: "ldpa" is none of ldap, ldif. Did you mean "ldap"?`},
		{"path of LDAP", source("path: x"), `rollcall.yaml:5:11: sources.corp.path: it is for a source of type ldif, and this one is ldap`},
		{"TLS off and ldaps", source("tls: off"), `rollcall.yaml:5:10: sources.corp.tls: "ldaps://h" is always TLS: use ldap://, or leave tls out`},
		{"time zone", source("timezone: Mars/Olympus"), `rollcall.yaml:5:15: sources.corp.timezone: "Mars/Olympus" is no time zone. Write a name such as Europe/Berlin, or UTC`},
		{"schedule", source("schedule: never"), `rollcall.yaml:5:15: sources.corp.schedule: bad: never`},
		{"bind DN", source(`bind_dn: ""`), `rollcall.yaml:5:14: sources.corp.bind_dn: it is missing. Write the DN of an account that may read people and groups`},
		{"whole source", source("groups: {filter: '(cn='}"), `rollcall.yaml:5:22: sources.corp.groups.filter: it is a bad filter`},
		{"whole source, a mapping", source("groups: {attributes: {x: y}}"), `rollcall.yaml:5:14: sources.corp.groups.attributes: "x" is no path: so it is`},
		{"whole source, no key", source("server_name: odd"), `rollcall.yaml:2:3: sources.corp: something is odd`},
		{"runs", source("on_missing: {after: 0}"), `rollcall.yaml:5:25: sources.corp.on_missing.after: "0" is not between 1 run and 1000 runs`},
		{"limit", source("guard: {max_missing: 120%}"), `rollcall.yaml:5:26: sources.corp.guard.max_missing: "120%" is no limit. Write a number, a percentage, or both, of which the larger counts: 500, 5%, "10, 5%"`},
		{"idle", source("timeouts: {idle: 0s}"), `rollcall.yaml:5:22: sources.corp.timeouts.idle: it must be above zero`},
		{"page size", source("page_size: 0"), `rollcall.yaml:5:16: sources.corp.page_size: 0 is not between 1 and 100000`},
		{"CA", source("ca_file: rollcall.yaml"), `rollcall.yaml:5:14: sources.corp.ca_file: rollcall.yaml holds no certificate in PEM form`},
		{"LDAP URL", "sources: {corp: {url: 'http://u:hunter2@h', bind_dn: x, bind_password: y, users: {base: dc=x}}}", `rollcall.yaml:1:23: sources.corp.url: "http://…@h" is no LDAP URL. Write ldaps://HOST or ldap://HOST, with :PORT if need be, ldaps+srv://DOMAIN, or ldapi://%2Fpath`},
		{"client", "clients: {okta: {patch_response: 201}}", `rollcall.yaml:1:34: clients.okta.patch_response: "201" is none of auto, 200, 204. Did you mean "200"?`},
	} {
		t.Run(test.name, func(t *testing.T) {
			inDir(t, test.yaml)
			got := problems(t, Options{Validators: fakeValidators})
			if len(got) != 1 || !strings.HasSuffix(got[0], test.want) {
				t.Errorf("Load = %q,\nwant %q", got, test.want)
			}
		})
	}
}

// fakeValidators refuse a few texts, as the packages do that read them.
var fakeValidators = Validators{
	Schedule: func(text string) error {
		if !strings.Contains(text, "*") {
			return fmt.Errorf("bad: %s", text)
		}
		return nil
	},
	Source: func(s *SourceConfig) error {
		var errs []error
		if s.Groups.Filter != "" {
			errs = append(errs, errors.New("groups.filter: it is a bad filter"))
		}
		if len(s.Groups.Attributes) > 0 {
			errs = append(errs, errors.New(`groups.attributes."x" is no path: so it is`))
		}
		if s.ServerName == "odd" {
			errs = append(errs, errors.New("something is odd"))
		}
		if len(s.URL) == 0 && s.Type == "ldap" {
			errs = append(errs, errors.New("url: this was said already"))
		}
		return errors.Join(errs...)
	},
	Presets: []string{"ad", "openldap"},
}

func TestMissingKeys(t *testing.T) {
	inDir(t, "sources:\n  corp: {}\n  file: {type: ldif}\n")
	want := []string{
		`rollcall.yaml:2:3: sources.corp.url: it is missing: an ldap source needs the URL of its server`,
		`rollcall.yaml:2:3: sources.corp.bind_dn: it is missing. Write the DN of an account that may read people and groups`,
		`rollcall.yaml:2:3: sources.corp.bind_password: it is missing. Set it, or bind_password_file`,
		`rollcall.yaml:2:3: sources.corp.users.base: it is missing. Write the DN below which people are, such as "ou=people,dc=example,dc=com"`,
		`rollcall.yaml:3:3: sources.file.path: it is missing: an ldif source needs the path of its file`,
	}
	if got := problems(t, Options{Validators: fakeValidators}); !slices.Equal(got, want) {
		t.Errorf("Load = %q, want %q", got, want)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	inDir(t, "server:\n  listn: \":80\"\nlogging: {level: loud}\nclients: {okta: {patch_response: 1}}\n")
	got := problems(t, Options{
		Environ:   []string{"ROLLCALL_SERVER_OPS_LISTEN=9", "ROLLCALL_STORE_FEED_KEEP=many"},
		Overrides: []Override{{"--listen", "server.listen", "here"}},
	})
	want := []string{
		`ROLLCALL_STORE_FEED_KEEP: store.feed_keep: "many" is no whole number`,
		`--listen: server.listen: "here" is no address. Write HOST:PORT, or :PORT for every interface`,
		`ROLLCALL_SERVER_OPS_LISTEN: server.ops_listen: "9" is no address. Write ":9" for every interface, "127.0.0.1:9" for this machine alone`,
		`rollcall.yaml:2:3: unknown key "listn" in server. Did you mean "listen"?`,
		`rollcall.yaml:3:18: logging.level: "loud" is none of debug, info, warn, error`,
		`rollcall.yaml:4:34: clients.okta.patch_response: "1" is none of auto, 200, 204`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("Load = %s,\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExcerpt(t *testing.T) {
	inDir(t, "server:\n  listn: \":80\"\n")
	_, _, err := Load(Options{})
	want := `rollcall.yaml:2:3: unknown key "listn" in server. Did you mean "listen"?
    2 |   listn: …
      |   ^`
	if err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
}

func TestFindFile(t *testing.T) {
	inDir(t, "server: {listen: ':1'}")
	other := write(t, "other.yaml", "server: {listen: ':2'}", 0o600)
	third := write(t, "third.yaml", "server: {listen: ':3'}", 0o600)
	for _, test := range []struct {
		name, want, file string
		o                Options
	}{
		{"in the folder", ":1", "rollcall.yaml", Options{}},
		{"empty variable", ":1", "rollcall.yaml", Options{Environ: []string{"ROLLCALL_CONFIG="}}},
		{"variable", ":2", "other.yaml", Options{Environ: []string{"ROLLCALL_CONFIG=" + other}}},
		{"flag", ":3", "third.yaml", Options{File: third, Environ: []string{"ROLLCALL_CONFIG=" + other}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, origins := load(t, test.o)
			if c.Server.Listen != test.want || origins.File != test.file {
				t.Errorf("Load = %q of %q, want %q of %q", c.Server.Listen, origins.File, test.want, test.file)
			}
		})
	}
	got := problems(t, Options{Environ: []string{"ROLLCALL_CONFIG=nowhere.yaml"}})
	want := []string{"ROLLCALL_CONFIG: open nowhere.yaml: no such file or directory. `rollcall config show` without it prints every setting"}
	if !slices.Equal(got, want) {
		t.Errorf("Load = %q, want %q", got, want)
	}
	if got := problems(t, Options{File: t.TempDir()}); len(got) != 1 || !strings.HasSuffix(got[0], "is a folder") {
		t.Errorf("Load of a folder = %q, want that it says so", got)
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "\ufeffserver: {}\r\n", "sources:\nclients:\n"} {
		inDir(t, text)
		if c, _ := load(t, Options{}); c.Server.Listen != "127.0.0.1:8080" {
			t.Errorf("Load of %q: listen = %q, want the default", text, c.Server.Listen)
		}
	}
}

func TestTLSOffIsSaidLoudly(t *testing.T) {
	inDir(t, "sources:\n  a: {url: ldap://ldap.example.com, tls: off, bind_dn: x, bind_password: y, users: {base: dc=x}}\n  b: {url: ldap://127.0.0.1, tls: off, bind_dn: x, bind_password: y, users: {base: dc=x}}\n")
	_, origins := load(t, Options{})
	got := warnings(origins)
	if len(got) != 1 || !strings.Contains(got[0], `rollcall.yaml:2:42: sources.a.tls: EVERYTHING SENT TO AND FROM "ldap://ldap.example.com"`) {
		t.Errorf("warnings = %q, want one, about a", got)
	}
}

func TestExampleFile(t *testing.T) {
	text, err := os.ReadFile("../../deploy/rollcall.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), string(text), 0o600) // as it tells to
	c, origins := load(t, Options{File: file, Validators: validators()})
	if len(c.Sources) != 2 || len(c.Clients) != 4 {
		t.Errorf("the example has %d sources and %d clients, want 2 and 4", len(c.Sources), len(c.Clients))
	}
	if len(origins.Warnings) > 0 {
		t.Errorf("the example warns: %q", warnings(origins))
	}
	// What it has commented out must be known as well: every key is in the file.
	for _, section := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[SourceConfig](), reflect.TypeFor[ClientConfig]()} {
		for _, leaf := range leavesOf(section) {
			key := strings.TrimSuffix(leaf[strings.LastIndexByte(leaf, '.')+1:], "_file")
			if !strings.Contains(string(text), key+":") && !strings.Contains(string(text), key+"_file:") {
				t.Errorf("the example does not show %s", leaf)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{minimal, "a: &a\n  <<: *a\n", "server: {listen: *x}", "? {a: b}\n: c", "sources: [1]", "\"", "- - -", "!!x y: z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &loader{config: defaultConfig(), origins: &Origins{File: "x", origins: map[string]Origin{}}, broken: map[string]bool{}}
		l.loadYAML([]byte(text))
		for _, p := range l.problems {
			_ = p.String()
		}
	})
}
