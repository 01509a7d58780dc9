package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"rollcall/scim"
)

// Reason is one way in which somebody comes by a permission: a role, the group that gives it, the groups
// that lead there, and the LDAP group that the members of the first of them come from.
type Reason struct {
	Role  string `json:"role"`
	Group string `json:"group,omitempty"`
	// Through are the groups that lead to the group: from the one that has the person as a member to the
	// one that is a member of the group. None where the person is a member of the group itself.
	Through   []string `json:"through,omitempty"`
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
		through, called, err := w.chain(ctx, groups, g.Ref)
		if err != nil {
			return nil, err
		}
		own := append(through, g.Ref)[0] // has the account itself as a member
		stored, err := w.store.Get(ctx, own, scim.With{})
		if err != nil {
			return nil, err
		}
		group, err := stored.Resource()
		if err != nil {
			return nil, err
		}
		way := Reason{Role: s.AdministratorRole, Group: g.Display, Through: called}
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
	_, err = w.eachWithin(ctx, admins, nil, func(ref scim.Ref) (bool, error) {
		if ref.Type != "Group" {
			return false, nil
		}
		stored, err := w.store.Get(ctx, ref, scim.With{})
		if errors.Is(err, scim.ErrNotFound) {
			return false, nil // it has gone, and its hint goes with it
		}
		if err != nil {
			return false, err
		}
		r, err := stored.Resource()
		if err != nil {
			return false, err
		}
		m.Groups = append(m.Groups, Row{r.ID, r.DisplayName(), true, inOrder(s.permissions(s.AdministratorRole))})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(m.Groups, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

func inOrder(have set) []scim.Permission {
	return slices.DeleteFunc(Permissions(), func(p scim.Permission) bool { return !have[p] })
}
