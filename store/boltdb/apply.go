package boltdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// Apply executes the Txs. It is the same algorithm as redisdb/commit.lua, step by step.
func (b *Backend) Apply(ctx context.Context, txs []*store.Tx) []store.TxResult {
	results := make([]store.TxResult, len(txs))
	err := b.do(ctx, func(btx *bbolt.Tx) error {
		for i, tx := range txs {
			w, err := workspace(btx, tx.Workspace)
			if err != nil {
				return err
			}
			a := apply{tx: tx, w: w, records: w.Bucket(recordsBucket)}
			if results[i], err = a.run(); err != nil {
				return writeError{err}
			}
		}
		return nil
	})
	if err == nil {
		return results
	}
	// The committer may still be at work on the first slice.
	results = make([]store.TxResult, len(txs))
	for i := range results {
		results[i].Err = err
	}
	return results
}

// Rewrite replaces payloads.
func (b *Backend) Rewrite(ctx context.Context, ws string, records []store.Raw) error {
	return b.do(ctx, func(btx *bbolt.Tx) error {
		w, err := workspace(btx, ws)
		if err != nil {
			return err
		}
		bucket := w.Bucket(recordsBucket)
		for _, r := range records {
			key := []byte(r.Ref.String())
			v := bucket.Get(key)
			if v == nil {
				continue
			}
			if is := store.ParseRecord(r.Ref, v); is.Damage != "" || is.Version != r.Version || is.Nonce != r.Nonce {
				continue
			}
			v = append(bytes.Clone(v[:store.HeaderLen]), r.Payload...)
			if err := bucket.Put(key, v); err != nil {
				return writeError{err}
			}
		}
		return nil
	})
}

// apply is one Tx under way.
type apply struct {
	tx      *store.Tx
	w       *bbolt.Bucket
	records *bbolt.Bucket
	record  store.Raw // before
	res     store.TxResult

	claims   []store.Claim // to write
	releases []store.Claim
	order    []change // edges that were asked for, each once
	edges    []change // those that really change
}

// change is one edge of the Tx, by the text of the other end.
type change struct {
	other     scim.Ref
	own       bool // the other end is a member of the Tx's resource, not its group
	was, want bool
}

func (a *apply) run() (store.TxResult, error) {
	if v := a.records.Get([]byte(a.tx.Ref.String())); v != nil {
		a.record = store.ParseRecord(a.tx.Ref, v)
	}
	if !a.check() {
		return a.res, nil
	}
	if a.tx.Op == store.OpTouch && len(a.edges) == 0 {
		a.answer(store.StatusUnchanged)
		return a.res, a.writeClaims()
	}
	return a.res, a.write()
}

// check makes every check, and false is the end of it. It writes nothing.
func (a *apply) check() bool {
	tx, raw := a.tx, &a.record
	if raw.Damage != "" {
		a.res.Err = scim.Errorf(scim.ErrCorrupt, "%s: %s", tx.Ref, raw.Damage)
		return false
	}
	if raw.Found && raw.Nonce == tx.Nonce {
		a.answer(store.StatusReplayed)
		return false
	}
	if tx.Fence != nil && number(a.w.Bucket(fencesBucket).Get([]byte(tx.Fence.Lock))) != tx.Fence.Number {
		a.res.Status = store.StatusFenced
		return false
	}
	if ok := tx.Expect == raw.Version || tx.Expect == scim.MustExist && raw.Found; !ok {
		a.res.Status, a.res.Version = store.StatusVersion, raw.Version
		return false
	}
	return a.checkClaims() && a.checkEdges()
}

func (a *apply) checkClaims() bool {
	for i, c := range a.tx.Claims {
		held, found := claimAt(a.w, c.Space, c.Key)
		mine := found && held.ID == a.tx.Ref.ID
		if c.From == c.Key { // a mark on what is held
			if mine {
				a.claims = append(a.claims, c)
			}
			continue
		}
		if found && !mine {
			a.res.Status, a.res.Claim, a.res.Holder = store.StatusTaken, i, held.ID
			return false
		}
		if c.Mark == "" && c.From != "" {
			if from, ok := claimAt(a.w, c.Space, c.From); ok && from.ID == a.tx.Ref.ID {
				c.Mark = from.Mark
			}
		}
		a.claims = append(a.claims, c)
	}
	for _, c := range a.tx.Releases {
		if held, found := claimAt(a.w, c.Space, c.Key); found && held.ID == a.tx.Ref.ID {
			a.releases = append(a.releases, c)
		}
	}
	return true
}

