package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, body, want string
		quirks           []string
	}{
		{"a value twice is kept once, primary if either is",
			`{"schemas":["` + UserURN + `"],"userName":"a","emails":[{"value":"a@x","type":"work"},{"value":"A@x","type":"work","primary":true},{"value":"a@x","type":"home"},{"value":"a@x","type":"home"}]}`,
			`{"userName":"a","emails":[{"value":"A@x","type":"work","primary":true},{"value":"a@x","type":"home"}]}`, nil},
		{"O4 Okta creates",
			`{"schemas":["` + UserURN + `"],"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
			"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US",
			"externalId":"00ujl29u0le5T6Aj10h7","groups":[],"password":"1mz050nq","active":true}`,
			`{"userName":"test.user@okta.local","name":{"givenName":"Test","familyName":"User"},
			"emails":[{"primary":true,"value":"test.user@okta.local","type":"work"}],"displayName":"Test User","locale":"en-US","active":true}`,
			[]string{QuirkReadOnly}},
		{"E4 Entra creates",
			`{"schemas":["` + UserURN + `","` + EnterpriseURN + `"],"externalId":"0a21f0f2","userName":"Test_User","active":true,
			"emails":[{"primary":true,"type":"work","value":"a@b.c"}],"meta":{"resourceType":"User"},"name":{"formatted":"g f"},"roles":[]}`,
			`{"userName":"Test_User","active":true,"emails":[{"primary":true,"type":"work","value":"a@b.c"}],"name":{"formatted":"g f"}}`,
			[]string{QuirkReadOnly}},
		{"E5 sloppy schema, nulls, enterprise attributes at the top",
			`{"schemas":["` + UserURN + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],"userName":"a","addresses":null,
			"phoneNumbers":null,"preferredLanguage":null,"title":null,"department":null,"manager":null}`,
			`{"userName":"a"}`, []string{QuirkUnknownSchema}},
		{"E5 enterprise attribute at the top with a value",
			`{"schemas":["` + UserURN + `"],"userName":"a","department":"Sales","source":"crm","metadata":{"a":1}}`,
			`{"userName":"a","` + EnterpriseURN + `":{"department":"Sales"}}`, []string{QuirkUnknownAttribute, QuirkTopLevel}},
		{"E5 the extension's object wins",
			`{"schemas":["` + UserURN + `"],"userName":"a","department":"Top","` + EnterpriseURN + `":{"department":"Inner"}}`,
			`{"userName":"a","` + EnterpriseURN + `":{"department":"Inner"}}`, []string{QuirkTopLevel}},
		{"A7 names and URNs in any case",
			`{"SCHEMAS":["` + strings.ToUpper(UserURN) + `"],"USERNAME":"Ann","Name":{"GIVENNAME":"Ann"},"` + strings.ToUpper(EnterpriseURN) + `":{"Department":"x"}}`,
			`{"userName":"Ann","name":{"givenName":"Ann"},"` + EnterpriseURN + `":{"department":"x"}}`, nil},
		{"A8 booleans as strings",
			`{"schemas":["` + UserURN + `"],"userName":"a","active":"False","roles":[{"value":"r","primary":"True"}]}`,
			`{"userName":"a","active":false,"roles":[{"value":"r","primary":true}]}`, []string{QuirkStringBoolean}},
		{"Okta's [true]", `{"schemas":["` + UserURN + `"],"userName":"a","active":[true]}`, `{"userName":"a","active":true}`, []string{QuirkArrayForSingle}},
		{"A9 unknown attributes and extensions",
			`{"schemas":["` + UserURN + `"],"userName":"a","shoeSize":7,"urn:x:y":{"a":1},"name":{"nick":"x"}}`,
			`{"userName":"a"}`, []string{QuirkUnknownAttribute}},
		{"A10 null, [] and empty",
			`{"schemas":["` + UserURN + `"],"userName":"a","title":"","emails":[],"nickName":null,"name":{"givenName":""},"phoneNumbers":[null,{},{"value":""}],"ims":""}`,
			`{"userName":"a"}`, []string{QuirkEmptyString}},
		{"A11 id, meta and groups",
			`{"schemas":["` + UserURN + `"],"id":"x","meta":{"version":"y"},"groups":[{"value":"g"}],"userName":"a"}`,
			`{"userName":"a"}`, []string{QuirkReadOnly}},
		{"no schemas", `{"userName":"a"}`, `{"userName":"a"}`, []string{QuirkNoSchemas}},
		{"E16 manager as a string", `{"schemas":["` + UserURN + `"],"userName":"a","` + EnterpriseURN + `":{"manager":"7"}}`,
			`{"userName":"a","` + EnterpriseURN + `":{"manager":{"value":"7"}}}`, []string{QuirkStringForComplex}},
		{"E16 manager as an array", `{"schemas":["` + UserURN + `"],"userName":"a","` + EnterpriseURN + `":{"manager":[{"$ref":"http://h/Users/7","value":"7"}]}}`,
			`{"userName":"a","` + EnterpriseURN + `":{"manager":{"value":"7"}}}`, []string{QuirkArrayForSingle}},
		{"manager by $ref", `{"schemas":["` + UserURN + `"],"userName":"a","` + EnterpriseURN + `":{"manager":{"$ref":"http://h/Users/7"}}}`,
			`{"userName":"a","` + EnterpriseURN + `":{"manager":{"value":"7"}}}`, []string{QuirkMemberRef}},
		{"E17 manager with an empty value", `{"schemas":["` + UserURN + `"],"userName":"a","` + EnterpriseURN + `":{"manager":{"value":""}}}`,
			`{"userName":"a"}`, []string{QuirkEmptyString}},
		{"E18 role as a JSON string",
			`{"schemas":["` + UserURN + `"],"userName":"a","roles":[{"value":"{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Administrator\"}","primary":true}]}`,
			`{"userName":"a","roles":[{"value":"Admin","display":"Administrator","primary":true}]}`, []string{QuirkRoleJSON}},
		{"readOnly of the account extension",
			`{"schemas":["` + UserURN + `"],"userName":"a","` + AccountUserURN + `":{"number":7,"createdBy":{"value":"x"},"trial":{"exists":true,"grantedOn":"2026-01-01T00:00:00Z"},"source":"ldap"}}`,
			`{"userName":"a","` + AccountUserURN + `":{"trial":{"grantedOn":"2026-01-01T00:00:00Z"},"source":"ldap"}}`, []string{QuirkReadOnly}},
		{"profileUrl that is no URL, free country", `{"schemas":["` + UserURN + `"],"userName":"a","profileUrl":"XJ2","addresses":[{"country":"Belize","primary":true}]}`,
			`{"userName":"a","profileUrl":"XJ2","addresses":[{"country":"Belize","primary":true}]}`, nil},
		{"base64 without padding", `{"schemas":["` + UserURN + `"],"userName":"a","x509Certificates":[{"value":"QQ"},{"value":"QQ=="}]}`,
			`{"userName":"a","x509Certificates":[{"value":"QQ"},{"value":"QQ=="}]}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := user().Decode(parse(t, tt.body))
			if err != nil {
				t.Fatalf("Decode(%s) = %v", tt.body, err)
			}
			if want := parse(t, tt.want); !reflect.DeepEqual(got.Resource.Attributes, want) {
				t.Errorf("Decode(%s) = %v, want %v", tt.body, got.Resource.Attributes, want)
			}
			if got.Resource.Type != "User" || !slices.Equal(got.Quirks, sortedQuirks(tt.quirks)) {
				t.Errorf("Decode(%s): type %s, quirks %v, want User, %v", tt.body, got.Resource.Type, got.Quirks, tt.quirks)
			}
		})
	}
}

