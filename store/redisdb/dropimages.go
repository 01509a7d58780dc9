package redisdb

import (
	"context"
	"strconv"

	"rollcall/scim"
)

// dropStep is how many images one script copies: it keeps Redis for a few milliseconds.
const dropStep = 200

// DropImages removes every image of a resource. The others are copied to a new stream, at once for
// whoever reads: while it goes on, Redis holds them twice.
func (b *Backend) DropImages(ctx context.Context, ws string, ref scim.Ref, fence scim.Fence) ([]scim.Version, error) {
	if err := b.Safe(); err != nil {
		return nil, err
	}
	mine, err := b.hasImages(ctx, ws, ref)
	if err != nil || !mine {
		return nil, err
	}
	keys := []string{imagesKey(ws), newImagesKey(ws), fenceKey(ws, fence.Lock)}
	var numbers []scim.Version
	for from := "-"; ; {
		reply, err := b.eval(ctx, dropImagesScript, keys, ref.String(), from, dropStep, strconv.FormatUint(fence.Number, 10)).Slice()
		if err != nil {
			return nil, failed(ctx, "drop images", err)
		}
		if len(reply) != 3 {
			return nil, scim.Errorf(scim.ErrFenced, "the lock %s was taken by another holder", fence.Lock)
		}
		state, _ := reply[0].(string)
		last, _ := reply[1].(string)
		gone, _ := reply[2].([]any)
		for _, id := range gone {
			text, _ := id.(string)
			n, err := numberOf(text)
			if err != nil {
				return nil, errReply("drop images")
			}
			numbers = append(numbers, n)
		}
		if state == "done" {
			return numbers, b.Confirm(ctx, ws)
		}
		n, err := numberOf(last)
		if err != nil {
			return nil, errReply("drop images")
		}
		from = entryID(n + 1)
	}
}

// hasImages tells whether there is anything to drop: most of what is asked for has none, and copying
// is dear.
func (b *Backend) hasImages(ctx context.Context, ws string, ref scim.Ref) (bool, error) {
	for from := "-"; ; {
		rows, err := b.client.XRangeN(ctx, imagesKey(ws), from, "+", dropStep).Result()
		if err != nil {
			return false, failed(ctx, "read images", err)
		}
		for _, row := range rows {
			if r, _ := row.Values["r"].(string); r == ref.String() {
				return true, nil
			}
		}
		if len(rows) < dropStep {
			return false, nil
		}
		n, err := numberOf(rows[len(rows)-1].ID)
		if err != nil {
			return false, err
		}
		from = entryID(n + 1)
	}
}

// entryID is the id of a change's entry in a stream.
func entryID(n scim.Version) string { return strconv.FormatUint(uint64(n), 10) + "-0" }
