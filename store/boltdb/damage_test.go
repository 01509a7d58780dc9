package boltdb

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

func TestDamage(t *testing.T) {
	storetest.Damage(t, func(t testing.TB) (store.Backend, storetest.Vandal) {
		b := openAt(t, filepath.Join(t.TempDir(), "test.db"))
		return b, vandal{t, b}
	})
}

type vandal struct {
	testing.TB
	b *Backend
}

func (v vandal) write(bucket []byte, fn func(*bbolt.Bucket) error) {
	v.Helper()
	err := v.b.db.Update(func(tx *bbolt.Tx) error {
		w := tx.Bucket([]byte(store.DefaultWorkspace))
		if bucket != nil {
			w = w.Bucket(bucket)
		}
		return fn(w)
	})
	if err != nil {
		v.Fatal(err)
	}
}

func (v vandal) SetRecord(ref scim.Ref, record []byte) {
	v.write(recordsBucket, func(b *bbolt.Bucket) error {
		if record == nil {
			return b.Delete([]byte(ref.String()))
		}
		return b.Put([]byte(ref.String()), record)
	})
}

func (v vandal) SetClaim(space, key, value string) {
	v.write(claimsBucket, func(b *bbolt.Bucket) error {
		s, err := b.CreateBucketIfNotExists([]byte(space))
		if err != nil {
			return err
		}
		if value == "" {
			return s.Delete([]byte(key))
		}
		return s.Put([]byte(key), []byte(value))
	})
}

func (v vandal) SetEdge(d store.Direction, from, to scim.Ref, there bool) {
	v.write(side(d), func(b *bbolt.Bucket) error {
		if there {
			return b.Put(edgeKey(from, to), nil)
		}
		return b.Delete(edgeKey(from, to))
	})
}

func number8(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func (v vandal) RemoveEntry(n uint64) {
	v.write(feedBucket, func(b *bbolt.Bucket) error { return b.Delete(number8(n)) })
}

func (v vandal) GarbleEntry(n uint64) {
	v.write(feedBucket, func(b *bbolt.Bucket) error { return b.Put(number8(n), []byte("{")) })
}

// SwapImages swaps the images of two changes; with 0 it garbles those of one.
func (v vandal) SwapImages(m, n uint64) {
	v.write(imagesBucket, func(b *bbolt.Bucket) error {
		one, other := bytes.Clone(b.Get(number8(m))), bytes.Clone(b.Get(number8(n)))
		if n == 0 {
			return b.Put(number8(m), one[:8])
		}
		if err := b.Put(number8(m), other); err != nil {
			return err
		}
		return b.Put(number8(n), one)
	})
}

func (v vandal) SetNumber(n uint64) {
	v.write(feedBucket, func(b *bbolt.Bucket) error { return b.SetSequence(n) })
}

func (v vandal) SetFence(lock string, n uint64) {
	v.write(fencesBucket, func(b *bbolt.Bucket) error { return b.Put([]byte(lock), number8(n)) })
}

func (v vandal) AddKey() {
	v.write(nil, func(b *bbolt.Bucket) error { return b.Put([]byte("stray"), []byte("x")) })
}
