package ldapsrc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"

	"github.com/go-ldap/ldap/v3"
)

// company is an LDIF of people and 11 groups: ten with a tenth of them each, and one,
// "all", with everybody.
func company(people int) string {
	var b strings.Builder
	groups := make([]strings.Builder, 10)
	var all strings.Builder
	for i := range people {
		dn := fmt.Sprintf("uid=u%05d,ou=people,dc=example,dc=org", i)
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: u%05d\ncn: Person %d\nsn: Number %d\ngivenName: Person\n"+
			"mail: u%05d@example.org\ntelephoneNumber: +49 30 %07d\ntitle: Title\nuserPassword: never-to-be-seen\n"+
			"entryUUID: a0000000-0000-4000-8000-%012d\n\n", dn, i, i, i, i, i, i)
		fmt.Fprintf(&groups[i%10], "member: %s\n", dn)
		fmt.Fprintf(&all, "member: %s\n", dn)
	}
	for g := range groups {
		fmt.Fprintf(&b, "dn: cn=g%d,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: g%d\n%sentryUUID: b0000000-0000-4000-8000-%012d\n\n", g, g, groups[g].String(), g)
	}
	fmt.Fprintf(&b, "dn: cn=all,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: all\n%sentryUUID: b0000000-0000-4000-8000-%012d\n\n", all.String(), 10)
	return b.String()
}

const readerEntry = "dn: cn=reader,dc=example,dc=org\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: secret\n\n"

// configOf reads a server as its administrator.
func configOf(s *testserver.Slapd) Config {
	return Config{
		Preset: "openldap", URLs: []string{s.URL}, BindDN: s.AdminDN, Password: password(s.Password),
		Users: Users{Base: "ou=people,dc=example,dc=org"}, Groups: Groups{Base: "ou=groups,dc=example,dc=org"},
	}
}

func password(p string) func() (string, error) { return func() (string, error) { return p, nil } }

// reader is configOf with changes.
func reader(t testing.TB, s *testserver.Slapd, change ...func(*Config)) *Source {
	t.Helper()
	c := configOf(s)
	for _, f := range change {
		f(&c)
	}
	src, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// result is what came out of a read.
type result struct {
	users, groups map[string]dirsync.Entry // by userName, by displayName
	faults        []*dirsync.EntryError
	parts         []*dirsync.EntryError // of groups that came with members unknown
	end           error
}

func readAll(t testing.TB, s dirsync.Source) result {
	t.Helper()
	r := result{users: map[string]dirsync.Entry{}, groups: map[string]dirsync.Entry{}}
	for e, err := range s.Entries(t.Context()) {
		var fault *dirsync.EntryError
		switch {
		case r.end != nil:
			t.Errorf("%v, %v came after the end %v", e, err, r.end)
		case errors.As(err, &fault) && fault.Attribute == "member":
			r.parts = append(r.parts, fault)
		case errors.As(err, &fault):
			r.faults = append(r.faults, fault)
		case err != nil:
			r.end = err
		case e.Type == "User":
			if len(r.groups) > 0 {
				t.Errorf("user %s came after a group", e.DN)
			}
			r.users[e.Attributes["userName"].(string)] = e
		default:
			r.groups[e.Attributes["displayName"].(string)] = e
		}
	}
	return r
}

// expect checks that a read was whole.
func (r result) expect(t testing.TB, users, groups int) {
	t.Helper()
	if r.end != nil || len(r.faults) > 0 || len(r.users) != users || len(r.groups) != groups {
		t.Errorf("read = %d users, %d groups, faults %v, end %v, want %d and %d", len(r.users), len(r.groups), r.faults, r.end, users, groups)
	}
}

func admin(t testing.TB, s *testserver.Slapd, dn string) *ldap.Conn {
	t.Helper()
	return bound(t, s.URL, dn, s.Password)
}

// bound is a connection by which a test changes a directory.
func bound(t testing.TB, url, dn, password string) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Bind(dn, password); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSlapdRead(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(1000)})
	for name, change := range map[string]func(*Config){
		"as set":                  func(*Config) {},
		"pages of 7":              func(c *Config) { c.PageSize = 7 },
		"pages that end even":     func(c *Config) { c.PageSize = 100 },
		"one page, exactly":       func(c *Config) { c.PageSize = 1000 },
		"ldaps":                   func(c *Config) { c.URLs, c.CAFile = []string{s.TLSURL}, s.CA.File },
		"StartTLS":                func(c *Config) { c.TLS, c.CAFile = TLSOn, s.CA.File },
		"local socket":            func(c *Config) { c.URLs = []string{s.SocketURL} },
		"the first server is off": func(c *Config) { c.URLs = []string{deadURL(t), s.URL} },
	} {
		t.Run(name, func(t *testing.T) {
			r := readAll(t, reader(t, s, change))
			r.expect(t, 1000, 11)
			if got := len(r.groups["all"].Members); got != 1000 {
				t.Errorf("members of all = %d, want 1000", got)
			}
			u := r.users["u00042"]
			if u.ID != "a0000000-0000-4000-8000-000000000042" || u.Attributes["active"] != true || u.Attributes["displayName"] != "Person 42" {
				t.Errorf("u00042 = %+v", u)
			}
			if want := []string{"a0000000-0000-4000-8000-000000000003", "a0000000-0000-4000-8000-000000000013"}; !slices.Equal(r.groups["g3"].Members[:2], want) {
				t.Errorf("first members of g3 = %v, want %v", r.groups["g3"].Members[:2], want)
			}
		})
	}
	t.Run("nobody matches", func(t *testing.T) {
		readAll(t, reader(t, s, func(c *Config) { c.Users.Filter = "(uid=nobody)"; c.Groups.Filter = "(cn=none)" })).expect(t, 0, 0)
	})
	t.Run("the consumer leaves", func(t *testing.T) {
		n := 0
		for range reader(t, s).Entries(t.Context()) {
			if n++; n == 300 {
				break
			}
		}
	})
	t.Run("check", func(t *testing.T) {
		info, err := reader(t, s, func(c *Config) { c.TLS, c.CAFile = TLSOn, s.CA.File }).Check(t.Context())
		if err != nil || !info.Paging || info.TLS != "TLS 1.3" || !slices.Equal(info.NamingContexts, []string{s.Suffix}) {
			t.Errorf("Check = %+v, %v", info, err)
		}
		if _, err := reader(t, s, func(c *Config) { c.Groups.Base = "ou=no,dc=example,dc=org" }).Check(t.Context()); !errors.Is(err, ErrNoBase) {
			t.Errorf("Check with a wrong base = %v, want ErrNoBase", err)
		}
	})
}

