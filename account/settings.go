package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"rollcall/scim"
)

// Role is a name with a set of permissions.
type Role struct {
	Name        string            `json:"name"`
	Permissions []scim.Permission `json:"permissions"`
}

// PasswordPolicy is what a new password is held to.
type PasswordPolicy struct {
	MinLength        int  `json:"minLength"`        // characters
	BreachedList     bool `json:"breachedList"`     // whether accounts.breached_passwords counts here
	ExpiresAfterDays int  `json:"expiresAfterDays"` // 0: never
}

// Settings are those of one workspace.
type Settings struct {
	Preset string `json:"preset"` // that it was made with
	// Roles are the workspace's. The first is that of an account which has none of them.
	Roles []Role `json:"roles"`
	// AdministratorRole is what the members of an admin group have, and what somebody must always
	// hold. GuestRole is that of guests; "" for no guests at all.
	AdministratorRole string `json:"administratorRole"`
	GuestRole         string `json:"guestRole"`
	// Required are attributes without which no account is made: name, emails, password.
	Required []string `json:"required"`
	// UserNameFromEmail lets POST /api/v1/users do without a userName: it is the e-mail address.
	UserNameFromEmail           bool           `json:"userNameFromEmail"`
	UserNameIsEmail             bool           `json:"userNameIsEmail"`
	FirstNameDefaultsToUserName bool           `json:"firstNameDefaultsToUserName"`
	DefaultGroups               []string       `json:"defaultGroups"` // displayNames: every new account joins them
	PasswordPolicy              PasswordPolicy `json:"passwordPolicy"`
	OnRoleChange                OnRoleChange   `json:"onRoleChange"`
	TrialEndDisables            bool           `json:"trialEndDisables"` // the end of a trial disables the account
	AllowGuestLogin             bool           `json:"allowGuestLogin"`
	AllowGuestSignup            bool           `json:"allowGuestSignup"`   // anybody may register
	VerifyRegistration          bool           `json:"verifyRegistration"` // who registers gets an account by a mailed link
	HomePolicy                  string         `json:"homePolicy"`         // whether a new account gets a home: none, create
	SessionIdleMinutes          int            `json:"sessionIdleMinutes"`
	SessionMaxHours             int            `json:"sessionMaxHours"`
}

// OnRoleChange says what else ends with a change of role.
type OnRoleChange struct {
	ClearGroups bool `json:"clearGroups"`
}

// Bounds of settings.
const (
	maxRoles         = 100
	maxDefaultGroups = 20
	maxSessionIdle   = 30 * 24 * 60
	maxSessionHours  = 90 * 24
)

// Validate reports what is wrong with the settings.
func (s *Settings) Validate() error {
	bad := func(format string, args ...any) error { return scim.Errorf(scim.ErrInvalidValue, format, args...) }
	if len(s.Roles) == 0 || len(s.Roles) > maxRoles {
		return bad("roles: a workspace has 1 to %d", maxRoles)
	}
	seen := map[string]bool{}
	for _, r := range s.Roles {
		if r.Name == "" || len(r.Name) > 100 || seen[r.Name] {
			return bad("roles: each has a name of 1 to 100 characters, and no two the same")
		}
		seen[r.Name] = true
		for _, p := range r.Permissions {
			if !known(p) {
				return bad("roles: %s has the unknown permission %q: there are %s", r.Name, p, joinPermissions(Permissions()))
			}
		}
	}
	admin := s.role(s.AdministratorRole)
	if admin == nil {
		return bad("administratorRole: there is no role %q", s.AdministratorRole)
	}
	for _, p := range []scim.Permission{UsersRead, UsersUpdate, RolesAssign, SettingsManage} {
		if !slices.Contains(admin.Permissions, p) {
			return bad("roles: %s is the role of administrators, who need %s", admin.Name, p)
		}
	}
	if s.GuestRole != "" && s.role(s.GuestRole) == nil {
		return bad("guestRole: there is no role %q", s.GuestRole)
	}
	if s.AllowGuestLogin && s.GuestRole == "" {
		return bad("allowGuestLogin: set guestRole first")
	}
	for _, name := range s.Required {
		if !slices.Contains([]string{"name", "emails", "password"}, name) {
			return bad("required: %q is none of name, emails, password", name)
		}
	}
	if s.HomePolicy != HomeNone && s.HomePolicy != HomeCreate {
		return bad("homePolicy: %q is none of %s, %s", s.HomePolicy, HomeNone, HomeCreate)
	}
	if len(s.DefaultGroups) > maxDefaultGroups {
		return bad("defaultGroups: at most %d", maxDefaultGroups)
	}
	if p := s.PasswordPolicy; p.MinLength < 8 || p.MinLength > 128 || p.ExpiresAfterDays < 0 || p.ExpiresAfterDays > 3650 {
		return bad("passwordPolicy: minLength is between 8 and 128, expiresAfterDays between 0 (never) and 3650")
	}
	if s.SessionIdleMinutes < 1 || s.SessionIdleMinutes > maxSessionIdle || s.SessionMaxHours < 1 || s.SessionMaxHours > maxSessionHours {
		return bad("sessionIdleMinutes is between 1 and %d, sessionMaxHours between 1 and %d", maxSessionIdle, maxSessionHours)
	}
	return nil
}

