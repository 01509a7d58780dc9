package store_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall/scim"

	"pgregory.net/rapid"
)

// shown compares a user with what the store says, groups too where they are asked for.
func (m *model) shown(s *scim.Stored, with scim.With) {
	m.Helper()
	want := m.users[s.ID]
	r, err := s.Resource()
	if err != nil {
		m.Fatal(err)
	}
	if got, wanted := text(r.Attributes), text(want.resource().Attributes); got != wanted || s.Version != want.version {
		m.Fatalf("%s is %s at %d, want %s at %d", s.Ref, got, s.Version, wanted, want.version)
	}
	groups := map[string]bool{}
	for _, g := range s.Groups {
		groups[g.ID] = g.Direct
		if name := m.groups[g.ID]; name == nil || g.Display != name.name {
			m.Fatalf("%s shows the group %+v, want it called %+v", s.Ref, g, name)
		}
	}
	if want := m.around(s.ID); with.Groups && (len(s.Groups) != len(want) || !maps.Equal(groups, want)) {
		m.Fatalf("%s is in the groups %v, want %v", s.Ref, groups, want)
	}
}

func (m *model) with() scim.With { return scim.With{Groups: rapid.Bool().Draw(m.T, "groups")} }

func (m *model) get() {
	id, with := m.somebody(), m.with()
	s, err := m.store().Get(m.ctx, userRef(id), with)
	var want error
	if _, is := m.users[id]; !is {
		want = scim.ErrNotFound
	}
	if m.expect("Get", err, want) {
		m.shown(s, with)
	}
}

func (m *model) lookup() {
	p, with := m.fill(""), m.with()
	s, err := m.store().Lookup(m.ctx, "User", "userName", p.name, with)
	want := scim.ErrNotFound
	if m.taken(p) {
		want = nil
	}
	if m.expect("Lookup of "+p.name, err, want) {
		m.shown(s, with)
	}
}

func (m *model) members() {
	id := m.somegroup()
	var after scim.Ref
	var want []scim.Ref
	if g := m.groups[id]; g != nil {
		for member := range g.members {
			ref := userRef(member)
			if m.groups[member] != nil {
				ref.Type = "Group"
			}
			want = append(want, ref)
		}
		slices.SortFunc(want, func(a, b scim.Ref) int { return cmp.Compare(a.String(), b.String()) })
	}
	if len(want) > 0 && m.chance("behind", 2) {
		after = choose(m, "after", want...)
		want = want[slices.Index(want, after)+1:]
	}
	var got []scim.Ref
	for ref, err := range m.store().Members(m.ctx, scim.Ref{Type: "Group", ID: id}, after) {
		m.expect("Members", err, nil)
		got = append(got, ref)
	}
	if !slices.Equal(got, want) {
		m.Fatalf("Members(%s behind %v) = %v, want %v", id, after, got, want)
	}
}

// ask is a query in words, and as plain Go.
type ask struct {
	filter     string
	match      func(person) bool
	sort       string
	key        func(person) string // "" for none
	descending bool
}

func lower(f func(person) string) func(person) string {
	return func(p person) string { return strings.ToLower(f(p)) }
}

// ask is a random query.
func (m *model) ask() ask {
	q := ask{match: func(person) bool { return true }}
	if !m.chance("all", 4) {
		q.filter, q.match = m.filter(2)
	}
	sorts := map[string]func(person) string{
		"": nil, "userName": lower(func(p person) string { return p.name }), "title": lower(func(p person) string { return p.title }),
		"name.familyName": lower(func(p person) string { return p.family }), hrURN + ":badge": func(p person) string { return p.badge },
		hrURN + ":grade": func(p person) string { return fmt.Sprintf("%04d", p.grade+100) },
		"active":         func(p person) string { return fmt.Sprint(p.active) },
		"nickName":       func(person) string { return "" },
	}
	q.sort = choose(m, "sort", slices.Sorted(maps.Keys(sorts))...)
	q.key, q.descending = sorts[q.sort], rapid.Bool().Draw(m.T, "descending")
	return q
}

