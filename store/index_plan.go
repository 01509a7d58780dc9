package store

import (
	"bytes"
	"strings"
	"time"

	"rollcall/scim"
)

// answer is what an index knows of a filter: the rows that match, and those of which only the
// record tells. No row is in both.
type answer struct{ yes, maybe set }

// eval answers a filter, nil for every row. edges has the rows of each TermEdge that was read.
func (b *table) eval(t *scim.Term, edges map[*scim.Term]set) answer {
	if t == nil {
		return answer{b.all(), b.empty()}
	}
	switch t.Op {
	case scim.TermNot:
		a := b.eval(t.Left, edges)
		return answer{combine(combine(b.all(), a.yes, andNot), a.maybe, andNot), a.maybe}
	case scim.TermAnd:
		x := b.eval(t.Left, edges)
		y := b.eval(t.Right, edges)
		yes := combine(x.yes, y.yes, and)
		open := combine(combine(x.yes, x.maybe, or), combine(y.yes, y.maybe, or), and)
		return answer{yes, combine(open, yes, andNot)}
	case scim.TermOr:
		x := b.eval(t.Left, edges)
		y := b.eval(t.Right, edges)
		yes := combine(x.yes, y.yes, or)
		return answer{yes, combine(combine(x.maybe, y.maybe, or), yes, andNot)}
	case scim.TermElement:
		if c := b.multiColumn(t.Attr); c != nil {
			return b.scan(c, t, elementTest(c, t))
		}
	case scim.TermEdge:
		if rows, read := edges[t]; read {
			yes := b.empty()
			copy(yes, rows)
			return answer{yes, b.empty()}
		}
	case scim.TermTest:
		return b.test(t)
	case scim.TermAmong:
		return answer{b.among(t), b.empty()}
	}
	return b.unknown()
}

func (b *table) empty() set { return newSet(len(b.ids)) }

func (b *table) all() set {
	s := b.empty()
	copy(s, b.live)
	return s
}

// among is the rows of the ids of a term, or all but those.
func (b *table) among(t *scim.Term) set {
	rows := b.empty()
	for id := range t.IDs {
		if _, ord, found := b.slot(id); found {
			rows.add(ord)
		}
	}
	if t.Others {
		return combine(b.all(), rows, andNot)
	}
	return rows
}

func (b *table) unknown() answer { return answer{b.empty(), b.all()} }

// test answers a comparison of one attribute.
func (b *table) test(t *scim.Term) answer {
	switch {
	case t.Attr == "active" && t.Kind == "boolean" && b.activePath != nil:
		return b.testActive(t)
	case t.Attr == "meta.lastModified":
		return b.testModified(t)
	}
	c, part := b.columnOf(t)
	switch {
	case c == nil:
		return b.unknown()
	case part != "":
		return b.scan(c, t, func(blob []byte) bool { return anyPart(t, part, blob) })
	case c.multi:
		return b.scan(c, t, func(blob []byte) bool { return anyValue(t, blob) })
	case c.ranges(t):
		return b.interval(c, t)
	}
	return b.scan(c, t, func(text []byte) bool { return t.Holds(string(text)) })
}

// columnOf is the column that answers a test, nil for none, and which part of its values the
// test is about where that is not the value itself.
func (b *table) columnOf(t *scim.Term) (c *column, part string) {
	if t.Kind == "" || t.Attr == "" {
		return nil, ""
	}
	if c := b.column(t.Attr); c != nil && c.kind == t.Kind {
		return c, ""
	}
	if t.Kind == "complex" { // whether there is any value
		return b.multiColumn(t.Attr), "any"
	}
	dot := strings.LastIndexByte(t.Attr, '.')
	if dot < 0 {
		return nil, ""
	}
	if part = t.Attr[dot+1:]; part == "type" && t.Kind == "string" || part == "primary" && t.Kind == "boolean" {
		return b.multiColumn(t.Attr[:dot]), part
	}
	return nil, ""
}

