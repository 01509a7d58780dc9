package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"
	dirsync "rollcall/sync"

	"github.com/go-ldap/ldap/v3"
)

// mirror is what a follower has told, put together: by type and stable id.
type mirror struct {
	t       *testing.T
	f       *Follower
	entries map[string]dirsync.Entry
}

// follow reads everything once.
func follow(t *testing.T, s *Source, choice string) *mirror {
	t.Helper()
	f, err := s.Follow(choice)
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{t: t, f: f}
	m.readWhole()
	return m
}

func (m *mirror) readWhole() {
	m.t.Helper()
	m.entries = map[string]dirsync.Entry{}
	for e, err := range m.f.Entries(m.t.Context()) {
		if fault := (*dirsync.EntryError)(nil); err != nil && !errors.As(err, &fault) {
			m.t.Fatal(err)
		}
		if err == nil {
			m.put(e)
		}
	}
}

func (m *mirror) put(e dirsync.Entry) {
	e.Branch, e.Dangling = "", nil // of no account between whole reads
	m.entries[e.Type+"/"+e.ID] = e
}

// update takes in what changed.
func (m *mirror) update() *dirsync.Delta {
	m.t.Helper()
	d, err := m.f.Changes(m.t.Context())
	if err != nil {
		m.t.Fatalf("Changes = %v", err)
	}
	for _, e := range d.Entries {
		m.put(e)
	}
	for _, ref := range d.Gone {
		delete(m.entries, ref.Type+"/"+ref.ID)
	}
	return d
}

// quiet waits until nothing is told any more: a second has to be over.
func (m *mirror) quiet() {
	m.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !m.update().Empty(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatal("nothing changes, and changes are told all the time")
		}
	}
}

// same holds that what was told is what a whole read has.
func (m *mirror) same(after string) {
	m.t.Helper()
	told := m.entries
	other := &mirror{t: m.t, f: &Follower{source: m.f.source}}
	other.readWhole()
	for k, want := range other.entries {
		if got := told[k]; !reflect.DeepEqual(got, want) {
			m.t.Errorf("after %s: %s\n%+v, want\n%+v", after, k, got, want)
		}
	}
	for k := range told {
		if _, ok := other.entries[k]; !ok {
			m.t.Errorf("after %s: %s is still held", after, k)
		}
	}
}

// change is one step: LDIF has no place here, since go-ldap is at hand.
type change struct {
	name string
	do   func(*ldap.Conn) error
}

func modify(dn string, how func(*ldap.ModifyRequest)) func(*ldap.Conn) error {
	return func(c *ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		how(m)
		return c.Modify(m)
	}
}

func addEntry(dn string, pairs ...string) func(*ldap.Conn) error {
	return func(c *ldap.Conn) error {
		a := ldap.NewAddRequest(dn, nil)
		values := map[string][]string{}
		var names []string
		for _, p := range pairs {
			name, value, _ := strings.Cut(p, ": ")
			if values[name] == nil {
				names = append(names, name)
			}
			values[name] = append(values[name], value)
		}
		for _, n := range names {
			a.Attribute(n, values[n])
		}
		return c.Add(a)
	}
}

func moveEntry(dn, rdn, above string) func(*ldap.Conn) error {
	return func(c *ldap.Conn) error {
		return c.ModifyDN(&ldap.ModifyDNRequest{DN: dn, NewRDN: rdn, DeleteOldRDN: true, NewSuperior: above})
	}
}

func deleteEntry(dn string) func(*ldap.Conn) error {
	return func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) }
}

