package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"rollcall/scim"
)

// undoer takes changes back, by batches.
type undoer struct {
	*run
	fence scim.Fence
	marks map[string]string // by id, as they are
}

// reversal is one resource on its way back.
type reversal struct {
	chain  chain
	change *Change
	commit *scim.Commit
	rest   []scim.EdgeChange
}

// all takes back chains of one step. Those whose name is still taken come again while others give
// up theirs.
func (u *undoer) all(ctx context.Context, chains []chain) error {
	for {
		var late []chain
		done := 0
		for batch := range slices.Chunk(chains, batchCommits) {
			refused, n, err := u.batch(ctx, batch)
			if err != nil {
				return err
			}
			late, done = append(late, refused...), done+n
		}
		if len(late) == 0 {
			return nil
		}
		if done == 0 {
			for _, c := range late {
				u.leave(c, nil, "its name is taken by another now", "Rename the other, and undo the run again.")
			}
			return nil
		}
		chains = late
	}
}

// batch takes back a few, and returns those whose name was taken, and how many it did.
func (u *undoer) batch(ctx context.Context, chains []chain) (late []chain, done int, err error) {
	var versions []scim.Version
	for _, c := range chains {
		versions = append(versions, c[0].Version, c.last().Version)
	}
	images, err := u.config.Target.Images(ctx, versions)
	if err != nil {
		return nil, 0, fmt.Errorf("states before the run: %w", err)
	}
	reversals := make([]*reversal, len(chains))
	err = parallel(ctx, readers, len(chains), func(ctx context.Context, i int) error {
		var err error
		reversals[i], err = u.prepare(ctx, chains[i], images[2*i], images[2*i+1])
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	reversals = slices.DeleteFunc(reversals, func(r *reversal) bool { return r == nil })
	commits := make([]*scim.Commit, len(reversals))
	for i, r := range reversals {
		commits[i] = r.commit
	}
	for i, result := range u.config.Target.CommitMany(ctx, commits) {
		r, err := reversals[i], result.Err
		if err == nil {
			err = u.finish(ctx, r, result.Committed)
		}
		switch {
		case err == nil:
			done++
		case breaksOff(err):
			return nil, done, err
		case errors.Is(err, scim.ErrUniqueness):
			late = append(late, r.chain)
		case errors.Is(err, scim.ErrVersionMismatch), errors.Is(err, scim.ErrNotFound):
			u.left(r.chain, r.change)
		default:
			reason := err.Error()
			if s := (*scim.Error)(nil); errors.As(err, &s) {
				reason = s.Detail
			}
			u.leave(r.chain, r.change, reason, "Put it right by hand.")
		}
	}
	return late, done, nil
}

// prepare makes the commit that takes a chain back; nil where there is nothing to do, or what is
// to be done was left and reported.
func (u *undoer) prepare(ctx context.Context, c chain, first, last scim.Images) (*reversal, error) {
	if !first.Kept || !last.Kept {
		u.leave(c, nil, "its state before the run is no longer kept", "Put it right by hand; store.image_keep says how many changes keep theirs.")
		return nil, nil
	}
	stored, err := u.config.Target.Get(ctx, c.ref(), scim.With{})
	if errors.Is(err, scim.ErrNotFound) {
		stored, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.ref(), err)
	}
	change := &Change{Type: c.ref().Type, ID: c.ref().ID}
	for _, r := range []*scim.Resource{first.Old, last.New} {
		if r != nil {
			change.ExternalID, change.Name = r.ExternalID, cmp.Or(change.Name, r.UserName(), r.DisplayName())
		}
	}
	r := &reversal{chain: c, change: change, commit: &scim.Commit{Ref: c.ref(), Fence: &u.fence, KeepForeign: true}}
	switch {
	case c.last().Op == "delete":
		return u.restore(r, stored, first.Old)
	case stored == nil && first.Old == nil: // created, and gone already
		return nil, nil
	case stored == nil:
		u.left(c, change)
		return nil, nil
	}
	now, err := stored.Resource()
	if err != nil {
		return nil, err
	}
	if stored.Version != c.last().Version || !c.unbroken() {
		as, err := u.asBefore(ctx, c, now, first.Old)
		if err == nil && !as {
			u.left(c, change)
		}
		return nil, err
	}
	r.commit.Expect, r.commit.Old = stored.Version, stored
	if first.Old == nil {
		change.Action, r.commit.Delete = Delete, true
		change.Attributes = compareAttributes(nil, "", now.Attributes, nil)
		return r, nil
	}
	return u.revert(r, now, first.Old, last.New), nil
}

// asBefore tells whether a resource that somebody has changed since, perhaps by undoing the run, is
// what it was before the run.
func (u *undoer) asBefore(ctx context.Context, c chain, now, before *scim.Resource) (bool, error) {
	if before == nil || !reflect.DeepEqual(now.Attributes, before.Attributes) {
		return false, nil
	}
	back := c.edges()
	if len(back) == 0 {
		return true, nil
	}
	there := map[scim.Ref]bool{}
	for m, err := range u.config.Target.Members(ctx, c.ref(), scim.Ref{}) {
		if err != nil {
			return false, fmt.Errorf("members of %s: %w", c.ref(), err)
		}
		there[m] = true
	}
	return !slices.ContainsFunc(back, func(e scim.EdgeChange) bool { return there[e.Member] == e.Remove }), nil
}

// restore makes again what the run deleted, with its members and in its groups (which finish adds).
func (u *undoer) restore(r *reversal, stored *scim.Stored, old *scim.Resource) (*reversal, error) {
	if stored != nil || old == nil {
		if stored != nil {
			u.left(r.chain, r.change)
		}
		return nil, nil
	}
	r.change.Action = Create
	r.change.Attributes = compareAttributes(nil, "", nil, old.Attributes)
	r.commit.Expect, r.commit.Put = scim.MustNotExist, old.Clone()
	r.commit.Mark = missingMark(1, u.report.Started) // its time of grace begins anew
	u.giveEdges(r)
	return r, nil
}

// revert puts back what the run changed. What it did not change, and what no image has, stays.
func (u *undoer) revert(r *reversal, now, before, after *scim.Resource) *reversal {
	next := now.Clone()
	putBack(next.Attributes, before.Attributes, after.Attributes)
	r.change.Attributes = compareAttributes(nil, "", now.Attributes, next.Attributes)
	r.change.Action = Members
	if r.change.Attributes != nil {
		r.commit.Put, r.change.Action = next, Update
		switch {
		case now.Active() && !next.Active():
			r.change.Action = Disable
		case !now.Active() && next.Active():
			r.change.Action = Enable
		}
	}
	if mark, own := u.marks[now.ID]; own { // and not the mark of another source
		r.commit.Mark = undoneMark(mark, now.Active(), next.Active())
	}
	u.giveEdges(r)
	return r
}

// putBack makes what differs between before and after in into what it was before. What neither
// has, such as a password, stays.
func putBack(into, before, after map[string]any) {
	for name, was := range before {
		is, had := after[name]
		m, ok := was.(map[string]any)
		n, ok2 := is.(map[string]any)
		present, ok3 := into[name].(map[string]any)
		switch {
		case ok && ok2 && ok3:
			putBack(present, m, n)
		case !had || !reflect.DeepEqual(was, is):
			into[name] = was
		}
	}
	for name := range after {
		if _, had := before[name]; !had {
			delete(into, name)
		}
	}
}

// undoneMark is the mark of what was put back: of no hash, so that the next run looks at it again,
// and still of one that a run has disabled where that is so.
func undoneMark(mark string, active, becomes bool) string {
	if !becomes && (active || disabledByRun(mark)) {
		return markDisabled + "undone"
	}
	return markApplied + "undone"
}

func (u *undoer) giveEdges(r *reversal) {
	edges := r.chain.edges()
	for _, e := range edges {
		if e.Remove {
			r.change.MembersRemoved++
		} else {
			r.change.MembersAdded++
		}
	}
	n := min(len(edges), commitEdges)
	r.commit.Edges, r.rest = edges[:n:n], edges[n:]
}

// finish sends the edges beyond one commit, brings back what was deleted into its groups, and
// counts what was done.
func (u *undoer) finish(ctx context.Context, r *reversal, did *scim.Committed) error {
	added, removed := did.Added, did.Removed
	for edges := range slices.Chunk(r.rest, commitEdges) {
		did, err := u.config.Target.Commit(ctx, &scim.Commit{Ref: r.commit.Ref, Expect: scim.MustExist, Edges: edges, Fence: &u.fence, KeepForeign: true})
		if err != nil {
			return err
		}
		added, removed = added+did.Added, removed+did.Removed
	}
	if r.change.Action == Create {
		for _, change := range r.chain {
			for _, g := range change.Groups {
				did, err := u.config.Target.Commit(ctx, &scim.Commit{Ref: g, Expect: scim.MustExist, Fence: &u.fence,
					KeepForeign: true, Edges: []scim.EdgeChange{{Member: r.commit.Ref}}})
				if errors.Is(err, scim.ErrNotFound) {
					continue // the group is gone too
				}
				if err != nil {
					return err
				}
				added += did.Added
			}
		}
		if err := u.memory.exhume(ctx, r.change); err != nil {
			return err
		}
	}
	u.meter.add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report.Counts.count(r.change.Action)
	u.report.Counts.MembersAdded += added
	u.report.Counts.MembersRemoved += removed
	u.show(r.change)
	return nil
}

// left reports a resource that somebody has changed since.
func (u *undoer) left(c chain, change *Change) {
	u.leave(c, change, "it was changed after the run, and was left as it is", "Look at it, and put it right by hand where need be.")
}

func (u *undoer) leave(c chain, change *Change, reason, remedy string) {
	p := Problem{DN: c.ref().String(), Kind: "changed", Holder: c.ref().ID, Reason: reason, Remedy: remedy}
	if change != nil {
		p.ID = change.ExternalID
		p.DN = cmp.Or(change.Name, p.DN)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report.Counts.Failed++
	u.report.problem(p)
}

// show puts a change into the report. The caller holds mu.
func (u *undoer) show(c *Change) {
	u.report.ChangeCount++
	if len(u.report.Changes) < MaxChanges {
		u.report.Changes = append(u.report.Changes, *c)
	}
}
