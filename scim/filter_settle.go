package scim

// Settle answers the tests of attributes that no record has, because they are worked out: known tells
// their values by the id of the resource, of those that have one, and nil for an attribute that
// is stored. without is the value of all others: nil for none. A test that cannot be bound is left
// for Bind to refuse.
func (f *Filter) Settle(t *ResourceType, known func(*Path) (values map[string]any, without any)) *Filter {
	return f.replace(t, func(n *node, path *Path) *node {
		values, without := known(path)
		if values == nil {
			return n
		}
		holds, err := t.judge(n, path)
		if err != nil {
			return n
		}
		out := *n
		out.kind, out.ids, out.others = kindAmong, map[string]bool{}, holds(without)
		for id, v := range values {
			if holds(v) != out.others {
				out.ids[id] = true
			}
		}
		return &out
	})
}

// Default makes the tests of an attribute hold of resources without it as if they had that value, which
// is not stored.
func (f *Filter) Default(t *ResourceType, attr string, value any) *Filter {
	of, err := t.Find(attr)
	if err != nil || of.Attr == nil {
		return f
	}
	return f.replace(t, func(n *node, path *Path) *node {
		if path.Attr != of.Attr || path.Sub != of.Sub {
			return n
		}
		holds, err := t.judge(n, path)
		if err != nil {
			return n
		}
		present := &node{kind: kindTest, op: opPresent, attr: n.attr}
		if holds(value) {
			return &node{kind: kindOr, left: n, right: &node{kind: kindNot, left: present}}
		}
		return &node{kind: kindAnd, left: n, right: present}
	})
}

// judge tells of single values whether a test holds of them.
func (t *ResourceType) judge(n *node, path *Path) (holds func(any) bool, err error) {
	p, err := (&Filter{root: n}).Bind(t)
	return func(v any) bool {
		r := &Resource{Attributes: map[string]any{}}
		if v != nil {
			SetAt(r.Attributes, path.Keys(), v)
		}
		ok, err := p.Match(&Target{Resource: r, Type: t})
		return ok && err == nil
	}, err
}

// replace is the filter with other tests, outside of brackets; the filter itself where none is another.
func (f *Filter) replace(t *ResourceType, by func(*node, *Path) *node) *Filter {
	root := f.root.replace(t, by)
	if root == f.root {
		return f
	}
	return &Filter{root: root, unquoted: f.unquoted}
}

func (n *node) replace(t *ResourceType, by func(*node, *Path) *node) *node {
	switch {
	case n == nil || n.kind == kindValues || n.kind == kindAmong:
		return n
	case n.kind == kindTest:
		var path Path
		if t.find(n.attr, &path) != nil || path.Attr == nil {
			return n
		}
		return by(n, &path)
	}
	left, right := n.left.replace(t, by), n.right.replace(t, by)
	if left == n.left && right == n.right {
		return n
	}
	out := *n
	out.left, out.right = left, right
	return &out
}
