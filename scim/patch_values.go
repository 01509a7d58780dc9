package scim

// setIn sets a single-valued attribute, or a sub-attribute, in the map that holds it.
// null and "" take it away.
func (p *patcher) setIn(values map[string]any, a *Attribute, v any) error {
	v, err := p.value(a, v)
	if err != nil {
		return err
	}
	if v == nil {
		return p.unset(values, a, ErrInvalidValue)
	}
	if before, ok := values[a.Name]; ok && a.Mutability == "immutable" && !sameValue(a, before, v) {
		return Errorf(ErrMutability, "%s cannot be changed once it is set", a.PathName())
	}
	values[a.Name] = v
	return nil
}

// unset takes an attribute away. What is required or immutable stays (RFC 7644
// §3.5.2.2), and so does what would be worth something else if it were not there:
// removing active must not open a locked account.
func (p *patcher) unset(values map[string]any, a *Attribute, kind error) error {
	before, ok := values[a.Name]
	switch {
	case a.Required:
		return Errorf(kind, "%s is required and cannot be removed", a.PathName())
	case !ok || a.unset != nil:
		return nil
	case a.Mutability == "immutable":
		return Errorf(ErrMutability, "%s cannot be removed once it is set", a.PathName())
	}
	delete(values, a.Name)
	if a.Type == "complex" && !a.MultiValued {
		return keepSubs(a, before, values)
	}
	return nil
}

// store puts a list or object back, or takes the attribute away where it is empty.
func (p *patcher) store(values map[string]any, a *Attribute, v any, kind error) error {
	switch v := v.(type) {
	case []any:
		if len(v) == 0 {
			return p.unset(values, a, kind)
		}
		if len(v) > maxElements {
			return Errorf(ErrInvalidValue, "%s: more than the %d values allowed", a.PathName(), maxElements)
		}
	case map[string]any:
		if len(v) == 0 {
			return p.unset(values, a, kind)
		}
		if err := requireSubs(a, v); err != nil {
			return err
		}
	}
	values[a.Name] = v
	return nil
}

// setComplex sets the sub-attributes that the value has and leaves the others
// (RFC 7644 §3.5.2.3).
func (p *patcher) setComplex(path *Path, v any) error {
	a, values := path.Attr, p.values(path)
	if list, ok := v.([]any); ok && len(list) == 1 {
		p.quirks.add(QuirkArrayForSingle)
		v = list[0]
	} else if ok && len(list) == 0 {
		v = nil
	}
	object, err := p.asObject(a, v)
	if err != nil {
		return err
	}
	if object == nil {
		return p.unset(values, a, ErrInvalidValue)
	}
	current, _ := values[a.Name].(map[string]any)
	if current == nil {
		current = map[string]any{}
	}
	if err := p.merge(a, current, object); err != nil {
		return err
	}
	return p.store(values, a, current, ErrInvalidValue)
}

// merge sets the sub-attributes that object has in current.
func (p *patcher) merge(a *Attribute, current, object map[string]any) error {
	set, err := p.decoder.object(a, object)
	if err != nil {
		return err
	}
	for _, sub := range a.Sub {
		v, has := set[sub.Name]
		if !has {
			_, has = lookupFold(object, sub.Name)
		}
		if !has || isRef(sub) || sub.Mutability == "readOnly" {
			continue
		}
		if err := p.setIn(current, sub, v); err != nil {
			return err
		}
	}
	return nil
}

// setSub sets a sub-attribute without brackets before it.
func (p *patcher) setSub(path *Path, v any) error {
	a, values := path.Attr, p.values(path)
	sub, v := p.refValue(path.Sub, v)
	if !a.MultiValued {
		current, _ := values[a.Name].(map[string]any)
		if current == nil {
			current = map[string]any{}
		}
		if err := p.setIn(current, sub, v); err != nil {
			return err
		}
		return p.store(values, a, current, ErrInvalidValue)
	}
	list, _ := values[a.Name].([]any)
	if err := p.spend(len(list)); err != nil {
		return err
	}
	at := 0
	switch {
	case len(list) == 0:
		list = []any{map[string]any{}}
	case len(list) > 1:
		if at = primaryIndex(list); at < 0 {
			return Errorf(ErrNoTarget, `%s has %d values: say which, as in %s[type eq "work"].%s`, a.Name, len(list), a.Name, sub.Name)
		}
	}
	return p.setInElements(values, a, list, []int{at}, sub, v)
}

