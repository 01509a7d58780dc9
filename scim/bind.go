package scim

import (
	"errors"
	"slices"
	"strings"
)

// Bind resolves the filter's names for one type. ErrInvalidFilter names the attribute
// that is unknown (then ErrUnknownAttribute too) or cannot be compared so; ErrSensitive
// one that is never returned.
func (f *Filter) Bind(t *ResourceType) (*Predicate, error) {
	b := binder{t: t, p: &Predicate{node: f.root, typ: t}}
	var err error
	if b.p.root, err = b.bind(f.root); err != nil {
		return nil, err
	}
	b.p.lookups(b.p.root)
	return b.p, nil
}

// lookups notes what UniqueEq and MemberEq tell. An equality on id serves best.
func (p *Predicate) lookups(t *test) {
	switch {
	case t.kind == kindAnd:
		p.lookups(t.left)
		p.lookups(t.right)
	case t.kind == kindValues && t.source == fromMembers && t.right == nil:
		p.memberTerm(t.left)
	case t.kind != kindTest || t.op != opEqual || t.exists || t.absent || t.source == fromNowhere:
	case t.source == fromMembers:
		p.memberTerm(t)
	case t.source == fromID:
		p.unique = t
	case p.unique == nil && (t.source == fromExternalID || p.typ.isUnique(t.attr)):
		p.unique = t
	}
}

// memberTerm notes an equality on a member's id, alone or as a term of an "and".
func (p *Predicate) memberTerm(t *test) {
	if t.kind == kindAnd {
		p.memberTerm(t.left)
		p.memberTerm(t.right)
	}
	if t.kind == kindTest && t.op == opEqual && !t.absent && t.leaf.Name == "value" && p.member == nil {
		p.member = t
	}
}

func (t *ResourceType) isUnique(a *Attribute) bool {
	return slices.Contains(t.Unique, a) && a.Type != "integer" && a.Type != "decimal" // 1 and 1.0 are one number
}

// binder binds one filter. of is the attribute whose brackets it stands in, nil outside.
type binder struct {
	t  *ResourceType
	of *Attribute
	p  *Predicate
	// unknown, where not nil, takes the tests of what the type does not have (BindEach).
	unknown map[*node]*lack
}

func (b *binder) bind(n *node) (*test, error) {
	switch n.kind {
	case kindValues:
		return b.values(n)
	case kindTest:
		return b.test(n)
	case kindAmong:
		if err := b.resolve(n.attr, new(Path)); err != nil {
			return b.lacking(n, err)
		}
		return &test{kind: kindAmong, ids: n.ids, others: n.others}, nil
	}
	out := &test{kind: n.kind}
	var err error
	if out.left, err = b.bind(n.left); err != nil {
		return nil, err
	}
	if n.right != nil {
		out.right, err = b.bind(n.right)
	}
	return out, err
}

// values binds attr[filter] and attr[filter].sub op value.
func (b *binder) values(n *node) (*test, error) {
	var path Path
	if err := b.t.find(n.attr, &path); err != nil {
		return b.lacking(n, err)
	}
	if err := b.t.bindValues(&path, n.left, n.sub); err != nil {
		return b.lacking(n, err)
	}
	if err := path.visible(); err != nil {
		return nil, err
	}
	t := &test{kind: kindValues, left: path.Filter.root}
	b.place(t, &path)
	if n.op == opNone {
		return t, nil
	}
	leaf := path.leaf()
	t.right = &test{op: n.op, source: fromElement, attr: path.Attr, sub: path.Sub, leaf: leaf}
	return t, t.right.operand(n.lit)
}

// filterError makes the error of a path one of the filter.
func filterError(err error) error {
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return &unknownError{&Error{Kind: ErrInvalidFilter, Detail: unknown.err.Detail}}
	}
	return err
}

// test binds attr op value.
func (b *binder) test(n *node) (*test, error) {
	var path Path
	if err := b.resolve(n.attr, &path); err != nil {
		return b.lacking(n, err)
	}
	if path.Attr == nil {
		return extensionTest(n, path.Extension)
	}
	if err := path.visible(); err != nil {
		return nil, err
	}
	t := &test{op: n.op, attr: path.Attr, sub: path.Sub, leaf: path.Attr}
	if b.of != nil {
		t.source, t.leaf = fromElement, path.leaf()
		return t, t.operand(n.lit)
	}
	b.place(t, &path)
	if path.Sub != nil || n.op != opPresent && n.lit.kind != litNull {
		t.leaf = path.leaf()
		if t.leaf.Parent == path.Attr && path.Attr.element == nil {
			t.sub = t.leaf
			if err := (&Path{Attr: t.leaf}).visible(); err != nil {
				return nil, err // a complex attribute stands for its value, which may be a secret
			}
		}
	}
	return t, t.operand(n.lit)
}

// resolve finds the attribute that a test names. Within brackets that is a sub-attribute.
func (b *binder) resolve(name string, path *Path) error {
	if b.of == nil {
		return b.t.find(name, path)
	}
	if b.of.element != nil {
		if equalFoldASCII(name, b.of.element.Name) {
			path.Attr = b.of.element
			return nil
		}
		return b.t.unknown(b.of.Name + "." + name)
	}
	path.Attr = b.of
	if path.Sub = b.of.subs.find(name); path.Sub == nil {
		return b.t.unknown(b.of.Name + "." + name)
	}
	return nil
}