// multiColumn is the column of a multi-valued attribute, nil for none.
func (b *table) multiColumn(attr string) *column {
	if attr == "" {
		return nil
	}
	c := b.column(attr)
	if c == nil {
		c = b.column(attr + ".value")
	}
	if c == nil || !c.multi {
		return nil
	}
	return c
}

// ranges tells whether a test is one stretch of the column's order.
func (c *column) ranges(t *scim.Term) bool {
	if c.order == nil || c.multi || t.Exists || t.Absent {
		return false
	}
	switch t.Operator {
	case "eq": // a comparison of its own is no stretch of an order
		return !t.Checked
	case "sw":
		return c.kind == "string"
	case "gt", "ge", "lt", "le":
		return true
	}
	return false
}

func (b *table) time(ord uint32) time.Time { return time.UnixMilli(b.modified[ord]).UTC() }

func (b *table) testModified(t *scim.Term) answer {
	a := answer{b.empty(), b.empty()}
	holds := func(ord uint32) bool { return t.HoldsTime(b.time(ord)) }
	switch t.Operator {
	case "gt", "ge":
		b.byModified.span(holds, func(uint32) bool { return false }, a.yes.add)
	case "lt", "le":
		b.byModified.span(func(uint32) bool { return true }, func(ord uint32) bool { return !holds(ord) }, a.yes.add)
	default:
		b.live.each(func(ord uint32) {
			if holds(ord) {
				a.yes.add(ord)
			}
		})
	}
	return a
}

func (b *table) testActive(t *scim.Term) answer {
	a := answer{b.empty(), b.empty()}
	either := b.empty()
	for _, side := range []struct {
		rows set
		is   bool
	}{{b.active, true}, {b.inactive, false}} {
		rows := b.empty()
		copy(rows, side.rows)
		either = combine(either, rows, or)
		if t.HoldsBool(side.is) {
			a.yes = combine(a.yes, rows, or)
		}
	}
	if t.Absent {
		a.yes = combine(a.yes, combine(b.all(), either, andNot), or)
	}
	return a
}

// unsure tells of rows whose record decides a test.
func (c *column) unsure(t *scim.Term, a answer) answer {
	rows := newSet(64 * len(a.yes))
	for ord := range c.long {
		rows.add(ord)
	}
	if c.kind == "string" && t.Op == scim.TermElement || t.Checked && (t.Operator == "eq" || t.Operator == "ne") {
		for ord := range c.odd {
			rows.add(ord)
		}
	}
	return answer{combine(a.yes, rows, andNot), combine(a.maybe, rows, or)}
}

// scan applies a test to each row's bytes: where few values are shared by many rows, to each
// value.
func (b *table) scan(c *column, t *scim.Term, holds func([]byte) bool) answer {
	a := answer{b.empty(), b.empty()}
	if c.dict != nil {
		matches := make([]bool, len(c.values)+1)
		for code, ref := range c.values {
			matches[code] = holds(c.text(ref))
		}
		matches[len(c.values)] = t.Absent
		b.live.each(func(ord uint32) {
			if matches[min(c.codes[ord], uint32(len(c.values)))] {
				a.yes.add(ord)
			}
		})
		return c.unsure(t, a)
	}
	b.live.each(func(ord uint32) {
		text, has := c.bytes(ord)
		if has && holds(text) || !has && t.Absent {
			a.yes.add(ord)
		}
	})
	return c.unsure(t, a)
}

