package scim

// memberEdits folds what the operations do to members, in their order: the last word on
// an id counts.
type memberEdits struct {
	clear bool
	order []string // ids, as they came first
	edits map[string]memberEdit
	given int // values in all, for the bound
	known []Member
	asked bool // known was read
}

type memberEdit struct {
	member Member
	remove bool
}

func (e *memberEdits) put(m Member, remove bool) {
	if e.edits == nil {
		e.edits = make(map[string]memberEdit)
	}
	if _, ok := e.edits[m.Value]; !ok {
		e.order = append(e.order, m.Value)
	}
	e.edits[m.Value] = memberEdit{m, remove}
}

func (e *memberEdits) removeAll() {
	e.clear, e.order, e.edits = true, nil, nil
}

func (e *memberEdits) delta() MemberDelta {
	d := MemberDelta{Clear: e.clear}
	for _, id := range e.order {
		switch edit := e.edits[id]; {
		case !edit.remove:
			d.Add = append(d.Add, edit.member)
		case !e.clear:
			d.Remove = append(d.Remove, edit.member)
		}
	}
	return d
}

// membersOf reads the members that an operation lists.
func (p *patcher) membersOf(v any) ([]Member, error) {
	list, err := p.decoder.members(v)
	if p.members.given += len(list); err == nil && p.members.given > maxMembers {
		err = Errorf(ErrTooLarge, "members: more than the %d values allowed in one request", maxMembers)
	}
	return list, err
}

// setMembers adds members or replaces them. A member's own attributes are immutable
// (RFC 7643 §4.2).
func (p *patcher) setMembers(path *Path, v any, add bool) error {
	if path.Sub != nil {
		return Errorf(ErrMutability, "%s cannot be changed: remove the member and add another", path)
	}
	list, err := p.membersOf(v)
	if err != nil {
		return err
	}
	switch {
	case add:
	case path.Filter != nil:
		selected, err := p.matchMembers(path.Filter) // who is named must be there (RFC 7644 §3.5.2.3)
		if err != nil {
			return err
		}
		if len(selected) == 0 {
			return Errorf(ErrNoTarget, "%s: no member matches", path)
		}
		for _, m := range selected {
			p.members.put(m, true)
		}
	default:
		p.members.removeAll()
		if len(list) > 0 {
			p.quirks.add(QuirkMembersReplaced)
		}
	}
	for _, m := range list {
		p.members.put(m, false)
	}
	return nil
}

// removeMembers removes all members, those selected by the path, or those listed
// (clients.md E25). What is no member is no error (A12).
func (p *patcher) removeMembers(path *Path, o *Operation) error {
	var list []Member
	var err error
	switch {
	case path.Sub != nil:
		return Errorf(ErrMutability, "%s cannot be removed: remove the member", path)
	case path.Filter != nil:
		list, err = p.selectMembers(path.Filter)
	case o.Value != nil:
		p.quirks.add(QuirkRemoveByValue)
		list, err = p.membersOf(o.Value)
	default:
		p.members.removeAll()
	}
	for _, m := range list {
		p.members.put(m, true)
	}
	return err
}

// selectMembers lists the members that a filter selects. Ids that the filter names
// outright need no look at the group, which may have very many members: perhaps not all of
// them are in it.
func (p *patcher) selectMembers(f *Predicate) ([]Member, error) {
	if list, ok := namedMembers(f.root, nil); ok {
		return list, nil
	}
	return p.matchMembers(f)
}

// matchMembers lists the members that are in the group and that a filter selects.
func (p *patcher) matchMembers(f *Predicate) ([]Member, error) {
	if !p.members.asked && p.read != nil {
		known, err := p.read()
		if err != nil {
			return nil, err
		}
		p.members.known, p.members.asked = known, true
	}
	if err := p.spend((len(p.members.known) + len(p.members.order)) * f.root.terms()); err != nil {
		return nil, err
	}
	var list []Member
	for _, m := range p.members.known {
		if _, edited := p.members.edits[m.Value]; !edited && !p.members.clear && f.matchElement(memberValue(m)) {
			list = append(list, m)
		}
	}
	for _, id := range p.members.order {
		if edit := p.members.edits[id]; !edit.remove && f.matchElement(memberValue(edit.member)) {
			list = append(list, edit.member)
		}
	}
	return list, nil
}

// namedMembers lists the ids of value eq "…" or value eq "…" or …
func namedMembers(t *test, list []Member) ([]Member, bool) {
	switch {
	case t.kind == kindOr:
		list, ok := namedMembers(t.left, list)
		if !ok {
			return nil, false
		}
		return namedMembers(t.right, list)
	case t.kind == kindTest && t.op == opEqual && t.leaf.Name == "value":
		return append(list, Member{Value: t.text}), true
	}
	return nil, false
}
