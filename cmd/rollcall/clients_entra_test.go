package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What Microsoft Entra ID sends (clients.md §2), with and without the flag ?aadOptscim062020.

const entraPost = `{"schemas":[U,E],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef","userName":"Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1",
	"active":true,"emails":[{"primary":true,"type":"work","value":"Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com"}],
	"meta":{"resourceType":"User"},"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[]}`

// entraUser makes the user of a row that is about what comes after.
func (s *idp) entraUser() string {
	s.Helper()
	return s.want(201, "POST", "/Users", `{"schemas":[U,E],"externalId":"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
		"userName":"Test_User","active":true,"emails":[{"primary":true,"type":"work","value":"test@testuser.com"}],
		"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"}}`).id()
}

// patched sends a PATCH of a user and reads the user again.
func (s *idp) patched(id, operations string) answer {
	s.Helper()
	s.want(200, "PATCH", "/Users/"+id, patchOps(operations))
	return s.want(200, "GET", "/Users/"+id, "")
}

func TestE01_TestConnection(t *testing.T) {
	s := newIDP(t)
	s.entraUser()
	s.group("one")
	const guid = "5d48a0a8-e9a4-4d60-a5fe-7c0e2f4c7b7a"
	for _, path := range []string{
		`/Users?filter=userName eq "` + guid + `"`, `/Users?filter=externalId eq "` + guid + `"`, `/Users?filter=id eq "` + guid + `"`,
		`/Users?filter=emails[type eq "work"].value eq "` + guid + `"`, `/Users?filter=` + urnEnterprise + `:employeeNumber eq "` + guid + `"`,
		`/Groups?excludedAttributes=members&filter=displayName eq "` + guid + `"`, `/Groups?excludedAttributes=members&filter=externalId eq "` + guid + `"`,
	} {
		a := s.want(200, "GET", strings.ReplaceAll(path, " ", "%20"), "")
		if s.equal(a, "totalResults", 0); !strings.Contains(a.text, `"Resources":[]`) {
			t.Errorf("GET %s: %s", path, a.text)
		}
	}
}

func TestE02_Schemas(t *testing.T) {
	s := newIDP(t)
	a := s.want(200, "GET", "/Schemas", "")
	if strings.Contains(a.text, "null") {
		t.Errorf("there is a null in /Schemas: %s", a.text)
	}
	found := map[any]any{}
	for _, r := range a.at("Resources").([]any) {
		found[at(r, "id")] = at(r, "attributes", 0, "multiValued")
	}
	for _, urn := range []string{urnUser, urnGroup, urnEnterprise} {
		if found[urn] != false {
			t.Errorf("%s: attributes[0].multiValued = %v, want false", urn, found[urn])
		}
	}
}

func TestE03_Match(t *testing.T) {
	s := newIDP(t)
	s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"Test_User_dfeef4c5","externalId":"jyoung","emails":[{"type":"work","value":"a@b.c"},{"type":"home","value":"h@b.c"}]}`)
	for filter, n := range map[string]int{
		`userName eq "Test_User_dfeef4c5"`: 1, `userName eq "test_user_DFEEF4C5"`: 1, `externalId eq "jyoung"`: 1, `externalId eq jyoung`: 1,
		`emails[type eq "work"].value eq "a@b.c"`: 1, `emails[type eq "work"].value eq "h@b.c"`: 0, `externalId eq "other"`: 0,
		`userName eq "Test_User_dfeef4c5" and externalId eq "jyoung"`: 1,
	} {
		s.equal(s.want(200, "GET", "/Users?filter="+escape(filter), ""), "totalResults", n)
	}
}

func TestE04_Create(t *testing.T) {
	s := newIDP(t)
	a := s.want(201, "POST", "/Users", entraPost)
	s.equal(a, "externalId", "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName", "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1", "active", true,
		"emails.0.value", "Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com", "name.formatted", "givenName familyName", "roles", nil)
	s.equal(s.want(200, "GET", "/Users/"+a.id(), ""), "id", a.id())
}

func TestE05_CreateSloppily(t *testing.T) {
	s := newIDP(t)
	const schemas = `"schemas":["` + urnUser + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]`
	a := s.want(201, "POST", "/Users", `{`+schemas+`,"userName":"nulls","addresses":null,"phoneNumbers":null,"preferredLanguage":null,"title":null,
		"department":null,"manager":null}`)
	s.equal(a, "addresses", nil, "title", nil, "department", nil, "schemas.1", urnAccount)
	b := s.want(201, "POST", "/Users", `{`+schemas+`,"userName":"placed","department":"Sales","manager":{"value":"`+a.id()+`"}}`)
	s.equal(b, urnEnterprise+"|department", "Sales", urnEnterprise+"|manager.value", a.id(), "department", nil, "schemas.1", urnEnterprise)
}

