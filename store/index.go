package store

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"rollcall/scim"
)

// index finds matches in a view of the workspace in memory (design.md §4.2): rows with the
// attributes that lists are filtered and sorted by, no documents. The view is made by the first
// list and kept current from the feed. It is a cache and no more: whatever it cannot tell is
// read from the records, and where there is none, the scan answers.
//
// view.go makes it and keeps it current, index_plan.go answers filters, index_table.go and
// index_column.go hold the rows.
type index struct {
	w        *Workspace
	scan     scan
	idle     time.Duration
	building chan struct{} // whoever has put something in makes the view

	mu      sync.Mutex // guards what follows
	view    *view
	retryAt time.Time // no view could be made: until then none is tried
	timer   *time.Timer
	used    time.Time

	unfenced bool // a test's: lists do not look whether the view is current
}

const (
	defaultIdle = 30 * time.Minute
	// buildWait is how long a list waits for a view that another one makes.
	buildWait = 10 * time.Second
	// retryPause is how long lists do without an index after it could not be made.
	retryPause = 10 * time.Second
)

// errNoIndex tells that the scan must answer.
var errNoIndex = errors.New("store: no index")

func newIndex(w *Workspace, idle time.Duration) *index {
	if idle <= 0 {
		idle = defaultIdle
	}
	return &index{w: w, scan: scan{w}, idle: idle, building: make(chan struct{}, 1)}
}

// lookedUp tells that a filter is answered by looking up one value.
func (s *search) lookedUp() bool {
	if s.filter == nil {
		return false
	}
	_, _, unique := s.filter.UniqueEq()
	_, member := s.filter.MemberEq()
	return unique || member
}

// term is the filter as a tree, nil for every resource.
func (s *search) term() *scim.Term {
	if s.filter != nil && s.tree == nil {
		s.tree = s.filter.Term()
	}
	return s.tree
}

func (x *index) search(ctx context.Context, s *search) ([]hit, error) {
	if s.lookedUp() {
		return x.scan.search(ctx, s)
	}
	for range maxRescans {
		v, err := x.current(ctx)
		if errors.Is(err, errNoIndex) {
			break
		}
		if err != nil {
			return nil, err
		}
		var hits []hit
		done, err := x.lookWatched(ctx, v, func(w *watch, look func(func(*view) bool) (bool, error)) (done bool, err error) {
			hits, done, err = x.read(ctx, v, s, w, look)
			return done, err
		})
		if done || err != nil && !errors.Is(err, errNoIndex) {
			return hits, err
		}
	}
	return x.scan.search(ctx, s)
}

// maxReads bounds how often a search reads on since what matches changed under it.
const maxReads = 10

// read finds the matches, where records tell of some: it reads those, then puts right what it
// read by what the watch was told meanwhile.
func (x *index) read(ctx context.Context, v *view, s *search, w *watch, look func(func(*view) bool) (bool, error)) ([]hit, bool, error) {
	edges, err := x.readEdges(ctx, v, s, edgeTerms(s.term(), nil))
	if err != nil {
		return nil, false, err
	}
	b := v.tables[s.typ.Name]
	var seen set // rows whose records were read
	matched := map[string]hit{}
	for n := 0; ; n++ {
		var hits []hit
		var unread []scim.Ref
		var changed []Raw
		ok, err := look(func(v *view) bool {
			rows, ok := v.edgeRows(s, edges, w)
			if !ok {
				return false
			}
			a, key := b.matches(s, rows)
			a.yes.each(func(ord uint32) { hits = append(hits, b.hit(ord, key)) })
			a.maybe.each(func(ord uint32) {
				ref := b.ref(ord)
				if raw, told := w.records[ref]; told {
					changed = append(changed, raw)
				} else if h, is := matched[ref.ID]; is {
					hits = append(hits, h)
				} else if !seen.has(ord) {
					unread = append(unread, ref)
					seen.put(ord, true)
				}
			})
			return true
		})
		if !ok || err != nil {
			return nil, ok, err
		}
		if len(unread) == 0 || n == maxReads {
			more, err := x.scan.matching(ctx, s, changed)
			return append(hits, more...), true, err
		}
		more, err := x.scan.these(ctx, s, unread)
		if err != nil {
			return nil, false, err
		}
		for _, h := range more {
			matched[h.ID] = h
		}
	}
}

