package scim

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// operations reads the Operations of a PATCH.
func operations(t testing.TB, ops string) []Operation {
	t.Helper()
	list, err := ParsePatch(parse(t, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`+ops+`}`))
	if err != nil {
		t.Fatalf("ParsePatch(%s) = %v", ops, err)
	}
	return list
}

func TestPatchUser(t *testing.T) {
	const (
		ent  = `"` + EnterpriseURN + `"`
		acc  = `"` + AccountUserURN + `"`
		work = `{"type":"work","value":"w@x"}`
		home = `{"type":"home","value":"h@x","primary":true}`
	)
	tests := []struct {
		name, old, ops, want string
		quirks               []string
	}{
		{"O9 deactivate", `{"active":true}`, `[{"op":"replace","value":{"active":false}}]`, `{"active":false}`, nil},
		{"E13 disable with strings", `{"active":true}`, `[{"op":"Replace","path":"active","value":"False"}]`, `{"active":false}`, []string{QuirkOperatorCase, QuirkStringBoolean}},
		{"E13 disable by Add", `{"active":true}`, `[{"op":"Add","path":"active","value":"False"}]`, `{"active":false}`, []string{QuirkOperatorCase, QuirkStringBoolean}},
		{"Okta's [false]", `{"active":true}`, `[{"op":"replace","path":"active","value":[false]}]`, `{"active":false}`, []string{QuirkArrayForSingle}},
		{"active cannot be taken away", `{"active":false}`, `[{"op":"remove","path":"active"},{"op":"replace","value":{"active":null}}]`, `{"active":false}`, nil},
		{"E9 replace by path", `{"displayName":"a","emails":[` + work + `]}`,
			`[{"op":"Replace","path":"displayName","value":"Pvlo"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@x"},
			{"op":"Replace","path":"name.givenName","value":"G"},{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"7"}]`,
			`{"displayName":"Pvlo","emails":[{"type":"work","value":"new@x"}],"name":{"givenName":"G"},` + ent + `:{"employeeNumber":"7"}}`, []string{QuirkOperatorCase}},
		{"E10 paths as names", `{"name":{"givenName":"a","middleName":"m"}}`,
			`[{"op":"replace","value":{"displayName":"D","name.givenName":"G","name.familyName":"F","emails[type eq \"work\"].value":"w@x",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber":"7"}}]`,
			`{"displayName":"D","name":{"givenName":"G","familyName":"F","middleName":"m"},"emails":[` + work + `],` + ent + `:{"employeeNumber":"7"}}`,
			[]string{QuirkDottedName, QuirkFilterCreates}},
		{"extension as an object", `{` + ent + `:{"department":"a","division":"b"}}`, `[{"op":"replace","value":{` + ent + `:{"department":"x","costCenter":"c","nope":1}}}]`,
			`{` + ent + `:{"department":"x","division":"b","costCenter":"c"}}`, []string{QuirkUnknownAttribute}},
		{"extension as a path", `{}`, `[{"op":"add","path":` + ent + `,"value":{"department":"x","manager.value":"7"}}]`, `{` + ent + `:{"department":"x","manager":{"value":"7"}}}`, nil},
		{"extension removed", `{"title":"t",` + ent + `:{"department":"a"}}`, `[{"op":"remove","path":` + ent + `}]`, `{"title":"t"}`, nil},
		{"extension removed but for what is readOnly", `{` + acc + `:{"number":7,"queue":"q","source":"ldap"}}`, `[{"op":"remove","path":` + acc + `}]`, `{` + acc + `:{"number":7,"source":"ldap"}}`, nil},
		{"extension null", `{` + ent + `:{"department":"a"}}`, `[{"op":"replace","value":{` + ent + `:null}}]`, `{}`, nil},
		{"core URN as an object", `{}`, `[{"op":"replace","value":{"` + UserURN + `":{"title":"t"}}}]`, `{"title":"t"}`, nil},
		{"E11 add", `{}`, `[{"op":"Add","path":"nickName","value":"Babs"}]`, `{"nickName":"Babs"}`, []string{QuirkOperatorCase}},
		{"E12 replace creates element", `{"emails":[` + home + `]}`, `[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"w@x"}]`, `{"emails":[` + home + `,` + work + `]}`,
			[]string{QuirkOperatorCase, QuirkFilterCreates}},
		{"E12 add creates address", `{}`, `[{"op":"add","path":"addresses[type eq \"work\"].formatted","value":"f"},{"op":"add","path":"addresses[type eq \"work\"].country","value":"DE"}]`,
			`{"addresses":[{"type":"work","formatted":"f","country":"DE"}]}`, []string{QuirkFilterCreates}},
		{"E12 role by primary True", `{}`, `[{"op":"add","path":"roles[primary eq \"True\"].display","value":"d"},{"op":"add","path":"roles[primary eq \"True\"].value","value":"v"},{"op":"add","path":"roles[primary eq \"True\"].type","value":"t"}]`,
			`{"roles":[{"primary":true,"display":"d","value":"v","type":"t"}]}`, []string{QuirkStringBoolean, QuirkFilterCreates}},
		{"E12 two conditions", `{}`, `[{"op":"replace","path":"emails[type eq \"work\" and primary eq true].value","value":"w@x"}]`, `{"emails":[{"type":"work","primary":true,"value":"w@x"}]}`, []string{QuirkFilterCreates}},
		{"E12 null creates nothing", `{}`, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":null},{"op":"replace","path":"emails[type eq \"home\"].value","value":""}]`, `{}`, nil},
		{"E12 whole element", `{}`, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"value":"w@x"}}]`, `{"emails":[` + work + `]}`, []string{QuirkFilterCreates}},
		{"E16 manager as an array", `{}`, `[{"op":"Add","path":"manager","value":[{"$ref":"http://h/Users/7","value":"7"}]}]`, `{` + ent + `:{"manager":{"value":"7"}}}`,
			[]string{QuirkOperatorCase, QuirkTopLevel, QuirkArrayForSingle}},
		{"E16 manager as an object", `{` + ent + `:{"manager":{"value":"6"}}}`, `[{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":{"value":"7"}}]`, `{` + ent + `:{"manager":{"value":"7"}}}`, nil},
		{"E16 manager as a string", `{}`, `[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"7"}]`, `{` + ent + `:{"manager":{"value":"7"}}}`, []string{QuirkStringForComplex}},
		{"E16 manager without path", `{}`, `[{"op":"add","value":{"manager":"7"}}]`, `{` + ent + `:{"manager":{"value":"7"}}}`, []string{QuirkTopLevel, QuirkStringForComplex}},
		{"E16 manager.$ref", `{}`, `[{"op":"add","path":"manager.$ref","value":"http://h/Users/7"}]`, `{` + ent + `:{"manager":{"value":"7"}}}`, []string{QuirkTopLevel, QuirkMemberRef}},
		{"E17 manager removed", `{` + ent + `:{"manager":{"value":"7"}}}`, `[{"op":"Remove","path":"manager"}]`, `{}`, []string{QuirkOperatorCase, QuirkTopLevel}},
		{"E17 manager replaced by an empty value", `{` + ent + `:{"manager":{"value":"7"},"department":"d"}}`, `[{"op":"Replace","path":"manager","value":{"value":""}}]`, `{` + ent + `:{"department":"d"}}`,
			[]string{QuirkOperatorCase, QuirkTopLevel, QuirkEmptyString}},
		{"E17 manager replaced by an empty string", `{` + ent + `:{"manager":{"value":"7"}}}`, `[{"op":"replace","path":"manager","value":""}]`, `{}`, []string{QuirkTopLevel, QuirkEmptyString}},
		{"E18 roles as JSON strings", `{"roles":[{"value":"Old"}]}`, `[{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}]}]`,
			`{"roles":[{"value":"Old"},{"value":"Admin","display":"Admin"}]}`, []string{QuirkOperatorCase, QuirkRoleJSON}},
		{"E28 last one wins", `{"title":"a"}`, `[{"op":"remove","path":"title"},{"op":"add","path":"title","value":"b"},{"op":"replace","path":"title","value":"c"}]`, `{"title":"c"}`, nil},
		{"null and empty remove", `{"title":"a","nickName":"b","emails":[` + work + `],"ims":[{"value":"i"}],"name":{"givenName":"g"}}`,
			`[{"op":"replace","path":"title","value":null},{"op":"replace","value":{"nickName":"","emails":[],"ims":null,"name":null}}]`, `{}`, []string{QuirkEmptyString}},
		{"O17 id, meta, schemas and readOnly left out", `{"title":"a"}`, `[{"op":"replace","value":{"id":"x","meta":{},"schemas":[],"groups":[{"value":"g"}],"shoeSize":7,"title":"b"}}]`, `{"title":"b"}`,
			[]string{QuirkReadOnly, QuirkUnknownAttribute}},
		{"unknown bare names of the account extension", `{}`, `[{"op":"replace","value":{"source":"crm","description":"d"}}]`, `{}`, []string{QuirkUnknownAttribute}},
		{"add appends", `{"emails":[` + work + `]}`, `[{"op":"add","path":"emails","value":[` + home + `]}]`, `{"emails":[` + work + `,` + home + `]}`, nil},
		{"add one value alone", `{"emails":[` + work + `]}`, `[{"op":"add","path":"emails","value":` + home + `}]`, `{"emails":[` + work + `,` + home + `]}`, []string{QuirkSingleForArray}},
		{"add what is there", `{"emails":[` + work + `]}`, `[{"op":"add","path":"emails","value":[{"value":"W@X","type":"work"}]}]`, `{"emails":[` + work + `]}`, nil},
		{"add what is there, as primary", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"add","path":"emails","value":[{"value":"w@x","type":"work","primary":true}]}]`,
			`{"emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x","primary":false}]}`, nil},
		{"add one value twice", `{}`, `[{"op":"add","path":"emails","value":[{"value":"h@x","type":"home","primary":true},{"value":"H@x","type":"home"}]}]`, `{"emails":[` + home + `]}`, nil},
		{"replace all values", `{"emails":[` + work + `]}`, `[{"op":"replace","path":"emails","value":[` + home + `]}]`, `{"emails":[` + home + `]}`, nil},
		{"replace all values by one", `{"emails":[` + work + `]}`, `[{"op":"replace","path":"emails","value":` + home + `}]`, `{"emails":[` + home + `]}`, []string{QuirkSingleForArray}},
		{"primary moves", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}]`,
			`{"emails":[{"type":"work","value":"w@x","primary":true},{"type":"home","value":"h@x","primary":false}]}`, nil},
		{"replace an element", `{"emails":[{"type":"work","value":"w@x","display":"d"}]}`, `[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"n@x"}}]`, `{"emails":[{"type":"work","value":"n@x"}]}`, nil},
		{"add to an element", `{"emails":[{"type":"work","value":"w@x","display":"d"}]}`, `[{"op":"add","path":"emails[type eq \"work\"]","value":[{"value":"n@x"}]}]`, `{"emails":[{"type":"work","value":"n@x","display":"d"}]}`, []string{QuirkArrayForSingle}},
		{"value of an element taken away", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":""}]`, `{"emails":[` + home + `]}`, []string{QuirkEmptyString}},
		{"remove an element", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"remove","path":"emails[type eq \"home\"]"}]`, `{"emails":[` + work + `]}`, nil},
		{"remove the last element", `{"emails":[` + work + `]}`, `[{"op":"remove","path":"emails[type eq \"work\" and value ew \"x\"]"}]`, `{}`, nil},
		{"remove nothing", `{"emails":[` + work + `]}`, `[{"op":"remove","path":"emails[type eq \"fax\"]"},{"op":"remove","path":"title"},{"op":"remove","path":"name.givenName"},{"op":"remove","path":"ims.value"}]`, `{"emails":[` + work + `]}`, nil},
		{"remove a sub-attribute of an element", `{"emails":[` + home + `]}`, `[{"op":"remove","path":"emails[type eq \"home\"].primary"}]`, `{"emails":[{"type":"home","value":"h@x"}]}`, nil},
		{"remove a sub-attribute of all", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"remove","path":"emails.type"}]`, `{"emails":[{"value":"w@x"},{"value":"h@x","primary":true}]}`, nil},
		{"remove by value", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"remove","path":"emails","value":[{"value":"W@x"},{"value":"nobody"}]}]`, `{"emails":[` + home + `]}`, []string{QuirkRemoveByValue}},
		{"remove the last sub-attribute", `{"name":{"givenName":"g"}}`, `[{"op":"remove","path":"name.givenName"}]`, `{}`, nil},
		{"remove all values", `{"emails":[` + work + `]}`, `[{"op":"remove","path":"emails"}]`, `{}`, nil},
		{"sub-attribute without brackets, no value yet", `{}`, `[{"op":"replace","path":"emails.value","value":"w@x"}]`, `{"emails":[{"value":"w@x"}]}`, nil},
		{"sub-attribute without brackets, one value", `{"emails":[` + work + `]}`, `[{"op":"replace","path":"emails.value","value":"n@x"}]`, `{"emails":[{"type":"work","value":"n@x"}]}`, nil},
		{"sub-attribute without brackets, the primary", `{"emails":[` + work + `,` + home + `]}`, `[{"op":"replace","path":"emails.value","value":"n@x"}]`,
			`{"emails":[` + work + `,{"type":"home","value":"n@x","primary":true}]}`, nil},
		{"complex value keeps what is not named", `{"name":{"givenName":"g","familyName":"f","middleName":"m"}}`, `[{"op":"replace","path":"name","value":{"givenName":"G","middleName":null,"nope":1}}]`, `{"name":{"givenName":"G","familyName":"f"}}`,
			[]string{QuirkUnknownAttribute}},
		{"immutable set for the first time, and again", `{}`, `[{"op":"add","path":"source","value":"ldap"},{"op":"replace","path":"source","value":"LDAP"}]`, `{` + acc + `:{"source":"LDAP"}}`, []string{QuirkTopLevel}},
		{"readOnly sub-attribute left out", `{}`, `[{"op":"replace","path":"manager","value":{"value":"7","displayName":"Boss"}}]`, `{` + ent + `:{"manager":{"value":"7"}}}`, []string{QuirkReadOnly, QuirkTopLevel}},
		{"preferences by name", `{}`, `[{"op":"replace","path":"preferences[name eq \"theme\"].value","value":"dark"},{"op":"replace","path":"preferences[name eq \"theme\"].value","value":"light"}]`,
			`{` + acc + `:{"preferences":[{"name":"theme","value":"light"}]}}`, []string{QuirkTopLevel, QuirkFilterCreates}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old := &Resource{Header: Header{Ref: Ref{"User", "1"}}, Attributes: withName(parse(t, tt.old))}
			before := old.Clone()
			got, err := user().Patch(old, operations(t, tt.ops), nil)
			if err != nil {
				t.Fatalf("Patch(%s) = %v", tt.ops, err)
			}
			want := withName(parse(t, tt.want))
			if !reflect.DeepEqual(got.Resource.Attributes, want) {
				t.Errorf("Patch(%s) of %s = %s, want %s", tt.ops, tt.old, AppendJSON(nil, got.Resource.Attributes), AppendJSON(nil, want))
			}
			if !slices.Equal(got.Quirks, sortedQuirks(tt.quirks)) {
				t.Errorf("Patch(%s): quirks %v, want %v", tt.ops, got.Quirks, tt.quirks)
			}
			if changed := !reflect.DeepEqual(before.Attributes, want); got.Changed != changed {
				t.Errorf("Patch(%s).Changed = %v, want %v", tt.ops, got.Changed, changed)
			}
			if !reflect.DeepEqual(old, before) {
				t.Errorf("Patch(%s) changed its argument to %v", tt.ops, old.Attributes)
			}
		})
	}
}

func withName(attributes map[string]any) map[string]any {
	attributes["userName"] = "ann"
	return attributes
}

func TestPatchHeaderAndPassword(t *testing.T) {
	tests := []struct{ name, ops, externalID, password string }{
		{"O12 password without path", `[{"op":"replace","value":{"password":"n3w"}}]`, "old", "n3w"},
		{"password by path", `[{"op":"replace","path":"password","value":"n3w"}]`, "old", "n3w"},
		{"E9 externalId", `[{"op":"Replace","path":"externalId","value":"new"}]`, "new", ""},
		{"17 externalId without path", `[{"op":"replace","value":{"externalId":"new"}}]`, "new", ""},
		{"12 remove, add, replace externalId", `[{"op":"remove","path":"externalId"},{"op":"add","path":"externalId","value":"a"},{"op":"replace","path":"externalId","value":"b"}]`, "b", ""},
		{"externalId removed", `[{"op":"remove","path":"externalId"}]`, "", ""},
		{"externalId empty", `[{"op":"replace","path":"externalId","value":""}]`, "", ""},
		{"externalId the same", `[{"op":"replace","path":"externalId","value":"old"}]`, "old", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Resource{Header: Header{ExternalID: "old"}, Attributes: withName(map[string]any{})}
			got, err := user().Patch(r, operations(t, tt.ops), nil)
			if err != nil || got.Resource.ExternalID != tt.externalID || got.Password != tt.password || got.Changed != (tt.externalID != "old") {
				t.Errorf("Patch(%s) = %+v, %v, want externalId %q, password %q", tt.ops, got, err, tt.externalID, tt.password)
			}
			if _, kept := got.Resource.Attributes["password"]; kept {
				t.Errorf("Patch(%s) keeps the password", tt.ops)
			}
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	const acc = AccountUserURN
	tests := []struct {
		name, op, want string
		kind           error
	}{
		{"unknown attribute", `{"op":"replace","path":"nope","value":1}`, `User has no attribute "nope"`, ErrInvalidPath},
		{"unknown sub-attribute", `{"op":"replace","path":"name.nope","value":1}`, "name.nope", ErrInvalidPath},
		{"malformed path", `{"op":"replace","path":"emails[type eq","value":1}`, "expected a value", ErrInvalidPath},
		{"malformed path as a name", `{"op":"replace","value":{"emails[type eq":1}}`, "expected a value", ErrInvalidPath},
		{"remove without path", `{"op":"remove"}`, "remove needs a path", ErrNoTarget},
		{"remove without path but value", `{"op":"remove","value":{"title":"x"}}`, "remove needs a path", ErrNoTarget},
		{"no value", `{"op":"replace","path":"title"}`, "replace needs a value", ErrInvalidValue},
		{"no path, string", `{"op":"add","value":"x"}`, "needs an object of attributes", ErrInvalidValue},
		{"no path, no value", `{"op":"add"}`, "needs an object of attributes", ErrInvalidValue},
		{"id", `{"op":"replace","path":"id","value":"x"}`, "id is readOnly", ErrMutability},
		{"meta", `{"op":"replace","path":"meta.created","value":"x"}`, "meta.created is readOnly", ErrMutability},
		{"schemas", `{"op":"remove","path":"schemas"}`, "schemas is readOnly", ErrMutability},
		{"groups", `{"op":"add","path":"groups","value":[{"value":"g"}]}`, "groups is readOnly", ErrMutability},
		{"remove groups", `{"op":"remove","path":"groups[value eq \"g\"]"}`, "is readOnly", ErrMutability},
		{"readOnly sub-attribute", `{"op":"replace","path":"manager.displayName","value":"x"}`, "is readOnly", ErrMutability},
		{"readOnly in the extension", `{"op":"replace","path":"number","value":1}`, "is readOnly", ErrMutability},
		{"immutable", `{"op":"replace","path":"` + acc + `:source","value":"sso"}`, "source cannot be changed", ErrMutability},
		{"immutable without path", `{"op":"replace","value":{"` + acc + `":{"source":"sso"}}}`, "source cannot be changed", ErrMutability},
		{"immutable removed", `{"op":"remove","path":"source"}`, "source cannot be removed", ErrMutability},
		{"required removed", `{"op":"remove","path":"userName"}`, "userName is required", ErrMutability},
		{"required null", `{"op":"replace","path":"userName","value":null}`, "userName is required", ErrInvalidValue},
		{"required empty without path", `{"op":"replace","value":{"userName":""}}`, "userName is required", ErrInvalidValue},
		{"required sub-attribute removed", `{"op":"remove","path":"preferences.name"}`, "preferences.name is required", ErrMutability},
		{"required sub-attribute missing", `{"op":"add","path":"preferences","value":[{"value":"x"}]}`, "preferences.name is required", ErrInvalidValue},
		{"password removed", `{"op":"remove","path":"password"}`, "password cannot be removed", ErrMutability},
		{"password of another type", `{"op":"replace","path":"password","value":7}`, "password: expected a string", ErrInvalidValue},
		{"wrong type", `{"op":"replace","path":"title","value":{}}`, "title: expected a string, found an object", ErrInvalidValue},
		{"wrong type in a list", `{"op":"add","path":"emails","value":["x"]}`, "emails: expected an object", ErrInvalidValue},
		{"bad userName", `{"op":"replace","path":"userName","value":"a\u200b"}`, "PRECIS", ErrInvalidValue},
		{"brackets that describe nothing", `{"op":"replace","path":"emails[value co \"x\"].value","value":"y"}`, "no value of emails matches", ErrNoTarget},
		{"brackets with or", `{"op":"add","path":"emails[type eq \"a\" or type eq \"b\"].value","value":"y"}`, "no value of emails matches", ErrNoTarget},
		{"brackets on one value", `{"op":"replace","path":"name[givenName eq \"g\"].familyName","value":"y"}`, "name has one value", ErrInvalidPath},
		{"which of several", `{"op":"replace","path":"phoneNumbers.value","value":"1"}`, "phoneNumbers has 2 values", ErrNoTarget},
		{"two primaries", `{"op":"add","path":"emails","value":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, "primary", ErrInvalidValue},
		{"several become primary", `{"op":"replace","path":"phoneNumbers[value pr].primary","value":true}`, "more than one value would be primary", ErrInvalidValue},
		{"extension of another type", `{"op":"replace","path":"` + EnterpriseURN + `","value":"x"}`, "expected an object", ErrInvalidValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Resource{Attributes: withName(parse(t, `{"phoneNumbers":[{"value":"1"},{"value":"2"}],"`+acc+`":{"source":"ldap","preferences":[{"name":"n"}]}}`))}
			before := r.Clone()
			got, err := user().Patch(r, operations(t, `[{"op":"replace","path":"title","value":"x"},`+tt.op+`]`), nil)
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "operation 2: ") {
				t.Errorf("Patch(%s) = %v, %v, want %v with %q in operation 2", tt.op, got, err, tt.kind, tt.want)
			}
			if !reflect.DeepEqual(r, before) {
				t.Errorf("Patch(%s) changed its argument", tt.op)
			}
		})
	}
}

