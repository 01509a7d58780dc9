package account

import (
	"slices"

	"rollcall/scim"
)

// The permissions of a workspace's roles and tokens, by their names on the wire.
const (
	UsersCreate         scim.Permission = "users:create"
	UsersList           scim.Permission = "users:list"
	UsersRead           scim.Permission = "users:read"
	UsersUpdate         scim.Permission = "users:update"
	UsersDelete         scim.Permission = "users:delete"
	GroupsCreate        scim.Permission = "groups:create"
	GroupsRead          scim.Permission = "groups:read"
	GroupsUpdate        scim.Permission = "groups:update"
	GroupsDelete        scim.Permission = "groups:delete"
	SelfRead            scim.Permission = "self:read"
	SelfUpdate          scim.Permission = "self:update"
	RolesAssign         scim.Permission = "roles:assign"
	IDsSet              scim.Permission = "ids:set"
	InvitationsManage   scim.Permission = "invitations:manage"
	SessionsManage      scim.Permission = "sessions:manage"
	SessionsImpersonate scim.Permission = "sessions:impersonate"
	SecretsRead         scim.Permission = "secrets:read"
	SecretsWrite        scim.Permission = "secrets:write"
	CredentialsList     scim.Permission = "credentials:list"
	LeasesManage        scim.Permission = "leases:manage"
	TokensManage        scim.Permission = "tokens:manage"
	SyncRun             scim.Permission = "sync:run"
	SyncRead            scim.Permission = "sync:read"
	AuditRead           scim.Permission = "audit:read"
	SettingsRead        scim.Permission = "settings:read"
	SettingsManage      scim.Permission = "settings:manage"
	WorkspacesManage    scim.Permission = "workspaces:manage"
)

// Permissions lists every permission.
func Permissions() []scim.Permission {
	return []scim.Permission{
		UsersCreate, UsersList, UsersRead, UsersUpdate, UsersDelete,
		GroupsCreate, GroupsRead, GroupsUpdate, GroupsDelete,
		SelfRead, SelfUpdate, RolesAssign, IDsSet, InvitationsManage,
		SessionsManage, SessionsImpersonate, SecretsRead, SecretsWrite, CredentialsList,
		LeasesManage, TokensManage, SyncRun, SyncRead, AuditRead,
		SettingsRead, SettingsManage, WorkspacesManage,
	}
}

// ProvisioningScopes is what an identity provider's token holds unless told otherwise: all of
// users and groups, nothing else.
func ProvisioningScopes() []scim.Permission {
	return []scim.Permission{
		UsersCreate, UsersList, UsersRead, UsersUpdate, UsersDelete,
		GroupsCreate, GroupsRead, GroupsUpdate, GroupsDelete,
	}
}

func known(p scim.Permission) bool { return slices.Contains(Permissions(), p) }

type action int

const (
	actCreate action = iota
	actList
	actRead
	actUpdate
	actDelete
)

// permissionFor names the right to act on a type. Listing groups takes groups:read; a
// type that a workspace added is guarded as users are.
func permissionFor(typ string, act action) scim.Permission {
	if typ == "Group" {
		return [...]scim.Permission{GroupsCreate, GroupsRead, GroupsRead, GroupsUpdate, GroupsDelete}[act]
	}
	return [...]scim.Permission{UsersCreate, UsersList, UsersRead, UsersUpdate, UsersDelete}[act]
}
