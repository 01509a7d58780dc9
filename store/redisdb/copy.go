package redisdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// Dump streams everything of a workspace.
func (b *Backend) Dump(ctx context.Context, ws string, fn func([]store.Item) error) error {
	d := &dump{b: b, ws: ws, fn: fn, keys: seen{}}
	if err := b.scanKeys(ctx, ws, "", func(keys []string) error { return d.some(ctx, keys) }); err != nil {
		return err
	}
	if err := d.stream(ctx, feedKey(ws), changeItem); err != nil {
		return err
	}
	return d.stream(ctx, imagesKey(ws), imagesItem)
}

// seen are things that a scan has shown: it may show one twice.
type seen map[uint64]bool

var seenSeed = maphash.MakeSeed()

// first tells whether a thing is shown for the first time.
func (s seen) first(name string) bool {
	h := maphash.String(seenSeed, name)
	if s[h] {
		return false
	}
	s[h] = true
	return true
}

// dump is a Dump under way.
type dump struct {
	b    *Backend
	ws   string
	fn   func([]store.Item) error
	keys seen
}

// some streams what is under some keys, the two streams left out.
func (d *dump) some(ctx context.Context, keys []string) error {
	var texts, names []string
	var kinds []store.ItemKind
	for _, key := range keys {
		kind, name, _ := kindOf(d.ws, key)
		if !d.keys.first(key) {
			continue
		}
		var err error
		switch kind {
		case "r", "fence", "seq":
			texts, names = append(texts, key), append(names, name)
			kinds = append(kinds, map[string]store.ItemKind{"r": store.ItemRecord, "fence": store.ItemFence, "seq": store.ItemCounter}[kind])
		case "c":
			err = d.hash(ctx, key, store.ItemClaim, name)
		case "kv":
			err = d.hash(ctx, key, store.ItemValue, name)
		case "m":
			err = d.edges(ctx, key, store.ItemMember, name)
		case "g":
			err = d.edges(ctx, key, store.ItemGroup, name)
		}
		if err != nil {
			return err
		}
	}
	if len(texts) == 0 {
		return nil
	}
	values, err := d.b.client.MGet(ctx, texts...).Result()
	if err != nil {
		return failed(ctx, "dump", err)
	}
	var items []store.Item
	for i, v := range values {
		if text, ok := v.(string); ok {
			items = append(items, store.Item{Kind: kinds[i], Key: names[i], Value: []byte(text)})
		}
	}
	return d.fn(items)
}

