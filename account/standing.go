package account

import (
	"context"
	"errors"
	"slices"

	"rollcall/scim"
)

// set is a set of permissions.
type set map[scim.Permission]bool

func setOf(list []scim.Permission) set { return permissionSet(list) }

// holds tells whether every permission of other is in s.
func (s set) holds(other set) bool {
	for p := range other {
		if !s[p] {
			return false
		}
	}
	return true
}

func (s set) add(list []scim.Permission) {
	for _, p := range list {
		s[p] = true
	}
}

// roleNames are the roles of a resource that the workspace defines, in the workspace's order; the
// default role where there is none.
func (s *Settings) roleNames(r *scim.Resource) []string {
	var names []string
	if r != nil {
		given := map[string]bool{}
		values, _ := r.Attributes["roles"].([]any)
		for _, v := range values {
			if m, ok := v.(map[string]any); ok {
				if name, ok := m["value"].(string); ok {
					given[name] = true
				}
			}
		}
		for _, role := range s.Roles {
			if given[role.Name] {
				names = append(names, role.Name)
			}
		}
	}
	if names == nil {
		names = []string{s.Roles[0].Name}
	}
	return names
}

// permissions are those of some roles together.
func (s *Settings) permissions(roles ...string) set {
	all := set{}
	for _, name := range roles {
		if r := s.role(name); r != nil {
			all.add(r.Permissions)
		}
	}
	return all
}

// isAdministrator tells whether permissions are those of an administrator, or more.
func (s *Settings) isAdministrator(have set) bool {
	if r := s.role(s.AdministratorRole); r != nil {
		for _, p := range r.Permissions {
			if !have[p] {
				return false
			}
		}
	}
	return true
}

// administrates tells whether roles together make an administrator: isAdministrator of their permissions,
// which every commit of a person asks for.
func (s *Settings) administrates(roles []string) bool {
	admin := s.role(s.AdministratorRole)
	if admin == nil {
		return true
	}
	for _, p := range admin.Permissions {
		if !slices.ContainsFunc(roles, func(name string) bool {
			r := s.role(name)
			return r != nil && slices.Contains(r.Permissions, p)
		}) {
			return false
		}
	}
	return true
}

