package sync

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/scim"
)

// holding is a resource that the source owns or is about to create.
type holding struct {
	id    string
	mark  string
	state state
}

type state uint8

const (
	unseen  state = iota
	seen          // the source has an entry for it
	spoiled       // it has one that cannot be used
	created       // seen, and not in the store yet
)

// planner makes a plan: first everything that the source owns, by own; then every entry of
// the source, by add and spoil; then end. It does no input or output.
type planner struct {
	mapping *mapping
	policy  Policy
	now     time.Time
	partial bool // only what changed comes
	past    *past
	names   map[string]string // Protect and Canaries of the policy, by canaryKey
	report  *Report

	held     map[string]map[string]*holding // by type and externalId
	groups   []Entry                        // put off until every member is known
	people   []Entry                        // put off likewise, where groups give roles
	rolesOf  map[string][]string            // by externalId, those that groups give
	managed  map[string]bool                // roles that groups give: whether they may be taken away now
	returned map[string]bool                // ids of what was deleted and is back
	creates  int                            // creations so far
	nameless int                            // entries that cannot be used and have no id
	faulty   []*holding                     // those whose entries cannot be used
	met      []scim.Ref                     // by type and externalId, all that a run of what changed has to do with
	plan     *Plan
	room     []byte    // for text that is not kept
	open     []*Change // to be compared with the resource as it is
	mapped   []*mappedGroup
}

func newPlanner(m *mapping, policy Policy, past *past, now time.Time, report *Report) *planner {
	p := &planner{
		mapping: m, policy: policy, now: now, past: past, report: report, names: map[string]string{},
		held: map[string]map[string]*holding{}, returned: map[string]bool{},
		plan: &Plan{Types: map[string]*TypeCount{}, Canaries: map[string]bool{}, Protected: map[scim.Ref]string{},
			Mapped: map[scim.Ref]string{}, Branches: branchCounts{}, BranchesBefore: past.branches},
	}
	for _, name := range slices.Concat(policy.Protect, policy.Guard.Canaries) {
		p.names[canaryKey(name)] = name
	}
	for key, name := range past.protected {
		if slices.Contains(policy.Protect, name) {
			p.plan.Protected[key] = name
		}
	}
	for _, t := range m.model.Types {
		p.held[t.Name] = map[string]*holding{}
		p.plan.Types[t.Name] = &TypeCount{}
	}
	return p
}

// own records a resource that the source owns.
func (p *planner) own(typ string, o scim.Owned) {
	p.held[typ][o.ExternalID] = &holding{id: o.ID, mark: o.Mark}
	p.count(typ, o.Mark)
}

func (p *planner) count(typ, mark string) {
	if isMissing(mark) {
		p.plan.Types[typ].Gone++
	} else {
		p.plan.Types[typ].Present++
	}
}

// spoil records an entry that cannot be used: what stands for it is left alone.
func (p *planner) spoil(e *EntryError) {
	p.report.Counts.Skipped++
	p.report.problem(Problem{DN: e.DN, ID: e.ID, Kind: "entry", Attribute: e.Attribute, Reason: e.Reason, Remedy: e.Remedy})
	if e.ID == "" {
		p.nameless++
		return
	}
	for typ, held := range p.held {
		if h := held[e.ID]; h != nil && h.state == unseen {
			p.meet(typ, e.ID)
			p.fault(h)
		}
	}
}

func (p *planner) fault(h *holding) {
	h.state = spoiled
	p.faulty = append(p.faulty, h)
}

// meet notes whom a run of what changed is about: one of everything is about all.
func (p *planner) meet(typ, externalID string) {
	if p.partial {
		p.met = append(p.met, scim.Ref{Type: typ, ID: externalID})
	}
}

// add takes the next entry of the source.
func (p *planner) add(e Entry) {
	held, ok := p.held[e.Type]
	switch {
	case !ok:
		p.spoil(&EntryError{DN: e.DN, ID: e.ID, Reason: fmt.Sprintf("there is no resource type %q", e.Type), Remedy: "Correct the source's mapping."})
		return
	case e.ID == "":
		p.spoil(&EntryError{DN: e.DN, Reason: "it has no stable id", Remedy: "Let the source's account read the id attribute."})
		return
	}
	p.plan.Branches.add(&e)
	h := held[e.ID]
	if h != nil && (h.state == seen || h.state == created) {
		p.spoil(&EntryError{DN: e.DN, ID: e.ID, Reason: "another entry has the same stable id",
			Remedy: "Give each entry an id of its own, or leave one of them out by the filter."})
		return
	}
	p.meet(e.Type, e.ID)
	if h == nil {
		// Whoever was deleted and comes back has the id of before.
		before := p.past.deleted[scim.Ref{Type: e.Type, ID: e.ID}]
		h = &holding{id: cmp.Or(before, scim.NewID()), state: created}
		held[e.ID] = h
		if before != "" {
			p.returned[before] = true
		}
	} else {
		h.state = seen
	}
	if len(p.names) > 0 {
		p.recognise(&e)
	}
	if p.mapping.hasMembers(e.Type) {
		p.groups = append(p.groups, e)
		return
	}
	if len(p.policy.Roles) > 0 {
		p.people = append(p.people, e) // put off until it is known who is in which group
		return
	}
	p.decide(&e, h, nil)
}

