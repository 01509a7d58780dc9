package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/scim"
)

// order is what a run is told to do.
type order struct {
	trigger Trigger
	due     time.Time // of a scheduled run; zero for others
	// plan is what the run has to come to, or it applies nothing; nil for whatever it finds. It is
	// of plans or, where it was blocked, of runs.
	plan     *Report
	from     *history
	approved bool // beyond the guard's limits
	follow   bool // what changed will do, where the source can tell
	undo     *Report
	changed  []chain // by the run that is to be undone
}

// Run does one run and waits for its end. An error means that there was no run:
// scim.ErrLocked where another one is under way, scim.ErrUnavailable without a store.
// Everything that happens later is told by the report, which is kept.
func (r *Runner) Run(ctx context.Context, trigger Trigger) (*Report, error) {
	return r.do(ctx, order{trigger: trigger})
}

// Apply does a run that applies a plan: it reads the source again, and where that does not lead to
// just the changes of the plan, it applies nothing and its report says what has moved. Errors are
// those of Run; ErrNotFound without such a plan, and ErrVersionMismatch for one that was applied.
func (r *Runner) Apply(ctx context.Context, id string) (*Report, error) {
	plan, err := r.plans.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if plan.AppliedAs != "" {
		return nil, scim.Errorf(scim.ErrVersionMismatch, "plan %s was applied already, by run %s", id, plan.AppliedAs)
	}
	return r.do(ctx, order{trigger: Applying, plan: plan, from: r.plans})
}

// Approve is Apply for a run, or a plan, that the guard has blocked: its verdict does not count.
func (r *Runner) Approve(ctx context.Context, id string) (*Report, error) {
	blocked, from, err := r.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case blocked.AppliedAs != "":
		return nil, scim.Errorf(scim.ErrVersionMismatch, "%s %s was approved and applied already, by run %s", from.what, id, blocked.AppliedAs)
	case blocked.Result != Blocked:
		return nil, scim.Errorf(scim.ErrVersionMismatch, "%s %s is %s, not blocked: there is nothing to approve", from.what, id, blocked.Result)
	}
	return r.do(ctx, order{trigger: Approval, plan: blocked, from: from, approved: true})
}

// find returns the report of a run or a plan, and the history that it is of.
func (r *Runner) find(ctx context.Context, id string) (*Report, *history, error) {
	report, err := r.history.get(ctx, id)
	if !errors.Is(err, scim.ErrNotFound) {
		return report, r.history, err
	}
	if report, err := r.plans.get(ctx, id); err == nil {
		return report, r.plans, nil
	}
	return nil, nil, err
}

// do does a run, and tells who wants to know how it ended.
func (r *Runner) do(ctx context.Context, o order) (*Report, error) {
	report, past, err := r.locked(ctx, o)
	if report != nil {
		r.tell(ctx, report, past)
	}
	return report, err
}

// locked takes the lock and does a run. One that was due at a time is not done (and has no report)
// where another replica has started one since. The reports of those before it come with it.
func (r *Runner) locked(ctx context.Context, o order) (_ *Report, past []*Report, err error) {
	lock, err := r.config.State.Lock(ctx, "sync/"+r.config.Name, r.config.Holder, lockTTL)
	if err != nil {
		return nil, nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
	}
	held, release := hold(ctx, lock, r.log)
	defer release()

	if !o.due.IsZero() {
		past, err = r.history.list(held, 1)
		if err != nil {
			return nil, nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
		}
		if len(past) > 0 && !past[0].Started.Before(o.due) {
			return nil, nil, nil
		}
	}
	t := r.newRun(o.trigger)
	if r.config.Follower != nil {
		r.followed.mu.Lock()
		defer r.followed.mu.Unlock()
		if o.follow {
			if t.heard, err = r.listen(held); t.heard == nil || err != nil {
				if err == nil { // nothing changed: no run, but all is well
					t.keepPosition(held, false)
					t.report.Result, t.report.Finished, t.report.Read = OK, now(), ReadChanges
					r.config.Observe(t.report)
				}
				return nil, nil, err
			}
		}
		defer t.remember(ctx, o)
		t.noteRead()
		if err := t.noteBegin(held); err != nil {
			return nil, nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
		}
	}
	t.report.By = requester(ctx)
	if o.plan != nil {
		t.report.Plan, t.report.Approved = o.plan.ID, o.approved
	}
	if o.undo != nil {
		t.report.Undoes = o.undo.ID
	}
	t.report.FeedFrom = r.feedEnd(r.actor(held, t.report))
	if past, err = r.history.begin(held, t.report); err != nil {
		return nil, nil, fmt.Errorf("sync: run of %s: %w", r.config.Name, err)
	}
	held, over := scim.Step(held, "sync.run")
	r.log.InfoContext(held, "run started", "run_id", t.report.ID, "trigger", o.trigger)
	r.config.Observe(t.report)
	var stop func()
	t.meter, stop = r.meters.start(t.report.ID)
	defer stop()

	heeding, end := t.heedCancel(held)
	err = t.obey(r.actor(heeding, t.report), lock, o)
	t.end(heeding, err)
	end()
	t.report.FeedTo = r.feedEnd(r.actor(held, t.report))
	over(err)
	r.logEnd(held, t.report)
	r.config.Observe(t.report)
	t.keep(ctx)
	return t.report, past, nil
}

