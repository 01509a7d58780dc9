package scimhttp

import (
	"slices"
	"strings"

	"rollcall/scim"
)

// edge makes a change of one member. ok is false for a value that cannot be the id of
// anything the type may hold: it never reaches the store.
func (x *exchange) edge(m scim.Member, remove bool) (e scim.EdgeChange, ok bool) {
	if !validID(m.Value) {
		return e, false
	}
	typ := ""
	for _, t := range x.typ.MemberTypes {
		if strings.EqualFold(t, m.Type) {
			typ = t
		}
	}
	if typ == "" && x.model.byType[m.Type] != nil {
		return e, false // a type that exists, and may not be a member here
	}
	return scim.EdgeChange{Remove: remove, Member: scim.Ref{Type: typ, ID: m.Value}}, true
}

// additions makes edges of members. One that cannot exist is dropped and counted, or
// refused, as an unknown member is by the store (design.md §4.15).
func (x *exchange) additions(members []scim.Member) ([]scim.EdgeChange, error) {
	edges := make([]scim.EdgeChange, 0, len(members))
	x.dropped = 0
	for _, m := range members {
		e, ok := x.edge(m, false)
		switch {
		case ok:
			edges = append(edges, e)
		case x.policy().RefuseUnknownMembers:
			return nil, scim.Errorf(scim.ErrInvalidValue, "members: there is no resource with the id %q", shorten(m.Value))
		default:
			x.dropped++
		}
	}
	return edges, nil
}

// present reads all members of the resource.
func (c *change) present() ([]scim.Member, error) {
	var out []scim.Member
	for m, err := range c.store.Members(c.ctx, c.ref, scim.Ref{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, scim.Member{Value: m.ID, Type: m.Type})
	}
	return out, nil
}

// replacement makes the edges that turn the present members into the wanted ones. Only
// the difference is kept in memory, and what the client sent anyhow.
func (c *change) replacement(wanted []scim.Member) ([]scim.EdgeChange, error) {
	add, err := c.additions(wanted)
	if err != nil {
		return nil, err
	}
	missing := make(map[string]bool, len(add)) // by id: ids are unique across types
	for _, e := range add {
		missing[e.Member.ID] = true
	}
	var edges []scim.EdgeChange
	for m, err := range c.store.Members(c.ctx, c.ref, scim.Ref{}) {
		if err != nil {
			return nil, err
		}
		if _, stays := missing[m.ID]; stays {
			missing[m.ID] = false
			continue
		}
		edges = append(edges, scim.EdgeChange{Remove: true, Member: m})
	}
	for _, e := range add {
		if missing[e.Member.ID] {
			missing[e.Member.ID] = false // a member named twice is added once
			edges = append(edges, e)
		}
	}
	return edges, nil
}

// delta makes the edges of a PATCH.
func (c *change) delta(d *scim.MemberDelta) ([]scim.EdgeChange, error) {
	if d.Clear {
		return c.replacement(d.Add)
	}
	add, err := c.additions(d.Add)
	if err != nil {
		return nil, err
	}
	edges := make([]scim.EdgeChange, 0, len(d.Remove)+len(add))
	for _, m := range d.Remove {
		if e, ok := c.edge(m, true); ok { // what cannot be a member is none: nothing to do
			edges = append(edges, e)
		}
	}
	return append(edges, add...), nil
}

// membersOnly tells whether every operation is about members alone.
func membersOnly(t *wireType, ops []scim.Operation) bool {
	return len(ops) > 0 && !slices.ContainsFunc(ops, func(op scim.Operation) bool {
		if op.Path == "" {
			value, ok := op.Value.(map[string]any)
			if !ok {
				return true
			}
			for name := range value {
				if !isMembers(t, name) {
					return true
				}
			}
			return len(value) == 0
		}
		return !isMembers(t, op.Path)
	})
}

// isMembers tells whether a path leads into members.
func isMembers(t *wireType, path string) bool {
	path = strings.TrimLeft(path, " ")
	if urn := t.Schema.URN; len(path) > len(urn) && path[len(urn)] == ':' && strings.EqualFold(path[:len(urn)], urn) {
		path = path[len(urn)+1:]
	}
	if end := strings.IndexAny(path, "[. "); end >= 0 {
		path = path[:end]
	}
	return strings.EqualFold(path, "members")
}
