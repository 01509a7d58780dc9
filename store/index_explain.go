package store

import (
	"context"
	"errors"
	"strings"

	"rollcall/scim"
)

// Plan tells how a list is answered.
type Plan struct {
	Type string `json:"type"`
	// By is lookup (one value, from the store itself), index, index and records (the filter
	// leaves rows that only their records decide), or scan.
	By     string `json:"by"`
	Filter string `json:"filter,omitempty"` // which parts of the index answer it
	Sort   string `json:"sort,omitempty"`
	// Rows are all of the type, Matches those that the index is sure of, and Records those to read.
	Rows    int `json:"rows"`
	Matches int `json:"matches"`
	Records int `json:"records"`
}

// Explain tells how Query would answer, one plan for each type.
func (w *Workspace) Explain(ctx context.Context, q *scim.Query) ([]Plan, error) {
	model, err := w.Model(ctx)
	if err != nil {
		return nil, err
	}
	types, err := bind(model, q)
	if err != nil {
		return nil, err
	}
	plans := make([]Plan, len(types))
	for i, s := range types {
		plans[i] = Plan{Type: s.typ.Name, By: "scan"}
		if s.lookedUp() {
			plans[i].By = "lookup"
			continue
		}
		x, ok := w.find.(*index)
		if !ok {
			continue
		}
		err := x.look(ctx, s, func(v *view, edges map[*scim.Term]set) { v.explain(s, edges, &plans[i]) })
		if err != nil && !errors.Is(err, errNoIndex) {
			return nil, err
		}
	}
	return plans, nil
}

func (v *view) explain(s *search, edges map[*scim.Term]set, p *Plan) {
	b := v.tables[s.typ.Name]
	a := b.eval(s.term(), edges)
	p.By, p.Filter, p.Sort = "index", b.explain(s.term()), "order of id"
	if s.sortBy != nil {
		p.Sort = "order of " + s.sortBy.String()
	}
	if o, _ := b.sortOf(s.sortBy); o == nil {
		p.Sort, a = "records", answer{b.empty(), combine(a.yes, a.maybe, or)}
	}
	p.Rows, p.Matches, p.Records = b.n, a.yes.count(), a.maybe.count()
	if p.Records > 0 {
		p.By = "index and records"
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
	case t.Op == scim.TermElement && b.multiColumn(t.Attr) != nil:
		return "column " + t.Attr
	case t.Op == scim.TermAmong:
		return "ids"
	case t.Op == scim.TermEdge:
		return strings.TrimSpace("edges " + t.Attr + " " + t.Reach)
	case t.Op == scim.TermElement:
		return "records"
	case t.Attr == "active" && b.activePath != nil:
		return "set active"
	case t.Attr == "meta.lastModified" && strings.Contains(" gt ge lt le ", " "+t.Operator+" "):
		return "range meta.lastModified"
	case t.Attr == "meta.lastModified":
		return "column meta.lastModified"
	}
	c, _ := b.columnOf(t)
	switch {
	case c == nil:
		return strings.TrimSpace("records " + t.Attr)
	case c.ranges(t):
		return "range " + c.name
	}
	return "column " + c.name
}
