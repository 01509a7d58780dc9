package store

import (
	"context"
	"errors"
	"fmt"

	"rollcall/scim"
)

// scan finds matches by reading: one resource where the filter names a unique value, the
// groups of a member where it names one, else every record of the type, in batches.
type scan struct{ w *Workspace }

// maxRescans bounds how often a scan starts again because the feed was trimmed under it.
const maxRescans = 3

func (s scan) search(ctx context.Context, q *search) ([]hit, error) {
	if q.filter != nil {
		if attr, value, ok := q.filter.UniqueEq(); ok {
			return s.unique(ctx, q, attr, value)
		}
		if id, ok := q.filter.MemberEq(); ok {
			return s.groupsOf(ctx, q, id)
		}
	}
	for range maxRescans {
		hits, err := s.all(ctx, q)
		if !errors.Is(err, scim.ErrInvalidVers) {
			return hits, err
		}
	}
	return nil, fmt.Errorf("store: the feed is trimmed faster than a scan takes: %w", scim.ErrUnavailable)
}

// part is left to search: a scan knows no order.
func (s scan) part(context.Context, *scim.Query, *search) (*part, bool, error) {
	return nil, false, nil
}

// unique applies the filter to those that hold the value: one, or one for each owner.
func (s scan) unique(ctx context.Context, q *search, attr, value string) ([]hit, error) {
	if attr == "id" {
		return s.these(ctx, q, []scim.Ref{{Type: q.typ.Name, ID: value}})
	}
	first, prefix, key, ok := s.w.spaceOf(q.typ, attr, value)
	if !ok {
		return nil, nil
	}
	raws, err := s.w.backend.Find(ctx, s.w.ws, q.typ.Name, first, prefix, key, false)
	if err != nil {
		return nil, err
	}
	return s.matching(ctx, q, raws)
}

// groupsOf applies the filter to the groups of one member.
func (s scan) groupsOf(ctx context.Context, q *search, id string) ([]hit, error) {
	if !validID(id) {
		return nil, nil
	}
	var groups []scim.Ref
	for _, typ := range q.typ.MemberTypes {
		for ref, err := range s.w.edges(ctx, scim.Ref{Type: typ, ID: id}, Groups, scim.Ref{}) {
			if err != nil {
				return nil, err
			}
			if ref.Type == q.typ.Name {
				groups = append(groups, ref)
			}
		}
	}
	return s.these(ctx, q, groups)
}

// these applies the search to resources that are known by name.
func (s scan) these(ctx context.Context, q *search, refs []scim.Ref) ([]hit, error) {
	var hits []hit
	for len(refs) > 0 {
		n := min(len(refs), readBatch)
		batch := refs[:n]
		refs = refs[n:]
		if !validID(batch[0].ID) { // a client's own; all others come from edges
			continue
		}
		raws, err := s.w.backend.Read(ctx, s.w.ws, batch, false)
		if err != nil {
			return nil, err
		}
		found, err := s.matching(ctx, q, raws)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	return hits, nil
}

func (s scan) matching(ctx context.Context, q *search, raws []Raw) ([]hit, error) {
	var hits []hit
	for i := range raws {
		if !raws[i].Found {
			continue
		}
		stored, err := decodeRecord(&raws[i])
		if err != nil {
			return nil, err
		}
		h, ok, err := s.w.match(ctx, q, stored)
		if err != nil {
			return nil, err
		}
		if ok {
			hits = append(hits, h)
		}
	}
	return hits, nil
}

// all reads every resource of the type. A scan may miss what changes its name meanwhile, and
// sees each resource at a moment of its own; so whatever the feed names since the
// beginning is looked at again. No resource that was there all along is missed.
func (s scan) all(ctx context.Context, q *search) ([]hit, error) {
	_, head, err := s.w.backend.Feed(ctx, s.w.ws, maxVersion, 1)
	if err != nil {
		return nil, err
	}
	found := map[string]hit{}
	err = s.w.backend.ScanClaims(ctx, s.w.ws, enumeration(q.typ), func(claims []Claim) error {
		refs := make([]scim.Ref, len(claims))
		for i, c := range claims {
			refs[i] = scim.Ref{Type: q.typ.Name, ID: c.ID}
		}
		if q.filter == nil && q.sortBy == nil {
			for _, ref := range refs {
				found[ref.ID] = hit{Position: scim.Position{Ref: ref}}
			}
			return nil
		}
		hits, err := s.these(ctx, q, refs)
		for _, h := range hits {
			found[h.ID] = h
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.again(ctx, q, head, found); err != nil {
		return nil, err
	}
	hits := make([]hit, 0, len(found))
	for _, h := range found {
		hits = append(hits, h)
	}
	return hits, nil
}

// maxVersion is above every number of a feed.
const maxVersion = scim.MustExist - 1

// again looks once more at every resource that changed since.
func (s scan) again(ctx context.Context, q *search, since scim.Version, found map[string]hit) error {
	const page = 1000
	_, until, err := s.w.backend.Feed(ctx, s.w.ws, maxVersion, 1)
	if err != nil {
		return err
	}
	for since < until {
		changes, err := s.w.Changes(ctx, since, page)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return nil
		}
		since = changes[len(changes)-1].Version
		var refs []scim.Ref
		for _, ref := range touched(changes) {
			if ref.Type == q.typ.Name {
				refs = append(refs, ref)
				delete(found, ref.ID)
			}
		}
		hits, err := s.these(ctx, q, refs)
		if err != nil {
			return err
		}
		for _, h := range hits {
			found[h.ID] = h
		}
	}
	return nil
}

// touched lists, once each, the resources that changes are about, on either end of an edge.
func touched(changes []scim.Change) []scim.Ref {
	seen := map[scim.Ref]bool{}
	var refs []scim.Ref
	add := func(ref scim.Ref) {
		if !seen[ref] {
			seen[ref] = true
			refs = append(refs, ref)
		}
	}
	for _, c := range changes {
		add(c.Ref)
		for _, e := range c.Edges {
			add(e.Member)
		}
		for _, g := range c.Groups {
			add(g)
		}
	}
	return refs
}
