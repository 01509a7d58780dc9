package boltdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// Read returns the records.
func (b *Backend) Read(ctx context.Context, ws string, refs []scim.Ref, groups bool) ([]store.Raw, error) {
	raws := make([]store.Raw, len(refs))
	for i, ref := range refs {
		raws[i].Ref = ref
	}
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		n := nestIn(w, groups)
		for i, ref := range refs {
			raws[i] = read(w, ref, n)
		}
		return nil
	})
	return raws, err
}

// read reads a record, and its groups where a nest is given.
func read(w *bbolt.Bucket, ref scim.Ref, n *nest) store.Raw {
	v := w.Bucket(recordsBucket).Get([]byte(ref.String()))
	if v == nil {
		return store.Raw{Ref: ref}
	}
	raw := store.ParseRecord(ref, bytes.Clone(v))
	if n != nil {
		raw.Groups = n.groupsOf(ref)
	}
	return raw
}

// ends lists up to limit other ends of a resource's edges behind after; all for -1.
func ends(side *bbolt.Bucket, ref, after scim.Ref, limit int) (refs []scim.Ref) {
	prefix := edgePrefix(ref)
	from := prefix
	if after != (scim.Ref{}) {
		from = append(edgeKey(ref, after), 0) // the next possible key
	}
	c := side.Cursor()
	for k, _ := c.Seek(from); bytes.HasPrefix(k, prefix) && limit != 0; k, _ = c.Next() {
		other, _ := store.ParseRef(string(k[len(prefix):]))
		refs = append(refs, other)
		limit--
	}
	return refs
}

// Holders returns the claims on keys.
func (b *Backend) Holders(ctx context.Context, ws, space string, keys []string) ([]store.Claim, error) {
	claims := make([]store.Claim, len(keys))
	for i, key := range keys {
		claims[i] = store.Claim{Space: space, Key: key}
	}
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		for i, key := range keys {
			if c, found := claimAt(w, space, key); found {
				claims[i] = c
			}
		}
		return nil
	})
	return claims, err
}

// Spaces lists the spaces of claims.
func (b *Backend) Spaces(ctx context.Context, ws, prefix string) (spaces []string, err error) {
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		spaces = spacesOf(w, prefix)
		return nil
	})
	return spaces, err
}

func spacesOf(w *bbolt.Bucket, prefix string) (spaces []string) {
	c := w.Bucket(claimsBucket).Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
		spaces = append(spaces, string(k))
	}
	return spaces
}

// Find finds records by a claim.
func (b *Backend) Find(ctx context.Context, ws, typ, first, prefix, key string, groups bool) (raws []store.Raw, err error) {
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		spaces, n := []string{first}, nestIn(w, groups)
		if _, found := claimAt(w, first, key); !found && prefix != "" {
			spaces = spacesOf(w, prefix)
		}
		for _, space := range spaces {
			if c, found := claimAt(w, space, key); found {
				raws = append(raws, read(w, scim.Ref{Type: typ, ID: c.ID}, n))
			}
		}
		return nil
	})
	return raws, err
}

func side(d store.Direction) []byte {
	if d == store.Members {
		return membersBucket
	}
	return groupsBucket
}

// Edges lists one side of a resource's edges.
func (b *Backend) Edges(ctx context.Context, ws string, ref scim.Ref, d store.Direction, after scim.Ref, limit int) (refs []scim.Ref, err error) {
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		refs = ends(w.Bucket(side(d)), ref, after, limit)
		return nil
	})
	return refs, err
}

// HasEdges tells which edges stand on a side.
func (b *Backend) HasEdges(ctx context.Context, ws string, d store.Direction, edges []store.EdgeAt) ([]bool, error) {
	has := make([]bool, len(edges))
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		for i, e := range edges {
			has[i] = w.Bucket(side(d)).Get(edgeKey(e.From, e.To)) != nil
		}
		return nil
	})
	return has, err
}