func (s *Settings) role(name string) *Role {
	if i := slices.IndexFunc(s.Roles, func(r Role) bool { return r.Name == name }); i >= 0 {
		return &s.Roles[i]
	}
	return nil
}

// storedSettings reads a workspace's settings as they are kept, with the text to compare at a
// change: empty where there is none yet.
func (d *Directory) storedSettings(ctx context.Context, workspace string) (*Settings, []byte, error) {
	text, err := d.settingsKV.Get(ctx, workspace)
	if errors.Is(err, scim.ErrNotFound) {
		s := presetNamed(DefaultPreset).settings
		return &s, []byte{}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("account: settings of %s: %w", workspace, err)
	}
	s := &Settings{VerifyRegistration: true, HomePolicy: HomeNone} // those kept by an older version lack them
	if err := json.Unmarshal(text, s); err != nil {
		return nil, nil, scim.Errorf(scim.ErrCorrupt, "settings of %s: %v", workspace, err)
	}
	return s, text, nil
}

// settings are those of a workspace, at most cacheTime old. Nobody may change them.
func (d *Directory) settings(ctx context.Context, workspace string) (*Settings, error) {
	return d.settingsCache.get(workspace, func() (*Settings, error) {
		s, _, err := d.storedSettings(ctx, workspace)
		return s, err
	})
}

// Settings are the workspace's. It takes settings:read.
func (w *Workspace) Settings(ctx context.Context) (*Settings, error) {
	if err := w.may(ctx, SettingsRead); err != nil {
		return nil, err
	}
	s, _, err := w.dir.storedSettings(ctx, w.name)
	return s, err
}

// PatchSettings changes the workspace's settings by a merge patch (RFC 7396). It takes
// settings:manage, and roles:assign where roles change; nobody can give a role what they lack.
func (w *Workspace) PatchSettings(ctx context.Context, patch map[string]any) (*Settings, error) {
	if err := w.may(ctx, SettingsManage); err != nil {
		return nil, err
	}
	for range 10 {
		old, text, err := w.dir.storedSettings(ctx, w.name)
		if err != nil {
			return nil, err
		}
		next, err := old.merged(patch)
		if err != nil {
			return nil, err
		}
		if err := w.checkSettings(ctx, old, next); err != nil {
			return nil, err
		}
		value, err := json.Marshal(next)
		if err != nil {
			return nil, err
		}
		if err := w.noteSettings(ctx, old, next); err != nil {
			return nil, err
		}
		err = w.dir.settingsKV.Put(ctx, w.name, value, text)
		w.dir.settingsCache.forget(w.name)
		if !errors.Is(err, scim.ErrVersionMismatch) {
			return next, err
		}
	}
	return nil, scim.Errorf(scim.ErrUnavailable, "the settings are being changed by others; try again")
}