// openldapChanges are steps on company(); deletions are those that a timestamp does not tell of.
func openldapChanges() (steps, deletions []change) {
	const people, groups = ",ou=people,dc=example,dc=org", ",ou=groups,dc=example,dc=org"
	member := func(group, op, dn string) func(*ldap.Conn) error {
		return modify("cn="+group+groups, func(m *ldap.ModifyRequest) {
			if op == "add" {
				m.Add("member", []string{dn})
			} else {
				m.Delete("member", []string{dn})
			}
		})
	}
	steps = []change{
		{"a change", modify("uid=u00001"+people, func(m *ldap.ModifyRequest) { m.Replace("cn", []string{"Changed"}) })},
		{"a newcomer", addEntry("uid=new"+people, "objectClass: inetOrgPerson", "uid: new", "cn: New", "sn: Comer")},
		{"a newcomer in a group", member("g1", "add", "uid=new"+people)},
		{"a rename", moveEntry("uid=u00002"+people, "uid=renamed", "")},
		{"a move", moveEntry("uid=u00003"+people, "uid=u00003", "ou=moved"+people)},
		{"a lock", modify("uid=u00004"+people, func(m *ldap.ModifyRequest) { m.Replace("pwdAccountLockedTime", []string{permanentLock}) })},
		{"a member less", member("g5", "delete", "uid=u00005"+people)},
		{"a group in a group", member("g1", "add", "cn=g2"+groups)},
		{"what that comes to above", member("g2", "add", "uid=u00006"+people)},
		{"a circle", member("g2", "add", "cn=g1"+groups)},
		{"a group renamed", moveEntry("cn=g2"+groups, "cn=two", "")},
		{"a new group, of somebody yet to come", addEntry("cn=early"+groups, "objectClass: groupOfNames", "cn: early", "member: uid=late"+people)},
		{"who has come", addEntry("uid=late"+people, "objectClass: inetOrgPerson", "uid: late", "cn: Late", "sn: Comer")},
		{"a group by uid", addEntry("cn=posix"+groups, "objectClass: posixGroup", "cn: posix", "gidNumber: 7", "memberUid: u00008", "memberUid: later")},
		{"who has that uid", addEntry("uid=later"+people, "objectClass: inetOrgPerson", "uid: later", "cn: Later", "sn: Comer")},
		{"two at once", func(c *ldap.Conn) error {
			return errors.Join(member("g6", "delete", "uid=u00006"+people)(c), moveEntry("uid=u00016"+people, "uid=sixteen", "")(c))
		}},
	}
	deletions = []change{
		{"a deletion", deleteEntry("uid=u00010" + people)},
		{"a group deleted", deleteEntry("cn=two" + groups)},
		{"the same DN again", addEntry("uid=u00010"+people, "objectClass: inetOrgPerson", "uid: u00010", "cn: Another", "sn: Person")},
		{"out of the scope", moveEntry("uid=u00011"+people, "uid=u00011", "dc=example,dc=org")},
		{"and back", moveEntry("uid=u00011,dc=example,dc=org", "uid=u00011", people[1:])},
		{"out of the filter", modify("uid=u00012"+people, func(m *ldap.ModifyRequest) { m.Replace("employeeType", []string{"left"}) })},
	}
	return steps, deletions
}

// restart goes on with another follower from what this one has to say of its position.
func (m *mirror) restart() {
	m.t.Helper()
	position, err := m.f.Position()
	if err != nil || position == nil {
		m.t.Fatalf("Position = %d bytes, %v", len(position), err)
	}
	f := &Follower{source: m.f.source, choice: m.f.choice}
	if err := f.Resume(position); err != nil {
		m.t.Fatalf("Resume = %v", err)
	}
	m.f = f
}

// walk takes the steps, and every other one after a restart.
func (m *mirror) walk(c *ldap.Conn, steps []change) {
	m.t.Helper()
	for i, step := range steps {
		if i%2 == 1 {
			m.restart()
		}
		if err := step.do(c); err != nil {
			m.t.Fatalf("%s: %v", step.name, err)
		}
		if d := m.update(); d.Empty() {
			m.t.Errorf("after %s: nothing was told", step.name)
		}
		m.same(step.name)
		if m.t.Failed() {
			return
		}
	}
}

const movedOU = "dn: ou=moved,ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: moved\n\n"

func noLeavers(c *Config) { c.Users.Exclude = "(employeeType=left)" }

// What is told, put together, is what a whole read has, after each kind of change.
func TestFollowSyncrepl(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: movedOU + company(40)})
	m := follow(t, reader(t, s, noLeavers), FollowAuto)
	if _, ok := m.f.track.way.(*syncrepl); !ok {
		t.Fatalf("the way is %T, want syncrepl", m.f.track.way)
	}
	if d := m.update(); !d.Empty() {
		t.Errorf("nothing changed, and Changes = %+v", d)
	}
	steps, deletions := openldapChanges()
	m.walk(admin(t, s, s.AdminDN), append(steps, deletions...))
}

