package redisdb

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

// replicated is a master and a replica that receives through a proxy.
type replicated struct {
	master, replica *testserver.Redis
	link            *testserver.Proxy
}

func startReplicated(t *testing.T) *replicated {
	r := &replicated{master: testserver.StartRedis(t)}
	r.link = testserver.StartProxy(t, r.master.Addr())
	r.replica = testserver.StartRedis(t)
	host, port, err := net.SplitHostPort(r.link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	r.replica.Do(t, "REPLICAOF", host, port)
	r.replica.Until(t, func(reply string) bool { return strings.Contains(reply, "master_link_status:up") }, "INFO", "replication")
	return r
}

// promote has the replica take the place of the master.
func (r *replicated) promote(t *testing.T) {
	r.master.Kill()
	r.replica.Do(t, "REPLICAOF", "NO", "ONE")
}

func workspace(t *testing.T, b store.Backend) (*store.Store, *store.Workspace) {
	t.Helper()
	s := store.New(store.Config{Backend: b})
	w, err := s.Workspace(t.Context(), ws)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

// create makes n users, and sorts them by whether that was acknowledged.
func create(t *testing.T, w *store.Workspace, n int, check func(error)) (acked, others []scim.Ref) {
	for range n {
		u := &scim.Resource{Attributes: map[string]any{"userName": scim.NewID()}}
		u.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
		_, err := w.Commit(t.Context(), &scim.Commit{Ref: u.Ref, Put: u})
		check(err)
		if err == nil {
			acked = append(acked, u.Ref)
		} else {
			others = append(others, u.Ref)
		}
	}
	return acked, others
}

// TestConfirm cuts a replica off from what its master writes, and makes it the master: what had
// been acknowledged is all there, and what was not had been told to be in doubt.
func TestConfirm(t *testing.T) {
	for _, confirm := range []int{1, 0} {
		t.Run(fmt.Sprint("replicas asked ", confirm), func(t *testing.T) {
			r := startReplicated(t)
			c := Config{Addr: r.master.Addr(), Confirm: confirm, ConfirmTimeout: 100 * time.Millisecond}
			_, w := workspace(t, connectTo(t, c))
			// A busy replica may take long for one or the other: that is not acknowledged, and told.
			acked, doubted := create(t, w, 40, func(err error) {
				if err != nil && !(errors.Is(err, store.ErrUnconfirmed) && errors.Is(err, scim.ErrUnavailable)) {
					t.Fatalf("Commit() = %v", err)
				}
			})
			if len(acked) == 0 {
				t.Fatal("nothing is acknowledged while the replica receives")
			}
			r.link.Swallow(1 << 30)
			more, lost := create(t, w, 10, func(error) {})
			if confirm == 1 && len(more) > 0 {
				t.Errorf("%d commits are acknowledged that no replica has", len(more))
			}
			if confirm == 1 && len(doubted)+len(lost) < 10 {
				t.Errorf("%d commits are in doubt, want 10", len(doubted)+len(lost))
			}
			if confirm == 1 { // to find it there already is an acknowledgement too
				u := &scim.Resource{Header: scim.Header{Ref: lost[0]}}
				checkUnconfirmed(t, w, &scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Delete: true})
			}

			r.promote(t)
			s, after := workspace(t, connectTo(t, Config{Addr: r.replica.Addr()}))
			gone := 0
			for _, ref := range append(acked, more...) {
				if _, err := after.Get(t.Context(), ref, scim.With{}); err != nil {
					gone++
				}
			}
			if confirm == 1 && gone > 0 {
				t.Errorf("%d acknowledged users are lost", gone)
			}
			if confirm == 0 && gone == 0 {
				t.Error("nothing is lost without asking replicas: the test sees nothing")
			}
			storetest.CheckClean(t, t.Context(), s)
		})
	}
}

func checkUnconfirmed(t *testing.T, w *store.Workspace, c *scim.Commit) {
	t.Helper()
	if _, err := w.Commit(t.Context(), c); !errors.Is(err, store.ErrUnconfirmed) {
		t.Errorf("Commit() = %v, want %v", err, store.ErrUnconfirmed)
	}
}

// TestConfirmWhatWasThere: what a request finds done already, by another connection, is
// acknowledged only when it is confirmed; so are small data and locks.
func TestConfirmWhatWasThere(t *testing.T) {
	r := startReplicated(t)
	strict := Config{Addr: r.master.Addr(), Confirm: 1, ConfirmTimeout: 100 * time.Millisecond}
	_, lax := workspace(t, connectTo(t, Config{Addr: r.master.Addr()}))
	_, w := workspace(t, connectTo(t, strict))
	ignore := func(error) {}
	u, _ := create(t, lax, 1, ignore)
	g := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "Group", ID: scim.NewID()}}, Attributes: map[string]any{"displayName": "g"}}
	r.link.Swallow(1 << 30)
	for _, c := range []*scim.Commit{{Ref: g.Ref, Put: g}, {Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: u[0]}}}} {
		if _, err := lax.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	checkUnconfirmed(t, w, &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: u[0]}}})
	for what, err := range map[string]error{
		"Put()":          w.KV("s").Put(t.Context(), "k", []byte("v"), nil),
		"Put() over old": w.KV("s").Put(t.Context(), "k2", []byte("v"), []byte{}),
		"Delete()":       w.KV("s").Delete(t.Context(), "k"),
		"Lock()":         func() error { _, err := w.Lock(t.Context(), "l", "me", time.Minute); return err }(),
	} {
		if !errors.Is(err, store.ErrUnconfirmed) {
			t.Errorf("%s = %v, want %v", what, err, store.ErrUnconfirmed)
		}
	}
}

// TestFailover kills the master under load, again and again, while sentinels make the replica the
// master: what was confirmed is there, and nothing is half done.
func TestFailover(t *testing.T) {
	t.Parallel()
	testserver.Long(t)
	servers := testserver.StartSentinel(t)
	c := behind(servers)
	c.Confirm, c.ConfirmTimeout = 1, 500*time.Millisecond
	b := connectTo(t, c)
	s, w := workspace(t, b)
	m := newMourner(t.Context(), w)
	for round := range testserver.Rounds(1, 20) {
		m.load(t, func() { servers.Nodes[round%2].Kill() })
		waitReady(t, b)
		if n := m.check(t); n == 0 {
			t.Errorf("round %d: nothing was acknowledged", round)
		}
		storetest.CheckClean(t, t.Context(), s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		servers.Rejoin(t, round%2)
	}
}