func TestE06_Get(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	s.equal(s.want(200, "GET", "/Users/"+id, ""), "id", id)
	s.want(204, "DELETE", "/Users/"+id, "")
	s.equal(s.want(404, "GET", "/Users/"+id, ""), "status", "404")
}

func TestE07_ManagerCheck(t *testing.T) {
	s := newIDP(t)
	boss, other := s.user("boss"), s.user("other")
	id := s.want(201, "POST", "/Users", `{"schemas":[U,E],"userName":"someone","`+urnEnterprise+`":{"manager":{"value":"`+boss+`"}}}`).id()
	for filter, n := range map[string]int{
		`id eq "` + id + `" and manager eq "` + boss + `"`: 1, `manager eq "` + boss + `" and id eq "` + id + `"`: 1,
		`ID eq "` + id + `" and manager eq "` + boss + `"`: 1, `id eq "` + id + `" and manager eq "` + other + `"`: 0,
		`id eq "` + id + `" and ` + urnEnterprise + `:manager eq "` + boss + `"`: 1,
	} {
		a := s.want(200, "GET", "/Users?filter="+escape(filter)+"&attributes=id", "")
		if s.equal(a, "totalResults", n); n == 1 {
			s.equal(a, "Resources.0.id", id, "Resources.0.userName", nil)
		}
	}
}

func TestE08_MemberCheck(t *testing.T) {
	s := newIDP(t)
	in, out := s.user("in"), s.user("out")
	g := s.group("team", in)
	for _, form := range []string{`members eq "%s"`, `members[value eq "%s"]`, `members.value eq "%s"`} {
		for id, n := range map[string]int{in: 1, out: 0} {
			for _, filter := range []string{`id eq "` + g + `" and ` + fmt.Sprintf(form, id), fmt.Sprintf(form, id) + ` and id eq "` + g + `"`} {
				a := s.want(200, "GET", "/Groups?filter="+escape(filter)+"&attributes=id", "")
				if s.equal(a, "totalResults", n); strings.Contains(a.text, "members") {
					t.Errorf("%s: members that nobody asked for: %s", filter, a.text)
				}
			}
		}
	}
}

func TestE09_UpdateWithoutFlag(t *testing.T) {
	for _, setting := range []string{"auto", "204"} {
		t.Run(setting, func(t *testing.T) {
			s := newIDP(t, func(c *ClientConfig) { c.PatchResponse = setting })
			id := s.entraUser()
			a := s.want(map[string]int{"auto": 200, "204": 204}[setting], "PATCH", "/Users/"+id, patchOps(`[{"op":"Replace","path":"displayName","value":"Pvlo"},
				{"op":"Replace","path":"emails[type eq \"work\"].value","value":"updated@microsoft.com"},{"op":"Replace","path":"name.givenName","value":"Given"},
				{"op":"Replace","path":"externalId","value":"new-id"},
				{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"701984"}]`))
			if setting == "204" {
				a = s.want(200, "GET", "/Users/"+id, "")
			}
			s.equal(a, "displayName", "Pvlo", "emails.0.value", "updated@microsoft.com", "emails.0.primary", true, "emails.1", nil,
				"name.givenName", "Given", "name.familyName", "familyName", "externalId", "new-id", urnEnterprise+"|employeeNumber", "701984")
		})
	}
}