func sortedQuirks(names []string) []string {
	var q quirkSet
	for _, n := range names {
		q.add(n)
	}
	return q.list()
}

func TestDecodeHeader(t *testing.T) {
	got, err := user().Decode(parse(t, `{"userName":"a","externalID":"X-1","Password":"s3cret"}`))
	if err != nil || got.Resource.ExternalID != "X-1" || got.Password != "s3cret" || len(got.Resource.Attributes) != 1 {
		t.Errorf("Decode = %+v, %v, want externalId X-1, the password, and one attribute", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("x", maxStringBytes+1)
	tests := []struct {
		name, body, want string
		kind             error
	}{
		{"userName missing", `{}`, "userName is required", ErrInvalidValue},
		{"userName empty", `{"userName":""}`, "userName is required", ErrInvalidValue},
		{"userName null", `{"userName":null}`, "userName is required", ErrInvalidValue},
		{"userName without key", `{"userName":"bob\u200b"}`, "PRECIS", ErrInvalidValue},
		{"userName too long", `{"userName":"` + strings.Repeat("x", 2000) + `"}`, "userName: longer", ErrInvalidValue},
		{"number for a string", `{"userName":7}`, "userName: expected a string, found a number", ErrInvalidValue},
		{"object for an array", `{"userName":"a","emails":{"value":"x"}}`, "emails: expected an array of values, found an object", ErrInvalidValue},
		{"string for a complex value", `{"userName":"a","emails":["a@b"]}`, "value 1 of emails: emails: expected an object, found a string", ErrInvalidValue},
		{"string for an object", `{"userName":"a","name":"Ann"}`, "name: expected an object", ErrInvalidValue},
		{"array for one value", `{"userName":"a","title":["x","y"]}`, "title: expected one value, found an array of 2", ErrInvalidValue},
		{"bad boolean", `{"userName":"a","active":"yes"}`, `active: expected true or false, found "yes"`, ErrInvalidValue},
		{"two primaries", `{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":"True"}]}`, "2 values are primary", ErrInvalidValue},
		{"bad date", `{"userName":"a","` + AccountUserURN + `":{"trial":{"grantedOn":"2026-01-01"}}}`, "trial.grantedOn: expected a date and time", ErrInvalidValue},
		{"bad base64", `{"userName":"a","x509Certificates":[{"value":"Q Q="}]}`, "not base64", ErrInvalidValue},
		{"base64url", `{"userName":"a","x509Certificates":[{"value":"_-8="}]}`, "not base64", ErrInvalidValue},
		{"base64 with a line break", `{"userName":"a","x509Certificates":[{"value":"QQ=\n="}]}`, "not base64", ErrInvalidValue},
		{"required sub-attribute", `{"userName":"a","` + AccountUserURN + `":{"preferences":[{"value":"x"}]}}`, "preferences.name is required", ErrInvalidValue},
		{"extension as a string", `{"userName":"a","` + EnterpriseURN + `":"x"}`, "expected an object", ErrInvalidValue},
		{"schemas as a string", `{"userName":"a","schemas":"` + UserURN + `"}`, "schemas: expected an array", ErrInvalidSyntax},
		{"schemas with a number", `{"userName":"a","schemas":[1]}`, "schemas: expected an array of strings", ErrInvalidSyntax},
		{"long string", `{"userName":"a","title":"` + long + `"}`, "title: longer than", ErrInvalidValue},
		{"many values", `{"userName":"a","emails":[` + strings.Repeat(`{"value":"x"},`, maxElements) + `{"value":"x"}]}`, "emails: more than", ErrInvalidValue},
		{"externalId of another type", `{"userName":"a","externalId":7}`, "externalId: expected a string", ErrInvalidValue},
		{"the first of several errors by name", `{"userName":7,"title":7,"nickName":7}`, "nickName", ErrInvalidValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := user().Decode(parse(t, tt.body))
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode(%.200s) = %v, want %v with %q", tt.body, err, tt.kind, tt.want)
			}
		})
	}
}

