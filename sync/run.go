package sync

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"rollcall/scim"
)

// run is one run under way, or one plan being made.
type run struct {
	*Runner
	report   *Report
	meter    *meter
	planner  *planner
	planned  *Plan
	planning bool // what is lost is taken out of the plan
	look     bool // names are looked up beforehand, where a run would be told by the store
	held     bool // scheduled runs are held back until this one is applied

	heard *heard                         // of a followed source; nil for a run that reads everything
	kept  map[string]map[string]*holding // for the next run, of a followed source

	mu   sync.Mutex      // guards lost, and the report while changes are compared and applied
	lost map[string]bool // ids of resources that were to be made, and cannot be
}

// sourceError is an error of reading the source, as against one of the store.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "the source could not be read whole: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (r *Runner) newRun(trigger Trigger) *run {
	return &run{Runner: r, meter: &meter{}, lost: map[string]bool{}, report: &Report{
		ID: scim.NewID(), Source: r.config.Name, Trigger: trigger, Started: now(), Result: Running, Phases: []Phase{},
	}}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// phase does one step, of so many parts, and notes the time it took.
func (t *run) phase(ctx context.Context, name string, total int, step func(context.Context) error) error {
	begin := time.Now()
	t.meter.begin(name, total)
	ctx, over := scim.Step(ctx, "sync."+name)
	err := step(ctx)
	over(err)
	t.report.Phases = append(t.report.Phases, Phase{Name: name, Duration: time.Since(begin)})
	return err
}

// plan makes the plan and lets the guard judge it.
func (t *run) plan(ctx context.Context) error {
	if t.heard != nil && t.heard.err != nil {
		return &sourceError{t.heard.err}
	}
	if t.heard != nil && t.heard.delta != nil {
		return t.planDelta(ctx)
	}
	defer beLean()()
	if err := t.phase(ctx, "owned", 0, t.readOwned); err != nil {
		return err
	}
	expected := 0 // as many as there were
	for _, n := range t.planner.plan.Types {
		expected += n.Present
	}
	if err := t.phase(ctx, "read", expected, t.readSource); err != nil {
		return err
	}
	if err := t.confirm(ctx); err != nil {
		return err
	}
	return t.finishPlan(ctx, t.planner.end())
}

// finishPlan completes the plan, and lets the guard judge it.
func (t *run) finishPlan(ctx context.Context, open []*Change) error {
	if err := t.phase(ctx, "compare", len(open), func(ctx context.Context) error { return t.compare(ctx, open) }); err != nil {
		return err
	}
	mapped, err := t.compareMapped(ctx)
	if err != nil {
		return err
	}
	t.planned = t.planner.close(append(open, mapped...))
	if t.following() {
		t.kept = t.planner.held
	}
	t.planner.held = nil // no longer needed, and large
	if t.planned.count() > muchGarbage {
		runtime.GC()
	}
	if err := t.checkNames(ctx); err != nil {
		return err
	}
	t.report.Missing = t.planned.Missing[:min(len(t.planned.Missing), MaxErrors)]
	t.report.Verdict = judge(t.planned, t.config.Policy.Guard)
	if t.report.Verdict.Blocked {
		t.report.Verdict.Next = t.nextStep()
	}
	return nil
}

// muchGarbage is how many changes a plan has where what it was made from is so large that going on
// should not begin on top of it.
const muchGarbage = 10_000

// nextStep is what to do about a plan that is blocked.
func (t *run) nextStep() string {
	did, then := "Nothing was applied.", "the next run is as it should be"
	if t.report.Trigger == DryRun {
		did = "A run would apply nothing."
	}
	return fmt.Sprintf("%s See whether the source, its filter and the rights of its account are as they should be: once they are, %s. "+
		"If the change is meant, `rollcall sync approve %s` applies just this.", did, then, t.report.ID)
}

