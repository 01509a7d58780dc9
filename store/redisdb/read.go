package redisdb

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// Read returns the records, in one round trip.
func (b *Backend) Read(ctx context.Context, ws string, refs []scim.Ref, groups bool) ([]store.Raw, error) {
	raws := make([]store.Raw, len(refs))
	if len(refs) == 0 {
		return raws, nil
	}
	if len(refs) == 1 && !groups {
		record, err := b.client.Get(ctx, recordKey(ws, refs[0])).Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, failed(ctx, "read", err)
		}
		raws[0] = rawOf(refs[0], record, err == nil)
		return raws, nil
	}
	if len(refs) == 1 {
		raw, err := b.member(ctx, ws, refs[0])
		raws[0] = raw
		return raws, err
	}
	keys := make([]string, len(refs))
	for i, ref := range refs {
		keys[i] = recordKey(ws, ref)
	}
	pipe := b.client.Pipeline()
	records := pipe.MGet(ctx, keys...)
	lists := make([]*redis.StringSliceCmd, len(refs))
	var staged []*redis.IntCmd
	if groups {
		staged = append(staged, pipe.HLen(ctx, stagedKey(ws)))
		for i, ref := range refs {
			lists[i] = pipe.ZRange(ctx, edgesKey(ws, store.Groups, ref), 0, -1)
		}
		staged = append(staged, pipe.HLen(ctx, stagedKey(ws)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failed(ctx, "read", err)
	}
	if anyStaged(staged) {
		return raws, b.eachMember(ctx, ws, refs, raws)
	}
	for i, v := range records.Val() {
		record, found := v.(string)
		raws[i] = rawOf(refs[i], []byte(record), found)
		if groups && found {
			raws[i].Groups = namesOf(lists[i].Val(), nil, len(lists[i].Val()))
		}
	}
	if !groups {
		return raws, nil
	}
	whole, err := b.nest(ctx, ws, raws)
	if err == nil && !whole {
		err = b.eachMember(ctx, ws, refs, raws)
	}
	return raws, err
}

// eachMember reads records with their groups one by one.
func (b *Backend) eachMember(ctx context.Context, ws string, refs []scim.Ref, raws []store.Raw) (err error) {
	for i, ref := range refs {
		if raws[i], err = b.member(ctx, ws, ref); err != nil {
			return err
		}
	}
	return nil
}

// member reads one record with its groups.
func (b *Backend) member(ctx context.Context, ws string, ref scim.Ref) (store.Raw, error) {
	keys := []string{recordKey(ws, ref), stagedKey(ws), kvKey(ws, store.NamesSpace), edgesKey(ws, store.Groups, ref)}
	row, err := b.eval(ctx, memberScript, keys).Slice()
	if err == nil && len(row) == 1 {
		row, err = b.eval(ctx, aroundScript, keys[:3], prefix(ws), ref.String()).Slice()
	}
	if err != nil {
		return store.Raw{}, failed(ctx, "read", err)
	}
	if len(row) != 4 {
		return store.Raw{}, errReply("read")
	}
	record, found := row[0].(string)
	raw := rawOf(ref, []byte(record), found)
	raw.Groups = groupsOf(row[1:])
	return raw, nil
}

// groupsOf reads what grouped of above.lua returns.
func groupsOf(row []any) []store.Named {
	groups, _ := row[0].([]any)
	names, _ := row[1].([]any)
	direct, _ := row[2].(int64)
	return namesOf(stringsOf(groups), names, int(direct))
}

// namesOf reads groups, of which the first are direct, and, where they are at hand, their names.
func namesOf(groups []string, names []any, direct int) []store.Named {
	if len(groups) == 0 {
		return nil
	}
	out := make([]store.Named, len(groups))
	for i, ref := range refsOf(groups) {
		out[i].Ref, out[i].Indirect = ref, i >= direct
		if i < len(names) {
			out[i].Name, out[i].Known = names[i].(string)
		}
	}
	return out
}

func stringsOf(texts []any) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i], _ = t.(string)
	}
	return out
}

func rawOf(ref scim.Ref, record []byte, found bool) store.Raw {
	if !found {
		return store.Raw{Ref: ref}
	}
	return store.ParseRecord(ref, record)
}

func refsOf(texts []string) []scim.Ref {
	refs := make([]scim.Ref, len(texts))
	for i, s := range texts {
		refs[i], _ = store.ParseRef(s)
	}
	return refs
}

// Holders returns the claims on keys.
func (b *Backend) Holders(ctx context.Context, ws, space string, keys []string) ([]store.Claim, error) {
	claims := make([]store.Claim, len(keys))
	if len(keys) == 0 {
		return claims, nil
	}
	values, err := b.client.HMGet(ctx, claimsKey(ws, space), keys...).Result()
	if err != nil {
		return nil, failed(ctx, "read claims", err)
	}
	for i, key := range keys {
		claims[i] = store.Claim{Space: space, Key: key}
		if v, ok := values[i].(string); ok {
			claims[i] = store.ParseClaim(space, key, v)
		}
	}
	return claims, nil
}

// Spaces lists the spaces of claims.
func (b *Backend) Spaces(ctx context.Context, ws, prefix string) ([]string, error) {
	all, err := b.client.SMembers(ctx, spacesKey(ws)).Result()
	if err != nil {
		return nil, failed(ctx, "list spaces", err)
	}
	var spaces []string
	for _, s := range all {
		if strings.HasPrefix(s, prefix) {
			spaces = append(spaces, s)
		}
	}
	return spaces, nil
}

