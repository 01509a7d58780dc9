package ldapsrc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	dirsync "rollcall/sync"
)

// Ways to learn what changed, for Source.Follow.
const (
	FollowAuto      = ""          // the best that the server has
	FollowSyncrepl  = "syncrepl"  // RFC 4533: OpenLDAP with the overlay syncprov
	FollowDirSync   = "dirsync"   // Active Directory
	FollowUSN       = "usn"       // Active Directory: uSNChanged
	FollowTimestamp = "timestamp" // modifyTimestamp: every server; tells of no deletion
)

// Ways lists what Follow takes, but for FollowAuto.
func Ways() []string { return []string{FollowSyncrepl, FollowDirSync, FollowUSN, FollowTimestamp} }

// A way of learning what changed. Of whatever it names, the entry is read anew: what a server sends
// along with its notices is not to be relied on (389-DS leaves out operational attributes, Active Directory
// all but what changed), nor is what it does not send (reference/ldap.md §0).
type way interface {
	// begin takes the position that changed counts from. It is called before everything is read.
	begin(ctx context.Context, c *conn) error
	// changed returns the stable ids of what may have changed since the position, and a function that moves
	// the position. A *dirsync.ReadWhole is for a server that cannot tell.
	changed(ctx context.Context, c *conn) (ids []string, move func(), err error)
	// save is the way with its position.
	save() savedWay
}

// maxChanged is how many entries are read by their ids; where more have changed, reading all of them is
// cheaper.
const maxChanged = 1000

// Follower implements sync.Follower.
type Follower struct {
	source *Source
	choice string

	mu    sync.Mutex // guards track
	track *track     // nil until everything was read once
}

var _ dirsync.Follower = (*Follower)(nil)

// track is what is remembered between reads.
type track struct {
	way    way
	server string // who told: another server numbers its changes otherwise
	roster *roster
}

// Follow makes a follower of the source by one of the ways.
func (s *Source) Follow(choice string) (*Follower, error) {
	if choice != FollowAuto && !slices.Contains(Ways(), choice) {
		return nil, fmt.Errorf("changes_by: %q is none of auto, %s", choice, strings.Join(Ways(), ", "))
	}
	f := &Follower{source: s, choice: choice}
	if (choice == FollowSyncrepl || choice == FollowDirSync) && !f.native(map[string]string{FollowSyncrepl: "entryuuid", FollowDirSync: "objectguid"}[choice]) {
		return nil, fmt.Errorf("changes_by: %s names entries by an id that externalId is not mapped to", choice)
	}
	return f, nil
}

// native tells whether the stable id of all is the attribute.
func (f *Follower) native(attribute string) bool {
	for _, s := range f.searches() {
		if !strings.EqualFold(s.table.names[s.table.id], attribute) {
			return false
		}
	}
	return true
}

func (f *Follower) searches() []*search {
	list := []*search{f.source.reading.users}
	if g := f.source.reading.groups; g != nil {
		list = append(list, g)
	}
	return list
}

// Entries implements sync.Follower.
func (f *Follower) Entries(ctx context.Context) iter.Seq2[dirsync.Entry, error] {
	return f.source.whole(ctx, f)
}

// Forget implements sync.Follower.
func (f *Follower) Forget() { f.set(nil) }

func (f *Follower) set(t *track) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.track = t
}

func (f *Follower) get() *track {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.track
}

// begin notes where a whole read begins. A server that cannot be followed is read whole each time.
func (f *Follower) begin(ctx context.Context, c *conn) (*track, error) {
	f.set(nil)
	var why error
	for _, w := range f.ways(c) {
		err := w.begin(ctx, c)
		if err == nil {
			return &track{way: w, server: c.identity()}, nil
		}
		if c.tap.cause() != nil || ctx.Err() != nil {
			return nil, err
		}
		why = err
	}
	f.source.config.Logger.Warn("the source cannot be followed, and is read whole each time", "url", c.url, "error", why)
	return nil, nil
}

// ways are those to try, best first.
func (f *Follower) ways(c *conn) []way {
	syncrepl, dirSync := &syncrepl{f: f}, &dirSync{f: f}
	usn, stamp := &usnChanged{f: f}, &timestamp{f: f}
	switch f.choice {
	case FollowSyncrepl:
		return []way{syncrepl}
	case FollowDirSync:
		return []way{dirSync}
	case FollowUSN:
		return []way{usn}
	case FollowTimestamp:
		return []way{stamp}
	}
	var list []way
	if c.offers[syncOID] && f.native("entryuuid") {
		list = append(list, syncrepl)
	}
	if c.offers[dirSyncOID] && f.native("objectguid") {
		list = append(list, dirSync)
	}
	if c.usn != "" {
		list = append(list, usn)
	}
	return append(list, stamp)
}

