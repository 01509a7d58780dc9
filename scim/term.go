package scim

import (
	"strings"
	"time"
)

// Term is a predicate, or a part of one, as whoever keeps an index may look at it: enough to
// answer most filters from the values of a few attributes, in the form of Path.SortKey.
type Term struct {
	Op          TermOp
	Left, Right *Term // TermNot has Left alone
	// Attr is the attribute that a TermTest or TermElement is about, as Path.String prints it with
	// its sub-attribute ("name.familyName"), or "" where only Predicate.Match can tell. Of a TermEdge it
	// is "members" or "groups".
	Attr     string
	Operator string // eq, ne, co, sw, ew, gt, ge, lt, le or pr; "" for a comparison with null
	Key      string // what a value is compared with, in the form of its sort key; of a TermEdge, the id
	// Absent is the outcome for a resource without the attribute, and Exists tells that any
	// value will do.
	Absent, Exists bool
	// Checked attributes have a comparison key of their own: of a value beyond ASCII, eq and
	// ne cannot be told from its sort key.
	Checked bool
	// IDs are of a TermAmong those who match, or with Others those who alone do not.
	IDs    map[string]bool
	Others bool
	Kind   string // "string", "boolean", "number", "dateTime", or "complex" (whether there is any)
	// Reach of a TermEdge of groups is "direct" or "indirect" where the membership must be that, and ""
	// for either.
	Reach string

	test *test
}

// TermOp is what a Term does.
type TermOp uint8

const (
	TermTest    TermOp = iota
	TermElement        // one value of a multi-valued attribute must match: see HoldsElement
	TermEdge           // the resource is a member of a group, or has a member, of which Key is the id
	TermAnd
	TermOr
	TermNot
	TermAmong // known by id (Filter.Settle)
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
		return elementTerm(t)
	case kindAmong:
		return &Term{Op: TermAmong, IDs: t.ids, Others: t.others}
	}
	if t.source == fromMembers || t.source == fromGroups {
		return edgeTerm(t, t)
	}
	out := &Term{Op: TermTest, Operator: t.op.String(), Key: t.text, Absent: t.absent, Exists: t.exists, test: t}
	out.Checked = t.leaf != nil && t.leaf.checked
	if out.Kind = t.kindOfTerm(); out.Kind != "" {
		out.Attr = t.attrOfTerm()
	}
	switch {
	case out.Kind == "boolean" && !out.Exists && t.op != opNone:
		out.Key, _ = sortKey(t.leaf, t.boolean)
	case out.Kind == "number":
		out.Key = sortNumber(t.number.float)
	case out.Kind == "dateTime" && t.source == fromAttributes:
		out.Key = t.instant.UTC().Format(sortTime)
	case t.fold != nil:
		out.Key = string(t.fold)
	}
	return out
}

// elementTerm is that of a value path.
func elementTerm(t *test) *Term {
	if t.source == fromMembers || t.source == fromGroups {
		return edgeTerm(t, t.left)
	}
	out := &Term{Op: TermElement, Absent: t.right != nil && t.right.absent, test: t}
	if t.source == fromAttributes && t.left.plainElement() && (t.right == nil || t.right.plainElement()) {
		out.Attr = t.within(t.attr.Name)
	}
	return out
}

// edgeTerm is a test of members or groups: a TermEdge where it names one id, and of groups also where
// it names the kind of membership beside it.
func edgeTerm(t, value *test) *Term {
	out := &Term{Op: TermTest, test: t}
	reach := ""
	if t.kind != kindTest {
		if t.right != nil {
			return out
		}
		if value.kind == kindAnd && t.source == fromGroups {
			var ok bool
			if value, reach, ok = value.reachOf(); !ok {
				return out
			}
		}
	}
	if value.equals("value") && value.leaf.CaseExact {
		out.Op, out.Attr, out.Key, out.Reach = TermEdge, "groups", value.text, reach
		if t.source == fromMembers {
			out.Attr = "members"
		}
	}
	return out
}

