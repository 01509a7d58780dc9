package store

import (
	"context"
	"fmt"
	"strconv"
)

// Migrated tells what a migration of a workspace has done so far.
type Migrated struct {
	Workspace string `json:"workspace"`
	From      int    `json:"from"` // layout; that of before, also where a migration goes on
	To        int    `json:"to"`
	Seen      int    `json:"seen"`      // records
	Rewritten int    `json:"rewritten"` // of these
	Done      bool   `json:"done"`
}

// Migrate brings every workspace to the newest layout. First new writes take the new format,
// then every record is rewritten, one that changes meanwhile by its change. It may be
// stopped at any time: whatever there is can be read, and the next call goes on. No version and
// no feed entry comes of it.
func (s *Store) Migrate(ctx context.Context, progress func(Migrated)) error {
	layouts, err := s.Layouts(ctx)
	if err != nil {
		return err
	}
	for i := range layouts {
		l := &layouts[i]
		if !l.Old() {
			continue
		}
		if err := s.open(l.Workspace).migrate(ctx, l, progress); err != nil {
			return fmt.Errorf("store: migrate %s: %w", l.Workspace, err)
		}
	}
	return nil
}

func (w *Workspace) migrate(ctx context.Context, l *LayoutInfo, progress func(Migrated)) error {
	m := Migrated{Workspace: w.ws, From: min(l.Layout, Layout-1), To: Layout}
	setLayout := func(state string) error {
		err := w.backend.KVPut(ctx, w.ws, layoutSpace, layoutKey, []byte(strconv.Itoa(Layout)+state), nil)
		w.layout.Store(nil)
		return err
	}
	if err := setLayout(" " + migrating); err != nil {
		return err
	}
	// A scan may miss what comes meanwhile, and a server that has not yet heard of the new
	// layout writes in the old one: until a pass finds none.
	for again := true; again; {
		before := m.Rewritten
		m.Seen = 0
		err := w.backend.ScanRecords(ctx, w.ws, func(raws []Raw) error {
			m.Seen += len(raws)
			n, err := w.rewrite(ctx, raws)
			m.Rewritten += n
			if err == nil {
				progress(m)
			}
			return err
		})
		if err != nil {
			return err
		}
		again = m.Rewritten > before
	}
	if err := setLayout(""); err != nil {
		return err
	}
	m.Done = true
	progress(m)
	return nil
}

// rewrite puts those records into the newest format that are in an older one. What cannot be
// read is left as it is, for fsck to tell.
func (w *Workspace) rewrite(ctx context.Context, raws []Raw) (int, error) {
	var old []Raw
	for _, raw := range raws {
		if raw.Damage != "" || len(raw.Payload) == 0 || raw.Payload[0] != formatJSON {
			continue
		}
		if _, err := decodeRecord(&raw); err != nil {
			continue
		}
		raw.Payload = compress(raw.Ref, raw.Payload)
		old = append(old, raw)
	}
	if len(old) == 0 {
		return 0, nil
	}
	return len(old), w.backend.Rewrite(ctx, w.ws, old)
}

// oldFormat tells that a record is not in the format of the newest layout.
func oldFormat(raw *Raw) bool { return len(raw.Payload) > 0 && raw.Payload[0] != formatS2 }