func TestParsePatch(t *testing.T) {
	got, err := ParsePatch(parse(t, `{"operations":[{"OP":"Add","PATH":"title","Value":null,"extra":1},{"op":"remove","path":null}]}`))
	want := []Operation{{Op: "Add", Path: "title", HasValue: true}, {Op: "remove"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParsePatch = %+v, %v, want %+v", got, err, want)
	}
	many := `{"Operations":[` + strings.Repeat(`{"op":"remove","path":"title"},`, MaxOperations) + `{"op":"remove","path":"title"}]}`
	for body, kind := range map[string]error{
		`{}`: ErrInvalidSyntax, `{"Operations":{}}`: ErrInvalidSyntax, `{"Operations":[]}`: ErrInvalidSyntax, `{"Operations":[1]}`: ErrInvalidSyntax,
		`{"Operations":[{"path":"x"}]}`: ErrInvalidSyntax, `{"Operations":[{"op":"move","path":"x"}]}`: ErrInvalidSyntax, `{"Operations":[{"op":1}]}`: ErrInvalidSyntax,
		`{"Operations":[{"op":"add","path":["x"],"value":1}]}`: ErrInvalidSyntax, `{"schemas":"x","Operations":[{"op":"remove","path":"x"}]}`: ErrInvalidSyntax, many: ErrTooLarge,
	} {
		if _, err := ParsePatch(parse(t, body)); !errors.Is(err, kind) {
			t.Errorf("ParsePatch(%.80s) = %v, want %v", body, err, kind)
		}
	}
	if _, err := user().Patch(&Resource{}, make([]Operation, MaxOperations+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Patch(too many operations) = %v, want too large", err)
	}
}

func TestPatchMembers(t *testing.T) {
	list := func(ids ...string) []Member {
		var out []Member
		for _, id := range ids {
			out = append(out, Member{Value: id})
		}
		return out
	}
	tests := []struct {
		name, ops string
		want      MemberDelta
		quirks    []string
	}{
		{"O18 remove, then add", `[{"op":"remove","path":"members[value eq \"1\"]"},{"op":"add","path":"members","value":[{"value":"2","display":"x"}]}]`,
			MemberDelta{Add: list("2"), Remove: list("1")}, []string{QuirkReadOnly}},
		{"O19 full push", `[{"op":"replace","path":"members","value":[{"value":"1"},{"value":"2"},{"value":"1"}]}]`, MemberDelta{Clear: true, Add: list("1", "2")}, []string{QuirkMembersReplaced}},
		{"O19 empty push", `[{"op":"replace","path":"members","value":[]}]`, MemberDelta{Clear: true}, nil},
		{"replace by null", `[{"op":"replace","value":{"members":null}}]`, MemberDelta{Clear: true}, nil},
		{"E24 add", `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"1"},{"value":"2","type":"group"}]}]`, MemberDelta{Add: []Member{{Value: "1"}, {Value: "2", Type: "Group"}}}, []string{QuirkOperatorCase}},
		{"add one alone", `[{"op":"add","path":"members","value":{"value":"1"}}]`, MemberDelta{Add: list("1")}, []string{QuirkSingleForArray}},
		{"add without path", `[{"op":"add","value":{"members":[{"value":"1"}]}}]`, MemberDelta{Add: list("1")}, nil},
		{"add nothing", `[{"op":"add","path":"members","value":[]}]`, MemberDelta{}, nil},
		{"E25 remove by value", `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"1"}]}]`, MemberDelta{Remove: list("1")}, []string{QuirkOperatorCase, QuirkRemoveByValue}},
		{"E25 remove an empty list", `[{"op":"remove","path":"members","value":[]}]`, MemberDelta{}, []string{QuirkRemoveByValue}},
		{"remove all", `[{"op":"remove","path":"members"}]`, MemberDelta{Clear: true}, nil},
		{"remove several by or", `[{"op":"remove","path":"members[value eq \"1\" or value eq \"2\"]"}]`, MemberDelta{Remove: list("1", "2")}, nil},
		{"later cancels earlier: added and removed", `[{"op":"add","path":"members","value":[{"value":"1"}]},{"op":"remove","path":"members[value eq \"1\"]"}]`, MemberDelta{Remove: list("1")}, nil},
		{"later cancels earlier: removed and added", `[{"op":"remove","path":"members[value eq \"1\"]"},{"op":"add","path":"members","value":[{"value":"1"}]}]`, MemberDelta{Add: list("1")}, nil},
		{"later cancels earlier: cleared", `[{"op":"add","path":"members","value":[{"value":"1"}]},{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"2"}]}]`, MemberDelta{Clear: true, Add: list("2")}, nil},
		{"removed after replace", `[{"op":"replace","path":"members","value":[{"value":"1"},{"value":"2"}]},{"op":"remove","path":"members[value eq \"1\"]"}]`, MemberDelta{Clear: true, Add: list("2")}, []string{QuirkMembersReplaced}},
		{"select by type", `[{"op":"remove","path":"members[type eq \"Group\"]"}]`, MemberDelta{Remove: []Member{{Value: "g", Type: "Group"}}}, nil},
		{"select after edits", `[{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","path":"members","value":[{"value":"u3","type":"User"}]},{"op":"remove","path":"members[type eq \"User\"]"}]`,
			MemberDelta{Remove: []Member{{Value: "u1"}, {Value: "u3", Type: "User"}, {Value: "u2", Type: "User"}}}, nil},
		{"select one to replace", `[{"op":"replace","path":"members[value eq \"u1\"]","value":{"value":"2"}}]`,
			MemberDelta{Add: list("2"), Remove: []Member{{Value: "u1", Type: "User"}}}, []string{QuirkSingleForArray}},
		{"O17 rename with members", `[{"op":"replace","value":{"id":"g","displayName":"New","members":[{"value":"1"}]}}]`, MemberDelta{Clear: true, Add: list("1")}, []string{QuirkReadOnly, QuirkMembersReplaced}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Resource{Attributes: map[string]any{"displayName": "Old"}}
			read := func() ([]Member, error) {
				return []Member{{Value: "u1", Type: "User"}, {Value: "u2", Type: "User"}, {Value: "g", Type: "Group"}}, nil
			}
			if !strings.HasPrefix(tt.name, "select") {
				read = func() ([]Member, error) { t.Error("members were read"); return nil, nil }
			}
			got, err := group().Patch(r, operations(t, tt.ops), read)
			if err != nil || !reflect.DeepEqual(got.Members, tt.want) {
				t.Fatalf("Patch(%s) = %+v, %v, want %+v", tt.ops, got, err, tt.want)
			}
			if got.Changed != strings.Contains(tt.ops, "displayName") || !slices.Equal(got.Quirks, sortedQuirks(tt.quirks)) {
				t.Errorf("Patch(%s): changed %v, quirks %v, want %v", tt.ops, got.Changed, got.Quirks, tt.quirks)
			}
		})
	}
}

func TestPatchMembersRefuses(t *testing.T) {
	for ops, kind := range map[string]error{
		`[{"op":"replace","path":"members[value eq \"1\"].value","value":"2"}]`:                                       ErrMutability,
		`[{"op":"remove","path":"members.display"}]`:                                                                  ErrMutability,
		`[{"op":"replace","path":"members[type eq \"Robot\"]","value":{"value":"2"}}]`:                                ErrNoTarget,
		`[{"op":"replace","path":"members[value eq \"1\"]","value":{"value":"2"}}]`:                                   ErrNoTarget,
		`[{"op":"add","path":"members","value":["1"]}]`:                                                               ErrInvalidValue,
		`[{"op":"add","path":"members","value":[{"display":"x"}]}]`:                                                   ErrInvalidValue,
		`[{"op":"remove","path":"members","value":[{"value":7}]}]`:                                                    ErrInvalidValue,
		`[{"op":"remove","path":"displayName"}]`:                                                                      ErrMutability,
		`[{"op":"replace","path":"displayName","value":" "}]`:                                                         ErrInvalidValue,
		`[{"op":"remove","path":"members[nope eq \"1\"]"}]`:                                                           ErrInvalidPath,
		`[{"op":"add","path":"members","value":[` + strings.Repeat(`{"value":"1"},`, maxMembers) + `{"value":"1"}]}]`: ErrTooLarge,
	} {
		r := &Resource{Attributes: map[string]any{"displayName": "Old"}}
		got, err := group().Patch(r, operations(t, ops), func() ([]Member, error) { return nil, nil })
		if !errors.Is(err, kind) {
			t.Errorf("Patch(%.100s) = %+v, %v, want %v", ops, got, err, kind)
		}
	}
	fails := func() ([]Member, error) { return nil, Errorf(ErrUnavailable, "the store is away") }
	_, err := group().Patch(&Resource{Attributes: map[string]any{"displayName": "Old"}}, operations(t, `[{"op":"remove","path":"members[type eq \"User\"]"}]`), fails)
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("Patch with members that cannot be read = %v, want unavailable", err)
	}
}

