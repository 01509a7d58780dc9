package redisdb

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// A Tx of more edges than one script may change without keeping everybody else waiting
// (store.MaxEdges) is staged, flipped and merged. Its edges are first written beside the others, in
// keys of their own, a thousand at a time; meanwhile the resource's edges stay as they are: who
// wants to change them waits. Then commit.lua does all the rest of the Tx, and marks the
// staged edges as done, in one step, which is the change. From then on every reader reads the
// edges with those put to them (overlay.lua), while they are moved to the others, a few at a
// time. Who dies in the first part leaves what nobody sees, and which is undone; who dies in the
// last leaves what the next finishes, whoever comes first: another change of the same
// resource, or Recover.
//
// The hash "staged" has "p <nonce> <ms>" for a resource while edges are written, "f <nonce> <ms>"
// once they count; ms is the time of the last step.

const (
	mergeStep = 500
	// abandoned is the age from which on nobody is at work any more on what is staged.
	abandoned = 30 * time.Second
	// busyWait is for how long a change waits for another one of many edges of the same resource.
	busyWait  = 10 * time.Second
	busyPause = 20 * time.Millisecond
)

func anyStaged(counts []*redis.IntCmd) bool {
	for _, n := range counts {
		if n.Val() > 0 {
			return true
		}
	}
	return false
}

// statusBusy is a result of one attempt alone: a change of many edges is in the way.
const statusBusy store.Status = -1

// patient executes a Tx again as long as others are in its way.
func (b *Backend) patient(ctx context.Context, tx *store.Tx, res store.TxResult) store.TxResult {
	for begin := time.Now(); res.Status == statusBusy; {
		ref, _ := store.ParseRef(res.Holder)
		free, err := b.clear(ctx, tx.Workspace, ref)
		switch {
		case err != nil:
			return store.TxResult{Err: err}
		case !free && time.Since(begin) > busyWait:
			return store.TxResult{Err: failed(ctx, "commit", errBusy)}
		case !free:
			select {
			case <-ctx.Done():
				return store.TxResult{Err: failed(ctx, "commit", ctx.Err())}
			case <-time.After(busyPause):
			}
		}
		res = b.attempt(ctx, tx)
	}
	return res
}

// errBusy is as Redis would say it: failed knows that nothing was done.
var errBusy = busyError{}

type busyError struct{}

func (busyError) Error() string { return "BUSY a change of many members of the same group takes long" }
func (busyError) RedisError()   {}

// attempt executes a Tx once.
func (b *Backend) attempt(ctx context.Context, tx *store.Tx) store.TxResult {
	if len(tx.Edges) > b.maxEdges {
		return b.staged(ctx, tx)
	}
	keys, args := request(tx, nil)
	return b.commit(ctx, keys, args)
}

func (b *Backend) commit(ctx context.Context, keys []string, args []any) store.TxResult {
	reply, err := b.eval(ctx, commitScript, keys, args...).Slice()
	if err != nil {
		return store.TxResult{Err: failed(ctx, "commit", err)}
	}
	return parseResult(reply)
}

// flip is what a Tx with staged edges does to them.
type flip struct {
	moves          []string // as in a feed entry
	lost           []string
	added, removed int
}

// staged stages the edges of a Tx, executes it, and merges them.
func (b *Backend) staged(ctx context.Context, tx *store.Tx) store.TxResult {
	dropped, res := b.stage(ctx, tx)
	if res.Status != store.StatusDone {
		if res.Err == nil && res.Status != statusBusy {
			b.abort(ctx, tx)
		}
		return res
	}
	f, err := b.readStaged(ctx, tx)
	if err != nil {
		return store.TxResult{Err: err}
	}
	keys, args := request(tx, f)
	res = b.commit(ctx, keys, args)
	switch {
	case res.Status == store.StatusDone || res.Status == store.StatusReplayed:
		res.Dropped = dropped
		// The change is done, whatever becomes of this: the next finishes it.
		_ = b.merge(ctx, tx.Workspace, tx.Ref, tx.Nonce)
	case res.Err == nil && res.Status != statusBusy:
		if res.Status == store.StatusUnchanged {
			res.Dropped = dropped
		}
		b.abort(ctx, tx)
	}
	return res
}

