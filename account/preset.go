package account

import (
	"slices"

	"rollcall/scim"
)

// DefaultPreset is that of the default workspace, and of one whose creator named none.
const DefaultPreset = "default"

// preset is what a workspace is made with. Its first role is that of a new account.
type preset struct {
	name     string
	settings Settings
	groups   []presetGroup
}

type presetGroup struct {
	name  string
	admin bool
}

// everything but that, in the order of Permissions.
func allBut(without ...scim.Permission) []scim.Permission {
	return slices.DeleteFunc(Permissions(), func(p scim.Permission) bool { return slices.Contains(without, p) })
}

var (
	selfOnly = []scim.Permission{SelfRead, SelfUpdate}
	readsAll = []scim.Permission{UsersList, UsersRead, GroupsRead, SelfRead, CredentialsList, SyncRead, AuditRead, SettingsRead}
)

// presets are the built-in ones: they hold the role names of the products that people come from
// (accounts.md §2).
func presets() []preset {
	admin := allBut(WorkspacesManage)
	base := func(adminRole, guestRole string, roles ...Role) Settings {
		return Settings{
			Roles: roles, AdministratorRole: adminRole, GuestRole: guestRole,
			Required: []string{}, DefaultGroups: []string{},
			PasswordPolicy:     PasswordPolicy{MinLength: 8, BreachedList: true},
			SessionIdleMinutes: 30, SessionMaxHours: 12,
			VerifyRegistration: true, HomePolicy: HomeNone,
		}
	}
	plain := base("admin", "guest",
		Role{"member", selfOnly}, Role{"guest", []scim.Permission{SelfRead}}, Role{"auditor", readsAll}, Role{"admin", admin})
	pysyft := base("ADMIN", "GUEST",
		Role{"DATA_SCIENTIST", selfOnly}, Role{"GUEST", selfOnly}, Role{"ADMIN", admin})
	pysyft.Required = []string{"name", "emails", "password"}
	pysyft.UserNameFromEmail, pysyft.VerifyRegistration = true, false
	argilla := base("admin", "",
		Role{"annotator", selfOnly}, Role{"admin", admin}, Role{"owner", Permissions()})
	argilla.FirstNameDefaultsToUserName = true
	accsyn := base("administrator", "",
		Role{"standard", selfOnly},
		Role{"employee", []scim.Permission{UsersList, UsersRead, GroupsRead, SelfRead, SelfUpdate, SettingsRead}},
		Role{"administrator", admin})
	accsyn.UserNameIsEmail, accsyn.OnRoleChange.ClearGroups = true, true
	dataiku := base("administrator", "", Role{"user", selfOnly}, Role{"administrator", admin})
	dioptra := base("admin", "", Role{"user", selfOnly}, Role{"admin", admin})
	dioptra.Required, dioptra.DefaultGroups = []string{"emails", "password"}, []string{"Public"}
	return []preset{
		{DefaultPreset, plain, nil},
		{"pysyft", pysyft, nil},
		{"argilla", argilla, nil},
		{"accsyn", accsyn, nil},
		{"dataiku", dataiku, []presetGroup{{"administrators", true}, {"data_scientists", false}, {"readers", false}}},
		{"dioptra", dioptra, []presetGroup{{"Public", false}}},
	}
}

// Presets lists the built-in presets by name, with the settings that each begins with.
func Presets() []Settings {
	var all []Settings
	for _, p := range presets() {
		p.settings.Preset = p.name
		all = append(all, p.settings)
	}
	return all
}

func presetNamed(name string) *preset {
	all := presets()
	if i := slices.IndexFunc(all, func(p preset) bool { return p.name == name }); i >= 0 {
		all[i].settings.Preset = name
		return &all[i]
	}
	return nil
}
