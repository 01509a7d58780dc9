package account

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"rollcall/scim"
)

// WorkspaceInfo is a workspace as lists show it.
type WorkspaceInfo struct {
	Name   string `json:"name"`
	Preset string `json:"preset"`
}

// Workspaces lists those that the actor may enter: for whoever may read settings, their own.
func (d *Directory) Workspaces(ctx context.Context) ([]WorkspaceInfo, error) {
	actor := scim.ActorFrom(ctx)
	if err := may(actor, SettingsRead); err != nil {
		return nil, err
	}
	names := []string{actor.Workspace}
	if actor.Workspace == "" || actor.Roams {
		var err error
		if names, err = d.list(ctx); err != nil {
			return nil, err
		}
	}
	infos := make([]WorkspaceInfo, 0, len(names))
	for _, name := range names {
		s, err := d.settings(ctx, name)
		if err != nil {
			return nil, err
		}
		infos = append(infos, WorkspaceInfo{name, s.Preset})
	}
	return infos, nil
}

// CreateWorkspace makes a workspace with the roles, settings and groups of a preset. It takes
// workspaces:manage.
func (d *Directory) CreateWorkspace(ctx context.Context, name, preset string) (WorkspaceInfo, error) {
	actor := scim.ActorFrom(ctx)
	if err := may(actor, WorkspacesManage); err != nil {
		return WorkspaceInfo{}, err
	}
	if preset == "" {
		preset = DefaultPreset
	}
	p := presetNamed(preset)
	if p == nil {
		var names []string
		for _, p := range presets() {
			names = append(names, p.name)
		}
		return WorkspaceInfo{}, scim.Errorf(scim.ErrInvalidValue, "preset: %q is none of %s", preset, strings.Join(names, ", "))
	}
	if err := d.create(ctx, name); err != nil {
		return WorkspaceInfo{}, err
	}
	if err := d.Note(ctx, name, AuditEvent{Type: "workspace.created", Detail: map[string]any{"workspace": name, "preset": preset}}); err != nil {
		return WorkspaceInfo{}, err
	}
	text, err := json.Marshal(&p.settings)
	if err != nil {
		return WorkspaceInfo{}, err
	}
	if err := d.settingsKV.Put(ctx, name, text, nil); err != nil {
		return WorkspaceInfo{}, err
	}
	d.settingsCache.forget(name)
	w, err := d.Workspace(ctx, name)
	if err != nil {
		return WorkspaceInfo{}, err
	}
	for _, g := range p.groups {
		if _, err := w.makeGroup(ctx, g.name, g.admin); err != nil {
			return WorkspaceInfo{}, err
		}
	}
	return WorkspaceInfo{name, preset}, nil
}

// AddMember gives a person of another workspace an account in this one, with the same id; one who
// has it already gets the role. It takes the right to make accounts (or to change them), and
// to enter the workspace.
func (w *Workspace) AddMember(ctx context.Context, id, role string) (*scim.Stored, error) {
	if err := w.may(ctx, UsersCreate); err != nil {
		return nil, err
	}
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	if role != "" && s.role(role) == nil {
		return nil, scim.Errorf(scim.ErrInvalidValue, "role: the workspace %s has no role %q", w.name, role)
	}
	ref := scim.Ref{Type: "User", ID: id}
	here, err := w.store.Get(ctx, ref, scim.With{Groups: true})
	if err == nil {
		if role == "" {
			return here, nil
		}
		return w.SetRole(ctx, id, role)
	}
	if !errors.Is(err, scim.ErrNotFound) {
		return nil, err
	}
	from, home, err := w.dir.findPerson(ctx, ref, w.name)
	if err != nil {
		return nil, err
	}
	r, err := from.Resource()
	if err != nil {
		return nil, err
	}
	if role == "" {
		role = s.Roles[0].Name
	}
	put := &scim.Resource{Header: scim.Header{Ref: ref}, Attributes: carried(r, role)}
	// The person is known to be in both before there is a second account.
	if _, err := w.dir.people.enter(ctx, id, home, w.name); err != nil {
		return nil, err
	}
	done, err := w.makeAccount(ctx, &scim.Commit{Ref: ref, Expect: scim.MustNotExist, Put: put})
	if err != nil {
		return nil, errors.Join(err, w.dir.people.leave(ctx, id, w.name))
	}
	return done, nil
}

