package store

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"rollcall/scim"
)

// table is the rows of one resource type: what lists are filtered and sorted by, without
// documents. A row has a number, its ordinal, which is given to another when it is gone.
type table struct {
	typ      *scim.ResourceType
	live     set
	n        int // rows that are live
	free     []uint32
	ids      [][16]byte
	oddIDs   map[uint32]string // those that are no UUID in lower case
	version  []uint64
	modified []int64 // ms
	columns  []*column
	// active and inactive are rows that have the attribute so.
	active, inactive set
	activePath       *scim.Path
	byID, byModified *order
	names            map[string]*spot

	seed  maphash.Seed
	slots []uint32 // ordinal + 1 by hash of id; gone for one that was removed
	used  int      // slots that are not 0
}

const gone = ^uint32(0)

// columnPaths are the attributes that are indexed where a type has them.
var columnPaths = []struct {
	name       string
	dict, sort bool
}{
	{"userName", false, true}, {"displayName", false, true}, {"externalId", false, true},
	{"name.familyName", true, true}, {"userType", true, false}, {"emails.value", false, true}, {"roles.value", true, false},
}

func newTable(t *scim.ResourceType) *table {
	b := &table{typ: t, oddIDs: map[uint32]string{}, seed: maphash.MakeSeed(), slots: make([]uint32, 64)}
	b.byID = &order{compare: b.compareIDs}
	b.byModified = &order{compare: func(x, y uint32) int {
		if c := cmp.Compare(b.modified[x], b.modified[y]); c != 0 {
			return c
		}
		return b.compareIDs(x, y)
	}}
	for _, p := range columnPaths {
		path, err := t.Find(p.name)
		if err != nil || path.Attr == nil || path.Extension != nil {
			continue
		}
		leaf := cmp.Or(path.Sub, path.Attr)
		multi := strings.HasSuffix(p.name, ".value")
		if leaf.Type == "string" && leaf.MultiValued == (multi && path.Sub == nil) && path.Attr.MultiValued == multi {
			b.addColumn(path, p.dict, p.sort)
		}
	}
	for _, path := range t.Indexed {
		b.addColumn(path, true, true)
	}
	if p, err := t.Find("active"); err == nil && p.Extension == nil && p.Sub == nil && p.Attr != nil && p.Attr.Type == "boolean" && !p.Attr.MultiValued {
		b.activePath = p
	}
	b.names = b.spots()
	return b
}

// addColumn indexes an attribute that scim.ResourceType.IndexPath allows.
func (b *table) addColumn(path *scim.Path, dict, sort bool) {
	c := &column{name: path.String(), path: path, kind: "string", multi: path.Attr.MultiValued, long: map[uint32]bool{}, odd: map[uint32]bool{}}
	if b.column(c.name) != nil {
		return
	}
	switch typ := cmp.Or(path.Sub, path.Attr).Type; typ {
	case "integer", "decimal":
		c.kind = "number"
	case "boolean", "dateTime":
		c.kind = typ
	}
	if dict {
		c.dict = map[string]uint32{}
	}
	if sort {
		c.order = &order{key: c.key, compare: func(x, y uint32) int {
			if c := c.compareKeys(x, y); c != 0 {
				return c
			}
			return b.compareIDs(x, y)
		}}
	}
	b.columns = append(b.columns, c)
}

