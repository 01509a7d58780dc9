package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

func TestConfigCheck(t *testing.T) {
	inDir(t, minimal)
	for _, test := range []struct {
		name           string
		environ, args  []string
		code           int
		stdout, stderr string
	}{
		{"fine", nil, []string{"config", "check"}, exitDone, "rollcall.yaml: ok\n", ""},
		{"warning", []string{"ROLLCALL_LOGING_LEVEL=x"}, []string{"config", "check"}, exitDone, "rollcall.yaml: ok\n",
			"warning: ROLLCALL_LOGING_LEVEL: there is no such setting. Did you mean \"ROLLCALL_LOGGING_LEVEL\"?\n"},
		{"problems", []string{"ROLLCALL_SOURCES_CORP_SCHEDULE=often", "ROLLCALL_SOURCES_CORP_USERS_BASE=here"}, []string{"config", "check", "--store", "x"}, exitUsage, "",
			"rollcall: 3 problems with the configuration:\n--store: store.url: this is no store URL."},
		{"no file", nil, []string{"config", "check", "--config", "nowhere"}, exitUsage, "", "rollcall: --config: open nowhere: no such file or directory."},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := command(t, test.environ, test.args...)
			if code != test.code || stdout != test.stdout || !strings.HasPrefix(stderr, test.stderr) {
				t.Errorf("rollcall %s = %d, %q, %q,\nwant %d, %q, %q", strings.Join(test.args, " "), code, stdout, stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
	t.Chdir(t.TempDir())
	if _, stdout, _ := command(t, nil, "config", "check"); stdout != "no configuration file, defaults: ok\n" {
		t.Errorf("config check without a file = %q", stdout)
	}
}

// TestConfigCheckAsksThePackages has what only ldapsrc and sync can tell.
func TestConfigCheckAsksThePackages(t *testing.T) {
	for setting, want := range map[string]string{
		"schedule: 0 0 30 2 *":               `rollcall.yaml:4:15: sources.corp.schedule: "0 0 30 2 *": there is no such time`,
		"preset: opendlap":                   `Did you mean "openldap"?`,
		"groups: {filter: '(cn='}":           "rollcall.yaml:4:22: sources.corp.groups.filter: ",
		"groups: {base: here}":               "rollcall.yaml:4:20: sources.corp.groups.base: ",
		"groups: {attributes: {members: x}}": "rollcall.yaml:4:14: sources.corp.groups.attributes: ",
	} {
		t.Run(setting, func(t *testing.T) {
			inDir(t, "sources:\n  corp:\n    <<: {url: ldaps://h, bind_dn: cn=x, bind_password: y, users: {base: dc=x}}\n    "+setting+"\n")
			code, _, stderr := command(t, nil, "config", "check")
			if code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "problems with") {
				t.Errorf("config check = %d, %q, want %d, one problem, %q", code, stderr, exitUsage, want)
			}
		})
	}
}

func TestConfigShow(t *testing.T) {
	inDir(t, minimal+`    guard: {max_changes: 20%}
    groups: {base: "ou=groups,dc=example,dc=com", attributes: {"urn:rollcall:params:scim:schemas:extension:account:2.0:Group:description": "=a: b"}}
  "007": {type: ldif, path: "a \"b\".ldif"}
clients: {okta: {}}
`)
	environ := []string{"ROLLCALL_STORE_URL=redis://:hunter2@h/1", "ROLLCALL_SERVER_TRUSTED_PROXIES=10.0.0.1,::1"}
	code, stdout, stderr := command(t, environ, "config", "show", "--origin")
	if code != exitDone || stderr != "" {
		t.Fatalf("config show = %d, %q", code, stderr)
	}
	for _, want := range []string{
		"listen: 127.0.0.1:8080", "# default\n", "url: redis://h/1", "password: redacted", "# env ROLLCALL_STORE_URL\n",
		"bind_password: redacted", "# rollcall.yaml:6\n", "trusted_proxies: [10.0.0.1/32, \"::1/128\"]", "max_changes: 20%", "max_missing: \"10, 5%\"",
		"  007:\n", `path: "a \"b\".ldif"`, `attributes: {"urn:rollcall:params:scim:schemas:extension:account:2.0:Group:description": "=a: b"}`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("config show has no %q:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "hunter2") {
		t.Errorf("config show prints a secret:\n%s", stdout)
	}
	// It can be read again, and then says the same.
	_, plain, _ := command(t, environ, "config", "show")
	inDir(t, plain)
	if _, again, stderr := command(t, nil, "config", "show"); again != plain {
		t.Errorf("config show of its own output = %s%s,\nwant %s", stderr, again, plain)
	}

	_, stdout, _ = command(t, nil, "config", "show", "-o", "json")
	var settings []shownSetting
	if err := json.Unmarshal([]byte(stdout), &settings); err != nil {
		t.Fatalf("config show -o json: %v", err)
	}
	if len(settings) < 40 || settings[0] != (shownSetting{Key: "server.listen", Value: "127.0.0.1:8080", Origin: "rollcall.yaml:2"}) {
		t.Errorf("config show -o json begins with %+v", settings[0])
	}
}
