package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/linear"
	"rollcall/internal/testserver"
	"rollcall/scim"
	"rollcall/store"
)

// storeClient is a linear.Client of one replica.
type storeClient struct {
	*store.Workspace
	group scim.Ref // whose members change
	asked string   // the group that filters name: the same, or one around it
}

func (c storeClient) Group() string { return c.asked }

func userRef(id string) scim.Ref { return scim.Ref{Type: "User", ID: id} }

func (c storeClient) Create(ctx context.Context, name string) (linear.User, error) {
	r := &scim.Resource{Header: scim.Header{Ref: userRef(scim.NewID())}, Attributes: map[string]any{"userName": name, "active": true}}
	done, err := c.Commit(ctx, &scim.Commit{Ref: r.Ref, Put: r})
	if err != nil {
		return linear.User{}, unless(err, scim.ErrUniqueness)
	}
	return linear.User{ID: r.ID, Name: name, Active: true, Version: uint64(done.Stored.Version)}, nil
}

// unless is an error, but for one that is an answer like others.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func userOf(s *scim.Stored, err error) (linear.User, error) {
	if err != nil {
		return linear.User{}, unless(err, scim.ErrNotFound)
	}
	r, err := s.Resource()
	if err != nil {
		return linear.User{}, err
	}
	title, _ := r.Attributes["title"].(string)
	return linear.User{ID: s.ID, Name: r.UserName(), Title: title, Active: r.Active(), Version: uint64(s.Version)}, nil
}

func (c storeClient) Get(ctx context.Context, id string) (linear.User, error) {
	return userOf(c.Workspace.Get(ctx, userRef(id), scim.With{}))
}

func (c storeClient) Lookup(ctx context.Context, name string) (linear.User, error) {
	return userOf(c.Workspace.Lookup(ctx, "User", "userName", name, scim.With{}))
}

func (c storeClient) Set(ctx context.Context, id string, expect uint64, title string, active bool) (uint64, error) {
	for {
		old, err := c.Workspace.Get(ctx, userRef(id), scim.With{})
		if err != nil {
			return 0, unless(err, scim.ErrNotFound)
		}
		if expect != 0 && uint64(old.Version) != expect {
			return linear.Conflict, nil
		}
		r, err := old.Resource()
		if err != nil {
			return 0, err
		}
		r.Attributes["title"], r.Attributes["active"] = title, active
		done, err := c.Commit(ctx, &scim.Commit{Ref: r.Ref, Expect: old.Version, Old: old, Put: r})
		switch {
		case err == nil:
			return uint64(done.Stored.Version), nil
		case errors.Is(err, scim.ErrNotFound):
			return 0, nil
		case errors.Is(err, scim.ErrVersionMismatch) && expect != 0:
			return linear.Conflict, nil
		case !errors.Is(err, scim.ErrVersionMismatch):
			return 0, err
		}
	}
}

func (c storeClient) Delete(ctx context.Context, id string) (bool, error) {
	_, err := c.Commit(ctx, &scim.Commit{Ref: userRef(id), Expect: scim.MustExist, Delete: true})
	return err == nil, unless(err, scim.ErrNotFound)
}

func (c storeClient) List(ctx context.Context, filter string) (int, []string, error) {
	f, err := scim.ParseFilter(filter)
	if err != nil {
		return 0, nil, err
	}
	page, err := c.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: f, Count: 100})
	if err != nil {
		return 0, nil, err
	}
	var ids []string
	for _, s := range page.Resources {
		ids = append(ids, s.ID)
	}
	return page.Total, ids, nil
}

func (c storeClient) Move(ctx context.Context, id string, remove bool) error {
	_, err := c.Commit(ctx, &scim.Commit{Ref: c.group, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: remove, Member: userRef(id)}}})
	return err
}

func (c storeClient) Members(ctx context.Context) (ids []string, err error) {
	for ref, err := range c.Workspace.Members(ctx, c.group, scim.Ref{}) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, ref.ID)
	}
	return ids, nil
}

// clientsOf are clients of two replicas, and their group, which is in another, and that in a third: some
// clients ask for one, some for another, and all must see the same.
func clientsOf(t *testing.T, b store.Backend, ws string, each int) (clients []linear.Client, replicas [2]*store.Workspace) {
	t.Helper()
	var chain []scim.Ref
	for range 3 {
		chain = append(chain, scim.Ref{Type: "Group", ID: scim.NewID()})
	}
	for i := range replicas {
		replicas[i] = replica(t, store.Config{Backend: b}, ws)
		for n := range each {
			clients = append(clients, storeClient{replicas[i], chain[0], chain[n%len(chain)].ID})
		}
	}
	for i, ref := range chain {
		c := &scim.Commit{Ref: ref, Put: &scim.Resource{Header: scim.Header{Ref: ref}, Attributes: map[string]any{"displayName": fmt.Sprint("g", i)}}}
		if i > 0 {
			c.Edges = []scim.EdgeChange{{Member: chain[i-1]}}
		}
		if _, err := replicas[0].Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return clients, replicas
}

const judged = 2 * time.Minute // how long a history may take to be judged

// TestLinearizable: whatever clients of two replicas see at once, one directory that does one
// thing at a time could have shown them.
func TestLinearizable(t *testing.T) {
	histories, steps := testserver.Rounds(3, 20), testserver.Rounds(100, 1250)
	onBoth(t, func(t *testing.T, b store.Backend) {
		sum := linear.Result{}
		for n := range histories {
			clients, _ := clientsOf(t, b, "w"+strings.Repeat("x", n), 4)
			history, err := linear.Run(t.Context(), clients, steps, uint64(n))
			if err != nil {
				t.Fatal(err)
			}
			res, err := linear.Check(history, judged)
			if err != nil {
				t.Fatalf("history %d: %v", n, err)
			}
			sum.Operations, sum.Lists, sum.Incomplete = sum.Operations+res.Operations, sum.Lists+res.Lists, sum.Incomplete+res.Incomplete
		}
		t.Logf("%d histories of %d operations: linearizable; %d lists, of which %d tell their total alone", histories, sum.Operations, sum.Lists, sum.Incomplete)
	})
}

// TestStaleReadsAreCaught plants stale reads: lists of one replica without the fence. The check
// must find them.
func TestStaleReadsAreCaught(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		clients, replicas := clientsOf(t, b, "w", 4)
		if _, err := linear.Run(t.Context(), clients, 20, 1); err != nil { // makes both indexes
			t.Fatal(err)
		}
		clients, replicas = clientsOf(t, b, "v", 4)
		listed(t, replicas[1])
		replicas[1].SkipFence()
		history, err := linear.Run(t.Context(), clients, 60, 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := linear.Check(history, judged); err == nil || !strings.Contains(err.Error(), "not linearizable") {
			t.Errorf("Check of a history with stale lists = %v, want it found", err)
		} else {
			t.Log(err)
		}
	})
}
