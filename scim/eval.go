package scim

import (
	"time"
)

// Predicate is a filter bound to a resource type.
type Predicate struct {
	// NeedsMembers and NeedsGroups tell that Match asks for the target's edges.
	NeedsMembers, NeedsGroups bool

	root   *test
	node   *node
	typ    *ResourceType
	unique *test // the term of UniqueEq
	member *test // the term of MemberEq
}

// Target is what a predicate is applied to.
type Target struct {
	*Resource
	Type    *ResourceType
	Members func() ([]Member, error) // called at most once, where NeedsMembers
	Groups  func() ([]Membership, error)
}

// test is a node bound to a type: names are resolved, literals are in the form in which
// they are compared.
type test struct {
	kind        nodeKind
	op          operator
	left, right *test
	ids         map[string]bool // of kindAmong
	others      bool

	source source
	urn    string     // of the extension that attr is in
	attr   *Attribute // where the values are
	sub    *Attribute // the sub-attribute of them, nil for the values themselves
	leaf   *Attribute // the definition of what is compared

	// absent is the outcome where there is no value: ne and "eq null" hold then.
	absent  bool
	exists  bool // any value will do: pr and "ne null"
	text    string
	key     string // text by the attribute's comparison
	fold    []byte // text folded; nil where the attribute is caseExact
	instant time.Time
	number  number
	boolean bool
	quoted  bool // the boolean came as a string (clients.md A8)
}

// source tells where a test finds its values.
type source uint8

const (
	fromAttributes source = iota
	fromElement           // of the value in hand, within brackets
	fromExtension         // whether the extension has values
	fromID
	fromExternalID
	fromOwner
	fromCreated
	fromModified
	fromType
	fromVersion
	fromMeta
	fromSchemas
	fromMembers
	fromGroups
	fromNowhere // the type does not have it (BindEach)
)

// Match applies the predicate.
func (p *Predicate) Match(t *Target) (bool, error) {
	e := evaluation{Target: t}
	holds := e.holds(p.root, nil)
	return holds && e.err == nil, e.err
}

// matchElement applies a predicate of a path's brackets to one value.
func (p *Predicate) matchElement(v any) bool {
	var e evaluation
	return e.holds(p.root, v)
}

// UniqueEq tells that the filter is, or has as a term of its outermost "and", an
// equality on id, externalId or one of the type's Unique attributes; the store then
// looks the resource up and applies the predicate to that one alone.
func (p *Predicate) UniqueEq() (attr, value string, ok bool) {
	if p.unique == nil {
		return "", "", false
	}
	if p.unique.source == fromID { // meta.location too
		return "id", p.unique.text, true
	}
	return p.typ.UniqueName(p.unique.attr), p.unique.text, true
}

// MemberEq tells the same of an equality on members or members.value.
func (p *Predicate) MemberEq() (id string, ok bool) {
	if p.member == nil {
		return "", false
	}
	return p.member.text, true
}

// evaluation is one application of a predicate. err is the first error of reading edges.
type evaluation struct {
	*Target
	members []any // as the values of the attribute members
	groups  []any
	err     error
}

// holds evaluates a test; element is the value in hand within brackets.
func (e *evaluation) holds(t *test, element any) bool {
	switch t.kind {
	case kindAnd:
		return e.holds(t.left, element) && e.holds(t.right, element)
	case kindOr:
		return e.holds(t.left, element) || e.holds(t.right, element)
	case kindNot:
		return !e.holds(t.left, element)
	case kindValues:
		return e.values(t)
	case kindAmong:
		return t.ids[e.ID] != t.others
	}
	switch t.source {
	case fromAttributes:
		return t.anyOf(t.in(e.Attributes))
	case fromElement:
		return t.anyOf(element)
	case fromID:
		return t.header(e.ID)
	case fromExternalID:
		return t.header(e.ExternalID)
	case fromOwner:
		return t.header(e.Owner)
	case fromType:
		return t.header(e.Resource.Type)
	case fromVersion:
		return t.header(versionTag(e.Version))
	case fromCreated:
		return t.time(e.Created)
	case fromModified:
		return t.time(e.LastModified)
	case fromMeta:
		return t.exists
	case fromExtension:
		values, _ := e.Attributes[t.urn].(map[string]any)
		return (len(values) > 0) != t.absent
	case fromNowhere:
		return t.absent
	case fromSchemas:
		return t.strings(e.Target.Type.URNs(e.Attributes))
	}
	return t.anyOf(e.edges(t.source))
}

