package redisdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/boltdb"
	"rollcall/store/storetest"
)

// stage is a group of 300 members, of whom 150 are to go, and 150 others to come.
type stage struct {
	testing.TB
	b        *Backend
	s        *store.Store
	w        *store.Workspace
	group    scim.Ref
	old, new []scim.Ref // members, in order
	change   []scim.EdgeChange
}

func newStage(t *testing.T) *stage {
	t.Helper()
	server := testserver.StartRedis(t, "--appendfsync", "no")
	b, err := Open(t.Context(), Config{Addr: server.Addr(), MaxEdges: 40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	g := &stage{TB: t, b: b, s: store.New(store.Config{Backend: b})}
	if g.w, err = g.s.Workspace(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	var people []scim.Ref
	var commits []*scim.Commit
	for i := range 450 {
		ref := scim.Ref{Type: "User", ID: fmt.Sprintf("u%03d", i)}
		people = append(people, ref)
		commits = append(commits, &scim.Commit{Ref: ref, Put: &scim.Resource{Attributes: map[string]any{"userName": ref.ID}}})
	}
	for _, r := range g.w.CommitMany(t.Context(), commits) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	g.group = scim.Ref{Type: "Group", ID: "g"}
	g.old, g.new = people[:300], people[150:]
	create := &scim.Commit{Ref: g.group, Put: &scim.Resource{Attributes: map[string]any{"displayName": "G"}}}
	for _, p := range g.old {
		create.Edges = append(create.Edges, scim.EdgeChange{Member: p})
	}
	g.commit(create)
	for i := range 150 {
		g.change = append(g.change, scim.EdgeChange{Remove: true, Member: people[i]}, scim.EdgeChange{Member: people[300+i]})
	}
	g.check(g.old)
	return g
}

func (g *stage) commit(c *scim.Commit) *scim.Committed {
	g.Helper()
	done, err := g.w.Commit(g.Context(), c)
	if err != nil {
		g.Fatalf("Commit() = %v", err)
	}
	return done
}

// tx is the change as a Tx.
func (g *stage) tx() *store.Tx {
	tx := &store.Tx{Workspace: ws, Ref: g.group, Op: store.OpTouch, Expect: scim.MustExist, Nonce: "abcdefghijkl", KeepImages: 10}
	for _, e := range g.change {
		tx.Edges = append(tx.Edges, store.Edge{Remove: e.Remove, Group: g.group, Member: e.Member})
	}
	return tx
}

// until does the change up to a step, as a process does that then dies: 0 stages some of it, 1 all,
// 2 does it, each more merges some.
func (g *stage) until(step int) {
	g.Helper()
	tx := g.tx()
	if step == 0 {
		tx.Edges = tx.Edges[:100]
	}
	if _, res := g.b.stage(g.Context(), tx); res.Status != store.StatusDone {
		g.Fatalf("stage() = %+v", res)
	}
	if step < 2 {
		return
	}
	f, err := g.b.readStaged(g.Context(), tx)
	if err != nil {
		g.Fatal(err)
	}
	keys, args := request(tx, f)
	if res := g.b.commit(g.Context(), keys, args); res.Status != store.StatusDone || res.Added != 150 || res.Removed != 150 {
		g.Fatalf("commit() = %+v", res)
	}
	for range step - 2 {
		if err := g.b.eval(g.Context(), mergeScript, []string{stagedKey(ws)}, prefix(ws), g.group.String(), tx.Nonce, 33).Err(); err != nil {
			g.Fatal(err)
		}
	}
}

// check holds that the group has these members, whichever way it is asked.
func (g *stage) check(want []scim.Ref) {
	g.Helper()
	var got []scim.Ref
	for ref, err := range g.w.Members(g.Context(), g.group, scim.Ref{}) {
		if err != nil {
			g.Fatal(err)
		}
		got = append(got, ref)
	}
	if !slices.Equal(got, want) {
		g.Errorf("there are %d members from %v, want %d from %v", len(got), got[:1], len(want), want[:1])
	}
	for _, limit := range []int{1, 7, 500} {
		for _, after := range []int{0, 149, len(want) - 2} {
			page, err := g.b.Edges(g.Context(), ws, g.group, store.Members, want[after], limit)
			if rest := want[after+1:]; err != nil || !slices.Equal(page, rest[:min(limit, len(rest))]) {
				g.Errorf("Edges() behind %d: %d of them, %v, want %d", after, len(page), err, min(limit, len(rest)))
			}
		}
	}
	var all []scim.Ref
	for i := 0; i < 450; i += 75 {
		all = append(all, scim.Ref{Type: "User", ID: fmt.Sprintf("u%03d", i)})
	}
	raws, err := g.b.Read(g.Context(), ws, all, true)
	if err != nil {
		g.Fatal(err)
	}
	edges := make([]store.EdgeAt, len(all))
	for i, ref := range all {
		edges[i] = store.EdgeAt{From: g.group, To: ref}
	}
	has, err := g.b.HasEdges(g.Context(), ws, store.Members, edges)
	if err != nil {
		g.Fatal(err)
	}
	for i, ref := range all {
		is := slices.Contains(want, ref)
		one, err := g.w.Lookup(g.Context(), "User", "userName", ref.ID, scim.With{Groups: true})
		if err != nil || (len(one.Groups) == 1) != is || (len(raws[i].Groups) == 1) != is || has[i] != is {
			g.Errorf("%s: Lookup() has groups %v, %v, Read() %v, HasEdges() %v, want them %v", ref, one.Groups, err, raws[i].Groups, has[i], is)
		}
	}
	storetest.CheckClean(g, g.Context(), g.s)
}

// TestStagedCrash: whoever dies at whatever step of a change of many members, readers see all of
// it or nothing, and the next change finishes or undoes it.
func TestStagedCrash(t *testing.T) {
	for step := range 13 {
		for _, way := range []string{"recover", "commit"} {
			if way == "commit" && step%3 != 0 {
				continue
			}
			t.Run(fmt.Sprint(way, step), func(t *testing.T) {
				g := newStage(t)
				g.until(step)
				want := g.old
				if step >= 2 {
					want = g.new
				}
				g.check(want)
				if step < 2 {
					if n, err := g.b.Recover(t.Context(), ws); n != 1 || err != nil {
						t.Errorf("Recover() of what someone may be at work on = %d, %v, want 1", n, err)
					}
					g.b.abandoned = time.Nanosecond
					time.Sleep(2 * time.Millisecond)
				}
				if way == "recover" {
					if n, err := g.b.Recover(t.Context(), ws); n != 0 || err != nil {
						t.Errorf("Recover() = %d, %v, want 0", n, err)
					}
				} else {
					g.commit(&scim.Commit{Ref: g.group, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: want[5]}}})
					want = slices.Delete(slices.Clone(want), 5, 6)
				}
				g.check(want)
				if keys := g.b.client.Keys(t.Context(), prefix(ws)+"x:*").Val(); len(keys) > 0 {
					t.Errorf("there is left %v", keys)
				}
			})
		}
	}
}

// TestStagedWaits: changes of the same edges wait for a change of many that is under way, others
// do not.
func TestStagedWaits(t *testing.T) {
	g := newStage(t)
	g.until(1)
	coming := g.new[len(g.new)-1]
	other := scim.Ref{Type: "Group", ID: "other"}
	g.commit(&scim.Commit{Ref: other, Put: &scim.Resource{Attributes: map[string]any{"displayName": "O"}}, Edges: []scim.EdgeChange{{Member: coming}}})
	for name, c := range map[string]*scim.Commit{
		"add":           {Ref: g.group, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: coming}}},
		"delete":        {Ref: g.group, Expect: scim.MustExist, Delete: true},
		"delete member": {Ref: coming, Expect: scim.MustExist, Delete: true},
		"nest":          {Ref: other, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: g.group}}},
		"many":          {Ref: g.group, Expect: scim.MustExist, Edges: g.change[:90]},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := g.w.Commit(ctx, c); !errors.Is(err, scim.ErrUnavailable) {
			t.Errorf("%s: Commit() = %v, want ErrUnavailable", name, err)
		}
		cancel()
	}
	g.check(g.old)
	g.b.abandoned = time.Nanosecond
	g.commit(&scim.Commit{Ref: coming, Expect: scim.MustExist, Delete: true})
	g.check(g.old)
}

