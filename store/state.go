package store

import (
	"context"
	"fmt"
	"time"

	"rollcall/scim"
)

// state implements scim.State on a backend.
type state struct {
	backend Backend
	ws      string
}

// maxKey bounds the keys of small data and the names of spaces and locks.
const maxKey = 1024

func (s *state) KV(space string) scim.KV { return kv{s, space} }

type kv struct {
	*state
	space string
}

func (k kv) check(key string) error {
	if key == "" || len(key) > maxKey || k.space == "" || len(k.space) > maxKey {
		return scim.Errorf(scim.ErrInvalidValue, "a key has 1 to %d bytes", maxKey)
	}
	return nil
}

func (k kv) Get(ctx context.Context, key string) ([]byte, error) {
	if k.check(key) != nil {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no such key")
	}
	return k.backend.KVGet(ctx, k.ws, k.space, key)
}

func (k kv) Put(ctx context.Context, key string, value, old []byte) error {
	if err := k.check(key); err != nil {
		return err
	}
	return k.backend.KVPut(ctx, k.ws, k.space, key, value, old)
}

func (k kv) Delete(ctx context.Context, key string) error {
	if k.check(key) != nil {
		return nil //nolint:nilerr // what cannot be there is gone
	}
	return k.backend.KVDelete(ctx, k.ws, k.space, key)
}

func (k kv) Scan(ctx context.Context, fn func(key string, value []byte) error) error {
	return k.backend.KVScan(ctx, k.ws, k.space, fn)
}

// minTTL is the shortest time of a lock: less than a round trip takes helps nobody.
const minTTL = time.Millisecond

func (s *state) Lock(ctx context.Context, name, holder string, ttl time.Duration) (scim.Lock, error) {
	if name == "" || len(name) > maxKey || ttl < minTTL {
		return nil, scim.Errorf(scim.ErrInvalidValue, "a lock has a name of 1 to %d bytes and a time of at least %v", maxKey, minTTL)
	}
	l := &lock{state: s, name: name, token: newNonce(), ttl: ttl}
	n, heldBy, ok, err := s.backend.LockTake(ctx, s.ws, name, l.token, holder, ttl)
	if isUnknown(err) {
		// The token tells our own taking from another's.
		n, heldBy, ok, err = s.backend.LockTake(ctx, s.ws, name, l.token, holder, ttl)
	}
	if err != nil {
		return nil, fmt.Errorf("store: take lock %s: %w", name, err)
	}
	if !ok {
		return nil, scim.Errorf(scim.ErrLocked, "%s is held by %s", name, heldBy)
	}
	l.number = n
	return l, nil
}

type lock struct {
	*state
	name   string
	token  string
	number uint64
	ttl    time.Duration
}

func (l *lock) Fence() scim.Fence { return scim.Fence{Lock: l.name, Number: l.number} }

func (l *lock) Renew(ctx context.Context) error {
	ok, err := l.backend.LockRenew(ctx, l.ws, l.name, l.token, l.ttl)
	if err != nil {
		return fmt.Errorf("store: renew lock %s: %w", l.name, err)
	}
	if !ok {
		return scim.Errorf(scim.ErrFenced, "the lock %s was lost", l.name)
	}
	return nil
}

func (l *lock) Release(ctx context.Context) error {
	if err := l.backend.LockRelease(ctx, l.ws, l.name, l.token); err != nil {
		return fmt.Errorf("store: release lock %s: %w", l.name, err)
	}
	return nil
}
