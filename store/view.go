package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"rollcall/scim"
)

// view is a workspace in memory as it was at one number of its feed.
type view struct {
	w     *Workspace
	model *scim.Model
	fence fence

	mu      sync.RWMutex // guards tables and watches, while a look changes them
	tables  map[string]*table
	watches map[*watch]bool

	// at is the number up to which everything is applied, nonce that of its entry, by which a
	// feed is told from one that was written anew. Only looks touch them, one at a time.
	at    scim.Version
	nonce string
}

// errHistory tells that the feed does not go on from where the view is: it was trimmed
// further than that, or the store was replaced by another or older one.
var errHistory = errors.New("store: the feed does not go on from the index")

// current returns the view with everything applied that was committed before the call.
func (x *index) current(ctx context.Context) (*view, error) {
	model, err := x.w.Model(ctx)
	if err != nil {
		return nil, err
	}
	for range maxRescans {
		v, err := x.obtain(ctx, model)
		if err != nil {
			return nil, err
		}
		if x.unfenced {
			return v, nil
		}
		err = v.fence.pass(ctx)
		if !errors.Is(err, errHistory) && !isCorrupt(err) {
			return v, err
		}
		x.w.log.Info("the index is made anew", "number", uint64(v.at), "because", err)
		x.drop(v)
	}
	return nil, errNoIndex
}

// obtain returns the view there is for the model, or makes one, or waits for who does.
func (x *index) obtain(ctx context.Context, model *scim.Model) (*view, error) {
	v, err := x.have(model)
	if v != nil || err != nil {
		return v, err
	}
	timer := time.NewTimer(buildWait)
	defer timer.Stop()
	select {
	case x.building <- struct{}{}:
	case <-timer.C:
		return nil, errNoIndex
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-x.building }()
	if v, err := x.have(model); v != nil || err != nil {
		return v, err
	}
	// Others wait for it too, and the next list: it is made whether or not this caller stays.
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	start := time.Now()
	for range maxRescans {
		if v, err = x.load(detached, model); !errors.Is(err, errHistory) {
			break
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		if errors.Is(err, scim.ErrUnavailable) {
			return nil, err
		}
		x.w.log.Warn("no index could be made: lists read every record", "error", err)
		x.retryAt = time.Now().Add(retryPause)
		return nil, errNoIndex
	}
	x.w.log.Debug("index made", "number", uint64(v.at), "took", time.Since(start))
	x.view = v
	if x.timer == nil {
		x.timer = time.AfterFunc(x.idle, x.expire)
	}
	return v, nil
}

// have returns the view that there is, nil for none, and errNoIndex where none is to be made.
func (x *index) have(model *scim.Model) (*view, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.used = time.Now()
	if x.view != nil && x.view.model == model {
		return x.view, nil
	}
	if x.used.Before(x.retryAt) {
		return nil, errNoIndex
	}
	return nil, nil
}

func (x *index) drop(v *view) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.view == v {
		x.view = nil
	}
}

// expire drops a view that nobody has used for long.
func (x *index) expire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if left := x.idle - time.Since(x.used); left > 0 {
		x.timer.Reset(left)
		return
	}
	x.view, x.timer = nil, nil
}

// load makes a view.
func (x *index) load(ctx context.Context, model *scim.Model) (v *view, err error) {
	err = x.w.steady(ctx, func() (err error) { v, err = x.readAll(ctx, model); return err })
	return v, err
}