func (a *apply) checkEdges() bool {
	seen := map[change]int{} // by other and own
	for i := range a.tx.Edges {
		e := &a.tx.Edges[i]
		own := e.Own(a.tx)
		others := []scim.Ref{e.Group}
		if own {
			others = e.Candidates()
		}
		known := false
		for _, other := range others {
			if !e.Remove && a.records.Get([]byte(other.String())) == nil {
				continue
			}
			known = true
			key := change{other: other, own: own}
			at, ok := seen[key]
			if !ok {
				at = len(a.order)
				seen[key] = at
				was := a.w.Bucket(a.side(own)).Get(edgeKey(a.tx.Ref, other)) != nil
				a.order = append(a.order, change{other: other, own: own, was: was, want: was})
			}
			a.order[at].want = !e.Remove
			if !e.Remove {
				break
			}
		}
		if !known {
			if a.tx.RefuseUnknown {
				a.res = store.TxResult{Status: store.StatusUnknownMember, Member: e.Member.ID}
				return false
			}
			a.res.Dropped = append(a.res.Dropped, e.Member.ID)
		}
	}
	gone := map[bool]int{}
	for _, c := range a.order {
		if c.was != c.want {
			a.edges = append(a.edges, c)
			if !c.want {
				gone[c.own]++
			}
		}
	}
	if a.tx.Op == store.OpDelete && (a.more(true, gone[true]) || a.more(false, gone[false])) {
		a.res = store.TxResult{Status: store.StatusEdges}
		return false
	}
	return true
}

// more tells whether the resource has more than n edges on a side.
func (a *apply) more(own bool, n int) bool {
	prefix := edgePrefix(a.tx.Ref)
	c := a.w.Bucket(a.side(own)).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if n--; n < 0 {
			return true
		}
	}
	return false
}

func (a *apply) side(own bool) []byte {
	if own {
		return membersBucket
	}
	return groupsBucket
}

// answer fills the result from the record before.
func (a *apply) answer(s store.Status) {
	a.res.Status = s
	a.res.Version, a.res.Created, a.res.Modified = a.record.Version, a.record.Created, a.record.Modified
	if a.tx.WantPayload {
		a.res.Payload = bytes.Clone(a.record.Payload)
	}
}

// write does what was checked. An error here is bbolt's own.
func (a *apply) write() error {
	tx := a.tx
	feed := a.w.Bucket(feedBucket)
	n, err := feed.NextSequence()
	if err != nil {
		return err
	}
	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	created := now
	switch {
	case a.record.Found:
		created = a.record.Created
	case tx.Restores:
		created = tx.Created
	}
	if now.Before(created) {
		now = created // the clock was put back
	}
	a.answer(store.StatusDone)
	a.res.Version, a.res.Created, a.res.Modified = scim.Version(n), created, now

	before := bytes.Clone(a.records.Get([]byte(tx.Ref.String())))
	lost, err := a.writeEdges()
	if err != nil {
		return err
	}
	if err := a.writeRecord(); err != nil {
		return err
	}
	for _, group := range lost {
		if err := a.touch(group); err != nil {
			return err
		}
	}
	if err := a.writeName(); err != nil {
		return err
	}
	if err := a.writeClaims(); err != nil {
		return err
	}
	for _, c := range a.releases {
		if err := release(a.w, c); err != nil {
			return err
		}
	}
	if err := feed.Put(binary.BigEndian.AppendUint64(nil, n), a.feedEntry(lost)); err != nil {
		return err
	}
	if err := a.writeImages(n, before); err != nil {
		return err
	}
	if err := a.writeDeleted(before, lost); err != nil {
		return err
	}
	return trim(feed, n, tx.Keep)
}

func (a *apply) writeRecord() error {
	key := []byte(a.tx.Ref.String())
	if a.tx.Op == store.OpDelete {
		return a.records.Delete(key)
	}
	payload := a.tx.Payload
	if a.tx.Op == store.OpTouch {
		payload = a.record.Payload
	}
	return a.putRecord(key, a.res.Created, payload)
}

// writeName keeps the name of what has members beside it.
func (a *apply) writeName() error {
	if !a.tx.Named || a.tx.Op == store.OpTouch {
		return nil
	}
	names, err := a.w.Bucket(kvBucket).CreateBucketIfNotExists([]byte(store.NamesSpace))
	if err != nil {
		return err
	}
	key := []byte(a.tx.Ref.String())
	if a.tx.Op == store.OpDelete {
		return names.Delete(key)
	}
	return names.Put(key, []byte(a.tx.Name))
}

func (a *apply) putRecord(key []byte, created time.Time, payload []byte) error {
	v := make([]byte, 0, store.HeaderLen+len(payload))
	v = store.AppendHeader(v, a.res.Version, a.res.Modified, a.tx.Nonce, created)
	return a.records.Put(key, append(v, payload...))
}

