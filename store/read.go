package store

import (
	"context"
	"errors"
	"iter"
	"strings"

	"rollcall/scim"
)

// Get returns a resource (see scim.Store).
func (w *Workspace) Get(ctx context.Context, ref scim.Ref, with scim.With) (*scim.Stored, error) {
	if ok, err := w.known(ctx, ref); err != nil {
		return nil, err
	} else if !ok {
		return nil, notFound(ref)
	}
	raws, err := w.backend.Read(ctx, w.ws, []scim.Ref{ref}, with.Groups)
	if err != nil {
		return nil, err
	}
	found, err := w.decode(ctx, raws, with)
	if err != nil {
		return nil, err
	}
	if found[0] == nil {
		return nil, notFound(ref)
	}
	return found[0], nil
}

// decode turns records into resources, nil where there is none, and names their groups.
func (w *Workspace) decode(ctx context.Context, raws []Raw, with scim.With) ([]*scim.Stored, error) {
	found := make([]*scim.Stored, len(raws))
	var nameless []scim.Ref
	var bodies *arena
	if len(raws) > 1 {
		bodies = new(arena)
	}
	for i := range raws {
		if !raws[i].Found {
			continue
		}
		s, err := decodeRecordIn(bodies, &raws[i])
		if err != nil {
			return nil, err
		}
		found[i] = s
		for _, g := range raws[i].Groups {
			if g.Known {
				s.Groups = append(s.Groups, scim.Membership{Ref: g.Ref, Display: g.Name, Direct: !g.Indirect})
			} else {
				nameless = append(nameless, g.Ref)
			}
		}
		sortBy(s.Groups, func(m scim.Membership) string { return m.ID })
	}
	if !with.Groups || len(nameless) == 0 {
		return found, nil
	}
	names, err := w.displayNames(ctx, nameless)
	if err != nil {
		return nil, err
	}
	for i, s := range found {
		if s == nil {
			continue
		}
		for _, g := range raws[i].Groups {
			if name, ok := names[g.Ref]; ok && !g.Known {
				s.Groups = append(s.Groups, scim.Membership{Ref: g.Ref, Display: name, Direct: !g.Indirect})
			}
		}
		sortBy(s.Groups, func(m scim.Membership) string { return m.ID })
	}
	return found, nil
}

// displayNames reads the displayName of each group, once.
func (w *Workspace) displayNames(ctx context.Context, groups []scim.Ref) (map[scim.Ref]string, error) {
	names := make(map[scim.Ref]string, len(groups))
	var refs []scim.Ref
	for _, g := range groups {
		if _, seen := names[g]; !seen {
			names[g] = ""
			refs = append(refs, g)
		}
	}
	for len(refs) > 0 {
		n := min(len(refs), readBatch)
		raws, err := w.backend.Read(ctx, w.ws, refs[:n], false)
		if err != nil {
			return nil, err
		}
		refs = refs[n:]
		for i := range raws {
			if !raws[i].Found {
				delete(names, raws[i].Ref)
				continue
			}
			s, err := decodeRecord(&raws[i])
			if err != nil {
				return nil, err
			}
			r, err := s.Resource()
			if err != nil {
				return nil, err
			}
			names[r.Ref] = r.DisplayName()
		}
	}
	return names, nil
}

// Lookup returns the resource that holds a unique value (see scim.Store).
func (w *Workspace) Lookup(ctx context.Context, typ, attr, value string, with scim.With) (*scim.Stored, error) {
	t, err := w.typ(ctx, typ)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no resource type %q", typ)
	}
	if strings.EqualFold(attr, "id") {
		return w.Get(ctx, scim.Ref{Type: t.Name, ID: value}, with)
	}
	first, prefix, key, ok := w.spaceOf(t, attr, value)
	if !ok {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no %s with that %s", typ, attr)
	}
	if prefix != "" {
		first = externalIDSpace(t.Name, scim.ActorFrom(ctx).Owner())
	}
	raws, err := w.backend.Find(ctx, w.ws, t.Name, first, prefix, key, with.Groups)
	if err != nil {
		return nil, err
	}
	var lowest []Raw
	for _, raw := range raws {
		if raw.Found && (lowest == nil || raw.ID < lowest[0].ID) {
			lowest = []Raw{raw}
		}
	}
	if lowest == nil {
		return nil, scim.Errorf(scim.ErrNotFound, "there is no %s with that %s", typ, attr)
	}
	found, err := w.decode(ctx, lowest, with)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// spaceOf tells where a unique value is claimed: in the space first, or, for an externalId, in any
