package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rollcall/scim"
)

// Live is the trigger of a run that the source itself has called for.
const Live Trigger = "live"

// How a run has read its source.
const (
	ReadAll     = "all"
	ReadChanges = "changes"
)

// followed is what this process remembers of a source between its runs, so that a run of what changed need
// read neither the source nor the store whole.
type followed struct {
	mu     sync.Mutex // held by a run from its lock to its end
	held   map[string]map[string]*holding
	counts map[string]TypeCount // of held: Present and Gone
	run    string               // that has left it so; any later one, of whichever process, makes it worth nothing
	whole  time.Time            // when everything was last read
	saved  time.Time            // when the position was last kept (position.go)
	moved  bool                 // since then
}

// count adds a holding with a mark to the counts, or takes it away.
func (f *followed) count(typ, mark string, n int) {
	c := f.counts[typ]
	if isMissing(mark) {
		c.Gone += n
	} else {
		c.Present += n
	}
	f.counts[typ] = c
}

// heard is what a run knows before it begins.
type heard struct {
	delta *Delta // nil for a run that reads everything
	why   string // that it does
	err   error  // the source could not be asked
	stale bool   // another process ran the source since
}

// lastRun is the space that names the last run of each source, whichever process did it.
func (r *Runner) lastRun() scim.KV { return r.config.State.KV("sync/last") }

// listen asks a followed source what changed. nil means that nothing did.
func (r *Runner) listen(ctx context.Context) (*heard, error) {
	f := &r.followed
	if f.whole.IsZero() {
		if why, err := r.resume(ctx); why != "" || err != nil {
			return &heard{why: why}, err
		}
	}
	if age := time.Since(f.whole); age >= r.config.WholeEvery {
		return &heard{why: fmt.Sprintf("it was last read whole %v ago", age.Round(time.Second))}, nil
	}
	d, err := r.config.Follower.Changes(ctx)
	whole := (*ReadWhole)(nil)
	switch {
	case errors.As(err, &whole):
		return &heard{why: whole.Why}, nil
	case err != nil:
		return &heard{err: err}, nil
	case d.Empty():
		return nil, nil
	}
	if why, err := r.beyond(ctx, d); why != "" || err != nil {
		return &heard{why: why}, err
	}
	last, err := r.lastRun().Get(ctx, r.config.Name)
	if err != nil && !errors.Is(err, scim.ErrNotFound) {
		return nil, fmt.Errorf("sync: the last run of %s: %w", r.config.Name, err)
	}
	return &heard{delta: d, stale: f.held == nil || string(last) != f.run}, nil
}

// beyond tells why changes cannot be judged by themselves, "" where they can.
func (r *Runner) beyond(ctx context.Context, d *Delta) (why string, err error) {
	p := r.config.Policy
	switch {
	case len(p.Roles) > 0:
		return "its groups give roles, which hang on all of them", nil
	case len(d.Gone) > 0 && len(p.Guard.Canaries) > 0:
		return "somebody is gone, and there are canaries to look for", nil
	}
	notes, err := scanByRef[int64](ctx, r.config.State.KV(mappedSpace))
	if len(notes) > 0 {
		why = "groups have members of its groups, which hang on all of them"
	}
	return why, err
}

// following tells whether the run is to leave something for the next one.
func (t *run) following() bool { return t.config.Follower != nil && t.report.Trigger != DryRun }

// planDelta is plan for what changed.
func (t *run) planDelta(ctx context.Context) error {
	if err := t.phase(ctx, "owned", 0, t.recallOwned); err != nil {
		return err
	}
	p := t.planner
	p.partial = true
	for _, fault := range t.heard.delta.Faults {
		p.spoil(fault)
	}
	for _, e := range t.heard.delta.Entries {
		p.add(e)
	}
	return t.finishPlan(ctx, p.endDelta(t.heard.delta.Gone))
}

// recallOwned is readOwned by memory, where that is still good.
func (t *run) recallOwned(ctx context.Context) error {
	if t.heard.stale {
		if err := t.readOwned(ctx); err != nil {
			return err
		}
		t.planner.mapped = nil
		return nil
	}
	past, err := t.memory.load(ctx)
	if err != nil {
		return err
	}
	t.planner = newPlanner(t.mapping, t.config.Policy, past, t.report.Started, t.report)
	t.planner.held = t.followed.held
	for typ, n := range t.followed.counts {
		count := t.planner.plan.Types[typ]
		count.Present, count.Gone = n.Present, n.Gone
	}
	return nil
}

