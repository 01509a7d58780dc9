package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// pipelineSize is how many Txs are sent at once: more of them cost Redis no less each, and keep
// others waiting longer (BenchmarkPipeline, docs/redis.md).
const pipelineSize = 50

// Apply executes the Txs, in pipelines.
func (b *Backend) Apply(ctx context.Context, txs []*store.Tx) []store.TxResult {
	results := make([]store.TxResult, 0, len(txs))
	for part := range slices.Chunk(txs, pipelineSize) {
		if err := b.Safe(); err != nil {
			results = append(results, slices.Repeat([]store.TxResult{{Err: err}}, len(part))...)
		} else {
			results = append(results, b.apply(ctx, part)...)
		}
	}
	return results
}

// apply executes the Txs, all in one pipeline but for those with many edges.
func (b *Backend) apply(ctx context.Context, txs []*store.Tx) []store.TxResult {
	results := make([]store.TxResult, len(txs))
	var few []*store.Tx
	var at []int
	for i, tx := range txs {
		if len(tx.Edges) <= b.maxEdges {
			few, at = append(few, tx), append(at, i)
		} else {
			results[i] = b.staged(ctx, tx)
		}
	}
	unconfirmed := b.few(ctx, few, at, results)
	apart := len(few) < len(txs)
	for i, tx := range txs {
		apart = apart || results[i].Status == statusBusy
		results[i] = b.patient(ctx, tx, results[i])
	}
	if apart { // written over other connections
		unconfirmed = errors.Join(unconfirmed, b.Confirm(ctx, txs[0].Workspace))
	}
	b.confirmAll(ctx, txs, results, unconfirmed)
	return results
}

// few executes Txs with few edges, and puts each result in its place.
func (b *Backend) few(ctx context.Context, txs []*store.Tx, at []int, results []store.TxResult) (unconfirmed error) {
	cmds := make([]*redis.Cmd, len(txs))
	switch {
	case len(txs) == 0:
		return nil
	case len(txs) == 1 && b.confirm == 0:
		keys, args := request(txs[0], nil)
		cmds[0] = b.eval(ctx, commitScript, keys, args...)
	default:
		unconfirmed = b.pipeline(ctx, txs, cmds)
	}
	for i, cmd := range cmds {
		reply, err := cmd.Slice()
		if err != nil {
			results[at[i]].Err = failed(ctx, "commit", err)
			continue
		}
		results[at[i]] = parseResult(reply)
	}
	return unconfirmed
}

// pipeline sends all and, where Redis had forgotten the script, those again that it refused
// for that: they were not executed. It returns why what was done is not confirmed.
func (b *Backend) pipeline(ctx context.Context, txs []*store.Tx, cmds []*redis.Cmd) error {
	pipe := b.client.Pipeline()
	for i, tx := range txs {
		keys, args := request(tx, nil)
		cmds[i] = commitScript.EvalSha(ctx, pipe, keys, args...)
	}
	wait := b.wait(ctx, pipe)
	_, _ = pipe.Exec(ctx) // each command has its own error
	var again []int
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			again = append(again, i)
		}
	}
	if len(again) == 0 {
		return b.confirmed(ctx, wait)
	}
	if err := b.load(ctx, txs[0].Workspace, commitScript); err != nil {
		for _, i := range again {
			cmds[i].SetErr(err)
		}
		return b.confirmed(ctx, wait)
	}
	pipe = b.client.Pipeline()
	for _, i := range again {
		keys, args := request(txs[i], nil)
		cmds[i] = commitScript.EvalSha(ctx, pipe, keys, args...)
	}
	second := b.wait(ctx, pipe)
	_, _ = pipe.Exec(ctx)
	return errors.Join(b.confirmed(ctx, wait), b.confirmed(ctx, second))
}

// keepAll is a feed length that no feed has.
const keepAll = 1 << 53

// request is the KEYS and ARGV of commit.lua; of a Tx whose edges are staged, with f.
func request(tx *store.Tx, f *flip) ([]string, []any) {
	ws, self := tx.Workspace, tx.Ref.String()
	fence, fenceNumber := seqKey(ws), ""
	if tx.Fence != nil {
		fence, fenceNumber = fenceKey(ws, tx.Fence.Lock), strconv.FormatUint(tx.Fence.Number, 10)
	}
	keep := tx.Keep
	if keep == 0 {
		keep = keepAll
	}
	edges := len(tx.Edges)
	if f != nil {
		edges = 0
	}
	packed, actor, client, req, changed := packEntry(tx), tx.Actor, tx.Client, tx.RequestID, tx.Changed
	if packed != "" { // it has them
		actor, client, req, changed = "", "", "", ""
	}
	n := 11 + len(tx.Claims) + len(tx.Releases) + 4*edges
	keys := append(make([]string, 0, n), seqKey(ws), feedKey(ws), recordKey(ws, tx.Ref), spacesKey(ws),
		edgesKey(ws, store.Members, tx.Ref), edgesKey(ws, store.Groups, tx.Ref), fence, kvKey(ws, store.NamesSpace), imagesKey(ws), stagedKey(ws), kvKey(ws, store.DeletedSpace))
	args := append(make([]any, 0, 28+3*len(tx.Claims)+len(tx.Releases)+5*edges),
		self, tx.Ref.ID, expectation(tx), string(rune(tx.Op)), tx.Nonce, tx.Payload, fenceNumber,
		flag(tx.RefuseUnknown), flag(tx.WantPayload), keep,
		actor, client, req, len(tx.Claims), len(tx.Releases), edges, changed, flag(tx.Named && tx.Op != store.OpTouch), tx.Name, tx.KeepImages)
	args = append(append(args, f.args()...), flag(tx.KeepDeleted), createdText(tx), packed)
	for _, c := range tx.Claims {
		keys = append(keys, claimsKey(ws, c.Space))
		args = append(args, c.Key, c.Mark, c.From)
	}
	for _, c := range tx.Releases {
		keys = append(keys, claimsKey(ws, c.Space))
		args = append(args, c.Key)
	}
	if f != nil {
		return keys, args
	}
	ends, edgeTexts := edgeArgs(tx)
	for _, e := range ends {
		keys = append(keys, recordKey(ws, e.ref), edgesKey(ws, e.side, e.ref))
	}
	return keys, append(args, edgeTexts...)
}

