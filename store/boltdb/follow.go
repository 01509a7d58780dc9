package boltdb

import (
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// Follow reads a part of the feed and its records, in one transaction.
func (b *Backend) Follow(ctx context.Context, ws string, at scim.Version, limit int) (*store.Followed, error) {
	f := new(store.Followed)
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		*f = store.Followed{}
		feed := w.Bucket(feedBucket)
		f.Head = scim.Version(feed.Sequence())
		if at > f.Head {
			return nil
		}
		seen := map[scim.Ref]bool{}
		c := feed.Cursor()
		for k, v := c.Seek(binary.BigEndian.AppendUint64(nil, uint64(at))); k != nil && len(f.Entries) < limit; k, v = c.Next() {
			e, err := parseRow(k, v)
			if err != nil {
				return err
			}
			if e.Version == at {
				f.At = e
				continue
			}
			f.Entries = append(f.Entries, e)
			for _, ref := range append([]scim.Ref{e.Ref}, e.Groups...) {
				if !seen[ref] {
					seen[ref] = true
					f.Records = append(f.Records, read(w, ref, nil))
				}
			}
		}
		return nil
	})
	return f, err
}
