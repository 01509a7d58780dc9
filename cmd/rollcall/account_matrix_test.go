package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/account"
	"rollcall/internal/testserver"
	"rollcall/scim"
)

// matrixRow is one route, and what it takes of whoever calls it.
type matrixRow struct {
	method, path, body string
	needs              []scim.Permission // for an account of somebody else, or for none in particular
	self               []scim.Permission // for one's own account, where that differs; never for nobody
	never              bool              // not for one's own account
	writes             bool              // refused for an account that may do more
	ok                 []int             // what the route answers where it is allowed; 2xx otherwise
}

// matrix is the routes of SCIM and API that people come to, {id} being the account that they are about.
// What is not given here by a permission is expected to be refused.
func matrix() []matrixRow {
	nick := userPatch(`{"op":"replace","path":"nickName","value":"N"}`)
	p := func(list ...scim.Permission) []scim.Permission { return list }
	const u, r = account.UsersUpdate, account.UsersRead
	return []matrixRow{
		{method: "GET", path: "/scim/v2/Users/{id}", needs: p(r), self: p(account.SelfRead)},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: nick, needs: p(u, r), self: p(account.SelfUpdate, account.SelfRead), writes: true},
		{method: "PUT", path: "/scim/v2/Users/{id}", body: `{"userName":"{name}","active":false}`, needs: p(u, r), never: true, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"replace","path":"active","value":false}`), needs: p(u, r), never: true, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"add","value":{"roles":[{"value":"{top}"}]}}`), needs: p(u, r, account.RolesAssign, "top"), self: p(u, r, account.RolesAssign, "top"), writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"Replace","path":"Roles","value":{"value":"{top}","primary":true}}`), needs: p(u, r, account.RolesAssign, "top"), self: p(u, r, account.RolesAssign, "top"), writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"replace","path":"password","value":"a password of theirs"}`), needs: p(u, r), never: true, writes: true, ok: []int{400}},
		{method: "POST", path: "/api/v1/password", body: `{"userId":"{id}","new":"a password of theirs"}`, needs: p(u), never: true, writes: true, ok: []int{400}},
		{method: "POST", path: "/api/v1/users/{id}/password-reset", body: `{"mail":false}`, needs: p(u, r), never: true, writes: true, ok: []int{400}},
		{method: "POST", path: "/api/v1/users/{id}/deactivate", needs: p(u), never: true, writes: true},
		{method: "DELETE", path: "/scim/v2/Users/{id}", needs: p(account.UsersDelete, r), never: true, writes: true},
		{method: "PUT", path: "/api/v1/users/{id}/groups", body: `{"groups":[]}`, needs: p(account.GroupsUpdate)},
		{method: "GET", path: "/api/v1/users/{id}/leases", needs: p(account.LeasesManage)},
		{method: "POST", path: "/api/v1/users/{id}/leases", body: `{"application":"a","ttlSeconds":1}`, needs: p(account.LeasesManage)},
		{method: "GET", path: "/api/v1/authorization?user={id}", needs: p(r), self: p(account.SelfRead)},
		{method: "POST", path: "/api/v1/impersonations", body: `{"userId":"{id}"}`, needs: p(account.SessionsImpersonate), never: true, writes: true},

		{method: "GET", path: "/scim/v2/Users", needs: p(account.UsersList)},
		{method: "POST", path: "/scim/v2/Users", body: `{"userName":"{name}"}`, needs: p(account.UsersCreate), ok: []int{201, 400}},
		{method: "POST", path: "/api/v1/users", body: `{}`, needs: p(account.UsersCreate), ok: []int{400}},
		{method: "POST", path: "/api/v1/invitations", body: `{}`, needs: p(account.InvitationsManage), ok: []int{400}},
		{method: "GET", path: "/api/v1/invitations", needs: p(account.InvitationsManage)},
		{method: "GET", path: "/scim/v2/Groups", needs: p(account.GroupsRead)},
		{method: "GET", path: "/api/v1/authorization", needs: p(account.UsersList, r, account.GroupsRead)},
		{method: "GET", path: "/api/v1/settings", needs: p(account.SettingsRead)},
		{method: "PATCH", path: "/api/v1/settings", body: `{}`, needs: p(account.SettingsManage)},
		{method: "GET", path: "/api/v1/workspaces", needs: p(account.SettingsRead)},
		{method: "POST", path: "/api/v1/workspaces", body: `{"name":"Not A Name"}`, needs: p(account.WorkspacesManage), ok: []int{400}},
		{method: "GET", path: "/api/v1/tokens", needs: p(account.TokensManage)},
		{method: "POST", path: "/api/v1/tokens", body: `{"name":""}`, needs: p(account.TokensManage), ok: []int{400, 403}},
		{method: "GET", path: "/api/v1/clients", needs: p(account.TokensManage)},
		{method: "GET", path: "/api/v1/changes?after=0", needs: p(account.AuditRead)},
		{method: "GET", path: "/api/v1/sources", needs: p(account.SyncRead)},
		{method: "GET", path: "/api/v1/sync/runs", needs: p(account.SyncRead)},
		{method: "GET", path: "/api/v1/sessions", needs: nil},
		{method: "GET", path: "/scim/v2/Me", needs: p(account.SelfRead)},
		{method: "DELETE", path: "/scim/v2/Me", needs: p("nobody")},
		{method: "PATCH", path: "/scim/v2/Me", body: nick, needs: p(account.SelfUpdate, account.SelfRead)},
		{method: "PATCH", path: "/scim/v2/Me", body: userPatch(`{"op":"replace","path":"active","value":false}`), needs: p("nobody")},
		{method: "PATCH", path: "/scim/v2/Me", body: userPatch(`{"op":"add","value":{"roles":[{"value":"{top}"},{"value":"x"}]}}`), needs: p("nobody")},
	}
}

