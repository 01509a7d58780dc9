package redisdb

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// batcher sends the requests of many callers together. One is under way at a time; who comes
// meanwhile waits in line, and all who wait go out in one pipeline when it has come back. A
// caller alone goes at once, so that nobody waits for company; many spare both sides most of
// the system calls that a request costs. Where the one under way takes long, the next to come
// takes off beside it, with all who wait: one connection that is stuck holds up nobody for long.
//
// It is a hook of the client, the outermost: the others see one request for each round trip.
type batcher struct {
	pipeline func() redis.Pipeliner // of the client

	mu     sync.Mutex // guards what follows
	flying int
	off    time.Time // when the last one took off
	queue  []*ticket
}

// batch marks the context of a pipeline that is a batch already.
type batch struct{}

// ticket is a request in line, of one command or a few.
type ticket struct {
	cmds []redis.Cmder
	wake chan []*ticket // the batch to execute, its own first; nil when it was executed
}

const (
	maxFlying = 4                // requests or batches under way
	patience  = time.Millisecond // how long others wait for the one under way
	maxBatch  = 64               // requests in a batch
	maxFew    = 4                // commands of a request that may go with others
)

// batched are the commands that may go with others: short ones, that do not depend on their
// connection.
var batched = map[string]bool{"get": true, "evalsha": true, "hget": true, "hmget": true, "getrange": true, "zrange": true, "zrangebylex": true}

func mayBatch(cmds []redis.Cmder) bool {
	for _, cmd := range cmds {
		if !batched[cmd.Name()] {
			return false
		}
	}
	return len(cmds) <= maxFew
}

// DialHook implements redis.Hook.
func (*batcher) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook: long pipelines go as they are.
func (b *batcher) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return b.do(ctx, cmds, func() error { return next(ctx, cmds) })
	}
}

// ProcessHook implements redis.Hook.
func (b *batcher) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return b.do(ctx, []redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
	}
}

// do executes commands alone, or with those of others.
func (b *batcher) do(ctx context.Context, cmds []redis.Cmder, alone func() error) error {
	// A time limit of one caller's is none of the others'.
	if _, limited := ctx.Deadline(); limited || ctx.Value(batch{}) != nil || !mayBatch(cmds) {
		return alone()
	}
	t := &ticket{cmds: cmds}
	now := time.Now()
	b.mu.Lock()
	if b.flying == 0 || b.flying < maxFlying && now.Sub(b.off) > patience {
		b.flying++
		together := b.next(now, t)
		b.mu.Unlock()
		if len(together) > 1 {
			return b.lead(ctx, together)
		}
		defer b.land()
		return alone()
	}
	t.wake = make(chan []*ticket, 1)
	b.queue = append(b.queue, t)
	b.mu.Unlock()
	return b.wait(ctx, t)
}

// next takes a batch out of the line, behind those that are given. The lock is held.
func (b *batcher) next(now time.Time, first ...*ticket) []*ticket {
	b.off = now
	n := min(len(b.queue), maxBatch-len(first))
	if n == 0 {
		return first
	}
	together := append(first, b.queue[:n]...)
	b.queue = append([]*ticket(nil), b.queue[n:]...)
	return together
}

// wait waits for the answer, or executes the batch.
func (b *batcher) wait(ctx context.Context, t *ticket) error {
	var together []*ticket
	select {
	case together = <-t.wake:
	case <-ctx.Done():
		if b.leave(t) {
			return ctx.Err()
		}
		together = <-t.wake // it is under way, and its command in others' hands
	}
	if together == nil {
		return t.err()
	}
	return b.lead(ctx, together)
}

// lead executes a batch, and lands.
func (b *batcher) lead(ctx context.Context, together []*ticket) error {
	defer b.land()
	cmds := make([]redis.Cmder, 0, 2*len(together))
	for _, t := range together {
		cmds = append(cmds, t.cmds...)
	}
	pipe := b.pipeline()
	_ = pipe.BatchProcess(ctx, cmds...)
	_, _ = pipe.Exec(context.WithValue(context.WithoutCancel(ctx), batch{}, true)) // each command has its own error
	for _, other := range together[1:] {
		other.wake <- nil
	}
	return together[0].err()
}

// err is the first error of the commands.
func (t *ticket) err() error {
	for _, cmd := range t.cmds {
		if err := cmd.Err(); err != nil {
			return err
		}
	}
	return nil
}

// leave takes a ticket out of the line, where it still is in it.
func (b *batcher) leave(t *ticket) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.queue {
		if other == t {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			return true
		}
	}
	return false
}

// land has the first in line go, with all behind.
func (b *batcher) land() {
	b.mu.Lock()
	defer b.mu.Unlock()
	together := b.next(time.Now())
	if len(together) == 0 {
		b.flying--
		return
	}
	together[0].wake <- together
}