// values evaluates a value path: one value must match the brackets, and with a
// sub-attribute behind them that one's comparison too.
func (e *evaluation) values(t *test) bool {
	var v any
	if t.source == fromAttributes {
		v = t.in(e.Attributes)
	} else {
		v = e.edges(t.source)
	}
	found := false
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	for _, v := range list {
		if !e.holds(t.left, v) {
			continue
		}
		if t.right == nil || e.holds(t.right, v) {
			return true
		}
		found = true
	}
	return !found && t.right != nil && t.right.absent
}

// in finds the attribute's value among a resource's.
func (t *test) in(attributes map[string]any) any {
	if t.urn != "" {
		attributes, _ = attributes[t.urn].(map[string]any)
	}
	v, ok := attributes[t.attr.Name]
	if !ok {
		return t.attr.unset
	}
	return v
}

// edges lists members or groups in the shape of the attribute. They are read once.
func (e *evaluation) edges(from source) any {
	if from == fromMembers {
		if e.members == nil && e.Members != nil && e.err == nil {
			var list []Member
			list, e.err = e.Members()
			e.members = make([]any, len(list))
			for i, m := range list {
				e.members[i] = memberValue(m)
			}
		}
		return e.members
	}
	if e.groups == nil && e.Groups != nil && e.err == nil {
		var list []Membership
		list, e.err = e.Groups()
		e.groups = make([]any, len(list))
		for i, g := range list {
			kind := "indirect"
			if g.Direct {
				kind = "direct"
			}
			e.groups[i] = map[string]any{"value": g.ID, "display": g.Display, "type": kind}
		}
	}
	return e.groups
}

func memberValue(m Member) map[string]any {
	v := map[string]any{"value": m.Value}
	if m.Type != "" {
		v["type"] = m.Type
	}
	return v
}

// anyOf tells whether one of the values below v is as the test wants it (RFC 7644
// §3.4.2.2: a multi-valued attribute matches if any of its values does).
func (t *test) anyOf(v any) bool {
	found := false
	if list, ok := v.([]any); ok {
		for _, e := range list {
			has, holds := t.value(e)
			if holds {
				return true
			}
			found = found || has
		}
	} else {
		has, holds := t.value(v)
		if holds {
			return true
		}
		found = has
	}
	return !found && t.absent
}

// value tests one value: whether there is one, and whether it is as wanted.
func (t *test) value(v any) (has, holds bool) {
	if m, ok := v.(map[string]any); ok && t.sub != nil {
		if v, ok = m[t.sub.Name]; !ok && t.sub.isPrimary() && !t.exists && t.op != opNone {
			v = false
		}
		if list, ok := v.([]any); ok { // custom schemas may have multi-valued sub-attributes
			return len(list) > 0, t.anyOf(list) && len(list) > 0
		}
	}
	if m, ok := v.(map[string]any); v == nil || ok && len(m) == 0 {
		return false, false
	}
	if t.exists || t.op == opNone {
		return true, t.exists
	}
	switch v := v.(type) {
	case string:
		if t.leaf.Type == "dateTime" && t.fold == nil {
			instant, ok := parseDateTime(v)
			return true, ok && t.compared(instant.Compare(t.instant))
		}
		return true, t.string(v)
	case bool:
		return true, (v == t.boolean) == (t.op == opEqual)
	case int64:
		return true, t.numbers(number{int: v, float: float64(v), whole: true})
	case float64:
		return true, t.numbers(number{float: v})
	}
	return true, false
}

// header tests a string of the header, "" for none.
func (t *test) header(s string) bool {
	if s == "" {
		return t.absent
	}
	return t.exists || t.string(s)
}

func (t *test) time(v time.Time) bool {
	switch {
	case v.IsZero():
		return t.absent
	case t.exists:
		return true
	case t.fold != nil:
		return t.string(metaTime(v))
	}
	return t.compared(v.Compare(t.instant))
}

func (t *test) strings(list []string) bool {
	for _, s := range list {
		if t.header(s) {
			return true
		}
	}
	return false
}