// reachOf takes the two sides of an "and" apart, where one of them is the kind of a membership.
func (t *test) reachOf() (value *test, reach string, ok bool) {
	value, kind := t.left, t.right
	if value.equals("type") {
		value, kind = kind, value
	}
	if !kind.equals("type") {
		return nil, "", false
	}
	reach = strings.ToLower(kind.text)
	return value, reach, reach == "direct" || reach == "indirect"
}

// equals tells that the test wants a sub-attribute to be one value.
func (t *test) equals(sub string) bool {
	return t.kind == kindTest && t.op == opEqual && !t.exists && !t.absent && t.leaf != nil && t.leaf.Name == sub
}

// kindOfTerm is what kind of values the test compares, "" where only Match can.
func (t *test) kindOfTerm() string {
	if t.leaf == nil {
		return ""
	}
	anyValue := t.exists || t.op == opNone
	switch t.leaf.Type {
	case "string", "boolean":
		return t.leaf.Type
	case "dateTime":
		if t.fold != nil || anyValue && t.source != fromAttributes {
			return ""
		}
		return "dateTime"
	case "integer", "decimal":
		// Beyond 53 bits a sort key no longer tells one number from the next.
		if n := t.number.float; n < maxExact && n > -maxExact {
			return "number"
		}
	case "complex":
		if anyValue {
			return "complex"
		}
	}
	return ""
}

// maxExact bounds the whole numbers that a float64, and so a sort key, holds exactly.
const maxExact = 1 << 53

// ExactNumber tells of a sort key of a number whether it stands for that number alone.
func ExactNumber(key string) bool {
	return key < sortNumber(maxExact) && key > sortNumber(-maxExact)
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
		return "meta." + t.leaf.Name
	case fromAttributes:
		p := Path{Attr: t.attr, Sub: t.sub}
		return t.within(p.String())
	}
	return ""
}

// within is a path with the URN of the extension that it leads into.
func (t *test) within(path string) string {
	if t.urn != "" {
		return t.urn + ":" + path
	}
	return path
}

// plainElement tells that a test in brackets, or behind them, looks at value, type and primary
// alone.
func (t *test) plainElement() bool {
	if t.kind != kindTest {
		return (t.kind == kindAnd || t.kind == kindOr || t.kind == kindNot) &&
			t.left.plainElement() && (t.right == nil || t.right.plainElement())
	}
	if t.sub == nil { // the value of a simple attribute
		return t.attr != nil && t.leaf != nil && t.leaf.Type == "string" && (t.attr.element != nil || t.attr.Parent != nil)
	}
	switch t.sub.Name {
	case "value", "type":
		return t.sub.Type == "string" && !t.sub.MultiValued
	case "primary":
		return t.sub.Type == "boolean"
	}
	return false
}

// Holds applies a test to a value in the form of its sort key.
func (t *Term) Holds(key string) bool {
	if t.test.exists || t.test.op == opNone {
		return t.test.exists
	}
	switch t.Kind {
	case "boolean":
		return t.HoldsBool(key == "1")
	case "number", "dateTime":
		return t.test.compared(strings.Compare(key, t.Key))
	}
	return t.test.string(key)
}

// HoldsBool applies a test to a boolean.
func (t *Term) HoldsBool(b bool) bool { _, holds := t.test.value(b); return holds }

// HoldsTime applies a test to created or lastModified.
func (t *Term) HoldsTime(v time.Time) bool { return t.test.time(v) }

// HoldsElement applies a TermElement to one value of the attribute: whether it is one that the
// brackets mean, and whether it is as wanted too. A resource matches where one value is
// both, and, where Absent, if no value is meant.
func (t *Term) HoldsElement(v any) (meant, holds bool) {
	var e evaluation
	if !e.holds(t.test.left, v) {
		return false, false
	}
	return true, t.test.right == nil || e.holds(t.test.right, v)
}
