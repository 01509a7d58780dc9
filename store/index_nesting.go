package store

import (
	"context"
	"slices"

	"rollcall/scim"
)

// ends are what was read of the edges of a TermEdge: for each resource at the near end the ids at the
// far one. Of "groups" these are the group named and, but for direct memberships, those within it; of
// "members" the member named alone.
type ends struct {
	near []end
	read map[scim.Ref]bool
}

type end struct {
	ref scim.Ref
	ids []string
}

// maxWithin bounds the groups within a group that a filter reads.
const maxWithin = 10_000

// readEdges reads the ids at the other ends of edges: the members of a group, or the groups of a
// member.
func (x *index) readEdges(ctx context.Context, v *view, s *search, terms []*scim.Term) (map[*scim.Term]*ends, error) {
	found := map[*scim.Term]*ends{}
	for _, t := range terms {
		e, err := x.readTerm(ctx, v, s, t)
		if err != nil {
			return nil, err
		}
		found[t] = e
	}
	return found, nil
}

func (x *index) readTerm(ctx context.Context, v *view, s *search, t *scim.Term) (*ends, error) {
	types, d, nesting := s.typ.MemberTypes, Groups, 0
	if t.Attr == "groups" {
		types, d, nesting = v.groupTypes(s.typ.Name), Members, scim.MaxNesting
		if t.Reach == "direct" {
			nesting = 0
		}
	}
	e := &ends{read: map[scim.Ref]bool{}}
	var level []scim.Ref
	for _, typ := range types {
		level = append(level, scim.Ref{Type: typ, ID: t.Key})
	}
	for depth := 0; len(level) > 0; depth++ {
		var next []scim.Ref
		for _, ref := range level {
			if e.read[ref] {
				continue
			}
			if len(e.near) > maxWithin {
				return nil, scim.Errorf(scim.ErrTooMany, "groups: there are more than %d groups within the group %s", maxWithin, t.Key)
			}
			e.read[ref] = true
			n := end{ref: ref}
			for far, err := range x.w.edges(ctx, ref, d, scim.Ref{}) {
				switch {
				case err != nil:
					return nil, err
				case far.Type == s.typ.Name:
					n.ids = append(n.ids, far.ID)
				case depth < nesting && v.hasMembers(far.Type):
					next = append(next, far)
				}
			}
			e.near = append(e.near, n)
		}
		level = next
	}
	return e, nil
}

// groupTypes are the types of which resources of a type can be members.
func (v *view) groupTypes(member string) (types []string) {
	for _, t := range v.model.Types {
		if slices.Contains(t.MemberTypes, member) {
			types = append(types, t.Name)
		}
	}
	return types
}

func (v *view) hasMembers(typ string) bool {
	t := v.model.Type(typ)
	return t != nil && len(t.MemberTypes) > 0
}

// edgeRows are the rows at the other ends of edges, at the number of the view. False where groups came
// into others meanwhile, or left them: then what was read tells it no longer. The lock is held.
func (v *view) edgeRows(s *search, read map[*scim.Term]*ends, w *watch) (map[*scim.Term]set, bool) {
	b := v.tables[s.typ.Name]
	all := make(map[*scim.Term]set, len(read))
	for _, t := range edgeTerms(s.term(), nil) {
		e := read[t]
		if v.renested(e, t, w) {
			return nil, false
		}
		rows, direct, one := b.empty(), b.empty(), b.empty()
		for i := range e.near {
			n := &e.near[i]
			clear(one)
			v.endRows(b, s, t, n, w, &one)
			into := rows
			if t.Reach == "indirect" && n.ref.ID == t.Key {
				into = direct
			}
			for i, word := range one {
				into[i] |= word
			}
		}
		all[t] = combine(rows, direct, andNot)
	}
	return all, true
}

// renested tells whether a group that was read as one within another, or around one, is no longer that,
// or another is.
func (v *view) renested(e *ends, t *scim.Term, w *watch) bool {
	if t.Attr != "groups" || t.Reach == "direct" {
		return false
	}
	for i := range w.entries {
		c := &w.entries[i]
		if !e.read[c.Ref] {
			continue
		}
		if c.Op == ChangeDelete && len(e.near) > 1 {
			return true
		}
		for _, edge := range c.Edges {
			if v.hasMembers(edge.Member.Type) {
				return true
			}
		}
	}
	return false
}

// endRows puts into rows those at the far ends of one near end.
func (v *view) endRows(b *table, s *search, t *scim.Term, n *end, w *watch, rows *set) {
	put := func(id string, in bool) {
		if _, ord, ok := b.slot(id); ok {
			rows.put(ord, in)
		}
	}
	for _, id := range n.ids {
		put(id, true)
	}
	for i := range w.entries {
		e := &w.entries[i]
		switch {
		case e.Op == ChangeDelete && e.Ref == n.ref: // the near end itself
			clear(*rows)
		case e.Op == ChangeDelete && e.Ref.Type == s.typ.Name: // or the far one, which may be restored
			put(e.Ref.ID, false)
		case t.Attr == "groups" && e.Ref == n.ref:
			for _, c := range e.Edges {
				if c.Member.Type == s.typ.Name {
					put(c.Member.ID, !c.Remove)
				}
			}
		case t.Attr == "members" && e.Ref.Type == s.typ.Name:
			for _, c := range e.Edges {
				if c.Member == n.ref {
					put(e.Ref.ID, !c.Remove)
				}
			}
		}
	}
}