// with the prefix. ok is false for a value that nothing can have.
func (w *Workspace) spaceOf(t *scim.ResourceType, attr, value string) (first, prefix, key string, ok bool) {
	if strings.EqualFold(attr, "externalId") {
		return "", externalIDPrefix(t.Name), value, value != "" && len(value) <= maxClaimKey
	}
	for _, a := range t.Unique {
		if strings.EqualFold(t.UniqueName(a), attr) {
			key, ok := a.Compare(value)
			ok = ok && key != "" && len(key) <= maxClaimKey && !strings.HasPrefix(key, absent)
			return uniqueSpace(t, a), "", key, ok
		}
	}
	return "", "", "", false
}

// edgePage is how many members are read at a time.
const edgePage = 1000

// Members streams the members of a group (see scim.Store).
func (w *Workspace) Members(ctx context.Context, group, after scim.Ref) iter.Seq2[scim.Ref, error] {
	return w.edges(ctx, group, Members, after)
}

func (w *Workspace) edges(ctx context.Context, ref scim.Ref, d Direction, after scim.Ref) iter.Seq2[scim.Ref, error] {
	return func(yield func(scim.Ref, error) bool) {
		after := after // the sequence may be run again
		ok, err := w.known(ctx, ref)
		if err != nil {
			yield(scim.Ref{}, err)
			return
		}
		for ok {
			page, err := w.backend.Edges(ctx, w.ws, ref, d, after, edgePage)
			if err != nil {
				yield(scim.Ref{}, err)
				return
			}
			for _, other := range page {
				if !yield(other, nil) {
					return
				}
			}
			if len(page) < edgePage {
				return
			}
			after = page[len(page)-1]
		}
	}
}

var errStop = errors.New("stop")

// Owned streams what an owner holds (see scim.Store).
func (w *Workspace) Owned(ctx context.Context, owner, typ string) iter.Seq2[scim.Owned, error] {
	return func(yield func(scim.Owned, error) bool) {
		seen := map[string]bool{} // a scan may show one twice
		err := w.backend.ScanClaims(ctx, w.ws, externalIDSpace(typ, owner), func(claims []Claim) error {
			for _, c := range claims {
				if seen[c.Key] {
					continue
				}
				seen[c.Key] = true
				if !yield(scim.Owned{ExternalID: c.Key, ID: c.ID, Mark: c.Mark}, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(scim.Owned{}, err)
		}
	}
}

// Changes returns a part of the feed (see scim.Store).
func (w *Workspace) Changes(ctx context.Context, after scim.Version, limit int) ([]scim.Change, error) {
	entries, head, err := w.backend.Feed(ctx, w.ws, after, max(limit, 1))
	if err != nil {
		return nil, err
	}
	trimmed := len(entries) == 0 && after != head || len(entries) > 0 && entries[0].Version != after+1
	if trimmed {
		return nil, scim.Errorf(scim.ErrInvalidVers, "the changes after %d are no longer kept", after)
	}
	changes := make([]scim.Change, min(len(entries), max(limit, 0)))
	for i := range changes {
		changes[i] = entries[i].Change
		changes[i].History = entries[i].Nonce
	}
	return changes, nil
}

// Span is how far the feed reaches.
func (w *Workspace) Span(ctx context.Context) (scim.Span, error) {
	entries, head, err := w.backend.Feed(ctx, w.ws, 0, 1)
	if err != nil {
		return scim.Span{}, err
	}
	span := scim.Span{Oldest: head + 1, Newest: head}
	if len(entries) > 0 {
		span.Oldest = entries[0].Version
	}
	return span, nil
}
