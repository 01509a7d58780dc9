package main

import (
	"fmt"
	"strings"
	"testing"
)

// The checks of Microsoft's SCIM Validator (clients.md §3), by number.

const validatorUser = `{"schemas":[U,E],"userName":"olin@kutchkunde.us","active":true,"displayName":"ROZKGYRAOCNI","title":"NCOZBKPGNXTE",
	"preferredLanguage":"xh-ZA","userType":"HNQVZFMRCFQV","nickName":"SWLPMQTNZEDG","locale":"ZMNXYZFJLQWE","timezone":"Africa/Ouagadougou",
	"profileUrl":"ITYHKXEZLRJV","externalId":"b7a6e9a2-5d3f-4c2f-9d6a-0b4d7a0c5a11",
	"name":{"formatted":"Alda","familyName":"Mohammed","givenName":"Jennyfer","middleName":"Kole","honorificPrefix":"Merle","honorificSuffix":"Kip"},
	"emails":[{"primary":true,"type":"work","value":"edwardo_hills@kertzmann.uk"}],
	"addresses":[{"primary":true,"type":"work","formatted":"BFYMTTSQ","streetAddress":"1523 Kuvalis Hill","locality":"XKRMPOQH","region":"UQTGVFEN","postalCode":"dz4 8eb","country":"Belize"}],
	"phoneNumbers":[{"primary":true,"type":"work","value":"91-530-2117"},{"type":"mobile","value":"91-530-2118"}],
	"roles":[{"primary":"True","display":"JLWXCMDO","value":"TTPLHRVB","type":"QEIXNCOJ"}],
	"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"ZJXKVNWO","department":"RLMCDUNI","costCenter":"HZJTQPDL",
	"organization":"WCLJZOGM","division":"BVTLFDXE","manager":{"value":"6a7f7a1c-5a0d-4a38-9c1f-6f1f7d9a2b10"}}}`

// validatorValues is what is to be read of validatorUser, as equal takes it.
func validatorValues() []any {
	return []any{"active", true, "displayName", "ROZKGYRAOCNI", "title", "NCOZBKPGNXTE", "preferredLanguage", "xh-ZA", "userType", "HNQVZFMRCFQV",
		"nickName", "SWLPMQTNZEDG", "locale", "ZMNXYZFJLQWE", "timezone", "Africa/Ouagadougou", "profileUrl", "ITYHKXEZLRJV",
		"name.formatted", "Alda", "name.familyName", "Mohammed", "name.givenName", "Jennyfer", "name.middleName", "Kole", "name.honorificPrefix", "Merle", "name.honorificSuffix", "Kip",
		"emails.type=work.value", "edwardo_hills@kertzmann.uk", "emails.type=work.primary", true,
		"addresses.type=work.formatted", "BFYMTTSQ", "addresses.type=work.streetAddress", "1523 Kuvalis Hill", "addresses.type=work.locality", "XKRMPOQH",
		"addresses.type=work.region", "UQTGVFEN", "addresses.type=work.postalCode", "dz4 8eb", "addresses.type=work.country", "Belize", "addresses.type=work.primary", true,
		"phoneNumbers.type=work.value", "91-530-2117", "phoneNumbers.type=work.primary", true, "phoneNumbers.type=mobile.value", "91-530-2118",
		"roles.0.primary", true, "roles.0.display", "JLWXCMDO", "roles.0.value", "TTPLHRVB", "roles.0.type", "QEIXNCOJ",
		urnEnterprise + "|employeeNumber", "ZJXKVNWO", urnEnterprise + "|department", "RLMCDUNI", urnEnterprise + "|costCenter", "HZJTQPDL",
		urnEnterprise + "|organization", "WCLJZOGM", urnEnterprise + "|division", "BVTLFDXE"}
}

