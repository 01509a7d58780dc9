package redisdb

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

func users(n int) *scim.Query { return &scim.Query{Types: []string{"User"}, Count: n} }

// TestCluster: workspaces lie on all nodes, one of them moves to another node, and a master dies.
func TestCluster(t *testing.T) {
	t.Parallel()
	testserver.Long(t)
	servers := testserver.StartCluster(t, "--cluster-node-timeout", "3000")
	b := connectTo(t, Config{Cluster: servers.Addrs(), Confirm: 1, ConfirmTimeout: 500 * time.Millisecond})
	s := store.New(store.Config{Backend: b})
	perNode := map[int][]string{}
	for i := range 12 {
		name := fmt.Sprint("w", i)
		w, err := s.CreateWorkspace(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		node := servers.Owner(t, servers.SlotOf(t, seqKey(name)))
		perNode[node] = append(perNode[node], name)
		if acked, _ := create(t, w, 5, func(error) {}); len(acked) != 5 {
			t.Fatalf("%d users of %s are acknowledged, want 5", len(acked), name)
		}
	}
	if len(perNode) != 3 {
		t.Fatalf("the workspaces lie on %d nodes, want 3: %v", len(perNode), perNode)
	}
	t.Run("a workspace moves", func(t *testing.T) { movesTo(t, s, servers, perNode) })
	t.Run("a master dies", func(t *testing.T) { masterDies(t, s, servers, perNode) })
	storetest.CheckClean(t, t.Context(), s)
}

// movesTo moves a workspace between nodes: meanwhile it is out of reach where it is in both, and
// never seems to hold less than it does.
func movesTo(t *testing.T, s *store.Store, servers *testserver.Cluster, perNode map[int][]string) {
	name := perNode[0][0]
	slot := servers.SlotOf(t, seqKey(name))
	w, err := s.Workspace(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	servers.BeginMove(t, slot, 0, 1)
	for moved := 1; moved > 0; {
		moved = servers.MoveSome(t, slot, 0, 1, 4)
		page, err := w.Query(t.Context(), users(10))
		if err == nil && page.Total != 5 || err != nil && !errors.Is(err, scim.ErrUnavailable) {
			t.Errorf("Query() of a workspace that moves = %+v, %v, want 5 users or %v", page, err, scim.ErrUnavailable)
		}
		if _, doubted := create(t, w, 1, func(err error) {
			if !errors.Is(err, scim.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
				t.Errorf("Commit() to a workspace that moves = %v, want %v, and known not to be done", err, scim.ErrUnavailable)
			}
		}); len(doubted) != 1 {
			t.Error("a commit to a workspace that moves is done")
		}
	}
	servers.FinishMove(t, slot, 0, 1)
	page, err := w.Query(t.Context(), users(10))
	if err != nil || page.Total != 5 {
		t.Errorf("Query() behind the move = %+v, %v, want 5 users", page, err)
	}
	if acked, _ := create(t, w, 1, func(error) {}); len(acked) != 1 {
		t.Error("a commit behind the move is not done")
	}
}

// masterDies kills a master: the others' workspaces do not notice, and its own come back with its
// replica.
func masterDies(t *testing.T, s *store.Store, servers *testserver.Cluster, perNode map[int][]string) {
	open := func(node int) *store.Workspace {
		w, err := s.Workspace(t.Context(), perNode[node][1])
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	dead := 0
	if sys := servers.Owner(t, servers.SlotOf(t, seqKey("sys"))); sys == dead {
		dead = 1 // the list of workspaces is on none of those that are asked
	}
	gone, alive := open(dead), open(2)
	if _, err := gone.Query(t.Context(), users(1)); err != nil {
		t.Fatal(err)
	}
	servers.Nodes[dead].Kill()
	if acked, _ := create(t, alive, 3, func(err error) {
		if err != nil {
			t.Errorf("Commit() on a node that lives = %v", err)
		}
	}); len(acked) != 3 {
		t.Errorf("%d commits on a node that lives are done, want 3", len(acked))
	}
	total := 5
	for deadline := time.Now().Add(60 * time.Second); total == 5; time.Sleep(50 * time.Millisecond) {
		// Its replica has none of its own that could confirm.
		_, doubted := create(t, gone, 1, func(err error) {
			if errors.Is(err, store.ErrUnconfirmed) {
				total++
			}
		})
		if time.Now().After(deadline) {
			t.Fatalf("%d commits were in doubt, and no replica has taken over in a minute", len(doubted))
		}
	}
	page, err := gone.Query(t.Context(), users(1))
	if err != nil || page.Total < total {
		t.Errorf("Query() with the replica = %+v, %v, want %d users or more", page, err, total)
	}
}

// TestHistory: a restart and a promotion are noticed, and a slot on its way is an error.
func TestHistory(t *testing.T) {
	r := startReplicated(t)
	b := connect(t, r.master.Addr())
	history := func(b *Backend) string {
		t.Helper()
		h, err := b.History(t.Context(), ws)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := history(b)
	if again := history(b); again != first {
		t.Errorf("History() = %s, then %s", first, again)
	}
	replica := connectTo(t, Config{Addr: r.replica.Addr(), AllowUnsafe: []string{"replica"}})
	before := history(replica)
	r.promote(t)
	if after := history(replica); after == before {
		t.Error("History() does not tell of a promotion")
	}
	r.master.Restart(t)
	waitReady(t, b)
	if after := history(b); after == first {
		t.Error("History() does not tell of a restart")
	}
	for nodes, want := range map[string]bool{
		"a 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460\nb 127.0.0.1:2@3 master - 0 0 2 connected 5461-10922 [93-<-a]\n": false,
		"a 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460 [77->-b]\n":                                                      true,
		"a 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-5460 [93-<-b]\n":                                                      true,
	} {
		if isMoving(nodes) != want {
			t.Errorf("isMoving(%q) = %v, want %v", nodes, !want, want)
		}
	}
}
