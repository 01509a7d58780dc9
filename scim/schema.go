package scim

import "strings"

// URNs of the schemas that every workspace has.
const (
	UserURN         = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN        = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseURN   = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	AccountUserURN  = "urn:rollcall:params:scim:schemas:extension:account:2.0:User"
	AccountGroupURN = "urn:rollcall:params:scim:schemas:extension:account:2.0:Group"
)

// Attribute is one attribute's definition (RFC 7643 §2.2 and §7), compiled. Immutable.
type Attribute struct {
	Name        string // schema spelling
	Schema      string // the URN of its schema; "" for id, externalId, meta, schemas
	Parent      *Attribute
	Type        string // "string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"
	MultiValued bool
	Required    bool
	CaseExact   bool
	Mutability  string // "readOnly", "readWrite", "immutable", "writeOnly"
	Returned    string // "always", "never", "default", "request"
	Uniqueness  string // "none", "server", "global"
	Canonical   []string
	References  []string // resource types that a reference may lead to, "external", "uri"
	Description string
	Sub         []*Attribute // of a complex attribute, in schema order
	// Computed attributes are worked out when asked for and never stored.
	Computed bool
	// Indexed tells that the schema wants lists to find the attribute in the index (ours, not
	// the RFC's): see ResourceType.IndexPath.
	Indexed bool
	// Compare is the key that comparisons use: UserNameKey for userName, Fold for what is
	// not caseExact, the value itself otherwise. ok is false for a value that equals nothing.
	Compare func(s string) (key string, ok bool)

	subs    names
	element *Attribute // of a simple multi-valued attribute: one value, called "value" in filters
	// unset is the value that the attribute has where a resource has none: true for
	// active. Such an attribute cannot be taken away, only set.
	unset any
	// bound is the length in bytes that a string may have.
	bound int
	// checked strings must have a key: Compare refuses what cannot be unique.
	checked bool
}

// SubAttribute finds a sub-attribute, ignoring case.
func (a *Attribute) SubAttribute(name string) *Attribute { return a.subs.find(name) }

// isPrimary tells the sub-attribute that marks one of several values. One that does not have it is
// not the primary one: it compares as false (RFC 7643 §2.4), and is still not set.
func (a *Attribute) isPrimary() bool {
	return a.Name == "primary" && a.Type == "boolean" && a.Parent != nil && a.Parent.MultiValued
}

// PathName is the attribute's name within its schema: "userName", "name.givenName".
func (a *Attribute) PathName() string {
	if a.Parent != nil {
		return a.Parent.Name + "." + a.Name
	}
	return a.Name
}

// names finds attributes by name, ignoring ASCII case (RFC 7643 §2.1). It holds each
// under the schema's spelling, which most clients use, and in lower case.
type names map[string]*Attribute

func (n names) add(a *Attribute) {
	n[a.Name] = a
	n[lowerASCII(a.Name)] = a
}

func (n names) find(name string) *Attribute {
	if a, ok := n[name]; ok {
		return a
	}
	var room [64]byte
	if len(name) > len(room) {
		return nil
	}
	for i := 0; i < len(name); i++ {
		room[i] = lowerByte(name[i])
	}
	return n[string(room[:len(name)])]
}

// Schema is one schema, compiled from elimity's definition.
type Schema struct {
	URN, Name, Description string
	Attributes             []*Attribute
	JSON                   []byte // as served by /Schemas, without meta

	names  names
	unique []*Attribute // that every type with the schema holds unique
}

// Attribute finds an attribute of the schema, ignoring case.
func (s *Schema) Attribute(name string) *Attribute { return s.names.find(name) }

// ResourceType is one type of resource (RFC 7643 §6).
type ResourceType struct {
	Name, Endpoint, Description string // "User", "/Users"
	Schema                      *Schema
	Extensions                  []Extension
	// Unique are the attributes under which a resource is found and may exist only once
	// in a workspace: userName of a User, displayName of a Group. externalId is
	// unique beside them, for each owner. What custom schemas say is unique comes behind.
	Unique []*Attribute
	// Listed tells that the first of Unique lists every resource of the type: it has been
	// unique for as long as there is the type.
	Listed bool
	// MemberTypes are the types of resources that may be members; nil where the type
	// has no attribute members.
	MemberTypes []string
	// Indexed are the attributes that the workspace has indexed beside those that always are.
	Indexed []*Path
	// Plain is true when every stored attribute is returned by default, so that stored
	// text can be sent as it is.
	Plain bool

	required []*Attribute
	members  *Attribute // the attribute members, nil for none
}

// Extension is a schema extension of a resource type.
type Extension struct {
	Schema   *Schema
	Required bool
	// TopLevel extensions are understood in bodies without their URN too, as Entra sends
	// the enterprise attributes (clients.md E5).
	TopLevel bool
}

// extension finds an extension by its URN, ignoring case (RFC 8141 §3 has the URN's
// assigned part exact, but clients do not: clients.md A7).
func (t *ResourceType) extension(urn string) *Schema {
	for _, x := range t.Extensions {
		if equalFoldASCII(x.Schema.URN, urn) {
			return x.Schema
		}
	}
	return nil
}

