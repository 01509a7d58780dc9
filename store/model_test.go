package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// TestModel makes random commits and queries by two replicas, which are now and then started
// anew, and holds every answer against a directory in plain Go maps.
func TestModel(t *testing.T) {
	steps := testserver.Rounds(2000, 100_000)
	onBoth(t, func(t *testing.T, b store.Backend) {
		n, done := 0, 0
		for done < steps && !t.Failed() {
			rapid.Check(t, func(rt *rapid.T) {
				if done >= steps {
					return
				}
				n++
				m := &model{T: rt, ctx: t.Context(), users: map[string]person{}, groups: map[string]*band{}}
				m.fresh = func() *store.Workspace {
					return replica(t, store.Config{Backend: b, Model: indexedModel}, fmt.Sprint("m", n))
				}
				m.replicas = [2]*store.Workspace{m.fresh(), m.fresh()}
				for range rapid.IntRange(20, 150).Draw(rt, "steps") {
					m.step()
					done++
				}
				m.end()
			})
		}
	})
}

// model is the directory as plain Go.
type model struct {
	*rapid.T
	ctx      context.Context
	fresh    func() *store.Workspace
	replicas [2]*store.Workspace

	users  map[string]person
	groups map[string]*band
	feed   []string // of change n, at n-1
	walk   *walk    // over pages, with other steps in between; nil for none
}

type person struct {
	id, name, title, family, badge string
	grade                          int
	active                         bool
	version                        scim.Version
}

type band struct {
	id, name string
	members  map[string]bool // ids of users and of groups
	version  scim.Version
}

func choose[T any](m *model, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(m.T, what)
}

func (m *model) chance(what string, n int) bool { return rapid.IntRange(0, n-1).Draw(m.T, what) == 0 }

func (m *model) store() *store.Workspace { return choose(m, "replica", m.replicas[:]...) }

func (m *model) step() {
	steps := []func(){m.createUser, m.createUser, m.createUsers, m.createGroup, m.change, m.change, m.stale, m.remove, m.move, m.move, m.move,
		m.get, m.lookup, m.list, m.list, m.list, m.list, m.members, m.turn, m.turn, m.turn, m.changes, m.restart}
	choose(m, "step", steps...)()
}

func (m *model) restart() { m.replicas[rapid.IntRange(0, 1).Draw(m.T, "which")] = m.fresh() }

// somebody is one user, and some other id where there is none.
func (m *model) somebody() string {
	ids := slices.Sorted(maps.Keys(m.users))
	if len(ids) == 0 || m.chance("nobody", 20) {
		return scim.NewID()
	}
	return choose(m, "user", ids...)
}

func (m *model) somegroup() string {
	ids := slices.Sorted(maps.Keys(m.groups))
	if len(ids) == 0 {
		return scim.NewID()
	}
	return choose(m, "group", ids...)
}

// fill is a person with random attributes.
func (m *model) fill(id string) person {
	return person{id: id, name: choose(m, "case", "Ada", "ada", "BOB", "cyd") + fmt.Sprint(rapid.IntRange(0, 25).Draw(m.T, "name")),
		title: choose(m, "title", "", "Clerk", "clerk", "Boss", "Bossa"), family: choose(m, "family", "", "Larsson", "Meyer", "ng", "Ng"),
		badge: choose(m, "badge", "", "a", "A", "b1"), grade: choose(m, "grade", 0, -2, 7, 10), active: rapid.Bool().Draw(m.T, "active")}
}

func (p person) resource() *scim.Resource {
	r := &scim.Resource{Header: scim.Header{Ref: userRef(p.id)}, Attributes: map[string]any{"userName": p.name, "active": p.active}}
	if p.title != "" {
		r.Attributes["title"] = p.title
	}
	if p.family != "" {
		r.Attributes["name"] = map[string]any{"familyName": p.family}
	}
	hr := map[string]any{"grade": int64(p.grade)}
	if p.badge != "" {
		hr["badge"] = p.badge
	}
	r.Attributes[hrURN] = hr
	return r
}

// taken tells who else has the name.
func (m *model) taken(p person) bool {
	for _, u := range m.users {
		if u.id != p.id && strings.EqualFold(u.name, p.name) {
			return true
		}
	}
	return false
}