func TestE10_UpdateWithFlag(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	a := s.patched(id, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":"updated@microsoft.com"},
		{"op":"replace","value":{"displayName":"Pvlo","name.givenName":"Given","name.familyName":"Family",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"701984"}}]`)
	s.equal(a, "displayName", "Pvlo", "emails.0.value", "updated@microsoft.com", "name.givenName", "Given", "name.familyName", "Family",
		"name.formatted", "givenName familyName", urnEnterprise+"|employeeNumber", "701984")
}

func TestE11_Add(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	s.equal(s.patched(id, `[{"op":"Add","path":"nickName","value":"Babs"}]`), "nickName", "Babs")
	s.equal(s.patched(id, `[{"op":"add","path":"nickName","value":"Barbara"}]`), "nickName", "Barbara")
}

func TestE12_FilterCreates(t *testing.T) {
	s := newIDP(t)
	for i, op := range []string{"Add", "Replace", "add", "replace"} {
		id := s.user(fmt.Sprint("user", i))
		var list []string
		for _, path := range []string{`emails[type eq \"work\"].value`, `addresses[type eq \"work\"].formatted`, `addresses[type eq \"work\"].streetAddress`,
			`addresses[type eq \"work\"].locality`, `addresses[type eq \"work\"].region`, `addresses[type eq \"work\"].postalCode`,
			`addresses[type eq \"work\"].country`, `phoneNumbers[type eq \"mobile\"].value`,
			`roles[primary eq \"True\"].value`, `roles[primary eq \"True\"].display`, `roles[primary eq \"True\"].type`} {
			list = append(list, `{"op":"`+op+`","path":"`+path+`","value":"x@y.z"}`)
		}
		a := s.patched(id, "["+strings.Join(list, ",")+"]")
		s.equal(a, "emails.type=work.value", "x@y.z", "emails.1", nil, "addresses.type=work.formatted", "x@y.z", "addresses.0.country", "x@y.z",
			"addresses.1", nil, "phoneNumbers.type=mobile.value", "x@y.z", "roles.0.primary", true, "roles.0.value", "x@y.z", "roles.0.type", "x@y.z", "roles.1", nil)
	}
}

func TestE13_DisableWithoutFlag(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	for _, op := range []string{"Replace", "Add"} {
		s.equal(s.patched(id, `[{"op":"`+op+`","path":"active","value":"False"}]`), "active", false)
		s.equal(s.patched(id, `[{"op":"`+op+`","path":"active","value":"True"}]`), "active", true)
	}
}

func TestE14_DisableWithFlag(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	s.equal(s.patched(id, `[{"op":"replace","path":"active","value":false}]`), "active", false)
	s.equal(s.patched(id, `[{"op":"replace","path":"active","value":true}]`), "active", true)
	s.equal(s.patched(id, `[{"op":"replace","value":{"active":false}}]`), "active", false)
}

func TestE15_Restore(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	g := s.group("team", id)
	for _, value := range []string{`"True"`, `true`} {
		s.patched(id, `[{"op":"Replace","path":"active","value":"False"}]`)
		s.equal(s.patched(id, `[{"op":"Replace","path":"active","value":`+value+`}]`), "active", true, "id", id, "groups.0.value", g)
	}
}

func TestE16_ManagerAdd(t *testing.T) {
	s := newIDP(t)
	boss, id := s.user("boss"), s.user("someone")
	for _, path := range []string{"manager", urnEnterprise + ":manager"} {
		for _, op := range []string{"Add", "Replace"} {
			for _, value := range []string{`[{"$ref":"http://example.com/scim/Users/` + boss + `","value":"` + boss + `"}]`, `{"value":"` + boss + `"}`, `"` + boss + `"`} {
				a := s.patched(id, `[{"op":"`+op+`","path":"`+path+`","value":`+value+`}]`)
				s.equal(a, urnEnterprise+"|manager.value", boss)
				s.equal(s.patched(id, `[{"op":"remove","path":"`+urnEnterprise+`:manager"}]`), urnEnterprise, nil)
			}
		}
	}
}