// readAll reads a view: every record, then what the feed tells of since.
func (x *index) readAll(ctx context.Context, model *scim.Model) (*view, error) {
	w := x.w
	v := &view{w: w, model: model, tables: map[string]*table{}, watches: map[*watch]bool{}}
	v.fence.look = func(ctx context.Context) error { return v.catchUp(ctx, nil, false) }
	for _, t := range model.Types {
		v.tables[t.Name] = newTable(t)
	}
	_, head, err := w.backend.Feed(ctx, w.ws, maxVersion, 1)
	if err != nil {
		return nil, err
	}
	if v.at = head; head > 0 {
		f, err := w.backend.Follow(ctx, w.ws, head, 1)
		if err != nil {
			return nil, err
		}
		if f.At.Version != head {
			return nil, errHistory
		}
		v.nonce = f.At.Nonce
	}
	newer := map[scim.Version]string{}
	err = overlapped(func(fn func([]Raw) error) error { return w.backend.ScanRecords(ctx, w.ws, fn) }, func(raws []Raw) error {
		rows, err := v.readMany(raws)
		if err != nil {
			return err
		}
		for i, r := range rows {
			if r == nil {
				continue
			}
			v.tables[raws[i].Type].put(r, true)
			if raws[i].Version > head {
				newer[raws[i].Version] = raws[i].Nonce
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := v.catchUp(ctx, newer, true); err != nil {
		return nil, err
	}
	for _, b := range v.tables {
		b.build()
	}
	return v, nil
}

// overlapped has a scan go on while fn is at work on what came before.
func overlapped(scan func(func([]Raw) error) error, fn func([]Raw) error) error {
	batches, end := make(chan []Raw, 1), make(chan struct{})
	var failure error
	go func() {
		defer close(end)
		for raws := range batches {
			if failure = fn(raws); failure != nil {
				return
			}
		}
	}()
	err := scan(func(raws []Raw) error {
		select {
		case batches <- raws:
			return nil
		case <-end:
			return errStop
		}
	})
	close(batches)
	<-end
	if failure != nil {
		return failure
	}
	return err
}

// readMany is the rows of records, which every core takes its part of.
func (v *view) readMany(raws []Raw) ([]*row, error) {
	rows, errs := make([]*row, len(raws)), make([]error, runtime.GOMAXPROCS(0))
	part := (len(raws) + len(errs) - 1) / len(errs)
	var wait sync.WaitGroup
	for n := range errs {
		wait.Go(func() {
			var room arena // a row keeps nothing of the text
			for i := n * part; i < min((n+1)*part, len(raws)) && errs[n] == nil; i++ {
				rows[i], errs[n] = v.read(&raws[i], &room)
				room = room[:0]
			}
		})
	}
	wait.Wait()
	return rows, errors.Join(errs...)
}

// read is the row of a record, nil where it is gone or of no type of the model.
func (v *view) read(raw *Raw, room *arena) (*row, error) {
	b := v.tables[raw.Type]
	if b == nil || !raw.Found {
		return nil, nil
	}
	stored, err := decodeRecordIn(room, raw)
	if err != nil {
		return nil, err
	}
	return b.read(stored)
}

// followBatch is how many entries are read at one moment.
const followBatch = 256

// maxBehind is how many changes are caught up with; beyond, the view is made anew.
const maxBehind = 200_000

// catchUp applies what the feed has since.
func (v *view) catchUp(ctx context.Context, newer map[scim.Version]string, loading bool) error {
	n, err := v.follow(ctx, newer, loading, loading)
	if errors.Is(err, errMore) {
		err = v.w.steady(ctx, func() (err error) { n, err = v.follow(ctx, nil, loading, true); return err })
	}
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for ref, r := range n.rows {
		b := v.tables[ref.Type]
		switch {
		case b == nil:
		case r == nil:
			b.remove(ref.ID, loading)
		default:
			b.put(r, loading)
		}
	}
	for w := range v.watches {
		w.tell(n.told)
	}
	v.at, v.nonce = n.at, n.nonce
	return nil
}

// news is what the feed has since a number.
type news struct {
	at    scim.Version
	nonce string
	rows  map[scim.Ref]*row // nil for what is gone
	told  *watch
}

// errMore tells that the feed has more than was to be read at one moment.
var errMore = errors.New("store: more changes than one batch")

// follow reads what the feed has since, all of it where many is set. Entries and the records that
// they are about are read at one moment, so that behind the last batch the view is the workspace at
// one number. Records that are read ahead of their entries, in the batches before it, are held
// against them: one whose entry has another nonce, or never comes, was lost with the history
// that it was part of (a failover to an older state).
func (v *view) follow(ctx context.Context, newer map[scim.Version]string, loading, many bool) (*news, error) {
	if newer == nil {
		newer = map[scim.Version]string{}
	}
	n := &news{at: v.at, nonce: v.nonce, rows: map[scim.Ref]*row{}}
	n.told = &watch{records: map[scim.Ref]Raw{}, lost: loading} // nobody watches a view that loads
	for {
		f, err := v.w.backend.Follow(ctx, v.w.ws, n.at, followBatch)
		if err != nil {
			return nil, err
		}
		if f.Head < n.at || n.at > 0 && (f.At.Version != n.at || f.At.Nonce != n.nonce) || !loading && f.Head > v.at+maxBehind {
			return nil, errHistory
		}
		for _, e := range f.Entries {
			if e.Version != n.at+1 {
				return nil, errHistory
			}
			n.at, n.nonce = e.Version, e.Nonce
			if nonce, ahead := newer[n.at]; ahead && nonce != n.nonce {
				return nil, errHistory
			}
			delete(newer, n.at)
		}
		for i := range f.Records {
			raw := &f.Records[i]
			if n.rows[raw.Ref], err = v.read(raw, nil); err != nil {
				return nil, err
			}
			if raw.Version > n.at {
				newer[raw.Version] = raw.Nonce
			}
		}
		n.told.hear(f)
		if n.at >= f.Head {
			break
		}
		if len(f.Entries) == 0 {
			return nil, errHistory
		}
		if !many {
			return nil, errMore
		}
	}
	if len(newer) > 0 {
		return nil, errHistory
	}
	return n, nil
}
