package store

import (
	"context"
	"slices"

	"rollcall/scim"
)

// Who is a member of what is no part of a view: filters that name a group or a member find its
// edges in the store, at the number that the view is at.

// look calls use with a view that has everything committed before the call, and with the rows of
// the filter's edges as they were at that view's number.
func (x *index) look(ctx context.Context, s *search, use func(v *view, edges map[*scim.Term]set)) error {
	v, err := x.current(ctx)
	if err != nil {
		return err
	}
	terms := edgeTerms(s.term(), nil)
	for redo := 0; len(terms) > 0 && redo <= maxRedos; redo++ {
		at := v.number()
		edges, err := x.readEdges(ctx, v, s, terms)
		if err != nil {
			return err
		}
		was := v
		if v, err = x.current(ctx); err != nil {
			return err
		}
		if v == was && v.usedAt(at, func() { use(v, edges) }) {
			return nil
		}
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	use(v, nil) // where there are edges, the records tell
	return nil
}

// edgeTerms lists the parts of a filter that edges answer.
func edgeTerms(t *scim.Term, found []*scim.Term) []*scim.Term {
	if t == nil {
		return found
	}
	if t.Op == scim.TermEdge {
		found = append(found, t)
	}
	return edgeTerms(t.Right, edgeTerms(t.Left, found))
}

// readEdges finds the rows of edges: the members of a group, or the groups of a member.
func (x *index) readEdges(ctx context.Context, v *view, s *search, terms []*scim.Term) (map[*scim.Term]set, error) {
	b := v.tables[s.typ.Name]
	found := map[*scim.Term]set{}
	for _, t := range terms {
		var rows set
		ends, d := s.typ.MemberTypes, Groups
		if t.Attr == "groups" {
			ends, d = nil, Members
			for _, typ := range v.model.Types {
				if slices.Contains(typ.MemberTypes, s.typ.Name) {
					ends = append(ends, typ.Name)
				}
			}
		}
		for _, typ := range ends {
			for ref, err := range x.w.edges(ctx, scim.Ref{Type: typ, ID: t.Key}, d, scim.Ref{}) {
				if err != nil {
					return nil, err
				}
				if ref.Type == s.typ.Name {
					v.mark(b, ref.ID, &rows)
				}
			}
		}
		found[t] = rows
	}
	return found, nil
}

// mark adds the row of an id to a set, where there is one.
func (v *view) mark(b *table, id string, rows *set) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if _, ord, ok := b.slot(id); ok {
		rows.put(ord, true)
	}
}

// number is the number up to which everything is applied.
func (v *view) number() scim.Version {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.at
}

// usedAt calls use where nothing was applied since a number.
func (v *view) usedAt(at scim.Version, use func()) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.at != at {
		return false
	}
	use()
	return true
}
