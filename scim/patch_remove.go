package scim

// removeSelected removes the values that the path's brackets select, or a
// sub-attribute of them. Where there are none, nothing is to be done (clients.md A12).
func (p *patcher) removeSelected(path *Path) error {
	a, values := path.Attr, p.values(path)
	if !a.MultiValued {
		return Errorf(ErrInvalidPath, "%s has one value: brackets select nothing in it", a.Name)
	}
	list, _ := values[a.Name].([]any)
	at, err := p.selected(path, list)
	if err != nil || len(at) == 0 {
		return err
	}
	if path.Sub != nil {
		return p.removeInElements(values, a, list, at, path.Sub)
	}
	gone := map[int]bool{}
	for _, i := range at {
		gone[i] = true
	}
	return p.store(values, a, without(list, gone), ErrMutability)
}

func (p *patcher) removeInElements(values map[string]any, a *Attribute, list []any, at []int, sub *Attribute) error {
	gone := map[int]bool{}
	for _, i := range at {
		element, ok := list[i].(map[string]any)
		if !ok {
			continue
		}
		if err := p.unset(element, sub, ErrMutability); err != nil {
			return err
		}
		_, has := element[sub.Name]
		gone[i] = len(element) == 0 || !has && sub.Name == "value"
	}
	return p.store(values, a, without(list, gone), ErrMutability)
}

// removeSub removes a sub-attribute, of all values where there are several.
func (p *patcher) removeSub(path *Path) error {
	a, values := path.Attr, p.values(path)
	if a.MultiValued {
		list, _ := values[a.Name].([]any)
		if err := p.spend(len(list)); err != nil || len(list) == 0 {
			return err
		}
		at := make([]int, len(list))
		for i := range at {
			at[i] = i
		}
		return p.removeInElements(values, a, list, at, path.Sub)
	}
	current, ok := values[a.Name].(map[string]any)
	if !ok {
		return nil
	}
	if err := p.unset(current, path.Sub, ErrMutability); err != nil {
		return err
	}
	return p.store(values, a, current, ErrMutability)
}

// removeListed removes the values that the operation lists, as Entra does it (clients.md
// E25): those that have every sub-attribute that the listed one has.
func (p *patcher) removeListed(path *Path, v any) error {
	a, values := path.Attr, p.values(path)
	p.quirks.add(QuirkRemoveByValue)
	v, err := p.value(a, v)
	if err != nil {
		return err
	}
	listed, _ := v.([]any)
	list, _ := values[a.Name].([]any)
	if err := p.spend(len(list) * len(listed)); err != nil {
		return err
	}
	gone := map[int]bool{}
	for i, e := range list {
		for _, l := range listed {
			m, isObject := l.(map[string]any)
			element, _ := e.(map[string]any)
			if isObject && sameElement(a, m, element) || !isObject && sameValue(a.element, e, l) {
				gone[i] = true
			}
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return p.store(values, a, without(list, gone), ErrMutability)
}
