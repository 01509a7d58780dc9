package scim

// maxWork bounds the looks at values that the operations of one PATCH take together:
// a thousand of them over ten thousand values each would keep a processor busy for long.
const maxWork = 4_000_000

func (p *patcher) spend(n int) error {
	if p.work += n; p.work > maxWork {
		return Errorf(ErrTooLarge, "the operations have to look at too many values: send fewer of them in one request")
	}
	return nil
}

// selected lists the indexes of the values that the path's brackets select.
func (p *patcher) selected(path *Path, list []any) ([]int, error) {
	if err := p.spend(len(list) * path.Filter.root.terms()); err != nil {
		return nil, err
	}
	var at []int
	for i, v := range list {
		if path.Filter.matchElement(v) {
			at = append(at, i)
		}
	}
	return at, nil
}

// terms counts the comparisons of a test.
func (t *test) terms() int {
	if t == nil {
		return 0
	}
	return max(1, t.left.terms()+t.right.terms())
}

// setSelected sets what the path's brackets select.
func (p *patcher) setSelected(path *Path, v any, add bool) error {
	a, values := path.Attr, p.values(path)
	if !a.MultiValued {
		return Errorf(ErrInvalidPath, "%s has one value: brackets select nothing in it", a.Name)
	}
	list, _ := values[a.Name].([]any)
	at, err := p.selected(path, list)
	if err != nil {
		return err
	}
	if len(at) == 0 {
		return p.create(path, list, v, add)
	}
	if path.Sub != nil {
		sub, v := p.refValue(path.Sub, v)
		return p.setInElements(values, a, list, at, sub, v)
	}
	gone := map[int]bool{}
	for _, i := range at {
		next, err := p.element(path, list[i], v, add)
		if err != nil {
			return err
		}
		list[i], gone[i] = next, next == nil
	}
	if err := p.onePrimary(a, list, at); err != nil {
		return err
	}
	return p.store(values, a, without(list, gone), ErrInvalidValue)
}

// element is what becomes of a selected value: add merges into it; replace puts another
// in its place, which keeps what the brackets asked for unless it says otherwise.
func (p *patcher) element(path *Path, current, v any, add bool) (any, error) {
	a := path.Attr
	if list, ok := v.([]any); ok && len(list) == 1 {
		p.quirks.add(QuirkArrayForSingle)
		v = list[0]
	}
	if a.element != nil {
		return p.one(a.element, v)
	}
	object, err := p.asObject(a, v)
	if err != nil || object == nil {
		return nil, err
	}
	next := map[string]any{}
	if m, ok := current.(map[string]any); ok && add {
		next = m
	} else if asked, ok := p.asked(path.Filter.root); ok {
		next = asked
	}
	if err := p.merge(a, next, object); err != nil {
		return nil, err
	}
	return next, requireSubs(a, next)
}

// create makes the value that the brackets of a path did not find. RFC 7644 §3.5.2.3
// answers noTarget; Entra expects the value to be there afterwards, with what the
// brackets ask for (clients.md E12).
func (p *patcher) create(path *Path, list []any, v any, add bool) error {
	if v == nil || v == "" {
		return nil
	}
	a := path.Attr
	asked, ok := p.asked(path.Filter.root)
	if !ok || a.element != nil && !add {
		return Errorf(ErrNoTarget, "%s: no value of %s matches", path, a.Name)
	}
	var made any = asked
	var err error
	if path.Sub != nil {
		sub, v := p.refValue(path.Sub, v)
		if err = p.setIn(asked, sub, v); err == nil {
			err = requireSubs(a, asked)
		}
	} else {
		made, err = p.element(path, asked, v, true)
	}
	if err != nil || made == nil {
		return err
	}
	p.quirks.add(QuirkFilterCreates)
	list = append(list, made)
	if err := p.onePrimary(a, list, []int{len(list) - 1}); err != nil {
		return err
	}
	return p.store(p.values(path), a, list, ErrInvalidValue)
}

// asked is the value that a filter describes, where it is made of equalities that hold
// together.
func (p *patcher) asked(t *test) (map[string]any, bool) {
	out := map[string]any{}
	return out, p.ask(t, out)
}

func (p *patcher) ask(t *test, out map[string]any) bool {
	if t.kind == kindAnd {
		return p.ask(t.left, out) && p.ask(t.right, out)
	}
	if t.kind != kindTest || t.op != opEqual {
		return false
	}
	if t.sub == nil { // of a simple multi-valued attribute
		return true
	}
	var v any = t.text
	switch t.leaf.Type {
	case "boolean":
		v = t.boolean
	case "integer", "decimal":
		v, _ = parseNumber(t.text)
	}
	v, err := p.one(t.leaf, v)
	if err != nil || v == nil || t.leaf.Mutability == "readOnly" {
		return false
	}
	out[t.leaf.Name] = v
	return true
}
