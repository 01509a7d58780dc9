package sync

import "testing"

func TestRolesFromGroups(t *testing.T) {
	b := newBench(t, person("ada"), person("bob"), person("cyd"), group("Admins", "ada"), group("audit", "ada", "bob"))
	b.policy.Roles = map[string]string{"admins": "admin", "cn=audit, dc=test": "auditor"}
	b.remake()
	b.run(OK)
	roles := func(id string) (list []string) {
		values, _ := b.find("User", id).Attributes["roles"].([]any)
		for _, r := range values {
			list = append(list, roleValue(r))
		}
		return list
	}
	equal(t, "roles of ada", roles("ada"), []string{"admin", "auditor"})
	equal(t, "roles of bob", roles("bob"), []string{"auditor"})
	equal(t, "roles of cyd", roles("cyd"), []string(nil))
	b.idle()

	// Others that an administrator gave stay.
	b.edit(b.find("User", "bob"), func(a map[string]any) {
		a["roles"] = append(a["roles"].([]any), map[string]any{"value": "guest", "primary": true})
	})
	b.source.entries[4] = group("audit", "cyd")
	equal(t, "counts", b.run(OK).Counts.Updated, 4)
	equal(t, "roles of ada", roles("ada"), []string{"admin"})
	equal(t, "roles of bob", roles("bob"), []string{"guest"})
	equal(t, "roles of cyd", roles("cyd"), []string{"auditor"})
	b.idle()

	// A group that is not there, or is not known whole, takes nothing away.
	b.source.entries[3] = group("renamed", "ada")
	b.source.entries[4] = group("audit")
	b.source.entries[4].MembersUnknown = true
	r := b.run(Partial)
	equal(t, "problem", r.Errors[0].Kind+" "+r.Errors[0].DN, "role admins")
	equal(t, "roles of ada", roles("ada"), []string{"admin"})
	equal(t, "roles of cyd", roles("cyd"), []string{"auditor"})

	b.source.entries[3] = group("Admins")
	b.source.entries[4] = group("audit", "cyd")
	b.run(OK)
	equal(t, "roles of ada", roles("ada"), []string(nil))
	b.policy.Roles = map[string]string{"audit": "reviewer"} // another role for the same group
	b.remake()
	b.run(OK)
	equal(t, "roles of cyd", roles("cyd"), []string{"auditor", "reviewer"}) // which is no longer the source's to take away
	b.idle()
}