func TestFollowTimestamp(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: movedOU + company(40), NoSync: true})
	m := follow(t, reader(t, s, noLeavers), FollowAuto)
	if _, ok := m.f.track.way.(*timestamp); !ok {
		t.Fatalf("the way is %T, want timestamp", m.f.track.way)
	}
	m.quiet()
	steps, _ := openldapChanges()
	m.walk(admin(t, s, s.AdminDN), steps)
}

// A server that cannot go on from where it was is read whole, and nobody is gone for that.
func TestFollowLost(t *testing.T) {
	whole := t // a server is stopped at the end of the test that started it
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(40)})
	a := admin(t, s, s.AdminDN)
	touch := func(n int) {
		t.Helper()
		if err := modify(fmt.Sprintf("uid=u%05d,ou=people,dc=example,dc=org", n), func(m *ldap.ModifyRequest) { m.Replace("cn", []string{"x"}) })(a); err != nil {
			t.Fatal(err)
		}
	}
	for name, spoil := range map[string]func(*syncrepl, *track){
		"a cookie that is garbage":    func(s *syncrepl, _ *track) { s.csn = []string{"no such thing"} },
		"a cookie from the future":    func(s *syncrepl, _ *track) { s.csn = []string{"20991231235959.000000Z#000000#001#000000"} },
		"a cookie of another server":  func(s *syncrepl, _ *track) { s.csn = []string{"20200101000000.000000Z#000000#042#000000"} },
		"a cookie of a long time ago": func(s *syncrepl, _ *track) { s.csn = []string{"20000101000000.000000Z#000000#000#000000"} },
		"another server":              func(_ *syncrepl, t *track) { t.server = "ldap://other" },
	} {
		t.Run(name, func(t *testing.T) {
			m := follow(t, reader(t, s), FollowSyncrepl)
			spoil(m.f.track.way.(*syncrepl), m.f.track)
			touch(1)
			d, err := m.f.Changes(t.Context())
			var whole *dirsync.ReadWhole
			switch {
			case err == nil && len(d.Gone) > 0:
				t.Errorf("%d are gone, want none", len(d.Gone))
			case err == nil: // the server named everything
				for _, e := range d.Entries {
					m.put(e)
				}
				m.same(name)
			case !errors.As(err, &whole):
				t.Errorf("Changes = %v, want a whole read", err)
			}
		})
	}
	t.Run("the session log is lost", func(t *testing.T) {
		m := follow(t, reader(t, s), FollowSyncrepl)
		if err := deleteEntry("uid=u00007,ou=people,dc=example,dc=org")(a); err != nil {
			t.Fatal(err)
		}
		a.Close()
		s.Signal(syscall.SIGTERM) // killed, it forgets the deletion itself, which a whole read finds
		s.Wait()
		s.Restart(whole)
		a = admin(whole, s, s.AdminDN)
		touch(8)
		d, err := m.f.Changes(t.Context())
		if whole := (*dirsync.ReadWhole)(nil); !errors.As(err, &whole) {
			t.Errorf("Changes = %+v, %v, want a whole read", d, err)
		}
		m.readWhole()
		m.same("a whole read")
	})
	t.Run("the connection breaks", func(t *testing.T) {
		w := startWire(t, s.Addr)
		m := follow(t, reader(t, s, func(c *Config) { c.URLs = []string{w.url} }), FollowSyncrepl)
		before := w.total.Load()
		touch(9)
		m.update()
		whole := w.total.Load() - before
		for at := int64(1); at < whole; at += whole/int64(testserver.Rounds(10, 200)) + 1 {
			touch(int(10 + at%20))
			w.limit.Store(at)
			if d, err := m.f.Changes(t.Context()); err == nil && !d.Empty() {
				t.Errorf("cut at byte %d of %d: Changes = %+v, want an error", at, whole, d)
			}
			w.limit.Store(-1)
			m.update()
		}
		m.same("the cuts")
	})
	t.Run("so much has changed", func(t *testing.T) {
		m := follow(t, reader(t, s), FollowSyncrepl)
		m.f.track.roster.ids = m.f.track.roster.ids[:0]
		m.f.Forget()
		if _, err := m.f.Changes(t.Context()); err == nil {
			t.Error("Changes after Forget = nil, want a whole read")
		}
	})
}