func TestDecodeMembers(t *testing.T) {
	tests := []struct {
		name, members string
		want          []Member
		has           bool
	}{
		{"none said", ``, nil, false},
		{"OneLogin null", `,"members":null`, nil, false},
		{"O16 empty", `,"members":[]`, []Member{}, true},
		{"O20 value and display", `,"members":[{"value":"1","display":"x"},{"value":"2","type":"group"}]`, []Member{{Value: "1"}, {Value: "2", Type: "Group"}}, true},
		{"E24 $ref null", `,"members":[{"$ref":null,"value":"1"}]`, []Member{{Value: "1"}}, true},
		{"by $ref", `,"members":[{"$ref":"https://h/scim/v2/Users/7"}]`, []Member{{Value: "7"}}, true},
		{"duplicates", `,"members":[{"value":"1"},{"value":"1","type":"User"}]`, []Member{{Value: "1"}}, true},
		{"unknown type", `,"members":[{"value":"1","type":"Robot"}]`, []Member{{Value: "1"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := group().Decode(parse(t, `{"displayName":"G"`+tt.members+`}`))
			if err != nil || got.HasMembers != tt.has || !reflect.DeepEqual(got.Members, tt.want) {
				t.Errorf("Decode(%s) = %+v, %v, want %v, %v", tt.members, got, err, tt.want, tt.has)
			}
			if len(got.Resource.Attributes) != 1 {
				t.Errorf("Decode(%s) keeps %v, want displayName alone", tt.members, got.Resource.Attributes)
			}
		})
	}
	for name, members := range map[string]string{
		"object": `{"value":"1"}`, "no value": `[{"display":"x"}]`, "string": `["1"]`, "number as id": `[{"value":7}]`, "null": `[null]`,
	} {
		if got, err := group().Decode(parse(t, `{"displayName":"G","members":`+members+`}`)); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("%s: Decode(%s) = %v, %v, want invalidValue", name, members, got, err)
		}
	}
}

