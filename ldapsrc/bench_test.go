package ldapsrc

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/testserver"

	"github.com/go-ldap/ldap/v3"
)

// measure reports what an entry costs in CPU time, which other work on the machine does
// not change as it changes the time on the wall.
func measure(b *testing.B, read func(*testing.B) int) {
	b.ReportAllocs()
	start, n := cpuTime(), 0
	for b.Loop() {
		n += read(b)
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(n), "cpu-ns/entry")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRead reads 20,000 people from a real slapd: decoded, mapped, and by go-ldap alone.
func BenchmarkRead(b *testing.B) {
	s := testserver.StartSlapd(b, testserver.SlapdOptions{Seed: company(20_000), NoSync: true})
	src := reader(b, s)
	attributes := src.reading.users.attributes()
	raw := func(b *testing.B, each func([]byte) bool) {
		c, err := src.connect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer c.close()
		req := request{name: "users", base: "ou=people,dc=example,dc=org", scope: ScopeSub, filter: src.reading.users.filter, attributes: attributes, pageSize: 1000}
		if err := c.search(b.Context(), req, each); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("tap", func(b *testing.B) {
		measure(b, func(b *testing.B) (n int) {
			var entries entryReader
			raw(b, func(body []byte) bool {
				if _, err := entries.read(body); err != nil {
					b.Fatal(err)
				}
				n++
				return true
			})
			return n
		})
	})
	b.Run("entries", func(b *testing.B) {
		measure(b, func(b *testing.B) (n int) {
			for _, err := range src.Entries(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			return n
		})
	})
	b.Run("go-ldap", func(b *testing.B) {
		c := admin(b, s, s.AdminDN)
		measure(b, func(b *testing.B) int {
			req := ldap.NewSearchRequest("ou=people,dc=example,dc=org", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
				src.reading.users.filter, attributes, nil)
			r, err := c.SearchWithPaging(req, 1000)
			if err != nil {
				b.Fatal(err)
			}
			return len(r.Entries)
		})
	})
}

// replay is a connection that answers the first request with the same bytes each time.
type replay struct {
	net.Conn
	once   sync.Once
	sent   chan struct{}
	closed chan struct{}
	in     *bytes.Reader
}

func newReplay(answer []byte) *replay {
	return &replay{sent: make(chan struct{}), closed: make(chan struct{}), in: bytes.NewReader(answer)}
}

func (r *replay) Write(b []byte) (int, error) {
	r.once.Do(func() { close(r.sent) })
	return len(b), nil
}

func (r *replay) Read(b []byte) (int, error) {
	select {
	case <-r.sent:
	case <-r.closed:
		return 0, io.EOF
	}
	if r.in.Len() == 0 {
		<-r.closed
		return 0, io.EOF
	}
	return r.in.Read(b)
}

func (r *replay) Close() error {
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
	return nil
}

func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkDecode takes the same bytes apart, without a network: 5,000 people of 27
// attributes.
func BenchmarkDecode(b *testing.B) {
	var answer []byte
	const people = 5000
	for n := range people {
		attributes := []string{fmt.Sprintf("uid=u%05d", n), fmt.Sprintf("entryUUID=a0000000-0000-4000-8000-%012d", n)}
		for a := range 25 {
			attributes = append(attributes, fmt.Sprintf("attribute%d=the value of attribute %d", a, a))
		}
		answer = append(answer, entryOf(1, fmt.Sprintf("uid=u%05d,%s", n, fakePeople), attributes...)...)
	}
	answer = append(answer, doneOf(1, 0)...)
	b.Run("tap", func(b *testing.B) {
		measure(b, func(b *testing.B) (n int) {
			nc := newReplay(answer)
			t := newTap(nc, time.Minute, 1<<20)
			c := &conn{net: nc, tap: t, ldap: ldap.NewConn(t, true), controls: true}
			c.ldap.Start()
			defer c.close()
			var entries entryReader
			err := c.search(b.Context(), request{scope: ScopeSub, filter: "(a=b)", pageSize: 1}, func(body []byte) bool {
				if _, err := entries.read(body); err != nil {
					b.Fatal(err)
				}
				n++
				return true
			})
			if err != nil || n != people {
				b.Fatal(n, err)
			}
			return n
		})
	})
	b.Run("go-ldap", func(b *testing.B) {
		measure(b, func(b *testing.B) int {
			c := ldap.NewConn(newReplay(answer), true)
			c.Start()
			defer c.Close()
			r, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(a=b)", nil, nil))
			if err != nil || len(r.Entries) != people {
				b.Fatal(err)
			}
			return people
		})
	})
}
