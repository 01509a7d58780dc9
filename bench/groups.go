package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
)

// groupRows are the rows of reading groups: the large one without its members against an empty
// one, and with all of them against streaming them raw.
func (f *fixture) groupRows() []operation {
	get := func(group, query string) side {
		s := f.ours
		s.status, s.next = http.StatusOK, newCounter()
		s.request = func(b []byte, _ int) []byte {
			return appendRequest(b, "GET", "/scim/v2/Groups/"+group+query, f.auth, nil)
		}
		return s
	}
	large := f.data.groups[0]
	without := operation{name: fmt.Sprintf("GET group of %d without members", f.data.largest()), versus: "empty group", goal: 1 / 1.1, once: true,
		ours: get(large, "?excludedAttributes=members"), ceiling: get(f.data.empty, "?excludedAttributes=members")}
	with := operation{name: fmt.Sprintf("GET group of %d with members", f.data.largest()), versus: "stream", goal: 0.5, once: true, few: true, ours: get(large, "")}
	with.ceiling = f.ceilings
	with.ceiling.status, with.ceiling.next = http.StatusOK, newCounter()
	with.ceiling.request = func(b []byte, _ int) []byte { return appendRequest(b, "GET", "/stream/"+large, f.auth, nil) }
	return []operation{without, with}
}

// stream: the members of a group in pages of 1,000, each written as it is read.
func (c *ceilings) stream(ctx context.Context, w http.ResponseWriter, group string) error {
	w.Header().Set("Content-Type", "application/scim+json")
	var buf []byte
	for after := "-"; ; {
		page, err := c.redis.ZRangeByLex(ctx, "m:"+group, &redis.ZRangeBy{Min: after, Max: "+", Count: 1000}).Result()
		if err != nil {
			return err
		}
		buf = buf[:0]
		for _, id := range page {
			buf = append(append(append(buf, `{"value":"`...), id...), `"},`...)
		}
		if _, err := w.Write(buf); err != nil || len(page) < 1000 {
			return err
		}
		after = "(" + page[len(page)-1]
	}
}

// streamMemory is how much the server grows by for each reader of the large group, while many read
// it at once.
func (f *fixture) streamMemory(ctx context.Context) (Check, error) {
	const readers = 16
	row := f.groupRows()[1]
	l, err := newLoader(row.ours, readers)
	if err != nil {
		return Check{}, err
	}
	defer l.Close()
	if _, err := l.slice(ctx, 100*time.Millisecond); err != nil { // its connections cost memory too
		return Check{}, err
	}
	before, err := memory(f.ours.server.pid())
	if err != nil {
		return Check{}, err
	}
	most, done := before, make(chan error, 1)
	go func() {
		_, err := l.slice(ctx, time.Second)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return Check{Name: fmt.Sprintf("memory for each reader of a group of %d members", f.data.largest()), Value: mebibytes(most-before) / readers, Unit: "MiB", Goal: 1,
				Note: fmt.Sprintf("%d readers at once; the server's growth over having read it before", readers)}, err
		case <-time.After(5 * time.Millisecond):
			rss, err := memory(f.ours.server.pid())
			if err != nil {
				return Check{}, err
			}
			most = max(most, rss)
		}
	}
}