func TestPatchSimpleMultiValued(t *testing.T) {
	names := func(s ...any) map[string]any {
		attrs := map[string]any{"displayName": "G"}
		if len(s) > 0 {
			attrs[AccountGroupURN] = map[string]any{"ldapGroupNames": s}
		}
		return attrs
	}
	for ops, want := range map[string]map[string]any{
		`[{"op":"add","path":"ldapGroupNames","value":["B","c"]}]`:                     names("a", "b", "c"),
		`[{"op":"replace","path":"ldapGroupNames","value":"c"}]`:                       names("c"),
		`[{"op":"remove","path":"ldapGroupNames[value eq \"A\"]"}]`:                    names("b"),
		`[{"op":"remove","path":"ldapGroupNames","value":["B"]}]`:                      names("a"),
		`[{"op":"replace","path":"ldapGroupNames[value eq \"a\"]","value":"x"}]`:       names("x", "b"),
		`[{"op":"add","path":"ldapGroupNames[value eq \"z\"]","value":"z"}]`:           names("a", "b", "z"),
		`[{"op":"replace","path":"ldapGroupNames[value pr]","value":""}]`:              names(),
		`[{"op":"replace","value":{"` + AccountGroupURN + `":{"ldapGroupNames":[]}}}]`: names(),
	} {
		got, err := group().Patch(&Resource{Attributes: names("a", "b")}, operations(t, ops), nil)
		if err != nil || !reflect.DeepEqual(got.Resource.Attributes, want) {
			t.Errorf("Patch(%s) = %+v, %v, want %v", ops, got, err, want)
		}
	}
}