// Changes implements sync.Follower.
func (f *Follower) Changes(ctx context.Context) (*dirsync.Delta, error) {
	t := f.get()
	if t == nil {
		return nil, &dirsync.ReadWhole{Why: "it was not yet"}
	}
	d, err := f.changes(ctx, t)
	if whole := (*dirsync.ReadWhole)(nil); errors.As(err, &whole) {
		f.Forget()
	}
	return d, err
}

func (f *Follower) changes(ctx context.Context, t *track) (*dirsync.Delta, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.source.config.RunTimeout, errRunTimeout)
	defer cancel()
	c, err := f.source.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	if c.identity() != t.server {
		return nil, &dirsync.ReadWhole{Why: "another server answers, which numbers its changes otherwise"}
	}
	ids, move, err := t.way.changed(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(ids) > max(maxChanged, len(t.roster.ids)/5) {
		return nil, &dirsync.ReadWhole{Why: fmt.Sprintf("%d entries may have changed", len(ids))}
	}
	if len(ids) == 0 {
		move()
		return &dirsync.Delta{}, nil
	}
	d, err := f.readAnew(ctx, c, t.roster, ids)
	if err != nil {
		return nil, err
	}
	move()
	return d, nil
}

// readAnew reads entries by their stable ids and brings the roster up to date. It is changed only once all
// was read. One of which the server spoke, that was in scope and is not found, is gone.
func (f *Follower) readAnew(ctx context.Context, c *conn, known *roster, ids []string) (*dirsync.Delta, error) {
	found := map[string]bool{}
	bodies := make([][][]byte, len(f.searches()))
	for i, s := range f.searches() {
		for chunk := range slices.Chunk(ids, idsAtOnce) {
			list, err := f.source.fetch(ctx, c, s, chunk)
			if err != nil {
				return nil, err
			}
			bodies[i] = append(bodies[i], list...)
		}
		m := s.table.mapper()
		var entries entryReader
		for _, body := range bodies[i] {
			raw, err := entries.read(body)
			if err != nil {
				return nil, &dirsync.ReadWhole{Why: "an entry came in a broken encoding"}
			}
			if id := m.idOf(raw); id != "" {
				found[id] = true
			}
		}
	}
	r := known.renew()
	for _, id := range ids {
		if !found[id] {
			r.leave(id)
		}
	}
	var entries entryReader
	for i, s := range f.searches() {
		m := s.table.mapper()
		for _, body := range bodies[i] {
			raw, err := entries.read(body)
			if err != nil {
				return nil, err // it was read before
			}
			if s.name == "users" {
				r.user(m, raw)
			} else {
				r.group(m, raw)
			}
		}
	}
	if err := f.finish(ctx, c, r); err != nil {
		f.Forget() // half of it is done
		return nil, err
	}
	return r.tell(), nil
}

// finish reads the groups that the renewal asks for, and the members that were held back.
func (f *Follower) finish(ctx context.Context, c *conn, r *renewal) error {
	groups := f.source.reading.groups
	if groups == nil {
		return nil
	}
	m := groups.table.mapper()
	var entries entryReader
	for ids := r.staleIDs(); len(ids) > 0; ids = r.staleIDs() {
		clear(r.stale)
		for chunk := range slices.Chunk(ids, idsAtOnce) {
			bodies, err := f.source.fetch(ctx, c, groups, chunk)
			if err != nil {
				return err
			}
			for _, body := range bodies {
				if raw, err := entries.read(body); err == nil {
					r.group(m, raw)
				}
			}
		}
	}
	return f.source.finishRanges(ctx, c, r.roster)
}

// Wait implements sync.Follower: by syncrepl alone.
func (f *Follower) Wait(ctx context.Context) error {
	t := f.get()
	if t == nil {
		return &dirsync.ReadWhole{Why: "it was not yet"}
	}
	s, ok := t.way.(*syncrepl)
	if !ok {
		return &dirsync.ReadWhole{Why: "this server does not say by itself that something changed: mode live needs syncrepl"}
	}
	c, err := f.source.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	defer context.AfterFunc(ctx, c.cut)()
	return s.wait(ctx, c)
}

// identity is who numbers changes: the server that answers, and what it says of itself.
func (c *conn) identity() string {
	return strings.Join([]string{c.endpoint.url, c.service, c.info.Vendor, strings.Join(c.info.NamingContexts, " ")}, "\n")
}