// matches is what matches, and what only its record tells of, and what a match is keyed by.
func (b *table) matches(s *search, edges map[*scim.Term]set) (answer, func(uint32) (string, bool)) {
	a := b.eval(s.term(), edges)
	o, key := b.sortOf(s.sortBy)
	if o == nil { // nothing kept to sort by
		a = answer{b.empty(), combine(a.yes, a.maybe, or)}
	}
	return a, key
}

func (b *table) hit(ord uint32, key func(uint32) (string, bool)) hit {
	h := hit{Position: scim.Position{Ref: b.ref(ord)}, version: scim.Version(b.version[ord])}
	h.Key, h.Keyed = key(ord)
	return h
}

func (x *index) part(ctx context.Context, q *scim.Query, s *search) (p *part, ok bool, err error) {
	if s.lookedUp() {
		return nil, false, nil
	}
	err = x.look(ctx, s, func(v *view, edges map[*scim.Term]set) { p, ok = v.part(q, s, edges) })
	if errors.Is(err, errNoIndex) {
		return nil, false, nil
	}
	return p, ok, err
}

// part finds a page by rank or position.
func (v *view) part(q *scim.Query, s *search, edges map[*scim.Term]set) (*part, bool) {
	b := v.tables[s.typ.Name]
	o, key := b.sortOf(s.sortBy)
	if o == nil {
		return nil, false
	}
	matches := set(nil) // every row
	p := &part{total: o.n}
	if s.filter != nil {
		a := b.eval(s.term(), edges)
		if a.maybe.count() > 0 {
			return nil, false
		}
		matches, p.total = a.yes, a.yes.count()
	}
	if q.Count <= 0 {
		return p, true
	}
	from, rows := b.page(q, s, o, key, matches, p.total)
	for _, ord := range rows {
		p.hits = append(p.hits, b.hit(ord, key))
	}
	p.before, p.behind = from > 0 && len(rows) > 0, from+len(rows) < p.total && len(rows) > 0
	return p, true
}

// page lists the rows of a page among the matches, nil for every row, and the rank of its first.
func (b *table) page(q *scim.Query, s *search, o *order, key func(uint32) (string, bool), matches set, total int) (int, []uint32) {
	descending := q.Descending && s.sortBy != nil
	if q.After == nil && q.Before == nil && !descending { // by rank
		from, to := cut(total, q, nil)
		if matches == nil {
			return from, o.slice(from, to)
		}
		if total >= b.n/20 {
			return from, o.matching(matches, from, to)
		}
	}
	seq := sequence{o.n, o.at}
	if matches != nil {
		rows := b.sorted(matches, o)
		seq = sequence{len(rows), func(i int) uint32 { return rows[i] }}
	}
	if descending {
		seq = seq.descending(func(x, y uint32) bool {
			a, oka := key(x)
			b, okb := key(y)
			return a == b && oka == okb
		})
	}
	from, to := cut(seq.n, q, func(i int) *scim.Position {
		h := b.hit(seq.at(i), key)
		return &h.Position
	})
	rows := make([]uint32, to-from)
	for i := range rows {
		rows[i] = seq.at(from + i)
	}
	return from, rows
}

// sorted lists the rows of a set in an order: by looking through the order, or sorting few.
func (b *table) sorted(rows set, o *order) []uint32 {
	n := rows.count()
	list := make([]uint32, 0, n)
	if n < b.n/20 {
		rows.each(func(ord uint32) { list = append(list, ord) })
		slices.SortFunc(list, o.compare)
		return list
	}
	o.each(func(ord uint32) {
		if rows.has(ord) {
			list = append(list, ord)
		}
	})
	return list
}

// cut finds the page that the query asks for among n results; at is the position of one.
func cut(n int, q *scim.Query, at func(i int) *scim.Position) (from, to int) {
	count := min(q.Count, n)
	switch {
	case q.After != nil:
		from = sort.Search(n, func(i int) bool { return q.Compare(at(i), q.After) > 0 })
	case q.Before != nil:
		to = sort.Search(n, func(i int) bool { return q.Compare(at(i), q.Before) >= 0 })
		return max(to-count, 0), to
	default:
		from = min(max(q.Start, 1)-1, n)
	}
	return from, min(from+count, n)
}
