package ldapsrc

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	dirsync "rollcall/sync"
)

// What becomes of groups inside groups.
const (
	NestedFlatten = "flatten" // a group's members are the users of it and of the groups in it; the default
	NestedKeep    = "keep"    // a group's members are users and groups
	NestedOff     = "off"     // groups inside groups are left out
)

// roster knows who is a member of what: users first, each in some 60 bytes, then
// groups, then the answer. A member DN is looked up as soon as it is read, so that the
// names of a group of 50,000 are never kept.
type roster struct {
	nested string
	ids    []key           // person -> stable id: the UUID itself, or the key of any other text
	long   map[key]string  // the texts of ids that are no UUIDs
	byID   map[key]int32   // id -> person (>= 0), or group (^n); or idOnly
	byDN   map[key]int32   // DN -> person (>= 0), or group (^n)
	byUID  map[key]int32   // uid -> person, or ambiguous, where groups speak of uids
	bySID  map[key][]int32 // SID of a primary group -> persons
	groups []*group
	lost   map[key]string // member DNs that are no person (perhaps a group, perhaps nobody)
	dns    map[int32]key  // byDN the other way round, once it is needed: see renew
}

type group struct {
	entry   dirsync.Entry
	failed  bool // the entry could not be used: known to its parents, not emitted
	gone    bool // the directory has it no longer: see renew
	persons []int32
	others  []key   // members that were no persons when they were read: keys of lost
	subs    []int32 // of others, once all are read: groups
	nobody  []key   // likewise: what no entry bears
	sid     key
	ranges  []rangeLeft
}

// rangeLeft is a member attribute whose values did not all come.
type rangeLeft struct {
	attribute string
	next      int // 0 where it cannot be told
}

func newRoster(nested string) *roster {
	return &roster{nested: nested, long: map[key]string{}, byID: map[key]int32{},
		byDN: map[key]int32{}, byUID: map[key]int32{}, bySID: map[key][]int32{}, lost: map[key]string{}}
}

// ambiguous stands in byUID for a uid that several people have, in two branches of a tree for
// instance: a memberUid that names it means nobody in particular.
const ambiguous = -1

// claim notes a stable id. It is false for one that an earlier entry has.
func (r *roster) claim(id string) (key, bool) {
	k, isUUID := parseUUID(id)
	if !isUUID || formatUUID(k) != id {
		k = keyOf([]byte(id))
		r.long[k] = id
	}
	if _, taken := r.byID[k]; taken {
		return k, false
	}
	r.byID[k] = idOnly
	return k, true
}

// idOnly stands in byID for the id of an entry that is kept out for its DN.
const idOnly = math.MinInt32

var errDuplicateID = dirsync.EntryError{
	Reason: "an entry before it has the same stable id",
	Remedy: "choose an attribute for externalId that is unique, and look for a base that is read twice",
}

func duplicate(m *mapper, e dirsync.Entry) *dirsync.EntryError {
	err := errDuplicateID
	err.DN, err.ID, err.Attribute = e.DN, e.ID, m.names[m.id]
	return &err
}

// sameDN tells of a second entry with a DN. No directory has two, but a file can; the members
// that the DN names stay those of the first.
func sameDN(e dirsync.Entry) *dirsync.EntryError {
	return &dirsync.EntryError{DN: e.DN, ID: e.ID,
		Reason: "an entry before it has the same DN",
		Remedy: "export the directory again: files that were put together can hold two states of it",
	}
}

// user maps one entry and adds the person. A person whose entry is at fault but whose id is
// known stays a member of groups: the fault is no reason to leave them.
func (r *roster) user(m *mapper, raw *rawEntry) (dirsync.Entry, *dirsync.EntryError) {
	e, fault := m.entry(raw)
	if e.ID == "" {
		return e, fault
	}
	k, ok := r.claim(e.ID)
	if !ok {
		return e, duplicate(m, e)
	}
	dn := keyOf(m.canon)
	if _, taken := r.byDN[dn]; taken {
		return e, sameDN(e)
	}
	n := int32(len(r.ids))
	r.ids = append(r.ids, k)
	r.byDN[dn], r.byID[k] = n, n
	if m.uid >= 0 {
		for _, v := range m.values[m.uid] {
			r.nameUID(uidKey(v), n)
		}
	}
	if m.primaryGroup >= 0 {
		if sid, ok := primarySID(m.values[m.sid], m.values[m.primaryGroup]); ok {
			r.bySID[sid] = append(r.bySID[sid], n)
		}
	}
	return e, fault
}

