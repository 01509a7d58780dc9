package main

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	dirsync "rollcall/sync"
)

// faults is a store that was filled once from a slapd, and what may be done to that.
type faults struct {
	t     *testing.T
	slapd *testserver.Slapd
	proxy *testserver.Proxy
	core  *core
}

const faultReader = "cn=reader,dc=example,dc=org"

// faultSeed is 200 people of ou=a, 20 of ou=b, 6 of ou=c, and a group of all.
func faultSeed() string {
	var b, members strings.Builder
	b.WriteString("dn: " + faultReader + "\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: secret\n\n")
	n := 0
	for _, ou := range []struct {
		name  string
		count int
	}{{"a", 200}, {"b", 20}, {"c", 6}} {
		fmt.Fprintf(&b, "dn: ou=%s,ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: %s\n\n", ou.name, ou.name)
		for range ou.count {
			dn := fmt.Sprintf("uid=u%03d,ou=%s,ou=people,dc=example,dc=org", n, ou.name)
			b.WriteString(inetOrgPerson(dn, fmt.Sprintf("u%03d", n), "Sn"))
			fmt.Fprintf(&members, "member: %s\n", dn)
			n++
		}
	}
	return b.String() + "dn: cn=all,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: all\n" + members.String() + "\n"
}

const faultPeople = 226