// refValue turns the setting of a $ref into that of the value beside it.
func (p *patcher) refValue(sub *Attribute, v any) (*Attribute, any) {
	if !isRef(sub) {
		return sub, v
	}
	if s, ok := v.(string); ok {
		v = refTail(s)
	}
	p.quirks.add(QuirkMemberRef)
	return sub.Parent.subs.find("value"), v
}

func primaryIndex(list []any) int {
	for i, v := range list {
		if isPrimary(v) {
			return i
		}
	}
	return -1
}

// setInElements sets a sub-attribute of the elements at the indexes given. An element
// whose value is taken away is taken away itself: a type alone means nothing.
func (p *patcher) setInElements(values map[string]any, a *Attribute, list []any, at []int, sub *Attribute, v any) error {
	gone := map[int]bool{}
	for _, i := range at {
		element, ok := list[i].(map[string]any)
		if !ok {
			continue
		}
		if err := p.setIn(element, sub, v); err != nil {
			return err
		}
		_, has := element[sub.Name]
		gone[i] = len(element) == 0 || !has && sub.Name == "value"
	}
	if err := p.onePrimary(a, list, at); err != nil {
		return err
	}
	return p.store(values, a, without(list, gone), ErrInvalidValue)
}

func without(list []any, gone map[int]bool) []any {
	kept := list[:0]
	for i, v := range list {
		if !gone[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

// onePrimary lets the primary among the elements just set be the only one.
func (p *patcher) onePrimary(a *Attribute, list []any, set []int) error {
	chosen := -1
	for _, i := range set {
		if !isPrimary(list[i]) {
			continue
		}
		if chosen >= 0 && chosen != i {
			return Errorf(ErrInvalidValue, "%s: more than one value would be primary", a.PathName())
		}
		chosen = i
	}
	if chosen < 0 {
		return nil
	}
	for i, v := range list {
		if i != chosen && isPrimary(v) {
			v.(map[string]any)["primary"] = false
		}
	}
	return nil
}

// setList adds values to a multi-valued attribute, or replaces them all.
func (p *patcher) setList(path *Path, v any, add bool) error {
	a, values := path.Attr, p.values(path)
	v, err := p.value(a, v)
	if err != nil {
		return err
	}
	fresh, _ := v.([]any)
	if !add {
		return p.store(values, a, fresh, ErrInvalidValue)
	}
	list, _ := values[a.Name].([]any)
	if err := p.spend(len(list) + len(fresh)); err != nil || len(fresh) == 0 {
		return err
	}
	at := make(map[string]int, len(list)+len(fresh))
	for i, v := range list {
		at[elementKey(a, v)] = i
	}
	set := make([]int, len(fresh))
	for i, v := range fresh {
		key := elementKey(a, v)
		known, ok := at[key]
		if !ok {
			known = len(list)
			at[key], list = known, append(list, v)
		} else if isPrimary(v) {
			list[known].(map[string]any)["primary"] = true
		}
		set[i] = known
	}
	if err := p.onePrimary(a, list, set); err != nil {
		return err
	}
	return p.store(values, a, list, ErrInvalidValue)
}

// elementKey is equal for values that are one, whether primary or not (RFC 7644
// §3.5.2.1: adding what is there changes nothing).
func elementKey(a *Attribute, v any) string {
	var b []byte
	m, ok := v.(map[string]any)
	if !ok {
		return string(appendKey(b, a.element, v))
	}
	for _, sub := range a.Sub {
		if w, ok := m[sub.Name]; ok && sub.Name != "primary" {
			b = appendKey(append(appendString(b, sub.Name), ':'), sub, w)
		}
	}
	return string(b)
}

func appendKey(b []byte, a *Attribute, v any) []byte {
	if s, ok := v.(string); ok {
		v, _ = a.Compare(s)
	}
	return AppendJSON(b, v)
}

// sameElement tells whether n has what m has, primary apart.
func sameElement(a *Attribute, m, n map[string]any) bool {
	for name, v := range m {
		if name == "primary" {
			continue
		}
		w, ok := n[name]
		if sub := a.subs.find(name); !ok || sub == nil || !sameValue(sub, v, w) {
			return false
		}
	}
	return true
}
