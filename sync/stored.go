package sync

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"rollcall/scim"
)

// Every change of a plan, and of a run that was blocked, is kept in chunks of chunkSize beside its
// report, which has the first MaxChanges alone; and so are its digests, by which a later plan is
// known to be the same. What a run has applied is in the change feed.

const (
	chunkSize  = 500
	digestsKey = "digests"
)

func chunkKey(n int) string { return fmt.Sprintf("%08d", n) }

// stored is the space of a plan's changes.
func (h *history) stored(id string) scim.KV { return h.state.KV("sync/changes/" + id) }

// store keeps the plan under the id of its report.
func (h *history) store(ctx context.Context, id string, p *Plan, d digests) error {
	kv := h.stored(id)
	shown := make([]Change, 0, chunkSize)
	n := 0
	for chunk := range chunks(p.all(), chunkSize) {
		shown = shown[:0]
		for _, c := range chunk {
			shown = append(shown, c.shown())
		}
		text, err := json.Marshal(shown)
		if err != nil {
			return fmt.Errorf("plan: %w", err)
		}
		if err := putPacked(ctx, kv, chunkKey(n), text); err != nil {
			return fmt.Errorf("plan: %w", err)
		}
		n++
	}
	if err := putPacked(ctx, kv, digestsKey, d.pairs()); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

// changes returns up to limit of a plan's changes, from the one of that number on.
func (h *history) changes(ctx context.Context, id string, from, limit int) ([]Change, error) {
	var list []Change
	for n := from / chunkSize; len(list) < limit; n++ {
		text, err := getPacked(ctx, h.stored(id), chunkKey(n))
		if errors.Is(err, scim.ErrNotFound) {
			break
		}
		var chunk []Change
		if err == nil {
			err = json.Unmarshal(text, &chunk)
		}
		if err != nil {
			return nil, fmt.Errorf("changes of %s: %w", id, err)
		}
		list = append(list, chunk[min(max(from-n*chunkSize, 0), len(chunk)):]...)
	}
	return list[:min(limit, len(list))], nil
}

// digests of a stored plan, or scim.ErrNotFound.
func (h *history) digests(ctx context.Context, id string) (digests, error) {
	pairs, err := getPacked(ctx, h.stored(id), digestsKey)
	if err != nil {
		return nil, err
	}
	return digestsOf(pairs), nil
}

// dropStored forgets a plan's changes.
func (h *history) dropStored(ctx context.Context, id string) error {
	var keys []string
	err := h.stored(id).Scan(ctx, func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, h.stored(id).Delete(ctx, key))
	}
	return err
}

func putPacked(ctx context.Context, kv scim.KV, key string, text []byte) error {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is one that exists
	_, err := w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return kv.Put(ctx, key, packed.Bytes(), nil)
}

func getPacked(ctx context.Context, kv scim.KV, key string) ([]byte, error) {
	packed, err := kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: %v", key, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "%s: %v", key, err)
	}
	return text, nil
}
