package scim

import (
	"cmp"
	"errors"
)

// SortPath is the path that resources of a type are sorted by, nil for none.
func (q *Query) SortPath(typ string) *Path {
	if q.SortBys != nil {
		return q.SortBys[typ]
	}
	return q.SortBy
}

// Compare tells which of two positions comes first in the order of the query: by key, then id.
// What has no key comes last ascending and first descending (RFC 7644 §3.4.2.3); equal keys
// are in order of id either way.
func (q *Query) Compare(a, b *Position) int {
	c := 0
	switch {
	case a.Keyed && b.Keyed:
		c = cmp.Compare(a.Key, b.Key)
	case a.Keyed:
		c = -1
	case b.Keyed:
		c = 1
	}
	if q.Descending {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(a.ID, b.ID), cmp.Compare(a.Type, b.Type))
}

// BindEach binds the filter to several types at once, as a query at the root does: what one
// type does not have counts as not set on its resources (RFC 7644 §3.4.2.1). What none of
// them has is ErrInvalidFilter and ErrUnknownAttribute, as with Bind.
func (f *Filter) BindEach(types []*ResourceType) ([]*Predicate, error) {
	out := make([]*Predicate, len(types))
	if len(types) == 1 {
		p, err := f.Bind(types[0])
		out[0] = p
		return out, err
	}
	unknown := map[*node]*lack{}
	for i, t := range types {
		b := binder{t: t, p: &Predicate{node: f.root, typ: t}, unknown: unknown}
		var err error
		if b.p.root, err = b.bind(f.root); err != nil {
			return nil, err
		}
		b.p.lookups(b.p.root)
		out[i] = b.p
	}
	var worst error
	for _, l := range unknown {
		if l.types == len(types) && (worst == nil || l.err.Error() < worst.Error()) {
			worst = l.err
		}
	}
	if worst != nil {
		return nil, worst
	}
	return out, nil
}

// lack counts the types that do not have what a test names.
type lack struct {
	types int
	err   error // of the first of them
}

// Never tells that nothing can match: the filter asks for what the type does not have.
func (p *Predicate) Never() bool { return p.root.never() }

func (t *test) never() bool {
	switch t.kind {
	case kindAnd:
		return t.left.never() || t.right.never()
	case kindOr:
		return t.left.never() && t.right.never()
	case kindTest:
		return t.source == fromNowhere && !t.absent
	}
	return false
}

// lacking is the test of an attribute that the type does not have, where that is allowed.
func (b *binder) lacking(n *node, err error) (*test, error) {
	if b.unknown == nil || !errors.Is(err, ErrUnknownAttribute) {
		return nil, filterError(err)
	}
	l := b.unknown[n]
	if l == nil {
		l = &lack{err: filterError(err)}
		b.unknown[n] = l
	}
	l.types++
	null := n.lit.kind == litNull
	return &test{source: fromNowhere, absent: n.op == opNotEqual && !null || n.op == opEqual && null}, nil
}
