package main

import (
	"strings"
	"testing"
)

func TestA23_Delete(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("annex", "default")
		ada := s.user("default", "ada", "admin")
		s.makeUser("default", "stays", "admin")
		s.want(200, "PUT", "/api/v1/workspaces/annex/members/"+ada.id, "")
		there := *ada
		there.login("annex")
		token := ada.want(201, "POST", "/api/v1/tokens", `{"name":"own"}`).body["token"].(string)
		s.want(200, "PATCH", "/scim/v2/Users/"+ada.id, userPatch(`{"op":"add","path":"entitlements","value":[{"value":"home:rw","type":"home"}]}`))
		lease := s.want(201, "POST", "/api/v1/users/"+ada.id+"/leases", `{"application":"render","ttlSeconds":600}`).body["id"].(string)

		s.want(204, "DELETE", "/scim/v2/Users/"+ada.id, "")
		ada.refusedSoon("deleted")
		(&person{served: s, name: "a token of theirs", token: token}).refusedSoon("deleted")
		s.want(404, "GET", "/scim/v2/Users/"+ada.id, "")
		s.want(404, "GET", "/api/v1/users/"+ada.id+"/leases", "")
		if audit := s.want(200, "GET", "/api/v1/audit", "").text; !strings.Contains(audit, "lease.aborted") || !strings.Contains(audit, lease) {
			t.Errorf("no event tells that the lease was aborted: %s", audit)
		}
		// The person is known to the other workspace, with the same id and password.
		there.want(200, "GET", "/scim/v2/Me", "")
		there.login("annex")
		back := s.want(200, "PUT", "/api/v1/workspaces/default/members/"+ada.id, "")
		if back.body["id"] != ada.id || back.body["entitlements"] != nil {
			t.Errorf("who came back = %s, want the same id and no home", back.text)
		}
		// In no workspace at all, the person is forgotten.
		for _, w := range []string{"default", "annex"} {
			if code, _, errs := s.cli("user", "delete", "ada", "--workspace", w); code != exitDone {
				t.Errorf("rollcall user delete = %d %s", code, errs)
			}
		}
		there.refusedSoon("deleted everywhere")
		if a := s.tryLogin("annex", "ada", goodPassword, ""); a.code != 401 {
			t.Errorf("login of who is in no workspace = %d %s", a.code, a.text)
		}
		s.want(404, "PUT", "/api/v1/workspaces/default/members/"+ada.id, "")
	})
}

// TestA25_QueryByRole asks for people as that platform's `User WHERE role=employee` does.
func TestA25_QueryByRole(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := accountServer(t, url)
		s.workspace("studio", "accsyn")
		for name, role := range map[string]string{"ann@example.com": "employee", "bob@example.com": "standard", "cy@example.com": "employee", "dee@example.com": "administrator"} {
			s.plainUser("studio", name, role)
		}
		for filter, want := range map[string]string{
			`roles.value eq "employee"`: "ann@example.com cy@example.com", `roles eq "administrator"`: "dee@example.com", `roles[value eq "employee"] and userName sw "c"`: "cy@example.com",
			`roles.value ne "employee"`: "bob@example.com dee@example.com", `roles.value eq "owner"`: "",
		} {
			a := s.want(200, "GET", "/w/studio/scim/v2/Users?sortBy=userName&"+filtered(filter), "")
			var names []string
			list, _ := a.body["Resources"].([]any)
			for _, r := range list {
				names = append(names, r.(map[string]any)["userName"].(string))
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s finds %q, want %q", filter, got, want)
			}
		}
		code, out, errs := s.cli("user", "list", "--workspace", "studio", "--filter", `roles.value eq "employee"`)
		if code != exitDone || !strings.Contains(out, "ann@") || strings.Contains(out, "bob@") {
			t.Errorf("rollcall user list --filter = %d %s%s", code, out, errs)
		}
	})
}