// filter is a random filter with what it means.
func (m *model) filter(depth int) (string, func(person) bool) {
	if depth > 0 && m.chance("deeper", 2) {
		a, f := m.filter(depth - 1)
		b, g := m.filter(depth - 1)
		switch choose(m, "op", "and", "or", "not") {
		case "and":
			return "(" + a + ") and (" + b + ")", func(p person) bool { return f(p) && g(p) }
		case "or":
			return "(" + a + ") or (" + b + ")", func(p person) bool { return f(p) || g(p) }
		}
		return "not (" + a + ")", func(p person) bool { return !f(p) }
	}
	switch choose(m, "leaf", "text", "text", "text", "pr", "grade", "active", "groups") {
	case "pr":
		return "title pr", func(p person) bool { return p.title != "" }
	case "grade":
		n := choose(m, "number", -2, 0, 8)
		op := choose(m, "operator", "eq", "ne", "gt", "ge", "lt", "le")
		return fmt.Sprintf("%s:grade %s %d", hrURN, op, n), func(p person) bool { return holds(op, fmt.Sprint(2000+p.grade), fmt.Sprint(2000+n)) }
	case "active":
		want := rapid.Bool().Draw(m.T, "is")
		return fmt.Sprintf("active eq %t", want), func(p person) bool { return p.active == want }
	case "groups":
		id := m.somegroup()
		switch reach := choose(m, "reach", "", "direct", "indirect"); reach {
		case "":
			return fmt.Sprintf("groups.value eq %q", id), func(p person) bool { _, in := m.around(p.id)[id]; return in }
		default:
			return fmt.Sprintf("groups[value eq %q and type eq %q]", id, reach), func(p person) bool {
				direct, in := m.around(p.id)[id]
				return in && direct == (reach == "direct")
			}
		}
	}
	attrs := map[string]func(person) string{
		"userName": func(p person) string { return p.name }, "title": func(p person) string { return p.title },
		"name.familyName": func(p person) string { return p.family }, hrURN + ":badge": func(p person) string { return p.badge },
	}
	attr := choose(m, "attr", slices.Sorted(maps.Keys(attrs))...)
	op := choose(m, "operator", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
	value := choose(m, "value", "a", "ADA1", "bob2", "s", "Boss", "ng", "meyer", "1")
	exact := strings.HasSuffix(attr, "badge")
	return fmt.Sprintf("%s %s %q", attr, op, value), func(p person) bool {
		has, want := attrs[attr](p), value
		if !exact {
			has, want = strings.ToLower(has), strings.ToLower(want)
		}
		if has == "" {
			return op == "ne"
		}
		return holds(op, has, want)
	}
}

func holds(op, has, want string) bool {
	switch op {
	case "eq":
		return has == want
	case "ne":
		return has != want
	case "co":
		return strings.Contains(has, want)
	case "sw":
		return strings.HasPrefix(has, want)
	case "ew":
		return strings.HasSuffix(has, want)
	case "gt":
		return has > want
	case "ge":
		return has >= want
	case "lt":
		return has < want
	}
	return has <= want
}

// query is the query for the store.
func (m *model) query(a ask) *scim.Query {
	q := &scim.Query{Types: []string{"User"}, Descending: a.descending}
	var err error
	if a.filter != "" {
		if q.Filter, err = scim.ParseFilter(a.filter); err != nil {
			m.Fatal(err)
		}
	}
	if a.sort != "" {
		if q.SortBy, err = markedModel().Type("User").Find(a.sort); err != nil {
			m.Fatal(err)
		}
	}
	return q
}

// answer is everybody whom a query finds, in order: those with nothing to sort by last, or first
// where it goes down, and equals in order of id.
func (m *model) answer(a ask) (found []person) {
	for _, p := range m.users {
		if a.match(p) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(x, y person) int {
		c := 0
		if a.key != nil {
			kx, ky := a.key(x), a.key(y)
			if c = cmp.Compare(kx, ky); (kx == "") != (ky == "") {
				c = -c
			}
			if a.descending {
				c = -c
			}
		}
		return cmp.Or(c, cmp.Compare(x.id, y.id))
	})
	return found
}

// list asks for one page by index.
func (m *model) list() {
	a := m.ask()
	q := m.query(a)
	q.Start, q.Count, q.With = rapid.IntRange(0, 8).Draw(m.T, "start"), rapid.IntRange(0, 6).Draw(m.T, "count"), m.with()
	page, err := m.store().Query(m.ctx, q)
	m.expect("Query("+a.filter+")", err, nil)
	all := m.answer(a)
	from := min(max(q.Start, 1)-1, len(all))
	m.samePage(a, q, page, all, from, min(from+q.Count, len(all)))
}

func (m *model) samePage(a ask, q *scim.Query, page *scim.Page, all []person, from, to int) {
	m.Helper()
	var got, want []string
	for _, s := range page.Resources {
		got = append(got, s.ID)
	}
	for _, p := range all[from:to] {
		want = append(want, p.id)
	}
	if page.Total != len(all) || !slices.Equal(got, want) {
		m.Fatalf("Query(%q by %q down %t from %d, %d) = %d in all, %v, want %d, %v", a.filter, a.sort, a.descending, q.Start, q.Count, page.Total, got, len(all), want)
	}
	if some := to > from; (page.Prev != nil) != (some && from > 0) || (page.Next != nil) != (some && to < len(all)) {
		m.Fatalf("Query(%q by %q, %d to %d of %d) has pages before: %v, behind: %v", a.filter, a.sort, from, to, len(all), page.Prev, page.Next)
	}
	for _, s := range page.Resources {
		m.shown(s, q.With)
	}
}

// walk is the way through the pages of a query by cursor, while others write.
type walk struct {
	ask
	query *scim.Query
	began map[string]person // who matched then
	times map[string]int    // how often somebody was shown
}

// turn goes on to the next page, or begins a walk.
func (m *model) turn() {
	w := m.walk
	if w == nil {
		w = &walk{ask: m.ask(), began: map[string]person{}, times: map[string]int{}}
		if w.filter, w.match = "", func(person) bool { return true }; m.chance("filtered", 2) {
			w.filter, w.match = "active eq true", func(p person) bool { return p.active }
		}
		w.query = m.query(w.ask)
		w.query.Count = rapid.IntRange(1, 4).Draw(m.T, "page")
		for _, p := range m.answer(w.ask) {
			w.began[p.id] = p
		}
		m.walk = w
	}
	page, err := m.store().Query(m.ctx, w.query)
	m.expect("Query by cursor", err, nil)
	for _, s := range page.Resources {
		w.times[s.ID]++
		m.shown(s, scim.With{})
	}
	if w.query.After = page.Next; page.Next != nil {
		return
	}
	for id, p := range w.began {
		if now, is := m.users[id]; is && now == p && w.times[id] != 1 {
			m.Fatalf("Query(%q by %q) in pages of %d showed %s %d times, want once", w.filter, w.sort, w.query.Count, id, w.times[id])
		}
	}
	m.walk = nil
}

// changes compares the feed.
func (m *model) changes() {
	after := rapid.IntRange(0, len(m.feed)).Draw(m.T, "after")
	limit := rapid.IntRange(1, 100).Draw(m.T, "limit")
	changes, err := m.store().Changes(m.ctx, scim.Version(after), limit)
	m.expect("Changes", err, nil)
	var got []string
	for _, c := range changes {
		line := fmt.Sprintf("%s %s before %d", c.Op, c.Ref, c.Before)
		var edges []string
		for _, e := range c.Edges {
			edges = append(edges, map[bool]string{true: "-", false: "+"}[e.Remove]+e.Member.ID)
		}
		for _, g := range c.Groups {
			edges = append(edges, "<"+g.ID)
		}
		slices.Sort(edges)
		got = append(got, strings.Join(append([]string{line}, edges...), " "))
	}
	if want := m.feed[after:min(after+limit, len(m.feed))]; !slices.Equal(got, want) {
		m.Fatalf("Changes(%d, %d) = %q, want %q", after, limit, got, want)
	}
}

// end asks for everything once more, and lets fsck look.
func (m *model) end() {
	m.changes()
	for m.walk != nil {
		m.turn()
	}
	a := ask{match: func(person) bool { return true }}
	q := m.query(a)
	q.Count, q.With.Groups = 1000, true
	page, err := m.fresh().Query(m.ctx, q)
	m.expect("Query()", err, nil)
	all := m.answer(a)
	m.samePage(a, q, page, all, 0, len(all))
	report, err := m.fresh().Fsck(m.ctx)
	m.expect("Fsck", err, nil)
	if len(report.Findings) > 0 {
		m.Fatalf("Fsck finds %+v", report.Findings)
	}
}
