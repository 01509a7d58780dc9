package ldapsrc

import (
	"maps"
	"slices"

	"rollcall/scim"
	dirsync "rollcall/sync"
)

// renewal brings a roster that has been linked up to date with entries that were read anew, and collects
// what has to be told of: those entries, and every group whose members are others now. People who left
// and groups that left come first, then people, then groups, then tell.
type renewal struct {
	*roster
	users   []dirsync.Entry
	faults  []*dirsync.EntryError
	gone    []scim.Ref
	touched map[int32]bool // groups to tell of
	stale   map[int32]bool // groups to read anew: they named somebody who was not there, and who is now
	read    []int32        // groups that were read
}

func (r *roster) renew() *renewal {
	return &renewal{roster: r, touched: map[int32]bool{}, stale: map[int32]bool{}}
}

// keyOfID is the key that claim gave an id.
func keyOfID(id string) key {
	if k, isUUID := parseUUID(id); isUUID && formatUUID(k) == id {
		return k
	}
	return keyOf([]byte(id))
}

// known tells whether an entry with the id is in scope, as far as the roster knows.
func (r *roster) known(id string) bool {
	n, ok := r.byID[keyOfID(id)]
	return ok && n != idOnly
}

// leave takes out an entry that the directory has no longer.
func (r *renewal) leave(id string) {
	k := keyOfID(id)
	n, ok := r.byID[k]
	if !ok || n == idOnly {
		return
	}
	delete(r.byID, k)
	dn, named := r.forgetDN(n)
	if n < 0 {
		r.gone = append(r.gone, scim.Ref{Type: "Group", ID: id})
		r.touched[^n] = true
		r.groups[^n] = &group{gone: true}
		return
	}
	r.gone = append(r.gone, scim.Ref{Type: "User", ID: id})
	for i, g := range r.groups {
		if at := slices.Index(g.persons, n); at >= 0 {
			// The DN may still be there, and somebody else may come to bear it.
			g.persons = slices.Delete(g.persons, at, at+1)
			if named {
				r.lost[dn] = "(an entry that is gone)"
				g.nobody = append(g.nobody, dn)
			}
			r.touched[int32(i)] = true
		}
	}
	r.leavePrimary(n, key{})
}

// forgetDN takes the DN away from an entry.
func (r *renewal) forgetDN(n int32) (dn key, had bool) {
	if dn, had = r.names()[n]; had {
		delete(r.dns, n)
		delete(r.byDN, dn)
	}
	return dn, had
}

// name gives a DN to an entry.
func (r *renewal) name(dn key, n int32) {
	has, taken := r.byDN[dn]
	if taken && has == n {
		return
	}
	r.forgetDN(n)
	if taken {
		delete(r.dns, has)
	}
	r.byDN[dn], r.dns[n] = n, dn
	r.appear(dn)
}

// names are the DNs of entries. The first renewal that asks makes them, since a source that is not followed
// has no need of them.
func (r *roster) names() map[int32]key {
	if r.dns == nil {
		r.dns = make(map[int32]key, len(r.byDN))
		for dn, n := range r.byDN {
			r.dns[n] = dn
		}
	}
	return r.dns
}

// appear finds the groups that named somebody who was not there. Whether they still do, the directory has
// to say: the entry that has the DN now may be another one, and some servers take a DN out of groups without
// a word.
func (r *renewal) appear(name key) {
	for i, g := range r.groups {
		if slices.Contains(g.nobody, name) {
			r.stale[int32(i)] = true
		}
	}
}

// staleIDs are the stable ids of the groups to read anew that were not read.
func (r *renewal) staleIDs() (ids []string) {
	for _, i := range slices.Sorted(maps.Keys(r.stale)) {
		if g := r.groups[i]; !slices.Contains(r.read, i) && g.entry.ID != "" {
			ids = append(ids, g.entry.ID)
		}
	}
	return ids
}