// makeAccount makes an account whose person may have a password already.
func (w *Workspace) makeAccount(ctx context.Context, c *scim.Commit) (*scim.Stored, error) {
	ch, err := w.begin(ctx, c)
	if err != nil {
		return nil, err
	}
	if ch.settings, err = w.dir.settings(ctx, w.name); err != nil {
		return nil, err
	}
	ch.passwordLater = true
	if err := ch.reviewUser(ctx); err != nil {
		return nil, err
	}
	if _, err := ch.run(ctx); err != nil {
		return nil, err
	}
	return w.store.Get(ctx, c.Ref, scim.With{Groups: true})
}

// carried is what a person brings along into another workspace: their names, not their standing.
func carried(r *scim.Resource, role string) map[string]any {
	attributes := map[string]any{}
	for _, name := range []string{"userName", "displayName", "name", "nickName", "emails", "phoneNumbers", "photos", "profileUrl", "preferredLanguage", "locale", "timezone", "title"} {
		if v, ok := r.Clone().Attributes[name]; ok {
			attributes[name] = v
		}
	}
	attributes["roles"] = []any{map[string]any{"value": role, "primary": true}}
	if source := sourceOf(r); source != "local" {
		attributes[scim.AccountUserURN] = map[string]any{"source": source}
	}
	return attributes
}

// findPerson finds the account of a person in any other workspace that the actor may enter.
func (d *Directory) findPerson(ctx context.Context, ref scim.Ref, but string) (*scim.Stored, string, error) {
	actor := scim.ActorFrom(ctx)
	names, err := d.list(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		if name == but || !actor.In(name) {
			continue
		}
		w, err := d.Workspace(ctx, name)
		if err != nil {
			return nil, "", err
		}
		found, err := w.store.Get(ctx, ref, scim.With{})
		if errors.Is(err, scim.ErrNotFound) {
			continue
		}
		return found, name, err
	}
	return nil, "", scim.Errorf(scim.ErrNotFound, "there is no person with the id %q", ref.ID)
}

// RemoveMember takes a person's account in this workspace away; what they have in others stays. It
// returns the account as it was.
func (w *Workspace) RemoveMember(ctx context.Context, id string) (*scim.Stored, error) {
	ref := scim.Ref{Type: "User", ID: id}
	if err := w.may(ctx, UsersDelete); err != nil {
		return nil, err
	}
	old, err := w.store.Get(ctx, ref, scim.With{Groups: true})
	if err != nil {
		return nil, err
	}
	_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Delete: true})
	return old, err
}

// SetRole makes a role the only one of the workspace's that an account has.
func (w *Workspace) SetRole(ctx context.Context, id, role string) (*scim.Stored, error) {
	s, err := w.dir.settings(ctx, w.name)
	if err != nil {
		return nil, err
	}
	if s.role(role) == nil {
		return nil, scim.Errorf(scim.ErrInvalidValue, "role: the workspace %s has no role %q", w.name, role)
	}
	return w.update(ctx, id, func(r *scim.Resource) error {
		kept := []any{map[string]any{"value": role, "primary": true}}
		values, _ := r.Attributes["roles"].([]any)
		for _, v := range values {
			m, _ := v.(map[string]any)
			if name, _ := m["value"].(string); s.role(name) == nil {
				delete(m, "primary")
				kept = append(kept, m)
			}
		}
		r.Attributes["roles"] = kept
		return nil
	})
}

// update changes an account, as often as it takes, and returns it with its groups.
func (w *Workspace) update(ctx context.Context, id string, change func(r *scim.Resource) error) (*scim.Stored, error) {
	ref := scim.Ref{Type: "User", ID: id}
	for range 10 {
		if err := w.allowRead(ctx, ref); err != nil {
			return nil, err
		}
		old, err := w.store.Get(ctx, ref, scim.With{})
		if err != nil {
			return nil, err
		}
		before, err := old.Resource()
		if err != nil {
			return nil, err
		}
		put := before.Clone()
		if err := change(put); err != nil {
			return nil, err
		}
		_, err = w.Commit(ctx, &scim.Commit{Ref: ref, Expect: old.Version, Old: old, Before: before, Put: put})
		if errors.Is(err, scim.ErrVersionMismatch) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return w.store.Get(ctx, ref, scim.With{Groups: true})
	}
	return nil, scim.Errorf(scim.ErrUnavailable, "the account is being changed by others; try again")
}
