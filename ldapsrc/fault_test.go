package ldapsrc

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"

	"github.com/go-ldap/ldap/v3"
)

var cuts = flag.Int("cuts", 20, "points at which the connection is cut (make proof: 200)")

// wire passes connections on to a server and counts the bytes of its replies. After
// limit bytes it does as it is told.
type wire struct {
	url     string
	limit   atomic.Int64 // bytes of replies of a connection that pass; negative for all
	total   atomic.Int64 // bytes that passed, of all connections
	stall   atomic.Bool  // at the limit: go silent, rather than close
	request func([]byte) // sees every request; may be nil
	answer  func(request []byte) []byte
	reply   func([]byte) // may change what the server sends of a connection; may be nil
}

func startWire(t testing.TB, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "ldap://" + l.Addr().String()}
	w.limit.Store(-1)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.serve(ctx, client, target) })
		}
	})
	return w
}

func (w *wire) serve(ctx context.Context, client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	go func() {
		defer server.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				return
			}
			if w.request != nil {
				w.request(buf[:n])
			}
			if w.answer != nil {
				if a := w.answer(buf[:n]); a != nil {
					client.Write(a)
					continue
				}
			}
			server.Write(buf[:n])
		}
	}()
	var passed int64
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		limit := w.limit.Load()
		cut := limit >= 0 && passed+int64(n) > limit
		if cut {
			n = int(limit - passed)
		}
		passed += int64(n)
		w.total.Add(int64(n))
		if w.reply != nil {
			w.reply(buf[:n])
		}
		client.Write(buf[:n])
		if cut && w.stall.Load() {
			io.Copy(io.Discard, server)
		}
		if cut {
			return
		}
	}
}

// A connection cut at any byte ends the read with an error, and nothing of what was
// read looks whole: no group is ever sent.
func TestCutAnywhere(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(300)})
	w := startWire(t, s.Addr)
	src := reader(t, s, func(c *Config) { c.URLs, c.PageSize = []string{w.url}, 70 })
	readAll(t, src).expect(t, 300, 11)
	whole := w.total.Load()
	points := []int64{0, 1, whole - 1, whole - 8}
	for range *cuts {
		points = append(points, rand.Int64N(whole))
	}
	for _, at := range points {
		w.limit.Store(at)
		r := readAll(t, src)
		if r.end == nil || len(r.groups) > 0 || !errors.Is(r.end, ErrIncomplete) && !errors.Is(r.end, ErrUnreachable) {
			t.Errorf("cut at byte %d of %d: %d users, %d groups, end %v, want an error", at, whole, len(r.users), len(r.groups), r.end)
		}
	}
	w.limit.Store(-1)
	readAll(t, src).expect(t, 300, 11)
}

func TestSilence(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(300)})
	quick := func(c *Config) { c.IdleTimeout, c.ConnectTimeout = 300*time.Millisecond, 300*time.Millisecond }
	t.Run("in the middle of an entry", func(t *testing.T) {
		w := startWire(t, s.Addr)
		w.limit.Store(20_000)
		w.stall.Store(true)
		r := readAll(t, reader(t, s, quick, func(c *Config) { c.URLs = []string{w.url} }))
		if !errors.Is(r.end, ErrIncomplete) || !strings.Contains(r.end.Error(), "timeouts.idle") {
			t.Errorf("read ended with %v, want ErrIncomplete that names timeouts.idle", r.end)
		}
	})
	t.Run("run timeout", func(t *testing.T) {
		w := startWire(t, s.Addr)
		w.limit.Store(20_000)
		w.stall.Store(true)
		r := readAll(t, reader(t, s, func(c *Config) { c.URLs, c.RunTimeout = []string{w.url}, 300*time.Millisecond }))
		if !errors.Is(r.end, ErrIncomplete) || !errors.Is(r.end, errRunTimeout) {
			t.Errorf("read ended with %v, want ErrIncomplete for timeouts.run", r.end)
		}
	})
	t.Run("server stopped between entries", func(t *testing.T) {
		src := reader(t, s, quick, func(c *Config) { c.PageSize = 10 })
		n := 0
		var end error
		for _, err := range src.Entries(t.Context()) {
			if n++; n == 5 {
				s.Signal(syscall.SIGSTOP)
			}
			end = err
		}
		s.Signal(syscall.SIGCONT)
		if !errors.Is(end, ErrIncomplete) || !strings.Contains(end.Error(), "timeouts.idle") {
			t.Errorf("read ended with %v after %d entries, want ErrIncomplete that names timeouts.idle", end, n)
		}
	})
	t.Run("server stopped before the bind", func(t *testing.T) {
		s.Signal(syscall.SIGSTOP)
		defer s.Signal(syscall.SIGCONT)
		r := readAll(t, reader(t, s, quick))
		if !errors.Is(r.end, ErrUnreachable) || !strings.Contains(r.end.Error(), "timeouts.connect") {
			t.Errorf("read ended with %v, want ErrUnreachable that names timeouts.connect", r.end)
		}
	})
	t.Run("cancelled by the caller", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		w := startWire(t, s.Addr)
		w.limit.Store(20_000)
		w.stall.Store(true)
		n := 0
		var end error
		why := errors.New("operator said stop")
		for _, err := range reader(t, s, func(c *Config) { c.URLs = []string{w.url} }).Entries(ctx) {
			if n++; n == 1 {
				cancel(why)
			}
			end = err
		}
		if !errors.Is(end, ErrIncomplete) || !errors.Is(end, why) {
			t.Errorf("read ended with %v, want ErrIncomplete for %v", end, why)
		}
	})
}