// user takes one person that was read.
func (r *renewal) user(m *mapper, raw *rawEntry) {
	e, fault := m.entry(raw)
	if fault != nil {
		r.faults = append(r.faults, fault)
	}
	if e.ID == "" || len(m.canon) == 0 {
		return
	}
	k := keyOfID(e.ID)
	n, known := r.byID[k]
	if !known || n == idOnly {
		r.claim(e.ID)
		n = int32(len(r.ids))
		r.ids = append(r.ids, k)
		r.byID[k] = n
	} else if n < 0 {
		r.faults = append(r.faults, duplicate(m, e))
		return
	}
	r.name(keyOf(m.canon), n)
	if m.uid >= 0 {
		for _, v := range m.values[m.uid] {
			if uid := uidKey(v); r.byUID[uid] != n {
				r.nameUID(uid, n)
				r.appear(keyOf(append([]byte("uid:"), v...)))
			}
		}
	}
	if m.primaryGroup >= 0 {
		if sid, ok := primarySID(m.values[m.sid], m.values[m.primaryGroup]); ok {
			r.primary(sid, n)
		}
	}
	if fault == nil {
		r.users = append(r.users, e)
	}
}

// primary makes a person a member of the group with a SID, and of no other one by its primary group.
func (r *renewal) primary(sid key, n int32) {
	if slices.Contains(r.bySID[sid], n) {
		return
	}
	r.leavePrimary(n, sid)
	r.bySID[sid] = append(r.bySID[sid], n)
	r.touchSID(sid)
}

func (r *renewal) leavePrimary(n int32, but key) {
	for sid, persons := range r.bySID {
		if at := slices.Index(persons, n); at >= 0 && sid != but {
			r.bySID[sid] = slices.Delete(persons, at, at+1)
			r.touchSID(sid)
		}
	}
}

func (r *renewal) touchSID(sid key) {
	for i, g := range r.groups {
		if g.sid == sid {
			r.touched[int32(i)] = true
		}
	}
}

// group takes one group that was read. One with a fault stays as it was.
func (r *renewal) group(m *mapper, raw *rawEntry) {
	e, fault := m.entry(raw)
	if fault != nil {
		r.faults = append(r.faults, fault)
		return
	}
	k := keyOfID(e.ID)
	n, known := r.byID[k]
	switch {
	case !known || n == idOnly:
		r.claim(e.ID)
		n = ^int32(len(r.groups))
		r.byID[k] = n
		r.groups = append(r.groups, nil)
	case n >= 0:
		r.faults = append(r.faults, duplicate(m, e))
		return
	}
	g := &group{entry: e}
	r.groups[^n] = g
	r.fill(m, g)
	r.name(keyOf(m.canon), n)
	r.touched[^n] = true
	r.read = append(r.read, ^n)
}

// tell ends the renewal.
func (r *renewal) tell() *dirsync.Delta {
	for _, i := range r.read {
		r.linkOne(r.groups[i])
	}
	if r.nested == NestedFlatten {
		r.touchParents()
	}
	d := &dirsync.Delta{Entries: r.users, Faults: r.faults, Gone: r.gone}
	w := &walk{roster: r.roster, person: make([]bool, len(r.ids)), group: make([]int32, len(r.groups))}
	for _, i := range slices.Sorted(maps.Keys(r.touched)) {
		if g := r.groups[i]; g.failed || g.gone {
			continue
		}
		w.turn = i + 1
		e := w.resolve(i)
		d.Entries = append(d.Entries, e)
		if e.MembersUnknown {
			d.Faults = append(d.Faults, unknownMembers(e))
		}
	}
	return d
}

// touchParents adds the groups that have a touched one in them, however deep.
func (r *renewal) touchParents() {
	for again := true; again; {
		again = false
		for i, g := range r.groups {
			if !r.touched[int32(i)] && slices.ContainsFunc(g.subs, func(sub int32) bool { return r.touched[sub] }) {
				r.touched[int32(i)], again = true, true
			}
		}
	}
}
