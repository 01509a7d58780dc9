package sync

import (
	"encoding/json"
	"slices"

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