func (d *dump) hash(ctx context.Context, key string, kind store.ItemKind, space string) error {
	fields := seen{}
	var cursor uint64
	for {
		pairs, next, err := d.b.client.HScan(ctx, key, cursor, "", scanCount).Result()
		if err != nil {
			return failed(ctx, "dump", err)
		}
		var items []store.Item
		for i := 0; i+1 < len(pairs); i += 2 {
			if fields.first(pairs[i]) {
				items = append(items, store.Item{Kind: kind, Key: space, Sub: pairs[i], Value: []byte(pairs[i+1])})
			}
		}
		if err := d.fn(items); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (d *dump) edges(ctx context.Context, key string, kind store.ItemKind, from string) error {
	after := "-"
	for {
		tos, err := d.b.client.ZRangeByLex(ctx, key, &redis.ZRangeBy{Min: after, Max: "+", Count: scanCount}).Result()
		if err != nil {
			return failed(ctx, "dump", err)
		}
		if len(tos) == 0 {
			return nil
		}
		items := make([]store.Item, len(tos))
		for i, to := range tos {
			items[i] = store.Item{Kind: kind, Key: from, Sub: to}
		}
		if err := d.fn(items); err != nil {
			return err
		}
		after = "(" + tos[len(tos)-1]
	}
}

func (d *dump) stream(ctx context.Context, key string, item func(redis.XMessage) (store.Item, error)) error {
	from := "-"
	for {
		rows, err := d.b.client.XRangeN(ctx, key, from, "+", scanCount).Result()
		if err != nil {
			return failed(ctx, "dump", err)
		}
		if len(rows) == 0 {
			return nil
		}
		items := make([]store.Item, len(rows))
		for i, row := range rows {
			if items[i], err = item(row); err != nil {
				return err
			}
		}
		if err := d.fn(items); err != nil {
			return err
		}
		from = "(" + rows[len(rows)-1].ID
	}
}

func changeItem(m redis.XMessage) (store.Item, error) {
	n, row, err := feedRow(m)
	if err != nil {
		return store.Item{}, err
	}
	text, err := json.Marshal(row)
	return store.Item{Kind: store.ItemChange, Key: strconv.FormatUint(uint64(n), 10), Value: text}, err
}

func imagesItem(m redis.XMessage) (store.Item, error) {
	n, err := numberOf(m.ID)
	if err != nil {
		return store.Item{}, scim.Errorf(scim.ErrCorrupt, "images %s cannot be read", m.ID)
	}
	r, err := imagesOf(n, m)
	return store.Item{Kind: store.ItemImages, Key: strconv.FormatUint(uint64(n), 10), Value: r.Encode()}, err
}

// Load writes items, in one pipeline.
func (b *Backend) Load(ctx context.Context, ws string, items []store.Item) error {
	if err := b.Safe(); err != nil {
		return err
	}
	l := &load{ws: ws, pipe: b.client.Pipeline(), last: map[string]scim.Version{}}
	for i := range items {
		var err error
		switch item := &items[i]; item.Kind {
		case store.ItemChange:
			err = l.newest(ctx, b, feedKey(ws))
		case store.ItemImages:
			err = l.newest(ctx, b, imagesKey(ws))
		}
		if err == nil {
			err = l.item(ctx, &items[i])
		}
		if err != nil {
			return err
		}
	}
	if _, err := l.pipe.Exec(ctx); err != nil {
		return failed(ctx, "load", err)
	}
	return nil
}

// Remove removes items.
func (b *Backend) Remove(ctx context.Context, ws string, items []store.Item) error {
	if err := b.Safe(); err != nil {
		return err
	}
	for _, item := range items {
		var err error
		switch item.Kind {
		case store.ItemMember, store.ItemGroup:
			err = b.client.ZRem(ctx, prefix(ws)+string(rune(item.Kind))+":"+item.Key, item.Sub).Err()
		case store.ItemValue:
			err = b.client.HDel(ctx, kvKey(ws, item.Key), item.Sub).Err()
		case store.ItemClaim:
			err = b.eval(ctx, freeScript, []string{claimsKey(ws, item.Key), spacesKey(ws)}, item.Sub, item.Key).Err()
		default:
			err = fmt.Errorf("redisdb: an item of kind %q", item.Kind)
		}
		if err != nil {
			return failed(ctx, "remove", err)
		}
	}
	return nil
}

// freeScript removes a claim, and a space that has none left from the list of spaces.
var freeScript = redis.NewScript(`
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[2]) end
return 1`)

// load is a Load under way.
type load struct {
	ws   string
	pipe redis.Pipeliner
	last map[string]scim.Version // newest entry of a stream
}

// newest reads the newest entry of a stream: one takes no entry that is older.
func (l *load) newest(ctx context.Context, b *Backend, key string) error {
	if _, known := l.last[key]; known {
		return nil
	}
	rows, err := b.client.XRevRangeN(ctx, key, "+", "-", 1).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return failed(ctx, "load", err)
	}
	l.last[key] = 0
	if len(rows) > 0 {
		if l.last[key], err = numberOf(rows[0].ID); err != nil {
			return scim.Errorf(scim.ErrCorrupt, "%s: entry %s", key, rows[0].ID)
		}
	}
	return nil
}

func (l *load) item(ctx context.Context, item *store.Item) error {
	switch item.Kind {
	case store.ItemRecord:
		l.pipe.Set(ctx, prefix(l.ws)+"r:"+item.Key, item.Value, 0)
	case store.ItemMember, store.ItemGroup:
		l.pipe.ZAdd(ctx, prefix(l.ws)+string(rune(item.Kind))+":"+item.Key, redis.Z{Member: item.Sub})
	case store.ItemClaim:
		l.pipe.HSet(ctx, claimsKey(l.ws, item.Key), item.Sub, item.Value)
		l.pipe.SAdd(ctx, spacesKey(l.ws), item.Key)
	case store.ItemValue:
		l.pipe.HSet(ctx, kvKey(l.ws, item.Key), item.Sub, item.Value)
	case store.ItemFence:
		l.pipe.Set(ctx, fenceKey(l.ws, item.Key), item.Value, 0)
	case store.ItemCounter:
		l.pipe.Set(ctx, seqKey(l.ws), item.Value, 0)
	case store.ItemChange, store.ItemImages:
		return l.numbered(ctx, item)
	default:
		return fmt.Errorf("redisdb: an item of kind %q", item.Kind)
	}
	return nil
}

func (l *load) numbered(ctx context.Context, item *store.Item) error {
	id, err := strconv.ParseUint(item.Key, 10, 64)
	n, key, fields := scim.Version(id), feedKey(l.ws), []any(nil)
	if err != nil {
		return scim.Errorf(scim.ErrCorrupt, "%q is no number", item.Key)
	}
	if item.Kind == store.ItemChange {
		fields, err = changeFields(item.Value)
	} else {
		key = imagesKey(l.ws)
		fields, err = imagesFields(n, item.Value)
	}
	if err != nil || n <= l.last[key] {
		return err
	}
	l.last[key] = n
	l.pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: item.Key + "-0", Values: fields})
	return nil
}

// changeFields are the fields of a feed entry, as commit.lua writes them.
func changeFields(value []byte) ([]any, error) {
	var row store.FeedRow
	if err := json.Unmarshal(value, &row); err != nil {
		return nil, scim.Errorf(scim.ErrCorrupt, "a change cannot be read: %v", err)
	}
	fields := []any{"o", row.Op, "r", row.Ref, "b", row.Before, "t", fmt.Sprintf("%013d", row.Milli), "n", row.Nonce}
	for _, f := range [][2]string{{"a", row.Actor}, {"c", row.Client}, {"q", row.Req}, {"m", row.Edges}, {"g", row.Groups}, {"d", row.Attrs}} {
		if f[1] != "" {
			fields = append(fields, f[0], f[1])
		}
	}
	return fields, nil
}

func imagesFields(n scim.Version, value []byte) ([]any, error) {
	r, err := store.ParseImages(n, value)
	if err != nil {
		return nil, err
	}
	fields := []any{"r", r.Ref.String()}
	if len(r.Old) > 0 {
		fields = append(fields, "o", r.Old)
	}
	if len(r.New) > 0 {
		fields = append(fields, "w", r.New)
	}
	return fields, nil
}
