package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"rollcall/account"
	"rollcall/scim"
)

// applyStep is one thing that apply does.
type applyStep struct {
	Action  string   `json:"action"` // create, update, delete
	Kind    string   `json:"kind"`   // workspace, settings, group, client, source
	Name    string   `json:"name"`
	In      string   `json:"in,omitempty"` // the workspace of a group, the file of a client
	Changes []change `json:"changes,omitempty"`
	Weakens []string `json:"weakens,omitempty"` // why it wants --yes

	at  place
	run func() error
}

// change is a value that becomes another.
type change struct {
	Path string `json:"path"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`
}

// planner compares what is wanted with what there is.
type planner struct {
	cli        *cli
	client     *client
	configFile string // that clients and sources are in, "" for none
	steps      []*applyStep
	problems   []Problem
}

func (p *planner) bad(problem Problem) { p.problems = append(p.problems, problem) }

// plan fills steps; what cannot be is a ConfigError.
func (p *planner) plan(ctx context.Context, w *wanted) error {
	var list struct{ Workspaces []account.WorkspaceInfo }
	if len(w.workspaces) > 0 {
		if err := p.client.call(ctx, http.MethodGet, "/api/v1/workspaces", nil, nil, &list); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.workspaces)) {
		ws := w.workspaces[name]
		i := slices.IndexFunc(list.Workspaces, func(info account.WorkspaceInfo) bool { return info.Name == name })
		if i < 0 {
			p.newWorkspace(ctx, name, ws)
			continue
		}
		if ws.preset != "" && ws.preset != list.Workspaces[i].Preset {
			p.bad(ws.presetAt.problem("workspaces."+name+".preset", "A preset is chosen when a workspace is made, and stays", "the workspace has the preset %s", list.Workspaces[i].Preset))
		}
		if err := p.settings(ctx, name, ws); err != nil {
			return err
		}
		for _, group := range slices.Sorted(maps.Keys(ws.groups)) {
			if err := p.group(ctx, name, group, ws.groups[group]); err != nil {
				return err
			}
		}
	}
	if err := p.planConfig(w); err != nil {
		return err
	}
	if len(p.problems) > 0 {
		return &ConfigError{p.problems}
	}
	return nil
}

// newWorkspace makes a workspace, then gives it what its preset does not.
func (p *planner) newWorkspace(ctx context.Context, name string, ws *wantedWorkspace) {
	st := &applyStep{Action: "create", Kind: "workspace", Name: name, at: ws.at}
	if ws.preset != "" {
		st.Changes = append(st.Changes, change{Path: "preset", New: ws.preset})
		st.at = ws.presetAt
	}
	for _, key := range slices.Sorted(maps.Keys(ws.settings)) {
		st.Changes = append(st.Changes, change{Path: "settings." + key, New: ws.settings[key]})
	}
	for _, group := range slices.Sorted(maps.Keys(ws.groups)) {
		if !ws.groups[group].absent {
			st.Changes = append(st.Changes, change{Path: "groups", New: group})
		}
	}
	st.run = func() error {
		body := map[string]string{"name": name, "preset": ws.preset}
		if err := p.client.call(ctx, http.MethodPost, "/api/v1/workspaces", nil, body, nil); err != nil {
			return err
		}
		rest := &planner{cli: p.cli, client: p.client}
		if err := rest.settings(ctx, name, ws); err != nil {
			return err
		}
		for _, group := range slices.Sorted(maps.Keys(ws.groups)) {
			if err := rest.group(ctx, name, group, ws.groups[group]); err != nil {
				return err
			}
		}
		if len(rest.problems) > 0 {
			return &ConfigError{rest.problems}
		}
		return rest.do()
	}
	p.steps = append(p.steps, st)
}

