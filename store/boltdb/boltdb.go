// Package boltdb keeps workspaces in one bbolt file: the embedded default. It
// implements store.Backend by executing each store.Tx in a transaction, several of
// them to one fsync where several wait. What it writes is durable when Apply returns.
//
// It is no place for rules: schemas, uniqueness and replay are decided in store, and
// store/redisdb must do exactly the same with the same Tx.
//
// Start with the table of buckets below, then apply.go.
package boltdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"rollcall/scim"
	"rollcall/store"
)

// The buckets of a workspace, inside the bucket of its name:
//
//	records  <Type>/<id>                    header and payload (store/record.go)
//	claims   <space> → key                  id, or id, space, mark
//	members  <group>NUL<member>             nothing; each a <Type>/<id>
//	groups   <member>NUL<group>             nothing
//	feed     number, 8 bytes, big endian    the entry as JSON; the bucket's own sequence
//	                                        is the workspace's number
//	images   number, likewise               the record before and after the change (image.go)
//	kv       <space> → key                  value; in .names the name of each group
//	fences   lock's name                    number of its last taking, 8 bytes
//
// Who holds a lock is kept in memory: one process has the file, and its end is the
// end of every holder.
var (
	recordsBucket = []byte("records")
	claimsBucket  = []byte("claims")
	membersBucket = []byte("members")
	groupsBucket  = []byte("groups")
	feedBucket    = []byte("feed")
	imagesBucket  = []byte("images")
	kvBucket      = []byte("kv")
	fencesBucket  = []byte("fences")

	allBuckets = [][]byte{recordsBucket, claimsBucket, membersBucket, groupsBucket, feedBucket, imagesBucket, kvBucket, fencesBucket}
)

// ErrInUse tells that another process has the file open.
var ErrInUse = fmt.Errorf("in use by another process: %w", scim.ErrUnavailable)

// Backend is a store.Backend on one file.
type Backend struct {
	db   *bbolt.DB
	jobs chan *job
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the committer has ended

	close sync.Once

	mu    sync.Mutex // guards locks
	locks map[lockKey]holding
}

// Open opens the file, and makes it where it is missing. ErrInUse after a second in
// which another process would not let go of it.
func Open(path string) (*Backend, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("boltdb: %s: %w", path, ErrInUse)
	case err != nil:
		return nil, fmt.Errorf("boltdb: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		db.Close()
		return nil, fmt.Errorf("boltdb: %w", err)
	}
	b := &Backend{
		db:    db,
		jobs:  make(chan *job, maxGroup),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		locks: map[lockKey]holding{},
	}
	go b.commitLoop()
	return b, nil
}

// syncDir makes the file's name durable: a new file can otherwise be gone after a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Close ends the committer after what it has taken on, and closes the file.
func (b *Backend) Close() error {
	b.close.Do(func() { close(b.stop) })
	<-b.done
	return b.db.Close()
}

// job is work for the committer. fn makes all its checks before its first write; where it
// returns an error nothing of it may have been written, unless the error is a writeError.
type job struct {
	fn   func(*bbolt.Tx) error
	err  error
	done chan struct{}
}

// writeError is a failure of bbolt itself midway: the transaction must be rolled back.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// maxGroup is how many jobs share a transaction at most.
const maxGroup = 256

// do has the committer run fn, and returns when it is durable.
func (b *Backend) do(ctx context.Context, fn func(*bbolt.Tx) error) error {
	j := &job{fn: fn, done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.stop:
		return errClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	case <-b.done:
		return errClosed
	}
}

var errClosed = fmt.Errorf("boltdb: closed: %w", scim.ErrUnavailable)

// commitLoop takes what waits, without waiting for more: a single writer pays one fsync
// for each commit, a hundred share one.
func (b *Backend) commitLoop() {
	defer close(b.done)
	for {
		select {
		case <-b.stop:
			return
		case first := <-b.jobs:
			group := []*job{first}
		drain:
			for len(group) < maxGroup {
				select {
				case j := <-b.jobs:
					group = append(group, j)
				default:
					break drain
				}
			}
			b.commit(group)
		}
	}
}

// commit runs a group in one transaction. A job that fails midway is taken out and the
// others run again.
func (b *Backend) commit(group []*job) {
	for len(group) > 0 {
		bad := -1
		err := b.db.Update(func(tx *bbolt.Tx) error {
			for i, j := range group {
				j.err = j.fn(tx)
				var w writeError
				if errors.As(j.err, &w) {
					bad = i
					return j.err
				}
			}
			return nil
		})
		if bad >= 0 {
			group[bad].err = unavailable(group[bad].err)
			close(group[bad].done)
			group = append(group[:bad:bad], group[bad+1:]...)
			continue
		}
		for _, j := range group {
			if err != nil {
				j.err = unavailable(err)
			}
			close(j.done)
		}
		return
	}
}

func unavailable(err error) error {
	return fmt.Errorf("boltdb: %w: %w", scim.ErrUnavailable, err)
}

// view runs fn on the workspace's bucket, or not at all where there is none.
func (b *Backend) view(ctx context.Context, ws string, fn func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := b.db.View(func(tx *bbolt.Tx) error {
		if w := tx.Bucket([]byte(ws)); w != nil {
			return fn(w)
		}
		return nil
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

// workspace returns the workspace's bucket in a transaction that writes, and makes it.
func workspace(tx *bbolt.Tx, ws string) (*bbolt.Bucket, error) {
	if w := tx.Bucket([]byte(ws)); w != nil {
		return w, nil
	}
	w, err := tx.CreateBucket([]byte(ws))
	if err != nil {
		return nil, writeError{err}
	}
	for _, name := range allBuckets {
		if _, err := w.CreateBucket(name); err != nil {
			return nil, writeError{err}
		}
	}
	return w, nil
}

// Recover has nothing to do: a transaction is all done or not at all, however many edges it has.
func (b *Backend) Recover(context.Context, string) (int, error) { return 0, nil }

var _ store.Backend = (*Backend)(nil)

// Confirm has nothing to wait for: what is done is on disk.
func (b *Backend) Confirm(context.Context, string) error { return nil }

// History is the same as long as the file is open: nobody else has it.
func (b *Backend) History(context.Context, string) (string, error) { return "", nil }
