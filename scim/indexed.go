package scim

import "slices"

// MaxIndexed bounds how many attributes of a type a workspace may have indexed, beside those
// that always are: each costs every replica some bytes for each resource.
const MaxIndexed = 20

// IndexPath resolves the name of an attribute that lists are to be filtered and sorted by
// without reading records. A multi-valued complex attribute is indexed by its values' value.
// ErrInvalidValue tells what cannot be indexed, and why.
func (t *ResourceType) IndexPath(name string) (*Path, error) {
	p, err := t.Find(name)
	if err != nil {
		return nil, Errorf(ErrInvalidValue, "%s has no attribute %q that could be indexed", t.Name, clip(name))
	}
	if reason := p.notIndexed(t); reason != "" {
		return nil, Errorf(ErrInvalidValue, "%s: %s cannot be indexed: %s", t.Name, clip(name), reason)
	}
	if p.Attr.MultiValued && p.Attr.element == nil {
		p.Sub = p.Attr.subs.find("value")
	}
	return p, nil
}

// notIndexed tells why a path cannot be indexed, "" where it can.
func (p *Path) notIndexed(t *ResourceType) string {
	a := p.Attr
	switch {
	case a == nil:
		return "it is a whole extension: name one of its attributes"
	case a.Schema == "":
		return "id, externalId and meta are looked up in their own ways"
	case a == t.members || a.Computed || p.Sub != nil && p.Sub.Computed:
		return "it is not kept with the resource"
	case p.visible() != nil || a.isPassword():
		return "it is never returned"
	case a.Type == "complex" && p.Sub == nil && !a.MultiValued:
		return "it has several parts: name one of them, such as " + a.Sub[0].PathName()
	case a.MultiValued && a.element == nil:
		value := a.subs.find("value")
		if value == nil || value.Type != "string" || value.MultiValued || p.Sub != nil && p.Sub != value {
			return "of an attribute with several values, strings alone can be indexed, and of complex ones their value"
		}
		return ""
	case a.element != nil && a.Type != "string":
		return "of an attribute with several values, strings alone can be indexed"
	case p.Sub != nil && p.Sub.MultiValued:
		return "it is several values within one"
	}
	if typ := p.leaf().Type; !slices.Contains([]string{"string", "boolean", "integer", "decimal", "dateTime"}, typ) {
		return "it is of type " + typ + ", and strings, booleans, numbers and times alone can be"
	}
	return ""
}

// index notes what the schemas mark as indexed, and the names beside them.
func (t *ResourceType) index(names []string) error {
	var paths []*Path
	add := func(p *Path) {
		if !slices.ContainsFunc(paths, func(q *Path) bool { return q.String() == p.String() }) {
			paths = append(paths, p)
		}
	}
	for _, name := range names {
		p, err := t.IndexPath(name)
		if err != nil {
			return err
		}
		add(p)
	}
	marked := func(s *Schema, attrs []*Attribute) error {
		for _, a := range attrs {
			for _, b := range append([]*Attribute{a}, a.Sub...) {
				if !b.Indexed {
					continue
				}
				p, err := t.IndexPath(s.URN + ":" + b.PathName())
				if err != nil {
					return err
				}
				add(p)
			}
		}
		return nil
	}
	if err := marked(t.Schema, t.Schema.Attributes); err != nil {
		return err
	}
	for _, x := range t.Extensions {
		if err := marked(x.Schema, x.Schema.Attributes); err != nil {
			return err
		}
	}
	if len(paths) > MaxIndexed {
		return Errorf(ErrInvalidValue, "%s: %d attributes are to be indexed, and %d may be", t.Name, len(paths), MaxIndexed)
	}
	t.Indexed = paths
	return nil
}
