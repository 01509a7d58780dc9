package redisdb

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// A replica that is promoted has what it had received, and what else was acknowledged is gone. So
// nothing is acknowledged before as many replicas as Config.Confirm says have it: WAIT, on the
// connection that wrote.

// confirmScript writes what is there already. WAIT waits for what its own connection wrote last, so
// it is for all that others wrote before.
const confirmScript = `redis.call('SET', KEYS[1], redis.call('GET', KEYS[1]) or '0')`

// Confirm is nil once enough replicas have all that was written to a workspace before the call.
func (b *Backend) Confirm(ctx context.Context, ws string) error {
	if b.confirm == 0 {
		return nil
	}
	pipe := b.client.Pipeline()
	write := pipe.Eval(ctx, confirmScript, []string{seqKey(ws)})
	wait := b.wait(ctx, pipe)
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := write.Err(); err != nil && err != redis.Nil {
		return failed(ctx, "confirm", err)
	}
	return b.confirmed(ctx, wait)
}

// written is the error of a write that is done but for its confirmation.
func (b *Backend) written(ctx context.Context, ws string, err error) error {
	if err != nil {
		return err
	}
	return b.Confirm(ctx, ws)
}

// wait adds a WAIT to a pipeline that writes; nil where no replica is asked.
func (b *Backend) wait(ctx context.Context, pipe redis.Pipeliner) *redis.Cmd {
	if b.confirm == 0 {
		return nil
	}
	return pipe.Do(ctx, "WAIT", b.confirm, b.confirmTimeout.Milliseconds())
}

// confirmed tells what a WAIT said.
func (b *Backend) confirmed(ctx context.Context, wait *redis.Cmd) error {
	if wait == nil {
		return nil
	}
	n, err := wait.Int()
	if err != nil {
		return failed(ctx, "confirm", err)
	}
	if n < b.confirm {
		return fmt.Errorf("redisdb: %d replicas have it after %v: %w: %w", n, b.confirmTimeout, store.ErrUnconfirmed,
			scim.Errorf(scim.ErrUnavailable, "what was written is not confirmed by %d replicas, and may yet be lost", b.confirm))
	}
	return nil
}

// confirmAll takes back the results of what was written, or was there already, and is not confirmed.
func (b *Backend) confirmAll(ctx context.Context, txs []*store.Tx, results []store.TxResult, err error) {
	stands := func(s store.Status) bool {
		return s == store.StatusDone || s == store.StatusReplayed || s == store.StatusUnchanged
	}
	if err == nil && b.confirm > 0 {
		for i := range results {
			// Others wrote it, over another connection.
			if s := results[i].Status; stands(s) && s != store.StatusDone {
				err = b.Confirm(ctx, txs[i].Workspace)
				break
			}
		}
	}
	if err == nil {
		return
	}
	for i := range results {
		if stands(results[i].Status) {
			results[i] = store.TxResult{Err: err}
		}
	}
}

// confirmTimeout is how long replicas may take, unless told otherwise.
const confirmTimeout = time.Second