// noteSettings tells the audit which settings change, from what to what.
func (w *Workspace) noteSettings(ctx context.Context, old, next *Settings) error {
	was, is := map[string]any{}, map[string]any{}
	for settings, into := range map[*Settings]map[string]any{old: was, next: is} {
		text, err := json.Marshal(settings)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &into); err != nil {
			return err
		}
	}
	detail := map[string]any{}
	for name, value := range is {
		if !reflect.DeepEqual(was[name], value) {
			detail[name] = map[string]any{"before": was[name], "after": value}
		}
	}
	if roles, ok := detail["roles"]; ok { // they are long: which they are now is in the settings
		if text, err := json.Marshal(roles); err == nil && len(text) > 8<<10 {
			detail["roles"] = "changed"
		}
	}
	return w.note(ctx, AuditEvent{Type: "settings.changed", Detail: detail})
}

// merged is the settings after a merge patch.
func (s *Settings) merged(patch map[string]any) (*Settings, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	text, err = json.Marshal(mergePatch(whole, patch))
	if err != nil {
		return nil, err
	}
	next := &Settings{}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(next); err != nil {
		return nil, scim.Errorf(scim.ErrInvalidValue, "the settings cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if next.Preset != s.Preset {
		return nil, scim.Errorf(scim.ErrInvalidValue, "preset: it is chosen when a workspace is made, and stays")
	}
	for _, list := range []*[]string{&next.Required, &next.DefaultGroups} {
		if *list == nil {
			*list = []string{}
		}
	}
	return next, next.Validate()
}

// mergePatch is RFC 7396.
func mergePatch(target any, patch map[string]any) map[string]any {
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(object, name)
		case map[string]any:
			object[name] = mergePatch(object[name], v)
		default:
			object[name] = v
		}
	}
	return object
}

// checkSettings holds a change of roles to what the actor may give.
func (w *Workspace) checkSettings(ctx context.Context, old, next *Settings) error {
	if !slices.Equal(old.DefaultGroups, next.DefaultGroups) {
		if err := w.checkDefaultGroups(ctx, next.DefaultGroups); err != nil {
			return err
		}
	}
	same := reflect.DeepEqual(old.Roles, next.Roles) && old.AdministratorRole == next.AdministratorRole && old.GuestRole == next.GuestRole
	if same {
		return nil
	}
	if err := w.may(ctx, RolesAssign); err != nil {
		return err
	}
	actor := scim.ActorFrom(ctx)
	for i, r := range next.Roles {
		was := old.role(r.Name)
		for _, p := range r.Permissions {
			held := was != nil && slices.Contains(was.Permissions, p)
			if !actor.Can(p) && (!held || i == 0 && old.Roles[0].Name != r.Name || r.Name == next.GuestRole && r.Name != old.GuestRole) {
				return scim.Errorf(scim.ErrForbidden, "roles: you cannot give %s the permission %s, which you do not hold", r.Name, p)
			}
		}
	}
	if next.AdministratorRole == old.AdministratorRole && reflect.DeepEqual(old.role(old.AdministratorRole), next.role(next.AdministratorRole)) && rolesKept(old, next) {
		return nil
	}
	return w.rebuildAdministrators(ctx, next)
}

// checkDefaultGroups refuses a group that would make an administrator of everybody.
func (w *Workspace) checkDefaultGroups(ctx context.Context, names []string) error {
	admins, err := w.adminGroups(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		group, err := w.groupNamed(ctx, name)
		switch {
		case errors.Is(err, scim.ErrNotFound): // it is made for the first who joins
			if _, err := scim.DisplayNameKey(name); err != nil {
				return scim.Errorf(scim.ErrInvalidValue, "defaultGroups: %q cannot be the name of a group", name)
			}
		case err != nil:
			return err
		default:
			within, err := w.isWithin(ctx, group, admins)
			if err != nil {
				return err
			}
			if !within && !admins[group.ID] {
				continue
			}
			return scim.Errorf(scim.ErrInvalidValue, "defaultGroups: the members of %q are administrators, which not everybody shall be", name)
		}
	}
	return nil
}

// rolesKept tells that every role of before is there still.
func rolesKept(old, next *Settings) bool {
	for _, r := range old.Roles {
		if now := next.role(r.Name); now == nil || !reflect.DeepEqual(*now, r) {
			return false
		}
	}
	return true
}
