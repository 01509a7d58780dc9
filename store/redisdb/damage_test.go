package redisdb

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/storetest"
)

const ws = store.DefaultWorkspace

// TestStrays is damage that only Redis can have.
func TestStrays(t *testing.T) {
	open := opener(t)
	for name, plant := range map[string]func(v vandal){
		"another type":   func(v vandal) { v.do("HSET", fenceKey(ws, "other"), "a", "b") },
		"a time to live": func(v vandal) { v.do("PEXPIRE", claimsKey(ws, "User.userName"), 100_000) },
		"no resource":    func(v vandal) { v.do("SET", prefix(ws)+"r:nothing", "x") },
		"unlisted space": func(v vandal) { v.do("SREM", spacesKey(ws), "User.userName") },
		"empty space":    func(v vandal) { v.do("SADD", spacesKey(ws), "User.nothing") },
		"eternal lock":   func(v vandal) { v.do("SET", lockKey(ws, "run"), "1 token me"); v.do("SET", fenceKey(ws, "run"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t).(*Backend)
			s := store.New(store.Config{Backend: b})
			w, err := s.Workspace(t.Context(), ws)
			if err != nil {
				t.Fatal(err)
			}
			r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "User", ID: scim.NewID()}}, Attributes: map[string]any{"userName": "a"}}
			if _, err := w.Commit(t.Context(), &scim.Commit{Ref: r.Ref, Put: r}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Lock(t.Context(), "held", "me", time.Minute); err != nil {
				t.Fatal(err)
			}
			storetest.CheckClean(t, t.Context(), s)
			plant(vandal{t, b})
			report, err := w.Fsck(t.Context())
			if err != nil || len(report.Findings) == 0 {
				t.Errorf("Fsck() = %+v, %v, want a finding", report, err)
			}
		})
	}
}

type vandal struct {
	testing.TB
	b *Backend
}

func (v vandal) do(args ...any) {
	v.Helper()
	if err := v.b.client.Do(v.Context(), args...).Err(); err != nil {
		v.Fatalf("%v = %v", args, err)
	}
}

func (v vandal) SetRecord(ref scim.Ref, record []byte) {
	if record == nil {
		v.do("DEL", recordKey(ws, ref))
		return
	}
	v.do("SET", recordKey(ws, ref), record)
}

func (v vandal) SetClaim(space, key, value string) {
	if value == "" {
		v.do("HDEL", claimsKey(ws, space), key)
		if v.b.client.Exists(v.Context(), claimsKey(ws, space)).Val() == 0 {
			v.do("SREM", spacesKey(ws), space)
		}
		return
	}
	v.do("HSET", claimsKey(ws, space), key, value)
	v.do("SADD", spacesKey(ws), space)
}

func (v vandal) SetEdge(d store.Direction, from, to scim.Ref, there bool) {
	if there {
		v.do("ZADD", edgesKey(ws, d, from), 0, to.String())
		return
	}
	v.do("ZREM", edgesKey(ws, d, from), to.String())
}

func (v vandal) RemoveEntry(n uint64) { v.do("XDEL", feedKey(ws), fmt.Sprintf("%d-0", n)) }

// GarbleEntry replaces the entry, which takes writing all behind it again.
func (v vandal) GarbleEntry(n uint64) {
	v.rewrite(feedKey(ws), func(rows []redis.XMessage) { rows[n-1].Values = map[string]any{"o": "?"} })
}

// SwapImages swaps the images of two changes; with 0 it garbles those of one.
func (v vandal) SwapImages(m, n uint64) {
	v.rewrite(imagesKey(ws), func(rows []redis.XMessage) {
		if n == 0 {
			rows[m-1].Values = map[string]any{"o": "?"}
			return
		}
		rows[m-1].Values, rows[n-1].Values = rows[n-1].Values, rows[m-1].Values
	})
}

func (v vandal) rewrite(stream string, change func([]redis.XMessage)) {
	rows := v.b.client.XRange(v.Context(), stream, "-", "+").Val()
	change(rows)
	v.do("DEL", stream)
	for _, row := range rows {
		args := []any{"XADD", stream, row.ID}
		for name, value := range row.Values {
			args = append(args, name, value)
		}
		v.do(args...)
	}
}

func (v vandal) SetNumber(n uint64) { v.do("SET", seqKey(ws), n) }

func (v vandal) SetFence(lock string, n uint64) { v.do("SET", fenceKey(ws, lock), n) }

func (v vandal) AddKey() { v.do("SET", prefix(ws)+"stray", "x") }
