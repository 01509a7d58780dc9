package redisdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

// TestKill kills Redis under load, again and again. With appendfsync always nothing that was
// acknowledged may be missing, and nothing may be half done.
func TestKill(t *testing.T) {
	server := testserver.StartRedis(t)
	b := connect(t, server.Addr())
	s := store.New(store.Config{Backend: b})
	w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	m := &mourner{ctx: t.Context(), w: w, acked: map[scim.Ref]scim.Version{}}
	for round := range testserver.Rounds(4, 200) {
		m.load(t, 8, func() {
			time.Sleep(rand.N(150 * time.Millisecond))
			server.Kill()
		})
		server.Restart(t)
		waitReady(t, b)
		if n := m.check(t); n == 0 {
			t.Errorf("round %d: nothing was acknowledged", round)
		}
		storetest.CheckClean(t, t.Context(), s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// waitReady waits until Redis has loaded its file.
func waitReady(t *testing.T, b *Backend) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := b.Verify(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// mourner writes, and remembers what was acknowledged.
type mourner struct {
	ctx context.Context
	w   *store.Workspace

	mu    sync.Mutex                // guards acked and n
	acked map[scim.Ref]scim.Version // 0 for what was deleted
	n     int
}

// load runs writers until they meet a Redis that is gone. It is killed once it has acknowledged
// something: connections of the one before may fail at first.
func (m *mourner) load(t *testing.T, writers int, kill func()) {
	t.Helper()
	var wg sync.WaitGroup
	var killed atomic.Bool
	for range writers {
		wg.Go(func() {
			for m.write() || !killed.Load() {
			}
		})
	}
	for deadline := time.Now().Add(30 * time.Second); m.acknowledged() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing is acknowledged in 30 s")
			break
		}
	}
	kill()
	killed.Store(true)
	wg.Wait()
}

func (m *mourner) acknowledged() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.acked)
}

// write makes a user and a group with it, and changes and deletes some; false when Redis is gone.
func (m *mourner) write() bool {
	ctx, cancel := context.WithTimeout(m.ctx, time.Second)
	defer cancel()
	m.mu.Lock()
	m.n++
	n := m.n
	m.mu.Unlock()
	u := &scim.Resource{Attributes: map[string]any{"userName": fmt.Sprint("u", n)}}
	u.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
	g := &scim.Resource{Attributes: map[string]any{"displayName": fmt.Sprint("g", n)}}
	g.Ref = scim.Ref{Type: "Group", ID: scim.NewID()}
	commits := []*scim.Commit{
		{Ref: u.Ref, Put: u},
		{Ref: g.Ref, Put: g, Edges: []scim.EdgeChange{{Member: u.Ref}}},
		{Ref: u.Ref, Expect: scim.MustExist, Put: &scim.Resource{Attributes: map[string]any{"userName": fmt.Sprint("v", n)}}},
	}
	if n%3 == 0 {
		commits = append(commits, &scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Delete: true})
	}
	for _, c := range commits {
		done, err := m.w.Commit(ctx, c)
		m.mu.Lock()
		switch {
		case err != nil:
			delete(m.acked, c.Ref) // unknown
		case c.Delete:
			m.acked[c.Ref] = 0
		default:
			m.acked[c.Ref] = done.Stored.Version
		}
		if c.Delete {
			delete(m.acked, g.Ref) // it lost a member, or may have, and has a later version
		}
		m.mu.Unlock()
		if err != nil {
			return false
		}
	}
	return true
}

// check looks for everything that was acknowledged.
func (m *mourner) check(t *testing.T) int {
	t.Helper()
	for ref, version := range m.acked {
		s, err := m.w.Get(m.ctx, ref, scim.With{})
		switch {
		case version == 0 && err == nil:
			t.Errorf("Get(%s) = version %d, want it deleted", ref, s.Version)
		case version != 0 && err != nil:
			t.Errorf("Get(%s) = %v, want version %d", ref, err, version)
		case version != 0 && s.Version != version:
			t.Errorf("Get(%s) = version %d, want %d", ref, s.Version, version)
		}
	}
	n := len(m.acked)
	clear(m.acked)
	return n
}

// TestForgottenScript: a restart forgets scripts, and commits do not notice.
func TestForgottenScript(t *testing.T) {
	b := opener(t)(t).(*Backend)
	w, err := store.New(store.Config{Backend: b}).Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := b.client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		commits := make([]*scim.Commit, 1+200*round)
		for i := range commits {
			u := &scim.Resource{Attributes: map[string]any{"userName": fmt.Sprint(round, ".", i)}}
			u.Ref = scim.Ref{Type: "User", ID: scim.NewID()}
			commits[i] = &scim.Commit{Ref: u.Ref, Put: u}
		}
		for i, res := range w.CommitMany(t.Context(), commits) {
			if res.Err != nil {
				t.Fatalf("commit %d of round %d = %v", i, round, res.Err)
			}
		}
	}
}
