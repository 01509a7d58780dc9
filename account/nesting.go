package account

import (
	"context"
	"errors"
	"slices"

	"rollcall/scim"
)

// The members of an admin group are administrators, and so is whoever is in a group within it
// (RFC 7643 §4.1.2: a user belongs to a group "either through direct membership, through nested groups
// …"). Whoever changes the members of a group within, or takes it out, changes who is one.

// isWithin tells whether a group is in one of some others, or in one within them.
func (w *Workspace) isWithin(ctx context.Context, group scim.Ref, others map[string]bool) (bool, error) {
	if len(others) == 0 {
		return false, nil
	}
	stored, err := w.store.Get(ctx, group, scim.With{Groups: true})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(stored.Groups, func(g scim.Membership) bool { return others[g.ID] }), nil
}

// eachWithin calls fn with each group that makes administrators after a loss (nil for none), and with each
// user in them, once each, until it tells true.
func (w *Workspace) eachWithin(ctx context.Context, admins map[string]bool, l *loss, fn func(scim.Ref) (bool, error)) (bool, error) {
	if l == nil {
		l = &loss{}
	}
	seen := map[scim.Ref]bool{}
	var level []scim.Ref
	for id := range admins {
		if !l.gone || l.group.ID != id {
			level = append(level, scim.Ref{Type: "Group", ID: id})
		}
	}
	for depth := 0; len(level) > 0 && depth <= scim.MaxNesting; depth++ {
		var next []scim.Ref
		for _, group := range level {
			if seen[group] || l.deleted && l.group == group {
				continue
			}
			seen[group] = true
			if stop, err := fn(group); stop || err != nil {
				return stop, err
			}
			for m, err := range w.store.Members(ctx, group, scim.Ref{}) {
				switch {
				case err != nil:
					return false, err
				case l.group == group && l.removed[m.ID]:
				case m.Type == "Group":
					next = append(next, m)
				case !seen[m]:
					seen[m] = true
					if stop, err := fn(m); stop || err != nil {
						return stop, err
					}
				}
			}
		}
		level = next
	}
	return false, nil
}

// chain is the groups by which somebody is in a group, and their names: from one that has them as a
// member to one that is in it. It is empty where that is the group itself, and where a chain breaks
// while it is read.
func (w *Workspace) chain(ctx context.Context, groups []scim.Membership, to scim.Ref) (through []scim.Ref, called []string, err error) {
	from := map[scim.Ref]scim.Ref{} // each group, and the one within it that leads to it
	names := map[scim.Ref]string{}
	var queue []scim.Ref
	for _, g := range groups {
		names[g.Ref] = g.Display
		if g.Direct {
			from[g.Ref] = scim.Ref{}
			queue = append(queue, g.Ref)
		}
	}
	for len(queue) > 0 {
		if _, found := from[to]; found {
			break
		}
		g := queue[0]
		queue = queue[1:]
		stored, err := w.store.Get(ctx, g, scim.With{Groups: true})
		if errors.Is(err, scim.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, outer := range stored.Groups {
			if _, seen := from[outer.Ref]; outer.Direct && !seen && names[outer.Ref] != "" {
				from[outer.Ref] = g
				queue = append(queue, outer.Ref)
			}
		}
	}
	for g := from[to]; g != (scim.Ref{}); g = from[g] {
		through, called = append(through, g), append(called, names[g])
	}
	slices.Reverse(through)
	slices.Reverse(called)
	return through, called, nil
}
