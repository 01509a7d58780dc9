package scim

// Keys lead to a path's attribute in Resource.Attributes: the URN of an extension, the
// attribute, the sub-attribute. A sub-attribute of a multi-valued attribute stands for the
// attribute. nil for a whole extension, and for what is in the header.
func (p *Path) Keys() []string {
	if p.Attr == nil || p.Attr.Schema == "" {
		return nil
	}
	var keys []string
	if p.Extension != nil {
		keys = append(keys, p.Extension.URN)
	}
	keys = append(keys, p.Attr.Name)
	if p.Sub != nil && !p.Attr.MultiValued {
		keys = append(keys, p.Sub.Name)
	}
	return keys
}

// ValueAt is the value that keys lead to in attributes.
func ValueAt(attributes map[string]any, keys []string) (value any, ok bool) {
	for i, k := range keys {
		if value, ok = attributes[k]; !ok || i == len(keys)-1 {
			return value, ok
		}
		if attributes, ok = value.(map[string]any); !ok {
			return nil, false
		}
	}
	return nil, false
}

// SetAt sets the value that keys lead to.
func SetAt(attributes map[string]any, keys []string, value any) {
	for ; len(keys) > 1; keys = keys[1:] {
		inner, ok := attributes[keys[0]].(map[string]any)
		if !ok {
			inner = map[string]any{}
			attributes[keys[0]] = inner
		}
		attributes = inner
	}
	attributes[keys[0]] = value
}

// RemoveAt removes the value that keys lead to, and the complex values that it leaves empty.
func RemoveAt(attributes map[string]any, keys []string) {
	if len(keys) == 1 {
		delete(attributes, keys[0])
		return
	}
	inner, ok := attributes[keys[0]].(map[string]any)
	if !ok {
		return
	}
	if RemoveAt(inner, keys[1:]); len(inner) == 0 {
		delete(attributes, keys[0])
	}
}
