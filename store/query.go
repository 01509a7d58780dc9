package store

import (
	"context"
	"errors"
	"slices"

	"rollcall/scim"
)

// Query returns a page of what matches (see scim.Store). The matches come from a searcher,
// which keeps no more of each than it sorts by; only the page itself is read in full.
func (w *Workspace) Query(ctx context.Context, q *scim.Query) (*scim.Page, error) {
	model, err := w.Model(ctx)
	if err != nil {
		return nil, err
	}
	types, err := bind(model, q)
	if err != nil {
		return nil, err
	}
	if len(types) == 1 {
		if page, ok, err := w.queryOne(ctx, q, types[0]); ok || err != nil {
			return page, err
		}
	}
	var hits []hit
	for _, t := range types {
		found, err := w.find.search(ctx, t)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	page := &scim.Page{Total: len(hits)}
	if q.Count <= 0 || len(hits) == 0 {
		return page, nil
	}
	slices.SortFunc(hits, func(a, b hit) int { return q.Compare(&a.Position, &b.Position) })
	from, to := cut(len(hits), q, func(i int) *scim.Position { return &hits[i].Position })
	if from > 0 && from < to {
		page.Prev = &hits[from].Position
	}
	if to < len(hits) && from < to {
		page.Next = &hits[to-1].Position
	}
	page.Resources, err = w.readHits(ctx, types, hits[from:to], q.With)
	return page, err
}

// maxRedos bounds how often a page is made again because what was on it has changed since.
const maxRedos = 2

// queryOne answers a query on one type by a part of the results alone, where the searcher can.
func (w *Workspace) queryOne(ctx context.Context, q *scim.Query, s *search) (page *scim.Page, ok bool, err error) {
	for redo := 0; ; redo++ {
		p, ok, err := w.find.part(ctx, q, s)
		if !ok || err != nil {
			return nil, ok, err
		}
		page := &scim.Page{Total: p.total}
		if p.total == 0 || q.Count <= 0 {
			return page, true, nil
		}
		if p.before {
			page.Prev = &p.hits[0].Position
		}
		if p.behind {
			page.Next = &p.hits[len(p.hits)-1].Position
		}
		page.Resources, err = w.readHits(ctx, []*search{s}, p.hits, q.With)
		if err != nil || len(page.Resources) == len(p.hits) || redo == maxRedos {
			return page, true, err
		}
	}
}

// search is a query on one resource type.
type search struct {
	typ    *scim.ResourceType
	filter *scim.Predicate // nil for every resource
	tree   *scim.Term      // the filter as a tree, once term was asked for it
	sortBy *scim.Path      // nil for none
}

// searcher finds what a search matches: the index, or the scan of all records, which is what
// the index must agree with.
type searcher interface {
	search(ctx context.Context, s *search) ([]hit, error)
	// part finds the page that the query asks for, without the other matches. ok is false
	// where only search can.
	part(ctx context.Context, q *scim.Query, s *search) (p *part, ok bool, err error)
}

// part is a page of hits, in order.
type part struct {
	total          int
	hits           []hit
	before, behind bool // there are more
}

// hit is a resource that matches.
type hit struct {
	scim.Position
	version scim.Version // that matched; 0 where no record needed to be read
}

// bind resolves the filter for each type, and leaves out those of which nothing can match.
func bind(model *scim.Model, q *scim.Query) ([]*search, error) {
	types := make([]*scim.ResourceType, len(q.Types))
	for i, name := range q.Types {
		if types[i] = model.Type(name); types[i] == nil {
			return nil, scim.Errorf(scim.ErrNotFound, "there is no resource type %q", name)
		}
	}
	filters := make([]*scim.Predicate, len(types))
	if q.Filter != nil {
		var err error
		if filters, err = q.Filter.BindEach(types); err != nil {
			return nil, err
		}
	}
	searches := make([]*search, 0, len(types))
	for i, t := range types {
		if f := filters[i]; f == nil || !f.Never() {
			searches = append(searches, &search{typ: t, filter: f, sortBy: q.SortPath(t.Name)})
		}
	}
	return searches, nil
}

// maxPage bounds the attributes of a page, in bytes: a thousand resources of MaxRecord each are
// more than a server should hold for one reader.
const maxPage = 64 << 20

// readHits reads a page. What was deleted since it matched is left out, and what changed
// since must still match.
func (w *Workspace) readHits(ctx context.Context, types []*search, hits []hit, with scim.With) ([]*scim.Stored, error) {
	refs := make([]scim.Ref, len(hits))
	for i, h := range hits {
		refs[i] = h.Ref
	}
	page := make([]*scim.Stored, 0, len(hits))
	bytes := 0
	for from := 0; from < len(refs); from += readBatch {
		to := min(from+readBatch, len(refs))
		raws, err := w.backend.Read(ctx, w.ws, refs[from:to], with.Groups)
		if err != nil {
			return nil, err
		}
		found, err := w.decode(ctx, raws, with)
		if err != nil {
			return nil, err
		}
		for i, s := range found {
			if s == nil {
				continue
			}
			if h := hits[from+i]; h.version != 0 && h.version != s.Version {
				t := types[slices.IndexFunc(types, func(t *search) bool { return t.typ.Name == s.Type })]
				if _, ok, err := w.match(ctx, t, s); err != nil {
					return nil, err
				} else if !ok {
					continue
				}
			}
			if bytes += len(s.Body); bytes > maxPage {
				return nil, scim.Errorf(scim.ErrTooMany, "a page holds at most %d MiB: ask for fewer resources with count", maxPage>>20)
			}
			page = append(page, s)
		}
	}
	return page, nil
}

// match applies a search to one resource.
func (w *Workspace) match(ctx context.Context, s *search, stored *scim.Stored) (hit, bool, error) {
	h := hit{Position: scim.Position{Ref: stored.Ref}, version: stored.Version}
	if s.filter == nil && s.sortBy == nil {
		return h, true, nil
	}
	r, err := stored.Resource()
	if err != nil {
		return h, false, err
	}
	if s.filter != nil {
		ok, err := s.filter.Match(&scim.Target{
			Resource: r, Type: s.typ,
			Members: func() ([]scim.Member, error) { return w.allMembers(ctx, r.Ref) },
			Groups:  func() ([]scim.Membership, error) { return w.allGroups(ctx, r.Ref) },
		})
		if err != nil || !ok {
			return h, false, err
		}
	}
	if s.sortBy != nil {
		h.Key, h.Keyed = s.sortBy.SortKey(r)
	}
	return h, true, nil
}

func (w *Workspace) allMembers(ctx context.Context, group scim.Ref) (members []scim.Member, err error) {
	for ref, err := range w.edges(ctx, group, Members, scim.Ref{}) {
		if err != nil {
			return nil, err
		}
		members = append(members, scim.Member{Value: ref.ID, Type: ref.Type})
	}
	return members, nil
}

func (w *Workspace) allGroups(ctx context.Context, member scim.Ref) ([]scim.Membership, error) {
	s, err := w.Get(ctx, member, scim.With{Groups: true})
	if errors.Is(err, scim.ErrNotFound) {
		return nil, nil // it has gone since
	}
	if err != nil {
		return nil, err
	}
	return s.Groups, nil
}
