package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"rollcall/scim"
)

var concurrentCases = []testCase{
	{name: "40 writers of one group lose no member", run: func(f *fixture) {
		users := f.users(200)
		g := f.create(group("g")).Ref
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				for _, u := range users[5*i : 5*i+5] {
					if _, err := f.Commit(f.ctx, edgesOf(g, add(u))); err != nil {
						f.Errorf("Commit() = %v", err)
					}
				}
			})
		}
		wg.Wait()
		checkEqual(f, "members", f.members(g), sorted(users...))
	}},
	{name: "of 16 rivals for a name one wins, 50 times", run: func(f *fixture) {
		var wg sync.WaitGroup
		var won atomic.Int64
		for range 16 {
			wg.Go(func() {
				for n := range 50 {
					u := user(fmt.Sprintf("Name%d", n))
					switch _, err := f.Commit(f.ctx, &scim.Commit{Ref: u.Ref, Put: u}); {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, scim.ErrUniqueness):
						f.Errorf("Commit() = %v, want %v", err, scim.ErrUniqueness)
					}
				}
			})
		}
		wg.Wait()
		checkEqual(f, "winners", won.Load(), 50)
	}},
	{name: "names that differ only in case are rivals", run: func(f *fixture) {
		names := []string{"ada", "Ada", "ADA", "aDa", "adA", "aDA"}
		var wg sync.WaitGroup
		var won atomic.Int64
		for _, name := range names {
			wg.Go(func() {
				u := user(name)
				if _, err := f.Commit(f.ctx, &scim.Commit{Ref: u.Ref, Put: u}); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		checkEqual(f, "winners", won.Load(), 1)
	}},
	{name: "of commits that expect one version one wins", run: func(f *fixture) {
		u := f.create(user("a", "title", "0")).Ref
		var wg sync.WaitGroup
		const writers, each = 8, 20
		for w := range writers {
			wg.Go(func() {
				for done := 0; done < each; {
					old, err := f.Get(f.ctx, u, scim.With{})
					if err != nil {
						f.Errorf("Get() = %v", err)
						return
					}
					switch _, err := f.Commit(f.ctx, replace(old, set("title", fmt.Sprintf("%d.%d", w, done)))); {
					case err == nil:
						done++
					case !errors.Is(err, scim.ErrVersionMismatch):
						f.Errorf("Commit() = %v, want %v", err, scim.ErrVersionMismatch)
						return
					}
				}
			})
		}
		wg.Wait()
		checkEqual(f, "changes", len(f.changes(0)), 1+writers*each)
		for i, c := range f.changes(1) {
			checkEqual(f, "Before", c.Before, i+1)
		}
	}},
	{name: "writers without a version all get through", run: func(f *fixture) {
		u := f.create(user("a"))
		var wg sync.WaitGroup
		for w := range 10 {
			wg.Go(func() {
				c := &scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Put: with(u, "userName", fmt.Sprintf("name%d", w))}
				if _, err := f.Commit(f.ctx, c); err != nil {
					f.Errorf("Commit() = %v", err)
				}
			})
		}
		wg.Wait()
		checkEqual(f, "changes", len(f.changes(0)), 11)
	}},
	{name: "deletions and memberships of the same people", run: func(f *fixture) {
		users := f.users(60)
		g, h := f.create(group("g")).Ref, f.create(group("h")).Ref
		var wg sync.WaitGroup
		for _, u := range users {
			for _, gr := range []scim.Ref{g, h} {
				wg.Go(func() {
					if _, err := f.Commit(f.ctx, edgesOf(gr, add(u))); err != nil {
						f.Errorf("Commit() of a member = %v", err)
					}
				})
			}
			wg.Go(func() {
				if _, err := f.Commit(f.ctx, &scim.Commit{Ref: u, Expect: scim.MustExist, Delete: true}); err != nil {
					f.Errorf("Commit() of a deletion = %v", err)
				}
			})
		}
		wg.Wait()
		checkEqual(f, "members", len(f.members(g))+len(f.members(h)), 0)
	}},
	{name: "a scan misses nobody whose name changes meanwhile", run: func(f *fixture) {
		users := f.users(300)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 2 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					ref := users[(w+2*n)%len(users)]
					old, err := f.Get(f.ctx, ref, scim.With{})
					if err == nil {
						_, err = f.Commit(f.ctx, replace(old, set("userName", fmt.Sprintf("w%d.%d", w, n))))
					}
					if err != nil {
						f.Errorf("rename = %v", err)
						return
					}
				}
			})
		}
		for range 15 {
			page, err := f.Query(f.ctx, &scim.Query{Types: []string{"User"}, Count: 1000})
			if err != nil || page.Total != 300 || len(page.Resources) != 300 {
				f.Errorf("Query() = total %d, %d resources, %v, want 300 of each", page.Total, len(page.Resources), err)
			}
		}
		close(stop)
		wg.Wait()
	}},
}
