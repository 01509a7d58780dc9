package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/scim"
)

var stateCases = []testCase{
	{name: "a value is set, read and removed", run: func(f *fixture) {
		kv := f.KV("tokens")
		_, err := kv.Get(f.ctx, "a")
		checkError(f, "Get()", err, scim.ErrNotFound)
		checkError(f, "Delete() of nothing", kv.Delete(f.ctx, "a"), nil)
		value := []byte("one\x00two")
		checkError(f, "Put()", kv.Put(f.ctx, "a", value, nil), nil)
		value[0] = 'X'
		got, err := kv.Get(f.ctx, "a")
		checkError(f, "Get()", err, nil)
		checkEqual(f, "Get()", string(got), "one\x00two")
		got[0] = 'Y'
		got, _ = kv.Get(f.ctx, "a")
		checkEqual(f, "Get()", string(got), "one\x00two")
		checkError(f, "Put() of nothing", kv.Put(f.ctx, "a", nil, nil), nil)
		got, err = kv.Get(f.ctx, "a")
		checkError(f, "Get() of an empty value", err, nil)
		checkEqual(f, "Get() of an empty value", len(got), 0)
		checkError(f, "Delete()", kv.Delete(f.ctx, "a"), nil)
		_, err = kv.Get(f.ctx, "a")
		checkError(f, "Get()", err, scim.ErrNotFound)
	}},
	{name: "spaces and workspaces are apart", run: func(f *fixture) {
		other, err := f.store.CreateWorkspace(f.ctx, "other")
		checkError(f, "CreateWorkspace()", err, nil)
		for i, kv := range []scim.KV{f.KV("a"), f.KV("b"), other.KV("a"), f.store.State().KV("a")} {
			_, err := kv.Get(f.ctx, "k")
			checkError(f, "Get()", err, scim.ErrNotFound)
			checkError(f, "Put()", kv.Put(f.ctx, "k", []byte{byte(i)}, []byte{}), nil)
		}
	}},
	{name: "put compares where it is told to", run: func(f *fixture) {
		kv := f.KV("s")
		checkError(f, "Put() over nothing", kv.Put(f.ctx, "k", []byte("1"), []byte("0")), scim.ErrVersionMismatch)
		checkError(f, "Put() as new", kv.Put(f.ctx, "k", []byte("1"), []byte{}), nil)
		checkError(f, "Put() as new again", kv.Put(f.ctx, "k", []byte("2"), []byte{}), scim.ErrVersionMismatch)
		checkError(f, "Put() over another", kv.Put(f.ctx, "k", []byte("2"), []byte("x")), scim.ErrVersionMismatch)
		checkError(f, "Put() over the same", kv.Put(f.ctx, "k", []byte("2"), []byte("1")), nil)
		checkError(f, "Put() over anything", kv.Put(f.ctx, "k", []byte{}, nil), nil)
		checkError(f, "Put() as new over an empty value", kv.Put(f.ctx, "k", []byte("3"), []byte{}), scim.ErrVersionMismatch)
	}},
	{name: "keys are bounded", run: func(f *fixture) {
		kv := f.KV("s")
		for _, key := range []string{"", strings.Repeat("k", 5000)} {
			checkError(f, "Put()", kv.Put(f.ctx, key, []byte("x"), nil), scim.ErrInvalidValue)
			_, err := kv.Get(f.ctx, key)
			checkError(f, "Get()", err, scim.ErrNotFound)
			checkError(f, "Delete()", kv.Delete(f.ctx, key), nil)
		}
	}},
	{name: "scan goes in order of key, until its function fails", run: func(f *fixture) {
		kv := f.KV("s")
		const n = 700
		for i := range n {
			checkError(f, "Put()", kv.Put(f.ctx, fmt.Sprintf("k%03d", (i*37)%n), []byte(fmt.Sprint((i*37)%n)), nil), nil)
		}
		next := 0
		err := kv.Scan(f.ctx, func(key string, value []byte) error {
			if key != fmt.Sprintf("k%03d", next) || string(value) != fmt.Sprint(next) {
				return fmt.Errorf("%q = %q, want number %d", key, value, next)
			}
			next++
			return nil
		})
		checkError(f, "Scan()", err, nil)
		checkEqual(f, "Scan() count", next, n)
		enough := errors.New("enough")
		calls := 0
		err = kv.Scan(f.ctx, func(string, []byte) error { calls++; return enough })
		checkError(f, "Scan()", err, enough)
		checkEqual(f, "calls", calls, 1)
		err = kv.Scan(f.ctx, func(key string, _ []byte) error { return kv.Delete(f.ctx, key) })
		checkError(f, "Scan() that deletes", err, nil)
		checkError(f, "Scan() of nothing", kv.Scan(f.ctx, func(string, []byte) error { return enough }), nil)
	}},
	{name: "of rivals that compare and set one wins each time", run: func(f *fixture) {
		kv := f.KV("s")
		checkError(f, "Put()", kv.Put(f.ctx, "n", []byte("0"), nil), nil)
		var wg sync.WaitGroup
		const rivals, each = 8, 20
		for range rivals {
			wg.Go(func() {
				for done := 0; done < each; {
					old, err := kv.Get(f.ctx, "n")
					if err != nil {
						f.Errorf("Get() = %v", err)
						return
					}
					var n int
					fmt.Sscan(string(old), &n)
					switch err := kv.Put(f.ctx, "n", []byte(fmt.Sprint(n+1)), old); {
					case err == nil:
						done++
					case !errors.Is(err, scim.ErrVersionMismatch):
						f.Errorf("Put() = %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		got, _ := kv.Get(f.ctx, "n")
		checkEqual(f, "count", string(got), fmt.Sprint(rivals*each))
	}},
	{name: "a lock is held by one", run: func(f *fixture) {
		first := f.lock("run", "one", time.Minute)
		_, err := f.Lock(f.ctx, "run", "two", time.Minute)
		checkError(f, "Lock() again", err, scim.ErrLocked)
		if !strings.Contains(err.Error(), "one") {
			f.Errorf("Lock() = %v, want the holder named", err)
		}
		f.lock("another", "two", time.Minute)
		checkError(f, "Renew()", first.Renew(f.ctx), nil)
		checkError(f, "Release()", first.Release(f.ctx), nil)
		second := f.lock("run", "two words, and more", time.Minute)
		if second.Fence().Number <= first.Fence().Number {
			f.Errorf("Fence() = %v, want a number above %v", second.Fence(), first.Fence())
		}
		checkError(f, "Renew() of the lost", first.Renew(f.ctx), scim.ErrFenced)
		checkError(f, "Release() of the lost", first.Release(f.ctx), nil)
		_, err = f.Lock(f.ctx, "run", "three", time.Minute)
		checkError(f, "Lock() after a stranger's Release()", err, scim.ErrLocked)
	}},
	{name: "a lock ends with its time, and renewing extends it", run: func(f *fixture) {
		const ttl = 1500 * time.Millisecond // a busy machine may take long for a third of it
		l := f.lock("run", "one", ttl)
		for range 4 {
			time.Sleep(ttl / 3)
			checkError(f, "Renew()", l.Renew(f.ctx), nil)
		}
		_, err := f.Lock(f.ctx, "run", "two", ttl)
		checkError(f, "Lock() of a renewed", err, scim.ErrLocked)
		time.Sleep(ttl + 50*time.Millisecond)
		checkError(f, "Renew() after its time", l.Renew(f.ctx), scim.ErrFenced)
		f.lock("run", "two", ttl)
	}},
	{name: "a lock has a name and a time", run: func(f *fixture) {
		_, err := f.Lock(f.ctx, "", "me", time.Second)
		checkError(f, "Lock() without a name", err, scim.ErrInvalidValue)
		_, err = f.Lock(f.ctx, "x", "me", 0)
		checkError(f, "Lock() without a time", err, scim.ErrInvalidValue)
	}},
	{name: "a holder that lost the lock writes nothing", run: func(f *fixture) {
		u := f.create(user("a"))
		g := f.create(group("g"))
		lost := f.lock("run", "paused", 20*time.Millisecond)
		fence := lost.Fence()
		u = f.commit(&scim.Commit{Ref: u.Ref, Expect: u.Version, Old: u, Put: with(u, "title", "1"), Fence: &fence}).Stored
		time.Sleep(40 * time.Millisecond)
		f.commit(&scim.Commit{Ref: g.Ref, Expect: g.Version, Edges: add(u.Ref), Fence: &fence}) // nobody took it over
		taken := f.lock("run", "other", time.Minute).Fence()
		v := user("b")
		for _, c := range []*scim.Commit{
			{Ref: u.Ref, Expect: u.Version, Old: u, Put: with(u, "title", "2"), Fence: &fence},
			{Ref: u.Ref, Expect: u.Version, Old: u, Put: must(u), Mark: "m", Fence: &fence},
			{Ref: u.Ref, Expect: u.Version, Old: u, Delete: true, Fence: &fence},
			{Ref: g.Ref, Expect: scim.MustExist, Edges: drop(u.Ref), Fence: &fence},
			{Ref: v.Ref, Put: v, Fence: &fence},
			{Ref: v.Ref, Put: v, Fence: &scim.Fence{Lock: "never", Number: 1}},
		} {
			f.refused(c, scim.ErrFenced)
			checkError(f, "CommitMany()", f.CommitMany(f.ctx, []*scim.Commit{c})[0].Err, scim.ErrFenced)
		}
		checkEqual(f, "changes", len(f.changes(0)), 4)
		f.commit(&scim.Commit{Ref: v.Ref, Put: v, Fence: &taken})
	}},
	{name: "two runs never write at once", run: func(f *fixture) {
		runs := 30
		if testing.Short() {
			runs = 10
		}
		var writing atomic.Int64 // the number that wrote last
		u := f.create(user("a"))
		for i := range runs {
			paused := f.lock("run", "paused", 2*time.Millisecond).Fence()
			time.Sleep(4 * time.Millisecond)
			l := f.lock("run", "next", time.Minute)
			next := l.Fence()
			var wg sync.WaitGroup
			for _, fence := range []scim.Fence{paused, next} {
				wg.Go(func() {
					c := &scim.Commit{Ref: u.Ref, Expect: scim.MustExist, Put: with(u, "title", fmt.Sprint(i, fence.Number)), Fence: &fence}
					_, err := f.Commit(f.ctx, c)
					if err == nil {
						writing.Store(int64(fence.Number))
					} else if !errors.Is(err, scim.ErrFenced) {
						f.Errorf("Commit() = %v", err)
					}
				})
			}
			wg.Wait()
			checkEqual(f, "writer", writing.Load(), next.Number)
			checkError(f, "Release()", l.Release(f.ctx), nil)
		}
	}},
}

func (f *fixture) lock(name, holder string, ttl time.Duration) scim.Lock {
	f.Helper()
	l, err := f.Lock(f.ctx, name, holder, ttl)
	if err != nil {
		f.Fatalf("Lock(%q, %q) = %v", name, holder, err)
	}
	return l
}

// with is the resource with one attribute changed.
func with(s *scim.Stored, name string, value any) *scim.Resource {
	r := must(s)
	r.Attributes[name] = value
	return r
}