// committed notes a change, which must have the next number.
func (m *model) committed(v scim.Version, format string, args ...any) {
	m.feed = append(m.feed, fmt.Sprintf(format, args...))
	if int(v) != len(m.feed) {
		m.Fatalf("%s has the number %d, want %d", m.feed[len(m.feed)-1], v, len(m.feed))
	}
}

// expect fails unless an error is as wanted.
func (m *model) expect(what string, err, want error) bool {
	m.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		m.Fatalf("%s = %v, want %v", what, err, want)
	}
	return err == nil
}

func (m *model) createUser() {
	p := m.fill(scim.NewID())
	done, err := m.store().Commit(m.ctx, &scim.Commit{Ref: userRef(p.id), Put: p.resource()})
	m.created(p, done, err)
}

func (m *model) created(p person, done *scim.Committed, err error) {
	var want error
	if m.taken(p) {
		want = scim.ErrUniqueness
	}
	if m.expect("create of "+p.name, err, want) {
		p.version = done.Stored.Version
		m.committed(p.version, "create User/%s before 0", p.id)
		m.users[p.id] = p
	}
}

// createUsers makes several in one call, with different names.
func (m *model) createUsers() {
	var people []person
	var commits []*scim.Commit
	for range rapid.IntRange(1, 4).Draw(m.T, "people") {
		p := m.fill(scim.NewID())
		if !slices.ContainsFunc(people, func(q person) bool { return strings.EqualFold(p.name, q.name) }) {
			people = append(people, p)
			commits = append(commits, &scim.Commit{Ref: userRef(p.id), Put: p.resource()})
		}
	}
	results := m.store().CommitMany(m.ctx, commits)
	order := make([]int, len(people))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(version(results[a]), version(results[b])) })
	for _, i := range order {
		m.created(people[i], results[i].Committed, results[i].Err)
	}
}

func version(r scim.CommitResult) scim.Version {
	if r.Err != nil {
		return 0
	}
	return r.Stored.Version
}

func (m *model) createGroup() {
	g := &band{id: scim.NewID(), name: fmt.Sprint(choose(m, "case", "G", "g"), rapid.IntRange(0, 9).Draw(m.T, "name")), members: map[string]bool{}}
	c := &scim.Commit{Ref: scim.Ref{Type: "Group", ID: g.id}, Put: &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "Group", ID: g.id}}, Attributes: map[string]any{"displayName": g.name}}}
	member := m.somebody()
	c.Edges = []scim.EdgeChange{{Member: userRef(member)}}
	done, err := m.store().Commit(m.ctx, c)
	var want error
	for _, other := range m.groups {
		if strings.EqualFold(other.name, g.name) {
			want = scim.ErrUniqueness
		}
	}
	if m.expect("create of a group", err, want) {
		edges := ""
		if _, is := m.users[member]; is {
			g.members[member], edges = true, " +"+member
		}
		g.version = done.Stored.Version
		m.committed(g.version, "create Group/%s before 0%s", g.id, edges)
		m.groups[g.id] = g
	}
}

// change replaces a user.
func (m *model) change() {
	p := m.fill(m.somebody())
	old, is := m.users[p.id]
	if is && m.chance("the same", 8) {
		p = old
	}
	c := &scim.Commit{Ref: userRef(p.id), Expect: choose(m, "expect", scim.MustExist, old.version), Put: p.resource()}
	if is && m.chance("old", 2) {
		stored, err := m.store().Get(m.ctx, c.Ref, scim.With{})
		m.expect("Get", err, nil)
		c.Old, c.Expect = stored, stored.Version
	}
	if !is {
		c.Expect = scim.MustExist
	}
	done, err := m.store().Commit(m.ctx, c)
	var want error
	switch {
	case !is:
		want = scim.ErrNotFound
	case m.taken(p):
		want = scim.ErrUniqueness
	}
	if !m.expect("change to "+p.name, err, want) {
		return
	}
	if p.version = old.version; p == old { // nothing to do: no version, no entry
		if done.Changed || done.Stored.Version != old.version {
			m.Fatalf("change of nothing = %+v at %d, want none", done, done.Stored.Version)
		}
		return
	}
	p.version = done.Stored.Version
	m.committed(p.version, "update User/%s before %d", p.id, old.version)
	m.users[p.id] = p
}

