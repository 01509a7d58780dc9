package scim

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	elimity "github.com/elimity-com/scim/schema"
)

func user() *ResourceType  { return DefaultModel().Type("User") }
func group() *ResourceType { return DefaultModel().Type("Group") }

// parse reads a JSON object of a test.
func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	m, err := ParseObject([]byte(text), StoredLimits)
	if err != nil {
		t.Fatalf("ParseObject(%s) = %v", text, err)
	}
	return m
}

func TestFind(t *testing.T) {
	tests := []struct {
		typ        *ResourceType
		name, want string
	}{
		{user(), "userName", "userName"},
		{user(), "USERNAME", "userName"},
		{user(), "name.givenname", "name.givenName"},
		{user(), UserURN + ":userName", "userName"},
		{user(), strings.ToUpper(UserURN) + ":NAME.FamilyName", "name.familyName"},
		{user(), EnterpriseURN + ":manager.value", EnterpriseURN + ":manager.value"},
		{user(), EnterpriseURN + ".department", EnterpriseURN + ":department"},
		{user(), "department", EnterpriseURN + ":department"},
		{user(), "manager", EnterpriseURN + ":manager"},
		{user(), "trial.grantedOn", AccountUserURN + ":trial.grantedOn"},
		{user(), strings.ToLower(EnterpriseURN), EnterpriseURN},
		{user(), "id", "id"},
		{user(), "externalid", "externalId"},
		{user(), "Schemas", "schemas"},
		{user(), "meta.lastmodified", "meta.lastModified"},
		{user(), "meta.Version", "meta.version"},
		{user(), "groups.$ref", "groups.$ref"},
		{group(), "members.value", "members.value"},
		{group(), "ldapGroupNames.value", AccountGroupURN + ":ldapGroupNames"},
		{group(), GroupURN + ":displayName", "displayName"},
	}
	for _, tt := range tests {
		p, err := tt.typ.Find(tt.name)
		if err != nil || p.String() != tt.want {
			t.Errorf("Find(%q) = %v, %v, want %s", tt.name, p, err, tt.want)
		}
	}
	for _, name := range []string{
		"", "nope", "userName.value", "name.nope", "emails.value.x", UserURN, EnterpriseURN + ":userName", "urn:x:y:z", "urn:x:User:userName",
		EnterpriseURN + "x:department", strings.Repeat("x", 100),
	} {
		if p, err := user().Find(name); !errors.Is(err, ErrInvalidPath) || !errors.Is(err, ErrUnknownAttribute) {
			t.Errorf("Find(%q) = %v, %v, want an unknown attribute", name, p, err)
		}
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	typ := user()
	var p Path
	if n := testing.AllocsPerRun(100, func() {
		p = Path{}
		_ = typ.find("Name.GIVENNAME", &p)
		_ = typ.find("urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User:Department", &p)
	}); n != 0 {
		t.Errorf("find costs %v allocations, want 0", n)
	}
}

// What the definitions of the library leave open is set in the compiled form and in
// the text that is served alike.
func TestCorrections(t *testing.T) {
	tests := []struct {
		typ  *ResourceType
		path string
		want map[string]any
	}{
		{user(), "userName", map[string]any{"required": true, "uniqueness": "server", "caseExact": false}},
		{user(), "emails.value", map[string]any{"caseExact": false}},
		{user(), "password", map[string]any{"mutability": "writeOnly", "returned": "never"}},
		{user(), "groups", map[string]any{"mutability": "readOnly"}},
		{user(), "groups.value", map[string]any{"caseExact": true, "mutability": "readOnly"}},
		{user(), "profileUrl", map[string]any{"type": "reference", "caseExact": true}},
		{user(), "manager.displayName", map[string]any{"mutability": "readOnly"}},
		{user(), "manager.value", map[string]any{"caseExact": true}},
		{user(), "number", map[string]any{"type": "integer", "uniqueness": "server", "mutability": "readOnly"}},
		{user(), "activeSessions", map[string]any{"returned": "request", "mutability": "readOnly"}},
		{user(), "lastLogin", map[string]any{"type": "dateTime", "mutability": "readOnly"}},
		{user(), AccountUserURN + ":source", map[string]any{"mutability": "immutable", "canonicalValues": []any{"local", "ldap", "sso"}}},
		{user(), "trial.expired", map[string]any{"type": "boolean", "mutability": "readOnly"}},
		{user(), "preferences.name", map[string]any{"required": true, "caseExact": true}},
		{group(), "displayName", map[string]any{"required": true, "uniqueness": "server", "caseExact": false}},
		{group(), "members.value", map[string]any{"caseExact": true, "mutability": "immutable", "required": true}},
		{group(), "members.display", map[string]any{"mutability": "readOnly"}},
		{group(), "ldapGroupNames", map[string]any{"multiValued": true}},
	}
	for _, tt := range tests {
		p, err := tt.typ.Find(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		a := p.Attr
		if p.Sub != nil {
			a = p.Sub
		}
		got := documents([]*Attribute{a})[0].(map[string]any)
		for k, v := range tt.want {
			if !equalValues(got[k], v) {
				t.Errorf("%s: %s = %v, want %v", tt.path, k, got[k], v)
			}
		}
	}
	for _, s := range DefaultModel().Schemas {
		served := parse(t, string(s.JSON))
		if !equalValues(served, s.document()) || served["id"] != s.URN || strings.Contains(string(s.JSON), "null") {
			t.Errorf("schema %s is served as %s", s.URN, s.JSON)
		}
	}
}

// The compiled schemas say what the library's say, but for the corrections.
func TestSchemasAgreeWithTheLibrary(t *testing.T) {
	corrected := []string{"displayName", "members", "groups", "manager"}
	for _, lib := range []elimity.Schema{elimity.CoreUserSchema(), elimity.CoreGroupSchema(), elimity.ExtensionEnterpriseUser()} {
		text, err := json.Marshal(lib)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		for _, s := range DefaultModel().Schemas {
			if s.URN == lib.ID {
				want = parse(t, string(s.JSON))
			}
		}
		got := parse(t, string(text))
		for i, a := range got["attributes"].([]any) {
			name := a.(map[string]any)["name"].(string)
			if ours := want["attributes"].([]any)[i]; !equalValues(a, ours) && !slices.Contains(corrected, name) {
				t.Errorf("%s: the library serves %v, we serve %v", name, a, ours)
			}
		}
	}
}

func TestModel(t *testing.T) {
	m := DefaultModel()
	if m != DefaultModel() {
		t.Error("DefaultModel() compiles each time")
	}
	for endpoint, want := range map[string]string{"Users": "User", "/users": "User", "GROUPS": "Group"} {
		if typ := m.ByEndpoint(endpoint); typ == nil || typ.Name != want {
			t.Errorf("ByEndpoint(%q) = %v, want %s", endpoint, typ, want)
		}
	}
	if m.ByEndpoint("Things") != nil || m.Type("user") != nil {
		t.Error("the model finds types that it does not have")
	}
	for _, typ := range m.Types {
		if !typ.Plain {
			t.Errorf("%s.Plain = false, want true: what is stored is returned by default", typ.Name)
		}
		if len(typ.Unique) != 1 {
			t.Errorf("%s.Unique = %v, want one attribute", typ.Name, typ.Unique)
		}
	}
	if len(m.Schemas) != 5 {
		t.Errorf("DefaultModel has %d schemas, want 5", len(m.Schemas))
	}
}

func TestNewModelRefuses(t *testing.T) {
	str := func(name string) elimity.CoreAttribute {
		return elimity.SimpleCoreAttribute(elimity.SimpleStringParams(elimity.StringParams{Name: name}))
	}
	device := func(change func(*TypeDefinition)) []TypeDefinition {
		d := TypeDefinition{Name: "Device", Endpoint: "/Devices", Unique: []string{"serial"},
			Schema: Definition{Schema: elimity.Schema{ID: "urn:example:Device", Attributes: elimity.Attributes{str("serial")}}}}
		change(&d)
		return []TypeDefinition{UserDefinition(), GroupDefinition(), d}
	}
	if m, err := NewModel(device(func(*TypeDefinition) {})...); err != nil || m.Type("Device") == nil {
		t.Errorf("NewModel(a third type) = %v, want no error", err)
	}
	for name, change := range map[string]func(*TypeDefinition){
		"type twice":          func(d *TypeDefinition) { d.Name = "User" },
		"endpoint twice":      func(d *TypeDefinition) { d.Endpoint = "/users" },
		"attribute twice":     func(d *TypeDefinition) { d.Schema.Schema.Attributes = elimity.Attributes{str("a"), str("A")} },
		"common attribute":    func(d *TypeDefinition) { d.Schema.Schema.Attributes = elimity.Attributes{str("externalID")} },
		"unique is unknown":   func(d *TypeDefinition) { d.Unique = []string{"nope"} },
		"no members":          func(d *TypeDefinition) { d.MemberTypes = []string{"User"} },
		"extension is itself": func(d *TypeDefinition) { d.Extensions = []ExtensionDefinition{{Definition: d.Schema}} },
	} {
		if _, err := NewModel(device(change)...); err == nil {
			t.Errorf("%s: NewModel succeeds, want an error", name)
		}
	}
}

func TestURNs(t *testing.T) {
	attrs := parse(t, `{"userName":"a","`+EnterpriseURN+`":{"department":"x"},"`+AccountUserURN+`":{}}`)
	if got, want := user().URNs(attrs), []string{UserURN, EnterpriseURN}; !slices.Equal(got, want) {
		t.Errorf("URNs(%v) = %v, want %v", attrs, got, want)
	}
}
