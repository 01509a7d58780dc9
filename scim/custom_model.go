package scim

import (
	"errors"
	"maps"
	"slices"
	"strings"

	elimity "github.com/elimity-com/scim/schema"
)

// Custom is what a workspace adds to the types of DefaultModel.
type Custom struct {
	Schemas []CustomSchema
	Types   []TypeDefinition // of ParseResourceType
	// Indexed names, by resource type, attributes that are indexed though no schema says so.
	Indexed map[string][]string
}

// CustomSchema is a schema that a workspace adds.
type CustomSchema struct {
	Definition
	// Extends names the resource types that it extends. nil leaves that to the resource types
	// of the workspace: it extends User where none of them names it.
	Extends []string
}

// IsResourceType tells the text of a resource type, which has an endpoint, from that of a schema.
func IsResourceType(text []byte) bool {
	object, err := ParseObject(text, Limits{Bytes: MaxSchemaBytes, Depth: maxSchemaDepth})
	_, ok := object["endpoint"]
	return err == nil && ok
}

// ParseResourceType reads a resource type as RFC 7643 §6 has it in JSON. The definitions
// in it have their URNs alone, until Custom.Model finds the schemas.
func ParseResourceType(text []byte) (TypeDefinition, error) {
	var d TypeDefinition
	object, err := ParseObject(text, Limits{Bytes: MaxSchemaBytes, Depth: maxSchemaDepth})
	if err != nil {
		return d, err
	}
	m := members{what: "the resource type", object: object}
	m.only("schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta")
	m.kind(typeSchemaURN)
	d.Name, d.Endpoint, d.Description = m.text("name", true), m.text("endpoint", true), m.text("description", false)
	d.Schema.Schema.ID = m.text("schema", true)
	if id := m.text("id", false); id != "" && id != d.Name {
		m.fail("id", "it is the same as name, or left out")
	}
	for _, v := range m.list("schemaExtensions") {
		object, ok := v.(map[string]any)
		if !ok {
			m.fail("schemaExtensions", "expected objects with schema and required, found %s", describe(v))
			continue
		}
		x := members{what: m.what + ": schemaExtensions", object: object}
		x.only("schema", "required")
		urn := x.text("schema", true)
		d.Extensions = append(d.Extensions, ExtensionDefinition{
			Definition: Definition{Schema: elimity.Schema{ID: urn}}, Required: x.boolean("required", false),
		})
		if x.err != nil && m.err == nil {
			m.err = x.err
		}
	}
	if m.err != nil {
		return d, m.err
	}
	d.Endpoint = "/" + strings.TrimPrefix(d.Endpoint, "/")
	return d, d.checkNames()
}

// keptNames are the resource types and endpoints that RFC 7643 and 7644 define.
var (
	keptNames     = []string{"User", "Group", "Schema", "ResourceType", "ServiceProviderConfig"}
	keptEndpoints = []string{"Users", "Groups", "Me", "Bulk", "Schemas", "ResourceTypes", "ServiceProviderConfig"}
)

func (d *TypeDefinition) checkNames() error {
	endpoint := d.Endpoint[1:]
	plain := func(s string) bool { return isAttributeName(s) && len(s) <= maxNameBytes && !strings.Contains(s, "$") }
	same := func(s string) func(string) bool { return func(t string) bool { return equalFoldASCII(s, t) } }
	switch {
	case !plain(d.Name):
		return Errorf(ErrInvalidValue, "the resource type: name: %q is not a letter, then up to 63 letters, digits, - and _", clip(d.Name))
	case !plain(endpoint):
		return Errorf(ErrInvalidValue, "the resource type %s: endpoint: %q is not a slash and a letter, then up to 63 letters, digits, - and _", d.Name, clip(d.Endpoint))
	case slices.ContainsFunc(keptNames, same(d.Name)):
		return Errorf(ErrInvalidValue, "the resource type: name: %s is a type that RFC 7643 defines", d.Name)
	case slices.ContainsFunc(keptEndpoints, same(endpoint)):
		return Errorf(ErrInvalidValue, "the resource type %s: endpoint: %s is one that RFC 7644 defines", d.Name, d.Endpoint)
	}
	return nil
}