// stale makes a change on a version that is not the present one.
func (m *model) stale() {
	p := m.fill(m.somebody())
	old, is := m.users[p.id]
	want := scim.ErrVersionMismatch
	if !is {
		want = scim.ErrNotFound
	}
	_, err := m.store().Commit(m.ctx, &scim.Commit{Ref: userRef(p.id), Expect: old.version + 1 + scim.Version(rapid.IntRange(0, 3).Draw(m.T, "off")), Put: p.resource()})
	m.expect("change of a version that is not", err, want)
}

func (m *model) remove() {
	if m.chance("group", 3) {
		g, is := m.groups[m.somegroup()]
		if !is {
			return
		}
		_, err := m.store().Commit(m.ctx, &scim.Commit{Ref: scim.Ref{Type: "Group", ID: g.id}, Expect: scim.MustExist, Delete: true})
		m.expect("delete of a group", err, nil)
		line := fmt.Sprintf("delete Group/%s before %d", g.id, g.version)
		var edges []string
		for _, id := range slices.Sorted(maps.Keys(g.members)) {
			edges = append(edges, "-"+id)
		}
		delete(m.groups, g.id)
		m.feed = append(m.feed, strings.Join(append([]string{line}, append(edges, m.leave(g.id)...)...), " "))
		return
	}
	id := m.somebody()
	old, is := m.users[id]
	var want error
	if !is {
		want = scim.ErrNotFound
	}
	_, err := m.store().Commit(m.ctx, &scim.Commit{Ref: userRef(id), Expect: scim.MustExist, Delete: true})
	if m.expect("delete", err, want) {
		line := fmt.Sprintf("delete User/%s before %d", id, old.version)
		m.feed = append(m.feed, strings.Join(append([]string{line}, m.leave(id)...), " "))
		delete(m.users, id)
	}
}

// move changes members of a group.
func (m *model) move() {
	g, is := m.groups[m.somegroup()]
	if !is {
		return
	}
	c := &scim.Commit{Ref: scim.Ref{Type: "Group", ID: g.id}, Expect: scim.MustExist}
	after := maps.Clone(g.members)
	for range rapid.IntRange(1, 3).Draw(m.T, "moves") {
		e := scim.EdgeChange{Remove: rapid.Bool().Draw(m.T, "remove"), Member: userRef(m.somebody())}
		if m.chance("a group", 3) {
			e.Member = scim.Ref{Type: "Group", ID: m.somegroup()}
		}
		if slices.ContainsFunc(c.Edges, func(o scim.EdgeChange) bool { return o.Member == e.Member }) {
			continue
		}
		c.Edges = append(c.Edges, e)
		_, user := m.users[e.Member.ID]
		if user || m.groups[e.Member.ID] != nil && e.Member.ID != g.id {
			if after[e.Member.ID] = true; e.Remove {
				delete(after, e.Member.ID)
			}
		}
	}
	done, err := m.store().Commit(m.ctx, c)
	m.expect("move", err, nil)
	var moved []string
	for _, e := range c.Edges {
		if after[e.Member.ID] != g.members[e.Member.ID] {
			moved = append(moved, map[bool]string{true: "-", false: "+"}[e.Remove]+e.Member.ID)
		}
	}
	if done.Changed != (len(moved) > 0) || done.Added+done.Removed != len(moved) {
		m.Fatalf("move %+v = %+v, want %d changes", c.Edges, done, len(moved))
	}
	if len(moved) > 0 {
		slices.Sort(moved)
		m.committed(done.Stored.Version, "members Group/%s before %d %s", g.id, g.version, strings.Join(moved, " "))
		g.members, g.version = after, done.Stored.Version
	}
}

// leave takes a resource out of all its groups, and tells which.
func (m *model) leave(id string) (left []string) {
	for _, g := range m.groupsOf(id) {
		left = append(left, "<"+g)
		delete(m.groups[g].members, id)
		m.groups[g].version = scim.Version(len(m.feed) + 1)
	}
	return left
}

// groupsOf are the groups that somebody is a direct member of.
func (m *model) groupsOf(member string) (ids []string) {
	for id, g := range m.groups {
		if g.members[member] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// around are all groups that somebody is in, each with whether directly.
func (m *model) around(member string) map[string]bool {
	found := map[string]bool{}
	for _, id := range m.groupsOf(member) {
		found[id] = true
	}
	for grown := true; grown; {
		grown = false
		for id := range maps.Clone(found) {
			for _, outer := range m.groupsOf(id) {
				if _, is := found[outer]; !is && outer != member {
					found[outer], grown = false, true
				}
			}
		}
	}
	return found
}
