package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/account"
	"rollcall/scim"
)

// TestLastAdministratorStays tries to take the last administrator away in every way there is, by whoever
// may do everything (a sync does so in TestSyncEndsAccess).
func TestLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	boss := s.user("default", "boss", "admin")
	token := &person{served: s, name: "a token", token: s.secret("token", "create", "scim", "--client", "okta", "--max-role", "admin")}
	path, bulk := "/scim/v2/Users/"+boss.id, func(method, data string) string {
		return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":%q,"path":"/Users/%s","data":%s}]}`, method, boss.id, data)
	}
	off := `{"op":"replace","path":"active","value":false}`
	for _, c := range [][3]string{
		{"PUT", path, `{"userName":"boss","active":false}`}, {"PUT", path, `{"userName":"boss","active":"False"}`},
		{"PATCH", path, userPatch(off)}, {"PATCH", path, userPatch(`{"op":"Replace","value":{"ACTIVE":"false"}}`)}, {"PATCH", path, userPatch(`{"op":"Add","path":"` + scim.UserURN + `:Active","value":"False"}`)},
		{"PATCH", path, userPatch(`{"op":"replace","path":"roles","value":[{"value":"member"}]}`)}, {"PATCH", path, userPatch(`{"op":"remove","path":"roles"}`)},
		{"PATCH", path, userPatch(`{"op":"remove","path":"roles[value eq \"admin\"]"}`)}, {"PUT", path, `{"userName":"boss","roles":[]}`}, {"PUT", path, `{"userName":"boss","roles":[{"value":"auditor"}]}`},
		{"DELETE", path, ""}, {"POST", "/scim/v2/Bulk", bulk("PATCH", userPatch(off))}, {"POST", "/scim/v2/Bulk", bulk("DELETE", "null")}, {"POST", "/scim/v2/Bulk", bulk("PUT", `{"userName":"boss","active":false}`)},
		{"POST", "/api/v1/users/" + boss.id + "/deactivate", ""}, {"DELETE", "/api/v1/workspaces/default/members/" + boss.id, ""}, {"PUT", "/api/v1/workspaces/default/members/" + boss.id, `{"role":"member"}`},
		{"PATCH", "/api/v1/settings", `{"administratorRole":"auditor","roles":[{"name":"member","permissions":[]},{"name":"auditor","permissions":["users:list","settings:manage"]},{"name":"admin","permissions":["users:list"]}]}`},
		{"PUT", "/api/v1/users/" + boss.id + "/trial", `{"grantedOn":1,"expiresOn":2}`}, // that its end disables is tried below
	} {
		for _, by := range []*person{{served: s, name: "the operator", token: testToken}, token, boss} {
			a := by.do(c[0], c[1], c[2])
			refused := a.code >= 400 || strings.Contains(a.text, `"status":"4`) // an operation of a bulk
			if !refused && !strings.HasSuffix(c[1], "/trial") {
				t.Errorf("%s: %s %s %s = %d %s", by.name, c[0], c[1], c[2], a.code, a.text)
			}
			if a := boss.do("GET", "/api/v1/tokens", ""); a.code != 200 {
				t.Fatalf("%s: %s %s %s took the last administrator away", by.name, c[0], c[1], c[2])
			}
		}
	}

	// The end of a trial disables others, and no administrator.
	s.want(200, "PATCH", "/api/v1/settings", `{"trialEndDisables":true}`)
	time.Sleep(600 * time.Millisecond) // settings are cached
	boss.want(200, "GET", "/api/v1/tokens", "")
	if a := s.tryLogin("", "boss", goodPassword, ""); a.code != 200 {
		t.Errorf("login of the last administrator after a trial = %d %s", a.code, a.text)
	}

	// Nor is the last administrator a token that somebody may revoke.
	s.workspace("robots", "default")
	scopes := make([]string, 0, len(account.Permissions()))
	for _, p := range account.Permissions() {
		if p != account.WorkspacesManage {
			scopes = append(scopes, string(p))
		}
	}
	made := s.want(201, "POST", "/api/v1/tokens", `{"name":"robot","workspace":"robots","scopes":["`+strings.Join(scopes, `","`)+`"]}`).body["id"].(string)
	if a := s.want(409, "DELETE", "/api/v1/tokens/"+made, ""); !strings.Contains(a.text, "last-administrator") {
		t.Errorf("revoking the last administrator's token = %s", a.text)
	}
	next := s.want(201, "POST", "/api/v1/tokens/"+made+"/rotate", `{"overlapSeconds":0}`).body["id"].(string)
	s.makeUser("robots", "human", "admin")
	s.want(204, "DELETE", "/api/v1/tokens/"+next, "")
}
