package scim

// DropNever takes out what is never returned (RFC 7643 §7, returned), and the extensions that
// the type does not know: nobody can tell what of those may be shown.
func (t *ResourceType) DropNever(r *Resource) {
	dropNever(r.Attributes, t.Schema.Attributes)
	for name, value := range r.Attributes {
		values, ok := value.(map[string]any)
		if t.Schema.Attribute(name) != nil {
			continue
		}
		s := t.extension(name)
		if s == nil || !ok {
			delete(r.Attributes, name)
			continue
		}
		dropNever(values, s.Attributes)
	}
}

func dropNever(values map[string]any, attrs []*Attribute) {
	for _, a := range attrs {
		value, has := values[a.Name]
		switch {
		case !has:
		case a.Returned == "never":
			delete(values, a.Name)
		case len(a.Sub) > 0:
			for _, v := range listOf(value) {
				if sub, ok := v.(map[string]any); ok {
					dropNever(sub, a.Sub)
				}
			}
		}
	}
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}