// TestStagedAtOnce: a reader sees a change of many members whole or not at all, while it happens.
func TestStagedAtOnce(t *testing.T) {
	g := newStage(t)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				page, err := g.b.Edges(ctx, ws, g.group, store.Members, scim.Ref{}, 10_000)
				if err != nil {
					continue // the end
				}
				if !slices.Equal(page, g.old) && !slices.Equal(page, g.new) {
					t.Errorf("there are %d members from %v, want the old or the new", len(page), page[0])
					return
				}
			}
		})
	}
	back := make([]scim.EdgeChange, len(g.change))
	for i, e := range g.change {
		back[i] = scim.EdgeChange{Remove: !e.Remove, Member: e.Member}
	}
	for range 3 {
		for _, edges := range [][]scim.EdgeChange{g.change, back} {
			if done := g.commit(&scim.Commit{Ref: g.group, Expect: scim.MustExist, Edges: edges}); done.Added != 150 || done.Removed != 150 {
				t.Errorf("Commit() = %+v, want 150 of each", done)
			}
		}
	}
	stop()
	readers.Wait()
	if changes, err := g.w.Changes(t.Context(), 451, 100); err != nil || len(changes) != 6 || len(changes[0].Edges) != 300 {
		t.Errorf("Changes() = %d, %v, want 6 of 300 edges", len(changes), err)
	}
	g.check(g.old)
}

