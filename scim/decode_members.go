package scim

// draftMembers reads the attribute members of a POST or PUT.
func (d *decoder) draftMembers(draft *Draft, v any) error {
	if v == nil {
		d.quirks.add(QuirkMembersUnassigned)
		return nil
	}
	draft.HasMembers = true
	var err error
	draft.Members, err = d.members(v)
	return err
}

// members reads a list of members, each id once.
func (d *decoder) members(v any) ([]Member, error) {
	list, ok := v.([]any)
	switch {
	case ok:
	case v == nil || v == "":
		return nil, nil
	case d.single:
		d.quirks.add(QuirkSingleForArray)
		list = []any{v}
	default:
		return nil, Errorf(ErrInvalidValue, "members: expected an array of objects, found %s", describe(v))
	}
	if len(list) > maxMembers {
		return nil, Errorf(ErrTooLarge, "members: more than the %d values allowed in one request", maxMembers)
	}
	members := make([]Member, 0, len(list))
	seen := make(map[string]bool, len(list))
	for i, e := range list {
		object, ok := e.(map[string]any)
		if !ok {
			return nil, Errorf(ErrInvalidValue, `value %d of members: expected an object like {"value": "<id>"}, found %s`, i+1, describe(e))
		}
		m, err := d.member(object)
		if err != nil {
			return nil, within(err, "value %d of members: ", i+1)
		}
		if !seen[m.Value] {
			seen[m.Value] = true
			members = append(members, m)
		}
	}
	return members, nil
}

// member reads one member. A type that members of the group cannot have counts as not
// said: the id decides.
func (d *decoder) member(object map[string]any) (Member, error) {
	out, err := d.object(d.t.members, object)
	if err != nil {
		return Member{}, err
	}
	m := Member{}
	m.Value, _ = out["value"].(string)
	if m.Value == "" {
		return Member{}, Errorf(ErrInvalidValue, "members.value is required: the id of the member")
	}
	said, _ := out["type"].(string)
	for _, name := range d.t.MemberTypes {
		if equalFoldASCII(name, said) {
			m.Type = name
		}
	}
	return m, nil
}
