package console

import (
	"strconv"
	"strings"

	"rollcall/account"
	"rollcall/scim"
)

// maxMembers is how many members the page of a group shows.
const maxMembers = 500

// group is the page of one group.
type group struct {
	ID, Name, Description, LDAP, Owner string
	Admin                              bool
	Version                            scim.Version
	Members                            []row
	More                               bool // than are shown
}

func listGroups(x *exchange) error { return x.groups(nil) }

func (x *exchange) groups(wrong error) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	query := &scim.Query{Types: []string{"Group"}, Start: 1, Count: 200}
	if query.SortBy, err = w.Model().Type("Group").Find("displayName"); err != nil {
		return err
	}
	text := strings.TrimSpace(x.r.URL.Query().Get("q"))
	if text != "" {
		if query.Filter, err = scim.ParseFilter("displayName co " + string(scim.AppendJSON(nil, text))); err != nil {
			return err
		}
	}
	page, err := w.Query(x.r.Context(), query)
	if err != nil {
		return err
	}
	list := people{Query: text, Total: page.Total}
	for _, s := range page.Resources {
		r, err := s.Resource()
		if err != nil {
			return err
		}
		list.Rows = append(list.Rows, row{ID: r.ID, Name: r.DisplayName()})
	}
	if wrong != nil {
		return x.again("groups", "Groups", list, wrong)
	}
	return x.page("groups", "Groups", list)
}

func createGroup(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	ref, err := w.CreateGroup(x.r.Context(), map[string]any{"displayName": x.form("displayName")})
	if err != nil {
		return x.groups(err)
	}
	return x.done("groups/"+ref.ID, "group")
}

func (x *exchange) groupRef() scim.Ref { return scim.Ref{Type: "Group", ID: x.r.PathValue("id")} }

func showGroup(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	return x.group(w, nil)
}

func (x *exchange) group(w *account.Workspace, wrong error) error {
	ctx := x.r.Context()
	s, err := w.Get(ctx, x.groupRef(), scim.With{})
	if err != nil {
		return err
	}
	r, err := s.Resource()
	if err != nil {
		return err
	}
	ext, _ := r.Attributes[scim.AccountGroupURN].(map[string]any)
	g := group{ID: r.ID, Name: r.DisplayName(), Owner: r.Owner, Version: s.Version}
	g.Description, _ = ext["description"].(string)
	g.Admin, _ = ext["admin"].(bool)
	names, _ := ext["ldapGroupNames"].([]any)
	for _, n := range names {
		text, _ := n.(string)
		g.LDAP += text + "\n"
	}
	for m, err := range w.Members(ctx, s.Ref, scim.Ref{}) {
		if err != nil {
			return err
		}
		if len(g.Members) == maxMembers {
			g.More = true
			break
		}
		member := row{ID: m.ID, Name: m.Type + " " + m.ID}
		if one, err := w.Get(ctx, m, scim.With{}); err == nil {
			if r, err := one.Resource(); err == nil {
				member.Name, member.Display = r.UserName(), r.DisplayName()
			}
		}
		g.Members = append(g.Members, member)
	}
	if wrong != nil {
		return x.again("group", g.Name, g, wrong)
	}
	return x.page("group", g.Name, g)
}

func editGroup(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	seen, err := strconv.ParseUint(x.form("version"), 10, 64)
	if err != nil {
		return scim.Errorf(scim.ErrInvalidValue, "the form has no version: load the page anew")
	}
	const urn = scim.AccountGroupURN + ":"
	names := []any{}
	for _, line := range x.lines("ldapGroupNames") {
		names = append(names, line)
	}
	ops := []scim.Operation{
		{Op: "replace", Path: "displayName", Value: x.form("displayName"), HasValue: true},
		{Op: "replace", Path: urn + "description", Value: x.form("description"), HasValue: true},
		{Op: "replace", Path: urn + "ldapGroupNames", Value: names, HasValue: true},
	}
	if x.Accounts.May(x.r.Context(), account.RolesAssign) == nil {
		ops = append(ops, scim.Operation{Op: "replace", Path: urn + "admin", Value: x.form("admin") != "", HasValue: true})
	}
	if err := w.Patch(x.r.Context(), x.groupRef(), scim.Version(seen), ops); err != nil {
		return x.group(w, err)
	}
	return x.done("groups/"+x.r.PathValue("id"), "saved")
}

// actOnGroup adds or removes a member, or deletes the group.
func actOnGroup(x *exchange) error {
	w, err := x.workspace()
	if err != nil {
		return err
	}
	ref, ctx, action := x.groupRef(), x.r.Context(), x.r.PathValue("action")
	back := "groups/" + ref.ID
	switch action {
	case "add":
		var found *scim.Stored
		if found, err = w.Lookup(ctx, "User", "userName", x.form("userName"), scim.With{}); err == nil {
			_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Member: found.Ref}}})
		}
	case "remove":
		_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: scim.MustExist, Edges: []scim.EdgeChange{{Remove: true, Member: scim.Ref{ID: x.form("id")}}}})
	case "delete":
		if x.form("sure") == "" {
			err = scim.Errorf(scim.ErrInvalidValue, "tick the box to delete for good")
			break
		}
		err = w.Delete(ctx, ref)
		back = "groups"
	default:
		return scim.Errorf(scim.ErrNotFound, "there is no such page")
	}
	if err != nil {
		return x.group(w, err)
	}
	return x.done(back, action)
}
