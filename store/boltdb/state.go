package boltdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"rollcall/scim"
	"rollcall/store"
)

// KVGet returns a value.
func (b *Backend) KVGet(ctx context.Context, ws, space, key string) (value []byte, err error) {
	found := false
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		if s := w.Bucket(kvBucket).Bucket([]byte(space)); s != nil {
			if v := s.Get([]byte(key)); v != nil {
				value, found = append([]byte{}, v...), true
			}
		}
		return nil
	})
	if err == nil && !found {
		err = scim.ErrNotFound
	}
	return value, err
}

// KVPut sets a value, or compares and sets it.
func (b *Backend) KVPut(ctx context.Context, ws, space, key string, value, old []byte) error {
	value, old = bytes.Clone(value), bytes.Clone(old) // the committer may outlive the call
	return b.do(ctx, func(tx *bbolt.Tx) error {
		w, err := workspace(tx, ws)
		if err != nil {
			return err
		}
		if old != nil {
			var present []byte
			if s := w.Bucket(kvBucket).Bucket([]byte(space)); s != nil {
				present = s.Get([]byte(key))
			}
			if (present == nil) != (len(old) == 0) || !bytes.Equal(present, old) {
				return scim.ErrVersionMismatch
			}
		}
		s, err := w.Bucket(kvBucket).CreateBucketIfNotExists([]byte(space))
		if err == nil {
			err = s.Put([]byte(key), value)
		}
		if err != nil {
			return writeError{err}
		}
		return nil
	})
}

// KVDelete removes a key.
func (b *Backend) KVDelete(ctx context.Context, ws, space, key string) error {
	return b.do(ctx, func(tx *bbolt.Tx) error {
		w, err := workspace(tx, ws)
		if err != nil {
			return err
		}
		s := w.Bucket(kvBucket).Bucket([]byte(space))
		if s == nil {
			return nil
		}
		if err := s.Delete([]byte(key)); err != nil {
			return writeError{err}
		}
		return nil
	})
}

// KVScan calls fn with each key in order.
func (b *Backend) KVScan(ctx context.Context, ws, space string, fn func(key string, value []byte) error) error {
	type pair struct {
		key   string
		value []byte
	}
	var pairs []pair
	return b.scan(ctx, ws,
		func(w *bbolt.Bucket) *bbolt.Bucket { return w.Bucket(kvBucket).Bucket([]byte(space)) },
		func(k, v []byte) { pairs = append(pairs, pair{string(k), append([]byte{}, v...)}) },
		func() error {
			for _, p := range pairs {
				if err := fn(p.key, p.value); err != nil {
					return err
				}
			}
			pairs = pairs[:0]
			return nil
		})
}

type lockKey struct{ ws, name string }

// holding is who holds a lock.
type holding struct {
	token, holder string
	number        uint64
	until         time.Time
}

// LockTake takes a lock.
func (b *Backend) LockTake(ctx context.Context, ws, name, token, holder string, ttl time.Duration) (uint64, string, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := lockKey{ws, name}
	if h, held := b.locks[key]; held && time.Now().Before(h.until) {
		return h.number, h.holder, h.token == token, nil
	}
	var n uint64
	err := b.do(ctx, func(tx *bbolt.Tx) error {
		w, err := workspace(tx, ws)
		if err != nil {
			return err
		}
		fences := w.Bucket(fencesBucket)
		next := number(fences.Get([]byte(name))) + 1
		if err := fences.Put([]byte(name), binary.BigEndian.AppendUint64(nil, next)); err != nil {
			return writeError{err}
		}
		n = next
		return nil
	})
	if err != nil {
		return 0, "", false, err
	}
	b.locks[key] = holding{token: token, holder: holder, number: n, until: time.Now().Add(ttl)}
	return n, holder, true, nil
}

// LockRenew extends the time of a lock.
func (b *Backend) LockRenew(ctx context.Context, ws, name, token string, ttl time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := lockKey{ws, name}
	h, held := b.locks[key]
	if !held || h.token != token || !time.Now().Before(h.until) {
		return false, nil
	}
	h.until = time.Now().Add(ttl)
	b.locks[key] = h
	return true, nil
}

// LockRelease gives a lock back.
func (b *Backend) LockRelease(_ context.Context, ws, name, token string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := lockKey{ws, name}
	if b.locks[key].token == token {
		delete(b.locks, key)
	}
	return nil
}

// LockStates lists the locks that were ever taken.
func (b *Backend) LockStates(ctx context.Context, ws string) (states []store.LockState, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.view(ctx, ws, func(w *bbolt.Bucket) error {
		return w.Bucket(fencesBucket).ForEach(func(k, v []byte) error {
			s := store.LockState{Name: string(k), Number: number(v)}
			if h, held := b.locks[lockKey{ws, s.Name}]; held && time.Now().Before(h.until) {
				s.Holder, s.HolderNumber = h.holder, h.number
			}
			states = append(states, s)
			return nil
		})
	})
	return states, err
}