func TestReplace(t *testing.T) {
	account := func(s string) string { return `"` + AccountUserURN + `":` + s }
	tests := []struct{ name, old, put, want string }{
		{"what is not mentioned goes", `{"userName":"a","title":"x","name":{"givenName":"A"}}`, `{"userName":"b"}`, `{"userName":"b"}`},
		{"O10 active stays", `{"userName":"a","active":false}`, `{"userName":"a"}`, `{"userName":"a","active":false}`},
		{"O10 active is set", `{"userName":"a","active":false}`, `{"userName":"a","active":true}`, `{"userName":"a","active":true}`},
		{"readOnly stays", `{"userName":"a",` + account(`{"number":7,"queue":"q"}`) + `}`, `{"userName":"a",` + account(`{"number":9}`) + `}`,
			`{"userName":"a",` + account(`{"number":7}`) + `}`},
		{"immutable stays", `{"userName":"a",` + account(`{"source":"ldap"}`) + `}`, `{"userName":"a"}`, `{"userName":"a",` + account(`{"source":"ldap"}`) + `}`},
		{"immutable in another case", `{"userName":"a",` + account(`{"source":"ldap"}`) + `}`, `{"userName":"a",` + account(`{"source":"LDAP"}`) + `}`,
			`{"userName":"a",` + account(`{"source":"LDAP"}`) + `}`},
		{"immutable set for the first time", `{"userName":"a"}`, `{"userName":"a",` + account(`{"source":"sso"}`) + `}`, `{"userName":"a",` + account(`{"source":"sso"}`) + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			draft, err := user().Decode(parse(t, tt.put))
			if err != nil {
				t.Fatal(err)
			}
			old := &Resource{Header: Header{Ref: Ref{"User", "1"}, ExternalID: "x", Owner: "client:okta", Version: 7}, Attributes: parse(t, tt.old)}
			before, drafted := old.Clone(), draft.Resource.Clone()
			got, err := user().Replace(old, draft)
			if err != nil || !reflect.DeepEqual(got.Attributes, parse(t, tt.want)) {
				t.Fatalf("Replace(%s, %s) = %v, %v, want %s", tt.old, tt.put, got, err, tt.want)
			}
			if got.ID != "1" || got.Owner != "client:okta" || got.Version != 7 || got.ExternalID != "" {
				t.Errorf("Replace: header %+v, want the old one without externalId", got.Header)
			}
			if !reflect.DeepEqual(old, before) || !reflect.DeepEqual(draft.Resource, drafted) {
				t.Error("Replace changed its arguments")
			}
		})
	}
	draft, _ := user().Decode(parse(t, `{"userName":"a",`+account(`{"source":"sso"}`)+`}`))
	old := &Resource{Attributes: parse(t, `{"userName":"a",`+account(`{"source":"ldap"}`)+`}`)}
	if _, err := user().Replace(old, draft); !errors.Is(err, ErrMutability) {
		t.Errorf("Replace(immutable attribute) = %v, want mutability", err)
	}
}

