package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// data is what was loaded over SCIM: the ids of users and groups by their number. Group 0 holds half
// of all users, the others smallGroup each.
type data struct {
	users  []string
	groups []string
	empty  string // a group without members, not among groups
}

const (
	smallGroup = 10
	loadConns  = 16
	// loadMembers is how many members one PATCH of the loading adds.
	loadMembers = 1000
)

func (d *data) largest() int { return len(d.users) / 2 }

// members are the numbers of the users that group g begins with.
func (d *data) members(g int) []int {
	first, size := g*smallGroup, smallGroup
	if g == 0 {
		first, size = 0, d.largest()
	}
	all := make([]int, min(size, len(d.users)))
	for i := range all {
		all[i] = (first + i) % len(d.users)
	}
	return all
}

func (d *data) memberIDs(g int) []string {
	numbers := d.members(g)
	ids := make([]string, len(numbers))
	for i, n := range numbers {
		ids[i] = d.users[n]
	}
	return ids
}

// loadUsers creates users over SCIM, on many connections.
func (d *data) loadUsers(ctx context.Context, s *rollcallServer, users int) (time.Duration, error) {
	began := time.Now()
	d.users = make([]string, users)
	err := each(ctx, s, users, func(c *conn, body []byte, n int) (err error) {
		d.users[n], err = s.create(c, "/scim/v2/Users", appendUser(body, n))
		return err
	})
	return time.Since(began), err
}

// loadGroups creates the groups: the large one in steps, as identity providers do.
func (d *data) loadGroups(ctx context.Context, s *rollcallServer, groups int) error {
	d.groups = make([]string, groups)
	err := each(ctx, s, groups, func(c *conn, body []byte, g int) (err error) {
		var members []string
		if g > 0 {
			members = d.memberIDs(g)
		}
		d.groups[g], err = s.create(c, "/scim/v2/Groups", appendGroup(body, g, members))
		return err
	})
	if err != nil {
		return err
	}
	if err := each(ctx, s, 1, func(c *conn, body []byte, _ int) (err error) {
		d.empty, err = s.create(c, "/scim/v2/Groups", appendGroup(body, groups, nil))
		return err
	}); err != nil {
		return err
	}
	members := d.memberIDs(0)
	parts := (len(members) + loadMembers - 1) / loadMembers
	return each(ctx, s, parts, func(c *conn, body []byte, i int) error {
		part := members[i*loadMembers : min((i+1)*loadMembers, len(members))]
		_, err := s.send(c, http.MethodPatch, "/scim/v2/Groups/"+d.groups[0], appendMembers(body, part), http.StatusNoContent)
		return err
	})
}

// each calls do for every number below n, on loadConns connections. body is empty and reused.
func each(ctx context.Context, s *rollcallServer, n int, do func(c *conn, body []byte, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, loadConns)
	var next atomic.Int64
	var wait sync.WaitGroup
	for w := range loadConns {
		wait.Go(func() {
			c, err := dial(s.addr)
			if err != nil {
				errs[w] = err
				cancel()
				return
			}
			defer c.net.Close()
			body := make([]byte, 0, 64<<10)
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if errs[w] = do(c, body[:0], i); errs[w] != nil {
					cancel()
					return
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if next.Load() < int64(n) { // told to stop
		return context.Canceled
	}
	return nil
}

// create sends a POST and returns the new id.
func (s *rollcallServer) create(c *conn, path string, body []byte) (string, error) {
	answer, err := s.send(c, http.MethodPost, path, body, http.StatusCreated)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer, &made); err != nil || made.ID == "" {
		return "", fmt.Errorf("POST %s: no id in %.200q: %w", path, answer, err)
	}
	return made.ID, nil
}

func (s *rollcallServer) send(c *conn, method, path string, body []byte, want int) ([]byte, error) {
	if err := c.net.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		return nil, err
	}
	c.out = appendRequest(c.out[:0], method, path, "Bearer "+s.token, body)
	status, err := c.do()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if status != want {
		return nil, fmt.Errorf("%s %s was answered %d %.300q, want %d", method, path, status, c.body, want)
	}
	return c.body, nil
}
