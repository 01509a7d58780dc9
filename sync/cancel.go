package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/scim"
)

// cancelPoll is how often a run looks whether it was cancelled, perhaps by another replica.
const cancelPoll = time.Second

// cancelled ends a run's context when somebody cancels it.
type cancelled struct{ by string }

func (c *cancelled) Error() string { return "the run was cancelled by " + c.by }

func (r *Runner) cancels() scim.KV { return r.config.State.KV("sync/cancel/" + r.config.Name) }

// Cancel tells a run that is under way, on whichever replica, to stop. It does not wait: Show
// tells when the run has ended. ErrNotFound: there is no such run; ErrVersionMismatch: it is
// over.
func (r *Runner) Cancel(ctx context.Context, id string) error {
	report, err := r.history.get(ctx, id)
	if err != nil {
		return err
	}
	if report.Result != Running {
		return scim.Errorf(scim.ErrVersionMismatch, "run %s is over: it ended %s, so there is nothing to cancel", id, report.Result)
	}
	if err := r.cancels().Put(ctx, id, []byte(requester(ctx)), nil); err != nil {
		return fmt.Errorf("sync: cancel %s: %w", id, err)
	}
	return nil
}

// requester names who asked for something, by the actor in the context.
func requester(ctx context.Context) string {
	a := scim.ActorFrom(ctx)
	switch {
	case a == nil:
		return ""
	case a.Name != "" && a.Name != a.ID:
		return fmt.Sprintf("%s:%s (%s)", a.Kind, a.ID, a.Name)
	}
	return a.Kind + ":" + a.ID
}

// heedCancel ends the returned context when the run is cancelled; the function stops the watch.
func (t *run) heedCancel(ctx context.Context) (context.Context, func()) {
	heeding, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sleep(heeding, cancelPoll) == nil {
			by, err := t.cancels().Get(heeding, t.report.ID)
			if err == nil {
				end(&cancelled{string(by)})
				return
			}
		}
	}()
	return heeding, func() {
		end(nil)
		<-done
		if errors.As(context.Cause(heeding), new(*cancelled)) {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := t.cancels().Delete(last, t.report.ID); err != nil {
				t.log.Warn("the order to cancel a run could not be removed", "run", t.report.ID, "error", err)
			}
		}
	}
}
