package scim

import (
	"slices"
	"strings"

	"github.com/elimity-com/scim/optional"
	elimity "github.com/elimity-com/scim/schema"
)

// Bounds of what a workspace may add to the schemas.
const (
	MaxSchemaBytes      = 64 << 10 // of one schema or resource type, as JSON
	MaxSchemas          = 100      // of a workspace
	MaxResourceTypes    = 50       // likewise
	MaxSchemaAttributes = 200      // of a schema, sub-attributes among them

	maxSchemaDepth = 8  // of the JSON of a schema
	maxNameBytes   = 64 // of an attribute or resource type; names.find has room for as much
	maxURNBytes    = 200
)

const (
	schemaSchemaURN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
	typeSchemaURN   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
)

// URN is the URN of the schema.
func (d Definition) URN() string { return d.Schema.ID }

// ParseSchema reads a schema as RFC 7643 §7 has it in JSON. Every characteristic is checked,
// and an error names the attribute that it is about. What the schema leaves out has the
// default of §2.2. Unknown members are errors: a characteristic with a typing mistake would
// silently have its default otherwise.
func ParseSchema(text []byte) (Definition, error) {
	object, err := ParseObject(text, Limits{Bytes: MaxSchemaBytes, Depth: maxSchemaDepth})
	if err != nil {
		return Definition{}, err
	}
	m := members{what: "the schema", object: object}
	m.only("schemas", "id", "name", "description", "attributes", "meta")
	m.kind(schemaSchemaURN)
	id := m.text("id", true)
	s := elimity.Schema{ID: id, Name: optional.NewString(m.text("name", false)), Description: optional.NewString(m.text("description", false))}
	list := m.list("attributes")
	if m.err != nil {
		return Definition{}, m.err
	}
	if err := checkURN(id); err != nil {
		return Definition{}, err
	}
	if len(list) == 0 {
		return Definition{}, Errorf(ErrInvalidValue, "attributes: a schema has at least one")
	}
	p := schemaParser{traits: map[string]traits{}}
	for _, e := range list {
		a, err := p.attribute(e, "")
		if err != nil {
			return Definition{}, err
		}
		s.Attributes = append(s.Attributes, a)
	}
	return Definition{Schema: s, Adjust: p.adjust, custom: true}, nil
}

// schemaParser reads the attributes of one schema.
type schemaParser struct {
	// traits of each attribute and sub-attribute, by its path in lower case: elimity's constructors
	// take fewer than a schema may say, so adjust puts them in.
	traits map[string]traits
	nth    int
}

// traits are the characteristics of an attribute (RFC 7643 §2.2).
type traits struct {
	typ                              string
	multiValued, required, caseExact bool
	mutability, returned, uniqueness string
	canonical, references            []string
	indexed                          bool
}

// adjust is Definition.Adjust.
func (p *schemaParser) adjust(path string, a *Attribute) {
	t := p.traits[lowerASCII(path)]
	a.CaseExact, a.Mutability, a.Returned, a.Uniqueness = t.caseExact, t.mutability, t.returned, t.uniqueness
	a.Canonical, a.References, a.Indexed = t.canonical, t.references, t.indexed
	if t.uniqueness != "none" {
		a.bound = maxKeyBytes
	}
}

// attribute reads an attribute, or a sub-attribute of parent.
func (p *schemaParser) attribute(v any, parent string) (elimity.CoreAttribute, error) {
	var none elimity.CoreAttribute
	t, name, about, subs, err := p.read(v, parent)
	if err != nil {
		return none, err
	}
	if t.typ != "complex" {
		return elimity.SimpleCoreAttribute(t.params(name, about)), nil
	}
	complexParams := elimity.ComplexParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required}
	for _, e := range subs {
		t, sub, about, _, err := p.read(e, name)
		if err != nil {
			return none, err
		}
		complexParams.SubAttributes = append(complexParams.SubAttributes, t.params(sub, about))
	}
	return elimity.ComplexCoreAttribute(complexParams), nil
}

// read reads the characteristics of an attribute, and checks them.
func (p *schemaParser) read(v any, parent string) (t traits, name string, about optional.String, subs []any, err error) {
	if p.nth++; p.nth > MaxSchemaAttributes {
		return t, "", about, nil, Errorf(ErrInvalidValue, "attributes: more than the %d allowed in a schema, sub-attributes among them", MaxSchemaAttributes)
	}
	what := "attributes"
	if parent != "" {
		what = "attribute " + parent + ": subAttributes"
	}
	object, ok := v.(map[string]any)
	if !ok {
		return t, "", about, nil, Errorf(ErrInvalidValue, "%s: expected objects, found %s", what, describe(v))
	}
	m := members{what: what, object: object}
	name = m.text("name", true)
	path := name
	if parent != "" {
		path = parent + "." + name
	}
	if m.err == nil {
		m.err = checkName(name, path, parent)
	}
	if _, twice := p.traits[lowerASCII(path)]; twice && m.err == nil {
		m.err = Errorf(ErrInvalidValue, "attribute %s: the name is used twice (case does not count)", path)
	}
	m.what = "attribute " + path
	about = optional.NewString(m.text("description", false))
	t, subs = m.traits(parent != "")
	p.traits[lowerASCII(path)] = t
	return t, name, about, subs, m.err
}