func TestServerKilled(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(300)})
	src := reader(t, s, func(c *Config) { c.PageSize = 10 })
	n := 0
	var end error
	for e, err := range src.Entries(t.Context()) {
		if n++; n == 40 {
			s.Kill()
		}
		if end = err; e.Type == "Group" {
			t.Error("a group was sent")
		}
	}
	if !errors.Is(end, ErrIncomplete) {
		t.Errorf("read ended with %v, want ErrIncomplete", end)
	}
	s.Restart(t)
	readAll(t, src).expect(t, 300, 11)
}

// A man in the middle who answers StartTLS with "no" must see neither name nor password.
func TestStartTLSStripped(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(10)})
	var mu sync.Mutex
	var seen bytes.Buffer
	for _, c := range []struct{ name, answer string }{
		{"refused", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"},
		{"success, and no TLS follows", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"success, with more behind it", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00" + "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"a bind response", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"for another message", "\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00"},
		{"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n"},
		{"a message without end", "\x30\x84\x7f\xff\xff\xff"},
		{"indefinite length", "\x30\x80\x02\x01\x01\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startWire(t, s.Addr)
			w.request = func(b []byte) {
				mu.Lock()
				defer mu.Unlock()
				seen.Write(b)
			}
			w.answer = func(b []byte) []byte {
				if bytes.Contains(b, []byte("1.3.6.1.4.1.1466.20037")) {
					return []byte(c.answer)
				}
				return nil
			}
			r := readAll(t, reader(t, s, func(cfg *Config) {
				cfg.URLs, cfg.TLS, cfg.CAFile, cfg.ConnectTimeout = []string{w.url}, TLSOn, s.CA.File, 500*time.Millisecond
			}))
			if !errors.Is(r.end, ErrUntrusted) && !errors.Is(r.end, ErrUnreachable) {
				t.Errorf("read ended with %v, want ErrUntrusted or ErrUnreachable", r.end)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	for _, secret := range []string{s.Password, s.AdminDN} {
		if bytes.Contains(seen.Bytes(), []byte(secret)) {
			t.Errorf("%q was sent in plain text", secret)
		}
	}
}

// Nothing is left running after a read, however it ended.
func TestNothingLeaks(t *testing.T) {
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(300)})
	src := reader(t, s, func(c *Config) { c.PageSize = 10 })
	before := runtime.NumGoroutine()
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		for range src.Entries(ctx) {
			if n++; n == 15*i {
				if i%2 == 0 {
					break
				}
				cancel()
			}
		}
		cancel()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
}

// What happens to entries in a real directory.
func TestSlapdChanges(t *testing.T) {
	// Members as Active Directory sends those of a group of more than 1,500. slapd has no
	// ranges, but it keeps and returns what is loaded offline; the rest never comes.
	const ranged = "dn: cn=ranged,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\nobjectClass: extensibleObject\ncn: ranged\n" +
		"member;range=0-1: uid=u00001,ou=people,dc=example,dc=org\nmember;range=0-1: uid=u00002,ou=people,dc=example,dc=org\n\n"
	s := testserver.StartSlapd(t, testserver.SlapdOptions{Seed: company(30) + ranged, Global: []string{"olcAttributeOptions: lang- range="}})
	src := reader(t, s)
	a := admin(t, s, s.AdminDN)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const people, groups = ",ou=people,dc=example,dc=org", ",ou=groups,dc=example,dc=org"

	t.Run("rename keeps the id and the memberships", func(t *testing.T) {
		before := readAll(t, src).users["u00007"]
		do(a.ModifyDN(&ldap.ModifyDNRequest{DN: "uid=u00007" + people, NewRDN: "uid=married", DeleteOldRDN: true}))
		r := readAll(t, src)
		r.expect(t, 30, 12)
		if got := r.users["married"]; got.ID != before.ID || got.DN == before.DN {
			t.Errorf("after a rename %s is %s, was %s", got.DN, got.ID, before.ID)
		}
		if got := len(r.groups["all"].Members); got != 30 {
			t.Errorf("members of all = %d, want 30", got)
		}
	})
	group := func(name, attribute string, members ...string) {
		t.Helper()
		add := ldap.NewAddRequest("cn="+name+groups, nil)
		add.Attribute("objectClass", []string{"groupOfNames", "extensibleObject"})
		add.Attribute("cn", []string{name})
		add.Attribute(attribute, members)
		do(a.Add(add))
	}
	t.Run("nested groups, in a cycle", func(t *testing.T) {
		group("n1", "member", "cn=n2"+groups, "uid=u00001"+people)
		group("n2", "member", "cn=N3"+groups, "uid=u00002"+people)
		group("n3", "member", "cn=n1"+groups, "uid=u00003"+people, "uid=u00001"+people)
		for nested, want := range map[string]int{NestedFlatten: 3, NestedKeep: 2, NestedOff: 1} {
			r := readAll(t, reader(t, s, func(c *Config) { c.Groups.Nested = nested }))
			if g := r.groups["n2"]; len(g.Members) != want || len(g.Dangling) > 0 || g.MembersUnknown {
				t.Errorf("nested %s: n2 = %+v, want %d members", nested, g, want)
			}
		}
	})
	t.Run("a member that is nobody", func(t *testing.T) {
		group("ghosts", "member", "uid=gone"+people, "uid=u00001"+people, "cn=reader,dc=example,dc=org")
		g := readAll(t, src).groups["ghosts"]
		if len(g.Members) != 1 || len(g.Dangling) != 2 || g.MembersUnknown {
			t.Errorf("ghosts = %+v, want one member and two dangling", g)
		}
	})
	t.Run("members in part", func(t *testing.T) {
		if g := readAll(t, src).groups["ranged"]; !g.MembersUnknown {
			t.Errorf("ranged = %+v, want MembersUnknown", g)
		}
	})
	t.Run("locked for good, and locked out", func(t *testing.T) {
		lock := func(uid, when string) {
			m := ldap.NewModifyRequest("uid="+uid+people, nil)
			m.Replace("pwdAccountLockedTime", []string{when})
			do(a.Modify(m))
		}
		lock("u00004", "000001010000Z")
		lock("u00005", "20250101000000Z")
		r := readAll(t, src)
		for uid, want := range map[string]bool{"u00004": false, "u00005": true, "u00006": true} {
			if got := r.users[uid].Attributes["active"]; got != want {
				t.Errorf("active of %s = %v, want %v", uid, got, want)
			}
		}
	})
	t.Run("a person without a name", func(t *testing.T) {
		add := ldap.NewAddRequest("cn=Service"+people, nil)
		add.Attribute("objectClass", []string{"inetOrgPerson"})
		add.Attribute("cn", []string{"Service"})
		add.Attribute("sn", []string{"Service"})
		do(a.Add(add))
		r := readAll(t, src)
		if len(r.users) != 30 || len(r.faults) != 1 || r.faults[0].Attribute != "uid" || r.faults[0].ID == "" || r.end != nil {
			t.Errorf("read = %d users, faults %+v, end %v, want 30 and one fault for uid", len(r.users), r.faults, r.end)
		}
	})
	t.Run("references", func(t *testing.T) {
		add := ldap.NewAddRequest("ou=elsewhere"+people, []ldap.Control{ldap.NewControlManageDsaIT(true)})
		add.Attribute("objectClass", []string{"referral", "extensibleObject"})
		add.Attribute("ou", []string{"elsewhere"})
		add.Attribute("ref", []string{"ldap://127.0.0.1:1/ou=elsewhere" + people})
		do(a.Add(add))
		r := readAll(t, src)
		if !errors.Is(r.end, ErrIncomplete) || !strings.Contains(r.end.Error(), "references") || len(r.groups) > 0 {
			t.Errorf("read ended with %v, want ErrIncomplete for references", r.end)
		}
	})
}

func ExampleReadError() {
	err := &ReadError{Kind: ErrIncomplete, Where: "ldaps://dc1.example.com", Search: "users", Code: 4,
		Reason: "the server's size limit ended the search", Remedy: "raise it for the bind account"}
	fmt.Println(err)
	fmt.Println(errors.Is(err, ErrIncomplete))
	// Output:
	// ldap: ldaps://dc1.example.com: users: the server's size limit ended the search (raise it for the bind account)
	// true
}