// deadURL leads to a port that nothing listens on.
func deadURL(t testing.TB) string { return fmt.Sprintf("ldap://127.0.0.1:%d", testserver.FreePort(t)) }

// Each of these must end the stream with an error of its kind, and send no group.
func TestSlapdRefusals(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: readerEntry + company(50), Limits: []string{
		`dn.exact="cn=reader,dc=example,dc=org" size.soft=20 size.hard=20 size.prtotal=20`}})
	other := testserver.NewCA(t)
	asReader := func(c *Config) { c.BindDN = "cn=reader,dc=example,dc=org" }
	for _, c := range []struct {
		name   string
		change func(*Config)
		kind   error
		says   string
	}{
		{"size limit", asReader, ErrIncomplete, "size limit"},
		{"total size limit over pages", func(c *Config) { asReader(c); c.PageSize = 15 }, ErrIncomplete, "size limit"},
		{"wrong base of users", func(c *Config) { c.Users.Base = "ou=peple,dc=example,dc=org" }, ErrNoBase, "typing error"},
		{"wrong base of groups", func(c *Config) { c.Groups.Base = "ou=none,dc=example,dc=org" }, ErrNoBase, "groups"},
		{"base on another server", func(c *Config) { c.Users.Base = "dc=elsewhere" }, ErrNoBase, ""},
		{"wrong password", func(c *Config) { c.Password = password("wrong") }, ErrCredentials, "refused"},
		{"wrong password, second server", func(c *Config) { c.URLs = append(c.URLs, s.URL); c.Password = password("wrong") }, ErrCredentials, "refused"},
		{"empty password", func(c *Config) { c.Password = password("") }, ErrCredentials, "empty"},
		{"unreadable password", func(c *Config) { c.Password = func() (string, error) { return "", errors.New("no file") } }, ErrCredentials, "no file"},
		{"wrong CA, ldaps", func(c *Config) { c.URLs, c.CAFile = []string{s.TLSURL}, other.File }, ErrUntrusted, "ca_file"},
		{"wrong CA, StartTLS", func(c *Config) { c.TLS, c.CAFile = TLSOn, other.File }, ErrUntrusted, "ca_file"},
		{"no CA", func(c *Config) { c.URLs = []string{s.TLSURL} }, ErrUntrusted, "ca_file"},
		{"wrong name", func(c *Config) { c.URLs, c.CAFile, c.ServerName = []string{s.TLSURL}, s.CA.File, "ldap.example.org" }, ErrUntrusted, "server_name"},
		{"nothing there", func(c *Config) { c.URLs = []string{deadURL(t)} }, ErrUnreachable, "refused"},
		{"whole read too slow", func(c *Config) { c.RunTimeout = time.Microsecond }, ErrUnreachable, "timeouts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readAll(t, reader(t, s, c.change))
			if !errors.Is(r.end, c.kind) || len(r.groups) > 0 {
				t.Fatalf("read ended with %v and %d groups, want %v", r.end, len(r.groups), c.kind)
			}
			if !strings.Contains(r.end.Error(), c.says) {
				t.Errorf("error = %q, want it to say %q", r.end, c.says)
			}
		})
	}
}
