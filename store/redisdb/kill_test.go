package redisdb

import (
	"fmt"
	"math/rand/v2"
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
	t.Parallel()
	server := testserver.StartRedis(t)
	// More than three edges are staged, which takes several steps.
	b := connectTo(t, Config{Addr: server.Addr(), MaxEdges: 3})
	b.abandoned = 100 * time.Millisecond
	// A feed as short as the load of a few rounds keeps the check as fast in the last as in the first.
	s := store.New(store.Config{Backend: b, FeedKeep: 5000})
	w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	m := newMourner(t.Context(), w)
	acked, rounds := 0, testserver.Rounds(4, 200)
	for round := range rounds {
		m.load(t, func() {
			time.Sleep(rand.N(150 * time.Millisecond))
			server.Kill()
		})
		server.Restart(t)
		waitReady(t, b)
		acked += m.check(t)
		storetest.CheckClean(t, t.Context(), s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d kills: %d changes acknowledged, none lost", rounds, acked)
}

// TestTornTail cuts the end of the file off, at any byte, as when the power fails, and repairs it as
// docs/redis.md says to. What is lost is lost wholly. With aof-load-truncated yes Redis would cut the
// file within a transaction, and the restart after the next apply half of it.
func TestTornTail(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t, "--appendfsync", "no", "--aof-load-truncated", "no")
	b := connect(t, server.Addr())
	s := store.New(store.Config{Backend: b, FeedKeep: 5000})
	w, err := s.Workspace(t.Context(), store.DefaultWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	m, lost := newMourner(t.Context(), w), 0
	for round := range testserver.Rounds(4, 100) {
		m.load(t, func() {
			time.Sleep(rand.N(100 * time.Millisecond))
			server.Kill()
		})
		server.TearFile(t, rand.N(int64(20_000)))
		server.RepairFile(t)
		server.Restart(t)
		waitReady(t, b)
		storetest.CheckClean(t, t.Context(), s)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		lost += m.forget(t)
	}
	if lost == 0 {
		t.Error("cutting the file lost nothing: the check for what is lost sees nothing")
	}
}

// waitReady waits until Redis has loaded its file.
func waitReady(t *testing.T, b *Backend) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := b.Verify(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
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
