package boltdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// The images of a change are the resource, the record before and the record after, the first
// two with their lengths (uvarint) in front.

// writeImages keeps what the record was, and what it is now.
func (a *apply) writeImages(n uint64, before []byte) error {
	images, err := a.w.CreateBucketIfNotExists(imagesBucket) // a file may be older than it
	if err != nil {
		return err
	}
	if a.tx.KeepImages == 0 {
		return drop(images, math.MaxUint64)
	}
	after := a.records.Get([]byte(a.tx.Ref.String()))
	if a.tx.Op == store.OpTouch {
		after = after[:store.HeaderLen]
	}
	ref := a.tx.Ref.String()
	v := make([]byte, 0, 2*binary.MaxVarintLen32+len(ref)+len(before)+len(after))
	v = append(binary.AppendUvarint(v, uint64(len(ref))), ref...)
	v = append(binary.AppendUvarint(v, uint64(len(before))), before...)
	if err := images.Put(binary.BigEndian.AppendUint64(nil, n), append(v, after...)); err != nil {
		return err
	}
	return trim(images, n, a.tx.KeepImages)
}

// ImagesAt returns the images of changes.
func (b *Backend) ImagesAt(ctx context.Context, ws string, numbers []scim.Version) ([]store.RawImages, error) {
	all := make([]store.RawImages, len(numbers))
	err := b.view(ctx, ws, func(w *bbolt.Bucket) error {
		images := w.Bucket(imagesBucket)
		if images == nil {
			return nil
		}
		for i, n := range numbers {
			v := images.Get(binary.BigEndian.AppendUint64(nil, uint64(n)))
			if v == nil {
				continue
			}
			r, ok := parseImages(bytes.Clone(v))
			if !ok {
				return scim.Errorf(scim.ErrCorrupt, "the images of change %d cannot be read", n)
			}
			r.Version = n
			all[i] = r
		}
		return nil
	})
	return all, err
}

func parseImages(v []byte) (r store.RawImages, ok bool) {
	ref, v, ok := cutBytes(v)
	if !ok {
		return r, false
	}
	if r.Ref, ok = store.ParseRef(string(ref)); !ok {
		return r, false
	}
	r.Old, r.New, ok = cutBytes(v)
	return r, ok
}

// cutBytes reads bytes with their length in front.
func cutBytes(v []byte) (text, rest []byte, ok bool) {
	n, used := binary.Uvarint(v)
	if used <= 0 || n > uint64(len(v)-used) {
		return nil, nil, false
	}
	return v[used : used+int(n)], v[used+int(n):], true
}
