package account

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"rollcall/scim"
)

// maxBlock is how many numbers a replica takes at once while accounts are made by the thousand, and
// blockLife for how long it hands them out: numbers rise in the order of creation, give or take
// so long.
const (
	maxBlock  = 256
	blockLife = time.Second
)

// numbers gives the accounts of each workspace their sequential numbers. While accounts are made
// one by one, each number is taken by itself.
type numbers struct {
	kv  scim.KV
	now func() time.Time

	mu     sync.Mutex // guards blocks
	blocks map[string]*block
}

// block is numbers that are taken and not yet given out.
type block struct {
	mu        sync.Mutex // guards what follows, and is held while more are taken
	next, end int64
	size      int64
	taken     time.Time
}

func newNumbers(state scim.State, now func() time.Time) *numbers {
	return &numbers{kv: state.KV("numbers"), now: now, blocks: map[string]*block{}}
}

// next is the next number of a workspace.
func (n *numbers) next(ctx context.Context, workspace string) (int64, error) {
	n.mu.Lock()
	b := n.blocks[workspace]
	if b == nil {
		b = &block{}
		n.blocks[workspace] = b
	}
	n.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := n.now()
	busy := now.Sub(b.taken) < blockLife
	if b.next == b.end || !busy {
		b.size = min(b.size*2, maxBlock)
		if !busy || b.size == 0 {
			b.size = 1
		}
		if err := n.take(ctx, workspace, b); err != nil {
			return 0, err
		}
		b.taken = now
	}
	b.next++
	return b.next, nil
}

// take takes b.size numbers behind all that were ever taken.
func (n *numbers) take(ctx context.Context, workspace string, b *block) error {
	for range 100 {
		old, err := n.kv.Get(ctx, workspace)
		if errors.Is(err, scim.ErrNotFound) {
			old, err = []byte{}, nil
		}
		if err != nil {
			return err
		}
		last := int64(0)
		if len(old) > 0 {
			if last, err = strconv.ParseInt(string(old), 10, 64); err != nil {
				return scim.Errorf(scim.ErrCorrupt, "the last number of workspace %s: %v", workspace, err)
			}
		}
		err = n.kv.Put(ctx, workspace, strconv.AppendInt(nil, last+b.size, 10), old)
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue
		}
		if err != nil {
			return err
		}
		b.next, b.end = last, last+b.size
		return nil
	}
	return scim.Errorf(scim.ErrUnavailable, "numbers are being taken by others; try again")
}
