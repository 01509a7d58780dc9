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

// eval answers a filter, nil for every row.
func (b *table) eval(t *scim.Term) answer {
	if t == nil {
		return answer{b.all(), b.empty()}
	}
	switch t.Op {
	case scim.TermNot:
		a := b.eval(t.Left)
		return answer{combine(combine(b.all(), a.yes, andNot), a.maybe, andNot), a.maybe}
	case scim.TermAnd:
		x := b.eval(t.Left)
		y := b.eval(t.Right)
		yes := combine(x.yes, y.yes, and)
		open := combine(combine(x.yes, x.maybe, or), combine(y.yes, y.maybe, or), and)
		return answer{yes, combine(open, yes, andNot)}
	case scim.TermOr:
		x := b.eval(t.Left)
		y := b.eval(t.Right)
		yes := combine(x.yes, y.yes, or)
		return answer{yes, combine(combine(x.maybe, y.maybe, or), yes, andNot)}
	case scim.TermElement:
		if c := b.column(t.Attr + ".value"); t.Attr != "" && c != nil && c.multi {
			return b.scan(c, t, elementTest(t))
		}
	case scim.TermTest:
		return b.test(t)
	}
	return b.unknown()
}

func (b *table) empty() set { return newSet(len(b.ids)) }

func (b *table) all() set {
	s := b.empty()
	copy(s, b.live)
	return s
}

func (b *table) unknown() answer { return answer{b.empty(), b.all()} }

// test answers a comparison of one attribute.
func (b *table) test(t *scim.Term) answer {
	switch {
	case t.Attr == "active" && t.Kind == "boolean" && b.activePath != nil:
		return b.testActive(t)
	case t.Attr == "meta.lastModified":
		a := answer{b.empty(), b.empty()}
		b.live.each(func(ord uint32) {
			if t.HoldsTime(b.time(ord)) {
				a.yes.add(ord)
			}
		})
		return a
	}
	c := b.column(t.Attr)
	if c == nil || t.Kind != "string" {
		return b.unknown()
	}
	if c.order != nil && !c.multi && !t.Exists && !t.Absent && t.Operator != "" {
		if a, ok := b.interval(c, t); ok {
			return a
		}
	}
	if c.multi {
		return b.scan(c, t, func(blob []byte) bool { return anyValue(t, blob) })
	}
	if c.dict != nil {
		holds := map[uint64]bool{} // by value
		return b.scanRefs(c, t, func(ref uint64, text []byte) bool {
			h, seen := holds[ref]
			if !seen {
				h = t.Holds(string(text))
				holds[ref] = h
			}
			return h
		})
	}
	return b.scan(c, t, func(text []byte) bool { return t.Holds(string(text)) })
}

func (b *table) time(ord uint32) time.Time { return time.UnixMilli(b.modified[ord]).UTC() }

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
	if t.Op == scim.TermElement || t.Checked && (t.Operator == "eq" || t.Operator == "ne") {
		for ord := range c.odd {
			rows.add(ord)
		}
	}
	return answer{combine(a.yes, rows, andNot), combine(a.maybe, rows, or)}
}

// scan applies a test to each row's bytes.
func (b *table) scan(c *column, t *scim.Term, holds func([]byte) bool) answer {
	return b.scanRefs(c, t, func(_ uint64, text []byte) bool { return holds(text) })
}

func (b *table) scanRefs(c *column, t *scim.Term, holds func(ref uint64, text []byte) bool) answer {
	a := answer{b.empty(), b.empty()}
	b.live.each(func(ord uint32) {
		text, has := c.bytes(ord)
		if has && holds(c.at[ord], text) || !has && t.Absent {
			a.yes.add(ord)
		}
	})
	return c.unsure(t, a)
}

// interval answers what is one stretch of an order.
func (b *table) interval(c *column, t *scim.Term) (answer, bool) {
	key := []byte(t.Key)
	var from, to func(key []byte) bool // of keys: at or behind the first, behind the last
	always, never := func([]byte) bool { return true }, func([]byte) bool { return false }
	switch t.Operator {
	case "eq":
		if t.Checked { // its own comparison is no stretch of an order
			return answer{}, false
		}
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
	default:
		return answer{}, false
	}
	a := answer{b.empty(), b.empty()}
	c.order.span(
		func(ord uint32) bool { k, ok := c.key(ord); return !ok || from(k) },
		func(ord uint32) bool { k, ok := c.key(ord); return !ok || to(k) },
		a.yes.add)
	return c.unsure(t, a), true
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

func elementTest(t *scim.Term) func([]byte) bool {
	v := map[string]any{}
	return func(blob []byte) bool {
		for e, rest, ok := nextElement(blob); ok; e, rest, ok = nextElement(rest) {
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
			if t.HoldsElement(v) {
				return true
			}
		}
		return false
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

// explain tells in a few words how a filter is answered.
func (b *table) explain(t *scim.Term) string {
	switch {
	case t == nil:
		return "all rows"
	case t.Op == scim.TermAnd || t.Op == scim.TermOr:
		word := " and "
		if t.Op == scim.TermOr {
			word = " or "
		}
		return "(" + b.explain(t.Left) + word + b.explain(t.Right) + ")"
	case t.Op == scim.TermNot:
		return "not " + b.explain(t.Left)
	case t.Op == scim.TermElement && t.Attr != "" && b.column(t.Attr+".value") != nil:
		return "column " + t.Attr
	case t.Attr == "active" && b.activePath != nil:
		return "set active"
	case t.Attr == "meta.lastModified":
		return "column meta.lastModified"
	}
	c := b.column(t.Attr)
	if c == nil || t.Op == scim.TermElement || t.Kind != "string" {
		return strings.TrimSpace("records " + t.Attr)
	}
	if c.order != nil && !c.multi && !t.Exists && !t.Absent && strings.Contains(" eq sw gt ge lt le ", " "+t.Operator+" ") {
		return "range " + c.name
	}
	return "column " + c.name
}
