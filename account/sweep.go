package account

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"rollcall/scim"
)

// sweepEvery is how often what has ended is cleaned up, at most.
const sweepEvery = 10 * time.Minute

// broom removes what has ended from a space, now and then. What one sweep does not get to, a later one
// does: it is worth nothing anyway.
type broom struct {
	mu    sync.Mutex // guards swept
	swept time.Time
}

// due tells whether it is time again, once.
func (b *broom) due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) < sweepEvery {
		return false
	}
	b.swept = now
	return true
}

// sweep removes each value that over says so of, where it is time again.
func sweep[T any](ctx context.Context, b *broom, kv scim.KV, now time.Time, over func(*T) bool, remove func(context.Context, string) error) {
	if !b.due(now) {
		return
	}
	var ended []string
	err := kv.Scan(ctx, func(id string, value []byte) error {
		v := new(T)
		if json.Unmarshal(value, v) == nil && over(v) {
			ended = append(ended, id)
		}
		return nil
	})
	if err != nil {
		return
	}
	for _, id := range ended {
		if remove(ctx, id) != nil {
			return
		}
	}
}
