package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

// lossy is a workspace behind a proxy that loses replies, and the same one without.
type lossy struct {
	testing.TB
	proxy *testserver.Proxy
	far   *store.Workspace // through the proxy
	near  *store.Workspace
	store *store.Store // near
	n     int
}

// newLossy makes one. A pool of one connection lets a test know whose reply is next.
func newLossy(t *testing.T, timeout time.Duration, pool int) *lossy {
	server := testserver.StartRedis(t, "--appendfsync", "no")
	proxy := testserver.StartProxy(t, server.Addr())
	open := func(addr string, timeout time.Duration) (*store.Store, *store.Workspace) {
		b := dial(Config{Addr: addr, Timeout: timeout, PoolSize: pool})
		t.Cleanup(func() { b.Close() })
		s := store.New(store.Config{Backend: b})
		w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
		if err != nil {
			t.Fatal(err)
		}
		return s, w
	}
	l := &lossy{TB: t, proxy: proxy}
	_, l.far = open(proxy.Addr(), timeout)
	l.store, l.near = open(server.Addr(), 0)
	// The first change of all reads the workspace's layout: a test is about the replies behind it.
	first := &scim.Commit{Ref: scim.Ref{Type: "User", ID: "first"}, Put: &scim.Resource{Attributes: map[string]any{"userName": "first"}}}
	l.must(l.near.Commit(t.Context(), first))
	if _, err := l.far.Commit(t.Context(), first); !errors.Is(err, scim.ErrVersionMismatch) {
		t.Fatalf("Commit() again = %v, want ErrVersionMismatch", err)
	}
	t.Cleanup(func() { storetest.CheckClean(t, context.Background(), l.store) })
	return l
}

func (l *lossy) resource(typ, attr string) *scim.Resource {
	l.n++
	r := &scim.Resource{Attributes: map[string]any{attr: fmt.Sprint(typ, l.n)}}
	r.Ref = scim.Ref{Type: typ, ID: scim.NewID()}
	return r
}

func (l *lossy) create(typ, attr string) *scim.Stored {
	l.Helper()
	r := l.resource(typ, attr)
	return l.must(l.near.Commit(l.Context(), &scim.Commit{Ref: r.Ref, Put: r})).Stored
}

func (l *lossy) must(done *scim.Committed, err error) *scim.Committed {
	l.Helper()
	if err != nil {
		l.Fatalf("Commit() = %v", err)
	}
	return done
}

func (l *lossy) change(s *scim.Stored, title string) *scim.Commit {
	r, err := s.Resource()
	if err != nil {
		l.Fatal(err)
	}
	r.Attributes["title"] = title
	return &scim.Commit{Ref: s.Ref, Expect: s.Version, Old: s, Put: r}
}

// head is how many changes there are.
func (l *lossy) head() int {
	l.Helper()
	report, err := l.near.Fsck(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return report.Changes
}

// warm makes sure that the next reply is that of the commit's Tx.
func (l *lossy) warm(c *scim.Commit) {
	l.far.Get(l.Context(), scim.Ref{Type: "User", ID: "nobody"}, scim.With{})
	if c.Delete {
		l.proxy.Skip(1) // its groups are read first
	}
}

// TestLostReplies: 500 commits whose replies are lost are each done once, and reported as
// what they are.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	l := newLossy(t, 500*time.Millisecond, 1)
	u, g := l.create("User", "userName"), l.create("Group", "displayName")
	ops := 500
	if testing.Short() {
		ops = 100
	}
	before := l.head()
	for i := range ops {
		how, losses := l.proxy.Cut, 1+i%11/9
		if i%100 == 0 {
			how = l.proxy.Swallow
		}
		added, removed := 0, 0
		var c *scim.Commit
		switch i % 5 {
		case 0:
			r := l.resource("User", "userName")
			c = &scim.Commit{Ref: r.Ref, Put: r}
		case 1:
			c = l.change(u, fmt.Sprint(i))
		case 2:
			c = &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: u.Ref}, {Member: scim.Ref{ID: "nobody"}}}}
			added = 1
		case 3:
			c = &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: u.Ref}}}
			removed = 1
		case 4:
			d := l.create("User", "userName")
			before++
			c = &scim.Commit{Ref: d.Ref, Expect: d.Version, Old: d, Delete: true}
		}
		l.warm(c)
		how(losses)
		done, err := l.far.Commit(t.Context(), c)
		how(0)
		if err != nil {
			t.Fatalf("commit %d = %v", i, err)
		}
		if !done.Changed || done.Added != added || done.Removed != removed || len(done.Dropped) != added {
			t.Fatalf("commit %d = %+v, want %d added, %d removed", i, done, added, removed)
		}
		if !c.Delete {
			now, err := l.near.Get(t.Context(), c.Ref, scim.With{})
			if err != nil || now.Version != done.Stored.Version || string(now.Body) != string(done.Stored.Body) || !now.Created.Equal(done.Stored.Created) {
				t.Fatalf("commit %d left %+v, %v, want %+v", i, now, err, done.Stored)
			}
		}
		if c.Put != nil && c.Ref == u.Ref {
			u = done.Stored
		}
	}
	if got := l.head() - before; got != ops {
		t.Errorf("%d changes, want %d", got, ops)
	}
}