// params are the elimity's of a simple attribute.
func (t traits) params(name string, about optional.String) elimity.SimpleParams {
	switch t.typ {
	case "boolean":
		return elimity.SimpleBooleanParams(elimity.BooleanParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required})
	case "decimal":
		return elimity.SimpleNumberParams(elimity.NumberParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required, Type: elimity.AttributeTypeDecimal()})
	case "integer":
		return elimity.SimpleNumberParams(elimity.NumberParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required, Type: elimity.AttributeTypeInteger()})
	case "dateTime":
		return elimity.SimpleDateTimeParams(elimity.DateTimeParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required})
	case "binary":
		return elimity.SimpleBinaryParams(elimity.BinaryParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required})
	case "reference":
		return elimity.SimpleReferenceParams(elimity.ReferenceParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required})
	}
	return elimity.SimpleStringParams(elimity.StringParams{Name: name, Description: about, MultiValued: t.multiValued, Required: t.required})
}

// checkName holds a name to RFC 7643 §2.1. $ref is the one that may begin with another sign
// than a letter (§2.4), and only beside others.
func checkName(name, path, parent string) error {
	switch {
	case name == "$ref" && parent != "":
		return nil
	case len(name) > maxNameBytes:
		return Errorf(ErrInvalidValue, "attribute %s: the name is longer than %d characters", clip(path), maxNameBytes)
	case !isAttributeName(name):
		return Errorf(ErrInvalidValue, "attribute %q: a name is a letter, then letters, digits, $, - and _ (RFC 7643 §2.1)", clip(path))
	case parent == "" && commonNames.find(name) != nil:
		return Errorf(ErrInvalidValue, "attribute %s: every resource has an attribute of this name (RFC 7643 §3.1)", path)
	}
	return nil
}

func isAttributeName(name string) bool {
	for i := 0; i < len(name); i++ {
		letter := isAlphanumeric(name[i]) && name[i] > '9'
		if !letter && (i == 0 || !isAlphanumeric(name[i]) && strings.IndexByte("$-_", name[i]) < 0) {
			return false
		}
	}
	return name != ""
}

// checkURN holds the id of a schema to RFC 8141 §2, and to what URLs, paths and filters can
// carry as it is.
func checkURN(urn string) error {
	bad := func(why string) error {
		return Errorf(ErrInvalidValue, "id: %q is no URN for a schema: %s", clip(urn), why)
	}
	parts := strings.Split(urn, ":")
	switch {
	case len(urn) > maxURNBytes:
		return bad("it is longer than 200 characters")
	case len(parts) < 3 || !equalFoldASCII(parts[0], "urn"):
		return bad("write it like urn:example:params:scim:schemas:hr:1.0:User")
	case len(parts[1]) < 2 || len(parts[1]) > 32 || strings.Trim(parts[1], "-") != parts[1] || strings.ContainsAny(parts[1], "._"):
		return bad("what follows urn: has 2 to 32 letters, digits and hyphens, and a hyphen at neither end")
	case slices.Contains(parts, ""):
		return bad("nothing stands between two colons, or behind the last")
	case strings.HasSuffix(urn, "."):
		return bad("it ends in a dot")
	}
	for i := 0; i < len(urn); i++ {
		if !isAlphanumeric(urn[i]) && strings.IndexByte(":._-", urn[i]) < 0 {
			return bad("it may have letters, digits, colons, dots, hyphens and underscores")
		}
	}
	lower := lowerASCII(urn)
	for _, kept := range []string{"urn:rollcall:", "urn:ietf:params:scim:api:"} {
		if strings.HasPrefix(lower, kept) {
			return bad("what begins with " + kept + " is kept for others")
		}
	}
	for _, ours := range []string{
		schemaSchemaURN, typeSchemaURN, "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig", UserURN, GroupURN, EnterpriseURN,
	} {
		if overlapping(urn, ours) {
			return bad("it is, or begins with, or is the beginning of " + ours)
		}
	}
	return nil
}

// overlapping tells whether two URNs could be taken for one another in front of an attribute:
// urn:a:b:c is the attribute c of urn:a:b, unless it is a schema itself.
func overlapping(a, b string) bool {
	_, first := cutURN(a, b)
	_, second := cutURN(b, a)
	return first || second
}
