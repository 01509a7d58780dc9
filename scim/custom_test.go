package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// invalidSchema is one row of testdata/invalid_schemas.json. The tests of the whole program send
// the same rows.
type invalidSchema struct{ Name, Wants, Text string }

func invalidSchemas(t testing.TB) []invalidSchema {
	t.Helper()
	text, err := os.ReadFile("testdata/invalid_schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []invalidSchema
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 40 {
		t.Fatalf("%d invalid schemas: %v", len(rows), err)
	}
	return rows
}

func TestParseSchemaRefuses(t *testing.T) {
	for _, tt := range invalidSchemas(t) {
		t.Run(tt.Name, func(t *testing.T) {
			_, err := ParseSchema([]byte(tt.Text))
			if !errors.Is(err, ErrInvalidValue) && !errors.Is(err, ErrInvalidSyntax) {
				t.Fatalf("ParseSchema(%.200s) = %v, want ErrInvalidValue or ErrInvalidSyntax", tt.Text, err)
			}
			if !strings.Contains(err.Error(), tt.Wants) {
				t.Errorf("ParseSchema(%.200s) = %v, want %q named", tt.Text, err, tt.Wants)
			}
		})
	}
	if _, err := ParseSchema([]byte(`{"id":"` + strings.Repeat("x", MaxSchemaBytes) + `"}`)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a schema of more than %d bytes: %v, want ErrTooLarge", MaxSchemaBytes, err)
	}
}

// Every schema that is built in could be a workspace's own: what is served can be read again.
func TestParseSchemaReadsWhatIsServed(t *testing.T) {
	for _, s := range DefaultModel().Schemas {
		// Our own URNs are refused, and so are common attributes; these have none.
		text := strings.Replace(string(s.JSON), s.URN, "urn:example:"+strings.ReplaceAll(s.Name, " ", "-"), 1)
		text = strings.ReplaceAll(text, `"uniqueness":"server"`, `"uniqueness":"none"`)
		d, err := ParseSchema([]byte(text))
		if err != nil {
			t.Errorf("ParseSchema(%s) = %v", s.URN, err)
			continue
		}
		again, err := d.Document()
		if err != nil || string(again) != text {
			t.Errorf("%s was not kept: %v\n%s\n%s", s.URN, err, text, again)
		}
	}
}

func TestParseResourceType(t *testing.T) {
	const ok = `{"name":"Device","endpoint":"/Devices","schema":"urn:example:Device"}`
	for name, tt := range map[string]struct{ text, wants string }{
		"whole":                       {`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"Device","name":"Device","description":"d","endpoint":"Devices","schema":"urn:example:Device","schemaExtensions":[{"schema":"urn:example:x","required":true}],"meta":{}}`, ""},
		"least":                       {ok, ""},
		"no name":                     {`{"endpoint":"/Devices","schema":"urn:example:Device"}`, "name"},
		"no endpoint":                 {`{"name":"Device","schema":"urn:example:Device"}`, "endpoint"},
		"no schema":                   {`{"name":"Device","endpoint":"/Devices"}`, "schema"},
		"a name with a dot":           {strings.Replace(ok, "Device\"", "De.vice\"", 1), "name"},
		"a name with a dollar":        {strings.Replace(ok, "Device\"", "De$vice\"", 1), "name"},
		"the name User":               {strings.Replace(ok, "Device\"", "user\"", 1), "name"},
		"an endpoint of two segments": {strings.Replace(ok, "/Devices", "/a/b", 1), "endpoint"},
		"the endpoint Users":          {strings.Replace(ok, "/Devices", "/users", 1), "endpoint"},
		"the endpoint .search":        {strings.Replace(ok, "/Devices", "/.search", 1), "endpoint"},
		"the endpoint Bulk":           {strings.Replace(ok, "/Devices", "bulk", 1), "endpoint"},
		"another id":                  {strings.Replace(ok, "{", `{"id":"x",`, 1), "id"},
		"an unknown member":           {strings.Replace(ok, "{", `{"endpoints":"x",`, 1), "endpoints"},
		"extensions as strings":       {strings.Replace(ok, "{", `{"schemaExtensions":["urn:x"],`, 1), "schemaExtensions"},
		"an extension without schema": {strings.Replace(ok, "{", `{"schemaExtensions":[{"required":true}],`, 1), "schemaExtensions"},
		"a required that is a string": {strings.Replace(ok, "{", `{"schemaExtensions":[{"schema":"urn:example:x","required":"yes"}],`, 1), "required"},
	} {
		d, err := ParseResourceType([]byte(tt.text))
		switch {
		case tt.wants == "" && (err != nil || d.Endpoint != "/Devices"):
			t.Errorf("%s: ParseResourceType = %+v, %v", name, d, err)
		case tt.wants != "" && (!errors.Is(err, ErrInvalidValue) || !strings.Contains(err.Error(), tt.wants)):
			t.Errorf("%s: ParseResourceType = %v, want ErrInvalidValue that names %q", name, err, tt.wants)
		}
	}
}

func mustSchema(t testing.TB, text string) Definition {
	t.Helper()
	d, err := ParseSchema([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustType(t testing.TB, text string) TypeDefinition {
	t.Helper()
	d, err := ParseResourceType([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCustomModel(t *testing.T) {
	schema := func(urn string, extends ...string) CustomSchema {
		return CustomSchema{Definition: mustSchema(t, fmt.Sprintf(`{"id":%q,"attributes":[{"name":"a"}]}`, urn)), Extends: extends}
	}
	device := mustType(t, `{"name":"Device","endpoint":"/Devices","schema":"urn:example:Device"}`)
	many := Custom{}
	for i := range MaxSchemas + 1 {
		many.Schemas = append(many.Schemas, schema(fmt.Sprintf("urn:example:s%d:x", i)))
	}
	withMembers := Custom{Types: []TypeDefinition{device}, Schemas: []CustomSchema{{Definition: mustSchema(t,
		`{"id":"urn:example:Device","attributes":[{"name":"Members"}]}`)}}}
	for _, tt := range []struct {
		name   string
		custom Custom
		wants  string
	}{
		{"nothing", Custom{}, ""},
		{"an extension of User", Custom{Schemas: []CustomSchema{schema("urn:example:x")}}, ""},
		{"of both", Custom{Schemas: []CustomSchema{schema("urn:example:x", "User", "Group")}}, ""},
		{"a type", Custom{Schemas: []CustomSchema{schema("urn:example:Device")}, Types: []TypeDefinition{device}}, ""},
		{"an extension of that", Custom{Schemas: []CustomSchema{schema("urn:example:Device"), schema("urn:example:x", "Device")}, Types: []TypeDefinition{device}}, ""},
		{"of a type that there is not", Custom{Schemas: []CustomSchema{schema("urn:example:x", "Toaster")}}, "Toaster"},
		{"a type without its schema", Custom{Types: []TypeDefinition{device}}, "urn:example:Device"},
		{"two of one endpoint", Custom{Schemas: []CustomSchema{schema("urn:example:Device")}, Types: []TypeDefinition{device,
			mustType(t, `{"name":"Machine","endpoint":"/devices","schema":"urn:example:Device"}`)}}, "Machine"},
		{"two of one name", Custom{Schemas: []CustomSchema{schema("urn:example:Device")}, Types: []TypeDefinition{device,
			mustType(t, `{"name":"DEVICE","endpoint":"/Machines","schema":"urn:example:Device"}`)}}, "DEVICE"},
		{"one URN twice", Custom{Schemas: []CustomSchema{schema("urn:example:x"), schema("URN:EXAMPLE:x")}}, "urn:example:x"},
		{"one URN in another", Custom{Schemas: []CustomSchema{schema("urn:example:x"), schema("urn:example:x:a")}}, "urn:example:x"},
		{"one URN and a dot", Custom{Schemas: []CustomSchema{schema("urn:example:2"), schema("urn:example:2.0")}}, "urn:example:2.0"},
		{"URNs that begin alike", Custom{Schemas: []CustomSchema{schema("urn:example:x"), schema("urn:example:xy")}}, ""},
		{"too many", many, "100"},
		{"a type with members", withMembers, "Members"},
	} {
		m, err := tt.custom.Model()
		switch {
		case tt.wants == "" && err != nil:
			t.Errorf("%s: Model = %v", tt.name, err)
		case tt.wants != "" && (!errors.Is(err, ErrInvalidValue) || !strings.Contains(err.Error(), tt.wants)):
			t.Errorf("%s: Model = %v, %v, want ErrInvalidValue that names %q", tt.name, m, err, tt.wants)
		}
	}
	nothing := Custom{}
	if m, _ := nothing.Model(); m != DefaultModel() {
		t.Error("without additions the model is not the default one")
	}
	unused := Custom{Schemas: []CustomSchema{schema("urn:example:Device")}, Types: []TypeDefinition{device}}
	if m, err := unused.Model(); err != nil || m.Type("User").extension("urn:example:Device") != nil || m.Type("Device") == nil {
		t.Errorf("the schema of a resource type extends User too, or there is no type: %v", err)
	}
}

func TestNarrowed(t *testing.T) {
	const urn = "urn:example:x"
	model := func(attributes string) *Model {
		c := Custom{}
		if attributes != "" {
			c.Schemas = []CustomSchema{{Definition: mustSchema(t, `{"id":"`+urn+`","attributes":[`+attributes+`]}`)}}
		}
		m, err := c.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const base = `{"name":"a","caseExact":true},{"name":"b","type":"complex","subAttributes":[{"name":"c"}]}`
	for _, tt := range []struct{ name, next, wants string }{
		{"the same", base, ""},
		{"one more", base + `,{"name":"d"}`, ""},
		{"one more that is required", base + `,{"name":"d","required":true}`, "d is new"},
		{"one less", `{"name":"a","caseExact":true}`, "b would go"},
		{"another type", strings.Replace(base, `"a",`, `"a","type":"reference",`, 1), "a would be of another type"},
		{"several values", strings.Replace(base, `"a",`, `"a","multiValued":true,`, 1), "a would be of another type"},
		{"compared otherwise", strings.Replace(base, `true`, `false`, 1), "a would compare"},
		{"unique", strings.Replace(base, `"a",`, `"a","uniqueness":"server",`, 1), "a would compare"},
		{"required", strings.Replace(base, `"a",`, `"a","required":true,`, 1), "a would be required"},
		{"another spelling", strings.Replace(base, `"a"`, `"A"`, 1), "a would be called A"},
		{"another sub-attribute", strings.Replace(base, `"c"`, `"e"`, 1), "b.c would go"},
		{"returned less", strings.Replace(base, `"a",`, `"a","returned":"request","description":"x","mutability":"immutable",`, 1), ""},
		{"nothing", "", "the extension would go"},
	} {
		got := Narrowed(model(base), model(tt.next))
		if tt.wants == "" && len(got) > 0 || tt.wants != "" && (len(got) != 1 || got[0].Extension != urn || got[0].Type != "User" || !strings.Contains(got[0].Reason, tt.wants)) {
			t.Errorf("%s: Narrowed = %v, want %q", tt.name, got, tt.wants)
		}
		if got := Narrowed(DefaultModel(), model(tt.next)); len(got) > 0 {
			t.Errorf("%s: an extension narrows the built-in model: %v", tt.name, got)
		}
	}
}

func FuzzParseSchema(f *testing.F) {
	for _, row := range invalidSchemas(f) {
		if len(row.Text) < 2000 {
			f.Add([]byte(row.Text))
		}
	}
	for _, s := range DefaultModel().Schemas {
		f.Add([]byte(strings.Replace(string(s.JSON), s.URN, "urn:example:x", 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseSchema(text)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Fatalf("ParseSchema = %v, which is no error for a client", err)
			}
			return
		}
		c := Custom{Schemas: []CustomSchema{{Definition: d}}}
		m, err := c.Model()
		if err != nil {
			t.Fatalf("a schema that was read makes no model: %v", err)
		}
		document, err := d.Document()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSchema(document)
		if err != nil && len(document) <= MaxSchemaBytes {
			t.Fatalf("what is served cannot be read again: %v\n%s", err, document)
		}
		if err == nil {
			if next, err := again.Document(); err != nil || string(next) != string(document) {
				t.Fatalf("%s became %s (%v)", document, next, err)
			}
		}
		for _, s := range m.Schemas {
			if s.URN != d.URN() {
				continue
			}
			for _, a := range s.Attributes {
				if p, err := m.Type("User").Find(s.URN + ":" + a.Name); err != nil || p.Attr != a {
					t.Fatalf("Find(%s:%s) = %v, %v", s.URN, a.Name, p, err)
				}
			}
		}
	})
}