// settings plans a merge patch of those that differ.
func (p *planner) settings(ctx context.Context, name string, ws *wantedWorkspace) error {
	if len(ws.settings) == 0 {
		return nil
	}
	var now map[string]any
	if err := p.client.call(ctx, http.MethodGet, "/api/v1/settings", url.Values{"workspace": {name}}, nil, &now); err != nil {
		return err
	}
	st := &applyStep{Action: "update", Kind: "settings", Name: name}
	patch, next := map[string]any{}, maps.Clone(now)
	for _, key := range slices.Sorted(maps.Keys(ws.settings)) {
		after := ws.settings[key]
		if object, ok := after.(map[string]any); ok {
			after = mergedMap(now[key], object)
		}
		if reflect.DeepEqual(now[key], after) {
			continue
		}
		patch[key], next[key] = ws.settings[key], after
		st.at = ws.settingsAt[key]
		st.Changes = append(st.Changes, mapChanges(key, now[key], after)...)
	}
	if len(patch) == 0 {
		return nil
	}
	if problem, ok := refusedSettings(next); ok {
		key, _, _ := strings.Cut(problem, ":")
		at, told := ws.settingsAt[key]
		if !told {
			at = st.at
		}
		p.bad(at.problem("workspaces."+name+".settings", "", "%s", problem))
		return nil
	}
	var before, after account.Settings
	if err := recode(now, &before); err != nil {
		return err
	}
	if err := recode(next, &after); err != nil {
		return err
	}
	st.Weakens = weakens(&before, &after)
	st.run = func() error {
		return p.client.call(ctx, http.MethodPatch, "/api/v1/settings", url.Values{"workspace": {name}}, patch, nil)
	}
	p.steps = append(p.steps, st)
	return nil
}

// refusedSettings tells what the server will say of settings that are wrong in themselves.
func refusedSettings(all map[string]any) (string, bool) {
	var s account.Settings
	err := recode(all, &s)
	if err == nil {
		err = s.Validate()
	}
	var told *scim.Error
	switch {
	case err == nil:
		return "", false
	case errors.As(err, &told):
		return told.Detail, true
	}
	return err.Error(), true
}

