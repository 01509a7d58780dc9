package sync

import (
	"context"
	"errors"

	"rollcall/scim"
)

// attempt is one change on its way to the store.
type attempt struct {
	change *Change
	action Action
	commit *scim.Commit
	rest   []scim.EdgeChange // edges that go beyond one commit
	mark   string            // to go with the last of them
}

// prepare makes the commit of a change from the resource as it is now; nil where nothing is
// left to do.
func (a *applier) prepare(ctx context.Context, c *Change) (*attempt, error) {
	if c.Action == Create && !c.unsure && !a.nesting {
		return a.creation(c)
	}
	if c.Mapped {
		return a.mapped(c), nil
	}
	stored, err := a.config.Target.Get(ctx, c.ref(), scim.With{})
	switch {
	case errors.Is(err, scim.ErrNotFound) && c.want == nil:
		return nil, nil // missing from both
	case errors.Is(err, scim.ErrNotFound) && c.Action == Create:
		return a.creation(c)
	case err != nil:
		return nil, err
	}
	old, err := stored.Resource()
	if err != nil {
		return nil, err
	}
	r, err := a.mapping.revise(c, old, a.config.Policy.OnMissing)
	if err != nil {
		return nil, err
	}
	if c.overdue {
		return a.deletion(ctx, c, stored, r)
	}
	t := &attempt{change: c, action: r.action, mark: r.mark}
	t.commit = &scim.Commit{Ref: c.ref(), Expect: stored.Version, Old: stored, Put: r.next, Fence: &a.fence, KeepForeign: true}
	a.addEdges(t)
	if r.next == nil && len(t.commit.Edges) > 0 {
		t.action = Members
		t.commit.Expect = scim.MustExist // members do not race with attributes
	}
	if c.unsure {
		t.action = c.Action // some of it may be done already
	}
	if t.commit.Put == nil && len(t.commit.Edges) == 0 && t.mark == "" {
		return nil, nil
	}
	return t, nil
}

// deletion makes the commit that deletes a resource, whose id is kept for its return.
func (a *applier) deletion(ctx context.Context, c *Change, stored *scim.Stored, r *revision) (*attempt, error) {
	if r.action != Delete {
		return nil, nil // somebody has enabled it again
	}
	if err := a.memory.bury(ctx, c); err != nil {
		return nil, err
	}
	return &attempt{change: c, action: Delete, commit: &scim.Commit{
		Ref: c.ref(), Expect: stored.Version, Old: stored, Delete: true, Fence: &a.fence,
	}}, nil
}

// creation makes the commit of a new resource.
func (a *applier) creation(c *Change) (*attempt, error) {
	attributes, err := scim.ParseObject(c.want, scim.StoredLimits)
	if err != nil {
		return nil, err
	}
	t := &attempt{change: c, action: Create, mark: c.mark}
	t.commit = &scim.Commit{
		Ref: c.ref(), Expect: scim.MustNotExist, Fence: &a.fence,
		Put: &scim.Resource{
			Header:     scim.Header{Ref: c.ref(), ExternalID: c.ExternalID, Owner: a.owner},
			Attributes: attributes,
		},
	}
	a.addEdges(t)
	return t, nil
}

// addEdges gives the commit its share of the change's edges. The mark goes with the last
// edge: a group that was left half done is looked at again.
func (a *applier) addEdges(t *attempt) {
	c := t.change
	edges := make([]scim.EdgeChange, 0, len(c.add)+len(c.remove))
	a.mu.Lock()
	for _, ref := range c.add {
		switch {
		case a.lost[ref.ID]:
		case !a.nesting && a.mapping.hasMembers(ref.Type):
			c.nests, t.mark = true, "" // it may not be there yet
		default:
			edges = append(edges, scim.EdgeChange{Member: ref})
		}
	}
	a.mu.Unlock()
	for _, ref := range c.remove {
		edges = append(edges, scim.EdgeChange{Member: ref, Remove: true})
	}
	n := min(len(edges), commitEdges)
	t.commit.Edges, t.rest = edges[:n:n], edges[n:]
	if len(t.rest) == 0 {
		t.commit.Mark = t.mark
	}
}

// done counts what a commit has done, and sends the edges that go beyond it.
func (a *applier) done(ctx context.Context, t *attempt, did *scim.Committed) error {
	key := scim.Ref{Type: t.change.Type, ID: t.change.ExternalID}
	if t.action == Create && a.planner.past.deleted[key] != "" {
		if err := a.memory.exhume(ctx, t.change); err != nil {
			return err
		}
	}
	a.countMembers(did)
	for len(t.rest) > 0 {
		n := min(len(t.rest), commitEdges)
		commit := &scim.Commit{Ref: t.commit.Ref, Expect: scim.MustExist, Old: did.Stored, Edges: t.rest[:n:n], Fence: &a.fence, KeepForeign: true}
		if t.rest = t.rest[n:]; len(t.rest) == 0 {
			commit.Mark = t.mark
		}
		var err error
		if did, err = a.config.Target.Commit(ctx, commit); err != nil {
			return err
		}
		a.countMembers(did)
	}
	a.meter.add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	t.change.stored = t.mark
	if !t.change.counted {
		a.report.Counts.count(t.action)
		t.change.counted = t.action != settle
	}
	return nil
}

func (a *applier) countMembers(did *scim.Committed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := &a.report.Counts
	n.MembersAdded += did.Added
	n.MembersRemoved += did.Removed
	n.Dangling += len(did.Dropped)
}
