package testserver

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// DS389 is a running 389 Directory Server with the plugins MemberOf and referential integrity.
// It is set up without dscreate, which wants systemd and writes to /etc: the templates that
// the package ships are filled in here, and everything lies in one folder.
type DS389 struct {
	*Proc
	URL      string
	Suffix   string
	AdminDN  string
	Password string
}

// Start389 starts a server that holds the seed (LDIF, the suffix itself included) and waits
// until it answers.
func Start389(t testing.TB, seed string) *DS389 {
	t.Helper()
	server := Need(t, "ns-slapd")
	s := &DS389{Suffix: "dc=example,dc=org", AdminDN: "cn=Directory Manager", Password: "secret123"}
	dir, port := t.TempDir(), FreePort(t)
	s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", port)
	for _, d := range []string{"etc/schema", "db/userRoot", "dbhome", "log", "run", "lock", "ldif", "bak", "tmp", "inst"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	etc := filepath.Join(dir, "etc")
	schemas, err := filepath.Glob("/usr/share/dirsrv/schema/*.ldif")
	if err != nil || len(schemas) == 0 {
		t.Fatalf("389-DS is installed without its schema: %v", err)
	}
	for _, file := range schemas {
		put389(t, filepath.Join(etc, "schema", filepath.Base(file)), read389(t, file))
	}
	put389(t, filepath.Join(etc, "schema", "99user.ldif"), "dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\ncn: schema\n")
	put389(t, filepath.Join(etc, "slapd-collations.conf"), "")
	put389(t, filepath.Join(etc, "certmap.conf"), "certmap default default\n")
	put389(t, filepath.Join(etc, "dse.ldif"), s.dse(t, dir, port))
	put389(t, filepath.Join(dir, "seed.ldif"), withUniqueIDs(seed))
	for tries := 1; ; tries++ { // it failed once in 115 imports; each begins with an empty database
		out, err := exec.Command(server, "ldif2db", "-D", etc, "-n", "userRoot", "-i", filepath.Join(dir, "seed.ldif")).CombinedOutput()
		if err == nil {
			break
		}
		if tries == 3 {
			t.Fatalf("ldif2db: %v\n%s", err, out)
		}
		t.Logf("ldif2db, try %d: %v\n%s", tries, err, out)
	}
	s.Proc = Start(t, filepath.Join(dir, "output"), server, "-D", etc, "-i", filepath.Join(dir, "run", "pid"), "-d", "0")
	s.WaitTCP(t, port)
	return s
}

// withUniqueIDs gives each entry a nsUniqueId: those that ldif2db makes are not unique. Of 3,000 entries
// a few get that of another (2.3.1, each of 24 imports), as its threads share a clock.
func withUniqueIDs(seed string) string {
	entries := strings.Split(strings.Trim(seed, "\n"), "\n\n")
	start := rand.Uint32()
	for i, e := range entries {
		if !strings.Contains(strings.ToLower(e), "\nnsuniqueid:") {
			entries[i] = fmt.Sprintf("%s\nnsUniqueId: %08x-%08x-%08x-%08x", strings.TrimRight(e, "\n"), start, i, rand.Uint32(), rand.Uint32())
		}
	}
	return strings.Join(entries, "\n\n") + "\n"
}

// dse is the server's configuration: the shipped templates, filled in.
func (s *DS389) dse(t testing.TB, dir string, port int) string {
	user := "root"
	if u := os.Getenv("USER"); os.Getuid() != 0 && u != "" {
		user = u
	}
	values := map[string]string{
		"schema_dir": dir + "/etc/schema", "lock_dir": dir + "/lock", "tmp_dir": dir + "/tmp", "cert_dir": dir + "/etc",
		"ldif_dir": dir + "/ldif", "bak_dir": dir + "/bak", "run_dir": dir + "/run", "inst_dir": dir + "/inst", "log_dir": dir + "/log",
		"config_dir": dir + "/etc", "db_dir": dir + "/db", "db_home_dir": dir + "/dbhome", "db_lib": "mdb",
		"fqdn": "localhost", "ds_port": fmt.Sprint(port), "ds_user": user, "rootdn": s.AdminDN, "ds_passwd": "{CLEAR}" + s.Password,
		"ldapi_enabled": "off", "ldapi": dir + "/run/ldapi", "ldapi_autobind": "off", "ds_suffix": s.Suffix, "ds_bename": "userRoot",
	}
	text := read389(t, "/usr/share/dirsrv/data/template-dse.ldif") + "\n" + read389(t, "/usr/share/dirsrv/data/template-suffix-db.ldif")
	for name, value := range values {
		text = strings.ReplaceAll(text, "%"+name+"%", value)
	}
	var lines []string // a comment before a dn hides the entry
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	entries := strings.Split(strings.Join(lines, ""), "\n\n")
	for i, e := range entries {
		e = strings.Trim(e, "\n")
		dn, _, _ := strings.Cut(e, "\n")
		switch {
		case strings.HasPrefix(dn, "dn: cn=MemberOf Plugin,"):
			e = enable389(e) + "\nmemberOfAutoAddOC: nsMemberOf"
		case strings.HasPrefix(dn, "dn: cn=referential integrity postoperation,"), strings.HasPrefix(dn, "dn: cn=USN,"):
			e = enable389(e)
		case dn == "dn: cn=config":
			e += "\nnsslapd-listenhost: 127.0.0.1\nnsslapd-sizelimit: -1\nnsslapd-accesslog-logging-enabled: off"
		}
		entries[i] = e
	}
	return strings.Join(entries, "\n\n") + "\n"
}

func enable389(entry string) string {
	entry = strings.ReplaceAll(entry, "nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on")
	return strings.TrimRight(strings.ReplaceAll(entry, "nsslapd-pluginEnabled: off", "nsslapd-pluginEnabled: on"), "\n")
}

func read389(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put389(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