// standing is what an account may do: the permissions of its roles, and of the administrator
// role where it is in an admin group, directly or by a group within it.
func (w *Workspace) standing(ctx context.Context, s *Settings, r *scim.Resource, groups []scim.Membership) (set, error) {
	roles := s.roleNames(r)
	admins, err := w.adminGroups(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(groups, func(g scim.Membership) bool { return admins[g.ID] }) {
		roles = append(roles, s.AdministratorRole)
	}
	return s.permissions(roles...), nil
}

// standingOf reads an account, where groups could matter, and tells what it may do.
func (w *Workspace) standingOf(ctx context.Context, s *Settings, ref scim.Ref, r *scim.Resource) (set, error) {
	admins, err := w.adminGroups(ctx)
	if err != nil {
		return nil, err
	}
	if len(admins) == 0 {
		return s.permissions(s.roleNames(r)...), nil
	}
	stored, err := w.store.Get(ctx, ref, scim.With{Groups: true})
	if err != nil {
		return nil, err
	}
	return w.standing(ctx, s, r, stored.Groups)
}

// The hints that find administrators without a search: ids of users whose roles may make them one,
// and of groups that make their members one. They are written before the change and
// taken back after it, so that one may be too many and none is missing.
const (
	adminUsersSpace  = "administrators"
	adminGroupsSpace = "admin-groups"
)

// kv is a space of small data of the workspace.
func (w *Workspace) kv(space string) scim.KV {
	if state, ok := w.store.(scim.State); ok {
		return state.KV(space)
	}
	return w.dir.state.KV(space + "/" + w.name)
}

func (w *Workspace) idsOf(ctx context.Context, space string) (map[string]bool, error) {
	return w.dir.idsCache.get(space+"/"+w.name, func() (map[string]bool, error) {
		ids := map[string]bool{}
		err := w.kv(space).Scan(ctx, func(id string, _ []byte) error {
			ids[id] = true
			return nil
		})
		return ids, err
	})
}

func (w *Workspace) adminGroups(ctx context.Context) (map[string]bool, error) {
	return w.idsOf(ctx, adminGroupsSpace)
}

// hint adds an id to a space, or takes it away.
func (w *Workspace) hint(ctx context.Context, space, id string, there bool) error {
	_, err := w.kv(space).Get(ctx, id) // no cache: what another replica has just taken back must be put again
	if err != nil && !errors.Is(err, scim.ErrNotFound) {
		return err
	}
	if present := err == nil; present == there {
		return nil
	}
	if there {
		err = w.kv(space).Put(ctx, id, []byte("1"), nil)
	} else {
		err = w.kv(space).Delete(ctx, id)
	}
	w.dir.idsCache.forget(space + "/" + w.name)
	return err
}

// loss is a change that may take the last administrator away: of one account, of a group, or of a token.
type loss struct {
	token   string // that is revoked
	user    scim.Ref
	after   *scim.Resource // of the user; nil where it is deleted
	group   scim.Ref
	gone    bool            // the group is no admin group any more
	deleted bool            // nor is it there
	removed map[string]bool // members that leave the group
	alone   bool            // the user leaves every group
}

var errLastAdministrator = scim.Errorf(scim.ErrLastAdministrator,
	"the workspace would be left without an administrator: make somebody else one first, or make a token with an administrator's permissions")

// keepAdministrator refuses a loss that would leave nobody: at least one active administrator or
// a live administrator token must remain (design.md §4.15). The bootstrap token, which stands
// outside of every workspace, is none of them. A workspace that had none before loses nothing.
func (w *Workspace) keepAdministrator(ctx context.Context, s *Settings, l loss) error {
	found, err := w.findAdministrator(ctx, s, &l)
	if err != nil || found {
		return err
	}
	had, err := w.findAdministrator(ctx, s, nil)
	if err != nil || !had {
		return err
	}
	return errLastAdministrator
}

// findAdministrator looks for an active administrator, or a token that is one, after a loss.
func (w *Workspace) findAdministrator(ctx context.Context, s *Settings, l *loss) (bool, error) {
	users, err := w.readIDs(ctx, adminUsersSpace)
	if err != nil {
		return false, err
	}
	for id := range users {
		if ok, err := w.remainsAdministrator(ctx, s, id, l, false); err != nil || ok {
			return ok, err
		}
	}
	groups, err := w.readIDs(ctx, adminGroupsSpace)
	if err != nil {
		return false, err
	}
	found, err := w.eachWithin(ctx, groups, l, func(ref scim.Ref) (bool, error) {
		if ref.Type != "User" {
			return false, nil
		}
		return w.remainsAdministrator(ctx, s, ref.ID, l, true)
	})
	if err != nil || found {
		return found, err
	}
	but := ""
	if l != nil {
		but = l.token
	}
	return w.dir.hasAdministratorToken(ctx, w.name, but, s)
}

func (w *Workspace) readIDs(ctx context.Context, space string) (map[string]bool, error) {
	w.dir.idsCache.forget(space + "/" + w.name)
	return w.idsOf(ctx, space)
}

// remainsAdministrator tells whether somebody is an active administrator after a loss, by their roles or,
// where grouped is set, by a group.
func (w *Workspace) remainsAdministrator(ctx context.Context, s *Settings, id string, l *loss, grouped bool) (bool, error) {
	stored, err := w.store.Get(ctx, scim.Ref{Type: "User", ID: id}, scim.With{})
	if errors.Is(err, scim.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r, err := stored.Resource()
	if err != nil {
		return false, err
	}
	if l != nil && l.user.ID == id {
		if l.after == nil {
			return false, nil
		}
		r, grouped = l.after, grouped && !l.alone
	}
	if !r.Active() {
		return false, nil
	}
	roles := s.roleNames(r)
	if grouped {
		roles = append(roles, s.AdministratorRole)
	}
	return s.administrates(roles), nil
}

// rebuildAdministrators finds anew whose roles make them administrators, before roles come to mean
// something else, and refuses settings that would leave nobody.
func (w *Workspace) rebuildAdministrators(ctx context.Context, next *Settings) error {
	for _, role := range next.Roles {
		if !next.isAdministrator(setOf(role.Permissions)) {
			continue
		}
		filter, err := scim.ParseFilter("roles.value eq " + string(scim.AppendJSON(nil, role.Name)))
		if err != nil {
			return err
		}
		for start := 1; ; {
			page, err := w.store.Query(ctx, &scim.Query{Types: []string{"User"}, Filter: filter, Start: start, Count: 500})
			if err != nil {
				return err
			}
			for _, s := range page.Resources {
				if err := w.hint(ctx, adminUsersSpace, s.ID, true); err != nil {
					return err
				}
			}
			if start += len(page.Resources); len(page.Resources) == 0 || start > page.Total {
				break
			}
		}
	}
	old, _, err := w.dir.storedSettings(ctx, w.name)
	if err != nil {
		return err
	}
	had, err := w.findAdministrator(ctx, old, nil)
	if err != nil || !had {
		return err
	}
	has, err := w.findAdministrator(ctx, next, nil)
	if err != nil || has {
		return err
	}
	return errLastAdministrator
}