func TestE17_ManagerRemove(t *testing.T) {
	s := newIDP(t)
	boss, id := s.user("boss"), s.user("someone")
	for _, operation := range []string{`{"op":"Remove","path":"manager"}`, `{"op":"Replace","path":"manager","value":{"value":""}}`,
		`{"op":"Replace","path":"manager","value":""}`, `{"op":"Remove","path":"` + urnEnterprise + `:manager"}`} {
		s.equal(s.patched(id, `[{"op":"add","path":"`+urnEnterprise+`:manager","value":{"value":"`+boss+`"}}]`), urnEnterprise+"|manager.value", boss)
		a := s.patched(id, `[`+operation+`]`)
		if strings.Contains(a.text, "manager") {
			t.Errorf("after %s: %s", operation, a.text)
		}
	}
}

func TestE18_AppRoles(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	role := func(name string) string {
		return `{"value":"{\"id\":\"18d14569-c3bd-439b-9a66-3a2aee01d14f\",\"value\":\"` + name + `\",\"displayName\":\"The ` + name + `\"}"}`
	}
	s.equal(s.patched(id, `[{"op":"Add","path":"roles","value":[`+role("Admin")+`]}]`), "roles.0.value", "Admin", "roles.0.display", "The Admin", "roles.1", nil)
	s.equal(s.patched(id, `[{"op":"Add","path":"roles","value":[`+role("User")+`]}]`), "roles.0.value", "Admin", "roles.1.value", "User")
	s.equal(s.patched(id, `[{"op":"Replace","path":"roles","value":[`+role("Guest")+`]}]`), "roles.0.value", "Guest", "roles.1", nil)
	s.equal(s.patched(id, `[{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"Owner"}]`), "roles.1.value", "Owner", "roles.1.primary", true)
}

func TestE19_SoftThenHardDelete(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	s.equal(s.patched(id, `[{"op":"Replace","path":"active","value":"False"}]`), "active", false)
	s.want(204, "DELETE", "/Users/"+id, "")
	s.want(404, "DELETE", "/Users/"+id, "")
	s.equal(s.want(200, "GET", "/Users", ""), "totalResults", 0)
}

func TestE20_GroupLookup(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.want(201, "POST", "/Groups", `{"schemas":[G],"displayName":"displayName","externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","members":[{"value":"`+u+`"}]}`).id()
	for filter, n := range map[string]int{`displayName eq "displayName"`: 1, `externalId eq "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"`: 1, `displayName eq "none"`: 0} {
		a := s.want(200, "GET", "/Groups?excludedAttributes=members&filter="+escape(filter), "")
		if s.equal(a, "totalResults", n); strings.Contains(a.text, "members") {
			t.Errorf("members that were excluded: %s", a.text)
		}
		if n == 1 {
			s.equal(a, "Resources.0.id", g, "Resources.0.displayName", "displayName")
		}
	}
}

func TestE21_GroupCreate(t *testing.T) {
	s := newIDP(t)
	const body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
		"externalId":"8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159","displayName":"displayName","meta":{"resourceType":"Group"}}`
	s.equal(s.want(201, "POST", "/Groups", body), "displayName", "displayName", "externalId", "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "schemas.1", nil)
	s.equal(s.want(409, "POST", "/Groups", `{"schemas":[G],"displayName":"displayName"}`), "scimType", "uniqueness")
}

func TestE22_GroupWithoutMembers(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team", u)
	a := s.want(200, "GET", "/Groups/"+g+"?excludedAttributes=members", "")
	if s.equal(a, "id", g, "displayName", "team"); strings.Contains(a.text, "members") {
		t.Errorf("members that were excluded: %s", a.text)
	}
}

func TestE23_GroupUpdate(t *testing.T) {
	s := newIDP(t)
	u := s.user("someone")
	g := s.group("team", u)
	for i, operation := range []string{`{"op":"Replace","path":"displayName","value":"name%d"}`, `{"op":"replace","value":{"displayName":"name%d"}}`,
		`{"op":"Replace","path":"externalId","value":"name%d"}`, `{"op":"replace","value":{"externalId":"name%d"}}`} {
		s.want(204, "PATCH", "/Groups/"+g, patchOps(`[`+fmt.Sprintf(operation, i)+`]`))
		name := map[bool]string{true: "displayName", false: "externalId"}[i < 2]
		s.equal(s.want(200, "GET", "/Groups/"+g, ""), name, fmt.Sprint("name", i))
	}
	s.wantMembers(g, u)
}

func TestE24_AddMember(t *testing.T) {
	s := newIDP(t)
	one, two, three := s.user("one"), s.user("two"), s.user("three")
	g := s.group("team", one)
	for range 2 { // idempotent
		s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+two+`"}]}]`))
		s.wantMembers(g, one, two)
	}
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+two+`"},{"$ref":null,"value":"`+three+`"}]}]`))
	s.wantMembers(g, one, two, three)
}

