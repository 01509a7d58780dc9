package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"rollcall/internal/testserver"
)

// typedLines are the commands that a page says to type.
func typedLines(page string) []string {
	var lines []string
	for _, block := range blocks(page, "console") {
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				lines = append(lines, strings.TrimSpace(command))
			}
		}
	}
	return lines
}

// typeIn types a command into a shell whose rollcall is this program.
func typeIn(t *testing.T, dir, command string, environ ...string) string {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, "rollcall"), "#!/bin/sh\n"+asProgram+"=1 exec "+os.Args[0]+` "$@"`+"\n", 0o700)
	cmd := exec.Command("/bin/sh", "-ec", command)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// checkConfig holds that a configuration of a page is one.
func checkConfig(t *testing.T, config string) {
	t.Helper()
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "a-secret-of-some-length-for-everything\n", 0o600)
	config = regexp.MustCompile(`/run/secrets/\w+`).ReplaceAllString(config, secret)
	if code, out, errs := runCLI(t, nil, "config", "check", "--config", write(t, filepath.Join(dir, "rollcall.yaml"), config, 0o600)); code != exitDone {
		t.Errorf("config check = %d\n%s%s", code, out, errs)
	}
}

// TestLDAPPage types what docs/ldap.md says, with the files that it shows, and holds that it
// has every setting of a source.
func TestLDAPPage(t *testing.T) {
	page := documents(t)["docs/ldap.md"]
	dir := t.TempDir()
	settings, people := blocks(page, "yaml"), blocks(page, "ldif")
	if len(settings) < 2 || len(people) != 1 {
		t.Fatalf("the page has %d configurations and %d files, want 2 or more and 1", len(settings), len(people))
	}
	write(t, filepath.Join(dir, "people.ldif"), people[0], 0o600)
	write(t, filepath.Join(dir, "rollcall.yaml"), settings[0], 0o600)
	var printed strings.Builder
	for _, command := range typedLines(page) {
		printed.WriteString(typeIn(t, dir, command))
	}
	for _, want := range []string{"rollcall.yaml: ok", "Planned: 3 created", "Done: 3 created", "ada@example.com"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, &printed)
		}
	}
	for _, more := range settings[1:] {
		checkConfig(t, more)
	}

	for _, key := range sourceKeys(reflect.TypeFor[SourceConfig](), "") {
		shown := key
		if strings.HasPrefix(key, "guard.") { // these have a table of their own
			shown = key[strings.LastIndexByte(key, '.')+1:]
		}
		if !strings.Contains(page, "`"+shown+"`") {
			t.Errorf("the page does not have the setting %s of a source", key)
		}
	}
	for _, preset := range validators().Presets {
		if !strings.Contains(page, "`"+preset+"`") {
			t.Errorf("the page does not have the preset %s", preset)
		}
	}
}

// sourceKeys lists the keys of a section and of those in it, as users.base.
func sourceKeys(section reflect.Type, prefix string) []string {
	var keys []string
	for _, s := range settingsOf(section) {
		if s.typ.Kind() == reflect.Struct && len(settingsOf(s.typ)) > 0 {
			keys = append(keys, sourceKeys(s.typ, prefix+s.key+".")...)
			continue
		}
		keys = append(keys, prefix+s.key)
	}
	return keys
}

// TestRedisPage runs on a Redis whose user may do what docs/redis.md says and nothing else.
func TestRedisPage(t *testing.T) {
	t.Parallel()
	page := documents(t)["docs/redis.md"]
	settings, acl := blocks(page, "yaml"), blocks(page, "redis")
	if len(settings) != 3 || len(acl) != 2 {
		t.Fatalf("the page has %d configurations and %d lines for Redis, want 3 and 2", len(settings), len(acl))
	}
	for _, config := range settings {
		checkConfig(t, config)
	}
	for _, s := range settingsOf(reflect.TypeFor[StoreConfig]()) {
		for _, word := range s.enum {
			if !strings.Contains(page, "| `"+word+"` |") {
				t.Errorf("the page does not have %q of store.%s", word, s.key)
			}
		}
	}

	users := func(others, line string) string {
		return write(t, filepath.Join(t.TempDir(), "users.acl"), "user default "+others+"\n"+line, 0o600)
	}
	const own, anybody = "://rollcall:change-me-change-me@", "on nopass ~* &* +@all" // nodes among themselves
	confirmed := "store: {confirm_replicas: 1, confirm_timeout: 20s}"
	t.Run("standalone", func(t *testing.T) {
		redis := testserver.StartRedis(t, "--aclfile", users("off", acl[0]))
		useRedis(t, page, strings.Replace(redis.URL(), "://", own, 1), "")
	})
	t.Run("sentinel", func(t *testing.T) {
		redis := testserver.StartSentinel(t, "--aclfile", users(anybody, acl[0]))
		for _, r := range redis.Sentinels {
			r.Do(t, append([]string{"ACL", "SETUSER"}, strings.Fields(acl[1])[1:]...)...)
			r.Do(t, "ACL", "SETUSER", "default", "resetpass", ">other")
		}
		useRedis(t, page, strings.Replace(redis.URL(), "://", own, 1), confirmed[:len(confirmed)-1]+", sentinel_user: rollcall, sentinel_password: change-me-change-me}")
	})
	t.Run("cluster", func(t *testing.T) {
		redis := testserver.StartCluster(t, "--aclfile", users(anybody, acl[0]))
		useRedis(t, page, strings.Replace(redis.URL(), "://", own, 1), confirmed)
	})
}

