package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rollcall/scim"
)

// Layouts of a workspace: which formats are in it.
//
//	1  records in formatJSON
//	2  records in formatS2; with formatJSON among them while a migration is under way
//	3  as 2; in Redis, entries of the feed are packed (redisdb/feedrow.go), but for those that
//	   were there before
//
// Every layout is read, and changed in its own format, so that a program of the version
// before can go on beside this one. Only Migrate moves a workspace on, and a new one begins at
// the newest.
const (
	layoutPlain      = 1
	layoutCompressed = 2
	layoutPacked     = 3
	// Layout is the newest layout.
	Layout = layoutPacked
)

// layoutSpace holds the layout of a workspace under "layout": its number, and behind a space
// "migrating" until every record is in its format.
const (
	layoutSpace = ".layout"
	layoutKey   = "layout"
	migrating   = "migrating"
)

// layoutFor is for how long an old layout is taken for granted: others may be migrating.
const layoutFor = 5 * time.Second

// layoutSeen is the layout as it was last read.
type layoutSeen struct {
	layout int
	at     time.Time
}

// ErrNewer tells that the store was written by a newer version of the program.
var ErrNewer = errors.New("the store was written by a newer version of Rollcall")

// layoutNow is the layout to write in. It is read once where it is the newest: none goes back.
func (w *Workspace) layoutNow(ctx context.Context) (int, error) {
	if l := w.layout.Load(); l != nil && (l.layout == Layout || time.Since(l.at) < layoutFor) {
		return l.layout, nil
	}
	layout, _, err := w.readLayout(ctx)
	if errors.Is(err, scim.ErrNotFound) {
		err = w.backend.KVPut(ctx, w.ws, layoutSpace, layoutKey, []byte(strconv.Itoa(Layout)), []byte{})
		if errors.Is(err, scim.ErrVersionMismatch) || isUnknown(err) {
			layout, _, err = w.readLayout(ctx) // another replica was first, or we were
		} else {
			layout = Layout
		}
	}
	if err != nil {
		return 0, err
	}
	w.layout.Store(&layoutSeen{layout, time.Now()})
	return layout, nil
}

// readLayout reads the layout. One that tells none is new and empty, which is
// scim.ErrNotFound, or older than layouts.
func (w *Workspace) readLayout(ctx context.Context) (layout int, underWay bool, err error) {
	value, err := w.backend.KVGet(ctx, w.ws, layoutSpace, layoutKey)
	if errors.Is(err, scim.ErrNotFound) {
		_, head, headErr := w.backend.Feed(ctx, w.ws, maxVersion, 1)
		if headErr != nil {
			return 0, false, headErr
		}
		if head == 0 {
			return 0, false, err
		}
		return layoutPlain, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	number, state, _ := strings.Cut(string(value), " ")
	layout, err = strconv.Atoi(number)
	switch {
	case err != nil:
		return 0, false, scim.Errorf(scim.ErrCorrupt, "workspace %s: its layout cannot be read", w.ws)
	case layout > Layout:
		return 0, false, fmt.Errorf("workspace %s has layout %d, and this version knows %d at most: %w", w.ws, layout, Layout, ErrNewer)
	}
	return layout, state == migrating, nil
}

// pack is the payload of a resource to write, of its plain one.
func (w *Workspace) pack(ctx context.Context, ref scim.Ref, plain []byte) ([]byte, error) {
	layout, err := w.layoutNow(ctx)
	if err != nil || layout == layoutPlain {
		return plain, err
	}
	return compress(ref, plain), nil
}

// LayoutInfo is the layout of one workspace.
type LayoutInfo struct {
	Workspace string `json:"workspace"`
	Layout    int    `json:"layout"` // Layout for one that is empty
	// Migrating: some records may yet be in an older format.
	Migrating bool `json:"migrating,omitempty"`
}

// Old tells that Migrate has something to do.
func (l *LayoutInfo) Old() bool { return l.Layout < Layout || l.Migrating }

// Layouts tells the layout of every workspace, or ErrNewer.
func (s *Store) Layouts(ctx context.Context) ([]LayoutInfo, error) {
	infos, err := s.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	layouts := make([]LayoutInfo, len(infos))
	for i, info := range infos {
		l := &layouts[i]
		l.Workspace = info.Name
		l.Layout, l.Migrating, err = s.open(info.Name).readLayout(ctx)
		if errors.Is(err, scim.ErrNotFound) {
			l.Layout, err = Layout, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return layouts, nil
}
