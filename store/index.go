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

func (s *search) term() *scim.Term {
	if s.filter == nil {
		return nil
	}
	return s.filter.Term()
}

func (x *index) search(ctx context.Context, s *search) ([]hit, error) {
	if s.lookedUp() {
		return x.scan.search(ctx, s)
	}
	v, err := x.current(ctx)
	if errors.Is(err, errNoIndex) {
		return x.scan.search(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	hits, unsure := v.matches(s)
	more, err := x.scan.these(ctx, s, unsure)
	return append(hits, more...), err
}

// matches lists what matches, and what only its record tells of.
func (v *view) matches(s *search) (hits []hit, unsure []scim.Ref) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	b := v.tables[s.typ.Name]
	a := b.eval(s.term())
	o, key := b.sortOf(s.sortBy)
	if o == nil { // nothing kept to sort by
		a = answer{b.empty(), combine(a.yes, a.maybe, or)}
	}
	a.yes.each(func(ord uint32) { hits = append(hits, b.hit(ord, key)) })
	a.maybe.each(func(ord uint32) { unsure = append(unsure, b.ref(ord)) })
	return hits, unsure
}

func (b *table) hit(ord uint32, key func(uint32) (string, bool)) hit {
	h := hit{Position: scim.Position{Ref: b.ref(ord)}, version: scim.Version(b.version[ord])}
	h.Key, h.Keyed = key(ord)
	return h
}

func (x *index) part(ctx context.Context, q *scim.Query, s *search) (*part, bool, error) {
	if s.lookedUp() {
		return nil, false, nil
	}
	v, err := x.current(ctx)
	if errors.Is(err, errNoIndex) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	p, ok := v.part(q, s)
	return p, ok, nil
}

// part finds a page by rank or position.
func (v *view) part(q *scim.Query, s *search) (*part, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	b := v.tables[s.typ.Name]
	o, key := b.sortOf(s.sortBy)
	if o == nil {
		return nil, false
	}
	seq := sequence{o.n, o.at}
	if s.filter != nil {
		a := b.eval(s.term())
		if a.maybe.count() > 0 {
			return nil, false
		}
		rows := b.sorted(a.yes, o)
		seq = sequence{len(rows), func(i int) uint32 { return rows[i] }}
	}
	p := &part{total: seq.n}
	if q.Count <= 0 {
		return p, true
	}
	if q.Descending && s.sortBy != nil {
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
	for i := from; i < to; i++ {
		p.hits = append(p.hits, b.hit(seq.at(i), key))
	}
	p.before, p.behind = from > 0 && from < to, to < seq.n && from < to
	return p, true
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

// Plan tells how a list is answered.
type Plan struct {
	Type string `json:"type"`
	// By is lookup (one value, from the store itself), index, index and records (the filter
	// leaves rows that only their records decide), or scan.
	By     string `json:"by"`
	Filter string `json:"filter,omitempty"` // which parts of the index answer it
	Sort   string `json:"sort,omitempty"`
	// Rows are all of the type, Matches those that the index is sure of, and Records those to read.
	Rows    int `json:"rows"`
	Matches int `json:"matches"`
	Records int `json:"records"`
}

// Explain tells how Query would answer, one plan for each type.
func (w *Workspace) Explain(ctx context.Context, q *scim.Query) ([]Plan, error) {
	model, err := w.Model(ctx)
	if err != nil {
		return nil, err
	}
	types, err := bind(model, q)
	if err != nil {
		return nil, err
	}
	plans := make([]Plan, len(types))
	for i, s := range types {
		plans[i] = Plan{Type: s.typ.Name, By: "scan"}
		if s.lookedUp() {
			plans[i].By = "lookup"
			continue
		}
		x, ok := w.find.(*index)
		if !ok {
			continue
		}
		v, err := x.current(ctx)
		if errors.Is(err, errNoIndex) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v.explain(s, &plans[i])
	}
	return plans, nil
}

func (v *view) explain(s *search, p *Plan) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	b := v.tables[s.typ.Name]
	term := s.term()
	a := b.eval(term)
	p.By, p.Filter, p.Sort = "index", b.explain(term), "order of id"
	if s.sortBy != nil {
		p.Sort = "order of " + s.sortBy.String()
	}
	if o, _ := b.sortOf(s.sortBy); o == nil {
		p.Sort, a = "records", answer{b.empty(), combine(a.yes, a.maybe, or)}
	}
	p.Rows, p.Matches, p.Records = b.n, a.yes.count(), a.maybe.count()
	if p.Records > 0 {
		p.By = "index and records"
	}
}
