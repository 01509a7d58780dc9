package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
)

// order is a counted list of rows: by rank and back, insertion in the square root of its length.
type order struct {
	compare func(a, b uint32) int // total: no two rows are equal
	// key, where not nil, is what compare goes by first: its bytes, those without one last.
	key    func(row uint32) ([]byte, bool)
	chunks [][]uint32
	n      int
}

const chunkSize = 512

// build sorts all rows at once.
func (o *order) build(rows []uint32) {
	rows = o.sorted(rows)
	o.chunks, o.n = nil, len(rows)
	for part := range slices.Chunk(rows, chunkSize*3/4) {
		o.chunks = append(o.chunks, append(make([]uint32, 0, len(part)), part...))
	}
}

// sorted is the rows in order. Most are told apart by eight bytes of their keys, behind what all keys
// begin with: numbers beside the rows, where a comparison costs next to nothing.
func (o *order) sorted(rows []uint32) []uint32 {
	rows = slices.Clone(rows)
	if o.key == nil {
		slices.SortFunc(rows, o.compare)
		return rows
	}
	common := o.common(rows)
	type keyed struct {
		key uint64
		row uint32
	}
	list := make([]keyed, len(rows))
	for i, row := range rows {
		list[i] = keyed{^uint64(0), row} // without a key it is last: no text begins so
		if key, ok := o.key(row); ok {
			var head [8]byte
			copy(head[:], key[min(common, len(key)):])
			list[i].key = binary.BigEndian.Uint64(head[:])
		}
	}
	slices.SortFunc(list, func(x, y keyed) int {
		if x.key != y.key {
			return cmp.Compare(x.key, y.key)
		}
		return o.compare(x.row, y.row)
	})
	for i := range list {
		rows[i] = list[i].row
	}
	return rows
}

// common is the length of what all keys begin with.
func (o *order) common(rows []uint32) int {
	var first []byte
	for _, row := range rows {
		key, ok := o.key(row)
		switch {
		case !ok:
		case first == nil:
			first = key
		default:
			n := 0
			for n < min(len(first), len(key)) && first[n] == key[n] {
				n++
			}
			first = first[:n]
		}
	}
	return len(first)
}

// find is where a row stands, or would.
func (o *order) find(row uint32) (chunk, at int) {
	chunk = max(0, sort.Search(len(o.chunks), func(i int) bool { return o.compare(o.chunks[i][0], row) > 0 })-1)
	if len(o.chunks) == 0 {
		return 0, 0
	}
	at = sort.Search(len(o.chunks[chunk]), func(i int) bool { return o.compare(o.chunks[chunk][i], row) >= 0 })
	return chunk, at
}

func (o *order) insert(row uint32) {
	o.n++
	if len(o.chunks) == 0 {
		o.chunks = [][]uint32{{row}}
		return
	}
	chunk, at := o.find(row)
	c := slices.Insert(o.chunks[chunk], at, row)
	o.chunks[chunk] = c
	if len(c) > chunkSize {
		half := slices.Clone(c[chunkSize/2:])
		o.chunks[chunk] = c[:chunkSize/2]
		o.chunks = slices.Insert(o.chunks, chunk+1, half)
	}
}

// remove takes a row out, by what it still sorts by.
func (o *order) remove(row uint32) {
	if len(o.chunks) == 0 {
		return
	}
	chunk, at := o.find(row)
	c := o.chunks[chunk]
	if at >= len(c) || c[at] != row {
		return
	}
	o.n--
	if len(c) == 1 {
		o.chunks = slices.Delete(o.chunks, chunk, chunk+1)
		return
	}
	o.chunks[chunk] = slices.Delete(c, at, at+1)
}

// at is the row of a rank.
func (o *order) at(rank int) uint32 {
	for _, c := range o.chunks {
		if rank < len(c) {
			return c[rank]
		}
		rank -= len(c)
	}
	panic("store: a rank beyond the order")
}

// slice lists the rows of the ranks from one to before another.
func (o *order) slice(from, to int) []uint32 {
	rows := make([]uint32, 0, max(to-from, 0))
	for _, c := range o.chunks {
		if len(rows) == cap(rows) {
			break
		}
		if from < len(c) {
			rows = append(rows, c[from:min(len(c), from+cap(rows)-len(rows))]...)
		}
		from = max(from-len(c), 0)
	}
	return rows
}

// span calls fn with the rows from the first for which from holds to the one before the
// first for which to holds. Both hold for all rows behind one for which they hold.
func (o *order) span(from, to func(row uint32) bool, fn func(row uint32)) {
	first, at := o.first(from)
	last, end := o.first(to)
	for chunk := first; chunk <= last && chunk < len(o.chunks); chunk++ {
		c := o.chunks[chunk]
		if chunk == last {
			c = c[:end]
		}
		for ; at < len(c); at++ {
			fn(c[at])
		}
		at = 0
	}
}

// first is where the first row is for which behind holds: it does for all rows behind that.
func (o *order) first(behind func(row uint32) bool) (chunk, at int) {
	chunk = max(0, sort.Search(len(o.chunks), func(i int) bool { return behind(o.chunks[i][0]) })-1)
	if chunk < len(o.chunks) {
		at = sort.Search(len(o.chunks[chunk]), func(i int) bool { return behind(o.chunks[chunk][i]) })
	}
	return chunk, at
}

// each calls fn with every row in order.
func (o *order) each(fn func(row uint32)) {
	for _, c := range o.chunks {
		for _, row := range c {
			fn(row)
		}
	}
}

// matching lists those rows of a set that are the from-th to before the to-th of it, in order.
func (o *order) matching(s set, from, to int) []uint32 {
	rows := make([]uint32, 0, max(to-from, 0))
	for _, c := range o.chunks {
		for _, row := range c {
			switch {
			case !s.has(row):
			case from > 0:
				from--
			case len(rows) == cap(rows):
				return rows
			default:
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// sequence is rows in the order of a query.
type sequence struct {
	n  int
	at func(i int) uint32
}

// descending turns a sequence around, where rows with the same key keep their order.
func (s sequence) descending(same func(a, b uint32) bool) sequence {
	return sequence{s.n, func(i int) uint32 {
		back := s.n - 1 - i
		row := s.at(back)
		lo := sort.Search(back, func(j int) bool { return same(s.at(j), row) })
		hi := back + 1 + sort.Search(s.n-back-1, func(j int) bool { return !same(s.at(back+1+j), row) })
		return s.at(lo + i - (s.n - hi))
	}}
}