func extensionTest(n *node, s *Schema) (*test, error) {
	null := n.lit.kind == litNull && (n.op == opEqual || n.op == opNotEqual)
	if n.op != opPresent && !null {
		return nil, Errorf(ErrInvalidFilter, "%s is an extension: it can be tested with pr alone", s.URN)
	}
	return &test{op: n.op, source: fromExtension, urn: s.URN, absent: n.op == opEqual}, nil
}

// visible refuses what is never returned: a filter would give it away bit by bit.
func (p *Path) visible() error {
	for _, a := range []*Attribute{p.Attr, p.Sub} {
		if a != nil && a.Returned == "never" {
			return Errorf(ErrSensitive, "%s cannot be filtered by", a.PathName())
		}
	}
	return nil
}

// place tells where the path's values are.
func (b *binder) place(t *test, path *Path) {
	t.attr = path.Attr
	if path.Extension != nil {
		t.urn = path.Extension.URN
	}
	switch {
	case path.Attr.Schema == "":
		t.source = commonSource(path)
	case path.Attr.isOwner():
		t.source = fromOwner
	case path.Attr == b.t.members:
		t.source = fromMembers
		b.p.NeedsMembers = true
	case path.Attr.Schema == UserURN && path.Attr.Name == "groups":
		t.source = fromGroups
		b.p.NeedsGroups = true
	}
}

// isOwner tells the attribute owner of the account extensions, which is in the header.
func (a *Attribute) isOwner() bool {
	return a.Name == "owner" && a.Parent == nil && (a.Schema == AccountUserURN || a.Schema == AccountGroupURN)
}

func commonSource(path *Path) source {
	if path.Sub == nil {
		switch path.Attr.Name {
		case "id":
			return fromID
		case "externalId":
			return fromExternalID
		case "schemas":
			return fromSchemas
		}
		return fromMeta
	}
	switch path.Sub.Name {
	case "created":
		return fromCreated
	case "lastModified":
		return fromModified
	case "version":
		return fromVersion
	case "location":
		return fromID
	}
	return fromType
}

// operand prepares the literal for the comparison, and refuses what makes no sense.
func (t *test) operand(lit literal) error {
	if t.op == opPresent {
		t.exists = true
		return nil
	}
	if lit.kind == litNull {
		return t.null()
	}
	if t.leaf.Type == "complex" {
		return Errorf(ErrInvalidFilter, "%s is complex: compare one of its sub-attributes, such as %s",
			t.leaf.PathName(), t.leaf.Sub[0].PathName())
	}
	t.absent = t.op == opNotEqual
	t.text = lit.text
	if number, _, ok := strings.Cut(t.text, "-"); ok && t.leaf == metaVersion {
		t.text = number + `"` // a tag may tell of more than the version: scimhttp's of groups
	}
	if isRef(t.leaf) || t.leaf == metaLocation {
		return t.reference()
	}
	switch t.leaf.Type {
	case "boolean":
		return t.booleanOperand(lit)
	case "integer", "decimal":
		var ok bool
		if t.number, ok = parseNumberLiteral(lit.text); !ok {
			return t.refuse("a number")
		}
		if !t.op.ordering() && t.op != opEqual && t.op != opNotEqual {
			return t.refuseOperator()
		}
		return nil
	case "dateTime":
		if t.op == opContains || t.op == opStartsWith || t.op == opEndsWith {
			break
		}
		var ok bool
		if t.instant, ok = parseDateTime(lit.text); !ok {
			return t.refuse("a date and time like 2026-01-31T08:30:00Z")
		}
		return nil
	case "binary":
		if t.op != opEqual && t.op != opNotEqual {
			return t.refuseOperator()
		}
	}
	t.stringOperand()
	return nil
}

var (
	metaLocation = commonNames.find("meta").subs.find("location")
	metaVersion  = commonNames.find("meta").subs.find("version")
)

// null handles eq null and ne null: not set, and set.
func (t *test) null() error {
	switch t.op {
	case opEqual:
		t.absent = true
	case opNotEqual:
		t.exists = true
	default:
		return Errorf(ErrInvalidFilter, "%s: null can be compared with eq and ne alone", t.leaf.PathName())
	}
	t.op = opNone // no value equals it
	return nil
}

// reference compares what links to a resource: the id at its end decides, since the
// rest depends on the address by which the server is reached.
func (t *test) reference() error {
	if t.op != opEqual && t.op != opNotEqual {
		return t.refuseOperator()
	}
	t.text = refTail(t.text)
	if isRef(t.leaf) {
		value := t.leaf.Parent.subs.find("value")
		t.sub, t.leaf = value, value
	}
	t.stringOperand()
	return nil
}

func (t *test) booleanOperand(lit literal) error {
	if t.op != opEqual && t.op != opNotEqual {
		return t.refuseOperator()
	}
	var ok bool
	t.quoted = lit.kind == litString
	if t.boolean, ok = stringBoolean(lit.text); !ok {
		return t.refuse("true or false")
	}
	return nil
}

func (t *test) stringOperand() {
	if t.leaf.CaseExact {
		return
	}
	t.fold = []byte(Fold(t.text))
	var ok bool
	if t.key, ok = t.leaf.Compare(t.text); !ok {
		t.key = "\x00" // no name has this key
	}
}

func (t *test) refuse(want string) error {
	return Errorf(ErrInvalidFilter, "%s: expected %s, found %q", t.leaf.PathName(), want, clip(t.text))
}

func (t *test) refuseOperator() error {
	return Errorf(ErrInvalidFilter, "%s: values of type %s cannot be compared with %s", t.leaf.PathName(), t.leaf.Type, t.op)
}
