package sync

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
	"slices"
)

// A first run creates everybody, and its plan is judged before anything of it is applied: so all of
// it is in memory at once. Creations of what has no members are therefore packed, beyond the
// first MaxChanges, which the report shows: written one behind the other, in compressed blocks.

// packBlock is how many creations one block has.
const packBlock = 512

// packed are creations in the order in which they were added.
type packed struct {
	blocks  []block
	open    bytes.Buffer // the block that is not full yet
	n       int          // creations in all
	writer  *flate.Writer
	managed map[string]bool
	lost    map[int]bool // numbers of those that cannot be applied
}

// block is packBlock creations, compressed, and how long they are.
type block struct {
	text []byte
	size int
}

func (p *packed) add(c *Change) {
	for _, text := range []string{c.Type, c.ID, c.ExternalID, c.DN, c.Name, c.mark} {
		p.field(text)
	}
	p.field(string(c.want))
	p.managed = c.managed // the same for all: a type with roles is one alone
	if p.n++; p.n%packBlock == 0 {
		p.close()
	}
}

func (p *packed) field(text string) {
	var n [binary.MaxVarintLen64]byte
	p.open.Write(n[:binary.PutUvarint(n[:], uint64(len(text)))])
	p.open.WriteString(text)
}

func (p *packed) close() {
	var text bytes.Buffer
	if p.writer == nil {
		p.writer, _ = flate.NewWriter(&text, flate.BestSpeed) // a level that exists
	} else {
		p.writer.Reset(&text)
	}
	// Neither fails: what they write to is memory.
	_, _ = p.writer.Write(p.open.Bytes())
	_ = p.writer.Close()
	p.blocks = append(p.blocks, block{bytes.Clone(text.Bytes()), p.open.Len()})
	p.open.Reset()
}

// all yields the creations that can be applied, each as a change of its own.
func (p *packed) all() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		number := 0
		for i := 0; i <= len(p.blocks); i++ {
			text := slices.Clone(p.open.Bytes())
			if i < len(p.blocks) {
				text = p.blocks[i].inflate()
			}
			for len(text) > 0 {
				var c *Change
				c, text = p.next(text)
				number++
				c.packed = number
				if !p.lost[number] && !yield(c) {
					return
				}
			}
		}
	}
}

func (b *block) inflate() []byte {
	text := make([]byte, b.size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(b.text)), text); err != nil { // it is what close made
		panic(err)
	}
	return text
}

// next takes the next creation off a block. What it wants stays a part of the block; its names, which may be
// kept for longer, are a text of their own.
func (p *packed) next(text []byte) (*Change, []byte) {
	const fields = 6
	var from, to [fields + 1]int
	at := 0
	for i := range from {
		n, width := binary.Uvarint(text[at:])
		from[i] = at + width
		at = from[i] + int(n)
		to[i] = at
	}
	c := &Change{Action: Create, managed: p.managed, whole: true, want: text[from[fields]:to[fields]:to[fields]]}
	names := string(text[:to[fields-1]])
	for i, f := range [fields]*string{&c.Type, &c.ID, &c.ExternalID, &c.DN, &c.Name, &c.mark} {
		*f = names[from[i]:to[i]]
	}
	return c, text[at:]
}

// lose takes a creation out.
func (p *packed) lose(number int) {
	if p.lost == nil {
		p.lost = map[int]bool{}
	}
	p.lost[number] = true
}

// count is how many there are to apply.
func (p *packed) count() int { return p.n - len(p.lost) }

// all yields every change: people, those that are packed, then groups.
func (p *Plan) all() iter.Seq[*Change] {
	return func(yield func(*Change) bool) {
		i := 0
		for ; i < p.people; i++ {
			if !yield(p.Changes[i]) {
				return
			}
		}
		for c := range p.packed.all() {
			if !yield(c) {
				return
			}
		}
		for ; i < len(p.Changes); i++ {
			if !yield(p.Changes[i]) {
				return
			}
		}
	}
}

// count is how many changes there are.
func (p *Plan) count() int { return len(p.Changes) + p.packed.count() }

// chunks yields what a sequence does in slices of bounded length.
func chunks(seq iter.Seq[*Change], size int) iter.Seq[[]*Change] {
	return func(yield func([]*Change) bool) {
		var list []*Change
		for c := range seq {
			if list = append(list, c); len(list) == size {
				if !yield(list) {
					return
				}
				list = nil
			}
		}
		if len(list) > 0 {
			yield(list)
		}
	}
}
