package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/testserver"
)

// diagnose runs the doctor and returns what it found, as lines.
func diagnose(t *testing.T, want int, config string, environ ...string) string {
	t.Helper()
	file := write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), config, 0o600)
	code, out, errs := runCLI(t, environ, "doctor", "--config", file, "-o", "json")
	var found []diagnosis
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatalf("doctor = %d %s%s %v", code, out, errs, err)
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s: %s (%s)\n", f.State, f.Part, f.Says, f.ToDo)
	}
	if code != want {
		t.Errorf("doctor = %d, want %d\n%s", code, want, &b)
	}
	return b.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("the doctor does not say %q:\n%s", line, text)
		}
	}
}

func TestDoctorOnRedis(t *testing.T) {
	safe := testserver.StartRedis(t)
	wantLines(t, diagnose(t, exitDone, "store: {url: "+safe.URL()+"}"), "ok store: Redis ", "ok store: a lookup takes ", "warn base URL")
	unsafe := testserver.StartRedis(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	wantLines(t, diagnose(t, exitFailed, "store: {url: "+unsafe.URL()+"}"), "fail store: your Redis would lose data: appendonly", "maxmemory-policy")
	wantLines(t, diagnose(t, exitDone, "store: {url: "+unsafe.URL()+", allow_unsafe: [persistence, eviction]}"), "You accepted this")
	wantLines(t, diagnose(t, exitUnreachable, fmt.Sprintf("store: {url: 'redis://127.0.0.1:%d/0'}", testserver.FreePort(t))), "fail store: redis://127.0.0.1", "Is it running")
}

func TestDoctorOnKeyrings(t *testing.T) {
	dir := t.TempDir()
	open := write(t, filepath.Join(dir, "open.json"), `{"keys":[]}`, 0o644)
	text := diagnose(t, exitFailed, fmt.Sprintf("store: {url: 'bolt:%s/rollcall.db'}\nsecrets: {keyring: %q}\naudit: {keyring: %q}\n", dir, open, filepath.Join(dir, "new.json")))
	wantLines(t, text, "fail keyring: secrets.keyring", "chmod 400", "ok keyring: audit.keyring: "+filepath.Join(dir, "new.json")+" is made at first use")
	wantLines(t, diagnose(t, exitFailed, fmt.Sprintf("store: {url: 'bolt:%s/rollcall.db'}\naudit: {keyring: '%[1]s/none/new.json'}\n", dir)), "fail keyring: audit.keyring", "cannot be made")
}

func TestDoctorOnSourcesAndURL(t *testing.T) {
	people := write(t, filepath.Join(t.TempDir(), "people.ldif"), blocks(documents(t)["docs/ldap.md"], "ldif")[0], 0o600)
	s := inProcessServer(t, "")
	db := filepath.Join(t.TempDir(), "rollcall.db")
	config := func(base string) string {
		return fmt.Sprintf("server: {base_url: %q, ops_listen: '127.0.0.1:%d'}\nstore: {url: 'bolt:%s'}\nsources: {corp: {type: ldif, path: %q, schedule: '@hourly'}}\n", base, testserver.FreePort(t), db, people)
	}
	text := diagnose(t, exitDone, config(s.base))
	wantLines(t, text, "becomes ada", "the next run is at", "none of the first 2 has", "ok base URL: Rollcall answers at "+s.base+" and asks for a token", "ok server: none runs here", "is not there yet")
	if _, err := os.Stat(db); err == nil {
		t.Error("the doctor made a store")
	}
	wantLines(t, diagnose(t, exitDone, config(s.base), "ROLLCALL_TOKEN="+testToken), "with the token, and says the same of itself")
	wantLines(t, diagnose(t, exitFailed, config(s.base), "ROLLCALL_TOKEN=wrong-wrong-wrong-wrong-wrong-wrong-1"), "the token is not taken")

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	wantLines(t, diagnose(t, exitFailed, config(other.URL)), "is answered by something else (404 Not Found)")
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	wantLines(t, diagnose(t, exitFailed, config(secure.URL)), "its certificate is not trusted")
	gone := strings.Replace(config(s.base), people, people+".gone", 1)
	wantLines(t, diagnose(t, exitUnreachable, gone), "fail source corp")
}

func TestDoctorOnLDAP(t *testing.T) {
	ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: corpSeed(20)})
	config := func(url, password, base string) string {
		return fmt.Sprintf("server: {ops_listen: '127.0.0.1:%d'}\nstore: {url: 'bolt:%s'}\nsources: {corp: {url: %q, bind_dn: %q, bind_password: %q, users: {base: %q}}}\n",
			testserver.FreePort(t), filepath.Join(t.TempDir(), "rollcall.db"), url, ldap.AdminDN, password, base)
	}
	wantLines(t, diagnose(t, exitDone, config(ldap.URL, ldap.Password, ldap.Suffix)), "answers (in the clear", "takes our bind, and has the bases", " becomes ")
	wantLines(t, diagnose(t, exitFailed, config(ldap.URL, "wrong-password", ldap.Suffix)), "fail source corp: "+ldap.URL)
	wantLines(t, diagnose(t, exitFailed, config(ldap.URL, ldap.Password, "ou=none,"+ldap.Suffix)), "fail source corp", "users")
	free := fmt.Sprintf("ldap://127.0.0.1:%d", testserver.FreePort(t))
	wantLines(t, diagnose(t, exitUnreachable, config(free, ldap.Password, ldap.Suffix)), "fail source corp: "+free)
}

// TestDoctorOnLimits holds that the limits of a directory are found: of a search, of one that counts
// pages together, and of members at once.
func TestDoctorOnLimits(t *testing.T) {
	t.Parallel()
	const reader = "uid=user0001,ou=people,dc=example,dc=org"
	seed := strings.Replace(corpSeed(20), "uid: user0001\n", "uid: user0001\nuserPassword: reading-it-all\n", 1)
	seed += "dn: cn=large,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: large\n"
	for i := range 4 {
		seed += fmt.Sprintf("member;range=0-3: uid=user%04d,ou=people,dc=example,dc=org\n", i)
	}
	for name, tt := range map[string]struct {
		limit string
		code  int
		want  []string
	}{
		"a search": {"size.soft=5 size.hard=5 size.prtotal=unlimited", exitDone, []string{"one search gives 5 people at most", "members of a large group come 4 at once", " becomes "}},
		"pages":    {"size.soft=5 size.hard=5 size.prtotal=5", exitFailed, []string{"fail source corp"}},
		"none":     {"size=unlimited", exitDone, []string{"no size limit was met", " becomes "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ldap := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: seed, NoSync: true, Limits: []string{fmt.Sprintf("dn.exact=%q %s", reader, tt.limit)}, Global: []string{"olcAttributeOptions: lang- range="}})
			config := fmt.Sprintf("server: {ops_listen: '127.0.0.1:%d'}\nstore: {url: 'bolt:%s'}\nsources: {corp: {url: %q, bind_dn: %q, bind_password: reading-it-all, users: {base: 'ou=people,dc=example,dc=org'}, groups: {base: 'ou=groups,dc=example,dc=org'}}}\n",
				testserver.FreePort(t), filepath.Join(t.TempDir(), "rollcall.db"), ldap.URL, reader)
			wantLines(t, diagnose(t, tt.code, config), tt.want...)
		})
	}
}