// The dearest PATCH that the bounds let through, and one beyond them.
func TestPatchWorkIsBounded(t *testing.T) {
	emails := make([]any, maxElements)
	for i := range emails {
		emails[i] = map[string]any{"value": fmt.Sprintf("%d@x", i), "type": "work"}
	}
	full := &Resource{Attributes: map[string]any{"userName": "a", "emails": emails}}
	op := Operation{Op: "add", Path: "emails", Value: emails, HasValue: true}
	start := time.Now()
	got, err := user().Patch(full, []Operation{op, op, op}, nil)
	if err != nil || got.Changed || len(got.Resource.Attributes["emails"].([]any)) != maxElements {
		t.Errorf("Patch(add 10,000 values that are there) = %v, want no change", err)
	}
	many := make([]Operation, MaxOperations)
	for path, kind := range map[string]error{
		`emails[type eq "x" or value eq "y"].display`: ErrTooLarge,
		`emails.display`: ErrTooLarge,
	} {
		for i := range many {
			many[i] = Operation{Op: "remove", Path: path}
		}
		if _, err := user().Patch(full, many, nil); !errors.Is(err, kind) {
			t.Errorf("Patch(1,000 × %s of 10,000 values) = %v, want %v", path, err, kind)
		}
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("bounded work took %v", d)
	}
}