// createdText is when a resource that is restored was made.
func createdText(tx *store.Tx) string {
	if !tx.Restores {
		return ""
	}
	return fmt.Sprintf("%013d", tx.Created.UnixMilli())
}

func expectation(tx *store.Tx) string {
	if tx.Expect == scim.MustExist {
		return "*"
	}
	return strconv.FormatUint(uint64(tx.Expect), 10)
}

// end is an end of an edge that may be meant, and the side of it that has the edge.
type end struct {
	ref  scim.Ref
	side store.Direction
}

// edgeArgs are the edges of a Tx for a script: for each its sign ('+', '-', or '<' for leaving a
// group), the id, how many ends, and those.
func edgeArgs(tx *store.Tx) (ends []end, args []any) {
	for i := range tx.Edges {
		e := &tx.Edges[i]
		if !e.Own(tx) {
			ends = append(ends, end{e.Group, store.Members})
			args = append(args, "<", e.Member.ID, 1, e.Group.String())
			continue
		}
		sign := "+"
		if e.Remove {
			sign = "-"
		}
		refs := e.Candidates()
		args = append(args, sign, e.Member.ID, len(refs))
		for _, ref := range refs {
			ends = append(ends, end{ref, store.Groups})
			args = append(args, ref.String())
		}
	}
	return ends, args
}

// Rewrite replaces payloads.
func (b *Backend) Rewrite(ctx context.Context, ws string, records []store.Raw) error {
	if err := b.Safe(); err != nil {
		return err
	}
	for batch := range slices.Chunk(records, 256) {
		var keys []string
		var args []any
		for _, r := range batch {
			keys = append(keys, recordKey(ws, r.Ref))
			args = append(args, fmt.Sprintf("%016d", uint64(r.Version)), r.Nonce, r.Payload)
		}
		if err := b.eval(ctx, rewriteScript, keys, args...).Err(); err != nil {
			return failed(ctx, "rewrite records", err)
		}
	}
	return nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// parseResult reads what commit.lua returns.
func parseResult(reply []any) store.TxResult {
	bad := store.TxResult{Err: errReply("commit")}
	text := func(i int) string {
		if i >= len(reply) {
			return ""
		}
		s, _ := reply[i].(string)
		return s
	}
	number := func(i int) int {
		if i >= len(reply) {
			return 0
		}
		n, _ := reply[i].(int64)
		return int(n)
	}
	var res store.TxResult
	switch text(0) {
	case "done":
		res.Status = store.StatusDone
	case "replayed":
		res.Status = store.StatusReplayed
	case "unchanged":
		res.Status = store.StatusUnchanged
	case "version":
		v, err := strconv.ParseUint(text(1), 10, 64)
		if err != nil {
			return bad
		}
		return store.TxResult{Status: store.StatusVersion, Version: scim.Version(v)}
	case "taken":
		return store.TxResult{Status: store.StatusTaken, Claim: number(1), Holder: text(2)}
	case "unknown":
		return store.TxResult{Status: store.StatusUnknownMember, Member: text(1)}
	case "busy":
		return store.TxResult{Status: statusBusy, Holder: text(1)}
	case "edges":
		return store.TxResult{Status: store.StatusEdges}
	case "fenced":
		return store.TxResult{Status: store.StatusFenced}
	case "damaged":
		return store.TxResult{Err: scim.Errorf(scim.ErrCorrupt, "the record's header cannot be read")}
	default:
		return bad
	}
	if len(reply) != 8 {
		return bad
	}
	v, err1 := strconv.ParseUint(text(1), 10, 64)
	modified, err2 := strconv.ParseInt(text(2), 10, 64)
	created, err3 := strconv.ParseInt(text(3), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return bad
	}
	res.Version = scim.Version(v)
	res.Modified, res.Created = time.UnixMilli(modified).UTC(), time.UnixMilli(created).UTC()
	res.Added, res.Removed = number(4), number(5)
	if dropped, ok := reply[6].([]any); ok {
		for _, d := range dropped {
			id, _ := d.(string)
			res.Dropped = append(res.Dropped, id)
		}
	}
	res.Payload = []byte(text(7))
	return res
}
