package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
)

// operation is one kind of work, on our side and on the side of its ceiling.
type operation struct {
	name    string
	versus  string  // the ceiling of design.md §5, or what else it is compared with
	goal    float64 // least ratio of throughputs
	floor   float64 // what may never be fallen short of; 0 for none
	once    bool    // measured with the middle number of connections only
	wide    bool    // measured with every number, even when quick
	sized   bool    // measured with every number of users, and not the last alone
	few     bool    // each request is long: with the least number of connections
	ours    side
	ceiling side
}

// fixture is the servers, ready and loaded.
type fixture struct {
	data     *data
	redis    *redisServer
	token    string
	ours     side // without requests
	ceilings side
	auth     string
	ops      string // address of Rollcall's /debug/pprof
}

// sides makes both sides of an operation from what it sends to each.
func (f *fixture) sides(status int, ours, ceiling func(b []byte, n int) []byte) (side, side) {
	a, b := f.ours, f.ceilings
	a.status, a.request, a.next = status, ours, new(atomic.Int64)
	b.status, b.request, b.next = status, ceiling, new(atomic.Int64)
	return a, b
}

func newCounter() *atomic.Int64 { return new(atomic.Int64) }

// scatter turns a running number into one that jumps about, below n.
func scatter(i, n int) int { return int(uint64(i) * 2654435761 % uint64(n)) }

// operations lists every row, in the order of the table. POST is last, since the store grows with it.
func (f *fixture) operations() []operation {
	d := f.data
	users := len(d.users)
	get := operation{name: "GET /Users/{id}", versus: "get", goal: 0.85, floor: 0.5, wide: true, sized: true}
	get.ours, get.ceiling = f.sides(http.StatusOK,
		func(b []byte, n int) []byte {
			return appendRequest(b, "GET", "/scim/v2/Users/"+d.users[scatter(n, users)], f.auth, nil)
		},
		func(b []byte, n int) []byte {
			return appendRequest(b, "GET", "/get/"+d.users[scatter(n, users)], f.auth, nil)
		})

	lookup := operation{name: "filter userName eq", versus: "lookup", goal: 0.8, sized: true}
	lookup.ours, lookup.ceiling = f.sides(http.StatusOK,
		func(b []byte, n int) []byte {
			return appendRequest(b, "GET", "/scim/v2/Users?filter=userName%20eq%20%22"+userName(scatter(n, users))+"%22", f.auth, nil)
		},
		func(b []byte, n int) []byte {
			return appendRequest(b, "GET", "/lookup/"+userName(scatter(n, users)), f.auth, nil)
		})

	patch := operation{name: "PATCH a user, one attribute", versus: "getevaljson", goal: 0.8}
	patch.ours, patch.ceiling = f.sides(http.StatusOK,
		func(b []byte, n int) []byte {
			var body [256]byte
			return appendRequest(b, "PATCH", "/scim/v2/Users/"+d.users[scatter(n, users)], f.auth, appendRetitle(body[:0], n))
		},
		func(b []byte, n int) []byte {
			var body [256]byte
			return appendRequest(b, "PATCH", "/getevaljson/"+d.users[scatter(n, users)], f.auth, appendRetitle(body[:0], n))
		})

	post := operation{name: "POST /Users", versus: "evaljson", goal: 0.7, floor: 0.4}
	post.ours, post.ceiling = f.sides(http.StatusCreated,
		func(b []byte, n int) []byte {
			var body [2048]byte
			return appendRequest(b, "POST", "/scim/v2/Users", f.auth, appendUser(body[:0], users+n))
		},
		func(b []byte, n int) []byte {
			var body [2048]byte
			return appendRequest(b, "POST", "/evaljson", f.auth, appendUser(body[:0], users+n))
		})

	small := f.membership(fmt.Sprintf("add or remove a member, group of %d", smallGroup), d.smallMember)
	large := f.membership(fmt.Sprintf("add or remove a member, group of %d", d.largest()), d.largeMember)
	// The large group against the small one, directly. Both go on with their own numbers.
	size := operation{name: large.name, versus: fmt.Sprintf("group of %d", smallGroup), goal: 1 / 1.2, once: true, ours: large.ours, ceiling: small.ours}
	return slices.Concat([]operation{get, lookup}, f.lists(), f.groupRows(), []operation{patch, small, large, size, post})
}

// membership is the operation that changes one membership; which one, pick says.
func (f *fixture) membership(name string, pick func(n int) (group, user int, remove bool)) operation {
	d := f.data
	o := operation{name: name, versus: "eval", goal: 0.7}
	o.ours, o.ceiling = f.sides(http.StatusNoContent,
		func(b []byte, n int) []byte {
			group, user, remove := pick(n)
			var body [256]byte
			return appendRequest(b, "PATCH", "/scim/v2/Groups/"+d.groups[group], f.auth, appendMembership(body[:0], d.users[user], remove))
		},
		func(b []byte, n int) []byte {
			group, user, remove := pick(n)
			var body [256]byte
			command := "ZADD/"
			if remove {
				command = "ZREM/"
			}
			return appendRequest(b, "PATCH", "/eval/"+command+d.groups[group]+"/"+d.users[user], f.auth, appendMembership(body[:0], d.users[user], remove))
		})
	return o
}

// largeMember adds everybody who is not in the large group, then removes them again, and so on.
func (d *data) largeMember(n int) (group, user int, remove bool) {
	others := len(d.users) - d.largest()
	return 0, d.largest() + n%others, n/others%2 == 1
}

// smallMember adds one user after the other to each small group in turn, then removes them again.
func (d *data) smallMember(n int) (group, user int, remove bool) {
	small := len(d.groups) - 1
	group, turn := 1+n%small, n/small
	return group, ((group+1)*smallGroup + turn%smallGroup) % len(d.users), turn/smallGroup%2 == 1
}
