package account

import (
	"context"
	"slices"
	"strings"

	"rollcall/scim"
)

// Reason is one way in which somebody comes by a permission: a role, the group that gives it, and the
// LDAP group that the group's members come from.
type Reason struct {
	Role      string   `json:"role"`
	Group     string   `json:"group,omitempty"`
	LDAPGroup []string `json:"ldapGroup,omitempty"`
}

// Answer is whether somebody has a permission, and why.
type Answer struct {
	Permission scim.Permission `json:"permission,omitempty"`
	Allowed    bool            `json:"allowed"`
	Because    []Reason        `json:"because"`
}

// Row is what somebody, or the members of a group, may do.
type Row struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Active      bool              `json:"active"`
	Permissions []scim.Permission `json:"permissions"`
}

// Matrix is who may do what in a workspace: a page of the accounts, and the groups that give something.
type Matrix struct {
	Permissions []scim.Permission `json:"permissions"`
	Total       int               `json:"totalUsers"`
	Users       []Row             `json:"users"`
	Groups      []Row             `json:"groups"`
}

// Why tells which permissions somebody has, or the one that is asked for, and why. user is an id or
// user name. One's own takes self:read, others' users:read.
func (w *Workspace) Why(ctx context.Context, user string, p scim.Permission) ([]Answer, error) {
	stored, err := w.reachable(ctx, user)
	if err != nil {
		return nil, err
	}
	r, err := stored.Resource()
	if err != nil {
		return nil, err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	ways, err := w.ways(ctx, s, r, stored.Groups)
	if err != nil {
		return nil, err
	}
	asked := Permissions()
	if p != "" {
		if !known(p) {
			return nil, scim.Errorf(scim.ErrInvalidValue, "permission: there is no %q: there are %s", p, joinPermissions(Permissions()))
		}
		asked = []scim.Permission{p}
	}
	var answers []Answer
	for _, p := range asked {
		a := Answer{Permission: p, Because: []Reason{}}
		for _, way := range ways {
			if slices.Contains(s.role(way.Role).Permissions, p) {
				a.Because = append(a.Because, way)
			}
		}
		a.Allowed = r.Active() && len(a.Because) > 0
		answers = append(answers, a)
	}
	return answers, nil
}

// reachable reads an account that the actor may read, by id or user name.
func (w *Workspace) reachable(ctx context.Context, user string) (*scim.Stored, error) {
	if uuidText.MatchString(user) {
		return w.Get(ctx, scim.Ref{Type: "User", ID: user}, scim.With{Groups: true})
	}
	if err := w.may(ctx, UsersRead); err != nil {
		return nil, err
	}
	s, err := w.store.Lookup(ctx, "User", "userName", user, scim.With{Groups: true})
	if err != nil {
		return nil, err
	}
	return s, w.hide(ctx, s.Ref, scim.With{})
}

// ways lists how an account comes by its roles.
func (w *Workspace) ways(ctx context.Context, s *Settings, r *scim.Resource, groups []scim.Membership) ([]Reason, error) {
	var ways []Reason
	for _, name := range s.roleNames(r) {
		ways = append(ways, Reason{Role: name})
	}
	admins, err := w.adminGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if !admins[g.ID] {
			continue
		}
		stored, err := w.store.Get(ctx, g.Ref, scim.With{})
		if err != nil {
			return nil, err
		}
		group, err := stored.Resource()
		if err != nil {
			return nil, err
		}
		way := Reason{Role: s.AdministratorRole, Group: g.Display}
		names, _ := groupExtension(group)["ldapGroupNames"].([]any)
		for _, n := range names {
			if text, ok := n.(string); ok {
				way.LDAPGroup = append(way.LDAPGroup, text)
			}
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// Matrix tells who may do what: count accounts from the 1-based start on. It takes users:list,
// users:read and groups:read.
func (w *Workspace) Matrix(ctx context.Context, start, count int) (*Matrix, error) {
	for _, p := range []scim.Permission{UsersList, UsersRead, GroupsRead} {
		if err := w.may(ctx, p); err != nil {
			return nil, err
		}
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	page, err := w.Query(ctx, &scim.Query{Types: []string{"User"}, Start: start, Count: count, With: scim.With{Groups: true}})
	if err != nil {
		return nil, err
	}
	m := &Matrix{Permissions: Permissions(), Total: page.Total, Users: []Row{}, Groups: []Row{}}
	for _, stored := range page.Resources {
		r, err := stored.Resource()
		if err != nil {
			return nil, err
		}
		have, err := w.standing(ctx, s, r, stored.Groups)
		if err != nil {
			return nil, err
		}
		m.Users = append(m.Users, Row{r.ID, r.UserName(), r.Active(), inOrder(have)})
	}
	admins, err := w.adminGroups(ctx)
	if err != nil {
		return nil, err
	}
	for id := range admins {
		stored, err := w.store.Get(ctx, scim.Ref{Type: "Group", ID: id}, scim.With{})
		if err != nil {
			return nil, err
		}
		r, err := stored.Resource()
		if err != nil {
			return nil, err
		}
		m.Groups = append(m.Groups, Row{id, r.DisplayName(), true, inOrder(s.permissions(s.AdministratorRole))})
	}
	slices.SortFunc(m.Groups, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

func inOrder(have set) []scim.Permission {
	return slices.DeleteFunc(Permissions(), func(p scim.Permission) bool { return !have[p] })
}
