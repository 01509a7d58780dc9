package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rollcall/scim"
)

// A resource that is deleted is kept for a while under its name in DeletedSpace, which only a Tx
// writes to, and the deletion's own: with its record, its members, and the groups that it was a
// member of. Nothing else knows of it: its unique values are free for others.

// DeletedSpace is the space of small data (KeyValues) of what was deleted:
//
//	number of the deletion  16 digits
//	time of it              13 digits, ms since 1970
//	groups                  their length in digits, ':', and themselves, as in a feed entry
//	members                 likewise
//	record                  as it was
const DeletedSpace = ".deleted"

// DefaultDeletedKeep is for how long what was deleted is kept.
const DefaultDeletedKeep = 30 * 24 * time.Hour

// AppendDeleted is the value of a resource that was deleted.
func AppendDeleted(dst []byte, n scim.Version, at time.Time, groups, members string, record []byte) []byte {
	dst = fmt.Appendf(dst, "%016d%013d%d:%s%d:%s", uint64(n), at.UnixMilli(), len(groups), groups, len(members), members)
	return append(dst, record...)
}

// deleted is a resource that was deleted, read.
type deleted struct {
	scim.Deleted
	members []scim.EdgeChange
}

func parseDeleted(ref scim.Ref, value []byte) (*deleted, error) {
	corrupt := scim.Errorf(scim.ErrCorrupt, "%s, which was deleted, cannot be read", ref)
	if len(value) < 16+13 {
		return nil, corrupt
	}
	n, err1 := strconv.ParseUint(string(value[:16]), 10, 64)
	at, err2 := parseMilli(value[16:29])
	groups, rest, ok1 := cutText(value[29:])
	members, record, ok2 := cutText(rest)
	if err1 != nil || err2 != nil || !ok1 || !ok2 {
		return nil, corrupt
	}
	raw := ParseRecord(ref, record)
	r, err := resourceOf(&raw)
	if err != nil {
		return nil, err
	}
	d := &deleted{members: ParseEdges(members)}
	for i := range d.members {
		d.members[i].Remove = false // they are told as they left
	}
	d.Deleted = scim.Deleted{Version: scim.Version(n), Time: at, Resource: r, Groups: ParseRefs(groups), Members: len(d.members)}
	return d, nil
}

// cutText reads a text with its length in digits in front.
func cutText(v []byte) (text string, rest []byte, ok bool) {
	digits, rest, ok := bytes.Cut(v, []byte{':'})
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n < 0 || n > len(rest) {
		return "", nil, false
	}
	return string(rest[:n]), rest[n:], true
}

// Deleted calls fn with what was deleted and is still kept, in order of (type, id), behind after,
// until fn fails.
func (w *Workspace) Deleted(ctx context.Context, after scim.Ref, fn func(*scim.Deleted) error) error {
	from := ""
	if after != (scim.Ref{}) {
		from = after.String()
	}
	return w.backend.KVScan(ctx, w.ws, DeletedSpace, func(key string, value []byte) error {
		ref, ok := ParseRef(key)
		if !ok || key <= from {
			return nil
		}
		d, err := parseDeleted(ref, value)
		if err != nil {
			return err
		}
		return fn(&d.Deleted)
	})
}

// Restore brings a resource back that was deleted, with its id, its members and its groups, those
// that there still are. ErrNotFound where it is not kept; ErrUniqueness where someone else
// has its name by now. A restoration that was cut off is finished by the next.
func (w *Workspace) Restore(ctx context.Context, ref scim.Ref) (*scim.Committed, error) {
	if ok, err := w.known(ctx, ref); err != nil {
		return nil, err
	} else if !ok {
		return nil, notFound(ref)
	}
	value, err := w.backend.KVGet(ctx, w.ws, DeletedSpace, ref.String())
	if errors.Is(err, scim.ErrNotFound) {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no %s with id %q among what was deleted", ref.Type, ref.ID)
	}
	if err != nil {
		return nil, err
	}
	d, err := parseDeleted(ref, value)
	if err != nil {
		return nil, err
	}
	done, err := w.bringBack(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, g := range d.Groups {
		_, err := w.Commit(ctx, &scim.Commit{Ref: g, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: ref}}})
		if err != nil && !errors.Is(err, scim.ErrNotFound) {
			return nil, err
		}
	}
	return done, w.Purge(ctx, ref)
}

// bringBack makes the Tx that creates the resource again, unless an earlier restoration has.
func (w *Workspace) bringBack(ctx context.Context, d *deleted) (*scim.Committed, error) {
	r := d.Resource
	if s, err := w.Get(ctx, r.Ref, scim.With{}); err == nil {
		return &scim.Committed{Stored: s}, nil
	} else if !errors.Is(err, scim.ErrNotFound) {
		return nil, err
	}
	c := &scim.Commit{Ref: r.Ref, Put: r, Edges: d.members}
	p, err := w.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	p.tx.Restores, p.tx.Created = true, r.Created
	done, _, err := w.finish(p, w.execute(ctx, p.tx))
	return done, err
}

// Purge removes what was deleted for good. What is not there is no error.
func (w *Workspace) Purge(ctx context.Context, ref scim.Ref) error {
	return w.backend.KVDelete(ctx, w.ws, DeletedSpace, ref.String())
}

// PurgeOld purges, in every workspace, what was deleted longer ago than it is to be kept.
func (s *Store) PurgeOld(ctx context.Context) (purged int, err error) {
	infos, err := s.Workspaces(ctx)
	if err != nil {
		return 0, err
	}
	for _, info := range infos {
		w := s.open(info.Name)
		var old []scim.Ref
		err := w.Deleted(ctx, scim.Ref{}, func(d *scim.Deleted) error {
			if time.Since(d.Time) > s.deletedKeep {
				old = append(old, d.Resource.Ref)
			}
			return nil
		})
		if err != nil {
			return purged, fmt.Errorf("store: purge %s: %w", info.Name, err)
		}
		for _, ref := range old {
			if err := w.Purge(ctx, ref); err != nil {
				return purged, err
			}
			purged++
		}
	}
	return purged, nil
}
