package scim

// Bounds of values. A string is bounded lower where it is a key (see key.go).
const (
	maxStringBytes = 64 << 10
	maxElements    = 10_000  // of a multi-valued attribute
	maxMembers     = 100_000 // in one request
)

// Decode reads the body of a POST or PUT (RFC 7644 §3.3, §3.5.1): names in any case
// become the schema's, readOnly and unknown attributes are left out, null, "" and []
// mean not set, strings become booleans where the schema has a boolean, and every value
// is checked against its type. Quirks names each tolerance used (clients.md A8-A11).
// Errors name the attribute: ErrInvalidValue, ErrInvalidSyntax.
//
// members is the one attribute where [] and null differ: [] is a group without members,
// null says nothing of them.
func (t *ResourceType) Decode(body map[string]any) (*Draft, error) {
	draft := &Draft{Resource: &Resource{Attributes: make(map[string]any, len(body))}}
	draft.Resource.Type = t.Name
	d := decoder{t: t}
	// The body has no order. Of several errors, the first by name is told.
	var failed string
	var failure error
	hasSchemas := false
	for name, v := range body {
		if equalFoldASCII(name, "schemas") {
			hasSchemas = v != nil
		}
		if err := d.field(draft, name, v); err != nil && (failure == nil || name < failed) {
			failed, failure = name, err
		}
	}
	if failure != nil {
		return nil, failure
	}
	if !hasSchemas {
		d.quirks.add(QuirkNoSchemas)
	}
	for _, a := range t.required {
		if _, ok := draft.Resource.Attributes[a.Name]; !ok {
			return nil, Errorf(ErrInvalidValue, "%s is required", a.Name)
		}
	}
	for _, x := range t.Extensions {
		if err := x.complete(draft.Resource.Attributes); err != nil {
			return nil, err
		}
	}
	draft.Quirks = d.quirks.list()
	return draft, nil
}

// complete checks an extension's values, and leaves it out where it has none.
func (x Extension) complete(attributes map[string]any) error {
	values, ok := attributes[x.Schema.URN].(map[string]any)
	if ok && len(values) == 0 {
		delete(attributes, x.Schema.URN)
	}
	if len(values) == 0 {
		if x.Required {
			return Errorf(ErrInvalidValue, "the extension %s is required", x.Schema.URN)
		}
		return nil
	}
	for _, a := range x.Schema.Attributes {
		if _, ok := values[a.Name]; !ok && a.Required && a.Mutability != "readOnly" {
			return Errorf(ErrInvalidValue, "%s:%s is required", x.Schema.URN, a.Name)
		}
	}
	return nil
}

// decoder turns a client's values into those of Resource.Attributes.
type decoder struct {
	t      *ResourceType
	quirks quirkSet
	// single lets one value stand where a list is due. RFC 7644 §3.5.2.1 lets a PATCH add
	// "a new value"; in a POST or PUT it is a mistake.
	single bool
}

// field reads one name of the body into the draft.
func (d *decoder) field(draft *Draft, name string, v any) error {
	attributes := draft.Resource.Attributes
	if a := d.t.Schema.names.find(name); a != nil {
		switch {
		case a == d.t.members:
			return d.draftMembers(draft, v)
		case a.isPassword():
			s, err := d.value(a, v)
			draft.Password, _ = s.(string)
			return err
		}
		return d.into(attributes, a, v)
	}
	if a := commonNames.find(name); a != nil {
		switch a.Name {
		case "schemas":
			return d.schemas(v)
		case "externalId":
			s, err := d.value(a, v)
			draft.Resource.ExternalID, _ = s.(string)
			return err
		}
		d.quirks.add(QuirkReadOnly)
		return nil
	}
	if s := d.t.extension(name); s != nil {
		return d.extension(attributes, s, v)
	}
	return d.topLevel(attributes, name, v)
}

// into reads an attribute and sets it where it has a value.
func (d *decoder) into(attributes map[string]any, a *Attribute, v any) error {
	if a.Mutability == "readOnly" {
		if v != nil {
			d.quirks.add(QuirkReadOnly)
		}
		return nil
	}
	v, err := d.value(a, v)
	if err == nil && v != nil {
		attributes[a.Name] = v
	}
	return err
}

// extension reads the object of an extension.
func (d *decoder) extension(attributes map[string]any, s *Schema, v any) error {
	if v == nil {
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return Errorf(ErrInvalidValue, "%s: expected an object with the extension's attributes, found %s", s.URN, describe(v))
	}
	values := extensionOf(attributes, s)
	var failed string
	var failure error
	for name, v := range object {
		a := s.names.find(name)
		if a == nil {
			d.quirks.add(QuirkUnknownAttribute)
			continue
		}
		if err := d.into(values, a, v); err != nil && (failure == nil || name < failed) {
			failed, failure = name, err
		}
	}
	return failure
}

// topLevel places an attribute of an extension that came without its URN, and leaves out
// what it cannot place. The object of the extension wins over it.
func (d *decoder) topLevel(attributes map[string]any, name string, v any) error {
	for _, x := range d.t.Extensions {
		a := x.Schema.names.find(name)
		if !x.TopLevel || a == nil {
			continue
		}
		if v == nil {
			return nil
		}
		d.quirks.add(QuirkTopLevel)
		values := extensionOf(attributes, x.Schema)
		if _, ok := values[a.Name]; ok {
			return nil
		}
		return d.into(values, a, v)
	}
	d.quirks.add(QuirkUnknownAttribute)
	return nil
}

// extensionOf is the map of an extension's values, made where there is none.
func extensionOf(attributes map[string]any, s *Schema) map[string]any {
	values, ok := attributes[s.URN].(map[string]any)
	if !ok {
		values = make(map[string]any, 8)
		attributes[s.URN] = values
	}
	return values
}

// schemas checks the attribute schemas (RFC 7643 §3). What is in use follows from the
// attributes, so the list is not kept.
func (d *decoder) schemas(v any) error {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return Errorf(ErrInvalidSyntax, "schemas: expected an array of strings, found %s", describe(v))
	}
	own, other := false, ""
	for _, e := range list {
		urn, ok := e.(string)
		switch {
		case !ok:
			return Errorf(ErrInvalidSyntax, "schemas: expected an array of strings, found %s in it", describe(e))
		case equalFoldASCII(urn, d.t.Schema.URN):
			own = true
		case d.t.extension(urn) == nil:
			d.quirks.add(QuirkUnknownSchema)
			if isOfAnother(urn) {
				other = urn
			}
		}
	}
	if other != "" && !own {
		return Errorf(ErrInvalidValue, "schemas: %s is of another kind: a %s has %s", clip(other), d.t.Name, d.t.Schema.URN)
	}
	return nil
}

// isOfAnother tells a schema that says for sure what a body is, where it is not the one that is
// due: a group sent to /Users is a mistake, and an unknown schema may be anything.
func isOfAnother(urn string) bool {
	const messages = "urn:ietf:params:scim:api:messages:"
	return equalFoldASCII(urn, UserURN) || equalFoldASCII(urn, GroupURN) ||
		len(urn) >= len(messages) && equalFoldASCII(urn[:len(messages)], messages)
}