func TestE25_RemoveMemberWithoutFlag(t *testing.T) {
	s := newIDP(t)
	one, two, three := s.user("one"), s.user("two"), s.user("three")
	g := s.group("team", one, two, three)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"`+one+`"}]}]`))
	s.wantMembers(g, two, three)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Remove","path":"members","value":[{"value":"`+two+`"}]}]`))
	s.wantMembers(g, three)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Remove","path":"members","value":[{"value":"00000000-0000-7000-8000-000000000000"}]}]`))
	s.wantMembers(g, three)
	// security.md R14: a list that names nobody never means everybody.
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Remove","path":"members","value":[]}]`))
	s.want(400, "PATCH", "/Groups/"+g, patchOps(`[{"op":"Remove","path":"members","value":[{"$ref":null,"value":null}]}]`))
	s.wantMembers(g, three)
}

func TestE26_RemoveMemberWithFlag(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.group("team", one, two)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members[value eq \"`+one+`\"]"}]`))
	s.wantMembers(g, two)
}

func TestE27_ReplaceMembers(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.group("team", one)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","path":"members","value":[{"value":"`+two+`"}]}]`))
	s.wantMembers(g, two) // as the RFC says; counted, since some mean an addition
}

func TestE28_SeveralOperations(t *testing.T) {
	s := newIDP(t)
	id := s.entraUser()
	a := s.patched(id, `[{"op":"remove","path":"externalId"},{"op":"add","path":"externalId","value":"first"},{"op":"replace","path":"externalId","value":"last"}]`)
	s.equal(a, "externalId", "last")
	s.want(400, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"externalId","value":"lost"},{"op":"replace","path":"active","value":"perhaps"},{"op":"replace","path":"title","value":"lost"}]`))
	if after := s.want(200, "GET", "/Users/"+id, ""); after.text != a.text {
		t.Errorf("a PATCH that was refused made %s of %s", after.text, a.text)
	}
}

func TestE29_GroupDelete(t *testing.T) {
	s := newIDP(t)
	g := s.group("team", s.user("someone"))
	s.want(204, "DELETE", "/Groups/"+g, "")
	s.want(404, "DELETE", "/Groups/"+g, "")
}

func TestE30_Inbound(t *testing.T) {
	s := newIDP(t)
	from := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
	to := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	s.many("user", 12)
	id := s.want(201, "POST", "/Users", `{"schemas":[U],"userName":"gone","active":false}`).id()
	for filter, n := range map[string]int{
		`active eq true and (meta.lastModified ge "` + from + `" and meta.lastModified le "` + to + `")`: 12,
		`(ActiVe eq true) and meta.lastmodified ge "` + from + `"`:                                       12,
		`(ActiVe eq true) and meta.lastmodified ge "` + to + `"`:                                         0,
		`id eq "` + id + `"`: 1,
	} {
		a := s.want(200, "GET", "/Users?filter="+escape(filter)+"&count=5&startIndex=1", "")
		s.equal(a, "totalResults", n, "itemsPerPage", min(n, 5))
	}
}
