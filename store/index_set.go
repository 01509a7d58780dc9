package store

import "math/bits"

// set is a set of rows, one bit each.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) has(row uint32) bool {
	return int(row/64) < len(s) && s[row/64]&(1<<(row%64)) != 0
}

func (s set) add(row uint32) { s[row/64] |= 1 << (row % 64) }

func (s *set) put(row uint32, in bool) {
	for len(*s) <= int(row/64) {
		*s = append(*s, 0)
	}
	if in {
		(*s)[row/64] |= 1 << (row % 64)
	} else {
		(*s)[row/64] &^= 1 << (row % 64)
	}
}

func (s set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) each(fn func(row uint32)) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			fn(uint32(i*64 + bits.TrailingZeros64(w)))
		}
	}
}

// combine makes a set of two of the same length, word by word.
func combine(a, b set, f func(x, y uint64) uint64) set {
	out := make(set, len(a))
	for i := range out {
		out[i] = f(a[i], b[i])
	}
	return out
}

func and(x, y uint64) uint64    { return x & y }
func or(x, y uint64) uint64     { return x | y }
func andNot(x, y uint64) uint64 { return x &^ y }
