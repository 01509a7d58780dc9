package sync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"rollcall/scim"
)

// A lock is held for lockTTL after its last renewal, which is tried every lockRenew.
const (
	lockTTL   = 30 * time.Second
	lockRenew = lockTTL / 4
)

// hold keeps a lock until the returned function is called, which gives it back. The
// context ends, with scim.ErrFenced as its cause, when the lock is lost or could not be
// renewed in time. That is for speed alone: what keeps a late writer out is the fence in
// its commits.
func hold(ctx context.Context, lock scim.Lock, log *slog.Logger) (context.Context, func()) {
	held, lose := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() { renew(held, lock, log, stop, lose) })
	return held, func() {
		close(stop)
		wait.Wait()
		lose(nil)
		// Even a run that was told to stop gives its lock back.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := lock.Release(last); err != nil {
			log.Warn("the run lock could not be given back; it ends by itself", "in", lockTTL, "error", err)
		}
	}
}

func renew(ctx context.Context, lock scim.Lock, log *slog.Logger, stop <-chan struct{}, lose context.CancelCauseFunc) {
	tick := time.NewTicker(lockRenew)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		one, cancel := context.WithTimeout(ctx, lockRenew)
		err := lock.Renew(one)
		cancel()
		switch {
		case err == nil:
			last = time.Now()
		case errors.Is(err, scim.ErrFenced):
			lose(err)
			return
		case time.Since(last) >= lockTTL-lockRenew:
			lose(scim.Errorf(scim.ErrFenced, "the lock could not be renewed for %v", time.Since(last).Round(time.Second)))
			return
		default:
			log.Warn("the run lock could not be renewed; trying again", "error", err)
		}
	}
}