func (r *roster) nameUID(uid key, n int32) {
	if other, taken := r.byUID[uid]; taken && other != n {
		n = ambiguous
	}
	r.byUID[uid] = n
}

// uidKey folds case: uid is compared so (RFC 4519 §2.39), whatever memberUid says.
func uidKey(v []byte) key { return keyOf([]byte(foldText(string(v)))) }

// primarySID is the SID of the group that a user names by number: the user's own SID
// with its last sub-authority replaced (a SID ends in the number of the account in its
// domain, MS-DTYP §2.4.2).
func primarySID(sid, rid [][]byte) (key, bool) {
	if len(sid) != 1 || len(rid) != 1 || len(sid[0]) < 12 {
		return key{}, false
	}
	n, err := strconv.ParseUint(string(rid[0]), 10, 32)
	if err != nil {
		return key{}, false
	}
	group := binary.LittleEndian.AppendUint32(slices.Clone(sid[0][:len(sid[0])-4]), uint32(n))
	return keyOf(group), true
}

// group maps one entry and keeps the group until all are read. An error is for the
// report; the group it tells of is kept out.
func (r *roster) group(m *mapper, raw *rawEntry) *dirsync.EntryError {
	e, fault := m.entry(raw)
	if len(m.canon) == 0 {
		return fault
	}
	g := &group{entry: e, failed: fault != nil}
	if e.ID != "" {
		k, ok := r.claim(e.ID)
		if !ok {
			return duplicate(m, e)
		}
		r.byID[k] = ^int32(len(r.groups))
	}
	dn := keyOf(m.canon)
	if _, taken := r.byDN[dn]; !taken {
		r.byDN[dn] = ^int32(len(r.groups))
	}
	r.groups = append(r.groups, g)
	if g.failed {
		return fault
	}
	r.fill(m, g)
	return nil
}

// fill takes in the members that the mapper's entry has.
func (r *roster) fill(m *mapper, g *group) {
	if m.sid >= 0 && len(m.values[m.sid]) == 1 {
		g.sid = keyOf(m.values[m.sid][0])
	}
	for _, slot := range m.members {
		r.addMembers(g, m.values[slot])
		if left := m.ranges[slot]; left.partial() {
			if left.first > 0 {
				left.next = 0 // a read begins at 0; this one makes no sense
			}
			g.ranges = append(g.ranges, rangeLeft{m.names[slot], left.next})
		}
	}
	if m.memberUID >= 0 {
		r.addMemberUIDs(g, m.values[m.memberUID])
		if m.ranges[m.memberUID].partial() {
			g.entry.MembersUnknown = true
		}
	}
}

// addMembers resolves member DNs.
func (r *roster) addMembers(g *group, values [][]byte) {
	var canon []byte
	for _, v := range values {
		dn := memberDN(v)
		if dn == "" {
			continue // groupOfNames must have a member; an empty DN is how it has none
		}
		var err error
		canon, err = appendDN(canon[:0], dn)
		if err != nil {
			r.addLost(g, keyOf(v), dn)
			continue
		}
		k := keyOf(canon)
		if n, ok := r.byDN[k]; ok && n >= 0 {
			g.persons = append(g.persons, n)
			continue
		}
		r.addLost(g, k, dn)
	}
}

func (r *roster) addLost(g *group, k key, name string) {
	if _, known := r.lost[k]; !known {
		r.lost[k] = strings.ToValidUTF8(name[:min(len(name), maxDN)], "\uFFFD")
	}
	g.others = append(g.others, k)
}

// memberDN strips the optional unique identifier of uniqueMember (RFC 4517 §3.3.21).
func memberDN(v []byte) string {
	s := string(v)
	if i := strings.LastIndex(s, "#'"); i > 0 && strings.HasSuffix(s, "'B") {
		return s[:i]
	}
	return s
}

