package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"

	"rollcall/scim"
	"rollcall/store"
	"rollcall/store/redisdb"
)

// replicaChecks measures the index by itself: this process is one more replica of the store, without
// HTTP in front.
func (b *bench) replicaChecks(ctx context.Context, r *redisServer, users int) ([]Check, error) {
	backend, err := redisdb.Open(ctx, redisdb.Config{Addr: r.addr, DB: oursDB})
	if err != nil {
		return nil, err
	}
	defer backend.Close()
	w, err := store.New(store.Config{Backend: backend}).Workspace(ctx, store.DefaultWorkspace)
	if err != nil {
		return nil, err
	}
	before := heap()
	began := time.Now()
	fence := &scim.Query{Types: []string{"User"}} // the total alone: a look at the newest number
	page, err := w.Query(ctx, fence)
	if err != nil {
		return nil, err
	}
	built := time.Since(began)
	size := float64(heap()-before) / float64(page.Total) // POST has added some
	scan, err := rawScan(ctx, r)
	if err != nil {
		return nil, err
	}
	at := func(text string, count int) (*scim.Query, error) {
		filter, err := scim.ParseFilter(text)
		return &scim.Query{Types: []string{"User"}, Filter: filter, Start: 1, Count: count}, err
	}
	some, err := at(`userName sw "person.0000" and active eq true`, 0)
	if err != nil {
		return nil, err
	}
	part, err := at(`name.familyName co "son"`, 0)
	if err != nil {
		return nil, err
	}
	var over [2]time.Duration
	for i, q := range []*scim.Query{some, part} {
		if over[i], err = overFence(ctx, w, fence, q); err != nil {
			return nil, err
		}
	}
	runtime.KeepAlive(w)
	perScan := 5 * max(float64(users)/100_000, 0.1)
	if users >= 1_000_000 {
		perScan = 40
	}
	what := func(name string) string { return fmt.Sprintf("%s, %d users", name, users) }
	return []Check{
		{Name: what("index, memory for a user"), Value: size, Unit: "B", Goal: 300},
		{Name: what("index made ÷ raw scan of the records"), Value: built.Seconds() / scan.Seconds(), Unit: "×", Goal: 2,
			Note: fmt.Sprintf("made in %.2f s, scanned in %.2f s (SCAN, MGET of 256)", built.Seconds(), scan.Seconds())},
		{Name: what("userName sw and active eq, over the fence"), Value: milliseconds(over[0]), Unit: "ms", Goal: 1, Note: "p50 in the process: matches and total"},
		{Name: what("name.familyName co, over the fence"), Value: milliseconds(over[1]), Unit: "ms", Goal: perScan, Note: "p50 in the process: matches and total"},
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// overFence is what a query takes beyond the fence that each list passes: the difference of the
// medians, measured by turns.
func overFence(ctx context.Context, w *store.Workspace, fence, q *scim.Query) (time.Duration, error) {
	var took [2][]float64
	for range 101 {
		for i, q := range []*scim.Query{fence, q} {
			began := time.Now()
			if _, err := w.Query(ctx, q); err != nil {
				return 0, err
			}
			took[i] = append(took[i], float64(time.Since(began)))
		}
	}
	return time.Duration(max(median(took[1])-median(took[0]), 0)), nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// rawScan is how long it takes to read every record, and no more.
func rawScan(ctx context.Context, r *redisServer) (time.Duration, error) {
	client := newRedis(r.addr, oursDB)
	defer client.Close()
	began := time.Now()
	var keys []string
	read := func(least int) error {
		if len(keys) < max(least, 1) {
			return nil
		}
		err := client.MGet(ctx, keys...).Err()
		keys = keys[:0]
		return err
	}
	for cursor := uint64(0); ; {
		found, next, err := client.Scan(ctx, cursor, "{default}:r:*", 1000).Result()
		if err != nil {
			return 0, err
		}
		for _, key := range found {
			if keys = append(keys, key); len(keys) == 256 {
				if err := read(256); err != nil {
					return 0, err
				}
			}
		}
		if cursor = next; cursor == 0 {
			return time.Since(began), read(1)
		}
	}
}

// size is the memory of one key of ours, 0 where there is none.
func (r *redisServer) size(ctx context.Context, key string) (int64, error) {
	client := newRedis(r.addr, oursDB)
	defer client.Close()
	size, err := client.MemoryUsage(ctx, "{default}:"+key, 0).Result()
	if err == redis.Nil {
		return 0, nil
	}
	return size, err
}

// startCheck is how long another process takes from its start to the answer of a list.
func (b *bench) startCheck(ctx context.Context, w *workshop, r *redisServer, token string, users int, scan time.Duration) (Check, error) {
	began := time.Now()
	s, err := w.startRollcallAs(ctx, "another", b.bin, r, token)
	if err != nil {
		return Check{}, err
	}
	defer s.stop()
	ready := time.Since(began)
	c, err := dial(s.addr)
	if err != nil {
		return Check{}, err
	}
	defer c.net.Close()
	if _, err := s.send(c, "GET", "/scim/v2/Users?count=1&sortBy=userName", nil, 200); err != nil {
		return Check{}, err
	}
	took := time.Since(began)
	return Check{Name: fmt.Sprintf("start to the first list ÷ raw scan, %d users", users), Value: took.Seconds() / scan.Seconds(), Unit: "×", Goal: 2,
		Note: fmt.Sprintf("ready after %.2f s, the first list answered after %.2f s", ready.Seconds(), took.Seconds())}, nil
}
