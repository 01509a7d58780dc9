package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"rollcall/scim"
)

// Undo takes a run back: each resource that it changed becomes what it was before, as the change
// feed has kept it, where nobody has changed it since. Where somebody has, it is left, and the
// report says so. Until somebody runs the source by hand, scheduled runs do not do the same again.
// Errors are those of Run; ErrNotFound without such a run, ErrInvalidVers where the feed no
// longer reaches back to it, and ErrVersionMismatch where it has changed nothing or is not over.
func (r *Runner) Undo(ctx context.Context, id string) (*Report, error) {
	old, err := r.history.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if old.Result == Running {
		return nil, scim.Errorf(scim.ErrVersionMismatch, "run %s is under way: cancel it first, with `rollcall sync cancel %s`", id, id)
	}
	changed, err := r.changedBy(ctx, old)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return nil, scim.Errorf(scim.ErrVersionMismatch, "run %s changed nothing: there is nothing to undo", id)
	}
	return r.do(ctx, order{trigger: Undoing, undo: old, changed: changed})
}

// feedPage is how many changes of the feed are read at a time.
const feedPage = 1000

// spanner is a target that tells how far its feed reaches.
type spanner interface {
	Span(ctx context.Context) (scim.Span, error)
}

// feedEnd is the number of the newest change, 0 where the target does not tell.
func (r *Runner) feedEnd(ctx context.Context) scim.Version {
	s, ok := r.config.Target.(spanner)
	if !ok {
		return 0
	}
	span, err := s.Span(ctx)
	if err != nil {
		return 0
	}
	return span.Newest
}

// chain is what one run did to one resource, oldest first.
type chain []scim.Change

func (c chain) ref() scim.Ref     { return c[0].Ref }
func (c chain) last() scim.Change { return c[len(c)-1] }

// unbroken tells that nobody came in between.
func (c chain) unbroken() bool {
	for i := 1; i < len(c); i++ {
		if c[i].Before != c[i-1].Version {
			return false
		}
	}
	return true
}

// edges are the changes of members that take back what the chain did to them.
func (c chain) edges() []scim.EdgeChange {
	first, last := map[scim.Ref]bool{}, map[scim.Ref]bool{} // whether it removes
	var order []scim.Ref
	for _, change := range c {
		for _, e := range change.Edges {
			if _, seen := first[e.Member]; !seen {
				first[e.Member] = e.Remove
				order = append(order, e.Member)
			}
			last[e.Member] = e.Remove
		}
	}
	var back []scim.EdgeChange
	for _, m := range order {
		if first[m] == last[m] {
			back = append(back, scim.EdgeChange{Member: m, Remove: !first[m]})
		}
	}
	return back
}

// changedBy finds in the feed what a run did, by resource, in the order of the last change of each.
func (r *Runner) changedBy(ctx context.Context, old *Report) ([]chain, error) {
	ctx = r.actor(ctx, old)
	who := "source:" + r.config.Name
	chains := map[scim.Ref]chain{}
	for after := old.FeedFrom; ; {
		page, err := r.config.Target.Changes(ctx, after, feedPage)
		if errors.Is(err, scim.ErrInvalidVers) && old.FeedFrom == 0 && after == 0 {
			after = r.feedStart(ctx) // a report that does not tell where it began
			continue
		}
		if errors.Is(err, scim.ErrInvalidVers) {
			return nil, scim.Errorf(scim.ErrInvalidVers, "the change feed no longer reaches back to run %s: store.feed_keep says how far it does", old.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("sync: what run %s changed: %w", old.ID, err)
		}
		for _, c := range page {
			if c.RequestID == old.ID && c.Actor == who {
				chains[c.Ref] = append(chains[c.Ref], c)
			}
			after = c.Version
		}
		if len(page) < feedPage || old.FeedTo > 0 && after >= old.FeedTo {
			break
		}
	}
	return slices.SortedFunc(maps.Values(chains), func(a, b chain) int { return int(a.last().Version) - int(b.last().Version) }), nil
}

// feedStart is the number before the oldest change.
func (r *Runner) feedStart(ctx context.Context) scim.Version {
	if s, ok := r.config.Target.(spanner); ok {
		if span, err := s.Span(ctx); err == nil {
			return span.Oldest - 1
		}
	}
	return 0
}

// undo takes back what a run did: first what it deleted comes back, people before groups; then
// what it changed, the last first; then what it created goes, groups before people.
func (t *run) undo(ctx context.Context, lock scim.Lock, changed []chain) error {
	u := &undoer{run: t, fence: lock.Fence(), marks: map[string]string{}}
	owner := scim.ActorFrom(ctx).Owner()
	for _, typ := range t.config.Model.Types {
		for o, err := range t.config.Target.Owned(ctx, owner, typ.Name) {
			if err != nil {
				return fmt.Errorf("what the source owns: %w", err)
			}
			u.marks[o.ID] = o.Mark
		}
	}
	var deleted, kept, created []chain
	for _, c := range slices.Backward(changed) {
		switch {
		case c.last().Op == "delete" && c[0].Op == "create": // and it is as before
		case c.last().Op == "delete":
			deleted = append(deleted, c)
		case c[0].Op == "create":
			created = append(created, c)
		default:
			kept = append(kept, c)
		}
	}
	rank := func(a, b chain) int { return t.mapping.rank(a.ref().Type) - t.mapping.rank(b.ref().Type) }
	slices.SortStableFunc(deleted, rank)
	slices.SortStableFunc(created, func(a, b chain) int { return rank(b, a) })
	for _, step := range []struct {
		name   string
		chains []chain
	}{{"deleted", deleted}, {"changed", kept}, {"created", created}} {
		if len(step.chains) == 0 {
			continue
		}
		if err := t.phase(ctx, step.name, len(step.chains), func(ctx context.Context) error { return u.all(ctx, step.chains) }); err != nil {
			return err
		}
	}
	if err := lock.Renew(ctx); err != nil {
		return err
	}
	return t.memory.holdBack(ctx, t.report.Undoes)
}
