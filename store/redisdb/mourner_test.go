package redisdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
	"rollcall/store"
)

// mourner writes, and knows what must be there afterwards: what was acknowledged wholly, and of
// what was not, all or nothing.
type mourner struct {
	ctx     context.Context
	w       *store.Workspace
	workers []*worker
}

// worker writes to resources of its own, so that it knows what they are.
type worker struct {
	*mourner
	n       int
	refused int // in a row
	acked   atomic.Int64
	lives   map[scim.Ref]*life
}

// life is a resource as it was acknowledged. The request in doubt, if there is one, would have
// made maybe of it.
type life struct {
	is    state
	maybe *state
}

type state struct {
	there   bool
	name    string
	members map[scim.Ref]bool
	version scim.Version // 0 for one that is not known
}

func (s *state) clone() *state {
	c := *s
	c.members, c.version = maps.Clone(s.members), 0
	return &c
}

const mourners = 8

func newMourner(ctx context.Context, w *store.Workspace) *mourner {
	m := &mourner{ctx: ctx, w: w}
	for range mourners {
		m.workers = append(m.workers, &worker{mourner: m, lives: map[scim.Ref]*life{}})
	}
	return m
}

// load has everybody write until Redis is gone. It is killed once everybody has something
// acknowledged: connections of the one before may fail at first.
func (m *mourner) load(t *testing.T, kill func()) {
	t.Helper()
	var wg sync.WaitGroup
	var killed atomic.Bool
	for _, w := range m.workers {
		w.acked.Store(0)
		wg.Go(func() {
			for w.write() || !killed.Load() {
				if w.refused > 0 { // not everything is to be in doubt before it is gone
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for deadline := time.Now().Add(60 * time.Second); slices.ContainsFunc(m.workers, func(w *worker) bool { return w.acked.Load() == 0 }); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing is acknowledged in a minute")
			break
		}
	}
	kill()
	killed.Store(true)
	wg.Wait()
}

// write makes one change; false where it is in doubt, or nothing can be changed.
func (w *worker) write() bool {
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	c, changed := w.next()
	if c == nil {
		return false
	}
	done, err := w.w.Commit(ctx, c)
	if err != nil {
		w.refused++
		return false // changed stays as maybe
	}
	w.refused = 0
	for _, ref := range changed {
		l := w.lives[ref]
		l.is, l.maybe = *l.maybe, nil
	}
	if done.Stored != nil {
		w.lives[c.Ref].is.version = done.Stored.Version
	}
	w.acked.Add(1)
	return true
}

// next is a change and what it concerns, none where chance picked something impossible. A resource
// in doubt is left alone.
func (w *worker) next() (*scim.Commit, []scim.Ref) {
	w.n++
	kind := rand.N(100)
	if len(w.lives) > 60 { // as many go as come
		kind = 60 + rand.N(40)
	}
	pick := func(typ string) (scim.Ref, *life) {
		for ref, l := range w.lives { // in no order
			if ref.Type == typ && l.is.there && l.maybe == nil {
				return ref, l
			}
		}
		return scim.Ref{}, nil
	}
	user, u := pick("User")
	group, g := pick("Group")
	switch {
	case kind < 30:
		return w.create("User", "userName", nil)
	case kind < 40:
		return w.create("Group", "displayName", w.some())
	case kind < 55 && u != nil:
		return w.rename(user, u, "userName")
	case kind < 60 && g != nil:
		return w.rename(group, g, "displayName")
	case kind < 78 && u != nil && g != nil:
		return w.edges(group, g, []scim.Ref{user})
	case kind < 85 && g != nil:
		return w.edges(group, g, w.some())
	case kind < 90 && g != nil:
		g.maybe = &state{}
		return &scim.Commit{Ref: group, Expect: scim.MustExist, Delete: true}, []scim.Ref{group}
	case kind >= 90 && u != nil:
		return w.remove(user, u)
	}
	return nil, nil
}

func (w *worker) name() string { return fmt.Sprintf("%p-%d", w, w.n) }

// some are a few users that are there.
func (w *worker) some() (users []scim.Ref) {
	for ref, l := range w.lives {
		if ref.Type == "User" && l.is.there && l.maybe == nil && len(users) < 8 {
			users = append(users, ref)
		}
	}
	return users
}

func (w *worker) create(typ, attr string, members []scim.Ref) (*scim.Commit, []scim.Ref) {
	s := &state{there: true, name: w.name(), members: map[scim.Ref]bool{}}
	r := &scim.Resource{Attributes: map[string]any{attr: s.name}}
	r.Ref = scim.Ref{Type: typ, ID: scim.NewID()}
	c := &scim.Commit{Ref: r.Ref, Put: r}
	for _, member := range members {
		s.members[member] = true
		c.Edges = append(c.Edges, scim.EdgeChange{Member: member})
	}
	w.lives[r.Ref] = &life{maybe: s}
	return c, []scim.Ref{r.Ref}
}

// rename replaces a resource, half of the time as one who has read it.
func (w *worker) rename(ref scim.Ref, l *life, attr string) (*scim.Commit, []scim.Ref) {
	l.maybe = l.is.clone()
	l.maybe.name = w.name()
	c := &scim.Commit{Ref: ref, Expect: scim.MustExist, Put: &scim.Resource{Attributes: map[string]any{attr: l.maybe.name}}}
	if l.is.version != 0 && rand.N(2) == 0 {
		c.Expect = l.is.version
	}
	return c, []scim.Ref{ref}
}

// edges has those leave a group who are in it, and the others join.
func (w *worker) edges(group scim.Ref, l *life, users []scim.Ref) (*scim.Commit, []scim.Ref) {
	l.maybe = l.is.clone()
	c := &scim.Commit{Ref: group, Expect: scim.MustExist}
	for _, user := range users {
		there := l.is.members[user]
		if there {
			delete(l.maybe.members, user)
		} else {
			l.maybe.members[user] = true
		}
		c.Edges = append(c.Edges, scim.EdgeChange{Remove: there, Member: user})
	}
	return c, []scim.Ref{group}
}

// remove deletes a user, whom its groups lose.
func (w *worker) remove(user scim.Ref, l *life) (*scim.Commit, []scim.Ref) {
	l.maybe = &state{}
	changed := []scim.Ref{user}
	for ref, g := range w.lives {
		if !g.is.members[user] && (g.maybe == nil || !g.maybe.members[user]) {
			continue
		}
		if g.maybe != nil { // its own change is in doubt: leave both alone
			l.maybe = nil
			return nil, nil
		}
		changed = append(changed, ref)
	}
	for _, ref := range changed[1:] {
		g := w.lives[ref]
		g.maybe = g.is.clone()
		delete(g.maybe.members, user)
	}
	return &scim.Commit{Ref: user, Expect: scim.MustExist, Delete: true}, changed
}

// check looks at everything there is or was, and returns how many changes were acknowledged.
func (m *mourner) check(t *testing.T) (acked int) {
	t.Helper()
	for _, w := range m.workers {
		for ref, l := range w.lives {
			now := w.read(t, ref)
			if !now.is(&l.is) && (l.maybe == nil || !now.is(l.maybe)) {
				t.Errorf("%s is %+v, want %+v or %+v", ref, *now, l.is, l.maybe)
			}
			w.accept(ref, now)
		}
		acked += int(w.acked.Load())
	}
	m.checkLists(t)
	return acked
}

// checkLists holds that the index lists what there is, after a fail-over too.
func (m *mourner) checkLists(t *testing.T) {
	t.Helper()
	want := map[string]int{}
	for _, w := range m.workers {
		for ref := range w.lives {
			want[ref.Type]++
		}
	}
	for _, typ := range []string{"User", "Group"} {
		page, err := m.w.Query(m.ctx, &scim.Query{Types: []string{typ}, Count: 1})
		if err != nil || page.Total != want[typ] {
			t.Errorf("Query() of every %s = %+v, %v, want %d", typ, page, err, want[typ])
		}
	}
}

// forget takes what there is for what must be, and returns how much that differs.
func (m *mourner) forget(t *testing.T) (lost int) {
	t.Helper()
	for _, w := range m.workers {
		for ref, l := range w.lives {
			now := w.read(t, ref)
			if !now.is(&l.is) && (l.maybe == nil || !now.is(l.maybe)) {
				lost++
			}
			w.accept(ref, now)
		}
	}
	return lost
}

func (w *worker) accept(ref scim.Ref, now *state) {
	if now.there {
		w.lives[ref] = &life{is: *now}
	} else {
		delete(w.lives, ref)
	}
}

// is tells whether a state that was read is the one that is wanted.
func (s *state) is(want *state) bool {
	return s.there == want.there && s.name == want.name && maps.Equal(s.members, want.members) &&
		(want.version == 0 || s.version == want.version)
}

func (m *mourner) read(t *testing.T, ref scim.Ref) *state {
	t.Helper()
	now := &state{members: map[scim.Ref]bool{}}
	stored, err := m.w.Get(m.ctx, ref, scim.With{})
	if err != nil {
		if !errors.Is(err, scim.ErrNotFound) {
			t.Fatalf("Get(%s) = %v", ref, err)
		}
		now.members = nil
		return now
	}
	r, err := stored.Resource()
	if err != nil {
		t.Fatal(err)
	}
	display, _ := r.Attributes["displayName"].(string)
	now.there, now.version, now.name = true, stored.Version, cmp.Or(r.UserName(), display)
	for member, err := range m.w.Members(m.ctx, ref, scim.Ref{}) {
		if err != nil {
			t.Fatalf("Members(%s) = %v", ref, err)
		}
		now.members[member] = true
	}
	return now
}