// useRedis runs a server on a store, and types what the page says.
func useRedis(t *testing.T, page, url, config string) {
	t.Helper()
	s := startServer(t, url, config)
	user := s.want(201, "POST", "/scim/v2/Users", `{"userName":"ada"}`).body["id"].(string)
	group := s.want(201, "POST", "/scim/v2/Groups", `{"displayName":"g","members":[{"value":"`+user+`"}]}`).body["id"].(string)
	s.want(200, "GET", "/scim/v2/Groups?filter=displayName+eq+%22g%22", "")
	s.want(200, "GET", "/scim/v2/Users?sortBy=userName", "")
	s.want(204, "DELETE", "/scim/v2/Groups/"+group, "")
	s.want(204, "DELETE", "/scim/v2/Users/"+user, "")
	for _, command := range typedLines(page) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "rollcall.yaml"), config, 0o600)
		if out := typeIn(t, dir, command+" --config rollcall.yaml", "ROLLCALL_STORE_URL="+url); !strings.Contains(out, "clean") {
			t.Errorf("%s\nprints %s", command, out)
		}
	}
}

// TestOwnershipPage types what docs/ownership.md says, against a server with its settings.
func TestOwnershipPage(t *testing.T) {
	testserver.Need(t, "curl")
	page := documents(t)["docs/ownership.md"]
	settings := blocks(page, "yaml")
	if len(settings) != 1 {
		t.Fatalf("the page has %d configurations, want 1", len(settings))
	}
	people := write(t, filepath.Join(t.TempDir(), "people.ldif"), blocks(documents(t)["docs/ldap.md"], "ldif")[0], 0o600)
	s := inProcessServer(t, strings.Replace(settings[0], "people.ldif", people, 1))
	if code, out, errs := s.cli("sync", "run", "corp"); code != exitDone {
		t.Fatalf("sync run = %d\n%s%s", code, out, errs)
	}
	for _, command := range typedLines(page) {
		out := typeIn(t, t.TempDir(), command, "ROLLCALL_SERVER="+s.base, "ROLLCALL_TOKEN="+testToken)
		if !strings.Contains(out, `"owner":"source:corp"`) || !strings.Contains(out, `"authority":[`) {
			t.Errorf("%s\nprints %s", command, out)
		}
	}
}

// TestOperatePage holds that the page's configuration is one, and that the chart takes its values.
func TestOperatePage(t *testing.T) {
	page := documents(t)["docs/operate.md"]
	settings := blocks(page, "yaml")
	if len(settings) != 2 {
		t.Fatalf("the page has %d pieces of YAML, want 2", len(settings))
	}
	checkConfig(t, settings[0])
	var values map[string]any
	if err := yaml.Unmarshal([]byte(settings[1]), &values); err != nil {
		t.Fatal(err)
	}
	if err := validate(t, chart+"/values.schema.json", values); err != nil {
		t.Errorf("the values: %v", err)
	}
	config, err := yaml.Marshal(values["config"])
	if err != nil {
		t.Fatal(err)
	}
	checkConfig(t, strings.Replace(string(config), "/run/secrets/rollcall/ldap/password", "/run/secrets/ldap", 1))
}

// TestTypedLinesParse holds that a shell takes every command of every page.
func TestTypedLinesParse(t *testing.T) {
	pages := documents(t)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		page := pages[name]
		if n := len(regexp.MustCompile("(?m)^```(?:sh|bash|shell)$").FindAllString(page, -1)); n > 0 {
			t.Errorf("%s has %d commands outside ```console, where no test would find them", name, n)
		}
		lines := typedLines(page)
		for _, block := range blocks(page, "console") { // what a program says to try
			lines = append(lines, regexp.MustCompile(`(?m)^  curl (?:.*\\\n)*.*$`).FindAllString(block, -1)...)
		}
		for _, line := range lines {
			if out, err := exec.Command("/bin/sh", "-nc", line).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v %s", name, line, err, out)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// TestLinks holds that every link between the pages leads somewhere, and that the list of the
// guides has each.
func TestLinks(t *testing.T) {
	listed := map[string]bool{}
	for name, page := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(page, -1) {
			target := filepath.Join(filepath.Dir(name), match[1])
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, match[1])
			}
			if name == "docs/README.md" {
				listed[target] = true
			}
		}
	}
	for name := range documents(t) {
		// Pages in folders are listed by the page that the folder is named after.
		if filepath.Dir(name) == "docs" && name != "docs/README.md" && !listed[name] {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}
