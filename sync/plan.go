package sync

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/scim"
)

// Plan is what a run is about to do. Making it writes nothing.
type Plan struct {
	Types map[string]*TypeCount
	// DisabledBySource counts people whom the source itself tells to be disabled.
	DisabledBySource int
	// Changes are those of users, then those of groups, each in the order of the source, with
	// what is missing behind.
	Changes []*Change
	people  int    // how many of Changes come before those that are packed
	packed  packed // more creations
	// Settled are resources that are already as they should be, but whose mark is not.
	Settled []*Change
	Missing []Missing // in order of type and externalId
	Planned Tally
	// Canaries are those of the policy's names of which an entry was seen, by canaryKey.
	Canaries map[string]bool
	// Protected are the resources, by type and externalId, that a name in Policy.Protect stands
	// for, with that name: also those that were seen in an earlier run alone.
	Protected map[scim.Ref]string
	// Branches counts the people of the source, and BranchesBefore those of the last
	// whole run.
	Branches, BranchesBefore branchCounts
	// StillMissing are those of before that a run of what changed did not hear of, by the runs.
	StillMissing map[scim.Ref]int
	// Mapped are groups, by id, that name LDAP groups which the source has.
	Mapped map[scim.Ref]string
}

// TypeCount counts the entries and the owned resources of one type.
type TypeCount struct {
	Seen      int // usable entries
	Unchanged int // of those, as they were last applied
	Present   int // owned resources that the last run still found in the source
	Missing   int // of those, missing now
	Gone      int // owned resources that were missing before, and have been dealt with
}

// Action is what a change does to its resource.
type Action string

const (
	Create  Action = "create"
	Update  Action = "update"
	Members Action = "members" // an update of a group's members alone
	Disable Action = "disable"
	Enable  Action = "enable"
	Delete  Action = "delete"
	settle  Action = "settle" // nothing but the mark
)

