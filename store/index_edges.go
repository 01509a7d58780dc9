package store

import (
	"context"
	"maps"

	"rollcall/scim"
)

// Who is a member of what is no part of a view, and neither is any attribute that nobody has
// indexed: filters that need them read the store, which goes on changing meanwhile. So a watch
// notes what the view is told from then on, and what was read is put right by it: the answer
// is that of the view's number.

// watch is what a view was told since the watch began.
type watch struct {
	entries []Entry
	records map[scim.Ref]Raw // that the entries are about, as they were at the view's number
	lost    bool             // more than maxWatched: it knows not all
}

// maxWatched bounds the changes that a watch notes.
const maxWatched = 10_000

// watch begins a watch, until stop is called.
func (v *view) watch() (w *watch, stop func()) {
	w = &watch{records: map[scim.Ref]Raw{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watches[w] = true
	return w, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.watches, w)
	}
}

// tell adds to a watch. The view's lock is held.
func (w *watch) tell(told *watch) {
	if w.lost = w.lost || told.lost || len(w.entries)+len(told.entries) > maxWatched; w.lost {
		w.entries, w.records = nil, nil
		return
	}
	w.entries = append(w.entries, told.entries...)
	maps.Copy(w.records, told.records)
}

// hear notes a part of the feed.
func (w *watch) hear(f *Followed) {
	if w.lost = w.lost || len(w.entries)+len(f.Entries) > maxWatched; w.lost {
		w.entries, w.records = nil, nil
		return
	}
	w.entries = append(w.entries, f.Entries...)
	for _, raw := range f.Records {
		w.records[raw.Ref] = raw
	}
}

// look calls use with a view that has everything committed before the call, and with the rows of
// the filter's edges as they were at that view's number. The view does not change meanwhile.
func (x *index) look(ctx context.Context, s *search, use func(v *view, edges map[*scim.Term]set)) error {
	v, err := x.current(ctx)
	if err != nil {
		return err
	}
	terms := edgeTerms(s.term(), nil)
	if len(terms) == 0 {
		v.mu.RLock()
		defer v.mu.RUnlock()
		use(v, nil)
		return nil
	}
	for range maxRescans {
		done, err := x.lookWatched(ctx, v, func(w *watch, look func(func(*view) bool) (bool, error)) (bool, error) {
			read, err := x.readEdges(ctx, v, s, terms)
			if err != nil {
				return false, err
			}
			return look(func(v *view) bool {
				edges, ok := v.edgeRows(s, read, w)
				if ok {
					use(v, edges)
				}
				return ok
			})
		})
		if done || err != nil {
			return err
		}
		if v, err = x.current(ctx); err != nil {
			return err
		}
	}
	return errNoIndex
}

// lookWatched calls read under a watch. What it is given calls use with the view as it is now, and
// tells false where that is another by now, where the watch was lost, and where use does.
func (x *index) lookWatched(ctx context.Context, v *view, read func(w *watch, look func(use func(*view) bool) (bool, error)) (bool, error)) (bool, error) {
	w, stop := v.watch()
	defer stop()
	return read(w, func(use func(*view) bool) (bool, error) {
		now, err := x.current(ctx)
		if err != nil || now != v {
			return false, err
		}
		v.mu.RLock()
		defer v.mu.RUnlock()
		if w.lost {
			return false, nil
		}
		return use(v), nil
	})
}

// edgeTerms lists the parts of a filter that edges answer.
func edgeTerms(t *scim.Term, found []*scim.Term) []*scim.Term {
	if t == nil {
		return found
	}
	if t.Op == scim.TermEdge {
		found = append(found, t)
	}
	return edgeTerms(t.Right, edgeTerms(t.Left, found))
}