// decide says whether an entry differs from what was last applied, and checks it if so.
func (p *planner) decide(e *Entry, h *holding, members []scim.Ref) {
	var hash string
	hash, p.room = p.mapping.hash(p.room, e, members)
	count := p.plan.Types[e.Type]
	if markHash(h.mark) == hash && !p.anyReturned(members) {
		count.Seen++
		count.Unchanged++
		return
	}
	attributes, name, err := p.mapping.check(e)
	if err != nil {
		if h.state == created {
			delete(p.held[e.Type], e.ID) // nobody's member
		} else {
			p.fault(h)
		}
		p.report.Counts.Skipped++
		p.report.problem(invalidEntry(e, err))
		return
	}
	count.Seen++
	p.room = scim.AppendJSON(p.room[:0], attributes)
	c := &Change{
		Type: e.Type, ID: h.id, ExternalID: e.ID, DN: e.DN, Name: name,
		want: bytes.Clone(p.room), mark: markApplied + hash, before: h.mark,
		members: members, whole: !e.MembersUnknown,
	}
	if e.Type == "User" {
		c.managed = p.managed
	}
	if h.state == created {
		p.create(c, attributes)
		if p.creates++; p.creates > MaxChanges && !p.mapping.hasMembers(c.Type) {
			p.plan.packed.add(c)
			return
		}
	}
	p.open = append(p.open, c)
}

// anyReturned tells whether one of the members was deleted and comes back under its id: the
// group has lost it since, though its hash is the same.
func (p *planner) anyReturned(members []scim.Ref) bool {
	return len(p.returned) > 0 && slices.ContainsFunc(members, func(ref scim.Ref) bool { return p.returned[ref.ID] })
}

// create completes the change that makes a new resource.
func (p *planner) create(c *Change, attributes map[string]any) {
	c.Action = Create
	if active, ok := attributes["active"].(bool); ok && !active {
		c.mark = markDisabled + markHash(c.mark)
	}
	c.add, c.members = c.members, nil
	c.MembersAdded = len(c.add)
}

// end takes the groups and what is missing, and returns the changes that are to be compared
// with the resources as they are.
func (p *planner) end() []*Change {
	if len(p.policy.Roles) > 0 {
		p.holdRoles()
	}
	for i := range p.people {
		e := &p.people[i]
		p.giveRoles(e)
		p.decide(e, p.held[e.Type][e.ID], nil)
		p.people[i] = Entry{}
	}
	p.people = nil
	p.endGroups()
	for _, typ := range slices.Sorted(maps.Keys(p.held)) {
		p.missing(typ)
	}
	return p.endCounts()
}

// endGroups decides about the groups, now that every member is known.
func (p *planner) endGroups() {
	for i := range p.groups {
		e := &p.groups[i]
		p.report.Counts.Dangling += len(e.Dangling)
		members := p.resolve(e)
		p.gather(e, members)
		p.decide(e, p.held[e.Type][e.ID], members)
		p.groups[i] = Entry{}
	}
	p.groups = nil
}

func (p *planner) endCounts() []*Change {
	users, groups := p.plan.Types["User"], p.plan.Types["Group"]
	c := &p.report.Counts
	c.Users, c.Groups = users.Seen, groups.Seen
	c.Unchanged = users.Unchanged + groups.Unchanged
	c.MissingUsers, c.MissingGroups = users.Missing, groups.Missing
	c.Gone = users.Gone + groups.Gone
	open := p.open
	p.open = nil
	return open
}

// resolve finds the resources that a group's members are, in order of type and id. A
// member whose own entry cannot be used and that has no resource yet is left out: its
// id will differ once there is one, and so will the group's hash.
func (p *planner) resolve(e *Entry) []scim.Ref {
	refs := make([]scim.Ref, 0, len(e.Members))
	for _, id := range e.Members {
		for _, typ := range p.mapping.memberTypes(e.Type) {
			if h := p.held[typ][id]; h != nil {
				refs = append(refs, scim.Ref{Type: typ, ID: h.id})
				break
			}
		}
	}
	slices.SortFunc(refs, compareRefs)
	return slices.Compact(refs)
}

func compareRefs(a, b scim.Ref) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// spoiledIDs are the ids of resources whose entries cannot be used: or may be such, while there
// are entries that cannot be told apart.
func (p *planner) spoiledIDs() map[string]bool {
	ids := map[string]bool{}
	for _, h := range p.faulty {
		if h.state == spoiled {
			ids[h.id] = true
		}
	}
	if p.nameless == 0 {
		return ids
	}
	for _, held := range p.held {
		for _, h := range held {
			if h.state == unseen {
				ids[h.id] = true
			}
		}
	}
	return ids
}

// close takes the compared changes into the plan.
func (p *planner) close(compared []*Change) *Plan {
	for _, c := range compared {
		switch c.Action {
		case "": // there is nothing to do it to
		case settle:
			p.plan.Settled = append(p.plan.Settled, c)
		default:
			p.plan.Changes = append(p.plan.Changes, c)
		}
	}
	slices.SortStableFunc(p.plan.Changes, func(a, b *Change) int {
		return cmp.Compare(p.mapping.rank(a.Type), p.mapping.rank(b.Type))
	})
	p.plan.countPeople(p.mapping)
	return p.plan
}