// touch gives a group that lost this resource its new version.
func (a *apply) touch(group scim.Ref) error {
	key := []byte(group.String())
	v := a.records.Get(key)
	if v == nil || group == a.tx.Ref {
		return nil
	}
	raw := store.ParseRecord(group, v)
	return a.putRecord(key, raw.Created, raw.Payload)
}

// writeEdges writes both sides, and returns the groups that lost the resource.
func (a *apply) writeEdges() (lost []scim.Ref, err error) {
	for _, c := range a.edges {
		near, far := a.w.Bucket(a.side(c.own)), a.w.Bucket(a.side(!c.own))
		there, back := edgeKey(a.tx.Ref, c.other), edgeKey(c.other, a.tx.Ref)
		switch {
		case c.want:
			a.res.Added++
			if err = near.Put(there, nil); err == nil {
				err = far.Put(back, nil)
			}
		default:
			if c.own {
				a.res.Removed++
			} else {
				lost = append(lost, c.other)
			}
			if err = near.Delete(there); err == nil {
				err = far.Delete(back)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return lost, nil
}

func (a *apply) writeClaims() error {
	for _, c := range a.claims {
		space, err := a.w.Bucket(claimsBucket).CreateBucketIfNotExists([]byte(c.Space))
		if err != nil {
			return err
		}
		if c.Mark == "" {
			if held, found := claimAt(a.w, c.Space, c.Key); found {
				c.Mark = held.Mark
			}
		}
		if err := space.Put([]byte(c.Key), []byte(store.ClaimValue(a.tx.Ref.ID, c.Mark))); err != nil {
			return err
		}
	}
	return nil
}

func claimAt(w *bbolt.Bucket, space, key string) (store.Claim, bool) {
	s := w.Bucket(claimsBucket).Bucket([]byte(space))
	if s == nil {
		return store.Claim{}, false
	}
	v := s.Get([]byte(key))
	if v == nil {
		return store.Claim{}, false
	}
	return store.ParseClaim(space, key, string(v)), true
}

// release gives up a claim. A space that has none left goes too, so that the list of
// spaces is that of the buckets.
func release(w *bbolt.Bucket, c store.Claim) error {
	claims := w.Bucket(claimsBucket)
	space := claims.Bucket([]byte(c.Space))
	if space == nil { // the release before this one was of its last claim
		return nil
	}
	if err := space.Delete([]byte(c.Key)); err != nil {
		return err
	}
	if k, _ := space.Cursor().First(); k == nil {
		return claims.DeleteBucket([]byte(c.Space))
	}
	return nil
}

func (a *apply) feedEntry(lost []scim.Ref) []byte {
	row, _ := json.Marshal(store.FeedRow{ // cannot fail: strings and numbers
		Op: a.tx.ChangeOp(a.record.Version), Ref: a.tx.Ref.String(), Before: uint64(a.record.Version),
		Milli: a.res.Modified.UnixMilli(), Nonce: a.tx.Nonce,
		Actor: a.tx.Actor, Client: a.tx.Client, Req: a.tx.RequestID,
		Edges: a.movesText(), Groups: refsText(lost), Attrs: a.tx.Changed,
	})
	return row
}

// movesText is the changes of the resource's own members, as a feed entry has them.
func (a *apply) movesText() string {
	var edges []scim.EdgeChange
	for _, c := range a.edges {
		if c.own {
			edges = append(edges, scim.EdgeChange{Remove: !c.want, Member: c.other})
		}
	}
	return string(store.AppendEdges(nil, edges))
}

func refsText(refs []scim.Ref) string {
	texts := make([]string, len(refs))
	for i, r := range refs {
		texts[i] = r.String()
	}
	return strings.Join(texts, " ")
}

// trim drops entries that are no longer to be kept, a bounded number at a time.
func trim(feed *bbolt.Bucket, newest, keep uint64) error {
	if keep == 0 || newest <= keep {
		return nil
	}
	return drop(feed, newest-keep)
}

// drop deletes what is numbered up to last, a bounded number at a time.
func drop(feed *bbolt.Bucket, last uint64) error {
	for range 100 {
		k, _ := feed.Cursor().First()
		if k == nil || binary.BigEndian.Uint64(k) > last {
			return nil
		}
		if err := feed.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func number(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// edgeKey is the key of an edge on the side of from.
func edgeKey(from, to scim.Ref) []byte {
	return append(edgePrefix(from), to.String()...)
}

func edgePrefix(from scim.Ref) []byte {
	return append([]byte(from.String()), 0)
}