// Steps 8 to 10 of clients.md §3: everything by path, on a user with a name alone.
func TestPatchValidatorSteps(t *testing.T) {
	values := map[string]any{
		"active": true, "displayName": "d", "title": "t", "preferredLanguage": "de", "userType": "u", "nickName": "n", "locale": "l", "timezone": "z", "profileUrl": "p",
		`emails[type eq "work"].value`: "e@x", `emails[type eq "work"].primary`: true,
		"name.givenName": "g", "name.familyName": "f", "name.formatted": "ff", "name.middleName": "m", "name.honorificPrefix": "hp", "name.honorificSuffix": "hs",
		`addresses[type eq "work"].formatted`: "a1", `addresses[type eq "work"].streetAddress`: "a2", `addresses[type eq "work"].locality`: "a3", `addresses[type eq "work"].region`: "a4",
		`addresses[type eq "work"].postalCode`: "a5", `addresses[type eq "work"].country`: "a6", `addresses[type eq "work"].primary`: true,
		`phoneNumbers[type eq "mobile"].value`: "1", `phoneNumbers[type eq "mobile"].primary`: true,
		EnterpriseURN + ":employeeNumber": "7", EnterpriseURN + ":department": "x", EnterpriseURN + ":costCenter": "c", EnterpriseURN + ":organization": "o", EnterpriseURN + ":division": "v",
		`roles[primary eq "True"].display`: "rd", `roles[primary eq "True"].value`: "rv", `roles[primary eq "True"].type`: "rt",
	}
	r := &Resource{Attributes: map[string]any{"userName": "a"}}
	for _, op := range []string{"add", "replace"} {
		var ops []Operation
		for path, v := range values {
			ops = append(ops, Operation{Op: op, Path: path, Value: v, HasValue: true})
		}
		got, err := user().Patch(r, ops, nil)
		if err != nil {
			t.Fatalf("Patch(%s of %d paths) = %v", op, len(ops), err)
		}
		r = got.Resource
		for path, v := range values {
			p, err := user().ParsePath(path)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprint(v)
			if s, ok := v.(bool); ok && s {
				want = "1"
			}
			p.Filter = nil // one value each
			if key, _ := p.SortKey(r); key != want {
				t.Errorf("%s: %s = %q, want %q", op, path, key, want)
			}
		}
		if role := r.Attributes["roles"].([]any)[0].(map[string]any); role["primary"] != true {
			t.Errorf("%s: roles[0] = %v, want primary as a boolean", op, role)
		}
	}
}

