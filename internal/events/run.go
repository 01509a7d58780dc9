package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"rollcall/scim"
)

const (
	lockTTL   = 6 * time.Second
	lockRenew = lockTTL / 4
	lockPause = 2 * time.Second // between two tries to take a stream over
)

// Run delivers until the context ends, then waits for deliveries under way. Each stream is
// delivered by one process at a time, whichever holds its lock.
func (t *Transmitter) Run(ctx context.Context) {
	var wait sync.WaitGroup
	defer wait.Wait()
	var mu sync.Mutex // guards running
	running := map[string]bool{}
	for {
		list, err := t.all(ctx)
		if err != nil && ctx.Err() == nil {
			t.log.ErrorContext(ctx, "the streams of events cannot be read", "error", err)
		}
		for _, s := range list {
			if s.Method == Poll {
				continue
			}
			mu.Lock()
			started := running[s.key()]
			running[s.key()] = true
			mu.Unlock()
			if started {
				continue
			}
			wait.Go(func() {
				t.work(ctx, s.Workspace, s.Name)
				mu.Lock()
				defer mu.Unlock()
				delete(running, s.key())
			})
		}
		if !sleep(ctx, max(t.Interval, 100*time.Millisecond)) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// work delivers one stream until it is gone or is polled.
func (t *Transmitter) work(ctx context.Context, workspace, name string) {
	for {
		lock, err := t.State.Lock(ctx, "events/"+key(workspace, name), t.Holder, lockTTL)
		if err == nil {
			err = t.hold(ctx, workspace, name, lock)
			t.release(ctx, lock)
			if errors.Is(err, errOver) {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, scim.ErrLocked) && !errors.Is(err, scim.ErrVersionMismatch) {
			t.log.WarnContext(ctx, "a stream pauses", "workspace", workspace, "stream", name, "error", err)
		}
		if !sleep(ctx, lockPause+rand.N(time.Second)) {
			return
		}
	}
}

func (t *Transmitter) release(ctx context.Context, lock scim.Lock) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lock.Release(ctx); err != nil {
		t.log.Warn("the lock of a stream was not released and runs out by itself", "error", err)
	}
}

// errOver tells that a stream is gone, or is one that is polled.
var errOver = errors.New("nothing to deliver")

// hold delivers while the lock is held. Whoever takes a lost lock over may deliver again what
// is under way here; no position is saved over another's.
func (t *Transmitter) hold(ctx context.Context, workspace, name string, lock scim.Lock) error {
	ctx, lose := context.WithCancelCause(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer lose(nil)
	wait.Go(func() {
		for held := time.Now(); sleep(ctx, lockRenew); {
			err := lock.Renew(ctx)
			switch {
			case err == nil:
				held = time.Now()
			case errors.Is(err, scim.ErrFenced) || time.Since(held) > lockTTL-lockRenew:
				lose(err)
			}
		}
	})
	for {
		s, err := t.find(ctx, workspace, name)
		if errors.Is(err, scim.ErrNotFound) || err == nil && s.Method == Poll {
			return errOver
		}
		if err != nil {
			return err
		}
		pause, err := t.step(ctx, s)
		if err != nil && !errors.Is(err, scim.ErrVersionMismatch) {
			return err
		}
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}
