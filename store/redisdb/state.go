package redisdb

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
)

// KVGet returns a value.
func (b *Backend) KVGet(ctx context.Context, ws, space, key string) ([]byte, error) {
	value, err := b.client.HGet(ctx, kvKey(ws, space), key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, scim.ErrNotFound
	}
	return value, failed(ctx, "read", err)
}

var casScript = redis.NewScript(`
local present = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] == '' then
  if present then return 0 end
elseif present ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`)

// KVPut sets a value, or compares and sets it.
func (b *Backend) KVPut(ctx context.Context, ws, space, key string, value, old []byte) error {
	if err := b.Safe(); err != nil {
		return err
	}
	if old == nil {
		return b.written(ctx, ws, failed(ctx, "write", b.client.HSet(ctx, kvKey(ws, space), key, value).Err()))
	}
	done, err := b.eval(ctx, casScript, []string{kvKey(ws, space)}, key, value, old).Int()
	if err != nil {
		return failed(ctx, "write", err)
	}
	if done == 0 {
		return scim.ErrVersionMismatch
	}
	return b.Confirm(ctx, ws)
}

// KVDelete removes a key.
func (b *Backend) KVDelete(ctx context.Context, ws, space, key string) error {
	return b.written(ctx, ws, failed(ctx, "delete", b.client.HDel(ctx, kvKey(ws, space), key).Err()))
}

// KVScan calls fn with each key in order. It holds the keys of the space, and a few values.
func (b *Backend) KVScan(ctx context.Context, ws, space string, fn func(key string, value []byte) error) error {
	const batch = 200
	keys, err := b.client.HKeys(ctx, kvKey(ws, space)).Result()
	if err != nil {
		return failed(ctx, "scan", err)
	}
	slices.Sort(keys)
	for part := range slices.Chunk(keys, batch) {
		values, err := b.client.HMGet(ctx, kvKey(ws, space), part...).Result()
		if err != nil {
			return failed(ctx, "scan", err)
		}
		for i, v := range values {
			value, ok := v.(string)
			if !ok {
				continue // deleted since
			}
			if err := fn(part[i], []byte(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// A lock's value is "<number> <token> <holder>".
var (
	takeScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if v then
  local n, token, holder = string.match(v, '^(%d+) (%S+) (.*)$')
  return {token == ARGV[1] and 1 or 0, n, holder}
end
local n = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], n .. ' ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {1, tostring(n), ARGV[2]}`)

	renewScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if v and string.match(v, '^%d+ (%S+)') == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`)

	releaseScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if v and string.match(v, '^%d+ (%S+)') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)
)

// LockTake takes a lock.
func (b *Backend) LockTake(ctx context.Context, ws, name, token, holder string, ttl time.Duration) (uint64, string, bool, error) {
	reply, err := b.eval(ctx, takeScript, []string{lockKey(ws, name), fenceKey(ws, name)},
		token, holder, ttl.Milliseconds()).Slice()
	if err != nil {
		return 0, "", false, failed(ctx, "take a lock", err)
	}
	if len(reply) != 3 {
		return 0, "", false, errReply("take a lock")
	}
	ok, _ := reply[0].(int64)
	text, _ := reply[1].(string)
	heldBy, _ := reply[2].(string)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, "", false, errReply("take a lock")
	}
	if ok != 1 {
		return n, heldBy, false, nil
	}
	return n, heldBy, true, b.Confirm(ctx, ws) // a number that is lost would be given out again
}

// LockRenew extends the time of a lock.
func (b *Backend) LockRenew(ctx context.Context, ws, name, token string, ttl time.Duration) (bool, error) {
	n, err := b.eval(ctx, renewScript, []string{lockKey(ws, name)}, token, ttl.Milliseconds()).Int()
	return n == 1, failed(ctx, "renew a lock", err)
}

// LockRelease gives a lock back.
func (b *Backend) LockRelease(ctx context.Context, ws, name, token string) error {
	return failed(ctx, "release a lock", b.eval(ctx, releaseScript, []string{lockKey(ws, name)}, token).Err())
}

// LockStates lists the locks that were ever taken.
func (b *Backend) LockStates(ctx context.Context, ws string) ([]store.LockState, error) {
	names := map[string]bool{}
	for _, kind := range []string{"fence", "lock"} {
		err := b.scanKeys(ctx, ws, kind, func(keys []string) error {
			for _, key := range keys {
				_, name, _ := kindOf(ws, key)
				names[name] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var states []store.LockState
	for name := range names {
		pipe := b.client.Pipeline()
		held, fence, ttl := pipe.Get(ctx, lockKey(ws, name)), pipe.Get(ctx, fenceKey(ws, name)), pipe.PTTL(ctx, lockKey(ws, name))
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, failed(ctx, "read a lock", err)
		}
		s := store.LockState{Name: name}
		s.Number, _ = fence.Uint64()
		if value := held.Val(); value != "" {
			parts := strings.SplitN(value, " ", 3)
			s.HolderNumber, _ = strconv.ParseUint(parts[0], 10, 64)
			s.Holder = parts[len(parts)-1]
			s.Forever = ttl.Val() == -1
		}
		states = append(states, s)
	}
	return states, nil
}
