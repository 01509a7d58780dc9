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
	both := store.RawImages{Ref: a.tx.Ref, Old: before, New: after}
	if err := images.Put(binary.BigEndian.AppendUint64(nil, n), both.Encode()); err != nil {
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
			var err error
			if all[i], err = store.ParseImages(n, bytes.Clone(v)); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// DropImages removes every image of a resource. Pages of the file that are free now hold what was in
// them until they are used again: a copy of the store has none.
func (b *Backend) DropImages(ctx context.Context, ws string, ref scim.Ref, _ scim.Fence) ([]scim.Version, error) {
	var numbers []scim.Version
	err := b.scan(ctx, ws, sub(imagesBucket),
		func(k, v []byte) {
			if images, err := store.ParseImages(scim.Version(number(k)), v); err == nil && images.Ref == ref {
				numbers = append(numbers, scim.Version(number(k)))
			}
		},
		func() error { return nil })
	if err != nil || len(numbers) == 0 {
		return nil, err
	}
	return numbers, b.do(ctx, func(tx *bbolt.Tx) error {
		w, err := workspace(tx, ws)
		if err != nil {
			return err
		}
		images := w.Bucket(imagesBucket)
		for _, n := range numbers {
			if err := images.Delete(binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
				return err
			}
		}
		return nil
	})
}
