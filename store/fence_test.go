package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestFenceIsShared: however many wait at once, one look is under way and one is next; and who is
// let through has seen a look that began after they came.
func TestFenceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks, passed atomic.Int64
		f := fence{look: func(context.Context) error {
			looks.Add(1)
			time.Sleep(time.Second)
			return nil
		}}
		pass := func() {
			came := looks.Load()
			if err := f.pass(t.Context()); err != nil || looks.Load() <= came {
				t.Errorf("pass() = %v after %d looks, want one more than the %d when it was called", err, looks.Load(), came)
			}
			passed.Add(1)
		}
		go pass()
		synctest.Wait() // the first look is under way
		for range 1000 {
			go pass()
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		for range 1000 { // they come during the second look
			go pass()
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if looks.Load() != 3 || passed.Load() != 2001 {
			t.Errorf("%d callers passed by %d looks, want 2001 by 3", passed.Load(), looks.Load())
		}
	})
}

// TestFenceOutlivesItsLeader: where who executes a look goes away, the others look themselves;
// a look that fails fails for all who waited for it.
func TestFenceOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var looks atomic.Int64
		f := fence{look: func(ctx context.Context) error {
			if looks.Add(1) == 3 {
				return broken
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return ctx.Err()
		}}
		impatient, cancel := context.WithCancel(t.Context())
		go func() { _ = f.pass(t.Context()) }() // the first look
		synctest.Wait()
		results := make(chan error, 2)
		go func() { results <- f.pass(impatient) }() // leads the second
		synctest.Wait()
		go func() { results <- f.pass(t.Context()) }() // waits for it
		time.Sleep(1200 * time.Millisecond)
		cancel()
		synctest.Wait()
		first, second := <-results, <-results
		if errors.Is(first, broken) {
			first, second = second, first
		}
		if !errors.Is(first, context.Canceled) || !errors.Is(second, broken) || looks.Load() != 3 {
			t.Errorf("pass() = %v and %v after %d looks, want the one cancelled, the other by a third look", first, second, looks.Load())
		}
	})
}
