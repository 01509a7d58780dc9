package account

import (
	"context"
	"errors"

	"rollcall/scim"
)

// reviewGroup holds the rules of groups that make their members administrators, and of those within
// them: who marks one, who changes its members, and that nobody takes the last administrator away by it.
func (ch *change) reviewGroup(ctx context.Context) error {
	admins, err := ch.w.adminGroups(ctx)
	if err != nil {
		return err
	}
	was := admins[ch.Ref.ID]
	if ch.before != nil {
		was = isAdmin(ch.before)
		if was && ch.after != nil && ch.KeepForeign && !ch.mayMark() && groupExtension(ch.after)["admin"] == nil {
			setGroupAttribute(ch.after, "admin", true) // readOnly for this writer
		}
	}
	is := was
	if ch.after != nil {
		is = isAdmin(ch.after)
	}
	if ch.act == actDelete {
		is = false
	}
	within := false
	if ch.act == actDelete || ch.act == actUpdate && len(ch.Edges) > 0 {
		if within, err = ch.w.isWithin(ctx, ch.Ref, admins); err != nil {
			return err
		}
	}
	if !was && !is && !within {
		return nil
	}
	deleted := ch.act == actDelete
	// A source brings the members that an administrator mapped to the group.
	sourced := ch.actor.Kind == "source" && was == is
	if (was != is || deleted || len(ch.Edges) > 0) && !sourced && !ch.mayMark() {
		return scim.Errorf(scim.ErrForbidden, "the members of the group are administrators: to change who they are needs the permission %s, and all that an administrator may do", RolesAssign)
	}
	if is {
		ch.newAdmin = adminGroupsSpace
	} else if was {
		ch.oldAdmin = adminGroupsSpace
	}
	removed := map[string]bool{}
	for _, e := range ch.Edges {
		if e.Remove {
			removed[e.Member.ID] = true
		}
	}
	if was && !is || deleted || len(removed) > 0 {
		ch.loss = &loss{group: ch.Ref, gone: was && !is, deleted: deleted, removed: removed}
	}
	return nil
}

// mayMark tells whether the actor may make others administrators.
func (ch *change) mayMark() bool {
	return ch.mayAssign() && ch.settings.isAdministrator(ch.ceiling())
}

func groupExtension(r *scim.Resource) map[string]any {
	m, _ := r.Attributes[scim.AccountGroupURN].(map[string]any)
	return m
}

func setGroupAttribute(r *scim.Resource, name string, v any) {
	ext := groupExtension(r)
	if ext == nil {
		ext = map[string]any{}
		r.Attributes[scim.AccountGroupURN] = ext
	}
	ext[name] = v
}

func isAdmin(r *scim.Resource) bool {
	b, _ := groupExtension(r)["admin"].(bool)
	return b
}

// join makes new accounts members of the default groups. A group that is not there is made.
func (w *Workspace) join(ctx context.Context, users []scim.Ref) error {
	if len(users) == 0 {
		return nil
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return err
	}
	for _, name := range s.DefaultGroups {
		group, err := w.groupNamed(ctx, name)
		if errors.Is(err, scim.ErrNotFound) {
			group, err = w.makeGroup(ctx, name, false)
		}
		if err != nil {
			return err
		}
		edges := make([]scim.EdgeChange, len(users))
		for i, u := range users {
			edges[i].Member = u
		}
		if _, err := w.store.Commit(ctx, &scim.Commit{Ref: group, Expect: scim.MustExist, Edges: edges}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Workspace) groupNamed(ctx context.Context, name string) (scim.Ref, error) {
	s, err := w.store.Lookup(ctx, "Group", "displayName", name, scim.With{})
	if err != nil {
		return scim.Ref{}, err
	}
	return s.Ref, nil
}

// makeGroup makes a group that belongs to nobody.
func (w *Workspace) makeGroup(ctx context.Context, name string, admin bool) (scim.Ref, error) {
	r := &scim.Resource{Header: scim.Header{Ref: scim.Ref{Type: "Group", ID: scim.NewID()}}, Attributes: map[string]any{"displayName": name}}
	if admin {
		setGroupAttribute(r, "admin", true)
		if err := w.hint(ctx, adminGroupsSpace, r.ID, true); err != nil {
			return scim.Ref{}, err
		}
	}
	_, err := w.store.Commit(ctx, &scim.Commit{Ref: r.Ref, Expect: scim.MustNotExist, Put: r})
	if errors.Is(err, scim.ErrUniqueness) { // somebody was faster
		return w.groupNamed(ctx, name)
	}
	return r.Ref, err
}

// clearGroups ends every direct membership of an account.
func (w *Workspace) clearGroups(ctx context.Context, user scim.Ref) error {
	s, err := w.store.Get(ctx, user, scim.With{Groups: true})
	if err != nil {
		return err
	}
	for _, g := range s.Groups {
		if !g.Direct {
			continue
		}
		_, err := w.store.Commit(ctx, &scim.Commit{Ref: g.Ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: user}}})
		if err != nil && !errors.Is(err, scim.ErrNotFound) {
			return err
		}
	}
	return nil
}
