package scim

import (
	"fmt"

	elimity "github.com/elimity-com/scim/schema"
)

// Definition is a schema in the words of elimity's constructors, with what they
// cannot say.
type Definition struct {
	Schema elimity.Schema
	// Adjust, where not nil, is called with each attribute ("members") and sub-attribute
	// ("members.value") and may correct it before anything is derived from it.
	Adjust func(path string, a *Attribute)

	custom bool // of ParseSchema: what it says is unique, is unique
}

// TypeDefinition defines a resource type for NewModel.
type TypeDefinition struct {
	Name, Endpoint, Description string
	Schema                      Definition
	Extensions                  []ExtensionDefinition
	Unique                      []string // names of attributes: ResourceType.Unique
	MemberTypes                 []string
	Indexed                     []string // names of attributes: ResourceType.Indexed
}

// ExtensionDefinition defines an extension of a resource type.
type ExtensionDefinition struct {
	Definition
	Required bool
	TopLevel bool
}

// NewModel compiles resource types. A schema that several types use is compiled once,
// as it is defined first. It fails where two attributes of a type have one name, and
// where a name is taken by a common attribute (RFC 7643 §3.1).
func NewModel(types ...TypeDefinition) (*Model, error) {
	m := new(Model)
	for _, d := range types {
		if m.Type(d.Name) != nil || m.ByEndpoint(d.Endpoint) != nil {
			return nil, fmt.Errorf("scim: resource type %s (%s) is defined twice", d.Name, d.Endpoint)
		}
		t, err := m.compileType(d)
		if err != nil {
			return nil, fmt.Errorf("scim: resource type %s: %w", d.Name, err)
		}
		m.Types = append(m.Types, t)
	}
	for _, t := range m.Types {
		for _, name := range t.MemberTypes {
			if m.Type(name) == nil {
				return nil, fmt.Errorf("scim: resource type %s: no resource type %s for its members", t.Name, name)
			}
		}
	}
	return m, nil
}

func (m *Model) compileType(d TypeDefinition) (*ResourceType, error) {
	core, err := m.schema(d.Schema)
	if err != nil {
		return nil, err
	}
	t := &ResourceType{
		Name: d.Name, Endpoint: d.Endpoint, Description: d.Description,
		Schema: core, MemberTypes: d.MemberTypes, Plain: true,
	}
	for _, x := range d.Extensions {
		s, err := m.schema(x.Definition)
		if err != nil {
			return nil, err
		}
		if s == core || t.extension(s.URN) != nil {
			return nil, fmt.Errorf("schema %s is used twice", s.URN)
		}
		t.Extensions = append(t.Extensions, Extension{Schema: s, Required: x.Required, TopLevel: x.TopLevel})
	}
	for _, name := range d.Unique {
		a := core.Attribute(name)
		if a == nil || a.Type != "string" || a.MultiValued {
			return nil, fmt.Errorf("unique attribute %s is no string of schema %s", name, core.URN)
		}
		t.Unique = append(t.Unique, a)
	}
	t.Listed = len(t.Unique) > 0
	t.Unique = append(t.Unique, core.unique...)
	for _, x := range t.Extensions {
		t.Unique = append(t.Unique, x.Schema.unique...)
	}
	if len(d.MemberTypes) > 0 {
		if t.members = core.Attribute("members"); t.members == nil {
			return nil, fmt.Errorf("schema %s has no attribute members", core.URN)
		}
	}
	t.derive()
	return t, t.index(d.Indexed)
}

// derive sets what is known of the type from its attributes together.
func (t *ResourceType) derive() {
	look := func(attrs []*Attribute) {
		for _, a := range attrs {
			for _, b := range append([]*Attribute{a}, a.Sub...) {
				if b.Computed || b == t.members || b.isPassword() {
					continue
				}
				t.Plain = t.Plain && (b.Returned == "default" || b.Returned == "always")
			}
		}
	}
	look(t.Schema.Attributes)
	for _, a := range t.Schema.Attributes {
		if a.Required && a.Mutability != "readOnly" {
			t.required = append(t.required, a)
		}
	}
	for _, x := range t.Extensions {
		look(x.Schema.Attributes)
	}
}

