package sync

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"rollcall/scim"
)

// How a plan is applied.
const (
	batchCommits  = 256  // commits sent at a time
	batchEdges    = 4000 // and their edges
	batchesAtOnce = 3
	unpacked      = 16 * batchCommits // creations that are unpacked at a time
	commitEdges   = 1000              // edges of one commit (design.md §4.3)
	raceRetries   = 3                 // times that one change is tried against writers who were faster
)

// storeRetries are the waits between tries while the store cannot be reached.
var storeRetries = []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// applier applies a plan. What is applied stays, whatever happens to the rest: the next
// run finds it done.
type applier struct {
	*run
	fence scim.Fence
	owner string
	late  []refusal // guarded by run.mu: names that another change of this run may give up
	// nesting is the second pass over groups, when each group is there that may be a member.
	nesting bool
}

// refusal is a change that the store refused.
type refusal struct {
	change *Change
	err    error
}

// apply applies the plan: those without members first, so that they are there when groups
// take them up.
func (t *run) apply(ctx context.Context, lock scim.Lock) error {
	a := &applier{run: t, fence: lock.Fence(), owner: scim.ActorFrom(ctx).Owner()}
	var people, groups, leave []*Change
	for _, c := range slices.Concat(t.planned.Changes, t.planned.Settled) {
		switch {
		case c.Action == Delete:
			leave = append(leave, c)
		case t.mapping.hasMembers(c.Type):
			groups = append(groups, c)
		default:
			people = append(people, c)
		}
	}
	err := t.phase(ctx, "users", len(people)+t.planned.packed.count(), func(ctx context.Context) error {
		if err := a.all(ctx, people); err != nil {
			return err
		}
		for chunk := range chunks(t.planned.packed.all(), unpacked) {
			if err := a.all(ctx, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = t.phase(ctx, "groups", len(groups), func(ctx context.Context) error {
		if err := a.all(ctx, groups); err != nil {
			return err
		}
		a.nesting = true
		return a.all(ctx, slices.DeleteFunc(groups, func(c *Change) bool { return !c.nests || c.Error != "" }))
	})
	if err != nil {
		return err
	}
	if len(leave) > 0 {
		if err := t.phase(ctx, "deletions", len(leave), func(ctx context.Context) error { return a.all(ctx, leave) }); err != nil {
			return err
		}
	}
	// A run that changes nothing has met no fence so far. One that was paused past its lock must not
	// count anybody as missing over what a later run has found.
	if err := lock.Renew(ctx); err != nil {
		return fmt.Errorf("who is missing: %w", err)
	}
	return t.memory.put(ctx, t.planner.past, t.planned, t.config.Policy.MissingRuns)
}

// all applies the changes of one phase, in batches side by side. Those whose name was still
// taken come again while others give up theirs: in a chain of renames the last goes first.
func (a *applier) all(ctx context.Context, changes []*Change) error {
	for {
		batches := slices.Collect(batched(changes))
		err := parallel(ctx, batchesAtOnce, len(batches), func(ctx context.Context, i int) error {
			return a.batch(ctx, batches[i])
		})
		if err != nil {
			return err
		}
		late := a.late
		a.late = nil
		if len(late) == 0 || len(late) == len(changes) {
			return a.refuseNames(ctx, late)
		}
		changes = changes[:0:0]
		for _, r := range late {
			changes = append(changes, r.change)
		}
	}
}

// batched cuts changes into batches of bounded size.
func batched(changes []*Change) iter.Seq[[]*Change] {
	return func(yield func([]*Change) bool) {
		start, edges := 0, 0
		for i, c := range changes {
			n := min(len(c.add)+len(c.remove), commitEdges)
			if i > start && (i-start == batchCommits || edges+n > batchEdges) {
				if !yield(changes[start:i]) {
					return
				}
				start, edges = i, 0
			}
			edges += n
		}
		if start < len(changes) {
			yield(changes[start:])
		}
	}
}

// batch applies a few changes, trying again those that met a faster writer, and all of them
// while the store is away.
func (a *applier) batch(ctx context.Context, changes []*Change) error {
	for races, waits := 0, 0; ; {
		again, err := a.once(ctx, changes, races < raceRetries)
		switch {
		case err == nil && len(again) == 0:
			return nil
		case err == nil:
			races++
		case !errors.Is(err, scim.ErrUnavailable) || waits == len(storeRetries):
			return err
		default:
			if err := sleep(ctx, storeRetries[waits]); err != nil {
				return err
			}
			waits++
		}
		changes = again
	}
}

// once tries each change once, and returns those that are to be tried again; with
// ErrUnavailable, after a wait.
func (a *applier) once(ctx context.Context, changes []*Change, mayRace bool) (again []*Change, err error) {
	tries := make([]*attempt, len(changes))
	err = parallel(ctx, readers, len(changes), func(ctx context.Context, i int) error {
		t, err := a.prepare(ctx, changes[i])
		if err != nil && !breaksOff(err) {
			a.refuse(changes[i], err)
			return nil
		}
		tries[i] = t
		return err
	})
	if err != nil {
		return changes, err
	}
	tries = slices.DeleteFunc(tries, func(t *attempt) bool { return t == nil })
	commits := make([]*scim.Commit, len(tries))
	for i, t := range tries {
		commits[i] = t.commit
	}
	if len(commits) == 0 {
		return nil, nil
	}
	var away error
	for i, result := range a.config.Target.CommitMany(ctx, commits) {
		c, err := tries[i].change, result.Err
		if err == nil {
			err = a.done(ctx, tries[i], result.Committed)
			c.unsure = err != nil
		}
		switch {
		case err == nil:
		case errors.Is(err, scim.ErrUnavailable):
			c.unsure, away = true, err
			again = append(again, c)
		case breaksOff(err):
			return nil, err
		case errors.Is(err, scim.ErrUniqueness):
			a.mu.Lock()
			a.late = append(a.late, refusal{c, err})
			a.mu.Unlock()
		case mayRace && (errors.Is(err, scim.ErrVersionMismatch) || errors.Is(err, scim.ErrNotFound)):
			again = append(again, c)
		default:
			a.refuse(c, err)
		}
	}
	return again, away
}

// breaksOff tells an error of the run from one of an entry.
func breaksOff(err error) bool {
	return errors.Is(err, scim.ErrUnavailable) || errors.Is(err, scim.ErrFenced) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// refuse records that the store did not take a change.
func (a *applier) refuse(c *Change, err error) {
	reason := err.Error()
	if s := (*scim.Error)(nil); errors.As(err, &s) {
		reason = s.Detail
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lose(c, reason)
	if errors.Is(err, scim.ErrErased) { // the report shall not know them again
		if a.report.erased == nil {
			a.report.erased = map[string]bool{}
		}
		a.report.erased[c.ExternalID] = true
		a.report.problem(Problem{DN: erased, ID: c.ExternalID, Kind: "refused", Reason: reason, Remedy: "Everybody else was brought in."})
		return
	}
	a.report.problem(Problem{DN: c.DN, ID: c.ExternalID, Kind: "refused", Reason: reason,
		Remedy: "The rest was applied. The change is tried again with every run of everything until it succeeds."})
}

// refuseNames records the changes whose names are taken for good.
func (a *applier) refuseNames(ctx context.Context, late []refusal) error {
	for _, r := range late {
		holder := ""
		if len(a.report.Errors) < MaxErrors { // what is not shown need not be looked up
			var err error
			if holder, err = a.holder(ctx, r.change); err != nil {
				return err
			}
		}
		if holder == "" {
			a.refuse(r.change, r.err)
			continue
		}
		a.conflict(r.change, holder)
	}
	return nil
}