// verbose is the 36 operations that set validatorUser piece by piece.
func verbose(op string) string {
	var list []string
	set := func(path, value string) {
		list = append(list, fmt.Sprintf(`{"op":%q,"path":%q,"value":%s}`, op, path, value))
	}
	set("active", "true")
	for name, value := range map[string]string{"displayName": "ROZKGYRAOCNI", "title": "NCOZBKPGNXTE", "preferredLanguage": "xh-ZA", "userType": "HNQVZFMRCFQV",
		"nickName": "SWLPMQTNZEDG", "locale": "ZMNXYZFJLQWE", "timezone": "Africa/Ouagadougou", "profileUrl": "ITYHKXEZLRJV",
		"name.formatted": "Alda", "name.familyName": "Mohammed", "name.givenName": "Jennyfer", "name.middleName": "Kole", "name.honorificPrefix": "Merle", "name.honorificSuffix": "Kip",
		`emails[type eq "work"].value`:        "edwardo_hills@kertzmann.uk",
		`addresses[type eq "work"].formatted`: "BFYMTTSQ", `addresses[type eq "work"].streetAddress`: "1523 Kuvalis Hill", `addresses[type eq "work"].locality`: "XKRMPOQH",
		`addresses[type eq "work"].region`: "UQTGVFEN", `addresses[type eq "work"].postalCode`: "dz4 8eb", `addresses[type eq "work"].country`: "Belize",
		`phoneNumbers[type eq "work"].value`: "91-530-2117", `phoneNumbers[type eq "mobile"].value`: "91-530-2118",
		`roles[primary eq "True"].display`: "JLWXCMDO", `roles[primary eq "True"].value`: "TTPLHRVB", `roles[primary eq "True"].type`: "QEIXNCOJ",
		urnEnterprise + ":employeeNumber": "ZJXKVNWO", urnEnterprise + ":department": "RLMCDUNI", urnEnterprise + ":costCenter": "HZJTQPDL",
		urnEnterprise + ":organization": "WCLJZOGM", urnEnterprise + ":division": "BVTLFDXE"} {
		set(name, `"`+value+`"`)
	}
	set(`emails[type eq "work"].primary`, "true")
	set(`addresses[type eq "work"].primary`, "true")
	set(`phoneNumbers[type eq "work"].primary`, "true")
	set(`phoneNumbers[type eq "mobile"].primary`, "false")
	return "[" + strings.Join(list, ",") + "]"
}

func (s *idp) validated() string {
	s.Helper()
	return s.want(201, "POST", "/Users", strings.Replace(validatorUser, `"primary":"True"`, `"primary":true`, 1)).id()
}

func TestV01_CreateFullUser(t *testing.T) {
	s := newIDP(t)
	s.equal(s.want(201, "POST", "/Users", validatorUser), validatorValues()...)
	found := s.want(200, "GET", `/Users?filter=userName+eq+"olin@kutchkunde.us"`, "")
	s.equal(found, "totalResults", 1)
	s.equal(found.at("Resources", 0), validatorValues()...)
	s.equal(found, "Resources.0.externalId", "b7a6e9a2-5d3f-4c2f-9d6a-0b4d7a0c5a11")
	s.equal(found.at("Resources", 0), urnEnterprise+"|manager.value", "6a7f7a1c-5a0d-4a38-9c1f-6f1f7d9a2b10")
}

func TestV02_CreateAgain(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	a := s.want(409, "POST", "/Users", strings.Replace(validatorUser, `"primary":"True"`, `"primary":true`, 1))
	if s.equal(a, "scimType", "uniqueness"); !strings.Contains(a.at("detail").(string), id) {
		t.Errorf("detail %q does not name %s", a.at("detail"), id)
	}
}

func TestV03_FilterExisting(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"olin@kutchkunde.us"`, ""), "totalResults", 1, "Resources.0.id", id)
}

func TestV04_FilterMissing(t *testing.T) {
	s := newIDP(t)
	s.validated()
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"nobody@kutchkunde.us"`, ""), "totalResults", 0)
}

func TestV05_FilterInOtherCase(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"OLIN@KutchKunde.us"`, ""), "totalResults", 1, "Resources.0.id", id, "Resources.0.userName", "olin@kutchkunde.us")
}

func TestV06_ReplaceUserName(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.equal(s.patched(id, `[{"op":"replace","value":{"userName":"5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"}}]`), "userName", "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com")
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"olin@kutchkunde.us"`, ""), "totalResults", 0)
}

func TestV07_Disable(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(`[{"op":"replace","path":"active","value":false}]`)), "active", false)
	s.equal(s.want(200, "GET", `/Users?filter=userName+eq+"olin@kutchkunde.us"`, ""), "totalResults", 1, "Resources.0.active", false)
}

func TestV08_AddVerbose(t *testing.T) {
	s := newIDP(t)
	id := s.want(201, "POST", "/Users", `{"userName":"olin@kutchkunde.us","schemas":[U]}`).id()
	operations := verbose("add")
	if n := strings.Count(operations, `"op"`); n != 36 {
		t.Fatalf("%d operations, want 36", n)
	}
	s.equal(s.patched(id, operations), validatorValues()...)
}

func TestV09_ReplaceVerbose(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.patched(id, `[{"op":"replace","value":{"title":"old","nickName":"old"}},{"op":"replace","path":"emails[type eq \"work\"].value","value":"old@example.com"}]`)
	s.equal(s.want(200, "PATCH", "/Users/"+id, patchOps(verbose("replace"))), validatorValues()...)
}

func TestV10_Manager(t *testing.T) {
	s := newIDP(t)
	id, boss, next := s.validated(), s.user("boss"), s.user("next")
	const path = urnEnterprise + ":manager"
	for _, none := range []string{`{"value":""}`, `""`} {
		s.equal(s.patched(id, `[{"op":"add","path":"`+path+`","value":"`+boss+`"}]`), urnEnterprise+"|manager.value", boss)
		s.equal(s.patched(id, `[{"op":"add","path":"`+path+`","value":{"value":"`+boss+`"}}]`), urnEnterprise+"|manager.value", boss)
		s.equal(s.patched(id, `[{"op":"replace","path":"`+path+`","value":{"value":"`+next+`"}}]`), urnEnterprise+"|manager.value", next)
		s.equal(s.patched(id, `[{"op":"replace","path":"`+path+`","value":`+none+`}]`), urnEnterprise+"|manager", nil, urnEnterprise+"|department", "RLMCDUNI")
	}
}