// stage writes the edges of a Tx beside the others.
func (b *Backend) stage(ctx context.Context, tx *store.Tx) (dropped []string, res store.TxResult) {
	for from := 0; from < len(tx.Edges); from += b.maxEdges {
		part := *tx
		part.Edges = tx.Edges[from:min(from+b.maxEdges, len(tx.Edges))]
		ends, args := edgeArgs(&part)
		keys := []string{stagedKey(tx.Workspace), recordKey(tx.Workspace, tx.Ref),
			edgesKey(tx.Workspace, store.Members, tx.Ref), edgesKey(tx.Workspace, store.Groups, tx.Ref)}
		for _, e := range ends {
			keys = append(keys, recordKey(tx.Workspace, e.ref))
		}
		args = append([]any{prefix(tx.Workspace), tx.Ref.String(), tx.Nonce, expectation(tx), flag(tx.RefuseUnknown), len(part.Edges)}, args...)
		reply, err := b.eval(ctx, stageScript, keys, args...).Slice()
		if err != nil {
			return nil, store.TxResult{Err: failed(ctx, "commit", err)}
		}
		word, _ := reply[0].(string)
		switch word {
		case "ok":
			more, _ := reply[1].([]any)
			dropped = append(dropped, stringsOf(more)...)
		case "done", "version": // commit.lua tells which
			return nil, store.TxResult{Status: store.StatusDone}
		case "busy":
			who, _ := reply[1].(string)
			return nil, store.TxResult{Status: statusBusy, Holder: who}
		case "unknown":
			who, _ := reply[1].(string)
			return nil, store.TxResult{Status: store.StatusUnknownMember, Member: who}
		default:
			return nil, store.TxResult{Err: errReply("commit")}
		}
	}
	return dropped, store.TxResult{Status: store.StatusDone}
}

// readStaged reads what is staged: the edges that really change.
func (b *Backend) readStaged(ctx context.Context, tx *store.Tx) (*flip, error) {
	f := &flip{}
	for _, side := range []string{"m+", "m-", "g-"} {
		for after := "-"; ; {
			page, err := b.client.ZRangeByLex(ctx, stagedEdgesKey(tx.Workspace, side, tx.Ref), &redis.ZRangeBy{Min: after, Max: "+", Count: scanCount}).Result()
			if err != nil {
				return nil, failed(ctx, "commit", err)
			}
			if len(page) == 0 {
				break
			}
			after = "(" + page[len(page)-1]
			for _, end := range page {
				switch side {
				case "m+":
					f.moves = append(f.moves, "+"+end)
					f.added++
				case "m-":
					f.moves = append(f.moves, "-"+end)
					f.removed++
				default:
					f.lost = append(f.lost, end)
				}
			}
		}
	}
	return f, nil
}

func (f *flip) args() []any {
	if f == nil {
		return []any{"", "", "", 0, 0}
	}
	return []any{"1", strings.Join(f.moves, " "), strings.Join(f.lost, " "), f.added, f.removed}
}

// abort gives up what a Tx has staged. Where that fails it is found to be abandoned later.
func (b *Backend) abort(ctx context.Context, tx *store.Tx) {
	_ = b.eval(ctx, abortScript, []string{stagedKey(tx.Workspace)}, prefix(tx.Workspace), tx.Ref.String(), tx.Nonce, b.abandoned.Milliseconds()).Err()
}

// clear finishes or undoes what is staged for a resource, unless someone is at work on it.
func (b *Backend) clear(ctx context.Context, ws string, ref scim.Ref) (free bool, err error) {
	reply, err := b.eval(ctx, abortScript, []string{stagedKey(ws)}, prefix(ws), ref.String(), "", b.abandoned.Milliseconds()).Result()
	if err != nil {
		return false, failed(ctx, "commit", err)
	}
	if nonce, done := reply.(string); done {
		return true, b.merge(ctx, ws, ref, nonce)
	}
	return reply == int64(1), nil
}

// merge moves the staged edges of a change that is done to the others.
func (b *Backend) merge(ctx context.Context, ws string, ref scim.Ref, nonce string) error {
	for {
		more, err := b.eval(ctx, mergeScript, []string{stagedKey(ws)}, prefix(ws), ref.String(), nonce, mergeStep).Int()
		if err != nil {
			return failed(ctx, "commit", err)
		}
		if more == 0 {
			return nil
		}
	}
}

// Recover finishes or undoes what nobody is at work on any more.
func (b *Backend) Recover(ctx context.Context, ws string) (underWay int, err error) {
	names, err := b.client.HKeys(ctx, stagedKey(ws)).Result()
	if err != nil {
		return 0, failed(ctx, "recover", err)
	}
	for _, ref := range refsOf(names) {
		free, err := b.clear(ctx, ws, ref)
		if err != nil {
			return underWay, err
		}
		if !free {
			underWay++
		}
	}
	return underWay, nil
}
