package store

import (
	"context"
	"sync"
)

// fence shares one look at the newest number among all who ask at the same time. One look is
// in flight; who comes during it waits for the next, since this one may have been answered
// before what the caller must see was written.
type fence struct {
	look func(ctx context.Context) error

	mu      sync.Mutex // guards what follows
	running *look
	next    *look
}

// look is one look. lead passes its execution to one of those who wait for it.
type look struct {
	lead chan struct{}
	done chan struct{}
	err  error
	left bool // whoever executed it went away: the others look again
}

// pass returns when everything is applied that was committed before it was called.
func (f *fence) pass(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.next == nil {
			f.next = &look{lead: make(chan struct{}, 1), done: make(chan struct{})}
		}
		l := f.next
		if f.running == nil {
			return f.start(ctx, l)
		}
		f.mu.Unlock()
		if mine, err := f.wait(ctx, l); mine || err != nil {
			return err
		}
	}
}

// wait waits for a look, or executes it. Neither result means that it must be joined anew.
func (f *fence) wait(ctx context.Context, l *look) (done bool, err error) {
	for {
		select {
		case <-l.done:
			return !l.left, l.err
		case <-ctx.Done():
			select {
			case <-l.lead: // pass it on
				l.lead <- struct{}{}
			default:
			}
			return false, ctx.Err()
		case <-l.lead:
			f.mu.Lock()
			if f.next != l || f.running != nil { // someone who came later has it
				f.mu.Unlock()
				continue
			}
			return true, f.start(ctx, l)
		}
	}
}

// start executes a look. It is called with the lock held, and gives it back.
func (f *fence) start(ctx context.Context, l *look) error {
	f.running, f.next = l, nil
	f.mu.Unlock()
	err := f.look(ctx)
	f.mu.Lock()
	if l.left = ctx.Err() != nil; !l.left {
		l.err = err
	}
	f.running = nil
	if f.next != nil {
		select {
		case f.next.lead <- struct{}{}:
		default:
		}
	}
	f.mu.Unlock()
	close(l.done)
	return err
}
