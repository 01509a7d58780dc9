package scimhttp

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/scim"
)

// fakeStore is a scim.Store in memory: versions, unique values and edges as the
// contract has them, found by looking at everything.
type fakeStore struct {
	model *scim.Model

	reads, memberReads, commits atomic.Int64
	fail                        atomic.Pointer[error]              // what every call answers
	beforeCommit                atomic.Pointer[func(*scim.Commit)] // to be faster than somebody
	members                     iter.Seq2[scim.Ref, error]         // instead of the edges

	mu      sync.Mutex // guards what follows
	seq     scim.Version
	recs    map[scim.Ref]*scim.Stored
	decoded map[*scim.Stored]*scim.Resource // of recs, for looking for unique values
	edges   map[scim.Ref]map[scim.Ref]bool
}

func newFakeStore(m *scim.Model) *fakeStore {
	return &fakeStore{model: m, recs: map[scim.Ref]*scim.Stored{}, decoded: map[*scim.Stored]*scim.Resource{}, edges: map[scim.Ref]map[scim.Ref]bool{}}
}

func (f *fakeStore) broken(ctx context.Context) error {
	if p := f.fail.Load(); p != nil {
		return *p
	}
	return ctx.Err()
}

func (f *fakeStore) Get(ctx context.Context, ref scim.Ref, with scim.With) (*scim.Stored, error) {
	f.reads.Add(1)
	if err := f.broken(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.recs[ref]
	if s == nil {
		return nil, scim.ErrNotFound
	}
	return f.with(s, with), nil
}

func (f *fakeStore) with(s *scim.Stored, with scim.With) *scim.Stored {
	out := *s
	if !with.Groups {
		return &out
	}
	for _, g := range f.sorted("Group") {
		if f.edges[g.Ref][s.Ref] {
			res, _ := g.Resource()
			out.Groups = append(out.Groups, scim.Membership{Ref: g.Ref, Display: res.DisplayName(), Direct: true})
		}
	}
	return &out
}

func (f *fakeStore) sortedNow(types ...string) []*scim.Stored {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sorted(types...)
}

func (f *fakeStore) sorted(types ...string) []*scim.Stored {
	var out []*scim.Stored
	for ref, s := range f.recs {
		if slices.Contains(types, ref.Type) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *scim.Stored) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (f *fakeStore) Lookup(ctx context.Context, typ, attr, value string, with scim.With) (*scim.Stored, error) {
	for _, s := range f.sortedNow(typ) {
		if attr == "externalId" && s.ExternalID == value && s.Owner == scim.ActorFrom(ctx).Owner() {
			return f.with(s, with), nil
		}
	}
	return nil, scim.ErrNotFound
}

func (f *fakeStore) Query(ctx context.Context, q *scim.Query) (*scim.Page, error) {
	if err := f.broken(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	preds := map[string]*scim.Predicate{}
	if q.Filter != nil {
		var types []*scim.ResourceType
		for _, typ := range q.Types {
			types = append(types, f.model.Type(typ))
		}
		bound, err := q.Filter.BindEach(types)
		if err != nil {
			return nil, err
		}
		for i, typ := range q.Types {
			preds[typ] = bound[i]
		}
	}
	type row struct {
		s  *scim.Stored
		at scim.Position
	}
	var rows []row
	for _, s := range f.sorted(q.Types...) {
		res, err := s.Resource()
		if err != nil {
			return nil, err
		}
		if p := preds[s.Type]; p != nil {
			ok, err := f.match(p, res)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		r := row{f.with(s, q.With), scim.Position{Ref: s.Ref}}
		if path := q.SortPath(s.Type); path != nil {
			r.at.Key, r.at.Keyed = path.SortKey(res)
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return q.Compare(&a.at, &b.at) })
	page := &scim.Page{Total: len(rows)}
	from, to := q.Start-1, min(q.Start-1+q.Count, len(rows))
	switch {
	case q.After != nil:
		for from = 0; from < len(rows) && q.Compare(&rows[from].at, q.After) <= 0; {
			from++
		}
		to = min(from+q.Count, len(rows))
	case q.Before != nil:
		for to = 0; to < len(rows) && q.Compare(&rows[to].at, q.Before) < 0; {
			to++
		}
		from = max(to-q.Count, 0)
	}
	for i := from; i < to; i++ {
		page.Resources = append(page.Resources, rows[i].s)
	}
	if from < to && from > 0 {
		page.Prev = &rows[from].at
	}
	if from < to && to < len(rows) {
		page.Next = &rows[to-1].at
	}
	return page, nil
}

func (f *fakeStore) match(pred *scim.Predicate, res *scim.Resource) (bool, error) {
	t := f.model.Type(res.Type)
	return pred.Match(&scim.Target{
		Resource: res, Type: t,
		Members: func() (out []scim.Member, err error) {
			for m := range f.edges[res.Ref] {
				out = append(out, scim.Member{Value: m.ID, Type: m.Type})
			}
			return out, nil
		},
		Groups: func() ([]scim.Membership, error) {
			return f.with(&scim.Stored{Header: res.Header}, scim.With{Groups: true}).Groups, nil
		},
	})
}

func (f *fakeStore) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	f.commits.Add(1)
	if err := f.broken(ctx); err != nil {
		return nil, err
	}
	if hook := f.beforeCommit.Load(); hook != nil {
		(*hook)(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.recs[c.Ref]
	switch {
	case old == nil && c.Expect != scim.MustNotExist:
		return nil, scim.ErrNotFound
	case old != nil && c.Expect != scim.MustExist && c.Expect != old.Version:
		return nil, scim.ErrVersionMismatch
	}
	if c.Put != nil {
		if err := f.unique(c.Put); err != nil {
			return nil, err
		}
	}
	if c.Delete {
		delete(f.recs, c.Ref)
		delete(f.edges, c.Ref)
		for _, members := range f.edges {
			delete(members, c.Ref)
		}
		return &scim.Committed{Changed: true}, nil
	}
	return f.change(c, old)
}

func (f *fakeStore) change(c *scim.Commit, old *scim.Stored) (*scim.Committed, error) {
	done := &scim.Committed{}
	now := map[scim.Ref]bool{}
	for m := range f.edges[c.Ref] {
		now[m] = true
	}
	for _, e := range c.Edges {
		m := f.resolve(e.Member)
		switch {
		case e.Remove && now[m]:
			delete(now, m)
			done.Removed++
		case e.Remove:
		case f.recs[m] == nil && c.RefuseUnknown:
			return nil, scim.Errorf(scim.ErrInvalidValue, "members: %s does not exist", e.Member.ID)
		case f.recs[m] == nil:
			done.Dropped = append(done.Dropped, e.Member.ID)
		case !now[m]:
			now[m] = true
			done.Added++
		}
	}
	var next scim.Stored
	if old != nil {
		next = *old
	}
	if c.Put != nil {
		body := scim.AppendJSON(nil, c.Put.Attributes)
		done.Changed = old == nil || !bytes.Equal(body, old.Body) || c.Put.ExternalID != old.ExternalID
		next.Header.Ref, next.Body, next.ExternalID, next.Owner = c.Ref, body, c.Put.ExternalID, c.Put.Owner
	}
	if done.Changed = done.Changed || done.Added+done.Removed > 0; done.Changed {
		f.seq++
		next.Version = f.seq
		next.LastModified = time.Now().UTC().Truncate(time.Millisecond)
		if old == nil {
			next.Created = next.LastModified
		}
		f.recs[c.Ref], f.edges[c.Ref] = &next, now
	}
	done.Stored = f.recs[c.Ref]
	return done, nil
}

func (f *fakeStore) resolve(m scim.Ref) scim.Ref {
	if m.Type != "" {
		return m
	}
	for _, t := range f.model.Types {
		if r := (scim.Ref{Type: t.Name, ID: m.ID}); f.recs[r] != nil {
			return r
		}
	}
	return m
}

func (f *fakeStore) unique(put *scim.Resource) error {
	for ref, s := range f.recs {
		if ref.Type != put.Type || ref.ID == put.ID {
			continue
		}
		other := f.decoded[s]
		if other == nil {
			other, _ = s.Resource()
			f.decoded[s] = other
		}
		for _, a := range f.model.Type(put.Type).Unique {
			mine, ok1 := put.Attributes[a.Name].(string)
			theirs, ok2 := other.Attributes[a.Name].(string)
			if !ok1 || !ok2 {
				continue
			}
			k1, _ := a.Compare(mine)
			k2, _ := a.Compare(theirs)
			if k1 == k2 {
				return scim.Errorf(scim.ErrUniqueness, "%s is already in use by %s", a.Name, s.ID)
			}
		}
		if put.ExternalID != "" && put.ExternalID == s.ExternalID && put.Owner == s.Owner {
			return scim.Errorf(scim.ErrUniqueness, "externalId is already in use by %s", s.ID)
		}
	}
	return nil
}

func (f *fakeStore) CommitMany(ctx context.Context, commits []*scim.Commit) []scim.CommitResult {
	out := make([]scim.CommitResult, len(commits))
	for i, c := range commits {
		out[i].Committed, out[i].Err = f.Commit(ctx, c)
	}
	return out
}

func (f *fakeStore) Members(ctx context.Context, group, after scim.Ref) iter.Seq2[scim.Ref, error] {
	f.memberReads.Add(1)
	if err := f.broken(ctx); err != nil {
		return func(yield func(scim.Ref, error) bool) { yield(scim.Ref{}, err) }
	}
	if f.members != nil {
		return f.members
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []scim.Ref
	for m := range f.edges[group] {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b scim.Ref) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
	})
	return func(yield func(scim.Ref, error) bool) {
		for _, m := range out {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (f *fakeStore) Owned(context.Context, string, string) iter.Seq2[scim.Owned, error] {
	return func(func(scim.Owned, error) bool) {}
}

func (f *fakeStore) Changes(context.Context, scim.Version, int) ([]scim.Change, error) {
	return nil, nil
}

func (f *fakeStore) Images(context.Context, []scim.Version) ([]scim.Images, error) { return nil, nil }

// state is everything that is stored, as text, to see that nothing changed.
func (f *fakeStore) state() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, s := range f.sorted("User", "Group") {
		b.WriteString(s.Ref.String())
		b.Write(appendETag(nil, s.Version))
		b.WriteString(s.ExternalID)
		b.Write(s.Body)
		for _, other := range f.sorted("User", "Group") {
			if f.edges[s.Ref][other.Ref] {
				b.WriteString(other.ID)
			}
		}
	}
	return b.String()
}