// TestPermissionMatrix calls every route as every role of every preset, about oneself, somebody else,
// somebody who may do more, and somebody of another workspace, and expects what the role's
// permissions say: what is not given is refused.
func TestPermissionMatrix(t *testing.T) {
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	s.workspace("elsewhere", "default")
	stranger := s.makeUser("elsewhere", "stranger", "").id
	calls := 0
	for _, preset := range account.Presets()[:testserver.Rounds(3, len(account.Presets()))] {
		ws := s.workspace("m-"+preset.Preset, preset.Preset)
		name := func(role, kind string) string {
			return strings.ToLower(role) + kind + map[bool]string{true: "@example.org", false: ""}[preset.UserNameIsEmail]
		}
		s.makeUser(ws, name("keeper", ""), preset.AdministratorRole)
		top := preset.Roles[len(preset.Roles)-1]
		for _, role := range preset.Roles {
			me := s.user(ws, name(role.Name, ""), role.Name)
			for i, row := range matrix() {
				targets := []string{"-"}
				if strings.Contains(row.path+row.body, "{id}") {
					targets = []string{"self", "other", "stronger", "elsewhere"}
				}
				for _, target := range targets {
					id, who := "", name(fmt.Sprintf("%s-%s-%d", role.Name, target, i), "")
					switch target {
					case "self":
						id = me.id
					case "other":
						id = s.plainUser(ws, who, preset.Roles[0].Name)
					case "stronger":
						id = s.plainUser(ws, who, top.Name)
					case "elsewhere":
						id = stranger
					}
					fill := strings.NewReplacer("{id}", id, "{name}", who, "{top}", top.Name)
					a := me.do(row.method, fill.Replace(row.path), fill.Replace(row.body))
					calls++
					if want := row.expects(role, top, target); !slices.Contains(want, a.code) {
						t.Errorf("%s/%s: %s %s about %s = %d %s, want one of %d", preset.Preset, role.Name, row.method, fill.Replace(row.path), target, a.code, a.text, want)
					}
					if a.code == 401 {
						t.Fatalf("%s/%s: %s %s about %s ended the session", preset.Preset, role.Name, row.method, row.path, target)
					}
				}
			}
		}
	}
	t.Logf("%d calls", calls)
}

// plainUser makes a user who has no password here, so that none has to be hashed: setting one is 400.
func (s *served) plainUser(workspace, name, role string) string {
	s.t.Helper()
	return s.want(201, "POST", "/w/"+workspace+"/scim/v2/Users", fmt.Sprintf(
		`{"userName":%q,"displayName":%[1]q,"emails":[{"value":"x@example.org"}],"roles":[{"value":%q}],"%s":{"source":"sso"}}`, name, role, urnAccount)).body["id"].(string)
}

// expects is which statuses a role is answered.
func (row *matrixRow) expects(role, top account.Role, target string) []int {
	ok := row.ok
	if ok == nil {
		ok = []int{200, 201, 204}
	}
	needs := row.needs
	if target == "self" {
		if row.never {
			return []int{403, 404} // 404: taken offline without the right
		}
		if row.self != nil && !holds(role, needs, top) {
			needs = row.self
		}
	}
	switch {
	case !holds(role, needs, top):
		return []int{403, 404}
	case target == "elsewhere":
		return []int{404}
	case target == "stronger" && row.writes && !holds(role, top.Permissions, top):
		return []int{403}
	case strings.Contains(row.path, "impersonations") && holds(map[string]account.Role{"stronger": top}[target], []scim.Permission{account.SessionsImpersonate}, top):
		return []int{403}
	}
	return ok
}

// holds tells whether a role has all of these; "top" stands for all that the highest role has.
func holds(role account.Role, needs []scim.Permission, top account.Role) bool {
	for _, p := range needs {
		if p == "top" && holds(role, top.Permissions, top) {
			continue
		}
		if !slices.Contains(role.Permissions, p) {
			return false
		}
	}
	return true
}
