package account

import (
	"sync"
	"time"
)

// cache keeps what was read for at most cacheTime (design.md §4.2).
type cache[T any] struct {
	now func() time.Time

	mu      sync.Mutex // guards entries
	entries map[string]cached[T]
}

type cached[T any] struct {
	value T
	until time.Time
}

func newCache[T any](now func() time.Time) *cache[T] {
	return &cache[T]{now: now, entries: map[string]cached[T]{}}
}

// get is the value of a key, loaded where it is not fresh. What cannot be loaded is not kept.
func (c *cache[T]) get(key string, load func() (T, error)) (T, error) {
	now := c.now()
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	if ok && now.Before(e.until) {
		return e.value, nil
	}
	v, err := load()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[key] = cached[T]{v, now.Add(cacheTime)}
	return v, nil
}

func (c *cache[T]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}
