package main

import (
	"strings"
	"testing"
)

// TestDeleted deletes a user and a group over SCIM, and brings them back over the API and at the
// command line.
func TestDeleted(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		s := startServer(t, url, "")
		const schema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:`
		id := s.want(201, "POST", "/scim/v2/Users", `{`+schema+`User"],"userName":"ada","externalId":"1"}`).body["id"].(string)
		group := s.want(201, "POST", "/scim/v2/Groups", `{`+schema+`Group"],"displayName":"g","members":[{"value":"`+id+`"}]}`).body["id"].(string)
		s.want(204, "DELETE", "/scim/v2/Users/"+id, "")
		s.want(404, "GET", "/scim/v2/Users/"+id, "")

		a := s.want(200, "GET", "/api/v1/deleted", "")
		if !strings.Contains(a.text, id) || !strings.Contains(a.text, `"ada"`) {
			t.Errorf("deleted = %s", a.text)
		}
		if code, out, errs := s.cli("deleted", "list"); code != exitDone || !strings.Contains(out, "ada") {
			t.Errorf("deleted list = %d\n%s%s", code, out, errs)
		}
		if code, out, errs := s.cli("deleted", "restore", id); code != exitDone || !strings.Contains(out, "was restored") {
			t.Errorf("deleted restore = %d\n%s%s", code, out, errs)
		}
		if a := s.want(200, "GET", "/scim/v2/Users/"+id, ""); !strings.Contains(a.text, group) {
			t.Errorf("the restored user = %s, want it in group %s", a.text, group)
		}
		s.want(404, "POST", "/api/v1/deleted/User/"+id+"/restore", "")
		s.want(404, "GET", "/api/v1/deleted?type=Printer", "")
		s.want(400, "GET", "/api/v1/deleted?limit=x", "")

		s.want(204, "DELETE", "/scim/v2/Groups/"+group, "")
		if code, _, errs := s.cli("deleted", "purge", "--type", "Group", group); code != exitDone {
			t.Errorf("deleted purge = %d, %s", code, errs)
		}
		if code, _, _ := s.cli("deleted", "restore", "--type", "Group", group); code != exitFailed {
			t.Errorf("deleted restore of what was purged = %d, want %d", code, exitFailed)
		}
		_, weak, _ := s.cli("token", "create", "reader", "--scopes", "groups:read")
		if a := s.as("Bearer "+strings.TrimSpace(weak), "GET", "/api/v1/deleted", ""); a.code != 403 {
			t.Errorf("deleted without users:list = %d, want 403", a.code)
		}
	})
}