// FuzzPatch: no operation makes a state that could not have been written as a whole.
func FuzzPatch(f *testing.F) {
	for _, s := range []string{
		`{"Operations":[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"}]}`,
		`{"Operations":[{"op":"add","value":{"name.givenName":"g","` + EnterpriseURN + `:manager":"7","members":[{"value":"1"}]}}]}`,
		`{"Operations":[{"op":"remove","path":"emails","value":[{"value":"Bjensen@Example.com"}]},{"op":"add","path":"roles","value":[{"value":"{\"value\":\"x\"}"}]}]}`,
		`{"Operations":[{"op":"replace","path":"preferences[name eq \"theme\"]","value":{"value":null}},{"op":"remove","path":"` + AccountUserURN + `"}]}`,
		`{"Operations":[{"op":"add","path":"ldapGroupNames","value":"x"},{"op":"remove","path":"members[type eq \"User\"]"}]}`,
		`{"Operations":[{"op":"replace","path":"manager","value":{"value":""}},{"op":"replace","path":"phoneNumbers.value","value":[]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		body, err := ParseObject(text, BodyLimits)
		if err != nil {
			return
		}
		ops, err := ParsePatch(body)
		if err != nil {
			return
		}
		for _, typ := range DefaultModel().Types {
			attributes := parse(t, sampleUser)
			account := attributes[AccountUserURN].(map[string]any)
			delete(account, "activeSessions") // computed, so never stored
			delete(account, "lastLogin")
			if typ.Name == "Group" {
				attributes = map[string]any{"displayName": "G"}
			}
			r := &Resource{Attributes: attributes}
			before := r.Clone()
			got, err := typ.Patch(r, ops, func() ([]Member, error) { return []Member{{Value: "1", Type: "User"}}, nil })
			if !reflect.DeepEqual(r, before) {
				t.Fatalf("Patch(%s) changed its argument", text)
			}
			if err != nil {
				continue
			}
			checkPatched(t, typ, got, text)
		}
	})
}

func checkPatched(t *testing.T, typ *ResourceType, got *Patched, text []byte) {
	stored := AppendJSON(nil, got.Resource.Attributes)
	again, err := ParseObject(stored, StoredLimits)
	if err != nil || !equalValues(again, got.Resource.Attributes) {
		t.Fatalf("after Patch(%s): ParseObject(%s) = %v", text, stored, err)
	}
	draft, err := typ.Decode(again)
	if err != nil {
		t.Fatalf("after Patch(%s): Decode(%s) = %v", text, stored, err)
	}
	whole, err := typ.Replace(got.Resource, draft)
	if err != nil || !equalValues(whole.Attributes, got.Resource.Attributes) {
		t.Fatalf("after Patch(%s): Replace by itself = %v, %v, want %s", text, whole, err, stored)
	}
	if !got.Changed && got.Resource.ExternalID != "" {
		t.Fatalf("Patch(%s) sets externalId and changes nothing", text)
	}
}
