package scim

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// Operation is one operation of a PATCH (RFC 7644 §3.5.2).
type Operation struct {
	Op    string // any case
	Path  string
	Value any // as ParseObject gives it; nil for null or none
	// HasValue tells null from nothing.
	HasValue bool
}

// MaxOperations bounds the operations of one PATCH.
const MaxOperations = 1000

// ParsePatch reads the body of a PATCH: schemas, and Operations in any case.
func ParsePatch(body map[string]any) ([]Operation, error) {
	v, ok := lookupFold(body, "Operations")
	if !ok {
		return nil, Errorf(ErrInvalidSyntax, "Operations is required: the array of the PATCH's operations")
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, Errorf(ErrInvalidSyntax, "Operations: expected an array with at least one operation, found %s", describe(v))
	}
	if len(list) > MaxOperations {
		return nil, Errorf(ErrTooLarge, "Operations: more than the %d allowed in one request", MaxOperations)
	}
	schemas, _ := lookupFold(body, "schemas")
	if _, ok := schemas.([]any); !ok && schemas != nil {
		return nil, Errorf(ErrInvalidSyntax, "schemas: expected an array of strings, found %s", describe(schemas))
	}
	ops := make([]Operation, len(list))
	for i, v := range list {
		if err := ops[i].read(v); err != nil {
			return nil, within(err, "operation %d: ", i+1)
		}
	}
	return ops, nil
}

func (o *Operation) read(v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return Errorf(ErrInvalidSyntax, "expected an object with op, path and value, found %s", describe(v))
	}
	for name, v := range object {
		var into *string
		switch {
		case equalFoldASCII(name, "op"):
			into = &o.Op
		case equalFoldASCII(name, "path"):
			if v == nil {
				continue
			}
			into = &o.Path
		case equalFoldASCII(name, "value"):
			o.Value, o.HasValue = v, true
			continue
		default:
			continue
		}
		if *into, ok = v.(string); !ok {
			return Errorf(ErrInvalidSyntax, "%s: expected a string, found %s", lowerASCII(name), describe(v))
		}
	}
	switch lowerASCII(o.Op) {
	case "add", "replace", "remove":
		return nil
	case "":
		return Errorf(ErrInvalidSyntax, "op is required: add, replace or remove")
	}
	return Errorf(ErrInvalidSyntax, "op: expected add, replace or remove, found %q", clip(o.Op))
}

func lookupFold(object map[string]any, name string) (any, bool) {
	if v, ok := object[name]; ok {
		return v, true
	}
	for n, v := range object {
		if equalFoldASCII(n, name) {
			return v, true
		}
	}
	return nil, false
}

// MemberDelta is what a PATCH does to members, folded in order.
type MemberDelta struct {
	Clear  bool // remove all that are there first
	Add    []Member
	Remove []Member
}

// Patched is the outcome of a PATCH.
type Patched struct {
	Resource *Resource // the new state
	Changed  bool      // of the resource's own attributes
	Members  MemberDelta
	Password string
	Quirks   []string
}

// Patch applies the operations in order to a copy of r, all or nothing. members is asked
// only where an operation selects members by something other than their value.
// Errors carry the operation's number: ErrInvalidPath, ErrNoTarget, ErrMutability,
// ErrInvalidValue, ErrInvalidSyntax.
//
// What a path names must exist and be writable; in the object of an operation without
// path, what is unknown or readOnly is left out, as in a POST (clients.md A9, O17).
func (t *ResourceType) Patch(r *Resource, ops []Operation, members func() ([]Member, error)) (*Patched, error) {
	if len(ops) > MaxOperations {
		return nil, Errorf(ErrTooLarge, "more than the %d operations allowed in one request", MaxOperations)
	}
	p := patcher{decoder: decoder{t: t, single: true}, r: r.Clone(), read: members}
	for i := range ops {
		if err := p.apply(&ops[i]); err != nil {
			return nil, within(err, "operation %d: ", i+1)
		}
	}
	for _, x := range t.Extensions {
		if err := x.complete(p.r.Attributes); err != nil {
			return nil, err
		}
	}
	changed := p.r.ExternalID != r.ExternalID || !equalValues(r.Attributes, p.r.Attributes)
	return &Patched{
		Resource: p.r, Changed: changed, Members: p.members.delta(), Password: p.password, Quirks: p.quirks.list(),
	}, nil
}

// patcher applies the operations of one PATCH to r.
type patcher struct {
	decoder
	r        *Resource
	password string
	members  memberEdits
	read     func() ([]Member, error)
	work     int // looks at values so far: see maxWork
}

func (p *patcher) apply(o *Operation) error {
	op := lowerASCII(o.Op)
	if op != o.Op {
		p.quirks.add(QuirkOperatorCase)
	}
	if strings.TrimSpace(o.Path) == "" {
		return p.withoutPath(op, o)
	}
	path, err := p.t.ParsePath(o.Path)
	if err != nil {
		return err
	}
	if path.Extension != nil && strings.IndexByte(o.Path, ':') < 0 {
		p.quirks.add(QuirkTopLevel)
	}
	if path.Filter != nil && path.Filter.root.quotesBoolean() {
		p.quirks.add(QuirkStringBoolean)
	}
	switch op {
	case "add", "replace":
		if !o.HasValue {
			return Errorf(ErrInvalidValue, "%s needs a value", op)
		}
		return p.set(path, o.Value, op == "add")
	case "remove":
		return p.remove(path, o)
	}
	return Errorf(ErrInvalidSyntax, "op: expected add, replace or remove, found %q", clip(o.Op))
}

