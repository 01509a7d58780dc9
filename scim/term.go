package scim

import "time"

// Term is a predicate, or a part of one, as whoever keeps an index may look at it: enough to
// answer most filters from the values of a few attributes, in the form of Path.SortKey.
type Term struct {
	Op          TermOp
	Left, Right *Term // TermNot has Left alone
	// Attr is the attribute that a TermTest or TermElement is about, as Path.String prints it with
	// its sub-attribute ("name.familyName"), or "" where only Predicate.Match can tell.
	Attr     string
	Operator string // eq, ne, co, sw, ew, gt, ge, lt, le or pr; "" for a comparison with null
	Key      string // what a string is compared with, folded unless the attribute is caseExact
	// Absent is the outcome for a resource without the attribute, and Exists tells that any
	// value will do.
	Absent, Exists bool
	// Checked attributes have a comparison key of their own: of a value beyond ASCII, eq and
	// ne cannot be told from its sort key.
	Checked bool
	Kind    string // "string", "boolean" or "dateTime"

	test *test
}

// TermOp is what a Term does.
type TermOp uint8

const (
	TermTest    TermOp = iota
	TermElement        // one value of a multi-valued complex attribute must match: see HoldsElement
	TermAnd
	TermOr
	TermNot
)

// Term is the predicate as a tree.
func (p *Predicate) Term() *Term { return termOf(p.root) }

func termOf(t *test) *Term {
	switch t.kind {
	case kindAnd:
		return &Term{Op: TermAnd, Left: termOf(t.left), Right: termOf(t.right)}
	case kindOr:
		return &Term{Op: TermOr, Left: termOf(t.left), Right: termOf(t.right)}
	case kindNot:
		return &Term{Op: TermNot, Left: termOf(t.left)}
	case kindValues:
		out := &Term{Op: TermElement, test: t}
		if t.source == fromAttributes && t.urn == "" && t.right == nil && t.left.plainElement() {
			out.Attr = t.attr.Name
		}
		return out
	}
	out := &Term{Op: TermTest, Operator: t.op.String(), Key: t.text, Absent: t.absent, Exists: t.exists, test: t}
	if t.fold != nil {
		out.Key = string(t.fold)
	}
	out.Kind = t.leaf.kindOfTerm()
	out.Checked = t.leaf != nil && t.leaf.checked
	if out.Kind != "" {
		out.Attr = t.attrOfTerm()
	}
	return out
}

func (a *Attribute) kindOfTerm() string {
	if a != nil && (a.Type == "string" || a.Type == "boolean" || a.Type == "dateTime") {
		return a.Type
	}
	return ""
}

func (t *test) attrOfTerm() string {
	switch t.source {
	case fromID:
		if t.leaf.Name == "id" {
			return "id"
		}
	case fromExternalID:
		return "externalId"
	case fromCreated, fromModified:
		if t.exists || t.op == opNone || t.fold != nil {
			return ""
		}
		return "meta." + t.leaf.Name
	case fromAttributes:
		if t.leaf.Type == "dateTime" {
			return ""
		}
		p := Path{Attr: t.attr, Sub: t.sub}
		if t.urn != "" {
			return t.urn + ":" + p.String()
		}
		return p.String()
	}
	return ""
}

// plainElement tells that a test in brackets looks at value, type and primary alone.
func (t *test) plainElement() bool {
	if t.kind == kindTest {
		return t.sub != nil && (t.sub.Name == "value" && t.sub.Type == "string" ||
			t.sub.Name == "type" && t.sub.Type == "string" || t.sub.Name == "primary")
	}
	return (t.kind == kindAnd || t.kind == kindOr || t.kind == kindNot) &&
		t.left.plainElement() && (t.right == nil || t.right.plainElement())
}

// Holds applies a test to a string in the form of its sort key.
func (t *Term) Holds(key string) bool {
	if t.test.exists || t.test.op == opNone {
		return t.test.exists
	}
	return t.test.string(key)
}

// HoldsBool applies a test to a boolean.
func (t *Term) HoldsBool(b bool) bool { _, holds := t.test.value(b); return holds }

// HoldsTime applies a test to created or lastModified.
func (t *Term) HoldsTime(v time.Time) bool { return t.test.time(v) }

// HoldsElement applies the brackets of a TermElement to one value of the attribute.
func (t *Term) HoldsElement(v map[string]any) bool {
	var e evaluation
	return e.holds(t.test.left, v)
}