// Feed returns entries above after.
func (b *Backend) Feed(ctx context.Context, ws string, after scim.Version, limit int) (entries []store.Entry, head scim.Version, err error) {
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		feed := w.Bucket(feedBucket)
		head = scim.Version(feed.Sequence())
		if after >= head {
			return nil
		}
		c := feed.Cursor()
		for k, v := c.Seek(binary.BigEndian.AppendUint64(nil, uint64(after)+1)); k != nil && len(entries) < limit; k, v = c.Next() {
			e, err := parseRow(k, v)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, head, err
}

// FeedAt returns entries by number.
func (b *Backend) FeedAt(ctx context.Context, ws string, numbers []scim.Version) ([]store.Entry, error) {
	entries := make([]store.Entry, len(numbers))
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		for i, n := range numbers {
			key := binary.BigEndian.AppendUint64(nil, uint64(n))
			if v := w.Bucket(feedBucket).Get(key); v != nil {
				var err error
				if entries[i], err = parseRow(key, v); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return entries, err
}

// FeedBack returns entries downwards from last.
func (b *Backend) FeedBack(ctx context.Context, ws string, last scim.Version, limit int) (entries []store.Entry, err error) {
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		c := w.Bucket(feedBucket).Cursor()
		k, v := c.Last()
		if last != 0 {
			if above, _ := c.Seek(binary.BigEndian.AppendUint64(nil, uint64(last)+1)); above == nil {
				k, v = c.Last()
			} else {
				k, v = c.Prev()
			}
		}
		for ; k != nil && len(entries) < limit; k, v = c.Prev() {
			e, err := parseRow(k, v)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

func parseRow(key, value []byte) (store.Entry, error) {
	var row store.FeedRow
	n := number(key)
	if err := json.Unmarshal(value, &row); err != nil {
		return store.Entry{}, scim.Errorf(scim.ErrCorrupt, "feed entry %d cannot be read", n)
	}
	return row.Entry(scim.Version(n))
}

// batch is how many keys a scan reads in one transaction: a reader that stays open
// keeps bbolt from reusing pages, and one that opens another may wait for itself.
const batch = 512

// scan reads a bucket in batches. read copies what it needs of one key and value; flush is
// called outside the transaction. bucket may return nil: then there is nothing to scan.
func (b *Backend) scan(ctx context.Context, ws string, bucket func(*bbolt.Bucket) *bbolt.Bucket, read func(k, v []byte), flush func() error) error {
	var next []byte
	for {
		n := 0
		err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
			s := bucket(w)
			if s == nil {
				return nil
			}
			c := s.Cursor()
			k, v := c.Seek(next)
			for ; k != nil && n < batch; k, v = c.Next() {
				read(k, v)
				n++
				next = append(append(next[:0:0], k...), 0)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		if n < batch {
			return nil
		}
	}
}

func sub(name []byte) func(*bbolt.Bucket) *bbolt.Bucket {
	return func(w *bbolt.Bucket) *bbolt.Bucket { return w.Bucket(name) }
}

// ScanClaims streams a space.
func (b *Backend) ScanClaims(ctx context.Context, ws, space string, fn func([]store.Claim) error) error {
	var claims []store.Claim
	return b.scan(ctx, ws,
		func(w *bbolt.Bucket) *bbolt.Bucket { return w.Bucket(claimsBucket).Bucket([]byte(space)) },
		func(k, v []byte) { claims = append(claims, store.ParseClaim(space, string(k), string(v))) },
		func() error { c := claims; claims = nil; return fn(c) })
}

// ScanRecords streams every record.
func (b *Backend) ScanRecords(ctx context.Context, ws string, fn func([]store.Raw) error) error {
	var raws []store.Raw
	return b.scan(ctx, ws, sub(recordsBucket),
		func(k, v []byte) {
			ref, _ := store.ParseRef(string(k))
			raws = append(raws, store.ParseRecord(ref, bytes.Clone(v)))
		},
		func() error { r := raws; raws = nil; return fn(r) })
}

// ScanEdges streams one side of every edge.
func (b *Backend) ScanEdges(ctx context.Context, ws string, d store.Direction, fn func([]store.EdgeAt) error) error {
	var edges []store.EdgeAt
	return b.scan(ctx, ws, sub(side(d)),
		func(k, _ []byte) {
			from, to, _ := strings.Cut(string(k), "\x00")
			var e store.EdgeAt
			e.From, _ = store.ParseRef(from)
			e.To, _ = store.ParseRef(to)
			edges = append(edges, e)
		},
		func() error { e := edges; edges = nil; return fn(e) })
}

// ScanStrays tells of keys that no version of this package writes.
func (b *Backend) ScanStrays(ctx context.Context, ws string, fn func(store.Stray) error) error {
	var strays []store.Stray
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		return w.ForEach(func(k, _ []byte) error {
			if !slices.ContainsFunc(allBuckets, func(name []byte) bool { return bytes.Equal(name, k) }) {
				strays = append(strays, store.Stray{Key: fmt.Sprintf("%s/%q", ws, k), Why: "unknown bucket or key"})
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, s := range strays {
		if err := fn(s); err != nil {
			return err
		}
	}
	check := func(name []byte, why string, good func(k string) bool) error {
		strays = nil
		return b.scan(ctx, ws, sub(name),
			func(k, _ []byte) {
				if !good(string(k)) {
					strays = append(strays, store.Stray{Key: fmt.Sprintf("%s/%s/%q", ws, name, k), Why: why})
				}
			},
			func() error {
				for _, s := range strays {
					if err := fn(s); err != nil {
						return err
					}
				}
				strays = nil
				return nil
			})
	}
	isRef := func(s string) bool { _, ok := store.ParseRef(s); return ok }
	isEdge := func(s string) bool {
		from, to, ok := strings.Cut(s, "\x00")
		return ok && isRef(from) && isRef(to)
	}
	if err := check(recordsBucket, "not a type and an id", isRef); err != nil {
		return err
	}
	if err := check(membersBucket, "not an edge", isEdge); err != nil {
		return err
	}
	return check(groupsBucket, "not an edge", isEdge)
}