// readOwned asks the store what the source owns.
func (t *run) readOwned(ctx context.Context) error {
	past, err := t.memory.load(ctx)
	if err != nil {
		return err
	}
	t.planner = newPlanner(t.mapping, t.config.Policy, past, t.report.Started, t.report)
	owner := scim.ActorFrom(ctx).Owner()
	for _, typ := range t.config.Model.Types {
		for o, err := range t.config.Target.Owned(ctx, owner, typ.Name) {
			if err != nil {
				return fmt.Errorf("what the source owns: %w", err)
			}
			t.planner.own(typ.Name, o)
		}
	}
	return t.readMapped(ctx)
}

// readSource takes every entry. Only a stream that ends by itself is whole.
func (t *run) readSource(ctx context.Context) error {
	entries := t.config.Source.Entries
	if t.following() {
		entries = t.config.Follower.Entries
	}
	for e, err := range ahead(entries(ctx)) {
		t.meter.add(1)
		if entry := (*EntryError)(nil); errors.As(err, &entry) {
			t.planner.spoil(entry)
			continue
		}
		if err != nil {
			return &sourceError{err}
		}
		t.planner.add(e)
	}
	return ctx.Err() // a source that was cut short by it might not say so
}

// end completes the report.
func (t *run) end(ctx context.Context, err error) {
	r := t.report
	r.Finished = now()
	if t.planned != nil {
		for c := range t.planned.all() {
			if len(r.Changes) == MaxChanges {
				break
			}
			r.Changes = append(r.Changes, c.shown())
		}
	}
	source, stopped := (*sourceError)(nil), (*cancelled)(nil)
	switch {
	case err == nil && r.Verdict != nil && r.Verdict.Blocked && !r.Approved:
		r.Result = Blocked
	case err == nil && r.ErrorCount > 0:
		r.Result = Partial
	case err == nil:
		r.Result = OK
	case errors.Is(err, scim.ErrFenced), errors.Is(context.Cause(ctx), scim.ErrFenced):
		r.fail(FailedLock, "another run took over the lock, or the lock could not be kept")
	case errors.Is(err, errMoved):
		r.fail(FailedMoved, r.movedText())
	case errors.As(context.Cause(ctx), &stopped):
		r.fail(FailedCancelled, stopped.Error()+"; what it had applied stays")
	case ctx.Err() != nil:
		r.fail(FailedInterrupted, "the run was told to stop")
	case errors.As(err, &source):
		r.fail(FailedSource, err.Error())
	default:
		r.fail(FailedStore, err.Error())
	}
}

func (r *Report) fail(f Failure, text string) { r.Result, r.Failure, r.Error = Failed, f, text }

// shown is the change as a report has it.
func (c *Change) shown() Change {
	s := Change{
		Action: c.Action, Type: c.Type, ID: c.ID, ExternalID: c.ExternalID, DN: c.DN, Name: c.Name, Attributes: c.Attributes,
		MembersBefore: c.MembersBefore, MembersAdded: c.MembersAdded, MembersRemoved: c.MembersRemoved, Mapped: c.Mapped,
		Added: memberIDs(c.add), Removed: memberIDs(c.remove), Error: c.Error,
	}
	if c.Action == Create {
		if want, err := scim.ParseObject(c.want, scim.StoredLimits); err == nil {
			s.Attributes = compareAttributes(nil, "", nil, want)
		}
	}
	return s
}

func memberIDs(refs []scim.Ref) []string {
	var ids []string
	for _, ref := range refs[:min(len(refs), MaxMembers)] {
		ids = append(ids, ref.ID)
	}
	return ids
}

// lose notes that a change cannot be applied. The caller holds mu.
func (t *run) lose(c *Change, reason string) {
	c.Error = reason
	t.report.Counts.Failed++
	if c.Action == Create {
		t.lost[c.ID] = true
	}
	if c.packed > 0 && t.planning {
		t.planned.packed.lose(c.packed)
	}
}