// The library's validator agrees on bodies that use no tolerance of ours.
func TestDecodeAgreesWithTheLibrary(t *testing.T) {
	bodies := []string{
		`{"userName":"bjensen","name":{"givenName":"B","familyName":"J"},"active":true,"emails":[{"value":"a@b.c","type":"work","primary":true}]}`,
		`{"userName":"a","nope":1,"NICKNAME":"x","photos":[{"value":"https://h/p","type":"photo"}],"groups":[{"value":"g"}]}`,
		`{"userName":"a","x509Certificates":[{"value":"QUJD"}],"addresses":[{"country":"DE"},{"locality":"Ulm","type":"home"}]}`,
		`{"userName":"a","title":null,"roles":[{"value":"r"}]}`,
		`{"nickName":"x"}`, `{"userName":1}`, `{"userName":"a","active":1}`, `{"userName":"a","emails":["x"]}`,
		`{"userName":"a","emails":"x"}`, `{"userName":"a","name":[]}`, `{"userName":"a","x509Certificates":[{"value":"?"}]}`,
	}
	lib := elimity.CoreUserSchema()
	for _, body := range bodies {
		var raw map[string]any
		if err := json.Unmarshal([]byte(body), &raw); err != nil {
			t.Fatal(err)
		}
		want, libErr := lib.Validate(raw)
		got, err := user().Decode(parse(t, body))
		if (libErr != nil) != (err != nil) && body != `{"userName":"a","name":[]}` { // ours: [] is not set
			t.Errorf("Decode(%s) = %v, the library says %v", body, err, libErr)
			continue
		}
		if err == nil && libErr == nil && fmt.Sprint(got.Resource.Attributes) != fmt.Sprint(want) {
			t.Errorf("Decode(%s) = %v, the library says %v", body, got.Resource.Attributes, want)
		}
	}
}

func TestParseDateTime(t *testing.T) {
	for _, s := range []string{
		"2008-01-23T04:56:22Z", "2008-01-23T04:56:22.050Z", "2008-01-23T04:56:22+02:00", "2008-01-23T04:56:22", "2008-01-23T04:56:22.123456789-11:30",
	} {
		if _, ok := parseDateTime(s); !ok {
			t.Errorf("parseDateTime(%q) fails", s)
		}
	}
	for _, s := range []string{
		"", "2008-01-23", "2008-01-23T04:56Z", "2008-13-23T04:56:22Z", "2008-02-30T04:56:22Z", "2008-01-23T4:56:22Z", "2008-01-23 04:56:22Z",
		"2008-01-23T04:56:22,5Z", "x", "2008-01-23T04:56:22Zx",
	} {
		if v, ok := parseDateTime(s); ok {
			t.Errorf("parseDateTime(%q) = %v, want an error", s, v)
		}
	}
}