// UniqueName is the name of one of Unique, by which the others of the type do not go: an
// extension's has its URN in front.
func (t *ResourceType) UniqueName(a *Attribute) string {
	if a.Schema == "" || a.Schema == t.Schema.URN {
		return a.Name
	}
	return a.Schema + ":" + a.Name
}

// Find resolves an attribute name as a client spells it: "userName", "name.givenName",
// "urn:...:User:userName", "urn:...enterprise...:User:manager.value", an extension's
// attribute without its URN, "meta.created", "id". A name that is a whole extension
// URN gives a Path with only the Extension set. ErrInvalidPath where there is no such attribute.
func (t *ResourceType) Find(name string) (*Path, error) {
	p := new(Path)
	if err := t.find(name, p); err != nil {
		return nil, err
	}
	return p, nil
}

// find is Find into p.
func (t *ResourceType) find(name string, p *Path) error {
	schema, rest := t.stripURN(name)
	if rest == "" && schema != nil && schema != t.Schema {
		p.Extension = schema
		return nil
	}
	attr, sub, dotted := strings.Cut(rest, ".")
	p.Attr = t.attribute(schema, attr)
	if p.Attr == nil {
		return t.unknown(name)
	}
	if p.Attr.Schema != "" && p.Attr.Schema != t.Schema.URN {
		p.Extension = t.extension(p.Attr.Schema)
	}
	if !dotted || p.Attr.element != nil && equalFoldASCII(sub, p.Attr.element.Name) {
		return nil
	}
	if p.Sub = p.Attr.subs.find(sub); p.Sub == nil {
		return t.unknown(name)
	}
	return nil
}

// attribute finds an attribute by its bare name: in the schema given, else in the core
// schema, the common attributes and the extensions, in this order.
func (t *ResourceType) attribute(schema *Schema, name string) *Attribute {
	if schema != nil && schema != t.Schema {
		return schema.names.find(name)
	}
	if a := t.Schema.names.find(name); a != nil {
		return a
	}
	if a := commonNames.find(name); a != nil || schema != nil {
		return a
	}
	for _, x := range t.Extensions {
		if a := x.Schema.names.find(name); a != nil {
			return a
		}
	}
	return nil
}

// stripURN splits a name into the schema whose URN it begins with, nil for none, and
// what follows the URN. Clients separate the two by a colon, some by a dot.
func (t *ResourceType) stripURN(name string) (*Schema, string) {
	if strings.IndexByte(name, ':') < 0 {
		return nil, name
	}
	if rest, ok := cutURN(name, t.Schema.URN); ok {
		return t.Schema, rest
	}
	for _, x := range t.Extensions {
		if rest, ok := cutURN(name, x.Schema.URN); ok {
			return x.Schema, rest
		}
	}
	return nil, name
}

func cutURN(name, urn string) (rest string, ok bool) {
	n := len(urn)
	if len(name) < n || !equalFoldASCII(name[:n], urn) {
		return "", false
	}
	if len(name) == n {
		return "", true
	}
	if c := name[n]; c != ':' && c != '.' {
		return "", false
	}
	return name[n+1:], true
}

func (t *ResourceType) unknown(name string) error {
	return &unknownError{Errorf(ErrInvalidPath, "%s has no attribute %q", t.Name, clip(name))}
}

// Model is the schemas and resource types of a workspace. Immutable.
type Model struct {
	Types   []*ResourceType
	Schemas []*Schema // every schema that a type uses
}

// Type finds a resource type by its name.
func (m *Model) Type(name string) *ResourceType {
	for _, t := range m.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// ByEndpoint finds a resource type by its endpoint, with or without the slash.
func (m *Model) ByEndpoint(endpoint string) *ResourceType {
	endpoint = strings.TrimPrefix(endpoint, "/")
	for _, t := range m.Types {
		if equalFoldASCII(strings.TrimPrefix(t.Endpoint, "/"), endpoint) {
			return t
		}
	}
	return nil
}

// Member is one value of a group's attribute members (RFC 7643 §4.2).
type Member struct {
	Value string // the member's id
	Type  string // "User", "Group", or "" where the client did not say
}

// Draft is a client's resource, read against its type.
type Draft struct {
	Resource *Resource // Type, ExternalID and Attributes are set
	Members  []Member
	// HasMembers tells whether the body had members at all: a PUT without them keeps them.
	HasMembers bool
	Password   string // never part of Attributes; "" where not given
	Quirks     []string
}

// URNs lists the schemas in use by a resource, for its attribute schemas: the core
// schema and each extension of which it has a value.
func (t *ResourceType) URNs(attributes map[string]any) []string {
	urns := append(make([]string, 0, 1+len(t.Extensions)), t.Schema.URN)
	for _, x := range t.Extensions {
		if values, _ := attributes[x.Schema.URN].(map[string]any); len(values) > 0 {
			urns = append(urns, x.Schema.URN)
		}
	}
	return urns
}
