package store

import (
	"context"
	"fmt"
	"sync"

	"rollcall/scim"
)

// maxAttempts bounds how often a commit that expects no version in particular is made
// again because the resource changed in between.
const maxAttempts = 50

// Commit makes one change (see scim.Store).
//
// It is one Tx, however many edges it changes.
func (w *Workspace) Commit(ctx context.Context, c *scim.Commit) (*scim.Committed, error) {
	want := *c
	for range maxAttempts {
		p, err := w.prepare(ctx, &want)
		if err != nil {
			return nil, err
		}
		res := w.execute(ctx, p.tx)
		done, again, err := w.finish(p, res)
		if !again {
			return done, err
		}
		want.Old = nil // it is stale
	}
	return nil, scim.Errorf(scim.ErrUnavailable, "%s changed too often meanwhile", c.Ref)
}

// CommitMany makes many changes (see scim.Store), in batches that share round trips.
func (w *Workspace) CommitMany(ctx context.Context, commits []*scim.Commit) []scim.CommitResult {
	const batch, inFlight = 200, 4
	results := make([]scim.CommitResult, len(commits))
	var wg sync.WaitGroup
	slots := make(chan struct{}, inFlight)
	for from := 0; from < len(commits); from += batch {
		to := min(from+batch, len(commits))
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			w.commitBatch(ctx, commits[from:to], results[from:to])
		})
	}
	wg.Wait()
	return results
}

// commitBatch makes those that are one Tx in one pipeline, and the rest one by one.
func (w *Workspace) commitBatch(ctx context.Context, commits []*scim.Commit, results []scim.CommitResult) {
	olds, err := w.readOlds(ctx, commits)
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
		return
	}
	var plans []*prepared
	var txs []*Tx
	var at []int
	var alone []int
	for i, c := range commits {
		if c.Delete {
			alone = append(alone, i)
			continue
		}
		want := *c
		if old := olds[c.Ref]; old != nil && needsOld(c) {
			want.Old = old
		}
		p, err := w.prepare(ctx, &want)
		if err != nil {
			results[i].Err = err
			continue
		}
		plans, txs, at = append(plans, p), append(txs, p.tx), append(at, i)
	}
	if len(txs) > 0 {
		for n, res := range w.settleAll(ctx, txs, w.backend.Apply(ctx, txs)) {
			i := at[n]
			done, again, err := w.finish(plans[n], res)
			if again {
				alone = append(alone, i)
				continue
			}
			results[i] = scim.CommitResult{Committed: done, Err: err}
		}
	}
	for _, i := range alone {
		results[i].Committed, results[i].Err = w.Commit(ctx, commits[i])
	}
}

// settleAll settles the results of one pipeline: where it was cut, many at a time.
func (w *Workspace) settleAll(ctx context.Context, txs []*Tx, results []TxResult) []TxResult {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i, res := range results {
		if !isUnknown(res.Err) && res.Status != StatusReplayed {
			w.reached(res.Version)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = w.settle(ctx, txs[i], res)
		})
	}
	wg.Wait()
	return results
}

// readOlds reads what commits need and do not bring along, in one round trip.
func (w *Workspace) readOlds(ctx context.Context, commits []*scim.Commit) (map[scim.Ref]*scim.Stored, error) {
	model, err := w.Model(ctx)
	if err != nil {
		return nil, err
	}
	var refs []scim.Ref
	for _, c := range commits {
		if !c.Delete && needsOld(c) && validID(c.Ref.ID) && model.Type(c.Ref.Type) != nil {
			refs = append(refs, c.Ref)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	raws, err := w.backend.Read(ctx, w.ws, refs, false)
	if err != nil {
		return nil, err
	}
	olds := map[scim.Ref]*scim.Stored{}
	for i := range raws {
		if !raws[i].Found {
			continue
		}
		// A record that cannot be read fails its own commit, not those beside it.
		if s, err := decodeRecord(&raws[i]); err == nil {
			olds[s.Ref] = s
		}
	}
	return olds, nil
}

// needsOld tells whether the state before must be read: it is not given, or is not what
// is expected, and claims depend on it.
func needsOld(c *scim.Commit) bool {
	claims := c.Put != nil || c.Delete || c.Mark != ""
	if !claims || c.Expect == scim.MustNotExist {
		return false
	}
	return c.Old == nil || c.Expect != scim.MustExist && c.Old.Version != c.Expect
}

// finish turns the result of a Tx into that of its commit. again asks for another attempt.
func (w *Workspace) finish(p *prepared, res TxResult) (done *scim.Committed, again bool, err error) {
	c := p.commit
	switch res.Status {
	case StatusDone, StatusReplayed, StatusUnchanged:
		done, err = w.committed(p, res)
		return done, false, err
	case StatusVersion:
		switch {
		case res.Version == 0:
			return nil, false, notFound(c.Ref)
		case c.Expect == scim.MustExist:
			return nil, true, nil
		case c.Expect == scim.MustNotExist:
			return nil, false, scim.Errorf(scim.ErrVersionMismatch, "%s exists already", c.Ref)
		}
		return nil, false, mismatch(c.Ref, res.Version, c.Expect)
	case StatusEdges:
		return nil, true, nil
	case StatusTaken:
		taken := p.claims[res.Claim]
		return nil, false, scim.Errorf(scim.ErrUniqueness, "%s %q is already in use by %s/%s",
			taken.attr, taken.value, c.Ref.Type, res.Holder)
	case StatusUnknownMember:
		return nil, false, unknownMember(res.Member)
	case StatusFenced:
		return nil, false, scim.Errorf(scim.ErrFenced, "the lock %s was taken by another holder", c.Fence.Lock)
	}
	return nil, false, fmt.Errorf("store: commit %s: %w", c.Ref, res.Err)
}

func mismatch(ref scim.Ref, present, expected scim.Version) error {
	return scim.Errorf(scim.ErrVersionMismatch, "%s is at version %d, not %d", ref, present, expected)
}

func unknownMember(id string) error {
	return scim.Errorf(scim.ErrInvalidValue, "members: there is no resource with id %q that may be a member", id)
}

// committed is the state after a Tx, made without reading it again.
func (w *Workspace) committed(p *prepared, res TxResult) (*scim.Committed, error) {
	done := &scim.Committed{
		Changed: res.Status != StatusUnchanged,
		Added:   res.Added, Removed: res.Removed,
		Dropped: append(p.dropped, res.Dropped...),
	}
	if p.commit.Delete {
		return done, nil
	}
	raw := Raw{
		Ref: p.tx.Ref, Found: true, Version: res.Version,
		Created: res.Created, Modified: res.Modified, Payload: p.payload,
	}
	if p.tx.WantPayload {
		raw.Payload = res.Payload
	}
	if raw.Created.IsZero() && p.old != nil {
		raw.Created = p.old.Created
	}
	s, err := decodeRecord(&raw)
	if err != nil {
		return nil, err
	}
	done.Stored = s
	return done, nil
}
