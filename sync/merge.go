package sync

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"rollcall/scim"
)

// revision is a change held against the resource as it is now.
type revision struct {
	action     Action
	next       *scim.Resource // the new state; nil where the attributes stay
	attributes []Difference
	mark       string
}

// revise works out what a change does to a resource. It is pure; it runs when the plan is
// made, and again right before the commit.
func (m *mapping) revise(c *Change, old *scim.Resource, onMissing OnMissing) (*revision, error) {
	switch {
	case c.overdue:
		return reviseOverdue(c, old), nil
	case c.want == nil:
		return reviseMissing(c, old, onMissing), nil
	}
	want, err := scim.ParseObject(c.want, scim.StoredLimits)
	if err != nil {
		return nil, err
	}
	r := &revision{action: Update, mark: c.mark}
	told, ok := want["active"].(bool)
	switch {
	case ok && !told && old.Active():
		r.action, r.mark = Disable, markDisabled+markHash(c.mark)
	case ok && !told:
		if disabledByRun(c.before) {
			r.mark = markDisabled + markHash(c.mark)
		}
	case !old.Active() && disabledByRun(c.before):
		want["active"] = true
		r.action = Enable
	case !old.Active():
		delete(want, "active") // an administrator's doing, which no run undoes
	}
	next := old.Clone()
	if c.managed != nil {
		roles, unsure := mergeRoles(old.Attributes["roles"], want["roles"], c.managed)
		if unsure {
			r.mark = "" // look again next time
		}
		delete(want, "roles")
		delete(next.Attributes, "roles")
		if len(roles) > 0 {
			want["roles"] = roles
		}
	}
	m.merge(next.Type, next.Attributes, want)
	if r.attributes = compareAttributes(nil, "", old.Attributes, next.Attributes); r.attributes == nil {
		r.action = settle
		return r, nil
	}
	r.next = next
	return r, nil
}

// reviseMissing is revise for what the source no longer has.
func reviseMissing(c *Change, old *scim.Resource, onMissing OnMissing) *revision {
	if c.Type != "User" || onMissing == Keep || !old.Active() {
		mark := c.mark
		if !disabledByRun(c.before) || old.Active() {
			mark = markKept + strings.TrimPrefix(mark, markMissing)
		}
		return &revision{action: settle, mark: mark}
	}
	next := old.Clone()
	next.Attributes["active"] = false
	return &revision{
		action: Disable, mark: c.mark, next: next,
		attributes: compareAttributes(nil, "", old.Attributes, next.Attributes),
	}
}

// reviseOverdue is revise for what has been missing for longer than its time of grace. A person
// whom somebody has enabled again meanwhile is theirs now.
func reviseOverdue(c *Change, old *scim.Resource) *revision {
	if c.Type == "User" && old.Active() {
		return &revision{}
	}
	return &revision{action: Delete, attributes: compareAttributes(nil, "", old.Attributes, nil)}
}

// merge puts the source's attributes into a resource's. What the source does not map stays.
func (m *mapping) merge(typ string, into, want map[string]any) {
	for _, keys := range m.mapped[typ] {
		if _, ok := scim.ValueAt(want, keys); !ok {
			scim.RemoveAt(into, keys)
		}
	}
	put(into, want)
}

func put(into, want map[string]any) {
	for name, value := range want {
		w, ok := value.(map[string]any)
		present, both := into[name].(map[string]any)
		if ok && both {
			put(present, w)
			continue
		}
		into[name] = value
	}
}

// compareAttributes appends what differs, in order of path. A multi-valued attribute
// is compared whole.
func compareAttributes(diffs []Difference, prefix string, old, next map[string]any) []Difference {
	names := slices.Collect(maps.Keys(old))
	for name := range next {
		if _, ok := old[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, was := old[name]
		after, is := next[name]
		m, complexBefore := before.(map[string]any)
		n, complexAfter := after.(map[string]any)
		if (complexBefore || !was) && (complexAfter || !is) {
			diffs = compareAttributes(diffs, prefix+name+separator(name), m, n)
			continue
		}
		d := Difference{Path: prefix + name}
		if was {
			d.Old = scim.AppendJSON(nil, before)
		}
		if is {
			d.New = scim.AppendJSON(nil, after)
		}
		if !bytes.Equal(d.Old, d.New) {
			diffs = append(diffs, d)
		}
	}
	return diffs
}

// separator stands between a name and what it leads to (RFC 7644 §3.10).
func separator(name string) string {
	if strings.Contains(name, ":") {
		return ":"
	}
	return "."
}
