package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

const (
	sealEvery  = 500 * time.Millisecond
	sealMost   = 1000 // changes, and events, in one block
	lockName   = "audit"
	lockTTL    = 10 * time.Second
	lockRenew  = 3 * time.Second
	trimEvery  = time.Hour
	tellEvery  = 10 * time.Minute
	eventCut   = "audit.cut"
	eventGap   = "audit.gap"
	maxSealers = 4
	maxLost    = 10 // blocks in a row that another replica was faster with
)

// Run seals what is new in every workspace, until the context ends.
func (l *Log) Run(ctx context.Context) {
	l.runs.Store(true)
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		l.sealAll(ctx)
		select {
		case <-ctx.Done():
			l.release(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

func (l *Log) sealAll(ctx context.Context) {
	names, err := l.Workspaces(ctx)
	if err != nil {
		return // the store is away: that is told elsewhere
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, maxSealers)
	for _, name := range append(names, account.SystemAudit) {
		c, err := l.chain(ctx, name)
		if err != nil {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			c.catchUp(ctx)
		})
	}
	wait.Wait()
}

// release lets go of every chain, so that another replica need not wait.
func (l *Log) release(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.chains {
		c.mu.Lock()
		c.unlock(ctx)
		c.mu.Unlock()
	}
}

// catchUp seals all that there is, as well as it can.
func (c *chain) catchUp(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.sealNew(ctx)
	switch {
	case err == nil:
		c.seen = c.log.Now()
	case errors.Is(err, scim.ErrLocked), ctx.Err() != nil:
	default:
		c.complain("the audit cannot be sealed", err)
	}
}

// complain logs what goes wrong, now and then.
func (c *chain) complain(what string, err error) {
	if now := c.log.Now(); now.Sub(c.note) > tellEvery {
		c.note = now
		c.log.Logger.Error(what, "workspace", c.workspace, "error", err)
	}
}

// sealNew seals until nothing is left. scim.ErrLocked: another replica does.
func (c *chain) sealNew(ctx context.Context) error {
	for lost := 0; ; {
		before := c.last
		more, err := c.sealSome(ctx)
		if err == nil && more && c.last == nil && before == nil {
			if lost++; lost > maxLost {
				err = scim.Errorf(scim.ErrCorrupt, "the blocks of the audit do not follow each other: `rollcall audit verify` tells more")
			}
		}
		if err != nil {
			c.last = nil
			c.unlock(ctx)
			return err
		}
		if !more {
			return c.trim(ctx)
		}
	}
}

// sealSome writes one block, where there is anything to seal.
func (c *chain) sealSome(ctx context.Context) (more bool, err error) {
	if c.last == nil {
		if c.last, err = c.newest(ctx); err != nil {
			return false, err
		}
	}
	next, err := c.nextBlock(ctx)
	if err != nil || next == nil {
		return false, err
	}
	if err := c.takeLock(ctx); err != nil {
		return false, err
	}
	if done, err := c.write(ctx, next); err != nil || !done {
		c.last = nil // another replica was first
		return err == nil, err
	}
	c.last = next
	if err := c.tidy(ctx, next); err != nil {
		return false, err
	}
	if err := c.log.heads.note(c.workspace, headNote{next.Chain, next.N, next.MAC}); err != nil {
		c.complain("how far the audit has come cannot be noted outside of the store", err)
	}
	return len(next.Changes) == sealMost || len(next.Events) == sealMost, nil
}

// nextBlock is the block behind the newest; nil where there is nothing to put into it.
func (c *chain) nextBlock(ctx context.Context) (*block, error) {
	after, n := scim.Version(0), uint64(1)
	b := &block{header: header{Chain: scim.NewID(), Keep: c.log.FeedKeep, Images: c.log.ImageKeep}}
	if c.last != nil {
		after, n = c.last.Last, c.last.N+1
		b.Chain, b.Prev = c.last.Chain, c.last.MAC
	}
	evidence, head, err := c.store.Evidence(ctx, after, sealMost)
	if err != nil {
		return nil, err
	}
	if b.Events, err = c.inbox(ctx); err != nil {
		return nil, err
	}
	if len(evidence) == 0 && len(b.Events) == 0 {
		return nil, nil
	}
	b.N, b.At, b.First, b.Last = n, c.log.Now().UTC().Truncate(time.Millisecond), after+1, after
	if len(evidence) > 0 {
		b.First = evidence[0].Version
	}
	for i := range evidence {
		e := &evidence[i]
		if e.Version != b.First+scim.Version(i) {
			break // one is missing: the next block tells of it
		}
		b.Changes, b.Last = append(b.Changes, markOf(e)), e.Version
	}
	if c.last != nil && b.First != after+1 {
		if err := b.tell(eventGap, c.log.Now(), map[string]any{"from": after + 1, "to": b.First - 1, "head": head}); err != nil {
			return nil, err
		}
	}
	if err := c.checkHead(ctx, b); err != nil {
		return nil, err
	}
	return b, c.prove(b)
}

// tell adds an event of the audit's own.
func (b *block) tell(typ string, now time.Time, detail map[string]any) error {
	l, err := newLine(event{ID: scim.NewID(), At: now.UTC().Truncate(time.Millisecond), Type: typ, Detail: detail}, nil)
	b.Events = append(b.Events, l)
	return err
}

// checkHead tells, in the block, where the chain is not the one that was noted outside of the store.
func (c *chain) checkHead(ctx context.Context, b *block) error {
	noted, err := c.log.heads.of(c.workspace)
	if err != nil || noted.N == 0 {
		return err
	}
	if noted.Chain == b.Chain && noted.N < b.N {
		there := c.last
		if there == nil || there.N != noted.N {
			if there, _, err = c.readBlock(ctx, noted.N); err != nil {
				return err
			}
		}
		if there == nil || bytes.Equal(there.MAC, noted.MAC) { // nil: its time was over
			return nil
		}
	}
	return b.tell(eventCut, c.log.Now(), map[string]any{"chain": noted.Chain, "sealed": noted.N, "found": b.N - 1})
}

// prove seals the block. A chain that was sealed with a key which is not at hand is not gone on with.
func (c *chain) prove(b *block) error {
	if c.last != nil {
		if _, err := c.log.Keys.Key(c.last.Key, purposeSeal); err != nil {
			return err
		}
	}
	id, key, err := c.log.Keys.Newest(purposeSeal)
	if err != nil {
		return err
	}
	b.Key, b.Lines, b.Root = id, len(b.Events), root(b.Changes, b.Events)
	if b.text, err = json.Marshal(b.header); err != nil {
		return err
	}
	b.MAC = macOf(key, b.text)
	return nil
}

// inbox reads the events that wait, those left out which the newest block has: whoever wrote it did
// not live to take them away.
func (c *chain) inbox(ctx context.Context) ([]line, error) {
	sealed, err := idsOf(c.last)
	if err != nil {
		return nil, err
	}
	var lines []line
	var stale []string
	err = c.store.KV(inboxSpace).Scan(ctx, func(id string, value []byte) error {
		if sealed[id] {
			stale = append(stale, id)
			return nil
		}
		if len(lines) == sealMost {
			return errFull
		}
		var l line
		if err := json.Unmarshal(value, &l); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "an event of the audit cannot be read: %v", err)
		}
		lines = append(lines, l)
		return nil
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	for _, id := range stale {
		err = errors.Join(err, c.store.KV(inboxSpace).Delete(ctx, id))
	}
	return lines, err
}

var errFull = errors.New("the block is full")

func idsOf(b *block) (map[string]bool, error) {
	ids := map[string]bool{}
	if b == nil {
		return ids, nil
	}
	for i := range b.Events {
		e, err := b.Events[i].event()
		if err != nil {
			return nil, err
		}
		ids[e.ID] = true
	}
	return ids, nil
}

// write keeps a block; false where another replica has written one with its number.
func (c *chain) write(ctx context.Context, b *block) (bool, error) {
	value, err := b.encode()
	if err != nil {
		return false, err
	}
	err = c.store.KV(blockSpace).Put(ctx, blockKey(b.N), value, []byte{})
	if errors.Is(err, scim.ErrVersionMismatch) {
		return false, nil
	}
	return err == nil, err
}

// tidy does what follows a block: it is noted as the newest, and its events wait no more.
func (c *chain) tidy(ctx context.Context, b *block) error {
	if err := c.store.KV(blockSpace).Put(ctx, headKey, strconv.AppendUint(nil, b.N, 10), nil); err != nil {
		return err
	}
	ids, err := idsOf(b)
	if err != nil {
		return err
	}
	for id := range ids {
		if err := c.store.KV(inboxSpace).Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// takeLock makes this process the one that seals the chain.
func (c *chain) takeLock(ctx context.Context) error {
	now := c.log.Now()
	if c.lock != nil {
		if now.Sub(c.held) < lockRenew {
			return nil
		}
		if err := c.lock.Renew(ctx); err == nil {
			c.held = now
			return nil
		}
		c.lock, c.last = nil, nil
	}
	lock, err := c.store.Lock(ctx, lockName, "a sealer of the audit", lockTTL)
	if err != nil {
		return err
	}
	c.lock, c.held = lock, now
	return nil
}

func (c *chain) unlock(ctx context.Context) {
	if c.lock != nil {
		_ = c.lock.Release(context.WithoutCancel(ctx)) // it ends by itself
		c.lock = nil
	}
}

// trim removes blocks whose time is over, now and then; an anchor takes their place.
func (c *chain) trim(ctx context.Context) error {
	now := c.log.Now()
	if c.log.Keep == 0 || c.last == nil || c.lock == nil || now.Sub(c.kept) < trimEvery {
		return nil
	}
	c.kept = now
	_, err := c.removeOld(ctx, now.Add(-c.log.Keep))
	return err
}

func (c *chain) removeOld(ctx context.Context, before time.Time) (removed int, err error) {
	a, err := c.readAnchor(ctx)
	if err != nil {
		return 0, err
	}
	for n := a.N + 1; n < c.last.N; n++ {
		b, _, err := c.readBlock(ctx, n)
		if err != nil {
			return removed, err
		}
		if b == nil || !b.At.Before(before) {
			break
		}
		if err := c.anchorAt(ctx, b); err != nil {
			return removed, err
		}
		if err := c.store.KV(blockSpace).Delete(ctx, blockKey(n)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

func (c *chain) anchorAt(ctx context.Context, b *block) error {
	id, key, err := c.log.Keys.Newest(purposeAnchor)
	if err != nil {
		return err
	}
	a := anchor{N: b.N, Chain: b.Chain, Last: b.Last, MAC: b.MAC, At: c.log.Now().UTC().Truncate(time.Second), Key: id}
	if a.Seal, err = a.sealed(key); err != nil {
		return err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return c.store.KV(blockSpace).Put(ctx, anchorKey, text, nil)
}

// sealWait is for how long a reader waits for what is new to be sealed by another replica.
const sealWait = 3 * time.Second

// upToDate seals what is new, or waits until another replica has: then a reader sees all that was
// answered before it asked. What takes longer is not waited for.
func (c *chain) upToDate(ctx context.Context) error {
	for deadline := time.Now().Add(sealWait); ; {
		c.mu.Lock()
		err := c.sealNew(ctx)
		if !c.log.runs.Load() { // a command, which is over soon
			c.unlock(ctx)
		}
		c.mu.Unlock()
		if !errors.Is(err, scim.ErrLocked) {
			return err
		}
		if time.Now().After(deadline) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Lag is for how long something has waited, in the workspace where it waits the longest: since this
// process last saw a chain complete.
func (l *Log) Lag() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var most time.Duration
	now := l.Now()
	for _, c := range l.chains {
		c.mu.Lock()
		most = max(most, now.Sub(c.seen))
		c.mu.Unlock()
	}
	return most
}
