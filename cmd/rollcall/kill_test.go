package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/testserver"
)

// TestKillServer kills the server under load, again and again, on each store: what it answered with
// success is there when it is back, what it did not answer is there wholly or not at all, and the
// store is sound every time.
func TestKillServer(t *testing.T) {
	testserver.Long(t)
	onStores(t, func(t *testing.T, storeURL string) {
		s := startServer(t, storeURL, "")
		callers := make([]*caller, 6)
		for i := range callers {
			callers[i] = &caller{t: t, base: s.base, name: fmt.Sprint("c", i), lives: map[string]*life{}}
		}
		acked, rounds := 0, testserver.Rounds(4, 100)
		for round := range rounds {
			killed := haveCalling(t, callers)
			time.Sleep(rand.N(300 * time.Millisecond))
			s.proc.Kill()
			killed()
			fsck(t, storeURL)
			s.start()
			for _, c := range callers {
				c.check()
				acked += int(c.acked.Swap(0))
			}
			if t.Failed() {
				t.Fatalf("in round %d", round)
			}
		}
		t.Logf("%d kills: %d changes acknowledged, none lost", rounds, acked)
	})
}

// haveCalling has everybody call, and returns once each has something acknowledged; killed ends it.
func haveCalling(t *testing.T, callers []*caller) (killed func()) {
	t.Helper()
	var wg sync.WaitGroup
	var over atomic.Bool
	for _, c := range callers {
		wg.Go(func() {
			for !over.Load() {
				if !c.call() {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	for _, c := range callers {
		for deadline := time.Now().Add(60 * time.Second); c.acked.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is acknowledged in a minute")
			}
		}
	}
	return func() { over.Store(true); wg.Wait() }
}

// caller changes resources of its own, so that it knows what they must be.
type caller struct {
	t     *testing.T
	base  string
	name  string
	n     int
	acked atomic.Int64
	lives map[string]*life // by path
}

// life is a resource as it was acknowledged; in doubt, a request that was not answered may have made
// maybe of it.
type life struct {
	is, maybe *being
	doubt     bool
}

// being is a state, nil for one that is gone.
type being struct {
	title   string
	members map[string]bool // ids
}

func (b *being) is(want *being) bool {
	if b == nil || want == nil {
		return b == want
	}
	return b.title == want.title && maps.Equal(b.members, want.members)
}

func (b *being) with(change func(*being)) *being {
	c := &being{b.title, maps.Clone(b.members)}
	change(c)
	return c
}

func lastOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// call makes one change; false where it was not answered, or nothing could be changed.
func (c *caller) call() bool {
	c.n++
	fresh := fmt.Sprint(c.name, "-", c.n)
	kind := rand.N(100)
	if len(c.lives) > 40 {
		kind = 40 + rand.N(60)
	}
	user, u := c.pick("Users")
	group, g := c.pick("Groups")
	const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[%s]}`
	switch {
	case kind < 30 || u == nil:
		return c.create("/scim/v2/Users", fmt.Sprintf(`{"userName":%q,"title":%q}`, fresh, fresh), &being{fresh, map[string]bool{}})
	case kind < 40 || g == nil:
		return c.create("/scim/v2/Groups", fmt.Sprintf(`{"displayName":%q,"members":[{"value":%q}]}`, fresh, lastOf(user)), &being{fresh, map[string]bool{lastOf(user): true}})
	case kind < 60:
		return c.send("PATCH", user, fmt.Sprintf(patch, fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, fresh)),
			map[string]*being{user: u.is.with(func(b *being) { b.title = fresh })})
	case kind < 65:
		return c.send("PATCH", group, fmt.Sprintf(patch, fmt.Sprintf(`{"op":"replace","path":"displayName","value":%q}`, fresh)),
			map[string]*being{group: g.is.with(func(b *being) { b.title = fresh })})
	case kind < 88:
		id := lastOf(user)
		if g.is.members[id] {
			return c.send("PATCH", group, fmt.Sprintf(patch, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id)),
				map[string]*being{group: g.is.with(func(b *being) { delete(b.members, id) })})
		}
		return c.send("PATCH", group, fmt.Sprintf(patch, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, id)),
			map[string]*being{group: g.is.with(func(b *being) { b.members[id] = true })})
	case kind < 93:
		return c.send("DELETE", group, "", map[string]*being{group: nil})
	}
	become := map[string]*being{user: nil}
	for path, l := range c.lives { // its groups lose it
		if l.is.members[lastOf(user)] || l.maybe != nil && l.maybe.members[lastOf(user)] {
			if l.doubt {
				return false // leave both alone
			}
			become[path] = l.is.with(func(b *being) { delete(b.members, lastOf(user)) })
		}
	}
	return c.send("DELETE", user, "", become)
}

// pick is a resource that is there beyond doubt.
func (c *caller) pick(kind string) (string, *life) {
	for path, l := range c.lives { // in no order
		if strings.Contains(path, kind) && !l.doubt {
			return path, l
		}
	}
	return "", nil
}

func (c *caller) request(method, path, body string) (int, map[string]any, error) {
	req, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/scim+json")
	client := &http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var answer map[string]any
	if len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return resp.StatusCode, answer, err
}

// create makes a resource. One that was not answered has no id that we know: fsck alone sees it.
func (c *caller) create(path, body string, b *being) bool {
	code, answer, err := c.request("POST", path, body)
	if err != nil {
		return false
	}
	if code != http.StatusCreated {
		c.t.Errorf("POST %s = %d %v", path, code, answer)
		return false
	}
	c.lives[path+"/"+answer["id"].(string)] = &life{is: b}
	c.acked.Add(1)
	return true
}

// send makes a change that would leave become.
func (c *caller) send(method, path, body string, become map[string]*being) bool {
	for p, b := range become {
		c.lives[p].maybe, c.lives[p].doubt = b, true
	}
	code, answer, err := c.request(method, path, body)
	if err != nil {
		return false
	}
	if code >= 300 {
		c.t.Errorf("%s %s = %d %v", method, path, code, answer)
		return false
	}
	for p, b := range become {
		c.settle(p, b)
	}
	c.acked.Add(1)
	return true
}

// check looks at everything there must be.
func (c *caller) check() {
	for path, l := range c.lives {
		now := c.read(path)
		if !now.is(l.is) && !(l.doubt && now.is(l.maybe)) {
			c.t.Errorf("%s is %+v, want %+v or, in doubt %v, %+v", path, now, l.is, l.doubt, l.maybe)
		}
		c.settle(path, now)
	}
}

// settle notes what a resource is.
func (c *caller) settle(path string, b *being) {
	if b == nil {
		delete(c.lives, path)
	} else {
		c.lives[path] = &life{is: b}
	}
}

func (c *caller) read(path string) *being {
	code, answer, err := c.request("GET", path, "")
	if err != nil || code != http.StatusOK && code != http.StatusNotFound {
		c.t.Fatalf("GET %s = %d, %v", path, code, err)
	}
	if code == http.StatusNotFound {
		return nil
	}
	b := &being{members: map[string]bool{}}
	b.title, _ = answer["title"].(string)
	if name, ok := answer["displayName"].(string); ok {
		b.title = name
	}
	members, _ := answer["members"].([]any)
	for _, m := range members {
		b.members[m.(map[string]any)["value"].(string)] = true
	}
	return b
}