// endDelta is end for what changed: nobody is missing but who is said to be gone. Where it takes
// several runs for somebody to count as missing, those are whole ones.
func (p *planner) endDelta(gone []scim.Ref) []*Change {
	p.endGroups()
	slices.SortFunc(p.met, compareRefs)
	p.met = slices.Compact(p.met)
	for _, ref := range p.met {
		if h := p.held[ref.Type][ref.ID]; h != nil && h.state != unseen && isMissing(h.mark) {
			p.plan.Types[ref.Type].Gone--
		}
	}
	for _, ref := range gone {
		h := p.held[ref.Type][ref.ID]
		if h == nil || h.state != unseen || isMissing(h.mark) || p.policy.MissingRuns > 1 {
			continue
		}
		p.plan.Types[ref.Type].Missing++
		p.miss(ref, h)
	}
	for _, count := range p.plan.Types {
		// Who was not named is there as before.
		rest := count.Present - count.Missing
		count.Unchanged += max(0, rest-count.Seen)
		count.Seen = max(count.Seen, rest)
	}
	for _, name := range p.policy.Guard.Canaries {
		p.plan.Canaries[canaryKey(name)] = true // nobody is gone, or this would be a whole run
	}
	p.plan.Branches, p.plan.StillMissing = p.plan.BranchesBefore, p.missingAfter()
	maps.Copy(p.plan.Mapped, p.past.mapped)
	return p.endCounts()
}

// missingAfter are the absences to keep after a run of what changed: those of before, but for who is back.
func (p *planner) missingAfter() map[scim.Ref]int {
	kept := maps.Clone(p.past.missing)
	for ref := range kept {
		if h := p.held[ref.Type][ref.ID]; h == nil || h.state != unseen {
			delete(kept, ref)
		}
	}
	return kept
}

// remember keeps what the run leaves for the next one, or nothing where it did not end well.
func (t *run) remember(ctx context.Context, o order) {
	if t.heard != nil && t.heard.err != nil {
		return // the source could not be asked, and tells the same again
	}
	f := &t.followed
	if t.report.Result != OK && t.report.Result != Partial || o.undo != nil || t.kept == nil {
		t.config.Follower.Forget()
		f.held, f.counts, f.run, f.whole = nil, nil, "", time.Time{}
		t.dropPosition(ctx)
		return
	}
	partial := t.planner.partial
	if fresh := !partial || t.heard.stale; fresh {
		f.counts = map[string]TypeCount{}
		for typ, all := range t.kept {
			for _, h := range all {
				if h.state != created {
					f.count(typ, h.mark, 1)
				}
			}
		}
	}
	for c := range t.planned.all() {
		t.noteApplied(c)
	}
	for _, c := range t.planned.Settled {
		t.noteApplied(c)
	}
	if partial {
		for _, ref := range t.planner.met {
			t.settle(t.kept[ref.Type], ref.ID)
		}
	} else {
		for _, all := range t.kept {
			for id := range all {
				t.settle(all, id)
			}
		}
		f.whole = t.report.Started
	}
	f.held, f.run = t.kept, t.report.ID
	t.keepPosition(ctx, !partial)
}

// settle makes a holding ready for the next run; what was to be made and is not there is none.
func (t *run) settle(all map[string]*holding, id string) {
	if h := all[id]; h != nil && h.state == created {
		delete(all, id)
	} else if h != nil {
		h.state = unseen
	}
}

// noteApplied notes what a change has made of a holding.
func (t *run) noteApplied(c *Change) {
	h := t.kept[c.Type][c.ExternalID]
	if h == nil || c.Error != "" || t.lost[c.ID] {
		return
	}
	if h.state != created {
		t.followed.count(c.Type, h.mark, -1)
	}
	if c.Action == Delete {
		delete(t.kept[c.Type], c.ExternalID)
		return
	}
	if h.state == created {
		h.state = seen
	}
	h.id = c.ID
	if c.packed > 0 {
		h.mark = c.mark
	} else if c.stored != "" {
		h.mark = c.stored
	}
	t.followed.count(c.Type, h.mark, 1)
}

// noteRead says in the report how the source is read.
func (t *run) noteRead() {
	t.report.Read = ReadAll
	switch {
	case t.heard == nil:
	case t.heard.delta != nil:
		t.report.Read = ReadChanges
	default:
		t.report.Why = t.heard.why
	}
}

// live runs the source whenever it says that something changed.
func (r *Runner) live(ctx, until context.Context) {
	const pause = 5 * time.Second
	said := ""
	for until.Err() == nil {
		err := r.goOn(until)
		if err == nil {
			err = r.config.Follower.Wait(until)
		}
		if whole := (*ReadWhole)(nil); err == nil {
			_, err = r.do(ctx, order{trigger: Live, follow: true})
		} else if errors.As(err, &whole) { // the schedule sees to it, or somebody who asks for a run
			if said != whole.Why {
				said = whole.Why
				r.log.Warn("the source does not tell what changes until it has been read whole", "why", whole.Why)
			}
			_ = sleep(until, pause)
			continue
		}
		if err != nil && until.Err() == nil {
			if !errors.Is(err, scim.ErrLocked) { // another replica, which follows it too, is at it
				r.log.Warn("the source could not be followed; trying again", "in", pause, "error", err)
			}
			_ = sleep(until, pause)
		}
	}
}
