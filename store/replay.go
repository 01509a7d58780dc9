package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/scim"
)

// A time-out tells nothing: the commit may have been done, may be done yet, or never
// (design.md §4.6). So each Tx has a nonce, which the record's header and the feed keep, and
// a Tx of unknown outcome is looked for by its nonce before and after it is sent again.

// newNonce is 72 random bits in NonceLen characters.
func newNonce() string {
	var b [NonceLen / 4 * 3]byte
	_, _ = rand.Read(b[:]) // never fails, by its own documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }

// execute has the backend apply one Tx.
func (w *Workspace) execute(ctx context.Context, tx *Tx) TxResult {
	return w.settle(ctx, tx, w.backend.Apply(ctx, []*Tx{tx})[0])
}

// maxRepeats bounds how often a Tx of unknown outcome is sent again.
const maxRepeats = 5

// settle finds out what became of a Tx whose outcome is unknown, as long as ctx allows.
func (w *Workspace) settle(ctx context.Context, tx *Tx, res TxResult) TxResult {
	if isUnknown(res.Err) {
		res = w.repeat(ctx, tx, res)
	}
	if res.Status == StatusDone {
		w.reached(res.Version)
	}
	if res.Status == StatusReplayed {
		return w.replayed(ctx, tx, res)
	}
	return res
}

// reached notes a number of the workspace.
func (w *Workspace) reached(n scim.Version) {
	for {
		seen := w.seen.Load()
		if uint64(n) <= seen || w.seen.CompareAndSwap(seen, uint64(n)) {
			return
		}
	}
}

// repeat looks for the Tx, and sends it again where it was not done.
func (w *Workspace) repeat(ctx context.Context, tx *Tx, unknown TxResult) TxResult {
	pause := 5 * time.Millisecond
	for range maxRepeats {
		select {
		case <-ctx.Done():
			return unknown
		case <-time.After(pause):
		}
		pause *= 3
		if done, err := w.findNonce(ctx, tx); err != nil {
			continue // still out of reach
		} else if done != nil {
			return w.confirm(ctx, done)
		}
		res := w.backend.Apply(ctx, []*Tx{tx})[0]
		if res.Err != nil {
			continue // whatever became of this one, the first may have been done
		}
		if res.Status == StatusDone || res.Status == StatusReplayed {
			return res
		}
		// A refusal, of a Tx that may be its own reason: someone changed the
		// record on top of our success, or we hold the name ourselves.
		done, err := w.findNonce(ctx, tx)
		switch {
		case err != nil:
			return unknown
		case done != nil:
			return w.confirm(ctx, done)
		}
		return res
	}
	return unknown
}

// confirm is the result of a Tx that was found done, once that is safe.
func (w *Workspace) confirm(ctx context.Context, done *TxResult) TxResult {
	if err := w.backend.Confirm(ctx, w.ws); err != nil {
		return TxResult{Err: err}
	}
	return *done
}

// replayWindow is how many changes findNonce looks back through.
const replayWindow = 20_000

// findNonce looks for the Tx in the feed, newest first. Neither result means that it was not
// done; an error, that this cannot be known.
func (w *Workspace) findNonce(ctx context.Context, tx *Tx) (*TxResult, error) {
	var last scim.Version
	floor, page := tx.floor, 100
	for seen := 0; seen < replayWindow; seen, page = seen+page, 1000 {
		entries, err := w.backend.FeedBack(ctx, w.ws, last, page)
		if err != nil {
			return nil, err
		}
		if last == 0 && len(entries) > 0 && entries[0].Version < floor {
			floor = 0 // Redis has gone back to an older state
		}
		for _, e := range entries {
			if e.Nonce == tx.Nonce {
				return &TxResult{Status: StatusReplayed, Version: e.Version, Created: createdAt(e), Modified: e.Time}, nil
			}
			// It would have a higher number than what it expects, and than what was
			// there before it was made.
			if e.Version <= floor || tx.Expect != scim.MustExist && e.Version <= tx.Expect {
				return nil, nil
			}
		}
		if len(entries) < page {
			return nil, nil
		}
		last = entries[len(entries)-1].Version - 1
		if last == 0 {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("store: too many changes since: %w", scim.ErrUnavailable)
}

func createdAt(e Entry) time.Time {
	if e.Before == 0 {
		return e.Time
	}
	return time.Time{} // that of the state before
}

// replayed completes the result of a Tx that was done before: what it did to members is in
// the feed, what the record was besides is in the record.
func (w *Workspace) replayed(ctx context.Context, tx *Tx, res TxResult) TxResult {
	var did []scim.EdgeChange
	if len(tx.Edges) > 0 {
		entries, err := w.backend.FeedAt(ctx, w.ws, []scim.Version{res.Version})
		if err != nil {
			return TxResult{Err: err}
		}
		if entries[0].Nonce == tx.Nonce {
			did = entries[0].Edges
		}
	}
	var unsure []scim.Ref
	for _, e := range did {
		if e.Remove {
			res.Removed++
		} else {
			res.Added++
		}
	}
	for i := range tx.Edges {
		e := &tx.Edges[i]
		added := slices.ContainsFunc(did, func(d scim.EdgeChange) bool { return d.Member.ID == e.Member.ID })
		if e.Own(tx) && !e.Remove && !added {
			unsure = append(unsure, e.Candidates()...)
		}
	}
	if !tx.WantPayload && len(unsure) == 0 {
		return res
	}
	raws, err := w.backend.Read(ctx, w.ws, append(unsure, tx.Ref), false)
	if err != nil {
		return TxResult{Err: err}
	}
	exists := map[string]bool{}
	for _, raw := range raws[:len(unsure)] {
		exists[raw.ID] = exists[raw.ID] || raw.Found
	}
	for _, ref := range unsure {
		if !exists[ref.ID] && !slices.Contains(res.Dropped, ref.ID) {
			res.Dropped = append(res.Dropped, ref.ID)
		}
	}
	record := raws[len(unsure)]
	if tx.WantPayload && !record.Found {
		return TxResult{Status: StatusVersion} // done, and deleted since
	}
	res.Payload = record.Payload
	if res.Created.IsZero() {
		res.Created = record.Created
	}
	return res
}