// obey does what the run was told to.
func (t *run) obey(ctx context.Context, lock scim.Lock, o order) error {
	if o.undo != nil {
		return t.undo(ctx, lock, o.changed)
	}
	t.look = o.plan != nil
	if err := t.plan(ctx); err != nil {
		return err
	}
	if err := t.heedHold(ctx, o); err != nil {
		return err
	}
	if o.plan != nil {
		if err := t.same(ctx, o.from, o.plan); err != nil {
			return err
		}
	}
	if t.report.Verdict.Blocked && !o.approved {
		// What is kept to be approved is looked at as closely as it will be then.
		if t.look = true; o.plan == nil {
			if err := t.checkNames(ctx); err != nil {
				return err
			}
		}
		return t.keepPlan(ctx, t.history)
	}
	if o.plan != nil { // first, so that nobody applies it twice
		o.plan.AppliedAs = t.report.ID
		if err := o.from.put(ctx, o.plan); err != nil {
			return err
		}
	}
	if t.held { // somebody has seen to it
		if err := t.memory.letGo(ctx); err != nil {
			return err
		}
	}
	return t.apply(ctx, lock)
}

// heedHold keeps a scheduled run from doing again what somebody has undone. A run that somebody
// asks for ends that, unless it is blocked.
func (t *run) heedHold(ctx context.Context, o order) error {
	undone, err := t.memory.held(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("whether a run was undone: %w", err)
	case undone == "":
		return nil
	case o.trigger != Scheduled && o.trigger != Live:
		t.held = true
	case t.planned.count() > 0:
		t.report.Verdict.add(Check{Name: "changes by schedule since run " + undone + " was undone", Value: t.planned.count()})
		t.report.Verdict.Next = t.nextStep()
	}
	return nil
}

// keepPlan keeps every change that was planned.
func (t *run) keepPlan(ctx context.Context, h *history) error {
	hash, each := t.planned.digest()
	t.report.Hash = hash
	return h.store(ctx, t.report.ID, t.planned, each)
}

// keep writes the report, even if the run was told to stop.
func (t *run) keep(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := t.history.put(last, t.report); err != nil {
		t.log.Error("the run's report could not be kept", "run_id", t.report.ID, "error", err)
	}
}

// Plan reads the source and tells what a run would do, by the same mapping, checks and guard. It
// changes no resource, and takes no lock; of several in one process, one is made after the other.
// It is kept, with every change, for Apply and Changes. As with Run, a source that cannot be read
// is a report that says so, and no error; that one is not kept.
func (r *Runner) Plan(ctx context.Context) (*Report, error) {
	select {
	case r.planning <- struct{}{}:
		defer func() { <-r.planning }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t := r.newRun(DryRun)
	t.look = true
	t.report.By = requester(ctx)
	var stop func()
	t.meter, stop = r.meters.start(t.report.ID)
	defer stop()
	err := t.plan(r.actor(ctx, t.report))
	if err == nil {
		err = t.keepPlan(ctx, r.plans)
	}
	t.end(ctx, err)
	if t.report.Result == Failed {
		return t.report, nil
	}
	past, err := r.plans.list(ctx, keptPlans+1)
	if err == nil {
		err = r.plans.prune(ctx, past, keptPlans-1)
	}
	if err == nil {
		err = r.plans.put(ctx, t.report)
	}
	if err != nil {
		return nil, fmt.Errorf("sync: keep a plan of %s: %w", r.config.Name, err)
	}
	return t.report, nil
}

// List returns the reports of the last runs without their lists, newest first, and Plans those of
// the last plans.
func (r *Runner) List(ctx context.Context, limit int) ([]*Report, error) {
	list, err := r.history.list(ctx, limit)
	for _, report := range list {
		r.meters.fill(report)
	}
	return list, err
}

// Progress is how far the run or plan has come that this process is at, nil for none.
func (r *Runner) Progress() *Progress { return r.meters.any() }

// Plans returns the reports of the last plans; see List.
func (r *Runner) Plans(ctx context.Context, limit int) ([]*Report, error) {
	return r.plans.list(ctx, limit)
}

// Show returns the report of one run or plan, or scim.ErrNotFound.
func (r *Runner) Show(ctx context.Context, id string) (*Report, error) {
	report, _, err := r.find(ctx, id)
	if err == nil {
		r.meters.fill(report)
	}
	return report, err
}

// Changes returns up to limit changes of a run or plan, from the one of that number on: all of
// a plan's, and of a run's that was blocked; of other runs those that its report has.
func (r *Runner) Changes(ctx context.Context, id string, from, limit int) ([]Change, error) {
	report, h, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	from, limit = max(from, 0), max(limit, 0)
	if report.Hash != "" && report.Plan == "" {
		return h.changes(ctx, id, from, limit)
	}
	rest := report.Changes[min(from, len(report.Changes)):]
	return rest[:min(limit, len(rest))], nil
}