// TestLostReplyThenOthers: between a commit that was done and its repeat others write. The
// repeat must neither be done on top of them nor be reported as a conflict.
func TestLostReplyThenOthers(t *testing.T) {
	t.Parallel()
	l := newLossy(t, 300*time.Millisecond, 1)
	commits := 0
	near := func(c *scim.Commit) {
		t.Helper()
		commits++
		if _, err := l.near.Commit(context.Background(), c); err != nil {
			t.Errorf("Commit() meanwhile = %v", err)
		}
	}
	now := func(ref scim.Ref) *scim.Stored {
		s, err := l.near.Get(context.Background(), ref, scim.With{})
		if err != nil {
			t.Errorf("Get() meanwhile = %v", err)
			return &scim.Stored{}
		}
		return s
	}
	members := func(g scim.Ref) (n int) {
		for range l.near.Members(context.Background(), g, scim.Ref{}) {
			n++
		}
		return n
	}
	cases := []struct {
		name string
		run  func(t *testing.T, u, g *scim.Stored) (c *scim.Commit, meanwhile, after func())
	}{
		{"changed on top", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			return l.change(u, "mine"), func() { near(l.change(now(u.Ref), "theirs")) }, func() {
				if got := string(now(u.Ref).Body); !strings.Contains(got, "theirs") {
					t.Errorf("body = %s, want theirs", got)
				}
			}
		}},
		{"created, then deleted", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			r := l.resource("User", "userName")
			return &scim.Commit{Ref: r.Ref, Put: r}, func() { near(&scim.Commit{Ref: r.Ref, Expect: scim.MustExist, Delete: true}) }, func() {
				if _, err := l.near.Get(t.Context(), r.Ref, scim.With{}); !errors.Is(err, scim.ErrNotFound) {
					t.Errorf("Get() = %v, want it to stay deleted", err)
				}
			}
		}},
		{"created, then renamed and the name taken", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			r, other := l.resource("User", "userName"), l.resource("User", "userName")
			name := r.Attributes["userName"]
			return &scim.Commit{Ref: r.Ref, Put: r}, func() {
				s := now(r.Ref)
				c := l.change(s, "x")
				c.Put.Attributes["userName"] = "renamed" + r.ID
				near(c)
				other.Attributes["userName"] = name
				near(&scim.Commit{Ref: other.Ref, Put: other})
			}, func() {}
		}},
		{"member added, then removed", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			return &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: u.Ref}}}, func() {
					near(&scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: u.Ref}}})
				}, func() {
					if n := members(g.Ref); n != 0 {
						t.Errorf("%d members, want them to stay removed", n)
					}
				}
		}},
		{"deleted, then made again", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			r := &scim.Resource{Header: scim.Header{Ref: u.Ref}, Attributes: map[string]any{"userName": "again" + u.ID}}
			return &scim.Commit{Ref: u.Ref, Expect: u.Version, Old: u, Delete: true}, func() { near(&scim.Commit{Ref: u.Ref, Put: r}) }, func() { now(u.Ref) }
		}},
		{"done, then fenced", func(t *testing.T, u, g *scim.Stored) (*scim.Commit, func(), func()) {
			lock, err := l.near.Lock(t.Context(), u.ID, "me", 5*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			fence := lock.Fence()
			c := l.change(u, "mine")
			c.Fence = &fence
			return c, func() {
				time.Sleep(10 * time.Millisecond)
				if _, err := l.near.Lock(context.Background(), u.ID, "other", time.Minute); err != nil {
					t.Error(err)
				}
			}, func() {}
		}},
	}
	for _, how := range []struct {
		name string
		lose func(int)
	}{{"cut", l.proxy.Cut}, {"swallowed", l.proxy.Swallow}} {
		for _, tc := range cases {
			t.Run(tc.name+" "+how.name, func(t *testing.T) {
				u, g := l.create("User", "userName"), l.create("Group", "displayName")
				c, meanwhile, after := tc.run(t, u, g)
				head, others := l.head(), commits
				once := false
				l.proxy.OnLoss(func() {
					if !once {
						once = true
						meanwhile()
					}
				})
				l.warm(c)
				how.lose(1)
				done, err := l.far.Commit(t.Context(), c)
				if err != nil || !done.Changed {
					t.Fatalf("Commit() = %+v, %v, want it done", done, err)
				}
				if !once {
					t.Fatal("no reply was lost")
				}
				after()
				if got, want := l.head()-head, 1+commits-others; got != want {
					t.Errorf("%d changes, want %d", got, want)
				}
			})
		}
	}
}