func TestV11_ThreeAttributes(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	a := s.patched(id, `[{"op":"remove","path":"preferredLanguage"},{"op":"add","path":"externalId","value":"new"},{"op":"replace","path":"displayName","value":"New"}]`)
	s.equal(a, "preferredLanguage", nil, "externalId", "new", "displayName", "New")
}

func TestV12_OneAttributeThrice(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.equal(s.patched(id, `[{"op":"remove","path":"externalId"},{"op":"add","path":"externalId","value":"one"},{"op":"replace","path":"externalId","value":"two"}]`), "externalId", "two")
}

func TestV13_DeleteUser(t *testing.T) {
	s := newIDP(t)
	id := s.validated()
	s.want(204, "DELETE", "/Users/"+id, "")
	s.want(404, "GET", "/Users/"+id, "")
	s.want(404, "DELETE", "/Users/"+id, "")
	s.want(404, "DELETE", "/Users/5b50642d-79fc-4410-9e90-4c077cdd1a59", "")
	s.want(404, "DELETE", "/Users/anything", "")
}

const validatorGroup = `{"displayName":"NXYUQFGBWKZV","externalId":"2d7b8b4e-95ac-44f0-8f4e-2f8a27c3a9d7"}`

// validatorTeam makes the group of a check that is about what comes after.
func (s *idp) validatorTeam(members ...string) string {
	s.Helper()
	return s.want(201, "POST", "/Groups", strings.Replace(validatorGroup, "{", `{"schemas":[G],"members":[`+values(members...)+`],`, 1)).id()
}

func TestV14_CreateGroup(t *testing.T) {
	s := newIDP(t)
	a := s.want(201, "POST", "/Groups", validatorGroup)
	s.equal(a, "displayName", "NXYUQFGBWKZV", "externalId", "2d7b8b4e-95ac-44f0-8f4e-2f8a27c3a9d7")
	s.equal(s.want(409, "POST", "/Groups", `{"displayName":"NXYUQFGBWKZV","externalId":"another"}`), "scimType", "uniqueness")
}

func TestV15_GroupWithoutMembers(t *testing.T) {
	s := newIDP(t)
	g := s.validatorTeam(s.user("someone"))
	s.equal(s.want(200, "GET", "/Groups/"+g+"?excludedAttributes=members", ""), "displayName", "NXYUQFGBWKZV", "members", nil)
}

func TestV16_FilterGroups(t *testing.T) {
	s := newIDP(t)
	g := s.validatorTeam()
	for filter, n := range map[string]int{`displayName eq "NXYUQFGBWKZV"`: 1, `displayName eq "other"`: 0,
		`externalId eq "2d7b8b4e-95ac-44f0-8f4e-2f8a27c3a9d7"`: 1, `externalId eq "2D7B8B4E-95AC-44F0-8F4E-2F8A27C3A9D7"`: 0, `externalId eq "other"`: 0} {
		a := s.want(200, "GET", "/Groups?excludedAttributes=members&filter="+escape(filter), "")
		if s.equal(a, "totalResults", n); n == 1 {
			s.equal(a, "Resources.0.id", g)
		}
	}
}

func TestV17_ReplaceGroup(t *testing.T) {
	s := newIDP(t)
	g := s.validatorTeam()
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","value":{"externalId":"new-id"}}]`))
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","value":{"displayName":"New"}}]`))
	s.equal(s.want(200, "GET", "/Groups/"+g, ""), "externalId", "new-id", "displayName", "New")
}

func TestV18_ReplaceMembers(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.validatorTeam(one)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"replace","path":"members","value":[{"value":"`+two+`"}]}]`))
	s.wantMembers(g, two)
}

func TestV19_RemoveMember(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.validatorTeam(one, two)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"remove","path":"members[value eq \"`+one+`\"]"}]`))
	s.wantMembers(g, two)
}

func TestV20_AddAndRemoveMembers(t *testing.T) {
	s := newIDP(t)
	one, two := s.user("one"), s.user("two")
	g := s.validatorTeam(one)
	s.want(204, "PATCH", "/Groups/"+g, patchOps(`[{"op":"add","path":"members","value":[{"value":"`+two+`"}]},{"op":"remove","path":"members[value eq \"`+one+`\"]"}]`))
	s.wantMembers(g, two)
}

func TestV21_DeleteGroup(t *testing.T) {
	s := newIDP(t)
	g := s.validatorTeam()
	s.want(204, "DELETE", "/Groups/"+g, "")
	s.want(404, "DELETE", "/Groups/"+g, "")
	s.want(404, "GET", "/Groups/"+g, "")
}