func (r *roster) addMemberUIDs(g *group, values [][]byte) {
	for _, v := range values {
		switch n, ok := r.byUID[uidKey(v)]; {
		case ok && n == ambiguous:
			g.entry.MembersUnknown = true // nobody joins by that name, and nobody has to leave
		case ok:
			g.persons = append(g.persons, n)
		default:
			r.addLost(g, keyOf(append([]byte("uid:"), v...)), "uid="+string(v))
		}
	}
}

// unfinished lists the groups of which members are still to be fetched.
func (r *roster) unfinished() []*group {
	var list []*group
	for _, g := range r.groups {
		if len(g.ranges) > 0 {
			list = append(list, g)
		}
	}
	return list
}

// link sorts out, once every entry was read, what members that were no persons are.
func (r *roster) link() {
	for _, g := range r.groups {
		r.linkOne(g)
	}
}

func (r *roster) linkOne(g *group) {
	for _, k := range g.others {
		n, known := r.byDN[k]
		switch {
		case !known:
			g.nobody = append(g.nobody, k)
		case n >= 0:
			g.persons = append(g.persons, n)
		default:
			g.subs = append(g.subs, ^n)
		}
	}
	g.others = nil
}

// entries are the groups, in the order in which they were read, members resolved. It
// is called once all are read.
func (r *roster) entries() iter.Seq[dirsync.Entry] {
	return func(yield func(dirsync.Entry) bool) {
		r.link()
		w := &walk{roster: r, person: make([]bool, len(r.ids)), group: make([]int32, len(r.groups))}
		for i, g := range r.groups {
			if g.failed || g.gone {
				continue
			}
			w.turn = int32(i) + 1
			if !yield(w.resolve(int32(i))) {
				return
			}
		}
	}
}

// walk follows groups into groups. A group that was met before in the same turn is not
// entered again, which is all that a cycle needs. It keeps its own stack: the depth
// is the directory's to choose.
type walk struct {
	*roster
	turn    int32
	person  []bool  // is a member, in this turn
	found   []int32 // the persons so marked
	group   []int32 // turn in which the group was met
	stack   []int32
	unknown bool
}

func (w *walk) resolve(n int32) dirsync.Entry {
	w.found, w.unknown = w.found[:0], false
	w.stack = append(w.stack[:0], n)
	w.group[n] = w.turn
	for len(w.stack) > 0 {
		last := len(w.stack) - 1
		g := w.groups[w.stack[last]]
		w.stack = w.stack[:last]
		w.visit(g)
	}
	g := w.groups[n]
	e := g.entry
	e.Members = w.memberIDs(g)
	e.MembersUnknown = w.unknown
	// A nested group's strays are its own to report.
	for _, k := range g.nobody {
		e.Dangling = append(e.Dangling, w.lost[k])
	}
	slices.Sort(e.Dangling)
	e.Dangling = slices.Compact(e.Dangling)
	return e
}

// visit takes in the members of one group.
func (w *walk) visit(g *group) {
	w.unknown = w.unknown || g.failed || g.entry.MembersUnknown || len(g.ranges) > 0
	for _, p := range g.persons {
		w.mark(p)
	}
	if g.sid != (key{}) {
		for _, p := range w.bySID[g.sid] {
			w.mark(p)
		}
	}
	if w.nested != NestedFlatten {
		return
	}
	for _, sub := range g.subs {
		if w.group[sub] != w.turn {
			w.group[sub] = w.turn
			w.stack = append(w.stack, sub)
		}
	}
}

func (w *walk) mark(p int32) {
	if !w.person[p] {
		w.person[p] = true
		w.found = append(w.found, p)
	}
}

// memberIDs clears the marks and gives the ids in order.
func (w *walk) memberIDs(g *group) []string {
	ids := make([]string, 0, len(w.found))
	for _, p := range w.found {
		w.person[p] = false
		ids = append(ids, w.idText(w.ids[p]))
	}
	if w.nested == NestedKeep {
		for _, sub := range g.subs {
			if w.groups[sub].gone {
				continue
			}
			id := w.groups[sub].entry.ID
			if id == "" {
				w.unknown = true // a group that cannot be named
				continue
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (r *roster) idText(k key) string {
	if s, ok := r.long[k]; ok {
		return s
	}
	return formatUUID(k)
}