// TestLostPipeline: of a pipeline that is cut midway each commit is done once.
func TestLostPipeline(t *testing.T) {
	t.Parallel()
	l := newLossy(t, time.Second, 16)
	for round := range testserver.Rounds(4, 50) {
		head := l.head()
		commits := make([]*scim.Commit, 300)
		for i := range commits {
			r := l.resource("User", "userName")
			commits[i] = &scim.Commit{Ref: r.Ref, Put: r}
		}
		l.proxy.Skip(round % 3)
		l.proxy.Cut(1 + round%3)
		for i, res := range l.far.CommitMany(t.Context(), commits) {
			if res.Err != nil || !res.Changed {
				t.Fatalf("commit %d = %+v, %v", i, res.Committed, res.Err)
			}
		}
		if got := l.head() - head; got != len(commits) {
			t.Errorf("%d changes, want %d", got, len(commits))
		}
	}
}

// TestUnavailable: while Redis does not answer every call says so, and in time.
func TestUnavailable(t *testing.T) {
	l := newLossy(t, 100*time.Millisecond, 1)
	u := l.create("User", "userName")
	check := func(t *testing.T) {
		for name, call := range map[string]func() error{
			"Get":    func() error { _, err := l.far.Get(t.Context(), u.Ref, scim.With{Groups: true}); return err },
			"Lookup": func() error { _, err := l.far.Lookup(t.Context(), "User", "userName", "x", scim.With{}); return err },
			"Query": func() error {
				_, err := l.far.Query(t.Context(), &scim.Query{Types: []string{"User"}, Count: 1})
				return err
			},
			"Commit":     func() error { _, err := l.far.Commit(t.Context(), l.change(u, "x")); return err },
			"CommitMany": func() error { return l.far.CommitMany(t.Context(), []*scim.Commit{l.change(u, "x")})[0].Err },
			"Members": func() (err error) {
				for _, err = range l.far.Members(t.Context(), scim.Ref{Type: "Group", ID: "g"}, scim.Ref{}) {
				}
				return err
			},
			"Owned": func() (err error) {
				for _, err = range l.far.Owned(t.Context(), "", "User") {
				}
				return err
			},
			"Changes":   func() error { _, err := l.far.Changes(t.Context(), 0, 1); return err },
			"KV.Get":    func() error { _, err := l.far.KV("s").Get(t.Context(), "k"); return err },
			"KV.Put":    func() error { return l.far.KV("s").Put(t.Context(), "k", nil, nil) },
			"KV.CAS":    func() error { return l.far.KV("s").Put(t.Context(), "k", nil, []byte("x")) },
			"KV.Delete": func() error { return l.far.KV("s").Delete(t.Context(), "k") },
			"KV.Scan":   func() error { return l.far.KV("s").Scan(t.Context(), nil) },
			"Lock":      func() error { _, err := l.far.Lock(t.Context(), "l", "me", time.Second); return err },
			"Fsck":      func() error { _, err := l.far.Fsck(t.Context()); return err },
		} {
			start := time.Now()
			if err := call(); !errors.Is(err, scim.ErrUnavailable) {
				t.Errorf("%s() = %v, want %v", name, err, scim.ErrUnavailable)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s() took %v", name, took)
			}
		}
	}
	t.Run("silent", func(t *testing.T) {
		l.proxy.Swallow(1 << 30)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := l.far.Commit(ctx, l.change(u, "x"))
		if !errors.Is(err, scim.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Commit() past its deadline = %v, want %v and %v", err, scim.ErrUnavailable, context.DeadlineExceeded)
		}
		check(t)
		l.proxy.Swallow(0)
	})
	t.Run("cut", func(t *testing.T) {
		l.proxy.Cut(1 << 30)
		check(t)
		l.proxy.Cut(0)
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := l.far.Get(t.Context(), u.Ref, scim.With{})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Get() when Redis is back for 30 s = %v", err)
		}
	}
}
