package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollcall/scim"
	"rollcall/scim/scimhttp"
)

// clientRow is one thing that clients send, and what becomes of it. The test of a row is named
// after it, and fails where the requests make use of other tolerances than these.
type clientRow struct {
	id, what string
	quirks   []string
}

// Short names, so that a row is a line.
const (
	stringBoolean = scim.QuirkStringBoolean
	operatorCase  = scim.QuirkOperatorCase
	readOnly      = scim.QuirkReadOnly
	unknownAttr   = scim.QuirkUnknownAttribute
	unknownSchema = scim.QuirkUnknownSchema
	emptyString   = scim.QuirkEmptyString
	filterCreates = scim.QuirkFilterCreates
	removeByValue = scim.QuirkRemoveByValue
	replaced      = scim.QuirkMembersReplaced
	membersNull   = scim.QuirkMembersUnassigned
	topLevel      = scim.QuirkTopLevel
	unquoted      = scim.QuirkUnquotedValue
	forComplex    = scim.QuirkStringForComplex
)

var clientRows = []clientRow{
	{"A01", "application/scim+json and application/json are read, with and without charset=utf-8, and a body without a Content-Type", q(scimhttp.QuirkNoMediaType)},
	{"A02", "Every answer is application/scim+json, with nothing behind it", nil},
	{"A03", "401 is a SCIM error with WWW-Authenticate: Bearer", nil},
	{"A04", "status of an error is a string", nil},
	{"A05", "totalResults, startIndex and itemsPerPage are numbers", nil},
	{"A06", "An empty search is 200 with Resources []", nil},
	{"A07", "Names, operators and URNs in any case; userName, displayName and e-mails compare ignoring case, externalId and id exactly; values keep their case", q(operatorCase)},
	{"A08", "Strings become booleans in POST, PUT, PATCH and filters; answers have booleans", q(stringBoolean)},
	{"A09", "Unknown attributes and schemas are left out", q(unknownAttr, unknownSchema)},
	{"A10", "null, [] and \"\" mean not set", q(emptyString, membersNull)},
	{"A11", "id, meta and groups in a body are ignored; an id is never taken over", q(readOnly)},
	{"A12", "Adding a member who is there, or removing one who is not, changes nothing", nil},
	{"A13", "A duplicate is 409 uniqueness, which names the attribute and who holds it", nil},
	{"A14", "A slash too many, and an endpoint in another case", q(scimhttp.QuirkTrailingSlash, scimhttp.QuirkDoubledSlash, scimhttp.QuirkEndpointCase)},
	{"A15", "%20, +, %22 and raw quotes in filters; a value without quotes where only one thing can be meant", q(unquoted)},
	{"A16", "Parameters that are not SCIM's are left alone", q(scimhttp.QuirkUnknownParam)},
	{"A17", "Every resource has id, schemas, meta.resourceType and meta.location", nil},
	{"A18", "Somebody inactive stays readable and in their groups, and can come back", nil},
	{"A19", "Answers take seconds at most, whatever the size", nil},
	{"A20", "429 has Retry-After in whole seconds", nil},
	{"A21", "400 and 409 are for good; 503 means later, and says when", nil},
	{"A22", "Fifty PATCHes of one group at once lose no member", q(operatorCase, readOnly)},

	{"O01", "Okta's connection test; a token that was typed without Bearer", q(scimhttp.QuirkBareToken)},
	{"O02", "Groups in pages of 100", nil},
	{"O03", "Lookup by userName", nil},
	{"O04", "201 with the whole user; the password is taken and never shown", q(readOnly)},
	{"O05", "The same again is 409", q(readOnly)},
	{"O06", "Somebody inactive is found and comes back under the same id: by PATCH, by PUT, and by a POST of the same client and externalId (201)", q(scimhttp.QuirkRestored)},
	{"O07", "Pages keep their order and their total", nil},
	{"O08", "PUT of what GET gave: groups, id and meta are ignored, all else is kept", q(readOnly)},
	{"O09", "PATCH without a path sets active; 200 with the user, or 204 where patch_response says so", nil},
	{"O10", "PUT sets active; one that does not mention it leaves it as it is", q(readOnly)},
	{"O11", "Reactivation keeps the id", nil},
	{"O12", "A password is taken and never shown", nil},
	{"O13", "Suspension sends nothing; reads change nothing", nil},
	{"O14", "Nobody is deleted; whoever was deprovisioned is kept, inactive", nil},
	{"O15", "Lookup of a group by displayName", nil},
	{"O16", "A group with members or none", q(readOnly)},
	{"O17", "A rename that repeats the group's id", q(readOnly)},
	{"O18", "Members removed and added in one PATCH", q(readOnly)},
	{"O19", "Members replaced; an empty list clears the group", q(readOnly, replaced)},
	{"O20", "PUT of a group with its members", q(readOnly)},
	{"O21", "1,000 members or operations in one request; bodies of 2 MiB", q(unknownAttr)},
	{"O22", "A group with all its members, quickly", nil},
	{"O23", "DELETE of a group leaves its members alone", nil},
	{"O24", "Discovery; every endpoint of /ResourceTypes answers", nil},
	{"O25", "429, and a Retry-After that is true", nil},
	{"O26", "503 at once when the store is gone, and no answer that takes longer than Okta waits", nil},

	{"E01", "Test Connection: an empty list for every matching attribute", nil},
	{"E02", "/Schemas without null", nil},
	{"E03", "Matching by userName, externalId and work e-mail, with and without quotes", q(unquoted)},
	{"E04", "Entra's user; an empty roles is not set", q(readOnly)},
	{"E05", "A URN with a mistake in it, nulls, and enterprise attributes at the top, which are placed", q(unknownSchema, topLevel)},
	{"E06", "404 once deleted", nil},
	{"E07", "id and manager in one filter, in either order; a complex attribute stands for its value", q(topLevel, scim.QuirkComplexCompared)},
	{"E08", "id and members in one filter, in three forms", nil},
	{"E09", "Replace by path; 200 or 204 as patch_response says", q(operatorCase)},
	{"E10", "Dotted names and URNs as keys of a value without path", q(scim.QuirkDottedName)},
	{"E11", "Add of a single value", q(operatorCase)},
	{"E12", "A filter path that matches nothing makes the value that it asks for", q(operatorCase, filterCreates, stringBoolean)},
	{"E13", "\"False\" disables, by Replace or Add", q(operatorCase, stringBoolean)},
	{"E14", "false disables, with and without a path", nil},
	{"E15", "\"True\" and true bring back, under the same id and in the same groups", q(operatorCase, stringBoolean)},
	{"E16", "A manager as array, object or bare id, with and without the URN", q(operatorCase, topLevel, scim.QuirkArrayForSingle, forComplex)},
	{"E17", "A manager removed, or replaced by nothing", q(operatorCase, topLevel, emptyString)},
	{"E18", "Roles as JSON in a string", q(operatorCase, scim.QuirkRoleJSON, stringBoolean, filterCreates)},
	{"E19", "Disabled, later deleted; 404 the second time", q(operatorCase, stringBoolean)},
	{"E20", "Group lookup without members", nil},
	{"E21", "A group with a schema of Microsoft's; a second of the same name is 409", q(unknownSchema, readOnly)},
	{"E22", "A group without its members", nil},
	{"E23", "Group renamed, with and without a path: 204", q(operatorCase)},
	{"E24", "Members added, with $ref null: 204, and twice is once", q(operatorCase)},
	{"E25", "Members removed by a list of values; nobody else goes", q(operatorCase, removeByValue)},
	{"E26", "A member removed by filter", nil},
	{"E27", "Members replaced, as the RFC has it; counted, since some mean an addition", q(replaced)},
	{"E28", "Several operations on one attribute, in order, all or none", nil},
	{"E29", "DELETE of a group; 404 the second time", nil},
	{"E30", "Entra as a reader: active and lastModified in one filter, in pages", nil},

	{"V01", "A full user, and every attribute back by a filter", q(stringBoolean)},
	{"V02", "The same again: 409", nil},
	{"V03", "Filter that finds", nil},
	{"V04", "Filter that finds nobody", nil},
	{"V05", "Filter in another case", nil},
	{"V06", "userName replaced without a path", nil},
	{"V07", "Disabled, seen by a filter", nil},
	{"V08", "36 operations that add", q(filterCreates, stringBoolean)},
	{"V09", "The same 36 that replace", q(stringBoolean)},
	{"V10", "Manager added, replaced, emptied", q(forComplex, emptyString)},
	{"V11", "Three operations on three attributes", nil},
	{"V12", "Three operations on one attribute", nil},
	{"V13", "DELETE of a user, twice, and of nobody", nil},
	{"V14", "A group without schemas; a second of the same name is 409", q(scim.QuirkNoSchemas)},
	{"V15", "A group without its members", nil},
	{"V16", "Groups by displayName and externalId", nil},
	{"V17", "A group's externalId and displayName replaced without a path", nil},
	{"V18", "Members replaced", q(replaced)},
	{"V19", "A member removed by filter", nil},
	{"V20", "Members added and removed in one PATCH", nil},
	{"V21", "DELETE of a group, twice", nil},

	{"C_OneLogin", "nulls, PUTs, application/json; members null keeps the members", q(membersNull)},
	{"C_JumpCloud", "A user and a group made and deleted at once, again and again", q(removeByValue)},
	{"C_GoogleWorkspace", "count=1; active false or DELETE", nil},
	{"C_PingFederate", "PUT of users, PATCH of groups", q(readOnly)},
	{"C_SailPoint", "Discovery by id, then pages", nil},
	{"C_Authentik", "bulk.maxOperations is a number to go by; a whole group replaced without a path keeps its members; 409 is followed by a group that is found", q(readOnly, removeByValue)},
	{"C_Keycloak", "An id in POST, //Users, a PATCH of 211 members", q(readOnly, scimhttp.QuirkDoubledSlash, replaced)},
	{"C_Keycloak26", "The RFC's plain ground, entity tags included", nil},
	{"C_AWSIdentityCenter", "eq and `and`, 100 members a request, 50 results a page, no User-Agent", q(removeByValue)},
	{"C_WorkOS", "2,000 kB in a body; members that do not exist are dropped", q(unknownAttr, scimhttp.QuirkUnknownMember)},
	{"C_Zitadel", "RFC 7643's full user, all of it back", nil},

	{"S_ThousandMembers", "1,000 members in one operation; more than 1,000 operations are 413", q(operatorCase, replaced)},
	{"S_LargeGroup", "A group of 5,000 without its members, in 50 ms", nil},
	{"S_RepeatedWrites", "Every write twice: one state", nil},
	{"S_AllOrNothing", "One bad operation, and nothing is changed", nil},
	{"S_PatchResponse", "patch_response: auto, 200 and 204, for users and groups; whoever asks for attributes gets them", nil},
	{"S_UnknownMembersDropped", "unknown_members: drop", q(scimhttp.QuirkUnknownMember)},
	{"S_UnknownMembersRefused", "unknown_members: refuse", nil},

	{"Q_PostRestores", "Whose POST brings whom back, and whose is 409", q(scimhttp.QuirkRestored)},
	{"Q_ForeignExternalID", "externalId of a resource that another client or source made: it stays, and the rest is done", q(operatorCase, scimhttp.QuirkForeignID)},
	{"Q_UserNameEmail", "user_name_email: true", nil},
	{"Q_MemberByReference", "A member with $ref and no value", q(scim.QuirkMemberRef)},
	{"Q_SingleValueForList", "PATCH of one value where a list is due", q(scim.QuirkSingleForArray)},
	{"Q_UnknownNamesAskedFor", "attributes that the type does not have", q(scimhttp.QuirkUnknownName)},
}

