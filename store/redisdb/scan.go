package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// scanCount is how many elements a step of a scan is to look at.
const scanCount = 1000

// ScanClaims streams a space.
func (b *Backend) ScanClaims(ctx context.Context, ws, space string, fn func([]store.Claim) error) error {
	var cursor uint64
	for {
		pairs, next, err := b.client.HScan(ctx, claimsKey(ws, space), cursor, "", scanCount).Result()
		if err != nil {
			return failed(ctx, "scan claims", err)
		}
		claims := make([]store.Claim, len(pairs)/2)
		for i := range claims {
			claims[i] = store.ParseClaim(space, pairs[2*i], pairs[2*i+1])
		}
		if len(claims) > 0 {
			if err := fn(claims); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// scanKeys streams the names of keys of one kind ("": of every kind).
func (b *Backend) scanKeys(ctx context.Context, ws, kind string, fn func(keys []string) error) error {
	n, err := b.node(ctx, ws)
	if err != nil {
		return err
	}
	// A workspace's name has no character that a pattern would take for its own.
	pattern := prefix(ws) + "*"
	if kind != "" {
		pattern = prefix(ws) + kind + ":*"
	}
	var cursor uint64
	for {
		keys, next, err := n.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return failed(ctx, "scan keys", err)
		}
		if len(keys) > 0 {
			if err := fn(keys); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// refsOfKeys reads resources from the names of their keys. What names none is a stray.
func refsOfKeys(ws string, keys []string) []scim.Ref {
	var refs []scim.Ref
	for _, key := range keys {
		_, name, _ := kindOf(ws, key)
		if ref, ok := store.ParseRef(name); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

// ScanRecords streams every record.
func (b *Backend) ScanRecords(ctx context.Context, ws string, fn func([]store.Raw) error) error {
	return b.scanKeys(ctx, ws, "r", func(keys []string) error {
		raws, err := b.Read(ctx, ws, refsOfKeys(ws, keys), false)
		if err != nil {
			return err
		}
		found := raws[:0]
		for _, raw := range raws {
			if raw.Found {
				found = append(found, raw)
			}
		}
		return fn(found)
	})
}

// ScanEdges streams one side of every edge.
func (b *Backend) ScanEdges(ctx context.Context, ws string, d store.Direction, fn func([]store.EdgeAt) error) error {
	return b.scanKeys(ctx, ws, string(rune(d)), func(keys []string) error {
		for _, from := range refsOfKeys(ws, keys) {
			var after scim.Ref
			for {
				tos, err := b.Edges(ctx, ws, from, d, after, scanCount)
				if err != nil {
					return err
				}
				if len(tos) == 0 {
					break
				}
				edges := make([]store.EdgeAt, len(tos))
				for i, to := range tos {
					edges[i] = store.EdgeAt{From: from, To: to}
				}
				if err := fn(edges); err != nil {
					return err
				}
				after = tos[len(tos)-1]
			}
		}
		return nil
	})
}

// ScanStrays tells of keys that this package does not write, or not so: of another type,
// or with a time to live that would end them; and of spaces that are not listed, or listed
// and empty.
func (b *Backend) ScanStrays(ctx context.Context, ws string, fn func(store.Stray) error) error {
	spaces, err := b.Spaces(ctx, ws, "")
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, s := range spaces {
		listed[s] = true
	}
	staged, err := b.client.HKeys(ctx, stagedKey(ws)).Result()
	if err != nil {
		return failed(ctx, "scan keys", err)
	}
	err = b.scanKeys(ctx, ws, "", func(keys []string) error {
		pipe := b.client.Pipeline()
		types := make([]*redis.StatusCmd, len(keys))
		ttls := make([]*redis.DurationCmd, len(keys))
		for i, key := range keys {
			types[i], ttls[i] = pipe.Type(ctx, key), pipe.PTTL(ctx, key)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return failed(ctx, "scan keys", err)
		}
		for i, key := range keys {
			why := strange(ws, key, types[i].Val(), ttls[i].Val() > 0)
			if kind, space, _ := kindOf(ws, key); why == "" && kind == "c" && !listed[space] {
				why = "is not in the list of spaces"
			}
			if kind, name, _ := kindOf(ws, key); why == "" && kind == "x" {
				if _, ref, _ := strings.Cut(name, ":"); !slices.Contains(staged, ref) {
					why = "belongs to no change that is under way"
				}
			}
			if why != "" {
				if err := fn(store.Stray{Key: key, Why: why}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, space := range spaces {
		n, err := b.client.Exists(ctx, claimsKey(ws, space)).Result()
		if err != nil {
			return failed(ctx, "scan keys", err)
		}
		if n == 0 {
			if err := fn(store.Stray{Key: spacesKey(ws), Why: "lists " + space + ", which is empty"}); err != nil {
				return err
			}
		}
	}
	return nil
}

func strange(ws, key, typ string, ends bool) string {
	if typ == "none" {
		return "" // gone since
	}
	kind, name, ok := kindOf(ws, key)
	if !ok {
		return "unknown key"
	}
	if strings.Contains("r m g", kind) {
		if _, ok := store.ParseRef(name); !ok {
			return "names no resource"
		}
	}
	if typ != typeOf[kind] {
		return fmt.Sprintf("is a %s, not a %s", typ, typeOf[kind])
	}
	if ends && kind != "lock" {
		return "has a time to live"
	}
	return ""
}
