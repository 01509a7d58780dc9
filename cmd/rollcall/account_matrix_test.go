package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/account"
	"rollcall/internal/api"
	"rollcall/internal/testserver"
	"rollcall/scim"
)

// matrixRow is one call, and what it takes of whoever makes it.
type matrixRow struct {
	method, path, body string
	needs              []scim.Permission // for an account of somebody else, or for none in particular
	self               []scim.Permission // for one's own account, where that differs; never for nobody
	never              bool              // not for one's own account
	writes             bool              // refused for an account that may do more
	ok                 []int             // what the route answers where it is allowed; 2xx otherwise
}

// nobody is what no role has.
var nobody = []scim.Permission{"nobody"}

// scimMatrix is the calls of SCIM, {id} being the account that they are about, {group} a group and
// {admins} one that makes its members administrators. What is not given here by a permission is
// expected to be refused.
func scimMatrix() []matrixRow {
	nick := userPatch(`{"op":"replace","path":"nickName","value":"N"}`)
	p := func(list ...scim.Permission) []scim.Permission { return list }
	const u, r, g = account.UsersUpdate, account.UsersRead, account.GroupsUpdate
	assign := p(u, r, account.RolesAssign, "top")
	const bulk = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[`
	search := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"count":1}`
	rows := []matrixRow{
		{method: "GET", path: "/scim/v2/Users/{id}", needs: p(r), self: p(account.SelfRead)},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: nick, needs: p(u, r), self: p(account.SelfUpdate, account.SelfRead), writes: true},
		{method: "PUT", path: "/scim/v2/Users/{id}", body: `{"userName":"{name}","active":false}`, needs: p(u, r), never: true, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"replace","path":"active","value":false}`), needs: p(u, r), never: true, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"add","value":{"roles":[{"value":"{top}"}]}}`), needs: assign, self: assign, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"Replace","path":"Roles","value":{"value":"{top}","primary":true}}`), needs: assign, self: assign, writes: true},
		{method: "PATCH", path: "/scim/v2/Users/{id}", body: userPatch(`{"op":"replace","path":"password","value":"a password of theirs"}`), needs: p(u, r), never: true, writes: true, ok: []int{400}},
		{method: "DELETE", path: "/scim/v2/Users/{id}", needs: p(account.UsersDelete, r), never: true, writes: true},
		{method: "GET", path: "/scim/v2/Users", needs: p(account.UsersList)},
		{method: "POST", path: "/scim/v2/Users", body: `{"userName":"{name}"}`, needs: p(account.UsersCreate), ok: []int{201, 400}},
		{method: "POST", path: "/scim/v2/Users/.search", body: search, needs: p(account.UsersList)},

		{method: "GET", path: "/scim/v2/Groups", needs: p(account.GroupsRead)},
		{method: "POST", path: "/scim/v2/Groups", body: `{"displayName":"{name}"}`, needs: p(account.GroupsCreate)},
		{method: "POST", path: "/scim/v2/Groups", body: `{"displayName":"{name}2","` + scim.AccountGroupURN + `":{"admin":true}}`, needs: p(account.GroupsCreate, account.RolesAssign)},
		{method: "GET", path: "/scim/v2/Groups/{group}", needs: p(account.GroupsRead)},
		{method: "PATCH", path: "/scim/v2/Groups/{group}", body: userPatch(`{"op":"replace","path":"` + scim.AccountGroupURN + `:description","value":"D"}`), needs: p(g, account.GroupsRead)},
		{method: "PUT", path: "/scim/v2/Groups/{group}", body: `{"displayName":"{groupName}"}`, needs: p(g, account.GroupsRead)},
		{method: "PATCH", path: "/scim/v2/Groups/{group}", body: userPatch(`{"op":"add","path":"members","value":[{"value":"{id}"}]}`), needs: p(g, account.GroupsRead), ok: []int{200, 204}},
		{method: "PATCH", path: "/scim/v2/Groups/{admins}", body: userPatch(`{"op":"add","path":"members","value":[{"value":"{id}"}]}`), needs: p(g, account.GroupsRead, account.RolesAssign), ok: []int{200, 204}},
		{method: "DELETE", path: "/scim/v2/Groups/{fresh}", needs: p(account.GroupsDelete, account.GroupsRead)},
		{method: "POST", path: "/scim/v2/Groups/.search", body: search, needs: p(account.GroupsRead)},
		{method: "POST", path: "/scim/v2/.search", body: search, needs: p(account.UsersList, account.GroupsRead)},

		{method: "GET", path: "/scim/v2/Me", needs: p(account.SelfRead)},
		{method: "DELETE", path: "/scim/v2/Me", needs: nobody},
		{method: "PATCH", path: "/scim/v2/Me", body: nick, needs: p(account.SelfUpdate, account.SelfRead)},
		{method: "PATCH", path: "/scim/v2/Me", body: userPatch(`{"op":"replace","path":"active","value":false}`), needs: nobody},
		{method: "PATCH", path: "/scim/v2/Me", body: userPatch(`{"op":"add","value":{"roles":[{"value":"{top}"},{"value":"x"}]}}`), needs: nobody},
		{method: "PUT", path: "/scim/v2/Me", body: `{"userName":"another"}`, needs: nobody},
		{method: "POST", path: "/scim/v2/Bulk", body: bulk + `]}`, needs: nil, ok: []int{400}}, // each operation is asked about by itself
		{method: "GET", path: "/scim/v2/ServiceProviderConfig", needs: nil},
		{method: "GET", path: "/scim/v2/Schemas", needs: nil},
		{method: "GET", path: "/scim/v2/ResourceTypes", needs: nil},
	}
	return rows
}

// apiMatrix is the calls of the API likewise. A thing that is not there is 404 to who may reach it, and
// 403 to others.
func apiMatrix() []matrixRow {
	p := func(list ...scim.Permission) []scim.Permission { return list }
	const u, r = account.UsersUpdate, account.UsersRead
	leases, tokens, settings := p(account.LeasesManage), p(account.TokensManage), p(account.SettingsManage)
	read, run, reads := p(account.SyncRead), p(account.SyncRun), p(account.SettingsRead)
	write, own, mine := p(account.SecretsWrite), p(account.SelfRead), p(account.SelfUpdate)
	missing, bad := []int{404}, []int{400}
	rows := []matrixRow{
		{method: "POST", path: "/api/v1/password", body: `{"userId":"{id}","new":"a password of theirs"}`, needs: p(u), never: true, writes: true, ok: bad},
		{method: "POST", path: "/api/v1/password", body: `{"current":"wrong","new":"a password of mine"}`, needs: nobody},
		{method: "POST", path: "/api/v1/users/{id}/password-reset", body: `{"mail":false}`, needs: p(u), never: true, writes: true, ok: bad},
		{method: "POST", path: "/api/v1/invitations", body: `{}`, needs: p(account.InvitationsManage), ok: bad},
		{method: "GET", path: "/api/v1/invitations", needs: p(account.InvitationsManage)},
		{method: "DELETE", path: "/api/v1/invitations/x", needs: p(account.InvitationsManage), ok: missing},
		{method: "POST", path: "/api/v1/impersonations", body: `{"userId":"{id}"}`, needs: p(account.SessionsImpersonate), never: true, writes: true},
		{method: "GET", path: "/api/v1/sessions", needs: nil},
		{method: "DELETE", path: "/api/v1/sessions/x", needs: nil, ok: missing},

		{method: "POST", path: "/api/v1/users", body: `{}`, needs: p(account.UsersCreate), ok: bad},
		{method: "PUT", path: "/api/v1/users/{id}/groups", body: `{"groups":[]}`, needs: p(account.GroupsUpdate)},
		{method: "POST", path: "/api/v1/users/{id}/deactivate", needs: p(u), never: true, writes: true},
		{method: "POST", path: "/api/v1/users/{id}/activate", needs: p(u), writes: false, ok: bad},
		{method: "POST", path: "/api/v1/users/{id}/erase", needs: p(account.UsersDelete), never: true, writes: true},
		{method: "POST", path: "/api/v1/activate", body: `{"userName":"nobody"}`, needs: p(u), ok: missing},
		{method: "GET", path: "/api/v1/users/{id}/leases", needs: leases},
		{method: "POST", path: "/api/v1/users/{id}/leases", body: `{"application":"a","ttlSeconds":1}`, needs: leases},
		{method: "PUT", path: "/api/v1/users/{id}/leases/x", body: `{"ttlSeconds":1}`, needs: leases, ok: missing},
		{method: "DELETE", path: "/api/v1/users/x/leases/x", needs: leases},
		{method: "GET", path: "/api/v1/users/{id}/trial", needs: p(r), self: own},
		{method: "PUT", path: "/api/v1/users/{id}/trial", body: `{"grantedOn":1,"expiresOn":2}`, needs: p(u), self: p(u, r), writes: true},
		{method: "GET", path: "/api/v1/authorization?user={id}", needs: p(r), self: own},
		{method: "GET", path: "/api/v1/authorization", needs: p(account.UsersList, r, account.GroupsRead)},

		{method: "GET", path: "/api/v1/users/{id}/secrets", needs: p(account.SecretsRead), self: own},
		{method: "GET", path: "/api/v1/users/{id}/secrets/x", needs: nobody, self: own, ok: missing}, // of others, tokens alone
		{method: "PUT", path: "/api/v1/users/{id}/secrets/x", body: `{"value":"v"}`, needs: write, self: mine},
		{method: "DELETE", path: "/api/v1/users/{id}/secrets/none", needs: write, self: mine, ok: missing},
		{method: "POST", path: "/api/v1/secrets/rotate", needs: p(account.WorkspacesManage, account.SecretsWrite)},
		{method: "GET", path: "/api/v1/credentials", needs: p(account.CredentialsList)},
		{method: "PUT", path: "/api/v1/users/{id}/credentials/connections/x", body: `{"type":"OAUTH2","secret":"s"}`, needs: write, self: mine},
		{method: "DELETE", path: "/api/v1/users/{id}/credentials/connections/none", needs: write, self: mine, ok: missing},
		{method: "PUT", path: "/api/v1/users/{id}/credentials/plugins/a/b/c/d", body: `{"type":"OAUTH2","secret":"s"}`, needs: write, self: mine},
		{method: "DELETE", path: "/api/v1/users/{id}/credentials/plugins/a/b/c/none", needs: write, self: mine, ok: missing},

		{method: "GET", path: "/api/v1/settings", needs: reads},
		{method: "PATCH", path: "/api/v1/settings", body: `{}`, needs: settings},
		{method: "GET", path: "/api/v1/workspaces", needs: reads},
		{method: "POST", path: "/api/v1/workspaces", body: `{"name":"Not A Name"}`, needs: p(account.WorkspacesManage), ok: bad},
		{method: "PUT", path: "/api/v1/workspaces/{workspace}/members/00000000-0000-7000-8000-000000000000", needs: p(account.UsersCreate), ok: missing},
		{method: "DELETE", path: "/api/v1/workspaces/{workspace}/members/{id}", needs: p(account.UsersDelete), never: true, writes: true},

		{method: "GET", path: "/api/v1/tokens", needs: tokens},
		{method: "POST", path: "/api/v1/tokens", body: `{"name":""}`, needs: tokens, ok: []int{400, 403}},
		{method: "DELETE", path: "/api/v1/tokens/x", needs: tokens, ok: missing},
		{method: "POST", path: "/api/v1/tokens/x/rotate", needs: tokens, ok: missing},
		{method: "GET", path: "/api/v1/clients", needs: tokens},
		{method: "POST", path: "/api/v1/clients/x/pause", needs: tokens, ok: missing},
		{method: "POST", path: "/api/v1/clients/x/resume", needs: tokens, ok: missing},

		{method: "GET", path: "/api/v1/changes?after=0", needs: p(account.AuditRead)},
		{method: "GET", path: "/api/v1/deleted", needs: p(account.UsersList)},
		{method: "GET", path: "/api/v1/deleted?type=Group", needs: p(account.GroupsRead)},
		{method: "POST", path: "/api/v1/deleted/User/x/restore", needs: p(account.UsersCreate), ok: missing},
		{method: "POST", path: "/api/v1/deleted/Group/x/restore", needs: p(account.GroupsCreate), ok: missing},
		{method: "DELETE", path: "/api/v1/deleted/User/x", needs: p(account.UsersDelete)},
		{method: "DELETE", path: "/api/v1/deleted/Group/x", needs: p(account.GroupsDelete)},
		{method: "GET", path: "/api/v1/explain", needs: p(account.UsersList)},
		{method: "GET", path: "/api/v1/explain?type=Group", needs: p(account.GroupsRead)},
		{method: "GET", path: "/api/v1/audit?count=1", needs: p(account.AuditRead)},
		{method: "GET", path: "/api/v1/requests?limit=1", needs: p(account.AuditRead)},
		{method: "GET", path: "/api/v1/audit/verify", needs: p(account.AuditRead)},
		{method: "POST", path: "/api/v1/audit/rotate", needs: p(account.WorkspacesManage)},
		{method: "GET", path: "/api/v1/backup", needs: nobody}, // the bootstrap token alone

		{method: "GET", path: "/api/v1/sources", needs: read},
		{method: "GET", path: "/api/v1/sources/x", needs: read, ok: missing},
		{method: "GET", path: "/api/v1/sources/x/plans", needs: read, ok: missing},
		{method: "POST", path: "/api/v1/sources/x/plans", needs: read, ok: missing},
		{method: "POST", path: "/api/v1/sources/x/runs", needs: run, ok: missing},
		{method: "GET", path: "/api/v1/sync/runs", needs: read},
	}
	for _, kind := range []string{"runs", "plans"} {
		rows = append(rows, matrixRow{method: "GET", path: "/api/v1/sync/" + kind + "/x", needs: read, ok: missing},
			matrixRow{method: "GET", path: "/api/v1/sync/" + kind + "/x/changes", needs: read, ok: missing},
			matrixRow{method: "POST", path: "/api/v1/sync/" + kind + "/x/approve", needs: run, ok: missing})
	}
	for _, order := range []string{"runs/x/cancel", "runs/x/undo", "plans/x/apply"} {
		rows = append(rows, matrixRow{method: "POST", path: "/api/v1/sync/" + order, needs: run, ok: missing})
	}
	for _, kind := range []string{"schemas", "resource-types"} {
		path := "/api/v1/" + kind
		rows = append(rows, matrixRow{method: "GET", path: path, needs: reads}, matrixRow{method: "POST", path: path, body: `{}`, needs: settings, ok: bad},
			matrixRow{method: "GET", path: path + "/x", needs: reads, ok: missing}, matrixRow{method: "PUT", path: path + "/x", body: `{}`, needs: settings, ok: []int{400, 404}},
			matrixRow{method: "DELETE", path: path + "/x", needs: settings, ok: missing})
	}
	const streams = "/api/v1/events/streams"
	return append(rows,
		matrixRow{method: "GET", path: "/api/v1/index", needs: reads},
		matrixRow{method: "PUT", path: "/api/v1/index/Nothing", body: `{"attributes":[]}`, needs: settings, ok: []int{400, 404}},
		matrixRow{method: "GET", path: streams, needs: reads},
		matrixRow{method: "POST", path: streams, body: `{"name":"Not A Name","method":"poll"}`, needs: settings, ok: bad},
		matrixRow{method: "GET", path: streams + "/x", needs: reads, ok: missing},
		matrixRow{method: "PATCH", path: streams + "/x", body: `{}`, needs: settings, ok: missing},
		matrixRow{method: "DELETE", path: streams + "/x", needs: settings, ok: missing},
		matrixRow{method: "POST", path: streams + "/x/replay", needs: settings, ok: missing},
		matrixRow{method: "POST", path: streams + "/x/test", needs: settings, ok: missing},
		matrixRow{method: "POST", path: streams + "/x/poll", body: `{}`, needs: p(account.AuditRead), ok: missing},
		matrixRow{method: "POST", path: "/api/v1/events/keys/rotate", needs: nobody}, // it is everybody's
	)
}

// outOfMatrix are the routes that are no row: those that need no login, and the one that ends it.
var outOfMatrix = append(slices.Clone(openRoutes), "POST /api/v1/logout")

// TestMatrixIsWhole holds that the matrix has every route of the API, with the permissions that
// the route itself names.
func TestMatrixIsWhole(t *testing.T) {
	d, err := apiDocument()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]matrixRow{}
	for _, row := range apiMatrix() {
		r := httptest.NewRequest(row.method, strings.NewReplacer("{id}", "i", "{workspace}", "w").Replace(row.path), nil)
		route, _ := d.route(r)
		if route == nil {
			t.Errorf("%s %s is no route", row.method, row.path)
			continue
		}
		rows[route.Method+" "+route.Path] = append(rows[route.Method+" "+route.Path], row)
	}
	for _, rt := range api.Routes() {
		name := rt.Method + " " + rt.Path
		if slices.Contains(outOfMatrix, name) {
			continue
		}
		// What the route asks is what one of its rows needs, and each row at least that, or else what is
		// enough for a part.
		same := false
		for _, row := range rows[name] {
			same = same || slices.Equal(row.needs, rt.Needs) || slices.Equal(row.needs, nobody)
			covered := !slices.ContainsFunc(rt.Needs, func(p scim.Permission) bool { return !slices.Contains(row.needs, p) })
			part := rt.Or != nil && (len(rt.Or) == 0 || slices.ContainsFunc(rt.Or, func(p scim.Permission) bool { return slices.Contains(row.needs, p) }))
			if !covered && !part && !slices.Equal(row.needs, nobody) {
				t.Errorf("%s needs %v or %v, and %s %s in the matrix %v", name, rt.Needs, rt.Or, row.method, row.path, row.needs)
			}
		}
		if len(rows[name]) == 0 {
			t.Errorf("%s is not in the matrix: add a row to apiMatrix, with the permissions that it is to take", name)
		} else if !same && rt.Or == nil {
			t.Errorf("%s needs %v, and no row of the matrix says so", name, rt.Needs)
		}
	}
}

// TestPermissionMatrix makes every call as every role of every preset, about oneself, somebody else,
// somebody who may do more, and somebody of another workspace, and expects what the role's
// permissions say: what is not given is refused. Naming another workspace is 404.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	s.workspace("elsewhere", "default")
	stranger := s.makeUser("elsewhere", "stranger", "").id
	d, err := apiDocument()
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, preset := range account.Presets()[:testserver.Rounds(3, len(account.Presets()))] {
		m := &matrix{served: s, document: d, preset: preset, ws: s.workspace("m-"+preset.Preset, preset.Preset), stranger: stranger}
		s.makeUser(m.ws, m.name("keeper"), preset.AdministratorRole)
		m.group = s.want(201, "POST", "/w/"+m.ws+"/scim/v2/Groups", `{"displayName":"of the matrix"}`).body["id"].(string)
		m.admins = s.want(201, "POST", "/w/"+m.ws+"/scim/v2/Groups", `{"displayName":"admins of the matrix","`+scim.AccountGroupURN+`":{"admin":true}}`).body["id"].(string)
		for _, role := range preset.Roles {
			m.call(role)
		}
		calls += m.calls
	}
	t.Logf("%d calls", calls)
}

// matrix is the calls of one preset.
type matrix struct {
	*served
	preset                      account.Settings
	document                    *documentedAPI
	ws, stranger, group, admins string
	calls                       int
}

func (m *matrix) name(text string) string {
	if m.preset.UserNameIsEmail {
		text += "@example.org"
	}
	return strings.ToLower(text)
}

func (m *matrix) call(role account.Role) {
	me, top := m.user(m.ws, m.name(role.Name), role.Name), m.preset.Roles[len(m.preset.Roles)-1]
	spare := map[string]string{} // accounts for the calls that change nothing of theirs
	for i, row := range slices.Concat(scimMatrix(), apiMatrix()) {
		targets := []string{"-"}
		if strings.Contains(row.path+row.body, "{id}") {
			targets = []string{"self", "other", "stronger", "elsewhere"}
		}
		for _, target := range targets {
			id, who := "", m.name(fmt.Sprintf("%s-%s-%d", role.Name, target, i))
			switch fresh := row.writes || row.never; target {
			case "self":
				id = me.id
			case "elsewhere":
				id = m.stranger
			case "other", "stronger":
				if id = spare[target]; id == "" || fresh {
					id = m.plainUser(m.ws, who, map[string]string{"other": m.preset.Roles[0].Name, "stronger": top.Name}[target])
				}
				if !fresh {
					spare[target] = id
				}
			}
			if target == "self" && strings.Contains(row.path, "{admins}") {
				continue // TestNobodyRaisesTheirRights; it would change what the rest is expected to answer
			}
			fill := strings.NewReplacer("{id}", id, "{name}", who, "{top}", top.Name, "{group}", m.group, "{groupName}", "of the matrix", "{admins}", m.admins, "{workspace}", m.ws)
			path, body := fill.Replace(row.path), fill.Replace(row.body)
			if strings.Contains(path, "{fresh}") {
				group := m.want(201, "POST", "/w/"+m.ws+"/scim/v2/Groups", fmt.Sprintf(`{"displayName":"for %s"}`, role.Name)).body["id"].(string)
				path = strings.Replace(path, "{fresh}", group, 1)
			}
			a := me.do(row.method, path, body)
			m.calls++
			if want := row.expects(role, top, target); !slices.Contains(want, a.code) {
				m.t.Errorf("%s/%s: %s %s %s about %s = %d %s, want one of %d", m.preset.Preset, role.Name, row.method, path, body, target, a.code, a.text, want)
			}
			if a.code == 401 {
				m.t.Fatalf("%s/%s: %s %s about %s ended the session", m.preset.Preset, role.Name, row.method, row.path, target)
			}
		}
		if !slices.Contains(role.Permissions, account.WorkspacesManage) {
			m.elsewhere(me, &row, strings.NewReplacer("{id}", m.stranger, "{group}", m.stranger, "{admins}", m.stranger, "{fresh}", m.stranger, "{workspace}", "elsewhere"))
		}
	}
}

// elsewhere makes a call in a workspace that is not the caller's.
func (m *matrix) elsewhere(me *person, row *matrixRow, fill *strings.Replacer) {
	path := fill.Replace(row.path)
	if strings.HasPrefix(path, "/scim/") {
		path = "/w/elsewhere" + path
	} else if route, _ := m.document.route(httptest.NewRequest(row.method, path, nil)); !strings.Contains(route.Path, "{workspace}") && route.Operation.Parameters.GetByInAndName("query", "workspace") == nil {
		return
	} else if path += "?workspace=elsewhere"; strings.Count(path, "?") > 1 {
		path = strings.Replace(path, "?workspace", "&workspace", 1)
	}
	m.calls++
	if a := me.do(row.method, path, fill.Replace(row.body)); a.code != 404 {
		m.t.Errorf("%s/%s: %s %s of another workspace = %d %s, want 404", m.preset.Preset, me.name, row.method, path, a.code, a.text)
	}
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
	case !holds(role, needs, top) && target == "-":
		return []int{403}
	case !holds(role, needs, top):
		return []int{403, 404}
	case target == "elsewhere" && strings.Contains(row.path, "{id}"):
		return []int{404}
	case target == "elsewhere":
		return []int{400, 404, 200, 204} // an unknown member of a group is dropped
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