// Find finds records by a claim, in one round trip.
func (b *Backend) Find(ctx context.Context, ws, typ, first, others, key string, groups bool) ([]store.Raw, error) {
	rows, err := b.eval(ctx, findScript, []string{claimsKey(ws, first), spacesKey(ws), kvKey(ws, store.NamesSpace), stagedKey(ws)},
		prefix(ws), typ, others, key, flag(groups)).Slice()
	if err != nil {
		return nil, failed(ctx, "look up", err)
	}
	raws := make([]store.Raw, len(rows))
	for i, r := range rows {
		row, ok := r.([]any)
		if !ok || len(row) != 5 {
			return nil, errReply("look up")
		}
		id, _ := row[0].(string)
		record, found := row[1].(string)
		raws[i] = rawOf(scim.Ref{Type: typ, ID: id}, []byte(record), found)
		raws[i].Groups = groupsOf(row[2:])
	}
	return raws, nil
}

// Edges lists one side of a resource's edges.
func (b *Backend) Edges(ctx context.Context, ws string, ref scim.Ref, d store.Direction, after scim.Ref, limit int) ([]scim.Ref, error) {
	from, behind := "-", ""
	if after != (scim.Ref{}) {
		behind = after.String()
		from = "(" + behind
	}
	pipe := b.client.Pipeline()
	staged := []*redis.IntCmd{pipe.HLen(ctx, stagedKey(ws))}
	page := pipe.ZRangeByLex(ctx, edgesKey(ws, d, ref), &redis.ZRangeBy{Min: from, Max: "+", Count: int64(limit)})
	staged = append(staged, pipe.HLen(ctx, stagedKey(ws)))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failed(ctx, "read edges", err)
	}
	texts := page.Val()
	if anyStaged(staged) {
		var err error
		texts, err = b.eval(ctx, edgesScript, []string{stagedKey(ws)}, prefix(ws), string(d), ref.String(), behind, limit).StringSlice()
		if err != nil {
			return nil, failed(ctx, "read edges", err)
		}
	}
	return refsOf(texts), nil
}

// HasEdges tells which edges stand on a side.
func (b *Backend) HasEdges(ctx context.Context, ws string, d store.Direction, edges []store.EdgeAt) ([]bool, error) {
	if len(edges) == 0 {
		return nil, nil
	}
	args := []any{prefix(ws), string(d)}
	for _, e := range edges {
		args = append(args, e.From.String(), e.To.String())
	}
	stand, err := b.eval(ctx, hasScript, []string{stagedKey(ws)}, args...).Int64Slice()
	if err != nil {
		return nil, failed(ctx, "read edges", err)
	}
	if len(stand) != len(edges) {
		return nil, errReply("read edges")
	}
	has := make([]bool, len(edges))
	for i, n := range stand {
		has[i] = n == 1
	}
	return has, nil
}

// Feed returns entries above after. The number is read first: an entry that comes between
// is returned, or is above the number.
func (b *Backend) Feed(ctx context.Context, ws string, after scim.Version, limit int) ([]store.Entry, scim.Version, error) {
	pipe := b.client.Pipeline()
	seq := pipe.Get(ctx, seqKey(ws))
	rows := pipe.XRangeN(ctx, feedKey(ws), strconv.FormatUint(uint64(after)+1, 10)+"-0", "+", int64(limit))
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, failed(ctx, "read the feed", err)
	}
	head, err := seq.Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, failed(ctx, "read the feed", err)
	}
	entries, err := entriesOf(rows.Val())
	return entries, scim.Version(head), err
}

// FeedAt returns entries by number.
func (b *Backend) FeedAt(ctx context.Context, ws string, numbers []scim.Version) ([]store.Entry, error) {
	entries := make([]store.Entry, len(numbers))
	if len(numbers) == 0 {
		return entries, nil
	}
	pipe := b.client.Pipeline()
	rows := make([]*redis.XMessageSliceCmd, len(numbers))
	for i, n := range numbers {
		id := strconv.FormatUint(uint64(n), 10) + "-0"
		rows[i] = pipe.XRange(ctx, feedKey(ws), id, id)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, failed(ctx, "read the feed", err)
	}
	for i := range rows {
		found, err := entriesOf(rows[i].Val())
		if err != nil {
			return nil, err
		}
		if len(found) == 1 {
			entries[i] = found[0]
		}
	}
	return entries, nil
}

// FeedBack returns entries downwards from last.
func (b *Backend) FeedBack(ctx context.Context, ws string, last scim.Version, limit int) ([]store.Entry, error) {
	from := "+"
	if last != 0 {
		from = strconv.FormatUint(uint64(last), 10) + "-0"
	}
	rows, err := b.client.XRevRangeN(ctx, feedKey(ws), from, "-", int64(limit)).Result()
	if err != nil {
		return nil, failed(ctx, "read the feed", err)
	}
	return entriesOf(rows)
}

func entriesOf(rows []redis.XMessage) ([]store.Entry, error) {
	var entries []store.Entry
	for _, message := range rows {
		n, row, err := feedRow(message)
		if err != nil {
			return nil, err
		}
		e, err := row.Entry(n)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// numberOf is the number in the id of a stream's entry.
func numberOf(id string) (scim.Version, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(id, "-0"), 10, 64)
	return scim.Version(n), err
}
