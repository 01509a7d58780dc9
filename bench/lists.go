package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// pageSize is how many users a page of a list has.
const pageSize = 100

// lists are the rows of lists: pages of everybody, and first pages of filters.
func (f *fixture) lists() []operation {
	deep := len(f.data.users)/10*9 + 1
	first := f.list("page of 100, first", "count=100", 1, 0.7)
	last := f.list("page of 100, at "+strconv.Itoa(deep), "count=100&startIndex="+strconv.Itoa(deep), deep, 0.7)
	// The deep page against the first, directly.
	depth := operation{name: last.name, versus: "the first page", goal: 1 / 1.1, once: true, ours: last.ours, ceiling: first.ours}
	some := f.list("filter userName sw and active eq, first page", "count=100&filter=userName%20sw%20%22person.0000%22%20and%20active%20eq%20true", 1, 0)
	part := f.list("filter name.familyName co, first page", "count=100&filter=name.familyName%20co%20%22son%22", 1, 0)
	some.once, part.once = true, true
	for _, o := range []*operation{&first, &last, &depth, &some, &part} {
		o.sized = true
	}
	return []operation{first, last, depth, some, part}
}

// list is a row of one list against the ceiling page.
func (f *fixture) list(name, query string, start int, goal float64) operation {
	o := operation{name: name, versus: "page", goal: goal}
	o.ours, o.ceiling = f.sides(http.StatusOK,
		func(b []byte, _ int) []byte { return appendRequest(b, "GET", "/scim/v2/Users?"+query, f.auth, nil) },
		func(b []byte, _ int) []byte {
			return appendRequest(b, "GET", "/page/"+strconv.Itoa(start), f.auth, nil)
		})
	return o
}

// page: MGET of the records of a page. Which they are is known beforehand.
func (c *ceilings) page(ctx context.Context, start string) ([]byte, error) {
	n, err := strconv.Atoi(start)
	if err != nil {
		return nil, err
	}
	keys, ok := c.pages.Load(n)
	if !ok {
		ids, err := c.redis.LRange(ctx, "ids", int64(n)-1, int64(n)+pageSize-2).Result()
		if err != nil || len(ids) == 0 {
			return nil, errors.Join(err, errors.New("no such page"))
		}
		for i, id := range ids {
			ids[i] = "r:" + id
		}
		keys, _ = c.pages.LoadOrStore(n, ids)
	}
	records, err := c.redis.MGet(ctx, keys.([]string)...).Result()
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, 2048*len(records))
	for _, r := range records {
		text, _ := r.(string)
		body = append(append(body, text...), ',')
	}
	return body, nil
}

// listUsers keeps the order of the users for page.
func listUsers(ctx context.Context, pipe redis.Pipeliner, id string) { pipe.RPush(ctx, "ids", id) }