func q(names ...string) []string { return names }

// TestEveryRowHasATest holds that nothing of clients.md is without its test, and no test without
// its row.
func TestEveryRowHasATest(t *testing.T) {
	want := []string{"C_OneLogin", "C_JumpCloud", "C_GoogleWorkspace", "C_PingFederate", "C_SailPoint", "C_Authentik", "C_Keycloak",
		"C_Keycloak26", "C_AWSIdentityCenter", "C_WorkOS", "C_Zitadel"}
	for letter, n := range map[string]int{"A": 22, "O": 26, "E": 30, "V": 21} {
		for i := range n {
			want = append(want, fmt.Sprintf("%s%02d", letter, i+1))
		}
	}
	tests := clientTests(t)
	for _, id := range want {
		if !slices.ContainsFunc(clientRows, func(r clientRow) bool { return r.id == id }) {
			t.Errorf("%s is not in clientRows", id)
		}
	}
	for _, row := range clientRows {
		if tests[row.id] == "" {
			t.Errorf("%s has no test: write Test%s", row.id, row.id)
		}
		delete(tests, row.id)
	}
	for id, name := range tests {
		t.Errorf("%s has no row: write %s into clientRows", name, id)
	}
}

// clientTests finds the tests of the clients' files: the name of each by its row.
func clientTests(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("clients_*_test.go")
	if err != nil || len(files) < 6 {
		t.Fatalf("test files: %v %v", files, err)
	}
	tests := map[string]string{}
	for _, file := range files {
		if file == "clients_rows_test.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			id, rest, _ := strings.Cut(strings.TrimPrefix(f.Name.Name, "Test"), "_")
			if len(id) == 1 {
				id += "_" + rest
			}
			if tests[id] != "" {
				t.Errorf("%s has two tests, %s and %s", id, tests[id], f.Name.Name)
			}
			tests[id] = f.Name.Name
		}
	}
	return tests
}