func recode(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// mergedMap is RFC 7396.
func mergedMap(old any, patch map[string]any) map[string]any {
	have, _ := old.(map[string]any)
	all := maps.Clone(have)
	if all == nil {
		all = map[string]any{}
	}
	for key, v := range patch {
		if object, ok := v.(map[string]any); ok {
			v = mergedMap(all[key], object)
		}
		all[key] = v
		if v == nil {
			delete(all, key)
		}
	}
	return all
}

func mapChanges(path string, old, now any) []change {
	before, isMap := old.(map[string]any)
	after, both := now.(map[string]any)
	if !isMap || !both {
		return []change{{path, old, now}}
	}
	var list []change
	for _, key := range slices.Sorted(maps.Keys(merged(before, after))) {
		if !reflect.DeepEqual(before[key], after[key]) {
			list = append(list, mapChanges(path+"."+key, before[key], after[key])...)
		}
	}
	return list
}

// weakens lists what of a workspace's settings protects less than before.
func weakens(old, now *account.Settings) []string {
	var list []string
	add := func(is bool, what string) {
		if is {
			list = append(list, what)
		}
	}
	expiry := func(days int) int {
		if days == 0 {
			return 1 << 30
		}
		return days
	}
	for _, r := range old.Roles {
		add(!slices.ContainsFunc(now.Roles, func(n account.Role) bool { return n.Name == r.Name }), "the role "+r.Name+" is removed")
	}
	for _, r := range now.Roles {
		i := slices.IndexFunc(old.Roles, func(o account.Role) bool { return o.Name == r.Name })
		if i < 0 {
			continue
		}
		for _, permission := range r.Permissions {
			add(!slices.Contains(old.Roles[i].Permissions, permission), fmt.Sprintf("the role %s gets %s", r.Name, permission))
		}
		for _, permission := range old.Roles[i].Permissions {
			add(!slices.Contains(r.Permissions, permission), fmt.Sprintf("the role %s loses %s", r.Name, permission))
		}
	}
	add(len(old.Roles) > 0 && len(now.Roles) > 0 && old.Roles[0].Name != now.Roles[0].Name, "the default role is another")
	add(old.AdministratorRole != now.AdministratorRole, "the role of administrators is another")
	add(old.PasswordPolicy.MinLength > now.PasswordPolicy.MinLength, "passwords may be shorter")
	add(old.PasswordPolicy.BreachedList && !now.PasswordPolicy.BreachedList, "passwords that became known are allowed")
	add(expiry(old.PasswordPolicy.ExpiresAfterDays) < expiry(now.PasswordPolicy.ExpiresAfterDays), "passwords last longer")
	add(!old.AllowGuestLogin && now.AllowGuestLogin, "guests may log in")
	add(old.TrialEndDisables && !now.TrialEndDisables, "the end of a trial disables nobody")
	add(old.OnRoleChange.ClearGroups && !now.OnRoleChange.ClearGroups, "groups stay when a role changes")
	add(old.UserNameIsEmail && !now.UserNameIsEmail, "a userName need not be an e-mail address")
	add(old.SessionIdleMinutes < now.SessionIdleMinutes || old.SessionMaxHours < now.SessionMaxHours, "sessions last longer")
	for _, name := range old.Required {
		add(!slices.Contains(now.Required, name), name+" is not required any more")
	}
	return list
}

// group plans one group of a workspace.
func (p *planner) group(ctx context.Context, workspace, name string, g *wantedGroup) error {
	path := scimPath(workspace, "Groups")
	var leaveOut []string
	if g.Members == nil {
		leaveOut = []string{"members"}
	}
	found, err := p.named(ctx, path, "displayName", name, leaveOut...)
	if err != nil {
		return err
	}
	members, ok, err := p.memberIDs(ctx, workspace, name, g)
	if err != nil || !ok {
		return err
	}
	st := &applyStep{Kind: "group", Name: name, In: workspace, at: g.at}
	switch {
	case found == nil && g.absent:
		return nil
	case found == nil:
		p.createGroup(ctx, st, path, g, members)
	case g.absent:
		st.Action, st.Weakens = "delete", []string{"it is removed"}
		id := found.text("id")
		st.run = func() error { return p.client.call(ctx, http.MethodDelete, path+"/"+url.PathEscape(id), nil, nil, nil) }
	default:
		if !p.changeGroup(ctx, st, path, found, g, members) {
			return nil
		}
	}
	p.steps = append(p.steps, st)
	return nil
}

// named finds a resource by its name; nil for none.
func (p *planner) named(ctx context.Context, path, attr, name string, leaveOut ...string) (resource, error) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	var page struct{ Resources []resource }
	query := url.Values{"filter": {attr + " eq " + string(quoted)}, "excludedAttributes": leaveOut}
	if err := p.client.call(ctx, http.MethodGet, path, query, nil, &page); err != nil || len(page.Resources) == 0 {
		return nil, err
	}
	return page.Resources[0], nil
}

// memberIDs finds the users that a group names: userName by id.
func (p *planner) memberIDs(ctx context.Context, workspace, group string, g *wantedGroup) (ids map[string]string, ok bool, err error) {
	ids, ok = map[string]string{}, true
	for i, name := range g.Members {
		user, err := p.named(ctx, scimPath(workspace, "Users"), "userName", name)
		if err != nil {
			return nil, false, err
		}
		if user == nil {
			p.bad(g.membersAt[i].problem("workspaces."+workspace+".groups."+group+".members", "`rollcall user create` or `rollcall import` makes one", "there is no user %s in %s", quote(name), workspace))
			ok = false
			continue
		}
		ids[user.text("id")] = name
	}
	return ids, ok, nil
}

func (g *wantedGroup) extension() map[string]any {
	ext := map[string]any{}
	if g.Description != nil {
		ext["description"] = *g.Description
	}
	if g.Admin != nil {
		ext["admin"] = *g.Admin
	}
	if g.LDAPGroups != nil {
		list := []any{}
		for _, name := range g.LDAPGroups {
			list = append(list, name)
		}
		ext["ldapGroupNames"] = list
	}
	return ext
}