func newFaults(t *testing.T) *faults {
	f := &faults{t: t}
	f.slapd = testserver.StartSlapd(t, testserver.SlapdOptions{Seed: faultSeed(), ACL: []string{"to attrs=userPassword by anonymous auth by * none", "to * by * read"}})
	f.proxy = testserver.StartProxy(t, f.slapd.Addr)
	inDir(t, fmt.Sprintf(`store: { url: "bolt:%s" }
sources:
  corp:
    url: ldap://%s
    bind_dn: %q
    bind_password: secret
    page_size: 50
    timeouts: { idle: 20s }
    users: { base: "ou=people,dc=example,dc=org", filter: "(objectClass=inetOrgPerson)", attributes: { title: title } }
    groups: { base: "ou=groups,dc=example,dc=org" }
`, filepath.Join(t.TempDir(), "rollcall.db"), f.proxy.Addr(), faultReader))
	config, _ := load(t, Options{})
	c, err := openCore(t.Context(), config, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	f.core = c
	if r := f.run(nil); r.Result != dirsync.OK || r.Counts.Created != faultPeople+1 {
		t.Fatalf("the first run was %s and created %d: %s %+v", r.Result, r.Counts.Created, r.Error, r.Errors)
	}
	return f
}

// run runs the source, perhaps with other settings.
func (f *faults) run(change func(*SourceConfig)) *dirsync.Report {
	f.t.Helper()
	s := *f.core.config.Sources["corp"]
	if change != nil {
		change(&s)
	}
	reader, err := newSource(&s, nil, f.core.log)
	if err != nil {
		f.t.Fatal(err)
	}
	runner, err := f.core.newRunner(f.t.Context(), &s, reader)
	if err != nil {
		f.t.Fatal(err)
	}
	r, err := runner.Run(f.t.Context(), dirsync.Manual)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// unharmed holds that everybody is there, active and a member.
func (f *faults) unharmed(t *testing.T, after string) {
	t.Helper()
	w, err := f.core.store.Workspace(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	active, members := 0, 0
	for o, err := range w.Owned(t.Context(), "source:corp", "User") {
		if err != nil {
			t.Fatal(err)
		}
		stored, err := w.Get(t.Context(), scim.Ref{Type: "User", ID: o.ID}, scim.With{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := stored.Resource(); err == nil && r.Active() {
			active++
		}
	}
	for o := range w.Owned(t.Context(), "source:corp", "Group") {
		for range w.Members(t.Context(), scim.Ref{Type: "Group", ID: o.ID}, scim.Ref{}) {
			members++
		}
	}
	if active != faultPeople || members != faultPeople {
		t.Fatalf("after %s: %d active people, %d members, want %d of each", after, active, members, faultPeople)
	}
}

// configure changes slapd while it runs.
func (f *faults) configure(lines string) {
	f.t.Helper()
	cmd := exec.Command(testserver.Need(f.t, "ldapmodify"), "-x", "-H", f.slapd.URL, "-D", f.slapd.ConfigDN, "-w", f.slapd.Password)
	cmd.Stdin = strings.NewReader("dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n" + lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("ldapmodify cn=config: %v\n%s", err, out)
	}
}

const usualACL = "olcAccess: to attrs=userPassword by anonymous auth by * none\nolcAccess: to * by * read\n"

// Whatever goes wrong between us and a directory, nobody is disabled and nobody leaves a group; the
// result says what it was, and once it is over the next run has nothing to do.
func TestFaults(t *testing.T) {
	testserver.Long(t)
	f := newFaults(t)
	hide := func(dn string) func() {
		return func() { f.configure("replace: olcAccess\nolcAccess: to " + dn + " by * none\n" + usualACL) }
	}
	show := func() { f.configure("replace: olcAccess\n" + usualACL) }
	nothing := func() {}
	malformed := func(add string) func() {
		return func() {
			var b strings.Builder
			for i := range 20 {
				fmt.Fprintf(&b, "dn: uid=u%03d,ou=a,ou=people,dc=example,dc=org\nchangetype: modify\n%s\n\n", i, add)
			}
			d := realDirectory{url: f.slapd.URL, admin: f.slapd.AdminDN, password: f.slapd.Password}
			d.change(t, b.String())
		}
	}
	// Another server answers with whatever result it is asked for; it does so without paging.
	codes := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: faultSeed(),
		Extra: "dn: cn=module{1},cn=config\nobjectClass: olcModuleList\ncn: module{1}\nolcModulePath: /usr/lib/ldap\nolcModuleLoad: retcode\n\n" +
			"dn: olcOverlay=retcode,olcDatabase={1}mdb,cn=config\nobjectClass: olcOverlayConfig\nobjectClass: olcRetcodeConfig\nolcOverlay: retcode\n" +
			"olcRetcodeParent: ou=people,dc=example,dc=org\nolcRetcodeItem: \"cn=timelimit\" 0x03\nolcRetcodeItem: \"cn=busy\" 0x33\nolcRetcodeItem: \"cn=other\" 0x50\n\n"})
	answer := func(rdn string) func(*SourceConfig) {
		return func(s *SourceConfig) {
			s.URL, s.Users.Base = []string{codes.URL}, DN(rdn+",ou=people,dc=example,dc=org")
		}
	}
	for _, c := range []struct {
		name   string
		break_ func()
		change func(*SourceConfig)
		mend   func()
		result dirsync.Result
		says   string
	}{
		{"size limit", func() {
			f.configure("add: olcLimits\nolcLimits: dn.exact=\"" + faultReader + "\" size.soft=40 size.hard=40 size.prtotal=100\n")
		}, nil,
			func() { f.configure("delete: olcLimits\n") }, dirsync.Failed, "size limit"},
		{"time limit", nothing, answer("cn=timelimit"), nothing, dirsync.Failed, "time limit"},
		{"busy", nothing, answer("cn=busy"), nothing, dirsync.Failed, "busy"},
		{"an error of its own", nothing, answer("cn=other"), nothing, dirsync.Failed, "ended the search with an error"},
		{"hang", func() { f.slapd.Signal(syscall.SIGSTOP) }, func(s *SourceConfig) { s.Timeouts.Connect, s.Timeouts.Idle = second, second },
			func() { f.slapd.Signal(syscall.SIGCONT) }, dirsync.Failed, "timeouts."},
		// Silent from there on: a slapd that is stopped may have sent the rest already.
		{"hang within the read", func() { f.proxy.At(20_000, func() { f.proxy.Swallow(1) }) }, func(s *SourceConfig) { s.Timeouts.Idle = second },
			nothing, dirsync.Failed, "timeouts.idle"},
		{"restart between pages", func() { f.proxy.At(20_000, func() { f.slapd.Kill(); f.slapd.Restart(t) }) }, nil, nothing, dirsync.Failed, "broke off"},
		{"no access to one branch", hide(`dn.subtree="ou=b,ou=people,dc=example,dc=org"`), nil, show, dirsync.Blocked, "missing users"},
		{"no access to a small branch", hide(`dn.subtree="ou=c,ou=people,dc=example,dc=org"`), nil, show, dirsync.Blocked, "missing users of ou=c,ou=people,dc=example,dc=org"},
		{"success, and nobody", hide(`dn.children="ou=people,dc=example,dc=org"`), nil, show, dirsync.Blocked, "users: 0"},
		{"success, and nothing", hide(`dn.regex=".+,ou=(people|groups),dc=example,dc=org"`), nil, show, dirsync.Blocked, "entries: 0"},
		{"the base is hidden", hide(`dn.subtree="ou=people,dc=example,dc=org"`), nil, show, dirsync.Failed, "base does not exist"},
		{"a filter with a typing error", nothing, func(s *SourceConfig) { s.Users.Filter = "(objectClass=inetOrgPersn)" }, nothing, dirsync.Blocked, "users: 0"},
		{"StartTLS stripped", nothing, func(s *SourceConfig) { s.URL, s.TLS = []string{stripper(t)}, "on" }, nothing, dirsync.Failed, "StartTLS failed"},
		{"wrong CA", nothing, func(s *SourceConfig) { s.URL, s.CAFile = []string{f.slapd.TLSURL}, testserver.NewCA(t).File }, nothing, dirsync.Failed, "ca_file"},
		{"wrong password", nothing, func(s *SourceConfig) { s.BindDN = "cn=nobody,dc=example,dc=org" }, nothing, dirsync.Failed, "bind was refused"},
		{"20 entries that are too long", malformed("add: title\ntitle: " + strings.Repeat("x", 9000)), nil, malformed("delete: title"), dirsync.Partial, "longer than 8192"},
		{"20 entries that are no text", malformed("add: title\ntitle:: " + base64.StdEncoding.EncodeToString([]byte("a\x00b"))), nil, malformed("delete: title"), dirsync.Partial, "NUL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.break_()
			r := f.run(c.change)
			c.mend()
			told := r.Error
			for _, p := range r.Errors {
				told += "\n" + p.Reason
			}
			if r.Verdict != nil {
				for _, l := range r.Verdict.Limits {
					if !l.Passed {
						told += "\n" + l.String()
					}
				}
			}
			if r.Result != c.result || !strings.Contains(told, c.says) {
				t.Errorf("the run was %s and said %q, want %s and %q", r.Result, told, c.result, c.says)
			}
			f.unharmed(t, c.name)
			f.proxy.Reset()
			if r := f.run(nil); r.Result != dirsync.OK || r.ChangeCount != 0 {
				t.Errorf("the run after it was %s with %d changes, want ok with none: %s", r.Result, r.ChangeCount, r.Error)
			}
		})
	}
	t.Run("a cut at any byte", func(t *testing.T) {
		before := f.proxy.Passed()
		f.run(nil)
		whole := f.proxy.Passed() - before
		for range testserver.Rounds(12, 200) {
			at := 1 + rand.Int64N(whole-1)
			f.proxy.CutAfter(at)
			if r := f.run(nil); r.Result != dirsync.Failed || r.Failure != dirsync.FailedSource || r.Error == "" {
				t.Errorf("cut at byte %d of %d: the run was %s, %q", at, whole, r.Result, r.Error)
			}
			f.proxy.CutAfter(0)
			f.unharmed(t, fmt.Sprintf("a cut at byte %d", at))
		}
		if r := f.run(nil); r.Result != dirsync.OK || r.ChangeCount != 0 {
			t.Errorf("the run after the cuts was %s with %d changes, want ok with none", r.Result, r.ChangeCount)
		}
	})
}

// stripper is a server that refuses StartTLS, as somebody in the middle would.
func stripper(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			c.Read(make([]byte, 100))
			c.Write([]byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"))
			c.Close()
		}
	}()
	return "ldap://" + l.Addr().String()
}
