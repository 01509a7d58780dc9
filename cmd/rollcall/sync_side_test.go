package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestGroupWithLDAPMembers holds that a group made over SCIM has the members of the LDAP groups that
// it names after each run, and that a group gives its members the role that the source says.
func TestGroupWithLDAPMembers(t *testing.T) {
	source := &restless{ldifSource: *newLDIF(t, 0)}
	source.put(1)
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", source.config()+"    roles: { g7: auditor }\n")
	made := s.want(201, "POST", "/scim/v2/Groups", `{"displayName": "Staff",
		"urn:rollcall:params:scim:schemas:extension:account:2.0:Group": {"ldapGroupNames": ["g3", "cn=g5,dc=example,dc=com"]}}`)
	path := "/scim/v2/Groups/" + made.body["id"].(string)
	for round := 1; round < 4; round++ {
		source.put(round)
		s.syncJSON(exitDone, "run", "corp")
		names := map[string]string{}
		for _, u := range s.want(200, "GET", "/scim/v2/Users?count=1000", "").body["Resources"].([]any) {
			u := u.(map[string]any)
			name := u["userName"].(string)
			names[u["id"].(string)] = name
			has := strings.Contains(fmt.Sprint(u["roles"]), "auditor")
			if in := slices.Contains(strings.Fields(source.groups["g7"]), name); u["active"] == true && has != in {
				t.Errorf("round %d: roles of %s = %v, and in g7: %v", round, name, u["roles"], in)
			}
		}
		var got []string
		list, _ := s.want(200, "GET", path, "").body["members"].([]any)
		for _, m := range list {
			got = append(got, names[m.(map[string]any)["value"].(string)])
		}
		want := slices.Concat(strings.Fields(source.groups["g3"]), strings.Fields(source.groups["g5"]))
		slices.Sort(got)
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("round %d: members = %v, want %v", round, got, want)
		}
	}
	if r := s.syncJSON(exitDone, "plan", "corp"); r.ChangeCount != 0 {
		t.Errorf("a plan after the run has %d changes: %+v", r.ChangeCount, r.Changes)
	}
}

// TestSourcesSideBySide holds that two sources of one workspace leave each other's people alone: a
// name that both have is a conflict that is told, and who is missing from one is no affair of
// the other.
func TestSourcesSideBySide(t *testing.T) {
	one, two := newLDIF(t, 40), newLDIF(t, 3)
	second := strings.Replace(strings.TrimPrefix(two.config(""), "sources:\n"), "corp:", "hr:", 1)
	s := startServer(t, "bolt:"+t.TempDir()+"/rollcall.db", one.config("")+second)
	s.syncJSON(exitDone, "run", "corp")
	r := s.syncJSON(exitPartial, "run", "hr") // p0, p1 and p2 are corp's
	if r.Counts.Created != 0 || r.ErrorCount != 3 || r.Errors[0].Kind != "conflict" || r.Errors[0].Holder == "" {
		t.Errorf("the second source: %+v %+v, want three conflicts that name the holder", r.Counts, r.Errors)
	}
	one.put(37, "")
	s.syncJSON(exitDone, "run", "corp")
	two.put(45, "")
	r = s.syncJSON(exitPartial, "run", "hr")
	if r.Counts.Created != 5 || r.ErrorCount != 40 {
		t.Errorf("the second source: %+v, want the five whose names are free", r.Counts)
	}
	for i, owner := range map[int]string{5: "source:corp", 38: "source:corp", 43: "source:hr"} {
		u := s.want(200, "GET", fmt.Sprintf(`/scim/v2/Users?filter=userName+eq+"p%d"&attributes=active,urn:rollcall:params:scim:schemas:extension:account:2.0:User:owner`, i), "").body["Resources"].([]any)[0].(map[string]any)
		ext, _ := u["urn:rollcall:params:scim:schemas:extension:account:2.0:User"].(map[string]any)
		if ext["owner"] != owner || u["active"] != (i != 38) {
			t.Errorf("p%d: %v, want owner %s and active %v", i, u, owner, i != 38)
		}
	}
	one.put(40, "")
	s.syncJSON(exitDone, "run", "corp")
}