func (b *table) column(name string) *column {
	for _, c := range b.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// id is the id of a row.
func (b *table) id(ord uint32) string {
	if s, odd := b.oddIDs[ord]; odd {
		return s
	}
	return UnpackID(b.ids[ord][:])
}

func (b *table) compareIDs(x, y uint32) int {
	if len(b.oddIDs) > 0 {
		_, oddX := b.oddIDs[x]
		_, oddY := b.oddIDs[y]
		if oddX || oddY {
			return cmp.Compare(b.id(x), b.id(y))
		}
	}
	return bytes.Compare(b.ids[x][:], b.ids[y][:])
}

// slot is where an id stands, or may be put.
func (b *table) slot(id string) (at int, ord uint32, found bool) {
	at = -1
	raw, packed := PackID(id)
	mask := len(b.slots) - 1
	for i := int(maphash.String(b.seed, id)) & mask; ; i = (i + 1) & mask {
		switch s := b.slots[i]; {
		case s == 0:
			if at < 0 {
				at = i
			}
			return at, 0, false
		case s == gone:
			if at < 0 {
				at = i
			}
		case packed && b.ids[s-1] == raw && !b.odd(s-1), !packed && b.oddIDs[s-1] == id:
			return i, s - 1, true
		}
	}
}

// odd tells of a row whose id is no UUID in lower case.
func (b *table) odd(ord uint32) bool {
	_, odd := b.oddIDs[ord]
	return odd
}

// rehash makes room, and sweeps out what was removed.
func (b *table) rehash() {
	size := 64
	for size < 2*(b.n+1) {
		size *= 2
	}
	b.slots, b.used = make([]uint32, size), 0
	b.live.each(func(ord uint32) {
		at, _, _ := b.slot(b.id(ord))
		b.slots[at] = ord + 1
		b.used++
	})
}

// row is what a resource comes to.
type row struct {
	id       string
	version  scim.Version
	modified time.Time
	cells    []cell
	active   string // "", "0" or "1"
}

func (b *table) row(r *scim.Resource) *row {
	out := &row{id: r.ID, version: r.Version, modified: r.LastModified}
	for _, c := range b.columns {
		out.cells = append(out.cells, c.cell(r))
	}
	if b.activePath != nil {
		out.active, _ = b.activePath.SortKey(r)
	}
	return out
}

func (b *table) orders() []*order {
	list := []*order{b.byID, b.byModified}
	for _, c := range b.columns {
		if c.order != nil {
			list = append(list, c.order)
		}
	}
	return list
}

// put adds or replaces a row. Orders are left alone while loading: build sorts them.
func (b *table) put(r *row, loading bool) {
	at, ord, found := b.slot(r.id)
	switch {
	case found && !loading:
		for _, o := range b.orders() {
			o.remove(ord)
		}
	case !found:
		if n := len(b.free); n > 0 {
			ord, b.free = b.free[n-1], b.free[:n-1]
		} else {
			ord = uint32(len(b.ids))
			b.ids, b.version, b.modified = append(b.ids, [16]byte{}), append(b.version, 0), append(b.modified, 0)
		}
		raw, packed := PackID(r.id)
		if b.ids[ord] = raw; !packed {
			b.oddIDs[ord] = r.id
		}
		if b.slots[at] == 0 {
			b.used++
		}
		b.slots[at] = ord + 1
		b.live.put(ord, true)
		b.n++
	}
	b.version[ord], b.modified[ord] = uint64(r.version), r.modified.UnixMilli()
	for i, c := range b.columns {
		c.set(ord, r.cells[i])
	}
	b.active.put(ord, r.active == "1")
	b.inactive.put(ord, r.active == "0")
	if !loading {
		for _, o := range b.orders() {
			o.insert(ord)
		}
	}
	if 3*b.used > 2*len(b.slots) {
		b.rehash()
	}
}

func (b *table) remove(id string, loading bool) {
	at, ord, found := b.slot(id)
	if !found {
		return
	}
	if !loading {
		for _, o := range b.orders() {
			o.remove(ord)
		}
	}
	for _, c := range b.columns {
		c.clear(ord)
	}
	b.slots[at] = gone
	b.live.put(ord, false)
	b.active.put(ord, false)
	b.inactive.put(ord, false)
	delete(b.oddIDs, ord)
	b.free = append(b.free, ord)
	b.n--
}

// tight is a slice without the room that it was given for growing, where that is much.
func tight[E any](s []E) []E {
	if cap(s)-len(s) <= len(s)/16 {
		return s
	}
	return append(make([]E, 0, len(s)+len(s)/32), s...)
}

// build gives back what loading left over, and sorts every order, all at once.
func (b *table) build() {
	b.ids, b.version, b.modified = tight(b.ids), tight(b.version), tight(b.modified)
	for _, c := range b.columns {
		c.at, c.codes, c.arena = tight(c.at), tight(c.codes), tight(c.arena)
	}
	if b.byID.key = nil; len(b.oddIDs) == 0 {
		b.byID.key = func(ord uint32) ([]byte, bool) { return b.ids[ord][:], true }
	}
	rows := make([]uint32, 0, b.n)
	b.live.each(func(ord uint32) { rows = append(rows, ord) })
	var wait sync.WaitGroup
	for _, o := range b.orders() {
		wait.Go(func() { o.build(rows) })
	}
	wait.Wait()
}

func (b *table) ref(ord uint32) scim.Ref { return scim.Ref{Type: b.typ.Name, ID: b.id(ord)} }