func (p *planner) createGroup(ctx context.Context, st *applyStep, path string, g *wantedGroup, members map[string]string) {
	ext := g.extension()
	body := map[string]any{"displayName": st.Name, "members": memberValues(slices.Sorted(maps.Keys(members)))}
	if len(ext) > 0 {
		body[scim.AccountGroupURN] = ext
	}
	st.Action = "create"
	for _, key := range slices.Sorted(maps.Keys(ext)) {
		st.Changes = append(st.Changes, change{Path: key, New: ext[key]})
	}
	for _, name := range slices.Sorted(maps.Values(members)) {
		st.Changes = append(st.Changes, change{Path: "members", New: name})
	}
	if ext["admin"] == true {
		st.Weakens = append(st.Weakens, "its members are administrators")
	}
	st.run = func() error { return p.client.call(ctx, http.MethodPost, path, nil, body, nil) }
}

func memberValues(ids []string) []any {
	list := []any{}
	for _, id := range ids {
		list = append(list, map[string]any{"value": id})
	}
	return list
}

// changeGroup fills a step with what differs, and tells whether anything does. Groups among the
// members stay: a file names users.
func (p *planner) changeGroup(ctx context.Context, st *applyStep, path string, old resource, g *wantedGroup, members map[string]string) bool {
	have, _ := old[scim.AccountGroupURN].(map[string]any)
	set := map[string]any{}
	for key, v := range g.extension() {
		was := have[key]
		if list, ok := v.([]any); same(was, v) || was == nil && (v == "" || v == false || ok && len(list) == 0) {
			continue
		}
		set[key] = v
		st.Changes = append(st.Changes, change{key, was, v})
		if key == "admin" && v == true {
			st.Weakens = append(st.Weakens, "its members are administrators")
		}
	}
	var ops []any
	if len(set) > 0 {
		ops = append(ops, map[string]any{"op": "replace", "value": map[string]any{scim.AccountGroupURN: set}})
	}
	if g.Members != nil {
		users := scimPath(st.In, "Users")
		ops = append(ops, st.changeMembers(old, members, func(id string) string {
			var user resource
			err := p.client.call(ctx, http.MethodGet, users+"/"+url.PathEscape(id), url.Values{"attributes": {"userName"}}, nil, &user)
			if err != nil { // it is only for show
				return id
			}
			return user.text("userName")
		})...)
	}
	if len(ops) == 0 {
		return false
	}
	slices.SortFunc(st.Changes, func(a, b change) int { return strings.Compare(a.Path, b.Path) })
	st.Action = "update"
	id := old.text("id")
	st.run = func() error {
		for batch := range slices.Chunk(ops, 500) {
			body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": batch}
			if err := p.client.call(ctx, http.MethodPatch, path+"/"+url.PathEscape(id), nil, body, nil); err != nil {
				return err
			}
		}
		return nil
	}
	return true
}

func (st *applyStep) changeMembers(old resource, members map[string]string, name func(id string) string) (ops []any) {
	there := map[string]bool{}
	list, _ := old["members"].([]any)
	for _, m := range list {
		object, _ := m.(map[string]any)
		id, _ := object["value"].(string)
		if object["type"] == "Group" {
			continue
		}
		there[id] = true
		if _, wanted := members[id]; !wanted {
			st.Changes = append(st.Changes, change{Path: "members", Old: name(id)})
			st.Weakens = append(st.Weakens, "a member is removed")
			ops = append(ops, map[string]any{"op": "remove", "path": fmt.Sprintf("members[value eq %q]", id)})
		}
	}
	var add []string
	for _, id := range slices.Sorted(maps.Keys(members)) {
		if !there[id] {
			st.Changes = append(st.Changes, change{Path: "members", New: members[id]})
			add = append(add, id)
		}
	}
	for batch := range slices.Chunk(add, 500) {
		ops = append(ops, map[string]any{"op": "add", "path": "members", "value": memberValues(batch)})
	}
	return ops
}