// withoutPath applies an operation whose value is an object of attributes.
func (p *patcher) withoutPath(op string, o *Operation) error {
	if op == "remove" {
		return Errorf(ErrNoTarget, "remove needs a path: the attribute to remove")
	}
	object, ok := o.Value.(map[string]any)
	if !ok {
		return Errorf(ErrInvalidValue, "%s without a path needs an object of attributes as its value, found %s", op, describe(o.Value))
	}
	return p.object(object, op == "add")
}

// object sets what an object of attributes names, in order of name: "name" comes before
// "name.givenName", which may then correct it.
func (p *patcher) object(object map[string]any, add bool) error {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if err := p.named(name, object[name], add); err != nil {
			return err
		}
	}
	return nil
}

// named sets one attribute of such an object. Clients put whole paths there (clients.md E10).
func (p *patcher) named(name string, v any, add bool) error {
	if a := commonNames.find(name); a != nil && a.Name != "externalId" {
		p.quirks.add(QuirkReadOnly)
		return nil
	}
	if s := p.t.extension(name); s != nil {
		return p.set(&Path{Extension: s}, v, add)
	}
	if object, ok := v.(map[string]any); ok && equalFoldASCII(name, p.t.Schema.URN) {
		return p.object(object, add)
	}
	path, err := p.resolve(name)
	if errors.Is(err, ErrUnknownAttribute) {
		p.quirks.add(QuirkUnknownAttribute)
		return nil
	}
	if err != nil {
		return err
	}
	if path.readOnly() {
		p.quirks.add(QuirkReadOnly)
		return nil
	}
	return p.set(path, v, add)
}

// resolve finds what a name of such an object means. A bare name is looked for as in a
// POST: in the core schema, and in the extensions understood without their URN.
func (p *patcher) resolve(name string) (*Path, error) {
	if strings.ContainsAny(name, ".:[") {
		path, err := p.t.ParsePath(name)
		if err == nil {
			p.quirks.add(QuirkDottedName)
		}
		return path, err
	}
	if a := p.t.attribute(p.t.Schema, name); a != nil {
		return &Path{Attr: a}, nil
	}
	for _, x := range p.t.Extensions {
		if a := x.Schema.names.find(name); a != nil && x.TopLevel {
			p.quirks.add(QuirkTopLevel)
			return &Path{Extension: x.Schema, Attr: a}, nil
		}
	}
	return nil, p.t.unknown(name)
}

// readOnly tells whether a client may not write what the path leads to.
func (p *Path) readOnly() bool {
	return p.Attr != nil && p.Attr.Mutability == "readOnly" || p.Sub != nil && p.Sub.Mutability == "readOnly"
}

// values is the map that holds the path's attribute.
func (p *patcher) values(path *Path) map[string]any {
	if path.Extension != nil {
		return extensionOf(p.r.Attributes, path.Extension)
	}
	return p.r.Attributes
}

// set adds or replaces what the path leads to.
func (p *patcher) set(path *Path, v any, add bool) error {
	a := path.Attr
	switch {
	case a == nil:
		return p.setExtension(path.Extension, v, add)
	case a.Schema == "" && a.Name == "externalId":
		s, err := p.value(a, v)
		if err == nil {
			p.r.ExternalID, _ = s.(string)
		}
		return err
	case a.Schema == "", path.readOnly():
		return Errorf(ErrMutability, "%s is readOnly", path)
	case a == p.t.members:
		return p.setMembers(path, v, add)
	case a.isPassword():
		s, err := p.value(a, v)
		if s, ok := s.(string); ok {
			p.password = s
		}
		return err
	case path.Filter != nil:
		return p.setSelected(path, v, add)
	case path.Sub != nil:
		return p.setSub(path, v)
	case a.MultiValued:
		return p.setList(path, v, add)
	case a.Type == "complex":
		return p.setComplex(path, v)
	}
	return p.setIn(p.values(path), a, v)
}

// setExtension sets what the object of an extension names.
func (p *patcher) setExtension(s *Schema, v any, add bool) error {
	if v == nil || v == "" {
		if add {
			return nil
		}
		return p.removeExtension(s)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return Errorf(ErrInvalidValue, "%s: expected an object with the extension's attributes, found %s", s.URN, describe(v))
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		path, err := p.t.ParsePath(s.URN + ":" + name)
		if errors.Is(err, ErrUnknownAttribute) {
			p.quirks.add(QuirkUnknownAttribute)
			continue
		}
		if err != nil {
			return err
		}
		if path.Attr == nil || path.readOnly() {
			p.quirks.add(QuirkReadOnly)
			continue
		}
		if err := p.set(path, object[name], add); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what the path leads to (RFC 7644 §3.5.2.2).
func (p *patcher) remove(path *Path, o *Operation) error {
	a := path.Attr
	switch {
	case a == nil:
		return p.removeExtension(path.Extension)
	case a.Schema == "" && a.Name == "externalId":
		p.r.ExternalID = ""
		return nil
	case a.Schema == "", path.readOnly():
		return Errorf(ErrMutability, "%s is readOnly", path)
	case a == p.t.members:
		return p.removeMembers(path, o)
	case a.isPassword():
		return Errorf(ErrMutability, "password cannot be removed, only replaced")
	case path.Filter != nil:
		return p.removeSelected(path)
	case path.Sub != nil:
		return p.removeSub(path)
	case a.MultiValued && o.Value != nil:
		return p.removeListed(path, o.Value)
	}
	return p.unset(p.values(path), a, ErrMutability)
}

// removeExtension removes what a client may write of an extension.
func (p *patcher) removeExtension(s *Schema) error {
	values := extensionOf(p.r.Attributes, s)
	for _, a := range s.Attributes {
		if a.Mutability == "readOnly" || a.Mutability == "immutable" {
			continue
		}
		if err := p.unset(values, a, ErrMutability); err != nil {
			return err
		}
	}
	return nil
}