// isPassword tells the one attribute that is never kept with the others.
func (a *Attribute) isPassword() bool { return a.Schema == UserURN && a.Name == "password" }

// schema compiles a definition, or finds it compiled already.
func (m *Model) schema(d Definition) (*Schema, error) {
	for _, s := range m.Schemas {
		if equalFoldASCII(s.URN, d.Schema.ID) {
			return s, nil
		}
	}
	s, err := d.compile()
	if err != nil {
		return nil, err
	}
	m.Schemas = append(m.Schemas, s)
	return s, nil
}

func (d Definition) compile() (*Schema, error) {
	s := &Schema{URN: d.Schema.ID, Name: d.Schema.Name.Value(), Description: d.Schema.Description.Value(), names: names{}}
	for _, ca := range d.Schema.Attributes {
		a := compile(ca, s.URN, nil, d.Adjust)
		if s.Attribute(a.Name) != nil || commonNames.find(a.Name) != nil {
			return nil, fmt.Errorf("schema %s: attribute %s is defined twice", s.URN, a.Name)
		}
		s.names.add(a)
		s.Attributes = append(s.Attributes, a)
		if d.custom && a.Uniqueness != "none" {
			s.unique = append(s.unique, a)
		}
	}
	s.JSON = AppendJSON(nil, s.document())
	return s, nil
}

// compile makes an Attribute of elimity's. Parent is nil for one that is no sub-attribute.
func compile(ca elimity.CoreAttribute, urn string, parent *Attribute, adjust func(string, *Attribute)) *Attribute {
	a := &Attribute{
		Name: ca.Name(), Schema: urn, Parent: parent, Type: ca.AttributeType(), Description: ca.Description(),
		MultiValued: ca.MultiValued(), Required: ca.Required(), CaseExact: ca.CaseExact(),
		Mutability: ca.Mutability(), Returned: ca.Returned(), Uniqueness: ca.Uniqueness(),
		Canonical: ca.CanonicalValues(), bound: maxStringBytes,
	}
	for _, r := range ca.ReferenceTypes() {
		a.References = append(a.References, string(r))
	}
	if adjust != nil {
		adjust(a.PathName(), a)
	}
	if a.Compare == nil {
		a.Compare = compareFold
		if a.CaseExact {
			a.Compare = compareExact
		}
	}
	if a.Type == "complex" {
		a.subs = names{}
		for _, cs := range ca.SubAttributes() {
			sub := compile(cs, urn, a, adjust)
			sub.Computed = sub.Computed || a.Computed
			a.subs.add(sub)
			a.Sub = append(a.Sub, sub)
		}
	} else if a.MultiValued {
		element := *a
		element.Name, element.Parent, element.MultiValued, element.Required = "value", a, false, false
		a.element = &element
	}
	return a
}

func compareExact(s string) (string, bool) { return s, true }
func compareFold(s string) (string, bool)  { return Fold(s), true }

// document is the schema as RFC 7643 §7 has it served.
func (s *Schema) document() map[string]any {
	return map[string]any{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:Schema"},
		"id":      s.URN, "name": s.Name, "description": s.Description,
		"attributes": documents(s.Attributes),
	}
}

func documents(attrs []*Attribute) []any {
	list := make([]any, len(attrs))
	for i, a := range attrs {
		d := map[string]any{
			"name": a.Name, "type": a.Type, "multiValued": a.MultiValued, "description": a.Description,
			"required": a.Required, "mutability": a.Mutability, "returned": a.Returned,
		}
		if a.Type != "complex" && a.Type != "boolean" {
			d["caseExact"], d["uniqueness"] = a.CaseExact, a.Uniqueness
		}
		if len(a.Canonical) > 0 {
			d["canonicalValues"] = anyStrings(a.Canonical)
		}
		if len(a.References) > 0 {
			d["referenceTypes"] = anyStrings(a.References)
		}
		if a.Indexed {
			d["indexed"] = true
		}
		if len(a.Sub) > 0 {
			d["subAttributes"] = documents(a.Sub)
		}
		list[i] = d
	}
	return list
}

func anyStrings(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