// Model is DefaultModel with the additions. An error names what does not fit.
func (c *Custom) Model() (*Model, error) {
	if len(c.Schemas) == 0 && len(c.Types) == 0 && len(c.Indexed) == 0 {
		return DefaultModel(), nil
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	types := []TypeDefinition{UserDefinition(), GroupDefinition()}
	for _, d := range c.Types {
		t, err := c.resolve(d)
		if err != nil {
			return nil, err
		}
		types = append(types, t)
	}
	for _, s := range c.Schemas {
		for _, name := range c.extends(s) {
			i := slices.IndexFunc(types, func(t TypeDefinition) bool { return t.Name == name })
			if i < 0 {
				return nil, Errorf(ErrInvalidValue, "the schema %s: extends: there is no resource type %q", s.URN(), clip(name))
			}
			if !slices.ContainsFunc(types[i].Extensions, func(x ExtensionDefinition) bool { return equalFoldASCII(x.URN(), s.URN()) }) {
				types[i].Extensions = append(types[i].Extensions, ExtensionDefinition{Definition: s.Definition})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Indexed)) {
		i := slices.IndexFunc(types, func(t TypeDefinition) bool { return t.Name == name })
		if i < 0 {
			return nil, Errorf(ErrInvalidValue, "the resource type %s has indexed attributes: take those away first (PUT /api/v1/index/%s)", clip(name), clip(name))
		}
		types[i].Indexed = c.Indexed[name]
	}
	m, err := NewModel(types...)
	if err != nil {
		var told *Error
		if errors.As(err, &told) {
			return nil, told
		}
		return nil, Errorf(ErrInvalidValue, "%v", err)
	}
	return m, nil
}

// check counts, and refuses names that two have.
func (c *Custom) check() error {
	if len(c.Schemas) > MaxSchemas || len(c.Types) > MaxResourceTypes {
		return Errorf(ErrInvalidValue, "more than the %d schemas or %d resource types that a workspace may add", MaxSchemas, MaxResourceTypes)
	}
	for i, s := range c.Schemas {
		for _, other := range c.Schemas[:i] {
			if overlapping(s.URN(), other.URN()) {
				return Errorf(ErrInvalidValue, "id: %s is, or begins with, or is the beginning of the schema %s", s.URN(), other.URN())
			}
		}
	}
	for i, t := range c.Types {
		for _, other := range c.Types[:i] {
			if equalFoldASCII(t.Name, other.Name) || equalFoldASCII(t.Endpoint, other.Endpoint) {
				return Errorf(ErrInvalidValue, "the resource type %s (%s) has the name or endpoint of %s (%s)", t.Name, t.Endpoint, other.Name, other.Endpoint)
			}
		}
	}
	return nil
}

// schema finds a schema of the workspace.
func (c *Custom) schema(urn string) (Definition, bool) {
	i := slices.IndexFunc(c.Schemas, func(s CustomSchema) bool { return equalFoldASCII(s.URN(), urn) })
	if i < 0 {
		return Definition{}, false
	}
	return c.Schemas[i].Definition, true
}

// resolve puts the schemas into a resource type.
func (c *Custom) resolve(d TypeDefinition) (TypeDefinition, error) {
	missing := func(urn string) error {
		return Errorf(ErrInvalidValue, "the resource type %s: there is no schema %q among those that the workspace has added", d.Name, clip(urn))
	}
	core, ok := c.schema(d.Schema.URN())
	if !ok {
		return d, missing(d.Schema.URN())
	}
	for _, a := range core.Schema.Attributes {
		// RFC 7643 §4.1.2, §4.2: these are no attributes like others, but edges.
		if name := lowerASCII(a.Name()); name == "members" || name == "groups" {
			return d, Errorf(ErrInvalidValue, "the resource type %s: attribute %s: only Group has members, and only User groups", d.Name, a.Name())
		}
	}
	d.Schema = core
	extensions := make([]ExtensionDefinition, len(d.Extensions))
	for i, x := range d.Extensions {
		definition, ok := c.schema(x.URN())
		if !ok {
			return d, missing(x.URN())
		}
		extensions[i] = ExtensionDefinition{Definition: definition, Required: x.Required}
	}
	d.Extensions = extensions
	return d, nil
}

// extends are the resource types that a schema extends.
func (c *Custom) extends(s CustomSchema) []string {
	if s.Extends != nil {
		return s.Extends
	}
	for _, t := range c.Types {
		named := equalFoldASCII(t.Schema.URN(), s.URN())
		for _, x := range t.Extensions {
			named = named || equalFoldASCII(x.URN(), s.URN())
		}
		if named {
			return nil
		}
	}
	return []string{"User"}
}

// Narrowing is what a new model could not do with values that the old one has let in.
type Narrowing struct {
	Type string // of resource
	// Extension is the schema of the values; "" where any resource of the type would not fit.
	Extension string
	Reason    string
}

func (n Narrowing) String() string {
	if n.Extension != "" {
		return n.Extension + " of " + n.Type + ": " + n.Reason
	}
	return n.Type + ": " + n.Reason
}

// Narrowed compares two models: what resources could there be under the old one that would
// not be right as they are under the new one? Attributes that are new and not required, and
// changes of descriptions, mutability, returned, canonical values and reference types
// are no narrowing.
func Narrowed(old, next *Model) []Narrowing {
	var all []Narrowing
	for _, t := range old.Types {
		u := next.Type(t.Name)
		var reason string
		switch {
		case u == nil:
			reason = "the resource type would go"
		case u.Endpoint != t.Endpoint:
			reason = "its endpoint would be another"
		case u.Schema.URN != t.Schema.URN:
			reason = "its schema would be another"
		default:
			reason = narrows(t.Schema, u.Schema)
		}
		if reason != "" {
			all = append(all, Narrowing{Type: t.Name, Reason: reason})
			continue
		}
		for _, x := range t.Extensions {
			reason := "the extension would go"
			if s := u.extension(x.Schema.URN); s != nil {
				reason = narrows(x.Schema, s)
			}
			if reason != "" {
				all = append(all, Narrowing{Type: t.Name, Extension: x.Schema.URN, Reason: reason})
			}
		}
		if reason := requires(t, u); reason != "" {
			all = append(all, Narrowing{Type: t.Name, Reason: reason})
		}
	}
	return all
}

// requires names an extension that the type u demands, and t did not.
func requires(t, u *ResourceType) string {
	for _, x := range u.Extensions {
		if x.Required && !slices.ContainsFunc(t.Extensions, func(y Extension) bool { return y.Schema.URN == x.Schema.URN && y.Required }) {
			return "the extension " + x.Schema.URN + " would be required"
		}
	}
	return ""
}

func narrows(old, next *Schema) string {
	if old == next {
		return ""
	}
	return narrowed(old.Attributes, next.Attributes, next.names)
}

func narrowed(old, next []*Attribute, found names) string {
	for _, a := range old {
		b := found.find(a.Name)
		switch {
		case b == nil:
			return "attribute " + a.PathName() + " would go"
		case a.Name != b.Name:
			return "attribute " + a.PathName() + " would be called " + b.Name
		case a.Type != b.Type || a.MultiValued != b.MultiValued:
			return "attribute " + a.PathName() + " would be of another type"
		case a.CaseExact != b.CaseExact || (a.Uniqueness == "none") != (b.Uniqueness == "none"):
			return "attribute " + a.PathName() + " would compare, or be unique, in another way"
		case b.Required && !a.Required:
			return "attribute " + a.PathName() + " would be required"
		}
		if reason := narrowed(a.Sub, b.Sub, b.subs); reason != "" {
			return reason
		}
	}
	for _, b := range next {
		if b.Required && !slices.ContainsFunc(old, func(a *Attribute) bool { return equalFoldASCII(a.Name, b.Name) }) {
			return "attribute " + b.PathName() + " is new, and required"
		}
	}
	return ""
}

// Document is the schema in JSON, as RFC 7643 §7 has it.
func (d Definition) Document() ([]byte, error) {
	s, err := d.compile()
	if err != nil {
		return nil, err
	}
	return s.JSON, nil
}

// Document is the resource type in JSON, as RFC 7643 §6 has it.
func (d TypeDefinition) Document() []byte {
	extensions := make([]any, len(d.Extensions))
	for i, x := range d.Extensions {
		extensions[i] = map[string]any{"schema": x.URN(), "required": x.Required}
	}
	return AppendJSON(nil, map[string]any{
		"schemas": []any{typeSchemaURN}, "id": d.Name, "name": d.Name, "description": d.Description,
		"endpoint": d.Endpoint, "schema": d.Schema.URN(), "schemaExtensions": extensions,
	})
}
