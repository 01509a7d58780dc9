package sync

import (
	"context"
	"errors"
	"sync"
	"time"

	"rollcall/scim"
)

// RunScheduled runs each runner that has a schedule at its times, until the context ends; then
// it waits for the runs under way, which end early by the same context. A source never runs
// twice at a time, and once for one time, however many replicas there are. Times that
// pass during a run, or while the machine sleeps, are made up for by one run. Those that pass
// while no process is there are not.
func RunScheduled(ctx context.Context, runners ...*Runner) { RunScheduledUntil(ctx, ctx, runners...) }

// RunScheduledUntil is RunScheduled that begins no further run once until has ended, and lets
// those under way come to their own end.
func RunScheduledUntil(ctx, until context.Context, runners ...*Runner) {
	var wait sync.WaitGroup
	for _, r := range runners {
		if r.config.Schedule != nil {
			wait.Go(func() { r.runScheduled(ctx, until) })
		}
		if r.config.Live {
			wait.Go(func() { r.live(ctx, until) })
		}
	}
	wait.Wait()
}

func (r *Runner) runScheduled(ctx, until context.Context) {
	for last := time.Now(); ; {
		due := r.Next(last)
		if due.IsZero() {
			r.log.Error("the schedule has no next time", "schedule", r.config.Schedule)
			return
		}
		if err := sleepUntil(until, due); err != nil {
			return
		}
		last = time.Now() // the run that begins now is for everything that was due until now
		_, err := r.do(ctx, order{trigger: Scheduled, due: due, follow: r.config.Follower != nil})
		switch {
		case errors.Is(err, scim.ErrLocked):
			r.log.Info("scheduled run left out: another one is under way", "error", err)
		case err != nil && ctx.Err() == nil:
			r.log.Error("scheduled run could not start", "error", err)
		}
	}
}

// sleepUntil waits for a time of day, looking at the clock every minute: a timer alone
// does not see that the clock was set, or that the machine slept.
func sleepUntil(ctx context.Context, t time.Time) error {
	for {
		left := t.Sub(time.Now().Round(0))
		if left <= 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, min(left, time.Minute)); err != nil {
			return err
		}
	}
}