// live: the server says at once that something changed.
func TestFollowWait(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(40)})
	a := admin(t, s, s.AdminDN)
	m := follow(t, reader(t, s, func(c *Config) { c.IdleTimeout = 300 * time.Millisecond }), FollowSyncrepl)
	for _, dn := range []string{"uid=u00001,ou=people,dc=example,dc=org", "cn=g1,ou=groups,dc=example,dc=org"} {
		heard := make(chan error, 1)
		go func() { heard <- m.f.Wait(t.Context()) }()
		select {
		case err := <-heard:
			t.Fatalf("Wait = %v before anything changed", err)
		case <-time.After(700 * time.Millisecond): // longer than the idle timeout
		}
		if err := modify(dn, func(m *ldap.ModifyRequest) { m.Replace("description", []string{"x"}) })(a); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-heard:
			if err != nil {
				t.Fatalf("Wait = %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Wait did not return")
		}
		if d := m.update(); d.Empty() {
			t.Error("Changes after Wait are none")
		}
	}
	t.Run("what changed before is heard at once", func(t *testing.T) {
		if err := deleteEntry("uid=u00030,ou=people,dc=example,dc=org")(a); err != nil {
			t.Fatal(err)
		}
		if err := m.f.Wait(t.Context()); err != nil {
			t.Errorf("Wait = %v", err)
		}
		m.update()
		m.same("a deletion")
	})
	t.Run("told to stop", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := m.f.Wait(ctx); err == nil {
			t.Error("Wait = nil, want an error")
		}
	})
	t.Run("without syncrepl", func(t *testing.T) {
		stamp := follow(t, reader(t, s), FollowTimestamp)
		err := stamp.f.Wait(t.Context())
		if whole := (*dirsync.ReadWhole)(nil); !errors.As(err, &whole) {
			t.Errorf("Wait = %v, want a ReadWhole", err)
		}
	})
}

// A position is of use under the settings that it was kept with, and where it can be read.
func TestFollowResume(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(40)})
	m := follow(t, reader(t, s), FollowSyncrepl)
	position, err := m.f.Position()
	if err != nil {
		t.Fatal(err)
	}
	for name, mutate := range map[string]func(*Config){
		"another filter":    func(c *Config) { c.Users.Filter = "(mail=*)" },
		"another base":      func(c *Config) { c.Users.Base = "dc=example,dc=org" },
		"another server":    func(c *Config) { c.URLs = append(c.URLs, "ldap://127.0.0.1:1") },
		"another account":   func(c *Config) { c.BindDN = "cn=other" },
		"another attribute": func(c *Config) { c.Groups.Attributes = map[string]string{"displayName": "description"} },
		"groups kept":       func(c *Config) { c.Groups.Nested = NestedKeep },
	} {
		other := reader(t, s, mutate)
		f := &Follower{source: other, choice: FollowSyncrepl}
		if whole := (*dirsync.ReadWhole)(nil); !errors.As(f.Resume(position), &whole) || f.get() != nil {
			t.Errorf("Resume with %s = nil, want a ReadWhole", name)
		}
	}
	f := &Follower{source: m.f.source, choice: FollowSyncrepl}
	for _, bad := range [][]byte{nil, position[:len(position)/2], []byte("garbage")} {
		if whole := (*dirsync.ReadWhole)(nil); !errors.As(f.Resume(bad), &whole) || f.get() != nil {
			t.Errorf("Resume of %d bytes = nil, want a ReadWhole", len(bad))
		}
	}
	if p, err := f.Position(); p != nil || err != nil {
		t.Errorf("Position before anything was read = %d bytes, %v, want none", len(p), err)
	}
	if err := f.Resume(position); err != nil {
		t.Errorf("Resume = %v", err)
	}
}

func TestFollowChoice(t *testing.T) {
	c := Config{Preset: "389ds", URLs: []string{"ldap://127.0.0.1:1"}, BindDN: "cn=x", Password: password("x"), Users: Users{Base: "dc=x"}}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, choice := range []string{FollowSyncrepl, FollowDirSync, "magic"} {
		if _, err := s.Follow(choice); err == nil || !strings.HasPrefix(err.Error(), "changes_by: ") {
			t.Errorf("Follow(%q) = %v, want an error about changes_by", choice, err)
		}
	}
}