// TestEveryQuirkIsExercised holds that each tolerance which is named is made use of by a row, and
// says in its comment whose it is.
func TestEveryQuirkIsExercised(t *testing.T) {
	used := map[string]bool{}
	for _, row := range clientRows {
		for _, name := range row.quirks {
			used[name] = true
		}
	}
	n := 0
	for _, file := range []string{"../../scim/quirks.go", "../../scim/scimhttp/quirks.go"} {
		for name, value := range quirksOf(t, file) {
			if n++; !used[value] {
				t.Errorf("%s: no row makes use of %s (%q)", file, name, value)
			}
		}
	}
	if n < 25 {
		t.Errorf("%d tolerances were found in the source", n)
	}
}

// quirksOf reads the constants of a quirks.go: values by name.
func quirksOf(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range parsed.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			name := v.Names[0].Name
			if !strings.HasPrefix(name, "Quirk") {
				continue
			}
			if v.Comment == nil {
				t.Errorf("%s: %s has no comment: name the row that asks for it", file, name)
			}
			literal, ok := v.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s: %s is no literal", file, name)
			}
			if out[name], err = strconv.Unquote(literal.Value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// TestClientsDocument holds docs/clients-behaviour.md in step with the rows.
func TestClientsDocument(t *testing.T) {
	const file = "../../docs/clients-behaviour.md"
	tests := clientTests(t)
	var b bytes.Buffer
	b.WriteString(`# What clients send, and what becomes of it

Identity providers do not all speak SCIM as the RFCs have it. This is what each is known to send, what Rollcall does, and the test that holds
it, with the literal request, in ` + "`cmd/rollcall`" + `. Rows A are rules for every client, O is Okta, E Microsoft Entra ID, V Microsoft's
SCIM Validator, C other clients, S sizes and repetitions, Q all else.

A tolerance has a name. ` + "`/metrics`" + ` on ` + "`server.ops_listen`" + ` counts, for each client, how often it made use of which:
` + "`rollcall_patch_quirks_total{client,quirk}`" + `, since the process began. Settings of a client under ` + "`clients.NAME`" + `: ` + "`patch_response`" + `
(auto: 200 with the resource, 204 for groups), ` + "`unknown_members`" + ` (drop or refuse), ` + "`user_name_email`" + ` (true: 400 for a new userName
that is no e-mail address).

This page is made by ` + "`go test ./cmd/rollcall -run ClientsDocument -update-docs`" + `.

| row | what becomes of it | tolerances | test |
|---|---|---|---|
`)
	for _, row := range clientRows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.id, row.what, strings.Join(row.quirks, ", "), tests[row.id])
	}
	if *updateDocs {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the rows say: run this test with -update-docs", file)
	}
}