// Change is one change of one resource.
type Change struct {
	Action     Action       `json:"action"`
	Type       string       `json:"type"`
	ID         string       `json:"id"`
	ExternalID string       `json:"externalId"`
	DN         string       `json:"dn,omitempty"` // "" for what the source no longer has
	Name       string       `json:"name"`         // userName or displayName
	Attributes []Difference `json:"attributes,omitempty"`

	MembersBefore  int `json:"membersBefore,omitempty"`
	MembersAdded   int `json:"membersAdded,omitempty"`
	MembersRemoved int `json:"membersRemoved,omitempty"`
	// Added and Removed are ids of the first MaxMembers of each, in a report.
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`

	// Mapped: the members are those of LDAP groups that the group names, and not of its own entry.
	Mapped bool `json:"mapped,omitempty"`

	Error string `json:"error,omitempty"` // why it could not be applied

	// What follows is for applying it, and in no report.
	want    json.RawMessage // the attributes that the source has; nil where it is missing
	managed map[string]bool // as the planner's; nil where no group gives roles
	overdue bool            // it is missing, and its time of grace is over
	mark    string          // to be stored with it; "" for none
	before  string          // the mark that was stored
	members []scim.Ref      // those the group should have, sorted; nil once compared
	whole   bool            // members is all of them
	add     []scim.Ref
	remove  []scim.Ref
	nests   bool   // some of add are groups themselves
	counted bool   // it is in the report's tally
	unsure  bool   // a commit of it ended without an answer
	packed  int    // its number among those that are packed; 0 for others
	stored  string // the mark that was stored with it; "" for none
}

// Difference is one attribute before and after. Old or New is empty where the attribute
// was not, or will not be, there.
type Difference struct {
	Path string          `json:"path"`
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

func (c *Change) ref() scim.Ref { return scim.Ref{Type: c.Type, ID: c.ID} }

// changesOfExisting counts the changes that are no creations.
func (p *Plan) changesOfExisting() int { return p.count() - p.Planned.Created }

// count adds a change to a tally.
func (t *Tally) count(a Action) {
	switch a {
	case Create:
		t.Created++
	case Update, Members:
		t.Updated++
	case Disable:
		t.Disabled++
	case Enable:
		t.Enabled++
	case Delete:
		t.Deleted++
	}
}

// tally counts the planned changes of one type.
func (p *Plan) tally(typ string) Tally {
	var t Tally
	for _, c := range p.Changes {
		if c.Type == typ {
			t.count(c.Action)
		}
	}
	if typ == "User" { // what is packed has no members
		t.Created += p.packed.count()
	}
	return t
}

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

// recognise notes an entry that the policy names: a canary, or a protected account.
func (p *planner) recognise(e *Entry) {
	for _, text := range []any{e.DN, e.ID, e.Attributes["userName"], e.Attributes["displayName"]} {
		text, _ := text.(string)
		name, ok := p.names[canaryKey(text)]
		if text == "" || !ok {
			continue
		}
		p.plan.Canaries[canaryKey(text)] = true
		if slices.Contains(p.policy.Protect, name) {
			p.plan.Protected[scim.Ref{Type: e.Type, ID: e.ID}] = name
		}
	}
	if active, ok := e.Attributes["active"].(bool); ok && !active && p.protects(e.Type, e.ID, "") {
		e.Attributes = maps.Clone(e.Attributes)
		delete(e.Attributes, "active") // the source's word does not disable it
	}
}

// protects tells whether a resource is one that no run disables or deletes.
func (p *planner) protects(typ, externalID, name string) bool {
	if p.plan.Protected[scim.Ref{Type: typ, ID: externalID}] != "" {
		return true
	}
	return slices.ContainsFunc(p.policy.Protect, func(n string) bool {
		key := canaryKey(n)
		return key == canaryKey(externalID) || name != "" && key == canaryKey(name)
	})
}

// canaryKey is what names of entries in the policy are compared by. Of a DN, space around
// commas does not count; as a DN it is otherwise taken as the directory writes it.
func canaryKey(name string) string {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(name)), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
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

// missing deals with what is owned and has no entry.
func (p *planner) missing(typ string) {
	count := p.plan.Types[typ]
	held := p.held[typ]
	for _, id := range slices.Sorted(maps.Keys(held)) {
		h := held[id]
		switch {
		case isMissing(h.mark) && h.state != unseen:
			count.Gone-- // it is back
		case h.state == unseen && !isMissing(h.mark):
			count.Missing++
			p.miss(scim.Ref{Type: typ, ID: id}, h)
		case h.state == unseen && p.overdue(h.mark) && !p.protects(typ, id, ""):
			p.open = append(p.open, &Change{Type: typ, ID: h.id, ExternalID: id, before: h.mark, overdue: true})
		}
	}
}

// miss counts one more run in which a resource (named by its externalId) is missing, and
// plans what is to be done when it were enough. While there are entries that cannot even be
// told apart, anybody may be one of them: then nobody is disabled.
func (p *planner) miss(key scim.Ref, h *holding) {
	runs := p.past.missing[key]
	if p.nameless == 0 {
		runs++
	}
	m := Missing{Type: key.Type, ID: h.id, ExternalID: key.ID, Runs: runs, Protected: p.protects(key.Type, key.ID, "")}
	p.plan.Missing = append(p.plan.Missing, m)
	if runs < p.policy.MissingRuns || m.Protected {
		return
	}
	p.open = append(p.open, &Change{Type: key.Type, ID: h.id, ExternalID: key.ID, before: h.mark, mark: missingMark(runs, p.now)})
}

// overdue tells whether the time of grace is over of what was dealt with as missing. Like
// disabling, deleting waits while there are entries that cannot be told apart.
func (p *planner) overdue(mark string) bool {
	since, ok := missingSince(mark)
	return ok && p.policy.DeleteAfter > 0 && p.policy.OnMissing != Keep && p.nameless == 0 &&
		!p.now.Before(since.Add(p.policy.DeleteAfter))
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

func (p *Plan) countPeople(m *mapping) {
	p.people = slices.IndexFunc(p.Changes, func(c *Change) bool { return m.rank(c.Type) > 0 })
	if p.people < 0 {
		p.people = len(p.Changes)
	}
}

// drop takes out the changes that cannot be applied, and the members that will not be made,
// and counts what remains.
func (p *Plan) drop(m *mapping, lost map[string]bool) {
	p.Changes = slices.DeleteFunc(p.Changes, func(c *Change) bool { return c.Error != "" })
	p.countPeople(m)
	p.Planned, p.DisabledBySource = Tally{Created: p.packed.count()}, 0
	for _, c := range p.Changes {
		if len(lost) > 0 && len(c.add) > 0 {
			c.add = slices.DeleteFunc(c.add, func(ref scim.Ref) bool { return lost[ref.ID] })
			c.MembersAdded = len(c.add)
		}
		p.Planned.count(c.Action)
		p.Planned.MembersAdded += c.MembersAdded
		p.Planned.MembersRemoved += c.MembersRemoved
		if c.Action == Disable && c.want != nil {
			p.DisabledBySource++
		}
	}
}