// TestStagedDeletion: a group of many members, and a member of many groups, go at once.
func TestStagedDeletion(t *testing.T) {
	g := newStage(t)
	g.until(12)
	g.commit(&scim.Commit{Ref: g.group, Expect: scim.MustExist, Delete: true})
	for ref, err := range g.w.Members(t.Context(), g.group, scim.Ref{}) {
		t.Errorf("Members() = %v, %v, want none", ref, err)
	}
	one, err := g.w.Get(t.Context(), g.new[7], scim.With{Groups: true})
	if err != nil || len(one.Groups) != 0 {
		t.Errorf("Get() = %+v, %v, want no groups", one, err)
	}
	var commits []*scim.Commit
	for i := range 90 {
		ref := scim.Ref{Type: "Group", ID: fmt.Sprintf("h%02d", i)}
		commits = append(commits, &scim.Commit{Ref: ref, Put: &scim.Resource{Attributes: map[string]any{"displayName": ref.ID}},
			Edges: []scim.EdgeChange{{Member: one.Ref}, {Member: g.new[0]}}})
	}
	for _, r := range g.w.CommitMany(t.Context(), commits) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	g.commit(&scim.Commit{Ref: one.Ref, Expect: scim.MustExist, Delete: true})
	members, err := g.b.Edges(t.Context(), ws, commits[89].Ref, store.Members, scim.Ref{}, 10)
	if err != nil || !slices.Equal(members, g.new[:1]) {
		t.Errorf("Edges() = %v, %v", members, err)
	}
	storetest.CheckClean(t, t.Context(), g.s)
}

// TestStagedCopy: a change that is done, and not yet merged, is in a copy; one that may be under
// way refuses it.
func TestStagedCopy(t *testing.T) {
	g := newStage(t)
	g.until(1)
	target, err := boltdb.Open(filepath.Join(t.TempDir(), "copy.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	if _, err := store.Copy(t.Context(), g.b, target, func(store.Copied) {}); !errors.Is(err, scim.ErrLocked) {
		t.Errorf("Copy() = %v, want ErrLocked", err)
	}
	g.until(4)
	all, err := store.Copy(t.Context(), g.b, target, func(store.Copied) {})
	if err != nil || all[1].Items["members"] != 300 {
		t.Fatalf("Copy() = %+v, %v", all, err)
	}
	page, err := target.Edges(t.Context(), ws, g.group, store.Members, scim.Ref{}, 1000)
	if err != nil || !slices.Equal(page, g.new) {
		t.Errorf("the copy has %d members, %v, want %d", len(page), err, len(g.new))
	}
}

// TestChangeBeforeTheMerge: who leaves again, or comes back, after a change of many edges is done and
// before it is merged, is not taken for one who left or is there already.
func TestChangeBeforeTheMerge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(g *stage) scim.EdgeChange
		want   func(g *stage) []scim.Ref
	}{
		{"leaves again", func(g *stage) scim.EdgeChange { return scim.EdgeChange{Remove: true, Member: g.new[299]} }, func(g *stage) []scim.Ref { return g.new[:299] }},
		{"comes back", func(g *stage) scim.EdgeChange { return scim.EdgeChange{Member: g.old[149]} }, func(g *stage) []scim.Ref { return append([]scim.Ref{g.old[149]}, g.new...) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newStage(t)
			g.until(2)
			done := g.commit(&scim.Commit{Ref: g.group, Expect: scim.MustExist, Edges: []scim.EdgeChange{c.change(g)}})
			if !done.Changed || done.Added+done.Removed != 1 {
				t.Errorf("Commit() = %+v, want it to change one", done)
			}
			g.check(c.want(g))
			storetest.CheckClean(t, t.Context(), g.s)
		})
	}
}

// TestBusyLeavesNothing: a change of many edges that finds somebody else at work on one of them has
// staged nothing, which nobody would own and take away.
func TestBusyLeavesNothing(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	now := fmt.Sprintf("%013d", time.Now().UnixMilli())
	if err := g.b.client.HSet(t.Context(), stagedKey(ws), g.new[160].String(), "p zyxwvutsrqpo "+now).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := g.w.Commit(ctx, &scim.Commit{Ref: g.group, Expect: scim.MustExist, Edges: g.change}); err == nil {
		t.Fatal("a change of somebody whom another is at work on was made")
	}
	if keys, err := g.b.client.Keys(t.Context(), prefix(ws)+"x:*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("staged are %v, %v", keys, err)
	}
}