// interval answers a test that is one stretch of an order.
func (b *table) interval(c *column, t *scim.Term) answer {
	key := []byte(t.Key)
	var from, to func(key []byte) bool // of keys: at or behind the first, behind the last
	always, never := func([]byte) bool { return true }, func([]byte) bool { return false }
	switch t.Operator {
	case "eq":
		from = func(k []byte) bool { return bytes.Compare(k, key) >= 0 }
		to = func(k []byte) bool { return bytes.Compare(k, key) > 0 }
	case "sw":
		from = func(k []byte) bool { return bytes.Compare(k, key) >= 0 }
		to = func(k []byte) bool { return bytes.Compare(k, key) > 0 && !bytes.HasPrefix(k, key) }
	case "gt":
		from, to = func(k []byte) bool { return bytes.Compare(k, key) > 0 }, never
	case "ge":
		from, to = func(k []byte) bool { return bytes.Compare(k, key) >= 0 }, never
	case "lt":
		from, to = always, func(k []byte) bool { return bytes.Compare(k, key) >= 0 }
	case "le":
		from, to = always, func(k []byte) bool { return bytes.Compare(k, key) > 0 }
	}
	a := answer{b.empty(), b.empty()}
	c.order.span(
		func(ord uint32) bool { k, ok := c.key(ord); return !ok || from(k) },
		func(ord uint32) bool { k, ok := c.key(ord); return !ok || to(k) },
		a.yes.add)
	return c.unsure(t, a)
}

// anyValue applies a test to the values of a row (RFC 7644 §3.4.2.2: any of them will do).
func anyValue(t *scim.Term, blob []byte) bool {
	found := false
	for e, rest, ok := nextElement(blob); ok; e, rest, ok = nextElement(rest) {
		if e.hasValue {
			found = true
			if t.Holds(string(e.value)) {
				return true
			}
		}
	}
	return !found && t.Absent
}

// anyPart applies a test to the type or primary of the values of a row, or to whether it has any.
func anyPart(t *scim.Term, part string, blob []byte) bool {
	if part == "any" {
		return t.Exists
	}
	found := false
	for e, rest, ok := nextElement(blob); ok; e, rest, ok = nextElement(rest) {
		switch {
		case part == "type" && e.hasType:
			if found = true; t.Holds(string(e.typ)) {
				return true
			}
		// What does not say whether it is primary compares as not primary.
		case part == "primary" && (e.hasPrimary || !t.Exists && t.Operator != ""):
			if found = true; t.HoldsBool(e.primary) {
				return true
			}
		}
	}
	return !found && t.Absent
}

func elementTest(c *column, t *scim.Term) func([]byte) bool {
	simple := c.path.Sub == nil
	v := map[string]any{}
	return func(blob []byte) bool {
		found := false
		for e, rest, ok := nextElement(blob); ok; e, rest, ok = nextElement(rest) {
			if simple {
				meant, holds := t.HoldsElement(string(e.value))
				if meant && holds {
					return true
				}
				found = found || meant
				continue
			}
			clear(v)
			if e.hasValue {
				v["value"] = string(e.value)
			}
			if e.hasType {
				v["type"] = string(e.typ)
			}
			if e.hasPrimary {
				v["primary"] = e.primary
			}
			meant, holds := t.HoldsElement(v)
			if meant && holds {
				return true
			}
			found = found || meant
		}
		return !found && t.Absent
	}
}

// sortOf is the order of a path, nil for none that is kept, and what a row is keyed by.
func (b *table) sortOf(p *scim.Path) (o *order, key func(ord uint32) (string, bool)) {
	if p == nil {
		return b.byID, func(uint32) (string, bool) { return "", false }
	}
	name := p.String()
	switch name {
	case "id":
		return b.byID, func(ord uint32) (string, bool) { return b.id(ord), true }
	case "meta.lastModified":
		return b.byModified, func(ord uint32) (string, bool) {
			return p.SortKey(&scim.Resource{Header: scim.Header{LastModified: b.time(ord)}})
		}
	case "emails":
		name = "emails.value"
	}
	c := b.column(name)
	if c == nil || c.order == nil || p.Filter != nil {
		return nil, nil
	}
	return c.order, func(ord uint32) (string, bool) {
		k, ok := c.key(ord)
		return string(k), ok
	}
}
