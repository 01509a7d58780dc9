package boltdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// Dump streams everything of a workspace.
func (b *Backend) Dump(ctx context.Context, ws string, fn func([]store.Item) error) error {
	var head uint64
	var claims, values []string
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		head = w.Bucket(feedBucket).Sequence()
		claims, values = spacesOf(w, ""), nil
		return w.Bucket(kvBucket).ForEach(func(k, _ []byte) error { values = append(values, string(k)); return nil })
	})
	if err != nil {
		return err
	}
	if head > 0 {
		if err := fn([]store.Item{{Kind: store.ItemCounter, Value: strconv.AppendUint(nil, head, 10)}}); err != nil {
			return err
		}
	}
	var items []store.Item
	dump := func(bucket func(*bbolt.Bucket) *bbolt.Bucket, item func(k, v []byte) store.Item) error {
		return b.scan(ctx, ws, bucket,
			func(k, v []byte) { items = append(items, item(bytes.Clone(k), bytes.Clone(v))) },
			func() error { i := items; items = nil; return fn(i) })
	}
	for _, p := range plainBuckets {
		if err := dump(sub(p.bucket), p.item); err != nil {
			return err
		}
	}
	for kind, spaces := range map[store.ItemKind][]string{store.ItemClaim: claims, store.ItemValue: values} {
		for _, space := range spaces {
			err := dump(
				func(w *bbolt.Bucket) *bbolt.Bucket { return w.Bucket(spacesBucket(kind)).Bucket([]byte(space)) },
				func(k, v []byte) store.Item {
					return store.Item{Kind: kind, Key: space, Sub: string(k), Value: v}
				})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// plainBuckets are those whose keys and values are items as they are.
var plainBuckets = []struct {
	bucket []byte
	item   func(k, v []byte) store.Item
}{
	{recordsBucket, func(k, v []byte) store.Item {
		return store.Item{Kind: store.ItemRecord, Key: string(k), Value: v}
	}},
	{membersBucket, edgeItem(store.ItemMember)},
	{groupsBucket, edgeItem(store.ItemGroup)},
	{feedBucket, numberedItem(store.ItemChange)},
	{imagesBucket, numberedItem(store.ItemImages)},
	{fencesBucket, func(k, v []byte) store.Item {
		return store.Item{Kind: store.ItemFence, Key: string(k), Value: strconv.AppendUint(nil, number(v), 10)}
	}},
}

func edgeItem(kind store.ItemKind) func(k, v []byte) store.Item {
	return func(k, _ []byte) store.Item {
		from, to, _ := strings.Cut(string(k), "\x00")
		return store.Item{Kind: kind, Key: from, Sub: to}
	}
}

func numberedItem(kind store.ItemKind) func(k, v []byte) store.Item {
	return func(k, v []byte) store.Item {
		return store.Item{Kind: kind, Key: strconv.FormatUint(number(k), 10), Value: v}
	}
}

func spacesBucket(kind store.ItemKind) []byte {
	if kind == store.ItemClaim {
		return claimsBucket
	}
	return kvBucket
}

// Load writes items, in one transaction.
func (b *Backend) Load(ctx context.Context, ws string, items []store.Item) error {
	return b.do(ctx, func(btx *bbolt.Tx) error {
		w, err := workspace(btx, ws)
		if err != nil {
			return err
		}
		if _, err := w.CreateBucketIfNotExists(imagesBucket); err != nil {
			return writeError{err}
		}
		for i := range items {
			if err := load(w, &items[i]); err != nil {
				return writeError{err}
			}
		}
		return nil
	})
}

// Remove removes items.
func (b *Backend) Remove(ctx context.Context, ws string, items []store.Item) error {
	return b.do(ctx, func(btx *bbolt.Tx) error {
		w, err := workspace(btx, ws)
		if err != nil {
			return err
		}
		for i := range items {
			if err := remove(w, &items[i]); err != nil {
				return writeError{err}
			}
		}
		return nil
	})
}

func remove(w *bbolt.Bucket, item *store.Item) error {
	switch item.Kind {
	case store.ItemMember:
		return w.Bucket(membersBucket).Delete([]byte(item.Key + "\x00" + item.Sub))
	case store.ItemGroup:
		return w.Bucket(groupsBucket).Delete([]byte(item.Key + "\x00" + item.Sub))
	case store.ItemClaim:
		if _, found := claimAt(w, item.Key, item.Sub); found {
			return release(w, store.Claim{Space: item.Key, Key: item.Sub})
		}
		return nil
	case store.ItemValue:
		if space := w.Bucket(kvBucket).Bucket([]byte(item.Key)); space != nil {
			return space.Delete([]byte(item.Sub))
		}
		return nil
	}
	return fmt.Errorf("an item of kind %q", item.Kind)
}

func load(w *bbolt.Bucket, item *store.Item) error {
	switch item.Kind {
	case store.ItemRecord:
		return w.Bucket(recordsBucket).Put([]byte(item.Key), item.Value)
	case store.ItemMember:
		return w.Bucket(membersBucket).Put([]byte(item.Key+"\x00"+item.Sub), nil)
	case store.ItemGroup:
		return w.Bucket(groupsBucket).Put([]byte(item.Key+"\x00"+item.Sub), nil)
	case store.ItemClaim, store.ItemValue:
		space, err := w.Bucket(spacesBucket(item.Kind)).CreateBucketIfNotExists([]byte(item.Key))
		if err != nil {
			return err
		}
		return space.Put([]byte(item.Sub), item.Value)
	case store.ItemChange, store.ItemImages, store.ItemFence, store.ItemCounter:
		return loadNumbered(w, item)
	}
	return fmt.Errorf("an item of kind %q", item.Kind)
}

func loadNumbered(w *bbolt.Bucket, item *store.Item) error {
	text := item.Key
	if item.Kind == store.ItemFence || item.Kind == store.ItemCounter {
		text = string(item.Value)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return scim.Errorf(scim.ErrCorrupt, "%q is no number", text)
	}
	key := binary.BigEndian.AppendUint64(nil, n)
	switch item.Kind {
	case store.ItemChange:
		if !json.Valid(item.Value) {
			return scim.Errorf(scim.ErrCorrupt, "change %d cannot be read", n)
		}
		return w.Bucket(feedBucket).Put(key, item.Value)
	case store.ItemImages:
		return w.Bucket(imagesBucket).Put(key, item.Value)
	case store.ItemFence:
		return w.Bucket(fencesBucket).Put([]byte(item.Key), key)
	}
	return w.Bucket(feedBucket).SetSequence(n)
}
